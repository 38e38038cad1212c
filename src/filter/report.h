/* Reports: what tells a sender who asked for it (NOTIFY=SUCCESS, RFC 3461) that his message was
 * delivered here, as one multipart/report (RFC 6522, RFC 3464; RFC 6533 where an address is not
 * ASCII). Composing only; filter/delivery.c decides what is reported and delivers it. */
#ifndef DEPESCHE_FILTER_REPORT_H
#define DEPESCHE_FILTER_REPORT_H

#include "filter/delivery.h"

enum report_action {
    REPORT_NONE,
    REPORT_DELIVERED, /* is in the mailbox of the recipient */
    REPORT_EXPANDED,  /* the recipient leads to several places, all of which have it */
};

struct report {
    const struct delivery_request *rq;
    const enum report_action *action; /* one a recipient of rq */
    const char *host;
    bool german;             /* else English */
    struct slice message_id; /* of the message, empty when it is not known */
};

/* Appends the report to *out. The sender's header comes along without its body, cut at
 * LIMIT_REPORT_HEADER. Values of the envelope that are not clean are left out.
 * - ERR_INPUT: the sender cannot stand in a header field.
 * - ERR_NOTFOUND: there is nothing to report.
 * - ERR_LIMIT: it would be larger than *out may be (LIMIT_REPORT). */
must_use enum error report_make(const struct report *r, struct buf *out);

#endif
