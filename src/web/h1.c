/* HTTP/1.1 and 1.0 (RFC 9112): one exchange after the other.
 *
 * A head is looked through before llhttp sees it: only whole CRLF lines without folding and without
 * NUL count, so that no other reader of the same bytes can see other borders (request smuggling).
 * It stays in the connection's input until it is whole. */
#include "base/clock.h"
#include "base/mem.h"
#include "web/h1_parser.h"
#include "web/http_private.h"

struct h1 {
    struct h1_parser *parser;
    struct http_exchange *x; /* under way */
    uint8_t *head;           /* of x, in its arena */
    size_t scanned;          /* of a head that is not whole */
    int64_t head_at;         /* it must be by then */
    uint64_t raw;            /* the body's bytes with their framing */
    int64_t drain_at;
    uint8_t minor;
    bool keep;         /* the connection serves another request after this one */
    bool expects;      /* the client waits with its body */
    bool say_continue; /* it need not any more */
    bool chunked;      /* so the answer goes */
    bool answered;     /* x is, but its body is not all here */
    bool deaf;         /* what comes now has no meaning */
    bool over;
};

/* --- The head --- */

static void found_field(void *arg, struct slice name, struct slice value)
{
    struct http_conn *h = arg;
    struct h1 *m = h->h1;
    uint8_t *p = m->head + (name.p - m->head);
    for (size_t i = 0; i < name.n; i++)
        p[i] = ascii_lower(p[i]);
    exchange_field(m->x, name, value);
    if (name.n == 0)
        m->x->refused = 400;
}

/* Fields of one name. */
static size_t count_fields(const struct http_exchange *x, struct slice name, struct slice *last)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n_fields; i++) {
        if (!slice_eq(x->fields[i].name, name))
            continue;
        *last = x->fields[i].value;
        n++;
    }
    return n;
}

/* RFC 9112 6.1 and 6.3: nothing about the body's end may be doubtful. The status of the refusal. */
static int check_framing(struct http_exchange *x, uint8_t minor)
{
    struct slice length = SLICE_NONE, coding = SLICE_NONE;
    size_t lengths = count_fields(x, SLICE("content-length"), &length);
    size_t codings = count_fields(x, SLICE("transfer-encoding"), &coding);
    if (lengths + codings > 1 || (codings && minor == 0))
        return 400;
    if (codings && !slice_ieq(coding, SLICE("chunked")))
        return 501;
    uint64_t n = 0;
    if (lengths && parse_u64(length, INT64_MAX, &n) != OK)
        return 400;
    x->body_length = codings ? -1 : (int64_t)n;
    return 0;
}

/* RFC 9112 3: one SP on each side of the target, which llhttp would not insist on. */
static bool line_exact(const struct h1_head *head)
{
    const uint8_t *end = head->target.p + head->target.n;
    return head->target.p == head->method.p + head->method.n + 1 && memcmp(end, " HTTP/", 6) == 0;
}

static int check_head(struct http_conn *h, const struct h1_head *head)
{
    struct h1 *m = h->h1;
    struct http_exchange *x = m->x;
    if (head->major != 1 || head->minor > 1)
        return 505;
    if (!line_exact(head))
        return 400;
    if (slice_eq(head->method, SLICE("CONNECT")))
        return 501;
    int status = check_framing(x, head->minor);
    if (status)
        return status;
    struct slice expect;
    if (head->minor == 1 && count_fields(x, SLICE("expect"), &expect) > 0) {
        if (!slice_ieq(expect, SLICE("100-continue")))
            return 417;
        m->expects = true;
    }
    return 0;
}

static void found_head(void *arg, const struct h1_head *head)
{
    struct http_conn *h = arg;
    struct h1 *m = h->h1;
    struct http_exchange *x = m->x;
    x->method = method_of(head->method);
    x->target = head->target;
    x->bare = head->minor == 0;
    m->minor = head->minor > 0;
    m->keep = head->keep && !h->stopping && h->requests < LIMIT_HTTP_REQUESTS;
    int status = check_head(h, head);
    if (status && !x->refused)
        x->refused = status;
    exchange_begin(x);
    if (x->refused) { /* who writes such heads may mean other borders, too */
        m->keep = false;
        m->deaf = true;
    }
    m->say_continue = m->expects && x->answer == ANSWER_NONE;
}

static void found_piece(void *arg, struct slice piece)
{
    struct http_conn *h = arg;
    exchange_piece(h->h1->x, piece);
}

static const struct h1_found FOUND = {found_field, found_head, found_piece};

static void refuse_exchange(struct http_exchange *x, int status)
{
    struct h1 *m = x->h->h1;
    m->keep = false;
    m->deaf = true;
    x->complete = true;
    exchange_fail(x, status);
}

