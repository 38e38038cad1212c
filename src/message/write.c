/* Writing messages; see write.h. */
#include "message/write.h"

#include "base/date.h"
#include "base/random.h"
#include "base/utf8.h"
#include "message/header.h"
#include "message/transfer.h"

#define LINE_MOST 998
#define COLUMNS   76

/* --- What may stand as it is --- */

bool write_good_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || s.p[i] == ':')
            return false;
    return s.n > 0 && s.n <= 76;
}

static bool without(struct slice s, const char *bad)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 127 || strchr(bad, s.p[i]))
            return false;
    return s.n > 0;
}

bool write_good_id(struct slice s)
{
    return without(s, "<>") && s.n <= 900;
}

bool write_good_email(struct slice s)
{
    return without(s, "<>,;") && s.n <= 320 && utf8_valid(s);
}

bool write_good_token(struct slice s)
{
    return without(s, "()<>@,;:\\\"/[]?=") && ascii_only(s) && s.n <= 127;
}

/* --- Fields --- */

static void field_name(struct slice name, struct buf *out)
{
    buf_add(out, name);
    buf_lit(out, ": ");
}

void write_text_field(struct slice name, struct slice utf8, struct buf *out)
{
    field_name(name, out);
    header_encode_words(utf8, name.n + 2, out);
    buf_lit(out, "\r\n");
}

void write_raw_field(struct slice name, struct slice value, struct buf *out)
{
    size_t column = name.n + 2;
    field_name(name, out);
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        if (c < ' ' || c == 127)
            c = ' ';
        /* A blank may be folded before; a word without one is cut where the line would be too
         * long for any server. */
        bool blank = c == ' ' && i + 1 < value.n && value.p[i + 1] > ' ';
        if ((column >= COLUMNS && blank) || column >= LINE_MOST - 2) {
            buf_lit(out, "\r\n");
            if (c != ' ')
                buf_byte(out, ' ');
            column = 0;
        }
        buf_byte(out, c);
        column++;
    }
    buf_lit(out, "\r\n");
}

void write_date_field(struct slice name, int64_t seconds, int16_t zone, struct buf *out)
{
    field_name(name, out);
    date_print_rfc5322((struct date){seconds, zone}, out);
    buf_lit(out, "\r\n");
}

void write_ids_field(struct slice name, const struct slice *ids, size_t n, struct buf *out)
{
    size_t column = name.n + 1;
    buf_add(out, name);
    buf_byte(out, ':');
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && column + ids[i].n + 3 > COLUMNS) {
            buf_lit(out, "\r\n");
            column = 0;
        }
        buf_lit(out, " <");
        buf_add(out, ids[i]);
        buf_byte(out, '>');
        column += ids[i].n + 3;
    }
    buf_lit(out, "\r\n");
}

/* --- Addresses --- */

static bool is_atoms(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr(" !#$%&'*+-/=?^_`{|}~", s.p[i]))
            return false;
    return s.n > 0 && slice_find(s, SLICE("=?")) >= s.n;
}

static void quoted(struct slice s, struct buf *out)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\')
            buf_byte(out, '\\');
        buf_byte(out, c < ' ' || c == 127 ? ' ' : c);
    }
    buf_byte(out, '"');
}

static void phrase(struct slice name, size_t column, struct buf *out)
{
    if (is_atoms(name) && name.n < COLUMNS)
        buf_add(out, name);
    else if (ascii_only(name) && name.n < LINE_MOST / 4)
        quoted(name, out);
    else
        header_encode_words(name, column, out);
}

static size_t column_of(const struct buf *out)
{
    const uint8_t *p = out->n ? memrchr(out->p, '\n', out->n) : NULL;
    return p ? out->n - (size_t)(p - out->p) - 1 : out->n;
}

static void one_address(const struct write_address *a, struct buf *out)
{
    if (a->name.n == 0) {
        buf_add(out, a->email);
        return;
    }
    phrase(a->name, column_of(out), out);
    if (column_of(out) + a->email.n + 3 > COLUMNS)
        buf_lit(out, "\r\n");
    buf_lit(out, " <");
    buf_add(out, a->email);
    buf_byte(out, '>');
}

