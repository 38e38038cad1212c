/* The child that looks at the network for a command; see look.h. Both directions of the pair carry
 * a kind (a byte: what is asked, or how it ended), a length and so many bytes. */
#include "cli/look.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "cli/policy.h"
#include "config/resolver.h"
#include "net/https.h"
#include "publish/publish.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD = 5 };

/* --- The pair --- */

static enum error wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = deadline - clock_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return OK;
        if (n == 0)
            return ERR_TIMEOUT;
        if (errno != EINTR)
            return ERR_IO;
    }
}

static enum error put(int fd, struct slice s, int64_t deadline)
{
    while (s.n) {
        enum error e = wait_for(fd, POLLOUT, deadline);
        if (e)
            return e;
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ERR_CLOSED;
        if (n > 0)
            s = slice_from(s, (size_t)n);
    }
    return OK;
}

static enum error get(int fd, size_t n, int64_t deadline, struct buf *out)
{
    while (n) {
        uint8_t *room = buf_room(out, n);
        enum error e = room ? wait_for(fd, POLLIN, deadline) : ERR_LIMIT;
        if (e)
            return e;
        ssize_t got = recv(fd, room, n, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return ERR_CLOSED;
        if (got > 0) {
            buf_grew(out, (size_t)got);
            n -= (size_t)got;
        }
    }
    return OK;
}

static enum error put_record(int fd, uint8_t kind, struct slice bytes, int64_t deadline)
{
    autobuf head = BUF_INIT(HEAD);
    buf_byte(&head, kind);
    buf_u32(&head, (uint32_t)bytes.n);
    enum error e = put(fd, buf_slice(&head), deadline);
    return e ? e : put(fd, bytes, deadline);
}

static enum error get_record(int fd, int64_t deadline, uint8_t *kind, struct buf *out)
{
    autobuf head = BUF_INIT(HEAD);
    enum error e = get(fd, HEAD, deadline, &head);
    if (e)
        return e;
    struct cursor c = cur_of(buf_slice(&head));
    *kind = cur_u8(&c);
    return get(fd, cur_u32(&c), deadline, out);
}

/* --- The child --- */

struct looker {
    struct call *call;
    struct dns *dns;
    struct buf authorities;
};

/* Only standard error and the pair stay open. */
static int forget_descriptors(int fd)
{
    int nothing = open("/dev/null", O_RDWR);
    bool good = nothing >= 0 && dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 &&
                (fd == 3 || dup2(fd, 3) == 3) && close_range(4, ~0U, 0) == 0;
    return good ? 3 : -1;
}

/* What needs files, then the walls, then what needs threads. */
static enum error prepare(struct looker *l)
{
    struct dns_options o;
    const struct config *k = l->call->config;
    enum error e = https_prepare();
    if (!e)
        e = resolver_options(k, &l->call->arena, &o);
    if (!e)
        e = resolver_authorities(k, &l->authorities);
    if (!e)
        e = dns_new(&o, &l->dns);
    if (!e)
        e = l->call->server->confine(k);
    return e ? e : dns_start(l->dns);
}

static enum error answer_to(struct looker *l, uint8_t what, struct slice question,
                            struct buf *answer)
{
    struct arena *a = &l->call->arena;
    struct slice authorities = buf_slice(&l->authorities);
    if (what == LOOK_RECORDS)
        return publish_look(l->call->config, l->dns, authorities, question, a, answer);
    if (what == LOOK_PLAN)
        return policy_look(l->call->config, l->dns, authorities, question, a, answer);
    return ERR_INPUT;
}

/* Until the command has no more questions. */
static void serve(struct looker *l, int fd)
{
    if (prepare(l))
        return; /* it has been logged why */
    for (;;) {
        uint8_t what = 0;
        autobuf question = BUF_INIT(LIMIT_LOOK_RECORD), answer = BUF_INIT(LIMIT_LOOK_RECORD);
        if (get_record(fd, clock_ms() + LIMIT_LOOK_MS, &what, &question))
            return;
        enum error e = answer_to(l, what, buf_slice(&question), &answer);
        if (e)
            buf_reset(&answer);
        if (put_record(fd, (uint8_t)e, buf_slice(&answer), clock_ms() + LIMIT_LOOK_MS))
            return;
    }
}

/* --- The command --- */

bool look_begin(struct call *c, struct look *l)
{
    int pair[2];
    *l = (struct look){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        refuse("no process for looking at the network: %s", strerror(errno));
        return false;
    }
    fflush(stdout);
    l->pid = fork();
    if (l->pid == 0) {
        static struct looker looker;
        looker.call = c;
        buf_init(&looker.authorities, LIMIT_AUTHORITIES);
        int fd = forget_descriptors(pair[1]);
        if (fd >= 0)
            serve(&looker, fd);
        _exit(0);
    }
    int why = errno;
    (void)close(pair[1]);
    l->fd = pair[0];
    if (l->pid < 0) {
        look_end(l);
        refuse("no process for looking at the network: %s", strerror(why));
    }
    return l->pid > 0;
}

enum error look_ask(struct look *l, enum look_for what, struct slice question, struct buf *answer)
{
    uint8_t told = 0;
    int64_t deadline = clock_ms() + LIMIT_LOOK_MS;
    enum error e = put_record(l->fd, (uint8_t)what, question, deadline);
    if (!e)
        e = get_record(l->fd, deadline, &told, answer);
    if (!e && told > 0)
        e = told == ERR_LIMIT ? ERR_LIMIT : ERR_INPUT;
    return e;
}

void look_end(struct look *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    if (l->pid > 0) {
        (void)kill(l->pid, SIGKILL);
        while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    l->pid = 0;
}
