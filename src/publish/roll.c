/* The next TLS key: made, asked a certificate for, and put in the present one's place. */
#include "base/buf.h"
#include "base/mem.h"
#include "publish/publish_private.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Files --- */

static enum error fail(char why[CONFIG_WHY], const char *path)
{
    snprintf(why, CONFIG_WHY, "%.400s: %s", path, strerror(errno));
    return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
}

static bool put(int fd, struct slice text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text = slice_from(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

/* A new file with the owner and the mode of `like`, never readable by more on the way. */
static enum error write_like(const char *path, struct slice text, const struct stat *like,
                             char why[CONFIG_WHY])
{
    autofd fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(why, path);
    bool same = like->st_uid == geteuid() && like->st_gid == getegid();
    bool good = put(fd, text) && (same || fchown(fd, like->st_uid, like->st_gid) == 0) &&
                fchmod(fd, like->st_mode & 0777) == 0;
    enum error e = good ? OK : fail(why, path);
    if (e)
        unlink(path);
    return e;
}

/* --- Making --- */

/* Of the kind of the present one: the same curve, or as many bits. */
static EVP_PKEY *key_like(EVP_PKEY *present)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, present, NULL);
    EVP_PKEY *key = NULL;
    bool good = ctx && EVP_PKEY_keygen_init(ctx) == 1;
    if (good && EVP_PKEY_is_a(present, "RSA"))
        good = EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, EVP_PKEY_get_bits(present)) == 1;
    if (good && EVP_PKEY_is_a(present, "EC")) {
        char curve[64];
        good = EVP_PKEY_get_group_name(present, curve, sizeof curve, NULL) == 1 &&
               EVP_PKEY_CTX_set_group_name(ctx, curve) == 1;
    }
    if (good && EVP_PKEY_generate(ctx, &key) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static bool copy_names(X509_REQ *rq, const X509 *x)
{
    int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
    if (at < 0)
        return true;
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *names = X509_EXTENSION_dup(X509_get_ext(x, at));
    bool good = list && names && sk_X509_EXTENSION_push(list, names) > 0;
    if (!good)
        X509_EXTENSION_free(names);
    good = good && X509_REQ_add_extensions(rq, list) == 1;
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return good;
}

/* PEM of a request for a certificate like `x`, into `out`. */
static bool make_request(const X509 *x, EVP_PKEY *key, BIO *out)
{
    X509_REQ *rq = X509_REQ_new();
    bool edwards = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
    bool good = rq && X509_REQ_set_version(rq, X509_REQ_VERSION_1) &&
                X509_REQ_set_subject_name(rq, X509_get_subject_name(x)) &&
                X509_REQ_set_pubkey(rq, key) && copy_names(rq, x) &&
                X509_REQ_sign(rq, key, edwards ? NULL : EVP_sha256()) > 0 &&
                PEM_write_bio_X509_REQ(out, rq);
    X509_REQ_free(rq);
    return good;
}

static struct slice bytes_of(BIO *b)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);
    return slice_of(p, n > 0 ? (size_t)n : 0);
}

static enum error keep_next(const struct publish_identity *id, BIO *secret, BIO *request,
                            char why[CONFIG_WHY])
{
    char path[PUBLISH_PATH], csr[PUBLISH_PATH];
    struct stat like;
    publish_next_path(id->key, "", path);
    publish_next_path(id->key, ".csr", csr);
    if (stat(id->key, &like) != 0)
        return fail(why, id->key);
    enum error e = write_like(path, bytes_of(secret), &like, why);
    if (e)
        return e;
    like.st_mode = 0644; /* nothing in it is secret */
    unlink(csr);
    e = write_like(csr, bytes_of(request), &like, why);
    if (e)
        unlink(path);
    return e;
}

static enum error make_from(const struct publish_identity *id, const X509 *x, EVP_PKEY *present,
                            char why[CONFIG_WHY])
{
    EVP_PKEY *key = key_like(present);
    BIO *secret = BIO_new(BIO_s_secmem()), *request = BIO_new(BIO_s_mem());
    bool good = key && secret && request && make_request(x, key, request) &&
                PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    enum error e = ERR_IO;
    if (good)
        e = keep_next(id, secret, request, why);
    else
        snprintf(why, CONFIG_WHY, "%s: no key of this kind could be made", id->key);
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(secret);
    BIO_free(request);
    return e;
}

