/* Tests of the SMTP client's transactions: every recipient's outcome, whatever the server does and
 * whenever it ends; the message on the wire; what this side refuses to say. */
#include "net/security.h"
#include "outbound/test_script.h"

static const struct relay_recipient people[] = {
    {.address = SLICE_INIT("a@x.example")},
    {.address = SLICE_INIT("b@x.example")},
    {.address = SLICE_INIT("c@x.example")},
};

static struct relay_request request(size_t n)
{
    return (struct relay_request){.sender = SLICE("s@me.example"),
                                  .recipient = people,
                                  .n_recipients = n,
                                  .ret = 2,
                                  .envid = SLICE("id1")};
}

/* "D 250 2.0.0 none|P 550 5.1.1 refused" */
static void print_outcomes(const struct relay_outcome_of *o, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%c %u %s %s", i ? "|" : "", "TDP"[o[i].outcome], o[i].code, o[i].status,
                   problem_word(o[i].problem));
    buf_byte(out, 0);
}

static enum error send_it(struct world *w, const struct relay_request *rq, struct slice raw,
                          const char *expected)
{
    struct relay_outcome_of outcome[LIMIT_RELAY_RECIPIENTS];
    autobuf found = BUF_INIT(64 * 1024);
    memset(outcome, 0xee, sizeof outcome);
    enum error e = client_send(w->client, rq, raw, &w->arena, outcome, &w->why);
    print_outcomes(outcome, rq->n_recipients, &found);
    assert_string_equal((const char *)found.p, expected);
    return e;
}

#define MAIL     "< MAIL FROM:<s@me.example>\n"
#define RCPT(p)  "< RCPT TO:<" p "@x.example>\n"
#define AT_ONCE  HELLO(PIPELINING) MAIL RCPT("a") RCPT("b") "< DATA\nquiet\n"
#define MESSAGE  "data\n> 250 2.6.0 taken\n"
#define BY_STEPS HELLO(NO_EXTENSIONS) MAIL "quiet\n"

