/* For tests: a small world of domains at a real nsd, some signed, some not, some broken, and
 * options that ask there. Hosts have addresses of 127.0.0.0/8. */
#ifndef DEPESCHE_OUTBOUND_TEST_WORLD_H
#define DEPESCHE_OUTBOUND_TEST_WORLD_H

#include "net/test_nsd.h"
#include "outbound/outbound.h"

#define TEST_UNUSED __attribute__((unused))
#define TEST_KEY    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define TEST_BAD    "6666666666666666666666666666666666666666666666666666666666666666"

struct test_world {
    struct test_nsd nsd;
    char anchor[128];
    struct dns_zone zone[3];
    struct dns *dns;
    struct outbound_options o;
};

#define TEST_HEAD(zone)                                                                            \
    "$ORIGIN " zone "\n$TTL 1800\n@ IN SOA ns." zone " hostmaster." zone                           \
    " 1 3600 600 86400 300\n@ IN NS ns." zone "\nns." zone " IN A 127.0.0.1\n"

static const char test_good_zone[] =
    TEST_HEAD("good.test.") "@ IN MX 20 mx2\n@ IN MX 10 mx1\n"
                            "mx1 IN A 127.0.0.2\nmx2 IN A 127.0.0.3\n"
                            "_25._tcp.mx1 IN TLSA 3 1 1 " TEST_KEY "\n"
                            "null IN MX 0 .\n"
                            "implicit IN A 127.0.0.4\n"
                            "_25._tcp.implicit IN TLSA 2 0 1 " TEST_KEY "\n"
                            "alias IN CNAME implicit\n"
                            "aliased IN CNAME good.test.\n"
                            "cname IN MX 10 cname-mx\ncname-mx IN CNAME mx1\n"
                            "own IN MX 10 own-mx\nown-mx IN CNAME mx2\n"
                            "_25._tcp.own-mx IN TLSA 3 1 1 " TEST_KEY "\n"
                            "out IN MX 10 out-mx\nout-mx IN CNAME mx.plain.test.\n"
                            "_25._tcp.out-mx IN TLSA 3 1 1 " TEST_KEY "\n"
                            "unusable IN MX 10 un-mx\nun-mx IN A 127.0.0.5\n"
                            "_25._tcp.un-mx IN TLSA 1 0 1 " TEST_KEY "\n"
                            "_25._tcp.un-mx IN TLSA 3 1 1 0011\n"
                            "some IN MX 10 some-mx\nsome-mx IN A 127.0.0.5\n"
                            "_25._tcp.some-mx IN TLSA 0 0 1 " TEST_KEY "\n"
                            "_25._tcp.some-mx IN TLSA 3 1 1 " TEST_KEY "\n"
                            "badtlsa IN MX 10 bt-mx\nbt-mx IN A 127.0.0.5\n"
                            "_25._tcp.bt-mx IN TLSA 3 1 1 " TEST_BAD "\n"
                            "badaddress IN MX 10 ba-mx\nba-mx IN A 192.0.2.66\n"
                            "badmx IN MX 66 mx1\n"
                            "noaddress IN MX 10 nowhere\n"
                            "self IN MX 10 mx1\nself IN MX 20 Me.test.\nself IN MX 30 mx2\n"
                            "onlyself IN MX 5 me.test.\nonlyself IN MX 5 mx1\n"
                            "mixed IN MX 5 mx1\nmixed IN MX 0 .\n"
                            "insecurehost IN MX 10 mx.plain.test.\n"
                            "_25._tcp IN TLSA 3 1 1 " TEST_KEY "\n";

static const char test_plain_zone[] =
    TEST_HEAD("plain.test.") "@ IN MX 10 mx\nmx IN A 127.0.0.6\n"
                             "_25._tcp.mx IN TLSA 3 1 1 " TEST_KEY "\n"
                             "hosted IN MX 10 mx1.good.test.\n"
                             "bare IN A 127.0.0.6\n"
                             "none IN MX 10 no-tlsa\nno-tlsa IN A 127.0.0.6\n"
                             "_smtp._tls IN TXT \"v=TLSRPTv1; rua=mailto:tls@plain.test\"\n";

TEST_UNUSED static bool test_world_make(struct test_world *w, const char *more_good,
                                        const char *more_plain)
{
    static char good[65536], plain[65536];
    if (!test_nsd_make(&w->nsd))
        return false;
    snprintf(good, sizeof good, "%s%s", test_good_zone, more_good);
    snprintf(plain, sizeof plain, "%s%s", test_plain_zone, more_plain);
    test_nsd_write(&w->nsd, "good.test", good);
    test_nsd_write(&w->nsd, "plain.test", plain);
    static const char *const zones[] = {"good.test good.test.signed", "plain.test plain.test",
                                        NULL};
    if (!test_nsd_sign(&w->nsd, "good.test", "-n") ||
        !test_nsd_shell(&w->nsd, "sed -i -e 's/192\\.0\\.2\\.66/192.0.2.67/' "
                                 "-e 's/66666666/77777777/' "
                                 "-e 's/MX\\([[:space:]]*\\)66 /MX\\167 /' good.test.signed") ||
        !test_nsd_start(&w->nsd, zones))
        return false;
    snprintf(w->anchor, sizeof w->anchor, "%s/anchor", w->nsd.folder);
    struct dns_server server = {test_nsd_ip(), w->nsd.port};
    w->zone[0] = (struct dns_zone){"good.test", server};
    w->zone[1] = (struct dns_zone){"plain.test", server};
    w->zone[2] = (struct dns_zone){"dead.test", {test_nsd_ip(), 9}};
    return true;
}

/* Its resolver; with names to prove validation by, or "". */
TEST_UNUSED static bool test_world_resolve(struct test_world *w, const char *known_good,
                                           const char *known_bad)
{
    struct dns_options d = {
        .anchor = w->anchor,
        .zones = w->zone,
        .n_zones = 3,
        .known_good = known_good,
        .known_bad = known_bad,
        .timeout_ms = 3000,
    };
    w->o.host = "me.test";
    return dns_new(&d, &w->dns) == OK && dns_start(w->dns) == OK && (w->o.dns = w->dns);
}

TEST_UNUSED static void test_world_free(struct test_world *w)
{
    dns_free(w->dns);
    test_nsd_stop(&w->nsd);
}

#endif
