/* Reading files whole; see file.h. */
#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum error file_read(const char *path, struct buf *out)
{
    autofd fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    for (;;) {
        uint8_t room[4096];
        ssize_t n = read(fd, room, sizeof room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            buf_add(out, slice_of(room, (size_t)n));
        mem_wipe(room, sizeof room);
        if (n < 0)
            return ERR_IO;
        if (n == 0 || out->failed)
            return buf_check(out);
    }
}
