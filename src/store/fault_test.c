/* What happens when the disk fails, is full, or holds damage: nothing acknowledged is lost, nothing
 * that failed is seen, service goes on when it can and stops when it must. */
#include "store/internal.h"
#include "store/schema.h"
#include "store/store_kit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

struct lines {
    unsigned n;
    char last[300];
};

static void keep_line(void *arg, const char *line)
{
    struct lines *l = arg;
    l->n++;
    snprintf(l->last, sizeof l->last, "%s", line);
}

static unsigned check(struct kit *k, bool repair, struct lines *l)
{
    unsigned bad = 99;
    *l = (struct lines){0};
    assert_int_equal(store_check(k->s, repair, keep_line, NULL, l, &bad), OK);
    return bad;
}

/* --- The log's tail --- */

static void test_torn_tail(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    char path[200];
    struct stat before, after;
    kit_append(k, 1, box, raw, 0);
    kit_close(k);
    segment_path(k, path, sizeof path, 1);
    assert_int_equal(stat(path, &before), 0);
    for (size_t torn = 1; torn <= 10001; torn += 5000) {
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, raw.p, torn), torn);
        close(fd);
        kit_open(k, 0);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        kit_body_is(k, 1, box, 1, raw);
        kit_sound(k);
        kit_close(k);
    }
    /* A segment that no row knows goes too. */
    segment_path(k, path, sizeof path, 2);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    kit_open(k, 0);
    assert_int_equal(stat(path, &after), -1);
    kit_append(k, 1, box, raw, 0);
    kit_body_is(k, 1, box, 2, raw);
    kit_sound(k);
}

static void test_segments_roll(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 45u << 20, 1);
    char path[200];
    for (int i = 0; i < 4; i++)
        assert_int_equal(try_append(k, box, raw), OK);
    segment_path(k, path, sizeof path, 2);
    assert_int_equal(access(path, F_OK), 0);
    for (uint32_t uid = 1; uid <= 4; uid++)
        kit_body_is(k, 1, box, uid, raw);
    kit_reopen(k);
    kit_body_is(k, 1, box, 4, raw);
    assert_int_equal(store_account_remove(k->s, 1), OK);
    store_tend(k->s);
    segment_path(k, path, sizeof path, 1);
    assert_int_equal(access(path, F_OK), -1);
    kit_sound(k);
}

/* Half-dead segments are emptied into the open one, and their files go. */
static void test_compact(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    char path[200];
    struct slice raw[5];
    struct lines l;
    for (uint32_t i = 0; i < 5; i++) {
        raw[i] = kit_big(k, i == 1 ? 9000 : 45u << 20, i + 1);
        assert_int_equal(try_append(k, box, raw[i]), OK);
    }
    /* Segment 1 holds bodies 1 to 4, segment 2 the last. */
    struct uid_range dead[] = {{1, 1}, {3, 4}};
    struct flag_list f = {.system = FLAG_DELETED};
    assert_int_equal(store_flags(k->s, 1, box, dead, 2, FLAGS_ADD, &f, NULL, NULL, NULL, NULL), OK);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    kit_execute(k, "UPDATE expunged SET time = 1");
    segment_path(k, path, sizeof path, 1);
    for (int i = 0; i < 50 && access(path, F_OK) == 0; i++)
        store_tend(k->s);
    assert_int_equal(access(path, F_OK), -1);
    kit_body_is(k, 1, box, 2, raw[1]);
    kit_body_is(k, 1, box, 5, raw[4]);
    assert_int_equal(check(k, false, &l), 0);
    kit_reopen(k);
    kit_body_is(k, 1, box, 2, raw[1]);
    kit_sound(k);
}

/* --- Failing calls --- */

static atomic_int failing;

static int failing_sync(int fd)
{
    if (atomic_load(&failing) == 0)
        return fdatasync(fd);
    errno = EIO;
    return -1;
}

