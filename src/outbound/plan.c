/* What would happen to a message, for people: the same look-ups and decisions as sending, without a
 * connection to a mail server. */
#include "base/clock.h"
#include "outbound/outbound_private.h"

static void plan_of_host(const struct outbound_options *o, const struct relay_request *rq,
                         const struct route *route, struct route_host *h,
                         const struct sts_found *sts, int64_t deadline, struct arena *a,
                         struct outbound_host_plan *out)
{
    struct security_plan plan = {0};
    route_addresses(o, h, deadline, a);
    if (h->problem == PROBLEM_NONE)
        security_plan(o, rq, route, h, sts, deadline, a, &plan);
    *out = (struct outbound_host_plan){
        .host = h->name,
        .preference = h->preference,
        .ip = h->ip,
        .n_ips = h->n_ips,
        .problem = h->problem ? h->problem : plan.problem,
        .check = plan.check,
        .tls_required = plan.tls_required,
        .n_tlsa = plan.n_tlsa,
        .n_usable = plan.n_usable,
        .detail = h->problem ? h->detail : plan.detail,
    };
}

static void plan_sts(const struct sts_found *sts, struct outbound_plan *out)
{
    struct sts_policy policy;
    out->sts = sts->sts;
    if (sts->sts.policy.n == 0 || sts_policy_read(sts->sts.policy, &policy) != OK)
        out->sts_mode = sts->problem ? PLAN_STS_ERROR : PLAN_STS_NONE;
    else if (policy.mode == STS_ENFORCE)
        out->sts_mode = PLAN_STS_ENFORCE;
    else if (policy.mode == STS_TESTING)
        out->sts_mode = PLAN_STS_TESTING;
}

enum error outbound_plan(const struct outbound_options *o, const struct relay_request *rq,
                         struct arena *a, struct outbound_plan *out)
{
    struct route route;
    struct sts_found sts = {0};
    int64_t deadline = clock_ms() + LIMIT_OUTBOUND_PLAN_MS;
    struct outbound_plan plan = {0};
    route_find(o, rq, deadline, a, &route);
    plan.problem = route.problem;
    plan.mx_secure = route.mx_secure;
    if (!route.by_name) {
        sts_find(o, rq->domain, &rq->sts, deadline, a, &sts);
        plan_sts(&sts, &plan);
        plan.rua = find_rua(o, rq->domain, deadline, a);
    }
    struct outbound_host_plan *host = arena_array(a, route.n, sizeof *host);
    for (size_t i = 0; host && i < route.n; i++)
        plan_of_host(o, rq, &route, &route.host[i], route.by_name ? NULL : &sts, deadline, a,
                     &host[i]);
    if (a->failed)
        return ERR_LIMIT;
    plan.host = host;
    plan.n_hosts = route.n;
    *out = plan;
    return OK;
}

/* --- For a program: how would it travel? --- */

static enum security at_least(const struct outbound_host_plan *h, const struct outbound_plan *plan)
{
    if (h->check == TLS_CHECK_DANE)
        return SECURITY_DANE;
    if (h->check == TLS_CHECK_PKIX)
        return plan->sts_mode == PLAN_STS_ENFORCE ? SECURITY_MTA_STS : SECURITY_PKIX;
    return h->tls_required ? SECURITY_ENCRYPTED : SECURITY_CLEAR;
}

void plan_answer(const struct outbound_options *o, const struct relay_request *rq, struct arena *a,
                 struct relay_result *out)
{
    struct outbound_plan plan;
    if (outbound_plan(o, rq, a, &plan) != OK) {
        send_nothing(rq, PROBLEM_BUSY, a, out);
        return;
    }
    const struct outbound_host_plan *h = plan.host, *end = plan.host + plan.n_hosts;
    while (h < end && h->problem != PROBLEM_NONE)
        h++;
    if (plan.problem || h == end) {
        send_nothing(rq,
                     plan.problem       ? plan.problem
                     : plan.n_hosts > 0 ? plan.host[0].problem
                                        : PROBLEM_NO_HOST,
                     a, out);
        return;
    }
    struct relay_outcome_of *outcome = arena_array(a, rq->n_recipients, sizeof *outcome);
    *out = (struct relay_result){.recipient = outcome,
                                 .host = h->host,
                                 .ip = h->n_ips ? h->ip[0] : (struct ip){{0}},
                                 .security = at_least(h, &plan)};
    for (size_t i = 0; outcome && i < rq->n_recipients; i++)
        outcome[i] = (struct relay_outcome_of){.outcome = RELAY_DELIVERED, .status = "2.0.0"};
    out->n_recipients = outcome ? rq->n_recipients : 0;
}
