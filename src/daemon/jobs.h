/* Short jobs: commands of this program that the supervisor starts on a schedule, each as a process
 * of its own with nothing of ours open. What they find is theirs to log. */
#ifndef DEPESCHE_DAEMON_JOBS_H
#define DEPESCHE_DAEMON_JOBS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts what is due and kills what takes too long. Returns when to call again (clock_ms). */
int64_t jobs_tend(const char *config_path, int64_t now);
/* A child process ended: was it a job? */
bool jobs_reaped(pid_t pid, int status);
/* Nothing more is started; what runs is killed. */
void jobs_stop(void);

#endif