static const struct {
    const char *script, *expected;
    bool ok;
} transactions[] = {
    {AT_ONCE "> 250 ok\n> 250 ok\n> 251 ok\n> 354 go\n" MESSAGE "< QUIT\n",
     "D 250 2.6.0 none|D 250 2.6.0 none", true},
    {AT_ONCE "> 250 ok\n> 450 4.2.1 grey\n> 250 ok\n> 354 go\n" MESSAGE "< QUIT\n",
     "T 450 4.2.1 refused|D 250 2.6.0 none", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 452 4.5.3 too many\n> 354 go\n" MESSAGE "< QUIT\n",
     "D 250 2.6.0 none|T 452 4.5.3 refused", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 552 too many\n> 354 go\n" MESSAGE "< QUIT\n",
     "D 250 2.6.0 none|T 552 4.5.3 refused", true},
    {AT_ONCE "> 250 ok\n> 552 no\n> 250 ok\n> 354 go\n" MESSAGE "< QUIT\n",
     "P 552 5.0.0 refused|D 250 2.6.0 none", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 552 5.2.2 mailbox full\n> 354 go\n" MESSAGE "< QUIT\n",
     "D 250 2.6.0 none|P 552 5.2.2 refused", true},
    /* DATA accepted though nobody is there: a dot alone */
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\n> 450 4.2.1 no\n> 354 go\n< .\n> 554 5.5.1 none\n< QUIT\n",
     "P 550 5.1.1 refused|T 450 4.2.1 refused", true},
    {AT_ONCE "> 550 5.7.1 you\n> 503 x\n> 503 x\n> 354 go\n< .\n> 554 none\n< QUIT\n",
     "P 550 5.7.1 refused|P 550 5.7.1 refused", true},
    {AT_ONCE "> 550 5.7.1 you\n> 250 x\n> 250 x\n> 354 go\n< .\n> 250 taken\nhang\n",
     "P 550 5.7.1 refused|P 550 5.7.1 refused", true},
    {AT_ONCE "> 451 4.3.0 x\n> 503 x\n> 503 x\n> 503 x\n< QUIT\n",
     "T 451 4.3.0 refused|T 451 4.3.0 refused", true},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\n> 550 5.1.1 no\n> 554 5.5.1 none\n< QUIT\n",
     "P 550 5.1.1 refused|P 550 5.1.1 refused", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 550 5.1.1 no\n> 554 5.3.0 no data\n< QUIT\n",
     "P 554 5.3.0 refused|P 550 5.1.1 refused", true},
    /* the class of an enhanced code does not count */
    {AT_ONCE "> 250 ok\n> 550 4.1.1 no\n> 450 5.1.1 no\n> 554 none\n< QUIT\n",
     "P 550 5.1.1 refused|T 450 4.1.1 refused", true},
    /* the answer to the message */
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n> 554 5.7.1 spam\n< QUIT\n",
     "P 554 5.7.1 refused|P 554 5.7.1 refused", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n> 451 4.3.0 no\n< QUIT\n",
     "T 451 4.3.0 refused|T 451 4.3.0 refused", true},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n",
     "T 0 4.4.2 lost-at-end|T 0 4.4.2 lost-at-end", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n>> 250 tak\n",
     "T 0 4.4.2 lost-at-end|T 0 4.4.2 lost-at-end", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n> ok, taken\nhang\n",
     "T 0 4.5.0 syntax|T 0 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n> 354 go\nhang\n",
     "T 354 4.5.0 syntax|T 354 4.5.0 syntax", false},
    /* an answer to the message's end before that was said */
    {AT_ONCE ">> 250 ok|250 ok|250 ok|354 go|250 2.6.0 taken|\nhang\n",
     "T 250 4.5.0 syntax|T 250 4.5.0 syntax", false},
    {AT_ONCE ">> 250 ok|550 5.1.1 no|250 ok|354 go|554 5.7.1 spam|\nhang\n",
     "P 550 5.1.1 refused|T 554 4.5.0 syntax", false},
    {AT_ONCE ">> 250 ok|550 5.1.1 no|550 5.1.1 no|354 go|554 5.5.1 none|\nhang\n",
     "P 550 5.1.1 refused|P 550 5.1.1 refused", false},
    {AT_ONCE ">> 250 ok|250 ok|250 ok|354 go|421 4.3.2 bye|\nhang\n",
     "T 421 4.3.2 refused|T 421 4.3.2 refused", false},
    {AT_ONCE ">> 250 ok|250 ok|250 ok|354 go|250 \n", "T 0 4.4.2 lost|T 0 4.4.2 lost", false},
    /* 421 wherever it comes */
    {AT_ONCE "> 421 bye\n", "T 421 4.0.0 refused|T 421 4.0.0 refused", false},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\n> 421 4.3.2 bye\n",
     "P 550 5.1.1 refused|T 421 4.3.2 refused", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 421 4.3.2 bye\n", "T 421 4.3.2 refused|T 421 4.3.2 refused",
     false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 421 4.3.2 bye\n",
     "T 421 4.3.2 refused|T 421 4.3.2 refused", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\n> 421 4.3.2 bye\n",
     "T 421 4.3.2 refused|T 421 4.3.2 refused", false},
    /* what is no answer to the question */
    {AT_ONCE "> 354 go\nhang\n", "T 354 4.5.0 syntax|T 354 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\n> 334 what\nhang\n",
     "P 550 5.1.1 refused|T 334 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 250 go\nhang\n",
     "T 250 4.5.0 syntax|T 250 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\nflood\n", "P 550 5.1.1 refused|T 0 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\nlong\n", "P 550 5.1.1 refused|T 0 4.5.0 syntax", false},
    {AT_ONCE "> 250 ok\n> 550 5.1.1 no\n", "P 550 5.1.1 refused|T 0 4.4.2 lost", false},
    {AT_ONCE "reset\n", "T 0 4.4.2 lost|T 0 4.4.2 lost", false},
    /* step by step */
    {BY_STEPS "> 250 ok\n" RCPT("a") "quiet\n> 250 ok\n" RCPT(
         "b") "quiet\n> 550 5.1.1 no\n"
              "< DATA\nquiet\n> 354 go\n" MESSAGE "< QUIT\n",
     "D 250 2.6.0 none|P 550 5.1.1 refused", true},
    {BY_STEPS "> 550 5.7.1 no\n< QUIT\n", "P 550 5.7.1 refused|P 550 5.7.1 refused", true},
    {BY_STEPS "> 250 ok\n" RCPT("a") "> 550 5.1.1 no\n" RCPT("b") "> 450 no\n< QUIT\n",
     "P 550 5.1.1 refused|T 450 4.0.0 refused", true},
    {BY_STEPS
     "> 250 ok\n" RCPT("a") "> 250 ok\n" RCPT("b") "> 250 ok\n"
                                                   "< DATA\n>> 354 go|250 2.6.0 taken|\nhang\n",
     "T 250 4.5.0 syntax|T 250 4.5.0 syntax", false},
    {BY_STEPS "> 250 ok\n" RCPT("a") "> 550 5.1.1 no\n" RCPT("b") "> 421 bye\n",
     "P 550 5.1.1 refused|T 421 4.0.0 refused", false},
};

