/* Server-sent events: an answer that stays open. While nothing happens it holds no buffer; its
 * handler is asked for events when the connection's waker was woken, or the tick is due. */
#include "base/clock.h"
#include "web/http_private.h"

struct waker *http_waker(struct http_exchange *x)
{
    return conn_waker(x->h->c);
}

static int64_t next_tick(const struct http_exchange *x)
{
    return x->events.tick_ms > 0 ? clock_ms() + x->events.tick_ms : HTTP_NEVER;
}

void http_answer_events(struct http_exchange *x, const struct http_events *events)
{
    if (x->answer != ANSWER_NONE)
        bug("a second answer");
    x->events = *events;
    x->answer = ANSWER_EVENTS;
    x->status = 200;
    x->type = SLICE("text/event-stream");
    x->length = -1;
    x->tick_at = next_tick(x);
    buf_init(&x->kept, LIMIT_HTTP_EVENTS_PENDING);
}

bool events_wake(struct http_exchange *x)
{
    if (x->answer != ANSWER_EVENTS || x->events_over)
        return false;
    x->tick_at = next_tick(x);
    x->events_due = x->kept.n > 0; /* the peer has not taken the last ones */
    if (x->events_due)
        return false;
    bool more = x->events.wake(x->events.arg, &x->kept);
    x->events_over = !more || x->kept.failed;
    if (x->events_over)
        x->tick_at = HTTP_NEVER;
    if (x->kept.failed) /* half an event is none */
        buf_reset(&x->kept);
    if (x->kept.n > 0)
        x->stall_at = clock_ms() + LIMIT_WRITE_MS;
    return x->kept.n > 0 || x->events_over;
}

bool events_tick(struct http_exchange *x, int64_t now)
{
    return x->answer == ANSWER_EVENTS && x->tick_at <= now && events_wake(x);
}
