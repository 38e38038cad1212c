/* Records with what does not fit into them; see carry.h. */
#include "handover/carry.h"
#include "base/limits.h"
#include "base/mem.h"
#include "handover/record.h"
#include <errno.h>
#include <unistd.h>

enum error carry_memfd(const char *name, struct slice bytes, int *out)
{
    int fd;
    enum error e = ipc_memfd(name, &fd);
    if (e != OK)
        return e;
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n <= 0 && errno != EINTR) {
            close(fd);
            return ERR_IO;
        }
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    e = ipc_memfd_seal(fd);
    if (e != OK) {
        close(fd);
        return e;
    }
    *out = fd;
    return OK;
}

static enum error send_within(int fd, const struct carriage *as, uint64_t id, struct slice front,
                              struct slice message, int timeout_ms)
{
    struct buf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    as->within(id, front, message, &b);
    enum error e = buf_check(&b);
    if (e == OK)
        e = ipc_send(fd, buf_slice(&b), NULL, 0, timeout_ms);
    buf_wipe(&b); /* a password may be in it */
    return e;
}

static enum error send_beside(int fd, const struct carriage *as, uint64_t id, struct slice front,
                              int memfd, int timeout_ms)
{
    autofd second = -1;
    bool is_long = front.n > LIMIT_HANDOVER_RECORD - RECORD_HEAD;
    enum error e = is_long ? carry_memfd("front", front, &second) : OK;
    if (e != OK)
        return e;
    struct buf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    as->beside(id, is_long ? NULL : &front, &b);
    e = buf_check(&b);
    int fds[2] = {memfd, second};
    if (e == OK)
        e = ipc_send(fd, buf_slice(&b), fds, is_long ? 2 : 1, timeout_ms);
    buf_wipe(&b);
    return e;
}

enum error carry_message(int fd, const struct carriage *as, uint64_t id, struct slice front,
                         const struct handover_message *m, int timeout_ms)
{
    if (m->memfd >= 0)
        return send_beside(fd, as, id, front, m->memfd, timeout_ms);
    bool small = m->small.n <= as->small;
    if (small && front.n + m->small.n <= LIMIT_HANDOVER_RECORD - RECORD_HEAD)
        return send_within(fd, as, id, front, m->small, timeout_ms);
    autofd memfd = -1;
    enum error e = carry_memfd("message", m->small, &memfd);
    return e != OK ? e : send_beside(fd, as, id, front, memfd, timeout_ms);
}
