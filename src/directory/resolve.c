/* Where mail for an address goes, and who may write as an address; see directory.h. */
#include "base/log.h"
#include "directory/directory.h"
#include "directory/internal.h"

/* An account or alias that was followed already. */
struct seen {
    uint64_t account;   /* or 0 */
    int64_t domain;     /* of an alias */
    struct slice local; /* of an alias; "*" is the catch-all */
    bool open;          /* it is being followed now */
    bool arrived;       /* following an alias led somewhere */
    struct seen *next;
};

struct resolving {
    struct sql *db;
    struct arena *a;
    struct resolved_target *first, **end;
    size_t targets;
    unsigned lookups;
    unsigned reached; /* grows whenever mail would arrive somewhere, also where it arrives twice */
    struct seen *seen;
    bool closed;
    bool cut; /* a limit ended the search */
    enum error e;
};

static void follow(struct resolving *r, struct slice address, struct slice detail, unsigned depth);

static void fail(struct resolving *r, enum error e)
{
    if (r->e == OK && e != OK)
        r->e = e;
}

/* The limits of width and the error so far. */
static bool may_go_on(struct resolving *r, unsigned depth)
{
    if (r->e != OK)
        return false;
    if (depth > LIMIT_ALIAS_DEPTH || ++r->lookups > LIMIT_ALIAS_LOOKUPS) {
        r->cut = true;
        return false;
    }
    return true;
}

static void add_target(struct resolving *r, const struct account *account, struct slice address,
                       struct slice detail)
{
    uint64_t id = account ? account->id : 0;
    r->reached++;
    for (const struct resolved_target *t = r->first; t != NULL; t = t->next)
        if (t->account == id && slice_ieq(t->address, address))
            return;
    if (r->targets >= LIMIT_ALIAS_TARGETS) {
        r->cut = true;
        return;
    }
    struct resolved_target *t = arena_new(r->a, struct resolved_target);
    if (t == NULL) {
        fail(r, ERR_LIMIT);
        return;
    }
    t->account = id;
    t->address = arena_dup(r->a, address);
    t->detail = arena_dup(r->a, detail);
    t->language = arena_dup(r->a, slice_str(account ? account->language : ""));
    t->quota = account ? account->quota : 0;
    if (r->a->failed)
        fail(r, ERR_LIMIT);
    *r->end = t;
    r->end = &t->next;
    r->targets++;
}

/* Remembers that this is followed now; NULL with *before set when it was before. */
static struct seen *visit(struct resolving *r, uint64_t account, int64_t domain, struct slice local,
                          struct seen **before)
{
    *before = NULL;
    for (struct seen *s = r->seen; s != NULL; s = s->next) {
        if (s->account == account && s->domain == domain && slice_eq(s->local, local)) {
            *before = s;
            return NULL;
        }
    }
    struct seen *s = arena_new(r->a, struct seen);
    if (s == NULL) {
        fail(r, ERR_LIMIT);
        return NULL;
    }
    *s = (struct seen){account, domain, arena_dup(r->a, local), true, false, r->seen};
    r->seen = s;
    return s;
}

static void follow_account(struct resolving *r, const struct account *account, struct slice detail,
                           unsigned depth)
{
    struct slice address = slice_str(account->address);
    if (account->state == ACCOUNT_CLOSED) {
        r->closed = true;
        return;
    }
    struct seen *before, *now = visit(r, account->id, 0, SLICE(""), &before);
    if (now == NULL) {
        /* Forwards that come back to where they began: mail stays there rather than nowhere. */
        if (before != NULL && before->open)
            add_target(r, account, address, detail);
        else
            r->reached++;
        return;
    }
    struct slice *targets;
    size_t n;
    bool keep;
    enum error e = forward_row(r->db, account->id, r->a, &targets, &n, &keep);
    if (e != OK) {
        fail(r, e);
        return;
    }
    if (keep)
        add_target(r, account, address, detail);
    unsigned reached = r->reached;
    for (size_t i = 0; i < n; i++)
        follow(r, targets[i], SLICE(""), depth + 1);
    now->open = false;
    /* No target of the forward exists (any longer). */
    if (!keep && r->reached == reached)
        add_target(r, account, address, detail);
}