static void outcomes(void **state)
{
    for (size_t i = 0; i < sizeof transactions / sizeof *transactions; i++) {
        struct world *w = *state;
        struct relay_request rq = request(2);
        print_message("%s", transactions[i].script);
        meet(w, transactions[i].script, PATIENCE_MS);
        assert_int_equal(w->error, OK);
        enum error e =
            send_it(w, &rq, SLICE("Subject: x\r\n\r\nhello\r\n"), transactions[i].expected);
        assert_int_equal(e == OK, transactions[i].ok);
        assert_int_equal(w->why.problem == PROBLEM_NONE, transactions[i].ok);
        must_have_followed(w);
    }
}

#define ONE_AT_ONCE                                                                                \
    HELLO(PIPELINING) MAIL RCPT("a") "< DATA\n> 250 ok\n> 250 ok\n> 354 go\n" MESSAGE

static void answers_are_kept(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(3);
    struct relay_outcome_of o[3];
    meet(w,
         HELLO(PIPELINING) MAIL RCPT("a") RCPT("b")
             RCPT("c") "< DATA\n> 250 ok\n> 250 ok\n"
                       "> 550-5.1.1 There is no\n> 550 5.1.1 gr\xc3\xbc\xc3\x9f\xff\n> 450\n> 354 "
                       "go\n" MESSAGE "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(client_send(w->client, &rq, SLICE("x\r\n"), &w->arena, o, &w->why), OK);
    assert_true(slice_eq(o[0].answer, SLICE("taken")));
    assert_true(slice_eq(o[1].answer, SLICE("There is no gr\xc3\xbc\xc3\x9f?")));
    assert_int_equal(o[2].answer.n, 0);
    must_have_followed(w);
}

/* Without memory for what is made on the way nobody is refused for good. */
static void no_memory_is_temporary(void **state)
{
    struct world *w = *state;
    struct relay_recipient to[] = {people[0], {.address = SLICE("a@b\xc3\xbc.example")}};
    struct relay_request rq = request(2);
    rq.recipient = to;
    arena_free(&w->arena);
    arena_init(&w->arena, 1);
    while (arena_alloc(&w->arena, 8))
        continue;
    meet(w, ONE_AT_ONCE "< QUIT\n", PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "D 250 2.6.0 none|T 0 4.3.1 busy"), OK);
    rq.sender = SLICE("s@b\xc3\xbc.example");
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "T 0 4.3.1 busy|T 0 4.3.1 busy"), OK);
    must_have_followed(w);
}

