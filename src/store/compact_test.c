/* Compaction among damage, late readers and crashes. */
#include "store/internal.h"
#include "store/store_kit.h"
#include <fcntl.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = kit_new(1);
    return 0;
}

static int teardown(void **state)
{
    io = io_real;
    kit_free(*state);
    return 0;
}

static void segment_path(struct kit *k, char *out, size_t n, unsigned number)
{
    snprintf(out, n, "%s/shard-00/body-%08u.seg", k->dir, number);
}

static enum error try_append(struct kit *k, uint32_t box, struct slice raw)
{
    uint32_t uid, validity;
    struct store_message m = {.raw = raw, .summary = {.envelope = SLICE("()")}};
    return store_append(k->s, 1, box, &m, 1, 0, &uid, &validity);
}

static bool first_entry(void *arg, const struct queue_entry *e)
{
    *(uint64_t *)arg = e->id;
    return false;
}

struct execute_job {
    struct job job;
    const char *sql;
};

static enum error run_execute(struct shard *sh, struct job *job)
{
    const char *sql = ((struct execute_job *)job)->sql;
    return sqlite3_exec(sh->w.db, sql, NULL, NULL, NULL) == SQLITE_OK ? OK : ERR_BUG;
}

/* On the committer's thread, whose connection it is. */
static void execute(struct kit *k, const char *sql)
{
    struct execute_job j = {.job.run = run_execute, .sql = sql};
    assert_int_equal(job_do(&k->s->shard[0], &j.job), OK);
}

/* A damaged segment stays as it is; the others are emptied all the same. */
static void test_compact_around_damage(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    char first[200], second[200];
    struct store_body b;
    struct slice raw[7];
    for (uint32_t i = 0; i < 7; i++) {
        raw[i] = kit_big(k, i % 4 == 0 ? 9000 : 60u << 20, i + 1);
        assert_int_equal(try_append(k, box, raw[i]), OK);
    }
    /* Two big ones fill a segment: 1 to 3 and 4 to 6 stand in one, 7 in the third. */
    struct uid_range dead[] = {{2, 4}, {6, 6}};
    struct flag_list f = {.system = FLAG_DELETED};
    assert_int_equal(store_flags(k->s, 1, box, dead, 2, FLAGS_ADD, &f, NULL, NULL, NULL, NULL), OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    execute(k, "UPDATE expunged SET time = 1;"
               "UPDATE segment SET live = live + 1000 WHERE number = 2");
    segment_path(k, first, sizeof first, 1);
    segment_path(k, second, sizeof second, 2);
    int fd = open(first, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 30), 4);
    close(fd);
    for (int i = 0; i < 50 && k->s->shard[0].damaged.n == 0; i++)
        store_tend(k->s);
    assert_int_equal(k->s->shard[0].damaged.n, 1);
    execute(k, "UPDATE segment SET live = live - 1000 WHERE number = 2");
    for (int i = 0; i < 50 && access(second, F_OK) == 0; i++)
        store_tend(k->s);
    assert_int_equal(access(second, F_OK), -1);
    assert_int_equal(access(first, F_OK), 0);
    assert_int_equal(k->s->shard[0].damaged.n, 1);
    assert_int_equal(store_body(k->s, 1, box, 1, &b), ERR_IO);
    kit_body_is(k, 1, box, 5, raw[4]);
    kit_body_is(k, 1, box, 7, raw[6]);
}

/* --- A reader that comes late --- */

static struct kit *moving;

/* What a compaction does between a reader's look into the index and into the log. */
static int moving_open(const char *path, int flags, mode_t mode)
{
    char from[200], to[200];
    segment_path(moving, from, sizeof from, 1);
    segment_path(moving, to, sizeof to, 7);
    if (access(from, F_OK) == 0) {
        execute(moving, "UPDATE body SET segment = 7");
        assert_int_equal(rename(from, to), 0);
    }
    return io_real.open(path, flags, mode);
}

static void test_moved_meanwhile(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    struct queue_recipient r = {.address = SLICE("x@example.net")};
    struct queue_entry q = {.recipients = &r, .n_recipients = 1};
    struct store_delivery d = {.raw = raw, .queue = &q, .n_queue = 1};
    struct store_body b;
    uint64_t entry = 0;
    char from[200], to[200];
    assert_int_equal(store_deliver(k->s, &d), OK);
    assert_int_equal(store_queue_list(k->s, 0, first_entry, &entry), OK);
    kit_append(k, 1, box, raw, 0);
    moving = k;
    io.open = moving_open;
    kit_body_is(k, 1, box, 1, raw);
    segment_path(k, from, sizeof from, 7);
    segment_path(k, to, sizeof to, 1);
    segment_rest(&k->s->shard[0].log);
    execute(k, "UPDATE body SET segment = 1");
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(store_queue_body(k->s, entry, &b), OK);
    assert_true(slice_eq(b.raw, raw));
    store_body_free(&b);
    /* Not moved but lost. */
    segment_rest(&k->s->shard[0].log);
    assert_int_equal(unlink(from), 0);
    assert_int_equal(store_body(k->s, 1, box, 1, &b), ERR_IO);
    assert_int_equal(store_queue_body(k->s, entry, &b), ERR_IO);
}

/* --- A crash between dropping a segment's row and removing its file --- */

/* The next body begins another segment. */
static enum error run_full(struct shard *sh, struct job *job)
{
    (void)job;
    sh->log.end = LIMIT_SEGMENT_SIZE;
    return OK;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_stray_file(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    struct job full = {.run = run_full};
    char path[3][200];
    unsigned bad = 99;
    for (unsigned i = 0; i < 3; i++) {
        segment_path(k, path[i], sizeof path[i], i + 1);
        if (i > 0)
            assert_int_equal(job_do(&k->s->shard[0], &full), OK);
        assert_int_equal(try_append(k, box, raw), OK);
        assert_int_equal(access(path[i], F_OK), 0);
    }
    kit_sound(k);
    struct uid_range second = {2, 2};
    struct flag_list f = {.system = FLAG_DELETED};
    assert_int_equal(store_flags(k->s, 1, box, &second, 1, FLAGS_ADD, &f, NULL, NULL, NULL, NULL),
                     OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    execute(k, "UPDATE expunged SET time = 1");
    for (int i = 0; i < 50 && access(path[1], F_OK) == 0; i++)
        store_tend(k->s);
    assert_int_equal(access(path[1], F_OK), -1);
    kit_sound(k);
    make_file(path[1]);
    assert_int_equal(store_check(k->s, false, NULL, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 1);
    assert_int_equal(access(path[1], F_OK), 0);
    assert_int_equal(store_check(k->s, true, NULL, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 0);
    assert_int_equal(access(path[1], F_OK), -1);
    make_file(path[1]);
    kit_reopen(k);
    assert_int_equal(access(path[1], F_OK), -1);
    kit_body_is(k, 1, box, 1, raw);
    kit_body_is(k, 1, box, 3, raw);
    /* A file with bodies stays, also when its own row is missing. */
    execute(k, "DELETE FROM segment WHERE number = 1");
    kit_reopen(k);
    kit_body_is(k, 1, box, 1, raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_compact_around_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moved_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stray_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
