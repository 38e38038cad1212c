/* From an address to where its mail goes, and how it is written there. */
#include "queue/next_hop.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void next_hops(void **state)
{
    static const struct {
        const char *address, *domain, *sent;
        bool bad, https;
    } rows[] = {
        {"Anna@Example.NET", "example.net", "Anna@example.net"},
        {"anna@b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", "anna@xn--bcher-kva.example"},
        {"\xc3\xbc@b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example",
         "\xc3\xbc@b\xc3\xbc"
         "cher.example"},
        {"a@[192.0.2.1]", "[192.0.2.1]", "a@[192.0.2.1]"},
        {"a@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
        {"\"a@b\"@example.net", "example.net", "\"a@b\"@example.net"},
        {"https://Reports.example/v1?x", "reports.example", "https://Reports.example/v1?x",
         .https = true},
        {"https://", .bad = true, .https = true},
        {"nobody", .bad = true},
        {"@example.net", .bad = true},
        {"a@", .bad = true},
        {"a@-x.example", .bad = true},
    };
    autoarena a;
    arena_init(&a, 10000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct next_hop h;
        struct slice address = slice_str(rows[i].address);
        assert_int_equal(next_hop_of(NULL, 0, address, &h), rows[i].bad ? ERR_INPUT : OK);
        assert_int_equal(h.kind, rows[i].https ? RELAY_HTTPS : RELAY_SMTP);
        if (rows[i].bad)
            continue;
        assert_true(slice_eq(next_hop_domain(&h), slice_str(rows[i].domain)));
        assert_true(slice_eq(next_hop_address(&h, address, &a), slice_str(rows[i].sent)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_hops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
