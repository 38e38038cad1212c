/* The guard: the table in memory, and guard.db from which it comes back after a restart; see
 * guard.h. The lock of the database is taken before the table's. */
#include "guard/guard.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sql.h"
#include "guard/table.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, PRUNE_EVERY = 64 };

enum statement {
    Q_ATTEMPT_ADD,
    Q_ATTEMPT_TRIM,
    Q_ATTEMPT_PRUNE,
    Q_ATTEMPT_FORGET,
    Q_ATTEMPT_WHY,
    Q_FAILURES,
    Q_CLOSING_ADD,
    Q_CLOSING_PRUNE,
    Q_CLOSING_FORGET,
    Q_CLOSINGS,
    Q_BAN_SET,
    Q_BAN_PRUNE,
    Q_BAN_FORGET,
    Q_BANS,
    Q_LIFT_ADD,
    Q_LIFT_PRUNE,
    Q_LIFTS,
    Q_COUNT,
};

static const char *const schema[] = {
    /* Times in milliseconds since 1970. AUTOINCREMENT: whoever remembers the last id sees all that
     * is new by it. */
    "CREATE TABLE attempt("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  ip BLOB NOT NULL,"
    "  account TEXT NOT NULL,"
    "  service TEXT NOT NULL,"
    "  counted INTEGER NOT NULL);"
    "CREATE INDEX attempt_ip ON attempt(ip, id);"
    "CREATE TABLE closing("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ip BLOB NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL);"
    "CREATE INDEX closing_ip ON closing(ip);"
    "CREATE TABLE ban("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ip BLOB NOT NULL UNIQUE,"
    "  level INTEGER NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  until INTEGER NOT NULL);"
    "CREATE TABLE lift("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  ip BLOB NOT NULL,"
    "  at INTEGER NOT NULL);",
};

static const char *const statements[] = {
    [Q_ATTEMPT_ADD] = "INSERT INTO attempt(at, ip, account, service, counted) "
                      "VALUES (?, ?, ?, ?, ?)",
    [Q_ATTEMPT_TRIM] = "DELETE FROM attempt WHERE ip = ?1 AND id <= "
                       "(SELECT id FROM attempt WHERE ip = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    [Q_ATTEMPT_PRUNE] = "DELETE FROM attempt WHERE at < ? OR id <= "
                        "(SELECT max(id) FROM attempt) - ?",
    [Q_ATTEMPT_FORGET] = "DELETE FROM attempt WHERE ip = ?",
    [Q_ATTEMPT_WHY] = "SELECT at, ip, account, service, counted FROM (SELECT * FROM attempt "
                      "WHERE ip = ? AND at > ? ORDER BY id DESC LIMIT ?) ORDER BY id",
    /* Those behind the last closing, which has answered the ones before. */
    [Q_FAILURES] = "SELECT a.ip, a.at FROM attempt a WHERE a.counted AND a.at > ? AND a.id > "
                   "coalesce((SELECT max(c.attempt) FROM closing c WHERE c.ip = a.ip), 0) "
                   "ORDER BY a.id",
    [Q_CLOSING_ADD] = "INSERT INTO closing(ip, at, attempt) VALUES (?, ?, ?)",
    [Q_CLOSING_PRUNE] = "DELETE FROM closing WHERE at < ?",
    [Q_CLOSING_FORGET] = "DELETE FROM closing WHERE ip = ?",
    [Q_CLOSINGS] = "SELECT ip, at FROM closing WHERE at > ? ORDER BY id",
    [Q_BAN_SET] = "INSERT OR REPLACE INTO ban(ip, level, since, until) VALUES (?, ?, ?, ?)",
    [Q_BAN_PRUNE] = "DELETE FROM ban WHERE until < ?",
    [Q_BAN_FORGET] = "DELETE FROM ban WHERE ip = ?",
    [Q_BANS] = "SELECT id, ip, level, since, until FROM ban WHERE id > ? ORDER BY id",
    [Q_LIFT_ADD] = "INSERT INTO lift(ip, at) VALUES (?, ?)",
    [Q_LIFT_PRUNE] = "DELETE FROM lift WHERE at < ?",
    [Q_LIFTS] = "SELECT id, ip FROM lift WHERE id > ? ORDER BY id",
};
_Static_assert(sizeof statements / sizeof statements[0] == Q_COUNT, "a statement for each");

