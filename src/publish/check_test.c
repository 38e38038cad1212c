/* The check against a real nsd and real ports: the zone that we print is a zone that we find good;
 * every kind of fault is found; and since when the next key can be seen. */
#include "base/clock.h"
#include "net/test_nsd.h"
#include "publish/publish_private.h"
#include "publish/test_house.h"
#include <pthread.h>
#include <stdatomic.h>

#define HEAD(zone)                                                                                 \
    "$ORIGIN " zone "\n$TTL 1800\n@ IN SOA ns." zone " hostmaster." zone                           \
    " 1 3600 600 86400 300\n@ IN NS ns." zone "\nns." zone " IN A 127.0.0.1\n"
#define NEXT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* --- Ports that show a certificate --- */

struct port {
    enum config_service service;
    int fd;
    uint16_t number;
    _Atomic(SSL_CTX *) ctx;
    pthread_t thread;
    atomic_bool deaf; /* offers no STARTTLS */
};

static void tell(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* False: the other side left. */
static bool hear_line(int fd)
{
    char c = 0;
    while (c != '\n')
        if (recv(fd, &c, 1, 0) != 1)
            return false;
    return true;
}

static bool talk(const struct port *p, int fd)
{
    if (p->service == SERVICE_SMTP) {
        tell(fd, "220-mail\r\n220 ready\r\n");
        if (!hear_line(fd))
            return false;
        tell(fd, p->deaf ? "250 mail\r\n" : "250-mail\r\n250-STARTTLS\r\n250 SIZE 1000\r\n");
        if (!hear_line(fd))
            return false;
        tell(fd, "220 go\r\n");
    } else if (p->service == SERVICE_IMAP) {
        tell(fd, "* OK ready\r\n");
        if (!hear_line(fd))
            return false;
        tell(fd, "* NOTHING\r\na OK go\r\n");
    }
    return true;
}

static void *serve(void *arg)
{
    struct port *p = arg;
    int fd;
    while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
        if (talk(p, fd)) {
            SSL *ssl = SSL_new(p->ctx);
            char byte;
            SSL_set_fd(ssl, fd);
            if (SSL_accept(ssl) == 1)
                (void)SSL_read(ssl, &byte, 1);
            SSL_free(ssl);
            ERR_clear_error();
        }
        close(fd);
    }
    return NULL;
}

static struct port ports[] = {
    {.service = SERVICE_SMTP}, {.service = SERVICE_IMAP}, {.service = SERVICE_IMAPS}};
enum { PORTS = 3 };

static void ports_listen(void)
{
    for (size_t i = 0; i < PORTS; i++) {
        ports[i].fd = test_listen(&ports[i].number);
        assert_true(ports[i].fd >= 0);
        fcntl(ports[i].fd, F_SETFL, 0);
    }
}

static void ports_start(const struct test_cert *leaf)
{
    for (size_t i = 0; i < PORTS; i++) {
        ports[i].ctx = test_server_context(leaf, NULL);
        assert_int_equal(pthread_create(&ports[i].thread, NULL, serve, &ports[i]), 0);
    }
}

static void ports_stop(void)
{
    for (size_t i = 0; i < PORTS; i++) {
        shutdown(ports[i].fd, SHUT_RDWR);
        pthread_join(ports[i].thread, NULL);
        close(ports[i].fd);
        SSL_CTX_free(ports[i].ctx);
    }
}

/* --- The world --- */

static struct test_house house;
static struct test_nsd nsd;
static struct dns_zone zones[4];
static struct dns *dns;
static struct slice authority;
static char settings[1024];

