/* Time. `clock_ms` never goes back and is for deadlines; `clock_wall` is for people and may jump.
 */
#ifndef DEPESCHE_BASE_CLOCK_H
#define DEPESCHE_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since an arbitrary start (CLOCK_MONOTONIC). */
int64_t clock_ms(void);
/* Microseconds of the same clock. */
int64_t clock_us(void);
/* Seconds since 1970 (UTC). */
int64_t clock_wall(void);
/* Milliseconds since 1970 (UTC). */
int64_t clock_wall_ms(void);

#endif
