/* The index of a shard: one SQLite database. This file knows how SQLite is spoken to; what is said
 * (the statements) stands in one table in index.c. A connection belongs to one thread at a time. */
#ifndef DEPESCHE_STORE_INDEX_H
#define DEPESCHE_STORE_INDEX_H

#include "base/slice.h"
#include <sqlite3.h>

enum statement {
    ST_BEGIN_READ,
    ST_BEGIN_WRITE,
    ST_COMMIT,
    ST_ROLLBACK,

    ST_ACCOUNT_GET,
    ST_ACCOUNT_PUT,
    ST_ACCOUNT_DROP,
    ST_ACCOUNT_RAISE,
    ST_ACCOUNT_RAISE_GONE,
    ST_ACCOUNT_FLOOR,
    ST_BOX_LIST,
    ST_BOX_ADD,
    ST_BOX_PUT,
    ST_BOX_COUNTS,
    ST_BOX_NAME,
    ST_BOX_GONE,
    ST_BOX_FLOOR,
    ST_BOX_GONE_SINCE,
    ST_BOX_PURGE_NEXT,
    ST_BOX_GONE_COUNT,
    ST_BOX_DROP,
    ST_BOX_OWNER,
    ST_KEYWORDS,
    ST_KEYWORD_ADD,
    ST_KEYWORDS_DROP,
    ST_SUB_LIST,
    ST_SUB_COUNT,
    ST_SUB_ADD,
    ST_SUB_DROP,
    ST_SUBS_DROP,

    ST_MSG_ADD,
    ST_MSG_SCAN,
    ST_MSG_FLAGS,
    ST_MSG_DROP,
    ST_MSG_COPY,
    ST_MSG_ENTRIES,
    ST_MSG_BODY,
    ST_MSG_BODY_OF_BOX,
    ST_MSG_THIN,
    ST_MSG_FULL,
    ST_MSG_COUNTS,
    ST_MSG_COLUMNS,
    ST_META_ADD,
    ST_META_GET,
    ST_META_COPY,
    ST_META_MOVE,
    ST_META_DROP,

    ST_EXP_ADD,
    ST_EXP_TOMB,
    ST_EXP_SINCE,
    ST_EXP_COLUMNS,
    ST_EXP_OF_ACCOUNT,
    ST_EXP_SPENT,
    ST_EXP_BACK,
    ST_MSG_BACK,
    ST_DELETED_COUNT,
    ST_DELETED_LIST,
    ST_DELETED_GET,
    ST_EXP_OLD,
    ST_EXP_OF_BOX,
    ST_EXP_DROP,

    ST_BODY_ADD,
    ST_BODY_GET,
    ST_BODY_REFS,
    ST_BODY_DROP,
    ST_BODY_LAST,
    ST_BODY_LIST,
    ST_SMALL_ADD,
    ST_SMALL_GET,
    ST_SMALL_DROP,
    ST_SEG_LIVE,
    ST_SEG_DEAD,
    ST_SEG_DROP,
    ST_SEG_SUMS,
    ST_SEG_SPARSE,
    ST_SEG_STRAY,
    ST_BODY_OF_SEGMENT,
    ST_BODY_MOVE,

    ST_THREAD_GET,
    ST_THREAD_ADD,
    ST_THREAD_SET,
    ST_THREADS_DROP,

    ST_QUEUE_IDS,
    ST_QUEUE_GET,
    ST_QUEUE_ADD,
    ST_QUEUE_FINISH,
    ST_QUEUE_FINISHED,
    ST_QUEUE_DROP,
    ST_QUEUE_LAST,
    ST_QUEUE_SCAN,
    ST_RCPT_LIST,
    ST_RCPT_ADD,
    ST_RCPT_PUT,
    ST_RCPT_DROP,
    ST_RCPT_OPEN,

    ST_SUBMISSION_STEP,
    ST_SUBMISSION_STATE,
    ST_SUBMISSION_FLOOR,
    ST_SUBMISSION_COUNT,
    ST_SUBMISSION_ADD,
    ST_SUBMISSION_GET,
    ST_SUBMISSION_BODY,
    ST_SUBMISSION_SETTLE,
    ST_SUBMISSION_REMOVE,
    ST_SUBMISSION_LIST,
    ST_SUBMISSION_ONE,
    ST_SUBMISSION_GONE,
    ST_SUBMISSION_DUE,
    ST_SUBMISSION_OLD,
    ST_SUBMISSION_OF_ACCOUNT,
    ST_SUBMISSION_DROP,

    ST_BOX_MAX,
    ST_BOX_ALL,
    ST_INTEGRITY,
    ST_BODY_COUNTED,
    ST_BODY_USES,
    ST_SEG_RECOUNT,
    ST_REFS_MISSING,
    ST_QUEUE_ASTRAY,
    ST_SUBMISSION_ASTRAY,
    ST_COUNT_BODIES,
    ST_COUNT
};

struct index {
    sqlite3 *db;
    sqlite3_stmt *st[ST_COUNT];
    enum error unprepared; /* why index_use() gave NULL last */
};

enum index_mode { INDEX_WRITER, INDEX_READER, INDEX_BESIDE /* another process writes it */ };

/* Before the first index_open of the process. */
void index_setup(void);
must_use enum error index_open(struct index *x, const char *path, enum index_mode mode);
void index_close(struct index *x);
/* A result code as an error; logs what is not to be expected. */
enum error index_error(const struct index *x, int rc);
/* Runs fixed text; for schema and pragmas. */
must_use enum error index_exec(struct index *x, const char *sql);
must_use enum error index_number(struct index *x, const char *sql, int64_t *out);

/* The prepared statement, reset; NULL when the index is broken (logged). */
sqlite3_stmt *index_use(struct index *x, enum statement which);
static inline void bind_i(sqlite3_stmt *st, int at, int64_t v)
{
    sqlite3_bind_int64(st, at, v);
}
static inline void bind_u(sqlite3_stmt *st, int at, uint64_t v)
{
    sqlite3_bind_int64(st, at, (int64_t)v);
}
/* The bytes must stay until the statement is reset. */
void bind_blob(sqlite3_stmt *st, int at, struct slice v);
void bind_text(sqlite3_stmt *st, int at, struct slice v);
static inline int64_t col_i(sqlite3_stmt *st, int at)
{
    return sqlite3_column_int64(st, at);
}
static inline uint64_t col_u(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}
static inline uint32_t col_u32(sqlite3_stmt *st, int at)
{
    return (uint32_t)sqlite3_column_int64(st, at);
}
/* Valid until the next step. */
struct slice col_slice(sqlite3_stmt *st, int at);

/* One step: 1 a row (the statement stays open), 0 no more, -1 error (*e is set). At 0 and -1 the
 * statement is reset. */
int index_row(struct index *x, sqlite3_stmt *st, enum error *e);
/* A statement that gives no rows. */
must_use enum error index_run(struct index *x, sqlite3_stmt *st);
static inline void index_reset(sqlite3_stmt *st)
{
    if (st != NULL)
        sqlite3_reset(st);
}

/* A read transaction: everything seen until index_read_end is of one commit. */
must_use enum error index_read_begin(struct index *x);
void index_read_end(struct index *x);

#endif
