/* What is done to recipients beside their flights: the operator's word, and what was due for long
 * without a turn, because its destination fails, and is now too old. Each takes letters out of the
 * schedule, changes the rows, and gives back what waits on. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/queue_private.h"

#define BATCH 256 /* entries that are changed in one commit */

/* --- Taking letters --- */

/* The flight that carries the entry's letter for this destination; NULL: none. */
static struct flight *flight_of(const struct queue *q, uint64_t entry, uint64_t destination)
{
    struct flight *f = q->flights;
    while (f != NULL && (f->turn.entry != entry || f->turn.destination != destination))
        f = f->next;
    return f;
}

/* Under the lock. True: the letter is out of the schedule, or was not in it. False: it is at edge,
 * with *out, which is not settled before the lock is given up. */
static bool take_letter(struct queue *q, uint64_t entry, uint64_t destination, struct flight **out)
{
    *out = NULL;
    while (schedule_under_way(q->schedule, entry, destination)) {
        *out = flight_of(q, entry, destination);
        if (*out != NULL && !(*out)->settling)
            return false;
        /* Being made ready, or being settled: both are short. */
        pthread_cond_wait(&q->settled, &q->lock);
    }
    (void)schedule_remove(q->schedule, entry, destination);
    return true;
}

static uint64_t key_of(const struct queue *q, struct slice address)
{
    struct next_hop hop;
    (void)next_hop_of(q->o.transports, q->o.n_transports, address, &hop);
    return hop.key;
}

/* --- Gathering entries --- */

struct found {
    uint64_t *id;
    size_t n, cap;
};

static void found_add(struct found *f, uint64_t id)
{
    if (f->n > 0 && f->id[f->n - 1] == id)
        return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->id = mem_resize(f->id, f->cap, sizeof *f->id);
    }
    f->id[f->n++] = id;
}

struct search {
    const struct queue_selector *s;
    struct found found;
};

static void search_row(void *arg, const struct queue_row *r)
{
    struct search *x = arg;
    if (queue_selects(x->s, r->entry, r->sender, r->address))
        found_add(&x->found, r->entry);
}

/* --- The operator's word --- */

struct operation {
    struct queue *q;
    enum queue_action action;
    const struct queue_selector *s;
    int64_t now;
    struct arena arena; /* of one batch */
    struct queue_change *c;
    size_t n, cap;
    size_t done; /* recipients it was done to */
};

/* The state it has afterwards. False: it is not for a recipient in this state. */
static bool new_state(enum queue_action action, enum queue_state *s)
{
    switch (action) {
    case QUEUE_RETRY:
        if (*s != QUEUE_WAITING && *s != QUEUE_BROKEN)
            return false;
        *s = QUEUE_WAITING;
        return true;
    case QUEUE_HOLD:
        if (*s != QUEUE_WAITING)
            return false;
        *s = QUEUE_HELD;
        return true;
    case QUEUE_RELEASE:
        if (*s != QUEUE_HELD)
            return false;
        *s = QUEUE_WAITING;
        return true;
    case QUEUE_CANCEL:
        if (*s >= QUEUE_DELIVERED)
            return false;
        *s = QUEUE_CANCELLED;
        return true;
    }
    return false;
}

static bool concerns(const struct operation *op, const struct queue_entry *e,
                     const struct queue_recipient *r)
{
    enum queue_state s = r->state;
    return queue_selects(op->s, e->id, e->sender, r->address) && new_state(op->action, &s);
}

static void change_add(struct operation *op, const struct queue_entry *e,
                       const struct queue_recipient *r)
{
    if (op->n == op->cap) {
        op->cap = op->cap ? op->cap * 2 : 256;
        op->c = mem_resize(op->c, op->cap, sizeof *op->c);
    }
    op->c[op->n++] = (struct queue_change){.entry = e->id, .recipient = *r};
}

/* Says it to the flight, which does it with its result. False: this recipient does not travel. A
 * hold is written at once too, and for a cancellation as well: should this process end now, nothing
 * is sent again without a word. */
