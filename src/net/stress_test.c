/* Who owns a connection, under fire: clients that talk, fall silent and vanish, wakers from many
 * threads, deadlines of a few milliseconds, jobs. Every session has plain fields that only an owner
 * may touch, so two owners at once are a data race (TSan), a session freed too early is a use after
 * free (ASan), and a lost wake-up, input or deadline is an answer that never comes (everywhere).
 * STRESS_SECONDS in the environment makes it run longer than the default. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "net/runtime.h"
#include "net/test_tls.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define CLIENT_THREADS 4
#define CLIENT_CONNS   24
#define WAKER_THREADS  3
#define WAKERS         256
#define ALIVE          0x11feu

struct bench {
    struct runtime *rt;
    struct tls_server *tls;
    uint16_t port, tls_port;
    atomic_int opened, closed, events, timeouts, inside_twice, jobs, submitted;
    atomic_bool end;
    int64_t until;
    pthread_barrier_t together; /* of the clients */
    pthread_mutex_t lock;
    struct waker *wakers[WAKERS];
    atomic_uint next_waker;
};

/* All fields are plain on purpose. */
struct session {
    uint32_t alive;
    uint32_t inside;
    uint32_t random;
    uint64_t count;
};

static struct session *enter(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = conn_data(c);
    if (s->alive != ALIVE || s->inside++ != 0)
        atomic_fetch_add(&b->inside_twice, 1);
    s->count++;
    return s;
}

static enum after leave(struct session *s, enum after a)
{
    s->inside--;
    return a;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static enum after s_open(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = mem_alloc(sizeof *s);
    s->alive = ALIVE;
    s->random = (uint32_t)conn_id(c);
    conn_set_data(c, s);
    atomic_fetch_add(&b->opened, 1);
    struct waker *w = conn_waker(c);
    unsigned at = atomic_fetch_add(&b->next_waker, 1) % WAKERS;
    pthread_mutex_lock(&b->lock);
    struct waker *old = b->wakers[at];
    b->wakers[at] = w;
    pthread_mutex_unlock(&b->lock);
    waker_unref(old);
    conn_write(c, SLICE("+"));
    conn_deadline(c, 3);
    return PARK;
}

static void job(void *arg)
{
    struct bench *b = arg;
    atomic_fetch_add(&b->jobs, 1);
}

static enum after s_input(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = enter(c);
    struct slice in = conn_input(c);
    enum after a = PARK;
    for (size_t i = 0; i < in.n; i++) {
        switch (in.p[i]) {
        case 'p':
            conn_write(c, SLICE("P"));
            break;
        case 'd': /* from now on nothing but these three answers */
            conn_deadline(c, 2);
            break;
        case 'e': {
            struct waker *w = conn_waker(c);
            waker_wake(w);
            waker_unref(w);
            break;
        }
        case 'j':
            atomic_fetch_add(&b->submitted, 1);
            runtime_submit(b->rt, job, b);
            break;
        case 'q':
            a = CLOSE;
            break;
        default:
            conn_deadline(c, 1 + (int)(next_random(&s->random) % 5));
            break;
        }
    }
    conn_consume(c, in.n);
    return leave(s, a);
}

static enum after s_event(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = enter(c);
    atomic_fetch_add(&b->events, 1);
    if (!atomic_load(&b->end) && next_random(&s->random) % 64 == 0)
        return leave(s, CLOSE);
    conn_write(c, SLICE("E"));
    if (!atomic_load(&b->end))
        conn_deadline(c, 1 + (int)(next_random(&s->random) % 3));
    return leave(s, PARK);
}

static enum after s_timeout(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = enter(c);
    atomic_fetch_add(&b->timeouts, 1);
    conn_write(c, SLICE("T"));
    if (!atomic_load(&b->end))
        conn_deadline(c, 1 + (int)(next_random(&s->random) % 4));
    return leave(s, PARK);
}

static enum after s_stopping(struct conn *c)
{
    return leave(enter(c), CLOSE);
}

static void s_close(struct conn *c)
{
    struct bench *b = conn_service(c);
    struct session *s = enter(c);
    s->alive = 0;
    mem_free(s);
    atomic_fetch_add(&b->closed, 1);
}

static const struct protocol STRESS = {"stress",  s_open,     s_input, s_event,
                                       s_timeout, s_stopping, s_close};

/* --- The other side --- */

struct peer {
    int fd;
    SSL *ssl;
};

static void peer_open(struct bench *b, SSL_CTX *ctx, struct peer *p, bool tls)
{
    *p = (struct peer){.fd = test_connect(tls ? b->tls_port : b->port)};
    if (p->fd < 0)
        return;
    if (tls) {
        p->ssl = test_tls_client(ctx, p->fd, NULL);
        if (!p->ssl) {
            close(p->fd);
            p->fd = -1;
        }
    }
}

static void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    if (p->fd >= 0)
        close(p->fd);
    ERR_clear_error();
    *p = (struct peer){.fd = -1};
}

