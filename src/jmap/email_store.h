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

/* receivedAt; now when it is not there. */
struct jmap_set_error email_read_received(struct jmap_call *c, json_t *object, int64_t *out);

/* A message for the account: into the first mailbox, copied to the others. Fills email and thread.
 */
struct email_new {
    struct slice raw; /* CRLF lines */
    struct email_places places;
    struct email_keywords keywords;
    int64_t received;
    uint64_t email, thread;
};
struct jmap_set_error email_add(struct jmap_call *c, struct email_new *m);
/* The answer to a creation: id, blobId, threadId, size. */
void email_write_created(struct json_writer *w, const struct email_new *m);

/* Makes keywords and mailboxes of all copies what is said. */
struct jmap_set_error email_change(struct jmap_call *c, const struct email_group *g,
                                   const struct email_keywords *keywords,
                                   const struct email_places *places);
struct jmap_set_error email_destroy(struct jmap_call *c, const struct email_group *g);

/* jmap_set_result() of a change to an email: what an email has a limit of is its keywords. */
struct jmap_set_error email_set_result(struct jmap_call *c, enum error e);

#endif
