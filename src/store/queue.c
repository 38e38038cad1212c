/* The outbound queue's entries. An entry lives in the shard of the delivery that made it; its id
 * says which: the shard is in the low bits. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

#define QUEUE_SHARD_BITS 6
_Static_assert(LIMIT_SHARDS <= 1 << QUEUE_SHARD_BITS, "a shard's number fits into a queue id");

enum { BIT_REQUIRE_TLS = 1, BIT_SMTPUTF8 = 2, BIT_EIGHT_BIT = 4, BIT_TLS_OPTIONAL = 8 };

static struct shard *queue_shard(struct store *s, uint64_t id)
{
    uint64_t number = id & ((1u << QUEUE_SHARD_BITS) - 1);
    return number < s->n_shards ? &s->shard[number] : NULL;
}

static enum error recipient_insert(struct shard *sh, uint64_t id, const struct queue_recipient *r)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    bind_u(st, 2, r->number);
    bind_blob(st, 3, r->address);
    bind_blob(st, 4, r->orcpt);
    bind_u(st, 5, r->notify);
    bind_i(st, 6, r->state);
    bind_u(st, 7, r->attempts);
    bind_i(st, 8, r->next_attempt);
    bind_blob(st, 9, r->last_answer);
    bind_u(st, 10, r->told);
    bind_blob(st, 11, r->trail);
    return txn_run(sh, st);
}

static void accepted_add(struct shard *sh, const struct queue_new *q, uint64_t id)
{
    if (sh->n_accepted == sh->cap_accepted) {
        sh->cap_accepted = sh->cap_accepted ? sh->cap_accepted * 2 : 64;
        sh->accepted = mem_resize(sh->accepted, sh->cap_accepted, sizeof sh->accepted[0]);
    }
    struct accepted *to = &sh->accepted[sh->n_accepted++];
    struct queue_entry *e = &to->entry;
    to->raw = q->raw;
    *e = *q->entry;
    e->id = id;
    e->created = q->created;
    e->size = q->raw.n;
}

void queue_publish(struct shard *sh, bool ok)
{
    struct store *s = sh->store;
    if (ok && sh->n_accepted > 0) {
        pthread_mutex_lock(&s->watch_lock);
        for (size_t i = 0; s->accepted != NULL && i < sh->n_accepted; i++)
            s->accepted(s->accepted_arg, &sh->accepted[i].entry, sh->accepted[i].raw);
        pthread_mutex_unlock(&s->watch_lock);
    }
    sh->n_accepted = 0;
}

void store_queue_watch(struct store *s,
                       void (*fn)(void *arg, const struct queue_entry *e, struct slice raw),
                       void *arg)
{
    pthread_mutex_lock(&s->watch_lock);
    s->accepted = fn;
    s->accepted_arg = arg;
    pthread_mutex_unlock(&s->watch_lock);
}

enum error queue_insert(struct shard *sh, const struct queue_new *q)
{
    const struct queue_entry *e = q->entry;
    uint64_t id = sh->next_queue++ << QUEUE_SHARD_BITS | sh->number;
    int bits = (e->require_tls ? BIT_REQUIRE_TLS : 0) | (e->smtputf8 ? BIT_SMTPUTF8 : 0) |
               (e->eight_bit ? BIT_EIGHT_BIT : 0) | (e->tls_optional ? BIT_TLS_OPTIONAL : 0);
    sqlite3_stmt *st = index_use(&sh->w, ST_QUEUE_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    bind_u(st, 2, e->account);
    bind_blob(st, 3, e->sender);
    bind_blob(st, 4, e->envid);
    bind_u(st, 5, e->ret);
    bind_i(st, 6, bits);
    bind_i(st, 7, q->created);
    bind_u(st, 8, q->raw.n);
    bind_u(st, 9, q->body->id);
    enum error err = txn_run(sh, st);
    for (size_t i = 0; i < e->n_recipients && err == OK; i++)
        err = recipient_insert(sh, id, &e->recipients[i]);
    if (err != OK)
        return err;
    q->body->uses++;
    accepted_add(sh, q, id);
    return OK;
}

/* --- Reading --- */

/* A row may be damaged, or of a program that knew other states. */
static enum queue_state read_state(int64_t state, struct slice address)
{
    bool known = state >= QUEUE_WAITING && state <= QUEUE_CANCELLED;
    return known && (address.n > 0 || state >= QUEUE_DELIVERED) ? (enum queue_state)state
                                                                : QUEUE_BROKEN;
}

