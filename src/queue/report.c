/* Writing TLS reports; see report.h. */
#include "queue/report.h"

#include "base/base64.h"
#include "base/date.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/transfer.h"
#include <zlib.h>

enum { DAY = 24 * 3600, GZIP_WINDOW = 15 + 16 /* the greatest, with gzip's header */ };

/* --- JSON --- */

/* A string. What came from other servers may be anything: bytes that are not UTF-8 become '?'. */
static void put_string(struct slice s, struct buf *out)
{
    bool utf8 = utf8_valid(s);
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\')
            buf_byte(out, '\\');
        if (c < ' ' || c == 0x7F)
            buf_printf(out, "\\u%04x", c);
        else
            buf_byte(out, c < 0x80 || utf8 ? c : '?');
    }
    buf_byte(out, '"');
}

/* A member of an object. Ours are few: the comma is where the object is not empty. */
static void put_key(const char *key, struct buf *out)
{
    if (out->n > 0 && out->p[out->n - 1] != '{')
        buf_byte(out, ',');
    buf_byte(out, '"');
    buf_str(out, key);
    buf_lit(out, "\":");
}

static void put_text(const char *key, struct slice s, struct buf *out)
{
    put_key(key, out);
    put_string(s, out);
}

static void put_number(const char *key, uint64_t n, struct buf *out)
{
    put_key(key, out);
    buf_dec(out, n);
}

static void put_time(const char *key, int64_t at, struct buf *out)
{
    put_key(key, out);
    buf_byte(out, '"');
    date_print_iso(at, out);
    buf_byte(out, '"');
}

static void put_ip(const char *key, struct ip ip, struct buf *out)
{
    char text[IP_TEXT];
    if (ip_eq(ip, (struct ip){{0}}))
        return;
    ip_print(ip, text);
    put_text(key, slice_str(text), out);
}

static void put_lines(struct slice text, struct buf *out)
{
    struct slice line;
    size_t n = 0;
    while (slice_line(&text, &line)) {
        line = slice_trim(line);
        if (line.n == 0)
            continue;
        if (n++ > 0)
            buf_byte(out, ',');
        put_string(line, out);
    }
}

/* "1795305600.example.net@mail.example.org": the same whenever this report is made. */
static void put_id(const struct tls_report *r, struct buf *out)
{
    buf_printf(out, "%lld.", (long long)r->day);
    buf_add(out, r->domain);
    buf_byte(out, '@');
    buf_str(out, r->host);
}

static void put_policy(const struct tls_report *r, const struct memory_tally *t, size_t n,
                       struct buf *out)
{
    put_key("policy", out);
    buf_byte(out, '{');
    put_text("policy-type", slice_str(tlsrpt_policy_word(t->policy)), out);
    if (t->policy_text.n > 0) {
        put_key("policy-string", out);
        buf_byte(out, '[');
        put_lines(t->policy_text, out);
        buf_byte(out, ']');
    }
    put_text("policy-domain", r->domain, out);
    bool patterns = false;
    for (size_t i = 0; i < n && t->policy == TLSRPT_STS; i++) {
        if (t[i].mx_pattern.n == 0 || (i > 0 && slice_eq(t[i].mx_pattern, t[i - 1].mx_pattern)))
            continue;
        if (patterns)
            buf_byte(out, ',');
        else {
            put_key("mx-host", out);
            buf_byte(out, '[');
        }
        patterns = true;
        put_string(t[i].mx_pattern, out);
    }
    if (patterns)
        buf_byte(out, ']');
    buf_byte(out, '}');
}

static void put_failure(const struct memory_tally *t, struct buf *out)
{
    buf_byte(out, '{');
    put_text("result-type", slice_str(tlsrpt_result_word(t->result)), out);
    put_ip("sending-mta-ip", t->source, out);
    if (t->mx_host.n > 0)
        put_text("receiving-mx-hostname", t->mx_host, out);
    put_ip("receiving-ip", t->peer, out);
    put_number("failed-session-count", t->sessions, out);
    buf_byte(out, '}');
}

static void put_summary(const struct memory_tally *t, size_t n, struct buf *out)
{
    uint64_t success = 0, failure = 0;
    for (size_t i = 0; i < n; i++)
        *(t[i].result == TLSRPT_SUCCESS ? &success : &failure) += t[i].sessions;
    put_key("summary", out);
    buf_byte(out, '{');
    put_number("total-successful-session-count", success, out);
    put_number("total-failure-session-count", failure, out);
    buf_byte(out, '}');
    if (failure == 0)
        return;
    put_key("failure-details", out);
    buf_byte(out, '[');
    for (size_t i = 0, failures = 0; i < n; i++) {
        if (t[i].result == TLSRPT_SUCCESS)
            continue;
        if (failures++ > 0)
            buf_byte(out, ',');
        put_failure(&t[i], out);
    }
    buf_byte(out, ']');
}

/* How many of the tallies from `t` on are of its policy. */
static size_t same_policy(const struct memory_tally *t, size_t n)
{
    size_t i = 1;
    while (i < n && t[i].policy == t->policy && slice_eq(t[i].policy_text, t->policy_text))
        i++;
    return i;
}

