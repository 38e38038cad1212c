/* The conformance suite of the store's interface, for any engine: mailboxes, messages, flags,
 * expunge, copy, watching, snapshots, reading. Run with one shard and with four. */
#include "store/store_kit.h"

static unsigned shards = 1;

static int setup(void **state)
{
    *state = kit_new(shards);
    return 0;
}

static int teardown(void **state)
{
    kit_free(*state);
    return 0;
}

static void test_defaults(void **state)
{
    struct kit *k = *state;
    static const struct {
        uint64_t account;
        const char *language;
        const char *names[6];
    } cases[] = {
        {1, "en", {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}},
        {2, "de-AT", {"INBOX", "Archiv", "Entw\xc3\xbcrfe", "Gesendet", "Papierkorb", "Spam"}},
        {3, "", {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const struct mailbox_list *l;
        uint64_t account = cases[c].account;
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(store_account_ensure(k->s, account, slice_str(cases[c].language)), OK);
        assert_int_equal(store_mailboxes(k->s, account, &l), OK);
        assert_int_equal(l->n, 6);
        for (size_t i = 0; i < 6; i++) {
            assert_true(slice_eq(l->box[i].name, slice_str(cases[c].names[i])));
            assert_true(l->box[i].subscribed);
            assert_int_equal(l->box[i].uid_next, 1);
        }
        for (enum special_use use = USE_INBOX; use <= USE_ARCHIVE; use++)
            assert_non_null(store_mailbox_by_use(l, use));
        assert_null(store_mailbox_by_use(l, USE_FLAGGED));
        assert_ptr_equal(store_mailbox_named(l, SLICE("inbox")), &l->box[0]);
        assert_null(store_mailbox_named(l, SLICE("trash")));
        store_mailboxes_unref(l);
    }
}

static void test_unknown_account(void **state)
{
    struct kit *k = *state;
    const struct mailbox_list *l;
    struct snapshot *n;
    struct store_usage u;
    struct store_body b;
    assert_int_equal(store_mailboxes(k->s, 77, &l), OK);
    assert_int_equal(l->n, 0);
    store_mailboxes_unref(l);
    assert_int_equal(store_snapshot(k->s, 77, 1, &n), ERR_NOTFOUND);
    assert_int_equal(store_body(k->s, 77, 1, 1, &b), ERR_NOTFOUND);
    assert_int_equal(store_usage(k->s, 77, &u), OK);
    assert_int_equal(u.bytes + u.messages, 0);
}

static void test_names(void **state)
{
    struct kit *k = *state;
    char longest[LIMIT_MAILBOX_NAME + 1];
    memset(longest, 'a', sizeof longest);
    const struct {
        struct slice name;
        enum error expected;
    } cases[] = {
        {SLICE("a"), OK},
        {SLICE("a"), ERR_CONFLICT},
        {SLICE("b/c/d"), OK},
        {SLICE("b/c"), ERR_CONFLICT},
        {SLICE(""), ERR_INPUT},
        {SLICE("/a"), ERR_INPUT},
        {SLICE("a/"), ERR_INPUT},
        {SLICE("a//b"), ERR_INPUT},
        {SLICE("a\nb"), ERR_INPUT},
        {SLICE("a\x7f"), ERR_INPUT},
        {SLICE("\xff"), ERR_INPUT},
        {SLICE("A\xcc\x88"), ERR_INPUT}, /* NFC writes it as one letter */
        {SLICE("\xc3\x84"), OK},
        {SLICE("inbox"), ERR_CONFLICT},
        {SLICE("inbox/sub"), OK},
        {SLICE("INBOX/sub"), ERR_CONFLICT},
        {slice_of(longest, LIMIT_MAILBOX_NAME), OK},
        {slice_of(longest, LIMIT_MAILBOX_NAME + 1), ERR_INPUT},
        {SLICE(
             "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/"
             "3/4/5/6/7/8/9/0/1"),
         ERR_INPUT},
    };
    assert_int_equal(store_account_ensure(k->s, 1, SLICE("en")), OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t id = 0;
        assert_int_equal(store_mailbox_create(k->s, 1, cases[i].name, USE_NONE, &id),
                         cases[i].expected);
        assert_int_equal(id != 0, cases[i].expected == OK);
    }
    assert_int_not_equal(kit_box(k, 1, "b"), 0);
    assert_int_not_equal(kit_box(k, 1, "b/c"), 0);
    assert_int_not_equal(kit_box(k, 1, "INBOX/sub"), 0);
    uint32_t id;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("x"), USE_JUNK, &id), ERR_CONFLICT);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("x"), USE_FLAGGED, &id), OK);
    kit_sound(k);
}

