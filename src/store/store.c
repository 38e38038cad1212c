/* Opening, closing and house-keeping of the embedded store. */
#include "base/clock.h"
#include "base/cursor.h"
#include "base/log.h"
#include "store/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_NAME "format"

static pthread_once_t sqlite_is_set_up = PTHREAD_ONCE_INIT;

static void *failed_open(const char *dir, const char *what)
{
    log_error("store.open-failed", log_text("dir", dir), log_text("what", what),
              log_text("reason", strerror(errno)));
    return NULL;
}

/* The store's own file: "depesche-store 1\nshards N\n". It is written once, when the store is
 * made. */
static enum error format_parse(struct slice text, unsigned *shards)
{
    struct slice line;
    uint32_t n;
    if (!slice_line(&text, &line) || !slice_eq(line, SLICE("depesche-store 1")) ||
        !slice_line(&text, &line) || !slice_starts(line, SLICE("shards ")) ||
        parse_u32(slice_from(line, 7), LIMIT_SHARDS, &n) != OK || n == 0)
        return ERR_CONFLICT;
    *shards = n;
    return OK;
}

static enum error format_write(int dir, unsigned shards)
{
    char text[64];
    int n = snprintf(text, sizeof text, "depesche-store 1\nshards %u\n", shards);
    autofd fd = openat(dir, FORMAT_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    ssize_t done = write(fd, text, (size_t)n);
    if (done != n)
        return done >= 0 || errno == ENOSPC ? ERR_FULL : ERR_IO;
    if (fsync(fd) != 0 || renameat(dir, FORMAT_NAME ".new", dir, FORMAT_NAME) != 0 ||
        fsync(dir) != 0)
        return ERR_IO;
    return OK;
}

static enum error format_read(int dir, unsigned *shards)
{
    char text[64];
    autofd fd = openat(dir, FORMAT_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    ssize_t n = read(fd, text, sizeof text);
    return n < 0 ? ERR_IO : format_parse(slice_of(text, (size_t)n), shards);
}

static enum error lock_dir(struct store *s, int dir)
{
    s->lock_fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        failed_open(s->dir, "lock");
        return errno == ENOSPC ? ERR_FULL : ERR_IO;
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        log_error("store.in-use", log_text("dir", s->dir));
        return ERR_CONFLICT;
    }
    return OK;
}

static enum error open_dir(struct store *s, const struct store_options *o)
{
    if (!o->read_only && mkdir(o->dir, 0700) != 0 && errno != EEXIST) {
        failed_open(o->dir, "directory");
        return errno == ENOSPC ? ERR_FULL : ERR_IO;
    }
    autofd dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        failed_open(o->dir, "directory");
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    }
    enum error e = o->read_only ? OK : lock_dir(s, dir);
    if (e != OK)
        return e;
    e = format_read(dir, &s->n_shards);
    if (e == ERR_NOTFOUND && !o->read_only) {
        s->n_shards = o->shards > 0 ? o->shards : 1;
        e = s->n_shards > LIMIT_SHARDS ? ERR_LIMIT : format_write(dir, s->n_shards);
    }
    if (e == ERR_CONFLICT)
        log_error("store.unknown-format", log_text("dir", o->dir));
    return e;
}

enum error store_open(const struct store_options *o, struct store **out)
{
    pthread_once(&sqlite_is_set_up, index_setup);
    struct store *s = mem_alloc(sizeof *s);
    s->dir = mem_strdup(o->dir);
    s->read_only = o->read_only;
    s->undelete_days = o->undelete_days == 0 ? 14 : o->undelete_days;
    s->lock_fd = -1;
    s->view_limit = LIMIT_VIEW_BYTES;
    s->zpool = zpool_new();
    s->cache = body_cache_new();
    pthread_mutex_init(&s->watch_lock, NULL);
    enum error e = open_dir(s, o);
    unsigned wanted = e == OK ? s->n_shards : 0;
    s->n_shards = 0;
    s->shard = mem_array(wanted, sizeof *s->shard);
    while (s->n_shards < wanted && e == OK) {
        e = shard_open(s, s->n_shards, &s->shard[s->n_shards]);
        s->n_shards++;
    }
    if (e != OK)
        store_close(s);
    else
        *out = s;
    return e;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n_shards; i++)
        shard_close(&s->shard[i]);
    mem_free(s->shard);
    body_cache_free(s->cache);
    zpool_free(s->zpool);
    auto_close(&s->lock_fd);
    pthread_mutex_destroy(&s->watch_lock);
    mem_free(s->dir);
    mem_free(s);
}

/* Asks the committer to move the log into the index file when nothing else is to do. */
static void ask_checkpoint(struct shard *sh)
{
    pthread_mutex_lock(&sh->qlock);
    if (sh->thread_runs && !atomic_load(&sh->failed)) {
        sh->want_checkpoint = true;
        pthread_cond_signal(&sh->qcond);
    }
    pthread_mutex_unlock(&sh->qlock);
}

#define TEND_MS 50 /* a call begins no further step after that time */

static void remove_old(struct shard *sh, int64_t start, int days)
{
    bool more = true;
    while (more && clock_ms() - start < TEND_MS)
        if (purge_step(sh, 0, clock_wall() - (int64_t)days * 86400, &more) != OK)
            return;
    if (!more) {
        while (compact_step(sh) && clock_ms() - start < TEND_MS)
            ;
    }
    segments_tend(sh);
}

void store_tend(struct store *s)
{
    int64_t now = clock_ms();
    int days = s->undelete_days < 0 ? 14 : s->undelete_days;
    for (unsigned i = 0; i < s->n_shards; i++) {
        struct shard *sh = &s->shard[i];
        if (!s->read_only)
            remove_old(sh, clock_ms(), days);
        accounts_tend(sh, now, false);
        readers_tend(sh, now, false);
        segment_rest(&sh->log);
        ask_checkpoint(sh);
    }
    zpool_tend(s->zpool);
    body_cache_tend(s->cache, now);
}
