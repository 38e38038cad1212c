/* One exchange: a request's way through its handler, and its answer until the last byte of it. */
#include "base/clock.h"
#include "base/date.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/http_private.h"
#include <stdatomic.h>

/* Collected bodies of all exchanges, in bytes. */
static _Atomic uint64_t bodies;

/* --- Life --- */

struct http_exchange *exchange_new(struct http_conn *h)
{
    struct http_exchange *x = mem_alloc(sizeof *x);
    x->h = h;
    x->body_length = -1;
    x->client = h->peer;
    x->tick_at = x->stall_at = HTTP_NEVER;
    x->body_begin = x->body_at = clock_ms();
    arena_init(&x->arena, LIMIT_HTTP_ARENA);
    x->next = h->open;
    if (x->next)
        x->next->before = x;
    h->open = x;
    h->n_open++;
    h->requests++;
    return x;
}

static void body_free(struct http_exchange *x)
{
    if (x->body_mode == BODY_TAKEN)
        atomic_fetch_sub(&bodies, x->body.n);
    buf_wipe(&x->body); /* a login, perhaps */
}

static void log_exchange(const struct http_exchange *x)
{
    char client[IP_TEXT];
    ip_print(x->client, client);
    log_debug("http.request", log_text("client", client), log_slice("host", x->host),
              log_slice("path", x->path), log_i64("status", x->status),
              log_u64("received", x->body_seen), log_u64("sent", x->pulled));
}

void exchange_free(struct http_exchange *x)
{
    struct http_conn *h = x->h;
    log_exchange(x);
    if (x->next)
        x->next->before = x->before;
    if (x->before)
        x->before->next = x->next;
    else
        h->open = x->next;
    h->n_open--;
    if (x->answer == ANSWER_SOURCE && x->source.free)
        x->source.free(x->source.arg);
    if (x->answer == ANSWER_EVENTS && x->events.free)
        x->events.free(x->events.arg);
    if (x->gone)
        x->gone(x->data);
    body_free(x);
    buf_free(&x->kept);
    arena_wipe(&x->arena); /* Authorization and Cookie are in it */
    mem_free(x);
}

/* --- The head --- */

/* Room for one more field. It grows: most requests have few, and those of idle event streams stay.
 */
static bool fields_room(struct http_exchange *x)
{
    enum { FIRST = 16 };
    if (x->n_fields < x->fields_cap)
        return true;
    size_t cap = x->fields_cap ? 2 * x->fields_cap : FIRST;
    struct http_pair *more = arena_array(&x->arena, cap, sizeof *more);
    if (!more)
        return false;
    if (x->n_fields)
        memcpy(more, x->fields, x->n_fields * sizeof *more);
    x->fields = more;
    x->fields_cap = cap;
    return true;
}

void exchange_field(struct http_exchange *x, struct slice name, struct slice value)
{
    if (x->n_fields == LIMIT_HTTP_FIELDS || !fields_room(x)) {
        x->refused = 431;
        return;
    }
    if (slice_eq(name, SLICE("host")) && x->n_hosts < UINT8_MAX) {
        /* HTTP/2: Host may stand beside :authority and must agree with it (RFC 9113 8.3.1). */
        if (x->authority.n && !slice_ieq(x->authority, value))
            x->refused = 400;
        x->authority = value;
        x->n_hosts++;
    }
    x->fields[x->n_fields++] = (struct http_pair){name, value};
}

/* May the handler have the body that was announced? */
static void body_check(struct http_exchange *x)
{
    if (x->answer != ANSWER_NONE) {
        x->body_mode = BODY_DROPPED;
        return;
    }
    uint64_t most = x->body_mode == BODY_UNASKED ? 0 : x->body_limit;
    if (x->body_length >= 0 && (uint64_t)x->body_length > most)
        exchange_fail(x, 413);
}

