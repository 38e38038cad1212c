/* Delivery with a real directory and a real store: who gets what, in which words, and what is
 * refused. */
#include "base/mem.h"
#include "filter/delivery.h"
#include "trust/dkim.h"
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

static void run_from(struct world *w, const char *sender, struct delivery_recipient *r, size_t n,
                     struct slice raw)
{
    struct delivery_request rq = {.sender = slice_str(sender),
                                  .envid = SLICE("QQ+2B1+3D"),
                                  .trace = RECEIVED,
                                  .raw = raw,
                                  .received = 1795348800,
                                  .recipients = r,
                                  .n_recipients = n};
    delivery_run(&w->service, &rq);
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
    char sender[100], first[100], orcpt[100]; /* of the first recipient */
    uint8_t notify;
};

static bool see_entry(void *arg, const struct queue_entry *e)
{
    struct queue_seen *q = arg;
    q->entries++;
    q->recipients += (unsigned)e->n_recipients;
    q->id = e->id;
    q->account = e->account;
    q->notify = e->recipients[0].notify;
    assert_int_equal(slice_cstr(e->sender, q->sender, sizeof q->sender), OK);
    assert_int_equal(slice_cstr(e->recipients[0].address, q->first, sizeof q->first), OK);
    assert_int_equal(slice_cstr(e->recipients[0].orcpt, q->orcpt, sizeof q->orcpt), OK);
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

static void give_key(struct world *w)
{
    const struct directory_dkim key = {
        .selector = "e1", .ed25519 = true, .state = DKIM_ACTIVE, .record = SLICE("v=DKIM1")};
    struct buf pem = BUF_INIT(LIMIT_DKIM_PEM);
    assert_int_equal(dkim_key_make(DKIM_ED25519, &pem), OK);
    const struct slice text = buf_slice(&pem);
    assert_int_equal(directory_dkim_add(w->directory, SLICE("example.org"), &key, &text, 1), OK);
    buf_wipe(&pem);
}

static void what_leaves_is_signed(void **state)
{
    struct world *w = *state;
    const struct slice raw = SLICE("From: anna@example.org\r\n\r\nbody\r\n");
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    give_key(w);
    w->service.signing = signing_new(w->directory);
    struct delivery_recipient away = {.address = SLICE("x@remote.example")};
    run(w, &away, 1, raw, true);
    assert_int_equal(away.status, DELIVERY_OK);
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, queue(w).id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("DKIM-Signature: v=1; a=ed25519-sha256;")));
    assert_true(slice_find(b.raw, SLICE(" d=example.org;")) < b.raw.n);
    size_t trace = slice_find(b.raw, SLICE("\r\nReceived: here\r\n"));
    assert_true(slice_eq(slice_from(b.raw, trace + strlen("\r\nReceived: here\r\n")), raw));
    store_body_free(&b);
    /* What stays is not signed; nor is a forged sender on its way through. */
    struct delivery_recipient here = {.address = SLICE("carla@example.org")};
    run(w, &here, 1, raw, true);
    inbox_holds(w, w->carla, 1,
                SLICE("Return-Path: <x@sender.example>\r\nDelivered-To: carla@example.org\r\n"
                      "Received: here\r\nFrom: anna@example.org\r\n\r\nbody\r\n"));
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, true), OK);
    assert_int_equal(run_one(w, "ben@example.org", raw), DELIVERY_OK);
    assert_int_equal(store_queue_body(w->store, queue(w).id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("Delivered-To: ben@example.org\r\n")));
    store_body_free(&b);
    signing_free(w->service.signing);
}

