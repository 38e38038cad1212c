/* The role `mail`: keeps the mail and serves its users. Owns directory, guard and store; takes what
 * `edge` received; speaks submission and IMAP. */
#include "auth/login.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/control.h"
#include "daemon/outgoing.h"
#include "daemon/portal.h"
#include "daemon/role.h"
#include "imap/imap.h"
#include "message/charset.h"
#include "smtp/smtp.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEND_MS       60000
#define TICK_MS       1000 /* what users wanted to leave at a time */
#define SENDING_TENDS 60   /* every so many of them the sending limits have their turn */
#define BANS_MS       20000

struct mail {
    struct role role;
    struct directory *directory;
    _Atomic(struct guard *) guard;
    struct store *store;
    struct sending *sending;
    unsigned tended;
    struct login *login;
    struct delivery_service delivery;
    struct smtp_submission submission;
    struct imap_service imap;
    struct outgoing *outgoing;
    struct portal *portal;
    atomic_bool ticking;
    struct handover_server *handover; /* under lock */
    /* Held while the other role's new socket is taken over, and while guard and handover go away;
     * never while something is sent. Guards the four below. */
    pthread_mutex_t lock;
    pthread_cond_t told;
    /* One thread tells bans at a time, so that the last told is the newest: who comes meanwhile
     * leaves it to that one to tell once more. */
    bool telling, tell_again;
    bool bans_told; /* a list that was not empty has been told */
    /* Held while a command runs, which may take long: a lock of its own. */
    pthread_mutex_t command_lock;
    bool ending; /* commands come too late */
    pthread_t commands;
};

/* --- What edge asks --- */

static enum handover_status as_handover(enum delivery_status s)
{
    static const enum handover_status table[] = {
        [DELIVERY_OK] = HANDOVER_OK,
        [DELIVERY_UNKNOWN] = HANDOVER_UNKNOWN,
        [DELIVERY_NOT_OURS] = HANDOVER_NOT_OURS,
        [DELIVERY_CLOSED] = HANDOVER_CLOSED,
        [DELIVERY_QUOTA] = HANDOVER_FULL,
        [DELIVERY_NO_ROOM] = HANDOVER_NO_ROOM,
        [DELIVERY_BAD] = HANDOVER_BAD,
        [DELIVERY_LOOP] = HANDOVER_LOOP,
        [DELIVERY_TEMPORARY] = HANDOVER_TEMPORARY,
    };
    return (size_t)s < sizeof table / sizeof table[0] ? table[s] : HANDOVER_TEMPORARY;
}

static enum handover_status on_resolve(void *arg, struct slice recipient, uint64_t size)
{
    struct mail *m = arg;
    return as_handover(delivery_probe(&m->delivery, recipient, size, false));
}

static void on_deliver(void *arg, const struct handover_envelope *e, struct slice raw,
                       enum handover_status *status)
{
    struct mail *m = arg;
    struct delivery_recipient *to = mem_array(e->n_recipients, sizeof *to);
    for (size_t i = 0; i < e->n_recipients; i++)
        to[i] = (struct delivery_recipient){.address = e->recipients[i].address,
                                            .orcpt = e->recipients[i].orcpt,
                                            .notify = e->recipients[i].notify,
                                            .status = DELIVERY_TEMPORARY};
    struct delivery_request rq = {
        .sender = e->sender,
        .envid = e->envid,
        .ret = e->ret,
        .smtputf8 = e->smtputf8,
        .require_tls = e->require_tls,
        .trace = e->trace,
        .raw = raw,
        .received = e->received,
        .recipients = to,
        .n_recipients = e->n_recipients,
    };
    delivery_run(&m->delivery, &rq);
    for (size_t i = 0; i < e->n_recipients; i++)
        status[i] = as_handover(to[i].status);
    mem_free(to);
}

static void on_relayed(void *arg, void *token, const struct relay_result *r)
{
    struct mail *m = arg;
    outgoing_relayed(m->outgoing, token, r);
}

