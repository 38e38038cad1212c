/* The mail role's end. Threads take requests straight off the socket (the kernel wakes one for each
 * record), serve them and answer: no dispatcher stands between. There are as many as requests are
 * being served at once, up to LIMIT_HANDOVER_THREADS, and some that wait. */
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "handover/server_private.h"
#include <sys/socket.h>
#include <unistd.h>

struct worker {
    struct handover_server *s;
    struct end *end;
    uint8_t *room; /* for a record */
    uint8_t *copy; /* for a small message */
};

/* Under the lock. */
static void end_unref(struct end *e)
{
    if (--e->users > 0)
        return;
    close(e->fd);
    mem_free(e);
}

struct end *server_end(struct handover_server *s)
{
    pthread_mutex_lock(&s->lock);
    struct end *e = s->end && !s->end->dead ? s->end : NULL;
    if (e)
        e->users++;
    pthread_mutex_unlock(&s->lock);
    return e;
}

void server_unref(struct handover_server *s, struct end *e)
{
    pthread_mutex_lock(&s->lock);
    end_unref(e);
    pthread_mutex_unlock(&s->lock);
}

void server_malformed(const char *what)
{
    log_warning("handover.malformed", log_text("from", "edge"), log_text("what", what));
}

static void answer(int fd, enum record_type type, uint64_t id, const enum handover_status *status,
                   size_t n)
{
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_statuses(type, id, status, n, &b);
    enum error e = buf_check(&b);
    if (e == OK)
        e = ipc_send(fd, buf_slice(&b), NULL, 0, LIMIT_HANDOVER_MS);
    if (e != OK)
        log_warning("handover.answer-lost", log_text("error", error_name(e)));
}

/* What cannot be served is answered all the same: who asked would wait in vain. How many recipients
 * it had may be unknown here; an answer of another number also means "later" there. */
static void refuse(const struct worker *w, struct slice record)
{
    struct cursor c = cur_of(record);
    enum record_type type = (enum record_type)cur_u8(&c);
    uint64_t id = cur_u64(&c);
    const enum handover_status later = HANDOVER_TEMPORARY;
    if (!cur_ok(&c) || type == RECORD_HEALTH)
        return;
    if (type == RECORD_RELAYED || type == RECORD_RELAYED_LONG)
        server_take_result(w->s, id, SLICE_NONE);
    else
        answer(w->end->fd, type == RECORD_RESOLVE ? RECORD_RESOLVED : RECORD_DELIVERED, id, &later,
               1);
}

/* The message of a request: a copy when it is small, else mapped (then it must be unmapped). */
static enum error take_message(const struct worker *w, int memfd, struct slice *raw, bool *mapped)
{
    size_t n;
    enum error e = ipc_memfd_copy(memfd, w->copy, LIMIT_HANDOVER_COPY, &n);
    *mapped = e == ERR_LIMIT;
    if (e == OK)
        *raw = slice_of(w->copy, n);
    /* The configured size was edge's to keep; what the store takes at all is the bound here. */
    return *mapped ? ipc_memfd_map(memfd, LIMIT_HANDOVER_MESSAGE, raw) : e;
}

/* The message is the memfd's, or when that is -1, the record's own. False: malformed, and not
 * answered. */
static bool deliver(const struct worker *w, const struct record *r, int memfd,
                    struct slice envelope)
{
    autoarena a;
    arena_init(&a, LIMIT_HANDOVER_ENVELOPE);
    struct handover_envelope e;
    if (record_read_envelope(&a, envelope, &e) != OK) {
        server_malformed("envelope");
        return false;
    }
    enum handover_status *status = arena_array(&a, e.n_recipients, sizeof *status);
    struct slice raw = r->message;
    bool mapped = false;
    if (!status)
        return false;
    for (size_t i = 0; i < e.n_recipients; i++)
        status[i] = HANDOVER_TEMPORARY;
    const struct handover_service *service = &w->s->service;
    if (memfd >= 0 && take_message(w, memfd, &raw, &mapped) != OK)
        server_malformed("message");
    else
        service->deliver(service->arg, &e, raw, status);
    if (mapped)
        ipc_unmap(raw);
    answer(w->end->fd, RECORD_DELIVERED, r->id, status, e.n_recipients);
    return true;
}

