/* TLS for the servers: profiles, tickets, and the sessions handed out. The lists of the profiles
 * are used by the client as well. The table of certificates is in tls_table.c. */
#include "net/tls.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/random.h"
#include "net/tls_private.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>

struct ticket_key {
    unsigned char name[16];
    unsigned char cipher[32];
    unsigned char mac[32];
    bool set;
};

struct tls_server {
    enum tls_profile profile;
    enum tls_audience audience;
    pthread_mutex_t lock; /* what follows */
    struct tls_table *table;
    struct ticket_key now, before;
    int64_t rotated; /* clock_ms() */
    /* Fetched once: looking them up for every ticket costs more than using them. */
    EVP_CIPHER *ticket_cipher;
};

struct profile {
    const char *ciphers_12, *ciphers_13;
    const char *groups[8]; /* in our order; those that OpenSSL does not know are left out */
    const char *signatures;
};

static const struct profile PROFILES[] = {
    [TLS_MODERN] =
        {
            .ciphers_12 = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                          "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                          "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
            .ciphers_13 = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                          "TLS_CHACHA20_POLY1305_SHA256",
            .groups = {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "P-256",
                       "P-384", "X25519"},
            .signatures = "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:"
                          "ed25519:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
                          "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512",
        },
    [TLS_BSI] =
        {
            .ciphers_12 = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                          "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
            .ciphers_13 = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
            .groups = {"SecP256r1MLKEM768", "SecP384r1MLKEM1024", "P-256", "P-384", "P-521"},
            .signatures = "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:"
                          "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
                          "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512",
        },
};

/* --- Groups --- */

/* OpenSSL's macros for lists take the const off; these give them something that is not const. */
enum { LIST_SIZE = 512 };

static bool set_group_list(SSL_CTX *ctx, const char *text)
{
    char list[LIST_SIZE];
    snprintf(list, sizeof list, "%s", text);
    return SSL_CTX_set1_groups_list(ctx, list) == 1;
}

static bool set_signature_list(SSL_CTX *ctx, const char *text)
{
    char list[LIST_SIZE];
    snprintf(list, sizeof list, "%s", text);
    return SSL_CTX_set1_sigalgs_list(ctx, list) == 1;
}

static bool group_known(SSL_CTX *ctx, const char *name)
{
    bool known = set_group_list(ctx, name);
    ERR_clear_error();
    return known;
}

static bool set_groups(SSL_CTX *ctx, const struct profile *p)
{
    char list[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof p->groups / sizeof *p->groups && p->groups[i]; i++) {
        if (!group_known(ctx, p->groups[i]))
            continue;
        int w = snprintf(list + n, sizeof list - n, "%s%s", n ? ":" : "", p->groups[i]);
        if (w < 0 || (size_t)w >= sizeof list - n)
            bug("too many TLS groups");
        n += (size_t)w;
    }
    return set_group_list(ctx, list);
}

/* --- Tickets --- */

static void ticket_make(struct ticket_key *k)
{
    random_bytes(k->name, sizeof k->name);
    random_bytes(k->cipher, sizeof k->cipher);
    random_bytes(k->mac, sizeof k->mac);
    k->set = true;
}

/* The key for a new ticket, or the one that made `name`. 0: none, 1: the current, 2: the one
 * before. */
static int ticket_find(struct tls_server *t, const unsigned char *name, struct ticket_key *out)
{
    int found = 0;
    pthread_mutex_lock(&t->lock);
    if (!name || memcmp(name, t->now.name, sizeof t->now.name) == 0) {
        *out = t->now;
        found = 1;
    } else if (t->before.set && memcmp(name, t->before.name, sizeof t->before.name) == 0) {
        *out = t->before;
        found = 2;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

static bool ticket_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* RFC 5077 section 4, as OpenSSL's callback wants it: 1 go on, 2 go on and renew, 0 full
 * handshake, -1 failure. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int enc)
{
    struct tls_server *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key k;
    int found = ticket_find(t, enc ? NULL : name, &k);
    if (found == 0)
        return 0;
    int done = -1;
    if (enc) {
        memcpy(name, k.name, sizeof k.name);
        random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(t->ticket_cipher));
        if (EVP_EncryptInit_ex2(cipher, t->ticket_cipher, k.cipher, iv, NULL) &&
            ticket_mac(mac, &k))
            done = 1;
    } else if (EVP_DecryptInit_ex2(cipher, t->ticket_cipher, k.cipher, iv, NULL) &&
               ticket_mac(mac, &k)) {
        done = found;
    }
    mem_wipe(&k, sizeof k);
    return done;
}

void tls_ticket_replace(struct tls_server *t)
{
    struct ticket_key fresh;
    ticket_make(&fresh);
    pthread_mutex_lock(&t->lock);
    t->before = t->now;
    t->now = fresh;
    t->rotated = clock_ms();
    pthread_mutex_unlock(&t->lock);
    mem_wipe(&fresh, sizeof fresh);
}