static const struct sql_spec guard_spec = {schema, sizeof schema / sizeof schema[0], statements,
                                           Q_COUNT};

struct guard {
    struct guard_rule rule;
    struct guard_table *table;
    struct sql *db;
    struct sql_watch *watch;
    struct ip_net *trusted, *proxies;
    size_t n_trusted, n_proxies;
    void (*on_machine_bans)(void *arg);
    void *arg;
    /* With the lock of the database: */
    int64_t last_lift, last_ban;
    unsigned inserted;
};

/* --- Reading the database --- */

static struct ip get_ip(const struct sql_query *q, int column)
{
    struct ip ip = {{0}};
    struct slice s = sql_get(q, column);
    if (s.n == sizeof ip.b)
        memcpy(ip.b, s.p, s.n);
    return ip;
}

static enum error load_history(struct guard *g, int64_t now)
{
    struct sql_query q = sql_query(g->db, Q_CLOSINGS);
    sql_int(&q, now - g->rule.closings_ms);
    while (sql_row(&q))
        guard_table_restore_closing(g->table, get_ip(&q, 0), sql_get_int(&q, 1));
    enum error e = sql_done(&q);
    if (e != OK)
        return e;
    q = sql_query(g->db, Q_FAILURES);
    sql_int(&q, now - g->rule.window_ms);
    while (sql_row(&q))
        guard_table_restore_failure(g->table, get_ip(&q, 0), sql_get_int(&q, 1));
    return sql_done(&q);
}

/* What other processes did since the last look: first what was lifted, then what was banned.
 * *machine is set when the set of machine bans changed. */
static enum error refresh(struct guard *g, int64_t now, bool *machine)
{
    struct sql_query q = sql_query(g->db, Q_LIFTS);
    sql_int(&q, g->last_lift);
    while (sql_row(&q)) {
        g->last_lift = sql_get_int(&q, 0);
        if (guard_table_forget(g->table, get_ip(&q, 1), now) == GUARD_MACHINE)
            *machine = true;
    }
    enum error e = sql_done(&q);
    if (e != OK)
        return e;
    q = sql_query(g->db, Q_BANS);
    sql_int(&q, g->last_ban);
    while (sql_row(&q)) {
        enum guard_level level = (enum guard_level)sql_get_int(&q, 2);
        g->last_ban = sql_get_int(&q, 0);
        guard_table_restore_ban(g->table, get_ip(&q, 1), level, sql_get_int(&q, 3),
                                sql_get_int(&q, 4), now);
        if (level == GUARD_MACHINE)
            *machine = true;
    }
    return sql_done(&q);
}

static void tell_machine_bans(const struct guard *g)
{
    if (g->on_machine_bans != NULL)
        g->on_machine_bans(g->arg);
}

static void on_change(void *arg)
{
    struct guard *g = arg;
    bool machine = false;
    sql_lock(g->db);
    enum error e = refresh(g, clock_wall_ms(), &machine);
    sql_unlock(g->db);
    if (e != OK)
        log_warning("guard.refresh", log_text("error", error_name(e)));
    if (machine)
        tell_machine_bans(g);
}

/* --- Opening --- */

static struct ip_net *copy_nets(const struct ip_net *nets, size_t n)
{
    struct ip_net *copy = mem_array(n, sizeof *copy);
    if (n > 0)
        memcpy(copy, nets, n * sizeof *copy);
    return copy;
}

static unsigned or_default(unsigned v, unsigned fallback, unsigned most)
{
    v = v ? v : fallback;
    return v < most ? v : most;
}

static struct guard_rule rule_of(const struct guard_options *o)
{
    enum { MINUTES_20 = 20 * 60, HOURS_24 = 24 * 60 * 60, YEAR = 366 * HOURS_24 };
    return (struct guard_rule){
        .tolerated = or_default(o->tolerated, 4, LIMIT_GUARD_TOLERATED),
        .closings = or_default(o->closings, 3, LIMIT_GUARD_CLOSINGS),
        .window_ms = 1000LL * or_default(o->window_seconds, MINUTES_20, YEAR),
        .close_ms = 1000LL * or_default(o->close_seconds, MINUTES_20, YEAR),
        .closings_ms = 1000LL * or_default(o->closings_seconds, HOURS_24, YEAR),
        .machine_ms = 1000LL * or_default(o->machine_seconds, HOURS_24, YEAR),
        .repeated_counts = o->repeated_password_counts,
    };
}

