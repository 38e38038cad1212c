/* How hosts must be met, decided from real look-ups; and what was reached, judged. */
#include "base/clock.h"
#include "base/mem.h"
#include "outbound/security.h"
#include "outbound/test_world.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_world world, unproven;

static int set_up(void **state)
{
    if (!test_nsd_installed())
        return 0;
    assert_true(test_world_make(&world, "", ""));
    unproven = world;
    assert_true(test_world_resolve(&world, "", ""));
    /* "known good" is in an unsigned zone: the proof fails. */
    assert_true(test_world_resolve(&unproven, "mx.plain.test", "badmx.good.test"));
    assert_false(dns_prove(unproven.dns));
    return 0;
}

static int tear_down(void **state)
{
    if (test_nsd_installed()) {
        dns_free(unproven.dns);
        test_world_free(&world);
    }
    return 0;
}

static int needs_nsd(void **state)
{
    if (!test_nsd_installed())
        skip();
    return 0;
}

#define ENFORCE_PLAIN "version: STSv1\nmode: enforce\nmx: mx.plain.test\nmax_age: 86400\n"
#define ENFORCE_OTHER "version: STSv1\nmode: enforce\nmx: *.example\nmax_age: 86400\n"
#define TESTING_PLAIN "version: STSv1\nmode: testing\nmx: *.plain.test\nmax_age: 86400\n"
#define TESTING_OTHER "version: STSv1\nmode: testing\nmx: *.example\nmax_age: 86400\n"
#define POLICY_NONE   "version: STSv1\nmode: none\nmax_age: 86400\n"

enum flags {
    OPTIONAL = 1,  /* TLS-Required: No */
    REQUIRED = 2,  /* REQUIRETLS */
    LOGIN = 4,     /* a password to protect */
    NO_CLEAR = 8,  /* sending.clear_text = no */
    RATCHET = 16,  /* the demand is remembered, not somebody's word */
    UNPROVEN = 32, /* the resolver does not validate */
    BOUNCE = 64,   /* no sender */
};

struct expected {
    enum problem problem;
    enum tls_check check;
    bool tls_required, must_verify;
    enum security reached;
    const char *names; /* the reference names */
    const char *sni;
};

#define OPEN(sni)                                                                                  \
    {                                                                                              \
        0, TLS_CHECK_NOTHING, false, false, SECURITY_ENCRYPTED, "", sni                            \
    }
#define TLS(sni)                                                                                   \
    {                                                                                              \
        0, TLS_CHECK_NOTHING, true, false, SECURITY_ENCRYPTED, "", sni                             \
    }
#define DANE(names, sni)                                                                           \
    {                                                                                              \
        0, TLS_CHECK_DANE, true, true, SECURITY_DANE, names, sni                                   \
    }
#define PKIX(names, sni)                                                                           \
    {                                                                                              \
        0, TLS_CHECK_PKIX, true, true, SECURITY_PKIX, names, sni                                   \
    }
#define STS(names, sni)                                                                            \
    {                                                                                              \
        0, TLS_CHECK_PKIX, true, true, SECURITY_MTA_STS, names, sni                                \
    }
#define TESTED(names, sni)                                                                         \
    {                                                                                              \
        0, TLS_CHECK_PKIX, false, false, SECURITY_ENCRYPTED, names, sni                            \
    }
#define STOPPED(problem)                                                                           \
    {                                                                                              \
        problem, 0, 0, 0, 0, NULL, NULL                                                            \
    }

#define GOOD_NAMES "good.test mx1.good.test "