static void write_zones(void)
{
    struct publish_input in = test_house_input(&house, "example.test");
    struct publish_record *r;
    size_t n;
    autobuf zone = BUF_INIT(LIMIT_PUBLISH_ZONE);
    assert_int_equal(publish_records(&in, &house.a, &r, &n), OK);
    buf_str(&zone, HEAD("example.test."));
    publish_zone(r, n, SLICE_NONE, &zone);
    buf_str(&zone, "mail IN AAAA 2a01:abc::1\n");
    buf_str(&zone, "_25._tcp.mail 3600 IN TLSA 3 1 1 " NEXT "\n");
    test_nsd_write(&nsd, "example.test", arena_cstr(&house.a, buf_slice(&zone)));
    char other[2048];
    snprintf(other, sizeof other,
             HEAD("other.test.") "@ IN MX 10 elsewhere\n"
                                 "@ IN TXT \"v=spf1 mx +all\"\n@ IN TXT \"unrelated\"\n"
                                 "s1._domainkey IN TXT \"v=DKIM1; p=abcd\"\n"
                                 "n1._domainkey IN TXT \"v=DKIM1; \" \"p=AB CD\"\n"
                                 "n2._domainkey IN TXT \"v=DKIM1; p=abcd\"\n"
                                 "_dmarc IN TXT \"v=DMARC1; p=reject\"\n"
                                 "_dmarc IN TXT \"v=DMARC1; p=none\"\n"
                                 "_smtp._tls IN TXT \"v=TLSRPTv1; rua=mailto:x@y.test\"\n"
                                 "_imaps._tcp IN SRV 5 7 %u MAIL.example.test.\n"
                                 "_submissions._tcp IN SRV 0 1 466 mail.example.test.\n"
                                 "_pop3._tcp IN SRV 0 1 110 mail.example.test.\n"
                                 "autoconfig IN A 127.0.0.1\n"
                                 "_mta-sts IN TXT \"v=STSv1; id=1\"\n"
                                 "_25._tcp.mail IN TLSA 3 1 1 " NEXT "\n",
             (unsigned)ports[2].number);
    test_nsd_write(&nsd, "other.test", other);
    test_nsd_write(&nsd, "v4", HEAD("6.5.in-addr.arpa.") "8.7 IN PTR mail.example.test.\n");
    test_nsd_write(
        &nsd, "v6",
        HEAD("c.b.a.0.1.0.a.2.ip6.arpa.") "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
                                          " IN PTR elsewhere.example.test.\n");
}

static void resolve(void)
{
    static char anchor[128];
    static const char *const names[] = {"example.test", "other.test", "6.5.in-addr.arpa",
                                        "c.b.a.0.1.0.a.2.ip6.arpa"};
    snprintf(anchor, sizeof anchor, "%s/anchor", nsd.folder);
    for (size_t i = 0; i < 4; i++)
        zones[i] = (struct dns_zone){names[i], {test_nsd_ip(), nsd.port}};
    struct dns_options o = {.anchor = anchor,
                            .zones = zones,
                            .n_zones = 4,
                            .known_good = "",
                            .known_bad = "",
                            .timeout_ms = 3000};
    assert_int_equal(dns_new(&o, &dns), OK);
    assert_int_equal(dns_start(dns), OK);
}

static int set_up(void **state)
{
    (void)state;
    if (!test_nsd_installed())
        return 0;
    signal(SIGPIPE, SIG_IGN); /* the ports' OpenSSL writes to closed sockets */
    ports_listen();
    snprintf(settings, sizeof settings,
             "[listen]\naddress = 127.0.0.1\nsmtp = %u\nimap = %u\nimaps = %u\nsubmission = none\n"
             "submissions = none\nhttps = %u\nhttp = none\n[sending]\nfrom_address = 5.6.7.8\n",
             ports[0].number, ports[1].number, ports[2].number,
             ports[2].number /* one more with TLS from the first byte */);
    test_house_make(&house, "example.test", "mail.example.test", settings);
    test_house_identities(&house);
    authority = test_cert_pem(&house.ca);
    assert_true(test_nsd_make(&nsd));
    write_zones();
    assert_true(test_nsd_sign(&nsd, "example.test", ""));
    static const char *const served[] = {"example.test example.test.signed",
                                         "other.test other.test", "6.5.in-addr.arpa v4",
                                         "c.b.a.0.1.0.a.2.ip6.arpa v6", NULL};
    assert_true(test_nsd_start(&nsd, served));
    resolve();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!test_nsd_installed())
        return 0;
    dns_free(dns);
    test_nsd_stop(&nsd);
    test_slice_free(authority);
    test_house_free(&house);
    return 0;
}

