/* A connection that we open: lines in, gathered bytes out, in clear or through TLS; see dial.h. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/dial_private.h"
#include "net/tls_private.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>
#include <unistd.h>

struct dial {
    int fd;
    struct ip peer;
    SSL *ssl;    /* NULL: clear text */
    bool eof;    /* the other side will say nothing more */
    bool broken; /* a handshake failed: nothing may be said or heard any more */
    struct buf in;
    size_t from; /* of `in`, what the caller has not had yet */
    struct buf out;
    size_t piece;    /* bytes of a write that OpenSSL began: it wants exactly them again */
    enum error lost; /* why nothing can be sent any more */
};

/* --- The socket --- */

static bool would_block(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK;
}

static ssize_t raw_read(struct dial *d, void *room, size_t size)
{
    ssize_t n;
    do
        n = recv(d->fd, room, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0 && size > 0)
        d->eof = true;
    return n;
}

static ssize_t raw_write(struct dial *d, const void *p, size_t n)
{
    ssize_t sent;
    do
        sent = send(d->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

/* Does the socket hold something to read, be it the end? */
static bool raw_waiting(const struct dial *d)
{
    char byte;
    ssize_t n;
    do
        n = recv(d->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    while (n < 0 && errno == EINTR);
    return n >= 0 || !would_block(errno);
}

/* --- OpenSSL's way to it: sends without SIGPIPE --- */

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
    BIO_clear_retry_flags(b);
    ssize_t n = raw_read(BIO_get_data(b), room, size);
    if (n < 0 && would_block(errno))
        BIO_set_retry_read(b);
    if (n <= 0)
        return 0;
    *got = (size_t)n;
    return 1;
}

static long bio_ctrl(BIO *b, int what, long number, void *p)
{
    const struct dial *d = BIO_get_data(b);
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return d->eof;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_kind;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_make(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dial");
    if (!m || !BIO_meth_set_write_ex(m, bio_write) || !BIO_meth_set_read_ex(m, bio_read) ||
        !BIO_meth_set_ctrl(m, bio_ctrl))
        die("no memory for TLS");
    bio_kind = m;
}

static bool attach(struct dial *d, SSL *ssl)
{
    pthread_once(&bio_once, bio_make);
    BIO *bio = BIO_new(bio_kind);
    if (!bio)
        return false;
    BIO_set_data(bio, d);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return true;
}

/* --- One step, and the wait when it cannot be made --- */

/* What a failed SSL call means; on ERR_AGAIN *events is what to wait for. */
static enum error ssl_error(struct dial *d, int result, short *events)
{
    switch (SSL_get_error(d->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return ERR_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        d->eof = true;
        return ERR_CLOSED;
    default:
        return d->eof ? ERR_CLOSED : ERR_IO;
    }
}

static enum error wait_for(struct dial *d, short events, int64_t deadline)
{
    struct pollfd polled[2] = {{.fd = d->fd, .events = events}};
    return dial_wait(polled, 1, deadline);
}

static enum error read_some(struct dial *d, uint8_t *room, size_t size, size_t *got, short *events)
{
    if (d->ssl) {
        ERR_clear_error();
        int r = SSL_read_ex(d->ssl, room, size, got);
        return r == 1 ? OK : ssl_error(d, r, events);
    }
    ssize_t n = raw_read(d, room, size);
    if (n > 0) {
        *got = (size_t)n;
        return OK;
    }
    if (n == 0)
        return ERR_CLOSED;
    *events = POLLIN;
    return would_block(errno) ? ERR_AGAIN : ERR_IO;
}

static enum error write_some(struct dial *d, struct slice s, size_t *sent, short *events)
{
    if (d->ssl) {
        ERR_clear_error();
        int r = SSL_write_ex(d->ssl, s.p, s.n, sent);
        return r == 1 ? OK : ssl_error(d, r, events);
    }
    ssize_t n = raw_write(d, s.p, s.n);
    if (n >= 0) {
        *sent = (size_t)n;
        return OK;
    }
    *events = POLLOUT;
    return would_block(errno) ? ERR_AGAIN : ERR_IO;
}

/* --- Opening and closing --- */

enum error dial_open(const struct dial_options *o, struct dial **out, size_t *which, int *why_errno)
{
    int fd = -1;
    size_t winner = 0;
    enum error e = dial_race(o, &fd, &winner, why_errno);
    if (e != OK)
        return e;
    struct dial *d = mem_alloc(sizeof *d);
    d->fd = fd;
    d->peer = o->address[winner].ip;
    buf_init(&d->in, LIMIT_DIAL_BUFFER + 2); /* a line and its CRLF */
    buf_init(&d->out, LIMIT_DIAL_GATHER);
    *which = winner;
    *out = d;
    return OK;
}

void dial_close(struct dial *d)
{
    if (!d)
        return;
    if (d->ssl) {
        ERR_clear_error();
        if (!d->eof && SSL_is_init_finished(d->ssl))
            (void)SSL_shutdown(d->ssl);
        SSL_free(d->ssl);
        ERR_clear_error();
    }
    close(d->fd);
    /* Passwords go through both. */
    buf_wipe(&d->in);
    buf_wipe(&d->out);
    mem_free(d);
}

/* --- Lines in --- */

/* An idle connection keeps no memory. What comes in may still be the caller's line. */
static void release_out(struct dial *d)
{
    if (d->out.n == 0)
        buf_wipe(&d->out);
}

static void release_in(struct dial *d)
{
    if (d->from < d->in.n)
        return;
    buf_wipe(&d->in);
    d->from = 0;
}

/* Makes room, and reads once what is there or comes. */
static enum error fill(struct dial *d, int64_t deadline)
{
    buf_drop(&d->in, d->from);
    d->from = 0;
    size_t room = d->in.limit - d->in.n;
    uint8_t *p = buf_room(&d->in, room);
    for (;;) {
        size_t got = 0;
        short events = POLLIN;
        enum error e = read_some(d, p, room, &got, &events);
        if (e == OK)
            buf_grew(&d->in, got);
        if (e != ERR_AGAIN)
            return e;
        e = wait_for(d, events, deadline);
        if (e != OK)
            return e;
    }
}

enum error dial_line(struct dial *d, size_t max, int64_t deadline, struct slice *out)
{
    if (d->broken)
        return ERR_CLOSED;
    if (max > LIMIT_DIAL_BUFFER)
        max = LIMIT_DIAL_BUFFER;
    for (;;) {
        struct slice rest = slice_from(buf_slice(&d->in), d->from);
        size_t end = slice_index(rest, '\n');
        struct slice line = slice_sub(rest, 0, end);
        if (slice_ends(line, SLICE("\r")))
            line.n--;
        if (line.n > max)
            return ERR_LIMIT;
        if (end < rest.n) {
            d->from += end + 1;
            *out = line;
            return OK;
        }
        enum error e = fill(d, deadline);
        if (e != OK)
            return e;
    }
}

/* --- Bytes out --- */

/* Sends once, without waiting. */
static enum error push(struct dial *d, size_t *done, short *events)
{
    struct slice left = slice_from(buf_slice(&d->out), *done);
    struct slice s = slice_sub(left, 0,
                               d->piece > 0 ? d->piece
                               : d->ssl     ? LIMIT_WRITE_CHUNK
                                            : left.n);
    size_t sent = 0;
    enum error e = write_some(d, s, &sent, events);
    d->piece = d->ssl && e == ERR_AGAIN ? s.n : 0;
    *done += sent;
    return e;
}

/* Sends until the other side takes no more. */
static enum error push_all(struct dial *d, short *events)
{
    size_t done = 0;
    while (d->lost == OK && done < d->out.n) {
        enum error e = push(d, &done, events);
        if (e == ERR_AGAIN)
            break;
        d->lost = e;
    }
    buf_drop(&d->out, done);
    if (d->lost != OK)
        return d->lost;
    return d->out.n > 0 ? ERR_AGAIN : OK;
}

void dial_write(struct dial *d, struct slice s)
{
    while (s.n > 0 && !d->broken && d->lost == OK) {
        struct slice piece = slice_sub(s, 0, LIMIT_DIAL_PIECE);
        buf_add(&d->out, piece);
        s = slice_from(s, piece.n);
        short events = 0;
        if (d->out.n >= LIMIT_DIAL_PIECE) {
            enum error e = push_all(d, &events);
            (void)e; /* dial_flush() tells */
        }
    }
}

enum error dial_flush(struct dial *d, int64_t deadline, int progress_ms)
{
    if (d->broken)
        return ERR_CLOSED;
    if (d->out.failed)
        return ERR_LIMIT;
    size_t counted = d->out.n; /* what was left when the deadline moved last */
    for (;;) {
        short events = 0;
        enum error e = push_all(d, &events);
        if (progress_ms > 0 && counted - d->out.n >= LIMIT_WRITE_CHUNK) {
            counted = d->out.n;
            int64_t later = clock_ms() + progress_ms;
            deadline = later > deadline ? later : deadline;
        }
        if (e == ERR_AGAIN)
            e = wait_for(d, events, deadline);
        else
            release_out(d);
        if (e != OK || d->out.n == 0)
            return e;
    }
}

/* --- TLS --- */

static enum error fail(struct tls_outcome *out, enum error e, enum problem p, const char *detail)
{
    *out = (struct tls_outcome){.problem = p};
    snprintf(out->detail, sizeof out->detail, "%s", detail ? detail : "");
    return e;
}

static enum error handshake(struct dial *d, int64_t deadline)
{
    for (;;) {
        ERR_clear_error();
        int r = SSL_do_handshake(d->ssl);
        if (r == 1)
            return OK;
        short events = 0;
        enum error e = ssl_error(d, r, &events);
        if (e == ERR_AGAIN)
            e = wait_for(d, events, deadline);
        if (e != OK)
            return e;
    }
}

static enum error tell_failure(struct tls_outcome *out, enum error e)
{
    if (e == ERR_TIMEOUT)
        return fail(out, e, PROBLEM_TIMEOUT, "during the TLS handshake");
    if (e == ERR_CLOSED)
        return fail(out, e, PROBLEM_LOST, "during the TLS handshake");
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    return fail(out, e, why ? PROBLEM_HANDSHAKE : PROBLEM_LOST,
                why ? why : "during the TLS handshake");
}

bool dial_is_tls(const struct dial *d)
{
    return d->ssl && !d->broken;
}

enum error dial_start_tls(struct dial *d, struct tls_client *t, const struct tls_wish *wish,
                          int64_t deadline, struct tls_outcome *outcome)
{
    if (dial_is_tls(d))
        bug("TLS twice on one connection");
    ERR_clear_error();
    enum error e = dial_flush(d, deadline, 0);
    if (e != OK) {
        d->broken = true;
        return tell_failure(outcome, e);
    }
    /* A TLS server never speaks first: whatever is there was put in by somebody. (The end of the
     * connection is found by the handshake.) */
    if (d->from < d->in.n || (raw_waiting(d) && fill(d, deadline) == OK)) {
        d->broken = true;
        return fail(outcome, ERR_INPUT, PROBLEM_INJECTION, "bytes before the TLS handshake");
    }
    release_in(d);
    d->ssl = tls_client_session(t, wish);
    if (!d->ssl || !attach(d, d->ssl)) {
        d->broken = true;
        return fail(outcome, ERR_LIMIT, PROBLEM_HANDSHAKE, "no memory for TLS");
    }
    e = handshake(d, deadline);
    if (e == OK)
        tls_client_judge(d->ssl, wish, outcome);
    else
        e = tell_failure(outcome, e);
    d->broken = e != OK;
    ERR_clear_error();
    return e;
}

struct ip dial_peer(const struct dial *d)
{
    return d->peer;
}

struct ip dial_local(const struct dial *d)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    struct ip ip = {0};
    uint16_t port;
    if (getsockname(d->fd, (struct sockaddr *)&sa, &n) != 0 ||
        ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port) != OK)
        return (struct ip){0};
    return ip;
}

/* TLS 1.3 servers send tickets unasked: they are read away, and are not a word. */
static bool tls_quiet(struct dial *d)
{
    enum { RECORDS = 16 };
    for (int i = 0; i < RECORDS; i++) {
        char byte;
        size_t got;
        short events;
        ERR_clear_error();
        int r = SSL_peek_ex(d->ssl, &byte, 1, &got);
        if (r == 1 || ssl_error(d, r, &events) != ERR_AGAIN || SSL_has_pending(d->ssl))
            return false;
        if (!raw_waiting(d)) {
            (void)SSL_free_buffers(d->ssl); /* the look made OpenSSL take one again */
            return true;
        }
    }
    return false;
}

bool dial_is_quiet(struct dial *d)
{
    if (d->broken || d->eof || d->from < d->in.n || d->out.n > 0)
        return false;
    release_in(d);
    return d->ssl ? tls_quiet(d) : !raw_waiting(d);
}
