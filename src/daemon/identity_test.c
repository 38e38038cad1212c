/* Tests of certificates and keys on their way: packed and unpacked alike, damage refused. */
#include "daemon/identity.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the others first */
#include <cmocka.h>

static const struct identities two = {
    .item = {{.chain_pem = SLICE_INIT("chain 1"), .key_pem = SLICE_INIT("key 1"), .name = "/a.pem"},
             {.chain_pem = SLICE_INIT("chain 2"),
              .key_pem = SLICE_INIT("key 2"),
              .name = "/b.pem"}},
    .n = 2,
};

static void test_round_trip(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct identities *back;
    identities_pack(&two, &b);
    assert_int_equal(identities_unpack(buf_slice(&b), &back), OK);
    assert_int_equal(back->n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(slice_eq(back->item[i].chain_pem, two.item[i].chain_pem));
        assert_true(slice_eq(back->item[i].key_pem, two.item[i].key_pem));
    }
    identities_free(back);
    buf_free(&b);
}

static void test_damage(void **state)
{
    struct buf b = BUF_INIT(4096);
    struct identities *back;
    identities_pack(&two, &b);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(identities_unpack(slice_sub(buf_slice(&b), 0, n), &back), ERR_INPUT);
    buf_byte(&b, 0);
    assert_int_equal(identities_unpack(buf_slice(&b), &back), ERR_INPUT);
    buf_reset(&b);
    buf_u32(&b, UINT32_MAX);
    assert_int_equal(identities_unpack(buf_slice(&b), &back), ERR_INPUT);
    buf_reset(&b);
    buf_u32(&b, 0);
    assert_int_equal(identities_unpack(buf_slice(&b), &back), ERR_INPUT);
    buf_free(&b);
}

static void test_files_that_lack(void **state)
{
    struct config *c;
    struct identities *ids;
    char why[CONFIG_WHY] = "";
    assert_int_equal(
        config_parse(SLICE("[tls]\ncertificate = /nonexistent/a /nonexistent/b\n"), "t", &c, why),
        OK);
    assert_int_equal(identities_load(c, &ids, why), ERR_NOTFOUND);
    assert_non_null(strstr(why, "/nonexistent/a: No such file"));
    config_free(c);
    assert_int_equal(config_parse(SLICE(""), "t.conf", &c, why), OK);
    assert_int_equal(identities_load(c, &ids, why), ERR_INPUT);
    assert_non_null(strstr(why, "tls.certificate"));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_files_that_lack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
