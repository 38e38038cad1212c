/* What the files of DKIM share. */
#ifndef DEPESCHE_TRUST_DKIM_PRIVATE_H
#define DEPESCHE_TRUST_DKIM_PRIVATE_H

#include "trust/dkim.h"
#include <openssl/evp.h>
#include <sodium.h>

struct dkim_key {
    enum dkim_algorithm algorithm;
    EVP_PKEY *key; /* the library allows many threads to sign with it at once */
    /* ED25519: libsodium signs in half of OpenSSL's time, and needs no context for it. */
    uint8_t ed25519[crypto_sign_ed25519_SECRETKEYBYTES];
};

#endif
