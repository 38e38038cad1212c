/* How a host must be met: see security.h for the order and its reasons. */
#include "outbound/security.h"

#define SECURITY_NAMES (LIMIT_STS_MX + 4) /* LIMIT: reference names of one host */

struct planner {
    const struct outbound_options *o;
    const struct relay_request *rq;
    const struct route *route;
    const struct route_host *host;
    int64_t deadline;
    struct arena *a;
    struct slice *names; /* of out->wish, SECURITY_NAMES of room */
    struct security_plan *out;
};

/* What has to be reached, from all who may demand something. */
struct needs {
    bool tls, verify, dane;
    bool secure_name; /* verify by a name that DNSSEC, MTA-STS or the configuration vouches for */
};

bool security_lifted(const struct relay_request *rq)
{
    return rq->tls_optional && !rq->require_tls;
}

static struct needs needs_of(const struct relay_request *rq)
{
    enum demand d = rq->demand;
    if (security_lifted(rq) && (rq->source == SOURCE_RATCHET || rq->source == SOURCE_RATCHET_TLS))
        d = DEMAND_NOTHING;
    struct needs n = {
        .tls = d >= DEMAND_ENCRYPT || !rq->clear_allowed,
        .verify = d >= DEMAND_VERIFY,
        .dane = d >= DEMAND_DANE,
        .secure_name = relay_insists(rq),
    };
    if (rq->login.n || relay_insists(rq))
        n.verify = true;
    if (n.verify)
        n.tls = true;
    return n;
}

static void stop(struct planner *p, enum problem problem, bool permanent, struct slice detail)
{
    p->out->problem = problem;
    p->out->permanent = permanent;
    p->out->detail = detail;
}

static void add_name(struct planner *p, struct slice name)
{
    struct tls_wish *w = &p->out->wish;
    if (name.n == 0 || w->n_names == SECURITY_NAMES)
        return;
    for (size_t i = 0; i < w->n_names; i++)
        if (slice_ieq(p->names[i], name))
            return;
    p->names[w->n_names++] = name;
}

/* --- DANE --- */

enum dane { DANE_NONE, DANE_USABLE, DANE_UNUSABLE, DANE_STOPPED };

static void look_up_tlsa(const struct planner *p, struct slice base, struct dns_answer *x)
{
    struct slice name = arena_printf(p->a, "_%u._tcp.%.*s", (unsigned)p->rq->port, SLICE_FMT(base));
    dns_lookup(p->o->dns, name, DNS_TLSA, p->deadline, p->a, x);
}

/* Without validation: TLSA records in sight, or hidden, mean that DANE may well apply. */
static enum dane dane_unknown(struct planner *p)
{
    const struct slice base[2] = {p->host->canonical, p->host->name};
    size_t n = slice_eq(base[0], base[1]) ? 1 : 2;
    for (size_t i = 0; i < n; i++) {
        struct dns_answer x;
        look_up_tlsa(p, base[i], &x);
        if (x.status == DNS_NODATA || x.status == DNS_NXDOMAIN)
            continue;
        stop(p, PROBLEM_NO_VALIDATION, false,
             x.status == DNS_OK
                 ? SLICE("there are TLSA records, and our resolver does not validate")
                 : x.why);
        return DANE_STOPPED;
    }
    return DANE_NONE;
}

static enum dane take_tlsa(struct planner *p, struct slice base, const struct dns_answer *x)
{
    struct security_plan *out = p->out;
    struct dns_tlsa *usable = arena_array(p->a, SECURITY_TLSA, sizeof *usable);
    size_t n = 0;
    for (size_t i = 0; usable && i < x->n && n < SECURITY_TLSA; i++) {
        struct dns_tlsa r;
        if (dns_read_tlsa(x->record[i], &r) == OK && tls_tlsa_usable(&r))
            usable[n++] = r;
    }
    out->n_tlsa = x->n;
    out->n_usable = n;
    out->policy = TLSRPT_TLSA;
    out->tls_required = true;
    if (n == 0)
        return DANE_UNUSABLE;
    out->check = TLS_CHECK_DANE;
    out->must_verify = true;
    out->reached_by_check = SECURITY_DANE;
    out->wish.tlsa = usable;
    out->wish.n_tlsa = n;
    out->wish.sni = base; /* RFC 7672 8.1: the TLSA base domain */
    if (!p->route->by_name) {
        add_name(p, p->rq->domain);
        add_name(p, p->route->canonical);
    }
    add_name(p, p->host->name);
    add_name(p, base);
    return DANE_USABLE;
}

