/* Identities, absence notices and settings of the webmail; see profile.h. */
#include "directory/profile.h"

#include "directory/internal.h"

enum { ROWS_SIZE = 64 * 1024 * 1024 };

static enum error state_row(struct sql *db, uint64_t account, enum profile_kind kind,
                            uint64_t *state)
{
    struct sql_query q = sql_query(db, Q_PROFILE_STATE);
    sql_int(&q, (int64_t)account);
    sql_int(&q, kind);
    uint64_t found = sql_row(&q) ? (uint64_t)sql_get_int(&q, 0) : 0;
    enum error e = sql_done(&q);
    if (e == OK)
        *state = found;
    return e;
}

enum error directory_profile_state(struct directory *d, uint64_t account, enum profile_kind kind,
                                   uint64_t *state)
{
    autosql *db = locked(d->reader);
    return state_row(db, account, kind, state);
}

/* The next state, within a transaction. */
static enum error step(struct sql *db, uint64_t account, enum profile_kind kind, uint64_t *state)
{
    struct sql_query q = sql_query(db, Q_PROFILE_STEP);
    sql_int(&q, (int64_t)account);
    sql_int(&q, kind);
    *state = sql_row(&q) ? (uint64_t)sql_get_int(&q, 0) : 0;
    return sql_done(&q);
}

/* --- Identities: reading --- */

static enum error identity_rows(struct sql *db, uint64_t account, struct arena *a,
                                struct identity **out, size_t *n)
{
    autobuf rows = BUF_INIT(ROWS_SIZE);
    struct sql_query q = sql_query(db, Q_IDENTITY_LIST);
    sql_int(&q, (int64_t)account);
    while (sql_row(&q)) {
        struct identity i = {.id = (uint32_t)sql_get_int(&q, 0),
                             .may_delete = sql_get_int(&q, 1) == 0,
                             .changed = (uint64_t)sql_get_int(&q, 2)};
        struct slice *const text[] = {&i.name, &i.email,          &i.reply_to,
                                      &i.bcc,  &i.text_signature, &i.html_signature};
        for (int k = 0; k < 6; k++)
            *text[k] = arena_dup(a, sql_get(&q, 3 + k));
        buf_add(&rows, slice_of(&i, sizeof i));
    }
    enum error e = sql_done(&q);
    if (e == OK && a->failed)
        e = ERR_LIMIT;
    return e == OK ? rows_out(a, &rows, sizeof(struct identity), (void **)out, n) : e;
}

static enum error own_addresses(struct sql *db, uint64_t account, struct arena *a,
                                struct slice **out, size_t *n)
{
    struct sql_query q = sql_query(db, Q_IDENTITY_OWN);
    sql_int(&q, (int64_t)account);
    enum error e = targets_of(&q, a, out, n);
    if (e == OK && *n == 0)
        return ERR_NOTFOUND;
    if (e == OK && *n > LIMIT_IDENTITIES_ACCOUNT)
        *n = LIMIT_IDENTITIES_ACCOUNT;
    return e;
}

/* What there is, and the addresses that are to have an identity of their own. */
struct look {
    struct identity *identity;
    struct slice *address;
    size_t n_identities, n_addresses;
};

static enum error look(struct sql *db, uint64_t account, struct arena *a, struct look *l)
{
    enum error e = own_addresses(db, account, a, &l->address, &l->n_addresses);
    return e == OK ? identity_rows(db, account, a, &l->identity, &l->n_identities) : e;
}

static bool is_made(const struct look *l, struct slice address)
{
    for (size_t i = 0; i < l->n_identities; i++)
        if (!l->identity[i].may_delete && slice_eq(l->identity[i].email, address))
            return true;
    return false;
}

static bool is_owned(const struct look *l, const struct identity *i)
{
    for (size_t k = 0; k < l->n_addresses; k++)
        if (slice_eq(l->address[k], i->email))
            return true;
    return false;
}

static bool is_complete(const struct look *l)
{
    for (size_t k = 0; k < l->n_addresses; k++)
        if (!is_made(l, l->address[k]))
            return false;
    for (size_t i = 0; i < l->n_identities; i++)
        if (!l->identity[i].may_delete && !is_owned(l, &l->identity[i]))
            return false;
    return true;
}

/* --- Identities: changing; all within a transaction --- */

static enum error insert(struct sql *db, uint64_t account, const struct identity *i, uint32_t *id)
{
    uint64_t state;
    enum error e = step(db, account, PROFILE_IDENTITY, &state);
    if (e == OK && state > UINT32_MAX)
        e = ERR_LIMIT;
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_IDENTITY_ADD);
    sql_int(&q, (int64_t)account);
    sql_int(&q, (int64_t)state);
    sql_int(&q, !i->may_delete);
    sql_text(&q, i->name);
    sql_text(&q, i->email);
    sql_text(&q, i->reply_to);
    sql_text(&q, i->bcc);
    sql_text(&q, i->text_signature);
    sql_text(&q, i->html_signature);
    *id = (uint32_t)state;
    return sql_run(&q);
}

