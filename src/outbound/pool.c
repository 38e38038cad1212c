/* Threads for what is under way, and the connections that are kept for what comes next.
 *
 * One lock guards everything; it is held for list work only, never over a look-up, a connection or
 * an answer. Threads are made when work waits and none is idle, and end when nothing came for
 * LIMIT_OUTBOUND_IDLE_MS. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/ipc.h"
#include "outbound/outbound_private.h"
#include "outbound/repeat.h"
#include <pthread.h>
#include <unistd.h>

/* Under a sanitizer frames are several times as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OUTBOUND_STACK ((size_t)8 * LIMIT_OUTBOUND_STACK)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OUTBOUND_STACK ((size_t)8 * LIMIT_OUTBOUND_STACK)
#endif
#endif
#ifndef OUTBOUND_STACK
#define OUTBOUND_STACK ((size_t)LIMIT_OUTBOUND_STACK)
#endif

struct job {
    struct job *next;
    uint64_t ticket;
    int64_t deadline; /* clock_ms(): `mail` does not wait longer */
    uint64_t generation;
    int memfd;
    bool refuse; /* too much waits already */
    struct slice request, small;
    uint8_t bytes[]; /* of both */
};

struct outbound {
    struct outbound_options o;
    struct repeats *repeats;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work;  /* a job came, or the end */
    pthread_cond_t ended; /* a thread or a transaction has */
    struct job *first, **last;
    size_t waiting;
    uint64_t generation; /* counts the `mail`s that were forgotten */
    unsigned threads, idle, under_way, transactions;
    bool stopping;
    struct session *kept; /* the latest first */
    unsigned n_kept;
};

/* --- Kept sessions --- */

struct session *pool_take(struct outbound *o, struct slice key)
{
    for (;;) {
        pthread_mutex_lock(&o->lock);
        struct session **at = &o->kept;
        while (*at && !slice_eq(buf_slice(&(*at)->key), key))
            at = &(*at)->next;
        struct session *s = *at;
        if (s) {
            *at = s->next;
            o->n_kept--;
        }
        pthread_mutex_unlock(&o->lock);
        if (!s || client_reusable(s->client))
            return s;
        session_free(s);
    }
}

static bool has_room(const struct outbound *o, const struct session *s)
{
    unsigned alike = 0;
    for (const struct session *k = o->kept; k; k = k->next)
        if (slice_eq(buf_slice(&k->key), buf_slice(&s->key)))
            alike++;
    return o->n_kept < LIMIT_OUTBOUND_KEPT && alike < LIMIT_OUTBOUND_KEPT_ALIKE && !o->stopping;
}

void pool_keep(struct outbound *o, struct session *s)
{
    s->idle_since = clock_ms();
    pthread_mutex_lock(&o->lock);
    bool keep = s->key.n && has_room(o, s);
    if (keep) {
        s->next = o->kept;
        o->kept = s;
        o->n_kept++;
    }
    pthread_mutex_unlock(&o->lock);
    if (!keep)
        session_free(s);
}

/* Ends those that are idle since before `before`; the ends are said without the lock. */
static void end_kept(struct outbound *o, int64_t before)
{
    struct session *gone = NULL;
    pthread_mutex_lock(&o->lock);
    for (struct session **at = &o->kept; *at;) {
        struct session *s = *at;
        if (s->idle_since > before) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->next = gone;
        gone = s;
        o->n_kept--;
    }
    pthread_mutex_unlock(&o->lock);
    while (gone) {
        struct session *s = gone;
        gone = s->next;
        session_free(s);
    }
}

void outbound_tend(struct outbound *o)
{
    repeats_tend(o->repeats, clock_ms());
    end_kept(o, clock_ms() - LIMIT_OUTBOUND_KEEP_MS);
}

bool pool_wants(struct outbound *o, uint64_t generation)
{
    pthread_mutex_lock(&o->lock);
    bool yes = !o->stopping && generation == o->generation;
    pthread_mutex_unlock(&o->lock);
    return yes;
}

