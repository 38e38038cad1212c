/* Composing delivery reports; see report.h. What is written here came from a stranger's envelope
 * and header: no byte of it may end a line. */
#include "filter/report.h"
#include "base/date.h"
#include "base/random.h"
#include "base/utf8.h"
#include "message/header.h"

#define MAX_LINE 998 /* RFC 5322 2.1.1 */

static bool ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > 127)
            return false;
    return true;
}

/* May stand in a field of its own line. */
static bool clean(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 127)
            return false;
    return s.n > 0 && s.n <= LIMIT_SMTP_ORCPT && utf8_valid(s);
}

static bool clean_address(struct slice s)
{
    return clean(s) && !slice_has(s, '<') && !slice_has(s, '>');
}

static bool hex_value(uint8_t c, uint8_t *out)
{
    if (ascii_digit(c))
        *out = (uint8_t)(c - '0');
    else if (c >= 'A' && c <= 'F')
        *out = (uint8_t)(c - 'A' + 10);
    else
        return false;
    return true;
}

/* RFC 3461 section 4. False when it is not xtext, or what it hides is not clean. */
static bool xtext_decode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        uint8_t high, low;
        if (in.p[i] != '+') {
            buf_byte(out, in.p[i]);
            continue;
        }
        if (in.n - i < 3 || !hex_value(in.p[i + 1], &high) || !hex_value(in.p[i + 2], &low))
            return false;
        buf_byte(out, (uint8_t)(high * 16 + low));
        i += 2;
    }
    return !out->failed && clean(buf_slice(out));
}

static bool reported(const struct report *r, size_t i, enum report_action action)
{
    return r->action[i] == action && action != REPORT_NONE &&
           clean_address(r->rq->recipients[i].address);
}

static size_t count(const struct report *r, enum report_action action)
{
    size_t n = 0;
    for (size_t i = 0; i < r->rq->n_recipients; i++)
        n += reported(r, i, action);
    return n;
}

/* --- The parts --- */

static void put_names(const struct report *r, enum report_action action, const char *intro,
                      struct buf *out)
{
    if (count(r, action) == 0)
        return;
    buf_lit(out, "\r\n");
    buf_str(out, intro);
    buf_lit(out, "\r\n\r\n");
    for (size_t i = 0; i < r->rq->n_recipients; i++)
        if (reported(r, i, action)) {
            buf_lit(out, "    ");
            buf_add(out, r->rq->recipients[i].address);
            buf_lit(out, "\r\n");
        }
}

static void put_human(const struct report *r, struct buf *out)
{
    const bool de = r->german;
    buf_printf(out,
               de ? "Hier ist das Mailsystem von %s.\r\n" : "This is the mail system of %s.\r\n",
               r->host);
    put_names(r, REPORT_DELIVERED,
              de ? "Ihre Nachricht wurde zugestellt an:" : "Your message was delivered to:", out);
    put_names(r, REPORT_EXPANDED,
              de ? "Ihre Nachricht wurde an alle weitergegeben, die hinter dieser Adresse stehen:"
                 : "Your message was passed on to everybody behind this address:",
              out);
    buf_str(out, de ? "\r\nOb sie gelesen wurde, ist damit nicht gesagt.\r\n"
                    : "\r\nThis does not mean that it has been read.\r\n");
}

/* RFC 3464 2.3.1. The utf-8 type has an encoding of its own that may stand here as it came
 * (RFC 6533 section 3). */
static void put_original(struct slice orcpt, struct buf *out)
{
    size_t semi = slice_index(orcpt, ';');
    struct slice type = slice_sub(orcpt, 0, semi), value = slice_from(orcpt, semi + 1);
    autobuf plain = BUF_INIT(LIMIT_SMTP_ORCPT);
    bool utf8 = slice_ieq(type, SLICE("utf-8"));
    if (type.n == 0 || semi == orcpt.n || !clean(type) || !ascii(type))
        return;
    if (utf8 ? !clean(value) : !xtext_decode(value, &plain))
        return;
    buf_lit(out, "Original-Recipient: ");
    buf_add(out, type);
    buf_lit(out, ";");
    buf_add(out, utf8 ? value : buf_slice(&plain));
    buf_lit(out, "\r\n");
}

static void put_recipient(const struct delivery_recipient *x, enum report_action action,
                          struct buf *out)
{
    buf_lit(out, "\r\n");
    put_original(x->orcpt, out);
    buf_str(out, ascii(x->address) ? "Final-Recipient: rfc822;" : "Final-Recipient: utf-8;");
    buf_add(out, x->address);
    buf_str(out, action == REPORT_EXPANDED ? "\r\nAction: expanded" : "\r\nAction: delivered");
    buf_lit(out, "\r\nStatus: 2.0.0\r\n");
}

