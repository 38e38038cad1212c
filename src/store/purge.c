/* Removing for good: what was expunged long enough ago, mailboxes that were deleted, accounts, and
 * segments in which nothing lives any more. Always in short steps. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

struct purge_job {
    struct job job;
    uint64_t account; /* 0: by age */
    int64_t before;
    bool more;
};

struct victim {
    int64_t key;
    uint64_t modseq, body;
};

static enum error run_one(struct shard *sh, enum statement which, uint64_t key)
{
    sqlite3_stmt *st = index_use(&sh->w, which);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, key);
    return txn_run(sh, st);
}

/* Gathers up to LIMIT_TXN_ROWS rows of a bound statement (key, modseq or body, body). */
static size_t gather(struct shard *sh, sqlite3_stmt *st, int body_column, struct victim *v)
{
    size_t n = 0;
    while (n < LIMIT_TXN_ROWS && txn_row(sh, st) == 1)
        v[n++] = (struct victim){col_i(st, 0), col_u(st, 1), col_u(st, body_column)};
    index_reset(st);
    return n;
}

/* Below this modseq the log of the mailbox, and of its account, cannot be trusted any more. */
static enum error raise_floor(struct shard *sh, uint32_t num, uint64_t modseq)
{
    static const enum statement which[] = {ST_BOX_FLOOR, ST_ACCOUNT_RAISE};
    enum error e = OK;
    for (size_t i = 0; i < 2 && e == OK; i++) {
        sqlite3_stmt *st = index_use(&sh->w, which[i]);
        if (st == NULL)
            return txn_fail(sh, ERR_IO);
        bind_u(st, 1, num);
        bind_u(st, 2, modseq);
        e = txn_run(sh, st);
    }
    return e;
}

static enum error remove_rows(struct shard *sh, const struct victim *v, size_t n,
                              enum statement from)
{
    enum error e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        e = body_count(sh, v[i].body, -1);
        if (e == OK)
            e = run_one(sh, ST_META_DROP, (uint64_t)v[i].key);
        if (e == OK)
            e = run_one(sh, from, (uint64_t)v[i].key);
    }
    return e;
}

/* The account of a mailbox by its number; 0: none, or it is gone. */
static uint64_t owner(struct shard *sh, uint32_t num)
{
    uint64_t id = 0;
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_OWNER);
    if (st == NULL) {
        (void)txn_fail(sh, ERR_IO);
        return 0;
    }
    bind_u(st, 1, num);
    if (txn_row(sh, st) == 1)
        id = col_u(st, 0);
    index_reset(st);
    return id;
}

/* The floors of the mailboxes the victims were in, in the rows and in memory. */
static enum error raise_floors(struct shard *sh, const struct victim *v, size_t n)
{
    enum error e = OK;
    for (size_t i = 0; i < n && e == OK;) {
        uint32_t num = row_num(v[i].key);
        uint64_t modseq = 0, id = owner(sh, num);
        for (; i < n && row_num(v[i].key) == num; i++)
            if (v[i].modseq > modseq)
                modseq = v[i].modseq;
        e = sh->txn_error != OK ? sh->txn_error : raise_floor(sh, num, modseq);
        struct account *a;
        if (e != OK || id == 0 || (e = work_account(sh, id, &a)) != OK)
            continue;
        for (size_t k = 0; k < a->work.n; k++) {
            struct box *b = a->work.box[k];
            if (b->num == num && modseq > b->floor) {
                b->floor = modseq;
                b->touched = true;
            }
        }
    }
    return e;
}

