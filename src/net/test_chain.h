/* For tests only: chains of certificates made on the spot, with every fault one may want. Header-
 * only, like test_tls.h, which it stands on. */
#ifndef DEPESCHE_NET_TEST_CHAIN_H
#define DEPESCHE_NET_TEST_CHAIN_H

#include "net/test_tls.h"

struct test_cert {
    X509 *x;
    EVP_PKEY *key;
};

struct test_cert_spec {
    const char *names;              /* subjectAltName as OpenSSL's configuration writes it; NULL */
    const char *cn;                 /* NULL: "test" */
    const struct test_cert *issuer; /* NULL: itself */
    bool ca;
    int days_from, days_to; /* from now; both 0: -1 and 30 */
    const char *purpose;    /* extendedKeyUsage; NULL: none */
};

TEST_UNUSED static void test_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* Free with test_cert_free(). */
TEST_UNUSED static struct test_cert test_cert(const struct test_cert_spec *s)
{
    static long serial = 1;
    struct test_cert c = {X509_new(), EVP_EC_gen("P-256")};
    bool given = s->days_from != 0 || s->days_to != 0;
    X509_set_version(c.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x), (given ? s->days_from : -1) * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(c.x), (given ? s->days_to : 30) * 86400L);
    X509_set_pubkey(c.x, c.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)(s->cn ? s->cn : "test"), -1, -1, 0);
    X509_set_issuer_name(c.x, X509_get_subject_name(s->issuer ? s->issuer->x : c.x));
    if (s->ca)
        test_extension(c.x, NID_basic_constraints, "critical,CA:TRUE");
    if (s->names)
        test_extension(c.x, NID_subject_alt_name, s->names);
    if (s->purpose)
        test_extension(c.x, NID_ext_key_usage, s->purpose);
    X509_sign(c.x, s->issuer ? s->issuer->key : c.key, EVP_sha256());
    return c;
}

TEST_UNUSED static void test_cert_free(struct test_cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
}

/* PEM of one certificate; free as test_pem(). */
TEST_UNUSED static struct slice test_cert_pem(const struct test_cert *c)
{
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, c->x);
    return test_pem(out);
}

TEST_UNUSED static void test_slice_free(struct slice s)
{
    void *p;
    memcpy(&p, &s.p, sizeof p);
    mem_free(p);
}

/* The data of a TLSA record of it, as RFC 6698 2.1 makes it; free with test_slice_free(). */
TEST_UNUSED static struct slice test_tlsa_data(const struct test_cert *c, int selector,
                                               int matching)
{
    unsigned char *der = NULL;
    int n = selector == 0 ? i2d_X509(c->x, &der) : i2d_PUBKEY(c->key, &der);
    uint8_t *out = mem_alloc((size_t)n > EVP_MAX_MD_SIZE ? (size_t)n : EVP_MAX_MD_SIZE);
    unsigned size = (unsigned)n;
    if (matching == 0)
        memcpy(out, der, (size_t)n);
    else
        EVP_Digest(der, (size_t)n, out, &size, matching == 1 ? EVP_sha256() : EVP_sha512(), NULL);
    OPENSSL_free(der);
    return slice_of(out, size);
}

/* A server's context: the leaf, and what it sends above it (NULL ends). */
TEST_UNUSED static SSL_CTX *test_server_context(const struct test_cert *leaf,
                                                const struct test_cert *const *above)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, leaf->x);
    SSL_CTX_use_PrivateKey(ctx, leaf->key);
    for (; above && *above; above++)
        SSL_CTX_add1_chain_cert(ctx, (*above)->x);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    return ctx;
}

#endif
