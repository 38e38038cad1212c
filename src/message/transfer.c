/* Transfer encodings; see transfer.h. */
#include "message/transfer.h"

#include "base/base64.h"

enum { LINE = 76 };

/* Value of a base64 character plus one; 0 for all that is none. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

enum mime_encoding transfer_encoding(struct slice name)
{
    static const struct {
        struct slice name;
        enum mime_encoding encoding;
    } known[] = {
        {SLICE_INIT("7bit"), MIME_7BIT},     {SLICE_INIT("8bit"), MIME_8BIT},
        {SLICE_INIT("binary"), MIME_BINARY}, {SLICE_INIT("quoted-printable"), MIME_QP},
        {SLICE_INIT("base64"), MIME_BASE64},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_ieq(name, known[i].name))
            return known[i].encoding;
    return MIME_OTHER;
}

void transfer_init(struct transfer *t, enum mime_encoding encoding)
{
    *t = (struct transfer){.encoding = encoding};
}

/* As many whole groups of four as stand there without anything between them. */
static size_t base64_fast(struct slice in, uint8_t *to, size_t *written)
{
    size_t i = 0, n = 0;
    for (; in.n - i >= 4; i += 4) {
        uint32_t a = values[in.p[i]], b = values[in.p[i + 1]];
        uint32_t c = values[in.p[i + 2]], d = values[in.p[i + 3]];
        if (a == 0 || b == 0 || c == 0 || d == 0)
            break;
        uint32_t v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        to[n++] = (uint8_t)(v >> 16);
        to[n++] = (uint8_t)(v >> 8);
        to[n++] = (uint8_t)v;
    }
    *written = n;
    return i;
}

static void feed_base64(struct transfer *t, struct slice in, struct buf *out)
{
    while (in.n > 0 && !t->ended && !out->failed) {
        if (t->bit_count == 0 && in.n >= 4) {
            /* In pieces, so that a limit of `out` cuts near it and not before the whole. */
            struct slice piece = slice_sub(in, 0, 1024);
            uint8_t bytes[768];
            size_t n;
            size_t used = base64_fast(piece, bytes, &n);
            buf_add(out, slice_of(bytes, n));
            in = slice_from(in, used);
            if (used == piece.n || in.n == 0)
                continue;
        }
        uint8_t c = in.p[0];
        in = slice_from(in, 1);
        if (c == '=') {
            t->ended = t->bit_count > 0;
        } else if (values[c] != 0) {
            t->bits = t->bits << 6 | (uint32_t)(values[c] - 1);
            t->bit_count = (uint8_t)(t->bit_count + 6);
            if (t->bit_count >= 8) {
                t->bit_count = (uint8_t)(t->bit_count - 8);
                buf_byte(out, (uint8_t)(t->bits >> t->bit_count));
            }
        }
    }
}

static int hex(uint8_t c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_blanks(struct transfer *t, struct buf *out)
{
    buf_add(out, slice_of(t->blanks, t->blanks_n));
    t->blanks_n = 0;
    if (t->held_cr)
        buf_byte(out, '\r');
    t->held_cr = false;
}

/* One byte after an "=": a soft line break, a hexadecimal pair, or text that was never encoded. */
static void qp_escape(struct transfer *t, uint8_t c, struct buf *out)
{
    if (t->held_n == 1) {
        if (c == ' ' || c == '\t' || c == '\r') /* blanks before a soft break do not count */
            return;
        t->held_n = 0;
        if (c == '\n')
            return;
        if (hex(c) >= 0) {
            t->held[1] = c;
            t->held_n = 2;
            return;
        }
        buf_byte(out, '=');
        buf_byte(out, c);
        return;
    }
    t->held_n = 0;
    if (hex(c) >= 0) {
        buf_byte(out, (uint8_t)((unsigned)hex(t->held[1]) << 4 | (unsigned)hex(c)));
        return;
    }
    buf_byte(out, '=');
    buf_byte(out, t->held[1]);
    buf_byte(out, c);
}

static void feed_qp(struct transfer *t, struct slice in, struct buf *out)
{
    while (in.n > 0 && !out->failed) {
        uint8_t c = in.p[0];
        if (t->held_n > 0) {
            qp_escape(t, c, out);
        } else if (c == '=') {
            put_blanks(t, out);
            t->held_n = 1;
        } else if (c == ' ' || c == '\t') {
            if (t->held_cr)
                put_blanks(t, out);
            /* A run longer than a line is kept: it is no padding that a gateway added. */
            if (t->blanks_n == sizeof t->blanks)
                put_blanks(t, out);
            t->blanks[t->blanks_n++] = c;
        } else if (c == '\r') {
            if (t->held_cr)
                put_blanks(t, out);
            t->held_cr = true;
        } else if (c == '\n') {
            t->blanks_n = 0;
            if (t->held_cr)
                buf_byte(out, '\r');
            t->held_cr = false;
            buf_byte(out, '\n');
        } else {
            put_blanks(t, out);
            size_t n = 1;
            while (n < in.n && in.p[n] > ' ' && in.p[n] != '=')
                n++;
            buf_add(out, slice_sub(in, 0, n));
            in = slice_from(in, n);
            continue;
        }
        in = slice_from(in, 1);
    }
}

void transfer_feed(struct transfer *t, struct slice in, struct buf *out)
{
    if (t->encoding == MIME_BASE64)
        feed_base64(t, in, out);
    else if (t->encoding == MIME_QP)
        feed_qp(t, in, out);
    else
        buf_add(out, in);
}

void transfer_end(struct transfer *t, struct buf *out)
{
    if (t->encoding != MIME_QP)
        return;
    if (t->held_n == 2) {
        buf_byte(out, '=');
        buf_byte(out, t->held[1]);
    }
    t->held_n = 0;
    t->blanks_n = 0;
    put_blanks(t, out);
}

void transfer_encode_base64(struct slice in, struct buf *out)
{
    while (in.n > 0) {
        base64_encode(slice_sub(in, 0, LINE / 4 * 3), out);
        buf_lit(out, "\r\n");
        in = slice_from(in, LINE / 4 * 3);
    }
}

void transfer_encode_qp(struct slice in, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t column = 0;
    bool cut =
        false; /* the line begins where a longer one was cut: it must not become a boundary */
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        bool crlf = c == '\r' && i + 1 < in.n && in.p[i + 1] == '\n';
        if (crlf) {
            buf_lit(out, "\r\n");
            column = 0;
            cut = false;
            i++;
            continue;
        }
        bool last = i + 1 == in.n || (in.p[i + 1] == '\r' && i + 2 < in.n && in.p[i + 2] == '\n');
        bool blank = c == ' ' || c == '\t';
        bool plain = (c > ' ' && c < 0x7F && c != '=') || (blank && !last);
        /* A dot or "From " at the start of a line is encoded too: some relay touches them. */
        if (column == 0 && (c == '.' || c == 'F'))
            plain = false;
        size_t width = plain ? 1 : 3;
        if (column + width > LINE - (last ? 0 : 1)) {
            buf_lit(out, "=\r\n");
            column = 0;
            cut = true;
        }
        if (column == 0 && cut && c == '-') {
            plain = false;
            width = 3;
        }
        if (plain) {
            buf_byte(out, c);
        } else {
            const uint8_t e[] = {'=', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
            buf_add(out, slice_of(e, 3));
        }
        column += width;
    }
}
