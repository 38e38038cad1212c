/* Email submissions. A row keeps a use of its message's body while it waits. One that is removed
 * stays as a row without content, so that changes can name it, until it is forgotten too. */
#include "store/submission.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

#define STATE_REMOVED 9 /* beside enum submission_state */

static sqlite3_stmt *use(struct shard *sh, enum statement which)
{
    sqlite3_stmt *st = index_use(&sh->w, which);
    if (st == NULL)
        (void)txn_fail(sh, ERR_IO);
    return st;
}

/* The account's next submission state. */
static enum error next_state(struct shard *sh, uint64_t account, uint64_t *state)
{
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_STEP);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, account);
    int r = txn_row(sh, st);
    if (r == 1)
        *state = col_u(st, 0);
    index_reset(st);
    return r == 1 ? OK : r == 0 ? ERR_NOTFOUND : sh->txn_error;
}

/* --- Adding --- */

struct add_job {
    struct job job;
    uint64_t account, id;
    uint32_t mailbox, uid;
    const struct submission *in;
};

static enum error count_pending(struct shard *sh, uint64_t account, int64_t *n)
{
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_COUNT);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, account);
    if (txn_row(sh, st) == 1)
        *n = col_i(st, 0);
    index_reset(st);
    return sh->txn_error;
}

/* The body of the message and what stands in front of it, copied into `prefix`. */
static enum error find_body(struct shard *sh, int64_t key, uint64_t *body, struct buf *prefix)
{
    struct meta m;
    sqlite3_stmt *st = use(sh, ST_MSG_BODY);
    if (st == NULL)
        return sh->txn_error;
    bind_i(st, 1, key);
    int r = txn_row(sh, st);
    enum error e = r < 0 ? sh->txn_error : r == 0 ? ERR_NOTFOUND : OK;
    if (e == OK) {
        *body = col_u(st, 0);
        e = meta_decode(col_slice(st, 1), &m) == OK ? OK : ERR_BUG;
        if (e == OK)
            buf_add(prefix, m.prefix);
        index_reset(st);
    }
    return e == OK ? buf_check(prefix) : e;
}

static enum error insert(struct shard *sh, struct add_job *j, uint64_t body, struct slice prefix)
{
    const struct submission *in = j->in;
    uint64_t state = 0;
    enum error e = next_state(sh, j->account, &state);
    if (e != OK)
        return e;
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_ADD);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, j->account);
    bind_u(st, 2, in->email);
    bind_u(st, 3, in->thread);
    bind_u(st, 4, in->identity);
    bind_u(st, 5, state);
    bind_i(st, 6, in->send_at);
    bind_blob(st, 7, in->envelope);
    bind_u(st, 8, in->queue_entry);
    bind_u(st, 9, body);
    bind_blob(st, 10, prefix);
    if ((e = txn_run(sh, st)) != OK)
        return e;
    j->id = (uint64_t)sqlite3_last_insert_rowid(sh->w.db);
    return body_count(sh, body, 1);
}

static enum error run_add(struct shard *sh, struct job *job)
{
    struct add_job *j = (struct add_job *)job;
    struct account *a;
    int64_t pending = 0;
    uint64_t body = 0;
    autobuf prefix = BUF_INIT(LIMIT_META);
    enum error e = work_account(sh, j->account, &a);
    if (e != OK)
        return e;
    const struct box *b = work_box(a, j->mailbox);
    if (b == NULL)
        return ERR_NOTFOUND;
    if ((e = find_body(sh, row_key(b->num, j->uid), &body, &prefix)) != OK)
        return e;
    if ((e = count_pending(sh, j->account, &pending)) != OK)
        return e;
    return pending >= LIMIT_SUBMISSIONS_PENDING ? ERR_LIMIT
                                                : insert(sh, j, body, buf_slice(&prefix));
}

enum error store_submission_add(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uid,
                                const struct submission *in, uint64_t *id)
{
    struct add_job j = {
        .job.run = run_add, .account = account, .mailbox = mailbox, .uid = uid, .in = in};
    enum error e = job_do(store_shard(s, account), &j.job);
    if (e == OK)
        *id = j.id;
    return e;
}

/* --- Changing --- */

struct change_job {
    struct job job;
    uint64_t account, id;
    enum submission_state to;
    struct slice answer;
    uint64_t queue_entry;
};

