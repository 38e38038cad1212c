/* Tests of the hand-over's records: what is written is read again, what is damaged is refused. */
#include "base/limits.h"
#include "handover/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct handover_recipient recipients[] = {
    {SLICE_INIT("anna@example.org"), SLICE_INIT("rfc822;x"), 6},
    {SLICE_INIT("ben@example.org"), SLICE_INIT(""), 0},
};

static struct handover_envelope sample(void)
{
    struct handover_envelope e = {
        .helo = SLICE("client.example"),
        .tls_version = SLICE("TLSv1.3"),
        .tls_cipher = SLICE("TLS_AES_256_GCM_SHA384"),
        .sender = SLICE("a@b.example"),
        .envid = SLICE("env"),
        .ret = 2,
        .smtputf8 = true,
        .require_tls = true,
        .trace = SLICE("Received: x\r\n"),
        .received = 1795348800,
        .recipients = recipients,
        .n_recipients = 2,
    };
    assert_int_equal(ip_parse(SLICE("192.0.2.1"), &e.peer), OK);
    return e;
}

static void envelope(void **state)
{
    struct handover_envelope e = sample(), r;
    autobuf b = BUF_INIT(10000);
    record_write_envelope(&e, &b);
    autoarena a;
    arena_init(&a, 100000);
    assert_int_equal(record_read_envelope(&a, buf_slice(&b), &r), OK);
    assert_true(ip_eq(r.peer, e.peer));
    assert_true(slice_eq(r.helo, e.helo) && slice_eq(r.sender, e.sender));
    assert_true(slice_eq(r.trace, e.trace) && slice_eq(r.envid, e.envid));
    assert_true(r.smtputf8 && r.require_tls);
    assert_true(r.ret == 2 && r.received == 1795348800);
    assert_int_equal(r.n_recipients, 2);
    assert_true(slice_eq(r.recipients[0].orcpt, SLICE("rfc822;x")));
    assert_int_equal(r.recipients[0].notify, 6);
    assert_true(slice_eq(r.recipients[1].address, SLICE("ben@example.org")));
    /* Every cut is refused, and a byte too many. */
    for (size_t n = 0; n < b.n; n++) {
        arena_reset(&a);
        assert_int_not_equal(record_read_envelope(&a, slice_sub(buf_slice(&b), 0, n), &r), OK);
    }
    buf_byte(&b, 0);
    assert_int_equal(record_read_envelope(&a, buf_slice(&b), &r), ERR_INPUT);
}

static void an_envelope_lies_about_its_recipients(void **state)
{
    struct handover_envelope e = sample(), r;
    e.n_recipients = 0;
    autobuf b = BUF_INIT(10000);
    record_write_envelope(&e, &b);
    autoarena a;
    arena_init(&a, 1000000);
    assert_int_equal(record_read_envelope(&a, buf_slice(&b), &r), ERR_INPUT);
    memset(b.p + b.n - 4, 0xff, 4);
    assert_int_equal(record_read_envelope(&a, buf_slice(&b), &r), ERR_INPUT);
    assert_true(a.used < 100000);
}

static void requests_and_answers(void **state)
{
    autobuf b = BUF_INIT(10000);
    struct record r;
    record_write_resolve(7, SLICE("anna@example.org"), 1234, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RESOLVE && r.id == 7 && r.size == 1234);
    assert_true(slice_eq(r.recipient, SLICE("anna@example.org")));
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(record_read(slice_sub(buf_slice(&b), 0, n), &r), ERR_INPUT);

    buf_reset(&b);
    const enum handover_status status[] = {HANDOVER_OK, HANDOVER_TOO_MANY};
    record_write_statuses(RECORD_DELIVERED, 9, status, 2, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.id == 9 && r.statuses.n == 2 && r.statuses.p[1] == HANDOVER_TOO_MANY);
    b.p[b.n - 1] = HANDOVER_TOO_MANY + 1;
    assert_int_equal(record_read(buf_slice(&b), &r), ERR_INPUT);

    buf_reset(&b);
    record_write_deliver(3, &SLICE("envelope"), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_DELIVER && slice_eq(r.envelope, SLICE("envelope")));
    buf_reset(&b);
    record_write_deliver(3, NULL, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_int_equal(r.type, RECORD_DELIVER_LONG);
    buf_reset(&b);
    record_write_deliver_small(4, SLICE("envelope"), SLICE("message"), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_DELIVER_SMALL && r.id == 4);
    assert_true(slice_eq(r.envelope, SLICE("envelope")) && slice_eq(r.message, SLICE("message")));
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(record_read(slice_sub(buf_slice(&b), 0, n), &r), ERR_INPUT);

    buf_reset(&b);
    struct ip ips[2] = {{{1}}, {{2}}};
    record_write_banned(ips, 2, true, false, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.first && !r.last && r.addresses.n == 32 && r.addresses.p[16] == 2);
    buf_reset(&b);
    record_write_banned(NULL, 0, true, true, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_int_equal(r.addresses.n, 0);
    b.p[0] = 99;
    assert_int_equal(record_read(buf_slice(&b), &r), ERR_INPUT);
}

static void every_cut_is_refused(struct slice record)
{
    struct record r;
    for (size_t n = 0; n < record.n; n++)
        assert_int_equal(record_read(slice_sub(record, 0, n), &r), ERR_INPUT);
}

static void relays(void **state)
{
    autobuf b = BUF_INIT(10000);
    struct record r;
    record_write_relay(5, &SLICE("request"), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RELAY && r.id == 5 && slice_eq(r.request, SLICE("request")));
    every_cut_is_refused(buf_slice(&b));
    buf_reset(&b);
    record_write_relay(6, NULL, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RELAY_LONG && r.id == 6);
    buf_reset(&b);
    record_write_relay_small(7, SLICE("request"), SLICE("message"), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RELAY_SMALL && r.id == 7);
    assert_true(slice_eq(r.request, SLICE("request")) && slice_eq(r.message, SLICE("message")));
    every_cut_is_refused(buf_slice(&b));
    buf_reset(&b);
    record_write_relayed(8, &SLICE("result"), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RELAYED && r.id == 8 && slice_eq(r.result, SLICE("result")));
    buf_reset(&b);
    record_write_relayed(9, NULL, &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_RELAYED_LONG && r.id == 9);
}

static void health(void **state)
{
    autobuf b = BUF_INIT(10000);
    struct record r;
    uint8_t text[LIMIT_HEALTH_TEXT + 1] = {0};
    record_write_health(true, slice_of(text, sizeof text), &b);
    assert_int_equal(record_read(buf_slice(&b), &r), OK);
    assert_true(r.type == RECORD_HEALTH && r.validates && r.text.n == LIMIT_HEALTH_TEXT);
    every_cut_is_refused(buf_slice(&b));
    b.p[9] = 2;
    assert_int_equal(record_read(buf_slice(&b), &r), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope),
        cmocka_unit_test(an_envelope_lies_about_its_recipients),
        cmocka_unit_test(requests_and_answers),
        cmocka_unit_test(relays),
        cmocka_unit_test(health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
