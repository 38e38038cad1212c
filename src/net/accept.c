/* Listeners: accepting, and the limits a listener and an address have.
 *
 * A listener is registered one-shot like a connection. Whoever gets its event accepts one
 * connection, arms it again, and goes on with that connection: the next one is another worker's. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/runtime_private.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

bool accept_arm(struct listener *l, int op)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = l->index};
    if (epoll_ctl(l->rt->epoll_fd, op, l->o.fd, &e) == 0)
        return true;
    log_error("net.epoll", log_text("protocol", l->o.protocol->name),
              log_text("why", strerror(errno)));
    return false;
}

/* --- Counting by address --- */

static struct peer_count **count_find(struct runtime *rt, const struct protocol *p, struct ip ip)
{
    struct peer_count **at = &rt->counts[hash_bytes(slice_of(ip.b, sizeof ip.b)) % COUNT_BUCKETS];
    while (*at && !((*at)->protocol == p && ip_eq((*at)->ip, ip)))
        at = &(*at)->next;
    return at;
}

/* Counts the connection with its address; false when there are too many. */
static bool count_peer(struct conn *c)
{
    struct listener *l = c->listener;
    struct runtime *rt = l->rt;
    struct ip ip = ip_counting(c->peer);
    uint32_t max = l->o.max_per_address;
    pthread_mutex_lock(&rt->lock);
    struct peer_count **at = count_find(rt, l->o.protocol, ip);
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        **at = (struct peer_count){.protocol = l->o.protocol, .ip = ip};
    }
    bool room = (*at)->n < max;
    if (room) {
        (*at)->n++;
        c->count = *at;
    }
    pthread_mutex_unlock(&rt->lock);
    return room;
}

void accept_uncount(struct conn *c)
{
    struct listener *l = c->listener;
    struct runtime *rt = l->rt;
    if (c->counted)
        atomic_fetch_sub(&l->connections, 1);
    c->counted = false;
    if (!c->count)
        return;
    pthread_mutex_lock(&rt->lock);
    if (--c->count->n == 0) {
        struct peer_count **at = count_find(rt, c->count->protocol, c->count->ip);
        *at = c->count->next;
        mem_free(c->count);
    }
    pthread_mutex_unlock(&rt->lock);
    c->count = NULL;
}

/* --- Accepting --- */

static bool out_of_room(int e)
{
    return e == EMFILE || e == ENFILE || e == ENOMEM || e == ENOBUFS;
}

/* Without descriptors the pending connection would be reported again at once and for ever: leave
 * the listener disarmed for a moment. */
static void accept_pause(struct listener *l, int e)
{
    atomic_store(&l->paused, true);
    int64_t now = clock_ms();
    if (now >= atomic_load(&l->rt->quiet_until)) {
        atomic_store(&l->rt->quiet_until, now + LIMIT_ACCEPT_QUIET_MS);
        log_error("net.accept", log_text("protocol", l->o.protocol->name),
                  log_text("why", strerror(e)));
    }
    if (!atomic_exchange(&l->rt->paused, true))
        keeper_poke(l->rt);
}

void accept_resume(struct runtime *rt)
{
    atomic_store(&rt->paused, false);
    for (uint32_t i = 0; i < MAX_LISTENERS; i++) {
        struct listener *l = atomic_load(&rt->listener_at[i]);
        if (!l || !atomic_exchange(&l->paused, false))
            continue;
        pthread_mutex_lock(&l->accept_lock);
        if (!l->closed && !accept_arm(l, EPOLL_CTL_MOD))
            log_error("net.listener-lost", log_text("protocol", l->o.protocol->name));
        pthread_mutex_unlock(&l->accept_lock);
    }
}

/* Takes one connection off the listener and gives it a slot. The slot is taken under the
 * listener's lock, so that after accept_close() every connection has one and runtime_stop() finds
 * it. */
static struct conn *accept_take(struct listener *l)
{
    struct runtime *rt = l->rt;
    struct conn *c = NULL;
    pthread_mutex_lock(&l->accept_lock);
    if (l->closed)
        goto done;
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    int fd = accept4(l->o.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && out_of_room(errno)) {
        accept_pause(l, errno);
        goto done;
    }
    struct ip peer = {{0}};
    uint16_t port = 0;
    if (fd >= 0) {
        if (ip_from_sockaddr((struct sockaddr *)&sa, &peer, &port) == OK)
            c = slot_take(rt);
        if (c) {
            c->listener = l;
            c->fd = fd;
            c->peer = peer;
            c->id = atomic_fetch_add(&rt->last_id, 1) + 1;
            atomic_fetch_add(&rt->connections, 1);
        } else {
            close(fd);
            atomic_fetch_add(&rt->refused, 1);
        }
    }
    if (!accept_arm(l, EPOLL_CTL_MOD))
        log_error("net.listener-lost", log_text("protocol", l->o.protocol->name));
done:
    pthread_mutex_unlock(&l->accept_lock);
    return c;
}

/* Why the connection may not stay; NULL when it may. */
static const char *refusal(struct conn *c, bool *silent)
{
    struct listener *l = c->listener;
    *silent = true;
    if (l->o.admit && !l->o.admit(l->o.service, c->peer))
        return "not admitted";
    *silent = false;
    c->counted = true;
    if (atomic_fetch_add(&l->connections, 1) >= l->o.max_connections)
        return "too many connections";
    if (l->o.exempt && l->o.exempt(l->o.service, c->peer))
        return NULL;
    if (!count_peer(c))
        return "too many connections from this address";
    return NULL;
}

static void refuse(struct conn *c, const char *why, bool silent)
{
    struct listener *l = c->listener;
    char peer[IP_TEXT];
    ip_print(c->peer, peer);
    log_info("net.refused", log_text("protocol", l->o.protocol->name), log_text("peer", peer),
             log_text("why", why));
    atomic_fetch_add(&l->rt->refused, 1);
    struct slice s = l->o.busy_text;
    /* A fresh socket has room for a line; whoever does not take it goes without. */
    if (!silent && !l->o.implicit_tls && s.n > 0)
        (void)!send(c->fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void accept_one(struct worker *w, struct listener *l)
{
    struct conn *c = accept_take(l);
    if (!c)
        return;
    bool silent = false;
    const char *why = refusal(c, &silent);
    if (why) {
        refuse(c, why, silent);
        c->worker = w;
        end_conn(c);
        return;
    }
    atomic_fetch_add(&l->rt->accepted, 1);
    run_in_lane(w, c);
}

void accept_close(struct listener *l)
{
    pthread_mutex_lock(&l->accept_lock);
    if (!l->closed) {
        l->closed = true;
        /* Another process may hold the same socket: it must leave our epoll by name. */
        if (epoll_ctl(l->rt->epoll_fd, EPOLL_CTL_DEL, l->o.fd, NULL) < 0 && errno != ENOENT)
            log_error("net.epoll", log_text("why", strerror(errno)));
        close(l->o.fd);
        l->o.fd = -1;
    }
    pthread_mutex_unlock(&l->accept_lock);
}