void write_address_field(struct slice name, const struct write_address *a, size_t n,
                         struct buf *out)
{
    bool first = true, group = false;
    if (n == 0)
        return;
    field_name(name, out);
    for (size_t i = 0; i < n; i++) {
        bool mark = a[i].email.p == NULL;
        if (mark && group) {
            buf_byte(out, ';');
            group = false;
        }
        if (mark && a[i].name.n == 0)
            continue;
        if (!first)
            buf_str(out, column_of(out) > COLUMNS - 30 ? ",\r\n " : ", ");
        if (mark) {
            phrase(a[i].name, column_of(out), out);
            buf_lit(out, ": ");
            group = first = true;
            continue;
        }
        one_address(&a[i], out);
        first = false;
    }
    buf_str(out, group ? ";\r\n" : "\r\n");
}

/* --- MIME --- */

static bool is_plain_value(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] >= 127)
            return false;
    return s.n <= 60;
}

/* RFC 2231: pieces of less than a line, each with its number. */
static void extended(const char *name, struct slice s, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned piece = 0;
    size_t column = COLUMNS;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool plain = ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_';
        if (column + 3 > COLUMNS) {
            buf_printf(out, ";\r\n\t%s*%u*=%s", name, piece, piece == 0 ? "utf-8''" : "");
            column = column_of(out) + 8;
            piece++;
        }
        if (plain)
            buf_byte(out, c);
        else
            buf_printf(out, "%%%c%c", digits[c >> 4], digits[c & 15]);
        column += plain ? 1 : 3;
    }
}

void write_parameter(const char *name, struct slice utf8, struct buf *out)
{
    if (utf8.n == 0)
        return;
    if (!is_plain_value(utf8)) {
        extended(name, utf8, out);
        return;
    }
    buf_printf(out, ";\r\n\t%s=", name);
    if (write_good_token(utf8))
        buf_add(out, utf8);
    else
        quoted(utf8, out);
}

/* What the text needs: its longest line, and bytes that 7bit cannot carry. */
static void survey(struct slice s, size_t *longest, size_t *odd)
{
    size_t line = 0;
    *longest = *odd = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n') {
            line = 0;
            continue;
        }
        if (++line > *longest)
            *longest = line;
        if (s.p[i] >= 127 || s.p[i] == 0 || (s.p[i] < ' ' && s.p[i] != '\t' && s.p[i] != '\r'))
            ++*odd;
    }
}

void write_crlf(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
            continue;
        if (s.p[i] == '\n' || s.p[i] == '\r')
            buf_lit(out, "\r\n");
        else
            buf_byte(out, s.p[i]);
    }
}

void write_text_body(struct slice utf8, struct buf *out)
{
    size_t longest, odd;
    autobuf lines = BUF_INIT(2 * utf8.n + 2);
    write_crlf(utf8, &lines);
    survey(buf_slice(&lines), &longest, &odd);
    if (odd == 0 && longest < LINE_MOST - 20) {
        buf_lit(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
        buf_add(out, buf_slice(&lines));
    } else if (odd * 3 < lines.n) {
        buf_lit(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        transfer_encode_qp(buf_slice(&lines), out);
    } else {
        buf_lit(out, "Content-Transfer-Encoding: base64\r\n\r\n");
        transfer_encode_base64(buf_slice(&lines), out);
    }
    if (lines.failed)
        out->failed = true;
}

void write_bytes_body(struct slice bytes, struct buf *out)
{
    buf_lit(out, "Content-Transfer-Encoding: base64\r\n\r\n");
    transfer_encode_base64(bytes, out);
}

void write_message_body(struct slice raw, struct buf *out)
{
    buf_str(out, ascii_only(raw) ? "Content-Transfer-Encoding: 7bit\r\n\r\n"
                                 : "Content-Transfer-Encoding: 8bit\r\n\r\n");
    write_crlf(raw, out);
}

void write_boundary(char out[WRITE_BOUNDARY])
{
    snprintf(out, WRITE_BOUNDARY, "=_%016llx%016llx", (unsigned long long)random_u64(),
             (unsigned long long)random_u64());
}
