/* Tests of transfer encodings, character sets and HTML. */
#include "message/transfer.h"

#include "base/utf8.h"
#include "message/charset.h"
#include "message/html.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

static const struct {
    enum mime_encoding encoding;
    const char *in, *out;
} decoded[] = {
    {MIME_7BIT, "as it is\r\n", "as it is\r\n"},
    {MIME_BASE64, "aGVsbG8=", "hello"},
    {MIME_BASE64, "aGVs\r\nbG8=\r\n", "hello"},
    {MIME_BASE64, "aGVsbG8", "hello"},
    {MIME_BASE64, "a-G*V sbG8=garbage", "hello"},
    {MIME_BASE64, "=aGVsbG8=", "hello"},
    {MIME_BASE64, "", ""},
    {MIME_QP, "a=3Db", "a=b"},
    {MIME_QP, "soft=\r\nbreak", "softbreak"},
    {MIME_QP, "soft= \t\r\nbreak", "softbreak"},
    {MIME_QP, "soft=\nbreak", "softbreak"},
    {MIME_QP, "trailing  \t\r\nblanks ", "trailing\r\nblanks"},
    {MIME_QP, "inner \t blank", "inner \t blank"},
    {MIME_QP, "=c3=B6", "\xC3\xB6"},
    {MIME_QP, "broken =XY =4 =", "broken =XY =4 "},
    {MIME_QP, "a\rb", "a\rb"},
    {MIME_QP, "a\r", "a\r"},
    {MIME_QP, "a=4", "a=4"},
};

/* In one piece, and byte by byte. */
static void test_decode(void **state)
{
    for (size_t i = 0; i < sizeof decoded / sizeof decoded[0]; i++)
        for (size_t step = 1; step < 64; step *= 4) {
            autobuf out;
            buf_init(&out, 4096);
            struct transfer t;
            transfer_init(&t, decoded[i].encoding);
            struct slice in = slice_str(decoded[i].in);
            for (size_t at = 0; at < in.n; at += step)
                transfer_feed(&t, slice_sub(in, at, at + step), &out);
            transfer_end(&t, &out);
            if (!slice_eq(buf_slice(&out), slice_str(decoded[i].out)))
                fail_msg("[%s] by %zu gives [%.*s]", decoded[i].in, step,
                         SLICE_FMT(buf_slice(&out)));
        }
}

static void test_names(void **state)
{
    assert_int_equal(transfer_encoding(SLICE("Base64")), MIME_BASE64);
    assert_int_equal(transfer_encoding(SLICE("QUOTED-PRINTABLE")), MIME_QP);
    assert_int_equal(transfer_encoding(SLICE("x-uuencode")), MIME_OTHER);
    assert_int_equal(transfer_encoding(SLICE("")), MIME_OTHER);
}

/* Encoded lines are short, and decoding gives the bytes back. */
static void check_round_trip(enum mime_encoding encoding, struct slice in)
{
    autobuf text, back;
    buf_init(&text, 1 << 20);
    buf_init(&back, 1 << 20);
    if (encoding == MIME_BASE64)
        transfer_encode_base64(in, &text);
    else
        transfer_encode_qp(in, &text);
    struct slice rest = buf_slice(&text), line;
    while (slice_line(&rest, &line)) {
        assert_true(line.n <= 76);
        for (size_t i = 0; i < line.n; i++)
            assert_true((line.p[i] >= ' ' && line.p[i] < 0x7F) || line.p[i] == '\t');
        assert_true(line.n == 0 || line.p[line.n - 1] != ' ');
    }
    struct transfer t;
    transfer_init(&t, encoding);
    transfer_feed(&t, buf_slice(&text), &back);
    transfer_end(&t, &back);
    assert_true(slice_eq(buf_slice(&back), in));
}

static void test_round_trip(void **state)
{
    autobuf in;
    buf_init(&in, 1 << 16);
    for (int i = 0; i < 3000; i++)
        buf_byte(&in, (uint8_t)(i * 7 + i / 256));
    check_round_trip(MIME_BASE64, buf_slice(&in));
    buf_reset(&in);
    for (int i = 0; i < 500; i++)
        buf_str(&in, i % 7 == 3 ? "Gr\xC3\xB6\xC3\x9F"
                                  "e = x \t\r\n"
                                : ".From here to there ");
    check_round_trip(MIME_QP, buf_slice(&in));
    check_round_trip(MIME_QP, SLICE(" "));
    check_round_trip(MIME_QP, SLICE(""));
}

