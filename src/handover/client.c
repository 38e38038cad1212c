/* The edge's end: any number of threads ask at once, one thread reads the answers.
 *
 * A request waits in a slot; its number holds the slot's index in its low bits and a count above,
 * so an answer finds its waiter without a search, and one that comes too late finds nobody. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "handover/record.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_BITS 16
_Static_assert(LIMIT_HANDOVER_WAITING <= 1 << SLOT_BITS, "a slot's index fits");

struct waiter {
    uint64_t id;
    enum record_type expects;
    enum handover_status *status;
    size_t n;
    enum error result;
    bool done;
};

struct slot {
    struct waiter *waiter; /* NULL: free */
    uint32_t next_free;
    sem_t answered;
};

/* One socket; replaced as a whole when `mail` is started anew. Lives until the last user is done.
 */
struct link {
    int fd;
    unsigned users;
};

struct handover_client {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t replaced;
    struct link *link; /* NULL while `mail` is gone */
    bool ending;
    uint64_t count;
    struct slot slot[LIMIT_HANDOVER_WAITING];
    uint32_t free_head; /* LIMIT_HANDOVER_WAITING: none */
    /* For the reading thread alone. */
    pthread_t reader;
    struct handover_duties duties;
    struct ip *bans;
    size_t n_bans;
};

static struct link *link_new(int fd)
{
    struct link *l = mem_alloc(sizeof *l);
    l->fd = fd;
    l->users = 1;
    return l;
}

/* Under the lock. */
static void link_unref(struct link *l)
{
    if (--l->users > 0)
        return;
    close(l->fd);
    mem_free(l);
}

/* Under the lock: nobody who waits can be answered any more. */
static void fail_all(struct handover_client *c)
{
    for (size_t i = 0; i < LIMIT_HANDOVER_WAITING; i++) {
        struct waiter *w = c->slot[i].waiter;
        if (!w || w->done)
            continue;
        w->result = ERR_CLOSED;
        w->done = true;
        sem_post(&c->slot[i].answered);
    }
}

/* Under the lock. */
static void drop_link(struct handover_client *c)
{
    if (!c->link)
        return;
    shutdown(c->link->fd, SHUT_RDWR); /* wakes the reader, whoever it is */
    link_unref(c->link);
    c->link = NULL;
    fail_all(c);
}

static void take_answer(struct handover_client *c, const struct record *r)
{
    size_t index = r->id & ((1 << SLOT_BITS) - 1);
    struct slot *slot = index < LIMIT_HANDOVER_WAITING ? &c->slot[index] : NULL;
    pthread_mutex_lock(&c->lock);
    struct waiter *w = slot ? slot->waiter : NULL;
    bool fits = w && w->id == r->id && !w->done;
    if (fits) {
        w->result = w->expects == r->type && w->n == r->statuses.n ? OK : ERR_INPUT;
        for (size_t i = 0; w->result == OK && i < w->n; i++)
            w->status[i] = (enum handover_status)r->statuses.p[i];
        w->done = true;
    }
    pthread_mutex_unlock(&c->lock);
    if (fits)
        sem_post(&slot->answered);
    else
        log_debug("handover.late", log_u64("request", r->id));
}

static void take_bans(struct handover_client *c, const struct record *r)
{
    size_t n = r->addresses.n / sizeof(struct ip);
    if (r->first)
        c->n_bans = 0;
    if (c->n_bans + n > LIMIT_HANDOVER_BANS) {
        log_warning("handover.bans-cut", log_u64("kept", c->n_bans));
        n = LIMIT_HANDOVER_BANS - c->n_bans;
    }
    c->bans = mem_resize(c->bans, c->n_bans + n + 1, sizeof *c->bans);
    if (n > 0)
        memcpy(c->bans + c->n_bans, r->addresses.p, n * sizeof(struct ip));
    c->n_bans += n;
    if (r->last && c->duties.banned)
        c->duties.banned(c->duties.arg, c->bans, c->n_bans);
}

static void take_record(struct handover_client *c, struct ipc_record *in)
{
    struct record r;
    ipc_close_fds(in); /* none belongs to an answer */
    if (record_read(in->bytes, &r) != OK)
        log_warning("handover.malformed", log_text("from", "mail"), log_u64("bytes", in->bytes.n));
    else if (r.type == RECORD_RESOLVED || r.type == RECORD_DELIVERED)
        take_answer(c, &r);
    else if (r.type == RECORD_BANNED)
        take_bans(c, &r);
    else
        log_warning("handover.unexpected", log_u64("type", r.type));
}

