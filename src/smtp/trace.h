/* The Received field (RFC 5321 4.4, RFC 3848, RFC 6531 4.3). */
#ifndef DEPESCHE_SMTP_TRACE_H
#define DEPESCHE_SMTP_TRACE_H

#include "base/buf.h"
#include "net/address.h"

struct trace {
    bool submission; /* says nothing about the client: no "from", ESMTPSA */
    bool http;       /* it came by JMAP */
    struct slice helo;
    struct ip peer;
    const char *host;
    bool extended, smtputf8;
    struct slice tls_version, tls_cipher; /* empty without TLS */
    struct slice id;
    struct slice only_recipient; /* empty when there are several */
    int64_t received;
};

/* Appends the field, folded, with its CRLF. helo and recipient must be free of control bytes. */
void trace_received(const struct trace *t, struct buf *out);

/* Room for a transaction's id and its NUL. */
#define TRACE_ID 16
void trace_id(char out[TRACE_ID]);

#endif
