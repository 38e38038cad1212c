/* Tests of the password rule, of hashes ours and others', and of verifying. */
#include "base/test_folder.h"
#include "directory/directory.h"
#include "directory/internal.h"
#include <pthread.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;
static struct account anna;

static int set_up(void **state)
{
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_account_add(d, SLICE("anna@example.org"), SLICE(""), SLICE("de"),
                                           SLICE("right-Passw0rd"), &anna),
                     OK);
    return 0;
}

static int tear_down(void **state)
{
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

static void test_rule(void **state)
{
    static const struct {
        const char *password;
        enum error e;
        const char *part; /* of the German reason */
    } cases[] = {
        {"12345678", OK, NULL},
        {"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", OK, NULL},
        {"1234567", ERR_INPUT, "mindestens 8"},
        {"", ERR_INPUT, "mindestens 8"},
        {"correct horse", ERR_INPUT, "Leerzeichen"},
        {"P\xC3\xA4sswort1", ERR_INPUT, "Umlaute"},
        {"Passwort\x7F", ERR_INPUT, "Umlaute"},
        {"Pass\x01wort", ERR_INPUT, "Umlaute"},
        {"Anna.Berg@example.org", ERR_INPUT, "E-Mail-Adresse"},
        {"anna.berg", ERR_INPUT, "E-Mail-Adresse"},
        {"EXAMPLE.ORG", ERR_INPUT, "E-Mail-Adresse"},
        {"anna.berg1", OK, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *de = NULL, *en = NULL;
        struct slice p = slice_str(cases[i].password), a = SLICE("anna.berg@example.org");
        if (password_rule(p, a, "de", &de) != cases[i].e ||
            password_rule(p, a, "en", &en) != cases[i].e)
            fail_msg("%s", cases[i].password);
        if (cases[i].part != NULL) {
            assert_non_null(strstr(de, cases[i].part));
            assert_string_not_equal(de, en);
        }
    }
    char lengthy[LIMIT_PASSWORD + 1];
    const char *why;
    memset(lengthy, 'x', sizeof lengthy);
    assert_int_equal(password_rule(slice_of(lengthy, LIMIT_PASSWORD), SLICE("a@b"), "en", &why),
                     OK);
    assert_int_equal(password_rule(slice_of(lengthy, LIMIT_PASSWORD + 1), SLICE("a@b"), "en", &why),
                     ERR_INPUT);
    assert_non_null(strstr(why, "256"));
    assert_int_equal(password_rule(SLICE("1234567\0"), SLICE("a@b"), "en", &why), ERR_INPUT);
}

static void test_advice(void **state)
{
    assert_null(password_advice(SLICE("abcDEF123!"), "de"));
    assert_null(password_advice(SLICE("onlylowercasebutlong"), "de"));
    assert_non_null(password_advice(SLICE("abcdefgh"), "de"));
    assert_string_not_equal(password_advice(SLICE("abcdefgh"), "de"),
                            password_advice(SLICE("abcdefgh"), "en"));
    assert_non_null(password_advice(SLICE("abcDEF1!"), "en"));
}

static enum error verify(const char *password)
{
    struct account a;
    enum error e = directory_verify(d, SLICE("Anna@example.org"), slice_str(password), &a);
    if (e == OK)
        assert_int_equal(a.id, anna.id);
    return e;
}

static void test_verify(void **state)
{
    struct account a;
    assert_int_equal(verify("right-Passw0rd"), OK);
    assert_int_equal(verify("wrong-Passw0rd"), ERR_AUTH);
    assert_int_equal(verify(""), ERR_AUTH);
    assert_int_equal(directory_verify(d, SLICE("anna@example.org"), SLICE("right-Passw0rd\0"), &a),
                     ERR_AUTH);
    assert_int_equal(directory_verify(d, SLICE("nobody@example.org"), SLICE("right-Passw0rd"), &a),
                     ERR_AUTH);
    assert_int_equal(directory_verify(d, SLICE("nonsense"), SLICE("right-Passw0rd"), &a), ERR_AUTH);
    assert_int_equal(directory_verify(d, SLICE("x@foreign.example"), SLICE("x"), &a), ERR_AUTH);
    char lengthy[LIMIT_PASSWORD + 1];
    memset(lengthy, 'x', sizeof lengthy);
    assert_int_equal(
        directory_verify(d, SLICE("anna@example.org"), slice_of(lengthy, sizeof lengthy), &a),
        ERR_AUTH);
    assert_int_equal(directory_password_set(d, anna.id, SLICE("next-Passw0rd")), OK);
    assert_int_equal(verify("right-Passw0rd"), ERR_AUTH);
    assert_int_equal(verify("next-Passw0rd"), OK);
    assert_int_equal(directory_password_set(d, anna.id, SLICE("short")), ERR_INPUT);
    assert_int_equal(directory_password_set(d, 999, SLICE("next-Passw0rd")), ERR_NOTFOUND);
    /* States are the caller's to look at. */
    assert_int_equal(directory_account_state(d, anna.id, ACCOUNT_CLOSED), OK);
    assert_int_equal(verify("next-Passw0rd"), OK);
    /* An account without a password. */
    assert_int_equal(
        directory_account_add(d, SLICE("ben@example.org"), SLICE(""), SLICE("de"), SLICE_NONE, &a),
        OK);
    assert_int_equal(directory_verify(d, SLICE("ben@example.org"), SLICE(""), &a), ERR_AUTH);
}

static void stored_hash(char *out, size_t size)
{
    autosql *db = locked(d->reader);
    struct sql_query q = sql_query(db, Q_PASSWORD_GET);
    sql_int(&q, (int64_t)anna.id);
    assert_true(sql_row(&q));
    copy_text(out, size, sql_get(&q, 0));
    assert_int_equal(sql_done(&q), OK);
}

/* The first costs something else than ours, which a test below needs. */
static const struct {
    const char *hash, *password;
} foreign[] = {
#include "directory/password_test_hashes.h"
};

static void test_import(void **state)
{
    char stored[512];
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct account before, after;
        if (directory_password_import(d, anna.id, slice_str(foreign[i].hash)) != OK)
            fail_msg("not taken over: %s", foreign[i].hash);
        assert_int_equal(directory_account_get(d, anna.id, &before), OK);
        assert_int_equal(verify("wrong-Passw0rd"), ERR_AUTH);
        stored_hash(stored, sizeof stored);
        assert_null(strchr(stored, '{'));
        assert_int_equal(strncmp(stored, "$argon2id$", 10) == 0,
                         strstr(foreign[i].hash, "$argon2id$") != NULL);
        if (verify(foreign[i].password) != OK)
            fail_msg("not verified: %s", foreign[i].hash);
        /* Replaced at the first login, and no session ends for it. */
        stored_hash(stored, sizeof stored);
        assert_int_equal(strncmp(stored, "$argon2id$v=19$m=32768,t=3,", 27), 0);
        assert_int_equal(directory_account_get(d, anna.id, &after), OK);
        assert_int_equal(after.epoch, before.epoch);
        assert_int_equal(verify(foreign[i].password), OK);
        assert_int_equal(verify("wrong-Passw0rd"), ERR_AUTH);
    }
}

static void test_import_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "plain",
        "{PLAIN}secret",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "*",
        "!",
        "x",
        "$6$",
        "$6$salt",
        "$9$salt$abc",
        "abJnggxhB/yWI",
        "$2y$05$short",
        "$6$rounds=999999999$saltstring$abc",
        "$2y$31$abcdefghijklmnopqrstuuabc",
        "$argon2id$v=19$m=99999999,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$xxxx",
        "$argon2id$garbage",
    };
    struct account before, after;
    assert_int_equal(directory_account_get(d, anna.id, &before), OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (directory_password_import(d, anna.id, slice_str(bad[i])) != ERR_INPUT)
            fail_msg("taken over: %s", bad[i]);
    assert_int_equal(directory_account_get(d, anna.id, &after), OK);
    assert_int_equal(after.epoch, before.epoch);
    assert_int_equal(verify("right-Passw0rd"), OK);
}

