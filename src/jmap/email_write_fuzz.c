/* Everything that Email/get can say, of any message: what is written must be JSON. The last byte
 * chooses how much of text is asked for. */
#include "base/limits.h"
#include "jmap/email_write.h"
#include "jmap/highlight.h"
#include "message/summary.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const headers[] = {"header:From:asAddresses",
                                      "header:To:asGroupedAddresses:all",
                                      "header:Subject:asText",
                                      "header:References:asMessageIds:all",
                                      "header:Date:asDate",
                                      "header:List-Unsubscribe:asURLs",
                                      "header:X-A:asURLs:all",
                                      "header:X-A:asDate",
                                      "header:X-A:asGroupedAddresses",
                                      "header:X-A"};
enum { HEADERS = sizeof headers / sizeof headers[0] };

static void ask_all(struct email_wants *w, struct header_want *want, uint8_t choice)
{
    for (size_t i = 0; i < HEADERS; i++)
        if (header_want_parse(slice_str(headers[i]), &want[i]) != OK)
            abort();
    *w = (struct email_wants){
        .properties = EMAIL_BIT(EMAIL_PROPERTIES) - 1,
        .header = want,
        .n_headers = HEADERS,
        .part = {2 * BODY_SUB_PARTS - 1, want, HEADERS},
        .values = {.all = true, .max = choice},
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct summary m;
    struct email_wants wants;
    struct header_want want[HEADERS];
    autoarena a;
    autobuf out = BUF_INIT(LIMIT_JMAP_RESPONSE), marked = BUF_INIT(255);
    struct slice raw = slice_of(data, size);
    uint8_t choice = size > 0 ? data[size - 1] : 0;
    arena_init(&a, LIMIT_IMAP_TREE_ARENA + LIMIT_SUMMARY_ARENA);
    if (summary_make(&a, raw, 0, &m) != OK)
        abort();
    ask_all(&wants, want, choice);
    struct store_row row = {.envelope = m.envelope,
                            .references = m.references,
                            .subject = m.subject,
                            .preview = m.preview};
    struct email_source s = {.blob = SLICE("U1"), .row = &row, .raw = raw};
    (void)email_source_envelope(&a, &s);
    struct json_writer w;
    jw_init(&w, &out);
    if (email_write(&a, &w, &wants, &s) == OK && buf_check(&out) == OK) {
        json_t *v = json_loadb((const char *)out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
        if (v == NULL)
            abort();
        json_decref(v);
    }
    struct slice word = SLICE("a");
    (void)highlight_part(slice_sub(raw, 0, 4096), &word, 1, 255, &marked);
    if (marked.failed)
        abort();
    return 0;
}
