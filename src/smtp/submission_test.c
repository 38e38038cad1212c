/* Submission with everything real behind it: directory, guard, login and store in a folder of their
 * own. */
#include "base/base64.h"
#include "smtp/smtp.h"
#include "smtp/test_client.h"
#include <ftw.h>

#define PASSWORD "Regenschirm-77"

struct world {
    char dir[64];
    struct directory *directory;
    struct store *store;
    struct guard *guard;
    struct login *login;
    struct smtp_submission service;
    struct test_server server;
    uint16_t port, tls_port;
    struct account anna, ben;
    struct ip_net local;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void open_all(struct world *w, bool proxy)
{
    char path[128];
    snprintf(w->dir, sizeof w->dir, "/tmp/depesche-submission-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(path, sizeof path, "%s/directory.db", w->dir);
    assert_int_equal(directory_open(path, &w->directory), OK);
    snprintf(path, sizeof path, "%s/store", w->dir);
    assert_int_equal(store_open(&(struct store_options){.dir = path}, &w->store), OK);
    snprintf(path, sizeof path, "%s/guard.db", w->dir);
    assert_int_equal(ip_net_parse(SLICE("127.0.0.1"), &w->local), OK);
    const struct guard_options o = {.path = path,
                                    .repeated_password_counts = true,
                                    .trusted = &w->local,
                                    .n_trusted = proxy,
                                    .proxies = &w->local,
                                    .n_proxies = proxy};
    assert_int_equal(guard_open(&o, &w->guard), OK);
    assert_int_equal(login_new(w->directory, w->guard, &w->login), OK);
}

static int begin_with(void **state, bool proxy)
{
    struct world *w = mem_alloc(sizeof *w);
    open_all(w, proxy);
    struct slice en = SLICE("en"), pw = SLICE(PASSWORD);
    assert_int_equal(directory_domain_add(w->directory, SLICE("example.org"), SLICE_NONE), OK);
    assert_int_equal(directory_account_add(w->directory, SLICE("anna@example.org"), SLICE("Anna"),
                                           en, pw, &w->anna),
                     OK);
    assert_int_equal(directory_account_add(w->directory, SLICE("ben@example.org"), SLICE("Ben"), en,
                                           pw, &w->ben),
                     OK);
    assert_int_equal(
        directory_alias_add(w->directory, SLICE("office@example.org"), SLICE("anna@example.org")),
        OK);
    w->service = (struct smtp_submission){
        .host = "mx.example.org",
        .login = w->login,
        .guard = w->guard,
        .delivery = {w->store, w->directory, "mx.example.org"},
    };
    test_server_start(&w->server);
    w->port = test_server_listen(&w->server, &smtp_submission_protocol, &w->service, false);
    w->tls_port = test_server_listen(&w->server, &smtp_submission_protocol, &w->service, true);
    *state = w;
    return 0;
}

static int begin(void **state)
{
    return begin_with(state, false);
}

static int begin_proxy(void **state)
{
    return begin_with(state, true);
}

static int end(void **state)
{
    struct world *w = *state;
    test_server_stop(&w->server);
    login_free(w->login);
    guard_close(w->guard);
    store_close(w->store);
    directory_close(w->directory);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(w);
    return 0;
}

static struct test_smtp hello(struct world *w)
{
    struct test_smtp c = test_smtp_open(w->tls_port, true);
    expect(&c, "220 mx.example.org ESMTP");
    say(&c, "EHLO laptop.lan", "250-mx.example.org");
    return c;
}

static void put_base64(struct test_smtp *c, const char *before, struct slice secret)
{
    autobuf b = BUF_INIT(1000);
    buf_str(&b, before);
    base64_encode(secret, &b);
    buf_lit(&b, "\r\n");
    put_bytes(c, buf_slice(&b));
}

static struct test_smtp logged_in(struct world *w)
{
    struct test_smtp c = hello(w);
    put_base64(&c, "AUTH PLAIN ", SLICE("\0anna@example.org\0" PASSWORD));
    expect(&c, "235 2.7.0");
    return c;
}

static void nothing_before_tls(void **state)
{
    struct world *w = *state;
    struct test_smtp c = test_smtp_open(w->port, false);
    expect(&c, "220");
    say(&c, "EHLO laptop.lan", "250-");
    assert_true(reply_has(&c, "STARTTLS"));
    assert_false(reply_has(&c, "AUTH"));
    say(&c, "AUTH PLAIN AGEAYg==", "530 5.7.0 Say STARTTLS");
    say(&c, "MAIL FROM:<anna@example.org>", "530 5.7.0 Say STARTTLS");
    say(&c, "VRFY anna", "530 5.7.0");
    say(&c, "NOOP", "250");
    say(&c, "STARTTLS", "220");
    test_smtp_tls(&c);
    say(&c, "EHLO laptop.lan", "250-");
    assert_true(reply_has(&c, "\n250-AUTH PLAIN LOGIN\r"));
    say(&c, "MAIL FROM:<anna@example.org>", "530 5.7.0 Log in");
    say(&c, "VRFY anna", "530 5.7.0");
    say(&c, "QUIT", "221");
    test_smtp_close(&c);
}

static void mechanisms(void **state)
{
    struct world *w = *state;
    struct slice plain = SLICE("\0anna@example.org\0" PASSWORD);
    struct test_smtp c = logged_in(w);
    say(&c, "AUTH PLAIN AGEAYg==", "503 5.5.1");
    say(&c, "EHLO laptop.lan", "250-");
    assert_false(reply_has(&c, "AUTH"));
    test_smtp_close(&c);

    c = hello(w);
    say(&c, "AUTH PLAIN", "334 ");
    put_base64(&c, "", plain);
    expect(&c, "235");
    test_smtp_close(&c);

    c = hello(w);
    say(&c, "AUTH LOGIN", "334 VXNlcm5hbWU6");
    put_base64(&c, "", SLICE("anna@example.org"));
    expect(&c, "334 UGFzc3dvcmQ6");
    put_base64(&c, "", SLICE(PASSWORD));
    expect(&c, "235");
    test_smtp_close(&c);

    c = hello(w);
    put_base64(&c, "AUTH LOGIN ", SLICE("anna@example.org"));
    expect(&c, "334 UGFzc3dvcmQ6");
    say(&c, "*", "501 5.7.0");
    say(&c, "AUTH CRAM-MD5", "504 5.5.4");
    say(&c, "AUTH PLAIN !!!", "501 5.5.2");
    put_base64(&c, "AUTH PLAIN ", plain);
    expect(&c, "235");
    test_smtp_close(&c);
}

static void send_message(struct test_smtp *c, const char *rcpts, struct slice message,
                         const char *want)
{
    say(c, "MAIL FROM:<anna@example.org>", "250 2.1.0");
    put_bytes(c, slice_str(rcpts));
    struct slice rest = slice_str(rcpts), line;
    while (slice_line(&rest, &line))
        expect(c, "250 2.1.5");
    say(c, "DATA", "354");
    put_bytes(c, message);
    expect(c, want);
}

/* The only message of the account's Inbox. */
static struct store_body inbox(struct world *w, uint64_t id)
{
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(w->store, id, &l), OK);
    const struct mailbox *m = store_mailbox_by_use(l, USE_INBOX);
    assert_int_equal(m->exists, 1);
    struct store_body b;
    assert_int_equal(store_body(w->store, id, m->id, 1, &b), OK);
    store_mailboxes_unref(l);
    return b;
}

static bool has(struct slice s, const char *what)
{
    return slice_find(s, slice_str(what)) < s.n;
}

static void a_message_to_ben(void **state)
{
    struct world *w = *state;
    struct test_smtp c = logged_in(w);
    send_message(&c, "RCPT TO:<ben@example.org>\r\n",
                 SLICE("From: Anna <anna@example.org>\r\nBcc: ben@example.org\r\n"
                       "User-Agent: Secret/1.0\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\n"),
                 "250 2.0.0");
    struct store_body b = inbox(w, w->ben.id);
    assert_true(
        slice_starts(b.raw, SLICE("Return-Path: <anna@example.org>\r\nDelivered-To: "
                                  "ben@example.org\r\nReceived: by mx.example.org with ESMTPSA "
                                  "(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid ")));
    assert_true(has(b.raw, "\r\nFrom: Anna <anna@example.org>\r\nSubject: x\r\nDate: "));
    assert_true(has(b.raw, "\r\nMessage-ID: <"));
    assert_true(slice_ends(b.raw, SLICE("@example.org>\r\n\r\n.dot\r\nend\r\n")));
    assert_false(has(b.raw, "127.0.0.1"));
    assert_false(has(b.raw, "laptop.lan"));
    assert_false(has(b.raw, "Bcc"));
    assert_false(has(b.raw, "Secret"));
    store_body_free(&b);
    test_smtp_close(&c);
}

static bool count_entry(void *arg, const struct queue_entry *e)
{
    unsigned *n = arg;
    *n += (unsigned)e->n_recipients;
    return true;
}

static unsigned queued(struct world *w)
{
    unsigned n = 0;
    assert_int_equal(store_queue_list(w->store, 0, count_entry, &n), OK);
    return n;
}

static void foreign_recipients_wait(void **state)
{
    struct world *w = *state;
    struct test_smtp c = logged_in(w);
    send_message(&c,
                 "RCPT TO:<ben@example.org>\r\nRCPT TO:<x@remote.example>\r\n"
                 "RCPT TO:<y@remote.example>\r\n",
                 SLICE("From: anna@example.org\r\n\r\nx\r\n.\r\n"), "250 2.0.0");
    assert_int_equal(queued(w), 2);
    struct store_body b = inbox(w, w->ben.id);
    store_body_free(&b);
    say(&c, "MAIL FROM:<anna@example.org>", "250");
    say(&c, "RCPT TO:<nobody@example.org>", "550 5.1.1");
    say(&c, "DATA", "503");
    test_smtp_close(&c);
}

static void whose_addresses(void **state)
{
    struct world *w = *state;
    struct test_smtp c = logged_in(w);
    say(&c, "MAIL FROM:<ben@example.org>", "550 5.7.1 The sender");
    say(&c, "MAIL FROM:<>", "550 5.7.1 The empty");
    say(&c, "MAIL FROM:<office@example.org>", "250");
    say(&c, "RSET", "250");
    const char *to = "RCPT TO:<ben@example.org>\r\n";
    send_message(&c, to, SLICE("From: ben@example.org\r\n\r\nx\r\n.\r\n"), "550 5.7.1 An address");
    send_message(&c, to, SLICE("Subject: x\r\n\r\nx\r\n.\r\n"), "550 5.7.1 The message");
    send_message(&c, to, SLICE(".\r\n"), "550 5.7.1 The message");
    send_message(&c, to, SLICE("From: office@example.org\r\nSender: ben@example.org\r\n\r\n.\r\n"),
                 "550 5.7.1 An address");
    send_message(&c, to, SLICE("From: office@example.org\r\n\r\n.\r\n"), "250");
    assert_int_equal(directory_account_state(w->directory, w->anna.id, ACCOUNT_NO_SEND), OK);
    put_bytes(&c, SLICE("MAIL FROM:<anna@example.org>\r\n"));
    hear(&c);
    /* Told at once, or by the end of the session: both are right. */
    assert_true(reply_has(&c, "550 5.7.1 Your account") || reply_has(&c, "421 4.7.0"));
    test_smtp_close(&c);
}

static void a_revoked_session_ends(void **state)
{
    struct world *w = *state;
    struct test_smtp c = logged_in(w);
    assert_int_equal(directory_password_set(w->directory, w->anna.id, SLICE("Another-Password-9")),
                     OK);
    expect(&c, "421 4.7.0");
    expect(&c, "");
    test_smtp_close(&c);
}

static void lockout(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        struct test_smtp c = hello(w);
        char text[64];
        int n = snprintf(text, sizeof text, "%canna@example.org%cwrong-%d", 0, 0, i);
        put_base64(&c, "AUTH PLAIN ", slice_of(text, (size_t)n));
        expect(&c, i < 4 ? "535 5.7.8"
                         : "421 4.7.0 Too many wrong passwords from your address, "
                           "closed until 20");
        /* The same again, by the same program on the same connection, counts once. */
        if (i < 4) {
            put_base64(&c, "AUTH PLAIN ", slice_of(text, (size_t)n));
            expect(&c, "535 5.7.8");
        } else {
            expect(&c, "");
        }
        test_smtp_close(&c);
    }
    struct test_smtp c = test_smtp_open(w->port, false);
    expect(&c, "421 4.7.0 Too many wrong passwords");
    expect(&c, "");
    test_smtp_close(&c);
}

