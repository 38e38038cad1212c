/* Writing messages: header fields and the heads and contents of MIME parts, appended to a buffer.
 * What is written is 7-bit, with lines within 998 bytes, and no byte of a value can end its field
 * or line: control characters become blanks. Every field has its CRLF. */
#ifndef DEPESCHE_MESSAGE_WRITE_H
#define DEPESCHE_MESSAGE_WRITE_H

#include "base/buf.h"

/* An unstructured field: Subject, Comments. */
void write_text_field(struct slice name, struct slice utf8, struct buf *out);
/* A field whose value is in the form of the message already: folded only where it must be. Bytes
 * beyond ASCII stay as they are. */
void write_raw_field(struct slice name, struct slice value, struct buf *out);
void write_date_field(struct slice name, int64_t seconds, int16_t zone, struct buf *out);

struct write_address {
    struct slice name;  /* UTF-8, may be empty; of a group start: its name */
    struct slice email; /* p NULL: a group starts (name is not empty), or ends */
};
/* An address field (RFC 5322 3.4). Nothing is written when there is no address. */
void write_address_field(struct slice name, const struct write_address *a, size_t n,
                         struct buf *out);
/* Message ids, without their < >. */
void write_ids_field(struct slice name, const struct slice *ids, size_t n, struct buf *out);
/* A parameter of a MIME field: ";\r\n\tname=value", quoted or in the form of RFC 2231. */
void write_parameter(const char *name, struct slice utf8, struct buf *out);

/* May this stand as it is: a field's name; an id without < >; an address in < >; a token of MIME
 * (type, subtype)? */
bool write_good_name(struct slice s);
bool write_good_id(struct slice s);
bool write_good_email(struct slice s);
bool write_good_token(struct slice s);

/* Text as a part's body, its lines ended by CRLF whatever they end with, and in front of it the
 * field Content-Transfer-Encoding and the empty line: 7bit where that will do, else
 * quoted-printable, or base64 where it is shorter. */
void write_text_body(struct slice utf8, struct buf *out);
/* Any bytes, likewise, as base64. */
void write_bytes_body(struct slice bytes, struct buf *out);

/* Text whose lines end with CRLF, whatever they ended with. */
void write_crlf(struct slice s, struct buf *out);
/* A message as another's content (message/rfc822), which no encoding may hide: its lines ended by
 * CRLF, as 7bit or 8bit. */
void write_message_body(struct slice raw, struct buf *out);

/* A boundary that occurs in no part: it is random, and has characters that base64 and
 * quoted-printable never write in this order. */
#define WRITE_BOUNDARY 40
void write_boundary(char out[WRITE_BOUNDARY]);

#endif
