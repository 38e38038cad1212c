/* Reads any bytes as an SMTP mailbox, strictly. What must hold: what is accepted and printed is
 * accepted again and is the same mailbox, and it can break no line. */
#include "base/utf8.h"
#include "message/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool utf8 = data[0] & 1;
    struct slice s = slice_of(data + 1, size - 1);
    autoarena a;
    arena_init(&a, 1 << 20);
    struct mailbox_address m, again;
    if (mailbox_parse(&a, s, utf8, &m) != OK)
        return 0;
    autobuf out;
    buf_init(&out, 1024);
    mailbox_print(&m, &out);
    for (size_t i = 0; i < out.n; i++)
        if (out.p[i] < ' ' || out.p[i] == 0x7F || (out.p[i] >= 0x80 && !utf8))
            bug("byte %d in a mailbox", out.p[i]);
    if (out.failed || mailbox_parse(&a, buf_slice(&out), utf8, &again) != OK ||
        !slice_eq(m.local, again.local) || !slice_eq(m.domain, again.domain))
        bug("[%.*s] is printed [%.*s]", SLICE_FMT(s), SLICE_FMT(buf_slice(&out)));
    return 0;
}
