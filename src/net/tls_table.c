/* Which certificate answers for which name.
 *
 * Every name stands in one sorted list with the identities that have it, at most one of each kind
 * of key (the first given wins). Names with the same identities share one SSL_CTX, so that a client
 * gets the ECDSA or the RSA certificate of a name, whichever it can verify. */
#include "base/limits.h"
#include "base/mem.h"
#include "net/tls_private.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum key_kind { KEY_EC, KEY_RSA, KEY_ED25519, KEY_KINDS };

/* An identity, read. */
struct parsed {
    X509 *leaf;
    STACK_OF(X509) * chain; /* what follows the leaf */
    EVP_PKEY *key;
    enum key_kind kind;
};

#define NAME_SIZE 256

struct name {
    char text[NAME_SIZE]; /* lower case, maybe "*.example.org" */
    int identity[KEY_KINDS];
    size_t order; /* as read, so that the first given wins */
    SSL_CTX *ctx; /* a reference of its own */
};

struct tls_table {
    SSL_CTX *first; /* for no name and for unknown ones */
    struct name *names;
    size_t n_names, cap_names;
};

struct building {
    struct tls_server *server;
    const struct tls_identity *given;
    struct parsed *parsed;
    size_t n;
    struct tls_table *table;
    char *why;
    size_t why_size;
};

static enum error explain(struct building *b, size_t i, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    char detail[160] = "";
    if (code)
        ERR_error_string_n(code, detail, sizeof detail);
    ERR_clear_error();
    snprintf(b->why, b->why_size, "%s: %s%s%s", b->given[i].name ? b->given[i].name : "identity",
             what, code ? ": " : "", detail);
    return ERR_INPUT;
}

/* --- Reading --- */

static BIO *bio_of(struct slice s)
{
    return s.n > INT_MAX ? NULL : BIO_new_mem_buf(s.p ? (const void *)s.p : "", (int)s.n);
}

/* A server's key has no pass phrase; without this OpenSSL would ask the terminal. */
static int no_passphrase(char *room, int size, int writing, void *arg)
{
    return -1;
}

static enum error read_chain(struct building *b, size_t i)
{
    struct parsed *p = &b->parsed[i];
    BIO *bio = bio_of(b->given[i].chain_pem);
    p->leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
    p->chain = sk_X509_new_null();
    enum error e = p->leaf && p->chain ? OK : explain(b, i, "no certificate in it");
    for (X509 *x; e == OK && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL));) {
        if (!sk_X509_push(p->chain, x)) {
            X509_free(x);
            e = explain(b, i, "the chain is too long");
        }
    }
    if (e == OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        e = explain(b, i, "a certificate of the chain is damaged");
    ERR_clear_error(); /* the end of the file */
    BIO_free(bio);
    return e;
}

static enum error read_key(struct building *b, size_t i)
{
    struct parsed *p = &b->parsed[i];
    BIO *bio = bio_of(b->given[i].key_pem);
    p->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!p->key)
        return explain(b, i, "no private key without a pass phrase in it");
    switch (EVP_PKEY_get_base_id(p->key)) {
    case EVP_PKEY_EC:
        p->kind = KEY_EC;
        break;
    case EVP_PKEY_RSA:
        p->kind = KEY_RSA;
        break;
    case EVP_PKEY_ED25519:
        p->kind = KEY_ED25519;
        if (!tls_profile_ed25519(b->server))
            return explain(b, i, "the profile allows no Ed25519 key");
        break;
    default:
        return explain(b, i, "the key is neither ECDSA, RSA nor Ed25519");
    }
    if (X509_check_private_key(p->leaf, p->key) != 1)
        return explain(b, i, "certificate and key do not belong together");
    return OK;
}

/* Lower case without a trailing dot; false when it is no usable name. */
static bool name_normal(struct slice s, char out[NAME_SIZE])
{
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || slice_cstr(s, out, NAME_SIZE) != OK)
        return false;
    for (char *p = out; *p; p++)
        *p = (char)ascii_lower((uint8_t)*p);
    return true;
}

static enum error add_name(struct building *b, size_t i, struct slice s)
{
    struct tls_table *t = b->table;
    struct name fresh = {.order = t->n_names};
    if (!name_normal(s, fresh.text))
        return OK; /* a name that no client can ask for */
    if (t->n_names == LIMIT_TLS_NAMES)
        return explain(b, i, "too many names in all certificates");
    for (int k = 0; k < KEY_KINDS; k++)
        fresh.identity[k] = -1;
    fresh.identity[b->parsed[i].kind] = (int)i;
    if (t->n_names == t->cap_names) {
        t->cap_names = t->cap_names ? 2 * t->cap_names : 16;
        t->names = mem_resize(t->names, t->cap_names, sizeof *t->names);
    }
    t->names[t->n_names++] = fresh;
    return OK;
}

static enum error read_names(struct building *b, size_t i)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(b->parsed[i].leaf, NID_subject_alt_name, NULL, NULL);
    enum error e = OK;
    for (int k = 0; e == OK && k < sk_GENERAL_NAME_num(all); k++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, k);
        if (g->type != GEN_DNS)
            continue;
        e = add_name(b, i,
                     slice_of(ASN1_STRING_get0_data(g->d.dNSName),
                              (size_t)ASN1_STRING_length(g->d.dNSName)));
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return e;
}

/* --- Names to contexts --- */

