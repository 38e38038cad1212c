/* Results become durable: for all flights of a group what they come to is decided, notices are
 * delivered first, then one commit says it of all, then the memory and the schedule hear of it. A
 * flight whose part fails (a full disk) keeps its result and is settled later: nothing is sent
 * again for that. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "queue/queue_private.h"

#define AGAIN_MS 5000

static void settle_later(struct queue *q, struct flight *f)
{
    pthread_mutex_lock(&q->lock);
    f->settling = false;
    f->not_before_ms = clock_ms() + AGAIN_MS;
    queue_arrived(q, f);
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->lock);
}

/* When the letter goes on. Who stayed behind need not wait when the destination takes mail. */
static int64_t letter_time(const struct flight *f, int64_t now)
{
    int64_t rest_at = f->outcome.end == SCHEDULE_TOOK ? now : f->rest_at;
    return f->rest > 0 && rest_at < f->outcome.at ? rest_at : f->outcome.at;
}

static void finish(struct queue *q, struct flight *f)
{
    const struct outcome *o = &f->outcome;
    int64_t now = clock_wall();
    pthread_mutex_lock(&q->lock);
    const uint32_t left = o->left + f->rest;
    const int64_t at = letter_time(f, now);
    if (f->landed)
        q->n_landed--;
    else
        schedule_landed(q->schedule, f->turn.letter, o->end, at, now);
    schedule_done(q->schedule, f->turn.letter, left, at);
    *f->link = f->next;
    if (f->next != NULL)
        f->next->link = f->link;
    q->n_flights--;
    if (left > 0 || schedule_waits(q->schedule)) /* else nobody has use for the place */
        pthread_cond_signal(&q->wake);
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->lock);
    flight_free(f);
}

/* --- Deciding and telling --- */

static enum error decide(struct queue *q, struct flight *f)
{
    arena_reset(&f->work);
    bool known = f->result != NULL;
    if (known && relay_read_result(&f->work, slice_of(f->result, f->result_n), &f->read) != OK) {
        log_error("queue.result-unreadable", log_id("entry", f->entry.id));
        known = false;
    }
    struct outcome_in in = {.entry = &f->entry,
                            .which = f->which,
                            .order = f->order,
                            .n = f->n,
                            .demand = f->demand,
                            .source = f->source,
                            .result = known ? &f->read : NULL,
                            .times = q->times,
                            .now = clock_wall(),
                            .jitter = (uint32_t)random_u64()};
    if (!known)
        f->read = (struct relay_result){0};
    return outcome_decide(&in, &f->work, &f->outcome);
}

/* Worth another try: the notice itself is not to blame. */
static bool passing(enum error e)
{
    return e == ERR_FULL || e == ERR_IO || e == ERR_AGAIN || e == ERR_CLOSED || e == ERR_TIMEOUT;
}

/* False: later. */
static bool tell_all(struct queue *q, struct flight *f)
{
    struct store_body body = {0};
    if (f->outcome.n_notices == 0)
        return true;
    enum error e = store_queue_body(q->o.store, f->entry.id, &body);
    if (e == ERR_AGAIN || e == ERR_CLOSED)
        return false;
    e = OK; /* a message that cannot be read is told of without it */
    for (size_t i = 0; i < f->outcome.n_notices && !passing(e); i++) {
        struct queue_notice *n = &f->outcome.notice[i];
        n->raw = body.raw;
        if (f->told & 1u << n->kind)
            continue;
        e = q->o.tell(q->o.arg, n);
        if (e == OK)
            f->told |= 1u << n->kind;
        else if (!passing(e))
            log_error("queue.notice-lost", log_id("entry", f->entry.id),
                      log_text("reason", error_name(e)));
    }
    store_body_free(&body);
    return !passing(e);
}

/* --- After the commit --- */

static void remember(struct queue *q, const struct flight *f)
{
    const struct relay_result *r = &f->read;
    struct slice domain = next_hop_domain(&f->hop);
    int64_t now = clock_wall();
    if (f->hop.kind != RELAY_SMTP || f->hop.transport != NULL)
        return;
    if (f->outcome.end == SCHEDULE_TOOK && r->security > SECURITY_CLEAR)
        memory_reached(q->o.memory, domain, r->security, now);
    if (r->sts_changed)
        memory_sts_set(q->o.memory, domain, &r->sts);
    if (r->n_events > 0)
        memory_tally(q->o.memory, domain, r->rua, now, r->event, r->n_events);
}

static const char *event_of(enum queue_state s)
{
    switch (s) {
    case QUEUE_DELIVERED:
        return "queue.delivered";
    case QUEUE_RETURNED:
        return "queue.returned";
    case QUEUE_CANCELLED:
        return "queue.cancelled";
    case QUEUE_HELD:
    case QUEUE_BROKEN:
    case QUEUE_WAITING:
        break;
    }
    return "queue.deferred";
}

static void log_outcome(const struct flight *f, size_t k, const struct queue_change *c)
{
    const struct queue_recipient *r = &c->recipient;
    static const struct ip nowhere;
    char ip[IP_TEXT] = "";
    enum problem problem = k < f->read.n_recipients ? f->read.recipient[k].problem : PROBLEM_BUSY;
    if (!ip_eq(f->read.ip, nowhere))
        ip_print(f->read.ip, ip);
    log_info(event_of(r->state), log_id("entry", c->entry), log_slice("from", f->entry.sender),
             log_slice("to", r->address), log_slice("host", f->read.host), log_text("ip", ip),
             log_text("problem", problem_word(problem)),
             log_text("security", security_word(f->read.security)),
             log_slice("tls", f->read.tls_version), log_u64("attempts", r->attempts),
             log_i64("age", clock_wall() - f->entry.created), log_slice("answer", r->last_answer));
}

static bool settled(const struct flight *f, const struct queue_change *c)
{
    for (size_t i = 0; i < f->n; i++)
        if (c[i].result != OK && c[i].result != ERR_NOTFOUND)
            return false;
    return true;
}

void queue_settle(struct queue *q, struct flight **group, size_t n)
{
    size_t n_changes = 0, cap = 0, kept = 0;
    struct queue_change *c = NULL;
    for (size_t i = 0; i < n; i++) {
        struct flight *f = group[i];
        if (decide(q, f) != OK || !tell_all(q, f)) {
            settle_later(q, f);
            continue;
        }
        if (n_changes + f->n > cap) {
            cap = (n_changes + f->n) * 2;
            c = mem_resize(c, cap, sizeof *c);
        }
        memcpy(c + n_changes, f->outcome.change, f->n * sizeof *c);
        f->first_change = n_changes;
        n_changes += f->n;
        group[kept++] = f;
    }
    enum error e = n_changes > 0 ? store_queue_settle(q->o.store, c, n_changes) : OK;
    if (e != OK)
        log_error("queue.settle-failed", log_text("reason", error_name(e)));
    for (size_t i = 0; i < kept; i++) {
        struct flight *f = group[i];
        if (!settled(f, c + f->first_change)) {
            settle_later(q, f);
            continue;
        }
        for (size_t k = 0; k < f->n; k++)
            log_outcome(f, k, &c[f->first_change + k]);
        remember(q, f);
        finish(q, f);
    }
    mem_free(c);
}
