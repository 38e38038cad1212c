/* Tests of what is remembered of destinations: demand, ratchet, lines, MTA-STS, tallies; over a
 * restart, and while another process changes it. */
#include "queue/memory.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/test_folder.h"
#include "queue/memory_private.h"
#include <poll.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

#define NOW 1795348800 /* 2026-11-22T12:00:00Z */
#define DAY (24 * 3600)
#define DOM SLICE("a.example")

static struct test_folder folder;
static struct arena arena;

static struct memory *open_memory(void)
{
    struct memory *m;
    assert_int_equal(memory_open(test_folder_file(&folder, "policy.db"), &m), OK);
    return m;
}

static int set_up(void **state)
{
    arena_init(&arena, 64 * 1024 * 1024);
    return test_folder_make(&folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    arena_free(&arena);
    return test_folder_remove(&folder) ? 0 : 1;
}

static void assert_slice(struct slice s, const char *want)
{
    if (!slice_eq(s, slice_str(want)))
        fail_msg("\"%.*s\", not \"%s\"", SLICE_FMT(s), want);
}

/* Changes the database behind the memory's back. */
static void damage(const char *statement)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(test_folder_file(&folder, "policy.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static struct memory_demand demand_at(struct memory *m, struct slice domain, bool clear_allowed,
                                      int64_t now)
{
    struct memory_demand d;
    struct providers *list;
    char why[256];
    struct slice text = SLICE("enc.example encrypt\n"
                              "ver.example verify *.mx.example\n"
                              "dane.example dane\n");
    assert_int_equal(providers_read(text, &list, why, sizeof why), OK);
    assert_int_equal(memory_demand(m, list, domain, clear_allowed, now, &arena, &d), OK);
    providers_free(list);
    return d;
}

/* --- Lines --- */

static void lines(void **state)
{
    struct memory *m = open_memory();
    struct memory_line *line;
    size_t n;
    assert_int_equal(memory_line_list(m, &arena, &line, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(
        memory_line_set(m, SLICE("B.Example"), DEMAND_VERIFY, SLICE("  *.MX.example   b.example ")),
        OK);
    assert_int_equal(memory_line_set(m, SLICE("m\xc3\xbcller.example"), DEMAND_NOTHING, SLICE_NONE),
                     OK);
    assert_int_equal(memory_line_set(m, DOM, DEMAND_ENCRYPT, SLICE_NONE), OK);
    assert_int_equal(memory_line_set(m, DOM, DEMAND_DANE, SLICE_NONE), OK);
    memory_close(m);
    m = open_memory();
    assert_int_equal(memory_line_list(m, &arena, &line, &n), OK);
    assert_int_equal(n, 3);
    assert_slice(line[0].domain, "a.example");
    assert_int_equal(line[0].demand, DEMAND_DANE);
    assert_slice(line[1].domain, "b.example");
    assert_slice(line[1].mx_names, "*.mx.example b.example");
    assert_slice(line[2].domain, "xn--mller-kva.example");
    assert_int_equal(line[2].demand, DEMAND_NOTHING);
    assert_int_equal(memory_line_remove(m, SLICE("A.example")), OK);
    assert_int_equal(memory_line_remove(m, DOM), ERR_NOTFOUND);
    assert_int_equal(memory_line_remove(m, SLICE("a b")), ERR_INPUT);
    memory_close(m);
}

static void bad_lines(void **state)
{
    struct memory *m = open_memory();
    assert_int_equal(memory_line_set(m, SLICE("[192.0.2.1]"), DEMAND_DANE, SLICE_NONE), ERR_INPUT);
    assert_int_equal(memory_line_set(m, SLICE(""), DEMAND_DANE, SLICE_NONE), ERR_INPUT);
    assert_int_equal(memory_line_set(m, DOM, DEMAND_COUNT, SLICE_NONE), ERR_INPUT);
    assert_int_equal(memory_line_set(m, DOM, DEMAND_VERIFY, SLICE("mx.*.example")), ERR_INPUT);
    assert_int_equal(memory_line_set(m, DOM, DEMAND_VERIFY, SLICE("*")), ERR_INPUT);
    memory_close(m);
}

/* --- Demand --- */

static void nothing_known(void **state)
{
    struct memory *m = open_memory();
    struct memory_demand d = demand_at(m, DOM, true, NOW);
    assert_int_equal(d.demand, DEMAND_NOTHING);
    assert_int_equal(d.source, SOURCE_NOBODY);
    d = demand_at(m, DOM, false, NOW);
    assert_int_equal(d.demand, DEMAND_ENCRYPT);
    assert_int_equal(d.source, SOURCE_SETTING);
    d = demand_at(m, SLICE("[192.0.2.1]"), true, NOW);
    assert_int_equal(d.demand, DEMAND_NOTHING);
    assert_int_equal(memory_demand(m, NULL, DOM, true, NOW, &arena, &d), OK);
    assert_int_equal(d.demand, DEMAND_NOTHING);
    memory_close(m);
}

/* line: DEMAND_COUNT for none. reached_ago: seconds. */
static const struct {
    struct slice domain;
    enum demand line;
    const char *line_names;
    enum security reached;
    int64_t reached_ago;
    bool clear_allowed;
    enum demand want;
    enum demand_source source;
    const char *names;
} demands[] = {
    /* The list alone, under the setting. */
    {SLICE_INIT("enc.example"), DEMAND_COUNT, "", SECURITY_NONE, 0, true, DEMAND_ENCRYPT,
     SOURCE_LIST, ""},
    {SLICE_INIT("enc.example"), DEMAND_COUNT, "", SECURITY_NONE, 0, false, DEMAND_ENCRYPT,
     SOURCE_LIST, ""},
    {SLICE_INIT("ver.example"), DEMAND_COUNT, "", SECURITY_NONE, 0, true, DEMAND_VERIFY,
     SOURCE_LIST, "*.mx.example"},
    {SLICE_INIT("dane.example"), DEMAND_COUNT, "", SECURITY_NONE, 0, true, DEMAND_DANE, SOURCE_LIST,
     ""},
    /* The operator's line takes its place, stricter or not. */
    {SLICE_INIT("dane.example"), DEMAND_ENCRYPT, "", SECURITY_NONE, 0, true, DEMAND_ENCRYPT,
     SOURCE_OPERATOR, ""},
    {SLICE_INIT("dane.example"), DEMAND_NOTHING, "", SECURITY_NONE, 0, true, DEMAND_NOTHING,
     SOURCE_OPERATOR, ""},
    {SLICE_INIT("dane.example"), DEMAND_NOTHING, "", SECURITY_NONE, 0, false, DEMAND_ENCRYPT,
     SOURCE_SETTING, ""},
    {SLICE_INIT("enc.example"), DEMAND_VERIFY, "mx.example", SECURITY_NONE, 0, true, DEMAND_VERIFY,
     SOURCE_OPERATOR, "mx.example"},
    {SLICE_INIT("none.example"), DEMAND_DANE, "", SECURITY_NONE, 0, true, DEMAND_DANE,
     SOURCE_OPERATOR, ""},
    /* The ratchet is stricter than the rest... */
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_DANE, 9999 * DAY, true, DEMAND_DANE,
     SOURCE_RATCHET, ""},
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_MTA_STS, 9999 * DAY, true,
     DEMAND_VERIFY, SOURCE_RATCHET, ""},
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_PKIX, 0, false, DEMAND_VERIFY,
     SOURCE_RATCHET, ""},
    {SLICE_INIT("ver.example"), DEMAND_COUNT, "", SECURITY_DANE, 0, true, DEMAND_DANE,
     SOURCE_RATCHET, ""},
    /* ... and lifting a line does not lift it; the list's names stay good for it. */
    {SLICE_INIT("ver.example"), DEMAND_NOTHING, "", SECURITY_PKIX, 0, true, DEMAND_VERIFY,
     SOURCE_RATCHET, "*.mx.example"},
    {SLICE_INIT("ver.example"), DEMAND_COUNT, "", SECURITY_PKIX, 0, true, DEMAND_VERIFY,
     SOURCE_LIST, "*.mx.example"},
    {SLICE_INIT("dane.example"), DEMAND_COUNT, "", SECURITY_PKIX, 0, true, DEMAND_DANE, SOURCE_LIST,
     ""},
    /* TLS is remembered for 30 days. */
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_ENCRYPTED,
     LIMIT_RATCHET_TLS_SECONDS - 1, true, DEMAND_ENCRYPT, SOURCE_RATCHET_TLS, ""},
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_ENCRYPTED, LIMIT_RATCHET_TLS_SECONDS,
     true, DEMAND_NOTHING, SOURCE_NOBODY, ""},
    {SLICE_INIT("none.example"), DEMAND_COUNT, "", SECURITY_CLEAR, 0, true, DEMAND_NOTHING,
     SOURCE_NOBODY, ""},
};

