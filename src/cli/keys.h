/* Making keys: what `domain add`, `demo`, `setup` and `key` share. */
#ifndef DEPESCHE_CLI_KEYS_H
#define DEPESCHE_CLI_KEYS_H

#include "directory/directory.h"

/* Makes an RSA and an Ed25519 key for DKIM, with selectors of the day ("d20261122r",
 * "d20261122e"; "d20261122-2r" for the day's second pair). As directory_dkim_add(). */
must_use enum error keys_make_dkim(struct directory *d, struct slice domain, enum dkim_state state);
/* As keys_make_dkim(), active, for a domain that has no keys at all; else nothing. */
must_use enum error keys_ensure_dkim(struct directory *d, struct slice domain);
/* Can the private key be used, and is it that of the record? ERR_INPUT when not. */
must_use enum error keys_examine_dkim(struct directory *d, const struct directory_dkim *key);

#endif
