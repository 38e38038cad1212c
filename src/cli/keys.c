/* Making keys; see keys.h. */
#include "cli/keys.h"
#include "base/clock.h"
#include "base/date.h"
#include "trust/dkim.h"

enum { PAIRS_OF_A_DAY = 100, KEYS_ARENA = 16 * 1024 * 1024 };

static enum error record_of(enum dkim_algorithm algorithm, struct slice pem, struct buf *record)
{
    struct dkim_key *key;
    enum error e = dkim_key_read(algorithm, pem, &key);
    if (e == OK) {
        e = dkim_key_record(key, record);
        dkim_key_free(key);
    }
    return e;
}

/* The private key into `pem`, the record's text into `record`. */
static enum error make_one(enum dkim_algorithm algorithm, struct buf *pem, struct buf *record)
{
    enum error e = dkim_key_make(algorithm, pem);
    return e == OK ? record_of(algorithm, buf_slice(pem), record) : e;
}

static void name_pair(struct directory_dkim pair[2], int64_t now, unsigned number)
{
    struct civil c = date_to_civil(now);
    char day[32], which[16] = "";
    snprintf(day, sizeof day, "d%04d%02u%02u", (int)c.year, c.month, c.day);
    if (number > 1)
        snprintf(which, sizeof which, "-%u", number);
    for (size_t i = 0; i < 2; i++)
        snprintf(pair[i].selector, sizeof pair[i].selector, "%s%s%c", day, which,
                 pair[i].ed25519 ? 'e' : 'r');
}

enum error keys_make_dkim(struct directory *d, struct slice domain, enum dkim_state state)
{
    struct buf pem[2] = {BUF_INIT(LIMIT_DKIM_PEM), BUF_INIT(LIMIT_DKIM_PEM)};
    autobuf rsa = BUF_INIT(LIMIT_DKIM_PEM), ed25519 = BUF_INIT(LIMIT_DKIM_PEM);
    enum error e = make_one(DKIM_RSA, &pem[0], &rsa);
    if (e == OK)
        e = make_one(DKIM_ED25519, &pem[1], &ed25519);
    struct directory_dkim pair[2] = {
        {.state = state, .record = buf_slice(&rsa)},
        {.state = state, .record = buf_slice(&ed25519), .ed25519 = true}};
    const struct slice private[2] = {buf_slice(&pem[0]), buf_slice(&pem[1])};
    int64_t now = clock_wall();
    bool made = false;
    for (unsigned i = 1; e == OK && !made && i <= PAIRS_OF_A_DAY; i++) {
        name_pair(pair, now, i);
        e = directory_dkim_add(d, domain, pair, private, 2);
        made = e == OK;
        if (e == ERR_CONFLICT && i < PAIRS_OF_A_DAY)
            e = OK;
    }
    buf_wipe(&pem[0]);
    buf_wipe(&pem[1]);
    return e;
}

enum error keys_ensure_dkim(struct directory *d, struct slice domain)
{
    autoarena a;
    struct directory_dkim *list;
    size_t n;
    arena_init(&a, KEYS_ARENA);
    enum error e = directory_dkim_list(d, domain, &a, &list, &n);
    return e == OK && n == 0 ? keys_make_dkim(d, domain, DKIM_ACTIVE) : e;
}

enum error keys_examine_dkim(struct directory *d, const struct directory_dkim *key)
{
    struct buf pem = BUF_INIT(LIMIT_DKIM_PEM);
    autobuf record = BUF_INIT(LIMIT_DKIM_PEM);
    enum error e =
        directory_dkim_private(d, slice_str(key->domain), slice_str(key->selector), &pem);
    if (e == OK)
        e = record_of(key->ed25519 ? DKIM_ED25519 : DKIM_RSA, buf_slice(&pem), &record);
    buf_wipe(&pem);
    return e == OK && !slice_eq(buf_slice(&record), key->record) ? ERR_INPUT : e;
}