static void test_rename_and_delete(void **state)
{
    struct kit *k = *state;
    uint32_t a, b, c, again;
    assert_int_equal(store_account_ensure(k->s, 1, SLICE("en")), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("a"), USE_NONE, &a), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("a/b"), USE_NONE, &b), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("ab"), USE_NONE, &c), OK);
    struct slice raw = kit_raw(k, "one", "text");
    uint32_t uid = kit_append(k, 1, b, raw, 0);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("none"), SLICE("z")), ERR_NOTFOUND);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), SLICE("ab")), ERR_CONFLICT);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), SLICE("a/b/c")), ERR_CONFLICT);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), SLICE("n//m")), ERR_INPUT);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), SLICE("n/m")), OK);
    assert_int_equal(kit_box(k, 1, "n/m"), a);
    assert_int_equal(kit_box(k, 1, "n/m/b"), b);
    assert_int_not_equal(kit_box(k, 1, "n"), 0);
    assert_int_equal(kit_box(k, 1, "ab"), c);
    assert_int_equal(kit_box(k, 1, "a"), 0);
    kit_body_is(k, 1, b, uid, raw);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("n/m")), ERR_CONFLICT);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("Inbox")), ERR_AUTH);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("a")), ERR_NOTFOUND);
    uint32_t old = kit_figures(k, 1, b).uid_validity;
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("n/m/b")), OK);
    struct snapshot *n;
    assert_int_equal(store_snapshot(k->s, 1, b, &n), ERR_NOTFOUND);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("n/m/b"), USE_NONE, &again), OK);
    assert_true(again > b);
    assert_true(kit_figures(k, 1, again).uid_validity > old);
    struct store_usage u;
    assert_int_equal(store_usage(k->s, 1, &u), OK);
    assert_int_equal(u.messages, 0);
    kit_reopen(k);
    assert_int_equal(kit_box(k, 1, "n/m/b"), again);
    kit_sound(k);
}

/* A rename must not push what is below over the limits of names. */
static void test_rename_limits(void **state)
{
    struct kit *k = *state;
    char deep[LIMIT_MAILBOX_LEVELS * 2], longest[LIMIT_MAILBOX_NAME + 1];
    uint32_t id;
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 2 ? '/' : 'd';
    deep[sizeof deep - 1] = '\0';
    memset(longest, 'l', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    kit_box(k, 1, "INBOX");
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("a/b"), USE_NONE, &id), OK);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), slice_str(deep)), ERR_INPUT);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), slice_str(longest)), ERR_INPUT);
    assert_int_equal(kit_box(k, 1, "a/b"), id);
    /* Without what is below, or with room for it, they are good names. */
    struct slice less = slice_sub(slice_str(deep), 0, sizeof deep - 3);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("a"), less), OK);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("c"), USE_NONE, &id), OK);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("c"), slice_str(longest)), OK);
    assert_int_equal(kit_box(k, 1, longest), id);
    kit_sound(k);
}

static void test_rename_inbox(void **state)
{
    struct kit *k = *state;
    uint32_t inbox = kit_box(k, 1, "INBOX");
    struct slice raw = kit_raw(k, "one", "text");
    kit_deliver(k, 1, raw);
    kit_deliver(k, 1, raw);
    assert_int_equal(store_mailbox_rename(k->s, 1, SLICE("inbox"), SLICE("old")), OK);
    assert_int_equal(kit_box(k, 1, "INBOX"), inbox);
    assert_string_equal(kit_uids(k, 1, inbox), "");
    assert_string_equal(kit_uids(k, 1, kit_box(k, 1, "old")), "1 2");
    assert_int_equal(kit_deliver(k, 1, raw), 3);
    kit_sound(k);
}

