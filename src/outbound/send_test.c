/* Sending as a whole: real sockets, a real name server, TLS, threads; servers that misbehave. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "outbound/outbound.h"
#include "outbound/test_sink.h"
#include "outbound/test_world.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#define SINKS     3
#define ENOUGH_MS 20000

static struct test_world world;
static struct tls_identity right, wrong;
static struct test_sink sink[SINKS]; /* at 127.0.9.1 and on */
static uint16_t port;
static struct outbound *outbound;

/* Results by ticket, copied as bytes, as the hand-over would. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct buf bytes;
    uint64_t last;
    unsigned n, delivered;
} results = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void done(void *arg, uint64_t ticket, const struct relay_result *r)
{
    pthread_mutex_lock(&results.lock);
    buf_free(&results.bytes);
    buf_init(&results.bytes, LIMIT_RELAY_BYTES);
    relay_write_result(r, &results.bytes);
    results.last = ticket;
    results.n++;
    for (size_t i = 0; i < r->n_recipients; i++)
        results.delivered += r->recipient[i].outcome == RELAY_DELIVERED;
    pthread_cond_broadcast(&results.came);
    pthread_mutex_unlock(&results.lock);
}

static unsigned answered(void)
{
    pthread_mutex_lock(&results.lock);
    unsigned n = results.n;
    pthread_mutex_unlock(&results.lock);
    return n;
}

static void wait_for(unsigned n)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&results.lock);
    while (results.n < n)
        if (pthread_cond_timedwait(&results.came, &results.lock, &end) != 0)
            break;
    assert_int_equal(results.n, n);
    pthread_mutex_unlock(&results.lock);
}

/* --- The world: d.good.test has two hosts with TLSA records, p.plain.test has them without. --- */

static void zone_text(char *good, char *plain, size_t size)
{
    char key[65];
    test_tlsa_311(&right, key);
    snprintf(good, size,
             "h1 IN A 127.0.9.1\nh2 IN A 127.0.9.2\nh3 IN A 127.0.9.3\n"
             "_%u._tcp.h1 IN TLSA 3 1 1 %s\n_%u._tcp.h2 IN TLSA 3 1 1 %s\n"
             "d IN MX 10 h1\nd IN MX 20 h2\none IN MX 10 h1\nopen IN MX 10 h3\n"
             "_smtp._tls.d IN TXT \"v=TLSRPTv1; rua=mailto:tls@d.good.test\"\n",
             port, key, port, key);
    snprintf(plain, size,
             "h1 IN A 127.0.9.1\nh2 IN A 127.0.9.2\ngone IN A 127.0.9.9\n"
             "p IN MX 10 h1\np IN MX 20 h2\none IN MX 10 h1\nreserve IN MX 10 gone\n"
             "reserve IN MX 20 h1\naway IN MX 10 gone\n");
}

static int set_up(void **state)
{
    static char good[4096], plain[4096];
    char why[200];
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_WARNING);
    right = test_identity("EC", "DNS:localhost,DNS:h1.plain.test", "right");
    wrong = test_identity("EC", "DNS:other.test", "wrong");
    for (int i = 0; i < SINKS; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.0.9.%d", i + 1);
        assert_true(test_sink_start(&sink[i], address, &port));
    }
    if (!test_nsd_installed())
        return 0;
    zone_text(good, plain, sizeof good);
    assert_true(test_world_make(&world, good, plain));
    assert_true(test_world_resolve(&world, "", ""));
    assert_int_equal(tls_client_new(TLS_MODERN, right.chain_pem, &world.o.tls, why, sizeof why),
                     OK);
    world.o.done = done;
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < SINKS; i++)
        test_sink_stop(&sink[i]);
    test_identity_free(&right);
    test_identity_free(&wrong);
    buf_free(&results.bytes);
    if (!test_nsd_installed())
        return 0;
    tls_client_free(world.o.tls);
    test_world_free(&world);
    return 0;
}

/* Every test begins with sinks that do well by the right key. */
static int fresh(void **state)
{
    if (!test_nsd_installed())
        skip();
    for (int i = 0; i < SINKS; i++) {
        struct test_sink *s = &sink[i];
        test_sink_identity(s, &right);
        s->greeting = s->extensions = NULL;
        s->breaks_handshake = s->refuses_starttls = s->drops_at_mail = false;
        s->drops_at_end = s->closes_421 = s->greets_never = false;
        atomic_store(&s->greeting_waits, false);
        s->drops_after = 0;
        atomic_store(&s->connections, 0);
        atomic_store(&s->mails, 0);
        atomic_store(&s->messages, 0);
        atomic_store(&s->logins, 0);
    }
    results.n = results.delivered = 0;
    assert_int_equal(outbound_new(&world.o, &outbound), OK);
    return 0;
}

