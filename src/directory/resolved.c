/* Where mail for an address went a moment ago, and what was true of it: in the steady state sender
 * and recipient cost no statement.
 *
 * Only good answers are kept, and only while the database is watched: every commit drops them all,
 * one of our own before its call returns, one of another process when the watch sees it. An answer
 * that was being looked up meanwhile is not kept. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "directory/internal.h"

struct resolved {
    uint64_t hash;
    int64_t since; /* clock_ms */
    size_t n_address, n;
    struct resolved_target target[]; /* their texts, and first the address, stand behind them */
};

struct fact {
    uint64_t hash, id;
    int64_t since; /* clock_ms */
    enum fact_kind kind;
    bool answer;
    size_t n;
    uint8_t text[];
};

void resolved_init(struct resolved_cache *c)
{
    pthread_mutex_init(&c->lock, NULL);
}

static void drop(struct resolved_cache *c)
{
    c->generation++;
    for (size_t i = 0; i < LIMIT_RESOLVED; i++) {
        mem_free(c->entry[i]);
        mem_free(c->fact[i]);
        c->entry[i] = NULL;
        c->fact[i] = NULL;
    }
}

void resolved_drop(struct resolved_cache *c)
{
    pthread_mutex_lock(&c->lock);
    drop(c);
    pthread_mutex_unlock(&c->lock);
}

void resolved_watched(struct resolved_cache *c, bool watched)
{
    pthread_mutex_lock(&c->lock);
    c->watched = watched;
    drop(c);
    pthread_mutex_unlock(&c->lock);
}

void resolved_free(struct resolved_cache *c)
{
    drop(c);
    pthread_mutex_destroy(&c->lock);
}

static bool copy_out(const struct resolved *r, struct arena *a, struct resolved_target **out)
{
    struct resolved_target *copy = arena_array(a, r->n, sizeof *copy);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < r->n; i++) {
        copy[i] = r->target[i];
        copy[i].address = arena_dup(a, copy[i].address);
        copy[i].detail = arena_dup(a, copy[i].detail);
        copy[i].language = arena_dup(a, copy[i].language);
        copy[i].next = i + 1 < r->n ? &copy[i + 1] : NULL;
    }
    *out = copy;
    return !a->failed;
}

bool resolved_get(struct resolved_cache *c, struct slice address, struct arena *a,
                  struct resolved_target **out, uint64_t *generation)
{
    uint64_t hash = hash_bytes(address);
    pthread_mutex_lock(&c->lock);
    *generation = c->generation;
    const struct resolved *r = c->entry[hash % LIMIT_RESOLVED];
    bool found = r != NULL && r->hash == hash &&
                 slice_eq(slice_of(&r->target[r->n], r->n_address), address) &&
                 clock_ms() - r->since < LIMIT_RESOLVED_MS && copy_out(r, a, out);
    pthread_mutex_unlock(&c->lock);
    return found;
}

static struct slice keep_text(uint8_t **at, struct slice s)
{
    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    struct slice kept = slice_of(*at, s.n);
    *at += s.n;
    return kept;
}

static struct resolved *copy_in(struct slice address, const struct resolved_target *first)
{
    size_t n = 0, text = address.n;
    for (const struct resolved_target *t = first; t != NULL; t = t->next, n++)
        text += t->address.n + t->detail.n + t->language.n;
    if (n > LIMIT_RESOLVED_TARGETS)
        return NULL;
    struct resolved *r = mem_alloc(sizeof *r + n * sizeof r->target[0] + text);
    uint8_t *at = (uint8_t *)&r->target[n];
    r->hash = hash_bytes(address);
    r->since = clock_ms();
    r->n_address = keep_text(&at, address).n;
    for (const struct resolved_target *t = first; t != NULL; t = t->next) {
        struct resolved_target *own = &r->target[r->n++];
        *own = *t;
        own->address = keep_text(&at, t->address);
        own->detail = keep_text(&at, t->detail);
        own->language = keep_text(&at, t->language);
        own->next = NULL;
    }
    return r;
}

void resolved_put(struct resolved_cache *c, uint64_t generation, struct slice address,
                  const struct resolved_target *first)
{
    pthread_mutex_lock(&c->lock);
    if (c->watched && c->generation == generation) {
        struct resolved *r = copy_in(address, first);
        if (r != NULL) {
            struct resolved **at = &c->entry[r->hash % LIMIT_RESOLVED];
            mem_free(*at);
            *at = r;
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- Facts --- */

static uint64_t fact_hash(const struct fact_key *key)
{
    return hash_bytes(key->text) ^ hash_u64(key->id * 2 + key->kind);
}

bool fact_get(struct resolved_cache *c, const struct fact_key *key, bool *answer,
              uint64_t *generation)
{
    uint64_t hash = fact_hash(key);
    pthread_mutex_lock(&c->lock);
    *generation = c->generation;
    const struct fact *f = c->fact[hash % LIMIT_RESOLVED];
    bool found = f != NULL && f->hash == hash && f->kind == key->kind && f->id == key->id &&
                 clock_ms() - f->since < LIMIT_RESOLVED_MS &&
                 slice_eq(slice_of(f->text, f->n), key->text);
    if (found)
        *answer = f->answer;
    pthread_mutex_unlock(&c->lock);
    return found;
}

void fact_put(struct resolved_cache *c, uint64_t generation, const struct fact_key *key,
              bool answer)
{
    if (key->text.n > LIMIT_ADDRESS)
        return;
    struct fact *f = mem_alloc(sizeof *f + key->text.n);
    *f = (struct fact){.hash = fact_hash(key),
                       .id = key->id,
                       .since = clock_ms(),
                       .kind = key->kind,
                       .answer = answer,
                       .n = key->text.n};
    if (key->text.n > 0)
        memcpy(f->text, key->text.p, key->text.n);
    pthread_mutex_lock(&c->lock);
    if (c->watched && c->generation == generation) {
        struct fact **at = &c->fact[f->hash % LIMIT_RESOLVED], *old = *at;
        *at = f;
        f = old;
    }
    pthread_mutex_unlock(&c->lock);
    mem_free(f);
}