static void test_subscriptions(void **state)
{
    struct kit *k = *state;
    struct slice *names;
    size_t n;
    uint32_t id;
    kit_box(k, 1, "INBOX");
    assert_int_equal(store_subscribe(k->s, 1, SLICE("ghost"), true), OK);
    assert_int_equal(store_subscribe(k->s, 1, SLICE("Sent"), false), OK);
    assert_int_equal(store_subscribed_missing(k->s, 1, &k->a, &names, &n), OK);
    assert_int_equal(n, 1);
    assert_true(slice_eq(names[0], SLICE("ghost")));
    assert_false(kit_figures(k, 1, kit_box(k, 1, "Sent")).subscribed);
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("ghost"), USE_NONE, &id), OK);
    assert_true(kit_figures(k, 1, id).subscribed);
    assert_int_equal(store_subscribed_missing(k->s, 1, &k->a, &names, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("ghost")), OK);
    kit_reopen(k);
    assert_int_equal(store_subscribed_missing(k->s, 1, &k->a, &names, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_subscribe(k->s, 1, SLICE("ghost"), false), OK);
    assert_int_equal(store_subscribed_missing(k->s, 1, &k->a, &names, &n), OK);
    assert_int_equal(n, 0);
}

static void test_deliver_to_many(void **state)
{
    struct kit *k = *state;
    struct slice raw = kit_big(k, 9000, 5);
    struct delivery_target t[5] = {
        {.account = 1, .language = SLICE("en"), .use = USE_INBOX, .prefix = SLICE("A: 1\r\n")},
        {.account = 2, .language = SLICE("de"), .use = USE_JUNK},
        {.account = 3, .language = SLICE("en"), .use = USE_INBOX, .quota = 5000},
        {.account = 4, .use = USE_FLAGGED},
        {.account = 1, .use = USE_INBOX, .prefix = SLICE("A: 2\r\nB: 3\r\n")},
    };
    struct store_delivery d = {.raw = raw,
                               .summary = kit_summary(k, raw),
                               .received = 5,
                               .zone = -90,
                               .targets = t,
                               .n_targets = 5};
    assert_int_equal(store_deliver(k->s, &d), OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(t[i].result, i == 2 ? ERR_QUOTA : OK);
    assert_int_equal(t[1].mailbox, kit_box(k, 2, "Spam"));
    assert_int_equal(t[3].mailbox, kit_box(k, 4, "INBOX")); /* nothing better there */
    assert_int_equal(t[4].uid, 2);
    kit_body_is(k, 1, t[0].mailbox, 1, arena_printf(&k->a, "A: 1\r\n%.*s", SLICE_FMT(raw)));
    kit_body_is(k, 1, t[4].mailbox, 2, arena_printf(&k->a, "A: 2\r\nB: 3\r\n%.*s", SLICE_FMT(raw)));
    kit_body_is(k, 2, t[1].mailbox, 1, raw);
    assert_int_equal(kit_figures(k, 1, t[0].mailbox).bytes, 2 * 9000 + 6 + 12);
    assert_string_equal(kit_uids(k, 3, kit_box(k, 3, "INBOX")), "");
    kit_reopen(k);
    kit_body_is(k, 4, t[3].mailbox, 1, raw);
    kit_sound(k);
}

static bool keep_row(void *arg, const struct store_row *r)
{
    struct store_row *out = arg;
    *out = *r;
    out->envelope.p = NULL;
    return true;
}

struct texts {
    struct kit *k;
    struct slice envelope, structure, subject, preview, message_id;
    uint32_t header_size, lines, n;
};

static bool keep_texts(void *arg, const struct store_row *r)
{
    struct texts *t = arg;
    t->envelope = arena_dup(&t->k->a, r->envelope);
    t->structure = arena_dup(&t->k->a, r->structure);
    t->subject = arena_dup(&t->k->a, r->subject);
    t->preview = arena_dup(&t->k->a, r->preview);
    t->message_id = arena_dup(&t->k->a, r->message_id);
    t->header_size = r->header_size;
    t->lines = r->lines;
    t->n++;
    return true;
}

static void test_rows(void **state)
{
    struct kit *k = *state;
    uint32_t inbox = kit_box(k, 1, "INBOX");
    struct slice raw = kit_raw(k, "subject", "some text");
    struct summary m = kit_summary(k, raw);
    uint32_t uid = kit_append(k, 1, inbox, raw, FLAG_SEEN);
    struct uid_range one = {uid, uid};
    struct texts t = {.k = k};
    unsigned all = FIELD_ENVELOPE | FIELD_STRUCTURE | FIELD_TEXTS | FIELD_SHAPE;
    assert_int_equal(store_read(k->s, 1, inbox, &one, 1, all, keep_texts, &t), OK);
    assert_int_equal(t.n, 1);
    assert_true(slice_eq(t.envelope, m.envelope));
    assert_true(slice_eq(t.structure, m.body_structure));
    assert_true(slice_eq(t.subject, m.subject));
    assert_true(slice_eq(t.preview, m.preview));
    assert_true(slice_eq(t.message_id, m.message_id));
    assert_int_equal(t.header_size, m.header_size);
    assert_int_equal(t.lines, m.lines);
    struct store_row r;
    assert_int_equal(store_read(k->s, 1, inbox, &one, 1, FIELD_DATES | FIELD_IDS, keep_row, &r),
                     OK);
    assert_int_equal(r.internal_date, 2000);
    assert_int_equal(r.internal_zone, 60);
    assert_int_equal(r.sent, m.sent);
    assert_true(r.save_date > 1000000);
    assert_int_equal(r.size, raw.n);
    assert_true(r.email_id > 0 && r.thread_id > 0);
    assert_int_equal(r.subject.n, 0);
}

struct uids {
    uint32_t v[4000];
    size_t n, stop;
};

static bool keep_uid(void *arg, const struct store_row *r)
{
    struct uids *u = arg;
    u->v[u->n++] = r->uid;
    return u->n != u->stop;
}

static void test_ranges(void **state)
{
    struct kit *k = *state;
    uint32_t inbox = kit_box(k, 1, "INBOX"), uids[200], validity;
    struct slice raw = kit_raw(k, "s", "t");
    struct store_message m[200];
    for (size_t i = 0; i < 200; i++)
        m[i] = (struct store_message){.raw = raw, .summary = kit_summary(k, raw)};
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_append(k->s, 1, inbox, m, 200, 0, uids, &validity), OK);
    static struct uids got;
    struct uid_range all = {1, UINT32_MAX};
    got = (struct uids){.stop = 0};
    assert_int_equal(store_read(k->s, 1, inbox, &all, 1, FIELD_ENVELOPE, keep_uid, &got), OK);
    assert_int_equal(got.n, 2000);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(got.v[i], i + 1);
    struct uid_range some[700];
    for (uint32_t i = 0; i < 700; i++)
        some[i] = (struct uid_range){3 * i + 1, 3 * i + 2};
    got = (struct uids){.stop = 0};
    assert_int_equal(store_read(k->s, 1, inbox, some, 700, FIELD_IDS, keep_uid, &got), OK);
    assert_int_equal(got.n, 2000 - 666);
    got = (struct uids){.stop = 600};
    assert_int_equal(store_read(k->s, 1, inbox, &all, 1, FIELD_TEXTS, keep_uid, &got), OK);
    assert_int_equal(got.n, 600);
    struct uid_range none = {5000, 6000};
    got = (struct uids){.stop = 0};
    assert_int_equal(store_read(k->s, 1, inbox, &none, 1, FIELD_TEXTS, keep_uid, &got), OK);
    assert_int_equal(got.n, 0);
    assert_int_equal(store_read(k->s, 1, 999, &all, 1, 0, keep_uid, &got), ERR_NOTFOUND);
}

