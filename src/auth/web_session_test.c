/* Tests of web sessions: rotation, the ends, epochs, a restart, limits, many threads. The clock is
 * the test's own. */
#include "auth/web_session.h"
#include "base/test_folder.h"
#include <pthread.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;
static struct web_sessions *w;
static struct account anna, ben;
static int64_t now;

int64_t __wrap_clock_wall(void);
int64_t __wrap_clock_wall(void)
{
    return now;
}

static void open_sessions(void)
{
    assert_int_equal(web_sessions_open(test_folder_file(&folder, "sessions.db"), d, &w), OK);
}

static void reopen(void)
{
    web_sessions_close(w);
    open_sessions();
}

/* Goes on with what is on the disk, as after a crash. */
static void crash(void)
{
    struct web_sessions *before = w;
    open_sessions();
    web_sessions_close(before);
}

static int set_up(void **state)
{
    now = 1800000000;
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_account_add(d, SLICE("anna@example.org"), SLICE(""), SLICE("de"),
                                           SLICE("right-Passw0rd"), &anna),
                     OK);
    assert_int_equal(directory_account_add(d, SLICE("ben@example.org"), SLICE(""), SLICE("en"),
                                           SLICE("right-Passw0rd"), &ben),
                     OK);
    open_sessions();
    return 0;
}

