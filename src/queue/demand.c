/* A destination -> what is demanded of it; see memory.h.
 *
 * The strictest counts. When two demand the same, the one whose word is the most particular is
 * named: a line before the ratchet, the ratchet before the setting. */
#include "base/limits.h"
#include "queue/memory_private.h"

static void demand_at_least(struct memory_demand *d, enum demand demand, enum demand_source source)
{
    if (demand > d->demand) {
        d->demand = demand;
        d->source = source;
    }
}

/* A value of a later version of this program is not less than what this one knows. */
static enum demand known_demand(enum demand d)
{
    return d < DEMAND_COUNT ? d : DEMAND_DANE;
}

static enum demand demand_of_ratchet(enum security best)
{
    if (best >= SECURITY_DANE)
        return DEMAND_DANE;
    return best >= SECURITY_PKIX ? DEMAND_VERIFY : DEMAND_NOTHING;
}

/* The list's or the operator's word alone. */
static struct memory_demand demand_of_line(const struct memory_known *k,
                                           const struct providers *list, struct slice domain,
                                           struct provider *p)
{
    struct memory_demand d = {0};
    if (k->has_line)
        d = (struct memory_demand){.demand = known_demand(k->demand), .source = SOURCE_OPERATOR};
    else if (list != NULL && providers_find(list, domain, p))
        demand_at_least(&d, p->demand, SOURCE_LIST);
    return d;
}

enum error memory_demand(struct memory *m, const struct providers *list, struct slice domain,
                         bool clear_allowed, int64_t now, struct arena *a,
                         struct memory_demand *out)
{
    struct memory_known k = {0};
    struct provider p = {0};
    enum error e = memory_know(m, domain, a, &k);
    if (e != OK)
        return e;
    struct memory_demand d = demand_of_line(&k, list, domain, &p);
    demand_at_least(&d, demand_of_ratchet(k.ratchet.best), SOURCE_RATCHET);
    if (k.ratchet.tls_at > 0 && now - k.ratchet.tls_at < LIMIT_RATCHET_TLS_SECONDS)
        demand_at_least(&d, DEMAND_ENCRYPT, SOURCE_RATCHET_TLS);
    if (!clear_allowed)
        demand_at_least(&d, DEMAND_ENCRYPT, SOURCE_SETTING);
    /* What the ratchet wants verified was verified by the list's names, even where the operator's
     * line has taken its place since. */
    if (d.demand == DEMAND_VERIFY) {
        if (list != NULL)
            (void)providers_find(list, domain, &p);
        d.mx_names = k.mx_names.n > 0 ? k.mx_names : arena_dup(a, p.mx_names);
    }
    if (a->failed)
        return ERR_LIMIT;
    *out = d;
    return OK;
}

enum error memory_demand_via(struct memory *m, const struct providers *list, struct slice domain,
                             const struct memory_way *way, struct arena *a,
                             struct memory_demand *out)
{
    struct memory_known k = {0};
    struct provider p = {0};
    enum error e = memory_know(m, domain, a, &k);
    if (e != OK)
        return e;
    struct memory_demand d = demand_of_line(&k, list, domain, &p);
    if (d.demand == DEMAND_DANE) /* the domain's records speak of its own servers */
        d.demand = DEMAND_VERIFY;
    if (way->login)
        demand_at_least(&d, DEMAND_VERIFY, SOURCE_TRANSPORT);
    if (!way->clear_allowed)
        demand_at_least(&d, DEMAND_ENCRYPT, SOURCE_SETTING);
    if (d.demand == DEMAND_VERIFY)
        d.mx_names = arena_dup(a, way->host);
    if (a->failed)
        return ERR_LIMIT;
    *out = d;
    return OK;
}
