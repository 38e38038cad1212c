/* The runtime with a small line protocol, driven by real clients over loopback. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "net/runtime.h"
#include "net/test_tls.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include <cmocka.h>

/* --- A server: answers each line; some lines are commands --- */

struct server {
    struct runtime *rt;
    struct tls_server *tls;
    uint16_t port, tls_port, other_port;
    pthread_t thread;
    atomic_int opened, closed, events, timeouts, slow, stopped;
    atomic_bool release; /* "slow" waits for it */
    pthread_mutex_t lock;
    struct waker *waker; /* of the connection that said "watch" */
};

static struct server *server_of(struct conn *c)
{
    return conn_service(c);
}

static enum after echo_open(struct conn *c)
{
    struct server *s = server_of(c);
    atomic_fetch_add(&s->opened, 1);
    conn_set_data(c, s);
    conn_write(c, conn_tls(c) ? SLICE("hello tls\n") : SLICE("hello\n"));
    return PARK;
}

static enum after echo_open_tls(struct conn *c)
{
    assert_true(conn_tls(c));
    return PARK;
}

static void big_answer(struct conn *c)
{
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    for (int i = 0; i < 16384; i++) /* 1 MiB */
        conn_write(c, slice_of(text, 64));
}

static enum after echo_line(struct conn *c, struct slice line)
{
    struct server *s = server_of(c);
    if (slice_eq(line, SLICE("quit"))) {
        conn_write(c, SLICE("bye\n"));
        return CLOSE;
    }
    if (slice_eq(line, SLICE("watch"))) {
        pthread_mutex_lock(&s->lock);
        waker_unref(s->waker);
        s->waker = conn_waker(c);
        pthread_mutex_unlock(&s->lock);
        conn_write(c, SLICE("watching\n"));
    } else if (slice_eq(line, SLICE("self"))) {
        struct waker *w = conn_waker(c);
        waker_wake(w);
        waker_wake(w);
        waker_unref(w);
    } else if (slice_eq(line, SLICE("soon"))) {
        conn_deadline(c, 60000);
        conn_deadline(c, 100);
    } else if (slice_eq(line, SLICE("later"))) {
        conn_deadline(c, 100);
        conn_deadline(c, 60000);
        conn_write(c, SLICE("later\n"));
    } else if (slice_eq(line, SLICE("big"))) {
        big_answer(c);
    } else if (slice_eq(line, SLICE("slow"))) {
        atomic_fetch_add(&s->slow, 1);
        while (!atomic_load(&s->release))
            poll(NULL, 0, 2);
        conn_write(c, SLICE("done\n"));
    } else {
        conn_printf(c, "%.*s\n", SLICE_FMT(line));
    }
    return PARK;
}

static enum after echo_input(struct conn *c)
{
    for (;;) {
        struct slice in = conn_input(c);
        size_t end = slice_index(in, '\n');
        if (end == in.n)
            return PARK;
        struct slice line = slice_sub(in, 0, end);
        if (slice_eq(line, SLICE("starttls"))) {
            conn_consume(c, end + 1);
            conn_write(c, SLICE("go\n"));
            return conn_start_tls(c, echo_open_tls) == OK ? PARK : CLOSE;
        }
        enum after a = echo_line(c, line);
        conn_consume(c, end + 1);
        if (in.p[0] != 0) /* passwords come in lines like this */
            bug("what was consumed stays in the buffer");
        if (a == CLOSE)
            return CLOSE;
    }
}

static enum after echo_event(struct conn *c)
{
    atomic_fetch_add(&server_of(c)->events, 1);
    conn_write(c, SLICE("event\n"));
    return PARK;
}

static enum after echo_timeout(struct conn *c)
{
    atomic_fetch_add(&server_of(c)->timeouts, 1);
    conn_write(c, SLICE("timeout\n"));
    return CLOSE;
}

static enum after echo_stopping(struct conn *c)
{
    atomic_fetch_add(&server_of(c)->stopped, 1);
    conn_write(c, SLICE("stopping\n"));
    return CLOSE;
}

