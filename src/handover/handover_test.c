/* Tests of the hand-over itself: both ends over a real pair, many askers at once, either side
 * going away. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "handover/record.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct handover_client *client;
    struct handover_server *server;
    _Atomic unsigned delivered, banned, ban_calls;
    _Atomic uint64_t bytes;
    _Atomic bool slow;
};

/* "nobody..." is unknown, "full..." has room for 100 bytes. */
static enum handover_status resolve(void *arg, struct slice recipient, uint64_t size)
{
    if (slice_starts(recipient, SLICE("nobody")))
        return HANDOVER_UNKNOWN;
    if (slice_starts(recipient, SLICE("full")) && size > 100)
        return HANDOVER_FULL;
    return HANDOVER_OK;
}

static void deliver(void *arg, const struct handover_envelope *e, struct slice raw,
                    enum handover_status *status)
{
    struct world *w = arg;
    if (atomic_load(&w->slow))
        usleep(200000);
    for (size_t i = 0; i < e->n_recipients; i++)
        status[i] = resolve(arg, e->recipients[i].address, 0);
    atomic_fetch_add(&w->delivered, 1);
    atomic_fetch_add(&w->bytes, raw.n);
}

static void banned(void *arg, const struct ip *ips, size_t n)
{
    struct world *w = arg;
    atomic_store(&w->banned, (unsigned)n);
    atomic_fetch_add(&w->ban_calls, 1);
}

static int begin(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    int fd[2];
    const struct handover_service service = {.resolve = resolve, .deliver = deliver, .arg = w};
    assert_int_equal(ipc_pair(fd), OK);
    const struct handover_duties duties = {.banned = banned, .arg = w};
    assert_int_equal(handover_client_new(fd[0], &duties, &w->client), OK);
    assert_int_equal(handover_server_new(fd[1], &service, &w->server), OK);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    if (w->client)
        handover_client_free(w->client);
    if (w->server)
        handover_server_free(w->server, 3000);
    mem_free(w);
    return 0;
}

static enum error send_small(struct world *w, struct slice text, size_t n,
                             enum handover_status *status)
{
    struct handover_recipient *r = mem_array(n, sizeof *r);
    for (size_t i = 0; i < n; i++)
        r[i].address = slice_str(i % 2 == 0 ? "anna@example.org" : "nobody@example.org");
    const struct handover_envelope e = {
        .sender = SLICE("a@b.example"), .recipients = r, .n_recipients = n};
    enum error error =
        handover_deliver(w->client, &e, &(struct handover_message){-1, text}, status);
    mem_free(r);
    return error;
}

static enum error send_message(struct world *w, const char *text, const char *const *to, size_t n,
                               enum handover_status *status)
{
    struct handover_recipient *r = mem_array(n, sizeof *r);
    for (size_t i = 0; i < n; i++)
        r[i].address = slice_str(to[i % 2]);
    const struct handover_envelope e = {
        .sender = SLICE("a@b.example"), .recipients = r, .n_recipients = n};
    int fd;
    assert_int_equal(ipc_memfd("test", &fd), OK);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(ipc_memfd_seal(fd), OK);
    enum error error =
        handover_deliver(w->client, &e, &(struct handover_message){.memfd = fd}, status);
    close(fd);
    mem_free(r);
    return error;
}

static const char *const both[] = {"anna@example.org", "nobody@example.org"};

static void ask(void **state)
{
    struct world *w = *state;
    enum handover_status s;
    assert_int_equal(handover_resolve(w->client, SLICE("anna@example.org"), 0, &s), OK);
    assert_int_equal(s, HANDOVER_OK);
    assert_int_equal(handover_resolve(w->client, SLICE("nobody@example.org"), 0, &s), OK);
    assert_int_equal(s, HANDOVER_UNKNOWN);
    assert_int_equal(handover_resolve(w->client, SLICE("full@example.org"), 101, &s), OK);
    assert_int_equal(s, HANDOVER_FULL);
    enum handover_status two[2];
    assert_int_equal(send_message(w, "Subject: x\r\n\r\n", both, 2, two), OK);
    assert_int_equal(two[0], HANDOVER_OK);
    assert_int_equal(two[1], HANDOVER_UNKNOWN);
    assert_int_equal(atomic_load(&w->bytes), 14);
}