static bool deliver_long(const struct worker *w, const struct record *r,
                         const struct ipc_record *in)
{
    struct slice envelope;
    if (ipc_memfd_map(in->fds[1], LIMIT_HANDOVER_ENVELOPE, &envelope) != OK) {
        server_malformed("long envelope");
        return false;
    }
    bool answered = deliver(w, r, in->fds[0], envelope);
    ipc_unmap(envelope);
    return answered;
}

static void resolve(const struct worker *w, const struct record *r)
{
    const struct handover_service *service = &w->s->service;
    enum handover_status status = service->resolve(service->arg, r->recipient, r->size);
    answer(w->end->fd, RECORD_RESOLVED, r->id, &status, 1);
}

static void health(const struct worker *w, const struct record *r)
{
    const struct handover_service *service = &w->s->service;
    if (service->health)
        service->health(service->arg, r->validates, r->text);
}

/* False: malformed, and nobody has heard of it. */
static bool serve_record(const struct worker *w, const struct record *r,
                         const struct ipc_record *in)
{
    if (r->type == RECORD_RESOLVE && in->n_fds == 0)
        resolve(w, r);
    else if (r->type == RECORD_DELIVER_SMALL && in->n_fds == 0)
        return deliver(w, r, -1, r->envelope);
    else if (r->type == RECORD_DELIVER && in->n_fds == 1)
        return deliver(w, r, in->fds[0], r->envelope);
    else if (r->type == RECORD_DELIVER_LONG && in->n_fds == 2)
        return deliver_long(w, r, in);
    else if (r->type == RECORD_RELAYED && in->n_fds == 0)
        server_take_result(w->s, r->id, r->result);
    else if (r->type == RECORD_RELAYED_LONG && in->n_fds == 1)
        server_take_long_result(w->s, r->id, in->fds[0]);
    else if (r->type == RECORD_HEALTH && in->n_fds == 0)
        health(w, r);
    else {
        server_malformed("type or descriptors");
        return false;
    }
    return true;
}

static bool is_result(enum record_type t)
{
    return t == RECORD_RELAYED || t == RECORD_RELAYED_LONG;
}

/* Of a connection that is closed (`current` is false) only results still count: without them mail
 * would be sent again. */
static void serve(const struct worker *w, const struct ipc_record *in, bool current)
{
    struct record r;
    if (record_read(in->bytes, &r) != OK) {
        server_malformed("record");
        refuse(w, in->bytes);
    } else if ((!current && !is_result(r.type)) || !serve_record(w, &r, in)) {
        refuse(w, in->bytes);
    }
}

static void *work(void *arg);

/* Under the lock. False when the system has no thread to give. */
static bool start_worker(struct handover_server *s, struct end *e)
{
    struct worker *w = mem_alloc(sizeof *w);
    *w = (struct worker){.s = s, .end = e};
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    bool started = pthread_create(&thread, &attr, work, w) == 0;
    if (started) {
        s->threads++;
        e->users++;
        e->threads++;
        e->waiting++;
    } else {
        log_warning("handover.no-thread", log_u64("threads", s->threads));
        mem_free(w);
    }
    pthread_attr_destroy(&attr);
    return started;
}

/* Under the lock: may this thread wait for another record? `ends`: how often it met the end of the
 * connection. It reads on once: results may stand behind an error, which comes only once. */
static bool goes_on(struct end *e, unsigned ends)
{
    e->dead = e->dead || ends > 0;
    return ends < 2 && e->waiting < LIMIT_HANDOVER_IDLE;
}

/* Takes records until the connection ends or others wait for them. */
static void take_records(struct worker *w)
{
    struct handover_server *s = w->s;
    struct end *e = w->end;
    unsigned ends = 0;
    bool more = true;
    while (more) {
        struct ipc_record in = {0};
        enum error got = ipc_receive(e->fd, w->room, LIMIT_HANDOVER_RECORD, -1, &in);
        pthread_mutex_lock(&s->lock);
        e->waiting--;
        bool current = s->end == e;
        if (got == OK && current && e->waiting == 0 && s->threads < LIMIT_HANDOVER_THREADS)
            (void)start_worker(s, e); /* without it, this one comes back when it is done */
        pthread_mutex_unlock(&s->lock);
        if (got == OK) {
            serve(w, &in, current);
        } else if (got == ERR_INPUT) {
            server_malformed("truncated");
            refuse(w, in.bytes);
        } else {
            ends++;
        }
        ipc_close_fds(&in);
        pthread_mutex_lock(&s->lock);
        more = goes_on(e, ends);
        if (more)
            e->waiting++;
        pthread_mutex_unlock(&s->lock);
    }
}

