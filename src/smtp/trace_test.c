/* Tests of the Received field. */
#include "smtp/trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void fields(void **state)
{
    struct trace t = {
        .helo = SLICE("client.example"),
        .host = "mx.example.org",
        .extended = true,
        .tls_version = SLICE("TLSv1.3"),
        .tls_cipher = SLICE("TLS_AES_256_GCM_SHA384"),
        .id = SLICE("abc"),
        .only_recipient = SLICE("anna@example.org"),
        .received = 1795348800,
    };
    assert_int_equal(ip_parse(SLICE("192.0.2.1"), &t.peer), OK);
    autobuf b = BUF_INIT(4000);
    trace_received(&t, &b);
    struct slice want = SLICE("Received: from client.example ([192.0.2.1])\r\n"
                              "\tby mx.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
                              "\tid abc\r\n\tfor <anna@example.org>;\r\n\tSun, 22 Nov 2026 ");
    assert_true(slice_starts(buf_slice(&b), want));
    assert_true(slice_ends(buf_slice(&b), SLICE("\r\n")));

    t.tls_version = t.tls_cipher = t.only_recipient = SLICE_NONE;
    t.extended = false;
    assert_int_equal(ip_parse(SLICE("2001:db8::1"), &t.peer), OK);
    buf_reset(&b);
    trace_received(&t, &b);
    assert_true(
        slice_starts(buf_slice(&b), SLICE("Received: from client.example ([IPv6:2001:db8::1])\r\n"
                                          "\tby mx.example.org with SMTP\r\n\tid abc;\r\n\t")));
}

static void submission_says_nothing_of_the_client(void **state)
{
    struct trace t = {
        .submission = true,
        .helo = SLICE("laptop.lan"),
        .host = "mx.example.org",
        .extended = true,
        .smtputf8 = true,
        .tls_version = SLICE("TLSv1.3"),
        .tls_cipher = SLICE("X"),
        .id = SLICE("abc"),
    };
    assert_int_equal(ip_parse(SLICE("192.0.2.1"), &t.peer), OK);
    autobuf b = BUF_INIT(4000);
    trace_received(&t, &b);
    assert_true(slice_starts(buf_slice(&b),
                             SLICE("Received: by mx.example.org with UTF8SMTPSA (TLSv1.3 X)\r\n")));
    assert_int_equal(slice_find(buf_slice(&b), SLICE("192.0.2.1")), b.n);
    assert_int_equal(slice_find(buf_slice(&b), SLICE("laptop")), b.n);
}

static void ids_differ(void **state)
{
    char a[TRACE_ID], b[TRACE_ID];
    trace_id(a);
    trace_id(b);
    assert_int_equal(strlen(a), 12);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(submission_says_nothing_of_the_client),
        cmocka_unit_test(ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