static void silence_is_cut(void **state)
{
    static const struct {
        const char *script, *expected;
    } table[] = {
        {AT_ONCE "hang\n", "T 0 4.4.2 timeout|T 0 4.4.2 timeout"},
        {AT_ONCE "drip\n", "T 0 4.4.2 timeout|T 0 4.4.2 timeout"},
        {AT_ONCE "> 250 ok\n> 550 5.1.1 no\nhang\n", "P 550 5.1.1 refused|T 0 4.4.2 timeout"},
        {AT_ONCE "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\ndata\nhang\n",
         "T 0 4.4.2 lost-at-end|T 0 4.4.2 lost-at-end"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        struct relay_request rq = request(2);
        meet(w, table[i].script, PATIENCE_MS);
        assert_int_equal(w->error, OK);
        const int64_t begin = clock_ms();
        client_until(w->client, begin + 300);
        assert_int_not_equal(send_it(w, &rq, SLICE("x\r\n"), table[i].expected), OK);
        assert_true(clock_ms() - begin < 2000);
        assert_false(client_reusable(w->client));
        must_have_followed(w);
    }
}

static void dots_are_doubled(void **state)
{
    static const struct {
        const char *raw, *wire;
    } table[] = {
        {"", ""},
        {"a\r\n", "a\r\n"},
        {"a", "a\r\n"},
        {".", "..\r\n"},
        {".\r\n", "..\r\n"},
        {"..\r\n.\r\n", "...\r\n..\r\n"},
        {"a\r\n.\r\nb.\r\n.c", "a\r\n..\r\nb.\r\n..c\r\n"},
        {"a.\r\n\r\n.", "a.\r\n\r\n..\r\n"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        struct relay_request rq = request(1);
        meet(w, ONE_AT_ONCE "< QUIT\n", PATIENCE_MS);
        assert_int_equal(send_it(w, &rq, slice_str(table[i].raw), "D 250 2.6.0 none"), OK);
        must_have_followed(w);
        assert_true(slice_eq(buf_slice(&w->server.message), slice_str(table[i].wire)));
    }
}

/* Larger than each buffer on the way; dots at every place of a piece. */
static void a_large_message(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    autobuf raw = BUF_INIT(8 * 1024 * 1024), wire = BUF_INIT(8 * 1024 * 1024);
    for (unsigned i = 0; raw.n < 4 * 1024 * 1024; i++) {
        const size_t begin = raw.n;
        buf_printf(&raw, "%s%0*u\r\n", i % 3 == 0 ? "." : "", (int)(i % 90), i);
        if (i % 3 == 0)
            buf_byte(&wire, '.');
        buf_add(&wire, slice_from(buf_slice(&raw), begin));
    }
    meet(w, ONE_AT_ONCE "< QUIT\n", 20000);
    assert_int_equal(send_it(w, &rq, buf_slice(&raw), "D 250 2.6.0 none"), OK);
    must_have_followed(w);
    assert_true(slice_eq(buf_slice(&w->server.message), buf_slice(&wire)));
}

/* The server ends in the middle of the message, without a word or with its reason. */
static void a_message_cut_short(void **state)
{
    static const struct {
        const char *script, *expected;
        enum problem problem;
    } table[] = {
        {"< a*\n", "T 0 4.4.2 lost", PROBLEM_LOST},
        {"< a*\n> 552 5.3.4 too big\n", "P 552 5.3.4 refused", PROBLEM_REFUSED},
        {"< a*\n> 421 4.3.2 bye\n", "T 421 4.3.2 refused", PROBLEM_REFUSED},
        {"< a*\n> 250 taken\n", "T 0 4.4.2 lost", PROBLEM_LOST},
    };
    autobuf raw = BUF_INIT(32 * 1024 * 1024);
    while (raw.n < 16 * 1024 * 1024)
        buf_lit(&raw, "a line of the message that does not get there\r\n");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        struct relay_request rq = request(1);
        autobuf script = BUF_INIT(4096);
        buf_lit(&script, HELLO(PIPELINING) MAIL RCPT("a") "< DATA\n> 250 ok\n> 250 ok\n> 354 go\n");
        buf_str(&script, table[i].script);
        buf_byte(&script, 0);
        meet(w, (const char *)script.p, PATIENCE_MS);
        assert_int_not_equal(send_it(w, &rq, buf_slice(&raw), table[i].expected), OK);
        assert_int_equal(w->why.problem, table[i].problem);
        assert_false(client_standing(w->client));
        must_have_followed(w);
    }
}

/* It does not read on: the deadline ends that. */
static void a_message_not_taken(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    autobuf raw = BUF_INIT(64 * 1024 * 1024);
    while (raw.n < 32 * 1024 * 1024)
        buf_lit(&raw, "a line of the message that does not get there\r\n");
    meet(w, HELLO(PIPELINING) MAIL RCPT("a") "< DATA\n> 250 ok\n> 250 ok\n> 354 go\ndrip\n",
         PATIENCE_MS);
    const int64_t begin = clock_ms();
    client_until(w->client, begin + 500);
    assert_int_not_equal(send_it(w, &rq, buf_slice(&raw), "T 0 4.4.2 timeout"), OK);
    assert_true(clock_ms() - begin < 3000);
    must_have_followed(w);
}

/* --- What this side decides --- */

static void bare_line_ends_do_not_leave(void **state)
{
    static const char *const bad[] = {"a\nb\r\n", "a\rb\r\n",     "a\r\n.\n", "\n",      "\r",
                                      "a\r",      "a\r\n.\r\r\n", "a\r\r\n",  "a\n\r\n", "a\n"};
    struct world *w = *state;
    struct relay_request rq = request(2);
    meet(w, HELLO(PIPELINING) "< QUIT\n", PATIENCE_MS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            send_it(w, &rq, slice_str(bad[i]), "P 0 5.6.0 unsendable|P 0 5.6.0 unsendable"), OK);
    assert_true(client_reusable(w->client));
    must_have_followed(w);
}

static void unclean_addresses_do_not_leave(void **state)
{
    static const struct slice bad[] = {
        SLICE_INIT(""),
        SLICE_INIT("a"),
        SLICE_INIT("@x.example"),
        SLICE_INIT("a@"),
        SLICE_INIT("a@x.example\r\nRCPT TO:<b@x.example>"),
        SLICE_INIT("a@x.example>\nDATA"),
        SLICE_INIT("a\0b@x.example"),
        SLICE_INIT("a@x.example> SIZE=1"),
        SLICE_INIT("a b@x.example"),
        SLICE_INIT("a@b@x.example"),
        SLICE_INIT("\"a@x.example"),
        SLICE_INIT("\"a\\\"@x.example"),
        SLICE_INIT("\"a\"b@x.example"),
        SLICE_INIT("\"a\r\n\"@x.example"),
        SLICE_INIT("a@x.example\x7f"),
        SLICE_INIT("\xff@x.example"),
    };
    struct world *w = *state;
    struct relay_recipient to[sizeof bad / sizeof *bad + 2];
    struct relay_request rq = request(0);
    autobuf expected = BUF_INIT(4096);
    memset(to, 0, sizeof to);
    to[0].address = SLICE("a@x.example");
    to[1].address = SLICE("\"odd > \\\" one\"@x.example");
    buf_lit(&expected, "D 250 2.6.0 none|D 250 2.6.0 none");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        to[i + 2].address = bad[i];
        buf_lit(&expected, "|P 0 5.1.3 unsendable");
    }
    buf_byte(&expected, 0);
    rq.recipient = to;
    rq.n_recipients = sizeof to / sizeof *to;
    meet(w,
         HELLO(PIPELINING) MAIL RCPT("a") "< RCPT TO:<\"odd > \\\" one\"@x.example>\n< DATA\n"
                                          "> 250 ok\n> 250 ok\n> 250 ok\n> 354 go\n" MESSAGE
                                          "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), (const char *)expected.p), OK);
    must_have_followed(w);
}

static void unclean_parameters_do_not_leave(void **state)
{
    struct world *w = *state;
    struct relay_recipient to[] = {people[0], people[1], people[2]};
    struct relay_request rq = request(3);
    meet(w, HELLO("> 250 DSN\n") "< QUIT\n", PATIENCE_MS);
    rq.envid = SLICE("x\r\nRSET");
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"),
                             "P 0 5.5.4 unsendable|P 0 5.5.4 unsendable|P 0 5.5.4 unsendable"),
                     OK);
    rq = request(3);
    rq.sender = SLICE("s@me.example> BODY=8BITMIME");
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"),
                             "P 0 5.1.7 unsendable|P 0 5.1.7 unsendable|P 0 5.1.7 unsendable"),
                     OK);
    rq = request(3);
    to[0].orcpt = SLICE("rfc822;a@x.example\r\nRSET");
    to[1].orcpt = SLICE("rfc822;a@x.example NOTIFY=NEVER");
    to[2].orcpt = SLICE("rfc822");
    rq.recipient = to;
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"),
                             "P 0 5.1.3 unsendable|P 0 5.1.3 unsendable|P 0 5.1.3 unsendable"),
                     OK);
    must_have_followed(w);
}

