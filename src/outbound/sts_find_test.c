/* What goes over HTTPS: asking for MTA-STS policies, with what is cached; reports. A real name
 * server, and one host for all names. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/https.h"
#include "outbound/sts.h"
#include "outbound/test_sink.h"
#include "outbound/test_world.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_world world;
static struct tls_identity identity;

/* The host: one answer for every name. */
static struct {
    struct test_sink tls; /* for its SSL_CTX */
    int fd;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint hits;
    const char *status, *type, *body;
    char request[4096]; /* the last one */
} host;

/* A GET, or a POST whose body ends with '}'. */
static bool read_request(SSL *ssl)
{
    size_t n = 0;
    for (;;) {
        int got = SSL_read(ssl, host.request + n, (int)(sizeof host.request - 1 - n));
        if (got <= 0)
            return false;
        n += (size_t)got;
        host.request[n] = '\0';
        if (host.request[n - 1] == (host.request[0] == 'P' ? '}' : '\n'))
            return true;
    }
}

static void answer_one(int fd)
{
    char out[8192];
    SSL *ssl = SSL_new(host.tls.ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && read_request(ssl)) {
        atomic_fetch_add(&host.hits, 1);
        int n = snprintf(out, sizeof out,
                         "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n%s",
                         host.status, host.type, strlen(host.body), host.body);
        SSL_write(ssl, out, n);
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
    close(fd);
}

static void *host_run(void *arg)
{
    while (!atomic_load(&host.stopping)) {
        struct pollfd p = {.fd = host.fd, .events = POLLIN};
        if (poll(&p, 1, 50) != 1)
            continue;
        int fd = accept4(host.fd, NULL, NULL, SOCK_CLOEXEC);
        struct timeval patience = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        answer_one(fd);
    }
    return NULL;
}

#define POLICY  "version: STSv1\nmode: enforce\nmx: *.example\nmax_age: 864000\n"
#define TESTING "version: STSv1\nmode: testing\nmx: *.example\nmax_age: 864000\n"

static const char names[] = "DNS:mta-sts.a.plain.test,DNS:mta-sts.b.plain.test,"
                            "DNS:mta-sts.c.plain.test,DNS:mta-sts.d.plain.test,"
                            "DNS:mta-sts.e.plain.test,DNS:mta-sts.f.plain.test";

static const char zone[] = "mta-sts.a IN A 127.0.0.1\nmta-sts.b IN A 127.0.0.1\n"
                           "mta-sts.c IN A 127.0.0.1\nmta-sts.d IN A 127.0.0.1\n"
                           "mta-sts.e IN A 127.0.0.1\nmta-sts.f IN A 127.0.0.1\n"
                           "mta-sts.g IN A 127.0.0.1\n"
                           "_mta-sts.a IN TXT \"v=STSv1; id=A1;\"\n"
                           "_mta-sts.a IN TXT \"another record\"\n"
                           "_mta-sts.b IN TXT \"v=STSv1; \" \"id=B1;\"\n"
                           "_mta-sts.c IN TXT \"v=STSv1; id=C1\"\n"
                           "_mta-sts.d IN TXT \"v=STSv1; id=D1\"\n"
                           "_mta-sts.e IN TXT \"v=STSv1; id=E1\"\n"
                           "_mta-sts.f IN TXT \"v=STSv1; id=F1\"\n"
                           "_mta-sts.f IN TXT \"v=STSv1; id=F2\"\n"
                           "_mta-sts.g IN TXT \"v=STSv1; id=G1\"\n"
                           "_mta-sts.h IN TXT \"v=STSv1; id=H1\"\n";

static int set_up(void **state)
{
    uint16_t port = 0;
    if (!test_nsd_installed())
        return 0;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(https_prepare(), OK);
    identity = test_identity("EC", names, "policy host");
    test_sink_identity(&host.tls, &identity);
    host.fd = test_listen(&port);
    assert_int_equal(pthread_create(&host.thread, NULL, host_run, NULL), 0);
    assert_true(test_world_make(&world, "", zone));
    assert_true(test_world_resolve(&world, "", ""));
    world.o.https_port = port;
    world.o.https_inside = true;
    world.o.ca_pem = identity.chain_pem;
    return 0;
}

static int tear_down(void **state)
{
    if (!test_nsd_installed())
        return 0;
    atomic_store(&host.stopping, true);
    pthread_join(host.thread, NULL);
    close(host.fd);
    SSL_CTX_free(host.tls.ctx);
    test_identity_free(&identity);
    test_world_free(&world);
    return 0;
}

enum age { FRESH, OLD, EXPIRED };

static const struct {
    const char *domain;
    const char *cached_id, *cached; /* "": nothing */
    enum age age;
    const char *status, *type, *body; /* what the host would answer */
    const char *policy;               /* that is in force then */
    const char *id;
    bool changed;
    enum problem problem;
    enum tlsrpt_result result;
    unsigned hits;
} cases[] = {
    {"a.plain.test", "", "", FRESH, "200 OK", "text/plain", POLICY, POLICY, "A1", true, 0, 0, 1},
    {"a.plain.test", "A1", POLICY, FRESH, "200 OK", "text/plain", TESTING, POLICY, "A1", false, 0,
     0, 0},
    {"a.plain.test", "A0", POLICY, FRESH, "200 OK", "text/plain; charset=utf-8", TESTING, TESTING,
     "A1", true, 0, 0, 1},
    /* half of its life is over */
    {"a.plain.test", "A1", POLICY, OLD, "200 OK", "text/plain", TESTING, TESTING, "A1", true, 0, 0,
     1},
    {"a.plain.test", "A1", POLICY, EXPIRED, "200 OK", "text/plain", TESTING, TESTING, "A1", true, 0,
     0, 1},
    /* what fails is not asked again at once; a policy that holds stays */
    {"b.plain.test", "", "", FRESH, "200 OK", "text/html", POLICY, "", "", false,
     PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_INVALID, 1},
    {"b.plain.test", "B0", POLICY, FRESH, "200 OK", "text/plain", TESTING, POLICY, "B0", false,
     PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_FETCH_ERROR, 0},
    {"c.plain.test", "C0", POLICY, FRESH, "404 Not Found", "text/plain", POLICY, POLICY, "C0",
     false, PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_FETCH_ERROR, 1},
    {"d.plain.test", "D0", POLICY, EXPIRED, "200 OK", "text/plain", "mode: enforce\n", "", "",
     false, PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_INVALID, 1},
    {"e.plain.test", "", "", FRESH, "301 Moved\r\nLocation: https://mta-sts.a.plain.test/",
     "text/plain", POLICY, "", "", false, PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_FETCH_ERROR, 1},
    /* two records are as good as none */
    {"f.plain.test", "", "", FRESH, "200 OK", "text/plain", POLICY, "", "", false, 0, 0, 0},
    {"f.plain.test", "F1", POLICY, FRESH, "200 OK", "text/plain", TESTING, POLICY, "F1", false, 0,
     0, 0},
    {"f.plain.test", "F1", POLICY, EXPIRED, "200 OK", "text/plain", TESTING, "", "", true, 0, 0, 0},
    /* a certificate for another name; no policy host */
    {"g.plain.test", "", "", FRESH, "200 OK", "text/plain", POLICY, "", "", false,
     PROBLEM_STS_POLICY, TLSRPT_STS_WEBPKI_INVALID, 0},
    {"h.plain.test", "", "", FRESH, "200 OK", "text/plain", POLICY, "", "", false,
     PROBLEM_STS_POLICY, TLSRPT_STS_POLICY_FETCH_ERROR, 0},
    {"none.plain.test", "", "", FRESH, "200 OK", "text/plain", POLICY, "", "", false, 0, 0, 0},
    /* nobody knows whether there is a record */
    {"dead.test", "1", POLICY, FRESH, "200 OK", "text/plain", TESTING, POLICY, "1", false, 0, 0, 0},
    {"dead.test", "1", POLICY, EXPIRED, "200 OK", "text/plain", TESTING, "", "", false, 0, 0, 0},
};

static int64_t expiry(enum age age)
{
    static const int64_t left[] = {[FRESH] = 863000, [OLD] = 100000, [EXPIRED] = -1};
    return clock_wall() + left[age];
}

static void policies(void **state)
{
    if (!test_nsd_installed())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct relay_sts cached = {.id = slice_str(cases[i].cached_id),
                                   .policy = slice_str(cases[i].cached),
                                   .expires = expiry(cases[i].age)};
        struct sts_found found;
        print_message("%zu: %s\n", i, cases[i].domain);
        host.status = cases[i].status;
        host.type = cases[i].type;
        host.body = cases[i].body;
        atomic_store(&host.hits, 0);
        sts_find(&world.o, slice_str(cases[i].domain), &cached, clock_ms() + 20000, &a, &found);
        if (found.problem != cases[i].problem)
            fail_msg("%s", found.detail);
        assert_string_equal(tlsrpt_result_word(found.result), tlsrpt_result_word(cases[i].result));
        assert_true(slice_eq(found.sts.policy, slice_str(cases[i].policy)));
        assert_true(slice_eq(found.sts.id, slice_str(cases[i].id)));
        assert_int_equal(found.changed, cases[i].changed);
        assert_int_equal(atomic_load(&host.hits), cases[i].hits);
        if (found.changed && found.sts.policy.n)
            assert_in_range(found.sts.expires, clock_wall() + 863990, clock_wall() + 864000);
    }
}

