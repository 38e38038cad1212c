/* Tests of the walls: each case forks, goes inside, and tries what must fail or must work. */
#include "base/mem.h"
#include "daemon/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the others first */
#include <cmocka.h>

#define WORKED  0
#define REFUSED 1

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTERED 0
#endif
#endif
#ifndef FILTERED
#define FILTERED 1
#endif

static char folder[] = "/tmp/sandbox_test_XXXXXX";
static char inside[64], outside[64], scratch[64];

static void write_file(const char *path)
{
    autofd fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(fchmod(fd, 0666), 0); /* so that only the walls stand in the way */
}

static int set_up(void **state)
{
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
        return -1;
    snprintf(inside, sizeof inside, "%s/data", folder);
    if (mkdir(inside, 0777) != 0 || chmod(inside, 0777) != 0)
        return -1;
    snprintf(inside, sizeof inside, "%s/edge", folder);
    if (mkdir(inside, 0777) != 0 || chmod(inside, 0777) != 0)
        return -1;
    snprintf(scratch, sizeof scratch, "%s/edge/root.key", folder);
    snprintf(inside, sizeof inside, "%s/data/store.db", folder);
    snprintf(outside, sizeof outside, "%s/secret", folder);
    write_file(inside);
    write_file(outside);
    write_file(scratch);
    return 0;
}

static int tear_down(void **state)
{
    char data[64];
    (void)unlink(inside);
    (void)unlink(outside);
    (void)unlink(scratch);
    snprintf(data, sizeof data, "%s/data", folder);
    (void)rmdir(data);
    snprintf(data, sizeof data, "%s/edge", folder);
    (void)rmdir(data);
    (void)rmdir(folder);
    return 0;
}

static int open_inside(void)
{
    return open(inside, O_RDONLY) >= 0 ? WORKED : REFUSED;
}
static int write_inside(void)
{
    return open(inside, O_RDWR) >= 0 ? WORKED : REFUSED;
}
static int write_scratch(void)
{
    return open(scratch, O_RDWR) >= 0 ? WORKED : REFUSED;
}
static int open_outside(void)
{
    return open(outside, O_RDONLY) >= 0 ? WORKED : REFUSED;
}
static int make_outside(void)
{
    return open("/tmp/sandbox_test_must_not_be", O_CREAT | O_WRONLY, 0600) >= 0 ? WORKED : REFUSED;
}
static int open_passwd(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? WORKED : REFUSED;
}
static int list_root(void)
{
    return open("/", O_RDONLY | O_DIRECTORY) >= 0 ? WORKED : REFUSED;
}
static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? WORKED : REFUSED;
}
static int make_raw_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? WORKED : REFUSED;
}
static int make_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ? WORKED : REFUSED;
}
static int make_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? WORKED : REFUSED;
}

static int make_pair(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? WORKED : REFUSED;
}
static int make_datagram_pair(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0 ? WORKED : REFUSED;
}

static int waiting_socket = -1; /* made before the walls */
static int connect_out(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    int e = connect(waiting_socket, (struct sockaddr *)&to, sizeof to);
    /* ECONNREFUSED would mean that the kernel tried. */
    return e == 0 || errno == ECONNREFUSED ? WORKED : REFUSED;
}
static int run_program(void)
{
    char name[] = "/bin/true";
    char *const arguments[] = {name, NULL};
    execve(name, arguments, arguments + 1);
    return REFUSED;
}
static int fork_process(void)
{
    return fork() >= 0 ? WORKED : REFUSED;
}
static int trace_parent(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? WORKED : REFUSED;
}
static int become_root(void)
{
    return setuid(0) == 0 ? WORKED : REFUSED;
}

static void *in_thread(void *arg)
{
    *(int *)arg = open(outside, O_RDONLY) >= 0 ? WORKED : REFUSED;
    return NULL;
}
static int open_in_thread(void)
{
    pthread_t t;
    int result = -1;
    if (pthread_create(&t, NULL, in_thread, &result) != 0)
        return -1;
    pthread_join(t, NULL);
    return result;
}
static int make_memfd(void)
{
    return memfd_create("m", MFD_CLOEXEC) >= 0 ? WORKED : REFUSED;
}
static int is_confined(void)
{
    return prctl(PR_GET_DUMPABLE) == 0 ? WORKED : REFUSED;
}

