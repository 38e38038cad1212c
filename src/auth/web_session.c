/* Web sessions; see web_session.h. All of them stand in memory, found by token, id and account;
 * sessions.db follows, and is read at the start only.
 *
 * Locks: `lock` guards the memory and is never held while the database is written or asked, but for
 * a directory's record; the database has its own. So two things may happen between: a session that
 * ended is not found again by its id, and that is looked at each time. */
#include "auth/web_session.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sql.h"
#include "base/utf8.h"
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

enum {
    TOKEN_BUCKETS = 65536,
    BUCKETS = 16384,
    HASH = crypto_hash_sha256_BYTES,
    BATCH = 1000,      /* rows of one transaction */
    STALE_SECONDS = 60 /* until a session of an older epoch is forgotten: it may be adopted */
};

enum statement { Q_ALL, Q_ADD, Q_USE, Q_TOKEN, Q_EPOCH, Q_END, Q_COUNT };

static const char *const schema[] = {
    /* token, next: SHA-256 of the token in use and of the one offered; made: when the one in use
     * was. */
    "CREATE TABLE session("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  account INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  used INTEGER NOT NULL,"
    "  made INTEGER NOT NULL,"
    "  token BLOB NOT NULL,"
    "  next BLOB,"
    "  ip BLOB NOT NULL,"
    "  agent TEXT NOT NULL);",
};

