/* Tests of the rule that closes an address, with a clock of their own. */
#include "guard/table.h"

#include "base/clock.h"
#include <pthread.h>
#include <stdatomic.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static const struct guard_rule normal = {4,         3,         20 * MINUTE, 20 * MINUTE,
                                         24 * HOUR, 24 * HOUR, true};
static const int64_t T = 1800000000000; /* the test's now */

static struct ip ip(const char *text)
{
    struct ip out;
    assert_int_equal(ip_parse(slice_str(text), &out), OK);
    return ip_counting(out);
}

static enum guard_level fail_at(struct guard_table *t, const char *who, int64_t now)
{
    return guard_table_fail(t, ip(who), now, 1, 1).level;
}

static void test_fifth_closes(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    int64_t until = 7;
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.1", T + i), GUARD_OPEN);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T + 4, &until), GUARD_OPEN);
    assert_int_equal(until, 7);
    struct guard_verdict v = guard_table_fail(t, ip("192.0.2.1"), T + 4, 1, 1);
    assert_int_equal(v.level, GUARD_SERVICES);
    assert_true(v.closed && v.counted);
    assert_true(v.until == T + 4 + 20 * MINUTE);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T + 5, &until), GUARD_SERVICES);
    assert_true(until == T + 4 + 20 * MINUTE);
    assert_int_equal(guard_table_level(t, ip("192.0.2.2"), T + 5, &until), GUARD_OPEN);
    /* What comes while it is closed makes it no longer. */
    v = guard_table_fail(t, ip("192.0.2.1"), T + 10 * MINUTE, 1, 1);
    assert_false(v.closed || v.counted);
    assert_true(v.until == T + 4 + 20 * MINUTE);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T + 4 + 20 * MINUTE, &until),
                     GUARD_OPEN);
    /* And then there are four again. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.1", T + 21 * MINUTE + i), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.1", T + 21 * MINUTE + 4), GUARD_SERVICES);
    guard_table_free(t);
}

static void test_window_slides(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    /* One every six minutes: never five within twenty minutes. */
    for (int i = 0; i < 50; i++)
        assert_int_equal(fail_at(t, "192.0.2.1", T + i * (6 * MINUTE)), GUARD_OPEN);
    /* One every four minutes: the fifth is within. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.2", T + i * (4 * MINUTE)), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.2", T + 16 * MINUTE), GUARD_SERVICES);
    guard_table_free(t);
}

static void close_once(struct guard_table *t, int64_t at, enum guard_level expected)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.1", at + i), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.1", at + 4), expected);
}

static void test_third_closing_is_for_the_machine(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    int64_t until = 0;
    close_once(t, T, GUARD_SERVICES);
    close_once(t, T + HOUR, GUARD_SERVICES);
    close_once(t, T + 2 * HOUR, GUARD_MACHINE);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T + 3 * HOUR, &until), GUARD_MACHINE);
    assert_true(until == T + 26 * HOUR + 4);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), until, NULL), GUARD_OPEN);
    /* A day later nothing is left of it. */
    close_once(t, T + 27 * HOUR, GUARD_SERVICES);

    struct guard_table *slow = guard_table_new(&normal, 100);
    for (int i = 0; i < 10; i++) /* every thirteen hours: never three in a day */
        close_once(slow, T + i * (13 * HOUR), GUARD_SERVICES);
    guard_table_free(slow);
    guard_table_free(t);
}

static void test_networks(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    /* IPv6 counts by /64. */
    static const char *const same[] = {"2001:db8::1", "2001:db8::2", "2001:db8::ffff:1",
                                       "2001:db8:0:0:1::", "2001:db8::5"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fail_at(t, same[i], T), i < 4 ? GUARD_OPEN : GUARD_SERVICES);
    assert_int_equal(guard_table_level(t, ip("2001:db8::77"), T, NULL), GUARD_SERVICES);
    assert_int_equal(guard_table_level(t, ip("2001:db8:0:1::1"), T, NULL), GUARD_OPEN);
    for (int i = 0; i < 5; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%d", i);
        assert_int_equal(fail_at(t, text, T), GUARD_OPEN);
    }
    guard_table_free(t);
}

static void test_repeated(void **state)
{
    struct guard_rule rule = normal;
    rule.repeated_counts = false;
    struct guard_table *t = guard_table_new(&rule, 100);
    struct ip a = ip("192.0.2.1");
    /* A forgotten telephone tries every minute for a week. */
    for (int64_t now = T; now < T + 7 * (24 * HOUR); now += MINUTE)
        assert_int_equal(guard_table_fail(t, a, now, 1, 77).level, GUARD_OPEN);
    /* Other passwords, and the same for another account, count as ever. */
    int64_t now = T + 8 * (24 * HOUR);
    assert_true(guard_table_fail(t, a, now, 1, 77).counted);
    assert_false(guard_table_fail(t, a, now, 1, 77).counted);
    assert_true(guard_table_fail(t, a, now, 2, 77).counted);
    assert_true(guard_table_fail(t, a, now, 1, 78).counted);
    assert_true(guard_table_fail(t, a, now, 1, 79).counted);
    assert_false(guard_table_fail(t, a, now, 1, 79).counted);
    assert_int_equal(guard_table_fail(t, a, now, 1, 80).level, GUARD_SERVICES);
    guard_table_free(t);
}