static int needs_nsd(void **state)
{
    (void)state;
    if (!test_nsd_installed())
        skip();
    return 0;
}

/* --- */

struct want {
    const char *what;
    enum publish_state state;
    enum publish_need need;
    const char *found; /* a part of it, or of the help; NULL: anything */
};

static bool is_said(const struct publish_finding *f, const char *part)
{
    struct slice s = slice_str(part);
    return slice_find(f->found, s) < f->found.n || slice_find(f->help, s) < f->help.n;
}

/* The finding of that name and state is there, and as wanted. */
static void assert_found(const struct publish_finding *f, size_t n, const struct want *w)
{
    bool named = false;
    for (size_t i = 0; i < n; i++) {
        if (!slice_eq(f[i].what, slice_str(w->what)))
            continue;
        named = true;
        if (f[i].state == w->state && f[i].need == w->need &&
            (!w->found || is_said(&f[i], w->found)))
            return;
    }
    for (size_t i = 0; i < n; i++)
        print_message("%.*s: state %d need %d found \"%.*s\" help \"%.*s\"\n", SLICE_FMT(f[i].what),
                      f[i].state, f[i].need, SLICE_FMT(f[i].found), SLICE_FMT(f[i].help));
    fail_msg("%s: %s", w->what, named ? "not as wanted" : "no finding");
}

#define ASSERT_ALL(f, n, wants)                                                                    \
    for (size_t w_ = 0; w_ < sizeof(wants) / sizeof *(wants); w_++)                                \
    assert_found(f, n, &(wants)[w_])

static enum error check(const struct publish_input *in, enum publish_question what,
                        struct publish_finding **f, size_t *n)
{
    struct buf question = BUF_INIT(LIMIT_PUBLISH_LIST), answer = BUF_INIT(LIMIT_PUBLISH_ANSWER);
    enum error e = publish_ask(in, what, &house.a, &question);
    if (!e)
        e = publish_look(in->config, dns, authority, buf_slice(&question), &house.a, &answer);
    if (!e)
        e = publish_read_findings(arena_dup(&house.a, buf_slice(&answer)), &house.a, f, n);
    buf_free(&question);
    buf_free(&answer);
    return e;
}

static void test_domain_good(void **state)
{
    (void)state;
    struct publish_input in = test_house_input(&house, "example.test");
    struct publish_finding *f;
    size_t n;
    assert_int_equal(check(&in, PUBLISH_DOMAIN, &f, &n), OK);
    assert_true(n >= 16);
    for (size_t i = 0; i < n; i++) {
        if (f[i].state != PUBLISH_OK)
            fail_msg("%.*s: %d, found \"%.*s\"", SLICE_FMT(f[i].what), f[i].state,
                     SLICE_FMT(f[i].found));
        assert_true(f[i].secure);
    }
}