static void test_append(void **state)
{
    struct kit *k = *state;
    uint32_t inbox = kit_box(k, 1, "INBOX"), uids[3], validity;
    struct slice raw[3] = {kit_raw(k, "a", "1"), kit_big(k, 300000, 7), kit_raw(k, "c", "")};
    struct store_message m[3];
    struct slice word = SLICE("$Forwarded");
    for (size_t i = 0; i < 3; i++)
        m[i] = (struct store_message){.raw = raw[i], .summary = kit_summary(k, raw[i])};
    m[1].flags = (struct flag_list){FLAG_SEEN, &word, 1};
    assert_int_equal(store_append(k->s, 1, inbox, m, 3, 300000, uids, &validity), ERR_QUOTA);
    assert_int_equal(store_append(k->s, 1, 999, m, 3, 0, uids, &validity), ERR_NOTFOUND);
    assert_string_equal(kit_uids(k, 1, inbox), "");
    assert_int_equal(store_append(k->s, 1, inbox, m, 3, 400000, uids, &validity), OK);
    assert_int_equal(validity, kit_figures(k, 1, inbox).uid_validity);
    for (size_t i = 0; i < 3; i++)
        kit_body_is(k, 1, inbox, uids[i], raw[i]);
    struct mailbox f = kit_figures(k, 1, inbox);
    assert_int_equal(f.exists, 3);
    assert_int_equal(f.unseen, 2);
    assert_int_equal(f.uid_next, 4);
    assert_int_equal(f.bytes, raw[0].n + raw[1].n + raw[2].n);
    const struct keyword_table *t;
    assert_int_equal(store_keywords(k->s, 1, &t), OK);
    assert_int_equal(t->n, 1);
    assert_true(slice_eq(t->name[0], word));
    store_keywords_unref(t);
    kit_reopen(k);
    for (size_t i = 0; i < 3; i++)
        kit_body_is(k, 1, inbox, uids[i], raw[i]);
    kit_body_is(k, 1, inbox, uids[1], raw[1]); /* now from memory */
    kit_sound(k);
}

