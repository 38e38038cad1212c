/* Changing messages that are there: flags, expunge, copy and move.
 *
 * A long change is a row of short jobs. Each looks at its rows first (gathering them, because a
 * table must not change under a scan) and then changes them; it says where the next one goes on. */
#include "base/clock.h"
#include "store/internal.h"

struct row {
    int64_t key;
    uint64_t flags, modseq, body;
    uint32_t size;
};

/* A job over ranges of uids, cut at LIMIT_TXN_ROWS changes or LIMIT_SCAN_ROWS looks. */
struct walk {
    struct job job;
    uint64_t account;
    uint32_t mailbox;
    const struct uid_range *ranges;
    size_t n_ranges;
    size_t at;     /* the range to go on with ... */
    uint32_t from; /* ... and the uid in it; 0: its start */
    bool more;
    struct row *rows;
    size_t n_rows, cap_rows;
};

static void walk_keep(struct walk *w, const struct row *r)
{
    if (w->n_rows == w->cap_rows) {
        w->cap_rows = w->cap_rows ? w->cap_rows * 2 : 16;
        w->rows = mem_resize(w->rows, w->cap_rows, sizeof *w->rows);
    }
    w->rows[w->n_rows++] = *r;
}

/* One range from where the walk stands; false at a limit or an error. */
static bool walk_range(struct shard *sh, const struct box *b, struct walk *w, size_t *looked,
                       bool (*want)(const struct walk *w, const struct row *r))
{
    const struct uid_range *range = &w->ranges[w->at];
    uint32_t from = w->from > range->first ? w->from : range->first;
    int r;
    sqlite3_stmt *st = index_use(&sh->w, ST_MSG_SCAN);
    if (st == NULL) {
        (void)txn_fail(sh, ERR_IO);
        return false;
    }
    bind_i(st, 1, row_key(b->num, from));
    bind_i(st, 2, row_key(b->num, range->last));
    bind_i(st, 3, -1);
    while ((r = txn_row(sh, st)) == 1) {
        struct row row = {col_i(st, 0), col_u(st, 1), col_u(st, 2), col_u(st, 4), col_u32(st, 3)};
        if (w->n_rows == LIMIT_TXN_ROWS || *looked == LIMIT_SCAN_ROWS) {
            w->from = row_uid(row.key);
            w->more = true;
            index_reset(st);
            return false;
        }
        (*looked)++;
        if (want(w, &row))
            walk_keep(w, &row);
    }
    w->from = 0;
    return r == 0;
}

/* Gathers the rows that are wanted, up to the limits. */
static enum error walk_gather(struct shard *sh, const struct box *b, struct walk *w,
                              bool (*want)(const struct walk *w, const struct row *r))
{
    size_t looked = 0;
    w->n_rows = 0;
    w->more = false;
    for (; w->at < w->n_ranges; w->at++)
        if (!walk_range(sh, b, w, &looked, want))
            break;
    return sh->txn_error;
}

/* Runs the job as often as it takes. A transaction that failed leaves `w` where it was before. */
static enum error walk_all(struct store *s, struct walk *w)
{
    enum error e;
    do {
        e = job_do(store_shard(s, w->account), &w->job);
    } while (e == OK && w->more);
    mem_free(w->rows);
    return e;
}

/* --- Flags --- */

struct flags_job {
    struct walk walk;
    enum flag_op op;
    const struct flag_list *given;
    uint64_t flags;
    const uint64_t *unchanged_since;
    struct uid_list modified;
};

static uint64_t flags_after(const struct flags_job *j, uint64_t now)
{
    switch (j->op) {
    case FLAGS_SET:
        return j->flags;
    case FLAGS_ADD:
        return now | j->flags;
    case FLAGS_REMOVE:
        return now & ~j->flags;
    }
    return now;
}

static bool flags_want(const struct walk *w, const struct row *r)
{
    const struct flags_job *j = (const struct flags_job *)w;
    bool late = j->unchanged_since != NULL && r->modseq > *j->unchanged_since;
    return late || flags_after(j, r->flags) != r->flags;
}

static enum error flags_row(struct shard *sh, struct account *a, struct box *b, struct flags_job *j,
                            const struct row *r, uint64_t modseq)
{
    uint64_t after = flags_after(j, r->flags);
    sqlite3_stmt *st = index_use(&sh->w, ST_MSG_FLAGS);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, r->key);
    bind_u(st, 2, after);
    bind_u(st, 3, modseq);
    enum error e = txn_run(sh, st);
    if (e != OK)
        return e;
    box_account(a, b, r->flags, 0, -1);
    box_account(a, b, after, 0, 1);
    work_touch(b, modseq);
    struct snapshot_entry entry = {row_uid(r->key), r->size, after, modseq};
    delta_add(sh, a, b->m.id, false, &entry);
    return OK;
}

