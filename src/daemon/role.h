/* What `edge` and `mail` have in common: how the supervisor starts them, what it says to them and
 * they to it, and their way from the fork through the sandbox to serving and to the end.
 *
 * Between supervisor and role goes a SOCK_SEQPACKET pair (the role's "line"):
 *   role -> supervisor   ready
 *   mail -> supervisor   bans      (addresses that the firewall shall close the machine to)
 *   supervisor -> role   stop      (finish what is in flight, then end)
 *   supervisor -> role   handover  (a new end of the pair between the roles: the other was
 *                                   restarted)
 *   supervisor -> role   reload    (new certificates in a memfd, the log level) */
#ifndef DEPESCHE_DAEMON_ROLE_H
#define DEPESCHE_DAEMON_ROLE_H

#include "daemon/identity.h"
#include "net/runtime.h"
#include <pthread.h>
#include <sys/types.h>

enum role_record {
    ROLE_READY = 1,
    ROLE_BANS,     /* u32 count, then for each: 16 bytes address, u32 seconds left */
    ROLE_STOP,     /* u32 milliseconds of grace */
    ROLE_HANDOVER, /* one descriptor */
    ROLE_RELOAD,   /* u8 log level; one descriptor: identities_pack() in a sealed memfd */
};

struct listening {
    enum config_service service;
    struct config_endpoint at;
    int fd;
};

/* What the supervisor gives a role at its fork. Everything in it stays for the role's life. */
struct role_start {
    const struct config *config;
    const struct identities *identities;
    const struct listening *listening; /* only the role's own; the role owns their descriptors */
    size_t n_listening;
    int line;     /* to the supervisor */
    int handover; /* to the other role */
    int commands; /* mail: the listening control socket; else -1 */
    bool drop_user;
    uid_t uid;
    gid_t gid;
};

/* The mains; they return the exit status. */
int edge_main(const struct role_start *start);
int mail_main(const struct role_start *start);

/* --- For the mains --- */

struct role {
    const char *name;
    const struct role_start *start;
    struct runtime *runtime;
    struct tls_server *tls;
    void (*on_handover)(void *arg, int fd);                         /* takes the descriptor */
    void (*on_identities)(void *arg, const struct identities *ids); /* new ones, or NULL */
    void *arg;
    int signals; /* signalfd of SIGTERM */
    pthread_t listener;
};

/* Sandbox, TLS and runtime. After it the process is confined and single-threaded no more. */
struct role_kind {
    const char *name;
    enum tls_audience audience;
    const char *data; /* the folder it may write */
    bool network;     /* may open connections */
};
must_use enum error role_begin(struct role *r, const struct role_start *start,
                               const struct role_kind *kind);

struct role_service {
    const struct protocol *protocol;
    void *arg;
    bool (*admit)(void *arg, struct ip peer);
    bool (*exempt)(void *arg, struct ip peer); /* from limits.connections_per_address; or NULL */
    struct slice busy_text;
    enum config_service service;
    bool implicit_tls;
};
/* Hands the role's ports of that service to the runtime. */
must_use enum error role_listen(struct role *r, const struct role_service *s);

/* Listens to the supervisor, says ready, and serves until told to stop. The thread that listens
 * lives on until the process ends, so runtime and TLS are left to the kernel. */
must_use enum error role_serve(struct role *r);

/* Sends one record to the supervisor; a lost supervisor is noticed elsewhere. */
void role_say(struct role *r, struct slice record);

#endif
