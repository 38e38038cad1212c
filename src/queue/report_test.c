/* Tests of TLS reports: ours as others would read them, and others' as they come. */
#include "queue/report.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/limits.h"
#include "message/header.h"
#include "message/mime.h"
#include <jansson.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#define DAY INT64_C(1795305600) /* 2026-11-22T00:00:00Z */

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena, LIMIT_TLSRPT_ARENA);
    return 0;
}

static int tear_down(void **state)
{
    arena_free(&arena);
    return 0;
}

static void assert_slice(struct slice s, const char *want)
{
    if (!slice_eq(s, slice_str(want)))
        fail_msg("\"%.*s\", not \"%s\"", SLICE_FMT(s), want);
}

static struct ip ip(const char *text)
{
    struct ip out;
    assert_int_equal(ip_parse(slice_str(text), &out), OK);
    return out;
}

/* --- Writing --- */

#define STS_TEXT "version: STSv1\r\nmode: enforce\r\nmx: *.a.example\r\nmax_age: 86400\r\n"

static struct tls_report sample(struct memory_tally tally[5])
{
    tally[0] = (struct memory_tally){.policy = TLSRPT_TLSA,
                                     .policy_text = SLICE("3 1 1 AB\n2 1 1 CD"),
                                     .result = TLSRPT_SUCCESS,
                                     .sessions = 7};
    tally[1] = (struct memory_tally){.policy = TLSRPT_STS,
                                     .policy_text = SLICE(STS_TEXT),
                                     .mx_pattern = SLICE("*.a.example"),
                                     .result = TLSRPT_SUCCESS,
                                     .sessions = 2};
    tally[2] = (struct memory_tally){.policy = TLSRPT_STS,
                                     .policy_text = SLICE(STS_TEXT),
                                     .mx_pattern = SLICE("*.a.example"),
                                     .result = TLSRPT_CERTIFICATE_EXPIRED,
                                     .mx_host = SLICE("mx\"1\\.a.example\x01\xff"),
                                     .peer = ip("192.0.2.1"),
                                     .source = ip("2001:db8::1"),
                                     .sessions = 3};
    tally[3] = (struct memory_tally){.policy = TLSRPT_STS,
                                     .policy_text = SLICE(STS_TEXT),
                                     .mx_pattern = SLICE("mx.b.example"),
                                     .result = TLSRPT_STARTTLS_NOT_SUPPORTED,
                                     .sessions = 1};
    tally[4] =
        (struct memory_tally){.policy = TLSRPT_NO_POLICY, .result = TLSRPT_SUCCESS, .sessions = 9};
    return (struct tls_report){.host = "mail.example.org",
                               .contact = SLICE("postmaster@example.org"),
                               .domain = SLICE("a.example"),
                               .day = DAY,
                               .tally = tally,
                               .n = 5};
}

/* RFC 8460 4.4, to the byte. */
static void json(void **state)
{
    struct memory_tally tally[5];
    struct tls_report r = sample(tally);
    autobuf b = BUF_INIT(100000);
    assert_int_equal(tls_report_json(&r, &b), OK);
    assert_slice(
        buf_slice(&b),
        "{\"organization-name\":\"mail.example.org\","
        "\"date-range\":{\"start-datetime\":\"2026-11-22T00:00:00Z\","
        "\"end-datetime\":\"2026-11-22T23:59:59Z\"},"
        "\"contact-info\":\"postmaster@example.org\","
        "\"report-id\":\"1795305600.a.example@mail.example.org\","
        "\"policies\":["
        "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 AB\",\"2 1 1 CD\"],"
        "\"policy-domain\":\"a.example\"},"
        "\"summary\":{\"total-successful-session-count\":7,\"total-failure-session-count\":0}},"
        "{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\","
        "\"mode: enforce\",\"mx: *.a.example\",\"max_age: 86400\"],"
        "\"policy-domain\":\"a.example\",\"mx-host\":[\"*.a.example\",\"mx.b.example\"]},"
        "\"summary\":{\"total-successful-session-count\":2,\"total-failure-session-count\":4},"
        "\"failure-details\":["
        "{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"2001:db8::1\","
        "\"receiving-mx-hostname\":\"mx\\\"1\\\\.a.example\\u0001?\","
        "\"receiving-ip\":\"192.0.2.1\",\"failed-session-count\":3},"
        "{\"result-type\":\"starttls-not-supported\",\"failed-session-count\":1}]},"
        "{\"policy\":{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"a.example\"},"
        "\"summary\":{\"total-successful-session-count\":9,\"total-failure-session-count\":0}}"
        "]}\n");
    autobuf small = BUF_INIT(300);
    assert_int_equal(tls_report_json(&r, &small), ERR_LIMIT);
}