static int tear_down(void **state)
{
    web_sessions_close(w);
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

static struct ip ip_of(const char *text)
{
    struct ip ip;
    assert_int_equal(ip_parse(slice_str(text), &ip), OK);
    return ip;
}

struct browser {
    char token[WEB_TOKEN_TEXT + 1], fresh[WEB_TOKEN_TEXT + 1];
    struct web_session s;
};

static void begin(struct browser *b, const struct account *a)
{
    assert_int_equal(web_session_begin(w, a, ip_of("192.0.2.1"), SLICE("Browser/1.0"), b->token),
                     OK);
    assert_int_equal(strlen(b->token), WEB_TOKEN_TEXT);
}

static enum error find(struct browser *b, const char *token)
{
    struct account a;
    return web_session_find(w, slice_str(token), ip_of("192.0.2.2"), &b->s, &a, b->fresh);
}

static void test_find(void **state)
{
    struct browser b = {0}, c = {0};
    struct account a;
    begin(&b, &anna);
    begin(&c, &ben);
    assert_string_not_equal(b.token, c.token);
    now += 10;
    assert_int_equal(web_session_find(w, slice_str(b.token), ip_of("192.0.2.2"), &b.s, &a, b.fresh),
                     OK);
    assert_int_equal(a.id, anna.id);
    assert_string_equal(a.address, "anna@example.org");
    assert_int_equal(b.s.created, now - 10);
    assert_int_equal(b.s.last_used, now);
    assert_true(ip_eq(b.s.ip, ip_of("192.0.2.2")));
    assert_string_equal(b.s.agent, "Browser/1.0");
    assert_string_equal(b.fresh, "");
    static const char *const wrong[] = {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(find(&c, wrong[i]), ERR_AUTH);
    /* One bit of difference. */
    b.token[5] = b.token[5] == 'A' ? 'B' : 'A';
    assert_int_equal(find(&c, b.token), ERR_AUTH);
}

static void test_rotation(void **state)
{
    struct browser b = {0}, old = {0};
    begin(&b, &anna);
    now += LIMIT_WEB_ROTATE_SECONDS;
    assert_int_equal(find(&b, b.token), OK);
    assert_string_equal(b.fresh, "");
    now += 1;
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(strlen(b.fresh), WEB_TOKEN_TEXT);
    uint64_t id = b.s.id;
    /* Requests beside it get no other one, */
    assert_int_equal(find(&old, b.token), OK);
    assert_string_equal(old.fresh, "");
    /* and if the answer got lost, another one later; the lost one is nothing then. */
    now += LIMIT_WEB_ROTATE_GRACE_SECONDS + 1;
    assert_int_equal(find(&old, b.token), OK);
    assert_string_not_equal(old.fresh, "");
    assert_int_equal(find(&old, b.fresh), ERR_AUTH);
    now += LIMIT_WEB_ROTATE_GRACE_SECONDS + 1;
    assert_int_equal(find(&b, b.token), OK);
    assert_string_not_equal(b.fresh, "");
    char fresh[WEB_TOKEN_TEXT + 1];
    memcpy(fresh, b.fresh, sizeof fresh);
    assert_int_equal(find(&b, fresh), OK);
    assert_int_equal(b.s.id, id);
    assert_string_equal(b.fresh, "");
    /* The old one serves for a moment only. */
    now += LIMIT_WEB_ROTATE_GRACE_SECONDS;
    assert_int_equal(find(&old, b.token), OK);
    assert_string_equal(old.fresh, "");
    now += 1;
    assert_int_equal(find(&old, b.token), ERR_AUTH);
    assert_int_equal(find(&b, fresh), OK);
}

static void test_restart(void **state)
{
    struct browser b = {0}, c = {0};
    begin(&b, &anna);
    begin(&c, &anna);
    now += LIMIT_WEB_ROTATE_SECONDS + 1;
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(find(&c, c.token), OK);
    assert_int_equal(web_session_end(w, anna.id, c.s.id), OK);
    crash();
    assert_int_equal(find(&c, c.token), ERR_AUTH);
    assert_int_equal(find(&c, c.fresh), ERR_AUTH);
    char fresh[WEB_TOKEN_TEXT + 1];
    memcpy(fresh, b.fresh, sizeof fresh);
    assert_int_equal(find(&b, fresh), OK);
    now += LIMIT_WEB_ROTATE_SECONDS + 1;
    assert_int_equal(find(&b, fresh), OK);
    assert_string_not_equal(b.fresh, "");
    crash();
    assert_int_equal(find(&c, b.token), ERR_AUTH); /* two before */
    assert_int_equal(find(&c, b.fresh), OK);
}

static void test_uses_are_kept(void **state)
{
    struct browser b = {0};
    struct web_session *list;
    size_t n;
    autoarena a;
    arena_init(&a, 1 << 20);
    begin(&b, &anna);
    now += 1000;
    assert_int_equal(find(&b, b.token), OK);
    web_sessions_tend(w);
    crash();
    assert_int_equal(web_session_list(w, anna.id, &a, &list, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].last_used, now);
    assert_true(ip_eq(list[0].ip, ip_of("192.0.2.2")));
}

static void test_ends(void **state)
{
    struct browser b = {0};
    begin(&b, &anna);
    for (int64_t at = 0; at < LIMIT_WEB_SECONDS; at += LIMIT_WEB_IDLE_SECONDS) {
        assert_int_equal(find(&b, b.token), OK);
        if (b.fresh[0] != 0)
            memcpy(b.token, b.fresh, sizeof b.token);
        now += LIMIT_WEB_IDLE_SECONDS - 60;
        web_sessions_tend(w);
        if (at % 2)
            reopen();
    }
    now += 7 * 60;
    assert_int_equal(find(&b, b.token), ERR_AUTH); /* so often used, and over all the same */
    web_sessions_tend(w);
    begin(&b, &anna);
    assert_int_equal(find(&b, b.token), OK);
    now += LIMIT_WEB_IDLE_SECONDS + 1;
    assert_false(web_session_alive(w, anna.id, b.s.id));
    assert_int_equal(find(&b, b.token), ERR_AUTH);
    web_sessions_tend(w);
    now -= 10;
    assert_int_equal(find(&b, b.token), ERR_AUTH); /* forgotten */
}

static void test_epoch(void **state)
{
    struct browser b = {0}, c = {0}, other = {0};
    struct account a;
    autoarena arena;
    struct web_session *list;
    size_t n;
    arena_init(&arena, 1 << 20);
    begin(&b, &anna);
    begin(&c, &anna);
    begin(&other, &ben);
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(directory_password_set(d, anna.id, SLICE("next-Passw0rd")), OK);
    assert_int_equal(find(&c, c.token), ERR_AUTH);
    /* A request beside the change does not cost the session that made it its life. */
    assert_int_equal(find(&c, b.token), ERR_AUTH);
    assert_int_equal(directory_account_get(d, anna.id, &a), OK);
    assert_int_equal(web_session_adopt(w, b.s.id, a.epoch), OK);
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(find(&c, c.token), ERR_AUTH);
    assert_int_equal(web_session_list(w, anna.id, &arena, &list, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].id, b.s.id);
    assert_int_equal(find(&other, other.token), OK);
    now += 61;
    web_sessions_tend(w);
    reopen();
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(find(&c, c.token), ERR_AUTH);

    assert_int_equal(directory_account_state(d, anna.id, ACCOUNT_NO_LOGIN), OK);
    assert_int_equal(find(&b, b.token), ERR_AUTH);
    assert_int_equal(directory_account_state(d, anna.id, ACCOUNT_ACTIVE), OK);
    assert_int_equal(find(&b, b.token), ERR_AUTH); /* ended is ended */
    assert_int_equal(directory_account_remove(d, ben.id), OK);
    assert_int_equal(find(&other, other.token), ERR_AUTH);
    assert_int_equal(web_session_adopt(w, 4711, 1), ERR_NOTFOUND);
}

static void test_end(void **state)
{
    struct browser b[4] = {0};
    for (size_t i = 0; i < 3; i++) {
        begin(&b[i], &anna);
        assert_int_equal(find(&b[i], b[i].token), OK);
    }
    begin(&b[3], &ben);
    assert_int_equal(find(&b[3], b[3].token), OK);
    assert_int_equal(web_session_end(w, ben.id, b[0].s.id), ERR_NOTFOUND); /* not his */
    assert_true(web_session_alive(w, anna.id, b[0].s.id));
    assert_false(web_session_alive(w, ben.id, b[0].s.id));
    assert_int_equal(web_session_end(w, anna.id, b[0].s.id), OK);
    assert_int_equal(web_session_end(w, anna.id, b[0].s.id), ERR_NOTFOUND);
    assert_false(web_session_alive(w, anna.id, b[0].s.id));
    assert_int_equal(find(&b[0], b[0].token), ERR_AUTH);
    assert_int_equal(web_session_end_others(w, anna.id, b[2].s.id), 1);
    assert_int_equal(find(&b[1], b[1].token), ERR_AUTH);
    assert_int_equal(find(&b[2], b[2].token), OK);
    assert_int_equal(web_session_end_others(w, anna.id, 0), 1);
    assert_int_equal(find(&b[3], b[3].token), OK);
    crash();
    assert_int_equal(find(&b[2], b[2].token), ERR_AUTH);
    /* Ids are never used again. */
    uint64_t last = b[3].s.id;
    assert_int_equal(web_session_end(w, ben.id, last), OK);
    reopen();
    begin(&b[0], &anna);
    assert_int_equal(find(&b[0], b[0].token), OK);
    assert_true(b[0].s.id > last);
}

static void test_limit(void **state)
{
    struct browser first = {0}, other = {0}, b = {0};
    autoarena a;
    struct web_session *list;
    size_t n;
    arena_init(&a, 1 << 20);
    begin(&other, &ben);
    begin(&first, &anna);
    for (int i = 1; i < LIMIT_WEB_SESSIONS_ACCOUNT; i++) {
        now++;
        begin(&b, &anna);
    }
    now++;
    assert_int_equal(find(&first, first.token), OK); /* now the second is the least used */
    begin(&b, &anna);
    assert_int_equal(find(&first, first.token), OK);
    assert_int_equal(find(&other, other.token), OK);
    assert_int_equal(web_session_list(w, anna.id, &a, &list, &n), OK);
    assert_int_equal(n, LIMIT_WEB_SESSIONS_ACCOUNT);
    for (size_t i = 1; i < n; i++)
        assert_true(list[i - 1].last_used >= list[i].last_used);
}

static void test_agent(void **state)
{
    static const struct {
        struct slice in;
        const char *out;
    } cases[] = {
        {SLICE_INIT(""), ""},
        {SLICE_INIT("a\0b\r\nc\x7F"), "a b  c "},
        {SLICE_INIT("B\xC3\xA4r \xFF"), "B\xC3\xA4r \xEF\xBF\xBD"},
        {SLICE_INIT("\xC2\x9B"
                    "31m"),
         " 31m"},
    };
    struct browser b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(web_session_begin(w, &anna, ip_of("::1"), cases[i].in, b.token), OK);
        assert_int_equal(find(&b, b.token), OK);
        assert_string_equal(b.s.agent, cases[i].out);
    }
    uint8_t big[5000];
    memset(big, 0xE2, sizeof big);
    for (size_t i = 0; i + 2 < sizeof big; i += 3)
        memcpy(big + i, "\xE2\x82\xAC", 3);
    assert_int_equal(web_session_begin(w, &anna, ip_of("::1"), slice_of(big, sizeof big), b.token),
                     OK);
    assert_int_equal(find(&b, b.token), OK);
    assert_int_equal(strlen(b.s.agent), 198); /* whole characters */
}

/* The tokens themselves are nowhere on the disk. */
static void test_no_token_on_disk(void **state)
{
    struct browser b = {0};
    begin(&b, &anna);
    now += LIMIT_WEB_ROTATE_SECONDS + 1;
    assert_int_equal(find(&b, b.token), OK);
    static const char *const files[] = {"sessions.db", "sessions.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        static uint8_t bytes[4 << 20];
        int fd = open(test_folder_file(&folder, files[i]), O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t n = read(fd, bytes, sizeof bytes);
        close(fd);
        assert_true(n > 0);
        struct slice all = slice_of(bytes, (size_t)n);
        assert_int_equal(slice_find(all, slice_str(b.token)), all.n);
        assert_int_equal(slice_find(all, slice_str(b.fresh)), all.n);
    }
}

/* --- Many at once --- */

static struct ip anna_ip;
static char shared_token[WEB_TOKEN_TEXT + 1];
static pthread_mutex_t offers_lock = PTHREAD_MUTEX_INITIALIZER;
static int offers;

static void *use_and_make(void *arg)
{
    for (int i = 0; i < 50; i++) {
        struct browser b = {0};
        struct account a;
        if (web_session_find(w, slice_str(shared_token), anna_ip, &b.s, &a, b.fresh) != OK)
            return arg;
        if (b.fresh[0] != 0) {
            pthread_mutex_lock(&offers_lock);
            offers++;
            pthread_mutex_unlock(&offers_lock);
        }
        if (i % 10 == 0) {
            if (web_session_begin(w, &ben, ip_of("::1"), SLICE(""), b.token) != OK ||
                find(&b, b.token) != OK || web_session_end(w, ben.id, b.s.id) != OK ||
                find(&b, b.token) != ERR_AUTH)
                return arg;
            web_sessions_tend(w);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct browser b = {0};
    pthread_t threads[8];
    begin(&b, &anna);
    memcpy(shared_token, b.token, sizeof shared_token);
    now += LIMIT_WEB_ROTATE_SECONDS + 1;
    offers = 0;
    anna_ip = ip_of("::1");
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_make, &b), 0);
    for (size_t i = 0; i < 8; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(offers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_uses_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_agent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_token_on_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
