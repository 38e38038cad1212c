/* Bodies: compressed and sealed on the caller's thread, found and opened again for readers. The few
 * bodies opened last that are big stay in memory for a moment, because mail programs fetch a big
 * message in many small pieces. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"
#include <zstd.h>

/* --- Compression contexts --- */

#define ZPOOL_CONTEXTS 4

struct zpool {
    pthread_mutex_t lock;
    pthread_cond_t free;
    unsigned used[2];
    unsigned n[2];
    void *at_rest[2][ZPOOL_CONTEXTS];
};
enum { COMPRESS, OPEN };

struct zpool *zpool_new(void)
{
    struct zpool *z = mem_alloc(sizeof *z);
    pthread_mutex_init(&z->lock, NULL);
    pthread_cond_init(&z->free, NULL);
    return z;
}

static void context_free(int kind, void *c)
{
    if (kind == COMPRESS)
        ZSTD_freeCCtx(c);
    else
        ZSTD_freeDCtx(c);
}

/* A context; waits when as many as may be are at work. */
static void *context_get(struct zpool *z, int kind)
{
    void *c = NULL;
    pthread_mutex_lock(&z->lock);
    while (z->used[kind] == ZPOOL_CONTEXTS)
        pthread_cond_wait(&z->free, &z->lock);
    z->used[kind]++;
    if (z->n[kind] > 0)
        c = z->at_rest[kind][--z->n[kind]];
    pthread_mutex_unlock(&z->lock);
    if (c == NULL)
        c = kind == COMPRESS ? (void *)ZSTD_createCCtx() : (void *)ZSTD_createDCtx();
    if (c == NULL)
        die("no memory for a compression context");
    return c;
}

static void context_put(struct zpool *z, int kind, void *c)
{
    pthread_mutex_lock(&z->lock);
    z->at_rest[kind][z->n[kind]++] = c;
    z->used[kind]--;
    pthread_cond_broadcast(&z->free);
    pthread_mutex_unlock(&z->lock);
}

void zpool_tend(struct zpool *z)
{
    for (int kind = COMPRESS; kind <= OPEN; kind++) {
        pthread_mutex_lock(&z->lock);
        while (z->n[kind] > 0)
            context_free(kind, z->at_rest[kind][--z->n[kind]]);
        pthread_mutex_unlock(&z->lock);
    }
}

void zpool_free(struct zpool *z)
{
    zpool_tend(z);
    pthread_mutex_destroy(&z->lock);
    pthread_cond_destroy(&z->free);
    mem_free(z);
}

/* --- Writing --- */

#define COMPRESS_LEVEL 3
#define COMPRESS_MIN   256

enum error body_prepare(struct store *s, struct slice raw, bool compress, struct new_body *out)
{
    *out = (struct new_body){0};
    if (raw.n > UINT32_MAX / 2)
        return ERR_LIMIT;
    /* It must save an eighth, else the bytes are kept as they are. */
    size_t room = compress && raw.n >= COMPRESS_MIN ? raw.n - raw.n / 8 : 0, stored = 0;
    uint8_t *p = mem_resize(NULL, RECORD_HEADER + (room > raw.n ? room : raw.n), 1);
    if (room > 0) {
        ZSTD_CCtx *c = context_get(s->zpool, COMPRESS);
        stored = ZSTD_compressCCtx(c, p + RECORD_HEADER, room, raw.p, raw.n, COMPRESS_LEVEL);
        context_put(s->zpool, COMPRESS, c);
    }
    bool pays = room > 0 && !ZSTD_isError(stored);
    if (!pays) {
        stored = raw.n;
        if (raw.n > 0)
            memcpy(p + RECORD_HEADER, raw.p, raw.n);
    }
    record_seal(p, pays ? CODEC_ZSTD : CODEC_RAW, (uint32_t)stored, (uint32_t)raw.n);
    out->record = (struct body_record){p, RECORD_HEADER + stored, (uint32_t)raw.n};
    return OK;
}

void body_discard(struct new_body *b)
{
    mem_free(b->record.p);
    b->record.p = NULL;
}

enum error segment_live(struct shard *sh, uint32_t segment, int64_t by)
{
    sqlite3_stmt *st = index_use(&sh->w, ST_SEG_LIVE);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, segment);
    bind_i(st, 2, by);
    return txn_run(sh, st);
}

