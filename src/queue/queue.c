/* See queue.h and queue_private.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "queue/queue_private.h"
#include <errno.h>
#include <time.h>

/* The clock may be set meanwhile: no wait is longer. */
#define WAIT_SECONDS 60

/* --- What waits --- */

uint64_t queue_sender_key(uint64_t account, struct slice sender)
{
    return account != 0 ? schedule_key(slice_of(&account, sizeof account)) : schedule_key(sender);
}

void queue_schedule(struct queue *q, const struct queue_entry *e, const struct queue_recipient *r)
{
    struct next_hop hop;
    /* One that can never be sent has its turn too, and is set aside then. */
    (void)next_hop_of(q->o.transports, q->o.n_transports, r->address, &hop);
    schedule_add(q->schedule, e->id, hop.key, queue_sender_key(e->account, e->sender), 1,
                 r->next_attempt);
}

/* On a committer's thread. */
static void accepted(void *arg, const struct queue_entry *e, struct slice raw)
{
    struct queue *q = arg;
    struct hot_entry *hot = hot_new(e, raw);
    pthread_mutex_lock(&q->lock);
    hot_put(&q->hot, hot);
    for (size_t i = 0; i < e->n_recipients; i++)
        if (e->recipients[i].state == QUEUE_WAITING)
            queue_schedule(q, e, &e->recipients[i]);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

/* What waits at the start. */
struct waiting {
    uint64_t entry, destination, sender;
    int64_t at;
};
struct reading {
    struct queue *q;
    struct waiting *list;
    size_t n, cap, recipients, broken;
};

static void read_row(void *arg, const struct queue_row *row)
{
    struct reading *r = arg;
    struct next_hop hop;
    r->recipients++;
    r->broken += row->state == QUEUE_BROKEN;
    if (row->state != QUEUE_WAITING)
        return;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->list = mem_resize(r->list, r->cap, sizeof *r->list);
    }
    (void)next_hop_of(r->q->o.transports, r->q->o.n_transports, row->address, &hop);
    r->list[r->n++] = (struct waiting){
        row->entry, hop.key, queue_sender_key(row->account, row->sender), row->next_attempt};
}

/* In any order but the one of the start before: whoever was under way when the process was killed
 * may have been delivered, and must not be the first again each time it is killed. */
