/* See schedule.h.
 *
 * Letters of one sender for one destination are a flow. A letter is in the heap of times until it
 * is due, then at the end of its flow. Senders that have a ready flow stand in a ring and take
 * turns; a sender's ready flows take turns within it. A flow whose destination turns out to have no
 * place is parked there and called back when a place is free: so each turn costs the same, however
 * many letters wait for a destination that is busy. */
#include "queue/schedule.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "queue/slab.h"

/* Letter.pos, when it is not a place in the heap. */
#define POS_DUE       UINT32_MAX
#define POS_UNDER_WAY (UINT32_MAX - 1)
#define POS_DROPPED   (UINT32_MAX - 2) /* under way, and removed meanwhile */

struct letter {
    struct slab_node node; /* key: the entry; count: recipients that wait */
    int64_t at;            /* under way: what was added meanwhile is due then */
    struct slab_link link; /* in flow.due or flow.future */
    uint32_t flow, pos;
};

enum flow_state { FLOW_IDLE, FLOW_READY, FLOW_CALLED /* ready, and was parked */, FLOW_PARKED };

struct flow {
    struct slab_node node; /* key: sender << 32 | destination; count: letters */
    uint32_t due_head, due_tail, future;
    struct slab_link turn;    /* in sender.ready or destination.parked */
    struct slab_link sibling; /* in destination.flows */
    enum flow_state state;
};

struct destination {
    struct slab_node node; /* key: of its name; count: flows */
    int64_t at;            /* closed until then */
    uint32_t pos;          /* in the heap while it is closed, else SLAB_NONE */
    uint32_t flows;
    uint32_t parked_head, parked_tail;
    uint32_t under_way;
    uint16_t failing, answered; /* answered: lately, and not failed since */
};

struct sender {
    struct slab_node node; /* key: of its name; count: flows */
    struct slab_link turn;
    uint32_t ready_head, ready_tail;
    uint32_t under_way, in_ring;
};

_Static_assert(sizeof(struct letter) <= 40 && sizeof(struct flow) <= 48 &&
                   sizeof(struct destination) <= 48 && sizeof(struct sender) <= 40,
               "what an entry may cost");

/* The heap holds letters and destinations; this bit tells them apart. */
#define IS_DESTINATION (UINT32_C(1) << 31)

struct schedule {
    struct schedule_options o;
    struct slab letters, flows, destinations, senders;
    uint32_t *heap, n_heap, cap_heap;
    uint32_t ring_head, ring_tail;
    size_t under_way, due, failing;
};

static struct letter *letter_at(const struct schedule *s, uint32_t i)
{
    return slab_at(&s->letters, i);
}
static struct flow *flow_at(const struct schedule *s, uint32_t i)
{
    return slab_at(&s->flows, i);
}
static struct destination *destination_at(const struct schedule *s, uint32_t i)
{
    return slab_at(&s->destinations, i);
}
static struct sender *sender_at(const struct schedule *s, uint32_t i)
{
    return slab_at(&s->senders, i);
}
static uint32_t flow_sender(const struct flow *f)
{
    return (uint32_t)(f->node.key >> 32);
}
static uint32_t flow_destination(const struct flow *f)
{
    return (uint32_t)(f->node.key & UINT32_MAX);
}

/* --- Lists --- */

static struct slab_list due_list(const struct schedule *s, struct flow *f)
{
    return (struct slab_list){&s->letters, offsetof(struct letter, link), &f->due_head,
                              &f->due_tail};
}
static struct slab_list future_list(const struct schedule *s, struct flow *f)
{
    return (struct slab_list){&s->letters, offsetof(struct letter, link), &f->future, NULL};
}
static struct slab_list ready_list(const struct schedule *s, struct sender *d)
{
    return (struct slab_list){&s->flows, offsetof(struct flow, turn), &d->ready_head,
                              &d->ready_tail};
}
static struct slab_list parked_list(const struct schedule *s, struct destination *d)
{
    return (struct slab_list){&s->flows, offsetof(struct flow, turn), &d->parked_head,
                              &d->parked_tail};
}
static struct slab_list flow_list(const struct schedule *s, struct destination *d)
{
    return (struct slab_list){&s->flows, offsetof(struct flow, sibling), &d->flows, NULL};
}
static struct slab_list ring(struct schedule *s)
{
    return (struct slab_list){&s->senders, offsetof(struct sender, turn), &s->ring_head,
                              &s->ring_tail};
}