static bool order_flight(struct operation *op, struct flight *f, const struct queue_entry *e,
                         struct queue_recipient *r)
{
    static const enum outcome_order order[] = {[QUEUE_RETRY] = ORDER_NONE,
                                               [QUEUE_HOLD] = ORDER_HOLD,
                                               [QUEUE_RELEASE] = ORDER_NONE,
                                               [QUEUE_CANCEL] = ORDER_CANCEL};
    size_t i = 0;
    while (i < f->n && f->entry.recipients[f->which[i]].number != r->number)
        i++;
    if (i == f->n)
        return false;
    if (op->action == QUEUE_RETRY) {
        op->done++; /* it is being tried */
        return true;
    }
    f->order[i] = order[op->action];
    r->state = op->action == QUEUE_RELEASE ? QUEUE_WAITING : QUEUE_HELD;
    change_add(op, e, r);
    return true;
}

static void operate_recipient(struct operation *op, const struct queue_entry *e,
                              struct queue_recipient *r)
{
    struct queue *q = op->q;
    struct flight *f;
    if (!take_letter(q, e->id, key_of(q, r->address), &f) && order_flight(op, f, e, r))
        return;
    (void)new_state(op->action, &r->state);
    r->next_attempt = op->now;
    change_add(op, e, r);
}

/* What waits has its place in the schedule again, or still; what `hurried` selects may go to a
 * destination that failed. */
static void give_back(struct queue *q, const struct queue_entry *e,
                      const struct queue_selector *hurried)
{
    q->epoch++;
    hot_drop(&q->hot, INT64_MAX); /* what they say of rows may be over */
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        uint64_t key = key_of(q, r->address);
        if (r->state != QUEUE_WAITING || schedule_under_way(q->schedule, e->id, key))
            continue;
        queue_schedule(q, e, r);
        if (hurried != NULL && queue_selects(hurried, e->id, e->sender, r->address))
            schedule_open(q->schedule, key);
    }
}

/* From the rows as they are now, whatever became of the change. */
static void give_back_all(struct queue *q, const uint64_t *ids, size_t n,
                          const struct queue_selector *hurried)
{
    autoarena a;
    arena_init(&a, LIMIT_QUEUE_ARENA);
    for (size_t i = 0; i < n; i++) {
        struct queue_entry e;
        arena_reset(&a);
        enum error err = store_queue_get(q->o.store, ids[i], &a, &e);
        if (err != OK && err != ERR_NOTFOUND)
            log_error("queue.entry-unread", log_id("entry", ids[i]),
                      log_text("reason", error_name(err)),
                      log_text("effect", "it waits for the next start"));
        if (err != OK)
            continue;
        pthread_mutex_lock(&q->lock);
        give_back(q, &e, hurried);
        pthread_mutex_unlock(&q->lock);
    }
}

/* An entry that has lost its recipients can only be cancelled: it finishes with that. */
static void operate_lost(struct operation *op, const struct queue_entry *e)
{
    struct queue_recipient none = {.state = QUEUE_CANCELLED};
    if (op->action != QUEUE_CANCEL || !queue_selects(op->s, e->id, e->sender, none.address))
        return;
    change_add(op, e, &none);
    op->done++;
}

/* Takes the letters first, then reads the entry: nobody else writes those rows then. */
static enum error operate_entry(struct operation *op, uint64_t id)
{
    struct queue *q = op->q;
    struct queue_entry e;
    struct flight *f;
    enum error err = store_queue_get(q->o.store, id, &op->arena, &e);
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < e.n_recipients; i++)
        if (concerns(op, &e, &e.recipients[i]))
            (void)take_letter(q, id, key_of(q, e.recipients[i].address), &f);
    pthread_mutex_unlock(&q->lock);
    err = store_queue_get(q->o.store, id, &op->arena, &e);
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    struct queue_recipient *r = arena_array(&op->arena, e.n_recipients + 1, sizeof *r);
    if (r == NULL)
        return ERR_LIMIT;
    if (e.n_recipients > 0)
        memcpy(r, e.recipients, e.n_recipients * sizeof *r);
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < e.n_recipients; i++)
        if (concerns(op, &e, &e.recipients[i]))
            operate_recipient(op, &e, &r[i]);
    pthread_mutex_unlock(&q->lock);
    if (e.n_recipients == 0)
        operate_lost(op, &e);
    return OK;
}

