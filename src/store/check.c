/* The check of a store: is the database whole, do counters and references agree with the rows, is
 * every body there and undamaged. Reading goes beside the running service; what is mended is mended
 * by the committer, in short transactions. */
#include "base/log.h"
#include "store/internal.h"

struct check {
    struct store *s;
    struct shard *sh;
    struct reader *r;
    bool repair;
    void (*report)(void *arg, const char *line);
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    unsigned bad;
    uint64_t done, total;
};

static void say(struct check *c, bool mended, const char *format, ...) printf_like(3, 4);

static void say(struct check *c, bool mended, const char *format, ...)
{
    char line[512];
    int n = snprintf(line, sizeof line, "shard %u: ", c->sh->number);
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    size_t end = strlen(line);
    if (mended)
        snprintf(line + end, sizeof line - end, " (repaired)");
    else
        c->bad++;
    if (c->report != NULL)
        c->report(c->arg, line);
}

static void step(struct check *c)
{
    c->done++;
    if (c->progress != NULL && c->done % 64 == 0)
        c->progress(c->arg, c->done, c->total);
}

/* --- Mending, in the committer --- */

struct mend_job {
    struct job job;
    enum statement find;
    uint64_t a, b;
};

/* The figures of a mailbox from its rows. */
static enum error run_recount(struct shard *sh, struct job *job)
{
    struct mend_job *j = (struct mend_job *)job;
    struct account *a;
    enum error e = work_account(sh, j->a, &a);
    struct box *b = e == OK ? work_box(a, (uint32_t)j->b) : NULL;
    if (b == NULL)
        return e != OK ? e : ERR_NOTFOUND;
    sqlite3_stmt *st = index_use(&sh->w, ST_MSG_COUNTS);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, row_key(b->num, 0));
    bind_i(st, 2, row_key(b->num, UINT32_MAX));
    if (txn_row(sh, st) != 1)
        return txn_fail(sh, ERR_IO);
    uint64_t modseq = col_u(st, 4), bytes = col_u(st, 3);
    uint32_t last = row_uid(col_i(st, 5));
    a->work.bytes += bytes - b->m.bytes;
    b->m.exists = col_u32(st, 0);
    b->m.unseen = col_u32(st, 1);
    b->m.deleted = col_u32(st, 2);
    b->m.bytes = bytes;
    index_reset(st);
    if (b->m.uid_next <= last)
        b->m.uid_next = last + 1;
    if (modseq > a->work.modseq)
        a->work.modseq = modseq;
    work_touch(b, work_step(a));
    return OK;
}

static enum error run_set_refs(struct shard *sh, struct job *job)
{
    struct mend_job *j = (struct mend_job *)job;
    /* Counted anew in this transaction: the finding may be old. */
    sqlite3_stmt *st = index_use(&sh->w, ST_BODY_USES);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, j->a);
    if (txn_row(sh, st) != 1)
        return sh->txn_error;
    int64_t refs = col_i(st, 0), uses = col_i(st, 1);
    index_reset(st);
    return refs == uses ? OK : body_count(sh, j->a, (int)(uses - refs));
}

static enum error run_set_live(struct shard *sh, struct job *job)
{
    (void)job;
    sqlite3_stmt *st = index_use(&sh->w, ST_SEG_RECOUNT);
    return st == NULL ? txn_fail(sh, ERR_IO) : txn_run(sh, st);
}

static bool mend(struct check *c, enum error (*run)(struct shard *, struct job *), uint64_t a,
                 uint64_t b)
{
    struct mend_job j = {.job.run = run, .a = a, .b = b};
    return c->repair && job_do(c->sh, &j.job) == OK;
}

/* --- Looking --- */

static enum error check_integrity(struct check *c)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(&c->r->x, ST_INTEGRITY);
    while (index_row(&c->r->x, st, &e) == 1) {
        struct slice line = col_slice(st, 0);
        if (!slice_eq(line, SLICE("ok")))
            say(c, false, "index: %.*s", SLICE_FMT(slice_sub(line, 0, 400)));
    }
    return e;
}

struct found_box {
    uint64_t account;
    uint32_t id, num, uid_next, exists, unseen, deleted;
    uint64_t bytes, modseq;
};

static enum error list_boxes(struct check *c, struct found_box **out, size_t *n)
{
    enum error e = OK;
    size_t cap = 0;
    sqlite3_stmt *st = index_use(&c->r->x, ST_BOX_ALL);
    while (index_row(&c->r->x, st, &e) == 1) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 64;
            *out = mem_resize(*out, cap, sizeof **out);
        }
        (*out)[(*n)++] = (struct found_box){.account = col_u(st, 0),
                                            .id = col_u32(st, 1),
                                            .num = col_u32(st, 2),
                                            .uid_next = col_u32(st, 3),
                                            .modseq = col_u(st, 4),
                                            .exists = col_u32(st, 5),
                                            .unseen = col_u32(st, 6),
                                            .deleted = col_u32(st, 7),
                                            .bytes = col_u(st, 8)};
    }
    return e;
}

static enum error check_box(struct check *c, const struct found_box *b)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(&c->r->x, ST_MSG_COUNTS);
    if (st == NULL)
        return ERR_IO;
    bind_i(st, 1, row_key(b->num, 0));
    bind_i(st, 2, row_key(b->num, UINT32_MAX));
    if (index_row(&c->r->x, st, &e) != 1)
        return e;
    bool same = b->exists == col_u32(st, 0) && b->unseen == col_u32(st, 1) &&
                b->deleted == col_u32(st, 2) && b->bytes == col_u(st, 3) &&
                b->modseq >= col_u(st, 4) &&
                (b->exists == 0 || b->uid_next > row_uid(col_i(st, 5)));
    index_reset(st);
    if (!same)
        say(c, mend(c, run_recount, b->account, b->id),
            "account %llu, mailbox %u: its figures do not agree with its messages",
            (unsigned long long)b->account, b->id);
    return OK;
}