/* --- The heap of times --- */

static int64_t heap_time(const struct schedule *s, uint32_t item)
{
    return item & IS_DESTINATION ? destination_at(s, item & ~IS_DESTINATION)->at
                                 : letter_at(s, item)->at;
}

static void heap_set(struct schedule *s, uint32_t pos, uint32_t item)
{
    s->heap[pos] = item;
    if (item & IS_DESTINATION)
        destination_at(s, item & ~IS_DESTINATION)->pos = pos;
    else
        letter_at(s, item)->pos = pos;
}

static void heap_up(struct schedule *s, uint32_t pos)
{
    uint32_t item = s->heap[pos];
    int64_t at = heap_time(s, item);
    while (pos > 0 && heap_time(s, s->heap[(pos - 1) / 2]) > at) {
        heap_set(s, pos, s->heap[(pos - 1) / 2]);
        pos = (pos - 1) / 2;
    }
    heap_set(s, pos, item);
}

static void heap_down(struct schedule *s, uint32_t pos)
{
    uint32_t item = s->heap[pos];
    int64_t at = heap_time(s, item);
    for (;;) {
        uint32_t child = 2 * pos + 1;
        if (child >= s->n_heap)
            break;
        if (child + 1 < s->n_heap &&
            heap_time(s, s->heap[child + 1]) < heap_time(s, s->heap[child]))
            child++;
        if (heap_time(s, s->heap[child]) >= at)
            break;
        heap_set(s, pos, s->heap[child]);
        pos = child;
    }
    heap_set(s, pos, item);
}

static void heap_add(struct schedule *s, uint32_t item)
{
    if (s->n_heap == s->cap_heap) {
        s->cap_heap += s->cap_heap / 8 + 64;
        s->heap = mem_resize(s->heap, s->cap_heap, sizeof *s->heap);
    }
    s->heap[s->n_heap++] = item;
    heap_up(s, s->n_heap - 1);
}

static void heap_remove(struct schedule *s, uint32_t pos)
{
    uint32_t last = s->heap[--s->n_heap];
    if (pos == s->n_heap)
        return;
    heap_set(s, pos, last);
    heap_down(s, pos);
    heap_up(s, pos);
}

/* --- Finding and making --- */

static uint64_t hash_own(void *arg, const struct slab_node *n)
{
    (void)arg;
    return n->key; /* is one */
}

static uint64_t hash_key(void *arg, const struct slab_node *n)
{
    (void)arg;
    return hash_u64(n->key);
}

static uint64_t letter_hash(uint64_t entry, uint32_t destination)
{
    return hash_u64(entry ^ (uint64_t)destination << 32);
}

static uint64_t hash_letter(void *arg, const struct slab_node *n)
{
    const struct letter *l = (const struct letter *)(const void *)n;
    return letter_hash(n->key, flow_destination(flow_at(arg, l->flow)));
}

static uint32_t find_letter(const struct schedule *s, uint64_t entry, uint32_t destination)
{
    if (destination == SLAB_NONE)
        return SLAB_NONE;
    uint32_t i = slab_first(&s->letters, letter_hash(entry, destination));
    while (i != SLAB_NONE) {
        const struct letter *l = letter_at(s, i);
        if (l->node.key == entry && flow_destination(flow_at(s, l->flow)) == destination)
            break;
        i = l->node.chain;
    }
    return i;
}

static uint32_t make_sender(struct schedule *s, uint64_t key)
{
    uint32_t i = slab_find(&s->senders, key, key);
    if (i != SLAB_NONE)
        return i;
    i = slab_take(&s->senders);
    struct sender *x = sender_at(s, i);
    x->node.key = key;
    x->ready_head = x->ready_tail = SLAB_NONE;
    slab_enter(&s->senders, i);
    return i;
}

