/* Fuzzes the SMTP command parser: every slice it gives must lie in the line. */
#include "base/mem.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_in(struct slice s, struct slice line)
{
    if (s.n > 0 && (s.p < line.p || s.n > line.n || s.p - line.p > (long)(line.n - s.n)))
        bug("a slice outside the line");
}

static void walk_xclient(struct slice rest)
{
    struct slice name;
    char value[64];
    while (smtp_xclient_next(&rest, &name, value, sizeof value))
        if (name.n == 0 || memchr(value, 0, sizeof value) == NULL)
            bug("an attribute without name or end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = slice_of(data, size);
    struct smtp_command c;
    enum smtp_reply r = smtp_command_parse(line, &c);
    if (r != REPLY_NONE) {
        if (smtp_reply(r)->code < 500)
            bug("a refusal that is none");
        return 0;
    }
    must_be_in(c.argument, line);
    must_be_in(c.initial, line);
    must_be_in(c.path, line);
    must_be_in(c.envid, line);
    must_be_in(c.orcpt, line);
    if (c.verb == VERB_XCLIENT)
        walk_xclient(c.argument);
    return 0;
}
