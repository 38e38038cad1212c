/* Content-Transfer-Encoding (RFC 2045 6): decoding as a stream, so that a body never has to be in
 * memory twice, and encoding of what this program composes. Decoding never refuses: bytes that do
 * not belong are skipped or kept as they are. */
#ifndef DEPESCHE_MESSAGE_TRANSFER_H
#define DEPESCHE_MESSAGE_TRANSFER_H

#include "base/buf.h"

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QP, MIME_BASE64, MIME_OTHER };

/* The encoding of that name (any case); MIME_OTHER for an unknown one. */
enum mime_encoding transfer_encoding(struct slice name);

struct transfer {
    enum mime_encoding encoding;
    uint32_t bits; /* base64: bits not yet written */
    uint8_t bit_count;
    bool ended;     /* base64: padding was seen */
    uint8_t held_n; /* quoted-printable: "=" or "=X" at the end of the last piece */
    uint8_t held[2];
    bool held_cr;
    uint8_t blanks_n; /* quoted-printable: blanks that vanish if the line ends here */
    uint8_t blanks[80];
};

void transfer_init(struct transfer *t, enum mime_encoding encoding);
/* Decodes the next piece of a body; pieces may be cut anywhere. Appends to out. */
void transfer_feed(struct transfer *t, struct slice in, struct buf *out);
/* What is left at the end of the body. */
void transfer_end(struct transfer *t, struct buf *out);

/* Base64 in lines of 76 characters, each with CRLF (RFC 2045 6.8). */
void transfer_encode_base64(struct slice in, struct buf *out);
/* Quoted-printable for text whose lines end with CRLF (RFC 2045 6.7); lines of at most 76. */
void transfer_encode_qp(struct slice in, struct buf *out);

#endif
