/* TLS towards other servers; see tls_client.h.
 *
 * OpenSSL builds and checks the chain, for DANE too; the handshake goes on whatever comes of it and
 * the result is looked at afterwards. Names are compared here: OpenSSL knows no patterns on our
 * side and falls back to the common name. */
#include "net/tls_client.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/tls_private.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct tls_client {
    SSL_CTX *ctx;
};

/* RFC 6698 2.1 */
enum { USAGE_TA = 2, USAGE_EE = 3, SELECTOR_CERT = 0, SELECTOR_KEY = 1 };

/* --- The client --- */

static SSL_CTX *context_new(enum tls_profile profile)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || !tls_profile_apply(ctx, profile) || SSL_CTX_dane_enable(ctx) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_max_cert_list(ctx, LIMIT_TLS_CHAIN);
    SSL_CTX_set_verify_depth(ctx, LIMIT_TLS_CHAIN_DEPTH);
    /* A peer that only sends tickets and key updates must not keep a read from ever returning to
     * its deadline. Without read-ahead poll() knows of everything that is still to come. */
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ctx, 0);
    return ctx;
}

/* False: something in it is no certificate, or nothing is one. */
static bool add_authorities(X509_STORE *store, struct slice pem)
{
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    bool good = in != NULL;
    size_t n = 0;
    X509 *x = NULL;
    while (good && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        good = X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
        n++;
    }
    good =
        good && n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; /* the end */
    ERR_clear_error();
    BIO_free(in);
    return good;
}

enum error tls_client_new(enum tls_profile profile, struct slice ca_pem, struct tls_client **out,
                          char *why, size_t why_size)
{
    if (ca_pem.n > INT_MAX) {
        snprintf(why, why_size, "the authorities' certificates are too large");
        return ERR_LIMIT;
    }
    ERR_clear_error();
    SSL_CTX *ctx = context_new(profile);
    if (!ctx) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(why, why_size, "OpenSSL: %s", reason ? reason : "no memory");
        ERR_clear_error();
        return ERR_IO;
    }
    if (ca_pem.n > 0 && !add_authorities(SSL_CTX_get_cert_store(ctx), ca_pem)) {
        snprintf(why, why_size, "the authorities' certificates cannot be read (PEM)");
        SSL_CTX_free(ctx);
        return ERR_INPUT;
    }
    struct tls_client *t = mem_alloc(sizeof *t);
    t->ctx = ctx;
    *out = t;
    return OK;
}

void tls_client_free(struct tls_client *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    mem_free(t);
}

/* --- TLSA records --- */

/* The whole certificate or key, nothing behind it, and OpenSSL can use it. */
static bool full_data_usable(uint8_t selector, struct slice data)
{
    if (data.n == 0 || data.n > LIMIT_TLS_CHAIN)
        return false;
    const unsigned char *p = data.p;
    bool usable;
    if (selector == SELECTOR_CERT) {
        X509 *x = d2i_X509(NULL, &p, (long)data.n);
        usable = x && X509_get0_pubkey(x);
        X509_free(x);
    } else {
        EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)data.n);
        usable = key != NULL;
        EVP_PKEY_free(key);
    }
    ERR_clear_error();
    return usable && p == data.p + data.n;
}

bool tls_tlsa_usable(const struct dns_tlsa *r)
{
    enum { FULL = 0, SHA256_OF = 1, SHA512_OF = 2 };
    if ((r->usage != USAGE_TA && r->usage != USAGE_EE) ||
        (r->selector != SELECTOR_CERT && r->selector != SELECTOR_KEY))
        return false;
    switch (r->matching) {
    case FULL:
        return full_data_usable(r->selector, r->data);
    case SHA256_OF:
        return r->data.n == 32;
    case SHA512_OF:
        return r->data.n == 64;
    default:
        return false;
    }
}

static bool any_usable(const struct tls_wish *w)
{
    for (size_t i = 0; i < w->n_tlsa; i++)
        if (tls_tlsa_usable(&w->tlsa[i]))
            return true;
    return false;
}

