/* Tests of logging in: memory, lockout, many at once, sessions that end when the account changes.
 */
#include "auth/internal.h"
#include "auth/login.h"
#include "base/clock.h"
#include "base/test_folder.h"
#include <stdatomic.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;
static struct guard *g;
static struct login *l;
static struct account anna;

static int set_up(void **state)
{
    struct guard_options o = {.repeated_password_counts = true};
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    o.path = test_folder_file(&folder, "guard.db");
    assert_int_equal(guard_open(&o, &g), OK);
    assert_int_equal(login_new(d, g, &l), OK);
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_account_add(d, SLICE("anna@example.org"), SLICE(""), SLICE("de"),
                                           SLICE("right-Passw0rd"), &anna),
                     OK);
    return 0;
}

static int tear_down(void **state)
{
    login_free(l);
    guard_close(g);
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

static enum login_result login_from(const char *peer, const char *user, const char *password,
                                    struct account *out)
{
    struct login_request rq = {
        .service = "imap", .user = slice_str(user), .password = slice_str(password)};
    int64_t until;
    assert_int_equal(ip_parse(slice_str(peer), &rq.peer), OK);
    return login_check(l, &rq, out, &until);
}

static enum login_result login(const char *password)
{
    struct account a;
    return login_from("192.0.2.1", "anna@example.org", password, &a);
}

/* Processor time of the process: what else runs on the machine does not matter. */
static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void test_remembered(void **state)
{
    struct account a;
    int64_t start = cpu_us();
    assert_int_equal(login_from("192.0.2.1", "Anna@EXAMPLE.org", "right-Passw0rd", &a), LOGIN_OK);
    int64_t first = cpu_us() - start;
    assert_int_equal(a.id, anna.id);
    start = cpu_us();
    for (int i = 0; i < 20; i++)
        assert_int_equal(login("right-Passw0rd"), LOGIN_OK);
    assert_true(cpu_us() - start < first * 5); /* twenty hashes would take twenty times it */
    assert_int_equal(login("wrong-Passw0rd"), LOGIN_WRONG);
    /* Another account with the same password is not in it. */
    assert_int_equal(login_from("192.0.2.1", "ben@example.org", "right-Passw0rd", &a), LOGIN_WRONG);
    /* A new password ends the old one at once. */
    assert_int_equal(directory_password_set(d, anna.id, SLICE("next-Passw0rd")), OK);
    assert_int_equal(login("right-Passw0rd"), LOGIN_WRONG);
    assert_int_equal(login("next-Passw0rd"), LOGIN_OK);
}

static void test_states(void **state)
{
    static const struct {
        enum account_state state;
        enum login_result result;
    } cases[] = {
        {ACCOUNT_NO_SEND, LOGIN_OK},
        {ACCOUNT_NO_LOGIN, LOGIN_DISABLED},
        {ACCOUNT_CLOSED, LOGIN_DISABLED},
        {ACCOUNT_ACTIVE, LOGIN_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(directory_account_state(d, anna.id, cases[i].state), OK);
        for (int k = 0; k < 6; k++) /* the right password is never a failure */
            assert_int_equal(login("right-Passw0rd"), cases[i].result);
    }
    assert_int_equal(directory_account_remove(d, anna.id), OK);
    assert_int_equal(login("right-Passw0rd"), LOGIN_WRONG);
}

static void test_lockout(void **state)
{
    struct account a;
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_from("192.0.2.1", i % 2 ? "anna@example.org" : "nobody@example.org",
                                    "wrong-Passw0rd", &a),
                         LOGIN_WRONG);
    struct login_request rq = {.service = "submission",
                               .user = SLICE("anna@example.org"),
                               .password = SLICE("right-Passw0rd")};
    int64_t until = 0;
    assert_int_equal(ip_parse(SLICE("192.0.2.1"), &rq.peer), OK);
    assert_int_equal(login_check(l, &rq, &a, &until), LOGIN_BLOCKED); /* one counter for all */
    assert_in_range(until - clock_wall(), 1190, 1201);
    assert_int_equal(login_from("192.0.2.2", "anna@example.org", "right-Passw0rd", &a), LOGIN_OK);
    assert_int_equal(login("right-Passw0rd"), LOGIN_BLOCKED); /* also what is remembered */
}

/* --- Many at once --- */

struct attempt {
    const char *password;
    enum login_result result;
};

static void *try_login(void *arg)
{
    struct attempt *t = arg;
    t->result = login(t->password);
    return NULL;
}

static void run_together(struct attempt *attempts, size_t n)
{
    pthread_t threads[32];
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, try_login, &attempts[i]), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void test_many_wrong_at_once(void **state)
{
    /* Twenty guesses that all begin before the first has failed: still only five are answered. */
    struct attempt attempts[20];
    unsigned wrong = 0, blocked = 0;
    for (size_t i = 0; i < 20; i++)
        attempts[i] = (struct attempt){"wrong-Passw0rd", LOGIN_OK};
    run_together(attempts, 20);
    for (size_t i = 0; i < 20; i++) {
        wrong += attempts[i].result == LOGIN_WRONG;
        blocked += attempts[i].result == LOGIN_BLOCKED;
    }
    assert_int_equal(wrong, 5);
    assert_int_equal(blocked, 15);
}

static void test_many_right_at_once(void **state)
{
    struct attempt attempts[32];
    for (size_t i = 0; i < 32; i++)
        attempts[i] = (struct attempt){"right-Passw0rd", LOGIN_BUSY};
    int64_t start = cpu_us();
    assert_int_equal(directory_verify(d, SLICE("anna@example.org"), SLICE("right-Passw0rd"), &anna),
                     OK);
    int64_t one = cpu_us() - start;
    start = cpu_us();
    run_together(attempts, 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(attempts[i].result, LOGIN_OK);
    assert_true(cpu_us() - start < one * 8); /* hashed once, not 32 times */
}

/* --- Sessions --- */

static int other_process(const char *path, const char *what)
{
    struct directory *other;
    struct account a;
    if (directory_open(path, &other) != OK ||
        directory_account_find(other, SLICE("anna@example.org"), &a) != OK)
        return 1;
    enum error e = ERR_INPUT;
    if (strcmp(what, "suspend") == 0)
        e = directory_account_state(other, a.id, ACCOUNT_NO_LOGIN);
    else if (strcmp(what, "password") == 0)
        e = directory_password_set(other, a.id, SLICE("another-Passw0rd"));
    else if (strcmp(what, "remove") == 0)
        e = directory_account_remove(other, a.id);
    else if (strcmp(what, "quota") == 0)
        e = directory_account_quota(other, a.id, 12345);
    directory_close(other);
    return e == OK ? 0 : 1;
}

static void run_other(const char *what)
{
    int status;
    pid_t child = test_spawn_self(test_folder_file(&folder, "directory.db"), what);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static bool wait_revoked(const struct login_session *s)
{
    for (int64_t end = clock_ms() + 3000; clock_ms() < end;) {
        if (login_session_revoked(s))
            return true;
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    return false;
}

static void test_sessions(void **state)
{
    static const char *const changes[] = {"suspend", "password", "remove"};
    struct account ben, now;
    assert_int_equal(directory_account_add(d, SLICE("ben@example.org"), SLICE(""), SLICE("de"),
                                           SLICE_NONE, &ben),
                     OK);
    struct login_session *other = login_session_begin(l, &ben, "imap", NULL);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(directory_account_get(d, anna.id, &now), OK);
        struct login_session *first = login_session_begin(l, &now, "imap", NULL);
        struct login_session *second = login_session_begin(l, &now, "submission", NULL);
        run_other("quota"); /* nothing to end a session for */
        nanosleep(&(struct timespec){0, 30000000}, NULL);
        assert_false(login_session_revoked(first) || login_session_revoked(second));
        run_other(changes[i]);
        assert_true(wait_revoked(first) && wait_revoked(second));
        assert_false(login_session_revoked(other));
        login_session_end(second);
        login_session_end(first);
    }
    /* A session of an account as it was before a change that nobody tells again. */
    struct account stale = ben;
    assert_int_equal(directory_account_state(d, ben.id, ACCOUNT_NO_SEND), OK);
    assert_true(wait_revoked(other));
    struct login_session *late = login_session_begin(l, &stale, "imap", NULL);
    assert_true(login_session_revoked(late));
    login_session_end(late);
    login_session_end(other);
    login_session_end(NULL);
}

static void test_session_list(void **state)
{
    autoarena a;
    arena_init(&a, 65536);
    struct live_session *list;
    size_t n;
    struct ip peer;
    assert_int_equal(ip_parse(SLICE("192.0.2.9"), &peer), OK);
    struct login_session *first = login_session_begin(l, &anna, "imap", NULL);
    struct login_session *second = login_session_begin(l, &anna, "submission", NULL);
    login_session_peer(second, peer);
    assert_int_equal(login_session_list(l, anna.id, &a, &list, &n), OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].service, "submission");
    assert_true(ip_eq(list[0].peer, peer));
    assert_true(list[1].since >= clock_wall() - 60 && list[1].since <= clock_wall());
    assert_int_equal(login_session_revoke(l, anna.id + 1, list[0].id), ERR_NOTFOUND);
    assert_int_equal(login_session_revoke(l, anna.id, list[0].id), OK);
    assert_true(login_session_revoked(second) && !login_session_revoked(first));
    assert_int_equal(login_session_revoke(l, anna.id, list[0].id), ERR_NOTFOUND);
    assert_int_equal(login_session_list(l, anna.id, &a, &list, &n), OK);
    assert_int_equal(n, 1);
    login_session_end(second);
    login_session_end(first);
    assert_int_equal(login_session_list(l, anna.id, &a, &list, &n), OK);
    assert_int_equal(n, 0);
}

static _Atomic bool stop;

static void *change_often(void *arg)
{
    for (int i = 0; !atomic_load(&stop); i++)
        if (directory_account_state(d, anna.id, i % 2 ? ACCOUNT_ACTIVE : ACCOUNT_NO_SEND) != OK)
            return arg;
    return NULL;
}

static void *come_and_go(void *arg)
{
    for (int i = 0; i < 300; i++) {
        struct account a;
        if (directory_account_get(d, anna.id, &a) != OK)
            return arg;
        struct login_session *s = login_session_begin(l, &a, "imap", NULL);
        login_session_revoked(s);
        login_session_end(s);
    }
    return NULL;
}

static void test_session_threads(void **state)
{
    pthread_t changer, users[3];
    void *failed;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&changer, NULL, change_often, d), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&users[i], NULL, come_and_go, d), 0);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(users[i], &failed);
        assert_null(failed);
    }
    atomic_store(&stop, true);
    pthread_join(changer, &failed);
    assert_null(failed);
}

