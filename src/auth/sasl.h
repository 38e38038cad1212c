/* SASL for IMAP and submission: PLAIN (RFC 4616) and LOGIN, with and without initial response.
 * Pure state machine: bytes in (base64 decoded here), challenge or credentials out. */
#ifndef DEPESCHE_AUTH_SASL_H
#define DEPESCHE_AUTH_SASL_H

#include "base/arena.h"
#include "base/limits.h"

enum sasl_step {
    SASL_CHALLENGE, /* send `challenge`, wait for a line */
    SASL_DONE,      /* user and password are there */
    SASL_CANCELLED, /* the client sent "*" */
    SASL_BAD,       /* malformed */
    SASL_UNKNOWN,   /* no such mechanism */
    SASL_MISMATCH,  /* an authorization identity other than the user: refused */
};

struct sasl {
    int mechanism, stage;
    char user[LIMIT_ADDRESS + 1];
    char password[LIMIT_PASSWORD + 1];
    size_t user_n, password_n;
    struct slice challenge; /* base64, static text; empty: an empty challenge */
};

/* `initial`: base64 as sent, "=" for an empty one; p == NULL when none was sent. */
enum sasl_step sasl_start(struct sasl *s, struct slice mechanism, struct slice initial);
/* One line from the client, without its line end. */
enum sasl_step sasl_next(struct sasl *s, struct slice line);
/* Wipes the password. Always call. */
void sasl_end(struct sasl *s);

#endif
