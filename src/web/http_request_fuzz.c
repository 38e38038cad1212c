/* Fuzzes what is read out of a request's head. The first byte chooses, the rest is the value of the
 * target, a Cookie, a Forwarded, an Accept-Language or a Host field. */
#include "web/test_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = {"cookie", "forwarded", "accept-language", "accept-encoding",
                                        "host"};
    enum { N = sizeof NAMES / sizeof *NAMES };
    if (size < 1 || size > LIMIT_HTTP_HEAD)
        return 0;
    struct test_machine m;
    machine_new(&m, "10.0.0.1", false);
    struct http_exchange *x = exchange_new(&m.h);
    struct slice value = slice_of(data + 1, size - 1);
    x->target = data[0] < N ? SLICE("/") : value;
    if (data[0] != N - 1)
        exchange_field(x, SLICE("host"), SLICE("a"));
    if (data[0] < N)
        exchange_field(x, slice_str(NAMES[data[0]]), value);
    if (request_target(x) == 0 && x->path.p[0] != '/' && !slice_eq(x->path, SLICE("*")))
        bug("a path without a slash");
    for (size_t i = 0; i < x->host.n; i++)
        if (x->host.p[i] <= ' ' || x->host.p[i] >= 0x7f || x->host.p[i] == '/')
            bug("a host with %02x", x->host.p[i]);
    struct slice p;
    struct ip client;
    if (http_parameter(x, SLICE("p"), &p) && (slice_has(p, 0) || !utf8_valid(p)))
        bug("a parameter that is no text");
    p = http_cookie(x, "c");
    if (p.p && slice_has(p, ';'))
        bug("a cookie with more than its value");
    (void)http_in_german(x);
    (void)http_accepts(x, "br");
    if (forwarded_client(x, &client) == OK && data[0] != 1 && !ip_eq(client, m.h.peer))
        bug("a client from nowhere");
    exchange_free(x);
    machine_free(&m);
    return 0;
}
