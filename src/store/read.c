/* Reading: snapshots from the index, rows for listings, bodies, and what was expunged. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

/* --- Snapshots --- */

static enum error build_snapshot(struct shard *sh, uint32_t num, struct snapshot_builder **out,
                                 struct snapshot_info *info)
{
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    struct snapshot_builder *b = snapshot_builder_new();
    sqlite3_stmt *st = NULL;
    int row = -1;
    if ((e = index_read_begin(&r->x)) == OK && (st = index_use(&r->x, ST_BOX_COUNTS)) != NULL) {
        bind_u(st, 1, num);
        row = index_row(&r->x, st, &e);
    }
    if (row == 1) {
        info->uid_next = col_u32(st, 0);
        info->modseq = col_u(st, 1);
        index_reset(st);
        st = index_use(&r->x, ST_MSG_ENTRIES);
        if (st != NULL) {
            bind_i(st, 1, row_key(num, 0));
            bind_i(st, 2, row_key(num, UINT32_MAX));
        }
        while ((row = index_row(&r->x, st, &e)) == 1) {
            struct snapshot_entry entry = {row_uid(col_i(st, 0)), col_u32(st, 3), col_u(st, 1),
                                           col_u(st, 2)};
            snapshot_builder_add(b, &entry);
        }
    } else if (row == 0) {
        e = ERR_NOTFOUND;
    }
    index_read_end(&r->x);
    reader_put(sh, r);
    if (e == OK && row < 0)
        e = ERR_IO;
    if (e == OK)
        *out = b;
    else
        snapshot_builder_drop(b);
    return e;
}

/* Under the lock: what was read, and what was committed meanwhile, becomes the snapshot. */
static void install(struct pub_box *p, struct snapshot_builder *b, struct snapshot_info *info)
{
    if (p->m.uid_next > info->uid_next)
        info->uid_next = p->m.uid_next;
    if (p->m.modseq > info->modseq)
        info->modseq = p->m.modseq;
    info->uid_validity = p->m.uid_validity;
    struct snapshot *s = snapshot_builder_done(b, info);
    if (p->n_pending > 0) {
        qsort(p->pending, p->n_pending, sizeof p->pending[0], delta_order);
        struct snapshot *next = snapshot_apply(s, p->pending, p->n_pending, info);
        snapshot_unref(s);
        s = next;
    }
    snapshot_unref(p->snap);
    p->snap = s;
}

static void end_loading(struct shard *sh, struct pub_box *p)
{
    if (p != NULL) {
        p->loading = false;
        mem_free(p->pending);
        p->pending = NULL;
        p->n_pending = p->cap_pending = 0;
    }
    pthread_cond_broadcast(&sh->loaded);
}

/* With the lock held; gives it back while it reads. */
static enum error load_snapshot(struct account *a, uint32_t mailbox)
{
    struct shard *sh = a->shard;
    struct pub_box *p = pub_find(a, mailbox);
    if (p == NULL)
        return ERR_NOTFOUND;
    struct snapshot_builder *b = NULL;
    struct snapshot_info info = {.account = a->id, .mailbox = mailbox};
    uint32_t num = p->num;
    p->loading = true;
    pthread_mutex_unlock(&sh->lock);
    enum error e = build_snapshot(sh, num, &b, &info);
    pthread_mutex_lock(&sh->lock);
    p = pub_find(a, mailbox);
    if (e == OK && p != NULL)
        install(p, b, &info);
    else
        snapshot_builder_drop(b);
    end_loading(sh, p);
    return p == NULL ? ERR_NOTFOUND : e;
}

enum error account_snapshot(struct account *a, uint32_t mailbox)
{
    struct pub_box *p = pub_find(a, mailbox);
    while (p != NULL && p->snap == NULL && p->loading) {
        pthread_cond_wait(&a->shard->loaded, &a->shard->lock);
        p = pub_find(a, mailbox);
    }
    if (p == NULL)
        return ERR_NOTFOUND;
    return p->snap == NULL || a->shard->store->read_only ? load_snapshot(a, mailbox) : OK;
}

enum error store_snapshot(struct store *s, uint64_t account, uint32_t mailbox,
                          struct snapshot **out)
{
    struct shard *sh = store_shard(s, account);
    struct account *a = account_get(sh, account);
    enum error e = account_published(a);
    if (e != OK) {
        account_put(a);
        return e;
    }
    e = account_snapshot(a, mailbox);
    struct pub_box *p = pub_find(a, mailbox);
    if (e == OK && p != NULL && p->snap != NULL) {
        p->snap_used_ms = clock_ms();
        *out = snapshot_ref(p->snap);
    } else if (e == OK)
        e = ERR_NOTFOUND;
    pthread_mutex_unlock(&sh->lock);
    account_put(a);
    return e;
}

