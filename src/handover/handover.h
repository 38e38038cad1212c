/* What crosses between `edge` and `mail`: requests with their answers over one SOCK_SEQPACKET pair.
 *
 *   edge -> mail   resolve  (recipient, announced size)    -> status
 *   edge -> mail   deliver  (envelope, verdict, message)   -> one status a recipient
 *   mail -> edge   banned   (addresses closed for the whole machine; no answer)
 *   mail -> edge   relay    (envelope, demands, message)   -> one result a recipient
 *   edge -> mail   health   (does the resolver validate; no answer)
 *
 * A message crosses as a sealed memfd:
 * immutable, no copy, no temporary file; a small one within its record, which costs less. Every
 * record is typed, length-checked and bounded; a malformed one from the other side is dropped with
 * one log line, never trusted: `edge` talks to strangers. When its number could be read, whoever
 * waits for the answer hears at once that it must try later. */
#ifndef DEPESCHE_HANDOVER_HANDOVER_H
#define DEPESCHE_HANDOVER_HANDOVER_H

#include "base/arena.h"
#include "handover/relay.h"
#include "net/address.h"
#include "net/ipc.h"

/* How a recipient, or a message for it, was decided. SMTP replies are made of it in one table. */
enum handover_status {
    HANDOVER_OK,
    HANDOVER_UNKNOWN,   /* 550 5.1.1 no such recipient */
    HANDOVER_NOT_OURS,  /* 550 5.7.1 no relaying */
    HANDOVER_CLOSED,    /* 550 5.2.1 */
    HANDOVER_FULL,      /* 452 4.2.2 mailbox full */
    HANDOVER_NO_ROOM,   /* 452 4.3.1 this system's disk is full */
    HANDOVER_BAD,       /* 501/553 malformed address */
    HANDOVER_LOOP,      /* 554 5.4.6 too many hops */
    HANDOVER_TEMPORARY, /* 451 4.3.0 */
    HANDOVER_TOO_MANY,  /* 452 4.5.3 */
};

struct handover_recipient {
    struct slice address; /* as given in RCPT */
    struct slice orcpt;
    uint8_t notify; /* as in struct queue_recipient */
};

/* The envelope of a message that edge received, and what edge found out about its origin. */
struct handover_envelope {
    struct ip peer;
    struct slice helo, tls_version, tls_cipher; /* tls empty: clear text */
    struct slice sender;                        /* empty: <> */
    struct slice envid;
    uint8_t ret;
    bool smtputf8, require_tls;
    struct slice trace; /* the Received field edge made, put in front of the message */
    int64_t received;
    const struct handover_recipient *recipients;
    size_t n_recipients;
};

/* --- In edge --- */

struct handover_client;

/* What `mail` asks of edge. Called on the thread that reads, so neither may block. */
struct handover_duties {
    void (*banned)(void *arg, const struct ip *ips, size_t n); /* the whole list */
    /* To be sent: `request` is for relay_read_request(). The bytes are valid during the call only;
     * memfd (-1: the message is `small`) is the callee's to close. Ends, sooner or later, with
     * handover_relayed(). NULL: what comes is answered as PROBLEM_BUSY. */
    void (*relay)(void *arg, uint64_t ticket, struct slice request, int memfd, struct slice small);
    /* All that the former `mail` asked was heard, what comes now is another's; may be NULL. */
    void (*renewed)(void *arg);
    void *arg;
};
/* Starts the thread that reads. Takes fd. */
must_use enum error handover_client_new(int fd, const struct handover_duties *duties,
                                        struct handover_client **out);
/* Answers a relay; waits while `mail` does not read. A `mail` that was restarted meanwhile does not
 * know the ticket: the answer is dropped. Thread-safe. */
void handover_relayed(struct handover_client *c, uint64_t ticket, const struct relay_result *r);
/* Tells mail how edge stands; the same again after each handover_client_replace(). `text` is one
 * line, cut after LIMIT_HEALTH_TEXT bytes. Thread-safe. */
void handover_health(struct handover_client *c, bool validates, struct slice text);
/* size: what MAIL SIZE= announced, 0 when it did not; asks whether that much fits the mailbox.
 * Both block, at most LIMIT_HANDOVER_MS; ERR_CLOSED or ERR_TIMEOUT mean: 421 / 451, try later.
 * Thread-safe. */
must_use enum error handover_resolve(struct handover_client *c, struct slice recipient,
                                     uint64_t size, enum handover_status *out);
/* A message: a sealed memfd that stays the caller's, or, with memfd -1, its bytes, at most
 * LIMIT_HANDOVER_SMALL. */
struct handover_message {
    int memfd;
    struct slice small;
};
/* status has room for n_recipients. On an error nothing is known to be kept: defer. */
must_use enum error handover_deliver(struct handover_client *c, const struct handover_envelope *e,
                                     const struct handover_message *m,
                                     enum handover_status *status);
/* False once `mail` is gone; a new pair comes with a new edge connection (handover_client_replace).
 */
bool handover_client_alive(struct handover_client *c);
/* `mail` was restarted: goes on with the new socket; waiting requests end with ERR_CLOSED. */
void handover_client_replace(struct handover_client *c, int fd);
void handover_client_free(struct handover_client *c);

/* --- In mail --- */

/* What the server side does with requests; called on its worker threads, may block for a commit. */
struct handover_service {
    enum handover_status (*resolve)(void *arg, struct slice recipient, uint64_t size);
    /* raw is the message without the trace field; it stays during the call. Fills
     * status[n_recipients]. */
    void (*deliver)(void *arg, const struct handover_envelope *e, struct slice raw,
                    enum handover_status *status);
    /* The result of a handover_relay(), or NULL: edge is gone, or did not answer in
     * LIMIT_RELAY_MS, and nothing is known (the message may have been sent). Called exactly once
     * for each that handover_relay() took, on a worker thread; may be NULL when none is sent. */
    void (*relayed)(void *arg, void *token, const struct relay_result *r);
    void (*health)(void *arg, bool validates, struct slice text); /* may be NULL */
    void *arg;
};
struct handover_server;
/* Starts worker threads on demand (at most 64). Takes fd. ERR_AGAIN: not even the first thread
 * could be started; the descriptor is then the caller's still. */
must_use enum error handover_server_new(int fd, const struct handover_service *service,
                                        struct handover_server **out);
/* `edge` was restarted: serve the new socket from now on. Takes fd, also on an error. ERR_AGAIN: no
 * thread for it could be started; nothing is served then until the next call. */
must_use enum error handover_server_replace(struct handover_server *s, int fd);
/* Asks edge to send. Returns when the record is on its way; the outcome comes by `relayed`. raw is
 * copied (small: in the record, else a memfd). ERR_INPUT: no recipient, or something in it is
 * longer than relay_read_request() takes; ERR_CLOSED: edge is away; ERR_AGAIN: too many are under
 * way (LIMIT_RELAY_WAITING) or no descriptor; ERR_TIMEOUT: edge does not read for
 * LIMIT_RELAY_SEND_MS. After an error `relayed` is not called; else it may be before this returns.
 * Thread-safe. */
must_use enum error handover_relay(struct handover_server *s, const struct relay_request *rq,
                                   struct slice raw, void *token);
must_use enum error handover_server_banned(struct handover_server *s, const struct ip *ips,
                                           size_t n);
/* Answers what is in flight (at most grace_ms), settles every open relay as not known, then ends.
 * Nobody may be in a call of handover_relay() any more, except `relayed`. False: something is still
 * being served, and what it uses (the service too) must stay as long as the process. */
bool handover_server_free(struct handover_server *s, int grace_ms);

#endif
