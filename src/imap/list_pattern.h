/* Patterns of LIST: '*' stands for anything, '%' for anything without '/'. A pattern becomes bit
 * sets over its positions, and a name is matched by running through it once (the shift-and
 * algorithm): no backtracking, whatever the pattern. */
#ifndef DEPESCHE_IMAP_LIST_PATTERN_H
#define DEPESCHE_IMAP_LIST_PATTERN_H

#include "base/arena.h"

struct list_pattern {
    size_t n;          /* positions: characters, runs of wildcards count as one */
    size_t words;      /* of each bit set */
    uint64_t *letters; /* 256 sets: where this byte may stand */
    uint64_t *stars, *percents;
};

/* Made in `a`. ERR_LIMIT when the pattern is longer than LIMIT_MAILBOX_NAME, or at the cap. */
must_use enum error list_pattern_make(struct arena *a, struct slice text, struct list_pattern *out);
/* Does the whole name match? Bit k of *ancestors (may be NULL): the part before the k-th '/'
 * (k from 0, at most 63) does. */
bool list_pattern_match(const struct list_pattern *p, struct slice name, uint64_t *ancestors);

#endif
