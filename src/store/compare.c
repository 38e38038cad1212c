/* What changed between two snapshots. Runs of entries that both share are stepped over without
 * looking at them; the rest is one merge by uid. */
#include "store/internal.h"

struct gone {
    uint32_t seq, uid;
};
struct changed {
    uint32_t seq;
    const struct snapshot_entry *e;
    uint64_t old_flags;
};

struct side {
    const struct snapshot *s;
    uint32_t seq; /* of the current entry */
    const struct snapshot_entry *e;
    uint32_t run; /* entries from e on in one piece */
};

struct found {
    struct gone *gone;
    size_t n_gone, cap_gone;
    struct changed *changed;
    size_t n_changed, cap_changed;
};

static void side_at(struct side *x, uint32_t seq)
{
    x->seq = seq;
    x->e = snapshot_run(x->s, seq, &x->run);
}

static void side_step(struct side *x, uint32_t by)
{
    if (by < x->run) {
        x->seq += by;
        x->e += by;
        x->run -= by;
    } else {
        side_at(x, x->seq + by);
    }
}

static void found_gone(struct found *f, const struct side *a)
{
    if (f->n_gone == f->cap_gone) {
        f->cap_gone = f->cap_gone ? f->cap_gone * 2 : 16;
        f->gone = mem_resize(f->gone, f->cap_gone, sizeof f->gone[0]);
    }
    f->gone[f->n_gone++] = (struct gone){a->seq, a->e->uid};
}

static void found_changed(struct found *f, const struct side *a, const struct side *b)
{
    if (f->n_changed == f->cap_changed) {
        f->cap_changed = f->cap_changed ? f->cap_changed * 2 : 16;
        f->changed = mem_resize(f->changed, f->cap_changed, sizeof f->changed[0]);
    }
    f->changed[f->n_changed++] = (struct changed){b->seq, b->e, a->e->flags};
}

static void merge(struct side *a, struct side *b, struct found *f)
{
    while (a->e != NULL && b->e != NULL) {
        if (a->e == b->e) { /* the same memory: both have the whole run */
            uint32_t run = snapshot_shared(a->s, a->seq, b->s, b->seq);
            if (run == 0)
                run = a->run;
            side_step(a, run);
            side_step(b, run);
        } else if (a->e->uid < b->e->uid) {
            found_gone(f, a);
            side_step(a, 1);
        } else if (a->e->uid > b->e->uid) {
            /* Never: new messages have higher uids than all before. Stepped over to end. */
            side_step(b, 1);
        } else {
            if (a->e->flags != b->e->flags || a->e->modseq != b->e->modseq)
                found_changed(f, a, b);
            side_step(a, 1);
            side_step(b, 1);
        }
    }
    while (a->e != NULL) {
        found_gone(f, a);
        side_step(a, 1);
    }
}

void snapshot_compare(const struct snapshot *before, const struct snapshot *after,
                      const struct snapshot_diff *d)
{
    if (before == after)
        return;
    struct side a = {.s = before}, b = {.s = after};
    struct found f = {0};
    side_at(&a, 1);
    side_at(&b, 1);
    merge(&a, &b, &f);
    for (size_t i = f.n_gone; i > 0 && d->gone != NULL; i--)
        d->gone(d->arg, f.gone[i - 1].seq, f.gone[i - 1].uid);
    for (size_t i = 0; i < f.n_changed && d->changed != NULL; i++)
        d->changed(d->arg, f.changed[i].seq, f.changed[i].e, f.changed[i].old_flags);
    uint32_t count = snapshot_info(after).count;
    if (b.e != NULL && d->added != NULL)
        d->added(d->arg, b.seq, count - b.seq + 1);
    mem_free(f.gone);
    mem_free(f.changed);
}
