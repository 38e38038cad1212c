/* Delivery status notifications: multipart/report of a text for people, a message/delivery-status
 * and what is given back of the message (RFC 3461, 3464, 6522; RFC 6533 where an address is not
 * ASCII). Composing only; who is told what, and when, is decided elsewhere. What is written here
 * came from strangers' envelopes, headers and answers: no byte of it may end a line. */
#ifndef DEPESCHE_MESSAGE_DSN_H
#define DEPESCHE_MESSAGE_DSN_H

#include "base/buf.h"

/* What a sender asks for with a recipient (RFC 3461 4.1) and with the message (4.3), as it is kept
 * and handed over; 0: nothing was said. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum { RET_HEADERS = 1, RET_FULL = 2 };

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    struct slice address, orcpt; /* orcpt: as in the envelope, xtext; empty: none */
    enum dsn_action action;
    struct slice status;      /* "5.1.1" */
    struct slice remote_mta;  /* host; empty: none */
    struct slice diagnostic;  /* the other server's reply, "550 5.1.1 no such user"; empty: none */
    struct slice reason;      /* a sentence for people in the reader's language; empty: none */
    struct slice security;    /* how it was transported, for people; empty: not told */
    int64_t will_retry_until; /* DELAYED; 0: not told */
};

enum dsn_return { DSN_HEADERS, DSN_FULL };

struct dsn {
    const char *host; /* who reports */
    bool german;      /* else English */
    struct slice to;  /* the envelope sender */
    struct slice envid;
    int64_t arrival, now;      /* wall seconds */
    struct slice message_id;   /* of the message, empty when not known */
    struct slice raw;          /* the message */
    enum dsn_return give_back; /* FULL only when RET=FULL asked so, or nothing was asked and it
                                  failed, and the message is at most LIMIT_REPORT_FULL */
    const struct dsn_recipient *recipient;
    size_t n_recipients;
};

/* Appends the report to *out. Values that are not clean are left out; a recipient with an unclean
 * address too.
 * - ERR_INPUT: `to` cannot stand in a header field.
 * - ERR_NOTFOUND: nothing to report.
 * - ERR_LIMIT: larger than *out may be. */
must_use enum error dsn_make(const struct dsn *d, struct buf *out);

/* The address that an ORCPT names (as in the envelope: "rfc822;" and xtext, RFC 3461 4.2, or
 * "utf-8;", RFC 6533 3), decoded and appended to *out. ERR_NOTFOUND: it names none, or not a clean
 * one. */
must_use enum error dsn_read_orcpt(struct slice orcpt, struct buf *out);
/* The ORCPT that names `address`, appended to *out. ERR_LIMIT: longer than LIMIT_SMTP_ORCPT. */
must_use enum error dsn_write_orcpt(struct slice address, struct buf *out);

/* What an enhanced status code (RFC 3463) means, for people: "The mailbox does not exist." NULL
 * when it says no more than that something failed. */
const char *dsn_status_text(struct slice status, bool german);

#endif
