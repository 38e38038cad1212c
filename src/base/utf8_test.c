/* Tests of UTF-8: what is well-formed, replacement, search form, NFC. */
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_valid(void **state)
{
    static const struct {
        struct slice text;
        bool valid;
        const char *clean;
    } cases[] = {
        {SLICE_INIT(""), true, ""},
        {SLICE_INIT("plain ascii, longer than eight bytes"), true, NULL},
        {SLICE_INIT("Gr\xC3\xB6\xC3\x9F"
                    "e"),
         true, NULL},
        {SLICE_INIT("\xE2\x82\xAC \xF0\x9F\x98\x80"), true, NULL},
        {SLICE_INIT("\xF4\x8F\xBF\xBF"), true, NULL},
        {SLICE_INIT("\xED\x9F\xBF\xEE\x80\x80"), true, NULL},
        {SLICE_INIT("\xC0\x80"), false, "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* overlong NUL */
        {SLICE_INIT("\xC1\xBF"), false, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {SLICE_INIT("\xE0\x9F\xBF"), false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {SLICE_INIT("\xED\xA0\x80"), false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* surrogate */
        {SLICE_INIT("\xF4\x90\x80\x80"), false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {SLICE_INIT("\xF0\x8F\xBF\xBF"), false, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {SLICE_INIT("\xF5"), false, "\xEF\xBF\xBD"},
        {SLICE_INIT("a\x80z"), false, "a\xEF\xBF\xBDz"},
        {SLICE_INIT("a\xE2\x82"), false, "a\xEF\xBF\xBD"}, /* cut: one maximal subpart */
        {SLICE_INIT("\xE2\x82z"), false, "\xEF\xBF\xBDz"},
        {SLICE_INIT("\xF0\x9F\x98"), false, "\xEF\xBF\xBD"},
        {SLICE_INIT("\xFC\xFF"), false, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {SLICE_INIT("12345678\xFF"), false, "12345678\xEF\xBF\xBD"},
    };
    autobuf b = BUF_INIT(1000), c = BUF_INIT(1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice s = cases[i].text;
        struct slice clean = cases[i].clean ? slice_str(cases[i].clean) : s;
        assert_int_equal(utf8_valid(s), cases[i].valid);
        buf_reset(&b);
        utf8_clean(s, &b);
        assert_true(slice_eq(buf_slice(&b), clean));
        buf_reset(&c);
        for (int32_t v; (v = utf8_next(&s)) >= 0;)
            utf8_put(&c, (uint32_t)v);
        assert_true(slice_eq(buf_slice(&c), clean));
    }
}

static void test_all_code_points(void **state)
{
    autobuf b = BUF_INIT(8);
    for (uint32_t v = 0; v <= 0x110000; v++) {
        bool scalar = v <= 0x10FFFF && (v < 0xD800 || v > 0xDFFF);
        buf_reset(&b);
        utf8_put(&b, v);
        struct slice s = buf_slice(&b);
        if (!utf8_valid(s) || utf8_next(&s) != (scalar ? (int32_t)v : 0xFFFD) || s.n != 0)
            fail_msg("U+%04X", v);
    }
}

static void test_ascii(void **state)
{
    assert_true(ascii_only(SLICE("")) && ascii_only(SLICE("\x01 \x7F")));
    assert_false(ascii_only(SLICE("a\0b")) || ascii_only(SLICE("\x80")));
}

static void test_search_form(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"Hello, World", "hello, world"},
        {"Gr\xC3\xB6\xC3\x9F"
         "e",
         "grosse"},
        {"GROSSE", "grosse"},
        {"GR\xC3\x96\xE1\xBA\x9E"
         "E",
         "grosse"}, /* capital sharp s */
        {"\xC3\x84", "a"},
        {"A\xCC\x88", "a"}, /* decomposed */
        {"a \t\r\n  b", "a b"},
        {"a\xC2\xA0 \xE2\x80\x83"
         "b",
         "a b"}, /* no-break and em space */
        {"  x  ", " x "},
        {"\xEF\xAC\x81n", "fin"},                                 /* ligature */
        {"\xCE\xA3\xCE\xB1\xCF\x82", "\xCF\x83\xCE\xB1\xCF\x83"}, /* final sigma */
        {"\xC4\xB0stanbul", "istanbul"},
        {"\xEF\xBC\xA1\xEF\xBC\xA2", "ab"}, /* full width */
        {"Caf\xC3\xA9 CR\xC3\x88ME", "cafe creme"},
        {"a\xFF"
         "B",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xD0\x99", "\xD0\xB8"}, /* Cyrillic short i loses its mark */
    };
    autobuf b = BUF_INIT(1000);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_reset(&b);
        utf8_search_form(slice_str(pairs[i][0]), &b);
        if (!slice_eq(buf_slice(&b), slice_str(pairs[i][1])))
            fail_msg("case %zu: %.*s", i, SLICE_FMT(buf_slice(&b)));
    }
}

static void test_search_form_stable(void **state)
{
    /* The form of the form is the form, also across the borders of the runs it works in. */
    autobuf in = BUF_INIT(100000), once = BUF_INIT(400000), twice = BUF_INIT(400000);
    for (uint32_t v = 0x80; v < 0x3000; v++)
        utf8_put(&in, v);
    utf8_search_form(buf_slice(&in), &once);
    utf8_search_form(buf_slice(&once), &twice);
    assert_int_equal(buf_check(&once), OK);
    assert_true(slice_eq(buf_slice(&once), buf_slice(&twice)));
}

static void test_nfc(void **state)
{
    autobuf b = BUF_INIT(10000);
    assert_int_equal(utf8_nfc(SLICE("plain"), &b), OK);
    assert_int_equal(utf8_nfc(SLICE("A\xCC\x88"), &b), OK);
    assert_true(slice_eq(buf_slice(&b), SLICE("plain\xC3\x84")));
    assert_int_equal(utf8_nfc(SLICE("\xC3"), &b), ERR_INPUT);
    autobuf longer = BUF_INIT(10000);
    for (int i = 0; i < 1000; i++)
        buf_lit(&longer, "e\xCC\x81");
    buf_reset(&b);
    assert_int_equal(utf8_nfc(buf_slice(&longer), &b), OK);
    assert_int_equal(b.n, 2000);
    autobuf small = BUF_INIT(1);
    assert_int_equal(utf8_nfc(SLICE("A\xCC\x88"), &small), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_search_form),
        cmocka_unit_test(test_search_form_stable),
        cmocka_unit_test(test_nfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
