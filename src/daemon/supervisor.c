/* The supervisor; see supervisor.h. One thread, one poll loop, no allocation that grows. */
#include "daemon/supervisor.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/control.h"
#include "daemon/firewall.h"
#include "daemon/jobs.h"
#include "daemon/notify.h"
#include "daemon/ports.h"
#include "daemon/users.h"
#include "net/ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EDGE, MAIL, ROLES };
static const char *const names[ROLES] = {"edge", "mail"};

struct child {
    pid_t pid;       /* 0: not running */
    int line;        /* to it; -1 */
    int handover;    /* its end of the pair between the roles, while it does not run; -1 */
    bool ready;      /* it serves */
    int64_t started; /* clock_ms */
    int64_t again;   /* when to start it again; 0: not */
    int64_t pause;   /* how long the next pause is */
    int64_t kill_at; /* when patience with its stopping ends; 0: it is not stopping */
};

enum phase {
    STARTING, /* until both roles were ready once: a death now ends everything */
    SERVING,
    RENEWING, /* the roles stop and are started with the new configuration */
    STOPPING, /* the roles stop and so do we */
};

struct supervisor {
    const char *path;
    struct config *config;
    struct identities *identities;
    struct ports ports;
    struct child child[ROLES];
    struct firewall *firewall;
    enum phase phase;
    int signals, commands, status;
    bool drop_user;
    uid_t uid[ROLES];
    gid_t gid[ROLES];
    void (*ready)(void *arg);
    void *arg;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* --- Users and folders --- */

static enum error find_users(struct supervisor *s)
{
    s->drop_user = geteuid() == 0;
    if (!s->drop_user) {
        log_info("supervisor.one_user",
                 log_text("why", "not started as root: both roles run as this user"),
                 log_u64("uid", geteuid()));
        s->uid[EDGE] = s->uid[MAIL] = geteuid();
        s->gid[EDGE] = s->gid[MAIL] = getegid();
        return OK;
    }
    enum error e = users_find(s->config->edge_user, &s->uid[EDGE], &s->gid[EDGE]);
    if (!e)
        e = users_find(s->config->mail_user, &s->uid[MAIL], &s->gid[MAIL]);
    return e;
}

/* The folder exists, belongs to the role, and nobody else may look into it. */
static enum error own_folder(struct supervisor *s, const char *path, int role, mode_t mode)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST) {
        log_error("supervisor.folder", log_text("path", path), log_text("error", strerror(errno)));
        return ERR_IO;
    }
    if (s->drop_user && chown(path, s->uid[role], s->gid[role]) != 0) {
        log_error("supervisor.folder", log_text("path", path), log_text("error", strerror(errno)));
        return ERR_IO;
    }
    return OK;
}

static enum error own_data_folders(struct supervisor *s)
{
    enum error e = own_folder(s, s->config->data, MAIL, 0700);
    return e ? e : own_folder(s, s->config->edge_data, EDGE, 0700);
}

/* --- Starting a role --- */

/* The other role's end of a new pair: sent when it runs, kept for its start when not. */
static void give_other_end(struct supervisor *s, int other, int fd)
{
    struct child *o = &s->child[other];
    close_fd(&o->handover);
    if (o->pid == 0) {
        o->handover = fd;
        return;
    }
    uint8_t record = ROLE_HANDOVER;
    if (ipc_send(o->line, slice_of(&record, 1), &fd, 1, 1000))
        log_error("supervisor.unheard", log_text("role", names[other]));
    close_fd(&fd);
}