static void strictest(void **state)
{
    for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++) {
        struct memory *m = open_memory();
        struct slice domain = demands[i].domain;
        memory_reached(m, domain, demands[i].reached, NOW - demands[i].reached_ago);
        if (demands[i].line != DEMAND_COUNT)
            assert_int_equal(
                memory_line_set(m, domain, demands[i].line, slice_str(demands[i].line_names)), OK);
        struct memory_demand d = demand_at(m, domain, demands[i].clear_allowed, NOW);
        if (d.demand != demands[i].want || d.source != demands[i].source ||
            !slice_eq(d.mx_names, slice_str(demands[i].names)))
            fail_msg("row %zu: %s by %s, \"%.*s\"", i, demand_word(d.demand),
                     demand_source_word(d.source), SLICE_FMT(d.mx_names));
        memory_close(m);
        assert_true(test_folder_remove(&folder) && test_folder_make(&folder));
    }
}

/* --- The ratchet --- */

static int64_t commits(sqlite3 *db)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA data_version", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void assert_ratchet(struct memory *m, enum security best, int64_t best_at, int64_t tls_at)
{
    struct memory_ratchet r;
    memory_ratchet(m, DOM, &r);
    assert_int_equal(r.best, best);
    assert_int_equal(r.best_at, best_at);
    assert_int_equal(r.tls_at, tls_at);
}

