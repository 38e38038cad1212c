/* Writing responses; see respond.h. */
#include "imap/respond.h"
#include "base/mutf7.h"
#include "base/utf8.h"

enum { QUOTED_MAX = 4096, LINE_MAX_TEXT = 2048 };

/* --- The tagged answer --- */

static void set_reply(struct imap_session *s, enum imap_status status, struct slice code,
                      const char *text)
{
    s->reply.status = status;
    s->reply.code = code;
    s->reply.text = slice_str(text);
}

void imap_ok(struct imap_session *s, const char *text)
{
    set_reply(s, IMAP_OK, SLICE_NONE, text);
}

void imap_ok_code(struct imap_session *s, struct slice code, const char *text)
{
    set_reply(s, IMAP_OK, code, text);
}

void imap_no(struct imap_session *s, const char *code, const char *text)
{
    set_reply(s, IMAP_NO, slice_str(code), text);
}

void imap_bad(struct imap_session *s, const char *text)
{
    set_reply(s, IMAP_BAD, SLICE_NONE, text);
}

static const struct {
    const char *code, *text;
} error_answers[] = {
    [ERR_INPUT] = {"CANNOT", "That is not possible"},
    [ERR_LIMIT] = {"LIMIT", "A limit of this server is reached"},
    [ERR_AGAIN] = {"UNAVAILABLE", "Temporarily not possible, try again"},
    [ERR_IO] = {"SERVERBUG", "The server cannot read or write its storage"},
    [ERR_FULL] = {"UNAVAILABLE", "The server has no room left, try again later"},
    [ERR_QUOTA] = {"OVERQUOTA", "The account's quota is used up"},
    [ERR_AUTH] = {"NOPERM", "Not allowed"},
    [ERR_NOTFOUND] = {"NONEXISTENT", "There is no such mailbox"},
    [ERR_CONFLICT] = {"ALREADYEXISTS", "It exists already"},
    [ERR_TIMEOUT] = {"UNAVAILABLE", "That took too long, try again"},
    [ERR_CLOSED] = {"UNAVAILABLE", "The server is stopping"},
    [ERR_BUG] = {"SERVERBUG", "Internal error"},
};

void imap_error(struct imap_session *s, enum error e)
{
    if (e == OK || (size_t)e >= sizeof error_answers / sizeof error_answers[0])
        e = ERR_BUG;
    imap_no(s, error_answers[e].code, error_answers[e].text);
}

/* --- Untagged --- */

void imap_write(struct imap_session *s, struct slice raw)
{
    conn_write(s->conn, raw);
}

static void print_line(struct imap_session *s, const char *format, va_list args) printf_like(2, 0);

static void print_line(struct imap_session *s, const char *format, va_list args)
{
    char text[LINE_MAX_TEXT];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0 || (size_t)n >= sizeof text)
        bug("a response does not fit a line");
    conn_write(s->conn, slice_of(text, (size_t)n));
}

void imap_printf(struct imap_session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(s, format, args);
    va_end(args);
}

void imap_untagged(struct imap_session *s, const char *format, ...)
{
    imap_lit(s, "* ");
    va_list args;
    va_start(args, format);
    print_line(s, format, args);
    va_end(args);
    imap_lit(s, "\r\n");
}

void imap_dec(struct imap_session *s, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    conn_write(s->conn, slice_of(digits + at, sizeof digits - at));
}

/* --- Strings --- */

/* How many escapes a quoted string needs; SIZE_MAX when it cannot be one. */
static size_t escapes_of(const struct imap_session *s, struct slice text)
{
    if (text.n > QUOTED_MAX)
        return SIZE_MAX;
    size_t escapes = 0;
    bool eight_bit = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '\0' || c == '\r' || c == '\n')
            return SIZE_MAX;
        if (c == '"' || c == '\\')
            escapes++;
        eight_bit |= c >= 0x80;
    }
    if (eight_bit && (!imap_utf8_names(s) || !utf8_valid(text)))
        return SIZE_MAX;
    return escapes;
}

void imap_string(struct imap_session *s, struct slice text)
{
    size_t escapes = escapes_of(s, text);
    if (escapes == SIZE_MAX) {
        imap_literal(s, text);
        return;
    }
    imap_lit(s, "\"");
    while (escapes > 0) {
        size_t n = 0;
        while (text.p[n] != '"' && text.p[n] != '\\')
            n++;
        imap_write(s, slice_sub(text, 0, n));
        imap_lit(s, "\\");
        imap_write(s, slice_sub(text, n, n + 1));
        text = slice_from(text, n + 1);
        escapes--;
    }
    imap_write(s, text);
    imap_lit(s, "\"");
}

