/* Tests of requests, results and trails as bytes. */
#include "base/limits.h"
#include "base/mem.h"
#include "handover/relay.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct relay_recipient recipients[] = {
    {SLICE_INIT("anna@b.example"), SLICE_INIT("rfc822;anna@b.example"), 6},
    {SLICE_INIT("ben@b.example"), SLICE_INIT(""), 0},
};

static struct relay_request request(void)
{
    return (struct relay_request){
        .id = UINT64_C(0x123456789abc),
        .kind = RELAY_SMTP,
        .domain = SLICE("b.example"),
        .host = SLICE("smart.example"),
        .port = 65535,
        .login = SLICE("us"),
        .password = SLICE("secret"),
        .demand = DEMAND_DANE,
        .source = SOURCE_TRANSPORT,
        .mx_names = SLICE("mx1.b.example *.mx.b.example"),
        .clear_allowed = true,
        .require_tls = true,
        .eight_bit = true,
        .sts = {SLICE("20261122"), SLICE("version: STSv1\n"), 1795348800},
        .sender = SLICE("c@example.org"),
        .envid = SLICE("QQ314159"),
        .ret = 2,
        .size = UINT64_C(5000000000),
        .recipient = recipients,
        .n_recipients = 2,
    };
}

static const struct relay_outcome_of outcomes[] = {
    {RELAY_DELIVERED, PROBLEM_NONE, 250, "2.1.5", SLICE_INIT("ok")},
    {RELAY_PERMANENT, PROBLEM_REFUSED, 550, "5.123.999", SLICE_INIT("no such mailbox")},
};
static const struct relay_try tries[] = {
    {SLICE_INIT("mx1.b.example"), {{1}}, SECURITY_CLEAR, PROBLEM_TOO_WEAK, SLICE_INIT("why")},
    {SLICE_INIT("mx2.b.example"), {{2}}, SECURITY_DANE, PROBLEM_NONE, SLICE_INIT("")},
};
static const struct relay_tls_event events[] = {
    {TLSRPT_STS,
     TLSRPT_STS_WEBPKI_INVALID,
     SLICE_INIT("mode: enforce\n"),
     SLICE_INIT("mx1.b.example"),
     SLICE_INIT("*.b.example"),
     {{3}},
     {{4}}},
};

static struct relay_result result(void)
{
    return (struct relay_result){
        .recipient = outcomes,
        .n_recipients = 2,
        .host = SLICE("mx2.b.example"),
        .ip = {{2}},
        .security = SECURITY_DANE,
        .tls_version = SLICE("TLSv1.3"),
        .tls_cipher = SLICE("TLS_AES_256_GCM_SHA384"),
        .remote_dsn = true,
        .tries = tries,
        .n_tries = 2,
        .sts_changed = true,
        .sts = {SLICE("2"), SLICE("p"), -1},
        .rua = SLICE("mailto:a@b.example https://b.example/r"),
        .event = events,
        .n_events = 1,
        .next_hop_failed = true,
    };
}

static struct relay_trail trail(void)
{
    return (struct relay_trail){
        .at = 1795348800,
        .problem = PROBLEM_CANCELLED,
        .security = SECURITY_MTA_STS,
        .host = SLICE("mx1.b.example"),
        .tls_version = SLICE("TLSv1.2"),
        .tls_cipher = SLICE("x"),
        .demand = DEMAND_VERIFY,
        .source = SOURCE_LIST,
        .tries = tries,
        .n_tries = 2,
    };
}

