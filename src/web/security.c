/* What every response tells the browser, so that no handler can forget it. */
#include "web/http_private.h"

static const struct http_pair ALWAYS[] = {
    {SLICE_INIT("x-content-type-options"), SLICE_INIT("nosniff")},
    {SLICE_INIT("referrer-policy"), SLICE_INIT("no-referrer")},
    {SLICE_INIT("cross-origin-opener-policy"), SLICE_INIT("same-origin")},
    {SLICE_INIT("cross-origin-resource-policy"), SLICE_INIT("same-origin")},
    /* Nothing but our own files, no code or style inside a page, no frames around us. */
    {SLICE_INIT("content-security-policy"),
     SLICE_INIT(
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
         "connect-src 'self'; frame-src 'self'; font-src 'self'; manifest-src 'self'; "
         "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")},
    {SLICE_INIT("cache-control"), SLICE_INIT("no-store")},
};

static bool handler_set(const struct http_exchange *x, struct slice name)
{
    for (size_t i = 0; i < x->n_set; i++)
        if (slice_eq(x->set[i].name, name))
            return true;
    return false;
}

void security_fields(const struct http_exchange *x, http_add_field *add, void *arg)
{
    for (size_t i = 0; i < sizeof ALWAYS / sizeof *ALWAYS; i++)
        if (!handler_set(x, ALWAYS[i].name))
            add(arg, ALWAYS[i].name, ALWAYS[i].value);
    /* RFC 6797: over TLS only; two years, as browsers' lists ask for. */
    if (x->h->tls && x->h->listener->hsts)
        add(arg, SLICE("strict-transport-security"), SLICE("max-age=63072000"));
}
