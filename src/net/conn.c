/* What a protocol's functions see of their connection. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/runtime_private.h"
#include <openssl/ssl.h>

/* A printf may add this much to a chunk that is nearly full. */
#define OUTPUT_LIMIT (LIMIT_WRITE_CHUNK + LIMIT_INPUT_BUFFER)

void *conn_service(struct conn *c)
{
    return c->listener->o.service;
}

void *conn_data(struct conn *c)
{
    return c->data;
}

void conn_set_data(struct conn *c, void *data)
{
    c->data = data;
}

struct ip conn_peer(struct conn *c)
{
    return c->peer;
}

uint64_t conn_id(struct conn *c)
{
    return c->id;
}

/* --- Input --- */

struct slice conn_input(struct conn *c)
{
    return slice_from(buf_slice(&c->in), c->in_at);
}

void conn_consume(struct conn *c, size_t n)
{
    size_t have = c->in.n - c->in_at;
    if (n > have)
        bug("%s consumes %zu of %zu bytes", c->listener->o.protocol->name, n, have);
    /* There are passwords in it, and the buffer serves others later. */
    if (n > 0)
        mem_wipe(c->in.p + c->in_at, n);
    c->in_at += (uint32_t)n;
    if (c->in_at == c->in.n) {
        buf_reset(&c->in);
        c->in_at = 0;
    }
}

/* Room for some bytes at the end of the input; NULL when LIMIT_INPUT_BUFFER are held. */
static uint8_t *input_room(struct conn *c, size_t *size)
{
    if (!c->in.p) {
        c->in = c->worker->spare_in;
        c->worker->spare_in = (struct buf)BUF_INIT(LIMIT_INPUT_BUFFER);
        buf_reset(&c->in);
        c->in.limit = LIMIT_INPUT_BUFFER;
    }
    size_t have = c->in.n - c->in_at;
    if (have >= LIMIT_INPUT_BUFFER)
        return NULL;
    *size = LIMIT_INPUT_BUFFER - have;
    if (*size > LIMIT_READ_CHUNK)
        *size = LIMIT_READ_CHUNK;
    /* Moving the rest to the front costs at most as much as was read to get here: it happens once
     * for each chunk, or when the limit comes near. */
    if (c->in_at > 0 && c->in.n + *size > c->in.cap) {
        buf_drop(&c->in, c->in_at);
        c->in_at = 0;
    }
    return buf_room(&c->in, *size);
}

enum error conn_fill(struct conn *c)
{
    if (c->eof)
        return ERR_CLOSED;
    size_t added = 0;
    do {
        size_t size = 0, n = 0;
        uint8_t *room = input_room(c, &size);
        if (!room)
            return added ? OK : ERR_LIMIT;
        enum error e = stream_read(c, room, size, &n);
        if (e != OK && added > 0) {
            c->more = e != ERR_AGAIN; /* a failure shows itself again at the next call */
            return OK;
        }
        if (e != OK)
            return e;
        buf_grew(&c->in, n);
        added += n;
        /* Small records that came together are handled together, and answered in one write. */
    } while (c->ssl && c->more && added < LIMIT_READ_CHUNK);
    return OK;
}

enum error conn_read_more(struct conn *c)
{
    if (c->broken)
        return ERR_IO;
    return conn_fill(c);
}

void conn_shed(struct conn *c)
{
    struct worker *w = c->worker;
    if (c->in.n == 0 && c->in.p) {
        if (w->spare_in.p || c->in.cap > LIMIT_READ_CHUNK)
            buf_free(&c->in);
        else
            w->spare_in = c->in;
        c->in = (struct buf)BUF_INIT(LIMIT_INPUT_BUFFER);
    } else if (c->in.p) {
        struct slice rest = conn_input(c);
        if (rest.n * 2 < c->in.cap) {
            struct buf small = BUF_INIT(LIMIT_INPUT_BUFFER);
            buf_add(&small, rest);
            if (w->spare_in.p || c->in.cap > LIMIT_READ_CHUNK)
                buf_free(&c->in);
            else
                w->spare_in = c->in;
            c->in = small;
            c->in_at = 0;
        }
    }
    if (c->out.p && !c->stalled) {
        if (w->spare_out.p || c->out.cap > LIMIT_WRITE_CHUNK)
            buf_free(&c->out);
        else
            w->spare_out = c->out;
        c->out = (struct buf)BUF_INIT(OUTPUT_LIMIT);
    }
}

/* --- Output --- */

static void output_begin(struct conn *c)
{
    if (c->out.p)
        return;
    c->out = c->worker->spare_out;
    c->worker->spare_out = (struct buf)BUF_INIT(OUTPUT_LIMIT);
    buf_reset(&c->out);
    c->out.limit = OUTPUT_LIMIT;
}

static void output_send(struct conn *c, struct slice s)
{
    if (c->broken || s.n == 0)
        return;
    enum error e = stream_write(c, s);
    if (e == OK)
        return;
    c->broken = true;
    if (e == ERR_TIMEOUT) {
        char peer[IP_TEXT];
        ip_print(c->peer, peer);
        log_info("net.write-timeout", log_text("protocol", c->listener->o.protocol->name),
                 log_text("peer", peer));
    }
}

