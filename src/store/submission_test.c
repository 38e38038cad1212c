/* Tests of submissions: states, what is due, the message that they keep, and changes. */
#include "store/submission.h"

#include "base/clock.h"
#include "store/internal.h"
#include "store/store_kit.h"
#include <pthread.h>
#include <stdatomic.h>

static int setup(void **state)
{
    *state = kit_new(1);
    return 0;
}

static int teardown(void **state)
{
    kit_free(*state);
    return 0;
}

static uint64_t add(struct kit *k, uint64_t account, uint32_t box, uint32_t uid, int64_t send_at)
{
    struct submission s = {.email = 7,
                           .thread = 8,
                           .identity = 3,
                           .send_at = send_at,
                           .envelope = SLICE("{\"mailFrom\":{}}")};
    uint64_t id = 0;
    assert_int_equal(store_submission_add(k->s, account, box, uid, &s, &id), OK);
    assert_true(id > 0);
    return id;
}

static uint64_t state_of(struct kit *k, uint64_t account)
{
    uint64_t state = 0;
    assert_int_equal(store_submission_state(k->s, account, &state), OK);
    return state;
}

static struct submission only(struct kit *k, uint64_t account)
{
    struct submission *s;
    size_t n;
    assert_int_equal(store_submissions(k->s, account, &k->a, &s, &n), OK);
    assert_int_equal(n, 1);
    struct submission same;
    assert_int_equal(store_submission(k->s, account, s->id, &k->a, &same), OK);
    assert_true(same.changed == s->changed && slice_eq(same.answer, s->answer));
    assert_int_equal(store_submission(k->s, account + 1, s->id, &k->a, &same), ERR_NOTFOUND);
    assert_int_equal(store_submission(k->s, account, s->id + 1, &k->a, &same), ERR_NOTFOUND);
    return s[0];
}

static void body_is(struct kit *k, uint64_t id, struct slice raw)
{
    struct store_body b;
    assert_int_equal(store_submission_body(k->s, 1, id, &b), OK);
    assert_true(slice_eq(b.raw, raw));
    store_body_free(&b);
}

static int64_t count(struct kit *k, const char *sql)
{
    struct reader *r;
    int64_t n = -1;
    assert_int_equal(reader_get(&k->s->shard[0], &r), OK);
    assert_int_equal(index_number(&r->x, sql, &n), OK);
    reader_put(&k->s->shard[0], r);
    return n;
}

