/* SEARCH over a whole server. */
#include "imap/imap_expect.h"

static struct imap_fixture *server;

static const char *const mails[] = {
    "From: Bea <bea@example.net>\r\nTo: anna@example.org\r\nSubject: "
    "=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: Fri, 4 Oct 2024 23:30:00 -0500\r\n\r\nDer B\xC3\xA4r schl\xC3\xA4"
    "ft.\r\n",
    "From: carl@example.net\r\nTo: ben@example.org\r\nCc: anna@example.org\r\nSubject: two\r\n"
    "Date: Sat, 5 Oct 2024 00:30:00 +0900\r\nX-Tag: blue\r\n\r\nnothing\r\n",
    "From: dora@example.net\r\nSubject: three\r\nX-Tag:\r\nContent-Type: text/plain; "
    "charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nRGVyIELDpHI=\r\n",
};

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

static struct imap_client *in_mailbox(const char *name)
{
    struct imap_client *c = imap_client_anna(server);
    imap_client_ok(c, "CREATE %s", name);
    for (size_t i = 0; i < 3; i++)
        imap_fixture_append(server, server->anna.id, name, mails[i]);
    imap_client_ok(c, "SELECT %s", name);
    return c;
}

static void finds(void **state)
{
    static const struct {
        const char *program, *expect;
    } searches[] = {
        {"ALL", "* SEARCH 1 2 3\r\n"},
        {"1:2 NOT SEEN", "* SEARCH 1 2\r\n"},
        {"RECENT", "* SEARCH\r\n"},
        {"OLD", "* SEARCH 1 2 3\r\n"},
        {"NEW", "* SEARCH\r\n"},
        {"9:12", "* SEARCH\r\n"},
        {"2:*", "* SEARCH 2 3\r\n"},
        {"FROM bea", "* SEARCH 1\r\n"},
        {"FROM EXAMPLE.NET", "* SEARCH 1 2 3\r\n"},
        {"TO anna", "* SEARCH 1\r\n"},
        {"CC anna", "* SEARCH 2\r\n"},
        {"SUBJECT grusse", "* SEARCH 1\r\n"},
        {"CHARSET UTF-8 SUBJECT \"GR\xC3\x9C\xC3\x9F"
         "E\"",
         "* SEARCH 1\r\n"},
        {"CHARSET ISO-8859-1 SUBJECT {4+}\r\nGr\xFC\xDF", "* SEARCH 1\r\n"},
        {"BODY bar", "* SEARCH 1 3\r\n"},
        {"BODY three", "* SEARCH\r\n"},
        {"TEXT three", "* SEARCH 3\r\n"},
        {"HEADER X-Tag \"\"", "* SEARCH 2 3\r\n"},
        {"HEADER X-Tag BLU", "* SEARCH 2\r\n"},
        {"SUBJECT \"\"", "* SEARCH 1 2 3\r\n"},
        {"SENTON 4-Oct-2024", "* SEARCH 1\r\n"},
        {"SENTSINCE 5-Oct-2024", "* SEARCH 2\r\n"},
        {"SENTBEFORE 5-Oct-2024", "* SEARCH 1\r\n"},
        {"NOT SENTSINCE 1-Jan-1990", "* SEARCH 3\r\n"},
        {"SINCE 1-Jan-2020", "* SEARCH 1 2 3\r\n"},
        {"BEFORE 1-Jan-2020", "* SEARCH\r\n"},
        {"OR FROM carl (BODY bar NOT SUBJECT three)", "* SEARCH 1 2\r\n"},
        {"SMALLER 10", "* SEARCH\r\n"},
        {"LARGER 10 UID 2", "* SEARCH 2\r\n"},
        {"KEYWORD none", "* SEARCH\r\n"},
        {"UNKEYWORD none", "* SEARCH 1 2 3\r\n"},
        {"EMAILID M0", "* SEARCH\r\n"},
        {"MODSEQ 1", "* SEARCH 1 2 3 (MODSEQ "},
    };
    struct imap_client *c = in_mailbox("finds");
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++)
        expect(imap_client_ok(c, "SEARCH %s", searches[i].program), searches[i].expect);
    expect(imap_client_do(c, "SEARCH CHARSET klingon ALL"), "T NO [BADCHARSET (UTF-8 US-ASCII)]");
    expect(imap_client_do(c, "SEARCH BLUE"), "T BAD");
    expect(imap_client_do(c, "SEARCH RETURN (FOO) ALL"), "T BAD");
    imap_client_ok(c, "ENABLE UTF8=ACCEPT");
    expect(imap_client_do(c, "SEARCH CHARSET UTF-8 ALL"), "T BAD");
    imap_client_close(c);
}

