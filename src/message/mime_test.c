/* Tests of the MIME parser and of parts as text. */
#include "message/mime.h"

#include "base/limits.h"
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

static struct mime_tree *parse(struct slice s)
{
    struct mime_tree *tree = NULL;
    assert_int_equal(mime_parse(&arena, s, &tree), OK);
    return tree;
}

static struct mime_part *find(const struct mime_tree *tree, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t path[] = {a, b, c};
    return mime_find(tree, path, c ? 3 : b ? 2 : a ? 1 : 0);
}

static const char nested[] = "MIME-Version: 1.0\r\n"
                             "Content-Type: multipart/mixed; boundary=\"o\"\r\n"
                             "\r\n"
                             "preamble\r\n"
                             "--o\r\n"
                             "Content-Type: multipart/alternative; boundary=i\r\n"
                             "\r\n"
                             "--i\r\n"
                             "\r\n"
                             "one\r\n"
                             "--i\r\n"
                             "Content-Type: text/html\r\n"
                             "\r\n"
                             "<p>\r\n"
                             "\r\n"
                             "--i--\r\n"
                             "--o\r\n"
                             "Content-Type: message/rfc822\r\n"
                             "\r\n"
                             "Subject: in\r\n"
                             "\r\n"
                             "inner\r\n"
                             "--o--\r\n"
                             "epilogue\r\n";

static void test_structure(void **state)
{
    struct mime_tree *t = parse(slice_str(nested));
    assert_int_equal(t->count, 6);
    assert_false(t->cut);
    struct mime_part *p = find(t, 1, 0, 0);
    assert_int_equal(p->kind, MIME_MULTIPART);
    assert_slice(p->subtype, "alternative");
    p = find(t, 1, 1, 0);
    assert_slice(p->type, "text");
    assert_slice(p->header, "\r\n");
    assert_slice(p->body, "one");
    assert_int_equal(p->body_lines, 0);
    p = find(t, 1, 2, 0);
    assert_slice(p->body, "<p>\r\n");
    assert_int_equal(p->body_lines, 1);
    assert_int_equal(p->header_lines, 2);
    p = find(t, 2, 0, 0);
    assert_int_equal(p->kind, MIME_MESSAGE);
    assert_slice(p->body, "Subject: in\r\n\r\ninner");
    assert_slice(p->child->header, "Subject: in\r\n\r\n");
    p = find(t, 2, 1, 0);
    assert_int_equal(p->parent->kind, MIME_MESSAGE);
    assert_slice(p->body, "inner");
    assert_int_equal(p->number, 5);
    assert_null(find(t, 3, 0, 0));
    assert_null(find(t, 1, 3, 0));
    assert_null(find(t, 2, 2, 0));
    assert_null(find(t, 2, 1, 1));
    assert_slice(t->root->body, strstr(nested, "preamble"));
    assert_int_equal(t->root->body_lines + t->root->header_lines, 24);
}

static void test_single_part(void **state)
{
    struct mime_tree *t = parse(SLICE("Subject: x\r\n\r\nbody\r\n"));
    assert_ptr_equal(find(t, 1, 0, 0), t->root);
    assert_null(find(t, 2, 0, 0));
    assert_null(find(t, 1, 1, 0));
    assert_slice(t->root->body, "body\r\n");
    assert_slice(t->root->encoding_text, "7bit");
    t = parse(SLICE(""));
    assert_int_equal(t->root->body.n, 0);
    t = parse(SLICE("Only: header"));
    assert_slice(t->root->header, "Only: header");
    assert_int_equal(t->root->header_lines, 0);
    t = parse(SLICE("\nLF lines\n"));
    assert_slice(t->root->body, "LF lines\n");
}

/* Without MIME-Version and Content-Type the other fields mean nothing. */
static void test_not_mime(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Transfer-Encoding: base64\r\n\r\naGk="));
    assert_int_equal(t->root->encoding, MIME_7BIT);
    t = parse(SLICE("Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\naGk="));
    assert_int_equal(t->root->encoding, MIME_BASE64);
}

static void test_boundary_in_header(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                                      "--b\r\nContent-Type: text/html\r\n--b\r\n\r\nx\r\n--b--"));
    struct mime_part *p = find(t, 1, 0, 0);
    assert_slice(p->header, "Content-Type: text/html");
    assert_slice(p->subtype, "html");
    assert_slice(p->body, "");
    assert_slice(find(t, 2, 0, 0)->body, "x");
}

static void test_outer_boundary_ends_inner(void **state)
{
    struct mime_tree *t =
        parse(SLICE("Content-Type: multipart/mixed; boundary=out\r\n\r\n"
                    "--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
                    "--in\r\n\r\nlost end\r\n--out\r\n\r\nnext\r\n--out--\r\n--in\r\n\r\nno\r\n"));
    assert_slice(find(t, 1, 1, 0)->body, "lost end");
    assert_slice(find(t, 1, 0, 0)->body, "--in\r\n\r\nlost end");
    assert_slice(find(t, 2, 0, 0)->body, "next");
    assert_int_equal(t->count, 4);
}

/* Of boundaries that begin alike the longer wins; an equal one belongs to the inner part. */
static void test_boundary_prefixes(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
                                      "--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n"
                                      "--ab\r\n\r\n1\r\n--ab\r\n\r\n2\r\n--ab--\r\n--a\r\n\r\n3"));
    assert_slice(find(t, 1, 2, 0)->body, "2");
    assert_slice(find(t, 2, 0, 0)->body, "3");
}

static void test_digest(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Type: multipart/digest; boundary=b\r\n\r\n"
                                      "--b\r\n\r\nSubject: one\r\n\r\nx\r\n--b--\r\n"));
    struct mime_part *p = find(t, 1, 0, 0);
    assert_int_equal(p->kind, MIME_MESSAGE);
    assert_true(mime_is(p, "message", "rfc822"));
    assert_slice(find(t, 1, 1, 0)->body, "x");
}

