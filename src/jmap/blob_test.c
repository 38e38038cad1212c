/* Blob/upload, Blob/get, Blob/lookup (RFC 9404, with its examples' data). */
#include "jmap/jmap_fixture.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

static int start(void **state)
{
    *state = jmap_fixture_start();
    return 0;
}

static int stop(void **state)
{
    jmap_fixture_stop(*state);
    return 0;
}

#define FOX "The quick brown fox jumped over the lazy dog."

static void test_upload_and_get(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect(
        f,
        "[['Blob/upload', {'accountId': 'A1', 'create': {"
        "'b4': {'data': [{'data:asText': '" FOX "'}]},"
        "'cat': {'data': [{'data:asText': 'How'}, {'blobId': '#b4', 'length': 7, 'offset': 3},"
        " {'data:asText': 'was t'}, {'blobId': '#b4', 'length': 1, 'offset': 1},"
        " {'data:asBase64': 'YXQ/'}], 'type': 'text/plain'}}}, 'S4'],"
        " ['Blob/get', {'accountId': 'A1', 'ids': ['#cat', 'U1'], 'properties': ['data:asText',"
        " 'size']}, 'G4'],"
        " ['Blob/get', {'accountId': 'A1', 'ids': ['#b4'], 'offset': 4, 'length': 9, 'properties':"
        " ['data', 'digest:sha', 'digest:sha-256']}, 'G5'],"
        " ['Blob/get', {'accountId': 'A1', 'ids': ['#b4'], 'offset': 41, 'length': 20,"
        " 'properties': ['data:asBase64']}, 'G6']]",
        "[['Blob/upload', {'created': {'b4': {'id': '*', 'type': null, 'size': 45},"
        " 'cat': {'id': '*', 'type': 'text/plain', 'size': 19}}, '...': 0}, 'S4'],"
        " ['Blob/get', {'accountId': 'A1', 'list': [{'id': '*', 'data:asText':"
        " 'How quick was that?', 'size': 19}], 'notFound': ['U1']}, 'G4'],"
        " ['Blob/get', {'accountId': 'A1', 'list': [{'id': '*', 'data:asText': 'quick bro',"
        " 'digest:sha': 'QiRAPtfyX8K6tm1iOAtZ87Xj3Ww=',"
        " 'digest:sha-256': 'gdg9INW7lwHK6OQ9u0dwDz2ZY/gubi0En0xlFpKt0OA='}],"
        " 'notFound': []}, 'G5'],"
        " ['Blob/get', {'accountId': 'A1', 'list': [{'id': '*', 'data:asBase64': 'ZG9nLg==',"
        " 'isTruncated': true}], 'notFound': []}, 'G6']]");
}

static void test_refusals(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect_call(
        f, "Blob/upload",
        "{'accountId': 'A1', 'create': {'a': {}, 'b': {'data': []},"
        " 'c': {'data': [{'data:asBase64': '***'}]}, 'd': {'data': [{'blobId': 'U1'}]},"
        " 'e': {'data': [{'data:asText': 'x', 'data:asBase64': 'eA=='}]}}}",
        "{'created': null, 'notCreated': {'a': {'type': 'invalidProperties', '...': 0},"
        " 'b': {'type': 'invalidProperties', '...': 0},"
        " 'c': {'type': 'invalidProperties', '...': 0},"
        " 'd': {'type': 'blobNotFound', 'notFound': ['U1']},"
        " 'e': {'type': 'invalidProperties', '...': 0}}, '...': 0}");
    jmap_expect_error(f, "Blob/get", "{'accountId': 'A1', 'ids': null}", "invalidArguments");
    jmap_expect_error(f, "Blob/get", "{'accountId': 'A1', 'ids': [], 'offset': -1}",
                      "invalidArguments");
}

static void test_lookup(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: x\n\nbody\n");
    jmap_expect_call(f, "Blob/lookup",
                     "{'accountId': 'A1', 'typeNames': ['Mailbox', 'Thread', 'Email'],"
                     " 'ids': ['M1', 'M1-0', 'M2', 'nothing']}",
                     "{'accountId': 'A1', 'list': [{'id': 'M1', 'matchedIds': {'Email': ['M1'],"
                     " 'Thread': ['T1'], 'Mailbox': ['B1']}}, {'id': 'M1-0', 'matchedIds': '*'}],"
                     " 'notFound': ['M2', 'nothing']}");
    jmap_expect_error(f, "Blob/lookup", "{'accountId': 'A1', 'typeNames': ['Foo'], 'ids': []}",
                      "unknownDataType");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {T(test_upload_and_get), T(test_refusals), T(test_lookup)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
