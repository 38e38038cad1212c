/* JMAP: core (RFC 8620), mail and submission (RFC 8621), blobs (RFC 9404), quotas (RFC 9425), and
 * our own extensions (doc/jmap-extensions.md). Knows nothing of HTTP: web/ brings bytes and takes
 * bytes.
 *
 *   session.c      the session resource, capabilities and their limits
 *   request.c      a request: its calls in their order; reference.c what they refer back to
 *   method.h       what a method gets and may call; set.c the standard /set, changes.c and window.c
 *                  what /changes and /query have in common; the tables of methods are in methods.h
 *   mailbox*.c thread.c snippet.c identity.c vacation.c quota.c  the methods of their types
 *   email_*.c      those of Email: filter, sort and results are of queries; header, body and
 *                  envelope of what is read; compose of what is written; store changes emails
 *   submission*.c  EmailSubmission; outbox.c sends what is due
 *   blob*.c        blobs and RFC 9404; upload.c the files that wait to be used
 *   push.c         events of changes
 *   account.c deleted.c travel.c  our own: password, sessions, settings; undelete; how mail goes
 *
 * An object's id is a letter and a number: "M12" an email, "T7" a thread, "B3" a mailbox, ...
 * Blobs: "M12" the message, "M12-2" a part of it by its number ("M12-2-1": a part of the message
 * that this one is), "U..." an upload. State strings are made of the store's view_state (email,
 * mailbox, thread) or the directory's profile state, so that /changes is exact. */
#ifndef DEPESCHE_JMAP_JMAP_H
#define DEPESCHE_JMAP_JMAP_H

#include "auth/web_session.h"
#include "filter/delivery.h"
#include "smtp/smtp.h"
#include "store/view.h"

/* How mail to an address would travel; made by the queue's knowledge and edge's look-ups. */
enum jmap_travel {
    TRAVEL_LOCAL,     /* never leaves this server */
    TRAVEL_DANE,      /* encrypted to a server that DNSSEC vouches for */
    TRAVEL_VERIFIED,  /* encrypted to a server whose certificate is demanded and checked */
    TRAVEL_ENCRYPTED, /* encrypted or not at all */
    TRAVEL_MAYBE,     /* encrypted if the other side offers it */
    TRAVEL_CLEAR,     /* the other side offered no encryption the last time */
    TRAVEL_NOWHERE,   /* the domain takes no mail, or does not exist */
    TRAVEL_UNKNOWN,   /* could not be found out now */
};

struct jmap_service {
    struct store *store;
    struct directory *directory;
    struct login *login;
    struct guard *guard;
    const struct smtp_submission *submission; /* by whose rules mail is sent */
    struct web_sessions *sessions;
    struct delivery_service delivery;
    const char *host;
    const char *uploads;   /* folder for blobs that wait to be used; emptied of old ones by tend */
    uint64_t message_size; /* limits.message_size */
    unsigned undelete_days;
    /* Blocks, at most LIMIT_FORECAST_MS. NULL: nobody knows. Fills host (of 256 bytes, the server
     * it would go to, or ""). */
    enum jmap_travel (*forecast)(void *arg, struct slice address, char host[256]);
    void *arg;
};

/* Who asks. */
struct jmap_user {
    struct account account;
    uint64_t session; /* web session's id; 0: Basic */
    struct ip peer;
    bool german;
};

/* The session resource (RFC 8620 2), as JSON. `base` is "https://mail.example.org" without a slash.
 */
void jmap_session(const struct jmap_service *s, const struct jmap_user *u, struct slice base,
                  struct buf *out);

/* One API request (RFC 8620 3): always fills out with JSON; returns the HTTP status (200, or 400
 * with a problem document). out's limit is LIMIT_JMAP_RESPONSE. Every method's errors are
 * inside. Blocks for the work it does. At most LIMIT_JMAP_CONCURRENT requests of an account run at
 * once, more are 400 with the "limit" problem. */
int jmap_api(const struct jmap_service *s, const struct jmap_user *u, struct slice request,
             struct buf *out);

/* --- Blobs --- */

/* An upload as it comes: a file in `uploads`, bounded by LIMIT_JMAP_UPLOAD and by what an account
 * may have waiting (LIMIT_JMAP_UPLOADS_ACCOUNT). Every begun one ends with done or drop. */
struct jmap_upload;
must_use enum error jmap_upload_begin(const struct jmap_service *s, const struct jmap_user *u,
                                      struct slice type, struct jmap_upload **out);
must_use enum error jmap_upload_take(struct jmap_upload *up, struct slice piece);
/* The answer's JSON (accountId, blobId, type, size). Frees it, also on an error. */
must_use enum error jmap_upload_done(struct jmap_upload *up, struct buf *json);
void jmap_upload_drop(struct jmap_upload *up);

/* A blob's bytes; read as a stream. ERR_NOTFOUND. */
struct jmap_blob;
must_use enum error jmap_blob_open(const struct jmap_service *s, const struct jmap_user *u,
                                   struct slice id, struct jmap_blob **out);
uint64_t jmap_blob_size(const struct jmap_blob *b);
/* Appends at most `max` bytes from where the last call ended; none at the end. */
must_use enum error jmap_blob_read(struct jmap_blob *b, size_t max, struct buf *out);
void jmap_blob_close(struct jmap_blob *b);

/* --- Push (RFC 8620 7.3) --- */

/* Which types a client watches. */
enum jmap_type {
    JMAP_MAILBOX = 1,
    JMAP_THREAD = 2,
    JMAP_EMAIL = 4,
    JMAP_EMAIL_DELIVERY = 8,
    JMAP_IDENTITY = 16,
    JMAP_SUBMISSION = 32,
    JMAP_VACATION = 64,
    JMAP_QUOTA = 128,
    JMAP_ALL_TYPES = 255,
};
/* From "Email,Mailbox" or "*". */
unsigned jmap_types(struct slice names);

/* One stream's watch and what it was told last. What changed before it began is not told: clients
 * ask with /changes when they (re)connect. */
struct jmap_push;
must_use enum error jmap_push_begin(const struct jmap_service *s, const struct jmap_user *u,
                                    unsigned types, struct waker *w, struct jmap_push **out);
/* Appends a "state" event when something changed since the last call; true when it did. */
bool jmap_push_event(struct jmap_push *p, struct buf *out);
void jmap_push_end(struct jmap_push *p);
/* After a change that the store does not know of (identities, ended sessions, ...): wakes the
 * account's streams. */
void jmap_push_wake(uint64_t account);

/* --- Care --- */

/* What is due to leave (EmailSubmissions whose time came), uploads that nobody used; about every
 * second, on a worker. */
void jmap_tend(const struct jmap_service *s);

#endif
