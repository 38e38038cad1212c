/* Header fields: iterating, finding, unfolding; see header.h. Decoding is in words.c. */
#include "message/header.h"

#include "base/limits.h"
#include "message/scan.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The length of the line at the start of `s` with its line end. */
static size_t line_length(struct slice s)
{
    size_t i = slice_index(s, '\n');
    return i < s.n ? i + 1 : s.n;
}

static bool is_empty_line(struct slice s)
{
    return s.n > 0 && (s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n'));
}

bool header_next(struct slice *rest, struct header_field *out)
{
    while (rest->n > 0 && !is_empty_line(*rest)) {
        size_t first = line_length(*rest);
        size_t n = first;
        while (n < rest->n && is_blank(rest->p[n]))
            n += line_length(slice_from(*rest, n));
        struct slice raw = slice_sub(*rest, 0, n);
        *rest = slice_from(*rest, n);
        size_t colon = slice_index(slice_sub(raw, 0, first), ':');
        if (colon == first)
            continue;
        size_t name = colon;
        while (name > 0 && is_blank(raw.p[name - 1]))
            name--;
        size_t end = raw.n;
        if (end > colon + 1 && raw.p[end - 1] == '\n')
            end--;
        if (end > colon + 1 && end < raw.n && raw.p[end - 1] == '\r')
            end--;
        out->raw = raw;
        out->name = slice_sub(raw, 0, name);
        out->value = slice_sub(raw, colon + 1, end);
        return true;
    }
    return false;
}

bool header_find(struct slice header, struct slice name, struct header_field *out)
{
    struct header_field f;
    while (header_next(&header, &f))
        if (slice_ieq(f.name, name)) {
            *out = f;
            return true;
        }
    return false;
}

size_t header_count(struct slice header, struct slice name, size_t max)
{
    struct header_field f;
    size_t n = 0;
    while (n < max && header_next(&header, &f))
        n += slice_ieq(f.name, name);
    return n;
}

size_t header_length(struct slice message)
{
    struct slice rest = message;
    while (rest.n > 0) {
        bool last = is_empty_line(rest);
        rest = slice_from(rest, line_length(rest));
        if (last)
            break;
    }
    return message.n - rest.n;
}

struct slice header_raw(struct slice value)
{
    size_t n = 0;
    while (n < value.n && is_blank(value.p[n]))
        n++;
    if (n > 0 && (n == value.n || value.p[n] == '\r' || value.p[n] == '\n'))
        n = 1;
    value = slice_from(value, n);
    return value.p ? value : SLICE("");
}

struct slice header_unfold(struct arena *a, struct slice value)
{
    struct slice s = slice_trim(value);
    if (!slice_has(s, '\n') && !slice_has(s, '\r'))
        return s;
    struct text t = {0};
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && s.p[n] != '\r' && s.p[n] != '\n')
            n++;
        text_add(&t, a, slice_sub(s, 0, n));
        while (n < s.n && (s.p[n] == '\r' || s.p[n] == '\n'))
            n++;
        s = slice_from(s, n);
    }
    return t.s;
}

struct slice header_text(struct arena *a, struct slice value)
{
    struct slice s = header_unfold(a, slice_sub(value, 0, LIMIT_HEADER_SIZE));
    bool plain = true;
    for (size_t i = 0; i < s.n && plain; i++)
        plain =
            s.p[i] >= ' ' && s.p[i] < 0x7F && !(s.p[i] == '=' && i + 1 < s.n && s.p[i + 1] == '?');
    if (plain)
        return s;
    /* A decoded byte of an encoded word has at most three of UTF-8. */
    autobuf out;
    buf_init(&out, s.n * 3 + 16);
    header_decode_words(s, &out);
    struct slice clean = slice_trim(arena_dup(a, buf_slice(&out)));
    return clean.n ? clean : SLICE("");
}

struct slice header_token(struct arena *a, struct slice value)
{
    struct scan scan = scan_of(a, value);
    struct text t = {0};
    while (scan_blanks(&scan) == SCAN_MORE) {
        const uint8_t *start = scan.p;
        bool quoted = false;
        for (; scan.p < scan.end; scan.p++) {
            uint8_t c = *scan.p;
            if (c == '"')
                quoted = !quoted;
            else if (c == '\\' && quoted && scan.p + 1 < scan.end)
                scan.p++;
            else if (c == '\r' || c == '\n' || (!quoted && c == '('))
                break;
        }
        text_add(&t, a, slice_of(start, (size_t)(scan.p - start)));
    }
    return slice_trim(t.s);
}
