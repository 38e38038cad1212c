/* Keys and certificates; see certificate.h. */
#include "cli/certificate.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/random.h"
#include "cli/command.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static X509 *read_certificate(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return x;
}

static EVP_PKEY *read_key(const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return key;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return good;
}

static bool set_serial(X509 *x)
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40); /* positive, and always of the same length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return good;
}

static bool fill(X509 *x, const struct certificate_request *rq, EVP_PKEY *key, X509 *issuer)
{
    X509_NAME *name = X509_get_subject_name(x);
    bool good = X509_set_version(x, X509_VERSION_3) && set_serial(x) && X509_set_pubkey(x, key) &&
                X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
                X509_time_adj_ex(X509_getm_notAfter(x), (int)rq->days, 0, NULL) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                           (const unsigned char *)rq->common_name, -1, -1, 0) &&
                X509_set_issuer_name(x, X509_get_subject_name(issuer));
    if (!good)
        return false;
    if (rq->authority)
        return add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
               add_extension(x, issuer, NID_subject_key_identifier, "hash");
    return add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           (issuer == x ||
            add_extension(x, issuer, NID_authority_key_identifier, "keyid:always")) &&
           add_extension(x, issuer, NID_subject_alt_name, rq->names);
}

static bool write_bio(BIO *b, const char *path, mode_t mode)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    return n > 0 && write_file(path, slice_of(p, (size_t)n), mode);
}

static bool write_pair(const struct certificate_request *rq, X509 *x, X509 *issuer, EVP_PKEY *key)
{
    BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    bool good = chain && secret && PEM_write_bio_X509(chain, x) &&
                (issuer == x || PEM_write_bio_X509(chain, issuer)) &&
                PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) &&
                write_bio(secret, rq->key_path, 0600) && write_bio(chain, rq->path, 0644);
    BIO_free(chain);
    BIO_free(secret);
    return good;
}

bool certificate_make(const struct certificate_request *rq)
{
    X509 *ca = rq->ca_path ? read_certificate(rq->ca_path) : NULL;
    EVP_PKEY *ca_key = rq->ca_path ? read_key(rq->ca_key_path) : NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    bool good = key && x && (!rq->ca_path || (ca && ca_key));
    X509 *issuer = ca ? ca : x;
    good = good && fill(x, rq, key, issuer) && X509_sign(x, ca_key ? ca_key : key, EVP_sha256()) &&
           write_pair(rq, x, issuer, key);
    if (!good) {
        char why[200];
        ERR_error_string_n(ERR_get_error(), why, sizeof why);
        refuse("%s: the certificate could not be made (%s)", rq->path, why);
        ERR_clear_error();
    }
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return good;
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    int days = 0, seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, t))
        return 0;
    return clock_wall() + (int64_t)days * 86400 + seconds;
}

enum error certificate_look(const char *path, const char *key_path, const char *host,
                            struct certificate_state *out)
{
    errno = 0;
    X509 *x = read_certificate(path);
    EVP_PKEY *key = x ? read_key(key_path) : NULL;
    enum error e = OK;
    if (!x || !key) {
        e = errno == ENOENT || errno == EACCES ? ERR_IO : ERR_INPUT;
    } else {
        *out = (struct certificate_state){
            .not_before = seconds_of(X509_get0_notBefore(x)),
            .not_after = seconds_of(X509_get0_notAfter(x)),
            .self_signed = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0,
            .key_fits = X509_check_private_key(x, key) == 1,
            .names_host = X509_check_host(x, host, 0, 0, NULL) == 1,
        };
        X509_NAME_oneline(X509_get_subject_name(x), out->subject, sizeof out->subject);
    }
    ERR_clear_error();
    X509_free(x);
    EVP_PKEY_free(key);
    return e;
}
