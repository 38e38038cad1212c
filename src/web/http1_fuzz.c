/* Fuzzes HTTP/1.1 as bytes on a connection, with handlers that read bodies and answer in all ways.
 * How the bytes are cut into reads must not change how many requests they are. */
#include "web/test_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t requests(struct slice bytes, size_t step)
{
    struct test_machine m;
    machine_new(&m, "10.0.0.1", false);
    for (size_t at = 0; at < bytes.n; at += step)
        machine_hear(&m, slice_sub(bytes, at, at + step));
    uint32_t n = m.h.requests;
    for (int i = 0; i < 4 && !h1_over(&m.h) && h1_deadline(&m.h) != HTTP_NEVER; i++) {
        h1_timeout(&m.h, h1_deadline(&m.h));
        machine_run(&m);
    }
    machine_free(&m);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > LIMIT_INPUT_BUFFER / 2)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    uint32_t whole = requests(bytes, size), cut = requests(bytes, 1 + data[0] % 64);
    if (whole != cut)
        bug("%u requests, or %u", whole, cut);
    return 0;
}
