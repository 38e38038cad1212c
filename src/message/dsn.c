/* Composing delivery status notifications; see dsn.h. */
#include "message/dsn.h"
#include "base/date.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/utf8.h"
#include "message/dsn_text.h"
#include "message/header.h"

#define MAX_LINE 998 /* RFC 5322 2.1.1 */

bool dsn_clean(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 127)
            return false;
    return s.n > 0 && s.n <= LIMIT_DSN_VALUE && utf8_valid(s);
}

bool dsn_clean_address(struct slice s)
{
    size_t i = 0;
    if (!dsn_clean(s))
        return false;
    if (s.p[0] == '"') {
        for (i = 1; i < s.n && s.p[i] != '"'; i++)
            i += s.p[i] == '\\';
        if (i >= s.n)
            return false;
    }
    struct slice plain = slice_from(s, i);
    return !slice_has(plain, '<') && !slice_has(plain, '>');
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
    return !out->failed && dsn_clean(buf_slice(out));
}

/* RFC 6533 section 3: \x{HEX} may stand for any character. False when it is not written so, or what
 * it hides is not clean. */
static bool utf8_decode(struct slice in, struct buf *out)
{
    static const struct slice open = SLICE_INIT("\\x{");
    while (in.n > 0) {
        if (in.p[0] != '\\') {
            buf_byte(out, in.p[0]);
            in = slice_from(in, 1);
            continue;
        }
        uint32_t c = 0;
        size_t end = slice_index(in, '}');
        uint8_t digit;
        if (!slice_starts(in, open) || end == in.n || end == open.n || end > open.n + 6)
            return false;
        for (size_t i = open.n; i < end; i++) {
            if (!hex_value(in.p[i], &digit))
                return false;
            c = c * 16 + digit;
        }
        utf8_put(out, c);
        in = slice_from(in, end + 1);
    }
    return !out->failed && dsn_clean(buf_slice(out));
}

enum error dsn_read_orcpt(struct slice orcpt, struct buf *out)
{
    size_t semi = slice_index(orcpt, ';');
    struct slice type = slice_sub(orcpt, 0, semi), value = slice_from(orcpt, semi + 1);
    autobuf plain = BUF_INIT(LIMIT_DSN_VALUE);
    bool good = slice_ieq(type, SLICE("rfc822"))  ? xtext_decode(value, &plain)
                : slice_ieq(type, SLICE("utf-8")) ? utf8_decode(value, &plain)
                                                  : false;
    if (!good)
        return ERR_NOTFOUND;
    buf_add(out, buf_slice(&plain));
    return buf_check(out);
}

enum error dsn_write_orcpt(struct slice address, struct buf *out)
{
    const bool ascii = ascii_only(address);
    autobuf text = BUF_INIT(LIMIT_SMTP_ORCPT);
    buf_str(&text, ascii ? "rfc822;" : "utf-8;");
    for (size_t i = 0; i < address.n; i++) {
        const uint8_t c = address.p[i];
        if (c > ' ' && c != 127 && c != '+' && c != '=' && (ascii || c != '\\'))
            buf_byte(&text, c);
        else
            buf_printf(&text, ascii ? "+%02X" : "\\x{%X}", (unsigned)c);
    }
    buf_add(out, buf_slice(&text));
    return text.failed ? ERR_LIMIT : buf_check(out);
}

/* --- The part for machines --- */

/* RFC 3464 2.3.1. The utf-8 type has an encoding of its own that may stand here as it came
 * (RFC 6533 section 3). */
static void put_original(struct slice orcpt, struct buf *out)
{
    size_t semi = slice_index(orcpt, ';');
    struct slice type = slice_sub(orcpt, 0, semi), value = slice_from(orcpt, semi + 1);
    autobuf plain = BUF_INIT(LIMIT_DSN_VALUE);
    bool utf8 = slice_ieq(type, SLICE("utf-8"));
    if (type.n == 0 || semi == orcpt.n || !dsn_clean(type) || !ascii_only(type))
        return;
    if (utf8 ? !dsn_clean(value) : !xtext_decode(value, &plain))
        return;
    buf_lit(out, "Original-Recipient: ");
    buf_add(out, type);
    buf_lit(out, ";");
    buf_add(out, utf8 ? value : buf_slice(&plain));
    buf_lit(out, "\r\n");
}

static const char *action_word(enum dsn_action a)
{
    static const char *const word[] = {[DSN_FAILED] = "failed",
                                       [DSN_DELAYED] = "delayed",
                                       [DSN_DELIVERED] = "delivered",
                                       [DSN_RELAYED] = "relayed",
                                       [DSN_EXPANDED] = "expanded"};
    return word[a];
}

/* In clear ASCII a server's answer is safe in any reader; for people it stands in the text as it
 * is. */
static void put_diagnostic(struct slice answer, struct buf *out)
{
    if (answer.n == 0 || answer.n > LIMIT_DSN_VALUE)
        return;
    buf_lit(out, "Diagnostic-Code: smtp;");
    for (size_t i = 0; i < answer.n; i++)
        buf_byte(out, answer.p[i] < ' ' || answer.p[i] > '~' ? '?' : answer.p[i]);
    buf_lit(out, "\r\n");
}

