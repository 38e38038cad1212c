/* The edge's end: any number of threads ask at once, one thread reads the answers.
 *
 * A request waits in a slot; its number holds the slot's index in its low bits and a count above,
 * so an answer finds its waiter without a search, and one that comes too late finds nobody. */
#include "base/log.h"
#include "base/mem.h"
#include "handover/carry.h"
#include "handover/client_private.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_BITS 16
_Static_assert(LIMIT_HANDOVER_WAITING <= 1 << SLOT_BITS, "a slot's index fits");

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

struct link *client_link(struct handover_client *c)
{
    pthread_mutex_lock(&c->lock);
    struct link *l = c->link;
    if (l)
        l->users++;
    pthread_mutex_unlock(&c->lock);
    return l;
}

void client_unlink(struct handover_client *c, struct link *l)
{
    pthread_mutex_lock(&c->lock);
    link_unref(l);
    pthread_mutex_unlock(&c->lock);
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
    if (record_read(in->bytes, &r) != OK) {
        log_warning("handover.malformed", log_text("from", "mail"), log_u64("bytes", in->bytes.n));
        client_refuse(c, in->bytes);
        return;
    }
    switch (r.type) {
    case RECORD_RESOLVED:
    case RECORD_DELIVERED:
        take_answer(c, &r);
        break;
    case RECORD_BANNED:
        take_bans(c, &r);
        break;
    case RECORD_RELAY:
    case RECORD_RELAY_LONG:
    case RECORD_RELAY_SMALL:
        client_take_relay(c, &r, in);
        break;
    default:
        log_warning("handover.unexpected", log_u64("type", r.type));
    }
}

/* Reads from one link until it ends. */
static void read_link(struct handover_client *c, struct link *l, uint8_t *room)
{
    for (;;) {
        struct ipc_record in;
        enum error e = ipc_receive(l->fd, room, LIMIT_HANDOVER_RECORD, -1, &in);
        if (e == OK)
            take_record(c, &in);
        else if (e == ERR_INPUT)
            client_refuse(c, in.bytes);
        else
            return;
        ipc_close_fds(&in);
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
        bool renewed = l->renewed;
        l->renewed = false;
        pthread_mutex_unlock(&c->lock);
        if (renewed && c->duties.renewed)
            c->duties.renewed(c->duties.arg);
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

static void client_release(struct handover_client *c)
{
    pthread_cond_destroy(&c->replaced);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->health_lock);
    buf_free(&c->health);
    mem_free(c->bans);
    mem_free(c);
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
    buf_init(&c->health, LIMIT_HEALTH_TEXT);
    pthread_mutex_init(&c->health_lock, NULL);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->replaced, NULL);
    c->link = link_new(fd);
    if (pthread_create(&c->reader, NULL, read_answers, c) != 0) {
        mem_free(c->link); /* on an error the descriptor stays the caller's */
        client_release(c);
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

static const struct carriage delivery = {record_write_deliver, record_write_deliver_small,
                                         LIMIT_HANDOVER_SMALL};

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
    error = carry_message(l->fd, &delivery, w.id, buf_slice(&envelope), m, LIMIT_HANDOVER_MS);
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
    l->renewed = true;
    pthread_mutex_lock(&c->lock);
    drop_link(c);
    c->link = l;
    pthread_cond_signal(&c->replaced);
    pthread_mutex_unlock(&c->lock);
    client_tell_health(c);
}

void handover_client_free(struct handover_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    drop_link(c);
    pthread_cond_signal(&c->replaced);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->reader, NULL);
    client_release(c);
}