static enum error find(struct shard *sh, uint64_t account, uint64_t id, int64_t *state,
                       uint64_t *body)
{
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_GET);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, id);
    bind_u(st, 2, account);
    int r = txn_row(sh, st);
    if (r == 1) {
        *state = col_i(st, 0);
        *body = col_u(st, 1);
    }
    index_reset(st);
    if (r < 0)
        return sh->txn_error;
    return r == 0 || *state == STATE_REMOVED ? ERR_NOTFOUND : OK;
}

static enum error run_settle(struct shard *sh, struct job *job)
{
    struct change_job *j = (struct change_job *)job;
    int64_t state = 0;
    uint64_t body = 0, changed = 0;
    enum error e = find(sh, j->account, j->id, &state, &body);
    if (e != OK)
        return e;
    if (state != SUBMISSION_PENDING)
        return ERR_CONFLICT;
    if ((e = next_state(sh, j->account, &changed)) != OK)
        return e;
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_SETTLE);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, j->id);
    bind_i(st, 2, j->to);
    bind_u(st, 3, changed);
    bind_i(st, 4, clock_wall());
    bind_blob(st, 5, j->answer);
    bind_u(st, 6, j->queue_entry);
    e = txn_run(sh, st);
    return e == OK ? body_count(sh, body, -1) : e;
}

enum error store_submission_settle(struct store *s, uint64_t account, uint64_t id,
                                   enum submission_state to, struct slice answer,
                                   uint64_t queue_entry)
{
    struct change_job j = {.job.run = run_settle,
                           .account = account,
                           .id = id,
                           .to = to,
                           .answer = answer,
                           .queue_entry = queue_entry};
    return to == SUBMISSION_PENDING ? ERR_INPUT : job_do(store_shard(s, account), &j.job);
}

/* The row stays, and says when it was removed. */
static enum error make_removed(struct shard *sh, uint64_t account, uint64_t id)
{
    uint64_t changed = 0;
    enum error e = next_state(sh, account, &changed);
    if (e != OK)
        return e;
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_REMOVE);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, id);
    bind_u(st, 2, changed);
    bind_i(st, 3, clock_wall());
    return txn_run(sh, st);
}

static enum error run_remove(struct shard *sh, struct job *job)
{
    struct change_job *j = (struct change_job *)job;
    int64_t state = 0;
    uint64_t body;
    enum error e = find(sh, j->account, j->id, &state, &body);
    if (e != OK)
        return e;
    return state == SUBMISSION_PENDING ? ERR_CONFLICT : make_removed(sh, j->account, j->id);
}

enum error store_submission_remove(struct store *s, uint64_t account, uint64_t id)
{
    struct change_job j = {.job.run = run_remove, .account = account, .id = id};
    return job_do(store_shard(s, account), &j.job);
}

/* --- Forgetting --- */

#define STEP 256

struct forget_job {
    struct job job;
    int64_t before;
    size_t n;
};

struct old {
    uint64_t id, account, changed;
    bool removed;
};

/* Who knew the account's submissions before that state must read them anew. */
static enum error drop_removed(struct shard *sh, const struct old *o)
{
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_FLOOR);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, o->account);
    bind_u(st, 2, o->changed);
    enum error e = txn_run(sh, st);
    if (e != OK || (st = use(sh, ST_SUBMISSION_DROP)) == NULL)
        return sh->txn_error;
    bind_u(st, 1, o->id);
    return txn_run(sh, st);
}

static enum error run_forget(struct shard *sh, struct job *job)
{
    struct forget_job *j = (struct forget_job *)job;
    struct old list[STEP];
    j->n = 0;
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_OLD);
    if (st == NULL)
        return sh->txn_error;
    bind_i(st, 1, j->before);
    bind_i(st, 2, STEP);
    while (txn_row(sh, st) == 1)
        list[j->n++] =
            (struct old){col_u(st, 0), col_u(st, 1), col_u(st, 2), col_i(st, 3) == STATE_REMOVED};
    for (size_t i = 0; i < j->n && sh->txn_error == OK; i++) {
        enum error e = list[i].removed ? drop_removed(sh, &list[i])
                                       : make_removed(sh, list[i].account, list[i].id);
        if (e == ERR_NOTFOUND) /* its account is gone */
            (void)drop_removed(sh, &list[i]);
    }
    return sh->txn_error;
}

enum error store_submissions_forget(struct store *s, int64_t before)
{
    enum error e = OK;
    int64_t now = clock_wall();
    for (unsigned i = 0; i < s->n_shards && e == OK; i++) {
        /* What is removed now must not be met again. */
        struct forget_job j = {.job.run = run_forget, .before = before < now ? before : now};
        do {
            e = job_do(&s->shard[i], &j.job);
        } while (e == OK && j.n == STEP);
    }
    return e;
}

