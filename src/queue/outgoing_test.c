/* The running queue, over a real store and memory, with a stand-in for edge that answers from
 * threads of its own. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/queue.h"
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- Edge's stand-in --- */

#define SENDS   20000
#define THREADS 2

struct send {
    void *token;
    char domain[80];
    size_t n;
    bool answered;
};

struct world {
    char dir[64];
    struct store *store;
    struct memory *memory;
    struct queue *q;
    struct queue_options o;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct send send[SENDS];
    size_t n_sends, n_taken;
    struct relay_request last; /* without its slices, but these */
    char last_address[100], last_host[100], last_domain[100];
    enum error refuse;     /* what send() answers */
    bool ending, hold_all; /* nothing is answered meanwhile */
    bool dead_lives;       /* dead.example is well again */
    pthread_t thread[THREADS];
    /* notices */
    size_t told[3], told_recipients;
    enum problem told_problem;
    bool told_raw;
    enum error tell_error;
};

static void answer(struct world *w, const struct send *s)
{
    struct relay_outcome_of of[LIMIT_RELAY_RECIPIENTS];
    struct relay_outcome_of one = {.outcome = RELAY_DELIVERED, .status = "2.0.0", .code = 250};
    struct relay_result r = {.n_recipients = s->n,
                             .recipient = of,
                             .host = SLICE("mx.example.net"),
                             .security = SECURITY_DANE};
    struct slice d = slice_str(s->domain);
    if (slice_starts(d, SLICE("no.")))
        one = (struct relay_outcome_of){RELAY_PERMANENT, PROBLEM_REFUSED, 550, "5.1.1",
                                        SLICE("nobody here")};
    if (slice_starts(d, SLICE("later.")))
        one = (struct relay_outcome_of){RELAY_TEMPORARY, PROBLEM_REFUSED, 450, "4.2.0",
                                        SLICE("later")};
    if (slice_starts(d, SLICE("dead.")) && !w->dead_lives) {
        one = (struct relay_outcome_of){RELAY_TEMPORARY, PROBLEM_TIMEOUT, 0, "4.4.1", SLICE_NONE};
        r.next_hop_failed = true;
        r.security = SECURITY_NONE;
    }
    for (size_t i = 0; i < s->n; i++)
        of[i] = one;
    queue_relayed(w->q, s->token, slice_starts(d, SLICE("silent.")) ? NULL : &r);
}

static void *answer_main(void *arg)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        if (w->hold_all || w->n_taken == w->n_sends) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        struct send s = w->send[w->n_taken];
        w->send[w->n_taken++].answered = true;
        pthread_mutex_unlock(&w->lock);
        answer(w, &s);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void copy(char *to, size_t size, struct slice s)
{
    snprintf(to, size, "%.*s", SLICE_FMT(s));
}

static enum error fake_send(void *arg, const struct relay_request *rq, struct slice raw,
                            void *token)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    enum error e = w->refuse;
    if (e == OK && (raw.n == 0 || w->n_sends == SENDS))
        e = ERR_AGAIN;
    if (e == OK) {
        struct send *s = &w->send[w->n_sends++];
        *s = (struct send){.token = token, .n = rq->n_recipients};
        copy(s->domain, sizeof s->domain, rq->domain);
        w->last = *rq;
        copy(w->last_address, sizeof w->last_address, rq->recipient[0].address);
        copy(w->last_host, sizeof w->last_host, rq->host);
        copy(w->last_domain, sizeof w->last_domain, rq->domain);
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

static enum error fake_tell(void *arg, const struct queue_notice *n)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    enum error e = w->tell_error;
    if (e == OK) {
        w->told[n->kind]++;
        w->told_recipients += n->n_recipients;
        w->told_problem = n->recipient[0].outcome.problem;
        w->told_raw = n->raw.n > 0;
    }
    pthread_mutex_unlock(&w->lock);
    return e;
}

/* --- The world --- */

