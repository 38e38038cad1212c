/* For tests only: certificates made on the spot, and a TLS client that blocks. Header-only, so that
 * any test may include it. */
#ifndef DEPESCHE_NET_TEST_TLS_H
#define DEPESCHE_NET_TEST_TLS_H

#include "base/mem.h"
#include "net/address.h"
#include "net/tls.h"
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TEST_UNUSED __attribute__((unused))

/* A self-signed certificate and its key, PEM; free with test_identity_free(). */
TEST_UNUSED static struct slice test_pem(BIO *bio)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    uint8_t *copy = mem_alloc((size_t)n);
    memcpy(copy, p, (size_t)n);
    BIO_free(bio);
    return slice_of(copy, (size_t)n);
}

/* kind: "EC", "RSA", "ED25519". names: as OpenSSL's configuration writes them: "DNS:a,DNS:*.b"; ""
 * for none. */
TEST_UNUSED static struct tls_identity test_identity(const char *kind, const char *names,
                                                     const char *label)
{
    EVP_PKEY *key = strcmp(kind, "EC") == 0    ? EVP_EC_gen("P-256")
                    : strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048)
                                               : EVP_PKEY_Q_keygen(NULL, NULL, kind);
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)label, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    if (*names) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    X509_sign(x, key, strcmp(kind, "ED25519") == 0 ? NULL : EVP_sha256());
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(chain, x);
    PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    X509_free(x);
    EVP_PKEY_free(key);
    return (struct tls_identity){test_pem(chain), test_pem(secret), label};
}

TEST_UNUSED static void test_identity_free(struct tls_identity *id)
{
    void *p;
    memcpy(&p, &id->chain_pem.p, sizeof p);
    mem_free(p);
    memcpy(&p, &id->key_pem.p, sizeof p);
    mem_free(p);
}

TEST_UNUSED static int test_connect(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* A listening socket on a free port of 127.0.0.1. */
TEST_UNUSED static int test_listen(uint16_t *port)
{
    struct ip ip;
    int fd;
    if (ip_parse(SLICE("127.0.0.1"), &ip) != OK || ip_listen(ip, 0, &fd) != OK)
        return -1;
    struct sockaddr_in sa = {0};
    socklen_t len = sizeof sa;
    getsockname(fd, (struct sockaddr *)&sa, &len);
    *port = ntohs(sa.sin_port);
    return fd;
}

/* A client's handshake over `fd`; name may be NULL. NULL when it fails. */
TEST_UNUSED static SSL *test_tls_client(SSL_CTX *ctx, int fd, const char *name)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    char copy[256]; /* OpenSSL's macro takes the const off */
    snprintf(copy, sizeof copy, "%s", name ? name : "");
    if (name)
        SSL_set_tlsext_host_name(ssl, copy);
    if (SSL_connect(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

#endif
