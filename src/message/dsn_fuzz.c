/* Fuzz target: notifications. Whatever stands in envelope, header and answers, the report has one
 * block a recipient, and no line of it begins with bytes of theirs; an address comes through its
 * ORCPT whole. */
#include "base/limits.h"
#include "message/dsn.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(struct slice text, struct slice word)
{
    size_t n = 0;
    for (size_t i = 0; i + word.n <= text.n; i++)
        n += slice_eq(slice_sub(text, i, i + word.n), word);
    return n;
}

/* What names a clean address gives it back. */
static void must_come_back(struct slice address)
{
    autobuf orcpt = BUF_INIT(LIMIT_SMTP_ORCPT), back = BUF_INIT(LIMIT_DSN_VALUE);
    if (dsn_write_orcpt(address, &orcpt) == OK && dsn_read_orcpt(buf_slice(&orcpt), &back) == OK &&
        !slice_eq(buf_slice(&back), address))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), part[8] = {{0}};
    for (size_t i = 0; i < 8; i++)
        if (!slice_split(&rest, '\n', &part[i]))
            break;
    must_come_back(part[0]);
    struct dsn_recipient to = {.address = part[0],
                               .orcpt = part[1],
                               .action = size % 5,
                               .status = SLICE("5.1.1"),
                               .remote_mta = part[2],
                               .diagnostic = part[3],
                               .reason = part[4],
                               .security = part[4]};
    struct dsn d = {.host = "mail.example.org",
                    .german = size % 2,
                    .to = part[5],
                    .envid = part[6],
                    .arrival = 1795363200,
                    .now = 1795363300,
                    .message_id = part[7],
                    .raw = rest,
                    .give_back = size % 3 == 0 ? DSN_FULL : DSN_HEADERS,
                    .recipient = &to,
                    .n_recipients = 1};
    autobuf out = BUF_INIT(2 * LIMIT_REPORT), alone = BUF_INIT(2 * LIMIT_REPORT);
    if (dsn_make(&d, &out) != OK)
        return 0;
    d.raw = SLICE("");
    if (dsn_make(&d, &alone) != OK)
        abort();
    struct slice text = buf_slice(&alone);
    if (count(text, SLICE("\r\nFinal-Recipient: ")) != 1 ||
        count(text, SLICE("\r\nAction: ")) != 1 || count(text, SLICE("\r\nStatus: ")) != 1 ||
        count(text, SLICE("\r\nSubject: ")) != 1)
        abort();
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            abort();
    return 0;
}
