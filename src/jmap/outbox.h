/* Sending what was submitted: at once, or when its time has come. */
#ifndef DEPESCHE_JMAP_OUTBOX_H
#define DEPESCHE_JMAP_OUTBOX_H

#include "jmap/jmap.h"
#include "store/submission.h"

/* Sends a pending submission by the rules of submission (smtp/submit.h) and settles it, unless it
 * is settled, or being sent. What cannot leave now (a limit, a full disk or mailbox) stays pending:
 * true. What never can, or not for LIMIT_SUBMISSION_RETRY, is settled as failed; `tell`: its sender
 * gets a report, for nobody waits for the answer. */
bool outbox_send(const struct jmap_service *s, uint64_t account, uint64_t id, bool tell);
/* Takes a pending one back. ERR_CONFLICT: too late; ERR_NOTFOUND. */
must_use enum error outbox_cancel(const struct jmap_service *s, uint64_t account, uint64_t id);
/* What is due. */
void outbox_tend(const struct jmap_service *s);

/* The one with that id; NULL: none. Slices in `a`. */
const struct submission *outbox_find(const struct jmap_service *s, struct arena *a,
                                     uint64_t account, uint64_t id);

#endif
