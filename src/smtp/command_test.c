/* Tests of the SMTP command parser. */
#include "smtp/command.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void verbs_and_refusals(void **state)
{
    static const struct {
        const char *line;
        enum smtp_verb verb;
        enum smtp_reply want;
    } rows[] = {
        {"EHLO client.example", VERB_EHLO, REPLY_NONE},
        {"ehlo [192.0.2.1]", VERB_EHLO, REPLY_NONE},
        {"HELO [IPv6:2001:db8::1]  ", VERB_HELO, REPLY_NONE},
        {"EHLO", VERB_EHLO, REPLY_BAD_ARGUMENT},
        {"EHLO a b", VERB_EHLO, REPLY_BAD_ARGUMENT},
        {"EHLO (comment)", VERB_EHLO, REPLY_BAD_ARGUMENT},
        {"DATA", VERB_DATA, REPLY_NONE},
        {"DATA  ", VERB_DATA, REPLY_NONE},
        {"DATA x", VERB_DATA, REPLY_BAD_ARGUMENT},
        {"RSET", VERB_RSET, REPLY_NONE},
        {"QUIT now", VERB_QUIT, REPLY_BAD_ARGUMENT},
        {"NOOP whatever <you> like", VERB_NOOP, REPLY_NONE},
        {"VRFY anna", VERB_VRFY, REPLY_NONE},
        {"HELP MAIL", VERB_HELP, REPLY_NONE},
        {"STARTTLS", VERB_STARTTLS, REPLY_NONE},
        {"STARTTLS foo", VERB_STARTTLS, REPLY_BAD_ARGUMENT},
        {"", VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND},
        {" QUIT", VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND},
        {"QUI", VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND},
        {"QUITT", VERB_UNKNOWN, REPLY_UNKNOWN_COMMAND},
        {"NOOP a\tb", VERB_UNKNOWN, REPLY_BAD_LINE},
        {"NOOP\r", VERB_UNKNOWN, REPLY_BAD_LINE},
        {"GET / HTTP/1.1", VERB_FOREIGN, REPLY_NONE},
        {"MAIL FROM:a@b.example", VERB_MAIL, REPLY_BAD_SENDER},
        {"MAIL FROM", VERB_MAIL, REPLY_BAD_SENDER},
        {"MAIL FROM:<a@b.example", VERB_MAIL, REPLY_BAD_SENDER},
        {"MAIL FROM:<a@b.example>x", VERB_MAIL, REPLY_BAD_SENDER},
        {"MAIL FROM:<@a.example>", VERB_MAIL, REPLY_BAD_SENDER},
        {"MAIL FROM:<> SIZE=-1", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> SIZE=99999999999999999999999", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> SIZE", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> SIZE=1 SIZE=1", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> BODY=BINARYMIME", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> SMTPUTF8=1", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> FOO=1", VERB_MAIL, REPLY_UNKNOWN_PARAM},
        {"MAIL FROM:<> RET=SOME", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> ENVID=a+4", VERB_MAIL, REPLY_BAD_ARGUMENT},
        {"MAIL FROM:<> NOTIFY=NEVER", VERB_MAIL, REPLY_UNKNOWN_PARAM},
        {"RCPT TO:<>", VERB_RCPT, REPLY_BAD_RECIPIENT},
        {"RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", VERB_RCPT, REPLY_BAD_ARGUMENT},
        {"RCPT TO:<a@b.example> NOTIFY=", VERB_RCPT, REPLY_BAD_ARGUMENT},
        {"RCPT TO:<a@b.example> NOTIFY=DELAY,", VERB_RCPT, REPLY_BAD_ARGUMENT},
        {"RCPT TO:<a@b.example> ORCPT=a@b.example", VERB_RCPT, REPLY_BAD_ARGUMENT},
        {"RCPT TO:<a@b.example> ORCPT=;x", VERB_RCPT, REPLY_BAD_ARGUMENT},
        {"RCPT TO:<a@b.example> SIZE=1", VERB_RCPT, REPLY_UNKNOWN_PARAM},
        {"BDAT", VERB_BDAT, REPLY_BAD_ARGUMENT},
        {"BDAT x", VERB_BDAT, REPLY_BAD_ARGUMENT},
        {"BDAT 1 FIRST", VERB_BDAT, REPLY_BAD_ARGUMENT},
        {"BDAT 1 LAST x", VERB_BDAT, REPLY_BAD_ARGUMENT},
        {"AUTH", VERB_AUTH, REPLY_BAD_ARGUMENT},
        {"AUTH PLAIN a b", VERB_AUTH, REPLY_BAD_ARGUMENT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct smtp_command c;
        enum smtp_reply r = smtp_command_parse(slice_str(rows[i].line), &c);
        if (r != rows[i].want || c.verb != rows[i].verb)
            fail_msg("%s: reply %d verb %d", rows[i].line, (int)r, (int)c.verb);
    }
    struct smtp_command c;
    assert_int_equal(smtp_command_parse(slice_of("NOOP\0", 5), &c), REPLY_BAD_LINE);
}

static void paths(void **state)
{
    static const struct {
        const char *line, *path;
    } rows[] = {
        {"MAIL FROM:<>", ""},
        {"MAIL FROM:<a@b.example>", "a@b.example"},
        {"mail from: <a@b.example> size=10", "a@b.example"},
        {"RCPT TO:<@x.example,@y.example:a@b.example>", "a@b.example"},
        {"RCPT TO:<\"a>b\\\"> \"@b.example>", "\"a>b\\\"> \"@b.example"},
        {"RCPT TO:<Postmaster>", "Postmaster"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct smtp_command c;
        assert_int_equal(smtp_command_parse(slice_str(rows[i].line), &c), REPLY_NONE);
        assert_true(slice_eq(c.path, slice_str(rows[i].path)));
    }
}

static void parameters(void **state)
{
    struct smtp_command c;
    const char *line = "MAIL FROM:<a@b.example> SIZE=1234 BODY=8bitmime SMTPUTF8 RET=hdrs "
                       "ENVID=QQ+2B1 REQUIRETLS AUTH=<>";
    assert_int_equal(smtp_command_parse(slice_str(line), &c), REPLY_NONE);
    assert_true(c.has_size && c.size == 1234 && c.body == BODY_8BITMIME);
    assert_true(c.smtputf8 && c.require_tls && c.ret == 1);
    assert_true(slice_eq(c.envid, SLICE("QQ+2B1")));
    line = "RCPT TO:<a@b.example> NOTIFY=success,FAILURE ORCPT=rfc822;x+40y.example";
    assert_int_equal(smtp_command_parse(slice_str(line), &c), REPLY_NONE);
    assert_int_equal(c.notify, 2 | 4);
    assert_true(slice_eq(c.orcpt, SLICE("rfc822;x+40y.example")));
    assert_int_equal(smtp_command_parse(SLICE("BDAT 77 last"), &c), REPLY_NONE);
    assert_true(c.chunk == 77 && c.last);
    assert_int_equal(smtp_command_parse(SLICE("AUTH PLAIN ="), &c), REPLY_NONE);
    assert_true(slice_eq(c.argument, SLICE("PLAIN")) && slice_eq(c.initial, SLICE("=")));
    assert_int_equal(smtp_command_parse(SLICE("AUTH LOGIN"), &c), REPLY_NONE);
    assert_null(c.initial.p);
}

static void xclient(void **state)
{
    struct slice rest = SLICE("ADDR=192.0.2.7 NAME=a+2Bb LOGIN="), name;
    char value[32];
    assert_true(smtp_xclient_next(&rest, &name, value, sizeof value));
    assert_true(slice_eq(name, SLICE("ADDR")));
    assert_string_equal(value, "192.0.2.7");
    assert_true(smtp_xclient_next(&rest, &name, value, sizeof value));
    assert_string_equal(value, "a+b");
    assert_true(smtp_xclient_next(&rest, &name, value, sizeof value));
    assert_string_equal(value, "");
    assert_false(smtp_xclient_next(&rest, &name, value, sizeof value));
    assert_int_equal(rest.n, 0);
    static const char *const bad[] = {
        "ADDR", "=x", "A=+0", "A=+zz", "A=+00", "A=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        rest = slice_str(bad[i]);
        assert_false(smtp_xclient_next(&rest, &name, value, sizeof value));
        assert_true(rest.n > 0);
    }
}

static void every_reply_is_in_the_table(void **state)
{
    for (int r = REPLY_NONE + 1; r < SMTP_REPLIES; r++) {
        const struct smtp_reply_text *t = smtp_reply((enum smtp_reply)r);
        assert_true(t->code >= 200 && t->code < 560);
        if (*t->enhanced)
            assert_int_equal(t->enhanced[0] - '0', t->code / 100);
    }
}

static void one_answer_for_all(void **state)
{
    static const struct {
        enum smtp_reply each[3];
        size_t n;
        enum smtp_reply want;
    } rows[] = {
        {{REPLY_RECIPIENT_OK, REPLY_RECIPIENT_OK}, 2, REPLY_ACCEPTED},
        {{REPLY_RECIPIENT_OK, REPLY_LOOP}, 2, REPLY_ACCEPTED},
        {{REPLY_LOOP, REPLY_LOOP}, 2, REPLY_LOOP},
        {{REPLY_RECIPIENT_OK, REPLY_MAILBOX_FULL}, 2, REPLY_MAILBOX_FULL},
        {{REPLY_UNKNOWN, REPLY_MAILBOX_FULL}, 2, REPLY_MAILBOX_FULL},
        {{REPLY_MAILBOX_FULL, REPLY_UNKNOWN}, 2, REPLY_MAILBOX_FULL},
        {{REPLY_UNKNOWN, REPLY_CLOSED}, 2, REPLY_UNKNOWN},
        {{REPLY_RECIPIENT_OK, REPLY_UNKNOWN, REPLY_LOOP}, 3, REPLY_TEMPORARY},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(smtp_reply_of_all(rows[i].each, rows[i].n), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_and_refusals),
        cmocka_unit_test(paths),
        cmocka_unit_test(parameters),
        cmocka_unit_test(xclient),
        cmocka_unit_test(every_reply_is_in_the_table),
        cmocka_unit_test(one_answer_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