static enum error drop(struct sql *db, uint64_t account, uint32_t id)
{
    uint64_t state;
    struct sql_query q = sql_query(db, Q_IDENTITY_REMOVE);
    sql_int(&q, (int64_t)account);
    sql_int(&q, id);
    enum error e = run_on_one(&q);
    if (e == OK)
        e = step(db, account, PROFILE_IDENTITY, &state);
    if (e != OK)
        return e;
    q = sql_query(db, Q_IDENTITY_GONE);
    sql_int(&q, (int64_t)account);
    sql_int(&q, id);
    sql_int(&q, (int64_t)state);
    e = sql_run(&q);
    if (e != OK)
        return e;
    q = sql_query(db, Q_IDENTITY_FORGET);
    sql_int(&q, (int64_t)account);
    sql_int(&q, LIMIT_IDENTITIES_GONE);
    return sql_run(&q);
}

/* Makes what is missing and removes what lost its alias. */
static enum error complete(struct sql *db, uint64_t account, struct arena *a)
{
    struct look l;
    struct account record;
    uint32_t id;
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = look(db, account, a, &l);
    if (e == OK)
        e = account_row_get(db, account, &record);
    for (size_t i = 0; e == OK && i < l.n_identities; i++)
        if (!l.identity[i].may_delete && !is_owned(&l, &l.identity[i]))
            e = drop(db, account, l.identity[i].id);
    for (size_t k = 0; e == OK && k < l.n_addresses; k++) {
        struct identity new = {.name = slice_str(record.name), .email = l.address[k]};
        if (!is_made(&l, l.address[k]))
            e = insert(db, account, &new, &id);
    }
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_identities(struct directory *d, uint64_t account, struct arena *a,
                                struct identity **out, size_t *n)
{
    struct look l;
    enum error e;
    bool complete_now;
    {
        autosql *db = locked(d->reader);
        e = look(db, account, a, &l);
        complete_now = e == OK && is_complete(&l);
    }
    if (e == OK && !complete_now) {
        {
            autosql *db = locked(d->writer);
            e = complete(db, account, a);
        }
        autosql *db = locked(d->reader);
        if (e == OK)
            e = look(db, account, a, &l);
    }
    if (e != OK)
        return e;
    *out = l.identity;
    *n = l.n_identities;
    return OK;
}

static bool fits(const struct identity *i)
{
    return i->name.n <= LIMIT_IDENTITY_NAME && i->reply_to.n <= LIMIT_SIGNATURE &&
           i->bcc.n <= LIMIT_SIGNATURE && i->text_signature.n <= LIMIT_SIGNATURE &&
           i->html_signature.n <= LIMIT_SIGNATURE;
}

enum error directory_identity_add(struct directory *d, uint64_t account, const struct identity *i,
                                  uint32_t *id)
{
    struct mail_address m;
    struct identity *there, new = *i;
    uint32_t made = 0;
    size_t n;
    autoarena a;
    arena_init(&a, ROWS_SIZE);
    if (mail_address_parse(i->email, &m) != OK)
        return ERR_INPUT;
    if (!fits(i))
        return ERR_LIMIT;
    if (!directory_may_send_as(d, account, i->email))
        return ERR_AUTH;
    new.may_delete = true;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = identity_rows(db, account, &a, &there, &n);
    if (e == OK && n >= LIMIT_IDENTITIES_ACCOUNT)
        e = ERR_LIMIT;
    if (e == OK)
        e = insert(db, account, &new, &made);
    if (e == OK)
        e = sql_commit(&txn);
    if (e == OK)
        *id = made;
    return e;
}

enum error directory_identity_change(struct directory *d, uint64_t account,
                                     const struct identity *i)
{
    uint64_t state;
    if (!fits(i))
        return ERR_LIMIT;
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = step(db, account, PROFILE_IDENTITY, &state);
    if (e != OK)
        return e;
    struct sql_query q = sql_query(db, Q_IDENTITY_CHANGE);
    sql_int(&q, (int64_t)account);
    sql_int(&q, i->id);
    sql_int(&q, (int64_t)state);
    sql_text(&q, i->name);
    sql_text(&q, i->reply_to);
    sql_text(&q, i->bcc);
    sql_text(&q, i->text_signature);
    sql_text(&q, i->html_signature);
    e = run_on_one(&q);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_identity_remove(struct directory *d, uint64_t account, uint32_t id)
{
    autosql *db = locked(d->writer);
    autotxn txn = sql_begin(db);
    if (txn.e != OK)
        return txn.e;
    struct sql_query q = sql_query(db, Q_IDENTITY_GET);
    sql_int(&q, (int64_t)account);
    sql_int(&q, id);
    bool found = sql_row(&q), own = found && sql_get_int(&q, 0) != 0;
    enum error e = sql_done(&q);
    if (e == OK)
        e = !found ? ERR_NOTFOUND : own ? ERR_AUTH : drop(db, account, id);
    return e == OK ? sql_commit(&txn) : e;
}

enum error directory_identities_gone(struct directory *d, uint64_t account, uint64_t state,
                                     struct arena *a, uint32_t **ids, size_t *n)
{
    autobuf rows = BUF_INIT(ROWS_SIZE);
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_IDENTITY_GONE_LIST);
    uint64_t oldest = 0;
    size_t all = 0;
    sql_int(&q, (int64_t)account);
    while (sql_row(&q)) {
        uint32_t id = (uint32_t)sql_get_int(&q, 0);
        uint64_t at = (uint64_t)sql_get_int(&q, 1);
        if (all++ == 0)
            oldest = at;
        if (at > state)
            buf_add(&rows, slice_of(&id, sizeof id));
    }
    enum error e = sql_done(&q);
    if (e == OK && all >= LIMIT_IDENTITIES_GONE && state < oldest)
        return ERR_AGAIN;
    return e == OK ? rows_out(a, &rows, sizeof(uint32_t), (void **)ids, n) : e;
}

/* --- The absence notice --- */

enum error directory_vacation(struct directory *d, uint64_t account, struct arena *a,
                              struct vacation *out)
{
    struct vacation v = {0};
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_VACATION_GET);
    sql_int(&q, (int64_t)account);
    if (sql_row(&q))
        v = (struct vacation){.enabled = sql_get_int(&q, 0) != 0,
                              .from = sql_get_int(&q, 1),
                              .to = sql_get_int(&q, 2),
                              .subject = arena_dup(a, sql_get(&q, 3)),
                              .text = arena_dup(a, sql_get(&q, 4)),
                              .html = arena_dup(a, sql_get(&q, 5))};
    enum error e = sql_done(&q);
    if (e == OK && a->failed)
        e = ERR_LIMIT;
    if (e == OK)
        *out = v;
    return e;
}

