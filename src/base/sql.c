/* One SQLite connection; see sql.h. */
#include "base/sql.h"

#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_MS = 10000, CHECKPOINT_PAGES = 1000 };

struct sql {
    sqlite3 *handle;
    const struct sql_spec *spec;
    sqlite3_stmt **prepared; /* by statement; NULL until the first use */
    pthread_mutex_t lock;
    char *path;
    void (*on_commit)(void *arg); /* or NULL */
    void *on_commit_arg;
};

static enum error map(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    default:
        return ERR_IO;
    }
}

/* Constraints are what the caller asks about; all else is the environment's fault and logged. */
static enum error failed(const struct sql *db, int code)
{
    enum error e = map(code);
    if (e != OK && e != ERR_CONFLICT)
        log_error("sql.failed", log_text("database", db->path), log_i64("code", code),
                  log_text("reason", db->handle ? sqlite3_errmsg(db->handle) : "no memory"));
    return e;
}

enum error sql_exec(struct sql *db, const char *text,
                    void (*each)(void *arg, const char *first_column), void *arg)
{
    const char *rest = text;
    while (rest != NULL && *rest != 0) {
        sqlite3_stmt *st = NULL;
        int code = sqlite3_prepare_v2(db->handle, rest, -1, &st, &rest);
        if (code != SQLITE_OK)
            return failed(db, code);
        if (st == NULL)
            break; /* blanks at the end */
        while ((code = sqlite3_step(st)) == SQLITE_ROW) {
            const char *first = (const char *)sqlite3_column_text(st, 0);
            if (each != NULL)
                each(arg, first ? first : "");
        }
        sqlite3_finalize(st);
        if (code != SQLITE_DONE)
            return failed(db, code);
    }
    return OK;
}

static void read_version(void *arg, const char *text)
{
    uint32_t v;
    if (parse_u32(slice_str(text), INT32_MAX, &v) == OK)
        *(uint32_t *)arg = v;
}

static enum error migrate(struct sql *db)
{
    const struct sql_spec *spec = db->spec;
    uint32_t version = 0;
    /* Within the transaction, so that two processes that start together do it once. */
    autotxn txn = sql_begin(db);
    enum error e = txn.e;
    if (e == OK)
        e = sql_exec(db, "PRAGMA user_version", read_version, &version);
    if (e != OK)
        return e;
    if (version > spec->n_schema) {
        log_error("sql.newer", log_text("database", db->path), log_u64("version", version),
                  log_u64("known", spec->n_schema));
        return ERR_CONFLICT;
    }
    if (version == spec->n_schema)
        return OK;
    for (unsigned i = version; i < spec->n_schema; i++) {
        e = sql_exec(db, spec->schema[i], NULL, NULL);
        if (e != OK)
            return e;
    }
    char set[64];
    snprintf(set, sizeof set, "PRAGMA user_version = %u", spec->n_schema);
    e = sql_exec(db, set, NULL, NULL);
    return e == OK ? sql_commit(&txn) : e;
}

static enum error configure(struct sql *db)
{
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    sqlite3_extended_result_codes(db->handle, 1);
    enum error e = sql_exec(db,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                            "PRAGMA cache_size = -512;",
                            NULL, NULL);
    return e == OK ? migrate(db) : e;
}

/* Nobody but the owner may read password hashes; SQLite gives -wal and -shm the same mode. A file
 * that exists is not touched: to close any descriptor of it would drop the locks that other
 * connections of this process hold (POSIX locks belong to the process). */
static enum error create_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        enum error e = errno == ENOSPC ? ERR_FULL : ERR_IO;
        log_error("sql.open", log_text("database", path), log_text("reason", strerror(errno)));
        return e;
    }
    if (fd >= 0)
        close(fd);
    return OK;
}

enum error sql_open(const char *path, const struct sql_spec *spec, struct sql **out)
{
    enum error e = create_private(path);
    if (e != OK)
        return e;
    struct sql *db = mem_alloc(sizeof *db);
    db->spec = spec;
    db->path = mem_strdup(path);
    db->prepared = mem_array(spec->n_statements, sizeof(sqlite3_stmt *));
    pthread_mutex_init(&db->lock, NULL);
    int code =
        sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    e = code == SQLITE_OK ? configure(db) : failed(db, code);
    if (e != OK) {
        sql_close(db);
        return e;
    }
    *out = db;
    return OK;
}

