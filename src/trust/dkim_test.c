/* DKIM against signatures that others made, and its own against a verifier; dkim_verified.py asks
 * an independent one. */
#include "trust/dkim_private.h"
#include "trust/dkim_verify.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 8463 appendix A.2. */
#define RFC8463_PUBLIC  "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define RFC8463_PRIVATE "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define RFC8463_RSA                                                                                \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J1" \
    "6JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2" \
    "EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
#define GMAIL_RSA                                                                                  \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh+eBCsSTrqmwIYYvywlbhbqoo2Dym" \
    "ndFkbjOVIPIldNs/m40KF+yzMn1skyoxcTUGCQs8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8" \
    "svnxgdxGkVbbhzY8i+RQ9DpSVpPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5OctMEeWUwg8Istjqz" \
    "8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NOZK9vlfuac0598HY+vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD" \
    "21MycBX5jYchHjPY/wIDAQAB"
#define GITHUB_RSA                                                                                 \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDn7EiK3r/vRRde/oD9XAsACz44UTrt2j+hGKdqQ093/QBbPZS99TKx" \
    "BkcKeWEnu+TzV+WigS8eD424pZVNP2Y4Ta5qbWdtJa+jtoc9953m7WOkTYMM4/iiDxPzhg2yxWdxu3VvuyiZBLhPXzX5" \
    "4mj8rXaTyXXWry2+CRQqDds9pwIDAQAB"

static void read_message(const char *name, struct buf *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/dkim/%s", TEST_DATA, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (int c, before = 0; (c = getc(f)) != EOF; before = c) {
        if (c == '\n' && before != '\r')
            buf_byte(out, '\r');
        buf_byte(out, (uint8_t)c);
    }
    fclose(f);
}

static EVP_PKEY *public_key(const char *base64)
{
    autobuf der = BUF_INIT(1000);
    assert_int_equal(base64_decode(slice_str(base64), &der), OK);
    const unsigned char *p = der.p;
    EVP_PKEY *key = der.n == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, der.p, der.n)
                                : d2i_PUBKEY(NULL, &p, (long)der.n);
    assert_non_null(key);
    return key;
}

static void test_signatures_of_others(void **state)
{
    static const struct {
        const char *file, *key;
        size_t index;
    } cases[] = {
        {"rfc8463-example.msg", RFC8463_PUBLIC, 0},
        {"rfc8463-example.msg", RFC8463_RSA, 1},
        {"gmail.msg", GMAIL_RSA, 0},
        {"multipart-no-end-boundary.msg", GMAIL_RSA, 0},
        {"github.msg", GITHUB_RSA, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autobuf raw = BUF_INIT(1000000);
        read_message(cases[i].file, &raw);
        EVP_PKEY *key = public_key(cases[i].key);
        if (!dkim_verify(buf_slice(&raw), cases[i].index, key))
            fail_msg("%s %zu", cases[i].file, cases[i].index);
        /* The verifier can say no. */
        size_t last = raw.n - 1;
        while (raw.p[last] <= ' ')
            last--;
        raw.p[last] ^= 1;
        assert_false(dkim_verify(buf_slice(&raw), cases[i].index, key));
        EVP_PKEY_free(key);
    }
    autobuf raw = BUF_INIT(100000);
    read_message("relaxed.msg", &raw);
    autobuf bh = BUF_INIT(100);
    struct header_field f;
    struct slice at;
    assert_true(header_find(buf_slice(&raw), SLICE("DKIM-Signature"), &f));
    assert_true(dkim_tag(f.raw, "bh", &bh, &at));
    assert_true(dkim_body_fits(buf_slice(&raw), buf_slice(&bh)));
}

/* Ed25519 is deterministic: with the RFC's key the RFC's signature must come out. */
static void test_rfc8463_bytes(void **state)
{
    autobuf raw = BUF_INIT(10000), seed = BUF_INIT(32), want = BUF_INIT(200), made = BUF_INIT(200);
    struct header_field f;
    struct slice at;
    uint8_t hash[CANONICAL_HASH], signature[64];
    size_t n = sizeof signature;
    read_message("rfc8463-example.msg", &raw);
    assert_true(header_find(buf_slice(&raw), SLICE("DKIM-Signature"), &f));
    assert_true(dkim_tag(f.raw, "b", &want, &at));
    assert_true(dkim_header_hash(buf_slice(&raw), f.raw, hash));
    assert_int_equal(base64_decode(SLICE(RFC8463_PRIVATE), &seed), OK);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.p, seed.n);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(md, signature, &n, hash, sizeof hash), 1);
    base64_encode(slice_of(signature, n), &made);
    assert_true(slice_eq(buf_slice(&made), buf_slice(&want)));
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
}

