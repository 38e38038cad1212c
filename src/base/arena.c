/* Memory that is given back all at once; see arena.h. Blocks grow from one KiB to 64 KiB; what is
 * bigger than a quarter of a block gets its own. Unused bytes are poisoned under AddressSanitizer,
 * so that a use after reset or past the end of an allocation is found at the access. */
#include "base/arena.h"

#include "base/mem.h"
#include <stdalign.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
enum { RED_ZONE = 16 };
#else
#define poison(p, n)   ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum {
    ALIGNMENT = alignof(max_align_t),
    BLOCK_FIRST = 1024, /* whole blocks, header included */
    BLOCK_MAX = 64 * 1024,
};

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the data */
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){NULL, 0, cap, false};
}

static void block_free(struct arena_block *b)
{
    unpoison(b->data, b->size);
    mem_free(b);
}

/* A block with room for `size` bytes becomes the first or, when it is for one big allocation, the
 * second of the list, so that the rest of the first stays in use. */
static struct arena_block *block_add(struct arena *a, size_t size, bool own)
{
    size_t total;
    if (__builtin_add_overflow(size, sizeof(struct arena_block), &total))
        return NULL;
    bool small_first = a->blocks == NULL && total <= BLOCK_FIRST;
    size_t after;
    if (__builtin_add_overflow(a->used, total, &after) || (after > a->cap && !small_first))
        return NULL;
    /* Not zeroed: arena_alloc() does that for the bytes that are used. */
    struct arena_block *b = mem_resize(NULL, total, 1);
    b->size = size;
    b->used = 0;
    poison(b->data, b->size);
    a->used = after;
    if (own && a->blocks != NULL) {
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

static struct arena_block *block_for(struct arena *a, size_t size)
{
    struct arena_block *b = a->blocks;
    if (b != NULL && size <= b->size - b->used)
        return b;
    size_t next = BLOCK_FIRST;
    if (b != NULL) {
        next = (b->size + sizeof *b) * 2;
        if (next < BLOCK_FIRST)
            next = BLOCK_FIRST;
        if (next > BLOCK_MAX)
            next = BLOCK_MAX;
    }
    size_t room = next - sizeof *b;
    if (size <= room / 4 || (b == NULL && size <= room)) {
        struct arena_block *added = block_add(a, room, false);
        if (added != NULL)
            return added;
    }
    return block_add(a, size, true);
}

static void *take(struct arena *a, size_t size)
{
    size_t padded;
    if (__builtin_add_overflow(size, (size_t)(RED_ZONE + ALIGNMENT - 1), &padded))
        padded = SIZE_MAX;
    else
        padded &= ~(size_t)(ALIGNMENT - 1);
    if (padded == 0)
        padded = ALIGNMENT;
    struct arena_block *b = padded == SIZE_MAX ? NULL : block_for(a, padded);
    if (b == NULL) {
        a->failed = true;
        return NULL;
    }
    uint8_t *p = b->data + b->used;
    b->used += padded;
    unpoison(p, size);
    return p;
}

/* The first block may hold one big allocation; only a small one is kept for the next use. */
void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    for (struct arena_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        if (kept == NULL && b->size + sizeof *b <= BLOCK_FIRST)
            kept = b;
        else
            block_free(b);
    }
    a->blocks = kept;
    a->used = 0;
    a->failed = false;
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
        poison(kept->data, kept->size);
        a->used = kept->size + sizeof *kept;
    }
}

void arena_free(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        block_free(b);
    }
    arena_init(a, a->cap);
}

void arena_wipe(struct arena *a)
{
    for (struct arena_block *b = a->blocks; b != NULL; b = b->next) {
        unpoison(b->data, b->size);
        mem_wipe(b->data, b->used);
    }
    arena_free(a);
}

void auto_arena_free(struct arena *a)
{
    arena_free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = take(a, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        a->failed = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
    uint8_t *p = take(a, s.n);
    if (p == NULL)
        return SLICE("");
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

char *arena_cstr(struct arena *a, struct slice s)
{
    if (slice_has(s, 0))
        return NULL;
    char *p = take(a, s.n + 1);
    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        bug("arena_printf: bad format");
    char *p = take(a, (size_t)n + 1);
    if (p == NULL)
        return SLICE("");
    va_start(args, format);
    vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return slice_of(p, (size_t)n);
}