static int stale(void **state)
{
    outbound_free(outbound, 1000);
    outbound = NULL;
    return 0;
}

/* --- One message --- */

static const struct slice message = SLICE_INIT("Subject: x\r\n\r\nHello\r\n");

static struct relay_request request(const char *domain)
{
    static const struct relay_recipient one = {.address = SLICE_INIT("a@example.net")};
    return (struct relay_request){.id = 7,
                                  .domain = slice_str(domain),
                                  .port = port,
                                  .clear_allowed = true,
                                  .sender = SLICE("s@example.org"),
                                  .size = message.n,
                                  .recipient = &one,
                                  .n_recipients = 1};
}

static void relay(const struct relay_request *rq)
{
    static uint64_t ticket;
    autobuf bytes = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_request(rq, &bytes);
    assert_int_equal(buf_check(&bytes), OK);
    outbound_relay(outbound, ++ticket, buf_slice(&bytes), -1, message);
}

static struct relay_result send_it(const struct relay_request *rq, struct arena *a)
{
    struct relay_result r;
    unsigned before = answered();
    relay(rq);
    wait_for(before + 1);
    assert_int_equal(relay_read_result(a, buf_slice(&results.bytes), &r), OK);
    assert_int_equal(r.n_recipients, rq->n_recipients);
    return r;
}

enum quirk {
    FINE,
    WRONG_KEY,
    NO_STARTTLS,
    BROKEN_TLS,
    REFUSED_TLS,
    GREETS_5XX,
    GREETS_4XX,
    DROPS_AT_MAIL,
    DROPS_AT_END,
    CLOSES_421,
    HAS_REQUIRETLS,
};

static void behave(struct test_sink *s, enum quirk q)
{
    if (q == WRONG_KEY)
        test_sink_identity(s, &wrong);
    if (q == NO_STARTTLS)
        test_sink_identity(s, NULL);
    s->breaks_handshake = q == BROKEN_TLS;
    s->refuses_starttls = q == REFUSED_TLS;
    s->greeting = q == GREETS_5XX   ? "554 5.7.1 go away\r\n"
                  : q == GREETS_4XX ? "421 4.3.2 busy\r\n"
                                    : NULL;
    s->drops_at_mail = q == DROPS_AT_MAIL;
    s->drops_at_end = q == DROPS_AT_END;
    s->closes_421 = q == CLOSES_421;
    s->extensions = q == HAS_REQUIRETLS ? "250-REQUIRETLS\r\n" : NULL;
}

enum how { PLAINLY, ENCRYPTED_ONLY, REQUIRETLS, TLS_NO };

