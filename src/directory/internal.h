/* What the files of directory/ share. */
#ifndef DEPESCHE_DIRECTORY_INTERNAL_H
#define DEPESCHE_DIRECTORY_INTERNAL_H

#include "base/buf.h"
#include "base/sql.h"
#include "directory/directory.h"
#include <pthread.h>

enum { DECOY_KEY = 32 };

/* resolved.c: what addresses led to, and what was true of them. Two of one cell push each other
 * out.
 */
struct resolved;
struct fact;
struct resolved_cache {
    pthread_mutex_t lock; /* guards everything below */
    bool watched;         /* else nothing is kept */
    uint64_t generation;  /* counts drops */
    struct resolved *entry[LIMIT_RESOLVED];
    struct fact *fact[LIMIT_RESOLVED];
};
void resolved_init(struct resolved_cache *c);
void resolved_free(struct resolved_cache *c);
/* Forgets everything: the database changed. */
void resolved_drop(struct resolved_cache *c);
void resolved_watched(struct resolved_cache *c, bool watched);
/* True: *out has the targets, copied into `a`. *generation, in any case, is for resolved_put(). */
must_use bool resolved_get(struct resolved_cache *c, struct slice address, struct arena *a,
                           struct resolved_target **out, uint64_t *generation);
void resolved_put(struct resolved_cache *c, uint64_t generation, struct slice address,
                  const struct resolved_target *first);

/* What can be asked with yes or no: is this domain ours (id 0), may this account write as that
 * address? */
enum fact_kind { FACT_DOMAIN_OURS, FACT_MAY_SEND_AS };
struct fact_key {
    enum fact_kind kind;
    uint64_t id;
    struct slice text;
};
/* True: *answer is known. *generation, in any case, is for fact_put(). */
must_use bool fact_get(struct resolved_cache *c, const struct fact_key *key, bool *answer,
                       uint64_t *generation);
void fact_put(struct resolved_cache *c, uint64_t generation, const struct fact_key *key,
              bool answer);

/* Readers and writers have a connection each: a commit that waits for the disk keeps nobody from
 * looking something up. The writer's lock is taken first where both are needed. */
struct directory {
    struct sql *reader, *writer;
    char *path;
    struct sql_watch *watch;
    void (*on_change)(void *arg); /* set while there is a watch */
    void *on_change_arg;
    struct resolved_cache resolved;
    uint8_t decoy_key[DECOY_KEY]; /* chooses whose hash an unknown account pays for */
    char decoy_hash[128];         /* for when there is nobody */
    uint8_t srs_secret[DIRECTORY_SECRET];
};

enum statement {
    Q_DOMAIN_FIND, /* name -> id, real id, alias_of, catch_all of the real one */
    Q_DOMAIN_ADD,
    Q_DOMAIN_REMOVE,
    Q_DOMAIN_USED,
    Q_DOMAIN_CATCH_ALL,
    Q_DOMAIN_LIST,
    Q_ACCOUNT_ADD,
    Q_ACCOUNT_FIND,
    Q_ACCOUNT_GET,
    Q_ACCOUNT_LIST,
    Q_ACCOUNT_STATE,
    Q_ACCOUNT_QUOTA,
    Q_ACCOUNT_NAME,
    Q_ACCOUNT_LANGUAGE,
    Q_ACCOUNT_REMOVE,
    Q_ALIAS_ADD,
    Q_ALIAS_REMOVE,
    Q_ALIAS_REMOVE_ALL,
    Q_ALIAS_GET,
    Q_ALIAS_LIST,
    Q_FORWARD_CLEAR,
    Q_FORWARD_ADD,
    Q_FORWARD_KEEP,
    Q_FORWARD_GET,
    Q_FORWARD_KEPT,
    Q_SETTING_GET,
    Q_SETTING_SET,
    Q_SETTING_ADD,
    Q_DKIM_ADD,
    Q_DKIM_LIST,
    Q_DKIM_PRIVATE,
    Q_DKIM_RETIRE,
    Q_DKIM_ACTIVATE,
    Q_DKIM_REMOVE,
    Q_PASSWORD_SET,
    Q_PASSWORD_REPLACE,
    Q_PASSWORD_GET,
    Q_PASSWORD_COUNT,
    Q_PASSWORD_DECOY,
    Q_PROFILE_STATE,
    Q_PROFILE_STEP, /* -> the new state */
    Q_IDENTITY_LIST,
    Q_IDENTITY_OWN,
    Q_IDENTITY_ADD,
    Q_IDENTITY_CHANGE,
    Q_IDENTITY_GET,
    Q_IDENTITY_REMOVE,
    Q_IDENTITY_GONE,
    Q_IDENTITY_FORGET,
    Q_IDENTITY_GONE_LIST,
    Q_VACATION_GET,
    Q_VACATION_SET,
    Q_WEB_SETTINGS_GET,
    Q_WEB_SETTINGS_SET,
    Q_COUNT,
};
extern const struct sql_spec directory_spec;

