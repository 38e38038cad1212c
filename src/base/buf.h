/* buf: a growing byte buffer with a maximum that it is born with. Going over the maximum sets a
 * sticky `failed`, the bytes over it are dropped, and nothing else happens: check once at the end.
 * No allocation before the first byte. The only place in the program that grows memory. */
#ifndef DEPESCHE_BASE_BUF_H
#define DEPESCHE_BASE_BUF_H

#include "base/slice.h"
#include <stdarg.h>

struct buf {
    uint8_t *p;
    size_t n, cap, limit;
    bool failed;
};

#define BUF_INIT(max)                                                                              \
    {                                                                                              \
        NULL, 0, 0, (max), false                                                                   \
    }

static inline void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf)BUF_INIT(limit);
}
/* Gives the memory back; the buffer is empty and usable again. Safe on a zeroed buf. */
void buf_free(struct buf *b);
/* As buf_free, after wiping: for secrets. */
void buf_wipe(struct buf *b);
/* Empties it and clears `failed`, keeps the memory. */
static inline void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p, b->n};
}
must_use static inline enum error buf_check(const struct buf *b)
{
    return b->failed ? ERR_LIMIT : OK;
}

void buf_add(struct buf *b, struct slice s);
void buf_byte(struct buf *b, uint8_t byte);
#define buf_lit(b, literal) buf_add((b), SLICE(literal))
void buf_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) printf_like(2, 3);
void buf_dec(struct buf *b, uint64_t value);
/* Big-endian integers, and a u32 length with its bytes: what cursor reads. */
void buf_u32(struct buf *b, uint32_t value);
void buf_u64(struct buf *b, uint64_t value);
void buf_bytes(struct buf *b, struct slice s);

/* Room for `n` more bytes at the returned place, NULL (and failed) when over the limit.
 * Say how many were written with buf_grew(). */
uint8_t *buf_room(struct buf *b, size_t n);
static inline void buf_grew(struct buf *b, size_t n)
{
    b->n += n;
}
/* Drops the first `n` bytes; the rest moves to the front. */
void buf_drop(struct buf *b, size_t n);

void auto_buf_free(struct buf *b);
#define autobuf __attribute__((cleanup(auto_buf_free))) struct buf

#endif