static uint32_t make_destination(struct schedule *s, uint64_t key)
{
    uint32_t i = slab_find(&s->destinations, key, key);
    if (i != SLAB_NONE)
        return i;
    i = slab_take(&s->destinations);
    struct destination *d = destination_at(s, i);
    d->node.key = key;
    d->pos = d->flows = d->parked_head = d->parked_tail = SLAB_NONE;
    slab_enter(&s->destinations, i);
    return i;
}

static uint32_t make_flow(struct schedule *s, uint32_t sender, uint32_t destination)
{
    uint64_t key = (uint64_t)sender << 32 | destination;
    uint32_t i = slab_find(&s->flows, hash_u64(key), key);
    if (i != SLAB_NONE)
        return i;
    i = slab_take(&s->flows);
    struct flow *f = flow_at(s, i);
    f->node.key = key;
    f->due_head = f->due_tail = f->future = SLAB_NONE;
    slab_enter(&s->flows, i);
    slab_push_front(flow_list(s, destination_at(s, destination)), i);
    destination_at(s, destination)->node.count++;
    sender_at(s, sender)->node.count++;
    return i;
}

/* --- Destinations: open, closed, full --- */

static void open_destination(struct schedule *s, struct destination *d)
{
    if (d->pos != SLAB_NONE)
        heap_remove(s, d->pos);
    d->pos = SLAB_NONE;
}

static void close_destination(struct schedule *s, uint32_t i, int64_t until, int64_t now)
{
    struct destination *d = destination_at(s, i);
    if (d->pos != SLAB_NONE && d->at > now && d->at <= until)
        return;
    open_destination(s, d);
    d->at = until;
    heap_add(s, i | IS_DESTINATION);
}

static void set_failing(struct schedule *s, struct destination *d, bool failing)
{
    s->failing += (size_t)failing - d->failing;
    d->failing = failing;
}

static unsigned free_places(const struct schedule *s, const struct destination *d)
{
    unsigned limit = s->o.per_destination;
    if (d->pos != SLAB_NONE)
        limit = 0;
    else if (d->failing)
        limit = 1;
    else if (!d->answered && limit > LIMIT_QUEUE_UNTRIED)
        limit = LIMIT_QUEUE_UNTRIED;
    return limit > d->under_way ? limit - d->under_way : 0;
}

/* --- Flows --- */

static void flow_ready(struct schedule *s, uint32_t i, enum flow_state state)
{
    struct flow *f = flow_at(s, i);
    uint32_t sender = flow_sender(f);
    struct sender *x = sender_at(s, sender);
    f->state = state;
    if (state == FLOW_CALLED)
        slab_push_front(ready_list(s, x), i);
    else
        slab_push_back(ready_list(s, x), i);
    if (!x->in_ring)
        slab_push_back(ring(s), sender);
    x->in_ring = 1;
}

static void leave_ring(struct schedule *s, uint32_t sender)
{
    struct sender *x = sender_at(s, sender);
    if (x->in_ring)
        slab_remove(ring(s), sender);
    x->in_ring = 0;
}

/* Out of whatever it takes turns in. */
static void flow_idle(struct schedule *s, uint32_t i)
{
    struct flow *f = flow_at(s, i);
    struct sender *x = sender_at(s, flow_sender(f));
    if (f->state == FLOW_PARKED) {
        slab_remove(parked_list(s, destination_at(s, flow_destination(f))), i);
    } else if (f->state != FLOW_IDLE) {
        slab_remove(ready_list(s, x), i);
        if (x->ready_head == SLAB_NONE)
            leave_ring(s, flow_sender(f));
    }
    f->state = FLOW_IDLE;
}

/* Nobody has more places than are left for others: one that comes finds some free, although servers
 * that say nothing hold theirs for minutes. Alone a sender has about half of them, the next half of
 * the rest. */
static bool has_enough(const struct schedule *s, uint32_t sender)
{
    const size_t own = sender_at(s, sender)->under_way, left = s->o.places - s->under_way;
    return own > left || (own > 0 && left == 1); /* the last is for one who has none */
}

/* Calls as many of the parked flows as find a place. One that loses it to another on the way is
 * parked in front again. */
