/* Writers, readers and watchers on one store at once; to be run under the thread and address
 * sanitizers too. What they see must always be of one piece. */
#include "base/clock.h"
#include "base/random.h"
#include "store/store_kit.h"
#include <pthread.h>
#include <stdatomic.h>

#define WRITERS  16
#define READERS  4
#define ACCOUNTS 5

struct stress {
    struct kit *k;
    struct slice raw[3];
    struct summary summary[3];
    uint32_t inbox[ACCOUNTS + 1], archive[ACCOUNTS + 1];
    atomic_bool stop;
    atomic_uint next, delivered[ACCOUNTS + 1];
    int rounds;
};

static void must(bool ok, const char *what)
{
    if (!ok)
        bug("%s", what);
}

static void deliver_one(struct stress *x)
{
    uint64_t first = 1 + random_below(ACCOUNTS), second = 1 + random_below(ACCOUNTS);
    size_t i = random_below(3);
    struct delivery_target t[2] = {
        {.account = first, .use = USE_INBOX},
        {.account = second, .use = USE_INBOX, .prefix = SLICE("X: y\r\n")}};
    struct store_delivery d = {
        .raw = x->raw[i], .summary = x->summary[i], .targets = t, .n_targets = 2};
    must(store_deliver(x->k->s, &d) == OK, "deliver");
    atomic_fetch_add(&x->delivered[first], 1);
    atomic_fetch_add(&x->delivered[second], 1);
    struct store_body b;
    enum error e = store_body(x->k->s, first, t[0].mailbox, t[0].uid, &b);
    must(e == OK || e == ERR_NOTFOUND, "body after delivery"); /* somebody may have moved it */
    if (e == OK) {
        must(slice_eq(b.raw, x->raw[i]), "the body is what was delivered");
        store_body_free(&b);
    }
}

static void change_some(struct stress *x)
{
    uint64_t account = 1 + random_below(ACCOUNTS);
    uint32_t from = random_below(200), validity;
    struct uid_range r = {from + 1, from + 1 + random_below(20)};
    struct flag_list f = {.system = 1u << random_below(5)};
    struct uid_pair *p;
    struct arena a;
    size_t n;
    struct store *s = x->k->s;
    arena_init(&a, 1 << 20);
    switch (random_below(4)) {
    case 0:
        must(store_copy(s, account, x->inbox[account], &r, 1, x->archive[account],
                        random_below(2) == 0, 0, &a, &p, &n, &validity) == OK,
             "copy");
        break;
    case 1:
        must(store_expunge(s, account, x->archive[account], NULL, 0) == OK, "expunge");
        break;
    default:
        must(store_flags(s, account, x->inbox[account], &r, 1, FLAGS_ADD, &f, NULL, NULL, NULL,
                         NULL) == OK,
             "flags");
        break;
    }
    arena_free(&a);
}

static void *writer(void *arg)
{
    struct stress *x = arg;
    for (int i = 0; i < x->rounds; i++) {
        if (random_below(3) > 0)
            deliver_one(x);
        else
            change_some(x);
    }
    return NULL;
}

static bool in_order(void *arg, const struct store_row *r)
{
    uint32_t *last = arg;
    must(r->uid > *last, "rows ascend");
    must(r->structure.n > 0, "a row has its structure");
    *last = r->uid;
    return true;
}

/* Two snapshots that follow each other: modseq and uids only grow, the difference is consistent. */
static void look(struct stress *x)
{
    uint64_t account = 1 + random_below(ACCOUNTS);
    struct store *s = x->k->s;
    struct snapshot *one, *two;
    const struct mailbox_list *l;
    uint32_t last = 0;
    must(store_snapshot(s, account, x->inbox[account], &one) == OK, "snapshot");
    must(store_mailboxes(s, account, &l) == OK, "mailboxes");
    must(store_snapshot(s, account, x->inbox[account], &two) == OK, "snapshot");
    struct snapshot_info a = snapshot_info(one), b = snapshot_info(two);
    const struct mailbox *m = store_mailbox_by_id(l, x->inbox[account]);
    must(a.modseq <= b.modseq && a.uid_next <= b.uid_next, "nothing goes back");
    must(a.modseq <= m->modseq && m->modseq <= b.modseq, "the list lies between");
    if (a.modseq == b.modseq)
        must(m->exists == a.count && a.count == b.count, "the list counts what is there");
    for (uint32_t i = 1; i <= b.count; i++) {
        const struct snapshot_entry *e = snapshot_at(two, i);
        must(e->uid > last && e->uid < b.uid_next && e->modseq <= b.modseq, "entries in order");
        last = e->uid;
    }
    struct snapshot_diff nothing = {0};
    snapshot_compare(one, two, &nothing);
    snapshot_unref(one);
    snapshot_unref(two);
    store_mailboxes_unref(l);
    last = 0;
    struct uid_range all = {1, UINT32_MAX};
    must(store_read(s, account, x->inbox[account], &all, 1, FIELD_STRUCTURE, in_order, &last) == OK,
         "read");
}

static void *reader(void *arg)
{
    struct stress *x = arg;
    while (!atomic_load(&x->stop)) {
        look(x);
        if (random_below(20) == 0)
            store_tend(x->k->s);
    }
    return NULL;
}

static void *watcher(void *arg)
{
    struct stress *x = arg;
    struct kit_waker w = {0};
    while (!atomic_load(&x->stop)) {
        struct store_watch *watch[8];
        for (int i = 0; i < 8; i++)
            must(store_watch(x->k->s, 1 + random_below(ACCOUNTS), 0, kit_waker(&w), &watch[i]) ==
                     OK,
                 "watch");
        look(x);
        for (int i = 0; i < 8; i++)
            store_unwatch(watch[i]);
    }
    must(w.refs == 0, "all references are given back");
    return NULL;
}

static void run(unsigned shards, int rounds)
{
    struct stress x = {.k = kit_new(shards), .rounds = rounds};
    pthread_t w[WRITERS], r[READERS];
    x.raw[0] = kit_raw(x.k, "small", "text");
    x.raw[1] = kit_big(x.k, 4000, 1);
    x.raw[2] = kit_big(x.k, 100000, 2);
    for (int i = 0; i < 3; i++)
        x.summary[i] = kit_summary(x.k, x.raw[i]);
    for (uint64_t account = 1; account <= ACCOUNTS; account++) {
        x.inbox[account] = kit_box(x.k, account, "INBOX");
        x.archive[account] = kit_box(x.k, account, "Archive");
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&w[i], NULL, writer, &x), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&r[i], NULL, i == 0 ? watcher : reader, &x), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i], NULL);
    atomic_store(&x.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(r[i], NULL);
    for (uint64_t account = 1; account <= ACCOUNTS; account++)
        assert_int_equal(kit_figures(x.k, account, x.inbox[account]).uid_next,
                         x.delivered[account] + 1);
    kit_sound(x.k);
    kit_reopen(x.k);
    kit_sound(x.k);
    kit_free(x.k);
}

static int rounds_of(void)
{
    const char *given = getenv("DEPESCHE_STRESS_ROUNDS");
    uint32_t n = 60;
    if (given != NULL)
        (void)!parse_u32(slice_str(given), 1000000, &n);
    return (int)n;
}

static void test_one_shard(void **state)
{
    (void)state;
    run(1, rounds_of());
}

static void test_four_shards(void **state)
{
    (void)state;
    run(4, rounds_of());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shard),
        cmocka_unit_test(test_four_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
