/* The schedule: who is next. Memory only, no threads, no clock of its own, not thread-safe (queue.c
 * holds its lock). At most 200 bytes for an entry of one recipient, also when all senders and
 * destinations differ, and less when they do not; every operation at most logarithmic in the
 * entries, but for those that say so.
 *
 * A letter is what goes to one destination of one entry: its recipients there travel together. Its
 * sender and its destination are known by the hashes of their names only: that is what makes it
 * small, and two names that met in 64 keyed bits would merely share their turns. */
#ifndef DEPESCHE_QUEUE_SCHEDULE_H
#define DEPESCHE_QUEUE_SCHEDULE_H

#include "base/slice.h"

struct schedule;

struct schedule_options {
    unsigned places; /* letters under way at once */
    unsigned per_destination;
};
struct schedule *schedule_new(const struct schedule_options *o) must_use;
void schedule_free(struct schedule *s);

/* What a destination or sender is known by. */
uint64_t schedule_key(struct slice name);

/* Adds `n` recipients of `entry` for `destination`, due at `at`; to the letter that is there
 * already when there is one (then the earlier time counts). sender: what turns are given by. */
void schedule_add(struct schedule *s, uint64_t entry, uint64_t destination, uint64_t sender,
                  uint32_t n, int64_t at);

struct schedule_turn {
    uint32_t letter; /* for schedule_done() */
    uint64_t entry, destination;
};
/* The next letter that is due and has a place; it is under way then. False: none now, and *next is
 * when to ask again (INT64_MAX: when something changes). */
bool schedule_next(struct schedule *s, int64_t now, struct schedule_turn *out, int64_t *next);

enum schedule_end {
    SCHEDULE_TOOK,     /* the destination answered for a message: it is well */
    SCHEDULE_DEFERRED, /* it answered, and wants it later */
    SCHEDULE_FAILED,   /* it could not be reached at all */
    SCHEDULE_UNKNOWN,  /* no word about the destination (edge gone) */
};
/* The letter's connection is free for the next one; the letter itself is under way until
 * schedule_done(), which follows. FAILED: the destination gets one place, and nothing goes there
 * before `at`, at most for LIMIT_QUEUE_PROBE_SECONDS; TOOK after FAILED: all its letters are due
 * now (linear in them). */
void schedule_landed(struct schedule *s, uint32_t letter, enum schedule_end end, int64_t at,
                     int64_t now);
/* The letter's turn is over. `left` recipients wait on, due at `at`; 0: the letter is done and
 * freed. */
void schedule_done(struct schedule *s, uint32_t letter, uint32_t left, int64_t at);
/* Takes the entry's letter for `destination` out when it is not under way; false when it is (it is
 * then marked: schedule_done() frees it whatever is left) or is not there. */
bool schedule_remove(struct schedule *s, uint64_t entry, uint64_t destination);
bool schedule_under_way(const struct schedule *s, uint64_t entry, uint64_t destination);
/* A destination that failed may be tried now, by what is due. */
void schedule_open(struct schedule *s, uint64_t destination);

/* Is there a letter that is due, for want of a place only? */
bool schedule_waits(const struct schedule *s);

struct schedule_stats {
    size_t letters, due, under_way, destinations, failing, senders, bytes;
};
struct schedule_stats schedule_stats(const struct schedule *s);

#endif
