/* policy.db: the operator's lines, the ratchet, and MTA-STS policies; see memory.h.
 *
 * A look goes to the cache first. What this process writes drops the domain from the cache before
 * the call returns. What the operator says in another process is seen by the watch, which then
 * drops everything; so that its looks do not do so after each commit of our own, the words of the
 * operator are counted in the database. */
#include "queue/memory.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "directory/directory.h"
#include "queue/memory_private.h"

static const char *const schema[] = {
    /* Times are wall seconds. Numbers of demand, security, policy and result: see net/security.h
     * and handover/relay.h, where they are never renumbered. */
    "CREATE TABLE line("
    "  domain TEXT PRIMARY KEY,"
    "  demand INTEGER NOT NULL,"
    "  mx_names TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE ratchet("
    "  domain TEXT PRIMARY KEY,"
    "  best INTEGER NOT NULL,"
    "  best_at INTEGER NOT NULL,"
    "  tls_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE sts("
    "  domain TEXT PRIMARY KEY,"
    "  id TEXT NOT NULL,"
    "  policy TEXT NOT NULL,"
    "  expires INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE word(n INTEGER NOT NULL);"
    "INSERT INTO word VALUES (0);"
    "CREATE TABLE report("
    "  day INTEGER NOT NULL,"
    "  domain TEXT NOT NULL,"
    "  rua TEXT NOT NULL,"
    "  PRIMARY KEY(day, domain)) WITHOUT ROWID;"
    "CREATE TABLE tally("
    "  day INTEGER NOT NULL,"
    "  domain TEXT NOT NULL,"
    "  policy INTEGER NOT NULL,"
    "  result INTEGER NOT NULL,"
    "  policy_text TEXT NOT NULL,"
    "  mx_host TEXT NOT NULL,"
    "  mx_pattern TEXT NOT NULL,"
    "  peer BLOB NOT NULL,"
    "  source BLOB NOT NULL,"
    "  sessions INTEGER NOT NULL,"
    "  PRIMARY KEY(day, domain, policy, result, policy_text, mx_host, mx_pattern, peer, source)"
    ") WITHOUT ROWID;",
};

static const char *const statements[] = {
    [Q_LINE_GET] = "SELECT demand, mx_names FROM line WHERE domain = ?",
    [Q_LINE_SET] = "INSERT OR REPLACE INTO line(domain, demand, mx_names) VALUES (?, ?, ?)",
    [Q_LINE_REMOVE] = "DELETE FROM line WHERE domain = ?",
    [Q_LINE_LIST] = "SELECT domain, demand, mx_names FROM line ORDER BY domain",
    [Q_RATCHET_GET] = "SELECT best, best_at, tls_at FROM ratchet WHERE domain = ?",
    [Q_RATCHET_REACHED] =
        "INSERT INTO ratchet AS r(domain, best, best_at, tls_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT(domain) DO UPDATE SET "
        "best_at = iif(excluded.best >= r.best, excluded.best_at, r.best_at), "
        "best = max(r.best, excluded.best), tls_at = max(r.tls_at, excluded.tls_at)",
    [Q_RATCHET_FORGET] = "DELETE FROM ratchet WHERE domain = ?",
    [Q_RATCHET_EXPIRE] = "DELETE FROM ratchet WHERE best = 0 AND tls_at < ?",
    [Q_STS_GET] = "SELECT id, policy, expires FROM sts WHERE domain = ?",
    [Q_STS_SET] = "INSERT OR REPLACE INTO sts(domain, id, policy, expires) VALUES (?, ?, ?, ?)",
    [Q_STS_REMOVE] = "DELETE FROM sts WHERE domain = ?",
    [Q_STS_EXPIRE] = "DELETE FROM sts WHERE expires < ?",
    [Q_WORD_GIVEN] = "UPDATE word SET n = n + 1",
    [Q_WORDS] = "SELECT n FROM word",
    [Q_REPORT_WANTED] = "INSERT OR REPLACE INTO report(day, domain, rua) VALUES (?, ?, ?)",
    [Q_REPORTS_DUE] = "SELECT day, domain, rua FROM report WHERE day <= ? "
                      "ORDER BY day, domain LIMIT ?",
    [Q_REPORT_FORGET] = "DELETE FROM report WHERE day = ? AND domain = ?",
    [Q_REPORT_EXPIRE] = "DELETE FROM report WHERE day < ?",
    [Q_TALLY_ROWS] = "SELECT count(*) FROM tally WHERE day = ? AND domain = ?",
    [Q_TALLY_ADD] = "INSERT INTO tally AS t(day, domain, policy, result, policy_text, mx_host, "
                    "mx_pattern, peer, source, sessions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET sessions = t.sessions + excluded.sessions",
    [Q_TALLY_LIST] = "SELECT policy, result, policy_text, mx_host, mx_pattern, peer, source, "
                     "sessions FROM tally WHERE day = ? AND domain = ? "
                     "ORDER BY policy, policy_text, mx_pattern, result, mx_host, peer, source",
    [Q_TALLY_FORGET] = "DELETE FROM tally WHERE day = ? AND domain = ?",
    [Q_TALLY_EXPIRE] = "DELETE FROM tally WHERE day < ?",
};
_Static_assert(sizeof statements / sizeof statements[0] == Q_COUNT, "a statement for each");

