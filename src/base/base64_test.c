/* Tests of base64: the RFC's vectors, every byte value, and what is not base64. */
#include "base/base64.h"

#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_vectors(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xFF\xEF\xBE", "/+++"},
        {"\xFB\xFF\xBF", "+/+/"},
    };
    autobuf b = BUF_INIT(100);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_reset(&b);
        base64_encode(slice_str(pairs[i][0]), &b);
        assert_true(slice_eq(buf_slice(&b), slice_str(pairs[i][1])));
        buf_reset(&b);
        assert_int_equal(base64_decode(slice_str(pairs[i][1]), &b), OK);
        assert_true(slice_eq(buf_slice(&b), slice_str(pairs[i][0])));
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"Z",        "Zg",    "Zg=",     "Zm9v=", "====", "=",
                                      "Z===",     "Zm8==", "Zm9 ",    "Zm\n8", "Zh==", "Zm9=",
                                      "Zg==Zg==", "Zm-v",  "\xFFm9v", "Zg==\n"};
    autobuf b = BUF_INIT(100);
    buf_lit(&b, "kept");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(base64_decode(slice_str(bad[i]), &b), ERR_INPUT);
        assert_true(slice_eq(buf_slice(&b), SLICE("kept")));
    }
}

static void test_lenient(void **state)
{
    static const char *const pairs[][2] = {
        {"Zm9v\r\nYmFy\r\n", "foobar"},
        {"Z m*9 v", "foo"},
        {"Zm8", "fo"},
        {"Zg", "f"},
        {"Z", ""},
        {"Zm8=Zm9v", "fo"},
        {"=", ""},
        {"", ""},
        {"Zm9vZ", "foo"},
        {"Zh==", "f"},
    };
    autobuf b = BUF_INIT(100);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_reset(&b);
        base64_decode_lenient(slice_str(pairs[i][0]), &b);
        assert_true(slice_eq(buf_slice(&b), slice_str(pairs[i][1])));
    }
}

static void test_round_trip(void **state)
{
    uint8_t in[20000];
    random_bytes(in, sizeof in);
    autobuf text = BUF_INIT(100000), out = BUF_INIT(100000);
    for (size_t n = 0; n < sizeof in; n += n < 300 ? 1 : 977) {
        buf_reset(&text);
        buf_reset(&out);
        base64_encode(slice_of(in, n), &text);
        assert_int_equal(text.n, (n + 2) / 3 * 4);
        assert_int_equal(base64_decode(buf_slice(&text), &out), OK);
        assert_true(slice_eq(buf_slice(&out), slice_of(in, n)));
    }
    autobuf small = BUF_INIT(10);
    assert_int_equal(base64_decode(SLICE("Zm9vYmFyZm9vYmFy"), &small), ERR_LIMIT);
}

static void test_lines(void **state)
{
    /* As mail has it: lines of 76, decoded in several pieces; and with junk at odd places. */
    uint8_t in[20000];
    random_bytes(in, sizeof in);
    autobuf text = BUF_INIT(100000), lines = BUF_INIT(200000), out = BUF_INIT(100000);
    base64_encode(slice_of(in, sizeof in), &text);
    for (size_t width = 1; width < 100; width += 5) {
        buf_reset(&lines);
        buf_reset(&out);
        for (size_t i = 0; i < text.n; i += width) {
            buf_add(&lines, slice_sub(buf_slice(&text), i, i + width));
            buf_lit(&lines, "\r\n");
        }
        base64_decode_lenient(buf_slice(&lines), &out);
        assert_true(slice_eq(buf_slice(&out), slice_of(in, sizeof in)));
    }
}

static void test_alphabet(void **state)
{
    /* Each byte value alone, as the third character of a group, is one of 64 or refused. */
    unsigned good = 0;
    autobuf b = BUF_INIT(100);
    for (unsigned v = 0; v < 256; v++) {
        uint8_t in[4] = {'A', 'A', (uint8_t)v, 'A'};
        buf_reset(&b);
        if (base64_decode(slice_of(in, 4), &b) == OK)
            good++;
    }
    assert_int_equal(good, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lenient), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_lines),   cmocka_unit_test(test_alphabet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
