/* The tables of directory.db and every statement on them. A step of the schema that has been
 * released is never changed: a new one is added. */
#include "directory/internal.h"

#define ACCOUNT_COLUMNS                                                                            \
    "SELECT a.id, a.local || '@' || d.name, a.name, a.language, a.state, a.quota, a.epoch, "       \
    "a.created, a.password <> '' FROM account a JOIN domain d ON d.id = a.domain "

static const char *const schema[] = {
    "CREATE TABLE domain("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  alias_of INTEGER REFERENCES domain(id),"
    "  catch_all TEXT NOT NULL DEFAULT '');"
    /* AUTOINCREMENT: an id is never given again, so nobody inherits another's mail. */
    "CREATE TABLE account("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  domain INTEGER NOT NULL REFERENCES domain(id),"
    "  local TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  language TEXT NOT NULL CHECK(language IN ('de', 'en')),"
    "  state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 3),"
    "  quota INTEGER NOT NULL CHECK(quota >= 0),"
    "  epoch INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  password TEXT NOT NULL,"
    "  forward_keep INTEGER NOT NULL DEFAULT 1,"
    /* Keys of SCRAM (RFC 5802), made when a password is set; NULL until then. */
    "  scram_salt BLOB,"
    "  scram_iterations INTEGER,"
    "  scram_sha_256_stored BLOB,"
    "  scram_sha_256_server BLOB,"
    "  scram_sha_1_stored BLOB,"
    "  scram_sha_1_server BLOB,"
    "  UNIQUE(domain, local));"
    "CREATE TABLE alias("
    "  domain INTEGER NOT NULL REFERENCES domain(id),"
    "  local TEXT NOT NULL,"
    "  target TEXT NOT NULL,"
    "  PRIMARY KEY(domain, local, target)) WITHOUT ROWID;"
    "CREATE TABLE forward("
    "  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    "  target TEXT NOT NULL,"
    "  PRIMARY KEY(account, target)) WITHOUT ROWID;"
    "CREATE TABLE setting("
    "  key TEXT PRIMARY KEY,"
    "  value BLOB NOT NULL) WITHOUT ROWID;"
    "INSERT INTO setting VALUES ('decoy_key', randomblob(32));",
    "CREATE TABLE dkim_key("
    "  domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,"
    "  selector TEXT NOT NULL,"
    "  ed25519 INTEGER NOT NULL CHECK(ed25519 IN (0, 1)),"
    "  state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 2),"
    "  record TEXT NOT NULL,"
    "  pem TEXT NOT NULL," /* private */
    "  created INTEGER NOT NULL,"
    "  retired INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY(domain, selector)) WITHOUT ROWID;",
    /* What accounts say about themselves. A kind's state grows with each change of it. */
    "CREATE TABLE profile_state("
    "  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    "  kind INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  PRIMARY KEY(account, kind)) WITHOUT ROWID;"
    /* An identity's id is the state that it was made with: never given again. */
    "CREATE TABLE identity("
    "  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    "  id INTEGER NOT NULL,"
    "  own INTEGER NOT NULL CHECK(own IN (0, 1))," /* made by itself */
    "  changed INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  email TEXT NOT NULL,"
    "  reply_to TEXT NOT NULL,"
    "  bcc TEXT NOT NULL,"
    "  text_signature TEXT NOT NULL,"
    "  html_signature TEXT NOT NULL,"
    "  PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE identity_gone("
    "  account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
    "  state INTEGER NOT NULL,"
    "  id INTEGER NOT NULL,"
    "  PRIMARY KEY(account, state, id)) WITHOUT ROWID;"
    "CREATE TABLE vacation("
    "  account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
    "  enabled INTEGER NOT NULL CHECK(enabled IN (0, 1)),"
    "  begins INTEGER NOT NULL,"
    "  ends INTEGER NOT NULL,"
    "  subject TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  html TEXT NOT NULL);"
    "CREATE TABLE web_settings("
    "  account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
    "  json TEXT NOT NULL);"
    "CREATE INDEX alias_target ON alias(target);",
};