static const struct sql_spec memory_spec = {schema, sizeof schema / sizeof schema[0], statements,
                                            Q_COUNT};

/* --- Opening --- */

static int64_t count_words(struct memory *m)
{
    autosql *db = memory_locked(m->reader);
    struct sql_query q = sql_query(db, Q_WORDS);
    int64_t n = sql_row(&q) ? sql_get_int(&q, 0) : -1;
    return sql_done(&q) == OK ? n : -1;
}

static void on_change(void *arg)
{
    struct memory *m = arg;
    int64_t words = count_words(m);
    if (words >= 0 && words == m->words)
        return;
    m->words = words;
    memory_cache_drop(&m->cache, SLICE_NONE);
}

enum error memory_open(const char *path, struct memory **out)
{
    struct memory *m = mem_alloc(sizeof *m);
    memory_cache_init(&m->cache);
    tallies_init(m);
    enum error e = sql_open(path, &memory_spec, &m->writer);
    if (e == OK)
        e = sql_open(path, &memory_spec, &m->reader);
    if (e == OK)
        m->words = count_words(m);
    if (e == OK)
        e = sql_watch_start(path, on_change, m, &m->watch);
    if (e == OK)
        *out = m;
    else
        memory_close(m);
    return e;
}

void memory_close(struct memory *m)
{
    if (m == NULL)
        return;
    sql_watch_stop(m->watch);
    if (m->writer != NULL)
        tallies_flush(m);
    tallies_free(m);
    memory_cache_free(&m->cache);
    sql_close(m->reader);
    sql_close(m->writer);
    mem_free(m);
}

/* --- Looking --- */

static void trouble(const char *what, struct slice domain, enum error e)
{
    log_warning("memory.failed", log_text("what", what), log_slice("domain", domain),
                log_text("error", error_name(e)));
}

static enum error read_line(struct sql *db, struct slice domain, struct arena *a,
                            struct memory_known *out)
{
    struct sql_query q = sql_query(db, Q_LINE_GET);
    sql_text(&q, domain);
    if (sql_row(&q)) {
        out->has_line = true;
        out->demand = (enum demand)sql_get_int(&q, 0);
        out->mx_names = arena_dup(a, sql_get(&q, 1));
    }
    return sql_done(&q);
}

static enum error read_ratchet(struct sql *db, struct slice domain, struct memory_known *out)
{
    struct sql_query q = sql_query(db, Q_RATCHET_GET);
    sql_text(&q, domain);
    if (sql_row(&q))
        out->ratchet = (struct memory_ratchet){(enum security)sql_get_int(&q, 0),
                                               sql_get_int(&q, 1), sql_get_int(&q, 2)};
    return sql_done(&q);
}

static enum error read_sts(struct sql *db, struct slice domain, struct arena *a,
                           struct memory_known *out)
{
    struct sql_query q = sql_query(db, Q_STS_GET);
    sql_text(&q, domain);
    if (sql_row(&q))
        out->sts = (struct relay_sts){arena_dup(a, sql_get(&q, 0)), arena_dup(a, sql_get(&q, 1)),
                                      sql_get_int(&q, 2)};
    return sql_done(&q);
}

static enum error read_known(struct memory *m, struct slice domain, struct arena *a,
                             struct memory_known *out)
{
    autosql *db = memory_locked(m->reader);
    enum error e = read_line(db, domain, a, out);
    if (e == OK)
        e = read_ratchet(db, domain, out);
    if (e == OK)
        e = read_sts(db, domain, a, out);
    return e == OK && a->failed ? ERR_LIMIT : e;
}

