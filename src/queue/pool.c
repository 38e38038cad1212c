/* See pool.h. */
#include "queue/pool.h"

#include "base/mem.h"
#include <string.h>

#define PIECE       256 /* records */
#define FIRST_TABLE 64

void pool_init(struct pool *p, size_t item, uint64_t (*hash)(void *, const struct pool_node *),
               void *arg)
{
    *p = (struct pool){.item = item, .free = POOL_NONE, .hash = hash, .arg = arg};
    p->n_buckets = FIRST_TABLE;
    p->bucket = mem_array(FIRST_TABLE, sizeof *p->bucket);
    memset(p->bucket, 0xff, FIRST_TABLE * sizeof *p->bucket);
}

void pool_free(struct pool *p)
{
    for (uint32_t i = 0; i < p->n_pieces; i++)
        mem_free(p->piece[i]);
    mem_free(p->piece);
    mem_free(p->bucket);
}

void *pool_at(const struct pool *p, uint32_t i)
{
    return p->piece[i / PIECE] + (i % PIECE) * p->item;
}

static struct pool_node *node_at(const struct pool *p, uint32_t i)
{
    return pool_at(p, i);
}

uint32_t pool_take(struct pool *p)
{
    uint32_t i = p->free;
    if (i != POOL_NONE) {
        p->free = node_at(p, i)->chain;
        memset(pool_at(p, i), 0, p->item);
        return i;
    }
    if (p->used == p->n_pieces * PIECE) {
        p->piece = mem_resize(p->piece, p->n_pieces + 1, sizeof *p->piece);
        p->piece[p->n_pieces++] = mem_array(PIECE, p->item);
    }
    return p->used++;
}

static void enter(struct pool *p, uint32_t i)
{
    struct pool_node *n = node_at(p, i);
    uint32_t *at = &p->bucket[p->hash(p->arg, n) & (p->n_buckets - 1)];
    n->chain = *at;
    *at = i;
}

/* Two records a bucket are found as quickly as one, for half of the memory. */
static void widen(struct pool *p)
{
    uint32_t *old = p->bucket, n = p->n_buckets;
    p->n_buckets *= 2;
    p->bucket = mem_array(p->n_buckets, sizeof *p->bucket);
    memset(p->bucket, 0xff, p->n_buckets * sizeof *p->bucket);
    for (uint32_t b = 0; b < n; b++) {
        for (uint32_t i = old[b], next; i != POOL_NONE; i = next) {
            next = node_at(p, i)->chain;
            enter(p, i);
        }
    }
    mem_free(old);
}

void pool_enter(struct pool *p, uint32_t i)
{
    if (p->n == 2 * p->n_buckets)
        widen(p);
    enter(p, i);
    p->n++;
}

void pool_drop(struct pool *p, uint32_t i)
{
    struct pool_node *n = node_at(p, i);
    uint32_t *at = &p->bucket[p->hash(p->arg, n) & (p->n_buckets - 1)];
    while (*at != i)
        at = &node_at(p, *at)->chain;
    *at = n->chain;
    n->chain = p->free;
    p->free = i;
    p->n--;
}

uint32_t pool_first(const struct pool *p, uint64_t hash)
{
    return p->bucket[hash & (p->n_buckets - 1)];
}

uint32_t pool_find(const struct pool *p, uint64_t hash, uint64_t key)
{
    uint32_t i = pool_first(p, hash);
    while (i != POOL_NONE && node_at(p, i)->key != key)
        i = node_at(p, i)->chain;
    return i;
}

size_t pool_bytes(const struct pool *p)
{
    return p->n_pieces * (PIECE * p->item + sizeof *p->piece) + p->n_buckets * sizeof *p->bucket;
}

/* --- Lists --- */

static struct pool_link *link_at(struct pool_list l, uint32_t i)
{
    return (struct pool_link *)(void *)((uint8_t *)pool_at(l.pool, i) + l.at);
}

void list_push_front(struct pool_list l, uint32_t i)
{
    *link_at(l, i) = (struct pool_link){POOL_NONE, *l.head};
    if (*l.head != POOL_NONE)
        link_at(l, *l.head)->previous = i;
    else if (l.tail != NULL)
        *l.tail = i;
    *l.head = i;
}

void list_push_back(struct pool_list l, uint32_t i)
{
    if (*l.head == POOL_NONE) {
        list_push_front(l, i);
        return;
    }
    *link_at(l, i) = (struct pool_link){*l.tail, POOL_NONE};
    link_at(l, *l.tail)->next = i;
    *l.tail = i;
}

void list_remove(struct pool_list l, uint32_t i)
{
    struct pool_link k = *link_at(l, i);
    if (k.previous != POOL_NONE)
        link_at(l, k.previous)->next = k.next;
    else
        *l.head = k.next;
    if (k.next != POOL_NONE)
        link_at(l, k.next)->previous = k.previous;
    else if (l.tail != NULL)
        *l.tail = k.previous;
}
