/* Tickets in a table with a free list, and a chain by age; see tickets.h. All wait equally long, so
 * the oldest is overdue first. */
#include "handover/tickets.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/random.h"

/* A number holds the place in its low bits and a count above. */
#define PLACE_BITS 16
_Static_assert(LIMIT_RELAY_WAITING < 1 << PLACE_BITS, "a place fits");

enum { NOBODY = LIMIT_RELAY_WAITING };

struct place {
    struct ticket ticket;
    uint64_t number; /* 0: free */
    int64_t until;
    uint32_t older, newer; /* free: newer is the next free one */
};

struct tickets {
    uint64_t count;
    uint32_t oldest, newest, free;
    uint32_t n_places, room; /* of the table, which grows: places once made stay */
    struct place *place;
};

struct tickets *tickets_new(void)
{
    struct tickets *t = mem_alloc(sizeof *t);
    t->count = random_u64();
    t->oldest = t->newest = t->free = NOBODY;
    return t;
}

void tickets_free(struct tickets *t)
{
    mem_free(t->place);
    mem_free(t);
}

static uint32_t free_place(struct tickets *t)
{
    uint32_t i = t->free;
    if (i != NOBODY) {
        t->free = t->place[i].newer;
        return i;
    }
    if (t->n_places == LIMIT_RELAY_WAITING)
        return NOBODY;
    if (t->n_places == t->room) {
        uint32_t more = t->room ? 2 * t->room : 64;
        t->room = more < LIMIT_RELAY_WAITING ? more : LIMIT_RELAY_WAITING;
        t->place = mem_resize(t->place, t->room, sizeof *t->place);
    }
    return t->n_places++;
}

static uint64_t next_number(struct tickets *t, uint32_t place)
{
    uint64_t n = 0;
    while (n >> PLACE_BITS == 0) /* 0 marks what is free */
        n = ++t->count << PLACE_BITS | place;
    return n;
}

enum error tickets_open(struct tickets *t, const struct ticket *what, int64_t now, uint64_t *number)
{
    uint32_t i = free_place(t);
    if (i == NOBODY)
        return ERR_AGAIN;
    struct place *p = &t->place[i];
    *p = (struct place){*what, next_number(t, i), now + LIMIT_RELAY_MS, t->newest, NOBODY};
    if (t->newest != NOBODY)
        t->place[t->newest].newer = i;
    else
        t->oldest = i;
    t->newest = i;
    *number = p->number;
    return OK;
}

static void take(struct tickets *t, uint32_t i, struct ticket *out)
{
    struct place *p = &t->place[i];
    *out = p->ticket;
    if (p->older != NOBODY)
        t->place[p->older].newer = p->newer;
    else
        t->oldest = p->newer;
    if (p->newer != NOBODY)
        t->place[p->newer].older = p->older;
    else
        t->newest = p->older;
    *p = (struct place){.newer = t->free};
    t->free = i;
}

bool tickets_take(struct tickets *t, uint64_t number, struct ticket *out)
{
    uint32_t i = number & ((1 << PLACE_BITS) - 1);
    if (number == 0 || i >= t->n_places || t->place[i].number != number)
        return false;
    take(t, i, out);
    return true;
}

bool tickets_take_of(struct tickets *t, const void *end, struct ticket *out)
{
    /* A connection that ended is older than the one that followed: its tickets come first. */
    for (uint32_t i = t->oldest; i != NOBODY; i = t->place[i].newer) {
        if (t->place[i].ticket.end == end) {
            take(t, i, out);
            return true;
        }
    }
    return false;
}

bool tickets_take_overdue(struct tickets *t, int64_t now, struct ticket *out)
{
    if (t->oldest == NOBODY || t->place[t->oldest].until > now)
        return false;
    take(t, t->oldest, out);
    return true;
}

int64_t tickets_until(const struct tickets *t)
{
    return t->oldest == NOBODY ? -1 : t->place[t->oldest].until;
}