static const struct {
    const char *domain, *host, *sts;
    enum demand demand;
    int flags;
    const char *mx_names;
    struct expected expected;
} cases[] = {
    /* DANE */
    {"good.test", "", "", 0, 0, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"aliased.good.test", "", "", 0, 0, "",
     DANE("aliased.good.test good.test mx1.good.test ", "mx1.good.test")},
    {"implicit.good.test", "", "", 0, 0, "", DANE("implicit.good.test ", "implicit.good.test")},
    {"cname.good.test", "", "", 0, 0, "",
     DANE("cname.good.test cname-mx.good.test mx1.good.test ", "mx1.good.test")},
    {"own.good.test", "", "", 0, 0, "",
     DANE("own.good.test own-mx.good.test ", "own-mx.good.test")},
    {"out.good.test", "", "", 0, 0, "",
     DANE("out.good.test out-mx.good.test ", "out-mx.good.test")},
    {"some.good.test", "", "", 0, 0, "",
     DANE("some.good.test some-mx.good.test ", "some-mx.good.test")},
    {"unusable.good.test", "", "", 0, 0, "", TLS("un-mx.good.test")},
    {"badtlsa.good.test", "", "", 0, 0, "", STOPPED(PROBLEM_DANE_LOOKUP)},
    {"insecurehost.good.test", "", "", 0, 0, "", OPEN("mx.plain.test")},
    /* RFC 7672 2.2.1: an insecure MX answer may name any host that has TLSA records. */
    {"hosted.plain.test", "", "", 0, 0, "", OPEN("mx1.good.test")},
    {"plain.test", "", "", 0, 0, "", OPEN("mx.plain.test")},
    {"[127.0.0.1]", "", "", 0, 0, "", OPEN("")},
    /* MTA-STS, and DANE that wins over it */
    {"plain.test", "", ENFORCE_PLAIN, 0, 0, "", STS("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", ENFORCE_OTHER, 0, 0, "", STOPPED(PROBLEM_STS_HOST)},
    {"plain.test", "", TESTING_PLAIN, 0, 0, "", TESTED("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", TESTING_OTHER, 0, 0, "", TESTED("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", POLICY_NONE, 0, 0, "", OPEN("mx.plain.test")},
    {"plain.test", "", "<html>", 0, 0, "", OPEN("mx.plain.test")},
    {"good.test", "", ENFORCE_OTHER, 0, 0, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"badtlsa.good.test", "", TESTING_OTHER, 0, 0, "", STOPPED(PROBLEM_DANE_LOOKUP)},
    {"unusable.good.test", "", ENFORCE_OTHER, 0, 0, "", STOPPED(PROBLEM_STS_HOST)},
    /* demands */
    {"plain.test", "", "", 0, NO_CLEAR, "", TLS("mx.plain.test")},
    {"plain.test", "", "", DEMAND_ENCRYPT, 0, "", TLS("mx.plain.test")},
    {"good.test", "", "", DEMAND_DANE, 0, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"plain.test", "", "", DEMAND_DANE, 0, "", STOPPED(PROBLEM_DANE_MISSING)},
    {"plain.test", "", ENFORCE_PLAIN, DEMAND_DANE, 0, "", STOPPED(PROBLEM_DANE_MISSING)},
    {"unusable.good.test", "", "", DEMAND_DANE, 0, "", STOPPED(PROBLEM_DANE_UNUSABLE)},
    {"good.test", "", "", DEMAND_VERIFY, 0, "*.x", DANE(GOOD_NAMES, "mx1.good.test")},
    {"plain.test", "", ENFORCE_PLAIN, DEMAND_VERIFY, 0, "*.x",
     STS("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", TESTING_PLAIN, DEMAND_VERIFY, 0, "*.x",
     STS("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", TESTING_OTHER, DEMAND_VERIFY, 0, "*.x", PKIX("*.x ", "mx.plain.test")},
    {"plain.test", "", "", DEMAND_VERIFY, 0, "a.x *.b.x", PKIX("a.x *.b.x ", "mx.plain.test")},
    {"plain.test", "", "", DEMAND_VERIFY, 0, "", PKIX("plain.test *.plain.test ", "mx.plain.test")},
    {"hosted.plain.test", "", "", DEMAND_VERIFY, RATCHET, "",
     PKIX("hosted.plain.test *.hosted.plain.test ", "mx1.good.test")},
    {"insecurehost.good.test", "", "", DEMAND_VERIFY, 0, "",
     PKIX("mx.plain.test insecurehost.good.test *.insecurehost.good.test ", "mx.plain.test")},
    {"[127.0.0.1]", "", "", DEMAND_VERIFY, 0, "", STOPPED(PROBLEM_TOO_WEAK)},
    /* smart hosts and transports */
    {"x.example", "mx1.good.test", "", 0, 0, "", DANE("mx1.good.test ", "mx1.good.test")},
    {"x.example", "mx1.good.test", "", 0, LOGIN, "", DANE("mx1.good.test ", "mx1.good.test")},
    {"x.example", "mx.plain.test", "", 0, 0, "", OPEN("mx.plain.test")},
    {"x.example", "mx.plain.test", "", 0, LOGIN, "", PKIX("mx.plain.test ", "mx.plain.test")},
    {"x.example", "127.0.0.1", "", 0, LOGIN, "", STOPPED(PROBLEM_TOO_WEAK)},
    /* REQUIRETLS */
    {"good.test", "", "", 0, REQUIRED, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"plain.test", "", ENFORCE_PLAIN, 0, REQUIRED, "", STS("mx.plain.test ", "mx.plain.test")},
    {"plain.test", "", "", 0, REQUIRED, "", STOPPED(PROBLEM_TOO_WEAK)},
    {"plain.test", "", "", 0, REQUIRED | BOUNCE, "", OPEN("mx.plain.test")},
    {"good.test", "", "", 0, REQUIRED | BOUNCE, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"insecurehost.good.test", "", "", 0, REQUIRED, "", PKIX("mx.plain.test ", "mx.plain.test")},
    /* TLS-Required: No */
    {"good.test", "", "", 0, OPTIONAL, "", OPEN("mx1.good.test")},
    {"badtlsa.good.test", "", "", 0, OPTIONAL, "", OPEN("bt-mx.good.test")},
    {"plain.test", "", ENFORCE_OTHER, 0, OPTIONAL, "", OPEN("mx.plain.test")},
    {"good.test", "", "", DEMAND_DANE, OPTIONAL | RATCHET, "", OPEN("mx1.good.test")},
    {"good.test", "", "", DEMAND_DANE, OPTIONAL, "", DANE(GOOD_NAMES, "mx1.good.test")},
    {"plain.test", "", "", DEMAND_ENCRYPT, OPTIONAL, "", TLS("mx.plain.test")},
    {"plain.test", "", "", 0, OPTIONAL | NO_CLEAR, "", TLS("mx.plain.test")},
    {"good.test", "", "", 0, OPTIONAL | REQUIRED, "", DANE(GOOD_NAMES, "mx1.good.test")},
    /* a resolver that does not validate */
    {"good.test", "", "", 0, UNPROVEN, "", STOPPED(PROBLEM_NO_VALIDATION)},
    {"plain.test", "", "", 0, UNPROVEN, "", STOPPED(PROBLEM_NO_VALIDATION)},
    {"cname.good.test", "", "", 0, UNPROVEN, "", STOPPED(PROBLEM_NO_VALIDATION)},
    {"none.plain.test", "", "", 0, UNPROVEN, "", OPEN("no-tlsa.plain.test")},
    {"none.plain.test", "", "", DEMAND_DANE, UNPROVEN, "", STOPPED(PROBLEM_NO_VALIDATION)},
    {"none.plain.test", "", "", DEMAND_DANE, UNPROVEN | RATCHET, "",
     STOPPED(PROBLEM_NO_VALIDATION)},
    {"none.plain.test", "", "", DEMAND_VERIFY, UNPROVEN, "*.x", PKIX("*.x ", "no-tlsa.plain.test")},
};

static void plan(size_t i, struct arena *a, struct security_plan *p)
{
    const struct outbound_options *o = cases[i].flags & UNPROVEN ? &unproven.o : &world.o;
    struct relay_request rq = {
        .domain = slice_str(cases[i].domain),
        .host = slice_str(cases[i].host),
        .port = 25,
        .demand = cases[i].demand,
        .source = cases[i].flags & RATCHET ? SOURCE_RATCHET : SOURCE_LIST,
        .mx_names = slice_str(cases[i].mx_names),
        .clear_allowed = !(cases[i].flags & NO_CLEAR),
        .tls_optional = cases[i].flags & OPTIONAL,
        .require_tls = cases[i].flags & REQUIRED,
        .sender = cases[i].flags & BOUNCE ? SLICE("") : SLICE("s@me.example"),
    };
    if (cases[i].flags & LOGIN)
        rq.login = rq.password = SLICE("x");
    struct sts_found sts = {.sts = {.policy = slice_str(cases[i].sts)}};
    int64_t deadline = clock_ms() + 20000;
    struct route route;
    route_find(o, &rq, deadline, a, &route);
    assert_true(route.n >= 1);
    route_addresses(o, route.host, deadline, a);
    assert_int_equal(route.host->problem, PROBLEM_NONE);
    security_plan(o, &rq, &route, route.host, route.by_name ? NULL : &sts, deadline, a, p);
}

static void plans(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct expected *x = &cases[i].expected;
        autoarena a;
        arena_init(&a, 1 << 20);
        struct security_plan p;
        print_message("%zu: %s %s\n", i, cases[i].domain, cases[i].host);
        plan(i, &a, &p);
        assert_string_equal(problem_word(p.problem), problem_word(x->problem));
        if (x->problem)
            continue;
        autobuf names = BUF_INIT(1000);
        for (size_t n = 0; n < p.wish.n_names; n++)
            buf_printf(&names, "%.*s ", SLICE_FMT(p.wish.names[n]));
        assert_int_equal(p.check, x->check);
        assert_int_equal(p.wish.check, x->check);
        assert_int_equal(p.tls_required, x->tls_required);
        assert_int_equal(p.must_verify, x->must_verify);
        assert_int_equal(p.reached_by_check, x->reached);
        assert_int_equal(p.check == TLS_CHECK_DANE, p.wish.n_tlsa > 0);
        if (!slice_eq(buf_slice(&names), slice_str(x->names)))
            fail_msg("%.*s", SLICE_FMT(buf_slice(&names)));
        assert_true(slice_eq(p.wish.sni, slice_str(x->sni)));
    }
}

/* Out of memory must never look like "no TLSA records". */
static void memory_that_runs_out(void **state)
{
    unsigned stopped = 0;
    for (size_t cap = 512; cap < 20000; cap += 97) {
        autoarena a;
        arena_init(&a, cap);
        struct relay_request rq = {.domain = SLICE("good.test"), .port = 25, .clear_allowed = true};
        struct route route;
        struct security_plan p = {0};
        int64_t deadline = clock_ms() + 20000;
        route_find(&world.o, &rq, deadline, &a, &route);
        if (route.problem || a.failed || route.n == 0)
            continue;
        route_addresses(&world.o, route.host, deadline, &a);
        if (route.host->problem || a.failed)
            continue;
        security_plan(&world.o, &rq, &route, route.host, NULL, deadline, &a, &p);
        if (p.problem)
            stopped++;
        else
            assert_int_equal(p.check, TLS_CHECK_DANE);
    }
    assert_true(stopped > 0);
}

static void judgements(void **state)
{
    static const struct {
        bool required, verify;
        enum security by_check;
        bool clear;
        enum problem came;
        enum problem expected;
        enum security reached;
    } table[] = {
        {false, false, SECURITY_ENCRYPTED, true, 0, 0, SECURITY_CLEAR},
        {true, false, SECURITY_ENCRYPTED, true, 0, PROBLEM_NO_TLS, SECURITY_CLEAR},
        {true, true, SECURITY_DANE, true, 0, PROBLEM_NO_TLS, SECURITY_CLEAR},
        {false, false, SECURITY_ENCRYPTED, false, 0, 0, SECURITY_ENCRYPTED},
        {true, true, SECURITY_DANE, false, 0, 0, SECURITY_DANE},
        {true, true, SECURITY_DANE, false, PROBLEM_DANE_MISMATCH, PROBLEM_DANE_MISMATCH,
         SECURITY_ENCRYPTED},
        {true, true, SECURITY_MTA_STS, false, PROBLEM_CERT_NAME, PROBLEM_CERT_NAME,
         SECURITY_ENCRYPTED},
        {true, true, SECURITY_PKIX, false, 0, 0, SECURITY_PKIX},
        {false, false, SECURITY_ENCRYPTED, false, PROBLEM_CERT_EXPIRED, 0, SECURITY_ENCRYPTED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct security_plan p = {.tls_required = table[i].required,
                                  .must_verify = table[i].verify,
                                  .reached_by_check = table[i].by_check};
        struct tls_outcome tls = {.problem = table[i].came};
        enum security reached;
        print_message("%zu\n", i);
        assert_int_equal(security_judge(&p, table[i].clear ? NULL : &tls, &reached),
                         table[i].expected);
        assert_int_equal(reached, table[i].reached);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(plans, needs_nsd),
        cmocka_unit_test_setup(memory_that_runs_out, needs_nsd),
        cmocka_unit_test(judgements),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
