/* What the files of the SMTP client share: client.c holds the session, client_check.c decides what
 * of a request can be said to this server, client_send.c says it. */
#ifndef DEPESCHE_OUTBOUND_CLIENT_PRIVATE_H
#define DEPESCHE_OUTBOUND_CLIENT_PRIVATE_H

#include "outbound/client.h"

struct client {
    struct dial *d;
    const char *host;
    struct reply reply; /* the last one; its memory is given back after each transaction */
    struct ehlo ehlo;
    int64_t end;       /* of the session, clock_ms() */
    int64_t until;     /* the caller's deadline */
    enum error broken; /* sending failed so: nothing more is sent, replies have a last moment */
    bool standing;
    bool in_transaction; /* MAIL was accepted and no end of data followed: RSET comes first */
    unsigned transactions;
};

/* `ms` from now, cut by the session's and the caller's end. */
int64_t client_deadline(const struct client *c, int64_t ms);
/* Sends what is gathered. A failure is remembered: the next client_hear() tells, after it looked
 * whether the server said why. */
void client_flush(struct client *c);
/* One reply into c->reply, all its lines within `ms`. An error: the session is over, *why says so.
 * After a 421 the session does not stand any more, and the reply is there. */
must_use enum error client_hear(struct client *c, int64_t ms, struct client_failure *why);
/* The last reply is why it failed. */
void client_refused(const struct client *c, enum problem problem, struct client_failure *why);
/* The last reply makes no sense here: the session is over. */
must_use enum error client_confused(struct client *c, struct client_failure *why);
/* The connection failed with `e`, which is returned: the session is over. */
must_use enum error client_lost(struct client *c, enum error e, struct client_failure *why);
void client_fail(struct client_failure *why, enum problem problem, const char *status,
                 const char *text);

enum recipient_state {
    RECIPIENT_OPEN, /* to be asked, or asked and not answered */
    RECIPIENT_ACCEPTED,
    RECIPIENT_DECIDED,
};

struct client_recipient {
    enum recipient_state state;
    bool said;            /* a RCPT for it is on its way */
    struct slice address; /* as it goes on the wire */
    struct slice orcpt;
};

/* One message for some recipients under way. */
struct transaction {
    struct client *c;
    const struct relay_request *rq;
    struct slice raw;
    struct arena *a;
    struct relay_outcome_of *outcome;
    struct client_failure *why;
    struct slice sender; /* as it goes on the wire */
    bool smtputf8;       /* is said with MAIL */
    size_t open;         /* recipients that can be asked */
    size_t accepted;
    size_t gathered; /* bytes of the message since the last flush */
    struct client_recipient recipient[LIMIT_RELAY_RECIPIENTS];
};

/* Looks at request and message against what the server announced, makes the forms for the wire.
 * Recipients it decides get their outcome; t->open are left. */
void client_check(struct transaction *t);
/* The outcome of one recipient, or of all that have none: permanent for a 5xx reply, or when it is
 * this side's final word (`permanent`). */
void client_decide(struct transaction *t, size_t i, const struct client_failure *f);
void client_decide_rest(struct transaction *t, const struct client_failure *f);

#endif
