/* What can come back: messages that were expunged, and those of mailboxes that were deleted. An
 * expunged row that has a body waits for it; when the message came back, the row stays and says
 * that its uid is gone, without a body. */
#include "base/clock.h"
#include "store/view_private.h"

/* What is older is about to be purged. */
static int64_t oldest(const struct store *s)
{
    return s->undelete_days < 0 ? INT64_MAX : clock_wall() - (int64_t)s->undelete_days * 86400;
}

/* --- The list --- */

struct listing {
    struct index *x;
    int64_t keep; /* seconds from the deletion on */
    void (*message)(void *arg, const struct deleted_message *m);
    void *arg;
};

static enum error list_one(const struct listing *l, sqlite3_stmt *row)
{
    enum error e = OK;
    struct deleted_message m = {.number = col_u(row, 0),
                                .email = col_u(row, 1),
                                .deleted_at = col_i(row, 2),
                                .until = col_i(row, 2) + l->keep,
                                .received = col_i(row, 3),
                                .size = col_u32(row, 4),
                                .has_attachment = (col_i(row, 5) & MESSAGE_HAS_ATTACHMENT) != 0,
                                .mailbox = col_slice(row, 6)};
    sqlite3_stmt *st = index_use(l->x, ST_META_GET);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, m.number);
    if (index_row(l->x, st, &e) == 1) {
        struct meta meta;
        if (meta_decode(col_slice(st, 0), &meta) == OK) {
            m.subject = meta.subject;
            m.from = meta.from;
            m.preview = meta.preview;
        }
    }
    if (e == OK)
        l->message(l->arg, &m);
    index_reset(st);
    return e;
}

static enum error list_all(const struct listing *l, uint64_t account, int64_t since, size_t from,
                           size_t max, size_t *total)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(l->x, ST_DELETED_COUNT);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, account);
    bind_i(st, 2, since);
    if (index_row(l->x, st, &e) == 1)
        *total = col_u(st, 0);
    index_reset(st);
    if (e != OK || max == 0 || from >= *total)
        return e;
    if ((st = index_use(l->x, ST_DELETED_LIST)) == NULL)
        return ERR_IO;
    bind_u(st, 1, account);
    bind_i(st, 2, since);
    bind_u(st, 3, max < *total ? max : *total);
    bind_u(st, 4, from);
    while (e == OK && index_row(l->x, st, &e) == 1)
        e = list_one(l, st);
    index_reset(st);
    return e;
}

enum error store_deleted_list(struct store *s, uint64_t account, size_t from, size_t max,
                              void (*message)(void *arg, const struct deleted_message *m),
                              void *arg, size_t *total)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    size_t all = 0;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    struct listing l = {&r->x, (int64_t)s->undelete_days * 86400, message, arg};
    if ((e = index_read_begin(&r->x)) == OK)
        e = list_all(&l, account, oldest(s), from, max, &all);
    index_read_end(&r->x);
    reader_put(sh, r);
    if (e == OK)
        *total = all;
    return e;
}

/* --- Coming back --- */

struct undelete_job {
    struct job job;
    uint64_t account, quota;
    const uint64_t *numbers; /* ascending, each once */
    size_t count, done;
};

struct lost {
    uint64_t key, flags;
    uint32_t size, mailbox;
    bool in_gone; /* still a message, of a mailbox that is gone since ... */
    int64_t gone;
    uint64_t gone_modseq; /* ... this */
    enum special_use use;
    struct slice name; /* owned */
};

/* False: it is not there any more, or the transaction failed. */
static bool find_lost(struct shard *sh, uint64_t account, uint64_t number, struct lost *out)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_DELETED_GET);
    if (st == NULL) {
        (void)txn_fail(sh, ERR_IO);
        return false;
    }
    bind_u(st, 1, number);
    bind_u(st, 2, account);
    bind_i(st, 3, oldest(sh->store));
    bool found = txn_row(sh, st) == 1;
    if (found) {
        struct slice name = col_slice(st, 7);
        uint8_t *copy = mem_alloc(name.n);
        memcpy(copy, name.p, name.n);
        *out = (struct lost){.key = number,
                             .in_gone = col_i(st, 0) != 0,
                             .flags = col_u(st, 1) & ~(uint64_t)FLAG_DELETED,
                             .size = col_u32(st, 2),
                             .mailbox = col_u32(st, 3),
                             .gone = col_i(st, 4),
                             .gone_modseq = col_u(st, 5),
                             .use = (enum special_use)col_i(st, 6),
                             .name = slice_of(copy, name.n)};
    }
    index_reset(st);
    return found;
}

