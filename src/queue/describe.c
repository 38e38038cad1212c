/* Telling people about the queue. */
#include "queue/describe.h"
#include "base/date.h"

const char *queue_state_name(enum queue_state s)
{
    switch (s) {
    case QUEUE_WAITING:
        return "waiting";
    case QUEUE_HELD:
        return "held";
    case QUEUE_BROKEN:
        return "broken";
    case QUEUE_DELIVERED:
        return "delivered";
    case QUEUE_RETURNED:
        return "returned";
    case QUEUE_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

/* What the other server answered is untrusted, and goes to a terminal. */
static void put_answer(struct slice answer, struct buf *out)
{
    buf_lit(out, "; last answer: ");
    for (size_t i = 0; i < answer.n; i++)
        buf_byte(out, answer.p[i] < ' ' || answer.p[i] == 127 ? '?' : answer.p[i]);
}

static void put_waiting(const struct queue_recipient *r, int64_t now, struct buf *out)
{
    if (r->attempts == 0)
        buf_lit(out, "waiting for the first attempt");
    else
        buf_printf(out, "waiting: attempt %llu", (unsigned long long)r->attempts + 1);
    if (r->next_attempt > now) {
        buf_lit(out, " at ");
        date_print_iso(r->next_attempt, out);
    } else if (r->attempts > 0) {
        buf_lit(out, " is due");
    }
}

void queue_describe(const struct queue_recipient *r, int64_t now, struct buf *out)
{
    switch (r->state) {
    case QUEUE_WAITING:
        put_waiting(r, now, out);
        break;
    case QUEUE_HELD:
        buf_lit(out, "held by the operator");
        break;
    case QUEUE_BROKEN:
        buf_printf(out, "cannot be sent as it is, after %lu attempts", (unsigned long)r->attempts);
        break;
    case QUEUE_DELIVERED:
    case QUEUE_RETURNED:
    case QUEUE_CANCELLED:
        buf_str(out, queue_state_name(r->state));
        buf_lit(out, " at ");
        date_print_iso(r->next_attempt, out);
        break;
    }
    if (r->last_answer.n > 0)
        put_answer(r->last_answer, out);
}

enum queue_state queue_entry_state(const struct queue_entry *e)
{
    enum queue_state worst = QUEUE_WAITING;
    for (size_t i = 0; i < e->n_recipients; i++)
        if (e->recipients[i].state > worst)
            worst = e->recipients[i].state;
    return worst;
}

int64_t queue_entry_next(const struct queue_entry *e)
{
    int64_t next = 0;
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        if (r->state == QUEUE_WAITING && (next == 0 || r->next_attempt < next))
            next = r->next_attempt;
    }
    return next;
}
