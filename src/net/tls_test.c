/* The TLS profile, seen from OpenSSL clients: what is agreed, and what is refused. */
#include "net/test_tls.h"
#include "net/tls.h"
#include "net/tls_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Both ends of a handshake in memory. */
struct pair {
    SSL *server, *client;
    bool done;
};

static void step(SSL *ssl, bool *done, bool *failed)
{
    if (*done || *failed)
        return;
    ERR_clear_error();
    int r = SSL_do_handshake(ssl);
    if (r == 1)
        *done = true;
    else if (SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ)
        *failed = true;
}

static struct pair shake(struct tls_server *t, SSL_CTX *ctx, const char *name, SSL_SESSION *session)
{
    struct pair p = {tls_server_session(t), SSL_new(ctx), false};
    BIO *a, *b;
    assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
    SSL_set_bio(p.server, a, a);
    SSL_set_bio(p.client, b, b);
    SSL_set_accept_state(p.server);
    SSL_set_connect_state(p.client);
    char copy[256];
    snprintf(copy, sizeof copy, "%s", name ? name : "");
    if (name)
        SSL_set_tlsext_host_name(p.client, copy);
    if (session)
        SSL_set_session(p.client, session);
    bool server = false, client = false, failed = false;
    for (int i = 0; i < 20; i++) {
        step(p.client, &client, &failed);
        step(p.server, &server, &failed);
    }
    p.done = server && client && !failed;
    if (p.done) { /* the client reads the tickets, the server nothing */
        char byte;
        assert_int_equal(SSL_write(p.server, "x", 1), 1);
        assert_int_equal(SSL_read(p.client, &byte, 1), 1);
    }
    return p;
}

static void part(struct pair *p)
{
    SSL_shutdown(p->client); /* else OpenSSL takes the session for broken and never resumes it */
    SSL_free(p->server);
    SSL_free(p->client);
    ERR_clear_error();
}

/* The common name of the certificate that the client saw. */
static void common_name(SSL *client, char out[64])
{
    X509 *x = SSL_get1_peer_certificate(client);
    assert_non_null(x);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 64);
    X509_free(x);
}

static struct tls_server *server_new(enum tls_profile profile, enum tls_audience audience)
{
    char why[256];
    struct tls_server *t;
    struct tls_identity id = test_identity("EC", "DNS:mail.example.org", "mail");
    assert_int_equal(tls_server_new(profile, audience, &id, 1, &t, why, sizeof why), OK);
    test_identity_free(&id);
    return t;
}

/* --- What is agreed --- */

struct agreement {
    const char *what;
    int max_version; /* of the client; 0: any */
    const char *ciphers_12, *ciphers_13, *groups, *signatures;
    unsigned long long options;
    const char *modern, *bsi; /* the cipher agreed with TLS for users; NULL: refused */
};

#define A256 "ECDHE-ECDSA-AES256-GCM-SHA384"