static void on_health(void *arg, bool validates, struct slice text)
{
    struct mail *m = arg;
    outgoing_health(m->outgoing, validates, text);
}

/* --- Bans of the whole machine: told to edge and to the supervisor's firewall --- */

struct ban_list {
    struct handover_server *handover; /* NULL: nothing is to be told */
    struct ip *ips;
    size_t n;
    struct buf record; /* the same for the supervisor */
};

/* Under the lock. */
static void list_bans(struct mail *m, const struct guard_ban *bans, size_t n, struct ban_list *out)
{
    int64_t now = clock_wall();
    struct ip *ips = mem_array(n + 1, sizeof *ips);
    struct buf record = BUF_INIT(LIMIT_HANDOVER_RECORD);
    size_t count = 0;
    buf_byte(&record, ROLE_BANS);
    buf_u32(&record, 0);
    for (size_t i = 0; i < n && count < LIMIT_FIREWALL_BANS; i++) {
        if (bans[i].level != GUARD_MACHINE || bans[i].until <= now)
            continue;
        ips[count++] = bans[i].ip;
        buf_add(&record, slice_of(bans[i].ip.b, sizeof bans[i].ip.b));
        buf_u32(&record, (uint32_t)(bans[i].until - now));
    }
    for (int i = 0; i < 4; i++)
        record.p[1 + i] = (uint8_t)(count >> (24 - 8 * i));
    bool news = count || m->bans_told;
    *out = (struct ban_list){news ? m->handover : NULL, ips, count, record};
    m->bans_told = count > 0;
}

/* Under the lock. */
static void read_bans(struct mail *m, struct ban_list *out)
{
    struct arena a;
    arena_init(&a, LIMIT_GUARD_ADDRESSES * 2 * sizeof(struct guard_ban));
    struct guard_ban *bans;
    size_t n;
    struct guard *g = atomic_load(&m->guard); /* NULL while it opens and after it closed */
    enum error e = g ? guard_bans(g, &a, &bans, &n) : OK;
    if (e)
        log_error("bans.unread", log_text("error", error_name(e)));
    else if (g)
        list_bans(m, bans, n, out);
    arena_free(&a);
}

/* Without the lock: edge may be slow to take it, and nobody else should wait for that. */
static void tell_bans(struct mail *m, struct ban_list *l)
{
    if (l->handover) {
        if (handover_server_banned(l->handover, l->ips, l->n))
            log_debug("bans.edge_away"); /* it asks again when it is back */
        role_say(&m->role, buf_slice(&l->record));
    }
    buf_free(&l->record);
    mem_free(l->ips);
}

static void on_machine_bans(void *arg)
{
    struct mail *m = arg;
    pthread_mutex_lock(&m->lock);
    m->tell_again = true;
    while (!m->telling && m->tell_again) {
        struct ban_list list = {0};
        m->telling = true;
        m->tell_again = false;
        read_bans(m, &list);
        pthread_mutex_unlock(&m->lock);
        tell_bans(m, &list);
        pthread_mutex_lock(&m->lock);
        m->telling = false;
        pthread_cond_broadcast(&m->told);
    }
    pthread_mutex_unlock(&m->lock);
}

/* Under the lock: waits until nobody tells. False: it takes too long. */
static bool all_told(struct mail *m, int64_t seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    while (m->telling)
        if (pthread_cond_timedwait(&m->told, &m->lock, &until) != 0)
            return false;
    return true;
}

static void bans_again(void *arg)
{
    struct mail *m = arg;
    runtime_submit(m->role.runtime, on_machine_bans, m);
}

/* The users' sessions say themselves when only they are closed, and until when; who is banned from
 * the machine gets no answer. */
static bool admit_peer(struct mail *m, struct ip peer)
{
    return guard_admit(atomic_load(&m->guard), peer, NULL) != GUARD_MACHINE;
}

static struct mail mail = {.lock = PTHREAD_MUTEX_INITIALIZER,
                           .told = PTHREAD_COND_INITIALIZER,
                           .command_lock = PTHREAD_MUTEX_INITIALIZER};