static void ratchet(void **state)
{
    struct memory *m = open_memory();
    assert_ratchet(m, SECURITY_NONE, 0, 0);
    memory_reached(m, DOM, SECURITY_CLEAR, NOW);
    assert_ratchet(m, SECURITY_NONE, 0, 0);
    memory_reached(m, DOM, SECURITY_ENCRYPTED, NOW);
    assert_ratchet(m, SECURITY_NONE, 0, NOW);
    memory_reached(m, DOM, SECURITY_MTA_STS, NOW + 1);
    assert_ratchet(m, SECURITY_MTA_STS, NOW + 1, NOW + 1);
    memory_reached(m, DOM, SECURITY_DANE, NOW + 2);
    assert_ratchet(m, SECURITY_DANE, NOW + 2, NOW + 2);
    memory_reached(m, DOM, SECURITY_PKIX, NOW + 2 * DAY);
    assert_ratchet(m, SECURITY_DANE, NOW + 2, NOW + 2 * DAY);
    memory_reached(m, DOM, SECURITY_DANE, NOW + 4 * DAY);
    assert_ratchet(m, SECURITY_DANE, NOW + 4 * DAY, NOW + 4 * DAY);
    memory_close(m);
    m = open_memory();
    assert_ratchet(m, SECURITY_DANE, NOW + 4 * DAY, NOW + 4 * DAY);
    assert_int_equal(memory_allow_weaker(m, SLICE("A.EXAMPLE")), OK);
    assert_ratchet(m, SECURITY_NONE, 0, 0);
    assert_int_equal(memory_allow_weaker(m, DOM), ERR_NOTFOUND);
    memory_close(m);
}

static void writes_only_news(void **state)
{
    struct memory *m = open_memory();
    sqlite3 *db;
    assert_int_equal(sqlite3_open(test_folder_file(&folder, "policy.db"), &db), SQLITE_OK);
    memory_reached(m, DOM, SECURITY_DANE, NOW);
    int64_t before = commits(db);
    memory_reached(m, DOM, SECURITY_DANE, NOW + DAY - 1);
    memory_reached(m, DOM, SECURITY_PKIX, NOW + 5);
    memory_reached(m, DOM, SECURITY_ENCRYPTED, NOW - 5);
    assert_int_equal(commits(db), before);
    memory_reached(m, DOM, SECURITY_ENCRYPTED, NOW + DAY);
    assert_int_not_equal(commits(db), before);
    sqlite3_close(db);
    memory_close(m);
}