/* False when there is no such alias. */
static bool follow_alias(struct resolving *r, int64_t domain, const char *local,
                         struct slice detail, unsigned depth)
{
    struct slice *targets;
    size_t n;
    struct sql_query q = sql_query(r->db, Q_ALIAS_GET);
    sql_int(&q, domain);
    sql_text(&q, slice_str(local));
    enum error e = targets_of(&q, r->a, &targets, &n);
    if (e != OK) {
        fail(r, e);
        return true;
    }
    if (n == 0)
        return false;
    struct seen *before, *now = visit(r, 0, domain, slice_str(local), &before);
    if (now == NULL) {
        if (before != NULL && before->arrived)
            r->reached++;
        return true;
    }
    unsigned reached = r->reached;
    for (size_t i = 0; i < n; i++)
        follow(r, targets[i], detail, depth + 1);
    now->open = false;
    now->arrived = r->reached != reached;
    return true;
}

static bool follow_name(struct resolving *r, const struct domain_row *domain, const char *local,
                        struct slice detail, unsigned depth)
{
    struct account account;
    enum error e = account_row_find(r->db, domain->id, local, &account);
    if (e == OK) {
        follow_account(r, &account, detail, depth);
        return true;
    }
    if (e != ERR_NOTFOUND) {
        fail(r, e);
        return true;
    }
    return follow_alias(r, domain->id, local, detail, depth);
}

/* postmaster and abuse must be reachable (RFC 5321 section 4.5.1, RFC 2142). */
static bool follow_operator(struct resolving *r, unsigned depth)
{
    struct seen *before;
    struct sql_query q = sql_query(r->db, Q_SETTING_GET);
    sql_text(&q, SLICE("postmaster"));
    struct slice address = sql_row(&q) ? arena_dup(r->a, sql_get(&q, 0)) : SLICE("");
    fail(r, sql_done(&q));
    if (address.n == 0)
        return false;
    if (visit(r, 0, 0, SLICE("postmaster"), &before) == NULL)
        return false;
    follow(r, address, SLICE(""), depth + 1);
    return true;
}

static void follow_in(struct resolving *r, const struct domain_row *domain,
                      const struct mail_address *m, struct slice detail, unsigned depth)
{
    char base[LIMIT_ADDRESS + 1];
    struct seen *before;
    if (follow_name(r, domain, m->local, detail, depth) || r->e != OK)
        return;
    bool has_base = m->plain && mail_address_base(m->local, base);
    if (has_base) {
        struct slice given = slice_str(m->given);
        struct slice own = slice_from(given, slice_index(given, '+') + 1);
        if (follow_name(r, domain, base, own.n > 0 ? own : detail, depth) || r->e != OK)
            return;
    }
    const char *name = has_base ? base : m->local;
    if ((strcmp(name, "postmaster") == 0 || strcmp(name, "abuse") == 0) &&
        follow_operator(r, depth))
        return;
    if (domain->catch_all[0] != 0 && visit(r, 0, domain->id, SLICE("*"), &before) != NULL)
        follow(r, slice_str(domain->catch_all), SLICE(""), depth + 1);
}

static void follow(struct resolving *r, struct slice address, struct slice detail, unsigned depth)
{
    struct mail_address m;
    struct domain_row domain;
    if (!may_go_on(r, depth))
        return;
    enum error e = mail_address_parse(address, &m);
    if (e == OK)
        e = domain_row_find(r->db, m.domain, &domain);
    if (e == OK) {
        follow_in(r, &domain, &m, detail, depth);
    } else if (e == ERR_NOTFOUND) {
        char foreign[LIMIT_ADDRESS + 1];
        fail(r, mail_address_join(m.given, m.domain, foreign));
        if (r->e == OK)
            add_target(r, NULL, slice_str(foreign), SLICE(""));
    } else {
        fail(r, e);
    }
}

static enum error outcome(struct resolving *r, struct slice address, struct resolved_target **out)
{
    if (r->cut)
        log_warning("directory.limit", log_slice("address", address));
    if (r->e != OK)
        return r->e == ERR_LIMIT ? ERR_LIMIT : ERR_IO;
    if (r->first == NULL)
        return r->closed ? ERR_CLOSED : ERR_NOTFOUND;
    *out = r->first;
    return OK;
}

