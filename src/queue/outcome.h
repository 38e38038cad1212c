/* A result -> the recipients' new states, the notices, and what the schedule is told. Pure: no
 * clock, no dice, no store. */
#ifndef DEPESCHE_QUEUE_OUTCOME_H
#define DEPESCHE_QUEUE_OUTCOME_H

#include "queue/queue.h"
#include "queue/schedule.h"

/* What the operator said while it was under way. */
enum outcome_order { ORDER_NONE, ORDER_HOLD, ORDER_CANCEL };

struct outcome_times {
    int64_t retry_first, retry_most, give_up, delay_notice; /* seconds */
};

struct outcome_in {
    const struct queue_entry *entry;
    const size_t *which;             /* which of its recipients were sent for, in this order */
    const enum outcome_order *order; /* one for each of them */
    size_t n;
    enum demand demand;
    enum demand_source source;
    const struct relay_result *result; /* NULL: nothing is known */
    struct outcome_times times;
    int64_t now;
    uint32_t jitter; /* any number: draws the times apart by up to a tenth */
};

#define OUTCOME_NOTICES 3

struct outcome {
    struct queue_change *change; /* one for each of the `n` */
    struct queue_notice notice[OUTCOME_NOTICES];
    size_t n_notices; /* without `raw` */
    enum schedule_end end;
    uint32_t left; /* wait on ... */
    int64_t at;    /* ... until then */
};

/* Everything in `a` or pointing into `in`. ERR_LIMIT: the arena is full. */
must_use enum error outcome_decide(const struct outcome_in *in, struct arena *a,
                                   struct outcome *out);
/* The pause after so many attempts: doubling, bounded, drawn apart by up to a tenth. */
int64_t outcome_pause(const struct outcome_times *t, uint32_t attempts, uint32_t jitter);

#endif