static enum dane find_dane(struct planner *p)
{
    const struct route_host *h = p->host;
    if (h->literal)
        return DANE_NONE;
    if (!p->route->validates)
        return dane_unknown(p);
    if (!h->name_secure || (!h->address_secure && !h->alias_secure))
        return DANE_NONE;
    struct slice base[2] = {h->address_secure ? h->canonical : h->name, h->name};
    size_t n = slice_eq(base[0], base[1]) ? 1 : 2;
    for (size_t i = 0; i < n; i++) {
        struct dns_answer x;
        look_up_tlsa(p, base[i], &x);
        if (x.status == DNS_BOGUS || x.status == DNS_FAILED) {
            p->out->policy = TLSRPT_TLSA;
            stop(p, PROBLEM_DANE_LOOKUP, false, x.why);
            return DANE_STOPPED;
        }
        if (x.status == DNS_OK && x.secure)
            return take_tlsa(p, base[i], &x);
    }
    return DANE_NONE;
}

/* --- MTA-STS --- */

/* True: a policy names this host, so that its name is known by more than the MX answer. */
static bool apply_sts(struct planner *p, const struct sts_found *sts)
{
    struct sts_policy policy;
    struct security_plan *out = p->out;
    if (!sts || sts->sts.policy.n == 0 || sts_policy_read(sts->sts.policy, &policy) != OK ||
        policy.mode == STS_NONE)
        return false;
    bool named = sts_names(&policy, p->host->name);
    if (out->policy == TLSRPT_NO_POLICY)
        out->policy = TLSRPT_STS;
    if (policy.mode == STS_ENFORCE && !named) {
        stop(p, PROBLEM_STS_HOST, false, SLICE("the MTA-STS policy does not name this host"));
        return false;
    }
    out->check = TLS_CHECK_PKIX;
    add_name(p, p->host->name); /* RFC 8461 4.1 */
    if (policy.mode == STS_ENFORCE) {
        out->reached_by_check = SECURITY_MTA_STS;
        out->tls_required = out->must_verify = true;
    } else {
        /* Worth no more than encryption: what is remembered of it must not refuse anything later.
         */
        out->sts_testing = true;
        out->sts_unnamed = !named;
    }
    return named;
}

/* --- Demands --- */

static bool wish_listed_names(struct planner *p)
{
    struct slice rest = p->rq->mx_names, name;
    while (slice_split(&rest, ' ', &name))
        add_name(p, name);
    return p->out->wish.n_names > 0;
}

static void forget_names(struct planner *p)
{
    p->out->wish.n_names = 0;
    p->out->check = TLS_CHECK_PKIX;
    p->out->reached_by_check = SECURITY_PKIX;
    p->out->sts_testing = p->out->sts_unnamed = false;
    if (p->out->policy == TLSRPT_STS)
        p->out->policy = TLSRPT_NO_POLICY; /* what is looked at now says nothing about it */
}

/* Neither DANE nor MTA-STS vouch for the host: which names would? */
static void demand_name(struct planner *p, const struct needs *n)
{
    const struct route_host *h = p->host;
    forget_names(p);
    if (h->literal) {
        stop(p, PROBLEM_TOO_WEAK, n->secure_name, SLICE("an address has no name to verify"));
        return;
    }
    if (n->secure_name && !h->name_secure) {
        stop(p, PROBLEM_TOO_WEAK, true,
             SLICE("REQUIRETLS: neither DNSSEC nor MTA-STS vouch for the name of this host"));
        return;
    }
    if (!n->secure_name && !p->route->by_name && wish_listed_names(p))
        return;
    if (h->name_secure)
        add_name(p, h->name);
    if (!n->secure_name && !p->route->by_name) {
        add_name(p, p->rq->domain);
        add_name(p, arena_printf(p->a, "*.%.*s", SLICE_FMT(p->rq->domain)));
    }
}

