/* Handles that wake a connection from anywhere. */
#include "base/mem.h"
#include "net/runtime_private.h"

struct waker {
    atomic_uint refs;
    struct runtime *rt; /* referenced: the slots stay readable as long as a waker is held */
    struct conn *c;
    uint32_t generation;
};

struct waker *conn_waker(struct conn *c)
{
    if (!c->waker) {
        struct waker *w = mem_alloc(sizeof *w);
        atomic_store(&w->refs, 1); /* the connection's own */
        w->rt = c->listener->rt;
        w->c = c;
        w->generation = own_generation(c);
        atomic_fetch_add(&w->rt->refs, 1);
        c->waker = w;
    }
    return waker_ref(c->waker);
}

struct waker *waker_ref(struct waker *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void waker_unref(struct waker *w)
{
    if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
        return;
    runtime_unref(w->rt);
    mem_free(w);
}

void waker_wake(struct waker *w)
{
    if (own_notify(w->c, w->generation, OWN_WAKE))
        queue_conn(w->rt, w->c);
}
