/* Figures of the runtime alone: memory of an idle TLS connection, time from waker_wake() to
 * event(), and round trips of an echo. The server is a process of its own, so that its memory can
 * be read; what is printed is for people. Usage: runtime_bench [idle connections]. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/runtime.h"
#include "net/test_tls.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define WAKES     2000
#define ALL_WAKES 1000

/* Between the two processes. */
struct shared {
    atomic_int phase;                 /* what the server is asked to do; it answers with 0 */
    atomic_int opened, events, first; /* first: of the wakers that are woken */
    _Atomic int64_t woken_at;
    int64_t took[WAKES];
    uint16_t port, tls_port;
};

enum { PHASE_NONE, PHASE_WAKE_ONE, PHASE_WAKE_ALL, PHASE_END };

static struct shared *shared;
static struct runtime *rt;
static struct waker *wakers[LIMIT_CONNECTIONS];
static atomic_int n_wakers;

static enum after b_open(struct conn *c)
{
    int at = atomic_fetch_add(&n_wakers, 1);
    if (at < LIMIT_CONNECTIONS)
        wakers[at] = conn_waker(c);
    conn_deadline(c, 30 * 60 * 1000);
    conn_write(c, SLICE("+"));
    atomic_fetch_add(&shared->opened, 1);
    return PARK;
}

static enum after b_input(struct conn *c)
{
    struct slice in = conn_input(c);
    conn_write(c, in);
    conn_consume(c, in.n);
    conn_deadline(c, 30 * 60 * 1000);
    return PARK;
}

static enum after b_event(struct conn *c)
{
    int i = atomic_fetch_add(&shared->events, 1);
    if (i < WAKES)
        shared->took[i] = clock_us() - atomic_load(&shared->woken_at);
    return PARK;
}

static const struct protocol BENCH = {
    .name = "bench", .open = b_open, .input = b_input, .event = b_event};

/* --- The server process --- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *waking_main(void *arg)
{
    for (;;) {
        int phase = atomic_load(&shared->phase);
        struct waker **idle_ones = wakers + atomic_load(&shared->first);
        if (phase == PHASE_WAKE_ONE) {
            atomic_store(&shared->events, 0);
            for (int i = 0; i < WAKES; i++) {
                poll(NULL, 0, 1);
                atomic_store(&shared->woken_at, clock_us());
                waker_wake(idle_ones[i % 100]);
            }
            atomic_store(&shared->phase, PHASE_NONE);
        } else if (phase == PHASE_WAKE_ALL) {
            atomic_store(&shared->events, 0);
            uint64_t start = now_ns();
            for (int i = 0; i < ALL_WAKES; i++)
                waker_wake(idle_ones[i]);
            uint64_t said = now_ns();
            while (atomic_load(&shared->events) < ALL_WAKES)
                sched_yield();
            printf("%d wakes: said in %.0f us, all events done after %.0f us\n", ALL_WAKES,
                   (double)(said - start) / 1000, (double)(now_ns() - start) / 1000);
            fflush(stdout);
            atomic_store(&shared->phase, PHASE_NONE);
        } else if (phase == PHASE_END) {
            runtime_stop(rt, 1000);
            return NULL;
        }
        poll(NULL, 0, 2);
    }
}

static void serve(void)
{
    struct tls_identity id = test_identity("EC", "DNS:localhost", "localhost");
    struct tls_server *tls;
    char why[200];
    if (tls_server_new(TLS_MODERN, TLS_FOR_USERS, &id, 1, &tls, why, sizeof why) != OK)
        die("%s", why);
    struct runtime_options o = {0};
    if (runtime_new(&o, &rt) != OK)
        die("runtime");
    for (int i = 0; i < 2; i++) {
        struct listener_options l = {.protocol = &BENCH,
                                     .tls = tls,
                                     .implicit_tls = i,
                                     .max_per_address = LIMIT_CONNECTIONS};
        l.fd = test_listen(i ? &shared->tls_port : &shared->port);
        if (runtime_listen(rt, &l) != OK)
            die("listen");
    }
    pthread_t t;
    if (pthread_create(&t, NULL, waking_main, NULL) != 0)
        die("thread");
    runtime_run(rt);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("server: %ld.%02ld s user, %ld.%02ld s system\n", (long)u.ru_utime.tv_sec,
           (long)u.ru_utime.tv_usec / 10000, (long)u.ru_stime.tv_sec,
           (long)u.ru_stime.tv_usec / 10000);
    exit(0);
}

/* Kilobytes of private and shared memory that are the process's own part. */
static long pss_kb(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *p = strstr(text, "Pss:");
    return p ? strtol(p + 4, NULL, 10) : 0;
}

/* --- The clients --- */

struct pinger {
    pthread_t thread;
    int n;
    bool tls;
    int64_t until;
    long done;
};