/* Where it goes: made when it must be. NULL: the transaction failed. */
static struct box *target(struct shard *sh, struct account *a, const struct lost *l)
{
    struct box *b = l->gone == 0 ? work_box(a, l->mailbox) : work_named(a, l->name);
    if (b == NULL) {
        enum error e = mailbox_make(sh, a, l->name, l->use, &b);
        if (e != OK && sh->txn_error == OK)
            b = work_by_use(a, USE_INBOX);
    }
    if (b == NULL)
        (void)txn_fail(sh, ERR_BUG);
    return sh->txn_error == OK ? b : NULL;
}

static enum error run_keyed(struct shard *sh, enum statement which, uint64_t key)
{
    sqlite3_stmt *st = index_use(&sh->w, which);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, key);
    return txn_run(sh, st);
}

/* What stays in the old place: that the uid went when it did. */
static enum error leave_behind(struct shard *sh, const struct lost *l)
{
    if (!l->in_gone)
        return run_keyed(sh, ST_EXP_SPENT, l->key);
    sqlite3_stmt *st = index_use(&sh->w, ST_EXP_TOMB);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, l->key);
    bind_i(st, 2, l->gone);
    bind_u(st, 3, l->gone_modseq);
    enum error e = txn_run(sh, st);
    return e == OK ? run_keyed(sh, ST_MSG_DROP, l->key) : e;
}

static enum error bring_back(struct shard *sh, struct account *a, const struct lost *l,
                             uint64_t modseq)
{
    struct box *b = target(sh, a, l);
    if (b == NULL)
        return sh->txn_error;
    if (b->m.uid_next == UINT32_MAX)
        return ERR_LIMIT;
    uint32_t uid = b->m.uid_next++;
    int64_t key = row_key(b->num, uid);
    sqlite3_stmt *st = index_use(&sh->w, l->in_gone ? ST_MSG_BACK : ST_EXP_BACK);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, l->key);
    bind_i(st, 2, key);
    bind_u(st, 3, modseq);
    bind_i(st, 4, clock_wall());
    enum error e = txn_run(sh, st);
    if (e != OK)
        return e;
    if ((st = index_use(&sh->w, ST_META_MOVE)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, l->key);
    bind_i(st, 2, key);
    /* The body's use goes over to the new row. */
    if ((e = txn_run(sh, st)) != OK || (e = leave_behind(sh, l)) != OK)
        return e;
    box_account(a, b, l->flags, l->size, 1);
    work_touch(b, modseq);
    struct snapshot_entry entry = {uid, l->size, l->flags, modseq};
    delta_add(sh, a, b->m.id, false, &entry);
    return OK;
}

static enum error undelete_found(struct shard *sh, struct undelete_job *j, struct account *a,
                                 const struct lost *lost, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += lost[i].size;
    if (j->quota > 0 && a->work.bytes + bytes > j->quota)
        return ERR_QUOTA;
    uint64_t modseq = n > 0 ? work_step(a) : 0;
    for (size_t i = 0; i < n; i++) {
        enum error e = bring_back(sh, a, &lost[i], modseq);
        if (sh->txn_error != OK)
            return sh->txn_error;
        j->done += e == OK;
    }
    return OK;
}

static enum error run_undelete(struct shard *sh, struct job *job)
{
    struct undelete_job *j = (struct undelete_job *)job;
    struct account *a;
    size_t n = 0;
    j->done = 0;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    struct lost *lost = mem_array(j->count, sizeof *lost);
    for (size_t i = 0; i < j->count && sh->txn_error == OK; i++)
        if (find_lost(sh, j->account, j->numbers[i], &lost[n]))
            n++;
    e = sh->txn_error != OK ? sh->txn_error : undelete_found(sh, j, a, lost, n);
    for (size_t i = 0; i < n; i++)
        mem_free((void *)(uintptr_t)lost[i].name.p);
    mem_free(lost);
    return e;
}

static int number_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum error store_undelete(struct store *s, uint64_t account, const uint64_t *numbers, size_t count,
                          uint64_t quota, size_t *n)
{
    enum error e = OK;
    size_t unique = 0;
    uint64_t *sorted = mem_array(count, sizeof *sorted);
    *n = 0;
    if (count > 0)
        memcpy(sorted, numbers, count * sizeof *sorted);
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, number_order);
    for (size_t i = 0; i < count; i++)
        if (unique == 0 || sorted[unique - 1] != sorted[i])
            sorted[unique++] = sorted[i];
    for (size_t at = 0; at < unique && e == OK; at += LIMIT_TXN_ROWS) {
        struct undelete_job j = {.job.run = run_undelete,
                                 .account = account,
                                 .quota = quota,
                                 .numbers = sorted + at,
                                 .count =
                                     unique - at < LIMIT_TXN_ROWS ? unique - at : LIMIT_TXN_ROWS};
        e = job_do(store_shard(s, account), &j.job);
        *n += e == OK ? j.done : 0;
    }
    mem_free(sorted);
    return e == OK && *n == 0 ? ERR_NOTFOUND : e;
}
