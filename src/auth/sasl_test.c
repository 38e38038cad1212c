/* Tests of SASL PLAIN and LOGIN. */
#include "auth/sasl.h"

#include "base/base64.h"
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#define NONE SLICE_NONE

/* In clear text; the test encodes. A NULL answer stands for no initial response. */
static enum sasl_step start(struct sasl *s, const char *mechanism, struct slice initial)
{
    autobuf b = BUF_INIT(10000);
    if (initial.p != NULL) {
        base64_encode(initial, &b);
        if (initial.n == 0)
            buf_byte(&b, '=');
    }
    return sasl_start(s, slice_str(mechanism), initial.p ? buf_slice(&b) : SLICE_NONE);
}

static enum sasl_step answer(struct sasl *s, struct slice text)
{
    autobuf b = BUF_INIT(10000);
    base64_encode(text, &b);
    return sasl_next(s, buf_slice(&b));
}

static bool has(const struct sasl *s, const char *user, const char *password)
{
    return s->user_n == strlen(user) && s->password_n == strlen(password) &&
           strcmp(s->user, user) == 0 && strcmp(s->password, password) == 0;
}

static void test_plain(void **state)
{
    static const struct {
        struct slice message;
        enum sasl_step step;
        const char *user, *password;
    } cases[] = {
        {SLICE_INIT("\0anna@example.org\0secret"), SASL_DONE, "anna@example.org", "secret"},
        {SLICE_INIT("anna@example.org\0anna@example.org\0p"), SASL_DONE, "anna@example.org", "p"},
        {SLICE_INIT("Anna@example.org\0anna@example.org\0p"), SASL_DONE, "anna@example.org", "p"},
        {SLICE_INIT("ben@example.org\0anna@example.org\0p"), SASL_MISMATCH, NULL, NULL},
        {SLICE_INIT("\0anna@example.org\0"), SASL_BAD, NULL, NULL},
        {SLICE_INIT("\0\0secret"), SASL_BAD, NULL, NULL},
        {SLICE_INIT("\0anna@example.org\0sec\0ret"), SASL_BAD, NULL, NULL},
        {SLICE_INIT("\0anna@example.org"), SASL_BAD, NULL, NULL},
        {SLICE_INIT("anna"), SASL_BAD, NULL, NULL},
        {SLICE_INIT(""), SASL_BAD, NULL, NULL},
        {SLICE_INIT("\0\0\0\0"), SASL_BAD, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl s;
        /* With initial response and without are the same. */
        if (start(&s, "plain", cases[i].message) != cases[i].step)
            fail_msg("case %zu", i);
        if (cases[i].user != NULL)
            assert_true(has(&s, cases[i].user, cases[i].password));
        sasl_end(&s);
        assert_int_equal(start(&s, "PLAIN", NONE), SASL_CHALLENGE);
        assert_int_equal(s.challenge.n, 0);
        if (answer(&s, cases[i].message) != cases[i].step)
            fail_msg("case %zu without initial response", i);
        sasl_end(&s);
    }
}

static void test_login(void **state)
{
    struct sasl s;
    assert_int_equal(start(&s, "LOGIN", NONE), SASL_CHALLENGE);
    assert_true(slice_eq(s.challenge, SLICE("VXNlcm5hbWU6")));
    assert_int_equal(answer(&s, SLICE("anna@example.org")), SASL_CHALLENGE);
    assert_true(slice_eq(s.challenge, SLICE("UGFzc3dvcmQ6")));
    assert_int_equal(answer(&s, SLICE("sec ret")), SASL_DONE);
    assert_true(has(&s, "anna@example.org", "sec ret"));
    assert_int_equal(answer(&s, SLICE("more")), SASL_BAD);
    sasl_end(&s);
    assert_int_equal(s.password[0], 0);

    assert_int_equal(start(&s, "login", SLICE("anna@example.org")), SASL_CHALLENGE);
    assert_true(slice_eq(s.challenge, SLICE("UGFzc3dvcmQ6")));
    assert_int_equal(answer(&s, SLICE("secret")), SASL_DONE);
    assert_true(has(&s, "anna@example.org", "secret"));
    sasl_end(&s);

    assert_int_equal(start(&s, "LOGIN", SLICE("")), SASL_BAD);
    assert_int_equal(start(&s, "LOGIN", SLICE("a\0b")), SASL_BAD);
    assert_int_equal(start(&s, "LOGIN", SLICE("a")), SASL_CHALLENGE);
    assert_int_equal(answer(&s, SLICE("")), SASL_BAD);
    assert_int_equal(start(&s, "LOGIN", SLICE("a")), SASL_CHALLENGE);
    assert_int_equal(answer(&s, SLICE("p\0q")), SASL_BAD);
}

static void test_ends(void **state)
{
    struct sasl s;
    assert_int_equal(sasl_start(&s, SLICE("CRAM-MD5"), NONE), SASL_UNKNOWN);
    assert_int_equal(sasl_next(&s, SLICE("AAAA")), SASL_BAD);
    assert_int_equal(sasl_start(&s, SLICE(""), NONE), SASL_UNKNOWN);
    assert_int_equal(sasl_start(&s, SLICE("PLAIN"), NONE), SASL_CHALLENGE);
    assert_int_equal(sasl_next(&s, SLICE("*")), SASL_CANCELLED);
    assert_int_equal(sasl_next(&s, SLICE("AAAA")), SASL_BAD);
    static const char *const bad[] = {"AGEAYg", "AGEAYg= =", "AGEA\r\n", "*x", "AG*AYg==", "===="};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sasl_start(&s, SLICE("PLAIN"), slice_str(bad[i])), SASL_BAD);
        assert_int_equal(sasl_start(&s, SLICE("PLAIN"), NONE), SASL_CHALLENGE);
        assert_int_equal(sasl_next(&s, slice_str(bad[i])), SASL_BAD);
    }
    assert_int_equal(sasl_start(&s, SLICE("PLAIN"), SLICE("=")), SASL_BAD);
}

static void test_limits(void **state)
{
    static const struct {
        size_t user, password;
        enum sasl_step step;
    } cases[] = {
        {LIMIT_ADDRESS, LIMIT_PASSWORD, SASL_DONE},
        {LIMIT_ADDRESS + 1, 1, SASL_BAD},
        {1, LIMIT_PASSWORD + 1, SASL_BAD},
        {5000, 2000, SASL_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autobuf user = BUF_INIT(10000), password = BUF_INIT(10000), message = BUF_INIT(10000);
        for (size_t k = 0; k < cases[i].user; k++)
            buf_byte(&user, 'u');
        for (size_t k = 0; k < cases[i].password; k++)
            buf_byte(&password, 'p');
        buf_byte(&message, 0);
        buf_add(&message, buf_slice(&user));
        buf_byte(&message, 0);
        buf_add(&message, buf_slice(&password));
        struct sasl s;
        assert_int_equal(start(&s, "PLAIN", buf_slice(&message)), cases[i].step);
        sasl_end(&s);
        enum sasl_step step = start(&s, "LOGIN", buf_slice(&user));
        if (step == SASL_CHALLENGE)
            step = answer(&s, buf_slice(&password));
        assert_int_equal(step, cases[i].step);
        sasl_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
