/* Sliding counts; see window.h. Slot number k stands at place k modulo the number of slots. */
#include "guard/window.h"

static unsigned place(const struct window_shape *s, int64_t slot)
{
    return (unsigned)((uint64_t)slot % s->slots);
}

void window_advance(struct window *w, const struct window_shape *s, int64_t now)
{
    int64_t slot = (now > 0 ? now : 0) / s->width;
    if (slot - w->newest >= s->slots || w->newest - slot >= s->slots) {
        *w = (struct window){.newest = slot};
        return;
    }
    while (w->newest < slot) {
        unsigned i = place(s, ++w->newest);
        w->n[i] = 0;
        w->dirty &= ~(UINT32_C(1) << i);
    }
}

void window_restore(struct window *w, const struct window_shape *s, int64_t slot, uint32_t n)
{
    if (slot <= w->newest && slot > w->newest - s->slots && slot >= 0)
        w->n[place(s, slot)] = n;
}

uint32_t window_sum(const struct window *w, const struct window_shape *s)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < s->slots; i++)
        if (__builtin_add_overflow(sum, w->n[i], &sum))
            return UINT32_MAX;
    return sum;
}

void window_add(struct window *w, const struct window_shape *s, uint32_t n)
{
    unsigned i = place(s, w->newest);
    if (__builtin_add_overflow(w->n[i], n, &w->n[i]))
        w->n[i] = UINT32_MAX;
    w->dirty |= UINT32_C(1) << i;
}

int64_t window_until(const struct window *w, const struct window_shape *s, uint32_t n,
                     uint32_t limit)
{
    uint64_t left = window_sum(w, s);
    for (unsigned back = s->slots; back-- > 1;) {
        int64_t slot = w->newest - back;
        if (slot < 0)
            continue;
        uint32_t goes = w->n[place(s, slot)];
        left -= goes < left ? goes : left;
        if (left + n <= limit)
            return (slot + s->slots) * s->width;
    }
    return (w->newest + s->slots) * s->width;
}

int64_t window_slot(const struct window *w, const struct window_shape *s, unsigned i)
{
    unsigned newest = place(s, w->newest);
    return w->newest - (newest + s->slots - i) % s->slots;
}
