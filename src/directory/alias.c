/* Aliases, forwards and the operator's address; see directory.h. */
#include "directory/directory.h"

#include "directory/internal.h"

enum error canonical_target(struct sql *db, struct slice address, char out[LIMIT_ADDRESS + 1])
{
    struct mail_address m;
    struct domain_row domain;
    enum error e = mail_address_parse(address, &m);
    if (e != OK)
        return e;
    e = domain_row_find(db, m.domain, &domain);
    if (e == OK)
        return mail_address_join(m.local, domain.name, out);
    /* A foreign local part belongs to somebody else, who may tell cases apart. */
    return e == ERR_NOTFOUND ? mail_address_join(m.given, m.domain, out) : e;
}

/* The alias must be an address in one of our domains that is no account's. */
static enum error find_alias_place(struct sql *db, const struct mail_address *m,
                                   struct domain_row *domain)
{
    struct account account;
    enum error e = domain_row_find(db, m->domain, domain);
    if (e != OK)
        return e;
    e = account_row_find(db, domain->id, m->local, &account);
    return e == OK ? ERR_CONFLICT : e == ERR_NOTFOUND ? OK : e;
}

static enum error alias_has_room(struct sql *db, int64_t domain, const char *local)
{
    struct sql_query q = sql_query(db, Q_ALIAS_GET);
    size_t n = 0;
    sql_int(&q, domain);
    sql_text(&q, slice_str(local));
    while (sql_row(&q))
        n++;
    enum error e = sql_done(&q);
    return e == OK && n >= LIMIT_ALIAS_TARGETS ? ERR_LIMIT : e;
}

/* --- Aliases that lead back --- */

struct way {
    struct slice address;
    struct way *next;
};

/* A walk over aliases: each address once, in the order found. */
struct walk {
    struct sql *db;
    struct arena *a;
    int64_t domain; /* the alias that must not be met */
    const char *local;
    struct way *first, **end;
    unsigned n;
};

static enum error walk_add(struct walk *w, struct slice address)
{
    for (const struct way *known = w->first; known; known = known->next)
        if (slice_ieq(known->address, address))
            return OK;
    struct way *way = arena_new(w->a, struct way);
    if (!way || ++w->n > LIMIT_ALIAS_LOOKUPS)
        return ERR_LIMIT;
    way->address = address;
    *w->end = way;
    w->end = &way->next;
    return OK;
}

/* ERR_NOTFOUND: nothing of that name; ERR_CONFLICT: it is the alias in question. */
static enum error walk_name(struct walk *w, int64_t domain, const char *local)
{
    struct account account;
    if (domain == w->domain && strcmp(local, w->local) == 0)
        return ERR_CONFLICT;
    enum error e = account_row_find(w->db, domain, local, &account);
    if (e != ERR_NOTFOUND)
        return e;
    struct slice *targets;
    size_t n = 0;
    struct sql_query q = sql_query(w->db, Q_ALIAS_GET);
    sql_int(&q, domain);
    sql_text(&q, slice_str(local));
    e = targets_of(&q, w->a, &targets, &n);
    for (size_t i = 0; e == OK && i < n; i++)
        e = walk_add(w, targets[i]);
    return e == OK && n == 0 ? ERR_NOTFOUND : e;
}

static enum error walk_address(struct walk *w, struct slice address)
{
    struct mail_address m;
    struct domain_row domain = {0};
    char base[LIMIT_ADDRESS + 1];
    if (mail_address_parse(address, &m) != OK)
        return OK;
    enum error e = domain_row_find(w->db, m.domain, &domain);
    if (e == OK)
        e = walk_name(w, domain.id, m.local);
    if (e == ERR_NOTFOUND && m.plain && domain.id > 0 && mail_address_base(m.local, base))
        e = walk_name(w, domain.id, base);
    return e == ERR_NOTFOUND ? OK : e;
}

/* ERR_CONFLICT when mail for `target` comes back to the alias. Forwards are not followed: an
 * account keeps what comes back to it. */
static enum error leads_back(struct sql *db, int64_t domain, const char *local, struct slice target)
{
    enum { ARENA = 4 * 1024 * 1024 };
    autoarena a;
    arena_init(&a, ARENA);
    struct walk w = {.db = db, .a = &a, .domain = domain, .local = local, .end = &w.first};
    enum error e = walk_add(&w, target);
    for (const struct way *way = w.first; way && e == OK; way = way->next)
        e = walk_address(&w, way->address);
    return e == ERR_LIMIT ? OK : e; /* so far no way back */
}

bool directory_alias_leads_back(struct directory *d, struct slice address, struct slice target)
{
    struct mail_address m;
    struct domain_row domain;
    if (mail_address_parse(address, &m) != OK)
        return false;
    autosql *db = locked(d->reader);
    return domain_row_find(db, m.domain, &domain) == OK &&
           leads_back(db, domain.id, m.local, target) == ERR_CONFLICT;
}