static bool peer_say(struct peer *p, const char *text, size_t n)
{
    if (p->ssl)
        return SSL_write(p->ssl, text, (int)n) == (int)n;
    return send(p->fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static int peer_read(struct peer *p, char *room, int size)
{
    return p->ssl ? SSL_read(p->ssl, room, size) : (int)recv(p->fd, room, (size_t)size, 0);
}

/* Reads away what is there, without waiting for more than there is. */
static void peer_drain(struct peer *p)
{
    char room[512];
    struct pollfd f = {.fd = p->fd, .events = POLLIN};
    for (int i = 0; i < 16 && poll(&f, 1, 0) > 0; i++)
        if (peer_read(p, room, sizeof room) <= 0) {
            peer_close(p);
            return;
        }
}

/* Says `text` and reads until the letter comes; false when the server closed instead. */
static bool peer_ask(struct peer *p, const char *text, char letter)
{
    char byte = 0;
    if (!peer_say(p, text, strlen(text)))
        return false;
    while (peer_read(p, &byte, 1) == 1)
        if (byte == letter)
            return true;
    return false;
}

struct client {
    struct bench *b;
    pthread_t thread;
    uint32_t seed;
    int unanswered;
};

static void churn(struct client *k, SSL_CTX *ctx, struct peer *peers)
{
    uint32_t r = k->seed;
    while (clock_ms() < k->b->until) {
        struct peer *p = &peers[next_random(&r) % CLIENT_CONNS];
        if (p->fd < 0) {
            peer_open(k->b, ctx, p, next_random(&r) % 3 == 0);
            continue;
        }
        static const char talk[] = "pxpxjeppxdxeq";
        switch (next_random(&r) % 8) {
        case 0:
            peer_close(p);
            break;
        case 1:
        case 2:
            peer_drain(p);
            break;
        default: {
            size_t from = next_random(&r) % (sizeof talk - 1);
            size_t n = 1 + next_random(&r) % (sizeof talk - 1 - from);
            if (!peer_say(p, talk + from, n))
                peer_close(p);
        }
        }
    }
}

/* After the fire: each connection must still hear input, wakes and deadlines. Those that the fire
 * closed are opened anew. */
static void check_alive(struct client *k, SSL_CTX *ctx, struct peer *peers)
{
    for (int i = 0; i < CLIENT_CONNS; i++) {
        struct peer *p = &peers[i];
        for (int attempt = 0; attempt < 2; attempt++) {
            if (p->fd < 0)
                peer_open(k->b, ctx, p, i % 3 == 0);
            if (peer_ask(p, "p", 'P') && peer_ask(p, "e", 'E') && peer_ask(p, "d", 'T'))
                break;
            peer_close(p);
            k->unanswered += attempt; /* the first time it may have been closed under fire */
        }
    }
}

static void *client_main(void *arg)
{
    struct client *k = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct peer peers[CLIENT_CONNS];
    for (int i = 0; i < CLIENT_CONNS; i++)
        peers[i] = (struct peer){.fd = -1};
    churn(k, ctx, peers);
    atomic_store(&k->b->end, true);
    pthread_barrier_wait(&k->b->together);
    check_alive(k, ctx, peers);
    pthread_barrier_wait(&k->b->together);
    for (int i = 0; i < CLIENT_CONNS; i += 2) /* the others are there when the service stops */
        peer_close(&peers[i]);
    runtime_stop(k->b->rt, 10000);
    for (int i = 1; i < CLIENT_CONNS; i += 2) {
        char room[64];
        while (peers[i].fd >= 0 && peer_read(&peers[i], room, sizeof room) > 0)
            ;
        peer_close(&peers[i]);
    }
    SSL_CTX_free(ctx);
    return NULL;
}

static void *waker_main(void *arg)
{
    struct bench *b = arg;
    uint32_t r = (uint32_t)clock_us();
    while (!atomic_load(&b->end)) {
        for (int i = 0; i < 16; i++) {
            unsigned at = next_random(&r) % WAKERS;
            pthread_mutex_lock(&b->lock);
            struct waker *w = b->wakers[at] ? waker_ref(b->wakers[at]) : NULL;
            pthread_mutex_unlock(&b->lock);
            if (w)
                waker_wake(w);
            waker_unref(w);
        }
        poll(NULL, 0, (int)(next_random(&r) % 2));
    }
    return NULL;
}

static void *runtime_main(void *arg)
{
    runtime_run(arg);
    return NULL;
}

static uint16_t stress_listen(struct bench *b, bool tls)
{
    uint16_t port = 0;
    struct listener_options o = {
        .fd = test_listen(&port),
        .protocol = &STRESS,
        .service = b,
        .tls = b->tls,
        .implicit_tls = tls,
        .max_per_address = 2 * CLIENT_THREADS * CLIENT_CONNS + 1000,
    };
    assert_int_equal(runtime_listen(b->rt, &o), OK);
    return port;
}

static int64_t stress_ms(void)
{
    const char *s = getenv("STRESS_SECONDS");
    uint32_t seconds;
    if (s && parse_u32(slice_str(s), 3600, &seconds) == OK)
        return (int64_t)seconds * 1000;
    return 2000;
}

static void test_stress(void **state)
{
    struct bench *b = mem_alloc(sizeof *b);
    struct tls_identity id = test_identity("EC", "DNS:localhost", "localhost");
    struct runtime_options o = {.max_workers = 6};
    char why[200];
    assert_int_equal(runtime_new(&o, &b->rt), OK);
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_USERS, &id, 1, &b->tls, why, sizeof why),
                     OK);
    test_identity_free(&id);
    pthread_mutex_init(&b->lock, NULL);
    pthread_barrier_init(&b->together, NULL, CLIENT_THREADS);
    b->port = stress_listen(b, false);
    b->tls_port = stress_listen(b, true);
    b->until = clock_ms() + stress_ms();

    pthread_t run, wakers[WAKER_THREADS];
    struct client clients[CLIENT_THREADS];
    assert_int_equal(pthread_create(&run, NULL, runtime_main, b->rt), 0);
    for (int i = 0; i < WAKER_THREADS; i++)
        assert_int_equal(pthread_create(&wakers[i], NULL, waker_main, b), 0);
    for (int i = 0; i < CLIENT_THREADS; i++) {
        clients[i] = (struct client){.b = b, .seed = (uint32_t)i * 7919 + 1};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
    }
    int unanswered = 0;
    for (int i = 0; i < CLIENT_THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        unanswered += clients[i].unanswered;
    }
    for (int i = 0; i < WAKER_THREADS; i++)
        pthread_join(wakers[i], NULL);
    pthread_join(run, NULL);

    print_message("opened %d, events %d, timeouts %d, jobs %d\n", atomic_load(&b->opened),
                  atomic_load(&b->events), atomic_load(&b->timeouts), atomic_load(&b->jobs));
    assert_int_equal(atomic_load(&b->inside_twice), 0);
    assert_int_equal(unanswered, 0);
    assert_int_equal(atomic_load(&b->opened), atomic_load(&b->closed));
    assert_int_equal(atomic_load(&b->jobs), atomic_load(&b->submitted));
    assert_int_equal(runtime_stats(b->rt).connections, 0);
    runtime_free(b->rt);
    for (int i = 0; i < WAKERS; i++) {
        if (b->wakers[i])
            waker_wake(b->wakers[i]); /* long gone: nothing happens */
        waker_unref(b->wakers[i]);
    }
    tls_server_free(b->tls);
    pthread_mutex_destroy(&b->lock);
    pthread_barrier_destroy(&b->together);
    mem_free(b);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* the clients' OpenSSL writes to closed sockets */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stress)};
    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