/* An envelope that is longer than a record. */
static void many_recipients(void **state)
{
    struct world *w = *state;
    size_t n = 10000;
    enum handover_status *s = mem_array(n, sizeof *s);
    assert_int_equal(send_message(w, "x\r\n", both, n, s), OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(s[i], i % 2 ? HANDOVER_UNKNOWN : HANDOVER_OK);
    mem_free(s);
}

/* Small ones are copied, big ones are mapped. */
static void a_big_message(void **state)
{
    struct world *w = *state;
    size_t n = LIMIT_HANDOVER_COPY;
    for (unsigned k = 0; k < 2; k++, n++) {
        char *text = mem_alloc(n + 1);
        memset(text, 'x', n);
        enum handover_status s;
        assert_int_equal(send_message(w, text, both, 1, &s), OK);
        assert_int_equal(s, HANDOVER_OK);
        mem_free(text);
    }
    assert_int_equal(atomic_load(&w->bytes), 2 * LIMIT_HANDOVER_COPY + 1);
}

/* Within the record, also when it is empty; beside it when its envelope is long. */
static void small_messages(void **state)
{
    struct world *w = *state;
    enum { MANY = 10000 };
    enum handover_status *s = mem_array(MANY, sizeof *s);
    char *text = mem_alloc(LIMIT_HANDOVER_SMALL + 1);
    memset(text, 'x', LIMIT_HANDOVER_SMALL + 1);
    assert_int_equal(send_small(w, SLICE(""), 1, s), OK);
    assert_int_equal(atomic_load(&w->bytes), 0);
    assert_int_equal(send_small(w, slice_of(text, LIMIT_HANDOVER_SMALL), 2, s), OK);
    assert_int_equal(atomic_load(&w->bytes), LIMIT_HANDOVER_SMALL);
    assert_true(s[0] == HANDOVER_OK && s[1] == HANDOVER_UNKNOWN);
    assert_int_equal(send_small(w, slice_of(text, LIMIT_HANDOVER_SMALL), MANY, s), OK);
    assert_int_equal(atomic_load(&w->bytes), 2 * LIMIT_HANDOVER_SMALL);
    assert_true(s[MANY - 2] == HANDOVER_OK && s[MANY - 1] == HANDOVER_UNKNOWN);
    assert_int_equal(send_small(w, slice_of(text, LIMIT_HANDOVER_SMALL + 1), 1, s), ERR_INPUT);
    mem_free(text);
    mem_free(s);
}

/* A message that its sender could still change does not reach the service. */
static void unsealed_is_not_taken(void **state)
{
    struct world *w = *state;
    int fd[2], message;
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_replace(w->server, fd[1]), OK);
    const struct handover_recipient r = {.address = SLICE("anna@example.org")};
    const struct handover_envelope e = {.recipients = &r, .n_recipients = 1};
    autobuf envelope = BUF_INIT(1000), record = BUF_INIT(1000);
    record_write_envelope(&e, &envelope);
    struct slice text = buf_slice(&envelope);
    record_write_deliver(1, &text, &record);
    assert_int_equal(ipc_memfd("test", &message), OK);
    assert_int_equal(ipc_send(fd[0], buf_slice(&record), &message, 1, 1000), OK);
    close(message);
    uint8_t room[100];
    struct ipc_record in;
    struct record answer;
    assert_int_equal(ipc_receive(fd[0], room, sizeof room, 5000, &in), OK);
    assert_int_equal(record_read(in.bytes, &answer), OK);
    assert_int_equal(answer.id, 1);
    assert_int_equal(answer.statuses.n, 1);
    assert_int_equal(answer.statuses.p[0], HANDOVER_TEMPORARY);
    handover_client_replace(w->client, fd[0]);
    enum handover_status s;
    assert_int_equal(handover_resolve(w->client, SLICE("anna@example.org"), 0, &s), OK);
    assert_int_equal(atomic_load(&w->delivered), 0);
}

