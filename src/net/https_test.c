/* HTTPS against servers in threads: what is fetched, what is sent, and what is refused. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/https.h"
#include "net/test_chain.h"
#include "net/test_nsd.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NAME "mta-sts.web.test"

static struct test_cert root, good, expired, other, common, self;
static struct slice authorities;

static int make_certs(void **state)
{
    root = test_cert(&(struct test_cert_spec){.cn = "Root", .ca = true});
    good = test_cert(
        &(struct test_cert_spec){.names = "DNS:" NAME ",IP:127.0.0.1,IP:::1", .issuer = &root});
    expired = test_cert(&(struct test_cert_spec){
        .names = "IP:127.0.0.1", .issuer = &root, .days_from = -30, .days_to = -1});
    other = test_cert(&(struct test_cert_spec){.names = "DNS:other.test", .issuer = &root});
    common = test_cert(&(struct test_cert_spec){.cn = NAME, .issuer = &root});
    self = test_cert(&(struct test_cert_spec){.names = "IP:127.0.0.1"});
    authorities = test_cert_pem(&root);
    return https_prepare() != OK;
}

static int free_certs(void **state)
{
    struct test_cert *all[] = {&root, &good, &expired, &other, &common, &self};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        test_cert_free(all[i]);
    test_slice_free(authorities);
    return 0;
}

/* --- A server of one connection --- */

struct server {
    int listening;
    uint16_t port;
    SSL_CTX *ctx;
    pthread_t thread;
    const char *answer; /* NULL: never */
    size_t filler;      /* bytes behind the answer */
    char heard[4096];
    size_t n_heard;
};

