/* What commands share of a session; see session.h. */
#include "imap/session.h"
#include "base/mem.h"
#include "imap/range_list.h"
#include "imap/respond.h"

void imap_use_condstore(struct imap_session *s)
{
    if (imap_has(s, IMAP_CONDSTORE))
        return;
    s->enabled |= IMAP_CONDSTORE;
    if (s->snapshot)
        imap_untagged(s, "OK [HIGHESTMODSEQ %llu] Highest",
                      (unsigned long long)snapshot_info(s->snapshot).modseq);
}

/* --- Sets --- */

/* uids as written to uids that the client may know of. */
static size_t clamp_uids(const struct imap_set *set, uint32_t greatest, struct uid_range *out)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        uint32_t a = set->range[i].first ? set->range[i].first : greatest;
        uint32_t b = set->range[i].last ? set->range[i].last : greatest;
        uint32_t first = a < b ? a : b, last = a < b ? b : a;
        if (first > greatest)
            continue;
        out[n++] = (struct uid_range){first, last < greatest ? last : greatest};
    }
    return n;
}

/* Message numbers; false when one is over `count`. */
static bool clamp_numbers(const struct imap_set *set, uint32_t count, struct uid_range *out,
                          size_t *n_out)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        uint32_t a = set->range[i].first, b = set->range[i].last;
        bool star = a == 0 || b == 0;
        uint32_t greater = a > b ? a : b;
        if (greater > count && !star)
            return false;
        if (count == 0)
            continue;
        a = a == 0 || a > count ? count : a;
        b = b == 0 || b > count ? count : b;
        out[n++] = (struct uid_range){a, b};
    }
    *n_out = n;
    return true;
}

enum error imap_resolve(struct imap_session *s, const struct imap_set *set, bool uid,
                        struct uid_range **out, size_t *n_out)
{
    struct snapshot_info info = snapshot_info(s->snapshot);
    struct imap_set given = *set;
    if (set->saved) {
        given = (struct imap_set){.range = s->saved, .n = s->n_saved};
        uid = true;
    }
    struct uid_range *r = arena_array(&s->arena, given.n, sizeof *r);
    if (!r)
        return ERR_LIMIT;
    size_t n = 0;
    if (uid) {
        if (info.count > 0)
            n = clamp_uids(&given, snapshot_at(s->snapshot, info.count)->uid, r);
        n = ranges_normalise(r, n);
    } else {
        if (!clamp_numbers(&given, info.count, r, &n))
            return ERR_INPUT;
        n = ranges_normalise(r, n);
        for (size_t i = 0; i < n; i++) {
            r[i].first = snapshot_at(s->snapshot, r[i].first)->uid;
            r[i].last = snapshot_at(s->snapshot, r[i].last)->uid;
        }
    }
    *out = r;
    *n_out = n;
    return OK;
}

void imap_missing_uids(const struct imap_session *s, uint32_t after, struct range_list *out)
{
    struct snapshot_info info = snapshot_info(s->snapshot);
    uint32_t next = after + 1, count = 0;
    for (uint32_t seq = snapshot_lower_bound(s->snapshot, next); seq <= info.count; seq += count) {
        const struct snapshot_entry *e = snapshot_run(s->snapshot, seq, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (e[i].uid > next)
                range_list_append(out, next, e[i].uid - 1);
            next = e[i].uid + 1;
        }
    }
    if (next < info.uid_next)
        range_list_append(out, next, info.uid_next - 1);
}

void imap_save_result(struct imap_session *s, const struct uid_range *r, size_t n)
{
    mem_free(s->saved);
    s->saved = NULL;
    s->n_saved = n;
    if (n == 0)
        return;
    s->saved = mem_array(n, sizeof *s->saved);
    memcpy(s->saved, r, n * sizeof *r);
}

/* --- The newest view --- */

const struct snapshot_entry *imap_entry(const struct imap_session *s, uint32_t seq)
{
    const struct snapshot_entry *told = snapshot_at(s->snapshot, seq);
    if (!s->fresh)
        return told;
    const struct snapshot_entry *now = snapshot_uid(s->fresh, told->uid, NULL);
    return now ? now : told;
}

enum error imap_refresh(struct imap_session *s)
{
    struct snapshot *newest;
    enum error e = store_snapshot(s->service->store, s->account, s->mailbox, &newest);
    if (e != OK)
        return e;
    if (snapshot_info(newest).uid_validity != s->uid_validity) {
        snapshot_unref(newest);
        return ERR_NOTFOUND;
    }
    if (s->fresh)
        snapshot_unref(s->fresh);
    s->fresh = newest;
    return OK;
}

/* --- Keywords --- */

const struct keyword_table *imap_keywords(struct imap_session *s)
{
    const struct keyword_table *t;
    if (store_keywords(s->service->store, s->account, &t) != OK)
        return s->keywords;
    if (s->keywords)
        store_keywords_unref(s->keywords);
    s->keywords = t;
    return t;
}

void imap_tell_flags(struct imap_session *s)
{
    const struct keyword_table *t = imap_keywords(s);
    size_t n = t ? t->n : 0;
    s->keywords_told = n;
    imap_lit(s, "* FLAGS (");
    for (unsigned pass = 0; pass < 2; pass++) {
        bool permanent = pass == 1;
        if (permanent)
            imap_lit(s, ")\r\n* OK [PERMANENTFLAGS (");
        if (permanent && s->read_only)
            break;
        imap_lit(s, "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
        for (size_t k = 0; k < n; k++) {
            imap_lit(s, " ");
            imap_write(s, t->name[k]);
        }
        if (permanent && n < LIMIT_KEYWORDS)
            imap_lit(s, " \\*");
    }
    imap_lit(s, ")] Flags that are kept\r\n");
}

void imap_tell_keywords(struct imap_session *s)
{
    const struct keyword_table *t = imap_keywords(s);
    if (t && t->n > s->keywords_told)
        imap_tell_flags(s);
}

/* --- Account --- */

uint64_t imap_quota(struct imap_session *s)
{
    struct account a;
    if (directory_account_get(s->service->directory, s->account, &a) == OK)
        s->quota = a.quota;
    return s->quota;
}

uint64_t imap_message_size(const struct imap_session *s)
{
    return s->service->message_size ? s->service->message_size : LIMIT_MESSAGE_SIZE;
}

void imap_unselect(struct imap_session *s)
{
    if (s->watch)
        store_unwatch(s->watch);
    if (s->snapshot)
        snapshot_unref(s->snapshot);
    if (s->fresh)
        snapshot_unref(s->fresh);
    mem_free(s->saved);
    s->watch = NULL;
    s->snapshot = s->fresh = NULL;
    s->saved = NULL;
    s->n_saved = 0;
    s->mailbox = s->uid_validity = 0;
    s->read_only = false;
    s->keywords_told = 0;
    if (s->state == IMAP_SELECTED)
        s->state = IMAP_AUTHENTICATED;
}