void conn_flush(struct conn *c)
{
    output_send(c, buf_slice(&c->out));
    buf_reset(&c->out);
    c->stalled = false;
}

void conn_write(struct conn *c, struct slice s)
{
    if (c->broken || s.n == 0)
        return;
    if (c->phase == PHASE_HANDSHAKE) {
        log_error("net.write-in-handshake", log_text("protocol", c->listener->o.protocol->name));
        c->broken = true;
        return;
    }
    output_begin(c);
    while (s.n > 0) {
        if (c->out.n == 0 && s.n >= LIMIT_WRITE_CHUNK) {
            /* Nothing to gather: straight from the caller's memory, in whole chunks. */
            size_t whole = s.n - s.n % LIMIT_WRITE_CHUNK;
            output_send(c, slice_sub(s, 0, whole));
            s = slice_from(s, whole);
            continue;
        }
        struct slice piece = slice_sub(s, 0, LIMIT_WRITE_CHUNK - c->out.n);
        buf_add(&c->out, piece);
        s = slice_from(s, piece.n);
        if (c->out.n >= LIMIT_WRITE_CHUNK)
            conn_flush(c);
    }
}

/* What could not be sent at once is taken up again from here. */
void conn_resume(struct conn *c)
{
    size_t taken = 0;
    enum error e = stream_offer(c, buf_slice(&c->out), &taken);
    buf_drop(&c->out, taken);
    c->stalled = e == ERR_AGAIN;
    if (e != OK && e != ERR_AGAIN)
        c->broken = true;
}

void conn_send(struct conn *c, struct slice s)
{
    if (c->broken || s.n == 0)
        return;
    if (c->phase == PHASE_HANDSHAKE || c->stalled || s.n > LIMIT_INPUT_BUFFER)
        bug("%s sends what cannot be sent now", c->listener->o.protocol->name);
    size_t taken = 0;
    if (c->out.n == 0) {
        enum error e = stream_offer(c, s, &taken);
        if (e == OK)
            return;
        c->stalled = e == ERR_AGAIN;
        c->broken = !c->stalled;
    }
    output_begin(c);
    buf_add(&c->out, slice_from(s, taken));
    if (!c->stalled && !c->broken)
        conn_resume(c);
}

bool conn_stalled(const struct conn *c)
{
    return c->stalled;
}

void conn_printf(struct conn *c, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0)
        bug("conn_printf: %s", format);
    size_t size = (size_t)n;
    if (size < sizeof small) {
        conn_write(c, slice_of(small, size));
        return;
    }
    char *big = mem_alloc(size + 1);
    va_start(args, format);
    vsnprintf(big, size + 1, format, args);
    va_end(args);
    conn_write(c, slice_of(big, size));
    mem_free(big);
}

bool conn_broken(const struct conn *c)
{
    return c->broken;
}

/* --- Deadline --- */

void conn_deadline(struct conn *c, int ms)
{
    int64_t at = ms > 0 ? clock_ms() + ms : NEVER;
    if (c->phase == PHASE_HANDSHAKE) { /* the handshake's own deadline stands until it is done */
        c->kept_deadline = at;
        return;
    }
    atomic_store(&c->deadline, at);
    timer_ensure(c->listener->rt, c);
}

/* --- TLS --- */

enum error conn_start_tls(struct conn *c, enum after (*open_tls)(struct conn *c))
{
    if (!c->listener->o.tls)
        return ERR_NOTFOUND;
    if (c->ssl)
        return ERR_CONFLICT;
    if (conn_input(c).n > 0) {
        /* What stands here was sent in clear, maybe by somebody in between, to be read as if it
         * came through TLS. Nothing of it is kept and the connection ends. */
        char peer[IP_TEXT];
        ip_print(c->peer, peer);
        log_warning("tls.injection", log_text("protocol", c->listener->o.protocol->name),
                    log_text("peer", peer));
        c->broken = true;
        return ERR_INPUT;
    }
    conn_flush(c);
    if (c->broken)
        return ERR_CLOSED;
    enum error e = stream_tls(c);
    if (e != OK) {
        c->broken = true;
        return e;
    }
    int64_t until = clock_ms() + LIMIT_HANDSHAKE_MS;
    c->kept_deadline = atomic_load(&c->deadline);
    c->open_tls = open_tls;
    c->phase = PHASE_HANDSHAKE;
    if (until < c->kept_deadline) {
        atomic_store(&c->deadline, until);
        timer_ensure(c->listener->rt, c);
    }
    return OK;
}

bool conn_tls(const struct conn *c)
{
    return c->ssl && c->phase == PHASE_OPEN;
}

struct slice conn_tls_version(const struct conn *c)
{
    return c->ssl ? slice_str(SSL_get_version(c->ssl)) : SLICE("");
}

struct slice conn_tls_cipher(const struct conn *c)
{
    const SSL_CIPHER *cipher = c->ssl ? SSL_get_current_cipher(c->ssl) : NULL;
    return cipher ? slice_str(SSL_CIPHER_standard_name(cipher)) : SLICE("");
}

struct slice conn_alpn(const struct conn *c)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &p, &n);
    return slice_of(p, n);
}
