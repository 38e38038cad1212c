/* How mail would reach somebody; see forecast.h. */
#include "daemon/forecast.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/next_hop.h"
#include <pthread.h>

#define FORECAST_SECONDS 300
#define REMEMBERED       256 /* domains */
#define ASKED_MOST       64  /* at edge at once; more are not known now */
#define ARENA_MOST       (256 * 1024)

struct known {
    char domain[LIMIT_DOMAIN + 3];
    int64_t until_ms;
    enum jmap_travel travel;
    char host[256];
};

/* A question at edge. Its token is the place in the table with a number that is used once: an
 * answer that comes after its asker gave up finds nobody. */
struct asked {
    bool used, done;
    char domain[LIMIT_DOMAIN + 3];
    enum jmap_travel travel;
    char host[256];
};

struct forecasts {
    struct forecast_options o;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct asked asked[ASKED_MOST];
    struct known known[REMEMBERED];
};

struct forecasts *forecasts_new(const struct forecast_options *o)
{
    struct forecasts *f = mem_alloc(sizeof *f);
    *f = (struct forecasts){.o = *o};
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->answered, &attr);
    pthread_condattr_destroy(&attr);
    return f;
}

void forecasts_free(struct forecasts *f)
{
    if (!f)
        return;
    pthread_cond_destroy(&f->answered);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

/* --- Answers --- */

static enum jmap_travel of_security(enum security s)
{
    switch (s) {
    case SECURITY_DANE:
        return TRAVEL_DANE;
    case SECURITY_MTA_STS:
    case SECURITY_PKIX:
        return TRAVEL_VERIFIED;
    case SECURITY_ENCRYPTED:
        return TRAVEL_ENCRYPTED;
    case SECURITY_CLEAR:
        return TRAVEL_MAYBE;
    case SECURITY_NONE:
    case SECURITY_COUNT:
        break;
    }
    return TRAVEL_UNKNOWN;
}

static enum jmap_travel of_result(const struct relay_result *r)
{
    if (!r || r->n_recipients == 0)
        return TRAVEL_UNKNOWN;
    if (r->recipient[0].outcome == RELAY_DELIVERED)
        return of_security(r->security);
    switch (r->recipient[0].problem) {
    case PROBLEM_NO_DOMAIN:
    case PROBLEM_NO_HOST:
    case PROBLEM_NULL_MX:
        return TRAVEL_NOWHERE;
    default:
        return TRAVEL_UNKNOWN;
    }
}

static struct known *place_of(struct forecasts *f, struct slice domain)
{
    return &f->known[hash_bytes(domain) % REMEMBERED];
}

/* Under the lock. */
static void remember(struct forecasts *f, struct slice domain, const struct asked *q)
{
    struct known *k = place_of(f, domain);
    if (q->travel == TRAVEL_UNKNOWN || slice_cstr(domain, k->domain, sizeof k->domain))
        return;
    k->travel = q->travel;
    k->until_ms = clock_ms() + FORECAST_SECONDS * 1000;
    memcpy(k->host, q->host, sizeof k->host);
}

bool forecast_relayed(struct forecasts *f, void *token, const struct relay_result *r)
{
    uintptr_t first = (uintptr_t)f->asked, at = (uintptr_t)token;
    if (at < first || at >= first + sizeof f->asked)
        return false;
    struct asked *q = token;
    pthread_mutex_lock(&f->lock);
    q->travel = of_result(r);
    if (r && slice_cstr(r->host, q->host, sizeof q->host))
        q->host[0] = 0;
    /* Whoever asked may have gone: he asks again, and then it is known. */
    if (q->done) {
        remember(f, slice_str(q->domain), q);
        q->used = false;
    }
    q->done = true;
    pthread_cond_broadcast(&f->answered);
    pthread_mutex_unlock(&f->lock);
    return true;
}

/* --- Questions --- */

static bool remembered(struct forecasts *f, struct slice domain, enum jmap_travel *travel,
                       char host[256])
{
    pthread_mutex_lock(&f->lock);
    const struct known *k = place_of(f, domain);
    bool good = slice_eq(slice_str(k->domain), domain) && clock_ms() < k->until_ms;
    if (good) {
        *travel = k->travel;
        memcpy(host, k->host, 256);
    }
    pthread_mutex_unlock(&f->lock);
    return good;
}

/* NULL: there is none, or edge is being asked about that domain already. */
static struct asked *take_place(struct forecasts *f, struct slice domain)
{
    struct asked *q = NULL;
    bool pending = false;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < ASKED_MOST; i++) {
        if (!f->asked[i].used)
            q = &f->asked[i];
        else
            pending = pending || slice_eq(slice_str(f->asked[i].domain), domain);
    }
    if (pending)
        q = NULL;
    if (q) {
        *q = (struct asked){.used = true};
        if (slice_cstr(domain, q->domain, sizeof q->domain))
            q->domain[0] = 0;
    }
    pthread_mutex_unlock(&f->lock);
    return q;
}

