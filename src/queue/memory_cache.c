/* What is remembered of the domains asked for lately, bounded; see memory_private.h. */
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "queue/memory_private.h"

struct cached {
    struct cached *next;          /* of its bucket */
    struct cached *newer, *older; /* by use */
    struct memory_known known;    /* its slices point into `text` */
    size_t n_domain, bytes;
    uint8_t text[]; /* the domain, and what `known` has */
};

void memory_cache_init(struct memory_cache *c)
{
    pthread_mutex_init(&c->lock, NULL);
}

static struct slice domain_of(const struct cached *e)
{
    return slice_of(e->text, e->n_domain);
}

/* The place of the pointer to the domain's entry, or of the NULL where it would stand. */
static struct cached **place(struct memory_cache *c, struct slice domain)
{
    struct cached **p = &c->bucket[hash_bytes(domain) % CACHE_BUCKETS];
    while (*p != NULL && !slice_eq(domain_of(*p), domain))
        p = &(*p)->next;
    return p;
}

static void unlink_use(struct memory_cache *c, struct cached *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct memory_cache *c, struct cached *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void remove_at(struct memory_cache *c, struct cached **p)
{
    struct cached *e = *p;
    *p = e->next;
    unlink_use(c, e);
    c->n--;
    c->bytes -= e->bytes;
    mem_free(e);
}

static void drop(struct memory_cache *c, struct slice domain)
{
    c->generation++;
    if (domain.n > 0) {
        struct cached **p = place(c, domain);
        if (*p != NULL)
            remove_at(c, p);
        return;
    }
    while (c->oldest != NULL)
        remove_at(c, place(c, domain_of(c->oldest)));
}

void memory_cache_drop(struct memory_cache *c, struct slice domain)
{
    pthread_mutex_lock(&c->lock);
    drop(c, domain);
    pthread_mutex_unlock(&c->lock);
}

void memory_cache_free(struct memory_cache *c)
{
    drop(c, SLICE_NONE);
    pthread_mutex_destroy(&c->lock);
}

static enum error copy_out(const struct memory_known *k, struct arena *a, struct memory_known *out)
{
    *out = *k;
    out->mx_names = a ? arena_dup(a, k->mx_names) : SLICE_NONE;
    out->sts.id = a ? arena_dup(a, k->sts.id) : SLICE_NONE;
    out->sts.policy = a ? arena_dup(a, k->sts.policy) : SLICE_NONE;
    return a && a->failed ? ERR_LIMIT : OK;
}

bool memory_cache_find(struct memory_cache *c, struct slice domain, struct arena *a,
                       struct memory_known *out, uint64_t *generation, enum error *e)
{
    pthread_mutex_lock(&c->lock);
    struct cached *found = *place(c, domain);
    *generation = c->generation;
    if (found != NULL) {
        unlink_use(c, found);
        link_newest(c, found);
        *e = copy_out(&found->known, a, out);
    }
    pthread_mutex_unlock(&c->lock);
    return found != NULL;
}

static struct slice put(uint8_t **at, struct slice s)
{
    struct slice copy = {*at, s.n};
    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct cached *make(struct slice domain, const struct memory_known *k)
{
    size_t bytes = sizeof(struct cached) + domain.n + k->mx_names.n + k->sts.id.n + k->sts.policy.n;
    struct cached *e = mem_alloc(bytes);
    uint8_t *at = e->text;
    e->bytes = bytes;
    e->n_domain = put(&at, domain).n;
    e->known = *k;
    e->known.mx_names = put(&at, k->mx_names);
    e->known.sts.id = put(&at, k->sts.id);
    e->known.sts.policy = put(&at, k->sts.policy);
    return e;
}

void memory_cache_keep(struct memory_cache *c, struct slice domain, const struct memory_known *k,
                       uint64_t generation)
{
    pthread_mutex_lock(&c->lock);
    if (generation == c->generation) {
        struct cached **p = place(c, domain);
        if (*p != NULL)
            remove_at(c, p);
        struct cached *e = make(domain, k);
        c->n++;
        c->bytes += e->bytes;
        while (c->oldest != NULL && (c->n > LIMIT_MEMORY_DOMAINS || c->bytes > LIMIT_MEMORY_BYTES))
            remove_at(c, place(c, domain_of(c->oldest)));
        p = place(c, domain);
        *p = e;
        link_newest(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}