enum error memory_know(struct memory *m, struct slice domain, struct arena *a,
                       struct memory_known *out)
{
    uint64_t generation;
    enum error e = OK;
    if (memory_cache_find(&m->cache, domain, a, out, &generation, &e))
        return e;
    autoarena own;
    arena_init(&own, LIMIT_MEMORY_BYTES);
    struct memory_known k = {0};
    e = read_known(m, domain, a ? a : &own, &k);
    if (e != OK)
        return e;
    memory_cache_keep(&m->cache, domain, &k, generation);
    if (a == NULL)
        k.mx_names = k.sts.id = k.sts.policy = SLICE_NONE;
    *out = k;
    return OK;
}

/* --- The operator's lines --- */

/* Runs a statement on `domain` that the operator wants, seen by all processes. */
static enum error operator_says(struct memory *m, struct sql *db, struct sql_query *q,
                                struct slice domain, struct sql_txn *txn)
{
    enum error e = sql_run(q);
    if (e == OK && sql_changes(db) == 0)
        e = ERR_NOTFOUND;
    if (e == OK) {
        struct sql_query word = sql_query(db, Q_WORD_GIVEN);
        e = sql_run(&word);
    }
    if (e == OK)
        e = sql_commit(txn);
    memory_cache_drop(&m->cache, domain);
    return e;
}

enum error memory_line_set(struct memory *m, struct slice domain, enum demand demand,
                           struct slice mx_names)
{
    char name[LIMIT_DOMAIN + 1];
    autobuf names = BUF_INIT(LIMIT_STS_MX * (LIMIT_DOMAIN + 3));
    if (mail_domain_parse(domain, name) != OK || demand >= DEMAND_COUNT ||
        providers_names(mx_names, &names) != OK)
        return ERR_INPUT;
    autosql *db = memory_locked(m->writer);
    autotxn txn = sql_begin(db);
    if (txn.e != OK)
        return txn.e;
    struct sql_query q = sql_query(db, Q_LINE_SET);
    sql_text(&q, slice_str(name));
    sql_int(&q, demand);
    sql_text(&q, names.n > 0 ? buf_slice(&names) : SLICE(""));
    return operator_says(m, db, &q, slice_str(name), &txn);
}

static enum error operator_removes(struct memory *m, enum memory_statement what,
                                   struct slice domain)
{
    char name[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(domain, name) != OK)
        return ERR_INPUT;
    autosql *db = memory_locked(m->writer);
    autotxn txn = sql_begin(db);
    if (txn.e != OK)
        return txn.e;
    struct sql_query q = sql_query(db, what);
    sql_text(&q, slice_str(name));
    return operator_says(m, db, &q, slice_str(name), &txn);
}

enum error memory_line_remove(struct memory *m, struct slice domain)
{
    return operator_removes(m, Q_LINE_REMOVE, domain);
}

enum error memory_line_list(struct memory *m, struct arena *a, struct memory_line **out, size_t *n)
{
    autobuf rows = BUF_INIT(LIMIT_MEMORY_BYTES);
    autosql *db = memory_locked(m->reader);
    struct sql_query q = sql_query(db, Q_LINE_LIST);
    while (sql_row(&q)) {
        struct memory_line line = {arena_dup(a, sql_get(&q, 0)), (enum demand)sql_get_int(&q, 1),
                                   arena_dup(a, sql_get(&q, 2))};
        buf_add(&rows, slice_of(&line, sizeof line));
    }
    enum error e = sql_done(&q);
    struct memory_line *lines = arena_alloc(a, rows.n);
    if (e == OK && (rows.failed || a->failed))
        e = ERR_LIMIT;
    if (e != OK)
        return e;
    if (rows.n > 0)
        memcpy(lines, rows.p, rows.n);
    *out = lines;
    *n = rows.n / sizeof *lines;
    return OK;
}

/* --- The ratchet --- */

void memory_ratchet(struct memory *m, struct slice domain, struct memory_ratchet *out)
{
    struct memory_known k = {0};
    enum error e = memory_know(m, domain, NULL, &k);
    if (e != OK)
        trouble("ratchet", domain, e);
    *out = k.ratchet;
}

static bool is_news(const struct memory_ratchet *r, enum security s, int64_t now)
{
    return (s >= SECURITY_PKIX && s > r->best) || now - r->tls_at >= LIMIT_MEMORY_REFRESH_SECONDS;
}

