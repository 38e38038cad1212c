/* Opening, domains and accounts; see directory.h. */
#include "directory/directory.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/utf8.h"
#include "directory/internal.h"

static enum error load_secret(struct directory *d, struct slice name, uint8_t *out, size_t size)
{
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_SETTING_GET);
    sql_text(&q, name);
    bool found = sql_row(&q) && sql_get(&q, 0).n == size;
    if (found)
        memcpy(out, sql_get(&q, 0).p, size);
    enum error e = sql_done(&q);
    return e == OK && !found ? ERR_NOTFOUND : e;
}

static enum error load_decoy_key(struct directory *d)
{
    enum error e = load_secret(d, SLICE("decoy_key"), d->decoy_key, sizeof d->decoy_key);
    return e == ERR_NOTFOUND ? ERR_IO : e;
}

/* Drawn by whoever opens the database first; all others read the same. */
static enum error load_srs_secret(struct directory *d)
{
    struct slice name = SLICE("srs_secret");
    enum error e = load_secret(d, name, d->srs_secret, sizeof d->srs_secret);
    if (e != ERR_NOTFOUND)
        return e;
    uint8_t drawn[DIRECTORY_SECRET];
    random_bytes(drawn, sizeof drawn);
    {
        autosql *db = locked(d->writer);
        struct sql_query q = sql_query(db, Q_SETTING_ADD);
        sql_text(&q, name);
        sql_blob(&q, drawn, sizeof drawn);
        e = sql_run(&q);
        mem_wipe(drawn, sizeof drawn);
    }
    if (e == OK)
        e = load_secret(d, name, d->srs_secret, sizeof d->srs_secret);
    return e == ERR_NOTFOUND ? ERR_IO : e;
}

void directory_srs_secret(struct directory *d, uint8_t out[DIRECTORY_SECRET])
{
    memcpy(out, d->srs_secret, DIRECTORY_SECRET);
}

static void forget_resolved(void *arg)
{
    struct directory *d = arg;
    resolved_drop(&d->resolved);
}

enum error directory_open(const char *path, struct directory **out)
{
    struct directory *d = mem_alloc(sizeof *d);
    d->path = mem_strdup(path);
    resolved_init(&d->resolved);
    password_hash_decoy(d->decoy_hash);
    enum error e = sql_open(path, &directory_spec, &d->writer);
    if (e == OK)
        e = sql_open(path, &directory_spec, &d->reader);
    if (e == OK)
        e = load_decoy_key(d);
    if (e == OK)
        e = load_srs_secret(d);
    if (e != OK) {
        directory_close(d);
        return e;
    }
    sql_on_commit(d->writer, forget_resolved, d);
    *out = d;
    return OK;
}

void directory_close(struct directory *d)
{
    if (d == NULL)
        return;
    sql_watch_stop(d->watch);
    sql_close(d->reader);
    sql_close(d->writer);
    resolved_free(&d->resolved);
    mem_wipe(d->decoy_key, sizeof d->decoy_key);
    mem_wipe(d->srs_secret, sizeof d->srs_secret);
    mem_free(d->path);
    mem_free(d);
}

static void changed(void *arg)
{
    struct directory *d = arg;
    resolved_drop(&d->resolved);
    d->on_change(d->on_change_arg);
}

enum error directory_on_change(struct directory *d, void (*fn)(void *arg), void *arg)
{
    if (fn == NULL) {
        resolved_watched(&d->resolved, false);
        sql_watch_stop(d->watch);
        d->watch = NULL;
        return OK;
    }
    if (d->watch != NULL)
        return ERR_CONFLICT;
    d->on_change = fn;
    d->on_change_arg = arg;
    enum error e = sql_watch_start(d->path, changed, d, &d->watch);
    if (e == OK)
        resolved_watched(&d->resolved, true);
    return e;
}

enum error run_on_one(struct sql_query *q)
{
    struct sql *db = q->db;
    enum error e = sql_run(q);
    return e == OK && sql_changes(db) == 0 ? ERR_NOTFOUND : e;
}

/* --- Domains --- */

enum error domain_row_find(struct sql *db, const char *name, struct domain_row *out)
{
    struct sql_query q = sql_query(db, Q_DOMAIN_FIND);
    sql_text(&q, slice_str(name));
    bool found = sql_row(&q);
    if (found) {
        out->id = sql_get_int(&q, 0);
        copy_text(out->name, sizeof out->name, sql_get(&q, 1));
        copy_text(out->catch_all, sizeof out->catch_all, sql_get(&q, 2));
    }
    enum error e = sql_done(&q);
    return e == OK && !found ? ERR_NOTFOUND : e;
}