/* In the child: forget what is not this role's. */
static void become_role(struct supervisor *s, int role, int line, int handover)
{
    for (int i = 0; i < ROLES; i++) {
        close_fd(&s->child[i].line);
        if (s->child[i].handover != handover)
            close_fd(&s->child[i].handover);
    }
    close_fd(&s->signals);
    if (role == EDGE)
        close_fd(&s->commands);
    for (size_t i = 0; i < s->ports.n; i++)
        if ((s->ports.item[i].service == SERVICE_SMTP) != (role == EDGE))
            close_fd(&s->ports.item[i].fd);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0) {
        (void)dup2(nothing, 0);
        (void)dup2(nothing, 1); /* standard output is the command's, not a role's */
        close_fd(&nothing);
    }
    static struct listening own[LIMIT_LISTENERS];
    struct role_start start = {
        .config = s->config,
        .identities = s->identities,
        .listening = own,
        .n_listening = ports_of_role(&s->ports, role == EDGE, own),
        .line = line,
        .handover = handover,
        .commands = s->commands,
        .drop_user = s->drop_user,
        .uid = s->uid[role],
        .gid = s->gid[role],
    };
    int status = role == EDGE ? edge_main(&start) : mail_main(&start);
    _exit(status);
}

static enum error spawn(struct supervisor *s, int role)
{
    struct child *c = &s->child[role];
    int pair[2], line[2];
    if (c->handover < 0) {
        enum error e = ipc_pair(pair);
        if (e)
            return e;
        c->handover = pair[0];
        give_other_end(s, !role, pair[1]);
    }
    enum error e = ipc_pair(line);
    if (e)
        return e;
    pid_t pid = fork();
    if (pid == 0) {
        close_fd(&line[0]);
        become_role(s, role, line[1], c->handover);
    }
    close_fd(&line[1]);
    if (pid < 0) {
        log_error("supervisor.fork", log_text("error", strerror(errno)));
        close_fd(&line[0]);
        return ERR_IO;
    }
    close_fd(&c->handover);
    c->pid = pid;
    c->line = line[0];
    c->ready = false;
    c->started = clock_ms();
    c->again = 0;
    c->kill_at = 0;
    log_info("supervisor.started", log_text("role", names[role]), log_i64("pid", pid));
    return OK;
}

/* --- Stopping --- */

static void stop_role(struct supervisor *s, int role)
{
    struct child *c = &s->child[role];
    uint32_t grace = (uint32_t)s->config->stop_seconds * 1000;
    struct buf record = BUF_INIT(16);
    buf_byte(&record, ROLE_STOP);
    buf_u32(&record, grace);
    if (ipc_send(c->line, buf_slice(&record), NULL, 0, 1000))
        (void)kill(c->pid, SIGTERM);
    buf_free(&record);
    c->kill_at = clock_ms() + 2 * (int64_t)grace + 5000;
}

/* Edge first: what it has in flight needs mail to answer. True when both are gone. */
static bool stop_next(struct supervisor *s)
{
    for (int role = EDGE; role <= MAIL; role++) {
        struct child *c = &s->child[role];
        c->again = 0;
        if (c->pid == 0)
            continue;
        if (c->kill_at == 0)
            stop_role(s, role);
        return false;
    }
    return true;
}

static void stop_all(struct supervisor *s, int status)
{
    if (s->phase == STOPPING)
        return;
    log_info("supervisor.stopping");
    notify_system("STOPPING=1");
    jobs_stop();
    s->phase = STOPPING;
    s->status = status;
}

/* --- Reload --- */

static bool only_live_changes(const struct config *a, const struct config *b)
{
    size_t n;
    const struct setting *t = config_settings(&n);
    for (size_t i = 0; i < n; i++)
        if (!t[i].live && !config_same(a, b, &t[i])) {
            log_info("reload.restart", log_text("section", t[i].section),
                     log_text("setting", t[i].name));
            return false;
        }
    return true;
}

static enum error pack_reload(const struct supervisor *s, int *fd)
{
    struct buf bytes = BUF_INIT(LIMIT_IDENTITIES * 2 * (size_t)LIMIT_PEM_FILE);
    identities_pack(s->identities, &bytes);
    enum error e = buf_check(&bytes);
    autofd to = -1;
    if (!e)
        e = ipc_memfd("certificates", &to);
    for (size_t done = 0; !e && done < bytes.n;) {
        ssize_t n = write(to, bytes.p + done, bytes.n - done);
        if (n < 0)
            e = ERR_IO;
        else
            done += (size_t)n;
    }
    if (!e)
        e = ipc_memfd_seal(to);
    buf_wipe(&bytes);
    if (e)
        return e;
    *fd = to;
    to = -1;
    return OK;
}

