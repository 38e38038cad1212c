/* The outbound queue's entries, over one and several shards. */
#include "base/clock.h"
#include "store/internal.h"
#include "store/schema.h"
#include "store/store_kit.h"
#include <sys/stat.h>
#include <unistd.h>

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

    struct queue_change c[4] = {{.entry = ids[0], .recipient = r[0]},
                                {.entry = ids[0], .recipient = {.number = 9}},
                                {.entry = 63},
                                {.entry = 1u << 20 << 6}};
    c[0].recipient.attempts = 3;
    c[0].recipient.next_attempt = 12345;
    c[0].recipient.last_answer = SLICE("451 4.7.1 later");
    c[0].recipient.told = 2;
    c[0].recipient.trail = SLICE("\0trail");
    assert_int_equal(store_queue_settle(k->s, c, 4), OK);
    assert_int_equal(c[0].result, OK);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(c[i].result, ERR_NOTFOUND);
    for (uint32_t i = 0; i < 2; i++) {
        c[i] = (struct queue_change){.entry = ids[0], .recipient = r[i + 1]};
        c[i].recipient.state = QUEUE_DELIVERED + i;
        c[i].recipient.next_attempt = 77;
    }
    assert_int_equal(store_queue_settle(k->s, c, 2), OK);
    kit_reopen(k);
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_int_equal(got.n_recipients, 3);
    assert_int_equal(got.recipients[0].attempts, 3);
    assert_int_equal(got.recipients[0].told, 2);
    assert_true(slice_eq(got.recipients[0].last_answer, SLICE("451 4.7.1 later")));
    assert_true(slice_eq(got.recipients[0].trail, SLICE("\0trail")));
    assert_int_equal(got.recipients[1].state, QUEUE_DELIVERED);
    assert_int_equal(got.recipients[2].state, QUEUE_RETURNED);
    assert_int_equal(got.recipients[2].next_attempt, 77);
    /* What is finished stays so. */
    c[0].recipient.state = QUEUE_WAITING;
    assert_int_equal(store_queue_settle(k->s, c, 1), OK);
    assert_int_equal(c[0].result, ERR_NOTFOUND);
    assert_int_equal(store_queue_body(k->s, ids[0], &b), OK);
    store_body_free(&b);
    kit_sound(k);
    c[0] = (struct queue_change){.entry = ids[0], .recipient = {.state = QUEUE_CANCELLED}};
    assert_int_equal(store_queue_settle(k->s, c, 1), OK);
    assert_int_equal(c[0].result, OK);
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_int_equal(got.recipients[0].state, QUEUE_CANCELLED);
    assert_int_equal(store_queue_body(k->s, ids[0], &b), ERR_NOTFOUND);
    kit_sound(k);
    size_t forgotten = 9;
    assert_int_equal(store_queue_forget(k->s, clock_wall() - 5, 100, 10, &forgotten), OK);
    assert_int_equal(forgotten, 0);
    assert_int_equal(store_queue_forget(k->s, clock_wall() + 1, 100, 10, &forgotten), OK);
    assert_int_equal(forgotten, 1);
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), ERR_NOTFOUND);
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

static void count_row(void *arg, const struct queue_row *r)
{
    assert_int_equal(r->state, QUEUE_WAITING);
    assert_true(slice_eq(r->address, SLICE("a@example.net")));
    assert_int_equal(r->created, 4711);
    ++*(size_t *)arg;
}

