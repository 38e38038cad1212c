/* The runtime's life: making it, its listeners, the keeper, stopping it. */
#include "net/runtime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/runtime_private.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

enum error runtime_new(const struct runtime_options *o, struct runtime **out)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return ERR_IO;
    /* Many threads, little memory: without this glibc makes an arena a thread, up to eight a core.
     */
    mallopt(M_ARENA_MAX, 2);
    struct runtime *rt = mem_alloc(sizeof *rt);
    rt->epoll_fd = epoll_fd;
    rt->workers_per_lane = o->max_workers ? o->max_workers : LIMIT_WORKERS_PER_LISTENER;
    rt->pool.limit = rt->workers_per_lane; /* the jobs' lane */
    atomic_store(&rt->refs, 1);
    pthread_mutex_init(&rt->lock, NULL);
    pthread_mutex_init(&rt->slots.lock, NULL);
    timer_init(rt);
    pool_init(rt);
    *out = rt;
    return OK;
}

static enum error listener_socket(int fd, bool may_wait)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ERR_IO;
    /* What can wait for the peer need not lie in the kernel; and an answer that is asked for
     * meanwhile has less to wait for. Accepted sockets inherit it. */
    int unsent = LIMIT_UNSENT;
    if (may_wait && setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) < 0)
        return ERR_IO;
    return OK;
}

enum error runtime_listen(struct runtime *rt, const struct listener_options *o)
{
    if (!o->protocol || !o->protocol->open || !o->protocol->input || (o->implicit_tls && !o->tls))
        return ERR_INPUT;
    if (listener_socket(o->fd, o->protocol->writable != NULL) != OK)
        return ERR_IO;
    struct listener *l = mem_alloc(sizeof *l);
    l->rt = rt;
    l->o = *o;
    if (l->o.max_connections == 0)
        l->o.max_connections = LIMIT_CONNECTIONS;
    if (l->o.max_per_address == 0)
        l->o.max_per_address = LIMIT_CONNECTIONS_ADDRESS;
    lane_init(&l->lane, rt->workers_per_lane);
    pthread_mutex_init(&l->accept_lock, NULL);

    enum error e = OK;
    pthread_mutex_lock(&rt->lock);
    if (atomic_load(&rt->stopping))
        e = ERR_CLOSED;
    else if (rt->n_listeners == MAX_LISTENERS)
        e = ERR_LIMIT;
    if (e == OK) {
        l->index = ++rt->n_listeners;
        l->next = rt->listeners;
        rt->listeners = l;
        atomic_store(&rt->listener_at[l->index - 1], l);
    }
    pthread_mutex_unlock(&rt->lock);
    if (e != OK)
        goto fail;
    pthread_mutex_lock(&rt->pool.lock);
    rt->pool.limit += rt->workers_per_lane;
    pthread_mutex_unlock(&rt->pool.lock);
    /* From here on a worker may accept from it. When the service stopped meanwhile it is closed. */
    pthread_mutex_lock(&l->accept_lock);
    if (!l->closed && !accept_arm(l, EPOLL_CTL_ADD)) {
        l->closed = true; /* it stays in the list, as an empty place; the descriptor is not ours */
        e = ERR_IO;
    }
    pthread_mutex_unlock(&l->accept_lock);
    return e;
fail:
    pthread_mutex_destroy(&l->lane.lock);
    pthread_mutex_destroy(&l->accept_lock);
    mem_free(l);
    return e;
}

/* --- The keeper --- */

void runtime_every(struct runtime *rt, int every_ms, void (*fn)(void *arg), void *arg)
{
    struct every *v = mem_alloc(sizeof *v);
    *v = (struct every){.fn = fn, .arg = arg, .every_ms = every_ms, .at = clock_ms() + every_ms};
    pthread_mutex_lock(&rt->lock);
    v->next = rt->every;
    rt->every = v;
    pthread_mutex_unlock(&rt->lock);
    keeper_poke(rt);
}

/* Runs what is due; returns when the next is. The list only grows at its head. */
static int64_t run_every(struct runtime *rt, int64_t now)
{
    pthread_mutex_lock(&rt->lock);
    struct every *v = rt->every;
    pthread_mutex_unlock(&rt->lock);
    int64_t next = NEVER;
    for (; v; v = v->next) {
        if (v->at <= now) {
            v->fn(v->arg);
            v->at = clock_ms() + v->every_ms;
        }
        if (v->at < next)
            next = v->at;
    }
    return next;
}

/* Leaves a reason with every connection. */
static void notify_all(struct runtime *rt, uint32_t why)
{
    uint32_t used = atomic_load(&rt->slots.used);
    for (uint32_t i = 0; i < used; i++) {
        struct conn *c = atomic_load(&rt->slots.chunk[i / SLOTS_CHUNK]) + i % SLOTS_CHUNK;
        if (own_notify(c, own_generation(c), why))
            queue_conn(rt, c);
    }
}