static void tell_reload(struct supervisor *s)
{
    autofd fd = -1;
    if (pack_reload(s, &fd)) {
        log_error("reload.failed", log_text("why", "no memory for the certificates"));
        return;
    }
    uint8_t record[2] = {ROLE_RELOAD, (uint8_t)s->config->log_level};
    for (int i = 0; i < ROLES; i++)
        if (s->child[i].pid && ipc_send(s->child[i].line, slice_of(record, 2), &fd, 1, 1000))
            log_error("supervisor.unheard", log_text("role", names[i]));
}

/* The configuration and certificates of `config`, all or nothing. */
static enum error take_over(struct supervisor *s, struct config *config, bool renew,
                            char why[CONFIG_WHY])
{
    struct identities *ids;
    struct ports ports;
    enum error e = identities_load(config, &ids, why);
    if (e)
        return e;
    e = renew ? ports_open(config, &s->ports, &ports, why) : OK;
    if (e) {
        identities_free(ids);
        return e;
    }
    if (renew) {
        ports_close(&s->ports);
        s->ports = ports;
    }
    identities_free(s->identities);
    config_free(s->config);
    s->identities = ids;
    s->config = config;
    log_set_level((enum log_level)config->log_level);
    return OK;
}

static void reload(struct supervisor *s)
{
    char why[CONFIG_WHY] = "";
    struct config *config;
    if (s->phase != SERVING) {
        log_warning("reload.refused", log_text("why", "not while starting or stopping"));
        return;
    }
    if (config_load(s->path, &config, why)) {
        log_error("reload.refused", log_text("why", why),
                  log_text("goes_on", "with the configuration before"));
        return;
    }
    bool renew = !only_live_changes(s->config, config);
    if (take_over(s, config, renew, why)) {
        log_error("reload.refused", log_text("why", why),
                  log_text("goes_on", "with the configuration before"));
        config_free(config);
        return;
    }
    if (renew)
        s->phase = RENEWING;
    else
        tell_reload(s);
    log_info("reload.done", log_text("roles", renew ? "restart" : "go on"));
}

/* --- What roles say --- */

static void became_ready(struct supervisor *s, int role)
{
    s->child[role].ready = true;
    log_info("supervisor.role_ready", log_text("role", names[role]));
    if (s->phase != STARTING || !s->child[EDGE].ready || !s->child[MAIL].ready)
        return;
    s->phase = SERVING;
    log_info("supervisor.ready", log_text("version", DEPESCHE_VERSION),
             log_text("host", s->config->host));
    notify_system("READY=1");
    if (s->ready)
        s->ready(s->arg);
}

static void set_bans(struct supervisor *s, struct cursor *c)
{
    uint32_t n = cur_u32(c);
    if (n > LIMIT_FIREWALL_BANS)
        n = LIMIT_FIREWALL_BANS;
    struct firewall_ban *bans = mem_array(n, sizeof *bans);
    for (uint32_t i = 0; i < n && cur_ok(c); i++) {
        struct slice ip = cur_take(c, sizeof bans[i].ip.b);
        if (ip.n == sizeof bans[i].ip.b)
            memcpy(bans[i].ip.b, ip.p, ip.n);
        bans[i].seconds = cur_u32(c);
    }
    if (cur_ok(c))
        firewall_set(s->firewall, bans, n);
    else
        log_error("supervisor.bad_record", log_text("record", "bans"));
    mem_free(bans);
}

static void hear(struct supervisor *s, int role)
{
    static uint8_t room[LIMIT_HANDOVER_RECORD];
    struct child *child = &s->child[role];
    struct ipc_record r;
    enum error e = ipc_receive(child->line, room, sizeof room, 0, &r);
    if (e == ERR_CLOSED || e == ERR_IO) {
        close_fd(&child->line); /* its end is near; SIGCHLD tells */
        return;
    }
    if (e)
        return;
    ipc_close_fds(&r);
    struct cursor c = cur_of(r.bytes);
    uint8_t kind = cur_u8(&c);
    if (kind == ROLE_READY)
        became_ready(s, role);
    else if (kind == ROLE_BANS && role == MAIL)
        set_bans(s, &c);
    else
        log_error("supervisor.bad_record", log_text("role", names[role]), log_u64("record", kind));
}