/* The mailbox's number in the shard. */
static enum error box_number(struct store *s, uint64_t account, uint32_t mailbox, uint32_t *num,
                             uint64_t *floor)
{
    struct shard *sh = store_shard(s, account);
    struct account *a = account_get(sh, account);
    enum error e = account_published(a);
    if (e == OK) {
        struct pub_box *p = pub_find(a, mailbox);
        if (p == NULL)
            e = ERR_NOTFOUND;
        else {
            *num = p->num;
            *floor = p->floor;
        }
        pthread_mutex_unlock(&sh->lock);
    }
    account_put(a);
    return e;
}

/* --- Rows --- */

#define FIELDS_META (FIELD_ENVELOPE | FIELD_STRUCTURE | FIELD_TEXTS | FIELD_SHAPE)
#define READ_ROWS   512 /* in one batch */

struct batch {
    struct store_row *row;
    size_t n, cap;
    struct buf bytes; /* what the rows' slices point into */
};

/* Copies a slice into the batch; its place is given as an offset until the batch is complete. */
static void keep(struct batch *b, struct slice *s)
{
    size_t at = b->bytes.n;
    buf_add(&b->bytes, *s);
    s->p = (const uint8_t *)(uintptr_t)at;
}

static void settle(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct store_row *r = &b->row[i];
        struct slice *const all[] = {&r->envelope,   &r->structure, &r->message_id, &r->in_reply_to,
                                     &r->references, &r->subject,   &r->from,       &r->preview};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            all[k]->p = all[k]->n > 0 ? b->bytes.p + (uintptr_t)all[k]->p : (const uint8_t *)"";
    }
}

static enum error take_meta(struct batch *b, struct store_row *r, struct slice data,
                            unsigned fields)
{
    struct meta m;
    if (meta_decode(data, &m) != OK)
        return ERR_IO;
    if (fields & FIELD_ENVELOPE) {
        r->envelope = m.envelope;
        keep(b, &r->envelope);
    }
    if (fields & FIELD_STRUCTURE) {
        r->structure = m.structure;
        keep(b, &r->structure);
    }
    if (fields & FIELD_TEXTS) {
        struct slice *const to[] = {&r->message_id, &r->in_reply_to, &r->references,
                                    &r->subject,    &r->from,        &r->preview};
        const struct slice from[] = {m.message_id, m.in_reply_to, m.references,
                                     m.subject,    m.from,        m.preview};
        for (size_t k = 0; k < sizeof to / sizeof to[0]; k++) {
            *to[k] = from[k];
            keep(b, to[k]);
        }
    }
    if (fields & FIELD_SHAPE) {
        r->header_size = m.header_size;
        r->lines = m.lines;
        r->has_attachment = m.has_attachment;
    }
    return OK;
}

static enum error take_row(struct batch *b, sqlite3_stmt *st, unsigned fields, bool with_meta)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 4 : 8;
        b->row = mem_resize(b->row, b->cap, sizeof *b->row);
    }
    struct store_row *r = &b->row[b->n];
    *r = (struct store_row){.uid = row_uid(col_i(st, 0)), .size = col_u32(st, 1)};
    if (fields & FIELD_IDS) {
        r->email_id = col_u(st, 2);
        r->thread_id = col_u(st, 3);
    }
    if (fields & FIELD_DATES) {
        r->internal_date = col_i(st, 4);
        r->internal_zone = (int16_t)col_i(st, 5);
        r->save_date = col_i(st, 6);
        r->sent = col_i(st, 7);
    }
    enum error e = with_meta ? take_meta(b, r, col_slice(st, 8), fields) : OK;
    if (e == OK)
        b->n++;
    return e;
}

/* Fills the batch from uid `*from` of the range on; *from becomes where the next one begins, 0 when
 * the range is done. */
static enum error fill(struct index *x, struct batch *b, uint32_t num,
                       const struct uid_range *range, uint32_t *from, unsigned fields)
{
    bool with_meta = (fields & FIELDS_META) != 0;
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, with_meta ? ST_MSG_FULL : ST_MSG_THIN);
    if (st == NULL)
        return ERR_IO;
    bind_i(st, 1, row_key(num, *from));
    bind_i(st, 2, row_key(num, range->last));
    *from = 0;
    while (index_row(x, st, &e) == 1) {
        e = take_row(b, st, fields, with_meta);
        uint32_t uid = row_uid(col_i(st, 0));
        if (e == OK && b->n < READ_ROWS && b->bytes.n < LIMIT_READ_BATCH)
            continue;
        if (uid < range->last)
            *from = uid + 1;
        index_reset(st);
        break;
    }
    return e;
}

