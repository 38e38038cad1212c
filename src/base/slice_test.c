/* Tests of slices, numbers and the cursor. */
#include "base/cursor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#define S SLICE

static void test_compare(void **state)
{
    static const struct {
        const char *a, *b;
        int order;
        bool same_folded;
    } cases[] = {
        {"", "", 0, true},
        {"a", "", 1, false},
        {"abc", "abd", -1, false},
        {"ab", "abc", -1, false},
        {"b", "abc", 1, false},
        {"ABC", "abc", -1, true},
        {"\xC3\x84", "\xC3\xA4", -1, false},
        {"[", "{", -1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice a = slice_str(cases[i].a), b = slice_str(cases[i].b);
        int c = slice_cmp(a, b);
        assert_int_equal((c > 0) - (c < 0), cases[i].order);
        assert_int_equal(slice_eq(a, b), cases[i].order == 0);
        assert_int_equal(slice_ieq(a, b), cases[i].same_folded);
    }
}

static void test_find(void **state)
{
    struct slice s = S("abcabc");
    assert_int_equal(slice_index(s, 'c'), 2);
    assert_int_equal(slice_rindex(s, 'c'), 5);
    assert_int_equal(slice_index(s, 'x'), 6);
    assert_int_equal(slice_rindex(s, 'x'), 6);
    assert_int_equal(slice_find(s, S("ca")), 2);
    assert_int_equal(slice_find(s, S("")), 0);
    assert_int_equal(slice_find(s, S("abcabcd")), 6);
    assert_int_equal(slice_index(SLICE_NONE, 0), 0);
    assert_int_equal(slice_find(SLICE_NONE, S("a")), 0);
    assert_true(slice_starts(s, S("abc")) && slice_ends(s, S("bc")) && slice_starts(s, S("")));
    assert_false(slice_starts(s, S("abcabca")) || slice_ends(s, S("ab")));
    assert_true(slice_istarts(s, S("ABC")) && slice_iends(s, S("BC")));
    assert_false(slice_starts(s, S("ABC")));
}

static void test_cut(void **state)
{
    assert_true(slice_eq(slice_sub(S("hello"), 1, 3), S("el")));
    assert_true(slice_eq(slice_sub(S("hello"), 4, 99), S("o")));
    assert_int_equal(slice_sub(S("hello"), 9, 3).n, 0);
    assert_true(slice_eq(slice_trim(S(" \t a b\r\n")), S("a b")));
    assert_int_equal(slice_trim(S(" \t ")).n, 0);

    struct slice rest = S("a,,b"), piece;
    assert_true(slice_split(&rest, ',', &piece) && slice_eq(piece, S("a")));
    assert_true(slice_split(&rest, ',', &piece) && piece.n == 0);
    assert_true(slice_split(&rest, ',', &piece) && slice_eq(piece, S("b")));
    assert_false(slice_split(&rest, ',', &piece));

    rest = S("one\r\ntwo\n\nth\rree\r");
    assert_true(slice_line(&rest, &piece) && slice_eq(piece, S("one")));
    assert_true(slice_line(&rest, &piece) && slice_eq(piece, S("two")));
    assert_true(slice_line(&rest, &piece) && piece.n == 0);
    assert_true(slice_line(&rest, &piece) && slice_eq(piece, S("th\rree\r")));
    assert_false(slice_line(&rest, &piece));
}

static void test_cstr(void **state)
{
    char out[4];
    assert_int_equal(slice_cstr(S("abc"), out, sizeof out), OK);
    assert_string_equal(out, "abc");
    assert_int_equal(slice_cstr(S("abcd"), out, sizeof out), ERR_LIMIT);
    assert_int_equal(slice_cstr(S("a\0c"), out, sizeof out), ERR_INPUT);
    assert_int_equal(slice_cstr(SLICE_NONE, out, sizeof out), OK);
    assert_string_equal(out, "");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        enum error e;
        uint64_t value;
    } cases[] = {
        {"0", 0, OK, 0},
        {"007", 10, OK, 7},
        {"10", 10, OK, 10},
        {"11", 10, ERR_INPUT, 0},
        {"", 10, ERR_INPUT, 0},
        {"-1", 10, ERR_INPUT, 0},
        {"+1", 10, ERR_INPUT, 0},
        {" 1", 10, ERR_INPUT, 0},
        {"1 ", 10, ERR_INPUT, 0},
        {"18446744073709551615", UINT64_MAX, OK, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, ERR_INPUT, 0},
        {"99999999999999999999999", UINT64_MAX, ERR_INPUT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t v = 4711;
        assert_int_equal(parse_u64(slice_str(cases[i].text), cases[i].max, &v), cases[i].e);
        assert_int_equal(v, cases[i].e == OK ? cases[i].value : 4711);
    }
    uint32_t w = 1;
    assert_int_equal(parse_u32(S("4294967295"), UINT32_MAX, &w), OK);
    assert_int_equal(w, UINT32_MAX);
    assert_int_equal(parse_u32(S("4294967296"), UINT32_MAX, &w), ERR_INPUT);
}

static void test_cursor(void **state)
{
    struct cursor c = cur_of(S("\x01\x04\x05\x06\x07\0\0\0\0\0\0\0\x09\0\0\0\x02hi!"));
    assert_int_equal(cur_u8(&c), 1);
    assert_int_equal(cur_u32(&c), 0x04050607);
    assert_int_equal(cur_u64(&c), 9);
    assert_true(slice_eq(cur_bytes(&c, 2), S("hi")));
    assert_int_equal(cur_peek(&c), '!');
    assert_int_equal(cur_u8(&c), '!');
    assert_true(cur_end(&c) && cur_ok(&c));
    assert_int_equal(cur_peek(&c), -1);
    assert_int_equal(cur_u8(&c), 0);
    assert_false(cur_ok(&c));

    c = cur_of(S("\0\0\0\x03"
                 "abcd"));
    assert_int_equal(cur_bytes(&c, 2).n, 0); /* over the maximum */
    assert_false(cur_ok(&c));
    assert_int_equal(cur_take(&c, 1).n, 0); /* sticky */

    c = cur_of(S("\xFF\xFF\xFF\xFF"
                 "abcd"));
    assert_int_equal(cur_bytes(&c, UINT32_MAX).n, 0); /* longer than what is there */
    assert_false(cur_ok(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_cstr),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