#define ASKERS 16
#define ROUNDS 200

static void *asker(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        enum handover_status s = HANDOVER_BAD;
        struct slice who = i % 3 ? SLICE("anna@example.org") : SLICE("nobody@example.org");
        if (handover_resolve(w->client, who, 0, &s) != OK ||
            s != (i % 3 ? HANDOVER_OK : HANDOVER_UNKNOWN))
            return arg;
        enum handover_status two[2];
        if (i % 4 == 0 && (send_message(w, "m\r\n", both, 2, two) != OK || two[0] != HANDOVER_OK))
            return arg;
    }
    return NULL;
}

static void many_at_once(void **state)
{
    struct world *w = *state;
    pthread_t t[ASKERS];
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, asker, w), 0);
    for (int i = 0; i < ASKERS; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(atomic_load(&w->delivered), ASKERS * ROUNDS / 4);
}

static void bans(void **state)
{
    struct world *w = *state;
    size_t n = 10000;
    struct ip *ips = mem_array(n, sizeof *ips);
    for (unsigned k = 0; k < 2; k++) {
        size_t now = k == 0 ? n : 0;
        assert_int_equal(handover_server_banned(w->server, ips, now), OK);
        for (int i = 0; i < 2000 && atomic_load(&w->ban_calls) <= k; i++)
            usleep(1000);
        assert_int_equal(atomic_load(&w->ban_calls), k + 1);
        assert_int_equal(atomic_load(&w->banned), now);
    }
    mem_free(ips);
}

static void *late_asker(void *arg)
{
    struct world *w = arg;
    enum handover_status two[2];
    enum error e = send_message(w, "m\r\n", both, 2, two);
    return e == OK ? NULL : arg;
}

/* What is in flight is answered before the server ends. */
static void graceful_end(void **state)
{
    struct world *w = *state;
    atomic_store(&w->slow, true);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, late_asker, w), 0);
    usleep(50000);
    handover_server_free(w->server, 3000);
    w->server = NULL;
    void *bad;
    pthread_join(t, &bad);
    assert_null(bad);
    assert_int_equal(atomic_load(&w->delivered), 1);
}

static void gone_and_back(void **state)
{
    struct world *w = *state;
    handover_server_free(w->server, 1000);
    for (int i = 0; i < 2000 && handover_client_alive(w->client); i++)
        usleep(1000);
    assert_false(handover_client_alive(w->client));
    enum handover_status s;
    int64_t start = clock_ms();
    assert_int_equal(handover_resolve(w->client, SLICE("anna@example.org"), 0, &s), ERR_CLOSED);
    assert_true(clock_ms() - start < 1000);

    int fd[2];
    const struct handover_service service = {.resolve = resolve, .deliver = deliver, .arg = w};
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_new(fd[1], &service, &w->server), OK);
    handover_client_replace(w->client, fd[0]);
    assert_true(handover_client_alive(w->client));
    assert_int_equal(handover_resolve(w->client, SLICE("anna@example.org"), 0, &s), OK);

    /* And the other way round: edge was restarted. */
    handover_client_free(w->client);
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_replace(w->server, fd[1]), OK);
    const struct handover_duties duties = {.banned = banned, .arg = w};
    assert_int_equal(handover_client_new(fd[0], &duties, &w->client), OK);
    assert_int_equal(handover_resolve(w->client, SLICE("nobody@example.org"), 0, &s), OK);
    assert_int_equal(s, HANDOVER_UNKNOWN);
}