/* Reads from one link until it ends. */
static void read_link(struct handover_client *c, struct link *l, uint8_t *room)
{
    for (;;) {
        struct ipc_record in;
        enum error e = ipc_receive(l->fd, room, LIMIT_HANDOVER_RECORD, -1, &in);
        if (e == OK)
            take_record(c, &in);
        else if (e != ERR_INPUT)
            return;
    }
}

static void *read_answers(void *arg)
{
    struct handover_client *c = arg;
    uint8_t *room = mem_alloc(LIMIT_HANDOVER_RECORD);
    pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        struct link *l = c->link;
        if (!l) {
            pthread_cond_wait(&c->replaced, &c->lock);
            continue;
        }
        l->users++;
        pthread_mutex_unlock(&c->lock);
        read_link(c, l, room);
        pthread_mutex_lock(&c->lock);
        if (c->link == l)
            drop_link(c);
        link_unref(l);
    }
    pthread_mutex_unlock(&c->lock);
    mem_free(room);
    return NULL;
}

enum error handover_client_new(int fd, const struct handover_duties *duties,
                               struct handover_client **out)
{
    struct handover_client *c = mem_alloc(sizeof *c);
    c->duties = *duties;
    for (uint32_t i = 0; i < LIMIT_HANDOVER_WAITING; i++) {
        c->slot[i].next_free = i + 1;
        sem_init(&c->slot[i].answered, 0, 0);
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->replaced, NULL);
    c->link = link_new(fd);
    if (pthread_create(&c->reader, NULL, read_answers, c) != 0) {
        pthread_cond_destroy(&c->replaced);
        pthread_mutex_destroy(&c->lock);
        mem_free(c->link); /* on an error the descriptor stays the caller's */
        mem_free(c);
        return ERR_AGAIN;
    }
    *out = c;
    return OK;
}

/* Takes a slot and a use of the link. */
static enum error begin(struct handover_client *c, struct waiter *w, struct link **link)
{
    pthread_mutex_lock(&c->lock);
    uint32_t index = c->free_head;
    enum error e = !c->link ? ERR_CLOSED : index >= LIMIT_HANDOVER_WAITING ? ERR_LIMIT : OK;
    if (e == OK) {
        c->free_head = c->slot[index].next_free;
        w->id = ++c->count << SLOT_BITS | index;
        c->slot[index].waiter = w;
        *link = c->link;
        c->link->users++;
    }
    pthread_mutex_unlock(&c->lock);
    return e;
}

static void deadline_after(int64_t ms, struct timespec *out)
{
    clock_gettime(CLOCK_MONOTONIC, out);
    out->tv_sec += ms / 1000;
    out->tv_nsec += (ms % 1000) * 1000000;
    if (out->tv_nsec >= 1000000000) {
        out->tv_sec++;
        out->tv_nsec -= 1000000000;
    }
}

/* Sleeps until woken or the time is over; false then. */
static bool sleep_until(sem_t *s, const struct timespec *until)
{
    while (sem_clockwait(s, CLOCK_MONOTONIC, until) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* Waits for the answer and gives the slot back. */
static enum error finish(struct handover_client *c, struct waiter *w, struct link *l,
                         enum error sent)
{
    uint32_t index = w->id & ((1 << SLOT_BITS) - 1);
    struct slot *slot = &c->slot[index];
    struct timespec until;
    deadline_after(LIMIT_HANDOVER_MS, &until);
    bool over = sent != OK;
    for (;;) {
        over = over || !sleep_until(&slot->answered, &until);
        pthread_mutex_lock(&c->lock);
        if (w->done || over)
            break;
        pthread_mutex_unlock(&c->lock); /* woken by a late post */
    }
    enum error result = sent != OK ? sent : w->done ? w->result : ERR_TIMEOUT;
    slot->waiter = NULL;
    slot->next_free = c->free_head;
    c->free_head = index;
    link_unref(l);
    pthread_mutex_unlock(&c->lock);
    return result;
}

enum error handover_resolve(struct handover_client *c, struct slice recipient, uint64_t size,
                            enum handover_status *out)
{
    enum handover_status status;
    struct waiter w = {.expects = RECORD_RESOLVED, .status = &status, .n = 1};
    struct link *l;
    enum error e = begin(c, &w, &l);
    if (e != OK)
        return e;
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_resolve(w.id, recipient, size, &b);
    e = buf_check(&b);
    if (e == OK)
        e = ipc_send(l->fd, buf_slice(&b), NULL, 0, LIMIT_HANDOVER_MS);
    e = finish(c, &w, l, e);
    if (e == OK)
        *out = status;
    return e;
}

/* Puts what is too long for a record into a sealed memfd. */
static enum error into_memfd(const char *name, struct slice bytes, int *out)
{
    int fd;
    enum error e = ipc_memfd(name, &fd);
    if (e != OK)
        return e;
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n <= 0 && errno != EINTR) {
            close(fd);
            return ERR_IO;
        }
        if (n > 0)
            bytes = slice_from(bytes, (size_t)n);
    }
    e = ipc_memfd_seal(fd);
    if (e != OK) {
        close(fd);
        return e;
    }
    *out = fd;
    return OK;
}

