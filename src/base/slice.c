/* Comparing, searching and splitting byte slices; see slice.h. */
#include "base/slice.h"

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_ieq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

bool slice_iends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_ieq(slice_from(s, s.n - suffix.n), suffix);
}

size_t slice_index(struct slice s, uint8_t byte)
{
    const uint8_t *at = s.n ? memchr(s.p, byte, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t slice_rindex(struct slice s, uint8_t byte)
{
    const uint8_t *at = s.n ? memrchr(s.p, byte, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t slice_find(struct slice s, struct slice needle)
{
    if (needle.n == 0)
        return 0;
    if (needle.n > s.n)
        return s.n;
    const uint8_t *at = memmem(s.p, s.n, needle.p, needle.n);
    return at ? (size_t)(at - s.p) : s.n;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = slice_from(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_split(struct slice *rest, uint8_t byte, struct slice *piece)
{
    if (rest->n == 0)
        return false;
    size_t at = slice_index(*rest, byte);
    *piece = slice_sub(*rest, 0, at);
    *rest = slice_from(*rest, at < rest->n ? at + 1 : at);
    return true;
}

bool slice_line(struct slice *rest, struct slice *line)
{
    if (rest->n == 0)
        return false;
    size_t at = slice_index(*rest, '\n');
    bool ended = at < rest->n;
    *line = slice_sub(*rest, 0, at);
    *rest = slice_from(*rest, ended ? at + 1 : at);
    if (ended && line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

enum error slice_cstr(struct slice s, char *out, size_t size)
{
    if (slice_has(s, 0))
        return ERR_INPUT;
    if (s.n >= size)
        return ERR_LIMIT;
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return OK;
}

enum error parse_u64(struct slice s, uint64_t max, uint64_t *out)
{
    if (s.n == 0)
        return ERR_INPUT;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_digit(s.p[i]))
            return ERR_INPUT;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, s.p[i] - '0', &v))
            return ERR_INPUT;
        if (v > max)
            return ERR_INPUT;
    }
    *out = v;
    return OK;
}

enum error parse_u32(struct slice s, uint32_t max, uint32_t *out)
{
    uint64_t v;
    enum error e = parse_u64(s, max, &v);
    if (e == OK)
        *out = (uint32_t)v;
    return e;
}