enum error body_insert(struct shard *sh, struct new_body *b)
{
    if (b->uses == 0)
        return OK;
    sqlite3_stmt *st = index_use(&sh->w, ST_BODY_ADD);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, b->id);
    bind_u(st, 2, b->place.segment);
    bind_u(st, 3, b->place.offset);
    bind_u(st, 4, b->place.length);
    bind_u(st, 5, b->uses);
    enum error e = txn_run(sh, st);
    if (e != OK || b->place.segment > 0)
        return e == OK ? segment_live(sh, b->place.segment, b->place.length) : e;
    if ((st = index_use(&sh->w, ST_SMALL_ADD)) == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, b->id);
    bind_blob(st, 2, slice_of(b->record.p, b->record.n));
    return txn_run(sh, st);
}

static enum error drop(struct shard *sh, uint64_t id, enum statement which)
{
    sqlite3_stmt *st = index_use(&sh->w, which);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    return txn_run(sh, st);
}

enum error body_count(struct shard *sh, uint64_t id, int by)
{
    if (id == 0)
        return OK;
    sqlite3_stmt *st = index_use(&sh->w, ST_BODY_GET);
    if (st == NULL)
        return txn_fail(sh, ERR_IO);
    bind_u(st, 1, id);
    int r = txn_row(sh, st);
    if (r <= 0) /* a row without its body is the business of store_check */
        return r < 0 ? sh->txn_error : OK;
    uint32_t segment = col_u32(st, 0), length = col_u32(st, 2);
    int64_t refs = col_i(st, 3) + by;
    index_reset(st);
    if (refs > 0) {
        if ((st = index_use(&sh->w, ST_BODY_REFS)) == NULL)
            return txn_fail(sh, ERR_IO);
        bind_u(st, 1, id);
        bind_i(st, 2, refs);
        return txn_run(sh, st);
    }
    enum error e = drop(sh, id, ST_BODY_DROP);
    if (e != OK)
        return e;
    return segment > 0 ? segment_live(sh, segment, -(int64_t)length) : drop(sh, id, ST_SMALL_DROP);
}

/* --- Reading --- */

struct held_body {
    atomic_uint refs;
    size_t n;
    uint8_t bytes[];
};

static struct held_body *held_new(size_t n)
{
    struct held_body *h = mem_resize(NULL, sizeof *h + n, 1);
    atomic_init(&h->refs, 1);
    h->n = n;
    return h;
}