/* Reads until the blank line and what Content-Length says. */
static void hear_request(struct server *s, SSL *ssl)
{
    while (s->n_heard + 1 < sizeof s->heard) {
        int n = SSL_read(ssl, s->heard + s->n_heard, (int)(sizeof s->heard - 1 - s->n_heard));
        if (n <= 0)
            return;
        s->n_heard += (size_t)n;
        s->heard[s->n_heard] = 0;
        const char *end = strstr(s->heard, "\r\n\r\n"), *length;
        if (!end)
            continue;
        length = strstr(s->heard, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (s->n_heard >= (size_t)(end + 4 - s->heard) + body)
            return;
    }
}

static void serve(struct server *s, SSL *ssl)
{
    static const char filler[1024] = {'x'};
    hear_request(s, ssl);
    if (!s->answer) {
        char byte;
        (void)SSL_read(ssl, &byte, 1);
        return;
    }
    bool good_so_far = SSL_write(ssl, s->answer, (int)strlen(s->answer)) > 0;
    for (size_t n = 0; good_so_far && n < s->filler; n += sizeof filler)
        good_so_far = SSL_write(ssl, filler, sizeof filler) > 0;
    SSL_shutdown(ssl);
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = s->listening, .events = POLLIN};
    struct timeval patience = {.tv_sec = 20};
    if (poll(&p, 1, 20000) <= 0)
        return NULL;
    int fd = accept(s->listening, NULL, NULL);
    if (fd < 0)
        return NULL;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    SSL *ssl = SSL_new(s->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        serve(s, ssl);
    SSL_free(ssl);
    ERR_clear_error();
    close(fd);
    return NULL;
}

static void server_start_full(struct server *s, const struct test_cert *cert, const char *answer,
                              size_t filler)
{
    *s =
        (struct server){.answer = answer, .filler = filler, .ctx = test_server_context(cert, NULL)};
    s->listening = test_listen(&s->port);
    assert_true(s->listening >= 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_start(struct server *s, const struct test_cert *cert, const char *answer)
{
    server_start_full(s, cert, answer, 0);
}

static void server_end(struct server *s)
{
    shutdown(s->listening, SHUT_RDWR); /* nobody may have come */
    pthread_join(s->thread, NULL);
    close(s->listening);
    SSL_CTX_free(s->ctx);
}

static struct https_request request(const char *url, uint16_t port)
{
    return (struct https_request){.url = slice_str(url),
                                  .ca_pem = authorities,
                                  .port = port,
                                  .timeout_ms = 10000,
                                  .inside = true};
}

#define POLICY "version: STSv1\nmode: none\n"

/* --- What works --- */

static void test_get(void **state)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    server_start(
        &s, &good,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\n" POLICY);
    struct https_request rq = request("https://127.0.0.1/.well-known/mta-sts.txt", s.port);
    assert_int_equal(https_do(&rq, &a, &out), OK);
    server_end(&s);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.content_type, "text/plain");
    assert_int_equal(a.problem, PROBLEM_NONE);
    assert_true(slice_eq(buf_slice(&out), SLICE(POLICY)));
    assert_non_null(strstr(s.heard, "GET /.well-known/mta-sts.txt HTTP/1.1\r\n"));
    assert_null(strstr(s.heard, "Cookie"));
}

static void test_post(void **state)
{
    static const uint8_t body[] = {0x1f, 0x8b, 0, 1, 2, 3};
    struct server s;
    struct https_answer a;
    char url[100];
    autobuf out = BUF_INIT(1000);
    server_start(&s, &good, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    snprintf(url, sizeof url, "https://127.0.0.1:%u/report", (unsigned)s.port);
    struct https_request rq = request(url, 0);
    rq.body = slice_of(body, sizeof body);
    rq.type = "application/tlsrpt+gzip";
    assert_int_equal(https_do(&rq, &a, &out), OK);
    server_end(&s);
    assert_int_equal(a.status, 201);
    assert_string_equal(a.content_type, "");
    assert_non_null(strstr(s.heard, "POST /report HTTP/1.1\r\n"));
    assert_non_null(strstr(s.heard, "Content-Type: application/tlsrpt+gzip\r\n"));
    assert_null(strstr(s.heard, "Expect"));
    assert_memory_equal(s.heard + s.n_heard - sizeof body, body, sizeof body);
}

/* RFC 8461 3.3: redirects are not followed, whatever the caller makes of the status. */
static void test_redirect(void **state)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    server_start(
        &s, &good,
        "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    struct https_request rq = request("https://127.0.0.1/x", s.port);
    assert_int_equal(https_do(&rq, &a, &out), OK);
    server_end(&s);
    assert_int_equal(a.status, 302);
}

/* --- Certificates --- */

static void test_certificates(void **state)
{
    const struct {
        const struct test_cert *cert;
        enum problem problem;
    } cases[] = {
        {&expired, PROBLEM_CERT_EXPIRED},
        {&other, PROBLEM_CERT_NAME},
        {&self, PROBLEM_CERT_UNTRUSTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server s;
        struct https_answer a;
        autobuf out = BUF_INIT(1000);
        server_start(&s, cases[i].cert, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        struct https_request rq = request("https://127.0.0.1/", s.port);
        assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
        server_end(&s);
        if (a.problem != cases[i].problem)
            fail_msg("%zu: %s (%s)", i, problem_word(a.problem), a.detail);
        assert_int_not_equal(a.detail[0], 0);
        assert_int_equal(s.n_heard, 0); /* the request was never said */
    }
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    struct https_request rq = request("https://127.0.0.1:1/", 0);
    rq.ca_pem = SLICE_NONE;
    assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
    assert_int_equal(a.problem, PROBLEM_CERT_UNTRUSTED);
}

/* A server with a cipher that only one of the profiles has. */
static void test_profile(void **state)
{
    for (enum tls_profile p = TLS_MODERN; p <= TLS_BSI; p++) {
        struct server s;
        struct https_answer a;
        autobuf out = BUF_INIT(1000);
        server_start(&s, &good, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        SSL_CTX_set_min_proto_version(s.ctx, TLS1_3_VERSION);
        assert_int_equal(SSL_CTX_set_ciphersuites(s.ctx, "TLS_CHACHA20_POLY1305_SHA256"), 1);
        struct https_request rq = request("https://127.0.0.1/", s.port);
        rq.profile = p;
        assert_int_equal(https_do(&rq, &a, &out), p == TLS_MODERN ? OK : ERR_IO);
        server_end(&s);
        assert_int_equal(a.problem, p == TLS_MODERN ? PROBLEM_NONE : PROBLEM_HANDSHAKE);
    }
}

/* --- Harm and silence --- */

static void test_too_large(void **state)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(LIMIT_STS_POLICY);
    server_start_full(&s, &good, "HTTP/1.1 200 OK\r\n\r\n", 10 * 1024 * 1024);
    struct https_request rq = request("https://127.0.0.1/", s.port);
    assert_int_equal(https_do(&rq, &a, &out), ERR_LIMIT);
    server_end(&s);
    assert_int_equal(a.status, 200);
    assert_true(out.n <= LIMIT_STS_POLICY);
}

static void test_endless_header(void **state)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(1000), answer = BUF_INIT(1024 * 1024);
    buf_str(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 5000; i++)
        buf_printf(&answer, "X-%d: yyyyyyyyyyyyyyyy\r\n", i);
    buf_str(&answer, "\r\n");
    buf_byte(&answer, 0);
    server_start(&s, &good, (const char *)answer.p);
    struct https_request rq = request("https://127.0.0.1/", s.port);
    assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
    server_end(&s);
    assert_int_equal(a.problem, PROBLEM_HTTP);
}

static void test_silence(void **state)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    server_start(&s, &good, NULL);
    struct https_request rq = request("https://127.0.0.1/", s.port);
    rq.timeout_ms = 300;
    int64_t begun = clock_ms();
    assert_int_equal(https_do(&rq, &a, &out), ERR_TIMEOUT);
    assert_in_range(clock_ms() - begun, 250, 3000);
    server_end(&s);
    assert_int_equal(a.problem, PROBLEM_TIMEOUT);
}

static void test_nobody(void **state)
{
    uint16_t port;
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    close(test_listen(&port));
    struct https_request rq = request("https://127.0.0.1/", port);
    assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
    assert_int_equal(a.problem, PROBLEM_CONNECT);
    rq.inside = false;
    assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
    assert_string_equal(a.detail, "its address is not public");
    rq = request("https://localhost/", port); /* the system's resolver would know it */
    assert_int_equal(https_do(&rq, &a, &out), ERR_IO);
    assert_int_equal(a.problem, PROBLEM_DNS);
}

static void test_urls(void **state)
{
    static const char *const bad[] = {
        "http://127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "127.0.0.1/",
        "https://",
        "https://user@127.0.0.1/",
        "https://u:p@127.0.0.1/",
        "https://127.0.0.1:0x1/",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1/a\r\nX: ",
        "https://exa mple.test/x",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct https_answer a;
        autobuf out = BUF_INIT(1000);
        struct https_request rq = request(bad[i], 0);
        if (https_do(&rq, &a, &out) != ERR_INPUT)
            fail_msg("\"%s\" is taken", bad[i]);
    }
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    struct https_request rq = request("https://127.0.0.1/", 1);
    rq.url = slice_of("https://127.0.0.1/\0x", 20);
    assert_int_equal(https_do(&rq, &a, &out), ERR_INPUT);
}

/* --- Names: through dns.h --- */

static const char web_zone[] = "$ORIGIN web.test.\n$TTL 60\n"
                               "@ IN SOA ns.web.test. admin.web.test. 1 3600 600 86400 60\n"
                               "@ IN NS ns.web.test.\nns IN A 127.0.0.1\n"
                               "mta-sts IN CNAME www\nwww IN A 127.0.0.1\nwww IN AAAA ::1\n"
                               "mail IN MX 10 www\n";

struct named_case {
    const char *name;
    const struct test_cert *cert;
    enum error e;
    enum problem problem;
};

static void run_named(struct dns *dns, const struct named_case *c)
{
    struct server s;
    struct https_answer a;
    autobuf out = BUF_INIT(1000);
    server_start(&s, c->cert, "HTTP/1.1 204 None\r\n\r\n");
    char url[100];
    snprintf(url, sizeof url, "https://%s/", c->name);
    struct https_request rq = request(url, s.port);
    rq.dns = dns;
    enum error e = https_do(&rq, &a, &out);
    server_end(&s);
    if (e != c->e || a.problem != c->problem)
        fail_msg("%s: %s, %s (%s)", c->name, error_name(e), problem_word(a.problem), a.detail);
}

static void test_names(void **state)
{
    static const char *const zones[] = {"web.test web.test", NULL};
    const struct named_case cases[] = {
        {NAME, &good, OK, PROBLEM_NONE},
        {NAME, &other, ERR_IO, PROBLEM_CERT_NAME},
        {NAME, &common, ERR_IO, PROBLEM_CERT_NAME},
        {"nobody.web.test", &good, ERR_IO, PROBLEM_NO_DOMAIN},
        {"mail.web.test", &good, ERR_IO, PROBLEM_NO_HOST},
    };
    struct test_nsd nsd;
    if (!test_nsd_installed())
        skip();
    assert_true(test_nsd_make(&nsd));
    test_nsd_write(&nsd, "web.test", web_zone);
    assert_true(test_nsd_start(&nsd, zones));
    struct dns_zone zone = {"web.test", {test_nsd_ip(), nsd.port}};
    struct dns *dns;
    assert_int_equal(dns_new(&(struct dns_options){.anchor = "",
                                                   .zones = &zone,
                                                   .n_zones = 1,
                                                   .known_good = "",
                                                   .known_bad = "",
                                                   .timeout_ms = 5000},
                             &dns),
                     OK);
    assert_int_equal(dns_start(dns), OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_named(dns, &cases[i]);
    dns_free(dns);
    test_nsd_stop(&nsd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile),        cmocka_unit_test(test_get),
        cmocka_unit_test(test_post),           cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_certificates),   cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_endless_header), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody),         cmocka_unit_test(test_urls),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
