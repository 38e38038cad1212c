/* What the commands about our own DNS and TLS keys share. */
#ifndef DEPESCHE_CLI_DNS_H
#define DEPESCHE_CLI_DNS_H

#include "cli/look.h"
#include "publish/publish.h"

/* Says on standard error what is wrong. The configuration, and the certificates and next keys that
 * it names; as whoever may read them. Memory from the call's arena. */
must_use bool dns_identities(struct call *c, struct publish_identity **out, size_t *n);

/* Asks the child that looks; memory from `a`. Errors of publish_ask() and look_ask(). */
must_use enum error dns_ask(struct look *l, const struct publish_input *in,
                            enum publish_question what, struct arena *a,
                            struct publish_finding **out, size_t *n);
/* As publish_visible(), asked of it; now. */
must_use enum error dns_visible(struct look *l, const struct config *c, const char *hash,
                                struct publish_visible *out);

/* `depesche key roll` without --dkim: the server's TLS keys. */
int key_roll_tls(struct call *c);

#endif
