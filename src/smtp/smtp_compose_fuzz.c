/* Fuzzes what submission does to a header: the new one is never longer than its room, names nobody
 * else, and made again it stays as it is. */
#include "base/limits.h"
#include "message/header.h"
#include "smtp/compose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool own(void *arg, struct slice address)
{
    return slice_iends(address, SLICE("@example.org"));
}

static const struct compose how = {.may_send_as = own, .host = "mx.example.org", .now = 1795348800};

static void check_header(struct slice header)
{
    struct slice rest = header;
    struct header_field f;
    size_t from = 0, dates = 0, ids = 0;
    while (header_next(&rest, &f)) {
        from += slice_ieq(f.name, SLICE("From"));
        dates += slice_ieq(f.name, SLICE("Date"));
        ids += slice_ieq(f.name, SLICE("Message-ID"));
        if (slice_ieq(f.name, SLICE("Bcc")))
            bug("a blind copy is shown");
    }
    if (from != 1 || dates == 0 || ids == 0)
        bug("%zu From, %zu Date, %zu Message-ID", from, dates, ids);
    if (header_length(header) != header.n)
        bug("the header does not end where it should");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice message = slice_of(data, size);
    autobuf first = BUF_INIT(LIMIT_HEADER_SIZE + LIMIT_SMTP_TRACE);
    size_t body;
    if (smtp_compose(&how, message, &first, &body) != REPLY_NONE)
        return 0;
    if (body > size || first.n > body + LIMIT_SMTP_FRONT_ROOM / 2)
        bug("no room for a header of %zu at %zu", first.n, body);
    check_header(buf_slice(&first));
    autobuf second = BUF_INIT(LIMIT_HEADER_SIZE + LIMIT_SMTP_TRACE);
    if (smtp_compose(&how, buf_slice(&first), &second, &body) != REPLY_NONE || body != first.n ||
        !slice_eq(buf_slice(&first), buf_slice(&second)))
        bug("made again it is not the same");
    return 0;
}
