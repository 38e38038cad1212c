/* Tests of undelete: what is listed, what comes back and how, and what never does twice. */
#include "store/internal.h"
#include "store/store_kit.h"
#include "store/view.h"

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

struct listed {
    uint64_t number, email;
    int64_t deleted_at, until, received;
    uint32_t size;
    bool has_attachment;
    char mailbox[40], subject[40], from[40], preview[40];
};

struct list {
    struct listed m[32];
    size_t n, total;
};

static void put_text(char *out, size_t size, struct slice s)
{
    snprintf(out, size, "%.*s", SLICE_FMT(s));
}

static void keep(void *arg, const struct deleted_message *m)
{
    struct list *l = arg;
    assert_true(l->n < 32);
    struct listed *to = &l->m[l->n++];
    *to = (struct listed){.number = m->number,
                          .email = m->email,
                          .deleted_at = m->deleted_at,
                          .until = m->until,
                          .received = m->received,
                          .size = m->size,
                          .has_attachment = m->has_attachment};
    put_text(to->mailbox, sizeof to->mailbox, m->mailbox);
    put_text(to->subject, sizeof to->subject, m->subject);
    put_text(to->from, sizeof to->from, m->from);
    put_text(to->preview, sizeof to->preview, m->preview);
}

static struct list list_from(struct kit *k, uint64_t account, size_t from, size_t max)
{
    struct list l = {0};
    assert_int_equal(store_deleted_list(k->s, account, from, max, keep, &l, &l.total), OK);
    return l;
}

static struct list list(struct kit *k)
{
    struct list l = list_from(k, 1, 0, 32);
    assert_int_equal(l.n, l.total);
    return l;
}

static enum error undelete(struct kit *k, const struct list *l, size_t *n)
{
    uint64_t numbers[32];
    for (size_t i = 0; i < l->n; i++)
        numbers[i] = l->m[i].number;
    return store_undelete(k->s, 1, numbers, l->n, 0, n);
}

static void expunge(struct kit *k, uint32_t box, uint32_t uid)
{
    struct uid_range r = {uid, uid};
    struct flag_list f = {.system = FLAG_DELETED};
    assert_int_equal(store_flags(k->s, 1, box, &r, 1, FLAGS_ADD, &f, NULL, NULL, NULL, NULL), OK);
    assert_int_equal(store_expunge(k->s, 1, box, &r, 1), OK);
}

static bool keep_row(void *arg, const struct store_row *r)
{
    *(struct store_row *)arg = *r;
    return true;
}

static struct store_row row(struct kit *k, uint32_t box, uint32_t uid)
{
    struct store_row r = {0};
    struct uid_range one = {uid, uid};
    assert_int_equal(store_read(k->s, 1, box, &one, 1,
                                FIELD_IDS | FIELD_DATES | FIELD_SHAPE | FIELD_TEXTS, keep_row, &r),
                     OK);
    assert_int_equal(r.uid, uid);
    return r;
}

