/* What becomes of recipients, and who is told. */
#include "queue/outcome.h"

#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define CREATED 1000000
#define HOUR    3600
#define DAY     (24 * HOUR)

static const struct outcome_times times = {
    .retry_first = 300, .retry_most = 4 * HOUR, .give_up = 5 * DAY, .delay_notice = 4 * HOUR};

enum told { NOBODY = 0, FAILED = 1, DELAYED = 2, RELAYED = 4 };

struct row {
    const char *name;
    enum relay_outcome outcome;
    enum problem problem;
    uint16_t code;
    bool unknown; /* no result at all */
    bool remote_dsn, null_sender;
    uint8_t notify, told_before;
    int64_t age;
    uint32_t attempts;
    enum outcome_order order;
    enum queue_state state;
    enum told told;
    enum schedule_end end;
};

static const struct row rows[] = {
    {"delivered", RELAY_DELIVERED, .state = QUEUE_DELIVERED, .end = SCHEDULE_TOOK},
    {"delivered, success asked", RELAY_DELIVERED, .notify = 2, .state = QUEUE_DELIVERED,
     .told = RELAYED, .end = SCHEDULE_TOOK},
    {"delivered, success asked of who has DSN", RELAY_DELIVERED, .notify = 2, .remote_dsn = true,
     .state = QUEUE_DELIVERED, .end = SCHEDULE_TOOK},
    {"refused", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .state = QUEUE_RETURNED, .told = FAILED,
     .end = SCHEDULE_DEFERRED},
    {"refused, never", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .notify = 1, .state = QUEUE_RETURNED,
     .end = SCHEDULE_DEFERRED},
    {"refused, only success asked", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .notify = 2,
     .state = QUEUE_RETURNED, .end = SCHEDULE_DEFERRED},
    {"refused, failure asked", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .notify = 4,
     .state = QUEUE_RETURNED, .told = FAILED, .end = SCHEDULE_DEFERRED},
    {"refused, from nobody", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .null_sender = true,
     .notify = 4, .state = QUEUE_RETURNED, .end = SCHEDULE_DEFERRED},
    {"no such domain", RELAY_PERMANENT, PROBLEM_NO_DOMAIN, .state = QUEUE_RETURNED, .told = FAILED,
     .end = SCHEDULE_UNKNOWN},
    {"later", RELAY_TEMPORARY, PROBLEM_REFUSED, 451, .state = QUEUE_WAITING,
     .end = SCHEDULE_DEFERRED},
    {"not reached", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .state = QUEUE_WAITING,
     .end = SCHEDULE_FAILED},
    {"edge busy", RELAY_TEMPORARY, PROBLEM_BUSY, .state = QUEUE_WAITING, .end = SCHEDULE_UNKNOWN},
    {"unknown", .unknown = true, .state = QUEUE_WAITING, .end = SCHEDULE_UNKNOWN},
    {"late", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 4 * HOUR, .state = QUEUE_WAITING,
     .told = DELAYED, .end = SCHEDULE_FAILED},
    {"late, a little too early", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 4 * HOUR - 1,
     .state = QUEUE_WAITING, .end = SCHEDULE_FAILED},
    {"late, told", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 9 * HOUR, .told_before = 1,
     .state = QUEUE_WAITING, .end = SCHEDULE_FAILED},
    {"late, delay asked", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 4 * HOUR, .notify = 8,
     .state = QUEUE_WAITING, .told = DELAYED, .end = SCHEDULE_FAILED},
    {"late, delay not asked", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 4 * HOUR, .notify = 6,
     .state = QUEUE_WAITING, .end = SCHEDULE_FAILED},
    {"late, from nobody", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 4 * HOUR, .null_sender = true,
     .state = QUEUE_WAITING, .end = SCHEDULE_FAILED},
    {"too old", RELAY_TEMPORARY, PROBLEM_TIMEOUT, .age = 5 * DAY, .told_before = 1,
     .state = QUEUE_RETURNED, .told = FAILED, .end = SCHEDULE_FAILED},
    {"too old, nothing known", .unknown = true, .age = 5 * DAY, .state = QUEUE_RETURNED,
     .told = FAILED, .end = SCHEDULE_UNKNOWN},
    {"cancelled, delivered", RELAY_DELIVERED, .order = ORDER_CANCEL, .state = QUEUE_DELIVERED,
     .end = SCHEDULE_TOOK},
    {"cancelled, later", RELAY_TEMPORARY, PROBLEM_REFUSED, 451, .order = ORDER_CANCEL,
     .state = QUEUE_CANCELLED, .end = SCHEDULE_DEFERRED},
    {"cancelled, refused", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .order = ORDER_CANCEL,
     .state = QUEUE_CANCELLED, .end = SCHEDULE_DEFERRED},
    {"held, later", RELAY_TEMPORARY, PROBLEM_REFUSED, 451, .order = ORDER_HOLD, .state = QUEUE_HELD,
     .end = SCHEDULE_DEFERRED},
    {"held, refused", RELAY_PERMANENT, PROBLEM_REFUSED, 550, .order = ORDER_HOLD,
     .state = QUEUE_RETURNED, .told = FAILED, .end = SCHEDULE_DEFERRED},
};

