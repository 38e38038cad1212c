/* The queue told to people: one sentence for what an entry's recipient waits for, or all about it
 * in plain words. */
#ifndef DEPESCHE_QUEUE_DESCRIBE_H
#define DEPESCHE_QUEUE_DESCRIBE_H

#include "base/buf.h"
#include "store/store.h"

/* A word for lists and JSON: "waiting", "held", "broken", "delivered", "returned", "cancelled". */
const char *queue_state_name(enum queue_state s);

/* "waiting for the first attempt", "waiting: attempt 3 at 2026-11-22T12:00:00Z; last answer: ...".
 * One line; control bytes of a remote server's answer are shown as '?'. */
void queue_describe(const struct queue_recipient *r, int64_t now, struct buf *out);

/* What was tried and when, with which host and which security, what went wrong or well, what is
 * demanded of the destination and by whom, and what happens next. Several lines, each with its end;
 * what strangers said has no control bytes. */
void queue_explain(const struct queue_entry *e, const struct queue_recipient *r, int64_t now,
                   struct buf *out);

/* The state that stands for the whole entry: broken before held before waiting, and what finished
 * only when all have: returned before cancelled before delivered. Without recipients: broken. */
enum queue_state queue_entry_state(const struct queue_entry *e);
/* When something happens next: the earliest next_attempt of those that wait; 0 when none does. */
int64_t queue_entry_next(const struct queue_entry *e);

#endif
