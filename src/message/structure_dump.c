/* For test/dovecot_reference.py --check: reads a message from standard input and writes its golden
 * records. */
#include "message/structure_records.h"

#include "base/limits.h"

int main(void)
{
    autobuf message, out;
    buf_init(&message, LIMIT_MESSAGE_SIZE);
    buf_init(&out, LIMIT_MESSAGE_SIZE);
    char piece[65536];
    for (size_t n; (n = fread(piece, 1, sizeof piece, stdin)) > 0;)
        buf_add(&message, slice_of(piece, n));
    if (buf_check(&message) != OK || !structure_records(buf_slice(&message), &out))
        return 1;
    return fwrite(out.p, 1, out.n, stdout) == out.n ? 0 : 1;
}