static enum error operate_batch(struct operation *op, const uint64_t *ids, size_t n)
{
    enum error e = OK;
    op->n = 0;
    arena_reset(&op->arena);
    for (size_t i = 0; i < n && e == OK; i++)
        e = operate_entry(op, ids[i]);
    if (e == OK && op->n > 0)
        e = store_queue_settle(op->q->o.store, op->c, op->n);
    for (size_t i = 0; i < op->n && e == OK; i++)
        op->done += op->c[i].result == OK;
    give_back_all(op->q, ids, n, op->action == QUEUE_RETRY ? op->s : NULL);
    return e;
}

static enum error operate_all(struct operation *op, const struct found *f)
{
    enum error e = OK;
    for (size_t at = 0; at < f->n && e == OK; at += BATCH)
        e = operate_batch(op, f->id + at, f->n - at < BATCH ? f->n - at : BATCH);
    return e;
}

enum error queue_do(struct queue *q, enum queue_action action, const struct queue_selector *s,
                    size_t *n)
{
    struct operation op = {.q = q, .action = action, .s = s, .now = clock_wall()};
    struct search x = {.s = s};
    if (s->entry == 0 && s->recipient.n == 0 && s->sender.n == 0 && s->destination.n == 0 &&
        !s->all)
        return ERR_INPUT;
    arena_init(&op.arena, (size_t)4 * LIMIT_QUEUE_ARENA);
    pthread_mutex_lock(&q->operating);
    enum error e = OK;
    if (s->entry != 0)
        found_add(&x.found, s->entry);
    else
        e = store_queue_scan(q->o.store, search_row, &x);
    if (e == OK)
        e = operate_all(&op, &x.found);
    pthread_mutex_unlock(&q->operating);
    pthread_mutex_lock(&q->lock);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    mem_free(x.found.id);
    mem_free(op.c);
    arena_free(&op.arena);
    if (e == OK)
        *n = op.done;
    return e == OK && op.done == 0 ? ERR_NOTFOUND : e;
}

/* --- What had no turn for too long --- */

struct look {
    struct queue *q;
    int64_t now;
    struct found found;
};

/* Due for long, and it is time to return it, or to tell of the delay. */
static bool overdue(const struct look *l, enum queue_state state, int64_t next, int64_t created,
                    uint8_t told)
{
    return state == QUEUE_WAITING && next < l->now - LIMIT_QUEUE_LOOK_SECONDS &&
           (l->now >= created + l->q->times.give_up ||
            (!told && l->now >= created + l->q->times.delay_notice));
}

static void look_row(void *arg, const struct queue_row *r)
{
    struct look *l = arg;
    bool tells = r->sender.n > 0 && (r->notify == 0 || (r->notify & 8));
    if (overdue(l, r->state, r->next_attempt, r->created, r->told || !tells))
        found_add(&l->found, r->entry);
}

/* What its last attempt met stands for the attempt it did not get. */
static void last_result(const struct queue_recipient *r, struct arena *a,
                        struct relay_outcome_of *of, struct relay_result *out)
{
    struct relay_trail t = {0};
    if (relay_read_trail(a, r->trail, &t) != OK || t.problem == PROBLEM_NONE)
        t.problem = PROBLEM_CONNECT;
    *of = (struct relay_outcome_of){
        .outcome = RELAY_TEMPORARY, .problem = t.problem, .status = "4.4.1"};
    *out = (struct relay_result){.recipient = of,
                                 .n_recipients = 1,
                                 .host = t.host,
                                 .security = t.security,
                                 .next_hop_failed = true};
}