struct attempt {
    const char *name;
    int (*try)(void);
    int edge, mail;   /* WORKED, REFUSED, or -SIGSYS when the process ends */
    bool filter_only; /* nothing but the system call filter stands in the way */
};

static const struct attempt attempts[] = {
    {"open a file of the store", open_inside, REFUSED, WORKED, false},
    {"write a file of the store", write_inside, REFUSED, WORKED, false},
    {"write edge's own file", write_scratch, WORKED, REFUSED, false},
    {"open a file beside the store", open_outside, REFUSED, REFUSED, false},
    {"the same in a thread", open_in_thread, REFUSED, REFUSED, false},
    {"make a file elsewhere", make_outside, REFUSED, REFUSED, false},
    {"read /etc/passwd", open_passwd, REFUSED, REFUSED, false},
    {"list /", list_root, REFUSED, REFUSED, false},
    {"make a socket", make_socket, WORKED, REFUSED, true},
    {"make a raw socket", make_raw_socket, REFUSED, REFUSED, false},
    {"make a netlink socket", make_netlink_socket, REFUSED, REFUSED, true},
    {"make a unix socket", make_unix_socket, REFUSED, REFUSED, true},
    {"make a pair of streams", make_pair, WORKED, REFUSED, true},
    {"make a pair of datagrams", make_datagram_pair, REFUSED, REFUSED, true},
    {"connect to loopback", connect_out, WORKED, REFUSED, true},
    {"execve", run_program, -SIGSYS, -SIGSYS, true},
    {"fork", fork_process, REFUSED, REFUSED, true},
    {"ptrace", trace_parent, -SIGSYS, -SIGSYS, true},
    {"setuid", become_root, -SIGSYS, -SIGSYS, true},
    {"memfd", make_memfd, WORKED, WORKED, false},
    {"not dumpable", is_confined, WORKED, WORKED, false},
};

/* What came of it: WORKED, REFUSED, or minus the signal that ended the process. */
static int outcome(const struct attempt *a, bool edge)
{
    char data[64];
    snprintf(data, sizeof data, edge ? "%s/edge" : "%s/data", folder);
    waiting_socket = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox s = {.role = edge ? "edge" : "mail",
                            .drop_user = geteuid() == 0,
                            .uid = 65534,
                            .gid = 65534,
                            .data = data,
                            .network = edge};
        if (sandbox_enter(&s))
            _exit(99);
        _exit(a->try());
    }
    close(waiting_socket);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_attempts(void **state)
{
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        if (attempts[i].filter_only && !FILTERED)
            continue;
        int edge = outcome(&attempts[i], true), mail = outcome(&attempts[i], false);
        if (edge != attempts[i].edge || mail != attempts[i].mail)
            fail_msg("%s: edge %d instead of %d, mail %d instead of %d", attempts[i].name, edge,
                     attempts[i].edge, mail, attempts[i].mail);
    }
}

/* /proc of a confined process, as the operator sees it. */
static void test_status(void **state)
{
    int ready[2], go[2];
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox s = {
            .role = "edge", .drop_user = geteuid() == 0, .uid = 65534, .gid = 65534};
        char byte = sandbox_enter(&s) ? 'n' : 'y';
        (void)!write(ready[1], &byte, 1);
        (void)!read(go[0], &byte, 1);
        _exit(0);
    }
    char byte = 0, path[64], text[4096];
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    autofd fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    assert_non_null(strstr(text, "NoNewPrivs:\t1"));
    assert_non_null(strstr(text, "CapEff:\t0000000000000000"));
    assert_non_null(strstr(text, "CapPrm:\t0000000000000000"));
    if (geteuid() == 0)
        assert_non_null(strstr(text, "CapBnd:\t0000000000000000"));
    if (FILTERED)
        assert_non_null(strstr(text, "Seccomp:\t2"));
    assert_int_equal(write(go[1], "x", 1), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
