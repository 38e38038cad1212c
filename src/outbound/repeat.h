/* Letters that are asked for again. When `mail` ends at once, what it was told last may not have
 * become durable, and what is being sent meets nobody; the next `mail` asks for all of that anew.
 * Then what came of it is told, and nobody has a second copy.
 *
 * Only a result that says of a recipient that it was delivered is kept: such a letter is asked for
 * again, with just the same recipients, only if that was not made durable. Whatever else came of
 * one may be tried again. Thread-safe. */
#ifndef DEPESCHE_OUTBOUND_REPEAT_H
#define DEPESCHE_OUTBOUND_REPEAT_H

#include "handover/relay.h"

struct repeats;

struct repeats *repeats_new(void) must_use;
/* Nobody may be in a call. */
void repeats_free(struct repeats *r);

/* A letter that is being sent. */
struct repeat_letter {
    struct repeat_letter *next;
    enum relay_kind kind;
    uint64_t id, print;
    uint64_t generation;
};
/* Before it is sent. While the same letter is under way for a former `mail`, waits for that, until
 * `deadline` (clock_ms()). OK: it was sent for a former `mail`; *out is its result, for
 * relay_read_result(). ERR_NOTFOUND: it is to be sent, and `l` stays until repeats_end() for it.
 * ERR_TIMEOUT; ERR_CLOSED after repeats_stop(). */
must_use enum error repeats_begin(struct repeats *r, const struct relay_request *rq,
                                  int64_t deadline, struct repeat_letter *l, struct buf *out);
void repeats_end(struct repeats *r, struct repeat_letter *l, const struct relay_result *result);
/* Another `mail`: it may ask again for the last that the former one was told. */
void repeats_renew(struct repeats *r);
/* Nobody waits any more. */
void repeats_stop(struct repeats *r);
/* Forgets what nobody asked for in LIMIT_REPEAT_MS. */
void repeats_tend(struct repeats *r, int64_t now);

#endif
