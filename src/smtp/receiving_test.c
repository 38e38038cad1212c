/* Receiving, driven over real sockets and a real hand-over; only the store behind it is a fake that
 * remembers what it was given. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "smtp/smtp.h"
#include "smtp/test_client.h"

struct world {
    struct test_server server;
    struct smtp_receiving service;
    struct handover_client *client;
    struct handover_server *mail;
    uint16_t port;
    pthread_mutex_t lock;
    unsigned messages;
    struct buf raw, trace;
    char sender[400];
    size_t recipients;
    bool smtputf8, require_tls;
    uint8_t ret, notify;
    char orcpt[100], envid[100];
    enum handover_status verdict;
};

static enum handover_status resolve(void *arg, struct slice recipient, uint64_t size)
{
    static const struct {
        const char *who;
        enum handover_status status;
    } table[] = {
        {"anna@example.org", HANDOVER_OK},          {"ben@example.org", HANDOVER_OK},
        {"full@example.org", HANDOVER_FULL},        {"closed@example.org", HANDOVER_CLOSED},
        {"later@example.org", HANDOVER_TEMPORARY},  {"postmaster", HANDOVER_OK},
        {"j\xc3\xbcrgen@example.org", HANDOVER_OK},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (slice_ieq(recipient, slice_str(table[i].who)))
            return table[i].status;
    if (!slice_iends(recipient, SLICE("@example.org")))
        return HANDOVER_NOT_OURS;
    return size > 1000 && slice_starts(recipient, SLICE("small")) ? HANDOVER_FULL
           : slice_starts(recipient, SLICE("small"))              ? HANDOVER_OK
                                                                  : HANDOVER_UNKNOWN;
}

static void copy_text(char *out, size_t size, struct slice s)
{
    assert_int_equal(slice_cstr(s, out, size), OK);
}

static void deliver(void *arg, const struct handover_envelope *e, struct slice raw,
                    enum handover_status *status)
{
    struct world *w = arg;
    pthread_mutex_lock(&w->lock);
    w->messages++;
    buf_reset(&w->raw);
    buf_reset(&w->trace);
    buf_add(&w->raw, raw);
    buf_add(&w->trace, e->trace);
    copy_text(w->sender, sizeof w->sender, e->sender);
    copy_text(w->envid, sizeof w->envid, e->envid);
    copy_text(w->orcpt, sizeof w->orcpt, e->recipients[0].orcpt);
    w->notify = e->recipients[0].notify;
    w->recipients = e->n_recipients;
    w->smtputf8 = e->smtputf8;
    w->require_tls = e->require_tls;
    w->ret = e->ret;
    for (size_t i = 0; i < e->n_recipients; i++)
        status[i] = w->verdict;
    pthread_mutex_unlock(&w->lock);
}

static void start_mail(struct world *w, int *edge_end)
{
    int fd[2];
    const struct handover_service service = {.resolve = resolve, .deliver = deliver, .arg = w};
    assert_int_equal(ipc_pair(fd), OK);
    assert_int_equal(handover_server_new(fd[1], &service, &w->mail), OK);
    *edge_end = fd[0];
}

static int begin(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    buf_init(&w->raw, 10 << 20);
    buf_init(&w->trace, 10000);
    int fd;
    start_mail(w, &fd);
    const struct handover_duties duties = {0};
    assert_int_equal(handover_client_new(fd, &duties, &w->client), OK);
    w->service = (struct smtp_receiving){.host = "mx.example.org",
                                         .limits = {.message_size = 200000, .recipients = 20},
                                         .handover = w->client};
    test_server_start(&w->server);
    w->port = test_server_listen(&w->server, &smtp_receiving_protocol, &w->service, false);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    test_server_stop(&w->server);
    handover_client_free(w->client);
    if (w->mail)
        handover_server_free(w->mail, 2000);
    buf_free(&w->raw);
    buf_free(&w->trace);
    mem_free(w);
    return 0;
}

static struct test_smtp hello(struct world *w)
{
    struct test_smtp c = test_smtp_open(w->port, false);
    expect(&c, "220 mx.example.org ESMTP");
    say(&c, "EHLO client.example", "250-mx.example.org");
    return c;
}

static struct test_smtp at_data(struct world *w)
{
    struct test_smtp c = hello(w);
    say(&c, "MAIL FROM:<a@sender.example>", "250 2.1.0");
    say(&c, "RCPT TO:<anna@example.org>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    return c;
}

static void announces(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    static const char *const lines[] = {"\n250-PIPELINING\r",
                                        "\n250-SIZE 200000\r",
                                        "\n250-8BITMIME\r",
                                        "\n250-SMTPUTF8\r",
                                        "\n250-DSN\r",
                                        "\n250-CHUNKING\r",
                                        "\n250-STARTTLS\r",
                                        "\n250-LIMITS MAILMAX=1000 RCPTMAX=20\r",
                                        "\n250 ENHANCEDSTATUSCODES"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_true(reply_has(&c, lines[i]));
    assert_false(reply_has(&c, "REQUIRETLS"));
    assert_false(reply_has(&c, "AUTH"));
    say(&c, "HELO client.example", "250 mx.example.org");
    say(&c, "NOOP", "250 2.0.0");
    say(&c, "VRFY anna", "252 2.1.5");
    say(&c, "EXPN anna", "502 5.5.1");
    say(&c, "HELP", "214 2.0.0");
    say(&c, "AUTH PLAIN AGEAYg==", "502 5.5.1");
    say(&c, "XCLIENT ADDR=192.0.2.1", "502 5.5.1");
    say(&c, "QUIT", "221 2.0.0");
    expect(&c, "");
    test_smtp_close(&c);
}

static void a_message(void **state)
{
    struct world *w = *state;
    struct test_smtp c = at_data(w);
    put_bytes(&c, SLICE("Subject: x\r\n\r\n..dot\r\n.\r\n"));
    expect(&c, "250 2.0.0 Message kept as ");
    assert_int_equal(w->messages, 1);
    assert_true(slice_eq(buf_slice(&w->raw), SLICE("Subject: x\r\n\r\n.dot\r\n")));
    assert_string_equal(w->sender, "a@sender.example");
    struct slice t = buf_slice(&w->trace);
    assert_true(slice_starts(t, SLICE("Received: from client.example ([127.0.0.1])\r\n"
                                      "\tby mx.example.org with ESMTP\r\n\tid ")));
    assert_true(slice_find(t, SLICE("\r\n\tfor <anna@example.org>;\r\n\t")) < t.n);
    /* The next transaction knows nothing of it. */
    say(&c, "DATA", "503 5.5.1");
    say(&c, "MAIL FROM:<>", "250 2.1.0");
    say(&c, "DATA", "503 5.5.1");
    say(&c, "RCPT TO:<\"anna\"@example.org>", "250 2.1.5");
    say(&c, "RCPT TO:<Postmaster>", "250 2.1.5");
    say(&c, "DATA", "354 ");
    put_bytes(&c, SLICE(".\r\n"));
    expect(&c, "250 2.0.0");
    assert_string_equal(w->sender, "");
    assert_true(w->recipients == 2 && w->raw.n == 0);
    assert_int_equal(slice_find(buf_slice(&w->trace), SLICE("for <")), w->trace.n);
    test_smtp_close(&c);
}

