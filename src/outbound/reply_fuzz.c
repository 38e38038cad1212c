/* Fuzzes the reader of replies: the input's lines are fed one by one, as from a server. What comes
 * out must keep what the header promises. */
#include "base/limits.h"
#include "base/utf8.h"
#include "outbound/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct reply *r)
{
    if (r->code < 200 || r->code > 599 || r->status[0] != '0' + r->code / 100 ||
        r->lines > REPLY_LINES || r->text.n > REPLY_BYTES)
        bug("a reply out of its bounds");
    autobuf text = BUF_INIT(2 * LIMIT_RELAY_ANSWER);
    reply_text(r, &text);
    if (text.n > LIMIT_RELAY_ANSWER || !utf8_valid(buf_slice(&text)))
        bug("a reply's text is too long, or not UTF-8");
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] == 127)
            bug("a control in a reply's text");
    struct ehlo e;
    reply_ehlo(r, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), line;
    struct reply r;
    bool complete = false;
    reply_init(&r);
    while (slice_line(&rest, &line) && reply_line(&r, line, &complete) == OK) {
        if (!complete)
            continue;
        check(&r);
        reply_reset(&r);
    }
    reply_free(&r);
    return 0;
}
