/* Delivery; see delivery.h. One look at the header, one summary, one call of the store. */
#include "filter/delivery.h"
#include "base/date.h"
#include "base/log.h"
#include "base/utf8.h"
#include "filter/resolve.h"
#include "filter/spread.h"
#include "message/dsn.h"
#include "message/header.h"
#include "message/seven.h"
#include "trust/dkim.h"

enum report_action {
    REPORT_NONE,
    REPORT_DELIVERED, /* is in the mailbox of the recipient */
    REPORT_EXPANDED,  /* the recipient leads to several places, all of which have it */
};

struct run {
    const struct delivery_service *service;
    struct delivery_request *rq;
    struct arena arena;
    struct spread spread;
    struct slice delivered_to[LIMIT_DELIVERED_TO]; /* values in the message's header */
    size_t n_delivered_to;
    bool tls_optional;           /* "TLS-Required: No" (RFC 8689 4) */
    struct slice forward_sender; /* in whose name a forward leaves */
    struct buf whole;            /* trace and message in one piece, where the queue needs it */
    struct store_delivery out;
    struct queue_entry entry[2]; /* direct, forwarded */
    struct place **target_place; /* of out.targets */
    enum report_action *action;  /* of each recipient; NULL: nobody asked for a report */
};

/* Text that goes into header fields and queue entries: whoever made the envelope is not trusted to
 * have looked. */
static bool clean(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 127)
            return false;
    return true;
}

static bool over_quota(const struct delivery_service *s, uint64_t account, uint64_t quota,
                       uint64_t size)
{
    struct store_usage usage;
    if (quota == 0 || store_usage(s->store, account, &usage) != OK)
        return false;
    return usage.bytes >= quota || size > quota - usage.bytes;
}

enum delivery_status delivery_probe(const struct delivery_service *s, struct slice recipient,
                                    uint64_t size, bool may_relay)
{
    autoarena a;
    arena_init(&a, LIMIT_DELIVERY_ARENA);
    /* Who may relay submits, and never without a sender. */
    if (may_relay && resolve_is_return(s->directory, recipient))
        return DELIVERY_UNKNOWN;
    struct resolved_target *t = NULL;
    enum error e =
        clean(recipient) ? resolve_recipient(s->directory, recipient, &a, &t) : ERR_INPUT;
    if (e != OK)
        return spread_status(e, may_relay);
    for (; t; t = t->next)
        if (t->account && over_quota(s, t->account, t->quota, size))
            return DELIVERY_QUOTA;
    return DELIVERY_OK;
}

static void fail_all(struct delivery_request *rq, enum delivery_status status)
{
    for (size_t i = 0; i < rq->n_recipients; i++)
        rq->recipients[i].status = status;
}

/* Counts hops and remembers where the message was. False: it goes in circles. */
static bool read_header(struct run *r)
{
    struct slice rest = r->rq->raw;
    struct header_field f;
    size_t hops = 0;
    for (size_t fields = 0; fields < LIMIT_HEADER_FIELDS && header_next(&rest, &f); fields++) {
        if (slice_ieq(f.name, SLICE("Received"))) {
            if (++hops > LIMIT_RECEIVED_FIELDS)
                return false;
        } else if (slice_ieq(f.name, SLICE("Delivered-To")) &&
                   r->n_delivered_to < LIMIT_DELIVERED_TO) {
            r->delivered_to[r->n_delivered_to++] = slice_trim(f.value);
        } else if (slice_ieq(f.name, SLICE("TLS-Required"))) {
            r->tls_optional = slice_ieq(slice_trim(f.value), SLICE("No"));
        }
    }
    return true;
}

static bool was_at(const struct run *r, struct slice address)
{
    for (size_t i = 0; i < r->n_delivered_to; i++)
        if (slice_ieq(r->delivered_to[i], address))
            return true;
    return false;
}

/* Fills the recipients' statuses as far as they are known before anything is written. */
static void resolve_all(struct run *r)
{
    struct delivery_request *rq = r->rq;
    struct spread *s = &r->spread;
    for (size_t i = 0; i < rq->n_recipients; i++) {
        struct delivery_recipient *x = &rq->recipients[i];
        if (!clean(x->address) || !clean(x->orcpt))
            x->status = DELIVERY_BAD;
        else if (was_at(r, x->address))
            x->status = DELIVERY_LOOP;
        else
            x->status = spread_add(s, r->service->directory, rq->may_relay, (uint32_t)i, x);
    }
    uint64_t size = rq->trace.n + rq->raw.n;
    for (size_t i = 0; i < s->n; i++) {
        struct place *p = &s->place[i];
        if (p->kind != PLACE_ACCOUNT)
            continue;
        if (was_at(r, p->address))
            p->status = DELIVERY_LOOP;
        else if (over_quota(r->service, p->account, p->quota, size))
            p->status = DELIVERY_QUOTA;
    }
}

