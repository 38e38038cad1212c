/* From a domain to hosts and addresses. */
#include "outbound/route.h"
#include "base/random.h"

static void none(struct route *out, enum problem p, bool permanent, struct slice detail)
{
    out->problem = p;
    out->permanent = permanent;
    out->detail = detail;
    out->n = 0;
}

static struct slice lower(struct slice s, struct arena *a)
{
    uint8_t *p = arena_array(a, s.n, 1);
    if (!p)
        return SLICE_NONE;
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return slice_of(p, s.n);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static enum error parse_literal(struct slice s, struct ip *out)
{
    if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return ERR_INPUT;
    s = slice_sub(s, 1, s.n - 1);
    return ip_parse(slice_istarts(s, SLICE("IPv6:")) ? slice_from(s, 5) : s, out);
}

static void only_host(struct route *out, struct slice name, struct arena *a)
{
    struct route_host *h = arena_new(a, struct route_host);
    if (!h) {
        none(out, PROBLEM_DNS, false, SLICE("out of memory for one message"));
        return;
    }
    h->name = h->canonical = name;
    if (parse_literal(name, &h->ip[0]) == OK || ip_parse(name, &h->ip[0]) == OK) {
        h->literal = true;
        h->n_ips = 1;
    } else if (slice_has(name, '[')) {
        none(out, PROBLEM_NO_HOST, true, SLICE("a malformed address literal"));
        return;
    }
    out->host = h;
    out->n = 1;
}

static bool is_self(const struct outbound_options *o, struct slice host)
{
    return slice_ieq(host, slice_str(o->host));
}

/* By preference; what is equal comes in a new order each time (RFC 5321 5.1). */
static void sort_hosts(struct route_host *h, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        struct route_host swap = h[i - 1];
        h[i - 1] = h[j];
        h[j] = swap;
    }
    for (size_t i = 1; i < n; i++) { /* at most LIMIT_DNS_RECORDS; keeps the order of equals */
        struct route_host x = h[i];
        size_t j = i;
        for (; j > 0 && h[j - 1].preference > x.preference; j--)
            h[j] = h[j - 1];
        h[j] = x;
    }
}

static bool has_host(const struct route *r, struct slice name)
{
    for (size_t i = 0; i < r->n; i++)
        if (slice_eq(r->host[i].name, name))
            return true;
    return false;
}

/* What the records say, in the order they came; *null: one of them says "no mail". */
static void read_records(const struct dns_answer *mx, struct arena *a, struct route *out,
                         bool *null)
{
    out->host = arena_array(a, mx->n, sizeof *out->host);
    *null = false;
    for (size_t i = 0; out->host && i < mx->n; i++) {
        struct dns_mx record;
        if (dns_read_mx(mx->record[i], a, &record) != OK)
            continue;
        if (record.host.n == 0)
            *null = true;
        else if (!has_host(out, record.host))
            out->host[out->n++] = (struct route_host){
                .name = record.host,
                .canonical = record.host,
                .preference = record.preference,
                .name_secure = mx->secure,
            };
    }
}

/* Our own name: nothing at its preference or behind it may be tried, or mail would go in circles.
 */
static void cut_at_self(const struct outbound_options *o, struct route *out)
{
    for (size_t i = 0; i < out->n; i++) {
        if (!is_self(o, out->host[i].name))
            continue;
        size_t keep = 0;
        while (out->host[keep].preference < out->host[i].preference)
            keep++;
        out->n = keep;
        if (keep == 0)
            none(out, PROBLEM_LOOP, true, SLICE("the best mail server of the domain is this one"));
        return;
    }
}

static void by_records(const struct outbound_options *o, const struct dns_answer *mx,
                       struct arena *a, struct route *out)
{
    bool null;
    read_records(mx, a, out, &null);
    if (out->n == 0 && null) {
        none(out, PROBLEM_NULL_MX, true, SLICE("null MX (RFC 7505)"));
        return;
    }
    if (out->n == 0) {
        none(out, PROBLEM_NO_HOST, false, SLICE("no usable MX record"));
        return;
    }
    sort_hosts(out->host, out->n);
    cut_at_self(o, out);
    if (out->n > ROUTE_HOSTS)
        out->n = ROUTE_HOSTS;
}

static void by_domain(const struct outbound_options *o, const struct relay_request *rq,
                      struct arena *a, struct route *out)
{
    out->implicit = true;
    if (is_self(o, rq->domain)) {
        none(out, PROBLEM_LOOP, true, SLICE("the domain is this server"));
        return;
    }
    only_host(out, lower(rq->domain, a), a);
    if (out->n)
        out->host->name_secure = out->mx_secure;
}

