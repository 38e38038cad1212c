/* Tests of requests: their envelope, problems, back-references, creation ids, the session. */
#include "base/buf.h"
#include "jmap/jmap_fixture.h"
#include "jmap/method.h"
#include <pthread.h>

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

/* --- Problems --- */

static void expect_problem(struct slice request, const char *type, const char *limit)
{
    int status;
    char urn[128];
    json_t *answer = jmap_fixture_api(f, request, &status);
    snprintf(urn, sizeof urn, "urn:ietf:params:jmap:error:%s", type);
    if (status != 400)
        fail_msg("%.*s: status %d", (int)(request.n < 200 ? request.n : 200), request.p, status);
    assert_string_equal(json_string_value(json_object_get(answer, "type")), urn);
    assert_int_equal(json_integer_value(json_object_get(answer, "status")), 400);
    if (limit != NULL)
        assert_string_equal(json_string_value(json_object_get(answer, "limit")), limit);
    json_decref(answer);
}

static void test_problems(void **state)
{
    static const struct {
        const char *request, *type, *limit;
    } cases[] = {
        {"", "notJSON", NULL},
        {"{", "notJSON", NULL},
        {"\xff", "notJSON", NULL},
        {"{\"using\":[\"\xc3\"],\"methodCalls\":[]}", "notJSON", NULL},
        {"{\"using\":[],\"methodCalls\":[]} x", "notJSON", NULL},
        {"{\"using\":[],\"using\":[],\"methodCalls\":[]}", "notJSON", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{\"a\":1,\"a\":2},\"c\"]]}", "notJSON",
         NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{\"a\":99999999999999999999},\"c\"]]}",
         "notJSON", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{\"a\":1e999},\"c\"]]}", "notJSON", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{\"a\":\"\\ud800\"},\"c\"]]}", "notJSON",
         NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{\"a\":NaN},\"c\"]]}", "notJSON", NULL},
        {"[]", "notRequest", NULL},
        {"{}", "notRequest", NULL},
        {"{\"using\":[]}", "notRequest", NULL},
        {"{\"methodCalls\":[]}", "notRequest", NULL},
        {"{\"using\":\"urn:ietf:params:jmap:core\",\"methodCalls\":[]}", "notRequest", NULL},
        {"{\"using\":[1],\"methodCalls\":[]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":{}}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[\"Core/echo\"]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{}]]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{},\"c\",1]]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",[],\"c\"]]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[[1,{},\"c\"]]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[[\"Core/echo\",{},1]]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[],\"createdIds\":[]}", "notRequest", NULL},
        {"{\"using\":[],\"methodCalls\":[],\"createdIds\":{\"a\":1}}", "notRequest", NULL},
        {"{\"using\":[\"urn:x\"],\"methodCalls\":[]}", "unknownCapability", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_problem(slice_str(cases[i].request), cases[i].type, cases[i].limit);
}

static void fill(struct buf *b, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_str(b, what);
}

static void test_bombs(void **state)
{
    autobuf b = BUF_INIT(2 * LIMIT_JMAP_REQUEST);
    fill(&b, "[", 100000);
    expect_problem(buf_slice(&b), "limit", NULL);
    buf_reset(&b);
    fill(&b, "{\"a\":", LIMIT_JMAP_DEPTH + 1);
    buf_lit(&b, "1");
    fill(&b, "}", LIMIT_JMAP_DEPTH + 1);
    expect_problem(buf_slice(&b), "limit", NULL);
    buf_reset(&b);
    buf_lit(&b, "{\"using\":[],\"methodCalls\":[");
    fill(&b, "[],", LIMIT_JMAP_VALUES);
    buf_lit(&b, "[]]}");
    expect_problem(buf_slice(&b), "limit", "maxSizeRequest");
    buf_reset(&b);
    buf_lit(&b, "{\"using\":[],\"methodCalls\":[");
    fill(&b, "[\"Core/echo\",{},\"c\"],", LIMIT_JMAP_CALLS);
    buf_lit(&b, "[\"Core/echo\",{},\"c\"]]}");
    expect_problem(buf_slice(&b), "limit", "maxCallsInRequest");
    buf_reset(&b);
    fill(&b, " ", LIMIT_JMAP_REQUEST + 1);
    expect_problem(buf_slice(&b), "limit", "maxSizeRequest");
    buf_reset(&b);
    buf_lit(&b, "{\"using\":[],\"methodCalls\":[[\"Core/echo\",{},\"");
    fill(&b, "c", LIMIT_JMAP_CALL_ID + 1);
    buf_lit(&b, "\"]]}");
    expect_problem(buf_slice(&b), "notRequest", NULL);
    /* Brackets in text are text. */
    buf_reset(&b);
    buf_lit(&b, "[['Core/echo',{'a':'\\\\");
    fill(&b, "[{\\\"", 1000);
    buf_lit(&b, "'},'c']]");
    buf_byte(&b, '\0');
    jmap_expect(f, (const char *)b.p, "[['Core/echo', {'a': '*'}, 'c']]");
}

static void test_too_large_an_answer(void **state)
{
    /* Each answer doubles the one before. */
    autobuf calls = BUF_INIT(1024 * 1024);
    buf_lit(&calls, "[['Core/echo', {'a': ['");
    fill(&calls, "0123456789abcdef", 16384);
    buf_lit(&calls, "']}, '0']");
    for (int i = 0; i < 10; i++)
        buf_printf(&calls,
                   ", ['Core/echo', {'#a': {'resultOf': '%d', 'name': 'Core/echo', 'path': ''},"
                   " '#b': {'resultOf': '%d', 'name': 'Core/echo', 'path': ''}}, '%d']",
                   i, i, i + 1);
    buf_lit(&calls, "]");
    buf_byte(&calls, '\0');
    json_t *r = jmap_fixture_calls(f, (const char *)calls.p);
    assert_int_equal(json_array_size(r), 11);
    jmap_match(json_array_get(r, 1), "['Core/echo', {'a': '*', 'b': '*'}, '1']");
    jmap_match(json_array_get(r, 10), "['error', {'type': '*', '...': 0}, '10']");
    json_decref(r);
}

/* --- Many at once --- */

static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside;
    bool open;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};

/* Holds a request within its method. */
static enum jmap_travel wait_at_gate(void *arg, struct slice address, char host[256])
{
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return TRAVEL_MAYBE;
}

#define SLOW                                                                                       \
    "{\"using\":[\"urn:depesche:account\"],\"methodCalls\":[[\"Recipient/travel\","                \
    "{\"accountId\":\"A1\",\"addresses\":[\"x@example.net\"]},\"0\"]]}"

static void *ask_slowly(void *arg)
{
    autobuf out = BUF_INIT(65536);
    int *status = arg;
    *status = jmap_api(&f->service, &f->user, SLICE(SLOW), &out);
    return NULL;
}

static void test_many_at_once(void **state)
{
    pthread_t threads[LIMIT_JMAP_CONCURRENT];
    int status[LIMIT_JMAP_CONCURRENT], other;
    struct slice quick = SLICE("{\"using\":[],\"methodCalls\":[]}");
    gate.inside = 0;
    gate.open = false;
    f->service.forecast = wait_at_gate;
    for (size_t i = 0; i < LIMIT_JMAP_CONCURRENT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_slowly, &status[i]), 0);
    pthread_mutex_lock(&gate.lock);
    while (gate.inside < LIMIT_JMAP_CONCURRENT)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    expect_problem(quick, "limit", "maxConcurrentRequests");
    const struct jmap_user anna = f->user;
    f->user.account = f->ben;
    json_decref(jmap_fixture_api(f, quick, &other));
    assert_int_equal(other, 200);
    f->user = anna;
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    for (size_t i = 0; i < LIMIT_JMAP_CONCURRENT; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(status[i], 200);
    }
    json_decref(jmap_fixture_api(f, quick, &other));
    assert_int_equal(other, 200);
}

/* --- Calls --- */

static void test_calls(void **state)
{
    /* RFC 8620 4.1 */
    jmap_expect(f, "[['Core/echo', {'hello': true, 'high': 5}, 'b3ff']]",
                "[['Core/echo', {'hello': true, 'high': 5}, 'b3ff']]");
    jmap_expect(f, "[['Foo/get', {}, 'a'], ['Core/echo', {}, 'b'], ['', {}, 'a']]",
                "[['error', {'type': 'unknownMethod'}, 'a'], ['Core/echo', {}, 'b'],"
                " ['error', {'type': 'unknownMethod'}, 'a']]");
    jmap_expect(f, "[]", "[]");
    jmap_expect(f, "[['Core/echo', {'a': [null, -1, 0.5, '\\u00fc<', {'b': {}}]}, '<c>']]",
                "[['Core/echo', {'a': [null, -1, 0.5, '\\u00fc<', {'b': {}}]}, '<c>']]");
}

static void test_using(void **state)
{
    int status;
    json_t *a = jmap_fixture_api(f,
                                 SLICE("{\"using\":[\"urn:ietf:params:jmap:core\"],"
                                       "\"methodCalls\":[[\"Mailbox/get\",{\"accountId\":\"A1\"},"
                                       "\"x\"],[\"Core/echo\",{},\"y\"]]}"),
                                 &status);
    assert_int_equal(status, 200);
    jmap_match(a, "{'methodResponses': [['error', {'type': 'unknownMethod'}, 'x'],"
                  " ['Core/echo', {}, 'y']], 'sessionState': '*'}");
    json_decref(a);
}

static void test_arguments(void **state)
{
    static const struct {
        const char *method, *args, *error;
    } cases[] = {
        {"Mailbox/get", "{}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 1}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': null}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A2'}", "accountNotFound"},
        {"Mailbox/get", "{'accountId': 'A01'}", "accountNotFound"},
        {"Mailbox/get", "{'accountId': 'A1', 'foo': 1}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A1', 'ids': 'B1'}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A1', 'ids': [1]}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A1', 'ids': [null]}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A1', 'properties': ['color']}", "invalidArguments"},
        {"Mailbox/get", "{'accountId': 'A1', 'properties': {}}", "invalidArguments"},
        {"Mailbox/changes", "{'accountId': 'A1'}", "invalidArguments"},
        {"Mailbox/changes", "{'accountId': 'A1', 'sinceState': 'x'}", "cannotCalculateChanges"},
        {"Mailbox/changes", "{'accountId': 'A1', 'sinceState': '99999999-1-1'}",
         "cannotCalculateChanges"},
        {"Mailbox/changes", "{'accountId': 'A1', 'sinceState': '1-1-1', 'maxChanges': 0}",
         "invalidArguments"},
        {"Mailbox/changes", "{'accountId': 'A1', 'sinceState': '1-1-1', 'maxChanges': -1}",
         "invalidArguments"},
        {"Mailbox/changes", "{'accountId': 'A1', 'sinceState': '1-1-1', 'maxChanges': 1.5}",
         "invalidArguments"},
        {"Mailbox/query", "{'accountId': 'A1', 'limit': 9007199254740992}", "invalidArguments"},
        {"Mailbox/query", "{'accountId': 'A1', 'position': '1'}", "invalidArguments"},
        {"Mailbox/set", "{'accountId': 'A1', 'create': []}", "invalidArguments"},
        {"Mailbox/set", "{'accountId': 'A1', 'create': {'a': 1}}", "invalidArguments"},
        {"Mailbox/set", "{'accountId': 'A1', 'destroy': {}}", "invalidArguments"},
        {"Mailbox/set", "{'accountId': 'A1', 'destroy': [1]}", "invalidArguments"},
        {"Mailbox/set", "{'accountId': 'A1', 'ifInState': 'other'}", "stateMismatch"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        jmap_expect_error(f, cases[i].method, cases[i].args, cases[i].error);
}

static void test_many_ids(void **state)
{
    autobuf args = BUF_INIT(1024 * 1024);
    buf_lit(&args, "{'accountId': 'A1', 'ids': [");
    for (int i = 0; i <= LIMIT_JMAP_GET; i++)
        buf_printf(&args, "%s'B%d'", i ? "," : "", i);
    buf_lit(&args, "]}");
    buf_byte(&args, '\0');
    jmap_expect_error(f, "Mailbox/get", (const char *)args.p, "requestTooLarge");
    /* Each once, odd ones not found. */
    jmap_expect_call(
        f, "Mailbox/get",
        "{'accountId': 'A1', 'properties': ['id'], 'ids': ['B1', 'B1', 'B01', 'M1', 'B',"
        " 'B99999999999999999999', 'B4294967297', 'B4294967297', '']}",
        "{'accountId': 'A1', 'state': '*', 'list': [{'id': 'B1'}], 'notFound': ['B01', 'M1', 'B',"
        " 'B99999999999999999999', 'B4294967297', '']}");
}

/* --- Back-references --- */

#define THREADS                                                                                    \
    "['Core/echo', {'list': [{'id': 'trd194', 'emailIds': ['1020', '1021', '1023']},"              \
    " {'id': 'trd114', 'emailIds': ['247', '276']}], 'a/b': {'m~n': 8}, 'n': [[1, 2], [3]],"       \
    " 'none': []}, 't3']"
#define REFERENCE(result_of, name, path)                                                           \
    "[" THREADS ", ['Core/echo', {'x': 1, '#ids': {'resultOf': '" result_of "', 'name': '" name    \
    "', 'path': '" path "'}}, 't4']]"

static void test_references(void **state)
{
    static const struct {
        const char *calls, *ids; /* NULL: invalidResultReference */
    } cases[] = {
        /* RFC 8620 3.7: flattened, in order */
        {REFERENCE("t3", "Core/echo", "/list/*/emailIds"),
         "['1020', '1021', '1023', '247', '276']"},
        {REFERENCE("t3", "Core/echo", "/list/*/id"), "['trd194', 'trd114']"},
        {REFERENCE("t3", "Core/echo", "/list/*/emailIds/0"), "['1020', '247']"},
        {REFERENCE("t3", "Core/echo", "/list/*/emailIds/*"),
         "['1020', '1021', '1023', '247', '276']"},
        {REFERENCE("t3", "Core/echo", "/list/1/emailIds"), "['247', '276']"},
        {REFERENCE("t3", "Core/echo", "/list/1/id"), "'trd114'"},
        {REFERENCE("t3", "Core/echo", "/n"), "[[1, 2], [3]]"},
        {REFERENCE("t3", "Core/echo", "/n/*"), "[1, 2, 3]"},
        {REFERENCE("t3", "Core/echo", "/n/*/0"), "[1, 3]"},
        {REFERENCE("t3", "Core/echo", "/none/*"), "[]"},
        {REFERENCE("t3", "Core/echo", "/none/*/id"), "[]"},
        {REFERENCE("t3", "Core/echo", "/a~1b/m~0n"), "8"},
        {REFERENCE("t3", "Core/echo", ""), "'*'"},
        {REFERENCE("t3", "Core/echo", "/list/2"), NULL},
        {REFERENCE("t3", "Core/echo", "/list/01"), NULL},
        {REFERENCE("t3", "Core/echo", "/list/-1"), NULL},
        {REFERENCE("t3", "Core/echo", "/list/*/color"), NULL},
        {REFERENCE("t3", "Core/echo", "/*"), NULL},
        {REFERENCE("t3", "Core/echo", "/"), NULL},
        {REFERENCE("t3", "Core/echo", "list"), NULL},
        {REFERENCE("t3", "Core/echo", "/list/0/id/0"), NULL},
        {REFERENCE("t3", "Mailbox/get", "/list"), NULL},
        {REFERENCE("t4", "Core/echo", "/x"), NULL},
        {REFERENCE("t9", "Core/echo", "/list"), NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *r = jmap_fixture_calls(f, cases[i].calls);
        char want[256];
        if (cases[i].ids != NULL)
            snprintf(want, sizeof want, "['Core/echo', {'x': 1, 'ids': %s}, 't4']", cases[i].ids);
        else
            snprintf(want, sizeof want, "['error', {'type': 'invalidResultReference'}, 't4']");
        jmap_match(json_array_get(r, 1), want);
        json_decref(r);
    }
}

static void test_bad_references(void **state)
{
    static const char *const args[] = {
        "{'ids': [], '#ids': {'resultOf': 'a', 'name': 'Core/echo', 'path': '/x'}}",
        "{'#ids': null}",
        "{'#ids': 'a'}",
    };
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++)
        jmap_expect_error(f, "Core/echo", args[i], "invalidArguments");
    jmap_expect_error(f, "Core/echo", "{'#ids': {}}", "invalidResultReference");
    jmap_expect_error(f, "Core/echo", "{'#ids': {'resultOf': 1, 'name': 2, 'path': 3}}",
                      "invalidResultReference");
    /* The first answer of that id counts, and an error is none. */
    jmap_expect(
        f,
        "[['Foo/get', {}, 'a'], ['Core/echo', {'x': 1}, 'a'],"
        " ['Core/echo', {'#y': {'resultOf': 'a', 'name': 'Core/echo', 'path': '/x'}}, 'b']]",
        "[['error', {'type': 'unknownMethod'}, 'a'], ['Core/echo', {'x': 1}, 'a'],"
        " ['error', {'type': 'invalidResultReference'}, 'b']]");
    autobuf many = BUF_INIT(65536);
    buf_lit(&many, "{");
    for (int i = 0; i < 17; i++)
        buf_printf(&many, "%s'#a%d': {'resultOf': 'a', 'name': 'x', 'path': ''}", i ? "," : "", i);
    buf_lit(&many, "}");
    buf_byte(&many, '\0');
    jmap_expect_error(f, "Core/echo", (const char *)many.p, "invalidArguments");
}

static void test_reference_bounds(void **state)
{
    autobuf calls = BUF_INIT(1024 * 1024);
    buf_lit(&calls, "[['Core/echo', {'a': [");
    fill(&calls, "[1,1,1,1,1,1,1,1,1,1],", LIMIT_JMAP_REFERENCES / 10);
    buf_lit(&calls, "[1]]}, 'a'], ['Core/echo', {'#b': {'resultOf': 'a', 'name': 'Core/echo',"
                    " 'path': '/a/*'}}, 'b']]");
    buf_byte(&calls, '\0');
    json_t *r = jmap_fixture_calls(f, (const char *)calls.p);
    jmap_match(json_array_get(r, 1), "['error', {'type': 'invalidResultReference'}, 'b']");
    json_decref(r);
}

static void test_real_references(void **state)
{
    json_t *r = jmap_fixture_calls(
        f, "[['Mailbox/query', {'accountId': 'A1', 'filter': {'role': 'sent'}}, '0'],"
           " ['Mailbox/get', {'accountId': 'A1', 'properties': ['role'], '#ids': {'resultOf': '0',"
           " 'name': 'Mailbox/query', 'path': '/ids'}}, '1']]");
    jmap_match(json_array_get(r, 1),
               "['Mailbox/get', {'accountId': 'A1', 'state': '*',"
               " 'list': [{'id': '*', 'role': 'sent'}], 'notFound': []}, '1']");
    json_decref(r);
}

/* The first screen of a mailbox in one request, RFC 8620 3.7. */
static void test_first_screen(void **state)
{
    (void)jmap_fixture_append(f, f->anna.id, "INBOX",
                              "From: a@x\nSubject: one\nMessage-ID: <a@x>\n\nHello\n");
    (void)jmap_fixture_append(f, f->anna.id, "Sent",
                              "From: b@x\nSubject: Re: one\nMessage-ID: <b@x>\n"
                              "In-Reply-To: <a@x>\n\nHello\n");
    (void)jmap_fixture_append(f, f->anna.id, "INBOX",
                              "From: c@x\nSubject: two\nMessage-ID: <c@x>\n\nHello\n");
    json_t *r = jmap_fixture_calls(
        f,
        "[['Email/query', {'accountId': 'A1', 'filter': {'inMailbox': 'B1'}, 'sort': [{'property':"
        " 'receivedAt', 'isAscending': false}], 'collapseThreads': true, 'position': 0, 'limit':"
        " 10, 'calculateTotal': true}, 't0'],"
        " ['Email/get', {'accountId': 'A1', '#ids': {'resultOf': 't0', 'name': 'Email/query',"
        " 'path': '/ids'}, 'properties': ['threadId']}, 't1'],"
        " ['Thread/get', {'accountId': 'A1', '#ids': {'resultOf': 't1', 'name': 'Email/get',"
        " 'path': '/list/*/threadId'}}, 't2'],"
        " ['Email/get', {'accountId': 'A1', '#ids': {'resultOf': 't2', 'name': 'Thread/get',"
        " 'path': '/list/*/emailIds'}, 'properties': ['from', 'subject']}, 't3']]");
    assert_int_equal(json_array_size(r), 4);
    jmap_match(json_array_get(r, 1), "['Email/get', {'list': [{'id': '*', 'threadId': '*'},"
                                     " {'id': '*', 'threadId': '*'}], '...': 0}, 't1']");
    jmap_match(json_array_get(r, 2), "['Thread/get', {'list': [{'id': '*', 'emailIds': ['*']},"
                                     " {'id': '*', 'emailIds': ['*', '*']}], '...': 0}, 't2']");
    json_t *emails = json_object_get(json_array_get(json_array_get(r, 3), 1), "list");
    assert_int_equal(json_array_size(emails), 3);
    json_decref(r);
}

/* --- Dates --- */

static void test_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } cases[] = {
        {"1970-01-01T00:01:00Z", 60},     {"1970-01-01T00:01:00.000Z", 60},
        {"1970-01-01T00:01:00.9Z", 60},   {"1970-01-01T00:01:00.Z", -1},
        {"1970-01-01T00:01:00", -1},      {"1970-01-01T00:01:00.123", -1},
        {"1970-01-01T00:01:00.1x3Z", -1}, {"1970-01-01T00:01:00+01:00", -1},
        {"1970-01-01 00:01:00Z", -1},     {"", -1},
        {"1970-13-01T00:01:00Z", -1},     {"1970-01-01T00:01:00.123ZZ", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t out = -1;
        bool good = jmap_utc_date(slice_str(cases[i].text), &out);
        if (good != (cases[i].seconds >= 0) || out != cases[i].seconds)
            fail_msg("%s: %lld", cases[i].text, (long long)out);
    }
}

/* --- Creation ids --- */

static void test_creation_ids(void **state)
{
    int status;
    json_t *a = jmap_fixture_api(
        f,
        SLICE("{\"using\":[\"urn:ietf:params:jmap:mail\"],\"createdIds\":{\"old\":\"B1\"},"
              "\"methodCalls\":[[\"Mailbox/set\",{\"accountId\":\"A1\",\"create\":{"
              "\"child\":{\"name\":\"Child\",\"parentId\":\"#parent\"},"
              "\"parent\":{\"name\":\"Parent\",\"parentId\":\"#old\"},"
              "\"lost\":{\"name\":\"Lost\",\"parentId\":\"#nobody\"},"
              "\"no good\":{\"name\":\"X\"}}},\"0\"],"
              "[\"Mailbox/get\",{\"accountId\":\"A1\",\"ids\":[\"#child\",\"#nobody\"],"
              "\"properties\":[\"name\"]},\"1\"],"
              "[\"Mailbox/set\",{\"accountId\":\"A1\",\"update\":{\"#child\":{\"name\":\"Kid\"}},"
              "\"destroy\":[\"#nobody\"]},\"2\"]]}"),
        &status);
    assert_int_equal(status, 200);
    jmap_match(a,
               "{'methodResponses': [['Mailbox/set', {'created': {'parent': {'id': '*', '...': 0},"
               " 'child': {'id': '*', '...': 0}}, 'notCreated': {"
               "'lost': {'type': 'invalidProperties', '...': 0},"
               " 'no good': {'type': 'invalidProperties', '...': 0}}, '...': 0}, '0'],"
               " ['Mailbox/get', {'list': [{'id': '*', 'name': 'Child'}],"
               " 'notFound': ['#nobody'], '...': 0}, '1'],"
               " ['Mailbox/set', {'updated': '*', 'notUpdated': null, 'destroyed': null,"
               " 'notDestroyed': {'#nobody': {'type': 'notFound'}}, '...': 0}, '2']],"
               " 'createdIds': {'old': 'B1', 'parent': '*', 'child': '*'}, 'sessionState': '*'}");
    json_decref(a);
}

/* --- Patches --- */

static void test_patches(void **state)
{
    static const struct {
        const char *object, *patch, *result; /* NULL: invalidPatch */
    } cases[] = {
        {"{'a': 1}", "{'a': 2}", "{'a': 2}"},
        {"{'a': 1}", "{'b': {'c': 1}}", "{'a': 1, 'b': {'c': 1}}"},
        {"{'a': {'b': 1, 'c': 2}}", "{'a/b': null, 'a/d': 3}", "{'a': {'c': 2, 'd': 3}}"},
        {"{'a': 1}", "{'a': null, 'b': null}", "{}"},
        {"{'a': {'x/y': 1, '~': 2}}", "{'a/x~1y': 5, 'a/~0': 6}", "{'a': {'x/y': 5, '~': 6}}"},
        {"{'a': {}}", "{'a/b': 1, 'a': {}}", NULL},
        {"{'a': {'b': {}}}", "{'a/b/c': 1, 'a/b': {}}", NULL},
        {"{'a': 1}", "{'a/b': 1}", NULL},
        {"{'a': [1]}", "{'a/0': 2}", NULL},
        {"{}", "{'a/b': 1}", NULL},
        {"{'a': {}}", "{'a/b/c': 1}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v[2];
        const char *const text[] = {cases[i].object, cases[i].patch};
        for (int k = 0; k < 2; k++) {
            autobuf b = BUF_INIT(1024);
            for (const char *p = text[k]; *p; p++)
                buf_byte(&b, *p == '\'' ? '"' : (uint8_t)*p);
            assert_int_equal(jmap_json_parse(buf_slice(&b), &v[k]), OK);
        }
        bool good = jmap_patch_apply(v[0], v[1]);
        if (good != (cases[i].result != NULL))
            fail_msg("%s: %d", cases[i].patch, good);
        if (good)
            jmap_match(v[0], cases[i].result);
        json_decref(v[0]);
        json_decref(v[1]);
    }
}

/* --- The session --- */

static json_t *session(void)
{
    autobuf out = BUF_INIT(65536);
    json_t *v;
    jmap_session(&f->service, &f->user, SLICE("https://mail.example.org"), &out);
    assert_int_equal(jmap_json_parse(buf_slice(&out), &v), OK);
    return v;
}

static void test_session(void **state)
{
    json_t *v = session();
    jmap_match(v,
               "{'capabilities': {'urn:ietf:params:jmap:core': {'maxSizeUpload': 52428800,"
               " 'maxConcurrentUpload': 4, 'maxSizeRequest': 10485760, 'maxConcurrentRequests': 8,"
               " 'maxCallsInRequest': 64, 'maxObjectsInGet': 1000, 'maxObjectsInSet': 1000,"
               " 'collationAlgorithms': '*'}, 'urn:ietf:params:jmap:mail': {},"
               " 'urn:ietf:params:jmap:submission': {},"
               " 'urn:ietf:params:jmap:vacationresponse': {}, 'urn:ietf:params:jmap:blob': {},"
               " 'urn:ietf:params:jmap:quota': {}, 'urn:depesche:account': {}},"
               " 'accounts': {'A1': {'name': 'anna@example.org', 'isPersonal': true,"
               " 'isReadOnly': false, 'accountCapabilities': {"
               "'urn:ietf:params:jmap:mail': {'maxMailboxesPerEmail': null,"
               " 'mayCreateTopLevelMailbox': true, '...': 0},"
               " 'urn:depesche:account': {'address': 'anna@example.org', 'language': 'en',"
               " 'passwordMinLength': 8, 'passwordMaxLength': '*', 'undeleteDays': 14,"
               " 'lockout': {'tolerated': 4, 'windowSeconds': 1200, 'closeSeconds': 1200},"
               " 'host': 'mail.example.org'}, '...': 0}}},"
               " 'primaryAccounts': {'urn:ietf:params:jmap:mail': 'A1', '...': 0},"
               " 'username': 'anna@example.org',"
               " 'apiUrl': 'https://mail.example.org/jmap/api',"
               " 'downloadUrl': 'https://mail.example.org/jmap/download/{accountId}/{blobId}/{name}"
               "?accept={type}',"
               " 'uploadUrl': 'https://mail.example.org/jmap/upload/{accountId}/',"
               " 'eventSourceUrl': 'https://mail.example.org/jmap/events?types={types}"
               "&closeafter={closeafter}&ping={ping}', 'state': '*'}");
    json_t *again = session();
    assert_true(json_equal(v, again));
    int status;
    json_t *api = jmap_fixture_api(f, SLICE("{\"using\":[],\"methodCalls\":[]}"), &status);
    assert_true(json_equal(json_object_get(v, "state"), json_object_get(api, "sessionState")));
    f->user.account.language[0] = 'd';
    json_t *changed = session();
    assert_false(json_equal(json_object_get(v, "state"), json_object_get(changed, "state")));
    json_decref(api);
    json_decref(v);
    json_decref(again);
    json_decref(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_problems, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bombs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_using, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reference_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_real_references, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_screen, set_up, tear_down),
        cmocka_unit_test(test_dates),
        cmocka_unit_test_setup_teardown(test_creation_ids, set_up, tear_down),
        cmocka_unit_test(test_patches),
        cmocka_unit_test_setup_teardown(test_session, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
