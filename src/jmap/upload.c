/* Uploads (RFC 8620 6.1): files that wait to be used, one folder an account. What is being written
 * ends with ".part"; done, it is synced and renamed, and its name is the blob id. */
#include "jmap/upload.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "jmap/method.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MOST     1400
#define STALE_SECONDS 900 /* a ".part" that nobody writes to any more */

struct jmap_upload {
    char folder[PATH_MOST - 64], id[UPLOAD_ID + 1];
    char account[JMAP_ID_TEXT], type[128];
    int fd;
    uint64_t n;
};

/* --- Names --- */

static void folder_of(const struct jmap_service *s, const struct jmap_user *u,
                      char out[PATH_MOST - 64])
{
    snprintf(out, PATH_MOST - 64, "%s/%llu", s->uploads, (unsigned long long)u->account.id);
}

static void path_of(const char *folder, const char *id, const char *more, char out[PATH_MOST])
{
    snprintf(out, PATH_MOST, "%s/%s%s", folder, id, more);
}

/* "U" and 32 hex digits: it leads to no other folder. */
static bool good_id(struct slice id)
{
    if (id.n != UPLOAD_ID || id.p[0] != 'U')
        return false;
    for (size_t i = 1; i < id.n; i++)
        if (!ascii_digit(id.p[i]) && !(id.p[i] >= 'a' && id.p[i] <= 'f'))
            return false;
    return true;
}

static void draw_id(char out[UPLOAD_ID + 1])
{
    uint64_t a = random_u64(), b = random_u64();
    snprintf(out, UPLOAD_ID + 1, "U%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

/* --- What waits --- */

struct waiting {
    uint64_t bytes;
    unsigned writing;
};

static bool is_part(const char *name)
{
    return slice_ends(slice_str(name), SLICE(".part"));
}

static void look(const char *folder, struct waiting *out)
{
    *out = (struct waiting){0, 0};
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == 'U' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            uint64_t n = (uint64_t)st.st_size; /* empty ones are files, too, and looked at here */
            out->bytes += n > LIMIT_JMAP_UPLOAD_LEAST ? n : LIMIT_JMAP_UPLOAD_LEAST;
            out->writing += is_part(e->d_name);
        }
    }
    if (d)
        closedir(d);
}

/* --- Writing --- */

static enum error of_errno(void)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return ERR_FULL;
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? ERR_AGAIN : ERR_IO;
}

enum error jmap_upload_begin(const struct jmap_service *s, const struct jmap_user *u,
                             struct slice type, struct jmap_upload **out)
{
    struct jmap_upload *up = mem_alloc(sizeof *up);
    char path[PATH_MOST];
    struct waiting w;
    *up = (struct jmap_upload){.fd = -1};
    folder_of(s, u, up->folder);
    draw_id(up->id);
    jmap_account_id(u, up->account);
    if (slice_cstr(type, up->type, sizeof up->type) || !up->type[0])
        snprintf(up->type, sizeof up->type, "application/octet-stream");
    look(up->folder, &w);
    enum error e = OK;
    if (w.bytes >= LIMIT_JMAP_UPLOADS_ACCOUNT || w.writing >= LIMIT_JMAP_CONCURRENT_UPLOAD)
        e = ERR_LIMIT;
    else if (mkdir(up->folder, 0700) != 0 && errno != EEXIST)
        e = of_errno();
    path_of(up->folder, up->id, ".part", path);
    if (!e && (up->fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)) < 0)
        e = of_errno();
    if (e) {
        mem_free(up);
        return e;
    }
    *out = up;
    return OK;
}

enum error jmap_upload_take(struct jmap_upload *up, struct slice piece)
{
    if (piece.n > LIMIT_JMAP_UPLOAD - up->n)
        return ERR_LIMIT;
    up->n += piece.n;
    while (piece.n) {
        ssize_t n = write(up->fd, piece.p, piece.n);
        if (n < 0 && errno != EINTR)
            return of_errno();
        if (n > 0)
            piece = slice_from(piece, (size_t)n);
    }
    return OK;
}

uint64_t jmap_upload_size(const struct jmap_upload *up)
{
    return up->n;
}

static void answer(const struct jmap_upload *up, struct buf *json)
{
    struct json_writer w;
    jw_init(&w, json);
    jw_object(&w);
    jw_key(&w, "accountId");
    jw_str(&w, up->account);
    jw_key(&w, "blobId");
    jw_str(&w, up->id);
    jw_key(&w, "type");
    jw_str(&w, up->type);
    jw_key(&w, "size");
    jw_uint(&w, up->n);
    jw_end(&w);
}

enum error jmap_upload_keep(struct jmap_upload *up, char id[UPLOAD_ID + 1])
{
    char part[PATH_MOST], path[PATH_MOST];
    path_of(up->folder, up->id, ".part", part);
    path_of(up->folder, up->id, "", path);
    memcpy(id, up->id, sizeof up->id);
    enum error e = fdatasync(up->fd) == 0 && rename(part, path) == 0 ? OK : of_errno();
    if (e) {
        jmap_upload_drop(up);
        return e;
    }
    (void)close(up->fd);
    mem_free(up);
    return OK;
}

enum error jmap_upload_done(struct jmap_upload *up, struct buf *json)
{
    struct jmap_upload copy = *up;
    char id[UPLOAD_ID + 1];
    enum error e = jmap_upload_keep(up, id);
    if (!e)
        answer(&copy, json);
    return e;
}

void jmap_upload_drop(struct jmap_upload *up)
{
    char path[PATH_MOST];
    path_of(up->folder, up->id, ".part", path);
    (void)close(up->fd);
    (void)unlink(path);
    mem_free(up);
}

/* --- Reading --- */

enum error upload_open(const struct jmap_service *s, const struct jmap_user *u, struct slice id,
                       int *fd, uint64_t *size)
{
    char folder[PATH_MOST - 64], name[UPLOAD_ID + 1], path[PATH_MOST];
    struct stat st;
    if (!good_id(id) || slice_cstr(id, name, sizeof name))
        return ERR_NOTFOUND;
    folder_of(s, u, folder);
    path_of(folder, name, "", path);
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f < 0)
        return errno == ENOENT ? ERR_NOTFOUND : of_errno();
    if (fstat(f, &st) != 0) {
        (void)close(f);
        return ERR_IO;
    }
    *fd = f;
    *size = (uint64_t)st.st_size;
    return OK;
}

/* --- Care --- */

static void tend_folder(const char *folder, int64_t now)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] != 'U' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        int64_t most = is_part(e->d_name) ? STALE_SECONDS : LIMIT_JMAP_UPLOAD_SECONDS;
        if (now - st.st_mtime > most && unlinkat(dirfd(d), e->d_name, 0) != 0)
            log_warning("upload.stays", log_text("error", strerror(errno)));
    }
    if (d)
        closedir(d);
    (void)rmdir(folder); /* when nothing is left in it */
}

void upload_tend(const struct jmap_service *s)
{
    int64_t now = clock_wall();
    DIR *d = opendir(s->uploads);
    for (struct dirent *e; d && (e = readdir(d));) {
        char folder[PATH_MOST];
        if (!ascii_digit((uint8_t)e->d_name[0]))
            continue;
        snprintf(folder, sizeof folder, "%s/%.32s", s->uploads, e->d_name);
        tend_folder(folder, now);
    }
    if (d)
        closedir(d);
}