static void all_parameters(void **state)
{
    struct world *w = *state;
    struct relay_recipient to[] = {people[0], people[1]};
    struct relay_request rq = request(2);
    rq.eight_bit = rq.smtputf8 = true;
    to[0].orcpt = SLICE("rfc822;a+2B@x.example");
    to[0].notify = 2 | 4 | 8;
    to[1].notify = 1;
    rq.recipient = to;
    meet(
        w,
        HELLO(
            "> 250-PIPELINING\n> 250-SIZE 100\n> 250-8BITMIME\n> 250-SMTPUTF8\n> 250 DSN\n") "< "
                                                                                             "MAIL "
                                                                                             "FROM:"
                                                                                             "<s@"
                                                                                             "me."
                                                                                             "examp"
                                                                                             "le> "
                                                                                             "SIZE="
                                                                                             "3 "
                                                                                             "BODY="
                                                                                             "8BITM"
                                                                                             "IME "
                                                                                             "SMTPU"
                                                                                             "TF8 "
                                                                                             "RET="
                                                                                             "FULL "
                                                                                             "ENVID"
                                                                                             "=id1"
                                                                                             "\n"
                                                                                             "< "
                                                                                             "RCPT "
                                                                                             "TO:<"
                                                                                             "a@x."
                                                                                             "examp"
                                                                                             "le> "
                                                                                             "NOTIF"
                                                                                             "Y="
                                                                                             "SUCCE"
                                                                                             "SS,"
                                                                                             "FAILU"
                                                                                             "RE,"
                                                                                             "DELAY"
                                                                                             " ORCP"
                                                                                             "T="
                                                                                             "rfc82"
                                                                                             "2;a+"
                                                                                             "2B@x."
                                                                                             "examp"
                                                                                             "le\n"
                                                                                             "< "
                                                                                             "RCPT "
                                                                                             "TO:<"
                                                                                             "b@x."
                                                                                             "examp"
                                                                                             "le> "
                                                                                             "NOTIF"
                                                                                             "Y="
                                                                                             "NEVER"
                                                                                             "\n"
                                                                                             "< "
                                                                                             "DATA"
                                                                                             "\n> "
                                                                                             "250 "
                                                                                             "ok\n>"
                                                                                             " 250 "
                                                                                             "ok\n>"
                                                                                             " 250 "
                                                                                             "ok\n>"
                                                                                             " 354 "
                                                                                             "go"
                                                                                             "\n" MESSAGE
                                                                                             "< "
                                                                                             "QUIT"
                                                                                             "\n",
        PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("\xc3"), "D 250 2.6.0 none|D 250 2.6.0 none"), OK);
    must_have_followed(w);
}

