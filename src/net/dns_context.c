/* The context of libunbound: options, servers and trust anchor; see dns.h.
 *
 * libunbound takes settings until its context is "finalised", which happens at the first look-up or
 * at the first change of a local zone; later ones are refused. Here everything is set, each return
 * code looked at, and the context is finalised at once, because that is when libunbound reads its
 * files: afterwards it opens none but the state of the anchor in `scratch` (a new file beside it,
 * renamed onto it). The source of randomness is seeded when the context is made. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns_private.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unistd.h>

/* --- libunbound's own log lines --- */

static FILE *library_log;

/* "[1700000000] libunbound[12:0] error: text" becomes a line of our log. */
static ssize_t take_log(void *cookie, const char *text, size_t n)
{
    (void)cookie;
    struct slice rest = slice_of(text, n), line;
    while (slice_line(&rest, &line)) {
        size_t at = slice_find(line, SLICE("] libunbound["));
        if (at < line.n)
            line = slice_from(line, at + sizeof "] libunbound[" - 1);
        line = slice_from(line, slice_index(line, ' '));
        if (slice_trim(line).n)
            log_warning("dns.resolver", log_slice("says", slice_trim(line)));
    }
    return (ssize_t)n;
}

/* One stream for the whole life of the process: libunbound keeps it in a global variable. */
static void open_library_log(void)
{
    library_log = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_log});
    if (library_log)
        (void)setvbuf(library_log, NULL, _IOLBF, BUFSIZ);
}

/* --- Options --- */

static enum error refused(const char *what, const char *value, int code)
{
    log_error("dns.option_refused", log_text("option", what), log_text("value", value),
              log_text("error", ub_strerror(code)));
    return code == UB_NOMEM ? ERR_IO : ERR_INPUT;
}

static enum error set(struct ub_ctx *ctx, const char *option, const char *value)
{
    int code = ub_ctx_set_option(ctx, option, value);
    return code ? refused(option, value, code) : OK;
}

static enum error set_fixed(struct ub_ctx *ctx)
{
    static const struct {
        const char *option, *value;
    } fixed[] = {
        {"module-config:", "validator iterator"},
        /* A forwarder or the server of a zone may well run on this machine. */
        {"do-not-query-localhost:", "no"},
        {"harden-glue:", "yes"},
        {"harden-dnssec-stripped:", "yes"},
        {"harden-below-nxdomain:", "yes"},
        {"qname-minimisation:", "yes"},
        /* Servers that do not keep the case of a name are still too many. */
        {"use-caps-for-id:", "no"},
        {"val-permissive-mode:", "no"},
        {"serve-expired:", "no"},
        {"cache-max-negative-ttl:", "900"},
        /* Memory: enough for some ten thousand names. */
        {"msg-cache-size:", "2m"},
        {"rrset-cache-size:", "4m"},
        {"key-cache-size:", "1m"},
        {"neg-cache-size:", "256k"},
        {"infra-cache-numhosts:", "2000"},
        /* Questions that are out at the same time; more wait for their turn. */
        {"outgoing-range:", "128"},
        {"outgoing-num-tcp:", "16"},
    };
    enum error e = OK;
    for (size_t i = 0; !e && i < sizeof fixed / sizeof *fixed; i++)
        e = set(ctx, fixed[i].option, fixed[i].value);
    return e;
}

static void print_server(const struct dns_server *s, char *out, size_t size)
{
    char ip[IP_TEXT];
    ip_print(s->ip, ip);
    snprintf(out, size, "%s@%u", ip, s->port ? (unsigned)s->port : 53u);
}

static enum error set_forwarders(struct ub_ctx *ctx, const struct dns_options *o)
{
    if (o->n_forwarders == 0)
        return OK;
    for (size_t i = 0; i < o->n_forwarders; i++) {
        char server[IP_TEXT + 8];
        print_server(&o->forwarders[i], server, sizeof server);
        int code = ub_ctx_set_fwd(ctx, server);
        if (code)
            return refused("forwarder", server, code);
    }
    /* What is private is a matter of the forwarder's network. */
    enum error e = set(ctx, "unblock-lan-zones:", "yes");
    if (!e)
        e = set(ctx, "insecure-lan-zones:", "yes");
    return e;
}

static enum error set_zone(struct ub_ctx *ctx, const struct dns_zone *z)
{
    char name[LIMIT_DNS_NAME + 1], server[IP_TEXT + 8];
    if (dns_name_text(slice_str(z->name), name) != OK)
        return refused("zone", z->name, UB_SYNTAX);
    print_server(&z->server, server, sizeof server);
    int code = ub_ctx_set_stub(ctx, name, server, 0);
    return code ? refused("zone", z->name, code) : OK;
}

/* --- The trust anchor --- */

struct anchor {
    struct buf text;
    bool only_root;
    struct timespec changed;
};

static enum error read_whole(const char *path, struct buf *out, struct timespec *changed)
{
    autofd fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ERR_IO;
    /* When it came here, not when its package was made. */
    *changed = st.st_ctim;
    for (;;) {
        uint8_t *room = buf_room(out, 4096);
        if (!room)
            return ERR_INPUT;
        ssize_t n = read(fd, room, 4096);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n == 0)
            return OK;
        if (n > 0)
            buf_grew(out, (size_t)n);
    }
}

/* libunbound takes a file without any key for one that is in order, and then validates nothing. */
static enum error look_at_anchor(struct anchor *anchor)
{
    size_t records = 0;
    anchor->only_root = true;
    struct slice rest = buf_slice(&anchor->text), line;
    while (slice_line(&rest, &line)) {
        if (line.n == 0 || slice_has(SLICE(" \t;$)"), line.p[0]))
            continue; /* a comment, or a record goes on */
        records++;
        if (!slice_starts(line, SLICE(". ")) && !slice_starts(line, SLICE(".\t")))
            anchor->only_root = false;
    }
    return records ? OK : ERR_INPUT;
}

