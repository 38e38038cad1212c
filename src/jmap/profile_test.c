/* Tests of Identity, VacationResponse and Quota. */
#include "jmap/jmap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

static void since(const char *method, const char *state, char out[256])
{
    bool query = strstr(method, "query") != NULL;
    snprintf(out, 256, "{'accountId': 'A1', '%s': '%s'}", query ? "sinceQueryState" : "sinceState",
             state);
}

static void expect_since(const char *method, const char *state, const char *want)
{
    char args[256];
    since(method, state, args);
    jmap_expect_call(f, method, args, want);
}

/* --- Identity --- */

static void test_identities(void **state)
{
    jmap_expect_call(f, "Identity/get", "{'accountId': 'A1', 'ids': null}",
                     "{'accountId': 'A1', 'state': '1', 'list': [{'id': 'I1', 'name': '',"
                     " 'email': 'anna@example.org', 'replyTo': null, 'bcc': null,"
                     " 'textSignature': '', 'htmlSignature': '', 'mayDelete': false}],"
                     " 'notFound': []}");
    jmap_expect_call(
        f, "Identity/set",
        "{'accountId': 'A1', 'ifInState': '1', 'create': {'k': {'name': 'Anna at work',"
        " 'email': 'anna+work@example.org', 'replyTo': [{'name': null, 'email':"
        " 'anna@example.org'}], 'textSignature': '-- <Anna>'}}, 'update': {'I1': {'bcc':"
        " [{'email': 'copy@example.org'}], 'email': 'anna@example.org'}}}",
        "{'accountId': 'A1', 'oldState': '1', 'newState': '3', 'created': {'k': {'id': 'I2',"
        " 'bcc': null, 'htmlSignature': '', 'mayDelete': true}}, 'updated': {'I1': null},"
        " 'destroyed': null, 'notCreated': null, 'notUpdated': null, 'notDestroyed': null}");
    jmap_expect_call(f, "Identity/get",
                     "{'accountId': 'A1', 'ids': ['I1', 'I2', 'I9', 'M1'],"
                     " 'properties': ['bcc', 'replyTo', 'textSignature']}",
                     "{'accountId': 'A1', 'state': '3', 'list': [{'id': 'I1', 'replyTo': null,"
                     " 'bcc': [{'email': 'copy@example.org'}], 'textSignature': ''},"
                     " {'id': 'I2', 'replyTo': [{'name': null, 'email': 'anna@example.org'}],"
                     " 'bcc': null, 'textSignature': '-- <Anna>'}], 'notFound': ['I9', 'M1']}");
    expect_since("Identity/changes", "1",
                 "{'accountId': 'A1', 'oldState': '1', 'newState': '3', 'hasMoreChanges': false,"
                 " 'created': ['I2'], 'updated': ['I1'], 'destroyed': []}");
    jmap_expect_call(f, "Identity/set", "{'accountId': 'A1', 'destroy': ['I2', 'I1', 'I5']}",
                     "{'destroyed': ['I2'], 'notDestroyed': {'I1': {'type': 'forbidden'},"
                     " 'I5': {'type': 'notFound'}}, '...': 0}");
    expect_since("Identity/changes", "3",
                 "{'created': [], 'updated': [], 'destroyed': ['I2'], '...': 0}");
    expect_since("Identity/changes", "1",
                 "{'created': [], 'updated': ['I1'], 'destroyed': [], '...': 0}");
    jmap_expect_error(f, "Identity/changes", "{'accountId': 'A1', 'sinceState': '5'}",
                      "cannotCalculateChanges");
    jmap_expect_error(f, "Identity/set", "{'accountId': 'A1', 'ifInState': '1'}", "stateMismatch");
}

