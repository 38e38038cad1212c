/* The real file system calls of the segment log; see io.h. */
#include "store/io.h"

#include "base/mem.h"
#include <fcntl.h>
#include <unistd.h>

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static int real_sync_dir(const char *dir)
{
    autofd fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

/* What it fails to do the sync does, and only the sync's word counts. */
static void real_begin_sync(int fd, off_t at, off_t n)
{
    (void)sync_file_range(fd, at, n, SYNC_FILE_RANGE_WRITE);
}

const struct io_table io_real = {
    .open = real_open,
    .writev = pwritev,
    .read = pread,
    .sync = fdatasync,
    .begin_sync = real_begin_sync,
    .sync_dir = real_sync_dir,
    .truncate = ftruncate,
    .unlink = unlink,
};

struct io_table io = {
    .open = real_open,
    .writev = pwritev,
    .read = pread,
    .sync = fdatasync,
    .begin_sync = real_begin_sync,
    .sync_dir = real_sync_dir,
    .truncate = ftruncate,
    .unlink = unlink,
};
