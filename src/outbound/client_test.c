/* Tests of the SMTP client against servers that follow a script, decent and hostile ones.
 *
 * A script's lines: "> text" is said (with CRLF), ">> text" too, with "|" for each CRLF in one
 * write, "< text" must come (a "*" at the end: anything may follow), and of the words
 *   data    takes a message up to its dot      tls     the handshake
 *   quiet   nothing may be there now           hang    says nothing more, waits for the end
 *   reset   ends the connection hard           flood   "250-x" lines without end
 *   long    one line without end               drip    a byte each 50 ms
 * A script's end closes. What does not come as written is told by `wrong`. */
#include "base/clock.h"
#include "base/mem.h"
#include "net/test_tls.h"
#include "outbound/client.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PATIENCE_MS 4000

struct server {
    const char *script;
    struct tls_identity *identity;
    pthread_t thread;
    int listener, fd;
    uint16_t port;
    SSL_CTX *ctx;
    SSL *ssl;
    struct buf message;
    char wrong[300];
};

/* --- The server --- */

static ssize_t server_read(struct server *s, void *p, size_t n)
{
    return s->ssl ? SSL_read(s->ssl, p, (int)n) : recv(s->fd, p, n, 0);
}

static bool server_say(struct server *s, struct slice text)
{
    if (s->ssl)
        return SSL_write(s->ssl, text.p, (int)text.n) > 0;
    return send(s->fd, text.p, text.n, MSG_NOSIGNAL) == (ssize_t)text.n;
}

static bool server_line(struct server *s, struct buf *line)
{
    uint8_t byte;
    buf_reset(line);
    while (server_read(s, &byte, 1) == 1) {
        buf_byte(line, byte);
        if (byte == '\n')
            return true;
    }
    return false;
}

static bool matches(struct slice line, struct slice pattern)
{
    if (!slice_ends(line, SLICE("\r\n")))
        return false;
    line.n -= 2;
    if (slice_ends(pattern, SLICE("*")))
        return slice_starts(line, slice_sub(pattern, 0, pattern.n - 1));
    return slice_eq(line, pattern);
}

static void server_expect(struct server *s, struct slice pattern)
{
    autobuf line = BUF_INIT(64 * 1024);
    if (!server_line(s, &line))
        buf_lit(&line, "the end");
    else if (matches(buf_slice(&line), pattern))
        return;
    snprintf(s->wrong, sizeof s->wrong, "expected \"%.*s\", got \"%.*s\"", SLICE_FMT(pattern),
             SLICE_FMT(slice_sub(buf_slice(&line), 0, 150)));
}

/* The client waits for the answer after its dot: what comes may be read in pieces. */
static void server_data(struct server *s)
{
    static uint8_t piece[LIMIT_WRITE_CHUNK];
    buf_reset(&s->message);
    buf_lit(&s->message, "\r\n"); /* so that the end looks alike after nothing */
    while (!slice_ends(buf_slice(&s->message), SLICE("\r\n.\r\n"))) {
        ssize_t n = server_read(s, piece, sizeof piece);
        if (n <= 0) {
            snprintf(s->wrong, sizeof s->wrong, "a message without an end");
            return;
        }
        buf_add(&s->message, slice_of(piece, (size_t)n));
    }
    s->message.n -= 3;
    buf_drop(&s->message, 2);
    if (slice_find(buf_slice(&s->message), SLICE("\r\n.\r\n")) < s->message.n)
        snprintf(s->wrong, sizeof s->wrong, "two messages");
}

static void server_tls(struct server *s)
{
    s->ctx = SSL_CTX_new(TLS_server_method());
    BIO *chain = BIO_new_mem_buf(s->identity->chain_pem.p, (int)s->identity->chain_pem.n);
    BIO *key = BIO_new_mem_buf(s->identity->key_pem.p, (int)s->identity->key_pem.n);
    X509 *x = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    SSL_CTX_use_certificate(s->ctx, x);
    SSL_CTX_use_PrivateKey(s->ctx, k);
    s->ssl = SSL_new(s->ctx);
    SSL_set_fd(s->ssl, s->fd);
    if (SSL_accept(s->ssl) != 1)
        snprintf(s->wrong, sizeof s->wrong, "no handshake");
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(chain);
    BIO_free(key);
}

static void server_quiet(struct server *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    if (poll(&p, 1, 50) != 0)
        snprintf(s->wrong, sizeof s->wrong, "said more than one command");
}

static void server_hang(struct server *s)
{
    uint8_t bytes[4096];
    while (server_read(s, bytes, sizeof bytes) > 0)
        continue;
}

static void server_repeat(struct server *s, struct slice text, unsigned pause_ms)
{
    while (server_say(s, text))
        usleep(pause_ms * 1000);
}

