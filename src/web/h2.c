/* HTTP/2 (RFC 9113) on nghttp2's memory functions: many exchanges at once.
 *
 * nghttp2 keeps the protocol's own rules; here stand the limits that make known attacks cheap to
 * bear: streams that are opened and reset (CVE-2023-44487), whichever side resets them; frames that
 * cost work and bring nothing (SETTINGS, PING, empty DATA, PRIORITY, tiny window updates); heads
 * over the limit; answers that are asked for and never taken. Endless CONTINUATION frames
 * (CVE-2024-27316) end at nghttp2's own limit and the head's deadline. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/http_private.h"
#include <nghttp2/nghttp2.h>

struct h2 {
    nghttp2_session *session;
    int64_t head_at;   /* a head that began must be whole by then */
    int64_t window_at; /* the counts below are since then */
    uint32_t resets, noise;
    bool leaving; /* GOAWAY is said */
    bool over;
};

/* --- Limits --- */

static void calm_down(struct http_conn *h, const char *why)
{
    if (h->h2->over)
        return;
    char peer[IP_TEXT];
    ip_print(h->peer, peer);
    log_info("http.flood", log_text("peer", peer), log_text("why", why));
    h->h2->over = true;
    if (nghttp2_session_terminate_session(h->h2->session, NGHTTP2_ENHANCE_YOUR_CALM) != 0)
        log_error("http.terminate", log_text("peer", peer));
}

static void count(struct http_conn *h, uint32_t *counter, uint32_t most, const char *why)
{
    struct h2 *m = h->h2;
    int64_t now = clock_ms();
    if (now - m->window_at > LIMIT_HTTP_RESETS_MS) {
        m->window_at = now;
        m->resets = m->noise = 0;
    }
    if (++*counter > most)
        calm_down(h, why);
}

/* Frames that are noise by what they are; nghttp2 reports some of them here only, and skips unknown
 * ones without a word and without work. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct http_conn *h = arg;
    bool empty =
        hd->type == NGHTTP2_DATA && hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
    if (empty || hd->type == NGHTTP2_SETTINGS || hd->type == NGHTTP2_PING ||
        hd->type == NGHTTP2_PRIORITY)
        count(h, &h->h2->noise, LIMIT_HTTP_FRAMES, "frames without content");
    return 0;
}

/* And by what is in them. */
static bool is_noise(const nghttp2_frame *f)
{
    if (f->hd.type == NGHTTP2_DATA)
        return f->hd.length > 0 && f->hd.length == f->data.padlen;
    return f->hd.type == NGHTTP2_WINDOW_UPDATE &&
           f->window_update.window_size_increment < LIMIT_HTTP_SMALL_WINDOW;
}

/* --- Answers --- */

struct head_list {
    nghttp2_nv nv[LIMIT_HTTP_SET_FIELDS + 16];
    size_t n;
};

static void add_field(void *arg, struct slice name, struct slice value)
{
    struct head_list *l = arg;
    if (l->n == sizeof l->nv / sizeof *l->nv)
        bug("too many fields");
    nghttp2_nv *nv = &l->nv[l->n++];
    memcpy(&nv->name, &name.p, sizeof nv->name); /* nghttp2 copies and does not change them */
    memcpy(&nv->value, &value.p, sizeof nv->value);
    nv->namelen = name.n;
    nv->valuelen = value.n;
    nv->flags =
        slice_eq(name, SLICE("set-cookie")) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http_exchange *x = source->ptr;
    struct buf out = {.p = room, .cap = size, .limit = size}; /* full as it is: it never grows */
    bool end = false;
    enum error e = exchange_pull(x, size, &out, &end);
    ssize_t n = (ssize_t)out.n;
    if (e == ERR_AGAIN || (e == OK && n == 0 && !end))
        return NGHTTP2_ERR_DEFERRED;
    if (e != OK)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    if (end)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n;
}

static void answer(struct http_exchange *x)
{
    struct h2 *m = x->h->h2;
    if (x->answer == ANSWER_NONE || x->head_sent)
        return;
    x->head_sent = true;
    struct head_list l = {.n = 0};
    char status[8];
    int n = snprintf(status, sizeof status, "%d", x->status);
    add_field(&l, SLICE(":status"), slice_of(status, (size_t)n));
    exchange_fields(x, add_field, &l);
    nghttp2_data_provider body = {.source.ptr = x, .read_callback = on_read};
    bool has_body = exchange_has_body(x);
    if (!has_body)
        x->stall_at = HTTP_NEVER;
    if (nghttp2_submit_response(m->session, x->stream, l.nv, l.n, has_body ? &body : NULL) != 0)
        m->over = true;
}

