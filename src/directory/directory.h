/* The directory: domains, accounts, aliases, forwards, passwords, quotas and states, in one small
 * SQLite database (directory.db, WAL, synchronous=FULL). Changed by the `depesche` command and the
 * web only; there is no self-registration. Several processes may have it open: `mail` serves from
 * it while the command changes it, and hears of a change at once (directory_on_change).
 *
 * Addresses are compared without case, domains in their ASCII (IDNA) form; local parts in NFC.
 * User name = the full address. All functions are thread-safe. */
#ifndef DEPESCHE_DIRECTORY_DIRECTORY_H
#define DEPESCHE_DIRECTORY_DIRECTORY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

struct directory;

enum account_state {
    ACCOUNT_ACTIVE,
    ACCOUNT_NO_SEND,  /* receives and reads, may not send */
    ACCOUNT_NO_LOGIN, /* receives; nobody can log in */
    ACCOUNT_CLOSED,   /* refuses mail (550 5.2.1), nobody can log in */
};

/* A copy of an account's record, as of the call that filled it. */
struct account {
    uint64_t id;                     /* never reused */
    char address[LIMIT_ADDRESS + 1]; /* canonical: lower case, domain in ASCII form */
    char name[256];                  /* display name, UTF-8, may be empty */
    char language[3];                /* "de" or "en" */
    enum account_state state;
    uint64_t quota; /* bytes; 0: none */
    uint64_t epoch; /* grows with each change of password or state: sessions of an older one end */
    int64_t created;
    bool has_password;
};

must_use enum error directory_open(const char *path, struct directory **out);
void directory_close(struct directory *d);

/* Calls fn(arg) on a thread of its own soon (milliseconds) after any process changed the database.
 * One callback a directory; call before serving. The thread ends with directory_close(), or with
 * fn == NULL, which waits for a call that is running. ERR_CONFLICT: there is one already. */
must_use enum error directory_on_change(struct directory *d, void (*fn)(void *arg), void *arg);

/* --- Domains --- */

struct domain {
    char name[LIMIT_DOMAIN + 1];       /* ASCII form, lower case */
    char alias_of[LIMIT_DOMAIN + 1];   /* "" or the domain whose local parts it shares */
    char catch_all[LIMIT_ADDRESS + 1]; /* "" or the address that gets what nobody else does */
};
/* The ASCII form (IDNA 2008) of a domain, lower case; ERR_INPUT for what is none. */
must_use enum error mail_domain_parse(struct slice s, char out[LIMIT_DOMAIN + 1]);
/* ERR_INPUT: not a domain; ERR_CONFLICT: exists; ERR_NOTFOUND: alias_of is not ours. */
must_use enum error directory_domain_add(struct directory *d, struct slice name,
                                         struct slice alias_of);
/* Its keys go with it. ERR_CONFLICT while accounts, aliases or alias domains stand in it. */
must_use enum error directory_domain_remove(struct directory *d, struct slice name);
must_use enum error directory_domain_catch_all(struct directory *d, struct slice name,
                                               struct slice address /* empty: none */);
must_use enum error directory_domain_list(struct directory *d, struct arena *a, struct domain **out,
                                          size_t *n);

/* --- Keys --- */

/* A DKIM key of one of our domains (an alias domain has its own), as far as others may see it. New
 * keys wait as NEXT until their records are published, sign as ACTIVE, and stay listed as RETIRED
 * so that mail under way can be verified. */
enum dkim_state { DKIM_NEXT, DKIM_ACTIVE, DKIM_RETIRED };
struct directory_dkim {
    char domain[LIMIT_DOMAIN + 1];
    char selector[LIMIT_DKIM_SELECTOR + 1];
    bool ed25519; /* else RSA */
    enum dkim_state state;
    struct slice record; /* the TXT record's text */
    int64_t created;
    int64_t retired; /* 0: not yet */
};
/* Keeps new keys of one domain, all or none; key[i].domain, .created and .retired are not looked
 * at. pem[i]: the private key. ERR_NOTFOUND: not one of our domains; ERR_CONFLICT: the domain has
 * such a selector; ERR_INPUT: the selector is no DNS label. */