/* Nothing is announced: nothing is said, and a message of eight bits goes as it is. */
static void no_parameters(void **state)
{
    struct world *w = *state;
    struct relay_recipient to[] = {people[0]};
    struct relay_request rq = request(1);
    rq.eight_bit = true;
    rq.sender = SLICE_NONE;
    to[0].notify = 2;
    to[0].orcpt = SLICE("rfc822;a@x.example");
    rq.recipient = to;
    meet(w,
         "> 220 a\n< EHLO me.example\n> 500 what?\n< HELO me.example\n> 250 a\n"
         "< MAIL FROM:<>\n> 250 ok\n< RCPT TO:<a@x.example>\n> 250 ok\n< DATA\n> 354 go\n" MESSAGE
         "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("\xff\r\n"), "D 250 2.6.0 none"), OK);
    must_have_followed(w);
    assert_true(slice_eq(buf_slice(&w->server.message), SLICE("\xff\r\n")));
}

static void too_big_is_not_tried(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w, HELLO("> 250 SIZE 10\n") "< QUIT\n", PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("0123456789\r\n"), "P 0 5.3.4 too-big"), OK);
    must_have_followed(w);
}

static void smtputf8_where_it_is_missing(void **state)
{
    struct world *w = *state;
    struct relay_recipient to[] = {{.address = SLICE("gr\xc3\xbc\xc3\x9f@x.example")},
                                   {.address = SLICE("a@b\xc3\xbc"
                                                     "cher.example"),
                                    .notify = 4,
                                    .orcpt = SLICE("utf-8;a@b\xc3\xbc"
                                                   "cher.example")}};
    struct relay_request rq = request(2);
    rq.recipient = to;
    rq.smtputf8 = true;
    meet(w,
         HELLO("> 250-PIPELINING\n> 250 DSN\n") "< MAIL FROM:<s@me.example> RET=FULL ENVID=id1\n"
                                                "< RCPT TO:<a@xn--bcher-kva.example> NOTIFY=FAILURE"
                                                " ORCPT=utf-8;a@b\\x{FC}cher.example\n< DATA\n"
                                                "> 250 ok\n> 250 ok\n> 354 go\n" MESSAGE "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("Subject: x\r\n\r\n\xc3\xbc\r\n"),
                             "P 0 5.6.7 no-smtputf8|D 250 2.6.0 none"),
                     OK);
    /* a header that needs it concerns everybody, and so does the sender */
    assert_int_equal(send_it(w, &rq, SLICE("Subject: \xc3\xbc\r\n\r\nx\r\n"),
                             "P 0 5.6.7 no-smtputf8|P 0 5.6.7 no-smtputf8"),
                     OK);
    rq.sender = SLICE("\xc3\xbc@me.example");
    assert_int_equal(send_it(w, &rq, SLICE("Subject: x\r\n\r\nx\r\n"),
                             "P 0 5.6.7 no-smtputf8|P 0 5.6.7 no-smtputf8"),
                     OK);
    must_have_followed(w);
}

