/* Tests of the guard with its database: restarts, kill -9, the command in another process. */
#include "guard/guard.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/sql.h"
#include "base/test_folder.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static _Atomic int calls;

static void on_machine_bans(void *arg)
{
    atomic_fetch_add(&calls, 1);
}

static struct guard *open_guard(struct guard_options o)
{
    struct guard *g;
    o.path = test_folder_file(&folder, "guard.db");
    o.on_machine_bans = on_machine_bans;
    assert_int_equal(guard_open(&o, &g), OK);
    return g;
}

static const struct guard_options defaults = {.repeated_password_counts = true};

static int set_up(void **state)
{
    atomic_store(&calls, 0);
    return test_folder_make(&folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    return test_folder_remove(&folder) ? 0 : 1;
}

static struct ip ip(const char *text)
{
    struct ip out;
    assert_int_equal(ip_parse(slice_str(text), &out), OK);
    return out;
}

static enum guard_level fail_from(struct guard *g, const char *who)
{
    return guard_failed(g, ip(who), SLICE("anna@example.org"), "imap", 1, NULL);
}

static enum guard_level level(struct guard *g, const char *who)
{
    return guard_admit(g, ip(who), NULL);
}

static void test_over_restart(void **state)
{
    struct guard *g = open_guard(defaults);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fail_from(g, "192.0.2.1"), GUARD_OPEN);
    guard_close(g);
    g = open_guard(defaults);
    assert_int_equal(fail_from(g, "192.0.2.1"), GUARD_OPEN);
    int64_t until = 0, again = 0;
    assert_int_equal(guard_failed(g, ip("192.0.2.1"), SLICE("x"), "submission", 2, &until),
                     GUARD_SERVICES);
    assert_in_range(until - clock_wall(), 20 * 60 - 5, 20 * 60 + 1);
    guard_close(g);
    g = open_guard(defaults);
    assert_int_equal(guard_admit(g, ip("192.0.2.1"), &again), GUARD_SERVICES);
    assert_int_equal(again, until);
    assert_int_equal(level(g, "192.0.2.2"), GUARD_OPEN);
    guard_close(g);
}

/* The rule at a pace that a test can wait for. */
static const struct guard_options quick = {
    .close_seconds = 1, .machine_seconds = 2, .repeated_password_counts = true};

static bool wait_for(struct guard *g, const char *who, enum guard_level expected)
{
    for (int64_t end = clock_ms() + 5000; clock_ms() < end;) {
        if (level(g, who) == expected)
            return true;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return false;
}

static void close_from(struct guard *g, const char *who, enum guard_level expected)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(fail_from(g, who), GUARD_OPEN);
    assert_int_equal(fail_from(g, who), expected);
}

