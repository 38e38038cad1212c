/* JSON as a stream; see json_write.h. */
#include "base/json_write.h"

#include "base/date.h"
#include "base/utf8.h"

#define FIRST_SECOND INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

void jw_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static uint64_t level_bit(const struct json_writer *w)
{
    return UINT64_C(1) << (w->depth - 1);
}

static bool in_object(const struct json_writer *w)
{
    return w->depth > 0 && (w->object & level_bit(w)) != 0;
}

/* The comma before an item of the innermost level, if it is not the first. */
static void item(struct json_writer *w)
{
    if (w->depth == 0)
        return;
    if (w->started & level_bit(w))
        buf_byte(w->out, ',');
    w->started |= level_bit(w);
}

/* What stands before any value. */
static void value(struct json_writer *w)
{
    if (in_object(w)) {
        if (!w->keyed)
            bug("a JSON value without its key");
        w->keyed = false;
    } else {
        item(w);
    }
}

static void open_level(struct json_writer *w, bool object)
{
    value(w);
    if (w->depth == JSON_WRITE_DEPTH)
        bug("JSON written too deep");
    w->depth++;
    uint64_t bit = level_bit(w);
    w->object = object ? w->object | bit : w->object & ~bit;
    w->started &= ~bit;
    buf_byte(w->out, object ? '{' : '[');
}

void jw_object(struct json_writer *w)
{
    open_level(w, true);
}

void jw_array(struct json_writer *w)
{
    open_level(w, false);
}

void jw_end(struct json_writer *w)
{
    if (w->depth == 0 || w->keyed)
        bug("JSON ended where it cannot end");
    buf_byte(w->out, in_object(w) ? '}' : ']');
    w->depth--;
}

/* How many bytes from the beginning stand for themselves. */
static size_t plain(struct slice s)
{
    size_t i = 0;
    while (i < s.n && s.p[i] >= 0x20 && s.p[i] < 0x80 && s.p[i] != '"' && s.p[i] != '\\' &&
           s.p[i] != '<')
        i++;
    return i;
}

static void put_char(struct buf *out, uint32_t c)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t escaped[6] = {'\\', 'u', '0', '0', '0', '0'};
    switch (c) {
    case '"':
    case '\\':
        escaped[1] = (uint8_t)c;
        break;
    case '\n':
        escaped[1] = 'n';
        break;
    case '\r':
        escaped[1] = 'r';
        break;
    case '\t':
        escaped[1] = 't';
        break;
    default:
        if (c >= 0x20 && c != '<' && c != 0x2028 && c != 0x2029) {
            utf8_put(out, c);
            return;
        }
        for (size_t i = 0; i < 4; i++)
            escaped[5 - i] = (uint8_t)hex[c >> (4 * i) & 15];
        buf_add(out, slice_of(escaped, 6));
        return;
    }
    buf_add(out, slice_of(escaped, 2));
}

static void quoted(struct buf *out, struct slice s)
{
    buf_byte(out, '"');
    while (s.n > 0) {
        size_t n = plain(s);
        buf_add(out, slice_sub(s, 0, n));
        s = slice_from(s, n);
        if (s.n > 0)
            put_char(out, (uint32_t)utf8_next(&s));
    }
    buf_byte(out, '"');
}

static void begin_key(struct json_writer *w)
{
    if (!in_object(w) || w->keyed)
        bug("a JSON key where none belongs");
    item(w);
    w->keyed = true;
}

void jw_key(struct json_writer *w, const char *name)
{
    begin_key(w);
    buf_byte(w->out, '"');
    buf_str(w->out, name);
    buf_lit(w->out, "\":");
}

void jw_key_text(struct json_writer *w, struct slice name)
{
    begin_key(w);
    quoted(w->out, name);
    buf_byte(w->out, ':');
}

void jw_text(struct json_writer *w, struct slice utf8)
{
    value(w);
    quoted(w->out, utf8);
}

void jw_str(struct json_writer *w, const char *s)
{
    jw_text(w, slice_str(s));
}

void jw_uint(struct json_writer *w, uint64_t v)
{
    value(w);
    buf_dec(w->out, v);
}

void jw_int(struct json_writer *w, int64_t v)
{
    value(w);
    if (v < 0)
        buf_byte(w->out, '-');
    buf_dec(w->out, v < 0 ? UINT64_C(0) - (uint64_t)v : (uint64_t)v);
}

void jw_bool(struct json_writer *w, bool v)
{
    value(w);
    buf_str(w->out, v ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
    value(w);
    buf_lit(w->out, "null");
}

void jw_utc_date(struct json_writer *w, int64_t seconds)
{
    /* Four digits of year is what RFC 3339 has; a message may name any. */
    if (seconds < FIRST_SECOND)
        seconds = FIRST_SECOND;
    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    value(w);
    buf_byte(w->out, '"');
    date_print_iso(seconds, w->out);
    buf_byte(w->out, '"');
}

void jw_raw(struct json_writer *w, struct slice json)
{
    value(w);
    buf_add(w->out, json);
}