static void test_expunged(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 40000, 1), small = kit_raw(k, "Hello", "first words");
    struct uid_range *gone;
    size_t n;
    kit_append(k, 1, box, raw, 0);
    uint32_t uid = kit_append(k, 1, box, small, FLAG_SEEN | FLAG_FLAGGED);
    struct store_row before = row(k, box, uid);
    uint64_t since = kit_figures(k, 1, box).modseq;
    assert_int_equal(list(k).n, 0);
    expunge(k, box, uid);
    struct list l = list(k);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.m[0].mailbox, "INBOX");
    assert_string_equal(l.m[0].subject, "Hello");
    assert_string_equal(l.m[0].from, "Anna Example");
    assert_string_equal(l.m[0].preview, "first words");
    assert_int_equal(l.m[0].email, before.email_id);
    assert_int_equal(l.m[0].size, small.n);
    assert_int_equal(l.m[0].received, 2000);
    assert_int_equal(l.m[0].until - l.m[0].deleted_at, 14 * 86400);
    assert_int_equal(undelete(k, &l, &n), OK);
    assert_int_equal(n, 1);
    assert_string_equal(kit_uids(k, 1, box), "1 3");
    kit_body_is(k, 1, box, 3, small);
    struct store_row after = row(k, box, 3);
    assert_int_equal(after.email_id, before.email_id);
    assert_int_equal(after.thread_id, before.thread_id);
    assert_int_equal(after.internal_date, before.internal_date);
    struct snapshot *snap = kit_snapshot(k, 1, box);
    assert_int_equal(snapshot_uid(snap, 3, NULL)->flags, FLAG_SEEN | FLAG_FLAGGED);
    snapshot_unref(snap);
    /* The old uid stays gone, and it does not come back again. */
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(gone[0].first, uid);
    assert_int_equal(list(k).n, 0);
    assert_int_equal(undelete(k, &l, &n), ERR_NOTFOUND);
    assert_int_equal(n, 0);
    kit_sound(k);
    /* When the old row is purged the message stays. */
    kit_execute(k, "UPDATE expunged SET time = 1");
    store_tend(k->s);
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), ERR_AGAIN);
    kit_reopen(k);
    kit_body_is(k, 1, box, 3, small);
    kit_sound(k);
    /* It can be deleted and come back as often as one likes. */
    for (uint32_t i = 3; i < 6; i++) {
        expunge(k, box, i);
        l = list(k);
        assert_int_equal(l.n, 1);
        assert_int_equal(undelete(k, &l, &n), OK);
    }
    assert_string_equal(kit_uids(k, 1, box), "1 6");
    kit_sound(k);
}

static void test_not_listed(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), trash = kit_box(k, 1, "Trash"), validity;
    struct uid_range all = {1, UINT32_MAX};
    struct uid_pair *pairs;
    size_t n;
    kit_append(k, 1, box, kit_raw(k, "moved", "t"), 0);
    assert_int_equal(
        store_copy(k->s, 1, box, &all, 1, trash, true, 0, &k->a, &pairs, &n, &validity), OK);
    assert_int_equal(list(k).n, 0); /* it was moved, not deleted */
    kit_append(k, 1, box, kit_raw(k, "old", "t"), 0);
    expunge(k, box, 2);
    struct list l = list(k);
    assert_int_equal(l.n, 1);
    /* Nobody else's. */
    (void)kit_box(k, 2, "INBOX");
    assert_int_equal(list_from(k, 2, 0, 10).total, 0);
    assert_int_equal(store_undelete(k->s, 2, &l.m[0].number, 1, 0, &n), ERR_NOTFOUND);
    /* Past its days, though it is not purged yet. */
    kit_execute(k, "UPDATE expunged SET time = 1");
    assert_int_equal(list(k).n, 0);
    assert_int_equal(undelete(k, &l, &n), ERR_NOTFOUND);
    /* A message that is there. */
    uint64_t number = (uint64_t)1 << 32 | 1;
    for (uint64_t num = 1; num < 10; num++) {
        number = num << 32 | 1;
        assert_int_equal(store_undelete(k->s, 1, &number, 1, 0, &n), ERR_NOTFOUND);
    }
    assert_int_equal(store_undelete(k->s, 1, NULL, 0, 0, &n), ERR_NOTFOUND);
    kit_close(k);
    kit_open(k, -1);
    kit_append(k, 1, box, kit_raw(k, "x", "t"), 0);
    expunge(k, box, 3);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("Trash")), OK);
    assert_int_equal(list(k).n, 0);
    kit_sound(k);
}

static void test_order(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), other;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("other"), USE_NONE, &other), OK);
    for (uint32_t i = 1; i <= 6; i++) {
        char subject[10];
        snprintf(subject, sizeof subject, "%u", i);
        kit_append(k, 1, i == 4 ? other : box, kit_raw(k, subject, "t"), 0);
    }
    for (uint32_t uid = 1; uid <= 5; uid++)
        expunge(k, box, uid);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("other")), OK);
    kit_execute(k, "UPDATE expunged SET time = time - (id & 15) * 10;"
                   "UPDATE mailbox SET gone = gone - 35 WHERE gone <> 0");
    /* "4" was deleted between the uids 3 and 4 (subject "5"). */
    static const char *const wanted[] = {"1", "2", "3", "4", "5", "6"};
    struct list l = list(k);
    assert_int_equal(l.n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(l.m[i].subject, wanted[i]);
    assert_string_equal(l.m[3].mailbox, "other");
    for (size_t from = 0; from < 8; from++) {
        struct list part = list_from(k, 1, from, 2);
        assert_int_equal(part.total, 6);
        assert_int_equal(part.n, from >= 6 ? 0 : from == 5 ? 1 : 2);
        for (size_t i = 0; i < part.n; i++)
            assert_string_equal(part.m[i].subject, wanted[from + i]);
    }
    assert_int_equal(list_from(k, 1, 0, 0).total, 6);
}

