/* What changes emails in the store: adding one to mailboxes, its keywords, its mailboxes, its end.
 * An email's copies in several mailboxes are changed alike. */
#ifndef DEPESCHE_JMAP_EMAIL_STORE_H
#define DEPESCHE_JMAP_EMAIL_STORE_H

#include "jmap/email_group.h"
#include "jmap/method.h"

/* Keywords as an object says them: {"$seen": true, ...}. */
struct email_keywords {
    struct flag_list list;
    struct slice *names; /* room of list.keywords */
    bool whole;          /* said as a whole; else others may be changing other keywords just now */
};
/* Where it lies: {"B1": true, ...}. */
struct email_places {
    uint32_t *mailbox;
    size_t n;
};

/* Reads them; NULL is an empty object. The SetError's type is NULL when all is well. Mailboxes must
 * exist, and be at least one. */
struct jmap_set_error email_read_keywords(struct jmap_call *c, json_t *object,
                                          struct email_keywords *out);
struct jmap_set_error email_read_places(struct jmap_call *c, json_t *object,
                                        struct email_places *out);

/* Makes an email of a creation's object: reads where it goes and what it is marked with, lets
 * write_raw() write the message (CRLF lines), adds it, and writes what the client does not know of
 * it: id, blobId, threadId, size. */
struct jmap_set_error email_create(
    struct jmap_call *c, struct slice creation_id, json_t *object, struct json_writer *created,
    struct jmap_set_error (*write_raw)(struct jmap_call *c, json_t *object, struct buf *raw));

/* Makes keywords and mailboxes of all copies what is said. */
struct jmap_set_error email_change(struct jmap_call *c, const struct email_group *g,
                                   const struct email_keywords *keywords,
                                   const struct email_places *places);
struct jmap_set_error email_destroy(struct jmap_call *c, const struct email_group *g);

/* jmap_set_result() of a change to an email: what an email has a limit of is its keywords. */
struct jmap_set_error email_set_result(struct jmap_call *c, enum error e);

#endif
