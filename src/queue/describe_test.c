/* Tests of the queue told to people. */
#include "queue/describe.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1795348800 /* 2026-11-22T12:00:00Z */

static void sentences(void **state)
{
    static const struct {
        struct queue_recipient r;
        const char *want;
    } rows[] = {
        {{.state = QUEUE_WAITING, .next_attempt = NOW}, "waiting for the first attempt"},
        {{.state = QUEUE_WAITING, .next_attempt = NOW + 60},
         "waiting for the first attempt at 2026-11-22T12:01:00Z"},
        {{.state = QUEUE_WAITING,
          .attempts = 2,
          .next_attempt = NOW + 3600,
          .last_answer = SLICE_INIT("451 4.7.1 later\r\n\x1b[2J")},
         "waiting: attempt 3 at 2026-11-22T13:00:00Z; last answer: 451 4.7.1 later???[2J"},
        {{.state = QUEUE_WAITING, .attempts = 1, .next_attempt = NOW - 1},
         "waiting: attempt 2 is due"},
        {{.state = QUEUE_HELD}, "held by the operator"},
        {{.state = QUEUE_BROKEN, .attempts = 4}, "cannot be sent as it is, after 4 attempts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT(1000);
        queue_describe(&rows[i].r, NOW, &b);
        buf_byte(&b, 0);
        assert_string_equal((const char *)b.p, rows[i].want);
        buf_free(&b);
    }
}

static void entries(void **state)
{
    const struct queue_recipient r[] = {
        {.state = QUEUE_WAITING, .next_attempt = 50},
        {.state = QUEUE_HELD, .next_attempt = 10},
        {.state = QUEUE_WAITING, .next_attempt = 40},
    };
    struct queue_entry e = {.recipients = r, .n_recipients = 3};
    assert_int_equal(queue_entry_state(&e), QUEUE_HELD);
    assert_int_equal(queue_entry_next(&e), 40);
    e.n_recipients = 1;
    assert_int_equal(queue_entry_state(&e), QUEUE_WAITING);
    assert_string_equal(queue_state_name(QUEUE_WAITING), "waiting");
    e.n_recipients = 0;
    assert_int_equal(queue_entry_next(&e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences),
        cmocka_unit_test(entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
