/* The summary of a message: everything that a listing shows, computed once, at delivery, and kept
 * in the store's index. FETCH (ENVELOPE BODYSTRUCTURE) and JMAP's list properties never open a
 * body. */
#ifndef DEPESCHE_MESSAGE_SUMMARY_H
#define DEPESCHE_MESSAGE_SUMMARY_H

#include "message/mime.h"

struct summary {
    struct slice envelope;       /* "(...)": the IMAP ENVELOPE text, RFC 9051 7.5.2 */
    struct slice body_structure; /* "(...)": the IMAP BODYSTRUCTURE text with extension data */
    struct slice message_id;     /* with < >, first one; empty when none */
    struct slice in_reply_to;    /* first id */
    struct slice references;     /* ids separated by SP, at most the last 100 */
    struct slice base_subject;   /* RFC 5256 */
    struct slice subject,
        from;             /* decoded UTF-8, for lists: subject; first From as name or address */
    struct slice preview; /* start of the first text as UTF-8, at most LIMIT_PREVIEW */
    int64_t sent;         /* Date field, seconds; the given `received` when absent or broken */
    uint32_t header_size; /* bytes of the top header with its empty line */
    uint32_t lines;
    bool has_attachment; /* a part that a person would call an attachment (RFC 8621 4.1.4) */
    bool eight_bit, utf8_header;
};

/* Parses and summarises. Slices live in `a` or point into `raw`. Fails only with ERR_LIMIT at the
 * arena's cap, which LIMIT_SUMMARY_ARENA keeps from happening; over LIMIT_STRUCTURE_TEXT or
 * LIMIT_ENVELOPE_TEXT the text is made of what fits and stays well-formed. */
must_use enum error summary_make(struct arena *a, struct slice raw, int64_t received,
                                 struct summary *out);

/* The writers alone; also for parts (ENVELOPE of an inner message). `extended` false writes IMAP
 * BODY. They stay within LIMIT_ENVELOPE_TEXT and LIMIT_STRUCTURE_TEXT. */
void summary_envelope(struct slice header, struct buf *out);
void summary_structure(struct arena *a, const struct mime_tree *tree, bool extended,
                       struct buf *out);
/* BODY made of BODYSTRUCTURE text by dropping the extension data; ERR_INPUT when it is not such. */
must_use enum error summary_body_of_structure(struct slice body_structure, struct buf *out);

/* An IMAP nstring: NIL, quoted, or a literal where quoting cannot carry it. */
void summary_nstring(struct slice s, struct buf *out);

#endif
