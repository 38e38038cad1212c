/* The frame of a session, driven over loopback: greeting, TLS, login, states, literals, errors. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/imap_fixture.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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

/* The texts are never NULL; inlined, the compiler believes they might be. */
__attribute__((noinline)) static void want(const char *text, const char *part)
{
    if (slice_find(slice_str(text), slice_str(part)) == strlen(text))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

__attribute__((noinline)) static void want_not(const char *text, const char *part)
{
    if (slice_find(slice_str(text), slice_str(part)) < strlen(text))
        fail_msg("\"%s\" is in \"%s\"", part, text);
}

static void test_clear(void **state)
{
    struct imap_client *c = imap_client_open(*state, false);
    const char *text = imap_client_until(c, "ready\r\n");
    want(text, "* OK [CAPABILITY IMAP4rev1 IMAP4rev2");
    want(text, "STARTTLS LOGINDISABLED");
    want_not(text, "AUTH=");
    want(imap_client_do(c, "LOGIN anna@example.org " IMAP_FIXTURE_PASSWORD),
         "T NO [PRIVACYREQUIRED]");
    want(imap_client_do(c, "AUTHENTICATE PLAIN AGE="), "T NO [PRIVACYREQUIRED]");
    want(imap_client_do(c, "SELECT INBOX"), "T BAD Log in first");
    imap_client_ok(c, "STARTTLS");
    imap_client_start_tls(c);
    text = imap_client_ok(c, "CAPABILITY");
    want(text, "AUTH=PLAIN");
    want_not(text, "STARTTLS");
    want_not(text, "LOGINDISABLED");
    want(imap_client_do(c, "STARTTLS"), "T BAD");
    imap_client_ok(c, "LOGIN anna@example.org " IMAP_FIXTURE_PASSWORD);
    imap_client_close(c);
}

/* Bytes sent in clear behind STARTTLS must not count under TLS. */
static void test_starttls_injection(void **state)
{
    struct imap_client *c = imap_client_open(*state, false);
    imap_client_until(c, "ready\r\n");
    imap_client_send(c, SLICE("a STARTTLS\r\nb NOOP\r\n"));
    assert_true(imap_client_closed(c));
    imap_client_close(c);
}

static void test_login(void **state)
{
    struct imap_client *c = imap_client_open(*state, true);
    want(imap_client_until(c, "ready\r\n"), "AUTH=PLAIN AUTH=LOGIN");
    want(imap_client_do(c, "LOGIN anna@example.org wrong-password"), "T NO [AUTHENTICATIONFAILED]");
    const char *text = imap_client_ok(c, "LOGIN \"anna@example.org\" " IMAP_FIXTURE_PASSWORD);
    want(text, "[CAPABILITY IMAP4rev1");
    static const char *const all[] = {"IMAP4rev2",
                                      "LITERAL+",
                                      "SASL-IR",
                                      "ID",
                                      "ENABLE",
                                      "IDLE",
                                      "NAMESPACE",
                                      "UIDPLUS",
                                      "UNSELECT",
                                      "MOVE",
                                      "CHILDREN",
                                      "SPECIAL-USE",
                                      "CREATE-SPECIAL-USE",
                                      "LIST-EXTENDED",
                                      "LIST-STATUS",
                                      "STATUS=SIZE",
                                      "ESEARCH",
                                      "SEARCHRES",
                                      "CONDSTORE",
                                      "QRESYNC",
                                      "BINARY",
                                      "MULTIAPPEND",
                                      "APPENDLIMIT=52428800",
                                      "QUOTA",
                                      "OBJECTID",
                                      "UTF8=ACCEPT"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        want(text, all[i]);
    want(imap_client_do(c, "LOGIN anna@example.org x"), "T BAD Logged in already");
    imap_client_ok(c, "NOOP");
    want(imap_client_ok(c, "LOGOUT"), "* BYE");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
}

static void test_authenticate(void **state)
{
    static const struct {
        const char *start, *lines[3], *answer;
    } cases[] = {
        /* \0anna@example.org\0sesame-street-9 */
        {"a AUTHENTICATE PLAIN AGFubmFAZXhhbXBsZS5vcmcAc2VzYW1lLXN0cmVldC05\r\n", {0}, "a OK"},
        {"a AUTHENTICATE PLAIN\r\n", {"AGFubmFAZXhhbXBsZS5vcmcAc2VzYW1lLXN0cmVldC05\r\n"}, "a OK"},
        {"a AUTHENTICATE LOGIN\r\n",
         {"YW5uYUBleGFtcGxlLm9yZw==\r\n", "c2VzYW1lLXN0cmVldC05\r\n"},
         "a OK"},
        {"a AUTHENTICATE LOGIN YW5uYUBleGFtcGxlLm9yZw==\r\n", {"c2VzYW1lLXN0cmVldC05\r\n"}, "a OK"},
        {"a AUTHENTICATE PLAIN\r\n", {"*\r\n"}, "a BAD"},
        {"a AUTHENTICATE PLAIN\r\n", {"!!!\r\n"}, "a BAD"},
        {"a AUTHENTICATE CRAM-MD5\r\n", {0}, "a NO"},
        {"a AUTHENTICATE\r\n", {0}, "a BAD"},
        /* ben\0anna@example.org\0... */
        {"a AUTHENTICATE PLAIN YmVuAGFubmFAZXhhbXBsZS5vcmcAc2VzYW1lLXN0cmVldC05\r\n", {0}, "a NO"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_client *c = imap_client_open(*state, true);
        imap_client_until(c, "ready\r\n");
        imap_client_send(c, slice_str(cases[i].start));
        for (size_t k = 0; k < 3 && cases[i].lines[k]; k++) {
            imap_client_until(c, "+ ");
            imap_client_send(c, slice_str(cases[i].lines[k]));
        }
        imap_client_until(c, cases[i].answer);
        imap_client_send(c, SLICE("b NOOP\r\n"));
        imap_client_until(c, "b OK");
        imap_client_close(c);
    }
}

static void test_pipeline(void **state)
{
    struct imap_client *c = imap_client_open(*state, true);
    imap_client_send(c, SLICE("a LOGIN {16+}\r\nanna@example.org {15+}\r\n" IMAP_FIXTURE_PASSWORD
                              "\r\nb SELECT {5+}\r\nINBOX\r\n\r\nc NOOP\r\nd LOGOUT\r\n"));
    const char *text = imap_client_until(c, "d OK");
    want(text, "a OK");
    want(text, "b OK [READ-WRITE]");
    want(text, "c OK");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
}

static void test_sync_literals(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    imap_client_send(c, SLICE("a STATUS {5}\r\n"));
    imap_client_until(c, "+ ");
    imap_client_send(c, SLICE("in"));
    imap_client_send(c, SLICE("box (MESSAGES)\r\n"));
    want(imap_client_until(c, "a OK"), "* STATUS \"INBOX\" (MESSAGES 0)");
    /* Too big: refused before it is read, and the session goes on. */
    want(imap_client_do(c, "STATUS {2000000}"), "T NO [TOOBIG]");
    want(imap_client_do(c, "APPEND INBOX {60000000}"), "T NO [TOOBIG]");
    want(imap_client_do(c, "APPEND {2000000}"), "T NO [TOOBIG]");
    want(imap_client_do(c, "STATUS {99999999999999999999999999}"), "T NO [TOOBIG]");
    imap_client_ok(c, "NOOP");
    imap_client_close(c);
}

static void test_literal_floods(void **state)
{
    static const char *const floods[] = {
        "a STATUS {5000+}\r\n",
        "a APPEND INBOX {60000000+}\r\n",
        "a APPEND {5000+}\r\n",
        "a X {99999999999999999999999999+}\r\n",
    };
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct imap_client *c = imap_client_anna(*state);
        imap_client_send(c, slice_str(floods[i]));
        imap_client_until(c, "* BYE [TOOBIG]");
        assert_true(imap_client_closed(c));
        imap_client_close(c);
    }
    /* Many small ones. */
    struct imap_client *c = imap_client_anna(*state);
    imap_client_send(c, SLICE("a SEARCH"));
    for (int i = 0; i < 1100; i++)
        imap_client_send(c, SLICE(" TEXT {1+}\r\nx"));
    imap_client_send(c, SLICE("\r\n"));
    imap_client_until(c, "* BYE [TOOBIG]");
    imap_client_close(c);
    /* Before login less is taken. */
    c = imap_client_open(*state, true);
    imap_client_until(c, "ready\r\n");
    want(imap_client_do(c, "LOGIN {5000}"), "T NO [TOOBIG]");
    imap_client_close(c);
}

static void test_bad_input(void **state)
{
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"a\r\n", "* BAD"},
        {" \r\n", "* BAD"},
        {"a FOO\r\n", "a BAD Unknown command"},
        {"a UID\r\n", "a BAD"},
        {"a UID NOOP\r\n", "a BAD Unknown command"},
        {"a NOOP x\r\n", "a BAD"},
        {"a SELECT\r\n", "a BAD"},
        {"a SELECT \"x\r\n", "a BAD"},
        {"a FETCH 1 FLAGS\r\n", "a BAD Select a mailbox first"},
        {"a SELECT nowhere\r\n", "a NO [NONEXISTENT]"},
        {"a SELECT INBOX (QRESYNC (1 2))\r\n", "a BAD"},
        {"a ENABLE\r\n", "a BAD"},
        {"\xff\xfe NOOP\r\n", "* BAD"},
    };
    struct imap_client *c = imap_client_anna(*state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        imap_client_send(c, slice_str(cases[i].line));
        imap_client_until(c, cases[i].answer);
        imap_client_ok(c, "NOOP");
    }
    imap_client_send(c, slice_of("a NOOP\0\r\n", 9));
    imap_client_until(c, "a BAD");
    imap_client_close(c);
}

