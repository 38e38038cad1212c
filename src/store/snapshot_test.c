/* Snapshots against a naive model, with random operations; what the difference of two says; and the
 * watches that are woken. */
#include "store/internal.h"
#include "store/store_kit.h"
#include <stdatomic.h>

#define MODEL 20000

struct model {
    struct snapshot_entry e[MODEL];
    uint32_t n, uid_next;
    uint64_t modseq;
};

static uint32_t seed = 12345;

static uint32_t draw(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

static struct snapshot_info info_of(const struct model *m)
{
    return (struct snapshot_info){.account = 1,
                                  .mailbox = 2,
                                  .uid_validity = 3,
                                  .uid_next = m->uid_next,
                                  .modseq = m->modseq};
}

static void same(const struct model *m, const struct snapshot *s)
{
    assert_int_equal(snapshot_info(s).count, m->n);
    for (uint32_t i = 0; i < m->n; i++)
        assert_memory_equal(snapshot_at(s, i + 1), &m->e[i], sizeof m->e[i]);
    assert_null(snapshot_at(s, 0));
    assert_null(snapshot_at(s, m->n + 1));
    uint32_t seq = 1, run;
    while (seq <= m->n) {
        const struct snapshot_entry *e = snapshot_run(s, seq, &run);
        assert_true(run > 0);
        assert_memory_equal(e, &m->e[seq - 1], run * sizeof *e);
        seq += run;
    }
    assert_int_equal(seq, m->n + 1);
    for (int i = 0; i < 50; i++) {
        uint32_t uid = draw(m->uid_next + 3), at = 0, found;
        while (at < m->n && m->e[at].uid < uid)
            at++;
        assert_int_equal(snapshot_lower_bound(s, uid), at + 1);
        bool there = at < m->n && m->e[at].uid == uid;
        assert_int_equal(snapshot_uid(s, uid, &found) != NULL, there);
        if (there)
            assert_int_equal(found, at + 1);
    }
}

/* A random commit: changes, expunges, additions. */
static size_t random_commit(struct model *m, struct delta *d)
{
    size_t n = 0;
    uint32_t changes = draw(4) == 0 ? draw(400) : draw(4),
             gone = draw(5) == 0 ? draw(600) : draw(3);
    uint32_t added = draw(6) == 0 ? draw(900) : draw(3);
    m->modseq++;
    for (uint32_t i = 0; i < changes && m->n > 0; i++) {
        struct snapshot_entry *e = &m->e[draw(m->n)];
        e->flags = draw(64);
        e->modseq = m->modseq;
        d[n] = (struct delta){.e = *e, .order = (uint32_t)n};
        n++;
    }
    for (uint32_t i = 0; i < gone && m->n > 0; i++) {
        uint32_t at = draw(m->n);
        d[n] = (struct delta){.gone = true, .e.uid = m->e[at].uid, .order = (uint32_t)n};
        n++;
        memmove(m->e + at, m->e + at + 1, (m->n - at - 1) * sizeof m->e[0]);
        m->n--;
    }
    for (uint32_t i = 0; i < added && m->n < MODEL; i++) {
        m->e[m->n] = (struct snapshot_entry){m->uid_next++, 10 + draw(90), draw(8), m->modseq};
        d[n] = (struct delta){.e = m->e[m->n++], .order = (uint32_t)n};
        n++;
    }
    qsort(d, n, sizeof *d, delta_order);
    return n;
}

/* Plays the difference onto a copy of the model before: it must become the model after. */
struct replay {
    struct model *m;
    const struct snapshot *after;
    uint32_t last_gone, last_changed;
    int stage;
};

static void on_gone(void *arg, uint32_t seq, uint32_t uid)
{
    struct replay *r = arg;
    assert_int_equal(r->stage, 0);
    assert_true(r->last_gone == 0 || seq < r->last_gone);
    r->last_gone = seq;
    assert_int_equal(r->m->e[seq - 1].uid, uid);
    memmove(r->m->e + seq - 1, r->m->e + seq, (r->m->n - seq) * sizeof r->m->e[0]);
    r->m->n--;
}

static void on_changed(void *arg, uint32_t seq, const struct snapshot_entry *e, uint64_t old)
{
    struct replay *r = arg;
    assert_true(r->stage <= 1);
    r->stage = 1;
    assert_true(seq > r->last_changed);
    r->last_changed = seq;
    assert_int_equal(r->m->e[seq - 1].uid, e->uid);
    assert_int_equal(r->m->e[seq - 1].flags, old);
    r->m->e[seq - 1] = *e;
}

static void on_added(void *arg, uint32_t first, uint32_t count)
{
    struct replay *r = arg;
    assert_true(r->stage <= 1);
    r->stage = 2;
    assert_true(count > 0);
    assert_int_equal(first, r->m->n + 1);
    for (uint32_t i = 0; i < count; i++)
        r->m->e[r->m->n++] = *snapshot_at(r->after, first + i);
}

static void test_against_model(void **state)
{
    struct model *m = mem_alloc(sizeof *m), *was = mem_alloc(sizeof *was);
    struct delta *d = mem_array(4000, sizeof *d);
    (void)state;
    for (int round = 0; round < 6; round++) {
        *m = (struct model){.uid_next = 1};
        struct snapshot_info info = info_of(m);
        struct snapshot *s = snapshot_builder_done(snapshot_builder_new(), &info);
        struct snapshot *held = snapshot_ref(s);
        *was = *m;
        for (int i = 0; i < 120; i++) {
            size_t n = random_commit(m, d);
            info = info_of(m);
            struct snapshot *next = snapshot_apply(s, d, n, &info);
            /* Once more does no harm. */
            struct snapshot *twice = snapshot_apply(next, d, n, &info);
            same(m, next);
            same(m, twice);
            snapshot_unref(twice);
            snapshot_unref(s);
            s = next;
            if (i % 3 != 0)
                continue;
            struct replay r = {.m = was, .after = s};
            snapshot_compare(held, s, &(struct snapshot_diff){on_gone, on_changed, on_added, &r});
            same(was, s);
            snapshot_unref(held);
            held = snapshot_ref(s);
        }
        struct snapshot_diff nothing = {0};
        snapshot_compare(held, s, &nothing);
        snapshot_unref(held);
        snapshot_unref(s);
    }
    mem_free(m);
    mem_free(was);
    mem_free(d);
}

/* A delivery into a mailbox of a million messages must not copy it. */
static void test_million(void **state)
{
    struct snapshot_builder *b = snapshot_builder_new();
    struct snapshot_info info = {.uid_next = 1000001};
    (void)state;
    for (uint32_t uid = 1; uid <= 1000000; uid++)
        snapshot_builder_add(b, &(struct snapshot_entry){uid, 1, 0, uid});
    struct snapshot *s = snapshot_builder_done(b, &info);
    struct delta d = {.e = {1000001, 1, 0, 1000001}};
    struct snapshot *next = snapshot_apply(s, &d, 1, &info);
    /* All but the last node are the same memory. */
    assert_true(snapshot_shared(s, 1, next, 1) > 1000000 - 256 * 64 - 1);
    assert_ptr_equal(snapshot_at(s, 1000), snapshot_at(next, 1000));
    assert_int_equal(snapshot_info(next).count, 1000001);
    snapshot_unref(next);
    struct delta first = {.gone = true, .e = {.uid = 1}};
    next = snapshot_apply(s, &first, 1, &info);
    assert_int_equal(snapshot_info(next).count, 999999);
    assert_ptr_equal(snapshot_at(s, 500000), snapshot_at(next, 499999));
    snapshot_unref(s);
    snapshot_unref(next);
}

/* --- Watches --- */

static void test_watch(void **state)
{
    struct kit *k = kit_new(1);
    uint32_t inbox = kit_box(k, 1, "INBOX"), sent = kit_box(k, 1, "Sent"), id;
    struct kit_waker on_inbox = {0}, on_account = {0}, on_other = {0};
    struct store_watch *w[3];
    (void)state;
    kit_box(k, 2, "INBOX");
    assert_int_equal(store_watch(k->s, 1, inbox, kit_waker(&on_inbox), &w[0]), OK);
    assert_int_equal(store_watch(k->s, 1, 0, kit_waker(&on_account), &w[1]), OK);
    assert_int_equal(store_watch(k->s, 2, 0, kit_waker(&on_other), &w[2]), OK);
    struct slice raw = kit_raw(k, "s", "t");
    kit_deliver(k, 1, raw);
    assert_int_equal(on_inbox.wakes, 1);
    assert_int_equal(on_account.wakes, 1);
    kit_append(k, 1, sent, raw, FLAG_DELETED);
    assert_int_equal(on_inbox.wakes, 1);
    assert_int_equal(on_account.wakes, 2);
    assert_int_equal(store_expunge(k->s, 1, inbox, NULL, 0), OK); /* nothing to do: no news */
    assert_int_equal(on_inbox.wakes, 1);
    assert_int_equal(store_expunge(k->s, 1, sent, NULL, 0), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("new"), USE_NONE, &id), OK);
    assert_int_equal(on_inbox.wakes, 1);
    assert_int_equal(on_account.wakes, 4);
    store_tend(k->s);
    assert_int_equal(on_inbox.refs, 1);
    store_unwatch(w[0]);
    store_unwatch(w[1]);
    assert_int_equal(on_inbox.refs, 0);
    kit_deliver(k, 1, raw);
    assert_int_equal(on_account.wakes, 4);
    assert_int_equal(on_other.wakes, 0);
    store_unwatch(w[2]);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
