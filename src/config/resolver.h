/* How the DNS is asked, and how mail leaves, as the configuration says: for `edge` and for commands
 * that look for themselves. */
#ifndef DEPESCHE_CONFIG_RESOLVER_H
#define DEPESCHE_CONFIG_RESOLVER_H

#include "config/config.h"
#include "net/dns.h"

/* Fills *out; memory from `a`. ERR_LIMIT. */
must_use enum error resolver_options(const struct config *c, struct arena *a,
                                     struct dns_options *out);
/* The authorities of tls.ca as PEM, into `out`. An error is logged with what to do. */
must_use enum error resolver_authorities(const struct config *c, struct buf *out);

#endif
