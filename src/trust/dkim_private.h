/* What the files of DKIM share. */
#ifndef DEPESCHE_TRUST_DKIM_PRIVATE_H
#define DEPESCHE_TRUST_DKIM_PRIVATE_H

#include "trust/dkim.h"
#include <openssl/evp.h>

struct dkim_key {
    enum dkim_algorithm algorithm;
    EVP_PKEY *key; /* the library allows many threads to sign with it at once */
};

#endif
