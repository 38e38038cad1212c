/* What the roles have in common; see role.h. */
#include "daemon/role.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/sandbox.h"
#include "net/ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ROTATE_MS (60 * 60 * 1000)

/* SIGTERM ends this role alone and gracefully; Ctrl-C and the terminal's end are the supervisor's
 * business; a peer that went away is an error of write(). */
static enum error set_signals(struct role *r)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        return ERR_IO;
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals < 0 ? ERR_IO : OK;
}

static void rotate_tickets(void *arg)
{
    tls_server_rotate(arg);
}

enum error role_begin(struct role *r, const struct role_start *start, const struct role_kind *kind)
{
    *r = (struct role){.name = kind->name, .start = start, .signals = -1};
    log_set_role(kind->name);
    const struct config *c = start->config;
    enum error e = set_signals(r);
    if (e)
        return e;
    tzset();                 /* reads the zone while files can still be read */
    mallopt(M_ARENA_MAX, 4); /* one heap a worker would cost more than their waiting */
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    struct sandbox walls = {.role = kind->name,
                            .drop_user = start->drop_user,
                            .uid = start->uid,
                            .gid = start->gid,
                            .data = kind->data,
                            .network = kind->network};
    e = sandbox_enter(&walls);
    if (e)
        return e;
    char why[CONFIG_WHY] = "";
    e = tls_server_new(c->tls_profile == CONFIG_TLS_BSI ? TLS_BSI : TLS_MODERN, kind->audience,
                       start->identities->item, start->identities->n, &r->tls, why, sizeof why);
    if (e) {
        log_error("tls.failed", log_text("why", why));
        return e;
    }
    struct runtime_options o = {.max_workers = (uint32_t)c->workers};
    e = runtime_new(&o, &r->runtime);
    if (e)
        return e;
    runtime_every(r->runtime, ROTATE_MS, rotate_tickets, r->tls);
    return OK;
}

enum error role_listen(struct role *r, const struct role_service *s)
{
    const struct config *c = r->start->config;
    for (size_t i = 0; i < r->start->n_listening; i++) {
        const struct listening *l = &r->start->listening[i];
        if (l->service != s->service)
            continue;
        struct listener_options o = {
            .fd = l->fd,
            .protocol = s->protocol,
            .service = s->arg,
            .tls = r->tls,
            .implicit_tls = s->implicit_tls,
            .max_connections = (uint32_t)c->connections,
            .max_per_address = (uint32_t)c->connections_per_address,
            .admit = s->admit,
            .exempt = s->exempt,
            .busy_text = s->busy_text,
        };
        enum error e = runtime_listen(r->runtime, &o);
        if (e) {
            log_error("listen.failed", log_text("service", config_service_name(s->service)),
                      log_u64("port", l->at.port), log_text("error", error_name(e)));
            return e;
        }
    }
    return OK;
}

void role_say(struct role *r, struct slice record)
{
    if (ipc_send(r->start->line, record, NULL, 0, 1000))
        log_warning("role.unheard", log_u64("record", record.n ? record.p[0] : 0));
}

static void reload(struct role *r, struct cursor *c, struct ipc_record *record)
{
    uint8_t level = cur_u8(c);
    if (!cur_ok(c) || level > LOG_ERROR || record->n_fds != 1) {
        log_error("role.bad_record", log_text("record", "reload"));
        return;
    }
    log_set_level((enum log_level)level);
    struct slice bytes;
    struct identities *ids;
    char why[CONFIG_WHY] = "";
    if (ipc_memfd_map(record->fds[0], LIMIT_IDENTITIES * 2 * (size_t)LIMIT_PEM_FILE, &bytes)) {
        log_error("role.bad_record", log_text("record", "reload"));
        return;
    }
    if (identities_unpack(bytes, &ids)) {
        log_error("role.bad_record", log_text("record", "reload"));
    } else {
        if (tls_server_reload(r->tls, ids->item, ids->n, why, sizeof why))
            log_error("tls.reload_failed", log_text("why", why));
        else
            log_info("tls.reloaded", log_u64("certificates", ids->n));
        if (r->on_identities)
            r->on_identities(r->arg, ids);
        identities_free(ids);
    }
    ipc_unmap(bytes);
}

static void heard(struct role *r, struct ipc_record *record)
{
    struct cursor c = cur_of(record->bytes);
    uint32_t grace;
    switch (cur_u8(&c)) {
    case ROLE_STOP:
        grace = cur_u32(&c);
        runtime_stop(r->runtime, (int)(grace > INT32_MAX ? INT32_MAX : grace));
        break;
    case ROLE_HANDOVER:
        if (record->n_fds == 1 && r->on_handover) {
            r->on_handover(r->arg, record->fds[0]);
            record->n_fds = 0; /* taken */
        }
        break;
    case ROLE_RELOAD:
        reload(r, &c, record);
        break;
    default:
        log_error("role.bad_record", log_u64("record", record->bytes.n ? record->bytes.p[0] : 0));
        break;
    }
}

/* The thread that listens to the supervisor. It ends with the process: when the supervisor is gone
 * the role stops by itself. */
static void *listen_to_supervisor(void *arg)
{
    struct role *r = arg;
    int grace = (int)r->start->config->stop_seconds * 1000;
    uint8_t room[256];
    struct pollfd p[2] = {{.fd = r->start->line, .events = POLLIN},
                          {.fd = r->signals, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[1].revents) {
            struct signalfd_siginfo info;
            if (read(r->signals, &info, sizeof info) > 0)
                runtime_stop(r->runtime, grace);
        }
        if (!p[0].revents)
            continue;
        struct ipc_record record;
        enum error e = ipc_receive(r->start->line, room, sizeof room, 0, &record);
        if (e == ERR_CLOSED || e == ERR_IO) {
            runtime_stop(r->runtime, grace);
            return NULL;
        }
        if (e)
            continue;
        heard(r, &record);
        ipc_close_fds(&record);
    }
}

static void say_ready(void *arg)
{
    uint8_t record = ROLE_READY;
    role_say(arg, slice_of(&record, 1));
}

enum error role_serve(struct role *r)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LIMIT_WORKER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&r->listener, &attr, listen_to_supervisor, r);
    pthread_attr_destroy(&attr);
    if (failed)
        return ERR_IO;
    runtime_submit(r->runtime, say_ready, r);
    runtime_run(r->runtime);
    return OK;
}
