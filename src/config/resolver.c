/* From settings to what asks the DNS; see resolver.h. */
#include "config/resolver.h"
#include "base/file.h"
#include "base/log.h"

static struct dns_server server_of(const struct config_server *s)
{
    return (struct dns_server){s->ip, s->port};
}

enum error resolver_options(const struct config *c, struct arena *a, struct dns_options *out)
{
    struct dns_server *servers = arena_array(a, c->dns_forwarders.n + 1, sizeof *servers);
    struct dns_zone *zones = arena_array(a, c->dns_zones.n + 1, sizeof *zones);
    if (!servers || !zones)
        return ERR_LIMIT;
    for (size_t i = 0; i < c->dns_forwarders.n; i++)
        servers[i] = server_of(&c->dns_forwarders.item[i]);
    for (size_t i = 0; i < c->dns_zones.n; i++)
        zones[i] =
            (struct dns_zone){c->dns_zones.item[i].name, server_of(&c->dns_zones.item[i].server)};
    *out = (struct dns_options){
        .anchor = c->dns_anchor,
        .forwarders = servers,
        .n_forwarders = c->dns_forwarders.n,
        .zones = zones,
        .n_zones = c->dns_zones.n,
        .timeout_ms = (int)c->dns_timeout * 1000,
        .known_good = c->dns_known_good,
        .known_bad = c->dns_known_bad,
    };
    return OK;
}

enum error resolver_authorities(const struct config *c, struct buf *out)
{
    enum error e = c->tls_ca[0] ? file_read(c->tls_ca, out) : OK;
    if (!e && c->tls_ca[0] && out->n == 0)
        e = ERR_INPUT; /* without authorities nobody could be verified, and nobody would say why */
    if (e)
        log_error("tls.no_authorities", log_text("file", c->tls_ca),
                  log_text("error", error_name(e)),
                  log_text("help", "install ca-certificates, or set tls.ca"));
    return e;
}