static void open_world(struct world *w)
{
    char path[100];
    struct store_options so = {.dir = w->dir, .shards = 2};
    assert_int_equal(store_open(&so, &w->store), OK);
    snprintf(path, sizeof path, "%s/policy.db", w->dir);
    assert_int_equal(memory_open(path, &w->memory), OK);
    w->o.store = w->store;
    w->o.memory = w->memory;
    w->o.clear_allowed = true;
    w->o.send = fake_send;
    w->o.tell = fake_tell;
    w->o.arg = w;
    w->ending = false;
    w->n_sends = w->n_taken = 0;
    assert_int_equal(queue_new(&w->o, &w->q), OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&w->thread[i], NULL, answer_main, w), 0);
    assert_int_equal(queue_run(w->q), OK);
}

static void close_world(struct world *w, int grace_ms)
{
    pthread_mutex_lock(&w->lock);
    w->ending = grace_ms == 0;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (grace_ms > 0)
        queue_free(w->q, grace_ms);
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(w->thread[i], NULL);
    if (grace_ms == 0)
        queue_free(w->q, 0);
    memory_close(w->memory);
    store_close(w->store);
}

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/depesche-queue-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    open_world(w);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    close_world(w, 5000);
    nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(w);
    return 0;
}

struct letter_of {
    const char *sender;
    const char *to[4];
    uint8_t notify;
    int64_t age;
};

static void submit_recipients(struct world *w, const char *sender, struct queue_recipient *r,
                              size_t n, int64_t age)
{
    struct queue_entry q = {
        .account = 7, .sender = slice_str(sender), .recipients = r, .n_recipients = n};
    struct store_delivery d = {.raw = SLICE("Subject: s\r\n\r\nt\r\n"),
                               .summary = {.envelope = SLICE("()")},
                               .received = clock_wall() - age,
                               .queue = &q,
                               .n_queue = 1};
    assert_int_equal(store_deliver(w->store, &d), OK);
}

static void submit(struct world *w, struct letter_of l)
{
    struct queue_recipient r[4];
    size_t n = 0;
    for (; n < 4 && l.to[n] != NULL; n++)
        r[n] = (struct queue_recipient){.number = (uint32_t)n,
                                        .address = slice_str(l.to[n]),
                                        .notify = l.notify,
                                        .next_attempt = clock_wall() - l.age};
    submit_recipients(w, l.sender, r, n, l.age);
}

struct tally {
    size_t n[QUEUE_CANCELLED + 1];
    uint64_t last_entry;
    uint32_t attempts;
    int64_t next;
};

static bool count(void *arg, const struct queue_entry *e)
{
    struct tally *t = arg;
    for (size_t i = 0; i < e->n_recipients; i++) {
        t->n[e->recipients[i].state]++;
        t->attempts = e->recipients[i].attempts;
        t->next = e->recipients[i].next_attempt;
    }
    t->last_entry = e->id;
    return true;
}

static struct tally tally(struct world *w)
{
    struct tally t = {0};
    assert_int_equal(store_queue_list(w->store, 0, count, &t), OK);
    return t;
}

/* Waits until so many recipients are in that state. */
static void expect(struct world *w, enum queue_state s, size_t n)
{
    struct tally t = {0};
    for (int i = 0; i < 1000; i++) {
        t = tally(w);
        if (t.n[s] == n)
            return;
        usleep(10000);
    }
    fail_msg("state %d: %zu wanted, %zu found", (int)s, n, t.n[s]);
}

static void expect_sends(struct world *w, size_t n)
{
    size_t have = 0;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&w->lock);
        have = w->n_sends;
        pthread_mutex_unlock(&w->lock);
        if (have >= n)
            break;
        usleep(10000);
    }
    assert_int_equal(have, n);
}

/* Nothing is under way, and nothing is due. */
static void expect_calm(struct world *w)
{
    for (int i = 0; i < 1000; i++) {
        struct queue_stats s = queue_stats(w->q);
        if (s.under_way == 0 && s.due == 0)
            return;
        usleep(10000);
    }
    fail_msg("%s", "the queue does not come to rest");
}