static void test_identity_refused(void **state)
{
    static const struct {
        const char *object, *type;
    } cases[] = {
        {"{}", "invalidProperties"},
        {"{'email': 'nobody'}", "invalidProperties"},
        {"{'email': 'ben@example.org'}", "forbiddenFrom"},
        {"{'email': 'x@elsewhere.example'}", "forbiddenFrom"},
        {"{'email': 'anna@example.org', 'name': 'a\\nBcc: x'}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'name': 5}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'replyTo': {}}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'replyTo': ['x@y']}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'bcc': [{'email': 'a\\r\\nb'}]}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'bcc': [{'email': 'a@b', 'x': 1}]}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'mayDelete': true}", "invalidProperties"},
        {"{'email': 'anna@example.org', 'bcc/0': 1}", "invalidPatch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char args[512], want[256];
        snprintf(args, sizeof args, "{'accountId': 'A1', 'create': {'k': %s}}", cases[i].object);
        snprintf(want, sizeof want,
                 "{'created': null, 'notCreated': {'k': {'type': '%s', '...':"
                 " 0}}, '...': 0}",
                 cases[i].type);
        jmap_expect_call(f, "Identity/set", args, want);
    }
    jmap_expect_call(f, "Identity/set",
                     "{'accountId': 'A1', 'update': {'I1': {'email': 'ben@example.org'}}}",
                     "{'updated': null, 'notUpdated': {'I1': {'type': 'invalidProperties',"
                     " 'properties': ['email'], 'description': '*'}}, '...': 0}");
}

/* --- VacationResponse --- */

static void test_vacation(void **state)
{
    jmap_expect_call(f, "VacationResponse/get", "{'accountId': 'A1', 'ids': ['singleton', 'x']}",
                     "{'accountId': 'A1', 'state': '0', 'list': [{'id': 'singleton',"
                     " 'isEnabled': false, 'fromDate': null, 'toDate': null, 'subject': null,"
                     " 'textBody': null, 'htmlBody': null}], 'notFound': ['x']}");
    jmap_expect_call(
        f, "VacationResponse/set",
        "{'accountId': 'A1', 'create': {'k': {}}, 'destroy': ['singleton', 'x'],"
        " 'update': {'y': {}}}",
        "{'notCreated': {'k': {'type': 'singleton'}}, 'notDestroyed': {'singleton': {'type':"
        " 'singleton'}, 'x': {'type': 'notFound'}}, 'notUpdated': {'y': {'type': 'notFound'}},"
        " '...': 0}");
    jmap_expect_call(f, "VacationResponse/set",
                     "{'accountId': 'A1', 'update': {'singleton': {'isEnabled': true, 'fromDate':"
                     " '2026-12-20T00:00:00Z', 'subject': 'Weg', 'textBody': 'Bin weg.'}}}",
                     "{'accountId': 'A1', 'oldState': '0', 'newState': '1', 'created': null,"
                     " 'updated': {'singleton': null}, 'destroyed': null, 'notCreated': null,"
                     " 'notUpdated': null, 'notDestroyed': null}");
    jmap_expect_call(f, "VacationResponse/set",
                     "{'accountId': 'A1', 'update': {'singleton': {'subject': null}}}",
                     "{'updated': {'singleton': null}, '...': 0}");
    jmap_expect_call(f, "VacationResponse/get",
                     "{'accountId': 'A1', 'ids': null, 'properties': ['isEnabled', 'fromDate',"
                     " 'subject', 'textBody']}",
                     "{'accountId': 'A1', 'state': '2', 'list': [{'id': 'singleton', 'isEnabled':"
                     " true, 'fromDate': '2026-12-20T00:00:00Z', 'subject': null, 'textBody':"
                     " 'Bin weg.'}], 'notFound': []}");
    static const char *const bad[] = {"{'isEnabled': 1}", "{'fromDate': 'morgen'}",
                                      "{'fromDate': 5}", "{'subject': 'a\\nb'}", "{'color': 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char args[256];
        snprintf(args, sizeof args, "{'accountId': 'A1', 'update': {'singleton': %s}}", bad[i]);
        jmap_expect_call(f, "VacationResponse/set", args,
                         "{'updated': null, 'notUpdated': {'singleton': {'type':"
                         " 'invalidProperties', '...': 0}}, '...': 0}");
    }
}

/* --- Quota --- */

static void test_quota(void **state)
{
    json_t *a = jmap_fixture_call(f, "Quota/get", "{'accountId': 'A1', 'ids': null}");
    jmap_match(a, "{'accountId': 'A1', 'state': '*', 'list': [], 'notFound': []}");
    char none[64], before[64];
    snprintf(none, sizeof none, "%s", json_string_value(json_object_get(a, "state")));
    json_decref(a);
    assert_int_equal(directory_account_quota(f->service.directory, f->anna.id, 1000000), OK);
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: x\n\n1\n");
    a = jmap_fixture_call(f, "Quota/get", "{'accountId': 'A1', 'ids': ['Q1', 'Q2']}");
    jmap_match(a, "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'Q1', 'resourceType':"
                  " 'octets', 'used': 17, 'hardLimit': 1000000, 'scope': 'account', 'name':"
                  " 'Storage', 'types': ['Email'], 'description': null}], 'notFound': ['Q2']}");
    snprintf(before, sizeof before, "%s", json_string_value(json_object_get(a, "state")));
    json_decref(a);
    expect_since("Quota/changes", none,
                 "{'accountId': 'A1', 'oldState': '*', 'newState': '*', 'hasMoreChanges': false,"
                 " 'created': ['Q1'], 'updated': [], 'destroyed': [], 'updatedProperties': null}");
    expect_since("Quota/changes", before,
                 "{'created': [], 'updated': [], 'destroyed': [], '...': 0}");
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: x\n\n1\n");
    expect_since("Quota/changes", before,
                 "{'created': [], 'updated': ['Q1'], 'destroyed': [], 'updatedProperties':"
                 " ['used'], '...': 0}");
    jmap_expect_error(f, "Quota/changes", "{'accountId': 'A1', 'sinceState': '5'}",
                      "cannotCalculateChanges");
    expect_since("Quota/queryChanges", before,
                 "{'removed': ['Q1'], 'added': [{'id': 'Q1', 'index': 0}], '...': 0}");
}

static void test_quota_query(void **state)
{
    static const struct {
        const char *filter, *ids;
    } cases[] = {
        {"null", "['Q1']"},
        {"{}", "['Q1']"},
        {"{'name': 'tor', 'scope': 'account', 'resourceType': 'octets', 'type': 'Email'}",
         "['Q1']"},
        {"{'type': 'Calendar'}", "[]"},
        {"{'operator': 'NOT', 'conditions': [{'scope': 'domain'}]}", "['Q1']"},
        {"{'operator': 'AND', 'conditions': [{}, {'scope': 'domain'}]}", "[]"},
        {"{'operator': 'OR', 'conditions': [{}, {'scope': 'domain'}]}", "['Q1']"},
    };
    assert_int_equal(directory_account_quota(f->service.directory, f->anna.id, 1000000), OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char args[256], want[256];
        snprintf(args, sizeof args, "{'accountId': 'A1', 'filter': %s}", cases[i].filter);
        snprintf(want, sizeof want,
                 "{'accountId': 'A1', 'queryState': '*',"
                 " 'canCalculateChanges': true, 'position': '*', 'ids': %s,"
                 " 'limit': 5000}",
                 cases[i].ids);
        jmap_expect_call(f, "Quota/query", args, want);
    }
    jmap_expect_error(f, "Quota/query", "{'accountId': 'A1', 'filter': {'color': 'x'}}",
                      "unsupportedFilter");
    jmap_expect_error(f, "Quota/query", "{'accountId': 'A1', 'filter': {'name': 1}}",
                      "unsupportedFilter");
    jmap_expect_error(f, "Quota/query", "{'accountId': 'A1', 'sort': [{'property': 'x'}]}",
                      "unsupportedSort");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_identities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identity_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vacation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota_query, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