static enum error change(struct kit *k, uint32_t box, uint32_t first, uint32_t last,
                         enum flag_op op, uint64_t system, const char *keyword)
{
    struct slice word = slice_str(keyword);
    struct flag_list f = {system, &word, keyword != NULL};
    struct uid_range r = {first, last};
    return store_flags(k->s, 1, box, &r, 1, op, &f, NULL, NULL, NULL, NULL);
}

static uint64_t flags_of(struct kit *k, uint32_t box, uint32_t uid)
{
    struct snapshot *n = kit_snapshot(k, 1, box);
    const struct snapshot_entry *e = snapshot_uid(n, uid, NULL);
    uint64_t flags = e != NULL ? e->flags : UINT64_MAX;
    snapshot_unref(n);
    return flags;
}

static void test_flags(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    for (int i = 0; i < 5; i++)
        kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    uint64_t before = kit_figures(k, 1, box).modseq;
    assert_int_equal(change(k, box, 2, 4, FLAGS_ADD, FLAG_SEEN | FLAG_FLAGGED, NULL), OK);
    assert_int_equal(flags_of(k, box, 1), 0);
    assert_int_equal(flags_of(k, box, 3), FLAG_SEEN | FLAG_FLAGGED);
    uint64_t after = kit_figures(k, 1, box).modseq;
    assert_int_equal(after, before + 1);
    assert_int_equal(kit_figures(k, 1, box).unseen, 2);
    /* Nothing changes: no step. */
    assert_int_equal(change(k, box, 2, 4, FLAGS_ADD, FLAG_SEEN, NULL), OK);
    assert_int_equal(kit_figures(k, 1, box).modseq, after);
    assert_int_equal(change(k, box, 3, 3, FLAGS_SET, FLAG_DRAFT, "Work"), OK);
    assert_int_equal(flags_of(k, box, 3), FLAG_DRAFT | UINT64_C(1) << FLAG_KEYWORD_SHIFT);
    assert_int_equal(change(k, box, 3, 3, FLAGS_REMOVE, FLAG_DRAFT, "WORK"), OK);
    assert_int_equal(flags_of(k, box, 3), 0);
    assert_int_equal(change(k, box, 3, 3, FLAGS_REMOVE, 0, "never"), OK);
    const struct keyword_table *t;
    assert_int_equal(store_keywords(k->s, 1, &t), OK);
    assert_int_equal(t->n, 1);
    store_keywords_unref(t);
    assert_int_equal(change(k, box, 1, 5, FLAGS_ADD, FLAG_DELETED, NULL), OK);
    assert_int_equal(kit_figures(k, 1, box).deleted, 5);
    assert_int_equal(change(k, 999, 1, 1, FLAGS_ADD, FLAG_SEEN, NULL), ERR_NOTFOUND);
    kit_reopen(k);
    assert_int_equal(flags_of(k, box, 2), FLAG_SEEN | FLAG_FLAGGED | FLAG_DELETED);
    kit_sound(k);
}

