/* The window of a /query (RFC 8620 5.5): position, anchor, limit. */
#ifndef DEPESCHE_JMAP_WINDOW_H
#define DEPESCHE_JMAP_WINDOW_H

#include "jmap/method.h"

struct jmap_window {
    int64_t position, anchor_offset;
    struct slice anchor; /* creation ids resolved; p is NULL: none */
    uint64_t limit;      /* as asked, at most LIMIT_JMAP_QUERY */
    bool limited;        /* not as asked */
    bool total;          /* calculateTotal */
};
/* False: the call has failed. */
bool jmap_window_read(struct jmap_call *c, struct jmap_window *w);
/* Which of `n` results to give: *count from *from on. `anchor_at`: where the anchor is among them,
 * SIZE_MAX when it is not. False: anchorNotFound. */
bool jmap_window_cut(struct jmap_call *c, const struct jmap_window *w, size_t n, size_t anchor_at,
                     size_t *from, size_t *count);
/* Begins the answer: accountId, queryState, canCalculateChanges, position, total and limit. */
void jmap_window_answer(struct jmap_call *c, const struct jmap_window *w, struct slice state,
                        bool can_calculate, size_t from, size_t total);

#endif