static void a_proxy_speaks_for_its_clients(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        struct test_smtp c = hello(w);
        assert_true(reply_has(&c, "XCLIENT ADDR"));
        say(&c, "XCLIENT ADDR=192.0.2.9 LOGIN=ignored", "220 mx.example.org");
        say(&c, "AUTH PLAIN AGEAYg==", "503 5.5.1"); /* a new session: EHLO first */
        say(&c, "EHLO webmail", "250-");
        char text[64];
        int n = snprintf(text, sizeof text, "%canna@example.org%cwrong-%d", 0, 0, i);
        put_base64(&c, "AUTH PLAIN ", slice_of(text, (size_t)n));
        expect(&c, i < 4 ? "535" : "421");
        test_smtp_close(&c);
    }
    struct test_smtp c = hello(w);
    say(&c, "XCLIENT ADDR=nonsense", "501 5.5.4");
    say(&c, "XCLIENT ADDR=192.0.2.9", "421 4.7.0 Too many wrong");
    expect(&c, "");
    test_smtp_close(&c);
    c = hello(w);
    say(&c, "XCLIENT ADDR=IPV6:2001:db8::9", "220");
    say(&c, "EHLO webmail", "250-");
    put_base64(&c, "AUTH PLAIN ", SLICE("\0anna@example.org\0" PASSWORD));
    expect(&c, "235");
    say(&c, "XCLIENT ADDR=192.0.2.10", "503 5.5.1");
    test_smtp_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_before_tls),
        TEST(mechanisms),
        TEST(a_message_to_ben),
        TEST(foreign_recipients_wait),
        TEST(whose_addresses),
        TEST(a_revoked_session_ends),
        TEST(lockout),
        cmocka_unit_test_setup_teardown(a_proxy_speaks_for_its_clients, begin_proxy, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
