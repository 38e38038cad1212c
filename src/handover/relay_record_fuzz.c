/* Fuzzes the readers of requests, results and trails. What is read must be written again to the
 * same bytes. */
#include "base/limits.h"
#include "handover/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(struct slice in, const struct buf *again)
{
    if (again->failed || !slice_eq(in, buf_slice(again)))
        bug("a relay changed by reading and writing it");
}

static void request_again(struct slice in)
{
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_request r;
    if (relay_read_request(&a, in, &r) != OK)
        return;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_request(&r, &b);
    must_equal(in, &b);
}

static void result_again(struct slice in)
{
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_result r;
    if (relay_read_result(&a, in, &r) != OK)
        return;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_result(&r, &b);
    must_equal(in, &b);
}

static void trail_again(struct slice in)
{
    autoarena a;
    arena_init(&a, LIMIT_RELAY_ARENA);
    struct relay_trail t;
    if (in.n == 0 || relay_read_trail(&a, in, &t) != OK)
        return;
    autobuf b = BUF_INIT(LIMIT_RELAY_BYTES);
    relay_write_trail(&t, &b);
    must_equal(in, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    request_again(in);
    result_again(in);
    trail_again(in);
    return 0;
}