/* --- Reports that go by HTTPS (RFC 8460 5.4) --- */

static struct {
    struct relay_outcome_of outcome;
    atomic_bool came;
} result;

static void on_done(void *arg, uint64_t ticket, const struct relay_result *r)
{
    assert_int_equal(r->n_recipients, 1);
    assert_int_equal(r->security, SECURITY_PKIX);
    assert_true(slice_eq(r->host, SLICE("mta-sts.a.plain.test")));
    result.outcome = *r->recipient;
    atomic_store(&result.came, true);
}

static void reports(void **state)
{
    static const struct {
        const char *status;
        enum relay_outcome outcome;
        enum problem problem;
    } table[] = {
        {"201 Created", RELAY_DELIVERED, PROBLEM_NONE},
        {"503 Later", RELAY_TEMPORARY, PROBLEM_HTTP},
        {"302 Elsewhere", RELAY_TEMPORARY, PROBLEM_HTTP},
    };
    if (!test_nsd_installed())
        skip();
    static const struct relay_recipient nobody = {.address = SLICE_INIT("")};
    struct outbound_options o = world.o;
    struct outbound *outbound;
    char url[100];
    snprintf(url, sizeof url, "https://mta-sts.a.plain.test:%u/tls", world.o.https_port);
    struct relay_request rq = {
        .kind = RELAY_HTTPS, .domain = slice_str(url), .recipient = &nobody, .n_recipients = 1};
    autobuf bytes = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_request(&rq, &bytes);
    o.done = on_done;
    assert_int_equal(outbound_new(&o, &outbound), OK);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        print_message("%s\n", table[i].status);
        host.status = table[i].status;
        host.type = "text/plain";
        host.body = "";
        atomic_store(&result.came, false);
        outbound_relay(outbound, i, buf_slice(&bytes), -1, SLICE("{\"report\": 1}"));
        for (int wait = 0; wait < 2000 && !atomic_load(&result.came); wait++)
            usleep(10000);
        assert_true(atomic_load(&result.came));
        assert_int_equal(result.outcome.outcome, table[i].outcome);
        assert_int_equal(result.outcome.problem, table[i].problem);
        assert_non_null(strstr(host.request, "POST /tls HTTP/1.1\r\n"));
        assert_non_null(strstr(host.request, "Content-Type: application/tlsrpt+json\r\n"));
        assert_non_null(strstr(host.request, "\r\n\r\n{\"report\": 1}"));
    }
    outbound_free(outbound, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(policies), cmocka_unit_test(reports)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
