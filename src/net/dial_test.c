/* Connections that we open, against servers that behave, are slow, or mean harm. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/dial.h"
#include "net/test_chain.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- A server of one connection, in a thread --- */

struct server {
    int listening, fd;
    uint16_t port;
    SSL_CTX *ctx;
    SSL *ssl;
    pthread_t thread;
    void (*play)(struct server *);
};

static void say(struct server *s, const char *text)
{
    size_t n = strlen(text);
    if (s->ssl)
        assert_int_equal(SSL_write(s->ssl, text, (int)n), (int)n);
    else
        assert_int_equal(send(s->fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static ssize_t hear(struct server *s, char *room, size_t size)
{
    return s->ssl ? SSL_read(s->ssl, room, (int)size) : recv(s->fd, room, size, 0);
}

/* Until the client goes. */
static size_t hear_all(struct server *s)
{
    static _Thread_local char room[65536];
    size_t all = 0;
    for (ssize_t n; (n = hear(s, room, sizeof room)) > 0;)
        all += (size_t)n;
    return all;
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static bool accept_tls(struct server *s)
{
    s->ssl = SSL_new(s->ctx);
    SSL_set_fd(s->ssl, s->fd);
    return SSL_accept(s->ssl) == 1;
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = s->listening, .events = POLLIN};
    struct timeval patience = {.tv_sec = 20};
    poll(&p, 1, 20000);
    s->fd = accept(s->listening, NULL, NULL);
    if (s->fd >= 0) {
        setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        s->play(s);
        SSL_free(s->ssl);
        close(s->fd);
    }
    ERR_clear_error();
    return NULL;
}

static void server_start(struct server *s, void (*play)(struct server *), SSL_CTX *ctx)
{
    *s = (struct server){.play = play, .ctx = ctx, .fd = -1};
    s->listening = test_listen(&s->port);
    assert_true(s->listening >= 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_end(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listening);
}

static struct dial_address at(const char *ip, uint16_t port)
{
    struct dial_address a = {.port = port};
    assert_int_equal(ip_parse(slice_str(ip), &a.ip), OK);
    return a;
}

static int64_t in_ms(int ms)
{
    return clock_ms() + ms;
}

static struct dial *dial_to(const struct server *s)
{
    struct dial_address a = at("127.0.0.1", s->port);
    struct dial *d = NULL;
    size_t which = 7;
    int why = 0;
    struct dial_options o = {.address = &a, .n = 1, .deadline = in_ms(10000)};
    assert_int_equal(dial_open(&o, &d, &which, &why), OK);
    assert_int_equal(which, 0);
    assert_true(ip_eq(dial_peer(d), a.ip));
    return d;
}

static void expect_line(struct dial *d, const char *text)
{
    struct slice line;
    assert_int_equal(dial_line(d, 100, in_ms(10000), &line), OK);
    assert_int_equal(line.n, strlen(text));
    assert_memory_equal(line.p, text, line.n);
}

/* --- Lines --- */

static void play_lines(struct server *s)
{
    say(s, "220 hello\r\n250-a\n250 ");
    pause_ms(50);
    say(s, "b\r");
    pause_ms(50);
    say(s, "\n\r\nlone\rreturn\r\n");
    char room[100];
    assert_int_equal(hear(s, room, sizeof room), 6);
    say(s, "221 bye\r\nhalf a line");
}

static void test_lines(void **state)
{
    struct server s;
    server_start(&s, play_lines, NULL);
    struct dial *d = dial_to(&s);
    assert_false(dial_is_tls(d));
    expect_line(d, "220 hello");
    expect_line(d, "250-a");
    expect_line(d, "250 b");
    expect_line(d, "");
    expect_line(d, "lone\rreturn");
    assert_true(dial_is_quiet(d));
    dial_write(d, SLICE("QU"));
    dial_write(d, SLICE("IT\r\n"));
    assert_false(dial_is_quiet(d)); /* something is still to be said */
    assert_int_equal(dial_flush(d, in_ms(10000), 0), OK);
    expect_line(d, "221 bye");
    struct slice line;
    assert_int_equal(dial_line(d, 100, in_ms(10000), &line), ERR_CLOSED);
    assert_false(dial_is_quiet(d));
    dial_close(d);
    server_end(&s);
}

static void play_long(struct server *s)
{
    char text[LIMIT_DIAL_BUFFER + 3];
    memset(text, 'x', sizeof text);
    memcpy(text + LIMIT_DIAL_BUFFER, "\r\n", 3);
    say(s, text);
    memset(text, 'y', sizeof text);
    text[sizeof text - 1] = 0;
    say(s, text);
    say(s, text);
    (void)hear_all(s);
}

static void test_long_lines(void **state)
{
    struct server s;
    server_start(&s, play_long, NULL);
    struct dial *d = dial_to(&s);
    struct slice line;
    assert_int_equal(dial_line(d, 100, in_ms(10000), &line), ERR_LIMIT);
    assert_int_equal(dial_line(d, LIMIT_DIAL_BUFFER, in_ms(10000), &line), OK);
    assert_int_equal(line.n, LIMIT_DIAL_BUFFER);
    assert_int_equal(dial_line(d, SIZE_MAX, in_ms(10000), &line), ERR_LIMIT);
    dial_close(d);
    server_end(&s);
}

/* --- Slow ones --- */

static void play_drip(struct server *s)
{
    for (int i = 0; i < 100; i++) {
        if (send(s->fd, "2", 1, MSG_NOSIGNAL) != 1)
            return;
        pause_ms(20);
    }
}

static void test_drip(void **state)
{
    struct server s;
    server_start(&s, play_drip, NULL);
    struct dial *d = dial_to(&s);
    struct slice line;
    int64_t begun = clock_ms();
    assert_int_equal(dial_line(d, 1000, begun + 300, &line), ERR_TIMEOUT);
    assert_in_range(clock_ms() - begun, 300, 1500);
    dial_close(d);
    server_end(&s);
}

static void play_deaf(struct server *s)
{
    pause_ms(1500);
    (void)hear_all(s);
}

/* Who does not read costs bounded memory and a bounded time. */
static void test_deaf(void **state)
{
    struct server s;
    server_start(&s, play_deaf, NULL);
    struct dial *d = dial_to(&s);
    size_t size = 16 * 1024 * 1024;
    uint8_t *much = mem_alloc(size);
    dial_write(d, slice_of(much, size));
    assert_int_equal(dial_flush(d, in_ms(200), 0), ERR_LIMIT);
    mem_free(much);
    dial_close(d);
    server_end(&s);
}

static void test_deaf_flush(void **state)
{
    struct server s;
    server_start(&s, play_deaf, NULL);
    struct dial *d = dial_to(&s);
    uint8_t piece[LIMIT_WRITE_CHUNK] = {0};
    enum error e = OK;
    int64_t begun = clock_ms();
    for (int i = 0; i < 10000 && e == OK; i++) {
        dial_write(d, slice_of(piece, sizeof piece));
        e = dial_flush(d, begun + 300, 0);
    }
    assert_int_equal(e, ERR_TIMEOUT);
    assert_in_range(clock_ms() - begun, 300, 1400);
    dial_close(d);
    server_end(&s);
}

static size_t slow_heard;

static void play_slow_reader(struct server *s)
{
    static char room[LIMIT_WRITE_CHUNK * 8];
    slow_heard = 0;
    for (ssize_t n; (n = hear(s, room, sizeof room)) > 0; pause_ms(2))
        slow_heard += (size_t)n;
}

/* More than all buffers hold, to somebody who reads in small steps: every byte arrives. */
static void send_slowly(SSL_CTX *ctx, void (*play)(struct server *), struct tls_client *t)
{
    struct server s;
    server_start(&s, play, ctx);
    struct dial *d = dial_to(&s);
    struct tls_wish w = {.check = TLS_CHECK_NOTHING};
    struct tls_outcome o;
    if (t)
        assert_int_equal(dial_start_tls(d, t, &w, in_ms(10000), &o), OK);
    uint8_t piece[LIMIT_WRITE_CHUNK + 100] = {0};
    size_t sent = 0;
    for (int i = 0; i < 600; i++, sent += sizeof piece) {
        dial_write(d, slice_of(piece, sizeof piece));
        assert_int_equal(dial_flush(d, in_ms(2000), 5000), OK);
    }
    assert_true(dial_is_quiet(d)); /* tickets left unread would turn the end into a reset */
    dial_close(d);
    server_end(&s);
    assert_int_equal(slow_heard, sent);
}

static void play_small_steps(struct server *s)
{
    static char room[LIMIT_WRITE_CHUNK];
    while (hear(s, room, sizeof room) > 0)
        pause_ms(10);
}

/* Our end of the connection to that port. */
static int our_socket(uint16_t port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in sa = {0};
        socklen_t len = sizeof sa;
        if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0 && sa.sin_family == AF_INET &&
            ntohs(sa.sin_port) == port)
            return fd;
    }
    fail_msg("no connection to port %u", (unsigned)port);
    return -1;
}

/* The kernel keeps little for us, so that every step of the reader counts. */
static enum error flush_in_steps(int progress_ms)
{
    struct server s;
    const int little = 32768;
    const size_t size = LIMIT_DIAL_GATHER - LIMIT_WRITE_CHUNK;
    server_start(&s, play_small_steps, NULL);
    setsockopt(s.listening, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    struct dial *d = dial_to(&s);
    setsockopt(our_socket(s.port), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    uint8_t *much = mem_alloc(size);
    dial_write(d, slice_of(much, size));
    enum error e = dial_flush(d, in_ms(200), progress_ms);
    mem_free(much);
    dial_close(d);
    server_end(&s);
    return e;
}

/* What takes longer than the deadline is let go on as long as it goes on. */
static void test_progress(void **state)
{
    assert_int_equal(flush_in_steps(0), ERR_TIMEOUT);
    assert_int_equal(flush_in_steps(5000), OK);
}

static void test_slow_reader(void **state)
{
    send_slowly(NULL, play_slow_reader, NULL);
}

/* --- The race --- */

static void play_hello(struct server *s)
{
    say(s, "220 hello\r\n");
    (void)hear_all(s);
}

/* A port of 127.0.0.1 where nobody listens. */
static uint16_t closed_port(void)
{
    uint16_t port;
    int fd = test_listen(&port);
    close(fd);
    return port;
}

/* A listener whose queue is full: connecting hangs. */
struct full {
    int listening, waiting[16];
    uint16_t port;
};

static void full_make(struct full *f)
{
    f->listening = test_listen(&f->port);
    listen(f->listening, 0);
    struct dial_address a = at("127.0.0.1", f->port);
    struct sockaddr_storage sa;
    socklen_t len = ip_to_sockaddr(a.ip, a.port, &sa);
    for (int i = 0; i < 16; i++) {
        f->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(f->waiting[i], (struct sockaddr *)&sa, len);
    }
}

static void full_free(struct full *f)
{
    for (int i = 0; i < 16; i++)
        close(f->waiting[i]);
    close(f->listening);
}

static void test_second_address(void **state)
{
    struct server s;
    server_start(&s, play_hello, NULL);
    struct dial_address a[] = {at("127.0.0.1", closed_port()), at("::1", closed_port()),
                               at("127.0.0.1", s.port), at("127.0.0.1", closed_port())};
    struct dial_options o = {.address = a, .n = 4, .deadline = in_ms(10000)};
    struct dial *d;
    size_t which;
    int why;
    int64_t begun = clock_ms();
    assert_int_equal(dial_open(&o, &d, &which, &why), OK);
    assert_true(clock_ms() - begun < LIMIT_DIAL_NEXT_MS); /* a refusal is not waited upon */
    assert_int_equal(which, 2);
    expect_line(d, "220 hello");
    dial_close(d);
    server_end(&s);
}

static void test_hanging_address(void **state)
{
    struct server s;
    struct full f;
    full_make(&f);
    server_start(&s, play_hello, NULL);
    struct dial_address a[] = {at("127.0.0.1", f.port), at("127.0.0.1", s.port)};
    struct dial_options o = {.address = a, .n = 2, .deadline = in_ms(10000)};
    struct dial *d;
    size_t which;
    int why;
    int64_t begun = clock_ms();
    assert_int_equal(dial_open(&o, &d, &which, &why), OK);
    assert_in_range(clock_ms() - begun, LIMIT_DIAL_NEXT_MS, LIMIT_DIAL_NEXT_MS + 1500);
    assert_int_equal(which, 1);
    dial_close(d);
    server_end(&s);
    full_free(&f);
}

static void test_nobody(void **state)
{
    struct dial_address a[] = {at("127.0.0.1", closed_port()), at("::1", closed_port())};
    struct dial_options o = {.address = a, .n = 2, .deadline = in_ms(10000)};
    struct dial *d;
    size_t which;
    int why = 0;
    assert_int_equal(dial_open(&o, &d, &which, &why), ERR_IO);
    assert_true(why == ECONNREFUSED || why == EADDRNOTAVAIL || why == ENETUNREACH);
    o.n = 0;
    assert_int_equal(dial_open(&o, &d, &which, &why), ERR_IO);
    struct full f;
    full_make(&f);
    a[0] = at("127.0.0.1", f.port);
    o = (struct dial_options){.address = a, .n = 1, .deadline = in_ms(200)};
    assert_int_equal(dial_open(&o, &d, &which, &why), ERR_TIMEOUT);
    assert_int_equal(why, ETIMEDOUT);
    full_free(&f);
}

static void play_peer(struct server *s)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    getpeername(s->fd, (struct sockaddr *)&sa, &len);
    say(s, sa.sin_addr.s_addr == htonl(0x7f000002) ? "bound\r\n" : "not bound\r\n");
}

static void test_bind(void **state)
{
    struct server s;
    server_start(&s, play_peer, NULL);
    struct dial_address a = at("127.0.0.1", s.port), from = at("127.0.0.2", 0);
    struct dial_options o = {.address = &a, .n = 1, .bind4 = &from.ip, .deadline = in_ms(10000)};
    struct dial *d;
    size_t which;
    int why;
    assert_int_equal(dial_open(&o, &d, &which, &why), OK);
    expect_line(d, "bound");
    dial_close(d);
    server_end(&s);
}

/* --- TLS --- */

static struct test_cert self;
static SSL_CTX *self_ctx;
static struct tls_client *client;

static int make_tls(void **state)
{
    char why[200];
    self = test_cert(&(struct test_cert_spec){.names = "DNS:mx.example.net"});
    self_ctx = test_server_context(&self, NULL);
    SSL_CTX_set_num_tickets(self_ctx, 4);
    return tls_client_new(TLS_MODERN, SLICE_NONE, &client, why, sizeof why) != OK;
}

static int free_tls(void **state)
{
    tls_client_free(client);
    SSL_CTX_free(self_ctx);
    test_cert_free(&self);
    return 0;
}

static void play_tls(struct server *s)
{
    say(s, "220 go\r\n");
    if (!accept_tls(s))
        return;
    char room[100];
    assert_int_equal(hear(s, room, sizeof room), 6);
    say(s, "250 ok\r\n");
    (void)hear_all(s);
}

static void test_tls(void **state)
{
    struct server s;
    server_start(&s, play_tls, self_ctx);
    struct dial *d = dial_to(&s);
    expect_line(d, "220 go");
    struct slice data = test_tlsa_data(&self, 1, 1);
    struct dns_tlsa tlsa = {3, 1, 1, data};
    struct tls_wish w = {.check = TLS_CHECK_DANE, .tlsa = &tlsa, .n_tlsa = 1};
    struct tls_outcome o;
    assert_int_equal(dial_start_tls(d, client, &w, in_ms(10000), &o), OK);
    assert_int_equal(o.problem, PROBLEM_NONE);
    assert_true(dial_is_tls(d));
    dial_write(d, SLICE("EHLO\r\n"));
    assert_int_equal(dial_flush(d, in_ms(10000), 0), OK);
    expect_line(d, "250 ok");
    assert_true(dial_is_quiet(d)); /* the tickets are no word */
    dial_close(d);
    test_slice_free(data);
    server_end(&s);
}

static void play_tls_words(struct server *s)
{
    if (accept_tls(s))
        say(s, "421 going\r\n");
    (void)hear_all(s);
}

/* A kept connection whose server said something is of no more use; what it said can be read. */
static void test_tls_words(void **state)
{
    struct server s;
    server_start(&s, play_tls_words, self_ctx);
    struct dial *d = dial_to(&s);
    struct slice name = SLICE("mx.example.net");
    struct tls_wish w = {.check = TLS_CHECK_PKIX, .names = &name, .n_names = 1};
    struct tls_outcome o;
    assert_int_equal(dial_start_tls(d, client, &w, in_ms(10000), &o), OK);
    assert_int_equal(o.problem, PROBLEM_CERT_UNTRUSTED); /* and yet encrypted */
    pause_ms(200);
    assert_false(dial_is_quiet(d));
    expect_line(d, "421 going");
    dial_close(d);
    server_end(&s);
}

static void play_slow_tls_reader(struct server *s)
{
    if (accept_tls(s))
        play_slow_reader(s);
}

static void test_slow_tls_reader(void **state)
{
    send_slowly(self_ctx, play_slow_tls_reader, client);
}

/* --- Handshakes that go wrong --- */

static void play_injection(struct server *s)
{
    say(s, "220 go\r\n250 injected\r\n");
    assert_int_equal(hear_all(s), 0); /* not a byte of a handshake */
}

static void play_late_injection(struct server *s)
{
    say(s, "220 go\r\n");
    pause_ms(100);
    say(s, "250 injected\r\n");
    assert_int_equal(hear_all(s), 0);
}

static void play_mute(struct server *s)
{
    say(s, "220 go\r\n");
    (void)hear_all(s);
}

static void play_leaving(struct server *s)
{
    say(s, "220 go\r\n");
    char room[4096];
    (void)hear(s, room, sizeof room);
}

static void play_leaving_at_once(struct server *s)
{
    say(s, "220 go\r\n");
}

static void play_nonsense(struct server *s)
{
    say(s, "220 go\r\n");
    char room[4096];
    (void)hear(s, room, sizeof room);
    say(s, "500 what was that?\r\n");
    (void)hear_all(s);
}

/* A record of 16 KB, byte by byte. */
static void play_drip_handshake(struct server *s)
{
    static const char record[] = "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc";
    char room[4096];
    say(s, "220 go\r\n");
    (void)hear(s, room, sizeof room);
    for (size_t i = 0; i < 200; i++) {
        if (send(s->fd, i < sizeof record - 1 ? &record[i] : "x", 1, MSG_NOSIGNAL) != 1)
            return;
        pause_ms(10);
    }
    (void)hear_all(s);
}

struct failure {
    const char *what;
    void (*play)(struct server *);
    enum error e;
    enum problem problem;
};

static const struct failure FAILURES[] = {
    {"injection", play_injection, ERR_INPUT, PROBLEM_INJECTION},
    {"injection, a packet later", play_late_injection, ERR_INPUT, PROBLEM_INJECTION},
    {"says nothing", play_mute, ERR_TIMEOUT, PROBLEM_TIMEOUT},
    {"goes during the handshake", play_leaving, ERR_CLOSED, PROBLEM_LOST},
    {"is gone", play_leaving_at_once, ERR_CLOSED, PROBLEM_LOST},
    {"a byte now and then", play_drip_handshake, ERR_TIMEOUT, PROBLEM_TIMEOUT},
    {"does not speak TLS", play_nonsense, ERR_IO, PROBLEM_HANDSHAKE},
};

static void run_failure(const struct failure *f)
{
    struct server s;
    server_start(&s, f->play, self_ctx);
    struct dial *d = dial_to(&s);
    expect_line(d, "220 go");
    pause_ms(f->play == play_late_injection ? 300 : 20);
    struct tls_wish w = {.check = TLS_CHECK_NOTHING};
    struct tls_outcome o;
    int64_t begun = clock_ms();
    enum error e = dial_start_tls(d, client, &w, begun + 500, &o);
    if (e != f->e || o.problem != f->problem)
        fail_msg("%s: %s, %s (%s)", f->what, error_name(e), problem_word(o.problem), o.detail);
    assert_true(clock_ms() - begun < 2000);
    assert_false(dial_is_tls(d));
    /* Nothing in clear text after that. */
    struct slice line;
    dial_write(d, SLICE("MAIL FROM:<secret@example.org>\r\n"));
    assert_int_equal(dial_flush(d, in_ms(1000), 0), ERR_CLOSED);
    assert_int_equal(dial_line(d, 100, in_ms(1000), &line), ERR_CLOSED);
    assert_false(dial_is_quiet(d));
    dial_close(d);
    server_end(&s);
}

static void test_bad_handshakes(void **state)
{
    for (size_t i = 0; i < sizeof FAILURES / sizeof *FAILURES; i++)
        run_failure(&FAILURES[i]);
}

/* --- The end of it all; last, as nothing works afterwards --- */

static void *stop_soon(void *arg)
{
    pause_ms(200);
    dial_stop_all();
    return NULL;
}

static void test_stop(void **state)
{
    struct server s;
    server_start(&s, play_mute, NULL);
    struct dial *d = dial_to(&s);
    expect_line(d, "220 go");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    struct slice line;
    int64_t begun = clock_ms();
    assert_int_equal(dial_line(d, 100, in_ms(20000), &line), ERR_CLOSED);
    assert_in_range(clock_ms() - begun, 150, 5000);
    pthread_join(thread, NULL);
    assert_int_equal(dial_line(d, 100, in_ms(20000), &line), ERR_CLOSED);
    struct dial_address a = at("127.0.0.1", s.port);
    struct dial_options o = {.address = &a, .n = 1, .deadline = in_ms(10000)};
    struct dial *late;
    size_t which;
    int why;
    assert_int_equal(dial_open(&o, &late, &which, &why), ERR_CLOSED);
    dial_close(d);
    server_end(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_DFL); /* a write to who is gone must not end the process */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_drip),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_deaf_flush),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_second_address),
        cmocka_unit_test(test_hanging_address),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_words),
        cmocka_unit_test(test_slow_tls_reader),
        cmocka_unit_test(test_bad_handshakes),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, make_tls, free_tls);
}
