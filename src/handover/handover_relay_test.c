/* Tests of relays and health over a real pair: sizes, many at once, either side going away while
 * some are under way, and answers that are none. */
#include "base/limits.h"
#include "base/mem.h"
#include "handover/record.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum conduct {
    ANSWER,      /* as delivered, at once */
    ANSWER_LONG, /* with more than a record holds */
    KEEP,        /* the ticket, without an answer */
    WRONG_COUNT,
};

struct world {
    struct handover_client *client;
    struct handover_server *server;
    _Atomic enum conduct conduct;
    _Atomic unsigned relays, known, unknown, busy, healths, mistakes;
    _Atomic uint64_t bytes, ticket, sum, taken;
    _Atomic bool validates;
};

/* --- What edge does --- */

static size_t size_of_message(int memfd, struct slice small)
{
    struct slice mapped;
    if (memfd < 0)
        return small.n;
    assert_int_equal(ipc_memfd_map(memfd, LIMIT_HANDOVER_MESSAGE, &mapped), OK);
    ipc_unmap(mapped);
    close(memfd);
    return mapped.n;
}

static void answer(struct world *w, uint64_t ticket, size_t n)
{
    struct relay_outcome_of *o = mem_array(n, sizeof *o);
    struct relay_tls_event *e = mem_array(LIMIT_RELAY_EVENTS, sizeof *e);
    char *text = mem_alloc(LIMIT_RELAY_POLICY_TEXT);
    memset(text, 'x', LIMIT_RELAY_POLICY_TEXT);
    for (size_t i = 0; i < n; i++)
        o[i].outcome = RELAY_DELIVERED;
    for (size_t i = 0; i < LIMIT_RELAY_EVENTS; i++)
        e[i].policy_text = slice_of(text, LIMIT_RELAY_POLICY_TEXT);
    bool is_long = atomic_load(&w->conduct) == ANSWER_LONG;
    const struct relay_result r = {.recipient = o,
                                   .n_recipients = n,
                                   .event = e,
                                   .n_events = is_long ? LIMIT_RELAY_EVENTS : 0};
    handover_relayed(w->client, ticket, &r);
    mem_free(text);
    mem_free(o);
    mem_free(e);
}

static void on_relay(void *arg, uint64_t ticket, struct slice request, int memfd,
                     struct slice small)
{
    struct world *w = arg;
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_request rq;
    if (relay_read_request(&a, request, &rq) != OK)
        atomic_fetch_add(&w->mistakes, 1);
    atomic_fetch_add(&w->bytes, size_of_message(memfd, small));
    atomic_store(&w->ticket, ticket);
    enum conduct conduct = atomic_load(&w->conduct);
    if (conduct != KEEP)
        answer(w, ticket, rq.n_recipients + (conduct == WRONG_COUNT));
    atomic_fetch_add(&w->relays, 1);
}

/* --- What mail does --- */

/* A token is a number over 0 and is settled once: their sum shows it. */
static void relayed(void *arg, void *token, const struct relay_result *r)
{
    struct world *w = arg;
    atomic_fetch_add(&w->sum, (uintptr_t)token);
    if (!r)
        atomic_fetch_add(&w->unknown, 1);
    else if (r->recipient[0].problem == PROBLEM_BUSY)
        atomic_fetch_add(&w->busy, 1);
    else if (r->recipient[r->n_recipients - 1].outcome == RELAY_DELIVERED)
        atomic_fetch_add(&w->known, 1);
    else
        atomic_fetch_add(&w->mistakes, 1);
}

static void health(void *arg, bool validates, struct slice text)
{
    struct world *w = arg;
    if (!slice_eq(text, SLICE("root key is old")))
        atomic_fetch_add(&w->mistakes, 1);
    atomic_store(&w->validates, validates);
    atomic_fetch_add(&w->healths, 1);
}

