/* The Forwarded field (RFC 7239) of proxies that are ours. Each proxy appends the address it was
 * called from, so the elements are read from the end as long as the one who wrote them is trusted.
 *
 * What a client wrote stands before and is never reached; but it must not be able to hide what the
 * proxy appended, by a quote that it leaves open: malformed fields refuse the request. */
#include "web/http_private.h"

enum { HOPS = 16 }; /* the last elements that are kept */

struct hops {
    struct ip ip[HOPS]; /* a ring */
    bool known[HOPS];
    size_t n;
};

static bool token_byte(uint8_t c)
{
    return ascii_alpha(c) || ascii_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct slice take_token(struct slice *s)
{
    size_t n = 0;
    while (n < s->n && token_byte(s->p[n]))
        n++;
    struct slice t = slice_sub(*s, 0, n);
    *s = slice_from(*s, n);
    return t;
}

static void skip_blank(struct slice *s)
{
    while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = slice_from(*s, 1);
}

static bool take_byte(struct slice *s, uint8_t byte)
{
    if (s->n == 0 || s->p[0] != byte)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* A token or quoted string. No address needs a quoted pair: with one the value is taken as it
 * stands, which is no address. */
static bool take_value(struct slice *s, struct slice *value)
{
    if (!take_byte(s, '"')) {
        *value = take_token(s);
        return value->n > 0;
    }
    size_t n = 0;
    while (n < s->n && s->p[n] != '"') {
        if (s->p[n] == '\\')
            n++;
        n++;
    }
    if (n >= s->n)
        return false;
    *value = slice_sub(*s, 0, n);
    *s = slice_from(*s, n + 1);
    return true;
}

/* "192.0.2.1:80", "[2001:db8::1]:80"; "unknown" and "_hidden" are no addresses. */
static bool node_address(struct slice node, struct ip *ip)
{
    if (node.n && node.p[0] == '[') {
        size_t end = slice_index(node, ']');
        return end < node.n && (end + 1 == node.n || node.p[end + 1] == ':') &&
               ip_parse(slice_sub(node, 1, end), ip) == OK;
    }
    return ip_parse(slice_sub(node, 0, slice_index(node, ':')), ip) == OK;
}

/* One element up to its comma. */
static bool take_element(struct slice *s, struct hops *h)
{
    size_t at = h->n % HOPS;
    bool pairs = false;
    h->known[at] = false;
    do {
        skip_blank(s);
        struct slice name = take_token(s), value;
        if (name.n == 0)
            continue; /* ";;" is allowed */
        if (!take_byte(s, '=') || !take_value(s, &value))
            return false;
        pairs = true;
        if (slice_ieq(name, SLICE("for")))
            h->known[at] = node_address(value, &h->ip[at]);
        skip_blank(s);
    } while (take_byte(s, ';'));
    if (pairs)
        h->n++;
    return true;
}

static bool take_field(struct slice s, struct hops *h)
{
    do {
        if (!take_element(&s, h))
            return false;
    } while (take_byte(&s, ','));
    return s.n == 0;
}

enum error forwarded_client(const struct http_exchange *x, struct ip *client)
{
    const struct http_listener *l = x->h->listener;
    struct ip at = x->h->peer;
    if (!l->is_proxy || !l->is_proxy(l->service, at)) {
        *client = at;
        return OK;
    }
    struct hops h = {.n = 0};
    for (size_t i = 0; i < x->n_fields; i++)
        if (slice_eq(x->fields[i].name, SLICE("forwarded")) && !take_field(x->fields[i].value, &h))
            return ERR_INPUT;
    for (size_t i = 0; i < h.n && i < HOPS && l->is_proxy(l->service, at); i++) {
        size_t hop = (h.n - 1 - i) % HOPS;
        if (!h.known[hop])
            break;
        at = h.ip[hop];
    }
    *client = at;
    return OK;
}