static void check_row(const struct row *w)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct queue_recipient r = {.number = 3,
                                .address = SLICE("x@example.net"),
                                .notify = w->notify,
                                .told = w->told_before,
                                .attempts = w->attempts,
                                .trail = SLICE("old")};
    struct queue_entry e = {.id = 64,
                            .sender = w->null_sender ? SLICE("") : SLICE("anna@example.org"),
                            .created = CREATED,
                            .recipients = &r,
                            .n_recipients = 1};
    struct relay_outcome_of of = {.outcome = w->outcome,
                                  .problem = w->problem,
                                  .code = w->code,
                                  .status = "4.2.0",
                                  .answer = SLICE("said so")};
    struct relay_result result = {.recipient = &of,
                                  .n_recipients = 1,
                                  .host = SLICE("mx.example.net"),
                                  .security = SECURITY_DANE,
                                  .remote_dsn = w->remote_dsn};
    struct outcome_in in = {.entry = &e,
                            .which = &(size_t){0},
                            .order = &w->order,
                            .n = 1,
                            .demand = DEMAND_DANE,
                            .source = SOURCE_LIST,
                            .result = w->unknown ? NULL : &result,
                            .times = times,
                            .now = CREATED + w->age};
    struct outcome out;
    print_message("%s\n", w->name);
    assert_int_equal(outcome_decide(&in, &a, &out), OK);
    const struct queue_change *c = &out.change[0];
    assert_int_equal(c->entry, 64);
    assert_int_equal(c->recipient.number, 3);
    assert_int_equal(c->recipient.state, w->state);
    bool untried = !w->unknown && w->problem == PROBLEM_BUSY; /* edge did nothing */
    assert_int_equal(c->recipient.attempts, w->attempts + !untried);
    assert_int_equal(out.end, w->end);
    assert_int_equal(out.left, w->state == QUEUE_WAITING);
    if (w->state == QUEUE_WAITING)
        assert_true(out.at > in.now && out.at == c->recipient.next_attempt);
    else
        assert_int_equal(c->recipient.next_attempt, in.now);
    assert_int_equal(out.n_notices, w->told != NOBODY);
    if (w->told != NOBODY) {
        const struct queue_notice *n = &out.notice[0];
        assert_int_equal(1 << n->kind, w->told);
        assert_int_equal(n->n_recipients, 1);
        assert_ptr_equal(n->recipient[0].recipient, &c->recipient);
        assert_int_equal(n->retry_until, w->told == DELAYED ? CREATED + 5 * DAY : 0);
        if (!w->unknown)
            assert_true(slice_eq(n->recipient[0].host, SLICE("mx.example.net")));
        if (w->age == 5 * DAY)
            assert_int_equal(n->recipient[0].outcome.problem, PROBLEM_EXPIRED);
    }
    assert_int_equal(c->recipient.told, w->told_before | (w->told == DELAYED));
    struct relay_trail t;
    assert_int_equal(relay_read_trail(&a, c->recipient.trail, &t), OK);
    assert_int_equal(t.at, in.now);
    assert_int_equal(t.problem, w->unknown ? PROBLEM_BUSY : w->problem);
    assert_int_equal(t.demand, DEMAND_DANE);
    if (w->code != 0) {
        char text[40];
        snprintf(text, sizeof text, "%u 4.2.0 said so", w->code);
        assert_true(slice_eq(c->recipient.last_answer, slice_str(text)));
    }
}