enum error directory_alias_add(struct directory *d, struct slice address, struct slice target)
{
    struct mail_address m;
    struct domain_row domain;
    char canonical[LIMIT_ADDRESS + 1];
    if (mail_address_parse(address, &m) != OK || !m.plain)
        return ERR_INPUT;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = canonical_target(db, target, canonical);
    if (e == OK)
        e = find_alias_place(db, &m, &domain);
    if (e == OK)
        e = alias_has_room(db, domain.id, m.local);
    if (e == OK)
        e = leads_back(db, domain.id, m.local, slice_str(canonical));
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_ALIAS_ADD);
    sql_int(&q, domain.id);
    sql_text(&q, slice_str(m.local));
    sql_text(&q, slice_str(canonical));
    e = sql_run(&q);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_alias_remove(struct directory *d, struct slice address, struct slice target)
{
    struct mail_address m;
    struct domain_row domain;
    char canonical[LIMIT_ADDRESS + 1];
    if (mail_address_parse(address, &m) != OK)
        return ERR_INPUT;
    autosql *db = locked(d->writer);
    enum error e = domain_row_find(db, m.domain, &domain);
    if (e == OK && target.n > 0)
        e = canonical_target(db, target, canonical);
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, target.n > 0 ? Q_ALIAS_REMOVE : Q_ALIAS_REMOVE_ALL);
    sql_int(&q, domain.id);
    sql_text(&q, slice_str(m.local));
    if (target.n > 0)
        sql_text(&q, slice_str(canonical));
    return run_on_one(&q);
}

enum error directory_alias_list(struct directory *d, struct arena *a, struct alias **out, size_t *n)
{
    autobuf rows = BUF_INIT(a->cap);
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_ALIAS_LIST);
    while (sql_row(&q)) {
        struct alias row;
        memset(&row, 0, sizeof row);
        copy_text(row.address, sizeof row.address, sql_get(&q, 0));
        copy_text(row.target, sizeof row.target, sql_get(&q, 1));
        buf_add(&rows, slice_of(&row, sizeof row));
    }
    enum error e = sql_done(&q);
    return e == OK ? rows_out(a, &rows, sizeof(struct alias), (void **)out, n) : e;
}

/* Within the caller's transaction. */
static enum error write_forward(struct sql *db, uint64_t id, const struct slice *targets, size_t n,
                                bool keep)
{
    struct sql_query q = sql_query(db, Q_FORWARD_KEEP);
    sql_int(&q, keep || n == 0);
    sql_int(&q, (int64_t)id);
    enum error e = run_on_one(&q);
    if (e != OK)
        return e;
    q = sql_query(db, Q_FORWARD_CLEAR);
    sql_int(&q, (int64_t)id);
    e = sql_run(&q);
    for (size_t i = 0; i < n && e == OK; i++) {
        char canonical[LIMIT_ADDRESS + 1];
        e = canonical_target(db, targets[i], canonical);
        if (e != OK)
            break;
        q = sql_query(db, Q_FORWARD_ADD);
        sql_int(&q, (int64_t)id);
        sql_text(&q, slice_str(canonical));
        e = sql_run(&q);
    }
    return e;
}

enum error directory_forward_set(struct directory *d, uint64_t id, const struct slice *targets,
                                 size_t n, bool keep)
{
    if (n > LIMIT_ALIAS_TARGETS)
        return ERR_LIMIT;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = write_forward(db, id, targets, n, keep);
    return e == OK ? sql_commit(&txn) : e;
}

enum error targets_of(struct sql_query *q, struct arena *a, struct slice **out, size_t *n)
{
    autobuf rows = BUF_INIT(a->cap);
    while (sql_row(q)) {
        struct slice target = arena_dup(a, sql_get(q, 0));
        buf_add(&rows, slice_of(&target, sizeof target));
    }
    enum error e = sql_done(q);
    if (e == OK && a->failed)
        e = ERR_LIMIT;
    return e == OK ? rows_out(a, &rows, sizeof(struct slice), (void **)out, n) : e;
}

enum error forward_row(struct sql *db, uint64_t id, struct arena *a, struct slice **targets,
                       size_t *n, bool *keep)
{
    struct sql_query q = sql_query(db, Q_FORWARD_KEPT);
    sql_int(&q, (int64_t)id);
    bool found = sql_row(&q);
    bool kept = found && sql_get_int(&q, 0) != 0;
    enum error e = sql_done(&q);
    if (e == OK && !found)
        e = ERR_NOTFOUND;
    if (e != OK)
        return e;
    q = sql_query(db, Q_FORWARD_GET);
    sql_int(&q, (int64_t)id);
    e = targets_of(&q, a, targets, n);
    if (e == OK)
        *keep = kept || *n == 0;
    return e;
}

enum error directory_forward_get(struct directory *d, uint64_t id, struct arena *a,
                                 struct slice **targets, size_t *n, bool *keep)
{
    autosql *db = locked(d->reader);
    return forward_row(db, id, a, targets, n, keep);
}

enum error directory_postmaster(struct directory *d, struct slice address)
{
    char canonical[LIMIT_ADDRESS + 1] = "";
    autosql *db = locked(d->writer);
    enum error e = address.n > 0 ? canonical_target(db, address, canonical) : OK;
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_SETTING_SET);
    sql_text(&q, SLICE("postmaster"));
    sql_text(&q, slice_str(canonical));
    return sql_run(&q);
}
