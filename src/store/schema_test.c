/* A store as the program before left it is brought up, with what is in it: its index is made anew
 * with the old steps, and the rows of a new one are copied back into it. */
#include "store/schema.h"

#include "store/internal.h"
#include "store/store_kit.h"
#include "store/submission.h"
#include "store/view.h"
#include <unistd.h>

static const char *const tables[] = {
    "account (id, modseq, next_mailbox, next_validity, next_email)",
    "mailbox (num, account, id, name, special, subscribed, uid_validity, uid_next, modseq, total,"
    " unseen, deleted, bytes, floor, gone)",
    "message (id, flags, modseq, size, body, email, thread, internal_date, zone, save_date, sent)",
    "expunged (id, time, flags, modseq, size, body, email, thread, internal_date, zone, save_date,"
    " sent)",
    "meta (id, data)",
    "body (id, segment, offset, length, refs)",
    "small (id, data)",
    "segment (number, live)",
    "thread (account, hash, thread)",
};

/* The closed store's index as version 2 had it. */
static void make_old(struct kit *k)
{
    char path[200], now[210], sql[1000];
    struct index x;
    snprintf(path, sizeof path, "%s/shard-00/index.db", k->dir);
    snprintf(now, sizeof now, "%s.now", path);
    assert_int_equal(rename(path, now), 0);
    snprintf(sql, sizeof sql, "%s-wal", path);
    (void)unlink(sql);
    assert_int_equal(index_open(&x, path, INDEX_WRITER), OK);
    assert_int_equal(schema_bring(&x, path, schema_step, 2), OK);
    snprintf(sql, sizeof sql, "ATTACH '%s' AS new", now);
    assert_int_equal(index_exec(&x, sql), OK);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        size_t name = slice_index(slice_str(tables[i]), ' ');
        const char *list = tables[i] + name + 2;
        snprintf(sql, sizeof sql, "INSERT INTO main.%s SELECT %.*s FROM new.%.*s", tables[i],
                 (int)strlen(list) - 1, list, (int)name, tables[i]);
        assert_int_equal(index_exec(&x, sql), OK);
    }
    index_close(&x);
    assert_int_equal(unlink(now), 0);
}

static void append(struct kit *k, uint32_t box, const char *subject, bool attachment,
                   uint64_t flags)
{
    uint32_t uid, validity;
    struct store_message m = {
        .raw = kit_raw(k, subject, "t"), .internal_date = 5, .flags.system = flags};
    m.summary = kit_summary(k, m.raw);
    m.summary.has_attachment = attachment;
    assert_int_equal(store_append(k->s, 1, box, &m, 1, 0, &uid, &validity), OK);
}

static void keep_deleted(void *arg, const struct deleted_message *m)
{
    struct deleted_message *out = arg;
    *out = *m;
}

static void test_version_2(void **state)
{
    (void)state;
    struct kit *k = kit_new(1);
    uint32_t box = kit_box(k, 1, "INBOX"), id;
    char copy[210];
    struct view *v;
    size_t n;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("gone"), USE_NONE, &id), OK);
    append(k, box, "plain", false, 0);
    append(k, box, "with", true, 0);
    append(k, box, "lost", true, FLAG_DELETED);
    append(k, id, "there", false, 0);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("gone")), OK);
    append(k, box, "hidden", false, FLAG_DELETED);
    kit_close(k);
    make_old(k);
    kit_open(k, 0);
    snprintf(copy, sizeof copy, "%s/shard-00/index.db.v2", k->dir);
    assert_int_equal(access(copy, F_OK), 0);
    kit_sound(k);

    /* The view knows attachments; changes are known from here on. */
    assert_int_equal(store_view(k->s, 1, &v), OK);
    const struct view_message *m = view_messages(v, &n);
    uint64_t then = view_state(v).modseq;
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(m[i].has_attachment, m[i].uid == 2);
        assert_true((m[i].hidden != 0) == (m[i].uid == 4));
    }
    struct email_change *c;
    assert_int_equal(store_email_changes(k->s, v, then - 1, &k->a, &c, &n), ERR_AGAIN);
    view_unref(v);
    struct uid_range all = {1, UINT32_MAX};
    struct flag_list seen = {.system = FLAG_SEEN};
    assert_int_equal(store_flags(k->s, 1, box, &all, 1, FLAGS_ADD, &seen, NULL, NULL, NULL, NULL),
                     OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_int_equal(store_view(k->s, 1, &v), OK);
    assert_int_equal(store_email_changes(k->s, v, then, &k->a, &c, &n), OK);
    assert_int_equal(n, 2); /* what was hidden then is not named */
    assert_int_equal(c[0].kind, EMAIL_UPDATED);
    assert_int_equal(c[1].kind, EMAIL_UPDATED);
    view_unref(v);

    /* What was deleted before comes back. */
    struct deleted_message d[8];
    size_t total, back;
    uint64_t numbers[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(store_deleted_list(k->s, 1, i, 1, keep_deleted, &d[i], &total), OK);
        assert_int_equal(total, 3);
        numbers[i] = d[i].number;
    }
    assert_int_equal(store_undelete(k->s, 1, numbers, 3, 0, &back), OK);
    assert_int_equal(back, 3);
    assert_string_equal(kit_uids(k, 1, box), "1 2 5 6");
    assert_int_equal(store_view(k->s, 1, &v), OK);
    m = view_messages(v, &n);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++)
        if (m[i].mailbox == box)
            assert_int_equal(m[i].has_attachment, m[i].uid == 2 || m[i].uid == 5);
    view_unref(v);

    struct submission s = {.email = 1};
    uint64_t submission;
    assert_int_equal(store_submission_add(k->s, 1, box, 1, &s, &submission), OK);
    kit_sound(k);
    kit_reopen(k);
    kit_sound(k);
    kit_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
