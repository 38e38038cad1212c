/* Connecting: the race of a host's addresses, and the bell that ends all waits. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/dial_private.h"
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- The bell --- */

static atomic_bool stopped;
static int bell = -1; /* readable for ever once everything is to stop */
static pthread_once_t bell_once = PTHREAD_ONCE_INIT;

static void bell_make(void)
{
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        die("no descriptor to stop connections by: %s", strerror(errno));
}

void dial_stop_all(void)
{
    pthread_once(&bell_once, bell_make);
    atomic_store(&stopped, true);
    uint64_t one = 1;
    if (write(bell, &one, sizeof one) != (ssize_t)sizeof one && errno != EAGAIN)
        die("cannot stop connections: %s", strerror(errno));
}

bool dial_stopped(void)
{
    return atomic_load(&stopped);
}

enum error dial_wait(struct pollfd *polled, size_t n, int64_t deadline)
{
    pthread_once(&bell_once, bell_make);
    polled[n] = (struct pollfd){.fd = bell, .events = POLLIN};
    for (;;) {
        if (dial_stopped())
            return ERR_CLOSED;
        int64_t left = deadline - clock_ms();
        if (left <= 0)
            return ERR_TIMEOUT;
        int ready = poll(polled, (nfds_t)n + 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready < 0 && errno != EINTR)
            return ERR_IO;
        if (ready > 0 && polled[n].revents == 0)
            return OK;
    }
}

/* --- One address --- */

static int bind_to(int fd, const struct ip *from)
{
    struct sockaddr_storage sa;
    const int on = 1;
    socklen_t len = ip_to_sockaddr(*from, 0, &sa);
    /* The port is chosen at connect(), by the pair: else they run out long before they must. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&sa, len);
}

/* Begins to connect; -1 with errno when that fails at once. */
static int start(const struct dial_address *a, const struct dial_options *o)
{
    const bool v4 = ip_is_v4(a->ip);
    const struct ip *from = v4 ? o->bind4 : o->bind6;
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    const int on = 1; /* lines and their answers: nothing is gained by waiting for more */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_storage sa;
    socklen_t len = ip_to_sockaddr(a->ip, a->port, &sa);
    if ((!from || bind_to(fd, from) == 0) &&
        (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS))
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

/* --- The race --- */

struct runner {
    int fd;
    size_t which;
    int64_t until;
};

struct race {
    const struct dial_options *o;
    size_t n;       /* addresses that count */
    size_t started; /* of them */
    int64_t next;   /* when another one starts beside those that run */
    struct runner runner[LIMIT_DIAL_ADDRESSES];
    size_t running;
    int why; /* errno of the last that failed */
};

static void start_next(struct race *r)
{
    size_t which = r->started++;
    int64_t now = clock_ms();
    int fd = start(&r->o->address[which], r->o);
    if (fd < 0) {
        r->why = errno;
        return;
    }
    r->runner[r->running++] = (struct runner){fd, which, now + LIMIT_DIAL_CONNECT_MS};
    r->next = now + LIMIT_DIAL_NEXT_MS;
}

static void drop(struct race *r, size_t i, int why)
{
    close(r->runner[i].fd);
    memmove(&r->runner[i], &r->runner[i + 1], (r->running - i - 1) * sizeof r->runner[i]);
    r->running--;
    r->why = why;
    r->next = 0;
}

/* Looks at those that poll() reported; true when one is there, which then is runner[*winner]. */
static bool look(struct race *r, const struct pollfd *polled, size_t *winner)
{
    size_t before = r->running;
    for (size_t seen = 0, i = 0; seen < before; seen++) {
        if (polled[seen].revents == 0) {
            i++;
            continue;
        }
        int e = 0;
        socklen_t len = sizeof e;
        if (getsockopt(r->runner[i].fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
            e = errno;
        if (e == 0) {
            *winner = i;
            return true;
        }
        drop(r, i, e);
    }
    return false;
}

static void drop_late(struct race *r)
{
    int64_t now = clock_ms();
    for (size_t i = 0; i < r->running;) {
        if (r->runner[i].until > now)
            i++;
        else
            drop(r, i, ETIMEDOUT);
    }
}

/* When something is to be done without any news from the network. */
static int64_t wake_time(const struct race *r)
{
    int64_t t = r->o->deadline;
    if (r->started < r->n && r->next < t)
        t = r->next;
    for (size_t i = 0; i < r->running; i++)
        if (r->runner[i].until < t)
            t = r->runner[i].until;
    return t;
}

static enum error run(struct race *r, size_t *winner)
{
    for (;;) {
        if (dial_stopped())
            return ERR_CLOSED;
        drop_late(r);
        if (clock_ms() >= r->o->deadline) {
            r->why = ETIMEDOUT;
            return ERR_TIMEOUT;
        }
        while (r->started < r->n && (r->running == 0 || clock_ms() >= r->next))
            start_next(r);
        if (r->running == 0)
            return r->why == ETIMEDOUT ? ERR_TIMEOUT : ERR_IO;
        struct pollfd polled[LIMIT_DIAL_ADDRESSES + 1];
        for (size_t i = 0; i < r->running; i++)
            polled[i] = (struct pollfd){.fd = r->runner[i].fd, .events = POLLOUT};
        enum error e = dial_wait(polled, r->running, wake_time(r));
        if (e == OK && look(r, polled, winner))
            return OK;
        if (e != OK && e != ERR_TIMEOUT)
            return e;
    }
}

enum error dial_race(const struct dial_options *o, int *fd, size_t *which, int *why_errno)
{
    struct race r = {.o = o, .n = o->n, .why = EADDRNOTAVAIL};
    if (r.n > LIMIT_DIAL_ADDRESSES)
        r.n = LIMIT_DIAL_ADDRESSES;
    size_t winner = 0;
    enum error e = run(&r, &winner);
    for (size_t i = 0; i < r.running; i++)
        if (e != OK || i != winner)
            close(r.runner[i].fd);
    if (e != OK) {
        *why_errno = r.why;
        return e;
    }
    *fd = r.runner[winner].fd;
    *which = r.runner[winner].which;
    return OK;
}
