/* For tests only: a handful of handlers, a machine without a socket, and a server on loopback. */
#ifndef DEPESCHE_WEB_TEST_HTTP_H
#define DEPESCHE_WEB_TEST_HTTP_H

#include "base/mem.h"
#include "base/utf8.h"
#include "web/http_private.h"
#include <pthread.h>
#include <stdatomic.h>

#define TEST_UNUSED __attribute__((unused))

struct test_site {
    atomic_int open, gone; /* exchanges with data */
    atomic_llong received; /* bytes of streamed bodies */
    atomic_llong read;     /* bytes of sources that were asked for */
    atomic_int event;      /* the number that event streams tell; -1 ends them */
    pthread_mutex_t lock;
    struct waker *waker[4096]; /* of event streams */
    size_t n_wakers;
};

/* --- Sources --- */

struct test_source {
    struct test_site *site;
    uint64_t left, at, break_at;
};

TEST_UNUSED static enum error test_source_read(void *arg, size_t max, struct buf *out)
{
    struct test_source *s = arg;
    size_t n = s->left < max ? (size_t)s->left : max;
    if (s->break_at && s->at >= s->break_at)
        return ERR_IO;
    for (size_t i = 0; i < n; i++)
        buf_byte(out, (uint8_t)('a' + (s->at + i) % 23));
    s->at += n;
    s->left -= n;
    atomic_fetch_add(&s->site->read, (long long)n);
    return OK;
}

static void test_source_free(void *arg)
{
    mem_free(arg);
}

static void test_source_answer(struct http_exchange *x, bool known, uint64_t break_at)
{
    struct slice text;
    uint64_t n = 100000;
    if (http_parameter(x, SLICE("n"), &text) && parse_u64(text, INT64_MAX, &n) != OK)
        n = 0;
    struct test_source *s = mem_alloc(sizeof *s);
    *s = (struct test_source){http_service(x), n, 0, break_at};
    struct http_source source = {test_source_read, test_source_free, s, known ? (int64_t)n : -1};
    http_answer_source(x, 200, "application/octet-stream", &source);
}

/* --- Bodies --- */

struct test_upload {
    struct test_site *site;
    uint64_t n;
    bool full;
};

static enum error test_take(void *arg, struct slice piece)
{
    struct test_upload *u = arg;
    u->n += piece.n;
    atomic_fetch_add(&u->site->received, (long long)piece.n);
    return u->full ? ERR_QUOTA : OK;
}

static void test_gone(void *arg)
{
    struct test_upload *u = arg;
    atomic_fetch_add(&u->site->gone, 1);
    mem_free(u);
}

/* --- Events --- */

static bool test_wake(void *arg, struct buf *out)
{
    struct test_site *site = arg;
    int n = atomic_load(&site->event);
    if (n < 0)
        return false;
    buf_printf(out, "data: %d\n\n", n);
    return true;
}

/* --- Handlers --- */

static void test_answer_what(struct http_exchange *x)
{
    char client[IP_TEXT];
    ip_print(http_client(x), client);
    struct slice p = SLICE("-"), cookie = http_cookie(x, "c");
    if (!http_parameter(x, SLICE("p"), &p))
        p = SLICE("-");
    if (!cookie.p)
        cookie = SLICE("-");
    struct buf b = BUF_INIT(65536);
    buf_printf(&b, "%d|%.*s|%.*s|%.*s|%.*s|%.*s|%s|%s|%s", (int)http_method(x),
               SLICE_FMT(http_host(x)), SLICE_FMT(http_path(x)), SLICE_FMT(http_query(x)),
               SLICE_FMT(p), SLICE_FMT(cookie), client, http_in_german(x) ? "de" : "en",
               http_accepts(x, "br") ? "br" : "-");
    http_answer_buf(x, 200, "text/plain", &b);
}