static bool admit(void *service, struct ip peer)
{
    return admit_peer(&mail, peer);
}

/* A webmail host brings all its users' connections from one address. */
static bool exempt(void *service, struct ip peer)
{
    struct guard *g = atomic_load(&mail.guard);
    return guard_is_proxy(g, peer) || guard_is_trusted(g, peer);
}

/* --- The control socket --- */

static enum error run_command(struct mail *m, struct slice request, struct buf *answer)
{
    struct cursor c = cur_of(request);
    uint8_t kind = cur_u8(&c);
    if (kind == CONTROL_STATUS && cur_end(&c)) {
        struct runtime_stats s = runtime_stats(m->role.runtime);
        buf_printf(answer, "connections %u\nworkers %u\nidle_workers %u\n", s.connections,
                   s.workers, s.idle_workers);
        buf_printf(answer, "accepted %llu\nrefused %llu\n", (unsigned long long)s.accepted,
                   (unsigned long long)s.refused);
        outgoing_status(m->outgoing, answer);
        return OK;
    }
    if (kind == CONTROL_QUEUE)
        return outgoing_command(m->outgoing, c.rest, answer);
    if (kind == CONTROL_REMOVE_ACCOUNT) {
        uint64_t account = cur_u64(&c);
        if (!cur_ok(&c) || !cur_end(&c))
            return ERR_INPUT;
        log_info("account.remove", log_u64("account", account));
        sending_forget(m->sending, account);
        return store_account_remove(m->store, account);
    }
    return ERR_INPUT;
}

static enum error on_command(void *arg, struct slice request, struct buf *answer)
{
    struct mail *m = arg;
    pthread_mutex_lock(&m->command_lock);
    enum error e = m->ending ? ERR_CLOSED : run_command(m, request, answer);
    pthread_mutex_unlock(&m->command_lock);
    return e;
}

static void *serve_commands(void *arg)
{
    struct mail *m = arg;
    while (control_serve(m->role.start->commands, on_command, m) == OK)
        ;
    return NULL;
}

static enum error start_commands(struct mail *m)
{
    if (m->role.start->commands < 0)
        return OK;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&m->commands, &attr, serve_commands, m);
    pthread_attr_destroy(&attr);
    return failed ? ERR_IO : OK;
}

/* --- Start and end --- */

static enum error fail(const char *what, enum error e)
{
    log_error("mail.open_failed", log_text("what", what), log_text("error", error_name(e)));
    return e;
}

static enum error open_guard(struct mail *m, const struct config *c)
{
    struct arena a;
    arena_init(&a, 8192);
    struct slice path = arena_printf(&a, "%s/guard.db", c->data);
    char *name = arena_cstr(&a, path);
    struct guard_options o = {
        .path = name,
        .tolerated = (unsigned)c->tolerated,
        .window_seconds = (unsigned)c->window,
        .close_seconds = (unsigned)c->close,
        .closings = (unsigned)c->closings,
        .closings_seconds = (unsigned)c->closings_window,
        .machine_seconds = (unsigned)c->machine,
        .repeated_password_counts = c->repeated_password_counts,
        .trusted = c->trusted.item,
        .n_trusted = c->trusted.n,
        .proxies = c->proxies.item,
        .n_proxies = c->proxies.n,
        .on_machine_bans = on_machine_bans,
        .arg = m,
    };
    struct guard *g = NULL;
    enum error e = name ? guard_open(&o, &g) : ERR_LIMIT;
    arena_free(&a);
    if (e)
        return fail("guard.db", e);
    atomic_store(&m->guard, g);
    return OK;
}

static enum error open_sending(struct mail *m, const struct config *c)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/sending.db", c->data);
    struct sending_options o = {.path = path,
                                .messages_per_hour = (unsigned)c->messages_per_hour,
                                .new_recipients_per_day = (unsigned)c->new_recipients_per_day};
    enum error e = sending_open(&o, &m->sending);
    return e ? fail("sending.db", e) : OK;
}

