/* What a worker does with a connection that it owns. */
#include "base/clock.h"
#include "base/log.h"
#include "net/runtime_private.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

static enum after after_broken(struct conn *c, enum after a)
{
    return c->broken ? CLOSE : a;
}

static enum after turn_open(struct conn *c, enum after (*open)(struct conn *c))
{
    c->phase = PHASE_OPEN;
    c->opened = true;
    return after_broken(c, open ? open(c) : PARK);
}

static enum after turn_handshake(struct conn *c)
{
    enum error e = stream_handshake(c);
    if (e == ERR_AGAIN)
        return PARK;
    if (e != OK)
        return CLOSE;
    atomic_store(&c->deadline, c->kept_deadline);
    timer_ensure(c->listener->rt, c);
    /* The last flight may have brought the first request with it, into OpenSSL's buffer. */
    c->more = c->more || SSL_has_pending(c->ssl);
    return turn_open(c, c->opened ? c->open_tls : c->listener->o.protocol->open);
}

/* The first turn of an accepted connection. */
static enum after turn_new(struct conn *c)
{
    if (!c->listener->o.implicit_tls)
        return turn_open(c, c->listener->o.protocol->open);
    if (stream_tls(c) != OK)
        return CLOSE;
    c->phase = PHASE_HANDSHAKE;
    c->kept_deadline = NEVER;
    atomic_store(&c->deadline, clock_ms() + LIMIT_HANDSHAKE_MS);
    timer_ensure(c->listener->rt, c);
    return PARK; /* the client speaks first, so there is nothing to try yet */
}

static enum after turn_input(struct conn *c)
{
    const struct protocol *p = c->listener->o.protocol;
    for (int i = 0; i < LIMIT_READ_ROUNDS; i++) {
        enum error e = conn_fill(c);
        if (e == ERR_AGAIN)
            return PARK;
        if (e == ERR_LIMIT)
            log_error("net.input-full", log_text("protocol", p->name));
        if (e != OK)
            return CLOSE;
        enum after a = after_broken(c, p->input(c));
        if (a == CLOSE || !c->more || c->phase != PHASE_OPEN)
            return a;
        if (own_asked(c))
            return PARK; /* others want something too; c->more brings us back */
    }
    return PARK;
}

/* There may be room for what the peer did not take before. */
static enum after turn_output(struct conn *c)
{
    const struct protocol *p = c->listener->o.protocol;
    conn_resume(c);
    if (c->broken || c->stalled || !p->writable)
        return after_broken(c, PARK);
    return after_broken(c, p->writable(c));
}

static enum after turn_timer(struct conn *c)
{
    const struct protocol *p = c->listener->o.protocol;
    if (atomic_load(&c->deadline) > clock_ms()) {
        timer_ensure(c->listener->rt, c); /* it was moved after the keeper had looked */
        return PARK;
    }
    atomic_store(&c->deadline, NEVER);
    if (c->phase != PHASE_OPEN || !p->timeout)
        return CLOSE;
    return after_broken(c, p->timeout(c));
}

static enum after turn_stop(struct conn *c)
{
    const struct protocol *p = c->listener->o.protocol;
    if (c->phase != PHASE_OPEN || !p->stopping)
        return CLOSE;
    return after_broken(c, p->stopping(c));
}

/* One turn: everything that the connection was woken for. */
static enum after turn(struct conn *c, uint32_t why)
{
    const struct protocol *p = c->listener->o.protocol;
    if (why & OWN_CUT) {
        c->broken = true;
        return CLOSE;
    }
    enum after a = PARK;
    if (c->phase == PHASE_NEW)
        a = turn_new(c);
    if (why & OWN_INPUT)
        c->armed = c->armed_out = false;
    if (why & OWN_WAKE)
        c->wake_kept = true;
    if (a == PARK && c->phase == PHASE_HANDSHAKE && (why & OWN_INPUT)) {
        a = turn_handshake(c);
        why &= ~OWN_INPUT; /* that was it; more of it makes epoll report again */
    }
    if (a == PARK && c->stalled && (why & OWN_INPUT))
        a = turn_output(c);
    if (a == PARK && c->phase == PHASE_OPEN && ((why & OWN_INPUT) || c->more))
        a = turn_input(c);
    if (a == PARK && c->phase == PHASE_OPEN && c->wake_kept) {
        c->wake_kept = false;
        if (p->event)
            a = after_broken(c, p->event(c));
    }
    if (a == PARK && (why & OWN_TIMER))
        a = turn_timer(c);
    if (a == PARK && (why & OWN_STOP))
        a = turn_stop(c);
    return a;
}

static bool arm(struct conn *c)
{
    if (c->armed && (c->armed_out || !c->stalled))
        return true;
    struct epoll_event e = {
        .events = EPOLLRDHUP | EPOLLONESHOT | (c->want_write ? EPOLLOUT : EPOLLIN) |
                  (c->stalled ? EPOLLOUT : 0),
        .data.u64 = slot_name(c),
    };
    int op = c->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(c->listener->rt->epoll_fd, op, c->fd, &e) < 0) {
        log_error("net.epoll", log_text("why", strerror(errno)));
        return false;
    }
    c->registered = c->armed = true;
    c->armed_out = c->stalled;
    return true;
}

void end_conn(struct conn *c)
{
    struct runtime *rt = c->listener->rt;
    bool polite = !c->broken && !c->stalled;
    if (c->opened && c->phase == PHASE_OPEN && polite)
        conn_flush(c);
    polite = polite && !c->broken;
    c->stalled = false;
    if (c->opened && c->listener->o.protocol->close) {
        /* Whatever close() may try to say has nowhere to go. */
        c->broken = true;
        c->listener->o.protocol->close(c);
    }
    timer_remove(rt, c);
    stream_close(c, polite);
    buf_reset(&c->in);
    c->in_at = 0;
    conn_shed(c);
    accept_uncount(c);
    waker_unref(c->waker);
    slot_give(rt, c);
    if (atomic_fetch_sub(&rt->connections, 1) == 1 && atomic_load(&rt->stopping))
        keeper_poke(rt);
}

void run_conn(struct worker *w, struct conn *c)
{
    struct listener *l = c->listener;
    c->worker = w;
    for (;;) {
        enum after a = turn(c, own_take(c));
        if (a == PARK && c->phase == PHASE_OPEN && !c->stalled)
            conn_flush(c);
        if (a == CLOSE || c->broken) {
            end_conn(c);
            return;
        }
        if (c->more) {
            own_again(c, OWN_INPUT);
            if (pool_crowded(l->rt, &l->lane)) {
                /* It talks and talks; the others first. */
                queue_conn(l->rt, c);
                return;
            }
            continue;
        }
        conn_shed(c);
        /* Armed while still owned: afterwards it may belong to somebody else at once. An event
         * that comes in between finds it owned and leaves OWN_INPUT, which own_park() sees. */
        if (!arm(c)) {
            end_conn(c);
            return;
        }
        if (own_park(c))
            return;
    }
}
