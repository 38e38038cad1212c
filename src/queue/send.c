/* A turn of the schedule becomes a flight: which recipients travel, what is demanded, the message,
 * and off to edge. What can never be sent is set aside here. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/queue_private.h"

#define PAUSE_MS 1000 /* when edge takes nothing */

void flight_free(struct flight *f)
{
    arena_free(&f->arena);
    arena_free(&f->work);
    mem_free(f->result);
    mem_free(f);
}

static struct flight *flight_new(const struct schedule_turn *t)
{
    struct flight *f = mem_alloc(sizeof *f);
    f->turn = *t;
    arena_init(&f->arena, LIMIT_QUEUE_ARENA);
    arena_init(&f->work, LIMIT_QUEUE_ARENA);
    return f;
}

/* The turn ends before it was one: `left` recipients are due again at `at`. */
static void turn_over(struct queue *q, const struct schedule_turn *t, uint32_t left, int64_t at)
{
    pthread_mutex_lock(&q->lock);
    schedule_landed(q->schedule, t->letter, SCHEDULE_UNKNOWN, at, clock_wall());
    schedule_done(q->schedule, t->letter, left, at);
    pthread_cond_broadcast(&q->settled);
    pthread_mutex_unlock(&q->lock);
}

/* Nothing goes to edge for a moment; then the letter's turn comes again. */
static void put_off(struct queue *q, const struct flight *f)
{
    pthread_mutex_lock(&q->lock);
    q->pause_until_ms = clock_ms() + PAUSE_MS;
    pthread_mutex_unlock(&q->lock);
    turn_over(q, &f->turn, (uint32_t)f->n + f->rest, clock_wall());
}

/* --- What cannot be sent --- */

/* Sets the recipients aside, durably. */
static enum error set_aside(struct queue *q, const struct queue_entry *e, const size_t *which,
                            size_t n, const char *why)
{
    struct queue_change *c = mem_array(n, sizeof *c);
    for (size_t i = 0; i < n; i++) {
        c[i] = (struct queue_change){.entry = e->id, .recipient = e->recipients[which[i]]};
        c[i].recipient.state = QUEUE_BROKEN;
        c[i].recipient.next_attempt = clock_wall();
        c[i].recipient.last_answer = slice_str(why);
        log_error("queue.broken", log_id("entry", e->id), log_slice("to", c[i].recipient.address),
                  log_text("reason", why));
    }
    enum error err = store_queue_settle(q->o.store, c, n);
    mem_free(c);
    return err;
}

static void break_flight(struct queue *q, const struct flight *f, const char *why)
{
    int64_t now = clock_wall();
    enum error e = set_aside(q, &f->entry, f->which, f->n, why);
    /* Could not be written: it is looked at again. */
    uint32_t left = f->rest + (e == OK ? 0 : (uint32_t)f->n);
    turn_over(q, &f->turn, left, e == OK ? now : now + LIMIT_QUEUE_SOON_SECONDS);
}

static bool is_damage(enum error e)
{
    return e != ERR_AGAIN && e != ERR_FULL && e != ERR_CLOSED && e != ERR_TIMEOUT;
}

/* --- The entry --- */

static bool last_is(const struct last_entry *l, const struct schedule_turn *t, uint64_t epoch)
{
    if (l->e.id != t->entry || l->epoch != epoch)
        return false;
    for (size_t i = 0; i < l->e.n_recipients; i++)
        if (l->gone[i] && l->key[i] == t->destination)
            return false;
    return true;
}

static enum error load_entry(struct queue *q, const struct schedule_turn *t, uint64_t epoch)
{
    struct last_entry *l = &q->last;
    if (last_is(l, t, epoch))
        return OK;
    arena_reset(&l->arena);
    mem_free(l->hot);
    l->e = (struct queue_entry){0};
    pthread_mutex_lock(&q->lock);
    l->hot = hot_take(&q->hot, t->entry);
    pthread_mutex_unlock(&q->lock);
    struct queue_entry e;
    enum error err = OK;
    if (l->hot != NULL)
        e = l->hot->e;
    else
        err = store_queue_get(q->o.store, t->entry, &l->arena, &e);
    if (err != OK)
        return err;
    l->key = arena_array(&l->arena, e.n_recipients + 1, sizeof *l->key);
    l->gone = arena_array(&l->arena, e.n_recipients + 1, sizeof *l->gone);
    if (l->key == NULL || l->gone == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < e.n_recipients; i++) {
        struct next_hop hop;
        if (e.recipients[i].state != QUEUE_WAITING)
            continue;
        (void)next_hop_of(q->o.transports, q->o.n_transports, e.recipients[i].address, &hop);
        l->key[i] = hop.key;
    }
    l->e = e;
    l->epoch = epoch;
    return OK;
}

/* --- Who travels --- */

struct candidate {
    int64_t at;
    size_t i;
};

