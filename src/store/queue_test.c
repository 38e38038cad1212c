/* The outbound queue's entries, over one and several shards. */
#include "store/store_kit.h"

static uint64_t ids[2000];
static size_t n_ids;

static bool keep_id(void *arg, const struct queue_entry *e)
{
    (void)arg;
    assert_true(n_ids == 0 || e->id > ids[n_ids - 1]);
    ids[n_ids++] = e->id;
    return true;
}

static bool keep_three(void *arg, const struct queue_entry *e)
{
    keep_id(arg, e);
    return n_ids < 3;
}

static enum error submit(struct kit *k, uint64_t account, struct slice raw,
                         const struct queue_entry *q, size_t n)
{
    struct delivery_target t = {.account = account, .use = USE_SENT};
    struct store_delivery d = {.raw = raw,
                               .summary = kit_summary(k, raw),
                               .received = 4711,
                               .targets = &t,
                               .n_targets = account != 0,
                               .queue = q,
                               .n_queue = n};
    return store_deliver(k->s, &d);
}

static void run_entry(unsigned shards)
{
    struct kit *k = kit_new(shards);
    struct slice raw = kit_big(k, 30000, 1);
    struct queue_recipient r[3] = {
        {.number = 0, .address = SLICE("a@example.net"), .orcpt = SLICE("rfc822;a"), .notify = 6},
        {.number = 1, .address = SLICE("b@example.net"), .state = QUEUE_HELD},
        {.number = 2, .address = SLICE("c@example.net"), .next_attempt = 99},
    };
    struct queue_entry q = {.account = 7,
                            .sender = SLICE("anna@example.org"),
                            .envid = SLICE("QQ314159"),
                            .ret = 2,
                            .require_tls = true,
                            .eight_bit = true,
                            .recipients = r,
                            .n_recipients = 3};
    assert_int_equal(submit(k, 7, raw, &q, 1), OK);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    assert_int_equal(n_ids, 1);
    struct queue_entry got;
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_int_equal(got.account, 7);
    assert_true(slice_eq(got.sender, q.sender) && slice_eq(got.envid, q.envid));
    assert_true(got.ret == 2 && got.require_tls && got.eight_bit && !got.smtputf8);
    assert_int_equal(got.created, 4711);
    assert_int_equal(got.size, raw.n);
    assert_int_equal(got.n_recipients, 3);
    assert_true(slice_eq(got.recipients[0].orcpt, r[0].orcpt) && got.recipients[0].notify == 6);
    assert_int_equal(got.recipients[1].state, QUEUE_HELD);
    assert_int_equal(got.recipients[2].next_attempt, 99);
    struct store_body b;
    assert_int_equal(store_queue_body(k->s, ids[0], &b), OK);
    assert_true(slice_eq(b.raw, raw));
    store_body_free(&b);

    struct queue_recipient u = r[0];
    u.attempts = 3;
    u.next_attempt = 12345;
    u.last_answer = SLICE("451 4.7.1 later");
    assert_int_equal(store_queue_update(k->s, ids[0], &u), OK);
    u.number = 9;
    assert_int_equal(store_queue_update(k->s, ids[0], &u), ERR_NOTFOUND);
    const uint32_t first[] = {1, 2}, last[] = {0};
    assert_int_equal(store_queue_done(k->s, ids[0], first, 2), OK);
    kit_reopen(k);
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_int_equal(got.n_recipients, 1);
    assert_int_equal(got.recipients[0].attempts, 3);
    assert_true(slice_eq(got.recipients[0].last_answer, SLICE("451 4.7.1 later")));
    kit_sound(k);
    assert_int_equal(store_queue_done(k->s, ids[0], last, 1), OK);
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), ERR_NOTFOUND);
    assert_int_equal(store_queue_body(k->s, ids[0], &b), ERR_NOTFOUND);
    assert_int_equal(store_queue_done(k->s, ids[0], last, 1), ERR_NOTFOUND);
    assert_int_equal(store_queue_done(k->s, 63, last, 1), ERR_NOTFOUND);
    kit_body_is(k, 7, kit_box(k, 7, "Sent"), 1, raw); /* the copy in the mailbox stays */
    kit_sound(k);
    /* An id is not used again. */
    kit_reopen(k);
    uint64_t old = ids[0];
    assert_int_equal(submit(k, 7, raw, &q, 1), OK);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    assert_true(ids[0] > old);
    kit_free(k);
}

static void run_many(unsigned shards)
{
    enum { N = 700 };
    struct kit *k = kit_new(shards);
    struct slice raw = kit_raw(k, "s", "t");
    struct queue_recipient r = {.address = SLICE("a@example.net")};
    struct queue_entry q[2] = {{.recipients = &r, .n_recipients = 1},
                               {.recipients = &r, .n_recipients = 1, .smtputf8 = true}};
    for (uint64_t i = 0; i < N / 2; i++)
        assert_int_equal(submit(k, i % 9, raw, q, 2), OK);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    assert_int_equal(n_ids, N);
    uint64_t middle = ids[300];
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, middle, keep_id, NULL), OK);
    assert_int_equal(n_ids, N - 301);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_three, NULL), OK);
    assert_int_equal(n_ids, 3);
    kit_sound(k);
    kit_free(k);
}

static void test_entry(void **state)
{
    (void)state;
    run_entry(1);
    run_entry(4);
}

static void test_many(void **state)
{
    (void)state;
    run_many(1);
    run_many(4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
