/* One SMTP session with another server, as its client: greeting, EHLO, STARTTLS, AUTH, and any
 * number of transactions with pipelining. Each wait has the deadline of RFC 5321 4.5.3.2 or a
 * shorter one, a whole session LIMIT_CLIENT_SESSION_MS. The deadline for anything that makes
 * progress at a hostile pace is bounded too. */
#ifndef DEPESCHE_OUTBOUND_CLIENT_H
#define DEPESCHE_OUTBOUND_CLIENT_H

#include "base/limits.h"
#include "handover/relay.h"
#include "net/dial.h"
#include "outbound/reply.h"

struct client;

/* What went wrong with the session as a whole, filled by each call that fails. */
struct client_failure {
    enum problem problem;
    uint16_t code; /* of the reply, 0: none */
    char status[12];
    char text[LIMIT_RELAY_ANSWER + 1]; /* one line: the reply's text, or a detail */
    bool permanent; /* 5xx of the greeting (RFC 5321 3.1: 554) or of both EHLO and HELO */
};

/* Takes the connection, reads the greeting, says EHLO (HELO when that is refused; then nothing is
 * announced). Nothing in this call and the later ones waits beyond `deadline` (clock_ms()); see
 * client_until(). On a failure the connection is closed. `host` must stay. */
must_use enum error client_new(struct dial *d, const char *host, int64_t deadline,
                               struct client **out, struct client_failure *why);
/* Another deadline for what comes, when a kept session serves the next message. */
void client_until(struct client *c, int64_t deadline);
/* STARTTLS and EHLO again. Needs ehlo.starttls. OK: encrypted; `outcome->problem` tells whether the
 * wish's check held. An error: refused (PROBLEM_TLS_REFUSED), handshake, injection; then the
 * session cannot be used on in clear text but after a refusal, when it stands. */
must_use enum error client_start_tls(struct client *c, struct tls_client *t,
                                     const struct tls_wish *wish, struct tls_outcome *outcome,
                                     struct client_failure *why);
/* AUTH PLAIN or LOGIN; only under TLS. PROBLEM_LOGIN. */
must_use enum error client_login(struct client *c, struct slice user, struct slice password,
                                 struct client_failure *why);
const struct ehlo *client_ehlo(const struct client *c);
bool client_standing(const struct client *c); /* false: of no more use, close it */

/* One transaction: MAIL, RCPT each, DATA, in as few round trips as PIPELINING allows. Fills
 * outcome[n_recipients] whatever happens; answers' texts live in `a`. Recipients are only told
 * RELAY_DELIVERED by the server's reply to the end of DATA. Dot-stuffing inside; `raw` has CRLF
 * lines (a bare CR or LF in it is refused as PROBLEM_SYNTAX, permanently: no smuggling), and stays
 * until the return.
 * OK: each outcome is decided; whether the session can go on says client_reusable(). What this side
 * decides without asking (too big, no SMTPUTF8, no REQUIRETLS, an address that cannot be said) is
 * permanent, for this server: with REQUIRETLS another MX host may have it (RFC 8689 4.2.1).
 * ERR_CLOSED and others: the session is over; outcomes tell what is known, `why` the reason. */
must_use enum error client_send(struct client *c, const struct relay_request *rq, struct slice raw,
                                struct arena *a, struct relay_outcome_of *outcome,
                                struct client_failure *why);
/* QUIT (its answer is not waited for), frees. NULL is allowed. */
void client_free(struct client *c);
/* Fit for one more transaction: stands, quiet since the last one, neither too old nor used
 * LIMIT_CLIENT_TRANSACTIONS times. An RSET that is needed is said by the next client_send(). */
bool client_reusable(struct client *c);
struct ip client_peer(const struct client *c);

#endif