static void test_domain_bad(void **state)
{
    (void)state;
    static const struct want wants[] = {
        {"MX other.test.", PUBLISH_WRONG, PUBLISH_MUST, "10 elsewhere.other.test."},
        {"TXT other.test.", PUBLISH_WRONG, PUBLISH_MUST, "v=spf1 mx +all"},
        {"TXT s1._domainkey.other.test.", PUBLISH_WRONG, PUBLISH_MUST, "v=DKIM1; p=abcd"},
        {"TXT _dmarc.other.test.", PUBLISH_WRONG, PUBLISH_MUST, "several"},
        {"TXT _smtp._tls.other.test.", PUBLISH_OK, PUBLISH_SHOULD, NULL},
        {"SRV _imaps._tcp.other.test.", PUBLISH_OK, PUBLISH_SHOULD, NULL},
        {"SRV _submissions._tcp.other.test.", PUBLISH_WRONG, PUBLISH_MAY, "466"}, /* not offered */
        {"SRV _imap._tcp.other.test.", PUBLISH_MISSING, PUBLISH_MAY, NULL},
        {"SRV _pop3._tcp.other.test.", PUBLISH_WRONG, PUBLISH_MAY, "110"},
        {"SRV _pop3s._tcp.other.test.", PUBLISH_MISSING, PUBLISH_MAY, NULL},
        {"CNAME autoconfig.other.test.", PUBLISH_OK, PUBLISH_MAY, NULL},
        {"CNAME mta-sts.other.test.", PUBLISH_MISSING, PUBLISH_MAY, NULL},
        {"TXT _mta-sts.other.test.", PUBLISH_WRONG, PUBLISH_MAY, "v=STSv1; id=1"},
        {"DNSSEC other.test.", PUBLISH_MISSING, PUBLISH_SHOULD, NULL},
    };
    struct publish_input in = test_house_input(&house, "other.test");
    struct publish_finding *f;
    size_t n;
    assert_int_equal(check(&in, PUBLISH_DOMAIN, &f, &n), OK);
    ASSERT_ALL(f, n, wants);
    for (size_t i = 0; i < n; i++)
        assert_false(f[i].secure);
}

/* Only the next keys, not the active one, whose record is wrong as well. */
static void test_next_dkim(void **state)
{
    (void)state;
    static const struct want wants[] = {
        {"TXT n1._domainkey.other.test.", PUBLISH_OK, PUBLISH_SHOULD, "p=AB CD"},
        {"TXT n2._domainkey.other.test.", PUBLISH_WRONG, PUBLISH_SHOULD, "another key"},
        {"TXT n3._domainkey.other.test.", PUBLISH_MISSING, PUBLISH_SHOULD, NULL},
    };
    struct slice domain = SLICE("other.test"), pem = SLICE("no key");
    struct publish_input in = test_house_input(&house, "other.test");
    struct publish_finding *f;
    size_t n;
    assert_int_equal(check(&in, PUBLISH_NEXT_DKIM, &f, &n), OK);
    assert_int_equal(n, 0);
    for (int i = 1; i <= 3; i++) {
        struct directory_dkim key = {.state = DKIM_NEXT, .record = SLICE("v=DKIM1; p=ABCD")};
        snprintf(key.selector, sizeof key.selector, "n%d", i);
        assert_int_equal(directory_dkim_add(house.directory, domain, &key, &pem, 1), OK);
    }
    assert_int_equal(check(&in, PUBLISH_NEXT_DKIM, &f, &n), OK);
    assert_int_equal(n, 3);
    ASSERT_ALL(f, n, wants);
    for (int i = 1; i <= 3; i++) {
        char selector[8];
        snprintf(selector, sizeof selector, "n%d", i);
        assert_int_equal(directory_dkim_remove(house.directory, domain, slice_str(selector)), OK);
    }
    in.domain = SLICE("foreign.test");
    assert_int_equal(check(&in, PUBLISH_NEXT_DKIM, &f, &n), ERR_NOTFOUND);
}

static void check_host(struct publish_finding **f, size_t *n)
{
    struct publish_input in = test_house_input(&house, "");
    assert_int_equal(check(&in, PUBLISH_HOST, f, n), OK);
}

static const char *port_name(size_t i)
{
    static char names[PORTS][64];
    static const char *const services[] = {"smtp", "imap", "imaps"};
    snprintf(names[i], sizeof names[i], "certificate on port %u (%s)", ports[i].number,
             services[i]);
    return names[i];
}