/* --- Deaths --- */

static void plan_restart(struct child *c, bool served)
{
    int64_t now = clock_ms();
    /* One that served for a minute dies of something new: start it at once. */
    if (served && now - c->started > 60000)
        c->pause = 0;
    c->again = now + c->pause;
    c->pause = c->pause == 0 ? 100 : c->pause * 2;
    if (c->pause > LIMIT_RESTART_MS)
        c->pause = LIMIT_RESTART_MS;
}

static void died(struct supervisor *s, int role, int status)
{
    struct child *c = &s->child[role];
    bool orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    enum log_level level = orderly ? LOG_INFO : LOG_ERROR;
    log_event(level, "supervisor.ended",
              LOG_FIELDS(log_text("role", names[role]), log_i64("pid", c->pid),
                         log_i64("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
                         log_i64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0)));
    bool served = c->ready;
    c->pid = 0;
    c->ready = false;
    c->kill_at = 0;
    close_fd(&c->line);
    close_fd(&c->handover);
    if (s->phase == STARTING)
        stop_all(s, 1);
    else if (s->phase == SERVING)
        plan_restart(c, served);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (firewall_reaped(s->firewall, pid, status) || jobs_reaped(pid, status))
            continue;
        for (int role = 0; role < ROLES; role++)
            if (s->child[role].pid == pid)
                died(s, role, status);
    }
}

/* --- The loop --- */

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGHUP:
        reload(s);
        break;
    case SIGTERM:
    case SIGINT:
        /* Asked twice: no more patience. */
        if (s->phase == STOPPING)
            for (int i = 0; i < ROLES; i++)
                if (s->child[i].pid)
                    (void)kill(s->child[i].pid, SIGKILL);
        stop_all(s, 0);
        break;
    default:
        break; /* SIGCHLD: the loop reaps in any case */
    }
}

static int64_t start_ends(const struct child *c)
{
    return c->started + LIMIT_ROLE_START_MS;
}

/* One that never comes to serve is worth no more than a dead one, and is treated like it: at our
 * own start that ends everything (who started us hears it), later it is started again. */
static void kill_when_hung(struct child *c, const char *name, int64_t now)
{
    if (c->pid == 0 || c->ready || c->kill_at || start_ends(c) > now)
        return;
    log_error("supervisor.hung", log_text("role", name), log_i64("pid", c->pid),
              log_u64("after_ms", LIMIT_ROLE_START_MS));
    (void)kill(c->pid, SIGKILL);
    c->kill_at = now + 10000;
}

/* What is due by now; returns how long the loop may sleep. */
static int due(struct supervisor *s)
{
    int64_t now = clock_ms(), next = now + 60000;
    if (s->phase == SERVING) {
        int64_t job = jobs_tend(s->path, now);
        next = job < next ? job : next;
    }
    for (int role = 0; role < ROLES; role++) {
        struct child *c = &s->child[role];
        if (c->again && c->again <= now && spawn(s, role))
            plan_restart(c, false);
        kill_when_hung(c, names[role], now);
        if (c->pid && c->kill_at && c->kill_at <= now) {
            log_error("supervisor.impatient", log_text("role", names[role]));
            (void)kill(c->pid, SIGKILL);
            c->kill_at = now + 10000;
        }
        if (c->again && c->again < next)
            next = c->again;
        if (c->kill_at && c->kill_at < next)
            next = c->kill_at;
        if (c->pid && !c->ready && !c->kill_at && start_ends(c) < next)
            next = start_ends(c);
    }
    return next <= now ? 0 : (int)(next - now);
}

/* Both roles are gone for the new configuration: start them with it. */
static void start_renewed(struct supervisor *s)
{
    s->phase = SERVING;
    if (find_users(s) || own_data_folders(s)) {
        stop_all(s, 1);
        return;
    }
    for (int role = MAIL; role >= EDGE; role--) {
        close_fd(&s->child[role].handover);
        s->child[role].pause = 0;
        s->child[role].again = clock_ms();
    }
}

