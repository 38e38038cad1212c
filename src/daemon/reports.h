/* Our daily TLS reports to the domains that asked for them (RFC 8460). */
#ifndef DEPESCHE_DAEMON_REPORTS_H
#define DEPESCHE_DAEMON_REPORTS_H

#include "config/config.h"
#include "filter/delivery.h"
#include "queue/memory.h"

/* Puts the reports of days that ended into the queue and forgets what they were made of. A report
 * that could not be kept is tried again at the next call. */
void reports_send(struct memory *m, const struct delivery_service *s, const struct config *c,
                  int64_t now);

#endif
