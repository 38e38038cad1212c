/* See outcome.h. */
#include "queue/outcome.h"

#include "base/limits.h"
#include "message/dsn.h"
#include <stdio.h>

enum { TOLD_DELAY = 1 };

/* As if edge had answered that it was too busy. */
static const struct relay_outcome_of unknown = {
    .outcome = RELAY_TEMPORARY, .problem = PROBLEM_BUSY, .status = "4.3.2"};

int64_t outcome_pause(const struct outcome_times *t, uint32_t attempts, uint32_t jitter)
{
    int64_t pause = t->retry_first;
    for (uint32_t i = 1; i < attempts && pause < t->retry_most; i++)
        pause *= 2;
    if (pause > t->retry_most)
        pause = t->retry_most;
    int64_t width = pause / 5; /* a tenth to both sides */
    return pause - width / 2 + (width > 0 ? (int64_t)(jitter % (uint64_t)(width + 1)) : 0);
}

static struct relay_outcome_of outcome_of(const struct outcome_in *in, size_t i)
{
    const struct relay_result *r = in->result;
    return r != NULL && i < r->n_recipients ? r->recipient[i] : unknown;
}

/* --- What is kept of the attempt --- */

static struct slice answer_text(const struct relay_outcome_of *o, struct arena *a)
{
    if (o->code == 0)
        return o->answer;
    return arena_printf(a, "%u %s%s%.*s", (unsigned)o->code, o->status, o->answer.n ? " " : "",
                        SLICE_FMT(o->answer));
}

static struct slice trail_of(const struct outcome_in *in, const struct relay_outcome_of *o,
                             struct arena *a)
{
    autobuf b = BUF_INIT(LIMIT_QUEUE_TRAIL);
    struct relay_trail t = {
        .at = in->now, .problem = o->problem, .demand = in->demand, .source = in->source};
    if (in->result != NULL) {
        const struct relay_result *r = in->result;
        t.security = r->security;
        t.host = r->host;
        t.tls_version = r->tls_version;
        t.tls_cipher = r->tls_cipher;
        t.tries = r->tries;
        t.n_tries = r->n_tries;
    }
    relay_write_trail(&t, &b);
    return b.failed ? SLICE_NONE : arena_dup(a, buf_slice(&b));
}

/* --- One recipient --- */

static bool expired(const struct outcome_in *in)
{
    return in->now >= in->entry->created + in->times.give_up;
}

/* Edge was too busy, or about to stop: it tried nothing. */
static bool untried(const struct outcome_in *in, const struct relay_outcome_of *o)
{
    return in->result != NULL && o->problem == PROBLEM_BUSY && o->code == 0;
}

static int64_t next_attempt(const struct outcome_in *in, const struct relay_outcome_of *o,
                            uint32_t attempts)
{
    /* Edge was restarted, perhaps: that is quickly over. When it happens again it may be this very
     * message, and each attempt may have been a delivery. */
    int64_t pause = untried(in, o) || (in->result == NULL && attempts <= 1)
                        ? LIMIT_QUEUE_SOON_SECONDS
                        : outcome_pause(&in->times, attempts, in->jitter);
    int64_t at = in->now + pause, end = in->entry->created + in->times.give_up;
    return at > end ? end : at;
}

static void decide_one(const struct outcome_in *in, size_t i, struct relay_outcome_of *o,
                       struct queue_recipient *r)
{
    r->attempts += !untried(in, o);
    r->next_attempt = in->now;
    if (o->outcome == RELAY_DELIVERED) {
        r->state = QUEUE_DELIVERED;
    } else if (in->order[i] == ORDER_CANCEL) {
        r->state = QUEUE_CANCELLED;
    } else if (o->outcome == RELAY_PERMANENT) {
        r->state = QUEUE_RETURNED;
    } else if (in->order[i] == ORDER_HOLD) {
        r->state = QUEUE_HELD;
    } else if (expired(in)) {
        r->state = QUEUE_RETURNED;
        o->problem = PROBLEM_EXPIRED;
        snprintf(o->status, sizeof o->status, "4.4.7");
    } else {
        r->state = QUEUE_WAITING;
        r->next_attempt = next_attempt(in, o, r->attempts);
    }
}

/* --- Notices --- */