static void a_request(void **state)
{
    struct relay_request w = request(), r;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    relay_write_request(&w, &b);
    assert_int_equal(relay_read_request(&a, buf_slice(&b), &r), OK);
    assert_true(r.id == w.id && r.kind == w.kind && r.port == w.port && r.size == w.size);
    assert_true(slice_eq(r.domain, w.domain) && slice_eq(r.host, w.host));
    assert_true(slice_eq(r.login, w.login) && slice_eq(r.password, w.password));
    assert_true(r.demand == w.demand && r.source == w.source);
    assert_true(slice_eq(r.mx_names, w.mx_names));
    assert_true(r.clear_allowed && !r.tls_optional && r.require_tls);
    assert_true(!r.smtputf8 && r.eight_bit && r.ret == 2);
    assert_true(slice_eq(r.sts.id, w.sts.id) && slice_eq(r.sts.policy, w.sts.policy));
    assert_int_equal(r.sts.expires, w.sts.expires);
    assert_true(slice_eq(r.sender, w.sender) && slice_eq(r.envid, w.envid));
    assert_int_equal(r.n_recipients, 2);
    assert_true(slice_eq(r.recipient[0].orcpt, SLICE("rfc822;anna@b.example")));
    assert_int_equal(r.recipient[0].notify, 6);
    assert_true(slice_eq(r.recipient[1].address, SLICE("ben@b.example")));
}

static void a_result(void **state)
{
    struct relay_result w = result(), r;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    relay_write_result(&w, &b);
    assert_int_equal(relay_read_result(&a, buf_slice(&b), &r), OK);
    assert_int_equal(r.n_recipients, 2);
    assert_true(r.recipient[0].outcome == RELAY_DELIVERED && r.recipient[0].code == 250);
    assert_true(r.recipient[1].outcome == RELAY_PERMANENT);
    assert_int_equal(r.recipient[1].problem, PROBLEM_REFUSED);
    assert_string_equal(r.recipient[1].status, "5.123.999");
    assert_true(slice_eq(r.recipient[1].answer, SLICE("no such mailbox")));
    assert_true(slice_eq(r.host, w.host) && ip_eq(r.ip, w.ip) && r.security == w.security);
    assert_true(slice_eq(r.tls_version, w.tls_version) && slice_eq(r.tls_cipher, w.tls_cipher));
    assert_true(r.remote_dsn && r.sts_changed && r.next_hop_failed);
    assert_true(slice_eq(r.sts.id, w.sts.id) && r.sts.expires == -1);
    assert_true(slice_eq(r.rua, w.rua));
    assert_int_equal(r.n_tries, 2);
    assert_int_equal(r.tries[0].problem, PROBLEM_TOO_WEAK);
    assert_true(ip_eq(r.tries[1].ip, tries[1].ip) && r.tries[1].security == SECURITY_DANE);
    assert_true(slice_eq(r.tries[0].detail, SLICE("why")));
    assert_int_equal(r.n_events, 1);
    assert_int_equal(r.event[0].result, TLSRPT_STS_WEBPKI_INVALID);
    assert_true(ip_eq(r.event[0].source, events[0].source));
    assert_true(slice_eq(r.event[0].mx_pattern, SLICE("*.b.example")));
}

static void a_trail(void **state)
{
    struct relay_trail w = trail(), r;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    relay_write_trail(&w, &b);
    assert_int_equal(relay_read_trail(&a, buf_slice(&b), &r), OK);
    assert_true(r.at == w.at && r.problem == w.problem && r.security == w.security);
    assert_true(slice_eq(r.host, w.host) && slice_eq(r.tls_version, w.tls_version));
    assert_true(slice_eq(r.tls_cipher, w.tls_cipher));
    assert_true(r.demand == w.demand && r.source == w.source && r.n_tries == 2);
    assert_int_equal(relay_read_trail(&a, SLICE_NONE, &r), OK);
    assert_true(r.at == 0 && r.n_tries == 0);
    b.p[0]++; /* another form */
    assert_int_equal(relay_read_trail(&a, buf_slice(&b), &r), ERR_INPUT);
}

enum form { REQUEST, RESULT, TRAIL, FORMS };

static void write_form(enum form f, struct buf *b)
{
    struct relay_request rq = request();
    struct relay_result r = result();
    struct relay_trail t = trail();
    if (f == REQUEST)
        relay_write_request(&rq, b);
    else if (f == RESULT)
        relay_write_result(&r, b);
    else
        relay_write_trail(&t, b);
}

static enum error read_form(enum form f, struct slice bytes)
{
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_request rq;
    struct relay_result r;
    struct relay_trail t;
    return f == REQUEST  ? relay_read_request(&a, bytes, &rq)
           : f == RESULT ? relay_read_result(&a, bytes, &r)
                         : relay_read_trail(&a, bytes, &t);
}