enum error submissions_drop(struct shard *sh, uint64_t account, bool *more)
{
    uint64_t ids[STEP], bodies[STEP];
    size_t n = 0;
    sqlite3_stmt *st = use(sh, ST_SUBMISSION_OF_ACCOUNT);
    if (st == NULL)
        return sh->txn_error;
    bind_u(st, 1, account);
    bind_i(st, 2, STEP);
    while (txn_row(sh, st) == 1) {
        ids[n] = col_u(st, 0);
        bodies[n++] = col_u(st, 1);
    }
    enum error e = sh->txn_error;
    for (size_t i = 0; i < n && e == OK; i++) {
        if ((st = use(sh, ST_SUBMISSION_DROP)) == NULL)
            return sh->txn_error;
        bind_u(st, 1, ids[i]);
        e = txn_run(sh, st);
        if (e == OK)
            e = body_count(sh, bodies[i], -1);
    }
    *more = n == STEP;
    return e;
}

/* --- Reading --- */

static struct submission read_one(sqlite3_stmt *st, struct arena *a)
{
    return (struct submission){.id = col_u(st, 0),
                               .email = col_u(st, 1),
                               .thread = col_u(st, 2),
                               .identity = col_u32(st, 3),
                               .state = (enum submission_state)col_i(st, 4),
                               .added = col_u(st, 5),
                               .changed = col_u(st, 6),
                               .send_at = col_i(st, 7),
                               .envelope = arena_dup(a, col_slice(st, 8)),
                               .answer = arena_dup(a, col_slice(st, 9)),
                               .queue_entry = col_u(st, 10)};
}

static enum error find_one(struct index *x, uint64_t account, uint64_t id, struct arena *a,
                           struct submission *out)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_SUBMISSION_ONE);
    if (st != NULL) {
        bind_u(st, 1, account);
        bind_u(st, 2, id);
    }
    if (index_row(x, st, &e) != 1)
        return e == OK ? ERR_NOTFOUND : e;
    const struct submission found = read_one(st, a);
    index_reset(st);
    if (a->failed)
        return ERR_LIMIT;
    *out = found;
    return OK;
}

enum error store_submission(struct store *s, uint64_t account, uint64_t id, struct arena *a,
                            struct submission *out)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = find_one(&r->x, account, id, a, out);
    reader_put(sh, r);
    return e;
}

static enum error read_all(struct index *x, uint64_t account, struct arena *a,
                           struct submission **list, size_t *n)
{
    enum error e = OK;
    size_t cap = 0;
    sqlite3_stmt *st = index_use(x, ST_SUBMISSION_LIST);
    if (st != NULL)
        bind_u(st, 1, account);
    while (index_row(x, st, &e) == 1) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 16;
            *list = mem_resize(*list, cap, sizeof **list);
        }
        (*list)[(*n)++] = read_one(st, a);
    }
    return e == OK && a->failed ? ERR_LIMIT : e;
}

enum error store_submissions(struct store *s, uint64_t account, struct arena *a,
                             struct submission **out, size_t *n)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    struct submission *list = NULL;
    size_t count = 0;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = read_all(&r->x, account, a, &list, &count);
    reader_put(sh, r);
    struct submission *kept = e == OK ? arena_array(a, count, sizeof *kept) : NULL;
    if (e == OK && kept == NULL)
        e = ERR_LIMIT;
    if (e == OK) {
        if (count > 0)
            memcpy(kept, list, count * sizeof *kept);
        *out = kept;
        *n = count;
    }
    mem_free(list);
    return e;
}

/* ERR_CONFLICT: compacted since the view of the index began. */
static enum error load(struct shard *sh, struct index *x, uint64_t account, uint64_t id,
                       struct store_body *out)
{
    uint64_t body = 0;
    autobuf prefix = BUF_INIT(LIMIT_META);
    enum error e = index_read_begin(x);
    sqlite3_stmt *st = e == OK ? index_use(x, ST_SUBMISSION_BODY) : NULL;
    if (st != NULL) {
        bind_u(st, 1, id);
        bind_u(st, 2, account);
        if (index_row(x, st, &e) == 1) {
            body = col_u(st, 0);
            buf_add(&prefix, col_slice(st, 1));
        }
        index_reset(st);
    } else if (e == OK) {
        e = ERR_IO;
    }
    if (e == OK)
        e = body == 0 ? ERR_NOTFOUND : buf_check(&prefix);
    if (e == OK)
        e = body_load(sh, x, body, buf_slice(&prefix), out);
    index_read_end(x);
    return e;
}

