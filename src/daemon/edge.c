/* The role `edge`: everything that talks with strangers. Receives mail on port 25, asks the DNS,
 * and sends what `mail` hands over. It knows of the rest of the house only the socket to `mail`,
 * and can open no file but in its own small folder. */
#include "base/log.h"
#include "base/mem.h"
#include "config/resolver.h"
#include "daemon/role.h"
#include "net/https.h"
#include "outbound/outbound.h"
#include "smtp/smtp.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define TEND_MS     2000
#define LOOK_MS     60000
#define PROVE_EVERY 60 /* looks; every one while validation fails */

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
    struct dns *dns;
    struct tls_client *tls;
    struct outbound *outbound;
    pthread_mutex_t taking; /* held while relays are taken or forgotten; guards: */
    bool stopping;
    struct buf authorities; /* PEM; stays: fetching policies reads it again */
    struct arena arena;     /* what the resolver was told */
    unsigned looks;         /* at whether it validates */
};

/* --- Who may not speak to us --- */

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

/* --- What mail wants sent --- */

/* What comes while we stop is not begun: mail hears it by the connection's end. */
static void relay(void *arg, uint64_t ticket, struct slice request, int memfd, struct slice small)
{
    struct edge *e = arg;
    pthread_mutex_lock(&e->taking);
    bool take = !e->stopping;
    if (take)
        outbound_relay(e->outbound, ticket, request, memfd, small);
    pthread_mutex_unlock(&e->taking);
    if (!take && memfd >= 0)
        (void)close(memfd);
}

static void renewed(void *arg)
{
    struct edge *e = arg;
    pthread_mutex_lock(&e->taking);
    if (!e->stopping)
        outbound_forget(e->outbound);
    pthread_mutex_unlock(&e->taking);
}

static void relayed(void *arg, uint64_t ticket, const struct relay_result *r)
{
    struct edge *e = arg;
    handover_relayed(e->handover, ticket, r);
}

static void tend(void *arg)
{
    struct edge *e = arg;
    outbound_tend(e->outbound);
}

static void on_handover(void *arg, int fd)
{
    struct edge *e = arg;
    log_info("handover.again");
    handover_client_replace(e->handover, fd);
}

/* --- Does the resolver validate? --- */

/* Again and again: mail hands nothing over before it has heard it once. */
static void tell_health(void *arg)
{
    struct edge *e = arg;
    char text[300];
    dns_proof_text(e->dns, text, sizeof text);
    handover_health(e->handover, dns_validates(e->dns), slice_str(text));
}

static void prove(void *arg)
{
    struct edge *e = arg;
    char text[300];
    bool good = dns_prove(e->dns);
    dns_proof_text(e->dns, text, sizeof text);
    log_event(good ? LOG_INFO : LOG_ERROR, good ? "dns.validates" : "dns.not_validating",
              LOG_FIELDS(log_text("proof", text)));
    tell_health(e);
}

static void prove_soon(void *arg)
{
    struct edge *e = arg;
    if (e->looks++ % PROVE_EVERY == 0 || !dns_validates(e->dns))
        runtime_submit(e->role.runtime, prove, e);
    else
        runtime_submit(e->role.runtime, tell_health, e);
}

/* --- Start and end --- */

/* 0, or why not. */
static int try_to_write(const char *folder)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/writable", folder);
    (void)unlink(path);
    autofd fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    int why = fd >= 0 && write(fd, "", 1) == 1 ? 0 : errno;
    (void)unlink(path);
    return why;
}

/* The resolver ends the process when it cannot write the root's key: better a key that is not
 * followed than that. Tried as the user that edge is going to be: root could always write, and
 * would do so through whatever lies in a folder that is not its own. */
static const char *scratch_folder(const struct role_start *start)
{
    const struct config *c = start->config;
    int why = 0;
    if (start->drop_user && (setegid(start->gid) != 0 || seteuid(start->uid) != 0))
        why = errno;
    if (why == 0)
        why = try_to_write(c->edge_data);
    if (start->drop_user && (seteuid(0) != 0 || setegid(0) != 0))
        die("cannot be root again: %s", strerror(errno));
    if (why == 0)
        return c->edge_data;
    log_warning("edge.cannot_write", log_text("folder", c->edge_data),
                log_text("error", strerror(why)),
                log_text("help", "new keys of the DNS root are not learned until it can"));
    return NULL;
}

