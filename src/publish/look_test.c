/* Answers as bytes: whole ones are read as they were written, all others are refused. The way by
 * questions is taken in check_test.c. */
#include "base/limits.h"
#include "publish/publish_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void put_finding(struct buf *b, uint8_t state, uint8_t need, uint8_t secure)
{
    buf_bytes(b, SLICE("MX example.org."));
    buf_byte(b, state);
    buf_byte(b, need);
    buf_byte(b, secure);
    buf_bytes(b, SLICE("10 mail"));
    buf_bytes(b, SLICE(""));
    buf_bytes(b, SLICE("publish it"));
}

static enum error read_findings(struct slice s, struct publish_finding **f, size_t *n)
{
    static struct arena a;
    arena_free(&a);
    arena_init(&a, LIMIT_PUBLISH_ANSWER);
    return publish_read_findings(s, &a, f, n);
}

static void test_findings(void **state)
{
    (void)state;
    autobuf b = BUF_INIT(1000);
    struct publish_finding *f;
    size_t n;
    buf_u32(&b, 2);
    put_finding(&b, PUBLISH_WRONG, PUBLISH_SHOULD, 1);
    put_finding(&b, PUBLISH_UNKNOWN, PUBLISH_MAY, 0);
    assert_int_equal(read_findings(buf_slice(&b), &f, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(f[0].state, PUBLISH_WRONG);
    assert_int_equal(f[0].need, PUBLISH_SHOULD);
    assert_true(f[0].secure);
    assert_true(slice_eq(f[1].help, SLICE("publish it")));
    assert_int_equal(f[1].need, PUBLISH_MAY);
    for (size_t cut = 0; cut < b.n; cut++)
        assert_int_equal(read_findings(slice_sub(buf_slice(&b), 0, cut), &f, &n), ERR_INPUT);
    buf_byte(&b, 0);
    assert_int_equal(read_findings(buf_slice(&b), &f, &n), ERR_INPUT);
}

static void test_findings_bad(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        uint8_t state, need, secure;
    } bad[] = {{1, PUBLISH_UNKNOWN + 1, 0, 0},
               {1, 0, PUBLISH_MAY + 1, 0},
               {1, 0, 0, 2},
               {0, 0, 0, 0},
               {2, 0, 0, 0},
               {UINT32_MAX, 0, 0, 0}};
    struct publish_finding *f;
    size_t n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        autobuf b = BUF_INIT(1000);
        buf_u32(&b, bad[i].count);
        put_finding(&b, bad[i].state, bad[i].need, bad[i].secure);
        assert_int_equal(read_findings(buf_slice(&b), &f, &n), ERR_INPUT);
    }
}

static void test_seen(void **state)
{
    (void)state;
    autobuf b = BUF_INIT(LIMIT_PUBLISH_ANSWER);
    struct tlsa_answer seen;
    uint8_t hash[32] = {7};
    buf_bytes(&b, SLICE("why"));
    buf_byte(&b, 1);
    buf_byte(&b, 1);
    buf_u32(&b, 3600);
    size_t head = b.n;
    for (int i = 0; i < LIMIT_PUBLISH_TLSA; i++)
        buf_add(&b, slice_of(hash, sizeof hash));
    assert_int_equal(publish_read_seen(buf_slice(&b), &seen), OK);
    assert_int_equal(seen.n, LIMIT_PUBLISH_TLSA);
    assert_int_equal(seen.ttl, 3600);
    assert_true(seen.told && seen.secure && slice_eq(seen.why, SLICE("why")));
    for (size_t cut = 0; cut < b.n; cut++)
        assert_int_equal(publish_read_seen(slice_sub(buf_slice(&b), 0, cut), &seen),
                         cut >= head && (cut - head) % 32 == 0 ? OK : ERR_INPUT);
    buf_add(&b, slice_of(hash, sizeof hash)); /* one more than there is room for */
    assert_int_equal(publish_read_seen(buf_slice(&b), &seen), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_findings_bad),
        cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
