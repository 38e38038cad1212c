/* Tests of the JSON writer: its output is read back with jansson, which is not by us. */
#include "base/json_write.h"

#include "base/random.h"
#include "base/utf8.h"
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the ones above first. */
#include <cmocka.h>

static json_t *parse(const struct buf *b)
{
    json_error_t error;
    assert_int_equal(buf_check(b), OK);
    return json_loadb((const char *)b->p, b->n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
}

static void test_text_form(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "\"Gr\xc3\xbc\xc3\x9f"
         "e\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\r\n\t\x01\x1f\x7f", "\"\\r\\n\\t\\u0001\\u001f\x7f\""},
        {"</script><!--", "\"\\u003c/script>\\u003c!--\""},
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {"\xff\xc3", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
        {"\xf0\x9f\x93\xa7", "\"\xf0\x9f\x93\xa7\""},
    };
    autobuf b = BUF_INIT(1000);
    struct json_writer w;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&b);
        jw_init(&w, &b);
        jw_str(&w, cases[i].in);
        assert_true(slice_eq(buf_slice(&b), slice_str(cases[i].out)));
    }
}

static void test_structure(void **state)
{
    autobuf b = BUF_INIT(1000);
    struct json_writer w;
    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "a");
    jw_array(&w);
    jw_int(&w, INT64_MIN);
    jw_uint(&w, UINT64_MAX);
    jw_object(&w);
    jw_end(&w);
    jw_array(&w);
    jw_end(&w);
    jw_null(&w);
    jw_end(&w);
    jw_key_text(&w, SLICE("k\"\x00"));
    jw_bool(&w, true);
    jw_key(&w, "f");
    jw_bool(&w, false);
    jw_key(&w, "d");
    jw_array(&w);
    jw_utc_date(&w, 1795370400);
    jw_utc_date(&w, INT64_MAX);
    jw_utc_date(&w, INT64_MIN);
    jw_end(&w);
    jw_key(&w, "r");
    jw_raw(&w, SLICE("{\"x\":1}"));
    jw_key(&w, "z");
    jw_int(&w, -1);
    jw_end(&w);
    assert_true(slice_eq(
        buf_slice(&b),
        SLICE("{\"a\":[-9223372036854775808,18446744073709551615,{},[],null],"
              "\"k\\\"\\u0000\":true,\"f\":false,\"d\":[\"2026-11-22T18:00:00Z\","
              "\"9999-12-31T23:59:59Z\",\"0001-01-01T00:00:00Z\"],\"r\":{\"x\":1},\"z\":-1}")));
}

/* Any bytes, as a value and as a name, come back as what utf8_clean() makes of them. */
static void test_any_bytes(void **state)
{
    static const uint8_t likely[] = {0,    '"',  '\\', '<',  0xe2, 0x80,
                                     0xa8, 0xa9, 0xed, 0xa0, 0xf4, 0xc3};
    autobuf b = BUF_INIT(10000), clean = BUF_INIT(1000);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[40];
        struct json_writer w;
        size_t n = random_below(sizeof bytes + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] =
                random_below(2) ? (uint8_t)random_below(256) : likely[random_below(sizeof likely)];
        struct slice s = slice_of(bytes, n);
        buf_reset(&b);
        buf_reset(&clean);
        utf8_clean(s, &clean);
        jw_init(&w, &b);
        jw_array(&w);
        jw_text(&w, s);
        jw_object(&w);
        jw_key_text(&w, s);
        jw_text(&w, s);
        jw_end(&w);
        jw_end(&w);
        assert_true(utf8_valid(buf_slice(&b)));
        assert_false(slice_has(buf_slice(&b), '<'));
        json_t *all = parse(&b);
        /* Without names with a NUL, which jansson does not take. */
        if (slice_has(s, 0)) {
            assert_null(all);
            buf_reset(&b);
            jw_init(&w, &b);
            jw_array(&w);
            jw_text(&w, s);
            jw_end(&w);
            all = parse(&b);
        }
        assert_non_null(all);
        json_t *text = json_array_get(all, 0);
        assert_true(slice_eq(slice_of(json_string_value(text), json_string_length(text)),
                             buf_slice(&clean)));
        json_decref(all);
    }
}

/* What a level holds does not depend on what a level of the same depth held before. */
static void test_depth(void **state)
{
    autobuf b = BUF_INIT(10000);
    struct json_writer w;
    jw_init(&w, &b);
    for (unsigned round = 0; round < 2; round++) {
        if (round == 0)
            jw_array(&w);
        for (unsigned i = 1; i < JSON_WRITE_DEPTH; i++) {
            if ((i + round) % 2) {
                jw_array(&w);
                jw_null(&w);
            } else {
                jw_object(&w);
                jw_key(&w, "x");
            }
            if ((i + round) % 2 == 0 && i == JSON_WRITE_DEPTH - 1)
                jw_null(&w);
        }
        for (unsigned i = 1; i < JSON_WRITE_DEPTH; i++)
            jw_end(&w);
    }
    jw_end(&w);
    json_t *all = parse(&b);
    assert_non_null(all);
    assert_int_equal(json_array_size(all), 2);
    json_decref(all);
}

static void test_over_limit(void **state)
{
    autobuf b = BUF_INIT(5);
    struct json_writer w;
    jw_init(&w, &b);
    jw_array(&w);
    jw_str(&w, "long text");
    jw_end(&w);
    assert_int_equal(buf_check(&b), ERR_LIMIT);
}

static void value_without_key(struct json_writer *w)
{
    jw_object(w);
    jw_null(w);
}
static void key_in_array(struct json_writer *w)
{
    jw_array(w);
    jw_key(w, "x");
}
static void two_keys(struct json_writer *w)
{
    jw_object(w);
    jw_key(w, "x");
    jw_key(w, "y");
}
static void end_after_key(struct json_writer *w)
{
    jw_object(w);
    jw_key(w, "x");
    jw_end(w);
}
static void end_of_nothing(struct json_writer *w)
{
    jw_end(w);
}
static void too_deep(struct json_writer *w)
{
    for (unsigned i = 0; i <= JSON_WRITE_DEPTH; i++)
        jw_array(w);
}

static void test_wrong_use(void **state)
{
    static void (*const wrong[])(struct json_writer *) = {
        value_without_key, key_in_array, two_keys, end_after_key, end_of_nothing, too_deep};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            autobuf b = BUF_INIT(1000);
            struct json_writer w;
            fclose(stderr);
            signal(SIGABRT, SIG_DFL);
            jw_init(&w, &b);
            wrong[i](&w);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_form),  cmocka_unit_test(test_structure),
        cmocka_unit_test(test_any_bytes),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_over_limit), cmocka_unit_test(test_wrong_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