static void loop(struct supervisor *s)
{
    for (;;) {
        reap(s);
        if ((s->phase == STOPPING || s->phase == RENEWING) && stop_next(s)) {
            if (s->phase == STOPPING)
                return;
            start_renewed(s);
        }
        int wait_ms = due(s); /* first: it may start a role, whose line is polled then */
        struct pollfd p[1 + ROLES] = {{.fd = s->signals, .events = POLLIN}};
        for (int i = 0; i < ROLES; i++)
            p[1 + i] = (struct pollfd){.fd = s->child[i].line, .events = POLLIN};
        if (poll(p, 1 + ROLES, wait_ms) < 0)
            continue;
        for (int i = 0; i < ROLES; i++)
            if (p[1 + i].revents && s->child[i].line == p[1 + i].fd)
                hear(s, i);
        if (p[0].revents)
            on_signal(s);
    }
}

static enum error set_signals(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        sigaddset(&set, wanted[i]);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return ERR_IO;
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals < 0 ? ERR_IO : OK;
}

/* Libraries that read files or draw keys at their first use do so here, once: the roles share the
 * pages and need no file. */
static void warm_libraries(void)
{
    OPENSSL_init_ssl(0, NULL);
    if (sodium_init() < 0)
        die("libsodium does not start");
}

/* Descriptors for as many connections as are configured: root may raise both limits, others the
 * soft one up to the hard one. What was reached is said when it is short. */
static void allow_descriptors(const struct config *c)
{
    struct rlimit now, want;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0)
        return;
    rlim_t need = c->connections + c->workers * 4 + 1024;
    if (now.rlim_cur >= need)
        return;
    want = (struct rlimit){need, now.rlim_max < need ? need : now.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0)
        return;
    want = (struct rlimit){now.rlim_max < need ? now.rlim_max : need, now.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &want) != 0 || want.rlim_cur < need)
        log_warning("supervisor.few_descriptors", log_u64("have", want.rlim_cur),
                    log_u64("wanted", need));
}

static enum error prepare(struct supervisor *s)
{
    char why[CONFIG_WHY] = "";
    enum error e = config_load(s->path, &s->config, why);
    if (!e) {
        log_set_level((enum log_level)s->config->log_level);
        warm_libraries();
        allow_descriptors(s->config);
        e = identities_load(s->config, &s->identities, why);
    }
    if (!e)
        e = ports_open(s->config, NULL, &s->ports, why);
    if (e) {
        log_error("supervisor.start", log_text("why", why));
        return e;
    }
    e = find_users(s);
    if (!e)
        e = own_data_folders(s);
    if (!e)
        e = own_folder(s, s->config->run, MAIL, 0755);
    if (!e && control_listen(s->config->run, s->uid[MAIL], &s->commands))
        log_error("supervisor.no_control", log_text("folder", s->config->run));
    if (!e)
        e = set_signals(s);
    return e;
}

int supervisor_run(const char *config_path, void (*ready)(void *arg), void *arg)
{
    static struct supervisor s;
    s = (struct supervisor){.path = config_path, .signals = -1, .commands = -1, .status = 1};
    s.ready = ready;
    s.arg = arg;
    for (int i = 0; i < ROLES; i++)
        s.child[i].line = s.child[i].handover = -1;
    log_set_role("supervisor");
    enum error e = prepare(&s);
    if (!e) {
        s.firewall = firewall_new(s.config->firewall == FIREWALL_AUTO);
        /* Mail first: its start opens the store, and edge has nobody to ask before. */
        e = spawn(&s, MAIL);
        if (!e)
            e = spawn(&s, EDGE);
        if (e)
            stop_all(&s, 1);
        loop(&s);
        firewall_free(s.firewall);
        log_info("supervisor.stopped");
    }
    close_fd(&s.commands);
    close_fd(&s.signals);
    ports_close(&s.ports);
    identities_free(s.identities);
    config_free(s.config);
    return s.status;
}
