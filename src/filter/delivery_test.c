/* Delivery with a real directory and a real store: who gets what, in which words, and what is
 * refused. */
#include "base/mem.h"
#include "filter/delivery.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char dir[64];
    struct directory *directory;
    struct store *store;
    struct delivery_service service;
    uint64_t anna, ben, carla;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static uint64_t account(struct world *w, const char *address)
{
    struct account a;
    assert_int_equal(directory_account_add(w->directory, slice_str(address), SLICE("Name"),
                                           SLICE("en"), SLICE_NONE, &a),
                     OK);
    return a.id;
}

static int begin(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/depesche-delivery-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    char path[128];
    snprintf(path, sizeof path, "%s/directory.db", w->dir);
    assert_int_equal(directory_open(path, &w->directory), OK);
    snprintf(path, sizeof path, "%s/store", w->dir);
    const struct store_options o = {.dir = path, .shards = 2};
    assert_int_equal(store_open(&o, &w->store), OK);
    assert_int_equal(directory_domain_add(w->directory, SLICE("example.org"), SLICE_NONE), OK);
    w->anna = account(w, "anna@example.org");
    w->ben = account(w, "ben@example.org");
    w->carla = account(w, "carla@example.org");
    w->service = (struct delivery_service){w->store, w->directory, "mx.example.org"};
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    directory_close(w->directory);
    nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(w);
    return 0;
}

static void alias(struct world *w, const char *address, const char *target)
{
    assert_int_equal(directory_alias_add(w->directory, slice_str(address), slice_str(target)), OK);
}

#define RECEIVED SLICE("Received: here\r\n")
#define MESSAGE  SLICE("From: x@sender.example\r\nSubject: hello\r\n\r\nbody\r\n")

/* Delivers to up to four recipients; statuses are left in `r`. */
static void run(struct world *w, struct delivery_recipient *r, size_t n, struct slice raw,
                bool may_relay)
{
    struct delivery_request rq = {
        .sender_account = may_relay ? w->anna : 0,
        .sender = SLICE("x@sender.example"),
        .may_relay = may_relay,
        .trace = RECEIVED,
        .raw = raw,
        .received = 1795348800,
        .recipients = r,
        .n_recipients = n,
    };
    delivery_run(&w->service, &rq);
}

static enum delivery_status run_one(struct world *w, const char *to, struct slice raw)
{
    struct delivery_recipient r = {.address = slice_str(to)};
    run(w, &r, 1, raw, false);
    return r.status;
}

static unsigned inbox_count(struct world *w, uint64_t id)
{
    const struct mailbox_list *l;
    assert_int_equal(store_account_ensure(w->store, id, SLICE("en")), OK);
    assert_int_equal(store_mailboxes(w->store, id, &l), OK);
    unsigned n = store_mailbox_by_use(l, USE_INBOX)->exists;
    store_mailboxes_unref(l);
    return n;
}

/* The message with that uid in the Inbox must be exactly this. */
static void inbox_holds(struct world *w, uint64_t id, uint32_t uid, struct slice want)
{
    const struct mailbox_list *l;
    assert_int_equal(store_mailboxes(w->store, id, &l), OK);
    uint32_t box = store_mailbox_by_use(l, USE_INBOX)->id;
    store_mailboxes_unref(l);
    struct store_body b;
    assert_int_equal(store_body(w->store, id, box, uid, &b), OK);
    if (!slice_eq(b.raw, want))
        fail_msg("stored: %.*s", SLICE_FMT(b.raw));
    store_body_free(&b);
}

struct queue_seen {
    unsigned entries, recipients;
    uint64_t id, account;
    char sender[100], first[100];
};

static bool see_entry(void *arg, const struct queue_entry *e)
{
    struct queue_seen *q = arg;
    q->entries++;
    q->recipients += (unsigned)e->n_recipients;
    q->id = e->id;
    q->account = e->account;
    assert_int_equal(slice_cstr(e->sender, q->sender, sizeof q->sender), OK);
    assert_int_equal(slice_cstr(e->recipients[0].address, q->first, sizeof q->first), OK);
    return true;
}

static struct queue_seen queue(struct world *w)
{
    struct queue_seen q = {0};
    assert_int_equal(store_queue_list(w->store, 0, see_entry, &q), OK);
    return q;
}

