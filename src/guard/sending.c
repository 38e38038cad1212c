/* Counting what accounts send; see sending.h. The database is the truth, memory holds what of it is
 * in use and what is not yet written: the counts of accounts that sent lately, and the recipients
 * of the last moment. A thread of its own writes both behind, one transaction for all.
 *
 * No recipient is kept in clear: only a keyed hash of account and address, with a key drawn when
 * the database was made.
 *
 * Locks, in this order: the writing connection's, `lock`, the reading connection's. Two
 * connections, so that whoever counts need not wait for a commit. */
#include "guard/sending.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sql.h"
#include "guard/window.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

enum kind { MESSAGES, NEW, KINDS };

static const struct window_shape shapes[KINDS] = {[MESSAGES] = {300, 12}, [NEW] = {3600, 24}};
_Static_assert(WINDOW_SLOTS >= 24, "room for both");

enum {
    DAY = 86400,
    KNOWN_DAYS = 365,
    TOUCH_DAYS = 7, /* so old may the remembered day of the last message be */
    ACCOUNT_BUCKETS = 1024,
    PENDING_BUCKETS = 4096,
};

enum statement {
    Q_KEY_GET,
    Q_KEY_SET,
    Q_COUNTS,
    Q_COUNT_SET,
    Q_COUNT_PRUNE,
    Q_COUNT_FORGET,
    Q_KNOWN,
    Q_KNOWN_SET,
    Q_KNOWN_PRUNE,
    Q_KNOWN_FORGET,
    Q_COUNT,
};

static const char *const schema[] = {
    /* slot: time / width of the kind's window; tag: hash of a recipient; day: of the last message
     * to it, since 1970. */
    "CREATE TABLE secret(id INTEGER PRIMARY KEY CHECK(id = 1), key BLOB NOT NULL);"
    "CREATE TABLE counted("
    "  account INTEGER NOT NULL,"
    "  kind INTEGER NOT NULL,"
    "  slot INTEGER NOT NULL,"
    "  n INTEGER NOT NULL,"
    "  PRIMARY KEY(account, kind, slot)) WITHOUT ROWID;"
    "CREATE TABLE known("
    "  account INTEGER NOT NULL,"
    "  tag INTEGER NOT NULL,"
    "  day INTEGER NOT NULL,"
    "  PRIMARY KEY(account, tag)) WITHOUT ROWID;"
    "CREATE INDEX known_day ON known(day);",
};

static const char *const statements[] = {
    [Q_KEY_GET] = "SELECT key FROM secret",
    [Q_KEY_SET] = "INSERT INTO secret(id, key) VALUES (1, ?)",
    [Q_COUNTS] = "SELECT slot, n FROM counted WHERE account = ? AND kind = ?",
    [Q_COUNT_SET] = "INSERT OR REPLACE INTO counted(account, kind, slot, n) VALUES (?, ?, ?, ?)",
    [Q_COUNT_PRUNE] = "DELETE FROM counted WHERE kind = ? AND slot <= ?",
    [Q_COUNT_FORGET] = "DELETE FROM counted WHERE account = ?",
    [Q_KNOWN] = "SELECT day FROM known WHERE account = ? AND tag = ?",
    [Q_KNOWN_SET] = "INSERT OR REPLACE INTO known(account, tag, day) VALUES (?, ?, ?)",
    [Q_KNOWN_PRUNE] = "DELETE FROM known WHERE day < ?",
    [Q_KNOWN_FORGET] = "DELETE FROM known WHERE account = ?",
};
_Static_assert(sizeof statements / sizeof statements[0] == Q_COUNT, "a statement for each");

static const struct sql_spec spec = {schema, sizeof schema / sizeof schema[0], statements, Q_COUNT};

struct account {
    struct account *next;
    uint64_t id;
    struct window window[KINDS];
    int64_t refused[KINDS]; /* when it was first; 0: never */
    bool writing;
};

/* A recipient to be written to `known`. */
struct pending {
    struct pending *next;
    uint64_t account, tag;
    int64_t day;
    bool writing;
};

struct sending {
    unsigned limit[KINDS];
    uint8_t key[crypto_generichash_KEYBYTES];
    struct sql *reading, *writing;
    pthread_mutex_t lock; /* guards everything below */
    struct account *accounts[ACCOUNT_BUCKETS];
    size_t n_accounts, hand; /* hand: the bucket where the search for room goes on */
    struct pending *pending[PENDING_BUCKETS];
    size_t n_pending;
    bool dirty, ending;
    pthread_cond_t changed;
    pthread_t flusher;
    bool has_flusher;
};

