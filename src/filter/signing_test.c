/* Which domain answers for a message, that changed keys sign soon, and that nothing forged is
 * proved; with many threads while keys change. That signatures are good, trust/ tests. */
#include "base/test_folder.h"
#include "filter/signing.h"
#include "trust/dkim.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;
static struct signing *s;

/* Ed25519 alone: RSA keys take long to make. */
static void add_key(const char *domain, const char *selector, enum dkim_state state)
{
    struct directory_dkim key = {.ed25519 = true, .state = state, .record = SLICE("v=DKIM1")};
    struct buf pem = BUF_INIT(LIMIT_DKIM_PEM);
    snprintf(key.selector, sizeof key.selector, "%s", selector);
    assert_int_equal(dkim_key_make(DKIM_ED25519, &pem), OK);
    const struct slice text = buf_slice(&pem);
    assert_int_equal(directory_dkim_add(d, slice_str(domain), &key, &text, 1), OK);
    buf_wipe(&pem);
}

static int set_up(void **state)
{
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE_NONE), OK);
    assert_int_equal(directory_domain_add(d, SLICE("alias.example"), SLICE("example.org")), OK);
    assert_int_equal(directory_domain_add(d, SLICE("bare.example"), SLICE_NONE), OK);
    add_key("example.org", "one", DKIM_ACTIVE);
    add_key("example.org", "later", DKIM_NEXT);
    add_key("alias.example", "one", DKIM_ACTIVE);
    s = signing_new(d);
    return 0;
}

static int tear_down(void **state)
{
    signing_free(s);
    directory_close(d);
    return test_folder_remove(&folder) ? 0 : 1;
}

static void sign(const char *from, const char *sender, bool ours, struct buf *out)
{
    autobuf raw = BUF_INIT(1000);
    buf_printf(&raw, "%s\r\nSubject: x\r\n\r\nx\r\n", from);
    const struct signing_request rq = {
        .raw = buf_slice(&raw), .sender = slice_str(sender), .ours = ours, .at = 1795348800};
    assert_int_equal(signing_sign(s, &rq, out), OK);
}

static void test_domain(void **state)
{
    static const struct {
        const char *from, *sender;
        bool ours;
        const char *domain; /* NULL: no signature */
    } cases[] = {
        {"From: a@example.org", "a@example.org", true, "example.org"},
        {"From: a@EXAMPLE.org", "", true, "example.org"},
        {"From: a@alias.example", "a@example.org", true, "alias.example"},
        {"From: postmaster@mail.example.org", "", true, "example.org"},
        {"From: a@bare.example", "a@example.org", true, "example.org"},
        {"From: a@else.example", "a@Example.org", true, "example.org"},
        {"From: a@else.example", "a@else.example", true, NULL},
        {"From: a@bare.example", "", true, NULL},
        {"From: a@notexample.org", "", true, NULL},
        {"From: a@org", "", true, NULL},
        {"X: no From", "a@example.org", true, "example.org"},
        {"X: no From", "", true, NULL},
        /* Passing through */
        {"From: a@else.example", "SRS0=x=y=else.example=a@example.org", false, "example.org"},
        {"From: a@else.example", "a@else.example", false, NULL},
        {"From: a@example.org", "SRS0=x=y=else.example=a@example.org", false, NULL},
        {"From: a@sub.example.org", "SRS0=x=y=else.example=a@example.org", false, NULL},
        {"From: a@alias.example", "SRS0=x=y=else.example=a@example.org", false, "example.org"},
        {"From: a@else.example, b@example.org", "SRS0=x@example.org", false, NULL},
        {"From: a@else.example\r\nFrom: b@example.org", "SRS0=x@example.org", false, NULL},
        {"X: no From", "SRS0=x@example.org", false, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        autobuf out = BUF_INIT(10000), want = BUF_INIT(1000);
        sign(cases[i].from, cases[i].sender, cases[i].ours, &out);
        buf_printf(&want, "d=%s;", cases[i].domain ? cases[i].domain : "");
        bool good =
            cases[i].domain ? slice_find(buf_slice(&out), buf_slice(&want)) < out.n : out.n == 0;
        if (!good)
            fail_msg("%s, %s: %.*s", cases[i].from, cases[i].sender, SLICE_FMT(buf_slice(&out)));
    }
}

static void wait_for_selector(const char *selector)
{
    for (int i = 0; i < 2 * LIMIT_SIGNING_MS / 20; i++) {
        autobuf out = BUF_INIT(10000);
        sign("From: a@example.org", "", true, &out);
        if (slice_find(buf_slice(&out), slice_str(selector)) < out.n)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    fail_msg("%s does not sign", selector);
}

static void *sign_on(void *arg)
{
    bool *end = arg;
    while (!__atomic_load_n(end, __ATOMIC_ACQUIRE)) {
        autobuf out = BUF_INIT(10000);
        const struct signing_request rq = {
            .raw = SLICE("From: a@example.org\r\n\r\n"), .sender = SLICE(""), .ours = true};
        if (signing_sign(s, &rq, &out) != OK || out.n == 0)
            return arg;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static void test_switch(void **state)
{
    bool end = false;
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, sign_on, &end), 0);
    wait_for_selector("s=one;");
    assert_int_equal(directory_dkim_switch(d, SLICE("example.org"), 1795348800), OK);
    wait_for_selector("s=later;");
    __atomic_store_n(&end, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
}

/* A key that cannot be read keeps no other from signing. */
static void test_broken_key(void **state)
{
    struct directory_dkim key = {.selector = "broken", .state = DKIM_ACTIVE, .record = SLICE("x")};
    const struct slice pem = SLICE("nonsense");
    assert_int_equal(directory_dkim_add(d, SLICE("example.org"), &key, &pem, 1), OK);
    autobuf out = BUF_INIT(10000);
    sign("From: a@example.org", "", true, &out);
    assert_true(slice_find(buf_slice(&out), SLICE("s=one;")) < out.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_switch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
