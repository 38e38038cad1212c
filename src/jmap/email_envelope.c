/* Reading ENVELOPE; see email_envelope.h. Every byte is looked at once. */
#include "jmap/email_envelope.h"

#include "base/cursor.h"
#include "base/limits.h"

struct envelope_reader {
    struct arena *a;
    struct cursor c;
    size_t addresses;
};

static void fail(struct envelope_reader *r)
{
    r->c.failed = true;
}

static void expect(struct envelope_reader *r, uint8_t byte)
{
    if (cur_u8(&r->c) != byte)
        fail(r);
}

static bool at(const struct envelope_reader *r, uint8_t byte)
{
    return cur_peek(&r->c) == byte;
}

static void nil(struct envelope_reader *r)
{
    if (!slice_eq(cur_take(&r->c, 3), SLICE("NIL")))
        fail(r);
}

static struct slice unescape(struct envelope_reader *r, struct slice s)
{
    if (!slice_has(s, '\\'))
        return s;
    uint8_t *p = arena_alloc(r->a, s.n);
    size_t n = 0;
    for (size_t i = 0; p != NULL && i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        p[n++] = s.p[i];
    }
    return p ? slice_of(p, n) : SLICE("");
}

static struct slice quoted(struct envelope_reader *r)
{
    struct slice rest = r->c.rest;
    size_t i = 1;
    while (i < rest.n && rest.p[i] != '"')
        i += rest.p[i] == '\\' ? 2 : 1;
    if (i >= rest.n) {
        fail(r);
        return SLICE_NONE;
    }
    struct slice s = cur_take(&r->c, i + 1);
    return unescape(r, slice_sub(s, 1, i));
}

static struct slice literal(struct envelope_reader *r)
{
    expect(r, '{');
    size_t digits = slice_index(slice_sub(r->c.rest, 0, 11), '}');
    uint32_t n = 0;
    if (parse_u32(cur_take(&r->c, digits), LIMIT_ENVELOPE_TEXT, &n) != OK)
        fail(r);
    expect(r, '}');
    expect(r, '\r');
    expect(r, '\n');
    return cur_take(&r->c, n);
}

/* nstring: p is NULL for NIL. */
static struct slice string(struct envelope_reader *r)
{
    if (at(r, '"'))
        return quoted(r);
    if (at(r, '{')) {
        struct slice s = literal(r);
        return s.p ? s : SLICE("");
    }
    nil(r);
    return SLICE_NONE;
}

static struct slice next_string(struct envelope_reader *r)
{
    expect(r, ' ');
    return string(r);
}

static struct address *address(struct envelope_reader *r)
{
    struct address *a = arena_new(r->a, struct address);
    if (a == NULL || r->addresses++ == LIMIT_ADDRESSES * ENVELOPE_LISTS) {
        fail(r);
        return NULL;
    }
    expect(r, '(');
    a->name = string(r);
    a->route = next_string(r);
    a->mailbox = next_string(r);
    a->host = next_string(r);
    expect(r, ')');
    return a;
}

static struct address *next_list(struct envelope_reader *r)
{
    struct address *first = NULL, **end = &first;
    expect(r, ' ');
    if (!at(r, '(')) {
        nil(r);
        return NULL;
    }
    expect(r, '(');
    do {
        *end = address(r);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    } while (at(r, '('));
    expect(r, ')');
    return first;
}

enum error email_envelope_read(struct arena *a, struct slice text, struct email_envelope *out)
{
    struct envelope_reader r = {a, cur_of(text), 0};
    struct email_envelope e = {0};
    expect(&r, '(');
    e.date = string(&r);
    e.subject = next_string(&r);
    for (int i = 0; i < ENVELOPE_LISTS && cur_ok(&r.c); i++)
        e.list[i] = next_list(&r);
    e.in_reply_to = next_string(&r);
    e.message_id = next_string(&r);
    expect(&r, ')');
    if (a->failed)
        return ERR_LIMIT;
    if (!cur_ok(&r.c) || !cur_end(&r.c))
        return ERR_INPUT;
    *out = e;
    return OK;
}
