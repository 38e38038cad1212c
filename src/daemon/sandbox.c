/* The walls around a role; see sandbox.h. */
#include "daemon/sandbox.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/landlock.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers need more of the kernel than the program does (they trace and reopen themselves), so
 * builds with them run without the system call filter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static enum error failed(const struct sandbox *s, const char *what)
{
    log_error("sandbox.failed", log_text("role", s->role), log_text("step", what),
              log_text("error", strerror(errno)));
    return ERR_IO;
}

/* The bounding set: while the right to change it is still there. */
static void drop_bounds(void)
{
    for (int cap = 0; cap <= 63; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* All other sets of capabilities, also when the user stays the same. */
static enum error drop_capabilities(void)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? OK : ERR_IO;
}

static enum error drop_user(const struct sandbox *s)
{
    if (!s->drop_user)
        return OK;
    if (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 ||
        setresuid(s->uid, s->uid, s->uid) != 0)
        return failed(s, "user");
    if (s->uid != 0 && setuid(0) == 0) {
        errno = EPERM;
        return failed(s, "user can come back");
    }
    return OK;
}

/* Everything that the roles' code, OpenSSL, SQLite, zstd, libsodium and threads need once running.
 */
static const int allowed[] = {
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(msync),
    SCMP_SYS(membarrier),
    SCMP_SYS(memfd_create),
    /* threads and signals */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(tgkill),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(getcpu),
    /* time and randomness */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    /* descriptors */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fcntl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(pipe2),
    SCMP_SYS(ftruncate),
    SCMP_SYS(sendfile),
    SCMP_SYS(fadvise64),
    /* sockets that are there already */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    /* who am I */
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getppid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
};

/* Files by name: what SQLite and the segment log do in the data folder. */
static const int allowed_files[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(creat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(fchown),
    SCMP_SYS(chmod),
    SCMP_SYS(utimensat),
    SCMP_SYS(flock),
    SCMP_SYS(truncate),
    SCMP_SYS(umask),
    SCMP_SYS(linkat),
    SCMP_SYS(link),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(copy_file_range),
};

/* Connections of its own. */
static const int allowed_network[] = {
    SCMP_SYS(connect),
    SCMP_SYS(bind),
};

/* What an honest role never asks for: whoever does has taken it over, and the process ends. */
static const int deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(bpf),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
};

static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int e = seccomp_rule_add(filter, action, calls[i], 0);
        if (e)
            return e;
    }
    return 0;
}

#define COUNT(a)       (sizeof(a) / sizeof(a)[0])
#define TYPE_OF_SOCKET 0xf /* the rest of the argument are flags */

/* Sockets of the Internet only: neither raw packets, nor netlink, nor local services. A pair is how
 * the resolver's thread is told of questions; one of datagrams could be connected anew, to any
 * local service. */
static int add_network(scmp_filter_ctx filter)
{
    static const int families[] = {AF_INET, AF_INET6};
    int e = add_all(filter, SCMP_ACT_ALLOW, allowed_network, COUNT(allowed_network));
    for (size_t i = 0; !e && i < COUNT(families); i++)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_OF_SOCKET, SOCK_STREAM));
    return e;
}

/* Calls whose arguments matter. */
static int add_conditional(scmp_filter_ctx filter, bool files, bool network)
{
    /* Threads, but no processes: clone must share everything. glibc asks for clone3 first, whose
     * flags a filter cannot see; told that the kernel lacks it, it takes clone. */
    int e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* Naming a thread, and asking whether memory may be dumped. */
    static const int names[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_SET_VMA};
    for (size_t i = 0; !e && i < COUNT(names); i++)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)names[i]));
    /* How much may be open: reading the limit (new limit NULL) only. */
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                             SCMP_A2(SCMP_CMP_EQ, 0));
    /* FIONREAD and FIONBIO, as OpenSSL and stdio use them. */
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_EQ, 0x541b));
    if (!e)
        e = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_EQ, 0x5421));
    if (!e && files)
        e = add_all(filter, SCMP_ACT_ALLOW, allowed_files, COUNT(allowed_files));
    if (!e && network)
        e = add_network(filter);
    return e;
}

static enum error filter_calls(const struct sandbox *s)
{
    if (SANITIZED) {
        log_warning("sandbox.no_filter", log_text("role", s->role),
                    log_text("why", "built with a sanitizer"));
        return OK;
    }
    /* Anything else fails with EPERM, and the kernel's audit log says which call it was. */
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return failed(s, "filter");
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int e = add_all(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    if (!e)
        e = add_conditional(filter, s->data != NULL, s->network);
    if (!e)
        e = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
    if (!e)
        e = seccomp_load(filter);
    seccomp_release(filter);
    if (e) {
        errno = -e;
        return failed(s, "filter");
    }
    return OK;
}

/* What `mail` may read beside its data: character set tables, zones, SQLite's source of randomness,
 * and the number of processors. */
static const char *const readable[] = {
    "/usr/lib/x86_64-linux-gnu/gconv",
    "/usr/lib/aarch64-linux-gnu/gconv",
    "/usr/lib/gconv",
    "/usr/lib64/gconv",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/dev/urandom",
    "/sys/devices/system/cpu/online",
};

enum error sandbox_enter(const struct sandbox *s)
{
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return failed(s, "core");
    drop_bounds();
    enum error e = drop_user(s);
    if (e)
        return e;
    if (drop_capabilities())
        return failed(s, "capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failed(s, "no_new_privs");
    /* After the change of user, which sets it to the system's default. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return failed(s, "dumpable");
    struct landlock_rules rules = {.writable = s->data, .network = s->network};
    if (s->data && !s->network) {
        rules.readable = readable;
        rules.n_readable = COUNT(readable);
    }
    if (landlock_restrict(&rules, s->role))
        return failed(s, "landlock");
    return filter_calls(s);
}