static void test_host_good(void **state)
{
    (void)state;
    const struct want wants[] = {
        {"A mail.example.test.", PUBLISH_OK, PUBLISH_MUST, "5.6.7.8"},
        {"AAAA mail.example.test.", PUBLISH_OK, PUBLISH_SHOULD, "2a01:abc::1"},
        {"TLSA _25._tcp.mail.example.test.", PUBLISH_OK, PUBLISH_MUST, house.id[0].present},
        {"TLSA _25._tcp.mail.example.test.", PUBLISH_WRONG, PUBLISH_MAY, "3 1 1 " NEXT},
        {"FCrDNS 5.6.7.8", PUBLISH_OK, PUBLISH_MUST, "mail.example.test."},
        {"FCrDNS 2a01:abc::1", PUBLISH_WRONG, PUBLISH_MUST, "elsewhere.example.test."},
        {"DNSSEC mail.example.test.", PUBLISH_OK, PUBLISH_SHOULD, NULL},
        {port_name(0), PUBLISH_OK, PUBLISH_MUST, house.id[0].present},
        {port_name(1), PUBLISH_OK, PUBLISH_MUST, "TLSv1.3"},
        {port_name(2), PUBLISH_OK, PUBLISH_MUST, NULL},
    };
    struct publish_finding *f;
    size_t n;
    ports_start(&house.leaf);
    check_host(&f, &n);
    ASSERT_ALL(f, n, wants);
}

/* After it, nobody listens. */
static void test_host_bad(void **state)
{
    (void)state;
    struct publish_finding *f;
    size_t n;
    struct test_cert other =
        test_cert(&(struct test_cert_spec){.names = "DNS:other.test", .issuer = &house.ca});
    struct test_cert soon = test_cert(&(struct test_cert_spec){
        .names = "DNS:mail.example.test", .issuer = &house.ca, .days_from = -1, .days_to = 13});
    /* The house's own key in a certificate that expires soon. */
    X509_set_pubkey(soon.x, house.leaf.key);
    X509_sign(soon.x, house.ca.key, EVP_sha256());
    struct test_cert renewed = {soon.x, house.leaf.key};
    SSL_CTX *keep = ports[2].ctx;
    SSL_CTX *wrong = test_server_context(&other, NULL), *late = test_server_context(&renewed, NULL);
    SSL_CTX *keep_smtp = ports[0].ctx;
    ports[0].ctx = wrong;
    ports[2].ctx = late;
    check_host(&f, &n);
    const struct want wants[] = {
        {port_name(0), PUBLISH_WRONG, PUBLISH_MUST, "no TLSA record fits"},
        {port_name(2), PUBLISH_WRONG, PUBLISH_MUST, "expires soon"},
    };
    ASSERT_ALL(f, n, wants);
    ports[2].ctx = wrong;
    ports[0].deaf = true;
    check_host(&f, &n);
    const struct want worse[] = {
        {port_name(0), PUBLISH_WRONG, PUBLISH_MUST, "offers no STARTTLS"},
        {port_name(2), PUBLISH_WRONG, PUBLISH_MUST, "do not trust it"},
    };
    ASSERT_ALL(f, n, worse);
    ports[0].ctx = keep_smtp;
    ports[2].ctx = keep;
    ports_stop();
    check_host(&f, &n);
    const struct want closed[] = {
        {port_name(0), PUBLISH_WRONG, PUBLISH_MUST, "no connection"},
        {port_name(1), PUBLISH_WRONG, PUBLISH_MUST, "no connection"},
    };
    ASSERT_ALL(f, n, closed);
    SSL_CTX_free(wrong);
    SSL_CTX_free(late);
    test_cert_free(&other);
    test_cert_free(&soon);
}

static void test_providers(void **state)
{
    (void)state;
    struct publish_finding f[] = {
        {.what = SLICE("FCrDNS 5.6.7.8"), .state = PUBLISH_OK},
        {.what = SLICE("TXT a."), .state = PUBLISH_OK, .expected = SLICE("v=spf1 mx -all")},
        {.what = SLICE("TXT b."), .state = PUBLISH_OK, .expected = SLICE("v=DKIM1; p=a")},
    };
    struct publish_finding *out;
    size_t n;
    const struct want good = {"GMX, WEB.DE", PUBLISH_OK, PUBLISH_SHOULD, "postmaster.gmx.net"};
    const struct want bad = {"GMX, WEB.DE", PUBLISH_WRONG, PUBLISH_SHOULD, "DKIM: no"};
    const struct want name = {"Deutsche Telekom (t-online.de)", PUBLISH_WRONG, PUBLISH_SHOULD,
                              "no FCrDNS"};
    assert_int_equal(publish_check_providers(f, 3, &house.a, &out, &n), OK);
    assert_found(out, n, &good);
    f[2].state = PUBLISH_WRONG;
    f[0].state = PUBLISH_MISSING;
    assert_int_equal(publish_check_providers(f, 3, &house.a, &out, &n), OK);
    assert_found(out, n, &bad);
    assert_found(out, n, &name);
}