enum error directory_domain_add(struct directory *d, struct slice name, struct slice alias_of)
{
    char ascii[LIMIT_DOMAIN + 1], real[LIMIT_DOMAIN + 1];
    struct domain_row row = {0};
    if (mail_domain_parse(name, ascii) != OK)
        return ERR_INPUT;
    if (alias_of.n > 0 && mail_domain_parse(alias_of, real) != OK)
        return ERR_INPUT;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK && alias_of.n > 0)
        e = domain_row_find(db, real, &row);
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_DOMAIN_ADD);
    sql_text(&q, slice_str(ascii));
    sql_int(&q, row.id);
    e = sql_run(&q);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_domain_remove(struct directory *d, struct slice name)
{
    char ascii[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(name, ascii) != OK)
        return ERR_INPUT;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    if (txn.e != OK)
        return txn.e;
    struct sql_query q = sql_query(db, Q_DOMAIN_USED);
    sql_text(&q, slice_str(ascii));
    bool used = sql_row(&q);
    enum error e = sql_done(&q);
    if (e == OK && used)
        e = ERR_CONFLICT;
    if (e != OK)
        return e;
    q = sql_query(db, Q_DOMAIN_REMOVE);
    sql_text(&q, slice_str(ascii));
    e = run_on_one(&q);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_domain_catch_all(struct directory *d, struct slice name, struct slice address)
{
    char ascii[LIMIT_DOMAIN + 1], target[LIMIT_ADDRESS + 1] = "";
    struct domain_row row;
    if (mail_domain_parse(name, ascii) != OK)
        return ERR_INPUT;
    autosql *db = locked(d->writer);
    enum error e = domain_row_find(db, ascii, &row);
    if (e == OK && address.n > 0)
        e = canonical_target(db, address, target);
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_DOMAIN_CATCH_ALL);
    sql_text(&q, slice_str(target));
    sql_text(&q, slice_str(row.name));
    return run_on_one(&q);
}

enum error directory_domain_list(struct directory *d, struct arena *a, struct domain **out,
                                 size_t *n)
{
    autobuf rows = BUF_INIT(a->cap);
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_DOMAIN_LIST);
    while (sql_row(&q)) {
        struct domain row;
        memset(&row, 0, sizeof row);
        copy_text(row.name, sizeof row.name, sql_get(&q, 0));
        copy_text(row.alias_of, sizeof row.alias_of, sql_get(&q, 1));
        copy_text(row.catch_all, sizeof row.catch_all, sql_get(&q, 2));
        buf_add(&rows, slice_of(&row, sizeof row));
    }
    enum error e = sql_done(&q);
    return e == OK ? rows_out(a, &rows, sizeof(struct domain), (void **)out, n) : e;
}

/* The collected rows as an array in the arena. */
enum error rows_out(struct arena *a, struct buf *rows, size_t size, void **out, size_t *n)
{
    void *p = rows->failed ? NULL : arena_alloc(a, rows->n);
    if (p == NULL)
        return ERR_LIMIT;
    if (rows->n > 0)
        memcpy(p, rows->p, rows->n);
    *out = p;
    *n = rows->n / size;
    return OK;
}

bool directory_domain_is_ours(struct directory *d, struct slice domain)
{
    char ascii[LIMIT_DOMAIN + 1];
    struct domain_row row;
    uint64_t generation;
    bool ours;
    const struct fact_key key = {FACT_DOMAIN_OURS, 0, domain};
    if (fact_get(&d->resolved, &key, &ours, &generation))
        return ours;
    if (mail_domain_parse(domain, ascii) != OK)
        return false;
    autosql *db = locked(d->reader);
    enum error e = domain_row_find(db, ascii, &row);
    if (e == OK || e == ERR_NOTFOUND)
        fact_put(&d->resolved, generation, &key, e == OK);
    return e == OK;
}

/* --- Accounts --- */

void account_row(const struct sql_query *q, struct account *out)
{
    memset(out, 0, sizeof *out);
    out->id = (uint64_t)sql_get_int(q, 0);
    copy_text(out->address, sizeof out->address, sql_get(q, 1));
    copy_text(out->name, sizeof out->name, sql_get(q, 2));
    copy_text(out->language, sizeof out->language, sql_get(q, 3));
    out->state = (enum account_state)sql_get_int(q, 4);
    out->quota = (uint64_t)sql_get_int(q, 5);
    out->epoch = (uint64_t)sql_get_int(q, 6);
    out->created = sql_get_int(q, 7);
    out->has_password = sql_get_int(q, 8) != 0;
}

static enum error one_account(struct sql_query *q, struct account *out)
{
    bool found = sql_row(q);
    if (found)
        account_row(q, out);
    enum error e = sql_done(q);
    return e == OK && !found ? ERR_NOTFOUND : e;
}

enum error account_row_find(struct sql *db, int64_t domain, const char *local, struct account *out)
{
    struct sql_query q = sql_query(db, Q_ACCOUNT_FIND);
    sql_int(&q, domain);
    sql_text(&q, slice_str(local));
    return one_account(&q, out);
}

enum error account_row_get(struct sql *db, uint64_t id, struct account *out)
{
    struct sql_query q = sql_query(db, Q_ACCOUNT_GET);
    sql_int(&q, (int64_t)id);
    return one_account(&q, out);
}

enum error directory_account_get(struct directory *d, uint64_t id, struct account *out)
{
    autosql *db = locked(d->reader);
    return account_row_get(db, id, out);
}

