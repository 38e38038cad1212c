/* Tables of small records that are known by a number instead of an address, which halves what their
 * links take. Records lie in pieces that never move; a hash table over them finds them by key.
 * Lists of records are made of links inside them. Not thread-safe. */
#ifndef DEPESCHE_QUEUE_SLAB_H
#define DEPESCHE_QUEUE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_NONE UINT32_MAX

/* How each record begins. */
struct slab_node {
    uint64_t key;
    uint32_t chain; /* the table's: next in the bucket, or next of the free ones */
    uint32_t count; /* the record's own use */
};

struct slab_link {
    uint32_t previous, next;
};

struct slab {
    size_t item;
    uint8_t **piece;
    uint32_t n_pieces, used, free, n;
    uint32_t *bucket;
    uint32_t n_buckets;
    uint64_t (*hash)(void *arg, const struct slab_node *node); /* spread over all bits */
    void *arg;
};

void slab_init(struct slab *p, size_t item, uint64_t (*hash)(void *, const struct slab_node *),
               void *arg);
void slab_free(struct slab *p);
/* Valid until the record is dropped. */
void *slab_at(const struct slab *p, uint32_t i);
/* A zeroed record; the caller fills it and then calls slab_enter(). */
uint32_t slab_take(struct slab *p);
void slab_enter(struct slab *p, uint32_t i);
/* Out of the table, and free. */
void slab_drop(struct slab *p, uint32_t i);
/* The first record of the hash's bucket, its follower is node.chain; SLAB_NONE: none. */
uint32_t slab_first(const struct slab *p, uint64_t hash);
/* The record whose key this is, where keys are unique; SLAB_NONE: none. */
uint32_t slab_find(const struct slab *p, uint64_t hash, uint64_t key);
size_t slab_bytes(const struct slab *p);

/* Lists through the struct slab_link at offset `at` of the records. tail may be NULL: then there is
 * only an order from the head, and nothing can be put at the end. */
struct slab_list {
    const struct slab *slab;
    size_t at;
    uint32_t *head, *tail;
};
void slab_push_front(struct slab_list l, uint32_t i);
void slab_push_back(struct slab_list l, uint32_t i);
void slab_remove(struct slab_list l, uint32_t i);

#endif
