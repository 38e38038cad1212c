/* What pages say about this server; see facts.h. */
#include "web/facts.h"

uint16_t facts_port(const struct config *c, enum config_service service)
{
    return c->listen[service].n ? c->listen[service].item[0].at.port : 0;
}

struct slice facts_base(const struct config *c, struct arena *a)
{
    uint16_t port = facts_port(c, SERVICE_HTTPS);
    if (port == 443)
        return arena_printf(a, "https://%s", c->host);
    return arena_printf(a, "https://%s:%u", c->host, (unsigned)port);
}

const char *facts_name(const struct config *c)
{
    return *c->web_name ? c->web_name : c->host;
}

static bool ours(const struct web_service *s, struct slice name, char out[LIMIT_DOMAIN + 1])
{
    return mail_domain_parse(name, out) == OK &&
           directory_domain_is_ours(s->directory, slice_str(out));
}

static struct slice behind(struct slice s, char mark)
{
    const uint8_t *p = s.n ? memrchr(s.p, mark, s.n) : NULL;
    return p ? slice_from(s, (size_t)(p - s.p) + 1) : SLICE_NONE;
}

static bool first_of_ours(const struct web_service *s, struct arena *a, char out[LIMIT_DOMAIN + 1])
{
    struct domain *d;
    size_t n;
    return directory_domain_list(s->directory, a, &d, &n) == OK && n > 0 &&
           ours(s, slice_str(d[0].name), out);
}

enum error facts_domain(struct http_exchange *x, struct slice address, char out[LIMIT_DOMAIN + 1])
{
    const struct web_service *s = http_service(x);
    struct slice domain = behind(address, '@'), host = http_host(x), label;
    if (domain.n)
        return ours(s, domain, out) ? OK : ERR_NOTFOUND;
    if (ours(s, host, out))
        return OK;
    if (slice_split(&host, '.', &label) && ours(s, host, out))
        return OK;
    struct slice own = slice_str(s->config->host);
    if (slice_split(&own, '.', &label) && ours(s, own, out))
        return OK;
    return first_of_ours(s, http_arena(x), out) ? OK : ERR_NOTFOUND;
}