static enum error relay(struct world *w, size_t message, size_t n, uintptr_t token)
{
    struct relay_recipient *to = mem_array(n, sizeof *to);
    char *bytes = mem_alloc(message), *orcpt = mem_alloc(LIMIT_SMTP_ORCPT);
    memset(bytes, 'x', message);
    memset(orcpt, 'o', LIMIT_SMTP_ORCPT);
    for (size_t i = 0; i < n; i++)
        to[i] = (struct relay_recipient){SLICE("a@b.example"),
                                         slice_of(orcpt, n > 10 ? LIMIT_SMTP_ORCPT : 0), 0};
    const struct relay_request rq = {
        .domain = SLICE("b.example"), .recipient = to, .n_recipients = n};
    enum error e = handover_relay(w->server, &rq, slice_of(bytes, message), (void *)token);
    mem_free(to);
    mem_free(bytes);
    mem_free(orcpt);
    return e;
}

/* --- The world --- */

static void connect_both(struct world *w, struct handover_duties duties)
{
    int fd[2];
    const struct handover_service service = {.relayed = relayed, .health = health, .arg = w};
    duties.arg = w;
    assert_int_equal(ipc_pair(fd), OK);
    if (!w->client)
        assert_int_equal(handover_client_new(fd[0], &duties, &w->client), OK);
    else
        handover_client_replace(w->client, fd[0]);
    if (!w->server)
        assert_int_equal(handover_server_new(fd[1], &service, &w->server), OK);
    else
        assert_int_equal(handover_server_replace(w->server, fd[1]), OK);
}

static const struct handover_duties all = {.relay = on_relay};

static int begin(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    connect_both(w, all);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    if (w->client)
        handover_client_free(w->client);
    if (w->server)
        assert_true(handover_server_free(w->server, 5000));
    assert_int_equal(atomic_load(&w->mistakes), 0);
    mem_free(w);
    return 0;
}

static void reaches(_Atomic unsigned *what, unsigned n)
{
    for (int i = 0; i < 10000 && atomic_load(what) < n; i++)
        usleep(1000);
    assert_int_equal(atomic_load(what), n);
}

/* --- Tests --- */

static const struct {
    size_t message, recipients;
} sizes[] = {
    {0, 1},
    {1, 2},
    {LIMIT_HANDOVER_SMALL, 1},
    {LIMIT_HANDOVER_SMALL + 1, 1}, /* a memfd */
    {LIMIT_HANDOVER_SMALL, 100},   /* small, but its request leaves it no room */
    {3000000, 100},
};

static void all_sizes(void **state)
{
    struct world *w = *state;
    uint64_t bytes = 0;
    unsigned n = 0;
    for (enum conduct c = ANSWER; c <= ANSWER_LONG; c++) {
        atomic_store(&w->conduct, c);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            assert_int_equal(relay(w, sizes[i].message, sizes[i].recipients, 1), OK);
            bytes += sizes[i].message;
            reaches(&w->known, ++n);
        }
    }
    assert_int_equal(atomic_load(&w->bytes), bytes);
    assert_int_equal(relay(w, 1, 0, 1), ERR_INPUT);
    assert_int_equal(relay(w, 1, LIMIT_RELAY_RECIPIENTS + 1, 1), ERR_INPUT);
}

/* A request that is longer than a record. */
static void a_long_request(void **state)
{
    struct world *w = *state;
    char *names = mem_alloc(LIMIT_STS_POLICY), *orcpt = mem_alloc(2 * LIMIT_SMTP_ORCPT);
    struct relay_recipient to[LIMIT_RELAY_RECIPIENTS];
    for (size_t i = 0; i < LIMIT_RELAY_RECIPIENTS; i++)
        to[i] = (struct relay_recipient){SLICE("a@b.example"),
                                         slice_of(orcpt, 2 * LIMIT_SMTP_ORCPT), 0};
    const struct relay_request rq = {.sts = {.policy = slice_of(names, LIMIT_STS_POLICY)},
                                     .recipient = to,
                                     .n_recipients = LIMIT_RELAY_RECIPIENTS};
    assert_int_equal(handover_relay(w->server, &rq, SLICE("message"), w), OK);
    reaches(&w->known, 1);
    assert_int_equal(atomic_load(&w->bytes), 7);
    mem_free(names);
    mem_free(orcpt);
}