static void echo_close(struct conn *c)
{
    struct server *s = conn_data(c);
    conn_write(c, SLICE("nobody hears this\n"));
    atomic_fetch_add(&s->closed, 1);
}

static const struct protocol ECHO = {"echo",       echo_open,     echo_input, echo_event,
                                     echo_timeout, echo_stopping, echo_close};

static bool admit_nobody(void *service, struct ip peer)
{
    assert_true(!ip_is_public(peer));
    return false;
}

static bool exempt_all(void *service, struct ip peer)
{
    return !ip_is_public(peer);
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    runtime_run(s->rt);
    return NULL;
}

static uint16_t server_listen(struct server *s, struct listener_options o)
{
    uint16_t port = 0;
    o.fd = test_listen(&port);
    o.service = s;
    if (!o.protocol)
        o.protocol = &ECHO;
    assert_int_equal(runtime_listen(s->rt, &o), OK);
    return port;
}

static int server_start(void **state)
{
    struct server *s = mem_alloc(sizeof *s);
    struct tls_identity id = test_identity("EC", "DNS:localhost", "localhost");
    char why[200];
    pthread_mutex_init(&s->lock, NULL);
    struct runtime_options o = {.max_workers = 4};
    assert_int_equal(runtime_new(&o, &s->rt), OK);
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_USERS, &id, 1, &s->tls, why, sizeof why),
                     OK);
    test_identity_free(&id);
    s->port = server_listen(s, (struct listener_options){.tls = s->tls, .max_per_address = 5000});
    s->tls_port = server_listen(
        s, (struct listener_options){.tls = s->tls, .implicit_tls = true, .max_per_address = 5000});
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
    *state = s;
    return 0;
}

static int server_end(void **state)
{
    struct server *s = *state;
    runtime_stop(s->rt, 5000);
    pthread_join(s->thread, NULL);
    struct runtime_stats stats = runtime_stats(s->rt);
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.workers, 0);
    assert_int_equal(atomic_load(&s->opened), atomic_load(&s->closed));
    runtime_free(s->rt);
    waker_unref(s->waker); /* outlives even the runtime */
    tls_server_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
    return 0;
}

/* --- A client --- */

struct client {
    int fd;
    SSL *ssl;
    SSL_CTX *ctx;
};

static void client_tls(struct client *c)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = test_tls_client(c->ctx, c->fd, "localhost");
}

static struct client client_open(uint16_t port, bool tls)
{
    struct client c = {.fd = test_connect(port)};
    assert_true(c.fd >= 0);
    if (tls) {
        client_tls(&c);
        assert_non_null(c.ssl);
    }
    return c;
}

static void client_close(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

static void say(struct client *c, const char *text)
{
    int n = (int)strlen(text);
    int w = c->ssl ? SSL_write(c->ssl, text, n) : (int)send(c->fd, text, (size_t)n, MSG_NOSIGNAL);
    assert_int_equal(w, n);
}

static int hear_byte(struct client *c, char *byte)
{
    return c->ssl ? SSL_read(c->ssl, byte, 1) : (int)recv(c->fd, byte, 1, 0);
}

/* Reads a line; "" at the end of the connection. */
static const char *hear(struct client *c)
{
    static _Thread_local char line[256];
    size_t n = 0;
    char byte;
    while (n < sizeof line - 1 && hear_byte(c, &byte) == 1 && byte != '\n')
        line[n++] = byte;
    line[n] = 0;
    return line;
}

#define assert_hears(c, text) assert_string_equal(hear(c), (text))

/* Waits until the counter has the value; fails after five seconds. */
static void wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < 5000 && atomic_load(counter) != value; i++)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(counter), value);
}

/* --- Tests --- */

static void test_echo(void **state)
{
    struct server *s = *state;
    for (int tls = 0; tls < 2; tls++) {
        struct client c = client_open(tls ? s->tls_port : s->port, tls);
        assert_hears(&c, tls ? "hello tls" : "hello");
        say(&c, "one\n");
        assert_hears(&c, "one");
        say(&c, "two\nthree\nfo");
        assert_hears(&c, "two");
        assert_hears(&c, "three");
        say(&c, "ur\nquit\n");
        assert_hears(&c, "four");
        assert_hears(&c, "bye");
        assert_hears(&c, "");
        client_close(&c);
    }
    wait_for(&s->closed, 2);
}