static void *ping_main(void *arg)
{
    struct pinger *g = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int *fds = mem_array((size_t)g->n, sizeof *fds);
    SSL **ssl = mem_array((size_t)g->n, sizeof(SSL *));
    char room[64];
    for (int i = 0; i < g->n; i++) {
        fds[i] = test_connect(g->tls ? shared->tls_port : shared->port);
        int on = 1;
        setsockopt(fds[i], IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
        if (g->tls && (ssl[i] = test_tls_client(ctx, fds[i], NULL)) == NULL)
            die("no TLS");
        if (g->tls ? SSL_read(ssl[i], room, 1) != 1 : recv(fds[i], room, 1, 0) != 1)
            die("no greeting");
    }
    while (clock_ms() < g->until) {
        for (int i = 0; i < g->n; i++)
            if (g->tls ? SSL_write(ssl[i], "ping it now\r\n", 13) != 13
                       : send(fds[i], "ping it now\r\n", 13, 0) != 13)
                die("write");
        for (int i = 0; i < g->n; i++)
            if (g->tls ? SSL_read(ssl[i], room, sizeof room) != 13
                       : recv(fds[i], room, sizeof room, 0) != 13)
                die("read");
        g->done += g->n;
    }
    for (int i = 0; i < g->n; i++) {
        SSL_free(ssl[i]);
        close(fds[i]);
    }
    SSL_CTX_free(ctx);
    mem_free(fds);
    mem_free(ssl);
    return NULL;
}

static void echo(int threads, int each, bool tls)
{
    struct pinger g[16];
    int64_t start = clock_ms();
    for (int i = 0; i < threads; i++) {
        g[i] = (struct pinger){.n = each, .tls = tls, .until = start + 2000};
        if (pthread_create(&g[i].thread, NULL, ping_main, &g[i]) != 0)
            die("thread");
    }
    long done = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(g[i].thread, NULL);
        done += g[i].done;
    }
    printf("echo, %s, %3d connections: %6ld round trips a second\n", tls ? "TLS  " : "clear",
           threads * each, done * 1000 / (clock_ms() - start));
}

static void ask(int phase)
{
    atomic_store(&shared->phase, phase);
    while (atomic_load(&shared->phase) != PHASE_NONE)
        poll(NULL, 0, 2);
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void idle(pid_t server, int n)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    int *fds = mem_array((size_t)n, sizeof *fds);
    SSL **ssl = mem_array((size_t)n, sizeof(SSL *));
    atomic_store(&shared->first, atomic_load(&shared->opened));
    long before = pss_kb(server);
    int64_t start = clock_ms();
    char byte;
    for (int i = 0; i < n; i++) {
        fds[i] = test_connect(shared->tls_port);
        if (fds[i] < 0 || (ssl[i] = test_tls_client(ctx, fds[i], NULL)) == NULL ||
            SSL_read(ssl[i], &byte, 1) != 1)
            die("only %d connections", i);
    }
    printf("%d full handshakes, one after the other: %ld a second\n", n,
           n * 1000L / (clock_ms() - start + 1));
    poll(NULL, 0, 200);
    long after = pss_kb(server);
    printf("server at rest %ld KiB; with %d idle TLS connections %ld KiB: %.2f KiB each\n", before,
           n, after, (double)(after - before) / n);
    ask(PHASE_WAKE_ONE);
    qsort(shared->took, WAKES, sizeof *shared->took, by_value);
    printf("wake to event: p50 %ld us, p90 %ld us, p99 %ld us\n", (long)shared->took[WAKES / 2],
           (long)shared->took[WAKES * 9 / 10], (long)shared->took[WAKES * 99 / 100]);
    for (int i = 0; i < 3; i++)
        ask(PHASE_WAKE_ALL);
    for (int i = 0; i < n; i++) {
        SSL_free(ssl[i]);
        close(fds[i]);
    }
    SSL_CTX_free(ctx);
    mem_free(fds);
    mem_free(ssl);
}

int main(int argc, char **argv)
{
    uint32_t n = 2000;
    if (argc > 1 && parse_u32(slice_str(argv[1]), LIMIT_CONNECTIONS, &n) != OK)
        return 2;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        die("setrlimit");
    signal(SIGPIPE, SIG_IGN);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    pid_t server = fork();
    if (server == 0)
        serve();
    poll(NULL, 0, 500);
    for (int tls = 0; tls < 2; tls++) {
        echo(1, 1, tls);
        echo(8, 1, tls);
        echo(10, 25, tls);
    }
    poll(NULL, 0, 300);
    if (n >= ALL_WAKES)
        idle(server, (int)n);
    atomic_store(&shared->phase, PHASE_END);
    waitpid(server, NULL, 0);
    return 0;
}
