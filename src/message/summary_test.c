/* Tests of summaries, and of hostile messages: each in bounded time and memory. */
#include "message/summary.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs those above first. */
#include <cmocka.h>

#define assert_slice(got, want) check_slice(__LINE__, (got), slice_str(want))
static void check_slice(int line, struct slice got, struct slice want)
{
    if (!slice_eq(got, want))
        fail_msg("line %d: [%.*s], not [%.*s]", line, SLICE_FMT(got), SLICE_FMT(want));
}

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, LIMIT_SUMMARY_ARENA);
    return 0;
}

static int teardown(void **state)
{
    arena_free(&arena);
    return 0;
}

static struct summary make(struct slice raw)
{
    struct summary s;
    assert_int_equal(summary_make(&arena, raw, 1234, &s), OK);
    return s;
}

static void test_fields(void **state)
{
    struct summary s = make(SLICE("Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
                                  "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>, b@c\r\n"
                                  "Subject: Re: [x] Gr\xC3\xBC\xC3\x9F"
                                  "e\r\n"
                                  "Message-ID: <1@a> (c)\r\n"
                                  "In-Reply-To: text <0@a> <00@a>\r\n"
                                  "References: <00@a>\r\n <0@a> broken <x y> <>\r\n"
                                  "\r\nHello\r\n  world \r\n"));
    assert_slice(s.message_id, "<1@a>");
    assert_slice(s.in_reply_to, "<0@a>");
    assert_slice(s.references, "<00@a> <0@a>");
    assert_slice(s.subject, "Re: [x] Gr\xC3\xBC\xC3\x9F"
                            "e");
    assert_slice(s.base_subject, "grusse");
    assert_slice(s.from, "J\xC3\xB6rg");
    assert_slice(s.preview, "Hello world");
    assert_int_equal(s.sent, 880127706);
    assert_int_equal(s.lines, 10);
    assert_true(s.utf8_header);
    assert_true(s.eight_bit);
    assert_false(s.has_attachment);
}