static void test_life(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    struct slice raw = kit_big(k, 40000, 1);
    struct store_body b;
    uint32_t uid = kit_append(k, 1, box, raw, FLAG_DRAFT);
    uint64_t before = state_of(k, 1), id = add(k, 1, box, uid, 5000);
    struct submission s = only(k, 1);
    assert_int_equal(s.id, id);
    assert_true(s.email == 7 && s.thread == 8 && s.identity == 3 && s.send_at == 5000);
    assert_int_equal(s.state, SUBMISSION_PENDING);
    assert_true(slice_eq(s.envelope, SLICE("{\"mailFrom\":{}}")));
    assert_int_equal(s.answer.n, 0);
    assert_int_equal(s.added, s.changed);
    assert_int_equal(s.added, state_of(k, 1));
    assert_true(s.added > before);
    /* The draft goes for good: the submission has its message all the same. */
    kit_close(k);
    kit_open(k, -1);
    struct uid_range one = {uid, uid};
    struct flag_list f = {.system = FLAG_DELETED};
    assert_int_equal(store_flags(k->s, 1, box, &one, 1, FLAGS_ADD, &f, NULL, NULL, NULL, NULL), OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    store_tend(k->s);
    body_is(k, id, raw);
    kit_sound(k);
    assert_int_equal(store_submission_remove(k->s, 1, id), ERR_CONFLICT);
    assert_int_equal(store_submission_settle(k->s, 2, id, SUBMISSION_CANCELED, SLICE(""), 0),
                     ERR_NOTFOUND);
    assert_int_equal(
        store_submission_settle(k->s, 1, id, SUBMISSION_FINAL, SLICE("250 2.0.0 queued"), 64), OK);
    assert_int_equal(store_submission_settle(k->s, 1, id, SUBMISSION_CANCELED, SLICE(""), 0),
                     ERR_CONFLICT);
    s = only(k, 1);
    assert_int_equal(s.state, SUBMISSION_FINAL);
    assert_true(slice_eq(s.answer, SLICE("250 2.0.0 queued")));
    assert_int_equal(s.queue_entry, 64);
    assert_true(s.changed > s.added && s.changed == state_of(k, 1));
    assert_int_equal(store_submission_body(k->s, 1, id, &b), ERR_NOTFOUND);
    assert_int_equal(count(k, "SELECT count(*) FROM body"), 0);
    kit_sound(k);
    kit_reopen(k);
    assert_int_equal(only(k, 1).state, SUBMISSION_FINAL);
    assert_int_equal(store_submission_settle(k->s, 1, 999, SUBMISSION_FINAL, SLICE(""), 0),
                     ERR_NOTFOUND);
    uint64_t other;
    assert_int_equal(store_submission_add(k->s, 1, box, 99, &s, &other), ERR_NOTFOUND);
    assert_int_equal(store_submission_add(k->s, 1, 99, 1, &s, &other), ERR_NOTFOUND);
}

/* What stands in front of a delivered message goes with it. */
static void test_prefix(void **state)
{
    struct kit *k = *state;
    struct slice raw = kit_raw(k, "s", "t");
    struct delivery_target t = {.account = 1,
                                .language = SLICE("en"),
                                .use = USE_INBOX,
                                .prefix = SLICE("Delivered-To: anna\r\n")};
    struct store_delivery d = {
        .raw = raw, .summary = kit_summary(k, raw), .targets = &t, .n_targets = 1};
    assert_int_equal(store_deliver(k->s, &d), OK);
    uint64_t id = add(k, 1, t.mailbox, t.uid, 0);
    body_is(k, id, arena_printf(&k->a, "Delivered-To: anna\r\n%.*s", SLICE_FMT(raw)));
}

struct due {
    uint64_t account[10], id[10];
    size_t n;
};

static void keep_due(void *arg, uint64_t account, uint64_t id)
{
    struct due *d = arg;
    assert_true(d->n < 10);
    d->account[d->n] = account;
    d->id[d->n++] = id;
}

static void test_due(void **state)
{
    (void)state;
    struct kit *k = kit_new(3);
    uint64_t id[6];
    for (uint64_t account = 1; account <= 5; account++) {
        uint32_t box = kit_box(k, account, "Drafts");
        uint32_t uid = kit_append(k, account, box, kit_raw(k, "s", "t"), 0);
        id[account] = add(k, account, box, uid, 1000 - (int64_t)account * 10);
    }
    struct due d = {.n = 0};
    assert_int_equal(store_submissions_due(k->s, 949, 10, keep_due, &d), OK);
    assert_int_equal(d.n, 0);
    assert_int_equal(store_submissions_due(k->s, 970, 10, keep_due, &d), OK);
    assert_int_equal(d.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(d.account[i], 5 - i);
        assert_int_equal(d.id[i], id[5 - i]);
    }
    d.n = 0;
    assert_int_equal(store_submissions_due(k->s, 5000, 2, keep_due, &d), OK);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.account[0], 5);
    assert_int_equal(store_submission_settle(k->s, 5, id[5], SUBMISSION_CANCELED, SLICE(""), 0),
                     OK);
    d.n = 0;
    assert_int_equal(store_submissions_due(k->s, 5000, 10, keep_due, &d), OK);
    assert_int_equal(d.n, 4);
    assert_int_equal(d.account[0], 4);
    kit_sound(k);
    kit_free(k);
}

