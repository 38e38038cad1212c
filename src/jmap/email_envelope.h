/* The ENVELOPE text of a message's index row, read back: the header fields that a list shows,
 * without opening the message. The text is our own (summary_envelope); anything else is refused. */
#ifndef DEPESCHE_JMAP_EMAIL_ENVELOPE_H
#define DEPESCHE_JMAP_EMAIL_ENVELOPE_H

#include "base/arena.h"
#include "message/address.h"

enum envelope_list {
    ENVELOPE_FROM,
    ENVELOPE_SENDER,
    ENVELOPE_REPLY_TO,
    ENVELOPE_TO,
    ENVELOPE_CC,
    ENVELOPE_BCC,
    ENVELOPE_LISTS,
};

/* p is NULL where a field is absent. */
struct email_envelope {
    struct slice date, subject, in_reply_to, message_id;
    struct address *list[ENVELOPE_LISTS];
};

/* Slices point into `text` or `a`. ERR_INPUT: not such a text; ERR_LIMIT: the arena's cap. */
must_use enum error email_envelope_read(struct arena *a, struct slice text,
                                        struct email_envelope *out);

#endif
