/* Tests of the sending limits with their database: restarts, kill -9, and no address in the file.
 */
#include "guard/sending.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/test_folder.h"
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

enum { NOW = 1795348800, HOUR = 3600, DAY = 86400 };

static struct test_folder folder;

static int set_up(void **state)
{
    return test_folder_make(&folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    return test_folder_remove(&folder) ? 0 : 1;
}

static struct sending *open_sending(unsigned messages, unsigned recipients)
{
    struct sending *s;
    const struct sending_options o = {test_folder_file(&folder, "sending.db"), messages,
                                      recipients};
    assert_int_equal(sending_open(&o, &s), OK);
    return s;
}

static struct sending_verdict count(struct sending *s, uint64_t account, int64_t now,
                                    const char *const *to, size_t n)
{
    struct slice *foreign = mem_array(n, sizeof *foreign);
    struct sending_verdict v;
    for (size_t i = 0; i < n; i++)
        foreign[i] = slice_str(to[i]);
    sending_count(s, account, foreign, n, now, &v);
    mem_free(foreign);
    return v;
}

static enum sending_answer to_one(struct sending *s, uint64_t account, int64_t now, const char *to)
{
    return count(s, account, now, &to, 1).answer;
}

static void messages(void **state)
{
    struct sending *s = open_sending(3, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(to_one(s, 1, NOW + i, "a@b.example"), SENDING_OK);
    struct sending_verdict v = count(s, 1, NOW + 10, NULL, 0);
    assert_int_equal(v.answer, SENDING_TOO_MANY_MESSAGES);
    assert_int_equal(v.until, NOW + HOUR);
    assert_true(v.first);
    v = count(s, 1, NOW + 20, NULL, 0);
    assert_int_equal(v.answer, SENDING_TOO_MANY_MESSAGES);
    assert_false(v.first);
    assert_int_equal(to_one(s, 2, NOW + 10, "a@b.example"), SENDING_OK); /* another account */
    assert_int_equal(to_one(s, 1, NOW + HOUR - 1, "a@b.example"), SENDING_TOO_MANY_MESSAGES);
    assert_int_equal(to_one(s, 1, NOW + HOUR, "a@b.example"), SENDING_OK);
    sending_close(s);
}

static const char *const three[] = {"a@b.example", "c@b.example", "d@b.example"};
static const char *const doubled[] = {"e@b.example", "e@b.example", "a@b.example"};

static void new_recipients(void **state)
{
    struct sending *s = open_sending(0, 4);
    assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);
    assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);   /* known already */
    assert_int_equal(count(s, 1, NOW, doubled, 3).answer, SENDING_OK); /* one is new */
    struct sending_verdict v = count(s, 1, NOW + 60, (const char *const[]){"f@b.example"}, 1);
    assert_int_equal(v.answer, SENDING_TOO_MANY_NEW);
    assert_int_equal(v.until, NOW + DAY);
    assert_true(v.first);
    assert_int_equal(to_one(s, 1, NOW + 60, "f@b.example"), SENDING_TOO_MANY_NEW); /* still new */
    assert_int_equal(to_one(s, 1, NOW + 60, "e@b.example"), SENDING_OK);
    assert_int_equal(to_one(s, 2, NOW + 60, "f@b.example"), SENDING_OK);
    assert_int_equal(to_one(s, 1, NOW + DAY, "f@b.example"), SENDING_OK);
    sending_close(s);
}

/* All or nothing: a message that is refused for its recipients does not count as a message. */
static void refused_counts_nothing(void **state)
{
    struct sending *s = open_sending(2, 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_TOO_MANY_NEW);
    assert_int_equal(count(s, 1, NOW, three, 2).answer, SENDING_OK);
    assert_int_equal(count(s, 1, NOW, three, 2).answer, SENDING_OK);
    assert_int_equal(count(s, 1, NOW, three, 2).answer, SENDING_TOO_MANY_MESSAGES);
    sending_close(s);
}

static void restart(void **state)
{
    struct sending *s = open_sending(3, 3);
    assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);
    assert_int_equal(count(s, 1, NOW + 600, three, 3).answer, SENDING_OK);
    sending_close(s);
    s = open_sending(3, 3);
    assert_int_equal(to_one(s, 1, NOW + 700, "x@b.example"), SENDING_TOO_MANY_NEW);
    assert_int_equal(count(s, 1, NOW + 700, three, 3).answer, SENDING_OK);
    struct sending_verdict v = count(s, 1, NOW + 700, three, 3);
    assert_int_equal(v.answer, SENDING_TOO_MANY_MESSAGES);
    assert_int_equal(v.until, NOW + HOUR);
    sending_close(s);
}

/* What was counted a second ago survives. */
static void killed(void **state)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sending *s = open_sending(1, 3);
        if (count(s, 1, NOW, three, 3).answer != SENDING_OK)
            _exit(1);
        usleep(1500000);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct sending *s = open_sending(1, 3);
    assert_int_equal(count(s, 1, NOW + 60, NULL, 0).answer, SENDING_TOO_MANY_MESSAGES);
    assert_int_equal(to_one(s, 1, NOW + HOUR, "x@b.example"), SENDING_TOO_MANY_NEW);
    assert_int_equal(count(s, 1, NOW + HOUR, three, 3).answer, SENDING_OK);
    sending_close(s);
}