/* Around the size from which on it is kept in a memfd, and far above. */
static void sizes(void **state)
{
    struct world *w = *state;
    static const size_t sizes[] = {LIMIT_HANDOVER_SMALL - 2, LIMIT_HANDOVER_SMALL,
                                   LIMIT_HANDOVER_SMALL + 2, 3 * LIMIT_HANDOVER_SMALL, 14};
    struct test_smtp c = at_data(w);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        autobuf sent = BUF_INIT(200000);
        autobuf kept = BUF_INIT(200000);
        for (size_t line = 0; kept.n < sizes[i]; line++) {
            buf_lit(&sent, "..");
            buf_lit(&kept, ".");
            size_t n = sizes[i] - kept.n < 80 ? sizes[i] - kept.n - 2 : 70;
            for (size_t k = 0; k < n; k++) {
                buf_byte(&sent, (uint8_t)('a' + (line + k) % 26));
                buf_byte(&kept, (uint8_t)('a' + (line + k) % 26));
            }
            buf_lit(&sent, "\r\n");
            buf_lit(&kept, "\r\n");
        }
        buf_lit(&sent, ".\r\n");
        if (i > 0) {
            say(&c, "MAIL FROM:<a@sender.example>", "250");
            say(&c, "RCPT TO:<anna@example.org>", "250");
            say(&c, "DATA", "354");
        }
        put_bytes(&c, buf_slice(&sent));
        expect(&c, "250 2.0.0");
        assert_int_equal(w->raw.n, sizes[i]);
        assert_true(slice_eq(buf_slice(&w->raw), buf_slice(&kept)));
    }
    test_smtp_close(&c);
}

