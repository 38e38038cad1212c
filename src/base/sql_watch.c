/* Hearing of commits by other connections and processes; see sql.h.
 *
 * The kernel tells when the write-ahead log is written (inotify), SQLite's data_version tells
 * whether that was a commit. The write comes before the commit becomes visible, by the time of an
 * fsync: so after a write the version is looked at again and again, at growing distances, for two
 * seconds. Without writes the thread sleeps. Where inotify is not to be had it looks four times a
 * second. */
#include "base/sql.h"

#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { POLL_MS = 250, FIRST_LOOK_MS = 1, LAST_LOOK_MS = 1024 };

struct sql_watch {
    sqlite3 *handle;
    sqlite3_stmt *version;
    int64_t seen;
    int events; /* inotify, or -1 */
    int stop;   /* eventfd */
    void (*fn)(void *arg);
    void *arg;
    pthread_t thread;
};

/* -1 when it cannot be read now. */
static int64_t data_version(struct sql_watch *w)
{
    int64_t v = sqlite3_step(w->version) == SQLITE_ROW ? sqlite3_column_int64(w->version, 0) : -1;
    sqlite3_reset(w->version);
    return v;
}

static bool look(struct sql_watch *w)
{
    int64_t v = data_version(w);
    if (v < 0 || v == w->seen)
        return false;
    w->seen = v;
    w->fn(w->arg);
    return true;
}

static void drain(int fd)
{
    char bytes[4096] __attribute__((aligned(8)));
    while (read(fd, bytes, sizeof bytes) > 0)
        continue;
}

static void *watch_thread(void *arg)
{
    struct sql_watch *w = arg;
    int idle = w->events < 0 ? POLL_MS : -1;
    int wait = idle;
    for (;;) {
        struct pollfd fds[] = {{w->stop, POLLIN, 0}, {w->events, POLLIN, 0}};
        int n = poll(fds, 2, wait);
        if (n < 0 && errno != EINTR)
            die("poll: %s", strerror(errno));
        if (n > 0 && fds[0].revents != 0)
            return NULL;
        bool event = n > 0 && fds[1].revents != 0;
        if (event)
            drain(w->events);
        bool changed = look(w);
        if (w->events < 0)
            continue;
        /* After a change, looks go on: another commit may stand right behind it. */
        if (event || changed)
            wait = FIRST_LOOK_MS;
        else if (wait > 0)
            wait = wait >= LAST_LOOK_MS ? idle : wait * 2;
    }
}

static int open_events(const char *path)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return -1;
    /* The log exists as long as a connection that has read is open: ours is. */
    char *log_path = sqlite3_mprintf("%s-wal", path);
    int a = log_path ? inotify_add_watch(fd, log_path, IN_MODIFY) : -1;
    int b = inotify_add_watch(fd, path, IN_MODIFY);
    sqlite3_free(log_path);
    if (a < 0 || b < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void release(struct sql_watch *w)
{
    sqlite3_finalize(w->version);
    sqlite3_close(w->handle);
    if (w->events >= 0)
        close(w->events);
    if (w->stop >= 0)
        close(w->stop);
    mem_free(w);
}

enum error sql_watch_start(const char *path, void (*fn)(void *arg), void *arg,
                           struct sql_watch **out)
{
    struct sql_watch *w = mem_alloc(sizeof *w);
    w->fn = fn;
    w->arg = arg;
    w->events = -1;
    w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int code = sqlite3_open_v2(path, &w->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v3(w->handle, "PRAGMA data_version", -1, SQLITE_PREPARE_PERSISTENT,
                                  &w->version, NULL);
    if (code != SQLITE_OK || w->stop < 0)
        goto fail;
    sqlite3_busy_timeout(w->handle, POLL_MS);
    w->seen = data_version(w);
    w->events = open_events(path);
    if (w->events < 0)
        log_warning("sql.watch", log_text("database", path),
                    log_text("reason", "no inotify: looking for changes four times a second"));
    if (pthread_create(&w->thread, NULL, watch_thread, w) != 0)
        goto fail;
    *out = w;
    return OK;
fail:
    log_error("sql.watch", log_text("database", path),
              log_text("reason", w->handle ? sqlite3_errmsg(w->handle) : "no memory"));
    release(w);
    return ERR_IO;
}

void sql_watch_stop(struct sql_watch *w)
{
    if (w == NULL)
        return;
    uint64_t one = 1;
    if (write(w->stop, &one, sizeof one) != sizeof one)
        bug("eventfd: %s", strerror(errno));
    pthread_join(w->thread, NULL);
    release(w);
}
