/* Persistent snapshots of a mailbox: a tree of three levels. Pieces (chunks of entries, nodes of
 * chunks) are immutable and counted; a change makes new pieces where it falls and shares all
 * others, so that one delivery into a mailbox of a million messages copies a few kilobytes. */
#include "store/internal.h"

#define CHUNK  256u
#define FANOUT 64u

struct chunk {
    atomic_uint refs;
    uint32_t n;
    struct snapshot_entry e[];
};

struct node {
    atomic_uint refs;
    uint32_t n;     /* chunks */
    uint32_t count; /* entries */
    uint32_t start[FANOUT];
    struct chunk *chunk[FANOUT];
};

struct top {
    struct node *node;
    uint32_t start;
};

struct snapshot {
    atomic_uint refs;
    struct snapshot_info info;
    size_t n;
    struct top top[];
};

struct snapshot_builder {
    struct node **node;
    size_t n, cap;
    struct node *open; /* being filled */
    uint32_t n_tail;
    struct snapshot_entry tail[CHUNK];
};

static void chunk_unref(struct chunk *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        mem_free(c);
}

static void node_unref(struct node *n)
{
    if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < n->n; i++)
        chunk_unref(n->chunk[i]);
    mem_free(n);
}

static struct chunk *chunk_share(struct chunk *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static struct chunk *chunk_new(const struct snapshot_entry *e, uint32_t n)
{
    struct chunk *c = mem_alloc(sizeof *c + n * sizeof *e);
    atomic_init(&c->refs, 1);
    c->n = n;
    memcpy(c->e, e, n * sizeof *e);
    return c;
}

struct snapshot *snapshot_ref(struct snapshot *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

void snapshot_unref(struct snapshot *n)
{
    if (n == NULL || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < n->n; i++)
        node_unref(n->top[i].node);
    mem_free(n);
}

bool snapshot_alone(const struct snapshot *n)
{
    return atomic_load_explicit(&n->refs, memory_order_acquire) == 1;
}

struct snapshot_info snapshot_info(const struct snapshot *n)
{
    return n->info;
}

/* --- Building --- */

struct snapshot_builder *snapshot_builder_new(void)
{
    return mem_alloc(sizeof(struct snapshot_builder));
}

static void push_node(struct snapshot_builder *b, struct node *n)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->node = mem_resize(b->node, b->cap, sizeof(struct node *));
    }
    b->node[b->n++] = n;
}

static void close_node(struct snapshot_builder *b)
{
    if (b->open != NULL)
        push_node(b, b->open);
    b->open = NULL;
}

/* Takes over the reference. */
static void push_chunk(struct snapshot_builder *b, struct chunk *c)
{
    if (b->open != NULL && b->open->n == FANOUT)
        close_node(b);
    if (b->open == NULL) {
        b->open = mem_alloc(sizeof(struct node));
        atomic_init(&b->open->refs, 1);
    }
    struct node *o = b->open;
    o->start[o->n] = o->count;
    o->chunk[o->n++] = c;
    o->count += c->n;
}

/* Makes a chunk of the tail; joined with the one before when both fit into one, so that a mailbox
 * that shrinks does not become a crowd of tiny pieces. */
static void flush_tail(struct snapshot_builder *b)
{
    if (b->n_tail == 0)
        return;
    struct node *o = b->open;
    if (o != NULL && o->n > 0 && o->chunk[o->n - 1]->n + b->n_tail <= CHUNK) {
        struct chunk *last = o->chunk[--o->n];
        o->count -= last->n;
        memmove(b->tail + last->n, b->tail, b->n_tail * sizeof b->tail[0]);
        memcpy(b->tail, last->e, last->n * sizeof b->tail[0]);
        b->n_tail += last->n;
        chunk_unref(last);
    }
    uint32_t n = b->n_tail;
    b->n_tail = 0;
    push_chunk(b, chunk_new(b->tail, n));
}

