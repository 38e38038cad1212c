/* cursor: reads a slice forward, with a sticky error. One bounds check, in one place; read as much
 * as you like and look at cur_ok() once at the end. It never moves backwards.
 * Integers are big-endian. After an error every read gives zero or the empty slice. */
#ifndef DEPESCHE_BASE_CURSOR_H
#define DEPESCHE_BASE_CURSOR_H

#include "base/slice.h"

struct cursor {
    struct slice rest;
    bool failed;
};

static inline struct cursor cur_of(struct slice s)
{
    return (struct cursor){s, false};
}
static inline bool cur_ok(const struct cursor *c)
{
    return !c->failed;
}
static inline bool cur_end(const struct cursor *c)
{
    return c->rest.n == 0;
}

struct slice cur_take(struct cursor *c, size_t n);
uint8_t cur_u8(struct cursor *c);
uint32_t cur_u32(struct cursor *c);
uint64_t cur_u64(struct cursor *c);
/* A u32 length and that many bytes, at most `max`. */
struct slice cur_bytes(struct cursor *c, uint32_t max);
/* The next byte without taking it, -1 at the end. */
static inline int cur_peek(const struct cursor *c)
{
    return c->rest.n && !c->failed ? c->rest.p[0] : -1;
}

#endif