/* --- MTA-STS --- */

static void policies(void **state)
{
    struct memory *m = open_memory();
    struct relay_sts got, one = {SLICE_INIT("1"), SLICE_INIT("version: STSv1\n"), NOW + DAY};
    memory_sts(m, DOM, &arena, &got);
    assert_int_equal(got.policy.n, 0);
    memory_sts_set(m, DOM, &one);
    memory_sts(m, DOM, &arena, &got);
    assert_slice(got.id, "1");
    assert_slice(got.policy, "version: STSv1\n");
    assert_int_equal(got.expires, NOW + DAY);
    struct relay_sts two = {SLICE_NONE, SLICE_INIT("other"), NOW + 2 * DAY};
    memory_sts_set(m, DOM, &two);
    memory_close(m);
    m = open_memory();
    memory_sts(m, DOM, &arena, &got);
    assert_slice(got.id, "");
    assert_slice(got.policy, "other");
    memory_sts_set(m, DOM, &(struct relay_sts){0});
    memory_sts(m, DOM, &arena, &got);
    assert_int_equal(got.policy.n, 0);
    memory_close(m);
}

static void forgotten_in_time(void **state)
{
    struct memory *m = open_memory();
    struct relay_sts got, sts = {SLICE_INIT("1"), SLICE_INIT("text"), NOW};
    struct memory_ratchet r;
    memory_sts_set(m, DOM, &sts);
    memory_sts_set(m, SLICE("b.example"), &sts);
    memory_reached(m, DOM, SECURITY_ENCRYPTED, NOW - LIMIT_RATCHET_TLS_SECONDS);
    memory_reached(m, SLICE("b.example"), SECURITY_PKIX, NOW - LIMIT_RATCHET_TLS_SECONDS);
    memory_tend(m, NOW);
    memory_sts(m, DOM, &arena, &got);
    assert_slice(got.policy, "text");
    assert_ratchet(m, SECURITY_NONE, 0, NOW - LIMIT_RATCHET_TLS_SECONDS);
    memory_tend(m, NOW + 1);
    memory_sts(m, DOM, &arena, &got);
    assert_int_equal(got.policy.n, 0);
    assert_ratchet(m, SECURITY_NONE, 0, 0);
    memory_ratchet(m, SLICE("b.example"), &r);
    assert_int_equal(r.best, SECURITY_PKIX);
    memory_close(m);
}

/* --- The cache --- */

/* What was asked for once comes without the database; what was not, and cannot be had, is an
 * error, never "nothing is demanded". */
static void asks_the_database_once(void **state)
{
    struct memory *m = open_memory();
    struct memory_demand d;
    assert_int_equal(memory_line_set(m, DOM, DEMAND_DANE, SLICE_NONE), OK);
    poll(NULL, 0, 100); /* the watch has seen the change */
    assert_int_equal(demand_at(m, DOM, true, NOW).demand, DEMAND_DANE);
    damage("DROP TABLE line");
    poll(NULL, 0, 100);
    assert_int_equal(demand_at(m, DOM, true, NOW).demand, DEMAND_DANE);
    assert_int_not_equal(memory_demand(m, NULL, SLICE("b.example"), true, NOW, &arena, &d), OK);
    memory_close(m);
}

static void stays_bounded(void **state)
{
    struct memory *m = open_memory();
    autobuf policy = BUF_INIT(LIMIT_STS_POLICY);
    while (policy.n < LIMIT_STS_POLICY)
        buf_byte(&policy, 'x');
    struct relay_sts got, sts = {SLICE_INIT("1"), buf_slice(&policy), NOW};
    memory_sts_set(m, DOM, &sts);
    struct memory_ratchet r;
    for (int i = 0; i < LIMIT_MEMORY_DOMAINS + 100; i++) {
        memory_ratchet(m, arena_printf(&arena, "%d.example", i), &r);
        if (i % 64 == 0) {
            memory_sts(m, DOM, &arena, &got);
            assert_int_equal(got.policy.n, LIMIT_STS_POLICY);
        }
    }
    assert_int_equal(m->cache.n, LIMIT_MEMORY_DOMAINS);
    assert_true(m->cache.bytes <= LIMIT_MEMORY_BYTES);
    memory_close(m);
}