static void test_sync_fails(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    kit_append(k, 1, box, raw, 0);
    io.sync = failing_sync;
    atomic_store(&failing, 1);
    assert_int_equal(try_append(k, box, raw), ERR_IO);
    /* Never retried: also after the disk says that it is well again. */
    atomic_store(&failing, 0);
    assert_int_equal(try_append(k, box, raw), ERR_IO);
    assert_int_equal(try_append(k, box, SLICE("x")), ERR_IO);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), ERR_IO);
    assert_string_equal(kit_uids(k, 1, box), "1"); /* reading goes on */
    kit_body_is(k, 1, box, 1, raw);
    io = io_real;
    kit_reopen(k);
    assert_string_equal(kit_uids(k, 1, box), "1");
    assert_int_equal(try_append(k, box, raw), OK);
    kit_sound(k);
}

static atomic_llong room;

static ssize_t short_writev(int fd, const struct iovec *v, int n, off_t at)
{
    long long left = atomic_load(&room);
    if (left <= 0) {
        errno = ENOSPC;
        return -1;
    }
    /* A part of the first piece only, as a disk does that becomes full. */
    size_t one = v[0].iov_len < (size_t)left ? v[0].iov_len : (size_t)left;
    (void)n;
    ssize_t done = pwrite(fd, v[0].iov_base, one, at);
    if (done > 0)
        atomic_fetch_sub(&room, done);
    return done;
}

static void test_log_full(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    char path[200];
    struct stat before, after;
    kit_append(k, 1, box, raw, 0);
    segment_path(k, path, sizeof path, 1);
    assert_int_equal(stat(path, &before), 0);
    io.writev = short_writev;
    for (int i = 0; i < 3; i++) {
        atomic_store(&room, i * 10000);
        assert_int_equal(try_append(k, box, raw), ERR_FULL);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        assert_int_equal(try_append(k, box, SLICE("small enough for the index")), OK);
    }
    atomic_store(&room, 1 << 30);
    assert_int_equal(try_append(k, box, raw), OK);
    assert_string_equal(kit_uids(k, 1, box), "1 2 3 4 5");
    kit_body_is(k, 1, box, 5, raw);
    kit_sound(k);
    io = io_real;
    kit_reopen(k);
    kit_body_is(k, 1, box, 5, raw);
    kit_sound(k);
}

static void test_index_full(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 3000, 1), big = kit_big(k, 60000, 2);
    char path[200];
    struct stat before, after;
    kit_append(k, 1, box, big, 0);
    segment_path(k, path, sizeof path, 1);
    assert_int_equal(stat(path, &before), 0);
    kit_execute(k, "PRAGMA max_page_count = 60");
    enum error e = OK;
    for (int i = 0; i < 100 && e == OK; i++)
        e = try_append(k, box, raw);
    assert_int_equal(e, ERR_FULL);
    uint32_t uid, validity;
    /* Its texts need a page that is not there. */
    struct store_message m = {.raw = big, .summary = {.envelope = raw}};
    assert_int_equal(store_append(k->s, 1, box, &m, 1, 0, &uid, &validity), ERR_FULL);
    /* The bytes of what failed are cut off the log. */
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    kit_sound(k);
    uint32_t count = kit_figures(k, 1, box).exists;
    kit_execute(k, "PRAGMA max_page_count = 1000000");
    assert_int_equal(try_append(k, box, big), OK);
    assert_int_equal(kit_figures(k, 1, box).exists, count + 1);
    assert_int_equal(kit_figures(k, 1, box).uid_next, count + 2);
    kit_sound(k);
    kit_reopen(k);
    kit_body_is(k, 1, box, count + 1, big);
    kit_sound(k);
}

/* A row that should not be there, or no memory: what meets it fails, the shard goes on. */
static void test_not_the_disk(void **state)
{
    struct kit *k = *state;
    struct index *x = &k->s->shard[0].w;
    uint32_t box = kit_box(k, 1, "INBOX"), sent = kit_box(k, 1, "Sent");
    struct slice raw = kit_big(k, 50000, 1);
    char path[200];
    struct stat before, after;
    kit_append(k, 1, box, raw, 0);
    segment_path(k, path, sizeof path, 1);
    assert_int_equal(stat(path, &before), 0);
    kit_execute(k,
                "INSERT INTO meta SELECT (num << 32) | uid_next, x'00' FROM mailbox WHERE id = 1");
    assert_int_equal(try_append(k, box, raw), ERR_BUG);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(try_append(k, sent, raw), OK);
    assert_string_equal(kit_uids(k, 1, box), "1");
    kit_execute(k, "DELETE FROM meta WHERE data = x'00'");
    assert_int_equal(try_append(k, box, raw), OK);
    assert_string_equal(kit_uids(k, 1, box), "1 2");
    assert_int_equal(index_error(x, SQLITE_NOMEM), ERR_AGAIN);
    assert_int_equal(index_error(x, SQLITE_IOERR_NOMEM), ERR_AGAIN);
    assert_int_equal(index_error(x, SQLITE_CORRUPT), ERR_IO);
    kit_sound(k);
}

