/* Sending limits; see sending_limit.h. */
#include "smtp/sending_limit.h"
#include "base/date.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "message/dsn.h"

static bool is_foreign(struct directory *d, struct slice address)
{
    size_t at = slice_rindex(address, '@');
    return at < address.n && !directory_domain_is_ours(d, slice_from(address, at + 1));
}

/* To the operator, as a message: a stolen password is found at night, and logs are read by day. */
static void warn(const struct smtp_submission *s, const struct account *a,
                 const struct sending_verdict *v, int64_t now)
{
    bool many = v->answer == SENDING_TOO_MANY_MESSAGES;
    uint64_t id;
    autobuf text = BUF_INIT(8192);
    random_bytes(&id, sizeof id);
    buf_printf(&text,
               "From: Depesche <postmaster@%s>\r\nTo: postmaster@%s\r\nSubject: Sending "
               "limit: %s\r\nDate: ",
               s->host, s->host, a->address);
    date_print_rfc5322((struct date){now, date_local_zone(now)}, &text);
    buf_printf(&text, "\r\nMessage-ID: <%016llx@%s>\r\nAuto-Submitted: auto-generated\r\n\r\n",
               (unsigned long long)id, s->host);
    buf_printf(&text, "The account %s has reached its limit of %s.\r\nUntil ", a->address,
               many ? "messages an hour (sending.messages_per_hour)"
                    : "new recipients a day (sending.new_recipients_per_day)");
    date_print_iso(v->until, &text);
    buf_printf(&text,
               " its mail to %s is refused.\r\n\r\nIf this is not its owner's doing, the password "
               "is probably stolen:\r\n\r\n    depesche account passwd %s\r\n    depesche queue "
               "cancel --sender %s\r\n",
               many ? "others" : "addresses that it never wrote to", a->address, a->address);
    struct delivery_recipient to = {.address = SLICE("postmaster"), .notify = NOTIFY_NEVER};
    struct delivery_request rq = {.sender = SLICE(""),
                                  .may_relay = true,
                                  .raw = buf_slice(&text),
                                  .received = now,
                                  .recipients = &to,
                                  .n_recipients = 1};
    delivery_run(&s->delivery, &rq);
    if (to.status != DELIVERY_OK)
        log_warning("sending.operator_unheard", log_u64("status", to.status),
                    log_text("help", "set server.postmaster"));
}

enum smtp_reply sending_limit(const struct smtp_submission *s, const struct account *a,
                              const struct delivery_recipient *to, size_t n, int64_t now)
{
    struct slice *foreign = mem_array(n, sizeof *foreign);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (is_foreign(s->delivery.directory, to[i].address))
            foreign[count++] = to[i].address;
    struct sending_verdict v = {0};
    if (count > 0 && s->sending)
        sending_count(s->sending, a->id, foreign, count, now, &v);
    mem_free(foreign);
    if (v.answer == SENDING_OK)
        return REPLY_NONE;
    autobuf until = BUF_INIT(64);
    date_print_iso(v.until, &until);
    log_warning("sending.limit", log_text("user", a->address),
                log_text("limit", v.answer == SENDING_TOO_MANY_NEW ? "new recipients" : "messages"),
                log_u64("recipients", count), log_slice("until", buf_slice(&until)));
    if (v.first)
        warn(s, a, &v, now);
    return v.answer == SENDING_TOO_MANY_NEW ? REPLY_TOO_MANY_NEW : REPLY_TOO_MANY_MESSAGES;
}
