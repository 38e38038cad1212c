/* The firewall; see firewall.h. */
#include "daemon/firewall.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIREWALL_TEXT (LIMIT_FIREWALL_BANS * 160 + 4096)

struct firewall {
    const char *nft; /* its path */
    pid_t running;   /* 0: none */
    bool again;      /* the bans changed while it ran */
    bool any;        /* the table stands in the kernel */
    struct firewall_ban *bans;
    size_t n;
};

struct firewall *firewall_new(bool wanted)
{
    static const char *const places[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
    if (!wanted)
        return NULL;
    const char *why = geteuid() != 0 ? "not started as root" : "nft is not installed";
    for (size_t i = 0; geteuid() == 0 && i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0) {
            struct firewall *f = mem_alloc(sizeof *f);
            f->nft = places[i];
            return f;
        }
    log_info("firewall.off", log_text("why", why),
             log_text("instead", "banned addresses are refused on Depesche's ports only"));
    return NULL;
}

static void set_text(const char *name, const char *type, const char *flags, struct buf *out)
{
    buf_printf(out,
               ",{\"add\":{\"set\":{\"family\":\"inet\",\"table\":\"depesche\",\"name\":\"%s\","
               "\"type\":\"%s\",\"flags\":[%s]}}}",
               name, type, flags);
}

static void rule_text(const char *protocol, const char *set, struct buf *out)
{
    buf_printf(
        out,
        ",{\"add\":{\"rule\":{\"family\":\"inet\",\"table\":\"depesche\",\"chain\":\"input\","
        "\"expr\":[{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"%s\","
        "\"field\":\"saddr\"}},\"right\":\"@%s\"}},{\"drop\":null}]}}}",
        protocol, set);
}

static void elements_text(const struct firewall_ban *bans, size_t n, bool v4, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (ip_is_v4(bans[i].ip) != v4 || bans[i].seconds == 0)
            continue;
        char ip[IP_TEXT];
        ip_print(bans[i].ip, ip);
        if (first)
            buf_printf(out,
                       ",{\"add\":{\"element\":{\"family\":\"inet\",\"table\":\"depesche\","
                       "\"name\":\"%s\",\"elem\":[",
                       v4 ? "banned4" : "banned6");
        buf_str(out, first ? "" : ",");
        first = false;
        if (v4)
            buf_printf(out, "{\"elem\":{\"val\":\"%s\",\"timeout\":%u}}", ip, bans[i].seconds);
        else
            buf_printf(out,
                       "{\"elem\":{\"val\":{\"prefix\":{\"addr\":\"%s\",\"len\":64}},"
                       "\"timeout\":%u}}",
                       ip, bans[i].seconds);
    }
    if (!first)
        buf_lit(out, "]}}}");
}

/* Adding before deleting makes the deletion right whether or not the table was there. */
#define NFT_EMPTY                                                                                  \
    "{\"nftables\":[{\"add\":{\"table\":{\"family\":\"inet\",\"name\":\"depesche\"}}},"            \
    "{\"delete\":{\"table\":{\"family\":\"inet\",\"name\":\"depesche\"}}}"

void firewall_text(const struct firewall_ban *bans, size_t n, struct buf *out)
{
    buf_lit(out, NFT_EMPTY);
    buf_lit(out, ",{\"add\":{\"table\":{\"family\":\"inet\",\"name\":\"depesche\"}}}");
    set_text("banned4", "ipv4_addr", "\"timeout\"", out);
    set_text("banned6", "ipv6_addr", "\"interval\",\"timeout\"", out);
    buf_lit(out, ",{\"add\":{\"chain\":{\"family\":\"inet\",\"table\":\"depesche\","
                 "\"name\":\"input\",\"type\":\"filter\",\"hook\":\"input\",\"prio\":-10,"
                 "\"policy\":\"accept\"}}}");
    rule_text("ip", "banned4", out);
    rule_text("ip6", "banned6", out);
    elements_text(bans, n, true, out);
    elements_text(bans, n, false, out);
    buf_lit(out, "]}\n");
}

static enum error write_all(int fd, struct slice s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0)
            s = slice_from(s, (size_t)n);
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? OK : ERR_IO;
}

static _Noreturn void run_nft(const char *path, int input)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_WRONLY);
    if (dup2(input, 0) < 0 || nothing < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0)
        _exit(127);
    (void)close_range(3, ~0U, 0);
    char *const environment[] = {NULL};
    char name[] = "nft", json[] = "-j", file[] = "-f", standard_input[] = "-";
    char *const arguments[] = {name, json, file, standard_input, NULL};
    execve(path, arguments, environment);
    _exit(127);
}

static void start(struct firewall *f, struct slice text)
{
    autofd input = memfd_create("nft", MFD_CLOEXEC);
    if (input < 0 || write_all(input, text)) {
        log_error("firewall.failed", log_text("error", strerror(errno)));
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        run_nft(f->nft, input);
    if (pid < 0)
        log_error("firewall.failed", log_text("error", strerror(errno)));
    else
        f->running = pid;
}

static void feed(struct firewall *f)
{
    struct buf text = BUF_INIT(FIREWALL_TEXT);
    firewall_text(f->bans, f->n, &text);
    if (text.failed)
        log_error("firewall.failed", log_text("error", "too many bans"));
    else
        start(f, buf_slice(&text));
    f->any = true;
    buf_free(&text);
}

void firewall_set(struct firewall *f, const struct firewall_ban *bans, size_t n)
{
    if (!f)
        return;
    if (n > LIMIT_FIREWALL_BANS)
        n = LIMIT_FIREWALL_BANS;
    if (n == 0 && f->n == 0 && !f->any)
        return; /* nothing to say before the first ban */
    mem_free(f->bans);
    f->bans = mem_array(n, sizeof *bans);
    if (n)
        memcpy(f->bans, bans, n * sizeof *bans);
    f->n = n;
    if (f->running)
        f->again = true;
    else
        feed(f);
}

bool firewall_reaped(struct firewall *f, pid_t pid, int status)
{
    if (!f || pid != f->running || pid == 0)
        return false;
    f->running = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        log_error("firewall.failed", log_text("error", "nft refused the table"),
                  log_i64("status", status), log_u64("bans", f->n));
    else
        log_info("firewall.set", log_u64("bans", f->n));
    if (f->again) {
        f->again = false;
        feed(f);
    }
    return true;
}

static void wait_for_nft(struct firewall *f)
{
    for (int i = 0; f->running && i < 200; i++) {
        if (waitpid(f->running, NULL, WNOHANG) != 0)
            f->running = 0;
        else
            usleep(10000);
    }
}

void firewall_free(struct firewall *f)
{
    if (!f)
        return;
    wait_for_nft(f);
    if (f->any && !f->running) {
        start(f, SLICE(NFT_EMPTY "]}\n"));
        wait_for_nft(f);
    }
    mem_free(f->bans);
    mem_free(f);
}
