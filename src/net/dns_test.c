/* Look-ups against a real nsd: what is secure, insecure, bogus or missing; deadlines; the anchor
 * that is kept; the proof of validation; many threads. */
#include "base/clock.h"
#include "base/limits.h"
#include "net/dns.h"
#include "net/test_nsd.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct test_nsd nsd;
static char anchor[128];

#define HEAD(zone)                                                                                 \
    "$ORIGIN " zone "\n$TTL 1800\n@ IN SOA ns." zone " hostmaster." zone                           \
    " 1 3600 600 86400 300\n@ IN NS ns." zone "\nns." zone " IN A 127.0.0.1\n"

static const char good_zone[] =
    HEAD("good.test.") "@ IN MX 10 mail\n"
                       "@ IN TXT \"v=spf1 \" \"-all\"\n"
                       "mail 600 IN A 192.0.2.1\n"
                       "mail IN AAAA 2001:db8::1\n"
                       "_25._tcp.mail IN TLSA 3 1 1 "
                       "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                       "@ IN CAA 0 issue \"ca.example\"\n"
                       "_imaps._tcp IN SRV 0 1 993 Mail\n"
                       "nomail IN MX 0 .\n"
                       "alias 60 IN CNAME hop\n"
                       "hop IN CNAME Mail\n"
                       "dangling IN CNAME nowhere\n"
                       "out IN CNAME www.plain.test.\n"
                       "odd IN CNAME a\\.b\n"
                       "a\\.b IN A 192.0.2.2\n"
                       "1 IN CNAME 1.0/25\n"
                       "1.0/25 IN PTR mail\n"
                       "tampered IN A 192.0.2.66\n"
                       "stripped IN A 192.0.2.68\n"
                       "aliasbad IN CNAME tampered\n";

static const char plain_zone[] = HEAD("plain.test.") "www IN A 192.0.2.3\n"
                                                     "in IN CNAME mail.good.test.\n";

static const char root_zone[] =
    "$ORIGIN .\n$TTL 1800\n. IN SOA ns.root. hostmaster.root. 1 3600 600 86400 300\n"
    ". IN NS ns.root.\nns.root. IN A 127.0.0.1\nwww.root. IN A 192.0.2.9\n";

