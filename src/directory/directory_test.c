/* Tests of domains, accounts, aliases, forwards, the check, and two processes on one database. */
#include "directory/internal.h"

#include "base/clock.h"
#include "base/sql.h"
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

static int set_up(void **state)
{
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    return 0;
}

static int tear_down(void **state)
{
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

static struct account add(const char *address)
{
    struct account a;
    assert_int_equal(
        directory_account_add(d, slice_str(address), SLICE("Name"), SLICE("de"), SLICE_NONE, &a),
        OK);
    return a;
}

static void test_domains(void **state)
{
    static const struct {
        const char *name, *alias_of;
        enum error e;
    } cases[] = {
        {"example.org", "", OK},
        {"EXAMPLE.org", "", ERR_CONFLICT},
        {"B\xC3\xBC"
         "cher.example",
         "", OK},
        {"xn--bcher-kva.example", "", ERR_CONFLICT},
        {"alias.example", "example.org", OK},
        {"second.example", "alias.example", OK}, /* an alias of an alias follows it */
        {"other.example", "nowhere.example", ERR_NOTFOUND},
        {"", "", ERR_INPUT},
        {".", "", ERR_INPUT},
        {"a..b", "", ERR_INPUT},
        {"-a.example", "", ERR_INPUT},
        {"a-.example", "", ERR_INPUT},
        {"a.example.", "", ERR_INPUT},
        {"a b.example", "", ERR_INPUT},
        {"a_b.example", "", ERR_INPUT},
        {"[127.0.0.1]", "", ERR_INPUT},
        {"a@b.example", "", ERR_INPUT},
        {"\xFF.example", "", ERR_INPUT},
        {"l123456789012345678901234567890123456789012345678901234567890123.example", "", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum error e =
            directory_domain_add(d, slice_str(cases[i].name), slice_str(cases[i].alias_of));
        if (e != cases[i].e)
            fail_msg("%s: %s", cases[i].name, error_name(e));
    }
    autoarena a;
    arena_init(&a, 100000);
    struct domain *list;
    size_t n;
    assert_int_equal(directory_domain_list(d, &a, &list, &n), OK);
    assert_int_equal(n, 4);
    assert_string_equal(list[0].name, "alias.example");
    assert_string_equal(list[0].alias_of, "example.org");
    assert_string_equal(list[2].alias_of, "example.org");
    assert_string_equal(list[3].name, "xn--bcher-kva.example");
    assert_true(directory_domain_is_ours(d, SLICE("Example.ORG")));
    assert_true(directory_domain_is_ours(d, SLICE("b\xC3\xBC"
                                                  "cher.example")));
    assert_false(directory_domain_is_ours(d, SLICE("sub.example.org")));

    assert_int_equal(directory_domain_remove(d, SLICE("example.org")), ERR_CONFLICT);
    assert_int_equal(directory_domain_remove(d, SLICE("nowhere.example")), ERR_NOTFOUND);
    assert_int_equal(directory_domain_remove(d, SLICE("alias.example")), OK);
    assert_int_equal(directory_domain_remove(d, SLICE("second.example")), OK);
    struct account account = add("anna@example.org");
    assert_int_equal(directory_domain_remove(d, SLICE("example.org")), ERR_CONFLICT);
    assert_int_equal(directory_account_remove(d, account.id), OK);
    assert_int_equal(directory_alias_add(d, SLICE("a@example.org"), SLICE("b@foreign.example")),
                     OK);
    assert_int_equal(directory_domain_remove(d, SLICE("example.org")), ERR_CONFLICT);
    assert_int_equal(directory_alias_remove(d, SLICE("a@example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_remove(d, SLICE("example.org")), OK);
}

static void test_account_addresses(void **state)
{
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    assert_int_equal(directory_alias_add(d, SLICE("info@example.org"), SLICE("x@y.example")), OK);
    static const struct {
        const char *address;
        enum error e;
        const char *canonical;
    } cases[] = {
        {"Anna@Example.ORG", OK, "anna@example.org"},
        {"anna@example.org", ERR_CONFLICT, NULL},
        {"\"anna\"@example.org", ERR_CONFLICT, NULL},
        {"anna@alias.example", ERR_CONFLICT, NULL},
        {"ben@alias.example", OK, "ben@example.org"},
        {"info@example.org", ERR_CONFLICT, NULL},
        {"x@foreign.example", ERR_NOTFOUND, NULL},
        {"j\xC3\x96rg@example.org", OK, "j\xC3\xB6rg@example.org"},
        {"jo\xCC\x88rg@example.org", ERR_CONFLICT, NULL}, /* the same, decomposed */
        {"anna", ERR_INPUT, NULL},
        {"@example.org", ERR_INPUT, NULL},
        {"anna@", ERR_INPUT, NULL},
        {"an na@example.org", ERR_INPUT, NULL},
        {"\"an na\"@example.org", ERR_INPUT, NULL},
        {"a..b@example.org", ERR_INPUT, NULL},
        {".a@example.org", ERR_INPUT, NULL},
        {"a.@example.org", ERR_INPUT, NULL},
        {"a(b)@example.org", ERR_INPUT, NULL},
        {"a@b@example.org", ERR_INPUT, NULL},
        {"\xFF@example.org", ERR_INPUT, NULL},
        {"l1234567890123456789012345678901234567890123456789012345678901234@example.org", ERR_INPUT,
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct account a;
        enum error e = directory_account_add(d, slice_str(cases[i].address), SLICE("N"),
                                             SLICE("en"), SLICE_NONE, &a);
        if (e != cases[i].e)
            fail_msg("%s: %s", cases[i].address, error_name(e));
        if (e == OK)
            assert_string_equal(a.address, cases[i].canonical);
    }
    struct account a;
    assert_int_equal(
        directory_account_add(d, SLICE("x@example.org"), SLICE("N"), SLICE("fr"), SLICE_NONE, &a),
        ERR_INPUT);
    assert_int_equal(directory_account_add(d, SLICE("x@example.org"), SLICE("N\r\nBcc: y"),
                                           SLICE("de"), SLICE_NONE, &a),
                     ERR_INPUT);
    assert_int_equal(directory_account_add(d, SLICE("x@example.org"), SLICE("N"), SLICE("de"),
                                           SLICE("short"), &a),
                     ERR_INPUT);
    assert_int_equal(directory_account_find(d, SLICE("x@example.org"), &a), ERR_NOTFOUND);
}

static void test_accounts(void **state)
{
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    struct account a = add("anna@example.org"), b;
    assert_int_equal(a.state, ACCOUNT_ACTIVE);
    assert_false(a.has_password);
    assert_int_equal(a.quota, 0);
    assert_true(clock_wall() - a.created < 60);

    assert_int_equal(directory_account_find(d, SLICE("ANNA@ALIAS.EXAMPLE"), &b), OK);
    assert_int_equal(b.id, a.id);
    assert_int_equal(directory_account_find(d, SLICE("anna+x@example.org"), &b), ERR_NOTFOUND);
    assert_int_equal(directory_account_find(d, SLICE("garbage"), &b), ERR_NOTFOUND);
    assert_int_equal(directory_account_get(d, a.id + 1, &b), ERR_NOTFOUND);

    assert_int_equal(directory_account_quota(d, a.id, 5000000000), OK);
    assert_int_equal(directory_account_name(d, a.id, SLICE("Anna \xC3\x84")), OK);
    assert_int_equal(directory_account_name(d, a.id, SLICE("\xC3")), ERR_INPUT);
    assert_int_equal(directory_account_language(d, a.id, SLICE("en")), OK);
    assert_int_equal(directory_account_language(d, a.id, SLICE("xx")), ERR_INPUT);
    assert_int_equal(directory_account_get(d, a.id, &b), OK);
    assert_true(b.quota == 5000000000);
    assert_string_equal(b.name, "Anna \xC3\x84");
    assert_string_equal(b.language, "en");
    assert_int_equal(b.epoch, a.epoch);

    /* The epoch grows with the state, and only when it changes. */
    assert_int_equal(directory_account_state(d, a.id, ACCOUNT_NO_LOGIN), OK);
    assert_int_equal(directory_account_state(d, a.id, ACCOUNT_NO_LOGIN), OK);
    assert_int_equal(directory_account_get(d, a.id, &b), OK);
    assert_int_equal(b.state, ACCOUNT_NO_LOGIN);
    assert_int_equal(b.epoch, a.epoch + 1);
    assert_int_equal(directory_account_state(d, a.id, (enum account_state)9), ERR_INPUT);
    assert_int_equal(directory_account_state(d, 999, ACCOUNT_ACTIVE), ERR_NOTFOUND);
    assert_int_equal(directory_password_set(d, a.id, SLICE("a-good-Password1")), OK);
    assert_int_equal(directory_account_get(d, a.id, &b), OK);
    assert_int_equal(b.epoch, a.epoch + 2);
    assert_true(b.has_password);

    autoarena arena;
    arena_init(&arena, 100000);
    struct account *list;
    size_t n;
    add("ben@example.org");
    assert_int_equal(directory_account_list(d, &arena, &list, &n), OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[1].address, "ben@example.org");
    autoarena tiny;
    arena_init(&tiny, 500);
    assert_int_equal(directory_account_list(d, &tiny, &list, &n), ERR_LIMIT);

    /* An id is never given twice. */
    struct account c = add("c@example.org");
    assert_int_equal(directory_account_remove(d, c.id), OK);
    assert_int_equal(directory_account_remove(d, c.id), ERR_NOTFOUND);
    assert_true(add("c@example.org").id > c.id);
}

static void test_aliases(void **state)
{
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    add("anna@example.org");
    assert_int_equal(directory_alias_add(d, SLICE("Info@example.org"), SLICE("ANNA@alias.example")),
                     OK);
    assert_int_equal(directory_alias_add(d, SLICE("info@alias.example"), SLICE("anna@example.org")),
                     ERR_CONFLICT);
    assert_int_equal(
        directory_alias_add(d, SLICE("info@example.org"), SLICE("Ben@Foreign.Example")), OK);
    assert_int_equal(directory_alias_add(d, SLICE("anna@example.org"), SLICE("x@y.example")),
                     ERR_CONFLICT);
    assert_int_equal(directory_alias_add(d, SLICE("x@foreign.example"), SLICE("x@y.example")),
                     ERR_NOTFOUND);
    assert_int_equal(directory_alias_add(d, SLICE("x@example.org"), SLICE("nonsense")), ERR_INPUT);
    autoarena a;
    arena_init(&a, 100000);
    struct alias *list;
    size_t n;
    assert_int_equal(directory_alias_list(d, &a, &list, &n), OK);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].address, "info@example.org");
    assert_string_equal(list[0].target, "Ben@foreign.example");
    assert_string_equal(list[1].target, "anna@example.org");
    assert_int_equal(directory_alias_remove(d, SLICE("info@example.org"), SLICE("x@y.example")),
                     ERR_NOTFOUND);
    assert_int_equal(
        directory_alias_remove(d, SLICE("info@example.org"), SLICE("Ben@foreign.example")), OK);
    assert_int_equal(directory_alias_remove(d, SLICE("info@example.org"), SLICE("")), OK);
    assert_int_equal(directory_alias_remove(d, SLICE("info@example.org"), SLICE("")), ERR_NOTFOUND);

    for (int i = 0; i < LIMIT_ALIAS_TARGETS; i++) {
        char target[64];
        snprintf(target, sizeof target, "t%d@foreign.example", i);
        assert_int_equal(directory_alias_add(d, SLICE("many@example.org"), slice_str(target)), OK);
    }
    assert_int_equal(directory_alias_add(d, SLICE("many@example.org"), SLICE("x@foreign.example")),
                     ERR_LIMIT);
}

/* Mail must not go round: what would lead back is refused, also by way of others. */
static void test_alias_loops(void **state)
{
    static const struct {
        const char *alias, *target;
        enum error e;
    } steps[] = {
        {"x@example.org", "x@example.org", ERR_CONFLICT},
        {"x@example.org", "X@alias.example", ERR_CONFLICT},
        {"x@example.org", "x+tag@example.org", ERR_CONFLICT},
        {"y1@example.org", "y2@example.org", OK},
        {"y2@example.org", "y1@example.org", ERR_CONFLICT},
        {"y2@example.org", "y3@example.org", OK},
        {"y2@example.org", "anna@example.org", OK},
        {"y3@alias.example", "y1@example.org", ERR_CONFLICT},
        {"y3@example.org", "y1+tag@example.org", ERR_CONFLICT},
        {"y3@example.org", "y4@example.org", OK}, /* not there yet */
        {"y4@example.org", "y2@example.org", ERR_CONFLICT},
        {"y4@example.org", "anna@example.org", OK},
        {"y5@example.org", "y1@example.org", OK}, /* two ways to one place are none back */
        {"y5@example.org", "y2@example.org", OK},
        {"y5+tag@example.org", "y5@example.org", OK},
        {"z@example.org", "z@foreign.example", OK},
    };
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    add("anna@example.org");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct slice alias = slice_str(steps[i].alias), target = slice_str(steps[i].target);
        assert_int_equal(directory_alias_leads_back(d, alias, target), steps[i].e != OK);
        enum error e = directory_alias_add(d, alias, target);
        if (e != steps[i].e)
            fail_msg("%s to %s: %s", steps[i].alias, steps[i].target, error_name(e));
    }
    /* Longer than mail is followed. */
    char from[32], to[32];
    for (int i = 0; i < 40; i++) {
        snprintf(from, sizeof from, "w%d@example.org", i);
        snprintf(to, sizeof to, "w%d@example.org", i + 1);
        assert_int_equal(directory_alias_add(d, slice_str(from), slice_str(to)), OK);
    }
    assert_int_equal(directory_alias_add(d, slice_str(to), SLICE("w0@example.org")), ERR_CONFLICT);
}

static void test_forwards(void **state)
{
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    struct account anna = add("anna@example.org");
    autoarena a;
    arena_init(&a, 100000);
    struct slice *targets;
    size_t n;
    bool keep;
    assert_int_equal(directory_forward_get(d, anna.id, &a, &targets, &n, &keep), OK);
    assert_int_equal(n, 0);
    assert_true(keep);
    const struct slice two[] = {SLICE("b@foreign.example"), SLICE("a@foreign.example")};
    assert_int_equal(directory_forward_set(d, anna.id, two, 2, false), OK);
    assert_int_equal(directory_forward_get(d, anna.id, &a, &targets, &n, &keep), OK);
    assert_int_equal(n, 2);
    assert_false(keep);
    assert_true(slice_eq(targets[0], SLICE("a@foreign.example")));
    const struct slice bad[] = {SLICE("c@foreign.example"), SLICE("nonsense")};
    assert_int_equal(directory_forward_set(d, anna.id, bad, 2, true), ERR_INPUT);
    assert_int_equal(directory_forward_get(d, anna.id, &a, &targets, &n, &keep), OK);
    assert_int_equal(n, 2); /* all or nothing */
    assert_false(keep);
    assert_int_equal(directory_forward_set(d, 999, two, 2, true), ERR_NOTFOUND);
    assert_int_equal(directory_forward_get(d, 999, &a, &targets, &n, &keep), ERR_NOTFOUND);
    assert_int_equal(directory_forward_set(d, anna.id, two, LIMIT_ALIAS_TARGETS + 1, true),
                     ERR_LIMIT);
    assert_int_equal(directory_forward_set(d, anna.id, NULL, 0, false), OK);
    assert_int_equal(directory_forward_get(d, anna.id, &a, &targets, &n, &keep), OK);
    assert_int_equal(n, 0);
    assert_true(keep);
}

/* --- Two processes --- */

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
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    return false;
}

static int other_process(const char *path, const char *what)
{
    struct directory *other;
    struct account a;
    if (directory_open(path, &other) != OK ||
        directory_account_find(other, SLICE("anna@example.org"), &a) != OK)
        return 1;
    enum error e = ERR_INPUT;
    if (strcmp(what, "close") == 0)
        e = directory_account_state(other, a.id, ACCOUNT_CLOSED);
    else if (strcmp(what, "password") == 0)
        e = directory_password_set(other, a.id, SLICE("another-Passw0rd"));
    else if (strcmp(what, "aliases") == 0)
        for (int i = 0; i < 50; i++) {
            char address[64];
            snprintf(address, sizeof address, "o%d@example.org", i);
            e = directory_alias_add(other, slice_str(address), SLICE("anna@example.org"));
            if (e != OK)
                break;
        }
    directory_close(other);
    return e == OK ? 0 : 1;
}

static void finish(pid_t child)
{
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_two_processes(void **state)
{
    const char *path = test_folder_file(&folder, "directory.db");
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    struct account before = add("anna@example.org"), after;
    atomic_store(&calls, 0);
    assert_int_equal(directory_on_change(d, on_change, NULL), OK);
    assert_int_equal(directory_on_change(d, on_change, NULL), ERR_CONFLICT);

    finish(test_spawn_self(path, "close"));
    assert_true(wait_for_calls(1));
    assert_int_equal(directory_account_get(d, before.id, &after), OK);
    assert_int_equal(after.state, ACCOUNT_CLOSED);
    assert_int_equal(after.epoch, before.epoch + 1);

    int seen = atomic_load(&calls);
    finish(test_spawn_self(path, "password"));
    assert_true(wait_for_calls(seen + 1));
    assert_int_equal(
        directory_verify(d, SLICE("anna@example.org"), SLICE("another-Passw0rd"), &after), OK);

    /* Both write at the same time: nobody is refused. */
    pid_t child = test_spawn_self(path, "aliases");
    for (int i = 0; i < 50; i++) {
        char address[64];
        snprintf(address, sizeof address, "p%d@example.org", i);
        assert_int_equal(directory_alias_add(d, slice_str(address), SLICE("anna@example.org")), OK);
    }
    finish(child);
    autoarena a;
    arena_init(&a, 1000000);
    struct alias *list;
    size_t n;
    assert_int_equal(directory_alias_list(d, &a, &list, &n), OK);
    assert_int_equal(n, 100);
    assert_int_equal(directory_on_change(d, NULL, NULL), OK);
}

/* --- Care --- */

static int lines;

static void on_line(void *arg, const char *line)
{
    lines++;
}

static void test_check(void **state)
{
    const struct sql_spec raw = {NULL, directory_spec.n_schema, NULL, 0};
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    add("anna@example.org");
    assert_int_equal(directory_alias_add(d, SLICE("a@example.org"), SLICE("anna@example.org")), OK);
    unsigned bad = 99;
    lines = 0;
    assert_int_equal(directory_check(d, false, on_line, NULL, &bad), OK);
    assert_int_equal(bad, 0);
    assert_int_equal(lines, 0);

    assert_int_equal(directory_alias_add(d, SLICE("b@example.org"), SLICE("gone@example.org")), OK);
    struct sql *db;
    assert_int_equal(sql_open(test_folder_file(&folder, "directory.db"), &raw, &db), OK);
    assert_int_equal(sql_exec(db,
                              "PRAGMA foreign_keys = OFF;"
                              "INSERT INTO alias VALUES (1, 'anna', 'x@y.example');"
                              "INSERT INTO alias VALUES (77, 'lost', 'x@y.example');"
                              "INSERT INTO forward VALUES (77, 'x@y.example');"
                              "INSERT INTO dkim_key VALUES (77, 'lost', 0, 1, 'r', 'p', 1, 0);",
                              NULL, NULL),
                     OK);
    sql_close(db);
    assert_int_equal(directory_check(d, false, on_line, NULL, &bad), OK);
    assert_true(bad >= 5);
    lines = 0;
    assert_int_equal(directory_check(d, true, on_line, NULL, &bad), OK);
    assert_int_equal(bad, 1); /* a target that does not exist is for people to mend */
    assert_int_equal(lines, 5);
    assert_int_equal(directory_check(d, false, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 1);

    /* Aliases that another program made lead round: reported, not counted. */
    assert_int_equal(sql_open(test_folder_file(&folder, "directory.db"), &raw, &db), OK);
    assert_int_equal(sql_exec(db,
                              "INSERT INTO alias VALUES (1, 'r1', 'r2@example.org');"
                              "INSERT INTO alias VALUES (1, 'r2', 'r1@example.org');",
                              NULL, NULL),
                     OK);
    sql_close(db);
    lines = 0;
    assert_int_equal(directory_check(d, false, on_line, NULL, &bad), OK);
    assert_int_equal(bad, 1);
    assert_int_equal(lines, 3);
}

static enum error add_key(const char *domain, const char *selector, enum dkim_state state)
{
    struct directory_dkim key = {.state = state, .record = SLICE("v=DKIM1; p=public")};
    snprintf(key.selector, sizeof key.selector, "%s", selector);
    struct slice pem = SLICE("private");
    return directory_dkim_add(d, slice_str(domain), &key, &pem, 1);
}

static enum dkim_state state_of(const char *selector)
{
    autoarena a;
    arena_init(&a, 100000);
    struct directory_dkim *list;
    size_t n;
    assert_int_equal(directory_dkim_list(d, SLICE_NONE, &a, &list, &n), OK);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].selector, selector) == 0)
            return list[i].state;
    fail_msg("no key %s", selector);
    return DKIM_NEXT;
}

static void test_dkim_keys(void **state)
{
    static const struct {
        const char *domain, *selector;
        enum error e;
    } cases[] = {
        {"example.org", "one", OK},
        {"Example.ORG", "one", ERR_CONFLICT},
        {"alias.example", "one", OK}, /* keys of its own */
        {"nowhere.example", "one", ERR_NOTFOUND},
        {"not a domain", "one", ERR_NOTFOUND},
        {"example.org", "", ERR_INPUT},
        {"example.org", "a;b", ERR_INPUT},
        {"example.org", "-a", ERR_INPUT},
    };
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(add_key(cases[i].domain, cases[i].selector, DKIM_ACTIVE), cases[i].e);

    autobuf pem = BUF_INIT(100);
    assert_int_equal(directory_dkim_private(d, SLICE("example.org"), SLICE("one"), &pem), OK);
    assert_true(slice_eq(buf_slice(&pem), SLICE("private")));
    assert_int_equal(directory_dkim_private(d, SLICE("example.org"), SLICE("two"), &pem),
                     ERR_NOTFOUND);

    /* A switch without a next key leaves the active one alone. */
    assert_int_equal(directory_dkim_switch(d, SLICE("example.org"), 77), ERR_NOTFOUND);
    assert_int_equal(state_of("one"), DKIM_ACTIVE);
    assert_int_equal(add_key("example.org", "two", DKIM_NEXT), OK);
    assert_int_equal(directory_dkim_remove(d, SLICE("alias.example"), SLICE("one")), ERR_NOTFOUND);
    assert_int_equal(directory_dkim_switch(d, SLICE("example.org"), 77), OK);
    assert_int_equal(state_of("two"), DKIM_ACTIVE);

    autoarena a;
    arena_init(&a, 100000);
    struct directory_dkim *list;
    size_t n;
    assert_int_equal(directory_dkim_list(d, SLICE("EXAMPLE.org"), &a, &list, &n), OK);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].selector, "one") == 0) {
            assert_int_equal(list[i].state, DKIM_RETIRED);
            assert_int_equal(list[i].retired, 77);
            assert_true(slice_eq(list[i].record, SLICE("v=DKIM1; p=public")));
        }
    assert_int_equal(directory_dkim_remove(d, SLICE("example.org"), SLICE("one")), OK);

    /* A domain's keys go with it. */
    assert_int_equal(directory_domain_remove(d, SLICE("alias.example")), OK);
    assert_int_equal(directory_dkim_list(d, SLICE_NONE, &a, &list, &n), OK);
    assert_int_equal(n, 1);
}

static void test_secret(void **state)
{
    uint8_t first[DIRECTORY_SECRET], again[DIRECTORY_SECRET];
    static const uint8_t nothing[DIRECTORY_SECRET];
    directory_srs_secret(d, first);
    assert_memory_not_equal(first, nothing, sizeof first);
    directory_close(d);
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    directory_srs_secret(d, again);
    assert_memory_equal(first, again, sizeof first);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return other_process(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_domains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_account_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accounts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forwards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dkim_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
