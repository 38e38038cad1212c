/* Integrity of the database and of what it says; see directory.h. */
#include "directory/directory.h"
#include "directory/internal.h"

struct checking {
    struct directory *d;
    void (*report)(void *arg, const char *line);
    void *arg;
    unsigned bad;
};

static void tell(struct checking *c, const char *what, const char *who, bool mended)
{
    char line[1024];
    snprintf(line, sizeof line, "%s%s%s%s", what, who[0] ? ": " : "", who,
             mended ? " (mended)" : "");
    if (c->report != NULL)
        c->report(c->arg, line);
    if (!mended)
        c->bad++;
}

/* What is worth a look, but may be meant so. */
static void advise(const struct checking *c, const char *what, const char *who)
{
    char line[1024];
    snprintf(line, sizeof line, "%s: %s", what, who);
    if (c->report != NULL)
        c->report(c->arg, line);
}

static void on_integrity(void *arg, const char *line)
{
    if (strcmp(line, "ok") != 0)
        tell(arg, "directory database", line, false);
}

static void on_foreign_key(void *arg, const char *table)
{
    tell(arg, "directory: a row without what it belongs to, in table", table, false);
}

/* Rows that can be mended by leaving them out or setting them to something sensible. */
static const struct {
    const char *what, *find, *mend;
} repairs[] = {
    {"directory: an alias that is an account's address, too",
     "SELECT a.local || '@' || d.name FROM alias a JOIN domain d ON d.id = a.domain "
     "JOIN account c ON c.domain = a.domain AND c.local = a.local",
     "DELETE FROM alias WHERE EXISTS (SELECT 1 FROM account c "
     "WHERE c.domain = alias.domain AND c.local = alias.local)"},
    {"directory: an alias without its domain",
     "SELECT local FROM alias WHERE domain NOT IN (SELECT id FROM domain)",
     "DELETE FROM alias WHERE domain NOT IN (SELECT id FROM domain)"},
    {"directory: a forward without its account",
     "SELECT target FROM forward WHERE account NOT IN (SELECT id FROM account)",
     "DELETE FROM forward WHERE account NOT IN (SELECT id FROM account)"},
    {"directory: a DKIM key without its domain",
     "SELECT selector FROM dkim_key WHERE domain NOT IN (SELECT id FROM domain)",
     "DELETE FROM dkim_key WHERE domain NOT IN (SELECT id FROM domain)"},
    {"directory: an alias domain of an alias domain",
     "SELECT d.name FROM domain d JOIN domain r ON r.id = d.alias_of WHERE r.alias_of IS NOT NULL",
     "UPDATE domain SET alias_of = (SELECT r.alias_of FROM domain r WHERE r.id = domain.alias_of) "
     "WHERE alias_of IN (SELECT id FROM domain WHERE alias_of IS NOT NULL)"},
    {"directory: an account in an alias domain",
     "SELECT a.local || '@' || d.name FROM account a JOIN domain d ON d.id = a.domain "
     "WHERE d.alias_of IS NOT NULL",
     NULL},
};

struct found {
    struct checking *c;
    const char *what;
    bool mended;
};

static void on_found(void *arg, const char *who)
{
    struct found *f = arg;
    tell(f->c, f->what, who, f->mended);
}

static enum error check_rows(struct checking *c, struct sql *db, bool repair)
{
    for (size_t i = 0; i < sizeof repairs / sizeof repairs[0]; i++) {
        struct found f = {c, repairs[i].what, repair && repairs[i].mend != NULL};
        enum error e = sql_exec(db, repairs[i].find, on_found, &f);
        if (e == OK && f.mended)
            e = sql_exec(db, repairs[i].mend, NULL, NULL);
        if (e != OK)
            return e;
    }
    return OK;
}

static void add_line(void *arg, const char *text)
{
    buf_str(arg, text);
    buf_byte(arg, '\n');
}

static bool is_alias(struct directory *d, struct slice address)
{
    struct mail_address m;
    struct domain_row domain;
    if (mail_address_parse(address, &m) != OK)
        return false;
    autosql *db = locked(d->writer);
    if (domain_row_find(db, m.domain, &domain) != OK)
        return false;
    struct sql_query q = sql_query(db, Q_ALIAS_GET);
    sql_int(&q, domain.id);
    sql_text(&q, slice_str(m.local));
    bool found = sql_row(&q);
    return sql_done(&q) == OK && found;
}

/* Targets of ours that lead nowhere: mail for them is refused. Only their owner knows the remedy.
 */
static enum error check_targets(struct checking *c)
{
    static const char *const sources[] = {
        "SELECT DISTINCT target FROM alias", "SELECT DISTINCT target FROM forward",
        "SELECT DISTINCT catch_all FROM domain WHERE catch_all <> ''",
        "SELECT CAST(value AS TEXT) FROM setting WHERE key = 'postmaster' AND value <> ''"};
    enum { ALL_TARGETS = 16 * 1024 * 1024, ARENA = 1024 * 1024 };
    autobuf targets = BUF_INIT(ALL_TARGETS);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        autosql *db = locked(c->d->writer);
        enum error e = sql_exec(db, sources[i], add_line, &targets);
        if (e != OK)
            return e;
    }
    struct slice rest = buf_slice(&targets), target;
    while (slice_line(&rest, &target)) {
        autoarena a;
        arena_init(&a, ARENA);
        struct resolved_target *out;
        enum error e = directory_resolve(c->d, target, &a, &out);
        char text[LIMIT_ADDRESS + 1];
        copy_text(text, sizeof text, target);
        /* Its own targets are looked at, too: here it leads round, or too far. */
        if (e == ERR_NOTFOUND && is_alias(c->d, target))
            advise(c, "directory: an alias that leads nowhere", text);
        else if (e == ERR_NOTFOUND || e == ERR_INPUT)
            tell(c, "directory: a target that does not exist", text, false);
        else if (e == ERR_IO)
            return e;
    }
    return OK;
}

enum error directory_check(struct directory *d, bool repair,
                           void (*report)(void *arg, const char *line), void *arg, unsigned *bad)
{
    struct checking c = {d, report, arg, 0};
    enum error e;
    {
        autosql *db = locked(d->writer);
        autotxn txn = sql_begin(db);
        e = txn.e;
        if (e == OK && repair)
            e = sql_exec(db, "REINDEX", NULL, NULL);
        if (e == OK)
            e = sql_exec(db, "PRAGMA integrity_check(100)", on_integrity, &c);
        if (e == OK)
            e = check_rows(&c, db, repair);
        if (e == OK)
            e = sql_exec(db, "PRAGMA foreign_key_check", on_foreign_key, &c);
        if (e == OK)
            e = sql_commit(&txn);
    }
    if (e == OK)
        e = check_targets(&c);
    if (e == OK)
        *bad = c.bad;
    return e;
}
