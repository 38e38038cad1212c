/* The segment log; see segment.h. */
#include "store/segment.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAGIC 0x44504231u /* "DPB1" */
#define PATH_SIZE    4200
#define IOV_BATCH    256

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32));
    put_u32(p + 4, (uint32_t)v);
}

void record_seal(uint8_t *p, enum record_codec codec, uint32_t stored, uint32_t raw)
{
    put_u32(p + 8, RECORD_MAGIC);
    put_u32(p + 12, (uint32_t)codec << 24);
    put_u32(p + 16, stored);
    put_u32(p + 20, raw);
    put_u64(p, checksum64(slice_of(p + 8, RECORD_HEADER - 8 + stored)));
}

enum error record_check(struct slice record, struct record_head *out)
{
    struct cursor c = cur_of(record);
    uint64_t sum = cur_u64(&c);
    uint32_t magic = cur_u32(&c);
    uint32_t codec = cur_u32(&c) >> 24;
    uint32_t stored = cur_u32(&c);
    uint32_t raw = cur_u32(&c);
    if (!cur_ok(&c) || magic != RECORD_MAGIC || codec > CODEC_ZSTD || c.rest.n != stored ||
        (codec == CODEC_RAW && raw != stored) || sum != checksum64(slice_from(record, 8)))
        return ERR_INPUT;
    *out = (struct record_head){(enum record_codec)codec, stored, raw};
    return OK;
}

static void segment_path(const struct segment_log *l, uint32_t number, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, "%s/body-%08u.seg", l->dir, number);
}

static enum error io_error(void)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return ERR_AGAIN; /* nothing is wrong with the disk */
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_FULL : ERR_IO;
}

static void log_io(const char *event, const struct segment_log *l, uint32_t number)
{
    log_error(event, log_text("dir", l->dir), log_u64("segment", number),
              log_text("reason", strerror(errno)));
}

void segment_init(struct segment_log *l, const char *dir)
{
    *l = (struct segment_log){.dir = dir, .fd = -1};
    pthread_mutex_init(&l->lock, NULL);
    for (size_t i = 0; i < SEGMENT_FDS; i++)
        l->readable[i].fd = -1;
}

enum error segment_each(const struct segment_log *l, void (*see)(void *arg, uint32_t number),
                        void *arg)
{
    DIR *d = opendir(l->dir);
    if (d == NULL) {
        enum error e = io_error();
        log_io("store.segment-list-failed", l, 0);
        return e;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        struct slice name = slice_str(e->d_name);
        uint32_t number;
        if (slice_starts(name, SLICE("body-")) && slice_ends(name, SLICE(".seg")) &&
            parse_u32(slice_sub(name, 5, name.n - 4), UINT32_MAX, &number) == OK)
            see(arg, number);
    }
    closedir(d);
    return OK;
}

static void remove_behind(void *arg, uint32_t number)
{
    struct segment_log *l = arg;
    char path[PATH_SIZE];
    if (number <= l->number)
        return;
    segment_path(l, number, path);
    io.unlink(path);
}

enum error segment_open_tail(struct segment_log *l, uint32_t number, uint64_t end)
{
    char path[PATH_SIZE];
    struct stat st;
    segment_path(l, number, path);
    l->fd = io.open(path, O_RDWR | O_CREAT, 0600); /* closed by segment_close in any case */
    if (l->fd < 0 || fstat(l->fd, &st) != 0 || io.sync_dir(l->dir) != 0) {
        log_io("store.segment-open-failed", l, number);
        return ERR_IO;
    }
    if ((uint64_t)st.st_size < end) {
        log_error("store.segment-short", log_text("file", path),
                  log_u64("bytes", (uint64_t)st.st_size), log_u64("expected", end));
        return ERR_IO;
    }
    if ((uint64_t)st.st_size > end) {
        log_info("store.tail-cut", log_text("file", path),
                 log_u64("bytes", (uint64_t)st.st_size - end));
        if (io.truncate(l->fd, (off_t)end) != 0 || io.sync(l->fd) != 0) {
            log_io("store.segment-cut-failed", l, number);
            return ERR_IO;
        }
    }
    l->number = number;
    l->end = end;
    return segment_each(l, remove_behind, l);
}

void segment_close(struct segment_log *l)
{
    for (size_t i = 0; i < SEGMENT_FDS; i++)
        auto_close(&l->readable[i].fd);
    auto_close(&l->fd);
    pthread_mutex_destroy(&l->lock);
}

static enum error next_segment(struct segment_log *l)
{
    char path[PATH_SIZE];
    if (io.sync(l->fd) != 0) {
        log_io("store.sync-failed", l, l->number);
        return ERR_IO;
    }
    segment_path(l, l->number + 1, path);
    int fd = io.open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) {
        enum error e = io_error();
        log_io("store.segment-open-failed", l, l->number + 1);
        return e;
    }
    /* The name must be durable before an index row says it. */
    if (io.sync_dir(l->dir) != 0) {
        log_io("store.sync-failed", l, l->number + 1);
        close(fd);
        return ERR_IO;
    }
    close(l->fd);
    l->fd = fd;
    l->number++;
    l->end = 0;
    return OK;
}

