/* Fuzz target: SRS. Any sender that can be rewritten leads back to itself; no local part that this
 * server did not make leads anywhere. */
#include "base/limits.h"
#include "filter/srs.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct srs keys = {{7}};
    const int64_t now = 1795363200;
    struct slice in = slice_of(data, size);
    autobuf out = BUF_INIT(1000), back = BUF_INIT(1000);
    if (srs_back(&keys, in, now, &back) == OK)
        abort(); /* a hash of 40 bits, guessed */
    if (srs_forward(&keys, in, SLICE("here.example"), now, &out) != OK || out.n == 0)
        return 0;
    struct slice made = buf_slice(&out);
    size_t at = slice_rindex(made, '@');
    if (!slice_ieq(slice_from(made, at + 1), SLICE("here.example")))
        abort();
    if (slice_eq(made, in))
        return 0;
    buf_reset(&back);
    enum error e = srs_back(&keys, slice_sub(made, 0, at), now, &back);
    bool again = srs_looks_like(slice_sub(in, 0, slice_rindex(in, '@')));
    if (!again && (e != OK || !slice_eq(buf_slice(&back), in)))
        abort();
    return 0;
}