static const struct agreement AGREEMENTS[] = {
    {"default", 0, NULL, NULL, NULL, NULL, 0, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    {"client likes ChaCha best", 0, NULL,
     "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384", NULL, NULL, 0,
     "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    {"client likes AES-128 better than ChaCha", 0, NULL,
     "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", NULL, NULL, 0, "TLS_AES_128_GCM_SHA256",
     "TLS_AES_128_GCM_SHA256"},
    {"ChaCha only", 0, "ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_CHACHA20_POLY1305_SHA256", NULL, NULL,
     0, "TLS_CHACHA20_POLY1305_SHA256", NULL},
    {"CCM only", TLS1_3_VERSION, "ECDHE-ECDSA-AES256-CCM", "TLS_AES_128_CCM_SHA256", NULL, NULL, 0,
     NULL, NULL},
    {"TLS 1.2", TLS1_2_VERSION, NULL, NULL, NULL, NULL, 0, A256, A256},
    {"TLS 1.2, the client's order", TLS1_2_VERSION,
     "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:" A256, NULL, NULL, NULL, 0, A256,
     A256},
    {"TLS 1.2, ChaCha only", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL, NULL, 0,
     "ECDHE-ECDSA-CHACHA20-POLY1305", NULL},
    {"TLS 1.2, CBC only", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA", NULL,
     NULL, NULL, 0, NULL, NULL},
    {"TLS 1.2, no forward secrecy", TLS1_2_VERSION, "AES256-GCM-SHA384", NULL, NULL, NULL, 0, NULL,
     NULL},
    {"TLS 1.2, DHE", TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", NULL, NULL, NULL, 0, NULL, NULL},
    {"TLS 1.1", TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, NULL, 0, NULL, NULL},
    {"TLS 1.0", TLS1_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, NULL, 0, NULL, NULL},
    {"X25519 only", 0, NULL, NULL, "X25519", NULL, 0, "TLS_AES_256_GCM_SHA384", NULL},
    {"P-384 only", 0, NULL, NULL, "P-384", NULL, 0, "TLS_AES_256_GCM_SHA384",
     "TLS_AES_256_GCM_SHA384"},
    {"finite field only", 0, NULL, NULL, "ffdhe2048", NULL, 0, NULL, NULL},
    {"no extended master secret", TLS1_2_VERSION, NULL, NULL, NULL, NULL,
     SSL_OP_NO_EXTENDED_MASTER_SECRET, NULL, NULL},
    {"TLS 1.3 needs none", 0, NULL, NULL, NULL, NULL, SSL_OP_NO_EXTENDED_MASTER_SECRET,
     "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    {"SHA-1 signatures", TLS1_2_VERSION, "ALL:@SECLEVEL=0", NULL, NULL, "ECDSA+SHA1", 0, NULL,
     NULL},
};

static SSL_CTX *client_of(const struct agreement *a)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, a->max_version);
    SSL_CTX_set_options(ctx, a->options);
    char list[256];
    if (a->ciphers_12)
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, a->ciphers_12), 1);
    if (a->ciphers_13)
        assert_int_equal(SSL_CTX_set_ciphersuites(ctx, a->ciphers_13), 1);
    if (a->groups) {
        snprintf(list, sizeof list, "%s", a->groups);
        assert_int_equal(SSL_CTX_set1_groups_list(ctx, list), 1);
    }
    if (a->signatures) {
        snprintf(list, sizeof list, "%s", a->signatures);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(ctx, list), 1);
    }
    return ctx;
}

static void check_agreement(const struct agreement *a, struct tls_server *t, const char *wanted)
{
    SSL_CTX *ctx = client_of(a);
    struct pair p = shake(t, ctx, "mail.example.org", NULL);
    if (p.done != (wanted != NULL))
        fail_msg("%s: %s", a->what, p.done ? "agreed" : "refused");
    if (wanted)
        assert_string_equal(SSL_get_cipher_name(p.server), wanted);
    part(&p);
    SSL_CTX_free(ctx);
}

static void test_agreements(void **state)
{
    struct tls_server *modern = server_new(TLS_MODERN, TLS_FOR_USERS);
    struct tls_server *bsi = server_new(TLS_BSI, TLS_FOR_USERS);
    for (size_t i = 0; i < sizeof AGREEMENTS / sizeof *AGREEMENTS; i++) {
        check_agreement(&AGREEMENTS[i], modern, AGREEMENTS[i].modern);
        check_agreement(&AGREEMENTS[i], bsi, AGREEMENTS[i].bsi);
    }
    tls_server_free(modern);
    tls_server_free(bsi);
}

static void test_servers_need_no_ems(void **state)
{
    /* Port 25: an old sender with TLS 1.2 but without RFC 7627 is still better than clear text. */
    struct tls_server *t = server_new(TLS_MODERN, TLS_FOR_SERVERS);
    struct agreement old = {
        .what = "old", .max_version = TLS1_2_VERSION, .options = SSL_OP_NO_EXTENDED_MASTER_SECRET};
    check_agreement(&old, t, A256);
    tls_server_free(t);
}

static void test_no_extras(void **state)
{
    struct tls_server *t = server_new(TLS_MODERN, TLS_FOR_USERS);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct pair p = shake(t, ctx, NULL, NULL);
    assert_true(p.done);
    assert_null(SSL_get_current_compression(p.server));
    assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get_session(p.client)), 0);
    assert_true(SSL_get_mode(p.server) & SSL_MODE_RELEASE_BUFFERS);
    part(&p);

    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    p = shake(t, ctx, NULL, NULL);
    assert_true(p.done);
    assert_int_equal(SSL_get_extms_support(p.server), 1);
    /* The client asks for a renegotiation: the server says no and goes on. */
    assert_int_equal(SSL_renegotiate(p.client), 1);
    assert_int_not_equal(SSL_do_handshake(p.client), 1);
    char byte;
    assert_int_equal(SSL_read(p.server, &byte, 1), -1);
    assert_int_not_equal(SSL_do_handshake(p.client), 1);
    assert_int_equal(SSL_num_renegotiations(p.server), 0);
    part(&p);
    SSL_CTX_free(ctx);
    tls_server_free(t);
}

