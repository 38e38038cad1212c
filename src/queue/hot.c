/* Entries in memory; see hot.h. */
#include "queue/hot.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

/* --- An entry as one piece of memory --- */

static size_t text_bytes(const struct queue_entry *e)
{
    size_t n = e->sender.n + e->envid.n;
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        n += r->address.n + r->orcpt.n + r->last_answer.n + r->trail.n;
    }
    return n;
}

static struct slice copy(uint8_t **at, struct slice s)
{
    uint8_t *to = *at;
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    *at += s.n;
    return slice_of(to, s.n);
}

struct hot_entry *hot_new(const struct queue_entry *e, struct slice raw)
{
    if (raw.n > LIMIT_QUEUE_HOT_MESSAGE || e->n_recipients > LIMIT_RELAY_RECIPIENTS)
        return NULL;
    size_t list = e->n_recipients * sizeof(struct queue_recipient);
    size_t bytes = sizeof(struct hot_entry) + list + text_bytes(e) + raw.n;
    struct hot_entry *x = mem_resize(NULL, bytes, 1);
    struct queue_recipient *to = (struct queue_recipient *)(x + 1);
    uint8_t *at = (uint8_t *)(to + e->n_recipients);
    *x = (struct hot_entry){.e = *e, .bytes = bytes, .since = clock_ms()};
    x->e.recipients = to;
    x->e.sender = copy(&at, e->sender);
    x->e.envid = copy(&at, e->envid);
    for (size_t i = 0; i < e->n_recipients; i++) {
        const struct queue_recipient *r = &e->recipients[i];
        to[i] = *r;
        to[i].address = copy(&at, r->address);
        to[i].orcpt = copy(&at, r->orcpt);
        to[i].last_answer = copy(&at, r->last_answer);
        to[i].trail = copy(&at, r->trail);
    }
    x->raw = copy(&at, raw);
    return x;
}

/* --- The table --- */

static struct hot_entry **cell_of(struct hot *h, uint64_t id)
{
    return &h->cell[hash_u64(id) % LIMIT_QUEUE_HOT_CELLS];
}

void hot_put(struct hot *h, struct hot_entry *x)
{
    if (x == NULL || h->bytes + x->bytes > LIMIT_QUEUE_HOT) {
        mem_free(x);
        return;
    }
    struct hot_entry **cell = cell_of(h, x->e.id);
    x->next = *cell;
    *cell = x;
    x->older = h->newest;
    *(h->newest ? &h->newest->newer : &h->oldest) = x;
    h->newest = x;
    h->bytes += x->bytes;
}

static void unlink_entry(struct hot *h, struct hot_entry **at)
{
    struct hot_entry *x = *at;
    *at = x->next;
    *(x->older ? &x->older->newer : &h->oldest) = x->newer;
    *(x->newer ? &x->newer->older : &h->newest) = x->older;
    h->bytes -= x->bytes;
}

struct hot_entry *hot_take(struct hot *h, uint64_t id)
{
    struct hot_entry **at = cell_of(h, id);
    while (*at && (*at)->e.id != id)
        at = &(*at)->next;
    struct hot_entry *x = *at;
    if (x)
        unlink_entry(h, at);
    return x;
}

void hot_drop(struct hot *h, int64_t before)
{
    while (h->oldest && h->oldest->since < before)
        mem_free(hot_take(h, h->oldest->e.id));
}