/* A real full disk, where the test may mount one. */
static void test_disk_full(void **state)
{
    char dir[64] = "/tmp/depesche-full-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    if (mount("tmpfs", dir, "tmpfs", 0, "size=3m") != 0) {
        print_message("no right to mount: skipped\n");
        rmdir(dir);
        skip();
    }
    struct kit k = {.shards = 1};
    snprintf(k.dir, sizeof k.dir, "%s/store", dir);
    arena_init(&k.a, (size_t)1 << 28);
    kit_open(&k, 0);
    uint32_t box = kit_box(&k, 1, "INBOX");
    struct slice raw = kit_big(&k, 60000, 1), small = kit_big(&k, 3000, 2);
    char ballast[100];
    snprintf(ballast, sizeof ballast, "%s/ballast", dir);
    int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    uint32_t done = 0;
    enum error e = OK;
    for (int i = 0; i < 200 && e == OK; i++)
        if ((e = try_append(&k, box, i % 2 ? raw : small)) == OK)
            done++;
    assert_int_equal(e, ERR_FULL);
    assert_int_equal(kit_figures(&k, 1, box).exists, done);
    close(fd);
    unlink(ballast);
    for (int i = 0; i < 4; i++)
        assert_int_equal(try_append(&k, box, i % 2 ? raw : small), OK);
    assert_int_equal(kit_figures(&k, 1, box).exists, done + 4);
    kit_sound(&k);
    kit_reopen(&k);
    kit_body_is(&k, 1, box, done + 4, raw);
    kit_sound(&k);
    kit_close(&k);
    arena_free(&k.a);
    assert_int_equal(umount(dir), 0);
    rmdir(dir);
}

/* --- Damage --- */

static void test_damaged_body(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 50000, 1);
    char path[200];
    struct store_body b;
    struct lines l;
    kit_append(k, 1, box, raw, 0);
    kit_append(k, 1, box, raw, 0);
    segment_path(k, path, sizeof path, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 1000), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 1000), 1);
    close(fd);
    assert_int_equal(store_body(k->s, 1, box, 1, &b), ERR_IO);
    kit_body_is(k, 1, box, 2, raw);
    assert_int_equal(check(k, true, &l), 1);
    assert_int_equal(l.n, 1);
}

