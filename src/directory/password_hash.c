/* Hashing passwords: Argon2id for our own, crypt(3) for those taken over; see internal.h. */
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "directory/internal.h"
#include <crypt.h>
#include <errno.h>
#include <semaphore.h>
#include <sodium.h>

enum { SALT = 16, DIGEST = 32 };

_Static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "room for the library's hashes");

/* Hashing is made to cost memory and time: only so many at once, the others wait. */
static sem_t slots;
static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (sodium_init() < 0)
        die("libsodium does not start");
    sem_init(&slots, 0, LIMIT_PARALLEL_HASHES);
}

static enum error take_slot(void)
{
    struct timespec until;
    pthread_once(&started, start);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LIMIT_HASH_WAIT_MS / 1000;
    while (sem_clockwait(&slots, CLOCK_MONOTONIC, &until) != 0)
        if (errno != EINTR)
            return ERR_AGAIN;
    return OK;
}

static void give_slot(void)
{
    sem_post(&slots);
}

static bool is_argon2id(const char *hash)
{
    return strncmp(hash, crypto_pwhash_argon2id_STRPREFIX,
                   sizeof crypto_pwhash_argon2id_STRPREFIX - 1) == 0;
}

static enum error make(struct slice password, char out[PASSWORD_HASH_SIZE])
{
    const char *text = password.n ? (const char *)password.p : "";
    if (crypto_pwhash_str(out, text, password.n, LIMIT_HASH_PASSES, LIMIT_HASH_MEMORY) != 0) {
        log_error("password.hash", log_text("reason", "no memory"));
        return ERR_AGAIN;
    }
    return OK;
}

enum error password_hash(struct slice password, char out[PASSWORD_HASH_SIZE])
{
    enum error e = take_slot();
    if (e != OK)
        return e;
    e = make(password, out);
    give_slot();
    return e;
}

