/* What Email/query refuses, and how the words of a text are understood. */
#include "jmap/jmap_fixture.h"

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

static void test_refused(void **state)
{
    struct jmap_fixture *f = *state;
    static const struct {
        const char *filter, *type;
    } bad[] = {
        {"1", "invalidArguments"},
        {"[]", "invalidArguments"},
        {"{'inMailbox': 1}", "invalidArguments"},
        {"{'inMailboxOtherThan': 'B1'}", "invalidArguments"},
        {"{'inMailboxOtherThan': [1]}", "invalidArguments"},
        {"{'before': 'yesterday'}", "invalidArguments"},
        {"{'minSize': -1}", "invalidArguments"},
        {"{'hasKeyword': null, 'notKeyword': 1}", "invalidArguments"},
        {"{'hasAttachment': 'yes'}", "invalidArguments"},
        {"{'text': []}", "invalidArguments"},
        {"{'header': []}", "invalidArguments"},
        {"{'header': ['a', 'b', 'c']}", "invalidArguments"},
        {"{'header': ['a', 1]}", "invalidArguments"},
        {"{'operator': 'XOR', 'conditions': []}", "invalidArguments"},
        {"{'operator': 'AND'}", "invalidArguments"},
        {"{'operator': 'AND', 'conditions': [{'x': 1}]}", "unsupportedFilter"},
        {"{'colour': 'red'}", "unsupportedFilter"},
    };
    char args[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(args, sizeof args, "{'accountId': 'A1', 'filter': %s}", bad[i].filter);
        jmap_expect_error(f, "Email/query", args, bad[i].type);
    }
    static const struct {
        const char *sort, *type;
    } sorts[] = {
        {"1", "invalidArguments"},
        {"[1]", "invalidArguments"},
        {"[{'property': 'size', 'isAscending': 1}]", "invalidArguments"},
        {"[{'property': 'hasKeyword'}]", "invalidArguments"},
        {"[{'property': 'colour'}]", "unsupportedSort"},
        {"[{'property': 'subject', 'collation': 'i;klingon'}]", "unsupportedSort"},
    };
    for (size_t i = 0; i < sizeof sorts / sizeof sorts[0]; i++) {
        snprintf(args, sizeof args, "{'accountId': 'A1', 'sort': %s}", sorts[i].sort);
        jmap_expect_error(f, "Email/query", args, sorts[i].type);
    }
    jmap_expect_error(f, "Email/query", "{'accountId': 'A1', 'anchor': 'M1'}", "anchorNotFound");
    jmap_expect_error(f, "Email/query", "{'accountId': 'A1', 'anchor': 'x'}", "anchorNotFound");
    jmap_expect_call(f, "Email/query",
                     "{'accountId': 'A1', 'filter': {'inMailbox': 'B99'}, 'limit': 10,"
                     " 'calculateTotal': true}",
                     "{'accountId': 'A1', 'queryState': '*', 'canCalculateChanges': true,"
                     " 'position': 0, 'total': 0, 'ids': []}");
}

static void test_too_many_conditions(void **state)
{
    struct jmap_fixture *f = *state;
    autobuf args = BUF_INIT(1024 * 1024);
    buf_lit(&args, "{'accountId': 'A1', 'filter': {'operator': 'OR', 'conditions': [{}");
    for (int i = 0; i < LIMIT_JMAP_FILTER; i++)
        buf_lit(&args, ", {'minSize': 1}");
    buf_lit(&args, "]}}");
    buf_byte(&args, 0);
    jmap_expect_error(f, "Email/query", (const char *)args.p, "unsupportedFilter");
    buf_reset(&args);
    buf_lit(&args, "{'accountId': 'A1', 'filter': {'text': '");
    for (int i = 0; i <= LIMIT_JMAP_SEARCH_WORDS; i++)
        buf_lit(&args, "word ");
    buf_lit(&args, "'}}");
    buf_byte(&args, 0);
    jmap_expect_error(f, "Email/query", (const char *)args.p, "unsupportedFilter");
}

/* Words, phrases and escapes (RFC 8621 4.4.1). */
static void test_words(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: the quick brown fox\n\n");
    jmap_fixture_append(f, f->anna.id, "INBOX", "Subject: brown and quick\n\n");
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "Subject: don\"t say: it's Gr\xC3\xB6\xC3\x9F"
                        "er\n\n");
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"quick brown", "['M2', 'M1']"},
        {"\\\"quick brown\\\"", "['M1']"},
        {"  QUICK   fox ", "['M1']"},
        {"\\\"brown and\\\" quick", "['M2']"},
        {"grosser", "['M3']"},
        {"GR\u00d6SSER", "['M3']"},
        {"don\\\"t", "['M3']"},
        {"\\\"don\\\\\\\"t say\\\"", "['M3']"},
        {"", "['M3', 'M2', 'M1']"},
        {"\\\"\\\"", "['M3', 'M2', 'M1']"},
        {"nothing", "[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char args[512], expected[128];
        snprintf(args, sizeof args, "{'accountId': 'A1', 'filter': {'subject': '%s'}}",
                 cases[i].text);
        snprintf(expected, sizeof expected, "{'...': 0, 'ids': %s}", cases[i].ids);
        jmap_expect_call(f, "Email/query", args, expected);
    }
    /* The fields that carry a message are not what somebody looks for. */
    jmap_fixture_append(f, f->anna.id, "INBOX", "Received: from hidden\nSubject: x\n\nshown\n");
    jmap_expect_call(f, "Email/query", "{'accountId': 'A1', 'filter': {'text': 'hidden'}}",
                     "{'...': 0, 'ids': []}");
    jmap_expect_call(f, "Email/query", "{'accountId': 'A1', 'filter': {'text': 'shown'}}",
                     "{'...': 0, 'ids': ['M4']}");
    jmap_expect_call(f, "Email/query", "{'accountId': 'A1', 'filter': {'header': ['received']}}",
                     "{'...': 0, 'ids': ['M4']}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_too_many_conditions, start, stop),
        cmocka_unit_test_setup_teardown(test_words, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
