/* What json_read() takes, and that it leaves nothing behind. */
#include "base/json_read.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static void test_bounds(void **state)
{
    static const struct {
        const char *text;
        enum error want;
    } rows[] = {
        {"{\"a\":1,\"b\":\"[[[\\\"[[\",\"c\":null}", OK},
        {"[1,2,3]", OK},
        {"[1,2,3,4]", ERR_LIMIT},
        {"{\"a\":{}}", ERR_LIMIT},
        {"[[]]", ERR_LIMIT},
        {"[][]", ERR_INPUT},
        {"{\"a\":1,\"a\":2}", ERR_INPUT},
        {"{\"a\":1", ERR_INPUT},
        {"\"a\"", ERR_INPUT},
        {"", ERR_INPUT},
        {"{\"a", ERR_INPUT},
        {"\"\\", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *v = NULL;
        enum error e = json_read(slice_str(rows[i].text), 1, 4, &v);
        if (e != rows[i].want || (e == OK) != (v != NULL))
            fail_msg("%s: %s", rows[i].text, error_name(e));
        json_decref(v);
    }
}

/* Deep text is refused before anything goes down after it. */
static void test_deep(void **state)
{
    enum { DEEP = 4 * 1024 * 1024 };
    json_t *v;
    uint8_t *p = mem_alloc(DEEP);
    memset(p, '[', DEEP);
    assert_int_equal(json_read(slice_of(p, DEEP), 64, SIZE_MAX, &v), ERR_LIMIT);
    mem_free(p);
}

/* Passwords are read by it. */
static void test_wiped(void **state)
{
    json_malloc_t take;
    json_free_t give;
    json_t *v;
    assert_int_equal(json_read(SLICE("[\"correct horse battery\"]"), 1, 9, &v), OK);
    json_get_alloc_funcs(&take, &give);
    assert_ptr_equal(give, mem_free_wiped);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
