/* What to publish, against a zone file written by hand; hashes against OpenSSL's program; what
 * policies in TXT records are worth. */
#include "publish/publish_private.h"
#include "publish/test_house.h"
#include <sys/wait.h>

static struct test_house house;

static int set_up(void **state)
{
    (void)state;
    test_house_make(&house, "example.test", "mail.example.test",
                    "[sending]\nfrom_address = 5.6.7.8\n[listen]\naddress = 5.6.7.8, 127.0.0.1, "
                    "2a01:db8::1\n");
    test_house_identities(&house);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_house_free(&house);
    return 0;
}

/* Lines of the zone without comments and empty ones. */
static struct slice zone_of(const char *domain)
{
    struct publish_input in = test_house_input(&house, domain);
    struct publish_record *r;
    size_t n;
    autobuf all = BUF_INIT(LIMIT_PUBLISH_ZONE), lines = BUF_INIT(LIMIT_PUBLISH_ZONE);
    assert_int_equal(publish_records(&in, &house.a, &r, &n), OK);
    publish_zone(r, n, publish_sts_policy(house.config, &house.a), &all);
    struct slice rest = buf_slice(&all), line;
    while (slice_line(&rest, &line))
        if (line.n && line.p[0] != ';') {
            buf_add(&lines, line);
            buf_byte(&lines, '\n');
        }
    return arena_dup(&house.a, buf_slice(&lines));
}

static void assert_same(struct slice got, const char *want)
{
    struct slice expected = slice_str(want), a, b;
    while (slice_line(&expected, &a)) {
        if (!slice_line(&got, &b))
            fail_msg("nothing instead of \"%.*s\"", SLICE_FMT(a));
        if (!slice_eq(a, b))
            fail_msg("\"%.*s\" instead of \"%.*s\"", SLICE_FMT(b), SLICE_FMT(a));
    }
    assert_int_equal(got.n, 0);
}

#define ZEROS_50 "00000000000000000000000000000000000000000000000000"
/* 18 bytes stand before the 300 digits: the first string has 237 of them. */
#define ZEROS_237 ZEROS_50 ZEROS_50 ZEROS_50 ZEROS_50 "0000000000000000000000000000000000000"
#define ZEROS_62  ZEROS_50 "000000000000"

#define DOMAIN(d)                                                                                  \
    d ". 3600 IN MX 10 mail.example.test.\n" d ". 3600 IN TXT \"v=spf1 mx -all\"\n"                \
      "s1._domainkey." d ". 3600 IN TXT \"v=DKIM1; k=rsa; p=" ZEROS_237 "\" \"" ZEROS_62 "7\"\n"   \
      "_dmarc." d ". 3600 IN TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@" d "\"\n"        \
      "_smtp._tls." d ". 3600 IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@" d "\"\n"                \
      "_imaps._tcp." d ". 3600 IN SRV 0 1 993 mail.example.test.\n"                                \
      "_submissions._tcp." d ". 3600 IN SRV 0 1 465 mail.example.test.\n"                          \
      "_imap._tcp." d ". 3600 IN SRV 10 1 143 mail.example.test.\n"                                \
      "_submission._tcp." d ". 3600 IN SRV 10 1 587 mail.example.test.\n"                          \
      "_pop3._tcp." d ". 3600 IN SRV 0 0 0 .\n"                                                    \
      "_pop3s._tcp." d ". 3600 IN SRV 0 0 0 .\n"                                                   \
      "autoconfig." d ". 3600 IN CNAME mail.example.test.\n"                                       \
      "autodiscover." d ". 3600 IN CNAME mail.example.test.\n"                                     \
      "_autodiscover._tcp." d ". 3600 IN SRV 0 0 443 mail.example.test.\n"                         \
      "_jmap._tcp." d ". 3600 IN SRV 0 1 443 mail.example.test.\n"                                 \
      "_mta-sts." d ". 3600 IN TXT \"v=STSv1; id=3bd8c20313d04b43cf9d;\"\n"                        \
      "mta-sts." d ". 3600 IN CNAME mail.example.test.\n"

/* The host's records belong to one zone only; its id is the same in all. */
static void test_zone(void **state)
{
    (void)state;
    char zone[8192];
    snprintf(zone, sizeof zone,
             DOMAIN("example.test") "mail.example.test. 3600 IN A 5.6.7.8\n"
                                    "mail.example.test. 3600 IN AAAA 2a01:db8::1\n"
                                    "_25._tcp.mail.example.test. 3600 IN TLSA 3 1 1 %s\n"
                                    "mail.example.test. 3600 IN CAA 0 issue \"letsencrypt.org\"\n",
             house.id[0].present);
    assert_same(zone_of("example.test"), zone);
    assert_same(zone_of("EXAMPLE.test"), zone);
    assert_same(zone_of("other.test"), DOMAIN("other.test"));
}