static void test_unchanged_since(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    for (int i = 0; i < 6; i++)
        kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    uint64_t since = kit_figures(k, 1, box).modseq;
    assert_int_equal(change(k, box, 2, 3, FLAGS_ADD, FLAG_SEEN, NULL), OK);
    assert_int_equal(change(k, box, 6, 6, FLAGS_ADD, FLAG_SEEN, NULL), OK);
    struct uid_range all = {1, UINT32_MAX}, *modified;
    size_t n;
    struct flag_list f = {.system = FLAG_FLAGGED};
    assert_int_equal(
        store_flags(k->s, 1, box, &all, 1, FLAGS_ADD, &f, &since, &k->a, &modified, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(modified[0].first, 2);
    assert_int_equal(modified[0].last, 3);
    assert_int_equal(modified[1].first, 6);
    assert_int_equal(flags_of(k, box, 1), FLAG_FLAGGED);
    assert_int_equal(flags_of(k, box, 2), FLAG_SEEN);
}

static void test_keyword_limit(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    char name[32];
    kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    for (int i = 0; i < LIMIT_KEYWORDS; i++) {
        snprintf(name, sizeof name, "word%d", i);
        assert_int_equal(change(k, box, 1, 1, FLAGS_ADD, 0, name), OK);
    }
    assert_int_equal(flags_of(k, box, 1), ~UINT64_C(0) << FLAG_KEYWORD_SHIFT);
    assert_int_equal(change(k, box, 1, 1, FLAGS_ADD, 0, "more"), ERR_LIMIT);
    assert_int_equal(change(k, box, 1, 1, FLAGS_ADD, 0, "WORD7"), OK);
    /* Delivery leaves out what finds no room. */
    struct slice words[] = {SLICE("more"), SLICE("word3")};
    struct slice raw = kit_raw(k, "x", "y");
    struct delivery_target t = {.account = 1, .use = USE_INBOX, .flags = {0, words, 2}};
    struct store_delivery d = {
        .raw = raw, .summary = kit_summary(k, raw), .targets = &t, .n_targets = 1};
    assert_int_equal(store_deliver(k->s, &d), OK);
    assert_int_equal(flags_of(k, box, t.uid), UINT64_C(1) << (FLAG_KEYWORD_SHIFT + 3));
}

static void test_expunge(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    for (int i = 0; i < 8; i++)
        kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    struct snapshot *old = kit_snapshot(k, 1, box);
    uint64_t since = kit_figures(k, 1, box).modseq;
    assert_int_equal(change(k, box, 3, 6, FLAGS_ADD, FLAG_DELETED, NULL), OK);
    assert_string_equal(kit_uids(k, 1, box), "1 2 3! 4! 5! 6! 7 8");
    struct uid_range some[] = {{1, 3}, {5, 5}}, *gone;
    size_t n;
    uint64_t between = kit_figures(k, 1, box).modseq;
    assert_int_equal(store_expunge(k->s, 1, box, some, 2), OK);
    assert_string_equal(kit_uids(k, 1, box), "1 2 4! 6! 7 8");
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), OK);
    assert_int_equal(n, 2);
    assert_true(gone[0].first == 3 && gone[0].last == 3 && gone[1].first == 5);
    uint64_t now = kit_figures(k, 1, box).modseq;
    assert_true(now > between);
    assert_int_equal(store_vanished(k->s, 1, box, now, &k->a, &gone, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_string_equal(kit_uids(k, 1, box), "1 2 7 8");
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), OK);
    assert_int_equal(n, 1);
    assert_true(gone[0].first == 3 && gone[0].last == 6);
    struct store_body b;
    assert_int_equal(store_body(k->s, 1, box, 4, &b), ERR_NOTFOUND);
    assert_int_equal(snapshot_info(old).count, 8); /* what is held does not change */
    snapshot_unref(old);
    kit_reopen(k);
    assert_string_equal(kit_uids(k, 1, box), "1 2 7 8");
    assert_int_equal(kit_append(k, 1, box, kit_raw(k, "s", "t"), 0), 9);
    kit_sound(k);
}

