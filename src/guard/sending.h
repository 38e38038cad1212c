/* Sending limits of accounts: so many messages an hour, so many recipients a day that the account
 * never wrote to before, so that a stolen password does little harm. Counted in sending.db beside
 * the lockouts' database, so that a restart forgets nothing. Thread-safe. */
#ifndef DEPESCHE_GUARD_SENDING_H
#define DEPESCHE_GUARD_SENDING_H

#include "base/slice.h"

struct sending;

struct sending_options {
    const char *path;
    unsigned messages_per_hour;      /* 0: no limit */
    unsigned new_recipients_per_day; /* 0: no limit; foreign addresses only */
};
must_use enum error sending_open(const struct sending_options *o, struct sending **out);
void sending_close(struct sending *s);

enum sending_answer { SENDING_OK, SENDING_TOO_MANY_MESSAGES, SENDING_TOO_MANY_NEW };
struct sending_verdict {
    enum sending_answer answer;
    int64_t until; /* when to try again */
    bool first;    /* the first refusal of this kind within its window: worth a warning */
};
/* Counts a message of `account` to these foreign recipients (canonical addresses), all or nothing:
 * when it is refused nothing is counted. Durable soon, not at once: a crash may forget the last
 * second. */
void sending_count(struct sending *s, uint64_t account, const struct slice *foreign, size_t n,
                   int64_t now, struct sending_verdict *out);
/* Account gone. */
void sending_forget(struct sending *s, uint64_t account);
/* Old counts go; recipients not written to for a year are new again. About every hour. */
void sending_tend(struct sending *s, int64_t now);

#endif