/* Ours in seven bits, and the signature is of these; what passes through stays as it is. */
static void what_leaves_has_seven_bits(void **state)
{
    struct world *w = *state;
    const struct slice raw =
        SLICE("From: anna@example.org\r\n\r\ngr\xfc\xdf dich, Ben, im Garten\r\n");
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    give_key(w);
    w->service.signing = signing_new(w->directory);
    struct delivery_recipient away = {.address = SLICE("x@remote.example")};
    run(w, &away, 1, raw, true);
    assert_int_equal(away.status, DELIVERY_OK);
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, queue(w).id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("DKIM-Signature: ")));
    assert_true(slice_ends(b.raw, SLICE("Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                        "gr=FC=DF dich, Ben, im Garten\r\n")));
    /* bh= is the hash of the body that left: sha256 of its last line. */
    assert_true(slice_find(b.raw, SLICE(" bh=H5se0M7z8mTjtubwT5qBqe/c53ioz6HWed88dTQw/+U=;")) <
                b.raw.n);
    store_body_free(&b);
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, true), OK);
    assert_int_equal(run_one(w, "ben@example.org", raw), DELIVERY_OK);
    assert_int_equal(store_queue_body(w->store, queue(w).id, &b), OK);
    assert_true(slice_ends(b.raw, raw));
    store_body_free(&b);
    signing_free(w->service.signing);
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
    assert_true(slice_starts(slice_str(q.sender), SLICE("SRS0=")));
    assert_non_null(strstr(q.sender, "=sender.example=x@example.org"));
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, q.id, &b), OK);
    assert_true(slice_starts(b.raw, SLICE("Delivered-To: ben@example.org\r\nReceived: here\r\n")));
    /* It comes back: the mark is seen. */
    assert_int_equal(run_one(w, "ben@example.org", b.raw), DELIVERY_LOOP);
    store_body_free(&b);
    assert_int_equal(queue(w).entries, 1);
}

/* What the sender wrote to goes with a forward, in his own words where they name an address. */
static void forwards_name_the_address_written_to(void **state)
{
    static const struct {
        const char *address, *orcpt, *expected;
    } rows[] = {
        {"ben@example.org", "", "rfc822;ben@example.org"},
        {"ben+a=b@example.org", "", "rfc822;ben+2Ba+3Db@example.org"},
        {"ben@example.org", "rfc822;first@sender.example", "rfc822;first@sender.example"},
        {"ben@example.org", "utf-8;j\\x{F6}rg@sender.example", "utf-8;j\\x{F6}rg@sender.example"},
        {"ben@example.org", "x400;c=de", "rfc822;ben@example.org"},
        {"ben@example.org", "rfc822;first+0D+0A@sender.example", "rfc822;ben@example.org"},
        {"ben@example.org", "utf-8;j\\x{F6", "rfc822;ben@example.org"},
        {"ben@example.org", "utf-8;j\\x{}\\x{A}", "rfc822;ben@example.org"},
        {"j\xc3\xb6rg+x=y@example.org", "", "utf-8;j\xc3\xb6rg\\x{2B}x\\x{3D}y@example.org"},
    };
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, false), OK);
    assert_int_equal(
        directory_forward_set(w->directory, account(w, "j\xc3\xb6rg@example.org"), to, 1, false),
        OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct delivery_recipient r = {.address = slice_str(rows[i].address),
                                       .orcpt = slice_str(rows[i].orcpt)};
        run(w, &r, 1, MESSAGE, false);
        assert_int_equal(r.status, DELIVERY_OK);
        assert_string_equal(queue(w).orcpt, rows[i].expected);
    }
}

/* A bounce finds the first sender, whom nobody here would relay to otherwise. */
static void bounces_of_forwards_find_home(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, false), OK);
    assert_int_equal(run_one(w, "ben@example.org", MESSAGE), DELIVERY_OK);
    struct queue_seen q = queue(w);
    char back[LIMIT_ADDRESS + 1];
    snprintf(back, sizeof back, "%s", q.sender);
    assert_int_equal(delivery_probe(&w->service, slice_str(back), 0, false), DELIVERY_OK);
    struct delivery_recipient home = {.address = slice_str(back)};
    run_from(w, "", &home, 1, MESSAGE);
    assert_int_equal(home.status, DELIVERY_OK);
    assert_string_equal(queue(w).first, "x@sender.example");
    back[8] = back[8] == 'a' ? 'b' : 'a';
    run_from(w, "", &home, 1, MESSAGE);
    assert_int_equal(home.status, DELIVERY_UNKNOWN);
    assert_int_equal(run_one(w, "SRS0=aaaaaaaa=aa=a.example=b@elsewhere.example", MESSAGE),
                     DELIVERY_NOT_OURS);
    /* "postmaster" names no domain; the host's own, mx.example.org, is none that is served. */
    assert_int_equal(directory_postmaster(w->directory, SLICE("operator@remote.example")), OK);
    assert_int_equal(run_one(w, "postmaster", MESSAGE), DELIVERY_OK);
    snprintf(back, sizeof back, "%s", queue(w).sender);
    assert_true(slice_ends(slice_str(back), SLICE("=x@example.org")));
    assert_int_equal(delivery_probe(&w->service, slice_str(back), 0, false), DELIVERY_OK);
}

