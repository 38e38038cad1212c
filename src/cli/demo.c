/* `depesche demo`: a complete private installation in one folder, served on loopback. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "cli/certificate.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "config/control.h"
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEMO_DOMAIN "example.org"
#define DEMO_DAYS   730
/* Users of its own when started as root: numbers that no package and no person has. */
#define DEMO_MAIL_UID "64310"
#define DEMO_EDGE_UID "64311"

struct demo {
    struct call *call;
    char dir[PATH_MAX];
    uint32_t base;
    const char *given; /* --password */
    char password[LIMIT_PASSWORD +
                  1]; /* the one given or drawn; "" when accounts stay as they are */
    bool fresh;
};

static const char *path_in(struct demo *d, const char *name)
{
    struct slice text = arena_printf(&d->call->arena, "%s/%s", d->dir, name);
    const char *path = arena_cstr(&d->call->arena, text);
    if (!path)
        die("no memory for a file name");
    return path;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Can a user other than the owner walk down to this folder? */
static bool walkable(const char *dir)
{
    char part[PATH_MAX];
    struct stat st;
    for (size_t i = 1; i <= strlen(dir); i++) {
        if (dir[i] != '/' && dir[i] != 0)
            continue;
        memcpy(part, dir, i);
        part[i] = 0;
        if (stat(part, &st) != 0 || !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

static bool prepare_folder(struct demo *d)
{
    const char *dir = call_option(d->call, "dir");
    if (!dir)
        dir = "demo";
    if (mkdir(dir, 0711) != 0 && errno != EEXIST) {
        refuse("%s: %s; name a folder with --dir", dir, strerror(errno));
        return false;
    }
    if (!realpath(dir, d->dir) || strlen(d->dir) > 900) {
        refuse("%s: %s", dir, strerror(errno));
        return false;
    }
    struct stat st;
    if (stat(d->dir, &st) != 0 || st.st_uid != geteuid()) {
        refuse("%s belongs to another user; name a folder of your own with --dir", d->dir);
        return false;
    }
    for (const char *p = d->dir; *p; p++)
        if (*p <= ' ' || *p == ',') {
            refuse("%s: the path must not have blanks or commas", d->dir);
            return false;
        }
    return true;
}

static bool expires_soon(const char *path, const char *key)
{
    struct certificate_state s;
    return certificate_look(path, key, "localhost", &s) != OK ||
           s.not_after < clock_wall() + 14 * 86400 || !s.key_fits;
}

static bool prepare_certificates(struct demo *d)
{
    const char *ca = path_in(d, "ca.pem"), *ca_key = path_in(d, "ca.key");
    const char *server = path_in(d, "server.pem"), *key = path_in(d, "server.key");
    if (expires_soon(ca, ca_key)) {
        struct certificate_request rq = {.common_name = "Depesche demo authority",
                                         .authority = true,
                                         .days = DEMO_DAYS * 5,
                                         .path = ca,
                                         .key_path = ca_key};
        if (!certificate_make(&rq))
            return false;
        (void)unlink(server);
    }
    if (!expires_soon(server, key))
        return true;
    struct certificate_request rq = {
        .common_name = "localhost",
        .names = "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:mail." DEMO_DOMAIN
                 ",DNS:webmail." DEMO_DOMAIN ",DNS:autoconfig." DEMO_DOMAIN
                 ",DNS:autodiscover." DEMO_DOMAIN ",DNS:mta-sts." DEMO_DOMAIN,
        .ca_path = ca,
        .ca_key_path = ca_key,
        .days = DEMO_DAYS,
        .path = server,
        .key_path = key,
    };
    return certificate_make(&rq);
}

static void print_users(struct demo *d, struct buf *out)
{
    if (geteuid() != 0)
        return;
    struct stat st;
    /* Root gives the roles users of their own, when those can reach the folder. */
    if (stat(d->dir, &st) == 0 && !(st.st_mode & S_IXOTH))
        (void)chmod(d->dir, st.st_mode | 0111);
    bool reach = walkable(d->dir);
    if (!reach)
        fprintf(stderr,
                "depesche: other users cannot reach %s, so both roles run as root's uid without "
                "its powers\n",
                d->dir);
    buf_printf(out, "mail_user = %s\nedge_user = %s\n", reach ? DEMO_MAIL_UID : "0",
               reach ? DEMO_EDGE_UID : "0");
}

/* Only one server can have the folder; and the one that runs there keeps its configuration. */
static bool is_served(const struct config *c)
{
    struct buf request = BUF_INIT(16), answer = BUF_INIT(4096);
    buf_byte(&request, CONTROL_STATUS);
    enum error e = control_ask(c->run, buf_slice(&request), &answer);
    buf_free(&request);
    buf_free(&answer);
    return e == OK;
}

/* The base that a configuration has: another start may have chosen it. */
static void read_base(struct demo *d, const struct config *c)
{
    const struct config_ports *p = &c->listen[SERVICE_SMTP];
    if (p->n && p->item[0].at.port >= 25)
        d->base = p->item[0].at.port - 25u;
}

static void print_trusted(struct demo *d, const struct config *earlier, struct buf *out)
{
    struct call *c = d->call;
    for (size_t i = 0; i < c->n_options; i++)
        if (strcmp(c->options[i].name, "trust") == 0)
            buf_printf(out, "trusted = %s\n", c->options[i].value);
    if (call_has(c, "trust") || !earlier || earlier->trusted.n == 0)
        return;
    size_t n;
    const struct setting *s = config_settings(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(s[i].section, "guard") == 0 && strcmp(s[i].name, "trusted") == 0) {
            buf_lit(out, "trusted = ");
            config_print_value(earlier, &s[i], out);
            buf_byte(out, '\n');
        }
}

static bool write_config(struct demo *d, const struct config *earlier)
{
    const char *path = d->call->config_path;
    struct buf text = BUF_INIT(LIMIT_CONFIG_SIZE);
    buf_printf(&text,
               "# A demo's configuration, written by `depesche demo`, which writes it anew when\n"
               "# --ports or --trust are given. `depesche help config` lists all settings.\n\n"
               "[server]\nhost = mail." DEMO_DOMAIN "\ndata = %s/data\nedge_data = %s/edge\n"
               "run = %s/run\npostmaster = anna@" DEMO_DOMAIN "\n",
               d->dir, d->dir, d->dir);
    print_users(d, &text);
    buf_printf(&text,
               "\n[listen]\naddress = 127.0.0.1, ::1\nsmtp = %u\nsubmission = %u\n"
               "submissions = %u\nimap = %u\nimaps = %u\n"
               "https = %u\nhttp = %u\n",
               d->base + 25, d->base + 587, d->base + 465, d->base + 143, d->base + 993,
               d->base + 443, d->base + 80);
    buf_printf(&text, "\n[tls]\ncertificate = %s/server.pem %s/server.key\n", d->dir, d->dir);
    /* Its domain is not its own: nothing leaves for the world by accident. */
    buf_printf(
        &text,
        "\n[dns]\n# A demo asks a name server of yours on loopback, or nobody: mail to others "
        "waits in the queue.\n# Take the three lines away to ask the real DNS, and mail "
        "leaves for the world.\nforwarder = 127.0.0.1@%u\nknown_good =\nknown_bad =\n",
        d->base + 53);
    buf_lit(&text, "\n[guard]\nfirewall = no\n");
    print_trusted(d, earlier, &text);
    /* Refused before it is written: a wrong --trust must not stay behind. */
    char why[CONFIG_WHY] = "the options are too long";
    struct config *trial = NULL;
    bool good = !text.failed && config_parse(buf_slice(&text), path, &trial, why) == OK;
    if (!good)
        refuse("%s", why);
    config_free(trial);
    good = good && write_file(path, buf_slice(&text), 0644);
    buf_free(&text);
    return good;
}

static bool prepare_config(struct demo *d)
{
    const char *path = path_in(d, "depesche.conf");
    struct call *c = d->call;
    c->config_path = path;
    struct config *earlier = NULL;
    char why[CONFIG_WHY];
    /* One that cannot be read says so later, or is written anew now. */
    if (exists(path) && config_load(path, &earlier, why) != OK)
        earlier = NULL;
    bool good = true;
    if (earlier && is_served(earlier)) {
        refuse("a server runs in %s already; stop it, or name another folder with --dir", d->dir);
        good = false;
    } else if (!exists(path) || call_has(c, "ports") || call_has(c, "trust")) {
        if (earlier && !call_has(c, "ports"))
            read_base(d, earlier);
        good = write_config(d, earlier);
    }
    config_free(earlier);
    return good;
}

/* In a process of its own, as the data folder's owner. */
static bool make_account(struct directory *dir, const char *name, const char *display,
                         const char *language, struct demo *d)
{
    char address[64];
    snprintf(address, sizeof address, "%s@" DEMO_DOMAIN, name);
    struct account a;
    enum error e = directory_account_find(dir, slice_str(address), &a);
    struct slice password = slice_str(d->password);
    if (e == ERR_NOTFOUND)
        e = directory_account_add(dir, slice_str(address), slice_str(display), slice_str(language),
                                  password, &a);
    else if (!e && d->given && directory_verify(dir, slice_str(address), password, &a))
        e = directory_password_set(dir, a.id, password);
    if (e)
        refuse("%s could not be made (%s)", address, error_name(e));
    return e == OK;
}

static int make_accounts(struct demo *d)
{
    struct directory *dir;
    if (!call_directory(d->call, &dir))
        return REFUSED;
    enum error e = directory_domain_add(dir, SLICE(DEMO_DOMAIN), SLICE_NONE);
    if (e == OK || e == ERR_CONFLICT)
        e = keys_ensure_dkim(dir, SLICE(DEMO_DOMAIN));
    bool good = e == OK;
    if (!good)
        refuse("the domain could not be made (%s)", error_name(e));
    good = good && make_account(dir, "anna", "Anna Muster", "de", d) &&
           make_account(dir, "ben", "Ben Example", "en", d);
    directory_close(dir);
    return good ? DONE : REFUSED;
}

static bool prepare_data(struct demo *d)
{
    struct config *c = d->call->config;
    uint32_t uid = (uint32_t)geteuid();
    if (geteuid() == 0 && parse_u32(slice_str(c->mail_user), INT32_MAX, &uid)) {
        refuse("%s: server.mail_user must be a number in a demo", c->path);
        return false;
    }
    if ((mkdir(c->data, 0700) != 0 && errno != EEXIST) ||
        (geteuid() == 0 && chown(c->data, uid, uid) != 0)) {
        refuse("%s: %s", c->data, strerror(errno));
        return false;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        /* An orderly end of this process' copies is nobody's business. */
        _exit(make_accounts(d));
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        refuse("cannot start a process: %s", strerror(errno));
        return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == DONE;
}

static bool port_is_free(enum config_service service, const struct config_endpoint *at)
{
    char text[IP_TEXT];
    int fd;
    ip_print(at->ip, text);
    enum error e = ip_listen(at->ip, at->port, &fd);
    if (e == OK)
        (void)close(fd);
    /* The server says the rest: it may do without an address, and has other reasons to fail. */
    if (e != ERR_CONFLICT)
        return true;
    refuse("cannot listen on %s port %u for %s; another program (or another Depesche) has it; "
           "choose other ports with --ports",
           text, at->port, config_service_name(service));
    return false;
}

/* Before accounts are made and their password is told: a demo that cannot be served would leave
 * behind both. */
static bool ports_are_free(struct demo *d)
{
    for (enum config_service s = 0; s < SERVICE_COUNT; s++) {
        struct config_endpoint *at;
        size_t n;
        if (config_endpoints(d->call->config, s, &d->call->arena, &at, &n)) {
            refuse("too many ports for %s", config_service_name(s));
            return false;
        }
        for (size_t i = 0; i < n; i++)
            if (!port_is_free(s, &at[i]))
                return false;
    }
    return true;
}

/* Easy to read out and to type: no letters that look alike. */
static void draw_password(char *out, size_t n)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
    for (size_t i = 0; i < n; i++)
        out[i] = i % 6 == 5 ? '-' : letters[random_below(sizeof letters - 1)];
    out[n] = 0;
}

static bool choose_password(struct demo *d)
{
    d->given = call_option(d->call, "password");
    d->fresh = !exists(path_in(d, "data/directory.db"));
    if (!d->given) {
        draw_password(d->password, 17);
        return true;
    }
    const char *why;
    if (password_rule(slice_str(d->given), SLICE("anna@" DEMO_DOMAIN), "en", &why) ||
        slice_cstr(slice_str(d->given), d->password, sizeof d->password)) {
        refuse("--password: %s", why);
        return false;
    }
    return true;
}

/* As the user can call it: this program is seldom in the PATH before it is installed. */
static const char *program(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0)
        return "depesche";
    out[n] = 0;
    return out;
}

static void print_examples(struct demo *d)
{
    char self[PATH_MAX];
    bool known = d->given || d->fresh;
    printf("Depesche demo in %s\n\n", d->dir);
    printf("  accounts   anna@%s, ben@%s\n", DEMO_DOMAIN, DEMO_DOMAIN);
    if (known)
        printf("  password   %s\n", d->password);
    else
        printf("  password   as at the first start (--password PW sets another)\n");
    printf("  webmail    https://localhost:%u/\n", d->base + 443);
    printf("  trust      %s/ca.pem\n\n", d->dir);
    printf("Send Anna a message, as a server would:\n"
           "  swaks --server localhost:%u --tls --from you@example.net --to anna@%s "
           "--header 'Subject: Hello'\n",
           d->base + 25, DEMO_DOMAIN);
    printf("Read it:\n"
           "  curl --cacert %s/ca.pem --user anna@%s 'imaps://localhost:%u/INBOX;MAILINDEX=1'\n",
           d->dir, DEMO_DOMAIN, d->base + 993);
    printf("Write as Anna to Ben:\n"
           "  swaks --server localhost:%u --tls --auth-user anna@%s --from anna@%s --to ben@%s\n",
           d->base + 587, DEMO_DOMAIN, DEMO_DOMAIN, DEMO_DOMAIN);
    printf("Look at the TLS:\n"
           "  openssl s_client -connect localhost:%u -CAfile %s/ca.pem\n",
           d->base + 993, d->dir);
    printf("A mail program: IMAP localhost:%u (TLS), SMTP localhost:%u (TLS), the address as user "
           "name.\n",
           d->base + 993, d->base + 465);
    printf("Manage it:\n  %s account list --config %s/depesche.conf\n\n",
           program(self, sizeof self), d->dir);
    fflush(stdout);
}

static void say_ready(void *arg)
{
    (void)arg;
    printf("ready\n");
    fflush(stdout);
}

int command_demo(struct call *c)
{
    static struct demo demo;
    struct demo *d = &demo;
    *d = (struct demo){.call = c, .base = 20000};
    const char *base = call_option(c, "ports");
    if (base && parse_u32(slice_str(base), 64000, &d->base))
        return wrong_usage("--ports: expected a number up to 64000, found '%s'", base);
    umask(022);
    if (!prepare_folder(d) || !prepare_certificates(d) || !prepare_config(d))
        return REFUSED;
    if (!choose_password(d) || !call_config(c))
        return REFUSED;
    read_base(d, c->config);
    if (!ports_are_free(d) || !prepare_data(d))
        return REFUSED;
    log_set_level(LOG_INFO);
    print_examples(d);
    mem_wipe(d->password, sizeof d->password);
    return c->server->serve(c->config_path, say_ready, NULL);
}