static enum error make_request(const struct forecast_options *o, const struct next_hop *hop,
                               struct arena *a, struct relay_request *rq)
{
    struct memory_demand d;
    struct slice domain = next_hop_domain(hop);
    const struct queue_transport *t = hop->transport;
    *rq = (struct relay_request){
        .kind = RELAY_LOOK, .domain = domain, .port = o->port, .clear_allowed = o->clear_allowed};
    enum error e;
    if (t) {
        rq->host = slice_str(t->host);
        rq->port = t->port;
        const struct memory_way way = {rq->host, t->login[0] != 0, o->clear_allowed};
        e = memory_demand_via(o->memory, o->providers, domain, &way, a, &d);
    } else {
        e = memory_demand(o->memory, o->providers, domain, o->clear_allowed, clock_wall(), a, &d);
        memory_sts(o->memory, domain, a, &rq->sts);
    }
    if (!e) {
        rq->demand = d.demand;
        rq->source = d.source;
        rq->mx_names = d.mx_names;
    }
    return e;
}

/* Waits for edge, and gives the place back: now, or when its answer comes. */
static enum jmap_travel wait_for(struct forecasts *f, struct asked *q, struct slice domain,
                                 char host[256])
{
    struct timespec until;
    enum jmap_travel travel = TRAVEL_UNKNOWN;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LIMIT_FORECAST_MS / 1000;
    pthread_mutex_lock(&f->lock);
    while (!q->done && pthread_cond_timedwait(&f->answered, &f->lock, &until) == 0)
        ;
    if (q->done) {
        travel = q->travel;
        memcpy(host, q->host, 256);
        remember(f, domain, q);
        q->used = false;
    }
    q->done = true;
    pthread_mutex_unlock(&f->lock);
    return travel;
}

static enum jmap_travel look(struct forecasts *f, const struct next_hop *hop, struct slice address,
                             char host[256])
{
    const struct relay_recipient recipient = {.address = address};
    struct relay_request rq;
    struct asked *q = take_place(f, next_hop_domain(hop));
    autoarena a;
    arena_init(&a, ARENA_MOST);
    if (!q)
        return TRAVEL_UNKNOWN;
    enum error e = make_request(&f->o, hop, &a, &rq);
    rq.recipient = &recipient;
    rq.n_recipients = 1;
    if (!e)
        e = f->o.send(f->o.arg, &rq, SLICE_NONE, q);
    if (e) {
        pthread_mutex_lock(&f->lock);
        q->used = false;
        pthread_mutex_unlock(&f->lock);
        return TRAVEL_UNKNOWN;
    }
    return wait_for(f, q, next_hop_domain(hop), host);
}

/* Does all of it stay here? A forward may lead out: then it is not local. */
static enum error is_local(struct forecasts *f, struct slice address, bool *local)
{
    autoarena a;
    struct resolved_target *to;
    arena_init(&a, ARENA_MOST);
    enum error e = directory_resolve(f->o.directory, address, &a, &to);
    *local = e == OK;
    for (; e == OK && to; to = to->next)
        if (to->account == 0)
            *local = false;
    return e == ERR_AUTH ? OK : e; /* not our domain */
}

enum jmap_travel forecast_ask(struct forecasts *f, struct slice address, char host[256])
{
    struct next_hop hop;
    enum jmap_travel travel;
    bool local;
    host[0] = 0;
    enum error e = is_local(f, address, &local);
    if (e == ERR_NOTFOUND || e == ERR_CLOSED || e == ERR_INPUT)
        return TRAVEL_NOWHERE;
    if (e)
        return TRAVEL_UNKNOWN;
    if (local)
        return TRAVEL_LOCAL;
    if (next_hop_of(f->o.transports, f->o.n_transports, address, &hop))
        return TRAVEL_NOWHERE;
    if (remembered(f, next_hop_domain(&hop), &travel, host))
        return travel;
    return look(f, &hop, address, host);
}