static void test_gone_mailbox(void **state)
{
    struct kit *k = *state;
    uint32_t id, other;
    size_t n;
    struct slice raw = kit_big(k, 40000, 3);
    struct view *v, *w;
    struct email_change *c;
    (void)kit_box(k, 1, "INBOX");
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("a/b"), USE_FLAGGED, &id), OK);
    kit_append(k, 1, id, raw, FLAG_DELETED | FLAG_ANSWERED);
    kit_append(k, 1, id, kit_raw(k, "s", "t"), 0);
    kit_append(k, 1, id, kit_raw(k, "u", "t"), 0);
    expunge(k, id, 2);
    assert_int_equal(store_view(k->s, 1, &v), OK);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("a/b")), OK);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("a")), OK);
    struct list l = list(k);
    assert_int_equal(l.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(l.m[i].mailbox, "a/b");
    assert_int_equal(undelete(k, &l, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(list(k).n, 0);
    assert_int_equal(undelete(k, &l, &n), ERR_NOTFOUND);
    uint32_t again = kit_box(k, 1, "a/b");
    assert_true(again > id);
    assert_true(kit_box(k, 1, "a") > id);
    assert_int_equal(kit_figures(k, 1, again).use, USE_FLAGGED);
    assert_string_equal(kit_uids(k, 1, again), "1 2 3");
    kit_body_is(k, 1, again, 1, raw);
    kit_sound(k);
    /* As if nothing had been between. */
    assert_int_equal(store_view(k->s, 1, &w), OK);
    assert_int_equal(store_email_changes(k->s, w, view_state(v).modseq, &k->a, &c, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(c[0].kind, EMAIL_CREATED); /* it had \Deleted */
    assert_int_equal(c[1].kind, EMAIL_CREATED); /* it was expunged */
    assert_int_equal(c[2].kind, EMAIL_UPDATED);
    view_unref(v);
    view_unref(w);
    /* The old mailbox goes for good, the messages stay. */
    kit_execute(k, "UPDATE mailbox SET gone = 1 WHERE gone <> 0");
    for (int i = 0; i < 6; i++)
        store_tend(k->s);
    kit_body_is(k, 1, again, 1, raw);
    assert_string_equal(kit_uids(k, 1, again), "1 2 3");
    kit_sound(k);
    /* One with that name is there again: they go into it, whatever it is. */
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("a/b")), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("a/b"), USE_NONE, &other), OK);
    kit_append(k, 1, other, raw, 0);
    l = list(k);
    assert_int_equal(undelete(k, &l, &n), OK);
    assert_string_equal(kit_uids(k, 1, other), "1 2 3 4");
    kit_reopen(k);
    kit_sound(k);
}

static void test_no_room(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), id;
    struct slice raw = kit_big(k, 10000, 1);
    struct store_usage u;
    size_t n;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("x"), USE_NONE, &id), OK);
    kit_append(k, 1, box, raw, 0);
    kit_append(k, 1, id, raw, 0);
    expunge(k, box, 1);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("x")), OK);
    struct list l = list(k);
    assert_int_equal(l.n, 2);
    uint64_t both[] = {l.m[0].number, l.m[1].number, l.m[0].number};
    assert_int_equal(store_undelete(k->s, 1, both, 3, 19999, &n), ERR_QUOTA);
    assert_int_equal(n, 0);
    assert_int_equal(list(k).n, 2);
    assert_int_equal(store_usage(k->s, 1, &u), OK);
    assert_int_equal(u.messages, 0);
    /* No mailbox can be made any more. */
    kit_execute(k, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9994)"
                   " INSERT INTO mailbox SELECT 100000 + i, 1, 100000 + i, 'n' || i, 0, 0, 1, 1, 1,"
                   " 0, 0, 0, 0, 0, 0, 1 FROM n");
    kit_reopen(k);
    assert_int_equal(store_undelete(k->s, 1, both, 3, 20000, &n), OK);
    assert_int_equal(n, 2);
    assert_string_equal(kit_uids(k, 1, box), "2 3");
    assert_int_equal(store_usage(k->s, 1, &u), OK);
    assert_int_equal(u.bytes, 20000);
    kit_sound(k);
}

