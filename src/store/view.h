/* Views: an account's messages as JMAP sees them. JMAP speaks of emails, which may lie in several
 * mailboxes, and of threads over all of them; IMAP of messages in one mailbox. A view joins all
 * mailboxes' snapshots with what never changes of a message (email, thread, dates, attachment), in
 * memory, so that queries, counts and changes of 100,000 messages read no database.
 *
 * Immutable and reference-counted, as snapshots are. A new view is made of the one before: what
 * changed in the snapshots is put in or taken out, and the index is asked for new messages only.
 * The first one of an account is one pass over its index (100,000 messages: about 0.1 s). Unused
 * accounts' views are given back by store_tend(), and over LIMIT_VIEW_BYTES the least used.
 *
 * A message with \Deleted stands in a view, but JMAP must not show it (RFC 8621 4.1.1): counts and
 * changes here are of the others, and for them an email without another message does not exist. */
#ifndef DEPESCHE_STORE_VIEW_H
#define DEPESCHE_STORE_VIEW_H

#include "store/store.h"

struct view;

/* One message in one mailbox. Those of one email share email, thread, dates, size. */
struct view_message {
    uint64_t email, thread;
    int64_t received, sent; /* seconds: internal date and Date field */
    uint64_t flags, modseq;
    uint64_t born;   /* the modseq with which it came here, or lost \Deleted last */
    uint64_t hidden; /* the modseq with which it got \Deleted; 0: it has not */
    uint32_t mailbox, uid, size;
    uint16_t box; /* the view's own */
    bool has_attachment;
    bool again; /* it lost \Deleted; before `born` it may have been seen too */
};

/* The newest. Never blocks on a commit; reads the index for what is new only. Not from a store that
 * is read beside its server: ERR_CLOSED. */
must_use enum error store_view(struct store *s, uint64_t account, struct view **out);
struct view *view_ref(struct view *v) must_use;
void view_unref(struct view *v);

/* Where the account stands: two views with equal states show the same. next_email and next_mailbox
 * grow only: a mailbox from next_mailbox on did not exist then. */
struct view_state {
    uint64_t modseq, next_email;
    uint32_t next_mailbox;
};
struct view_state view_state(const struct view *v);

/* All messages (each mailbox a message lies in counts), by received date, newest first; equal ones
 * by email, highest first, then by mailbox and uid. Valid while the view is held. */
const struct view_message *view_messages(const struct view *v, size_t *n);
/* Those of one mailbox in the same order: positions in view_messages(). */
const uint32_t *view_mailbox(const struct view *v, uint32_t mailbox, size_t *n);
/* Positions of one email's messages, of one thread's (oldest first; an email may stand there
 * several times, one after the other). *n is 0 when there are none. */
const uint32_t *view_email(const struct view *v, uint64_t email, size_t *n);
const uint32_t *view_thread(const struct view *v, uint64_t thread, size_t *n);

/* What RFC 8621 2 counts of a mailbox, messages with \Deleted left out. An email is unread when
 * none of its messages has \Seen or \Draft. A thread counts as unread when it has an unread email
 * outside Trash and Junk; for Trash and Junk themselves, when it has one in that very mailbox.
 * Counted once for a view, and again only where flags changed. */
struct view_counts {
    uint32_t emails, unread_emails, threads, unread_threads;
};
struct view_counts view_counts(const struct view *v, uint32_t mailbox);

/* --- What changed --- */

/* Emails that changed after modseq `since` up to `v`, ascending, each once; exact also across
 * moves, deleted mailboxes and undelete, but for one thing: an email that was hidden by \Deleted
 * and shown again since counts as created when it is there, and as destroyed when it is not. Others
 * that came and went since are not named. A thread existed at `since` when one of its emails in `v`
 * is not created, or one of these is destroyed. ERR_AGAIN: the log does not reach back that far, or
 * `since` is after `v` (JMAP: cannotCalculateChanges). */
enum email_change_kind { EMAIL_CREATED, EMAIL_UPDATED, EMAIL_DESTROYED };
struct email_change {
    uint64_t email, thread;
    enum email_change_kind kind;
};
must_use enum error store_email_changes(struct store *s, const struct view *v, uint64_t since,
                                        struct arena *a, struct email_change **out, size_t *n);
/* Mailboxes deleted after modseq `since`, ascending; also such as were made since. One that is left
 * has changed, itself or its messages, when its modseq (struct mailbox) is greater than `since`;
 * its counts of threads may change with messages of others. ERR_AGAIN as above. */
must_use enum error store_mailboxes_gone(struct store *s, uint64_t account, uint64_t since,
                                         struct arena *a, uint32_t **ids, size_t *n);

/* --- Undelete: what was expunged, or went with a deleted mailbox, and can come back --- */

struct deleted_message {
    uint64_t number; /* names it; stable while it is there */
    uint64_t email;
    int64_t deleted_at, until; /* wall seconds; when it goes for good */
    int64_t received;
    uint32_t size;
    bool has_attachment;
    struct slice mailbox; /* name it had; of a mailbox that is gone too, its last name */
    struct slice subject, from, preview;
};
/* The newest deletion first, from position `from` on, at most `max`; *total counts all. Slices
 * valid during the callback, which must not call the store. */
must_use enum error store_deleted_list(struct store *s, uint64_t account, size_t from, size_t max,
                                       void (*message)(void *arg, const struct deleted_message *m),
                                       void *arg, size_t *total);
/* Puts them back into the mailbox they were in (one with its name, made again when there is none;
 * INBOX when it cannot be made), with a new uid, their flags without \Deleted, the same email and
 * thread. At most LIMIT_TXN_ROWS of them are one transaction; *n says, also on an error, how many
 * came back. ERR_NOTFOUND: none of the numbers is there any more. ERR_QUOTA: those of a transaction
 * do not fit, and none of them came back. */
must_use enum error store_undelete(struct store *s, uint64_t account, const uint64_t *numbers,
                                   size_t count, uint64_t quota, size_t *n);

#endif