static int set_up(void **state)
{
    (void)state;
    if (!test_nsd_installed())
        return 0;
    assert_true(test_nsd_make(&nsd));
    snprintf(anchor, sizeof anchor, "%s/anchor", nsd.folder);
    test_nsd_write(&nsd, "good.test", good_zone);
    test_nsd_write(&nsd, "plain.test", plain_zone);
    test_nsd_write(&nsd, "root", root_zone);
    /* As many addresses as are taken, and one more. */
    assert_true(test_nsd_shell(&nsd, "for i in $(seq 1 101); do "
                                     "echo \"many IN A 10.0.0.$i\"; done >>good.test; "
                                     "for i in $(seq 1 100); do "
                                     "echo \"full IN A 10.0.0.$i\"; done >>good.test"));
    assert_true(test_nsd_sign(&nsd, "good.test", "-n"));
    assert_true(test_nsd_shell(&nsd, "sed -i -e 's/192\\.0\\.2\\.66/192.0.2.67/' "
                                     "-e '/^stripped.*RRSIG[[:space:]]*A/d' good.test.signed; "
                                     "mv anchor anchor.good"));
    assert_true(test_nsd_sign(&nsd, "root", ""));
    assert_true(test_nsd_shell(&nsd, "mv anchor.good anchor"));
    static const char *const zones[] = {"good.test good.test.signed", "plain.test plain.test",
                                        ". root.signed", NULL};
    assert_true(test_nsd_start(&nsd, zones));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (test_nsd_installed())
        test_nsd_stop(&nsd);
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

static struct dns_zone zones[3];

/* good.test and plain.test at nsd, dead.test at `dead` when that is a port. */
static struct dns_options options(uint16_t dead)
{
    struct dns_server server = {test_nsd_ip(), nsd.port};
    zones[0] = (struct dns_zone){"good.test", server};
    zones[1] = (struct dns_zone){"plain.test.", server};
    zones[2] = (struct dns_zone){"dead.test", {test_nsd_ip(), dead}};
    return (struct dns_options){
        .anchor = anchor,
        .zones = zones,
        .n_zones = dead ? 3 : 2,
        .known_good = "",
        .known_bad = "",
    };
}

static struct dns *started(const struct dns_options *o)
{
    struct dns *d;
    assert_int_equal(dns_new(o, &d), OK);
    assert_int_equal(dns_start(d), OK);
    return d;
}

static struct dns_answer look(struct dns *d, const char *name, enum dns_type type, struct arena *a)
{
    struct dns_answer answer;
    dns_lookup(d, slice_str(name), type, 0, a, &answer);
    return answer;
}

static void assert_text(struct slice s, const char *text)
{
    if (!slice_eq(s, slice_str(text)))
        fail_msg("\"%.*s\" instead of \"%s\"", SLICE_FMT(s), text);
}

static void test_worth(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum dns_type type;
        enum dns_status status;
        bool secure;
        size_t n;
        const char *canonical;
    } table[] = {
        {"good.test", DNS_MX, DNS_OK, true, 1, "good.test"},
        {"GOOD.test.", DNS_MX, DNS_OK, true, 1, "good.test"},
        {"mail.good.test", DNS_A, DNS_OK, true, 1, "mail.good.test"},
        {"mail.good.test", DNS_AAAA, DNS_OK, true, 1, "mail.good.test"},
        {"_25._tcp.mail.good.test", DNS_TLSA, DNS_OK, true, 1, "_25._tcp.mail.good.test"},
        {"mail.good.test", DNS_MX, DNS_NODATA, true, 0, "mail.good.test"},
        {"none.good.test", DNS_A, DNS_NXDOMAIN, true, 0, "none.good.test"},
        {"_25._tcp.none.good.test", DNS_TLSA, DNS_NXDOMAIN, true, 0, "_25._tcp.none.good.test"},
        {"alias.good.test", DNS_A, DNS_OK, true, 1, "mail.good.test"},
        {"alias.good.test", DNS_MX, DNS_NODATA, true, 0, "mail.good.test"},
        {"alias.good.test", DNS_CNAME, DNS_OK, true, 1, "alias.good.test"},
        {"dangling.good.test", DNS_A, DNS_NXDOMAIN, true, 0, "nowhere.good.test"},
        /* one link of the chain is not signed: nor is the whole */
        {"out.good.test", DNS_A, DNS_OK, false, 1, "www.plain.test"},
        {"in.plain.test", DNS_A, DNS_OK, false, 1, "mail.good.test"},
        {"www.plain.test", DNS_A, DNS_OK, false, 1, "www.plain.test"},
        {"www.plain.test", DNS_MX, DNS_NODATA, false, 0, "www.plain.test"},
        {"none.plain.test", DNS_A, DNS_NXDOMAIN, false, 0, "none.plain.test"},
        {"tampered.good.test", DNS_A, DNS_BOGUS, false, 0, "tampered.good.test"},
        {"stripped.good.test", DNS_A, DNS_BOGUS, false, 0, "stripped.good.test"},
        {"aliasbad.good.test", DNS_A, DNS_BOGUS, false, 0, "aliasbad.good.test"},
        /* names of hosts only, and as many records as there may be */
        {"odd.good.test", DNS_A, DNS_FAILED, false, 0, "odd.good.test"},
        {"1.good.test", DNS_PTR, DNS_OK, true, 1, "1.good.test"},
        {"full.good.test", DNS_A, DNS_OK, true, LIMIT_DNS_RECORDS, "full.good.test"},
        {"many.good.test", DNS_A, DNS_FAILED, false, 0, "many.good.test"},
        {"", DNS_A, DNS_NXDOMAIN, false, 0, ""},
        {".", DNS_A, DNS_NXDOMAIN, false, 0, ""},
        {"a..good.test", DNS_A, DNS_NXDOMAIN, false, 0, ""},
        {"a\\.b.good.test", DNS_A, DNS_NXDOMAIN, false, 0, ""},
        {"m\xc3\xbcller.good.test", DNS_A, DNS_NXDOMAIN, false, 0, ""},
    };
    struct dns_options o = options(0);
    struct dns *d = started(&o);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        autoarena a;
        arena_init(&a, 65536);
        struct dns_answer r = look(d, table[i].name, table[i].type, &a);
        if (r.status != table[i].status || r.secure != table[i].secure || r.n != table[i].n)
            fail_msg("%s %d: status %d secure %d n %zu (%.*s)", table[i].name, table[i].type,
                     r.status, r.secure, r.n, SLICE_FMT(r.why));
        assert_text(r.canonical, table[i].canonical);
        assert_int_equal(r.why.n > 0, r.status == DNS_BOGUS || r.status == DNS_FAILED);
    }
    dns_free(d);
}

