/* Rdata as hostile servers could send it, and names. */
#include "base/limits.h"
#include "net/dns_private.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(struct slice s, const char *text)
{
    if (!slice_eq(s, slice_str(text)))
        fail_msg("\"%.*s\" instead of \"%s\"", SLICE_FMT(s), text);
}

static void test_name_text(void **state)
{
    (void)state;
#define L63 "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"
    static const struct {
        const char *in, *out; /* NULL: refused */
    } table[] = {
        {"example.org", "example.org"},
        {"Example.ORG.", "example.org"},
        {"_25._tcp.MX-1.example.org", "_25._tcp.mx-1.example.org"},
        {"org", "org"},
        {"xn--mller-kva.example", "xn--mller-kva.example"},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {".org", NULL},
        {"a..org", NULL},
        {"org..", NULL},
        {"a b", NULL},
        {"a\\046b", NULL},
        {"m\xc3\xbcller.example", NULL},
        {"*.example", NULL},
        {L63 ".example", L63 ".example"},
        {L63 "x.example", NULL},
        {L63 "." L63 "." L63 ".012345678901234567890123456789012345678901234567890123456789x",
         L63 "." L63 "." L63 ".012345678901234567890123456789012345678901234567890123456789x"},
        {L63 "." L63 "." L63 ".012345678901234567890123456789012345678901234567890123456789xy",
         NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char out[LIMIT_DNS_NAME + 1];
        enum error e = dns_name_text(slice_str(table[i].in), out);
        assert_int_equal(e, table[i].out ? OK : ERR_INPUT);
        if (e == OK)
            assert_string_equal(out, table[i].out);
    }
    char out[LIMIT_DNS_NAME + 1];
    assert_int_equal(dns_name_text(SLICE("a\0b"), out), ERR_INPUT);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out; /* NULL: refused */
    } table[] = {
        {SLICE_INIT("\0"), ""},
        {SLICE_INIT("\4Mail\7example\3ORG\0"), "mail.example.org"},
        {SLICE_INIT("\4_dmk\1a\0"), "_dmk.a"},
        {SLICE_INIT(""), NULL},
        {SLICE_INIT("\4mail"), NULL},               /* no root label */
        {SLICE_INIT("\5mail\0"), NULL},             /* a label over the end */
        {SLICE_INIT("\4mail\0x"), NULL},            /* more behind it */
        {SLICE_INIT("\4mail\300\0"), NULL},         /* a compression pointer */
        {SLICE_INIT("\300\0"), NULL},               /* ... to itself */
        {SLICE_INIT("\100aaaaaaaaaaaaaaaa"), NULL}, /* a reserved kind of label */
        {SLICE_INIT("\3a.b\0"), NULL},              /* a dot in a label */
        {SLICE_INIT("\3a\0b\0"), NULL},
        {SLICE_INIT("\3a b\0"), NULL},
        {SLICE_INIT("\3a\\b\0"), NULL},
        {SLICE_INIT("\2\303\274\0"), NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        autoarena a;
        arena_init(&a, 4096);
        struct slice out;
        enum error e = dns_read_name(table[i].in, &a, &out);
        assert_int_equal(e, table[i].out ? OK : ERR_INPUT);
        if (e == OK)
            assert_text(out, table[i].out);
    }
}

/* `labels` of 62 bytes, then one of `last`. */
static enum error read_long_name(size_t labels, size_t last, struct slice *out, struct arena *a)
{
    uint8_t wire[400];
    size_t n = 0;
    for (size_t i = 0; i <= labels; i++) {
        size_t length = i < labels ? 62 : last;
        wire[n++] = (uint8_t)length;
        memset(wire + n, 'a', length);
        n += length;
    }
    wire[n++] = 0;
    return dns_read_name(slice_of(wire, n), a, out);
}

static void test_long_names(void **state)
{
    (void)state;
    autoarena a;
    arena_init(&a, 4096);
    struct slice name;
    /* 4 * 63 + 1: the 253 characters there may be, 255 bytes on the wire */
    assert_int_equal(read_long_name(4, 1, &name, &a), OK);
    assert_int_equal(name.n, LIMIT_DNS_NAME);
    assert_int_equal(read_long_name(4, 2, &name, &a), ERR_INPUT);
    assert_int_equal(read_long_name(5, 1, &name, &a), ERR_INPUT);
}

static void test_mx_srv(void **state)
{
    (void)state;
    autoarena a;
    arena_init(&a, 4096);
    struct dns_mx mx = {.preference = 7};
    assert_int_equal(dns_read_mx(SLICE("\1\2\2mx\0"), &a, &mx), OK);
    assert_int_equal(mx.preference, 0x102);
    assert_text(mx.host, "mx");
    assert_int_equal(dns_read_mx(SLICE("\0\0\0"), &a, &mx), OK);
    assert_int_equal(mx.host.n, 0);
    mx.preference = 7;
    assert_int_equal(dns_read_mx(SLICE("\0"), &a, &mx), ERR_INPUT);
    assert_int_equal(dns_read_mx(SLICE("\0\0"), &a, &mx), ERR_INPUT);
    assert_int_equal(dns_read_mx(SLICE("\0\0\2mx\0\0"), &a, &mx), ERR_INPUT);
    assert_int_equal(mx.preference, 7); /* filled on OK only */

    struct dns_srv srv;
    assert_int_equal(dns_read_srv(SLICE("\0\1\0\2\3\341\4IMAP\0"), &a, &srv), OK);
    assert_int_equal(srv.priority, 1);
    assert_int_equal(srv.weight, 2);
    assert_int_equal(srv.port, 993);
    assert_text(srv.target, "imap");
    assert_int_equal(dns_read_srv(SLICE("\0\1\0\2\3"), &a, &srv), ERR_INPUT);
}

static void test_ip(void **state)
{
    (void)state;
    struct ip ip;
    char text[IP_TEXT];
    assert_int_equal(dns_read_ip(SLICE("\300\0\2\1"), &ip), OK);
    ip_print(ip, text);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(dns_read_ip(SLICE(" \1\r\270\0\0\0\0\0\0\0\0\0\0\0\1"), &ip), OK);
    ip_print(ip, text);
    assert_string_equal(text, "2001:db8::1");
    assert_int_equal(dns_read_ip(SLICE(""), &ip), ERR_INPUT);
    assert_int_equal(dns_read_ip(SLICE("\1\2\3\4\5"), &ip), ERR_INPUT);
}

static void test_tlsa_caa(void **state)
{
    (void)state;
    struct dns_tlsa tlsa;
    assert_int_equal(dns_read_tlsa(SLICE("\3\1\2x"), &tlsa), OK);
    assert_int_equal(tlsa.usage, 3);
    assert_int_equal(tlsa.selector, 1);
    assert_int_equal(tlsa.matching, 2);
    assert_text(tlsa.data, "x");
    assert_int_equal(dns_read_tlsa(SLICE("\3\1\2"), &tlsa), ERR_INPUT);
    assert_int_equal(dns_read_tlsa(SLICE("\3\1"), &tlsa), ERR_INPUT);

    uint8_t flags;
    struct slice tag, value;
    assert_int_equal(dns_read_caa(SLICE("\200\5issueca.example; x=y"), &flags, &tag, &value), OK);
    assert_int_equal(flags, 128);
    assert_text(tag, "issue");
    assert_text(value, "ca.example; x=y");
    assert_int_equal(dns_read_caa(SLICE("\0\5issue"), &flags, &tag, &value), OK);
    assert_int_equal(value.n, 0);
    assert_int_equal(dns_read_caa(SLICE("\0\0value"), &flags, &tag, &value), ERR_INPUT);
    assert_int_equal(dns_read_caa(SLICE("\0\6issue"), &flags, &tag, &value), ERR_INPUT);
    assert_int_equal(dns_read_caa(SLICE("\0\3a-bx"), &flags, &tag, &value), ERR_INPUT);
    assert_int_equal(dns_read_caa(SLICE(""), &flags, &tag, &value), ERR_INPUT);
}

static void test_txt(void **state)
{
    (void)state;
    autoarena a;
    arena_init(&a, 4096);
    struct slice text;
    assert_int_equal(dns_read_txt(SLICE("\3abc\0\2de"), &a, &text), OK);
    assert_text(text, "abcde");
    assert_int_equal(dns_read_txt(SLICE("\0"), &a, &text), OK);
    assert_int_equal(text.n, 0);
    assert_int_equal(dns_read_txt(SLICE(""), &a, &text), ERR_INPUT);
    assert_int_equal(dns_read_txt(SLICE("\3ab"), &a, &text), ERR_INPUT);
    assert_int_equal(dns_read_txt(SLICE("\2ab\377"), &a, &text), ERR_INPUT);
    uint8_t big[5000] = {0};
    assert_int_equal(dns_read_txt(slice_of(big, sizeof big), &a, &text), ERR_LIMIT);
}

static void test_reverse(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *name;
    } table[] = {
        {"192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"255.255.255.255", "255.255.255.255.in-addr.arpa"},
        {"2001:db8::567:89ab",
         "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        autoarena a;
        arena_init(&a, 4096);
        struct ip ip;
        assert_int_equal(ip_parse(slice_str(table[i].ip), &ip), OK);
        assert_text(dns_reverse_name(ip, &a), table[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_text),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_mx_srv),
        cmocka_unit_test(test_ip),         cmocka_unit_test(test_tlsa_caa),
        cmocka_unit_test(test_txt),        cmocka_unit_test(test_reverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
