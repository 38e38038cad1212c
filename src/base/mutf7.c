/* Modified UTF-7; see mutf7.h. Text outside printable ASCII is UTF-16 in a base64 without padding
 * and with "," for "/", between "&" and "-". Only the one form that the encoder would give is
 * decoded, so that no mailbox has two names. */
#include "base/mutf7.h"

#include "base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool direct(uint32_t c)
{
    return c >= 0x20 && c <= 0x7E;
}

static int32_t value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_digit(c))
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == ',' ? 63 : -1;
}

/* One UTF-16 unit of a shifted run; `*high` is a high surrogate that waits for its low one. */
static bool put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
        if (*high == 0)
            return false;
        utf8_put(out, 0x10000 + ((*high - 0xD800) << 10) + (unit - 0xDC00));
        *high = 0;
        return true;
    }
    if (*high != 0 || direct(unit))
        return false;
    if (unit >= 0xD800 && unit <= 0xDBFF)
        *high = unit;
    else
        utf8_put(out, unit);
    return true;
}

/* What stands between "&" and "-", not empty. */
static bool decode_run(struct slice run, struct buf *out)
{
    uint32_t bits = 0, high = 0;
    unsigned have = 0;
    for (size_t i = 0; i < run.n; i++) {
        int32_t v = value_of(run.p[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have < 16)
            continue;
        have -= 16;
        if (!put_unit(out, bits >> have & 0xFFFF, &high))
            return false;
        bits &= (1u << have) - 1;
    }
    /* A whole character more, or bits that are not zero, would be another spelling. */
    return have < 6 && bits == 0 && high == 0;
}

static bool decode(struct slice in, struct buf *out)
{
    bool after_run = false;
    while (in.n > 0) {
        uint8_t c = in.p[0];
        in = slice_from(in, 1);
        if (!direct(c))
            return false;
        if (c != '&') {
            buf_byte(out, c);
            after_run = false;
            continue;
        }
        size_t end = slice_index(in, '-');
        if (end == in.n)
            return false;
        struct slice run = slice_sub(in, 0, end);
        in = slice_from(in, end + 1);
        if (run.n == 0) {
            buf_byte(out, '&');
            after_run = false;
            continue;
        }
        if (after_run || !decode_run(run, out))
            return false;
        after_run = true;
    }
    return true;
}

enum error mutf7_decode(struct slice in, struct buf *out)
{
    size_t before = out->n;
    bool failed = out->failed;
    if (!decode(in, out)) {
        out->n = before;
        out->failed = failed;
        return ERR_INPUT;
    }
    return buf_check(out);
}

struct encoder {
    struct buf *out;
    uint32_t bits;
    unsigned have;
    bool shifted;
};

static void encode_unit(struct encoder *e, uint32_t unit)
{
    e->bits = e->bits << 16 | unit;
    e->have += 16;
    while (e->have >= 6) {
        e->have -= 6;
        buf_byte(e->out, (uint8_t)alphabet[e->bits >> e->have & 63]);
    }
    e->bits &= (1u << e->have) - 1;
}

static void encode_end(struct encoder *e)
{
    if (!e->shifted)
        return;
    if (e->have > 0)
        buf_byte(e->out, (uint8_t)alphabet[e->bits << (6 - e->have) & 63]);
    buf_byte(e->out, '-');
    *e = (struct encoder){e->out, 0, 0, false};
}

enum error mutf7_encode(struct slice in, struct buf *out)
{
    if (!utf8_valid(in))
        return ERR_INPUT;
    struct encoder e = {out, 0, 0, false};
    while (in.n > 0) {
        uint32_t c = (uint32_t)utf8_next(&in);
        if (direct(c)) {
            encode_end(&e);
            buf_byte(out, (uint8_t)c);
            if (c == '&')
                buf_byte(out, '-');
            continue;
        }
        if (!e.shifted)
            buf_byte(out, '&');
        e.shifted = true;
        if (c >= 0x10000) {
            encode_unit(&e, 0xD800 + ((c - 0x10000) >> 10));
            encode_unit(&e, 0xDC00 + ((c - 0x10000) & 0x3FF));
        } else {
            encode_unit(&e, c);
        }
    }
    encode_end(&e);
    return buf_check(out);
}
