/* The memory of literals; see literal_pool.h. */
#include "imap/literal_pool.h"
#include "base/mem.h"
#include <stdatomic.h>

enum {
    /* Accounts whose numbers fall on one counter share a share. */
    COUNTERS = 4096,
    /* After so much has been freed the system gets back what the heap keeps of it. */
    TRIM_AFTER = 16 * 1024 * 1024,
};

static _Atomic uint64_t pool, freed, shares[COUNTERS];

/* Adds unless the sum would be over `room`; who is alone is not held to it. */
static bool take(_Atomic uint64_t *sum, uint64_t bytes, uint64_t room)
{
    uint64_t before = atomic_fetch_add(sum, bytes);
    if (before == 0 || before + bytes <= room)
        return true;
    atomic_fetch_sub(sum, bytes);
    return false;
}

bool literal_reserve(struct literal_hold *h, uint64_t account, uint64_t bytes)
{
    uint64_t room = LIMIT_IMAP_LITERAL_MEMORY;
    if (h->bytes + bytes > LIMIT_IMAP_LIGHT)
        room -= LIMIT_IMAP_LIGHT_MEMORY;
    _Atomic uint64_t *share = account ? &shares[account % COUNTERS] : NULL;
    if (share && !take(share, bytes, LIMIT_IMAP_ACCOUNT_MEMORY))
        return false;
    if (!take(&pool, bytes, room)) {
        if (share)
            atomic_fetch_sub(share, bytes);
        return false;
    }
    h->bytes += bytes;
    h->account = account;
    return true;
}

/* Large literals go back by themselves; of many small ones the heap would keep the pages. */
static void trim(uint64_t bytes)
{
    if (atomic_fetch_add(&freed, bytes) + bytes < TRIM_AFTER)
        return;
    if (atomic_exchange(&freed, 0) >= TRIM_AFTER)
        mem_trim();
}

void literal_release(struct literal_hold *h)
{
    if (!h->bytes)
        return;
    atomic_fetch_sub(&pool, h->bytes);
    if (h->account)
        atomic_fetch_sub(&shares[h->account % COUNTERS], h->bytes);
    trim(h->bytes);
    *h = (struct literal_hold){0};
}
