/* Slots of connections and the word that says who owns them. The one clever place: see runtime.h.
 *
 * Memory of a slot stays while the runtime lives and its generation changes with every use. So an
 * event that epoll reported to a worker just before another worker closed the connection finds an
 * old generation, and not freed memory. */
#include "base/mem.h"
#include "net/runtime_private.h"

static uint64_t word_of(uint32_t generation, uint32_t bits)
{
    return (uint64_t)generation << 32 | bits;
}

static uint32_t generation_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static struct conn *slot_new(struct slots *s)
{
    unsigned at = atomic_load(&s->used);
    if (at == LIMIT_SLOTS)
        return NULL;
    struct conn *chunk = atomic_load(&s->chunk[at / SLOTS_CHUNK]);
    if (!chunk) {
        chunk = mem_array(SLOTS_CHUNK, sizeof *chunk);
        atomic_store(&s->chunk[at / SLOTS_CHUNK], chunk);
    }
    struct conn *c = &chunk[at % SLOTS_CHUNK];
    c->index = at;
    atomic_store(&c->word, word_of(1, 0));
    atomic_store(&c->deadline, NEVER);
    atomic_store(&c->timer_at, NEVER);
    atomic_store(&s->used, at + 1);
    return c;
}

struct conn *slot_take(struct runtime *rt)
{
    struct slots *s = &rt->slots;
    pthread_mutex_lock(&s->lock);
    struct conn *c = s->free;
    if (c)
        s->free = c->next;
    else
        c = slot_new(s);
    pthread_mutex_unlock(&s->lock);
    if (!c)
        return NULL;
    c->next = NULL;
    atomic_store(&c->word, word_of(own_generation(c), OWN_LIVE | OWN_OWNED));
    return c;
}

/* Field by field and not by memset: others may look at the atomic ones at any time. */
static void slot_clear(struct conn *c)
{
    atomic_store(&c->deadline, NEVER);
    c->listener = NULL;
    c->worker = NULL;
    c->data = NULL;
    c->ssl = NULL;
    c->waker = NULL;
    c->count = NULL;
    c->open_tls = NULL;
    c->kept_deadline = 0;
    c->id = 0;
    c->in = c->out = (struct buf)BUF_INIT(0);
    c->in_at = 0;
    c->fd = -1;
    c->peer = (struct ip){{0}};
    c->phase = PHASE_NEW;
    c->counted = c->opened = c->broken = c->eof = false;
    c->registered = c->armed = c->armed_out = c->stalled = c->want_write = c->more = c->wake_kept =
        false;
}

void slot_give(struct runtime *rt, struct conn *c)
{
    struct slots *s = &rt->slots;
    slot_clear(c);
    uint32_t generation = own_generation(c) + 1;
    if (generation == 0) /* names with generation 0 are the listeners' */
        generation = 1;
    atomic_store(&c->word, word_of(generation, 0));
    pthread_mutex_lock(&s->lock);
    c->next = s->free;
    s->free = c;
    pthread_mutex_unlock(&s->lock);
}

void slots_free(struct runtime *rt)
{
    for (size_t i = 0; i < SLOTS_CHUNKS; i++)
        mem_free(atomic_load(&rt->slots.chunk[i]));
    pthread_mutex_destroy(&rt->slots.lock);
}

uint32_t own_generation(struct conn *c)
{
    return generation_of(atomic_load(&c->word));
}

uint64_t slot_name(struct conn *c)
{
    return word_of(own_generation(c), c->index);
}

struct conn *slot_find(struct runtime *rt, uint64_t name, uint32_t *generation)
{
    uint32_t index = (uint32_t)name;
    if (index >= atomic_load(&rt->slots.used))
        return NULL;
    *generation = generation_of(name);
    return atomic_load(&rt->slots.chunk[index / SLOTS_CHUNK]) + index % SLOTS_CHUNK;
}

bool own_notify(struct conn *c, uint32_t generation, uint32_t why)
{
    uint64_t w = atomic_load(&c->word);
    for (;;) {
        if (generation_of(w) != generation || !(w & OWN_LIVE))
            return false;
        if ((w & OWN_OWNED) && (w & why) == why)
            return false;
        if (atomic_compare_exchange_weak(&c->word, &w, w | OWN_OWNED | why))
            return !(w & OWN_OWNED);
    }
}

uint32_t own_take(struct conn *c)
{
    return (uint32_t)atomic_fetch_and(&c->word, ~(uint64_t)OWN_WHY) & OWN_WHY;
}

void own_again(struct conn *c, uint32_t why)
{
    atomic_fetch_or(&c->word, why);
}

bool own_asked(struct conn *c)
{
    return atomic_load(&c->word) & OWN_WHY;
}

bool own_park(struct conn *c)
{
    uint64_t generation = atomic_load(&c->word) >> 32 << 32;
    uint64_t owned = generation | OWN_LIVE | OWN_OWNED;
    return atomic_compare_exchange_strong(&c->word, &owned, generation | OWN_LIVE);
}