/* Locks a connection until the end of the scope: autosql *db = locked(d->reader); */
static inline struct sql *locked(struct sql *db)
{
    sql_lock(db);
    return db;
}

/* An address in canonical form. */
struct mail_address {
    char local[LIMIT_ADDRESS + 1]; /* NFC, lower case */
    char given[LIMIT_ADDRESS + 1]; /* NFC, as written: detail and foreign addresses keep it */
    char domain[LIMIT_DOMAIN + 1]; /* ASCII form, lower case */
    bool plain;                    /* the local part needs no quotes: it can be an account's */
};

/* ERR_INPUT: not an address (RFC 5321 section 4.1.2, RFC 6531). */
must_use enum error mail_address_parse(struct slice s, struct mail_address *out);
/* local@domain. ERR_INPUT when it is longer than an address may be. */
must_use enum error mail_address_join(const char *local, const char *domain,
                                      char out[LIMIT_ADDRESS + 1]);
/* The local part without its sub-address; false when there is none. */
bool mail_address_base(const char *local, char out[LIMIT_ADDRESS + 1]);

/* A domain of ours, alias domains followed. ERR_NOTFOUND: not ours. With the lock of `db`. */
struct domain_row {
    int64_t id; /* the real domain's */
    char name[LIMIT_DOMAIN + 1];
    char catch_all[LIMIT_ADDRESS + 1];
};
must_use enum error domain_row_find(struct sql *db, const char *name, struct domain_row *out);

/* Fills *out from a row of Q_ACCOUNT_FIND, Q_ACCOUNT_GET or Q_ACCOUNT_LIST. */
void account_row(const struct sql_query *q, struct account *out);
/* By local part in a real domain. With the lock of `db`. */
must_use enum error account_row_find(struct sql *db, int64_t domain, const char *local,
                                     struct account *out);
must_use enum error account_row_get(struct sql *db, uint64_t id, struct account *out);

/* The form in which a target is kept: of ours the canonical address, else as written.
 * With the lock of `db`. */
must_use enum error canonical_target(struct sql *db, struct slice address,
                                     char out[LIMIT_ADDRESS + 1]);
/* ERR_NOTFOUND when the statement, an update or removal, met no row. */
must_use enum error run_on_one(struct sql_query *q);

/* The collected rows of `size` bytes as an array in the arena; ERR_LIMIT when it has no room. */
must_use enum error rows_out(struct arena *a, struct buf *rows, size_t size, void **out, size_t *n);
/* Ends a query whose rows are addresses, and gives these. */
must_use enum error targets_of(struct sql_query *q, struct arena *a, struct slice **out, size_t *n);
/* As directory_forward_get(), with the lock of `db`. */
must_use enum error forward_row(struct sql *db, uint64_t id, struct arena *a,
                                struct slice **targets, size_t *n, bool *keep);

/* Copies text that is known to fit and be clean (it comes from our database). */
void copy_text(char *out, size_t size, struct slice s);

/* Argon2id of a password, within the bound of parallel hashes. ERR_AGAIN when that is not to be had
 * within 10 s. */
enum { PASSWORD_HASH_SIZE = 128 };
must_use enum error password_hash(struct slice password, char out[PASSWORD_HASH_SIZE]);
/* OK, ERR_AUTH (also for a hash that nobody knows), ERR_AGAIN. *stale: it is to be replaced by our
 * own Argon2id, which then stands in `fresh`. */
must_use enum error password_check(struct slice password, struct slice hash, bool *stale,
                                   char fresh[PASSWORD_HASH_SIZE]);
/* Can password_check() verify this? Writes it without another system's prefix. */
must_use enum error password_hash_known(struct slice hash, char out[512]);
/* A well-formed Argon2id hash of nothing. */
void password_hash_decoy(char out[PASSWORD_HASH_SIZE]);

#endif
