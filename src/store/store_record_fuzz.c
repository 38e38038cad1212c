/* Bytes from a damaged disk: a body's record and a message's row must be refused or taken, never
 * read beyond. The first byte says whether a checksum is put in, so that the decoders behind it are
 * reached. */
#include "base/hash.h"
#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_head head;
    struct meta m;
    if (size < 1)
        return 0;
    struct slice in = slice_of(data + 1, size - 1);
    if (meta_decode(in, &m) == OK && m.envelope.n + m.structure.n > in.n)
        bug("texts longer than their row");
    uint8_t *copy = mem_alloc(in.n);
    if (in.n > 0)
        memcpy(copy, in.p, in.n);
    if ((data[0] & 1) && in.n >= RECORD_HEADER) {
        uint64_t sum = __builtin_bswap64(checksum64(slice_of(copy + 8, in.n - 8)));
        memcpy(copy, &sum, sizeof sum);
    }
    if (record_check(slice_of(copy, in.n), &head) == OK && head.stored + RECORD_HEADER != in.n)
        bug("a record of another length was taken");
    mem_free(copy);
    return 0;
}