static void requiretls(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    rq.require_tls = true;
    rq.ret = 0;
    rq.envid = SLICE_NONE;
    meet(w, HELLO("> 250 REQUIRETLS\n") "< QUIT\n", PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 0 5.7.30 no-requiretls"), OK);
    must_have_followed(w);

    meet(w, TLS_WITH("PIPELINING") "< QUIT\n", PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 0 5.7.30 no-requiretls"), OK);
    must_have_followed(w);

    meet(w,
         TLS_WITH("REQUIRETLS") "< MAIL FROM:<s@me.example> REQUIRETLS\n> 250 ok\n" RCPT(
             "a") "> 250 ok\n< DATA\n> 354 go\n" MESSAGE "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "D 250 2.6.0 none"), OK);
    must_have_followed(w);

    /* A bounce is rather sent without it than lost. */
    rq.sender = SLICE("");
    meet(w,
         TLS_WITH("8BITMIME") "< MAIL FROM:<>\n> 250 ok\n" RCPT(
             "a") "> 250 ok\n< DATA\n> 354 go\n" MESSAGE "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "D 250 2.6.0 none"), OK);
    must_have_followed(w);
}

/* --- Several transactions --- */

#define NEXT MAIL RCPT("a") "< DATA\n> 250 ok\n> 250 ok\n> 354 go\n" MESSAGE

static void a_session_is_used_again(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w,
         ONE_AT_ONCE NEXT MAIL RCPT("a") "< DATA\n> 250 ok\n> 550 5.1.1 no\n> 554 none\n"
                                         "< RSET\n" MAIL RCPT(
                                             "a") "< DATA\n> 250 reset\n> 250 ok\n"
                                                  "> 250 ok\n> 354 go\n" MESSAGE NEXT "< QUIT\n",
         PATIENCE_MS);
    for (int i = 0; i < 5; i++) {
        assert_true(client_reusable(w->client));
        assert_int_equal(
            send_it(w, &rq, SLICE("x\r\n"), i == 2 ? "P 550 5.1.1 refused" : "D 250 2.6.0 none"),
            OK);
    }
    must_have_followed(w);
}

static void reset_by_steps(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w,
         HELLO(NO_EXTENSIONS) MAIL
         "> 250 ok\n" RCPT("a") "> 550 5.1.1 no\n< RSET\nquiet\n> 250 ok\n" MAIL
                                "> 550 5.7.1 no\n" MAIL "> 421 bye\n",
         PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 550 5.1.1 refused"), OK);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 550 5.7.1 refused"), OK);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "T 421 4.0.0 refused"), ERR_CLOSED);
    assert_false(client_standing(w->client));
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "T 0 4.4.2 lost"), ERR_CLOSED);
    must_have_followed(w);
}