void memory_reached(struct memory *m, struct slice domain, enum security s, int64_t now)
{
    struct memory_known k = {0};
    if (s < SECURITY_ENCRYPTED)
        return;
    if (memory_know(m, domain, NULL, &k) == OK && !is_news(&k.ratchet, s, now))
        return;
    bool proven = s >= SECURITY_PKIX;
    autosql *db = memory_locked(m->writer);
    struct sql_query q = sql_query(db, Q_RATCHET_REACHED);
    sql_text(&q, domain);
    sql_int(&q, proven ? s : SECURITY_NONE);
    sql_int(&q, proven ? now : 0);
    sql_int(&q, now);
    enum error e = sql_run(&q);
    memory_cache_drop(&m->cache, domain);
    if (e != OK)
        trouble("reached", domain, e);
}

enum error memory_allow_weaker(struct memory *m, struct slice domain)
{
    return operator_removes(m, Q_RATCHET_FORGET, domain);
}

/* --- MTA-STS --- */

void memory_sts(struct memory *m, struct slice domain, struct arena *a, struct relay_sts *out)
{
    struct memory_known k = {0};
    enum error e = memory_know(m, domain, a, &k);
    if (e != OK)
        trouble("mta-sts", domain, e);
    *out = e == OK ? k.sts : (struct relay_sts){0};
}

static enum error write_sts(struct sql *db, struct slice domain, const struct relay_sts *sts)
{
    struct sql_query q = sql_query(db, sts->policy.n > 0 ? Q_STS_SET : Q_STS_REMOVE);
    sql_text(&q, domain);
    if (sts->policy.n > 0) {
        sql_text(&q, sts->id.n > 0 ? sts->id : SLICE(""));
        sql_text(&q, sts->policy);
        sql_int(&q, sts->expires);
    }
    return sql_run(&q);
}

void memory_sts_set(struct memory *m, struct slice domain, const struct relay_sts *sts)
{
    autosql *db = memory_locked(m->writer);
    enum error e = sts->policy.n > LIMIT_STS_POLICY ? ERR_LIMIT : write_sts(db, domain, sts);
    memory_cache_drop(&m->cache, domain);
    if (e != OK)
        trouble("mta-sts", domain, e);
}

/* --- Care --- */

struct checking {
    void (*report)(void *arg, const char *line);
    void *arg;
    unsigned bad;
};

static void tell(struct checking *c, const char *what, const char *which)
{
    char line[512];
    snprintf(line, sizeof line, "policy: %s: %s", what, which);
    if (c->report != NULL)
        c->report(c->arg, line);
    c->bad++;
}

static void on_integrity(void *arg, const char *line)
{
    if (strcmp(line, "ok") != 0)
        tell(arg, "database", line);
}

static void on_bad_line(void *arg, const char *domain)
{
    tell(arg, "a line with an unknown level, which counts as dane", domain);
}

static void on_bad_ratchet(void *arg, const char *domain)
{
    tell(arg, "an unknown security was reached", domain);
}

/* Values that a later version of this program wrote, or damage. */
enum error memory_check(struct memory *m, void (*report)(void *arg, const char *line), void *arg,
                        unsigned *bad)
{
    struct checking c = {report, arg, 0};
    char lines[128], ratchets[128];
    snprintf(lines, sizeof lines, "SELECT domain FROM line WHERE demand NOT BETWEEN 0 AND %d",
             DEMAND_COUNT - 1);
    snprintf(ratchets, sizeof ratchets,
             "SELECT domain FROM ratchet WHERE best NOT BETWEEN 0 AND %d", SECURITY_COUNT - 1);
    autosql *db = memory_locked(m->writer);
    enum error e = sql_exec(db, "PRAGMA integrity_check", on_integrity, &c);
    if (e == OK)
        e = sql_exec(db, lines, on_bad_line, &c);
    if (e == OK)
        e = sql_exec(db, ratchets, on_bad_ratchet, &c);
    if (e == OK)
        *bad = c.bad;
    return e;
}

static enum error expire(struct memory *m, enum memory_statement what, int64_t before)
{
    autosql *db = memory_locked(m->writer);
    struct sql_query q = sql_query(db, what);
    sql_int(&q, before);
    return sql_run(&q);
}

void memory_tend(struct memory *m, int64_t now)
{
    tallies_flush(m);
    enum error e = expire(m, Q_STS_EXPIRE, now);
    if (e == OK)
        e = expire(m, Q_RATCHET_EXPIRE, now - LIMIT_RATCHET_TLS_SECONDS);
    if (e == OK)
        e = tallies_expire(m, now);
    memory_cache_drop(&m->cache, SLICE_NONE);
    if (e != OK)
        trouble("tend", SLICE_NONE, e);
}
