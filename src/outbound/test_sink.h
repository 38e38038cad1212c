/* For tests: an SMTP server in threads that takes mail, or fails at the moment wanted. */
#ifndef DEPESCHE_OUTBOUND_TEST_SINK_H
#define DEPESCHE_OUTBOUND_TEST_SINK_H

#include "net/test_tls.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

struct test_sink {
    /* How it behaves; may be changed between messages. */
    const char *greeting;     /* NULL: 220 */
    const char *extensions;   /* further lines of EHLO, "250-DSN\r\n"; NULL: none */
    struct tls_identity *tls; /* NULL: no STARTTLS */
    bool breaks_handshake;    /* closes instead of one */
    bool refuses_starttls;    /* 454 */
    bool drops_at_mail;       /* closes when MAIL comes ... */
    unsigned drops_after;     /* ... in transactions after this many on a connection */
    bool drops_at_end;        /* closes after the end of data, without an answer */
    bool closes_421;          /* answers RCPT with 421 and closes */
    bool greets_never;
    atomic_bool greeting_waits; /* until this is taken back */
    /* What it saw. */
    atomic_uint connections, mails, messages, logins;
    /* Its own. */
    int fd;
    atomic_int threads;
    atomic_bool stopping;
    pthread_t thread;
    SSL_CTX *ctx;
};

struct test_peer {
    struct test_sink *s;
    int fd;
    SSL *ssl;
    char in[65536];
    size_t n;
    unsigned mails;
};

TEST_UNUSED static void test_peer_say(struct test_peer *p, const char *text)
{
    if (p->ssl)
        SSL_write(p->ssl, text, (int)strlen(text));
    else
        (void)!send(p->fd, text, strlen(text), MSG_NOSIGNAL);
}

TEST_UNUSED static bool test_peer_more(struct test_peer *p)
{
    if (p->n == sizeof p->in)
        return false;
    void *room = p->in + p->n;
    int max = (int)(sizeof p->in - p->n);
    struct pollfd f = {.fd = p->fd, .events = POLLIN};
    while (!(p->ssl && SSL_pending(p->ssl)) && poll(&f, 1, 50) == 0)
        if (atomic_load(&p->s->stopping))
            return false;
    ssize_t got = p->ssl ? SSL_read(p->ssl, room, max) : recv(p->fd, room, (size_t)max, 0);
    if (got <= 0)
        return false;
    p->n += (size_t)got;
    return true;
}

/* What stands before `mark`, which is taken too. */
TEST_UNUSED static bool test_peer_take(struct test_peer *p, const char *mark, char *out,
                                       size_t size)
{
    for (;;) {
        size_t at = slice_find(slice_of(p->in, p->n), slice_str(mark));
        if (at < p->n) {
            if (out)
                snprintf(out, size, "%.*s", (int)at, p->in);
            p->n -= at + strlen(mark);
            memmove(p->in, p->in + at + strlen(mark), p->n);
            return true;
        }
        if (!test_peer_more(p))
            return false;
    }
}

TEST_UNUSED static bool test_peer_tls(struct test_peer *p)
{
    if (p->s->refuses_starttls) {
        test_peer_say(p, "454 4.7.0 not now\r\n");
        return true;
    }
    test_peer_say(p, "220 2.0.0 go\r\n");
    if (p->s->breaks_handshake)
        return false;
    p->ssl = SSL_new(p->s->ctx);
    SSL_set_fd(p->ssl, p->fd);
    p->n = 0;
    return SSL_accept(p->ssl) == 1;
}

TEST_UNUSED static void test_peer_ehlo(struct test_peer *p)
{
    char text[1000];
    snprintf(text, sizeof text, "250-sink.test\r\n%s%s%s250 PIPELINING\r\n",
             p->s->tls && !p->ssl ? "250-STARTTLS\r\n" : "", p->ssl ? "250-AUTH PLAIN\r\n" : "",
             p->s->extensions ? p->s->extensions : "");
    test_peer_say(p, text);
}

TEST_UNUSED static bool test_peer_rcpt(struct test_peer *p, const char *line)
{
    if (p->s->closes_421) {
        test_peer_say(p, "421 4.3.2 closing\r\n");
        return false;
    }
    test_peer_say(p, strstr(line, "<refused@") ? "550 5.1.1 no such user\r\n"
                     : strstr(line, "<later@") ? "450 4.2.0 greylisted\r\n"
                                               : "250 2.1.5 ok\r\n");
    return true;
}

TEST_UNUSED static bool test_peer_data(struct test_peer *p)
{
    test_peer_say(p, "354 go\r\n");
    if (!test_peer_take(p, "\r\n.\r\n", NULL, 0) || p->s->drops_at_end)
        return false;
    atomic_fetch_add(&p->s->messages, 1);
    test_peer_say(p, "250 2.0.0 kept\r\n");
    return true;
}

