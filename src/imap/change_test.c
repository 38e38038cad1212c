/* STORE, COPY, MOVE and EXPUNGE over a whole server. */
#include "imap/imap_expect.h"

static const char mail[] = "Subject: x\r\n\r\nbody\r\n";
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

static unsigned count(const char *text, const char *needle)
{
    unsigned n = 0;
    for (; (text = strstr(text, needle)); text++)
        n++;
    return n;
}

static void changes_flags(void **state)
{
    struct imap_client *c = in_mailbox("flags", 3), *other = imap_also_in(server, "flags");
    const char *t = imap_client_ok(c, "STORE 1:2 FLAGS (\\Seen $Work)");
    expect(t, "* FLAGS (");
    expect(t, "* 1 FETCH (FLAGS (\\Seen $Work))\r\n");
    expect(t, "* 2 FETCH (FLAGS (\\Seen $Work))\r\n");
    assert_int_equal(count(t, "FETCH ("), 2);
    t = imap_client_ok(other, "NOOP");
    expect(t, "$Work");
    expect(t, "* 2 FETCH (FLAGS (\\Seen $Work))\r\n");
    t = imap_client_ok(c, "UID STORE 2:* +FLAGS \\Flagged \\Answered");
    expect(t, "* 2 FETCH (UID 2 FLAGS (\\Answered \\Flagged \\Seen $Work))\r\n");
    expect(t, "* 3 FETCH (UID 3 FLAGS (\\Answered \\Flagged))\r\n");
    assert_int_equal(count(t, "FETCH ("), 2);
    t = imap_client_ok(c, "STORE 2 -FLAGS ($work \\Seen)");
    expect(t, "* 2 FETCH (FLAGS (\\Answered \\Flagged))\r\n");
    t = imap_client_ok(c, "STORE 2 -FLAGS ($work \\Seen)");
    expect(t, "* 2 FETCH (FLAGS (\\Answered \\Flagged))\r\n");
    t = imap_client_ok(c, "STORE 1:3 FLAGS.SILENT ()");
    expect_not(t, "FETCH (");
    expect_not(imap_client_ok(c, "NOOP"), "FETCH (");
    assert_int_equal(count(imap_client_ok(other, "NOOP"), "FLAGS ()"), 2);
    expect(imap_client_do(c, "STORE 9 FLAGS ()"), "T BAD");
    expect(imap_client_ok(c, "UID STORE 99 FLAGS (\\Seen)"), "T OK");
    expect(imap_client_do(c, "STORE 1 FLAGS (\\Unknown)"), "T BAD");
    expect(imap_client_do(c, "STORE 1 FLAG (\\Seen)"), "T BAD");
    imap_client_ok(other, "EXAMINE flags");
    expect(imap_client_do(other, "STORE 1 FLAGS ()"), "T NO [READ-ONLY]");
    imap_client_close(other);
    imap_client_close(c);
}

static void limits_keywords(void **state)
{
    struct imap_client *c = in_mailbox("keywords", 1);
    const char *t = "";
    for (unsigned i = 0; i <= LIMIT_KEYWORDS && !strstr(t, "T NO"); i++)
        t = imap_client_do(c, "STORE 1 +FLAGS.SILENT (k%u)", i);
    expect(t, "T NO [LIMIT]");
    expect(imap_client_ok(c, "STORE 1 +FLAGS (k1 \\Draft)"), "\\Draft");
    imap_client_close(c);
}

static void stores_conditionally(void **state)
{
    struct imap_client *c = in_mailbox("condstore", 4), *other = imap_also_in(server, "condstore");
    const char *t = imap_client_ok(c, "SELECT condstore (CONDSTORE)");
    unsigned long long highest = strtoull(after_text(t, "HIGHESTMODSEQ "), NULL, 10);
    imap_client_ok(other, "STORE 2:3 +FLAGS.SILENT (\\Flagged)");
    t = imap_client_do(c, "STORE 1:4 (UNCHANGEDSINCE %llu) +FLAGS.SILENT (\\Seen)", highest);
    expect(t, "T OK [MODIFIED 2:3]");
    expect(t, "* 1 FETCH (MODSEQ (");
    expect(t, "* 4 FETCH (MODSEQ (");
    expect(t, "* 2 FETCH (FLAGS (\\Flagged) MODSEQ (");
    t = imap_client_do(c, "UID STORE 1,3 (UNCHANGEDSINCE %llu) +FLAGS (\\Seen)", highest);
    expect(t, "T OK [MODIFIED 1,3]");
    t = imap_client_ok(c, "STORE 1 +FLAGS (\\Draft)");
    expect(t, "* 1 FETCH (FLAGS (\\Seen \\Draft) MODSEQ (");
    expect(imap_client_do(c, "STORE 1 (UNCHANGEDSINCE 0) FLAGS ()"), "T OK [MODIFIED 1]");
    expect(imap_client_do(c, "STORE 1 (CHANGEDSINCE 0) FLAGS ()"), "T BAD");
    imap_client_close(other);
    imap_client_close(c);
}

