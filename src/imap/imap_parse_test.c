/* Tests of the lexer, token by token, and of sets. */
#include "imap/imap_parse.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ARENA = 4 * 1024 * 1024 };

struct bench {
    struct arena arena;
    struct imap_literal literal;
    struct imap_text text;
    struct imap_lexer lexer;
};

/* Text in which one literal may stand: its '{' is the first one. */
static struct imap_lexer *begin(struct bench *b, struct slice text, struct slice literal)
{
    *b = (struct bench){0};
    arena_init(&b->arena, ARENA);
    b->text.text = text;
    if (literal.p) {
        b->literal = (struct imap_literal){slice_index(text, '{'), literal, false};
        b->text.literals = &b->literal;
        b->text.n = 1;
    }
    lex_init(&b->lexer, &b->arena, &b->text);
    return &b->lexer;
}

static void end(struct bench *b)
{
    arena_free(&b->arena);
}

typedef struct slice (*token)(struct imap_lexer *l);

static struct slice mailbox_utf8(struct imap_lexer *l)
{
    l->utf8 = true;
    return lex_mailbox(l);
}

static void test_tokens(void **state)
{
    static const struct {
        token take;
        const char *text, *literal, *want; /* want NULL: an error */
    } cases[] = {
        {lex_tag, "a1", NULL, "a1"},
        {lex_tag, "a+1", NULL, NULL},
        {lex_tag, "", NULL, NULL},
        {lex_tag, "]x", NULL, "]x"},
        {lex_atom, "ab.c", NULL, "ab.c"},
        {lex_atom, "a]", NULL, NULL},
        {lex_atom, "a%", NULL, NULL},
        {lex_atom, "\xc3\xa4", NULL, NULL},
        {lex_atom, "\x7f", NULL, NULL},
        {lex_name, "BODY.PEEK", NULL, "BODY.PEEK"},
        {lex_name, "", NULL, NULL},
        {lex_astring, "a]b", NULL, "a]b"},
        {lex_astring, "\"a b\"", NULL, "a b"},
        {lex_astring, "\"\"", NULL, ""},
        {lex_astring, "\"a\\\"b\\\\\"", NULL, "a\"b\\"},
        {lex_astring, "\"a\\b\"", NULL, NULL},
        {lex_astring, "\"a", NULL, NULL},
        {lex_astring, "\"a\\", NULL, NULL},
        {lex_astring, "\"a\\\"", NULL, NULL},
        {lex_astring, "\"a\rb\"", NULL, NULL},
        {lex_astring, "{", "a\r\nb", "a\r\nb"},
        {lex_astring, "{", "", ""},
        {lex_astring, "{", NULL, NULL},
        {lex_astring, "(", NULL, NULL},
        {lex_string, "abc", NULL, NULL},
        {lex_nstring, "nil", NULL, ""},
        {lex_nstring, "nilx", NULL, NULL},
        {lex_nstring, "\"NIL\"", NULL, "NIL"},
        {lex_mailbox, "inbox", NULL, "INBOX"},
        {lex_mailbox, "inbox/x", NULL, "INBOX/x"},
        {lex_mailbox, "inboxes", NULL, "inboxes"},
        {lex_mailbox, "a/", NULL, "a"},
        {lex_mailbox, "/", NULL, "/"},
        {lex_mailbox, "Entw&APw-rfe", NULL, "Entw\xc3\xbcrfe"},
        {lex_mailbox, "a&-b", NULL, "a&b"},
        {lex_mailbox, "a&b", NULL, NULL},
        {lex_mailbox, "&", NULL, NULL},
        {lex_mailbox, "&2AA-", NULL, NULL},
        {lex_mailbox, "&AC8-", NULL, NULL},
        {lex_mailbox, "{", "&AOQ", NULL},
        {mailbox_utf8, "a&b", NULL, "a&b"},
        {lex_list_mailbox, "&AO*", NULL, "&AO*"},
        {lex_mailbox, "\"Entw\xc3\xbcrfe\"", NULL, "Entw\xc3\xbcrfe"},
        {lex_mailbox, "\"Entwu\xcc\x88rfe\"", NULL, "Entw\xc3\xbcrfe"},
        {lex_mailbox, "\"\xff\"", NULL, NULL},
        {mailbox_utf8, "Entw&APw-rfe", NULL, "Entw&APw-rfe"},
        {mailbox_utf8, "\"Entw\xc3\xbcrfe\"", NULL, "Entw\xc3\xbcrfe"},
        {lex_list_mailbox, "%", NULL, "%"},
        {lex_list_mailbox, "inbox/*", NULL, "INBOX/*"},
        {lex_list_mailbox, "a/", NULL, "a/"},
        {lex_list_mailbox, "\"\"", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct slice literal = cases[i].literal ? slice_str(cases[i].literal) : SLICE_NONE;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), literal);
        struct slice got = cases[i].take(l);
        enum error e = lex_end(l);
        bool right = cases[i].want ? e == OK && slice_eq(got, slice_str(cases[i].want))
                                   : e == ERR_INPUT && l->why;
        if (!right)
            fail_msg("case %zu, %s: %s, \"%.*s\"", i, cases[i].text, error_name(e), SLICE_FMT(got));
        end(&b);
    }
}