static void finds_by_id(void **state)
{
    struct imap_client *c = in_mailbox("ids");
    const char *t = imap_client_ok(c, "FETCH 2 EMAILID");
    char id[32] = {0};
    const char *from = after_text(t, "EMAILID (");
    memcpy(id, from, strcspn(from, ")"));
    expect(imap_client_ok(c, "SEARCH EMAILID %s", id), "* SEARCH 2\r\n");
    imap_client_close(c);
}

static void answers_extended(void **state)
{
    struct imap_client *c = in_mailbox("extended");
    imap_client_ok(c, "STORE 2 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(c, "EXPUNGE");
    expect(imap_client_ok(c, "SEARCH RETURN (MIN MAX COUNT ALL) ALL"),
           "\") MIN 1 MAX 2 COUNT 2 ALL 1:2\r\n");
    expect(imap_client_ok(c, "UID SEARCH RETURN () ALL"), "\") UID ALL 1,3\r\n");
    expect(imap_client_ok(c, "UID SEARCH RETURN (MAX) ALL"), "\") UID MAX 3\r\n");
    expect(imap_client_ok(c, "SEARCH RETURN (COUNT MIN) SEEN"), "\") COUNT 0\r\n");
    expect(imap_client_ok(c, "SEARCH RETURN (ALL) MODSEQ 1"), " ALL 1:2 MODSEQ ");
    expect(imap_client_ok(c, "UID SEARCH ALL"), "* SEARCH 1 3\r\n");
    imap_client_ok(c, "ENABLE IMAP4REV2");
    expect(imap_client_ok(c, "UID SEARCH UNSEEN"), "\") UID ALL 1,3\r\n");
    expect(imap_client_ok(c, "SEARCH SEEN"), "\")\r\n");
    imap_client_close(c);
}

static void saves_results(void **state)
{
    struct imap_client *c = in_mailbox("saves");
    expect(imap_client_ok(c, "FETCH $ FLAGS"), "T OK");
    expect_not(imap_client_ok(c, "SEARCH RETURN (SAVE) UNSEEN"), "SEARCH (");
    expect(imap_client_ok(c, "SEARCH $ SUBJECT two"), "* SEARCH 2\r\n");
    imap_client_ok(c, "STORE 1 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(c, "EXPUNGE");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH 1 2\r\n");
    const char *t = imap_client_ok(c, "UID FETCH $ FLAGS");
    expect(t, "* 1 FETCH (UID 2 ");
    expect(t, "* 2 FETCH (UID 3 ");
    expect(imap_client_ok(c, "SEARCH RETURN (SAVE MIN) ALL"), " MIN 1\r\n");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH 1\r\n");
    expect(imap_client_ok(c, "SEARCH RETURN (SAVE MIN MAX COUNT) ALL"), " MIN 1 MAX 2 COUNT 2");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH 1 2\r\n");
    expect(imap_client_do(c, "SEARCH RETURN (SAVE) FOO"), "T BAD");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH 1 2\r\n");
    expect(imap_client_do(c, "SEARCH RETURN (SAVE) CHARSET klingon ALL"), "T NO");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH\r\n");
    imap_client_ok(c, "SEARCH RETURN (SAVE) ALL");
    imap_client_ok(c, "COPY $ INBOX");
    expect(imap_client_ok(c, "STORE $ +FLAGS (\\Flagged)"), "* 2 FETCH (FLAGS (\\Flagged");
    imap_client_ok(c, "SELECT saves");
    expect(imap_client_ok(c, "SEARCH $"), "* SEARCH\r\n");
    imap_client_close(c);
}

static void holds_expunges_back(void **state)
{
    struct imap_client *c = in_mailbox("held"), *other = imap_also_in(server, "held");
    imap_client_ok(other, "STORE 1 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(other, "EXPUNGE");
    const char *t = imap_client_ok(c, "SEARCH SUBJECT two");
    expect(t, "* SEARCH 2\r\n");
    expect_not(t, "EXPUNGE");
    t = imap_client_ok(c, "UID SEARCH SUBJECT two");
    expect(t, "* 1 EXPUNGE\r\n");
    expect(t, "* SEARCH 2\r\n");
    imap_client_close(other);
    imap_client_close(c);
}

static void searches_an_empty_mailbox(void **state)
{
    struct imap_client *c = imap_in_mailbox(server, "empty", "", 0);
    expect(imap_client_ok(c, "SEARCH 1:* SUBJECT x"), "* SEARCH\r\n");
    expect(imap_client_ok(c, "UID SEARCH UID 1:*"), "* SEARCH\r\n");
    expect(imap_client_ok(c, "SEARCH RETURN (SAVE COUNT) ALL"), " COUNT 0\r\n");
    imap_client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(finds_by_id),
        cmocka_unit_test(answers_extended),
        cmocka_unit_test(saves_results),
        cmocka_unit_test(holds_expunges_back),
        cmocka_unit_test(searches_an_empty_mailbox),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
