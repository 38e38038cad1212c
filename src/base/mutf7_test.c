/* Tests of modified UTF-7: one name, one encoding. */
#include "base/mutf7.h"

#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_pairs(void **state)
{
    static const struct {
        struct slice utf8, mutf7;
    } pairs[] = {
        {SLICE_INIT(""), SLICE_INIT("")},
        {SLICE_INIT("INBOX"), SLICE_INIT("INBOX")},
        {SLICE_INIT("a&b"), SLICE_INIT("a&-b")},
        {SLICE_INIT("&&"), SLICE_INIT("&-&-")},
        {SLICE_INIT("Entw\xC3\xBCrfe"), SLICE_INIT("Entw&APw-rfe")},
        {SLICE_INIT("\xC3\xA4&\xC3\xA4"), SLICE_INIT("&AOQ-&-&AOQ-")},
        {SLICE_INIT("\xC3\xA4\xC3\xB6\xC3\xBC"), SLICE_INIT("&AOQA9gD8-")},
        {SLICE_INIT("~peter/mail/\xE5\x8F\xB0\xE5\x8C\x97/\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"),
         SLICE_INIT("~peter/mail/&U,BTFw-/&ZeVnLIqe-")}, /* the RFC's example */
        {SLICE_INIT("\xE2\x98\xBA!"), SLICE_INIT("&Jjo-!")},
        {SLICE_INIT("\xF0\x9F\x98\x80"), SLICE_INIT("&2D3eAA-")},
        {SLICE_INIT("\xF4\x8F\xBF\xBF"), SLICE_INIT("&2,,f,w-")},
        {SLICE_INIT("a\tb"), SLICE_INIT("a&AAk-b")},
        {SLICE_INIT("\x7F"), SLICE_INIT("&AH8-")},
        {SLICE_INIT("\0"), SLICE_INIT("&AAA-")},
        {SLICE_INIT("x-y\xC3\xA4-z"), SLICE_INIT("x-y&AOQ--z")},
    };
    autobuf b = BUF_INIT(1000);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_reset(&b);
        assert_int_equal(mutf7_encode(pairs[i].utf8, &b), OK);
        if (!slice_eq(buf_slice(&b), pairs[i].mutf7))
            fail_msg("encode %zu: %.*s", i, SLICE_FMT(buf_slice(&b)));
        buf_reset(&b);
        assert_int_equal(mutf7_decode(pairs[i].mutf7, &b), OK);
        if (!slice_eq(buf_slice(&b), pairs[i].utf8))
            fail_msg("decode %zu: %.*s", i, SLICE_FMT(buf_slice(&b)));
    }
}

static void test_refused(void **state)
{
    static const struct slice
        bad[] =
            {
                SLICE_INIT("&"),          /* unclosed */
                SLICE_INIT("&AOQ"),       /* unclosed */
                SLICE_INIT("&AOQ-&AOQ-"), /* superfluous shift */
                SLICE_INIT("&AGE-"),      /* a letter that needs no encoding */
                SLICE_INIT("&ACY-"),      /* so does & */
                SLICE_INIT("&AOQAYQ-"),   /* a letter inside a run */
                SLICE_INIT("&AOR-"),      /* bits that are cut off are not zero */
                SLICE_INIT("&AOQA-"),     /* a whole character too many */
                SLICE_INIT("&A-"),        SLICE_INIT("&AO-"),
                SLICE_INIT("&AO/-"), /* / of ordinary base64 */
                SLICE_INIT("&AO=-"),      SLICE_INIT("&AO Q-"),
                SLICE_INIT("&2D0-"),    /* high surrogate alone */
                SLICE_INIT("&3gA-"),    /* low surrogate alone */
                SLICE_INIT("&2D0AOQ-"), /* high, then a letter */
                SLICE_INIT("&2D3YPQ-"), /* high, high */
                SLICE_INIT("\xC3\xA4"),   SLICE_INIT("a\tb"),
                SLICE_INIT("\x7F"),       SLICE_INIT("a\0b"),
                SLICE_INIT("&\xFF-"),
            };
    autobuf b = BUF_INIT(1000);
    buf_lit(&b, "kept");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (mutf7_decode(bad[i], &b) != ERR_INPUT)
            fail_msg("case %zu was decoded", i);
        assert_true(slice_eq(buf_slice(&b), SLICE("kept")));
    }
    assert_int_equal(mutf7_encode(SLICE("a\xFF"), &b), ERR_INPUT);
    assert_int_equal(mutf7_encode(SLICE("\xED\xA0\x80"), &b), ERR_INPUT);
    assert_true(slice_eq(buf_slice(&b), SLICE("kept")));
}

static void test_every_code_point(void **state)
{
    autobuf in = BUF_INIT(100), text = BUF_INIT(100), out = BUF_INIT(100);
    for (uint32_t v = 0; v <= 0x10FFFF; v += v < 0x3000 ? 1 : 37) {
        if (v >= 0xD800 && v <= 0xDFFF)
            continue;
        buf_reset(&in);
        buf_reset(&text);
        buf_reset(&out);
        utf8_put(&in, v);
        buf_lit(&in, "x");
        utf8_put(&in, v);
        utf8_put(&in, v);
        assert_int_equal(mutf7_encode(buf_slice(&in), &text), OK);
        assert_int_equal(mutf7_decode(buf_slice(&text), &out), OK);
        if (!slice_eq(buf_slice(&in), buf_slice(&out)))
            fail_msg("U+%04X", v);
    }
}

static void test_limits(void **state)
{
    autobuf b = BUF_INIT(4);
    assert_int_equal(mutf7_encode(SLICE("\xC3\xA4"), &b), ERR_LIMIT);
    autobuf c = BUF_INIT(4);
    assert_int_equal(mutf7_decode(SLICE("abcde"), &c), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