void snapshot_builder_add(struct snapshot_builder *b, const struct snapshot_entry *e)
{
    if (b->n_tail == CHUNK)
        flush_tail(b);
    b->tail[b->n_tail++] = *e;
}

static void share_chunk(struct snapshot_builder *b, struct chunk *c)
{
    if (b->n_tail > 0 && b->n_tail + c->n <= CHUNK) {
        memcpy(b->tail + b->n_tail, c->e, c->n * sizeof c->e[0]);
        b->n_tail += c->n;
        return;
    }
    flush_tail(b);
    push_chunk(b, chunk_share(c));
}

static void share_node(struct snapshot_builder *b, struct node *n)
{
    flush_tail(b);
    if (b->open != NULL && b->open->n + n->n <= FANOUT) {
        for (uint32_t i = 0; i < n->n; i++)
            push_chunk(b, chunk_share(n->chunk[i]));
        return;
    }
    close_node(b);
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    push_node(b, n);
}

struct snapshot *snapshot_builder_done(struct snapshot_builder *b, const struct snapshot_info *info)
{
    flush_tail(b);
    close_node(b);
    struct snapshot *s = mem_alloc(sizeof *s + b->n * sizeof s->top[0]);
    atomic_init(&s->refs, 1);
    s->info = *info;
    s->info.count = 0;
    s->n = b->n;
    for (size_t i = 0; i < b->n; i++) {
        s->top[i] = (struct top){b->node[i], s->info.count};
        s->info.count += b->node[i]->count;
    }
    mem_free(b->node);
    mem_free(b);
    return s;
}

void snapshot_builder_drop(struct snapshot_builder *b)
{
    if (b == NULL)
        return;
    struct snapshot_info none = {0};
    snapshot_unref(snapshot_builder_done(b, &none));
}

