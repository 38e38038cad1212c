/* The relays that mail waits for: a number for each, by which edge answers. Numbers begin at a
 * random place: edge may still answer what a former `mail` asked, and must not meet another's
 * ticket. Not thread-safe: the server's lock guards it. */
#ifndef DEPESCHE_HANDOVER_TICKETS_H
#define DEPESCHE_HANDOVER_TICKETS_H

#include "base/slice.h"

struct tickets;

struct ticket {
    void *token;
    size_t n_recipients;
    const void *end; /* the connection it went over */
};

struct tickets *tickets_new(void);
void tickets_free(struct tickets *t);

/* Overdue LIMIT_RELAY_MS after `now` (clock_ms). ERR_AGAIN: LIMIT_RELAY_WAITING are open. */
must_use enum error tickets_open(struct tickets *t, const struct ticket *what, int64_t now,
                                 uint64_t *number);
/* Whoever takes a ticket settles it; nobody else finds it any more. */
bool tickets_take(struct tickets *t, uint64_t number, struct ticket *out);
/* Any that went over this connection. */
bool tickets_take_of(struct tickets *t, const void *end, struct ticket *out);
/* Any that is overdue. */
bool tickets_take_overdue(struct tickets *t, int64_t now, struct ticket *out);
/* When the oldest is overdue; -1: none is open. */
int64_t tickets_until(const struct tickets *t);

#endif
