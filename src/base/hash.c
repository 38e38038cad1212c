/* Keyed hash for tables and checksum for records; see hash.h. */
#include "base/hash.h"

#include "base/random.h"
#include <pthread.h>
#include <sodium.h>

static uint8_t key[crypto_shorthash_KEYBYTES];
static pthread_once_t key_drawn = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    /* Also chooses the fastest BLAKE2b for this processor. Negative only without randomness. */
    if (sodium_init() < 0)
        die("libsodium does not start");
    random_bytes(key, sizeof key);
}

static uint64_t read_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

uint64_t hash_bytes(struct slice s)
{
    uint8_t out[crypto_shorthash_BYTES];
    pthread_once(&key_drawn, draw_key);
    crypto_shorthash(out, s.p, s.n, key);
    return read_u64(out);
}

uint64_t hash_u64(uint64_t v)
{
    return hash_bytes(slice_of(&v, sizeof v));
}

uint64_t checksum64(struct slice s)
{
    /* 16 bytes are the least the library gives. */
    uint8_t out[crypto_generichash_BYTES_MIN];
    pthread_once(&key_drawn, draw_key);
    crypto_generichash(out, sizeof out, s.p, s.n, NULL, 0);
    return read_u64(out);
}
