/* Tests of SRS. */
#include "base/limits.h"
#include "filter/srs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
/* cmocka wants the others first */
#include <cmocka.h>

#define NOW 1795363200 /* 2026-11-22 */

static const struct srs keys = {{1, 2, 3}};

static struct slice local_of(struct slice address)
{
    return slice_sub(address, 0, slice_rindex(address, '@'));
}

static void assert_slice(struct slice have, const char *want)
{
    if (!slice_eq(have, slice_str(want)))
        fail_msg("'%.*s' is not '%s'", SLICE_FMT(have), want);
}

static void test_there_and_back(void **state)
{
    static const char *const senders[] = {"someone@example.net", "a=b@example.net",
                                          "Some.One+tag@sub.example.net"};
    for (size_t i = 0; i < 3; i++) {
        autobuf out = BUF_INIT(500), back = BUF_INIT(500);
        assert_int_equal(srs_forward(&keys, slice_str(senders[i]), SLICE("example.org"), NOW, &out),
                         OK);
        assert_true(slice_starts(buf_slice(&out), SLICE("SRS0=")));
        assert_true(srs_looks_like(local_of(buf_slice(&out))));
        assert_int_equal(srs_back(&keys, local_of(buf_slice(&out)), NOW + 20 * 86400, &back), OK);
        assert_slice(buf_slice(&back), senders[i]);
    }
}

static void test_what_stays(void **state)
{
    autobuf out = BUF_INIT(500);
    assert_int_equal(srs_forward(&keys, SLICE(""), SLICE("example.org"), NOW, &out), OK);
    assert_int_equal(out.n, 0);
    assert_int_equal(srs_forward(&keys, SLICE("a@Example.ORG"), SLICE("example.org"), NOW, &out),
                     OK);
    assert_slice(buf_slice(&out), "a@Example.ORG");
}

static void test_what_is_refused(void **state)
{
    char longest[300];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 280, "@b.example", 11);
    autobuf out = BUF_INIT(500), back = BUF_INIT(500), changed = BUF_INIT(500);
    assert_int_equal(srs_forward(&keys, slice_str(longest), SLICE("c.example"), NOW, &out),
                     ERR_LIMIT);
    assert_int_equal(srs_forward(&keys, SLICE("\"a b\"@x.example"), SLICE("c.example"), NOW, &out),
                     ERR_INPUT);
    assert_int_equal(srs_forward(&keys, SLICE("nobody"), SLICE("c.example"), NOW, &out), ERR_INPUT);
    buf_reset(&out);
    assert_int_equal(srs_forward(&keys, SLICE("me@a.example"), SLICE("c.example"), NOW, &out), OK);
    struct slice local = local_of(buf_slice(&out));
    assert_int_equal(srs_back(&keys, local, NOW + 23 * 86400, &back), ERR_AUTH);
    assert_int_equal(srs_back(&keys, local, NOW - 3 * 86400, &back), ERR_AUTH);
    for (size_t i = 5; i < local.n; i++) { /* no byte may be another */
        buf_reset(&changed);
        buf_add(&changed, local);
        changed.p[i] = changed.p[i] == 'x' ? 'y' : 'x';
        enum error e = srs_back(&keys, buf_slice(&changed), NOW, &back);
        assert_true(e == ERR_AUTH || e == ERR_NOTFOUND);
    }
    struct srs other = {{9}};
    assert_int_equal(srs_back(&other, local, NOW, &back), ERR_AUTH);
    assert_int_equal(srs_back(&keys, SLICE("SRS0="), NOW, &back), ERR_NOTFOUND);
    assert_int_equal(srs_back(&keys, SLICE("anna"), NOW, &back), ERR_NOTFOUND);
    assert_int_equal(srs_back(&keys, SLICE("SRS0=abcdefgh"), NOW, &back), ERR_NOTFOUND);
}

static void test_case_does_not_count(void **state)
{
    autobuf out = BUF_INIT(500), back = BUF_INIT(500);
    assert_int_equal(srs_forward(&keys, SLICE("me@a.example"), SLICE("c.example"), NOW, &out), OK);
    for (size_t i = 0; i < out.n; i++)
        out.p[i] = ascii_lower(out.p[i]);
    assert_int_equal(srs_back(&keys, local_of(buf_slice(&out)), NOW, &back), OK);
    assert_slice(buf_slice(&back), "me@a.example");
}

/* Over three hops: the bounce goes from the third to the first, whose address leads home. */
static void test_chain(void **state)
{
    const struct srs first = {{1}}, second = {{2}}, third = {{3}};
    autobuf a = BUF_INIT(500), b = BUF_INIT(500), c = BUF_INIT(500), d = BUF_INIT(500);
    autobuf home = BUF_INIT(500);
    assert_int_equal(srs_forward(&first, SLICE("me@home.example"), SLICE("first.example"), NOW, &a),
                     OK);
    assert_int_equal(srs_forward(&second, buf_slice(&a), SLICE("second.example"), NOW, &b), OK);
    assert_true(slice_starts(buf_slice(&b), SLICE("SRS1=")));
    assert_int_equal(srs_forward(&third, buf_slice(&b), SLICE("third.example"), NOW, &c), OK);
    assert_int_equal(srs_back(&third, local_of(buf_slice(&c)), NOW, &d), OK);
    assert_true(slice_eq(buf_slice(&d), buf_slice(&a)));
    assert_int_equal(srs_back(&first, local_of(buf_slice(&d)), NOW, &home), OK);
    assert_slice(buf_slice(&home), "me@home.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),  cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_what_is_refused), cmocka_unit_test(test_case_does_not_count),
        cmocka_unit_test(test_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