static void set_hold(struct world *w, bool hold)
{
    pthread_mutex_lock(&w->lock);
    w->hold_all = hold;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static size_t told(struct world *w, enum queue_notice_kind kind)
{
    pthread_mutex_lock(&w->lock);
    size_t n = w->told[kind];
    pthread_mutex_unlock(&w->lock);
    return n;
}

/* --- Tests --- */

static void delivers(void **state)
{
    struct world *w = *state;
    submit(w,
           (struct letter_of){"a@example.org", {"x@ok.example", "y@OK.example", "z@ok2.example"}});
    usleep(50000);
    assert_int_equal(queue_stats(w->q).under_way, 0); /* edge is not there */
    assert_int_equal(queue_stats(w->q).recipients, 3);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 3);
    expect_sends(w, 2); /* one a destination */
    struct memory_ratchet m;
    expect_calm(w);
    memory_ratchet(w->memory, SLICE("ok.example"), &m);
    assert_int_equal(m.best, SECURITY_DANE);
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, tally(w).last_entry, &b), ERR_NOTFOUND);
    queue_edge(w->q, false);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    usleep(50000);
    expect_sends(w, 2);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 4);
    assert_int_equal(w->told_recipients, 0);
}

static void returns_and_tells(void **state)
{
    struct world *w = *state;
    queue_edge(w->q, true);
    submit(w,
           (struct letter_of){"a@example.org", {"x@no.example", "y@no.example", "z@ok.example"}});
    expect(w, QUEUE_RETURNED, 2);
    expect(w, QUEUE_DELIVERED, 1);
    assert_int_equal(told(w, NOTICE_FAILED), 1);
    assert_true(w->told_raw);
    submit(w, (struct letter_of){"", {"x@no.example"}});
    submit(w, (struct letter_of){"a@example.org", {"x@no.example"}, .notify = 1});
    expect(w, QUEUE_RETURNED, 4);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}, .notify = 2});
    expect(w, QUEUE_DELIVERED, 2);
    assert_int_equal(told(w, NOTICE_FAILED), 1);
    assert_int_equal(told(w, NOTICE_RELAYED), 1);
    /* Late, and too old. */
    submit(w, (struct letter_of){"a@example.org", {"x@later.example"}, .age = 5 * 3600});
    for (int i = 0; i < 1000 && told(w, NOTICE_DELAYED) == 0; i++)
        usleep(10000);
    assert_int_equal(told(w, NOTICE_DELAYED), 1);
    submit(w, (struct letter_of){"a@example.org", {"x@later.example"}, .age = 6 * 86400});
    expect(w, QUEUE_RETURNED, 5);
    assert_int_equal(w->told_problem, PROBLEM_EXPIRED);
}

/* Nothing is finished before its notice is delivered, and nothing sent again for that. */
static void tells_first(void **state)
{
    struct world *w = *state;
    w->tell_error = ERR_FULL;
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org", {"x@no.example"}});
    expect_sends(w, 1);
    usleep(300000);
    assert_int_equal(tally(w).n[QUEUE_WAITING], 1);
    pthread_mutex_lock(&w->lock);
    w->tell_error = OK;
    pthread_mutex_unlock(&w->lock);
    expect(w, QUEUE_RETURNED, 1);
    assert_int_equal(told(w, NOTICE_FAILED), 1);
    expect_sends(w, 1);
}

static void defers(void **state)
{
    struct world *w = *state;
    int64_t now = clock_wall();
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org", {"x@later.example"}});
    expect_sends(w, 1);
    expect_calm(w);
    struct tally t = tally(w);
    assert_int_equal(t.n[QUEUE_WAITING], 1);
    assert_int_equal(t.attempts, 1);
    assert_true(t.next >= now + 270 && t.next <= now + 345);
    /* Over a restart. */
    close_world(w, 1000);
    open_world(w);
    queue_edge(w->q, true);
    usleep(100000);
    expect_sends(w, 0);
    assert_int_equal(queue_stats(w->q).recipients, 1);
    /* Nothing known: soon. */
    submit(w, (struct letter_of){"a@example.org", {"x@silent.example"}});
    expect_sends(w, 1);
    expect_calm(w);
    t = tally(w);
    assert_true(t.next <= clock_wall() + LIMIT_QUEUE_SOON_SECONDS);
}

static void recovers(void **state)
{
    struct world *w = *state;
    size_t n = 0;
    queue_edge(w->q, true);
    for (int i = 0; i < 10; i++)
        submit(w, (struct letter_of){"a@example.org", {"x@dead.example"}});
    for (int i = 0; i < 1000 && queue_stats(w->q).failing == 0; i++)
        usleep(10000);
    usleep(100000); /* what was under way beside the first */
    assert_int_equal(queue_stats(w->q).failing, 1);
    assert_int_equal(queue_stats(w->q).under_way, 0);
    pthread_mutex_lock(&w->lock);
    assert_true(w->n_sends <= 10);
    w->dead_lives = true;
    pthread_mutex_unlock(&w->lock);
    /* One that is let through brings all on their way. */
    struct queue_selector s = {.entry = tally(w).last_entry};
    assert_int_equal(queue_do(w->q, QUEUE_RETRY, &s, &n), OK);
    assert_int_equal(n, 1);
    expect(w, QUEUE_DELIVERED, 10);
    expect_calm(w);
    assert_int_equal(queue_stats(w->q).failing, 0);
}