/* A recipient counts as kept only when every place behind it keeps the message; a place that the
 * message has been at already has it, so it stands in the way only when there is no other. */
static void judge(struct run *r)
{
    struct delivery_request *rq = r->rq;
    const struct spread *s = &r->spread;
    for (size_t i = 0, end; i < s->n_links; i = end) {
        struct delivery_recipient *x = &rq->recipients[s->link[i].recipient];
        bool any = false;
        enum delivery_status status = DELIVERY_LOOP;
        for (end = i; end < s->n_links && s->link[end].recipient == s->link[i].recipient; end++) {
            const struct place *p = &s->place[s->link[end].place];
            if (p->status == DELIVERY_OK)
                any = true;
            else if (p->status != DELIVERY_LOOP)
                status = p->status;
        }
        if (x->status == DELIVERY_OK && (!any || status != DELIVERY_LOOP))
            x->status = status;
    }
}

/* What a report will say of the recipient with these links. Where the queue is all there is behind
 * a recipient, the report is the queue's, that knows whether the next server makes one itself. */
static enum report_action action_of(struct run *r, size_t from, size_t to)
{
    const struct delivery_recipient *x = &r->rq->recipients[r->spread.link[from].recipient];
    size_t kept = 0, n = 0;
    bool own = false;
    for (size_t i = from; i < to; i++) {
        const struct place *p = &r->spread.place[r->spread.link[i].place];
        if (p->status != DELIVERY_OK)
            continue;
        if (p->kind == PLACE_DIRECT)
            return REPORT_NONE;
        kept += p->kind == PLACE_ACCOUNT;
        own = own || (p->kind == PLACE_ACCOUNT && slice_ieq(p->address, x->address));
        n++;
    }
    /* Where an account sends copies of what it keeps is nobody's business. */
    if (own)
        return REPORT_DELIVERED;
    if (n > 1)
        return REPORT_EXPANDED;
    return kept == 1 ? REPORT_DELIVERED : REPORT_NONE;
}

/* Decides what is reported once everything is kept. What an answered recipient leads to is not
 * asked for a second report (RFC 3461 5.2.7). False when memory's bound is hit. */
static bool plan_report(struct run *r)
{
    struct spread *s = &r->spread;
    if (r->rq->sender.n == 0)
        return true;
    for (size_t i = 0, end; i < s->n_links; i = end) {
        uint32_t number = s->link[i].recipient;
        for (end = i; end < s->n_links && s->link[end].recipient == number;)
            end++;
        const struct delivery_recipient *x = &r->rq->recipients[number];
        bool asked = (x->notify & NOTIFY_SUCCESS) && !(x->notify & NOTIFY_NEVER);
        enum report_action action = asked ? action_of(r, i, end) : REPORT_NONE;
        if (x->status != DELIVERY_OK || action == REPORT_NONE)
            continue;
        if (!r->action &&
            !(r->action = arena_array(&r->arena, r->rq->n_recipients, sizeof *r->action)))
            return false;
        r->action[number] = action;
        for (size_t k = i; k < end; k++) {
            struct place *p = &s->place[s->link[k].place];
            if (p->kind == PLACE_FORWARD && (p->notify &= (uint8_t)~NOTIFY_SUCCESS) == 0)
                p->notify = NOTIFY_NEVER;
        }
    }
    return true;
}

static void mark_wanted(struct run *r)
{
    const struct spread *s = &r->spread;
    for (size_t i = 0; i < s->n_links; i++)
        if (r->rq->recipients[s->link[i].recipient].status == DELIVERY_OK &&
            s->place[s->link[i].place].status == DELIVERY_OK)
            s->place[s->link[i].place].wanted = true;
}

static size_t count_wanted(const struct spread *s, enum place_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->place[i].wanted && s->place[i].kind == kind;
    return n;
}

static struct slice prefix_of(struct run *r, const struct place *p)
{
    struct buf b = BUF_INIT(LIMIT_DELIVERY_TRACE);
    buf_lit(&b, "Return-Path: <");
    buf_add(&b, r->rq->sender);
    buf_lit(&b, ">\r\nDelivered-To: ");
    buf_add(&b, p->address);
    buf_lit(&b, "\r\n");
    if (r->whole.n == 0)
        buf_add(&b, r->rq->trace);
    struct slice s = b.failed ? SLICE_NONE : arena_dup(&r->arena, buf_slice(&b));
    buf_free(&b);
    return s;
}