static void put_recipient(const struct dsn_recipient *x, struct buf *out)
{
    buf_lit(out, "\r\n");
    put_original(x->orcpt, out);
    buf_str(out, ascii_only(x->address) ? "Final-Recipient: rfc822;" : "Final-Recipient: utf-8;");
    buf_add(out, x->address);
    buf_printf(out, "\r\nAction: %s\r\nStatus: %.*s\r\n", action_word(x->action),
               SLICE_FMT(x->status));
    if (dsn_clean(x->remote_mta) && ascii_only(x->remote_mta))
        buf_printf(out, "Remote-MTA: dns;%.*s\r\n", SLICE_FMT(x->remote_mta));
    put_diagnostic(x->diagnostic, out);
    if (x->will_retry_until) {
        buf_lit(out, "Will-Retry-Until: ");
        date_print_rfc5322((struct date){x->will_retry_until, date_local_zone(x->will_retry_until)},
                           out);
        buf_lit(out, "\r\n");
    }
}

static void put_status(const struct dsn *d, struct buf *out)
{
    autobuf envid = BUF_INIT(LIMIT_DSN_VALUE);
    if (xtext_decode(d->envid, &envid) && ascii_only(buf_slice(&envid))) {
        buf_lit(out, "Original-Envelope-Id: ");
        buf_add(out, buf_slice(&envid));
        buf_lit(out, "\r\n");
    }
    buf_printf(out, "Reporting-MTA: dns;%s\r\nArrival-Date: ", d->host);
    date_print_rfc5322((struct date){d->arrival, date_local_zone(d->arrival)}, out);
    buf_lit(out, "\r\n");
    for (size_t i = 0; i < d->n_recipients; i++)
        if (dsn_clean(d->recipient[i].address))
            put_recipient(&d->recipient[i], out);
}

/* --- What is given back --- */

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
               p->type, ascii_only(buf_slice(&p->text)) ? "7bit" : "8bit");
    buf_add(out, buf_slice(&p->text));
    buf_lit(out, "\r\n");
}

static void put_top(const struct dsn *d, const char *boundary, bool eight_bit, struct buf *out)
{
    uint64_t id[2];
    random_bytes(id, sizeof id);
    buf_printf(out, "From: Mail Delivery System <postmaster@%s>\r\nTo: <", d->host);
    buf_add(out, d->to);
    buf_lit(out, ">\r\nSubject: ");
    header_encode_words(slice_str(dsn_subject(d)), 9, out);
    buf_lit(out, "\r\nDate: ");
    date_print_rfc5322((struct date){d->now, date_local_zone(d->now)}, out);
    buf_printf(out, "\r\nMessage-ID: <%016llx%016llx@%s>\r\n", (unsigned long long)id[0],
               (unsigned long long)id[1], d->host);
    if (d->message_id.n > 2 &&
        dsn_clean_address(slice_sub(d->message_id, 1, d->message_id.n - 1)) &&
        ascii_only(d->message_id)) {
        buf_lit(out, "In-Reply-To: ");
        buf_add(out, d->message_id);
        buf_lit(out, "\r\n");
    }
    buf_printf(
        out,
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n",
        boundary, eight_bit ? "8bit" : "7bit");
}

static size_t count_clean(const struct dsn *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_recipients; i++)
        n += dsn_clean(d->recipient[i].address);
    return n;
}

/* A whole message may be given back when no line of it can be taken for the boundary, which is
 * random, and its size is bounded. */
bool dsn_gives_whole(const struct dsn *d)
{
    return d->give_back == DSN_FULL && d->raw.n <= LIMIT_REPORT_FULL;
}

static void fill_third(const struct dsn *d, struct part *p)
{
    if (dsn_gives_whole(d)) {
        p->type = "message/rfc822";
        buf_add(&p->text, d->raw);
    } else {
        p->type = "text/rfc822-headers";
        put_header(d->raw, &p->text);
    }
    bool utf8 = !ascii_only(slice_sub(d->raw, 0, header_length(d->raw))) && utf8_valid(d->raw);
    if (utf8)
        p->type = dsn_gives_whole(d) ? "message/global" : "message/global-headers";
}

enum error dsn_make(const struct dsn *d, struct buf *out)
{
    if (!dsn_clean_address(d->to))
        return ERR_INPUT;
    if (count_clean(d) == 0)
        return ERR_NOTFOUND;
    struct part part[] = {
        {"text/plain; charset=utf-8", BUF_INIT(LIMIT_REPORT)},
        {"message/delivery-status", BUF_INIT(LIMIT_REPORT)},
        {"", BUF_INIT(LIMIT_REPORT)},
    };
    dsn_human(d, &part[0].text);
    put_status(d, &part[1].text);
    fill_third(d, &part[2]);
    if (!ascii_only(buf_slice(&part[1].text)))
        part[1].type = "message/global-delivery-status";
    /* Nobody who writes a header or an address can know it. */
    uint64_t secret[2];
    char boundary[48];
    random_bytes(secret, sizeof secret);
    snprintf(boundary, sizeof boundary, "=_%016llx%016llx", (unsigned long long)secret[0],
             (unsigned long long)secret[1]);
    bool eight_bit = false;
    for (size_t i = 0; i < 3; i++)
        eight_bit = eight_bit || !ascii_only(buf_slice(&part[i].text));
    put_top(d, boundary, eight_bit, out);
    for (size_t i = 0; i < 3; i++) {
        put_part(&part[i], boundary, out);
        out->failed = out->failed || part[i].text.failed;
        buf_free(&part[i].text);
    }
    buf_printf(out, "--%s--\r\n", boundary);
    return buf_check(out);
}