/* The last thread of a connection closes its books. */
static bool is_last(struct handover_server *s, struct end *e)
{
    pthread_mutex_lock(&s->lock);
    bool last = --e->threads == 0;
    pthread_mutex_unlock(&s->lock);
    return last;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct handover_server *s = w->s;
    struct end *e = w->end;
    w->room = mem_alloc(LIMIT_HANDOVER_RECORD);
    w->copy = mem_alloc(LIMIT_HANDOVER_COPY);
    take_records(w);
    mem_free(w->room);
    mem_free(w->copy);
    mem_free(w);
    if (is_last(s, e))
        server_lose_tickets(s, e);
    pthread_mutex_lock(&s->lock);
    end_unref(e);
    s->threads--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Under the lock. On an error the descriptor is the caller's still. */
static enum error open_end(struct handover_server *s, int fd)
{
    struct end *e = mem_alloc(sizeof *e);
    e->fd = fd;
    e->users = 1;
    s->end = e;
    if (start_worker(s, e))
        return OK;
    s->end = NULL;
    mem_free(e);
    return ERR_AGAIN;
}

/* Under the lock: nothing more is read, what is being served is still answered. */
static void close_end(struct handover_server *s)
{
    if (!s->end)
        return;
    shutdown(s->end->fd, SHUT_RD);
    s->end->dead = true;
    end_unref(s->end);
    s->end = NULL;
}

static void server_release(struct handover_server *s)
{
    tickets_free(s->tickets);
    pthread_cond_destroy(&s->ticket);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->bans);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

enum error handover_server_new(int fd, const struct handover_service *service,
                               struct handover_server **out)
{
    struct handover_server *s = mem_alloc(sizeof *s);
    s->service = *service;
    s->tickets = tickets_new();
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->bans, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_cond_init(&s->ticket, &attr);
    pthread_condattr_destroy(&attr);
    enum error e = server_start_keeper(s);
    if (e == OK) {
        pthread_mutex_lock(&s->lock);
        e = open_end(s, fd);
        pthread_mutex_unlock(&s->lock);
        if (e != OK)
            server_stop_keeper(s);
    }
    if (e == OK)
        *out = s;
    else
        server_release(s);
    return e;
}

enum error handover_server_replace(struct handover_server *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    close_end(s);
    enum error e = open_end(s, fd);
    pthread_mutex_unlock(&s->lock);
    if (e != OK)
        close(fd); /* who asks there hears at once that nobody serves */
    return e;
}

static enum error send_bans(int fd, const struct ip *ips, size_t n)
{
    size_t at = 0;
    do {
        size_t piece = n - at < RECORD_BANS ? n - at : RECORD_BANS;
        autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
        record_write_banned(ips + at, piece, at == 0, at + piece == n, &b);
        enum error e = buf_check(&b);
        if (e == OK)
            e = ipc_send(fd, buf_slice(&b), NULL, 0, LIMIT_HANDOVER_MS);
        if (e != OK)
            return e;
        at += piece;
    } while (at < n);
    return OK;
}

enum error handover_server_banned(struct handover_server *s, const struct ip *ips, size_t n)
{
    pthread_mutex_lock(&s->bans);
    struct end *e = server_end(s);
    enum error error = ERR_CLOSED;
    if (e) {
        error = send_bans(e->fd, ips, n);
        server_unref(s, e);
    }
    pthread_mutex_unlock(&s->bans);
    return error;
}

bool handover_server_free(struct handover_server *s, int grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += grace_ms / 1000 + 1;
    server_stop_keeper(s);
    pthread_mutex_lock(&s->lock);
    close_end(s);
    int late = 0;
    while (s->threads > 0 && late == 0)
        late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    unsigned left = s->threads;
    pthread_mutex_unlock(&s->lock);
    if (left > 0) {
        /* They still use the memory: it goes with the process, which is about to end. */
        log_warning("handover.unfinished", log_u64("requests", left));
        return false;
    }
    server_release(s);
    return true;
}