static void test_records(void **state)
{
    (void)state;
    struct dns_options o = options(0);
    struct dns *d = started(&o);
    autoarena a;
    arena_init(&a, 65536);
    struct dns_answer r = look(d, "good.test", DNS_MX, &a);
    struct dns_mx mx;
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_mx(r.record[0], &a, &mx), OK);
    assert_int_equal(mx.preference, 10);
    assert_text(mx.host, "mail.good.test");
    assert_in_range(r.ttl, 1790, 1800);

    r = look(d, "nomail.good.test", DNS_MX, &a);
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_mx(r.record[0], &a, &mx), OK);
    assert_int_equal(mx.host.n, 0);

    struct slice text, tag, value;
    r = look(d, "good.test", DNS_TXT, &a);
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_txt(r.record[0], &a, &text), OK);
    assert_text(text, "v=spf1 -all");

    r = look(d, "_25._tcp.mail.good.test", DNS_TLSA, &a);
    struct dns_tlsa tlsa;
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_tlsa(r.record[0], &tlsa), OK);
    assert_int_equal(tlsa.usage, 3);
    assert_int_equal(tlsa.selector, 1);
    assert_int_equal(tlsa.matching, 1);
    assert_int_equal(tlsa.data.n, 32);

    r = look(d, "_imaps._tcp.good.test", DNS_SRV, &a);
    struct dns_srv srv;
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_srv(r.record[0], &a, &srv), OK);
    assert_int_equal(srv.port, 993);
    assert_text(srv.target, "mail.good.test");

    r = look(d, "good.test", DNS_CAA, &a);
    uint8_t flags;
    assert_int_equal(r.n, 1);
    assert_int_equal(dns_read_caa(r.record[0], &flags, &tag, &value), OK);
    assert_text(tag, "issue");
    assert_text(value, "ca.example");

    /* The shortest of the chain; and a denial lives as long as the SOA says. */
    assert_in_range(look(d, "alias.good.test", DNS_A, &a).ttl, 50, 60);
    assert_in_range(look(d, "none.good.test", DNS_A, &a).ttl, 290, 300);
    dns_free(d);
}

static void test_small_arena(void **state)
{
    (void)state;
    struct dns_options o = options(0);
    struct dns *d = started(&o);
    autoarena a;
    arena_init(&a, 1);
    struct dns_answer r = look(d, "full.good.test", DNS_A, &a);
    assert_int_equal(r.status, DNS_FAILED);
    assert_int_equal(r.n, 0);
    dns_free(d);
}

static void test_without_anchor(void **state)
{
    (void)state;
    struct dns_options o = options(0);
    o.anchor = "";
    struct dns *d = started(&o);
    autoarena a;
    arena_init(&a, 65536);
    struct dns_answer r = look(d, "mail.good.test", DNS_A, &a);
    assert_int_equal(r.status, DNS_OK);
    assert_false(r.secure);
    dns_free(d);
}

static void test_bad_options(void **state)
{
    (void)state;
    struct dns *d = NULL;
    struct dns_options o = options(0);
    o.anchor = "/nonexistent/root.key";
    assert_int_equal(dns_new(&o, &d), ERR_NOTFOUND);
    char path[128];
    o.anchor = path;
    snprintf(path, sizeof path, "%s/empty", nsd.folder);
    test_nsd_write(&nsd, "empty", "; nothing\n\n");
    assert_int_equal(dns_new(&o, &d), ERR_INPUT);
    snprintf(path, sizeof path, "%s/broken", nsd.folder);
    test_nsd_write(&nsd, "broken", ". IN DS what is this\n");
    assert_int_equal(dns_new(&o, &d), ERR_INPUT);
    o.scratch = nsd.folder;
    assert_int_equal(dns_new(&o, &d), ERR_INPUT);
    o = options(0);
    zones[0].name = "not a name";
    assert_int_equal(dns_new(&o, &d), ERR_INPUT);
    assert_null(d);
}