static enum error check_boxes(struct check *c)
{
    struct found_box *boxes = NULL;
    size_t n = 0;
    enum error e = list_boxes(c, &boxes, &n);
    for (size_t i = 0; i < n && e == OK; i++)
        e = check_box(c, &boxes[i]);
    mem_free(boxes);
    return e;
}

static enum error check_references(struct check *c)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(&c->r->x, ST_REFS_MISSING);
    while (index_row(&c->r->x, st, &e) == 1)
        say(c, false, "message %u:%u has lost its body or its texts", row_num(col_i(st, 0)),
            row_uid(col_i(st, 0)));
    if (e != OK)
        return e;
    st = index_use(&c->r->x, ST_QUEUE_ASTRAY);
    while (index_row(&c->r->x, st, &e) == 1)
        say(c, false, "queue entry %llx: its message is missing, or kept though it is finished",
            (unsigned long long)col_u(st, 0));
    if (e != OK)
        return e;
    st = index_use(&c->r->x, ST_SUBMISSION_ASTRAY);
    while (index_row(&c->r->x, st, &e) == 1)
        say(c, false, "submission %llu: its message is missing, or kept though it is settled",
            (unsigned long long)col_u(st, 0));
    if (e != OK)
        return e;
    st = index_use(&c->r->x, ST_BODY_COUNTED);
    while (index_row(&c->r->x, st, &e) == 1) {
        uint64_t id = col_u(st, 0);
        int64_t refs = col_i(st, 1), uses = col_i(st, 2);
        say(c, mend(c, run_set_refs, id, 0),
            uses == 0 ? "body %llu is an orphan (%lld references counted, %lld found)"
                      : "body %llu: %lld references counted, %lld found",
            (unsigned long long)id, (long long)refs, (long long)uses);
    }
    return e;
}

static enum error check_segments(struct check *c)
{
    enum error e = OK;
    unsigned wrong = 0;
    sqlite3_stmt *st = index_use(&c->r->x, ST_SEG_SUMS);
    while (index_row(&c->r->x, st, &e) == 1)
        wrong += col_i(st, 1) != col_i(st, 2);
    if (e == OK && wrong > 0)
        say(c, mend(c, run_set_live, 0, 0), "%u segments count their live bytes wrong", wrong);
    return e;
}

static void check_body(struct check *c, uint64_t id)
{
    enum error e = body_verify(c->sh, &c->r->x, id);
    /* It may have been removed, and its file with it, while it was looked at. */
    if (e != OK && e != ERR_NOTFOUND && body_verify(c->sh, &c->r->x, id) != ERR_NOTFOUND)
        say(c, false, "body %llu is damaged or missing", (unsigned long long)id);
    step(c);
}

static enum error check_bodies(struct check *c)
{
    enum { BATCH = 256 };
    uint64_t ids[BATCH], after = 0;
    size_t n;
    enum error e = OK;
    do {
        sqlite3_stmt *st = index_use(&c->r->x, ST_BODY_LIST);
        if (st == NULL)
            return ERR_IO;
        bind_u(st, 1, after);
        bind_i(st, 2, BATCH);
        n = 0;
        while (index_row(&c->r->x, st, &e) == 1 && n < BATCH)
            ids[n++] = col_u(st, 0);
        index_reset(st);
        for (size_t i = 0; i < n && e == OK; i++)
            check_body(c, ids[i]);
        if (n > 0)
            after = ids[n - 1];
    } while (e == OK && n > 0);
    return e;
}

/* In a view of its own: rows of bodies that the other view does not have may have come since. */
static enum error check_files(struct check *c)
{
    struct uid_list found = {0};
    enum error e = segments_stray(c->sh, &c->r->x, &found);
    for (size_t i = 0; e == OK && i < found.n; i++) {
        if (c->repair)
            segment_remove(&c->sh->log, found.v[i]);
        say(c, c->repair, "no row knows the file of segment %u", found.v[i]);
    }
    mem_free(found.v);
    return e;
}

static enum error count_bodies(struct check *c)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(&c->r->x, ST_COUNT_BODIES);
    if (index_row(&c->r->x, st, &e) == 1)
        c->total += col_u(st, 0);
    index_reset(st);
    return e;
}

/* All but the bodies from one view of the index, so that changes going on are not taken for damage.
 * The bodies take long, and the log of the index cannot be emptied while a view is held. */
static enum error check_shard(struct check *c)
{
    enum error e = reader_get(c->sh, &c->r);
    if (e != OK)
        return e;
    if ((e = index_read_begin(&c->r->x)) == OK)
        e = count_bodies(c);
    if (e == OK)
        e = check_integrity(c);
    if (e == OK)
        e = check_boxes(c);
    if (e == OK)
        e = check_references(c);
    if (e == OK)
        e = check_segments(c);
    index_read_end(&c->r->x);
    if (e == OK)
        e = check_bodies(c);
    if (e == OK)
        e = check_files(c);
    reader_put(c->sh, c->r);
    return e;
}

enum error store_check(struct store *s, bool repair, void (*report)(void *arg, const char *line),
                       void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                       unsigned *bad)
{
    struct check c = {.s = s,
                      .repair = repair && !s->read_only,
                      .report = report,
                      .progress = progress,
                      .arg = arg};
    enum error e = OK;
    for (unsigned i = 0; i < s->n_shards && e == OK; i++) {
        c.sh = &s->shard[i];
        e = check_shard(&c);
    }
    if (progress != NULL && e == OK)
        progress(arg, c.done, c.total);
    if (e == OK)
        *bad = c.bad;
    return e;
}