static enum error open_directory(struct mail *m, const struct config *c)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/directory.db", c->data);
    enum error e = directory_open(path, &m->directory);
    if (e)
        return fail("directory.db", e);
    e = directory_postmaster(m->directory, slice_str(c->postmaster));
    return e ? fail("server.postmaster", e) : OK;
}

static enum error open_store(struct mail *m, const struct config *c)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/store", c->data);
    struct store_options o = {
        .dir = path,
        .shards = (unsigned)c->shards,
        .undelete_days = c->undelete_days ? (int)c->undelete_days : -1,
    };
    enum error e = store_open(&o, &m->store);
    return e ? fail("store", e) : OK;
}

static enum error open_all(struct mail *m, const struct config *c)
{
    umask(077);
    enum error e = open_directory(m, c);
    if (!e)
        e = open_guard(m, c);
    if (!e)
        e = open_store(m, c);
    if (!e)
        e = open_sending(m, c);
    if (!e)
        e = login_new(m->directory, atomic_load(&m->guard), &m->login);
    m->delivery = (struct delivery_service){.store = m->store,
                                            .directory = m->directory,
                                            .host = c->host,
                                            .signing = signing_new(m->directory)};
    m->submission = (struct smtp_submission){
        .host = c->host,
        .limits = {.message_size = c->message_size, .recipients = (uint32_t)c->recipients},
        .login = m->login,
        .guard = atomic_load(&m->guard),
        .sending = m->sending,
        .delivery = m->delivery,
    };
    m->imap = (struct imap_service){
        .host = c->host,
        .message_size = c->message_size,
        .login = m->login,
        .guard = atomic_load(&m->guard),
        .directory = m->directory,
        .store = m->store,
    };
    return e;
}

static enum error listen_all(struct mail *m)
{
    const struct slice smtp_busy = SLICE(SMTP_BUSY_TEXT), imap_busy = SLICE(IMAP_BUSY_TEXT);
    const struct role_service services[] = {
        {&smtp_submission_protocol, &m->submission, admit, exempt, smtp_busy, SERVICE_SUBMISSION,
         false},
        {&smtp_submission_protocol, &m->submission, admit, exempt, SLICE_NONE, SERVICE_SUBMISSIONS,
         true},
        {&imap_protocol, &m->imap, admit, exempt, imap_busy, SERVICE_IMAP, false},
        {&imap_protocol, &m->imap, admit, exempt, SLICE_NONE, SERVICE_IMAPS, true},
        {&http_protocol, portal_secure(m->portal), admit, exempt, SLICE_NONE, SERVICE_HTTPS, true},
        {&http_protocol, portal_plain(m->portal), admit, exempt, SLICE_NONE, SERVICE_HTTP, false},
    };
    enum error e = OK;
    for (size_t i = 0; !e && i < sizeof services / sizeof services[0]; i++)
        e = role_listen(&m->role, &services[i]);
    return e;
}

static void on_handover(void *arg, int fd)
{
    struct mail *m = arg;
    pthread_mutex_lock(&m->lock);
    struct handover_server *h = m->handover;
    if (h) {
        log_info("handover.again");
        outgoing_edge_gone(m->outgoing); /* before the new one can say that it is there */
        if (handover_server_replace(h, fd))
            die("no thread for what edge asks"); /* a new process may have more luck */
        m->bans_told = true;                     /* the new edge knows of none */
        bans_again(m);
    } else {
        (void)close(fd);
    }
    pthread_mutex_unlock(&m->lock);
}

static void tend(void *arg)
{
    struct mail *m = arg;
    store_tend(m->store);
    outgoing_tend(m->outgoing);
    portal_tend(m->portal);
    if (++m->tended % SENDING_TENDS == 1)
        sending_tend(m->sending, clock_wall());
    mem_trim();
}

static void tend_soon(void *arg)
{
    struct mail *m = arg;
    runtime_submit(m->role.runtime, tend, m);
}

