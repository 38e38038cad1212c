/* Tests of the configuration: defaults, values, refusals with their place, nearest matches. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static struct config *good(const char *text)
{
    struct config *c = NULL;
    char why[CONFIG_WHY] = "";
    if (config_parse(slice_str(text), "t.conf", &c, why))
        fail_msg("refused: %s", why);
    return c;
}

static void test_defaults(void **state)
{
    struct config *c = good("");
    assert_true(c->host[0] != 0);
    assert_string_equal(c->data, "/var/lib/depesche");
    assert_int_equal(c->message_size, 50 * 1024 * 1024);
    assert_int_equal(c->window, 20 * 60);
    assert_int_equal(c->machine, 24 * 60 * 60);
    assert_int_equal(c->tolerated, 4);
    assert_int_equal(c->closings, 3);
    assert_true(c->repeated_password_counts);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->listen[SERVICE_IMAPS].n, 1);
    assert_int_equal(c->listen[SERVICE_IMAPS].item[0].at.port, 993);
    assert_int_equal(c->listen_address.n, 2);
    assert_int_equal(c->certificates.n, 0);
    config_free(c);
}

static void test_values(void **state)
{
    struct config *c = good("# first\r\n[server]\nhost = mail.example.org\n\n [listen]\n"
                            "address=127.0.0.1\naddress = ::1\nsmtp = 2525, 10.0.0.1:26 [::1]:27\n"
                            "imap = none\n[tls]\ncertificate = /a.pem /a.key\n"
                            "certificate = /b.pem,/b.key\nprofile = BSI\n[limits]\n"
                            "message_size = 10M\n[guard]\nwindow = 90\nclose = 2h\n"
                            "trusted = 192.0.2.0/24 2001:db8::/32, 198.51.100.7\n"
                            "repeated_password_counts = no\n[log]\nlevel = warning\n");
    assert_string_equal(c->host, "mail.example.org");
    assert_int_equal(c->listen_address.n, 2);
    assert_int_equal(c->listen[SERVICE_SMTP].n, 3);
    assert_int_equal(c->listen[SERVICE_IMAP].n, 0);
    assert_int_equal(c->certificates.n, 2);
    assert_string_equal(c->certificates.item[1].key, "/b.key");
    assert_int_equal(c->tls_profile, CONFIG_TLS_BSI);
    assert_int_equal(c->message_size, 10 * 1024 * 1024);
    assert_int_equal(c->window, 90);
    assert_int_equal(c->close, 7200);
    assert_int_equal(c->trusted.n, 3);
    assert_int_equal(c->trusted.item[0].bits, 120);
    assert_false(c->repeated_password_counts);
    assert_int_equal(c->log_level, LOG_WARNING);

    struct arena a;
    arena_init(&a, 65536);
    struct config_endpoint *at;
    size_t n;
    assert_int_equal(config_endpoints(c, SERVICE_SMTP, &a, &at, &n), OK);
    assert_int_equal(n, 4);
    assert_int_equal(at[0].port, 2525);
    assert_int_equal(at[2].port, 26);
    assert_int_equal(at[3].port, 27);
    arena_free(&a);
    config_free(c);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"host = a\n", "t.conf:1: expected a [section] before 'host'"},
        {"[sever]\n", "t.conf:1: unknown section [sever]; did you mean [server]?"},
        {"[limits]\n\nmesage_size = 1M\n",
         "t.conf:3: unknown setting 'mesage_size' in [limits]; did you mean 'message_size'?"},
        {"[limits]\nprofile = bsi\n",
         "t.conf:2: unknown setting 'profile' in [limits]; it belongs in [tls]"},
        {"[limits]\nfrobnication = 1\n", "`depesche help config` lists all settings"},
        {"[limits]\nrecipients = many\n",
         "t.conf:2: limits.recipients: expected a whole number, found 'many'"},
        {"[limits]\nrecipients = 5\n", "found '5'; this is too small"},
        {"[limits]\nmessage_size = 99999999999999999999G\n", "expected a number of bytes"},
        {"[limits]\nrecipients\n", "t.conf:2: expected 'name = value', found 'recipients'"},
        {"[tls]\nprofile = old\n", "tls.profile: expected one of: modern bsi, found 'old'"},
        {"[tls]\ncertificate = /a.pem\n", "these come in pairs"},
        {"[tls]\ncertificate = a.pem a.key\n", "two absolute paths"},
        {"[log]\nlevel = info\nlevel = debug\n",
         "t.conf:3: log.level stands here a second time; line 2 has it already"},
        {"[listen]\nsmtp = 70000\n", "listen.smtp: expected ports"},
        {"[listen]\nsmtp = 0\n", "listen.smtp: expected ports"},
        {"[listen]\nsmtp = ::1:25\n", "listen.smtp: expected ports"},
        {"[listen]\naddress =\n", "listen.address: expected IP addresses"},
        {"[guard]\ntrusted = 192.0.2.1/24\n", "guard.trusted: expected networks"},
        {"[guard]\nwindow = 20 minutes\n", "expected a time such as"},
        {"[guard]\nrepeated_password_counts = maybe\n", "expected yes or no"},
        {"[server]\nhost = -\x1b[2J\n", "found '-?[2J'"},
        {"[server]\nhost = a..b\n", "expected a host name"},
        {"[server]\ndata = relative\n", "expected an absolute path"},
        {"[server\n", "expected [section]"},
        {"[sending]\nsmarthost = mail.example.net\n", "expected host:port"},
        {"[sending]\nsmarthost = ::1:25\n", "expected host:port"},
        {"[sending]\ntransport = example.net\n", "these come in pairs"},
        {"[dns]\nforwarder = ns.example.net\n", "expected name servers"},
        {"[dns]\nforwarder = 192.0.2.1@0\n", "expected name servers"},
        {"[dns]\nzone = example.net 192.0.2.1@53 example.com\n", "these come in pairs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config *c;
        char why[CONFIG_WHY] = "";
        if (config_parse(slice_str(cases[i].text), "t.conf", &c, why) != ERR_INPUT)
            fail_msg("taken: %s", cases[i].text);
        if (!strstr(why, cases[i].says))
            fail_msg("case %zu says: %s", i, why);
    }
    struct config *c;
    char why[CONFIG_WHY];
    assert_int_equal(config_parse(SLICE("[log]\nlevel = a\0b\n"), "t.conf", &c, why), ERR_INPUT);
}

static void test_ways_out(void **state)
{
    struct config *c;
    char why[CONFIG_WHY] = "";
    const char *text = "[sending]\nsmarthost = [2001:db8::1]:587\n"
                       "transport = example.net mx.example.net:26, example.com 192.0.2.7:25\n"
                       "transport = example.org mx.example.org:25\n"
                       "[dns]\nforwarder = 192.0.2.1 2001:db8::53@5353\n"
                       "zone = _x.example.net 192.0.2.2@5399\nknown_good =\n";
    if (config_parse(slice_str(text), "t.conf", &c, why))
        fail_msg("%s", why);
    assert_string_equal(c->smarthost.host, "2001:db8::1");
    assert_int_equal(c->smarthost.port, 587);
    assert_int_equal(c->transports.n, 3);
    assert_string_equal(c->transports.item[1].domain, "example.com");
    assert_string_equal(c->transports.item[1].to.host, "192.0.2.7");
    assert_int_equal(c->transports.item[0].to.port, 26);
    assert_int_equal(c->dns_forwarders.n, 2);
    assert_int_equal(c->dns_forwarders.item[0].port, 53);
    assert_int_equal(c->dns_forwarders.item[1].port, 5353);
    assert_string_equal(c->dns_zones.item[0].name, "_x.example.net");
    assert_int_equal(c->dns_zones.item[0].server.port, 5399);
    assert_string_equal(c->dns_known_good, "");
    assert_string_equal(c->dns_known_bad, "dnssec-failed.org");
    config_free(c);
}

static void test_long_input(void **state)
{
    struct config *c;
    char why[CONFIG_WHY];
    struct buf b = BUF_INIT(LIMIT_CONFIG_SIZE + 2);
    while (!b.failed && b.n <= LIMIT_CONFIG_SIZE)
        buf_byte(&b, '#');
    assert_int_equal(config_parse(buf_slice(&b), "t.conf", &c, why), ERR_INPUT);
    buf_reset(&b);
    buf_lit(&b, "[guard]\n");
    for (int i = 0; i < 400; i++)
        buf_printf(&b, "trusted = 10.0.%d.%d\n", i / 250, i % 250);
    assert_int_equal(config_parse(buf_slice(&b), "t.conf", &c, why), ERR_INPUT);
    assert_non_null(strstr(why, "the list is too long"));
    buf_free(&b);
}

/* The sample, with every '#' in front of a setting taken away, must mean the defaults. */
static void test_sample(void **state)
{
    struct buf sample = BUF_INIT(LIMIT_CONFIG_SIZE), text = BUF_INIT(LIMIT_CONFIG_SIZE);
    config_sample(&sample);
    struct slice rest = buf_slice(&sample), line;
    while (slice_line(&rest, &line)) {
        if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ')
            line = slice_from(line, 1);
        buf_add(&text, line);
        buf_byte(&text, '\n');
    }
    struct config *a, *b = good("");
    char why[CONFIG_WHY] = "";
    if (config_parse(buf_slice(&text), "sample", &a, why))
        fail_msg("refused: %s", why);
    size_t n;
    const struct setting *s = config_settings(&n);
    for (size_t i = 0; i < n; i++)
        if (!config_same(a, b, &s[i]))
            fail_msg("%s.%s differs", s[i].section, s[i].name);
    config_free(a);
    config_free(b);
    buf_free(&sample);
    buf_free(&text);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"account", "alias", "ban", "domain"};
    assert_string_equal(nearest_word(SLICE("acount"), words, 4), "account");
    assert_string_equal(nearest_word(SLICE("Domian"), words, 4), "domain");
    assert_string_equal(nearest_word(SLICE("bann"), words, 4), "ban");
    assert_string_equal(nearest_word(SLICE("bna"), words, 4), "ban");
    assert_null(nearest_word(SLICE("zebra"), words, 4));
    assert_null(nearest_word(SLICE(""), words, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_ways_out),
        cmocka_unit_test(test_long_input), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