/* --- Another process --- */

static bool soon_demanded(struct memory *m, enum demand want)
{
    for (int64_t end = clock_ms() + 10000; clock_ms() < end; poll(NULL, 0, 1))
        if (demand_at(m, DOM, true, NOW).demand == want)
            return true;
    return false;
}

static void run_command(const char *what)
{
    int status;
    char path[128];
    snprintf(path, sizeof path, "%s", test_folder_file(&folder, "policy.db"));
    pid_t child = test_spawn_self(what, path);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* What this program does as that process. */
static int as_command(const char *what, const char *path)
{
    struct memory *m;
    if (memory_open(path, &m) != OK)
        return 1;
    enum error e = ERR_INPUT;
    if (strcmp(what, "set") == 0)
        e = memory_line_set(m, DOM, DEMAND_DANE, SLICE_NONE);
    else if (strcmp(what, "remove") == 0)
        e = memory_line_remove(m, DOM);
    else if (strcmp(what, "allow") == 0)
        e = memory_allow_weaker(m, DOM);
    memory_close(m);
    return e == OK ? 0 : 1;
}

static void commands(void **state)
{
    struct memory *m = open_memory();
    memory_reached(m, DOM, SECURITY_PKIX, NOW);
    assert_int_equal(demand_at(m, DOM, true, NOW).demand, DEMAND_VERIFY);
    run_command("set");
    assert_true(soon_demanded(m, DEMAND_DANE));
    run_command("remove");
    assert_true(soon_demanded(m, DEMAND_VERIFY));
    run_command("allow");
    assert_true(soon_demanded(m, DEMAND_NOTHING));
    memory_close(m);
}

/* --- Many threads --- */

enum { THREADS = 4, ROUNDS = 40 };

static void *use(void *arg)
{
    struct memory *m = arg;
    struct relay_tls_event e = {.policy = TLSRPT_NO_POLICY, .result = TLSRPT_SUCCESS};
    struct relay_sts got, sts = {SLICE_INIT("1"), SLICE_INIT("text"), NOW};
    struct memory_demand d;
    autoarena a;
    arena_init(&a, 1024 * 1024);
    for (int i = 0; i < ROUNDS; i++) {
        struct slice domain = arena_printf(&a, "%d.example", i % 8);
        memory_reached(m, domain, i % 3 ? SECURITY_ENCRYPTED : SECURITY_DANE, NOW + i);
        memory_sts_set(m, domain, &sts);
        memory_sts(m, domain, &a, &got);
        memory_tally(m, domain, SLICE("mailto:x@y.example"), NOW + 20 * i, &e, 1);
        if (memory_demand(m, NULL, domain, true, NOW, &a, &d) != OK || d.demand == DEMAND_NOTHING)
            return arg;
    }
    return NULL;
}

static void many_at_once(void **state)
{
    struct memory *m = open_memory();
    struct memory_tally *t;
    pthread_t thread[THREADS];
    size_t n;
    uint64_t sessions = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use, m), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(memory_line_set(m, DOM, i % 2 ? DEMAND_DANE : DEMAND_VERIFY, SLICE_NONE),
                         OK);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    for (int i = 0; i < 8; i++) {
        struct slice domain = arena_printf(&arena, "%d.example", i);
        assert_int_equal(memory_tallies(m, NOW - NOW % DAY, domain, &arena, &t, &n), OK);
        assert_int_equal(n, 1);
        sessions += t[0].sessions;
        assert_int_equal(demand_at(m, domain, true, NOW).demand, DEMAND_DANE);
    }
    assert_int_equal(sessions, THREADS * ROUNDS);
    assert_int_equal(demand_at(m, DOM, true, NOW).demand, DEMAND_DANE);
    memory_close(m);
}

/* --- Tallies --- */

static struct ip ip(const char *text)
{
    struct ip out;
    assert_int_equal(ip_parse(slice_str(text), &out), OK);
    return out;
}

static struct relay_tls_event event(enum tlsrpt_result result, const char *mx, const char *peer)
{
    return (struct relay_tls_event){.policy = TLSRPT_STS,
                                    .result = result,
                                    .policy_text = SLICE("version: STSv1\nmode: enforce"),
                                    .mx_host = slice_str(mx),
                                    .mx_pattern = SLICE("*.example"),
                                    .peer = ip(peer),
                                    .source = ip("192.0.2.9")};
}

