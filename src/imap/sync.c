/* Telling what changed; see sync.h. */
#include "imap/sync.h"
#include "base/mem.h"
#include "imap/respond.h"

/* uids gone, gathered from the highest down, merged where they touch. */
struct gone {
    struct uid_range *range;
    size_t n, cap;
    bool any;
};

static void note_gone(void *arg, uint32_t seq, uint32_t uid)
{
    struct gone *g = arg;
    g->any = true;
}

static void gather_gone(void *arg, uint32_t seq, uint32_t uid)
{
    struct gone *g = arg;
    if (g->n && g->range[g->n - 1].first == uid + 1) {
        g->range[g->n - 1].first = uid;
        return;
    }
    if (g->n == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 16;
        g->range = mem_resize(g->range, g->cap, sizeof *g->range);
    }
    g->range[g->n++] = (struct uid_range){uid, uid};
}

static void write_expunge(void *arg, uint32_t seq, uint32_t uid)
{
    struct imap_session *s = arg;
    imap_lit(s, "* ");
    imap_dec(s, seq);
    imap_lit(s, " EXPUNGE\r\n");
}

static void write_changed(void *arg, uint32_t seq, const struct snapshot_entry *e,
                          uint64_t old_flags)
{
    struct imap_session *s = arg;
    /* Without CONDSTORE a modseq that grew with the same flags is nobody's business. */
    if (e->flags == old_flags && !imap_has(s, IMAP_CONDSTORE))
        return;
    if (!ranges_have(s->told, s->n_told, e->uid))
        imap_fetch_flags(s, seq, e);
}

static void write_added(void *arg, uint32_t first_seq, uint32_t count)
{
    struct imap_session *s = arg;
    imap_untagged(s, "%u EXISTS", (unsigned)(first_seq + count - 1));
    if (!imap_has(s, IMAP_REV2))
        imap_lit(s, "* 0 RECENT\r\n");
}

static bool messages_gone(const struct snapshot *before, const struct snapshot *after)
{
    struct gone g = {0};
    snapshot_compare(before, after, &(struct snapshot_diff){.gone = note_gone, .arg = &g});
    return g.any;
}

static void write_vanished(struct imap_session *s, const struct snapshot *after)
{
    struct gone g = {0};
    snapshot_compare(s->snapshot, after, &(struct snapshot_diff){.gone = gather_gone, .arg = &g});
    if (g.n) {
        imap_lit(s, "* VANISHED ");
        imap_ranges(s, g.range, ranges_normalise(g.range, g.n));
        imap_lit(s, "\r\n");
    }
    mem_free(g.range);
}

static void mailbox_is_gone(struct imap_session *s)
{
    imap_lit(s, "* BYE The selected mailbox is gone\r\n");
    s->closing = true;
    imap_unselect(s);
}

static void hold(struct imap_session *s, struct snapshot *newest)
{
    if (s->fresh)
        snapshot_unref(s->fresh);
    s->fresh = newest;
}

void imap_sync(struct imap_session *s, enum imap_sync how)
{
    if (!s->snapshot)
        return;
    struct snapshot *newest;
    enum error e = store_snapshot(s->service->store, s->account, s->mailbox, &newest);
    if (e == ERR_NOTFOUND) {
        mailbox_is_gone(s);
        return;
    }
    if (e != OK)
        return;
    if (newest == s->snapshot) {
        snapshot_unref(newest);
        hold(s, NULL);
        return;
    }
    if (snapshot_info(newest).uid_validity != s->uid_validity) {
        snapshot_unref(newest);
        mailbox_is_gone(s);
        return;
    }
    if (how == IMAP_SYNC_HOLD_EXPUNGE && messages_gone(s->snapshot, newest)) {
        hold(s, newest);
        return;
    }
    imap_tell_keywords(s);
    if (imap_has(s, IMAP_QRESYNC))
        write_vanished(s, newest);
    else
        snapshot_compare(s->snapshot, newest,
                         &(struct snapshot_diff){.gone = write_expunge, .arg = s});
    snapshot_compare(
        s->snapshot, newest,
        &(struct snapshot_diff){.changed = write_changed, .added = write_added, .arg = s});
    hold(s, NULL);
    snapshot_unref(s->snapshot);
    s->snapshot = newest;
}
