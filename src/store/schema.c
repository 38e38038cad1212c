/* The schema of a shard's index, as a list of steps. Step k brings version k to version k + 1; a
 * step that was released is never changed again.
 *
 * Rows of a mailbox lie together: `message`, `meta` and `expunged` have the key
 * mailbox number << 32 | uid (the number is the mailbox's in the shard). `message` is thin, because
 * snapshots and flag changes run over it; `meta` holds what listings show. */
#include "store/schema.h"

#include "base/log.h"
#include <unistd.h>

#define APPLICATION_ID 1146113107 /* "DPSS" */

const char *const schema_step[SCHEMA_VERSION] = {
    "CREATE TABLE account (id INTEGER PRIMARY KEY, modseq INTEGER NOT NULL,"
    " next_mailbox INTEGER NOT NULL, next_validity INTEGER NOT NULL,"
    " next_email INTEGER NOT NULL);"
    "CREATE TABLE mailbox (num INTEGER PRIMARY KEY, account INTEGER NOT NULL,"
    " id INTEGER NOT NULL, name TEXT NOT NULL, special INTEGER NOT NULL,"
    " subscribed INTEGER NOT NULL, uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL,"
    " modseq INTEGER NOT NULL, total INTEGER NOT NULL, unseen INTEGER NOT NULL,"
    " deleted INTEGER NOT NULL, bytes INTEGER NOT NULL, floor INTEGER NOT NULL,"
    " gone INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX mailbox_account ON mailbox (account, id);"
    "CREATE INDEX mailbox_gone ON mailbox (gone) WHERE gone <> 0;"
    "CREATE TABLE keyword (account INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (account, number)) WITHOUT ROWID;"
    "CREATE TABLE subscription (account INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (account, name)) WITHOUT ROWID;"
    "CREATE TABLE message (id INTEGER PRIMARY KEY, flags INTEGER NOT NULL,"
    " modseq INTEGER NOT NULL, size INTEGER NOT NULL, body INTEGER NOT NULL,"
    " email INTEGER NOT NULL, thread INTEGER NOT NULL, internal_date INTEGER NOT NULL,"
    " zone INTEGER NOT NULL, save_date INTEGER NOT NULL, sent INTEGER NOT NULL);"
    "CREATE TABLE meta (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE expunged (id INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " flags INTEGER NOT NULL, modseq INTEGER NOT NULL, size INTEGER NOT NULL,"
    " body INTEGER NOT NULL, email INTEGER NOT NULL, thread INTEGER NOT NULL,"
    " internal_date INTEGER NOT NULL, zone INTEGER NOT NULL, save_date INTEGER NOT NULL,"
    " sent INTEGER NOT NULL);"
    "CREATE INDEX expunged_time ON expunged (time);"
    "CREATE TABLE body (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, length INTEGER NOT NULL, refs INTEGER NOT NULL);"
    "CREATE INDEX body_segment ON body (segment, offset) WHERE segment > 0;"
    "CREATE TABLE small (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE segment (number INTEGER PRIMARY KEY, live INTEGER NOT NULL);"
    "CREATE TABLE thread (account INTEGER NOT NULL, hash INTEGER NOT NULL,"
    " thread INTEGER NOT NULL, PRIMARY KEY (account, hash)) WITHOUT ROWID;"
    "CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL,"
    " sender BLOB NOT NULL, envid BLOB NOT NULL, ret INTEGER NOT NULL, bits INTEGER NOT NULL,"
    " created INTEGER NOT NULL, size INTEGER NOT NULL, body INTEGER NOT NULL);"
    "CREATE TABLE recipient (entry INTEGER NOT NULL, number INTEGER NOT NULL,"
    " address BLOB NOT NULL, orcpt BLOB NOT NULL, notify INTEGER NOT NULL,"
    " state INTEGER NOT NULL, attempts INTEGER NOT NULL, next_attempt INTEGER NOT NULL,"
    " last_answer BLOB NOT NULL, PRIMARY KEY (entry, number)) WITHOUT ROWID;",

    /* What became of recipients is remembered for a while: such an entry has no body (0). */
    "ALTER TABLE queue ADD COLUMN done INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX queue_done ON queue (done) WHERE done > 0;"
    "ALTER TABLE recipient ADD COLUMN told INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN trail BLOB NOT NULL DEFAULT x'';",

    /* For views: what lists sort and filter by stands in the thin row (bit 1: has an attachment, in
     * `meta` its second byte). `born` and `hidden` are modseqs: a message could be seen from the
     * one on, when it came into its mailbox or lost \Deleted, to before the other, when it got it
     * (0: it has not), which says what existed at an earlier modseq (bit 2: it lost \Deleted, so
     * that before `born` nothing is known). Above an account's `floor` all that has gone since is
     * known; older rows do not know when they were born, so that it begins here. Submissions: those
     * that wait count as uses of their body. */
    "ALTER TABLE account ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN submissions INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN submissions_floor INTEGER NOT NULL DEFAULT 0;"
    "UPDATE account SET floor = modseq;"
    "ALTER TABLE message ADD COLUMN bits INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN born INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE expunged ADD COLUMN bits INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE expunged ADD COLUMN born INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE expunged ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;"
    "UPDATE message SET hidden = modseq WHERE flags & 8 <> 0;"
    "UPDATE message SET bits = 1 WHERE id IN"
    " (SELECT id FROM meta WHERE substr(data, 2, 1) = x'01');"
    "UPDATE expunged SET bits = 1 WHERE id IN"
    " (SELECT id FROM meta WHERE substr(data, 2, 1) = x'01');"
    "CREATE INDEX expunged_modseq ON expunged (id >> 32, modseq);"
    "CREATE TABLE submission (id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL,"
    " email INTEGER NOT NULL, thread INTEGER NOT NULL, identity INTEGER NOT NULL,"
    " state INTEGER NOT NULL, added INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " send_at INTEGER NOT NULL, settled INTEGER NOT NULL, envelope BLOB NOT NULL,"
    " answer BLOB NOT NULL, queue_entry INTEGER NOT NULL, body INTEGER NOT NULL,"
    " prefix BLOB NOT NULL);"
    "CREATE INDEX submission_account ON submission (account, state);"
    "CREATE INDEX submission_due ON submission (send_at) WHERE state = 0;"
    "CREATE INDEX submission_settled ON submission (settled) WHERE state <> 0;",

    /* What is older may have changed in any way up to now. */
    ("ALTER TABLE mailbox ADD COLUMN shaped INTEGER NOT NULL DEFAULT 0;"
     "UPDATE mailbox SET shaped = modseq;"),
};

