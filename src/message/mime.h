/* MIME structure (RFC 2045-2049): parsed once, as byte offsets into the raw message. Nothing is
 * copied; slices in the tree point into `raw`. The parser is iterative, linear in the size of the
 * message, and never refuses: what is malformed is taken as well as it can be, as text/plain or as
 * an opaque body, and limits (LIMIT_MIME_DEPTH, LIMIT_MIME_PARTS, LIMIT_HEADER_*) end the descent,
 * not the parse. Where mail in the wild is ambiguous we decide as Dovecot does, because clients are
 * tested against it. */
#ifndef DEPESCHE_MESSAGE_MIME_H
#define DEPESCHE_MESSAGE_MIME_H

#include "base/arena.h"
#include "base/buf.h"
#include "message/transfer.h"

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE /* message/rfc822 or message/global */ };

struct mime_param {
    /* The value unquoted. RFC 2231 continuations are joined already; what then has a charset is
     * still encoded and its name ends with "*", as IMAP shows it. mime_param() decodes. */
    struct slice name, value;
    struct mime_param *next;
};

struct mime_part {
    enum mime_kind kind;
    enum mime_encoding encoding;
    struct slice raw;    /* header and body, without the boundary lines around them */
    struct slice header; /* with the empty line that ends it */
    struct slice body;
    uint32_t header_lines, body_lines;
    struct slice type, subtype; /* as written; "text", "plain" when there is no Content-Type, an
                                   empty subtype when it is broken */
    struct slice encoding_text; /* as written, or "7bit" when absent or broken */
    struct mime_param *params;  /* of Content-Type */
    struct slice disposition;   /* p is NULL when absent */
    struct mime_param *disposition_params;
    struct slice id, description, md5, language, location; /* raw values, unfolded on use; p is NULL
                                                              when the field is absent */
    /* A MIME_MESSAGE has one child, its inner message. A MIME_MULTIPART has at least one: an empty
     * one when the mail has none, as IMAP's syntax demands it. */
    struct mime_part *parent, *child, *next;
    struct mime_part *last; /* the last child */
    uint32_t number;        /* in order of appearance, root 0 */
};

struct mime_tree {
    struct mime_part *root;
    uint32_t count;
    bool cut; /* a limit ended the descent */
};

/* Parses `raw` (CRLF or LF lines). Fails only with ERR_LIMIT when the arena's cap is reached. */
must_use enum error mime_parse(struct arena *a, struct slice raw, struct mime_tree **out);

/* The part that an IMAP section number names ("2.1", RFC 9051 6.4.5), NULL when there is none. The
 * empty path is the root; "1" of a message that is not multipart is its body. */
struct mime_part *mime_find(const struct mime_tree *tree, const uint32_t *path, size_t n);

/* A parameter by name: RFC 2231 continuations and charsets joined and decoded to UTF-8, otherwise
 * encoded words decoded. Empty when absent. */
struct slice mime_param(struct arena *a, const struct mime_param *params, struct slice name);
/* File name from Content-Disposition, else from Content-Type's name; UTF-8; empty when none. */
struct slice mime_file_name(struct arena *a, const struct mime_part *part);

bool mime_is(const struct mime_part *part, const char *type, const char *subtype);

/* Content-Transfer-Encoding undone, appended to out. ERR_INPUT for an unknown encoding (then
 * nothing is written: BINARY answers UNKNOWN-CTE), ERR_LIMIT when out is full. */
must_use enum error mime_decode(const struct mime_part *part, struct buf *out);
/* A text part's content as UTF-8: transfer encoding undone, charset converted, malformed bytes as
 * U+FFFD. text/html stays HTML. */
must_use enum error mime_text(const struct mime_part *part, struct buf *out);

#endif
