/* Telling people about the queue. */
#include "queue/describe.h"

#include "base/date.h"
#include "base/limits.h"
#include "handover/relay.h"

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
static void put_clean(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        buf_byte(out, text.p[i] < ' ' || text.p[i] == 127 ? '?' : text.p[i]);
}

static void put_answer(struct slice answer, struct buf *out)
{
    buf_lit(out, "; last answer: ");
    put_clean(answer, out);
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
        return;
    }
    /* What is due and does not go waits behind its destination: see schedule.h. */
    if (r->attempts > 0)
        buf_lit(out, " is due");
    buf_lit(out, ": it is on its way now, or follows as soon as its destination takes mail again");
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

/* --- All about a recipient --- */

static void put_attempts(uint32_t n, struct buf *out)
{
    buf_printf(out, "%lu %s", (unsigned long)n, n == 1 ? "attempt" : "attempts");
}

static void put_state(const struct queue_recipient *r, int64_t now, struct buf *out)
{
    switch (r->state) {
    case QUEUE_WAITING:
        put_waiting(r, now, out);
        break;
    case QUEUE_HELD:
        buf_lit(out, "held by the operator: nothing happens before `depesche queue release`");
        break;
    case QUEUE_BROKEN:
        buf_lit(out, "set aside, because it cannot be sent as it is: `depesche queue retry` tries "
                     "it once more, `depesche queue cancel` removes it");
        break;
    case QUEUE_DELIVERED:
        buf_lit(out, "delivered at ");
        date_print_iso(r->next_attempt, out);
        buf_lit(out, ", after ");
        put_attempts(r->attempts, out);
        break;
    case QUEUE_RETURNED:
        buf_lit(out, "given up at ");
        date_print_iso(r->next_attempt, out);
        buf_lit(out, ", after ");
        put_attempts(r->attempts, out);
        break;
    case QUEUE_CANCELLED:
        buf_lit(out, "cancelled by the operator at ");
        date_print_iso(r->next_attempt, out);
        break;
    }
    buf_lit(out, "\n");
}

static void put_told(const struct queue_entry *e, const struct queue_recipient *r, struct buf *out)
{
    enum { NEVER = 1, FAILURE = 4 };
    bool told = e->sender.n > 0 && !(r->notify & NEVER) && (r->notify == 0 || r->notify & FAILURE);
    if (r->state == QUEUE_RETURNED)
        buf_str(out, told               ? "  the sender was told\n"
                     : e->sender.n == 0 ? "  nobody was told: the message names no sender\n"
                                        : "  the sender was not told: he asked not to be\n");
    else if (r->state == QUEUE_WAITING && r->told)
        buf_lit(out, "  the sender was told of the delay\n");
}

/* What was reached before stands in the way: the other side has less than that now. What its domain
 * itself announces, and a server that does not answer, no word of the operator mends. */
static bool ratchet_holds(const struct relay_trail *t)
{
    if (t->source != SOURCE_RATCHET && t->source != SOURCE_RATCHET_TLS)
        return false;
    switch (t->problem) {
    case PROBLEM_NO_TLS:
    case PROBLEM_TLS_REFUSED:
    case PROBLEM_HANDSHAKE:
    case PROBLEM_CERT_UNTRUSTED:
    case PROBLEM_CERT_EXPIRED:
    case PROBLEM_CERT_NAME:
    case PROBLEM_CERT_BAD:
    case PROBLEM_DANE_MISSING:
    case PROBLEM_DANE_UNUSABLE:
    case PROBLEM_TOO_WEAK:
        return true;
    default:
        return false;
    }
}

static void put_demand(const struct relay_trail *t, struct slice domain, bool waits,
                       struct buf *out)
{
    static const char *const what[DEMAND_COUNT] = {
        [DEMAND_NOTHING] = "",
        [DEMAND_ENCRYPT] = "encryption",
        [DEMAND_VERIFY] = "encryption, and a server that is confirmed",
        [DEMAND_DANE] = "encryption, and a server that is confirmed by DANE",
    };
    static const char *const who[SOURCE_COUNT] = {
        [SOURCE_NOBODY] = "",
        [SOURCE_SETTING] = "by the setting sending.clear_text",
        [SOURCE_LIST] = "by the list of providers",
        [SOURCE_OPERATOR] = "by the operator's line for it",
        [SOURCE_RATCHET_TLS] = "because it had encryption within the last 30 days",
        [SOURCE_RATCHET] = "because it was reached so before",
        [SOURCE_MESSAGE] = "by the message itself (REQUIRETLS)",
        [SOURCE_TRANSPORT] = "because this server logs in there",
    };
    if (t->demand > DEMAND_NOTHING && t->demand < DEMAND_COUNT && t->source < SOURCE_COUNT)
        buf_printf(out, "  demanded: %s, %s\n", what[t->demand], who[t->source]);
    if (waits && ratchet_holds(t)) {
        buf_lit(out, "  if it is known to have less now: `depesche queue policy ");
        put_clean(domain, out);
        buf_lit(out, " --allow-weaker`, then `depesche queue retry`\n");
    }
}

