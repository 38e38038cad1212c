#include "web/autodiscover_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct autodiscover_request rq;
    if (autodiscover_read(slice_of(data, n), &rq) == OK &&
        (strlen(rq.address) > LIMIT_ADDRESS || strlen(rq.schema) >= sizeof rq.schema))
        abort();
    return 0;
}