static void test_machine(void **state)
{
    struct guard *g = open_guard(quick);
    close_from(g, "2001:db8::1", GUARD_SERVICES);
    assert_true(wait_for(g, "2001:db8::2", GUARD_OPEN));
    close_from(g, "2001:db8::2", GUARD_SERVICES);
    assert_true(wait_for(g, "2001:db8::2", GUARD_OPEN));
    guard_close(g); /* closings are remembered over a restart */
    g = open_guard(quick);
    assert_int_equal(atomic_load(&calls), 0);
    close_from(g, "2001:db8::3", GUARD_MACHINE);
    assert_int_equal(atomic_load(&calls), 1);
    autoarena a;
    struct guard_ban *bans;
    size_t n;
    arena_init(&a, 100000);
    assert_int_equal(guard_bans(g, &a, &bans, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(bans[0].level, GUARD_MACHINE);
    assert_true(ip_eq(bans[0].ip, ip("2001:db8::")));
    assert_in_range(bans[0].until - bans[0].since, 2, 3);
    assert_true(wait_for(g, "2001:db8::3", GUARD_OPEN)); /* bans always expire */
    assert_int_equal(guard_bans(g, &a, &bans, &n), OK);
    assert_int_equal(n, 0);
    guard_close(g);
}

static void test_trusted(void **state)
{
    struct ip_net net, proxy;
    assert_int_equal(ip_net_parse(SLICE("192.0.2.0/24"), &net), OK);
    assert_int_equal(ip_net_parse(SLICE("2001:db8::7"), &proxy), OK);
    struct guard_options o = defaults;
    o.trusted = &net;
    o.n_trusted = 1;
    o.proxies = &proxy;
    o.n_proxies = 1;
    struct guard *g = open_guard(o);
    assert_true(guard_is_trusted(g, ip("192.0.2.9")) && !guard_is_trusted(g, ip("192.0.3.9")));
    assert_true(guard_is_proxy(g, ip("2001:db8::7")) && !guard_is_proxy(g, ip("2001:db8::8")));
    for (int i = 0; i < 20; i++)
        assert_int_equal(fail_from(g, "192.0.2.9"), GUARD_OPEN);
    assert_int_equal(level(g, "192.0.2.9"), GUARD_OPEN);
    autoarena a;
    struct guard_attempt *attempts;
    size_t n;
    arena_init(&a, 100000);
    assert_int_equal(guard_why(g, ip("192.0.2.9"), &a, &attempts, &n), OK);
    assert_int_equal(n, 20); /* seen, but not counted */
    assert_false(attempts[0].counted);
    guard_close(g);
    /* No longer trusted: what was not counted still does not count. */
    g = open_guard(defaults);
    assert_int_equal(fail_from(g, "192.0.2.9"), GUARD_OPEN);
    guard_close(g);

    /* Who is banned and then becomes trusted is let in at once. */
    g = open_guard(defaults);
    for (int i = 0; i < 5; i++)
        fail_from(g, "192.0.2.77");
    assert_int_equal(level(g, "192.0.2.77"), GUARD_SERVICES);
    guard_close(g);
    g = open_guard(o);
    assert_int_equal(level(g, "192.0.2.77"), GUARD_OPEN);
    struct guard_ban *bans;
    assert_int_equal(guard_bans(g, &a, &bans, &n), OK);
    assert_int_equal(n, 0);
    guard_close(g);
}

static void test_why(void **state)
{
    struct guard *g = open_guard(defaults);
    char lengthy[1000];
    memset(lengthy, 'x', sizeof lengthy);
    int64_t start = clock_wall();
    guard_failed(g, ip("192.0.2.1"), SLICE("anna@example.org"), "imap", 1, NULL);
    guard_failed(g, ip("192.0.2.1"), SLICE("root\n\0\xFF"), "submission", 2, NULL);
    guard_failed(g, ip("192.0.2.1"), slice_of(lengthy, sizeof lengthy), "web", 3, NULL);
    guard_failed(g, ip("192.0.2.2"), SLICE("ben@example.org"), "imap", 1, NULL);
    autoarena a;
    struct guard_attempt *attempts;
    size_t n;
    arena_init(&a, 1000000);
    assert_int_equal(guard_why(g, ip("192.0.2.1"), &a, &attempts, &n), OK);
    assert_int_equal(n, 3);
    assert_true(slice_eq(attempts[0].account, SLICE("anna@example.org")));
    assert_true(slice_eq(attempts[0].service, SLICE("imap")));
    assert_true(slice_eq(attempts[1].account, SLICE("root\n\0\xFF")));
    assert_true(slice_eq(attempts[1].service, SLICE("submission")));
    assert_int_equal(attempts[2].account.n, LIMIT_ADDRESS);
    assert_true(attempts[0].counted && attempts[0].at >= start);
    assert_true(ip_eq(attempts[0].ip, ip("192.0.2.1")));
    assert_int_equal(guard_why(g, ip("192.0.2.3"), &a, &attempts, &n), OK);
    assert_int_equal(n, 0);
    unsigned bad = 9;
    assert_int_equal(guard_check(g, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 0);
    guard_close(g);
}

static void test_many_attempts(void **state)
{
    /* Of one address only the newest thousand are kept. */
    static const struct sql_spec raw = {NULL, 1, NULL, 0};
    struct guard *g = open_guard(defaults);
    fail_from(g, "192.0.2.1");
    struct sql *db;
    assert_int_equal(sql_open(test_folder_file(&folder, "guard.db"), &raw, &db), OK);
    assert_int_equal(
        sql_exec(db,
                 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
                 "INSERT INTO attempt(at, ip, account, service, counted) "
                 "SELECT a.at + i, a.ip, 'u' || i, 'imap', 0 FROM n, attempt a WHERE a.id = 1",
                 NULL, NULL),
        OK);
    sql_close(db);
    fail_from(g, "192.0.2.1");
    autoarena a;
    struct guard_attempt *attempts;
    size_t n;
    arena_init(&a, 10000000);
    assert_int_equal(guard_why(g, ip("192.0.2.1"), &a, &attempts, &n), OK);
    assert_int_equal(n, LIMIT_GUARD_WHY);
    assert_true(slice_eq(attempts[0].account, SLICE("u4002")));
    assert_true(slice_eq(attempts[n - 1].account, SLICE("anna@example.org")));
    guard_close(g);
}

/* --- Other processes --- */

static int other_process(const char *path, const char *what)
{
    struct guard_options o = defaults;
    struct guard *g;
    struct ip who;
    o.path = path;
    if (guard_open(&o, &g) != OK || ip_parse(SLICE("192.0.2.1"), &who) != OK)
        return 1;
    int r = 0;
    if (strcmp(what, "lift") == 0) {
        r = guard_lift(g, who) == OK ? 0 : 1;
    } else if (strcmp(what, "die") == 0) {
        for (int i = 0; i < 5; i++)
            guard_failed(g, who, SLICE("anna@example.org"), "imap", 1, NULL);
        kill(getpid(), SIGKILL); /* the moment the answer would go out */
    } else if (strcmp(what, "close") == 0) {
        for (int i = 0; i < 5; i++)
            guard_failed(g, who, SLICE("anna@example.org"), "imap", 1, NULL);
    }
    guard_close(g);
    return r;
}

static int run_other(const char *what)
{
    int status;
    pid_t child = test_spawn_self(test_folder_file(&folder, "guard.db"), what);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_killed(void **state)
{
    int status = run_other("die");
    assert_true(WIFSIGNALED(status));
    struct guard *g = open_guard(defaults);
    assert_int_equal(level(g, "192.0.2.1"), GUARD_SERVICES);
    guard_close(g);
}

static void test_lift_by_command(void **state)
{
    struct guard *g = open_guard(quick);
    for (int i = 0; i < 2; i++) {
        close_from(g, "192.0.2.1", GUARD_SERVICES);
        assert_true(wait_for(g, "192.0.2.1", GUARD_OPEN));
    }
    close_from(g, "192.0.2.1", GUARD_MACHINE);
    assert_int_equal(atomic_load(&calls), 1);
    int64_t start = clock_ms();
    assert_int_equal(run_other("lift"), 0);
    assert_true(wait_for(g, "192.0.2.1", GUARD_OPEN));
    assert_true(clock_ms() - start < 1500); /* the ban would have lasted two seconds */
    for (int64_t end = clock_ms() + 2000; clock_ms() < end && atomic_load(&calls) < 2;)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_int_equal(atomic_load(&calls), 2);
    /* All is forgotten: four are tolerated, and the next closing is the first. */
    close_from(g, "192.0.2.1", GUARD_SERVICES);
    autoarena a;
    struct guard_attempt *attempts;
    size_t n;
    arena_init(&a, 100000);
    assert_int_equal(guard_why(g, ip("192.0.2.1"), &a, &attempts, &n), OK);
    assert_int_equal(n, 5);
    assert_int_equal(guard_lift(g, ip("192.0.2.1")), OK);
    assert_int_equal(level(g, "192.0.2.1"), GUARD_OPEN);
    assert_int_equal(guard_lift(g, ip("192.0.2.1")), ERR_NOTFOUND);
    guard_close(g);
    /* What was lifted stays so after a restart. */
    g = open_guard(quick);
    close_from(g, "192.0.2.1", GUARD_SERVICES);
    guard_close(g);
}

static void test_ban_by_other(void **state)
{
    struct guard *g = open_guard(defaults);
    assert_int_equal(run_other("close"), 0);
    assert_true(wait_for(g, "192.0.2.1", GUARD_SERVICES));
    guard_close(g);
}

static void test_bad_database(void **state)
{
    struct guard *g;
    struct guard_options o = defaults;
    o.path = "/nonexistent/guard.db";
    assert_int_equal(guard_open(&o, &g), ERR_IO);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return other_process(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_over_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_machine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_attempts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lift_by_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ban_by_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_database, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