/* Answers what is no request, or comes too late to be one, and closes. */
static void refuse(struct http_conn *h, int status)
{
    struct h1 *m = h->h1;
    if (!m->x)
        m->x = exchange_new(h);
    refuse_exchange(m->x, status);
}

enum scan { SCAN_MORE, SCAN_END, SCAN_BAD };

/* Looks on from byte *at for the end of the head; *at is after it then. */
static enum scan head_scan(struct slice s, size_t *at)
{
    for (size_t i = *at; i < s.n; i++) {
        uint8_t c = s.p[i], before = i ? s.p[i - 1] : 0;
        if ((c == '\n') != (before == '\r') || c == 0x7f ||
            (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
            return SCAN_BAD;
        if ((c == ' ' || c == '\t') && (before == '\n' || i == 0))
            return SCAN_BAD;
        if (c == '\n' && i >= 3 && s.p[i - 2] == '\n') {
            *at = i + 1;
            return SCAN_END;
        }
    }
    *at = s.n;
    return SCAN_MORE;
}

static void exchange_over(struct http_conn *h)
{
    struct h1 *m = h->h1;
    exchange_free(m->x);
    m->x = NULL;
    m->head = NULL;
    m->scanned = 0;
    m->answered = m->expects = m->say_continue = false;
    m->head_at = m->drain_at = HTTP_NEVER;
    h->idle_at = clock_ms() + LIMIT_HTTP_IDLE_MS;
    m->over = !m->keep || h->stopping;
}

static void parsed(struct http_conn *h, struct http_exchange *x, enum h1_parsed what)
{
    struct h1 *m = h->h1;
    if (what == H1_BAD) {
        refuse_exchange(x, 400);
    } else if (what == H1_DONE || m->deaf) {
        exchange_complete(x);
    } else if (m->expects && x->answer != ANSWER_NONE) {
        /* Nobody knows whether the client will send its body now. */
        m->keep = false;
        m->deaf = true;
        x->complete = true;
    }
    if (x->complete && m->answered)
        exchange_over(h);
}

static void head_read(struct http_conn *h, struct slice head)
{
    struct h1 *m = h->h1;
    struct http_exchange *x = exchange_new(h);
    m->x = x;
    m->raw = 0;
    m->minor = 1;
    m->head = arena_alloc(&x->arena, head.n);
    if (!m->head || !head.p)
        bug("no head, or no room for it");
    memcpy(m->head, head.p, head.n);
    h1_parser_reset(m->parser);
    size_t used = 0;
    parsed(h, x, h1_parse(m->parser, slice_of(m->head, head.n), &used));
}

static size_t head_input(struct http_conn *h, struct slice in)
{
    struct h1 *m = h->h1;
    if (m->head_at == HTTP_NEVER)
        m->head_at = clock_ms() + LIMIT_HTTP_HEAD_MS;
    /* RFC 9112 2.2: empty lines before a request mean nothing. */
    if (slice_eq(in, SLICE("\r")))
        return 0;
    if (slice_starts(in, SLICE("\r\n")))
        return 2;
    enum scan found = head_scan(slice_sub(in, 0, LIMIT_HTTP_HEAD), &m->scanned);
    if (found == SCAN_MORE && m->scanned < LIMIT_HTTP_HEAD)
        return 0;
    if (found == SCAN_END) {
        size_t n = m->scanned;
        head_read(h, slice_sub(in, 0, n));
        return n;
    }
    refuse(h, found == SCAN_BAD ? 400 : 431);
    return in.n;
}

/* --- The body --- */

static size_t body_input(struct http_conn *h, struct http_exchange *x, struct slice in)
{
    struct h1 *m = h->h1;
    size_t used = 0;
    enum h1_parsed what = h1_parse(m->parser, in, &used);
    m->raw += used;
    if (x->body_mode == BODY_DROPPED && m->raw > LIMIT_HTTP_DRAIN) {
        m->keep = false;
        m->deaf = true;
    } else if (what == H1_MORE &&
               m->raw - x->body_seen > LIMIT_HTTP_HEAD + LIMIT_HTTP_FRAMING * x->body_seen) {
        what = H1_BAD; /* chunks of nothing but extensions */
    }
    parsed(h, x, what);
    return used;
}

size_t h1_input(struct http_conn *h, struct slice in)
{
    struct h1 *m = h->h1;
    size_t used = 0;
    while (used < in.n) {
        struct slice rest = slice_from(in, used);
        if (m->over || m->deaf)
            return in.n;
        struct http_exchange *x = m->x;
        size_t n = !x ? head_input(h, rest) : !x->complete ? body_input(h, x, rest) : 0;
        if (n == 0)
            break;
        used += n;
    }
    /* Requests that came before the answer wait; but not in any number. */
    if (m->x && in.n - used > LIMIT_INPUT_BUFFER / 2) {
        m->keep = false;
        m->deaf = true;
        return in.n;
    }
    return used;
}

/* --- The answer --- */

static void add_field(void *arg, struct slice name, struct slice value)
{
    struct buf *out = arg;
    buf_add(out, name);
    buf_lit(out, ": ");
    buf_add(out, value);
    buf_lit(out, "\r\n");
}

static const struct {
    int status;
    const char *reason;
} REASONS[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {303, "See Other"},
    {304, "Not Modified"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return "";
}

static void head_write(struct http_conn *h, struct buf *out)
{
    struct h1 *m = h->h1;
    struct http_exchange *x = m->x;
    bool body = exchange_has_body(x);
    m->chunked = body && x->length < 0 && m->minor == 1;
    if (h->stopping || (body && x->length < 0 && m->minor == 0))
        m->keep = false; /* the end of the connection is the end of the body */
    buf_printf(out, "HTTP/1.1 %d %s\r\n", x->status, reason_of(x->status));
    exchange_fields(x, add_field, out);
    if (m->chunked)
        buf_lit(out, "transfer-encoding: chunked\r\n");
    if (!m->keep)
        buf_lit(out, "connection: close\r\n");
    else if (m->minor == 0)
        buf_lit(out, "connection: keep-alive\r\n");
    buf_lit(out, "\r\n");
    x->head_sent = true;
    x->sent = !body;
}

/* The answer's next bytes, as a chunk where they need one. */
static enum error body_write(struct http_conn *h, struct buf *out)
{
    enum { MARK = 6 }; /* "0000\r\n": four digits are enough for LIMIT_WRITE_CHUNK */
    struct h1 *m = h->h1;
    size_t start = out->n, got;
    bool end = false;
    if (m->chunked)
        buf_lit(out, "0000\r\n");
    enum error e = exchange_pull(m->x, LIMIT_WRITE_CHUNK, out, &end);
    if (!m->chunked)
        return e;
    got = out->n - start - MARK;
    if (e != OK || got == 0) {
        out->n = start;
    } else {
        for (size_t i = 0; i < MARK - 2; i++)
            out->p[start + i] = (uint8_t) "0123456789abcdef"[got >> (12 - 4 * i) & 15];
        buf_lit(out, "\r\n");
    }
    if (e == OK && end)
        buf_lit(out, "0\r\n\r\n");
    return e;
}

bool h1_output(struct http_conn *h, struct buf *out)
{
    struct h1 *m = h->h1;
    struct http_exchange *x = m->x;
    if (!x || m->over || m->answered)
        return false;
    if (m->say_continue && x->answer == ANSWER_NONE && !x->complete) {
        m->say_continue = m->expects = false;
        buf_lit(out, "HTTP/1.1 100 Continue\r\n\r\n");
        return true;
    }
    if (x->answer == ANSWER_NONE)
        return false;
    if (!x->head_sent)
        head_write(h, out);
    if (!x->sent) {
        enum error e = body_write(h, out);
        m->over = e != OK && e != ERR_AGAIN; /* cut, so that nobody takes a part for the whole */
    }
    if (x->sent && x->complete) {
        exchange_over(h);
    } else if (x->sent) {
        m->answered = true;
        m->drain_at = clock_ms() + LIMIT_HTTP_DRAIN_MS;
    }
    return out->n > 0;
}

/* --- Life --- */

void h1_new(struct http_conn *h)
{
    struct h1 *m = mem_alloc(sizeof *m);
    m->parser = h1_parser_new(&FOUND, h);
    m->head_at = m->drain_at = HTTP_NEVER;
    h->h1 = m;
}

void h1_free(struct http_conn *h)
{
    if (h->h1->x)
        exchange_free(h->h1->x);
    h1_parser_free(h->h1->parser);
    mem_free(h->h1);
    h->h1 = NULL;
}

bool h1_over(const struct http_conn *h)
{
    return h->h1->over;
}

int64_t h1_deadline(const struct http_conn *h)
{
    const struct h1 *m = h->h1;
    if (!m->x)
        return m->head_at < h->idle_at ? m->head_at : h->idle_at;
    if (m->answered)
        return m->drain_at;
    return exchange_deadline(m->x);
}

void h1_timeout(struct http_conn *h, int64_t now)
{
    struct h1 *m = h->h1;
    struct http_exchange *x = m->x;
    if (!x) {
        if (m->head_at <= now)
            refuse(h, 408);
        else
            m->over = m->over || h->idle_at <= now;
    } else if ((m->answered && m->drain_at <= now) || exchange_stalled(x, now)) {
        m->over = true;
    } else if (exchange_late(x, now)) {
        refuse(h, 408);
    } else {
        events_tick(x, now);
    }
}

void h1_stopping(struct http_conn *h)
{
    struct h1 *m = h->h1;
    m->keep = false;
    if (!m->x)
        m->over = true;
    else
        m->x->events_over = true;
}
