/* `depesche doctor`: looks at everything an installation stands on, and says of each what it
 * found. What only root can see is looked at first; then the command becomes the data's owner. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/certificate.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/output.h"
#include "config/control.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum verdict { GOOD, WARN, BAD };
static const char *const verdict_names[] = {"ok", "warning", "bad"};

struct doctor {
    struct call *call;
    struct output table;
    const char *subject; /* what a report() line is about */
    unsigned bad, lines;
    bool repair, running, progress;
};

static void printf_like(4, 5)
    found(struct doctor *d, const char *subject, enum verdict v, const char *format, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    output_str(&d->table, subject);
    output_str(&d->table, verdict_names[v]);
    output_str(&d->table, text);
    if (v == BAD)
        d->bad++;
}

/* --- Certificates --- */

static void look_at_certificates(struct doctor *d)
{
    const struct config *c = d->call->config;
    for (size_t i = 0; i < c->certificates.n; i++) {
        const struct config_certificate *p = &c->certificates.item[i];
        struct certificate_state s;
        struct stat st;
        enum error e = certificate_look(p->chain, p->key, c->host, &s);
        int64_t days = e ? 0 : (s.not_after - clock_wall()) / 86400;
        if (e == ERR_IO)
            found(d, "certificate", geteuid() == 0 ? BAD : WARN, "%s: cannot be read%s", p->chain,
                  geteuid() == 0 ? "" : " by this user");
        else if (e)
            found(d, "certificate", BAD, "%s: not a PEM chain with its PEM key", p->chain);
        else if (!s.key_fits)
            found(d, "certificate", BAD, "%s does not fit %s", p->key, p->chain);
        else if (s.not_after < clock_wall())
            found(d, "certificate", BAD, "%s has expired", p->chain);
        else if (days < 14)
            found(d, "certificate", WARN, "%s expires in %lld days", p->chain, (long long)days);
        else if (i == 0 && !s.names_host)
            found(d, "certificate", WARN, "%s does not name %s", p->chain, c->host);
        else if (s.self_signed)
            found(d, "certificate", WARN, "%s is self-signed; mail programs will ask", p->chain);
        else
            found(d, "certificate", GOOD, "%s, %lld days left", p->chain, (long long)days);
        if (stat(p->key, &st) == 0 && (st.st_mode & 077) != 0)
            found(d, "permissions", BAD, "%s can be read by others; `chmod 600` it", p->key);
    }
    if (c->certificates.n == 0)
        found(d, "certificate", BAD, "tls.certificate is missing in %s", c->path);
}

/* --- Permissions --- */

static void look_at_folder(struct doctor *d, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        found(d, "permissions", BAD, "%s: %s", path, strerror(errno));
        return;
    }
    if ((st.st_mode & 077) == 0) {
        found(d, "permissions", GOOD, "%s", path);
        return;
    }
    if (d->repair && chmod(path, 0700) == 0)
        found(d, "permissions", GOOD, "%s was open to others; closed", path);
    else
        found(d, "permissions", BAD, "%s is open to others; --repair closes it", path);
}

/* --- Ports --- */

/* Does something answer there? Waits at most a second. */
static bool answers(struct ip ip, uint16_t port)
{
    struct sockaddr_storage to;
    struct ip any4 = {{0}}, any6 = {{0}}, loop4, loop6;
    memset(any4.b + 10, 0xff, 2);
    if (ip_parse(SLICE("127.0.0.1"), &loop4) || ip_parse(SLICE("::1"), &loop6))
        return false;
    if (ip_eq(ip, any4))
        ip = loop4;
    if (ip_eq(ip, any6))
        ip = loop6;
    socklen_t n = ip_to_sockaddr(ip, port, &to);
    autofd fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&to, n) == 0)
        return true;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int reason = 0;
    socklen_t size = sizeof reason;
    return errno == EINPROGRESS && poll(&p, 1, 1000) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size) == 0 && reason == 0;
}

