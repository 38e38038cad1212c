/* Writing the Received field. */
#include "smtp/trace.h"
#include "base/date.h"
#include "base/random.h"

static void put_protocol(const struct trace *t, struct buf *out)
{
    bool tls = t->tls_version.n > 0;
    if (t->http) { /* as other webmails say */
        buf_lit(out, "HTTP");
        return;
    }
    buf_str(out, t->smtputf8 ? "UTF8SMTP" : t->extended ? "ESMTP" : "SMTP");
    /* HELO has no STARTTLS, so "SMTPS" cannot be. */
    if (tls && (t->extended || t->smtputf8))
        buf_lit(out, "S");
    if (t->submission)
        buf_lit(out, "A");
    if (tls) {
        buf_lit(out, " (");
        buf_add(out, t->tls_version);
        buf_lit(out, " ");
        buf_add(out, t->tls_cipher);
        buf_lit(out, ")");
    }
}

void trace_received(const struct trace *t, struct buf *out)
{
    buf_lit(out, "Received: ");
    if (!t->submission) {
        char ip[IP_TEXT];
        ip_print(t->peer, ip);
        buf_lit(out, "from ");
        buf_add(out, t->helo);
        buf_str(out, ip_is_v4(t->peer) ? " ([" : " ([IPv6:");
        buf_str(out, ip);
        buf_lit(out, "])\r\n\t");
    }
    buf_lit(out, "by ");
    buf_str(out, t->host);
    buf_lit(out, " with ");
    put_protocol(t, out);
    buf_lit(out, "\r\n\tid ");
    buf_add(out, t->id);
    if (t->only_recipient.n > 0) {
        buf_lit(out, "\r\n\tfor <");
        buf_add(out, t->only_recipient);
        buf_lit(out, ">");
    }
    buf_lit(out, ";\r\n\t");
    date_print_rfc5322((struct date){t->received, date_local_zone(t->received)}, out);
    buf_lit(out, "\r\n");
}

void trace_id(char out[TRACE_ID])
{
    /* No capitals and no look-alikes: it is read out over the telephone. */
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    _Static_assert(sizeof digits == 33, "five bits a digit");
    uint64_t r = random_u64();
    for (int i = 0; i < 12; i++, r >>= 5)
        out[i] = digits[r & 31];
    out[12] = '\0';
}