static enum error load(struct guard *g)
{
    int64_t now = clock_wall_ms();
    bool machine = false;
    autosql *db = g->db;
    sql_lock(db);
    enum error e = load_history(g, now);
    /* Lifts of the past were applied to the rows when they were made: this only finds the last. */
    struct sql_query q = sql_query(db, Q_LIFTS);
    sql_int(&q, 0);
    while (sql_row(&q))
        g->last_lift = sql_get_int(&q, 0);
    enum error last = sql_done(&q);
    e = e == OK ? last : e;
    return e == OK ? refresh(g, now, &machine) : e;
}

enum error guard_open(const struct guard_options *o, struct guard **out)
{
    struct guard *g = mem_alloc(sizeof *g);
    g->rule = rule_of(o);
    g->table = guard_table_new(&g->rule, LIMIT_GUARD_ADDRESSES);
    g->trusted = copy_nets(o->trusted, o->n_trusted);
    g->n_trusted = o->n_trusted;
    g->proxies = copy_nets(o->proxies, o->n_proxies);
    g->n_proxies = o->n_proxies;
    g->on_machine_bans = o->on_machine_bans;
    g->arg = o->arg;
    enum error e = sql_open(o->path, &guard_spec, &g->db);
    if (e == OK)
        e = load(g);
    if (e == OK)
        e = sql_watch_start(o->path, on_change, g, &g->watch);
    /* What changed between the two. */
    if (e == OK)
        on_change(g);
    if (e == OK)
        *out = g;
    else
        guard_close(g);
    return e;
}

struct guard_lockout guard_lockout(const struct guard *g)
{
    return (struct guard_lockout){.tolerated = g->rule.tolerated,
                                  .window_seconds = (unsigned)(g->rule.window_ms / 1000),
                                  .close_seconds = (unsigned)(g->rule.close_ms / 1000)};
}

void guard_close(struct guard *g)
{
    if (g == NULL)
        return;
    sql_watch_stop(g->watch);
    sql_close(g->db);
    guard_table_free(g->table);
    mem_free(g->trusted);
    mem_free(g->proxies);
    mem_free(g);
}

/* --- Asking --- */

static bool any_has(const struct ip_net *nets, size_t n, struct ip ip)
{
    for (size_t i = 0; i < n; i++)
        if (ip_net_has(&nets[i], ip))
            return true;
    return false;
}

bool guard_is_trusted(struct guard *g, struct ip peer)
{
    return any_has(g->trusted, g->n_trusted, peer);
}

bool guard_is_proxy(struct guard *g, struct ip peer)
{
    return any_has(g->proxies, g->n_proxies, peer);
}

/* The second at which it is over. */
static int64_t seconds_of(int64_t ms)
{
    return (ms + 999) / 1000;
}

enum guard_level guard_admit(struct guard *g, struct ip peer, int64_t *until)
{
    int64_t end = 0;
    enum guard_level level = guard_table_level(g->table, ip_counting(peer), clock_wall_ms(), &end);
    if (level == GUARD_OPEN || guard_is_trusted(g, peer))
        return GUARD_OPEN;
    if (until != NULL)
        *until = seconds_of(end);
    return level;
}

/* --- Failures --- */

/* Now and then: what is too old for every question, and what is too much. */
static enum error prune(struct guard *g, int64_t now)
{
    const struct {
        enum statement s;
        int64_t before;
    } old[] = {{Q_CLOSING_PRUNE, now - g->rule.closings_ms},
               {Q_BAN_PRUNE, now},
               {Q_LIFT_PRUNE, now - DAY_MS}};
    int64_t attempts = g->rule.window_ms > DAY_MS ? g->rule.window_ms : DAY_MS;
    struct sql_query q = sql_query(g->db, Q_ATTEMPT_PRUNE);
    sql_int(&q, now - attempts);
    sql_int(&q, LIMIT_GUARD_ATTEMPTS);
    enum error e = sql_run(&q);
    for (size_t i = 0; i < sizeof old / sizeof old[0] && e == OK; i++) {
        q = sql_query(g->db, old[i].s);
        sql_int(&q, old[i].before);
        e = sql_run(&q);
    }
    return e;
}

