/* The walls around a role: what a process that reads bytes from the network can still do when its
 * code was taken over. Put up once, single-threaded, before the first byte is read; every thread
 * made later stands inside them.
 *
 *   user         own uid and gid, no groups, no capabilities (started as root only)
 *   privileges   no_new_privs: nothing executed could win any back
 *   files        Landlock: `edge` its own small folder; `mail` its data folder, and reading the
 *                character set tables and time zones
 *   network      only `edge` may make sockets, of the Internet's kinds, and connect them
 *   kernel       seccomp allow-list: no exec, fork, ptrace, mount, bpf, keyctl, ...
 *   memory       no core dump, not readable by other processes of the same user
 */
#ifndef DEPESCHE_DAEMON_SANDBOX_H
#define DEPESCHE_DAEMON_SANDBOX_H

#include "base/error.h"
#include <stdbool.h>
#include <sys/types.h>

struct sandbox {
    const char *role; /* for log lines */
    bool drop_user;   /* started as root: become uid and gid */
    uid_t uid;
    gid_t gid;
    const char *data; /* the one folder that may be written; NULL: no file may be opened at all */
    bool network;     /* may open connections; what it may read is then nothing but `data` */
};

/* Puts all walls up. Only Landlock may be missing (one log line says so): an error from anything
 * else means that the role must not run. Descriptors that are open stay usable. */
must_use enum error sandbox_enter(const struct sandbox *s);

#endif
