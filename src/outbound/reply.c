/* Replies of an SMTP server: lines to a reply, a reply to text for people, EHLO's announcements. */
#include "outbound/reply.h"
#include "base/limits.h"
#include "base/utf8.h"

#define CODE_DIGITS 3

void reply_init(struct reply *r)
{
    memset(r, 0, sizeof *r);
    buf_init(&r->text, REPLY_BYTES);
}

void reply_free(struct reply *r)
{
    buf_free(&r->text);
}

void reply_reset(struct reply *r)
{
    r->code = 0;
    r->status[0] = '\0';
    r->has_status = false;
    r->lines = 0;
    buf_reset(&r->text);
}

/* RFC 5321 4.2: Reply-code = %x32-35 %x30-35 %x30-39; the second digit is not insisted on. */
static bool code_of(struct slice line, uint16_t *code)
{
    if (line.n < CODE_DIGITS || line.p[0] < '2' || line.p[0] > '5' || !ascii_digit(line.p[1]) ||
        !ascii_digit(line.p[2]))
        return false;
    *code = (uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
    return true;
}

/* Takes 1 to 3 digits off *rest; false when there are none or more. */
static bool take_number(struct slice *rest)
{
    size_t n = 0;
    while (n < rest->n && ascii_digit(rest->p[n]))
        n++;
    *rest = slice_from(*rest, n);
    return n >= 1 && n <= 3;
}

static bool take_dot(struct slice *rest)
{
    bool dot = rest->n > 0 && rest->p[0] == '.';
    *rest = slice_from(*rest, 1);
    return dot;
}

/* How many bytes of `text` are an enhanced code at its beginning (RFC 3463 2), 0: none. */
static size_t status_length(struct slice text)
{
    struct slice rest = slice_from(text, 1);
    if (text.n == 0 || (text.p[0] != '2' && text.p[0] != '4' && text.p[0] != '5'))
        return 0;
    if (!take_dot(&rest) || !take_number(&rest) || !take_dot(&rest) || !take_number(&rest))
        return 0;
    return rest.n == 0 || rest.p[0] == ' ' ? text.n - rest.n : 0;
}

static void begin(struct reply *r, uint16_t code, struct slice text)
{
    size_t n = status_length(text);
    r->code = code;
    r->has_status = n > 0 && code / 100 != 3;
    if (r->has_status)
        snprintf(r->status, sizeof r->status, "%.*s", SLICE_FMT(slice_sub(text, 0, n)));
    else
        snprintf(r->status, sizeof r->status, "0.0.0");
    r->status[0] = (char)('0' + code / 100);
}

enum error reply_line(struct reply *r, struct slice line, bool *complete)
{
    uint16_t code;
    if (!code_of(line, &code) || slice_has(line, '\0') || (r->lines > 0 && code != r->code))
        return ERR_INPUT;
    /* A code alone is a reply too (RFC 5321 4.2). */
    if (line.n > CODE_DIGITS && line.p[CODE_DIGITS] != ' ' && line.p[CODE_DIGITS] != '-')
        return ERR_INPUT;
    struct slice text = slice_from(line, CODE_DIGITS + 1);
    if (r->lines == REPLY_LINES)
        return ERR_LIMIT;
    if (r->lines == 0)
        begin(r, code, text);
    else
        buf_byte(&r->text, '\n');
    buf_add(&r->text, text);
    r->lines++;
    if (r->text.failed)
        return ERR_LIMIT;
    *complete = line.n == CODE_DIGITS || line.p[CODE_DIGITS] == ' ';
    return OK;
}

/* What would start a new line, move the cursor or turn the direction of text in a terminal, a log
 * or a letter. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0x61c ||
           c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

/* One code point in its form for people; false when it does not fit under `limit`. */
static bool put_clean(struct buf *out, int32_t c, size_t limit)
{
    if (c == '\t')
        c = ' ';
    if (c == 0xfffd)
        c = '?';
    if (is_control((uint32_t)c))
        return true;
    size_t width = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (out->n + width > limit)
        return false;
    utf8_put(out, (uint32_t)c);
    return true;
}

void reply_text(const struct reply *r, struct buf *out)
{
    const size_t start = out->n, limit = start + LIMIT_RELAY_ANSWER;
    struct slice rest = buf_slice(&r->text), line;
    while (slice_split(&rest, '\n', &line)) {
        line = slice_trim(slice_from(line, status_length(line)));
        if (line.n > 0 && out->n > start && !put_clean(out, ' ', limit))
            return;
        for (int32_t c; (c = utf8_next(&line)) >= 0;)
            if (!put_clean(out, c, limit))
                return;
    }
}

/* The announcements of one bit each. */
static void announce(struct ehlo *e, struct slice keyword)
{
    const struct {
        struct slice name;
        bool *has;
    } known[] = {
        {SLICE("STARTTLS"), &e->starttls},
        {SLICE("PIPELINING"), &e->pipelining},
        {SLICE("8BITMIME"), &e->eight_bit},
        {SLICE("SMTPUTF8"), &e->smtputf8},
        {SLICE("DSN"), &e->dsn},
        {SLICE("SIZE"), &e->size},
        {SLICE("REQUIRETLS"), &e->require_tls},
        {SLICE("CHUNKING"), &e->chunking},
        {SLICE("ENHANCEDSTATUSCODES"), &e->enhanced},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_ieq(keyword, known[i].name))
            *known[i].has = true;
}

static void announce_auth(struct ehlo *e, struct slice mechanisms)
{
    struct slice name;
    while (slice_split(&mechanisms, ' ', &name)) {
        e->auth_plain = e->auth_plain || slice_ieq(name, SLICE("PLAIN"));
        e->auth_login = e->auth_login || slice_ieq(name, SLICE("LOGIN"));
    }
}

void reply_ehlo(const struct reply *r, struct ehlo *out)
{
    struct slice rest = buf_slice(&r->text), line, keyword;
    *out = (struct ehlo){0};
    if (!slice_split(&rest, '\n', &line)) /* the first line only greets */
        return;
    while (slice_split(&rest, '\n', &line)) {
        line = slice_trim(line);
        /* "AUTH=LOGIN" is how servers said it before RFC 2554; some still say both. */
        if (slice_istarts(line, SLICE("AUTH ")) || slice_istarts(line, SLICE("AUTH=")))
            announce_auth(out, slice_from(line, 5));
        if (!slice_split(&line, ' ', &keyword))
            continue;
        announce(out, keyword);
        if (slice_ieq(keyword, SLICE("SIZE")) &&
            parse_u64(slice_trim(line), UINT64_MAX, &out->max_size) != OK)
            out->max_size = 0;
    }
}