/* With the rewritten sender of a forward nobody sends through us to the one behind it, and what is
 * refused for that reaches no other recipient either. */
static void only_bounces_take_the_way_home(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, false), OK);
    assert_int_equal(run_one(w, "ben@example.org", MESSAGE), DELIVERY_OK);
    struct queue_seen q = queue(w);
    struct delivery_recipient r[] = {{.address = SLICE("anna@example.org")},
                                     {.address = slice_str(q.sender)}};
    for (int may_relay = 0; may_relay < 2; may_relay++) {
        run(w, r, 2, MESSAGE, may_relay);
        assert_int_equal(r[0].status, DELIVERY_UNKNOWN);
        assert_int_equal(r[1].status, DELIVERY_UNKNOWN);
    }
    assert_int_equal(delivery_probe(&w->service, r[1].address, 0, true), DELIVERY_UNKNOWN);
    assert_int_equal(queue(w).entries, 1);
    assert_int_equal(inbox_count(w, w->anna), 0);
    run_from(w, "", r, 2, MESSAGE);
    assert_int_equal(r[0].status, DELIVERY_OK);
    assert_int_equal(r[1].status, DELIVERY_OK);
}

/* What shows one of our own addresses as its author does not get our name in its envelope. */
static void forgeries_keep_their_envelope(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("b@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->ben, to, 1, false), OK);
    static const char *const from[] = {"anna@example.org", "anna@sub.example.org"};
    for (size_t i = 0; i < 2; i++) {
        autobuf raw = BUF_INIT(1000);
        buf_printf(&raw, "From: %s\r\nSubject: x\r\n\r\nx\r\n", from[i]);
        assert_int_equal(run_one(w, "ben@example.org", buf_slice(&raw)), DELIVERY_OK);
        assert_string_equal(queue(w).sender, "x@sender.example");
    }
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

#define NEVER   1
#define SUCCESS 2

/* The newest message in the Inbox, which must have as many. */
static struct store_body newest(struct world *w, uint64_t id, uint32_t count)
{
    const struct mailbox_list *l;
    struct store_body b;
    assert_int_equal(inbox_count(w, id), count);
    assert_int_equal(store_mailboxes(w->store, id, &l), OK);
    uint32_t box = store_mailbox_by_use(l, USE_INBOX)->id;
    store_mailboxes_unref(l);
    assert_int_equal(store_body(w->store, id, box, count, &b), OK);
    return b;
}

static void must_have(struct slice text, const char *const *want)
{
    for (; *want; want++)
        if (slice_find(text, slice_str(*want)) == text.n)
            fail_msg("no \"%s\" in: %.*s", *want, SLICE_FMT(text));
}

static void must_lack(struct slice text, const char *s)
{
    if (slice_find(text, slice_str(s)) < text.n)
        fail_msg("\"%s\" in: %.*s", s, SLICE_FMT(text));
}

static void reports_to_a_local_sender(void **state)
{
    struct world *w = *state;
    alias(w, "team@example.org", "ben@example.org");
    alias(w, "team@example.org", "carla@example.org");
    assert_int_equal(directory_account_language(w->directory, w->anna, SLICE("de")), OK);
    struct delivery_recipient r[] = {
        {.address = SLICE("ben@example.org"),
         .orcpt = SLICE("rfc822;b+2Ben@example.org"),
         .notify = SUCCESS | 4},
        {.address = SLICE("team@example.org"), .notify = SUCCESS},
        {.address = SLICE("carla@example.org"), .notify = 4},
        {.address = SLICE("nobody@example.org"), .notify = SUCCESS},
    };
    run_from(w, "anna@example.org", r, 4,
             SLICE("Message-ID: <1@x>\r\nSubject: hello\r\n\r\nsecret body\r\n"));
    struct store_body b = newest(w, w->anna, 1);
    static const char *const want[] = {
        "Return-Path: <>\r\nDelivered-To: anna@example.org\r\n",
        "From: Mail Delivery System <postmaster@mx.example.org>\r\nTo: <anna@example.org>\r\n",
        "\r\nIn-Reply-To: <1@x>\r\nAuto-Submitted: auto-replied\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=",
        "Ihre Nachricht wurde zugestellt an:\r\n\r\n    ben@example.org\r\n",
        "Content-Type: message/delivery-status\r\n",
        "Original-Envelope-Id: QQ+1=\r\nReporting-MTA: dns;mx.example.org\r\nArrival-Date: ",
        "\r\n\r\nOriginal-Recipient: rfc822;b+en@example.org\r\nFinal-Recipient: "
        "rfc822;ben@example.org\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
        "\r\n\r\nFinal-Recipient: rfc822;team@example.org\r\nAction: expanded\r\n",
        "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        "Message-ID: <1@x>\r\nSubject: hello\r\n",
        NULL};
    must_have(b.raw, want);
    must_lack(b.raw, "secret");
    must_lack(b.raw, "nobody@");
    must_lack(b.raw, "carla@");
    store_body_free(&b);
    assert_int_equal(inbox_count(w, w->ben), 1);
    assert_int_equal(queue(w).entries, 0);
}

static void reports_to_a_foreign_sender(void **state)
{
    struct world *w = *state;
    struct delivery_recipient r = {.address = SLICE("ben@example.org"), .notify = SUCCESS};
    run_from(w, "x@sender.example", &r, 1, MESSAGE);
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.recipients == 1 && q.account == 0 && q.notify == NEVER);
    assert_string_equal(q.sender, "");
    assert_string_equal(q.first, "x@sender.example");
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, q.id, &b), OK);
    static const char *const want[] = {
        "Your message was delivered to:\r\n\r\n    ben@example.org\r\n", NULL};
    must_have(b.raw, want);
    assert_true(slice_starts(b.raw, SLICE("From: Mail Delivery System <")));
    store_body_free(&b);
}

