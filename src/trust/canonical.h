/* Relaxed canonicalisation (RFC 6376 section 3.4) straight into a hash: nothing of the message is
 * copied but small pieces on their way. */
#ifndef DEPESCHE_TRUST_CANONICAL_H
#define DEPESCHE_TRUST_CANONICAL_H

#include "base/slice.h"
#include <openssl/evp.h>

enum { CANONICAL_HASH = 32, CANONICAL_ROOM = 1024 };

/* A SHA-256 that gathers small pieces: the library's call costs more than copying them. */
struct canonical {
    EVP_MD_CTX *md; /* NULL after a failure, which canonical_end() tells */
    size_t n;
    uint8_t room[CANONICAL_ROOM];
};

/* Both must be ended by canonical_end(). */
void canonical_begin(struct canonical *c);
/* Goes on from where `from` stands; `from` stays usable. */
void canonical_fork(struct canonical *c, struct canonical *from);
/* A header field with its line end (3.4.2). No CRLF is added: the last field of a signature has
 * none. */
void canonical_field(struct canonical *c, struct slice field);
void canonical_crlf(struct canonical *c);
/* The whole body (3.4.4). CRLF ends a line; a CR or LF alone is a byte like others. */
void canonical_body(struct canonical *c, struct slice body);
/* Gives the hash and frees. ERR_IO: the library failed. */
must_use enum error canonical_end(struct canonical *c, uint8_t out[CANONICAL_HASH]);

#endif
