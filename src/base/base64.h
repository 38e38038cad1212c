/* Base64 (RFC 4648). */
#ifndef DEPESCHE_BASE_BASE64_H
#define DEPESCHE_BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct slice in, struct buf *out);
/* Strict: no blanks, right padding, ERR_INPUT otherwise. For protocol tokens (SASL). */
must_use enum error base64_decode(struct slice in, struct buf *out);
/* As mail needs it: skips bytes outside the alphabet, ends at padding, keeps what can be decoded.
 * Never fails but by out's limit. */
void base64_decode_lenient(struct slice in, struct buf *out);

#endif
