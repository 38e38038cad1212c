/* Speaking to SQLite, and all statements of the embedded engine. */
#include "store/index.h"

#include "base/limits.h"
#include "base/log.h"

#define MSG_COLS                                                                                   \
    "flags, modseq, size, body, email, thread, internal_date, zone, save_date, sent, bits, born, \
 hidden"
#define SUBMISSION                                                                                 \
    "SELECT id, email, thread, identity, state, added, changed, send_at, envelope, answer,"        \
    " queue_entry FROM submission WHERE account = ?1 AND state <> 9"
#define BOX_ROWS "BETWEEN m.num << 32 AND (m.num << 32) + 4294967295"

static const char *const text[ST_COUNT] = {
    [ST_BEGIN_READ] = "BEGIN",
    [ST_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",

    [ST_ACCOUNT_GET] =
        "SELECT modseq, next_mailbox, next_validity, next_email FROM account WHERE id = ?1",
    [ST_ACCOUNT_PUT] = "INSERT INTO account (id, modseq, next_mailbox, next_validity, next_email)"
                       " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET modseq = ?2,"
                       " next_mailbox = ?3, next_validity = ?4, next_email = ?5",
    [ST_ACCOUNT_DROP] = "DELETE FROM account WHERE id = ?1",
    /* That of the mailbox ?1. */
    [ST_ACCOUNT_RAISE] = "UPDATE account SET floor = max(floor, ?2)"
                         " WHERE id = (SELECT account FROM mailbox WHERE num = ?1)",
    [ST_ACCOUNT_RAISE_GONE] =
        "UPDATE account SET floor = max(floor, (SELECT modseq FROM mailbox WHERE num = ?1))"
        " WHERE id = (SELECT account FROM mailbox WHERE num = ?1)",
    [ST_ACCOUNT_FLOOR] = "SELECT floor FROM account WHERE id = ?1",
    [ST_BOX_LIST] = "SELECT num, id, name, special, subscribed, uid_validity, uid_next, modseq,"
                    " total, unseen, deleted, bytes, floor, shaped FROM mailbox"
                    " WHERE account = ?1 AND gone = 0",
    [ST_BOX_ADD] = "INSERT INTO mailbox (num, account, id, name, special, subscribed, uid_validity,"
                   " uid_next, modseq, total, unseen, deleted, bytes, floor, gone, shaped)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, 0, 0, 0, 0, ?9)",
    [ST_BOX_PUT] = "UPDATE mailbox SET uid_next = ?2, modseq = ?3, total = ?4, unseen = ?5,"
                   " deleted = ?6, bytes = ?7, floor = ?8 WHERE num = ?1",
    [ST_BOX_COUNTS] = "SELECT uid_next, modseq, floor FROM mailbox WHERE num = ?1 AND gone = 0",
    [ST_BOX_NAME] = "UPDATE mailbox SET name = ?2, special = ?3, subscribed = ?4, shaped = ?5"
                    " WHERE num = ?1",
    [ST_BOX_GONE] = "UPDATE mailbox SET gone = ?2 WHERE num = ?1",
    [ST_BOX_FLOOR] = "UPDATE mailbox SET floor = max(floor, ?2) WHERE num = ?1",
    [ST_BOX_GONE_SINCE] =
        "SELECT id FROM mailbox WHERE account = ?1 AND gone <> 0 AND modseq > ?2 ORDER BY id",
    [ST_BOX_PURGE_NEXT] = "SELECT num, account FROM mailbox WHERE gone <> 0 AND"
                          " (gone < ?1 OR (?2 <> 0 AND account = ?2)) LIMIT 1",
    /* The number is that of the row with the least time. */
    [ST_BOX_GONE_COUNT] = "SELECT count(*), min(gone), num FROM mailbox"
                          " WHERE account = ?1 AND gone <> 0",
    [ST_BOX_DROP] = "DELETE FROM mailbox WHERE num = ?1",
    [ST_BOX_OWNER] = "SELECT account FROM mailbox WHERE num = ?1 AND gone = 0",
    [ST_KEYWORDS] = "SELECT name FROM keyword WHERE account = ?1 ORDER BY number",
    [ST_KEYWORD_ADD] = "INSERT INTO keyword (account, number, name) VALUES (?1, ?2, ?3)",
    [ST_KEYWORDS_DROP] = "DELETE FROM keyword WHERE account = ?1",
    [ST_SUB_LIST] = "SELECT name FROM subscription WHERE account = ?1 ORDER BY name",
    [ST_SUB_COUNT] = "SELECT count(*) FROM subscription WHERE account = ?1",
    [ST_SUB_ADD] = "INSERT OR IGNORE INTO subscription (account, name) VALUES (?1, ?2)",
    [ST_SUB_DROP] = "DELETE FROM subscription WHERE account = ?1 AND name = ?2",
    [ST_SUBS_DROP] = "DELETE FROM subscription WHERE account = ?1",

    [ST_MSG_ADD] = "INSERT INTO message (id, " MSG_COLS ")"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?3,"
                   " CASE WHEN ?2 & 8 THEN ?3 ELSE 0 END)",
    [ST_MSG_SCAN] = "SELECT id, flags, modseq, size, body FROM message"
                    " WHERE id BETWEEN ?1 AND ?2 LIMIT ?3",
    [ST_MSG_FLAGS] = "UPDATE message SET flags = ?2, modseq = ?3,"
                     " born = CASE WHEN flags & 8 AND ?2 & 8 = 0 THEN ?3 ELSE born END,"
                     " bits = CASE WHEN flags & 8 AND ?2 & 8 = 0 THEN bits | 2 ELSE bits END,"
                     " hidden = CASE WHEN ?2 & 8 = 0 THEN 0 WHEN flags & 8 THEN hidden ELSE ?3 END"
                     " WHERE id = ?1",
    [ST_MSG_DROP] = "DELETE FROM message WHERE id = ?1",
    [ST_MSG_COPY] =
        "INSERT INTO message (id, " MSG_COLS ") SELECT ?2, flags, ?3, size, body,"
        " email, thread, internal_date, zone, ?4, sent, bits & ~2, ?3, CASE WHEN flags & 8 "
        "THEN ?3 ELSE 0 END FROM message WHERE id = ?1",
    [ST_MSG_ENTRIES] = "SELECT id, flags, modseq, size FROM message WHERE id BETWEEN ?1 AND ?2",
    [ST_MSG_BODY] = "SELECT m.body, d.data FROM message m CROSS JOIN meta d ON d.id = m.id"
                    " WHERE m.id = ?1",
    [ST_MSG_BODY_OF_BOX] = "SELECT id, body FROM message WHERE id BETWEEN ?1 AND ?2 LIMIT ?3",
    [ST_MSG_THIN] =
        "SELECT id, size, email, thread, internal_date, zone, save_date, sent FROM message"
        " WHERE id BETWEEN ?1 AND ?2",
    [ST_MSG_FULL] = "SELECT m.id, m.size, m.email, m.thread, m.internal_date, m.zone, m.save_date,"
                    " m.sent, d.data FROM message m CROSS JOIN meta d ON d.id = m.id"
                    " WHERE m.id BETWEEN ?1 AND ?2",
    [ST_MSG_COUNTS] = "SELECT count(*), coalesce(sum(flags & 1 = 0), 0),"
                      " coalesce(sum(flags & 8 <> 0), 0), coalesce(sum(size), 0), max(modseq),"
                      " max(id) FROM message WHERE id BETWEEN ?1 AND ?2",
    [ST_MSG_COLUMNS] =
        "SELECT id, email, thread, internal_date, sent, bits, born, hidden FROM message"
        " WHERE id BETWEEN ?1 AND ?2",
    [ST_META_ADD] = "INSERT INTO meta (id, data) VALUES (?1, ?2)",
    [ST_META_GET] = "SELECT data FROM meta WHERE id = ?1",
    [ST_META_COPY] = "INSERT INTO meta (id, data) SELECT ?2, data FROM meta WHERE id = ?1",
    [ST_META_MOVE] = "UPDATE meta SET id = ?2 WHERE id = ?1",
    [ST_META_DROP] = "DELETE FROM meta WHERE id = ?1",

    [ST_EXP_ADD] = "INSERT INTO expunged (id, time, " MSG_COLS ") SELECT id, ?2, flags, ?3, size,"
                   " body, email, thread, internal_date, zone, save_date, sent, bits, born, hidden"
                   " FROM message WHERE id = ?1",
    [ST_EXP_TOMB] = "INSERT INTO expunged (id, time, " MSG_COLS ") SELECT id, ?2, flags, ?3, size,"
                    " 0, email, thread, internal_date, zone, save_date, sent, bits, born, hidden"
                    " FROM message WHERE id = ?1",
    [ST_EXP_SINCE] = "SELECT id FROM expunged WHERE id >> 32 = ?1 AND modseq > ?2 ORDER BY id",
    [ST_EXP_COLUMNS] =
        "SELECT id, email, thread, internal_date, sent, bits, born, hidden FROM expunged"
        " WHERE id = ?1",
    /* What left the account's mailboxes with a modseq from ?2 to ?3, also with the mailbox. Without
     * the plus SQLite does not use the index on the expression. */
    [ST_EXP_OF_ACCOUNT] =
        "SELECT e.email, e.thread, e.born, e.hidden, e.bits FROM mailbox m CROSS JOIN expunged e"
        " ON e.id >> 32 = +m.num AND e.modseq BETWEEN ?2 AND ?3"
        " WHERE m.account = ?1 AND m.modseq >= ?2 UNION ALL"
        " SELECT t.email, t.thread, t.born, t.hidden, t.bits FROM mailbox m CROSS JOIN message t "
        "ON "
        "t.id " BOX_ROWS " WHERE m.account = ?1 AND m.gone <> 0 AND m.modseq BETWEEN ?2 AND ?3",
    /* Of messages that can come back, deleted at ?2 or later: those of mailboxes that are there or
     * gone, and the messages of gone ones. */
    [ST_DELETED_COUNT] = "SELECT (SELECT count(*) FROM mailbox m CROSS JOIN expunged e ON"
                         " e.id " BOX_ROWS " WHERE m.account = ?1 AND e.body <> 0"
                         " AND e.time >= ?2) +"
                         " (SELECT count(*) FROM mailbox m CROSS JOIN message t ON t.id " BOX_ROWS
                         " WHERE m.account = ?1 AND m.gone <> 0 AND m.gone >= ?2)",
    [ST_DELETED_LIST] =
        "SELECT e.id AS id, e.email, e.time AS time, e.internal_date, e.size, e.bits, m.name"
        " FROM mailbox m CROSS JOIN expunged e ON e.id " BOX_ROWS
        " WHERE m.account = ?1 AND e.body <> 0 AND e.time >= ?2 UNION ALL"
        " SELECT t.id, t.email, m.gone, t.internal_date, t.size, t.bits, m.name"
        " FROM mailbox m CROSS JOIN message t ON t.id " BOX_ROWS
        " WHERE m.account = ?1 AND m.gone <> 0 AND m.gone >= ?2"
        " ORDER BY time DESC, id DESC LIMIT ?3 OFFSET ?4",
    [ST_DELETED_GET] = "SELECT 0, e.flags, e.size, m.id, m.gone, m.modseq, m.special, m.name"
                       " FROM expunged e CROSS JOIN mailbox m ON m.num = e.id >> 32"
                       " WHERE e.id = ?1 AND e.body <> 0 AND e.time >= ?3 AND m.account = ?2"
                       " UNION ALL SELECT 1, t.flags, t.size, m.id, m.gone, m.modseq, m.special,"
                       " m.name FROM message t CROSS JOIN mailbox m ON m.num = t.id >> 32"
                       " WHERE t.id = ?1 AND m.gone <> 0 AND m.gone >= ?3 AND m.account = ?2",
    [ST_EXP_BACK] = "INSERT INTO message (id, " MSG_COLS ") SELECT ?2, flags & ~8, ?3, size, body,"
                    " email, thread, internal_date, zone, ?4, sent, bits & ~2, ?3, 0 FROM expunged"
                    " WHERE id = ?1",
    [ST_MSG_BACK] = "INSERT INTO message (id, " MSG_COLS ") SELECT ?2, flags & ~8, ?3, size, body,"
                    " email, thread, internal_date, zone, ?4, sent, bits & ~2, ?3, 0 FROM message"
                    " WHERE id = ?1",
    [ST_EXP_SPENT] = "UPDATE expunged SET body = 0 WHERE id = ?1",
    [ST_EXP_OLD] = "SELECT id, modseq, body FROM expunged WHERE time < ?1 LIMIT ?2",
    [ST_EXP_OF_BOX] = "SELECT id, modseq, body FROM expunged WHERE id BETWEEN ?1 AND ?2 LIMIT ?3",
    [ST_EXP_DROP] = "DELETE FROM expunged WHERE id = ?1",

    [ST_BODY_ADD] = "INSERT INTO body (id, segment, offset, length, refs)"
                    " VALUES (?1, ?2, ?3, ?4, ?5)",
    [ST_BODY_GET] = "SELECT segment, offset, length, refs FROM body WHERE id = ?1",
    [ST_BODY_REFS] = "UPDATE body SET refs = ?2 WHERE id = ?1",
    [ST_BODY_DROP] = "DELETE FROM body WHERE id = ?1",
    [ST_BODY_LAST] = "SELECT id, segment, offset + length FROM body WHERE segment > 0"
                     " ORDER BY segment DESC, offset DESC LIMIT 1",
    [ST_BODY_LIST] = "SELECT id, segment, offset, length, refs FROM body WHERE id > ?1"
                     " ORDER BY id LIMIT ?2",
    [ST_SMALL_ADD] = "INSERT INTO small (id, data) VALUES (?1, ?2)",
    [ST_SMALL_GET] = "SELECT data FROM small WHERE id = ?1",
    [ST_SMALL_DROP] = "DELETE FROM small WHERE id = ?1",
    [ST_SEG_LIVE] = "INSERT INTO segment (number, live) VALUES (?1, ?2)"
                    " ON CONFLICT (number) DO UPDATE SET live = live + ?2",
    [ST_SEG_DEAD] = "SELECT number FROM segment WHERE live <= 0 AND number < ?1 LIMIT 1",
    [ST_SEG_DROP] = "DELETE FROM segment WHERE number = ?1",
    [ST_SEG_SUMS] = "SELECT s.number, s.live, coalesce((SELECT sum(length) FROM body b"
                    " WHERE b.segment = s.number), 0) FROM segment s",

    /* Never the one that is being written: it is not before the last that has a body. */
    [ST_SEG_SPARSE] = "SELECT number FROM segment WHERE live > 0 AND live < ?1 AND number <"
                      " (SELECT max(segment) FROM body WHERE segment > 0) ORDER BY live",
    /* Whether a segment's file was left behind: no row knows it, and none ever will, as the log
     * has gone on to one with bodies. */
    [ST_SEG_STRAY] = "SELECT ?1 < (SELECT max(segment) FROM body WHERE segment > 0)"
                     " AND NOT EXISTS (SELECT 1 FROM segment WHERE number = ?1)"
                     " AND NOT EXISTS (SELECT 1 FROM body WHERE segment = ?1 AND segment > 0)",
    [ST_BODY_OF_SEGMENT] = "SELECT id, offset, length FROM body WHERE segment = ?1"
                           " AND segment > 0 ORDER BY offset",
    [ST_BODY_MOVE] = "UPDATE body SET segment = ?2, offset = ?3 WHERE id = ?1 AND segment = ?4",
    [ST_THREAD_GET] = "SELECT thread FROM thread WHERE account = ?1 AND hash = ?2",
    [ST_THREAD_ADD] = "INSERT OR IGNORE INTO thread (account, hash, thread) VALUES (?1, ?2, ?3)",
    [ST_THREAD_SET] = "INSERT OR REPLACE INTO thread (account, hash, thread) VALUES (?1, ?2, ?3)",
    [ST_THREADS_DROP] = "DELETE FROM thread WHERE account = ?1 AND hash IN"
                        " (SELECT hash FROM thread WHERE account = ?1 LIMIT ?2)",

    [ST_QUEUE_IDS] = "SELECT id FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2",
    [ST_QUEUE_GET] = "SELECT account, sender, envid, ret, bits, created, size, body, done"
                     " FROM queue WHERE id = ?1",
    [ST_QUEUE_ADD] = "INSERT INTO queue (id, account, sender, envid, ret, bits, created, size,"
                     " body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [ST_QUEUE_FINISH] = "UPDATE queue SET body = 0, done = ?2 WHERE id = ?1",
    /* Those before a time, and the oldest of more than ?2. */
    [ST_QUEUE_FINISHED] =
        "SELECT id FROM queue WHERE done > 0 AND (done < ?1 OR done <= (SELECT done FROM queue"
        " WHERE done > 0 ORDER BY done DESC LIMIT 1 OFFSET ?2)) ORDER BY done LIMIT ?3",
    [ST_QUEUE_DROP] = "DELETE FROM queue WHERE id = ?1",
    [ST_QUEUE_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'queue'",
    /* An entry without a recipient gives one row of nulls. */
    [ST_QUEUE_SCAN] = "SELECT q.id, q.account, q.created, q.size, q.sender, r.number, r.state,"
                      " r.attempts, r.next_attempt, r.address, r.notify, r.told FROM queue q LEFT "
                      "JOIN recipient r"
                      " ON r.entry = q.id AND r.state NOT IN (3, 4, 5) WHERE q.done = 0"
                      " ORDER BY q.id, r.number",
    [ST_RCPT_LIST] = "SELECT number, address, orcpt, notify, state, attempts, next_attempt,"
                     " last_answer, told, trail FROM recipient WHERE entry = ?1 ORDER BY number",
    [ST_RCPT_ADD] = "INSERT INTO recipient (entry, number, address, orcpt, notify, state, attempts,"
                    " next_attempt, last_answer, told, trail)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_RCPT_PUT] = "UPDATE recipient SET state = ?3, attempts = ?4, next_attempt = ?5,"
                    " last_answer = ?6, told = ?7, trail = ?8 WHERE entry = ?1 AND number = ?2"
                    " AND state NOT IN (3, 4, 5)",
    [ST_RCPT_DROP] = "DELETE FROM recipient WHERE entry = ?1",
    [ST_RCPT_OPEN] = "SELECT 1 FROM recipient WHERE entry = ?1 AND state NOT IN (3, 4, 5) LIMIT 1",

    [ST_SUBMISSION_STEP] = "UPDATE account SET submissions = submissions + 1 WHERE id = ?1"
                           " RETURNING submissions",
    [ST_SUBMISSION_STATE] = "SELECT submissions, submissions_floor FROM account WHERE id = ?1",
    [ST_SUBMISSION_FLOOR] =
        "UPDATE account SET submissions_floor = max(submissions_floor, ?2) WHERE id = ?1",
    [ST_SUBMISSION_COUNT] = "SELECT count(*) FROM submission WHERE account = ?1 AND state = 0",
    [ST_SUBMISSION_ADD] = "INSERT INTO submission (account, email, thread, identity, state, added,"
                          " changed, send_at, settled, envelope, answer, queue_entry, body, prefix)"
                          " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5, ?6, 0, ?7, x'', ?8, ?9, ?10)",
    [ST_SUBMISSION_GET] = "SELECT state, body FROM submission WHERE id = ?1 AND account = ?2",
    [ST_SUBMISSION_BODY] = "SELECT body, prefix FROM submission WHERE id = ?1 AND account = ?2",
    [ST_SUBMISSION_SETTLE] = "UPDATE submission SET state = ?2, changed = ?3, settled = ?4,"
                             " answer = ?5, queue_entry = ?6, body = 0, prefix = x'' WHERE id = ?1",
    [ST_SUBMISSION_REMOVE] = "UPDATE submission SET state = 9, changed = ?2, settled = ?3,"
                             " envelope = x'', answer = x'' WHERE id = ?1",
    [ST_SUBMISSION_LIST] = SUBMISSION " ORDER BY id",
    [ST_SUBMISSION_ONE] = SUBMISSION " AND id = ?2",
    [ST_SUBMISSION_GONE] = "SELECT id FROM submission WHERE account = ?1 AND state = 9"
                           " AND changed > ?2 ORDER BY id",
    [ST_SUBMISSION_DUE] = "SELECT send_at, account, id FROM submission WHERE state = 0"
                          " AND send_at <= ?1 ORDER BY send_at LIMIT ?2",
    [ST_SUBMISSION_OLD] = "SELECT id, account, changed, state FROM submission WHERE state <> 0"
                          " AND settled < ?1 ORDER BY settled LIMIT ?2",
    [ST_SUBMISSION_OF_ACCOUNT] = "SELECT id, body FROM submission WHERE account = ?1 LIMIT ?2",
    [ST_SUBMISSION_DROP] = "DELETE FROM submission WHERE id = ?1",

    [ST_BOX_MAX] = "SELECT coalesce(max(num), 0) FROM mailbox",
    [ST_BOX_ALL] = "SELECT account, id, num, uid_next, modseq, total, unseen, deleted, bytes"
                   " FROM mailbox WHERE gone = 0",
    [ST_INTEGRITY] = "PRAGMA integrity_check(20)",
    [ST_BODY_COUNTED] = "SELECT b.id, b.refs, coalesce(u.n, 0) FROM body b LEFT JOIN"
                        " (SELECT body, count(*) AS n FROM (SELECT body FROM message UNION ALL"
                        "  SELECT body FROM expunged UNION ALL SELECT body FROM queue UNION ALL"
                        "  SELECT body FROM submission) GROUP BY body) u"
                        " ON u.body = b.id WHERE b.refs <> coalesce(u.n, 0)",
    [ST_BODY_USES] = "SELECT refs, (SELECT count(*) FROM message WHERE body = b.id) +"
                     " (SELECT count(*) FROM expunged WHERE body = b.id) +"
                     " (SELECT count(*) FROM queue WHERE body = b.id) +"
                     " (SELECT count(*) FROM submission WHERE body = b.id) FROM body b"
                     " WHERE id = ?1",
    [ST_SEG_RECOUNT] = "UPDATE segment SET live = coalesce((SELECT sum(length) FROM body b"
                       " WHERE b.segment = number), 0)",
    [ST_REFS_MISSING] = "SELECT m.id FROM message m LEFT JOIN body b ON b.id = m.body"
                        " LEFT JOIN meta d ON d.id = m.id WHERE b.id IS NULL OR d.id IS NULL",
    [ST_QUEUE_ASTRAY] = "SELECT q.id FROM queue q LEFT JOIN body b ON b.id = q.body"
                        " WHERE (q.done = 0) <> (b.id IS NOT NULL)",
    [ST_SUBMISSION_ASTRAY] = "SELECT s.id FROM submission s LEFT JOIN body b ON b.id = s.body"
                             " WHERE (s.state = 0) <> (b.id IS NOT NULL)",
    [ST_COUNT_BODIES] = "SELECT count(*), coalesce(max(id), 0) FROM body",
};

void index_setup(void)
{
    /* Without its memory statistics SQLite takes no global lock for each allocation. Fails
     * harmlessly when another part of the program opened a database before. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

enum error index_error(const struct index *x, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    default:
        break;
    }
    /* Memory and a row that should not be there say nothing about the disk. */
    bool no_memory = (rc & 0xff) == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM,
         unfit = (rc & 0xff) == SQLITE_CONSTRAINT;
    if (sqlite3_extended_errcode(x->db) == SQLITE_IOERR_SHMSIZE)
        return ERR_FULL;
    log_error("store.index-failed", log_i64("code", sqlite3_extended_errcode(x->db)),
              log_text("reason", sqlite3_errmsg(x->db)));
    return no_memory ? ERR_AGAIN : unfit ? ERR_BUG : ERR_IO;
}

enum error index_exec(struct index *x, const char *sql)
{
    return index_error(x, sqlite3_exec(x->db, sql, NULL, NULL, NULL));
}

enum error index_number(struct index *x, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(x->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    enum error e = rc == SQLITE_DONE ? ERR_NOTFOUND : index_error(x, rc);
    sqlite3_finalize(st);
    return e;
}

/* cache_size is small because readers map the file; the committer needs room for the pages of one
 * group. All of it is allocated only when used. */
static const char *const writer_pragmas =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
    "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0; PRAGMA foreign_keys = OFF; PRAGMA secure_delete = FAST;";
static const char *const reader_pragmas =
    "PRAGMA query_only = 1; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 1073741824;";

enum error index_open(struct index *x, const char *path, enum index_mode mode)
{
    *x = (struct index){0};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (mode == INDEX_WRITER)
        flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(path, &x->db, flags, NULL);
    if (rc != SQLITE_OK && mode == INDEX_BESIDE) {
        sqlite3_close(x->db);
        flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        rc = sqlite3_open_v2(path, &x->db, flags, NULL);
    }
    enum error e = x->db == NULL ? ERR_IO : index_error(x, rc);
    if (e == OK) {
        sqlite3_busy_timeout(x->db, 10000);
        e = index_exec(x, mode == INDEX_WRITER ? writer_pragmas : reader_pragmas);
    }
    if (e == OK && mode == INDEX_WRITER) {
        /* The log's file stays when the store is closed, empty of meaning but with its blocks: a
         * commit that does not make the file longer is cheaper to sync. */
        int keep = 1;
        (void)sqlite3_file_control(x->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    }
    if (e != OK)
        index_close(x);
    return e;
}

void index_close(struct index *x)
{
    for (size_t i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(x->st[i]);
    sqlite3_close(x->db);
    *x = (struct index){0};
}

sqlite3_stmt *index_use(struct index *x, enum statement which)
{
    if (x->st[which] == NULL) {
        int rc = sqlite3_prepare_v3(x->db, text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &x->st[which], NULL);
        if (rc != SQLITE_OK) {
            x->unprepared = index_error(x, rc);
            return NULL;
        }
    }
    return x->st[which];
}

void bind_blob(sqlite3_stmt *st, int at, struct slice v)
{
    sqlite3_bind_blob64(st, at, v.n ? (const void *)v.p : "", v.n, SQLITE_STATIC);
}

void bind_text(sqlite3_stmt *st, int at, struct slice v)
{
    sqlite3_bind_text64(st, at, v.n ? (const char *)v.p : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

struct slice col_slice(sqlite3_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st, at);
    int n = sqlite3_column_bytes(st, at);
    return p == NULL ? SLICE("") : slice_of(p, (size_t)n);
}

int index_row(struct index *x, sqlite3_stmt *st, enum error *e)
{
    if (st == NULL) {
        *e = ERR_IO;
        return -1;
    }
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    *e = index_error(x, rc);
    sqlite3_reset(st);
    return *e == OK ? 0 : -1;
}

enum error index_run(struct index *x, sqlite3_stmt *st)
{
    enum error e = OK;
    if (index_row(x, st, &e) == 1)
        sqlite3_reset(st);
    return e;
}

enum error index_read_begin(struct index *x)
{
    return index_run(x, index_use(x, ST_BEGIN_READ));
}

void index_read_end(struct index *x)
{
    /* Ending a read cannot fail in a way that matters. */
    if (!sqlite3_get_autocommit(x->db))
        (void)sqlite3_step(index_use(x, ST_ROLLBACK));
    index_reset(x->st[ST_ROLLBACK]);
}