must_use enum error directory_dkim_add(struct directory *d, struct slice domain,
                                       const struct directory_dkim *key, const struct slice *pem,
                                       size_t n);
/* Of one domain, or of all (domain empty), by domain and age. Not the private keys. */
must_use enum error directory_dkim_list(struct directory *d, struct slice domain, struct arena *a,
                                        struct directory_dkim **out, size_t *n);
/* The private key's PEM, appended; to be wiped by the caller (buf_wipe). ERR_NOTFOUND. */
must_use enum error directory_dkim_private(struct directory *d, struct slice domain,
                                           struct slice selector, struct buf *pem);
/* The domain's next keys become active, and the active ones are retired. ERR_NOTFOUND: it has no
 * next keys. `now`: wall seconds. */
must_use enum error directory_dkim_switch(struct directory *d, struct slice domain, int64_t now);
/* ERR_NOTFOUND also for an active key: it signs. */
must_use enum error directory_dkim_remove(struct directory *d, struct slice domain,
                                          struct slice selector);

/* The installation's secret for SRS, drawn when the database was made. */
enum { DIRECTORY_SECRET = 32 };
void directory_srs_secret(struct directory *d, uint8_t out[DIRECTORY_SECRET]);

/* --- Accounts --- */

/* The domain must be ours; in an alias domain the account is made in the real one. ERR_CONFLICT:
 * an account or alias of that address exists; ERR_NOTFOUND: the domain is not ours. The password
 * may be empty (p == NULL): then nobody can log in until one is set. ERR_INPUT: address or password
 * break the rules (ask password_rule for the reason). */
must_use enum error directory_account_add(struct directory *d, struct slice address,
                                          struct slice name, struct slice language,
                                          struct slice password, struct account *out);
/* By exact address (case folded, alias domains followed); no sub-address, no alias. */
must_use enum error directory_account_find(struct directory *d, struct slice address,
                                           struct account *out);
must_use enum error directory_account_get(struct directory *d, uint64_t id, struct account *out);
must_use enum error directory_account_list(struct directory *d, struct arena *a,
                                           struct account **out, size_t *n);
must_use enum error directory_account_state(struct directory *d, uint64_t id,
                                            enum account_state state);
must_use enum error directory_account_quota(struct directory *d, uint64_t id, uint64_t bytes);
must_use enum error directory_account_name(struct directory *d, uint64_t id, struct slice name);
must_use enum error directory_account_language(struct directory *d, uint64_t id,
                                               struct slice language);
/* The record goes; what the store holds of the account is the caller's to remove first. */
must_use enum error directory_account_remove(struct directory *d, uint64_t id);

/* --- Aliases and forwards --- */

/* An alias is an address without an account: mail goes to each target (own or foreign addresses).
 * ERR_CONFLICT: the address is an account's, has that target already, or the target leads back to
 * it by way of other aliases (directory_alias_leads_back() tells). */
must_use enum error directory_alias_add(struct directory *d, struct slice address,
                                        struct slice target);
/* Would mail for `target` come back to the alias `address`, followed through aliases alone? At most
 * LIMIT_ALIAS_LOOKUPS addresses are looked at. False also when something cannot be read. */
bool directory_alias_leads_back(struct directory *d, struct slice address, struct slice target);
/* target empty: the whole alias. */
must_use enum error directory_alias_remove(struct directory *d, struct slice address,
                                           struct slice target);
struct alias {
    char address[LIMIT_ADDRESS + 1];
    char target[LIMIT_ADDRESS + 1];
};
must_use enum error directory_alias_list(struct directory *d, struct arena *a, struct alias **out,
                                         size_t *n);