void tls_server_rotate(struct tls_server *t)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&t->lock);
    bool due = now - t->rotated >= (int64_t)LIMIT_TLS_TICKET_SECONDS * 1000;
    pthread_mutex_unlock(&t->lock);
    if (due)
        tls_ticket_replace(t);
}

/* --- Callbacks of the handshake --- */

/* Does the ClientHello offer TLS 1.3? RFC 8446 4.2.1: a length byte and two bytes a version. */
static bool offers_13(SSL *ssl)
{
    const unsigned char *p;
    size_t n;
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n))
        return false;
    for (size_t i = 1; i + 1 < n; i += 2)
        if (p[i] == 0x03 && p[i + 1] == 0x04)
            return true;
    return false;
}

/* RFC 7627 section 5.1: whoever must have the extended master secret aborts without it. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *p;
    size_t n;
    if (offers_13(ssl) ||
        SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &p, &n))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_HANDSHAKE_FAILURE;
    return SSL_CLIENT_HELLO_ERROR;
}

/* Called for every handshake, with a name or without: the certificates of this moment count. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
    struct tls_server *t = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    pthread_mutex_lock(&t->lock);
    SSL_CTX *ctx = tls_table_find(t->table, slice_str(name));
    SSL_CTX *set = SSL_set_SSL_CTX(ssl, ctx); /* holds a reference of its own */
    pthread_mutex_unlock(&t->lock);
    if (set)
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* RFC 7301 section 3.2: our order counts, and a client that speaks only something else must not be
 * let in, lest it be tricked into talking to the wrong service. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *offered, unsigned n, void *arg)
{
    const struct slice *names = SSL_get_app_data(ssl);
    if (!names)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *found = NULL;
    if (SSL_select_next_proto(&found, out_n, names->p, (unsigned)names->n, offered, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

void tls_session_alpn(struct ssl_st *ssl, const struct slice *names)
{
    void *p;
    memcpy(&p, &names, sizeof p); /* OpenSSL keeps it without const */
    SSL_set_app_data(ssl, p);
}

bool tls_profile_apply(SSL_CTX *ctx, enum tls_profile profile)
{
    const struct profile *p = &PROFILES[profile];
    if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) ||
        !SSL_CTX_set_cipher_list(ctx, p->ciphers_12) ||
        !SSL_CTX_set_ciphersuites(ctx, p->ciphers_13) || !set_groups(ctx, p) ||
        !set_signature_list(ctx, p->signatures))
        return false;
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return true;
}

SSL_CTX *tls_context_new(struct tls_server *t)
{
    static const unsigned char id[] = "depesche";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return NULL;
    if (!tls_profile_apply(ctx, t->profile) ||
        !SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) ||
        !SSL_CTX_set_num_tickets(ctx, 1) || !SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_clear_options(ctx, SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_TICKET);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_recv_max_early_data(ctx, 0);
    SSL_CTX_set_timeout(ctx, LIMIT_TLS_TICKET_SECONDS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_app_data(ctx, t);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, t);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    if (t->audience == TLS_FOR_USERS)
        SSL_CTX_set_client_hello_cb(ctx, on_client_hello, t);
    return ctx;
}

bool tls_profile_ed25519(const struct tls_server *t)
{
    return t->profile == TLS_MODERN;
}

/* --- The server --- */

enum error tls_server_new(enum tls_profile profile, enum tls_audience audience,
                          const struct tls_identity *identities, size_t n, struct tls_server **out,
                          char *why, size_t why_size)
{
    struct tls_server *t = mem_alloc(sizeof *t);
    t->profile = profile;
    t->audience = audience;
    t->rotated = clock_ms();
    t->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!t->ticket_cipher)
        die("OpenSSL has no AES-256-CBC");
    pthread_mutex_init(&t->lock, NULL);
    ticket_make(&t->now);
    enum error e = tls_table_new(t, identities, n, &t->table, why, why_size);
    if (e != OK) {
        tls_server_free(t);
        return e;
    }
    *out = t;
    return OK;
}

enum error tls_server_reload(struct tls_server *t, const struct tls_identity *identities, size_t n,
                             char *why, size_t why_size)
{
    struct tls_table *fresh;
    enum error e = tls_table_new(t, identities, n, &fresh, why, why_size);
    if (e != OK)
        return e;
    pthread_mutex_lock(&t->lock);
    struct tls_table *old = t->table;
    t->table = fresh;
    pthread_mutex_unlock(&t->lock);
    tls_table_free(old); /* its contexts live on in the sessions that use them */
    return OK;
}

struct ssl_st *tls_server_session(struct tls_server *t)
{
    pthread_mutex_lock(&t->lock);
    SSL_CTX *ctx = tls_table_find(t->table, SLICE_NONE);
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&t->lock);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    return ssl;
}

void tls_server_free(struct tls_server *t)
{
    if (!t)
        return;
    tls_table_free(t->table);
    EVP_CIPHER_free(t->ticket_cipher);
    pthread_mutex_destroy(&t->lock);
    mem_wipe(t, sizeof *t);
    mem_free(t);
}
