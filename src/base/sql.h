/* sql: SQLite the way this program uses it: WAL, synchronous=FULL (a commit is on the disk), a
 * schema version in user_version, statements prepared once, and errors that stick to a query until
 * its end. A database that several processes change is watched with sql_watch. */
#ifndef DEPESCHE_BASE_SQL_H
#define DEPESCHE_BASE_SQL_H

#include "base/slice.h"
#include <sqlite3.h>

/* One connection with its lock. */
struct sql;

struct sql_spec {
    const char *const *schema; /* schema[i] leads from version i to i + 1; never change one */
    unsigned n_schema;
    const char *const *statements;
    unsigned n_statements;
};

/* Opens or creates (mode 0600), and brings the schema to the newest version. `spec` must stay.
 * ERR_CONFLICT: the database is of a newer version of this program. The reason is logged. */
must_use enum error sql_open(const char *path, const struct sql_spec *spec, struct sql **out);
void sql_close(struct sql *db);

/* Everything below needs the lock. It is not recursive. */
void sql_lock(struct sql *db);
void sql_unlock(struct sql *db);
/* For __attribute__((cleanup)). */
void auto_sql_unlock(struct sql **db);
#define autosql __attribute__((cleanup(auto_sql_unlock))) struct sql

/* A running statement: parameters are bound in order, then rows are read, then it must be ended by
 * sql_done(), sql_run() or sql_only(). A statement may not be started again before its end. */
struct sql_query {
    struct sql *db;
    sqlite3_stmt *st;
    int bound;
    enum error e;
};
struct sql_query sql_query(struct sql *db, unsigned statement);
void sql_int(struct sql_query *q, int64_t v);
/* The bytes must stay until the end of the query. */
void sql_text(struct sql_query *q, struct slice s);
void sql_blob(struct sql_query *q, const void *p, size_t n);
/* The next row; false at the end and after an error. */
bool sql_row(struct sql_query *q);
int64_t sql_get_int(const struct sql_query *q, int column);
/* Valid until the next row or the end. */
struct slice sql_get(const struct sql_query *q, int column);
/* Ends it. ERR_CONFLICT: a constraint; ERR_AGAIN: locked too long; ERR_FULL: no room; ERR_IO. */
must_use enum error sql_done(struct sql_query *q);
/* Runs a statement without rows and ends it. */
must_use enum error sql_run(struct sql_query *q);
/* Rows changed by the last statement that ended. */
int64_t sql_changes(struct sql *db);
int64_t sql_last_id(struct sql *db);

/* A transaction that rolls back unless committed:
 *   autotxn txn = sql_begin(db); ... return sql_commit(&txn); */
struct sql_txn {
    struct sql *db;
    enum error e;
    bool open;
};
struct sql_txn sql_begin(struct sql *db);
must_use enum error sql_commit(struct sql_txn *txn);
void auto_sql_rollback(struct sql_txn *txn);
#define autotxn __attribute__((cleanup(auto_sql_rollback))) struct sql_txn

/* Calls fn(arg), under the lock, after each commit of this connection, when all can see it. */
void sql_on_commit(struct sql *db, void (*fn)(void *arg), void *arg);

/* Runs text that this program wrote itself; rows go to each(), when given. For care and schema. */
must_use enum error sql_exec(struct sql *db, const char *text,
                             void (*each)(void *arg, const char *first_column), void *arg);

/* Calls fn(arg) on a thread of its own after each commit that any connection, in this process or
 * another, makes to the database: usually within 2 ms of it. Several commits may make one call.
 * Sleeps in between. */
struct sql_watch;
must_use enum error sql_watch_start(const char *path, void (*fn)(void *arg), void *arg,
                                    struct sql_watch **out);
/* Waits for a call that is running. Not from within fn. NULL is allowed. */
void sql_watch_stop(struct sql_watch *w);

#endif