static void recipients(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    say(&c, "RCPT TO:<anna@example.org>", "503 5.5.1");
    say(&c, "MAIL FROM:<a@sender.example> SIZE=5000", "250 2.1.0");
    say(&c, "MAIL FROM:<a@sender.example>", "503 5.5.1");
    say(&c, "RCPT TO:<nobody@example.org>", "550 5.1.1");
    say(&c, "RCPT TO:<full@example.org>", "452 4.2.2");
    say(&c, "RCPT TO:<small@example.org>", "452 4.2.2");
    say(&c, "RCPT TO:<closed@example.org>", "550 5.2.1");
    say(&c, "RCPT TO:<later@example.org>", "451 4.3.0");
    say(&c, "RCPT TO:<x@elsewhere.example>", "550 5.7.1");
    say(&c, "RCPT TO:<x@@example.org>", "501 5.1.3");
    say(&c, "RCPT TO:<j\xc3\xbcrgen@example.org>", "553 5.6.7");
    say(&c, "RCPT TO:<anna@example.org> NOTIFY=SOMETIMES", "501 5.5.4");
    for (int i = 0; i < 20; i++)
        say(&c, "RCPT TO:<anna@example.org>", "250 2.1.5");
    say(&c, "RCPT TO:<anna@example.org>", "452 4.5.3");
    say(&c, "RSET", "250 2.0.0");
    say(&c, "RCPT TO:<anna@example.org>", "503 5.5.1");
    test_smtp_close(&c);
}

static void parameters_arrive(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    say(&c, "MAIL FROM:<j\xc3\xbcrgen@sender.example> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=e1",
        "250 2.1.0");
    say(&c, "RCPT TO:<j\xc3\xbcrgen@example.org> NOTIFY=NEVER ORCPT=rfc822;o+40x.example",
        "250 2.1.5");
    say(&c, "DATA", "354 ");
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "250 2.0.0");
    assert_true(w->smtputf8 && !w->require_tls);
    assert_true(w->ret == 1 && w->notify == 1);
    assert_string_equal(w->envid, "e1");
    assert_string_equal(w->orcpt, "rfc822;o+40x.example");
    assert_true(slice_find(buf_slice(&w->trace), SLICE(" with UTF8SMTP\r\n")) < w->trace.n);
    say(&c, "MAIL FROM:<a@sender.example> REQUIRETLS", "530 5.7.10");
    say(&c, "MAIL FROM:<a@sender.example> SIZE=200001", "552 5.3.4");
    say(&c, "MAIL FROM:<postmaster>", "501 5.1.7");
    test_smtp_close(&c);
}

static void chunking(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    /* Everything in one go, as RFC 3030 allows. */
    put_bytes(&c, SLICE("MAIL FROM:<a@sender.example>\r\nRCPT TO:<anna@example.org>\r\n"
                        "BDAT 10\r\nSubject: xBDAT 7 LAST\r\n\r\n\r\n.\r\nNOOP\r\n"));
    expect(&c, "250 2.1.0");
    expect(&c, "250 2.1.5");
    expect(&c, "250 2.0.0 Chunk");
    expect(&c, "250 2.0.0 Message kept");
    expect(&c, "250 2.0.0 OK");
    assert_true(slice_eq(buf_slice(&w->raw), SLICE("Subject: x\r\n\r\n.\r\n")));
    /* Without a transaction the chunk is no command either. */
    put_bytes(&c, SLICE("BDAT 6\r\nQUIT\r\nNOOP\r\n"));
    expect(&c, "503 5.5.1");
    expect(&c, "250 2.0.0");
    /* A bare LF, also across chunks; a missing last line end; DATA in between. */
    put_bytes(&c, SLICE("MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nBDAT 2\r\na\rBDAT 2 LAST\r\n"
                        "b\n"));
    expect(&c, "250");
    expect(&c, "250");
    expect(&c, "250 2.0.0 Chunk");
    expect(&c, "554 5.6.0");
    put_bytes(&c, SLICE("MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nBDAT 2\r\na\r"));
    expect(&c, "250");
    expect(&c, "250");
    expect(&c, "250 2.0.0 Chunk");
    say(&c, "DATA", "503 5.5.1");
    say(&c, "RCPT TO:<ben@example.org>", "503 5.5.1");
    put_bytes(&c, SLICE("BDAT 2 LAST\r\n\nb"));
    expect(&c, "250 2.0.0");
    assert_true(slice_eq(buf_slice(&w->raw), SLICE("a\r\nb\r\n")));
    assert_int_equal(w->messages, 2);
    /* Too big: refused before it comes, and still read past. */
    say(&c, "MAIL FROM:<>", "250");
    say(&c, "RCPT TO:<anna@example.org>", "250");
    uint8_t *big = mem_alloc(200001);
    memset(big, 'x', 200001);
    put_bytes(&c, SLICE("BDAT 200001 LAST\r\n"));
    put_bytes(&c, slice_of(big, 200001));
    expect(&c, "552 5.3.4");
    say(&c, "NOOP", "250");
    mem_free(big);
    /* Whoever cannot say how much text follows is not heard on: it would be read as commands. */
    put_bytes(&c, SLICE("MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nBDAT 0x6 LAST\r\nNOOP\r\n"));
    expect(&c, "250");
    expect(&c, "250");
    expect(&c, "501 5.5.4");
    expect(&c, "");
    test_smtp_close(&c);
}

