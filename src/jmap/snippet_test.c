/* SearchSnippet/get, and what it marks. */
#include "base/mem.h"
#include "base/utf8.h"
#include "jmap/highlight.h"
#include "jmap/jmap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

static void test_highlight(void **state)
{
    static const struct {
        const char *text, *word, *marked;
    } cases[] = {
        {"The Foosball competition", "foo", "The <mark>Foo</mark>sball competition"},
        {"a foo and FOO", "foo", "a <mark>foo</mark> and <mark>FOO</mark>"},
        {"Gr\xC3\xB6\xC3\x9F"
         "er",
         "grosse",
         "<mark>Gr\xC3\xB6\xC3\x9F"
         "e</mark>r"},
        /* Half of a letter is marked as a whole; a mark that follows a letter belongs to it. */
        {"Stra\xC3\x9F"
         "e",
         "stras", "<mark>Stra\xC3\x9F</mark>e"},
        {"cafe\xCC\x81!", "cafe", "<mark>cafe\xCC\x81</mark>!"},
        {"a  b", "a b", "<mark>a  b</mark>"},
        {"1 < 2 & \"x\" > y", "x", "1 &lt; 2 &amp; &quot;<mark>x</mark>&quot; &gt; y"},
        {"<script>", "script", "&lt;<mark>script</mark>&gt;"},
        {"aaa", "aa", "<mark>aa</mark>a"},
        {"nothing", "foo", NULL},
        {"", "foo", NULL},
        {"fo", "foo", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice word = slice_str(cases[i].word);
        autobuf out = BUF_INIT(1000);
        bool any = highlight_all(slice_str(cases[i].text), &word, 1, &out);
        assert_int_equal(any, cases[i].marked != NULL);
        if (any && !slice_eq(buf_slice(&out), slice_str(cases[i].marked)))
            fail_msg("%s: %.*s", cases[i].text, SLICE_FMT(buf_slice(&out)));
    }
}

static void test_part_stays_within_its_size(void **state)
{
    static const char *const fillers[] = {"lorem ipsum ", "&&&& <> ", "\xC3\xA4\xC3\xB6\xC3\xBC ",
                                          "\xE2\x82\xAC", "x"};
    for (size_t k = 0; k < sizeof fillers / sizeof fillers[0]; k++)
        for (size_t hit = 0; hit < 40; hit++) {
            struct slice word = SLICE("needle");
            autobuf text = BUF_INIT(65536), out = BUF_INIT(65536);
            for (size_t i = 0; i < 60; i++)
                buf_str(&text, i == hit ? "needle" : fillers[k]);
            assert_true(highlight_part(buf_slice(&text), &word, 1, 255, &out));
            struct slice got = buf_slice(&out);
            assert_true(got.n <= 255);
            assert_true(slice_find(got, SLICE("<mark>needle</mark>")) < got.n);
            assert_true(utf8_valid(got));
        }
    /* A hit that is longer than there is room is cut, but closed. */
    autobuf text = BUF_INIT(65536), out = BUF_INIT(65536);
    for (int i = 0; i < 1000; i++)
        buf_byte(&text, 'x');
    struct slice word = buf_slice(&text);
    assert_true(highlight_part(buf_slice(&text), &word, 1, 255, &out));
    assert_true(out.n <= 255 && slice_ends(buf_slice(&out), SLICE("</mark>\xE2\x80\xA6")));
}

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

static void test_snippets(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "From: foo@x.org\nSubject: The Foosball competition\n\n"
                        "this year the foosball\ncompetition will be held\n");
    jmap_fixture_append(f, f->anna.id, "INBOX",
                        "Subject: x\nContent-Type: text/html\n\n"
                        "<p>the <b>F\xC3\xB6o</b>/bar &lt;1 widget</p><style>foo</style>\n");
    jmap_fixture_append(f, f->anna.id, "INBOX", "From: foo@x.org\nSubject: y\n\nother\n");
    jmap_expect_call(
        f, "SearchSnippet/get",
        "{'accountId': 'A1', 'filter': {'text': 'foo'}, 'emailIds': ['M1', 'M2', 'M3']}",
        "{'accountId': 'A1', 'notFound': null, 'list': ["
        "{'emailId': 'M1', 'subject': 'The <mark>Foo</mark>sball competition',"
        " 'preview': 'this year the <mark>foo</mark>sball competition will be held'},"
        "{'emailId': 'M2', 'subject': null,"
        " 'preview': 'the <mark>F\u00f6o</mark>/bar &lt;1 widget'},"
        "{'emailId': 'M3', 'subject': null, 'preview': null}]}");
    jmap_expect_call(f, "SearchSnippet/get",
                     "{'accountId': 'A1', 'filter': {'operator': 'AND', 'conditions': ["
                     " {'subject': 'competition'},"
                     " {'operator': 'NOT', 'conditions': [{'body': 'held'}]}]},"
                     " 'emailIds': ['M1', 'M9', 'x']}",
                     "{'accountId': 'A1', 'notFound': ['M9', 'x'], 'list': [{'emailId': 'M1',"
                     " 'subject': 'The Foosball <mark>competition</mark>', 'preview': null}]}");
    jmap_expect_call(f, "SearchSnippet/get", "{'accountId': 'A1', 'emailIds': ['M1']}",
                     "{'...': 0, 'list': [{'emailId': 'M1', 'subject': null, 'preview': null}]}");
}

static void test_refused(void **state)
{
    struct jmap_fixture *f = *state;
    jmap_expect_error(f, "SearchSnippet/get", "{'accountId': 'A1', 'emailIds': 'M1'}",
                      "invalidArguments");
    jmap_expect_error(f, "SearchSnippet/get", "{'accountId': 'A1', 'emailIds': [1]}",
                      "invalidArguments");
    jmap_expect_error(f, "SearchSnippet/get",
                      "{'accountId': 'A1', 'emailIds': [], 'filter': {'colour': 'red'}}",
                      "unsupportedFilter");
    autobuf args = BUF_INIT(65536);
    buf_lit(&args, "{'accountId': 'A1', 'emailIds': ['M1'");
    for (int i = 0; i < LIMIT_JMAP_GET; i++)
        buf_lit(&args, ", 'M1'");
    buf_lit(&args, "]}");
    buf_byte(&args, 0);
    jmap_expect_error(f, "SearchSnippet/get", (const char *)args.p, "requestTooLarge");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_highlight),
        cmocka_unit_test(test_part_stays_within_its_size),
        cmocka_unit_test_setup_teardown(test_snippets, start, stop),
        cmocka_unit_test_setup_teardown(test_refused, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
