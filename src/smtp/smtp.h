/* SMTP: the server's two faces. Receiving (port 25, in `edge`) speaks with strangers and knows only
 * the hand-over; submission (587 STARTTLS, 465 TLS, in `mail`) speaks with users. One session
 * engine serves both. (RFC 5321, 6409, 3207, 2920, 3030, 3461, 6531, 8689, 9422.) */
#ifndef DEPESCHE_SMTP_SMTP_H
#define DEPESCHE_SMTP_SMTP_H

#include "auth/login.h"
#include "filter/delivery.h"
#include "guard/sending.h"
#include "handover/handover.h"
#include "net/runtime.h"

struct smtp_limits {
    uint64_t message_size; /* 0: LIMIT_MESSAGE_SIZE */
    uint32_t recipients;   /* 0: LIMIT_SMTP_RECIPIENTS */
};

/* Whether an address is closed for the whole machine is asked by the listener's `admit`. */
struct smtp_receiving {
    const char *host; /* our name in greeting and trace */
    struct smtp_limits limits;
    struct handover_client *handover;
};

struct smtp_submission {
    const char *host;
    struct smtp_limits limits;
    struct login *login;
    struct guard *guard;
    struct sending *sending; /* NULL: no limits */
    struct delivery_service delivery;
};

/* For listener_options.protocol; the service is a struct smtp_receiving / smtp_submission that
 * outlives the runtime. */
extern const struct protocol smtp_receiving_protocol;
extern const struct protocol smtp_submission_protocol;

/* Sent in clear when a connection limit is hit. */
#define SMTP_BUSY_TEXT "421 4.7.0 Too many connections, try again later\r\n"

#endif