void exchange_begin(struct http_exchange *x)
{
    const struct http_listener *l = x->h->listener;
    x->body_begin = x->body_at = clock_ms();
    if (x->refused == 0)
        x->refused = request_target(x);
    if (x->refused == 0 && forwarded_client(x, &x->client) != OK)
        x->refused = 400;
    if (x->refused) {
        exchange_fail(x, x->refused);
        return;
    }
    x->handler = l->routes.find(l->service, x);
    if (x->handler->begin)
        x->handler->begin(x);
    body_check(x);
}

void http_take_body(struct http_exchange *x, size_t limit)
{
    x->body_mode = BODY_TAKEN;
    x->body_limit = limit;
    buf_init(&x->body, limit);
}

void http_stream_body(struct http_exchange *x, uint64_t limit,
                      enum error (*take)(void *arg, struct slice piece), void *arg)
{
    x->body_mode = BODY_STREAMED;
    x->body_limit = limit;
    x->take = take;
    x->take_arg = arg;
}

/* --- The body --- */

/* Big bodies leave room for the small requests of everybody else. */
static bool bodies_take(struct http_exchange *x, size_t n)
{
    uint64_t most = x->body.n > LIMIT_HTTP_LIGHT ? LIMIT_HTTP_BODIES / 4 * 3 : LIMIT_HTTP_BODIES;
    if (atomic_fetch_add(&bodies, n) + n <= most)
        return true;
    atomic_fetch_sub(&bodies, n);
    return false;
}

static int status_of(enum error e)
{
    return e == ERR_FULL || e == ERR_QUOTA ? 507 : e == ERR_LIMIT ? 413 : 500;
}

void exchange_piece(struct http_exchange *x, struct slice piece)
{
    x->body_seen += piece.n;
    x->body_at = clock_ms();
    if (x->body_mode == BODY_DROPPED || piece.n == 0)
        return;
    if (x->body_mode == BODY_UNASKED || x->body_seen > x->body_limit) {
        exchange_fail(x, 413);
    } else if (x->body_mode == BODY_STREAMED) {
        enum error e = x->take(x->take_arg, piece);
        if (e != OK)
            exchange_fail(x, status_of(e));
    } else if (bodies_take(x, piece.n)) {
        buf_add(&x->body, piece);
    } else {
        exchange_fail(x, 503);
    }
}

void exchange_complete(struct http_exchange *x)
{
    x->complete = true;
    if (x->answer != ANSWER_NONE)
        return;
    if (x->handler->finish)
        x->handler->finish(x);
    /* Its answer may be taken slowly, and others have bodies, too. */
    body_free(x);
    x->body_mode = BODY_DROPPED;
    if (x->answer == ANSWER_NONE) {
        log_error("http.unanswered", log_slice("path", x->path));
        exchange_fail(x, 500);
    }
}

struct slice http_body(const struct http_exchange *x)
{
    return buf_slice(&x->body);
}

/* --- Deadlines --- */

static int64_t body_deadline(const struct http_exchange *x)
{
    if (x->complete)
        return HTTP_NEVER;
    int64_t piece = x->body_at + LIMIT_HTTP_BODY_MS;
    int64_t rate =
        x->body_begin + LIMIT_HTTP_BODY_MS + (int64_t)(x->body_seen / LIMIT_HTTP_BODY_RATE) * 1000;
    return piece < rate ? piece : rate;
}

int64_t exchange_deadline(const struct http_exchange *x)
{
    int64_t at = body_deadline(x);
    if (x->stall_at < at)
        at = x->stall_at;
    return x->tick_at < at ? x->tick_at : at;
}

bool exchange_late(const struct http_exchange *x, int64_t now)
{
    return body_deadline(x) <= now;
}

bool exchange_stalled(const struct http_exchange *x, int64_t now)
{
    return x->stall_at <= now;
}

/* --- The handler's own --- */

void http_set_data(struct http_exchange *x, void *data, void (*gone)(void *data))
{
    x->data = data;
    x->gone = gone;
}