/* Signatures of what is put into the queue. Only what an account submits, or this server writes,
 * may relay. */
static bool sign(struct run *r, struct slice raw, struct buf *out)
{
    const struct delivery_request *rq = r->rq;
    const struct signing_request sr = {
        .raw = raw, .sender = r->forward_sender, .ours = rq->may_relay, .at = rq->received};
    if (!r->service->signing)
        return true;
    enum error e = signing_sign(r->service->signing, &sr, out);
    if (e != OK)
        log_error("delivery.unsigned", log_slice("from", rq->sender),
                  log_text("error", error_name(e)));
    return e == OK;
}

/* What is ours leaves in seven bits: nobody on its way then needs to break its signature. */
static struct slice seven_bits(struct run *r, struct buf *out)
{
    struct slice raw = r->rq->raw;
    if (!r->rq->may_relay || seven_is(raw))
        return raw;
    return seven_write(&r->arena, raw, out) == OK ? buf_slice(out) : raw;
}

/* The queue's body has no prefix, so what goes out is made one piece with its signatures, which
 * stand in front of all that they do not cover, and its trace. A forward carries the mark by which
 * its loop is seen; with several recipients that would tell one of the others, and only the count
 * of hops ends the loop. */
static bool make_whole(struct run *r, bool forward)
{
    struct delivery_request *rq = r->rq;
    autobuf signatures = BUF_INIT(LIMIT_SIGNATURES * LIMIT_DKIM_FIELD);
    autobuf seven = BUF_INIT(4 * (size_t)LIMIT_MESSAGE_SIZE);
    struct slice raw = seven_bits(r, &seven);
    if (!sign(r, raw, &signatures))
        return false;
    buf_init(&r->whole, raw.n + signatures.n + LIMIT_DELIVERY_TRACE);
    if (rq->trace.n == 0 && !forward && signatures.n == 0 && seven.n == 0)
        return true;
    (void)buf_room(&r->whole, signatures.n + LIMIT_DELIVERY_TRACE + rq->raw.n);
    buf_add(&r->whole, buf_slice(&signatures));
    if (forward && rq->n_recipients == 1) {
        buf_lit(&r->whole, "Delivered-To: ");
        buf_add(&r->whole, rq->recipients[0].address);
        buf_lit(&r->whole, "\r\n");
    }
    buf_add(&r->whole, rq->trace);
    buf_add(&r->whole, raw);
    return !r->whole.failed;
}

static bool add_entry(struct run *r, enum place_kind kind, size_t n)
{
    if (n == 0)
        return true;
    struct queue_recipient *list = arena_array(&r->arena, n, sizeof *list);
    if (!list)
        return false;
    size_t k = 0;
    for (size_t i = 0; i < r->spread.n; i++) {
        const struct place *p = &r->spread.place[i];
        if (!p->wanted || p->kind != kind)
            continue;
        list[k] = (struct queue_recipient){.number = (uint32_t)k,
                                           .address = p->address,
                                           .orcpt = p->orcpt,
                                           .notify = p->notify,
                                           .state = QUEUE_WAITING,
                                           .next_attempt = r->rq->received};
        k++;
    }
    r->entry[r->out.n_queue++] = (struct queue_entry){
        .account = kind == PLACE_DIRECT ? r->rq->sender_account : 0,
        .sender = kind == PLACE_DIRECT ? r->rq->sender : r->forward_sender,
        .envid = r->rq->envid,
        .ret = r->rq->ret,
        .require_tls = r->rq->require_tls,
        .tls_optional = r->tls_optional && !r->rq->require_tls,
        .smtputf8 = r->rq->smtputf8,
        .eight_bit = r->out.summary.eight_bit,
        .recipients = list,
        .n_recipients = n,
    };
    return true;
}

static bool add_targets(struct run *r, size_t n)
{
    if (n == 0)
        return true;
    struct delivery_target *t = arena_array(&r->arena, n, sizeof *t);
    r->target_place = arena_array(&r->arena, n, sizeof(struct place *));
    if (!t || !r->target_place)
        return false;
    r->out.targets = t;
    for (size_t i = 0; i < r->spread.n; i++) {
        struct place *p = &r->spread.place[i];
        if (!p->wanted || p->kind != PLACE_ACCOUNT)
            continue;
        size_t k = r->out.n_targets++;
        t[k] = (struct delivery_target){.account = p->account,
                                        .language = p->language,
                                        .use = USE_INBOX,
                                        .quota = p->quota,
                                        .prefix = prefix_of(r, p),
                                        .result = ERR_IO}; /* until the store says else */
        if (t[k].prefix.n == 0)
            return false;
        r->target_place[k] = p;
    }
    return true;
}