static struct slice make_mail(struct buf *out)
{
    struct memory_tally tally[5];
    struct tls_report r = sample(tally);
    autobuf text = BUF_INIT(100000), gzip = BUF_INIT(100000);
    assert_int_equal(tls_report_json(&r, &text), OK);
    assert_int_equal(tls_report_gzip(buf_slice(&text), &gzip), OK);
    assert_true(gzip.n < text.n);
    assert_int_equal(
        tls_report_mail(&r, SLICE("tls@a.example"), DAY + 90000, buf_slice(&gzip), out), OK);
    return buf_slice(out);
}

/* RFC 8460 5.1, 5.3. */
static void mail(void **state)
{
    static const struct {
        struct slice name;
        const char *value;
    } rows[] = {
        {SLICE_INIT("From"), "TLS report <postmaster@example.org>"},
        {SLICE_INIT("To"), "<tls@a.example>"},
        {SLICE_INIT("Date"), "Mon, 23 Nov 2026 01:00:00 +0000"},
        {SLICE_INIT("Subject"), "Report Domain: a.example Submitter: mail.example.org "
                                "Report-ID: <1795305600.a.example@mail.example.org>"},
        {SLICE_INIT("TLS-Report-Domain"), "a.example"},
        {SLICE_INIT("TLS-Report-Submitter"), "mail.example.org"},
        {SLICE_INIT("TLS-Required"), "No"},
    };
    autobuf out = BUF_INIT(100000);
    struct slice raw = make_mail(&out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct header_field f;
        assert_true(header_find(raw, rows[i].name, &f));
        assert_slice(header_unfold(&arena, f.value), rows[i].value);
    }
    struct slice rest = raw, line;
    while (slice_line(&rest, &line))
        assert_true(line.n <= 100 && !slice_has(line, '\r'));
    struct mime_tree *tree;
    assert_int_equal(mime_parse(&arena, raw, &tree), OK);
    assert_true(mime_is(tree->root, "multipart", "report"));
    assert_slice(mime_param(&arena, tree->root->params, SLICE("report-type")), "tlsrpt");
    struct mime_part *words = tree->root->child, *file = words->next;
    assert_true(mime_is(words, "text", "plain"));
    assert_true(mime_is(file, "application", "tlsrpt+gzip"));
    assert_null(file->next);
    assert_slice(mime_file_name(&arena, file),
                 "mail.example.org!a.example!1795305600!1795391999.json.gz");
}

static void read_again(void **state)
{
    autobuf out = BUF_INIT(100000);
    struct tls_report_in r;
    assert_int_equal(tls_report_of_message(&arena, make_mail(&out), &r), OK);
    assert_slice(r.organization, "mail.example.org");
    assert_slice(r.contact, "postmaster@example.org");
    assert_int_equal(r.begin, DAY);
    assert_int_equal(r.end, DAY + 86399);
    assert_int_equal(r.n, 5);
    assert_slice(r.line[0].policy, "tlsa");
    assert_int_equal(r.line[0].success, 7);
    assert_slice(r.line[1].policy, "sts");
    assert_slice(r.line[1].result, "");
    assert_int_equal(r.line[1].failure, 4);
    assert_slice(r.line[2].result, "certificate-expired");
    assert_slice(r.line[2].mx, "mx\"1\\.a.example??");
    assert_slice(r.line[2].peer, "192.0.2.1");
    assert_int_equal(r.line[2].failure, 3);
    assert_slice(r.line[3].result, "starttls-not-supported");
    assert_slice(r.line[4].policy, "no-policy-found");
}