void imap_literal(struct imap_session *s, struct slice bytes)
{
    imap_lit(s, "{");
    imap_dec(s, bytes.n);
    imap_lit(s, "}\r\n");
    imap_write(s, bytes);
}

void imap_literal8(struct imap_session *s, struct slice bytes)
{
    imap_lit(s, "~");
    imap_literal(s, bytes);
}

void imap_mailbox_name(struct imap_session *s, struct slice name)
{
    if (imap_utf8_names(s) || (ascii_only(name) && !slice_has(name, '&'))) {
        imap_string(s, name);
        return;
    }
    /* UTF-16 in base64: at most four bytes for each of UTF-8, and the shifts. */
    autobuf wire = BUF_INIT(8 * LIMIT_MAILBOX_NAME);
    if (mutf7_encode(name, &wire) != OK || buf_check(&wire) != OK) {
        imap_string(s, name);
        return;
    }
    imap_string(s, buf_slice(&wire));
}

/* --- Flags, ranges, ids --- */

static const struct {
    uint64_t bit;
    struct slice name;
} system_names[] = {
    {FLAG_ANSWERED, SLICE_INIT("\\Answered")}, {FLAG_FLAGGED, SLICE_INIT("\\Flagged")},
    {FLAG_DELETED, SLICE_INIT("\\Deleted")},   {FLAG_SEEN, SLICE_INIT("\\Seen")},
    {FLAG_DRAFT, SLICE_INIT("\\Draft")},
};

static void write_keywords(struct imap_session *s, uint64_t flags, bool first)
{
    /* The table only grows: the one at hand is good enough when it names all bits. */
    uint64_t words = flags >> FLAG_KEYWORD_SHIFT;
    const struct keyword_table *t = s->keywords;
    if (!t || (t->n < LIMIT_KEYWORDS && words >> t->n))
        t = imap_keywords(s);
    for (size_t k = 0; t && k < t->n; k++) {
        if (!(words >> k & 1))
            continue;
        if (!first)
            imap_lit(s, " ");
        imap_write(s, t->name[k]);
        first = false;
    }
}

void imap_flag_names(struct imap_session *s, uint64_t flags)
{
    bool first = true;
    imap_lit(s, "(");
    for (size_t i = 0; i < sizeof system_names / sizeof system_names[0]; i++) {
        if (!(flags & system_names[i].bit))
            continue;
        if (!first)
            imap_lit(s, " ");
        imap_write(s, system_names[i].name);
        first = false;
    }
    if (flags >> FLAG_KEYWORD_SHIFT)
        write_keywords(s, flags, first);
    imap_lit(s, ")");
}

void imap_ranges(struct imap_session *s, const struct uid_range *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            imap_lit(s, ",");
        imap_dec(s, r[i].first);
        if (r[i].last > r[i].first) {
            imap_lit(s, ":");
            imap_dec(s, r[i].last);
        }
    }
}

void imap_ranges_print(struct buf *out, const struct uid_range *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_dec(out, r[i].first);
        if (r[i].last > r[i].first) {
            buf_byte(out, ':');
            buf_dec(out, r[i].last);
        }
    }
}

/* As JMAP knows them (RFC 8474 5: clients of both can tell that it is the same). */
static void write_id(struct imap_session *s, char letter, uint64_t id)
{
    imap_printf(s, "%c%llu", letter, (unsigned long long)id);
}

void imap_mailbox_id(struct imap_session *s, uint32_t id)
{
    write_id(s, 'B', id);
}

void imap_email_id(struct imap_session *s, uint64_t id)
{
    write_id(s, 'M', id);
}

void imap_thread_id(struct imap_session *s, uint64_t id)
{
    write_id(s, 'T', id);
}

void imap_fetch_flags(struct imap_session *s, uint32_t seq, const struct snapshot_entry *e)
{
    imap_lit(s, "* ");
    imap_dec(s, seq);
    imap_lit(s, " FETCH (");
    if (s->uid || imap_has(s, IMAP_QRESYNC) || imap_has(s, IMAP_REV2)) {
        imap_lit(s, "UID ");
        imap_dec(s, e->uid);
        imap_lit(s, " ");
    }
    imap_lit(s, "FLAGS ");
    imap_flag_names(s, e->flags);
    if (imap_has(s, IMAP_CONDSTORE)) {
        imap_lit(s, " MODSEQ (");
        imap_dec(s, e->modseq);
        imap_lit(s, ")");
    }
    imap_lit(s, ")\r\n");
}