static const char *const statements[] = {
    [Q_ALL] = "SELECT id, account, epoch, created, used, made, token, next, ip, agent FROM session",
    [Q_ADD] = ("INSERT INTO session(account, epoch, created, used, made, token, ip, agent)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    [Q_USE] = "UPDATE session SET used = ?, ip = ? WHERE id = ?",
    [Q_TOKEN] = "UPDATE session SET token = ?, made = ?, next = ? WHERE id = ?",
    [Q_EPOCH] = "UPDATE session SET epoch = ? WHERE id = ?",
    [Q_END] = "DELETE FROM session WHERE id = ?",
};
_Static_assert(sizeof statements / sizeof statements[0] == Q_COUNT, "a statement for each");

static const struct sql_spec spec = {schema, sizeof schema / sizeof schema[0], statements, Q_COUNT};

enum which { CURRENT, NEXT, OLD, TOKENS };

struct entry;
struct token {
    struct token *next; /* in its bucket */
    struct entry *entry;
    uint8_t hash[HASH];
    int64_t made; /* 0: there is none */
};

struct entry {
    struct entry *next_id, *next_account;
    struct token token[TOKENS];
    uint64_t id, account, epoch;
    int64_t created, used;
    int64_t old_until;   /* of token[OLD] */
    int64_t stale_since; /* the epoch was found to be an older one; 0: not so */
    struct ip ip;
    bool dirty, offering;
    char *agent;
};

struct web_sessions {
    struct directory *directory;
    struct sql *db;
    pthread_mutex_t lock; /* guards everything below */
    struct token *tokens[TOKEN_BUCKETS];
    struct entry *ids[BUCKETS], *accounts[BUCKETS];
    size_t n;
    struct buf graves; /* ids (uint64_t) that are still in the database */
};

/* --- The memory; with its lock --- */

static void hash_token(struct slice token, uint8_t out[HASH])
{
    crypto_hash_sha256(out, token.p, token.n);
}

static struct token **token_bucket(struct web_sessions *w, const uint8_t hash[HASH])
{
    uint16_t at;
    memcpy(&at, hash, sizeof at);
    return &w->tokens[at];
}

static struct entry **id_bucket(struct web_sessions *w, uint64_t id)
{
    return &w->ids[hash_u64(id) % BUCKETS];
}

static struct entry **account_bucket(struct web_sessions *w, uint64_t account)
{
    return &w->accounts[hash_u64(account) % BUCKETS];
}

static void token_remove(struct web_sessions *w, struct entry *e, enum which k)
{
    struct token *t = &e->token[k];
    if (t->made == 0)
        return;
    struct token **p = token_bucket(w, t->hash);
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    t->made = 0;
}

static void token_put(struct web_sessions *w, struct entry *e, enum which k,
                      const uint8_t hash[HASH], int64_t made)
{
    struct token *t = &e->token[k];
    token_remove(w, e, k);
    struct token **bucket = token_bucket(w, hash);
    memcpy(t->hash, hash, HASH);
    t->entry = e;
    t->made = made;
    t->next = *bucket;
    *bucket = t;
}

static struct token *token_find(struct web_sessions *w, const uint8_t hash[HASH])
{
    struct token *t = *token_bucket(w, hash);
    while (t != NULL && memcmp(t->hash, hash, HASH) != 0)
        t = t->next;
    return t;
}

static struct entry *entry_find(struct web_sessions *w, uint64_t id)
{
    struct entry *e = *id_bucket(w, id);
    while (e != NULL && e->id != id)
        e = e->next_id;
    return e;
}

static void entry_add(struct web_sessions *w, struct entry *e)
{
    struct entry **id = id_bucket(w, e->id), **account = account_bucket(w, e->account);
    e->next_id = *id;
    *id = e;
    e->next_account = *account;
    *account = e;
    w->n++;
}

static void entry_free(struct entry *e)
{
    mem_free(e->agent);
    mem_free(e);
}

/* Ends it in memory; its id waits in graves for the database. */
static void entry_bury(struct web_sessions *w, struct entry *e)
{
    struct entry **p = id_bucket(w, e->id);
    while (*p != e)
        p = &(*p)->next_id;
    *p = e->next_id;
    p = account_bucket(w, e->account);
    while (*p != e)
        p = &(*p)->next_account;
    *p = e->next_account;
    for (enum which k = 0; k < TOKENS; k++)
        token_remove(w, e, k);
    w->n--;
    buf_add(&w->graves, slice_of(&e->id, sizeof e->id));
    entry_free(e);
}

static bool is_over(const struct entry *e, int64_t now)
{
    return now - e->used > LIMIT_WEB_IDLE_SECONDS || now - e->created > LIMIT_WEB_SECONDS ||
           (e->stale_since != 0 && now - e->stale_since > STALE_SECONDS);
}

/* --- The database --- */

static void lock_memory(struct web_sessions *w)
{
    pthread_mutex_lock(&w->lock);
}

static void unlock_memory(struct web_sessions *w)
{
    pthread_mutex_unlock(&w->lock);
}

static enum error delete_rows(struct sql *db, struct slice ids)
{
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    for (size_t at = 0; at < ids.n && e == OK; at += sizeof(uint64_t)) {
        uint64_t id;
        memcpy(&id, ids.p + at, sizeof id);
        struct sql_query q = sql_query(db, Q_END);
        sql_int(&q, (int64_t)id);
        e = sql_run(&q);
    }
    return e == OK ? sql_commit(&txn) : e;
}

/* Deletes what ended from the database; what cannot be stays for the next time. */
static void clear_graves(struct web_sessions *w)
{
    lock_memory(w);
    struct buf ids = w->graves;
    buf_init(&w->graves, ids.limit);
    unlock_memory(w);
    if (ids.n > 0) {
        sql_lock(w->db);
        enum error e = delete_rows(w->db, buf_slice(&ids));
        sql_unlock(w->db);
        if (e != OK) {
            log_warning("web.session.unwritten", log_text("error", error_name(e)));
            lock_memory(w);
            buf_add(&w->graves, buf_slice(&ids));
            unlock_memory(w);
        }
    }
    buf_free(&ids);
}

static bool get_bytes(const struct sql_query *q, int column, void *out, size_t n)
{
    struct slice s = sql_get(q, column);
    if (s.n != n)
        return false;
    memcpy(out, s.p, n);
    return true;
}

static void load_row(struct web_sessions *w, const struct sql_query *q)
{
    uint8_t token[HASH], next[HASH];
    int64_t made = sql_get_int(q, 5);
    struct entry *e = mem_alloc(sizeof *e);
    e->id = (uint64_t)sql_get_int(q, 0);
    e->account = (uint64_t)sql_get_int(q, 1);
    e->epoch = (uint64_t)sql_get_int(q, 2);
    e->created = sql_get_int(q, 3);
    e->used = sql_get_int(q, 4);
    e->agent = mem_alloc(sql_get(q, 9).n + 1);
    memcpy(e->agent, sql_get(q, 9).p, sql_get(q, 9).n);
    if (w->n >= LIMIT_WEB_SESSIONS || !get_bytes(q, 6, token, HASH) ||
        !get_bytes(q, 8, e->ip.b, sizeof e->ip.b)) {
        buf_add(&w->graves, slice_of(&e->id, sizeof e->id));
        entry_free(e);
        return;
    }
    entry_add(w, e);
    token_put(w, e, CURRENT, token, made > 0 ? made : 1);
    if (get_bytes(q, 7, next, HASH))
        token_put(w, e, NEXT, next, e->used > 0 ? e->used : 1);
}

enum error web_sessions_open(const char *path, struct directory *d, struct web_sessions **out)
{
    struct web_sessions *w = mem_alloc(sizeof *w);
    w->directory = d;
    pthread_mutex_init(&w->lock, NULL);
    buf_init(&w->graves, sizeof(uint64_t) * 2 * LIMIT_WEB_SESSIONS);
    enum error e = sql_open(path, &spec, &w->db);
    if (e == OK) {
        autosql *db = w->db;
        sql_lock(db);
        struct sql_query q = sql_query(db, Q_ALL);
        while (sql_row(&q))
            load_row(w, &q);
        e = sql_done(&q);
    }
    if (e == OK)
        *out = w;
    else
        web_sessions_close(w);
    return e;
}

/* --- Beginning --- */

static void make_token(char text[WEB_TOKEN_TEXT + 1], uint8_t hash[HASH])
{
    uint8_t random[32];
    random_bytes(random, sizeof random);
    sodium_bin2base64(text, WEB_TOKEN_TEXT + 1, random, sizeof random,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    hash_token(slice_of(text, WEB_TOKEN_TEXT), hash);
    mem_wipe(random, sizeof random);
}

/* What a browser calls itself may be anything: cut, and only what can be shown. */
static char *clean_agent(struct slice agent)
{
    struct web_session *s;
    autobuf text = BUF_INIT(sizeof s->agent - 1);
    struct slice rest = slice_sub(agent, 0, 2 * sizeof s->agent);
    for (int32_t c; (c = utf8_next(&rest)) >= 0;) {
        autobuf one = BUF_INIT(8);
        utf8_put(&one, c < 32 || (c >= 127 && c < 160) ? ' ' : (uint32_t)c);
        if (text.n + one.n > text.limit)
            break;
        buf_add(&text, buf_slice(&one));
    }
    char *copy = mem_alloc(text.n + 1);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    return copy;
}

static enum error insert_row(struct web_sessions *w, struct entry *e, const uint8_t hash[HASH])
{
    autosql *db = w->db;
    sql_lock(db);
    struct sql_query q = sql_query(db, Q_ADD);
    sql_int(&q, (int64_t)e->account);
    sql_int(&q, (int64_t)e->epoch);
    sql_int(&q, e->created);
    sql_int(&q, e->used);
    sql_int(&q, e->created);
    sql_blob(&q, hash, HASH);
    sql_blob(&q, e->ip.b, sizeof e->ip.b);
    sql_text(&q, slice_str(e->agent));
    enum error result = sql_run(&q);
    if (result == OK)
        e->id = (uint64_t)sql_last_id(db);
    return result;
}

static struct entry *least_used(struct entry *a, struct entry *b)
{
    return a == NULL || b->used < a->used ? b : a;
}

/* Makes room for one more of the account, and of all. */
static void make_room(struct web_sessions *w, uint64_t account)
{
    size_t n = 0;
    struct entry *least = NULL;
    for (struct entry *e = *account_bucket(w, account); e != NULL; e = e->next_account)
        if (e->account == account) {
            n++;
            least = least_used(least, e);
        }
    if (n < LIMIT_WEB_SESSIONS_ACCOUNT && w->n >= LIMIT_WEB_SESSIONS) {
        least = NULL;
        for (size_t i = 0; i < BUCKETS; i++)
            for (struct entry *e = w->ids[i]; e != NULL; e = e->next_id)
                least = least_used(least, e);
    }
    if (n >= LIMIT_WEB_SESSIONS_ACCOUNT || w->n >= LIMIT_WEB_SESSIONS)
        entry_bury(w, least);
}

enum error web_session_begin(struct web_sessions *w, const struct account *a, struct ip ip,
                             struct slice agent, char token[WEB_TOKEN_TEXT + 1])
{
    uint8_t hash[HASH];
    char text[WEB_TOKEN_TEXT + 1];
    struct entry *e = mem_alloc(sizeof *e);
    e->account = a->id;
    e->epoch = a->epoch;
    e->created = e->used = clock_wall();
    e->ip = ip;
    e->agent = clean_agent(agent);
    make_token(text, hash);
    enum error result = insert_row(w, e, hash);
    if (result != OK) {
        entry_free(e);
        return result;
    }
    lock_memory(w);
    make_room(w, a->id);
    entry_add(w, e);
    token_put(w, e, CURRENT, hash, e->created);
    unlock_memory(w);
    clear_graves(w);
    memcpy(token, text, sizeof text);
    mem_wipe(text, sizeof text);
    return OK;
}

/* --- Looking up --- */

static void describe(const struct entry *e, struct web_session *s)
{
    *s = (struct web_session){.id = e->id,
                              .account = e->account,
                              .created = e->created,
                              .last_used = e->used,
                              .ip = e->ip};
    snprintf(s->agent, sizeof s->agent, "%s", e->agent);
}

/* The first use of an offered token: from now on it is the one, and the other is the old one. */
static void take_offer(struct web_sessions *w, struct entry *e, int64_t now)
{
    uint8_t old[HASH], current[HASH];
    memcpy(old, e->token[CURRENT].hash, HASH);
    memcpy(current, e->token[NEXT].hash, HASH);
    token_remove(w, e, NEXT);
    token_put(w, e, OLD, old, now);
    token_put(w, e, CURRENT, current, now);
    e->old_until = now + LIMIT_WEB_ROTATE_GRACE_SECONDS;
}

/* With the memory's lock. NULL: no such session. */
static struct entry *use(struct web_sessions *w, const uint8_t hash[HASH], struct ip ip,
                         int64_t now)
{
    struct token *t = token_find(w, hash);
    if (t == NULL || is_over(t->entry, now))
        return NULL;
    struct entry *e = t->entry;
    if (t == &e->token[OLD] && now > e->old_until)
        return NULL;
    if (t == &e->token[NEXT])
        take_offer(w, e, now);
    e->used = now;
    e->ip = ip;
    e->dirty = true;
    return e;
}

/* Is a new token due, for a request that came with the one in use? An offer that was not taken for
 * a while got lost. */
static bool is_due(const struct entry *e, const uint8_t hash[HASH], int64_t now)
{
    return !e->offering && memcmp(e->token[CURRENT].hash, hash, HASH) == 0 &&
           now - e->token[CURRENT].made > LIMIT_WEB_ROTATE_SECONDS &&
           (e->token[NEXT].made == 0 || now - e->token[NEXT].made > LIMIT_WEB_ROTATE_GRACE_SECONDS);
}

/* Writes both tokens: what became of the last offer may not be in the database yet. */
static enum error write_tokens(struct web_sessions *w, const struct entry *e,
                               const uint8_t next[HASH])
{
    autosql *db = w->db;
    sql_lock(db);
    struct sql_query q = sql_query(db, Q_TOKEN);
    sql_blob(&q, e->token[CURRENT].hash, HASH);
    sql_int(&q, e->token[CURRENT].made);
    sql_blob(&q, next, HASH);
    sql_int(&q, (int64_t)e->id);
    return sql_run(&q);
}

/* Only one of the requests that come at once offers; *copy is for write_tokens(). */
static bool claim_offer(struct web_sessions *w, uint64_t id, const uint8_t hash[HASH], int64_t now,
                        struct entry *copy)
{
    lock_memory(w);
    struct entry *e = entry_find(w, id);
    bool mine = e != NULL && is_due(e, hash, now);
    if (mine) {
        e->offering = true;
        *copy = *e;
    }
    unlock_memory(w);
    return mine;
}

/* When the disk fails nothing is offered, and the session goes on as it is. */
static void offer(struct web_sessions *w, uint64_t id, const uint8_t hash[HASH], int64_t now,
                  char fresh[WEB_TOKEN_TEXT + 1])
{
    struct entry copy;
    uint8_t next[HASH];
    char text[WEB_TOKEN_TEXT + 1];
    if (!claim_offer(w, id, hash, now, &copy))
        return;
    make_token(text, next);
    enum error e = write_tokens(w, &copy, next);
    if (e != OK)
        log_warning("web.session.unwritten", log_text("error", error_name(e)));
    lock_memory(w);
    struct entry *entry = entry_find(w, id);
    if (entry != NULL)
        entry->offering = false;
    if (entry != NULL && e == OK) {
        token_put(w, entry, NEXT, next, now);
        memcpy(fresh, text, sizeof text);
    }
    unlock_memory(w);
    mem_wipe(text, sizeof text);
}

static void mark_stale(struct web_sessions *w, uint64_t id, int64_t now)
{
    lock_memory(w);
    struct entry *e = entry_find(w, id);
    if (e != NULL && e->stale_since == 0)
        e->stale_since = now;
    unlock_memory(w);
}

/* May the session's account be used, as it is now? */
static enum error admit(struct web_sessions *w, const struct web_session *s, uint64_t epoch,
                        struct account *a)
{
    enum error e = directory_account_get(w->directory, s->account, a);
    if (e == ERR_NOTFOUND || (e == OK && a->epoch != epoch)) {
        mark_stale(w, s->id, s->last_used);
        return ERR_AUTH;
    }
    if (e == OK && a->state != ACCOUNT_ACTIVE && a->state != ACCOUNT_NO_SEND)
        return ERR_AUTH;
    return e;
}

enum error web_session_find(struct web_sessions *w, struct slice token, struct ip ip,
                            struct web_session *s, struct account *a,
                            char fresh[WEB_TOKEN_TEXT + 1])
{
    uint8_t hash[HASH];
    if (token.n != WEB_TOKEN_TEXT)
        return ERR_AUTH;
    hash_token(token, hash);
    int64_t now = clock_wall();
    struct web_session found;
    uint64_t epoch = 0;
    bool due = false;
    lock_memory(w);
    const struct entry *e = use(w, hash, ip, now);
    if (e != NULL) {
        describe(e, &found);
        epoch = e->epoch;
        due = is_due(e, hash, now);
    }
    unlock_memory(w);
    if (e == NULL)
        return ERR_AUTH;
    struct account account;
    enum error result = admit(w, &found, epoch, &account);
    if (result != OK)
        return result;
    *s = found;
    *a = account;
    fresh[0] = 0;
    if (due)
        offer(w, found.id, hash, now, fresh);
    return OK;
}

bool web_session_alive(struct web_sessions *w, uint64_t account, uint64_t id)
{
    lock_memory(w);
    const struct entry *e = entry_find(w, id);
    bool alive = e != NULL && e->account == account && !is_over(e, clock_wall());
    unlock_memory(w);
    return alive;
}

/* --- Ending --- */

enum error web_session_end(struct web_sessions *w, uint64_t account, uint64_t id)
{
    lock_memory(w);
    struct entry *e = entry_find(w, id);
    bool found = e != NULL && e->account == account;
    if (found)
        entry_bury(w, e);
    unlock_memory(w);
    clear_graves(w);
    return found ? OK : ERR_NOTFOUND;
}

size_t web_session_end_others(struct web_sessions *w, uint64_t account, uint64_t keep)
{
    size_t n = 0;
    lock_memory(w);
    for (struct entry *e = *account_bucket(w, account), *next; e != NULL; e = next) {
        next = e->next_account;
        if (e->account == account && e->id != keep) {
            entry_bury(w, e);
            n++;
        }
    }
    unlock_memory(w);
    clear_graves(w);
    return n;
}

enum error web_session_adopt(struct web_sessions *w, uint64_t id, uint64_t epoch)
{
    lock_memory(w);
    struct entry *e = entry_find(w, id);
    if (e != NULL) {
        e->epoch = epoch;
        e->stale_since = 0;
    }
    unlock_memory(w);
    if (e == NULL)
        return ERR_NOTFOUND;
    autosql *db = w->db;
    sql_lock(db);
    struct sql_query q = sql_query(db, Q_EPOCH);
    sql_int(&q, (int64_t)epoch);
    sql_int(&q, (int64_t)id);
    return sql_run(&q);
}

/* --- Listing --- */

static int newest_first(const void *a, const void *b)
{
    const struct web_session *x = a, *y = b;
    if (x->last_used != y->last_used)
        return x->last_used < y->last_used ? 1 : -1;
    return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

enum error web_session_list(struct web_sessions *w, uint64_t account, struct arena *a,
                            struct web_session **out, size_t *n)
{
    struct account now_account;
    enum error result = directory_account_get(w->directory, account, &now_account);
    if (result != OK)
        return result;
    struct web_session *list = arena_array(a, LIMIT_WEB_SESSIONS_ACCOUNT, sizeof *list);
    if (list == NULL)
        return ERR_LIMIT;
    size_t count = 0;
    int64_t now = clock_wall();
    lock_memory(w);
    for (const struct entry *e = *account_bucket(w, account); e != NULL; e = e->next_account)
        if (e->account == account && e->epoch == now_account.epoch && !is_over(e, now) &&
            count < LIMIT_WEB_SESSIONS_ACCOUNT)
            describe(e, &list[count++]);
    unlock_memory(w);
    qsort(list, count, sizeof *list, newest_first);
    *out = list;
    *n = count;
    return OK;
}

/* --- Care and the end --- */

struct written {
    uint64_t id;
    int64_t used;
    struct ip ip;
};

/* What was used since the last time; what is over is buried. */
static void collect(struct web_sessions *w, struct buf *uses)
{
    int64_t now = clock_wall();
    lock_memory(w);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *e = w->ids[i], *next; e != NULL; e = next) {
            next = e->next_id;
            if (is_over(e, now)) {
                entry_bury(w, e);
            } else if (e->dirty) {
                const struct written u = {e->id, e->used, e->ip};
                buf_add(uses, slice_of(&u, sizeof u));
                e->dirty = false;
            }
        }
    unlock_memory(w);
}

static enum error write_uses(struct sql *db, const struct written *u, size_t n)
{
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    for (size_t i = 0; i < n && e == OK; i++) {
        struct sql_query q = sql_query(db, Q_USE);
        sql_int(&q, u[i].used);
        sql_blob(&q, u[i].ip.b, sizeof u[i].ip.b);
        sql_int(&q, (int64_t)u[i].id);
        e = sql_run(&q);
    }
    return e == OK ? sql_commit(&txn) : e;
}

void web_sessions_tend(struct web_sessions *w)
{
    autobuf uses = BUF_INIT(sizeof(struct written) * LIMIT_WEB_SESSIONS);
    collect(w, &uses);
    struct written batch[BATCH];
    enum error e = OK;
    for (size_t at = 0; at < uses.n && e == OK;) {
        size_t n = uses.n - at < sizeof batch ? uses.n - at : sizeof batch;
        memcpy(batch, uses.p + at, n);
        at += n;
        sql_lock(w->db);
        e = write_uses(w->db, batch, n / sizeof batch[0]);
        sql_unlock(w->db);
    }
    if (e != OK) /* the next use is written again */
        log_warning("web.session.unwritten", log_text("error", error_name(e)));
    clear_graves(w);
}

void web_sessions_close(struct web_sessions *w)
{
    if (w == NULL)
        return;
    if (w->db != NULL)
        web_sessions_tend(w);
    sql_close(w->db);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry *e = w->ids[i], *next; e != NULL; e = next) {
            next = e->next_id;
            entry_free(e);
        }
    buf_free(&w->graves);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}