/* Another session's change under .SILENT is told all the same. */
static void tells_what_silence_may_not_hide(void **state)
{
    struct imap_client *c = in_mailbox("silent", 2), *other = imap_also_in(server, "silent");
    imap_client_ok(other, "STORE 1 +FLAGS.SILENT (\\Flagged)");
    const char *t = imap_client_ok(c, "STORE 1:2 +FLAGS.SILENT (\\Seen)");
    expect(t, "* 1 FETCH (FLAGS (\\Flagged");
    expect_not(t, "* 2 FETCH");
    imap_client_close(other);
    imap_client_close(c);
}

static void copies(void **state)
{
    struct imap_client *c = in_mailbox("from", 5);
    imap_client_ok(c, "CREATE to");
    imap_client_ok(c, "STORE 2 +FLAGS.SILENT (\\Flagged kept)");
    imap_client_ok(c, "STORE 4 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(c, "EXPUNGE");
    const char *t = imap_client_ok(c, "COPY 2:4 to");
    expect(t, "T OK [COPYUID ");
    expect(t, " 2:3,5 1:3] ");
    t = imap_client_ok(c, "UID COPY 5,1 to");
    expect(t, " 1,5 4:5] ");
    expect_not(imap_client_ok(c, "UID COPY 4 to"), "COPYUID");
    expect(imap_client_do(c, "COPY 1 nowhere"), "T NO [TRYCREATE]");
    expect(imap_client_do(c, "COPY 9 to"), "T BAD");
    t = imap_client_ok(c, "COPY 1 from");
    expect(t, " 1 6] ");
    expect(t, "* 5 EXISTS");
    t = imap_client_ok(c, "SELECT to");
    expect(t, "* 5 EXISTS");
    expect(imap_client_ok(c, "FETCH 1 FLAGS"), "\\Flagged kept");
    imap_client_close(c);
}

static void moves(void **state)
{
    struct imap_client *c = in_mailbox("move", 4), *other = imap_also_in(server, "move");
    imap_client_ok(c, "CREATE moved");
    const char *t = imap_client_ok(c, "MOVE 1,3:4 moved");
    const char *uids = strstr(t, "* OK [COPYUID "), *gone = strstr(t, "* 1 EXPUNGE");
    expect(t, " 1,3:4 1:3] ");
    assert_non_null(uids);
    assert_non_null(gone);
    assert_true(uids < gone);
    assert_int_equal(count(t, " EXPUNGE\r\n"), 3);
    expect_not(after_text(t, "T OK"), "COPYUID");
    assert_int_equal(count(imap_client_ok(other, "NOOP"), " EXPUNGE\r\n"), 3);
    imap_client_ok(c, "ENABLE QRESYNC");
    t = imap_client_ok(c, "UID MOVE 2 moved");
    expect(t, "* VANISHED 2\r\n");
    expect(imap_client_do(c, "UID MOVE 2 moved"), "T OK");
    expect(imap_client_do(c, "UID MOVE 2 nowhere"), "T NO [TRYCREATE]");
    expect(imap_client_ok(c, "STATUS moved (MESSAGES)"), "MESSAGES 4");
    imap_client_ok(other, "EXAMINE moved");
    expect(imap_client_do(other, "MOVE 1 move"), "T NO [READ-ONLY]");
    imap_client_close(other);
    imap_client_close(c);
}

static void expunges(void **state)
{
    struct imap_client *c = in_mailbox("expunge", 6);
    imap_client_ok(c, "STORE 1:4,6 +FLAGS.SILENT (\\Deleted)");
    const char *t = imap_client_ok(c, "UID EXPUNGE 2:3,5");
    assert_int_equal(count(t, " EXPUNGE\r\n"), 2);
    expect(imap_client_ok(c, "FETCH * UID"), "* 4 FETCH (UID 6)");
    expect_not(imap_client_ok(c, "UID EXPUNGE 99"), "EXPUNGE\r\n");
    t = imap_client_ok(c, "EXPUNGE");
    assert_int_equal(count(t, " EXPUNGE\r\n"), 3);
    expect(imap_client_ok(c, "FETCH 1:* UID"), "* 1 FETCH (UID 5)\r\nT OK");
    expect(imap_client_do(c, "UID EXPUNGE"), "T BAD");
    imap_client_close(c);
}

/* RFC 7162 3.2.7 and 3.2.9: who keeps the number must not ask for these changes again. */
static void tells_the_modseq_of_an_expunge(void **state)
{
    struct imap_client *c = in_mailbox("modseq", 4);
    imap_client_ok(c, "CREATE elsewhere");
    imap_client_ok(c, "STORE 1:2 +FLAGS.SILENT (\\Deleted)");
    expect_not(imap_client_ok(c, "UID EXPUNGE 1"), "HIGHESTMODSEQ");
    imap_client_ok(c, "ENABLE QRESYNC");
    unsigned long long expunged = 0, moved = 0;
    const char *t = imap_client_ok(c, "EXPUNGE");
    assert_int_equal(sscanf(after_text(t, "T OK "), "[HIGHESTMODSEQ %llu]", &expunged), 1);
    t = imap_client_ok(c, "UID MOVE 3 elsewhere");
    assert_int_equal(sscanf(after_text(t, "T OK "), "[HIGHESTMODSEQ %llu]", &moved), 1);
    assert_true(expunged > 0 && moved > expunged);
    t = imap_client_ok(c, "STATUS modseq (HIGHESTMODSEQ)");
    unsigned long long now = 0;
    assert_int_equal(sscanf(after_text(t, "(HIGHESTMODSEQ "), "%llu", &now), 1);
    assert_true(now == moved);
    expect_not(imap_client_ok(c, "UID MOVE 3 elsewhere"), "HIGHESTMODSEQ");
    imap_client_close(c);
}

static void takes_long_sets(void **state)
{
    struct imap_client *c = in_mailbox("long", 120);
    char set[1000] = "1";
    for (unsigned i = 3; i <= 119; i += 2)
        snprintf(set + strlen(set), sizeof set - strlen(set), ",%u", i);
    const char *t = imap_client_ok(c, "STORE %s +FLAGS (\\Deleted)", set);
    assert_int_equal(count(t, " FETCH ("), 60);
    t = imap_client_ok(c, "UID COPY %s long", set);
    expect(t, " 121:180] ");
    expect(t, "* 180 EXISTS");
    t = imap_client_ok(c, "EXPUNGE");
    assert_int_equal(count(t, " EXPUNGE\r\n"), 120);
    t = imap_client_ok(c, "UID FETCH 1:* FLAGS");
    assert_int_equal(count(t, " FETCH ("), 60);
    expect(t, "* 60 FETCH (UID 120 ");
    imap_client_close(c);
}

static void stores_what_is_left(void **state)
{
    struct imap_client *c = in_mailbox("left", 3), *other = imap_also_in(server, "left");
    imap_client_ok(other, "STORE 2 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(other, "EXPUNGE");
    const char *t = imap_client_do(c, "STORE 1:3 +FLAGS (\\Flagged)");
    expect(t, "* 1 FETCH (FLAGS (\\Flagged))");
    expect_not(t, "* 2 FETCH");
    expect(t, "* 3 FETCH (FLAGS (\\Flagged))");
    expect(t, "T OK [EXPUNGEISSUED]");
    t = imap_client_ok(c, "COPY 1:3 left");
    expect(t, " 1,3 4:5] ");
    expect(imap_client_ok(c, "NOOP"), "T OK");
    expect(imap_client_ok(c, "FETCH 1:* UID"), "* 4 FETCH (UID 5)\r\nT OK");
    imap_client_close(other);
    imap_client_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_flags),
        cmocka_unit_test(stores_conditionally),
        cmocka_unit_test(tells_what_silence_may_not_hide),
        cmocka_unit_test(copies),
        cmocka_unit_test(moves),
        cmocka_unit_test(expunges),
        cmocka_unit_test(tells_the_modseq_of_an_expunge),
        cmocka_unit_test(takes_long_sets),
        cmocka_unit_test(stores_what_is_left),
        cmocka_unit_test(limits_keywords), /* last: fills the account's table */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
