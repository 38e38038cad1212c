/* FETCH: what was asked for, and the pieces that answer it. */
#ifndef DEPESCHE_IMAP_FETCH_H
#define DEPESCHE_IMAP_FETCH_H

#include "imap/section.h"
#include "imap/selection.h"

enum fetch_what {
    FETCH_UID,
    FETCH_FLAGS,
    FETCH_INTERNALDATE,
    FETCH_SIZE,
    FETCH_ENVELOPE,
    FETCH_BODYSTRUCTURE,
    FETCH_BODY, /* the structure without extension data */
    FETCH_MODSEQ,
    FETCH_EMAIL_ID,
    FETCH_THREAD_ID,
    FETCH_SAVEDATE,
    FETCH_SECTION,
    FETCH_BINARY,
    FETCH_BINARY_SIZE,
};

struct fetch_item {
    enum fetch_what what;
    struct section section;
    struct partial partial;
    struct slice label; /* of a section, as the response names it: "BODY[TEXT]<0>" */
};

struct fetch_args {
    struct imap_set set;
    struct fetch_item *items;
    size_t n_items;
    unsigned fields; /* of the index row: set of enum store_field */
    bool body;       /* the message must be opened */
    bool tree;       /* ... and its MIME structure parsed */
    bool sets_seen;
    bool has_flags, has_modseq, has_uid;
    bool changed_since, vanished;
    uint64_t since; /* of changed_since */
};

/* fetch_parse.c: a struct imap_command's `parse`. */
enum error fetch_parse(struct imap_lexer *l, void **args);

/* A message opened for its sections. */
struct fetch_body {
    struct slice raw;
    const struct mime_tree *tree;
};

/* fetch_body.c: writes one FETCH_SECTION, FETCH_BINARY or FETCH_BINARY_SIZE item with its label.
 * ERR_INPUT: the transfer encoding is unknown (NIL was written, 0 for a size);
 * ERR_LIMIT: it did not fit (NIL). */
must_use enum error fetch_write_section(struct imap_session *s, const struct fetch_item *item,
                                        const struct fetch_body *b, struct buf *made);

/* fetch_vanished.c: "* VANISHED (EARLIER) ..." for uids of the set that were expunged after modseq
 * `since` (RFC 7162 3.2.6). */
must_use enum error fetch_write_vanished(struct imap_session *s, const struct imap_set *set,
                                         uint64_t since);

#endif
