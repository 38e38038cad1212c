/* Bytes in and out of a connection, in clear or through TLS.
 *
 * OpenSSL gets a BIO of our own: it sends without SIGPIPE and tells whether the socket was read
 * empty, which saves the second read that would only say so. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/runtime_private.h"
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool would_block(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK;
}

/* --- Raw bytes --- */

static ssize_t raw_read(struct conn *c, void *room, size_t size)
{
    ssize_t n;
    do
        n = recv(c->fd, room, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    /* A read that fills its room may have left something; a short one has not, and neither has
     * one that failed. At the end of the stream there is nothing more either. */
    c->more = n > 0 && (size_t)n == size;
    return n;
}

static ssize_t raw_write(struct conn *c, const void *p, size_t n)
{
    ssize_t sent;
    do
        sent = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* --- The BIO --- */

static int bio_write(BIO *b, const char *p, size_t n, size_t *written)
{
    BIO_clear_retry_flags(b);
    ssize_t sent = raw_write(BIO_get_data(b), p, n);
    if (sent < 0) {
        if (would_block(errno))
            BIO_set_retry_write(b);
        return 0;
    }
    *written = (size_t)sent;
    return 1;
}

static int bio_read(BIO *b, char *room, size_t size, size_t *got)
{
    struct conn *c = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t n = raw_read(c, room, size);
    if (n > 0) {
        *got = (size_t)n;
        return 1;
    }
    if (n < 0 && would_block(errno))
        BIO_set_retry_read(b);
    if (n == 0)
        c->eof = true;
    return 0;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
    struct conn *c = BIO_get_data(b);
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return c->eof;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_kind;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_make(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (!m || !BIO_meth_set_write_ex(m, bio_write) || !BIO_meth_set_read_ex(m, bio_read) ||
        !BIO_meth_set_ctrl(m, bio_ctrl))
        die("no memory for TLS");
    bio_kind = m;
}

enum error stream_tls(struct conn *c)
{
    pthread_once(&bio_once, bio_make);
    SSL *ssl = tls_server_session(c->listener->o.tls);
    BIO *bio = BIO_new(bio_kind);
    if (!ssl || !bio) {
        SSL_free(ssl);
        BIO_free(bio);
        return ERR_LIMIT;
    }
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    if (c->listener->o.protocol->alpn.n)
        tls_session_alpn(ssl, &c->listener->o.protocol->alpn);
    c->ssl = ssl;
    return OK;
}

/* --- TLS --- */

/* What an SSL call's failure means; `*events` is what to wait for on ERR_AGAIN. */
static enum error ssl_error(struct conn *c, int result, short *events)
{
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        c->eof = true;
        return ERR_CLOSED;
    default:
        return c->eof ? ERR_CLOSED : ERR_IO;
    }
}

static void log_handshake(struct conn *c)
{
    char peer[IP_TEXT];
    ip_print(c->peer, peer);
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    if (c->eof || !why) /* port scanners, and people who change their mind */
        log_debug("tls.handshake-left", log_text("protocol", c->listener->o.protocol->name),
                  log_text("peer", peer));
    else
        log_info("tls.handshake-failed", log_text("protocol", c->listener->o.protocol->name),
                 log_text("peer", peer), log_text("why", why));
}

enum error stream_handshake(struct conn *c)
{
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        c->want_write = false;
        return OK;
    }
    short events = 0;
    enum error e = ssl_error(c, r, &events);
    c->want_write = e == ERR_AGAIN && events == POLLOUT;
    c->more = false;
    if (e != ERR_AGAIN)
        log_handshake(c);
    return e;
}

static enum error tls_read(struct conn *c, uint8_t *room, size_t size, size_t *n)
{
    ERR_clear_error();
    c->more = false;
    int r = SSL_read_ex(c->ssl, room, size, n);
    if (r == 1) {
        /* A record may be whole in OpenSSL's buffer; then epoll would never report it. */
        c->more = c->more || SSL_has_pending(c->ssl);
        return OK;
    }
    short events = 0;
    enum error e = ssl_error(c, r, &events);
    /* What OpenSSL holds now is a part of a record, and the rest is still under way. A full read
     * that ended inside a record is the exception: the socket has more, which epoll reports. */
    c->more = false;
    return e;
}

enum error stream_read(struct conn *c, uint8_t *room, size_t size, size_t *n)
{
    if (c->ssl)
        return tls_read(c, room, size, n);
    ssize_t got = raw_read(c, room, size);
    if (got > 0) {
        *n = (size_t)got;
        return OK;
    }
    if (got < 0)
        return would_block(errno) ? ERR_AGAIN : ERR_IO;
    c->eof = true;
    return ERR_CLOSED;
}

/* --- Writing --- */

/* Waits for the peer, in steps: so that the end of the service's grace is noticed. */
static enum error wait_ready(struct conn *c, short events, int64_t until)
{
    enum { STEP_MS = 500 };
    for (;;) {
        int64_t left = until - clock_ms();
        if (left <= 0)
            return ERR_TIMEOUT;
        if (atomic_load(&c->listener->rt->cut))
            return ERR_CLOSED;
        struct pollfd p = {.fd = c->fd, .events = events};
        int n = poll(&p, 1, left < STEP_MS ? (int)left : STEP_MS);
        if (n > 0)
            return OK;
        if (n < 0 && errno != EINTR)
            return ERR_IO;
    }
}

static enum error write_some(struct conn *c, struct slice s, size_t *sent, short *events)
{
    if (c->ssl) {
        ERR_clear_error();
        bool more = c->more; /* writing does not change what reading left */
        int r = SSL_write_ex(c->ssl, s.p, s.n, sent);
        c->more = more;
        return r == 1 ? OK : ssl_error(c, r, events);
    }
    ssize_t n = raw_write(c, s.p, s.n);
    if (n >= 0) {
        *sent = (size_t)n;
        return OK;
    }
    *events = POLLOUT;
    return would_block(errno) ? ERR_AGAIN : ERR_IO;
}

enum error stream_write(struct conn *c, struct slice s)
{
    int64_t until = 0;
    size_t since = 0; /* bytes taken by the peer since the clock was set */
    while (s.n > 0) {
        /* OpenSSL would cut it into records itself, but wants the same call again after a wait. */
        struct slice piece = c->ssl ? slice_sub(s, 0, LIMIT_WRITE_CHUNK) : s;
        size_t sent = 0;
        short events = 0;
        enum error e = write_some(c, piece, &sent, &events);
        if (e == ERR_AGAIN) {
            if (until == 0)
                until = clock_ms() + LIMIT_WRITE_MS;
            e = wait_ready(c, events, until);
        }
        if (e != OK)
            return e;
        s = slice_from(s, sent);
        since += sent;
        if (since >= LIMIT_WRITE_CHUNK) { /* it reads, if slowly */
            since = 0;
            until = 0;
        }
    }
    return OK;
}

enum error stream_offer(struct conn *c, struct slice s, size_t *taken)
{
    *taken = 0;
    while (s.n > 0) {
        struct slice piece = c->ssl ? slice_sub(s, 0, LIMIT_WRITE_CHUNK) : s;
        size_t sent = 0;
        short events = 0;
        enum error e = write_some(c, piece, &sent, &events);
        if (e != OK)
            return e;
        s = slice_from(s, sent);
        *taken += sent;
    }
    return OK;
}

/* --- The end --- */

static void read_away(struct conn *c)
{
    enum { ROUNDS = 64 };
    char nobody[8192];
    for (int i = 0; i < ROUNDS; i++)
        if (recv(c->fd, nobody, sizeof nobody, MSG_DONTWAIT) <= 0)
            return;
}

void stream_close(struct conn *c, bool polite)
{
    if (c->ssl) {
        ERR_clear_error();
        if (polite && !c->eof && SSL_is_init_finished(c->ssl) && SSL_shutdown(c->ssl) < 0)
            ERR_clear_error(); /* the peer is gone or does not read: nothing more to say */
        SSL_free(c->ssl);
        c->ssl = NULL;
        ERR_clear_error();
    }
    if (polite && !c->eof)
        read_away(c);
    close(c->fd);
    c->fd = -1;
}
