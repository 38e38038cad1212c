/* Certificates and keys on their way from the files, which only the supervisor can open, to the
 * roles: as bytes in memory. */
#ifndef DEPESCHE_DAEMON_IDENTITY_H
#define DEPESCHE_DAEMON_IDENTITY_H

#include "config/config.h"
#include "net/tls.h"

struct identities {
    struct tls_identity item[LIMIT_IDENTITIES];
    size_t n;
    struct arena arena; /* holds the bytes and names */
};

/* Reads the files that tls.certificate names and checks that TLS can use them. On an error `why`
 * says in one line which file and what is wrong. */
must_use enum error identities_load(const struct config *c, struct identities **out,
                                    char why[CONFIG_WHY]);
/* Wipes the keys. */
void identities_free(struct identities *ids);

/* As one block for a memfd, and back; the unpacked object points into `bytes`. */
void identities_pack(const struct identities *ids, struct buf *out);
must_use enum error identities_unpack(struct slice bytes, struct identities **out);

#endif