static void test_big(void **state)
{
    struct server *s = *state;
    for (int tls = 0; tls < 2; tls++) {
        struct client c = client_open(tls ? s->tls_port : s->port, tls);
        hear(&c);
        say(&c, "big\nend\n");
        poll(NULL, 0, 50); /* lets the server fill the socket and wait for us */
        for (int i = 0; i < 16384; i++)
            assert_int_equal(strlen(hear(&c)), 63);
        assert_hears(&c, "end");
        /* And much towards it. */
        for (int i = 0; i < 200; i++)
            say(&c, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
        for (int i = 0; i < 200; i++)
            assert_int_equal(strlen(hear(&c)), 67);
        client_close(&c);
    }
}

static void test_full_input_closes(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->port, false);
    char lot[1024];
    memset(lot, 'x', sizeof lot);
    for (int i = 0; i < LIMIT_INPUT_BUFFER / (int)sizeof lot + 64; i++)
        if (send(c.fd, lot, sizeof lot, MSG_NOSIGNAL) < 0)
            break;
    hear(&c);
    wait_for(&s->closed, 1);
    client_close(&c);
}

static void test_starttls(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->port, false);
    assert_hears(&c, "hello");
    say(&c, "starttls\n");
    assert_hears(&c, "go");
    client_tls(&c);
    assert_non_null(c.ssl);
    say(&c, "secret\n");
    assert_hears(&c, "secret");
    say(&c, "starttls\n"); /* a second time is refused, and this protocol closes then */
    assert_hears(&c, "go");
    assert_hears(&c, "");
    client_close(&c);
}

static void test_starttls_injection(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->port, false);
    assert_hears(&c, "hello");
    say(&c, "starttls\ninjected\n");
    /* Not even the go-ahead is sent, and nothing of what was injected is ever handled. */
    assert_hears(&c, "");
    client_close(&c);
    wait_for(&s->closed, 1);
}

static void test_wake(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->tls_port, true);
    hear(&c);
    say(&c, "watch\n");
    assert_hears(&c, "watching");
    for (int i = 1; i <= 100; i++) {
        waker_wake(s->waker);
        assert_hears(&c, "event");
        assert_int_equal(atomic_load(&s->events), i);
    }
    say(&c, "self\n"); /* two wakes before it runs are one event */
    assert_hears(&c, "event");
    say(&c, "x\n");
    assert_hears(&c, "x");
    assert_int_equal(atomic_load(&s->events), 101);
    client_close(&c);
    wait_for(&s->closed, 1);
    waker_wake(s->waker); /* nothing happens */
}

static void test_deadline(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->port, false), d = client_open(s->port, false);
    hear(&c);
    hear(&d);
    say(&d, "later\n");
    assert_hears(&d, "later");
    int64_t start = clock_ms();
    say(&c, "soon\n");
    assert_hears(&c, "timeout");
    int64_t took = clock_ms() - start;
    assert_true(took >= 95 && took < 5000);
    assert_hears(&c, "");
    assert_int_equal(atomic_load(&s->timeouts), 1);
    poll(NULL, 0, 150); /* its first deadline was moved in time */
    say(&d, "still here\n");
    assert_hears(&d, "still here");
    client_close(&c);
    client_close(&d);
}

