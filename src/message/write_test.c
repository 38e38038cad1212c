/* What is written is read back the same by our own parser, and by its bytes where they matter. */
#include "message/address.h"
#include "message/header.h"
#include "message/mime.h"
#include "message/write.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_text(struct buf *b, const char *expected)
{
    buf_byte(b, 0);
    assert_string_equal((const char *)b->p, expected);
    buf_reset(b);
}

static void test_fields(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(65536);
    write_text_field(SLICE("Subject"),
                     SLICE("Gr\xc3\xbc\xc3\x9f"
                           "e"),
                     &b);
    assert_text(&b, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n");
    write_text_field(SLICE("Subject"), SLICE("a\r\nBcc: b"), &b);
    assert_text(&b, "Subject: a  Bcc: b\r\n");
    write_raw_field(SLICE("X"), SLICE("a\r\nb\x01"), &b);
    assert_text(&b, "X: a  b \r\n");
    write_date_field(SLICE("Date"), 0, 60, &b);
    assert_text(&b, "Date: Thu, 1 Jan 1970 01:00:00 +0100\r\n");
    const struct slice ids[] = {SLICE_INIT("a@b"), SLICE_INIT("c@d")};
    write_ids_field(SLICE("References"), ids, 2, &b);
    assert_text(&b, "References: <a@b> <c@d>\r\n");
    buf_free(&b);
}

static void test_addresses(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(65536);
    const struct write_address list[] = {
        {SLICE_INIT("Anna Muster"), SLICE_INIT("anna@example.org")},
        {SLICE_INIT("Muster, \"Anna\""), SLICE_INIT("a@example.org")},
        {SLICE_NONE, SLICE_INIT("b@example.org")},
        {SLICE_INIT("J\xc3\xbcrgen =?x"), SLICE_INIT("j@example.org")},
    };
    write_address_field(SLICE("To"), list, 4, &b);
    autoarena a;
    arena_init(&a, 65536);
    struct address *read;
    assert_int_equal(address_list(&a, slice_sub(buf_slice(&b), 4, b.n - 2), &read), OK);
    for (size_t i = 0; i < 4; i++, read = read->next) {
        struct slice name = header_text(&a, read->name);
        assert_true(slice_eq(name, list[i].name));
        struct slice at =
            arena_printf(&a, "%.*s@%.*s", SLICE_FMT(read->mailbox), SLICE_FMT(read->host));
        assert_true(slice_eq(at, list[i].email));
    }
    assert_null(read);
    buf_reset(&b);
    const struct write_address group[] = {
        {SLICE_INIT("Team"), SLICE_NONE}, {SLICE_NONE, SLICE_INIT("a@b")},
        {SLICE_NONE, SLICE_INIT("c@d")},  {SLICE_NONE, SLICE_NONE},
        {SLICE_NONE, SLICE_INIT("e@f")},
    };
    write_address_field(SLICE("To"), group, 5, &b);
    assert_text(&b, "To: Team: a@b, c@d;, e@f\r\n");
    buf_free(&b);
}

/* Many long names: no line is too long, and none is lost. */
static void test_many_addresses(void **state)
{
    (void)state;
    static struct write_address list[300];
    struct buf b = BUF_INIT(1 << 20);
    for (size_t i = 0; i < 300; i++)
        list[i] = (struct write_address){SLICE("Herr B\xc3\xbcrgermeister von und zu Musterstadt"),
                                         SLICE("somebody.with.a.long.name@department.example.org")};
    write_address_field(SLICE("Cc"), list, 300, &b);
    struct slice rest = buf_slice(&b), line;
    size_t n = 0;
    while (slice_line(&rest, &line)) {
        assert_true(line.n <= 120);
        n += slice_find(line, SLICE("<somebody")) < line.n;
    }
    assert_int_equal(n, 300);
    buf_free(&b);
}

static void test_parameters(void **state)
{
    (void)state;
    static const char *const names[] = {"a.pdf", "a b.pdf", "\"q\\\".txt",
                                        "\xc3\x9c"
                                        "bersicht.pdf",
                                        "Ein sehr langer Name einer Datei, die niemand so nennen "
                                        "w\xc3\xbcrde, aber manche tun es doch, immer wieder.docx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf b = BUF_INIT(65536);
        autoarena a;
        arena_init(&a, 65536);
        struct mime_tree *tree;
        buf_lit(&b, "Content-Type: text/plain\r\nContent-Disposition: attachment");
        write_parameter("filename", slice_str(names[i]), &b);
        buf_lit(&b, "\r\n\r\n");
        assert_int_equal(mime_parse(&a, buf_slice(&b), &tree), OK);
        assert_true(slice_eq(mime_file_name(&a, tree->root), slice_str(names[i])));
        buf_free(&b);
    }
}

static void test_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out, *encoding;
    } cases[] = {
        {"a\nb\r\nc\r", "a\r\nb\r\nc\r\n", "7bit"},
        {"", "", "7bit"},
        {"K\xc3\xa4se\n", "K\xc3\xa4se\r\n", "quoted-printable"},
        {"\xd0\xb4\xd0\xb0\xd0\xb4\xd0\xb0", "\xd0\xb4\xd0\xb0\xd0\xb4\xd0\xb0", "base64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF_INIT(65536), text = BUF_INIT(65536);
        autoarena a;
        arena_init(&a, 65536);
        struct mime_tree *tree;
        buf_lit(&b, "Content-Type: text/plain; charset=utf-8\r\n");
        write_text_body(slice_str(cases[i].in), &b);
        assert_int_equal(mime_parse(&a, buf_slice(&b), &tree), OK);
        assert_true(slice_eq(tree->root->encoding_text, slice_str(cases[i].encoding)));
        assert_int_equal(mime_text(tree->root, &text), OK);
        assert_true(slice_eq(buf_slice(&text), slice_str(cases[i].out)));
        buf_free(&b);
        buf_free(&text);
    }
}

static void test_long_line(void **state)
{
    (void)state;
    static char line[5000];
    struct buf b = BUF_INIT(65536);
    memset(line, 'x', sizeof line - 1);
    write_text_body(slice_str(line), &b);
    struct slice rest = buf_slice(&b), one;
    while (slice_line(&rest, &one))
        assert_true(one.n <= 78);
    buf_free(&b);
}

static void test_good(void **state)
{
    (void)state;
    assert_true(write_good_name(SLICE("X-A")));
    assert_false(write_good_name(SLICE("A:")));
    assert_false(write_good_name(SLICE("A B")));
    assert_false(write_good_name(SLICE_NONE));
    assert_true(write_good_id(SLICE("a@b")));
    assert_false(write_good_id(SLICE("a> <b")));
    assert_true(write_good_email(SLICE("j\xc3\xbc@example.org")));
    assert_false(write_good_email(SLICE("a@b>\r\nBcc: c")));
    assert_false(write_good_email(SLICE("a@b,c@d")));
    assert_true(write_good_token(SLICE("svg+xml")));
    assert_false(write_good_token(SLICE("a;b=c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_many_addresses), cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_bodies),         cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