/* A forwarder that is an authoritative server, and one that is asked for everything else. */
static void test_forwarder(void **state)
{
    (void)state;
    struct dns_server server = {test_nsd_ip(), nsd.port};
    struct dns_options o = options(0);
    o.n_zones = 0;
    o.forwarders = &server;
    o.n_forwarders = 1;
    struct dns *d = started(&o);
    autoarena a;
    arena_init(&a, 65536);
    assert_true(look(d, "mail.good.test", DNS_A, &a).secure);
    assert_true(look(d, "none.good.test", DNS_A, &a).secure);
    assert_int_equal(look(d, "tampered.good.test", DNS_A, &a).status, DNS_BOGUS);
    struct dns_answer r = look(d, "www.plain.test", DNS_A, &a);
    assert_int_equal(r.status, DNS_OK);
    assert_false(r.secure);
    dns_free(d);
}

/* --- The kept anchor --- */

static bool kept_state_says(const char *folder, const char *needle)
{
    char path[128], text[8192];
    snprintf(path, sizeof path, "%s/root.key", folder);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    struct slice all = slice_of(text, n);
    return slice_find(all, slice_str(needle)) < all.n;
}

static void look_at_root(const struct dns_options *o)
{
    struct dns *d = started(o);
    autoarena a;
    arena_init(&a, 65536);
    struct dns_answer r = look(d, "www.root", DNS_A, &a);
    assert_int_equal(r.status, DNS_OK);
    assert_true(r.secure);
    r = look(d, "none.root", DNS_A, &a);
    assert_int_equal(r.status, DNS_NXDOMAIN);
    assert_true(r.secure);
    dns_free(d);
}

static void test_scratch(void **state)
{
    (void)state;
    struct dns_server server = {test_nsd_ip(), nsd.port};
    char key[128], scratch[128];
    snprintf(key, sizeof key, "%s/root.dnskey", nsd.folder);
    snprintf(scratch, sizeof scratch, "%s/scratch", nsd.folder);
    assert_int_equal(mkdir(scratch, 0700), 0);
    struct dns_options o = {.anchor = key,
                            .scratch = scratch,
                            .forwarders = &server,
                            .n_forwarders = 1,
                            .known_good = "",
                            .known_bad = ""};
    look_at_root(&o);
    assert_true(kept_state_says(scratch, "VALID"));
    look_at_root(&o); /* from the state */
    assert_true(kept_state_says(scratch, "VALID"));
    static const char *const broken[] = {"", "\n", "no such thing\n", "; comment\n. IN DNSKEY 257"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        test_nsd_write(&nsd, "scratch/root.key", broken[i]);
        look_at_root(&o);
        assert_true(kept_state_says(scratch, "VALID"));
    }
    /* A key of the distribution that is newer than the state comes in its place. */
    assert_true(test_nsd_shell(&nsd, "touch -d 2001-01-01 scratch/root.key; "
                                     "sed -i 's/VALID/REVOKED/' scratch/root.key; "
                                     "touch -d 2001-01-01 scratch/root.key"));
    look_at_root(&o);
    assert_true(kept_state_says(scratch, "VALID"));
    /* The folder is edge's, and root looks into it at the start: it follows nothing there, and
     * waits for nothing. */
    static const char *const planted[] = {
        "ln -sf ../planted scratch/root.key.new; rm scratch/root.key",
        "rm scratch/root.key; ln -s ../planted scratch/root.key",
        "rm -f scratch/root.key*; mkfifo scratch/root.key scratch/root.key.new",
    };
    test_nsd_write(&nsd, "planted", "as it was\n");
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        assert_true(test_nsd_shell(&nsd, planted[i]));
        look_at_root(&o);
        assert_true(kept_state_says(scratch, "VALID"));
    }
    assert_true(test_nsd_shell(&nsd, "test \"$(cat planted)\" = 'as it was'"));
}

/* --- Time --- */

