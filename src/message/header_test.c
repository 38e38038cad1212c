/* Tests of header fields, encoded words and base subjects. */
#include "message/header.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

#define assert_slice(got, want) check_slice(__LINE__, (got), slice_str(want))
static void check_slice(int line, struct slice got, struct slice want)
{
    if (!slice_eq(got, want))
        fail_msg("line %d: [%.*s], not [%.*s]", line, SLICE_FMT(got), SLICE_FMT(want));
}

static const char message[] = "From nobody Mon\r\n"
                              "Subject: one\r\n two\r\n"
                              "no field here\r\n\tand its fold\r\n"
                              "X-Empty:\r\n"
                              "subject : three\r\n"
                              "X-Bare: lf\n"
                              "\r\n"
                              "Subject: body\r\n";

static void test_next(void **state)
{
    struct slice rest = slice_str(message);
    struct header_field f;
    assert_true(header_next(&rest, &f));
    assert_slice(f.name, "Subject");
    assert_slice(f.value, " one\r\n two");
    assert_slice(f.raw, "Subject: one\r\n two\r\n");
    assert_true(header_next(&rest, &f));
    assert_slice(f.name, "X-Empty");
    assert_slice(f.value, "");
    assert_true(header_next(&rest, &f));
    assert_slice(f.name, "subject");
    assert_slice(f.value, " three");
    assert_true(header_next(&rest, &f));
    assert_slice(f.value, " lf");
    assert_false(header_next(&rest, &f));
    assert_slice(rest, "\r\nSubject: body\r\n");
}

static void test_find_and_count(void **state)
{
    struct header_field f;
    assert_true(header_find(slice_str(message), SLICE("SUBJECT"), &f));
    assert_slice(f.value, " one\r\n two");
    assert_false(header_find(slice_str(message), SLICE("To"), &f));
    assert_int_equal(header_count(slice_str(message), SLICE("Subject"), 9), 2);
    assert_int_equal(header_count(slice_str(message), SLICE("Subject"), 1), 1);
    assert_int_equal(header_length(slice_str(message)), sizeof message - 1 - 15);
    assert_int_equal(header_length(SLICE("A: b\r\n")), 6);
    assert_int_equal(header_length(SLICE("\r\nbody")), 2);
    assert_int_equal(header_length(SLICE("")), 0);
}

static void test_header_without_end(void **state)
{
    struct slice rest = SLICE("A: b");
    struct header_field f;
    assert_true(header_next(&rest, &f));
    assert_slice(f.value, " b");
    assert_false(header_next(&rest, &f));
}

static void test_unfold(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 16);
    struct slice plain = SLICE("  one two ");
    struct slice s = header_unfold(&a, plain);
    assert_slice(s, "one two");
    assert_ptr_equal(s.p, plain.p + 2);
    assert_slice(header_unfold(&a, SLICE(" one\r\n two\n\tthree\r\n")), "one two\tthree");
    assert_slice(header_unfold(&a, SLICE("")), "");
    assert_slice(header_raw(SLICE("  a b ")), "a b ");
    assert_slice(header_raw(SLICE("  \r\n a")), " \r\n a");
}

static void test_token(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 16);
    assert_slice(header_token(&a, SLICE(" (c) 1.0 (produced by X) ")), "1.0");
    assert_slice(header_token(&a, SLICE(" <a@b> (x)")), "<a@b>");
    assert_slice(header_token(&a, SLICE("(unfinished")), "");
    assert_slice(header_token(&a, SLICE("\"a(b\" c")), "\"a(b\" c");
}