static void test_limits(void **state)
{
    struct server *s = *state;
    static const struct protocol LIMITED = {"limited", echo_open, echo_input, NULL,
                                            NULL,      NULL,      echo_close};
    uint16_t port = server_listen(s, (struct listener_options){.protocol = &LIMITED,
                                                               .max_connections = 3,
                                                               .max_per_address = 100,
                                                               .busy_text = SLICE("busy\n")});
    uint16_t each =
        server_listen(s, (struct listener_options){.protocol = &LIMITED, .max_per_address = 4});
    uint16_t none = server_listen(
        s, (struct listener_options){.admit = admit_nobody, .busy_text = SLICE("busy\n")});
    uint16_t trusted =
        server_listen(s, (struct listener_options){
                             .protocol = &LIMITED, .max_per_address = 1, .exempt = exempt_all});
    struct client c[4], more;
    for (int i = 0; i < 3; i++) {
        c[i] = client_open(port, false);
        assert_hears(&c[i], "hello");
    }
    more = client_open(port, false);
    assert_hears(&more, "busy");
    assert_hears(&more, "");
    client_close(&more);
    /* The same protocol at another port counts the same address: 3 and 1 are 4. */
    c[3] = client_open(each, false);
    assert_hears(&c[3], "hello");
    more = client_open(each, false);
    assert_hears(&more, "");
    client_close(&more);
    more = client_open(trusted, false);
    assert_hears(&more, "hello");
    client_close(&more);
    client_close(&c[0]);
    wait_for(&s->closed, 2);
    more = client_open(each, false);
    assert_hears(&more, "hello");
    client_close(&more);
    for (int i = 1; i < 4; i++)
        client_close(&c[i]);
    more = client_open(none, false);
    assert_hears(&more, ""); /* without a word */
    client_close(&more);
    wait_for(&s->closed, 6);
    assert_true(runtime_stats(s->rt).refused >= 3);
}

static void test_lanes(void **state)
{
    /* Four workers a listener: four slow requests hold them all, yet another listener answers. */
    struct server *s = *state;
    struct client slow[6];
    for (int i = 0; i < 6; i++) {
        slow[i] = client_open(s->port, false);
        assert_hears(&slow[i], "hello");
    }
    for (int i = 0; i < 6; i++)
        say(&slow[i], "slow\n");
    wait_for(&s->slow, 4);
    struct client c = client_open(s->tls_port, true);
    assert_hears(&c, "hello tls");
    for (int i = 0; i < 50; i++) {
        say(&c, "quick\n");
        assert_hears(&c, "quick");
    }
    assert_int_equal(atomic_load(&s->slow), 4);
    atomic_store(&s->release, true);
    for (int i = 0; i < 6; i++) {
        assert_hears(&slow[i], "done");
        client_close(&slow[i]);
    }
    client_close(&c);
}

static void test_loris(void **state)
{
    /* Many who begin a handshake and say no more hold no worker: four would be all there are. */
    struct server *s = *state;
    struct client half[100];
    for (int i = 0; i < 100; i++) {
        half[i] = (struct client){.fd = test_connect(i % 2 ? s->tls_port : s->port)};
        say(&half[i], i % 2 ? "\x16\x03\x01\x02" : "half a li");
    }
    for (int tls = 0; tls < 2; tls++) {
        struct client c = client_open(tls ? s->tls_port : s->port, tls);
        hear(&c);
        say(&c, "quick\n");
        assert_hears(&c, "quick");
        client_close(&c);
    }
    for (int i = 0; i < 100; i++)
        client_close(&half[i]);
}

