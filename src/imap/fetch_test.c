/* FETCH over a whole server. */
#include "imap/imap_expect.h"

static const char mail[] = "From: Bea <bea@example.net>\r\n"
                           "To: anna@example.org\r\n"
                           "Subject: One\r\n"
                           "Date: Fri, 4 Oct 2024 10:00:00 +0200\r\n"
                           "Message-ID: <1@example.net>\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: multipart/mixed; boundary=b\r\n"
                           "\r\n"
                           "--b\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n"
                           "\r\n"
                           "Gr=C3=BC=C3=9Fe\r\n"
                           "--b\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "Content-Transfer-Encoding: base64\r\n"
                           "\r\n"
                           "AAECAw==\r\n"
                           "--b\r\n"
                           "Content-Type: application/x-odd\r\n"
                           "Content-Transfer-Encoding: x-odd\r\n"
                           "\r\n"
                           "odd\r\n"
                           "--b--\r\n";

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

static struct imap_client *in_mailbox(const char *name, unsigned n)
{
    return imap_in_mailbox(server, name, mail, n);
}

static void tells_index_fields(void **state)
{
    struct imap_client *c = in_mailbox("index", 2);
    const char *t = imap_client_ok(c, "FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)");
    expect(t, "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE ");
    expect(t, "ENVELOPE (\"Fri, 4 Oct 2024 10:00:00 +0200\" \"One\" ((\"Bea\" NIL \"bea\" "
              "\"example.net\"))");
    expect(t, "* 2 FETCH (UID 2 ");
    t = imap_client_ok(c, "UID FETCH 2 (FLAGS)");
    expect(t, "* 2 FETCH (UID 2 FLAGS ())\r\n");
    expect_not(t, "* 1 FETCH");
    t = imap_client_ok(c, "FETCH 1 BODYSTRUCTURE");
    expect(t, "BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL "
              "\"quoted-printable\" ");
    t = imap_client_ok(c, "FETCH 1 BODY");
    expect(t, "BODY ((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" ");
    expect(t, "\"mixed\")");
    t = imap_client_ok(c, "FETCH 1 (INTERNALDATE EMAILID THREADID)");
    expect(t, "INTERNALDATE \"");
    expect(t, "EMAILID (M");
    expect(t, "THREADID (T");
    expect_not(t, "UID");
    imap_client_close(c);
}

static void knows_macros(void **state)
{
    struct imap_client *c = in_mailbox("macros", 1);
    const char *t = imap_client_ok(c, "FETCH 1 FAST");
    expect(t, "* 1 FETCH (FLAGS () INTERNALDATE \"");
    expect(t, "RFC822.SIZE ");
    expect_not(t, "ENVELOPE");
    expect(imap_client_ok(c, "FETCH 1 all"), " ENVELOPE (");
    t = imap_client_ok(c, "FETCH 1 FULL");
    expect(t, " ENVELOPE (");
    expect(t, " BODY (");
    expect(imap_client_do(c, "FETCH 1 (FLAGS ALL)"), "T BAD");
    imap_client_close(c);
}

static void tells_sections(void **state)
{
    struct imap_client *c = in_mailbox("sections", 1);
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[1]"),
           "* 1 FETCH (BODY[1] {15}\r\nGr=C3=BC=C3=9Fe)");
    expect(
        imap_client_ok(c, "FETCH 1 BODY.PEEK[HEADER.FIELDS (subject \"TO\")]"),
        "BODY[HEADER.FIELDS (subject TO)] {38}\r\nTo: anna@example.org\r\nSubject: One\r\n\r\n)");
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[1.MIME]<13.4>"), "BODY[1.MIME]<13> {4}\r\n tex)");
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[]<99999.4>"), "BODY[]<99999> \"\")");
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[7]"), "BODY[7] NIL)");
    expect(imap_client_ok(c, "FETCH 1 RFC822.HEADER"), "RFC822.HEADER {");
    expect(imap_client_ok(c, "FETCH 1 (FLAGS)"), "FLAGS ()");
    expect(imap_client_ok(c, "FETCH 1 (RFC822.TEXT)"), "FLAGS (\\Seen)");
    static const char *const wrong[] = {"BODY[",
                                        "BODY[X]",
                                        "BODY[1]<0.0>",
                                        "BODY[1]<1>",
                                        "BODY[0]",
                                        "BINARY[TEXT]",
                                        "BODY[MIME]",
                                        "()",
                                        "BODY[HEADER.FIELDS ()]",
                                        "RFC822.FOO",
                                        "(FLAGS",
                                        "FLAGS (VANISHED)",
                                        "FLAGS (CHANGEDSINCE)"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect(imap_client_do(c, "FETCH 1 %s", wrong[i]), "T BAD");
    imap_client_close(c);
}

static void undoes_encodings(void **state)
{
    struct imap_client *c = in_mailbox("binary", 1);
    expect(imap_client_ok(c, "FETCH 1 BINARY.PEEK[1]"), "BINARY[1] {7}\r\nGr\xC3\xBC\xC3\x9F"
                                                        "e)");
    expect(imap_client_ok(c, "FETCH 1 BINARY.SIZE[2]"), "BINARY.SIZE[2] 4)");
    imap_client_send(c, SLICE("b FETCH 1 BINARY.PEEK[2]<1.2>\r\n"));
    expect(imap_client_until(c, "b OK"), "BINARY[2]<1> {2}\r\n\1\2)");
    imap_client_send(c, SLICE("b FETCH 1 BINARY.PEEK[2]\r\n"));
    expect(imap_client_until(c, "b OK"), "BINARY[2] ~{4}\r\n");
    expect(imap_client_do(c, "FETCH 1 BINARY.PEEK[3]"), "T NO [UNKNOWN-CTE]");
    expect(imap_client_do(c, "FETCH 1 BINARY.SIZE[3]"), "T NO [UNKNOWN-CTE]");
    imap_client_close(c);
}