/* --- Names --- */

static void test_names(void **state)
{
    struct tls_identity ids[] = {
        test_identity("EC", "DNS:mail.example.org,DNS:MX.example.org", "first"),
        test_identity("EC", "DNS:*.example.net,DNS:example.net", "wild"),
        test_identity("EC", "DNS:imap.example.net", "exact"),
        test_identity("EC", "DNS:mail.example.org", "too late"),
        test_identity("EC", "", "nameless"),
    };
    static const struct {
        const char *asked, *answer;
    } table[] = {
        {NULL, "first"},
        {"mail.example.org", "first"},
        {"mail.example.org.", "first"},
        {"mx.EXAMPLE.org", "first"},
        {"unknown.example", "first"},
        {"example.net", "wild"},
        {"smtp.example.net", "wild"},
        {"SMTP.example.net.", "wild"},
        {"imap.example.net", "exact"},
        {"imap.example.net.", "exact"},
        {"a.b.example.net", "first"},
        {"*.example.net", "first"},
        {"localhost", "first"},
    };
    char why[256], seen[64];
    struct tls_server *t;
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_USERS, ids, 5, &t, why, sizeof why), OK);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct pair p = shake(t, ctx, table[i].asked, NULL);
        assert_true(p.done);
        common_name(p.client, seen);
        if (strcmp(seen, table[i].answer) != 0)
            fail_msg("%s: %s", table[i].asked ? table[i].asked : "(no name)", seen);
        part(&p);
    }
    SSL_CTX_free(ctx);
    tls_server_free(t);
    for (size_t i = 0; i < 5; i++)
        test_identity_free(&ids[i]);
}

static void test_two_kinds(void **state)
{
    struct tls_identity ids[] = {
        test_identity("EC", "DNS:mail.example.org,DNS:ec.example.org", "ec"),
        test_identity("RSA", "DNS:mail.example.org", "rsa"),
        test_identity("ED25519", "DNS:ed.example.org", "ed"),
    };
    static const struct {
        const char *asked, *signatures, *answer;
    } table[] = {
        {"mail.example.org", NULL, "ec"},
        {"mail.example.org", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256", "rsa"},
        {NULL, "rsa_pss_rsae_sha256:rsa_pkcs1_sha256", "rsa"}, /* also for who names nobody */
        {"ec.example.org", NULL, "ec"},
        {"ec.example.org", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256", NULL},
        {"ed.example.org", NULL, "ed"},
    };
    char why[256], seen[64];
    struct tls_server *t;
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_USERS, ids, 3, &t, why, sizeof why), OK);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct agreement a = {.signatures = table[i].signatures};
        SSL_CTX *ctx = client_of(&a);
        struct pair p = shake(t, ctx, table[i].asked, NULL);
        if (p.done != (table[i].answer != NULL))
            fail_msg("%s with %s", table[i].asked, table[i].signatures);
        if (p.done) {
            common_name(p.client, seen);
            assert_string_equal(seen, table[i].answer);
        }
        part(&p);
        SSL_CTX_free(ctx);
    }
    tls_server_free(t);
    for (size_t i = 0; i < 3; i++)
        test_identity_free(&ids[i]);
}

/* --- Reload --- */

