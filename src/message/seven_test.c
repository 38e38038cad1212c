/* Eight bits to seven: what is converted, how, and what must stay. That parts decode to the same is
 * the fuzzer's property; its corpus runs as a test. */
#include "base/limits.h"
#include "message/seven.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct slice convert(struct arena *a, struct slice raw)
{
    autobuf out = BUF_INIT(LIMIT_MESSAGE_SIZE);
    assert_int_equal(seven_write(a, raw, &out), OK);
    return arena_dup(a, buf_slice(&out));
}

static void assert_becomes(const char *from, const char *to)
{
    autoarena a;
    arena_init(&a, LIMIT_MESSAGE_SIZE);
    struct slice got = convert(&a, slice_str(from));
    if (!slice_eq(got, slice_str(to)))
        fail_msg("became\n%.*s\nnot\n%s", SLICE_FMT(got), to);
}

#define A8 "gr\xc3\xbc\xc3\x9f dich, wie geht es dir denn heute\r\n"
#define A7 "gr=C3=BC=C3=9F dich, wie geht es dir denn heute\r\n"
#define TEXT8                                                                                      \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" A8
#define TEXT7                                                                                      \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "                       \
    "quoted-printable\r\n\r\n" A7

static void test_texts(void **state)
{
    (void)state;
    assert_becomes("MIME-Version: 1.0\r\n" TEXT8, "MIME-Version: 1.0\r\n" TEXT7);
    /* Without the field, and without MIME at all; the field in the middle, folded, twice. */
    assert_becomes("Subject: x\r\n\r\n" A8,
                   "Subject: x\r\nMIME-Version: 1.0\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n" A7);
    assert_becomes("content-transfer-encoding: \r\n 8bit\r\nMIME-Version: 1.0\r\n"
                   "Content-Transfer-Encoding: 8bit\r\nX: y\r\n\r\n" A8,
                   "MIME-Version: 1.0\r\nX: y\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n" A7);
    /* Nothing to do. */
    assert_becomes("Subject: \xc3\xbc\r\n\r\nplain\r\n", "Subject: \xc3\xbc\r\n\r\nplain\r\n");
    assert_becomes("Content-Transfer-Encoding: base64\r\n\r\n\xc3\xbc\r\n",
                   "Content-Transfer-Encoding: base64\r\n\r\n\xc3\xbc\r\n");
    assert_becomes("Subject: no body", "Subject: no body");
    assert_becomes("DKIM-Signature: v=1\r\n" TEXT8, "DKIM-Signature: v=1\r\n" TEXT8);
}

static void test_base64(void **state)
{
    (void)state;
    assert_becomes("MIME-Version: 1.0\r\nContent-Type: image/x\r\n\r\na\x80\r\n",
                   "MIME-Version: 1.0\r\nContent-Type: image/x\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\nYYANCg==\r\n");
    assert_becomes("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\x80\x81\x82\r\n",
                   "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
                   "Content-Transfer-Encoding: base64\r\n\r\ngIGCDQo=\r\n");
}

#define MIXED8                                                                                     \
    "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: multipart/mixed; "      \
    "boundary=b\r\n\r\n"
#define MIXED7                                                                                     \
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "                                         \
    "boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define SIGNED                                                                                     \
    "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" TEXT8                              \
    "--s\r\nContent-Type: application/pgp-signature\r\n\r\nabc\r\n--s--\r\n"

static void test_parts(void **state)
{
    (void)state;
    assert_becomes(MIXED8 "--b\r\n" TEXT8 "--b\r\n\r\nplain\r\n--b--\r\n",
                   MIXED7 "--b\r\n" TEXT7 "--b\r\n\r\nplain\r\n--b--\r\n");
    /* What stays high keeps its container's label. */
    assert_becomes(MIXED8 "\xfc\r\n--b\r\n" TEXT8 "--b--\r\n",
                   MIXED8 "\xfc\r\n--b\r\n" TEXT7 "--b--\r\n");
    assert_becomes(MIXED8 "--b\r\n" TEXT8 "--b--\r\n\xfc\r\n",
                   MIXED8 "--b\r\n" TEXT7 "--b--\r\n\xfc\r\n");
    assert_becomes(MIXED8 "--b\r\n" TEXT8 "--b\r\n" SIGNED "--b--\r\n",
                   MIXED8 "--b\r\n" TEXT7 "--b\r\n" SIGNED "--b--\r\n");
    assert_becomes("MIME-Version: 1.0\r\n" SIGNED, "MIME-Version: 1.0\r\n" SIGNED);
    /* An inner message, and what must not be encoded. */
    assert_becomes(
        MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
              "MIME-Version: 1.0\r\n" TEXT8 "--b--\r\n",
        MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
              "MIME-Version: 1.0\r\n" TEXT7 "--b--\r\n");
    assert_becomes(MIXED "--b\r\nContent-Type: message/delivery-status\r\n\r\n\xfc\r\n--b--\r\n",
                   MIXED "--b\r\nContent-Type: message/delivery-status\r\n\r\n\xfc\r\n--b--\r\n");
}

static void test_long_lines(void **state)
{
    (void)state;
    autoarena a;
    char text[3000];
    arena_init(&a, LIMIT_MESSAGE_SIZE);
    for (size_t n = LIMIT_LINE_TEXT; n <= LIMIT_LINE_TEXT + 1; n++) {
        /* Where the line is cut stands what else would look like a boundary. */
        size_t at = (size_t)snprintf(text, sizeof text, "MIME-Version: 1.0\r\n\r\n");
        memset(text + at, '-', n);
        snprintf(text + at + n, sizeof text - at - n, "\r\n");
        struct slice raw = slice_str(text), got = convert(&a, raw);
        assert_int_equal(seven_is(raw), n == LIMIT_LINE_TEXT);
        assert_int_equal(slice_eq(got, raw), n == LIMIT_LINE_TEXT);
        if (n > LIMIT_LINE_TEXT) {
            assert_true(seven_is(got));
            assert_true(slice_find(got, SLICE("=\r\n-")) == got.n);
        }
    }
    assert_false(seven_is(SLICE("a\x80")));
    assert_false(seven_is(SLICE("12345678\xff"
                                "1234567890")));
    assert_true(seven_is(SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