/* --- A session --- */

/* RFC 6066 3: a host name, no address, no dot at the end. */
static bool sni_allowed(struct slice name)
{
    struct ip ip;
    if (name.n == 0 || name.n > LIMIT_DOMAIN || ip_parse(name, &ip) == OK)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.p[0] != '.' && name.p[name.n - 1] != '.';
}

static bool set_sni(SSL *ssl, struct slice name)
{
    char text[LIMIT_DOMAIN + 1];
    if (!sni_allowed(name) || slice_cstr(name, text, sizeof text) != OK)
        return true; /* none is sent */
    return SSL_set_tlsext_host_name(ssl, text) == 1;
}

/* The base domain is left out: OpenSSL would compare it, and make it the SNI. */
static bool set_tlsa(SSL *ssl, const struct tls_wish *w)
{
    if (SSL_dane_enable(ssl, NULL) != 1)
        return false;
    for (size_t i = 0; i < w->n_tlsa; i++) {
        const struct dns_tlsa *r = &w->tlsa[i];
        if (tls_tlsa_usable(r) &&
            SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, r->data.p, r->data.n) < 0)
            return false;
    }
    return true;
}

SSL *tls_client_session(struct tls_client *t, const struct tls_wish *w)
{
    SSL *ssl = SSL_new(t->ctx);
    if (ssl && set_sni(ssl, w->sni) && (w->check != TLS_CHECK_DANE || set_tlsa(ssl, w))) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

/* --- Names --- */

/* "*.example.net": one whole label, and not directly below a top-level domain. */
static bool is_wildcard(struct slice s)
{
    return slice_starts(s, SLICE("*.")) && slice_has(slice_from(s, 2), '.') &&
           !slice_has(slice_from(s, 1), '*');
}

static bool covers(struct slice wildcard, struct slice name)
{
    size_t dot = slice_index(name, '.');
    return dot > 0 && slice_ieq(slice_from(wildcard, 1), slice_from(name, dot));
}

/* RFC 6125 6.4. Both sides may be wildcards: ours of a list's pattern, theirs of the certificate.
 */
static bool name_matches(struct slice theirs, struct slice ours)
{
    bool their_star = is_wildcard(theirs), our_star = is_wildcard(ours);
    if (theirs.n == 0 || slice_has(theirs, 0) || (!their_star && slice_has(theirs, '*')) ||
        (!our_star && slice_has(ours, '*')))
        return false;
    if (their_star == our_star)
        return slice_ieq(theirs, ours);
    return their_star ? covers(theirs, ours) : covers(ours, theirs);
}

static bool name_wished(struct slice theirs, const struct tls_wish *w)
{
    for (size_t i = 0; i < w->n_names; i++)
        if (name_matches(theirs, w->names[i]))
            return true;
    return false;
}

/* The certificate's names are anybody's bytes, and the detail goes to logs and people. */
static void tell_name(struct buf *detail, struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        buf_byte(detail, name.p[i] > ' ' && name.p[i] < 127 ? name.p[i] : '?');
}

/* Only dNSName counts (RFC 8461 4.1); the common name never does. Names that do not match are told
 * in `detail`. */
static bool certificate_names(X509 *leaf, const struct tls_wish *w, struct buf *detail)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    int n = sk_GENERAL_NAME_num(names);
    for (int i = 0; i < n && !found; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type != GEN_DNS)
            continue;
        struct slice name =
            slice_of(ASN1_STRING_get0_data(g->d.dNSName), (size_t)ASN1_STRING_length(g->d.dNSName));
        found = name_wished(name, w);
        buf_str(detail, detail->n == 0 ? "the certificate is for " : ", ");
        tell_name(detail, name);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (detail->n == 0)
        buf_str(detail, "the certificate names no host");
    return found;
}

/* --- The judgement --- */

