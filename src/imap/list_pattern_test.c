/* Tests of LIST patterns, also against hostile ones. */
#include "base/clock.h"
#include "base/limits.h"
#include "imap/list_pattern.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ARENA = 1024 * 1024 };

static void test_table(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
        uint64_t ancestors;
    } cases[] = {
        {"*", "", true, 0},
        {"*", "INBOX", true, 0},
        {"*", "a/b/c", true, 3},
        {"%", "INBOX", true, 0},
        {"%", "a/b", false, 1},
        {"%", "a/b/c", false, 1},
        {"a/%", "a/b", true, 0},
        {"a/%", "a/b/c", false, 2},
        {"a/%", "a", false, 0},
        {"a%", "a", true, 0},
        {"a%", "ab/c", false, 1},
        {"%/%", "a/b/c", false, 2},
        {"%b%", "abc", true, 0},
        {"%b%", "a/bc", false, 0},
        {"*b*", "a/bc/d", true, 2},
        {"*%", "a/b", true, 1},
        {"%*", "a/b", true, 1},
        {"INBOX", "INBOX", true, 0},
        {"INBOX", "INBOX2", false, 0},
        {"INBOX", "INBO", false, 0},
        {"INBOX", "INBOX/a", false, 1},
        {"", "", true, 0},
        {"", "a", false, 0},
        {"*a*a*b", "aaaab", true, 0},
        {"*a*a*b", "aaaac", false, 0},
        {"Gel\xc3\xb6scht*", "Gel\xc3\xb6scht/x", true, 1},
        {"*/c", "a/b/c", true, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        arena_init(&a, ARENA);
        struct list_pattern p;
        assert_int_equal(list_pattern_make(&a, slice_str(cases[i].pattern), &p), OK);
        uint64_t ancestors;
        bool m = list_pattern_match(&p, slice_str(cases[i].name), &ancestors);
        if (m != cases[i].matches || ancestors != cases[i].ancestors)
            fail_msg("%s on %s: %d %llx", cases[i].pattern, cases[i].name, m,
                     (unsigned long long)ancestors);
        arena_free(&a);
    }
}

/* Sets of more than one word, wildcards on the borders of words. */
static void test_long(void **state)
{
    for (size_t at = 60; at < 70; at++) {
        struct arena a;
        arena_init(&a, ARENA);
        uint8_t pattern[200], name[300];
        memset(pattern, 'x', sizeof pattern);
        memset(name, 'x', sizeof name);
        pattern[at] = '*';
        name[at] = 'y';
        struct list_pattern p;
        assert_int_equal(list_pattern_make(&a, slice_of(pattern, sizeof pattern), &p), OK);
        assert_true(list_pattern_match(&p, slice_of(name, sizeof name), NULL));
        assert_true(list_pattern_match(&p, slice_of(name, sizeof pattern), NULL));
        name[at - 1] = 'z';
        assert_false(list_pattern_match(&p, slice_of(name, sizeof name), NULL));
        arena_free(&a);
    }
}

static void test_hostile(void **state)
{
    struct arena a;
    arena_init(&a, ARENA);
    uint8_t pattern[LIMIT_MAILBOX_NAME], name[LIMIT_MAILBOX_NAME];
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 1] = 'b';
    memset(name, 'a', sizeof name);
    struct list_pattern p;
    assert_int_equal(list_pattern_make(&a, slice_of(pattern, sizeof pattern), &p), OK);
    int64_t before = clock_ms();
    for (int i = 0; i < 100; i++)
        assert_false(list_pattern_match(&p, slice_of(name, sizeof name), NULL));
    assert_true(clock_ms() - before < 5000);
    uint8_t longer[LIMIT_MAILBOX_NAME + 1];
    memset(longer, 'a', sizeof longer);
    assert_int_equal(list_pattern_make(&a, slice_of(longer, sizeof longer), &p), ERR_LIMIT);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