/* --- Accounts in memory --- */

static bool is_clean(const struct account *a)
{
    return !a->writing && a->window[MESSAGES].dirty == 0 && a->window[NEW].dirty == 0;
}

/* Lets one account go that is wholly in the database; when all are being changed, there is one more
 * for this moment. */
static void make_room(struct sending *s)
{
    for (size_t looks = 0; looks < ACCOUNT_BUCKETS; looks++) {
        s->hand = (s->hand + 1) % ACCOUNT_BUCKETS;
        for (struct account **p = &s->accounts[s->hand]; *p; p = &(*p)->next) {
            struct account *a = *p;
            if (is_clean(a)) {
                *p = a->next;
                mem_free(a);
                s->n_accounts--;
                return;
            }
        }
    }
}

static void load_counts(struct sending *s, struct account *a)
{
    enum error e = OK;
    sql_lock(s->reading);
    for (enum kind k = 0; k < KINDS && e == OK; k++) {
        struct sql_query q = sql_query(s->reading, Q_COUNTS);
        sql_int(&q, (int64_t)a->id);
        sql_int(&q, k);
        while (sql_row(&q))
            window_restore(&a->window[k], &shapes[k], sql_get_int(&q, 0),
                           (uint32_t)sql_get_int(&q, 1));
        e = sql_done(&q);
    }
    sql_unlock(s->reading);
    if (e != OK)
        log_warning("sending.read", log_text("error", error_name(e)));
}

static struct account *find_account(const struct sending *s, uint64_t id)
{
    struct account *a = s->accounts[hash_u64(id) % ACCOUNT_BUCKETS];
    while (a && a->id != id)
        a = a->next;
    return a;
}

static struct account *account_at(struct sending *s, uint64_t id, int64_t now)
{
    struct account *a = find_account(s, id);
    bool is_new = !a;
    if (is_new) {
        if (s->n_accounts >= LIMIT_SENDING_ACCOUNTS)
            make_room(s);
        struct account **bucket = &s->accounts[hash_u64(id) % ACCOUNT_BUCKETS];
        a = mem_alloc(sizeof *a);
        a->id = id;
        a->next = *bucket;
        *bucket = a;
        s->n_accounts++;
    }
    for (enum kind k = 0; k < KINDS; k++)
        window_advance(&a->window[k], &shapes[k], now);
    if (is_new)
        load_counts(s, a);
    return a;
}

/* --- Recipients --- */

static uint64_t tag_of(const struct sending *s, uint64_t account, struct slice address)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    uint64_t tag;
    crypto_generichash_state h;
    crypto_generichash_init(&h, s->key, sizeof s->key, sizeof hash);
    crypto_generichash_update(&h, (const uint8_t *)&account, sizeof account);
    crypto_generichash_update(&h, address.p, address.n);
    crypto_generichash_final(&h, hash, sizeof hash);
    memcpy(&tag, hash, sizeof tag);
    return tag;
}

static int order(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The recipients' tags, each once; for mem_free(). */
static uint64_t *tags_of(const struct sending *s, uint64_t account, const struct slice *foreign,
                         size_t *n)
{
    uint64_t *tags = mem_array(*n, sizeof *tags);
    for (size_t i = 0; i < *n; i++)
        tags[i] = tag_of(s, account, foreign[i]);
    qsort(tags, *n, sizeof *tags, order);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || tags[i] != tags[kept - 1])
            tags[kept++] = tags[i];
    *n = kept;
    return tags;
}

static bool is_pending(const struct sending *s, uint64_t account, uint64_t tag)
{
    for (const struct pending *p = s->pending[tag % PENDING_BUCKETS]; p; p = p->next)
        if (p->tag == tag && p->account == account)
            return true;
    return false;
}

/* More than are remembered count as new once more: that harms nobody. */
static void remember(struct sending *s, uint64_t account, uint64_t tag, int64_t day)
{
    if (s->n_pending >= LIMIT_SENDING_PENDING)
        return;
    struct pending *p = mem_alloc(sizeof *p);
    struct pending **bucket = &s->pending[tag % PENDING_BUCKETS];
    *p = (struct pending){*bucket, account, tag, day, false};
    *bucket = p;
    s->n_pending++;
    s->dirty = true;
}