static void server_reset(struct server *s)
{
    const struct linger hard = {.l_onoff = 1};
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void server_step(struct server *s, struct slice step)
{
    static uint8_t x[8192];
    autobuf text = BUF_INIT(64 * 1024);
    if (slice_starts(step, SLICE(">> "))) {
        for (size_t i = 3; i < step.n; i++)
            if (step.p[i] == '|')
                buf_lit(&text, "\r\n");
            else
                buf_byte(&text, step.p[i]);
        server_say(s, buf_slice(&text));
    } else if (slice_starts(step, SLICE("> "))) {
        buf_printf(&text, "%.*s\r\n", SLICE_FMT(slice_from(step, 2)));
        server_say(s, buf_slice(&text));
    } else if (slice_starts(step, SLICE("< "))) {
        server_expect(s, slice_from(step, 2));
    } else if (slice_eq(step, SLICE("data"))) {
        server_data(s);
    } else if (slice_eq(step, SLICE("tls"))) {
        server_tls(s);
    } else if (slice_eq(step, SLICE("quiet"))) {
        server_quiet(s);
    } else if (slice_eq(step, SLICE("hang"))) {
        server_hang(s);
    } else if (slice_eq(step, SLICE("reset"))) {
        server_reset(s);
    } else if (slice_eq(step, SLICE("flood"))) {
        server_repeat(s, SLICE("250-x\r\n"), 0);
    } else if (slice_eq(step, SLICE("drip"))) {
        server_repeat(s, SLICE("2"), 50);
    } else if (slice_eq(step, SLICE("long"))) {
        memset(x, 'x', sizeof x);
        server_say(s, SLICE("250 "));
        server_repeat(s, slice_of(x, sizeof x), 0);
    } else {
        snprintf(s->wrong, sizeof s->wrong, "no such step: %.*s", SLICE_FMT(step));
    }
}

static void *server_run(void *arg)
{
    struct server *s = arg;
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000 + 1};
    struct slice script = slice_str(s->script), step;
    s->fd = accept(s->listener, NULL, NULL);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (s->wrong[0] == '\0' && slice_line(&script, &step))
        server_step(s, step);
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    close(s->fd);
    return NULL;
}

/* --- Both --- */

struct world {
    struct server server;
    struct tls_identity identity;
    struct tls_client *tls;
    struct client *client;
    struct client_failure why;
    struct arena arena;
    enum error error; /* of client_new() */
    bool serving;
};

static int make_world(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    char why[200];
    signal(SIGPIPE, SIG_IGN);
    w->identity = test_identity("EC", "DNS:mx.example", "mx.example");
    arena_init(&w->arena, 1024 * 1024);
    *state = w;
    return tls_client_new(TLS_MODERN, SLICE_NONE, &w->tls, why, sizeof why) == OK ? 0 : -1;
}

/* Ends both sides; the script must have been followed. */
static void finish(struct world *w)
{
    client_free(w->client);
    w->client = NULL;
    if (!w->serving)
        return;
    pthread_join(w->server.thread, NULL);
    close(w->server.listener);
    w->serving = false;
}

static void must_have_followed(struct world *w)
{
    finish(w);
    assert_string_equal(w->server.wrong, "");
}

static int free_world(void **state)
{
    struct world *w = *state;
    finish(w);
    buf_free(&w->server.message);
    arena_free(&w->arena);
    tls_client_free(w->tls);
    test_identity_free(&w->identity);
    mem_free(w);
    return 0;
}

/* Starts the script's server and a session with it; w->error tells how far that got. */
static void meet(struct world *w, const char *script, int patience_ms)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    struct server *s = &w->server;
    struct dial_address to;
    struct dial_options o = {.address = &to, .n = 1, .deadline = clock_ms() + PATIENCE_MS};
    struct dial *d;
    size_t which;
    int why;
    finish(w);
    buf_free(&s->message);
    *s = (struct server){.script = script, .identity = &w->identity};
    buf_init(&s->message, 64 * 1024 * 1024);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &n), 0);
    assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sa, &to.ip, &to.port), OK);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
    w->serving = true;
    assert_int_equal(dial_open(&o, &d, &which, &why), OK);
    memset(&w->why, 0, sizeof w->why);
    w->error = client_new(d, "me.example", clock_ms() + patience_ms, &w->client, &w->why);
}

static enum error start_tls(struct world *w)
{
    const struct tls_wish wish = {.check = TLS_CHECK_NOTHING, .sni = SLICE("mx.example")};
    struct tls_outcome reached;
    return client_start_tls(w->client, w->tls, &wish, &reached, &w->why);
}

#define HELLO(caps)   "> 220 mx.example ESMTP\n< EHLO me.example\n> 250-mx.example\n" caps
#define PIPELINING    "> 250 PIPELINING\n"
#define NO_EXTENSIONS "> 250 HELP\n"

