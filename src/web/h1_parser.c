/* llhttp with its strict grammar and without any of its leniencies. */
#include "web/h1_parser.h"
#include "base/mem.h"
#include <llhttp.h>

struct h1_parser {
    llhttp_t machine;
    const struct h1_found *found;
    void *arg;
    struct h1_head head;
    struct slice name, value;
    bool in_body; /* what comes as fields now are trailers */
};

/* Spans may come in pieces, which must touch each other: else something was folded. */
static int span_add(struct slice *s, const char *at, size_t n)
{
    struct slice piece = slice_of(at, n);
    if (s->n && s->p + s->n != piece.p)
        return HPE_USER;
    if (s->n)
        s->n += n;
    else
        *s = piece;
    return HPE_OK;
}

static int on_method(llhttp_t *m, const char *at, size_t n)
{
    struct h1_parser *p = m->data;
    return span_add(&p->head.method, at, n);
}

static int on_url(llhttp_t *m, const char *at, size_t n)
{
    struct h1_parser *p = m->data;
    return span_add(&p->head.target, at, n);
}

static int on_field(llhttp_t *m, const char *at, size_t n)
{
    struct h1_parser *p = m->data;
    return p->in_body ? HPE_OK : span_add(&p->name, at, n);
}

static int on_value(llhttp_t *m, const char *at, size_t n)
{
    struct h1_parser *p = m->data;
    return p->in_body ? HPE_OK : span_add(&p->value, at, n);
}

static int on_value_complete(llhttp_t *m)
{
    struct h1_parser *p = m->data;
    if (!p->in_body)
        p->found->field(p->arg, p->name, slice_trim(p->value));
    p->name = p->value = SLICE_NONE;
    return HPE_OK;
}

static int on_headers_complete(llhttp_t *m)
{
    struct h1_parser *p = m->data;
    p->in_body = true;
    p->head.major = m->http_major;
    p->head.minor = m->http_minor;
    p->head.keep = llhttp_should_keep_alive(m) && !m->upgrade;
    p->found->head(p->arg, &p->head);
    /* No other protocol is spoken here: a request to change it is a request like others. */
    m->upgrade = 0;
    return 0;
}

static int on_body(llhttp_t *m, const char *at, size_t n)
{
    struct h1_parser *p = m->data;
    p->found->piece(p->arg, slice_of(at, n));
    return HPE_OK;
}

static int on_complete(llhttp_t *m)
{
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void h1_parser_reset(struct h1_parser *p)
{
    llhttp_init(&p->machine, HTTP_REQUEST, &SETTINGS);
    p->machine.data = p;
    p->head = (struct h1_head){.keep = false};
    p->name = p->value = SLICE_NONE;
    p->in_body = false;
}

struct h1_parser *h1_parser_new(const struct h1_found *found, void *arg)
{
    struct h1_parser *p = mem_alloc(sizeof *p);
    p->found = found;
    p->arg = arg;
    h1_parser_reset(p);
    return p;
}

void h1_parser_free(struct h1_parser *p)
{
    mem_free(p);
}

enum h1_parsed h1_parse(struct h1_parser *p, struct slice in, size_t *used)
{
    llhttp_errno_t e = llhttp_execute(&p->machine, (const char *)in.p, in.n);
    *used = in.n;
    if (e == HPE_OK)
        return H1_MORE;
    if (e != HPE_PAUSED)
        return H1_BAD;
    *used = (size_t)((const uint8_t *)llhttp_get_error_pos(&p->machine) - in.p);
    return H1_DONE;
}
