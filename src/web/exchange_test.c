/* What a request says: target, host, parameters, cookies, languages, proxies; and how much of it.
 */
#include "web/test_http.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The answer to a request for /what or else, from its status code on. */
static void ask(const char *peer, const char *request, char *out, size_t size)
{
    struct test_machine m;
    machine_new(&m, peer, false);
    machine_hear(&m, slice_str(request));
    struct slice all = buf_slice(&m.out);
    size_t body = slice_find(all, SLICE("\r\n\r\n")) + 4;
    if (slice_starts(all, SLICE("HTTP/1.1 200")))
        snprintf(out, size, "%.*s", SLICE_FMT(slice_from(all, body)));
    else
        snprintf(out, size, "%.*s", SLICE_FMT(slice_sub(all, 9, 12)));
    machine_free(&m);
}

static void test_targets(void **state)
{
    static const struct {
        const char *request, *answer;
    } CASES[] = {
        {"GET /what HTTP/1.1\r\nHost: A.Example.\r\n\r\n", "0|a.example|/what||-|-|192.0.2.1|en|-"},
        {"GET /what/%7ex%20y HTTP/1.1\r\nHost: a:8443\r\n\r\n",
         "0|a|/what/~x y||-|-|192.0.2.1|en|-"},
        {"GET /what/%C3%BC HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
         "0|::1|/what/\xC3\xBC||-|-|192.0.2.1|en|-"},
        {"POST http://b.example:80/what?x HTTP/1.1\r\nHost: a\r\n\r\n",
         "2|b.example|/what|x|-|-|192.0.2.1|en|-"},
        {"GET /what?a=b&p=x+y%26z&p=2 HTTP/1.1\r\nHost: a\r\n\r\n",
         "0|a|/what|a=b&p=x+y%26z&p=2|x y&z|-|192.0.2.1|en|-"},
        {"GET /what?p=%zz HTTP/1.1\r\nHost: a\r\n\r\n", "0|a|/what|p=%zz|-|-|192.0.2.1|en|-"},
        {"GET /what?p=%ff HTTP/1.1\r\nHost: a\r\n\r\n", "0|a|/what|p=%ff|-|-|192.0.2.1|en|-"},
        {"GET /what HTTP/1.0\r\n\r\n", "0||/what||-|-|192.0.2.1|en|-"},
        {"GET /what?lang=de HTTP/1.1\r\nHost: a\r\n\r\n", "0|a|/what|lang=de|-|-|192.0.2.1|de|-"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
        {"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /x/.. HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /./x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET //x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%0ab HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%ffb HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%4 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
        {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char answer[512];
        ask("192.0.2.1", CASES[i].request, answer, sizeof answer);
        if (strcmp(answer, CASES[i].answer) != 0)
            fail_msg("%s gave %s, not %s", CASES[i].request, answer, CASES[i].answer);
    }
}

static void test_fields(void **state)
{
    static const struct {
        const char *fields, *answer;
    } CASES[] = {
        {"Cookie: a=1; c=2", "2|192.0.2.1|en|-"},
        {"Cookie: c=\"2\"", "2|192.0.2.1|en|-"},
        {"Cookie: c=1; c=2", "-|192.0.2.1|en|-"},
        {"Cookie: c=1\r\nCookie: c=1", "-|192.0.2.1|en|-"},
        {"Cookie: xc=1; c; =; ;c=", "|192.0.2.1|en|-"},
        {"Cookie: lang=de", "-|192.0.2.1|de|-"},
        {"Cookie: lang=fr\r\nAccept-Language: de", "-|192.0.2.1|de|-"},
        {"Cookie: lang=en\r\nAccept-Language: de", "-|192.0.2.1|en|-"},
        {"Accept-Language: en-US,en;q=0.5", "-|192.0.2.1|en|-"},
        {"Accept-Language: de-AT, en;q=0.9", "-|192.0.2.1|de|-"},
        {"Accept-Language: fr, de;q=0.2, en;q=0.1", "-|192.0.2.1|de|-"},
        {"Accept-Language: de;q=0, fr", "-|192.0.2.1|en|-"},
        {"Accept-Language: fr, de, en", "-|192.0.2.1|de|-"},
        {"Accept-Language: fr, en, de", "-|192.0.2.1|en|-"},
        {"Accept-Language: den", "-|192.0.2.1|en|-"},
        {"Accept-Language: de;q=x, en;q=0.1", "-|192.0.2.1|en|-"},
        {"Accept-Encoding: gzip, br", "-|192.0.2.1|en|br"},
        {"Accept-Encoding: gzip, br;q=0", "-|192.0.2.1|en|-"},
        {"Accept-Encoding: *", "-|192.0.2.1|en|br"},
        {"Accept-Encoding: *, br;q=0.0", "-|192.0.2.1|en|-"},
        {"Accept-Encoding: brx", "-|192.0.2.1|en|-"},
        {"Forwarded: for=198.51.100.1", "-|192.0.2.1|en|-"}, /* no proxy of ours */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char request[1024], answer[512], wanted[512];
        snprintf(request, sizeof request, "GET /what HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
                 CASES[i].fields);
        snprintf(wanted, sizeof wanted, "0|a|/what||-|%s", CASES[i].answer);
        ask("192.0.2.1", request, answer, sizeof answer);
        if (strcmp(answer, wanted) != 0)
            fail_msg("%s gave %s, not %s", CASES[i].fields, answer, wanted);
    }
}

static void test_forwarded(void **state)
{
    static const struct {
        const char *fields, *client;
    } CASES[] = {
        {"", "10.0.0.1"},
        {"Forwarded: for=198.51.100.1\r\n", "198.51.100.1"},
        {"Forwarded: For=\"198.51.100.1:4711\";proto=https;by=10.0.0.1\r\n", "198.51.100.1"},
        {"Forwarded: for=\"[2001:db8::7]:4711\"\r\n", "2001:db8::7"},
        {"Forwarded: for=\"[2001:db8::7]\"\r\n", "2001:db8::7"},
        /* The client's own word stands before the proxy's. */
        {"Forwarded: for=203.0.113.9, for=198.51.100.1\r\n", "198.51.100.1"},
        {"Forwarded: for=203.0.113.9\r\nForwarded: for=198.51.100.1\r\n", "198.51.100.1"},
        {"Forwarded: for=203.0.113.9, for=198.51.100.1, for=10.0.0.2\r\n", "198.51.100.1"},
        {"Forwarded: for=203.0.113.9, for=unknown, for=10.0.0.2\r\n", "10.0.0.2"},
        {"Forwarded: for=203.0.113.9, for=\"_hidden\"\r\n", "10.0.0.1"},
        {"Forwarded: for=203.0.113.9, proto=http\r\n", "10.0.0.1"},
        {"Forwarded: for=\"1\\.2.3.4\", for=198.51.100.1\r\n", "198.51.100.1"},
        {"Forwarded: , ,for=198.51.100.1,\r\n", "198.51.100.1"},
        {"Forwarded: for=10.0.0.3,for=10.0.0.3,for=10.0.0.3\r\n", "10.0.0.3"},
        /* An open quote must not swallow what the proxy wrote. */
        {"Forwarded: for=\"203.0.113.9, for=198.51.100.1\r\n", "400"},
        {"Forwarded: for=\"203.0.113.9\\\r\nForwarded: for=198.51.100.1\r\n", "400"},
        {"Forwarded: for\r\n", "400"},
        {"Forwarded: for=198.51.100.1 x\r\n", "400"},
        {"Forwarded: for=[2001:db8::7]\r\n", "400"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char request[1024], answer[512], wanted[512];
        snprintf(request, sizeof request, "GET /what HTTP/1.1\r\nHost: a\r\n%s\r\n",
                 CASES[i].fields);
        snprintf(wanted, sizeof wanted, "0|a|/what||-|-|%s|en|-", CASES[i].client);
        if (strcmp(CASES[i].client, "400") == 0)
            snprintf(wanted, sizeof wanted, "400");
        ask("10.0.0.1", request, answer, sizeof answer);
        if (strcmp(answer, wanted) != 0)
            fail_msg("%s gave %s, not %s", CASES[i].fields, answer, wanted);
    }
}

static void test_default_fields(void **state)
{
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    m.h.tls = true;
    machine_hear(&m, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    struct slice all = buf_slice(&m.out);
    static const char *const FIELDS[] = {
        "\r\ndate: ",
        " GMT\r\n",
        "\r\ncontent-type: text/plain\r\n",
        "\r\ncontent-length: 6\r\n",
        "\r\nx-content-type-options: nosniff\r\n",
        "\r\nreferrer-policy: no-referrer\r\n",
        "\r\ncross-origin-opener-policy: same-origin\r\n",
        "\r\ncross-origin-resource-policy: same-origin\r\n",
        "\r\ncontent-security-policy: default-src 'none'; script-src 'self';",
        " frame-ancestors 'none'",
        "\r\ncache-control: no-store\r\n",
        "\r\nstrict-transport-security: max-age=",
    };
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        if (slice_find(all, slice_str(FIELDS[i])) == all.n)
            fail_msg("no %s", FIELDS[i]);
    machine_free(&m);

    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("GET /set HTTP/1.1\r\nHost: a\r\n\r\n"));
    all = buf_slice(&m.out);
    assert_true(slice_find(all, SLICE("script-src")) == all.n);
    assert_true(slice_find(all, SLICE("strict-transport-security")) == all.n); /* no TLS */
    assert_true(slice_find(all, SLICE("\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n")) < all.n);
    machine_free(&m);
}

/* As many parameters as a head has room for cost the exchange no room of its own. */
static void test_many_parameters(void **state)
{
    autobuf request = BUF_INIT(LIMIT_HTTP_HEAD);
    struct test_machine m;
    buf_lit(&request, "GET /what?");
    while (request.n < LIMIT_HTTP_HEAD - 100)
        buf_lit(&request, "x&");
    buf_lit(&request, "p=here HTTP/1.1\r\nHost: a\r\n\r\n");
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, buf_slice(&request));
    assert_true(slice_starts(buf_slice(&m.out), SLICE("HTTP/1.1 200")));
    assert_true(slice_find(buf_slice(&m.out), SLICE("|here|")) < m.out.n);
    machine_free(&m);
}

/* Collected bodies of the whole process are counted, and given back. */
static void test_all_bodies(void **state)
{
    enum { EACH = 100000, N = LIMIT_HTTP_BODIES / EACH + 1 };
    static uint8_t bytes[EACH - 1];
    struct http_listener l;
    struct test_site *site = test_site_new(&l);
    struct http_conn *h = mem_array(N, sizeof *h);
    size_t refused = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < N; i++) {
            struct buf out = BUF_INIT(65536);
            h[i] = (struct http_conn){.c = NULL};
            http_conn_init(&h[i], &l, false);
            h1_input(&h[i],
                     SLICE("POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 100000\r\n\r\n"));
            h1_input(&h[i], slice_of(bytes, sizeof bytes));
            if (h1_output(&h[i], &out))
                refused += slice_starts(buf_slice(&out), SLICE("HTTP/1.1 503"));
            buf_free(&out);
        }
        assert_in_range(refused, 1, N / 2);
        for (size_t i = 0; i < N; i++)
            http_conn_end(&h[i]);
        refused = 0;
    }
    struct test_machine m;
    machine_new(&m, "192.0.2.1", false);
    machine_hear(&m, SLICE("POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello"));
    assert_true(slice_ends(buf_slice(&m.out), SLICE("\r\n\r\nhello")));
    machine_free(&m);
    mem_free(h);
    test_site_free(site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_forwarded),  cmocka_unit_test(test_default_fields),
        cmocka_unit_test(test_all_bodies), cmocka_unit_test(test_many_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
