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
    bool permanent; /* 5xx of the greeting (RFC 5321 3.1: 554) or of a needed command */
};

/* Takes the connection, reads the greeting, says EHLO (HELO when that is refused). On a failure the
 * connection is closed. */
must_use enum error client_new(struct dial *d, const char *host, struct client **out,
                               struct client_failure *why);
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
 * lines (a bare CR or LF in it is refused as PROBLEM_SYNTAX, permanently: no smuggling).
 * ERR_CLOSED and others: the session is over; outcomes tell what is known. */
must_use enum error client_send(struct client *c, const struct relay_request *rq, struct slice raw,
                                struct arena *a, struct relay_outcome_of *outcome,
                                struct client_failure *why);
/* QUIT (its answer is not waited for long), frees. NULL is allowed. */
void client_free(struct client *c);
/* Quiet since the last transaction and still there: RSET-free reuse is fine. */
bool client_reusable(struct client *c);
struct ip client_peer(const struct client *c);

#endif
