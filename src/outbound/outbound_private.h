/* What the files of sending share: plan.c decides nothing, send.c works through one message, pool.c
 * gives it a thread and keeps its connections. */
#ifndef DEPESCHE_OUTBOUND_OUTBOUND_PRIVATE_H
#define DEPESCHE_OUTBOUND_OUTBOUND_PRIVATE_H

#include "outbound/client.h"
#include "outbound/outbound.h"
#include "outbound/security.h"

#define OUTBOUND_KEY 4096 /* LIMIT: bytes that tell one kind of session from another */

/* A session with a server that was found, secured and logged in to as its key says: any message
 * with the same key may go over it without another look-up. */
struct session {
    struct session *next;
    struct client *client;
    struct buf key;
    enum security security;
    char host[256];
    struct ip ip, local;
    char tls_version[16], tls_cipher[64];
    int64_t idle_since; /* clock_ms(), while it is kept */
};
void session_free(struct session *s);

/* A kept session of this key that still stands, now the caller's; NULL: none. */
struct session *pool_take(struct outbound *o, struct slice key);
/* Keeps it for the next message, or ends it when there is no room. */
void pool_keep(struct outbound *o, struct session *s);
/* Does anybody want this to go on? Not when the service ends or its `mail` is gone: begin nothing
 * new then. */
bool pool_wants(struct outbound *o, uint64_t generation);
/* Around what should not be cut off: MAIL to the answer to the end of data. */
void pool_transaction(struct outbound *o, int change);

/* One message to be sent. */
struct assignment {
    struct outbound *pool;
    const struct outbound_options *o;
    const struct relay_request *rq;
    struct slice raw;
    int64_t deadline;    /* clock_ms() */
    uint64_t generation; /* for pool_wants() */
};
/* Sends it. Fills *out, whose memory is in `a`; blocks at most until the deadline. */
void send_message(const struct assignment *x, struct arena *a, struct relay_result *out);
/* The same result for all, decided here (PROBLEM_BUSY, a malformed request). */
void send_nothing(const struct relay_request *rq, enum problem p, struct arena *a,
                  struct relay_result *out);

/* Why a host, or the whole domain, did not take the message. */
struct failure {
    enum problem problem;
    uint16_t code;
    const char *status; /* NULL: made of the problem */
    struct slice text;
    bool permanent;
};
/* plan.c: RELAY_LOOK. */
void plan_answer(const struct outbound_options *o, const struct relay_request *rq, struct arena *a,
                 struct relay_result *out);

/* send_outcome.c: failures to outcomes. */
void failure_outcome(const struct failure *f, struct relay_outcome_of *out);
/* Is `b` more worth telling than `a`? A broken security outdoes what may be mere chance. */
bool failure_outranks(const struct failure *b, const struct failure *a);
void log_outcomes(const struct relay_request *rq, const struct relay_result *r);

/* send_event.c: what a TLS report counts of one host; NONE: all was well. The addresses are the
 * caller's to fill. */
void event_make(const struct route_host *host, const struct security_plan *plan,
                const struct sts_found *sts, enum problem problem, struct arena *a,
                struct relay_tls_event *out);
struct slice find_rua(const struct outbound_options *o, struct slice domain, int64_t deadline,
                      struct arena *a);

#endif
