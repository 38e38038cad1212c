/* Heap memory; see mem.h. Ends the process when there is none. */
#include "base/mem.h"

#include "base/error.h"
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

void *mem_alloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    void *p = calloc(count, size);
    if (p == NULL)
        die("no memory for %zu items of %zu bytes", count, size);
    return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        die("no memory for %zu items of %zu bytes", count, size);
    /* realloc(p, 0) may give the memory back and return NULL; one byte keeps the promise. */
    void *q = realloc(p, total ? total : 1);
    if (q == NULL)
        die("no memory for %zu bytes", total);
    return q;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = mem_alloc(n);
    memcpy(p, s, n);
    return p;
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_wiped(void *p)
{
    if (p != NULL)
        mem_wipe(p, malloc_usable_size(p));
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}

void mem_trim(void)
{
    (void)malloc_trim(0);
}

void auto_close(int *fd)
{
    if (*fd < 0)
        return;
    int kept = errno;
    close(*fd);
    *fd = -1;
    errno = kept;
}
