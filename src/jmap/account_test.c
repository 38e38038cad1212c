/* Tests of Password, ClientSession and Settings methods. */
#include "base/clock.h"
#include "jmap/jmap_fixture.h"
#include "jmap/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct jmap_fixture *f;

static int set_up(void **state)
{
    f = jmap_fixture_start();
    return 0;
}

static int tear_down(void **state)
{
    jmap_fixture_stop(f);
    return 0;
}

#define OLD "'old': '" JMAP_FIXTURE_PASSWORD "'"
#define NEW "Better-Passw0rd"

/* A web session of anna's; its id. */
static uint64_t web_session(char token[WEB_TOKEN_TEXT + 1], const char *agent)
{
    struct web_session s;
    struct account a;
    char fresh[WEB_TOKEN_TEXT + 1];
    assert_int_equal(directory_account_get(f->service.directory, f->anna.id, &a), OK);
    assert_int_equal(
        web_session_begin(f->service.sessions, &a, f->user.peer, slice_str(agent), token), OK);
    assert_int_equal(web_session_find(f->service.sessions, slice_of(token, WEB_TOKEN_TEXT),
                                      f->user.peer, &s, &a, fresh),
                     OK);
    return s.id;
}

static bool is_alive(const char token[WEB_TOKEN_TEXT + 1])
{
    struct web_session s;
    struct account a;
    char fresh[WEB_TOKEN_TEXT + 1];
    return web_session_find(f->service.sessions, slice_of(token, WEB_TOKEN_TEXT), f->user.peer, &s,
                            &a, fresh) == OK;
}

static bool logs_in(const char *password)
{
    struct account a;
    int64_t until;
    const struct login_request rq = {.service = "imap",
                                     .peer = f->user.peer,
                                     .user = SLICE("anna@example.org"),
                                     .password = slice_str(password)};
    return login_check(f->service.login, &rq, &a, &until) == LOGIN_OK;
}

/* --- Password --- */

static void test_password_check(void **state)
{
    jmap_expect_call(f, "Password/check", "{'accountId': 'A1', 'new': 'short'}",
                     "{'accountId': 'A1', 'ok': false, 'reason':"
                     " 'The password needs at least 8 characters.', 'advice': null}");
    jmap_expect_call(f, "Password/check", "{'accountId': 'A1', 'new': 'short', 'language': 'de'}",
                     "{'accountId': 'A1', 'ok': false, 'reason':"
                     " 'Das Passwort braucht mindestens 8 Zeichen.', 'advice': null}");
    jmap_expect_call(f, "Password/check", "{'accountId': 'A1', 'new': 'abcdefgh'}",
                     "{'accountId': 'A1', 'ok': true, 'reason': null, 'advice': '*'}");
    jmap_expect_call(f, "Password/check", "{'accountId': 'A1', 'new': 'a-Long3r-Phrase-2b-Sure'}",
                     "{'accountId': 'A1', 'ok': true, 'reason': null, 'advice': null}");
    jmap_expect_error(f, "Password/check", "{'accountId': 'A1'}", "invalidArguments");
    jmap_expect_error(f, "Password/check", "{'accountId': 'A1', 'new': 'x', 'language': 'fr'}",
                      "invalidArguments");
    jmap_expect_error(f, "Password/check", "{'accountId': 'A2', 'new': 'x'}", "accountNotFound");
}

static void test_password_change(void **state)
{
    char mine[WEB_TOKEN_TEXT + 1], other[WEB_TOKEN_TEXT + 1];
    f->user.session = web_session(mine, "Firefox");
    (void)web_session(other, "Chromium");
    struct login_session *imap =
        login_session_begin(f->service.login, &f->user.account, "imap", NULL);
    jmap_expect_call(f, "Password/change", "{'accountId': 'A1', " OLD ", 'new': '" NEW "'}",
                     "{'accountId': 'A1', 'endedSessions': 2}");
    assert_false(logs_in(JMAP_FIXTURE_PASSWORD));
    assert_true(logs_in(NEW));
    assert_true(is_alive(mine));
    assert_false(is_alive(other));
    int64_t deadline = clock_ms() + 10000;
    while (!login_session_revoked(imap) && clock_ms() < deadline)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_true(login_session_revoked(imap));
    login_session_end(imap);
}

static void test_password_refused(void **state)
{
    jmap_expect(f,
                "[['Password/change', {'accountId': 'A1', " OLD ", 'new': 'anna', 'language':"
                " 'de'}, 'x']]",
                "[['error', {'type': 'passwordRule', 'description':"
                " 'Das Passwort braucht mindestens 8 Zeichen.'}, 'x']]");
    jmap_expect_error(f, "Password/change", "{'accountId': 'A1', 'new': '" NEW "'}",
                      "invalidArguments");
    /* The rule costs no try; wrong ones count, each its own password. */
    for (int i = 0; i < 6; i++)
        jmap_expect_error(f, "Password/change", "{'accountId': 'A1', 'old': 'wrong', 'new': 'x'}",
                          "passwordRule");
    for (int i = 0; i < 5; i++) {
        char args[128];
        snprintf(args, sizeof args, "{'accountId': 'A1', 'old': 'wrong%d', 'new': '" NEW "'}", i);
        jmap_expect_error(f, "Password/change", args, "wrongPassword");
    }
    jmap_expect(f, "[['Password/change', {'accountId': 'A1', " OLD ", 'new': '" NEW "'}, 'x']]",
                "[['error', {'type': 'blocked', 'until': '*'}, 'x']]");
    f->user.peer.b[15]++;
    assert_true(logs_in(JMAP_FIXTURE_PASSWORD));
}

/* --- Sessions --- */

