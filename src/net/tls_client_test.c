/* Whom one talks to: every way a certificate can be right or wrong, against OpenSSL as server. */
#include "net/test_chain.h"
#include "net/tls_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOST "mx1.example.net"

/* --- The cast --- */

enum who {
    NOBODY,
    ROOT,  /* known to the client */
    INTER, /* by ROOT */
    GOOD,  /* by INTER, for HOST */
    SPARE, /* as GOOD, another key */
    WILD,  /* by INTER, for *.example.net */
    EXPIRED,
    EARLY,
    COMMON, /* by INTER, HOST as common name only */
    OTHER,  /* by INTER, for other names */
    NUL,    /* by INTER, "mx1.example.net\0.evil.example" */
    CLIENT, /* by INTER, for HOST, but no server's */
    SELF,   /* itself, for HOST */
    SELF_OLD,
    SELF_OTHER,
    STRANGE_ROOT, /* not known to the client */
    STRANGE,      /* by STRANGE_ROOT, for HOST */
    STRANGE_OLD,
    STRANGE_OTHER,
    CAST,
};

static struct test_cert cast[CAST];

struct part {
    enum who who, issuer;
    struct test_cert_spec spec;
};

static const struct part PARTS[] = {
    {ROOT, NOBODY, {.cn = "Root", .ca = true}},
    {INTER, ROOT, {.cn = "Inter", .ca = true}},
    {GOOD, INTER, {.names = "DNS:" HOST}},
    {SPARE, INTER, {.names = "DNS:" HOST}},
    {WILD, INTER, {.names = "DNS:*.example.net"}},
    {EXPIRED, INTER, {.names = "DNS:" HOST, .days_from = -30, .days_to = -1}},
    {EARLY, INTER, {.names = "DNS:" HOST, .days_from = 1, .days_to = 30}},
    {COMMON, INTER, {.cn = HOST}},
    {OTHER, INTER, {.names = "DNS:mail.other.example,IP:127.0.0.1,DNS:www.other.example"}},
    {CLIENT, INTER, {.names = "DNS:" HOST, .purpose = "clientAuth"}},
    {SELF, NOBODY, {.names = "DNS:" HOST, .cn = "Self"}},
    {SELF_OLD, NOBODY, {.names = "DNS:" HOST, .days_from = -30, .days_to = -1}},
    {SELF_OTHER, NOBODY, {.names = "DNS:mail.other.example", .cn = "localhost"}},
    {STRANGE_ROOT, NOBODY, {.cn = "Strange", .ca = true}},
    {STRANGE, STRANGE_ROOT, {.names = "DNS:" HOST}},
    {STRANGE_OLD, STRANGE_ROOT, {.names = "DNS:" HOST, .days_from = -30, .days_to = -1}},
    {STRANGE_OTHER, STRANGE_ROOT, {.names = "DNS:mail.other.example"}},
};

/* OpenSSL's configuration cannot write this one. */
static void make_nul(void)
{
    static const char name[] = HOST "\0.evil.example";
    cast[NUL] = test_cert(&(struct test_cert_spec){.cn = "nul", .issuer = &cast[INTER]});
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_IA5STRING *s = ASN1_IA5STRING_new();
    ASN1_STRING_set(s, name, sizeof name - 1);
    GENERAL_NAME_set0_value(g, GEN_DNS, s);
    sk_GENERAL_NAME_push(names, g);
    X509_add1_ext_i2d(cast[NUL].x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
    GENERAL_NAMES_free(names);
    X509_sign(cast[NUL].x, cast[INTER].key, EVP_sha256());
}

static int make_cast(void **state)
{
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        struct test_cert_spec spec = PARTS[i].spec;
        if (PARTS[i].issuer != NOBODY)
            spec.issuer = &cast[PARTS[i].issuer];
        cast[PARTS[i].who] = test_cert(&spec);
    }
    make_nul();
    return 0;
}

static int free_cast(void **state)
{
    for (int i = NOBODY + 1; i < CAST; i++)
        test_cert_free(&cast[i]);
    return 0;
}

static struct tls_client *client_new(enum tls_profile profile)
{
    char why[200];
    struct tls_client *t;
    struct slice pem = test_cert_pem(&cast[ROOT]);
    assert_int_equal(tls_client_new(profile, pem, &t, why, sizeof why), OK);
    test_slice_free(pem);
    return t;
}