static void test_repair(void **state)
{
    static const struct {
        const char *sql, *word;
    } cases[] = {
        {"UPDATE mailbox SET total = 9, unseen = 7, bytes = 1 WHERE id = 1", "figures"},
        {"UPDATE mailbox SET uid_next = 1 WHERE id = 1", "figures"},
        {"INSERT INTO body VALUES (900, 0, 0, 30, 1); INSERT INTO small VALUES (900, x'00')",
         "orphan"},
        {"UPDATE body SET refs = 5 WHERE id = (SELECT min(id) FROM body)", "references"},
        {"UPDATE segment SET live = live + 100", "live"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kit *k = *state;
        struct lines l;
        uint32_t box = kit_box(k, 1, "INBOX");
        uint32_t uid = kit_append(k, 1, box, kit_big(k, 50000, 1), 0);
        kit_append(k, 1, box, kit_raw(k, "s", "t"), FLAG_SEEN);
        /* A store that wakes up with this damage. */
        kit_execute(k, cases[i].sql);
        kit_reopen(k);
        assert_true(check(k, false, &l) > 0);
        assert_non_null(strstr(l.last, i == 2 ? "damaged" : cases[i].word));
        check(k, true, &l);
        assert_int_equal(check(k, false, &l), 0);
        struct mailbox m = kit_figures(k, 1, box);
        assert_int_equal(m.exists, 2 * (i + 1));
        assert_true(m.uid_next > uid + 1);
        kit_reopen(k);
        kit_sound(k);
    }
}

/* --- Time --- */

static void test_tend(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX"), id;
    struct slice raw = kit_big(k, 50000, 1);
    struct uid_range *gone;
    size_t n;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("old"), USE_NONE, &id), OK);
    for (int i = 0; i < 6; i++) {
        kit_append(k, 1, box, raw, i % 2 ? FLAG_DELETED : 0);
        kit_append(k, 1, id, raw, 0);
    }
    uint64_t since = kit_figures(k, 1, box).modseq;
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("old")), OK);
    store_tend(k->s); /* nothing is old enough */
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), OK);
    assert_int_equal(n, 3);
    kit_execute(k, "UPDATE expunged SET time = 1; UPDATE mailbox SET gone = 1 WHERE gone <> 0");
    for (int i = 0; i < 6; i++)
        store_tend(k->s);
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), ERR_AGAIN);
    uint64_t now = kit_figures(k, 1, box).modseq;
    assert_int_equal(store_vanished(k->s, 1, box, now, &k->a, &gone, &n), OK);
    struct reader *r;
    int64_t bodies = -1;
    assert_int_equal(reader_get(&k->s->shard[0], &r), OK);
    assert_int_equal(index_number(&r->x, "SELECT count(*) FROM body", &bodies), OK);
    reader_put(&k->s->shard[0], r);
    assert_int_equal(bodies, 3);
    kit_sound(k);
    kit_reopen(k);
    assert_int_equal(store_vanished(k->s, 1, box, since, &k->a, &gone, &n), ERR_AGAIN);
    assert_string_equal(kit_uids(k, 1, box), "1 3 5");
}

/* More mailboxes are gone than are kept: the oldest goes with what is in it. */
static void test_gone_bounded(void **state)
{
    struct kit *k = *state;
    uint32_t old, id;
    struct reader *r;
    int64_t gone = -1, bodies = -1, left = -1;
    kit_box(k, 1, "INBOX");
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("old"), USE_NONE, &old), OK);
    kit_append(k, 1, old, kit_big(k, 50000, 1), 0);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("old")), OK);
    kit_execute(k,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
                " INSERT INTO mailbox SELECT 100000 + i, 1, 100000 + i, 'x', 0, 0, 1, 1, 1, 0, 0,"
                " 0, 0, 0, 4102444800, 1 FROM n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(store_mailbox_create(k->s, 1, SLICE("new"), USE_NONE, &id), OK);
        assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("new")), OK);
    }
    assert_int_equal(reader_get(&k->s->shard[0], &r), OK);
    assert_int_equal(index_number(&r->x, "SELECT count(*) FROM mailbox WHERE gone <> 0", &gone),
                     OK);
    assert_int_equal(index_number(&r->x, "SELECT count(*) FROM body", &bodies), OK);
    assert_int_equal(index_number(&r->x, "SELECT count(*) FROM mailbox WHERE name = 'old'", &left),
                     OK);
    reader_put(&k->s->shard[0], r);
    assert_int_equal(gone, LIMIT_MAILBOXES);
    assert_int_equal(bodies, 0);
    assert_int_equal(left, 0);
    kit_sound(k);
}

static void test_no_undelete(void **state)
{
    struct kit *k = *state;
    kit_close(k);
    kit_open(k, -1);
    uint32_t box = kit_box(k, 1, "INBOX");
    struct uid_range *gone;
    struct reader *r;
    int64_t bodies = -1;
    size_t n;
    kit_append(k, 1, box, kit_big(k, 9000, 1), FLAG_DELETED);
    assert_int_equal(store_expunge(k->s, 1, box, NULL, 0), OK);
    assert_int_equal(store_vanished(k->s, 1, box, 0, &k->a, &gone, &n), OK);
    assert_int_equal(n, 1);
    uint32_t other;
    assert_int_equal(store_mailbox_create(k->s, 1, SLICE("other"), USE_NONE, &other), OK);
    kit_append(k, 1, other, kit_big(k, 9000, 2), 0);
    assert_int_equal(store_mailbox_delete(k->s, 1, SLICE("other")), OK);
    store_tend(k->s);
    assert_int_equal(reader_get(&k->s->shard[0], &r), OK);
    assert_int_equal(index_number(&r->x, "SELECT count(*) FROM body", &bodies), OK);
    reader_put(&k->s->shard[0], r);
    assert_int_equal(bodies, 0);
    kit_sound(k);
}