static const struct {
    const char *in, *out;
} words[] = {
    {"plain text", "plain text"},
    {"=?utf-8?q?J=C3=B6rg?=", "J\xC3\xB6rg"},
    {"=?UTF-8?B?SsO2cmc=?=", "J\xC3\xB6rg"},
    {"=?iso-8859-1?Q?J=F6rg_M?=", "J\xC3\xB6rg M"},
    {"=?utf-8*de?q?J=C3=B6?=", "J\xC3\xB6"},
    {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?=\t =?iso-8859-1?q?=F6?=", "a\xC3\xB6"},
    {"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
    {"x=?utf-8?q?a?=y", "xay"},
    {"=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", "\xC3\xBC\xC3\xBC"},
    /* a character cut in two by its sender */
    {"=?utf-8?b?w7zD?= =?utf-8?b?vA==?=", "\xC3\xBC\xC3\xBC"},
    {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xE6\x97\xA5\xE6\x9C\xAC"},
    {"=?windows-1251?Q?=CF=F0=E8?=", "\xD0\x9F\xD1\x80\xD0\xB8"},
    /* control characters must not come out */
    {"=?utf-8?q?a=0D=0AX:_b?=", "a  X: b"},
    {"=?utf-8?q?a=00b?=", "a b"},
    /* what is no word stays */
    {"=?utf-8?q?a", "=?utf-8?q?a"},
    {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
    {"=?"
     "?q?a?=",
     "=?"
     "?q?a?="},
    {"=?=?=?=?", "=?=?=?=?"},
    {"a = b ?", "a = b ?"},
    {"=?utf-8?q?"
     "?=",
     ""},
    {"=?utf-8?q?=G1=?=", "=G1="},
    {"=?unknown-set?q?a=E4?=", "a\xC3\xA4"},
    /* raw 8-bit: UTF-8 when it is such, else Windows-1252 */
    {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
    {"gr\xFC\xDF \x80", "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC"},
};

static void test_decode_words(void **state)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        autobuf out;
        buf_init(&out, 4096);
        header_decode_words(slice_str(words[i].in), &out);
        if (!slice_eq(buf_slice(&out), slice_str(words[i].out)))
            fail_msg("[%s] gives [%.*s]", words[i].in, SLICE_FMT(buf_slice(&out)));
    }
}

static void test_text(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 16);
    assert_slice(header_text(&a, SLICE(" Hello\r\n =?utf-8?q?W=C3=B6rld?=\r\n")),
                 "Hello W\xC3\xB6rld");
    assert_slice(header_text(&a, SLICE(" plain ")), "plain");
    assert_slice(header_text(&a, SLICE("")), "");
}

static void test_encode_words(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"plain", "plain"},
        {"J\xC3\xB6rg", "=?utf-8?q?J=C3=B6rg?="},
        {"a =?x?= b", "=?utf-8?q?a_=3D=3Fx=3F=3D_b?="},
        {"in\r\njected", "in  jected"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        autobuf out;
        buf_init(&out, 4096);
        header_encode_words(slice_str(table[i].in), 9, &out);
        assert_slice(buf_slice(&out), table[i].out);
    }
}

/* Long text is folded, no line passes 76 columns, no character is cut, and decoding gives it back.
 */
static void check_round_trip(struct slice text)
{
    autobuf out, back;
    buf_init(&out, 65536);
    buf_init(&back, 65536);
    header_encode_words(text, 9, &out);
    size_t column = 9;
    for (size_t i = 0; i < out.n; i++) {
        if (out.p[i] == '\r') {
            assert_int_equal(out.p[i + 1], '\n');
            assert_true(out.p[i + 2] == ' ');
            column = 0;
            i++;
            continue;
        }
        column++;
        assert_true(column <= 76);
        assert_true(out.p[i] >= ' ' && out.p[i] < 0x7F);
    }
    autoarena a;
    arena_init(&a, 1 << 20);
    header_decode_words(header_unfold(&a, buf_slice(&out)), &back);
    check_slice(__LINE__, buf_slice(&back), text);
}

static void test_encode_folds(void **state)
{
    autobuf text;
    buf_init(&text, 65536);
    for (int i = 0; i < 200; i++)
        buf_lit(&text, "\xC3\xBC\xE2\x82\xAC x");
    check_round_trip(buf_slice(&text));
    buf_reset(&text);
    for (int i = 0; i < 100; i++)
        buf_str(&text, i ? " word" : "word");
    check_round_trip(buf_slice(&text));
}

static void test_base_subject(void **state)
{
    static const struct {
        const char *in, *out;
        bool reply;
    } table[] = {
        {"Hello", "hello", false},
        {"Re: Hello", "hello", true},
        {"RE: re: Fwd: Hello", "hello", true},
        {"Re[2]: Hello", "hello", true},
        {"[list] Re: [list] Hello", "hello", true},
        {"[list] Hello", "hello", false},
        {"[list]", "[list]", false},
        {"Hello (fwd)", "hello", true},
        {"[Fwd: Re: Hello]", "hello", true},
        {"  Gr\xC3\xB6\xC3\x9F"
         "e  \t x ",
         "grosse x", false},
        {"Re:", "", true},
        {"", "", false},
        {"Reminder", "reminder", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        autoarena a;
        arena_init(&a, 1 << 16);
        bool reply = !table[i].reply;
        assert_slice(header_base_subject(&a, slice_str(table[i].in), &reply), table[i].out);
        assert_int_equal(reply, table[i].reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_find_and_count),
        cmocka_unit_test(test_header_without_end),
        cmocka_unit_test(test_unfold),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_decode_words),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_encode_words),
        cmocka_unit_test(test_encode_folds),
        cmocka_unit_test(test_base_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
