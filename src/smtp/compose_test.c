/* Tests of what submission does to a header. */
#include "base/limits.h"
#include "smtp/compose.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool own(void *arg, struct slice address)
{
    return slice_ieq(address, SLICE("anna@example.org")) ||
           slice_ieq(address, SLICE("office@example.org"));
}

static const struct compose how = {.may_send_as = own, .host = "mx.example.org", .now = 1795348800};

static void judged(void **state)
{
    static const struct {
        const char *message;
        enum smtp_reply want;
    } rows[] = {
        {"From: anna@example.org\r\n\r\n", REPLY_NONE},
        {"From: \"chef@bank.example\" <Anna@example.org>\r\n\r\n", REPLY_NONE},
        {"From: anna@example.org, office@example.org\r\nSender: anna@example.org\r\n\r\n",
         REPLY_NONE},
        {"From: anna@example.org, chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nFrom: chef@bank.example\r\n\r\n", REPLY_NO_FROM},
        {"From : chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"from:chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nSender: chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nSender:\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"Resent-From: office@example.org\r\nResent-From: anna@example.org\r\n"
         "Resent-Sender: anna@example.org\r\nFrom: anna@example.org\r\n\r\n",
         REPLY_NONE},
        {"Resent-From: chef@bank.example\r\nFrom: anna@example.org\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nResent-From: anna@example.org\r\n"
         "resent-from : chef@bank.example\r\n\r\n",
         REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nResent-Sender: chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nResent-From:\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nResent-From: <anna@example.org> <b@c>\r\n\r\n",
         REPLY_UNCLEAR_FROM},
        /* What one reader takes for Anna's and another for the chef's. */
        {"From: <anna@example.org> <chef@bank.example>\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: <anna@example.org>chef@bank.example\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: =?utf-8?q?<anna@example.org>?= <chef@bank.example>\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: anna@example.org; chef@bank.example\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: anna@example.org chef@bank.example\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: <@bank.example:anna@example.org>\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: anna@example.org (chef@bank.example\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"From: anna@example.org\r\nSender: <anna@example.org> <b@c>\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From: (a (b\\)) c) \"\\\" <x@y>\" (d)\r\n <anna@example.org> (e) , office@example.org "
         "(f)\r\n"
         "\r\n",
         REPLY_NONE},
        {"From: Us: anna@example.org, O <office@example.org>;\r\n\r\n", REPLY_NONE},
        {"From: Us:;, anna@example.org\r\n\r\n", REPLY_NONE},
        {"From: Us: anna@example.org; office@example.org\r\n\r\n", REPLY_UNCLEAR_FROM},
        {"From:\r\n\r\n", REPLY_NO_FROM},
        {"From: nobody\r\n\r\n", REPLY_NOT_YOUR_FROM},
        {"Subject: x\r\n\r\nFrom: anna@example.org\r\n", REPLY_NO_FROM},
        {"", REPLY_NO_FROM},
        {"\r\n", REPLY_NO_FROM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b = BUF_INIT(10000);
        size_t body;
        enum smtp_reply r = smtp_compose(&how, slice_str(rows[i].message), &b, &body);
        if (r != rows[i].want)
            fail_msg("%s: %d", rows[i].message, (int)r);
        buf_free(&b);
    }
}

static void header_is_made(void **state)
{
    struct slice m = SLICE("X-Mailer: secret 1.0\r\nFrom: anna@example.org\r\nbcc: x@y.example,\r\n"
                           " z@y.example\r\nSubject: a\r\n b\r\nUser-Agent: u\r\n\r\nbody\r\n");
    autobuf b = BUF_INIT(10000);
    size_t body;
    assert_int_equal(smtp_compose(&how, m, &b, &body), REPLY_NONE);
    assert_true(slice_eq(slice_from(m, body), SLICE("body\r\n")));
    struct slice h = buf_slice(&b);
    assert_true(slice_starts(h, SLICE("From: anna@example.org\r\nSubject: a\r\n b\r\nDate: Sun, 22 "
                                      "Nov 2026 ")));
    assert_true(slice_find(h, SLICE("\r\nMessage-ID: <")) < h.n);
    assert_true(slice_ends(h, SLICE("@example.org>\r\n\r\n")));
}

static void nothing_is_added_twice(void **state)
{
    struct slice m = SLICE("Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <a@b>\r\n"
                           "From: anna@example.org\r\n\r\nx");
    autobuf b = BUF_INIT(10000);
    size_t body;
    assert_int_equal(smtp_compose(&how, m, &b, &body), REPLY_NONE);
    assert_true(slice_eq(buf_slice(&b), slice_sub(m, 0, m.n - 1)));
    assert_int_equal(body, m.n - 1);
}

static void a_line_that_is_no_field_begins_the_body(void **state)
{
    struct slice m = SLICE("From: anna@example.org\r\nno field\r\nFrom: chef@bank.example\r\n");
    autobuf b = BUF_INIT(10000);
    size_t body;
    assert_int_equal(smtp_compose(&how, m, &b, &body), REPLY_NONE);
    assert_true(slice_ends(buf_slice(&b), SLICE("\r\n\r\n")));
    assert_true(slice_starts(slice_from(m, body), SLICE("no field\r\n")));
}

static void bounds(void **state)
{
    autobuf m = BUF_INIT(1000000);
    buf_lit(&m, "From: anna@example.org\r\nX: ");
    while (m.n < 300000)
        buf_lit(&m, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n ");
    autobuf b = BUF_INIT(1000000);
    size_t body;
    assert_int_equal(smtp_compose(&how, buf_slice(&m), &b, &body), REPLY_BAD_HEADER);
    /* An address list of which a part would not be looked at. */
    m.n = 0;
    buf_lit(&m, "From: ");
    for (int i = 0; i < 2 * LIMIT_ADDRESSES; i++)
        buf_lit(&m, "anna@example.org,\r\n ");
    buf_lit(&m, "chef@bank.example\r\n\r\n");
    assert_int_equal(smtp_compose(&how, buf_slice(&m), &b, &body), REPLY_UNCLEAR_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judged),
        cmocka_unit_test(header_is_made),
        cmocka_unit_test(nothing_is_added_twice),
        cmocka_unit_test(a_line_that_is_no_field_begins_the_body),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