void h2_resume(struct http_exchange *x)
{
    (void)nghttp2_session_resume_data(x->h->h2->session, x->stream);
}

/* --- What nghttp2 reports --- */

static struct http_exchange *exchange_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
    struct http_conn *h = arg;
    struct h2 *m = h->h2;
    if (f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;                                   /* trailers */
    if (h->n_open >= LIMIT_HTTP_STREAMS || m->over) /* nghttp2 counts, too; but not before ACK */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, f->hd.stream_id,
                                         NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    m->head_at = clock_ms() + LIMIT_HTTP_HEAD_MS;
    struct http_exchange *x = exchange_new(h);
    x->stream = f->hd.stream_id;
    return nghttp2_session_set_stream_user_data(session, x->stream, x) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void pseudo_field(struct http_exchange *x, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE(":method")))
        x->method = method_of(value);
    else if (slice_eq(name, SLICE(":path")))
        x->target = value;
    else if (slice_eq(name, SLICE(":authority")))
        x->authority = value;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct http_exchange *x = exchange_of(session, f->hd.stream_id);
    if (!x || f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    enum { ENTRY = 32 }; /* RFC 9113 6.5.2: what a field counts beside its text */
    x->head_bytes += name_n + value_n + ENTRY;
    if (x->head_bytes > LIMIT_HTTP_HEAD) {
        x->refused = 431;
        return 0;
    }
    struct slice n = arena_dup(&x->arena, slice_of(name, name_n));
    struct slice v = arena_dup(&x->arena, slice_of(value, value_n));
    if (n.n && n.p[0] == ':')
        pseudo_field(x, n, v);
    else
        exchange_field(x, n, v);
    return 0;
}

/* Without this nghttp2 would leave the field out and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                             size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                             void *arg)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void head_whole(struct http_exchange *x, bool end)
{
    struct http_conn *h = x->h;
    h->h2->head_at = HTTP_NEVER;
    struct slice length = http_field(x, "content-length");
    uint64_t n = 0;
    if (length.p && parse_u64(length, INT64_MAX, &n) == OK)
        x->body_length = (int64_t)n;
    exchange_begin(x);
    if (end) {
        exchange_complete(x);
    } else if (x->answer == ANSWER_NONE &&
               slice_ieq(http_field(x, "expect"), SLICE("100-continue"))) {
        nghttp2_nv nv[1];
        struct head_list l = {.n = 0};
        add_field(&l, SLICE(":status"), SLICE("100"));
        nv[0] = l.nv[0];
        if (nghttp2_submit_headers(h->h2->session, NGHTTP2_FLAG_NONE, x->stream, NULL, nv, 1,
                                   NULL) != 0)
            h->h2->over = true;
    }
    answer(x);
    if (h->requests >= LIMIT_HTTP_REQUESTS)
        h2_stopping(h);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
    struct http_conn *h = arg;
    if (is_noise(f))
        count(h, &h->h2->noise, LIMIT_HTTP_FRAMES, "frames without content");
    if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
        return 0;
    struct http_exchange *x = exchange_of(session, f->hd.stream_id);
    bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!x)
        return 0;
    if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
        head_whole(x, end);
    } else if (end) {
        exchange_complete(x);
        answer(x);
    }
    return 0;
}

/* Is what remains of a request soon there? Then it is read away: some clients lose an answer that a
 * reset follows. */
static bool is_soon_there(const struct http_exchange *x)
{
    enum { TOO_SLOW = 408 };
    return x->body_seen <= LIMIT_HTTP_WINDOW && x->body_length <= LIMIT_HTTP_WINDOW &&
           x->status != TOO_SLOW;
}

/* RFC 9113 8.1: the answer is out, and the rest of the request is not wanted. */
static int end_request(nghttp2_session *session, const struct http_exchange *x)
{
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_NO_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t n, void *arg)
{
    struct http_exchange *x = exchange_of(session, stream);
    if (!x)
        return 0;
    exchange_piece(x, slice_of(data, n));
    answer(x);
    return x->out && !is_soon_there(x) ? end_request(session, x) : 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
    bool last = (f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) &&
                (f->hd.flags & NGHTTP2_FLAG_END_STREAM);
    struct http_exchange *x = last ? exchange_of(session, f->hd.stream_id) : NULL;
    if (!x || x->complete)
        return 0;
    x->out = true;
    return is_soon_there(x) ? 0 : end_request(session, x);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    struct http_conn *h = arg;
    struct http_exchange *x = exchange_of(session, stream);
    if (code != NGHTTP2_NO_ERROR)
        count(h, &h->h2->resets, LIMIT_HTTP_RESETS, "streams that are reset");
    if (!x)
        return 0;
    exchange_free(x);
    if (!h->open) {
        h->h2->head_at = HTTP_NEVER;
        h->idle_at = clock_ms() + LIMIT_HTTP_IDLE_MS;
    }
    return 0;
}

