/* HTTP/2: requests and answers side by side, what is refused, floods, and peers that do not take
 * what they asked for. */
#include "base/clock.h"
#include "web/test_h2.h"
#include "web/test_server.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- The machine and a client --- */

static struct test_client client;
static struct test_machine m;

static void begin(uint32_t window)
{
    machine_new(&m, "192.0.2.1", true);
    client_new(&client, window);
    talk(&client, &m);
}

static void end(void)
{
    nghttp2_session_del(client.session);
    machine_free(&m);
}

static void test_requests(void **state)
{
    static const struct {
        const char *method, *path;
        uint64_t body;
        const char *fields[16];
        int status;
        int64_t n;
        const char *text;
    } CASES[] = {
        {"GET", "/", 0, {NULL}, 200, 6, "hello\n"},
        {"HEAD", "/", 0, {NULL}, 200, 0, ""},
        {"GET", "/what?p=%41", 0, {NULL}, 200, -1, "0|a|/what|p=%41|A|-|192.0.2.1|en|-"},
        {"GET",
         "/what",
         0,
         {"cookie", "a=1", "cookie", "c=2"},
         200,
         -1,
         "0|a|/what||-|2|192.0.2.1|en|-"},
        {"GET", "/what", 0, {"host", "a"}, 200, -1, "0|a|/what||-|-|192.0.2.1|en|-"},
        {"GET", "/what", 0, {"host", "b"}, 400, -1, NULL},
        {"GET", "/x/../y", 0, {NULL}, 400, -1, NULL},
        {"GET", "/x%2fy", 0, {NULL}, 400, -1, NULL},
        {"GET", "/nothing", 0, {NULL}, 404, -1, NULL},
        {"GET", "/none", 0, {NULL}, 204, 0, ""},
        {"GET", "/big?n=300000", 0, {NULL}, 200, 300000, NULL},
        {"GET", "/unknown?n=300000", 0, {NULL}, 200, 300000, NULL},
        {"GET", "/unknown?n=0", 0, {NULL}, 200, 0, ""},
        {"POST", "/echo", 5, {NULL}, 200, 5, "xxxxx"},
        {"POST", "/echo", 100000, {NULL}, 200, 100000, NULL},
        {"POST", "/echo", 100001, {NULL}, 413, -1, NULL},
        {"POST", "/echo", 5, {"content-length", "5"}, 200, 5, "xxxxx"},
        {"POST", "/echo", 5, {"expect", "100-continue"}, 200, 5, "xxxxx"},
        {"POST", "/upload", 5000000, {NULL}, 200, 7, "5000000"},
        {"POST", "/full", 5, {NULL}, 507, -1, NULL},
        {"POST", "/early", 500000, {NULL}, 200, 6, "early\n"},
        {"POST", "/", 5, {NULL}, 200, 6, "hello\n"},
    };
    begin(65535);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int32_t id =
            client_ask(&client, CASES[i].method, CASES[i].path, CASES[i].body, CASES[i].fields);
        talk(&client, &m);
        struct test_stream *s = client_stream(&client, id);
        if (s->status != CASES[i].status || s->code != NGHTTP2_NO_ERROR ||
            (CASES[i].n >= 0 && s->n != (uint64_t)CASES[i].n) ||
            (CASES[i].text && strcmp(s->body, CASES[i].text) != 0))
            fail_msg("%s %s gave %d (%d), %llu bytes: %s", CASES[i].method, CASES[i].path,
                     s->status, s->code, (unsigned long long)s->n, s->body);
        assert_int_equal(m.h.n_open, 0);
    }
    assert_int_equal(atomic_load(&m.site->open), atomic_load(&m.site->gone));
    assert_int_equal(client.goaway, -1);
    end();
}