static void pipelining(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    put_bytes(&c, SLICE("MAIL FROM:<a@sender.example>\r\nRCPT TO:<nobody@example.org>\r\n"
                        "RCPT TO:<anna@example.org>\r\nDATA\r\n"));
    expect(&c, "250");
    expect(&c, "550 5.1.1");
    expect(&c, "250");
    expect(&c, "354");
    put_bytes(&c, SLICE("x\r\n.\r\nRSET\r\nQUIT\r\n"));
    expect(&c, "250 2.0.0");
    expect(&c, "250 2.0.0");
    expect(&c, "221");
    assert_int_equal(w->messages, 1);
    test_smtp_close(&c);
}

/* Bytes may come one at a time, and the session parks between them. */
static void byte_by_byte(void **state)
{
    struct world *w = *state;
    struct test_smtp c = at_data(w);
    struct slice m = SLICE("Subject: x\r\n\r\n.a\r\n..\r\nb\r\n.\r\n");
    for (size_t i = 0; i < m.n; i++) {
        put_bytes(&c, slice_sub(m, i, i + 1));
        usleep(1000);
    }
    expect(&c, "250 2.0.0");
    assert_true(slice_eq(buf_slice(&w->raw), SLICE("Subject: x\r\n\r\na\r\n.\r\nb\r\n")));
    test_smtp_close(&c);
}

static void speaking_out_of_turn(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    put_bytes(&c, SLICE("MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\nDATA\r\nSubject: x\r\n"));
    expect(&c, "250");
    expect(&c, "250");
    expect(&c, "554 5.5.0");
    expect(&c, "");
    test_smtp_close(&c);
    c = test_smtp_open(w->port, false);
    expect(&c, "220");
    put_bytes(&c, SLICE("EHLO a\r\nMAIL FROM:<>\r\n"));
    expect(&c, "554 5.5.0");
    expect(&c, "");
    test_smtp_close(&c);
    c = test_smtp_open(w->port, false);
    expect(&c, "220");
    say(&c, "GET / HTTP/1.1", "554 5.5.0");
    expect(&c, "");
    test_smtp_close(&c);
    assert_int_equal(w->messages, 0);
}

static void bad_lines(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    put_bytes(&c, SLICE("NOOP\n"));
    expect(&c, "500 5.5.2");
    put_bytes(&c, SLICE("NOOP\0\r\n"));
    expect(&c, "500 5.5.2");
    char lot[LIMIT_SMTP_LINE + 100];
    memset(lot, 'x', sizeof lot);
    put_bytes(&c, slice_of(lot, sizeof lot));
    put_bytes(&c, slice_of(lot, sizeof lot));
    put_bytes(&c, SLICE("\r\nNOOP\r\n"));
    expect(&c, "500 5.5.6");
    expect(&c, "250");
    for (int i = 0; i < LIMIT_SMTP_ERRORS - 3; i++)
        say(&c, "BLAH", "500 5.5.1");
    say(&c, "BLAH", "421 4.7.0");
    expect(&c, "");
    test_smtp_close(&c);
}