/* --- Bytes --- */

size_t h2_input(struct http_conn *h, struct slice in)
{
    struct h2 *m = h->h2;
    if (m->over)
        return in.n;
    if (nghttp2_session_mem_recv(m->session, in.p, in.n) < 0)
        m->over = true; /* what it has to say about that is queued */
    return in.n;
}

bool h2_output(struct http_conn *h, struct buf *out)
{
    struct h2 *m = h->h2;
    while (out->n < LIMIT_WRITE_CHUNK) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(m->session, &p);
        if (n < 0)
            m->over = true;
        if (n <= 0)
            break;
        buf_add(out, slice_of(p, (size_t)n));
    }
    return out->n > 0;
}

bool h2_over(const struct http_conn *h)
{
    const struct h2 *m = h->h2;
    return m->over ||
           (!nghttp2_session_want_read(m->session) && !nghttp2_session_want_write(m->session)) ||
           (m->leaving && !h->open);
}

/* --- Deadlines --- */

int64_t h2_deadline(const struct http_conn *h)
{
    int64_t at = h->open ? HTTP_NEVER : h->idle_at;
    if (h->h2->head_at < at)
        at = h->h2->head_at;
    for (const struct http_exchange *x = h->open; x; x = x->next) {
        int64_t one = exchange_deadline(x);
        at = one < at ? one : at;
    }
    return at;
}

static void stream_timeout(struct http_exchange *x, int64_t now)
{
    struct h2 *m = x->h->h2;
    bool late = exchange_late(x, now);
    if (late && x->answer == ANSWER_NONE) {
        exchange_fail(x, 408); /* and the body has its time once more, to be read away */
        answer(x);
    } else if (late || exchange_stalled(x, now)) {
        if (nghttp2_submit_rst_stream(m->session, NGHTTP2_FLAG_NONE, x->stream, NGHTTP2_CANCEL) !=
            0)
            m->over = true;
        x->stall_at = x->tick_at = HTTP_NEVER;
        x->complete = true;
    } else if (events_tick(x, now)) {
        h2_resume(x);
    }
}

void h2_timeout(struct http_conn *h, int64_t now)
{
    struct h2 *m = h->h2;
    if (m->head_at <= now) {
        calm_down(h, "a head that does not end");
        return;
    }
    if (!h->open && h->idle_at <= now)
        h2_stopping(h);
    for (struct http_exchange *x = h->open, *next; x; x = next) {
        next = x->next;
        stream_timeout(x, now);
    }
}

void h2_stopping(struct http_conn *h)
{
    struct h2 *m = h->h2;
    if (!m->leaving) {
        m->leaving = true;
        int32_t last = nghttp2_session_get_last_proc_stream_id(m->session);
        if (nghttp2_submit_goaway(m->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) !=
            0)
            m->over = true;
    }
    if (!h->stopping)
        return;
    for (struct http_exchange *x = h->open; x; x = x->next)
        if (x->answer == ANSWER_EVENTS) {
            x->events_over = true;
            h2_resume(x);
        }
}

/* --- Life --- */

static nghttp2_session *session_new(struct http_conn *h)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *o = NULL;
    nghttp2_session *s = NULL;
    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&o) != 0)
        die("no memory for HTTP/2");
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_reserved_remote_streams(o, 0);
    nghttp2_option_set_max_outbound_ack(o, LIMIT_HTTP_STREAMS);
    if (nghttp2_session_server_new2(&s, cb, h, o) != 0)
        die("no memory for HTTP/2");
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(o);
    return s;
}

void h2_new(struct http_conn *h)
{
    static const nghttp2_settings_entry SETTINGS[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, LIMIT_HTTP_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, LIMIT_HTTP_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, LIMIT_HTTP_HEAD},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct h2 *m = mem_alloc(sizeof *m);
    m->head_at = HTTP_NEVER;
    m->window_at = clock_ms();
    h->h2 = m;
    m->session = session_new(h);
    if (nghttp2_submit_settings(m->session, NGHTTP2_FLAG_NONE, SETTINGS,
                                sizeof SETTINGS / sizeof *SETTINGS) != 0 ||
        nghttp2_session_set_local_window_size(m->session, NGHTTP2_FLAG_NONE, 0,
                                              LIMIT_HTTP_WINDOW) != 0)
        m->over = true;
}

void h2_free(struct http_conn *h)
{
    struct h2 *m = h->h2;
    while (h->open)
        exchange_free(h->open);
    nghttp2_session_del(m->session);
    mem_free(m);
    h->h2 = NULL;
}