void sql_close(struct sql *db)
{
    if (db == NULL)
        return;
    for (unsigned i = 0; i < db->spec->n_statements; i++)
        sqlite3_finalize(db->prepared[i]);
    sqlite3_close(db->handle);
    pthread_mutex_destroy(&db->lock);
    mem_free(db->prepared);
    mem_free(db->path);
    mem_free(db);
}

/* SQLite has one such hook, and its automatic checkpoint is an instance of it. */
static int committed(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct sql *db = arg;
    if (pages >= CHECKPOINT_PAGES)
        (void)sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    db->on_commit(db->on_commit_arg);
    return SQLITE_OK;
}

void sql_on_commit(struct sql *db, void (*fn)(void *arg), void *arg)
{
    db->on_commit = fn;
    db->on_commit_arg = arg;
    sqlite3_wal_hook(db->handle, committed, db);
}

void sql_lock(struct sql *db)
{
    pthread_mutex_lock(&db->lock);
}

void sql_unlock(struct sql *db)
{
    pthread_mutex_unlock(&db->lock);
}

void auto_sql_unlock(struct sql **db)
{
    if (*db != NULL)
        sql_unlock(*db);
}

struct sql_query sql_query(struct sql *db, unsigned statement)
{
    struct sql_query q = {db, NULL, 0, OK};
    if (statement >= db->spec->n_statements)
        bug("statement %u of %u", statement, db->spec->n_statements);
    sqlite3_stmt **st = &db->prepared[statement];
    if (*st == NULL)
        q.e = failed(db, sqlite3_prepare_v3(db->handle, db->spec->statements[statement], -1,
                                            SQLITE_PREPARE_PERSISTENT, st, NULL));
    q.st = *st;
    return q;
}

static void bound(struct sql_query *q, int code)
{
    if (code != SQLITE_OK)
        q->e = failed(q->db, code);
}

void sql_int(struct sql_query *q, int64_t v)
{
    if (q->e == OK)
        bound(q, sqlite3_bind_int64(q->st, ++q->bound, v));
}

void sql_text(struct sql_query *q, struct slice s)
{
    if (q->e == OK)
        bound(q, sqlite3_bind_text64(q->st, ++q->bound, s.n ? (const char *)s.p : "", s.n,
                                     SQLITE_STATIC, SQLITE_UTF8));
}

void sql_blob(struct sql_query *q, const void *p, size_t n)
{
    if (q->e == OK)
        bound(q, sqlite3_bind_blob64(q->st, ++q->bound, n ? p : "", n, SQLITE_STATIC));
}

bool sql_row(struct sql_query *q)
{
    if (q->e != OK)
        return false;
    int code = sqlite3_step(q->st);
    if (code == SQLITE_ROW)
        return true;
    q->e = failed(q->db, code);
    return false;
}

int64_t sql_get_int(const struct sql_query *q, int column)
{
    return sqlite3_column_int64(q->st, column);
}

struct slice sql_get(const struct sql_query *q, int column)
{
    /* The pointer first: it makes the conversion that the length is of. */
    const void *p = sqlite3_column_blob(q->st, column);
    size_t n = (size_t)sqlite3_column_bytes(q->st, column);
    return p ? slice_of(p, n) : SLICE("");
}

enum error sql_done(struct sql_query *q)
{
    if (q->st != NULL) {
        sqlite3_reset(q->st);
        sqlite3_clear_bindings(q->st);
        q->st = NULL;
    }
    return q->e;
}

enum error sql_run(struct sql_query *q)
{
    while (sql_row(q))
        continue;
    return sql_done(q);
}

int64_t sql_changes(struct sql *db)
{
    return sqlite3_changes64(db->handle);
}

int64_t sql_last_id(struct sql *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

struct sql_txn sql_begin(struct sql *db)
{
    struct sql_txn txn = {db, sql_exec(db, "BEGIN IMMEDIATE", NULL, NULL), false};
    txn.open = txn.e == OK;
    return txn;
}

enum error sql_commit(struct sql_txn *txn)
{
    if (!txn->open)
        return txn->e;
    enum error e = sql_exec(txn->db, "COMMIT", NULL, NULL);
    if (e == OK)
        txn->open = false;
    return e;
}

void auto_sql_rollback(struct sql_txn *txn)
{
    /* Some errors have rolled back already. */
    if (txn->open && !sqlite3_get_autocommit(txn->db->handle) &&
        sql_exec(txn->db, "ROLLBACK", NULL, NULL) != OK)
        log_error("sql.rollback", log_text("database", txn->db->path));
}