static void test_deadlines(void **state)
{
    (void)state;
    uint16_t port;
    int dead = test_nsd_socket(&port); /* takes questions and never answers */
    struct dns_options o = options(port);
    o.timeout_ms = 600;
    struct dns *d = started(&o);
    autoarena a;
    arena_init(&a, 65536);
    int64_t begin = clock_ms();
    struct dns_answer r = look(d, "a.dead.test", DNS_A, &a);
    int64_t took = clock_ms() - begin;
    assert_int_equal(r.status, DNS_FAILED);
    assert_true(r.why.n > 0);
    assert_in_range(took, 590, 3000);

    begin = clock_ms();
    dns_lookup(d, SLICE("b.dead.test"), DNS_A, begin + 100, &a, &r);
    took = clock_ms() - begin;
    assert_int_equal(r.status, DNS_FAILED);
    assert_in_range(took, 95, 550);

    dns_lookup(d, SLICE("mail.good.test"), DNS_A, clock_ms() - 1, &a, &r);
    assert_int_equal(r.status, DNS_FAILED);
    /* The one that is silent holds up nobody else. */
    assert_int_equal(look(d, "mail.good.test", DNS_A, &a).status, DNS_OK);
    dns_free(d);
    close(dead);
}

struct late {
    int fd;
    int delay_ms;
    _Atomic bool stop;
    _Atomic int answers;
};

/* A server that says "no such type" to everything, late. */
static void *serve_late(void *arg)
{
    struct late *l = arg;
    while (!atomic_load(&l->stop)) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        uint8_t packet[512];
        struct sockaddr_in from;
        socklen_t n_from = sizeof from;
        if (poll(&p, 1, 50) <= 0)
            continue;
        ssize_t n = recvfrom(l->fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &n_from);
        if (n < 12)
            continue;
        usleep((useconds_t)l->delay_ms * 1000);
        packet[2] |= 0x84; /* an answer, authoritative */
        (void)sendto(l->fd, packet, (size_t)n, 0, (struct sockaddr *)&from, n_from);
        atomic_fetch_add(&l->answers, 1);
    }
    return NULL;
}

/* Answers that arrive around and after the moment when the caller gives up. */
static void test_late_answers(void **state)
{
    (void)state;
    uint16_t port;
    struct late late = {.fd = test_nsd_socket(&port), .delay_ms = 5};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_late, &late), 0);
    struct dns_options o = options(port);
    struct dns *d = started(&o);
    for (int i = 0; i < 60; i++) {
        autoarena a;
        arena_init(&a, 4096);
        struct dns_answer r;
        char name[64];
        snprintf(name, sizeof name, "n%d.dead.test", i);
        dns_lookup(d, slice_str(name), DNS_A, clock_ms() + i % 15, &a, &r);
        assert_true(r.status == DNS_FAILED || r.status == DNS_NODATA);
    }
    usleep(100000);
    assert_true(atomic_load(&late.answers) > 0);
    dns_free(d);
    atomic_store(&late.stop, true);
    pthread_join(thread, NULL);
    close(late.fd);
}

/* --- Threads --- */

struct user {
    struct dns *d;
    const char *name;
    int64_t until;
    bool patient; /* waits as long as the context lets it */
    uint64_t asked, wrong;
    enum dns_status last;
};

static void *use(void *arg)
{
    struct user *u = arg;
    do {
        autoarena a;
        arena_init(&a, 16384);
        struct dns_answer r;
        dns_lookup(u->d, slice_str(u->name), DNS_A, u->patient ? 0 : clock_ms() + 20, &a, &r);
        u->last = r.status;
        u->asked++;
        if (r.status != DNS_FAILED && !(r.status == DNS_OK && r.secure && r.n == 1))
            u->wrong++;
    } while (clock_ms() < u->until);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { USERS = 8 };
    uint16_t port;
    int dead = test_nsd_socket(&port);
    struct dns_options o = options(port);
    struct dns *d = started(&o);
    pthread_t thread[USERS];
    struct user user[USERS];
    int64_t begin = clock_ms();
    for (int i = 0; i < USERS; i++) {
        /* Half of them get answers, half give up again and again. */
        user[i] = (struct user){.d = d,
                                .name = i % 2 ? "gives.up.dead.test" : "mail.good.test",
                                .patient = i % 2 == 0,
                                .until = begin + 1000};
        assert_int_equal(pthread_create(&thread[i], NULL, use, &user[i]), 0);
    }
    uint64_t asked = 0;
    for (int i = 0; i < USERS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(user[i].last, i % 2 ? DNS_FAILED : DNS_OK);
        assert_int_equal(user[i].wrong, 0);
        if (i % 2 == 0)
            asked += user[i].asked;
    }
    print_message("%llu cached answers a second\n",
                  (unsigned long long)(asked * 1000 / (uint64_t)(clock_ms() - begin)));
    assert_true(asked > 500);
    dns_free(d);
    close(dead);
}