static const char *const statements[] = {
    [Q_DOMAIN_FIND] = "SELECT r.id, r.name, r.catch_all FROM domain d "
                      "JOIN domain r ON r.id = coalesce(d.alias_of, d.id) WHERE d.name = ?",
    [Q_DOMAIN_ADD] = "INSERT INTO domain(name, alias_of) VALUES (?, nullif(?, 0))",
    [Q_DOMAIN_REMOVE] = "DELETE FROM domain WHERE name = ?",
    [Q_DOMAIN_USED] = "SELECT 1 FROM domain d WHERE d.name = ? AND ("
                      "EXISTS (SELECT 1 FROM account WHERE domain = d.id) OR "
                      "EXISTS (SELECT 1 FROM alias WHERE domain = d.id) OR "
                      "EXISTS (SELECT 1 FROM domain WHERE alias_of = d.id))",
    [Q_DOMAIN_CATCH_ALL] = "UPDATE domain SET catch_all = ? WHERE name = ? AND alias_of IS NULL",
    [Q_DOMAIN_LIST] = "SELECT d.name, coalesce(r.name, ''), d.catch_all FROM domain d "
                      "LEFT JOIN domain r ON r.id = d.alias_of ORDER BY d.name",
    [Q_ACCOUNT_ADD] = "INSERT INTO account(domain, local, name, language, state, quota, epoch, "
                      "created, password) VALUES (?, ?, ?, ?, 0, 0, 1, ?, ?)",
    [Q_ACCOUNT_FIND] = ACCOUNT_COLUMNS "WHERE a.domain = ? AND a.local = ?",
    [Q_ACCOUNT_GET] = ACCOUNT_COLUMNS "WHERE a.id = ?",
    [Q_ACCOUNT_LIST] = ACCOUNT_COLUMNS "ORDER BY d.name, a.local",
    [Q_ACCOUNT_STATE] = "UPDATE account SET epoch = epoch + (state <> ?1), state = ?1 "
                        "WHERE id = ?2",
    [Q_ACCOUNT_QUOTA] = "UPDATE account SET quota = ? WHERE id = ?",
    [Q_ACCOUNT_NAME] = "UPDATE account SET name = ? WHERE id = ?",
    [Q_ACCOUNT_LANGUAGE] = "UPDATE account SET language = ? WHERE id = ?",
    [Q_ACCOUNT_REMOVE] = "DELETE FROM account WHERE id = ?",
    [Q_ALIAS_ADD] = "INSERT INTO alias(domain, local, target) VALUES (?, ?, ?)",
    [Q_ALIAS_REMOVE] = "DELETE FROM alias WHERE domain = ? AND local = ? AND target = ?",
    [Q_ALIAS_REMOVE_ALL] = "DELETE FROM alias WHERE domain = ? AND local = ?",
    [Q_ALIAS_GET] = "SELECT target FROM alias WHERE domain = ? AND local = ? ORDER BY target",
    [Q_ALIAS_LIST] = "SELECT a.local || '@' || d.name, a.target FROM alias a "
                     "JOIN domain d ON d.id = a.domain ORDER BY d.name, a.local, a.target",
    [Q_FORWARD_CLEAR] = "DELETE FROM forward WHERE account = ?",
    [Q_FORWARD_ADD] = "INSERT OR IGNORE INTO forward(account, target) VALUES (?, ?)",
    [Q_FORWARD_KEEP] = "UPDATE account SET forward_keep = ? WHERE id = ?",
    [Q_FORWARD_GET] = "SELECT target FROM forward WHERE account = ? ORDER BY target",
    [Q_FORWARD_KEPT] = "SELECT forward_keep FROM account WHERE id = ?",
    [Q_SETTING_GET] = "SELECT value FROM setting WHERE key = ?",
    [Q_SETTING_SET] = "INSERT OR REPLACE INTO setting(key, value) VALUES (?, ?)",
    [Q_SETTING_ADD] = "INSERT OR IGNORE INTO setting(key, value) VALUES (?, ?)",
    [Q_DKIM_ADD] = "INSERT INTO dkim_key(domain, selector, ed25519, state, record, pem, created) "
                   "SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM domain WHERE name = ?1",
    [Q_DKIM_LIST] = "SELECT d.name, k.selector, k.ed25519, k.state, k.record, k.created, k.retired "
                    "FROM dkim_key k JOIN domain d ON d.id = k.domain "
                    "WHERE ?1 = '' OR d.name = ?1 ORDER BY d.name, k.created, k.selector",
    [Q_DKIM_PRIVATE] = "SELECT pem FROM dkim_key WHERE selector = ?2 AND "
                       "domain = (SELECT id FROM domain WHERE name = ?1)",
    /* Both in one transaction, in this order. */
    [Q_DKIM_RETIRE] = "UPDATE dkim_key SET state = 2, retired = ?2 WHERE state = 1 AND "
                      "domain = (SELECT id FROM domain WHERE name = ?1)",
    [Q_DKIM_ACTIVATE] = "UPDATE dkim_key SET state = 1 WHERE state = 0 AND "
                        "domain = (SELECT id FROM domain WHERE name = ?1)",
    [Q_DKIM_REMOVE] = "DELETE FROM dkim_key WHERE selector = ?2 AND state <> 1 AND "
                      "domain = (SELECT id FROM domain WHERE name = ?1)",
    [Q_PASSWORD_SET] = "UPDATE account SET password = ?, epoch = epoch + 1, scram_salt = NULL, "
                       "scram_iterations = NULL, scram_sha_256_stored = NULL, "
                       "scram_sha_256_server = NULL, scram_sha_1_stored = NULL, "
                       "scram_sha_1_server = NULL WHERE id = ?",
    /* The same password under a better hash: no new epoch, and only if nobody set another. */
    [Q_PASSWORD_REPLACE] = "UPDATE account SET password = ? WHERE id = ? AND password = ?",
    [Q_PASSWORD_GET] = "SELECT password FROM account WHERE id = ?",
    [Q_PASSWORD_COUNT] = "SELECT count(*) FROM account WHERE password <> ''",
    [Q_PASSWORD_DECOY] = "SELECT password FROM account WHERE password <> '' "
                         "ORDER BY id LIMIT 1 OFFSET ?",
    [Q_PROFILE_STATE] = "SELECT state FROM profile_state WHERE account = ? AND kind = ?",
    [Q_PROFILE_STEP] = "INSERT INTO profile_state(account, kind, state) VALUES (?, ?, 1) "
                       "ON CONFLICT(account, kind) DO UPDATE SET state = state + 1 "
                       "RETURNING state",
    [Q_IDENTITY_LIST] = "SELECT id, own, changed, name, email, reply_to, bcc, text_signature, "
                        "html_signature FROM identity WHERE account = ? ORDER BY id",
    /* The account's own address, and the aliases of which it is the only target. */
    [Q_IDENTITY_OWN] =
        "SELECT c.local || '@' || d.name, 0 AS place FROM account c JOIN domain d "
        "ON d.id = c.domain WHERE c.id = ?1 "
        "UNION ALL SELECT a.local || '@' || d.name, 1 FROM alias a JOIN domain d "
        "ON d.id = a.domain WHERE a.target = (SELECT c.local || '@' || e.name FROM account c "
        "JOIN domain e ON e.id = c.domain WHERE c.id = ?1) AND NOT EXISTS (SELECT 1 FROM alias b "
        "WHERE b.domain = a.domain AND b.local = a.local AND b.target <> a.target) "
        "ORDER BY 2, 1",
    [Q_IDENTITY_ADD] = "INSERT INTO identity(account, id, own, changed, name, email, reply_to, "
                       "bcc, text_signature, html_signature) "
                       "VALUES (?1, ?2, ?3, ?2, ?4, ?5, ?6, ?7, ?8, ?9)",
    [Q_IDENTITY_CHANGE] = "UPDATE identity SET changed = ?3, name = ?4, reply_to = ?5, bcc = ?6, "
                          "text_signature = ?7, html_signature = ?8 "
                          "WHERE account = ?1 AND id = ?2",
    [Q_IDENTITY_GET] = "SELECT own FROM identity WHERE account = ? AND id = ?",
    [Q_IDENTITY_REMOVE] = "DELETE FROM identity WHERE account = ? AND id = ?",
    [Q_IDENTITY_GONE] = "INSERT INTO identity_gone(account, id, state) VALUES (?, ?, ?)",
    [Q_IDENTITY_FORGET] = "DELETE FROM identity_gone WHERE account = ?1 AND state < "
                          "(SELECT min(state) FROM (SELECT state FROM identity_gone "
                          "WHERE account = ?1 ORDER BY state DESC LIMIT ?2))",
    [Q_IDENTITY_GONE_LIST] = "SELECT id, state FROM identity_gone WHERE account = ? "
                             "ORDER BY state, id",
    [Q_VACATION_GET] = "SELECT enabled, begins, ends, subject, text, html FROM vacation "
                       "WHERE account = ?",
    [Q_VACATION_SET] = "INSERT OR REPLACE INTO vacation(account, enabled, begins, ends, subject, "
                       "text, html) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [Q_WEB_SETTINGS_GET] = "SELECT json FROM web_settings WHERE account = ?",
    [Q_WEB_SETTINGS_SET] = "INSERT OR REPLACE INTO web_settings(account, json) VALUES (?, ?)",
};
_Static_assert(sizeof statements / sizeof statements[0] == Q_COUNT, "a statement for each");

const struct sql_spec directory_spec = {schema, sizeof schema / sizeof schema[0], statements,
                                        Q_COUNT};
