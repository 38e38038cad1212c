/* Header fields (RFC 5322): iterated over raw bytes, unfolded and decoded only when asked. */
#ifndef DEPESCHE_MESSAGE_HEADER_H
#define DEPESCHE_MESSAGE_HEADER_H

#include "base/arena.h"
#include "base/buf.h"

struct header_field {
    struct slice raw;   /* the whole field with folds and its line end */
    struct slice name;  /* without colon and blanks */
    struct slice value; /* after the colon, folds and outer blanks still inside */
};

/* Takes one field off *rest; false at the empty line or the end. A line that is no field is
 * skipped, as Dovecot does. */
bool header_next(struct slice *rest, struct header_field *out);
/* First field with that name (any case) at or after the start of `header`. */
bool header_find(struct slice header, struct slice name, struct header_field *out);
/* Number of fields with that name; counting ends at `max`. */
size_t header_count(struct slice header, struct slice name, size_t max);
/* Where the header of a message ends: the length with its empty line (the whole when there is
 * none). */
size_t header_length(struct slice message);

/* The value as IMAP shows it: without the blanks after the colon (a first line of blanks alone
 * keeps all but one, as in Dovecot); folds and what else there is stay. Never absent. */
struct slice header_raw(struct slice value);
/* The value with folds undone (CRLF before WSP removed) and outer blanks trimmed. Returns a
 * sub-slice when there is nothing to undo. */
struct slice header_unfold(struct arena *a, struct slice value);
/* Unfolded, encoded words (RFC 2047) decoded, always valid UTF-8. Reads LIMIT_HEADER_SIZE bytes. */
struct slice header_text(struct arena *a, struct slice value);
/* Without comments and outer blanks: for Message-ID, MIME-Version and the like. */
struct slice header_token(struct arena *a, struct slice value);

/* Decodes encoded words in already unfolded text into UTF-8; 8-bit bytes that are not UTF-8 are
 * taken as Windows-1252. */
void header_decode_words(struct slice in, struct buf *out);
/* Writes text as an unstructured header value: ASCII as it is, else RFC 2047 encoded words in
 * UTF-8, folded at 76 columns. `column` is where the value starts. */
void header_encode_words(struct slice utf8, size_t column, struct buf *out);

/* The base subject for threading and sorting (RFC 5256 2.1), UTF-8, search form. */
struct slice header_base_subject(struct arena *a, struct slice subject_utf8, bool *is_reply);

#endif
