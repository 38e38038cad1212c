/* Tests of the dot machine: what is content, what is the end, and that it does not matter how the
 * bytes are cut. The smuggling sequences are those of test/data/smuggling. */
#include "base/base64.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/content.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void collect(void *arg, struct slice run)
{
    buf_add(arg, run);
}

/* Feeds `wire` in pieces of `step` bytes as the session does, returns what was not taken. */
static size_t feed(struct content *c, struct slice wire, size_t step, struct buf *out)
{
    size_t at = 0, have = 0;
    while (have < wire.n && !c->ended) {
        have = have + step < wire.n ? have + step : wire.n;
        at += content_data(c, slice_sub(wire, at, have), collect, out);
    }
    return wire.n - at;
}

static void data(void **state)
{
    static const struct {
        struct slice wire, want;
        bool ended;
        enum smtp_reply spoiled;
        size_t left;
    } rows[] = {
        {SLICE_INIT(".\r\n"), SLICE_INIT(""), true, REPLY_NONE, 0},
        {SLICE_INIT("a\r\n.\r\nQUIT\r\n"), SLICE_INIT("a\r\n"), true, REPLY_NONE, 6},
        {SLICE_INIT("..\r\n...x\r\n.y\r\n.\r\n"), SLICE_INIT(".\r\n..x\r\ny\r\n"), true, REPLY_NONE,
         0},
        {SLICE_INIT("a.\r\n.\r\n"), SLICE_INIT("a.\r\n"), true, REPLY_NONE, 0},
        {SLICE_INIT("a\r\n. \r\n.\r\n"), SLICE_INIT("a\r\n \r\n"), true, REPLY_NONE, 0},
        {SLICE_INIT("\r\n\r\n.\r\n"), SLICE_INIT("\r\n\r\n"), true, REPLY_NONE, 0},
        {SLICE_INIT("a\r\n.\r"), SLICE_INIT("a\r\n"), false, REPLY_NONE, 2},
        {SLICE_INIT("a\r"), SLICE_INIT("a"), false, REPLY_NONE, 1},
        {SLICE_INIT("a\nb\r\n.\r\n"), SLICE_INIT(""), true, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT("a\n.\r\nb\r\n.\r\n"), SLICE_INIT(""), true, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT("a\rb\r\n.\r\n"), SLICE_INIT(""), true, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT("a\r\r\n.\r\n"), SLICE_INIT(""), true, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT(".\rx\r\n.\r\n"), SLICE_INIT(""), true, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT("\n.\n.\r\n.\r\n"), SLICE_INIT(""), false, REPLY_BARE_LINE_END, 0},
        {SLICE_INIT("a\0b\r\n.\r\n"), SLICE_INIT(""), true, REPLY_NUL, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step <= rows[i].wire.n; step++) {
            struct content c = {0};
            autobuf out = BUF_INIT(1000);
            size_t left = feed(&c, rows[i].wire, step, &out);
            bool ended = rows[i].ended || rows[i].spoiled != REPLY_NONE;
            if (c.spoiled != rows[i].spoiled || c.ended != ended ||
                (ended && step == rows[i].wire.n && left != rows[i].left))
                fail_msg("row %zu step %zu: spoiled %d ended %d left %zu", i, step, (int)c.spoiled,
                         (int)c.ended, left);
            if (c.spoiled == REPLY_NONE)
                assert_true(slice_eq(buf_slice(&out), rows[i].want));
        }
    }
}

static void chunks(void **state)
{
    static const struct {
        struct slice wire;
        enum smtp_reply spoiled;
        bool mid_line;
    } rows[] = {
        {SLICE_INIT("a\r\n.\r\nb\r\n"), REPLY_NONE, false},
        {SLICE_INIT("a\r\nb"), REPLY_NONE, true},
        {SLICE_INIT(""), REPLY_NONE, false},
        {SLICE_INIT("\r\n"), REPLY_NONE, false},
        {SLICE_INIT("a\nb\r\n"), REPLY_BARE_LINE_END, false},
        {SLICE_INIT("\n"), REPLY_BARE_LINE_END, false},
        {SLICE_INIT("a\r"), REPLY_BARE_LINE_END, false},
        {SLICE_INIT("a\r\r\n"), REPLY_BARE_LINE_END, false},
        {SLICE_INIT("a\0\r\n"), REPLY_NUL, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step <= rows[i].wire.n + 1; step++) {
            struct content c = {0};
            autobuf out = BUF_INIT(1000);
            for (size_t at = 0; at < rows[i].wire.n; at += step)
                content_chunk(&c, slice_sub(rows[i].wire, at, at + step), collect, &out);
            content_chunks_end(&c);
            if (c.spoiled != rows[i].spoiled)
                fail_msg("row %zu step %zu: spoiled %d", i, step, (int)c.spoiled);
            if (c.spoiled == REPLY_NONE) {
                assert_true(slice_eq(buf_slice(&out), rows[i].wire));
                assert_int_equal(c.mid_line, rows[i].mid_line);
            }
            assert_int_equal(c.taken, rows[i].wire.n);
        }
    }
}