/* A server that dies without an answer ends the waiting at once. */
static void dead_while_waiting(void **state)
{
    struct world *w = *state;
    int fd[2];
    assert_int_equal(ipc_pair(fd), OK);
    handover_client_replace(w->client, fd[0]);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, late_asker, w), 0);
    usleep(50000);
    int64_t start = clock_ms();
    close(fd[1]);
    void *bad;
    pthread_join(t, &bad);
    assert_non_null(bad);
    assert_true(clock_ms() - start < 5000);
}

/* Requests that cannot be served; their numbers are 1, 2, 3... */
static const struct {
    struct slice request;
    size_t n_fds;
    enum record_type answer;
} refused[] = {
    {SLICE("\x02\0\0\0\0\0\0\0\1\0\0\0\0"), 0, RECORD_DELIVERED}, /* its descriptor is lost */
    {SLICE("\x03\0\0\0\0\0\0\0\2"), 2, RECORD_DELIVERED},         /* not memfds */
    {SLICE("\x03\0\0\0\0\0\0\0\3"), 1, RECORD_DELIVERED},
    {SLICE("\x01\0\0\0\0\0\0\0\4"), 0, RECORD_RESOLVED},                   /* too short */
    {SLICE("\x07\0\0\0\0\0\0\0\5\0\0\0\1x\0\0\0\0"), 0, RECORD_DELIVERED}, /* bad envelope */
    {SLICE("\xff\0\0\0\0\0\0\0\6"), 0, RECORD_DELIVERED},
};

/* Whatever the other process sends, the server goes on; it answers what has a number. */
static void rubbish(void **state)
{
    struct world *w = *state;
    int fd[2];
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_replace(w->server, fd[1]), OK);
    assert_int_equal(ipc_send(fd[0], SLICE("rubbish"), NULL, 0, 1000), OK);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(ipc_send(fd[0], refused[i].request, fd, refused[i].n_fds, 1000), OK);
        uint8_t room[100];
        struct ipc_record in;
        struct record r;
        assert_int_equal(ipc_receive(fd[0], room, sizeof room, 5000, &in), OK);
        assert_int_equal(record_read(in.bytes, &r), OK);
        assert_int_equal(r.id, i + 1);
        assert_int_equal(r.type, refused[i].answer);
        assert_int_equal(r.statuses.n, 1);
        assert_int_equal(r.statuses.p[0], HANDOVER_TEMPORARY);
    }
    assert_int_equal(atomic_load(&w->delivered), 0);
    handover_client_replace(w->client, fd[0]);
    enum handover_status s;
    assert_int_equal(handover_resolve(w->client, SLICE("anna@example.org"), 0, &s), OK);
}

#ifdef __has_feature
enum { sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { sanitized = true };
#else
enum { sanitized = false };
#endif

/* In a process of its own, where no memory for a thread's stack is left. */
static int serve_without_threads(void)
{
    int fd[2];
    const struct handover_service service = {.resolve = resolve, .deliver = deliver};
    struct handover_server *s = NULL;
    const struct rlimit none = {1, 1};
    if (ipc_pair(fd) != OK)
        return 1;
    mem_free(mem_alloc(LIMIT_HANDOVER_COPY)); /* the heap has some, without asking again */
    if (setrlimit(RLIMIT_AS, &none) != 0)
        return 2;
    if (handover_server_new(fd[1], &service, &s) != ERR_AGAIN)
        return 3;
    return fcntl(fd[1], F_GETFD) >= 0 ? 0 : 4; /* it stayed the caller's */
}

static void no_thread(void **state)
{
    if (sanitized)
        skip(); /* it needs memory itself */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(serve_without_threads());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread), /* first: no stack of an earlier thread is there to be used */
        TEST(ask),
        TEST(many_recipients),
        TEST(a_big_message),
        TEST(small_messages),
        TEST(unsealed_is_not_taken),
        TEST(many_at_once),
        TEST(bans),
        TEST(graceful_end),
        TEST(gone_and_back),
        TEST(dead_while_waiting),
        TEST(rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
