/* HTTP/1.1: borders of messages that nobody may doubt, limits in bytes and time, and answers of any
 * size to peers of any speed. */
#include "base/clock.h"
#include "web/test_server.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

/* --- The machine alone --- */

/* The statuses of all answers, and " over" when the connection ends. */
static void statuses(const struct test_machine *m, char *out, size_t size)
{
    struct slice rest = buf_slice(&m->out);
    size_t n = 0;
    out[0] = 0;
    for (size_t at; (at = slice_find(rest, SLICE("HTTP/1.1 "))) < rest.n;) {
        rest = slice_from(rest, at + 9);
        if (!ascii_digit(rest.p[0]))
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s%.3s", n ? " " : "", (const char *)rest.p);
    }
    if (h1_over(&m->h))
        snprintf(out + n, size - n, "%sover", n ? " " : "");
}

static void expect(const char *what, struct slice bytes, const char *wanted)
{
    /* At once, and byte by byte: the borders of reads mean nothing. */
    for (size_t step = bytes.n; step > 0; step = step > 1 ? 1 : 0) {
        struct test_machine m;
        machine_new(&m, "192.0.2.1", false);
        for (size_t at = 0; at < bytes.n; at += step)
            machine_hear(&m, slice_sub(bytes, at, at + step));
        char got[200];
        statuses(&m, got, sizeof got);
        if (strcmp(got, wanted) != 0)
            fail_msg("%s (by %zu): %s, not %s", what, step, got, wanted);
        machine_free(&m);
    }
}