/* "  mx.example.net (192.0.2.1): the other side offered no encryption" */
static void put_try(const struct relay_try *y, struct buf *out)
{
    static const struct ip none;
    char ip[IP_TEXT];
    buf_lit(out, "    ");
    put_clean(y->host.n > 0 ? y->host : SLICE("the domain"), out);
    if (!ip_eq(y->ip, none)) {
        ip_print(y->ip, ip);
        buf_printf(out, " (%s)", ip);
    }
    buf_printf(out, ": %s",
               y->problem == PROBLEM_NONE ? "it was handed over here"
                                          : problem_text(y->problem, false));
    if (y->security > SECURITY_NONE && y->problem != PROBLEM_NO_TLS)
        buf_printf(out, "; %s", security_text(y->security, false));
    if (y->detail.n > 0) {
        buf_lit(out, " [");
        put_clean(y->detail, out);
        buf_lit(out, "]");
    }
    buf_lit(out, "\n");
}

static void put_reached(const struct relay_trail *t, struct buf *out)
{
    buf_lit(out, "  ");
    put_clean(t->host, out);
    buf_printf(out, ": %s", security_text(t->security, false));
    if (t->tls_version.n > 0) {
        buf_lit(out, " (");
        put_clean(t->tls_version, out);
        buf_str(out, t->tls_cipher.n > 0 ? ", " : "");
        put_clean(t->tls_cipher, out);
        buf_lit(out, ")");
    }
    buf_lit(out, "\n");
}

static void put_trail(const struct queue_recipient *r, struct buf *out)
{
    autoarena a;
    struct relay_trail t;
    arena_init(&a, LIMIT_QUEUE_ARENA);
    if (r->trail.n == 0)
        return;
    if (relay_read_trail(&a, r->trail, &t) != OK) {
        buf_lit(out, "  what the last attempt met cannot be read\n");
        return;
    }
    if (t.problem == PROBLEM_NONE && t.host.n > 0) {
        put_reached(&t, out);
    } else {
        buf_lit(out, "  last attempt at ");
        date_print_iso(t.at, out);
        buf_printf(out, ": %s\n", problem_text(t.problem, false));
    }
    for (size_t i = 0; i < t.n_tries && t.problem != PROBLEM_NONE; i++)
        put_try(&t.tries[i], out);
    size_t at = slice_rindex(r->address, '@');
    put_demand(&t, slice_from(r->address, at + 1), r->state == QUEUE_WAITING, out);
}

void queue_explain(const struct queue_entry *e, const struct queue_recipient *r, int64_t now,
                   struct buf *out)
{
    put_state(r, now, out);
    put_trail(r, out);
    if (r->last_answer.n > 0) {
        buf_str(out, r->state == QUEUE_BROKEN ? "  reason: " : "  the other side said: ");
        put_clean(r->last_answer, out);
        buf_lit(out, "\n");
    }
    put_told(e, r, out);
}

/* --- The whole entry --- */

static int weight(enum queue_state s)
{
    static const int of[] = {[QUEUE_DELIVERED] = 0, [QUEUE_CANCELLED] = 1, [QUEUE_RETURNED] = 2,
                             [QUEUE_WAITING] = 3,   [QUEUE_HELD] = 4,      [QUEUE_BROKEN] = 5};
    return of[s];
}

enum queue_state queue_entry_state(const struct queue_entry *e)
{
    enum queue_state worst = e->n_recipients > 0 ? QUEUE_DELIVERED : QUEUE_BROKEN;
    for (size_t i = 0; i < e->n_recipients; i++)
        if (weight(e->recipients[i].state) > weight(worst))
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