static void test_reload(void **state)
{
    struct tls_server *t = server_new(TLS_MODERN, TLS_FOR_USERS);
    struct tls_identity fresh = test_identity("RSA", "DNS:mail.example.org", "fresh");
    struct tls_identity other = test_identity("RSA", "DNS:mail.example.org", "other");
    struct tls_identity mixed = {fresh.chain_pem, other.key_pem, "mixed.pem"};
    char why[256] = "", seen[64];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct pair before = shake(t, ctx, "mail.example.org", NULL);
    assert_true(before.done);
    SSL *waiting = tls_server_session(t); /* made before, shakes hands after: dropped unused */

    assert_int_equal(tls_server_reload(t, &mixed, 1, why, sizeof why), ERR_INPUT);
    assert_non_null(strstr(why, "mixed.pem"));
    struct pair p = shake(t, ctx, "mail.example.org", NULL);
    common_name(p.client, seen);
    assert_string_equal(seen, "mail");
    part(&p);

    assert_int_equal(tls_server_reload(t, &fresh, 1, why, sizeof why), OK);
    p = shake(t, ctx, "mail.example.org", NULL);
    common_name(p.client, seen);
    assert_string_equal(seen, "fresh");
    part(&p);

    char byte;
    assert_int_equal(SSL_write(before.server, "y", 1), 1);
    assert_int_equal(SSL_read(before.client, &byte, 1), 1);
    assert_int_equal(byte, 'y');
    common_name(before.client, seen);
    assert_string_equal(seen, "mail");
    part(&before);
    SSL_free(waiting);
    SSL_CTX_free(ctx);
    tls_server_free(t);
    test_identity_free(&fresh);
    test_identity_free(&other);
}

/* --- Tickets --- */

static bool resumes(struct tls_server *t, SSL_CTX *ctx, SSL_SESSION *session)
{
    struct pair p = shake(t, ctx, "mail.example.org", session);
    assert_true(p.done);
    bool reused = SSL_session_reused(p.server);
    part(&p);
    return reused;
}

static void test_tickets(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        struct tls_server *t = server_new(TLS_MODERN, TLS_FOR_USERS);
        struct tls_server *stranger = server_new(TLS_MODERN, TLS_FOR_USERS);
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(ctx, versions[i]);
        struct pair p = shake(t, ctx, "mail.example.org", NULL);
        assert_false(SSL_session_reused(p.server));
        SSL_SESSION *session = SSL_get1_session(p.client);
        assert_true(SSL_SESSION_has_ticket(session));
        part(&p);

        assert_true(resumes(t, ctx, session));
        assert_false(resumes(stranger, ctx, session));
        tls_server_rotate(t); /* not a day old */
        assert_true(resumes(t, ctx, session));
        tls_ticket_replace(t); /* the key before still opens */
        assert_true(resumes(t, ctx, session));
        tls_ticket_replace(t);
        assert_false(resumes(t, ctx, session));
        SSL_SESSION_free(session);
        SSL_CTX_free(ctx);
        tls_server_free(t);
        tls_server_free(stranger);
    }
}

/* --- What is not taken --- */

static void test_refused_identities(void **state)
{
    struct tls_identity ec = test_identity("EC", "DNS:a.example", "ec");
    struct tls_identity ed = test_identity("ED25519", "DNS:a.example", "ed");
    struct slice cut = slice_sub(ec.chain_pem, 0, ec.chain_pem.n / 2);
    struct {
        struct tls_identity id;
        enum tls_profile profile;
        const char *part;
    } table[] = {
        {{SLICE(""), ec.key_pem, "none.pem"}, TLS_MODERN, "no certificate"},
        {{cut, ec.key_pem, "cut.pem"}, TLS_MODERN, "no certificate"},
        {{ec.chain_pem, SLICE("-----BEGIN X-----\n"), "junk.pem"}, TLS_MODERN, "no private key"},
        {{ec.chain_pem, ed.key_pem, "mixed.pem"}, TLS_MODERN, "do not belong together"},
        {{ed.chain_pem, ed.key_pem, "ed.pem"}, TLS_BSI, "Ed25519"},
    };
    char why[256];
    struct tls_server *t = NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(
            tls_server_new(table[i].profile, TLS_FOR_USERS, &table[i].id, 1, &t, why, sizeof why),
            ERR_INPUT);
        assert_non_null(strstr(why, table[i].id.name));
        if (!strstr(why, table[i].part))
            fail_msg("%s", why);
    }
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_USERS, NULL, 0, &t, why, sizeof why),
                     ERR_INPUT);
    assert_null(t);
    test_identity_free(&ec);
    test_identity_free(&ed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreements), cmocka_unit_test(test_servers_need_no_ems),
        cmocka_unit_test(test_no_extras),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_two_kinds),  cmocka_unit_test(test_reload),
        cmocka_unit_test(test_tickets),    cmocka_unit_test(test_refused_identities),
    };
    int failed = cmocka_run_group_tests_name("tls", tests, NULL, NULL);
    OPENSSL_cleanup(); /* what is left then is a leak */
    return failed;
}