static void forgotten(void **state)
{
    struct sending *s = open_sending(1, 3);
    for (int i = 0; i < 2; i++) { /* from memory, and from the database */
        assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);
        assert_int_equal(to_one(s, 2 + i, NOW, "a@b.example"), SENDING_OK);
        assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_TOO_MANY_MESSAGES);
        if (i == 1) {
            sending_close(s);
            s = open_sending(1, 3);
        }
        sending_forget(s, 1);
        assert_int_equal(to_one(s, 2 + i, NOW, "a@b.example"), SENDING_TOO_MANY_MESSAGES);
    }
    assert_int_equal(to_one(s, 1, NOW, "x@b.example"), SENDING_OK);
    sending_close(s);
}

/* Who was not written to for a year is new; who was, now and then, is not. */
static void after_a_year(void **state)
{
    struct sending *s = open_sending(0, 1);
    assert_int_equal(to_one(s, 1, NOW, "old@b.example"), SENDING_OK);
    assert_int_equal(to_one(s, 1, NOW + DAY, "friend@b.example"), SENDING_OK);
    sending_close(s);
    s = open_sending(0, 1);
    assert_int_equal(to_one(s, 1, NOW + 200 * DAY, "friend@b.example"), SENDING_OK);
    sending_close(s);
    for (int tended = 0; tended < 2; tended++) {
        int64_t later = NOW + (370 + 10 * tended) * DAY;
        s = open_sending(0, 1);
        if (tended)
            sending_tend(s, later);
        char fresh[] = "new0@b.example";
        fresh[3] = (char)('0' + tended);
        assert_int_equal(to_one(s, 1, later, fresh), SENDING_OK);
        assert_int_equal(to_one(s, 1, later, "friend@b.example"), SENDING_OK);
        assert_int_equal(to_one(s, 1, later, "old@b.example"), SENDING_TOO_MANY_NEW);
        sending_close(s);
    }
}

static void tended(void **state)
{
    struct sending *s = open_sending(10, 10);
    assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);
    sending_close(s);
    s = open_sending(10, 10);
    sending_tend(s, NOW + 400 * DAY);
    sending_close(s);
    static const char *const tables[] = {"SELECT 1 FROM counted", "SELECT 1 FROM known"};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(test_folder_file(&folder, "sending.db"), &db), SQLITE_OK);
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *st;
        assert_int_equal(sqlite3_prepare_v2(db, tables[i], -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
}

/* The file tells nobody who was written to. */
static void no_address_in_the_file(void **state)
{
    struct sending *s = open_sending(10, 10);
    assert_int_equal(count(s, 1, NOW, three, 3).answer, SENDING_OK);
    sending_close(s);
    autobuf file = BUF_INIT(10 << 20);
    FILE *f = fopen(test_folder_file(&folder, "sending.db"), "re");
    assert_non_null(f);
    uint8_t *room = buf_room(&file, 1 << 20);
    buf_grew(&file, fread(room, 1, 1 << 20, f));
    fclose(f);
    assert_true(file.n > 1000);
    assert_true(slice_find(buf_slice(&file), SLICE("b.example")) == file.n);
}

enum { THREADS = 4, EACH = 3000 };

static void *counter(void *arg)
{
    struct sending *s = arg;
    uintptr_t taken = 0;
    for (unsigned i = 0; i < EACH; i++) {
        char to[40];
        snprintf(to, sizeof to, "r%u@b.example", i);
        taken += to_one(s, i % 7, NOW, to) == SENDING_OK;
        if (i % 1000 == 999)
            sending_tend(s, NOW);
    }
    return (void *)taken;
}

/* Counted exactly, while it is written behind. */
static void many_at_once(void **state)
{
    struct sending *s = open_sending(1000, 200);
    pthread_t t[THREADS];
    uintptr_t taken = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, counter, s), 0);
    for (int i = 0; i < THREADS; i++) {
        void *n;
        pthread_join(t[i], &n);
        taken += (uintptr_t)n;
    }
    /* Each account's first 200 recipients, four times: others are refused. */
    assert_int_equal(taken, 7 * 200 * THREADS);
    sending_close(s);
    s = open_sending(801, 200);
    for (uint64_t a = 0; a < 7; a++) {
        assert_int_equal(count(s, a, NOW, NULL, 0).answer, SENDING_OK);
        assert_int_equal(count(s, a, NOW, NULL, 0).answer, SENDING_TOO_MANY_MESSAGES);
    }
    sending_close(s);
}

/* More accounts than memory holds lose no count. */
static void many_accounts(void **state)
{
    enum { ACCOUNTS = LIMIT_SENDING_ACCOUNTS + 500 };
    struct sending *s = open_sending(1, 0);
    for (uint64_t a = 1; a <= LIMIT_SENDING_ACCOUNTS; a++)
        assert_int_equal(count(s, a, NOW, NULL, 0).answer, SENDING_OK);
    usleep(2 * 1000 * LIMIT_SENDING_FLUSH_MS + 500000);
    for (uint64_t a = LIMIT_SENDING_ACCOUNTS + 1; a <= ACCOUNTS; a++)
        assert_int_equal(count(s, a, NOW, NULL, 0).answer, SENDING_OK);
    for (uint64_t a = 1; a <= ACCOUNTS; a++)
        assert_int_equal(count(s, a, NOW, NULL, 0).answer, SENDING_TOO_MANY_MESSAGES);
    sending_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages),     TEST(new_recipients), TEST(refused_counts_nothing),
        TEST(restart),      TEST(killed),         TEST(forgotten),
        TEST(after_a_year), TEST(tended),         TEST(no_address_in_the_file),
        TEST(many_at_once), TEST(many_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
