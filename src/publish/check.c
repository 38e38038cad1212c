/* What is published, compared with what should be: record by record. What comes from the DNS is
 * untrusted and goes into findings as it is; whoever prints them cleans it. */
#include "base/clock.h"
#include "publish/publish_private.h"

void findings_init(struct findings *f, struct arena *a)
{
    *f = (struct findings){.a = a,
                           .list = BUF_INIT(LIMIT_PUBLISH_LIST),
                           .deadline = clock_ms() + LIMIT_PUBLISH_CHECK_MS};
}

void findings_add(struct findings *f, struct publish_finding x)
{
    buf_add(&f->list, slice_of(&x, sizeof x));
}

enum error findings_take(struct findings *f, struct publish_finding **out, size_t *n)
{
    size_t count = f->list.n / sizeof **out;
    struct publish_finding *x = arena_array(f->a, count + 1, sizeof *x);
    enum error e = !x || f->a->failed || f->list.failed ? ERR_LIMIT : OK;
    if (e == OK) {
        if (count)
            memcpy(x, f->list.p, f->list.n);
        *out = x;
        *n = count;
    }
    buf_free(&f->list);
    return e;
}

/* One record with the answer to its look-up. */
struct comparison {
    struct findings *f;
    struct arena *a;
    const struct question *q;
    const struct publish_record *r;
    struct dns_answer answer;
    struct publish_finding found;
};

static void judge(struct comparison *c, bool good, const char *help)
{
    c->found.state = good ? PUBLISH_OK : PUBLISH_WRONG;
    if (!good && help)
        c->found.help = slice_str(help);
}

/* --- A record as a zone file has it --- */

static struct slice ip_text(struct arena *a, struct slice rdata)
{
    struct ip ip;
    char text[IP_TEXT];
    if (dns_read_ip(rdata, &ip) != OK)
        return SLICE("malformed");
    ip_print(ip, text);
    return arena_dup(a, slice_str(text));
}

static struct slice tlsa_text(struct arena *a, struct slice rdata)
{
    struct dns_tlsa t;
    char hex[2 * 64 + 1];
    if (dns_read_tlsa(rdata, &t) != OK)
        return SLICE("malformed");
    publish_hex(slice_sub(t.data, 0, 64), hex);
    return arena_printf(a, "%u %u %u %s%s", t.usage, t.selector, t.matching, hex,
                        t.data.n > 64 ? "..." : "");
}

static struct slice mx_text(struct arena *a, struct slice rdata)
{
    struct dns_mx m;
    return dns_read_mx(rdata, a, &m) == OK
               ? arena_printf(a, "%u %.*s.", m.preference, SLICE_FMT(m.host))
               : SLICE("malformed");
}

static struct slice srv_text(struct arena *a, struct slice rdata)
{
    struct dns_srv s;
    return dns_read_srv(rdata, a, &s) == OK ? arena_printf(a, "%u %u %u %.*s.", s.priority,
                                                           s.weight, s.port, SLICE_FMT(s.target))
                                            : SLICE("malformed");
}

static struct slice caa_text(struct arena *a, struct slice rdata)
{
    uint8_t flags;
    struct slice tag, value;
    return dns_read_caa(rdata, &flags, &tag, &value) == OK
               ? arena_printf(a, "%u %.*s \"%.*s\"", flags, SLICE_FMT(tag), SLICE_FMT(value))
               : SLICE("malformed");
}

static struct slice text_of(struct arena *a, enum dns_type type, struct slice rdata)
{
    struct slice text;
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        return ip_text(a, rdata);
    case DNS_MX:
        return mx_text(a, rdata);
    case DNS_TXT:
        return dns_read_txt(rdata, a, &text) == OK ? text : SLICE("malformed");
    case DNS_SRV:
        return srv_text(a, rdata);
    case DNS_TLSA:
        return tlsa_text(a, rdata);
    case DNS_CAA:
        return caa_text(a, rdata);
    case DNS_CNAME:
    case DNS_PTR:
        return dns_read_name(rdata, a, &text) == OK ? text : SLICE("malformed");
    }
    return SLICE_NONE;
}

static struct slice all_texts(struct comparison *c)
{
    autobuf b = BUF_INIT(LIMIT_PUBLISH_VALUE);
    if (c->r->type == DNS_CNAME)
        return arena_printf(c->a, "%.*s.", SLICE_FMT(c->answer.canonical));
    for (size_t i = 0; i < c->answer.n; i++) {
        buf_str(&b, i ? ", " : "");
        buf_add(&b, text_of(c->a, c->r->type, c->answer.record[i]));
    }
    return arena_dup(c->a, buf_slice(&b));
}

