/* TLS reports on their way into the queue; see reports.h. */
#include "daemon/reports.h"
#include "base/log.h"
#include "base/mem.h"
#include "message/dsn.h"
#include "queue/report.h"

#define REPORTS_AT_ONCE  50
#define REPORT_ADDRESSES 8

/* By mail: signed and queued like everything that leaves. The address is whatever a stranger wrote
 * into his zone: one that can never be served must not keep all others from their reports. */
static enum error by_mail(const struct delivery_service *s, const struct tls_report *r,
                          struct slice to, int64_t now, struct slice gzip)
{
    autobuf text = BUF_INIT(LIMIT_REPORT);
    enum error e = tls_report_mail(r, to, now, gzip, &text);
    if (e)
        return e;
    struct delivery_recipient recipient = {.address = to, .notify = NOTIFY_NEVER};
    struct delivery_request rq = {.sender = SLICE(""),
                                  .may_relay = true,
                                  .raw = buf_slice(&text),
                                  .received = now,
                                  .recipients = &recipient,
                                  .n_recipients = 1};
    delivery_run(s, &rq);
    if (recipient.status == DELIVERY_TEMPORARY || recipient.status == DELIVERY_NO_ROOM)
        return ERR_AGAIN;
    if (recipient.status != DELIVERY_OK)
        log_info("tlsrpt.unwanted", log_slice("domain", r->domain), log_slice("to", to));
    return OK;
}

/* By HTTPS: the queue knows such an address as one of its own kind. */
static enum error by_https(const struct delivery_service *s, struct slice url, int64_t now,
                           struct slice gzip)
{
    struct queue_recipient recipient = {
        .address = url, .notify = NOTIFY_NEVER, .state = QUEUE_WAITING, .next_attempt = now};
    struct queue_entry entry = {.sender = SLICE(""), .recipients = &recipient, .n_recipients = 1};
    struct store_delivery d = {.raw = gzip, .received = now, .queue = &entry, .n_queue = 1};
    return store_deliver(s->store, &d);
}

static enum error send_one(struct memory *m, const struct delivery_service *s,
                           const struct config *c, const struct memory_report *due, int64_t now,
                           struct arena *a)
{
    struct memory_tally *tally;
    size_t n;
    enum error e = memory_tallies(m, due->day, due->domain, a, &tally, &n);
    if (e || n == 0)
        return e;
    char contact[LIMIT_ADDRESS + 1];
    snprintf(contact, sizeof contact, "postmaster@%s", c->host);
    struct tls_report r = {.host = c->host,
                           .contact = slice_str(c->postmaster[0] ? c->postmaster : contact),
                           .domain = due->domain,
                           .day = due->day,
                           .tally = tally,
                           .n = n};
    autobuf json = BUF_INIT(LIMIT_REPORT), gzip = BUF_INIT(LIMIT_REPORT);
    e = tls_report_json(&r, &json);
    if (!e)
        e = tls_report_gzip(buf_slice(&json), &gzip);
    struct slice rest = due->rua, address, to;
    bool built = e == OK, sent = false;
    for (int i = 0; built && i < REPORT_ADDRESSES && slice_split(&rest, ' ', &address); i++) {
        enum error one = OK;
        if (tls_report_address(a, address, &to) == OK)
            one = by_mail(s, &r, to, now, buf_slice(&gzip));
        else if (slice_istarts(address, SLICE("https://")))
            one = by_https(s, address, now, buf_slice(&gzip));
        else
            continue;
        sent = sent || one == OK;
        e = one ? one : e;
    }
    return sent ? OK : e; /* who has it must not get it again because another could not */
}

void reports_send(struct memory *m, const struct delivery_service *s, const struct config *c,
                  int64_t now)
{
    struct memory_report *due;
    size_t n;
    struct arena a;
    arena_init(&a, LIMIT_REPORT);
    enum error e = memory_reports_due(m, now, REPORTS_AT_ONCE, &a, &due, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct arena own;
        arena_init(&own, LIMIT_REPORT);
        enum error one = send_one(m, s, c, &due[i], now, &own);
        arena_free(&own);
        if (one == OK || one == ERR_LIMIT) /* too much to tell: it would be so tomorrow too */
            one = memory_reported(m, due[i].day, due[i].domain);
        if (one)
            log_warning("tlsrpt.unsent", log_slice("domain", due[i].domain),
                        log_text("error", error_name(one)));
    }
    arena_free(&a);
    if (e)
        log_warning("tlsrpt.unread", log_text("error", error_name(e)));
}
