/* Submission's rules, with and without a connection: 587 and 465 ask step by step, JMAP hands a
 * whole letter over. Both may send the same, and are limited alike. */
#ifndef DEPESCHE_SMTP_SUBMIT_H
#define DEPESCHE_SMTP_SUBMIT_H

#include "smtp/reply.h"
#include "smtp/smtp.h"

/* A letter with its envelope. */
struct submit_letter {
    const struct account *account; /* whose it is; looked at again for its state */
    struct slice sender, envid;
    uint8_t ret;
    bool smtputf8, require_tls;
    struct slice raw;              /* CRLF lines */
    int64_t now;                   /* wall seconds */
    struct delivery_recipient *to; /* status is filled */
    size_t n;
};

/* May this account send now, as this sender? REPLY_NONE: yes. */
enum smtp_reply submit_sender(const struct smtp_submission *s, const struct account *a,
                              struct slice sender);
/* May it write as this address? For struct compose. */
bool submit_may_send_as(const struct smtp_submission *s, const struct account *a,
                        struct slice address);
/* Counts against the sending limits and delivers `raw` as it is: its header is complete. Durable
 * when REPLY_DONE or REPLY_ACCEPTED comes back. */
enum smtp_reply submit_deliver(const struct smtp_submission *s, const struct submit_letter *l);

/* All of it: sender, recipients, header (checked and completed, a Received field in front),
 * delivery. REPLY_NONE: it is kept; its recipients' statuses say for whom. */
enum smtp_reply smtp_submit(const struct smtp_submission *s, const struct submit_letter *l);

#endif