static bool any_equal(struct comparison *c)
{
    for (size_t i = 0; i < c->answer.n; i++)
        if (slice_ieq(text_of(c->a, c->r->type, c->answer.record[i]), c->r->value))
            return true;
    return false;
}

/* --- TXT, by what kind of policy it is --- */

/* The one record of that kind; false: there is none or are several, and the finding says so. */
static bool only_one(struct comparison *c, struct slice version, struct slice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->answer.n; i++) {
        struct slice text = text_of(c->a, DNS_TXT, c->answer.record[i]);
        if (slice_istarts(text, version)) {
            *out = text;
            n++;
        }
    }
    if (n == 1)
        return true;
    c->found.state = n ? PUBLISH_WRONG : PUBLISH_MISSING;
    if (n)
        c->found.help = SLICE("several of a kind: nobody counts any of them");
    return false;
}

static bool compare_spf(struct comparison *c)
{
    struct slice text;
    if (!slice_istarts(c->r->text, SLICE("v=spf1")))
        return false;
    if (only_one(c, SLICE("v=spf1"), &text)) {
        const struct config *k = c->q->config;
        const char *why =
            publish_judge_spf(text, slice_str(k->host), k->sending_from.item, k->sending_from.n);
        c->found.found = text;
        judge(c, !why, why);
    }
    return true;
}

static bool compare_dmarc(struct comparison *c)
{
    struct slice text;
    if (!slice_istarts(c->r->text, SLICE("v=DMARC1")))
        return false;
    if (only_one(c, SLICE("v=DMARC1"), &text)) {
        const char *why = publish_judge_dmarc(text);
        c->found.found = text;
        judge(c, !why, why);
    }
    return true;
}

/* Others may want another address for reports, or more of them. */
static bool compare_tlsrpt(struct comparison *c)
{
    struct slice text;
    if (!slice_istarts(c->r->text, SLICE("v=TLSRPTv1")))
        return false;
    if (only_one(c, SLICE("v=TLSRPTv1"), &text)) {
        c->found.found = text;
        judge(c, publish_tag(text, SLICE("rua")).n > 0, "no address for reports (rua=)");
    }
    return true;
}

/* Blanks inside the key do not count (RFC 6376 3.2). */
static bool same_key(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.n && (a.p[i] == ' ' || a.p[i] == '\t'))
            i++;
        while (k < b.n && (b.p[k] == ' ' || b.p[k] == '\t'))
            k++;
        if (i == a.n || k == b.n)
            return i == a.n && k == b.n;
        if (a.p[i++] != b.p[k++])
            return false;
    }
}

static bool compare_dkim(struct comparison *c)
{
    struct slice key = publish_tag(c->r->text, SLICE("p"));
    if (!slice_istarts(c->r->text, SLICE("v=DKIM1")))
        return false;
    for (size_t i = 0; i < c->answer.n; i++) {
        struct slice text = text_of(c->a, DNS_TXT, c->answer.record[i]);
        if (same_key(publish_tag(text, SLICE("p")), key)) {
            c->found.found = text;
            judge(c, true, NULL);
            return true;
        }
    }
    judge(c, false, "another key is published");
    return true;
}

static void compare_text(struct comparison *c)
{
    struct slice text;
    if (compare_spf(c) || compare_dmarc(c) || compare_tlsrpt(c) || compare_dkim(c))
        return;
    if (only_one(c, SLICE("v=STSv1"), &text)) {
        c->found.found = text;
        judge(c, slice_eq(publish_tag(text, SLICE("id")), publish_tag(c->r->text, SLICE("id"))),
              "another id than the policy's: others keep the policy that they have");
    }
}

/* --- The others --- */

/* Another preference, and further servers, are the operator's choice. */
static void compare_mx(struct comparison *c)
{
    struct slice host = slice_str(c->q->config->host);
    struct dns_mx m;
    for (size_t i = 0; i < c->answer.n; i++)
        if (dns_read_mx(c->answer.record[i], c->a, &m) == OK && slice_ieq(m.host, host)) {
            judge(c, true, NULL);
            return;
        }
    judge(c, false, "mail goes elsewhere; is server.host this server's name?");
}

/* Weights and priorities are the operator's choice; port and host are not. */
static void compare_srv(struct comparison *c)
{
    struct dns_srv s;
    struct slice want = slice_from(c->r->value, slice_rindex(c->r->value, ' ') + 1);
    bool absent = slice_eq(want, SLICE("."));
    for (size_t i = 0; i < c->answer.n; i++) {
        if (dns_read_srv(c->answer.record[i], c->a, &s) != OK)
            continue;
        struct slice got = arena_printf(c->a, " %u %.*s.", s.port, SLICE_FMT(s.target));
        if (absent ? s.target.n == 0 : slice_iends(c->r->value, got)) {
            judge(c, true, NULL);
            return;
        }
    }
    judge(c, false, NULL);
}

