/* The schedule: who is next. Memory only, no threads, no clock of its own, not thread-safe (queue.c
 * holds its lock). At most 200 bytes for an entry of one recipient, whatever their number; every
 * operation at most logarithmic in the entries.
 *
 * A letter is what goes to one destination of one entry: its recipients there travel together. */
#ifndef DEPESCHE_QUEUE_SCHEDULE_H
#define DEPESCHE_QUEUE_SCHEDULE_H

#include "base/slice.h"

struct schedule;
struct letter; /* owned by the schedule */

struct schedule_options {
    unsigned places; /* letters under way at once */
    unsigned per_destination;
};
struct schedule *schedule_new(const struct schedule_options *o) must_use;
void schedule_free(struct schedule *s);

/* Adds `n` recipients of `entry` for `destination`, due at `at`; to the letter that waits already
 * when there is one (then the earlier time counts). sender: what turns are given by. */
void schedule_add(struct schedule *s, uint64_t entry, struct slice destination, struct slice sender,
                  uint32_t n, int64_t at);

struct schedule_turn {
    struct letter *letter;
    uint64_t entry;
    struct slice destination; /* valid while the letter lives */
};
/* The next letter that is due and has a place; it is under way then. False: none now, and
 * *next is when to ask again (INT64_MAX: when something changes). */
bool schedule_next(struct schedule *s, int64_t now, struct schedule_turn *out, int64_t *next);

enum schedule_end {
    SCHEDULE_TOOK,     /* the destination answered for a message: it is well */
    SCHEDULE_DEFERRED, /* it answered, and wants it later */
    SCHEDULE_FAILED,   /* it could not be reached at all */
    SCHEDULE_UNKNOWN,  /* no word about the destination (edge gone) */
};
/* The letter's turn is over. `left` recipients wait on, due at `at`; 0: the letter is done and
 * freed. FAILED: the destination gets one place, and its letters wait for `at` too; TOOK after
 * FAILED: all its letters are due now. */
void schedule_done(struct schedule *s, struct letter *l, enum schedule_end end, uint32_t left,
                   int64_t at, int64_t now);
/* Takes the entry's letter for `destination` out when it is not under way; false when it is (it is
 * then marked: schedule_done() frees it whatever is left) or is not there. */
bool schedule_remove(struct schedule *s, uint64_t entry, struct slice destination);
/* Everything for `destination` (empty: everything) is due now. Returns how many. */
size_t schedule_hurry(struct schedule *s, struct slice destination, int64_t now);

struct schedule_stats {
    size_t letters, under_way, destinations, failing, senders, bytes;
};
struct schedule_stats schedule_stats(const struct schedule *s);

#endif
