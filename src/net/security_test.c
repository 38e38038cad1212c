/* Every value has a word of its own and a sentence's part in both languages. */
#include "net/security.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_word(const char *word)
{
    size_t n = strlen(word);
    assert_true(n > 0 && n <= 20); /* columns of tables */
    for (size_t i = 0; i < n; i++)
        assert_true((word[i] >= 'a' && word[i] <= 'z') || ascii_digit((uint8_t)word[i]) ||
                    word[i] == '-');
}

static void test_words(void **state)
{
    const char *all[PROBLEM_COUNT];
    for (unsigned p = 0; p < PROBLEM_COUNT; p++) {
        all[p] = problem_word((enum problem)p);
        check_word(all[p]);
        for (unsigned q = 0; q < p; q++)
            assert_string_not_equal(all[p], all[q]);
    }
    for (unsigned s = 0; s < SECURITY_COUNT; s++)
        check_word(security_word((enum security)s));
    for (unsigned s = 0; s < SOURCE_COUNT; s++)
        check_word(demand_source_word((enum demand_source)s));
    /* These are written by operators and read by scripts. */
    assert_string_equal(problem_word(PROBLEM_NO_TLS), "no-tls");
    assert_string_equal(problem_word(PROBLEM_DANE_MISMATCH), "dane-mismatch");
    assert_string_equal(security_word(SECURITY_DANE), "dane");
    assert_string_equal(security_word(SECURITY_MTA_STS), "mta-sts");
    assert_string_equal(demand_source_word(SOURCE_RATCHET_TLS), "ratchet-tls");
}

static void test_demands(void **state)
{
    for (unsigned d = 0; d < DEMAND_COUNT; d++) {
        enum demand again = DEMAND_COUNT;
        check_word(demand_word((enum demand)d));
        assert_true(demand_parse(slice_str(demand_word((enum demand)d)), &again));
        assert_int_equal(again, d);
    }
    enum demand untouched = DEMAND_VERIFY;
    assert_false(demand_parse(SLICE("Encrypt"), &untouched));
    assert_false(demand_parse(SLICE("encrypt "), &untouched));
    assert_false(demand_parse(SLICE_NONE, &untouched));
    assert_int_equal(untouched, DEMAND_VERIFY);
}

/* It stands in the middle of a sentence that others write. */
static void check_part(const char *text)
{
    size_t n = strlen(text);
    assert_true(n > 5 && n < 200);
    assert_null(strchr(text, '\n'));
    assert_null(strchr(text, '.'));
    assert_true(text[0] >= 'a' && text[0] <= 'z');
    assert_int_not_equal(text[n - 1], ' ');
    assert_null(strstr(text, "  "));
}

static void test_sentences(void **state)
{
    for (unsigned p = 0; p < PROBLEM_COUNT; p++) {
        check_part(problem_text((enum problem)p, false));
        check_part(problem_text((enum problem)p, true));
        assert_string_not_equal(problem_text((enum problem)p, false),
                                problem_text((enum problem)p, true));
    }
    for (unsigned s = 0; s < SECURITY_COUNT; s++) {
        check_part(security_text((enum security)s, false));
        check_part(security_text((enum security)s, true));
    }
    assert_string_equal(problem_text(PROBLEM_NO_TLS, false),
                        "the other side offered no encryption");
    assert_string_equal(security_text(SECURITY_DANE, true),
                        "verschlüsselt, Server durch DANE bestätigt");
}

/* What a newer or broken process sends is no reason to fall. */
static void test_strangers(void **state)
{
    assert_string_equal(problem_word((enum problem)PROBLEM_COUNT), "unknown");
    assert_string_equal(security_word((enum security)200), "unknown");
    assert_string_equal(demand_word((enum demand)200), "unknown");
    assert_string_equal(demand_source_word((enum demand_source)200), "unknown");
    assert_non_null(problem_text((enum problem)200, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_demands),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
