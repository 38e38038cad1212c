/* Tests of the command reader: the same stream, cut at every place, gives the same commands. */
#include "imap/reader.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ACCEPT_UP_TO = 100, SHOWN = 4096 };

/* Feeds the stream in pieces of `step` bytes and prints what came out of it. */
static void replay(struct slice stream, size_t step, struct buf *shown)
{
    struct reader r;
    reader_init(&r);
    for (size_t at = 0; at < stream.n; at += step) {
        struct slice in = slice_sub(stream, at, at + step);
        while (in.n) {
            switch (reader_feed(&r, &in)) {
            case READER_MORE:
                break;
            case READER_LITERAL:
                buf_printf(shown, "?%llu%s%s ", (unsigned long long)r.asked,
                           r.asked_sync ? "" : "+", r.asked_binary ? "~" : "");
                if (r.asked <= ACCEPT_UP_TO)
                    reader_accept(&r);
                else
                    reader_next(&r);
                break;
            case READER_TOO_LONG:
                buf_lit(shown, "!long ");
                reader_next(&r);
                break;
            case READER_COMMAND: {
                struct imap_text t = reader_text(&r);
                buf_lit(shown, "[");
                buf_add(shown, t.text);
                for (size_t i = 0; i < t.n; i++) {
                    buf_printf(shown, "|%zu:", t.literals[i].at);
                    buf_add(shown, t.literals[i].bytes);
                }
                buf_lit(shown, "] ");
                reader_next(&r);
                assert_true(reader_empty(&r));
                break;
            }
            }
        }
    }
    reader_free(&r);
}

static void test_table(void **state)
{
    static const struct {
        const char *stream, *shown;
    } cases[] = {
        {"a NOOP\r\n", "[a NOOP] "},
        {"a NOOP\n", "[a NOOP] "},
        {"a NOOP\r\nb CHECK\r\nc", "[a NOOP] [b CHECK] "},
        {"a LOGIN {3}\r\nabc {2+}\r\nde\r\nb NOOP\r\n",
         "?3 ?2+ [a LOGIN { {|8:abc|10:de] [b NOOP] "},
        {"a X {0}\r\n\r\n", "?0 [a X {|4:] "},
        {"a X ~{3}\r\nabc\r\n", "?3~ [a X ~{|5:abc] "},
        {"a X {4}\r\n{1}\n\r\n", "?4 [a X {|4:{1}\n] "},
        {"a X {101}\r\nb NOOP\r\n", "?101 [b NOOP] "},
        {"a X {99999999999999999999999}\r\nb NOOP\r\n", "?18446744073709551615 [b NOOP] "},
        {"a X {}\r\n", "[a X {}] "},
        {"a X {+}\r\n", "[a X {+}] "},
        {"a X {1} \r\n", "[a X {1} ] "},
        {"a X 1}\r\n", "[a X 1}] "},
        {"a X {-1}\r\n", "[a X {-1}] "},
        {"{1}\r\nx\r\n", "?1 [{|0:x] "},
        {"\r\n", "[] "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice stream = slice_str(cases[i].stream);
        for (size_t step = 1; step <= stream.n; step++) {
            autobuf shown = BUF_INIT(SHOWN);
            replay(stream, step, &shown);
            if (!slice_eq(buf_slice(&shown), slice_str(cases[i].shown)))
                fail_msg("case %zu, step %zu: %.*s", i, step, SLICE_FMT(buf_slice(&shown)));
        }
    }
}

static void test_long_line(void **state)
{
    static const struct {
        size_t line;
        const char *end, *shown;
        uint8_t last;
    } cases[] = {
        {LIMIT_IMAP_LINE + 1, "\r\n", "!long [b NOOP] ", 'x'},
        {3 * LIMIT_IMAP_LINE, "\n", "!long [b NOOP] ", 'x'},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autobuf stream = BUF_INIT(4 * LIMIT_IMAP_LINE);
        for (size_t k = 0; k < cases[i].line; k++)
            buf_byte(&stream, 'x');
        buf_str(&stream, cases[i].end);
        buf_lit(&stream, "b NOOP\r\n");
        for (size_t step = 1000; step < 70000; step += 23000) {
            autobuf shown = BUF_INIT(SHOWN);
            replay(buf_slice(&stream), step, &shown);
            assert_true(slice_eq(buf_slice(&shown), slice_str(cases[i].shown)));
        }
    }
}

/* The last byte tells a skipped line that announced a literal. */
static void test_long_line_end(void **state)
{
    struct reader r;
    reader_init(&r);
    autobuf stream = BUF_INIT(4 * LIMIT_IMAP_LINE);
    for (size_t k = 0; k < LIMIT_IMAP_LINE + 1; k++)
        buf_byte(&stream, 'x');
    buf_lit(&stream, "{5+}\r");
    struct slice in = buf_slice(&stream);
    assert_int_equal(reader_feed(&r, &in), READER_MORE);
    in = SLICE("\n");
    assert_int_equal(reader_feed(&r, &in), READER_TOO_LONG);
    assert_int_equal(r.last, '}');
    reader_free(&r);
}

/* A big literal costs what has come, not what was announced. */
static void test_big_literal(void **state)
{
    struct reader r;
    reader_init(&r);
    struct slice in = SLICE("a APPEND x {50000000}\r\n");
    assert_int_equal(reader_feed(&r, &in), READER_LITERAL);
    assert_int_equal(r.asked, 50000000);
    reader_accept(&r);
    uint8_t piece[1000];
    memset(piece, 'y', sizeof piece);
    for (size_t sent = 0; sent < 50000000; sent += sizeof piece) {
        in = slice_of(piece, sizeof piece);
        assert_int_equal(reader_feed(&r, &in), READER_MORE);
    }
    in = SLICE("\r\n");
    assert_int_equal(reader_feed(&r, &in), READER_COMMAND);
    struct imap_text t = reader_text(&r);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.literals[0].bytes.n, 50000000);
    assert_int_equal(t.literals[0].bytes.p[49999999], 'y');
    reader_wipe(&r);
}

static void test_line(void **state)
{
    struct reader r;
    reader_init(&r);
    struct slice in = SLICE("DO"), line;
    bool too_long;
    assert_false(reader_line(&r, &in, 10, &line, &too_long));
    in = SLICE("NE\r\nnext");
    assert_true(reader_line(&r, &in, 10, &line, &too_long));
    assert_false(too_long);
    assert_true(slice_eq(line, SLICE("DONE")));
    assert_true(slice_eq(in, SLICE("next")));
    reader_next(&r);
    in = SLICE("0123456789abc");
    assert_true(reader_line(&r, &in, 10, &line, &too_long));
    assert_true(too_long);
    reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),       cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_big_literal), cmocka_unit_test(test_long_line_end),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
