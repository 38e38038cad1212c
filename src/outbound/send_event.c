/* What TLS reports count (RFC 8460 4.3), made where it is seen. */
#include "outbound/outbound_private.h"

static struct slice tlsa_text(const struct security_plan *p, struct arena *a)
{
    autobuf out = BUF_INIT(LIMIT_STS_POLICY);
    for (size_t i = 0; i < p->wish.n_tlsa; i++) {
        const struct dns_tlsa *r = &p->wish.tlsa[i];
        buf_printf(&out, "%s%u %u %u ", i ? "\n" : "", r->usage, r->selector, r->matching);
        for (size_t j = 0; j < r->data.n; j++)
            buf_printf(&out, "%02x", r->data.p[j]);
    }
    return buf_check(&out) == OK ? arena_dup(a, buf_slice(&out)) : SLICE_NONE;
}

static struct slice matching_pattern(struct slice file, struct slice host)
{
    struct sts_policy policy;
    if (sts_policy_read(file, &policy) != OK)
        return SLICE_NONE;
    for (size_t i = 0; i < policy.n_mx; i++)
        if (sts_match(policy.mx[i], host))
            return policy.mx[i];
    return SLICE_NONE;
}

static enum tlsrpt_result result_of(const struct security_plan *plan, enum problem problem)
{
    enum tlsrpt_result r = security_report(problem);
    if (r != TLSRPT_SUCCESS)
        return r;
    if (plan->n_tlsa && !plan->n_usable)
        return TLSRPT_TLSA_INVALID;
    return plan->sts_unnamed ? TLSRPT_VALIDATION_FAILURE : TLSRPT_SUCCESS;
}

void event_make(const struct route_host *host, const struct security_plan *plan,
                const struct sts_found *sts, enum problem problem, struct arena *a,
                struct relay_tls_event *out)
{
    *out = (struct relay_tls_event){
        .policy = plan->policy,
        .result = result_of(plan, problem),
        .mx_host = host->name,
    };
    if (plan->policy == TLSRPT_TLSA) {
        out->policy_text = tlsa_text(plan, a);
    } else if (plan->policy == TLSRPT_STS && sts) {
        out->policy_text = sts->sts.policy;
        out->mx_pattern = matching_pattern(sts->sts.policy, host->name);
    }
}

struct slice find_rua(const struct outbound_options *o, struct slice domain, int64_t deadline,
                      struct arena *a)
{
    struct dns_answer x;
    struct slice found = SLICE_NONE;
    dns_lookup(o->dns, arena_printf(a, "_smtp._tls.%.*s", SLICE_FMT(domain)), DNS_TXT, deadline, a,
               &x);
    for (size_t i = 0; x.status == DNS_OK && i < x.n; i++) {
        struct slice txt, rua;
        if (dns_read_txt(x.record[i], a, &txt) != OK)
            continue;
        rua = tlsrpt_rua(txt, a);
        if (rua.n && found.n)
            return SLICE_NONE; /* more than one record is none (RFC 8460 3) */
        if (rua.n)
            found = rua;
    }
    return found;
}
