/* The child's answer about a destination: whole ones are read, all others are refused. */
#include "base/limits.h"
#include "cli/policy.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void put_plan(struct buf *b, uint8_t problem, uint8_t mode)
{
    buf_byte(b, problem);
    buf_byte(b, 1);
    buf_byte(b, mode);
    buf_bytes(b, SLICE("version: STSv1"));
    buf_u64(b, 1234);
    buf_bytes(b, SLICE("mailto:a@b.example"));
}

static enum error read_plan(const struct buf *b, size_t n, struct policy_plan *out)
{
    static struct arena a;
    arena_free(&a);
    arena_init(&a, LIMIT_LOOK_RECORD);
    return policy_read_plan(slice_sub(buf_slice(b), 0, n), &a, out);
}

static void test_whole(void **state)
{
    (void)state;
    autobuf b = BUF_INIT(1000);
    struct policy_plan p;
    put_plan(&b, PROBLEM_NONE, PLAN_STS_ENFORCE);
    size_t head = b.n;
    buf_bytes(&b, SLICE("10 mx.example"));
    size_t first = b.n;
    buf_bytes(&b, SLICE(""));
    assert_int_equal(read_plan(&b, b.n, &p), OK);
    assert_int_equal(p.n_hosts, 2);
    assert_true(slice_eq(p.host[0], SLICE("10 mx.example")) && p.host[1].n == 0);
    assert_true(p.mx_secure && p.sts_mode == PLAN_STS_ENFORCE && p.sts_until == 1234);
    assert_true(slice_eq(p.rua, SLICE("mailto:a@b.example")));
    for (size_t cut = 0; cut < b.n; cut++)
        assert_int_equal(read_plan(&b, cut, &p), cut == head || cut == first ? OK : ERR_INPUT);
}

static void test_out_of_range(void **state)
{
    (void)state;
    struct policy_plan p;
    autobuf problem = BUF_INIT(1000), mode = BUF_INIT(1000);
    put_plan(&problem, PROBLEM_COUNT, PLAN_STS_NONE);
    assert_int_equal(read_plan(&problem, problem.n, &p), ERR_INPUT);
    put_plan(&mode, PROBLEM_NONE, PLAN_STS_ERROR + 1);
    assert_int_equal(read_plan(&mode, mode.n, &p), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
