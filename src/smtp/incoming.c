/* The message on its way in: from the wire straight into a memfd, or, as long as it is small, into
 * memory of our own. */
#include "base/hash.h"
#include "base/mem.h"
#include "net/ipc.h"
#include "smtp/session.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes of all messages of this process that are arriving now. */
static _Atomic uint64_t in_flight;

/* The same of each address. Addresses that fall on one counter share a share; who does cannot be
 * chosen, for the hash is keyed. */
enum { COUNTERS = 4096 };
static _Atomic uint64_t of_address[COUNTERS];

static _Atomic uint64_t *share_of(struct ip peer)
{
    struct ip ip = ip_counting(peer);
    return &of_address[hash_bytes(slice_of(ip.b, sizeof ip.b)) % COUNTERS];
}

static void throw_away(struct smtp_incoming *in)
{
    if (!in->open)
        return;
    auto_close(&in->fd);
    in->fd = -1;
    buf_free(&in->small);
    in->open = false;
    atomic_fetch_sub(&in_flight, in->size);
    atomic_fetch_sub(in->share, in->size);
}

void smtp_incoming_reset(struct smtp_session *s)
{
    throw_away(&s->in);
    s->in = (struct smtp_incoming){.fd = -1};
}

static void refuse(struct smtp_incoming *in, enum smtp_reply why)
{
    if (in->refused == REPLY_NONE)
        in->refused = why;
    throw_away(in);
}

/* What is submitted is changed where it lies, and keeps room in front for its new header. */
static enum smtp_reply begin(struct smtp_session *s)
{
    struct smtp_incoming *in = &s->in;
    smtp_incoming_reset(s);
    if (atomic_load(&in_flight) >= LIMIT_SMTP_IN_FLIGHT)
        return REPLY_NO_ROOM;
    in->open = true;
    in->share = share_of(s->peer);
    buf_init(&in->small, s->face->submission ? LIMIT_SMTP_SUBMIT_SMALL : LIMIT_HANDOVER_SMALL);
    if (!s->face->submission)
        return REPLY_NONE;
    in->front = LIMIT_SMTP_FRONT_ROOM;
    memset(buf_room(&in->small, in->front), 0, in->front); /* within its limit */
    buf_grew(&in->small, in->front);
    return REPLY_NONE;
}

#define RUNS 64

/* Gathers runs of content for one writev(). */
struct writer {
    struct smtp_session *s;
    struct iovec run[RUNS];
    int n;
    size_t bytes;
};

/* Memory takes all or says why not. */
static bool write_all(int fd, const struct iovec *v, int n, size_t bytes)
{
    ssize_t done;
    do
        done = writev(fd, v, n);
    while (done < 0 && errno == EINTR);
    return done >= 0 && (size_t)done == bytes;
}

static bool write_memfd(const struct writer *w)
{
    struct smtp_incoming *in = &w->s->in;
    if (in->fd < 0) {
        const struct iovec before = {in->small.p, in->small.n};
        if (ipc_memfd("message", &in->fd) != OK || !write_all(in->fd, &before, 1, in->small.n))
            return false;
        buf_free(&in->small);
    }
    return write_all(in->fd, w->run, w->n, w->bytes);
}

/* Counts `bytes` more; false when there is no room. Small messages need none of their address'
 * share, and one message of an address always comes through. */
static bool count(struct smtp_incoming *in, size_t bytes)
{
    bool light = in->size + bytes <= LIMIT_SMTP_LIGHT;
    uint64_t room = LIMIT_SMTP_IN_FLIGHT - (light ? 0 : LIMIT_SMTP_LIGHT_ROOM);
    uint64_t all = atomic_fetch_add(&in_flight, bytes) + bytes;
    uint64_t own = atomic_fetch_add(in->share, bytes) + bytes;
    bool alone = own == in->size + bytes;
    if (all <= room && (light || alone || own <= LIMIT_SMTP_ADDRESS_SHARE)) {
        in->size += bytes;
        return true;
    }
    atomic_fetch_sub(&in_flight, bytes);
    atomic_fetch_sub(in->share, bytes);
    return false;
}

/* Keeps what is gathered, or refuses the message. */
static void write_runs(const struct writer *w)
{
    struct smtp_incoming *in = &w->s->in;
    if (in->size + w->bytes > w->s->max_size) {
        refuse(in, REPLY_TOO_BIG);
        return;
    }
    if (!count(in, w->bytes)) {
        refuse(in, REPLY_NO_ROOM);
        return;
    }
    if (in->fd < 0 && in->small.n + w->bytes <= in->small.limit) {
        for (int i = 0; i < w->n; i++)
            buf_add(&in->small, slice_of(w->run[i].iov_base, w->run[i].iov_len));
    } else if (!write_memfd(w)) {
        refuse(in, REPLY_NO_ROOM);
    }
}

/* Empties the writer in every case: of a refused message the runs are dropped. */
static void write_out(struct writer *w)
{
    if (w->s->in.open && w->n > 0)
        write_runs(w);
    w->n = 0;
    w->bytes = 0;
}

