/* The guard's memory; see table.h. */
#include "guard/table.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include <pthread.h>
#include <stdatomic.h>

enum { BUCKETS = 65536 };

struct failure {
    int64_t at;
    uint64_t account, tag; /* 0: of a former run, whose tags nobody knows */
};

struct entry {
    struct entry *next;
    struct ip ip;
    enum guard_level level;
    unsigned n_failures, n_closings;
    int64_t since, until;
    int64_t *closings;         /* behind `failures` */
    struct failure failures[]; /* `tolerated` of them, oldest first */
};

struct guard_table {
    struct guard_rule rule;
    pthread_rwlock_t lock;
    struct entry **buckets;
    size_t count, limit, hand; /* hand: the bucket where the search for room goes on */
    /* Entries that have or had a ban: while there are none, asking costs no lock. */
    _Atomic size_t banned;
};

struct guard_table *guard_table_new(const struct guard_rule *rule, size_t limit)
{
    struct guard_table *t = mem_alloc(sizeof *t);
    t->rule = *rule;
    t->limit = limit;
    t->buckets = mem_array(BUCKETS, sizeof(struct entry *));
    pthread_rwlock_init(&t->lock, NULL);
    return t;
}

void guard_table_free(struct guard_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *e = t->buckets[i], *next; e != NULL; e = next) {
            next = e->next;
            mem_free(e);
        }
    }
    pthread_rwlock_destroy(&t->lock);
    mem_free(t->buckets);
    mem_free(t);
}

static struct entry **bucket_of(struct guard_table *t, struct ip ip)
{
    return &t->buckets[hash_bytes(slice_of(ip.b, sizeof ip.b)) % BUCKETS];
}

static struct entry *find(struct guard_table *t, struct ip ip)
{
    for (struct entry *e = *bucket_of(t, ip); e != NULL; e = e->next)
        if (ip_eq(e->ip, ip))
            return e;
    return NULL;
}

/* The clock of the wall may be set back: what would then last longer than it ever should is over.
 */
static bool ban_holds(const struct guard_table *t, const struct entry *e, int64_t now)
{
    int64_t longest = e->level == GUARD_MACHINE ? t->rule.machine_ms : t->rule.close_ms;
    return e->level != GUARD_OPEN && now < e->until && e->until - now <= longest;
}

static bool is_recent(int64_t at, int64_t now, int64_t span)
{
    return now - at < span && at - now < span;
}

static void drop_old(const struct guard_table *t, struct entry *e, int64_t now)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < e->n_failures; i++)
        if (is_recent(e->failures[i].at, now, t->rule.window_ms))
            e->failures[kept++] = e->failures[i];
    e->n_failures = kept;
    kept = 0;
    for (unsigned i = 0; i < e->n_closings; i++)
        if (is_recent(e->closings[i], now, t->rule.closings_ms))
            e->closings[kept++] = e->closings[i];
    e->n_closings = kept;
}

static void set_level(struct guard_table *t, struct entry *e, enum guard_level level)
{
    if (e->level == GUARD_OPEN && level != GUARD_OPEN)
        atomic_fetch_add(&t->banned, 1);
    if (e->level != GUARD_OPEN && level == GUARD_OPEN)
        atomic_fetch_sub(&t->banned, 1);
    e->level = level;
}

static void unlink_entry(struct guard_table *t, struct entry **place)
{
    struct entry *e = *place;
    *place = e->next;
    set_level(t, e, GUARD_OPEN);
    mem_free(e);
    t->count--;
}

/* Frees one place: what no longer matters in the next buckets, else the first entry without a ban,
 * else any. Looks at a few buckets only (at all of them when nearly everybody is banned), and goes
 * on there the next time. */
static void make_room(struct guard_table *t, int64_t now)
{
    enum { LOOKS = 64 };
    struct entry **unbanned = NULL, **any = NULL;
    size_t before = t->count;
    for (size_t looks = 0; looks < BUCKETS; looks++) {
        if (looks >= LOOKS && (t->count < before || unbanned != NULL))
            break;
        t->hand = (t->hand + 1) % BUCKETS;
        for (struct entry **p = &t->buckets[t->hand]; *p != NULL;) {
            drop_old(t, *p, now);
            bool held = ban_holds(t, *p, now);
            if (!held && (*p)->n_failures == 0 && (*p)->n_closings == 0) {
                /* The places found in this bucket may hang on this entry. */
                unbanned = any = NULL;
                unlink_entry(t, p);
                continue;
            }
            any = p;
            unbanned = held ? unbanned : p;
            p = &(*p)->next;
        }
    }
    if (t->count == before && (unbanned != NULL || any != NULL))
        unlink_entry(t, unbanned != NULL ? unbanned : any);
}

static struct entry *find_or_add(struct guard_table *t, struct ip ip, int64_t now)
{
    struct entry *e = find(t, ip);
    if (e != NULL)
        return e;
    if (t->count >= t->limit)
        make_room(t, now);
    size_t failures = t->rule.tolerated * sizeof(struct failure);
    e = mem_alloc(sizeof *e + failures + t->rule.closings * sizeof(int64_t));
    e->ip = ip;
    e->closings = (int64_t *)(void *)((uint8_t *)e->failures + failures);
    struct entry **place = bucket_of(t, ip);
    e->next = *place;
    *place = e;
    t->count++;
    return e;
}

enum guard_level guard_table_level(struct guard_table *t, struct ip ip, int64_t now, int64_t *until)
{
    enum guard_level level = GUARD_OPEN;
    if (atomic_load(&t->banned) == 0)
        return level;
    pthread_rwlock_rdlock(&t->lock);
    const struct entry *e = find(t, ip);
    if (e != NULL && ban_holds(t, e, now)) {
        level = e->level;
        if (until != NULL)
            *until = e->until;
    }
    pthread_rwlock_unlock(&t->lock);
    return level;
}

