/* The messages that a command is about; see selection.h. */
#include "imap/selection.h"

#include "imap/respond.h"

bool selection_of(struct imap_session *s, const struct imap_set *set, struct selection *out)
{
    struct uid_range *range = NULL;
    size_t n = 0;
    enum error e = imap_resolve(s, set, s->uid, &range, &n);
    if (e == ERR_INPUT) {
        imap_bad(s, "There is no message with that number");
        return false;
    }
    if (e != OK) {
        imap_error(s, e);
        return false;
    }
    *out = (struct selection){range, n};
    return true;
}

struct walk walk_begin(const struct imap_session *s, const struct selection *selection)
{
    return (struct walk){
        .session = s,
        .selection = selection,
        .count = s->snapshot ? snapshot_info(s->snapshot).count : 0,
    };
}

bool walk_next(struct walk *w)
{
    const struct selection *sel = w->selection;
    const struct snapshot *snapshot = w->session->snapshot;
    while (w->range < sel->n) {
        const struct uid_range *r = &sel->range[w->range];
        w->seq = w->inside ? w->seq + 1 : snapshot_lower_bound(snapshot, r->first);
        if (w->seq <= w->count && snapshot_at(snapshot, w->seq)->uid <= r->last) {
            w->inside = true;
            w->entry = imap_entry(w->session, w->seq);
            return true;
        }
        w->inside = false;
        w->range++;
    }
    return false;
}

void pick(struct picked *p, uint32_t seq, uint32_t uid)
{
    if (p->uids.n && p->last_seq + 1 == seq)
        p->uids.range[p->uids.n - 1].last = uid;
    else
        range_list_append(&p->uids, uid, uid);
    p->last_seq = seq;
    p->count++;
}

void picked_free(struct picked *p)
{
    range_list_free(&p->uids);
    p->count = 0;
}

bool imap_is_gone(const struct imap_session *s, uint32_t uid)
{
    return s->fresh && !snapshot_uid(s->fresh, uid, NULL);
}

void imap_set_told(struct imap_session *s, const struct picked *p)
{
    struct slice copy =
        arena_dup(&s->arena, slice_of(p->uids.range, p->uids.n * sizeof *p->uids.range));
    if (s->arena.failed || !p->uids.n)
        return;
    s->told = (const struct uid_range *)(const void *)copy.p;
    s->n_told = p->uids.n;
}