static void no_duty(void **state)
{
    struct world *w = *state;
    handover_client_free(w->client);
    w->client = NULL;
    connect_both(w, (struct handover_duties){0});
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(relay(w, sizes[i].message, sizes[i].recipients, 1), OK);
    reaches(&w->busy, sizeof sizes / sizeof sizes[0]);
    assert_int_equal(atomic_load(&w->unknown), 0);
}

enum { SENDERS = 4, ROUNDS = 2000 };

static void *sender(void *arg)
{
    struct world *w = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        enum error e = relay(w, i % 50 == 0 ? 40000 : 500, 1, 1);
        if (e != OK)
            return arg;
    }
    return NULL;
}

static void many_at_once(void **state)
{
    struct world *w = *state;
    pthread_t t[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, sender, w), 0);
    for (int i = 0; i < SENDERS; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
    reaches(&w->known, SENDERS * ROUNDS);
    assert_int_equal(atomic_load(&w->unknown), 0);
}

static void open_tickets(struct world *w, unsigned n)
{
    atomic_store(&w->conduct, KEEP);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(relay(w, 10, 1, i + 1), OK);
    reaches(&w->relays, n);
}

/* Each open ticket was settled, and once. */
static void all_lost(struct world *w, unsigned n)
{
    reaches(&w->unknown, n);
    usleep(20000);
    assert_int_equal(atomic_load(&w->unknown), n);
    assert_int_equal(atomic_load(&w->sum), (uint64_t)n * (n + 1) / 2);
    assert_int_equal(atomic_load(&w->known), 0);
}

static void edge_dies(void **state)
{
    struct world *w = *state;
    open_tickets(w, 100);
    handover_client_free(w->client);
    w->client = NULL;
    all_lost(w, 100);
    assert_int_equal(relay(w, 10, 1, 1), ERR_CLOSED);
    /* Another edge takes over. */
    atomic_store(&w->conduct, ANSWER);
    connect_both(w, all);
    assert_int_equal(relay(w, 10, 1, 1), OK);
    reaches(&w->known, 1);
}

static void replaced(void **state)
{
    struct world *w = *state;
    open_tickets(w, 100);
    uint64_t old = atomic_load(&w->ticket);
    connect_both(w, all);
    all_lost(w, 100);
    answer(w, old, 1); /* nobody waits for it */
    assert_int_equal(relay(w, 10, 1, 1), OK);
    reaches(&w->relays, 101);
    answer(w, atomic_load(&w->ticket), 1);
    reaches(&w->known, 1);
}

static void mail_ends(void **state)
{
    struct world *w = *state;
    open_tickets(w, 100);
    assert_true(handover_server_free(w->server, 5000));
    w->server = NULL;
    assert_int_equal(atomic_load(&w->unknown), 100);
    assert_int_equal(atomic_load(&w->sum), 5050);
}

/* Answers that edge gave before it died still count. */
static void answered_before_death(void **state)
{
    struct world *w = *state;
    open_tickets(w, 1);
    answer(w, atomic_load(&w->ticket), 1);
    handover_client_free(w->client);
    w->client = NULL;
    reaches(&w->known, 1);
    assert_int_equal(atomic_load(&w->unknown), 0);
}

static void *dying_sender(void *arg)
{
    struct world *w = arg;
    for (;;) {
        enum error e = relay(w, 500, 1, 1);
        if (e == OK)
            atomic_fetch_add(&w->taken, 1);
        else if (e == ERR_CLOSED)
            return NULL;
        else if (e != ERR_AGAIN)
            return arg;
    }
}