static enum error write_attempt(struct guard *g, struct ip ip, int64_t now, struct slice account,
                                const char *service, bool counted)
{
    struct sql_query q = sql_query(g->db, Q_ATTEMPT_ADD);
    sql_int(&q, now);
    sql_blob(&q, ip.b, sizeof ip.b);
    /* What was typed as a user name; it may be anything, of any length. */
    sql_text(&q, slice_sub(account, 0, LIMIT_ADDRESS));
    sql_text(&q, slice_str(service));
    sql_int(&q, counted);
    return sql_run(&q);
}

static enum error write_closing(struct guard *g, struct ip ip, int64_t now,
                                const struct guard_verdict *v)
{
    struct sql_query q = sql_query(g->db, Q_CLOSING_ADD);
    sql_blob(&q, ip.b, sizeof ip.b);
    sql_int(&q, now);
    sql_int(&q, sql_last_id(g->db)); /* of the attempt that was just written */
    enum error e = sql_run(&q);
    if (e != OK)
        return e;
    q = sql_query(g->db, Q_BAN_SET);
    sql_blob(&q, ip.b, sizeof ip.b);
    sql_int(&q, v->level);
    sql_int(&q, now);
    sql_int(&q, v->until);
    e = sql_run(&q);
    if (e == OK)
        g->last_ban = sql_last_id(g->db);
    return e;
}

static enum error trim(struct guard *g, struct ip ip, int64_t now)
{
    struct sql_query q = sql_query(g->db, Q_ATTEMPT_TRIM);
    sql_blob(&q, ip.b, sizeof ip.b);
    sql_int(&q, LIMIT_GUARD_WHY);
    enum error e = sql_run(&q);
    if (e == OK && g->inserted++ % PRUNE_EVERY == 0)
        e = prune(g, now);
    return e;
}

static void log_closing(struct ip ip, const struct guard_verdict *v)
{
    char text[IP_TEXT];
    ip_print(ip, text);
    log_warning("guard.closed", log_text("ip", text),
                log_text("level", v->level == GUARD_MACHINE ? "machine" : "services"),
                log_i64("until", seconds_of(v->until)));
}

/* With the lock of the database. The table decides first: when the disk fails, the ban holds. */
static enum error count_failure(struct guard *g, struct ip ip, bool trusted, struct slice account,
                                const char *service, uint64_t tag, struct guard_verdict *v,
                                bool *machine)
{
    int64_t now = clock_wall_ms();
    autotxn txn = sql_begin(g->db);
    enum error e = txn.e;
    if (e == OK)
        e = refresh(g, now, machine);
    if (!trusted)
        *v = guard_table_fail(g->table, ip, now, hash_bytes(account), tag);
    if (e == OK)
        e = write_attempt(g, ip, now, account, service, v->counted);
    if (e == OK && v->closed)
        e = write_closing(g, ip, now, v);
    if (e == OK)
        e = trim(g, ip, now);
    return e == OK ? sql_commit(&txn) : e;
}

enum guard_level guard_failed(struct guard *g, struct ip peer, struct slice account,
                              const char *service, uint64_t password_tag, int64_t *until)
{
    struct ip ip = ip_counting(peer);
    struct guard_verdict v = {GUARD_OPEN, 0, false, false};
    bool machine = false;
    sql_lock(g->db);
    enum error e = count_failure(g, ip, guard_is_trusted(g, peer), account, service, password_tag,
                                 &v, &machine);
    sql_unlock(g->db);
    if (e != OK)
        log_error("guard.write", log_text("error", error_name(e)));
    if (v.closed)
        log_closing(ip, &v);
    if (machine || (v.closed && v.level == GUARD_MACHINE))
        tell_machine_bans(g);
    if (until != NULL && v.level != GUARD_OPEN)
        *until = seconds_of(v.until);
    return v.level;
}

/* --- The command --- */