static void close_listeners(struct runtime *rt)
{
    /* Whoever is adding a listener has either added it now or sees that we are stopping. */
    pthread_mutex_lock(&rt->lock);
    pthread_mutex_unlock(&rt->lock);
    for (uint32_t i = 0; i < MAX_LISTENERS; i++) {
        struct listener *l = atomic_load(&rt->listener_at[i]);
        if (l)
            accept_close(l);
    }
}

/* Sleeps until `until` or until poked. */
static void keeper_sleep(struct runtime *rt, int64_t until)
{
    struct timers *t = &rt->timers;
    struct conn *due = NULL;
    pthread_mutex_lock(&t->lock);
    int64_t next = timer_due(rt, clock_ms(), &due);
    if (next < until)
        until = next;
    t->keeper_until = until;
    int e = 0;
    while (!due && !t->poked && e != ETIMEDOUT) {
        if (until == NEVER) {
            e = pthread_cond_wait(&t->changed, &t->lock);
        } else {
            struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
            e = pthread_cond_timedwait(&t->changed, &t->lock, &ts);
        }
    }
    t->poked = false;
    pthread_mutex_unlock(&t->lock);
    while (due) {
        struct conn *c = due;
        due = c->next;
        queue_conn(rt, c);
    }
}

struct keeper {
    int64_t every_at, resume_at, watch_at;
    uint64_t served;
    uint32_t burst, calm;
    bool stopped, cut;
};

/* One look at everything that is the keeper's; returns when to look again. */
static int64_t keeper_look(struct runtime *rt, struct keeper *k)
{
    int64_t now = clock_ms(), next = run_every(rt, now);
    if (atomic_load(&rt->paused)) {
        if (k->resume_at == 0)
            k->resume_at = now + LIMIT_ACCEPT_PAUSE_MS;
        if (now >= k->resume_at) {
            k->resume_at = 0;
            accept_resume(rt);
        } else if (k->resume_at < next) {
            next = k->resume_at;
        }
    }
    if (atomic_load(&rt->pool.watch)) {
        if (now >= k->watch_at && pool_watch(rt, &k->served, &k->burst, &k->calm))
            k->watch_at = now + LIMIT_WORKER_WATCH_MS;
        if (atomic_load(&rt->pool.watch) && k->watch_at < next)
            next = k->watch_at;
    }
    if (!atomic_load(&rt->stopping))
        return next;
    if (!k->stopped) {
        k->stopped = true;
        close_listeners(rt);
        notify_all(rt, OWN_STOP);
    }
    int64_t until = atomic_load(&rt->stop_until);
    if (!k->cut && now >= until) {
        k->cut = true;
        atomic_store(&rt->cut, true);
        log_info("net.cut", log_u64("connections", atomic_load(&rt->connections)));
        notify_all(rt, OWN_CUT);
    }
    return !k->cut && until < next ? until : next;
}

static bool queue_empty(struct runtime *rt)
{
    pthread_mutex_lock(&rt->queue.lock);
    bool empty = !rt->queue.first && !rt->queue.first_job && rt->queue.jobs_running == 0;
    pthread_mutex_unlock(&rt->queue.lock);
    return empty;
}

void runtime_run(struct runtime *rt)
{
    struct keeper k = {.burst = 1};
    pool_begin(rt);
    for (;;) {
        int64_t next = keeper_look(rt, &k);
        if (k.stopped && atomic_load(&rt->connections) == 0) {
            if (queue_empty(rt))
                break;
            next = clock_ms() + LIMIT_WORKER_WATCH_MS; /* the last jobs */
        }
        keeper_sleep(rt, next);
    }
    pool_end(rt);
}

void runtime_stop(struct runtime *rt, int grace_ms)
{
    atomic_store(&rt->stop_until, clock_ms() + (grace_ms > 0 ? grace_ms : 0));
    atomic_store(&rt->stopping, true);
    keeper_poke(rt);
}

void runtime_unref(struct runtime *rt)
{
    if (atomic_fetch_sub(&rt->refs, 1) != 1)
        return;
    slots_free(rt);
    mem_free(rt);
}

void runtime_free(struct runtime *rt)
{
    if (!rt)
        return;
    while (rt->listeners) {
        struct listener *l = rt->listeners;
        rt->listeners = l->next;
        accept_close(l);
        pthread_mutex_destroy(&l->lane.lock);
        pthread_mutex_destroy(&l->accept_lock);
        mem_free(l);
    }
    while (rt->every) {
        struct every *v = rt->every;
        rt->every = v->next;
        mem_free(v);
    }
    while (rt->queue.first_job) { /* submitted after the end, or never run */
        struct job *j = rt->queue.first_job;
        rt->queue.first_job = j->next;
        mem_free(j);
    }
    timer_free(rt);
    pool_free(rt);
    close(rt->epoll_fd);
    pthread_mutex_destroy(&rt->lock);
    runtime_unref(rt);
}

struct runtime_stats runtime_stats(struct runtime *rt)
{
    return (struct runtime_stats){
        .connections = atomic_load(&rt->connections),
        .workers = atomic_load(&rt->pool.now),
        .idle_workers = atomic_load(&rt->pool.idle),
        .accepted = atomic_load(&rt->accepted),
        .refused = atomic_load(&rt->refused),
    };
}