/* Who takes a message for nobody is out of step: what it says next may be about anything. */
static void a_message_for_nobody_ends_reuse(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w,
         HELLO(PIPELINING) MAIL RCPT("a") "< DATA\n> 250 ok\n> 550 5.1.1 no\n> 354 go\n"
                                          "< .\n> 250 taken\nhang\n",
         PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 550 5.1.1 refused"), OK);
    assert_false(client_reusable(w->client));
    must_have_followed(w);
}

static void what_is_not_asked_for_ends_reuse(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w, ONE_AT_ONCE "> 421 4.4.2 idle\nhang\n", PATIENCE_MS);
    assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "D 250 2.6.0 none"), OK);
    for (int i = 0; i < 200 && client_reusable(w->client); i++)
        usleep(10000);
    assert_false(client_reusable(w->client));
    must_have_followed(w);
}

static void transactions_are_counted(void **state)
{
    struct world *w = *state;
    struct relay_request rq = request(1);
    meet(w, HELLO("> 250 SIZE 1\n") "< QUIT\n", PATIENCE_MS);
    for (int i = 0; i < LIMIT_CLIENT_TRANSACTIONS; i++) {
        assert_true(client_reusable(w->client));
        assert_int_equal(send_it(w, &rq, SLICE("x\r\n"), "P 0 5.3.4 too-big"), OK);
    }
    assert_false(client_reusable(w->client));
    must_have_followed(w);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_world, free_world)
    const struct CMUnitTest tests[] = {
        TEST(outcomes),
        TEST(answers_are_kept),
        TEST(no_memory_is_temporary),
        TEST(silence_is_cut),
        TEST(dots_are_doubled),
        TEST(a_large_message),
        TEST(a_message_cut_short),
        TEST(a_message_not_taken),
        TEST(bare_line_ends_do_not_leave),
        TEST(unclean_addresses_do_not_leave),
        TEST(unclean_parameters_do_not_leave),
        TEST(all_parameters),
        TEST(no_parameters),
        TEST(too_big_is_not_tried),
        TEST(smtputf8_where_it_is_missing),
        TEST(requiretls),
        TEST(a_session_is_used_again),
        TEST(reset_by_steps),
        TEST(a_message_for_nobody_ends_reuse),
        TEST(what_is_not_asked_for_ends_reuse),
        TEST(transactions_are_counted),
    };
    return cmocka_run_group_tests_name("client_send", tests, NULL, NULL);
}
