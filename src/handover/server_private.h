/* What the mail role's end shares between its files. */
#ifndef DEPESCHE_HANDOVER_SERVER_PRIVATE_H
#define DEPESCHE_HANDOVER_SERVER_PRIVATE_H

#include "base/limits.h"
#include "handover/record.h"
#include "handover/tickets.h"
#include <pthread.h>

/* One socket. Lives until its last user is done; the descriptor is closed then. */
struct end {
    int fd;
    unsigned users;   /* threads, those who send, and the server while it is the present one */
    unsigned threads; /* that read from it; the last one settles its tickets */
    unsigned waiting; /* threads in ipc_receive */
    bool dead;        /* the other side is gone, or it is closed here: no new tickets */
};

struct handover_server {
    struct handover_service service;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct end *end; /* NULL: stopping */
    unsigned threads;
    struct tickets *tickets; /* of relays under way */
    pthread_cond_t ticket;   /* the first is open, or the keeper shall end */
    bool ending;
    pthread_t keeper;     /* gives up tickets that are overdue */
    pthread_mutex_t bans; /* one list at a time */
};

/* A use of the present connection; NULL when edge is gone. */
struct end *server_end(struct handover_server *s);
void server_unref(struct handover_server *s, struct end *e);
void server_malformed(const char *what);

/* ERR_AGAIN: no thread. */
must_use enum error server_start_keeper(struct handover_server *s);
void server_stop_keeper(struct handover_server *s);
/* What edge answered to a relay; also when that cannot be read. */
void server_take_result(struct handover_server *s, uint64_t id, struct slice result);
void server_take_long_result(struct handover_server *s, uint64_t id, int memfd);
/* Nothing comes from this connection any more. */
void server_lose_tickets(struct handover_server *s, const struct end *e);

#endif