/* One step in a mailbox that is gone; its row goes when nothing is left. */
static enum error purge_box(struct shard *sh, uint32_t num, struct victim *v)
{
    static const struct {
        enum statement list, drop;
        int body;
    } tables[] = {{ST_MSG_BODY_OF_BOX, ST_MSG_DROP, 1}, {ST_EXP_OF_BOX, ST_EXP_DROP, 2}};
    enum error e = run_one(sh, ST_ACCOUNT_RAISE_GONE, num);
    if (e != OK)
        return e;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        sqlite3_stmt *st = index_use(&sh->w, tables[t].list);
        if (st == NULL)
            return txn_fail(sh, ERR_IO);
        bind_i(st, 1, row_key(num, 0));
        bind_i(st, 2, row_key(num, UINT32_MAX));
        bind_i(st, 3, LIMIT_TXN_ROWS);
        size_t n = gather(sh, st, tables[t].body, v);
        if (sh->txn_error != OK)
            return sh->txn_error;
        if (n > 0)
            return remove_rows(sh, v, n, tables[t].drop);
    }
    return run_one(sh, ST_BOX_DROP, num);
}

static enum error purge(struct shard *sh, struct purge_job *j, struct victim *v)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_PURGE_NEXT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    /* Where nothing stays recoverable a mailbox that was deleted does not either. */
    bind_i(st, 1, sh->store->undelete_days < 0 ? INT64_MAX : j->before);
    bind_u(st, 2, j->account);
    if (txn_row(sh, st) == 1) {
        uint32_t num = col_u32(st, 0);
        index_reset(st);
        j->more = true;
        return purge_box(sh, num, v);
    }
    if (sh->txn_error != OK || j->account != 0)
        return sh->txn_error;
    if ((st = index_use(&sh->w, ST_EXP_OLD)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, j->before);
    bind_i(st, 2, LIMIT_TXN_ROWS);
    size_t n = gather(sh, st, 2, v);
    if (n == 0 || sh->txn_error != OK)
        return sh->txn_error;
    j->more = n == LIMIT_TXN_ROWS;
    enum error e = raise_floors(sh, v, n);
    return e == OK ? remove_rows(sh, v, n, ST_EXP_DROP) : e;
}

static enum error run_purge(struct shard *sh, struct job *job)
{
    struct purge_job *j = (struct purge_job *)job;
    struct victim *v = mem_resize(NULL, LIMIT_TXN_ROWS, sizeof *v);
    j->more = false;
    enum error e = purge(sh, j, v);
    mem_free(v);
    return e;
}

enum error purge_step(struct shard *sh, uint64_t account, int64_t before, bool *more)
{
    struct purge_job j = {.job.run = run_purge, .account = account, .before = before};
    enum error e = job_do(sh, &j.job);
    *more = e == OK && j.more;
    return e;
}

enum error purge_surplus(struct shard *sh, uint64_t account)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_BOX_GONE_COUNT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, account);
    if (txn_row(sh, st) != 1)
        return sh->txn_error;
    bool surplus = col_i(st, 0) > LIMIT_MAILBOXES;
    uint32_t num = surplus ? col_u32(st, 2) : 0;
    index_reset(st);
    if (!surplus)
        return OK;
    /* What is left of it now is due: whoever comes first goes on with it. */
    if ((st = index_use(&sh->w, ST_BOX_GONE)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, num);
    bind_i(st, 2, 1);
    enum error e = txn_run(sh, st);
    if (e != OK)
        return e;
    struct victim *v = mem_resize(NULL, LIMIT_TXN_ROWS, sizeof *v);
    /* Its messages, its expunges, its row: a mailbox that is not big goes at once. */
    for (int i = 0; i < 3 && e == OK; i++)
        e = purge_box(sh, num, v);
    mem_free(v);
    return e;
}

/* --- Segments in which nothing lives --- */

struct segment_job {
    struct job job;
    uint32_t number;
};

