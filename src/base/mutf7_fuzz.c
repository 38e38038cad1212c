/* Fuzz target: whatever modified UTF-7 is decoded must encode to the very same bytes, and what is
 * encoded must decode to what it was. */
#include "base/mutf7.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    autobuf once = BUF_INIT(8 * size + 16), twice = BUF_INIT(8 * size + 16);
    if (mutf7_decode(in, &once) == OK) {
        if (!utf8_valid(buf_slice(&once)))
            bug("decoded to what is not UTF-8");
        if (mutf7_encode(buf_slice(&once), &twice) != OK || !slice_eq(buf_slice(&twice), in))
            bug("two encodings of one name");
    }
    buf_reset(&once);
    buf_reset(&twice);
    if (mutf7_encode(in, &once) == OK) {
        if (mutf7_decode(buf_slice(&once), &twice) != OK || !slice_eq(buf_slice(&twice), in))
            bug("an encoding that does not decode");
    }
    return 0;
}