static void test_no_descriptors(void **state)
{
    /* When the process has no descriptor left, connections wait until it has one again. */
    struct server *s = *state;
    struct rlimit before, none;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    poll(NULL, 0, 150);
    assert_int_equal(atomic_load(&s->opened), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_hears(&c, "hello");
    client_close(&c);
}

static void test_growth(void **state)
{
    /* When all workers are blocked, others come, up to the limit; here that of a listener. */
    struct server *s = *state;
    struct server big = {0};
    struct runtime_options o = {0};
    assert_int_equal(runtime_new(&o, &big.rt), OK);
    big.port = server_listen(&big, (struct listener_options){.max_per_address = 5000});
    assert_int_equal(pthread_create(&big.thread, NULL, server_main, &big), 0);
    struct client c[100];
    for (int i = 0; i < 100; i++) {
        c[i] = client_open(big.port, false);
        assert_hears(&c[i], "hello");
    }
    assert_true(runtime_stats(big.rt).workers < 50); /* so far nobody was blocked */
    for (int i = 0; i < 100; i++)
        say(&c[i], "slow\n");
    wait_for(&big.slow, 100);
    assert_true(runtime_stats(big.rt).workers >= 100);
    atomic_store(&big.release, true);
    for (int i = 0; i < 100; i++) {
        assert_hears(&c[i], "done");
        client_close(&c[i]);
    }
    runtime_stop(big.rt, 1000);
    pthread_join(big.thread, NULL);
    runtime_free(big.rt);
    assert_int_equal(atomic_load(&s->opened), 0);
}

static void add_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void add_slowly(void *arg)
{
    poll(NULL, 0, 5);
    add_one(arg);
}

static void test_jobs(void **state)
{
    struct server *s = *state;
    atomic_int jobs = 0, ticks = 0;
    runtime_every(s->rt, 20, add_one, &ticks);
    for (int i = 0; i < 200; i++)
        runtime_submit(s->rt, add_slowly, &jobs);
    wait_for(&jobs, 200);
    for (int i = 0; i < 5000 && atomic_load(&ticks) < 3; i++)
        poll(NULL, 0, 1);
    assert_true(atomic_load(&ticks) >= 3);
    /* The ticks must end before their counter does. */
    runtime_stop(s->rt, 1000);
    while (runtime_stats(s->rt).workers > 0)
        poll(NULL, 0, 1);
}

static void test_stop(void **state)
{
    struct server *s = *state;
    struct client c = client_open(s->port, false), t = client_open(s->tls_port, true);
    struct client half = {.fd = test_connect(s->tls_port)}; /* in the middle of its handshake */
    assert_hears(&c, "hello");
    assert_hears(&t, "hello tls");
    runtime_stop(s->rt, 5000);
    assert_hears(&c, "stopping");
    assert_hears(&t, "stopping");
    assert_hears(&c, "");
    assert_hears(&t, "");
    assert_hears(&half, "");
    assert_int_equal(atomic_load(&s->stopped), 2);
    assert_int_equal(test_connect(s->port), -1);
    client_close(&c);
    client_close(&t);
    client_close(&half);
}

static void test_stop_cuts(void **state)
{
    /* A peer that does not read its megabyte is cut off when the grace is over. */
    struct server *s = *state;
    struct client c = client_open(s->port, false);
    assert_hears(&c, "hello");
    for (int i = 0; i < 16; i++)
        say(&c, "big\n");
    poll(NULL, 0, 100);
    int64_t start = clock_ms();
    runtime_stop(s->rt, 200);
    pthread_join(s->thread, NULL);
    assert_true(clock_ms() - start < 5000);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0); /* ends at once */
    client_close(&c);
}

static void *many_main(void *arg)
{
    struct server *s = arg;
    struct client c[20];
    for (int i = 0; i < 20; i++) {
        c[i] = client_open(i % 2 ? s->tls_port : s->port, i % 2);
        hear(&c[i]);
    }
    for (int round = 0; round < 50; round++) {
        char text[32];
        snprintf(text, sizeof text, "round %d\n", round);
        for (int i = 0; i < 20; i++)
            say(&c[i], text);
        text[strlen(text) - 1] = 0;
        for (int i = 0; i < 20; i++)
            assert_hears(&c[i], text);
    }
    for (int i = 0; i < 20; i++)
        client_close(&c[i]);
    return NULL;
}

static void test_many(void **state)
{
    struct server *s = *state;
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&t[i], NULL, many_main, s), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    wait_for(&s->closed, 160);
    assert_int_equal(runtime_stats(s->rt).accepted, 160);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, server_start, server_end)

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the clients' OpenSSL writes to closed sockets */
    const struct CMUnitTest tests[] = {
        CASE(test_echo),           CASE(test_big),
        CASE(test_starttls),       CASE(test_starttls_injection),
        CASE(test_wake),           CASE(test_deadline),
        CASE(test_limits),         CASE(test_lanes),
        CASE(test_jobs),           CASE(test_stop),
        CASE(test_many),           CASE(test_full_input_closes),
        CASE(test_stop_cuts),      CASE(test_loris),
        CASE(test_no_descriptors), CASE(test_growth),
    };
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