/* The nearest domain of ours, from `domain` upwards; empty: there is none. */
static struct slice nearest_of_ours(const struct run *r, struct slice domain)
{
    while (domain.n > 0 && !directory_domain_is_ours(r->service->directory, domain))
        domain = slice_from(domain, slice_index(domain, '.') + 1);
    return domain;
}

/* In whose domain a forward leaves: the recipient's that leads there. "postmaster" alone has none:
 * then our host's, for bounces must come back to a domain that is served here. */
static struct slice forward_domain(const struct run *r)
{
    struct slice address = r->rq->recipients[0].address;
    for (size_t i = 0; i < r->spread.n_links; i++)
        if (r->spread.place[r->spread.link[i].place].kind == PLACE_FORWARD) {
            address = r->rq->recipients[r->spread.link[i].recipient].address;
            break;
        }
    size_t at = slice_rindex(address, '@');
    if (at < address.n)
        return slice_from(address, at + 1);
    struct slice host = slice_str(r->service->host), domain = nearest_of_ours(r, host);
    return domain.n > 0 ? domain : host;
}

/* Does a message from outside show a sender of ours? Rewriting its envelope would make our own name
 * vouch for the forgery (SPF, aligned for DMARC); kept as it is, it is seen for what it is. */
static bool claims_to_be_ours(struct run *r)
{
    if (r->rq->may_relay)
        return false;
    return nearest_of_ours(r, dkim_from_domain(r->rq->raw, &r->arena)).n > 0;
}

/* What listings show is made only of what comes into a mailbox, or is reported. */
static bool summarise(struct run *r, bool kept)
{
    if (kept || r->action)
        return summary_make(&r->arena, r->out.raw, r->rq->received, &r->out.summary) == OK;
    r->out.summary.eight_bit = !ascii_only(r->out.raw);
    return true;
}

/* Everything that the store needs; false when memory's bound is hit. */
static bool compose(struct run *r)
{
    struct delivery_request *rq = r->rq;
    size_t direct = count_wanted(&r->spread, PLACE_DIRECT);
    size_t forward = count_wanted(&r->spread, PLACE_FORWARD);
    size_t kept = count_wanted(&r->spread, PLACE_ACCOUNT);
    r->forward_sender = rq->sender;
    if (forward > 0 && !claims_to_be_ours(r))
        r->forward_sender = resolve_forward_sender(r->service->directory, rq->sender,
                                                   forward_domain(r), rq->received, &r->arena);
    if (direct + forward > 0 && !make_whole(r, forward > 0))
        return false;
    r->out.raw = r->whole.n ? buf_slice(&r->whole) : rq->raw;
    r->out.received = rq->received;
    r->out.zone = date_local_zone(rq->received);
    r->out.queue = r->entry;
    return summarise(r, kept > 0) && add_targets(r, kept) && add_entry(r, PLACE_DIRECT, direct) &&
           add_entry(r, PLACE_FORWARD, forward);
}

static enum delivery_status status_of(enum error e)
{
    switch (e) {
    case OK:
        return DELIVERY_OK;
    case ERR_QUOTA:
        return DELIVERY_QUOTA;
    case ERR_FULL:
        return DELIVERY_NO_ROOM;
    default:
        return DELIVERY_TEMPORARY;
    }
}

/* Carries the store's results back to the recipients. */
static void take_results(struct run *r, enum error e)
{
    for (size_t i = 0; i < r->out.n_targets; i++)
        r->target_place[i]->status = status_of(r->out.targets[i].result);
    /* The queue is in the commit of the first target's shard; that target alone may have been over
     * its quota, and another shard may have failed. */
    enum error first = r->out.n_targets > 0 ? r->out.targets[0].result : e;
    bool queued = e == OK || first == OK || first == ERR_QUOTA;
    for (size_t i = 0; i < r->spread.n; i++) {
        struct place *p = &r->spread.place[i];
        if (p->wanted && p->kind != PLACE_ACCOUNT && !queued)
            p->status = status_of(e);
    }
    judge(r);
}

