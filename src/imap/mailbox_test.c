/* Mailbox commands over loopback: SELECT with QRESYNC, CREATE, DELETE, RENAME, LIST, LSUB, STATUS,
 * QUOTA. */
#include "base/log.h"
#include "imap/imap_expect.h"

static const char mail[] = "From: a@example.org\nSubject: one\n\nHello\n";

static int start(void **state)
{
    *state = imap_fixture_start();
    return 0;
}

static int stop(void **state)
{
    imap_fixture_stop(*state);
    return 0;
}

/* The number that stands behind `label`. */
static unsigned long long number_after(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    if (!at)
        fail_msg("no %s in %s", label, text);
    return strtoull(at + strlen(label), NULL, 10);
}

static void test_select(void **state)
{
    struct imap_client *c = imap_in_mailbox(*state, "plain", mail, 3);
    const char *t = imap_client_ok(c, "SELECT plain");
    expect(t, "* OK [CLOSED]");
    expect(t, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft");
    expect(t, "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft");
    expect(t, "\\*)]");
    expect(t, "* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1]");
    expect(t, "* OK [UIDVALIDITY ");
    expect(t, "* OK [UIDNEXT 4]");
    expect(t, "* OK [HIGHESTMODSEQ ");
    expect(t, "* OK [MAILBOXID (B");
    expect(t, "T OK [READ-WRITE]");
    imap_client_ok(c, "STORE 1:2 +FLAGS (\\Seen)");
    t = imap_client_ok(c, "EXAMINE plain");
    expect(t, "[UNSEEN 3]");
    expect(t, "* OK [PERMANENTFLAGS ()]");
    expect(t, "T OK [READ-ONLY]");
    expect(imap_client_do(c, "STORE 1 +FLAGS (\\Seen)"), "T NO [READ-ONLY]");
    imap_client_ok(c, "UNSELECT");
    expect(imap_client_do(c, "CHECK"), "T BAD");
    imap_client_ok(c, "ENABLE IMAP4rev2");
    t = imap_client_ok(c, "SELECT plain");
    expect_not(t, "RECENT");
    expect_not(t, "UNSEEN");
    expect(t, "* LIST () \"/\" \"plain\"");
    /* A failed SELECT leaves nothing selected. */
    expect(imap_client_do(c, "SELECT nowhere"), "T NO [NONEXISTENT]");
    expect(imap_client_do(c, "CHECK"), "T BAD");
    imap_client_ok(c, "SELECT plain");
    imap_client_ok(c, "CHECK");
    imap_client_close(c);
}

/* A name has one form on the wire, and comes back in it. */
static void test_encoded_names(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    static const char *const bad[] = {"&", "&2AA-", "&AC8-", "x&AGE-", "a&b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(imap_client_do(c, "CREATE \"%s\"", bad[i]), "T BAD The mailbox name is not");
    imap_client_ok(c, "CREATE \"ja&-nein&AOQ-\"");
    expect(imap_client_ok(c, "LIST \"\" ja*"), "\"ja&-nein&AOQ-\"\r\nT OK");
    imap_client_ok(c, "ENABLE UTF8=ACCEPT");
    expect(imap_client_ok(c, "LIST \"\" ja*"), "\"ja&nein\xc3\xa4\"\r\nT OK");
    imap_client_ok(c, "CREATE \"ja&2AA-\"");
    imap_client_close(c);
    c = imap_client_anna(*state);
    expect(imap_client_ok(c, "LIST \"\" ja&-2*"), "\"ja&-2AA-\"\r\nT OK");
    imap_client_ok(c, "DELETE \"ja&-2AA-\"");
    imap_client_ok(c, "DELETE \"ja&-nein&AOQ-\"");
    imap_client_close(c);
}

static void test_close(void **state)
{
    struct imap_client *c = imap_in_mailbox(*state, "closing", mail, 3);
    imap_client_ok(c, "STORE 2 +FLAGS (\\Deleted)");
    imap_client_ok(c, "UNSELECT");
    expect(imap_client_ok(c, "SELECT closing"), "* 3 EXISTS");
    imap_client_ok(c, "EXAMINE closing");
    imap_client_ok(c, "CLOSE");
    expect(imap_client_ok(c, "SELECT closing"), "* 3 EXISTS");
    expect_not(imap_client_ok(c, "CLOSE"), "EXPUNGE");
    expect(imap_client_ok(c, "SELECT closing"), "* 2 EXISTS");
    imap_client_close(c);
}