static void test_nul(void **state)
{
    struct bench b;
    struct imap_lexer *l = begin(&b, slice_of("\"a\0b\"", 5), SLICE_NONE);
    lex_string(l);
    assert_int_equal(lex_end(l), ERR_INPUT);
    end(&b);
    l = begin(&b, SLICE("{"), slice_of("a\0b", 3));
    lex_string(l);
    assert_int_equal(lex_end(l), ERR_INPUT);
    end(&b);
    bool binary;
    l = begin(&b, SLICE("{"), slice_of("a\0b", 3));
    assert_int_equal(lex_literal(l, &binary).n, 3);
    assert_false(binary);
    assert_int_equal(lex_end(l), OK);
    end(&b);
}

static void test_literal8(void **state)
{
    static const struct {
        const char *text;
        bool binary;
        enum error want;
    } cases[] = {{"~{", true, OK},
                 {"~{", false, ERR_INPUT},
                 {"{", true, ERR_INPUT},
                 {"{", false, OK},
                 {"~", true, ERR_INPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), SLICE("x"));
        b.literal.binary = cases[i].binary;
        bool binary;
        lex_literal(l, &binary);
        assert_int_equal(lex_end(l), cases[i].want);
        end(&b);
    }
}

/* A '{' where the reader saw no literal is not one, and a literal nobody took is an error. */
static void test_literal_place(void **state)
{
    struct bench b;
    struct imap_lexer *l = begin(&b, SLICE("\"{\" {"), SLICE("x"));
    b.literal.at = 4;
    assert_true(slice_eq(lex_string(l), SLICE("{")));
    lex_sp(l);
    assert_true(slice_eq(lex_string(l), SLICE("x")));
    assert_int_equal(lex_end(l), OK);
    end(&b);
    l = begin(&b, SLICE("\"{\""), SLICE("x"));
    lex_string(l);
    assert_int_equal(lex_end(l), ERR_INPUT);
    end(&b);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        bool number, nz, number64;
    } cases[] = {
        {"0", true, false, true},
        {"1", true, true, true},
        {"4294967295", true, true, true},
        {"4294967296", false, false, true},
        {"9223372036854775807", false, false, true},
        {"9223372036854775808", false, false, false},
        {"99999999999999999999999999", false, false, false},
        {"", false, false, false},
        {"-1", false, false, false},
        {"1x", false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        lex_number(l);
        assert_int_equal(lex_end(l) == OK, cases[i].number);
        end(&b);
        l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        lex_nz_number(l);
        assert_int_equal(lex_end(l) == OK, cases[i].nz);
        end(&b);
        l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        lex_number64(l);
        assert_int_equal(lex_end(l) == OK, cases[i].number64);
        end(&b);
    }
}

static void test_words(void **state)
{
    struct bench b;
    struct imap_lexer *l = begin(&b, SLICE("not NOTx NOT("), SLICE_NONE);
    assert_true(lex_word(l, "NOT"));
    lex_sp(l);
    assert_false(lex_word(l, "NOT"));
    assert_true(slice_eq(lex_atom(l), SLICE("NOTx")));
    lex_sp(l);
    assert_true(lex_word(l, "NOT"));
    assert_int_equal(lex_peek(l), '(');
    end(&b);
}

static void test_nesting(void **state)
{
    for (size_t depth = LIMIT_IMAP_NESTING; depth <= LIMIT_IMAP_NESTING + 1; depth++) {
        uint8_t text[2 * (LIMIT_IMAP_NESTING + 1)];
        memset(text, '(', depth);
        memset(text + depth, ')', depth);
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_of(text, 2 * depth), SLICE_NONE);
        while (lex_open(l))
            continue;
        while (lex_close(l))
            continue;
        assert_int_equal(lex_end(l), depth <= LIMIT_IMAP_NESTING ? OK : ERR_LIMIT);
        end(&b);
    }
}

