/* What the DNS says of a destination now; see policy.h. */
#include "base/limits.h"
#include "cli/policy.h"
#include "config/resolver.h"
#include "net/https.h"

/* The host that the configuration sends the domain's mail to; NULL: the domain's own MX. */
static const struct config_next_hop *next_hop(const struct config *k, struct slice domain)
{
    for (size_t i = 0; i < k->transports.n; i++)
        if (slice_ieq(slice_str(k->transports.item[i].domain), domain))
            return &k->transports.item[i].to;
    return k->smarthost.host[0] ? &k->smarthost : NULL;
}

bool policy_way(const struct call *c, struct slice domain, struct memory_way *out)
{
    const struct config_next_hop *hop = next_hop(c->config, domain);
    if (!hop)
        return false;
    *out = (struct memory_way){
        .host = slice_str(hop->host),
        .login = hop == &c->config->smarthost && c->config->smarthost_user[0],
        .clear_allowed = c->config->clear_text,
    };
    return true;
}

static struct relay_request request(struct call *c, struct slice domain,
                                    const struct memory_demand *demand, const struct relay_sts *sts)
{
    const struct config_next_hop *hop = next_hop(c->config, domain);
    return (struct relay_request){
        .kind = RELAY_SMTP,
        .domain = domain,
        .host = slice_str(hop ? hop->host : ""),
        .port = (uint16_t)(hop ? hop->port : c->config->sending_port),
        .demand = demand->demand,
        .source = demand->source,
        .mx_names = demand->mx_names,
        .clear_allowed = c->config->clear_text,
        .sts = *sts,
    };
}

static enum error plan_with(struct call *c, struct dns *dns, struct slice authorities,
                            const struct relay_request *rq, struct outbound_plan *out)
{
    struct outbound_options o = {.host = c->config->host, .dns = dns, .ca_pem = authorities};
    enum error e = dns_start(dns);
    if (e)
        return e;
    (void)dns_prove(dns); /* its outcome decides with the rest */
    return outbound_plan(&o, rq, &c->arena, out);
}

bool policy_plan(struct call *c, struct slice domain, const struct memory_demand *demand,
                 const struct relay_sts *sts, struct outbound_plan *out)
{
    struct relay_request rq = request(c, domain, demand, sts);
    autobuf authorities = BUF_INIT(LIMIT_AUTHORITIES);
    struct dns_options options;
    struct dns *dns = NULL;
    enum error e = https_prepare();
    if (!e)
        e = resolver_authorities(c->config, &authorities);
    if (!e)
        e = resolver_options(c->config, &c->arena, &options);
    if (!e)
        e = dns_new(&options, &dns);
    if (!e)
        e = plan_with(c, dns, buf_slice(&authorities), &rq, out);
    dns_free(dns);
    if (e)
        refuse("the DNS cannot be asked (%s); --no-lookup leaves it out", error_name(e));
    return e == OK;
}

static const char *how(const struct outbound_host_plan *h)
{
    if (h->check == TLS_CHECK_DANE)
        return "by DANE";
    if (h->check == TLS_CHECK_PKIX)
        return "by its certificate";
    return h->tls_required ? "encrypted" : "encrypted if it can";
}

struct slice policy_host(struct call *c, const struct outbound_host_plan *h)
{
    autobuf b = BUF_INIT(LIMIT_CLI_ARENA);
    buf_printf(&b, "%u %.*s", h->preference, SLICE_FMT(h->host));
    for (size_t i = 0; i < h->n_ips; i++) {
        char text[IP_TEXT];
        ip_print(h->ip[i], text);
        buf_printf(&b, " %s", text);
    }
    buf_printf(&b, ": %s", h->problem ? problem_text(h->problem, false) : how(h));
    if (h->n_tlsa > 0)
        buf_printf(&b, "; %zu of %zu TLSA records usable", h->n_usable, h->n_tlsa);
    if (h->detail.n > 0)
        buf_printf(&b, "; %.*s", SLICE_FMT(h->detail));
    return arena_dup(&c->arena, buf_slice(&b));
}
