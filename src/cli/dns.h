/* What the commands about our own DNS and TLS keys share. */
#ifndef DEPESCHE_CLI_DNS_H
#define DEPESCHE_CLI_DNS_H

#include "cli/command.h"
#include "publish/publish.h"

/* Each says on standard error what is wrong. */

/* A resolver as the configuration says; dns_free(). Nothing may fork after it. */
must_use bool dns_resolver(struct call *c, struct dns **out);
/* The configuration, and the certificates and next keys that it names; as whoever may read them.
 * Memory from the call's arena. */
must_use bool dns_identities(struct call *c, struct publish_identity **out, size_t *n);

/* `depesche key roll` without --dkim: the server's TLS keys. */
int key_roll_tls(struct call *c);

#endif