static void table(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i]);
}

static void pauses(void **state)
{
    static const int64_t want[] = {300, 600, 1200, 2400, 4800, 9600, 14400, 14400};
    for (uint32_t k = 0; k < 8; k++) {
        int64_t least = INT64_MAX, most = 0;
        for (uint32_t jitter = 0; jitter < 5000; jitter++) {
            int64_t p = outcome_pause(&times, k + 1, jitter);
            least = p < least ? p : least;
            most = p > most ? p : most;
        }
        assert_int_equal(least, want[k] - want[k] / 10);
        assert_int_equal(most, want[k] + want[k] / 10);
    }
    assert_int_equal(
        outcome_pause(&(struct outcome_times){.retry_first = 1, .retry_most = 2}, UINT32_MAX, 7),
        2);
}

/* Several at once: one notice of each kind, and the letter goes on with the one that waits. */
static void together(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct queue_recipient r[5];
    size_t which[4] = {0, 1, 3, 4};
    enum outcome_order order[4] = {ORDER_NONE};
    struct relay_outcome_of of[4] = {
        {.outcome = RELAY_PERMANENT, .code = 550, .status = "5.1.1"},
        {.outcome = RELAY_DELIVERED, .status = "2.0.0"},
        {.outcome = RELAY_TEMPORARY, .code = 450, .status = "4.7.1"},
        {.outcome = RELAY_PERMANENT, .code = 551, .status = "5.1.6"},
    };
    for (uint32_t i = 0; i < 5; i++)
        r[i] = (struct queue_recipient){.number = i, .address = SLICE("x@y.example"), .notify = 0};
    r[1].notify = 2;
    struct queue_entry e = {.id = 1,
                            .sender = SLICE("a@b.example"),
                            .created = CREATED,
                            .recipients = r,
                            .n_recipients = 5};
    struct relay_result result = {.recipient = of, .n_recipients = 4};
    struct outcome_in in = {.entry = &e,
                            .which = which,
                            .order = order,
                            .n = 4,
                            .result = &result,
                            .times = times,
                            .now = CREATED + 5 * HOUR};
    struct outcome out;
    assert_int_equal(outcome_decide(&in, &a, &out), OK);
    assert_int_equal(out.n_notices, 3);
    assert_int_equal(out.notice[0].kind, NOTICE_FAILED);
    assert_int_equal(out.notice[0].n_recipients, 2);
    assert_int_equal(out.notice[0].recipient[1].recipient->number, 4);
    assert_int_equal(out.notice[1].kind, NOTICE_RELAYED);
    assert_int_equal(out.notice[2].kind, NOTICE_DELAYED);
    assert_int_equal(out.left, 1);
    assert_int_equal(out.end, SCHEDULE_TOOK);
    /* A result for fewer than were sent: nothing is known of the others. */
    result.n_recipients = 2;
    assert_int_equal(outcome_decide(&in, &a, &out), OK);
    assert_int_equal(out.change[2].recipient.state, QUEUE_WAITING);
    assert_int_equal(out.left, 2);
    /* The last attempt is at the end of the time. */
    in.now = CREATED + 5 * DAY - 7;
    assert_int_equal(outcome_decide(&in, &a, &out), OK);
    assert_int_equal(out.at, CREATED + 5 * DAY);
    arena_free(&a);
    arena_init(&a, 1);
    (void)!arena_alloc(&a, 60000);
    assert_int_equal(outcome_decide(&in, &a, &out), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(pauses),
        cmocka_unit_test(together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
