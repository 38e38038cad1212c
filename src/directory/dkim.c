/* DKIM keys of our domains; see directory.h. What a key is, trust/ knows: here they are texts. */
#include "base/clock.h"
#include "directory/internal.h"

static bool is_selector(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= LIMIT_DKIM_SELECTOR && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

static enum error insert_key(struct sql *db, const char *domain, const struct directory_dkim *key,
                             struct slice pem)
{
    if (!is_selector(slice_str(key->selector)) || (unsigned)key->state > DKIM_RETIRED)
        return ERR_INPUT;
    struct sql_query q = sql_query(db, Q_DKIM_ADD);
    sql_text(&q, slice_str(domain));
    sql_text(&q, slice_str(key->selector));
    sql_int(&q, key->ed25519);
    sql_int(&q, (int64_t)key->state);
    sql_text(&q, key->record);
    sql_text(&q, pem);
    sql_int(&q, clock_wall());
    return run_on_one(&q);
}

enum error directory_dkim_add(struct directory *d, struct slice domain,
                              const struct directory_dkim *key, const struct slice *pem, size_t n)
{
    char ascii[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(domain, ascii) != OK)
        return ERR_NOTFOUND;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    for (size_t i = 0; i < n && e == OK; i++)
        e = insert_key(db, ascii, &key[i], pem[i]);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_dkim_list(struct directory *d, struct slice domain, struct arena *a,
                               struct directory_dkim **out, size_t *n)
{
    char ascii[LIMIT_DOMAIN + 1] = "";
    if (domain.n > 0 && mail_domain_parse(domain, ascii) != OK)
        return ERR_INPUT;
    autobuf rows = BUF_INIT(a->cap);
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_DKIM_LIST);
    sql_text(&q, slice_str(ascii));
    while (sql_row(&q)) {
        struct directory_dkim row;
        memset(&row, 0, sizeof row);
        copy_text(row.domain, sizeof row.domain, sql_get(&q, 0));
        copy_text(row.selector, sizeof row.selector, sql_get(&q, 1));
        row.ed25519 = sql_get_int(&q, 2) != 0;
        row.state = (enum dkim_state)sql_get_int(&q, 3);
        row.record = arena_dup(a, sql_get(&q, 4));
        row.created = sql_get_int(&q, 5);
        row.retired = sql_get_int(&q, 6);
        buf_add(&rows, slice_of(&row, sizeof row));
    }
    enum error e = sql_done(&q);
    if (e == OK && a->failed)
        e = ERR_LIMIT;
    return e == OK ? rows_out(a, &rows, sizeof(struct directory_dkim), (void **)out, n) : e;
}

enum error directory_dkim_private(struct directory *d, struct slice domain, struct slice selector,
                                  struct buf *pem)
{
    char ascii[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(domain, ascii) != OK)
        return ERR_NOTFOUND;
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_DKIM_PRIVATE);
    sql_text(&q, slice_str(ascii));
    sql_text(&q, selector);
    bool found = sql_row(&q);
    if (found)
        buf_add(pem, sql_get(&q, 0));
    enum error e = sql_done(&q);
    if (e == OK)
        e = found ? buf_check(pem) : ERR_NOTFOUND;
    return e;
}

enum error directory_dkim_switch(struct directory *d, struct slice domain, int64_t now)
{
    char ascii[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(domain, ascii) != OK)
        return ERR_NOTFOUND;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    if (txn.e != OK)
        return txn.e;
    struct sql_query q = sql_query(db, Q_DKIM_RETIRE);
    sql_text(&q, slice_str(ascii));
    sql_int(&q, now);
    enum error e = sql_run(&q);
    if (e != OK)
        return e;
    q = sql_query(db, Q_DKIM_ACTIVATE);
    sql_text(&q, slice_str(ascii));
    e = run_on_one(&q);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_dkim_remove(struct directory *d, struct slice domain, struct slice selector)
{
    char ascii[LIMIT_DOMAIN + 1];
    if (mail_domain_parse(domain, ascii) != OK)
        return ERR_NOTFOUND;
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, Q_DKIM_REMOVE);
    sql_text(&q, slice_str(ascii));
    sql_text(&q, selector);
    return run_on_one(&q);
}