static void sets_seen(void **state)
{
    struct imap_client *c = in_mailbox("seen", 3), *other = imap_also_in(server, "seen");
    const char *t = imap_client_ok(c, "FETCH 1:2 BODY[1]");
    expect(t, "* 1 FETCH (BODY[1] {15}\r\nGr=C3=BC=C3=9Fe FLAGS (\\Seen))\r\n");
    expect(t, "* 2 FETCH (BODY[1]");
    expect_not(after_text(t, "* 2 FETCH"), "* 1 FETCH");
    expect_not(after_text(t, "* 2 FETCH"), "* 2 FETCH");
    t = imap_client_ok(c, "FETCH 1:3 BODY.PEEK[1]");
    expect_not(t, "FLAGS");
    t = imap_client_ok(c, "FETCH 2:3 (FLAGS BODY[TEXT]<0.1>)");
    expect(t, "* 2 FETCH (FLAGS (\\Seen) BODY[TEXT]<0> {1}\r\n-)");
    expect(t, "* 3 FETCH (FLAGS (\\Seen) BODY[TEXT]<0> {1}\r\n-)");
    t = imap_client_ok(other, "NOOP");
    expect(t, "* 1 FETCH (FLAGS (\\Seen))");
    expect(t, "* 3 FETCH (FLAGS (\\Seen))");
    imap_client_ok(other, "STORE 1:3 -FLAGS.SILENT (\\Seen)");
    imap_client_ok(other, "EXAMINE seen");
    expect_not(imap_client_ok(other, "FETCH 1 BODY[]"), "FLAGS");
    imap_client_close(other);
    imap_client_close(c);
}

static void follows_mod_sequences(void **state)
{
    struct imap_client *c = in_mailbox("modseq", 3);
    const char *t = imap_client_ok(c, "FETCH 1:* (MODSEQ)");
    expect(t, "* OK [HIGHESTMODSEQ ");
    expect(t, "* 1 FETCH (MODSEQ (");
    unsigned long long highest = strtoull(after_text(t, "HIGHESTMODSEQ "), NULL, 10);
    t = imap_client_ok(c, "FETCH 1:* (FLAGS) (CHANGEDSINCE %llu)", highest);
    expect_not(t, "FETCH (");
    imap_client_ok(c, "STORE 2 +FLAGS.SILENT (\\Flagged)");
    t = imap_client_ok(c, "FETCH 1:* (FLAGS) (CHANGEDSINCE %llu)", highest);
    expect(t, "* 2 FETCH (FLAGS (\\Flagged) MODSEQ (");
    expect_not(t, "* 1 FETCH");
    expect(imap_client_ok(c, "FETCH 2 BODY[1]<0.1>"), "FLAGS (\\Flagged \\Seen) MODSEQ (");
    expect(imap_client_do(c, "UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)"), "T BAD");
    imap_client_ok(c, "ENABLE QRESYNC");
    imap_client_ok(c, "STORE 1,3 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(c, "EXPUNGE");
    t = imap_client_ok(c, "UID FETCH 1:* FLAGS (CHANGEDSINCE %llu VANISHED)", highest);
    expect(t, "* VANISHED (EARLIER) 1,3\r\n");
    expect(t, "* 1 FETCH (UID 2 FLAGS (");
    t = imap_client_ok(c, "UID FETCH 2:9 FLAGS (CHANGEDSINCE %llu VANISHED)", highest);
    expect(t, "* VANISHED (EARLIER) 3\r\n");
    imap_client_close(c);
}

static void tells_expunged_messages(void **state)
{
    struct imap_client *c = in_mailbox("gone", 3), *other = imap_also_in(server, "gone");
    imap_client_ok(other, "STORE 2 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(other, "EXPUNGE");
    const char *t = imap_client_do(c, "FETCH 1:3 (UID BODY.PEEK[1])");
    expect(t, "* 1 FETCH (UID 1 ");
    expect_not(t, "* 2 FETCH");
    expect_not(t, "EXPUNGE\r\n");
    expect(t, "* 3 FETCH (UID 3 ");
    expect(t, "T OK [EXPUNGEISSUED]");
    expect(imap_client_do(c, "FETCH 1:3 (ENVELOPE)"), "T OK [EXPUNGEISSUED]");
    expect(imap_client_ok(c, "NOOP"), "* 2 EXPUNGE\r\n");
    expect(imap_client_do(c, "FETCH 3 FLAGS"), "T BAD");
    expect(imap_client_ok(c, "UID FETCH 2 FLAGS"), "T OK");
    imap_client_close(other);
    imap_client_close(c);
}

static void shows_nul_as_0x80(void **state)
{
    struct imap_client *c = in_mailbox("nul", 0);
    imap_client_send(c, SLICE("x APPEND nul ~{21+}\r\nSubject: x\r\n\r\na\0b\0c\r\n\r\n"));
    imap_client_until(c, "x OK");
    expect(imap_client_ok(c, "FETCH 1 BODY.PEEK[TEXT]"), "{7}\r\na\x80"
                                                         "b\x80"
                                                         "c\r\n)");
    imap_client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_index_fields),
        cmocka_unit_test(knows_macros),
        cmocka_unit_test(tells_sections),
        cmocka_unit_test(undoes_encodings),
        cmocka_unit_test(sets_seen),
        cmocka_unit_test(follows_mod_sequences),
        cmocka_unit_test(tells_expunged_messages),
        cmocka_unit_test(shows_nul_as_0x80),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