static const struct {
    const char *domain;
    enum quirk quirk[2];
    enum how how;
    enum relay_outcome outcome;
    enum problem problem;
    enum security security;
    unsigned messages[2];
    size_t n_tries;
    bool next_hop_failed;
} cases[] = {
    {"d.good.test", {FINE, FINE}, 0, RELAY_DELIVERED, 0, SECURITY_DANE, {1, 0}, 1, false},
    {"d.good.test", {WRONG_KEY, FINE}, 0, RELAY_DELIVERED, 0, SECURITY_DANE, {0, 1}, 2, false},
    {"d.good.test",
     {WRONG_KEY, WRONG_KEY},
     0,
     RELAY_TEMPORARY,
     PROBLEM_DANE_MISMATCH,
     SECURITY_ENCRYPTED,
     {0, 0},
     2,
     true},
    {"one.good.test",
     {NO_STARTTLS, FINE},
     0,
     RELAY_TEMPORARY,
     PROBLEM_NO_TLS,
     SECURITY_CLEAR,
     {0, 0},
     1,
     true},
    {"one.good.test",
     {WRONG_KEY, FINE},
     TLS_NO,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {1, 0},
     1,
     false},
    {"p.plain.test",
     {WRONG_KEY, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {1, 0},
     1,
     false},
    {"p.plain.test", {NO_STARTTLS, FINE}, 0, RELAY_DELIVERED, 0, SECURITY_CLEAR, {1, 0}, 1, false},
    {"p.plain.test",
     {NO_STARTTLS, FINE},
     ENCRYPTED_ONLY,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {0, 1},
     2,
     false},
    /* Offered and broken is not "has none": nothing goes in clear text. */
    {"one.plain.test",
     {BROKEN_TLS, FINE},
     0,
     RELAY_TEMPORARY,
     PROBLEM_LOST,
     SECURITY_NONE,
     {0, 0},
     1,
     true},
    {"p.plain.test",
     {BROKEN_TLS, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {0, 1},
     2,
     false},
    {"one.plain.test",
     {REFUSED_TLS, FINE},
     0,
     RELAY_TEMPORARY,
     PROBLEM_TLS_REFUSED,
     SECURITY_NONE,
     {0, 0},
     1,
     true},
    {"p.plain.test",
     {GREETS_5XX, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {0, 1},
     2,
     false},
    {"p.plain.test",
     {GREETS_5XX, GREETS_5XX},
     0,
     RELAY_PERMANENT,
     PROBLEM_REFUSED,
     SECURITY_NONE,
     {0, 0},
     2,
     false},
    {"p.plain.test",
     {GREETS_5XX, GREETS_4XX},
     0,
     RELAY_TEMPORARY,
     PROBLEM_REFUSED,
     SECURITY_NONE,
     {0, 0},
     2,
     true},
    {"p.plain.test",
     {DROPS_AT_MAIL, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {0, 1},
     2,
     false},
    {"p.plain.test",
     {CLOSES_421, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {0, 1},
     2,
     false},
    /* It may have arrived: nobody else is asked now. */
    {"p.plain.test",
     {DROPS_AT_END, FINE},
     0,
     RELAY_TEMPORARY,
     PROBLEM_LOST_AT_END,
     SECURITY_ENCRYPTED,
     {0, 0},
     1,
     false},
    {"reserve.plain.test",
     {FINE, FINE},
     0,
     RELAY_DELIVERED,
     0,
     SECURITY_ENCRYPTED,
     {1, 0},
     2,
     false},
    {"away.plain.test",
     {FINE, FINE},
     0,
     RELAY_TEMPORARY,
     PROBLEM_CONNECT,
     SECURITY_NONE,
     {0, 0},
     1,
     true},
    {"d.good.test",
     {FINE, HAS_REQUIRETLS},
     REQUIRETLS,
     RELAY_DELIVERED,
     0,
     SECURITY_DANE,
     {0, 1},
     2,
     false},
    {"d.good.test",
     {FINE, FINE},
     REQUIRETLS,
     RELAY_PERMANENT,
     PROBLEM_NO_REQUIRETLS,
     SECURITY_DANE,
     {0, 0},
     2,
     false},
    {"null.good.test", {FINE, FINE}, 0, RELAY_PERMANENT, PROBLEM_NULL_MX, 0, {0, 0}, 1, false},
    {"nothere.good.test", {FINE, FINE}, 0, RELAY_PERMANENT, PROBLEM_NO_DOMAIN, 0, {0, 0}, 1, false},
    {"badmx.good.test", {FINE, FINE}, 0, RELAY_TEMPORARY, PROBLEM_BOGUS, 0, {0, 0}, 1, true},
    {"[127.0.9.1]", {FINE, FINE}, 0, RELAY_DELIVERED, 0, SECURITY_ENCRYPTED, {1, 0}, 1, false},
};

static void outcomes(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        if (i) {
            stale(NULL);
            fresh(NULL);
        }
        print_message("%zu: %s\n", i, cases[i].domain);
        behave(&sink[0], cases[i].quirk[0]);
        behave(&sink[1], cases[i].quirk[1]);
        struct relay_request rq = request(cases[i].domain);
        rq.clear_allowed = cases[i].how != ENCRYPTED_ONLY;
        rq.require_tls = cases[i].how == REQUIRETLS;
        rq.tls_optional = cases[i].how == TLS_NO;
        struct relay_result r = send_it(&rq, &a);
        assert_string_equal(problem_word(r.recipient->problem), problem_word(cases[i].problem));
        assert_int_equal(r.recipient->outcome, cases[i].outcome);
        assert_int_equal(r.recipient->status[0], "425"[cases[i].outcome]);
        assert_string_equal(security_word(r.security), security_word(cases[i].security));
        assert_int_equal(atomic_load(&sink[0].messages), cases[i].messages[0]);
        assert_int_equal(atomic_load(&sink[1].messages), cases[i].messages[1]);
        assert_int_equal(r.n_tries, cases[i].n_tries);
        assert_int_equal(r.next_hop_failed, cases[i].next_hop_failed);
        if (r.recipient->outcome == RELAY_DELIVERED)
            assert_int_equal(r.tls_version.n > 0, r.security >= SECURITY_ENCRYPTED);
    }
}

/* Each recipient keeps what it was told; a "later" of one host is not carried to the next. */
static void recipients(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    static const struct relay_recipient list[] = {
        {.address = SLICE_INIT("a@x.example")},
        {.address = SLICE_INIT("refused@x.example")},
        {.address = SLICE_INIT("later@x.example")},
    };
    struct relay_request rq = request("p.plain.test");
    rq.recipient = list;
    rq.n_recipients = 3;
    struct relay_result r = send_it(&rq, &a);
    assert_int_equal(r.recipient[0].outcome, RELAY_DELIVERED);
    assert_int_equal(r.recipient[1].outcome, RELAY_PERMANENT);
    assert_string_equal(r.recipient[1].status, "5.1.1");
    assert_int_equal(r.recipient[2].outcome, RELAY_TEMPORARY);
    assert_int_equal(r.recipient[2].code, 450);
    assert_int_equal(atomic_load(&sink[1].connections), 0);
}

static void events_and_where_reports_go(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    behave(&sink[0], WRONG_KEY);
    struct relay_request rq = request("d.good.test");
    struct relay_result r = send_it(&rq, &a);
    assert_int_equal(r.n_events, 2);
    assert_int_equal(r.event[0].policy, TLSRPT_TLSA);
    assert_int_equal(r.event[0].result, TLSRPT_VALIDATION_FAILURE);
    assert_true(slice_starts(r.event[0].policy_text, SLICE("3 1 1 ")));
    assert_true(slice_eq(r.event[0].mx_host, SLICE("h1.good.test")));
    assert_int_equal(r.event[1].result, TLSRPT_SUCCESS);
    assert_true(!ip_is_public(r.event[1].peer) && !ip_is_public(r.event[1].source));
    assert_true(slice_eq(r.rua, SLICE("mailto:tls@d.good.test")));
    /* Over the kept connection: no session, so nothing to count. */
    r = send_it(&rq, &a);
    assert_int_equal(r.n_events, 0);
    assert_int_equal(r.rua.n, 0);
}

static void a_cached_policy(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct relay_request rq = request("one.plain.test");
    rq.sts.id = SLICE("1");
    rq.sts.policy = SLICE("version: STSv1\nmode: enforce\nmx: h1.plain.test\nmax_age: 86400\n");
    rq.sts.expires = clock_wall() + 1000;
    struct relay_result r = send_it(&rq, &a);
    assert_int_equal(r.recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(r.security, SECURITY_MTA_STS);
    assert_int_equal(r.event[0].policy, TLSRPT_STS);
    assert_false(r.sts_changed);
    stale(NULL);
    fresh(NULL);
    behave(&sink[0], WRONG_KEY);
    r = send_it(&rq, &a);
    assert_int_equal(r.recipient->outcome, RELAY_TEMPORARY);
    assert_int_equal(atomic_load(&sink[0].mails), 0);
    /* Expired, and not announced any more: gone, and `mail` hears it. */
    rq.sts.expires = clock_wall() - 1;
    r = send_it(&rq, &a);
    assert_int_equal(r.recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(r.security, SECURITY_ENCRYPTED);
    assert_true(r.sts_changed);
    assert_int_equal(r.sts.policy.n, 0);
}

static void passwords(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct relay_request rq = request("x.example");
    rq.host = SLICE("h1.plain.test");
    rq.login = SLICE("user");
    rq.password = SLICE("secret");
    struct relay_result r = send_it(&rq, &a);
    assert_int_equal(r.recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(r.security, SECURITY_PKIX);
    assert_int_equal(atomic_load(&sink[0].logins), 1);
    assert_int_equal(r.n_events, 0);
    stale(NULL);
    static const enum quirk quirks[] = {WRONG_KEY, NO_STARTTLS, BROKEN_TLS};
    for (size_t i = 0; i < sizeof quirks / sizeof *quirks; i++) {
        fresh(NULL);
        behave(&sink[0], quirks[i]);
        r = send_it(&rq, &a);
        assert_int_equal(r.recipient->outcome, RELAY_TEMPORARY);
        assert_int_equal(atomic_load(&sink[0].logins), 0);
        if (i + 1 < sizeof quirks / sizeof *quirks)
            stale(NULL);
    }
}

static void connections_are_kept(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct relay_request rq = request("p.plain.test");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(send_it(&rq, &a).recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(atomic_load(&sink[0].connections), 1);
    assert_int_equal(outbound_stats(outbound).kept, 1);
    /* Other demands: not over that one. */
    rq.clear_allowed = false;
    assert_int_equal(send_it(&rq, &a).recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(atomic_load(&sink[0].connections), 2);
    /* Died while MAIL was said: nothing was taken, so a new one, and no word of it. */
    behave(&sink[0], DROPS_AT_MAIL);
    sink[0].drops_after = 1;
    rq.mx_names = SLICE("another");
    assert_int_equal(send_it(&rq, &a).recipient->outcome, RELAY_DELIVERED);
    struct relay_result r = send_it(&rq, &a);
    assert_int_equal(r.recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(r.n_tries, 1);
    assert_int_equal(atomic_load(&sink[0].connections), 4);
}

static void malformed_requests_are_answered(void **state)
{
    outbound_relay(outbound, 99, SLICE("nonsense"), -1, message);
    wait_for(1);
    assert_int_equal(results.last, 99);
}

/* Another `mail` has come: what waits for the old one is not sent, what comes now is. */
static void a_new_mail(void **state)
{
    struct outbound_options o = world.o;
    autoarena a;
    arena_init(&a, 1 << 20);
    o.connections = 1;
    stale(NULL);
    assert_int_equal(outbound_new(&o, &outbound), OK);
    atomic_store(&sink[0].greeting_waits, true);
    struct relay_request rq = request("one.plain.test");
    for (unsigned i = 0; i < 5; i++)
        relay(&rq);
    while (atomic_load(&sink[0].connections) == 0)
        usleep(1000);
    outbound_forget(outbound);
    atomic_store(&sink[0].greeting_waits, false);
    wait_for(1); /* that had begun, and began no transaction */
    assert_int_equal(results.delivered, 0);
    assert_int_equal(send_it(&rq, &a).recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(atomic_load(&sink[0].mails), 1);
    assert_int_equal(results.n, 2);
    /* A third one asks for what the second was told last: it is told, nothing is sent again. */
    outbound_forget(outbound);
    struct relay_result again = send_it(&rq, &a);
    assert_int_equal(again.recipient->outcome, RELAY_DELIVERED);
    assert_true(again.host.n > 0);
    assert_int_equal(atomic_load(&sink[0].mails), 1);
    assert_int_equal(send_it(&rq, &a).recipient->outcome, RELAY_DELIVERED);
    assert_int_equal(atomic_load(&sink[0].mails), 2);
}

/* Who is stuck at a silent server when the end comes is answered, and what waits too. */
static void the_end(void **state)
{
    struct outbound_options o = world.o;
    o.connections = 2;
    stale(NULL);
    assert_int_equal(outbound_new(&o, &outbound), OK);
    sink[0].greets_never = true;
    struct relay_request rq = request("one.plain.test");
    for (unsigned i = 0; i < 5; i++)
        relay(&rq);
    usleep(300000);
    int64_t begun = clock_ms();
    outbound_free(outbound, 200);
    outbound = NULL;
    assert_true(clock_ms() - begun < ENOUGH_MS);
    assert_int_equal(results.n, 5);
    assert_int_equal(results.delivered, 0);
}

static void many(void **state)
{
    enum { MESSAGES = 5000 };
    struct outbound_options o = world.o;
    o.connections = 10;
    stale(NULL);
    assert_int_equal(outbound_new(&o, &outbound), OK);
    struct relay_request rq = request("d.good.test");
    int64_t begun = clock_us();
    for (unsigned i = 0; i < MESSAGES; i++) {
        while (i > answered() + 1000)
            usleep(1000);
        relay(&rq);
    }
    wait_for(MESSAGES);
    double s = (double)(clock_us() - begun) / 1e6;
    print_message("%u messages in %.2f s: %.0f/s over %u connections\n", MESSAGES, s, MESSAGES / s,
                  atomic_load(&sink[0].connections));
    assert_int_equal(results.delivered, MESSAGES);
    assert_int_equal(atomic_load(&sink[0].messages), MESSAGES);
    assert_true(atomic_load(&sink[0].connections) <= MESSAGES / LIMIT_CLIENT_TRANSACTIONS + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outcomes, fresh, stale),
        cmocka_unit_test_setup_teardown(recipients, fresh, stale),
        cmocka_unit_test_setup_teardown(events_and_where_reports_go, fresh, stale),
        cmocka_unit_test_setup_teardown(a_cached_policy, fresh, stale),
        cmocka_unit_test_setup_teardown(passwords, fresh, stale),
        cmocka_unit_test_setup_teardown(connections_are_kept, fresh, stale),
        cmocka_unit_test_setup_teardown(malformed_requests_are_answered, fresh, stale),
        cmocka_unit_test_setup_teardown(a_new_mail, fresh, stale),
        cmocka_unit_test_setup_teardown(many, fresh, stale),
        /* The last: it stops all connections of this process. */
        cmocka_unit_test_setup_teardown(the_end, fresh, stale),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