/* Runs the statement and steps the state, as one. With the writer's lock. */
static enum error run_and_step(struct sql *db, uint64_t account, enum profile_kind kind,
                               enum error (*run)(struct sql *db, uint64_t account, const void *arg),
                               const void *arg)
{
    uint64_t state;
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = run(db, account, arg);
    if (e == OK)
        e = step(db, account, kind, &state);
    return e == OK ? sql_commit(&txn) : e;
}

static enum error run_vacation(struct sql *db, uint64_t account, const void *arg)
{
    const struct vacation *v = arg;
    struct sql_query q = sql_query(db, Q_VACATION_SET);
    sql_int(&q, (int64_t)account);
    sql_int(&q, v->enabled);
    sql_int(&q, v->from);
    sql_int(&q, v->to);
    sql_text(&q, v->subject);
    sql_text(&q, v->text);
    sql_text(&q, v->html);
    return sql_run(&q);
}

enum error directory_vacation_set(struct directory *d, uint64_t account, const struct vacation *v)
{
    if (v->subject.n > LIMIT_IDENTITY_NAME || v->text.n > LIMIT_SIGNATURE ||
        v->html.n > LIMIT_SIGNATURE)
        return ERR_LIMIT;
    autosql *db = locked(d->writer);
    return run_and_step(db, account, PROFILE_VACATION, run_vacation, v);
}

/* --- Settings --- */

enum error directory_settings(struct directory *d, uint64_t account, struct arena *a,
                              struct slice *json)
{
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_WEB_SETTINGS_GET);
    sql_int(&q, (int64_t)account);
    struct slice found = sql_row(&q) ? arena_dup(a, sql_get(&q, 0)) : SLICE("{}");
    enum error e = sql_done(&q);
    if (e == OK && a->failed)
        e = ERR_LIMIT;
    if (e == OK)
        *json = found;
    return e;
}

static enum error run_settings(struct sql *db, uint64_t account, const void *arg)
{
    struct sql_query q = sql_query(db, Q_WEB_SETTINGS_SET);
    sql_int(&q, (int64_t)account);
    sql_text(&q, *(const struct slice *)arg);
    return sql_run(&q);
}

enum error directory_settings_set(struct directory *d, uint64_t account, struct slice json)
{
    if (json.n > LIMIT_WEB_SETTINGS)
        return ERR_LIMIT;
    autosql *db = locked(d->writer);
    return run_and_step(db, account, PROFILE_SETTINGS, run_settings, &json);
}
