/* From domains to hosts and addresses, against a real name server. */
#include "base/clock.h"
#include "base/mem.h"
#include "outbound/route.h"
#include "outbound/test_world.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct test_world world;

static int set_up(void **state)
{
    if (!test_nsd_installed())
        return 0;
    assert_true(test_world_make(&world, "shuffled IN MX 5 mx1\nshuffled IN MX 5 mx2\n", ""));
    assert_true(test_world_resolve(&world, "", ""));
    return 0;
}

static int tear_down(void **state)
{
    if (test_nsd_installed())
        test_world_free(&world);
    return 0;
}

static int needs_nsd(void **state)
{
    if (!test_nsd_installed())
        skip();
    return 0;
}

static struct route find(const char *domain, const char *host, struct arena *a)
{
    struct relay_request rq = {.domain = slice_str(domain), .host = slice_str(host), .port = 25};
    struct route r;
    route_find(&world.o, &rq, clock_ms() + 20000, a, &r);
    return r;
}

static void domains(void **state)
{
    static const struct {
        const char *domain, *host;
        enum problem problem;
        bool permanent;
        const char *hosts; /* in their order */
        bool mx_secure, name_secure, implicit, by_name;
    } cases[] = {
        {"good.test", "", 0, false, "mx1.good.test mx2.good.test ", true, true, false, false},
        {"aliased.good.test", "", 0, false, "mx1.good.test mx2.good.test ", true, true, false,
         false},
        {"plain.test", "", 0, false, "mx.plain.test ", false, false, false, false},
        {"null.good.test", "", PROBLEM_NULL_MX, true, "", true, false, false, false},
        {"mixed.good.test", "", 0, false, "mx1.good.test ", true, true, false, false},
        {"implicit.good.test", "", 0, false, "implicit.good.test ", true, true, true, false},
        {"bare.plain.test", "", 0, false, "bare.plain.test ", false, false, true, false},
        {"nothere.good.test", "", PROBLEM_NO_DOMAIN, true, "", true, false, false, false},
        {"badmx.good.test", "", PROBLEM_BOGUS, false, "", false, false, false, false},
        {"dead.test", "", PROBLEM_DNS, false, "", false, false, false, false},
        {"self.good.test", "", 0, false, "mx1.good.test ", true, true, false, false},
        {"onlyself.good.test", "", PROBLEM_LOOP, true, "", true, false, false, false},
        {"good.test", "Smart.example", 0, false, "smart.example ", false, true, false, true},
        {"[192.0.2.1]", "", 0, false, "[192.0.2.1] ", false, false, false, true},
        {"[IPv6:2001:db8::1]", "", 0, false, "[IPv6:2001:db8::1] ", false, false, false, true},
        {"[192.0.2.300]", "", PROBLEM_NO_HOST, true, "", false, false, false, true},
        {"good.test", "192.0.2.1", 0, false, "192.0.2.1 ", false, true, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        print_message("%s %s\n", cases[i].domain, cases[i].host);
        struct route r = find(cases[i].domain, cases[i].host, &a);
        autobuf hosts = BUF_INIT(1000);
        for (size_t h = 0; h < r.n; h++) {
            buf_add(&hosts, r.host[h].name);
            buf_byte(&hosts, ' ');
            assert_int_equal(r.host[h].name_secure, cases[i].name_secure);
        }
        assert_int_equal(r.problem, cases[i].problem);
        assert_int_equal(r.permanent, cases[i].permanent);
        assert_true(slice_eq(buf_slice(&hosts), slice_str(cases[i].hosts)));
        assert_int_equal(r.mx_secure, cases[i].mx_secure);
        assert_int_equal(r.implicit, cases[i].implicit);
        assert_int_equal(r.by_name, cases[i].by_name);
        assert_true(r.validates);
    }
}

static void equal_hosts_take_turns(void **state)
{
    bool first[2] = {false, false};
    for (unsigned i = 0; i < 200 && !(first[0] && first[1]); i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct route r = find("shuffled.good.test", "", &a);
        assert_int_equal(r.n, 2);
        first[slice_eq(r.host[0].name, SLICE("mx1.good.test"))] = true;
    }
    assert_true(first[0] && first[1]);
}

static void addresses(void **state)
{
    static const struct {
        const char *domain;
        enum problem problem;
        bool permanent;
        size_t n_ips;
        const char *canonical;
        bool address_secure, alias_secure;
    } cases[] = {
        {"good.test", 0, false, 1, "mx1.good.test", true, false},
        {"plain.test", 0, false, 1, "mx.plain.test", false, false},
        {"cname.good.test", 0, false, 1, "mx1.good.test", true, false},
        {"out.good.test", 0, false, 1, "mx.plain.test", false, true},
        {"insecurehost.good.test", 0, false, 1, "mx.plain.test", false, false},
        {"badaddress.good.test", PROBLEM_BOGUS, false, 0, "ba-mx.good.test", false, false},
        {"noaddress.good.test", PROBLEM_NO_HOST, true, 0, "nowhere.good.test", false, false},
        {"alias.good.test", 0, false, 1, "implicit.good.test", true, false},
        {"[192.0.2.1]", 0, false, 1, "[192.0.2.1]", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        print_message("%s\n", cases[i].domain);
        struct route r = find(cases[i].domain, "", &a);
        assert_true(r.n >= 1);
        struct route_host *h = &r.host[0];
        route_addresses(&world.o, h, clock_ms() + 20000, &a);
        assert_int_equal(h->problem, cases[i].problem);
        assert_int_equal(h->permanent, cases[i].permanent);
        assert_true(slice_eq(h->canonical, slice_str(cases[i].canonical)));
        assert_int_equal(h->address_secure, cases[i].address_secure);
        assert_int_equal(h->alias_secure, cases[i].alias_secure);
        if (!cases[i].problem)
            assert_int_equal(h->n_ips, cases[i].n_ips);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(domains, needs_nsd),
        cmocka_unit_test_setup(equal_hosts_take_turns, needs_nsd),
        cmocka_unit_test_setup(addresses, needs_nsd),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
