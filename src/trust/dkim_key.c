/* DKIM's keys: made, read, and written as DNS records; see dkim.h. */
#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"
#include "trust/dkim_private.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static enum error write_pem(EVP_PKEY *key, struct buf *pem)
{
    BIO *b = BIO_new(BIO_s_secmem());
    enum error e = ERR_IO;
    if (b && PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1) {
        char *text = NULL;
        long n = BIO_get_mem_data(b, &text);
        if (n > 0) {
            buf_add(pem, slice_of(text, (size_t)n));
            e = buf_check(pem);
        }
    }
    BIO_free(b);
    return e;
}

enum error dkim_key_make(enum dkim_algorithm algorithm, struct buf *pem)
{
    EVP_PKEY *key = algorithm == DKIM_RSA ? EVP_RSA_gen(LIMIT_DKIM_RSA_BITS)
                                          : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    enum error e = key ? write_pem(key, pem) : ERR_IO;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return e;
}

/* A key under a passphrase is none: the library must not ask at a terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

static bool fits(enum dkim_algorithm algorithm, const EVP_PKEY *key)
{
    if (algorithm == DKIM_ED25519)
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
    int bits = EVP_PKEY_get_bits(key);
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= LIMIT_DKIM_RSA_BITS &&
           bits <= LIMIT_DKIM_RSA_BITS_MOST;
}

/* OpenSSL's key as libsodium wants it. */
static bool take_ed25519(struct dkim_key *k)
{
    uint8_t seed[crypto_sign_ed25519_SEEDBYTES], public[crypto_sign_ed25519_PUBLICKEYBYTES];
    size_t n = sizeof seed;
    bool good = sodium_init() >= 0 && EVP_PKEY_get_raw_private_key(k->key, seed, &n) == 1 &&
                n == sizeof seed && crypto_sign_ed25519_seed_keypair(public, k->ed25519, seed) == 0;
    mem_wipe(seed, sizeof seed);
    return good;
}

enum error dkim_key_read(enum dkim_algorithm algorithm, struct slice pem, struct dkim_key **out)
{
    if (pem.n == 0 || pem.n > LIMIT_DKIM_PEM)
        return ERR_INPUT;
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL) : NULL;
    BIO_free(b);
    ERR_clear_error();
    if (!key || !fits(algorithm, key)) {
        EVP_PKEY_free(key);
        return ERR_INPUT;
    }
    struct dkim_key *k = mem_alloc(sizeof *k);
    k->algorithm = algorithm;
    k->key = key;
    if (algorithm == DKIM_ED25519 && !take_ed25519(k)) {
        dkim_key_free(k);
        return ERR_IO;
    }
    *out = k;
    return OK;
}

void dkim_key_free(struct dkim_key *k)
{
    if (k) {
        EVP_PKEY_free(k->key); /* wipes it */
        mem_wipe(k->ed25519, sizeof k->ed25519);
        mem_free(k);
    }
}

/* RFC 6376 3.6.1: the DER of a SubjectPublicKeyInfo; RFC 8463 section 4: the 32 bytes alone. */
enum error dkim_key_record(const struct dkim_key *k, struct buf *out)
{
    if (k->algorithm == DKIM_ED25519) {
        uint8_t raw[32];
        size_t n = sizeof raw;
        if (EVP_PKEY_get_raw_public_key(k->key, raw, &n) != 1)
            return ERR_IO;
        buf_lit(out, "v=DKIM1; k=ed25519; h=sha256; p=");
        base64_encode(slice_of(raw, n), out);
        return buf_check(out);
    }
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(k->key, &der);
    if (n <= 0)
        return ERR_IO;
    buf_lit(out, "v=DKIM1; k=rsa; h=sha256; p=");
    base64_encode(slice_of(der, (size_t)n), out);
    OPENSSL_free(der);
    return buf_check(out);
}