static void held_unref(struct held_body *h)
{
    if (h != NULL && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
        mem_free(h);
}

void store_body_free(struct store_body *b)
{
    held_unref(b->owner);
    *b = (struct store_body){0};
}

#define CACHE_SLOTS 8

struct body_cache {
    pthread_mutex_t lock;
    struct {
        unsigned shard;
        uint64_t id;
        struct slice prefix; /* in `body` */
        struct held_body *body;
        int64_t used_ms;
    } slot[CACHE_SLOTS];
};

struct body_cache *body_cache_new(void)
{
    struct body_cache *c = mem_alloc(sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void body_cache_tend(struct body_cache *c, int64_t now_ms)
{
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (c->slot[i].body != NULL && now_ms - c->slot[i].used_ms >= LIMIT_BODY_CACHE_MS) {
            held_unref(c->slot[i].body);
            c->slot[i].body = NULL;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

void body_cache_free(struct body_cache *c)
{
    body_cache_tend(c, INT64_MAX);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static struct held_body *cache_find(struct body_cache *c, unsigned shard, uint64_t id,
                                    struct slice prefix)
{
    struct held_body *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CACHE_SLOTS && found == NULL; i++) {
        if (c->slot[i].body == NULL || c->slot[i].shard != shard || c->slot[i].id != id ||
            !slice_eq(c->slot[i].prefix, prefix))
            continue;
        found = c->slot[i].body;
        atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
        c->slot[i].used_ms = clock_ms();
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

static void cache_drop(struct body_cache *c, size_t at)
{
    held_unref(c->slot[at].body);
    c->slot[at].body = NULL;
}

/* The slot used longest ago; an empty one counts as the oldest unless `full`. */
static size_t cache_oldest(const struct body_cache *c, bool full, size_t *total)
{
    size_t oldest = CACHE_SLOTS;
    *total = 0;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (c->slot[i].body != NULL)
            *total += c->slot[i].body->n;
        else if (!full)
            return i;
        if (c->slot[i].body != NULL &&
            (oldest == CACHE_SLOTS || c->slot[i].used_ms < c->slot[oldest].used_ms))
            oldest = i;
    }
    return oldest;
}

static void cache_keep(struct body_cache *c, unsigned shard, uint64_t id, size_t prefix,
                       struct held_body *h)
{
    size_t total;
    if (h->n < LIMIT_BODY_CACHE_MIN || h->n > LIMIT_BODY_CACHE)
        return;
    pthread_mutex_lock(&c->lock);
    size_t at = cache_oldest(c, true, &total);
    while (at < CACHE_SLOTS && total + h->n > LIMIT_BODY_CACHE) {
        cache_drop(c, at);
        at = cache_oldest(c, true, &total);
    }
    at = cache_oldest(c, false, &total);
    cache_drop(c, at);
    c->slot[at].shard = shard;
    c->slot[at].id = id;
    c->slot[at].prefix = slice_of(h->bytes, prefix);
    c->slot[at].body = h;
    c->slot[at].used_ms = clock_ms();
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&c->lock);
}

static enum error record_open(struct store *s, struct slice record, struct slice prefix,
                              struct held_body **out)
{
    struct record_head head;
    if (record_check(record, &head) != OK)
        return ERR_INPUT;
    struct held_body *h = held_new(prefix.n + head.raw);
    if (prefix.n > 0)
        memcpy(h->bytes, prefix.p, prefix.n);
    struct slice stored = slice_from(record, RECORD_HEADER);
    size_t got = stored.n;
    if (head.codec == CODEC_RAW) {
        if (stored.n > 0)
            memcpy(h->bytes + prefix.n, stored.p, stored.n);
    } else {
        ZSTD_DCtx *c = context_get(s->zpool, OPEN);
        got = ZSTD_decompressDCtx(c, h->bytes + prefix.n, head.raw, stored.p, stored.n);
        context_put(s->zpool, OPEN, c);
    }
    if (got != head.raw) {
        held_unref(h);
        return ERR_INPUT;
    }
    *out = h;
    return OK;
}

static enum error load_record(struct shard *sh, struct index *x, uint64_t id, uint8_t **record,
                              size_t *n)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, ST_BODY_GET);
    if (st == NULL)
        return ERR_IO;
    bind_u(st, 1, id);
    int r = index_row(x, st, &e);
    if (r <= 0)
        return r < 0 ? e : ERR_NOTFOUND;
    struct body_place place = {
        .segment = col_u32(st, 0), .offset = col_u(st, 1), .length = col_u32(st, 2)};
    index_reset(st);
    *n = place.length;
    *record = mem_resize(NULL, place.length, 1);
    if (place.segment > 0) {
        e = segment_read(&sh->log, &place, *record);
        return e == ERR_NOTFOUND ? ERR_CONFLICT : e;
    }
    if ((st = index_use(x, ST_SMALL_GET)) == NULL)
        return ERR_IO;
    bind_u(st, 1, id);
    r = index_row(x, st, &e);
    if (r <= 0)
        return r < 0 ? e : ERR_INPUT;
    struct slice data = col_slice(st, 0);
    e = data.n == place.length ? OK : ERR_INPUT;
    if (e == OK)
        memcpy(*record, data.p, data.n);
    index_reset(st);
    return e;
}

enum error body_load(struct shard *sh, struct index *x, uint64_t id, struct slice prefix,
                     struct store_body *out)
{
    struct store *s = sh->store;
    struct held_body *h = cache_find(s->cache, sh->number, id, prefix);
    if (h == NULL) {
        uint8_t *record = NULL;
        size_t n = 0;
        enum error e = load_record(sh, x, id, &record, &n);
        if (e == OK)
            e = record_open(s, slice_of(record, n), prefix, &h);
        mem_free(record);
        if (e == ERR_CONFLICT || e == ERR_AGAIN)
            return e;
        if (e != OK) {
            log_error("store.body-damaged", log_text("shard", sh->dir), log_u64("body", id),
                      log_text("reason", error_name(e)));
            return e == ERR_INPUT || e == ERR_NOTFOUND ? ERR_IO : e;
        }
        cache_keep(s->cache, sh->number, id, prefix.n, h);
    }
    *out = (struct store_body){slice_of(h->bytes, h->n), h};
    return OK;
}

enum error body_verify(struct shard *sh, struct index *x, uint64_t id)
{
    struct held_body *h = NULL;
    uint8_t *record = NULL;
    size_t n = 0;
    enum error e = load_record(sh, x, id, &record, &n);
    if (e == OK)
        e = record_open(sh->store, slice_of(record, n), SLICE(""), &h);
    held_unref(h);
    mem_free(record);
    return e;
}