void *http_data(const struct http_exchange *x)
{
    return x->data;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

void *http_service(const struct http_exchange *x)
{
    return x->h->listener->service;
}

/* --- The answer --- */

void http_set_field(struct http_exchange *x, const char *name, struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < 0x20 || value.p[i] == 0x7f)
            bug("a control byte in %s", name);
    if (!x->set)
        x->set = arena_array(&x->arena, LIMIT_HTTP_SET_FIELDS, sizeof *x->set);
    struct slice n = arena_dup(&x->arena, slice_str(name)), v = arena_dup(&x->arena, value);
    if (x->arena.failed)
        return; /* answer_begin() sees it */
    if (x->n_set == LIMIT_HTTP_SET_FIELDS)
        bug("too many fields");
    x->set[x->n_set++] = (struct http_pair){n, v};
}

/* False: the answer cannot be as the handler wants it, and is an error already. */
static bool answer_begin(struct http_exchange *x, enum http_answer kind, int status,
                         const char *type)
{
    if (x->answer != ANSWER_NONE)
        bug("a second answer");
    x->answer = kind;
    x->status = status;
    x->type = arena_dup(&x->arena, slice_str(type));
    x->stall_at = clock_ms() + LIMIT_WRITE_MS;
    if (!x->arena.failed)
        return true;
    log_error("http.arena", log_slice("path", x->path));
    x->answer = ANSWER_BYTES;
    x->status = 500;
    x->type = SLICE_NONE;
    x->n_set = 0;
    x->length = 0;
    return false;
}

void http_answer_static(struct http_exchange *x, int status, const char *type, struct slice body)
{
    if (!answer_begin(x, ANSWER_BYTES, status, type))
        return;
    x->rest = body;
    x->length = (int64_t)body.n;
}

void http_answer_buf(struct http_exchange *x, int status, const char *type, struct buf *body)
{
    if (answer_begin(x, ANSWER_BYTES, status, type)) {
        x->kept = *body;
        x->rest = buf_slice(body);
        x->length = (int64_t)body->n;
    } else {
        buf_free(body);
    }
    buf_init(body, body->limit);
}

void http_answer(struct http_exchange *x, int status, const char *type, struct slice body)
{
    struct buf copy = BUF_INIT(body.n);
    buf_add(&copy, body);
    http_answer_buf(x, status, type, &copy);
}

void http_answer_source(struct http_exchange *x, int status, const char *type,
                        const struct http_source *source)
{
    if (!answer_begin(x, ANSWER_SOURCE, status, type)) {
        if (source->free)
            source->free(source->arg);
        return;
    }
    x->source = *source;
    x->length = source->length;
}

void http_redirect(struct http_exchange *x, struct slice location, bool permanent)
{
    http_set_field(x, "location", location);
    http_answer(x, permanent ? 308 : 303, NULL, SLICE(""));
}

void http_problem(struct http_exchange *x, int status, const char *type, const char *english,
                  const char *german)
{
    struct buf b = BUF_INIT(LIMIT_HTTP_PROBLEM);
    struct json_writer w;
    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "type");
    jw_str(&w, type);
    jw_key(&w, "status");
    jw_uint(&w, (uint64_t)status);
    jw_key(&w, "detail");
    jw_str(&w, german && http_in_german(x) ? german : english);
    jw_end(&w);
    http_answer_buf(x, status, "application/problem+json", &b);
}

static const struct {
    int status;
    const char *detail;
} FAULTS[] = {
    {400, "The request is malformed."},
    {408, "The request came too slowly."},
    {413, "The request is too large."},
    {417, "This expectation cannot be met."},
    {431, "The request's header fields are too large."},
    {500, "The server failed to answer."},
    {501, "The server does not support this."},
    {503, "The server is busy. Try again soon."},
    {505, "Only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here."},
    {507, "There is not enough room."},
};

void exchange_fail(struct http_exchange *x, int status)
{
    body_free(x);
    x->body_mode = BODY_DROPPED;
    x->body_begin = x->body_at = clock_ms();
    if (x->answer != ANSWER_NONE)
        return;
    const char *detail = "The request failed.";
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++)
        if (FAULTS[i].status == status)
            detail = FAULTS[i].detail;
    x->n_set = 0;
    if (status == 503)
        http_set_field(x, "retry-after", SLICE("10"));
    http_problem(x, status, "about:blank", detail, NULL);
}