/* --- Opening --- */

static void test_second_writer(void **state)
{
    struct kit *k = *state;
    struct store *other;
    struct store_options o = {.dir = k->dir};
    assert_int_equal(store_open(&o, &other), ERR_CONFLICT);
    kit_close(k);
    assert_int_equal(store_open(&o, &other), OK);
    store_close(other);
    kit_open(k, 0);
}

static void test_newer_version(void **state)
{
    struct kit *k = *state;
    struct store *other;
    struct store_options o = {.dir = k->dir};
    kit_execute(k, "PRAGMA user_version = 99");
    kit_close(k);
    assert_int_equal(store_open(&o, &other), ERR_CONFLICT);
    o.read_only = true;
    assert_int_equal(store_open(&o, &other), ERR_CONFLICT);
    o = (struct store_options){.dir = "/nonexistent/store", .read_only = true};
    assert_int_equal(store_open(&o, &other), ERR_NOTFOUND);
}

static bool count_entry(void *arg, const struct queue_entry *e)
{
    *(unsigned *)arg += 1 + (unsigned)e->n_recipients;
    return true;
}

static void test_migration(void **state)
{
    static const char *const first[] = {"CREATE TABLE t (a); INSERT INTO t VALUES (1);"};
    static const char *const broken[] = {"", "ALTER TABLE t ADD COLUMN b; SELECT nonsense;"};
    static const char *const good[] = {"", "ALTER TABLE t ADD COLUMN b;", "UPDATE t SET b = a;"};
    struct kit *k = *state;
    struct index x;
    char path[200], copy[210];
    int64_t n = 0;
    snprintf(path, sizeof path, "%s/migrating.db", k->dir);
    snprintf(copy, sizeof copy, "%s.v1", path);
    assert_int_equal(index_open(&x, path, INDEX_WRITER), OK);
    assert_int_equal(schema_bring(&x, path, first, 1), OK);
    assert_int_equal(access(copy, F_OK), -1);
    assert_int_not_equal(schema_bring(&x, path, broken, 2), OK);
    assert_int_equal(index_number(&x, "PRAGMA user_version", &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(index_number(&x, "SELECT count(*) FROM pragma_table_info('t')", &n), OK);
    assert_int_equal(n, 1); /* nothing of the step that failed */
    assert_int_equal(schema_bring(&x, path, good, 3), OK);
    assert_int_equal(index_number(&x, "SELECT b FROM t", &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(schema_bring(&x, path, first, 1), ERR_CONFLICT);
    index_close(&x);
    /* The older program can go back to the copy. */
    assert_int_equal(index_open(&x, copy, INDEX_WRITER), OK);
    assert_int_equal(schema_bring(&x, copy, first, 1), OK);
    assert_int_equal(index_number(&x, "SELECT a FROM t", &n), OK);
    index_close(&x);
}

/* Another process, as the command line is one. 0: it saw what it should. */
static int look_beside(const char *dir, uint32_t box)
{
    struct store_options o = {.dir = dir, .read_only = true};
    struct store *s;
    struct store_usage u;
    struct snapshot *n;
    uint32_t id;
    unsigned entries = 0, bad = 1;
    if (store_open(&o, &s) != OK)
        return 1;
    if (store_usage(s, 1, &u) != OK || u.messages != 2 || u.bytes == 0)
        return 2;
    if (store_queue_list(s, 0, count_entry, &entries) != OK || entries != 2)
        return 3;
    if (store_snapshot(s, 1, box, &n) != OK || snapshot_info(n).count != 2)
        return 4;
    snapshot_unref(n);
    if (store_mailbox_create(s, 1, SLICE("x"), USE_NONE, &id) != ERR_CLOSED)
        return 5;
    if (store_check(s, true, NULL, NULL, NULL, &bad) != OK || bad != 0)
        return 6;
    store_tend(s);
    store_close(s);
    return 0;
}

static void test_beside(void **state)
{
    struct kit *k = *state;
    uint32_t box = kit_box(k, 1, "INBOX");
    struct slice raw = kit_big(k, 30000, 1);
    int status;
    kit_append(k, 1, box, raw, 0);
    kit_append(k, 1, box, kit_raw(k, "s", "t"), 0);
    struct queue_recipient r = {.address = SLICE("x@example.net")};
    struct queue_entry q = {.recipients = &r, .n_recipients = 1};
    struct store_delivery d = {.raw = raw, .queue = &q, .n_queue = 1};
    assert_int_equal(store_deliver(k->s, &d), OK);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char number[16];
        snprintf(number, sizeof number, "%u", box);
        execl("/proc/self/exe", "fault_test", "beside", k->dir, number, (char *)NULL);
        _exit(9);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    kit_append(k, 1, box, raw, 0);
    kit_sound(k);
}

/* --- A segment that dies and is written in one group --- */

static enum error run_near_end(struct shard *sh, struct job *job)
{
    (void)job;
    sh->log.end = LIMIT_SEGMENT_SIZE - 6000;
    return OK;
}

struct hold_job {
    struct job job;
    sem_t *go;
};

static enum error run_hold(struct shard *sh, struct job *job)
{
    (void)sh;
    return sem_wait(((struct hold_job *)job)->go) == 0 ? OK : ERR_BUG;
}

static void *tend_segments(void *arg)
{
    struct kit *k = arg;
    segments_tend(&k->s->shard[0]);
    return NULL;
}

struct appending {
    struct kit *k;
    uint32_t box, uids[2];
    struct store_message m[2];
    enum error e;
};

static void *append_two(void *arg)
{
    struct appending *a = arg;
    uint32_t validity;
    a->e = store_append(a->k->s, 1, a->box, a->m, 2, 0, a->uids, &validity);
    return NULL;
}

/* Until so many jobs wait for the committer, which is held. */
static void wait_for_jobs(struct shard *sh, size_t wanted)
{
    for (int i = 0; i < 5000; i++) {
        size_t n = 0;
        pthread_mutex_lock(&sh->qlock);
        for (const struct job *j = sh->head; j != NULL; j = j->next)
            n++;
        pthread_mutex_unlock(&sh->qlock);
        if (n == wanted)
            return;
        usleep(1000);
    }
    fail_msg("the jobs do not come");
}

static void test_dead_segment_filled(void **state)
{
    struct kit *k = *state;
    struct shard *sh = &k->s->shard[0];
    uint32_t box = kit_box(k, 1, "INBOX");
    struct appending a = {.k = k, .box = box};
    for (uint32_t i = 0; i < 2; i++)
        a.m[i] = (struct store_message){.raw = kit_big(k, 5000, 70 + i),
                                        .summary = {.envelope = SLICE("()")}};
    struct job near_end = {.run = run_near_end};
    assert_int_equal(job_do(sh, &near_end), OK);
    kit_execute(k, "INSERT INTO segment (number, live) VALUES (1, 0)");
    /* In one group: the search for dead segments, then the messages, the second of which begins
     * another segment. */
    sem_t go;
    sem_init(&go, 0, 0);
    struct hold_job hold = {.job.run = run_hold, .go = &go};
    pthread_t tending, appending;
    job_submit(sh, &hold.job);
    wait_for_jobs(sh, 0);
    assert_int_equal(pthread_create(&tending, NULL, tend_segments, k), 0);
    wait_for_jobs(sh, 1);
    assert_int_equal(pthread_create(&appending, NULL, append_two, &a), 0);
    wait_for_jobs(sh, 2);
    sem_post(&go);
    assert_int_equal(job_wait(&hold.job), OK);
    pthread_join(tending, NULL);
    pthread_join(appending, NULL);
    sem_destroy(&go);
    assert_int_equal(a.e, OK);
    assert_int_equal(sh->log.number, 2);
    for (size_t i = 0; i < 2; i++)
        kit_body_is(k, 1, box, a.uids[i], a.m[i].raw);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments_roll, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compact, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_segment_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sync_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_index_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_the_disk, setup, teardown),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test_setup_teardown(test_damaged_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_undelete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside, setup, teardown),
    };
    uint32_t box;
    if (argc == 4 && parse_u32(slice_str(argv[3]), UINT32_MAX, &box) == OK)
        return look_beside(argv[2], box);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