static void test_lists(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        enum error want;
    } cases[] = {
        {"(a)", 1, OK},           {"(a b c)", 3, OK},       {"(a", 0, ERR_INPUT},
        {"(a b", 0, ERR_INPUT},   {"(a  b)", 0, ERR_INPUT}, {"()", 0, ERR_INPUT},
        {"(a b) ", 0, ERR_INPUT}, {"a", 0, ERR_INPUT},      {"(a b))", 0, ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        size_t n = 0;
        lex_open_list(l);
        do {
            lex_atom(l);
            n++;
        } while (lex_more(l));
        assert_int_equal(lex_end(l), cases[i].want);
        if (cases[i].want == OK)
            assert_int_equal(n, cases[i].n);
        end(&b);
    }
}

static void test_flags(void **state)
{
    static const struct {
        const char *text;
        bool bare;
        uint64_t system;
        size_t n;
        enum error want;
    } cases[] = {
        {"()", false, 0, 0, OK},
        {"(\\Seen)", false, FLAG_SEEN, 0, OK},
        {"(\\seen \\DELETED $Work)", false, FLAG_SEEN | FLAG_DELETED, 1, OK},
        {"(a A b)", false, 0, 2, OK},
        {"(\\Recent)", false, 0, 0, OK},
        {"(\\*)", false, 0, 0, ERR_INPUT},
        {"(\\Other)", false, 0, 0, ERR_INPUT},
        {"\\Seen", false, 0, 0, ERR_INPUT},
        {"\\Seen x", true, FLAG_SEEN, 1, OK},
        {"(\\Seen x)", true, FLAG_SEEN, 1, OK},
        {"", true, 0, 0, ERR_INPUT},
        {"(a", true, 0, 0, ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        struct flag_list f;
        lex_flags(l, cases[i].bare, &f);
        enum error e = lex_end(l);
        if (e != cases[i].want)
            fail_msg("%s: %s", cases[i].text, error_name(e));
        if (e == OK) {
            assert_int_equal(f.system, cases[i].system);
            assert_int_equal(f.n, cases[i].n);
        }
        end(&b);
    }
}

static void test_dates(void **state)
{
    struct bench b;
    struct imap_lexer *l = begin(&b, SLICE("\"17-Jul-1996 02:44:25 -0700\""), SLICE_NONE);
    struct date d = lex_date_time(l);
    assert_int_equal(lex_end(l), OK);
    assert_int_equal(d.seconds, 837596665);
    assert_int_equal(d.zone, -420);
    end(&b);
    l = begin(&b, SLICE("1-Feb-1994 \"1-Feb-1994\""), SLICE_NONE);
    assert_int_equal(lex_day(l), 760060800);
    lex_sp(l);
    assert_int_equal(lex_day(l), 760060800);
    assert_int_equal(lex_end(l), OK);
    end(&b);
    l = begin(&b, SLICE("\"yesterday\""), SLICE_NONE);
    lex_date_time(l);
    assert_int_equal(lex_end(l), ERR_INPUT);
    end(&b);
}

static void print_ranges(const struct uid_range *r, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%u:%u ", (unsigned)r[i].first, (unsigned)r[i].last);
}

static void test_sets(void **state)
{
    static const struct {
        const char *text, *read, *normal; /* read NULL: an error */
    } cases[] = {
        {"1", "1:1 ", "1:1 "},
        {"1:3,5", "1:3 5:5 ", "1:3 5:5 "},
        {"5,1:3", "5:5 1:3 ", "1:3 5:5 "},
        {"3:1", "3:1 ", "1:3 "},
        {"1:3,4", "1:3 4:4 ", "1:4 "},
        {"1:9,2:3,20", "1:9 2:3 20:20 ", "1:9 20:20 "},
        {"4294967295,1:4294967295", "4294967295:4294967295 1:4294967295 ", "1:4294967295 "},
        {"*", "0:0 ", NULL},
        {"1:*", "1:0 ", NULL},
        {"*:4", "0:4 ", NULL},
        {"$", "", NULL},
        {"0", NULL, NULL},
        {"1,", NULL, NULL},
        {"1:", NULL, NULL},
        {",1", NULL, NULL},
        {"1::2", NULL, NULL},
        {"1:2:3", NULL, NULL},
        {"", NULL, NULL},
        {"$,1", NULL, NULL},
        {"4294967296", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(cases[i].text), SLICE_NONE);
        struct imap_set set;
        lex_set(l, &set);
        enum error e = lex_end(l);
        assert_int_equal(e, cases[i].read ? OK : ERR_INPUT);
        if (cases[i].read) {
            autobuf shown = BUF_INIT(1024);
            print_ranges(set.range, set.n, &shown);
            assert_true(slice_eq(buf_slice(&shown), slice_str(cases[i].read)));
        }
        if (cases[i].normal) {
            autobuf shown = BUF_INIT(1024);
            print_ranges(set.range, ranges_normalise(set.range, set.n), &shown);
            assert_true(slice_eq(buf_slice(&shown), slice_str(cases[i].normal)));
        }
        end(&b);
    }
}

static void test_uid_sets(void **state)
{
    static const char *const wrong[] = {"*", "1:*", "$", "1,*"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bench b;
        struct imap_lexer *l = begin(&b, slice_str(wrong[i]), SLICE_NONE);
        struct imap_set set;
        lex_uid_set(l, &set);
        assert_int_equal(lex_end(l), ERR_INPUT);
        end(&b);
    }
}

static void test_many_ranges(void **state)
{
    for (size_t n = LIMIT_IMAP_SET_RANGES; n <= LIMIT_IMAP_SET_RANGES + 1; n++) {
        autobuf text = BUF_INIT(8 * LIMIT_IMAP_SET_RANGES);
        for (size_t i = n; i > 0; i--)
            buf_printf(&text, "%zu%s", 2 * i, i > 1 ? "," : "");
        struct bench b;
        struct imap_lexer *l = begin(&b, buf_slice(&text), SLICE_NONE);
        struct imap_set set;
        lex_set(l, &set);
        enum error e = lex_end(l);
        assert_int_equal(e, n <= LIMIT_IMAP_SET_RANGES ? OK : ERR_LIMIT);
        if (e == OK) {
            assert_int_equal(ranges_normalise(set.range, set.n), n);
            assert_int_equal(set.range[0].first, 2);
        }
        end(&b);
    }
}

static void test_ranges(void **state)
{
    static const struct uid_range x[] = {{1, 5}, {8, 8}, {10, 20}};
    static const struct uid_range y[] = {{2, 3}, {5, 11}, {20, 30}};
    assert_true(ranges_have(x, 3, 1));
    assert_true(ranges_have(x, 3, 5));
    assert_false(ranges_have(x, 3, 6));
    assert_true(ranges_have(x, 3, 8));
    assert_false(ranges_have(x, 3, 21));
    assert_false(ranges_have(x, 0, 1));
    struct arena a;
    arena_init(&a, ARENA);
    size_t n;
    struct uid_range *both = ranges_intersect(&a, x, 3, y, 3, &n);
    autobuf shown = BUF_INIT(1024);
    print_ranges(both, n, &shown);
    assert_true(slice_eq(buf_slice(&shown), SLICE("2:3 5:5 8:8 10:11 20:20 ")));
    assert_null(ranges_intersect(&a, x, 0, y, 3, &n));
    assert_int_equal(n, 0);
    arena_free(&a);
}

/* After an error nothing is given and nothing loops. */
static void test_sticky(void **state)
{
    struct bench b;
    struct imap_lexer *l = begin(&b, SLICE("(a 1:2 \"x\""), SLICE_NONE);
    lex_fail(l, "first");
    lex_fail(l, "second");
    struct imap_set set;
    struct flag_list flags;
    lex_set(l, &set);
    lex_flags(l, true, &flags);
    assert_false(lex_open(l));
    assert_false(lex_more(l));
    assert_int_equal(lex_number(l), 0);
    assert_int_equal(lex_astring(l).n, 0);
    assert_string_equal(l->why, "first");
    assert_int_equal(lex_end(l), ERR_INPUT);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),   cmocka_unit_test(test_nul),
        cmocka_unit_test(test_literal8), cmocka_unit_test(test_literal_place),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_words),
        cmocka_unit_test(test_nesting),  cmocka_unit_test(test_lists),
        cmocka_unit_test(test_flags),    cmocka_unit_test(test_dates),
        cmocka_unit_test(test_sets),     cmocka_unit_test(test_uid_sets),
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_many_ranges),
        cmocka_unit_test(test_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
