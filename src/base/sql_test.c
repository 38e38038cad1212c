/* Tests of the SQLite layer: schema versions, errors, roll-back, and the watch across processes. */
#include "base/sql.h"

#include "base/clock.h"
#include "base/mem.h"
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

extern char **environ;

enum { INSERT, SELECT, COUNT };
static const char *const statements[] = {
    [INSERT] = "INSERT INTO t(id, name) VALUES (?, ?)",
    [SELECT] = "SELECT id, name FROM t WHERE id >= ? ORDER BY id",
    [COUNT] = "SELECT count(*) FROM t",
};
static const char *const schema[] = {
    "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    "ALTER TABLE t ADD COLUMN name TEXT NOT NULL DEFAULT 'old'",
};
static const struct sql_spec first = {schema, 1, statements, 3},
                             second = {schema, 2, statements, 3};

static char folder[64];
static char path[80];

static int set_up(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/depesche-sql-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(folder);
}

static enum error insert(struct sql *db, int64_t id, struct slice name)
{
    struct sql_query q = sql_query(db, INSERT);
    sql_int(&q, id);
    sql_text(&q, name);
    return sql_run(&q);
}

static int64_t count(struct sql *db)
{
    struct sql_query q = sql_query(db, COUNT);
    int64_t n = sql_row(&q) ? sql_get_int(&q, 0) : -1;
    assert_int_equal(sql_done(&q), OK);
    return n;
}

static void test_schema(void **state)
{
    struct sql *db;
    assert_int_equal(sql_open(path, &first, &db), OK);
    sql_close(db);
    assert_int_equal(sql_open(path, &second, &db), OK);
    struct sql_query q = sql_query(db, SELECT);
    sql_int(&q, 0);
    assert_true(sql_row(&q));
    assert_true(slice_eq(sql_get(&q, 1), SLICE("old")));
    assert_false(sql_row(&q));
    assert_int_equal(sql_done(&q), OK);
    sql_close(db);
    assert_int_equal(sql_open(path, &first, &db), ERR_CONFLICT);
    assert_int_equal(sql_open("/nonexistent/t.db", &first, &db), ERR_IO);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_damaged(void **state)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "this is not a database, and long enough to be seen as such", 58),
                     58);
    close(fd);
    struct sql *db;
    assert_int_equal(sql_open(path, &first, &db), ERR_IO);
}

static void test_transaction(void **state)
{
    struct sql *db;
    assert_int_equal(sql_open(path, &second, &db), OK);
    {
        autotxn txn = sql_begin(db);
        assert_int_equal(txn.e, OK);
        assert_int_equal(insert(db, 2, SLICE("a")), OK);
        assert_int_equal(count(db), 2);
    }
    assert_int_equal(count(db), 1);
    {
        autotxn txn = sql_begin(db);
        assert_int_equal(insert(db, 2, SLICE("a\0b")), OK);
        assert_int_equal(insert(db, 2, SLICE("a")), ERR_CONFLICT);
        assert_int_equal(sql_commit(&txn), OK);
    }
    assert_int_equal(count(db), 2);
    struct sql_query q = sql_query(db, SELECT);
    sql_int(&q, 2);
    assert_true(sql_row(&q));
    assert_true(slice_eq(sql_get(&q, 1), SLICE("a\0b")));
    assert_int_equal(sql_done(&q), OK);
    sql_close(db);
}

static _Atomic int calls;

static void on_change(void *arg)
{
    atomic_fetch_add(&calls, 1);
}

static bool wait_for_calls(int n)
{
    for (int64_t end = clock_ms() + 5000; clock_ms() < end;) {
        if (atomic_load(&calls) >= n)
            return true;
        nanosleep(&(struct timespec){0, 200000}, NULL);
    }
    return false;
}

/* The second process: this program again, because SQLite's locks do not survive a fork. */
static int other_process(const char *db_path, const char *number)
{
    struct sql *db;
    uint32_t id;
    if (parse_u32(slice_str(number), 1000000, &id) != OK || sql_open(db_path, &second, &db) != OK)
        return 1;
    int r = insert(db, id, SLICE("other")) == OK ? 0 : 1;
    sql_close(db);
    return r;
}

static void run_other(int id)
{
    char number[16];
    snprintf(number, sizeof number, "%d", id);
    char self[] = "/proc/self/exe";
    char *const argv[] = {self, path, number, NULL};
    pid_t child;
    assert_int_equal(posix_spawn(&child, self, NULL, NULL, argv, environ), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_watch(void **state)
{
    struct sql *db, *more;
    struct sql_watch *w;
    /* A second connection of this process must not take the locks of the first away: another
     * process would then throw away the write-ahead log that is watched. */
    assert_int_equal(sql_open(path, &second, &db), OK);
    assert_int_equal(sql_open(path, &second, &more), OK);
    atomic_store(&calls, 0);
    assert_int_equal(sql_watch_start(path, on_change, NULL, &w), OK);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    assert_int_equal(atomic_load(&calls), 0); /* nothing changed yet */
    for (int i = 1; i <= 5; i++) {
        int before = atomic_load(&calls);
        run_other(100 + i);
        assert_true(wait_for_calls(before + 1));
    }
    int before = atomic_load(&calls);
    assert_int_equal(insert(db, 200, SLICE("own")), OK); /* the own process's count as well */
    assert_true(wait_for_calls(before + 1));
    sql_watch_stop(w);
    before = atomic_load(&calls);
    assert_int_equal(insert(db, 201, SLICE("own")), OK);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    assert_int_equal(atomic_load(&calls), before);
    sql_close(more);
    sql_close(db);
}

static void test_watch_burst(void **state)
{
    /* However fast commits come, the last one is heard of. */
    struct sql *db;
    struct sql_watch *w;
    assert_int_equal(sql_open(path, &second, &db), OK);
    assert_int_equal(sql_watch_start(path, on_change, NULL, &w), OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(insert(db, 300 + i, SLICE("x")), OK);
        if (i == 48)
            nanosleep(&(struct timespec){0, 20000000}, NULL);
        if (i == 48)
            atomic_store(&calls, 0);
    }
    assert_true(wait_for_calls(1));
    sql_watch_stop(w);
    sql_close(db);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return other_process(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_schema, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch_burst, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
