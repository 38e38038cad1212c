/* The rule for passwords, setting, taking over and verifying them; see directory.h. */
#include "base/log.h"
#include "base/mem.h"
#include "directory/directory.h"
#include "directory/internal.h"
#include <sodium.h>

#define SPECIAL         "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
#define TEXT_OF(number) #number
#define NUMBER(limit)   TEXT_OF(limit)

enum reason { TOO_SHORT, TOO_LONG, BLANK, FOREIGN, IS_ADDRESS, REASONS };

static const char *const reasons[REASONS][2] = {
    [TOO_SHORT] = {"The password needs at least " NUMBER(LIMIT_PASSWORD_MIN) " characters.",
                   "Das Passwort braucht mindestens " NUMBER(LIMIT_PASSWORD_MIN) " Zeichen."},
    [TOO_LONG] = {"The password may have at most " NUMBER(LIMIT_PASSWORD) " characters.",
                  "Das Passwort darf höchstens " NUMBER(LIMIT_PASSWORD) " Zeichen haben."},
    [BLANK] = {"The password may not contain blanks.",
               "Das Passwort darf keine Leerzeichen enthalten."},
    [FOREIGN] =
        {"The password may only contain the letters A-Z and a-z, digits and " SPECIAL " - "
         "other characters are entered differently on different devices.",
         "Das Passwort darf nur die Buchstaben A-Z und a-z (keine Umlaute), Ziffern und " SPECIAL
         " enthalten - andere Zeichen geben verschiedene Geräte verschieden ein."},
    [IS_ADDRESS] = {"The password may not be the mail address or a part of it.",
                    "Das Passwort darf nicht die E-Mail-Adresse oder ein Teil davon sein."},
};

static bool is_german(const char *language)
{
    return language != NULL && strncmp(language, "de", 2) == 0;
}

static bool is_of_address(struct slice password, struct slice address)
{
    size_t at = slice_rindex(address, '@');
    return slice_ieq(password, address) || slice_ieq(password, slice_sub(address, 0, at)) ||
           (at < address.n && slice_ieq(password, slice_from(address, at + 1)));
}

static enum reason broken_rule(struct slice password, struct slice address)
{
    for (size_t i = 0; i < password.n; i++) {
        if (password.p[i] == ' ' || password.p[i] == '\t')
            return BLANK;
        if (password.p[i] < ' ' || password.p[i] >= 0x7F)
            return FOREIGN;
    }
    if (password.n < LIMIT_PASSWORD_MIN)
        return TOO_SHORT;
    if (password.n > LIMIT_PASSWORD)
        return TOO_LONG;
    return is_of_address(password, address) ? IS_ADDRESS : REASONS;
}

enum error password_rule(struct slice password, struct slice address, const char *language,
                         const char **why)
{
    enum reason r = broken_rule(password, address);
    if (r == REASONS)
        return OK;
    *why = reasons[r][is_german(language)];
    return ERR_INPUT;
}

const char *password_advice(struct slice password, const char *language)
{
    enum { GOOD_LENGTH = 16, MIXED_LENGTH = 10, GOOD_CLASSES = 3 };
    bool lower = false, upper = false, digit = false, other = false;
    for (size_t i = 0; i < password.n; i++) {
        uint8_t c = password.p[i];
        lower = lower || (c >= 'a' && c <= 'z');
        upper = upper || (c >= 'A' && c <= 'Z');
        digit = digit || ascii_digit(c);
        other = other || (!ascii_alpha(c) && !ascii_digit(c));
    }
    int classes = lower + upper + digit + other;
    if (password.n >= GOOD_LENGTH || (password.n >= MIXED_LENGTH && classes >= GOOD_CLASSES))
        return NULL;
    if (classes < GOOD_CLASSES)
        return is_german(language)
                   ? "Sicherer wäre es, Groß- und Kleinbuchstaben, Ziffern und Sonderzeichen zu "
                     "mischen oder das Passwort deutlich länger zu machen."
                   : "Mixing upper and lower case letters, digits and special characters, or a "
                     "much longer password, would be safer.";
    return is_german(language) ? "Sicherer wäre ein längeres Passwort."
                               : "A longer password would be safer.";
}

static enum error store_hash(struct directory *d, uint64_t id, const char *hash)
{
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, Q_PASSWORD_SET);
    sql_text(&q, slice_str(hash));
    sql_int(&q, (int64_t)id);
    return run_on_one(&q);
}