static void apply_demand(struct planner *p, const struct needs *n, enum dane dane, bool sts_named)
{
    struct security_plan *out = p->out;
    if (n->tls)
        out->tls_required = true;
    if (n->dane && dane != DANE_USABLE) {
        if (!p->route->validates)
            stop(p, PROBLEM_NO_VALIDATION, false, SLICE("DANE is demanded"));
        else if (dane == DANE_UNUSABLE)
            stop(p, PROBLEM_DANE_UNUSABLE, false, SLICE("no TLSA record can be used"));
        else
            stop(p, PROBLEM_DANE_MISSING, false, SLICE("no secure TLSA records"));
        return;
    }
    if (!n->verify || dane == DANE_USABLE)
        return;
    out->must_verify = true;
    if (sts_named)
        out->reached_by_check = SECURITY_MTA_STS;
    else
        demand_name(p, n);
}

static enum dane apply_dane(struct planner *p, const struct needs *n)
{
    /* Lifted, and nobody needs it: not even looked up, it may be what is broken. */
    return security_lifted(p->rq) && !n->verify ? DANE_NONE : find_dane(p);
}

void security_plan(const struct outbound_options *o, const struct relay_request *rq,
                   const struct route *route, const struct route_host *host,
                   const struct sts_found *sts, int64_t deadline, struct arena *a,
                   struct security_plan *out)
{
    struct planner p = {
        .o = o, .rq = rq, .route = route, .host = host, .deadline = deadline, .a = a, .out = out};
    struct needs n = needs_of(rq);
    *out = (struct security_plan){
        .check = TLS_CHECK_NOTHING,
        .reached_by_check = SECURITY_ENCRYPTED,
        .wish.sni = host->literal ? SLICE_NONE : host->name,
    };
    p.names = arena_array(a, SECURITY_NAMES, sizeof *p.names);
    if (!p.names) {
        stop(&p, PROBLEM_DNS, false, SLICE("out of memory for one message"));
        return;
    }
    out->wish.names = p.names;
    enum dane dane = apply_dane(&p, &n);
    if (dane == DANE_STOPPED)
        return;
    bool named = false;
    if (dane != DANE_USABLE && !security_lifted(rq))
        named = apply_sts(&p, sts);
    if (out->problem == PROBLEM_NONE)
        apply_demand(&p, &n, dane, named);
    if (a->failed && out->problem == PROBLEM_NONE)
        stop(&p, PROBLEM_DNS, false, SLICE("out of memory for one message"));
    out->wish.check = out->check;
}

enum problem security_judge(const struct security_plan *p, const struct tls_outcome *tls,
                            enum security *reached)
{
    if (!tls) {
        *reached = SECURITY_CLEAR;
        return p->tls_required ? PROBLEM_NO_TLS : PROBLEM_NONE;
    }
    bool held = tls->problem == PROBLEM_NONE;
    *reached = held ? p->reached_by_check : SECURITY_ENCRYPTED;
    return held || !p->must_verify ? PROBLEM_NONE : tls->problem;
}

enum tlsrpt_result security_report(enum problem p)
{
    switch (p) {
    case PROBLEM_NO_TLS:
        return TLSRPT_STARTTLS_NOT_SUPPORTED;
    case PROBLEM_CERT_NAME:
        return TLSRPT_CERTIFICATE_HOST_MISMATCH;
    case PROBLEM_CERT_EXPIRED:
        return TLSRPT_CERTIFICATE_EXPIRED;
    case PROBLEM_CERT_UNTRUSTED:
        return TLSRPT_CERTIFICATE_NOT_TRUSTED;
    case PROBLEM_DANE_LOOKUP:
    case PROBLEM_BOGUS:
        return TLSRPT_DNSSEC_INVALID;
    case PROBLEM_DANE_UNUSABLE:
        return TLSRPT_TLSA_INVALID;
    case PROBLEM_DANE_MISSING:
        return TLSRPT_DANE_REQUIRED;
    case PROBLEM_CERT_BAD:
    case PROBLEM_DANE_MISMATCH:
    case PROBLEM_STS_HOST:
    case PROBLEM_TLS_REFUSED:
    case PROBLEM_HANDSHAKE:
    case PROBLEM_INJECTION:
        return TLSRPT_VALIDATION_FAILURE;
    default:
        return TLSRPT_SUCCESS;
    }
}
