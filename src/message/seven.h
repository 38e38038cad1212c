/* Making a message seven-bit before it is signed (RFC 6376 5.3): whoever passes it on then has no
 * reason to convert it, which would break the signature (RFC 6152 3). */
#ifndef DEPESCHE_MESSAGE_SEVEN_H
#define DEPESCHE_MESSAGE_SEVEN_H

#include "base/arena.h"
#include "base/buf.h"

/* Is every byte below 128 and every line at most LIMIT_LINE_TEXT (RFC 5322 2.1.1)? */
bool seven_is(struct slice raw);
/* Appends the message (CRLF lines) with its bodies of 8 bits or too long lines as quoted-printable
 * or base64. What may not be changed stays as it is: headers, what multipart/signed and multipart/
 * encrypted hold, message/ types but message/rfc822, whose inner parts are converted; and the whole
 * of a message that carries a DKIM-Signature already. ERR_LIMIT: the arena or out is full. */
must_use enum error seven_write(struct arena *a, struct slice raw, struct buf *out);

#endif