static void test_empty(void **state)
{
    struct summary s = make(SLICE(""));
    assert_slice(s.envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_slice(s.body_structure,
                 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 "
                 "NIL NIL NIL NIL)");
    assert_int_equal(s.sent, 1234);
    assert_slice(s.message_id, "");
    assert_slice(s.preview, "");
    assert_int_equal(s.header_size, 0);
    s = make(SLICE("Date: nonsense\r\nFrom: G: a@b;\r\n\r\n"));
    assert_int_equal(s.sent, 1234);
    assert_slice(s.from, "a@b");
    assert_slice(make(SLICE("From: root\r\n\r\n")).from, "root");
    assert_slice(make(SLICE("From: \"\r\n\r\n")).from, "");
}

static void test_references_keep_the_last(void **state)
{
    autobuf m;
    buf_init(&m, 1 << 20);
    buf_lit(&m, "References:");
    for (int i = 0; i < 150; i++)
        buf_printf(&m, " <%d@a>", i);
    buf_lit(&m, "\r\n\r\n");
    struct summary s = make(buf_slice(&m));
    assert_true(slice_starts(s.references, SLICE("<50@a> <51@a>")));
    assert_true(slice_ends(s.references, SLICE(" <149@a>")));
}

static void test_preview(void **state)
{
    assert_slice(
        make(SLICE("Content-Type: text/html\r\n\r\n<style>x</style><p>One&nbsp;&amp;\r\n<b>two"
                   "</b></p>"))
            .preview,
        "One & two");
    assert_slice(make(SLICE("Content-Type: multipart/alternative; boundary=b\r\n\r\n"
                            "--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n"
                            "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                            "Content-Transfer-Encoding: base64\r\n\r\n9vY=\r\n--b--"))
                     .preview,
                 "\xC3\xB6\xC3\xB6");
    /* Cut at a character. */
    autobuf m;
    buf_init(&m, 1 << 20);
    buf_lit(&m, "Content-Type: text/plain; charset=utf-8\r\n\r\nx");
    for (int i = 0; i < 3000; i++)
        buf_lit(&m, "\xE2\x82\xAC");
    struct slice p = make(buf_slice(&m)).preview;
    assert_true(p.n <= LIMIT_PREVIEW && p.n > LIMIT_PREVIEW - 4);
    assert_true(utf8_valid(p));
    /* Behind long styles. */
    buf_reset(&m);
    buf_lit(&m, "Content-Type: text/html\r\n\r\n<html><head><style>");
    for (int i = 0; i < 1000; i++)
        buf_lit(&m, "a { color: red }\r\n");
    buf_lit(&m, "</style></head><body>Late</body>");
    assert_slice(make(buf_slice(&m)).preview, "Late");
}

static void test_attachment(void **state)
{
    static const struct {
        const char *multipart, *part;
        bool attachment;
    } table[] = {
        {"mixed", "Content-Type: text/plain", false},
        {"mixed", "Content-Type: application/pdf", true},
        {"mixed", "Content-Type: text/plain\r\nContent-Disposition: attachment", true},
        {"mixed", "Content-Type: text/plain\r\nContent-Disposition: inline", false},
        {"mixed", "Content-Type: image/png", true},
        {"related", "Content-Type: image/png\r\nContent-ID: <a>", false},
        {"mixed", "Content-Type: message/rfc822\r\n\r\nSubject: x", true},
        {"signed", "Content-Type: application/pgp-signature", false},
        {"alternative", "Content-Type: text/calendar", false},
        {"report", "Content-Type: message/delivery-status", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct summary s =
            make(arena_printf(&arena,
                              "Content-Type: multipart/%s; "
                              "boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n%s\r\n\r\nx\r\n"
                              "--b--\r\n",
                              table[i].multipart, table[i].part));
        if (s.has_attachment != table[i].attachment)
            fail_msg("%s, %s", table[i].multipart, table[i].part);
    }
    assert_true(make(SLICE("Content-Type: application/pdf\r\n\r\nx")).has_attachment);
}

static void check_nstring(struct slice in, const char *want)
{
    autobuf out;
    buf_init(&out, 256);
    summary_nstring(in, &out);
    assert_slice(buf_slice(&out), want);
}

static void test_nstring(void **state)
{
    check_nstring(SLICE_NONE, "NIL");
    check_nstring(SLICE(""), "\"\"");
    check_nstring(SLICE("NIL"), "\"NIL\"");
    check_nstring(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    check_nstring(SLICE("a\r\nb"), "{4}\r\na\r\nb");
    check_nstring(SLICE("\xC3\xB6"), "{2}\r\n\xC3\xB6");
    check_nstring(SLICE("a\0b"), "{5}\r\na\xEF\xBF\xBD"
                                 "b");
    check_nstring(SLICE("\"\"\"\"\""), "{5}\r\n\"\"\"\"\"");
}

static void test_body_of_broken_structure(void **state)
{
    static const char *const broken[] = {
        "",
        "(",
        "()",
        "NIL",
        "(\"text\" \"plain\")",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1)",
        "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1) x",
        "((((((",
        "(\"a\" {5}\r\nab)",
        "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 1 NIL",
        "(\"text",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        autobuf out;
        buf_init(&out, 4096);
        assert_int_equal(summary_body_of_structure(slice_str(broken[i]), &out), ERR_INPUT);
    }
    autobuf deep, out;
    buf_init(&deep, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_byte(&deep, '(');
    for (int i = 0; i < 100000; i++)
        buf_byte(&deep, ')');
    assert_int_equal(summary_body_of_structure(buf_slice(&deep), &out), ERR_INPUT);
}

/* What is written stays readable, whatever was left out. */
static void check_hostile(struct slice raw, int64_t limit_ms)
{
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    int64_t start = clock_ms();
    struct summary s;
    assert_int_equal(summary_make(&a, raw, 0, &s), OK);
    int64_t took = clock_ms() - start;
    if (took > limit_ms)
        fail_msg("%zu bytes took %lld ms", raw.n, (long long)took);
    assert_true(s.envelope.n <= LIMIT_ENVELOPE_TEXT);
    assert_true(s.body_structure.n <= LIMIT_STRUCTURE_TEXT);
    assert_true(s.envelope.p[s.envelope.n - 1] == ')');
    autobuf body;
    buf_init(&body, LIMIT_STRUCTURE_TEXT);
    assert_int_equal(summary_body_of_structure(s.body_structure, &body), OK);
}

enum { SLOW_MS = 3000 }; /* milliseconds are expected; a sanitizer and a loaded machine are slow */

static void repeat(struct buf *b, const char *head, const char *text, size_t bytes,
                   const char *tail)
{
    buf_reset(b);
    buf_str(b, head);
    while (b->n < bytes)
        buf_str(b, text);
    buf_str(b, tail);
    check_hostile(buf_slice(b), SLOW_MS);
}

static void test_hostile(void **state)
{
    enum { BIG = 5 * 1024 * 1024 };
    static const struct {
        const char *head, *text, *tail;
    } table[] = {
        {"", "A: b\r\n", "\r\n"},                             /* fields */
        {"", "To: a@b\r\n", "\r\n"},                          /* address fields */
        {"To: ", "a@b, ", "\r\n\r\n"},                        /* addresses */
        {"To: ", "\"a\\b\" <c@d>, ", "\r\n\r\n"},             /* that need copies */
        {"To: ", "(", "\r\n\r\n"},                            /* comments without end */
        {"To: ", "(\\a)", "\r\n\r\n"},                        /* comments */
        {"To: \"", "\\\"", "\r\n\r\n"},                       /* a quoted string without end */
        {"To: ", "g:", "\r\n\r\n"},                           /* groups in groups */
        {"To: ", "<", "\r\n\r\n"},                            /* angles */
        {"To: ", "a ", "\r\n\r\n"},                           /* a phrase */
        {"To: <", "@a,", "\r\n\r\n"},                         /* a route */
        {"Subject: ", "=?", "\r\n\r\n"},                      /* words that are none */
        {"Subject: ", "=?a?q?", "\r\n\r\n"},                  /* nor are these */
        {"Subject: ", "=?utf-8?q?=C3?= ", "\r\n\r\n"},        /* words in pieces */
        {"Subject: ", "[a]", "\r\n\r\n"},                     /* blobs */
        {"Subject: ", "re: ", "\r\n\r\n"},                    /* leaders */
        {"Subject: ", "\xFF", "\r\n\r\n"},                    /* malformed */
        {"References: ", "<", "\r\n\r\n"},                    /* identifiers without end */
        {"References: <", "a", ">\r\n\r\n"},                  /* a huge one */
        {"Date: ", "(\r\n ", "\r\n\r\n"},                     /* a date in comments */
        {"Content-Type: text/plain", "; a=b", "\r\n\r\n"},    /* parameters */
        {"Content-Type: text/plain", "; a*0*=b", "\r\n\r\n"}, /* continuations */
        {"Content-Type: ", "(a)", "\r\n\r\n"},                /* a type in comments */
        {"", "Content-Disposition: ; a=\"\\b\"\r\n", "\r\n"}, /* dispositions */
        {"Content-Type: text/html\r\n\r\n", "<style>", ""},   /* HTML */
        {"Content-Type: text/html\r\n\r\n", "<a <!-- &", ""}, /* and more of it */
        {"\r\n", "a", ""},                                    /* one line */
        {"\r\n", "\n", ""},                                   /* empty lines */
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n", ""},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\nA: b\r\n\r\nx\r\n", ""},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
         "--b\r\nContent-Type: text/plain; charset=\"a\\\"b\"; x=y; z=\xFF\r\n\r\n", ""},
        {"Content-Type: multipart/digest; boundary=b\r\n\r\n",
         "--b\r\n\r\nTo: a@b, c@d, \"e\\f\" <g@h>\r\nSubject: \xFF\r\n\r\n", ""},
        {"", "Content-Type: message/rfc822\r\n\r\n", ""},
        {"", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", ""},
    };
    autobuf b;
    buf_init(&b, 2 * BIG);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        repeat(&b, table[i].head, table[i].text, BIG, table[i].tail);
}

/* As many open boundaries as there may be, and lines that nearly are each of them. */
static void test_hostile_boundaries(void **state)
{
    autobuf b;
    buf_init(&b, 1 << 24);
    for (int i = 0; i < LIMIT_MIME_DEPTH; i++)
        buf_printf(&b,
                   "Content-Type: multipart/mixed; boundary=aaaaaaaaaaaaaaaa%d\r\n\r\n"
                   "--aaaaaaaaaaaaaaaa%d\r\n",
                   i, i);
    while (b.n < 5 * 1024 * 1024)
        buf_lit(&b, "--aaaaaaaaaaaaaaaax\r\n");
    check_hostile(buf_slice(&b), SLOW_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_references_keep_the_last),
        cmocka_unit_test(test_preview),
        cmocka_unit_test(test_attachment),
        cmocka_unit_test(test_nstring),
        cmocka_unit_test(test_body_of_broken_structure),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_hostile_boundaries),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