static void test_restore(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    for (int i = 0; i < 4; i++)
        guard_table_restore_failure(t, ip("192.0.2.1"), T - i);
    assert_int_equal(fail_at(t, "192.0.2.1", T), GUARD_SERVICES);
    for (int i = 0; i < 2; i++)
        guard_table_restore_closing(t, ip("192.0.2.2"), T - HOUR);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.2", T), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.2", T), GUARD_MACHINE);
    guard_table_restore_ban(t, ip("192.0.2.3"), GUARD_SERVICES, T - HOUR, T + 5 * MINUTE, T);
    assert_int_equal(guard_table_level(t, ip("192.0.2.3"), T, NULL), GUARD_SERVICES);
    assert_int_equal(guard_table_level(t, ip("192.0.2.3"), T + 5 * MINUTE, NULL), GUARD_OPEN);
    /* Longer than the rule says now: cut. Over: not at all. */
    int64_t until;
    guard_table_restore_ban(t, ip("192.0.2.4"), GUARD_SERVICES, T, T + 900 * HOUR, T);
    assert_int_equal(guard_table_level(t, ip("192.0.2.4"), T, &until), GUARD_SERVICES);
    assert_true(until == T + 20 * MINUTE);
    guard_table_restore_ban(t, ip("192.0.2.5"), GUARD_MACHINE, T - HOUR, T, T);
    assert_int_equal(guard_table_level(t, ip("192.0.2.5"), T, NULL), GUARD_OPEN);

    autoarena a;
    struct guard_ban *bans;
    size_t n;
    arena_init(&a, 100000);
    assert_int_equal(guard_table_bans(t, T, &a, &bans, &n), OK);
    assert_int_equal(n, 4);
    assert_int_equal(guard_table_forget(t, ip("192.0.2.2"), T), GUARD_MACHINE);
    assert_int_equal(guard_table_forget(t, ip("192.0.2.2"), T), GUARD_OPEN);
    assert_int_equal(guard_table_bans(t, T, &a, &bans, &n), OK);
    assert_int_equal(n, 3);
    for (int i = 0; i < 4; i++) /* closings are forgotten, too */
        assert_int_equal(fail_at(t, "192.0.2.2", T), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.2", T), GUARD_SERVICES);
    guard_table_free(t);
}

static void test_clock_set_back(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 100);
    for (int i = 0; i < 5; i++)
        fail_at(t, "192.0.2.1", T);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T, NULL), GUARD_SERVICES);
    /* A year back: the ban must not last a year. */
    int64_t before = T - 365 * (24 * HOUR);
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), before, NULL), GUARD_OPEN);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_at(t, "192.0.2.1", before), GUARD_OPEN);
    assert_int_equal(fail_at(t, "192.0.2.1", before), GUARD_SERVICES);
    guard_table_free(t);
}

static void test_full(void **state)
{
    struct guard_table *t = guard_table_new(&normal, 1000);
    for (int i = 0; i < 5; i++)
        fail_at(t, "192.0.2.1", T);
    int64_t start = clock_ms();
    for (uint32_t i = 0; i < 100000; i++) {
        struct ip a = ip("10.0.0.0");
        a.b[13] = (uint8_t)(i >> 16);
        a.b[14] = (uint8_t)(i >> 8);
        a.b[15] = (uint8_t)i;
        guard_table_fail(t, a, T, 1, 1);
    }
    assert_true(clock_ms() - start < 20000);
    assert_int_equal(guard_table_count(t), 1000);
    /* A ban is not pushed out by those who failed once. */
    assert_int_equal(guard_table_level(t, ip("192.0.2.1"), T, NULL), GUARD_SERVICES);

    struct guard_table *tiny = guard_table_new(&normal, 2);
    for (int i = 1; i <= 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%d", i);
        guard_table_restore_ban(tiny, ip(text), GUARD_MACHINE, T, T + HOUR, T);
        assert_int_equal(guard_table_level(tiny, ip(text), T, NULL), GUARD_MACHINE);
    }
    assert_int_equal(guard_table_count(tiny), 2);
    guard_table_free(tiny);
    guard_table_free(t);
}

static struct guard_table *shared;

static void *hammer(void *arg)
{
    for (uint32_t i = 0; i < 5000; i++) {
        struct ip a = ip("10.0.0.0");
        a.b[15] = (uint8_t)i;
        guard_table_level(shared, a, T + i, NULL);
        guard_table_fail(shared, a, T + i, 1, 1);
        if (i % 7 == 0)
            guard_table_forget(shared, a, T + i);
    }
    return NULL;
}

static void test_threads(void **state)
{
    shared = guard_table_new(&normal, 100);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_true(guard_table_count(shared) <= 100);
    guard_table_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifth_closes),
        cmocka_unit_test(test_window_slides),
        cmocka_unit_test(test_third_closing_is_for_the_machine),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