static enum error tell_and_settle(struct queue *q, const struct queue_entry *e, size_t at,
                                  struct arena *a, int64_t now)
{
    struct outcome out;
    struct relay_outcome_of of;
    struct relay_result result;
    enum outcome_order none = ORDER_NONE;
    const struct queue_recipient *r = &e->recipients[at];
    last_result(r, a, &of, &result);
    struct outcome_in in = {.entry = e,
                            .which = &at,
                            .order = &none,
                            .n = 1,
                            .result = &result,
                            .times = q->times,
                            .now = now};
    enum error err = outcome_decide(&in, a, &out);
    if (err != OK)
        return err;
    struct store_body body = {0};
    if (out.n_notices > 0)
        err = store_queue_body(q->o.store, e->id, &body);
    for (size_t i = 0; i < out.n_notices && err == OK; i++) {
        out.notice[i].raw = body.raw;
        err = q->o.tell(q->o.arg, &out.notice[i]);
    }
    store_body_free(&body);
    if (err != OK)
        return err;
    /* It was no attempt. */
    struct queue_recipient *c = &out.change[0].recipient;
    c->attempts = r->attempts;
    c->trail = r->trail;
    c->last_answer = r->last_answer;
    if (c->state == QUEUE_WAITING)
        c->next_attempt = r->next_attempt;
    else
        log_info("queue.returned", log_id("entry", e->id), log_slice("to", r->address),
                 log_text("reason", "too old"));
    return store_queue_settle(q->o.store, out.change, 1);
}

static void look_entry(struct look *l, uint64_t id)
{
    struct queue *q = l->q;
    struct queue_entry e;
    autoarena a;
    arena_init(&a, LIMIT_QUEUE_ARENA);
    if (store_queue_get(q->o.store, id, &a, &e) != OK)
        return;
    for (size_t i = 0; i < e.n_recipients; i++) {
        const struct queue_recipient *r = &e.recipients[i];
        uint64_t key = key_of(q, r->address);
        if (!overdue(l, r->state, r->next_attempt, e.created, r->told))
            continue;
        pthread_mutex_lock(&q->lock);
        bool mine = !schedule_under_way(q->schedule, id, key);
        if (mine)
            (void)schedule_remove(q->schedule, id, key);
        pthread_mutex_unlock(&q->lock);
        if (!mine)
            continue;
        enum error err = tell_and_settle(q, &e, i, &a, l->now);
        if (err != OK)
            log_error("queue.notice-failed", log_id("entry", id),
                      log_text("reason", error_name(err)));
    }
    give_back_all(q, &id, 1, NULL);
}

static void look(struct queue *q, int64_t now)
{
    struct look l = {.q = q, .now = now};
    if (store_queue_scan(q->o.store, look_row, &l) == OK)
        for (size_t i = 0; i < l.found.n; i++)
            look_entry(&l, l.found.id[i]);
    mem_free(l.found.id);
}

void queue_tend(struct queue *q)
{
    int64_t now = clock_wall();
    size_t n = 0;
    pthread_mutex_lock(&q->operating);
    enum error e = store_queue_forget(q->o.store, now - q->o.keep_results, LIMIT_QUEUE_DONE,
                                      LIMIT_QUEUE_DONE, &n);
    if (e != OK)
        log_warning("queue.forget-failed", log_text("reason", error_name(e)));
    if (now >= q->look_at) {
        q->look_at = now + LIMIT_QUEUE_LOOK_SECONDS;
        look(q, now);
    }
    pthread_mutex_unlock(&q->operating);
    pthread_mutex_lock(&q->lock);
    hot_drop(&q->hot, clock_ms() - LIMIT_QUEUE_HOT_MS);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

/* --- Figures --- */

struct counting {
    struct queue_stats stats;
    uint64_t entry;
};

static void count_row(void *arg, const struct queue_row *r)
{
    struct counting *c = arg;
    c->stats.entries += c->stats.entries == 0 || r->entry != c->entry;
    c->entry = r->entry;
    c->stats.recipients++;
    c->stats.held += r->state == QUEUE_HELD;
    c->stats.broken += r->state == QUEUE_BROKEN;
}

struct queue_stats queue_stats(struct queue *q)
{
    struct counting c = {0};
    /* Figures of a store that cannot be read are zero; who serves it says so. */
    if (store_queue_scan(q->o.store, count_row, &c) != OK)
        c.stats = (struct queue_stats){0};
    pthread_mutex_lock(&q->lock);
    struct schedule_stats s = schedule_stats(q->schedule);
    c.stats.under_way = s.under_way + q->n_landed;
    pthread_mutex_unlock(&q->lock);
    c.stats.due = s.due;
    c.stats.destinations = s.destinations;
    c.stats.failing = s.failing;
    c.stats.bytes = s.bytes;
    return c.stats;
}
