/* How a message crosses, in either direction: within its record, or beside it as a sealed memfd;
 * what stands in front of it (envelope, request) in the record, or in a second memfd. */
#ifndef DEPESCHE_HANDOVER_CARRY_H
#define DEPESCHE_HANDOVER_CARRY_H

#include "handover/handover.h"

/* The records of one direction. */
struct carriage {
    /* front NULL: in a second memfd. */
    void (*beside)(uint64_t id, const struct slice *front, struct buf *out);
    void (*within)(uint64_t id, struct slice front, struct slice message, struct buf *out);
    size_t small; /* up to so many bytes a message goes within, when the record has room */
};

/* Sends them; a message that is not small is put into a memfd. Errors as
 * ipc_send() and carry_memfd(). */
must_use enum error carry_message(int fd, const struct carriage *as, uint64_t id,
                                  struct slice front, const struct handover_message *m,
                                  int timeout_ms);
/* A sealed memfd of these bytes; the caller closes it. ERR_IO: no descriptor or no memory. */
must_use enum error carry_memfd(const char *name, struct slice bytes, int *out);

#endif
