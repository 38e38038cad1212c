/* What the pages are made of: markup, Autodiscover's request, Apple's profile, the QR code. The
 * pages themselves are driven by test/scenario/test_pages.py. */
#include "base/mem.h"
#include "net/test_tls.h"
#include "web/apple_profile.h"
#include "web/autodiscover_request.h"
#include "web/markup.h"
#include "web/qr.h"
#include <openssl/cms.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_markup(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct slice odd = SLICE("\x01\xff&");
    markup(&out, "<a b=\"%s\">%S %u%%</a>", "\"<'>\"", &odd, 7u);
    assert_string_equal((buf_byte(&out, 0), (char *)out.p),
                        "<a b=\"&quot;&lt;&#39;&gt;&quot;\">\xef\xbf\xbd\xef\xbf\xbd&amp; 7%</a>");
    buf_free(&out);
}

#define HEAD    "<Autodiscover><Request><EMailAddress>"
#define TAIL    "</EMailAddress></Request></Autodiscover>"
#define DEEP    "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
#define ENTITY  "<!DOCTYPE a [<!ENTITY b \"c\">]>"
#define LONG_40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_autodiscover(void **state)
{
    (void)state;
    static const struct {
        const char *xml, *address; /* NULL: refused */
    } cases[] = {
        {HEAD "anna@example.org" TAIL, "anna@example.org"},
        {HEAD " anna@example.org\r\n " TAIL, "anna@example.org"},
        {"<x:Autodiscover xmlns:x='y'><x:EMailAddress>a@b</x:EMailAddress></x:Autodiscover>",
         "a@b"},
        {"<Autodiscover/>", ""},
        {HEAD "a&amp;b@c" TAIL, "a&b@c"},
        {HEAD "a<b/>c" TAIL, "a"},
        {ENTITY HEAD "&b;" TAIL, NULL},
        {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" HEAD TAIL, NULL},
        {HEAD "&b;" TAIL, NULL},
        {HEAD "anna", NULL},
        {DEEP, NULL},
        {"", NULL},
        {HEAD LONG_40 LONG_40 LONG_40 LONG_40 LONG_40 LONG_40 LONG_40 LONG_40 "b" TAIL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct autodiscover_request rq;
        enum error e = autodiscover_read(slice_str(cases[i].xml), &rq);
        assert_int_equal(e, cases[i].address ? OK : ERR_INPUT);
        if (cases[i].address)
            assert_string_equal(rq.address, cases[i].address);
    }
}

static struct config *make_config(void)
{
    static const char text[] =
        "[server]\nhost = mail.example.org\n[web]\nname = M\xc3\xbcller & Co\n"
        "[listen]\nimaps = 20993\n";
    struct config *c;
    char why[CONFIG_WHY];
    assert_int_equal(config_parse(slice_str(text), "t.conf", &c, why), OK);
    return c;
}

static bool has(const struct buf *b, const char *text)
{
    return memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static void test_profile(void **state)
{
    (void)state;
    struct config *c = make_config();
    struct buf one = BUF_INIT(65536), again = BUF_INIT(65536), none = BUF_INIT(65536);
    apple_profile(c, SLICE("anna@example.org"), &one);
    apple_profile(c, SLICE("anna@example.org"), &again);
    apple_profile(c, SLICE_NONE, &none);
    assert_true(slice_eq(buf_slice(&one), buf_slice(&again)));
    assert_true(has(&one, "<key>IncomingMailServerPortNumber</key>\n\t<integer>20993</integer>"));
    assert_true(has(&one, "<key>EmailAddress</key>\n\t<string>anna@example.org</string>"));
    assert_true(has(&one, "M\xc3\xbcller &amp; Co"));
    assert_false(has(&none, "EmailAddress"));
    assert_false(has(&one, "Password</key>\n\t<string>")); /* no password in it */
    buf_free(&one);
    buf_free(&again);
    buf_free(&none);
    config_free(c);
}

static void test_signature(void **state)
{
    (void)state;
    struct tls_identity id = test_identity("EC", "DNS:mail.example.org", "mail.example.org");
    struct buf der = BUF_INIT(65536);
    assert_int_equal(apple_sign(SLICE("<plist/>"), id.chain_pem, id.key_pem, &der), OK);
    const unsigned char *p = der.p;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.n);
    assert_non_null(cms);
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(CMS_verify(cms, NULL, NULL, NULL, out, CMS_NO_SIGNER_CERT_VERIFY), 1);
    char *content;
    long n = BIO_get_mem_data(out, &content);
    assert_int_equal(n, 8);
    assert_memory_equal(content, "<plist/>", 8);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    assert_int_equal(apple_sign(SLICE("x"), SLICE("no certificate"), id.key_pem, &der), ERR_INPUT);
    buf_free(&der);
    test_identity_free(&id);
}

static void test_qr(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(512 * 1024);
    static uint8_t much[2301];
    memset(much, 'a', sizeof much);
    assert_int_equal(qr_svg(SLICE("https://mail.example.org/apple.mobileconfig"), &out), OK);
    assert_true(has(&out, "viewBox=\"0 0 "));
    assert_int_equal(qr_svg(slice_of(much, sizeof much), &out), ERR_INPUT);
    assert_int_equal(qr_svg(SLICE_NONE, &out), ERR_INPUT);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup),  cmocka_unit_test(test_autodiscover),
        cmocka_unit_test(test_profile), cmocka_unit_test(test_signature),
        cmocka_unit_test(test_qr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