static void add_closing(struct guard_table *t, struct entry *e, int64_t at)
{
    if (e->n_closings == t->rule.closings) {
        e->n_closings--;
        memmove(e->closings, e->closings + 1, e->n_closings * sizeof e->closings[0]);
    }
    e->closings[e->n_closings++] = at;
}

/* One failure more than is tolerated. */
static void close_entry(struct guard_table *t, struct entry *e, int64_t now)
{
    e->n_failures = 0;
    add_closing(t, e, now);
    bool machine = e->n_closings >= t->rule.closings;
    set_level(t, e, machine ? GUARD_MACHINE : GUARD_SERVICES);
    e->since = now;
    e->until = now + (machine ? t->rule.machine_ms : t->rule.close_ms);
}

static bool is_repeated(const struct guard_table *t, const struct entry *e, uint64_t account,
                        uint64_t tag)
{
    if (t->rule.repeated_counts)
        return false;
    for (unsigned i = 0; i < e->n_failures; i++)
        if (e->failures[i].account == account && e->failures[i].tag == tag && tag != 0)
            return true;
    return false;
}

static struct guard_verdict fail(struct guard_table *t, struct ip ip, int64_t now, uint64_t account,
                                 uint64_t tag)
{
    struct guard_verdict v = {GUARD_OPEN, 0, false, false};
    struct entry *e = find_or_add(t, ip, now);
    if (!ban_holds(t, e, now)) {
        set_level(t, e, GUARD_OPEN);
        drop_old(t, e, now);
        v.counted = !is_repeated(t, e, account, tag);
        if (v.counted && e->n_failures >= t->rule.tolerated) {
            close_entry(t, e, now);
            v.closed = true;
        } else if (v.counted) {
            e->failures[e->n_failures++] = (struct failure){now, account, tag};
        }
    }
    v.level = e->level;
    v.until = e->level == GUARD_OPEN ? 0 : e->until;
    return v;
}

struct guard_verdict guard_table_fail(struct guard_table *t, struct ip ip, int64_t now,
                                      uint64_t account, uint64_t tag)
{
    pthread_rwlock_wrlock(&t->lock);
    struct guard_verdict v = fail(t, ip, now, account, tag);
    pthread_rwlock_unlock(&t->lock);
    return v;
}

void guard_table_restore_failure(struct guard_table *t, struct ip ip, int64_t at)
{
    pthread_rwlock_wrlock(&t->lock);
    struct entry *e = find_or_add(t, ip, at);
    if (e->n_failures < t->rule.tolerated)
        e->failures[e->n_failures++] = (struct failure){at, 0, 0};
    pthread_rwlock_unlock(&t->lock);
}

void guard_table_restore_closing(struct guard_table *t, struct ip ip, int64_t at)
{
    pthread_rwlock_wrlock(&t->lock);
    add_closing(t, find_or_add(t, ip, at), at);
    pthread_rwlock_unlock(&t->lock);
}

void guard_table_restore_ban(struct guard_table *t, struct ip ip, enum guard_level level,
                             int64_t since, int64_t until, int64_t now)
{
    int64_t longest = level == GUARD_MACHINE ? t->rule.machine_ms : t->rule.close_ms;
    if ((level != GUARD_MACHINE && level != GUARD_SERVICES) || until <= now)
        return;
    pthread_rwlock_wrlock(&t->lock);
    struct entry *e = find_or_add(t, ip, now);
    set_level(t, e, level);
    e->since = since;
    e->until = until - now > longest ? now + longest : until;
    e->n_failures = 0;
    pthread_rwlock_unlock(&t->lock);
}

enum guard_level guard_table_forget(struct guard_table *t, struct ip ip, int64_t now)
{
    enum guard_level level = GUARD_OPEN;
    pthread_rwlock_wrlock(&t->lock);
    for (struct entry **p = bucket_of(t, ip); *p != NULL; p = &(*p)->next) {
        if (ip_eq((*p)->ip, ip)) {
            level = ban_holds(t, *p, now) ? (*p)->level : GUARD_OPEN;
            unlink_entry(t, p);
            break;
        }
    }
    pthread_rwlock_unlock(&t->lock);
    return level;
}

enum error guard_table_bans(struct guard_table *t, int64_t now, struct arena *a,
                            struct guard_ban **out, size_t *n)
{
    autobuf rows = BUF_INIT(a->cap);
    pthread_rwlock_rdlock(&t->lock);
    for (size_t i = 0; i < BUCKETS && atomic_load(&t->banned) > 0; i++) {
        for (const struct entry *e = t->buckets[i]; e != NULL; e = e->next) {
            if (!ban_holds(t, e, now))
                continue;
            /* The end is rounded up: at that second the address is open. */
            const struct guard_ban ban = {e->ip, e->level, e->since / 1000,
                                          (e->until + 999) / 1000};
            buf_add(&rows, slice_of(&ban, sizeof ban));
        }
    }
    pthread_rwlock_unlock(&t->lock);
    struct guard_ban *p = rows.failed ? NULL : arena_alloc(a, rows.n);
    if (p == NULL)
        return ERR_LIMIT;
    if (rows.n > 0)
        memcpy(p, rows.p, rows.n);
    *out = p;
    *n = rows.n / sizeof(struct guard_ban);
    return OK;
}

size_t guard_table_count(struct guard_table *t)
{
    pthread_rwlock_rdlock(&t->lock);
    size_t n = t->count;
    pthread_rwlock_unlock(&t->lock);
    return n;
}
