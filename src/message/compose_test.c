/* Tests of the fields that the server writes. */
#include "message/compose.h"

#include "message/header.h"
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

static void test_field(void **state)
{
    autobuf b;
    buf_init(&b, 4096);
    compose_field("X-Test", SLICE("one two"), &b);
    assert_slice(buf_slice(&b), "X-Test: one two\r\n");
    buf_reset(&b);
    compose_field("X-Test", SLICE("a\r\nInjected: b"), &b);
    assert_slice(buf_slice(&b), "X-Test: a Injected: b\r\n");
    buf_reset(&b);
    compose_field("X-Empty", SLICE(""), &b);
    assert_slice(buf_slice(&b), "X-Empty: \r\n");
    buf_reset(&b);
    for (int i = 0; i < 40; i++)
        buf_lit(&b, "word ");
    autobuf folded;
    buf_init(&folded, 4096);
    compose_field("X-Long", buf_slice(&b), &folded);
    struct slice rest = buf_slice(&folded), line;
    size_t lines = 0;
    while (slice_line(&rest, &line)) {
        assert_true(line.n <= 78);
        assert_true(lines == 0 || line.p[0] == ' ');
        lines++;
    }
    assert_int_equal(lines, 3);
}

static void test_received(void **state)
{
    struct compose_received r = {
        .helo = SLICE_INIT("mail.example.net"),
        .peer = SLICE_INIT("2001:db8::1"),
        .name = SLICE_INIT("mail.example.net"),
        .by = SLICE_INIT("mx.example.org"),
        .protocol = SLICE_INIT("ESMTPS"),
        .tls = SLICE_INIT("TLS1.3 TLS_AES_256_GCM_SHA384"),
        .id = SLICE_INIT("4ABC"),
        .recipient = SLICE_INIT("anna@example.org"),
        .when = 880127706,
        .zone = -360,
    };
    autobuf b;
    buf_init(&b, 4096);
    compose_received(&r, &b);
    autoarena a;
    arena_init(&a, 1 << 16);
    struct slice rest = buf_slice(&b);
    struct header_field f;
    assert_true(header_next(&rest, &f));
    assert_int_equal(rest.n, 0);
    assert_slice(f.name, "Received");
    assert_slice(
        header_unfold(&a, f.value),
        "from mail.example.net (mail.example.net [IPv6:2001:db8::1]) by mx.example.org with "
        "ESMTPS (TLS1.3 TLS_AES_256_GCM_SHA384) id 4ABC for <anna@example.org>; Fri, 21 Nov "
        "1997 09:55:06 -0600");
}

static void test_received_takes_no_harm(void **state)
{
    struct compose_received r = {
        .helo = SLICE_INIT("a)\r\nX: (;"),
        .peer = SLICE_INIT("192.0.2.1"),
        .by = SLICE_INIT("mx"),
        .protocol = SLICE_INIT("SMTP"),
        .when = 0,
    };
    autobuf b;
    buf_init(&b, 4096);
    compose_received(&r, &b);
    assert_slice(buf_slice(&b),
                 "Received: from a???X: ?? ([192.0.2.1]) by mx with SMTP; Thu, 1 Jan "
                 "1970\r\n 00:00:00 +0000\r\n");
    buf_reset(&b);
    r.peer = SLICE("");
    compose_received(&r, &b);
    assert_slice(buf_slice(&b), "Received: by mx with SMTP; Thu, 1 Jan 1970 00:00:00 +0000\r\n");
}

static void test_envelope_fields(void **state)
{
    autobuf b;
    buf_init(&b, 4096);
    compose_return_path(SLICE(""), &b);
    compose_return_path(SLICE("\"a  b\"@c"), &b);
    compose_delivered_to(SLICE("anna@example.org\r\nX: y"), &b);
    assert_slice(buf_slice(&b), "Return-Path: <>\r\nReturn-Path: <\"a  b\"@c>\r\n"
                                "Delivered-To: anna@example.org??X: y\r\n");
}

static void test_date_and_id(void **state)
{
    autobuf b, c;
    buf_init(&b, 4096);
    buf_init(&c, 4096);
    compose_date(880127706, -360, &b);
    assert_slice(buf_slice(&b), "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n");
    buf_reset(&b);
    compose_message_id(SLICE("example.org"), &b);
    compose_message_id(SLICE("example.org"), &c);
    assert_true(slice_starts(buf_slice(&b), SLICE("<")));
    assert_true(slice_ends(buf_slice(&b), SLICE("@example.org>")));
    assert_int_equal(b.n, 1 + 12 + 1 + 12 + 1 + 11 + 1);
    assert_false(slice_eq(buf_slice(&b), buf_slice(&c)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_received),
        cmocka_unit_test(test_received_takes_no_harm),
        cmocka_unit_test(test_envelope_fields),
        cmocka_unit_test(test_date_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
