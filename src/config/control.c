/* The control socket; see control.h. */
#include "config/control.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONTROL_ANSWER (64 * 1024)

/* A socket's address has room for some 100 bytes of path only, so the folder is named by its
 * descriptor. */
static enum error address_in(const char *dir, int *dir_fd, struct sockaddr_un *to)
{
    *dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0)
        return errno == EACCES ? ERR_AUTH : ERR_NOTFOUND;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(to->sun_path, sizeof to->sun_path, "/proc/self/fd/%d/control", *dir_fd);
    return OK;
}

static enum error bind_in(int s, int dir_fd, const struct sockaddr_un *to, uid_t owner)
{
    (void)unlinkat(dir_fd, "control", 0);
    mode_t before = umask(0177);
    int failed = bind(s, (const struct sockaddr *)to, sizeof *to);
    umask(before);
    if (failed || listen(s, 16) != 0)
        return ERR_IO;
    if (geteuid() == 0 && fchownat(dir_fd, "control", owner, (gid_t)-1, 0) != 0)
        return ERR_IO;
    return OK;
}

enum error control_listen(const char *dir, uid_t owner, int *fd)
{
    autofd dir_fd = -1;
    struct sockaddr_un to;
    enum error e = address_in(dir, &dir_fd, &to);
    if (e)
        return e;
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (s < 0)
        return ERR_IO;
    e = bind_in(s, dir_fd, &to, owner);
    if (e)
        (void)close(s);
    else
        *fd = s;
    return e;
}

enum error control_ask(const char *dir, struct slice request, struct buf *answer)
{
    autofd dir_fd = -1;
    struct sockaddr_un to;
    enum error e = address_in(dir, &dir_fd, &to);
    if (e)
        return e;
    autofd s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (s < 0)
        return ERR_IO;
    if (connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        return errno == EACCES ? ERR_AUTH : ERR_NOTFOUND;
    e = ipc_send(s, request, NULL, 0, LIMIT_CONTROL_MS);
    if (e)
        return e;
    uint8_t *room = mem_alloc(LIMIT_HANDOVER_RECORD);
    struct ipc_record r;
    e = ipc_receive(s, room, LIMIT_HANDOVER_RECORD, LIMIT_CONTROL_MS, &r);
    if (!e) {
        ipc_close_fds(&r);
        if (r.bytes.n == 0 || r.bytes.p[0] > ERR_BUG) {
            e = ERR_INPUT;
        } else {
            e = (enum error)r.bytes.p[0];
            buf_add(answer, slice_from(r.bytes, 1));
        }
    }
    mem_free(room);
    return e;
}

/* Root and this process's own user may speak. */
static bool may_speak(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

enum error control_serve(int listening,
                         enum error (*handle)(void *arg, struct slice request, struct buf *answer),
                         void *arg)
{
    autofd s = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (s < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        (void)poll(NULL, 0, LIMIT_ACCEPT_PAUSE_MS); /* the asker waits; there may be room soon */
        return OK;
    }
    if (s < 0)
        return errno == EINTR || errno == EAGAIN || errno == ECONNABORTED ? OK : ERR_CLOSED;
    if (!may_speak(s))
        return OK;
    uint8_t room[256];
    struct ipc_record r;
    if (ipc_receive(s, room, sizeof room, LIMIT_CONTROL_MS, &r))
        return OK;
    ipc_close_fds(&r);
    autobuf text = BUF_INIT(CONTROL_ANSWER), reply = BUF_INIT(CONTROL_ANSWER + 1);
    enum error e = handle(arg, r.bytes, &text);
    buf_byte(&reply, (uint8_t)e);
    buf_add(&reply, buf_slice(&text));
    e = ipc_send(s, buf_slice(&reply), NULL, 0, LIMIT_CONTROL_MS);
    (void)e; /* an asker that left misses its answer; nothing else follows from it */
    return OK;
}
