/* A shard: its folder, its index and log, and the pool of connections for reading. */
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"
#include "store/schema.h"
#include <errno.h>
#include <sys/stat.h>

struct shard *store_shard(struct store *s, uint64_t account)
{
    /* Stable for ever: it says where an account's data is. */
    uint64_t h = account;
    h ^= h >> 30;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    h ^= h >> 27;
    h *= UINT64_C(0x94D049BB133111EB);
    h ^= h >> 31;
    return &s->shard[h % s->n_shards];
}

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = mem_alloc(n);
    snprintf(p, n, "%s/%s", dir, name);
    return p;
}

static enum error one_number(struct index *x, enum statement which, int column, uint64_t *out)
{
    enum error e = OK;
    sqlite3_stmt *st = index_use(x, which);
    int r = index_row(x, st, &e);
    if (r == 1)
        *out = col_u(st, column);
    index_reset(st);
    return e;
}

/* Where the log goes on: behind the last record that the index knows. */
static enum error open_tail(struct shard *sh)
{
    uint32_t number = 1;
    uint64_t end = 0;
    enum error e = OK;
    sqlite3_stmt *st = index_use(&sh->w, ST_BODY_LAST);
    if (index_row(&sh->w, st, &e) == 1) {
        number = col_u32(st, 1);
        end = col_u(st, 2);
        index_reset(st);
    }
    return e == OK ? segment_open_tail(&sh->log, number, end) : e;
}

static enum error open_writer(struct shard *sh)
{
    uint64_t bodies = 0, boxes = 0, queue = 0;
    enum error e = index_open(&sh->w, sh->index_path, INDEX_WRITER);
    if (e == OK)
        e = schema_prepare(&sh->w, sh->index_path);
    if (e == OK)
        e = one_number(&sh->w, ST_COUNT_BODIES, 1, &bodies);
    if (e == OK)
        e = one_number(&sh->w, ST_BOX_MAX, 0, &boxes);
    if (e == OK)
        e = one_number(&sh->w, ST_QUEUE_LAST, 0, &queue);
    if (e == OK)
        e = open_tail(sh);
    if (e == OK)
        e = segments_sweep(sh);
    if (e != OK)
        return e;
    sh->next_body = bodies + 1;
    sh->next_num = (uint32_t)boxes + 1;
    sh->next_queue = (queue >> 6) + 1;
    return committer_start(sh);
}

static void shard_init(struct store *s, unsigned number, struct shard *sh)
{
    char name[32];
    *sh = (struct shard){.store = s, .number = number};
    snprintf(name, sizeof name, "shard-%02u", number);
    sh->dir = join(s->dir, name);
    sh->index_path = join(sh->dir, "index.db");
    sh->tail = &sh->head;
    pthread_mutex_init(&sh->qlock, NULL);
    pthread_cond_init(&sh->qcond, NULL);
    pthread_mutex_init(&sh->lock, NULL);
    pthread_cond_init(&sh->loaded, NULL);
    pthread_mutex_init(&sh->rlock, NULL);
    pthread_cond_init(&sh->rcond, NULL);
    segment_init(&sh->log, sh->dir);
}

enum error shard_open(struct store *s, unsigned number, struct shard *sh)
{
    shard_init(s, number, sh);
    if (!s->read_only) {
        if (mkdir(sh->dir, 0700) != 0 && errno != EEXIST) {
            log_error("store.open-failed", log_text("dir", sh->dir),
                      log_text("reason", strerror(errno)));
            return errno == ENOSPC ? ERR_FULL : ERR_IO;
        }
        return open_writer(sh);
    }
    struct reader *r;
    enum error e = reader_get(sh, &r);
    if (e != OK)
        return e;
    e = schema_check(&r->x, sh->index_path);
    reader_put(sh, r);
    return e;
}

void shard_close(struct shard *sh)
{
    committer_stop(sh);
    accounts_tend(sh, 0, true);
    readers_tend(sh, 0, true);
    index_close(&sh->w);
    segment_close(&sh->log);
    pthread_mutex_destroy(&sh->qlock);
    pthread_cond_destroy(&sh->qcond);
    pthread_mutex_destroy(&sh->lock);
    pthread_cond_destroy(&sh->loaded);
    pthread_mutex_destroy(&sh->rlock);
    pthread_cond_destroy(&sh->rcond);
    mem_free(sh->damaged.v);
    mem_free(sh->dir);
    mem_free(sh->index_path);
}

/* --- Connections for reading --- */

enum error reader_get(struct shard *sh, struct reader **out)
{
    pthread_mutex_lock(&sh->rlock);
    while (sh->readers == NULL && sh->n_readers >= LIMIT_STORE_READERS)
        pthread_cond_wait(&sh->rcond, &sh->rlock);
    struct reader *r = sh->readers;
    if (r != NULL)
        sh->readers = r->next;
    else
        sh->n_readers++;
    pthread_mutex_unlock(&sh->rlock);
    if (r == NULL) {
        r = mem_alloc(sizeof *r);
        enum error e =
            index_open(&r->x, sh->index_path, sh->store->read_only ? INDEX_BESIDE : INDEX_READER);
        if (e != OK) {
            mem_free(r);
            pthread_mutex_lock(&sh->rlock);
            sh->n_readers--;
            pthread_cond_signal(&sh->rcond);
            pthread_mutex_unlock(&sh->rlock);
            return e;
        }
    }
    *out = r;
    return OK;
}

void reader_put(struct shard *sh, struct reader *r)
{
    r->used_ms = clock_ms();
    pthread_mutex_lock(&sh->rlock);
    r->next = sh->readers;
    sh->readers = r;
    pthread_cond_signal(&sh->rcond);
    pthread_mutex_unlock(&sh->rlock);
}

void readers_tend(struct shard *sh, int64_t now_ms, bool all)
{
    struct reader *old = NULL;
    pthread_mutex_lock(&sh->rlock);
    for (struct reader **at = &sh->readers; *at != NULL;) {
        struct reader *r = *at;
        if (!all && now_ms - r->used_ms < LIMIT_READER_IDLE_MS) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->next = old;
        old = r;
        sh->n_readers--;
    }
    pthread_mutex_unlock(&sh->rlock);
    while (old != NULL) {
        struct reader *r = old;
        old = r->next;
        index_close(&r->x);
        mem_free(r);
    }
}
