/* `depesche setup`: prepares a real machine. Every step leaves alone what is there already. */
#include "base/mem.h"
#include "cli/certificate.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/system.h"
#include "cli/unit.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAIL_USER     "depesche"
#define EDGE_USER     "depesche-edge"
#define CONF_DIR      "/etc/depesche"
#define DATA_DIR      "/var/lib/depesche"
#define EDGE_DATA_DIR "/var/lib/depesche-edge"
#define UNIT_PATH     "/etc/systemd/system/depesche.service"
#define SELF_DAYS     825

struct setup {
    struct call *call;
    const char *root; /* "" or --root */
    char host[LIMIT_DOMAIN + 1], account[LIMIT_ADDRESS + 1];
    char password[LIMIT_PASSWORD + 1];
    bool self_signed, has_password;
};

/* A path below --root. */
static const char *place(struct setup *s, const char *path)
{
    struct slice text = arena_printf(&s->call->arena, "%s%s", s->root, path);
    const char *p = arena_cstr(&s->call->arena, text);
    if (!p)
        die("no memory for a file name");
    return p;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void step(const char *what, const char *detail, bool new)
{
    printf("  %-14s %s%s\n", what, detail, new ? "" : " (was there)");
    fflush(stdout);
}

/* --- Questions --- */

static bool has_dot_and_fits(const char *host)
{
    struct slice h = slice_str(host);
    return h.n && slice_has(h, '.') && h.p[0] != '.' && h.p[h.n - 1] != '.';
}

static bool choose_host(struct setup *s)
{
    const char *given = call_option(s->call, "host");
    char system[LIMIT_DOMAIN + 1] = "";
    (void)gethostname(system, sizeof system - 1);
    const char *fallback = has_dot_and_fits(system) ? system : NULL;
    if (given) {
        if (slice_cstr(slice_str(given), s->host, sizeof s->host))
            s->host[0] = 0;
    } else {
        char prompt[LIMIT_DOMAIN + 80];
        snprintf(prompt, sizeof prompt,
                 "This server's name in the DNS%s%s%s: ", fallback ? " [" : "",
                 fallback ? fallback : "", fallback ? "]" : "");
        if (!ask_line(prompt, fallback, s->host, sizeof s->host)) {
            refuse("no terminal to ask at; give the server's name with --host");
            return false;
        }
    }
    /* The configuration's own rule decides what a host name is. */
    char text[LIMIT_DOMAIN + 32], why[CONFIG_WHY];
    struct config *c;
    snprintf(text, sizeof text, "[server]\nhost = %s\n", s->host);
    if (!has_dot_and_fits(s->host) || config_parse(slice_str(text), "--host", &c, why)) {
        refuse("expected a full host name such as mail.example.org, found '%s'", s->host);
        return false;
    }
    config_free(c);
    return true;
}

static bool choose_account(struct setup *s)
{
    const char *given = call_option(s->call, "account");
    if (given) {
        if (slice_cstr(slice_str(given), s->account, sizeof s->account))
            s->account[0] = 0;
    } else if (!ask_line("First account's address: ", NULL, s->account, sizeof s->account)) {
        refuse("no terminal to ask at; give the first account with --account");
        return false;
    }
    struct slice a = slice_str(s->account);
    size_t at = slice_rindex(a, '@');
    if (at == 0 || at + 1 >= a.n) {
        refuse("expected an address such as anna@example.org, found '%s'", s->account);
        return false;
    }
    return true;
}

static bool choose_password(struct setup *s)
{
    if (!call_password(s->call, "Its password: ", true, s->password))
        return false;
    const char *why;
    if (password_rule(slice_str(s->password), slice_str(s->account), "en", &why)) {
        refuse("%s", why);
        return false;
    }
    s->has_password = true;
    return true;
}

/* --- Steps --- */

static bool make_users(struct setup *s)
{
    if (s->root[0])
        return true;
    bool there = getpwnam(MAIL_USER) && getpwnam(EDGE_USER);
    if (!make_system_user(MAIL_USER, DATA_DIR, "Depesche mail store") ||
        !make_system_user(EDGE_USER, "/nonexistent", "Depesche network edge"))
        return false;
    step("users", MAIL_USER ", " EDGE_USER, !there);
    return true;
}

/* owner NULL: root. */
static bool make_folder(struct setup *s, const char *path, mode_t mode, const char *owner)
{
    const char *at = place(s, path);
    bool there = exists(at);
    if (!there && !make_folders(at, mode))
        return false;
    if (owner && !s->root[0]) {
        struct passwd *p = getpwnam(owner);
        if (!p || chown(at, p->pw_uid, p->pw_gid) != 0) {
            refuse("%s: %s", at, strerror(errno));
            return false;
        }
    }
    if (chmod(at, mode) != 0) {
        refuse("%s: %s", at, strerror(errno));
        return false;
    }
    step("folder", at, !there);
    return true;
}

static bool make_certificate(struct setup *s)
{
    const char *chain = place(s, CONF_DIR "/tls/server.pem");
    const char *key = place(s, CONF_DIR "/tls/server.key");
    bool there = exists(chain) && exists(key);
    if (!there) {
        char names[LIMIT_DOMAIN + 8];
        snprintf(names, sizeof names, "DNS:%s", s->host);
        struct certificate_request rq = {.common_name = s->host,
                                         .names = names,
                                         .days = SELF_DAYS,
                                         .path = chain,
                                         .key_path = key};
        if (!certificate_make(&rq))
            return false;
    }
    struct certificate_state state;
    s->self_signed = certificate_look(chain, key, s->host, &state) == OK && state.self_signed;
    step("certificate", chain, !there);
    return true;
}

static bool make_config(struct setup *s)
{
    const char *path = place(s, CONFIG_DEFAULT_PATH);
    bool there = exists(path);
    if (!there) {
        struct buf text = BUF_INIT(8192);
        buf_printf(&text,
                   "# Depesche's configuration. Everything that does not stand here has a good "
                   "default:\n# `depesche check` shows every setting, `depesche help config` "
                   "explains them.\n# Apply changes with `systemctl reload depesche`.\n\n"
                   "[server]\nhost = %s\npostmaster = %s\n\n"
                   "# Chain and key, PEM. The line may stand several times.\n[tls]\n"
                   "certificate = %s/tls/server.pem %s/tls/server.key\n",
                   s->host, s->account, CONF_DIR, CONF_DIR);
        bool good = !text.failed && write_file(path, buf_slice(&text), 0644);
        buf_free(&text);
        if (!good)
            return false;
    }
    step("configuration", path, !there);
    return true;
}

static bool make_unit(struct setup *s)
{
    static const char *const packaged[] = {"/usr/local/lib/systemd/system/depesche.service",
                                           "/lib/systemd/system/depesche.service",
                                           "/usr/lib/systemd/system/depesche.service"};
    const char *path = place(s, UNIT_PATH);
    for (size_t i = 0; i < 3; i++)
        if (exists(place(s, packaged[i]))) {
            step("service", place(s, packaged[i]), false);
            return true;
        }
    bool there = exists(path);
    if (!there) {
        char dir[1200];
        snprintf(dir, sizeof dir, "%s/etc/systemd/system", s->root);
        if (!make_folders(dir, 0755) || !write_file(path, slice_str(unit_text), 0644))
            return false;
        static const char *const reload[] = {"/usr/bin/systemctl", "daemon-reload", NULL};
        if (!s->root[0] && exists("/run/systemd/system") && !run_program(reload))
            fprintf(stderr, "depesche: `systemctl daemon-reload` failed; run it by hand\n");
    }
    step("service", path, !there);
    return true;
}

/* In a process of its own, as the data folder's owner. */
static int make_domain_and_account(struct setup *s)
{
    struct slice address = slice_str(s->account);
    struct slice domain = slice_from(address, slice_rindex(address, '@') + 1);
    struct directory *d;
    char path[1200];
    snprintf(path, sizeof path, "%s/directory.db", place(s, DATA_DIR));
    struct passwd *p = s->root[0] ? NULL : getpwnam(MAIL_USER);
    if (!s->root[0] &&
        (!p || setgroups(0, NULL) != 0 || setresgid(p->pw_gid, p->pw_gid, p->pw_gid) != 0 ||
         setresuid(p->pw_uid, p->pw_uid, p->pw_uid) != 0))
        return refuse("cannot become %s: %s", MAIL_USER, strerror(errno));
    umask(077);
    enum error e = directory_open(path, &d);
    if (e)
        return refuse("%s: cannot be opened (%s)", path, error_name(e));
    struct account a;
    bool there = directory_account_find(d, address, &a) == OK;
    if (!there) {
        e = directory_domain_add(d, domain, SLICE_NONE);
        if (e == OK || e == ERR_CONFLICT)
            e = keys_ensure_dkim(d, domain);
        if (!e && !s->has_password && !choose_password(s))
            e = ERR_AUTH; /* told already */
        else if (!e)
            e = directory_account_add(d, address, SLICE_NONE, SLICE("en"), slice_str(s->password),
                                      &a);
    }
    directory_close(d);
    mem_wipe(s->password, sizeof s->password);
    if (e == ERR_AUTH)
        return REFUSED;
    if (e)
        return refuse("%s could not be made (%s)", s->account, error_name(e));
    step("account", s->account, !there);
    return DONE;
}

static bool in_own_process(struct setup *s)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int status = make_domain_and_account(s);
        fflush(stdout);
        _exit(status);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        refuse("cannot start a process: %s", strerror(errno));
        return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == DONE;
}