/* --- Sessions --- */

static void greetings(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
        uint16_t code;
        const char *status;
        bool permanent;
        const char *text;
    } table[] = {
        {HELLO(PIPELINING) "hang\n", PROBLEM_NONE, 0, "", false, ""},
        {"> 220-a\n> 220 b\n< EHLO me.example\n> 250 b\nhang\n", PROBLEM_NONE, 0, "", false, ""},
        {"> 220 a\n< EHLO me.example\n> 502 what?\n< HELO me.example\n> 250 b\nhang\n",
         PROBLEM_NONE, 0, "", false, ""},
        {"> 554 5.7.1 go\taway\x1b\nhang\n", PROBLEM_REFUSED, 554, "5.7.1", true, "go away"},
        {"> 421 busy\nhang\n", PROBLEM_REFUSED, 421, "4.0.0", false, "busy"},
        {"> 450 4.3.2 busy\nhang\n", PROBLEM_REFUSED, 450, "4.3.2", false, "busy"},
        {"> 220 a\n< EHLO me.example\n> 550 no\n< HELO me.example\n> 550 no\nhang\n",
         PROBLEM_REFUSED, 550, "5.0.0", true, "no"},
        {"> 220 a\n< EHLO me.example\n> 451 later\nhang\n", PROBLEM_REFUSED, 451, "4.0.0", false,
         "later"},
        {"> 220 a\n< EHLO me.example\n> 354 go\nhang\n", PROBLEM_SYNTAX, 354, "4.5.0", false, "go"},
        {"> 250 a\nhang\n", PROBLEM_SYNTAX, 250, "4.5.0", false, "a"},
        {"", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {">> 220 a\n", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {"> 220 a\n< EHLO me.example\nreset\n", PROBLEM_LOST, 0, "4.4.2", false, ""},
        {"hang\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"> 220-a\nhang\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"drip\n", PROBLEM_TIMEOUT, 0, "4.4.2", false, ""},
        {"> 220 a\n< EHLO me.example\nflood\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "a reply that is too long"},
        {"> 220 a\n< EHLO me.example\nlong\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "a reply that is too long"},
        {"> 220 a\n< EHLO me.example\n> 250-a\n> 251 b\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
        {"> SSH-2.0-OpenSSH_9.2\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
        {"> \x16\x03\x01\x02\nhang\n", PROBLEM_SYNTAX, 0, "4.5.0", false,
         "what came is not a reply"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        const bool slow = table[i].problem == PROBLEM_TIMEOUT;
        const int64_t begin = clock_ms();
        print_message("%s", table[i].script);
        meet(w, table[i].script, slow ? 300 : PATIENCE_MS);
        assert_int_equal(w->error == OK, table[i].problem == PROBLEM_NONE);
        assert_int_equal(w->why.problem, table[i].problem);
        assert_int_equal(w->why.code, table[i].code);
        assert_string_equal(w->why.status, table[i].status);
        assert_string_equal(w->why.text, table[i].text);
        assert_int_equal(w->why.permanent, table[i].permanent);
        assert_true(clock_ms() - begin < PATIENCE_MS / 2);
        must_have_followed(w);
    }
}

#define OFFER_TLS HELLO("> 250-PIPELINING\n> 250 STARTTLS\n") "< STARTTLS\n"

static void tls_forgets_what_was_announced(void **state)
{
    struct world *w = *state;
    meet(w,
         OFFER_TLS "> 220 go\ntls\n< EHLO me.example\n> 250-mx\n> 250-STARTTLS\n> 250 DSN\n"
                   "< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(w->error, OK);
    assert_true(client_ehlo(w->client)->pipelining);
    assert_int_equal(start_tls(w), OK);
    assert_true(client_ehlo(w->client)->dsn);
    assert_false(client_ehlo(w->client)->pipelining);
    assert_false(client_ehlo(w->client)->starttls);
    assert_true(client_reusable(w->client));
    must_have_followed(w);
}

static void tls_that_does_not_come(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
        bool standing;
    } table[] = {
        {OFFER_TLS "> 454 4.7.0 no key\n< QUIT\n", PROBLEM_TLS_REFUSED, true},
        {OFFER_TLS "> 501 5.5.4 what?\n< QUIT\n", PROBLEM_TLS_REFUSED, true},
        {OFFER_TLS "> 421 bye\nhang\n", PROBLEM_TLS_REFUSED, false},
        {OFFER_TLS ">> 220 go|250-evil|\nhang\n", PROBLEM_INJECTION, false},
        {OFFER_TLS "> 220 go\n", PROBLEM_LOST, false},
        {OFFER_TLS "> 220 go\n> this is no handshake\nhang\n", PROBLEM_NONE, false},
        {HELLO(PIPELINING) "< QUIT\n", PROBLEM_NO_TLS, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        meet(w, table[i].script, PATIENCE_MS);
        assert_int_equal(w->error, OK);
        assert_int_not_equal(start_tls(w), OK);
        if (table[i].problem != PROBLEM_NONE)
            assert_int_equal(w->why.problem, table[i].problem);
        assert_int_not_equal(w->why.problem, PROBLEM_NONE);
        assert_int_equal(client_standing(w->client), table[i].standing);
        assert_int_equal(client_reusable(w->client), table[i].standing);
        must_have_followed(w);
    }
}

#define TLS_WITH(caps)                                                                             \
    OFFER_TLS "> 220 go\ntls\n< EHLO me.example\n> 250-mx\n> 250-DSN\n> 250 " caps "\n"

static void logins(void **state)
{
    static const struct {
        const char *script;
        enum problem problem;
    } table[] = {
        {TLS_WITH("AUTH LOGIN PLAIN") "< AUTH PLAIN AGFubmEAZ2VoZWlt\n> 235 ok\n< QUIT\n",
         PROBLEM_NONE},
        {TLS_WITH("AUTH LOGIN") "< AUTH LOGIN\n> 334 VXNlcm5hbWU6\n< YW5uYQ==\n> 334 x\n"
                                "< Z2VoZWlt\n> 235 ok\n< QUIT\n",
         PROBLEM_NONE},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 535 5.7.8 wrong\n< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH LOGIN") "< AUTH LOGIN\n> 504 5.5.4 no\n< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH CRAM-MD5") "< QUIT\n", PROBLEM_LOGIN},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n> 334 more\nhang\n", PROBLEM_SYNTAX},
        {TLS_WITH("AUTH PLAIN") "< AUTH PLAIN *\n", PROBLEM_LOST},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct world *w = *state;
        meet(w, table[i].script, PATIENCE_MS);
        assert_int_equal(start_tls(w), OK);
        enum error e = client_login(w->client, SLICE("anna"), SLICE("geheim"), &w->why);
        assert_int_equal(e == OK, table[i].problem == PROBLEM_NONE);
        assert_int_equal(w->why.problem, table[i].problem);
        must_have_followed(w);
    }
}

static void no_login_in_clear_text(void **state)
{
    struct world *w = *state;
    meet(w, HELLO("> 250 AUTH PLAIN LOGIN\n") "< QUIT\n", PATIENCE_MS);
    assert_int_equal(client_login(w->client, SLICE("anna"), SLICE("geheim"), &w->why), ERR_AUTH);
    assert_int_equal(w->why.problem, PROBLEM_LOGIN);
    must_have_followed(w);
}

/* Too long for a command's line: a line of its own after the server's go. */
static void a_long_password_waits(void **state)
{
    struct world *w = *state;
    static uint8_t password[400];
    memset(password, 'p', sizeof password);
    meet(w, TLS_WITH("AUTH PLAIN") "< AUTH PLAIN\n> 334 \n< AGFubmEAcHBw*\n> 235 ok\n< QUIT\n",
         PATIENCE_MS);
    assert_int_equal(start_tls(w), OK);
    assert_int_equal(
        client_login(w->client, SLICE("anna"), slice_of(password, sizeof password), &w->why), OK);
    must_have_followed(w);
}

/* --- Transactions --- */

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
        assert_int_equal(send_it(w, &rq, slice_str(bad[i]), "P 0 5.6.0 syntax|P 0 5.6.0 syntax"),
                         OK);
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
        buf_lit(&expected, "|P 0 5.1.3 syntax");
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
    assert_int_equal(
        send_it(w, &rq, SLICE("x\r\n"), "P 0 5.5.4 syntax|P 0 5.5.4 syntax|P 0 5.5.4 syntax"), OK);
    rq = request(3);
    rq.sender = SLICE("s@me.example> BODY=8BITMIME");
    assert_int_equal(
        send_it(w, &rq, SLICE("x\r\n"), "P 0 5.1.7 syntax|P 0 5.1.7 syntax|P 0 5.1.7 syntax"), OK);
    rq = request(3);
    to[0].orcpt = SLICE("rfc822;a@x.example\r\nRSET");
    to[1].orcpt = SLICE("rfc822;a@x.example NOTIFY=NEVER");
    to[2].orcpt = SLICE("rfc822");
    rq.recipient = to;
    assert_int_equal(
        send_it(w, &rq, SLICE("x\r\n"), "P 0 5.1.3 syntax|P 0 5.1.3 syntax|P 0 5.1.3 syntax"), OK);
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
        TEST(greetings),
        TEST(tls_forgets_what_was_announced),
        TEST(tls_that_does_not_come),
        TEST(logins),
        TEST(no_login_in_clear_text),
        TEST(a_long_password_waits),
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
        TEST(what_is_not_asked_for_ends_reuse),
        TEST(transactions_are_counted),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
