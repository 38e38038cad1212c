/* DKIM (RFC 6376, RFC 8463): signing what leaves. Each message gets two signatures, RSA-2048 and
 * Ed25519, both relaxed/relaxed over SHA-256, whole body. Signed are the fields that tell a reader
 * what the message is; From, To, Cc, Subject, Date, Message-ID, Reply-To, the threading and the
 * MIME fields are signed once more often than they are there, so that none can be added
 * (oversigning). Sender, List-* and Resent-*, which mailing lists add, are signed only as they are.
 */
#ifndef DEPESCHE_TRUST_DKIM_H
#define DEPESCHE_TRUST_DKIM_H

#include "base/arena.h"
#include "base/buf.h"

enum dkim_algorithm { DKIM_RSA, DKIM_ED25519 };

struct dkim_key; /* a private key ready for use; many threads may sign with it at once */

/* Makes a key: PEM (PKCS #8) into `pem`, to be wiped by the caller. RSA: 2048 bits. */
must_use enum error dkim_key_make(enum dkim_algorithm algorithm, struct buf *pem);
/* ERR_INPUT: not such a key (RSA: of LIMIT_DKIM_RSA_BITS to _MOST). Free with dkim_key_free(). */
must_use enum error dkim_key_read(enum dkim_algorithm algorithm, struct slice pem,
                                  struct dkim_key **out);
void dkim_key_free(struct dkim_key *k);
/* The TXT record's text: "v=DKIM1; k=rsa; h=sha256; p=...". */
must_use enum error dkim_key_record(const struct dkim_key *k, struct buf *out);

struct dkim_signature {
    const struct dkim_key *key;
    struct slice selector;
};
/* Appends one DKIM-Signature field for each of the n keys to `out`, in lines of at most 78
 * characters where domain and selector allow it, CRLF. `raw`: the message with CRLF lines. domain:
 * d=, in A-labels. at: t= (wall seconds). The body is hashed once. All signatures or none:
 * ERR_INPUT for a domain or selector that is no name, ERR_LIMIT when `out` has no room, ERR_IO when
 * the library fails. Never fails on odd messages: what is no field is not signed; of more than
 * LIMIT_DKIM_SAME fields of one name the last ones are. */
must_use enum error dkim_sign(const struct dkim_signature *s, size_t n, struct slice domain,
                              struct slice raw, int64_t at, struct buf *out);

/* The domain of the only address in the only From field, lower case A-labels, in `a`; empty when
 * there is no such thing. */
struct slice dkim_from_domain(struct slice raw, struct arena *a);

#endif
