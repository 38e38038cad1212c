/* What the files of the running queue share.
 *
 *   queue.c      start and end, what is accepted, the two threads
 *   send.c       a turn of the schedule -> a flight at edge
 *   settle.c     results of flights -> the store, the memory and the schedule
 *   operate.c    what the operator says, and what had no turn for too long
 *
 * A recipient's row is written by one at a time: by its flight while its letter is under way, else
 * by who has taken its letter out of the schedule under `lock`. */
#ifndef DEPESCHE_QUEUE_QUEUE_PRIVATE_H
#define DEPESCHE_QUEUE_QUEUE_PRIVATE_H

#include "queue/hot.h"
#include "queue/next_hop.h"
#include "queue/outcome.h"
#include "queue/queue.h"
#include "queue/schedule.h"
#include <pthread.h>

/* A letter at edge: the token of its relay. */
struct flight {
    struct flight *next, **link; /* of all */
    struct flight *arrived;      /* next of those whose result is here */
    struct schedule_turn turn;
    struct arena arena;       /* the entry and what was made of it */
    struct queue_entry entry; /* with those of its recipients that travel */
    struct next_hop hop;
    enum error way;            /* not OK: there is none */
    size_t *which;             /* of the entry's recipients: all, in their order */
    enum outcome_order *order; /* under the queue's lock, until `settling` */
    size_t n;
    uint32_t rest;   /* recipients for there that stay behind ... */
    int64_t rest_at; /* ... and are due then */
    enum demand demand;
    enum demand_source source;
    /* the result */
    uint8_t *result; /* as relay_write_result() makes it; NULL: nothing is known */
    size_t result_n;
    bool landed; /* its connection is free already */
    bool settling;
    unsigned told;         /* notices that are delivered, a bit each */
    int64_t not_before_ms; /* when settling failed: the next time for it */
    struct arena work;     /* of one settling */
    struct outcome outcome;
    struct relay_result read;
    size_t first_change; /* in the group's */
};

/* The entry whose letter had its turn last: its other letters are often next, and a mailing has a
 * thousand of them. It may be used as long as the rows it says are nobody else's to change. */
struct last_entry {
    struct arena arena;
    struct queue_entry e;
    struct hot_entry *hot; /* what `e` and its message are in; NULL: they were read */
    uint64_t *key;         /* of each recipient's next hop, 0: it does not wait */
    bool *gone;            /* has travelled since: a flight writes its row */
    uint64_t epoch;
};

struct queue {
    struct queue_options o;
    struct outcome_times times;
    pthread_t hand_over, settle;
    bool running;

    pthread_mutex_t lock;
    pthread_cond_t wake;    /* the thread that hands over */
    pthread_cond_t came;    /* the thread that settles */
    pthread_cond_t settled; /* a flight is over */
    struct schedule *schedule;
    struct hot hot;
    struct flight *flights;
    size_t n_flights, n_landed;
    struct flight *arrived, **arrived_tail;
    bool edge, stopping, drained;
    int64_t pause_until_ms; /* edge took nothing */
    uint64_t epoch;         /* counts what operate.c gave back changed */

    struct last_entry last; /* of the thread that hands over */

    pthread_mutex_t operating; /* one at a time: queue_do(), queue_tend(); before `lock` */
    int64_t look_at;           /* for what is too old */
};

/* What an entry's turns are given by. */
uint64_t queue_sender_key(uint64_t account, struct slice sender);
/* Under the lock: a waiting recipient gets its place in the schedule. */
void queue_schedule(struct queue *q, const struct queue_entry *e, const struct queue_recipient *r);

/* send.c: gives the turn to a flight, or ends it. On the thread that hands over, without lock; the
 * epoch is that of the turn. */
void queue_send(struct queue *q, const struct schedule_turn *t, uint64_t epoch);
void flight_free(struct flight *f);

/* settle.c: settles these flights; on the thread that settles, without lock. */
void queue_settle(struct queue *q, struct flight **group, size_t n);
/* Under the lock. */
void queue_arrived(struct queue *q, struct flight *f);

#endif
