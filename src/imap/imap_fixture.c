/* A whole IMAP server for tests, and a client; see imap_fixture.h. */
#include "imap/imap_fixture.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/test_tls.h"
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 10000,
    ANSWER_MAX = 64 * 1024 * 1024,
    COMMAND_MAX = 1024 * 1024,
    APPEND_ARENA = 16 * 1024 * 1024,
    PATH_SIZE = 128,
};

struct imap_fixture_private {
    char dir[64];
    struct runtime *runtime;
    struct tls_server *tls;
    SSL_CTX *client;
    pthread_t thread;
};

static void must(enum error e, const char *what)
{
    if (e != OK)
        fail_msg("%s: %s", what, error_name(e));
}

static void *serve(void *arg)
{
    runtime_run(arg);
    return NULL;
}

static void listen_on(struct imap_fixture *f, bool implicit, uint16_t *port)
{
    int fd = test_listen(port);
    assert_true(fd >= 0);
    must(runtime_listen(f->private->runtime,
                        &(struct listener_options){.fd = fd,
                                                   .protocol = &imap_protocol,
                                                   .service = &f->service,
                                                   .tls = f->private->tls,
                                                   .implicit_tls = implicit,
                                                   .max_per_address = 1000,
                                                   .busy_text = SLICE(IMAP_BUSY_TEXT)}),
         "listen");
}

static void add_account(struct directory *d, const char *address, const char *language,
                        struct account *out)
{
    must(directory_account_add(d, slice_str(address), SLICE(""), slice_str(language),
                               SLICE(IMAP_FIXTURE_PASSWORD), out),
         "account");
}

static void open_rooms(struct imap_fixture *f)
{
    char path[PATH_SIZE];
    const char *dir = f->private->dir;
    snprintf(path, sizeof path, "%s/directory.db", dir);
    must(directory_open(path, &f->service.directory), "directory");
    must(directory_domain_add(f->service.directory, SLICE("example.org"), SLICE("")), "domain");
    add_account(f->service.directory, "anna@example.org", "en", &f->anna);
    add_account(f->service.directory, "ben@example.org", "de", &f->ben);
    snprintf(path, sizeof path, "%s/guard.db", dir);
    struct ip_net loopback;
    must(ip_net_parse(SLICE("127.0.0.1"), &loopback), "network");
    must(guard_open(&(struct guard_options){.path = path,
                                            .repeated_password_counts = true,
                                            .proxies = &loopback,
                                            .n_proxies = 1},
                    &f->service.guard),
         "guard");
    must(login_new(f->service.directory, f->service.guard, &f->service.login), "login");
    snprintf(path, sizeof path, "%s/store", dir);
    must(store_open(&(struct store_options){.dir = path}, &f->service.store), "store");
}

