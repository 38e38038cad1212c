/* Tests of where mail goes and who may write as an address: one directory, a table of questions. */
#include "directory/internal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/sql.h"
#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;

static uint64_t account(const char *address)
{
    struct account a;
    assert_int_equal(
        directory_account_add(d, slice_str(address), SLICE(""), SLICE("de"), SLICE_NONE, &a), OK);
    return a.id;
}

static void forward(uint64_t id, const char *target, bool keep)
{
    const struct slice s = slice_str(target);
    assert_int_equal(directory_forward_set(d, id, &s, 1, keep), OK);
}

/* Aliases that lead back are refused; these come from elsewhere. */
static void add_loops(void)
{
    struct sql *db;
    assert_int_equal(sql_open(test_folder_file(&folder, "directory.db"), &directory_spec, &db), OK);
    assert_int_equal(sql_exec(db,
                              "INSERT INTO alias VALUES (1, 'loop2', 'loop1@example.org');"
                              "INSERT INTO alias VALUES (1, 'loop3', 'loop3@example.org');",
                              NULL, NULL),
                     OK);
    sql_close(db);
}

static void fill(void)
{
    static const char *const aliases[][2] = {
        {"info@example.org", "anna@example.org"},      {"info@example.org", "ben@example.org"},
        {"info@example.org", "Out@Foreign.example"},   {"team@example.org", "info@example.org"},
        {"team@example.org", "anna+team@example.org"}, {"loop1@example.org", "loop2@example.org"},
        {"loop3@example.org", "anna@example.org"},     {"dead@example.org", "nobody@example.org"},
        {"half@example.org", "nobody@example.org"},    {"half@example.org", "anna@example.org"},
        {"old@example.org", "closed@example.org"},     {"mixed@example.org", "closed@example.org"},
        {"mixed@example.org", "ben@example.org"},      {"exact+tag@example.org", "ben@example.org"},
        {"all@catch.example", "anna@example.org"},     {"deep@example.org", "d1@example.org"},
        {"aside@example.org", "away@example.org"},     {"aside@example.org", "target@example.org"},
    };
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("catch.example"), SLICE("")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("selfcatch.example"), SLICE("")), OK);
    uint64_t anna = account("anna@example.org");
    assert_int_equal(directory_account_quota(d, anna, 1000), OK);
    account("ben@example.org");
    account("target@example.org");
    assert_int_equal(directory_account_state(d, account("closed@example.org"), ACCOUNT_CLOSED), OK);
    assert_int_equal(directory_account_state(d, account("nologin@example.org"), ACCOUNT_NO_LOGIN),
                     OK);
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        assert_int_equal(directory_alias_add(d, slice_str(aliases[i][0]), slice_str(aliases[i][1])),
                         OK);
    add_loops();
    for (int i = 1; i <= 12; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "d%d@example.org", i);
        snprintf(to, sizeof to, i < 12 ? "d%d@example.org" : "anna@example.org", i + 1);
        assert_int_equal(directory_alias_add(d, slice_str(from), slice_str(to)), OK);
    }
    forward(account("away@example.org"), "target@example.org", false);
    forward(account("copy@example.org"), "x@foreign.example", true);
    forward(account("a@example.org"), "b@example.org", false);
    forward(account("b@example.org"), "a@example.org", false);
    forward(account("self@example.org"), "self@example.org", false);
    forward(account("lost@example.org"), "nobody@example.org", false);
    forward(account("toclosed@example.org"), "closed@example.org", false);
    assert_int_equal(
        directory_domain_catch_all(d, SLICE("catch.example"), SLICE("anna@example.org")), OK);
    assert_int_equal(
        directory_domain_catch_all(d, SLICE("selfcatch.example"), SLICE("x@selfcatch.example")),
        OK);
}

static int set_up(void **state)
{
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    fill();
    return 0;
}

