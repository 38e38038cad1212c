/* The reader of ENVELOPE: of any bytes; and what our own writer makes of any header must be read
 * back as it was. */
#include "base/limits.h"
#include "jmap/email_envelope.h"
#include "message/summary.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct address *a)
{
    size_t n = 0;
    for (; a != NULL; a = a->next)
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoarena a;
    struct email_envelope e;
    struct slice in = slice_of(data, size);
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    if (email_envelope_read(&a, in, &e) == OK && count(e.list[ENVELOPE_FROM]) > size)
        abort();
    autobuf text = BUF_INIT(LIMIT_ENVELOPE_TEXT);
    summary_envelope(in, &text);
    arena_reset(&a);
    if (buf_check(&text) == OK && email_envelope_read(&a, buf_slice(&text), &e) != OK)
        abort();
    return 0;
}
