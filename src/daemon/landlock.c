/* Landlock by raw system calls; see landlock.h. */
#include "daemon/landlock.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From the kernel's interface (include/uapi/linux/landlock.h), as far as it is used here: Debian
 * 12's headers stop at ABI 2. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define CREATE_VERSION 1u
#define RULE_BENEATH   1

#define FS_EXECUTE    (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE  (UINT64_C(1) << 2)
#define FS_READ_DIR   (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE     (UINT64_C(1) << 5)
#define FS_MAKE_DIR   (UINT64_C(1) << 7)
#define FS_MAKE_REG   (UINT64_C(1) << 8)
#define FS_ALL_1      ((UINT64_C(1) << 13) - 1)
#define FS_REFER      (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE   (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV  (UINT64_C(1) << 15) /* ABI 5 */
#define NET_BIND      (UINT64_C(1) << 0)  /* ABI 4 */
#define NET_CONNECT   (UINT64_C(1) << 1)
#define SCOPE_ALL     UINT64_C(3) /* ABI 6: abstract sockets and signals */

struct ruleset {
    uint64_t fs, net, scoped;
};

struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static enum error allow(int rules, const char *path, uint64_t access)
{
    autofd fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? ERR_NOTFOUND : ERR_IO;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    if (!S_ISDIR(st.st_mode))
        access &= ~(FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER);
    struct beneath rule = {access, fd};
    return syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &rule, 0) == 0 ? OK : ERR_IO;
}

static struct ruleset handled(long abi, bool network, size_t *size)
{
    struct ruleset r = {.fs = FS_ALL_1};
    if (abi >= 2)
        r.fs |= FS_REFER;
    if (abi >= 3)
        r.fs |= FS_TRUNCATE;
    if (abi >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (abi >= 4 && !network)
        r.net = NET_BIND | NET_CONNECT;
    if (abi >= 6)
        r.scoped = SCOPE_ALL;
    *size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    return r;
}

enum error landlock_restrict(const struct landlock_rules *l, const char *role)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    if (abi < 1) {
        log_warning("sandbox.no_landlock", log_text("role", role),
                    log_text("why", "this kernel has no Landlock; the other walls stand"));
        return OK;
    }
    size_t size;
    struct ruleset set = handled(abi, l->network, &size);
    autofd rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (rules < 0)
        return ERR_IO;
    uint64_t write = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE |
                     FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;
    enum error e = l->writable ? allow(rules, l->writable, write & set.fs) : OK;
    for (size_t i = 0; !e && i < l->n_readable; i++) {
        e = allow(rules, l->readable[i], FS_READ_FILE | FS_READ_DIR);
        if (e == ERR_NOTFOUND)
            e = OK;
    }
    if (e)
        return e;
    return syscall(SYS_landlock_restrict_self, rules, 0) == 0 ? OK : ERR_IO;
}
