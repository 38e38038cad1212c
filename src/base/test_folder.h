/* For tests: a folder of their own under /tmp, and this program again as a second process. */
#ifndef DEPESCHE_BASE_TEST_FOLDER_H
#define DEPESCHE_BASE_TEST_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

extern char **environ;

struct test_folder {
    char path[64];
    char file[96]; /* of the last test_folder_file() */
};

static inline bool test_folder_make(struct test_folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/depesche-test-XXXXXX");
    return mkdtemp(f->path) != NULL;
}

static inline const char *test_folder_file(struct test_folder *f, const char *name)
{
    snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
    return f->file;
}

/* Its files, and then itself; it has no folders. */
static inline bool test_folder_remove(struct test_folder *f)
{
    DIR *d = opendir(f->path);
    if (d == NULL)
        return false;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(f->path) == 0;
}

/* Starts this program with two arguments: SQLite's locks do not survive a plain fork. */
static inline pid_t test_spawn_self(const char *first, const char *second)
{
    char self[] = "/proc/self/exe", a[128], b[128];
    snprintf(a, sizeof a, "%s", first);
    snprintf(b, sizeof b, "%s", second);
    char *const argv[] = {self, a, b, NULL};
    pid_t child;
    return posix_spawn(&child, self, NULL, NULL, argv, environ) == 0 ? child : -1;
}

#endif