static void call_parked(struct schedule *s, struct destination *d)
{
    for (unsigned n = free_places(s, d); n > 0 && d->parked_head != SLAB_NONE; n--) {
        uint32_t i = d->parked_head;
        flow_idle(s, i);
        flow_ready(s, i, FLOW_CALLED);
    }
}

static void park(struct schedule *s, uint32_t i)
{
    struct flow *f = flow_at(s, i);
    bool called = f->state == FLOW_CALLED;
    struct slab_list l = parked_list(s, destination_at(s, flow_destination(f)));
    flow_idle(s, i);
    f->state = FLOW_PARKED;
    if (called)
        slab_push_front(l, i);
    else
        slab_push_back(l, i);
}

/* Without letters it goes, and its ends when they have no other. */
static void flow_release(struct schedule *s, uint32_t i)
{
    struct flow *f = flow_at(s, i);
    if (f->node.count > 0)
        return;
    uint32_t si = flow_sender(f), di = flow_destination(f);
    struct sender *x = sender_at(s, si);
    struct destination *d = destination_at(s, di);
    flow_idle(s, i);
    slab_remove(flow_list(s, d), i);
    slab_drop(&s->flows, i);
    if (--x->node.count == 0)
        slab_drop(&s->senders, si);
    if (--d->node.count == 0) {
        open_destination(s, d);
        set_failing(s, d, false);
        slab_drop(&s->destinations, di);
    } else {
        call_parked(s, d);
    }
}

/* --- Letters --- */

static void letter_due(struct schedule *s, uint32_t i)
{
    struct letter *l = letter_at(s, i);
    struct flow *f = flow_at(s, l->flow);
    l->pos = POS_DUE;
    slab_push_back(due_list(s, f), i);
    s->due++;
    if (f->state == FLOW_IDLE)
        flow_ready(s, l->flow, FLOW_READY);
}

static void letter_wait(struct schedule *s, uint32_t i, int64_t at)
{
    struct letter *l = letter_at(s, i);
    l->at = at;
    slab_push_front(future_list(s, flow_at(s, l->flow)), i);
    heap_add(s, i);
}

/* Out of the list and heap where it waits. */
static void letter_out(struct schedule *s, uint32_t i)
{
    struct letter *l = letter_at(s, i);
    struct flow *f = flow_at(s, l->flow);
    if (l->pos == POS_DUE) {
        slab_remove(due_list(s, f), i);
        s->due--;
        if (f->due_head == SLAB_NONE)
            flow_idle(s, l->flow);
    } else {
        slab_remove(future_list(s, f), i);
        heap_remove(s, l->pos);
    }
}

static void letter_drop(struct schedule *s, uint32_t i)
{
    uint32_t flow = letter_at(s, i)->flow;
    slab_drop(&s->letters, i); /* while its flow still says whose it is */
    flow_at(s, flow)->node.count--;
    flow_release(s, flow);
}

/* What is due by now leaves the heap. */
static void mature(struct schedule *s, int64_t now)
{
    while (s->n_heap > 0 && heap_time(s, s->heap[0]) <= now) {
        uint32_t item = s->heap[0];
        if (item & IS_DESTINATION) {
            struct destination *d = destination_at(s, item & ~IS_DESTINATION);
            open_destination(s, d);
            call_parked(s, d);
        } else {
            letter_out(s, item);
            letter_due(s, item);
        }
    }
}

/* --- The interface --- */

struct schedule *schedule_new(const struct schedule_options *o)
{
    struct schedule *s = mem_alloc(sizeof *s);
    s->o = *o;
    s->ring_head = s->ring_tail = SLAB_NONE;
    slab_init(&s->letters, sizeof(struct letter), hash_letter, s);
    slab_init(&s->flows, sizeof(struct flow), hash_key, s);
    slab_init(&s->destinations, sizeof(struct destination), hash_own, s);
    slab_init(&s->senders, sizeof(struct sender), hash_own, s);
    return s;
}

void schedule_free(struct schedule *s)
{
    if (s == NULL)
        return;
    slab_free(&s->letters);
    slab_free(&s->flows);
    slab_free(&s->destinations);
    slab_free(&s->senders);
    mem_free(s->heap);
    mem_free(s);
}

