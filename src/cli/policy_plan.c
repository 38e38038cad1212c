/* What the DNS says of a destination now; see policy.h. */
#include "base/cursor.h"
#include "base/limits.h"
#include "cli/policy.h"

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
    static const struct relay_recipient anybody = {.address = SLICE_INIT("postmaster")};
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
        .recipient = &anybody,
        .n_recipients = 1,
    };
}

/* --- In the child that looks --- */

static const char *how(const struct outbound_host_plan *h)
{
    if (h->check == TLS_CHECK_DANE)
        return "by DANE";
    if (h->check == TLS_CHECK_PKIX)
        return "by its certificate";
    return h->tls_required ? "encrypted" : "encrypted if it can";
}

/* "10 mx.example.net 192.0.2.1: by DANE; 2 of 3 TLSA records usable" */
static void put_host(const struct outbound_host_plan *h, struct buf *out)
{
    autobuf b = BUF_INIT(LIMIT_LOOK_RECORD);
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
    buf_bytes(out, buf_slice(&b));
}

enum error policy_look(const struct config *c, struct dns *dns, struct slice authorities,
                       struct slice question, struct arena *a, struct buf *answer)
{
    struct relay_request rq;
    struct outbound_plan plan;
    struct outbound_options o = {.host = c->host,
                                 .dns = dns,
                                 .ca_pem = authorities,
                                 .https_inside = c->https_inside,
                                 .profile =
                                     c->tls_profile == CONFIG_TLS_BSI ? TLS_BSI : TLS_MODERN};
    enum error e = relay_read_request(a, question, &rq);
    if (e)
        return e;
    (void)dns_prove(dns); /* its outcome decides with the rest */
    e = outbound_plan(&o, &rq, a, &plan);
    if (e)
        return e;
    buf_byte(answer, (uint8_t)plan.problem);
    buf_byte(answer, plan.mx_secure);
    buf_byte(answer, (uint8_t)plan.sts_mode);
    buf_bytes(answer, plan.sts.policy);
    buf_u64(answer, (uint64_t)plan.sts.expires);
    buf_bytes(answer, plan.rua);
    for (size_t i = 0; i < plan.n_hosts; i++)
        put_host(&plan.host[i], answer);
    return buf_check(answer);
}

/* --- In the command --- */

enum error policy_read_plan(struct slice answer, struct arena *a, struct policy_plan *out)
{
    struct cursor c = cur_of(answer);
    uint8_t problem = cur_u8(&c), secure = cur_u8(&c), mode = cur_u8(&c);
    *out = (struct policy_plan){.sts_policy = cur_bytes(&c, LIMIT_STS_POLICY)};
    out->sts_until = (int64_t)cur_u64(&c);
    out->rua = cur_bytes(&c, LIMIT_LOOK_RECORD);
    struct slice *host = arena_array(a, c.rest.n / 4 + 1, sizeof *host);
    while (host && cur_ok(&c) && !cur_end(&c))
        host[out->n_hosts++] = cur_bytes(&c, LIMIT_LOOK_RECORD);
    out->host = host;
    out->problem = (enum problem)problem;
    out->mx_secure = secure == 1;
    out->sts_mode = (enum plan_sts)mode;
    if (!host)
        return ERR_LIMIT;
    return cur_ok(&c) && problem < PROBLEM_COUNT && mode <= PLAN_STS_ERROR ? OK : ERR_INPUT;
}

bool policy_plan(struct call *c, struct look *look, struct slice domain,
                 const struct memory_demand *demand, const struct relay_sts *sts,
                 struct policy_plan *out)
{
    struct relay_request rq = request(c, domain, demand, sts);
    autobuf question = BUF_INIT(LIMIT_LOOK_RECORD), answer = BUF_INIT(LIMIT_LOOK_RECORD);
    relay_write_request(&rq, &question);
    enum error e = buf_check(&question);
    if (!e)
        e = look_ask(look, LOOK_PLAN, buf_slice(&question), &answer);
    if (!e)
        e = policy_read_plan(arena_dup(&c->arena, buf_slice(&answer)), &c->arena, out);
    if (e)
        refuse("the DNS cannot be asked (%s); --no-lookup leaves it out", error_name(e));
    return e == OK;
}
