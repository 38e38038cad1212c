/* The mail role's end: what it asks edge to send, and what becomes of it. Whoever takes a ticket
 * out of the table calls `relayed` for it, nobody else: the thread that read the answer, the last
 * one of a connection that ended, or the keeper of the time. */
#include "base/clock.h"
#include "base/log.h"
#include "handover/carry.h"
#include "handover/server_private.h"

static const struct carriage relay = {record_write_relay, record_write_relay_small,
                                      LIMIT_RELAY_SMALL};

static void settle(struct handover_server *s, const struct ticket *t, const struct relay_result *r)
{
    if (s->service.relayed)
        s->service.relayed(s->service.arg, t->token, r);
}

/* --- Asking --- */

/* A ticket, and a use of the connection it is for. */
static enum error open_ticket(struct handover_server *s, const struct relay_request *rq,
                              void *token, struct end **end, uint64_t *number)
{
    enum error e = ERR_CLOSED;
    pthread_mutex_lock(&s->lock);
    if (s->end && !s->end->dead) {
        const struct ticket what = {token, rq->n_recipients, s->end};
        bool first = tickets_until(s->tickets) < 0;
        e = tickets_open(s->tickets, &what, clock_ms(), number);
        if (e == OK) {
            *end = s->end;
            s->end->users++;
            if (first)
                pthread_cond_signal(&s->ticket);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return e;
}

static bool take_ticket(struct handover_server *s, uint64_t number, struct ticket *out)
{
    pthread_mutex_lock(&s->lock);
    bool taken = tickets_take(s->tickets, number, out);
    pthread_mutex_unlock(&s->lock);
    return taken;
}

enum error handover_relay(struct handover_server *s, const struct relay_request *rq,
                          struct slice raw, void *token)
{
    struct buf request = BUF_INIT(LIMIT_RELAY_BYTES);
    struct end *end;
    uint64_t number;
    relay_write_request(rq, &request);
    enum error e = request.failed ? ERR_INPUT : open_ticket(s, rq, token, &end, &number);
    if (e != OK) {
        buf_wipe(&request);
        return e;
    }
    const struct handover_message m = {-1, raw};
    e = carry_message(end->fd, &relay, number, buf_slice(&request), &m, LIMIT_RELAY_SEND_MS);
    buf_wipe(&request); /* a password may be in it */
    server_unref(s, end);
    struct ticket mine;
    if (e == OK || !take_ticket(s, number, &mine))
        return OK; /* in the second case the connection ended: it is settled already */
    return e == ERR_IO ? ERR_AGAIN : e; /* no descriptor, no memory: not for ever */
}

/* --- Answers --- */

void server_take_result(struct handover_server *s, uint64_t id, struct slice result)
{
    struct ticket t;
    if (!take_ticket(s, id, &t)) {
        log_debug("handover.result-unknown", log_u64("ticket", id));
        return;
    }
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_result r;
    bool good = relay_read_result(&a, result, &r) == OK && r.n_recipients == t.n_recipients;
    if (!good)
        server_malformed("result");
    settle(s, &t, good ? &r : NULL);
}

void server_take_long_result(struct handover_server *s, uint64_t id, int memfd)
{
    struct slice result = SLICE_NONE;
    if (ipc_memfd_map(memfd, LIMIT_RELAY_BYTES, &result) != OK)
        result = SLICE_NONE; /* which is malformed */
    server_take_result(s, id, result);
    ipc_unmap(result);
}

void server_lose_tickets(struct handover_server *s, const struct end *e)
{
    size_t n = 0;
    for (;; n++) {
        struct ticket t;
        pthread_mutex_lock(&s->lock);
        bool found = tickets_take_of(s->tickets, e, &t);
        pthread_mutex_unlock(&s->lock);
        if (!found)
            break;
        settle(s, &t, NULL);
    }
    if (n > 0)
        log_warning("handover.relays-lost", log_u64("messages", n));
}

/* --- The keeper --- */

/* Under the lock. */
static void wait_until(struct handover_server *s, int64_t ms)
{
    const struct timespec until = {ms / 1000, ms % 1000 * 1000000};
    if (ms < 0)
        pthread_cond_wait(&s->ticket, &s->lock);
    else
        pthread_cond_timedwait(&s->ticket, &s->lock, &until);
}

static void *keep(void *arg)
{
    struct handover_server *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        struct ticket t;
        if (!tickets_take_overdue(s->tickets, clock_ms(), &t)) {
            wait_until(s, tickets_until(s->tickets));
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        log_warning("handover.relay-overdue", log_u64("recipients", t.n_recipients));
        settle(s, &t, NULL);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum error server_start_keeper(struct handover_server *s)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    int failed = pthread_create(&s->keeper, &attr, keep, s);
    pthread_attr_destroy(&attr);
    if (failed)
        log_warning("handover.no-thread", log_u64("threads", s->threads));
    return failed ? ERR_AGAIN : OK;
}

void server_stop_keeper(struct handover_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_signal(&s->ticket);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->keeper, NULL);
}