/* An account's forward: a copy goes to each target; keep says whether the account keeps its own.
 * No targets: no forward. */
must_use enum error directory_forward_set(struct directory *d, uint64_t id,
                                          const struct slice *targets, size_t n, bool keep);
must_use enum error directory_forward_get(struct directory *d, uint64_t id, struct arena *a,
                                          struct slice **targets, size_t *n, bool *keep);

/* --- Where mail goes --- */

struct resolved_target {
    uint64_t account;      /* 0: a foreign address, in `address` */
    struct slice address;  /* canonical account address, or the foreign address to relay to */
    struct slice detail;   /* sub-address ("tag" of user+tag), empty when none */
    struct slice language; /* of the account */
    uint64_t quota;        /* of the account */
    struct resolved_target *next;
};

/* Follows domain aliases, aliases, forwards, sub-addresses and the catch-all, at most
 * LIMIT_ALIAS_DEPTH deep and LIMIT_ALIAS_TARGETS wide, each account and address once; loops are
 * cut, and a forward that leads nowhere or back leaves the mail in its account.
 * - OK: *out is not empty.
 * - ERR_NOTFOUND: the domain is ours, the address is nobody's (550 5.1.1).
 * - ERR_AUTH: the domain is not ours (550 5.7.1, no relaying).
 * - ERR_CLOSED: every account behind it is closed (550 5.2.1).
 * - ERR_INPUT: not an address.
 * - ERR_IO, ERR_LIMIT: the database failed, the arena has no room (451 4.3.0).
 * "postmaster" without domain, and postmaster@ and abuse@ of any of our domains that nobody
 * defined, go to the operator address when one is set (directory_postmaster). */
must_use enum error directory_resolve(struct directory *d, struct slice address, struct arena *a,
                                      struct resolved_target **out);
must_use enum error directory_postmaster(struct directory *d, struct slice address);
bool directory_domain_is_ours(struct directory *d, struct slice domain);

/* May the account write as this address? Its own address, sub-addresses of it, aliases that lead to
 * it, all these in alias domains too. */
bool directory_may_send_as(struct directory *d, uint64_t id, struct slice address);

/* --- Passwords --- */

/* The rule: at least 8 characters, at most LIMIT_PASSWORD, printable ASCII without blank, not the
 * address or its local part. OK, or ERR_INPUT and the reason in `language` in *why (static text).
 */
must_use enum error password_rule(struct slice password, struct slice address, const char *language,
                                  const char **why);
/* Advice, not force: NULL, or a static sentence that recommends mixed classes or more length. */
const char *password_advice(struct slice password, const char *language);

must_use enum error directory_password_set(struct directory *d, uint64_t id, struct slice password);
/* Takes a hash over from another system, as crypt(3) knows it ("$6$...", "$2y$...", "$y$...", also
 * with Dovecot's {SHA512-CRYPT} or {BLF-CRYPT} prefix) or Argon2id. ERR_INPUT when nobody can
 * verify it. Replaced by Argon2id at the first login. */
must_use enum error directory_password_import(struct directory *d, uint64_t id, struct slice hash);
/* Verifies. OK fills *out (also for accounts that may not log in: look at its state); ERR_AUTH for
 * a wrong password and for an unknown account, both after the same work; ERR_AGAIN when the
 * semaphore of parallel hashes could not be had within 10 s. */
must_use enum error directory_verify(struct directory *d, struct slice address,
                                     struct slice password, struct account *out);

/* --- Care --- */

/* Integrity of the database and references. Calls report(arg, line) for each finding; with `repair`
 * mends what can be mended. *bad counts what is (still) wrong; an alias that only leads to itself
 * or to what is counted is reported, not counted. */
must_use enum error directory_check(struct directory *d, bool repair,
                                    void (*report)(void *arg, const char *line), void *arg,
                                    unsigned *bad);

#endif