static void test_forget(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    uint32_t uid = kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    uint64_t id[300], *gone, start = state_of(k, 1), then;
    struct submission *s;
    size_t n;
    for (size_t i = 0; i < 300; i++)
        id[i] = add(k, 1, box, uid, 0);
    for (size_t i = 0; i < 299; i++)
        assert_int_equal(store_submission_settle(k->s, 1, id[i], SUBMISSION_FINAL, SLICE("x"), 0),
                         OK);
    then = state_of(k, 1);
    assert_int_equal(store_submission_remove(k->s, 1, id[5]), OK);
    assert_int_equal(store_submission_remove(k->s, 1, id[5]), ERR_NOTFOUND);
    assert_int_equal(store_submissions_gone(k->s, 1, then, &k->a, &gone, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(gone[0], id[5]);
    assert_int_equal(store_submissions_gone(k->s, 1, state_of(k, 1), &k->a, &gone, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_submissions_gone(k->s, 1, state_of(k, 1) + 1, &k->a, &gone, &n),
                     ERR_AGAIN);
    /* Nothing is old enough. */
    assert_int_equal(store_submissions_forget(k->s, clock_wall() - 1000), OK);
    assert_int_equal(store_submissions(k->s, 1, &k->a, &s, &n), OK);
    assert_int_equal(n, 299);
    kit_execute(k, "UPDATE submission SET settled = settled - 2000 WHERE state <> 0");
    assert_int_equal(store_submissions_forget(k->s, clock_wall() - 1000), OK);
    assert_int_equal(store_submissions(k->s, 1, &k->a, &s, &n), OK);
    assert_int_equal(n, 1); /* the one that waits */
    assert_int_equal(s[0].id, id[299]);
    /* That one was removed before is not known any more, all others are. */
    assert_int_equal(store_submissions_gone(k->s, 1, then, &k->a, &gone, &n), ERR_AGAIN);
    assert_int_equal(store_submissions_gone(k->s, 1, then + 1, &k->a, &gone, &n), OK);
    assert_int_equal(n, 298);
    assert_int_equal(store_submissions_gone(k->s, 1, start, &k->a, &gone, &n), ERR_AGAIN);
    kit_execute(k, "UPDATE submission SET settled = settled - 2000 WHERE state <> 0");
    assert_int_equal(store_submissions_forget(k->s, INT64_MAX), OK);
    assert_int_equal(count(k, "SELECT count(*) FROM submission"), 1);
    assert_int_equal(store_submissions_gone(k->s, 1, state_of(k, 1), &k->a, &gone, &n), OK);
    assert_true(add(k, 1, box, uid, 0) > id[299]);
    kit_sound(k);
}

static void test_limit(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    uint32_t uid = kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    struct submission s = {.email = 1};
    uint64_t id = add(k, 1, box, uid, 0), other;
    kit_execute(k, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
                   " INSERT INTO submission SELECT 100 + i, 1, 1, 1, 1, 0, 1, 1, 0, 0, '', '', 0,"
                   " body, '' FROM n, submission;"
                   "UPDATE body SET refs = refs + 999");
    assert_int_equal(store_submission_add(k->s, 1, box, uid, &s, &other), ERR_LIMIT);
    assert_int_equal(store_submission_settle(k->s, 1, id, SUBMISSION_CANCELED, SLICE(""), 0), OK);
    assert_int_equal(store_submission_add(k->s, 1, box, uid, &s, &other), OK);
    kit_sound(k);
    /* All of it goes with the account. */
    assert_int_equal(store_account_remove(k->s, 1), OK);
    assert_int_equal(count(k, "SELECT count(*) FROM submission"), 0);
    assert_int_equal(count(k, "SELECT count(*) FROM body"), 0);
    kit_sound(k);
}

static void test_check(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    uint32_t uid = kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    uint64_t id = add(k, 1, box, uid, 0);
    unsigned bad = 0;
    kit_execute(k, "UPDATE body SET refs = 1");
    assert_int_equal(store_check(k->s, true, NULL, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 0); /* repaired */
    assert_int_equal(count(k, "SELECT refs FROM body"), 2);
    kit_execute(k, "UPDATE submission SET body = 4711");
    assert_int_equal(store_check(k->s, false, NULL, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 2); /* it lost its message; the body is counted wrong */
    struct store_body b;
    assert_int_equal(store_submission_body(k->s, 1, id, &b), ERR_IO);
}

static void test_a_write_fails(void **state)
{
    static const char *const writes[] = {"INSERT ON submission", "UPDATE ON submission",
                                         "UPDATE ON body", "UPDATE ON account"};
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    uint32_t uid = kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    uint64_t id = add(k, 1, box, uid, 0), other, then = state_of(k, 1);
    struct submission s = {.email = 1};
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "CREATE TRIGGER fails BEFORE %s BEGIN SELECT raise(ABORT, 'no'); END", writes[i]);
        kit_execute(k, sql);
        if (i != 1)
            assert_int_equal(store_submission_add(k->s, 1, box, uid, &s, &other), ERR_BUG);
        if (i != 0)
            assert_int_equal(store_submission_settle(k->s, 1, id, SUBMISSION_FINAL, SLICE(""), 0),
                             ERR_BUG);
        kit_execute(k, "DROP TRIGGER fails");
        assert_int_equal(only(k, 1).state, SUBMISSION_PENDING);
        assert_int_equal(state_of(k, 1), then);
        kit_sound(k);
    }
    assert_int_equal(store_submission_settle(k->s, 1, id, SUBMISSION_FINAL, SLICE(""), 0), OK);
    kit_sound(k);
}

struct race {
    struct kit *k;
    uint64_t id;
    atomic_uint won;
};

static void *settle_it(void *arg)
{
    struct race *r = arg;
    enum error e = store_submission_settle(r->k->s, 1, r->id, SUBMISSION_FINAL, SLICE(""), 0);
    if (e == OK)
        atomic_fetch_add(&r->won, 1);
    else if (e != ERR_CONFLICT)
        bug("settle: %s", error_name(e));
    return NULL;
}

static void test_one_wins(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "Drafts");
    uint32_t uid = kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    for (int round = 0; round < 20; round++) {
        struct race r = {.k = k, .id = add(k, 1, box, uid, 0)};
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&t[i], NULL, settle_it, &r), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(t[i], NULL);
        assert_int_equal(r.won, 1);
    }
    kit_sound(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
        cmocka_unit_test(test_due),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_write_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_wins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
