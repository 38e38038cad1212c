/* Encoded words (RFC 2047, with the language tags of RFC 2231). */
#include "base/base64.h"
#include "base/utf8.h"
#include "message/charset.h"
#include "message/header.h"

enum {
    WORD_CHARSET_MAX = 64,
    WORD_COLUMNS = 76, /* a line with an encoded word, RFC 2047 2 */
    WORD_MAX = 75,
};

struct word {
    struct slice charset, text;
    uint8_t encoding; /* 'b' or 'q' */
    size_t length;    /* of the whole */
};

/* An encoded word at the start of `s`. Its text ends at the next "?": so no byte is looked at for
 * more than a few candidates. */
static bool word_at(struct slice s, struct word *w)
{
    if (s.n < 8 || s.p[0] != '=' || s.p[1] != '?')
        return false;
    size_t i = 2;
    while (i < s.n && i < WORD_CHARSET_MAX && s.p[i] > ' ' && s.p[i] != '?')
        i++;
    if (i == 2 || i + 3 >= s.n || s.p[i] != '?' || s.p[i + 2] != '?')
        return false;
    w->charset = slice_sub(s, 2, i);
    w->encoding = ascii_lower(s.p[i + 1]);
    if (w->encoding != 'b' && w->encoding != 'q')
        return false;
    struct slice rest = slice_from(s, i + 3);
    size_t n = slice_index(rest, '?');
    if (n + 1 >= rest.n || rest.p[n + 1] != '=')
        return false;
    w->text = slice_sub(rest, 0, n);
    w->length = i + 3 + n + 2;
    return true;
}

static int hex(uint8_t c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode_q(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        int h = -1, l = -1;
        if (c == '=' && i + 2 < in.n && (h = hex(in.p[i + 1])) >= 0)
            l = hex(in.p[i + 2]);
        if (l >= 0) {
            buf_byte(out, (uint8_t)(h << 4 | l));
            i += 2;
        } else {
            buf_byte(out, c == '_' ? ' ' : c);
        }
    }
}

/* The bytes of neighbouring words of one set are joined before they are converted: senders cut
 * characters in two. Control characters must not come out of a word: they would break lines. */
static void flush(struct slice charset, struct buf *bytes, struct buf *out)
{
    if (bytes->n == 0)
        return;
    size_t start = out->n;
    charset_to_utf8(charset, buf_slice(bytes), out);
    for (size_t i = start; i < out->n; i++)
        if (out->p[i] < ' ')
            out->p[i] = ' ';
    buf_reset(bytes);
}

static void add_plain(struct slice s, struct buf *out)
{
    size_t start = out->n;
    charset_to_utf8(SLICE_NONE, s, out);
    for (size_t i = start; i < out->n; i++)
        if (out->p[i] == 0)
            out->p[i] = ' ';
}

static bool all_blank(struct slice s)
{
    return slice_trim(s).n == 0;
}

void header_decode_words(struct slice in, struct buf *out)
{
    autobuf bytes;
    buf_init(&bytes, in.n + 1);
    struct slice charset = SLICE_NONE;
    size_t plain = 0; /* where text that is no word starts */
    bool after_word = false;
    for (size_t i = 0; i < in.n;) {
        struct slice rest = slice_from(in, i);
        size_t next = slice_index(rest, '=');
        i += next;
        struct word w;
        if (next == rest.n || !word_at(slice_from(in, i), &w)) {
            i++;
            continue;
        }
        struct slice between = slice_sub(in, plain, i);
        /* Blanks between two words are not part of the text (RFC 2047 6.2). */
        if (!after_word || !all_blank(between)) {
            flush(charset, &bytes, out);
            add_plain(between, out);
        } else if (!slice_ieq(charset, w.charset)) {
            flush(charset, &bytes, out);
        }
        charset = w.charset;
        if (w.encoding == 'q')
            decode_q(w.text, &bytes);
        else
            base64_decode_lenient(w.text, &bytes);
        after_word = true;
        i += w.length;
        plain = i;
    }
    flush(charset, &bytes, out);
    add_plain(slice_from(in, plain), out);
}

/* Writes one byte of an encoded word ("Q"): only what is safe in every place stands as it is. */
static size_t q_width(uint8_t c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == ' ' || c == '-' || c == '.' || c == ',' ? 1 : 3;
}

static void q_put(uint8_t c, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    if (c == ' ') {
        buf_byte(out, '_');
    } else if (q_width(c) == 1) {
        buf_byte(out, c);
    } else {
        const uint8_t e[] = {'=', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
        buf_add(out, slice_of(e, 3));
    }
}

/* Length of the character at the start of valid UTF-8. */
static size_t char_length(struct slice s)
{
    size_t n = 1;
    while (n < s.n && (s.p[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static void encode_all(struct slice s, size_t column, struct buf *out)
{
    static const struct slice start = SLICE_INIT("=?utf-8?q?");
    while (s.n > 0) {
        size_t room = column + start.n + 2 < WORD_COLUMNS ? WORD_COLUMNS - column : 0;
        if (room > WORD_MAX)
            room = WORD_MAX;
        size_t used = start.n + 2, n = 0;
        while (n < s.n) {
            struct slice c = slice_from(s, n);
            c.n = char_length(c);
            size_t width = 0;
            for (size_t i = 0; i < c.n; i++)
                width += q_width(c.p[i]);
            if (used + width > room && (n > 0 || column > 1))
                break;
            used += width;
            n += c.n;
        }
        if (n > 0) {
            buf_add(out, start);
            for (size_t i = 0; i < n; i++)
                q_put(s.p[i], out);
            buf_lit(out, "?=");
            s = slice_from(s, n);
        }
        if (s.n > 0)
            buf_lit(out, "\r\n ");
        column = 1;
    }
}

/* Text that needs no encoding is folded before a word that would stand past the column. */
static void fold_plain(struct slice s, size_t column, struct buf *out)
{
    size_t i = 0;
    while (i < s.n) {
        size_t end = i;
        while (end < s.n && s.p[end] == ' ')
            end++;
        bool has_blank = end > i;
        while (end < s.n && s.p[end] != ' ')
            end++;
        if (has_blank && column > 1 && column + (end - i) > WORD_COLUMNS && s.p[end - 1] != ' ') {
            buf_lit(out, "\r\n");
            column = 0;
        }
        buf_add(out, slice_sub(s, i, end));
        column += end - i;
        i = end;
    }
}

void header_encode_words(struct slice utf8, size_t column, struct buf *out)
{
    autobuf clean;
    buf_init(&clean, utf8.n * 3 + 1);
    utf8_clean(utf8, &clean);
    bool encode = slice_find(buf_slice(&clean), SLICE("=?")) < clean.n;
    for (size_t i = 0; i < clean.n; i++) {
        if (clean.p[i] < ' ' || clean.p[i] == 0x7F)
            clean.p[i] = ' ';
        encode = encode || clean.p[i] >= 0x80;
    }
    if (encode)
        encode_all(buf_slice(&clean), column, out);
    else
        fold_plain(buf_slice(&clean), column, out);
}
