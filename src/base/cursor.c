/* Reading forward; see cursor.h. */
#include "base/cursor.h"

struct slice cur_take(struct cursor *c, size_t n)
{
    if (c->failed || n > c->rest.n) {
        c->failed = true;
        c->rest = slice_from(c->rest, c->rest.n);
        return SLICE("");
    }
    struct slice taken = slice_sub(c->rest, 0, n);
    c->rest = slice_from(c->rest, n);
    return taken;
}

static uint64_t take_integer(struct cursor *c, size_t bytes)
{
    struct slice s = cur_take(c, bytes);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

uint8_t cur_u8(struct cursor *c)
{
    return (uint8_t)take_integer(c, 1);
}

uint32_t cur_u32(struct cursor *c)
{
    return (uint32_t)take_integer(c, 4);
}

uint64_t cur_u64(struct cursor *c)
{
    return take_integer(c, 8);
}

struct slice cur_bytes(struct cursor *c, uint32_t max)
{
    uint32_t n = cur_u32(c);
    if (n > max)
        c->failed = true;
    return cur_take(c, n);
}
