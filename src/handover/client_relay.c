/* The edge's end: what it sends for `mail`, and how it stands. */
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "handover/carry.h"
#include "handover/client_private.h"

/* --- Results --- */

/* What counts, and fits a record always: for when there is no descriptor for the whole. */
static void write_outcomes(const struct relay_result *r, struct buf *out)
{
    const struct relay_result bare = {
        .recipient = r->recipient,
        .n_recipients = r->n_recipients,
        .host = r->host,
        .ip = r->ip,
        .security = r->security,
        .remote_dsn = r->remote_dsn,
        .next_hop_failed = r->next_hop_failed,
    };
    relay_write_result(&bare, out);
}

static void send_result(struct handover_client *c, uint64_t ticket, struct slice result, int memfd,
                        int timeout_ms)
{
    struct link *l = client_link(c);
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_relayed(ticket, memfd < 0 ? &result : NULL, &b);
    enum error e = buf_check(&b);
    if (e == OK)
        e = l ? ipc_send(l->fd, buf_slice(&b), &memfd, memfd < 0 ? 0 : 1, timeout_ms) : ERR_CLOSED;
    if (l)
        client_unlink(c, l);
    if (e == ERR_CLOSED) /* whoever asked is gone, and asks anew */
        log_debug("handover.result-late", log_u64("ticket", ticket));
    else if (e != OK)
        log_warning("handover.result-lost", log_u64("ticket", ticket),
                    log_text("error", error_name(e)));
}

static void tell_result(struct handover_client *c, uint64_t ticket, const struct relay_result *r,
                        int timeout_ms)
{
    enum { ROOM = LIMIT_HANDOVER_RECORD - RECORD_HEAD };
    autobuf result = BUF_INIT(LIMIT_RELAY_BYTES);
    autofd memfd = -1;
    relay_write_result(r, &result);
    if (result.n > ROOM && carry_memfd("result", buf_slice(&result), &memfd) != OK) {
        buf_reset(&result);
        write_outcomes(r, &result);
    }
    if (result.failed)
        log_error("handover.result-wrong", log_u64("recipients", r->n_recipients));
    /* Even then `mail` hears that it is over. */
    send_result(c, ticket, result.failed ? SLICE("") : buf_slice(&result), memfd, timeout_ms);
}

/* No result may be lost that `mail` still waits for: it would send again. */
void handover_relayed(struct handover_client *c, uint64_t ticket, const struct relay_result *r)
{
    tell_result(c, ticket, r, LIMIT_RELAY_MS);
}

/* --- Requests --- */

/* Nobody sends it: tried again later. An empty result says that not even the request was read. On
 * the reading thread, that must not wait long for `mail`, which may be waiting for it. */
static void refuse(struct handover_client *c, uint64_t ticket, struct slice request)
{
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_request rq;
    struct relay_outcome_of *o = NULL;
    if (relay_read_request(&a, request, &rq) == OK)
        o = arena_array(&a, rq.n_recipients, sizeof *o);
    if (!o) {
        send_result(c, ticket, SLICE(""), -1, LIMIT_RELAY_SEND_MS);
        return;
    }
    for (size_t i = 0; i < rq.n_recipients; i++)
        o[i] = (struct relay_outcome_of){.outcome = RELAY_TEMPORARY, .problem = PROBLEM_BUSY};
    const struct relay_result busy = {.recipient = o, .n_recipients = rq.n_recipients};
    tell_result(c, ticket, &busy, LIMIT_RELAY_SEND_MS);
}

static bool is_relay(enum record_type t)
{
    return t == RECORD_RELAY || t == RECORD_RELAY_LONG || t == RECORD_RELAY_SMALL;
}

void client_refuse(struct handover_client *c, struct slice record)
{
    struct record r;
    if (record_read(record, &r) == OK) {
        if (is_relay(r.type))
            refuse(c, r.id, r.request);
        return;
    }
    struct cursor head = cur_of(record);
    enum record_type type = (enum record_type)cur_u8(&head);
    uint64_t ticket = cur_u64(&head);
    if (cur_ok(&head) && is_relay(type))
        refuse(c, ticket, SLICE_NONE);
}

/* The first of the record's descriptors is the callee's from now on. */
static void hand_on(struct handover_client *c, const struct record *r, struct slice request,
                    struct ipc_record *in)
{
    int memfd = -1;
    if (in->n_fds > 0) {
        memfd = in->fds[0];
        in->fds[0] = in->fds[--in->n_fds];
    }
    c->duties.relay(c->duties.arg, r->id, request, memfd, r->message);
}

void client_take_relay(struct handover_client *c, const struct record *r, struct ipc_record *in)
{
    size_t expected = r->type == RECORD_RELAY_SMALL ? 0 : r->type == RECORD_RELAY ? 1 : 2;
    struct slice mapped = SLICE_NONE;
    bool good = in->n_fds == expected;
    if (good && r->type == RECORD_RELAY_LONG)
        good = ipc_memfd_map(in->fds[1], LIMIT_RELAY_BYTES, &mapped) == OK;
    struct slice request = good && r->type == RECORD_RELAY_LONG ? mapped : r->request;
    if (!good)
        log_warning("handover.malformed", log_text("from", "mail"), log_text("what", "relay"));
    if (good && c->duties.relay)
        hand_on(c, r, request, in);
    else
        refuse(c, r->id, request);
    ipc_unmap(mapped);
}

/* --- Health --- */

/* Under the lock of the health. */
static void send_health(struct handover_client *c)
{
    struct link *l = client_link(c);
    if (!l)
        return; /* the next `mail` hears it */
    autobuf b = BUF_INIT(LIMIT_HANDOVER_RECORD);
    record_write_health(c->validates, buf_slice(&c->health), &b);
    enum error e = ipc_send(l->fd, buf_slice(&b), NULL, 0, LIMIT_HANDOVER_MS);
    client_unlink(c, l);
    if (e != OK)
        log_warning("handover.health-lost", log_text("error", error_name(e)));
}

void handover_health(struct handover_client *c, bool validates, struct slice text)
{
    pthread_mutex_lock(&c->health_lock);
    c->health_known = true;
    c->validates = validates;
    buf_reset(&c->health);
    buf_add(&c->health, slice_sub(text, 0, LIMIT_HEALTH_TEXT));
    send_health(c);
    pthread_mutex_unlock(&c->health_lock);
}

void client_tell_health(struct handover_client *c)
{
    pthread_mutex_lock(&c->health_lock);
    if (c->health_known)
        send_health(c);
    pthread_mutex_unlock(&c->health_lock);
}