static void by_mx(const struct outbound_options *o, const struct relay_request *rq,
                  int64_t deadline, struct arena *a, struct route *out)
{
    struct dns_answer mx;
    dns_lookup(o->dns, rq->domain, DNS_MX, deadline, a, &mx);
    out->mx_secure = mx.secure;
    if (mx.secure && mx.canonical.n)
        out->canonical = mx.canonical;
    switch (mx.status) {
    case DNS_OK:
        by_records(o, &mx, a, out);
        break;
    case DNS_NODATA:
        by_domain(o, rq, a, out);
        break;
    case DNS_NXDOMAIN:
        none(out, PROBLEM_NO_DOMAIN, true, SLICE("the name does not exist"));
        break;
    case DNS_BOGUS:
        none(out, PROBLEM_BOGUS, false, mx.why);
        break;
    case DNS_FAILED:
        none(out, PROBLEM_DNS, false, mx.why);
        break;
    }
}

void route_find(const struct outbound_options *o, const struct relay_request *rq, int64_t deadline,
                struct arena *a, struct route *out)
{
    *out = (struct route){.canonical = rq->domain};
    bool before = dns_validates(o->dns);
    out->by_name = rq->host.n || slice_has(rq->domain, '[');
    if (rq->host.n) {
        only_host(out, lower(rq->host, a), a);
        if (out->n)
            out->host->name_secure = true;
    } else if (out->by_name) {
        only_host(out, rq->domain, a);
    } else {
        by_mx(o, rq, deadline, a, out);
    }
    /* Both times, or an answer may have come as insecure only because the proof failed just then.
     */
    out->validates = before && dns_validates(o->dns);
}

/* --- Addresses --- */

static size_t read_ips(const struct dns_answer *x, struct ip ip[ROUTE_ADDRESSES])
{
    size_t n = 0;
    for (size_t i = 0; x->status == DNS_OK && i < x->n && n < ROUTE_ADDRESSES; i++)
        if (dns_read_ip(x->record[i], &ip[n]) == OK)
            n++;
    return n;
}

static void interleave(struct route_host *h, const struct ip *six, size_t n_six,
                       const struct ip *four, size_t n_four)
{
    for (size_t i = 0; i < ROUTE_ADDRESSES && h->n_ips < ROUTE_ADDRESSES; i++) {
        if (i < n_six)
            h->ip[h->n_ips++] = six[i];
        if (i < n_four && h->n_ips < ROUTE_ADDRESSES)
            h->ip[h->n_ips++] = four[i];
    }
}

static void host_problem(struct route_host *h, enum problem p, bool permanent, struct slice why)
{
    h->problem = p;
    h->permanent = permanent;
    h->detail = why;
}

static bool failed(const struct dns_answer *x)
{
    return x->status == DNS_FAILED;
}

/* An answer that did not come says nothing about security, but one of the two may be missing: many
 * servers stumble over AAAA, and an attacker who suppresses one gains nothing by it. */
static void judge_answers(struct route_host *h, const struct dns_answer *six,
                          const struct dns_answer *four)
{
    if (six->status == DNS_BOGUS || four->status == DNS_BOGUS) {
        host_problem(h, PROBLEM_BOGUS, false, six->status == DNS_BOGUS ? six->why : four->why);
    } else if (h->n_ips == 0 && (failed(six) || failed(four))) {
        host_problem(h, PROBLEM_DNS, false, failed(six) ? six->why : four->why);
    } else if (h->n_ips == 0) {
        host_problem(h, PROBLEM_NO_HOST, true, SLICE("the host has no address"));
    } else {
        const struct dns_answer *came = failed(four) ? six : four;
        h->address_secure = (failed(six) || six->secure) && (failed(four) || four->secure);
        h->canonical = came->canonical.n ? came->canonical : h->name;
    }
}

/* RFC 7672 2.2.2: an alias in a signed zone, to a host in an unsigned one: TLSA records beside the
 * alias still count. Only an explicit question for the CNAME tells. */
static void look_at_alias(const struct outbound_options *o, struct route_host *h, int64_t deadline,
                          struct arena *a)
{
    struct dns_answer alias;
    dns_lookup(o->dns, h->name, DNS_CNAME, deadline, a, &alias);
    if (alias.status == DNS_BOGUS || alias.status == DNS_FAILED)
        host_problem(h, PROBLEM_DANE_LOOKUP, false, alias.why);
    h->alias_secure = alias.status == DNS_OK && alias.secure;
}

void route_addresses(const struct outbound_options *o, struct route_host *h, int64_t deadline,
                     struct arena *a)
{
    struct ip six_ip[ROUTE_ADDRESSES], four_ip[ROUTE_ADDRESSES];
    struct dns_answer six, four;
    if (h->literal)
        return;
    dns_lookup(o->dns, h->name, DNS_AAAA, deadline, a, &six);
    dns_lookup(o->dns, h->name, DNS_A, deadline, a, &four);
    size_t n_six = read_ips(&six, six_ip), n_four = read_ips(&four, four_ip);
    interleave(h, six_ip, n_six, four_ip, n_four);
    judge_answers(h, &six, &four);
    if (h->problem == PROBLEM_NONE && h->name_secure && !h->address_secure &&
        !slice_eq(h->canonical, h->name))
        look_at_alias(o, h, deadline, a);
}
