/* What the files of the DNS client share; see dns.h. */
#ifndef DEPESCHE_NET_DNS_PRIVATE_H
#define DEPESCHE_NET_DNS_PRIVATE_H

#include "net/dns.h"

struct ub_ctx;

/* A context of libunbound with all options set and all files read; ub_ctx_delete() it.
 * ERR_INPUT, ERR_NOTFOUND, ERR_IO: logged. */
must_use enum error dns_context_new(const struct dns_options *o, struct ub_ctx **out);

/* Text of a name that may be asked for or compared: labels of letters, digits, '-' and '_', with or
 * without the last dot, to lower case without it. `out` has LIMIT_DNS_NAME + 1 bytes and is
 * NUL-terminated. ERR_INPUT: no such name (the root is none). */
must_use enum error dns_name_text(struct slice name, char *out);

#endif