/* Sorts the tags into those written to lately (dropped), those not for a while, and, behind these,
 * `*n_new` never written to; false when the database cannot say. With the reading lock. */
static bool sort_out(struct sending *s, uint64_t account, int64_t day, uint64_t *tags, size_t *n,
                     size_t *n_new)
{
    uint64_t *fresh = mem_array(*n, sizeof *fresh);
    size_t kept = 0;
    enum error e = OK;
    *n_new = 0;
    for (size_t i = 0; i < *n && e == OK; i++) {
        if (is_pending(s, account, tags[i]))
            continue;
        struct sql_query q = sql_query(s->reading, Q_KNOWN);
        sql_int(&q, (int64_t)account);
        sql_int(&q, (int64_t)tags[i]);
        bool known = sql_row(&q);
        int64_t last = known ? sql_get_int(&q, 0) : 0;
        e = sql_done(&q);
        if (!known || day - last > KNOWN_DAYS)
            fresh[(*n_new)++] = tags[i];
        else if (day - last >= TOUCH_DAYS)
            tags[kept++] = tags[i];
    }
    if (*n_new > 0)
        memcpy(tags + kept, fresh, *n_new * sizeof *fresh);
    *n = kept + *n_new;
    mem_free(fresh);
    return e == OK;
}

/* --- Counting --- */

static void refuse(struct account *a, enum kind k, uint32_t n, uint32_t limit, int64_t now,
                   struct sending_verdict *out)
{
    int64_t span = shapes[k].width * shapes[k].slots;
    bool first = a->refused[k] == 0 || now - a->refused[k] >= span || now < a->refused[k];
    if (first)
        a->refused[k] = now;
    *out = (struct sending_verdict){
        .answer = k == MESSAGES ? SENDING_TOO_MANY_MESSAGES : SENDING_TOO_MANY_NEW,
        .until = window_until(&a->window[k], &shapes[k], n, limit),
        .first = first,
    };
}

static bool fits(const struct sending *s, const struct account *a, enum kind k, uint64_t n)
{
    return s->limit[k] == 0 || n == 0 || window_sum(&a->window[k], &shapes[k]) + n <= s->limit[k];
}

static void add(struct sending *s, struct account *a, enum kind k, uint32_t n)
{
    if (s->limit[k] == 0 || n == 0)
        return;
    window_add(&a->window[k], &shapes[k], n);
    s->dirty = true;
}

/* Under the lock. */
static void count(struct sending *s, struct account *a, uint64_t *tags, size_t n, int64_t now,
                  struct sending_verdict *out)
{
    if (!fits(s, a, MESSAGES, 1)) {
        refuse(a, MESSAGES, 1, s->limit[MESSAGES], now, out);
        return;
    }
    size_t n_new = 0;
    sql_lock(s->reading);
    bool sorted = sort_out(s, a->id, now / DAY, tags, &n, &n_new);
    sql_unlock(s->reading);
    if (!sorted) { /* a broken disk is no reason to hold mail back: it holds back enough */
        log_warning("sending.read", log_u64("account", a->id));
        n = n_new = 0;
    }
    if (!fits(s, a, NEW, n_new)) {
        refuse(a, NEW, (uint32_t)n_new, s->limit[NEW], now, out);
        return;
    }
    add(s, a, MESSAGES, 1);
    add(s, a, NEW, (uint32_t)n_new);
    for (size_t i = 0; i < n; i++)
        remember(s, a->id, tags[i], now / DAY);
}

void sending_count(struct sending *s, uint64_t account, const struct slice *foreign, size_t n,
                   int64_t now, struct sending_verdict *out)
{
    *out = (struct sending_verdict){.answer = SENDING_OK};
    if (s->limit[NEW] == 0)
        n = 0; /* nobody asks who wrote to whom */
    uint64_t *tags = tags_of(s, account, foreign, &n);
    pthread_mutex_lock(&s->lock);
    count(s, account_at(s, account, now), tags, n, now, out);
    if (s->dirty)
        pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    mem_free(tags);
}

/* --- Writing behind --- */

struct row {
    uint64_t account;
    enum kind kind;
    int64_t slot;
    uint32_t n;
};