static void test_canonical(void **state)
{
    static const struct {
        bool body;
        struct slice in, want;
    } cases[] = {
        /* RFC 6376 3.4.5 */
        {false, SLICE_INIT("A: X\r\n"), SLICE_INIT("a:X")},
        {false, SLICE_INIT("B : Y\t\r\n\tZ  \r\n"), SLICE_INIT("b:Y Z")},
        {false, SLICE_INIT("Empty:\r\n"), SLICE_INIT("empty:")},
        {false, SLICE_INIT("Blank: \t\r\n \r\n"), SLICE_INIT("blank:")},
        {true, SLICE_INIT(" C \r\nD \t E\r\n\r\n\r\n"), SLICE_INIT(" C\r\nD E\r\n")},
        {true, SLICE_INIT(""), SLICE_INIT("")},
        {true, SLICE_INIT("\r\n"), SLICE_INIT("")},
        {true, SLICE_INIT(" \r\n\t\r\n"), SLICE_INIT("")},
        {true, SLICE_INIT("x"), SLICE_INIT("x\r\n")},
        {true, SLICE_INIT("x \t"), SLICE_INIT("x\r\n")},
        {true, SLICE_INIT("\r\n\r\nx\r\n"), SLICE_INIT("\r\n\r\nx\r\n")},
        {true, SLICE_INIT("a\tb\r\n"), SLICE_INIT("a b\r\n")},
        {true, SLICE_INIT("a\r \r\n"), SLICE_INIT("a\r\r\n")},
        {true, SLICE_INIT("a\n \r\n\r"), SLICE_INIT("a\n\r\n\r\r\n")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct canonical c;
        uint8_t got[CANONICAL_HASH], want[CANONICAL_HASH];
        canonical_begin(&c);
        if (cases[i].body)
            canonical_body(&c, cases[i].in);
        else
            canonical_field(&c, cases[i].in);
        assert_int_equal(canonical_end(&c, got), OK);
        assert_int_equal(
            EVP_Digest(cases[i].want.p, cases[i].want.n, want, NULL, EVP_sha256(), NULL), 1);
        if (memcmp(got, want, sizeof got) != 0)
            fail_msg("case %zu", i);
    }
}

/* --- Own signatures --- */

static struct dkim_signature keys[2];

static int make_keys(void **state)
{
    static const struct slice selectors[] = {SLICE_INIT("r1"), SLICE_INIT("e1")};
    for (size_t i = 0; i < 2; i++) {
        struct buf pem = BUF_INIT(8192);
        struct dkim_key *key;
        enum dkim_algorithm algorithm = i == 0 ? DKIM_RSA : DKIM_ED25519;
        assert_int_equal(dkim_key_make(algorithm, &pem), OK);
        assert_int_equal(dkim_key_read(algorithm, buf_slice(&pem), &key), OK);
        struct dkim_key *wrong;
        assert_int_equal(dkim_key_read(i == 0 ? DKIM_ED25519 : DKIM_RSA, buf_slice(&pem), &wrong),
                         ERR_INPUT);
        keys[i] = (struct dkim_signature){key, selectors[i]};
        buf_wipe(&pem);
    }
    return 0;
}

static int free_keys(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        struct dkim_key *key = NULL;
        memcpy(&key, &keys[i].key, sizeof key);
        dkim_key_free(key);
    }
    return 0;
}

static void sign(struct slice raw, struct buf *out)
{
    assert_int_equal(dkim_sign(keys, 2, SLICE("example.org"), raw, 1795348800, out), OK);
    buf_add(out, raw);
    assert_false(out->failed);
}

static void assert_short_lines(struct slice fields)
{
    struct slice line;
    while (slice_line(&fields, &line))
        if (line.n > 78)
            fail_msg("%zu: %.*s", line.n, SLICE_FMT(line));
}

static const struct slice messages[] = {
    SLICE_INIT("From: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\n\r\nHello \r\n"),
    SLICE_INIT("From: a@example.org\r\n\r\n"),
    SLICE_INIT("From: a@example.org\r\n"),
    SLICE_INIT("From: a@example.org"),
    SLICE_INIT(""),
    SLICE_INIT("\r\nbody alone"),
    SLICE_INIT("no field\r\nSubject:\r\nTO : x\r\n \r\n\ty\r\nFrom:a\r\nFrom:b\r\n\r\n\r\n\r\n"),
    SLICE_INIT("From: \xC3\xA4@example.org\r\nSubject: \xFF\x00\r\n\r\n\xC3\xA4\x00\r\n"),
    SLICE_INIT("From: a\r\nlist-id: <l>\r\nSender: s\r\nList-Unsubscribe: <u>\r\n\r\nx\r\n"),
};

static void test_own_signatures(void **state)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        autobuf out = BUF_INIT(100000);
        sign(messages[i], &out);
        assert_short_lines(slice_sub(buf_slice(&out), 0, out.n - messages[i].n));
        for (size_t k = 0; k < 2; k++)
            if (!dkim_verify(buf_slice(&out), k, keys[k].key->key))
                fail_msg("message %zu, key %zu", i, k);
    }
}

static bool stands_after(struct slice signature, struct slice raw, const char *front)
{
    autobuf out = BUF_INIT(100000);
    buf_add(&out, signature);
    buf_str(&out, front);
    buf_add(&out, raw);
    return dkim_verify(buf_slice(&out), 0, keys[0].key->key);
}