enum error tls_report_json(const struct tls_report *r, struct buf *out)
{
    autobuf id = BUF_INIT(2 * LIMIT_DOMAIN + 64);
    put_id(r, &id);
    buf_byte(out, '{');
    put_text("organization-name", slice_str(r->host), out);
    put_key("date-range", out);
    buf_byte(out, '{');
    put_time("start-datetime", r->day, out);
    put_time("end-datetime", r->day + DAY - 1, out);
    buf_byte(out, '}');
    put_text("contact-info", r->contact, out);
    put_text("report-id", buf_slice(&id), out);
    put_key("policies", out);
    buf_byte(out, '[');
    for (size_t i = 0, n; i < r->n; i += n) {
        n = same_policy(&r->tally[i], r->n - i);
        buf_str(out, i > 0 ? ",{" : "{");
        put_policy(r, &r->tally[i], n, out);
        put_summary(&r->tally[i], n, out);
        buf_byte(out, '}');
    }
    buf_lit(out, "]}\n");
    return buf_check(out);
}

enum error tls_report_gzip(struct slice json, struct buf *out)
{
    z_stream z = {0};
    uint8_t piece[4096];
    int code = Z_OK;
    if (json.n > UINT32_MAX || deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9,
                                            Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_LIMIT;
    /* zlib reads only; its interface is older than const. */
    z.next_in = (Bytef *)(uintptr_t)json.p;
    z.avail_in = (uInt)json.n;
    while (code == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        code = deflate(&z, Z_FINISH);
        buf_add(out, slice_of(piece, sizeof piece - z.avail_out));
    }
    deflateEnd(&z);
    return code == Z_STREAM_END ? buf_check(out) : ERR_LIMIT;
}

/* --- Mail --- */

static int hex_digit(uint8_t c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum error tls_report_address(struct arena *a, struct slice uri, struct slice *out)
{
    struct mailbox_address m;
    autobuf text = BUF_INIT(LIMIT_ADDRESS);
    if (!slice_istarts(uri, SLICE("mailto:")))
        return ERR_INPUT;
    uri = slice_from(uri, SLICE("mailto:").n);
    uri = slice_sub(uri, 0, slice_index(uri, '?'));
    for (size_t i = 0; i < uri.n; i++) {
        if (uri.p[i] != '%') {
            buf_byte(&text, uri.p[i]);
            continue;
        }
        int high = i + 2 < uri.n ? hex_digit(uri.p[i + 1]) : -1;
        int low = i + 2 < uri.n ? hex_digit(uri.p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return ERR_INPUT;
        buf_byte(&text, (uint8_t)(high * 16 + low));
        i += 2;
    }
    if (text.failed || mailbox_parse(a, buf_slice(&text), false, &m) != OK || m.domain.n == 0)
        return ERR_INPUT;
    struct slice address = arena_dup(a, buf_slice(&text));
    if (a->failed)
        return ERR_LIMIT;
    *out = address;
    return OK;
}

static void put_header(const struct tls_report *r, struct slice to, int64_t now,
                       const char *boundary, struct buf *out)
{
    buf_printf(out, "From: TLS report <%.*s>\r\nTo: <%.*s>\r\nDate: ", SLICE_FMT(r->contact),
               SLICE_FMT(to));
    date_print_rfc5322((struct date){now, 0}, out);
    buf_printf(out,
               "\r\nMessage-ID: <%s@%s>\r\n"
               "Subject: Report Domain: %.*s\r\n Submitter: %s\r\n Report-ID: <",
               boundary, r->host, SLICE_FMT(r->domain), r->host);
    put_id(r, out);
    buf_printf(out,
               ">\r\nTLS-Report-Domain: %.*s\r\n"
               "TLS-Report-Submitter: %s\r\n"
               "TLS-Required: No\r\n"
               "Auto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
               " boundary=\"%s\"\r\n\r\n",
               SLICE_FMT(r->domain), r->host, boundary);
}

static void put_words(const struct tls_report *r, struct buf *out)
{
    buf_lit(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
    buf_printf(out,
               "This is a report about the transport security (RFC 8460) with which\r\n"
               "%s\r\n"
               "reached the mail servers of\r\n"
               "%.*s\r\n"
               "in the 24 hours from ",
               r->host, SLICE_FMT(r->domain));
    date_print_iso(r->day, out);
    buf_lit(out, " on. A program reads the attached file.\r\n");
}

enum error tls_report_mail(const struct tls_report *r, struct slice to, int64_t now,
                           struct slice gzip, struct buf *out)
{
    char boundary[32];
    snprintf(boundary, sizeof boundary, "tlsrpt-%016llx", (unsigned long long)random_u64());
    put_header(r, to, now, boundary, out);
    buf_printf(out, "--%s\r\n", boundary);
    put_words(r, out);
    buf_printf(out,
               "\r\n--%s\r\n"
               "Content-Type: application/tlsrpt+gzip\r\n"
               "Content-Transfer-Encoding: base64\r\n"
               "Content-Disposition: attachment;\r\n"
               " filename=\"%s!%.*s!%lld!%lld.json.gz\"\r\n\r\n",
               boundary, r->host, SLICE_FMT(r->domain), (long long)r->day,
               (long long)(r->day + DAY - 1));
    transfer_encode_base64(gzip, out);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
    return buf_check(out);
}