static void many_recipients(void **state)
{
    struct world *w = *state;
    enum { N = 250 };
    struct queue_recipient r[N];
    char text[N][40];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "x%u@ok.example", i);
        r[i] = (struct queue_recipient){.number = i, .address = slice_str(text[i])};
    }
    queue_edge(w->q, true);
    submit_recipients(w, "a@example.org", r, N, 0);
    expect(w, QUEUE_DELIVERED, N);
    expect_sends(w, 3);
}

static void operator(void **state)
{
    struct world *w = *state;
    size_t n = 0;
    struct queue_selector none = {0}, all = {.all = true},
                          held = {.recipient = SLICE("y@ok.example")},
                          gone = {.destination = SLICE("nowhere.example")},
                          ok = {.destination = SLICE("OK.example")};
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &none, &n), ERR_INPUT);
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &all, &n), ERR_NOTFOUND);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example", "y@ok.example", "z@b.example"}});
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &gone, &n), ERR_NOTFOUND);
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &held, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(queue_stats(w->q).held, 1);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 2);
    assert_int_equal(tally(w).n[QUEUE_HELD], 1);
    assert_int_equal(queue_do(w->q, QUEUE_RELEASE, &all, &n), OK);
    assert_int_equal(n, 1);
    expect(w, QUEUE_DELIVERED, 3);
    queue_edge(w->q, false);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example", "z@b.example"}});
    assert_int_equal(queue_do(w->q, QUEUE_CANCEL, &ok, &n), OK);
    assert_int_equal(n, 1);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 4);
    assert_int_equal(tally(w).n[QUEUE_CANCELLED], 1);
    assert_int_equal(queue_stats(w->q).entries, 0);
    assert_int_equal(w->told[NOTICE_FAILED], 0);
}

/* What is said of a letter under way comes true with its result. */
static void operator_under_way(void **state)
{
    struct world *w = *state;
    size_t n = 0;
    struct queue_selector all = {.all = true}, later = {.destination = SLICE("later.example")},
                          ok = {.destination = SLICE("ok.example")},
                          hold = {.destination = SLICE("later.hold.example")},
                          freed = {.destination = SLICE("later.free.example")};
    set_hold(w, true);
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org",
                                 {"x@later.example", "y@ok.example", "z@later.hold.example",
                                  "f@later.free.example"}});
    expect_sends(w, 4);
    assert_int_equal(queue_do(w->q, QUEUE_CANCEL, &later, &n), OK);
    assert_int_equal(queue_do(w->q, QUEUE_CANCEL, &ok, &n), OK);
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &hold, &n), OK);
    assert_int_equal(queue_do(w->q, QUEUE_HOLD, &freed, &n), OK);
    assert_int_equal(tally(w).n[QUEUE_HELD], 4); /* whatever happens now: not sent again */
    assert_int_equal(queue_do(w->q, QUEUE_RELEASE, &freed, &n), OK);
    set_hold(w, false);
    expect(w, QUEUE_DELIVERED, 1);
    expect(w, QUEUE_CANCELLED, 1);
    expect_calm(w);
    assert_int_equal(tally(w).n[QUEUE_HELD], 1);
    assert_int_equal(tally(w).n[QUEUE_WAITING], 1);
    expect_sends(w, 4);
    assert_int_equal(queue_do(w->q, QUEUE_CANCEL, &all, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(queue_stats(w->q).entries, 0);
}

static void broken(void **state)
{
    struct world *w = *state;
    size_t n = 0;
    queue_edge(w->q, true);
    submit(w,
           (struct letter_of){"a@example.org", {"no-domain", "x@ok.example", "x@-bad-.example"}});
    expect(w, QUEUE_DELIVERED, 1);
    expect(w, QUEUE_BROKEN, 2);
    assert_int_equal(queue_stats(w->q).broken, 2);
    struct queue_selector all = {.all = true};
    assert_int_equal(queue_do(w->q, QUEUE_RETRY, &all, &n), OK);
    assert_int_equal(n, 2);
    expect(w, QUEUE_BROKEN, 2);
    /* What edge's channel cannot take is set aside, and does not block others. */
    expect_calm(w);
    w->refuse = ERR_LIMIT;
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    expect(w, QUEUE_BROKEN, 3);
    pthread_mutex_lock(&w->lock);
    w->refuse = OK;
    pthread_mutex_unlock(&w->lock);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    expect(w, QUEUE_DELIVERED, 2);
    assert_int_equal(queue_do(w->q, QUEUE_CANCEL, &all, &n), OK);
    assert_int_equal(n, 3);
    assert_int_equal(w->told_recipients, 0);
}

static void edge_refuses(void **state)
{
    struct world *w = *state;
    w->refuse = ERR_CLOSED;
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    usleep(100000);
    assert_int_equal(tally(w).n[QUEUE_WAITING], 1);
    pthread_mutex_lock(&w->lock);
    w->refuse = OK;
    pthread_mutex_unlock(&w->lock);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 1);
    assert_int_equal(tally(w).attempts, 1);
}