static enum error read_anchor(const char *path, struct anchor *anchor)
{
    enum error e = read_whole(path, &anchor->text, &anchor->changed);
    if (!e)
        e = look_at_anchor(anchor);
    if (e)
        log_error("dns.anchor_unusable", log_text("file", path), log_text("error", error_name(e)),
                  log_text("why", e == ERR_INPUT ? "no DS or DNSKEY records" : strerror(errno)));
    return e;
}

/* Puts what the anchor says in the place of the kept state. The folder may be another user's:
 * nothing that lies there is followed or waited for. */
static enum error copy_anchor(const struct anchor *anchor, const char *state)
{
    char fresh[PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.new", state);
    if (n < 0 || (size_t)n >= sizeof fresh)
        return ERR_INPUT;
    (void)unlink(fresh);
    autofd fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    struct slice rest = buf_slice(&anchor->text);
    while (fd >= 0 && rest.n) {
        ssize_t written = write(fd, rest.p, rest.n);
        if (written < 0)
            break;
        rest = slice_from(rest, (size_t)written);
    }
    if (fd < 0 || rest.n || fsync(fd) != 0 || rename(fresh, state) != 0) {
        log_error("dns.anchor_not_kept", log_text("file", state),
                  log_text("error", strerror(errno)));
        return ERR_IO;
    }
    return OK;
}

/* An anchor that was installed after the state was last written is news from the distribution: it
 * counts more, also for a machine that slept through a change of the root's key. */
static bool state_is_usable(const struct anchor *anchor, const char *state)
{
    struct stat st;
    if (lstat(state, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    const struct timespec *a = &anchor->changed, *s = &st.st_mtim;
    return s->tv_sec != a->tv_sec ? s->tv_sec > a->tv_sec : s->tv_nsec >= a->tv_nsec;
}

/* --- Putting it together --- */

static enum error set_all(struct ub_ctx *ctx, const struct dns_options *o, const char *state)
{
    if (library_log)
        (void)ub_ctx_debugout(ctx, library_log);
    enum error e = set_fixed(ctx);
    if (!e)
        e = set_forwarders(ctx, o);
    for (size_t i = 0; !e && i < o->n_zones; i++)
        e = set_zone(ctx, &o->zones[i]);
    if (e)
        return e;
    int code = UB_NOERROR;
    if (state)
        code = ub_ctx_add_ta_autr(ctx, state);
    else if (o->anchor[0])
        code = ub_ctx_add_ta_file(ctx, o->anchor);
    if (code)
        return refused("anchor", state ? state : o->anchor, code);
    code = ub_ctx_async(ctx, 1);
    return code ? refused("threads", "yes", code) : OK;
}

/* libunbound answers some names itself: test., home.arpa., private reverse zones. Not where the
 * operator named servers for them. The first call of this kind finalises the context. */
static enum error remove_builtin(struct ub_ctx *ctx, const struct dns_options *o)
{
    if (ub_ctx_zone_remove(ctx, "test") != UB_NOERROR)
        return ERR_CONFLICT;
    for (size_t i = 0; i < o->n_zones; i++) {
        /* It may lie in a built-in one, however deep. */
        const char *rest = o->zones[i].name;
        while (rest && *rest) {
            int code = ub_ctx_zone_remove(ctx, rest);
            if (code)
                return refused("zone", o->zones[i].name, code);
            rest = strchr(rest, '.');
            rest = rest ? rest + 1 : NULL;
        }
    }
    return OK;
}

/* With the files read. Not logged when only they are wrong: ERR_CONFLICT. */
static enum error make(const struct dns_options *o, const char *state, struct ub_ctx **out)
{
    struct ub_ctx *ctx = ub_ctx_create();
    if (!ctx)
        return ERR_IO;
    enum error e = set_all(ctx, o, state);
    if (!e)
        e = remove_builtin(ctx, o);
    if (e) {
        ub_ctx_delete(ctx);
        return e;
    }
    *out = ctx;
    return OK;
}

/* From the kept state, else from the anchor once more. */
static enum error make_kept(const struct dns_options *o, const struct anchor *anchor,
                            struct ub_ctx **out)
{
    char state[PATH_MAX];
    int n = snprintf(state, sizeof state, "%s/root.key", o->scratch);
    if (n < 0 || (size_t)n + sizeof ".new" > sizeof state)
        return refused("scratch", o->scratch, UB_SYNTAX);
    if (state_is_usable(anchor, state)) {
        enum error e = make(o, state, out);
        if (e != ERR_CONFLICT)
            return e;
        log_warning("dns.anchor_again", log_text("file", state),
                    log_text("why", "the kept state of the root's key cannot be read"));
    }
    enum error e = copy_anchor(anchor, state);
    return e ? e : make(o, state, out);
}

enum error dns_context_new(const struct dns_options *o, struct ub_ctx **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library_log);
    struct anchor anchor = {.text = BUF_INIT(LIMIT_DNS_ANCHOR)};
    enum error e = o->anchor[0] ? read_anchor(o->anchor, &anchor) : OK;
    if (!e) {
        /* RFC 5011 is for the root; other anchors are the operator's own. */
        bool keep = o->scratch && o->anchor[0] && anchor.only_root;
        e = keep ? make_kept(o, &anchor, out) : make(o, NULL, out);
        if (e == ERR_CONFLICT) {
            log_error("dns.anchor_unusable", log_text("file", o->anchor),
                      log_text("why", "its records cannot be read"));
            e = ERR_INPUT;
        }
    }
    buf_free(&anchor.text);
    return e;
}