static void addresses(void **state)
{
    static const struct {
        struct slice uri;
        const char *address; /* NULL: refused */
    } rows[] = {
        {SLICE_INIT("mailto:tls@a.example"), "tls@a.example"},
        {SLICE_INIT("MAILTO:t%2Bx%21@a.example?subject=x"), "t+x!@a.example"},
        {SLICE_INIT("https://a.example/tls"), NULL},
        {SLICE_INIT("mailto:"), NULL},
        {SLICE_INIT("mailto:postmaster"), NULL},
        {SLICE_INIT("mailto:a@b.example%0D%0ABcc:c@d.example"), NULL},
        {SLICE_INIT("mailto:a@b.example>"), NULL},
        {SLICE_INIT("mailto:a@b.example,c@d.example"), NULL},
        {SLICE_INIT("mailto:a%2@b.example"), NULL},
        {SLICE_INIT("mailto:a@b.example%4"), NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice out;
        enum error e = tls_report_address(&arena, rows[i].uri, &out);
        if ((e == OK) != (rows[i].address != NULL))
            fail_msg("%.*s: %s", SLICE_FMT(rows[i].uri), error_name(e));
        if (e == OK)
            assert_slice(out, rows[i].address);
    }
}

/* --- Reading --- */

static struct slice sample_file(const char *name)
{
    char path[512];
    autobuf b = BUF_INIT(1024 * 1024);
    snprintf(path, sizeof path, "%s/tlsrpt/%s", TEST_DATA, name);
    assert_int_equal(file_read(path, &b), OK);
    return arena_dup(&arena, buf_slice(&b));
}

static void published(void **state)
{
    struct tls_report_in r;
    assert_int_equal(tls_report_of_json(&arena, sample_file("rpt01.json"), &r), OK);
    assert_slice(r.organization, "Company-X");
    assert_slice(r.id, "5065427c-23d3-47ca-b6e0-946ea0e8c4be");
    assert_int_equal(r.begin, 1459468800);
    assert_int_equal(r.n, 4);
    assert_slice(r.line[0].policy_domain, "company-y.example");
    assert_int_equal(r.line[0].success, 5326);
    assert_int_equal(r.line[0].failure, 303);
    assert_slice(r.line[1].mx, "mx1.mail.company-y.example");
    assert_slice(r.line[2].peer, "203.0.113.56");
    assert_int_equal(r.line[2].failure, 200);
    assert_slice(r.line[3].detail, "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
    assert_int_equal(tls_report_of_json(&arena, sample_file("rpt02.json"), &r), OK);
    assert_int_equal(tls_report_of_json(&arena, sample_file("rpt03.json"), &r), OK);
    assert_int_equal(r.n, 2);
    assert_slice(r.line[1].policy, "invalid-policy-type");
    assert_int_equal(tls_report_of_message(&arena, sample_file("rpt01.eml"), &r), OK);
    assert_slice(r.organization, "Company-X");
    assert_int_equal(r.n, 4);
    assert_int_equal(tls_report_of_message(&arena, sample_file("rpt02.eml"), &r), OK);
    assert_slice(r.organization, "Google Inc.");
}

static void broken(void **state)
{
    static const struct {
        struct slice json;
        enum error want;
    } rows[] = {
        {SLICE_INIT(""), ERR_INPUT},
        {SLICE_INIT("{}"), ERR_INPUT},
        {SLICE_INIT("[]"), ERR_INPUT},
        {SLICE_INIT("7"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":{}}"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":[]} x"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":[],\"policies\":[]}"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":[\"\xff\"]}"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":[\"\\u0000\"]}"), ERR_INPUT},
        {SLICE_INIT("{\"policies\":[]}"), OK},
        {SLICE_INIT("{\"policies\":[[],7,{\"policy\":[],\"summary\":1,\"failure-details\":{}}]}"),
         OK},
    };
    struct tls_report_in r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum error e = tls_report_of_json(&arena, rows[i].json, &r);
        if (e != rows[i].want)
            fail_msg("%.*s: %s", SLICE_FMT(rows[i].json), error_name(e));
    }
    assert_int_equal(r.n, 3);
    assert_int_equal(tls_report_of_message(&arena, SLICE("Subject: x\r\n\r\nhello"), &r),
                     ERR_NOTFOUND);
    assert_int_equal(
        tls_report_of_message(&arena, SLICE("Content-Type: application/tlsrpt+json\r\n\r\nx"), &r),
        ERR_INPUT);
}

static void cleaned(void **state)
{
    struct tls_report_in r;
    struct slice json = SLICE("{\"organization-name\":\"a\\u001b[2J\\u009bb\\u00e4\",\"policies\":"
                              "[{\"summary\":{\"total-successful-session-count\":-5}}]}");
    assert_int_equal(tls_report_of_json(&arena, json, &r), OK);
    assert_slice(r.organization, "a?[2J??b\xc3\xa4");
    assert_int_equal(r.line[0].success, 0);
    autobuf b = BUF_INIT(10000);
    buf_lit(&b, "{\"organization-name\":\"x");
    for (int i = 0; i < LIMIT_TLSRPT_TEXT; i++)
        buf_lit(&b, "\xc3\xa4");
    buf_lit(&b, "\",\"policies\":[]}");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), OK);
    assert_int_equal(r.organization.n, LIMIT_TLSRPT_TEXT - 1);
}