static void look_at_ports(struct doctor *d)
{
    for (enum config_service s = 0; s < SERVICE_COUNT; s++) {
        struct config_endpoint *at;
        size_t n, open = 0;
        char closed[IP_TEXT] = "";
        if (config_endpoints(d->call->config, s, &d->call->arena, &at, &n))
            continue;
        for (size_t i = 0; i < n; i++)
            if (answers(at[i].ip, at[i].port))
                open++;
            else
                ip_print(at[i].ip, closed);
        if (n && open == n)
            found(d, "ports", GOOD, "%s answers on port %u", config_service_name(s), at[0].port);
        else if (n && open)
            found(d, "ports", WARN, "%s does not answer on %s port %u", config_service_name(s),
                  closed, at[0].port);
        else if (n)
            found(d, "ports", d->running ? BAD : WARN, "%s does not answer on port %u%s",
                  config_service_name(s), at[0].port,
                  d->running ? "" : "; the server does not run");
    }
}

/* What the running server says of itself: the value behind `name` in its lines. */
static struct slice told(struct slice lines, struct slice name)
{
    struct slice line;
    while (slice_line(&lines, &line))
        if (line.n > name.n && line.p[name.n] == ' ' && slice_starts(line, name))
            return slice_from(line, name.n + 1);
    return SLICE("");
}

static void look_at_sending(struct doctor *d, struct slice status)
{
    struct slice validates = told(status, SLICE("dns_validates"));
    struct slice proof = told(status, SLICE("dns_proof"));
    struct slice broken = told(status, SLICE("queue_broken"));
    if (slice_eq(validates, SLICE("yes")))
        found(d, "dns", GOOD, "%.*s", SLICE_FMT(proof));
    else if (slice_eq(validates, SLICE("no")))
        found(d, "dns", BAD,
              "%.*s; until the resolver validates, mail to destinations with DANE waits",
              SLICE_FMT(proof));
    else
        found(d, "dns", WARN, "the server has not looked yet whether its resolver validates");
    if (broken.n && !slice_eq(broken, SLICE("0")))
        found(d, "queue", WARN, "%.*s recipients are set aside; `depesche queue list --broken`",
              SLICE_FMT(broken));
    else
        found(d, "queue", GOOD, "%.*s recipients wait, %.*s destinations take nothing now",
              SLICE_FMT(told(status, SLICE("queue_recipients"))),
              SLICE_FMT(told(status, SLICE("queue_failing"))));
}

static void look_at_server(struct doctor *d)
{
    struct buf request = BUF_INIT(16), answer = BUF_INIT(4096);
    buf_byte(&request, CONTROL_STATUS);
    enum error e = control_ask(d->call->config->run, buf_slice(&request), &answer);
    d->running = e == OK;
    struct slice rest = buf_slice(&answer), line = SLICE_NONE;
    if (e == ERR_NOTFOUND)
        found(d, "server", WARN, "does not run; `systemctl start depesche` starts it");
    else if (e)
        found(d, "server", BAD, "does not answer on its control socket (%s)", error_name(e));
    else if (slice_line(&rest, &line)) {
        found(d, "server", GOOD, "runs, %.*s", SLICE_FMT(line));
        look_at_sending(d, rest);
    }
    buf_free(&request);
    buf_free(&answer);
}

/* --- Databases --- */

static void report(void *arg, const char *line)
{
    struct doctor *d = arg;
    /* A damaged store may have a finding for every message: the first hundred tell enough. */
    if (d->lines++ < 100)
        found(d, d->subject, WARN, "%s", line);
}

static void progress(void *arg, uint64_t done, uint64_t total)
{
    struct doctor *d = arg;
    if (!d->progress || total == 0)
        return;
    fprintf(stderr, "\r%s: %3u %%%s", d->subject, (unsigned)(done * 100 / total),
            done >= total ? "\r\033[K" : "");
    fflush(stderr);
}

static void conclude(struct doctor *d, enum error e, unsigned bad)
{
    if (e)
        found(d, d->subject, BAD, "could not be examined (%s)", error_name(e));
    else if (bad)
        found(d, d->subject, BAD, "%u fault%s%s", bad, bad == 1 ? "" : "s",
              d->repair ? " that could not be mended" : "; --repair mends what can be mended");
    else
        found(d, d->subject, GOOD, "whole");
}

