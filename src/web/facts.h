/* What pages and profiles say about this server, always from the running configuration. */
#ifndef DEPESCHE_WEB_FACTS_H
#define DEPESCHE_WEB_FACTS_H

#include "web/web.h"

/* The first port of a service; 0: it is not offered. */
uint16_t facts_port(const struct config *c, enum config_service service);
/* "https://mail.example.org", with the port when it is not 443. */
struct slice facts_base(const struct config *c, struct arena *a);
/* What the provider calls itself. */
const char *facts_name(const struct config *c);
/* The mail domain that a request is about: of the `address` given (may be empty), else of the host
 * it was sent to (autoconfig.example.org, example.org), else the domain that server.host stands in,
 * else our first. ERR_NOTFOUND: the address is of a domain that is not ours. The same whether the
 * address exists or not. */
must_use enum error facts_domain(struct http_exchange *x, struct slice address,
                                 char out[LIMIT_DOMAIN + 1]);

#endif