static int by_time(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static bool same_way(const struct next_hop *a, const struct next_hop *b)
{
    if (a->kind != b->kind || a->transport != b->transport)
        return false;
    if (a->kind == RELAY_HTTPS)
        return slice_eq(a->url, b->url);
    /* Whatever is behind a transport travels together. */
    return a->transport != NULL || slice_eq(next_hop_domain(a), next_hop_domain(b));
}

/* Those of the entry that wait for the turn's destination, the longest waiting first. */
static size_t gather(const struct last_entry *l, uint64_t destination, struct candidate *c)
{
    size_t n = 0;
    for (size_t i = 0; i < l->e.n_recipients; i++)
        if (l->key[i] == destination && l->e.recipients[i].state == QUEUE_WAITING)
            c[n++] = (struct candidate){l->e.recipients[i].next_attempt, i};
    qsort(c, n, sizeof *c, by_time);
    return n;
}

static struct queue_recipient copy_recipient(struct arena *a, const struct queue_recipient *r)
{
    struct queue_recipient to = *r;
    to.address = arena_dup(a, r->address);
    to.orcpt = arena_dup(a, r->orcpt);
    to.last_answer = arena_dup(a, r->last_answer);
    to.trail = arena_dup(a, r->trail);
    return to;
}

/* Our own parsers let no control character into an envelope: one in it is damage. */
static bool is_torn(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 127)
            return true;
    return false;
}

/* As next_hop_of(). What is damaged must not come back to its sender as if others refused it. */
static enum error way_of(const struct queue *q, const struct queue_entry *e,
                         const struct queue_recipient *r, struct next_hop *out)
{
    enum error err = next_hop_of(q->o.transports, q->o.n_transports, r->address, out);
    return is_torn(e->sender) || is_torn(e->envid) || is_torn(r->orcpt) ? ERR_INPUT : err;
}

static enum error board(struct queue *q, struct flight *f, const struct candidate *c, size_t n)
{
    struct last_entry *l = &q->last;
    size_t most = n < LIMIT_RELAY_RECIPIENTS ? n : LIMIT_RELAY_RECIPIENTS;
    struct queue_recipient *list = arena_array(&f->arena, most + 1, sizeof *list);
    f->which = arena_array(&f->arena, most + 1, sizeof *f->which);
    f->order = arena_array(&f->arena, most + 1, sizeof *f->order);
    if (list == NULL || f->which == NULL || f->order == NULL)
        return ERR_LIMIT;
    f->entry = l->e;
    f->entry.sender = arena_dup(&f->arena, l->e.sender);
    f->entry.envid = arena_dup(&f->arena, l->e.envid);
    f->entry.recipients = list;
    int64_t now = clock_wall();
    bool hurried = n > 0 && c[0].at > now;
    f->rest_at = now + LIMIT_QUEUE_SOON_SECONDS;
    for (size_t k = 0; k < n; k++) {
        struct next_hop hop;
        enum error e = way_of(q, &l->e, &l->e.recipients[c[k].i], &hop);
        bool due = hurried || c[k].at <= now;
        if (due && f->n < most && (f->n == 0 || (e == f->way && same_way(&hop, &f->hop)))) {
            list[f->n] = copy_recipient(&f->arena, &l->e.recipients[c[k].i]);
            f->way = e;
            f->hop = hop;
            f->which[f->n] = f->n;
            f->n++;
            l->gone[c[k].i] = true;
        } else if (f->rest++ == 0 || c[k].at < f->rest_at) {
            f->rest_at = c[k].at;
        }
    }
    f->entry.n_recipients = f->n;
    if (f->n > 0) /* the address lives as long as the flight */
        (void)next_hop_of(q->o.transports, q->o.n_transports, list[0].address, &f->hop);
    return f->arena.failed ? ERR_LIMIT : OK;
}

/* Those that are due; all, when none is and the letter was hurried. What has no way at all travels
 * alone, to be set aside. */
static enum error choose(struct queue *q, struct flight *f)
{
    struct candidate *c = mem_array(q->last.e.n_recipients, sizeof *c);
    enum error e = board(q, f, c, gather(&q->last, f->turn.destination, c));
    mem_free(c);
    return e;
}

/* --- What is asked of edge --- */

static bool add_recipients(struct flight *f, struct relay_request *rq)
{
    struct relay_recipient *list = arena_array(&f->arena, f->n, sizeof *list);
    for (size_t i = 0; list != NULL && i < f->n; i++) {
        const struct queue_recipient *r = &f->entry.recipients[f->which[i]];
        list[i] =
            (struct relay_recipient){.address = next_hop_address(&f->hop, r->address, &f->arena),
                                     .orcpt = r->orcpt,
                                     .notify = r->notify};
    }
    rq->recipient = list;
    rq->n_recipients = f->n;
    return list != NULL && !f->arena.failed;
}

static void take_demand(struct relay_request *rq, const struct memory_demand *d)
{
    rq->demand = d->demand;
    rq->source = d->source;
    rq->mx_names = d->mx_names;
}