static void test_free_under_way(void **state)
{
    (void)state;
    enum { USERS = 4 };
    uint16_t port;
    int dead = test_nsd_socket(&port);
    struct dns_options o = options(port);
    struct dns *d = started(&o);
    pthread_t thread[USERS];
    struct user user[USERS];
    for (int i = 0; i < USERS; i++) {
        user[i] = (struct user){.d = d, .name = "waits.dead.test", .patient = true};
        assert_int_equal(pthread_create(&thread[i], NULL, use, &user[i]), 0);
    }
    usleep(200000);
    int64_t begin = clock_ms();
    dns_free(d);
    for (int i = 0; i < USERS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(user[i].last, DNS_FAILED);
    }
    assert_true(clock_ms() - begin < 3000);
    close(dead);
}

/* --- The proof --- */

static void test_proof(void **state)
{
    (void)state;
    uint16_t port;
    int dead = test_nsd_socket(&port);
    static const struct {
        const char *good, *bad;
        bool holds;
        const char *text;
    } table[] = {
        {"", "", true, "validation is taken for granted: dns.known_good or dns.known_bad is empty"},
        {"mail.good.test", "", true,
         "validation is taken for granted: dns.known_good or dns.known_bad is empty"},
        {"mail.good.test", "tampered.good.test", true,
         "mail.good.test came secure, tampered.good.test came bogus: validation works"},
        {"www.plain.test", "tampered.good.test", false,
         "www.plain.test came not signed, tampered.good.test came bogus: validation is not proved"},
        {"mail.good.test", "full.good.test", false,
         "mail.good.test came secure, full.good.test came secure: validation is not proved"},
        {"tampered.good.test", "tampered.good.test", false,
         "tampered.good.test came bogus, tampered.good.test came bogus: validation is not proved"},
        {"x.dead.test", "tampered.good.test", false,
         "x.dead.test came without answer, tampered.good.test came bogus: "
         "validation is not proved"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct dns_options o = options(port);
        o.known_good = table[i].good;
        o.known_bad = table[i].bad;
        o.timeout_ms = strstr(table[i].good, "dead") ? 300 : 0;
        struct dns *d = started(&o);
        assert_true(dns_validates(d));
        assert_int_equal(dns_prove(d), table[i].holds);
        assert_int_equal(dns_validates(d), table[i].holds);
        autoarena a;
        arena_init(&a, 4096);
        struct dns_answer r = look(d, "mail.good.test", DNS_A, &a);
        assert_int_equal(r.status, DNS_OK);
        assert_int_equal(r.secure, table[i].holds);
        char text[LIMIT_DNS_PROOF_TEXT];
        dns_proof_text(d, text, sizeof text);
        assert_string_equal(text, table[i].text);
        dns_free(d);
    }
    close(dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_worth, needs_nsd),
        cmocka_unit_test_setup(test_records, needs_nsd),
        cmocka_unit_test_setup(test_small_arena, needs_nsd),
        cmocka_unit_test_setup(test_without_anchor, needs_nsd),
        cmocka_unit_test_setup(test_bad_options, needs_nsd),
        cmocka_unit_test_setup(test_forwarder, needs_nsd),
        cmocka_unit_test_setup(test_scratch, needs_nsd),
        cmocka_unit_test_setup(test_deadlines, needs_nsd),
        cmocka_unit_test_setup(test_late_answers, needs_nsd),
        cmocka_unit_test_setup(test_threads, needs_nsd),
        cmocka_unit_test_setup(test_free_under_way, needs_nsd),
        cmocka_unit_test_setup(test_proof, needs_nsd),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
