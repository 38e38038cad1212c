/* Short jobs; see jobs.h. */
#include "daemon/jobs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/slice.h"
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define JOB_WORDS 8
#define MINUTE_MS (INT64_C(60) * 1000)

struct job {
    const char *name;
    const char *words[JOB_WORDS]; /* of the command, without --config */
    int64_t first_ms, every_ms;
    /* as it stands */
    pid_t pid; /* 0: it does not run */
    int64_t next, started;
};

static struct job jobs[] = {
    /* Are our own records in the DNS what the ports serve? */
    {.name = "dns-check",
     .words = {"dns", "check", "--log"},
     .first_ms = 5 * MINUTE_MS,
     .every_ms = 60 * MINUTE_MS},
};
#define JOBS (sizeof jobs / sizeof jobs[0])

static bool stopped;

static void start(struct job *j, const char *config_path)
{
    static char program[] = "depesche", option[] = "--config", copies[JOB_WORDS][32], path[4096];
    char *args[JOB_WORDS + 4] = {program}, *no_environment[] = {NULL};
    size_t n = 1;
    for (size_t i = 0; i < JOB_WORDS && j->words[i]; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", j->words[i]);
        args[n++] = copies[i];
    }
    snprintf(path, sizeof path, "%s", config_path);
    args[n++] = option;
    args[n] = path;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&files, 0, 1);
    /* This very program, also when its file has been replaced meanwhile. */
    int failed = posix_spawn(&j->pid, "/proc/self/exe", &files, &attr, args, no_environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (failed) {
        log_error("job.unstarted", log_text("job", j->name), log_text("error", strerror(failed)));
        j->pid = 0;
    }
}

int64_t jobs_tend(const char *config_path, int64_t now)
{
    int64_t next = now + 60 * MINUTE_MS;
    for (size_t i = 0; i < JOBS && !stopped; i++) {
        struct job *j = &jobs[i];
        if (j->next == 0)
            j->next = now + j->first_ms;
        if (j->pid && now - j->started > LIMIT_JOB_MS) {
            log_error("job.impatient", log_text("job", j->name), log_i64("pid", j->pid));
            (void)kill(j->pid, SIGKILL);
            j->started = now;
        }
        if (!j->pid && j->next <= now) {
            j->started = now;
            j->next = now + j->every_ms;
            start(j, config_path);
        }
        int64_t at = j->pid ? j->started + LIMIT_JOB_MS : j->next;
        next = at < next ? at : next;
    }
    return next;
}

/* 1 is a finding, which the job has told itself. */
static void tell_end(const struct job *j, int status)
{
    if (WIFSIGNALED(status))
        log_warning("job.failed", log_text("job", j->name), log_i64("signal", WTERMSIG(status)));
    else if (WEXITSTATUS(status) > 1)
        log_warning("job.failed", log_text("job", j->name), log_i64("exit", WEXITSTATUS(status)));
}

bool jobs_reaped(pid_t pid, int status)
{
    for (size_t i = 0; i < JOBS; i++) {
        if (jobs[i].pid == 0 || jobs[i].pid != pid)
            continue;
        jobs[i].pid = 0;
        tell_end(&jobs[i], status);
        return true;
    }
    return false;
}

void jobs_stop(void)
{
    stopped = true;
    for (size_t i = 0; i < JOBS; i++)
        if (jobs[i].pid)
            (void)kill(jobs[i].pid, SIGTERM);
}
