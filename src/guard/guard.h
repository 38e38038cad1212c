/* The guard: wrong passwords are counted, addresses locked out, for all services together.
 *
 * Defaults: up to 4 wrong passwords within 20 minutes are tolerated; the 5th closes the users'
 * services (IMAP, submission, web) to that address for 20 minutes; the 3rd closing within 24 hours
 * closes the whole machine to it for 24 hours. IPv4 counts by address, IPv6 by /64. Bans always
 * expire. Trusted networks are exempt. Everything is kept in guard.db and is there again after a
 * restart or a kill; failures are written before the answer goes out. The `depesche ban` command
 * reads and changes the same database; the serving process hears of it at once. Thread-safe.
 * guard_admit is the hot path: it touches memory only. */
#ifndef DEPESCHE_GUARD_GUARD_H
#define DEPESCHE_GUARD_GUARD_H

#include "base/arena.h"
#include "net/address.h"

struct guard;

enum guard_level {
    GUARD_OPEN,
    GUARD_SERVICES, /* users' services are closed to this address */
    GUARD_MACHINE,  /* everything is */
};

struct guard_options {
    const char *path;              /* guard.db */
    unsigned tolerated;            /* wrong passwords; default 4 */
    unsigned window_seconds;       /* default 20 min */
    unsigned close_seconds;        /* default 20 min */
    unsigned closings;             /* closings that lead to the machine ban; default 3 */
    unsigned closings_seconds;     /* default 24 h */
    unsigned machine_seconds;      /* default 24 h */
    bool repeated_password_counts; /* default true */
    const struct ip_net *trusted;  /* copied */
    size_t n_trusted;
    const struct ip_net *proxies; /* hosts that may hand over their client's address; copied */
    size_t n_proxies;
    /* The set of machine bans changed (here or by the command): list again. May be NULL. Called
     * without locks, from any thread. Not called when a ban runs out: each carries its end. */
    void (*on_machine_bans)(void *arg);
    void *arg;
};

/* Zero fields of `o` take their defaults (but repeated_password_counts: set it). */
must_use enum error guard_open(const struct guard_options *o, struct guard **out);
void guard_close(struct guard *g);

/* May this address use a users' service now? *until (wall seconds) is set when not; may be NULL. */
enum guard_level guard_admit(struct guard *g, struct ip peer, int64_t *until);
bool guard_is_trusted(struct guard *g, struct ip peer);
bool guard_is_proxy(struct guard *g, struct ip peer);

/* The rule that holds, for telling people. */
struct guard_lockout {
    unsigned tolerated, window_seconds, close_seconds;
};
struct guard_lockout guard_lockout(const struct guard *g);

/* A wrong password. `password_tag` identifies the password without revealing it (a keyed hash), to
 * count a repeated one once when so configured. Returns the level that holds now. Durable on
 * return. */
enum guard_level guard_failed(struct guard *g, struct ip peer, struct slice account,
                              const char *service, uint64_t password_tag, int64_t *until);

struct guard_ban {
    struct ip ip; /* IPv6: the /64 */
    enum guard_level level;
    int64_t since, until;
};
must_use enum error guard_bans(struct guard *g, struct arena *a, struct guard_ban **out, size_t *n);
/* Lifts bans and forgets failures of that address. ERR_NOTFOUND when there is nothing. */
must_use enum error guard_lift(struct guard *g, struct ip peer);

struct guard_attempt {
    int64_t at;
    struct ip ip;
    struct slice account, service;
    bool counted; /* false: a repeated password that did not count, or a trusted network */
};
/* What led to it: attempts of that address in the last 24 hours, oldest first, at most 1000. */
must_use enum error guard_why(struct guard *g, struct ip peer, struct arena *a,
                              struct guard_attempt **out, size_t *n);
must_use enum error guard_check(struct guard *g, void (*report)(void *arg, const char *line),
                                void *arg, unsigned *bad);

#endif