static void test_what_may_be_added(void **state)
{
    static const struct {
        const char *front;
        bool stands;
    } cases[] = {
        {"Received: from there\r\n", true},
        {"List-Id: <l.example>\r\n", true},
        {"Sender: list@l.example\r\n", true},
        {"From: x@example.net\r\n", false},
        {"to: x@example.net\r\n", false},
        {"Subject: buy\r\n", false},
        {"Date: never\r\n", false},
        {"Cc: x@example.net\r\n", false},
        {"Reply-To: x@example.net\r\n", false},
        {"Content-Type: text/html\r\n", false},
    };
    autobuf out = BUF_INIT(100000);
    struct slice raw = messages[0];
    sign(raw, &out);
    struct slice signature = slice_sub(buf_slice(&out), 0, out.n - raw.n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (stands_after(signature, raw, cases[i].front) != cases[i].stands)
            fail_msg("%s", cases[i].front);
}

static void test_big(void **state)
{
    /* More fields of a name than are signed; a long line; a long body. */
    autobuf raw = BUF_INIT(8000000), out = BUF_INIT(9000000);
    for (int i = 0; i < 3000; i++)
        buf_printf(&raw, "To: u%d@example.net\r\n", i);
    buf_lit(&raw, "From: a@example.org\r\nSubject: ");
    for (int i = 0; i < 100000; i++)
        buf_lit(&raw, "word  ");
    buf_lit(&raw, "\r\n\r\n");
    for (int i = 0; i < 100000; i++)
        buf_lit(&raw, "a  b\t\r\n \r\n");
    sign(buf_slice(&raw), &out);
    assert_true(dkim_verify(buf_slice(&out), 0, keys[0].key->key));
    assert_true(dkim_verify(buf_slice(&out), 1, keys[1].key->key));
}

static void test_refused(void **state)
{
    static const struct slice domains[] = {SLICE_INIT(""), SLICE_INIT("example.org; x=1"),
                                           SLICE_INIT("b\xC3\xBC.example")};
    autobuf out = BUF_INIT(100000), tight = BUF_INIT(900);
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
        assert_int_equal(dkim_sign(keys, 2, domains[i], messages[0], 0, &out), ERR_INPUT);
    assert_int_equal(dkim_sign(keys, 2, SLICE("example.org"), messages[0], 0, &tight), ERR_LIMIT);
    assert_int_equal(tight.n, 0);
    struct dkim_key *key;
    assert_int_equal(dkim_key_read(DKIM_RSA, SLICE("nonsense"), &key), ERR_INPUT);
    assert_int_equal(dkim_key_read(DKIM_RSA, SLICE_NONE, &key), ERR_INPUT);
}

static void test_small_rsa_key(void **state)
{
    EVP_PKEY *small = EVP_RSA_gen(1024);
    BIO *b = BIO_new(BIO_s_mem());
    struct dkim_key *key;
    char *text;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(b, small, NULL, NULL, 0, NULL, NULL), 1);
    long n = BIO_get_mem_data(b, &text);
    assert_int_equal(dkim_key_read(DKIM_RSA, slice_of(text, (size_t)n), &key), ERR_INPUT);
    BIO_free(b);
    EVP_PKEY_free(small);
}

static void test_records(void **state)
{
    autobuf rsa = BUF_INIT(2000), ed = BUF_INIT(2000);
    assert_int_equal(dkim_key_record(keys[0].key, &rsa), OK);
    assert_int_equal(dkim_key_record(keys[1].key, &ed), OK);
    assert_true(slice_starts(buf_slice(&rsa), SLICE("v=DKIM1; k=rsa; h=sha256; p=MIIBIjAN")));
    assert_true(slice_starts(buf_slice(&ed), SLICE("v=DKIM1; k=ed25519; h=sha256; p=")));
    assert_int_equal(ed.n, strlen("v=DKIM1; k=ed25519; h=sha256; p=") + 44);
}

static void test_from_domain(void **state)
{
    static const struct {
        const char *raw, *domain;
    } cases[] = {
        {"From: A <a@Example.ORG>\r\n\r\n", "example.org"},
        {"Subject: x\r\nfrom:\r\n a@example.org (x)\r\n\r\n", "example.org"},
        {"From: a@b\xC3\xBC"
         "cher.example\r\n\r\n",
         "xn--bcher-kva.example"},
        {"From: a@example.org, b@example.net\r\n\r\n", ""},
        {"From: a@example.org\r\nFrom: a@example.org\r\n\r\n", ""},
        {"From: group: a@example.org;\r\n\r\n", ""},
        {"From: nobody\r\n\r\n", ""},
        {"From: a@[192.0.2.1]\r\n\r\n", ""},
        {"From:\r\n\r\n", ""},
        {"\r\nFrom: a@example.org\r\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autoarena a;
        arena_init(&a, 100000);
        struct slice got = dkim_from_domain(slice_str(cases[i].raw), &a);
        if (!slice_eq(got, slice_str(cases[i].domain)))
            fail_msg("%s: %.*s", cases[i].raw, SLICE_FMT(got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures_of_others),
        cmocka_unit_test(test_rfc8463_bytes),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_own_signatures),
        cmocka_unit_test(test_what_may_be_added),
        cmocka_unit_test(test_big),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_small_rsa_key),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_from_domain),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
