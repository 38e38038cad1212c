/* What the edge's end shares between its files. */
#ifndef DEPESCHE_HANDOVER_CLIENT_PRIVATE_H
#define DEPESCHE_HANDOVER_CLIENT_PRIVATE_H

#include "base/limits.h"
#include "handover/record.h"
#include <pthread.h>
#include <semaphore.h>

struct waiter {
    uint64_t id;
    enum record_type expects;
    enum handover_status *status;
    size_t n;
    enum error result;
    bool done;
};

struct slot {
    struct waiter *waiter; /* NULL: free */
    uint32_t next_free;
    sem_t answered;
};

/* One socket; replaced as a whole when `mail` is started anew. Lives until the last user is done.
 */
struct link {
    int fd;
    unsigned users;
    bool renewed; /* nothing was read from it yet, and another was before it */
};

struct handover_client {
    pthread_mutex_t lock; /* guards everything up to the next remark */
    pthread_cond_t replaced;
    struct link *link; /* NULL while `mail` is gone */
    bool ending;
    uint64_t count;
    struct slot slot[LIMIT_HANDOVER_WAITING];
    uint32_t free_head; /* LIMIT_HANDOVER_WAITING: none */
    /* How edge stands. Its lock is held while that is sent, so that the newest arrives last; it is
     * taken before the other. */
    pthread_mutex_t health_lock;
    bool health_known, validates;
    struct buf health;
    /* For the reading thread alone. */
    pthread_t reader;
    struct handover_duties duties;
    struct ip *bans;
    size_t n_bans;
};

/* A use of the present link; NULL while `mail` is gone. */
struct link *client_link(struct handover_client *c);
void client_unlink(struct handover_client *c, struct link *l);

/* A RELAY record of any kind; takes the descriptors it needs out of `in`. */
void client_take_relay(struct handover_client *c, const struct record *r, struct ipc_record *in);
/* A record that could not be read or lost its descriptors: when it asks for a relay, says no. */
void client_refuse(struct handover_client *c, struct slice record);
/* Tells a new `mail` what the former one knew. */
void client_tell_health(struct handover_client *c);

#endif