static void test_multipart_without_parts(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing"));
    struct mime_part *p = find(t, 1, 0, 0);
    assert_slice(p->raw, "");
    assert_true(p->body.p != NULL && mime_is(p, "text", "plain"));
    assert_null(find(t, 2, 0, 0));
    assert_slice(t->root->body, "nothing");
}

static void test_limits(void **state)
{
    autobuf m;
    buf_init(&m, 1 << 24);
    for (int i = 0; i < 10000; i++)
        buf_printf(&m, "Content-Type: multipart/mixed; boundary=b%05d\r\n\r\n--b%05d\r\n", i, i);
    struct mime_tree *t = parse(buf_slice(&m));
    assert_true(t->cut);
    assert_true(t->count <= LIMIT_MIME_DEPTH);
    buf_reset(&m);
    buf_lit(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 50000; i++)
        buf_lit(&m, "--b\r\n\r\nx\r\n");
    t = parse(buf_slice(&m));
    assert_true(t->cut);
    assert_int_equal(t->count, LIMIT_MIME_PARTS);
    buf_reset(&m);
    for (int i = 0; i < 500; i++)
        buf_lit(&m, "Content-Type: message/rfc822\r\n\r\n");
    t = parse(buf_slice(&m));
    assert_true(t->cut);
    assert_int_equal(t->count, LIMIT_MIME_DEPTH);
}

static void test_arena_cap(void **state)
{
    autoarena small;
    arena_init(&small, 2048);
    autobuf m;
    buf_init(&m, 1 << 20);
    buf_lit(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < 100; i++)
        buf_lit(&m, "--b\r\n\r\nx\r\n");
    struct mime_tree *t;
    assert_int_equal(mime_parse(&small, buf_slice(&m), &t), ERR_LIMIT);
}

static struct slice param(const char *type, const char *name)
{
    struct slice m = arena_printf(&arena, "Content-Type: %s\r\n\r\n", type);
    return mime_param(&arena, parse(m)->root->params, slice_str(name));
}

static void test_params(void **state)
{
    assert_slice(param("text/plain; name=a", "name"), "a");
    assert_slice(param("text/plain; NAME=\"a b\\\"c\"", "name"), "a b\"c");
    assert_slice(param("text/plain; name*=utf-8''%C3%B6%20x", "name"), "\xC3\xB6 x");
    assert_slice(param("text/plain; name*=iso-8859-1'de'%F6", "name"), "\xC3\xB6");
    assert_slice(param("text/plain; name*1=b; name*0=a", "name"), "ab");
    assert_slice(param("text/plain; name*0*=utf-8''%C3%B6; name*1=\"50%\"", "name"), "\xC3\xB6"
                                                                                     "50%");
    assert_slice(param("text/plain; name=plain; name*=utf-8''%C3%B6", "name"), "\xC3\xB6");
    assert_slice(param("text/plain; name=\"=?utf-8?q?=C3=B6?=\"", "name"), "\xC3\xB6");
    assert_slice(param("text/plain; name==?utf-8?q?=C3=B6?=", "name"), "\xC3\xB6");
    assert_slice(param("text/plain; name=a%41", "name"), "a%41");
    assert_slice(param("text/plain; name*=%41", "name"), "A");
    assert_slice(param("text/plain; name*=utf-8''a%0D%0Ab", "name"), "ab");
    assert_slice(param("text/plain; x; =; name=late", "name"), "late");
    assert_slice(param("text/plain; other=a", "name"), "");
}

static void test_file_name(void **state)
{
    struct mime_tree *t =
        parse(SLICE("Content-Type: image/png; name=type.png\r\n"
                    "Content-Disposition: attachment; filename=disp.png\r\n\r\n"));
    assert_slice(mime_file_name(&arena, t->root), "disp.png");
    t = parse(SLICE("Content-Type: image/png; name=type.png\r\n\r\n"));
    assert_slice(mime_file_name(&arena, t->root), "type.png");
    t = parse(SLICE("Content-Type: image/png\r\n\r\n"));
    assert_slice(mime_file_name(&arena, t->root), "");
}

static void test_decode_and_text(void **state)
{
    struct mime_tree *t = parse(SLICE("Content-Type: text/plain; charset=iso-8859-1\r\n"
                                      "Content-Transfer-Encoding: quoted-printable\r\n\r\n=F6"));
    autobuf out;
    buf_init(&out, 4096);
    assert_int_equal(mime_decode(t->root, &out), OK);
    assert_slice(buf_slice(&out), "\xF6");
    buf_reset(&out);
    assert_int_equal(mime_text(t->root, &out), OK);
    assert_slice(buf_slice(&out), "\xC3\xB6");
    buf_reset(&out);
    t = parse(SLICE("Content-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nbytes"));
    assert_int_equal(mime_decode(t->root, &out), ERR_INPUT);
    assert_int_equal(out.n, 0);
    assert_int_equal(mime_text(t->root, &out), OK);
    assert_slice(buf_slice(&out), "bytes");
    autobuf tiny;
    buf_init(&tiny, 3);
    t = parse(SLICE("MIME-Version: 1\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="));
    assert_int_equal(mime_decode(t->root, &tiny), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_single_part),
        cmocka_unit_test(test_not_mime),
        cmocka_unit_test(test_boundary_in_header),
        cmocka_unit_test(test_outer_boundary_ends_inner),
        cmocka_unit_test(test_boundary_prefixes),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_multipart_without_parts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_arena_cap),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_file_name),
        cmocka_unit_test(test_decode_and_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
