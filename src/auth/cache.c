/* Good passwords, remembered as a keyed hash whose key lives as long as the process; see
 * internal.h. A set of four places for each hash, the oldest of which gives way. */
#include "auth/internal.h"
#include "base/mem.h"
#include "base/random.h"
#include <sodium.h>

enum { WAYS = 4, TAG = 16 };

struct place {
    uint8_t tag[TAG];
    int64_t until; /* clock_ms; 0: free */
};

struct login_cache {
    uint8_t key[crypto_generichash_KEYBYTES];
    pthread_mutex_t lock;
    size_t sets;
    int64_t lifetime;
    struct place *places;
};

struct login_cache *login_cache_new(size_t entries, int64_t lifetime_ms)
{
    if (sodium_init() < 0)
        die("libsodium does not start");
    struct login_cache *c = mem_alloc(sizeof *c);
    random_bytes(c->key, sizeof c->key);
    pthread_mutex_init(&c->lock, NULL);
    c->sets = (entries + WAYS - 1) / WAYS;
    c->lifetime = lifetime_ms;
    c->places = mem_array(c->sets * WAYS, sizeof(struct place));
    return c;
}

void login_cache_free(struct login_cache *c)
{
    if (c == NULL)
        return;
    mem_wipe(c->key, sizeof c->key);
    mem_wipe(c->places, c->sets * WAYS * sizeof(struct place));
    pthread_mutex_destroy(&c->lock);
    mem_free(c->places);
    mem_free(c);
}

static void make_tag(const struct login_cache *c, struct slice first, struct slice password,
                     uint8_t out[TAG])
{
    crypto_generichash_state state;
    const uint64_t length = first.n;
    crypto_generichash_init(&state, c->key, sizeof c->key, TAG);
    /* The length first: no two pairs give the same bytes. */
    crypto_generichash_update(&state, (const uint8_t *)&length, sizeof length);
    crypto_generichash_update(&state, first.p, first.n);
    crypto_generichash_update(&state, password.p, password.n);
    crypto_generichash_final(&state, out, TAG);
    mem_wipe(&state, sizeof state);
}

static void account_tag(const struct login_cache *c, const struct account *a, struct slice password,
                        uint8_t out[TAG])
{
    const uint64_t who[] = {a->id, a->epoch};
    make_tag(c, slice_of(who, sizeof who), password, out);
}

static struct place *set_of(const struct login_cache *c, const uint8_t tag[TAG])
{
    uint64_t h;
    memcpy(&h, tag, sizeof h);
    return c->places + h % c->sets * WAYS;
}

bool login_cache_has(struct login_cache *c, const struct account *a, struct slice password,
                     int64_t now_ms)
{
    uint8_t tag[TAG];
    bool found = false;
    account_tag(c, a, password, tag);
    pthread_mutex_lock(&c->lock);
    const struct place *set = set_of(c, tag);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].until > now_ms && sodium_memcmp(set[i].tag, tag, TAG) == 0)
            found = true;
    pthread_mutex_unlock(&c->lock);
    return found;
}

void login_cache_add(struct login_cache *c, const struct account *a, struct slice password,
                     int64_t now_ms)
{
    uint8_t tag[TAG];
    account_tag(c, a, password, tag);
    pthread_mutex_lock(&c->lock);
    struct place *set = set_of(c, tag), *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (sodium_memcmp(set[i].tag, tag, TAG) == 0) {
            oldest = &set[i];
            break;
        }
        if (set[i].until < oldest->until)
            oldest = &set[i];
    }
    memcpy(oldest->tag, tag, TAG);
    oldest->until = now_ms + c->lifetime;
    pthread_mutex_unlock(&c->lock);
}

uint64_t login_cache_tag(struct login_cache *c, struct slice user, struct slice password)
{
    uint8_t lower[LIMIT_ADDRESS], tag[TAG];
    uint64_t v;
    user = slice_sub(user, 0, sizeof lower);
    for (size_t i = 0; i < user.n; i++)
        lower[i] = ascii_lower(user.p[i]);
    make_tag(c, slice_of(lower, user.n), password, tag);
    memcpy(&v, tag, sizeof v);
    return v ? v : 1;
}
