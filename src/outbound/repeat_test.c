/* Letters that are asked for again: who is answered, who is sent, what is forgotten. */
#include "base/clock.h"
#include "base/limits.h"
#include "outbound/repeat.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct relay_recipient list[] = {{.address = SLICE_INIT("a@example.net")},
                                        {.address = SLICE_INIT("b@example.net")}};

static struct relay_request letter(uint64_t id, size_t n)
{
    return (struct relay_request){.id = id,
                                  .sender = SLICE("s@example.org"),
                                  .size = 9,
                                  .recipient = list,
                                  .n_recipients = n};
}

static void end(struct repeats *r, struct repeat_letter *l, size_t n, enum relay_outcome first)
{
    struct relay_outcome_of o[2] = {{.outcome = first, .status = "2.0.0"}, {.status = "4.0.0"}};
    const struct relay_result result = {
        .recipient = o, .n_recipients = n, .host = SLICE("mx.example.net")};
    repeats_end(r, l, &result);
}

static enum error begin(struct repeats *r, const struct relay_request *rq, struct repeat_letter *l)
{
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    autoarena a;
    struct relay_result result;
    arena_init(&a, LIMIT_RELAY_ARENA);
    enum error e = repeats_begin(r, rq, clock_ms(), l, &b);
    if (e == OK) {
        assert_int_equal(relay_read_result(&a, buf_slice(&b), &result), OK);
        assert_int_equal(result.n_recipients, rq->n_recipients);
        assert_int_equal(result.recipient[0].outcome, RELAY_DELIVERED);
        assert_true(slice_eq(result.host, SLICE("mx.example.net")));
    }
    return e;
}

static void send_one(struct repeats *r, uint64_t id, size_t n, enum relay_outcome first)
{
    struct relay_request rq = letter(id, n);
    struct repeat_letter l;
    assert_int_equal(begin(r, &rq, &l), ERR_NOTFOUND);
    end(r, &l, n, first);
}

static const struct {
    const char *what;
    enum relay_outcome first;
    size_t n, n_again;
    uint64_t id_again;
    bool renewed;
    enum error expected;
} cases[] = {
    {"delivered, and the next mail asks", RELAY_DELIVERED, 1, 1, 1, true, OK},
    {"one of two delivered", RELAY_DELIVERED, 2, 2, 1, true, OK},
    {"the same mail asks", RELAY_DELIVERED, 1, 1, 1, false, ERR_NOTFOUND},
    {"another entry", RELAY_DELIVERED, 1, 1, 2, true, ERR_NOTFOUND},
    {"another recipient", RELAY_DELIVERED, 1, 2, 1, true, ERR_NOTFOUND},
    {"not delivered", RELAY_TEMPORARY, 1, 1, 1, true, ERR_NOTFOUND},
    {"refused", RELAY_PERMANENT, 1, 1, 1, true, ERR_NOTFOUND},
};

static void asked_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct repeats *r = repeats_new();
        struct repeat_letter l;
        struct relay_request again = letter(cases[i].id_again, cases[i].n_again);
        send_one(r, 1, cases[i].n, cases[i].first);
        if (cases[i].renewed)
            repeats_renew(r);
        if (begin(r, &again, &l) != cases[i].expected)
            fail_msg("%s", cases[i].what);
        if (cases[i].expected != OK)
            end(r, &l, cases[i].n_again, RELAY_TEMPORARY);
        repeats_free(r);
    }
}

/* Told once; and again when that `mail` ends too. */
static void mail_after_mail(void **state)
{
    struct repeats *r = repeats_new();
    struct relay_request rq = letter(1, 1);
    struct repeat_letter l;
    (void)state;
    send_one(r, 1, 1, RELAY_DELIVERED);
    for (int i = 0; i < 3; i++) {
        repeats_renew(r);
        assert_int_equal(begin(r, &rq, &l), OK);
    }
    assert_int_equal(begin(r, &rq, &l), ERR_NOTFOUND);
    end(r, &l, 1, RELAY_TEMPORARY);
    repeats_free(r);
}

static void bounds(void **state)
{
    struct repeats *r = repeats_new();
    struct repeat_letter l;
    struct relay_request first = letter(0, 1), second = letter(1, 1), last = letter(2, 1);
    (void)state;
    for (uint64_t i = 0; i <= LIMIT_REPEAT_RESULTS; i++)
        send_one(r, i, 1, RELAY_DELIVERED);
    repeats_renew(r);
    assert_int_equal(begin(r, &first, &l), ERR_NOTFOUND);
    end(r, &l, 1, RELAY_TEMPORARY);
    assert_int_equal(begin(r, &second, &l), OK);
    repeats_tend(r, clock_ms() + LIMIT_REPEAT_MS + 1000);
    assert_int_equal(begin(r, &last, &l), ERR_NOTFOUND);
    end(r, &l, 1, RELAY_TEMPORARY);
    repeats_free(r);
}

/* --- While it is being sent --- */

struct asking {
    struct repeats *r;
    enum error e;
};

static void *ask(void *arg)
{
    struct asking *x = arg;
    struct relay_request rq = letter(1, 1);
    struct repeat_letter l;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    x->e = repeats_begin(x->r, &rq, clock_ms() + 60000, &l, &b);
    if (x->e == ERR_NOTFOUND)
        end(x->r, &l, 1, RELAY_TEMPORARY);
    return NULL;
}

/* What the letter under way comes to; ERR_CLOSED: all waiting ends before it does. */
static void joined(enum relay_outcome first, bool stop, enum error expected)
{
    struct asking x = {.r = repeats_new(), .e = ERR_BUG};
    struct relay_request rq = letter(1, 1);
    struct repeat_letter l, other;
    pthread_t thread;
    assert_int_equal(begin(x.r, &rq, &l), ERR_NOTFOUND);
    repeats_renew(x.r);
    assert_int_equal(begin(x.r, &rq, &other), ERR_TIMEOUT);
    assert_int_equal(pthread_create(&thread, NULL, ask, &x), 0);
    usleep(20000);
    if (stop)
        repeats_stop(x.r);
    else
        end(x.r, &l, 1, first);
    pthread_join(thread, NULL);
    assert_int_equal(x.e, expected);
    if (stop)
        end(x.r, &l, 1, first);
    repeats_free(x.r);
}

static void joining(void **state)
{
    (void)state;
    joined(RELAY_DELIVERED, false, OK);
    joined(RELAY_TEMPORARY, false, ERR_NOTFOUND);
    joined(RELAY_TEMPORARY, true, ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_again),
        cmocka_unit_test(mail_after_mail),
        cmocka_unit_test(bounds),
        cmocka_unit_test(joining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