/* Finishes the entries ids[from] .. before ids[to]. */
static void finish(struct kit *k, size_t from, size_t to)
{
    struct queue_change *c = mem_array(to - from, sizeof *c);
    for (size_t i = from; i < to; i++)
        c[i - from] =
            (struct queue_change){.entry = ids[i], .recipient = {.state = QUEUE_DELIVERED}};
    assert_int_equal(store_queue_settle(k->s, c, to - from), OK);
    for (size_t i = from; i < to; i++)
        assert_int_equal(c[i - from].result, OK);
    mem_free(c);
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
    size_t rows = 0;
    assert_int_equal(store_queue_scan(k->s, count_row, &rows), OK);
    assert_int_equal(rows, N);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    finish(k, 0, 600);
    rows = 0;
    assert_int_equal(store_queue_scan(k->s, count_row, &rows), OK);
    assert_int_equal(rows, N - 600);
    size_t forgotten;
    assert_int_equal(store_queue_forget(k->s, 0, 4 * 600, 1000, &forgotten), OK);
    assert_int_equal(forgotten, 0);
    assert_int_equal(store_queue_forget(k->s, INT64_MAX, 600, 300, &forgotten), OK);
    assert_int_equal(forgotten, 300);
    /* No more are kept than may be, however young. */
    assert_int_equal(store_queue_forget(k->s, 0, 4, 1000, &forgotten), OK);
    assert_true(forgotten >= 296);
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

/* --- Watching --- */

struct seen {
    uint64_t id[8];
    size_t n, recipients;
};

static void see(void *arg, const struct queue_entry *e, struct slice raw)
{
    struct seen *s = arg;
    assert_int_equal(e->created, 4711);
    assert_true(e->size > 0 && e->tls_optional);
    assert_true(slice_eq(e->sender, SLICE("anna@example.org")));
    s->id[s->n++] = e->id;
    s->recipients += e->n_recipients;
}

static void test_watch(void **state)
{
    (void)state;
    struct kit *k = kit_new(4);
    struct slice raw = kit_raw(k, "s", "t");
    struct seen s = {0};
    struct queue_recipient r[2] = {{.address = SLICE("a@example.net")},
                                   {.number = 1, .address = SLICE("b@example.net")}};
    struct queue_entry q[2] = {{.recipients = r, .n_recipients = 2}, {.recipients = r}};
    for (size_t i = 0; i < 2; i++) {
        q[i].sender = SLICE("anna@example.org");
        q[i].tls_optional = true;
    }
    q[1].n_recipients = 1;
    store_queue_watch(k->s, see, &s);
    assert_int_equal(submit(k, 3, raw, q, 2), OK);
    assert_true(s.n == 2 && s.recipients == 3);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    assert_true(ids[0] == s.id[0] && ids[1] == s.id[1]);
    struct queue_entry got;
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_true(got.tls_optional && !got.require_tls);
    kit_free(k);
}

/* --- Damage --- */

static void execute(struct kit *k, const char *sql)
{
    char path[200];
    struct index x;
    kit_close(k);
    snprintf(path, sizeof path, "%s/shard-00/index.db", k->dir);
    assert_int_equal(index_open(&x, path, INDEX_WRITER), OK);
    assert_int_equal(index_exec(&x, sql), OK);
    index_close(&x);
    kit_open(k, 0);
}

struct states {
    enum queue_state state[8];
    size_t n;
};

static void keep_state(void *arg, const struct queue_row *r)
{
    struct states *s = arg;
    s->state[s->n++] = r->state;
}

static void test_damage(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    struct queue_recipient r[2] = {{.address = SLICE("a@example.net")},
                                   {.number = 1, .address = SLICE("b@example.net")}};
    struct queue_entry q = {.recipients = r, .n_recipients = 2};
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit(k, 1, kit_raw(k, "s", "t"), &q, 1), OK);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    char sql[300];
    snprintf(sql, sizeof sql,
             "UPDATE recipient SET state = 17 WHERE entry = %llu AND number = 0;"
             "UPDATE recipient SET address = '' WHERE entry = %llu AND number = 1;"
             "DELETE FROM recipient WHERE entry = %llu",
             (unsigned long long)ids[0], (unsigned long long)ids[0], (unsigned long long)ids[1]);
    execute(k, sql);
    struct states s = {0};
    assert_int_equal(store_queue_scan(k->s, keep_state, &s), OK);
    assert_int_equal(s.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(s.state[i], i < 3 ? QUEUE_BROKEN : QUEUE_WAITING);
    struct queue_entry got;
    assert_int_equal(store_queue_get(k->s, ids[0], &k->a, &got), OK);
    assert_int_equal(got.recipients[0].state, QUEUE_BROKEN);
    assert_int_equal(got.recipients[1].state, QUEUE_BROKEN);
    n_ids = 0;
    assert_int_equal(store_queue_list(k->s, 0, keep_id, NULL), OK);
    assert_int_equal(n_ids, 3);
    /* Broken ones can be finished, also the one that lost its recipients. */
    struct queue_change c[3] = {{.entry = ids[0]}, {.entry = ids[0]}, {.entry = ids[1]}};
    for (uint32_t i = 0; i < 3; i++)
        c[i].recipient = (struct queue_recipient){.number = i, .state = QUEUE_CANCELLED};
    assert_int_equal(store_queue_settle(k->s, c, 3), OK);
    assert_int_equal(c[0].result, OK);
    assert_int_equal(c[1].result, OK);
    assert_int_equal(c[2].result, ERR_NOTFOUND);
    kit_sound(k);
    s.n = 0;
    assert_int_equal(store_queue_scan(k->s, keep_state, &s), OK);
    assert_int_equal(s.n, 2);
    /* A message that is not there is found. */
    snprintf(sql, sizeof sql, "UPDATE queue SET body = 0 WHERE id = %llu",
             (unsigned long long)ids[2]);
    execute(k, sql);
    unsigned bad = 0;
    assert_int_equal(store_check(k->s, false, NULL, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 2); /* the entry, and the body that nobody has now */
    kit_free(k);
}

/* --- A store of version 1 --- */

static void test_version_one(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    assert_int_equal(submit(k, 1, kit_raw(k, "s", "t"), NULL, 0), OK);
    kit_close(k);
    char path[200], copy[210];
    struct index x;
    int64_t body = 0;
    snprintf(path, sizeof path, "%s/shard-00/index.db", k->dir);
    snprintf(copy, sizeof copy, "%s.v1", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(index_open(&x, path, INDEX_WRITER), OK);
    assert_int_equal(schema_bring(&x, path, schema_step, 1), OK);
    assert_int_equal(index_exec(&x, "INSERT INTO queue VALUES (64, 7, 'a@example.org', '', 0, 2,"
                                    " 4711, 30, 0);"
                                    "INSERT INTO recipient VALUES (64, 0, 'b@example.net', '', 4,"
                                    " 1, 2, 99, '451 later')"),
                     OK);
    index_close(&x);
    kit_open(k, 0);
    assert_int_equal(access(copy, F_OK), 0);
    struct queue_entry got;
    assert_int_equal(store_queue_get(k->s, 64, &k->a, &got), OK);
    assert_int_equal(got.account, 7);
    assert_true(got.smtputf8 && !got.tls_optional);
    assert_int_equal(got.n_recipients, 1);
    assert_int_equal(got.recipients[0].state, QUEUE_HELD);
    assert_int_equal(got.recipients[0].told, 0);
    assert_int_equal(got.recipients[0].trail.n, 0);
    struct states s = {0};
    assert_int_equal(store_queue_scan(k->s, keep_state, &s), OK);
    assert_int_equal(s.n, 1);
    struct queue_change c = {.entry = 64, .recipient = {.state = QUEUE_DELIVERED}};
    assert_int_equal(store_queue_settle(k->s, &c, 1), OK);
    assert_int_equal(c.result, OK);
    kit_sound(k);
    kit_close(k);
    assert_int_equal(index_open(&x, copy, INDEX_WRITER), OK);
    assert_int_equal(index_number(&x, "SELECT body FROM queue", &body), OK);
    assert_int_equal(body, 0);
    assert_int_equal(index_number(&x, "PRAGMA user_version", &body), OK);
    assert_int_equal(body, 1);
    index_close(&x);
    kit_open(k, 0);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_watch),       cmocka_unit_test(test_damage),
        cmocka_unit_test(test_version_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
