/* The role `edge`: everything that talks with strangers. Receives mail on port 25 and knows of the
 * rest of the house only the socket to `mail`: it can open no file. */
#include "base/log.h"
#include "base/mem.h"
#include "daemon/role.h"
#include "smtp/smtp.h"
#include <stdatomic.h>

/* The addresses that the whole machine is closed to, sorted; replaced as a whole. */
struct ban_list {
    pthread_rwlock_t lock;
    struct ip *ips;
    size_t n;
    _Atomic bool any;
};

struct edge {
    struct smtp_receiving receiving; /* first: the sessions' service is this */
    struct role role;
    struct handover_client *handover;
    struct ban_list bans;
};

static int order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ip));
}

static void banned(void *arg, const struct ip *ips, size_t n)
{
    struct edge *e = arg;
    struct ip *sorted = mem_array(n, sizeof *sorted);
    if (n) {
        memcpy(sorted, ips, n * sizeof *ips);
        qsort(sorted, n, sizeof *sorted, order);
    }
    pthread_rwlock_wrlock(&e->bans.lock);
    struct ip *old = e->bans.ips;
    e->bans.ips = sorted;
    e->bans.n = n;
    atomic_store(&e->bans.any, n > 0);
    pthread_rwlock_unlock(&e->bans.lock);
    mem_free(old);
}

static bool admit(void *service, struct ip peer)
{
    struct edge *e = service;
    if (!atomic_load(&e->bans.any))
        return true;
    struct ip key = ip_counting(peer);
    pthread_rwlock_rdlock(&e->bans.lock);
    bool found = bsearch(&key, e->bans.ips, e->bans.n, sizeof key, order) != NULL;
    pthread_rwlock_unlock(&e->bans.lock);
    return !found;
}

static void on_handover(void *arg, int fd)
{
    struct edge *e = arg;
    log_info("handover.again");
    handover_client_replace(e->handover, fd);
}

static enum error edge_serve(struct edge *e, const struct role_start *start)
{
    enum error err = role_begin(&e->role, start, "edge", TLS_FOR_SERVERS, NULL);
    if (err)
        return err;
    const struct handover_duties duties = {.banned = banned, .arg = e};
    err = handover_client_new(start->handover, &duties, &e->handover);
    if (err)
        return err;
    e->role.on_handover = on_handover;
    e->role.arg = e;
    e->receiving = (struct smtp_receiving){
        .host = start->config->host,
        .limits = {.message_size = start->config->message_size,
                   .recipients = (uint32_t)start->config->recipients},
        .handover = e->handover,
    };
    struct role_service smtp = {
        .service = SERVICE_SMTP,
        .protocol = &smtp_receiving_protocol,
        .arg = &e->receiving,
        .admit = admit,
        .busy_text = SLICE(SMTP_BUSY_TEXT),
    };
    err = role_listen(&e->role, &smtp);
    return err ? err : role_serve(&e->role);
}

int edge_main(const struct role_start *start)
{
    static struct edge edge = {.bans = {.lock = PTHREAD_RWLOCK_INITIALIZER}};
    enum error e = edge_serve(&edge, start);
    if (e) {
        log_error("edge.failed", log_text("error", error_name(e)));
        return 1;
    }
    log_info("edge.stopped");
    return 0;
}