static void put_status(const struct report *r, struct buf *out)
{
    const struct delivery_request *rq = r->rq;
    autobuf envid = BUF_INIT(LIMIT_SMTP_ENVID);
    if (xtext_decode(rq->envid, &envid) && ascii(buf_slice(&envid))) {
        buf_lit(out, "Original-Envelope-Id: ");
        buf_add(out, buf_slice(&envid));
        buf_lit(out, "\r\n");
    }
    buf_printf(out, "Reporting-MTA: dns;%s\r\nArrival-Date: ", r->host);
    date_print_rfc5322((struct date){rq->received, date_local_zone(rq->received)}, out);
    buf_lit(out, "\r\n");
    for (size_t i = 0; i < rq->n_recipients; i++)
        if (reported(r, i, r->action[i]))
            put_recipient(&rq->recipients[i], r->action[i], out);
}

/* The header of the message; whole fields, as far as there is room. */
static void put_header(struct slice raw, struct buf *out)
{
    struct slice rest = slice_sub(raw, 0, header_length(raw)), line;
    while (slice_line(&rest, &line) && line.n > 0) {
        bool goes_on = line.p[0] == ' ' || line.p[0] == '\t';
        if (out->n + line.n > LIMIT_REPORT_HEADER && !goes_on)
            break;
        if (line.n > MAX_LINE || out->n + line.n > 2 * (size_t)LIMIT_REPORT_HEADER)
            continue;
        for (size_t i = 0; i < line.n; i++)
            if (line.p[i] == '\t' || (line.p[i] >= ' ' && line.p[i] != 127))
                buf_byte(out, line.p[i]);
        buf_lit(out, "\r\n");
    }
}

/* --- The whole --- */

struct part {
    const char *type;
    struct buf text;
};

static void put_part(const struct part *p, const char *boundary, struct buf *out)
{
    buf_printf(out, "--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary,
               p->type, ascii(buf_slice(&p->text)) ? "7bit" : "8bit");
    buf_add(out, buf_slice(&p->text));
    buf_lit(out, "\r\n");
}

static void put_top(const struct report *r, const char *boundary, bool eight_bit, struct buf *out)
{
    uint64_t id[2];
    random_bytes(id, sizeof id);
    buf_printf(out, "From: Mail Delivery System <postmaster@%s>\r\nTo: <", r->host);
    buf_add(out, r->rq->sender);
    buf_printf(out, ">\r\nSubject: %s\r\nDate: ", r->german ? "Zustellbericht" : "Delivery report");
    date_print_rfc5322((struct date){r->rq->received, date_local_zone(r->rq->received)}, out);
    buf_printf(out, "\r\nMessage-ID: <%016llx%016llx@%s>\r\n", (unsigned long long)id[0],
               (unsigned long long)id[1], r->host);
    if (clean_address(slice_sub(r->message_id, 1, r->message_id.n - 1)) && ascii(r->message_id)) {
        buf_lit(out, "In-Reply-To: ");
        buf_add(out, r->message_id);
        buf_lit(out, "\r\n");
    }
    buf_printf(
        out,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n",
        boundary, eight_bit ? "8bit" : "7bit");
}

enum error report_make(const struct report *r, struct buf *out)
{
    if (!clean_address(r->rq->sender))
        return ERR_INPUT;
    if (count(r, REPORT_DELIVERED) + count(r, REPORT_EXPANDED) == 0)
        return ERR_NOTFOUND;
    struct part part[] = {
        {"text/plain; charset=utf-8", BUF_INIT(LIMIT_REPORT)},
        {"message/delivery-status", BUF_INIT(LIMIT_REPORT)},
        {"text/rfc822-headers", BUF_INIT(LIMIT_REPORT)},
    };
    put_human(r, &part[0].text);
    put_status(r, &part[1].text);
    put_header(r->rq->raw, &part[2].text);
    if (!ascii(buf_slice(&part[1].text)))
        part[1].type = "message/global-delivery-status";
    if (!ascii(buf_slice(&part[2].text)) && utf8_valid(buf_slice(&part[2].text)))
        part[2].type = "message/global-headers";
    /* Nobody who writes a header or an address can know it. */
    uint64_t secret[2];
    char boundary[48];
    random_bytes(secret, sizeof secret);
    snprintf(boundary, sizeof boundary, "=_%016llx%016llx", (unsigned long long)secret[0],
             (unsigned long long)secret[1]);
    bool eight_bit = false;
    for (size_t i = 0; i < 3; i++)
        eight_bit = eight_bit || !ascii(buf_slice(&part[i].text));
    put_top(r, boundary, eight_bit, out);
    for (size_t i = 0; i < 3; i++) {
        put_part(&part[i], boundary, out);
        out->failed = out->failed || part[i].text.failed;
        buf_free(&part[i].text);
    }
    buf_printf(out, "--%s--\r\n", boundary);
    return buf_check(out);
}