enum error publish_next_make(const struct publish_identity *id, char why[CONFIG_WHY])
{
    autobuf chain = BUF_INIT(LIMIT_PEM_FILE);
    struct buf key = BUF_INIT(LIMIT_PEM_FILE);
    snprintf(why, CONFIG_WHY, "%s: there is a next key", id->key);
    if (id->next[0])
        return ERR_CONFLICT;
    enum error e = publish_read_file(id->chain, &chain, why);
    if (!e)
        e = publish_read_file(id->key, &key, why);
    if (!e) {
        X509 *x = publish_read_certificate(buf_slice(&chain));
        EVP_PKEY *present = publish_read_key(buf_slice(&key));
        snprintf(why, CONFIG_WHY, "%s: no PEM certificate with its key", id->chain);
        e = x && present ? make_from(id, x, present, why) : ERR_INPUT;
        X509_free(x);
        EVP_PKEY_free(present);
    }
    buf_wipe(&key);
    return e;
}

/* --- Switching --- */

static enum error examine_chain(const struct publish_identity *id, struct slice pem,
                                const char *host, char why[CONFIG_WHY])
{
    X509 *x = publish_read_certificate(pem);
    enum error e = ERR_INPUT;
    if (!x)
        snprintf(why, CONFIG_WHY, "the chain is no PEM certificate");
    else if (X509_cmp_current_time(X509_get0_notBefore(x)) >= 0 ||
             X509_cmp_current_time(X509_get0_notAfter(x)) <= 0)
        snprintf(why, CONFIG_WHY, "the certificate is not valid now");
    else if (id->names_host && X509_check_host(x, host, 0, 0, NULL) != 1)
        snprintf(why, CONFIG_WHY, "the certificate is not for %s", host);
    else
        e = OK;
    X509_free(x);
    return e;
}

static enum error not_a_link(const char *path, struct stat *st, char why[CONFIG_WHY])
{
    if (lstat(path, st) != 0)
        return fail(why, path);
    if (!S_ISLNK(st->st_mode))
        return OK;
    snprintf(
        why, CONFIG_WHY,
        "%s is a symbolic link: whoever made it (certbot?) replaces it; name files of your own "
        "in tls.certificate",
        path);
    return ERR_CONFLICT;
}

/* The file stays reachable under its name all the time. */
static enum error keep_old(const char *path, char why[CONFIG_WHY])
{
    char old[PUBLISH_PATH];
    snprintf(old, sizeof old, "%s.old", path);
    unlink(old);
    return link(path, old) == 0 ? OK : fail(why, old);
}

static enum error replace(const char *from, const char *to, char why[CONFIG_WHY])
{
    return rename(from, to) == 0 ? OK : fail(why, to);
}

/* Key first: a crash between both leaves the key of the chain that is given again. */
static enum error install(const struct publish_identity *id, struct slice chain_pem, bool with_key,
                          char why[CONFIG_WHY])
{
    char next[PUBLISH_PATH], csr[PUBLISH_PATH], chain[PUBLISH_PATH];
    struct stat key, present;
    publish_next_path(id->key, "", next);
    publish_next_path(id->key, ".csr", csr);
    publish_next_path(id->chain, "", chain);
    enum error e = not_a_link(id->key, &key, why);
    if (!e)
        e = not_a_link(id->chain, &present, why);
    if (!e) {
        unlink(chain);
        e = write_like(chain, chain_pem, &present, why);
    }
    if (!e)
        e = keep_old(id->chain, why);
    if (!e && with_key)
        e = keep_old(id->key, why);
    if (!e && with_key)
        e = replace(next, id->key, why);
    if (!e)
        e = replace(chain, id->chain, why);
    if (!e && with_key)
        unlink(csr);
    return e;
}

enum error publish_switch(const struct publish_identity *id, struct slice chain_pem,
                          const char *host, char why[CONFIG_WHY])
{
    char hash[PUBLISH_TLSA], key_hash[PUBLISH_TLSA] = "";
    struct buf key = BUF_INIT(LIMIT_PEM_FILE);
    enum error e = examine_chain(id, chain_pem, host, why);
    if (!e)
        e = publish_tlsa(chain_pem, hash);
    if (e)
        return e;
    /* The file, and not the present certificate: of a switch done by half, the key is there. */
    e = publish_read_file(id->key, &key, why);
    if (!e && publish_tlsa(buf_slice(&key), key_hash) != OK)
        key_hash[0] = 0;
    buf_wipe(&key);
    if (e)
        return e;
    bool next = id->next[0] && strcmp(hash, id->next) == 0;
    if (!next && strcmp(hash, key_hash) != 0) {
        snprintf(why, CONFIG_WHY, "the chain is not for %s.next: ask with %s.next.csr", id->key,
                 id->key);
        return ERR_INPUT;
    }
    return install(id, chain_pem, next, why);
}