/* --- Both ends of a handshake in memory --- */

static bool shake(SSL *server, SSL *client)
{
    BIO *a, *b;
    bool done = false;
    assert_int_equal(BIO_new_bio_pair(&a, 400000, &b, 400000), 1);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    for (int i = 0; i < 20 && !done; i++) {
        int c = SSL_do_handshake(client), s = SSL_do_handshake(server);
        done = c == 1 && s == 1;
    }
    ERR_clear_error();
    return done;
}

static void judge(struct tls_client *t, SSL_CTX *ctx, const struct tls_wish *w,
                  struct tls_outcome *out)
{
    SSL *server = SSL_new(ctx), *client = tls_client_session(t, w);
    assert_non_null(client);
    assert_true(shake(server, client));
    tls_client_judge(client, w, out);
    SSL_free(server);
    SSL_free(client);
}

/* --- Certificates by authorities --- */

struct pkix_case {
    const char *what;
    enum who server, above[2];
    const char *name[3];
    enum problem problem;
    const char *detail; /* a part of it; NULL: empty */
};

static const struct pkix_case PKIX[] = {
    {"good", GOOD, {INTER}, {HOST}, PROBLEM_NONE, NULL},
    {"root is sent too", GOOD, {INTER, ROOT}, {HOST}, PROBLEM_NONE, NULL},
    {"case does not matter", GOOD, {INTER}, {"MX1.Example.NET"}, PROBLEM_NONE, NULL},
    {"the second name", GOOD, {INTER}, {"a.example", HOST}, PROBLEM_NONE, NULL},
    {"our pattern", GOOD, {INTER}, {"*.example.net"}, PROBLEM_NONE, NULL},
    {"their wildcard", WILD, {INTER}, {HOST}, PROBLEM_NONE, NULL},
    {"both", WILD, {INTER}, {"*.example.net"}, PROBLEM_NONE, NULL},
    {"their wildcard is one label",
     WILD,
     {INTER},
     {"a.mx1.example.net"},
     PROBLEM_CERT_NAME,
     "*.example.net"},
    {"... and not none", WILD, {INTER}, {"example.net"}, PROBLEM_CERT_NAME, "*.example.net"},
    {"our pattern is one label", GOOD, {INTER}, {"*.net"}, PROBLEM_CERT_NAME, HOST},
    {"... and not a part", GOOD, {INTER}, {"*1.example.net"}, PROBLEM_CERT_NAME, HOST},
    {"wrong name", GOOD, {INTER}, {"mx2.example.net"}, PROBLEM_CERT_NAME, "is for " HOST},
    {"no name wished", GOOD, {INTER}, {NULL}, PROBLEM_CERT_NAME, HOST},
    {"several others",
     OTHER,
     {INTER},
     {HOST},
     PROBLEM_CERT_NAME,
     "mail.other.example, www.other.example"},
    {"an address is no host", OTHER, {INTER}, {"127.0.0.1"}, PROBLEM_CERT_NAME, "other"},
    {"common name does not count", COMMON, {INTER}, {HOST}, PROBLEM_CERT_NAME, "names no host"},
    {"NUL in the name", NUL, {INTER}, {HOST}, PROBLEM_CERT_NAME, HOST "?.evil.example"},
    {"expired", EXPIRED, {INTER}, {HOST}, PROBLEM_CERT_EXPIRED, "expired; the server's is valid"},
    {"not yet valid", EARLY, {INTER}, {HOST}, PROBLEM_CERT_EXPIRED, "not yet valid"},
    {"for clients", CLIENT, {INTER}, {HOST}, PROBLEM_CERT_BAD, "purpose"},
    {"self-signed", SELF, {NOBODY}, {HOST}, PROBLEM_CERT_UNTRUSTED, "self"},
    {"unknown authority", STRANGE, {NOBODY}, {HOST}, PROBLEM_CERT_UNTRUSTED, "issuer"},
    {"... that is sent", STRANGE, {STRANGE_ROOT}, {HOST}, PROBLEM_CERT_UNTRUSTED, "self"},
    {"link missing", GOOD, {NOBODY}, {HOST}, PROBLEM_CERT_UNTRUSTED, "issuer"},
    {"wrong link", GOOD, {STRANGE_ROOT}, {HOST}, PROBLEM_CERT_UNTRUSTED, "issuer"},
};

