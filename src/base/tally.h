/* tally: how much of something each account has in use at once (requests that run, open streams,
 * bytes of answers that nobody took), and that it is not too much. Thread-safe. */
#ifndef DEPESCHE_BASE_TALLY_H
#define DEPESCHE_BASE_TALLY_H

#include "base/slice.h"
#include <pthread.h>

/* One use; lies in what it is counted for. All zero: none. */
struct tally_use {
    struct tally_use *next;
    uint64_t key, n;
};

enum { TALLY_BUCKETS = 256 };
struct tally {
    pthread_mutex_t lock;
    struct tally_use *bucket[TALLY_BUCKETS];
};
#define TALLY_INIT                                                                                 \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

/* Counts `n` more (not 0) for `key` until tally_give(). False: that would be more than `most`
 * together; nothing is counted. */
bool tally_take(struct tally *t, struct tally_use *use, uint64_t key, uint64_t n,
                uint64_t most) must_use;
/* Nothing happens to a use that counts nothing. */
void tally_give(struct tally *t, struct tally_use *use);
uint64_t tally_of(struct tally *t, uint64_t key);

#endif