static void schedule_all(struct reading *r)
{
    int64_t now = clock_wall();
    for (size_t i = 0; i < r->n; i++) {
        size_t k = i + random_below((uint32_t)(r->n - i));
        struct waiting w = r->list[k];
        r->list[k] = r->list[i];
        schedule_add(r->q->schedule, w.entry, w.destination, w.sender, 1, w.at > now ? w.at : now);
    }
    mem_free(r->list);
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void set_options(struct queue *q, const struct queue_options *o)
{
    q->o = *o;
    q->o.connections = o->connections ? o->connections : 100;
    q->o.per_destination = o->per_destination ? o->per_destination : 10;
    q->o.port = o->port ? o->port : 25;
    q->o.keep_results = or_else(o->keep_results, 2 * 24 * 3600);
    q->times = (struct outcome_times){.retry_first = or_else(o->retry_first, 300),
                                      .retry_most = or_else(o->retry_most, 4 * 3600),
                                      .give_up = or_else(o->give_up, 5 * 24 * 3600),
                                      .delay_notice = or_else(o->delay_notice, 4 * 3600)};
}

enum error queue_new(const struct queue_options *o, struct queue **out)
{
    struct queue *q = mem_alloc(sizeof *q);
    struct reading r = {.q = q};
    set_options(q, o);
    pthread_mutex_init(&q->lock, NULL);
    pthread_mutex_init(&q->operating, NULL);
    pthread_cond_init(&q->wake, NULL);
    pthread_cond_init(&q->came, NULL);
    pthread_cond_init(&q->settled, NULL);
    arena_init(&q->last.arena, LIMIT_QUEUE_ARENA);
    q->arrived_tail = &q->arrived;
    q->look_at = clock_wall();
    q->schedule = schedule_new(&(struct schedule_options){q->o.connections, q->o.per_destination});
    enum error e = store_queue_scan(o->store, read_row, &r);
    if (e != OK) {
        mem_free(r.list);
        queue_free(q, 0);
        return e;
    }
    schedule_all(&r);
    store_queue_watch(o->store, accepted, q);
    if (r.recipients > 0)
        log_info("queue.read", log_u64("recipients", r.recipients), log_u64("broken", r.broken));
    *out = q;
    return OK;
}

/* --- The thread that hands over --- */

static void wait_until(struct queue *q, int64_t wall_ms)
{
    int64_t most = clock_wall_ms() + WAIT_SECONDS * 1000;
    if (wall_ms > most)
        wall_ms = most;
    struct timespec at = {.tv_sec = wall_ms / 1000, .tv_nsec = wall_ms % 1000 * 1000000};
    pthread_cond_timedwait(&q->wake, &q->lock, &at);
}

static void *hand_over_main(void *arg)
{
    struct queue *q = arg;
    struct schedule_turn turn;
    pthread_mutex_lock(&q->lock);
    while (!q->stopping) {
        int64_t pause = q->pause_until_ms - clock_ms(), next;
        if (!q->edge) {
            pthread_cond_wait(&q->wake, &q->lock);
        } else if (pause > 0) {
            wait_until(q, clock_wall_ms() + pause);
        } else if (!schedule_next(q->schedule, clock_wall(), &turn, &next)) {
            wait_until(q, next < INT64_MAX / 1000 ? next * 1000 : INT64_MAX);
        } else {
            uint64_t epoch = q->epoch;
            pthread_mutex_unlock(&q->lock);
            queue_send(q, &turn, epoch);
            pthread_mutex_lock(&q->lock);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

void queue_edge(struct queue *q, bool there)
{
    pthread_mutex_lock(&q->lock);
    q->edge = there;
    q->pause_until_ms = 0;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

/* --- The thread that settles --- */

void queue_arrived(struct queue *q, struct flight *f)
{
    f->arrived = NULL;
    *q->arrived_tail = f;
    q->arrived_tail = &f->arrived;
    pthread_cond_signal(&q->came);
}

static bool all_delivered(const struct relay_result *r)
{
    for (size_t i = 0; r != NULL && i < r->n_recipients; i++)
        if (r->recipient[i].outcome != RELAY_DELIVERED)
            return false;
    return r != NULL;
}

/* Under the lock: who took it has room for the next one, while this is made durable. But not when
 * that does not come about (a full disk): then nothing more must leave. */
static void land(struct queue *q, struct flight *f)
{
    if (q->n_landed == LIMIT_QUEUE_LANDED)
        return;
    const int64_t now = clock_wall();
    f->landed = true;
    q->n_landed++;
    schedule_landed(q->schedule, f->turn.letter, SCHEDULE_TOOK, now, now);
    if (schedule_waits(q->schedule))
        pthread_cond_signal(&q->wake);
}

void queue_relayed(struct queue *q, void *token, const struct relay_result *r)
{
    struct flight *f = token;
    struct buf b = BUF_INIT(LIMIT_HANDOVER_ENVELOPE);
    if (r != NULL)
        relay_write_result(r, &b);
    if (b.failed)
        buf_free(&b);
    pthread_mutex_lock(&q->lock);
    f->result = b.p;
    f->result_n = b.n;
    if (all_delivered(r) && f->result != NULL)
        land(q, f);
    queue_arrived(q, f);
    pthread_mutex_unlock(&q->lock);
}

/* Takes what has come and is not put off; *wait_ms: until the first that is. */
static size_t take_arrived(struct queue *q, struct flight **group, int64_t *wait_ms)
{
    size_t n = 0;
    int64_t now = clock_ms();
    struct flight **at = &q->arrived;
    *wait_ms = INT64_MAX;
    while (*at != NULL && n < LIMIT_QUEUE_SETTLE) {
        struct flight *f = *at;
        if (f->not_before_ms > now) {
            if (f->not_before_ms - now < *wait_ms)
                *wait_ms = f->not_before_ms - now;
            at = &f->arrived;
            continue;
        }
        *at = f->arrived;
        f->settling = true;
        group[n++] = f;
    }
    for (q->arrived_tail = at; *q->arrived_tail != NULL;)
        q->arrived_tail = &(*q->arrived_tail)->arrived;
    return n;
}

static void wait_came(struct queue *q, int64_t wait_ms)
{
    if (wait_ms == INT64_MAX) {
        pthread_cond_wait(&q->came, &q->lock);
        return;
    }
    int64_t at = clock_wall_ms() + wait_ms;
    struct timespec ts = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    pthread_cond_timedwait(&q->came, &q->lock, &ts);
}

/* While more letters are under way, their results are waited for a moment: one commit for many. */
static void gather_arrived(struct queue *q)
{
    if (q->arrived == NULL || q->drained || q->n_flights < 2)
        return;
    struct timespec pause = {.tv_nsec = LIMIT_QUEUE_GATHER_MS * 1000000};
    pthread_mutex_unlock(&q->lock);
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    pthread_mutex_lock(&q->lock);
}

static void *settle_main(void *arg)
{
    struct queue *q = arg;
    struct flight *group[LIMIT_QUEUE_SETTLE];
    int64_t wait_ms;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        gather_arrived(q);
        size_t n = take_arrived(q, group, &wait_ms);
        if (n > 0) {
            pthread_mutex_unlock(&q->lock);
            queue_settle(q, group, n);
            pthread_mutex_lock(&q->lock);
        } else if (q->drained) {
            break;
        } else {
            wait_came(q, wait_ms);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* --- Start and end --- */

static bool start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    bool ok = pthread_create(thread, &attr, run, arg) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

static void end_settling(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->drained = true;
    pthread_cond_signal(&q->came);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->settle, NULL);
}

enum error queue_run(struct queue *q)
{
    if (!start(&q->settle, settle_main, q))
        return ERR_AGAIN;
    if (!start(&q->hand_over, hand_over_main, q)) {
        end_settling(q);
        return ERR_AGAIN;
    }
    q->running = true;
    return OK;
}

static void wait_for_flights(struct queue *q, int grace_ms)
{
    int64_t at = clock_wall_ms() + grace_ms;
    struct timespec ts = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
    int rc = 0;
    while (q->n_flights > 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&q->settled, &q->lock, &ts);
}

void queue_free(struct queue *q, int grace_ms)
{
    store_queue_watch(q->o.store, NULL, NULL);
    if (q->running) {
        pthread_mutex_lock(&q->lock);
        q->stopping = true;
        pthread_cond_signal(&q->wake);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->hand_over, NULL);
        pthread_mutex_lock(&q->lock);
        wait_for_flights(q, grace_ms);
        pthread_mutex_unlock(&q->lock);
        end_settling(q);
    }
    while (q->flights != NULL) {
        struct flight *f = q->flights;
        q->flights = f->next;
        flight_free(f);
    }
    schedule_free(q->schedule);
    hot_drop(&q->hot, INT64_MAX);
    mem_free(q->last.hot);
    arena_free(&q->last.arena);
    pthread_cond_destroy(&q->wake);
    pthread_cond_destroy(&q->came);
    pthread_cond_destroy(&q->settled);
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->operating);
    mem_free(q);
}
