/* Landlock (kernel 5.13 and later): which files a process may still open. By raw system calls,
 * because Debian 12's C library has no functions for them. */
#ifndef DEPESCHE_DAEMON_LANDLOCK_H
#define DEPESCHE_DAEMON_LANDLOCK_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

struct landlock_rules {
    const char *writable;        /* NULL: nowhere */
    const char *const *readable; /* those that do not exist are skipped */
    size_t n_readable;
    bool network; /* may bind and connect TCP sockets */
};
/* From now on this thread (and those it makes) may write below `writable`, read below each of
 * `readable`, and open nothing else; where the kernel knows it, it may neither signal nor reach by
 * abstract socket anyone outside, nor, without `network`, bind or connect TCP sockets. Needs
 * no_new_privs. Where the kernel lacks Landlock one log line says so and OK is returned. */
must_use enum error landlock_restrict(const struct landlock_rules *rules, const char *role);

#endif