static void test_nesting(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    imap_client_ok(c, "SELECT INBOX");
    imap_client_send(c, SLICE("a SEARCH "));
    for (int i = 0; i < 10000; i++)
        imap_client_send(c, SLICE("("));
    imap_client_send(c, SLICE("\r\n"));
    imap_client_until(c, "a BAD");
    imap_client_ok(c, "NOOP");
    imap_client_close(c);
}

static void test_long_line(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    uint8_t piece[1000];
    memset(piece, 'x', sizeof piece);
    imap_client_send(c, SLICE("a SELECT "));
    for (int i = 0; i < 1000; i++)
        imap_client_send(c, slice_of(piece, sizeof piece));
    imap_client_send(c, SLICE("\r\n"));
    imap_client_until(c, "a BAD [TOOBIG]");
    imap_client_ok(c, "NOOP");
    imap_client_close(c);
}

/* A line that never ends is not read for ever. */
static void test_endless_line(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    uint8_t piece[32 * 1024];
    memset(piece, 'x', sizeof piece);
    imap_client_send(c, SLICE("a SELECT "));
    for (size_t sent = 0; sent < LIMIT_IMAP_LINE + LIMIT_IMAP_ERRORS * LIMIT_IMAP_SKIPPED;
         sent += sizeof piece)
        imap_client_send(c, slice_of(piece, sizeof piece));
    imap_client_until(c, "* BYE Too many errors");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
}