static void repeat(struct buf *b, const char *before, const char *what, size_t times,
                   const char *after)
{
    buf_reset(b);
    buf_str(b, before);
    for (size_t i = 0; i < times; i++)
        buf_str(b, what);
    buf_str(b, after);
}

static void bounded(void **state)
{
    struct tls_report_in r;
    autobuf b = BUF_INIT(8 * 1024 * 1024);
    repeat(&b, "{\"policies\":", "[", LIMIT_TLSRPT_DEPTH, "");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), ERR_LIMIT);
    repeat(&b, "{\"policies\":[0", ",0", LIMIT_TLSRPT_VALUES, "]}");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), ERR_LIMIT);
    repeat(&b, "{\"policies\":[{}", ",{}", LIMIT_TLSRPT_LINES, "]}");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), ERR_LIMIT);
    repeat(&b, "{\"policies\":[{}", ",{}", LIMIT_TLSRPT_LINES - 1, "]}");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), OK);
    repeat(&b, "{\"a\":\"", "[{,\\\"", LIMIT_TLSRPT_VALUES, "\",\"policies\":[]}");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), OK);
    repeat(&b, "{\"policies\":[]}", " ", LIMIT_TLSRPT, "");
    assert_int_equal(tls_report_of_json(&arena, buf_slice(&b), &r), ERR_LIMIT);
    /* As few bytes on the way, a great many here. */
    autobuf gzip = BUF_INIT(100000), raw = BUF_INIT(200000);
    assert_int_equal(tls_report_gzip(buf_slice(&b), &gzip), OK);
    buf_lit(&raw, "Content-Type: application/tlsrpt+gzip\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\n");
    base64_encode(buf_slice(&gzip), &raw);
    assert_int_equal(tls_report_of_message(&arena, buf_slice(&raw), &r), ERR_LIMIT);
    /* Cut off. */
    buf_reset(&raw);
    buf_lit(&raw, "Content-Type: application/tlsrpt+gzip\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\n");
    base64_encode(slice_sub(buf_slice(&gzip), 0, 40), &raw);
    assert_int_equal(tls_report_of_message(&arena, buf_slice(&raw), &r), ERR_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(json),      TEST(mail),   TEST(read_again), TEST(addresses),
        TEST(published), TEST(broken), TEST(cleaned),    TEST(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