/* Every cut is refused, and a byte too many. */
static void cuts(void **state)
{
    for (enum form f = 0; f < FORMS; f++) {
        autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
        write_form(f, &b);
        assert_int_equal(read_form(f, buf_slice(&b)), OK);
        for (size_t n = f == TRAIL; n < b.n; n++)
            assert_int_equal(read_form(f, slice_sub(buf_slice(&b), 0, n)), ERR_INPUT);
        buf_byte(&b, 0);
        assert_int_equal(read_form(f, buf_slice(&b)), ERR_INPUT);
    }
}

/* Bytes behind `text`, made `value`: not what an enumeration, a count or a flag may be. */
static const struct {
    enum form form;
    struct slice text;
    size_t behind;
    uint8_t value;
} lies[] = {
    {REQUEST, SLICE("\x12\x34\x56\x78\x9a\xbc"), 0, RELAY_LOOK + 1},
    {REQUEST, SLICE("smart.example"), 1, 1}, /* port */
    {REQUEST, SLICE("secret"), 0, DEMAND_COUNT},
    {REQUEST, SLICE("secret"), 1, SOURCE_COUNT},
    {REQUEST, SLICE("*.mx.b.example"), 0, 32}, /* flags */
    {REQUEST, SLICE("QQ314159"), 0, 3},        /* ret */
    {REQUEST, SLICE("QQ314159"), 12, 0},       /* no recipients */
    {REQUEST, SLICE("QQ314159"), 12, LIMIT_RELAY_RECIPIENTS + 1},
    {REQUEST, SLICE("QQ314159"), 9, 0xff},
    {REQUEST, SLICE("rfc822;anna@b.example"), 0, 16}, /* notify */
    {RESULT, SLICE("ok"), 0, RELAY_PERMANENT + 1},
    {RESULT, SLICE("ok"), 1, PROBLEM_COUNT},
    {RESULT, SLICE("ok"), 4, 4},    /* code over 999 */
    {RESULT, SLICE("ok"), 10, '3'}, /* status */
    {RESULT, SLICE("mx2.b.example"), 16, SECURITY_COUNT},
    {RESULT, SLICE("TLS_AES_256_GCM_SHA384"), 0, 8}, /* flags */
    {RESULT, SLICE("https://b.example/r"), 3, LIMIT_RELAY_TRIES + 1},
    {RESULT, SLICE("mx1.b.example"), 16, SECURITY_COUNT},
    {RESULT, SLICE("mx1.b.example"), 17, PROBLEM_COUNT},
    {RESULT, SLICE("mode: enforce\n"), 0, 1}, /* length of the host */
    {TRAIL, SLICE("\x6b\x02\xd9\x40"), 0, PROBLEM_COUNT},
    {TRAIL, SLICE("\x6b\x02\xd9\x40"), 1, SECURITY_COUNT},
    {TRAIL, SLICE("TLSv1.2\0\0\0\1x"), 0, DEMAND_COUNT},
    {TRAIL, SLICE("TLSv1.2\0\0\0\1x"), 1, SOURCE_COUNT},
};

static void lies_are_refused(void **state)
{
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
        write_form(lies[i].form, &b);
        size_t at = slice_find(buf_slice(&b), lies[i].text) + lies[i].text.n + lies[i].behind;
        assert_true(at < b.n);
        b.p[at] = lies[i].value;
        assert_int_equal(read_form(lies[i].form, buf_slice(&b)), ERR_INPUT);
    }
}

/* What cannot be read there is not written. */
static void a_request_too_long(void **state)
{
    uint8_t *x = mem_alloc(LIMIT_STS_POLICY + 1);
    struct relay_request long_policy = request(), long_envid = request(), nobody = request();
    long_policy.sts.policy = slice_of(x, LIMIT_STS_POLICY + 1);
    long_envid.envid = slice_of(x, LIMIT_SMTP_ENVID + 1);
    nobody.n_recipients = 0;
    const struct relay_request *const each[] = {&long_policy, &long_envid, &nobody};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
        relay_write_request(each[i], &b);
        assert_int_equal(buf_check(&b), ERR_LIMIT);
    }
    mem_free(x);
}

