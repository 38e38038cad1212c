/* Section names, the bytes they name, and partials. */
#include "imap/section.h"

#include "imap/imap_parse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char mail[] = "From: a@example.org\r\n"
                           "Subject: folded\r\n"
                           " subject\r\n"
                           "X-Other: 1\r\n"
                           "subject: second\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: multipart/mixed; boundary=\"b1\"\r\n"
                           "\r\n"
                           "preamble\r\n"
                           "--b1\r\n"
                           "Content-Type: text/plain\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n"
                           "\r\n"
                           "caf=C3=A9\r\n"
                           "--b1\r\n"
                           "Content-Type: message/rfc822\r\n"
                           "\r\n"
                           "Subject: inner\r\n"
                           "Content-Type: multipart/alternative; boundary=b2\r\n"
                           "\r\n"
                           "--b2\r\n"
                           "\r\n"
                           "inner one\r\n"
                           "--b2\r\n"
                           "Content-Type: text/html\r\n"
                           "\r\n"
                           "<p>inner two\r\n"
                           "--b2--\r\n"
                           "--b1\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "Content-Transfer-Encoding: base64\r\n"
                           "\r\n"
                           "AAECAw==\r\n"
                           "--b1\r\n"
                           "Content-Type: application/x-odd\r\n"
                           "Content-Transfer-Encoding: x-uuencode\r\n"
                           "\r\n"
                           "odd\r\n"
                           "--b1--\r\n";
static const char broken[] = "A: 1\r\nno field\r\nB: 2\r\nneither\r\n\r\nbody\r\n";
static const char simple[] = "Subject: plain\r\n\r\nbody text\r\n";

/* NULL stands for "no such section". */
struct section_case {
    const char *message, *name, *fields;
    const char *expect;
};

static const struct section_case cases[] = {
    {simple, "", NULL, simple},
    {simple, "HEADER", NULL, "Subject: plain\r\n\r\n"},
    {simple, "TEXT", NULL, "body text\r\n"},
    {simple, "1", NULL, "body text\r\n"},
    {simple, "2", NULL, NULL},
    {simple, "1.1", NULL, NULL},
    {simple, "1.HEADER", NULL, NULL},
    {mail, "1", NULL, "caf=C3=A9"},
    {mail, "1.MIME", NULL,
     "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"},
    {mail, "1.TEXT", NULL, NULL},
    {mail, "2.HEADER", NULL,
     "Subject: inner\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"},
    {mail, "2.1", NULL, "inner one"},
    {mail, "2.1.MIME", NULL, "\r\n"},
    {mail, "2.2", NULL, "<p>inner two"},
    {mail, "2.3", NULL, NULL},
    {mail, "2.MIME", NULL, "Content-Type: message/rfc822\r\n\r\n"},
    {mail, "2.TEXT", NULL,
     "--b2\r\n\r\ninner one\r\n--b2\r\nContent-Type: text/html\r\n\r\n<p>inner two\r\n--b2--\r\n"},
    {mail, "2.HEADER.FIELDS", "SUBJECT", "Subject: inner\r\n\r\n"},
    {mail, "3", NULL, "AAECAw=="},
    {mail, "5", NULL, NULL},
    {mail, "4294967295", NULL, NULL},
    {mail, "HEADER.FIELDS", "Subject x-other",
     "Subject: folded\r\n subject\r\nX-Other: 1\r\nsubject: second\r\n\r\n"},
    {mail, "HEADER.FIELDS", "Nothing", "\r\n"},
    {broken, "HEADER.FIELDS.NOT", "A", "no field\r\nB: 2\r\nneither\r\n\r\n"},
    {broken, "HEADER.FIELDS", "A B", "A: 1\r\nB: 2\r\n\r\n"},
    {mail, "HEADER.FIELDS.NOT", "Subject Content-Type MIME-Version",
     "From: a@example.org\r\nX-Other: 1\r\n\r\n"},
};

static struct section parsed(struct arena *a, const struct section_case *c)
{
    struct section s;
    assert_int_equal(section_parse(a, slice_str(c->name), &s), OK);
    struct slice rest = slice_str(c->fields), piece;
    struct slice *names = arena_array(a, 10, sizeof *names);
    while (c->fields && slice_split(&rest, ' ', &piece))
        names[s.n_fields++] = piece;
    s.fields = names;
    return s;
}