/* --- Since when a record can be seen --- */

static struct publish_visible see(const char *hash, int64_t now)
{
    struct publish_visible v;
    struct publish_input in = {.config = house.config};
    struct buf question = BUF_INIT(100), answer = BUF_INIT(LIMIT_PUBLISH_ANSWER);
    assert_int_equal(publish_ask(&in, PUBLISH_TLSA_SEEN, &house.a, &question), OK);
    assert_int_equal(
        publish_look(house.config, dns, authority, buf_slice(&question), &house.a, &answer), OK);
    assert_int_equal(publish_visible(house.config, buf_slice(&answer), hash, now, &v), OK);
    buf_free(&question);
    buf_free(&answer);
    return v;
}

/* What a resolver remembers has less of its TTL left with each second. */
static void assert_about(int64_t have, int64_t want)
{
    if (have > want || have < want - 120)
        fail_msg("%lld is not about %lld", (long long)have, (long long)want);
}

static void test_visible(void **state)
{
    (void)state;
    const int64_t now = 1000000;
    struct publish_visible v = see(NEXT, now);
    assert_int_equal(v.wait, PUBLISH_WAIT);
    assert_int_equal(v.since, now);
    assert_about(v.until, now + 2 * 3600);
    assert_int_equal(see(NEXT, now + 7000).wait, PUBLISH_WAIT);
    v = see(NEXT, now + 7200);
    assert_int_equal(v.wait, PUBLISH_READY);
    assert_int_equal(v.since, now);
    assert_int_equal(see(house.id[0].present, now + 7200).wait, PUBLISH_READY);
    assert_int_equal(see("ab", now).wait, PUBLISH_NOT_PUBLISHED);
    /* A clock that went back begins anew, and so does a file that cannot be read. */
    assert_about(see(NEXT, now - 100).until, now - 100 + 7200);
    test_house_write(&house, "tlsa.seen", SLICE("rubbish\n" NEXT " x y\n\n"), 0600);
    assert_int_equal(see(NEXT, now + 7200).wait, PUBLISH_WAIT);
}

static void test_visible_not(void **state)
{
    (void)state;
    test_house_configure(&house, "mail.other.test", settings); /* not signed */
    assert_int_equal(see(NEXT, 1).wait, PUBLISH_NO_DANE);
    test_house_configure(&house, "ns.example.test", settings); /* signed, without TLSA */
    assert_int_equal(see(NEXT, 1).wait, PUBLISH_NO_DANE);
    char more[1200];
    snprintf(more, sizeof more, "%s[dns]\nanchor =\n", settings);
    test_house_configure(&house, "mail.example.test", more);
    struct publish_visible v = see(NEXT, 1);
    assert_int_equal(v.wait, PUBLISH_CANNOT_TELL);
    assert_non_null(strstr(v.why, "dns.anchor"));
    test_house_configure(&house, "mail.example.test", settings);
    /* What was published no more was forgotten. */
    assert_int_equal(see(NEXT, 2000000).since, 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_domain_good, needs_nsd),
        cmocka_unit_test_setup(test_domain_bad, needs_nsd),
        cmocka_unit_test_setup(test_next_dkim, needs_nsd),
        cmocka_unit_test_setup(test_host_good, needs_nsd),
        cmocka_unit_test_setup(test_host_bad, needs_nsd),
        cmocka_unit_test_setup(test_providers, needs_nsd),
        cmocka_unit_test_setup(test_visible, needs_nsd),
        cmocka_unit_test_setup(test_visible_not, needs_nsd),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
