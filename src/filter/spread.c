/* Spreading recipients over places. */
#include "filter/spread.h"
#include "base/hash.h"
#include "filter/resolve.h"
#include "message/dsn.h"

void spread_init(struct spread *s, struct arena *a)
{
    *s = (struct spread){.a = a};
}

enum delivery_status spread_status(enum error e, bool may_relay)
{
    switch (e) {
    case OK:
        return DELIVERY_OK;
    case ERR_NOTFOUND:
        return DELIVERY_UNKNOWN;
    case ERR_AUTH:
        return may_relay ? DELIVERY_OK : DELIVERY_NOT_OURS;
    case ERR_CLOSED:
        return DELIVERY_CLOSED;
    case ERR_INPUT:
        return DELIVERY_BAD;
    default:
        return DELIVERY_TEMPORARY;
    }
}

/* An array in the arena with room for one more; the old one stays until the arena goes. */
static void *grown(struct arena *a, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    size_t more = *cap ? *cap * 2 : 8;
    void *p = arena_array(a, more, size);
    if (!p)
        return NULL;
    if (n > 0)
        memcpy(p, old, n * size);
    *cap = more;
    return p;
}

static uint64_t place_hash(const struct place *p)
{
    if (p->kind == PLACE_ACCOUNT)
        return hash_u64(p->account);
    uint8_t lower[2 * LIMIT_ADDRESS];
    size_t n = p->address.n < sizeof lower ? p->address.n : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = ascii_lower(p->address.p[i]);
    return hash_bytes(slice_of(lower, n));
}

static bool same_place(const struct place *a, const struct place *b)
{
    if (a->hash != b->hash || (a->kind == PLACE_ACCOUNT) != (b->kind == PLACE_ACCOUNT))
        return false;
    return a->kind == PLACE_ACCOUNT ? a->account == b->account : slice_ieq(a->address, b->address);
}

/* The table's cell of the place, or the free one where it would stand. */
static uint32_t *cell(const struct spread *s, const struct place *p)
{
    size_t i = p->hash & (s->table_size - 1);
    while (s->table[i] && !same_place(&s->place[s->table[i] - 1], p))
        i = (i + 1) & (s->table_size - 1);
    return &s->table[i];
}

static bool table_room(struct spread *s)
{
    if (2 * (s->n + 1) <= s->table_size)
        return true;
    size_t size = s->table_size ? s->table_size * 4 : 32;
    uint32_t *table = arena_array(s->a, size, sizeof *table);
    if (!table)
        return false;
    s->table = table;
    s->table_size = size;
    for (size_t i = 0; i < s->n; i++)
        *cell(s, &s->place[i]) = (uint32_t)i + 1;
    return true;
}

static bool add_place(struct spread *s, struct place *p, uint32_t number)
{
    if (s->n >= LIMIT_DELIVERY_TARGETS || s->n_links >= 4 * (size_t)LIMIT_DELIVERY_TARGETS)
        return false;
    p->hash = place_hash(p);
    if (!table_room(s))
        return false;
    uint32_t *at = cell(s, p);
    if (*at == 0) {
        struct place *list = grown(s->a, s->place, s->n, &s->cap, sizeof *list);
        if (!list)
            return false;
        s->place = list;
        s->place[s->n++] = *p;
        *at = (uint32_t)s->n;
    }
    struct spread_link *links = grown(s->a, s->link, s->n_links, &s->cap_links, sizeof *links);
    if (!links)
        return false;
    s->link = links;
    s->link[s->n_links++] = (struct spread_link){number, *at - 1};
    return true;
}

/* RFC 3461 5.2.7: what is passed on to another address carries the one that the sender wrote to,
 * so that no report need tell him the other. Empty: that does not fit. */
static struct slice written_to(struct arena *a, const struct delivery_recipient *r)
{
    autobuf address = BUF_INIT(LIMIT_DSN_VALUE), orcpt = BUF_INIT(LIMIT_SMTP_ORCPT);
    if (dsn_read_orcpt(r->orcpt, &address) == OK)
        return r->orcpt;
    return dsn_write_orcpt(r->address, &orcpt) == OK ? arena_dup(a, buf_slice(&orcpt)) : SLICE("");
}

enum delivery_status spread_add(struct spread *s, struct directory *d, bool may_relay,
                                uint32_t number, const struct delivery_recipient *r)
{
    struct resolved_target *t = NULL;
    enum error e = resolve_recipient(d, r->address, s->a, &t);
    enum delivery_status status = spread_status(e, may_relay);
    if (status != DELIVERY_OK)
        return status;
    if (e == ERR_AUTH) { /* foreign, and this sender may */
        struct place p = {
            .kind = PLACE_DIRECT, .address = r->address, .orcpt = r->orcpt, .notify = r->notify};
        return add_place(s, &p, number) ? DELIVERY_OK : DELIVERY_TEMPORARY;
    }
    for (; t; t = t->next) {
        const struct slice orcpt = t->account ? r->orcpt : written_to(s->a, r);
        if (!t->account && orcpt.n == 0)
            return DELIVERY_BAD;
        struct place p = {.kind = t->account ? PLACE_ACCOUNT : PLACE_FORWARD,
                          .account = t->account,
                          .address = t->address,
                          .language = t->language,
                          .quota = t->quota,
                          .orcpt = orcpt,
                          .notify = r->notify};
        if (!add_place(s, &p, number))
            return DELIVERY_TEMPORARY;
    }
    return DELIVERY_OK;
}