static void test_sessions(void **state)
{
    char mine[WEB_TOKEN_TEXT + 1], other[WEB_TOKEN_TEXT + 1], args[256], want[1024];
    f->user.session = web_session(mine, "Firefox");
    uint64_t id = web_session(other, "Chromium");
    struct login_session *imap =
        login_session_begin(f->service.login, &f->user.account, "imap", NULL);
    login_session_peer(imap, f->user.peer);
    struct login_session *stream =
        login_session_begin(f->service.login, &f->user.account, "web", NULL);
    json_t *a = jmap_fixture_call(f, "ClientSession/get", "{'accountId': 'A1', 'ids': null}");
    assert_int_equal(json_array_size(json_object_get(a, "list")), 3);
    json_decref(a);
    snprintf(args, sizeof args, "{'accountId': 'A1', 'ids': ['W%llu', 'L1', 'L99', 'W01']}",
             (unsigned long long)f->user.session);
    snprintf(want, sizeof want,
             "{'accountId': 'A1', 'list': [{'id': 'W%llu', 'kind': 'web', 'current': true,"
             " 'created': '*', 'lastUsed': '*', 'address': '192.0.2.1', 'agent': 'Firefox'},"
             " {'id': 'L1', 'kind': 'imap', 'current': false, 'created': '*', 'lastUsed': null,"
             " 'address': '192.0.2.1', 'agent': ''}], 'notFound': ['L99', 'W01']}",
             (unsigned long long)f->user.session);
    jmap_expect_call(f, "ClientSession/get", args, want);
    snprintf(args, sizeof args, "{'accountId': 'A1', 'destroy': ['W%llu', 'L77']}",
             (unsigned long long)id);
    snprintf(want, sizeof want, "{'accountId': 'A1', 'destroyed': ['W%llu'], 'notFound': ['L77']}",
             (unsigned long long)id);
    jmap_expect_call(f, "ClientSession/set", args, want);
    assert_false(is_alive(other));
    jmap_expect_call(f, "ClientSession/set", "{'accountId': 'A1', 'destroyOthers': true}",
                     "{'accountId': 'A1', 'destroyed': ['L1'], 'notFound': []}");
    assert_true(login_session_revoked(imap) && !login_session_revoked(stream) && is_alive(mine));
    jmap_expect_error(f, "ClientSession/set", "{'accountId': 'A1', 'destroy': [1]}",
                      "invalidArguments");
    login_session_end(stream);
    login_session_end(imap);
}

/* Ben cannot end anna's. */
static void test_sessions_of_others(void **state)
{
    char token[WEB_TOKEN_TEXT + 1], args[256];
    uint64_t id = web_session(token, "Firefox");
    f->user.account = f->ben;
    jmap_expect_call(f, "ClientSession/get", "{'accountId': 'A2', 'ids': null}",
                     "{'accountId': 'A2', 'list': [], 'notFound': []}");
    snprintf(args, sizeof args, "{'accountId': 'A2', 'destroy': ['W%llu']}",
             (unsigned long long)id);
    jmap_expect_call(f, "ClientSession/set", args,
                     "{'accountId': 'A2', 'destroyed': [], 'notFound': ['*']}");
    assert_true(is_alive(token));
}

/* --- Settings --- */

static void test_settings(void **state)
{
    jmap_expect_call(f, "Settings/get", "{'accountId': 'A1'}",
                     "{'accountId': 'A1', 'state': '0', 'settings': {}}");
    jmap_expect_call(f, "Settings/set",
                     "{'accountId': 'A1', 'patch': {'theme': 'dark', 'list': [1, {'a/b': '<'}],"
                     " 'gone': null}}",
                     "{'accountId': 'A1', 'oldState': '0', 'newState': '1'}");
    jmap_expect_call(f, "Settings/set",
                     "{'accountId': 'A1', 'ifInState': '1', 'patch': {'theme': null, 'n': 2}}",
                     "{'accountId': 'A1', 'oldState': '1', 'newState': '2'}");
    jmap_expect_error(f, "Settings/set", "{'accountId': 'A1', 'ifInState': '1', 'patch': {}}",
                      "stateMismatch");
    jmap_expect_call(f, "Settings/get", "{'accountId': 'A1'}",
                     "{'accountId': 'A1', 'state': '2', 'settings': {'list': [1, {'a/b': '<'}],"
                     " 'n': 2}}");
    jmap_expect_error(f, "Settings/set", "{'accountId': 'A1', 'patch': 5}", "invalidArguments");
    f->user.account = f->ben;
    jmap_expect_call(f, "Settings/get", "{'accountId': 'A2'}",
                     "{'accountId': 'A2', 'state': '0', 'settings': {}}");
}

static void test_settings_bounds(void **state)
{
    autobuf args = BUF_INIT(1024 * 1024);
    buf_lit(&args, "{'accountId': 'A1', 'patch': {'a': '");
    for (int i = 0; i < LIMIT_WEB_SETTINGS; i++)
        buf_byte(&args, 'x');
    buf_lit(&args, "'}}");
    buf_byte(&args, '\0');
    jmap_expect_error(f, "Settings/set", (const char *)args.p, "requestTooLarge");
    jmap_expect_call(f, "Settings/get", "{'accountId': 'A1'}",
                     "{'accountId': 'A1', 'state': '0', 'settings': {}}");
}

static void test_language(void **state)
{
    struct account a;
    jmap_expect_call(f, "Settings/set", "{'accountId': 'A1', 'language': 'de'}",
                     "{'accountId': 'A1', 'oldState': '0', 'newState': '0'}");
    assert_int_equal(directory_account_get(f->service.directory, f->anna.id, &a), OK);
    assert_string_equal(a.language, "de");
    jmap_expect_error(f, "Settings/set", "{'accountId': 'A1', 'language': 'fr'}",
                      "invalidArguments");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_password_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_password_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_password_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_language, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