uint64_t schedule_key(struct slice name)
{
    return hash_bytes(name);
}

static void add_to(struct schedule *s, uint32_t i, uint32_t n, int64_t at)
{
    struct letter *l = letter_at(s, i);
    if (l->pos == POS_UNDER_WAY || l->pos == POS_DROPPED) {
        if (l->pos == POS_DROPPED)
            l->node.count = 0;
        l->pos = POS_UNDER_WAY;
        l->at = at < l->at ? at : l->at;
    } else if (l->pos != POS_DUE && at < l->at) {
        l->at = at;
        heap_up(s, l->pos);
    }
    l->node.count += n;
}

void schedule_add(struct schedule *s, uint64_t entry, uint64_t destination, uint64_t sender,
                  uint32_t n, int64_t at)
{
    uint32_t d = make_destination(s, destination);
    uint32_t i = find_letter(s, entry, d);
    if (i != SLAB_NONE) {
        add_to(s, i, n, at);
        return;
    }
    uint32_t flow = make_flow(s, make_sender(s, sender), d);
    i = slab_take(&s->letters);
    struct letter *l = letter_at(s, i);
    l->node.key = entry;
    l->node.count = n;
    l->flow = flow;
    slab_enter(&s->letters, i);
    flow_at(s, flow)->node.count++;
    letter_wait(s, i, at);
}

/* The first of the ring that may have one more: those that may not have one at least, so there are
 * no more than places. */
static uint32_t next_sender(const struct schedule *s)
{
    uint32_t i = s->ring_head;
    while (i != SLAB_NONE && has_enough(s, i))
        i = sender_at(s, i)->turn.next;
    return i;
}

static void take_turn(struct schedule *s, uint32_t sender, uint32_t flow, struct schedule_turn *out)
{
    struct sender *x = sender_at(s, sender);
    struct flow *f = flow_at(s, flow);
    struct destination *d = destination_at(s, flow_destination(f));
    uint32_t i = f->due_head;
    struct letter *l = letter_at(s, i);
    flow_idle(s, flow);
    leave_ring(s, sender);
    letter_out(s, i);
    l->pos = POS_UNDER_WAY;
    l->at = INT64_MAX;
    l->node.count = 0;
    x->under_way++;
    d->under_way++;
    s->under_way++;
    if (f->due_head != SLAB_NONE)
        flow_ready(s, flow, FLOW_READY);
    else if (x->ready_head != SLAB_NONE) {
        slab_push_back(ring(s), sender);
        x->in_ring = 1;
    }
    *out = (struct schedule_turn){i, l->node.key, d->node.key};
}

/* One that may have a place, and is parked where this flow was called to, is called too. */
static bool call_another(struct schedule *s, uint32_t flow)
{
    const struct destination *d = destination_at(s, flow_destination(flow_at(s, flow)));
    uint32_t i = free_places(s, d) > 0 ? d->parked_head : SLAB_NONE;
    while (i != SLAB_NONE && has_enough(s, flow_sender(flow_at(s, i))))
        i = flow_at(s, i)->turn.next;
    if (i == SLAB_NONE)
        return false;
    flow_idle(s, i);
    flow_ready(s, i, FLOW_CALLED);
    return true;
}

/* All in the ring have enough: places they were called to are for those who have not. */
static bool call_others(struct schedule *s)
{
    for (uint32_t i = s->ring_head; i != SLAB_NONE; i = sender_at(s, i)->turn.next)
        for (uint32_t f = sender_at(s, i)->ready_head;
             f != SLAB_NONE && flow_at(s, f)->state == FLOW_CALLED; f = flow_at(s, f)->turn.next)
            if (call_another(s, f))
                return true;
    return false;
}

bool schedule_next(struct schedule *s, int64_t now, struct schedule_turn *out, int64_t *next)
{
    mature(s, now);
    while (s->under_way < s->o.places && s->ring_head != SLAB_NONE) {
        uint32_t sender = next_sender(s);
        if (sender == SLAB_NONE && call_others(s))
            continue;
        if (sender == SLAB_NONE)
            break;
        uint32_t flow = sender_at(s, sender)->ready_head;
        if (free_places(s, destination_at(s, flow_destination(flow_at(s, flow)))) == 0) {
            park(s, flow);
            continue;
        }
        take_turn(s, sender, flow, out);
        return true;
    }
    /* Also without a place: what becomes due meanwhile is seen then. */
    *next = s->n_heap > 0 ? heap_time(s, s->heap[0]) : INT64_MAX;
    return false;
}