enum error directory_password_set(struct directory *d, uint64_t id, struct slice password)
{
    struct account account;
    const char *why;
    char hash[PASSWORD_HASH_SIZE];
    enum error e = directory_account_get(d, id, &account);
    if (e == OK)
        e = password_rule(password, slice_str(account.address), "en", &why);
    if (e == OK)
        e = password_hash(password, hash);
    return e == OK ? store_hash(d, id, hash) : e;
}

enum error directory_password_import(struct directory *d, uint64_t id, struct slice hash)
{
    char known[512];
    enum error e = password_hash_known(hash, known);
    return e == OK ? store_hash(d, id, known) : e;
}

/* Somebody else's hash, always the same for the same address: an unknown account then costs what
 * one of the known ones costs, whatever systems these came from. With the reader's lock. */
static struct slice decoy(struct directory *d, struct slice address, struct arena *a)
{
    uint8_t lower[LIMIT_ADDRESS], digest[crypto_generichash_BYTES_MIN];
    uint64_t pick;
    size_t n = address.n < sizeof lower ? address.n : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = ascii_lower(address.p[i]);
    crypto_generichash(digest, sizeof digest, lower, n, d->decoy_key, sizeof d->decoy_key);
    memcpy(&pick, digest, sizeof pick);

    struct slice hash = SLICE("");
    struct sql_query q = sql_query(d->reader, Q_PASSWORD_COUNT);
    int64_t count = sql_row(&q) ? sql_get_int(&q, 0) : 0;
    if (sql_done(&q) == OK && count > 0) {
        q = sql_query(d->reader, Q_PASSWORD_DECOY);
        sql_int(&q, (int64_t)(pick % (uint64_t)count));
        hash = sql_row(&q) ? arena_dup(a, sql_get(&q, 0)) : hash;
        if (sql_done(&q) != OK)
            hash = SLICE("");
    }
    return hash.n > 0 ? hash : slice_str(d->decoy_hash);
}

/* *known says whether the hash is the account's own. */
static enum error find_hash(struct directory *d, struct slice address, struct arena *a,
                            struct account *account, struct slice *hash, bool *known)
{
    struct mail_address m;
    struct domain_row domain;
    autosql *db = locked(d->reader);
    *known = false;
    /* Made in each case, so that it costs in each. */
    *hash = decoy(d, address, a);
    if (mail_address_parse(address, &m) != OK)
        return OK;
    enum error e = domain_row_find(db, m.domain, &domain);
    if (e == OK)
        e = account_row_find(db, domain.id, m.local, account);
    if (e == ERR_NOTFOUND)
        return OK;
    if (e != OK || !account->has_password)
        return e;
    struct sql_query q = sql_query(db, Q_PASSWORD_GET);
    sql_int(&q, (int64_t)account->id);
    if (sql_row(&q)) {
        *hash = arena_dup(a, sql_get(&q, 0));
        *known = hash->n > 0;
    }
    return sql_done(&q);
}

static void replace_hash(struct directory *d, const struct account *account, struct slice old,
                         const char *fresh)
{
    autosql *db = locked(d->writer);
    struct sql_query q = sql_query(db, Q_PASSWORD_REPLACE);
    sql_text(&q, slice_str(fresh));
    sql_int(&q, (int64_t)account->id);
    sql_text(&q, old);
    /* The login is good all the same; the next one tries again. */
    enum error e = sql_run(&q);
    if (e == OK)
        log_info("password.rehashed", log_text("account", account->address));
    else
        log_warning("password.rehashed", log_text("account", account->address),
                    log_text("error", error_name(e)));
}

enum error directory_verify(struct directory *d, struct slice address, struct slice password,
                            struct account *out)
{
    enum { ARENA = 8 * 1024 };
    autoarena a;
    arena_init(&a, ARENA);
    struct account account;
    struct slice hash;
    bool known, stale = false;
    char fresh[PASSWORD_HASH_SIZE];
    enum error e = find_hash(d, address, &a, &account, &hash, &known);
    if (e != OK)
        return e;
    /* For a decoy nothing is hashed anew: that would tell that the guess fits another account. */
    e = password_check(password, hash, known ? &stale : NULL, fresh);
    if (!known && e == OK)
        e = ERR_AUTH;
    if (e != OK)
        return e;
    if (stale)
        replace_hash(d, &account, hash, fresh);
    *out = account;
    return OK;
}
