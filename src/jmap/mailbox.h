/* What the files of the Mailbox methods share. JMAP sees a mailbox's name and its parent; the store
 * keeps the whole path. */
#ifndef DEPESCHE_JMAP_MAILBOX_H
#define DEPESCHE_JMAP_MAILBOX_H

#include "jmap/methods.h"

/* The account's mailboxes as of the call's view or later. Give it back with
 * store_mailboxes_unref(). False: the call has failed. */
must_use bool mailbox_list_get(struct jmap_call *c, const struct mailbox_list **out);
/* The last level; "Inbox" of the Inbox. */
struct slice mailbox_level(const struct mailbox *b);
/* NULL: at the top. */
const struct mailbox *mailbox_parent(const struct mailbox_list *l, const struct mailbox *b);
/* The one an id means; NULL: none. */
const struct mailbox *mailbox_of_id(const struct mailbox_list *l, struct slice id);
/* "inbox", ...; NULL: none. */
const char *mailbox_role(enum special_use use);
uint32_t mailbox_sort_order(const struct mailbox *b);
void mailbox_rights(const struct mailbox *b, struct json_writer *w);

void jmap_mailbox_query(struct jmap_call *c);
void jmap_mailbox_query_changes(struct jmap_call *c);
void jmap_mailbox_set(struct jmap_call *c);

#endif