/* What one transaction writes. */
struct batch {
    struct row *rows;
    size_t n_rows, room;
    struct pending **known; /* marked as being written, so they stay */
    size_t n_known;
};

static void collect_account(struct batch *b, struct account *a)
{
    if (is_clean(a))
        return;
    a->writing = true;
    for (enum kind k = 0; k < KINDS; k++) {
        struct window *w = &a->window[k];
        for (unsigned i = 0; i < shapes[k].slots; i++) {
            if (!(w->dirty & UINT32_C(1) << i))
                continue;
            if (b->n_rows == b->room) {
                b->room = b->room ? 2 * b->room : 64;
                b->rows = mem_resize(b->rows, b->room, sizeof *b->rows);
            }
            b->rows[b->n_rows++] = (struct row){a->id, k, window_slot(w, &shapes[k], i), w->n[i]};
        }
        w->dirty = 0;
    }
}

static struct batch collect(struct sending *s)
{
    struct batch b = {0};
    pthread_mutex_lock(&s->lock);
    b.known = mem_array(s->n_pending, sizeof(struct pending *));
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++)
        for (struct account *a = s->accounts[i]; a; a = a->next)
            collect_account(&b, a);
    for (size_t i = 0; i < PENDING_BUCKETS; i++) {
        for (struct pending *p = s->pending[i]; p; p = p->next) {
            p->writing = true;
            b.known[b.n_known++] = p;
        }
    }
    s->dirty = false;
    pthread_mutex_unlock(&s->lock);
    return b;
}

/* With the writing lock. */
static enum error write_batch(struct sql *db, const struct batch *b)
{
    enum error e = OK;
    autotxn txn = sql_begin(db);
    for (size_t i = 0; i < b->n_rows && e == OK; i++) {
        struct sql_query q = sql_query(db, Q_COUNT_SET);
        sql_int(&q, (int64_t)b->rows[i].account);
        sql_int(&q, b->rows[i].kind);
        sql_int(&q, b->rows[i].slot);
        sql_int(&q, b->rows[i].n);
        e = sql_run(&q);
    }
    for (size_t i = 0; i < b->n_known && e == OK; i++) {
        struct sql_query q = sql_query(db, Q_KNOWN_SET);
        sql_int(&q, (int64_t)b->known[i]->account);
        sql_int(&q, (int64_t)b->known[i]->tag);
        sql_int(&q, b->known[i]->day);
        e = sql_run(&q);
    }
    return e == OK ? sql_commit(&txn) : e;
}

static void free_pending(struct sending *s, struct pending **at)
{
    struct pending *p = *at;
    *at = p->next;
    mem_free(p);
    s->n_pending--;
}

static void settle_pending(struct sending *s, bool written)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++) {
        for (struct pending **at = &s->pending[i]; *at;) {
            if (written && (*at)->writing) {
                free_pending(s, at);
            } else {
                (*at)->writing = false;
                at = &(*at)->next;
            }
        }
    }
}

/* What was written is the database's from now on; what was not is tried again. */
static void settle(struct sending *s, const struct batch *b, bool written)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < b->n_rows; i++) {
        const struct row *r = &b->rows[i];
        struct account *a = find_account(s, r->account);
        a->writing = false;
        struct window *w = &a->window[r->kind];
        for (unsigned k = 0; k < shapes[r->kind].slots && !written; k++)
            if (window_slot(w, &shapes[r->kind], k) == r->slot)
                w->dirty |= UINT32_C(1) << k;
    }
    settle_pending(s, written);
    s->dirty = s->dirty || !written;
    pthread_mutex_unlock(&s->lock);
}

static void flush(struct sending *s)
{
    sql_lock(s->writing);
    struct batch b = collect(s);
    enum error e = write_batch(s->writing, &b);
    settle(s, &b, e == OK);
    sql_unlock(s->writing);
    if (e != OK)
        log_warning("sending.write", log_text("error", error_name(e)));
    mem_free(b.rows);
    mem_free(b.known);
}

