/* Modified UTF-7, the mailbox names of IMAP4rev1 (RFC 3501 section 5.1.3). */
#ifndef DEPESCHE_BASE_MUTF7_H
#define DEPESCHE_BASE_MUTF7_H

#include "base/buf.h"

/* ERR_INPUT for what is not the one canonical encoding (superfluous shifts, 8-bit bytes, broken
 * base64 or surrogates). */
must_use enum error mutf7_decode(struct slice in, struct buf *out);
/* `in` must be UTF-8: ERR_INPUT otherwise. */
must_use enum error mutf7_encode(struct slice in, struct buf *out);

#endif
