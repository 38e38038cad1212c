/* What a view is made of; for the files that make and read it. */
#ifndef DEPESCHE_STORE_VIEW_PRIVATE_H
#define DEPESCHE_STORE_VIEW_PRIVATE_H

#include "store/internal.h"
#include "store/view.h"

struct view_box {
    uint32_t mailbox, num;
    uint32_t first, n; /* its part of by_box and by_uid */
    bool aside;        /* Trash or Junk */
    struct snapshot *snap;
};

/* Positions in the array of messages, four times in other orders. It changes when messages come or
 * go; views that differ in flags only share it. */
struct view_order {
    atomic_uint refs;
    uint32_t *by_box;    /* mailbox (id), then as in the array */
    uint32_t *by_uid;    /* mailbox (id), then uid: that of message number k is at first + k - 1 */
    uint32_t *by_email;  /* email, then as in the array */
    uint32_t *by_thread; /* thread, then against the order of the array */
    uint32_t at[];
};

struct view {
    atomic_uint refs;
    uint64_t account;
    struct view_state state;
    size_t n, n_boxes;
    struct view_message *m;
    struct view_order *order;
    _Atomic(struct view_counts *) counts; /* by box; NULL: not counted yet */
    struct view_box box[];                /* by mailbox id */
};

/* view_build.c: what `v` (its boxes with their snapshots, and nothing else) shows, made of `old`
 * (NULL: of nothing). `spent`: nobody else has `old`, nor will look at it after this went well.
 * ERR_AGAIN: a message was purged before it was read. */
must_use enum error view_build(struct shard *sh, struct view *old, bool spent, struct view *v);
void view_order_unref(struct view_order *o);

/* view_count.c: adds (by 1) or takes away (by -1) what the thread of the message at `position`
 * counts. */
struct view_tally;
struct view_tally *view_tally_new(const struct view *v, struct view_counts *counts);
void view_tally_thread(struct view_tally *t, uint64_t thread, int by);
void view_tally_free(struct view_tally *t);

const struct view_box *view_box_of(const struct view *v, uint32_t mailbox);

#endif
