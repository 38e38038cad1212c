/* APPEND over a whole server. */
#include "imap/imap_expect.h"

static struct imap_fixture *server;

static int start(void **state)
{
    server = imap_fixture_start();
    return 0;
}

static int stop(void **state)
{
    imap_fixture_stop(server);
    return 0;
}

/* Sends "A APPEND ..." as it is, non-synchronising literals inside, and reads up to the tagged
 * answer. */
static const char *append(struct imap_client *c, struct slice text)
{
    imap_client_send(c, text);
    return imap_client_until(c, "A ");
}

static void appends(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "add", "", 0);
    expect(append(c, SLICE("A APPEND add {12+}\r\nSubject: a\r\n\r\n")), "A OK [APPENDUID ");
    expect(imap_client_ok(c, "FETCH 1 (FLAGS RFC822.SIZE)"), "(FLAGS () RFC822.SIZE 12)");
    expect(append(c, SLICE("A APPEND add (\\Seen Work) \"17-Jul-1996 02:44:25 -0700\" {14+}\r\n"
                           "Subject: b\r\n\r\n\r\n")),
           " 2] ");
    expect(imap_client_ok(c, "FETCH 2 (FLAGS INTERNALDATE)"),
           "(FLAGS (\\Seen Work) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")");
    expect(append(c, SLICE("A APPEND nowhere {3+}\r\nabc\r\n")), "A NO [TRYCREATE]");
    expect(append(c, SLICE("A APPEND add {0+}\r\n\r\n")), "A NO");
    expect(append(c, SLICE("A APPEND add (\\Wrong) {3+}\r\nabc\r\n")), "A BAD");
    expect(append(c, SLICE("A APPEND add \"1-Foo-2020 00:00:00 +0000\" {3+}\r\nabc\r\n")), "A BAD");
    expect(append(c, SLICE("A APPEND add {3+}\r\nabc x\r\n")), "A BAD");
    expect(append(c, SLICE("A APPEND add {7+}\r\na: b\r\n\0\r\n")), "A BAD A message with NUL");
    expect(append(c, SLICE("A APPEND add ~{7+}\r\na: b\r\n\0\r\n")), "A OK [APPENDUID ");
    imap_client_send(c, SLICE("A APPEND add {5}\r\n"));
    expect(imap_client_until(c, "+ "), "+ ");
    expect(append(c, SLICE("a\r\n\r\nx\r\n")), "A BAD");
    imap_client_close(c);
}

static void appends_several(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "several", "", 0);
    const char *t = append(c, SLICE("A APPEND several {4+}\r\na: 1 (\\Seen) {4+}\r\nb: 2 {4+}\r\n"
                                    "c: 3\r\n"));
    expect(t, " 1:3] ");
    expect(t, "* 3 EXISTS");
    expect(imap_client_ok(c, "FETCH 2 (FLAGS BODY.PEEK[])"), "(FLAGS (\\Seen) BODY[] {4}\r\nb: 2)");
    /* All or none. */
    expect(append(c, SLICE("A APPEND several {4+}\r\na: 1 {0+}\r\n\r\n")), "A NO");
    expect(imap_client_ok(c, "STATUS several (MESSAGES)"), "MESSAGES 3");
    imap_client_close(c);
}

static void mends_line_ends(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "lines", "", 0);
    append(c, SLICE("A APPEND lines {12+}\r\n\na: 1\n\r\n\nx\r\n\r\n"));
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[]"), "BODY[] {15}\r\n\r\na: 1\r\n\r\n\r\nx\r\n)");
    /* A literal8 is binary: kept. */
    append(c, SLICE("A APPEND lines ~{9+}\r\na: 1\n\n\0\n\n\r\n"));
    expect(imap_client_ok(c, "FETCH 2 RFC822.SIZE"), "RFC822.SIZE 9");
    append(c, SLICE("A APPEND lines UTF8 (~{8+}\r\na: \xC3\xA9\n\nx)\r\n"));
    expect(imap_client_ok(c, "FETCH 3 RFC822.SIZE"), "RFC822.SIZE 10");
    expect(append(c, SLICE("A APPEND lines UTF8 ({3+}\r\nabc)\r\n")), "A BAD");
    imap_client_close(c);
}

static void refuses_what_is_too_big(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "big", "", 0);
    imap_client_send(c, SLICE("A APPEND big {99999999999}\r\n"));
    expect(imap_client_until(c, "A "), "A NO [TOOBIG]");
    imap_client_send(c, SLICE("A APPEND big {99999999999999999999999999}\r\n"));
    expect(imap_client_until(c, "A "), "A NO [TOOBIG]");
    expect(imap_client_ok(c, "NOOP"), "T OK");
    imap_client_send(c, SLICE("A APPEND big {99999999999+}\r\n"));
    expect(imap_client_until(c, "* BYE"), "* BYE");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
}

static void is_seen_at_once_by_others(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "watched", "", 0);
    struct imap_client *other = imap_also_in(server, "watched");
    imap_client_send(other, SLICE("I IDLE\r\n"));
    imap_client_until(other, "+ ");
    append(c, SLICE("A APPEND watched {4+}\r\na: 1\r\n"));
    expect(imap_client_until(other, "EXISTS"), "* 1 EXISTS");
    imap_client_send(other, SLICE("DONE\r\n"));
    imap_client_until(other, "I OK");
    imap_client_close(other);
    imap_client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(appends_several),
        cmocka_unit_test(mends_line_ends),
        cmocka_unit_test(refuses_what_is_too_big),
        cmocka_unit_test(is_seen_at_once_by_others),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