struct imap_fixture *imap_fixture_start(void)
{
    struct imap_fixture *f = mem_alloc(sizeof *f);
    f->private = mem_alloc(sizeof *f->private);
    snprintf(f->private->dir, sizeof f->private->dir, "/tmp/imap-test-XXXXXX");
    assert_non_null(mkdtemp(f->private->dir));
    f->service.host = "mail.example.org";
    open_rooms(f);
    struct tls_identity id = test_identity("EC", "DNS:localhost", "localhost");
    char why[256];
    must(tls_server_new(TLS_MODERN, TLS_FOR_USERS, &id, 1, &f->private->tls, why, sizeof why),
         "tls");
    test_identity_free(&id);
    f->private->client = SSL_CTX_new(TLS_client_method());
    must(runtime_new(&(struct runtime_options){0}, &f->private->runtime), "runtime");
    listen_on(f, false, &f->port);
    listen_on(f, true, &f->tls_port);
    assert_int_equal(pthread_create(&f->private->thread, NULL, serve, f->private->runtime), 0);
    return f;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

void imap_fixture_stop(struct imap_fixture *f)
{
    runtime_stop(f->private->runtime, 2000);
    pthread_join(f->private->thread, NULL);
    runtime_free(f->private->runtime);
    store_close(f->service.store);
    login_free(f->service.login);
    guard_close(f->service.guard);
    directory_close(f->service.directory);
    tls_server_free(f->private->tls);
    SSL_CTX_free(f->private->client);
    nftw(f->private->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    mem_free(f->private);
    mem_free(f);
}

uint32_t imap_fixture_append(struct imap_fixture *f, uint64_t account, const char *mailbox,
                             const char *raw)
{
    struct arena a;
    arena_init(&a, APPEND_ARENA);
    struct buf crlf = BUF_INIT(ANSWER_MAX);
    for (const char *p = raw; *p; p++) {
        if (*p == '\n' && (p == raw || p[-1] != '\r'))
            buf_byte(&crlf, '\r');
        buf_byte(&crlf, (uint8_t)*p);
    }
    const struct mailbox_list *list;
    must(store_account_ensure(f->service.store, account, SLICE("en")), "ensure");
    must(store_mailboxes(f->service.store, account, &list), "mailboxes");
    const struct mailbox *box = store_mailbox_named(list, slice_str(mailbox));
    assert_non_null(box);
    struct store_message m = {.raw = buf_slice(&crlf), .internal_date = clock_wall()};
    must(summary_make(&a, m.raw, m.internal_date, &m.summary), "summary");
    uint32_t uid, uid_validity;
    must(store_append(f->service.store, account, box->id, &m, 1, 0, &uid, &uid_validity), "append");
    store_mailboxes_unref(list);
    buf_free(&crlf);
    arena_free(&a);
    return uid;
}

/* --- The client --- */

struct imap_client {
    struct imap_fixture *fixture;
    int fd;
    SSL *ssl;
    struct buf in;    /* read, not yet given */
    struct buf given; /* what the last call returned, with a NUL */
    unsigned tags;
};

static struct imap_client *new_client(struct imap_fixture *f, int fd)
{
    struct imap_client *c = mem_alloc(sizeof *c);
    c->fixture = f;
    c->fd = fd;
    buf_init(&c->in, ANSWER_MAX);
    buf_init(&c->given, ANSWER_MAX + 1);
    return c;
}

void imap_client_start_tls(struct imap_client *c)
{
    c->ssl = test_tls_client(c->fixture->private->client, c->fd, "localhost");
    assert_non_null(c->ssl);
}

struct imap_client *imap_client_open(struct imap_fixture *f, bool tls)
{
    int fd = test_connect(tls ? f->tls_port : f->port);
    assert_true(fd >= 0);
    struct imap_client *c = new_client(f, fd);
    if (tls)
        imap_client_start_tls(c);
    return c;
}

struct imap_client *imap_client_anna(struct imap_fixture *f)
{
    struct imap_client *c = imap_client_open(f, true);
    imap_client_until(c, "* OK ");
    imap_client_ok(c, "LOGIN anna@example.org %s", IMAP_FIXTURE_PASSWORD);
    return c;
}

void imap_client_close(struct imap_client *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    close(c->fd);
    buf_free(&c->in);
    buf_free(&c->given);
    mem_free(c);
}

void imap_client_send(struct imap_client *c, struct slice bytes)
{
    while (bytes.n) {
        int piece = bytes.n > INT32_MAX ? INT32_MAX : (int)bytes.n;
        ssize_t n = c->ssl ? SSL_write(c->ssl, bytes.p, piece)
                           : send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has closed: what it said before can still be read */
        bytes = slice_from(bytes, (size_t)n);
    }
}

/* Reads what is there, waiting until the deadline; 0 at the end, -1 when it is too late. */
static int read_some(struct imap_client *c, int64_t deadline)
{
    if (!c->ssl || SSL_pending(c->ssl) == 0) {
        int64_t left = deadline - clock_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return -1;
    }
    enum { PIECE = 16 * 1024 };
    uint8_t *room = buf_room(&c->in, PIECE);
    assert_non_null(room);
    ssize_t n = c->ssl ? SSL_read(c->ssl, room, PIECE) : recv(c->fd, room, PIECE, 0);
    if (n <= 0)
        return 0;
    buf_grew(&c->in, (size_t)n);
    return 1;
}

static const char *give(struct imap_client *c, size_t n)
{
    buf_reset(&c->given);
    buf_add(&c->given, slice_sub(buf_slice(&c->in), 0, n));
    buf_byte(&c->given, 0);
    buf_drop(&c->in, n);
    return (const char *)c->given.p;
}

const char *imap_client_until(struct imap_client *c, const char *needle)
{
    int64_t deadline = clock_ms() + PATIENCE_MS;
    for (;;) {
        struct slice in = buf_slice(&c->in), find = slice_str(needle);
        size_t at = slice_find(in, find);
        if (at < in.n || (find.n == 0 && in.n)) {
            size_t line = slice_index(slice_from(in, at + find.n), '\n');
            bool whole = (find.n && find.p[find.n - 1] == '\n') || at + find.n + line < in.n;
            if (whole)
                return give(c, find.p[find.n - 1] == '\n' ? at + find.n : at + find.n + line + 1);
        }
        int r = read_some(c, deadline);
        if (r <= 0)
            fail_msg("%s while waiting for \"%s\"; came: \"%.*s\"", r ? "too late" : "closed",
                     needle, SLICE_FMT(buf_slice(&c->in)));
    }
}

/* Up to the tagged line: a line that begins with the tag. */
static const char *until_tagged(struct imap_client *c, const char *tag)
{
    char needle[32];
    int64_t deadline = clock_ms() + PATIENCE_MS;
    snprintf(needle, sizeof needle, "\r\n%s ", tag);
    size_t searched = 0;
    for (;;) {
        struct slice in = buf_slice(&c->in);
        size_t at = in.n;
        if (slice_starts(in, slice_from(slice_str(needle), 2)))
            at = 0;
        else if (slice_find(slice_from(in, searched), slice_str(needle)) + searched < in.n)
            at = slice_find(slice_from(in, searched), slice_str(needle)) + searched + 2;
        size_t line = at + slice_index(slice_from(in, at), '\n');
        if (at < in.n && line < in.n) {
            size_t tag_n = strlen(tag);
            const char *text = give(c, line + 1);
            /* "T7 OK" becomes "T OK". */
            memmove(c->given.p + at + 1, c->given.p + at + tag_n, c->given.n - at - tag_n);
            return text;
        }
        searched = in.n > sizeof needle ? in.n - sizeof needle : 0;
        if (at < in.n)
            searched = 0;
        int r = read_some(c, deadline);
        if (r <= 0)
            fail_msg("%s while waiting for %s; came: \"%.*s\"", r ? "too late" : "closed", tag,
                     SLICE_FMT(buf_slice(&c->in)));
    }
}

static const char *do_command(struct imap_client *c, const char *command, va_list args)
    printf_like(2, 0);

static const char *do_command(struct imap_client *c, const char *command, va_list args)
{
    char tag[16];
    snprintf(tag, sizeof tag, "T%u", ++c->tags);
    char *text = mem_alloc(COMMAND_MAX);
    int n = snprintf(text, COMMAND_MAX, "%s ", tag);
    n += vsnprintf(text + n, (size_t)(COMMAND_MAX - n), command, args);
    assert_true(n + 2 < COMMAND_MAX);
    memcpy(text + n, "\r\n", 2);
    imap_client_send(c, slice_of(text, (size_t)n + 2));
    mem_free(text);
    return until_tagged(c, tag);
}

const char *imap_client_do(struct imap_client *c, const char *command, ...)
{
    va_list args;
    va_start(args, command);
    const char *answer = do_command(c, command, args);
    va_end(args);
    return answer;
}

const char *imap_client_ok_at(struct imap_client *c, const char *file, int line,
                              const char *command, ...)
{
    va_list args;
    va_start(args, command);
    const char *answer = do_command(c, command, args);
    va_end(args);
    if (strncmp(answer, "T OK ", 5) != 0 && !strstr(answer, "\r\nT OK ")) {
        print_error("%s:%d: %s\n%s\n", file, line, command, answer);
        _fail(file, line);
    }
    return answer;
}

bool imap_client_closed(struct imap_client *c)
{
    int64_t deadline = clock_ms() + PATIENCE_MS;
    int r;
    while ((r = read_some(c, deadline)) > 0)
        continue;
    return r == 0;
}
