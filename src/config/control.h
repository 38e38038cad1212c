/* The control socket: how a command asks the running server to do what only it can do, because it
 * has the store open for writing. One SOCK_SEQPACKET record each way, then the end.
 *
 *   request   u8 kind, then what the kind needs       (enum control_kind)
 *   answer    u8 enum error, then bytes of text
 *
 * The socket stands in the folder server.run; only root and the mail role's user may speak on it.
 */
#ifndef DEPESCHE_CONFIG_CONTROL_H
#define DEPESCHE_CONFIG_CONTROL_H

#include "base/buf.h"
#include <sys/types.h>

enum control_kind {
    CONTROL_STATUS = 1,         /* answer: lines of `name value` */
    CONTROL_REMOVE_ACCOUNT = 2, /* u64 account: what the store holds of it is removed */
    /* u8 enum queue_action, u8 1: everything, u64 entry, then recipient, sender, destination, each
     * with a u32 length; answer: the number of recipients it was done to */
    CONTROL_QUEUE = 3,
};

/* Makes the listening socket DIR/control (a stale one is replaced), mode 0600. */
must_use enum error control_listen(const char *dir, uid_t owner, int *fd);

/* Asks and waits for the answer, at most LIMIT_CONTROL_MS. ERR_NOTFOUND when no server runs there,
 * ERR_AUTH when the socket is not ours to use; ERR_TIMEOUT, ERR_CLOSED, ERR_INPUT as they say; else
 * what the server answered. `answer` gets the text. */
must_use enum error control_ask(const char *dir, struct slice request, struct buf *answer);

/* The server's side: accepts one asker, lets `handle` fill the answer's text and give its error,
 * and answers. Malformed or foreign askers are dropped. Blocks until somebody asks.
 * ERR_CLOSED when the socket is closed. */
must_use enum error
control_serve(int listening,
              enum error (*handle)(void *arg, struct slice request, struct buf *answer), void *arg);

#endif
