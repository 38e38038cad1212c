/* Answers of the confined looker, which strangers may have taken over. */
#include "base/limits.h"
#include "publish/publish_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoarena a;
    struct publish_finding *f;
    struct tlsa_answer seen;
    size_t n, used = 0;
    arena_init(&a, LIMIT_PUBLISH_ANSWER);
    if (publish_read_findings(slice_of(data, size), &a, &f, &n) == OK)
        for (size_t i = 0; i < n; i++)
            used += f[i].what.n + f[i].expected.n + f[i].found.n + f[i].help.n;
    if (used > size)
        __builtin_trap();
    if (publish_read_seen(slice_of(data, size), &seen) == OK)
        for (size_t i = 0; i < seen.n; i++)
            if (seen.hash[i].n != 32)
                __builtin_trap();
    return 0;
}