static void test_copy_and_move(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), to = kit_box(k, 1, "Archive"), validity;
    struct slice raw[3] = {kit_raw(k, "a", "1"), kit_big(k, 50000, 3), kit_raw(k, "c", "3")};
    struct uid_range all = {1, UINT32_MAX};
    struct uid_pair *p;
    size_t n;
    for (size_t i = 0; i < 3; i++)
        kit_append(k, 1, box, raw[i], i == 1 ? FLAG_SEEN | FLAG_ANSWERED : 0);
    struct store_row first, second;
    struct uid_range two = {2, 2};
    assert_int_equal(store_copy(k->s, 1, box, &two, 1, to, false, 0, &k->a, &p, &n, &validity), OK);
    assert_int_equal(n, 1);
    assert_true(p[0].from == 2 && p[0].to == 1);
    assert_int_equal(validity, kit_figures(k, 1, to).uid_validity);
    assert_int_equal(flags_of(k, to, 1), FLAG_SEEN | FLAG_ANSWERED);
    kit_body_is(k, 1, to, 1, raw[1]);
    unsigned fields = FIELD_IDS | FIELD_DATES;
    struct uid_range one = {1, 1};
    assert_int_equal(store_read(k->s, 1, box, &two, 1, fields, keep_row, &first), OK);
    assert_int_equal(store_read(k->s, 1, to, &one, 1, fields, keep_row, &second), OK);
    assert_int_equal(first.email_id, second.email_id);
    assert_int_equal(first.thread_id, second.thread_id);
    assert_int_equal(first.internal_date, second.internal_date);
    assert_int_equal(store_copy(k->s, 1, box, &all, 1, to, false, 60000, &k->a, &p, &n, &validity),
                     ERR_QUOTA);
    assert_int_equal(n, 0);
    assert_int_equal(store_copy(k->s, 1, box, &all, 1, to, true, 60000, &k->a, &p, &n, &validity),
                     OK);
    assert_int_equal(n, 3);
    assert_string_equal(kit_uids(k, 1, box), "");
    assert_string_equal(kit_uids(k, 1, to), "1 2 3 4");
    for (size_t i = 0; i < 3; i++)
        kit_body_is(k, 1, to, p[i].to, raw[i]);
    /* Into itself: once, not for ever. */
    assert_int_equal(store_copy(k->s, 1, to, &all, 1, to, false, 0, &k->a, &p, &n, &validity), OK);
    assert_int_equal(n, 4);
    assert_string_equal(kit_uids(k, 1, to), "1 2 3 4 5 6 7 8");
    assert_int_equal(store_copy(k->s, 1, to, &all, 1, 999, true, 0, &k->a, &p, &n, &validity),
                     ERR_NOTFOUND);
    kit_reopen(k);
    kit_body_is(k, 1, to, 7, raw[1]);
    kit_sound(k);
}

