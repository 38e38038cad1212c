/* What the parts of dial share: dial.c (lines, TLS), dial_connect.c (the race of addresses). */
#ifndef DEPESCHE_NET_DIAL_PRIVATE_H
#define DEPESCHE_NET_DIAL_PRIVATE_H

#include "net/dial.h"
#include <poll.h>

/* A non-blocking connected socket of the first address that answers; see dial_open(). */
must_use enum error dial_race(const struct dial_options *o, int *fd, size_t *which, int *why_errno);

/* Waits until one of the `n` descriptors is ready. polled[n] is room for one more: what
 * dial_stop_all() wakes by. ERR_TIMEOUT, ERR_CLOSED after dial_stop_all(), ERR_IO. */
must_use enum error dial_wait(struct pollfd *polled, size_t n, int64_t deadline);
/* dial_stop_all() was called. */
bool dial_stopped(void);

#endif
