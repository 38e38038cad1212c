/* The memory of all sessions' literals: one pool for the process, of which an account has a share,
 * so that one user's many connections leave room for everybody else's. Bytes are taken when they
 * are announced: a literal that was let in never fails half way. Safe for any thread. */
#ifndef DEPESCHE_IMAP_LITERAL_POOL_H
#define DEPESCHE_IMAP_LITERAL_POOL_H

#include "base/limits.h"
#include <stdbool.h>
#include <stdint.h>

/* What one command holds. Zeroed: nothing. */
struct literal_hold {
    uint64_t bytes;
    uint64_t account; /* whose share it is of; 0: nobody's, before login */
};

/* Takes `bytes` more for the account; false when the pool or the account's share is used up. While
 * nobody else holds anything, or nothing else of the account is held, a literal always fits its
 * limit. `account` is the same in all calls until literal_release(). */
bool literal_reserve(struct literal_hold *h, uint64_t account, uint64_t bytes);
/* Gives all of it back, its memory having been freed before. */
void literal_release(struct literal_hold *h);

#endif