void pool_transaction(struct outbound *o, int change)
{
    pthread_mutex_lock(&o->lock);
    o->transactions += (unsigned)change;
    if (o->stopping)
        pthread_cond_broadcast(&o->ended);
    pthread_mutex_unlock(&o->lock);
}

/* --- Work --- */

/* The message of a job: within the record, or mapped. */
static enum error job_message(const struct job *j, struct slice *raw)
{
    *raw = j->small;
    return j->memfd < 0 ? OK : ipc_memfd_map(j->memfd, LIMIT_HANDOVER_MESSAGE, raw);
}

static void send_job(struct outbound *o, const struct job *j, const struct relay_request *rq,
                     struct slice *raw, struct arena *a, struct relay_result *result)
{
    if (!pool_wants(o, j->generation) || job_message(j, raw) != OK)
        send_nothing(rq, PROBLEM_BUSY, a, result);
    else
        send_message(&(struct assignment){o, &o->o, rq, *raw, j->deadline, j->generation}, a,
                     result);
}

static void run_job(struct outbound *o, const struct job *j, struct arena *a)
{
    struct relay_request rq = {0};
    struct relay_result result = {0};
    struct repeat_letter letter;
    struct slice raw = SLICE_NONE;
    autobuf known = BUF_INIT(LIMIT_RELAY_BYTES);
    enum error e = relay_read_request(a, j->request, &rq);
    if (e != OK) {
        rq.n_recipients = 0;
        log_warning("outbound.malformed", log_u64("ticket", j->ticket));
    } else if (j->refuse) {
        e = ERR_LIMIT;
    } else {
        e = repeats_begin(o->repeats, &rq, j->deadline, &letter, &known);
    }
    if (e == ERR_NOTFOUND) {
        send_job(o, j, &rq, &raw, a, &result);
        repeats_end(o->repeats, &letter, &result);
    } else if (e != OK || relay_read_result(a, buf_slice(&known), &result) != OK) {
        send_nothing(&rq, PROBLEM_BUSY, a, &result);
    } else {
        log_info("outbound.sent-before", log_id("entry", rq.id), log_slice("host", result.host));
    }
    log_outcomes(&rq, &result);
    o->o.done(o->o.arg, j->ticket, &result);
    if (j->memfd >= 0)
        ipc_unmap(raw);
}

static void job_free(struct job *j)
{
    if (j->memfd >= 0)
        close(j->memfd);
    mem_wipe(j->bytes, j->request.n); /* a password may be among them */
    mem_free(j);
}

static void wait_until(struct outbound *o, pthread_cond_t *c, int64_t end)
{
    struct timespec at = {.tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000};
    pthread_cond_timedwait(c, &o->lock, &at);
}

/* Under the lock. The next job, or NULL: this thread's time is over. */
static struct job *next_job(struct outbound *o)
{
    int64_t end = clock_ms() + LIMIT_OUTBOUND_IDLE_MS;
    o->idle++;
    while (!o->first && !o->stopping && clock_ms() < end)
        wait_until(o, &o->work, end);
    o->idle--;
    struct job *j = o->first;
    if (!j)
        return NULL;
    o->first = j->next;
    if (!o->first)
        o->last = &o->first;
    o->waiting--;
    return j;
}

static void *work(void *arg)
{
    struct outbound *o = arg;
    struct arena a;
    arena_init(&a, LIMIT_OUTBOUND_ARENA);
    pthread_mutex_lock(&o->lock);
    for (struct job *j = next_job(o); j; j = next_job(o)) {
        o->under_way++;
        pthread_mutex_unlock(&o->lock);
        run_job(o, j, &a);
        arena_reset(&a);
        job_free(j);
        pthread_mutex_lock(&o->lock);
        o->under_way--;
    }
    o->threads--;
    pthread_cond_broadcast(&o->ended);
    pthread_mutex_unlock(&o->lock);
    arena_free(&a);
    return NULL;
}

/* Under the lock. Without a new thread the ones there come to the job in time; with none at all
 * it waits for the next try. */
static void start_thread(struct outbound *o)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, OUTBOUND_STACK);
    if (pthread_create(&thread, &attr, work, o) == 0)
        o->threads++;
    else
        log_warning("outbound.no-thread", log_u64("threads", o->threads));
    pthread_attr_destroy(&attr);
}

