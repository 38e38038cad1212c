/* Tests of the sliding count. */
#include "guard/window.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct window_shape hour = {300, 12};
enum { START = 1795348800 }; /* where a slot begins */

static void slides(void **state)
{
    struct window w = {0};
    window_advance(&w, &hour, START);
    window_add(&w, &hour, 3);
    window_advance(&w, &hour, START + 300);
    window_add(&w, &hour, 2);
    assert_int_equal(window_sum(&w, &hour), 5);
    window_advance(&w, &hour, START + 3599);
    assert_int_equal(window_sum(&w, &hour), 5);
    window_advance(&w, &hour, START + 3600);
    assert_int_equal(window_sum(&w, &hour), 2);
    window_advance(&w, &hour, START + 3900);
    assert_int_equal(window_sum(&w, &hour), 0);
}

static void until(void **state)
{
    struct window w = {0};
    window_advance(&w, &hour, START);
    window_add(&w, &hour, 3);
    window_advance(&w, &hour, START + 900);
    window_add(&w, &hour, 2);
    assert_int_equal(window_until(&w, &hour, 1, 5), START + 3600);
    assert_int_equal(window_until(&w, &hour, 4, 5), START + 4500);
    assert_int_equal(window_until(&w, &hour, 6, 5), START + 4500); /* never, in fact */
}

/* A clock that goes back a little counts on where it was; far, and it begins anew. */
static void clock_goes_back(void **state)
{
    struct window w = {0};
    window_advance(&w, &hour, START);
    window_add(&w, &hour, 1);
    window_advance(&w, &hour, START - 600);
    window_add(&w, &hour, 1);
    assert_int_equal(window_sum(&w, &hour), 2);
    window_advance(&w, &hour, START - 3600);
    assert_int_equal(window_sum(&w, &hour), 0);
    window_advance(&w, &hour, -5);
    window_add(&w, &hour, UINT32_MAX);
    window_add(&w, &hour, 1);
    assert_int_equal(window_sum(&w, &hour), UINT32_MAX);
}

static void restored(void **state)
{
    struct window w = {0}, back = {0};
    window_advance(&w, &hour, START);
    window_add(&w, &hour, 3);
    window_advance(&w, &hour, START + 900);
    window_add(&w, &hour, 2);
    window_advance(&back, &hour, START + 900);
    for (unsigned i = 0; i < hour.slots; i++)
        if (w.dirty & UINT32_C(1) << i)
            window_restore(&back, &hour, window_slot(&w, &hour, i), w.n[i]);
    assert_int_equal(window_sum(&back, &hour), 5);
    assert_int_equal(window_until(&back, &hour, 1, 5), START + 3600);
    assert_int_equal(back.dirty, 0);
    window_restore(&back, &hour, START / 300 + 4, 9);  /* of the future */
    window_restore(&back, &hour, START / 300 - 12, 9); /* too old */
    assert_int_equal(window_sum(&back, &hour), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slides),
        cmocka_unit_test(until),
        cmocka_unit_test(clock_goes_back),
        cmocka_unit_test(restored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
