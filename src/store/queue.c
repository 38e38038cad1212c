/* The outbound queue's entries. An entry lives in the shard of the delivery that made it; its id
 * says which: the shard is in the low bits. */
#include "base/log.h"
#include "store/internal.h"

#define QUEUE_SHARD_BITS 6
_Static_assert(LIMIT_SHARDS <= 1 << QUEUE_SHARD_BITS, "a shard's number fits into a queue id");

enum { BIT_REQUIRE_TLS = 1, BIT_SMTPUTF8 = 2, BIT_EIGHT_BIT = 4 };

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
    return txn_run(sh, st);
}

enum error queue_insert(struct shard *sh, const struct queue_new *q)
{
    const struct queue_entry *e = q->entry;
    uint64_t id = sh->next_queue++ << QUEUE_SHARD_BITS | sh->number;
    int bits = (e->require_tls ? BIT_REQUIRE_TLS : 0) | (e->smtputf8 ? BIT_SMTPUTF8 : 0) |
               (e->eight_bit ? BIT_EIGHT_BIT : 0);
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
    bind_u(st, 8, q->size);
    bind_u(st, 9, q->body->id);
    enum error err = txn_run(sh, st);
    for (size_t i = 0; i < e->n_recipients && err == OK; i++)
        err = recipient_insert(sh, id, &e->recipients[i]);
    if (err == OK)
        q->body->uses++;
    return err;
}

/* --- Reading --- */

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
                                             .state = (enum queue_state)col_i(st, 4),
                                             .attempts = col_u32(st, 5),
                                             .next_attempt = col_i(st, 6),
                                             .last_answer = arena_dup(a, col_slice(st, 7))};
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
                                .smtputf8 = (bits & BIT_SMTPUTF8) != 0,
                                .eight_bit = (bits & BIT_EIGHT_BIT) != 0,
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
        e = body_load(sh, &r->x, body, SLICE(""), raw);
    index_read_end(&r->x);
    /* Compacted since the view began: the entry's body keeps its id. */
    if (e == ERR_CONFLICT && (e = body_load(sh, &r->x, body, SLICE(""), raw)) == ERR_CONFLICT) {
        log_error("store.body-lost", log_text("shard", sh->dir), log_u64("entry", id));
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
            if (e == OK)
                go_on = entry(arg, &q);
            else if (e == ERR_NOTFOUND) /* it left the queue meanwhile */
                e = OK;
        }
    } while (e == OK && go_on && n > 0);
    arena_free(&a);
    mem_free(ids);
    return e;
}

/* --- Changing --- */

struct queue_job {
    struct job job;
    uint64_t id;
    const struct queue_recipient *r;
    const uint32_t *numbers;
    size_t n;
};

static enum error run_update(struct shard *sh, struct job *job)
{
    struct queue_job *j = (struct queue_job *)job;
    sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_PUT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, j->id);
    bind_u(st, 2, j->r->number);
    bind_i(st, 3, j->r->state);
    bind_u(st, 4, j->r->attempts);
    bind_i(st, 5, j->r->next_attempt);
    bind_blob(st, 6, j->r->last_answer);
    enum error e = txn_run(sh, st);
    if (e == OK && sqlite3_changes(sh->w.db) == 0)
        e = ERR_NOTFOUND;
    return e;
}

enum error store_queue_update(struct store *s, uint64_t id, const struct queue_recipient *r)
{
    struct shard *sh = queue_shard(s, id);
    struct queue_job j = {.job.run = run_update, .id = id, .r = r};
    return sh == NULL ? ERR_NOTFOUND : job_do(sh, &j.job);
}

/* The body of an entry; 0: there is no such entry (or the transaction failed). */
static uint64_t entry_body(struct shard *sh, uint64_t id)
{
    uint64_t body = 0;
    sqlite3_stmt *st = index_use(&sh->w, ST_QUEUE_GET);
    if (st == NULL) {
        (void)txn_fail(sh, ERR_IO);
        return 0;
    }
    bind_u(st, 1, id);
    if (txn_row(sh, st) == 1)
        body = col_u(st, 7);
    index_reset(st);
    return body;
}

static enum error entry_drop(struct shard *sh, uint64_t id, uint64_t body)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_QUEUE_DROP);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    enum error e = txn_run(sh, st);
    return e == OK ? body_count(sh, body, -1) : e;
}

static enum error run_done(struct shard *sh, struct job *job)
{
    struct queue_job *j = (struct queue_job *)job;
    uint64_t body = entry_body(sh, j->id);
    if (body == 0)
        return sh->txn_error != OK ? sh->txn_error : ERR_NOTFOUND;
    for (size_t i = 0; i < j->n; i++) {
        sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_DROP);
        if (st == NULL)
            return txn_fail(sh, ERR_IO);
        bind_u(st, 1, j->id);
        bind_u(st, 2, j->numbers[i]);
        enum error e = txn_run(sh, st);
        if (e != OK)
            return e;
    }
    sqlite3_stmt *st = index_use(&sh->w, ST_RCPT_COUNT);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, j->id);
    if (txn_row(sh, st) != 1)
        return txn_fail(sh, ERR_IO);
    int64_t left = col_i(st, 0);
    index_reset(st);
    return left == 0 ? entry_drop(sh, j->id, body) : OK;
}

enum error store_queue_done(struct store *s, uint64_t id, const uint32_t *numbers, size_t n)
{
    struct shard *sh = queue_shard(s, id);
    struct queue_job j = {.job.run = run_done, .id = id, .numbers = numbers, .n = n};
    return sh == NULL ? ERR_NOTFOUND : job_do(sh, &j.job);
}
