/* Submission's rules; see submit.h. */
#include "smtp/submit.h"

#include "base/log.h"
#include "base/mem.h"
#include "smtp/compose.h"
#include "smtp/sending_limit.h"
#include "smtp/trace.h"

bool submit_may_send_as(const struct smtp_submission *s, const struct account *a,
                        struct slice address)
{
    return directory_may_send_as(s->delivery.directory, a->id, address);
}

enum smtp_reply submit_sender(const struct smtp_submission *s, const struct account *a,
                              struct slice sender)
{
    struct account now;
    enum error e = directory_account_get(s->delivery.directory, a->id, &now);
    if (e != OK)
        return e == ERR_NOTFOUND ? REPLY_REVOKED : REPLY_TEMPORARY;
    enum smtp_reply r = REPLY_NONE;
    if (now.state != ACCOUNT_ACTIVE)
        r = REPLY_NO_SEND;
    else if (sender.n == 0)
        r = REPLY_NO_NULL_SENDER;
    else if (!submit_may_send_as(s, a, sender))
        r = REPLY_NOT_YOUR_SENDER;
    if (r != REPLY_NONE)
        log_info("smtp.sender-refused", log_text("user", a->address), log_slice("from", sender),
                 log_text("reason", smtp_reply(r)->text));
    return r;
}

enum smtp_reply submit_deliver(const struct smtp_submission *s, const struct submit_letter *l)
{
    struct delivery_request rq = {
        .sender_account = l->account->id,
        .sender = l->sender,
        .envid = l->envid,
        .ret = l->ret,
        .smtputf8 = l->smtputf8,
        .require_tls = l->require_tls,
        .may_relay = true,
        .raw = l->raw,
        .received = l->now,
        .recipients = l->to,
        .n_recipients = l->n,
    };
    enum smtp_reply limit = sending_limit(s, l->account, l->to, l->n, l->now);
    if (limit != REPLY_NONE)
        return limit;
    delivery_run(&s->delivery, &rq);
    enum smtp_reply *each = mem_array(l->n, sizeof *each);
    for (size_t i = 0; i < l->n; i++)
        each[i] = smtp_reply_of_delivery(l->to[i].status);
    enum smtp_reply r = smtp_reply_of_all(each, l->n);
    mem_free(each);
    return r;
}

/* --- Without a connection --- */

struct writer {
    const struct smtp_submission *s;
    const struct account *a;
};

static bool may_send_as(void *arg, struct slice address)
{
    const struct writer *w = arg;
    return submit_may_send_as(w->s, w->a, address);
}

static enum smtp_reply probe_all(const struct smtp_submission *s, const struct submit_letter *l)
{
    enum smtp_reply first = REPLY_NONE;
    if (l->n == 0)
        return REPLY_NEED_RCPT;
    if (l->n > (s->limits.recipients ? s->limits.recipients : LIMIT_SMTP_RECIPIENTS))
        return REPLY_TOO_MANY_RCPT;
    for (size_t i = 0; i < l->n; i++) {
        l->to[i].status = delivery_probe(&s->delivery, l->to[i].address, l->raw.n, true);
        if (l->to[i].status != DELIVERY_OK && first == REPLY_NONE)
            first = smtp_reply_of_delivery(l->to[i].status);
    }
    return first;
}

static enum smtp_reply write_header(const struct smtp_submission *s, const struct submit_letter *l,
                                    struct buf *head, size_t *body)
{
    char id[TRACE_ID];
    trace_id(id);
    const struct trace trace = {
        .submission = true,
        .http = true,
        .host = s->host,
        .id = slice_str(id),
        .only_recipient = l->n == 1 ? l->to[0].address : SLICE_NONE,
        .received = l->now,
    };
    struct writer w = {s, l->account};
    const struct compose how = {
        .may_send_as = may_send_as, .arg = &w, .host = s->host, .now = l->now};
    trace_received(&trace, head);
    return smtp_compose(&how, l->raw, head, body);
}

/* Then it must not be sent again for those who refused it since they were asked. */
static bool kept_by_some(const struct submit_letter *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->to[i].status == DELIVERY_OK)
            return true;
    return false;
}

enum smtp_reply smtp_submit(const struct smtp_submission *s, const struct submit_letter *l)
{
    size_t body = 0;
    autobuf whole = BUF_INIT(l->raw.n + LIMIT_HEADER_SIZE + LIMIT_SMTP_TRACE);
    if (l->raw.n > (s->limits.message_size ? s->limits.message_size : LIMIT_MESSAGE_SIZE))
        return REPLY_TOO_BIG;
    enum smtp_reply r = submit_sender(s, l->account, l->sender);
    if (r == REPLY_NONE)
        r = probe_all(s, l);
    if (r == REPLY_NONE)
        r = write_header(s, l, &whole, &body);
    if (r != REPLY_NONE)
        return r;
    buf_add(&whole, slice_from(l->raw, body));
    if (buf_check(&whole))
        return REPLY_TOO_BIG;
    struct submit_letter complete = *l;
    complete.raw = buf_slice(&whole);
    for (size_t i = 0; i < l->n; i++)
        l->to[i].status = DELIVERY_TEMPORARY; /* until it is kept */
    r = submit_deliver(s, &complete);
    return r == REPLY_ACCEPTED || kept_by_some(l) ? REPLY_NONE : r;
}
