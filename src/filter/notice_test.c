/* Notices with a real directory and a real store: what the sender reads about mail that left or did
 * not. */
#include "base/mem.h"
#include "filter/notice.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET "the body that nobody else may read"

struct world {
    char dir[64];
    struct directory *directory;
    struct store *store;
    struct delivery_service service;
    uint64_t anna;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static int begin(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct account a;
    char path[128];
    snprintf(w->dir, sizeof w->dir, "/tmp/depesche-notice-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(path, sizeof path, "%s/directory.db", w->dir);
    assert_int_equal(directory_open(path, &w->directory), OK);
    snprintf(path, sizeof path, "%s/store", w->dir);
    const struct store_options o = {.dir = path, .shards = 1};
    assert_int_equal(store_open(&o, &w->store), OK);
    assert_int_equal(directory_domain_add(w->directory, SLICE("example.org"), SLICE_NONE), OK);
    assert_int_equal(directory_account_add(w->directory, SLICE("anna@example.org"), SLICE("Anna"),
                                           SLICE("de"), SLICE_NONE, &a),
                     OK);
    w->anna = a.id;
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

struct letter {
    struct world *w;
    struct buf text; /* the first message of the inbox */
};

static bool read_it(void *arg, const struct store_row *row)
{
    struct letter *l = arg;
    struct store_body body;
    const struct mailbox_list *list;
    assert_int_equal(store_mailboxes(l->w->store, l->w->anna, &list), OK);
    assert_int_equal(store_body(l->w->store, l->w->anna, list->box[0].id, row->uid, &body), OK);
    buf_add(&l->text, body.raw);
    store_body_free(&body);
    store_mailboxes_unref(list);
    return false;
}

/* What anna got. */
static struct buf received(struct world *w)
{
    struct letter l = {w, BUF_INIT(1 << 20)};
    const struct mailbox_list *list;
    const struct uid_range all = {1, UINT32_MAX};
    assert_int_equal(store_mailboxes(w->store, w->anna, &list), OK);
    assert_int_equal(store_read(w->store, w->anna, list->box[0].id, &all, 1, 0, read_it, &l), OK);
    store_mailboxes_unref(list);
    return l.text;
}

static bool says(const struct buf *text, const char *needle)
{
    struct slice all = buf_slice(text);
    return slice_find(all, slice_str(needle)) < all.n;
}

/* One notice of one recipient, as the queue makes it. */
static enum error give(struct world *w, const struct queue_entry *entry,
                       const struct queue_recipient *to, struct relay_outcome_of outcome)
{
    const struct queue_notice_recipient one = {
        .recipient = to, .outcome = outcome, .host = SLICE("mx.there.example")};
    const struct queue_notice n = {
        .kind = NOTICE_FAILED,
        .entry = entry,
        .raw = SLICE("From: anna@example.org\r\nSubject: to there\r\n\r\n" SECRET "\r\n"),
        .recipient = &one,
        .n_recipients = 1,
    };
    return notice_deliver(&w->service, &n);
}

static const struct relay_outcome_of refused = {.outcome = RELAY_PERMANENT,
                                                .problem = PROBLEM_REFUSED,
                                                .code = 550,
                                                .status = "5.1.1",
                                                .answer = SLICE_INIT("nobody of that name")};
static const struct queue_recipient there = {.address = SLICE_INIT("x@there.example"),
                                             .last_answer =
                                                 SLICE_INIT("550 5.1.1 nobody of that name")};

static void test_refused(void **state)
{
    struct world *w = *state;
    const struct queue_entry entry = {.account = w->anna, .sender = SLICE("anna@example.org")};
    assert_int_equal(give(w, &entry, &there, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, "Das Postfach existiert nicht."));
    assert_true(says(&text, "\r\nDiagnostic-Code: smtp;550 5.1.1 nobody of that name\r\n"));
    assert_true(says(&text, "\r\nRemote-MTA: dns;mx.there.example\r\n"));
    assert_true(says(&text, SECRET));
    buf_free(&text);
}

/* RFC 3464 2.3.6 wants ASCII: an answer with umlauts is told all the same. */
static void test_umlauts(void **state)
{
    struct world *w = *state;
    const struct queue_entry entry = {.account = w->anna, .sender = SLICE("anna@example.org")};
    const struct queue_recipient to = {.address = there.address,
                                       .last_answer = SLICE("550 5.1.1 f\xc3\xbcr Sie\tnicht")};
    assert_int_equal(give(w, &entry, &to, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, "\r\nDiagnostic-Code: smtp;550 5.1.1 f??r Sie?nicht\r\n"));
    assert_true(says(&text, "            550 5.1.1 f\xc3\xbcr Sie?nicht\r\n"));
    assert_true(says(&text, "\r\nContent-Type: message/delivery-status\r\n"));
    buf_free(&text);
}

/* Quoted, almost everything may stand in front of the @: whoever wrote to it is told all the same.
 */
static void test_odd_address(void **state)
{
    struct world *w = *state;
    const struct queue_entry entry = {.account = w->anna, .sender = SLICE("anna@example.org")};
    const struct queue_recipient odd = {.address = SLICE("\"a\\\"b>, <c\"@there.example"),
                                        .last_answer = there.last_answer};
    assert_int_equal(give(w, &entry, &odd, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, "\r\nFinal-Recipient: rfc822;\"a\\\"b>, <c\"@there.example\r\n"));
    assert_true(says(&text, "    \"a\\\"b>, <c\"@there.example\r\n"));
    buf_free(&text);
}

/* RFC 8689 5: what was to go encrypted only comes back as its header. */
static void test_require_tls(void **state)
{
    struct world *w = *state;
    const struct queue_entry entry = {
        .account = w->anna, .sender = SLICE("anna@example.org"), .ret = 2, .require_tls = true};
    assert_int_equal(give(w, &entry, &there, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, "Subject: to there"));
    assert_false(says(&text, SECRET));
    buf_free(&text);
}

/* What was only forwarded may have a forged sender: he gets no more than the header either. */
static void test_forwarded(void **state)
{
    struct world *w = *state;
    const struct queue_entry entry = {.sender = SLICE("anna@example.org"), .ret = 2};
    assert_int_equal(give(w, &entry, &there, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, "Subject: to there"));
    assert_false(says(&text, SECRET));
    buf_free(&text);
}

static void must_be_private(struct world *w, struct slice orcpt, const char *shown,
                            const char *final)
{
    const struct queue_entry entry = {.sender = SLICE("anna@example.org")};
    struct queue_recipient to = there;
    to.orcpt = orcpt;
    assert_int_equal(give(w, &entry, &to, refused), OK);
    struct buf text = received(w);
    assert_true(says(&text, shown));
    assert_true(says(&text, final));
    assert_true(says(&text, "Das Postfach existiert nicht."));
    assert_true(says(&text, "\r\nStatus: 5.1.1\r\n"));
    assert_false(says(&text, "there.example"));
    assert_false(says(&text, "nobody of that name"));
    buf_free(&text);
}

/* Where it was forwarded to is not told to whoever wrote to an address here. */
static void test_private_forward(void **state)
{
    must_be_private(*state, SLICE("rfc822;ben+2Bx+3Dy@example.org"), "    ben+x=y@example.org\r\n",
                    "\r\nFinal-Recipient: rfc822;ben+x=y@example.org\r\n");
}

static void test_private_forward_of_utf8(void **state)
{
    must_be_private(*state, SLICE("utf-8;j\\x{F6}rg@example.org"),
                    "    j\xc3\xb6rg@example.org\r\n",
                    "\r\nFinal-Recipient: utf-8;j\xc3\xb6rg@example.org\r\n");
}

/* After days without success the reader learns what stood in the way, and the answer stays what the
 * other server said. */
static void test_expired(void **state)
{
    struct world *w = *state;
    autobuf trail = BUF_INIT(4096);
    relay_write_trail(&(struct relay_trail){.at = 1, .problem = PROBLEM_NO_TLS}, &trail);
    const struct queue_entry entry = {.account = w->anna, .sender = SLICE("anna@example.org")};
    const struct queue_recipient to = {.address = SLICE("x@there.example"),
                                       .last_answer = SLICE("451 4.7.1 come back later"),
                                       .trail = buf_slice(&trail)};
    const struct relay_outcome_of outcome = {.outcome = RELAY_TEMPORARY,
                                             .problem = PROBLEM_EXPIRED,
                                             .code = 451,
                                             .status = "4.4.7",
                                             .answer = SLICE("come back later")};
    assert_int_equal(give(w, &entry, &to, outcome), OK);
    struct buf text = received(w);
    assert_true(says(&text, problem_text(PROBLEM_EXPIRED, true) + 1));
    assert_true(says(&text, problem_text(PROBLEM_NO_TLS, true)));
    assert_true(says(&text, "\r\nStatus: 4.4.7\r\n"));
    assert_true(says(&text, "\r\nDiagnostic-Code: smtp;451 4.7.1 come back later\r\n"));
    buf_free(&text);
}

static bool on_entry(void *arg, const struct queue_entry *e)
{
    *(bool *)arg = true;
    return false;
}

/* Neither a bounce nor an address that is gone here makes a new letter. */
static void test_nobody_to_tell(void **state)
{
    struct world *w = *state;
    const struct queue_entry bounce = {.sender = SLICE("")};
    assert_int_equal(give(w, &bounce, &there, refused), OK);
    const struct queue_entry gone = {.sender = SLICE("gone@example.org")};
    assert_int_equal(give(w, &gone, &there, refused), OK);
    bool any = false;
    assert_int_equal(store_queue_list(w->store, 0, on_entry, &any), OK);
    assert_false(any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_umlauts, begin, end),
        cmocka_unit_test_setup_teardown(test_odd_address, begin, end),
        cmocka_unit_test_setup_teardown(test_require_tls, begin, end),
        cmocka_unit_test_setup_teardown(test_forwarded, begin, end),
        cmocka_unit_test_setup_teardown(test_private_forward, begin, end),
        cmocka_unit_test_setup_teardown(test_private_forward_of_utf8, begin, end),
        cmocka_unit_test_setup_teardown(test_expired, begin, end),
        cmocka_unit_test_setup_teardown(test_nobody_to_tell, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