/* A tag is echoed, so it may not be long. */
static void test_long_tag(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    uint8_t tag[LIMIT_IMAP_TAG + 1];
    memset(tag, 'y', sizeof tag);
    imap_client_send(c, slice_of(tag, sizeof tag));
    imap_client_send(c, SLICE(" NOOP\r\n"));
    want_not(imap_client_until(c, "* BAD [TOOBIG] The tag is too long"), "yy");
    imap_client_send(c, slice_of(tag, sizeof tag - 1));
    imap_client_send(c, SLICE(" NOOP\r\n"));
    want(imap_client_until(c, "yy OK"), "yy OK");
    imap_client_close(c);
}

static void test_error_limit(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    for (int i = 0; i < LIMIT_IMAP_ERRORS - 1; i++)
        want(imap_client_do(c, "FOO"), "T BAD");
    imap_client_ok(c, "NOOP"); /* forgives */
    for (int i = 0; i < LIMIT_IMAP_ERRORS - 1; i++)
        want(imap_client_do(c, "FOO"), "T BAD");
    imap_client_send(c, SLICE("a FOO\r\n"));
    imap_client_until(c, "* BYE Too many errors");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
    /* Before login nothing is forgiven. */
    c = imap_client_open(*state, true);
    imap_client_until(c, "ready\r\n");
    for (int i = 0; i < LIMIT_IMAP_ERRORS - 1; i++) {
        want(imap_client_do(c, "FOO"), "T BAD");
        imap_client_ok(c, "NOOP");
    }
    imap_client_send(c, SLICE("a FOO\r\n"));
    imap_client_until(c, "* BYE Too many errors");
    imap_client_close(c);
}