enum problem tls_verify_problem(long result)
{
    switch (result) {
    case X509_V_OK:
        return PROBLEM_NONE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return PROBLEM_CERT_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return PROBLEM_CERT_NAME;
    case X509_V_ERR_DANE_NO_MATCH:
        return PROBLEM_DANE_MISMATCH;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED:
        return PROBLEM_CERT_UNTRUSTED;
    default:
        return PROBLEM_CERT_BAD;
    }
}

static void tell_day(struct buf *detail, const char *before, const ASN1_TIME *t)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) == 1)
        buf_printf(detail, "%s%04d-%02d-%02d", before, tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday);
}

/* What OpenSSL says of the chain. */
static enum problem judge_chain(const SSL *ssl, X509 *leaf, struct buf *detail)
{
    long result = SSL_get_verify_result(ssl);
    enum problem p = tls_verify_problem(result);
    if (p == PROBLEM_NONE)
        return p;
    buf_str(detail, X509_verify_cert_error_string(result));
    if (p == PROBLEM_CERT_EXPIRED) { /* or one above it: both have days worth looking at */
        tell_day(detail, "; the server's is valid from ", X509_get0_notBefore(leaf));
        tell_day(detail, " to ", X509_get0_notAfter(leaf));
    }
    return p;
}

static enum problem judge_names(X509 *leaf, const struct tls_wish *w, struct buf *detail)
{
    if (!certificate_names(leaf, w, detail))
        return PROBLEM_CERT_NAME;
    buf_reset(detail);
    return PROBLEM_NONE;
}

/* RFC 7671 5.1 and 5.2: DANE-EE looks at nothing but the match, DANE-TA at names too. */
static enum problem judge_dane(SSL *ssl, X509 *leaf, const struct tls_wish *w, struct buf *detail)
{
    if (!any_usable(w))
        return PROBLEM_DANE_UNUSABLE;
    enum problem p = judge_chain(ssl, leaf, detail);
    if (p != PROBLEM_NONE)
        return p;
    uint8_t usage;
    if (SSL_get0_dane_tlsa(ssl, &usage, NULL, NULL, NULL, NULL) < 0)
        return PROBLEM_DANE_MISMATCH;
    return usage == USAGE_EE ? PROBLEM_NONE : judge_names(leaf, w, detail);
}

static enum problem judge(SSL *ssl, X509 *leaf, const struct tls_wish *w, struct buf *detail)
{
    if (!leaf)
        return w->check == TLS_CHECK_NOTHING ? PROBLEM_NONE : PROBLEM_CERT_BAD;
    enum problem p;
    switch (w->check) {
    case TLS_CHECK_DANE:
        return judge_dane(ssl, leaf, w, detail);
    case TLS_CHECK_PKIX:
        p = judge_chain(ssl, leaf, detail);
        return p != PROBLEM_NONE ? p : judge_names(leaf, w, detail);
    case TLS_CHECK_NOTHING:
        break;
    }
    (void)judge_chain(ssl, leaf, detail); /* for those who read `detail` */
    return PROBLEM_NONE;
}

static void note_leaf(X509 *leaf, struct tls_outcome *out)
{
    unsigned char *key = NULL;
    int days = 0, seconds = 0;
    X509_digest(leaf, EVP_sha256(), out->leaf_sha256, NULL);
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &key);
    if (n > 0)
        EVP_Digest(key, (size_t)n, out->leaf_key_sha256, NULL, EVP_sha256(), NULL);
    OPENSSL_free(key);
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)))
        out->leaf_expires = clock_wall() + (int64_t)days * 86400 + seconds;
}

void tls_client_judge(SSL *ssl, const struct tls_wish *w, struct tls_outcome *out)
{
    *out = (struct tls_outcome){.problem = PROBLEM_NONE};
    snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
    snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(ssl));
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    if (leaf)
        note_leaf(leaf, out);
    autobuf detail = BUF_INIT(sizeof out->detail - 1);
    out->problem = judge(ssl, leaf, w, &detail);
    memcpy(out->detail, detail.p ? (const char *)detail.p : "", detail.n); /* zeros follow */
    ERR_clear_error();
}
