/* What submission does to a message's header (RFC 6409 section 8): checks whose addresses it
 * carries, adds what is missing, takes out what is nobody's business. Pure but for the question
 * whether an address belongs to the account. */
#ifndef DEPESCHE_SMTP_COMPOSE_H
#define DEPESCHE_SMTP_COMPOSE_H

#include "base/arena.h"
#include "smtp/reply.h"

struct compose {
    /* May the account write as this address? */
    bool (*may_send_as)(void *arg, struct slice address);
    void *arg;
    const char *host; /* for a Message-ID where the sender's domain is not known */
    int64_t now;
};

/* Judges `message` and writes the header that shall stand in front of its body to *header (a buffer
 * made by the caller): the fields kept, byte for byte and in their order, then those added, then
 * the empty line. *body: where the body begins in `message`, after its empty line. REPLY_NONE when
 * it may go. */
enum smtp_reply smtp_compose(const struct compose *c, struct slice message, struct buf *header,
                             size_t *body);

#endif
