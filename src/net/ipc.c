/* Records and descriptors over SOCK_SEQPACKET, and sealed memfds. */
#include "net/ipc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALS_NEEDED (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

union control {
    char room[CMSG_SPACE(sizeof(int) * IPC_FDS)];
    struct cmsghdr align;
};

enum error ipc_pair(int fds[2])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return ERR_IO;
    /* The kernel cuts this to net.core.wmem_max and doubles what is left; its default already takes
     * one record, more lets the sender run ahead. */
    int size = 4 * LIMIT_HANDOVER_RECORD;
    for (int i = 0; i < 2; i++) {
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0) {
            close(pair[0]);
            close(pair[1]);
            return ERR_IO;
        }
    }
    fds[0] = pair[0];
    fds[1] = pair[1];
    return OK;
}

/* Waits for `events`; until: clock_ms() of the deadline, -1 for ever. */
static enum error ipc_wait(int fd, short events, int64_t until)
{
    for (;;) {
        int64_t left = -1;
        if (until >= 0) {
            left = until - clock_ms();
            if (left <= 0)
                return ERR_TIMEOUT;
        }
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (n > 0)
            return OK;
        if (n < 0 && errno != EINTR)
            return ERR_IO;
    }
}

static int64_t ipc_until(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
}

static bool ipc_gone(int e)
{
    return e == EPIPE || e == ECONNRESET || e == ENOTCONN;
}

enum error ipc_send(int fd, struct slice bytes, const int *fds, size_t n_fds, int timeout_ms)
{
    /* An empty record would look like the end of the connection. */
    if (bytes.n == 0 || n_fds > IPC_FDS)
        return ERR_INPUT;
    if (bytes.n > LIMIT_HANDOVER_RECORD)
        return ERR_LIMIT;
    struct iovec iov = {.iov_len = bytes.n};
    memcpy(&iov.iov_base, &bytes.p, sizeof bytes.p); /* iovec has no const; sendmsg only reads */
    union control control = {.room = {0}};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds > 0) {
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
    }
    int64_t until = ipc_until(timeout_ms);
    for (;;) {
        if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return OK;
        if (errno == EINTR)
            continue;
        if (ipc_gone(errno))
            return ERR_CLOSED;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return ERR_IO;
        enum error e = ipc_wait(fd, POLLOUT, until);
        if (e != OK)
            return e;
    }
}

/* Takes over every descriptor that came, also with a truncated record, so that none leaks. */
static void take_fds(struct msghdr *m, struct ipc_record *r)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof fd);
            if (r->n_fds < IPC_FDS)
                r->fds[r->n_fds++] = fd;
            else
                close(fd);
        }
    }
}

enum error ipc_receive(int fd, uint8_t *room, size_t size, int timeout_ms, struct ipc_record *out)
{
    int64_t until = ipc_until(timeout_ms);
    /* Without a deadline the call itself waits: one system call a record. */
    int flags = MSG_CMSG_CLOEXEC | (timeout_ms < 0 ? 0 : MSG_DONTWAIT);
    for (;;) {
        union control control;
        struct iovec iov = {.iov_base = room, .iov_len = size};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
        ssize_t n = recvmsg(fd, &m, flags);
        if (n >= 0) {
            struct ipc_record r = {.bytes = {room, (size_t)n}};
            take_fds(&m, &r);
            bool cut = m.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
            if (n == 0 || cut)
                ipc_close_fds(&r);
            if (n == 0)
                return ERR_CLOSED;
            *out = r;
            return cut ? ERR_INPUT : OK;
        }
        if (errno == EINTR)
            continue;
        if (ipc_gone(errno))
            return ERR_CLOSED;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return ERR_IO;
        enum error e = ipc_wait(fd, POLLIN, until);
        if (e != OK)
            return e;
    }
}

void ipc_close_fds(struct ipc_record *r)
{
    for (size_t i = 0; i < r->n_fds; i++)
        close(r->fds[i]);
    r->n_fds = 0;
}

enum error ipc_memfd(const char *name, int *fd)
{
    int f = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (f < 0 && errno == EINVAL) /* before Linux 6.3 */
        f = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (f < 0)
        return ERR_IO;
    *fd = f;
    return OK;
}

enum error ipc_memfd_seal(int fd)
{
    /* EBUSY: a writable mapping of it is still there. */
    if (fcntl(fd, F_ADD_SEALS, SEALS_NEEDED | F_SEAL_SEAL) < 0)
        return errno == EBUSY ? ERR_CONFLICT : ERR_IO;
    return OK;
}

/* The size of a memfd that is sealed: only a file in memory has seals at all, and with these three
 * nobody, the sender included, can change or cut it, so neither a second look nor a SIGBUS can
 * surprise the reader. */
static enum error sealed_size(int fd, size_t max, size_t *out)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS_NEEDED) != SEALS_NEEDED)
        return ERR_INPUT;
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
        return ERR_INPUT;
    if ((uint64_t)st.st_size > max)
        return ERR_LIMIT;
    *out = (size_t)st.st_size;
    return OK;
}

enum error ipc_memfd_map(int fd, size_t max, struct slice *out)
{
    size_t size;
    enum error e = sealed_size(fd, max, &size);
    if (e != OK)
        return e;
    if (size == 0) {
        *out = SLICE_NONE;
        return OK;
    }
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED)
        return errno == EACCES ? ERR_INPUT : ERR_IO;
    *out = slice_of(p, size);
    return OK;
}

enum error ipc_memfd_copy(int fd, uint8_t *room, size_t size, size_t *n)
{
    size_t all, got = 0;
    enum error e = sealed_size(fd, size, &all);
    if (e != OK)
        return e;
    while (got < all) {
        ssize_t k = pread(fd, room + got, all - got, (off_t)got);
        if (k > 0)
            got += (size_t)k;
        else if (k == 0 || errno != EINTR)
            return ERR_IO;
    }
    *n = all;
    return OK;
}

void ipc_unmap(struct slice s)
{
    if (s.n == 0)
        return;
    void *p;
    memcpy(&p, &s.p, sizeof p); /* the mapping is ours; only the view was const */
    if (munmap(p, s.n) < 0)
        bug("munmap: %s", strerror(errno));
}
