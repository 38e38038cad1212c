/* Apple's configuration profiles: what Mail on iPhone, iPad and Mac sets itself up from. */
#ifndef DEPESCHE_WEB_APPLE_PROFILE_H
#define DEPESCHE_WEB_APPLE_PROFILE_H

#include "web/web.h"

/* The profile as a property list. `address` may be empty: the device asks for it then. The same
 * input gives the same identifiers, so that a second installation replaces the first. */
void apple_profile(const struct config *c, struct slice address, struct buf *out);
/* Signed (CMS, RFC 5652, enveloping, DER) with the first certificate of the chain. ERR_INPUT: chain
 * or key cannot be used. */
must_use enum error apple_sign(struct slice profile, struct slice chain_pem, struct slice key_pem,
                               struct buf *out);

#endif