struct walk_ranges {
    const struct uid_range *range;
    size_t n, at;
    uint32_t from; /* 0: the start of range `at` */
};

/* One batch, filled from as many ranges as fit. */
static enum error next_batch(struct shard *sh, uint32_t num, struct walk_ranges *w, unsigned fields,
                             struct batch *b)
{
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    b->n = 0;
    buf_reset(&b->bytes);
    /* One transaction for all ranges of the batch: beginning one costs more than a row. */
    e = index_read_begin(&r->x);
    while (e == OK && w->at < w->n && b->n < READ_ROWS && b->bytes.n < LIMIT_READ_BATCH) {
        const struct uid_range *range = &w->range[w->at];
        if (w->from == 0)
            w->from = range->first;
        e = fill(&r->x, b, num, range, &w->from, fields);
        if (w->from == 0)
            w->at++;
    }
    index_read_end(&r->x);
    reader_put(sh, r);
    if (e == OK)
        e = buf_check(&b->bytes);
    settle(b);
    return e;
}

enum error store_read(struct store *s, uint64_t account, uint32_t mailbox,
                      const struct uid_range *ranges, size_t n, unsigned fields,
                      bool (*row)(void *arg, const struct store_row *r), void *arg)
{
    uint32_t num;
    uint64_t floor;
    enum error e = box_number(s, account, mailbox, &num, &floor);
    if (e != OK)
        return e;
    struct walk_ranges w = {ranges, n, 0, 0};
    /* Room for a batch and the biggest row that may come last. */
    struct batch b = {.bytes = BUF_INIT(LIMIT_READ_BATCH + LIMIT_META)};
    bool go_on = true;
    while (e == OK && go_on && w.at < w.n) {
        e = next_batch(store_shard(s, account), num, &w, fields, &b);
        for (size_t i = 0; e == OK && go_on && i < b.n; i++)
            go_on = row(arg, &b.row[i]);
    }
    buf_free(&b.bytes);
    mem_free(b.row);
    return e;
}

/* --- Bodies --- */

/* In one view of the index for all its tables. ERR_CONFLICT as body_load. */
static enum error body_at(struct shard *sh, struct reader *r, int64_t key, struct store_body *out)
{
    enum error e;
    int row = -1;
    sqlite3_stmt *st = NULL;
    if ((e = index_read_begin(&r->x)) == OK && (st = index_use(&r->x, ST_MSG_BODY)) != NULL) {
        bind_i(st, 1, key);
        row = index_row(&r->x, st, &e);
    }
    if (row == 1) {
        struct meta m;
        e = meta_decode(col_slice(st, 1), &m) == OK ? OK : ERR_IO;
        if (e == OK)
            e = body_load(sh, &r->x, col_u(st, 0), m.prefix, out);
        index_reset(st);
    } else if (e == OK) {
        e = row == 0 ? ERR_NOTFOUND : ERR_IO;
    }
    index_read_end(&r->x);
    return e;
}

enum error store_body(struct store *s, uint64_t account, uint32_t mailbox, uint32_t uid,
                      struct store_body *out)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    uint32_t num;
    uint64_t floor;
    enum error e = box_number(s, account, mailbox, &num, &floor);
    if (e == OK)
        e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = body_at(sh, r, row_key(num, uid), out);
    if (e == ERR_CONFLICT) /* compacted since the view began */
        e = body_at(sh, r, row_key(num, uid), out);
    reader_put(sh, r);
    if (e != ERR_CONFLICT)
        return e;
    log_error("store.body-lost", log_text("shard", sh->dir), log_u64("account", account),
              log_u64("mailbox", mailbox), log_u64("uid", uid));
    return ERR_IO;
}

/* --- Expunged --- */

enum error store_vanished(struct store *s, uint64_t account, uint32_t mailbox, uint64_t since,
                          struct arena *a, struct uid_range **out, size_t *n)
{
    struct shard *sh = store_shard(s, account);
    struct reader *r;
    struct uid_list uids = {0};
    uint32_t num;
    uint64_t floor;
    enum error e = box_number(s, account, mailbox, &num, &floor);
    if (e == OK && since < floor)
        e = ERR_AGAIN;
    if (e == OK)
        e = reader_get(sh, &r);
    if (e != OK)
        return e;
    sqlite3_stmt *st = index_use(&r->x, ST_EXP_SINCE);
    if (st != NULL) {
        bind_u(st, 1, num);
        bind_u(st, 2, since);
    }
    while (index_row(&r->x, st, &e) == 1)
        uid_list_add(&uids, row_uid(col_i(st, 0)));
    reader_put(sh, r);
    if (e != OK) {
        mem_free(uids.v);
        return e;
    }
    return uid_list_ranges(&uids, a, out, n);
}
