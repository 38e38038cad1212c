/* Records between this program's processes: SOCK_SEQPACKET pairs, one record a packet, with at most
 * four descriptors passed along. Record contents are built with buf and read with cursor. */
#ifndef DEPESCHE_NET_IPC_H
#define DEPESCHE_NET_IPC_H

#include "base/buf.h"

#define IPC_FDS 4

struct ipc_record {
    struct slice bytes; /* in the caller's buffer */
    int fds[IPC_FDS];
    size_t n_fds;
};

/* A connected close-on-exec pair with buffers that take LIMIT_HANDOVER_RECORD. */
must_use enum error ipc_pair(int fds[2]);
/* Sends one record; blocks while the other side's buffer is full, at most timeout_ms (-1: for
 * ever). The descriptors stay the caller's. ERR_CLOSED when the other side is gone. */
must_use enum error ipc_send(int fd, struct slice bytes, const int *fds, size_t n_fds,
                             int timeout_ms);
/* Receives one record into `room` (LIMIT_HANDOVER_RECORD is always enough). Descriptors received
 * belong to the caller and are close-on-exec. ERR_TIMEOUT, ERR_CLOSED; ERR_INPUT when it was
 * truncated, or this process has no room for its descriptors: `out` then holds the bytes that came,
 * enough to tell the sender, and no descriptor. */
must_use enum error ipc_receive(int fd, uint8_t *room, size_t size, int timeout_ms,
                                struct ipc_record *out);
void ipc_close_fds(struct ipc_record *r);

/* A sealed memfd: immutable for everyone who gets it. `ipc_memfd` makes an empty one for writing.
 */
must_use enum error ipc_memfd(const char *name, int *fd);
must_use enum error ipc_memfd_seal(int fd);
/* Maps a sealed memfd read-only; ERR_INPUT when a seal against writing, growing or shrinking lacks.
 * Unmap with ipc_unmap(). An empty file gives the empty slice. */
must_use enum error ipc_memfd_map(int fd, size_t max, struct slice *out);
void ipc_unmap(struct slice s);
/* The same check, but the bytes are copied: for small ones, where taking a mapping away again
 * (every thread of the process must forget it) costs more than the copy. ERR_LIMIT when there are
 * more than `size`. */
must_use enum error ipc_memfd_copy(int fd, uint8_t *room, size_t size, size_t *n);

#endif
