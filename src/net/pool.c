/* Workers: how many there are, what they take next, and lanes.
 *
 * Workers wait in epoll themselves. What does not come from there (a connection that was woken, a
 * submitted job) stands in the queue, and an eventfd in the same epoll (edge-triggered, so nobody
 * has to read it) calls one worker; that one calls the next while there is more.
 *
 * A lane holds back what would take more workers than its share. As the pool may grow to the sum of
 * all lanes, one lane never waits for another. */
#include "base/log.h"
#include "base/mem.h"
#include "net/runtime_private.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Sanitizers make frames several times as big. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORKER_STACK ((size_t)8 * LIMIT_WORKER_STACK)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORKER_STACK ((size_t)8 * LIMIT_WORKER_STACK)
#endif
#endif
#ifndef WORKER_STACK
#define WORKER_STACK LIMIT_WORKER_STACK
#endif

/* --- Kicks --- */

static void kick(struct runtime *rt)
{
    uint64_t one = 1;
    if (write(rt->queue.kick_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        bug("eventfd: %s", strerror(errno));
}

static void kick_once(struct runtime *rt)
{
    if (!atomic_exchange(&rt->queue.kicked, true))
        kick(rt);
}

void pool_poke(struct runtime *rt)
{
    if (!atomic_exchange(&rt->pool.watch, true))
        keeper_poke(rt);
}

/* Something new is in the queue. */
static void queue_announce(struct runtime *rt)
{
    kick_once(rt);
    if (atomic_load(&rt->pool.idle) == 0)
        pool_poke(rt);
}

void queue_conn(struct runtime *rt, struct conn *c)
{
    struct queue *q = &rt->queue;
    c->next = NULL;
    pthread_mutex_lock(&q->lock);
    if (q->last)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
    atomic_fetch_add(&q->length, 1);
    pthread_mutex_unlock(&q->lock);
    queue_announce(rt);
}

void runtime_submit(struct runtime *rt, void (*fn)(void *arg), void *arg)
{
    struct queue *q = &rt->queue;
    struct job *j = mem_alloc(sizeof *j);
    *j = (struct job){NULL, fn, arg};
    pthread_mutex_lock(&q->lock);
    if (q->last_job)
        q->last_job->next = j;
    else
        q->first_job = j;
    q->last_job = j;
    atomic_fetch_add(&q->length, 1);
    pthread_mutex_unlock(&q->lock);
    queue_announce(rt);
}

/* --- Lanes --- */

void lane_init(struct lane *l, uint32_t limit)
{
    pthread_mutex_init(&l->lock, NULL);
    l->limit = limit;
}

/* False: the lane is full and the connection waits in it. */
static bool lane_enter(struct lane *l, struct conn *c)
{
    pthread_mutex_lock(&l->lock);
    bool room = l->running < l->limit;
    if (room) {
        l->running++;
    } else {
        c->next = NULL;
        if (l->last)
            l->last->next = c;
        else
            l->first = c;
        l->last = c;
        atomic_fetch_add(&l->waiting, 1);
    }
    pthread_mutex_unlock(&l->lock);
    return room;
}

/* The next one that waits, whose place the worker keeps; or NULL, and the place is free. */
static struct conn *lane_leave(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    struct conn *c = l->first;
    if (c) {
        l->first = c->next;
        if (!l->first)
            l->last = NULL;
        atomic_fetch_sub(&l->waiting, 1);
    } else {
        l->running--;
    }
    pthread_mutex_unlock(&l->lock);
    return c;
}

void run_in_lane(struct worker *w, struct conn *c)
{
    struct lane *lane = &c->listener->lane;
    if (!lane_enter(lane, c))
        return;
    while (c) {
        run_conn(w, c);
        atomic_fetch_add_explicit(&w->rt->pool.served, 1, memory_order_relaxed);
        c = lane_leave(lane);
    }
}

bool pool_crowded(struct runtime *rt, struct lane *l)
{
    return atomic_load(&l->waiting) > 0 || atomic_load(&rt->queue.length) > 0 ||
           atomic_load(&rt->pool.idle) == 0;
}

/* --- Workers --- */

static void *worker_main(void *arg);

/* With pool.lock held. */
static bool worker_start(struct runtime *rt)
{
    struct pool *p = &rt->pool;
    struct worker *w = mem_alloc(sizeof *w);
    w->rt = rt;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    /* Signals are for the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t id;
    int e = pthread_create(&id, &attr, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (e != 0) {
        mem_free(w);
        log_error("net.worker", log_text("why", strerror(e)), log_u64("workers", p->workers));
        return false;
    }
    p->workers++;
    atomic_store(&p->now, p->workers);
    p->starting = true;
    return true;
}

/* Nobody waits in epoll any more. A few workers are started at once; beyond them the keeper looks
 * whether the others are blocked or only many. */
static void pool_short(struct runtime *rt)
{
    struct pool *p = &rt->pool;
    if (atomic_load(&p->watch) && atomic_load(&p->now) >= p->soft)
        return;
    bool ask = false;
    pthread_mutex_lock(&p->lock);
    if (p->workers < p->soft) {
        if (!p->starting && !atomic_load(&p->ending) && !worker_start(rt))
            ask = true;
    } else {
        ask = p->workers < p->limit;
    }
    pthread_mutex_unlock(&p->lock);
    if (ask)
        pool_poke(rt);
}

/* Is there work that nobody has taken? */
static bool pool_late(struct runtime *rt)
{
    if (atomic_load(&rt->queue.length) > 0)
        return true;
    struct pollfd p = {.fd = rt->epoll_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

bool pool_watch(struct runtime *rt, uint64_t *served, uint32_t *burst, uint32_t *calm)
{
    enum { CALM_LOOKS = 50 };
    struct pool *p = &rt->pool;
    uint64_t now = atomic_load_explicit(&p->served, memory_order_relaxed);
    uint64_t done = now - *served;
    *served = now;
    if (atomic_load(&p->idle) > 0 || !pool_late(rt)) {
        *burst = 1;
        if (++*calm < CALM_LOOKS)
            return true;
        *calm = 0;
        atomic_store(&p->watch, false);
        /* Whoever came too late to ask again is seen here. */
        return atomic_load(&p->idle) == 0 && pool_late(rt) && !atomic_exchange(&p->watch, true);
    }
    *calm = 0;
    pthread_mutex_lock(&p->lock);
    /* When each worker finished something since the last look they are not blocked but short of
     * processors: more of them would not help. */
    bool blocked = done < p->workers;
    for (uint32_t i = 0; blocked && i < *burst && p->workers < p->limit; i++)
        if (!worker_start(rt))
            break;
    pthread_mutex_unlock(&p->lock);
    if (blocked && *burst < LIMIT_WORKERS_BURST)
        *burst *= 2;
    return true;
}

/* What the worker takes from the queue. */
struct piece {
    struct conn *c;
    struct job *j;
};

static bool queue_take(struct runtime *rt, struct piece *out)
{
    struct queue *q = &rt->queue;
    *out = (struct piece){NULL, NULL};
    if (atomic_load(&q->length) == 0)
        return false;
    pthread_mutex_lock(&q->lock);
    bool job = q->first_job && q->jobs_running < rt->workers_per_lane;
    if (job && (q->jobs_turn || !q->first)) {
        out->j = q->first_job;
        q->first_job = out->j->next;
        if (!q->first_job)
            q->last_job = NULL;
        q->jobs_running++;
    } else if (q->first) {
        out->c = q->first;
        q->first = out->c->next;
        if (!q->first)
            q->last = NULL;
    }
    q->jobs_turn = !q->jobs_turn;
    bool found = out->j || out->c;
    if (found)
        atomic_fetch_sub(&q->length, 1);
    bool more = q->first || (q->first_job && q->jobs_running < rt->workers_per_lane);
    pthread_mutex_unlock(&q->lock);
    if (more && atomic_load(&rt->pool.idle) > 0)
        kick_once(rt);
    return found;
}

static void job_run(struct runtime *rt, struct job *j)
{
    struct queue *q = &rt->queue;
    j->fn(j->arg);
    mem_free(j);
    atomic_fetch_add_explicit(&rt->pool.served, 1, memory_order_relaxed);
    pthread_mutex_lock(&q->lock);
    q->jobs_running--;
    pthread_mutex_unlock(&q->lock);
}

static bool worker_queue(struct worker *w)
{
    struct piece p;
    if (!queue_take(w->rt, &p))
        return false;
    if (atomic_load(&w->rt->pool.idle) == 0)
        pool_short(w->rt);
    if (p.j)
        job_run(w->rt, p.j);
    else
        run_in_lane(w, p.c);
    return true;
}

static void worker_event(struct worker *w, uint64_t name)
{
    struct runtime *rt = w->rt;
    if (name == 0) {
        atomic_store(&rt->queue.kicked, false); /* the queue is looked at next */
        return;
    }
    if (name <= MAX_LISTENERS) {
        struct listener *l = atomic_load(&rt->listener_at[name - 1]);
        if (l)
            accept_one(w, l);
        return;
    }
    uint32_t generation = 0;
    struct conn *c = slot_find(rt, name, &generation);
    if (c && own_notify(c, generation, OWN_INPUT))
        run_in_lane(w, c);
}

/* False: the worker has ended (and is no longer counted). */
static bool worker_stays(struct runtime *rt, bool was_idle)
{
    struct pool *p = &rt->pool;
    bool ending = atomic_load(&p->ending);
    if (!ending && !was_idle)
        return true;
    pthread_mutex_lock(&p->lock);
    bool stays = !ending && p->workers <= LIMIT_WORKERS_REST;
    pthread_t before = p->corpse;
    bool join = false;
    if (!stays) {
        p->workers--;
        atomic_store(&p->now, p->workers);
        join = p->have_corpse;
        p->corpse = pthread_self();
        p->have_corpse = true;
    }
    pthread_mutex_unlock(&p->lock);
    if (stays)
        return true;
    if (join)
        pthread_join(before, NULL);
    return false;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct runtime *rt = w->rt;
    struct pool *p = &rt->pool;
    pthread_setname_np(pthread_self(), "worker");
    pthread_mutex_lock(&p->lock);
    p->starting = false;
    pthread_mutex_unlock(&p->lock);
    for (bool was_idle = false;;) {
        if (!atomic_load(&p->ending) && worker_queue(w))
            continue;
        if (!worker_stays(rt, was_idle))
            break;
        struct epoll_event e;
        int wait_ms = atomic_load(&p->now) > LIMIT_WORKERS_REST ? LIMIT_WORKER_IDLE_MS : -1;
        atomic_fetch_add(&p->idle, 1);
        int n = epoll_wait(rt->epoll_fd, &e, 1, wait_ms);
        bool last = atomic_fetch_sub(&p->idle, 1) == 1;
        was_idle = n == 0;
        if (n < 0 && errno != EINTR)
            bug("epoll_wait: %s", strerror(errno));
        if (n <= 0)
            continue;
        if (last && e.data.u64 != 0)
            pool_short(rt);
        worker_event(w, e.data.u64);
    }
    kick(rt); /* the next one, when all are to end */
    buf_free(&w->spare_in);
    buf_free(&w->spare_out);
    mem_free(w);
    return NULL;
}

/* --- Beginning and end --- */

void pool_init(struct runtime *rt)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    rt->pool.soft = cores < 2 ? 4 : (uint32_t)(2 * cores);
    pthread_mutex_init(&rt->pool.lock, NULL);
    pthread_mutex_init(&rt->queue.lock, NULL);
    rt->queue.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
    if (rt->queue.kick_fd < 0 || epoll_ctl(rt->epoll_fd, EPOLL_CTL_ADD, rt->queue.kick_fd, &e) < 0)
        die("eventfd: %s", strerror(errno));
}

void pool_free(struct runtime *rt)
{
    close(rt->queue.kick_fd);
    pthread_mutex_destroy(&rt->pool.lock);
    pthread_mutex_destroy(&rt->queue.lock);
}

void pool_begin(struct runtime *rt)
{
    pthread_mutex_lock(&rt->pool.lock);
    while (rt->pool.workers < LIMIT_WORKERS_REST)
        if (!worker_start(rt))
            die("no thread can be started");
    pthread_mutex_unlock(&rt->pool.lock);
}

void pool_end(struct runtime *rt)
{
    struct pool *p = &rt->pool;
    atomic_store(&p->ending, true);
    for (;;) {
        kick(rt);
        pthread_mutex_lock(&p->lock);
        uint32_t left = p->workers;
        pthread_t last = p->corpse;
        bool join = left == 0 && p->have_corpse;
        if (join)
            p->have_corpse = false;
        pthread_mutex_unlock(&p->lock);
        if (join)
            pthread_join(last, NULL);
        if (left == 0)
            return;
        poll(NULL, 0, 1);
    }
}
