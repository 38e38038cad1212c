/* A count over the last hour or day that slides in steps: so many slots, each of some seconds.
 * Pure; times in seconds. */
#ifndef DEPESCHE_GUARD_WINDOW_H
#define DEPESCHE_GUARD_WINDOW_H

#include "base/slice.h"

enum { WINDOW_SLOTS = 24 }; /* at most */

struct window_shape {
    int64_t width; /* seconds of a slot */
    unsigned slots;
};

struct window {
    int64_t newest; /* number of its newest slot: time / width */
    uint32_t n[WINDOW_SLOTS];
    uint32_t dirty; /* bit i: n[i] was changed */
};

/* Lets what is too old go. A clock that was set far back or ahead empties it. */
void window_advance(struct window *w, const struct window_shape *s, int64_t now);
/* Puts back what was counted in slot number `slot`; others than the present ones are ignored. */
void window_restore(struct window *w, const struct window_shape *s, int64_t slot, uint32_t n);
uint32_t window_sum(const struct window *w, const struct window_shape *s);
/* Counts in the newest slot. */
void window_add(struct window *w, const struct window_shape *s, uint32_t n);
/* When `n` more stay within the limit, if nothing else is counted; when they never do: when the
 * window is empty. */
int64_t window_until(const struct window *w, const struct window_shape *s, uint32_t n,
                     uint32_t limit);
/* The slot number that n[i] counts for now. */
int64_t window_slot(const struct window *w, const struct window_shape *s, unsigned i);

#endif