static void finds_sections(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct section s = parsed(&a, &cases[i]);
        struct slice raw = slice_str(cases[i].message), got;
        struct mime_tree *tree = NULL;
        if (section_needs_tree(&s))
            assert_int_equal(mime_parse(&a, raw, &tree), OK);
        autobuf made = BUF_INIT(1 << 20);
        assert_int_equal(section_find(&s, raw, tree, &made, &got), OK);
        struct slice want = slice_str(cases[i].expect);
        if (!cases[i].expect != !got.p || !slice_eq(got, want))
            fail_msg("%s: got %.*s", cases[i].name, SLICE_FMT(got));
    }
}

static void undoes_encodings(void **state)
{
    static const struct {
        const char *name;
        enum error error;
        struct slice expect;
    } binary[] = {
        {"1", OK, SLICE_INIT("caf\xC3\xA9")},
        {"3", OK, SLICE_INIT("\0\1\2\3")},
        {"4", ERR_INPUT, SLICE_INIT("")},
        {"2.1", OK, SLICE_INIT("inner one")},
        {"9", OK, {NULL, 0}},
    };
    autoarena a;
    arena_init(&a, 1 << 20);
    struct slice raw = slice_str(mail), got;
    struct mime_tree *tree;
    assert_int_equal(mime_parse(&a, raw, &tree), OK);
    autobuf made = BUF_INIT(1 << 20);
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        struct section s;
        assert_int_equal(section_parse(&a, slice_str(binary[i].name), &s), OK);
        assert_int_equal(section_find_binary(&s, raw, tree, &made, &got), binary[i].error);
        if (binary[i].error != OK)
            continue;
        assert_true(slice_eq(got, binary[i].expect));
        assert_int_equal(!got.p, !binary[i].expect.p);
    }
    struct section whole = {0};
    assert_int_equal(section_find_binary(&whole, raw, tree, &made, &got), OK);
    assert_ptr_equal(got.p, raw.p);
}

static void refuses_what_is_no_section(void **state)
{
    static const char *const wrong[] = {"0",    "01",     "1.",         "1.0",
                                        "1..2", "MIME",   "X",          "HEADER.",
                                        "1.X",  "TEXT.1", "4294967296", "1.HEADER.FIELD"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        autoarena a;
        arena_init(&a, 1 << 16);
        struct section s;
        assert_int_equal(section_parse(&a, slice_str(wrong[i]), &s), ERR_INPUT);
    }
}

static void prints_as_read(void **state)
{
    static const struct section_case names[] = {
        {NULL, "", NULL, ""},
        {NULL, "text", NULL, "TEXT"},
        {NULL, "1.22.Mime", NULL, "1.22.MIME"},
        {NULL, "3.header.fields", "To \"x", "3.HEADER.FIELDS (To \"\\\"x\")"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        autoarena a;
        arena_init(&a, 1 << 16);
        struct section s = parsed(&a, &names[i]);
        autobuf b = BUF_INIT(1000);
        section_print(&s, &b);
        assert_true(slice_eq(buf_slice(&b), slice_str(names[i].expect)));
    }
}

static void cuts_partials(void **state)
{
    static const struct {
        uint64_t first, count;
        const char *expect;
    } parts[] = {{0, 3, "abc"},
                 {2, 100, "cdef"},
                 {5, 1, "f"},
                 {6, 1, ""},
                 {UINT64_MAX, 5, ""},
                 {3, UINT64_MAX, "def"},
                 {UINT64_MAX, UINT64_MAX, ""}};
    struct slice s = SLICE("abcdef");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct partial p = {true, parts[i].first, parts[i].count};
        assert_true(slice_eq(partial_of(p, s), slice_str(parts[i].expect)));
    }
    assert_true(slice_eq(partial_of((struct partial){0}, s), s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_sections),
        cmocka_unit_test(undoes_encodings),
        cmocka_unit_test(refuses_what_is_no_section),
        cmocka_unit_test(prints_as_read),
        cmocka_unit_test(cuts_partials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