TEST_UNUSED static bool test_peer_command(struct test_peer *p, const char *line)
{
    if (strncasecmp(line, "EHLO", 4) == 0) {
        test_peer_ehlo(p);
    } else if (strncasecmp(line, "STARTTLS", 8) == 0) {
        return test_peer_tls(p);
    } else if (strncasecmp(line, "AUTH", 4) == 0) {
        atomic_fetch_add(&p->s->logins, 1);
        test_peer_say(p, "235 2.7.0 welcome\r\n");
    } else if (strncasecmp(line, "MAIL", 4) == 0) {
        atomic_fetch_add(&p->s->mails, 1);
        if (p->s->drops_at_mail && p->mails++ >= p->s->drops_after)
            return false;
        test_peer_say(p, "250 2.1.0 ok\r\n");
    } else if (strncasecmp(line, "RCPT", 4) == 0) {
        return test_peer_rcpt(p, line);
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        return test_peer_data(p);
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        test_peer_say(p, "221 2.0.0 bye\r\n");
        return false;
    } else {
        test_peer_say(p, "250 2.0.0 ok\r\n");
    }
    return true;
}

TEST_UNUSED static void *test_peer_run(void *arg)
{
    struct test_peer *p = arg;
    char line[2048];
    while (atomic_load(&p->s->greeting_waits) && !atomic_load(&p->s->stopping))
        usleep(1000);
    if (!p->s->greets_never)
        test_peer_say(p, p->s->greeting ? p->s->greeting : "220 sink.test ESMTP\r\n");
    while (test_peer_take(p, "\r\n", line, sizeof line) && test_peer_command(p, line))
        continue;
    SSL_free(p->ssl);
    ERR_clear_error();
    close(p->fd);
    atomic_fetch_sub(&p->s->threads, 1);
    mem_free(p);
    return NULL;
}

TEST_UNUSED static void *test_sink_run(void *arg)
{
    struct test_sink *s = arg;
    while (!atomic_load(&s->stopping)) {
        struct pollfd f = {.fd = s->fd, .events = POLLIN};
        if (poll(&f, 1, 50) != 1)
            continue;
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        int at_once = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        struct test_peer *p = mem_alloc(sizeof *p);
        p->s = s;
        p->fd = fd;
        pthread_t t;
        atomic_fetch_add(&s->connections, 1);
        atomic_fetch_add(&s->threads, 1);
        if (pthread_create(&t, NULL, test_peer_run, p) != 0)
            abort();
        pthread_detach(t);
    }
    return NULL;
}

/* Listens on the address, which must be free at the port (0: any, told there). */
TEST_UNUSED static bool test_sink_start(struct test_sink *s, const char *address, uint16_t *port)
{
    struct ip ip;
    struct sockaddr_in sa;
    socklen_t n = sizeof sa;
    if (ip_parse(slice_str(address), &ip) != OK || ip_listen(ip, *port, &s->fd) != OK ||
        getsockname(s->fd, (struct sockaddr *)&sa, &n) != 0)
        return false;
    *port = ntohs(sa.sin_port);
    atomic_store(&s->stopping, false);
    return pthread_create(&s->thread, NULL, test_sink_run, s) == 0;
}

TEST_UNUSED static void test_sink_identity(struct test_sink *s, struct tls_identity *id)
{
    s->tls = id;
    SSL_CTX_free(s->ctx);
    s->ctx = NULL;
    if (!id)
        return;
    s->ctx = SSL_CTX_new(TLS_server_method());
    BIO *chain = BIO_new_mem_buf(id->chain_pem.p, (int)id->chain_pem.n);
    BIO *key = BIO_new_mem_buf(id->key_pem.p, (int)id->key_pem.n);
    X509 *x = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    SSL_CTX_use_certificate(s->ctx, x);
    SSL_CTX_use_PrivateKey(s->ctx, k);
    X509_free(x);
    EVP_PKEY_free(k);
    BIO_free(chain);
    BIO_free(key);
}

TEST_UNUSED static void test_sink_stop(struct test_sink *s)
{
    atomic_store(&s->stopping, true);
    pthread_join(s->thread, NULL);
    while (atomic_load(&s->threads))
        usleep(1000);
    close(s->fd);
    SSL_CTX_free(s->ctx);
    s->ctx = NULL;
}

/* "3 1 1 ..." of an identity, in hexadecimal. */
TEST_UNUSED static void test_tlsa_311(const struct tls_identity *id, char out[65])
{
    BIO *chain = BIO_new_mem_buf(id->chain_pem.p, (int)id->chain_pem.n);
    X509 *x = PEM_read_bio_X509(chain, NULL, NULL, NULL);
    unsigned char *der = NULL, hash[32];
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    EVP_Digest(der, (size_t)n, hash, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(chain);
}

#endif