void password_hash_decoy(char out[PASSWORD_HASH_SIZE])
{
    uint8_t bytes[SALT + DIGEST];
    char salt[32], digest[64];
    random_bytes(bytes, sizeof bytes);
    sodium_bin2base64(salt, sizeof salt, bytes, SALT, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2base64(digest, sizeof digest, bytes + SALT, DIGEST,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    snprintf(out, PASSWORD_HASH_SIZE, "%sv=19$m=%lu,t=%d,p=1$%s$%s",
             crypto_pwhash_argon2id_STRPREFIX, LIMIT_HASH_MEMORY / 1024, LIMIT_HASH_PASSES, salt,
             digest);
}

/* crypt(3) in memory of its own; false when it cannot. `out` has room for CRYPT_OUTPUT_SIZE. */
static bool run_crypt(const char *password, const char *hash, char out[CRYPT_OUTPUT_SIZE])
{
    struct crypt_data *data = mem_alloc(sizeof *data);
    const char *got = crypt_rn(password, hash, data, (int)sizeof *data);
    if (got != NULL)
        copy_text(out, CRYPT_OUTPUT_SIZE, slice_str(got));
    mem_wipe(data, sizeof *data);
    mem_free(data);
    return got != NULL;
}

static bool matches_crypt(struct slice password, const char *hash)
{
    char text[LIMIT_PASSWORD + 1], out[CRYPT_OUTPUT_SIZE];
    /* crypt(3) would stop at a NUL and call the rest right. */
    bool whole = slice_cstr(password, text, sizeof text) == OK;
    bool ran = run_crypt(whole ? text : "", hash, out);
    mem_wipe(text, sizeof text);
    size_t n = strlen(hash);
    bool same = ran && whole && strlen(out) == n && sodium_memcmp(out, hash, n) == 0;
    mem_wipe(out, sizeof out);
    return same;
}

enum error password_check(struct slice password, struct slice hash, bool *stale,
                          char fresh[PASSWORD_HASH_SIZE])
{
    char text[CRYPT_OUTPUT_SIZE];
    if (slice_cstr(hash, text, sizeof text) != OK)
        return ERR_AUTH;
    /* Nobody's password is longer; the work is done all the same. */
    bool too_long = password.n > LIMIT_PASSWORD;
    password = too_long ? SLICE("") : password;
    enum error e = take_slot();
    if (e != OK)
        return e;
    bool own = is_argon2id(text), old = !own;
    bool good;
    if (own) {
        good = crypto_pwhash_str_verify(text, password.n ? (const char *)password.p : "",
                                        password.n) == 0;
        old = crypto_pwhash_str_needs_rehash(text, LIMIT_HASH_PASSES, LIMIT_HASH_MEMORY) == 1;
    } else {
        good = matches_crypt(password, text);
    }
    good = good && !too_long;
    if (stale != NULL)
        *stale = good && old && make(password, fresh) == OK;
    give_slot();
    return good ? OK : ERR_AUTH;
}

/* --- Hashes of other systems --- */

/* "{BLF-CRYPT}$2y$...": Dovecot's prefix says nothing that the hash does not say itself. */
static struct slice without_scheme(struct slice hash)
{
    static const char *const schemes[] = {"{CRYPT}",     "{SHA256-CRYPT}", "{SHA512-CRYPT}",
                                          "{BLF-CRYPT}", "{MD5-CRYPT}",    "{ARGON2ID}"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (slice_istarts(hash, slice_str(schemes[i])))
            return slice_from(hash, strlen(schemes[i]));
    return hash;
}

/* The number behind `key` is at most `max` (or the key is not there). */
static bool within(struct slice hash, struct slice key, uint32_t max)
{
    size_t at = slice_find(hash, key);
    if (at == hash.n)
        return true;
    struct slice number = slice_from(hash, at + key.n);
    size_t n = 0;
    uint32_t v;
    while (n < number.n && ascii_digit(number.p[n]))
        n++;
    return parse_u32(slice_sub(number, 0, n), max, &v) == OK;
}

/* No login may take minutes because another system's hash says so. */
static bool is_affordable(struct slice hash)
{
    static const char *const plain[] = {"$1$", "$y$"};
    static const char *const bcrypt[] = {"$2a$", "$2b$", "$2y$"};
    if (slice_starts(hash, SLICE("$5$")) || slice_starts(hash, SLICE("$6$")))
        return within(hash, SLICE("$rounds="), LIMIT_CRYPT_ROUNDS);
    for (size_t i = 0; i < sizeof bcrypt / sizeof bcrypt[0]; i++)
        if (slice_starts(hash, slice_str(bcrypt[i])))
            return within(hash, slice_str(bcrypt[i]), LIMIT_CRYPT_COST);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (slice_starts(hash, slice_str(plain[i])))
            return true;
    return false;
}

static bool is_good_argon2id(struct slice hash, const char *text)
{
    enum { MOST_KIB = 1024 * 1024, MOST_PASSES = 64 };
    return hash.n < crypto_pwhash_STRBYTES && within(hash, SLICE("m="), MOST_KIB) &&
           within(hash, SLICE(",t="), MOST_PASSES) &&
           crypto_pwhash_str_needs_rehash(text, LIMIT_HASH_PASSES, LIMIT_HASH_MEMORY) >= 0;
}

enum error password_hash_known(struct slice hash, char out[512])
{
    char text[CRYPT_OUTPUT_SIZE], tried[CRYPT_OUTPUT_SIZE];
    hash = without_scheme(slice_trim(hash));
    if (slice_cstr(hash, text, sizeof text) != OK)
        return ERR_INPUT;
    bool known;
    if (is_argon2id(text)) {
        pthread_once(&started, start);
        known = is_good_argon2id(hash, text);
    } else if (!is_affordable(hash)) {
        known = false;
    } else {
        /* The hash of any other password looks the same but for its last part. */
        enum error e = take_slot();
        if (e != OK)
            return e;
        known = run_crypt("x", text, tried) && strlen(tried) == strlen(text);
        give_slot();
    }
    if (!known)
        return ERR_INPUT;
    copy_text(out, 512, hash);
    return OK;
}