static void print_next(struct setup *s)
{
    struct slice address = slice_str(s->account);
    struct slice domain = slice_from(address, slice_rindex(address, '@') + 1);
    printf("\nWhat to do next:\n\n"
           "1. In the DNS of %.*s:\n"
           "     %.*s.  MX   10 %s.\n"
           "     %s.  A    this machine's IPv4 address (and AAAA its IPv6 address)\n"
           "   and let your provider set the reverse name of both addresses to %s.\n\n",
           SLICE_FMT(domain), SLICE_FMT(domain), s->host, s->host, s->host);
    if (s->self_signed)
        printf("2. The certificate is self-signed: mail programs will ask. Put a real one (from "
               "Let's Encrypt,\n   for example) into %s/tls/server.pem and server.key, or name its "
               "files in\n   %s, then `systemctl reload depesche`.\n\n",
               CONF_DIR, CONFIG_DEFAULT_PATH);
    else
        printf("2. The certificate is there; after renewing it: `systemctl reload depesche`.\n\n");
    printf("3. Open the ports 25, 465, 587, 143 and 993 in the firewall, then start:\n"
           "     systemctl enable --now depesche\n"
           "     depesche doctor\n\n"
           "4. In a mail program: user name %s,\n"
           "   IMAP %s port 993 (TLS), SMTP %s port 465 (TLS).\n"
           "   More people: `depesche account add ADDRESS`.\n",
           s->account, s->host, s->host);
}

int command_setup(struct call *c)
{
    static struct setup setup;
    struct setup *s = &setup;
    *s = (struct setup){.call = c, .root = ""};
    const char *root = call_option(c, "root");
    if (root)
        s->root = root;
    if (root && (root[0] != '/' || strlen(root) > 900))
        return wrong_usage("--root: expected an absolute path, found '%s'", root);
    if (!root && geteuid() != 0)
        return refuse("setup makes users and services: run it as root (or with --root DIR)");
    if (!choose_host(s) || !choose_account(s))
        return REFUSED;
    if (call_has(c, "password-fd") && !choose_password(s))
        return REFUSED;
    umask(022);
    printf("Depesche on %s:\n", s->host);
    bool good = make_users(s) && make_folder(s, CONF_DIR, 0755, NULL) &&
                make_folder(s, CONF_DIR "/tls", 0700, NULL) &&
                make_folder(s, DATA_DIR, 0700, MAIL_USER) &&
                make_folder(s, EDGE_DATA_DIR, 0700, EDGE_USER) && make_certificate(s) &&
                make_config(s) && in_own_process(s) && make_unit(s);
    mem_wipe(s->password, sizeof s->password);
    if (!good)
        return REFUSED;
    print_next(s);
    return DONE;
}
