/* UID FETCH ... (CHANGEDSINCE n VANISHED): what is gone since then (RFC 7162 3.2.6). */
#include "imap/fetch.h"

#include "imap/respond.h"

/* The uids that the set names, whether there are such messages or not; up to the last uid given. */
static enum error asked_uids(struct imap_session *s, const struct imap_set *set,
                             struct uid_range **out, size_t *n)
{
    struct snapshot_info info = snapshot_info(s->snapshot);
    uint32_t last = info.uid_next > 1 ? info.uid_next - 1 : 1;
    size_t count = set->saved ? s->n_saved : set->n;
    struct uid_range *r = arena_array(&s->arena, count + 1, sizeof *r);
    if (!r)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++) {
        r[i] = set->saved ? s->saved[i] : set->range[i];
        if (!r[i].first)
            r[i].first = last;
        if (!r[i].last)
            r[i].last = last;
    }
    *out = r;
    *n = ranges_normalise(r, count);
    return OK;
}

enum error fetch_write_vanished(struct imap_session *s, const struct imap_set *set, uint64_t since)
{
    struct uid_range *asked = NULL, *gone = NULL;
    size_t n_asked = 0, n_gone = 0;
    autoranges all = {0};
    enum error e = asked_uids(s, set, &asked, &n_asked);
    if (e != OK)
        return e;
    e = store_vanished(s->service->store, s->account, s->mailbox, since, &s->arena, &gone, &n_gone);
    if (e == ERR_AGAIN) {
        imap_missing_uids(s, 0, &all);
        gone = all.range;
        n_gone = all.n;
    } else if (e != OK) {
        return e;
    }
    size_t n = 0;
    struct uid_range *told = ranges_intersect(&s->arena, asked, n_asked, gone, n_gone, &n);
    if (s->arena.failed)
        return ERR_LIMIT;
    if (n) {
        imap_lit(s, "* VANISHED (EARLIER) ");
        imap_ranges(s, told, n);
        imap_lit(s, "\r\n");
    }
    return OK;
}
