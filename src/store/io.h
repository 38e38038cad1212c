/* Every file system call of the segment log goes through this one table, so that a test can make
 * any of them fail. The functions have the manner of the system calls: -1 and errno. */
#ifndef DEPESCHE_STORE_IO_H
#define DEPESCHE_STORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct io_table {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*writev)(int fd, const struct iovec *v, int n, off_t at);
    ssize_t (*read)(int fd, void *to, size_t n, off_t at);
    int (*sync)(int fd);
    void (*begin_sync)(int fd, off_t at, off_t n); /* a hint: the next sync has less to wait for */
    int (*sync_dir)(const char *dir);
    int (*truncate)(int fd, off_t size);
    int (*unlink)(const char *path);
};

/* The real calls. A test may put its own functions in while no store is open, or swap single
 * entries at any moment when it accepts the race. */
extern struct io_table io;
extern const struct io_table io_real;

#endif
