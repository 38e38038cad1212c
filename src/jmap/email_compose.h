/* From an Email object that a client makes (RFC 8621 4.6) to a message. */
#ifndef DEPESCHE_JMAP_EMAIL_COMPOSE_H
#define DEPESCHE_JMAP_EMAIL_COMPOSE_H

#include "jmap/method.h"

/* Writes the message to `raw`. mailboxIds, keywords and receivedAt are not looked at. A property
 * that must not be there, or has a wrong value, is invalidProperties; a blob that is not there
 * blobNotFound; a message over the buffer's limit tooLarge. */
struct jmap_set_error email_compose(struct jmap_call *c, json_t *object, struct buf *raw);

#endif