/* Several transactions. */
static void test_many(void **state)
{
    struct kit *k = *state;
    enum { MANY = LIMIT_TXN_ROWS + 500 };
    uint32_t box = kit_box(k, 1, "INBOX"), validity;
    struct slice raw = kit_raw(k, "s", "t");
    struct store_message *m = mem_array(MANY, sizeof *m);
    uint32_t *uids = mem_array(MANY, sizeof *uids);
    uint64_t *numbers = mem_array(MANY, sizeof *numbers);
    size_t n;
    for (size_t i = 0; i < MANY; i++)
        m[i] = (struct store_message){.raw = raw, .flags.system = FLAG_DELETED};
    assert_int_equal(store_append(k->s, 1, box, m, MANY, 0, uids, &validity), OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    struct list l = list_from(k, 1, 0, 1);
    assert_int_equal(l.total, MANY);
    for (uint32_t i = 0; i < MANY; i++)
        numbers[i] = (l.m[0].number >> 32) << 32 | uids[i];
    assert_int_equal(store_undelete(k->s, 1, numbers, MANY, raw.n * MANY - 1, &n), ERR_QUOTA);
    assert_int_equal(n, LIMIT_TXN_ROWS);
    assert_int_equal(store_undelete(k->s, 1, numbers, MANY, 0, &n), OK);
    assert_int_equal(n, 500);
    assert_int_equal(kit_figures(k, 1, box).exists, MANY);
    mem_free(m);
    mem_free(uids);
    mem_free(numbers);
    kit_sound(k);
}

/* Whatever write of it fails: nothing of it is seen, and it works afterwards. */
static void test_a_write_fails(void **state)
{
    static const char *const writes[] = {
        "INSERT ON message",  "UPDATE ON meta",    "UPDATE ON expunged",
        "INSERT ON expunged", "DELETE ON message", "INSERT ON mailbox",
        "UPDATE ON mailbox",  "UPDATE ON account", "DELETE ON subscription",
    };
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), id;
    size_t n;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("x"), USE_NONE, &id), OK);
    assert_int_equal(store_subscribe(k->s, 1, SLICE("x"), true), OK);
    kit_append(k, 1, box, kit_raw(k, "a", "t"), 0);
    kit_append(k, 1, id, kit_raw(k, "b", "t"), 0);
    expunge(k, box, 1);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("x")), OK);
    struct list l = list(k);
    assert_int_equal(l.n, 2);
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        char sql[200];
        struct view *v;
        snprintf(sql, sizeof sql,
                 "CREATE TRIGGER fails BEFORE %s BEGIN SELECT raise(ABORT, 'no'); END", writes[i]);
        kit_execute(k, sql);
        assert_int_equal(undelete(k, &l, &n), ERR_BUG);
        assert_int_equal(n, 0);
        kit_execute(k, "DROP TRIGGER fails");
        assert_int_equal(list(k).n, 2);
        assert_string_equal(kit_uids(k, 1, box), "");
        assert_int_equal(kit_box(k, 1, "x"), 0);
        assert_int_equal(store_view(k->s, 1, &v), OK);
        assert_non_null(view_messages(v, &n));
        assert_int_equal(n, 0);
        view_unref(v);
        kit_sound(k);
    }
    assert_int_equal(undelete(k, &l, &n), OK);
    assert_int_equal(n, 2);
    assert_true(kit_figures(k, 1, kit_box(k, 1, "x")).subscribed);
    kit_sound(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expunged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_listed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_mailbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_write_fails, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