/* Programs are led to the ports that are open, and told of those that are not (RFC 6186). */
static void test_ports(void **state)
{
    (void)state;
    struct test_house other;
    test_house_make(&other, "example.test", "mail.example.test",
                    "[listen]\nimaps = 10993\nsubmission = none\nhttps = 8443\n");
    struct publish_input in = test_house_input(&other, "example.test");
    struct publish_record *r;
    size_t n;
    autobuf zone = BUF_INIT(LIMIT_PUBLISH_ZONE);
    assert_int_equal(publish_records(&in, &other.a, &r, &n), OK);
    publish_zone(r, n, publish_sts_policy(other.config, &other.a), &zone);
    static const char *const lines[] = {
        "\n_imaps._tcp.example.test. 3600 IN SRV 0 1 10993 mail.example.test.\n",
        "\n_submission._tcp.example.test. 3600 IN SRV 0 0 0 .\n",
        "\n_imap._tcp.example.test. 3600 IN SRV 10 1 143 mail.example.test.\n",
        "\n_autodiscover._tcp.example.test. 3600 IN SRV 0 0 8443 mail.example.test.\n",
        "\n_jmap._tcp.example.test. 3600 IN SRV 0 1 8443 mail.example.test.\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (slice_find(buf_slice(&zone), slice_str(lines[i])) == zone.n)
            fail_msg("no%s", lines[i]);
    test_house_free(&other);
}

static void test_not_ours(void **state)
{
    (void)state;
    struct publish_record *r;
    size_t n;
    struct publish_input in = test_house_input(&house, "foreign.test");
    assert_int_equal(publish_records(&in, &house.a, &r, &n), ERR_NOTFOUND);
    in.domain = SLICE("no domain");
    assert_int_equal(publish_records(&in, &house.a, &r, &n), ERR_INPUT);
}

/* What OpenSSL's own program says of the file. */
static void by_openssl(const char *command, char out[PUBLISH_TLSA])
{
    char script[600], path[200];
    snprintf(path, sizeof path, "%s/sum", house.folder);
    snprintf(script, sizeof script,
             "cd %s && %s -outform DER | openssl sha256 -r | cut -c1-64 >sum", house.folder,
             command);
    char sh[] = "/bin/sh", c[] = "-c";
    char *const argv[] = {sh, c, script, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execv(sh, argv);
        _exit(1);
    }
    int status;
    assert_true(waitpid(pid, &status, 0) == pid && status == 0);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fread(out, 1, 64, f), 64);
    out[64] = 0;
    fclose(f);
}

static void test_tlsa(void **state)
{
    (void)state;
    char want[PUBLISH_TLSA], got[PUBLISH_TLSA];
    by_openssl("openssl x509 -in chain.pem -noout -pubkey | openssl pkey -pubin", want);
    assert_string_equal(house.id[0].present, want);
    by_openssl("openssl pkey -in key.pem -pubout", want);
    autobuf key = BUF_INIT(LIMIT_PEM_FILE);
    char why[CONFIG_WHY];
    assert_int_equal(publish_read_file(house.key, &key, why), OK);
    assert_int_equal(publish_tlsa(buf_slice(&key), got), OK);
    assert_string_equal(got, want);
    assert_int_equal(publish_tlsa(SLICE("nothing"), got), ERR_INPUT);
    assert_int_equal(publish_tlsa(SLICE_NONE, got), ERR_INPUT);
}

static void test_spf(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"v=spf1 mx -all", true},
        {"v=spf1 mx ~all", true},
        {"v=spf1 +MX/24 -ALL", true},
        {"v=spf1 a:mail.example.test -all", true},
        {"v=spf1 a:other.test -all", false},
        {"v=spf1 ip4:5.6.7.0/24 -all", true},
        {"v=spf1 ip4:5.6.7.8 -all", true},
        {"v=spf1 ip4:5.6.8.0/24 -all", false},
        {"v=spf1 -ip4:5.6.7.8 -all", false},
        {"v=spf1 include:spf.example.net -all", true},
        {"v=spf1 redirect=spf.example.net", true},
        {"v=spf1 mx", false},
        {"v=spf1 mx ?all", false},
        {"v=spf1 +all", false},
        {"v=spf1 -all", false},
        {"v=spf1", false},
        {"v=spf1 mxx -all", false},
        {"v=spf1 mx include:1 include:2 include:3 include:4 include:5 include:6 include:7 "
         "include:8 include:9 -all",
         true},
        {"v=spf1 mx include:1 include:2 include:3 include:4 include:5 include:6 include:7 "
         "include:8 include:9 a -all",
         false},
    };
    struct ip ip;
    assert_int_equal(ip_parse(SLICE("5.6.7.8"), &ip), OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *why =
            publish_judge_spf(slice_str(cases[i].text), SLICE("mail.example.test"), &ip, 1);
        if ((why == NULL) != cases[i].good)
            fail_msg("%s: %s", cases[i].text, why ? why : "good");
    }
}

static void test_tags(void **state)
{
    (void)state;
    assert_true(
        slice_eq(publish_tag(SLICE("v=DKIM1; k = rsa ;p=ab=="), SLICE("p")), SLICE("ab==")));
    assert_true(slice_eq(publish_tag(SLICE("v=DKIM1; K = rsa ;p="), SLICE("k")), SLICE("rsa")));
    assert_int_equal(publish_tag(SLICE("v=DKIM1; sp=x"), SLICE("p")).n, 0);
    assert_int_equal(publish_tag(SLICE_NONE, SLICE("p")).n, 0);
    assert_null(publish_judge_dmarc(SLICE("v=DMARC1; p=reject")));
    assert_null(publish_judge_dmarc(SLICE("v=DMARC1;p=QUARANTINE;sp=none")));
    assert_non_null(publish_judge_dmarc(SLICE("v=DMARC1; p=none")));
    assert_non_null(publish_judge_dmarc(SLICE("v=DMARC1; sp=reject")));
    assert_non_null(publish_judge_dmarc(SLICE("v=DMARC1; p=maybe")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zone), cmocka_unit_test(test_ports), cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_tlsa), cmocka_unit_test(test_spf),   cmocka_unit_test(test_tags),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
