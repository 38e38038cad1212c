/* See slab.h. */
#include "queue/slab.h"

#include "base/mem.h"
#include <string.h>

#define PIECE       256 /* records */
#define FIRST_TABLE 64

void slab_init(struct slab *p, size_t item, uint64_t (*hash)(void *, const struct slab_node *),
               void *arg)
{
    *p = (struct slab){.item = item, .free = SLAB_NONE, .hash = hash, .arg = arg};
    p->n_buckets = FIRST_TABLE;
    p->bucket = mem_array(FIRST_TABLE, sizeof *p->bucket);
    memset(p->bucket, 0xff, FIRST_TABLE * sizeof *p->bucket);
}

void slab_free(struct slab *p)
{
    for (uint32_t i = 0; i < p->n_pieces; i++)
        mem_free(p->piece[i]);
    mem_free(p->piece);
    mem_free(p->bucket);
}

void *slab_at(const struct slab *p, uint32_t i)
{
    return p->piece[i / PIECE] + (i % PIECE) * p->item;
}

static struct slab_node *node_at(const struct slab *p, uint32_t i)
{
    return slab_at(p, i);
}

uint32_t slab_take(struct slab *p)
{
    uint32_t i = p->free;
    if (i != SLAB_NONE) {
        p->free = node_at(p, i)->chain;
        memset(slab_at(p, i), 0, p->item);
        return i;
    }
    if (p->used == p->n_pieces * PIECE) {
        p->piece = mem_resize(p->piece, p->n_pieces + 1, sizeof *p->piece);
        p->piece[p->n_pieces++] = mem_array(PIECE, p->item);
    }
    return p->used++;
}

static void enter(struct slab *p, uint32_t i)
{
    struct slab_node *n = node_at(p, i);
    uint32_t *at = &p->bucket[p->hash(p->arg, n) & (p->n_buckets - 1)];
    n->chain = *at;
    *at = i;
}

/* Two records a bucket are found as quickly as one, for half of the memory. */
static void widen(struct slab *p)
{
    uint32_t *old = p->bucket, n = p->n_buckets;
    p->n_buckets *= 2;
    p->bucket = mem_array(p->n_buckets, sizeof *p->bucket);
    memset(p->bucket, 0xff, p->n_buckets * sizeof *p->bucket);
    for (uint32_t b = 0; b < n; b++) {
        for (uint32_t i = old[b], next; i != SLAB_NONE; i = next) {
            next = node_at(p, i)->chain;
            enter(p, i);
        }
    }
    mem_free(old);
}

void slab_enter(struct slab *p, uint32_t i)
{
    if (p->n == 2 * p->n_buckets)
        widen(p);
    enter(p, i);
    p->n++;
}

void slab_drop(struct slab *p, uint32_t i)
{
    struct slab_node *n = node_at(p, i);
    uint32_t *at = &p->bucket[p->hash(p->arg, n) & (p->n_buckets - 1)];
    while (*at != i)
        at = &node_at(p, *at)->chain;
    *at = n->chain;
    n->chain = p->free;
    p->free = i;
    p->n--;
}

uint32_t slab_first(const struct slab *p, uint64_t hash)
{
    return p->bucket[hash & (p->n_buckets - 1)];
}

uint32_t slab_find(const struct slab *p, uint64_t hash, uint64_t key)
{
    uint32_t i = slab_first(p, hash);
    while (i != SLAB_NONE && node_at(p, i)->key != key)
        i = node_at(p, i)->chain;
    return i;
}

size_t slab_bytes(const struct slab *p)
{
    return p->n_pieces * (PIECE * p->item + sizeof *p->piece) + p->n_buckets * sizeof *p->bucket;
}

/* --- Lists --- */

static struct slab_link *link_at(struct slab_list l, uint32_t i)
{
    return (struct slab_link *)(void *)((uint8_t *)slab_at(l.slab, i) + l.at);
}

void slab_push_front(struct slab_list l, uint32_t i)
{
    *link_at(l, i) = (struct slab_link){SLAB_NONE, *l.head};
    if (*l.head != SLAB_NONE)
        link_at(l, *l.head)->previous = i;
    else if (l.tail != NULL)
        *l.tail = i;
    *l.head = i;
}

void slab_push_back(struct slab_list l, uint32_t i)
{
    if (*l.head == SLAB_NONE) {
        slab_push_front(l, i);
        return;
    }
    *link_at(l, i) = (struct slab_link){*l.tail, SLAB_NONE};
    link_at(l, *l.tail)->next = i;
    *l.tail = i;
}

void slab_remove(struct slab_list l, uint32_t i)
{
    struct slab_link k = *link_at(l, i);
    if (k.previous != SLAB_NONE)
        link_at(l, k.previous)->next = k.next;
    else
        *l.head = k.next;
    if (k.next != SLAB_NONE)
        link_at(l, k.next)->previous = k.previous;
    else if (l.tail != NULL)
        *l.tail = k.previous;
}