static void begin(struct doctor *d, const char *subject)
{
    d->subject = subject;
    d->lines = 0;
}

static enum error look_at_keys(struct doctor *d, struct directory *directory)
{
    struct domain *list;
    size_t n;
    enum error e = directory_domain_list(directory, &d->call->arena, &list, &n);
    for (size_t i = 0; e == OK && i < n; i++) {
        struct directory_dkim *keys;
        size_t n_keys = 0;
        e = directory_dkim_list(directory, slice_str(list[i].name), &d->call->arena, &keys,
                                &n_keys);
        for (size_t k = 0; e == OK && k < n_keys; k++)
            if (keys_examine_dkim(directory, &keys[k]) != OK)
                found(d, "keys", BAD,
                      "the key %s of %s is damaged; `depesche key roll --dkim %s` makes others",
                      keys[k].selector, list[i].name, list[i].name);
        if (e == OK && n_keys == 0)
            found(d, "keys", WARN, "%s has no DKIM keys; `depesche key roll --dkim %s` makes them",
                  list[i].name, list[i].name);
    }
    return e;
}

static void look_at_directory(struct doctor *d)
{
    struct directory *directory;
    unsigned bad = 0;
    begin(d, "directory");
    if (!call_directory(d->call, &directory)) {
        found(d, d->subject, BAD, "cannot be opened");
        return;
    }
    enum error e = directory_check(directory, d->repair, report, d, &bad);
    if (!e)
        e = look_at_keys(d, directory);
    directory_close(directory);
    conclude(d, e, bad);
}

static void look_at_guard(struct doctor *d)
{
    struct guard *guard;
    unsigned bad = 0;
    begin(d, "guard");
    if (!call_guard(d->call, &guard)) {
        found(d, d->subject, BAD, "cannot be opened");
        return;
    }
    enum error e = guard_check(guard, report, d, &bad);
    guard_close(guard);
    conclude(d, e, bad);
}

static void look_at_memory(struct doctor *d)
{
    struct memory *memory;
    unsigned bad = 0;
    begin(d, "policy");
    if (!call_memory(d->call, &memory)) {
        found(d, d->subject, BAD, "cannot be opened");
        return;
    }
    enum error e = memory_check(memory, report, d, &bad);
    memory_close(memory);
    conclude(d, e, bad);
}

static void look_at_store(struct doctor *d)
{
    struct store *store;
    unsigned bad = 0;
    char path[1100];
    begin(d, "store");
    snprintf(path, sizeof path, "%s/store", d->call->config->data);
    if (access(path, F_OK) != 0) {
        found(d, d->subject, GOOD, "not made yet; the server makes it at its first start");
        return;
    }
    bool write = d->repair && !d->running;
    if (d->repair && d->running)
        found(d, d->subject, WARN, "examined only: the server runs; stop it to repair the store");
    struct store_options o = {.dir = path, .read_only = !write};
    enum error e = store_open(&o, &store);
    if (e) {
        found(d, d->subject, BAD, "cannot be opened (%s)", error_name(e));
        return;
    }
    e = store_check(store, write, report, progress, d, &bad);
    store_close(store);
    conclude(d, e, bad);
}

int command_doctor(struct call *c)
{
    static const char *const columns[] = {"what", "state", "found"};
    static struct doctor doctor;
    struct doctor *d = &doctor;
    *d = (struct doctor){.call = c, .repair = call_has(c, "repair")};
    d->progress = !c->json && isatty(STDERR_FILENO);
    if (!call_config(c))
        return REFUSED;
    output_table(&d->table, c->json, columns, 3);
    found(d, "configuration", GOOD, "%s", c->config->path);
    look_at_certificates(d);
    look_at_folder(d, c->config->data);
    look_at_server(d);
    look_at_ports(d);
    if (call_become_owner(c)) {
        look_at_directory(d);
        look_at_guard(d);
        look_at_memory(d);
        look_at_store(d);
    } else {
        d->bad++;
    }
    output_print(&d->table);
    if (d->bad)
        return refuse("%u thing%s bad; the lines above say which", d->bad,
                      d->bad == 1 ? " is" : "s are");
    return DONE;
}