/* What had no turn, because the destination fails, is told of and returned in its time. */
static void no_turn(void **state)
{
    struct world *w = *state;
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}, .age = 5 * 3600});
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}, .age = 6 * 86400});
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    queue_tend(w->q);
    assert_int_equal(told(w, NOTICE_DELAYED), 1);
    assert_int_equal(told(w, NOTICE_FAILED), 1);
    struct tally t = tally(w);
    assert_int_equal(t.n[QUEUE_RETURNED], 1);
    assert_int_equal(t.n[QUEUE_WAITING], 2);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, 2);
}

static void forgets(void **state)
{
    struct world *w = *state;
    close_world(w, 1000);
    w->o.keep_results = 1;
    open_world(w);
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    expect(w, QUEUE_DELIVERED, 1);
    queue_tend(w->q);
    expect(w, QUEUE_DELIVERED, 1);
    usleep(2100000);
    queue_tend(w->q);
    expect(w, QUEUE_DELIVERED, 0);
}

/* The process ends while letters are at edge: they are there at the next start. */
static void ends_under_way(void **state)
{
    struct world *w = *state;
    set_hold(w, true);
    queue_edge(w->q, true);
    for (int i = 0; i < LIMIT_QUEUE_UNTRIED; i++)
        submit(w, (struct letter_of){"a@example.org", {"x@ok.example"}});
    expect_sends(w, LIMIT_QUEUE_UNTRIED);
    close_world(w, 0);
    w->hold_all = false;
    open_world(w);
    queue_edge(w->q, true);
    expect(w, QUEUE_DELIVERED, LIMIT_QUEUE_UNTRIED);
}

static void transports(void **state)
{
    struct world *w = *state;
    static const struct queue_transport list[] = {
        {"inside.example", "hub.example", 2525, "", ""},
        {"", "smart.example", 587, "me", "secret"},
    };
    close_world(w, 1000);
    w->o.transports = list;
    w->o.n_transports = 2;
    open_world(w);
    queue_edge(w->q, true);
    submit(w, (struct letter_of){"a@example.org", {"x@inside.example"}});
    expect(w, QUEUE_DELIVERED, 1);
    assert_string_equal(w->last_host, "hub.example");
    assert_int_equal(w->last.port, 2525);
    assert_int_equal(w->last.demand, DEMAND_NOTHING);
    submit(w, (struct letter_of){"a@example.org", {"x@ok.example", "y@other.example"}});
    expect(w, QUEUE_DELIVERED, 3);
    expect_sends(w, 2); /* together, whatever their domains */
    assert_string_equal(w->last_host, "smart.example");
    assert_int_equal(w->last.demand, DEMAND_VERIFY);
    assert_int_equal(w->last.source, SOURCE_TRANSPORT);
    struct memory_ratchet m;
    expect_calm(w);
    memory_ratchet(w->memory, SLICE("ok.example"), &m);
    assert_int_equal(m.best, SECURITY_NONE);
    w->o.transports = NULL;
    w->o.n_transports = 0;
}