static void add_run(void *arg, struct slice run)
{
    struct writer *w = arg;
    if (w->n == RUNS)
        write_out(w);
    struct iovec *v = &w->run[w->n++];
    memcpy(&v->iov_base, &run.p, sizeof run.p); /* iovec has no const; writev only reads */
    v->iov_len = run.n;
    w->bytes += run.n;
}

/* The message is there, good or bad: says so, and ends the transaction. */
static void finish(struct smtp_session *s)
{
    struct smtp_incoming *in = &s->in;
    enum smtp_reply r = in->content.spoiled != REPLY_NONE ? in->content.spoiled : in->refused;
    if (r == REPLY_NONE)
        r = s->face->message(s);
    smtp_log_message(s, r);
    if (r == REPLY_ACCEPTED) {
        char text[64];
        snprintf(text, sizeof text, "%s %s", smtp_reply(r)->text, s->t.id);
        s->errors = 0;
        smtp_say(s, r, text);
    } else {
        smtp_say(s, r, NULL);
    }
    smtp_transaction_reset(s);
    s->mode = MODE_COMMAND;
}

/* A refused message is read to its end so that the client hears why, but not for ever. */
static bool too_much(struct smtp_session *s)
{
    struct smtp_incoming *in = &s->in;
    if (in->content.taken <= s->max_size + LIMIT_SMTP_DISCARD)
        return false;
    smtp_log_message(s, REPLY_TOO_BIG);
    smtp_say(s, REPLY_TOO_BIG, NULL);
    s->closing = true;
    return true;
}

enum smtp_reply smtp_do_data(struct smtp_session *s)
{
    if (!s->t.open)
        return REPLY_NEED_MAIL;
    if (s->t.n_recipients == 0)
        return REPLY_NEED_RCPT;
    if (s->t.chunks)
        return REPLY_BAD_SEQUENCE;
    enum smtp_reply r = begin(s);
    if (r != REPLY_NONE)
        return r;
    s->mode = MODE_DATA;
    return REPLY_SEND_DATA;
}

bool smtp_take_data(struct smtp_session *s)
{
    struct writer w = {.s = s};
    struct content *c = &s->in.content;
    size_t n = content_data(c, conn_input(s->conn), add_run, &w);
    write_out(&w);
    conn_consume(s->conn, n);
    if (c->spoiled != REPLY_NONE)
        throw_away(&s->in);
    if (too_much(s))
        return false;
    if (!c->ended)
        return false;
    finish(s);
    return true;
}

static void end_chunk(struct smtp_session *s)
{
    s->mode = MODE_COMMAND;
    if (!s->chunk_last) {
        enum smtp_reply r =
            s->in.content.spoiled != REPLY_NONE ? s->in.content.spoiled : s->in.refused;
        if (r == REPLY_NONE) {
            smtp_say(s, REPLY_CHUNK_OK, NULL);
            return;
        }
        /* RFC 3030 section 2: after a failure the transaction is over. */
        if (s->t.open)
            smtp_log_message(s, r);
        smtp_say(s, r, NULL);
        smtp_transaction_reset(s);
        return;
    }
    content_chunks_end(&s->in.content);
    /* Every message that is kept ends with a line end. */
    if (s->in.content.mid_line && s->in.open) {
        struct writer w = {.s = s};
        add_run(&w, SLICE("\r\n"));
        write_out(&w);
    }
    if (s->t.open && s->t.n_recipients > 0) {
        finish(s);
        return;
    }
    smtp_say(s, s->in.refused, NULL);
    smtp_transaction_reset(s);
}

enum smtp_reply smtp_do_bdat(struct smtp_session *s, const struct smtp_command *c)
{
    enum smtp_reply r = !s->t.open               ? REPLY_NEED_MAIL
                        : s->t.n_recipients == 0 ? REPLY_NEED_RCPT
                                                 : REPLY_NONE;
    if (c->chunk > s->max_size + LIMIT_SMTP_DISCARD) {
        s->closing = true;
        return REPLY_TOO_BIG;
    }
    if (!s->t.chunks || r != REPLY_NONE) {
        enum smtp_reply begun = r == REPLY_NONE ? begin(s) : r;
        /* The bytes come whether they are wanted or not; they must not be read as commands. */
        if (begun != REPLY_NONE) {
            smtp_incoming_reset(s);
            s->in.refused = begun;
        }
        s->t.chunks = s->t.open;
    }
    if (s->in.size + c->chunk > s->max_size)
        refuse(&s->in, REPLY_TOO_BIG);
    s->chunk_left = c->chunk;
    s->chunk_last = c->last;
    if (c->chunk > 0 && r == REPLY_NONE)
        s->commands = 0;
    s->mode = MODE_CHUNK;
    if (c->chunk == 0)
        end_chunk(s);
    return REPLY_NONE;
}

bool smtp_take_chunk(struct smtp_session *s)
{
    struct writer w = {.s = s};
    struct slice in = conn_input(s->conn);
    if (in.n > s->chunk_left)
        in = slice_sub(in, 0, (size_t)s->chunk_left);
    content_chunk(&s->in.content, in, add_run, &w);
    write_out(&w);
    conn_consume(s->conn, in.n);
    s->chunk_left -= in.n;
    if (too_much(s))
        return false;
    if (s->chunk_left > 0)
        return false;
    end_chunk(s);
    return true;
}