static enum error run_flags(struct shard *sh, struct job *job)
{
    struct flags_job *j = (struct flags_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->walk.account, &a);
    if (e != OK)
        return e;
    struct box *b = work_box(a, j->walk.mailbox);
    if (b == NULL)
        return ERR_NOTFOUND;
    bool add = j->op != FLAGS_REMOVE;
    if (add && (e = work_flags_fit(a, j->given)) != OK)
        return e;
    if ((e = work_flags(sh, a, j->given, add, &j->flags)) != OK)
        return e;
    if ((e = walk_gather(sh, b, &j->walk, flags_want)) != OK)
        return e;
    uint64_t modseq = 0;
    for (size_t i = 0; i < j->walk.n_rows && e == OK; i++) {
        const struct row *r = &j->walk.rows[i];
        if (j->unchanged_since != NULL && r->modseq > *j->unchanged_since) {
            uid_list_add(&j->modified, row_uid(r->key));
            continue;
        }
        if (modseq == 0)
            modseq = work_step(a);
        e = flags_row(sh, a, b, j, r, modseq);
    }
    return e;
}

enum error store_flags(struct store *s, uint64_t account, uint32_t mailbox,
                       const struct uid_range *ranges, size_t n, enum flag_op op,
                       const struct flag_list *flags, const uint64_t *unchanged_since,
                       struct arena *a, struct uid_range **modified, size_t *n_modified)
{
    struct flags_job j = {.walk = {.job.run = run_flags,
                                   .account = account,
                                   .mailbox = mailbox,
                                   .ranges = ranges,
                                   .n_ranges = n},
                          .op = op,
                          .given = flags,
                          .unchanged_since = unchanged_since};
    enum error e = walk_all(s, &j.walk);
    if (e == OK && modified != NULL)
        return uid_list_ranges(&j.modified, a, modified, n_modified);
    mem_free(j.modified.v);
    return e;
}

/* --- Expunge --- */

static bool expunge_want(const struct walk *w, const struct row *r)
{
    (void)w;
    return (r->flags & FLAG_DELETED) != 0;
}

/* The message leaves the mailbox. `tomb`: only its uid is remembered, because its body and texts
 * live on elsewhere or nowhere. */
static enum error row_leaves(struct shard *sh, struct account *a, struct box *b,
                             const struct row *r, uint64_t modseq, bool tomb)
{
    sqlite3_stmt *st = index_use(&sh->w, tomb ? ST_EXP_TOMB : ST_EXP_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, r->key);
    bind_i(st, 2, clock_wall());
    bind_u(st, 3, modseq);
    enum error e = txn_run(sh, st);
    if (e != OK)
        return e;
    if ((st = index_use(&sh->w, ST_MSG_DROP)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, r->key);
    if ((e = txn_run(sh, st)) != OK)
        return e;
    box_account(a, b, r->flags, r->size, -1);
    work_touch(b, modseq);
    struct snapshot_entry entry = {.uid = row_uid(r->key)};
    delta_add(sh, a, b->m.id, true, &entry);
    return OK;
}

static enum error drop_meta(struct shard *sh, int64_t key)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_META_DROP);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, key);
    return txn_run(sh, st);
}

static enum error run_expunge(struct shard *sh, struct job *job)
{
    struct walk *w = (struct walk *)job;
    struct account *a;
    enum error e = work_account(sh, w->account, &a);
    if (e != OK)
        return e;
    struct box *b = work_box(a, w->mailbox);
    if (b == NULL)
        return ERR_NOTFOUND;
    w->more = false;
    if (b->m.deleted == 0)
        return OK;
    if ((e = walk_gather(sh, b, w, expunge_want)) != OK || w->n_rows == 0)
        return e;
    bool forget = sh->store->undelete_days < 0;
    uint64_t modseq = work_step(a);
    for (size_t i = 0; i < w->n_rows && e == OK; i++) {
        e = row_leaves(sh, a, b, &w->rows[i], modseq, forget);
        if (e == OK && forget)
            e = drop_meta(sh, w->rows[i].key);
        if (e == OK && forget)
            e = body_count(sh, w->rows[i].body, -1);
    }
    return e;
}

static const struct uid_range all_uids = {1, UINT32_MAX};

enum error store_expunge(struct store *s, uint64_t account, uint32_t mailbox,
                         const struct uid_range *ranges, size_t n)
{
    struct walk w = {.job.run = run_expunge,
                     .account = account,
                     .mailbox = mailbox,
                     .ranges = n > 0 ? ranges : &all_uids,
                     .n_ranges = n > 0 ? n : 1};
    return walk_all(s, &w);
}

/* --- Copy and move --- */

struct copy_job {
    struct walk walk;
    uint32_t to, uid_validity;
    uint32_t limit; /* uids from here on are copies of this very operation */
    bool move;
    uint64_t quota;
    struct uid_list from, made;
};

static bool copy_want(const struct walk *w, const struct row *r)
{
    const struct copy_job *j = (const struct copy_job *)w;
    return row_uid(r->key) < j->limit;
}