/* Guessing names is not for free; a list with old addresses is borne for a while. */
static void too_many_refused(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    say(&c, "MAIL FROM:<a@sender.example>", "250");
    for (int i = 0; i < LIMIT_SMTP_REFUSED; i++)
        say(&c, "RCPT TO:<nobody@example.org>", "550 5.1.1");
    say(&c, "RCPT TO:<nobody@example.org>", "421 4.7.0");
    expect(&c, "");
    test_smtp_close(&c);
}

static void bad_content(void **state)
{
    struct world *w = *state;
    static const struct {
        struct slice content;
        const char *want;
    } rows[] = {
        {SLICE_INIT("a\nb\r\n.\r\n"), "554 5.6.0 A bare"},
        {SLICE_INIT("a\rb\r\n.\r\n"), "554 5.6.0 A bare"},
        {SLICE_INIT("a\n.\nMAIL FROM:<>\r\n.\r\n"), "554 5.6.0 A bare"},
        {SLICE_INIT("a\0\r\n.\r\n"), "554 5.6.0 A NUL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_smtp c = at_data(w);
        put_bytes(&c, rows[i].content);
        expect(&c, rows[i].want);
        say(&c, "NOOP", "250 2.0.0");
        test_smtp_close(&c);
    }
    struct test_smtp c = at_data(w);
    uint8_t line[1000];
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (int i = 0; i < 201; i++)
        put_bytes(&c, slice_of(line, sizeof line));
    put_bytes(&c, SLICE(".\r\n"));
    expect(&c, "552 5.3.4");
    say(&c, "MAIL FROM:<>", "250");
    test_smtp_close(&c);
    /* Many short runs, long after the message was refused. */
    c = at_data(w);
    for (size_t i = 0; i + 4 <= sizeof line; i += 4)
        memcpy(line + i, "..\r\n", 4);
    for (int i = 0; i < 1000; i++)
        put_bytes(&c, slice_of(line, sizeof line));
    put_bytes(&c, SLICE(".\r\n"));
    expect(&c, "552 5.3.4");
    say(&c, "NOOP", "250");
    test_smtp_close(&c);
    assert_int_equal(w->messages, 0);
}

static void under_tls(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    say(&c, "STARTTLS", "220 2.0.0");
    test_smtp_tls(&c);
    say(&c, "MAIL FROM:<>", "503 5.5.1"); /* what was said in clear is forgotten */
    say(&c, "EHLO client.example", "250-mx.example.org");
    assert_true(reply_has(&c, "\n250-REQUIRETLS\r"));
    assert_false(reply_has(&c, "STARTTLS"));
    say(&c, "STARTTLS", "503 5.5.1");
    say(&c, "MAIL FROM:<> REQUIRETLS", "250");
    say(&c, "RCPT TO:<anna@example.org>", "250");
    say(&c, "DATA", "354");
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "250");
    assert_true(w->require_tls);
    assert_true(slice_find(buf_slice(&w->trace),
                           SLICE("with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)")) < w->trace.n);
    say(&c, "QUIT", "221");
    test_smtp_close(&c);
}

static void tls_injection(void **state)
{
    struct world *w = *state;
    struct test_smtp c = hello(w);
    put_bytes(&c, SLICE("STARTTLS\r\nMAIL FROM:<evil@example.net>\r\n"));
    expect(&c, "554 5.5.0");
    expect(&c, "");
    test_smtp_close(&c);
}

static void verdicts(void **state)
{
    struct world *w = *state;
    static const struct {
        enum handover_status verdict;
        const char *want;
    } rows[] = {
        {HANDOVER_NO_ROOM, "452 4.3.1"}, {HANDOVER_FULL, "452 4.2.2"},
        {HANDOVER_LOOP, "554 5.4.6"},    {HANDOVER_TEMPORARY, "451 4.3.0"},
        {HANDOVER_UNKNOWN, "550 5.1.1"}, {HANDOVER_OK, "250 2.0.0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w->verdict = rows[i].verdict;
        struct test_smtp c = at_data(w);
        put_bytes(&c, SLICE("x\r\n.\r\n"));
        expect(&c, rows[i].want);
        test_smtp_close(&c);
    }
}

/* `mail` goes away in the middle, and comes back. */
static void without_mail(void **state)
{
    struct world *w = *state;
    struct test_smtp c = at_data(w);
    handover_server_free(w->mail, 1000);
    w->mail = NULL;
    for (int i = 0; i < 2000 && handover_client_alive(w->client); i++)
        usleep(1000);
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "421 4.3.0");
    expect(&c, "");
    test_smtp_close(&c);
    c = test_smtp_open(w->port, false);
    expect(&c, "421 4.3.0");
    expect(&c, "");
    test_smtp_close(&c);
    int fd;
    start_mail(w, &fd);
    handover_client_replace(w->client, fd);
    c = at_data(w);
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "250");
    test_smtp_close(&c);
}