/* Several domains may travel together by a transport: the strictest demand is everybody's. */
static enum error demand_of_transport(struct queue *q, struct flight *f, struct relay_request *rq)
{
    const struct queue_transport *t = f->hop.transport;
    rq->host = slice_str(t->host);
    rq->port = t->port;
    rq->login = slice_str(t->login);
    rq->password = slice_str(t->password);
    const struct memory_way way = {rq->host, rq->login.n > 0, q->o.clear_allowed};
    for (size_t i = 0; i < f->n; i++) {
        struct next_hop hop;
        struct memory_demand d;
        enum error e = next_hop_of(q->o.transports, q->o.n_transports,
                                   f->entry.recipients[f->which[i]].address, &hop);
        if (e == OK)
            e = memory_demand_via(q->o.memory, q->o.providers, next_hop_domain(&hop), &way,
                                  &f->arena, &d);
        if (e != OK)
            return e;
        if (i == 0 || d.demand > rq->demand)
            take_demand(rq, &d);
    }
    return OK;
}

static enum error make_request(struct queue *q, struct flight *f, struct relay_request *rq)
{
    const struct queue_entry *e = &f->entry;
    struct memory_demand d;
    *rq = (struct relay_request){.id = e->id,
                                 .kind = f->hop.kind,
                                 .domain = next_hop_domain(&f->hop),
                                 .port = q->o.port,
                                 .clear_allowed = q->o.clear_allowed,
                                 .tls_optional = e->tls_optional,
                                 .require_tls = e->require_tls,
                                 .sender = e->sender,
                                 .envid = e->envid,
                                 .ret = e->ret,
                                 .smtputf8 = e->smtputf8,
                                 .eight_bit = e->eight_bit,
                                 .size = e->size};
    enum error err = add_recipients(f, rq) ? OK : ERR_LIMIT;
    if (f->hop.kind == RELAY_HTTPS) {
        rq->domain = f->hop.url;
        rq->port = 0;
    } else if (f->hop.transport != NULL) {
        err = err == OK ? demand_of_transport(q, f, rq) : err;
    } else if (err == OK) {
        err = memory_demand(q->o.memory, q->o.providers, rq->domain, q->o.clear_allowed,
                            clock_wall(), &f->arena, &d);
        if (err == OK) {
            take_demand(rq, &d);
            memory_sts(q->o.memory, rq->domain, &f->arena, &rq->sts);
        }
    }
    f->demand = rq->demand;
    f->source = rq->source;
    return err;
}

/* --- The turn --- */

static void list_flight(struct queue *q, struct flight *f)
{
    f->next = q->flights;
    f->link = &q->flights;
    if (f->next != NULL)
        f->next->link = &f->next;
    q->flights = f;
    q->n_flights++;
    pthread_cond_broadcast(&q->settled); /* who waits for it to be made ready */
}

static void unlist_flight(struct queue *q, struct flight *f)
{
    *f->link = f->next;
    if (f->next != NULL)
        f->next->link = f->link;
    q->n_flights--;
}

/* True: it is edge's now, and its result may be here already. */
static bool depart(struct queue *q, struct flight *f)
{
    struct relay_request rq;
    struct store_body body = {0};
    enum error e = OK;
    if (q->last.hot != NULL)
        body.raw = q->last.hot->raw;
    else
        e = store_queue_body(q->o.store, f->entry.id, &body);
    if (e != OK) {
        if (is_damage(e))
            break_flight(q, f, "its message cannot be read");
        else
            put_off(q, f);
        return false;
    }
    e = make_request(q, f, &rq);
    bool made = e == OK;
    if (made) {
        pthread_mutex_lock(&q->lock);
        list_flight(q, f);
        pthread_mutex_unlock(&q->lock);
        e = q->o.send(q->o.arg, &rq, body.raw, f);
    }
    if (q->last.hot == NULL)
        store_body_free(&body);
    if (e == OK)
        return true;
    if (made) {
        pthread_mutex_lock(&q->lock);
        unlist_flight(q, f);
        pthread_mutex_unlock(&q->lock);
    }
    if (e == ERR_INPUT || e == ERR_LIMIT)
        break_flight(q, f, "it cannot be handed over");
    else
        put_off(q, f);
    return false;
}

static void entry_unreadable(struct queue *q, const struct schedule_turn *t, enum error e)
{
    if (e == ERR_NOTFOUND) { /* forgotten, or cancelled meanwhile */
        turn_over(q, t, 0, 0);
    } else if (is_damage(e)) {
        log_error("queue.broken", log_id("entry", t->entry), log_text("reason", error_name(e)));
        turn_over(q, t, 0, 0);
    } else {
        turn_over(q, t, 1, clock_wall() + LIMIT_QUEUE_SOON_SECONDS);
    }
}

void queue_send(struct queue *q, const struct schedule_turn *t, uint64_t epoch)
{
    struct flight *f = flight_new(t);
    bool departed = false;
    enum error e = load_entry(q, t, epoch);
    if (e == OK)
        e = choose(q, f);
    if (e != OK)
        entry_unreadable(q, t, e);
    else if (f->n == 0)
        turn_over(q, t, f->rest, f->rest_at);
    else if (f->way != OK)
        break_flight(q, f, "its address or envelope cannot be sent");
    else
        departed = depart(q, f);
    if (!departed)
        flight_free(f);
}
