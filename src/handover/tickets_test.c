/* Tests of the tickets of relays under way. */
#include "base/limits.h"
#include "base/mem.h"
#include "handover/tickets.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int begin(void **state)
{
    *state = tickets_new();
    return 0;
}

static int end(void **state)
{
    tickets_free(*state);
    return 0;
}

static uint64_t open_one(struct tickets *t, const void *token, const void *connection, int64_t now)
{
    uint64_t number = 0;
    struct ticket what = {.n_recipients = 3, .end = connection};
    memcpy(&what.token, &token, sizeof token);
    assert_int_equal(tickets_open(t, &what, now, &number), OK);
    assert_int_not_equal(number, 0);
    return number;
}

static void taken_once(void **state)
{
    struct tickets *t = *state;
    struct ticket out;
    int a = 0, b = 0;
    uint64_t first = open_one(t, &a, NULL, 0), second = open_one(t, &b, NULL, 0);
    assert_false(tickets_take(t, 0, &out));
    assert_false(tickets_take(t, first + (1 << 16), &out)); /* its place, another count */
    assert_false(tickets_take(t, second + 1, &out));        /* a place never used */
    assert_true(tickets_take(t, first, &out));
    assert_true(out.token == &a && out.n_recipients == 3);
    assert_false(tickets_take(t, first, &out));
    uint64_t third = open_one(t, &a, NULL, 0); /* the same place again */
    assert_true(third != first && (third & 0xffff) == (first & 0xffff));
    assert_false(tickets_take(t, first, &out));
    assert_true(tickets_take(t, second, &out) && out.token == &b);
    assert_true(tickets_take(t, third, &out) && out.token == &a);
    assert_int_equal(tickets_until(t), -1);
}

static void full(void **state)
{
    struct tickets *t = *state;
    uint64_t *number = mem_array(LIMIT_RELAY_WAITING, sizeof *number);
    struct ticket out;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < LIMIT_RELAY_WAITING; i++)
            number[i] = open_one(t, number + i, NULL, 0);
        uint64_t more;
        assert_int_equal(tickets_open(t, &(struct ticket){0}, 0, &more), ERR_AGAIN);
        for (size_t i = 0; i < LIMIT_RELAY_WAITING; i++) {
            size_t k = i * 7 % LIMIT_RELAY_WAITING;
            assert_true(tickets_take(t, number[k], &out) && out.token == number + k);
        }
        assert_int_equal(tickets_until(t), -1);
    }
    mem_free(number);
}

static void overdue(void **state)
{
    struct tickets *t = *state;
    struct ticket out;
    int a = 0, b = 0, c = 0;
    uint64_t middle;
    open_one(t, &a, NULL, 100);
    middle = open_one(t, &b, NULL, 200);
    open_one(t, &c, NULL, 300);
    assert_int_equal(tickets_until(t), 100 + LIMIT_RELAY_MS);
    assert_false(tickets_take_overdue(t, 99 + LIMIT_RELAY_MS, &out));
    assert_true(tickets_take_overdue(t, 100 + LIMIT_RELAY_MS, &out) && out.token == &a);
    assert_true(tickets_take(t, middle, &out));
    assert_int_equal(tickets_until(t), 300 + LIMIT_RELAY_MS);
    assert_true(tickets_take_overdue(t, 1000 + LIMIT_RELAY_MS, &out) && out.token == &c);
    assert_false(tickets_take_overdue(t, INT64_MAX, &out));
}

static void of_one_connection(void **state)
{
    struct tickets *t = *state;
    struct ticket out;
    int a = 0, b = 0, c = 0, old = 0, new = 0;
    open_one(t, &a, &old, 0);
    open_one(t, &b, &new, 0);
    open_one(t, &c, &old, 0);
    assert_true(tickets_take_of(t, &old, &out) && out.token == &a);
    assert_true(tickets_take_of(t, &old, &out) && out.token == &c);
    assert_false(tickets_take_of(t, &old, &out));
    assert_true(tickets_take_of(t, &new, &out) && out.token == &b);
    assert_int_equal(tickets_until(t), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(taken_once),
        TEST(full),
        TEST(overdue),
        TEST(of_one_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
