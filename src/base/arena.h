/* arena: memory that is given back all at once. One for each connection, transaction or request,
 * each with a cap: the cap is the memory account of what it serves. A function that allocates takes
 * `struct arena *` first. When the cap is reached allocations return NULL and `failed` sticks.
 * What must outlive a reset is copied out by an explicit _dup. */
#ifndef DEPESCHE_BASE_ARENA_H
#define DEPESCHE_BASE_ARENA_H

#include "base/slice.h"
#include <stdarg.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used, cap;
    bool failed;
};

/* No allocation before the first use. `cap` counts all bytes of all blocks asked of the heap,
 * except that the first small block is always allowed. */
void arena_init(struct arena *a, size_t cap);
/* Gives everything back but keeps one small block for the next use; clears `failed`. */
void arena_reset(struct arena *a);
/* Gives everything back. */
void arena_free(struct arena *a);
/* As arena_free(), after overwriting all that was used: for secrets. */
void arena_wipe(struct arena *a);

/* Zeroed, aligned for any type; NULL when the cap is reached. */
void *arena_alloc(struct arena *a, size_t size) must_use;
void *arena_array(struct arena *a, size_t count, size_t size) must_use;
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
/* A copy of the bytes; the empty slice with `failed` set when the cap is reached. */
struct slice arena_dup(struct arena *a, struct slice s);
/* A NUL-terminated copy; NULL on a NUL inside or at the cap. */
char *arena_cstr(struct arena *a, struct slice s) must_use;
struct slice arena_printf(struct arena *a, const char *format, ...) printf_like(2, 3);

void auto_arena_free(struct arena *a);
#define autoarena __attribute__((cleanup(auto_arena_free))) struct arena

#endif
