/* What commands open: configuration, databases, passwords, files. */
#include "base/mem.h"
#include "cli/command.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

bool call_config(struct call *c)
{
    char why[CONFIG_WHY] = "";
    if (c->config)
        return true;
    enum error e = config_load(c->config_path, &c->config, why);
    if (e == ERR_NOTFOUND)
        refuse("%s; name another with --config, or run `depesche setup`", why);
    else if (e)
        refuse("%s", why);
    return e == OK;
}

bool call_become_owner(struct call *c)
{
    struct stat st;
    if (stat(c->config->data, &st) != 0) {
        refuse("%s: %s; `depesche setup` makes the data folder", c->config->data, strerror(errno));
        return false;
    }
    if (geteuid() == st.st_uid)
        return true;
    if (geteuid() != 0) {
        refuse("%s belongs to another user; run this as root", c->config->data);
        return false;
    }
    if (setgroups(0, NULL) != 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) != 0) {
        refuse("cannot become the owner of %s: %s", c->config->data, strerror(errno));
        return false;
    }
    return true;
}

static const char *data_path(struct call *c, const char *name)
{
    struct slice path = arena_printf(&c->arena, "%s/%s", c->config->data, name);
    const char *text = arena_cstr(&c->arena, path);
    if (!text)
        die("no memory for a file name");
    return text;
}

bool call_directory(struct call *c, struct directory **out)
{
    if (!call_config(c) || !call_become_owner(c))
        return false;
    umask(077);
    const char *path = data_path(c, "directory.db");
    enum error e = directory_open(path, out);
    if (e)
        refuse("%s: cannot be opened (%s); `depesche doctor` looks closer", path, error_name(e));
    return e == OK;
}

bool call_guard(struct call *c, struct guard **out)
{
    if (!call_config(c) || !call_become_owner(c))
        return false;
    umask(077);
    const struct config *k = c->config;
    const char *path = data_path(c, "guard.db");
    struct guard_options o = {
        .path = path,
        .tolerated = (unsigned)k->tolerated,
        .window_seconds = (unsigned)k->window,
        .close_seconds = (unsigned)k->close,
        .closings = (unsigned)k->closings,
        .closings_seconds = (unsigned)k->closings_window,
        .machine_seconds = (unsigned)k->machine,
        .repeated_password_counts = k->repeated_password_counts,
        .trusted = k->trusted.item,
        .n_trusted = k->trusted.n,
        .proxies = k->proxies.item,
        .n_proxies = k->proxies.n,
    };
    enum error e = guard_open(&o, out);
    if (e)
        refuse("%s: cannot be opened (%s); `depesche doctor` looks closer", path, error_name(e));
    return e == OK;
}

bool call_store(struct call *c, struct store **out)
{
    if (!call_config(c) || !call_become_owner(c))
        return false;
    struct store_options o = {.dir = data_path(c, "store"), .read_only = true};
    enum error e = store_open(&o, out);
    if (e == ERR_NOTFOUND)
        refuse("%s: there is no store yet; the server makes it at its first start", o.dir);
    else if (e)
        refuse("%s: cannot be opened (%s); `depesche doctor` looks closer", o.dir, error_name(e));
    return e == OK;
}

bool call_memory(struct call *c, struct memory **out)
{
    if (!call_config(c) || !call_become_owner(c))
        return false;
    umask(077);
    const char *path = data_path(c, "policy.db");
    enum error e = memory_open(path, out);
    if (e)
        refuse("%s: cannot be opened (%s); `depesche doctor` looks closer", path, error_name(e));
    return e == OK;
}

/* One line from a descriptor, without its line end. */
static enum error read_line(int fd, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        char byte;
        ssize_t got = read(fd, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0 || byte == '\n')
            break;
        if (n + 1 >= size)
            return ERR_LIMIT;
        out[n++] = byte;
    }
    if (n && out[n - 1] == '\r')
        n--;
    out[n] = 0;
    return OK;
}

/* At the terminal itself, so that it works with redirected input and output. */
static enum error ask(const char *prompt, bool echo, char *out, size_t size)
{
    autofd tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (tty < 0)
        return ERR_NOTFOUND;
    struct termios before, silent;
    bool hidden = !echo && tcgetattr(tty, &before) == 0;
    if (hidden) {
        silent = before;
        silent.c_lflag &= (tcflag_t)~ECHO;
        (void)tcsetattr(tty, TCSAFLUSH, &silent);
    }
    enum error e = write(tty, prompt, strlen(prompt)) < 0 ? ERR_IO : OK;
    if (!e)
        e = read_line(tty, out, size);
    if (hidden) {
        (void)tcsetattr(tty, TCSAFLUSH, &before);
        (void)!write(tty, "\n", 1);
    }
    return e;
}

bool ask_line(const char *prompt, const char *fallback, char *out, size_t size)
{
    if (ask(prompt, true, out, size))
        return false;
    if (out[0] == 0 && fallback)
        return slice_cstr(slice_str(fallback), out, size) == OK;
    return true;
}

static bool secret_from_fd(const char *option, const char *value, char *out, size_t size)
{
    uint32_t fd;
    if (parse_u32(slice_str(value), 1023, &fd)) {
        wrong_usage("--%s: expected a descriptor's number, found '%s'", option, value);
        return false;
    }
    enum error e = read_line((int)fd, out, size);
    if (e)
        refuse("--%s %u: %s", option, fd,
               e == ERR_LIMIT ? "the line is too long" : strerror(errno));
    return e == OK;
}

bool call_secret(struct call *c, const char *option, const char *prompt, bool twice, char *out,
                 size_t size)
{
    const char *fd = call_option(c, option);
    if (fd)
        return secret_from_fd(option, fd, out, size);
    enum error e = ask(prompt, false, out, size);
    if (e == ERR_NOTFOUND) {
        refuse("no terminal to ask at; give the password with --%s N", option);
        return false;
    }
    if (!e && twice) {
        char *again = mem_alloc(size);
        e = ask("Once more: ", false, again, size);
        bool same = !e && strcmp(out, again) == 0;
        mem_wipe(again, size);
        mem_free(again);
        if (!e && !same) {
            refuse("the two are not the same; nothing was changed");
            return false;
        }
    }
    if (e)
        refuse("the answer could not be read (%s)", error_name(e));
    return e == OK;
}

bool call_password(struct call *c, const char *prompt, bool twice, char out[LIMIT_PASSWORD + 1])
{
    return call_secret(c, "password-fd", prompt, twice, out, LIMIT_PASSWORD + 1);
}

bool write_file(const char *path, struct slice text, mode_t mode)
{
    char temporary[1200];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    autofd fd = open(temporary, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
    bool good = fd >= 0 && fchmod(fd, mode) == 0;
    while (good && text.n) {
        ssize_t n = write(fd, text.p, text.n);
        good = n > 0 || (n < 0 && errno == EINTR);
        if (n > 0)
            text = slice_from(text, (size_t)n);
    }
    good = good && fsync(fd) == 0 && rename(temporary, path) == 0;
    if (!good)
        refuse("%s: %s", path, strerror(errno));
    return good;
}

bool make_folders(const char *path, mode_t mode)
{
    char part[1200];
    size_t n = strlen(path);
    if (n >= sizeof part) {
        refuse("%s: the path is too long", path);
        return false;
    }
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, i == n ? mode : 0755) != 0 && errno != EEXIST) {
            refuse("%s: %s", part, strerror(errno));
            return false;
        }
    }
    return true;
}