/* What needs files, before they are out of reach. */
static enum error prepare(struct edge *e, const struct role_start *start)
{
    const struct config *c = start->config;
    struct dns_options o;
    arena_init(&e->arena, LIMIT_CONFIG_ARENA);
    buf_init(&e->authorities, LIMIT_AUTHORITIES);
    enum error err = https_prepare();
    if (!err)
        err = resolver_options(c, &e->arena, &o);
    if (err)
        return err;
    /* Without these mail still arrives, and leaves for whoever needs no proof of who he is. */
    if (resolver_authorities(c, &e->authorities))
        buf_reset(&e->authorities);
    o.scratch = scratch_folder(start);
    err = dns_new(&o, &e->dns);
    if (err != ERR_NOTFOUND)
        return err;
    o.anchor = "";
    return dns_new(&o, &e->dns);
}

static const struct ip *from_address(const struct config *c, bool v4)
{
    for (size_t i = 0; i < c->sending_from.n; i++)
        if (ip_is_v4(c->sending_from.item[i]) == v4)
            return &c->sending_from.item[i];
    return NULL;
}

static enum error open_outbound(struct edge *e, const struct config *c)
{
    char why[200] = "";
    const enum tls_profile profile = c->tls_profile == CONFIG_TLS_BSI ? TLS_BSI : TLS_MODERN;
    enum error err = dns_start(e->dns);
    if (!err)
        err = tls_client_new(profile, buf_slice(&e->authorities), &e->tls, why, sizeof why);
    if (err) {
        log_error("edge.outbound", log_text("error", error_name(err)), log_text("why", why));
        return err;
    }
    struct outbound_options o = {
        .host = c->host,
        .dns = e->dns,
        .tls = e->tls,
        .ca_pem = buf_slice(&e->authorities),
        .https_inside = c->https_inside,
        .profile = profile,
        .bind4 = from_address(c, true),
        .bind6 = from_address(c, false),
        .connections = (unsigned)c->sending_connections,
        .done = relayed,
        .arg = e,
    };
    return outbound_new(&o, &e->outbound);
}

static enum error edge_serve(struct edge *e, const struct role_start *start)
{
    const struct config *c = start->config;
    const struct role_kind kind = {"edge", TLS_FOR_SERVERS, c->edge_data, true};
    const struct handover_duties duties = {banned, relay, renewed, e};
    enum error err = prepare(e, start);
    if (!err)
        err = role_begin(&e->role, start, &kind);
    if (!err)
        err = open_outbound(e, c);
    if (!err)
        err = handover_client_new(start->handover, &duties, &e->handover);
    if (err)
        return err;
    e->role.on_handover = on_handover;
    e->role.arg = e;
    e->receiving = (struct smtp_receiving){
        .host = c->host,
        .limits = {.message_size = c->message_size, .recipients = (uint32_t)c->recipients},
        .handover = e->handover,
    };
    struct role_service smtp = {
        .service = SERVICE_SMTP,
        .protocol = &smtp_receiving_protocol,
        .arg = &e->receiving,
        .admit = admit,
        .busy_text = SLICE(SMTP_BUSY_TEXT),
    };
    runtime_every(e->role.runtime, TEND_MS, tend, e);
    runtime_every(e->role.runtime, LOOK_MS, prove_soon, e);
    prove_soon(e);
    err = role_listen(&e->role, &smtp);
    return err ? err : role_serve(&e->role);
}

int edge_main(const struct role_start *start)
{
    static struct edge edge = {.bans = {.lock = PTHREAD_RWLOCK_INITIALIZER},
                               .taking = PTHREAD_MUTEX_INITIALIZER};
    enum error e = edge_serve(&edge, start);
    if (e) {
        log_error("edge.failed", log_text("error", error_name(e)));
        return 1;
    }
    pthread_mutex_lock(&edge.taking);
    edge.stopping = true;
    pthread_mutex_unlock(&edge.taking);
    /* Its answers still go to mail, which stops after us. */
    outbound_free(edge.outbound, (int)start->config->stop_seconds * 1000);
    log_info("edge.stopped");
    return 0;
}