static enum error run_segment(struct shard *sh, struct job *job)
{
    struct segment_job *j = (struct segment_job *)job;
    j->number = 0;
    sqlite3_stmt *st = index_use(&sh->w, ST_SEG_DEAD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    /* A segment that this very group filled up may get its rows only after this job. */
    bind_u(st, 1, sh->group_segment);
    if (txn_row(sh, st) != 1)
        return sh->txn_error;
    uint32_t number = col_u32(st, 0);
    index_reset(st);
    enum error e = run_one(sh, ST_SEG_DROP, number);
    if (e == OK)
        j->number = number;
    return e;
}

void segments_tend(struct shard *sh)
{
    struct segment_job j = {.job.run = run_segment};
    while (job_do(sh, &j.job) == OK && j.number != 0)
        segment_remove(&sh->log, j.number);
}

struct stray {
    struct index *x;
    struct uid_list *found;
    enum error e;
};

static void see_file(void *arg, uint32_t number)
{
    struct stray *s = arg;
    if (s->e != OK)
        return;
    sqlite3_stmt *st = index_use(s->x, ST_SEG_STRAY);
    if (st == NULL) {
        s->e = ERR_IO;
        return;
    }
    bind_u(st, 1, number);
    if (index_row(s->x, st, &s->e) == 1 && col_i(st, 0) == 1)
        uid_list_add(s->found, number);
    index_reset(st);
}

enum error segments_stray(struct shard *sh, struct index *x, struct uid_list *out)
{
    struct stray s = {.x = x, .found = out};
    enum error e = segment_each(&sh->log, see_file, &s);
    return e == OK ? s.e : e;
}

enum error segments_sweep(struct shard *sh)
{
    struct uid_list found = {0};
    enum error e = segments_stray(sh, &sh->w, &found);
    for (size_t i = 0; e == OK && i < found.n; i++) {
        log_info("store.stray-removed", log_text("shard", sh->dir), log_u64("segment", found.v[i]));
        segment_remove(&sh->log, found.v[i]);
    }
    mem_free(found.v);
    return e;
}

/* --- Accounts --- */

struct remove_job {
    struct job job;
    uint64_t account;
    bool more;
};

static enum error run_forget_boxes(struct shard *sh, struct job *job)
{
    struct remove_job *j = (struct remove_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    a->structure_changed = true;
    (void)work_step(a);
    while (a->work.n > 0 && e == OK) {
        struct box *b = a->work.box[a->work.n - 1];
        sqlite3_stmt *st = index_use(&sh->w, ST_BOX_GONE);
        if (st == NULL)
            return txn_fail(sh, ERR_IO);
        bind_u(st, 1, b->num);
        bind_i(st, 2, clock_wall());
        e = txn_run(sh, st);
        work_box_remove(a, b);
    }
    return e;
}

/* The small tables; threads in steps. */
static enum error run_forget(struct shard *sh, struct job *job)
{
    struct remove_job *j = (struct remove_job *)job;
    static const enum statement tables[] = {ST_KEYWORDS_DROP, ST_SUBS_DROP, ST_ACCOUNT_DROP};
    struct account *a;
    enum error e = submissions_drop(sh, j->account, &j->more);
    if (e != OK || j->more)
        return e;
    e = work_account(sh, j->account, &a);
    sqlite3_stmt *st = index_use(&sh->w, ST_THREADS_DROP);
    if (e != OK || st == NULL)
        return txn_fail(sh, e != OK ? e : ERR_IO);
    bind_u(st, 1, j->account);
    bind_i(st, 2, LIMIT_TXN_ROWS);
    e = txn_run(sh, st);
    j->more = e == OK && sqlite3_changes(sh->w.db) == LIMIT_TXN_ROWS;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && e == OK && !j->more; i++)
        e = run_one(sh, tables[i], j->account);
    if (e == OK && !j->more)
        a->removed = true;
    return e;
}

enum error store_account_remove(struct store *s, uint64_t account)
{
    struct shard *sh = store_shard(s, account);
    struct remove_job j = {.job.run = run_forget_boxes, .account = account};
    bool more = true;
    enum error e = job_do(sh, &j.job);
    while (e == OK && more)
        e = purge_step(sh, account, 0, &more);
    j.job.run = run_forget;
    do {
        if (e == OK)
            e = job_do(sh, &j.job);
    } while (e == OK && j.more);
    return e;
}
