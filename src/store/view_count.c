/* Counting a view's mailboxes as RFC 8621 2 has it. A thread is counted at a time, so that a thread
 * whose flags change can be taken out of the counts and put in again. */
#include "store/view_private.h"

struct mark {
    uint64_t email; /* counted last */
    uint32_t turn;  /* the thread that was counted last with this mailbox */
    bool unread;    /* of this thread, in this mailbox */
};

struct view_tally {
    const struct view *v;
    struct view_counts *counts;
    struct mark *mark; /* by box */
    uint16_t *seen;    /* the boxes of this thread */
    size_t n_seen;
    uint32_t turn;
    bool unread; /* this thread has an unread email that is not only in Trash or Junk */
};

struct view_tally *view_tally_new(const struct view *v, struct view_counts *counts)
{
    struct view_tally *t = mem_alloc(sizeof *t);
    t->v = v;
    t->counts = counts;
    t->mark = mem_array(v->n_boxes, sizeof *t->mark);
    t->seen = mem_array(v->n_boxes, sizeof *t->seen);
    return t;
}

void view_tally_free(struct view_tally *t)
{
    if (t == NULL)
        return;
    mem_free(t->mark);
    mem_free(t->seen);
    mem_free(t);
}

static bool visible(const struct view_message *m)
{
    return !(m->flags & FLAG_DELETED);
}

/* The messages of one email, `n` of them. */
static void tally_email(struct view_tally *t, const uint32_t *at, size_t n, uint32_t by)
{
    uint64_t flags = 0;
    bool outside = false;
    for (size_t i = 0; i < n; i++) {
        const struct view_message *m = &t->v->m[at[i]];
        if (!visible(m))
            continue;
        flags |= m->flags;
        outside = outside || !t->v->box[m->box].aside;
    }
    bool unread = !(flags & (FLAG_SEEN | FLAG_DRAFT));
    t->unread = t->unread || (unread && outside);
    for (size_t i = 0; i < n; i++) {
        const struct view_message *m = &t->v->m[at[i]];
        struct mark *mark = &t->mark[m->box];
        if (!visible(m))
            continue;
        if (mark->turn != t->turn) {
            *mark = (struct mark){.turn = t->turn};
            t->seen[t->n_seen++] = m->box;
        } else if (mark->email == m->email) {
            continue; /* twice in one mailbox */
        }
        mark->email = m->email;
        mark->unread = mark->unread || unread;
        t->counts[m->box].emails += by;
        if (unread)
            t->counts[m->box].unread_emails += by;
    }
}

/* The thread's messages, as view_thread() gives them. */
static void tally_run(struct view_tally *t, const uint32_t *at, size_t n, uint32_t by)
{
    t->turn++;
    t->n_seen = 0;
    t->unread = false;
    for (size_t i = 0; i < n;) {
        size_t k = i + 1;
        while (k < n && t->v->m[at[k]].email == t->v->m[at[i]].email)
            k++;
        tally_email(t, at + i, k - i, by);
        i = k;
    }
    for (size_t i = 0; i < t->n_seen; i++) {
        uint16_t box = t->seen[i];
        bool unread = t->v->box[box].aside ? t->mark[box].unread : t->unread;
        t->counts[box].threads += by;
        if (unread)
            t->counts[box].unread_threads += by;
    }
}

void view_tally_thread(struct view_tally *t, uint64_t thread, int by)
{
    size_t n;
    const uint32_t *at = view_thread(t->v, thread, &n);
    tally_run(t, at, n, (uint32_t)by);
}

static struct view_counts *count_all(const struct view *v)
{
    struct view_counts *counts = mem_array(v->n_boxes, sizeof *counts);
    struct view_tally *t = view_tally_new(v, counts);
    const uint32_t *at = v->order->by_thread;
    for (size_t i = 0; i < v->n;) {
        size_t k = i + 1;
        while (k < v->n && v->m[at[k]].thread == v->m[at[i]].thread)
            k++;
        tally_run(t, at + i, k - i, 1);
        i = k;
    }
    view_tally_free(t);
    return counts;
}

struct view_counts view_counts(const struct view *v, uint32_t mailbox)
{
    const struct view_box *box = view_box_of(v, mailbox);
    struct view *held = (struct view *)(uintptr_t)v;
    struct view_counts *counts = atomic_load_explicit(&held->counts, memory_order_acquire);
    if (box == NULL)
        return (struct view_counts){0};
    if (counts == NULL) {
        struct view_counts *mine = count_all(v);
        if (atomic_compare_exchange_strong_explicit(&held->counts, &counts, mine,
                                                    memory_order_acq_rel, memory_order_acquire))
            counts = mine;
        else
            mem_free(mine); /* somebody else was faster */
    }
    return counts[box - v->box];
}
