/* Landlock (kernel 5.13 and later): which files a process may still open. By raw system calls,
 * because Debian 12's C library has no functions for them. */
#ifndef DEPESCHE_DAEMON_LANDLOCK_H
#define DEPESCHE_DAEMON_LANDLOCK_H

#include "base/error.h"
#include <stddef.h>

/* From now on this thread (and those it makes) may write below `writable` (NULL: nowhere), read
 * below each of `readable` (those that do not exist are skipped), and open nothing else; where the
 * kernel knows it, it may neither bind nor connect TCP sockets, nor signal or reach by abstract
 * socket anyone outside. Needs no_new_privs. Where the kernel lacks Landlock one log line says so
 * and OK is returned. */
must_use enum error landlock_restrict(const char *writable, const char *const *readable,
                                      size_t n_readable, const char *role);

#endif
