/* Tests of the pool of literals' memory: who may have how much of it. */
#include "imap/literal_pool.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MANY = 40 };
#define BIG (UINT64_C(50) * 1024 * 1024)

/* Announces BIG on many connections of one account; returns how many were let in. */
static unsigned fill(struct literal_hold *h, uint64_t account)
{
    unsigned in = 0;
    for (unsigned i = 0; i < MANY; i++)
        in += literal_reserve(&h[i], account, BIG);
    return in;
}

static void release(struct literal_hold *h)
{
    for (unsigned i = 0; i < MANY; i++)
        literal_release(&h[i]);
}

static void test_share(void **state)
{
    struct literal_hold one[MANY] = {0}, two[MANY] = {0}, other = {0};
    assert_int_equal(fill(one, 7), LIMIT_IMAP_ACCOUNT_MEMORY / BIG);
    assert_int_equal(fill(two, 8), LIMIT_IMAP_ACCOUNT_MEMORY / BIG);
    assert_true(literal_reserve(&other, 9, BIG));
    literal_release(&other);
    release(one);
    assert_true(literal_reserve(&other, 7, BIG));
    literal_release(&other);
    literal_release(&other); /* nothing twice */
    release(two);
}

static void test_pool(void **state)
{
    static struct literal_hold holds[8][MANY];
    unsigned in = 0;
    for (unsigned a = 0; a < 8; a++)
        in += fill(holds[a], 100 + a);
    assert_int_equal(in, (LIMIT_IMAP_LITERAL_MEMORY - LIMIT_IMAP_LIGHT_MEMORY) / BIG);
    /* Small ones still find room, also before login. */
    struct literal_hold small = {0}, before_login = {0};
    assert_true(literal_reserve(&small, 300, LIMIT_IMAP_LIGHT));
    assert_false(literal_reserve(&small, 300, BIG));
    assert_true(literal_reserve(&before_login, 0, LIMIT_IMAP_PREAUTH_LITERALS));
    literal_release(&before_login);
    literal_release(&small);
    for (unsigned a = 0; a < 8; a++)
        release(holds[a]);
}

/* What is configured greater than a share must come through while the account sends nothing else.
 */
static void test_greatest(void **state)
{
    struct literal_hold h = {0}, more = {0};
    assert_true(literal_reserve(&h, 7, 2 * LIMIT_IMAP_LITERAL_MEMORY));
    assert_false(literal_reserve(&more, 7, 1));
    literal_release(&h);
    assert_true(literal_reserve(&more, 7, 1));
    literal_release(&more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_greatest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