static void test_fields(void **state)
{
    begin(65535);
    m.h.tls = true;
    struct test_stream *s = client_stream(&client, client_ask(&client, "GET", "/", 0, NULL));
    talk(&client, &m);
    assert_non_null(strstr(s->head, "strict-transport-security: "));
    assert_non_null(strstr(s->head, "content-security-policy: default-src 'none'; script"));
    assert_non_null(strstr(s->head, "content-length: 6\n"));
    assert_non_null(strstr(s->head, "date: "));
    s = client_stream(&client, client_ask(&client, "GET", "/set", 0, NULL));
    talk(&client, &m);
    assert_non_null(strstr(s->head, "set-cookie: a=1\nset-cookie: b=2\n"));
    s = client_stream(&client, client_ask(&client, "GET", "/there", 0, NULL));
    talk(&client, &m);
    assert_int_equal(s->status, 303);
    assert_non_null(strstr(s->head, "location: /\n"));
    /* A source that fails must not look like one that ended. */
    s = client_stream(&client, client_ask(&client, "GET", "/broken", 0, NULL));
    talk(&client, &m);
    assert_int_not_equal(s->code, NGHTTP2_NO_ERROR);
    end();
}

static void test_heads(void **state)
{
    static char big[LIMIT_HTTP_HEAD];
    memset(big, 'x', sizeof big - 1);
    const char *one[] = {"x", big, NULL}, *many[2 * LIMIT_HTTP_FIELDS + 4] = {NULL};
    begin(65535);
    struct test_stream *s = client_stream(&client, client_ask(&client, "GET", "/", 0, one));
    talk(&client, &m);
    assert_int_equal(s->status, 431);
    for (size_t i = 0; i < LIMIT_HTTP_FIELDS + 1; i++) {
        many[2 * i] = "x";
        many[2 * i + 1] = "y";
    }
    s = client_stream(&client, client_ask(&client, "GET", "/", 0, many));
    talk(&client, &m);
    assert_int_equal(s->status, 431);
    s = client_stream(&client, client_ask(&client, "GET", "/", 0, NULL));
    talk(&client, &m);
    assert_int_equal(s->status, 200);
    end();
}

static void test_events(void **state)
{
    begin(65535);
    struct test_stream *s = client_stream(&client, client_ask(&client, "GET", "/events", 0, NULL));
    talk(&client, &m);
    assert_int_equal(s->status, 200);
    assert_int_equal(s->code, -1);
    for (int i = 1; i <= 3; i++) {
        atomic_store(&m.site->event, i);
        assert_true(events_wake(m.h.open));
        h2_resume(m.h.open);
        talk(&client, &m);
    }
    assert_string_equal(s->body, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    atomic_store(&m.site->event, -1);
    assert_true(events_wake(m.h.open));
    h2_resume(m.h.open);
    talk(&client, &m);
    assert_int_equal(s->code, NGHTTP2_NO_ERROR);
    /* They end when the service stops. */
    s = client_stream(&client, client_ask(&client, "GET", "/events", 0, NULL));
    talk(&client, &m);
    m.h.stopping = true;
    h2_stopping(&m.h);
    talk(&client, &m);
    assert_int_equal(s->code, NGHTTP2_NO_ERROR);
    assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
    assert_true(h2_over(&m.h));
    end();
}

/* --- Peers that take nothing --- */

static void test_no_window(void **state)
{
    enum { N = 80 };
    begin(0);
    for (int i = 0; i < N; i++)
        client_ask(&client, "GET", "/big?n=50000000", 0, NULL);
    talk(&client, &m);
    assert_int_equal(m.h.n_open, N);
    assert_int_equal(atomic_load(&m.site->read), 0);
    int64_t at = h2_deadline(&m.h);
    assert_in_range(at - clock_ms(), LIMIT_WRITE_MS - 5000, LIMIT_WRITE_MS);
    h2_timeout(&m.h, at + 1000);
    talk(&client, &m);
    assert_int_equal(m.h.n_open, 0);
    assert_int_equal(client.stream[0].code, NGHTTP2_CANCEL);
    end();
}

static void test_tiny_window(void **state)
{
    begin(1);
    struct test_stream *s =
        client_stream(&client, client_ask(&client, "GET", "/big?n=500", 0, NULL));
    talk(&client, &m); /* updates by one: correct, if silly */
    assert_int_equal(s->n, 500);
    /* As a rule it is a way to keep a server busy. */
    client_ask(&client, "GET", "/big?n=50000", 0, NULL);
    talk(&client, &m);
    assert_int_equal(client.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    end();
}

static void test_slow_body(void **state)
{
    begin(65535);
    struct buf b = BUF_INIT(1000);
    static const uint8_t HEAD[] = "\x83\x87\x41\x01"
                                  "a\x04\x05/echo";
    frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, slice_of(HEAD, sizeof HEAD - 1));
    frame(&b, NGHTTP2_DATA, 0, 1, SLICE("abc"));
    machine_hear(&m, buf_slice(&b));
    int64_t at = h2_deadline(&m.h);
    assert_in_range(at - clock_ms(), LIMIT_HTTP_BODY_MS - 5000, LIMIT_HTTP_BODY_MS);
    m.h.open->body_at -= LIMIT_HTTP_BODY_MS + 1000;
    h2_timeout(&m.h, clock_ms());
    assert_int_equal(m.h.open->status, 408);
    machine_run(&m);
    assert_int_equal(m.h.n_open, 0);
    buf_free(&b);
    end();
}

static void test_idle(void **state)
{
    begin(65535);
    int64_t at = h2_deadline(&m.h);
    assert_in_range(at - clock_ms(), LIMIT_HTTP_IDLE_MS - 5000, LIMIT_HTTP_IDLE_MS);
    h2_timeout(&m.h, at);
    talk(&client, &m);
    assert_true(h2_over(&m.h));
    assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
    end();
}

/* --- Floods --- */

static void get(struct buf *b, uint32_t i, bool reset)
{
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 2 * i + 1,
          HEAD_GET);
    if (reset)
        frame(b, NGHTTP2_RST_STREAM, 0, 2 * i + 1, SLICE("\0\0\0\x08"));
}

