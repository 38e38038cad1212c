/* Signing what leaves; see signing.h. All active keys stand in one immutable table, sorted by
 * domain; a change of keys replaces it whole, while those who sign hold on to theirs. */
#include "filter/signing.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "trust/dkim.h"
#include <pthread.h>
#include <stdlib.h>

struct signing_key {
    struct slice domain, selector; /* in the table's arena */
    struct dkim_key *key;
};
struct table {
    unsigned refs; /* guarded by signing.lock */
    struct arena arena;
    struct slice print; /* of the list of keys that it was made of */
    struct signing_key *key;
    size_t n;
};
struct signing {
    struct directory *directory;
    pthread_mutex_t refresh; /* one looks at the directory; taken before `lock` */
    pthread_mutex_t lock;
    struct table *table; /* NULL until the first look */
    int64_t looked;      /* clock_ms of the last look */
};

struct signing *signing_new(struct directory *d)
{
    struct signing *s = mem_alloc(sizeof *s);
    s->directory = d;
    pthread_mutex_init(&s->refresh, NULL);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        dkim_key_free(t->key[i].key);
    arena_free(&t->arena);
    mem_free(t);
}

static void table_unref(struct signing *s, struct table *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&s->lock);
    bool last = --t->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (last)
        table_free(t);
}

void signing_free(struct signing *s)
{
    if (!s)
        return;
    table_unref(s, s->table);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->refresh);
    mem_free(s);
}

/* --- The table --- */

/* A key that cannot be read does not keep the others from signing. */
static enum error load_key(struct signing *s, struct table *t, const struct directory_dkim *k)
{
    struct buf pem = BUF_INIT(LIMIT_DKIM_PEM);
    struct slice domain = slice_str(k->domain), selector = slice_str(k->selector);
    struct dkim_key *key = NULL;
    enum error e = directory_dkim_private(s->directory, domain, selector, &pem);
    if (e == OK)
        e = dkim_key_read(k->ed25519 ? DKIM_ED25519 : DKIM_RSA, buf_slice(&pem), &key);
    buf_wipe(&pem);
    if (e == OK)
        t->key[t->n++] =
            (struct signing_key){arena_dup(&t->arena, domain), arena_dup(&t->arena, selector), key};
    else if (e != ERR_IO && e != ERR_AGAIN)
        log_error("signing.key", log_slice("domain", domain), log_slice("selector", selector),
                  log_text("error", error_name(e)));
    return e == ERR_IO || e == ERR_AGAIN ? e : OK;
}

/* By the directory's order: by domain. */
static enum error load_table(struct signing *s, const struct directory_dkim *list, size_t n,
                             struct slice print, struct table **out)
{
    struct table *t = mem_alloc(sizeof *t);
    t->refs = 1;
    arena_init(&t->arena, LIMIT_SIGNING_ARENA);
    t->print = arena_dup(&t->arena, print);
    t->key = arena_array(&t->arena, n, sizeof *t->key);
    enum error e = t->key ? OK : ERR_LIMIT;
    for (size_t i = 0; i < n && e == OK; i++)
        if (list[i].state == DKIM_ACTIVE)
            e = load_key(s, t, &list[i]);
    if (e == OK && t->arena.failed)
        e = ERR_LIMIT;
    if (e != OK)
        table_free(t);
    else
        *out = t;
    return e;
}

/* What tells one list of active keys from another. */
static enum error print_of(const struct directory_dkim *list, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].state != DKIM_ACTIVE)
            continue;
        buf_str(out, list[i].domain);
        buf_byte(out, 0);
        buf_str(out, list[i].selector);
        buf_byte(out, 0);
        buf_u64(out, (uint64_t)list[i].created);
    }
    return buf_check(out);
}

/* With `refresh` held. */
static enum error look(struct signing *s)
{
    autoarena a;
    autobuf print = BUF_INIT(LIMIT_SIGNING_ARENA);
    struct directory_dkim *list;
    size_t n;
    arena_init(&a, LIMIT_SIGNING_ARENA);
    enum error e = directory_dkim_list(s->directory, SLICE_NONE, &a, &list, &n);
    if (e == OK)
        e = print_of(list, n, &print);
    struct table *fresh = NULL;
    /* Only who holds `refresh` changes s->table. */
    if (e == OK && !(s->table && slice_eq(s->table->print, buf_slice(&print))))
        e = load_table(s, list, n, buf_slice(&print), &fresh);
    struct table *old = NULL;
    pthread_mutex_lock(&s->lock);
    if (e == OK)
        s->looked = clock_ms();
    if (fresh) {
        old = s->table;
        s->table = fresh;
    }
    pthread_mutex_unlock(&s->lock);
    table_unref(s, old);
    return e;
}

