/* HTTP as a protocol of the runtime: feeds the machine what came, and sends what it has as far as
 * the peer takes it. A worker never waits for a slow peer here: what is left over parks. */
#include "base/clock.h"
#include "base/mem.h"
#include "web/http_private.h"

/* --- The machine in use --- */

void http_conn_init(struct http_conn *h, const struct http_listener *l, bool http2)
{
    h->listener = l;
    h->idle_at = clock_ms() + LIMIT_HTTP_IDLE_MS;
    h->stalled_at = HTTP_NEVER;
    if (http2)
        h2_new(h);
    else
        h1_new(h);
}

void http_conn_end(struct http_conn *h)
{
    if (h->h2)
        h2_free(h);
    else
        h1_free(h);
    waker_unref(h->waker);
}

static size_t machine_input(struct http_conn *h, struct slice in)
{
    return h->h2 ? h2_input(h, in) : h1_input(h, in);
}

static bool machine_output(struct http_conn *h, struct buf *out)
{
    return h->h2 ? h2_output(h, out) : h1_output(h, out);
}

static bool machine_over(const struct http_conn *h)
{
    return h->h2 ? h2_over(h) : h1_over(h);
}

/* --- Turns --- */

static void feed(struct http_conn *h)
{
    struct slice in = conn_input(h->c);
    if (in.n)
        conn_consume(h->c, machine_input(h, in));
}

/* Others wait for this worker, too: event() goes on with it. */
static void go_on_soon(struct http_conn *h)
{
    if (!h->waker)
        h->waker = conn_waker(h->c);
    waker_wake(h->waker);
}

static void set_deadline(struct http_conn *h)
{
    enum { FAR_MS = 24 * 3600 * 1000 };
    int64_t at = HTTP_NEVER;
    if (!machine_over(h)) /* else only what is left to send counts */
        at = h->h2 ? h2_deadline(h) : h1_deadline(h);
    if (h->stalled_at < at)
        at = h->stalled_at;
    if (at == HTTP_NEVER) {
        conn_deadline(h->c, 0);
        return;
    }
    int64_t ms = at - clock_ms();
    conn_deadline(h->c, ms < 1 ? 1 : ms > FAR_MS ? FAR_MS : (int)ms);
}

/* Sends until the machine has nothing more or the peer takes nothing more. */
static enum after pump(struct http_conn *h)
{
    struct buf out = BUF_INIT(LIMIT_INPUT_BUFFER);
    size_t sent = 0;
    while (!conn_stalled(h->c) && !conn_broken(h->c) && sent < LIMIT_HTTP_TURN &&
           machine_output(h, &out)) {
        conn_send(h->c, buf_slice(&out));
        sent += out.n;
        buf_reset(&out);
        feed(h); /* a request that waited for this answer */
    }
    buf_free(&out);
    bool stalled = conn_stalled(h->c);
    if (stalled && h->stalled_at == HTTP_NEVER)
        h->stalled_at = clock_ms() + LIMIT_WRITE_MS;
    if (machine_over(h) && !stalled)
        return CLOSE;
    if (sent >= LIMIT_HTTP_TURN && !stalled)
        go_on_soon(h);
    set_deadline(h);
    return PARK;
}

static enum after http_open(struct conn *c)
{
    struct http_conn *h = mem_alloc(sizeof *h);
    h->c = c;
    h->peer = conn_peer(c);
    h->tls = conn_tls(c);
    http_conn_init(h, conn_service(c), slice_eq(conn_alpn(c), SLICE("h2")));
    conn_set_data(c, h);
    return pump(h);
}

static enum after http_input(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    feed(h);
    return pump(h);
}

static enum after http_writable(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    h->stalled_at = HTTP_NEVER;
    return pump(h);
}

static enum after http_event(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    for (struct http_exchange *x = h->open; x; x = x->next)
        if (events_wake(x) && h->h2)
            h2_resume(x);
    return pump(h);
}

static enum after http_timeout(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    int64_t now = clock_ms();
    if (h->stalled_at <= now)
        return CLOSE;
    if (h->h2)
        h2_timeout(h, now);
    else
        h1_timeout(h, now);
    return pump(h);
}

static enum after http_stopping(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    h->stopping = true;
    if (h->h2)
        h2_stopping(h);
    else
        h1_stopping(h);
    return pump(h);
}

static void http_close(struct conn *c)
{
    struct http_conn *h = conn_data(c);
    http_conn_end(h);
    mem_free(h);
}

const struct protocol http_protocol = {
    .name = "http",
    .open = http_open,
    .input = http_input,
    .writable = http_writable,
    .event = http_event,
    .timeout = http_timeout,
    .stopping = http_stopping,
    .close = http_close,
    .alpn = SLICE_INIT("\x02h2\x08http/1.1\x08http/1.0"),
};