/* A repeatable stream of numbers, so that a failure can be seen again. */
static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static const struct slice pieces[] = {
    SLICE_INIT("EHLO a.example\r\n"),
    SLICE_INIT("MAIL FROM:<a@b.example>\r\n"),
    SLICE_INIT("RCPT TO:<anna@example.org>\r\n"),
    SLICE_INIT("RCPT TO:<nobody@example.org>\r\n"),
    SLICE_INIT("DATA\r\n"),
    SLICE_INIT(".\r\n"),
    SLICE_INIT("..\r\n"),
    SLICE_INIT("\r\n.\r\n"),
    SLICE_INIT("\n.\n"),
    SLICE_INIT("\r"),
    SLICE_INIT("\0"),
    SLICE_INIT("Subject: x\r\n\r\n"),
    SLICE_INIT("BDAT 0\r\n"),
    SLICE_INIT("BDAT 5\r\n"),
    SLICE_INIT("BDAT 300000\r\n"),
    SLICE_INIT("BDAT 9 LAST\r\n"),
    SLICE_INIT("RSET\r\n"),
    SLICE_INIT("NOOP\r\n"),
    SLICE_INIT("AUTH PLAIN x\r\n"),
    SLICE_INIT("NOOP\n"),
};

/* Everything in any order, waiting or not, cut anywhere. */
static void speak_rubbish(struct world *w, uint32_t seed)
{
    struct test_smtp c = hello(w);
    if (seed % 2)
        put_bytes(&c, SLICE("MAIL FROM:<>\r\nRCPT TO:<anna@example.org>\r\n"));
    if (seed % 4 == 1) {
        put_bytes(&c, SLICE("DATA\r\n"));
        for (int i = 0; i < 3; i++)
            hear(&c);
    }
    for (int i = 0; i < 60; i++) {
        struct slice p = pieces[next_number(&seed) % (sizeof pieces / sizeof pieces[0])];
        unsigned times = next_number(&seed) % 16 ? 1 : next_number(&seed) % 20000;
        autobuf b = BUF_INIT(1 << 20);
        for (unsigned k = 0; k < times; k++)
            buf_add(&b, p);
        struct slice s = slice_sub(buf_slice(&b), 0, b.n - (next_number(&seed) % 8 == 0));
        if (s.n > 0 && send(c.fd, s.p, s.n, MSG_NOSIGNAL) < 0)
            break;
    }
    shutdown(c.fd, SHUT_WR);
    char rest[4096];
    while (recv(c.fd, rest, sizeof rest, 0) > 0)
        continue;
    test_smtp_close(&c);
}

static void rubbish(void **state)
{
    struct world *w = *state;
    for (uint32_t seed = 0; seed < 200; seed++)
        speak_rubbish(w, seed);
    struct test_smtp c = at_data(w);
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "250");
    test_smtp_close(&c);
}

/* A message on its way is taken before the service ends. */
static void stopping(void **state)
{
    struct world *w = *state;
    struct test_smtp c = at_data(w), idle = hello(w);
    runtime_stop(w->server.runtime, 5000);
    expect(&idle, "421 4.3.2");
    expect(&idle, "");
    put_bytes(&c, SLICE("x\r\n.\r\n"));
    expect(&c, "250 2.0.0");
    expect(&c, "421 4.3.2");
    expect(&c, "");
    test_smtp_close(&c);
    test_smtp_close(&idle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(announces),    TEST(a_message),         TEST(sizes),
        TEST(recipients),   TEST(parameters_arrive), TEST(chunking),
        TEST(pipelining),   TEST(byte_by_byte),      TEST(speaking_out_of_turn),
        TEST(bad_lines),    TEST(too_many_refused),  TEST(bad_content),
        TEST(under_tls),    TEST(tls_injection),     TEST(verdicts),
        TEST(without_mail), TEST(stopping),          TEST(rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