/* Processor time of this thread, which does the work: others on the machine do not matter. */
static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t time_of(const char *user)
{
    struct account a;
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t t = cpu_us();
        assert_int_equal(directory_verify(d, slice_str(user), SLICE("wrong-Passw0rd"), &a),
                         ERR_AUTH);
        t = cpu_us() - t;
        best = t < best ? t : best;
    }
    return best;
}

static void test_unknown_costs_the_same(void **state)
{
    static const char *const unknown[] = {"nobody@example.org", "x@foreign.example", "nonsense"};
    int64_t known = time_of("anna@example.org");
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_in_range(time_of(unknown[i]), known / 2, known * 2);
    /* Also where the known one's hash is another system's and costs something else. */
    assert_int_equal(directory_password_import(d, anna.id, slice_str(foreign[0].hash)), OK);
    known = time_of("anna@example.org");
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_in_range(time_of(unknown[i]), known / 2, known * 2);
    /* And in a directory where nobody has a password. */
    assert_int_equal(directory_account_remove(d, anna.id), OK);
    assert_true(time_of("nobody@example.org") > 5000);
}

static void *verify_often(void *arg)
{
    for (int i = 0; i < 5; i++)
        if (verify(i % 2 ? "right-Passw0rd" : "wrong-Passw0rd") != (i % 2 ? OK : ERR_AUTH))
            return arg;
    return NULL;
}

static void test_parallel(void **state)
{
    pthread_t threads[6];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, d), 0);
    for (size_t i = 0; i < 6; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_advice),
        cmocka_unit_test_setup_teardown(test_verify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_import, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_import_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_costs_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parallel, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
