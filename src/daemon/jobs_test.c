/* Tests of short jobs: this very program is the job, and its configuration's path says how it
 * ends. */
#include "base/limits.h"
#include "base/log.h"
#include "daemon/jobs.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs these first. */
#include <cmocka.h>

enum { HOUR_MS = 60 * 60 * 1000 };

/* In a process of its own, since jobs are the process's: a job starts and ends so. */
static void run_job(const char *end)
{
    int status;
    alarm(20);
    (void)jobs_tend(end, 1);
    (void)jobs_tend(end, HOUR_MS);
    if (strcmp(end, "wait") == 0)
        (void)jobs_tend(end, HOUR_MS + LIMIT_JOB_MS + 1);
    pid_t pid = waitpid(-1, &status, 0);
    if (pid > 0 && (!jobs_reaped(pid, status) || jobs_reaped(pid, status)))
        log_error("test.reaped", log_i64("pid", pid));
}

static void capture(const char *end, char *out, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        run_job(end);
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(ends[0], out + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *end, *told;
    } cases[] = {
        {"0", NULL},
        {"1", NULL}, /* a finding, which the job tells itself */
        {"2", "warning job.failed job=dns-check exit=2\n"},
        {"wait", "warning job.failed job=dns-check signal=9\n"},
    };
    char text[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        capture(cases[i].end, text, sizeof text);
        if (cases[i].told)
            assert_non_null(strstr(text, cases[i].told));
        else
            assert_string_equal(text, "");
    }
}

static int be_job(const char *end)
{
    if (strcmp(end, "wait") != 0)
        return end[0] - '0';
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends)};
    if (argc > 1)
        return be_job(argv[argc - 1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
