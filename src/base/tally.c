/* What each account has in use at once; see tally.h. */
#include "base/tally.h"

#include "base/hash.h"

static struct tally_use **bucket_of(struct tally *t, uint64_t key)
{
    return &t->bucket[hash_u64(key) % TALLY_BUCKETS];
}

static uint64_t sum(const struct tally_use *first, uint64_t key)
{
    uint64_t n = 0;
    for (const struct tally_use *u = first; u != NULL; u = u->next)
        n += u->key == key ? u->n : 0;
    return n;
}

bool tally_take(struct tally *t, struct tally_use *use, uint64_t key, uint64_t n, uint64_t most)
{
    struct tally_use **bucket = bucket_of(t, key);
    pthread_mutex_lock(&t->lock);
    uint64_t have = sum(*bucket, key);
    bool good = have <= most && n <= most - have;
    if (good) {
        *use = (struct tally_use){*bucket, key, n};
        *bucket = use;
    }
    pthread_mutex_unlock(&t->lock);
    return good;
}

void tally_give(struct tally *t, struct tally_use *use)
{
    if (use->n == 0)
        return;
    pthread_mutex_lock(&t->lock);
    struct tally_use **at = bucket_of(t, use->key);
    while (*at != use)
        at = &(*at)->next;
    *at = use->next;
    pthread_mutex_unlock(&t->lock);
    use->n = 0;
}

uint64_t tally_of(struct tally *t, uint64_t key)
{
    pthread_mutex_lock(&t->lock);
    uint64_t n = sum(*bucket_of(t, key), key);
    pthread_mutex_unlock(&t->lock);
    return n;
}