static enum error newer(const char *path, int64_t version, int64_t known)
{
    log_error("store.newer-version", log_text("file", path), log_i64("version", version),
              log_i64("known", known));
    return ERR_CONFLICT;
}

/* A consistent copy that an older program can go back to. */
static enum error keep_copy(struct index *x, const char *path, int64_t version)
{
    sqlite3_stmt *st = NULL;
    char to[4200];
    snprintf(to, sizeof to, "%s.v%lld", path, (long long)version);
    unlink(to);
    int rc = sqlite3_prepare_v2(x->db, "VACUUM INTO ?1", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        bind_text(st, 1, slice_str(to));
        rc = sqlite3_step(st);
    }
    enum error e = index_error(x, rc);
    sqlite3_finalize(st);
    return e;
}

static enum error migrate(struct index *x, int64_t from, const char *const *steps, int64_t n)
{
    char pragma[64];
    int64_t broken = 0;
    enum error e = index_exec(x, "BEGIN IMMEDIATE");
    for (int64_t v = from; e == OK && v < n; v++)
        e = index_exec(x, steps[v]);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %lld", (long long)n);
    if (e == OK)
        e = index_exec(x, pragma);
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", APPLICATION_ID);
    if (e == OK)
        e = index_exec(x, pragma);
    if (e == OK && from > 0) {
        e = index_number(x,
                         "SELECT count(*) FROM pragma_integrity_check WHERE"
                         " integrity_check <> 'ok'",
                         &broken);
        if (e == OK && broken > 0)
            e = ERR_IO;
    }
    if (e == OK)
        e = index_exec(x, "COMMIT");
    if (e != OK && !sqlite3_get_autocommit(x->db))
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    return e;
}

enum error schema_bring(struct index *x, const char *path, const char *const *steps, int64_t n)
{
    int64_t version = 0, application = 0;
    enum error e = index_number(x, "PRAGMA user_version", &version);
    if (e == OK)
        e = index_number(x, "PRAGMA application_id", &application);
    if (e != OK)
        return e;
    if (version > n || (version > 0 && application != APPLICATION_ID))
        return newer(path, version, n);
    if (version == n)
        return OK;
    if (version > 0)
        e = keep_copy(x, path, version);
    if (e == OK)
        e = migrate(x, version, steps, n);
    if (e != OK)
        log_error("store.migration-failed", log_text("file", path), log_i64("from", version),
                  log_i64("to", n));
    return e;
}

enum error schema_prepare(struct index *x, const char *path)
{
    return schema_bring(x, path, schema_step, SCHEMA_VERSION);
}

enum error schema_check(struct index *x, const char *path)
{
    int64_t version = 0;
    enum error e = index_number(x, "PRAGMA user_version", &version);
    if (e == OK && version != SCHEMA_VERSION)
        return newer(path, version, SCHEMA_VERSION);
    return e;
}