static void test_id_enable(void **state)
{
    struct imap_client *c = imap_client_anna(*state);
    want(imap_client_ok(c, "ID (\"name\" \"test\" \"version\" NIL)"),
         "* ID (\"name\" \"Depesche\"");
    imap_client_ok(c, "ID NIL");
    want(imap_client_ok(c, "ENABLE CONDSTORE foo"), "* ENABLED CONDSTORE\r\n");
    want(imap_client_ok(c, "ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2"),
         "* ENABLED QRESYNC UTF8=ACCEPT IMAP4rev2\r\n");
    want(imap_client_ok(c, "NAMESPACE"), "* NAMESPACE ((\"\" \"/\")) NIL NIL");
    imap_client_close(c);
}

/* --- Several sessions on one mailbox --- */

static const char message[] = "From: a@example.org\nSubject: one\n\nHello\n";

static void test_idle_push(void **state)
{
    struct imap_fixture *f = *state;
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "SELECT INBOX");
    imap_client_send(c, SLICE("i IDLE\r\n"));
    imap_client_until(c, "+ ");
    int64_t worst = 0;
    for (int i = 0; i < 10; i++) {
        imap_fixture_append(f, f->anna.id, "INBOX", message);
        int64_t before = clock_us();
        imap_client_until(c, " EXISTS\r\n");
        int64_t took = clock_us() - before;
        worst = took > worst ? took : worst;
    }
    assert_true(worst < 1000000);
    imap_client_send(c, SLICE("DONE\r\n"));
    imap_client_until(c, "i OK");
    want_not(imap_client_ok(c, "NOOP"), "EXISTS");
    /* Not in IDLE: told at the next command. */
    imap_fixture_append(f, f->anna.id, "INBOX", message);
    want(imap_client_ok(c, "NOOP"), "EXISTS");
    imap_client_send(c, SLICE("j IDLE\r\n"));
    imap_client_until(c, "+ ");
    imap_client_send(c, SLICE("nonsense\r\n"));
    imap_client_until(c, "j BAD");
    imap_client_ok(c, "NOOP");
    imap_client_close(c);
}

/* Makes a mailbox with `n` messages and selects it. */
static struct imap_client *with_messages(struct imap_fixture *f, const char *mailbox, int n)
{
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "CREATE %s", mailbox);
    for (int i = 0; i < n; i++)
        imap_fixture_append(f, f->anna.id, mailbox, message);
    imap_client_ok(c, "SELECT %s", mailbox);
    return c;
}

static void test_others_see(void **state)
{
    struct imap_fixture *f = *state;
    struct imap_client *a = with_messages(f, "shared", 5);
    struct imap_client *b = imap_client_anna(f), *q = imap_client_anna(f);
    want(imap_client_ok(b, "SELECT shared"), "* 5 EXISTS");
    imap_client_ok(q, "ENABLE QRESYNC");
    imap_client_ok(q, "SELECT shared");
    imap_client_send(q, SLICE("i IDLE\r\n"));
    imap_client_until(q, "+ ");
    imap_client_ok(a, "STORE 2 +FLAGS (\\Flagged)");
    want(imap_client_until(q, "MODSEQ"), "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (");
    want(imap_client_ok(b, "NOOP"), "* 2 FETCH (FLAGS (\\Flagged))\r\n");
    imap_client_ok(a, "STORE 2 +FLAGS ($New)");
    const char *text = imap_client_ok(b, "NOOP");
    want(text, "* FLAGS (");
    want(text, "* 2 FETCH (FLAGS (\\Flagged $New))");
    imap_client_ok(a, "STORE 2:3,5 +FLAGS.SILENT (\\Deleted)");
    imap_client_ok(b, "NOOP");
    want(imap_client_ok(a, "EXPUNGE"), "EXPUNGE\r\n");
    imap_client_until(q, "* VANISHED 2:3,5\r\n");
    /* Message numbers must stay during FETCH by number. */
    text = imap_client_ok(b, "FETCH 4 UID");
    want_not(text, "EXPUNGE");
    want(text, "* 4 FETCH (UID 4)");
    text = imap_client_ok(b, "NOOP");
    want(text, "* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n");
    want(imap_client_ok(b, "FETCH 2 UID"), "* 2 FETCH (UID 4)");
    imap_client_close(a);
    imap_client_close(b);
    imap_client_close(q);
}

