/* From the queue's notices to reports; see notice.h. */
#include "filter/notice.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "message/dsn.h"
#include "message/header.h"

struct notice {
    const struct delivery_service *service;
    const struct queue_notice *n;
    struct arena arena;
    bool german;
};

static enum dsn_action action_of(enum queue_notice_kind kind)
{
    switch (kind) {
    case NOTICE_DELAYED:
        return DSN_DELAYED;
    case NOTICE_RELAYED:
        return DSN_RELAYED;
    default:
        return DSN_FAILED;
    }
}

/* Why time ran out: what stood in the way the last time is in the trail. */
static struct slice why_expired(struct notice *t, const struct queue_recipient *r)
{
    struct relay_trail trail;
    const char *expired = problem_text(PROBLEM_EXPIRED, t->german);
    if (relay_read_trail(&t->arena, r->trail, &trail) != OK || trail.problem == PROBLEM_NONE)
        return slice_str(expired);
    return arena_printf(&t->arena, "%s: %s", expired, problem_text(trail.problem, t->german));
}

/* For people: what it means when the other server says this. The class of its answer is better
 * known than its words. */
static struct slice reason(struct notice *t, const struct queue_notice_recipient *r)
{
    if (t->n->kind == NOTICE_RELAYED)
        return SLICE("");
    if (r->outcome.problem == PROBLEM_EXPIRED)
        return why_expired(t, r->recipient);
    struct slice text = slice_str(problem_text(r->outcome.problem, t->german));
    if (r->outcome.problem == PROBLEM_REFUSED) {
        const char *known = dsn_status_text(slice_str(r->outcome.status), t->german);
        if (known)
            text = slice_str(known);
    }
    return text;
}

/* How the message was transported. Where it was kept back, because the connection was not safe
 * enough, nothing was: to tell how safe it was would read as if it had been sent like that. */
static struct slice how_it_went(struct notice *t, const struct queue_notice_recipient *r)
{
    bool sent = t->n->kind == NOTICE_RELAYED || r->outcome.code;
    return sent && r->security > SECURITY_NONE ? slice_str(security_text(r->security, t->german))
                                               : SLICE("");
}

/* What was passed on here for somebody else has no account. Where it went, and what was answered
 * there, is not for its sender: he may be anybody, and the address may be a private one. He hears
 * of the address that he wrote to, which ORCPT names (filter/spread.c). */
static bool hide_forward(struct notice *t, struct dsn_recipient *to)
{
    autobuf written_to = BUF_INIT(LIMIT_DSN_VALUE);
    if (t->n->entry->account || dsn_read_orcpt(to->orcpt, &written_to) != OK)
        return true;
    to->address = arena_dup(&t->arena, buf_slice(&written_to));
    to->remote_mta = to->diagnostic = to->security = SLICE("");
    return to->address.n > 0;
}

/* False when memory's bound is hit. */
static bool fill(struct notice *t, const struct queue_notice_recipient *r, struct dsn_recipient *to)
{
    *to = (struct dsn_recipient){
        .address = r->recipient->address,
        .orcpt = r->recipient->orcpt,
        .action = action_of(t->n->kind),
        .status = t->n->kind == NOTICE_RELAYED ? SLICE("2.0.0") : slice_str(r->outcome.status),
        .remote_mta = r->host,
        /* "550 5.1.1 no such user", as RFC 3464 2.3.6 wants it; else words of our own. */
        .diagnostic = r->outcome.code ? r->recipient->last_answer : SLICE(""),
        .reason = reason(t, r),
        .security = how_it_went(t, r),
        .will_retry_until = t->n->kind == NOTICE_DELAYED ? t->n->retry_until : 0,
    };
    return hide_forward(t, to);
}

/* RFC 8689 5: of a message that was to go encrypted only, no more than the header, whatever RET
 * says: the way back may be another. It is asked to be encrypted too. So it is of what only passed
 * through here: its sender may be forged, and nobody shall get a stranger's advertisement out of
 * our hand, with our signature. */
static enum dsn_return give_back(const struct queue_notice *n)
{
    bool whole = n->kind == NOTICE_FAILED && n->entry->ret != RET_HEADERS;
    return whole && n->entry->account && !n->entry->require_tls ? DSN_FULL : DSN_HEADERS;
}

static enum error compose(struct notice *t, struct buf *out)
{
    const struct queue_notice *n = t->n;
    struct dsn_recipient *list = arena_array(&t->arena, n->n_recipients, sizeof *list);
    if (!list)
        return ERR_LIMIT;
    for (size_t i = 0; i < n->n_recipients; i++)
        if (!fill(t, &n->recipient[i], &list[i]))
            return ERR_LIMIT;
    struct header_field id;
    bool found = header_find(n->raw, SLICE("Message-ID"), &id);
    struct dsn d = {
        .host = t->service->host,
        .german = t->german,
        .to = n->entry->sender,
        .envid = n->entry->envid,
        .arrival = n->entry->created,
        .now = clock_wall(),
        .message_id = found ? header_token(&t->arena, id.value) : SLICE(""),
        .raw = n->raw,
        .give_back = give_back(n),
        .recipient = list,
        .n_recipients = n->n_recipients,
    };
    return dsn_make(&d, out);
}

/* A report has no sender, so that none is made of it. Whoever cannot be told (the mailbox is full
 * or gone) is not told later either: the queue must not keep a message for that. */
static enum error deliver(const struct delivery_service *s, struct slice to, bool require_tls,
                          struct slice text)
{
    struct delivery_recipient recipient = {.address = to, .notify = NOTIFY_NEVER};
    struct delivery_request rq = {.sender = SLICE(""),
                                  .smtputf8 = !ascii_only(to),
                                  .require_tls = require_tls,
                                  .may_relay = true,
                                  .raw = text,
                                  .received = clock_wall(),
                                  .recipients = &recipient,
                                  .n_recipients = 1};
    delivery_run(s, &rq);
    switch (recipient.status) {
    case DELIVERY_OK:
        return OK;
    case DELIVERY_TEMPORARY:
    case DELIVERY_NO_ROOM:
        return ERR_AGAIN;
    default:
        log_warning("notice.untold", log_slice("to", to), log_u64("status", recipient.status));
        return OK;
    }
}

enum error notice_deliver(const struct delivery_service *s, const struct queue_notice *n)
{
    if (n->entry->sender.n == 0 || n->n_recipients == 0)
        return OK;
    struct notice t = {
        .service = s, .n = n, .german = delivery_in_german(s, n->entry->account, n->entry->sender)};
    arena_init(&t.arena, LIMIT_REPORT);
    autobuf text = BUF_INIT(2 * LIMIT_REPORT);
    enum error e = compose(&t, &text);
    if (e == OK)
        e = deliver(s, n->entry->sender, n->entry->require_tls, buf_slice(&text));
    else
        log_warning("notice.unwritten", log_slice("to", n->entry->sender),
                    log_text("error", error_name(e)));
    arena_free(&t.arena);
    /* What cannot be written today cannot be tomorrow. */
    return e == ERR_AGAIN ? e : OK;
}