static void fields_in_front(void **state)
{
    struct world *w = *state;
    assert_int_equal(run_one(w, "Anna+tag@example.org", MESSAGE), DELIVERY_OK);
    inbox_holds(w, w->anna, 1,
                SLICE("Return-Path: <x@sender.example>\r\nDelivered-To: anna@example.org\r\n"
                      "Received: here\r\nFrom: x@sender.example\r\nSubject: hello\r\n\r\n"
                      "body\r\n"));
}

static void each_mailbox_once(void **state)
{
    struct world *w = *state;
    alias(w, "team@example.org", "anna@example.org");
    alias(w, "team@example.org", "ben@example.org");
    struct delivery_recipient r[] = {{.address = SLICE("anna@example.org")},
                                     {.address = SLICE("team@example.org")},
                                     {.address = SLICE("anna+x@example.org")},
                                     {.address = SLICE("nobody@example.org")}};
    run(w, r, 4, MESSAGE, false);
    assert_int_equal(r[0].status, DELIVERY_OK);
    assert_int_equal(r[1].status, DELIVERY_OK);
    assert_int_equal(r[2].status, DELIVERY_OK);
    assert_int_equal(r[3].status, DELIVERY_UNKNOWN);
    assert_int_equal(inbox_count(w, w->anna), 1);
    assert_int_equal(inbox_count(w, w->ben), 1);
    assert_int_equal(inbox_count(w, w->carla), 0);
    assert_int_equal(queue(w).entries, 0);
}

static void strangers_do_not_relay(void **state)
{
    struct world *w = *state;
    assert_int_equal(run_one(w, "x@remote.example", MESSAGE), DELIVERY_NOT_OURS);
    assert_int_equal(run_one(w, "not an address", MESSAGE), DELIVERY_BAD);
    assert_int_equal(run_one(w, "a\r\nb@example.org", MESSAGE), DELIVERY_BAD);
    assert_int_equal(queue(w).entries, 0);
}

static void users_relay_in_one_commit(void **state)
{
    struct world *w = *state;
    struct delivery_recipient r[] = {{.address = SLICE("ben@example.org")},
                                     {.address = SLICE("x@remote.example"), .notify = 4},
                                     {.address = SLICE("X@remote.example")},
                                     {.address = SLICE("y@remote.example")}};
    run(w, r, 4, MESSAGE, true);
    for (int i = 0; i < 4; i++)
        assert_int_equal(r[i].status, DELIVERY_OK);
    assert_int_equal(inbox_count(w, w->ben), 1);
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.recipients == 2 && q.account == w->anna);
    assert_string_equal(q.sender, "x@sender.example");
    assert_string_equal(q.first, "x@remote.example");
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, q.id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("Received: here\r\nFrom: ")));
    store_body_free(&b);
    inbox_holds(w, w->ben, 1,
                SLICE("Return-Path: <x@sender.example>\r\nDelivered-To: ben@example.org\r\n"
                      "Received: here\r\nFrom: x@sender.example\r\nSubject: hello\r\n\r\n"
                      "body\r\n"));
}

static void forwards_wait_in_the_queue(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, true), OK);
    assert_int_equal(run_one(w, "ben@example.org", MESSAGE), DELIVERY_OK);
    assert_int_equal(inbox_count(w, w->ben), 1);
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.account == 0);
    assert_string_equal(q.sender, "x@sender.example");
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, q.id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("Delivered-To: ben@example.org\r\nReceived: here\r\n")));
    /* It comes back: the mark is seen. */
    assert_int_equal(run_one(w, "ben@example.org", b.raw), DELIVERY_LOOP);
    store_body_free(&b);
    assert_int_equal(queue(w).entries, 1);
}

static void loops(void **state)
{
    struct world *w = *state;
    autobuf b = BUF_INIT(100000);
    for (int i = 0; i < LIMIT_RECEIVED_FIELDS; i++)
        buf_lit(&b, "Received: from a by b; Sun, 22 Nov 2026 12:00:00 +0000\r\n");
    size_t good = b.n;
    buf_lit(&b, "\r\nx\r\n");
    assert_int_equal(run_one(w, "anna@example.org", buf_slice(&b)), DELIVERY_OK);
    b.n = good;
    buf_lit(&b, "Received: one more\r\n\r\nx\r\n");
    assert_int_equal(run_one(w, "anna@example.org", buf_slice(&b)), DELIVERY_LOOP);

    struct slice again = SLICE("delivered-to: Anna@Example.org\r\n\r\nx\r\n");
    assert_int_equal(run_one(w, "anna@example.org", again), DELIVERY_LOOP);
    assert_int_equal(run_one(w, "ben@example.org", again), DELIVERY_OK);
    /* In the body it means nothing. */
    assert_int_equal(run_one(w, "anna@example.org",
                             SLICE("Subject: x\r\n\r\nDelivered-To: anna@example.org\r\n")),
                     DELIVERY_OK);
    /* Behind an alias the others still get it. */
    alias(w, "team@example.org", "anna@example.org");
    alias(w, "team@example.org", "carla@example.org");
    assert_int_equal(run_one(w, "team@example.org", again), DELIVERY_OK);
    assert_int_equal(inbox_count(w, w->carla), 1);
    assert_int_equal(inbox_count(w, w->anna), 2);
}