static void rapid_reset(struct buf *b, uint32_t i)
{
    get(b, i, true);
}

/* The server is made to reset: a window that grows over its limit is an error of the stream (RFC
 * 9113 6.9.1). */
static void made_reset(struct buf *b, uint32_t i)
{
    frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, HEAD_POST);
    frame(b, NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, SLICE("\x7f\xff\xff\xff"));
}

static void pings(struct buf *b, uint32_t i)
{
    frame(b, NGHTTP2_PING, 0, 0, SLICE("12345678"));
}

static void settings(struct buf *b, uint32_t i)
{
    frame(b, NGHTTP2_SETTINGS, 0, 0, SLICE(""));
}

static void empty_data(struct buf *b, uint32_t i)
{
    static const uint8_t HEAD[] = "\x83\x87\x41\x01"
                                  "a\x04\x05/echo";
    if (i == 0)
        frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, slice_of(HEAD, sizeof HEAD - 1));
    frame(b, NGHTTP2_DATA, 0, 1, SLICE(""));
}

static void padding(struct buf *b, uint32_t i)
{
    static const uint8_t HEAD[] = "\x83\x87\x41\x01"
                                  "a\x04\x05/echo";
    if (i == 0)
        frame(b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, slice_of(HEAD, sizeof HEAD - 1));
    frame(b, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, SLICE("\x03\0\0\0"));
}

static void priorities(struct buf *b, uint32_t i)
{
    frame(b, NGHTTP2_PRIORITY, 0, 2 * i + 1, SLICE("\0\0\0\0\x10"));
}

static void updates(struct buf *b, uint32_t i)
{
    frame(b, NGHTTP2_WINDOW_UPDATE, 0, 0, SLICE("\0\0\0\x01"));
}

static void continuations(struct buf *b, uint32_t i)
{
    static const uint8_t FIELD[] = "\x10\x01x\x01y";
    if (i == 0)
        frame(b, NGHTTP2_HEADERS, 0, 1, HEAD_GET);
    frame(b, NGHTTP2_CONTINUATION, 0, 1, slice_of(FIELD, sizeof FIELD - 1));
}

/* Of the last GOAWAY frame; -1: there is none. */
static int goaway_code(struct slice out)
{
    int code = -1;
    while (out.n >= 9) {
        size_t n = (size_t)out.p[0] << 16 | (size_t)out.p[1] << 8 | out.p[2];
        if (out.p[3] == NGHTTP2_GOAWAY)
            code = out.p[16];
        out = slice_from(out, 9 + n);
    }
    return code;
}

