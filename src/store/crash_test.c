/* kill -9 at random instants: what was acknowledged is there afterwards, whole, and the store is
 * sound. A child delivers from several threads and says through a pipe what it was promised; the
 * parent kills it. DEPESCHE_CRASH_ROUNDS sets how often (30). */
#include "base/clock.h"
#include "base/random.h"
#include "store/store_kit.h"
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS  8
#define ACCOUNTS 4

struct promise {
    uint32_t account, mailbox, uid, size, seed;
    uint32_t kind; /* 0 a message, 1 its flag \Flagged too */
};

struct child {
    struct store *s;
    int pipe;
};

/* The body is made of its seed, so that the parent can say what it must be. */
static void fill(uint8_t *p, uint32_t size, uint32_t seed)
{
    uint32_t x = seed | 1;
    for (uint32_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(32 + (x >> 24) % 95);
    }
}

static void *deliver(void *arg)
{
    struct child *c = arg;
    uint8_t *raw = mem_alloc(200000);
    for (;;) {
        struct promise p = {.account = 1 + random_below(ACCOUNTS), .seed = random_below(1u << 30)};
        p.size = random_below(8) == 0 ? 20000 + random_below(150000) : 1 + random_below(6000);
        fill(raw, p.size, p.seed);
        struct delivery_target t = {.account = p.account, .use = USE_INBOX};
        struct store_delivery d = {.raw = slice_of(raw, p.size),
                                   .summary = {.envelope = SLICE("()")},
                                   .targets = &t,
                                   .n_targets = 1};
        if (store_deliver(c->s, &d) != OK)
            _exit(3);
        p.mailbox = t.mailbox;
        p.uid = t.uid;
        if (write(c->pipe, &p, sizeof p) != sizeof p)
            _exit(4);
        if (random_below(3) > 0)
            continue;
        struct uid_range r = {p.uid, p.uid};
        struct flag_list f = {.system = FLAG_FLAGGED};
        if (store_flags(c->s, p.account, p.mailbox, &r, 1, FLAGS_ADD, &f, NULL, NULL, NULL, NULL))
            _exit(5);
        p.kind = 1;
        if (write(c->pipe, &p, sizeof p) != sizeof p)
            _exit(4);
    }
    return NULL;
}

static _Noreturn void child_main(const char *dir, unsigned shards, int to)
{
    struct child c = {.pipe = to};
    struct store_options o = {.dir = dir, .shards = shards};
    pthread_t t[THREADS];
    if (store_open(&o, &c.s) != OK)
        _exit(2);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, deliver, &c) != 0)
            _exit(2);
    for (;;)
        pause();
}

struct promises {
    struct promise *p;
    size_t n, cap;
};

static void collect(struct promises *all, int from)
{
    struct promise p;
    ssize_t n;
    while ((n = read(from, &p, sizeof p)) == sizeof p || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        if (all->n == all->cap) {
            all->cap = all->cap ? all->cap * 2 : 1024;
            all->p = mem_resize(all->p, all->cap, sizeof *all->p);
        }
        all->p[all->n++] = p;
    }
}

static void keep_promise(struct kit *k, const struct promise *p, uint8_t *expected)
{
    if (p->kind == 0) {
        fill(expected, p->size, p->seed);
        kit_body_is(k, p->account, p->mailbox, p->uid, slice_of(expected, p->size));
        return;
    }
    struct snapshot *n = kit_snapshot(k, p->account, p->mailbox);
    const struct snapshot_entry *e = snapshot_uid(n, p->uid, NULL);
    assert_non_null(e);
    assert_true(e->flags & FLAG_FLAGGED);
    snapshot_unref(n);
}

static void one_round(struct kit *k, struct promises *all, uint8_t *expected)
{
    int ends[2], status;
    size_t first = all->n;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child_main(k->dir, k->shards, ends[1]);
    }
    close(ends[1]);
    /* The pipe must not fill up: it is read until the killing, by this thread. */
    int64_t until = clock_ms() + 20 + random_below(120);
    struct promise p;
    while (clock_ms() < until && read(ends[0], &p, sizeof p) == sizeof p) {
        if (all->n == all->cap) {
            all->cap = all->cap ? all->cap * 2 : 1024;
            all->p = mem_resize(all->p, all->cap, sizeof *all->p);
        }
        all->p[all->n++] = p;
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    collect(all, ends[0]);
    close(ends[0]);
    kit_open(k, 0);
    for (size_t i = first; i < all->n; i++)
        keep_promise(k, &all->p[i], expected);
    kit_sound(k);
    kit_close(k);
}

static void run(unsigned shards, uint32_t rounds)
{
    struct kit *k = kit_new(shards);
    struct promises all = {0};
    uint8_t *expected = mem_alloc(200000);
    for (uint64_t account = 1; account <= ACCOUNTS; account++)
        kit_box(k, account, "INBOX");
    kit_close(k);
    for (uint32_t i = 0; i < rounds; i++)
        one_round(k, &all, expected);
    assert_true(all.n > rounds);
    print_message("%u rounds, %zu promises kept\n", rounds, all.n);
    kit_open(k, 0);
    for (size_t i = 0; i < all.n; i++)
        keep_promise(k, &all.p[i], expected);
    kit_free(k);
    mem_free(all.p);
    mem_free(expected);
}

static uint32_t rounds_of(void)
{
    const char *given = getenv("DEPESCHE_CRASH_ROUNDS");
    uint32_t n = 30;
    if (given != NULL)
        (void)!parse_u32(slice_str(given), 100000, &n);
    return n;
}

static void test_one_shard(void **state)
{
    (void)state;
    run(1, rounds_of() - rounds_of() / 3);
}

static void test_two_shards(void **state)
{
    (void)state;
    run(2, rounds_of() / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shard),
        cmocka_unit_test(test_two_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