static void full_mailboxes(void **state)
{
    struct world *w = *state;
    assert_int_equal(directory_account_quota(w->directory, w->anna, 1000), OK);
    assert_int_equal(delivery_probe(&w->service, SLICE("anna@example.org"), 999, false),
                     DELIVERY_OK);
    assert_int_equal(delivery_probe(&w->service, SLICE("anna@example.org"), 1001, false),
                     DELIVERY_QUOTA);
    autobuf big = BUF_INIT(10000);
    buf_lit(&big, "Subject: x\r\n\r\n");
    while (big.n < 2000)
        buf_lit(&big, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    struct delivery_recipient r[] = {{.address = SLICE("anna@example.org")},
                                     {.address = SLICE("ben@example.org")}};
    run(w, r, 2, buf_slice(&big), false);
    assert_int_equal(r[0].status, DELIVERY_QUOTA);
    assert_int_equal(r[1].status, DELIVERY_OK);
    assert_int_equal(inbox_count(w, w->anna), 0);
    assert_int_equal(inbox_count(w, w->ben), 1);
    /* An alias is kept by all behind it or by none. */
    alias(w, "team@example.org", "anna@example.org");
    alias(w, "team@example.org", "carla@example.org");
    assert_int_equal(run_one(w, "team@example.org", buf_slice(&big)), DELIVERY_QUOTA);
    assert_int_equal(inbox_count(w, w->carla), 0);
}

static void probing(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *address;
        bool may_relay;
        enum delivery_status want;
    } rows[] = {
        {"anna@example.org", false, DELIVERY_OK},
        {"ANNA@EXAMPLE.ORG", false, DELIVERY_OK},
        {"nobody@example.org", true, DELIVERY_UNKNOWN},
        {"x@remote.example", false, DELIVERY_NOT_OURS},
        {"x@remote.example", true, DELIVERY_OK},
        {"carla@example.org", false, DELIVERY_CLOSED},
        {"x", true, DELIVERY_BAD},
        {"\x01@example.org", true, DELIVERY_BAD},
    };
    assert_int_equal(directory_account_state(w->directory, w->carla, ACCOUNT_CLOSED), OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum delivery_status s =
            delivery_probe(&w->service, slice_str(rows[i].address), 0, rows[i].may_relay);
        if (s != rows[i].want)
            fail_msg("%s: %d", rows[i].address, (int)s);
    }
}

/* A hostile envelope cannot write fields of its own. */
static void the_sender_writes_no_fields(void **state)
{
    struct world *w = *state;
    struct delivery_recipient r = {.address = SLICE("anna@example.org")};
    struct delivery_request rq = {.sender = SLICE("a>\r\nX-Evil: <b@c.example"),
                                  .raw = MESSAGE,
                                  .recipients = &r,
                                  .n_recipients = 1};
    delivery_run(&w->service, &rq);
    assert_int_equal(r.status, DELIVERY_BAD);
    assert_int_equal(inbox_count(w, w->anna), 0);
}

static void many_targets(void **state)
{
    struct world *w = *state;
    enum { N = 1000 };
    struct delivery_recipient *r = mem_array(N, sizeof *r);
    char(*text)[40] = mem_array(N, sizeof *text);
    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "u%d@remote.example", i % 700);
        r[i].address = slice_str(text[i]);
    }
    run(w, r, N, MESSAGE, true);
    for (int i = 0; i < N; i++)
        assert_int_equal(r[i].status, DELIVERY_OK);
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.recipients == 700);
    mem_free(r);
    mem_free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_in_front),
        TEST(each_mailbox_once),
        TEST(strangers_do_not_relay),
        TEST(users_relay_in_one_commit),
        TEST(forwards_wait_in_the_queue),
        TEST(loops),
        TEST(full_mailboxes),
        TEST(probing),
        TEST(the_sender_writes_no_fields),
        TEST(many_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
