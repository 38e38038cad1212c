/* Our own certificates and keys, as far as the DNS speaks of them. */
#include "base/file.h"
#include "publish/publish_private.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct x509_st *publish_read_certificate(struct slice pem)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    return x;
}

/* Nobody is asked for a pass phrase: the server could not be, either. */
static int no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

struct evp_pkey_st *publish_read_key(struct slice pem)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_pass_phrase, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    return key;
}

void publish_hex(struct slice bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.n; i++) {
        out[2 * i] = digits[bytes.p[i] >> 4];
        out[2 * i + 1] = digits[bytes.p[i] & 15];
    }
    out[2 * bytes.n] = 0;
}

enum error publish_tlsa(struct slice pem, char out[PUBLISH_TLSA])
{
    X509 *x = publish_read_certificate(pem);
    EVP_PKEY *key = x ? X509_get_pubkey(x) : publish_read_key(pem);
    unsigned char *der = NULL;
    uint8_t sum[32];
    int n = key ? i2d_PUBKEY(key, &der) : 0;
    bool good = n > 0 && EVP_Digest(der, (size_t)n, sum, NULL, EVP_sha256(), NULL);
    if (good)
        publish_hex(slice_of(sum, sizeof sum), out);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    X509_free(x);
    ERR_clear_error();
    return good ? OK : ERR_INPUT;
}

enum error publish_read_file(const char *path, struct buf *out, char why[CONFIG_WHY])
{
    errno = 0;
    enum error e = file_read(path, out);
    if (e == ERR_LIMIT)
        snprintf(why, CONFIG_WHY, "%s: too large for a certificate or key", path);
    else if (e)
        snprintf(why, CONFIG_WHY, "%s: %s", path, strerror(errno ? errno : EIO));
    return e;
}

void publish_next_path(const char *key, const char *more, char out[PUBLISH_PATH])
{
    snprintf(out, PUBLISH_PATH, "%s.next%s", key, more);
}

static enum error read_present(struct publish_identity *id, const char *host, char why[CONFIG_WHY])
{
    autobuf pem = BUF_INIT(LIMIT_PEM_FILE);
    enum error e = ERR_LIMIT;
    snprintf(why, CONFIG_WHY, "%.400s: the path is too long", id->key);
    if (strlen(id->chain) < PUBLISH_PATH_MOST && strlen(id->key) < PUBLISH_PATH_MOST)
        e = publish_read_file(id->chain, &pem, why);
    if (e)
        return e;
    X509 *x = publish_read_certificate(buf_slice(&pem));
    e = x ? publish_tlsa(buf_slice(&pem), id->present) : ERR_INPUT;
    if (e)
        snprintf(why, CONFIG_WHY, "%s: no PEM certificate", id->chain);
    else
        id->names_host = X509_check_host(x, host, 0, 0, NULL) == 1;
    X509_free(x);
    return e;
}

static enum error read_next(struct publish_identity *id, char why[CONFIG_WHY])
{
    struct buf pem = BUF_INIT(LIMIT_PEM_FILE);
    char path[PUBLISH_PATH];
    publish_next_path(id->key, "", path);
    enum error e = publish_read_file(path, &pem, why);
    if (e == OK && (e = publish_tlsa(buf_slice(&pem), id->next)) != OK)
        snprintf(why, CONFIG_WHY, "%s.next: no PEM key; remove it", id->key);
    buf_wipe(&pem);
    return e == ERR_NOTFOUND ? OK : e;
}

enum error publish_identities(const struct config *c, struct arena *a,
                              struct publish_identity **out, size_t *n, char why[CONFIG_WHY])
{
    size_t count = c->certificates.n;
    struct publish_identity *id = arena_array(a, count + 1, sizeof *id);
    enum error e = id ? OK : ERR_LIMIT;
    snprintf(why, CONFIG_WHY, "out of memory");
    for (size_t i = 0; e == OK && i < count; i++) {
        id[i].chain = c->certificates.item[i].chain;
        id[i].key = c->certificates.item[i].key;
        e = read_present(&id[i], c->host, why);
        if (e == OK)
            e = read_next(&id[i], why);
    }
    if (e)
        return e;
    *out = id;
    *n = count;
    return OK;
}
