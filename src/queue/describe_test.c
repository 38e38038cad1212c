/* Tests of the queue told to people. */
#include "queue/describe.h"

#include "handover/relay.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW  1795348800 /* 2026-11-22T12:00:00Z */
#define SOON ": it is on its way now, or follows as soon as its destination takes mail again"

static void sentences(void **state)
{
    static const struct {
        struct queue_recipient r;
        const char *want;
    } rows[] = {
        {{.state = QUEUE_WAITING, .next_attempt = NOW}, "waiting for the first attempt" SOON},
        {{.state = QUEUE_WAITING, .next_attempt = NOW + 60},
         "waiting for the first attempt at 2026-11-22T12:01:00Z"},
        {{.state = QUEUE_WAITING,
          .attempts = 2,
          .next_attempt = NOW + 3600,
          .last_answer = SLICE_INIT("451 4.7.1 later\r\n\x1b[2J")},
         "waiting: attempt 3 at 2026-11-22T13:00:00Z; last answer: 451 4.7.1 later???[2J"},
        {{.state = QUEUE_WAITING, .attempts = 1, .next_attempt = NOW - 1},
         "waiting: attempt 2 is due" SOON},
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
    assert_int_equal(queue_entry_state(&e), QUEUE_BROKEN);
    const struct queue_recipient over[] = {
        {.state = QUEUE_DELIVERED}, {.state = QUEUE_RETURNED}, {.state = QUEUE_WAITING}};
    e.recipients = over;
    e.n_recipients = 2;
    assert_int_equal(queue_entry_state(&e), QUEUE_RETURNED);
    e.n_recipients = 3;
    assert_int_equal(queue_entry_state(&e), QUEUE_WAITING);
}

static void explained(const struct queue_entry *e, struct queue_recipient *r,
                      const struct relay_trail *t, const char *want)
{
    struct buf trail = BUF_INIT(10000), out = BUF_INIT(10000);
    if (t != NULL)
        relay_write_trail(t, &trail);
    r->trail = buf_slice(&trail);
    queue_explain(e, r, NOW, &out);
    buf_byte(&out, 0);
    assert_string_equal((const char *)out.p, want);
    buf_free(&trail);
    buf_free(&out);
}

static void explanations(void **state)
{
    struct queue_entry e = {.sender = SLICE("a@example.org")};
    struct relay_try tries[] = {
        {.host = SLICE("mx1.gmx.example"),
         .ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}},
         .security = SECURITY_CLEAR,
         .problem = PROBLEM_NO_TLS},
        {.problem = PROBLEM_DNS,
         .detail = SLICE("SERV\x1b"
                         "FAIL")},
    };
    struct relay_trail t = {.at = NOW - 60,
                            .problem = PROBLEM_NO_TLS,
                            .demand = DEMAND_VERIFY,
                            .source = SOURCE_LIST,
                            .tries = tries,
                            .n_tries = 2};
    struct queue_recipient r = {
        .state = QUEUE_WAITING, .attempts = 2, .next_attempt = NOW + 3600, .told = 1};
    explained(&e, &r, &t,
              "waiting: attempt 3 at 2026-11-22T13:00:00Z\n"
              "  last attempt at 2026-11-22T11:59:00Z: the other side offered no encryption\n"
              "    mx1.gmx.example (192.0.2.1): the other side offered no encryption\n"
              "    the domain: the name servers of the recipient's domain gave no answer, or only "
              "an error [SERV?FAIL]\n"
              "  demanded: encryption, and a server that is confirmed, by the list of providers\n"
              "  the sender was told of the delay\n");
    /* The operator's word helps against what was reached before, and against nothing else. */
    e.n_recipients = 0;
    r = (struct queue_recipient){
        .address = SLICE("ann@gmx.example"), .state = QUEUE_WAITING, .next_attempt = NOW};
    t = (struct relay_trail){.at = NOW,
                             .problem = PROBLEM_NO_TLS,
                             .demand = DEMAND_ENCRYPT,
                             .source = SOURCE_RATCHET_TLS};
    explained(&e, &r, &t,
              "waiting for the first attempt" SOON "\n"
              "  last attempt at 2026-11-22T12:00:00Z: the other side offered no encryption\n"
              "  demanded: encryption, because it had encryption within the last 30 days\n"
              "  if it is known to have less now: `depesche queue policy gmx.example "
              "--allow-weaker`, then `depesche queue retry`\n");
    t.problem = PROBLEM_DANE_MISMATCH;
    explained(&e, &r, &t,
              "waiting for the first attempt" SOON "\n"
              "  last attempt at 2026-11-22T12:00:00Z: the other server's certificate is not the "
              "one that its domain announces (DANE)\n"
              "  demanded: encryption, because it had encryption within the last 30 days\n");
    t = (struct relay_trail){.at = NOW,
                             .security = SECURITY_DANE,
                             .host = SLICE("mx.example.net"),
                             .tls_version = SLICE("TLSv1.3"),
                             .tls_cipher = SLICE("TLS_AES_128_GCM_SHA256")};
    r = (struct queue_recipient){.state = QUEUE_DELIVERED,
                                 .attempts = 1,
                                 .next_attempt = NOW,
                                 .last_answer = SLICE("250 2.0.0 ok\n")};
    explained(&e, &r, &t,
              "delivered at 2026-11-22T12:00:00Z, after 1 attempt\n"
              "  mx.example.net: encrypted, server confirmed by DANE (TLSv1.3, "
              "TLS_AES_128_GCM_SHA256)\n"
              "  the other side said: 250 2.0.0 ok?\n");
    r = (struct queue_recipient){.state = QUEUE_WAITING, .next_attempt = NOW};
    explained(&e, &r, NULL, "waiting for the first attempt" SOON "\n");
    r = (struct queue_recipient){.state = QUEUE_RETURNED, .attempts = 7, .next_attempt = NOW};
    explained(&e, &r, NULL,
              "given up at 2026-11-22T12:00:00Z, after 7 attempts\n  the sender was told\n");
    r.notify = 1;
    explained(&e, &r, NULL,
              "given up at 2026-11-22T12:00:00Z, after 7 attempts\n"
              "  the sender was not told: he asked not to be\n");
    r = (struct queue_recipient){.state = QUEUE_HELD};
    explained(&e, &r, NULL,
              "held by the operator: nothing happens before `depesche queue release`\n");
    struct buf out = BUF_INIT(1000);
    r = (struct queue_recipient){.state = QUEUE_CANCELLED, .trail = SLICE("\xffxx")};
    queue_explain(&e, &r, NOW, &out);
    assert_true(slice_ends(buf_slice(&out), SLICE("cannot be read\n")));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences),
        cmocka_unit_test(entries),
        cmocka_unit_test(explanations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
