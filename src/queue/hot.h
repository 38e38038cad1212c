/* Entries that were accepted a moment ago, with their messages, in memory: most letters leave at
 * once, and need not be read from the disk again. Bounded in bytes; what does not fit, or is not
 * asked for soon, is simply read when its turn comes. Not thread-safe (queue.c holds its lock). */
#ifndef DEPESCHE_QUEUE_HOT_H
#define DEPESCHE_QUEUE_HOT_H

#include "store/store.h"

struct hot_entry {
    struct queue_entry e; /* slices into this object */
    struct slice raw;
    struct hot_entry *next;          /* of its cell */
    struct hot_entry *older, *newer; /* of all */
    size_t bytes;
    int64_t since; /* clock_ms */
};

struct hot {
    struct hot_entry *cell[LIMIT_QUEUE_HOT_CELLS];
    struct hot_entry *oldest, *newest;
    size_t bytes;
};

/* A copy of it, without any lock; NULL: it is too big for this. */
struct hot_entry *hot_new(const struct queue_entry *e, struct slice raw) must_use;
/* Takes it (NULL is allowed); without room for it, it is freed. */
void hot_put(struct hot *h, struct hot_entry *x);
/* Takes it out: the caller's, to be freed with mem_free(). NULL: it is not here. */
struct hot_entry *hot_take(struct hot *h, uint64_t id) must_use;
/* Forgets what came before `before` (clock_ms); INT64_MAX: all. */
void hot_drop(struct hot *h, int64_t before);

#endif