static struct table *table_ref(struct signing *s, bool *stale)
{
    pthread_mutex_lock(&s->lock);
    struct table *t = s->table;
    if (t)
        t->refs++;
    *stale = !t || clock_ms() - s->looked > LIMIT_SIGNING_MS;
    pthread_mutex_unlock(&s->lock);
    return t;
}

/* The table, of which one thread renews a stale one while the others go on with it. */
static enum error table_get(struct signing *s, struct table **out)
{
    bool stale;
    struct table *t = table_ref(s, &stale);
    if (stale && (!t || pthread_mutex_trylock(&s->refresh) == 0)) {
        if (!t)
            pthread_mutex_lock(&s->refresh);
        table_unref(s, t);
        t = table_ref(s, &stale);
        enum error e = stale ? look(s) : OK;
        pthread_mutex_unlock(&s->refresh);
        table_unref(s, t);
        t = table_ref(s, &stale);
        if (e != OK)
            log_error("signing.keys", log_text("error", error_name(e)));
        /* Old keys are better than none. */
        if (!t)
            return e == OK ? ERR_IO : e;
    }
    *out = t;
    return OK;
}

/* The domain's keys stand together. */
static size_t find(const struct table *t, struct slice domain, size_t *first)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(t->key[middle].domain, domain) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    size_t n = 0;
    while (low + n < t->n && slice_eq(t->key[low + n].domain, domain))
        n++;
    return n;
}

/* --- The domain --- */

/* The nearest domain with keys, from `domain` upwards; empty when there is none. */
static struct slice nearest(const struct table *t, struct slice domain)
{
    size_t first;
    while (domain.n > 0) {
        if (find(t, domain, &first) > 0)
            return domain;
        domain = slice_from(domain, slice_index(domain, '.') + 1);
    }
    return SLICE_NONE;
}

static struct slice sender_domain(struct slice sender, struct arena *a)
{
    size_t at = slice_rindex(sender, '@');
    uint8_t *out = arena_alloc(a, sender.n + 1);
    if (!out || at == sender.n)
        return SLICE_NONE;
    struct slice domain = slice_from(sender, at + 1);
    for (size_t i = 0; i < domain.n; i++)
        out[i] = ascii_lower(domain.p[i]);
    return slice_of(out, domain.n);
}

/* The last two labels: no more than the organisational domain (RFC 7489 3.2), so that what is
 * aligned is always seen; under co.uk and the like more is taken for it. */
static struct slice last_labels(struct slice domain)
{
    size_t dot = slice_rindex(domain, '.');
    if (dot == domain.n)
        return domain;
    size_t second = slice_rindex(slice_sub(domain, 0, dot), '.');
    return second == dot ? domain : slice_from(domain, second + 1);
}

static struct slice choose(const struct table *t, const struct signing_request *rq, struct arena *a)
{
    struct slice from = dkim_from_domain(rq->raw, a);
    struct slice by_sender = nearest(t, sender_domain(rq->sender, a));
    if (!rq->ours) {
        bool safe =
            from.n > 0 && by_sender.n > 0 && !slice_eq(last_labels(from), last_labels(by_sender));
        return safe ? by_sender : SLICE_NONE;
    }
    struct slice by_from = nearest(t, from);
    return by_from.n > 0 ? by_from : by_sender;
}

enum error signing_sign(struct signing *s, const struct signing_request *rq, struct buf *out)
{
    struct table *t;
    enum error e = table_get(s, &t);
    if (e != OK)
        return e;
    autoarena a;
    arena_init(&a, LIMIT_SIGNING_ARENA);
    struct slice domain = choose(t, rq, &a);
    size_t first, n = domain.n > 0 ? find(t, domain, &first) : 0;
    if (n > LIMIT_SIGNATURES)
        n = LIMIT_SIGNATURES;
    struct dkim_signature with[LIMIT_SIGNATURES];
    for (size_t i = 0; i < n; i++)
        with[i] = (struct dkim_signature){t->key[first + i].key, t->key[first + i].selector};
    if (n > 0)
        e = dkim_sign(with, n, domain, rq->raw, rq->at, out);
    table_unref(s, t);
    return e;
}
