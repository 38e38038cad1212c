/* Tables of small records that are known by a number instead of an address, which halves what their
 * links take. Records lie in pieces that never move; a hash table over them finds them by key.
 * Lists of records are made of links inside them. Not thread-safe. */
#ifndef DEPESCHE_QUEUE_POOL_H
#define DEPESCHE_QUEUE_POOL_H

#include <stddef.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX

/* How each record begins. */
struct pool_node {
    uint64_t key;
    uint32_t chain; /* the table's: next in the bucket, or next of the free ones */
    uint32_t count; /* the record's own use */
};

struct pool_link {
    uint32_t previous, next;
};

struct pool {
    size_t item;
    uint8_t **piece;
    uint32_t n_pieces, used, free, n;
    uint32_t *bucket;
    uint32_t n_buckets;
    uint64_t (*hash)(void *arg, const struct pool_node *node); /* spread over all bits */
    void *arg;
};

void pool_init(struct pool *p, size_t item, uint64_t (*hash)(void *, const struct pool_node *),
               void *arg);
void pool_free(struct pool *p);
/* Valid until the record is dropped. */
void *pool_at(const struct pool *p, uint32_t i);
/* A zeroed record; the caller fills it and then calls pool_enter(). */
uint32_t pool_take(struct pool *p);
void pool_enter(struct pool *p, uint32_t i);
/* Out of the table, and free. */
void pool_drop(struct pool *p, uint32_t i);
/* The first record of the hash's bucket, its follower is node.chain; POOL_NONE: none. */
uint32_t pool_first(const struct pool *p, uint64_t hash);
/* The record whose key this is, where keys are unique; POOL_NONE: none. */
uint32_t pool_find(const struct pool *p, uint64_t hash, uint64_t key);
size_t pool_bytes(const struct pool *p);

/* Lists through the struct pool_link at offset `at` of the records. tail may be NULL: then there is
 * only an order from the head, and nothing can be put at the end. */
struct pool_list {
    const struct pool *pool;
    size_t at;
    uint32_t *head, *tail;
};
void list_push_front(struct pool_list l, uint32_t i);
void list_push_back(struct pool_list l, uint32_t i);
void list_remove(struct pool_list l, uint32_t i);

#endif