/* A way home that bounces may take alone, in a message that is none. */
static bool abuses_return(const struct run *r)
{
    for (size_t i = 0; i < r->rq->n_recipients && r->rq->sender.n > 0; i++)
        if (resolve_is_return(r->service->directory, r->rq->recipients[i].address))
            return true;
    return false;
}

static void deliver(struct run *r)
{
    if (!clean(r->rq->sender) || !clean(r->rq->envid)) {
        fail_all(r->rq, DELIVERY_BAD);
        return;
    }
    /* For all its recipients: RCPT accepts the way home, since the sender is not known there, so
     * one refused alone would be tried again and again, and the others had a copy each time. */
    if (abuses_return(r)) {
        fail_all(r->rq, DELIVERY_UNKNOWN);
        return;
    }
    if (!read_header(r)) {
        fail_all(r->rq, DELIVERY_LOOP);
        return;
    }
    resolve_all(r);
    judge(r);
    mark_wanted(r);
    bool good = plan_report(r) && compose(r);
    if (good && r->out.n_targets + r->out.n_queue == 0)
        return;
    enum error e = good ? store_deliver(r->service->store, &r->out) : ERR_LIMIT;
    if (e != OK)
        log_warning("delivery.failed", log_text("error", error_name(e)),
                    log_slice("from", r->rq->sender), log_u64("size", r->rq->raw.n),
                    log_u64("recipients", r->rq->n_recipients));
    if (good)
        take_results(r, e);
    else
        for (size_t i = 0; i < r->rq->n_recipients; i++)
            if (r->rq->recipients[i].status == DELIVERY_OK)
                r->rq->recipients[i].status = DELIVERY_TEMPORARY;
}

bool delivery_in_german(const struct delivery_service *s, uint64_t account, struct slice sender)
{
    struct account a;
    enum error e = account ? directory_account_get(s->directory, account, &a)
                           : directory_account_find(s->directory, sender, &a);
    return e == OK && slice_eq(slice_str(a.language), SLICE("de"));
}

/* Tells the sender, where he asked for it, in a commit of its own: the message is kept whatever
 * becomes of its report. A report has no sender, so that none is made of it. */
static void send_report(struct run *r)
{
    const struct delivery_request *rq = r->rq;
    bool any = false;
    for (size_t i = 0; i < rq->n_recipients && r->action; i++) {
        if (rq->recipients[i].status != DELIVERY_OK)
            r->action[i] = REPORT_NONE;
        any = any || r->action[i] != REPORT_NONE;
    }
    if (!any)
        return;
    struct dsn_recipient *list = arena_array(&r->arena, rq->n_recipients, sizeof *list);
    struct dsn report = {.host = r->service->host,
                         .german = delivery_in_german(r->service, rq->sender_account, rq->sender),
                         .to = rq->sender,
                         .envid = rq->envid,
                         .arrival = rq->received,
                         .now = rq->received,
                         .message_id = r->out.summary.message_id,
                         .raw = rq->raw,
                         .recipient = list};
    for (size_t i = 0; list && i < rq->n_recipients; i++)
        if (r->action[i] != REPORT_NONE)
            list[report.n_recipients++] = (struct dsn_recipient){
                .address = rq->recipients[i].address,
                .orcpt = rq->recipients[i].orcpt,
                .action = r->action[i] == REPORT_EXPANDED ? DSN_EXPANDED : DSN_DELIVERED,
                .status = SLICE("2.0.0"),
            };
    autobuf text = BUF_INIT(LIMIT_REPORT);
    enum error e = list ? dsn_make(&report, &text) : ERR_LIMIT;
    struct delivery_recipient to = {.address = rq->sender, .notify = NOTIFY_NEVER};
    struct delivery_request back = {.sender = SLICE(""),
                                    .require_tls = rq->require_tls,
                                    .smtputf8 = !ascii_only(rq->sender),
                                    .may_relay = true,
                                    .raw = buf_slice(&text),
                                    .received = rq->received,
                                    .recipients = &to,
                                    .n_recipients = 1};
    if (e == OK)
        delivery_run(r->service, &back);
    if (e != OK || to.status != DELIVERY_OK)
        log_warning("delivery.report.failed", log_text("error", error_name(e)),
                    log_u64("status", to.status), log_slice("to", rq->sender));
}

void delivery_run(const struct delivery_service *s, struct delivery_request *rq)
{
    struct run *r = &(struct run){.service = s, .rq = rq};
    arena_init(&r->arena, LIMIT_DELIVERY_ARENA);
    spread_init(&r->spread, &r->arena);
    deliver(r);
    send_report(r);
    buf_free(&r->whole);
    arena_free(&r->arena);
}