/* In the middle of many: what was taken is settled once, what was not is not. */
static void edge_dies_under_load(void **state)
{
    struct world *w = *state;
    pthread_t t[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, dying_sender, w), 0);
    for (int i = 0; i < 5000 && atomic_load(&w->relays) < 200; i++)
        usleep(1000);
    handover_client_free(w->client);
    w->client = NULL;
    for (int i = 0; i < SENDERS; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
    uint64_t taken = atomic_load(&w->taken);
    for (int i = 0; i < 10000 && atomic_load(&w->sum) < taken; i++)
        usleep(1000);
    usleep(20000);
    assert_int_equal(atomic_load(&w->sum), taken);
    assert_int_equal(atomic_load(&w->known) + atomic_load(&w->unknown), taken);
}

static void too_many(void **state)
{
    struct world *w = *state;
    open_tickets(w, LIMIT_RELAY_WAITING);
    assert_int_equal(relay(w, 10, 1, 1), ERR_AGAIN);
    answer(w, atomic_load(&w->ticket), 1);
    reaches(&w->known, 1);
    assert_int_equal(relay(w, 10, 1, 1), OK);
}

static void wrong_count(void **state)
{
    struct world *w = *state;
    atomic_store(&w->conduct, WRONG_COUNT);
    assert_int_equal(relay(w, 10, 2, 1), OK);
    reaches(&w->unknown, 1);
    answer(w, atomic_load(&w->ticket), 2); /* too late */
    usleep(20000);
    assert_int_equal(atomic_load(&w->known), 0);
}

/* Whatever stands in for an edge sends: the ticket is settled when its number can be read. */
static void malformed_answers(void **state)
{
    struct world *w = *state;
    static const struct {
        enum record_type type;
        size_t n_fds;
        struct slice rest;
    } answers[] = {
        {RECORD_RELAYED, 0, SLICE_INIT("\0\0\0\0")},      /* empty: it could not read it */
        {RECORD_RELAYED, 0, SLICE_INIT("\0\0\0\5xxxxx")}, /* not a result */
        {RECORD_RELAYED, 0, SLICE_INIT("\0\0\0\5x")},     /* cut */
        {RECORD_RELAYED, 1, SLICE_INIT("\0\0\0\0")},      /* with a descriptor */
        {RECORD_RELAYED_LONG, 0, SLICE_INIT("")},         /* without */
        {RECORD_RELAYED_LONG, 1, SLICE_INIT("")},         /* that is not a memfd */
        {RECORD_RELAYED_LONG, 2, SLICE_INIT("")},
    };
    int fd[2];
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_replace(w->server, fd[1]), OK);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        uint8_t room[2000];
        struct ipc_record in;
        struct record r;
        assert_int_equal(relay(w, 10, 1, i + 1), OK);
        assert_int_equal(ipc_receive(fd[0], room, sizeof room, 5000, &in), OK);
        assert_int_equal(record_read(in.bytes, &r), OK);
        assert_int_equal(r.type, RECORD_RELAY_SMALL);
        autobuf b = BUF_INIT(100);
        buf_byte(&b, (uint8_t)answers[i].type);
        buf_u64(&b, r.id);
        buf_add(&b, answers[i].rest);
        assert_int_equal(ipc_send(fd[0], buf_slice(&b), fd, answers[i].n_fds, 1000), OK);
        reaches(&w->unknown, (unsigned)i + 1);
    }
    close(fd[0]);
}

