/* Tests of the firewall's text: what nft is told for which bans. */
#include "base/buf.h"
#include "daemon/firewall.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the others first */
#include <cmocka.h>

static struct firewall_ban ban(const char *ip, uint32_t seconds)
{
    struct firewall_ban b = {.seconds = seconds};
    assert_int_equal(ip_parse(slice_str(ip), &b.ip), OK);
    return b;
}

static void assert_has(const struct buf *b, const char *text)
{
    if (slice_find(buf_slice(b), slice_str(text)) == b->n)
        fail_msg("no %s in %.*s", text, SLICE_FMT(buf_slice(b)));
}

static void test_text(void **state)
{
    struct firewall_ban bans[] = {ban("192.0.2.7", 600), ban("2001:db8:1:2::", 60),
                                  ban("192.0.2.8", 0)};
    struct buf b = BUF_INIT(65536);
    firewall_text(bans, 3, &b);
    assert_has(&b, "{\"elem\":{\"val\":\"192.0.2.7\",\"timeout\":600}}");
    assert_has(&b, "{\"prefix\":{\"addr\":\"2001:db8:1:2::\",\"len\":64}},\"timeout\":60}}");
    assert_int_equal(slice_find(buf_slice(&b), SLICE("192.0.2.8")), b.n);
    int depth = 0;
    for (size_t i = 0; i < b.n; i++) {
        depth += (b.p[i] == '{' || b.p[i] == '[') - (b.p[i] == '}' || b.p[i] == ']');
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    buf_free(&b);
}

static void test_empty(void **state)
{
    struct buf b = BUF_INIT(65536);
    firewall_text(NULL, 0, &b);
    assert_has(&b, "\"delete\":{\"table\"");
    assert_int_equal(slice_find(buf_slice(&b), SLICE("element")), b.n);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