TEST_UNUSED static void test_begin(struct http_exchange *x)
{
    struct test_site *site = http_service(x);
    struct slice path = http_path(x);
    if (slice_eq(path, SLICE("/"))) {
        http_answer_static(x, 200, "text/plain", SLICE("hello\n"));
    } else if (slice_eq(path, SLICE("/echo"))) {
        http_take_body(x, 100000);
    } else if (slice_eq(path, SLICE("/upload")) || slice_eq(path, SLICE("/full"))) {
        struct test_upload *u = mem_alloc(sizeof *u);
        *u = (struct test_upload){site, 0, slice_eq(path, SLICE("/full"))};
        atomic_fetch_add(&site->open, 1);
        http_set_data(x, u, test_gone);
        http_stream_body(x, 50 * 1024 * 1024, test_take, u);
    } else if (slice_eq(path, SLICE("/big"))) {
        test_source_answer(x, true, 0);
    } else if (slice_eq(path, SLICE("/unknown"))) {
        test_source_answer(x, false, 0);
    } else if (slice_eq(path, SLICE("/broken"))) {
        test_source_answer(x, false, 20000);
    } else if (slice_eq(path, SLICE("/early"))) {
        http_answer(x, 200, "text/plain", SLICE("early\n"));
    } else if (slice_eq(path, SLICE("/none"))) {
        http_answer(x, 204, NULL, SLICE(""));
    } else if (slice_eq(path, SLICE("/set"))) {
        http_set_field(x, "content-security-policy", SLICE("default-src 'none'"));
        http_set_field(x, "set-cookie", SLICE("a=1"));
        http_set_field(x, "set-cookie", SLICE("b=2"));
        http_answer(x, 200, "text/plain", SLICE("set\n"));
    } else if (slice_eq(path, SLICE("/there"))) {
        http_redirect(x, SLICE("/"), false);
    } else if (slice_eq(path, SLICE("/events"))) {
        struct http_events e = {test_wake, NULL, site, 0};
        struct slice tick;
        uint32_t ms;
        if (http_parameter(x, SLICE("tick"), &tick) && parse_u32(tick, 100000, &ms) == OK)
            e.tick_ms = (int)ms;
        if (x->h->c) {
            pthread_mutex_lock(&site->lock);
            if (site->n_wakers < sizeof site->waker / sizeof *site->waker)
                site->waker[site->n_wakers++] = http_waker(x);
            pthread_mutex_unlock(&site->lock);
        }
        http_answer_events(x, &e);
    } else if (slice_starts(path, SLICE("/what"))) {
        test_answer_what(x);
    } else {
        http_problem(x, 404, "about:blank", "There is nothing here.", "Hier ist nichts.");
    }
}

static void test_finish(struct http_exchange *x)
{
    if (slice_eq(http_path(x), SLICE("/echo"))) {
        http_answer(x, 200, "text/plain", http_body(x));
        return;
    }
    struct test_upload *u = http_data(x);
    struct buf b = BUF_INIT(64);
    buf_dec(&b, u->n);
    http_answer_buf(x, 200, "text/plain", &b);
}

static const struct http_handler *test_find(void *service, struct http_exchange *x)
{
    static const struct http_handler HANDLER = {test_begin, test_finish};
    return &HANDLER;
}

/* 10.0.0.0/8 are our proxies. */
static bool test_is_proxy(void *service, struct ip peer)
{
    return ip_is_v4(peer) && peer.b[12] == 10;
}

TEST_UNUSED static struct test_site *test_site_new(struct http_listener *l)
{
    struct test_site *site = mem_alloc(sizeof *site);
    pthread_mutex_init(&site->lock, NULL);
    *l = (struct http_listener){site, {test_find}, test_is_proxy, true};
    return site;
}

TEST_UNUSED static void test_site_wake(struct test_site *site, int event)
{
    atomic_store(&site->event, event);
    pthread_mutex_lock(&site->lock);
    for (size_t i = 0; i < site->n_wakers; i++)
        waker_wake(site->waker[i]);
    pthread_mutex_unlock(&site->lock);
}

TEST_UNUSED static void test_site_free(struct test_site *site)
{
    for (size_t i = 0; i < site->n_wakers; i++)
        waker_unref(site->waker[i]);
    pthread_mutex_destroy(&site->lock);
    mem_free(site);
}

/* --- A machine without a socket --- */

struct test_machine {
    struct http_listener listener;
    struct test_site *site;
    struct http_conn h;
    struct buf in;  /* not taken yet */
    struct buf out; /* all that it said */
};

TEST_UNUSED static void machine_new(struct test_machine *m, const char *peer, bool http2)
{
    *m = (struct test_machine){.in = BUF_INIT(256 << 20), .out = BUF_INIT(256 << 20)};
    m->site = test_site_new(&m->listener);
    if (ip_parse(slice_str(peer), &m->h.peer) != OK)
        bug("%s", peer);
    http_conn_init(&m->h, &m->listener, http2);
}

TEST_UNUSED static void machine_free(struct test_machine *m)
{
    http_conn_end(&m->h);
    test_site_free(m->site);
    buf_free(&m->in);
    buf_free(&m->out);
}

/* Lets it speak as long as it wants to. */
TEST_UNUSED static void machine_run(struct test_machine *m)
{
    bool said, took;
    do {
        size_t n =
            m->h.h2 ? h2_input(&m->h, buf_slice(&m->in)) : h1_input(&m->h, buf_slice(&m->in));
        took = n > 0;
        if (n)
            buf_drop(&m->in, n);
        struct buf piece = BUF_INIT(LIMIT_INPUT_BUFFER);
        said = m->h.h2 ? h2_output(&m->h, &piece) : h1_output(&m->h, &piece);
        buf_add(&m->out, buf_slice(&piece));
        buf_free(&piece);
    } while (said || (took && m->in.n));
}

TEST_UNUSED static void machine_hear(struct test_machine *m, struct slice s)
{
    buf_add(&m->in, s);
    machine_run(m);
}

#endif