static void fill(uint8_t *p, size_t n, const char *with)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)with[i % strlen(with)];
}

/* The greatest result there is can be read: what only explains is cut. */
static void a_result_too_long(void **state)
{
    enum { LONG = 100000 };
    uint8_t *umlauts = mem_alloc(LONG), *words = mem_alloc(LONG);
    fill(umlauts, LONG, "\xc3\xa4"); /* begins a character at each even place */
    fill(words, LONG, "word\n");
    struct slice text = slice_of(umlauts, LONG), lines = slice_of(words, LONG);
    struct relay_outcome_of *o = mem_array(LIMIT_RELAY_RECIPIENTS, sizeof *o);
    struct relay_try *t = mem_array(LIMIT_RELAY_TRIES + 1, sizeof *t);
    struct relay_tls_event *e = mem_array(LIMIT_RELAY_EVENTS + 1, sizeof *e);
    for (size_t i = 0; i < LIMIT_RELAY_RECIPIENTS; i++) {
        o[i].outcome = (enum relay_outcome)(i % 3);
        o[i].answer = text;
    }
    for (size_t i = 0; i <= LIMIT_RELAY_TRIES; i++)
        t[i].host = t[i].detail = text;
    for (size_t i = 0; i <= LIMIT_RELAY_EVENTS; i++) {
        e[i].policy_text = lines;
        e[i].mx_host = e[i].mx_pattern = slice_sub(text, 1, LONG);
    }
    const struct relay_result w = {.recipient = o,
                                   .n_recipients = LIMIT_RELAY_RECIPIENTS,
                                   .host = text,
                                   .tls_version = text,
                                   .tls_cipher = text,
                                   .tries = t,
                                   .n_tries = LIMIT_RELAY_TRIES + 1,
                                   .sts_changed = true,
                                   .sts = {.policy = text},
                                   .rua = text,
                                   .event = e,
                                   .n_events = LIMIT_RELAY_EVENTS + 1};
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_result(&w, &b);
    assert_int_equal(buf_check(&b), OK);
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_result r;
    assert_int_equal(relay_read_result(&a, buf_slice(&b), &r), OK);
    assert_int_equal(r.recipient[99].answer.n, LIMIT_RELAY_ANSWER);
    assert_string_equal(r.recipient[0].status, "4.0.0");
    assert_string_equal(r.recipient[1].status, "2.0.0");
    assert_string_equal(r.recipient[2].status, "5.0.0");
    assert_int_equal(r.host.n, LIMIT_DOMAIN + 1); /* not within a character */
    assert_true(r.n_tries == LIMIT_RELAY_TRIES && r.n_events == LIMIT_RELAY_EVENTS);
    assert_true(slice_ends(r.event[0].policy_text, SLICE("\nword")));
    assert_true(r.event[0].policy_text.n > LIMIT_RELAY_POLICY_TEXT - 10);
    assert_int_equal(r.rua.n, 0);
    assert_false(r.sts_changed);
    mem_free(umlauts);
    mem_free(words);
    mem_free(o);
    mem_free(t);
    mem_free(e);
}

static void words(void **state)
{
    assert_string_equal(tlsrpt_result_word(TLSRPT_STARTTLS_NOT_SUPPORTED),
                        "starttls-not-supported");
    for (enum tlsrpt_result r = 0; r < TLSRPT_RESULT_COUNT; r++)
        assert_non_null(tlsrpt_result_word(r));
    assert_string_equal(tlsrpt_policy_word(TLSRPT_TLSA), "tlsa");
    assert_string_equal(tlsrpt_policy_word(TLSRPT_STS), "sts");
    assert_string_equal(tlsrpt_policy_word(TLSRPT_NO_POLICY), "no-policy-found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request),         cmocka_unit_test(a_result),
        cmocka_unit_test(a_trail),           cmocka_unit_test(cuts),
        cmocka_unit_test(lies_are_refused),  cmocka_unit_test(a_request_too_long),
        cmocka_unit_test(a_result_too_long), cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