static void long_lines(void **state)
{
    size_t n = LIMIT_SMTP_TEXT_LINE;
    uint8_t *line = mem_alloc(n + 3);
    memset(line, 'x', n + 3);
    struct content c = {0};
    autobuf out = BUF_INIT(4 * n);
    memcpy(line + n - 1, "\r\n", 2);
    content_data(&c, slice_of(line, n + 1), collect, &out);
    assert_int_equal(c.spoiled, REPLY_NONE);
    content_data(&c, slice_of(line, n - 1), collect, &out);
    content_data(&c, SLICE("xx"), collect, &out);
    assert_int_equal(c.spoiled, REPLY_TEXT_LINE);
    assert_false(c.ended);
    content_data(&c, SLICE("\r\n.\r\n"), collect, &out);
    assert_true(c.ended);
    c = (struct content){0};
    content_chunk(&c, slice_of(line, n - 1), collect, &out);
    content_chunk(&c, SLICE("xx"), collect, &out);
    assert_int_equal(c.spoiled, REPLY_TEXT_LINE);
    mem_free(line);
}

/* The value of a key in the one-pair-a-line JSON of the test data. */
static bool json_value(struct slice line, struct slice key, struct slice *out)
{
    size_t at = slice_find(line, key);
    if (at == line.n)
        return false;
    struct slice v = slice_from(line, at + key.n);
    v = slice_trim(slice_from(v, slice_index(v, ':') + 1));
    while (v.n > 0 && (v.p[v.n - 1] == ',' || v.p[v.n - 1] == '"'))
        v.n--;
    *out = v.n > 0 && v.p[0] == '"' ? slice_from(v, 1) : v;
    return true;
}

/* Whatever stands before it, only CRLF.CRLF lets the next bytes be commands. */
static void check_sequence(struct slice octets, bool is_end)
{
    static const char *const before[] = {"", "text", "text\r\n", "text\n", "text\r"};
    for (size_t i = 0; i < COUNT(before); i++) {
        autobuf all = BUF_INIT(1000), out = BUF_INIT(1000);
        buf_lit(&all, "\r\n"); /* of the DATA command */
        buf_str(&all, before[i]);
        buf_add(&all, octets);
        /* What stands before may make a true end of it. */
        bool ends = slice_find(buf_slice(&all), SLICE("\r\n.\r\n")) < all.n;
        if (i == 1)
            assert_int_equal(ends, is_end);
        buf_lit(&all, "MAIL FROM:<evil@example.net>\r\n");
        struct slice wire = slice_from(buf_slice(&all), 2);
        for (size_t step = 1; step <= wire.n; step++) {
            struct content c = {0};
            buf_reset(&out);
            feed(&c, wire, step, &out);
            assert_int_equal(c.ended, ends);
            if (c.ended || c.spoiled != REPLY_NONE)
                continue;
            /* Kept as content, and nothing bare in it. */
            for (size_t k = 0; k < out.n; k++) {
                assert_true(out.p[k] != '\n' || (k > 0 && out.p[k - 1] == '\r'));
                assert_true(out.p[k] != '\r' || (k + 1 < out.n && out.p[k + 1] == '\n'));
            }
        }
    }
}

static void nothing_smuggles(void **state)
{
    FILE *f = fopen(TEST_DATA "/smuggling/sequences.json", "rb");
    assert_non_null(f);
    uint8_t text[16384];
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    struct slice rest = slice_of(text, n), line, value;
    autobuf octets = BUF_INIT(100);
    unsigned seen = 0, ends = 0;
    while (slice_line(&rest, &line)) {
        if (json_value(line, SLICE("\"octets_base64\""), &value)) {
            buf_reset(&octets);
            assert_int_equal(base64_decode(value, &octets), OK);
        } else if (json_value(line, SLICE("\"end_of_data\""), &value)) {
            bool is_end = slice_starts(value, SLICE("true"));
            check_sequence(buf_slice(&octets), is_end);
            seen++;
            ends += is_end;
        }
    }
    assert_true(seen >= 13);
    assert_int_equal(ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data),
        cmocka_unit_test(chunks),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(nothing_smuggles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