/* And whatever stands in for mail: an answer comes when the number can be read. */
static void malformed_requests(void **state)
{
    struct world *w = *state;
    static const struct {
        enum record_type type;
        size_t n_fds;
        struct slice rest;
    } requests[] = {
        {RECORD_RELAY_SMALL, 0, SLICE_INIT("\0\0\0\1x")},
        {RECORD_RELAY_SMALL, 1, SLICE_INIT("\0\0\0\0\0\0\0\0")},
        {RECORD_RELAY, 0, SLICE_INIT("\0\0\0\0")},
        {RECORD_RELAY_LONG, 1, SLICE_INIT("")},
        {RECORD_RELAY_LONG, 2, SLICE_INIT("")}, /* not memfds */
    };
    int fd[2];
    assert_int_equal(ipc_pair(fd), OK);
    handover_client_replace(w->client, fd[0]);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        uint8_t room[2000];
        struct ipc_record in;
        struct record r;
        autobuf b = BUF_INIT(100);
        buf_byte(&b, (uint8_t)requests[i].type);
        buf_u64(&b, i + 1);
        buf_add(&b, requests[i].rest);
        assert_int_equal(ipc_send(fd[1], buf_slice(&b), fd, requests[i].n_fds, 1000), OK);
        assert_int_equal(ipc_receive(fd[1], room, sizeof room, 5000, &in), OK);
        assert_int_equal(record_read(in.bytes, &r), OK);
        assert_true(r.type == RECORD_RELAYED && r.id == i + 1 && r.result.n == 0);
    }
    assert_int_equal(atomic_load(&w->relays), 0);
    close(fd[1]);
}

struct order {
    char heard[8];
    _Atomic unsigned n;
};

static void on_ordered(void *arg, uint64_t ticket, struct slice request, int memfd,
                       struct slice small)
{
    struct order *o = arg;
    o->heard[o->n++] = (char)ticket;
}

static void on_renewed(void *arg)
{
    struct order *o = arg;
    o->heard[o->n++] = '!';
}

static void ask_at(int fd, char ticket)
{
    autobuf b = BUF_INIT(100);
    record_write_relay_small((uint64_t)ticket, SLICE("x"), SLICE("y"), &b);
    assert_int_equal(ipc_send(fd, buf_slice(&b), NULL, 0, 1000), OK);
}

/* What the former mail asked is heard before, and what the new one asks after it is known. */
static void another_mail_is_known(void **state)
{
    struct order o = {.n = 0};
    const struct handover_duties duties = {.relay = on_ordered, .renewed = on_renewed, .arg = &o};
    struct handover_client *c;
    int old[2], new[2];
    assert_int_equal(ipc_pair(old), OK);
    assert_int_equal(ipc_pair(new), OK);
    for (char t = 'a'; t < 'd'; t++)
        ask_at(old[1], t);
    ask_at(new[1], 'z');
    assert_int_equal(handover_client_new(old[0], &duties, &c), OK);
    handover_client_replace(c, new[0]);
    for (int i = 0; i < 5000 && (o.n == 0 || o.heard[o.n - 1] != 'z'); i++)
        usleep(1000);
    assert_true(o.n >= 2);
    assert_memory_equal(o.heard + o.n - 2, "!z", 2);
    for (unsigned i = 0; i + 2 < o.n; i++)
        assert_int_equal(o.heard[i], 'a' + i);
    handover_client_free(c);
    close(old[1]);
    close(new[1]);
}

static void health_is_told(void **state)
{
    struct world *w = *state;
    handover_health(w->client, true, SLICE("root key is old"));
    reaches(&w->healths, 1);
    assert_true(atomic_load(&w->validates));
    handover_health(w->client, false, SLICE("root key is old"));
    reaches(&w->healths, 2);
    assert_false(atomic_load(&w->validates));
    /* While nobody listens; and to who comes then. */
    handover_server_free(w->server, 5000);
    w->server = NULL;
    for (int i = 0; i < 5000 && handover_client_alive(w->client); i++)
        usleep(1000);
    handover_health(w->client, true, SLICE("root key is old"));
    connect_both(w, all);
    reaches(&w->healths, 3);
    assert_true(atomic_load(&w->validates));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_sizes),
        TEST(a_long_request),
        TEST(no_duty),
        TEST(many_at_once),
        TEST(edge_dies),
        TEST(replaced),
        TEST(mail_ends),
        TEST(answered_before_death),
        TEST(edge_dies_under_load),
        TEST(too_many),
        TEST(wrong_count),
        TEST(malformed_answers),
        TEST(malformed_requests),
        TEST(another_mail_is_known),
        TEST(health_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