static enum error read_recipients(struct index *x, uint64_t id, struct arena *a,
                                  struct queue_entry *out)
{
    struct queue_recipient *list = NULL;
    size_t n = 0, cap = 0;
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_RCPT_LIST);
    if (st != NULL)
        bind_u(st, 1, id);
    while (index_row(x, st, &e) == 1) {
        if (n == cap) {
            cap = cap ? cap * 2 : 8;
            list = mem_resize(list, cap, sizeof *list);
        }
        list[n++] = (struct queue_recipient){.number = col_u32(st, 0),
                                             .address = arena_dup(a, col_slice(st, 1)),
                                             .orcpt = arena_dup(a, col_slice(st, 2)),
                                             .notify = (uint8_t)col_i(st, 3),
                                             .state = read_state(col_i(st, 4), col_slice(st, 1)),
                                             .attempts = col_u32(st, 5),
                                             .next_attempt = col_i(st, 6),
                                             .last_answer = arena_dup(a, col_slice(st, 7)),
                                             .told = (uint8_t)col_i(st, 8),
                                             .trail = arena_dup(a, col_slice(st, 9))};
    }
    struct queue_recipient *kept = n > 0 ? arena_array(a, n, sizeof *kept) : NULL;
    if (e == OK && (a->failed || (n > 0 && kept == NULL)))
        e = ERR_LIMIT;
    if (e == OK && n > 0)
        memcpy(kept, list, n * sizeof *kept);
    mem_free(list);
    out->recipients = kept;
    out->n_recipients = n;
    return e;
}

static enum error read_entry(struct index *x, uint64_t id, struct arena *a, struct queue_entry *out,
                             uint64_t *body)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_QUEUE_GET);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, id);
    int r = index_row(x, st, &e);
    if (r <= 0)
        return r < 0 ? e : ERR_NOTFOUND;
    int64_t bits = col_i(st, 4);
    *out = (struct queue_entry){.id = id,
                                .account = col_u(st, 0),
                                .sender = arena_dup(a, col_slice(st, 1)),
                                .envid = arena_dup(a, col_slice(st, 2)),
                                .ret = (uint8_t)col_i(st, 3),
                                .require_tls = (bits & BIT_REQUIRE_TLS) != 0,
                                .tls_optional = (bits & BIT_TLS_OPTIONAL) != 0,
                                .smtputf8 = (bits & BIT_SMTPUTF8) != 0,
                                .eight_bit = (bits & BIT_EIGHT_BIT) != 0,
                                .finished = col_i(st, 8) > 0,
                                .created = col_i(st, 5),
                                .size = col_u(st, 6)};
    *body = col_u(st, 7);
    index_reset(st);
    return a->failed ? ERR_LIMIT : read_recipients(x, id, a, out);
}

static enum error get_entry(struct shard *sh, uint64_t id, struct arena *a, struct queue_entry *out,
                            struct store_body *raw)
{
    struct reader *r;
    uint64_t body = 0;
    autoarena own;
    struct queue_entry entry;
    arena_init(&own, (size_t)64 << 20);
    if (sh == NULL)
        return ERR_NOTFOUND;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    if ((e = index_read_begin(&r->x)) == OK)
        e = read_entry(&r->x, id, a != NULL ? a : &own, &entry, &body);
    if (e == OK && raw != NULL)
        e = body == 0 ? ERR_NOTFOUND : body_load(sh, &r->x, body, SLICE(""), raw);
    index_read_end(&r->x);
    /* Compacted since the view began: the entry's body keeps its id. */
    if (e == ERR_CONFLICT && (e = body_load(sh, &r->x, body, SLICE(""), raw)) == ERR_CONFLICT) {
        log_error("store.body-lost", log_text("shard", sh->dir), log_id("entry", id));
        e = ERR_IO;
    }
    reader_put(sh, r);
    if (e == OK && out != NULL)
        *out = entry;
    return e;
}

enum error store_queue_get(struct store *s, uint64_t id, struct arena *a, struct queue_entry *out)
{
    return get_entry(queue_shard(s, id), id, a, out, NULL);
}

enum error store_queue_body(struct store *s, uint64_t id, struct store_body *out)
{
    return get_entry(queue_shard(s, id), id, NULL, NULL, out);
}

#define LIST_BATCH 256

static enum error next_ids(struct shard *sh, uint64_t after, uint64_t *ids, size_t *n)
{
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    sqlite3_stmt *st = index_use(&r->x, ST_QUEUE_IDS);
    if (st != NULL) {
        bind_u(st, 1, after);
        bind_i(st, 2, LIST_BATCH);
    }
    while (index_row(&r->x, st, &e) == 1)
        ids[(*n)++] = col_u(st, 0);
    reader_put(sh, r);
    return e;
}