/* Quoted, almost everything may stand in front of the @. */
static void reports_to_an_odd_sender(void **state)
{
    struct world *w = *state;
    struct delivery_recipient r = {.address = SLICE("ben@example.org"), .notify = SUCCESS};
    run_from(w, "\"a\\\"b>, <c\"@sender.example", &r, 1, MESSAGE);
    struct queue_seen q = queue(w);
    assert_string_equal(q.first, "\"a\\\"b>, <c\"@sender.example");
    struct store_body b;
    assert_int_equal(store_queue_body(w->store, q.id, &b), OK);
    static const char *const want[] = {"\r\nTo: <\"a\\\"b>, <c\"@sender.example>\r\n", NULL};
    must_have(b.raw, want);
    store_body_free(&b);
}

static void nothing_to_report(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("c@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->carla, to, 1, false), OK);
    static const struct {
        const char *sender, *recipient;
        uint8_t notify;
    } rows[] = {
        {"", "ben@example.org", SUCCESS},
        {"anna@example.org", "ben@example.org", 0},
        {"anna@example.org", "ben@example.org", 4 | 8},
        {"anna@example.org", "ben@example.org", NEVER | SUCCESS},
        {"anna@example.org", "nobody@example.org", SUCCESS},
        {"anna@example.org", "carla@example.org", SUCCESS}, /* the queue reports */
        {"a<b@example.org", "ben@example.org", SUCCESS},
        {"\"a\"b>@example.org", "ben@example.org", SUCCESS},
        {"\"a\\\">@example.org", "ben@example.org", SUCCESS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct delivery_recipient r = {.address = slice_str(rows[i].recipient),
                                       .notify = rows[i].notify};
        run_from(w, rows[i].sender, &r, 1, MESSAGE);
        if (inbox_count(w, w->anna) != 0)
            fail_msg("row %zu is reported", i);
    }
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.notify == SUCCESS);
}

/* What is answered here is not answered once more by the server that gets the copy. */
static void a_copy_asks_for_no_report(void **state)
{
    struct world *w = *state;
    const struct slice to[] = {SLICE_INIT("c@remote.example")};
    assert_int_equal(directory_forward_set(w->directory, w->carla, to, 1, true), OK);
    struct delivery_recipient r = {.address = SLICE("carla@example.org"), .notify = SUCCESS};
    run_from(w, "anna@example.org", &r, 1, MESSAGE);
    struct queue_seen q = queue(w);
    assert_true(q.entries == 1 && q.notify == NEVER);
    struct store_body b = newest(w, w->anna, 1);
    static const char *const want[] = {"\r\nAction: delivered\r\n", NULL};
    must_have(b.raw, want);
    must_lack(b.raw, "remote.example");
    store_body_free(&b);
}

static void a_full_inbox_loses_only_the_report(void **state)
{
    struct world *w = *state;
    assert_int_equal(directory_account_quota(w->directory, w->anna, 10), OK);
    struct delivery_recipient r = {.address = SLICE("ben@example.org"), .notify = SUCCESS};
    run_from(w, "anna@example.org", &r, 1, MESSAGE);
    assert_int_equal(r.status, DELIVERY_OK);
    assert_int_equal(inbox_count(w, w->anna), 0);
    assert_int_equal(inbox_count(w, w->ben), 1);
}

/* Neither decoded values nor the header of the message write lines of their own, and what comes
 * back is bounded. */
static void reports_are_clean(void **state)
{
    struct world *w = *state;
    autobuf raw = BUF_INIT(4 * LIMIT_REPORT_HEADER);
    buf_lit(&raw, "Subject: gr\xc3\xbc\xc3\x9f\x01"
                  "e\r\n");
    while (raw.n < 3 * (size_t)LIMIT_REPORT_HEADER)
        buf_lit(&raw, "X-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    buf_lit(&raw, "\r\nbody\r\n");
    struct delivery_recipient r = {.address = SLICE("ben@example.org"),
                                   .orcpt = SLICE("rfc822;x+0D+0AX-Evil:+201"),
                                   .notify = SUCCESS};
    struct delivery_request rq = {.sender = SLICE("anna@example.org"),
                                  .envid = SLICE("1+0AX-Evil:"),
                                  .raw = buf_slice(&raw),
                                  .recipients = &r,
                                  .n_recipients = 1};
    delivery_run(&w->service, &rq);
    struct store_body b = newest(w, w->anna, 1);
    must_lack(b.raw, "X-Evil");
    must_lack(b.raw, "Original-");
    must_lack(b.raw, "\x01");
    static const char *const want[] = {"Content-Type: message/global-headers\r\n"
                                       "Content-Transfer-Encoding: 8bit\r\n\r\n"
                                       "Subject: gr\xc3\xbc\xc3\x9f"
                                       "e\r\n",
                                       NULL};
    must_have(b.raw, want);
    assert_true(b.raw.n < LIMIT_REPORT_HEADER + 4096);
    store_body_free(&b);
}

static void reports_of_international_addresses(void **state)
{
    struct world *w = *state;
    account(w, "j\xc3\xb6rg@example.org");
    struct delivery_recipient r = {.address = SLICE("j\xc3\xb6rg@example.org"),
                                   .orcpt = SLICE("utf-8;j\\x{F6}rg@example.org"),
                                   .notify = SUCCESS};
    run_from(w, "anna@example.org", &r, 1, MESSAGE);
    assert_int_equal(r.status, DELIVERY_OK);
    struct store_body b = newest(w, w->anna, 1);
    static const char *const want[] = {
        "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n",
        "Original-Recipient: utf-8;j\\x{F6}rg@example.org\r\n"
        "Final-Recipient: utf-8;j\xc3\xb6rg@example.org\r\n",
        NULL};
    must_have(b.raw, want);
    store_body_free(&b);
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
        TEST(what_leaves_is_signed),
        TEST(what_leaves_has_seven_bits),
        TEST(forwards_wait_in_the_queue),
        TEST(forwards_name_the_address_written_to),
        TEST(bounces_of_forwards_find_home),
        TEST(only_bounces_take_the_way_home),
        TEST(forgeries_keep_their_envelope),
        TEST(loops),
        TEST(full_mailboxes),
        TEST(probing),
        TEST(the_sender_writes_no_fields),
        TEST(many_targets),
        TEST(reports_to_a_local_sender),
        TEST(reports_to_a_foreign_sender),
        TEST(reports_to_an_odd_sender),
        TEST(nothing_to_report),
        TEST(a_copy_asks_for_no_report),
        TEST(a_full_inbox_loses_only_the_report),
        TEST(reports_are_clean),
        TEST(reports_of_international_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
