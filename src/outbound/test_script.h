/* For tests of the SMTP client only: a server that follows a script, and a session with it.
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
#ifndef DEPESCHE_OUTBOUND_TEST_SCRIPT_H
#define DEPESCHE_OUTBOUND_TEST_SCRIPT_H

#include "base/clock.h"
#include "base/mem.h"
#include "net/test_tls.h"
#include "outbound/client.h"
#include <netinet/tcp.h>
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
    const int at_once = 1;
    s->fd = accept(s->listener, NULL, NULL);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
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

#define OFFER_TLS HELLO("> 250-PIPELINING\n> 250 STARTTLS\n") "< STARTTLS\n"
#define TLS_WITH(caps)                                                                             \
    OFFER_TLS "> 220 go\ntls\n< EHLO me.example\n> 250-mx\n> 250-DSN\n> 250 " caps "\n"

#endif
