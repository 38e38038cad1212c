/* For tests only: a blocking SMTP client over loopback, with and without TLS, and a runtime on a
 * thread of its own. */
#ifndef DEPESCHE_SMTP_TEST_CLIENT_H
#define DEPESCHE_SMTP_TEST_CLIENT_H

#include "net/runtime.h"
#include "net/test_tls.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct test_server {
    struct runtime *runtime;
    struct tls_server *tls;
    pthread_t thread;
};

TEST_UNUSED static void *test_server_run(void *arg)
{
    runtime_run(arg);
    return NULL;
}

TEST_UNUSED static void test_server_start(struct test_server *s)
{
    char why[256];
    struct tls_identity id = test_identity("EC", "DNS:mx.example.org", "mx.example.org");
    assert_int_equal(tls_server_new(TLS_MODERN, TLS_FOR_SERVERS, &id, 1, &s->tls, why, sizeof why),
                     OK);
    test_identity_free(&id);
    assert_int_equal(runtime_new(&(struct runtime_options){.max_workers = 8}, &s->runtime), OK);
    assert_int_equal(pthread_create(&s->thread, NULL, test_server_run, s->runtime), 0);
}

TEST_UNUSED static uint16_t test_server_listen(struct test_server *s, const struct protocol *p,
                                               void *service, bool implicit_tls)
{
    uint16_t port;
    const struct listener_options o = {.fd = test_listen(&port),
                                       .protocol = p,
                                       .service = service,
                                       .tls = s->tls,
                                       .implicit_tls = implicit_tls,
                                       .max_per_address = 1000};
    assert_int_equal(runtime_listen(s->runtime, &o), OK);
    return port;
}

TEST_UNUSED static void test_server_stop(struct test_server *s)
{
    runtime_stop(s->runtime, 2000);
    pthread_join(s->thread, NULL);
    runtime_free(s->runtime);
    tls_server_free(s->tls);
}

struct test_smtp {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    char reply[4096]; /* the last, all its lines, without the last line end */
};

TEST_UNUSED static void test_smtp_tls(struct test_smtp *c)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    c->ssl = test_tls_client(c->ctx, c->fd, "mx.example.org");
    assert_non_null(c->ssl);
}

TEST_UNUSED static struct test_smtp test_smtp_open(uint16_t port, bool tls)
{
    struct test_smtp c = {.fd = test_connect(port)};
    assert_true(c.fd >= 0);
    if (tls)
        test_smtp_tls(&c);
    return c;
}

TEST_UNUSED static void test_smtp_close(struct test_smtp *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

TEST_UNUSED static void put_bytes(struct test_smtp *c, struct slice s)
{
    ssize_t n = c->ssl ? SSL_write(c->ssl, s.p, (int)s.n) : send(c->fd, s.p, s.n, MSG_NOSIGNAL);
    assert_int_equal(n, s.n);
}

TEST_UNUSED static int get_byte(struct test_smtp *c, char *byte)
{
    return c->ssl ? SSL_read(c->ssl, byte, 1) : (int)recv(c->fd, byte, 1, 0);
}

/* Reads one reply into c->reply; "" at the end of the connection. */
TEST_UNUSED static const char *hear(struct test_smtp *c)
{
    size_t n = 0, line = 0;
    char byte;
    while (n < sizeof c->reply - 1 && get_byte(c, &byte) == 1) {
        c->reply[n++] = byte;
        if (byte != '\n')
            continue;
        if (n - line > 4 && c->reply[line + 3] == ' ')
            break;
        line = n;
    }
    while (n > 0 && (c->reply[n - 1] == '\n' || c->reply[n - 1] == '\r'))
        n--;
    c->reply[n] = '\0';
    return c->reply;
}

TEST_UNUSED static void expect_at(struct test_smtp *c, const char *start, int line)
{
    if (strncmp(hear(c), start, strlen(start)) != 0 || (*start == '\0' && *c->reply))
        fail_msg("line %d: expected %s, got %s", line, start, c->reply);
}

/* The next reply begins with that; "" is the end of the connection. */
#define expect(c, start) expect_at((c), (start), __LINE__)
/* Says a line (CRLF is added) and hears the reply. */
#define say(c, text, start)                                                                        \
    do {                                                                                           \
        put_bytes((c), slice_str(text "\r\n"));                                                    \
        expect((c), (start));                                                                      \
    } while (0)

TEST_UNUSED static bool reply_has(const struct test_smtp *c, const char *what)
{
    struct slice s = slice_str(c->reply);
    return slice_find(s, slice_str(what)) < s.n;
}

#endif
