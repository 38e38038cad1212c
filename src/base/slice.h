/* slice: a pointer and a length. All text from the network is one of these; it is never
 * NUL-terminated, may hold any byte, and belongs to whoever owns the memory it points into. */
#ifndef DEPESCHE_BASE_SLICE_H
#define DEPESCHE_BASE_SLICE_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *p;
    size_t n;
};

/* A slice of a string literal, without its NUL. Usable in initialisers as SLICE_INIT. */
#define SLICE_INIT(literal)                                                                        \
    {                                                                                              \
        (const uint8_t *)("" literal), sizeof(literal) - 1                                         \
    }
#define SLICE(literal) ((struct slice)SLICE_INIT(literal))
#define SLICE_NONE     ((struct slice){NULL, 0})

/* For printf("%.*s", SLICE_FMT(s)); only for text that is known to be clean. */
#define SLICE_FMT(s) (int)(s).n, (const char *)(s).p

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){(const uint8_t *)p, n};
}

/* Of a C string that this program made itself; NULL gives the empty slice. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

/* From byte `from` to before byte `to`; both are clamped to the slice. */
static inline struct slice slice_sub(struct slice s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    if (s.p == NULL)
        return SLICE_NONE;
    return (struct slice){s.p + from, to - from};
}

static inline struct slice slice_from(struct slice s, size_t from)
{
    return slice_sub(s, from, s.n);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Byte order, shorter first: <0, 0, >0. */
int slice_cmp(struct slice a, struct slice b);

/* ASCII case folded comparison; bytes over 127 compare as they are. */
bool slice_ieq(struct slice a, struct slice b);

bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_iends(struct slice s, struct slice suffix);

/* Index of the first `byte` / `needle`, or s.n when there is none. */
size_t slice_index(struct slice s, uint8_t byte);
size_t slice_rindex(struct slice s, uint8_t byte);
size_t slice_find(struct slice s, struct slice needle);
static inline bool slice_has(struct slice s, uint8_t byte)
{
    return slice_index(s, byte) < s.n;
}

/* Without leading and trailing SP, TAB, CR, LF. */
struct slice slice_trim(struct slice s);

/* Takes what stands before the first `byte` off `*rest` and the byte with it; false when *rest is
 * empty. Without such a byte the whole rest is taken. */
bool slice_split(struct slice *rest, uint8_t byte, struct slice *piece);

/* Takes one line off `*rest`, without its CRLF or LF; false at the end. */
bool slice_line(struct slice *rest, struct slice *line);

/* A NUL-terminated copy for library borders into `out` of `size` bytes.
 * ERR_INPUT when the slice holds a NUL, ERR_LIMIT when it does not fit. */
must_use enum error slice_cstr(struct slice s, char *out, size_t size);

/* Decimal digits only, no sign, no blank, at least one digit, at most `max`. */
must_use enum error parse_u32(struct slice s, uint32_t max, uint32_t *out);
must_use enum error parse_u64(struct slice s, uint64_t max, uint64_t *out);

static inline uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}
static inline uint8_t ascii_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}
static inline bool ascii_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}
static inline bool ascii_alpha(uint8_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

#endif