static int by_text(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int d = strcmp(x->text, y->text);
    if (d != 0)
        return d;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_identities(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    return memcmp(x->identity, y->identity, sizeof x->identity);
}

/* Sorts, and joins the entries of one name. */
static void join_names(struct tls_table *t)
{
    if (t->n_names == 0)
        return;
    qsort(t->names, t->n_names, sizeof *t->names, by_text);
    size_t kept = 0;
    for (size_t i = 1; i < t->n_names; i++) {
        struct name *last = &t->names[kept], *next = &t->names[i];
        if (strcmp(last->text, next->text) != 0) {
            t->names[++kept] = *next;
            continue;
        }
        for (int k = 0; k < KEY_KINDS; k++)
            if (last->identity[k] < 0)
                last->identity[k] = next->identity[k];
    }
    t->n_names = kept + 1;
}

static enum error make_context(struct building *b, const int identity[KEY_KINDS], SSL_CTX **out)
{
    SSL_CTX *ctx = tls_context_new(b->server);
    size_t i = 0;
    if (!ctx)
        return explain(b, 0, "OpenSSL refuses the profile");
    for (int k = 0; k < KEY_KINDS; k++) {
        if (identity[k] < 0)
            continue;
        i = (size_t)identity[k];
        struct parsed *p = &b->parsed[i];
        if (SSL_CTX_use_cert_and_key(ctx, p->leaf, p->key, p->chain, 1) != 1) {
            SSL_CTX_free(ctx);
            return explain(b, i, "OpenSSL refuses certificate or key");
        }
    }
    *out = ctx;
    return OK;
}

/* Brings the names with the same identities together to give them one context, then puts them in
 * order for finding. */
static enum error make_contexts(struct building *b)
{
    struct tls_table *t = b->table;
    enum error e = OK;
    if (t->n_names == 0)
        return OK;
    qsort(t->names, t->n_names, sizeof *t->names, by_identities);
    for (size_t i = 0; e == OK && i < t->n_names; i++) {
        struct name *n = &t->names[i];
        if (i > 0 && by_identities(n - 1, n) == 0) {
            n->ctx = n[-1].ctx;
            SSL_CTX_up_ref(n->ctx);
        } else {
            e = make_context(b, n->identity, &n->ctx);
        }
    }
    qsort(t->names, t->n_names, sizeof *t->names, by_text);
    return e;
}

/* The first identity, with those of other kinds that share a name with it. */
static enum error make_first(struct building *b)
{
    const struct tls_table *t = b->table;
    enum key_kind kind = b->parsed[0].kind;
    int identity[KEY_KINDS] = {-1, -1, -1};
    identity[kind] = 0;
    for (size_t i = 0; i < t->n_names; i++) {
        const int *here = t->names[i].identity;
        if (here[kind] != 0)
            continue;
        for (int k = 0; k < KEY_KINDS; k++)
            if (here[k] >= 0 && (identity[k] < 0 || here[k] < identity[k]))
                identity[k] = here[k];
    }
    return make_context(b, identity, &b->table->first);
}

enum error tls_table_new(struct tls_server *server, const struct tls_identity *identities, size_t n,
                         struct tls_table **out, char *why, size_t why_size)
{
    if (n == 0 || n > LIMIT_TLS_IDENTITIES) {
        snprintf(why, why_size, n ? "too many certificates" : "no certificate is given");
        return ERR_INPUT;
    }
    struct building b = {
        .server = server,
        .given = identities,
        .parsed = mem_array(n, sizeof(struct parsed)),
        .n = n,
        .table = mem_alloc(sizeof(struct tls_table)),
        .why = why,
        .why_size = why_size,
    };
    ERR_clear_error();
    enum error e = OK;
    for (size_t i = 0; e == OK && i < n; i++) {
        e = read_chain(&b, i);
        if (e == OK)
            e = read_key(&b, i);
        if (e == OK)
            e = read_names(&b, i);
    }
    if (e == OK) {
        join_names(b.table);
        e = make_contexts(&b);
    }
    if (e == OK)
        e = make_first(&b);
    for (size_t i = 0; i < n; i++) {
        X509_free(b.parsed[i].leaf);
        sk_X509_pop_free(b.parsed[i].chain, X509_free);
        EVP_PKEY_free(b.parsed[i].key);
    }
    mem_free(b.parsed);
    if (e != OK) {
        tls_table_free(b.table);
        return e;
    }
    *out = b.table;
    return OK;
}

/* --- Finding --- */

static int text_cmp(const void *key, const void *entry)
{
    return strcmp(key, ((const struct name *)entry)->text);
}

static SSL_CTX *find_exact(const struct tls_table *t, const char *text)
{
    if (t->n_names == 0)
        return NULL;
    const struct name *n = bsearch(text, t->names, t->n_names, sizeof *t->names, text_cmp);
    return n ? n->ctx : NULL;
}

SSL_CTX *tls_table_find(const struct tls_table *t, struct slice name)
{
    char text[NAME_SIZE];
    if (!name_normal(name, text) || text[0] == '*')
        return t->first;
    SSL_CTX *ctx = find_exact(t, text);
    if (ctx)
        return ctx;
    /* RFC 6125 6.4.3: "*" stands for exactly the leftmost label. */
    char *dot = strchr(text, '.');
    if (!dot || dot == text)
        return t->first;
    *--dot = '*';
    ctx = find_exact(t, dot);
    return ctx ? ctx : t->first;
}

void tls_table_free(struct tls_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_names; i++)
        SSL_CTX_free(t->names[i].ctx);
    SSL_CTX_free(t->first);
    mem_free(t->names);
    mem_free(t);
}
