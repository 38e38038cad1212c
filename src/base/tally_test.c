/* Counts of what accounts use at once. */
#include "base/tally.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_bound(void **state)
{
    struct tally t = TALLY_INIT;
    struct tally_use a = {0}, b = {0}, c = {0};
    assert_true(tally_take(&t, &a, 7, 3, 5));
    assert_false(tally_take(&t, &b, 7, 3, 5));
    assert_true(tally_take(&t, &b, 7, 2, 5));
    assert_false(tally_take(&t, &c, 7, 1, 5));
    assert_int_equal(tally_of(&t, 7), 5);
    tally_give(&t, &c); /* counts nothing */
    tally_give(&t, &a);
    tally_give(&t, &a);
    assert_int_equal(tally_of(&t, 7), 2);
    assert_true(tally_take(&t, &a, 7, UINT64_MAX - 2, UINT64_MAX));
    assert_false(tally_take(&t, &c, 7, 1, UINT64_MAX));
}

/* Every account has its own, also where two share a bucket. */
static void test_keys(void **state)
{
    enum { KEYS = 3 * TALLY_BUCKETS };
    static struct tally_use use[KEYS];
    struct tally t = TALLY_INIT;
    for (size_t i = 0; i < KEYS; i++)
        assert_true(tally_take(&t, &use[i], i, i + 1, i + 1));
    for (size_t i = 0; i < KEYS; i += 2)
        tally_give(&t, &use[i]);
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(tally_of(&t, i), i % 2 ? i + 1 : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