/* All that waits for it is due. */
static void hurry(struct schedule *s, const struct destination *d)
{
    for (uint32_t i = d->flows; i != SLAB_NONE; i = flow_at(s, i)->sibling.next) {
        struct flow *f = flow_at(s, i);
        while (f->future != SLAB_NONE) {
            uint32_t l = f->future;
            letter_out(s, l);
            letter_due(s, l);
        }
    }
}

static void destination_answered(struct schedule *s, uint32_t i, enum schedule_end end, int64_t at,
                                 int64_t now)
{
    struct destination *d = destination_at(s, i);
    int64_t probe = now + LIMIT_QUEUE_PROBE_SECONDS;
    bool failed_before = d->failing;
    if (end == SCHEDULE_FAILED) {
        d->answered = false;
        set_failing(s, d, true);
        close_destination(s, i, at > now && at < probe ? at : probe, now);
    } else if (end == SCHEDULE_TOOK || end == SCHEDULE_DEFERRED) {
        d->answered = true;
        set_failing(s, d, false);
        open_destination(s, d);
        if (failed_before && end == SCHEDULE_TOOK)
            hurry(s, d);
    }
}

void schedule_landed(struct schedule *s, uint32_t letter, enum schedule_end end, int64_t at,
                     int64_t now)
{
    struct flow *f = flow_at(s, letter_at(s, letter)->flow);
    uint32_t di = flow_destination(f);
    struct destination *d = destination_at(s, di);
    sender_at(s, flow_sender(f))->under_way--;
    d->under_way--;
    s->under_way--;
    destination_answered(s, di, end, at, now);
    call_parked(s, d);
}

void schedule_done(struct schedule *s, uint32_t letter, uint32_t left, int64_t at)
{
    struct letter *l = letter_at(s, letter);
    int64_t when = left > 0 && at < l->at ? at : l->at;
    l->node.count += left;
    if (l->pos == POS_DROPPED || l->node.count == 0)
        letter_drop(s, letter);
    else
        letter_wait(s, letter, when);
}

bool schedule_remove(struct schedule *s, uint64_t entry, uint64_t destination)
{
    uint32_t i = find_letter(s, entry, slab_find(&s->destinations, destination, destination));
    if (i == SLAB_NONE)
        return false;
    struct letter *l = letter_at(s, i);
    if (l->pos == POS_UNDER_WAY || l->pos == POS_DROPPED) {
        l->pos = POS_DROPPED;
        return false;
    }
    letter_out(s, i);
    letter_drop(s, i);
    return true;
}

bool schedule_under_way(const struct schedule *s, uint64_t entry, uint64_t destination)
{
    uint32_t i = find_letter(s, entry, slab_find(&s->destinations, destination, destination));
    return i != SLAB_NONE &&
           (letter_at(s, i)->pos == POS_UNDER_WAY || letter_at(s, i)->pos == POS_DROPPED);
}

void schedule_open(struct schedule *s, uint64_t destination)
{
    uint32_t i = slab_find(&s->destinations, destination, destination);
    if (i == SLAB_NONE)
        return;
    open_destination(s, destination_at(s, i));
    call_parked(s, destination_at(s, i));
}

bool schedule_waits(const struct schedule *s)
{
    return s->due > 0;
}

struct schedule_stats schedule_stats(const struct schedule *s)
{
    return (struct schedule_stats){
        .letters = s->letters.n,
        .due = s->due,
        .under_way = s->under_way,
        .destinations = s->destinations.n,
        .failing = s->failing,
        .senders = s->senders.n,
        .bytes = sizeof *s + s->cap_heap * sizeof *s->heap + slab_bytes(&s->letters) +
                 slab_bytes(&s->flows) + slab_bytes(&s->destinations) + slab_bytes(&s->senders),
    };
}
