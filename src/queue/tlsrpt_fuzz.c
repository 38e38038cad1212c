/* Fuzzes the reader of TLS reports: as a message, as JSON, and as the gzipped attachment of one. */
#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "queue/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct slice s)
{
    if (!utf8_valid(s) || s.n > 2 * LIMIT_TLSRPT_TEXT + 2)
        bug("a text that is not UTF-8, or too long");
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7F)
            bug("a control in a text");
}

static void check(const struct tls_report_in *r)
{
    check_text(r->organization);
    check_text(r->id);
    check_text(r->contact);
    if (r->n > LIMIT_TLSRPT_LINES)
        bug("more lines than the limit");
    for (size_t i = 0; i < r->n; i++) {
        const struct slice texts[] = {r->line[i].policy, r->line[i].policy_domain,
                                      r->line[i].result, r->line[i].mx,
                                      r->line[i].peer,   r->line[i].detail};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            check_text(texts[k]);
    }
}

static void read_message(struct slice raw)
{
    struct tls_report_in r;
    autoarena a;
    arena_init(&a, LIMIT_TLSRPT_ARENA);
    if (tls_report_of_message(&a, raw, &r) == OK)
        check(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct tls_report_in r;
    struct slice address;
    autoarena a;
    arena_init(&a, LIMIT_TLSRPT_ARENA);
    if (tls_report_of_json(&a, in, &r) == OK)
        check(&r);
    if (tls_report_address(&a, in, &address) == OK && slice_has(address, '\n'))
        bug("an address with a line end");
    read_message(in);
    autobuf message = BUF_INIT(4 * 1024 * 1024);
    buf_lit(&message, "Content-Type: application/tlsrpt+gzip\n"
                      "Content-Transfer-Encoding: base64\n\n");
    base64_encode(in, &message);
    if (!message.failed)
        read_message(buf_slice(&message));
    return 0;
}
