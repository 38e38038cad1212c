/* Tests of what commands print: JSON strings keep any byte harmless. */
#include "cli/output.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the others first */
#include <cmocka.h>

static void test_json_string(void **state)
{
    static const struct {
        struct slice in;
        const char *out;
    } cases[] = {
        {SLICE_INIT(""), "\"\""},
        {SLICE_INIT("plain"), "\"plain\""},
        {SLICE_INIT("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {SLICE_INIT("\n\x1b\x7f\0"), "\"\\u000a\\u001b\\u007f\\u0000\""},
        {SLICE_INIT("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\""},
        {SLICE_INIT("\xff"), "\"\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = BUF_INIT(256);
        json_string(cases[i].in, &b);
        assert_true(slice_eq(buf_slice(&b), slice_str(cases[i].out)));
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json_string)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