enum error guard_bans(struct guard *g, struct arena *a, struct guard_ban **out, size_t *n)
{
    enum error e = guard_table_bans(g->table, clock_wall_ms(), a, out, n);
    if (e != OK)
        return e;
    /* A network may have become trusted since: the firewall must not keep it out. */
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (!guard_is_trusted(g, (*out)[i].ip))
            (*out)[kept++] = (*out)[i];
    *n = kept;
    return OK;
}

/* Within a transaction; *rows counts what went. */
static enum error forget(struct guard *g, struct ip ip, int64_t *rows)
{
    static const enum statement what[] = {Q_ATTEMPT_FORGET, Q_CLOSING_FORGET, Q_BAN_FORGET};
    *rows = 0;
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
        struct sql_query q = sql_query(g->db, what[i]);
        sql_blob(&q, ip.b, sizeof ip.b);
        enum error e = sql_run(&q);
        if (e != OK)
            return e;
        *rows += sql_changes(g->db);
    }
    return OK;
}

static enum error lift(struct guard *g, struct ip ip, bool *machine)
{
    int64_t now = clock_wall_ms(), rows;
    autotxn txn = sql_begin(g->db);
    enum error e = txn.e;
    if (e == OK)
        e = forget(g, ip, &rows);
    if (e != OK)
        return e;
    if (rows == 0) {
        /* A ban that could not be written when it was made. */
        enum guard_level level = guard_table_forget(g->table, ip, now);
        *machine = level == GUARD_MACHINE;
        return level == GUARD_OPEN ? ERR_NOTFOUND : OK;
    }
    struct sql_query q = sql_query(g->db, Q_LIFT_ADD);
    sql_blob(&q, ip.b, sizeof ip.b);
    sql_int(&q, now);
    e = sql_run(&q);
    if (e == OK)
        e = sql_commit(&txn);
    return e == OK ? refresh(g, now, machine) : e;
}

enum error guard_lift(struct guard *g, struct ip peer)
{
    bool machine = false;
    sql_lock(g->db);
    enum error e = lift(g, ip_counting(peer), &machine);
    sql_unlock(g->db);
    if (machine)
        tell_machine_bans(g);
    return e;
}

enum error guard_why(struct guard *g, struct ip peer, struct arena *a, struct guard_attempt **out,
                     size_t *n)
{
    struct ip ip = ip_counting(peer);
    autobuf rows = BUF_INIT(LIMIT_GUARD_WHY * sizeof(struct guard_attempt));
    autosql *db = g->db;
    sql_lock(db);
    struct sql_query q = sql_query(db, Q_ATTEMPT_WHY);
    sql_blob(&q, ip.b, sizeof ip.b);
    sql_int(&q, clock_wall_ms() - DAY_MS);
    sql_int(&q, LIMIT_GUARD_WHY);
    while (sql_row(&q)) {
        const struct guard_attempt attempt = {
            sql_get_int(&q, 0) / 1000, get_ip(&q, 1), arena_dup(a, sql_get(&q, 2)),
            arena_dup(a, sql_get(&q, 3)), sql_get_int(&q, 4) != 0};
        buf_add(&rows, slice_of(&attempt, sizeof attempt));
    }
    enum error e = sql_done(&q);
    if (e != OK)
        return e;
    struct guard_attempt *p = rows.failed || a->failed ? NULL : arena_alloc(a, rows.n);
    if (p == NULL)
        return ERR_LIMIT;
    if (rows.n > 0)
        memcpy(p, rows.p, rows.n);
    *out = p;
    *n = rows.n / sizeof *p;
    return OK;
}

struct checking {
    void (*report)(void *arg, const char *line);
    void *arg;
    unsigned bad;
};

static void on_integrity(void *arg, const char *line)
{
    struct checking *c = arg;
    char text[1024];
    if (strcmp(line, "ok") == 0)
        return;
    snprintf(text, sizeof text, "guard database: %s", line);
    if (c->report != NULL)
        c->report(c->arg, text);
    c->bad++;
}

enum error guard_check(struct guard *g, void (*report)(void *arg, const char *line), void *arg,
                       unsigned *bad)
{
    struct checking c = {report, arg, 0};
    autosql *db = g->db;
    sql_lock(db);
    enum error e = sql_exec(db, "PRAGMA integrity_check(100)", on_integrity, &c);
    if (e == OK)
        *bad = c.bad;
    return e;
}