enum error directory_account_find(struct directory *d, struct slice address, struct account *out)
{
    struct mail_address m;
    struct domain_row domain;
    if (mail_address_parse(address, &m) != OK)
        return ERR_NOTFOUND;
    autosql *db = locked(d->reader);
    enum error e = domain_row_find(db, m.domain, &domain);
    return e == OK ? account_row_find(db, domain.id, m.local, out) : e;
}

enum error directory_account_list(struct directory *d, struct arena *a, struct account **out,
                                  size_t *n)
{
    autobuf rows = BUF_INIT(a->cap);
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_ACCOUNT_LIST);
    while (sql_row(&q)) {
        struct account row;
        account_row(&q, &row);
        buf_add(&rows, slice_of(&row, sizeof row));
    }
    enum error e = sql_done(&q);
    return e == OK ? rows_out(a, &rows, sizeof(struct account), (void **)out, n) : e;
}

static bool is_language(struct slice s)
{
    return slice_eq(s, SLICE("de")) || slice_eq(s, SLICE("en"));
}

/* A display name ends up in header fields: no control characters. */
static bool is_display_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7F)
            return false;
    return s.n <= LIMIT_ACCOUNT_NAME && utf8_valid(s);
}

/* Inserts within the caller's transaction; *id is the new account's. */
static enum error insert_account(struct sql *db, const struct mail_address *m, struct slice name,
                                 struct slice language, const char *hash, uint64_t *id)
{
    struct domain_row domain;
    enum error e = domain_row_find(db, m->domain, &domain);
    if (e != OK)
        return e;
    char address[LIMIT_ADDRESS + 1];
    if (mail_address_join(m->local, domain.name, address) != OK)
        return ERR_INPUT;
    struct sql_query q = sql_query(db, Q_ALIAS_GET);
    sql_int(&q, domain.id);
    sql_text(&q, slice_str(m->local));
    bool taken = sql_row(&q);
    e = sql_done(&q);
    if (e == OK && taken)
        e = ERR_CONFLICT;
    if (e != OK)
        return e;
    q = sql_query(db, Q_ACCOUNT_ADD);
    sql_int(&q, domain.id);
    sql_text(&q, slice_str(m->local));
    sql_text(&q, name);
    sql_text(&q, language);
    sql_int(&q, clock_wall());
    sql_text(&q, slice_str(hash));
    e = sql_run(&q);
    *id = (uint64_t)sql_last_id(db);
    return e;
}

enum error directory_account_add(struct directory *d, struct slice address, struct slice name,
                                 struct slice language, struct slice password, struct account *out)
{
    struct mail_address m;
    const char *why;
    char hash[PASSWORD_HASH_SIZE] = "";
    if (mail_address_parse(address, &m) != OK || !m.plain || !is_language(language) ||
        !is_display_name(name))
        return ERR_INPUT;
    enum error e = OK;
    if (password.p != NULL) {
        e = password_rule(password, address, "en", &why);
        if (e == OK)
            e = password_hash(password, hash);
    }
    if (e != OK)
        return e;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    uint64_t id = 0;
    struct account row;
    e = txn.e;
    if (e == OK)
        e = insert_account(db, &m, name, language, hash, &id);
    if (e == OK)
        e = account_row_get(db, id, &row);
    if (e == OK)
        e = sql_commit(&txn);
    if (e == OK)
        *out = row;
    return e;
}

static enum error update_int(struct directory *d, enum statement s, int64_t value, uint64_t id)
{
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, s);
    sql_int(&q, value);
    sql_int(&q, (int64_t)id);
    return run_on_one(&q);
}

static enum error update_text(struct directory *d, enum statement s, struct slice value,
                              uint64_t id)
{
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, s);
    sql_text(&q, value);
    sql_int(&q, (int64_t)id);
    return run_on_one(&q);
}

enum error directory_account_state(struct directory *d, uint64_t id, enum account_state state)
{
    if ((unsigned)state > ACCOUNT_CLOSED)
        return ERR_INPUT;
    return update_int(d, Q_ACCOUNT_STATE, (int64_t)state, id);
}

enum error directory_account_quota(struct directory *d, uint64_t id, uint64_t bytes)
{
    if (bytes > INT64_MAX)
        return ERR_INPUT;
    return update_int(d, Q_ACCOUNT_QUOTA, (int64_t)bytes, id);
}

enum error directory_account_name(struct directory *d, uint64_t id, struct slice name)
{
    return is_display_name(name) ? update_text(d, Q_ACCOUNT_NAME, name, id) : ERR_INPUT;
}

enum error directory_account_language(struct directory *d, uint64_t id, struct slice language)
{
    return is_language(language) ? update_text(d, Q_ACCOUNT_LANGUAGE, language, id) : ERR_INPUT;
}

enum error directory_account_remove(struct directory *d, uint64_t id)
{
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, Q_ACCOUNT_REMOVE);
    sql_int(&q, (int64_t)id);
    return run_on_one(&q);
}