static SSL_CTX *server_of(enum who leaf, const enum who above[2])
{
    const struct test_cert *chain[3] = {NULL};
    for (int i = 0; i < 2 && above[i] != NOBODY; i++)
        chain[i] = &cast[above[i]];
    return test_server_context(&cast[leaf], chain);
}

static void check_outcome(const char *what, const struct tls_outcome *o, enum problem problem,
                          const char *detail)
{
    if (o->problem != problem)
        fail_msg("%s: %s (%s), expected %s", what, problem_word(o->problem), o->detail,
                 problem_word(problem));
    if (detail ? !strstr(o->detail, detail) : o->detail[0] != 0)
        fail_msg("%s: detail \"%s\"", what, o->detail);
    assert_string_equal(o->version, "TLSv1.3");
    assert_string_equal(o->cipher, "TLS_AES_256_GCM_SHA384");
}

static void test_pkix(void **state)
{
    struct tls_client *t = client_new(TLS_MODERN);
    for (size_t i = 0; i < sizeof PKIX / sizeof *PKIX; i++) {
        const struct pkix_case *c = &PKIX[i];
        SSL_CTX *ctx = server_of(c->server, c->above);
        struct slice names[3];
        size_t n = 0;
        for (; n < 3 && c->name[n]; n++)
            names[n] = slice_str(c->name[n]);
        struct tls_wish w = {
            .check = TLS_CHECK_PKIX, .sni = SLICE(HOST), .names = names, .n_names = n};
        struct tls_outcome o;
        judge(t, ctx, &w, &o);
        check_outcome(c->what, &o, c->problem, c->detail);
        /* Whoever wishes nothing gets it, whatever the certificate. */
        w.check = TLS_CHECK_NOTHING;
        judge(t, ctx, &w, &o);
        assert_int_equal(o.problem, PROBLEM_NONE);
        SSL_CTX_free(ctx);
    }
    tls_client_free(t);
}

/* --- DANE --- */

struct record {
    enum who of; /* NOBODY: 32 bytes of nothing */
    uint8_t usage, selector, matching;
};

struct dane_case {
    const char *what;
    enum who server, above[2];
    struct record record[3];
    size_t n;
    const char *name; /* NULL: HOST */
    enum problem problem;
};

