/* Programs of the system; see system.h. */
#include "cli/system.h"
#include "cli/command.h"
#include <errno.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

bool run_program(const char *const *arguments)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
        char *const environment[] = {path, NULL};
        execve(arguments[0], (char *const *)(uintptr_t)arguments, environment);
        _exit(127);
    }
    int status;
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool make_system_user(const char *name, const char *home, const char *comment)
{
    if (getpwnam(name))
        return true;
    const char *const add[] = {"/usr/sbin/useradd", "--system", "--user-group", "--no-create-home",
                               "--home-dir",        home,       "--shell",      "/usr/sbin/nologin",
                               "--comment",         comment,    name,           NULL};
    if (run_program(add))
        return true;
    refuse("the system user %s could not be made; make it by hand and run this again", name);
    return false;
}
