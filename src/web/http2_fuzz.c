/* Fuzzes HTTP/2 as bytes on a connection. The first byte says how they are cut, and whether the
 * preface is given for free. */
#include "web/test_h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct test_machine m;
    struct buf b = BUF_INIT(100);
    machine_new(&m, "10.0.0.1", true);
    if (data[0] & 0x80)
        preface(&b);
    machine_hear(&m, buf_slice(&b));
    buf_free(&b);
    struct slice bytes = slice_of(data + 1, size - 1);
    size_t step = data[0] & 0x40 ? size : (size_t)1 + data[0] % 64;
    for (size_t at = 0; at < bytes.n; at += step)
        machine_hear(&m, slice_sub(bytes, at, at + step));
    if (m.h.n_open > LIMIT_HTTP_STREAMS)
        bug("%u streams", m.h.n_open);
    for (int i = 0; i < 4 && !h2_over(&m.h) && h2_deadline(&m.h) != HTTP_NEVER; i++) {
        h2_timeout(&m.h, h2_deadline(&m.h));
        machine_run(&m);
    }
    machine_free(&m);
    return 0;
}