static void test_cache(void **state)
{
    struct login_cache *c = login_cache_new(8, 1000);
    struct account a = {.id = 1, .epoch = 1}, other = {.id = 2, .epoch = 1},
                   newer = {.id = 1, .epoch = 2};
    login_cache_add(c, &a, SLICE("password"), 5000);
    assert_true(login_cache_has(c, &a, SLICE("password"), 5000));
    assert_true(login_cache_has(c, &a, SLICE("password"), 5999));
    assert_false(login_cache_has(c, &a, SLICE("password"), 6000));
    assert_false(login_cache_has(c, &a, SLICE("passwor"), 5000));
    assert_false(login_cache_has(c, &other, SLICE("password"), 5000));
    assert_false(login_cache_has(c, &newer, SLICE("password"), 5000));
    for (uint64_t i = 10; i < 200; i++) { /* the newest is always there */
        struct account x = {.id = i, .epoch = 1};
        login_cache_add(c, &x, SLICE("p"), 7000 + (int64_t)i);
        assert_true(login_cache_has(c, &x, SLICE("p"), 7000 + (int64_t)i));
    }
    assert_true(login_cache_tag(c, SLICE("Anna"), SLICE("p")) ==
                login_cache_tag(c, SLICE("anna"), SLICE("p")));
    assert_true(login_cache_tag(c, SLICE("anna"), SLICE("p")) !=
                login_cache_tag(c, SLICE("ann"), SLICE("ap")));
    login_cache_free(c);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return other_process(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lockout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_wrong_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_right_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_threads, set_up, tear_down),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