static void test_floods(void **state)
{
    static const struct {
        const char *name;
        void (*add)(struct buf *b, uint32_t i);
        uint32_t spared, most; /* so many are borne, so many are not */
        int code;              /* -1: any */
    } CASES[] = {
        {"rapid reset", rapid_reset, LIMIT_HTTP_RESETS - 1, LIMIT_HTTP_RESETS + 1,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"made reset", made_reset, LIMIT_HTTP_RESETS - 1, LIMIT_HTTP_RESETS + 1,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"ping", pings, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES, NGHTTP2_ENHANCE_YOUR_CALM},
        {"settings", settings, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"empty data", empty_data, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"padding", padding, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES, NGHTTP2_ENHANCE_YOUR_CALM},
        {"priority", priorities, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES,
         NGHTTP2_ENHANCE_YOUR_CALM},
        {"window", updates, LIMIT_HTTP_FRAMES - 10, LIMIT_HTTP_FRAMES, NGHTTP2_ENHANCE_YOUR_CALM},
        {"continuation", continuations, 2, 1000, -1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        machine_new(&m, "192.0.2.1", true);
        client_new(&client, 65535);
        struct buf b = BUF_INIT(1 << 20), said = BUF_INIT(1 << 20);
        client_speak(&client, &b);
        for (uint32_t n = 0; n <= CASES[i].most; n++) {
            CASES[i].add(&b, n);
            machine_hear(&m, buf_slice(&b));
            buf_reset(&b);
            assert_true(m.h.n_open <= LIMIT_HTTP_STREAMS);
            if (n < CASES[i].spared && h2_over(&m.h))
                fail_msg("%s: too strict", CASES[i].name);
            if (h2_over(&m.h))
                break;
        }
        if (!h2_over(&m.h))
            fail_msg("%s is borne", CASES[i].name);
        int code = goaway_code(buf_slice(&m.out));
        if (CASES[i].code >= 0 && code != CASES[i].code)
            fail_msg("%s ended with %d", CASES[i].name, code);
        buf_free(&b);
        buf_free(&said);
        end();
    }
}

static void test_streams(void **state)
{
    machine_new(&m, "192.0.2.1", true);
    client_new(&client, 0);
    struct buf b = BUF_INIT(1 << 20);
    client_speak(&client, &b);
    for (uint32_t i = 0; i < LIMIT_HTTP_STREAMS + 50; i++)
        get(&b, i, false);
    machine_hear(&m, buf_slice(&b));
    assert_int_equal(m.h.n_open, LIMIT_HTTP_STREAMS);
    buf_free(&b);
    end();
}

static void test_head_late(void **state)
{
    begin(65535);
    struct buf b = BUF_INIT(1000);
    frame(&b, NGHTTP2_HEADERS, 0, 1, HEAD_GET);
    machine_hear(&m, buf_slice(&b));
    int64_t at = h2_deadline(&m.h);
    assert_in_range(at - clock_ms(), LIMIT_HTTP_HEAD_MS - 5000, LIMIT_HTTP_HEAD_MS);
    h2_timeout(&m.h, at);
    assert_true(h2_over(&m.h));
    buf_free(&b);
    end();
}

static void test_no_http2(void **state)
{
    machine_new(&m, "192.0.2.1", true);
    client_new(&client, 65535);
    machine_hear(&m, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(h2_over(&m.h));
    end();
}

/* --- Over TLS --- */

/* Talks until the streams have ended. */
static void talk_tls(SSL *ssl, uint32_t streams)
{
    struct buf b = BUF_INIT(1 << 20);
    for (uint32_t ended = 0; ended < streams;) {
        client_speak(&client, &b);
        if (b.n)
            assert_int_equal(SSL_write(ssl, b.p, (int)b.n), b.n);
        buf_reset(&b);
        struct pollfd p = {.fd = SSL_get_fd(ssl), .events = POLLIN};
        if (SSL_pending(ssl) ||
            poll(&p, 1, nghttp2_session_want_write(client.session) ? 0 : 5000)) {
            int n = SSL_read(ssl, buf_room(&b, 65536), 65536);
            assert_true(n > 0);
            assert_true(client_hear(&client, slice_of(b.p, (size_t)n)));
        }
        ended = 0;
        for (size_t i = 0; i < 512; i++)
            ended += client.stream[i].used && client.stream[i].code >= 0;
    }
    buf_free(&b);
}

static void test_alpn(void **state)
{
    static const struct {
        const char *offered, *agreed; /* agreed NULL: no handshake */
    } CASES[] = {
        {"\x02h2\x08http/1.1", "h2"},
        {"\x08http/1.1\x02h2", "h2"},
        {"\x08http/1.1", "http/1.1"},
        {"\x04imap", NULL},
        {"", ""},
    };
    struct test_server s;
    test_server_start(&s);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int fd;
        SSL *ssl = test_server_tls(&s, CASES[i].offered, &fd);
        assert_int_equal(ssl != NULL, CASES[i].agreed != NULL);
        if (!ssl)
            continue;
        const unsigned char *p;
        unsigned n;
        SSL_get0_alpn_selected(ssl, &p, &n);
        assert_true(slice_eq(slice_of(p, n), slice_str(CASES[i].agreed)));
        SSL_free(ssl);
        close(fd);
    }
    test_server_stop(&s, 5000);
}

/* 50 MB both ways at once, and small requests between. */
static void test_big(void **state)
{
    struct test_server s;
    int fd;
    test_server_start(&s);
    SSL *ssl = test_server_tls(&s, "\x02h2", &fd);
    assert_non_null(ssl);
    client_new(&client, 1 << 20);
    int32_t down = client_ask(&client, "GET", "/big?n=52428800", 0, NULL);
    int32_t up = client_ask(&client, "POST", "/upload", 52428800, NULL);
    for (int i = 0; i < 50; i++)
        client_ask(&client, "GET", "/", 0, NULL);
    talk_tls(ssl, 52);
    assert_int_equal(client_stream(&client, down)->n, 52428800);
    assert_string_equal(client_stream(&client, up)->body, "52428800");
    nghttp2_session_del(client.session);
    SSL_free(ssl);
    close(fd);
    test_server_stop(&s, 5000);
}

/* Clients that ask for much and read nothing: no worker waits, and little is made for them. */
static void test_stalled(void **state)
{
    enum { N = 20 };
    struct test_server s;
    int fd[N];
    SSL *ssl[N];
    test_server_start(&s);
    for (int i = 0; i < N; i++) {
        ssl[i] = test_server_tls(&s, "\x02h2", &fd[i]);
        client_new(&client, 0x7fffffff);
        if (nghttp2_session_set_local_window_size(client.session, 0, 0, 0x7fffffff) != 0)
            fail();
        struct buf b = BUF_INIT(1 << 20);
        client_ask(&client, "GET", "/big?n=50000000", 0, NULL);
        client_speak(&client, &b);
        assert_int_equal(SSL_write(ssl[i], b.p, (int)b.n), b.n);
        buf_free(&b);
        nghttp2_session_del(client.session);
    }
    long long before = -1, now;
    while ((now = atomic_load(&s.site->read)) != before || now == 0) {
        before = now;
        poll(NULL, 0, 100);
    }
    assert_true(now < (long long)N * 12 * 1000000); /* what the kernel holds */
    int other;
    SSL *second = test_server_tls(&s, "\x02h2", &other);
    client_new(&client, 65535);
    client_ask(&client, "GET", "/", 0, NULL);
    talk_tls(second, 1);
    assert_string_equal(client.stream[0].body, "hello\n");
    nghttp2_session_del(client.session);
    SSL_free(second);
    close(other);
    for (int i = 0; i < N; i++) {
        SSL_free(ssl[i]);
        close(fd[i]);
    }
    test_server_stop(&s, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_heads),     cmocka_unit_test(test_events),
        cmocka_unit_test(test_no_window), cmocka_unit_test(test_tiny_window),
        cmocka_unit_test(test_slow_body), cmocka_unit_test(test_idle),
        cmocka_unit_test(test_floods),    cmocka_unit_test(test_streams),
        cmocka_unit_test(test_head_late), cmocka_unit_test(test_no_http2),
        cmocka_unit_test(test_alpn),      cmocka_unit_test(test_big),
        cmocka_unit_test(test_stalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