static const struct {
    const char *set, *in, *out;
} sets[] = {
    {"utf-8", "\xC3\xB6", "\xC3\xB6"},
    {"UTF-8",
     "a\xFF"
     "b",
     "a\xEF\xBF\xBD"
     "b"},
    {"us-ascii", "plain", "plain"},
    {"us-ascii", "gr\xFC\xDF", "gr\xC3\xBC\xC3\x9F"},
    {"", "\xC3\xB6", "\xC3\xB6"},
    {"iso-8859-1", "\xE4\x80", "\xC3\xA4\xE2\x82\xAC"},
    {"Windows-1252", "\x93x\x94", "\xE2\x80\x9Cx\xE2\x80\x9D"},
    {"iso-8859-15", "\xA4", "\xE2\x82\xAC"},
    {"iso-8859-2", "\xB1", "\xC4\x85"},
    {"koi8-r", "\xF0", "\xD0\x9F"},
    {"shift_jis", "\x93\xFA", "\xE6\x97\xA5"},
    {"iso-2022-jp",
     "\x1B$B"
     "F|\x1B(B.",
     "\xE6\x97\xA5."},
    {"gb2312", "\xC4\xE3", "\xE4\xBD\xA0"},
    {"big5", "\xA7\x41", "\xE4\xBD\xA0"},
    {"euc-kr", "\xB0\xA1", "\xEA\xB0\x80"},
    {"utf-7", "+AOQ-x", "\xC3\xA4x"},
    {"no-such-set", "\xE4", "\xC3\xA4"},
    {"utf-8*en", "\xC3\xB6", "\xC3\xB6"},
    /* malformed or cut in the middle */
    {"shift_jis", "a\x93", "a\xEF\xBF\xBD"},
    {"euc-kr",
     "\xFF"
     "a",
     "\xEF\xBF\xBD"
     "a"},
};

static void test_charsets(void **state)
{
    charset_prepare();
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        autobuf out;
        buf_init(&out, 4096);
        charset_to_utf8(slice_str(sets[i].set), slice_str(sets[i].in), &out);
        if (!slice_eq(buf_slice(&out), slice_str(sets[i].out)))
            fail_msg("%s %zu gives [%.*s]", sets[i].set, i, SLICE_FMT(buf_slice(&out)));
    }
    assert_true(charset_known(SLICE("KOI8-R")));
    assert_false(charset_known(SLICE("x-nothing")));
}

static void test_charset_stops_at_limit(void **state)
{
    autobuf out;
    buf_init(&out, 10);
    charset_to_utf8(SLICE("koi8-r"), SLICE("\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0"), &out);
    assert_true(out.failed);
    assert_int_equal(out.n, 10);
}

static void test_html(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        {"plain", "plain"},
        {"<p>a</p><p>b</p>", "\na\n\nb\n"},
        {"a<br/>b", "a\nb"},
        {"a<b>c</b>d", "acd"},
        {"<style>p { x > y }</style>z", "z"},
        {"<SCRIPT>if (a<b) c</SCRIPT >z", "z"},
        {"<!-- a > b -->c", "c"},
        {"<!--->c-->d", "d"},
        {"<a title='x>y'>z</a>", "z"},
        {"1 < 2 &amp; 3 &gt; 2", "1 < 2 & 3 > 2"},
        {"&auml;&#228;&#xe4;", "\xC3\xA4\xC3\xA4\xC3\xA4"},
        {"&unknown; & &#xD800; &#0;x", "&unknown; &  x"},
        {"a<unfinished", "a"},
        {"a<!-- unfinished", "a"},
        {"a<style>b", "a"},
        {"<", "<"},
        {"&", "&"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        autobuf out;
        buf_init(&out, 4096);
        html_to_text(slice_str(table[i].in), &out);
        if (!slice_eq(buf_slice(&out), slice_str(table[i].out)))
            fail_msg("[%s] gives [%.*s]", table[i].in, SLICE_FMT(buf_slice(&out)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_charset_stops_at_limit),
        cmocka_unit_test(test_html),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