static void compare(struct comparison *c)
{
    c->found.found = all_texts(c);
    switch (c->r->type) {
    case DNS_TXT:
        compare_text(c);
        break;
    case DNS_MX:
        compare_mx(c);
        break;
    case DNS_SRV:
        compare_srv(c);
        break;
    case DNS_CNAME: /* addresses were asked for: any way to a host is good */
    case DNS_CAA:   /* the operator knows his authority */
        judge(c, true, NULL);
        break;
    case DNS_TLSA:
        if (c->r->need != PUBLISH_MUST && !any_equal(c)) {
            /* The next key's belongs beside the present one's, and not in its place. */
            c->found.state = PUBLISH_MISSING;
            c->found.found = SLICE("");
            break;
        }
        judge(c, any_equal(c), "a record for another key; `depesche dns show` prints this one");
        break;
    case DNS_A:
    case DNS_AAAA:
    case DNS_PTR:
        judge(c, any_equal(c), NULL);
        break;
    }
}

/* DANE counts where the zone is signed: there a missing record is no fault but an opportunity. */
static enum publish_need need_of(const struct comparison *c)
{
    bool tlsa = c->r->type == DNS_TLSA;
    return tlsa && c->r->need == PUBLISH_MUST && !c->answer.secure ? PUBLISH_SHOULD : c->r->need;
}

/* A host with IPv6 alone has no answer to the question that was asked for its other names. */
static bool leads_to_host(const struct comparison *c)
{
    return c->r->type == DNS_CNAME && slice_ieq(c->answer.canonical, slice_str(c->q->config->host));
}

static void compare_record(struct findings *f, struct dns *dns, const struct question *q,
                           const struct publish_record *r)
{
    struct comparison c = {.f = f, .a = f->a, .q = q, .r = r};
    enum dns_type ask = r->type == DNS_CNAME ? DNS_A : r->type;
    dns_lookup(dns, r->name, ask, f->deadline, f->a, &c.answer);
    c.found = (struct publish_finding){
        .what = arena_printf(f->a, "%s %.*s", publish_type_name(r->type), SLICE_FMT(r->name)),
        .need = need_of(&c),
        .expected = r->text.n ? r->text : r->value,
        .secure = c.answer.secure,
    };
    switch (c.answer.status) {
    case DNS_OK:
        compare(&c);
        break;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        c.found.state = leads_to_host(&c) ? PUBLISH_OK : PUBLISH_MISSING;
        break;
    case DNS_BOGUS:
        c.found.state = PUBLISH_WRONG;
        c.found.found = c.answer.why;
        c.found.help = SLICE("the zone's signatures are wrong: nobody who validates sees anything");
        break;
    case DNS_FAILED:
        c.found.state = PUBLISH_UNKNOWN;
        c.found.found = c.answer.why;
        break;
    }
    if (c.found.state == PUBLISH_MISSING)
        c.found.help = r->remark;
    findings_add(f, c.found);
}

void publish_compare(struct findings *f, struct dns *dns, const struct question *q)
{
    for (size_t i = 0; i < q->n_records; i++)
        compare_record(f, dns, q, &q->record[i]);
}

static void check_signed(struct findings *f, struct dns *dns, struct slice domain)
{
    struct dns_answer answer;
    dns_lookup(dns, domain, DNS_MX, f->deadline, f->a, &answer);
    bool told = answer.status != DNS_FAILED && dns_validates(dns);
    findings_add(f, (struct publish_finding){
                        .what = arena_printf(f->a, "DNSSEC %.*s.", SLICE_FMT(domain)),
                        .state = !told           ? PUBLISH_UNKNOWN
                                 : answer.secure ? PUBLISH_OK
                                                 : PUBLISH_MISSING,
                        .need = PUBLISH_SHOULD,
                        .secure = answer.secure,
                        .help = answer.secure ? SLICE_NONE
                                              : SLICE("signed zones let others know that mail for "
                                                      "this domain goes to this server"),
                    });
}

enum error publish_check_records(const struct question *q, struct dns *dns, struct arena *a,
                                 struct publish_finding **out, size_t *n)
{
    struct findings f;
    findings_init(&f, a);
    publish_compare(&f, dns, q);
    if (q->what == PUBLISH_DOMAIN)
        check_signed(&f, dns, q->domain);
    return findings_take(&f, out, n);
}