#define RUA   SLICE("mailto:tls@a.example")
#define TODAY (NOW - NOW % DAY)

static void counted(void **state)
{
    struct memory *m = open_memory();
    struct relay_tls_event events[] = {
        event(TLSRPT_SUCCESS, "mx1.example", "192.0.2.1"),
        event(TLSRPT_SUCCESS, "mx2.example", "192.0.2.2"),
        event(TLSRPT_CERTIFICATE_EXPIRED, "mx1.example", "192.0.2.1")};
    struct memory_report *due;
    struct memory_tally *t;
    size_t n;
    memory_tally(m, DOM, RUA, NOW, events, 3);
    memory_tally(m, DOM, RUA, NOW + 1, events, 3);
    memory_tally(m, DOM, SLICE_NONE, NOW + 1, events, 3);
    memory_tally(m, SLICE("b.example"), RUA, TODAY + DAY, events, 1);
    assert_int_equal(memory_reports_due(m, TODAY + DAY - 1, 10, &arena, &due, &n), OK);
    assert_int_equal(n, 0);
    memory_close(m);
    m = open_memory();
    memory_tally(m, DOM, SLICE("mailto:other@a.example"), NOW, events, 1);
    assert_int_equal(memory_reports_due(m, TODAY + DAY, 10, &arena, &due, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(due[0].day, TODAY);
    assert_slice(due[0].domain, "a.example");
    assert_slice(due[0].rua, "mailto:other@a.example");
    assert_int_equal(memory_reports_due(m, TODAY + 2 * DAY, 10, &arena, &due, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(memory_reports_due(m, TODAY + 2 * DAY, 1, &arena, &due, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(memory_tallies(m, TODAY, DOM, &arena, &t, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(t[0].result, TLSRPT_SUCCESS);
    assert_int_equal(t[0].sessions, 5);
    assert_slice(t[0].mx_host, "");
    assert_slice(t[0].policy_text, "version: STSv1\nmode: enforce");
    assert_int_equal(t[1].result, TLSRPT_CERTIFICATE_EXPIRED);
    assert_int_equal(t[1].sessions, 2);
    assert_slice(t[1].mx_host, "mx1.example");
    assert_true(ip_eq(t[1].peer, ip("192.0.2.1")) && ip_eq(t[1].source, ip("192.0.2.9")));
    assert_int_equal(memory_reported(m, TODAY, DOM), OK);
    assert_int_equal(memory_tallies(m, TODAY, DOM, &arena, &t, &n), OK);
    assert_int_equal(n, 0);
    assert_int_equal(memory_reports_due(m, TODAY + 2 * DAY, 10, &arena, &due, &n), OK);
    assert_int_equal(n, 1);
    memory_tend(m, TODAY + DAY + LIMIT_TALLY_SECONDS + 1);
    assert_int_equal(memory_reports_due(m, TODAY + 90 * DAY, 10, &arena, &due, &n), OK);
    assert_int_equal(n, 0);
    memory_close(m);
}

/* A destination with ever new hosts does not fill the disk, and no session is lost. */
static void counts_have_a_limit(void **state)
{
    struct memory *m = open_memory();
    struct memory_tally *t;
    size_t n;
    uint64_t sessions = 0;
    int total = LIMIT_TALLY_WAITING + 2 * LIMIT_TALLY_ROWS;
    for (int i = 0; i < total; i++) {
        char host[64];
        snprintf(host, sizeof host, "mx%d.example", i);
        struct relay_tls_event e = event(TLSRPT_VALIDATION_FAILURE, host, "192.0.2.1");
        memory_tally(m, DOM, RUA, NOW, &e, 1);
    }
    assert_int_equal(memory_tallies(m, TODAY, DOM, &arena, &t, &n), OK);
    assert_int_equal(n, LIMIT_TALLY_ROWS + 1);
    for (size_t i = 0; i < n; i++)
        sessions += t[i].sessions;
    assert_int_equal(sessions, total);
    memory_close(m);
}

static void long_texts_are_cut(void **state)
{
    struct memory *m = open_memory();
    struct memory_tally *t;
    size_t n;
    autobuf policy = BUF_INIT(LIMIT_STS_POLICY);
    while (policy.n <= LIMIT_TALLY_TEXT)
        buf_lit(&policy, "mx: one.example\n");
    struct relay_tls_event e = event(TLSRPT_SUCCESS, "mx.example", "192.0.2.1");
    e.policy_text = buf_slice(&policy);
    memory_tally(m, DOM, RUA, NOW, &e, 1);
    assert_int_equal(memory_tallies(m, TODAY, DOM, &arena, &t, &n), OK);
    assert_int_equal(n, 1);
    assert_true(t[0].policy_text.n > 0 && t[0].policy_text.n <= LIMIT_TALLY_TEXT);
    assert_true(slice_ends(t[0].policy_text, SLICE("mx: one.example")));
    memory_close(m);
}

/* --- Care --- */

static void on_line(void *arg, const char *line)
{
    *(const char **)arg = strstr(line, "a.example");
}

static void checked(void **state)
{
    struct memory *m = open_memory();
    const char *found = NULL;
    unsigned bad = 9;
    assert_int_equal(memory_line_set(m, DOM, DEMAND_ENCRYPT, SLICE_NONE), OK);
    assert_int_equal(memory_check(m, on_line, &found, &bad), OK);
    assert_int_equal(bad, 0);
    damage("UPDATE line SET demand = 77; UPDATE word SET n = n + 1");
    assert_int_equal(memory_check(m, on_line, &found, &bad), OK);
    assert_int_equal(bad, 1);
    assert_non_null(found);
    assert_true(soon_demanded(m, DEMAND_DANE)); /* unknown is not less than all that is known */
    memory_close(m);
}

/* By a transport the same is demanded of its host; what was reached before was another server. */
static void by_a_transport(void **state)
{
    struct memory *m = open_memory();
    struct providers *list;
    char why[200];
    struct slice text = SLICE("dane.example dane\nenc.example encrypt\n");
    assert_int_equal(providers_read(text, &list, why, sizeof why), OK);
    memory_reached(m, SLICE("plain.example"), SECURITY_DANE, NOW);
    assert_int_equal(
        memory_line_set(m, SLICE("mine.example"), DEMAND_VERIFY, SLICE("*.mine.example")), OK);
    static const struct {
        const char *domain;
        bool login, clear;
        enum demand demand;
        enum demand_source source;
    } rows[] = {
        {"dane.example", false, true, DEMAND_VERIFY, SOURCE_LIST},
        {"enc.example", false, true, DEMAND_ENCRYPT, SOURCE_LIST},
        {"enc.example", true, true, DEMAND_VERIFY, SOURCE_TRANSPORT},
        {"mine.example", false, true, DEMAND_VERIFY, SOURCE_OPERATOR},
        {"plain.example", false, true, DEMAND_NOTHING, SOURCE_NOBODY},
        {"plain.example", false, false, DEMAND_ENCRYPT, SOURCE_SETTING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memory_demand d;
        const struct memory_way way = {SLICE("smart.example"), rows[i].login, rows[i].clear};
        assert_int_equal(memory_demand_via(m, list, slice_str(rows[i].domain), &way, &arena, &d),
                         OK);
        assert_int_equal(d.demand, rows[i].demand);
        assert_int_equal(d.source, rows[i].source);
        assert_slice(d.mx_names, d.demand == DEMAND_VERIFY ? "smart.example" : "");
    }
    providers_free(list);
    memory_close(m);
}

static void cannot_open(void **state)
{
    struct memory *m;
    assert_int_not_equal(memory_open(test_folder_file(&folder, "no/such/folder"), &m), OK);
    memory_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc == 3)
        return as_command(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(lines),
        TEST(bad_lines),
        TEST(nothing_known),
        TEST(strictest),
        TEST(ratchet),
        TEST(by_a_transport),
        TEST(writes_only_news),
        TEST(policies),
        TEST(forgotten_in_time),
        TEST(asks_the_database_once),
        TEST(stays_bounded),
        TEST(commands),
        TEST(many_at_once),
        TEST(counted),
        TEST(counts_have_a_limit),
        TEST(long_texts_are_cut),
        TEST(checked),
        TEST(cannot_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