static const struct dane_case DANE[] = {
    {"3 1 1", GOOD, {INTER}, {{GOOD, 3, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"3 1 2", GOOD, {INTER}, {{GOOD, 3, 1, 2}}, 1, NULL, PROBLEM_NONE},
    {"3 1 0", GOOD, {INTER}, {{GOOD, 3, 1, 0}}, 1, NULL, PROBLEM_NONE},
    {"3 0 1", GOOD, {INTER}, {{GOOD, 3, 0, 1}}, 1, NULL, PROBLEM_NONE},
    {"3 0 2", GOOD, {INTER}, {{GOOD, 3, 0, 2}}, 1, NULL, PROBLEM_NONE},
    {"3 0 0", GOOD, {INTER}, {{GOOD, 3, 0, 0}}, 1, NULL, PROBLEM_NONE},
    {"EE, self-signed", SELF, {NOBODY}, {{SELF, 3, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"EE, expired", SELF_OLD, {NOBODY}, {{SELF_OLD, 3, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"EE, other name", SELF_OTHER, {NOBODY}, {{SELF_OTHER, 3, 0, 2}}, 1, NULL, PROBLEM_NONE},
    {"EE, for clients", CLIENT, {INTER}, {{CLIENT, 3, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"EE, link missing", GOOD, {NOBODY}, {{GOOD, 3, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"EE, another key", GOOD, {INTER}, {{SPARE, 3, 1, 1}}, 1, NULL, PROBLEM_DANE_MISMATCH},
    {"EE, another key, in full", GOOD, {INTER}, {{SPARE, 3, 1, 0}}, 1, NULL, PROBLEM_DANE_MISMATCH},
    {"EE, a key in the chain", GOOD, {INTER}, {{INTER, 3, 1, 1}}, 1, NULL, PROBLEM_DANE_MISMATCH},
    {"EE, selector of the other",
     GOOD,
     {INTER},
     {{GOOD, 3, 1, 1}, {GOOD, 3, 0, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"roll-over, new key",
     SPARE,
     {INTER},
     {{GOOD, 3, 1, 1}, {SPARE, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"roll-over, old key",
     GOOD,
     {INTER},
     {{GOOD, 3, 1, 1}, {SPARE, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"roll-over, neither",
     WILD,
     {INTER},
     {{GOOD, 3, 1, 1}, {SPARE, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_DANE_MISMATCH},
    {"2 0 1, sent", STRANGE, {STRANGE_ROOT}, {{STRANGE_ROOT, 2, 0, 1}}, 1, NULL, PROBLEM_NONE},
    {"2 1 1, sent", STRANGE, {STRANGE_ROOT}, {{STRANGE_ROOT, 2, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"2 1 2, sent", STRANGE, {STRANGE_ROOT}, {{STRANGE_ROOT, 2, 1, 2}}, 1, NULL, PROBLEM_NONE},
    {"2 0 1, not sent",
     STRANGE,
     {NOBODY},
     {{STRANGE_ROOT, 2, 0, 1}},
     1,
     NULL,
     PROBLEM_DANE_MISMATCH},
    {"2 0 0, not sent", STRANGE, {NOBODY}, {{STRANGE_ROOT, 2, 0, 0}}, 1, NULL, PROBLEM_NONE},
    {"2 1 0, not sent", STRANGE, {NOBODY}, {{STRANGE_ROOT, 2, 1, 0}}, 1, NULL, PROBLEM_NONE},
    {"2 0 0, sent too", STRANGE, {STRANGE_ROOT}, {{STRANGE_ROOT, 2, 0, 0}}, 1, NULL, PROBLEM_NONE},
    {"TA in the middle", GOOD, {INTER}, {{INTER, 2, 1, 1}}, 1, NULL, PROBLEM_NONE},
    {"TA at the top", GOOD, {INTER, ROOT}, {{ROOT, 2, 0, 1}}, 1, NULL, PROBLEM_NONE},
    {"TA, another one",
     GOOD,
     {INTER, ROOT},
     {{STRANGE_ROOT, 2, 0, 1}},
     1,
     NULL,
     PROBLEM_DANE_MISMATCH},
    {"TA in full, another one",
     GOOD,
     {INTER, ROOT},
     {{STRANGE_ROOT, 2, 0, 0}},
     1,
     NULL,
     PROBLEM_DANE_MISMATCH},
    {"TA, expired",
     STRANGE_OLD,
     {STRANGE_ROOT},
     {{STRANGE_ROOT, 2, 0, 1}},
     1,
     NULL,
     PROBLEM_CERT_EXPIRED},
    {"TA, other name",
     STRANGE_OTHER,
     {STRANGE_ROOT},
     {{STRANGE_ROOT, 2, 0, 1}},
     1,
     NULL,
     PROBLEM_CERT_NAME},
    {"TA, the next hop's name",
     STRANGE_OTHER,
     {STRANGE_ROOT},
     {{STRANGE_ROOT, 2, 0, 1}},
     1,
     "mail.other.example",
     PROBLEM_NONE},
    {"TA, wildcard", WILD, {INTER}, {{INTER, 2, 0, 1}}, 1, NULL, PROBLEM_NONE},
    {"TA and EE, name wrong, EE fits",
     STRANGE_OTHER,
     {STRANGE_ROOT},
     {{STRANGE_ROOT, 2, 0, 1}, {STRANGE_OTHER, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"EE does not fit, TA does",
     STRANGE,
     {STRANGE_ROOT},
     {{GOOD, 3, 1, 1}, {STRANGE_ROOT, 2, 0, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"PKIX-EE alone", GOOD, {INTER}, {{GOOD, 1, 1, 1}}, 1, NULL, PROBLEM_DANE_UNUSABLE},
    {"PKIX-TA alone", GOOD, {INTER}, {{ROOT, 0, 0, 1}}, 1, NULL, PROBLEM_DANE_UNUSABLE},
    {"matching 3 alone", GOOD, {INTER}, {{NOBODY, 3, 1, 3}}, 1, NULL, PROBLEM_DANE_UNUSABLE},
    {"none", GOOD, {INTER}, {{NOBODY, 0, 0, 0}}, 0, NULL, PROBLEM_DANE_UNUSABLE},
    {"an unusable one beside a good one",
     GOOD,
     {INTER},
     {{NOBODY, 3, 1, 2}, {GOOD, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_NONE},
    {"an unusable one that would fit beside one that does not",
     GOOD,
     {INTER},
     {{GOOD, 1, 1, 1}, {SPARE, 3, 1, 1}},
     2,
     NULL,
     PROBLEM_DANE_MISMATCH},
    {"a known authority does not help",
     GOOD,
     {INTER},
     {{NOBODY, 3, 1, 1}},
     1,
     NULL,
     PROBLEM_DANE_MISMATCH},
};

static struct dns_tlsa tlsa_of(const struct record *r)
{
    struct slice data = r->of == NOBODY ? slice_of(mem_alloc(32), 32)
                                        : test_tlsa_data(&cast[r->of], r->selector, r->matching);
    return (struct dns_tlsa){r->usage, r->selector, r->matching, data};
}

static void run_dane(struct tls_client *t, const struct dane_case *c)
{
    SSL_CTX *ctx = server_of(c->server, c->above);
    struct dns_tlsa tlsa[3];
    struct slice name = slice_str(c->name ? c->name : HOST);
    for (size_t i = 0; i < c->n; i++)
        tlsa[i] = tlsa_of(&c->record[i]);
    struct tls_wish w = {.check = TLS_CHECK_DANE,
                         .sni = name,
                         .names = &name,
                         .n_names = 1,
                         .tlsa = tlsa,
                         .n_tlsa = c->n};
    struct tls_outcome o;
    judge(t, ctx, &w, &o);
    if (o.problem != c->problem)
        fail_msg("%s: %s (%s), expected %s", c->what, problem_word(o.problem), o.detail,
                 problem_word(c->problem));
    uint8_t sum[32];
    X509_digest(cast[c->server].x, EVP_sha256(), sum, NULL);
    assert_memory_equal(o.leaf_sha256, sum, 32);
    for (size_t i = 0; i < c->n; i++)
        test_slice_free(tlsa[i].data);
    SSL_CTX_free(ctx);
}

static void test_dane(void **state)
{
    struct tls_client *t = client_new(TLS_BSI);
    for (size_t i = 0; i < sizeof DANE / sizeof *DANE; i++)
        run_dane(t, &DANE[i]);
    tls_client_free(t);
}

static void test_usable(void **state)
{
    uint8_t zeros[64] = {0};
    for (int usage = 0; usage < 6; usage++)
        for (int selector = 0; selector < 4; selector++)
            for (int matching = 1; matching < 5; matching++)
                for (size_t n = 0; n <= 64; n++) {
                    struct dns_tlsa r = {(uint8_t)usage, (uint8_t)selector, (uint8_t)matching,
                                         slice_of(zeros, n)};
                    bool right = (usage == 2 || usage == 3) && selector < 2 &&
                                 ((matching == 1 && n == 32) || (matching == 2 && n == 64));
                    assert_int_equal(tls_tlsa_usable(&r), right);
                }
    for (uint8_t selector = 0; selector < 2; selector++) {
        struct dns_tlsa r = tlsa_of(&(struct record){GOOD, 3, selector, 0});
        struct slice whole = r.data;
        assert_true(tls_tlsa_usable(&r));
        for (size_t n = 0; n < whole.n; n++) { /* cut off */
            r.data = slice_sub(whole, 0, n);
            assert_false(tls_tlsa_usable(&r));
        }
        r.data = whole;
        r.selector = !selector; /* a key is no certificate */
        assert_false(tls_tlsa_usable(&r));
        test_slice_free(whole);
    }
}

/* --- The channel --- */

static char *sni_seen;

static int on_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    sni_seen = name ? mem_strdup(name) : NULL;
    return SSL_TLSEXT_ERR_OK;
}

static void test_sni(void **state)
{
    static const struct {
        const char *wish, *seen;
    } cases[] = {
        {HOST, HOST},
        {"", NULL},
        {"192.0.2.1", NULL},
        {"2001:db8::1", NULL},
        {"a b.example", NULL},
        {"a.example.", NULL},
        {"_x.a-b.example", "_x.a-b.example"},
    };
    struct tls_client *t = client_new(TLS_MODERN);
    SSL_CTX *ctx = server_of(GOOD, (const enum who[2]){INTER});
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    struct dns_tlsa tlsa = tlsa_of(&(struct record){GOOD, 3, 1, 1});
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct tls_wish w = {.check = i % 2 ? TLS_CHECK_DANE : TLS_CHECK_NOTHING,
                             .sni = slice_str(cases[i / 2].wish),
                             .tlsa = &tlsa,
                             .n_tlsa = 1};
        struct tls_outcome o;
        judge(t, ctx, &w, &o);
        if (cases[i / 2].seen)
            assert_string_equal(sni_seen, cases[i / 2].seen);
        else
            assert_null(sni_seen);
        mem_free(sni_seen);
    }
    test_slice_free(tlsa.data);
    SSL_CTX_free(ctx);
    tls_client_free(t);
}

/* --- Servers that must not get through --- */

static bool shakes_with(struct tls_client *t, SSL_CTX *ctx)
{
    struct tls_wish w = {.check = TLS_CHECK_NOTHING};
    SSL *server = SSL_new(ctx), *client = tls_client_session(t, &w);
    bool done = shake(server, client);
    SSL_free(server);
    SSL_free(client);
    return done;
}

static void test_refused(void **state)
{
    struct tls_client *t = client_new(TLS_MODERN);
    SSL_CTX *ctx = server_of(GOOD, (const enum who[2]){INTER});
    assert_true(shakes_with(t, ctx));
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    assert_true(shakes_with(t, ctx));
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES256-SHA384"), 1); /* CBC */
    assert_false(shakes_with(t, ctx));
    SSL_CTX_free(ctx);
    ctx = server_of(GOOD, (const enum who[2]){INTER});
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    assert_false(shakes_with(t, ctx));
    SSL_CTX_free(ctx);
    tls_client_free(t);
}

/* A chain of some 300 KB, of certificates that are good. */
static void test_huge_chain(void **state)
{
    struct tls_client *t = client_new(TLS_MODERN);
    SSL_CTX *ctx = server_of(GOOD, (const enum who[2]){NOBODY});
    for (int i = 0; i < 100; i++)
        SSL_CTX_add1_chain_cert(ctx, cast[INTER].x);
    assert_true(shakes_with(t, ctx));
    for (int i = 0; i < 700; i++)
        SSL_CTX_add1_chain_cert(ctx, cast[INTER].x);
    assert_false(shakes_with(t, ctx));
    SSL_CTX_free(ctx);
    tls_client_free(t);
}

/* The server shows a certificate whose key it does not have: even who wishes nothing refuses. */
static void test_wrong_key(void **state)
{
    struct tls_client *t = client_new(TLS_MODERN);
    /* What is sent is the encoding that was signed; what OpenSSL's server compares is the other. */
    struct test_cert stolen = {X509_dup(cast[GOOD].x), cast[SPARE].key};
    X509_set_pubkey(stolen.x, cast[SPARE].key);
    SSL_CTX *ctx = test_server_context(&stolen, NULL);
    assert_false(shakes_with(t, ctx));
    X509_free(stolen.x);
    SSL_CTX_free(ctx);
    tls_client_free(t);
}

static void test_authorities(void **state)
{
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    char why[200] = "";
    struct tls_client *t;
    assert_int_equal(tls_client_new(TLS_MODERN, slice_str(broken), &t, why, sizeof why), ERR_INPUT);
    assert_non_null(strstr(why, "authorities"));
    assert_int_equal(tls_client_new(TLS_MODERN, SLICE("no certificates\n"), &t, why, sizeof why),
                     ERR_INPUT);
    assert_int_equal(tls_client_new(TLS_MODERN, SLICE_NONE, &t, why, sizeof why), OK);
    SSL_CTX *ctx = server_of(GOOD, (const enum who[2]){INTER, ROOT});
    struct slice name = SLICE(HOST);
    struct tls_wish w = {.check = TLS_CHECK_PKIX, .names = &name, .n_names = 1};
    struct tls_outcome o;
    judge(t, ctx, &w, &o);
    assert_int_equal(o.problem, PROBLEM_CERT_UNTRUSTED);
    SSL_CTX_free(ctx);
    tls_client_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pkix),      cmocka_unit_test(test_dane),
        cmocka_unit_test(test_usable),    cmocka_unit_test(test_sni),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_huge_chain),
        cmocka_unit_test(test_wrong_key), cmocka_unit_test(test_authorities),
    };
    return cmocka_run_group_tests(tests, make_cast, free_cast);
}
