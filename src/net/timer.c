/* Deadlines: a binary heap with one entry a connection, moved lazily.
 *
 * Deadlines mostly move later (with every command). Then nothing is done but to store the new one:
 * the entry stays where it is, and when it is due the keeper sees the later deadline and moves it.
 * So a busy connection never takes the lock, and an idle one costs a look in its deadline's time.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "net/runtime_private.h"

void timer_init(struct runtime *rt)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&rt->timers.changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&rt->timers.lock, NULL);
    rt->timers.keeper_until = NEVER;
}

void timer_free(struct runtime *rt)
{
    pthread_cond_destroy(&rt->timers.changed);
    pthread_mutex_destroy(&rt->timers.lock);
    mem_free(rt->timers.heap);
}

static void heap_put(struct timers *t, uint32_t at, struct timer_entry e)
{
    t->heap[at] = e;
    e.c->timer_pos = at;
}

static void heap_up(struct timers *t, uint32_t at, struct timer_entry e)
{
    while (at > 0 && t->heap[(at - 1) / 2].at > e.at) {
        heap_put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(t, at, e);
}

static void heap_down(struct timers *t, uint32_t at, struct timer_entry e)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= t->n)
            break;
        if (child + 1 < t->n && t->heap[child + 1].at < t->heap[child].at)
            child++;
        if (t->heap[child].at >= e.at)
            break;
        heap_put(t, at, t->heap[child]);
        at = child;
    }
    heap_put(t, at, e);
}

static void heap_remove(struct timers *t, uint32_t at)
{
    struct timer_entry last = t->heap[--t->n];
    if (at == t->n)
        return;
    if (last.at < t->heap[at].at)
        heap_up(t, at, last);
    else
        heap_down(t, at, last);
}

static void heap_insert(struct timers *t, struct timer_entry e)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->heap = mem_resize(t->heap, t->cap, sizeof *t->heap);
    }
    heap_up(t, t->n++, e);
}

void timer_ensure(struct runtime *rt, struct conn *c)
{
    struct timers *t = &rt->timers;
    int64_t at = atomic_load(&c->deadline);
    /* Both sides store first and then look at the other's word, so that one of them sees the
     * change: here deadline, then timer_at; timer_due the other way round. */
    if (at >= atomic_load(&c->timer_at))
        return;
    pthread_mutex_lock(&t->lock);
    struct timer_entry e = {at, c};
    if (atomic_load(&c->timer_at) == NEVER)
        heap_insert(t, e);
    else if (at < atomic_load(&c->timer_at))
        heap_up(t, c->timer_pos, e);
    else
        e.at = atomic_load(&c->timer_at);
    atomic_store(&c->timer_at, e.at);
    if (e.at < t->keeper_until) {
        t->poked = true;
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
}

void timer_remove(struct runtime *rt, struct conn *c)
{
    struct timers *t = &rt->timers;
    pthread_mutex_lock(&t->lock);
    if (atomic_load(&c->timer_at) != NEVER) {
        heap_remove(t, c->timer_pos);
        atomic_store(&c->timer_at, NEVER);
    }
    pthread_mutex_unlock(&t->lock);
}

int64_t timer_due(struct runtime *rt, int64_t now, struct conn **due)
{
    struct timers *t = &rt->timers;
    *due = NULL;
    while (t->n > 0 && t->heap[0].at <= now) {
        struct conn *c = t->heap[0].c;
        int64_t deadline = atomic_load(&c->deadline);
        if (deadline > now && deadline != NEVER) {
            atomic_store(&c->timer_at, deadline);
            heap_down(t, 0, (struct timer_entry){deadline, c});
            int64_t again = atomic_load(&c->deadline);
            if (again < deadline) { /* moved earlier in between; its owner may not have seen us */
                atomic_store(&c->timer_at, again);
                heap_up(t, c->timer_pos, (struct timer_entry){again, c});
            }
            continue;
        }
        heap_remove(t, 0);
        atomic_store(&c->timer_at, NEVER);
        /* With no deadline any more nobody needs to hear of it, unless it was set just now. */
        if (deadline == NEVER && atomic_load(&c->deadline) == NEVER)
            continue;
        /* It cannot end while we hold the lock: ending takes its entry out first. */
        if (own_notify(c, own_generation(c), OWN_TIMER)) {
            c->next = *due;
            *due = c;
        }
    }
    return t->n > 0 ? t->heap[0].at : NEVER;
}

void keeper_poke(struct runtime *rt)
{
    struct timers *t = &rt->timers;
    pthread_mutex_lock(&t->lock);
    t->poked = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}
