/* The growing byte buffer; see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

enum { FIRST_CAPACITY = 64 };

void buf_free(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf)BUF_INIT(b->limit);
}

void buf_wipe(struct buf *b)
{
    if (b->p != NULL)
        mem_wipe(b->p, b->cap);
    buf_free(b);
}

void auto_buf_free(struct buf *b)
{
    buf_free(b);
}

/* Makes room for `n` more bytes; the caller has seen that they are within the limit. */
static void grow(struct buf *b, size_t n)
{
    size_t need = b->n + n;
    if (need <= b->cap)
        return;
    size_t cap = b->cap < FIRST_CAPACITY ? FIRST_CAPACITY : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->limit)
        cap = b->limit;
    b->p = mem_resize(b->p, cap, 1);
    b->cap = cap;
}

static size_t left(const struct buf *b)
{
    return b->failed || b->n >= b->limit ? 0 : b->limit - b->n;
}

void buf_add(struct buf *b, struct slice s)
{
    size_t n = s.n;
    if (n > left(b)) {
        n = left(b);
        b->failed = true;
    }
    if (n == 0)
        return;
    grow(b, n);
    memcpy(b->p + b->n, s.p, n);
    b->n += n;
}

void buf_byte(struct buf *b, uint8_t byte)
{
    if (b->n < b->cap && !b->failed)
        b->p[b->n++] = byte;
    else
        buf_add(b, slice_of(&byte, 1));
}

void buf_str(struct buf *b, const char *s)
{
    buf_add(b, slice_str(s));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0)
        bug("buf_printf: bad format");
    if ((size_t)n < sizeof small) {
        buf_add(b, slice_of(small, (size_t)n));
        return;
    }
    char *big = mem_alloc((size_t)n + 1);
    va_start(args, format);
    vsnprintf(big, (size_t)n + 1, format, args);
    va_end(args);
    buf_add(b, slice_of(big, (size_t)n));
    mem_free(big);
}

void buf_dec(struct buf *b, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(b, slice_of(digits + at, sizeof digits - at));
}

void buf_u32(struct buf *b, uint32_t value)
{
    uint32_t big = __builtin_bswap32(value);
    buf_add(b, slice_of(&big, sizeof big));
}

void buf_u64(struct buf *b, uint64_t value)
{
    uint64_t big = __builtin_bswap64(value);
    buf_add(b, slice_of(&big, sizeof big));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are swapped unconditionally");

void buf_bytes(struct buf *b, struct slice s)
{
    if (s.n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    buf_u32(b, (uint32_t)s.n);
    buf_add(b, s);
}

uint8_t *buf_room(struct buf *b, size_t n)
{
    if (n > left(b)) {
        b->failed = true;
        return NULL;
    }
    if (n == 0 && b->cap == 0 && b->limit > 0)
        grow(b, 1);
    else
        grow(b, n);
    return b->p ? b->p + b->n : NULL;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n > b->n)
        bug("buf_drop: %zu of %zu bytes", n, b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