/* --- Everything at once --- */

enum { STORM_SECONDS = 2, STORM_LETTERS = 1500 };

static void *storm_submit(void *arg)
{
    static const char *const to[] = {"x@ok.example",   "x@ok2.example",    "x@no.example",
                                     "x@dead.example", "x@silent.example", "x@later.example"};
    for (int i = 0; i < STORM_LETTERS; i++)
        submit(arg, (struct letter_of){i % 3 ? "a@example.org" : "b@example.org",
                                       {to[i % 6], to[(i + 1) % 6], to[(i * 7 + 3) % 6]}});
    return NULL;
}

static void *storm_operate(void *arg)
{
    struct world *w = arg;
    int64_t end = clock_ms() + STORM_SECONDS * 1000;
    for (unsigned i = 0; clock_ms() < end; i++) {
        struct queue_selector s = {.all = true};
        size_t n = 0;
        if (i % 5 == 1)
            s.destination = SLICE("later.example");
        else if (i % 5 == 2)
            s.recipient = SLICE("x@ok.example");
        else if (i % 5 == 3)
            s.entry = tally(w).last_entry;
        enum queue_action action = i % 7 == 6 ? QUEUE_CANCEL : (enum queue_action)(i % 3);
        if (i % 7 == 6 && s.entry == 0)
            continue;
        enum error e = queue_do(w->q, action, &s, &n);
        assert_true(e == OK || e == ERR_NOTFOUND);
        queue_edge(w->q, i % 4 != 0);
        queue_tend(w->q);
    }
    return NULL;
}

/* Whatever happens at the same time: in the end nothing is stuck, and nothing is lost. */
static void storm(void **state)
{
    struct world *w = *state;
    pthread_t a, b;
    size_t n = 0;
    log_set_level(LOG_WARNING);
    pthread_create(&a, NULL, storm_submit, w);
    pthread_create(&b, NULL, storm_operate, w);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    queue_edge(w->q, true);
    pthread_mutex_lock(&w->lock);
    w->dead_lives = true;
    pthread_mutex_unlock(&w->lock);
    struct queue_selector all = {.all = true}, silent = {.destination = SLICE("silent.example")},
                          later = {.destination = SLICE("later.example")};
    (void)!queue_do(w->q, QUEUE_RELEASE, &all, &n);
    (void)!queue_do(w->q, QUEUE_RETRY, &all, &n);
    expect_calm(w);
    (void)!queue_do(w->q, QUEUE_CANCEL, &silent, &n);
    (void)!queue_do(w->q, QUEUE_CANCEL, &later, &n);
    expect(w, QUEUE_WAITING, 0);
    expect_calm(w);
    struct tally t = tally(w);
    assert_int_equal(t.n[QUEUE_HELD] + t.n[QUEUE_BROKEN], 0);
    assert_int_equal(t.n[QUEUE_DELIVERED] + t.n[QUEUE_RETURNED] + t.n[QUEUE_CANCELLED],
                     3 * STORM_LETTERS);
    assert_int_equal(queue_stats(w->q).recipients, 0);
    log_set_level(LOG_INFO);
}

/* How many a second go through all of it; the rate is told, only its order is demanded. */
static void rate(void **state)
{
    struct world *w = *state;
    enum { N = 4000 };
    char to[60];
    log_set_level(LOG_WARNING);
    for (int i = 0; i < N; i++) {
        snprintf(to, sizeof to, "x@ok%d.example", i % 200);
        submit(w, (struct letter_of){"a@example.org", {to}});
    }
    int64_t start = clock_ms();
    queue_edge(w->q, true);
    expect_sends(w, N);
    expect_calm(w);
    int64_t took = clock_ms() - start;
    expect(w, QUEUE_DELIVERED, N);
    print_message("%d relays in %lld ms\n", N, (long long)took);
    assert_true(took < 60000);
    log_set_level(LOG_INFO);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(delivers),       TEST(returns_and_tells), TEST(tells_first), TEST(defers),
        TEST(recovers),       TEST(many_recipients),   TEST(operator),    TEST(operator_under_way),
        TEST(broken),         TEST(edge_refuses),      TEST(no_turn),     TEST(forgets),
        TEST(ends_under_way), TEST(transports),        TEST(storm),       TEST(rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
