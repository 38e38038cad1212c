/* See repeat.h. Two lists of results: the last that the present `mail` was told, of which nobody
 * knows whether they are durable yet, and those that a former one left behind. Only the latter are
 * searched, and as long as `mail` lives there are none. */
#include "outbound/repeat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include <pthread.h>

struct result {
    struct result *next;
    uint64_t id, print;
    int64_t at; /* clock_ms() */
    size_t n;
    uint8_t bytes[];
};

/* The oldest first. */
struct list {
    struct result *first, **last;
    size_t n, bytes;
};

struct repeats {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t ended; /* a letter is, or all waiting */
    struct repeat_letter *under_way;
    struct list told, left;
    uint64_t generation; /* counts the `mail`s */
    bool stopping;
};

/* --- Lists --- */

static void take(struct list *l, struct result **at)
{
    struct result *x = *at;
    *at = x->next;
    if (!x->next)
        l->last = at;
    x->next = NULL;
    l->n--;
    l->bytes -= x->n;
}

static void drop_first(struct list *l)
{
    struct result *x = l->first;
    take(l, &l->first);
    mem_free(x);
}

static void push(struct list *l, struct result *x)
{
    *l->last = x;
    l->last = &x->next;
    l->n++;
    l->bytes += x->n;
    while (l->n > LIMIT_REPEAT_RESULTS || l->bytes > LIMIT_REPEAT_BYTES)
        drop_first(l);
}

static struct result *result_new(const struct repeat_letter *l, struct slice bytes)
{
    struct result *x = mem_alloc(sizeof *x + bytes.n);
    x->id = l->id;
    x->print = l->print;
    x->at = clock_ms();
    x->n = bytes.n;
    memcpy(x->bytes, bytes.p, bytes.n);
    return x;
}

/* --- From the start to the end --- */

struct repeats *repeats_new(void)
{
    struct repeats *r = mem_alloc(sizeof *r);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->ended, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&r->lock, NULL);
    r->told.last = &r->told.first;
    r->left.last = &r->left.first;
    return r;
}

void repeats_free(struct repeats *r)
{
    while (r->told.first)
        drop_first(&r->told);
    while (r->left.first)
        drop_first(&r->left);
    pthread_cond_destroy(&r->ended);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void repeats_stop(struct repeats *r)
{
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->ended);
    pthread_mutex_unlock(&r->lock);
}

void repeats_renew(struct repeats *r)
{
    pthread_mutex_lock(&r->lock);
    r->generation++;
    while (r->told.first) {
        struct result *x = r->told.first;
        take(&r->told, &r->told.first);
        push(&r->left, x);
    }
    pthread_mutex_unlock(&r->lock);
}

void repeats_tend(struct repeats *r, int64_t now)
{
    pthread_mutex_lock(&r->lock);
    while (r->left.first && now - r->left.first->at > LIMIT_REPEAT_MS)
        drop_first(&r->left);
    pthread_mutex_unlock(&r->lock);
}

/* --- Letters --- */

/* What tells the letters of an entry from each other, and entries when a store was put back to an
 * earlier state. */
static uint64_t print_of(const struct relay_request *rq)
{
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    buf_u64(&b, rq->size);
    buf_bytes(&b, rq->sender);
    for (size_t i = 0; i < rq->n_recipients; i++)
        buf_bytes(&b, rq->recipient[i].address);
    return hash_bytes(buf_slice(&b));
}

/* For a former `mail`: one does not ask twice itself. */
static bool is_under_way(const struct repeats *r, const struct repeat_letter *l)
{
    for (const struct repeat_letter *x = r->under_way; x; x = x->next)
        if (x->id == l->id && x->print == l->print && x->generation != r->generation)
            return true;
    return false;
}

/* Under the lock: while it is under way. */
static enum error wait_for(struct repeats *r, const struct repeat_letter *l, int64_t deadline)
{
    const struct timespec until = {deadline / 1000, deadline % 1000 * 1000000};
    while (is_under_way(r, l)) {
        if (r->stopping)
            return ERR_CLOSED;
        if (clock_ms() >= deadline)
            return ERR_TIMEOUT;
        pthread_cond_timedwait(&r->ended, &r->lock, &until);
    }
    return OK;
}

/* Under the lock. The result that was left behind goes to the `mail` that is here now. */
static bool take_left(struct repeats *r, const struct repeat_letter *l, struct buf *out)
{
    struct result **at = &r->left.first;
    while (*at && ((*at)->id != l->id || (*at)->print != l->print))
        at = &(*at)->next;
    struct result *x = *at;
    if (!x)
        return false;
    buf_add(out, slice_of(x->bytes, x->n));
    take(&r->left, at);
    push(&r->told, x);
    return true;
}

enum error repeats_begin(struct repeats *r, const struct relay_request *rq, int64_t deadline,
                         struct repeat_letter *l, struct buf *out)
{
    *l = (struct repeat_letter){.kind = rq->kind, .id = rq->id, .print = print_of(rq)};
    pthread_mutex_lock(&r->lock);
    enum error e = wait_for(r, l, deadline);
    if (e == OK && !take_left(r, l, out)) {
        l->generation = r->generation;
        l->next = r->under_way;
        r->under_way = l;
        e = ERR_NOTFOUND;
    }
    pthread_mutex_unlock(&r->lock);
    return e;
}

static bool any_delivered(const struct relay_result *result)
{
    for (size_t i = 0; i < result->n_recipients; i++)
        if (result->recipient[i].outcome == RELAY_DELIVERED)
            return true;
    return false;
}

void repeats_end(struct repeats *r, struct repeat_letter *l, const struct relay_result *result)
{
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    bool keep = l->kind != RELAY_LOOK && any_delivered(result);
    if (keep)
        relay_write_result(result, &b);
    struct result *x = keep && !b.failed ? result_new(l, buf_slice(&b)) : NULL;
    pthread_mutex_lock(&r->lock);
    struct repeat_letter **at = &r->under_way;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (x)
        push(l->generation == r->generation ? &r->told : &r->left, x);
    if (l->generation != r->generation) /* somebody may wait for it */
        pthread_cond_broadcast(&r->ended);
    pthread_mutex_unlock(&r->lock);
}