static int tear_down(void **state)
{
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

/* "anna@example.org[tag] >out@foreign.example": detail in brackets, foreign ones behind ">". */
static void describe(const struct resolved_target *t, struct buf *out)
{
    for (; t != NULL; t = t->next) {
        if (out->n > 0)
            buf_byte(out, ' ');
        if (t->account == 0)
            buf_byte(out, '>');
        buf_add(out, t->address);
        if (t->detail.n > 0)
            buf_printf(out, "[%.*s]", SLICE_FMT(t->detail));
    }
}

static void check(const char *address, enum error e, const char *expected)
{
    autoarena a;
    autobuf text = BUF_INIT(100000);
    struct resolved_target *t = NULL;
    arena_init(&a, 1000000);
    enum error got = directory_resolve(d, slice_str(address), &a, &t);
    if (got != e)
        fail_msg("%s: %s", address, error_name(got));
    if (e != OK)
        return;
    describe(t, &text);
    if (!slice_eq(buf_slice(&text), slice_str(expected)))
        fail_msg("%s: %.*s", address, SLICE_FMT(buf_slice(&text)));
}

static void test_resolve(void **state)
{
    static const struct {
        const char *address;
        enum error e;
        const char *targets;
    } cases[] = {
        {"anna@example.org", OK, "anna@example.org"},
        {"ANNA@EXAMPLE.ORG", OK, "anna@example.org"},
        {"\"anna\"@example.org", OK, "anna@example.org"},
        {"\"an\\na\"@example.org", OK, "anna@example.org"},
        {"anna@alias.example", OK, "anna@example.org"},
        {"anna+Tag@alias.example", OK, "anna@example.org[Tag]"},
        {"anna+a+b@example.org", OK, "anna@example.org[a+b]"},
        {"anna+@example.org", OK, "anna@example.org"},
        {"+anna@example.org", ERR_NOTFOUND, NULL},
        {"nologin@example.org", OK, "nologin@example.org"},
        {"closed@example.org", ERR_CLOSED, NULL},
        {"closed+x@example.org", ERR_CLOSED, NULL},
        {"old@example.org", ERR_CLOSED, NULL},
        {"mixed@example.org", OK, "ben@example.org"},
        {"nobody@example.org", ERR_NOTFOUND, NULL},
        {"nobody+x@example.org", ERR_NOTFOUND, NULL},
        {"\"an na\"@example.org", ERR_NOTFOUND, NULL},
        {"anna@foreign.example", ERR_AUTH, NULL},
        {"anna@sub.example.org", ERR_AUTH, NULL},
        {"anna@[192.0.2.1]", ERR_AUTH, NULL},
        {"anna", ERR_INPUT, NULL},
        {"", ERR_INPUT, NULL},
        {"@example.org", ERR_INPUT, NULL},
        {"anna@foreign.example@example.org", ERR_INPUT, NULL},
        {"\"anna@example.org", ERR_INPUT, NULL},
        {"\"a\"b@example.org", ERR_INPUT, NULL},
        {"anna@exa mple.org", ERR_INPUT, NULL},
        {"info@example.org", OK, ">Out@foreign.example anna@example.org ben@example.org"},
        {"info+x@example.org", OK, ">Out@foreign.example anna@example.org[x] ben@example.org[x]"},
        {"team@alias.example", OK, "anna@example.org[team] >Out@foreign.example ben@example.org"},
        {"exact+tag@example.org", OK, "ben@example.org"},
        {"exact+other@example.org", ERR_NOTFOUND, NULL},
        {"loop1@example.org", ERR_NOTFOUND, NULL},
        {"loop3@example.org", OK, "anna@example.org"},
        {"dead@example.org", ERR_NOTFOUND, NULL},
        {"half@example.org", OK, "anna@example.org"},
        {"away@example.org", OK, "target@example.org"},
        {"away+x@example.org", OK, "target@example.org"},
        {"aside@example.org", OK, "target@example.org"}, /* by two ways, once */
        {"copy@example.org", OK, "copy@example.org >x@foreign.example"},
        {"a@example.org", OK, "a@example.org"}, /* a and b forward to each other */
        {"b@example.org", OK, "b@example.org"},
        {"self@example.org", OK, "self@example.org"},
        {"lost@example.org", OK, "lost@example.org"},
        {"toclosed@example.org", OK, "toclosed@example.org"},
        {"anything@catch.example", OK, "anna@example.org"},
        {"any+thing@catch.example", OK, "anna@example.org"},
        {"anything@selfcatch.example", ERR_NOTFOUND, NULL},
        {"d3@example.org", OK, "anna@example.org"}, /* ten steps */
        {"d1@example.org", ERR_NOTFOUND, NULL},     /* twelve: too deep */
        {"postmaster", ERR_NOTFOUND, NULL},
        {"abuse@example.org", ERR_NOTFOUND, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i].address, cases[i].e, cases[i].targets);
}

static void test_operator(void **state)
{
    assert_int_equal(directory_postmaster(d, SLICE("Ben@example.org")), OK);
    check("PostMaster", OK, "ben@example.org");
    check("postmaster@example.org", OK, "ben@example.org");
    check("Postmaster@alias.example", OK, "ben@example.org");
    check("abuse+x@example.org", OK, "ben@example.org");
    check("postmaster@catch.example", OK, "ben@example.org"); /* before the catch-all */
    assert_int_equal(directory_alias_add(d, SLICE("abuse@example.org"), SLICE("anna@example.org")),
                     OK);
    check("abuse@example.org", OK, "anna@example.org");
    assert_int_equal(directory_postmaster(d, SLICE("abuse@selfcatch.example")), OK);
    check("postmaster@example.org", ERR_NOTFOUND, NULL); /* leads to itself */
    assert_int_equal(directory_postmaster(d, SLICE("nonsense")), ERR_INPUT);
    assert_int_equal(directory_postmaster(d, SLICE("")), OK);
    check("postmaster", ERR_NOTFOUND, NULL);
}

static void test_record(void **state)
{
    autoarena a;
    struct resolved_target *t;
    arena_init(&a, 100000);
    assert_int_equal(directory_resolve(d, SLICE("anna@example.org"), &a, &t), OK);
    assert_int_equal(t->quota, 1000);
    assert_true(slice_eq(t->language, SLICE("de")));
}

static void test_wide(void **state)
{
    /* Three full lists behind one address: cut at the limit, quickly, and without doubles. */
    for (int list = 0; list < 3; list++) {
        char name[32];
        snprintf(name, sizeof name, "list%d@example.org", list);
        assert_int_equal(directory_alias_add(d, SLICE("lists@example.org"), slice_str(name)), OK);
        for (int i = 0; i < 250; i++) {
            char target[64];
            snprintf(target, sizeof target, "t%d@foreign.example", list * 200 + i);
            assert_int_equal(directory_alias_add(d, slice_str(name), slice_str(target)), OK);
        }
    }
    autoarena a;
    struct resolved_target *t;
    arena_init(&a, 4000000);
    assert_int_equal(directory_resolve(d, SLICE("lists@example.org"), &a, &t), OK);
    size_t n = 0;
    for (; t != NULL; t = t->next)
        n++;
    assert_int_equal(n, LIMIT_ALIAS_TARGETS);
    autoarena small;
    arena_init(&small, 20000);
    assert_int_equal(directory_resolve(d, SLICE("lists@example.org"), &small, &t), ERR_LIMIT);
}

static void test_may_send_as(void **state)
{
    struct account anna;
    assert_int_equal(directory_account_find(d, SLICE("anna@example.org"), &anna), OK);
    static const struct {
        const char *address;
        bool may;
    } cases[] = {
        {"anna@example.org", true},
        {"Anna@Example.Org", true},
        {"anna@alias.example", true},
        {"anna+shop@example.org", true},
        {"info@example.org", true},
        {"info+x@alias.example", true},
        {"team@example.org", true},
        {"all@catch.example", true},
        {"loop3@example.org", true},
        {"ben@example.org", false},
        {"ben+anna@example.org", false},
        {"nobody@example.org", false},
        {"anything@catch.example", false}, /* a catch-all reads, it does not write */
        {"copy@example.org", false},
        {"loop1@example.org", false},
        {"exact+tag@example.org", false},
        {"anna@foreign.example", false},
        {"\"anna\"@example.org", true},
        {"anna", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (directory_may_send_as(d, anna.id, slice_str(cases[i].address)) != cases[i].may)
            fail_msg("%s", cases[i].address);
    struct account target;
    assert_int_equal(directory_account_find(d, SLICE("target@example.org"), &target), OK);
    assert_false(directory_may_send_as(d, target.id, SLICE("away@example.org"))); /* a forward */
}

/* --- Answers that are remembered --- */

static _Atomic unsigned changes;

static void on_change(void *arg)
{
    atomic_fetch_add(&changes, 1);
}

static enum error lead(const char *address)
{
    struct resolved_target *t = NULL;
    autoarena a;
    arena_init(&a, 100000);
    enum error e = directory_resolve(d, slice_str(address), &a, &t);
    assert_true(e != OK || t != NULL);
    return e;
}

/* The first answer is looked up, the second remembered, and both are the same. */
static void same_twice(const char *address)
{
    struct resolved_target *t[2];
    autoarena a;
    arena_init(&a, 100000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(directory_resolve(d, slice_str(address), &a, &t[i]), OK);
    for (; t[0] != NULL && t[1] != NULL; t[0] = t[0]->next, t[1] = t[1]->next) {
        assert_true(t[0] != t[1] && t[0]->account == t[1]->account && t[0]->quota == t[1]->quota);
        assert_true(slice_eq(t[0]->address, t[1]->address));
        assert_true(slice_eq(t[0]->detail, t[1]->detail));
        assert_true(slice_eq(t[0]->language, t[1]->language));
    }
    assert_true(t[0] == NULL && t[1] == NULL);
}

static void test_remembered(void **state)
{
    struct account ben;
    struct directory *other;
    assert_int_equal(directory_account_find(d, SLICE("ben@example.org"), &ben), OK);
    assert_int_equal(directory_on_change(d, on_change, NULL), OK);
    same_twice("team@example.org");
    same_twice("Anna+Tag@Example.org");
    same_twice("anybody@catch.example");
    same_twice("copy@example.org");

    /* Own changes count at once, each time. */
    for (int i = 0; i < 50; i++) {
        assert_int_equal(directory_account_state(d, ben.id, ACCOUNT_CLOSED), OK);
        assert_int_equal(lead("ben@example.org"), ERR_CLOSED);
        assert_int_equal(directory_account_state(d, ben.id, ACCOUNT_ACTIVE), OK);
        assert_int_equal(lead("ben@example.org"), OK);
        assert_int_equal(lead("ben@example.org"), OK);
    }
    assert_int_equal(lead("fresh@example.org"), ERR_NOTFOUND);
    assert_int_equal(directory_alias_add(d, SLICE("fresh@example.org"), SLICE("ben@example.org")),
                     OK);
    same_twice("fresh@example.org");
    assert_int_equal(directory_alias_remove(d, SLICE("fresh@example.org"), SLICE("")), OK);
    assert_int_equal(lead("fresh@example.org"), ERR_NOTFOUND);

    /* Those of others soon. */
    same_twice("ben@example.org");
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &other), OK);
    assert_int_equal(directory_account_state(other, ben.id, ACCOUNT_CLOSED), OK);
    int64_t end = clock_ms() + 2000;
    while (lead("ben@example.org") != ERR_CLOSED && clock_ms() < end)
        nanosleep(&(struct timespec){0, 500000}, NULL);
    assert_int_equal(lead("ben@example.org"), ERR_CLOSED);
    assert_true(atomic_load(&changes) > 0);

    /* Without the watch nothing is remembered. */
    assert_int_equal(directory_on_change(d, NULL, NULL), OK);
    assert_int_equal(directory_account_state(other, ben.id, ACCOUNT_ACTIVE), OK);
    assert_int_equal(lead("ben@example.org"), OK);
    assert_int_equal(directory_account_state(other, ben.id, ACCOUNT_CLOSED), OK);
    assert_int_equal(lead("ben@example.org"), ERR_CLOSED);
    assert_int_equal(directory_account_state(other, ben.id, ACCOUNT_ACTIVE), OK);
    directory_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),     cmocka_unit_test(test_operator),
        cmocka_unit_test(test_record),      cmocka_unit_test(test_wide),
        cmocka_unit_test(test_may_send_as), cmocka_unit_test(test_remembered),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