enum error directory_resolve(struct directory *d, struct slice address, struct arena *a,
                             struct resolved_target **out)
{
    struct mail_address m = {0};
    struct domain_row domain;
    struct resolving r = {.a = a, .end = &r.first};
    uint64_t generation;
    if (resolved_get(&d->resolved, address, a, out, &generation))
        return OK;
    bool bare = slice_ieq(address, SLICE("postmaster"));
    size_t at = slice_rindex(address, '@');
    if (!bare && mail_address_parse(address, &m) != OK) {
        /* An address literal is somebody's machine, not a domain of ours. */
        bool literal = at > 0 && at + 1 < address.n && address.p[at + 1] == '[';
        return literal ? ERR_AUTH : ERR_INPUT;
    }
    bool ours;
    uint64_t as_of = 0;
    const struct fact_key key = {FACT_DOMAIN_OURS, 0, slice_str(m.domain)};
    if (!bare && fact_get(&d->resolved, &key, &ours, &as_of) && !ours)
        return ERR_AUTH;
    autosql *db = locked(d->reader);
    r.db = db;
    if (bare) {
        follow_operator(&r, 0);
        return outcome(&r, address, out);
    }
    enum error e = domain_row_find(db, m.domain, &domain);
    if (e == ERR_NOTFOUND) {
        fact_put(&d->resolved, as_of, &key, false);
        return ERR_AUTH;
    }
    if (e != OK)
        return ERR_IO;
    follow_in(&r, &domain, &m, SLICE(""), 0);
    e = outcome(&r, address, out);
    if (e == OK && !r.cut)
        resolved_put(&d->resolved, generation, address, *out);
    return e;
}

/* --- Who may write as an address --- */

struct leading {
    struct sql *db;
    struct arena *a;
    uint64_t account;
    unsigned lookups;
};

static bool leads(struct leading *l, struct slice address, unsigned depth);

static bool name_leads(struct leading *l, int64_t domain, const char *local, unsigned depth,
                       bool *exists)
{
    struct account account;
    struct slice *targets;
    size_t n = 0;
    *exists = true;
    enum error e = account_row_find(l->db, domain, local, &account);
    if (e == OK)
        return account.id == l->account;
    if (e != ERR_NOTFOUND)
        return false;
    struct sql_query q = sql_query(l->db, Q_ALIAS_GET);
    sql_int(&q, domain);
    sql_text(&q, slice_str(local));
    if (targets_of(&q, l->a, &targets, &n) != OK)
        return false;
    *exists = n > 0;
    for (size_t i = 0; i < n; i++)
        if (leads(l, targets[i], depth + 1))
            return true;
    return false;
}

static bool leads(struct leading *l, struct slice address, unsigned depth)
{
    struct mail_address m;
    struct domain_row domain;
    char base[LIMIT_ADDRESS + 1];
    bool exists;
    if (depth > LIMIT_ALIAS_DEPTH || ++l->lookups > LIMIT_ALIAS_LOOKUPS ||
        mail_address_parse(address, &m) != OK || !m.plain ||
        domain_row_find(l->db, m.domain, &domain) != OK)
        return false;
    if (name_leads(l, domain.id, m.local, depth, &exists))
        return true;
    if (exists || !mail_address_base(m.local, base))
        return false;
    return name_leads(l, domain.id, base, depth, &exists);
}

bool directory_may_send_as(struct directory *d, uint64_t id, struct slice address)
{
    enum { ARENA = 4 * 1024 * 1024 };
    autoarena a;
    arena_init(&a, ARENA);
    uint64_t generation;
    bool may;
    const struct fact_key key = {FACT_MAY_SEND_AS, id, address};
    if (fact_get(&d->resolved, &key, &may, &generation))
        return may;
    autosql *db = locked(d->reader);
    struct leading l = {db, &a, id, 0};
    may = leads(&l, address, 0);
    if (may) /* a refusal may be the database's failure */
        fact_put(&d->resolved, generation, &key, true);
    return may;
}