static void test_mailbox_deleted(void **state)
{
    struct imap_client *a = with_messages(*state, "doomed", 1);
    struct imap_client *b = imap_client_anna(*state);
    imap_client_ok(b, "DELETE doomed");
    imap_client_send(a, SLICE("x NOOP\r\n"));
    imap_client_until(a, "* BYE");
    assert_true(imap_client_closed(a));
    imap_client_close(a);
    imap_client_close(b);
    /* Its own: stays, in the authenticated state. */
    a = with_messages(*state, "doomed", 1);
    want(imap_client_ok(a, "DELETE doomed"), "* OK [CLOSED]");
    want(imap_client_do(a, "FETCH 1 UID"), "T BAD");
    imap_client_close(a);
}

static void test_revoked(void **state)
{
    struct imap_fixture *f = *state;
    struct imap_client *c = imap_client_open(f, true);
    imap_client_ok(c, "LOGIN ben@example.org " IMAP_FIXTURE_PASSWORD);
    imap_client_ok(c, "SELECT INBOX");
    imap_client_send(c, SLICE("i IDLE\r\n"));
    imap_client_until(c, "+ ");
    assert_int_equal(directory_account_state(f->service.directory, f->ben.id, ACCOUNT_NO_LOGIN),
                     OK);
    imap_client_until(c, "* BYE");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
    c = imap_client_open(f, true);
    want(imap_client_do(c, "LOGIN ben@example.org " IMAP_FIXTURE_PASSWORD),
         "T NO [AUTHORIZATIONFAILED]");
    imap_client_close(c);
    assert_int_equal(directory_account_state(f->service.directory, f->ben.id, ACCOUNT_ACTIVE), OK);
}

/* A webmail that may hand over its client's address: that one is locked out, not the webmail. */
static void test_proxied_lockout(void **state)
{
    struct imap_client *c;
    for (int i = 0; i < 5; i++) {
        c = imap_client_open(*state, true);
        imap_client_ok(c, "ID (\"x-originating-ip\" \"192.0.2.7\")");
        want(imap_client_do(c, "LOGIN anna@example.org wrong-%d", i), "T NO");
        imap_client_close(c);
    }
    c = imap_client_open(*state, true);
    want(imap_client_do(c, "ID (\"x-originating-ip\" \"192.0.2.7\")"), "* BYE");
    imap_client_close(c);
    c = imap_client_anna(*state);
    imap_client_close(c);
}

static void test_lockout(void **state)
{
    struct imap_fixture *f = imap_fixture_start();
    struct imap_client *c = imap_client_open(f, true);
    for (int i = 0; i < 5; i++)
        want(imap_client_do(c, "LOGIN anna@example.org wrong-%d", i), "T NO");
    imap_client_send(c, SLICE("x LOGIN anna@example.org " IMAP_FIXTURE_PASSWORD "\r\n"));
    imap_client_until(c, "* BYE");
    imap_client_close(c);
    c = imap_client_open(f, true);
    const char *bye = imap_client_until(c, "* BYE");
    want(bye, "Too many wrong passwords");
    want(bye, "try again in 20 minutes\r\n");
    assert_true(imap_client_closed(c));
    imap_client_close(c);
    imap_fixture_stop(f);
}

static void test_stop(void **state)
{
    struct imap_fixture *f = imap_fixture_start();
    struct imap_client *c = imap_client_anna(f);
    imap_client_ok(c, "SELECT INBOX");
    imap_client_send(c, SLICE("i IDLE\r\n"));
    imap_client_until(c, "+ ");
    imap_fixture_stop(f);
    imap_client_until(c, "* BYE");
    imap_client_close(c);
}

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_starttls_injection),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_authenticate),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_sync_literals),
        cmocka_unit_test(test_literal_floods),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_long_tag),
        cmocka_unit_test(test_error_limit),
        cmocka_unit_test(test_id_enable),
        cmocka_unit_test(test_idle_push),
        cmocka_unit_test(test_others_see),
        cmocka_unit_test(test_mailbox_deleted),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_proxied_lockout),
        cmocka_unit_test(test_lockout),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
