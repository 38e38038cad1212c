/* Random bytes from the kernel (getrandom); good for keys and tokens. Never fails. */
#ifndef DEPESCHE_BASE_RANDOM_H
#define DEPESCHE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/* Uniform in 0 .. bound-1; bound > 0. */
uint32_t random_below(uint32_t bound);

#endif