static struct job *new_job(uint64_t ticket, struct slice request, int memfd, struct slice small)
{
    struct job *j = mem_resize(NULL, sizeof *j + request.n + small.n, 1);
    *j = (struct job){.ticket = ticket, .deadline = clock_ms() + LIMIT_OUTBOUND_MS, .memfd = memfd};
    if (request.n)
        memcpy(j->bytes, request.p, request.n);
    if (small.n)
        memcpy(j->bytes + request.n, small.p, small.n);
    j->request = slice_of(j->bytes, request.n);
    j->small = slice_of(j->bytes + request.n, small.n);
    return j;
}

void outbound_relay(struct outbound *o, uint64_t ticket, struct slice request, int memfd,
                    struct slice small)
{
    struct job *j = new_job(ticket, request, memfd, small);
    pthread_mutex_lock(&o->lock);
    if (o->waiting >= 2 * LIMIT_RELAY_WAITING) {
        pthread_mutex_unlock(&o->lock);
        log_error("outbound.flooded", log_u64("ticket", ticket));
        job_free(j);
        return;
    }
    j->generation = o->generation;
    j->refuse = o->waiting >= LIMIT_RELAY_WAITING;
    *o->last = j;
    o->last = &j->next;
    o->waiting++;
    if (o->idle < o->waiting && o->threads < o->o.connections)
        start_thread(o);
    pthread_cond_signal(&o->work);
    pthread_mutex_unlock(&o->lock);
}

void outbound_forget(struct outbound *o)
{
    repeats_renew(o->repeats);
    pthread_mutex_lock(&o->lock);
    struct job *j = o->first;
    o->first = NULL;
    o->last = &o->first;
    o->waiting = 0;
    o->generation++;
    pthread_mutex_unlock(&o->lock);
    while (j) {
        struct job *next = j->next;
        job_free(j);
        j = next;
    }
}

/* --- From the start to the end --- */

enum error outbound_new(const struct outbound_options *o, struct outbound **out)
{
    struct outbound *x = mem_alloc(sizeof *x);
    pthread_condattr_t attr;
    x->o = *o;
    if (x->o.connections == 0)
        x->o.connections = LIMIT_OUTBOUND_CONNECTIONS;
    x->last = &x->first;
    x->repeats = repeats_new();
    pthread_mutex_init(&x->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&x->work, &attr);
    pthread_cond_init(&x->ended, &attr);
    pthread_condattr_destroy(&attr);
    *out = x;
    return OK;
}

/* Threads that wait end by themselves, and so does each that finds its job answered. Only what is
 * stuck after the grace is cut off, which is for the whole process. */
static void stop_threads(struct outbound *o, int grace_ms)
{
    int64_t end = clock_ms() + grace_ms;
    repeats_stop(o->repeats);
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->work);
    if (o->first && o->threads == 0)
        start_thread(o); /* someone must answer what waits */
    while (o->transactions && clock_ms() < end)
        wait_until(o, &o->ended, end);
    int64_t idle = clock_ms() + LIMIT_OUTBOUND_STOP_MS;
    while (o->threads && clock_ms() < idle)
        wait_until(o, &o->ended, idle);
    if (o->threads) {
        dial_stop_all();
        dns_stop(o->o.dns);
    }
    while (o->threads)
        pthread_cond_wait(&o->ended, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

void outbound_free(struct outbound *o, int grace_ms)
{
    if (!o)
        return;
    stop_threads(o, grace_ms);
    end_kept(o, INT64_MAX);
    repeats_free(o->repeats);
    pthread_cond_destroy(&o->ended);
    pthread_cond_destroy(&o->work);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}

struct outbound_stats outbound_stats(struct outbound *o)
{
    pthread_mutex_lock(&o->lock);
    struct outbound_stats s = {
        .under_way = o->under_way,
        .threads = o->threads,
        .kept = o->n_kept,
    };
    pthread_mutex_unlock(&o->lock);
    return s;
}