enum error store_submission_body(struct store *s, uint64_t account, uint64_t id,
                                 struct store_body *out)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = load(sh, &r->x, account, id, out);
    if (e == ERR_CONFLICT)
        e = load(sh, &r->x, account, id, out);
    reader_put(sh, r);
    if (e != ERR_CONFLICT)
        return e;
    log_error("store.body-lost", log_text("shard", sh->dir), log_u64("account", account),
              log_u64("submission", id));
    return ERR_IO;
}

static enum error read_state(struct index *x, uint64_t account, uint64_t *state, uint64_t *floor)
{
    enum error e = OK;
    *state = *floor = 0;
    sqlite3_stmt *st = index_use(x, ST_SUBMISSION_STATE);
    if (st != NULL)
        bind_u(st, 1, account);
    if (index_row(x, st, &e) == 1) {
        *state = col_u(st, 0);
        *floor = col_u(st, 1);
        index_reset(st);
    }
    return e;
}

enum error store_submission_state(struct store *s, uint64_t account, uint64_t *state)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    uint64_t now, floor;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = read_state(&r->x, account, &now, &floor);
    reader_put(sh, r);
    if (e == OK)
        *state = now;
    return e;
}

static enum error read_gone(struct index *x, uint64_t account, uint64_t since, struct arena *a,
                            uint64_t **ids, size_t *n)
{
    uint64_t now, floor;
    size_t all = 0;
    enum error e = read_state(x, account, &now, &floor);
    if (e == OK && (since < floor || since > now))
        e = ERR_AGAIN;
    for (int pass = 0; pass < 2 && e == OK; pass++) {
        size_t i = 0;
        sqlite3_stmt *st = index_use(x, ST_SUBMISSION_GONE);
        if (st != NULL) {
            bind_u(st, 1, account);
            bind_u(st, 2, since);
        }
        while (index_row(x, st, &e) == 1) {
            if (pass == 1)
                (*ids)[i] = col_u(st, 0);
            i++;
        }
        all = i;
        if (e == OK && pass == 0 && (*ids = arena_array(a, all, sizeof **ids)) == NULL)
            e = ERR_LIMIT;
    }
    *n = all;
    return e;
}

enum error store_submissions_gone(struct store *s, uint64_t account, uint64_t since,
                                  struct arena *a, uint64_t **ids, size_t *n)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    uint64_t *list = NULL;
    size_t count = 0;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    if ((e = index_read_begin(&r->x)) == OK)
        e = read_gone(&r->x, account, since, a, &list, &count);
    index_read_end(&r->x);
    reader_put(sh, r);
    if (e == OK) {
        *ids = list;
        *n = count;
    }
    return e;
}

/* --- What is due --- */

struct due {
    int64_t send_at;
    uint64_t account, id;
};

static int due_order(const void *a, const void *b)
{
    const struct due *x = a, *y = b;
    return (x->send_at > y->send_at) - (x->send_at < y->send_at);
}

static enum error shard_due(struct shard *sh, int64_t now, size_t max, struct due *out, size_t *n)
{
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    sqlite3_stmt *st = index_use(&r->x, ST_SUBMISSION_DUE);
    if (st != NULL) {
        bind_i(st, 1, now);
        bind_u(st, 2, max);
    }
    while (index_row(&r->x, st, &e) == 1)
        out[(*n)++] = (struct due){col_i(st, 0), col_u(st, 1), col_u(st, 2)};
    reader_put(sh, r);
    return e;
}

enum error store_submissions_due(struct store *s, int64_t now, size_t max,
                                 void (*due)(void *arg, uint64_t account, uint64_t id), void *arg)
{
    struct due *list = mem_array(max, s->n_shards * sizeof *list);
    size_t n = 0;
    enum error e = OK;
    for (unsigned i = 0; i < s->n_shards && e == OK; i++)
        e = shard_due(&s->shard[i], now, max, list, &n);
    if (n > 1)
        qsort(list, n, sizeof *list, due_order);
    for (size_t i = 0; i < n && i < max && e == OK; i++)
        due(arg, list[i].account, list[i].id);
    mem_free(list);
    return e;
}