static bool delay_wanted(const struct outcome_in *in, const struct queue_recipient *r)
{
    return r->state == QUEUE_WAITING && !(r->told & TOLD_DELAY) &&
           in->now >= in->entry->created + in->times.delay_notice &&
           (r->notify == 0 || (r->notify & NOTIFY_DELAY));
}

static bool wanted(const struct outcome_in *in, const struct queue_recipient *r,
                   enum queue_notice_kind kind)
{
    if (in->entry->sender.n == 0 || (r->notify & NOTIFY_NEVER))
        return false;
    switch (kind) {
    case NOTICE_FAILED:
        return r->state == QUEUE_RETURNED && (r->notify == 0 || (r->notify & NOTIFY_FAILURE));
    case NOTICE_RELAYED:
        return r->state == QUEUE_DELIVERED && (r->notify & NOTIFY_SUCCESS) && in->result != NULL &&
               !in->result->remote_dsn;
    case NOTICE_DELAYED:
        return delay_wanted(in, r);
    }
    return false;
}

static enum error make_notice(const struct outcome_in *in, const struct relay_outcome_of *of,
                              enum queue_notice_kind kind, struct arena *a, struct outcome *out)
{
    struct queue_notice_recipient *list = arena_array(a, in->n, sizeof *list);
    size_t n = 0;
    if (list == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < in->n; i++) {
        struct queue_recipient *r = &out->change[i].recipient;
        if (!wanted(in, r, kind))
            continue;
        if (kind == NOTICE_DELAYED)
            r->told |= TOLD_DELAY;
        list[n] = (struct queue_notice_recipient){.recipient = r, .outcome = of[i]};
        if (in->result != NULL) {
            list[n].host = in->result->host;
            list[n].security = in->result->security;
        }
        n++;
    }
    if (n == 0)
        return OK;
    out->notice[out->n_notices++] = (struct queue_notice){
        .kind = kind,
        .entry = in->entry,
        .recipient = list,
        .n_recipients = n,
        .retry_until = kind == NOTICE_DELAYED ? in->entry->created + in->times.give_up : 0};
    return OK;
}

/* --- The whole --- */

/* A destination that answered for one message is well, whatever it said. */
static enum schedule_end schedule_end(const struct outcome_in *in,
                                      const struct relay_outcome_of *of)
{
    bool delivered = false, answered = false, busy = true, temporary = true;
    for (size_t i = 0; i < in->n; i++) {
        delivered = delivered || of[i].outcome == RELAY_DELIVERED;
        answered = answered || of[i].code != 0;
        busy = busy && (of[i].problem == PROBLEM_BUSY || of[i].problem == PROBLEM_NO_VALIDATION);
        temporary = temporary && of[i].outcome == RELAY_TEMPORARY;
    }
    if (in->result == NULL || busy)
        return SCHEDULE_UNKNOWN;
    if (delivered)
        return SCHEDULE_TOOK;
    if (in->result->next_hop_failed || (!answered && temporary))
        return SCHEDULE_FAILED;
    return answered ? SCHEDULE_DEFERRED : SCHEDULE_UNKNOWN;
}

enum error outcome_decide(const struct outcome_in *in, struct arena *a, struct outcome *out)
{
    struct relay_outcome_of *of = arena_array(a, in->n, sizeof *of);
    *out = (struct outcome){.at = INT64_MAX};
    out->change = arena_array(a, in->n, sizeof *out->change);
    if (of == NULL || out->change == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < in->n; i++)
        of[i] = outcome_of(in, i);
    out->end = schedule_end(in, of);
    for (size_t i = 0; i < in->n; i++) {
        struct queue_change *c = &out->change[i];
        *c = (struct queue_change){.entry = in->entry->id,
                                   .recipient = in->entry->recipients[in->which[i]]};
        c->recipient.trail = trail_of(in, &of[i], a);
        c->recipient.last_answer = answer_text(&of[i], a);
        decide_one(in, i, &of[i], &c->recipient);
        if (c->recipient.state != QUEUE_WAITING)
            continue;
        out->left++;
        if (c->recipient.next_attempt < out->at)
            out->at = c->recipient.next_attempt;
    }
    static const enum queue_notice_kind kinds[] = {NOTICE_FAILED, NOTICE_RELAYED, NOTICE_DELAYED};
    enum error e = a->failed ? ERR_LIMIT : OK;
    for (size_t k = 0; k < OUTCOME_NOTICES && e == OK; k++)
        e = make_notice(in, of, kinds[k], a, out);
    return e;
}
