/* JMAP's care; see jmap.h. */
#include "base/clock.h"
#include "jmap/outbox.h"
#include "jmap/upload.h"
#include <stdatomic.h>

#define UPLOADS_MS (60 * 1000)

void jmap_tend(const struct jmap_service *s)
{
    static atomic_int_fast64_t uploads_at;
    int64_t now = clock_ms();
    outbox_tend(s);
    if (now < atomic_load(&uploads_at))
        return;
    atomic_store(&uploads_at, now + UPLOADS_MS);
    upload_tend(s);
}