static int id_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum error store_queue_list(struct store *s, uint64_t after,
                            bool (*entry)(void *arg, const struct queue_entry *e), void *arg)
{
    uint64_t *ids = mem_array((size_t)s->n_shards * LIST_BATCH, sizeof *ids);
    enum error e = OK;
    bool go_on = true;
    size_t n;
    struct arena a;
    arena_init(&a, (size_t)64 << 20);
    do {
        n = 0;
        for (unsigned i = 0; i < s->n_shards && e == OK; i++)
            e = next_ids(&s->shard[i], after, ids, &n);
        if (n > 1)
            qsort(ids, n, sizeof *ids, id_order);
        /* What comes after the first LIST_BATCH may have others of a full shard between. */
        for (size_t i = 0; i < n && i < LIST_BATCH && e == OK && go_on; i++) {
            struct queue_entry q;
            arena_reset(&a);
            after = ids[i];
            e = store_queue_get(s, ids[i], &a, &q);
            if (e == ERR_LIMIT || e == ERR_IO || e == ERR_BUG) {
                q = (struct queue_entry){.id = ids[i]};
                e = OK;
            }
            if (e == OK)
                go_on = entry(arg, &q);
            else if (e == ERR_NOTFOUND) /* it was forgotten meanwhile */
                e = OK;
        }
    } while (e == OK && go_on && n > 0);
    arena_free(&a);
    mem_free(ids);
    return e;
}

static enum error scan_shard(struct shard *sh, void (*row)(void *arg, const struct queue_row *r),
                             void *arg)
{
    struct reader *reader;
    enum error e = reader_get(sh, &reader);
    if (e != OK)
        return e;
    sqlite3_stmt *st = index_use(&reader->x, ST_QUEUE_SCAN);
    while (index_row(&reader->x, st, &e) == 1) {
        struct queue_row r = {.entry = col_u(st, 0),
                              .account = col_u(st, 1),
                              .created = col_i(st, 2),
                              .size = col_u(st, 3),
                              .sender = col_slice(st, 4),
                              .number = col_u32(st, 5),
                              .attempts = col_u32(st, 7),
                              .next_attempt = col_i(st, 8),
                              .address = col_slice(st, 9),
                              .notify = (uint8_t)col_i(st, 10),
                              .told = (uint8_t)col_i(st, 11)};
        r.state = read_state(col_i(st, 6), r.address);
        row(arg, &r);
    }
    reader_put(sh, reader);
    return e;
}

enum error store_queue_scan(struct store *s, void (*row)(void *arg, const struct queue_row *r),
                            void *arg)
{
    enum error e = OK;
    for (unsigned i = 0; i < s->n_shards && e == OK; i++)
        e = scan_shard(&s->shard[i], row, arg);
    return e;
}

/* --- Changing --- */

struct settle_job {
    struct job job;
    struct queue_change *c; /* of all shards */
    size_t n;
    int64_t now;
};

static enum error recipient_put(struct shard *sh, const struct queue_change *c)
{
    const struct queue_recipient *r = &c->recipient;
    sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_PUT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, c->entry);
    bind_u(st, 2, r->number);
    bind_i(st, 3, r->state);
    bind_u(st, 4, r->attempts);
    bind_i(st, 5, r->next_attempt);
    bind_blob(st, 6, r->last_answer);
    bind_u(st, 7, r->told);
    bind_blob(st, 8, r->trail);
    enum error e = txn_run(sh, st);
    return e == OK && sqlite3_changes(sh->w.db) == 0 ? ERR_NOTFOUND : e;
}

/* The body of an entry (0: it has lost it). False: there is no such entry, or it is finished (or
 * the transaction failed). */
static bool unfinished(struct shard *sh, uint64_t id, uint64_t *body)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_QUEUE_GET);
    if (st == NULL) {
        (void)txn_fail(sh, ERR_IO);
        return false;
    }
    bind_u(st, 1, id);
    bool found = txn_row(sh, st) == 1 && col_i(st, 8) == 0;
    if (found)
        *body = col_u(st, 7);
    index_reset(st);
    return found;
}

