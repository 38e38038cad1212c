/* Random bytes; see random.h. */
#include "base/random.h"

#include "base/error.h"
#include <errno.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            die("getrandom: %s", strerror(errno));
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v;
}

uint32_t random_below(uint32_t bound)
{
    if (bound == 0)
        bug("random_below: no bound");
    /* Values over the last whole multiple of `bound` would favour the small results. */
    uint32_t v, over = UINT32_MAX - UINT32_MAX % bound;
    do {
        random_bytes(&v, sizeof v);
    } while (v >= over);
    return v % bound;
}