/* Writes all of v, which it uses up. */
static enum error write_all(struct segment_log *l, struct iovec *v, int n)
{
    while (n > 0) {
        ssize_t done = io.writev(l->fd, v, n, (off_t)l->end);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return io_error();
        if (done == 0)
            return ERR_FULL;
        l->end += (uint64_t)done;
        for (; n > 0 && (size_t)done >= v->iov_len; v++, n--)
            done -= (ssize_t)v->iov_len;
        if (n > 0) {
            v->iov_base = (uint8_t *)v->iov_base + done;
            v->iov_len -= (size_t)done;
        }
    }
    return OK;
}

void segment_back(struct segment_log *l, uint32_t number, uint64_t end)
{
    /* A segment begun meanwhile stays as it is: unreferenced bytes do no harm. */
    if (l->number != number)
        end = 0;
    if (l->end == end)
        return;
    if (io.truncate(l->fd, (off_t)end) == 0)
        l->end = end;
    else
        log_io("store.segment-cut-failed", l, l->number);
}

enum error segment_append(struct segment_log *l, const struct body_record *const *records,
                          struct body_place *const *places, size_t n)
{
    struct iovec v[IOV_BATCH];
    uint32_t number = l->number;
    uint64_t end = l->end;
    enum error e = OK;
    for (size_t i = 0; i < n && e == OK;) {
        if (l->end > 0 && l->end + records[i]->n > LIMIT_SEGMENT_SIZE)
            e = next_segment(l);
        int k = 0;
        uint64_t at = l->end;
        while (e == OK && i < n && k < IOV_BATCH &&
               (at == 0 || at + records[i]->n <= LIMIT_SEGMENT_SIZE)) {
            *places[i] = (struct body_place){
                .segment = l->number, .offset = at, .length = (uint32_t)records[i]->n};
            v[k++] = (struct iovec){records[i]->p, records[i]->n};
            at += records[i++]->n;
        }
        at = l->end;
        if (e == OK)
            e = write_all(l, v, k);
        if (e == OK)
            io.begin_sync(l->fd, (off_t)at, (off_t)(l->end - at));
    }
    if (e != OK) {
        if (e == ERR_IO)
            log_io("store.append-failed", l, l->number);
        segment_back(l, number, end);
    }
    return e;
}

enum error segment_sync(struct segment_log *l)
{
    if (io.sync(l->fd) == 0)
        return OK;
    log_io("store.sync-failed", l, l->number);
    return ERR_IO;
}

/* A descriptor for reading, kept open for the next; *slot is SEGMENT_FDS when it is not. */
static int reading_fd(struct segment_log *l, uint32_t number, size_t *slot)
{
    char path[PATH_SIZE];
    size_t at = number % SEGMENT_FDS;
    int fd = -1;
    pthread_mutex_lock(&l->lock);
    *slot = SEGMENT_FDS;
    if (l->readable[at].fd >= 0 && l->readable[at].number != number && l->readable[at].users == 0)
        auto_close(&l->readable[at].fd);
    if (l->readable[at].fd >= 0 && l->readable[at].number == number) {
        *slot = at;
        l->readable[at].users++;
        fd = l->readable[at].fd;
    } else {
        segment_path(l, number, path);
        fd = io.open(path, O_RDONLY, 0);
        if (fd >= 0 && l->readable[at].fd < 0) {
            *slot = at;
            l->readable[at].fd = fd;
            l->readable[at].number = number;
            l->readable[at].users = 1;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return fd;
}

static void reading_done(struct segment_log *l, int fd, size_t slot)
{
    if (slot == SEGMENT_FDS) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&l->lock);
    l->readable[slot].users--;
    pthread_mutex_unlock(&l->lock);
}

enum error segment_read(struct segment_log *l, const struct body_place *place, uint8_t *to)
{
    size_t slot, got = 0;
    int fd = reading_fd(l, place->segment, &slot);
    if (fd < 0 && errno == ENOENT)
        return ERR_NOTFOUND;
    if (fd < 0) {
        enum error e = io_error();
        log_io("store.segment-open-failed", l, place->segment);
        return e;
    }
    enum error e = OK;
    while (e == OK && got < place->length) {
        ssize_t r = io.read(fd, to + got, place->length - got, (off_t)(place->offset + got));
        if (r > 0)
            got += (size_t)r;
        else if (r == 0 || errno != EINTR)
            e = ERR_IO;
    }
    reading_done(l, fd, slot);
    if (e != OK)
        log_io("store.segment-read-failed", l, place->segment);
    return e;
}

void segment_rest(struct segment_log *l)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < SEGMENT_FDS; i++)
        if (l->readable[i].fd >= 0 && l->readable[i].users == 0)
            auto_close(&l->readable[i].fd);
    pthread_mutex_unlock(&l->lock);
}

void segment_remove(struct segment_log *l, uint32_t number)
{
    char path[PATH_SIZE];
    segment_path(l, number, path);
    if (io.unlink(path) != 0 && errno != ENOENT)
        log_io("store.segment-remove-failed", l, number);
    segment_rest(l);
}