bool exchange_has_body(const struct http_exchange *x)
{
    return x->method != HTTP_HEAD && x->status != 204 && x->status != 304 && x->length != 0;
}

/* RFC 9110 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
static void date_text(char *out, size_t size)
{
    static const char *const DAYS[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = date_to_civil(clock_wall());
    snprintf(out, size, "%s, %02u %s %04d %02u:%02u:%02u GMT", DAYS[c.weekday], c.day,
             MONTHS[c.month - 1], (int)c.year, c.hour, c.minute, c.second);
}

void exchange_fields(struct http_exchange *x, http_add_field *add, void *arg)
{
    date_text(x->date, sizeof x->date);
    add(arg, SLICE("date"), slice_str(x->date));
    if (x->type.n)
        add(arg, SLICE("content-type"), x->type);
    if (x->length >= 0 && x->status >= 200 && x->status != 204 && x->status != 304) {
        snprintf(x->length_text, sizeof x->length_text, "%lld", (long long)x->length);
        add(arg, SLICE("content-length"), slice_str(x->length_text));
    }
    for (size_t i = 0; i < x->n_set; i++)
        add(arg, x->set[i].name, x->set[i].value);
    security_fields(x, add, arg);
}

/* --- The answer's bytes --- */

static enum error pull_bytes(struct http_exchange *x, size_t max, struct buf *out, bool *end)
{
    struct slice piece = slice_sub(x->rest, 0, max);
    buf_add(out, piece);
    x->rest = slice_from(x->rest, piece.n);
    *end = x->rest.n == 0;
    return OK;
}

static enum error pull_source(struct http_exchange *x, size_t max, struct buf *out, bool *end)
{
    size_t before = out->n;
    enum error e = x->source.read(x->source.arg, max, out);
    if (e != OK || out->failed) {
        log_error("http.source", log_slice("path", x->path), log_text("why", error_name(e)));
        return ERR_IO;
    }
    size_t got = out->n - before;
    x->source_seen += got;
    *end = got == 0 || (x->length >= 0 && x->source_seen == (uint64_t)x->length);
    if (x->length >= 0 &&
        (*end ? x->source_seen != (uint64_t)x->length : x->source_seen > (uint64_t)x->length)) {
        log_error("http.source", log_slice("path", x->path), log_text("why", "wrong length"));
        return ERR_IO;
    }
    return OK;
}

static enum error pull_events(struct http_exchange *x, size_t max, struct buf *out, bool *end)
{
    struct slice piece = slice_sub(buf_slice(&x->kept), 0, max);
    if (piece.n == 0 && !x->events_over)
        return ERR_AGAIN;
    buf_add(out, piece);
    buf_drop(&x->kept, piece.n);
    if (x->kept.n == 0) {
        buf_free(&x->kept);
        if (x->events_due)
            events_wake(x);
    }
    *end = x->events_over && x->kept.n == 0;
    return OK;
}

enum error exchange_pull(struct http_exchange *x, size_t max, struct buf *out, bool *end)
{
    size_t before = out->n;
    bool last = false;
    enum error e = x->answer == ANSWER_BYTES    ? pull_bytes(x, max, out, &last)
                   : x->answer == ANSWER_SOURCE ? pull_source(x, max, out, &last)
                                                : pull_events(x, max, out, &last);
    if (e != OK)
        return e;
    x->pulled += out->n - before;
    bool idle = x->answer == ANSWER_EVENTS && x->kept.n == 0;
    if (last || idle) {
        x->stall_at = HTTP_NEVER;
    } else if (x->pulled - x->mark >= LIMIT_WRITE_CHUNK) {
        x->mark = x->pulled;
        x->stall_at = clock_ms() + LIMIT_WRITE_MS;
    }
    x->sent = last;
    *end = last;
    return OK;
}
