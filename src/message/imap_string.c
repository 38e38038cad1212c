/* IMAP strings; see imap_string.h. What becomes a literal is chosen as Dovecot does: 8-bit text, as
 * IMAP4rev1 clients know no other, line ends, and strings that escapes would bloat. */
#include "message/imap_string.h"

#include "message/summary.h"

enum { ESCAPES_MAX = 4 };

/* No literal may hold NUL. */
static const struct slice nul_shown = SLICE_INIT("\xEF\xBF\xBD");

static void write_quoted(struct slice s, bool skip, struct buf *out)
{
    buf_byte(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool gone = skip && (c == '\r' || c == '\n');
        if (c != '"' && c != '\\' && !gone)
            continue;
        buf_add(out, slice_sub(s, start, i));
        start = gone ? i + 1 : i;
        if (!gone)
            buf_byte(out, '\\');
    }
    buf_add(out, slice_from(s, start));
    buf_byte(out, '"');
}

static void write_literal(struct slice s, size_t length, bool skip, struct buf *out)
{
    buf_byte(out, '{');
    buf_dec(out, length);
    buf_lit(out, "}\r\n");
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == 0)
            buf_add(out, nul_shown);
        else if (!skip || (c != '\r' && c != '\n'))
            buf_byte(out, c);
    }
}

static void write_string(struct slice s, bool skip, struct buf *out)
{
    if (s.p == NULL) {
        buf_lit(out, "NIL");
        return;
    }
    size_t escapes = 0, length = s.n;
    bool literal = false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\') {
            escapes++;
        } else if (c == '\r' || c == '\n') {
            literal = literal || !skip;
            length -= skip;
        } else if (c >= 0x80) {
            literal = true;
        } else if (c == 0) {
            literal = true;
            length += nul_shown.n - 1;
        }
    }
    if (literal || escapes > ESCAPES_MAX)
        write_literal(s, length, skip, out);
    else
        write_quoted(s, skip, out);
}

void summary_nstring(struct slice s, struct buf *out)
{
    write_string(s, false, out);
}

void imap_string_unfolded(struct slice s, struct buf *out)
{
    write_string(s, true, out);
}

/* Walks the text as it will be shown: returns the length, and writes it when `out` is given. */
static size_t display(struct slice s, struct buf *out)
{
    size_t n = 0;
    bool space = false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '\r' || c == '\n')
            continue;
        if (c == ' ' || c == '\t') {
            space = n > 0;
            continue;
        }
        if (space && out)
            buf_byte(out, ' ');
        n += space;
        space = false;
        if (c == 0) {
            if (out)
                buf_add(out, nul_shown);
            n += nul_shown.n;
        } else {
            if (out)
                buf_byte(out, c);
            n++;
        }
    }
    return n;
}

void imap_string_display(struct slice s, struct buf *out)
{
    if (s.p == NULL) {
        buf_lit(out, "NIL");
        return;
    }
    bool plain = true, space = true;
    for (size_t i = 0; i < s.n && plain; i++) {
        uint8_t c = s.p[i];
        plain = c >= ' ' && c < 0x80 && c != '"' && c != '\\' && !(c == ' ' && space);
        space = c == ' ';
    }
    if (plain && (s.n == 0 || !space)) {
        buf_byte(out, '"');
        buf_add(out, s);
        buf_byte(out, '"');
        return;
    }
    size_t n = display(s, NULL);
    if (n == 0) {
        buf_lit(out, "\"\"");
        return;
    }
    buf_byte(out, '{');
    buf_dec(out, n);
    buf_lit(out, "}\r\n");
    (void)display(s, out);
}

/* Length of the string at the start of s with its quotes or literal head; 0 when it is broken. */
static size_t string_length(struct slice s)
{
    if (s.p[0] == '"') {
        for (size_t i = 1; i < s.n; i++) {
            if (s.p[i] == '"')
                return i + 1;
            if (s.p[i] == '\\')
                i++;
        }
        return 0;
    }
    size_t close = slice_index(s, '}');
    uint32_t n;
    if (close + 2 >= s.n || parse_u32(slice_sub(s, 1, close), UINT32_MAX, &n) != OK ||
        s.p[close + 1] != '\r' || s.p[close + 2] != '\n' || n > s.n - close - 3)
        return 0;
    return close + 3 + n;
}

enum error imap_value_next(struct slice *rest, struct slice *value)
{
    struct slice s = *rest;
    size_t depth = 0, i = 0;
    while (i < s.n) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '{') {
            size_t n = string_length(slice_from(s, i));
            if (n == 0)
                return ERR_INPUT;
            i += n;
        } else if (c == '(') {
            depth++;
            i++;
        } else if (c == ')') {
            if (depth == 0)
                return ERR_INPUT;
            depth--;
            i++;
        } else if (c == ' ') {
            if (depth == 0)
                return ERR_INPUT;
            i++;
        } else {
            while (i < s.n && s.p[i] != ' ' && s.p[i] != '(' && s.p[i] != ')' && s.p[i] != '"')
                i++;
        }
        if (depth == 0) {
            *value = slice_sub(s, 0, i);
            *rest = slice_from(s, i);
            return OK;
        }
    }
    return ERR_INPUT;
}

struct slice imap_value_plain(struct slice value)
{
    if (value.n >= 2 && value.p[0] == '"' && !slice_has(value, '\\'))
        return slice_sub(value, 1, value.n - 1);
    if (value.n > 0 && value.p[0] == '{')
        return slice_from(value, slice_index(value, '\n') + 1);
    return SLICE("");
}