/* Room that a record needs around the envelope. */
#define RECORD_HEAD 64

static enum error send_small(int fd, uint64_t id, struct slice envelope, struct slice message)
{
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_deliver_small(id, envelope, message, &b);
    enum error e = buf_check(&b);
    return e != OK ? e : ipc_send(fd, buf_slice(&b), NULL, 0, LIMIT_HANDOVER_MS);
}

static enum error send_memfd(int fd, uint64_t id, struct slice envelope, int memfd)
{
    autofd second = -1;
    bool is_long = envelope.n > LIMIT_HANDOVER_RECORD - RECORD_HEAD;
    enum error e = is_long ? into_memfd("envelope", envelope, &second) : OK;
    if (e != OK)
        return e;
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_deliver(id, is_long ? NULL : &envelope, &b);
    e = buf_check(&b);
    int fds[2] = {memfd, second};
    return e != OK ? e : ipc_send(fd, buf_slice(&b), fds, is_long ? 2 : 1, LIMIT_HANDOVER_MS);
}

static enum error send_deliver(int fd, uint64_t id, struct slice envelope,
                               const struct handover_message *m)
{
    if (m->memfd >= 0)
        return send_memfd(fd, id, envelope, m->memfd);
    if (envelope.n + m->small.n <= LIMIT_HANDOVER_RECORD - RECORD_HEAD)
        return send_small(fd, id, envelope, m->small);
    autofd memfd = -1; /* so many recipients that both do not fit */
    enum error e = into_memfd("message", m->small, &memfd);
    return e != OK ? e : send_memfd(fd, id, envelope, memfd);
}

enum error handover_deliver(struct handover_client *c, const struct handover_envelope *e,
                            const struct handover_message *m, enum handover_status *status)
{
    if (e->n_recipients == 0 || e->n_recipients > LIMIT_HANDOVER_RECIPIENTS ||
        (m->memfd < 0 && m->small.n > LIMIT_HANDOVER_SMALL))
        return ERR_INPUT;
    autobuf envelope = BUF_INIT(LIMIT_HANDOVER_ENVELOPE);
    record_write_envelope(e, &envelope);
    if (envelope.failed)
        return ERR_LIMIT;
    struct waiter w = {.expects = RECORD_DELIVERED, .status = status, .n = e->n_recipients};
    struct link *l;
    enum error error = begin(c, &w, &l);
    if (error != OK)
        return error;
    error = send_deliver(l->fd, w.id, buf_slice(&envelope), m);
    return finish(c, &w, l, error);
}

bool handover_client_alive(struct handover_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool alive = c->link != NULL;
    pthread_mutex_unlock(&c->lock);
    return alive;
}

void handover_client_replace(struct handover_client *c, int fd)
{
    struct link *l = link_new(fd);
    pthread_mutex_lock(&c->lock);
    drop_link(c);
    c->link = l;
    pthread_cond_signal(&c->replaced);
    pthread_mutex_unlock(&c->lock);
}

void handover_client_free(struct handover_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    drop_link(c);
    pthread_cond_signal(&c->replaced);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->reader, NULL);
    pthread_cond_destroy(&c->replaced);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->bans);
    mem_free(c);
}
