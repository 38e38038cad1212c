/* What `queue policy` shows: the decisions of sending, without a connection. */
#include "base/clock.h"
#include "net/https.h"
#include "outbound/outbound_private.h"
#include "outbound/test_world.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_world world;

static int set_up(void **state)
{
    if (!test_nsd_installed())
        return 0;
    assert_int_equal(https_prepare(), OK);
    assert_true(test_world_make(&world, "", ""));
    assert_true(test_world_resolve(&world, "", ""));
    return 0;
}

static int tear_down(void **state)
{
    if (test_nsd_installed())
        test_world_free(&world);
    return 0;
}

#define ENFORCE "version: STSv1\nmode: enforce\nmx: mx.plain.test\nmax_age: 86400\n"

static void plans(void **state)
{
    static const struct {
        const char *domain, *policy;
        enum demand demand;
        enum problem problem;
        bool mx_secure;
        int sts_mode;
        const char *rua;
        size_t n_hosts;
        enum problem host_problem; /* of the first */
        enum tls_check check;
        bool tls_required;
        size_t n_tlsa, n_usable;
    } cases[] = {
        {"good.test", "", 0, 0, true, PLAN_STS_NONE, "", 2, 0, TLS_CHECK_DANE, true, 1, 1},
        {"unusable.good.test", "", 0, 0, true, PLAN_STS_NONE, "", 1, 0, TLS_CHECK_NOTHING, true, 2,
         0},
        {"badtlsa.good.test", "", 0, 0, true, PLAN_STS_NONE, "", 1, PROBLEM_DANE_LOOKUP, 0, false,
         0, 0},
        {"badaddress.good.test", "", 0, 0, true, PLAN_STS_NONE, "", 1, PROBLEM_BOGUS, 0, false, 0,
         0},
        {"plain.test", ENFORCE, 0, 0, false, PLAN_STS_ENFORCE, "mailto:tls@plain.test", 1, 0,
         TLS_CHECK_PKIX, true, 0, 0},
        {"plain.test", "", DEMAND_DANE, 0, false, PLAN_STS_NONE, "mailto:tls@plain.test", 1,
         PROBLEM_DANE_MISSING, 0, true, 0, 0},
        {"null.good.test", "", 0, PROBLEM_NULL_MX, true, PLAN_STS_NONE, "", 0, 0, 0, 0, 0, 0},
        {"[127.0.0.1]", "", 0, 0, false, PLAN_STS_NONE, "", 1, 0, 0, false, 0, 0},
    };
    if (!test_nsd_installed())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct outbound_plan p;
        struct relay_request rq = {
            .domain = slice_str(cases[i].domain),
            .port = 25,
            .demand = cases[i].demand,
            .clear_allowed = true,
            .sts = {.id = SLICE("1"),
                    .policy = slice_str(cases[i].policy),
                    .expires = clock_wall() + 80000},
        };
        print_message("%s\n", cases[i].domain);
        assert_int_equal(outbound_plan(&world.o, &rq, &a, &p), OK);
        assert_int_equal(p.problem, cases[i].problem);
        assert_int_equal(p.mx_secure, cases[i].mx_secure);
        assert_int_equal(p.sts_mode, cases[i].sts_mode);
        assert_true(slice_eq(p.rua, slice_str(cases[i].rua)));
        assert_int_equal(p.n_hosts, cases[i].n_hosts);
        if (p.n_hosts == 0)
            continue;
        assert_int_equal(p.host[0].problem, cases[i].host_problem);
        assert_int_equal(p.host[0].check, cases[i].check);
        assert_int_equal(p.host[0].tls_required, cases[i].tls_required);
        assert_int_equal(p.host[0].n_tlsa, cases[i].n_tlsa);
        assert_int_equal(p.host[0].n_usable, cases[i].n_usable);
    }
}

/* A look in a program's words: nobody is connected to. */
static void looks(void **state)
{
    static const struct {
        const char *domain, *policy;
        enum relay_outcome outcome;
        enum problem problem;
        enum security security;
    } cases[] = {
        {"good.test", "", RELAY_DELIVERED, 0, SECURITY_DANE},
        {"plain.test", "", RELAY_DELIVERED, 0, SECURITY_CLEAR},
        {"plain.test", ENFORCE, RELAY_DELIVERED, 0, SECURITY_MTA_STS},
        {"null.good.test", "", RELAY_TEMPORARY, PROBLEM_NULL_MX, SECURITY_NONE},
        {"dead.test", "", RELAY_TEMPORARY, PROBLEM_DNS, SECURITY_NONE},
    };
    static const struct relay_recipient to[] = {{.address = SLICE_INIT("a")},
                                                {.address = SLICE_INIT("b")}};
    if (!test_nsd_installed())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct relay_result r;
        struct relay_request rq = {
            .kind = RELAY_LOOK,
            .domain = slice_str(cases[i].domain),
            .port = 25,
            .clear_allowed = true,
            .sts = {.id = SLICE("1"),
                    .policy = slice_str(cases[i].policy),
                    .expires = clock_wall() + 80000},
            .recipient = to,
            .n_recipients = 2,
        };
        print_message("%s\n", cases[i].domain);
        plan_answer(&world.o, &rq, &a, &r);
        assert_int_equal(r.n_recipients, 2);
        assert_int_equal(r.recipient[1].outcome, cases[i].outcome);
        assert_int_equal(r.recipient[1].problem, cases[i].problem);
        assert_int_equal(r.security, cases[i].security);
    }
}

/* What has no room is an error, not a plan with less in it. */
static void memory_that_runs_out(void **state)
{
    if (!test_nsd_installed())
        skip();
    struct relay_request rq = {.domain = SLICE("good.test"), .port = 25, .clear_allowed = true};
    struct outbound_plan p;
    for (size_t cap = 256; cap < 16384; cap *= 2) {
        autoarena a;
        arena_init(&a, cap);
        if (outbound_plan(&world.o, &rq, &a, &p) == OK)
            assert_int_equal(p.n_hosts, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans), cmocka_unit_test(looks),
                                       cmocka_unit_test(memory_that_runs_out)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
