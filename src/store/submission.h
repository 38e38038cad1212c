/* Email submissions (RFC 8621 7): what a user of JMAP sent, or will send. One that waits (undo,
 * send later) keeps the message's bytes itself, so that changing or deleting the draft changes
 * nothing. */
#ifndef DEPESCHE_STORE_SUBMISSION_H
#define DEPESCHE_STORE_SUBMISSION_H

#include "store/store.h"

enum submission_state {
    SUBMISSION_PENDING,  /* may still be taken back */
    SUBMISSION_FINAL,    /* delivered and handed to the queue */
    SUBMISSION_CANCELED, /* by the user */
    SUBMISSION_FAILED,   /* it could not be sent when its time came; `answer` says why */
};

struct submission {
    uint64_t id; /* unique in the account, never reused */
    uint64_t email, thread;
    uint32_t identity;
    enum submission_state state;
    uint64_t added;        /* the account's submission state with which it came ... */
    uint64_t changed;      /* ... and that of its last change */
    int64_t send_at;       /* wall seconds */
    struct slice envelope; /* the JMAP Envelope as JSON, as it was sent or made */
    struct slice answer;   /* SMTP reply that stands for all recipients, empty while pending */
    uint64_t queue_entry;  /* where its foreign recipients wait; 0: none */
};

/* Keeps a reference to the body of the message (mailbox, uid). `in`: all but id, state (which is
 * PENDING), added, changed and answer. ERR_NOTFOUND: no such message; ERR_LIMIT:
 * LIMIT_SUBMISSIONS_PENDING. *id is filled. */
must_use enum error store_submission_add(struct store *s, uint64_t account, uint32_t mailbox,
                                         uint32_t uid, const struct submission *in, uint64_t *id);
/* From PENDING to another state: ERR_CONFLICT when it is not PENDING any more (JMAP: cannotUnsend).
 * Exactly one caller succeeds. The body goes when it is not needed any more. */
must_use enum error store_submission_settle(struct store *s, uint64_t account, uint64_t id,
                                            enum submission_state to, struct slice answer,
                                            uint64_t queue_entry);
/* Forgets it; store_submissions_gone() names it. ERR_CONFLICT while it is pending. */
must_use enum error store_submission_remove(struct store *s, uint64_t account, uint64_t id);
/* One of an account; ERR_NOTFOUND. Slices in `a`. */
must_use enum error store_submission(struct store *s, uint64_t account, uint64_t id,
                                     struct arena *a, struct submission *out);
/* All of an account, by id; slices in `a`. */
must_use enum error store_submissions(struct store *s, uint64_t account, struct arena *a,
                                      struct submission **out, size_t *n);
/* ERR_NOTFOUND: it is settled, or there is none. Freed with store_body_free(). */
must_use enum error store_submission_body(struct store *s, uint64_t account, uint64_t id,
                                          struct store_body *out);
/* The account's submission state: grows with each change; and ids removed after `since`, ascending
 * (also of such as were added since). ERR_AGAIN: not known that far back, or `since` is yet to
 * come. */
must_use enum error store_submission_state(struct store *s, uint64_t account, uint64_t *state);
must_use enum error store_submissions_gone(struct store *s, uint64_t account, uint64_t since,
                                           struct arena *a, uint64_t **ids, size_t *n);
/* Pending ones of all accounts whose time came, oldest first, at most `max`. */
must_use enum error store_submissions_due(struct store *s, int64_t now, size_t max,
                                          void (*due)(void *arg, uint64_t account, uint64_t id),
                                          void *arg);
/* Removes what was settled before `before`, and forgets for good what was removed before. */
must_use enum error store_submissions_forget(struct store *s, int64_t before);

#endif
