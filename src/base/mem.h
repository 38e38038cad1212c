/* Heap memory. The only file that calls malloc: outside base/ memory comes from here, from an
 * arena or from a buf. When the system has no memory these end the process (die). */
#ifndef DEPESCHE_BASE_MEM_H
#define DEPESCHE_BASE_MEM_H

#include <stddef.h>

/* Zeroed memory of `size` bytes (size 0 gives a unique pointer). Free with mem_free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Zeroed array of `count` items; dies on overflow. */
void *mem_array(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Grows or shrinks an array to `count` items of `size` bytes; new bytes are NOT zeroed. */
void *mem_resize(void *p, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result));

/* A NUL-terminated copy of a C string that this program made itself. */
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull, warn_unused_result));

void mem_free(void *p);

/* As mem_free(), after overwriting all of it: where a library that knows no secrets holds some. */
void mem_free_wiped(void *p);

/* Overwrites `n` bytes so that the compiler cannot leave it out; for passwords and keys. */
void mem_wipe(void *p, size_t n);

/* Gives pages that the heap does not need to the system; looks at the whole heap. */
void mem_trim(void);

/* For __attribute__((cleanup)): closes a descriptor >= 0, keeps errno. */
void auto_close(int *fd);
#define autofd __attribute__((cleanup(auto_close))) int

#endif