static enum error copy_row(struct shard *sh, struct copy_job *j, struct account *a,
                           struct box *from, struct box *to, const struct row *r, uint64_t modseq)
{
    uint32_t uid = to->m.uid_next++;
    int64_t key = row_key(to->num, uid);
    sqlite3_stmt *st = index_use(&sh->w, ST_MSG_COPY);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, r->key);
    bind_i(st, 2, key);
    bind_u(st, 3, modseq);
    bind_i(st, 4, clock_wall());
    enum error e = txn_run(sh, st);
    if (e != OK)
        return e;
    if ((st = index_use(&sh->w, j->move ? ST_META_MOVE : ST_META_COPY)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, r->key);
    bind_i(st, 2, key);
    if ((e = txn_run(sh, st)) != OK)
        return e;
    e = j->move ? row_leaves(sh, a, from, r, modseq, true) : body_count(sh, r->body, 1);
    if (e != OK)
        return e;
    box_account(a, to, r->flags, r->size, 1);
    work_touch(to, modseq);
    struct snapshot_entry entry = {uid, r->size, r->flags, modseq};
    delta_add(sh, a, to->m.id, false, &entry);
    uid_list_add(&j->from, row_uid(r->key));
    uid_list_add(&j->made, uid);
    return OK;
}

static enum error copy_fits(const struct copy_job *j, const struct account *a, const struct box *to)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->walk.n_rows; i++)
        bytes += j->walk.rows[i].size;
    if (!j->move && j->quota > 0 && a->work.bytes + bytes > j->quota)
        return ERR_QUOTA;
    return to->m.uid_next + (uint64_t)j->walk.n_rows > UINT32_MAX ? ERR_LIMIT : OK;
}

static enum error run_copy(struct shard *sh, struct job *job)
{
    struct copy_job *j = (struct copy_job *)job;
    struct account *a;
    /* What a transaction that failed had noted does not count. */
    enum error e = work_account(sh, j->walk.account, &a);
    if (e != OK)
        return e;
    struct box *from = work_box(a, j->walk.mailbox), *to = work_box(a, j->to);
    if (from == NULL || to == NULL)
        return ERR_NOTFOUND;
    if (j->limit == 0)
        j->limit = from == to ? to->m.uid_next : UINT32_MAX;
    j->uid_validity = to->m.uid_validity;
    if ((e = walk_gather(sh, from, &j->walk, copy_want)) != OK)
        return e;
    if ((e = copy_fits(j, a, to)) != OK || j->walk.n_rows == 0)
        return e;
    uint64_t modseq = work_step(a);
    for (size_t i = 0; i < j->walk.n_rows && e == OK; i++)
        e = copy_row(sh, j, a, from, to, &j->walk.rows[i], modseq);
    return e;
}

enum error store_copy(struct store *s, uint64_t account, uint32_t mailbox,
                      const struct uid_range *ranges, size_t n, uint32_t to_mailbox, bool move,
                      uint64_t quota, struct arena *a, struct uid_pair **pairs, size_t *n_pairs,
                      uint32_t *to_uid_validity)
{
    struct copy_job j = {.walk = {.job.run = run_copy,
                                  .account = account,
                                  .mailbox = mailbox,
                                  .ranges = ranges,
                                  .n_ranges = n},
                         .to = to_mailbox,
                         .move = move,
                         .quota = quota};
    enum error e;
    size_t done = 0;
    *pairs = NULL;
    *n_pairs = 0;
    do {
        e = job_do(store_shard(s, account), &j.walk.job);
        if (e == OK)
            done = j.made.n;
    } while (e == OK && j.walk.more);
    if (e == OK || done > 0)
        *to_uid_validity = j.uid_validity;
    struct uid_pair *out = arena_array(a, done, sizeof *out);
    if (out != NULL) {
        for (size_t i = 0; i < done; i++)
            out[i] = (struct uid_pair){j.from.v[i], j.made.v[i]};
        *pairs = out;
        *n_pairs = done;
    } else if (e == OK && done > 0) {
        e = ERR_LIMIT;
    }
    mem_free(j.walk.rows);
    mem_free(j.from.v);
    mem_free(j.made.v);
    return e;
}

/* --- Lists of uids --- */

void uid_list_add(struct uid_list *l, uint32_t uid)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = mem_resize(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n++] = uid;
}

enum error uid_list_ranges(struct uid_list *l, struct arena *a, struct uid_range **out, size_t *n)
{
    size_t count = 0;
    for (size_t i = 0; i < l->n; i++)
        if (i == 0 || l->v[i] != l->v[i - 1] + 1)
            count++;
    struct uid_range *r = count > 0 ? arena_array(a, count, sizeof *r) : NULL;
    if (r != NULL) {
        size_t k = 0;
        for (size_t i = 0; i < l->n; i++) {
            if (i == 0 || l->v[i] != l->v[i - 1] + 1)
                r[k++].first = l->v[i];
            r[k - 1].last = l->v[i];
        }
    }
    mem_free(l->v);
    *l = (struct uid_list){0};
    if (count > 0 && r == NULL)
        return ERR_LIMIT;
    *out = r;
    *n = count;
    return OK;
}
