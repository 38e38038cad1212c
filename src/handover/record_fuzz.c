/* Fuzzes the readers of the hand-over's records. What is read must be written again to the same
 * bytes. */
#include "base/limits.h"
#include "handover/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(struct slice a, struct slice b)
{
    if (!slice_eq(a, b))
        bug("a record changed by reading and writing it");
}

static void record_again(struct slice in)
{
    struct record r;
    if (record_read(in, &r) != OK)
        return;
    autobuf b = BUF_INIT(2 * LIMIT_HANDOVER_RECORD);
    if (r.type == RECORD_RESOLVE)
        record_write_resolve(r.id, r.recipient, r.size, &b);
    else if (r.type == RECORD_DELIVER)
        record_write_deliver(r.id, &r.envelope, &b);
    else if (r.type == RECORD_DELIVER_LONG)
        record_write_deliver(r.id, NULL, &b);
    else if (r.type == RECORD_DELIVER_SMALL)
        record_write_deliver_small(r.id, r.envelope, r.message, &b);
    else if (r.type == RECORD_RELAY)
        record_write_relay(r.id, &r.request, &b);
    else if (r.type == RECORD_RELAY_LONG)
        record_write_relay(r.id, NULL, &b);
    else if (r.type == RECORD_RELAY_SMALL)
        record_write_relay_small(r.id, r.request, r.message, &b);
    else if (r.type == RECORD_RELAYED)
        record_write_relayed(r.id, &r.result, &b);
    else if (r.type == RECORD_RELAYED_LONG)
        record_write_relayed(r.id, NULL, &b);
    else if (r.type == RECORD_HEALTH && r.id == 0)
        record_write_health(r.validates, r.text, &b);
    else
        return;
    must_equal(in, buf_slice(&b));
}

static void envelope_again(struct slice in)
{
    autoarena a;
    arena_init(&a, LIMIT_HANDOVER_ENVELOPE);
    struct handover_envelope e;
    if (record_read_envelope(&a, in, &e) != OK)
        return;
    autobuf b = BUF_INIT(2 * in.n + 1000);
    record_write_envelope(&e, &b);
    must_equal(in, buf_slice(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    record_again(in);
    envelope_again(in);
    return 0;
}
