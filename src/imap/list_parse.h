/* LIST and LSUB as asked. */
#ifndef DEPESCHE_IMAP_LIST_PARSE_H
#define DEPESCHE_IMAP_LIST_PARSE_H

#include "imap/session.h"

struct list_args {
    /* Selection options (RFC 5258, RFC 6154). */
    bool subscribed, special_use, recursive;
    /* Return options. */
    bool return_subscribed;
    unsigned status_items; /* 0: no STATUS */
    bool lsub;
    struct slice reference;
    struct slice pattern[LIMIT_IMAP_LIST_PATTERNS];
    size_t n;
};

must_use enum error list_parse(struct imap_lexer *l, void **out);
must_use enum error lsub_parse(struct imap_lexer *l, void **out);

#endif
