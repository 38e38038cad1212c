/* Figures of HTTP alone:
 *   http_bench serve         the handlers of the tests on two ports, for h2load and curl, until a
 *                            line is read from standard input
 *   http_bench idle N 1|2    bytes of memory for each of N idle event streams over TLS, by HTTP/1.1
 *                            or 2; the clients are another process */
#include "base/clock.h"
#include "web/test_h2.h"
#include "web/test_server.h"
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>

static long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

/* Opens the streams, says so, and waits to be told that it may go. */
static void clients(struct test_server *s, int n, bool http2, int said, int heard)
{
    SSL **ssl = mem_array((size_t)n, sizeof(SSL *));
    SSL_CTX_set_mode(s->client, SSL_MODE_RELEASE_BUFFERS);
    for (int i = 0; i < n; i++) {
        int fd;
        char answer[4096];
        ssl[i] = test_server_tls(s, http2 ? "\x02h2" : "\x08http/1.1", &fd);
        struct buf b = BUF_INIT(4096);
        static struct test_client c;
        if (http2) {
            client_new(&c, 65535);
            client_ask(&c, "GET", "/events", 0, NULL);
            client_speak(&c, &b);
            nghttp2_session_del(c.session);
        } else {
            buf_lit(&b, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        if (!ssl[i] || SSL_write(ssl[i], b.p, (int)b.n) <= 0 ||
            SSL_read(ssl[i], answer, sizeof answer) <= 0)
            _exit(1);
        buf_free(&b);
    }
    char byte = 'x';
    if (write(said, &byte, 1) != 1 || read(heard, &byte, 1) < 0)
        _exit(1);
    _exit(0);
}

static int idle(struct test_server *s, int n, bool http2)
{
    int from[2], to[2];
    char byte;
    if (pipe(from) < 0 || pipe(to) < 0)
        return 1;
    pid_t child = fork();
    close(child == 0 ? to[1] : to[0]);
    if (child == 0)
        clients(s, n, http2, from[1], to[0]);
    close(from[1]);
    /* The server's threads are this process's: it began before the fork and runs here only. */
    long before = resident_kb();
    bool ready = read(from[0], &byte, 1) == 1;
    poll(NULL, 0, 1000);
    malloc_trim(0);
    long after = resident_kb();
    printf("%d idle event streams over %s: %.1f KiB each%s\n", n, http2 ? "HTTP/2" : "HTTP/1.1",
           (double)(after - before) / n, ready ? "" : " (FAILED)");
    close(to[1]);
    waitpid(child, NULL, 0);
    return !ready;
}

int main(int argc, char **argv)
{
    static struct test_server s;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct rlimit many = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &many);
    test_server_start(&s);
    int failed = 0;
    if (argc == 4 && strcmp(argv[1], "idle") == 0) {
        failed = idle(&s, (int)strtol(argv[2], NULL, 10), argv[3][0] == '2');
    } else {
        printf("http %u https %u\n", s.port, s.tls_port);
        while (getchar() != EOF)
            continue;
        struct rusage u;
        getrusage(RUSAGE_SELF, &u);
        printf("CPU: %.2f s user, %.2f s system; %ld KiB\n",
               (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
               (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6, u.ru_maxrss);
    }
    test_server_stop(&s, 1000);
    return failed;
}