static void tick(void *arg)
{
    struct mail *m = arg;
    portal_tick(m->portal);
    atomic_store(&m->ticking, false);
}

/* One at a time: it may take longer than the pause. */
static void tick_soon(void *arg)
{
    struct mail *m = arg;
    if (!atomic_exchange(&m->ticking, true))
        runtime_submit(m->role.runtime, tick, m);
}

static void on_identities(void *arg, const struct identities *ids)
{
    struct mail *m = arg;
    portal_identities(m->portal, ids);
}

static enum error open_portal(struct mail *m)
{
    const struct portal_house house = {
        .directory = m->directory,
        .guard = atomic_load(&m->guard),
        .store = m->store,
        .submission = &m->submission,
        .login = m->login,
        .delivery = m->delivery,
        .providers = outgoing_providers(m->outgoing),
        .forecast = outgoing_forecast,
        .arg = m->outgoing,
    };
    return portal_open(m->portal, &house, m->role.start->identities);
}

static enum error mail_serve(struct mail *m, const struct role_start *start)
{
    const struct config *c = start->config;
    /* SQLite's large sorts go where this process may write. */
    setenv("SQLITE_TMPDIR", c->data, 1);
    charset_prepare(); /* from files that the sandbox hides */
    const struct role_kind kind = {"mail", TLS_FOR_USERS, c->data, false};
    enum error e = outgoing_prepare(c, &m->outgoing);
    if (!e)
        e = portal_prepare(c, &m->portal);
    if (!e)
        e = role_begin(&m->role, start, &kind);
    if (!e)
        e = open_all(m, c);
    if (!e)
        e = outgoing_open(m->outgoing, &m->delivery);
    if (!e)
        e = open_portal(m);
    if (e)
        return e;
    struct handover_service service = {.resolve = on_resolve,
                                       .deliver = on_deliver,
                                       .relayed = on_relayed,
                                       .health = on_health,
                                       .arg = m};
    struct handover_server *h;
    e = handover_server_new(start->handover, &service, &h);
    if (!e)
        e = outgoing_run(m->outgoing, h);
    if (e)
        return e;
    m->handover = h;
    m->role.on_handover = on_handover;
    m->role.on_identities = on_identities;
    m->role.arg = m;
    m->bans_told = true; /* supervisor and edge may remember a list of our predecessor's */
    runtime_every(m->role.runtime, TEND_MS, tend_soon, m);
    runtime_every(m->role.runtime, TICK_MS, tick_soon, m);
    runtime_every(m->role.runtime, BANS_MS, bans_again, m);
    bans_again(m);
    e = listen_all(m);
    if (!e)
        e = start_commands(m);
    return e ? e : role_serve(&m->role);
}

int mail_main(const struct role_start *start)
{
    enum error e = mail_serve(&mail, start);
    if (e) {
        log_error("mail.failed", log_text("error", error_name(e)));
        return 1;
    }
    pthread_mutex_lock(&mail.lock);
    struct handover_server *h = mail.handover;
    struct guard *g = atomic_exchange(&mail.guard, NULL);
    mail.handover = NULL;
    bool told = all_told(&mail, (int64_t)start->config->stop_seconds);
    pthread_mutex_unlock(&mail.lock);
    pthread_mutex_lock(&mail.command_lock);
    mail.ending = true;
    pthread_mutex_unlock(&mail.command_lock);
    outgoing_stop(mail.outgoing);
    /* Whoever still delivers needs the store; nothing of it was promised, and the end of the
     * process is a safe one. */
    if (!told || !handover_server_free(h, (int)start->config->stop_seconds * 1000))
        return 0;
    outgoing_free(mail.outgoing, (int)start->config->stop_seconds * 1000);
    portal_close(mail.portal);
    login_free(mail.login);
    sending_close(mail.sending);
    store_close(mail.store);
    signing_free(mail.delivery.signing);
    directory_close(mail.directory);
    guard_close(g);
    log_info("mail.stopped");
    return 0;
}