static void test_long_move(void **state)
{
    enum { N = 5000 };
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), to = kit_box(k, 1, "Archive"), uids[200], validity;
    struct slice raw = kit_raw(k, "s", "t");
    struct store_message m[200];
    for (size_t i = 0; i < 200; i++)
        m[i] = (struct store_message){.raw = raw, .summary = kit_summary(k, raw)};
    for (int i = 0; i < N / 200; i++)
        assert_int_equal(store_append(k->s, 1, box, m, 200, 0, uids, &validity), OK);
    uint64_t modseq = kit_figures(k, 1, box).modseq;
    struct uid_range all = {1, UINT32_MAX};
    struct uid_pair *p;
    size_t n;
    snapshot_unref(kit_snapshot(k, 1, box));
    snapshot_unref(kit_snapshot(k, 1, to));
    assert_int_equal(store_copy(k->s, 1, box, &all, 1, to, true, 0, &k->a, &p, &n, &validity), OK);
    assert_int_equal(n, N);
    for (size_t i = 0; i < N; i++)
        assert_true(p[i].from == i + 1 && p[i].to == i + 1);
    /* Cut into transactions: one step each. */
    assert_int_equal(kit_figures(k, 1, to).modseq,
                     modseq + (N + LIMIT_TXN_ROWS - 1) / LIMIT_TXN_ROWS);
    assert_int_equal(kit_figures(k, 1, box).exists, 0);
    struct snapshot *s = kit_snapshot(k, 1, to);
    assert_int_equal(snapshot_info(s).count, N);
    assert_int_equal(snapshot_at(s, N)->uid, N);
    snapshot_unref(s);
    assert_int_equal(change(k, to, 1, UINT32_MAX, FLAGS_SET, FLAG_DELETED, NULL), OK);
    assert_int_equal(store_expunge(k->s, 1, to, NULL, 0), OK);
    assert_string_equal(kit_uids(k, 1, to), "");
    kit_sound(k);
}

static void test_threads(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    static const struct {
        const char *id, *refs, *irt, *subject;
        int thread; /* the message (from 0) whose thread it is in */
    } cases[] = {
        {"<a>", "", "", "Plan", 0},        {"<b>", "<a>", "<a>", "Re: Plan", 0},
        {"<c>", "<a> <b>", "", "x", 0},    {"<d>", "", "", "Plan", 3},
        {"<e>", "", "", "Re: Plan", 3},    {"<g>", "", "<f>", "Other", 5},
        {"<f>", "", "", "Late", 5},        {"<h>", "<zz>", "<f>", "", 5},
        {"", "", "", "Re: unheard of", 8},
    };
    uint64_t thread[9];
    for (size_t i = 0; i < 9; i++) {
        struct slice raw = arena_printf(
            &k->a, "Message-ID: %s\r\nReferences: %s\r\nIn-Reply-To: %s\r\nSubject: %s\r\n\r\nx",
            cases[i].id, cases[i].refs, cases[i].irt, cases[i].subject);
        uint32_t uid = kit_append(k, 1, box, raw, 0);
        struct store_row r;
        struct uid_range one = {uid, uid};
        assert_int_equal(store_read(k->s, 1, box, &one, 1, FIELD_IDS, keep_row, &r), OK);
        thread[i] = r.thread_id;
        assert_int_equal(thread[i], thread[cases[i].thread]);
    }
    assert_int_not_equal(thread[0], thread[3]);
    assert_int_not_equal(thread[0], thread[5]);
}

static void test_account_remove(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), other = kit_box(k, 2, "INBOX");
    struct slice raw = kit_big(k, 20000, 9);
    for (int i = 0; i < 20; i++) {
        kit_append(k, 1, box, i % 2 ? raw : kit_raw(k, "s", "t"), i % 3 ? FLAG_DELETED : 0);
        kit_append(k, 2, other, raw, 0);
    }
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_int_equal(store_account_remove(k->s, 1), OK);
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(k->s, 1, &l), OK);
    assert_int_equal(l->n, 0);
    store_mailboxes_unref(l);
    assert_int_equal(kit_figures(k, 2, other).exists, 20);
    kit_sound(k);
    kit_reopen(k);
    kit_body_is(k, 2, other, 7, raw);
    assert_int_not_equal(kit_box(k, 1, "INBOX"), 0);
    kit_sound(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rename_and_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rename_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rename_inbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_subscriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deliver_to_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unchanged_since, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keyword_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expunge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_and_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_move, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_account_remove, setup, teardown),
    };
    int failed = 0;
    for (shards = 1; shards <= 4; shards += 3)
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0;
}