static void test_borders(void **state)
{
    static const struct {
        const char *bytes, *answers;
    } CASES[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"GET / HTTP/1.1\r\n" HOST "\r\nGET /none HTTP/1.1\r\n" HOST "\r\n", "200 204"},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
         "200 over"},
        {"GET / HTTP/1.0\r\n\r\n", "200 over"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" HOST
         "\r\n",
         "200 200"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\n"
         "de\r\n0\r\nTrailer: t\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
         "200 200"},
        /* Both, twice, or something like it. */
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
         "0\r\n\r\n",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\na",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         "501 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", "501 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         "400 over"},
        {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
         "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "400 over"},
        {"POST /echo HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n",
         "400 over"},
        /* Lines. */
        {"GET / HTTP/1.1\n" HOST "\n", "400 over"},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X: y\r\n\tz\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n X: y\r\n" HOST "\r\n", "400 over"},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X Y: z\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", "400 over"},
        {"GET / HTTP/1.1\r\n" HOST "X:\r\n\r\n", "200"},
        /* First lines. */
        {"GET / HTTP/2.0\r\n" HOST "\r\n", "505 over"},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", "400 over"},
        {"GET /\r\n\r\n", "505 over"},
        {"get / HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"NONSENSE / HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"GET /  HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"GET /a b HTTP/1.1\r\n" HOST "\r\n", "400 over"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 over"},
        {"\x16\x03\x01\x02", "400 over"},
        /* Other protocols are not spoken; the request is served. */
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "200 over"},
        /* Bodies that nobody asked for. */
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "200"},
        {"POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" HOST
         "\r\n",
         "404 200"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100001\r\n\r\n", "413"},
        {"POST /full HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "507"},
        /* Expectations. */
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", "100"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n",
         "413 over"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: much\r\n\r\n", "417 over"},
        {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", "200"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect(CASES[i].bytes, slice_str(CASES[i].bytes), CASES[i].answers);
    expect("NUL", SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: \0y\r\n\r\n"), "400 over");
}

static void test_head_limits(void **state)
{
    struct test_machine m;
    char got[100];
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("GET / HTTP/1.1\r\n" HOST "X: "));
    for (int i = 0; i < LIMIT_HTTP_HEAD; i++)
        machine_hear(&m, SLICE("y"));
    statuses(&m, got, sizeof got);
    assert_string_equal(got, "431 over");
    machine_free(&m);

    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("GET / HTTP/1.1\r\n" HOST));
    for (int i = 0; i < LIMIT_HTTP_FIELDS; i++)
        machine_hear(&m, SLICE("X: y\r\n"));
    machine_hear(&m, SLICE("\r\n"));
    statuses(&m, got, sizeof got);
    assert_string_equal(got, "431 over");
    machine_free(&m);

    /* A chunk of one byte may have a frame, but not any. */
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 20000; i++)
        machine_hear(&m, SLICE("1\r\na\r\n"));
    statuses(&m, got, sizeof got);
    assert_string_equal(got, "");
    for (int i = 0; i < 20000; i++)
        machine_hear(&m, SLICE("1;extension=many-bytes-that-mean-nothing\r\na\r\n"));
    statuses(&m, got, sizeof got);
    assert_string_equal(got, "400 over");
    machine_free(&m);

    machine_new(&m, "192.0.2.1", false);
    for (int i = 0; i < LIMIT_HTTP_REQUESTS; i++)
        machine_hear(&m, SLICE("GET /none HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(h1_over(&m.h));
    assert_true(slice_find(buf_slice(&m.out), SLICE("connection: close")) > m.out.n - 1000);
    machine_free(&m);
}

/* What is answered when nothing comes any more, after so many milliseconds. */
static void silence(const char *bytes, int64_t ms, const char *wanted)
{
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, slice_str(bytes));
    int64_t start = clock_ms(), at;
    while ((at = h1_deadline(&m.h)) <= start + ms && !h1_over(&m.h)) {
        h1_timeout(&m.h, at);
        machine_run(&m);
    }
    char got[100];
    statuses(&m, got, sizeof got);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: %s, not %s", bytes, got, wanted);
    machine_free(&m);
}

static void test_slowness(void **state)
{
    silence("", LIMIT_HTTP_IDLE_MS - 5000, "");
    silence("", LIMIT_HTTP_IDLE_MS + 5000, "over");
    silence("GET", LIMIT_HTTP_HEAD_MS - 5000, "");
    silence("GET", LIMIT_HTTP_HEAD_MS + 1000, "408 over");
    silence("\r\n", LIMIT_HTTP_HEAD_MS + 1000, "408 over");
    silence("GET / HTTP/1.1\r\n" HOST "\r\n", LIMIT_HTTP_IDLE_MS - 5000, "200");
    silence("GET / HTTP/1.1\r\n" HOST "\r\n", LIMIT_HTTP_IDLE_MS + 5000, "200 over");
    silence("GET / HTTP/1.1\r\n" HOST "\r\nGET", LIMIT_HTTP_HEAD_MS + 1000, "200 408 over");
    silence("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", LIMIT_HTTP_BODY_MS - 5000,
            "");
    silence("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", LIMIT_HTTP_BODY_MS + 1000,
            "408 over");
    silence("POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab",
            LIMIT_HTTP_DRAIN_MS + 1000, "200 over");
}

/* A body that brings a byte now and then, each in time. */
static void test_rate(void **state)
{
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n"));
    machine_hear(&m, SLICE("abc"));
    int64_t at = h1_deadline(&m.h);
    assert_in_range(at - clock_ms(), LIMIT_HTTP_BODY_MS - 1000, LIMIT_HTTP_BODY_MS);
    static const uint8_t bytes[100 * LIMIT_HTTP_BODY_RATE];
    machine_hear(&m, slice_of(bytes, sizeof bytes));
    struct http_exchange *x = m.h.open;
    /* It was quick; had it taken 200 seconds, it would be late. */
    assert_false(exchange_late(x, clock_ms()));
    x->body_begin -= 200000;
    assert_true(exchange_late(x, clock_ms()));
    h1_timeout(&m.h, clock_ms());
    machine_run(&m);
    char got[100];
    statuses(&m, got, sizeof got);
    assert_string_equal(got, "408 over");
    machine_free(&m);
}

static void test_answers(void **state)
{
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("HEAD /big?n=1234 HTTP/1.1\r\n" HOST "\r\n"));
    struct slice all = buf_slice(&m.out);
    assert_true(slice_find(all, SLICE("content-length: 1234\r\n")) < all.n);
    assert_true(slice_ends(all, SLICE("\r\n\r\n")));
    assert_int_equal(atomic_load(&m.site->read), 0);
    buf_reset(&m.out);

    machine_hear(&m, SLICE("GET /unknown?n=3 HTTP/1.1\r\n" HOST "\r\n"));
    all = buf_slice(&m.out);
    assert_true(slice_find(all, SLICE("transfer-encoding: chunked\r\n")) < all.n);
    assert_true(slice_find(all, SLICE("content-length")) == all.n);
    assert_true(slice_ends(all, SLICE("\r\n\r\n0003\r\nabc\r\n0\r\n\r\n")));
    buf_reset(&m.out);

    machine_hear(&m, SLICE("GET /unknown?n=0 HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(slice_ends(buf_slice(&m.out), SLICE("\r\n\r\n0\r\n\r\n")));
    assert_false(h1_over(&m.h));
    buf_reset(&m.out);

    /* A source that fails must not look like one that ended. */
    machine_hear(&m, SLICE("GET /broken?n=100000 HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(h1_over(&m.h));
    assert_true(m.out.n < 100000);
    machine_free(&m);

    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("GET /unknown?n=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    all = buf_slice(&m.out);
    assert_true(slice_find(all, SLICE("transfer-encoding")) == all.n);
    assert_true(slice_ends(all, SLICE("\r\n\r\nabc")));
    assert_true(h1_over(&m.h));
    machine_free(&m);
}

/* Whoever asks and asks without taking answers is cut off, with bounded memory. */
static void test_pipeline(void **state)
{
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    for (int i = 0; i < 3000 && !h1_over(&m.h); i++) {
        buf_lit(&m.in, "GET /big HTTP/1.1\r\n" HOST "\r\n");
        buf_drop(&m.in, h1_input(&m.h, buf_slice(&m.in)));
        assert_true(m.in.n < LIMIT_INPUT_BUFFER);
    }
    assert_int_equal(m.h.n_open, 1);
    machine_run(&m);
    assert_true(h1_over(&m.h));
    machine_free(&m);
}

/* --- Over a connection --- */

static size_t read_all(int fd, SSL *ssl, struct buf *out, size_t most)
{
    while (out->n < most) {
        uint8_t *room = buf_room(out, 65536);
        int n = ssl ? SSL_read(ssl, room, 65536) : (int)recv(fd, room, 65536, 0);
        if (n <= 0)
            break;
        buf_grew(out, (size_t)n);
    }
    return out->n;
}

static void say(int fd, SSL *ssl, struct slice s)
{
    while (s.n) {
        int n = ssl ? SSL_write(ssl, s.p, (int)s.n) : (int)send(fd, s.p, s.n, MSG_NOSIGNAL);
        assert_true(n > 0);
        s = slice_from(s, (size_t)n);
    }
}

static void test_download(void **state)
{
    struct test_server s;
    test_server_start(&s);
    for (int tls = 0; tls < 2; tls++) {
        int fd;
        SSL *ssl = NULL;
        if (tls) {
            ssl = test_server_tls(&s, "\x08http/1.1", &fd);
            assert_non_null(ssl);
        } else {
            fd = test_connect(s.port);
        }
        say(fd, ssl,
            SLICE("GET /unknown?n=20000000 HTTP/1.1\r\n" HOST "\r\n"
                  "GET /big?n=30000000 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
        struct buf all = BUF_INIT(256 << 20);
        read_all(fd, ssl, &all, SIZE_MAX);
        assert_in_range(all.n, 50000000, 50100000);
        buf_free(&all);
        SSL_free(ssl);
        close(fd);
    }
    test_server_stop(&s, 5000);
}

/* A peer that does not read: nothing is made for it, no worker waits for it, and others are
 * served. */
static void test_stalled(void **state)
{
    enum { N = 20 }; /* more than there are workers */
    struct test_server s;
    int fd[N];
    test_server_start(&s);
    for (int i = 0; i < N; i++) {
        fd[i] = test_connect(s.port);
        say(fd[i], NULL, SLICE("GET /big?n=50000000 HTTP/1.1\r\n" HOST "\r\n"));
    }
    long long before = -1, now;
    while ((now = atomic_load(&s.site->read)) != before || now == 0) {
        before = now;
        poll(NULL, 0, 100);
    }
    assert_true(now < (long long)N * 12 * 1000000); /* what the kernel holds */
    int other = test_connect(s.port);
    say(other, NULL, SLICE("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    struct buf all = BUF_INIT(1 << 20);
    read_all(other, NULL, &all, SIZE_MAX);
    assert_true(slice_ends(buf_slice(&all), SLICE("hello\n")));
    close(other);
    buf_free(&all);
    /* It starts to read at last. */
    buf_init(&all, 256 << 20);
    assert_in_range(read_all(fd[0], NULL, &all, 50000000), 50000000, 50100000);
    buf_free(&all);
    for (int i = 0; i < N; i++)
        close(fd[i]);
    test_server_stop(&s, 5000);
}

static void test_upload_big(void **state)
{
    static const uint8_t bytes[65536];
    struct test_server s;
    int fd;
    test_server_start(&s);
    SSL *ssl = test_server_tls(&s, NULL, &fd);
    say(fd, ssl, SLICE("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 52428800\r\n\r\n"));
    for (size_t sent = 0; sent < 52428800; sent += sizeof bytes)
        say(fd, ssl, slice_of(bytes, sizeof bytes));
    struct buf all = BUF_INIT(1 << 20);
    while (slice_find(buf_slice(&all), SLICE("\r\n\r\n52428800")) == all.n)
        assert_true(read_all(fd, ssl, &all, all.n + 1) > 0);
    buf_reset(&all);
    /* More than is allowed: the answer comes through though the client sends it all first. */
    say(fd, ssl, SLICE("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 60000000\r\n\r\n"));
    for (size_t sent = 0; sent < 60000000; sent += 60000)
        say(fd, ssl, slice_of(bytes, 60000));
    read_all(fd, ssl, &all, 1);
    assert_true(slice_starts(buf_slice(&all), SLICE("HTTP/1.1 413")));
    buf_free(&all);
    SSL_free(ssl);
    close(fd);
    test_server_stop(&s, 5000);
}

static void test_events(void **state)
{
    struct test_server s;
    int fd;
    test_server_start(&s);
    SSL *ssl = test_server_tls(&s, NULL, &fd);
    say(fd, ssl, SLICE("GET /events HTTP/1.1\r\n" HOST "\r\n"));
    struct buf all = BUF_INIT(1 << 20);
    while (slice_find(buf_slice(&all), SLICE("\r\n\r\n")) == all.n)
        assert_true(read_all(fd, ssl, &all, all.n + 1) > 0);
    assert_true(slice_find(buf_slice(&all), SLICE("text/event-stream")) < all.n);
    buf_reset(&all);
    test_site_wake(s.site, 7);
    read_all(fd, ssl, &all, 1);
    assert_true(slice_eq(buf_slice(&all), SLICE("0009\r\ndata: 7\n\n\r\n")));
    test_site_wake(s.site, -1);
    while (!slice_ends(buf_slice(&all), SLICE("0\r\n\r\n")))
        assert_true(read_all(fd, ssl, &all, all.n + 1) > 0);
    buf_reset(&all);
    /* With a tick it speaks by itself; and it ends when the service stops. */
    atomic_store(&s.site->event, 8);
    say(fd, ssl, SLICE("GET /events?tick=20 HTTP/1.1\r\n" HOST "\r\n"));
    for (int i = 0; i < 4; i++)
        assert_true(read_all(fd, ssl, &all, all.n + 1) > 0);
    runtime_stop(s.rt, 20000);
    read_all(fd, ssl, &all, SIZE_MAX);
    assert_true(slice_ends(buf_slice(&all), SLICE("0\r\n\r\n")));
    buf_free(&all);
    SSL_free(ssl);
    close(fd);
    test_server_stop(&s, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borders),    cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_slowness),   cmocka_unit_test(test_rate),
        cmocka_unit_test(test_answers),    cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_download),   cmocka_unit_test(test_stalled),
        cmocka_unit_test(test_upload_big), cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
