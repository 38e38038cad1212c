/* The sending limits of accounts, at submission: who exceeds them is asked to come back later, and
 * the operator hears of it once. */
#ifndef DEPESCHE_SMTP_SENDING_LIMIT_H
#define DEPESCHE_SMTP_SENDING_LIMIT_H

#include "smtp/reply.h"
#include "smtp/smtp.h"

/* Counts a message for the recipients that are not ours. REPLY_NONE: it may go. */
enum smtp_reply sending_limit(const struct smtp_submission *s, const struct account *a,
                              const struct delivery_recipient *to, size_t n, int64_t now);

#endif