int delta_order(const void *a, const void *b)
{
    const struct delta *x = a, *y = b;
    if (x->account != y->account)
        return (uintptr_t)x->account < (uintptr_t)y->account ? -1 : 1;
    if (x->mailbox != y->mailbox)
        return x->mailbox < y->mailbox ? -1 : 1;
    if (x->e.uid != y->e.uid)
        return x->e.uid < y->e.uid ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The deltas still to apply. */
struct delta_cursor {
    const struct delta *d;
    size_t n;
};

/* Drops deltas that a later one with the same uid overrides. */
static const struct delta *delta_first(struct delta_cursor *c)
{
    while (c->n > 1 && c->d[0].e.uid == c->d[1].e.uid) {
        c->d++;
        c->n--;
    }
    return c->n > 0 ? c->d : NULL;
}

static void delta_take(struct delta_cursor *c)
{
    c->d++;
    c->n--;
}

static void apply_chunk(struct snapshot_builder *b, const struct chunk *old, struct delta_cursor *c)
{
    for (uint32_t i = 0; i < old->n; i++) {
        const struct delta *d = delta_first(c);
        while (d != NULL && d->e.uid < old->e[i].uid) {
            if (!d->gone)
                snapshot_builder_add(b, &d->e);
            delta_take(c);
            d = delta_first(c);
        }
        if (d == NULL || d->e.uid > old->e[i].uid) {
            snapshot_builder_add(b, &old->e[i]);
            continue;
        }
        if (!d->gone)
            snapshot_builder_add(b, &d->e);
        delta_take(c);
    }
}

static uint32_t chunk_last(const struct chunk *c)
{
    return c->e[c->n - 1].uid;
}

static void apply_node(struct snapshot_builder *b, struct node *old, struct delta_cursor *c,
                       bool last_node)
{
    for (uint32_t i = 0; i < old->n; i++) {
        const struct delta *d = delta_first(c);
        bool last = last_node && i + 1 == old->n && old->chunk[i]->n < CHUNK;
        if (d != NULL && (last || d->e.uid <= chunk_last(old->chunk[i])))
            apply_chunk(b, old->chunk[i], c);
        else
            share_chunk(b, old->chunk[i]);
    }
}

struct snapshot *snapshot_apply(const struct snapshot *n, const struct delta *d, size_t count,
                                const struct snapshot_info *info)
{
    struct snapshot_builder *b = snapshot_builder_new();
    struct delta_cursor c = {d, count};
    for (size_t i = 0; i < n->n; i++) {
        struct node *old = n->top[i].node;
        const struct delta *first = delta_first(&c);
        bool last = i + 1 == n->n;
        if (first != NULL && (last || first->e.uid <= chunk_last(old->chunk[old->n - 1])))
            apply_node(b, old, &c, last);
        else
            share_node(b, old);
    }
    for (const struct delta *rest = delta_first(&c); rest != NULL; rest = delta_first(&c)) {
        if (!rest->gone)
            snapshot_builder_add(b, &rest->e);
        delta_take(&c);
    }
    return snapshot_builder_done(b, info);
}

/* --- Looking up --- */

/* The index of the node that holds entry `at` (from 0), which exists. */
static size_t node_of(const struct snapshot *n, uint32_t at)
{
    size_t lo = 0, hi = n->n;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (n->top[mid].start <= at)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

uint32_t snapshot_shared(const struct snapshot *a, uint32_t seq_a, const struct snapshot *b,
                         uint32_t seq_b)
{
    size_t i = node_of(a, seq_a - 1), k = node_of(b, seq_b - 1);
    uint32_t shared = 0;
    if (a->top[i].start != seq_a - 1 || b->top[k].start != seq_b - 1)
        return 0;
    for (; i < a->n && k < b->n && a->top[i].node == b->top[k].node; i++, k++)
        shared += a->top[i].node->count;
    return shared;
}

const struct snapshot_entry *snapshot_run(const struct snapshot *n, uint32_t seq, uint32_t *count)
{
    if (seq == 0 || seq > n->info.count) {
        *count = 0;
        return NULL;
    }
    uint32_t at = seq - 1;
    size_t lo = node_of(n, at);
    const struct node *node = n->top[lo].node;
    at -= n->top[lo].start;
    uint32_t a = 0, z = node->n;
    while (z - a > 1) {
        uint32_t mid = a + (z - a) / 2;
        if (node->start[mid] <= at)
            a = mid;
        else
            z = mid;
    }
    at -= node->start[a];
    *count = node->chunk[a]->n - at;
    return node->chunk[a]->e + at;
}

const struct snapshot_entry *snapshot_at(const struct snapshot *n, uint32_t seq)
{
    uint32_t count;
    return snapshot_run(n, seq, &count);
}

uint32_t snapshot_lower_bound(const struct snapshot *n, uint32_t uid)
{
    /* The last node, chunk, entry whose first uid is not over `uid`. */
    size_t lo = 0, hi = n->n;
    if (hi == 0 || n->top[0].node->chunk[0]->e[0].uid >= uid)
        return 1;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (n->top[mid].node->chunk[0]->e[0].uid <= uid)
            lo = mid;
        else
            hi = mid;
    }
    const struct node *node = n->top[lo].node;
    uint32_t a = 0, z = node->n;
    while (z - a > 1) {
        uint32_t mid = a + (z - a) / 2;
        if (node->chunk[mid]->e[0].uid <= uid)
            a = mid;
        else
            z = mid;
    }
    const struct chunk *c = node->chunk[a];
    uint32_t i = 0, k = c->n;
    while (i < k) {
        uint32_t mid = i + (k - i) / 2;
        if (c->e[mid].uid < uid)
            i = mid + 1;
        else
            k = mid;
    }
    return n->top[lo].start + node->start[a] + i + 1;
}

const struct snapshot_entry *snapshot_uid(const struct snapshot *n, uint32_t uid, uint32_t *seq)
{
    uint32_t at = snapshot_lower_bound(n, uid);
    const struct snapshot_entry *e = snapshot_at(n, at);
    if (e == NULL || e->uid != uid)
        return NULL;
    if (seq != NULL)
        *seq = at;
    return e;
}
