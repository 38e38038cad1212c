/* The outbound queue, in `mail`: knows everything that waits to leave, chooses what goes next,
 * hands it over, and makes the outcome durable. What is kept is the store's; here is the schedule.
 *
 *   schedule.c   who is next: destinations, senders, times, limits (memory only), over slab.c
 *   queue.c      the two threads: one hands over what is due, one settles results in groups
 *   send.c       a turn of the schedule -> a letter at edge
 *   settle.c     results -> the store, what is remembered, the schedule
 *   outcome.c    a result -> the recipients' new states, notices, what the schedule hears (pure)
 *   operate.c    what the operator says; what is too old and had no turn
 *   next_hop.c   an address -> where its mail goes (pure)
 *   demand.c     a destination -> what is demanded, from memory, list and settings
 *   memory.c     what is remembered of destinations: policy.db
 *   tally.c      counts for TLS reports, in policy.db too
 *   providers.c  the list of providers
 *   report.c     our TLS reports to others (RFC 8460); report_read.c: theirs to us
 *
 * Fairness: places are given by turns to senders that have something due, and within a sender's
 * turn to his destinations; a sender has at most as many places as are free for others (alone
 * half of all), a destination at most its limit, one that did not
 * answer yet only LIMIT_QUEUE_UNTRIED (a server that says nothing holds a place for minutes), one
 * that failed just one until it answers again. When a destination that failed takes a message,
 * everything that waits for it is due at once.
 *
 * Duplicates: a message that edge never answered for (it died, or the other server's answer was
 * lost) is tried again, so each such accident makes at most one more copy; when only `mail` dies,
 * edge knows what it delivered, and sends nothing again; every answer is durable before
 * its recipients may be tried or forgotten. When it cannot be made durable, or its notice not
 * delivered (a full disk), it is kept and settled later: nothing is sent again for that. */
#ifndef DEPESCHE_QUEUE_QUEUE_H
#define DEPESCHE_QUEUE_QUEUE_H

#include "handover/relay.h"
#include "queue/memory.h"
#include "store/store.h"

struct queue;

/* Where mail for a domain goes instead of its MX; domain "": everything (smart host). */
struct queue_transport {
    const char *domain, *host;
    uint16_t port;
    const char *login,
        *password; /* "" : none. With one TLS and a verified certificate is demanded. */
};

/* What the sender of an entry is to be told; one for all recipients of one kind that came up
 * together. Slices valid during the call. */
enum queue_notice_kind { NOTICE_FAILED, NOTICE_DELAYED, NOTICE_RELAYED };
struct queue_notice_recipient {
    const struct queue_recipient *recipient;
    struct relay_outcome_of outcome; /* the last one */
    struct slice host;               /* the other server; empty: none was reached */
    enum security security;
};
struct queue_notice {
    enum queue_notice_kind kind;
    const struct queue_entry *entry; /* perhaps not with all of its recipients */
    struct slice raw;                /* the message */
    const struct queue_notice_recipient *recipient;
    size_t n_recipients;
    int64_t retry_until; /* DELAYED */
};

struct queue_options {
    struct store *store;
    struct memory *memory;
    const struct providers *providers;        /* must stay */
    const struct queue_transport *transports; /* must stay */
    size_t n_transports;
    uint16_t port; /* of other servers; 0: 25 */
    bool clear_allowed;
    unsigned connections;     /* messages at edge at once; 0: 100 */
    unsigned per_destination; /* 0: 10 */
    int64_t retry_first, retry_most, give_up, delay_notice, keep_results; /* seconds; 0: 5 min, 4 h,
                                                                              5 d, 4 h, 2 d */
    /* Sends: handover_relay(). On OK queue_relayed() follows with the same token. May block
     * shortly; called without locks, on the queue's own thread. ERR_INPUT and ERR_LIMIT: this
     * message can never be handed over, it is set aside; any other error: later. */
    enum error (*send)(void *arg, const struct relay_request *rq, struct slice raw, void *token);
    /* Delivers a notice durably; raw is empty when the message cannot be read. ERR_FULL, ERR_IO,
     * ERR_AGAIN, ERR_CLOSED, ERR_TIMEOUT: it is asked again later, and the recipient stays; any
     * other error is the notice's own: it is logged, and given up. */
    enum error (*tell)(void *arg, const struct queue_notice *n);
    void *arg;
};
/* Reads what waits (the store's rows), sets the store's watch: before deliveries begin. Nothing is
 * sent before queue_run(), nor before queue_edge(true). */
must_use enum error queue_new(const struct queue_options *o, struct queue **out);
/* Starts the two threads. ERR_AGAIN. */
must_use enum error queue_run(struct queue *q);
/* The outcome of a send, or NULL when it is not known. Copies what it needs; any thread. */
void queue_relayed(struct queue *q, void *token, const struct relay_result *r);
/* Edge is (again) there, or gone: nothing is handed over while it is gone. */
void queue_edge(struct queue *q, bool there);
/* Hands nothing more over, settles what came. What is still at edge when grace_ms have passed is
 * tried again at the next start. queue_relayed() must not be called any more when it returns. The
 * store and the memory are closed after it. */
void queue_free(struct queue *q, int grace_ms);
/* House-keeping, about every minute, on a thread that may block: forgets results after
 * keep_results, and looks (each LIMIT_QUEUE_LOOK_SECONDS) for what got no turn, because its
 * destination fails, and is to be returned or told of as late. */
void queue_tend(struct queue *q);

/* --- What the operator says; through the control socket --- */

enum queue_action { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_CANCEL };
/* Which recipients: all that fit every member given. */
struct queue_selector {
    uint64_t entry; /* 0: any */
    struct slice recipient, sender,
        destination; /* empty: any; without case; destination: a domain */
    bool all;        /* must be set when nothing else is */
};
/* Does it fit every member given? (select.c) */
bool queue_selects(const struct queue_selector *s, uint64_t entry, struct slice sender,
                   struct slice recipient);
/* Durable on return. *n: recipients it was done to. CANCEL ends without a bounce; RETRY makes due
 * now (also of a broken one), and lets it try a destination that failed. A letter at edge does it
 * with its result: what was delivered counts as delivered, else it is held or cancelled; should the
 * process end before that, it is held at the next start. ERR_INPUT: nothing is selected;
 * ERR_NOTFOUND: none fits; else as store_queue_settle(). */
must_use enum error queue_do(struct queue *q, enum queue_action action,
                             const struct queue_selector *s, size_t *n);

struct queue_stats {
    size_t entries, recipients, due, under_way, held, broken, destinations, failing;
    size_t bytes; /* memory of the schedule */
};
/* Reads the store's rows: some milliseconds for each ten thousand. */
struct queue_stats queue_stats(struct queue *q);

#endif