/* Under the lock: what comes in a moment goes into the same transaction. */
static void gather(struct sending *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + LIMIT_SENDING_FLUSH_MS * INT64_C(1000000);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    int late = 0;
    while (!s->ending && late == 0)
        late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static void *flush_behind(void *arg)
{
    struct sending *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        if (!s->dirty) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        gather(s);
        pthread_mutex_unlock(&s->lock);
        flush(s);
        pthread_mutex_lock(&s->lock);
    }
    bool dirty = s->dirty;
    pthread_mutex_unlock(&s->lock);
    if (dirty)
        flush(s);
    return NULL;
}

/* --- Opening and care --- */

static enum error load_key(struct sending *s)
{
    autosql *db = s->writing;
    sql_lock(db);
    struct sql_query q = sql_query(db, Q_KEY_GET);
    bool found = sql_row(&q);
    struct slice key = found ? sql_get(&q, 0) : SLICE_NONE;
    if (key.n == sizeof s->key)
        memcpy(s->key, key.p, key.n);
    enum error e = sql_done(&q);
    if (e != OK || found)
        return e == OK && key.n != sizeof s->key ? ERR_INPUT : e;
    random_bytes(s->key, sizeof s->key);
    q = sql_query(db, Q_KEY_SET);
    sql_blob(&q, s->key, sizeof s->key);
    return sql_run(&q);
}

static enum error start_flusher(struct sending *s)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    s->has_flusher = pthread_create(&s->flusher, &attr, flush_behind, s) == 0;
    pthread_attr_destroy(&attr);
    return s->has_flusher ? OK : ERR_AGAIN;
}

enum error sending_open(const struct sending_options *o, struct sending **out)
{
    struct sending *s = mem_alloc(sizeof *s);
    s->limit[MESSAGES] = o->messages_per_hour;
    s->limit[NEW] = o->new_recipients_per_day;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    enum error e = sql_open(o->path, &spec, &s->writing);
    if (e == OK)
        e = sql_open(o->path, &spec, &s->reading);
    if (e == OK)
        e = load_key(s);
    if (e == OK)
        e = start_flusher(s);
    if (e == OK)
        *out = s;
    else
        sending_close(s);
    return e;
}

static void free_account(struct sending *s, uint64_t id)
{
    struct account **at = &s->accounts[hash_u64(id) % ACCOUNT_BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    struct account *a = *at;
    if (!a)
        return;
    *at = a->next;
    mem_free(a);
    s->n_accounts--;
}

void sending_close(struct sending *s)
{
    if (!s)
        return;
    if (s->has_flusher) {
        pthread_mutex_lock(&s->lock);
        s->ending = true;
        pthread_cond_signal(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->flusher, NULL);
    }
    sql_close(s->reading);
    sql_close(s->writing);
    for (size_t i = 0; i < ACCOUNT_BUCKETS; i++)
        while (s->accounts[i])
            free_account(s, s->accounts[i]->id);
    for (size_t i = 0; i < PENDING_BUCKETS; i++)
        while (s->pending[i])
            free_pending(s, &s->pending[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_wipe(s->key, sizeof s->key);
    mem_free(s);
}

static void run_logged(struct sql_query *q)
{
    enum error e = sql_run(q);
    if (e != OK)
        log_warning("sending.write", log_text("error", error_name(e)));
}

static void forget_pending(struct sending *s, uint64_t account)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++)
        for (struct pending **at = &s->pending[i]; *at;)
            if ((*at)->account == account)
                free_pending(s, at);
            else
                at = &(*at)->next;
}

void sending_forget(struct sending *s, uint64_t account)
{
    autosql *db = s->writing;
    sql_lock(db);
    pthread_mutex_lock(&s->lock);
    free_account(s, account);
    forget_pending(s, account);
    pthread_mutex_unlock(&s->lock);
    const enum statement each[] = {Q_COUNT_FORGET, Q_KNOWN_FORGET};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        struct sql_query q = sql_query(db, each[i]);
        sql_int(&q, (int64_t)account);
        run_logged(&q);
    }
}

void sending_tend(struct sending *s, int64_t now)
{
    autosql *db = s->writing;
    sql_lock(db);
    for (enum kind k = 0; k < KINDS; k++) {
        struct sql_query q = sql_query(db, Q_COUNT_PRUNE);
        sql_int(&q, k);
        sql_int(&q, now / shapes[k].width - shapes[k].slots);
        run_logged(&q);
    }
    struct sql_query q = sql_query(db, Q_KNOWN_PRUNE);
    sql_int(&q, now / DAY - KNOWN_DAYS);
    run_logged(&q);
}