static void test_qresync(void **state)
{
    struct imap_client *c = imap_in_mailbox(*state, "resync", mail, 10);
    struct imap_client *q = imap_client_anna(*state);
    expect(imap_client_do(q, "SELECT resync (QRESYNC (1 1))"), "T BAD");
    imap_client_ok(q, "ENABLE QRESYNC");
    const char *t = imap_client_ok(q, "SELECT resync (CONDSTORE)");
    unsigned validity = (unsigned)number_after(t, "UIDVALIDITY ");
    unsigned long long modseq = number_after(t, "HIGHESTMODSEQ ");
    expect_not(imap_client_ok(q, "SELECT resync (QRESYNC (%u %llu))", validity, modseq), "FETCH");
    imap_client_ok(c, "STORE 1:2,7,8 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(c, "EXPUNGE");
    imap_client_ok(c, "UID STORE 5,9 +FLAGS (\\Flagged)");
    t = imap_client_ok(q, "SELECT resync (QRESYNC (%u %llu))", validity, modseq);
    expect(t, "* 6 EXISTS");
    expect(t, "* VANISHED (EARLIER) 1:2,7:8\r\n");
    expect(t, "* 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (");
    expect(t, "* 5 FETCH (UID 9 FLAGS (\\Flagged) MODSEQ (");
    expect_not(t, "UID 4");
    /* Only what the client knows. */
    t = imap_client_ok(q, "SELECT resync (QRESYNC (%u %llu 2:5))", validity, modseq);
    expect(t, "* VANISHED (EARLIER) 2\r\n");
    expect(t, "UID 5 FLAGS");
    expect_not(t, "UID 9 FLAGS");
    t = imap_client_ok(q, "SELECT resync (QRESYNC (%u %llu 1:10 (1,3 1,3)))", validity, modseq);
    expect(t, "* VANISHED (EARLIER) 1:2,7:8\r\n");
    /* Another validity: nothing of it means anything. */
    t = imap_client_ok(q, "SELECT resync (QRESYNC (%u %llu))", validity + 1, modseq);
    expect_not(t, "VANISHED");
    expect_not(t, "FETCH");
    /* A mod-sequence from before the log: whatever is not there has vanished. */
    t = imap_client_ok(q, "SELECT resync (QRESYNC (%u 1))", validity);
    expect(t, "* VANISHED (EARLIER) 1:2,7:8\r\n");
    expect(t, "UID 3 FLAGS");
    expect(imap_client_do(q, "SELECT resync (QRESYNC (0 1))"), "T BAD");
    expect(imap_client_do(q, "SELECT resync (QRESYNC (1))"), "T BAD");
    expect(imap_client_do(q, "SELECT resync (QRESYNC (1 2 1:*))"), "T BAD");
    expect(imap_client_do(q, "SELECT resync (QRESYNC (1 2 1:3 (1 2)) QRESYNC (1 2))"), "T BAD");
    imap_client_close(q);
    imap_client_close(c);
}

static void test_create(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    expect(imap_client_ok(c, "CREATE a/b/c"), "T OK [MAILBOXID (B");
    expect(imap_client_do(c, "CREATE a/b"), "T NO [ALREADYEXISTS]");
    expect(imap_client_do(c, "CREATE inbox"), "T NO [ALREADYEXISTS]");
    expect(imap_client_do(c, "CREATE a//b"), "T NO [CANNOT]");
    expect(imap_client_do(c, "CREATE \"\""), "T NO");
    imap_client_ok(c, "CREATE withslash/");
    expect(imap_client_ok(c, "LIST \"\" withslash"), "\"withslash\"");
    expect(imap_client_do(c, "CREATE x (USE (\\Drafts))"), "T NO [USEATTR]");
    expect(imap_client_do(c, "CREATE x (USE (\\All))"), "T NO [USEATTR]");
    imap_client_ok(c, "CREATE Starred (USE (\\Flagged))");
    expect(imap_client_ok(c, "LIST (SPECIAL-USE) \"\" *"), "\\Flagged) \"/\" \"Starred\"");
    expect(imap_client_do(c, "DELETE a/b"), "T NO [HASCHILDREN]");
    expect(imap_client_do(c, "DELETE INBOX"), "T NO [CANNOT]");
    expect(imap_client_do(c, "DELETE nowhere"), "T NO [NONEXISTENT]");
    imap_client_ok(c, "DELETE a/b/c");
    imap_client_ok(c, "DELETE a/b");
    imap_client_ok(c, "DELETE a");
    imap_client_close(c);
}

static void test_names(void **state)
{
    struct imap_client *c = imap_client_anna(*state), *u = imap_client_anna(*state);
    imap_client_ok(u, "ENABLE UTF8=ACCEPT");
    imap_client_ok(c, "CREATE Entw&APw-rfe2");
    expect(imap_client_ok(c, "LIST \"\" Entw*2"), "\"Entw&APw-rfe2\"\r\n");
    expect(imap_client_ok(u, "LIST \"\" \"Entw\xc3\xbc*\""), "\"Entw\xc3\xbcrfe2\"\r\n");
    expect(imap_client_ok(u, "STATUS \"Entwu\xcc\x88rfe2\" (MESSAGES)"), "Entw\xc3\xbcrfe2");
    imap_client_ok(u, "CREATE \"R&D\"");
    expect(imap_client_ok(c, "LIST \"\" R*"), "\"R&-D\"\r\n");
    imap_client_ok(c, "SELECT R&-D");
    expect(imap_client_do(u, "CREATE \"\xff\""), "T BAD");
    imap_client_ok(c, "CREATE \"quote\\\"d\"");
    expect(imap_client_ok(c, "LIST \"\" quote*"), "\"quote\\\"d\"\r\n");
    imap_client_close(c);
    imap_client_close(u);
}

static void test_rename(void **state)
{
    struct imap_client *c = imap_in_mailbox(*state, "old/sub", mail, 1);
    imap_client_ok(c, "RENAME old new");
    expect(imap_client_ok(c, "LIST \"\" *"), "\"new/sub\"");
    imap_client_ok(c, "FETCH 1 UID"); /* stays selected */
    expect(imap_client_do(c, "RENAME nowhere x"), "T NO [NONEXISTENT]");
    expect(imap_client_do(c, "RENAME new INBOX"), "T NO [ALREADYEXISTS]");
    expect(imap_client_do(c, "RENAME new new/below"), "T NO [CANNOT]");
    imap_client_ok(c, "ENABLE IMAP4rev2");
    expect(imap_client_ok(c, "RENAME new newer"),
           "* LIST () \"/\" \"newer\" (\"OLDNAME\" (\"new\"))\r\n");
    imap_client_close(c);
}

static void test_list(void **state)
{
    struct imap_client *c = imap_client_open(*state, true);
    imap_client_ok(c, "LOGIN ben@example.org " IMAP_FIXTURE_PASSWORD);
    expect(imap_client_ok(c, "LIST \"\" \"\""), "* LIST (\\Noselect) \"/\" \"\"\r\n");
    const char *t = imap_client_ok(c, "LIST \"\" *");
    expect(t, "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n");
    expect(t, "\\Drafts)");
    expect(t, "\\Sent)");
    expect(t, "\\Junk)");
    expect(t, "\\Trash)");
    expect(t, "\\Archive)");
    imap_client_ok(c, "CREATE p/q/r");
    t = imap_client_ok(c, "LIST \"\" p%%");
    expect(t, "* LIST (\\HasChildren) \"/\" \"p\"\r\n");
    expect_not(t, "p/q");
    t = imap_client_ok(c, "LIST p/ %%");
    expect(t, "* LIST (\\HasChildren) \"/\" \"p/q\"\r\n");
    expect_not(t, "p/q/r");
    t = imap_client_ok(c, "LIST \"\" (INBOX p/q/%%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))");
    expect(t, "* STATUS \"INBOX\" (MESSAGES 0 UNSEEN 0)\r\n");
    expect(t, "* STATUS \"p/q/r\" (MESSAGES 0 UNSEEN 0)\r\n");
    expect(imap_client_ok(c, "LIST \"\" inbox"), "\"INBOX\"");
    expect(imap_client_do(c, "LIST (RECURSIVEMATCH) \"\" *"), "T BAD");
    expect(imap_client_do(c, "LIST (FOO) \"\" *"), "T BAD");
    expect(imap_client_do(c, "LIST \"\" * RETURN (FOO)"), "T BAD");
    expect(imap_client_do(c, "LIST \"\" ()"), "T BAD");
    imap_client_ok(c, "LIST () \"\" * RETURN ()");
    imap_client_close(c);
}

static void test_subscriptions(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    imap_client_ok(c, "CREATE s/t/u");
    imap_client_ok(c, "UNSUBSCRIBE s");
    imap_client_ok(c, "UNSUBSCRIBE s/t");
    imap_client_ok(c, "SUBSCRIBE s/t/u");
    imap_client_ok(c, "SUBSCRIBE ghost/child");
    const char *t = imap_client_ok(c, "LIST (SUBSCRIBED) \"\" *");
    expect(t, "\\Subscribed) \"/\" \"s/t/u\"\r\n");
    expect(t, "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" \"ghost/child\"\r\n");
    expect_not(t, "\"s\"");
    t = imap_client_ok(c, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %%");
    expect(t, "* LIST (\\HasChildren) \"/\" \"s\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    expect(t, "* LIST (\\NonExistent) \"/\" \"ghost\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    expect_not(t, "s/t");
    t = imap_client_ok(c, "LIST \"\" s* RETURN (SUBSCRIBED)");
    expect(t, "* LIST (\\HasChildren) \"/\" \"s/t\"\r\n");
    expect(t, "* LIST (\\HasNoChildren \\Subscribed) \"/\" \"s/t/u\"\r\n");
    t = imap_client_ok(c, "LSUB \"\" *");
    expect(t, "* LSUB (\\HasNoChildren) \"/\" \"s/t/u\"\r\n");
    expect(t, "\"ghost/child\"");
    expect_not(t, "\"s\"");
    t = imap_client_ok(c, "LSUB \"\" %%");
    expect(t, "* LSUB (\\Noselect) \"/\" \"s\"\r\n");
    expect(t, "* LSUB (\\Noselect) \"/\" \"ghost\"\r\n");
    expect(t, "\"INBOX\"");
    imap_client_ok(c, "UNSUBSCRIBE ghost/child");
    expect_not(imap_client_ok(c, "LSUB \"\" *"), "ghost");
    imap_client_close(c);
}

static void test_status(void **state)
{
    struct imap_client *c = imap_in_mailbox(*state, "counted", mail, 3);
    size_t size = strlen(mail) + 4; /* LF become CRLF */
    imap_client_ok(c, "STORE 1 +FLAGS.SILENT (\\Seen \\Deleted)");
    const char *t = imap_client_ok(
        c, "STATUS counted (MESSAGES RECENT UIDNEXT UNSEEN DELETED SIZE DELETED-STORAGE)");
    char want[128];
    snprintf(want, sizeof want,
             "(MESSAGES 3 RECENT 0 UIDNEXT 4 UNSEEN 2 DELETED 1 SIZE %zu DELETED-STORAGE %zu)",
             3 * size, size);
    expect(t, want);
    t = imap_client_ok(c, "STATUS counted (HIGHESTMODSEQ APPENDLIMIT MAILBOXID UIDVALIDITY)");
    expect(t, "* OK [HIGHESTMODSEQ "); /* it switches CONDSTORE on */
    expect(t, "APPENDLIMIT 52428800");
    expect(t, "MAILBOXID (B");
    expect(t, "(UIDVALIDITY ");
    assert_int_equal(number_after(t, "[HIGHESTMODSEQ "), number_after(t, " HIGHESTMODSEQ "));
    expect(imap_client_do(c, "STATUS counted ()"), "T BAD");
    expect(imap_client_do(c, "STATUS counted (FOO)"), "T BAD");
    expect(imap_client_do(c, "STATUS nowhere (MESSAGES)"), "T NO [NONEXISTENT]");
    imap_client_close(c);
}

static void test_quota(void **state)
{
    struct imap_fixture *f = *state;
    struct imap_client *c = imap_client_anna(f);
    const char *t = imap_client_ok(c, "GETQUOTAROOT INBOX");
    expect(t, "* QUOTAROOT \"INBOX\"\r\nT OK");
    expect(imap_client_do(c, "GETQUOTA \"\""), "T NO [NONEXISTENT]");
    /* A change counts at once, in a session that lives. */
    assert_int_equal(directory_account_quota(f->service.directory, f->anna.id, 1024 * 1024), OK);
    expect(imap_client_ok(c, "GETQUOTAROOT INBOX"),
           "* QUOTAROOT \"INBOX\" \"\"\r\n* QUOTA \"\" (STORAGE ");
    expect(imap_client_ok(c, "GETQUOTA \"\""), "* QUOTA \"\" (STORAGE ");
    expect(imap_client_ok(c, "GETQUOTA \"\""), " 1024)");
    expect(imap_client_do(c, "GETQUOTA other"), "T NO");
    expect(imap_client_do(c, "GETQUOTAROOT nowhere"), "T NO");
    /* Refused before it is read. */
    expect(imap_client_do(c, "APPEND INBOX {2000000}"), "T NO [OVERQUOTA]");
    assert_int_equal(directory_account_quota(f->service.directory, f->anna.id, 0), OK);
    expect(imap_client_do(c, "GETQUOTA \"\""), "T NO [NONEXISTENT]");
    imap_client_close(c);
}

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),        cmocka_unit_test(test_close),
        cmocka_unit_test(test_qresync),       cmocka_unit_test(test_create),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_rename),
        cmocka_unit_test(test_list),          cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_status),        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_encoded_names),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