/* Nobody of the entry waits any more: its message is not needed. */
static enum error entry_finish(struct shard *sh, uint64_t id, int64_t now)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_OPEN);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    int open = txn_row(sh, st);
    index_reset(st);
    if (open != 0)
        return open < 0 ? sh->txn_error : OK;
    uint64_t body;
    if (!unfinished(sh, id, &body))
        return sh->txn_error;
    if ((st = index_use(&sh->w, ST_QUEUE_FINISH)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    bind_i(st, 2, now);
    enum error e = txn_run(sh, st);
    return e == OK ? body_count(sh, body, -1) : e;
}

static enum error run_settle(struct shard *sh, struct job *job)
{
    struct settle_job *j = (struct settle_job *)job;
    enum error e = OK;
    for (size_t i = 0; i < j->n && e == OK; i++) {
        struct queue_change *c = &j->c[i];
        if (queue_shard(sh->store, c->entry) != sh)
            continue;
        c->result = recipient_put(sh, c);
        e = sh->txn_error;
        bool last = i + 1 == j->n || j->c[i + 1].entry != c->entry;
        if (e == OK && last)
            e = entry_finish(sh, c->entry, j->now);
    }
    return e;
}

static bool shard_settles(struct store *s, const struct shard *sh, const struct queue_change *c,
                          size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (queue_shard(s, c[i].entry) == sh)
            return true;
    return false;
}

static enum error settle_piece(struct store *s, struct queue_change *c, size_t n)
{
    enum error result = OK;
    struct settle_job jobs[LIMIT_SHARDS];
    bool used[LIMIT_SHARDS];
    for (size_t i = 0; i < n; i++)
        c[i].result = ERR_NOTFOUND;
    for (unsigned i = 0; i < s->n_shards; i++) {
        used[i] = shard_settles(s, &s->shard[i], c, n);
        jobs[i] = (struct settle_job){.job.run = run_settle, .c = c, .n = n, .now = clock_wall()};
        if (used[i])
            job_submit(&s->shard[i], &jobs[i].job);
    }
    for (unsigned i = 0; i < s->n_shards; i++) {
        enum error e = used[i] ? job_wait(&jobs[i].job) : OK;
        for (size_t k = 0; k < n && e != OK; k++)
            if (queue_shard(s, c[k].entry) == &s->shard[i])
                c[k].result = e;
        if (result == OK)
            result = e;
    }
    return result;
}

enum error store_queue_settle(struct store *s, struct queue_change *c, size_t n)
{
    enum error result = OK;
    for (size_t at = 0; at < n; at += LIMIT_TXN_ROWS) {
        enum error e = settle_piece(s, c + at, n - at < LIMIT_TXN_ROWS ? n - at : LIMIT_TXN_ROWS);
        if (result == OK)
            result = e;
    }
    return result;
}

/* --- Forgetting --- */

struct forget_job {
    struct job job;
    int64_t before;
    size_t keep, max, n;
};

static enum error drop_rows(struct shard *sh, uint64_t id)
{
    static const enum statement which[] = {ST_RCPT_DROP, ST_QUEUE_DROP};
    enum error e = OK;
    for (size_t i = 0; i < 2 && e == OK; i++) {
        sqlite3_stmt *st = index_use(&sh->w, which[i]);
        if (st == NULL)
            return txn_fail(sh, ERR_IO);
        bind_u(st, 1, id);
        e = txn_run(sh, st);
    }
    return e;
}

static enum error run_forget_queue(struct shard *sh, struct job *job)
{
    struct forget_job *j = (struct forget_job *)job;
    uint64_t ids[256];
    size_t n = 0;
    j->n = 0;
    sqlite3_stmt *st = index_use(&sh->w, ST_QUEUE_FINISHED);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_i(st, 1, j->before);
    bind_u(st, 2, j->keep);
    bind_u(st, 3, j->max < 256 ? j->max : 256);
    while (txn_row(sh, st) == 1)
        ids[n++] = col_u(st, 0);
    enum error e = sh->txn_error;
    for (; j->n < n && e == OK; j->n++)
        e = drop_rows(sh, ids[j->n]);
    return e;
}

enum error store_queue_forget(struct store *s, int64_t before, size_t keep, size_t max, size_t *n)
{
    enum error e = OK;
    size_t done = 0;
    for (unsigned i = 0; i < s->n_shards && e == OK; i++) {
        struct forget_job j = {
            .job.run = run_forget_queue, .before = before, .keep = keep / s->n_shards};
        do {
            j.max = max - done;
            e = j.max > 0 ? job_do(&s->shard[i], &j.job) : OK;
            done += e == OK && j.max > 0 ? j.n : 0;
        } while (e == OK && j.max > 0 && j.n > 0);
    }
    if (e == OK)
        *n = done;
    return e;
}
