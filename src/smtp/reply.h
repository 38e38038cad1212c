/* SMTP replies: one table of code, enhanced code (RFC 3463, 5248) and text. Whatever the server
 * says in answer to a command has an entry here; how something went (a status of the hand-over or
 * of delivery) becomes a reply in one place. */
#ifndef DEPESCHE_SMTP_REPLY_H
#define DEPESCHE_SMTP_REPLY_H

#include "filter/delivery.h"
#include "handover/handover.h"

enum smtp_reply {
    REPLY_NONE, /* nothing to say: the command is good so far */

    REPLY_DONE,          /* 250 2.0.0 */
    REPLY_SENDER_OK,     /* 250 2.1.0 */
    REPLY_RECIPIENT_OK,  /* 250 2.1.5 */
    REPLY_ACCEPTED,      /* 250 2.0.0, with the id */
    REPLY_CHUNK_OK,      /* 250 2.0.0, after BDAT */
    REPLY_BYE,           /* 221 2.0.0 */
    REPLY_STARTTLS,      /* 220 2.0.0 */
    REPLY_AUTH_OK,       /* 235 2.7.0 */
    REPLY_CANNOT_VERIFY, /* 252 2.1.5 */
    REPLY_HELP,          /* 214 2.0.0 */
    REPLY_SEND_DATA,     /* 354 */

    REPLY_SHUTTING_DOWN,     /* 421 4.3.2 */
    REPLY_BACKEND_GONE,      /* 421 4.3.0 */
    REPLY_TIMEOUT,           /* 421 4.4.2 */
    REPLY_TOO_MANY_MESSAGES, /* 450 4.7.28 */
    REPLY_TOO_MANY_NEW,      /* 450 4.7.28 */
    REPLY_TOO_MANY_ERRORS,   /* 421 4.7.0 */
    REPLY_TOO_LONG,          /* 421 4.7.0: commands, transactions or session time used up */
    REPLY_REVOKED,           /* 421 4.7.0 */
    REPLY_TEMPORARY,         /* 451 4.3.0 */
    REPLY_AUTH_BUSY,         /* 454 4.7.0 */
    REPLY_TLS_NOT_NOW,       /* 454 4.7.0 */
    REPLY_NO_ROOM,           /* 452 4.3.1 */
    REPLY_MAILBOX_FULL,      /* 452 4.2.2 */
    REPLY_TOO_MANY_RCPT,     /* 452 4.5.3 */

    REPLY_UNKNOWN_COMMAND, /* 500 5.5.1 */
    REPLY_BAD_LINE,        /* 500 5.5.2 */
    REPLY_LINE_TOO_LONG,   /* 500 5.5.6 */
    REPLY_BAD_ARGUMENT,    /* 501 5.5.4 */
    REPLY_BAD_SENDER,      /* 501 5.1.7 */
    REPLY_BAD_RECIPIENT,   /* 501 5.1.3 */
    REPLY_AUTH_CANCELLED,  /* 501 5.7.0 */
    REPLY_AUTH_BAD,        /* 501 5.5.2 */
    REPLY_NOT_HERE,        /* 502 5.5.1 */
    REPLY_BAD_SEQUENCE,    /* 503 5.5.1 */
    REPLY_NEED_HELLO,      /* 503 5.5.1 */
    REPLY_NEED_MAIL,       /* 503 5.5.1 */
    REPLY_NEED_RCPT,       /* 503 5.5.1 */
    REPLY_AUTH_UNKNOWN,    /* 504 5.5.4 */
    REPLY_AUTH_DISABLED,   /* 525 5.7.13 */
    REPLY_NEED_TLS,        /* 530 5.7.0 */
    REPLY_NEED_AUTH,       /* 530 5.7.0 */
    REPLY_NEED_TLS_FOR_IT, /* 530 5.7.10 */
    REPLY_AUTH_WRONG,      /* 535 5.7.8 */
    REPLY_UNKNOWN,         /* 550 5.1.1 */
    REPLY_NOT_OURS,        /* 550 5.7.1 */
    REPLY_CLOSED,          /* 550 5.2.1 */
    REPLY_NOT_YOUR_SENDER, /* 550 5.7.1 */
    REPLY_NOT_YOUR_FROM,   /* 550 5.7.1 */
    REPLY_NO_FROM,         /* 550 5.7.1 */
    REPLY_UNCLEAR_FROM,    /* 550 5.7.1 */
    REPLY_NO_NULL_SENDER,  /* 550 5.7.1 */
    REPLY_NO_SEND,         /* 550 5.7.1 */
    REPLY_TOO_BIG,         /* 552 5.3.4 */
    REPLY_NEED_UTF8,       /* 553 5.6.7 */
    REPLY_NOT_IN_STEP,     /* 554 5.5.0 */
    REPLY_BARE_LINE_END,   /* 554 5.6.0 */
    REPLY_NUL,             /* 554 5.6.0 */
    REPLY_TEXT_LINE,       /* 554 5.6.0 */
    REPLY_BAD_HEADER,      /* 554 5.6.0 */
    REPLY_LOOP,            /* 554 5.4.6 */
    REPLY_UNKNOWN_PARAM,   /* 555 5.5.4 */

    SMTP_REPLIES
};

struct smtp_reply_text {
    uint16_t code;
    const char *enhanced; /* "" where RFC 2034 gives none */
    const char *text;
};
/* The table's row. REPLY_NONE has none: asking for it is a bug. */
const struct smtp_reply_text *smtp_reply(enum smtp_reply r);

/* What a recipient's status is as the answer to RCPT, or to the end of data. */
enum smtp_reply smtp_reply_of_handover(enum handover_status s);
enum smtp_reply smtp_reply_of_delivery(enum delivery_status s);

/* The one answer to a message whose recipients were decided one by one. A loop counts only where
 * nobody else keeps the message: it was there before. Otherwise a refusal of one is a refusal of
 * all, a temporary one first: rather twice than lost. */
enum smtp_reply smtp_reply_of_all(const enum smtp_reply *each, size_t n);

#endif
