/* Names and rdata of DNS records; see dns.h. The rdata comes from whoever runs a domain. */
#include "base/cursor.h"
#include "base/limits.h"
#include "net/dns_private.h"

#define LABEL_MAX 63 /* RFC 1035 2.3.4; the two bits over it mark a compression pointer */

static bool is_name_byte(uint8_t c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_';
}

enum error dns_name_text(struct slice name, char *out)
{
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > LIMIT_DNS_NAME)
        return ERR_INPUT;
    size_t label = 0;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (c == '.' ? label == 0 : !is_name_byte(c) || label == LABEL_MAX)
            return ERR_INPUT;
        label = c == '.' ? 0 : label + 1;
        out[i] = (char)ascii_lower(c);
    }
    if (label == 0)
        return ERR_INPUT;
    out[name.n] = '\0';
    return OK;
}

static uint16_t take_u16(struct cursor *c)
{
    uint8_t high = cur_u8(c);
    return (uint16_t)(high << 8 | cur_u8(c));
}

/* An uncompressed name up to its root label. Only names of hosts and services are of use here, so
 * a label with any other byte, a dot above all, makes the record malformed. */
static enum error take_name(struct cursor *c, struct arena *a, struct slice *out)
{
    uint8_t text[LIMIT_DNS_NAME + 1];
    size_t n = 0;
    for (;;) {
        uint8_t length = cur_u8(c);
        struct slice label = cur_take(c, length);
        if (!cur_ok(c) || length > LABEL_MAX)
            return ERR_INPUT;
        if (length == 0)
            break;
        if (n + length + (n > 0) > LIMIT_DNS_NAME)
            return ERR_INPUT;
        if (n)
            text[n++] = '.';
        for (size_t i = 0; i < label.n; i++) {
            if (!is_name_byte(label.p[i]))
                return ERR_INPUT;
            text[n++] = ascii_lower(label.p[i]);
        }
    }
    struct slice copy = n ? arena_dup(a, slice_of(text, n)) : SLICE("");
    if (copy.n != n)
        return ERR_LIMIT;
    *out = copy;
    return OK;
}

/* The name is the rest of the record. */
static enum error take_last_name(struct cursor *c, struct arena *a, struct slice *out)
{
    struct slice name;
    enum error e = take_name(c, a, &name);
    if (e)
        return e;
    if (!cur_end(c))
        return ERR_INPUT;
    *out = name;
    return OK;
}

enum error dns_read_mx(struct slice rdata, struct arena *a, struct dns_mx *out)
{
    struct cursor c = cur_of(rdata);
    struct dns_mx mx;
    mx.preference = take_u16(&c);
    enum error e = take_last_name(&c, a, &mx.host);
    if (!e)
        *out = mx;
    return e;
}

enum error dns_read_ip(struct slice rdata, struct ip *out)
{
    if (rdata.n == 16) {
        memcpy(out->b, rdata.p, 16);
        return OK;
    }
    if (rdata.n != 4)
        return ERR_INPUT;
    *out = (struct ip){{[10] = 0xff, [11] = 0xff}};
    memcpy(out->b + 12, rdata.p, 4);
    return OK;
}

enum error dns_read_tlsa(struct slice rdata, struct dns_tlsa *out)
{
    struct cursor c = cur_of(rdata);
    struct dns_tlsa tlsa;
    tlsa.usage = cur_u8(&c);
    tlsa.selector = cur_u8(&c);
    tlsa.matching = cur_u8(&c);
    tlsa.data = c.rest;
    /* RFC 6698 2.1.4: the association data is never empty. */
    if (!cur_ok(&c) || tlsa.data.n == 0)
        return ERR_INPUT;
    *out = tlsa;
    return OK;
}

enum error dns_read_srv(struct slice rdata, struct arena *a, struct dns_srv *out)
{
    struct cursor c = cur_of(rdata);
    struct dns_srv srv;
    srv.priority = take_u16(&c);
    srv.weight = take_u16(&c);
    srv.port = take_u16(&c);
    enum error e = take_last_name(&c, a, &srv.target);
    if (!e)
        *out = srv;
    return e;
}

enum error dns_read_txt(struct slice rdata, struct arena *a, struct slice *out)
{
    if (rdata.n == 0)
        return ERR_INPUT; /* RFC 1035 3.3.14: one string at least */
    uint8_t *text = arena_alloc(a, rdata.n);
    if (!text)
        return ERR_LIMIT;
    struct cursor c = cur_of(rdata);
    size_t n = 0;
    while (cur_ok(&c) && !cur_end(&c)) {
        struct slice part = cur_take(&c, cur_u8(&c));
        if (part.n)
            memcpy(text + n, part.p, part.n);
        n += part.n;
    }
    if (!cur_ok(&c))
        return ERR_INPUT;
    *out = slice_of(text, n);
    return OK;
}

enum error dns_read_name(struct slice rdata, struct arena *a, struct slice *out)
{
    struct cursor c = cur_of(rdata);
    return take_last_name(&c, a, out);
}

enum error dns_read_caa(struct slice rdata, uint8_t *flags, struct slice *tag, struct slice *value)
{
    struct cursor c = cur_of(rdata);
    uint8_t f = cur_u8(&c);
    struct slice t = cur_take(&c, cur_u8(&c));
    if (!cur_ok(&c) || t.n == 0)
        return ERR_INPUT;
    for (size_t i = 0; i < t.n; i++)
        if (!ascii_alpha(t.p[i]) && !ascii_digit(t.p[i]))
            return ERR_INPUT; /* RFC 8659 4.1 */
    *flags = f;
    *tag = t;
    *value = c.rest;
    return OK;
}

struct slice dns_reverse_name(struct ip ip, struct arena *a)
{
    if (ip_is_v4(ip))
        return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", ip.b[15], ip.b[14], ip.b[13], ip.b[12]);
    static const char hex[] = "0123456789abcdef";
    char text[64 + sizeof "ip6.arpa"];
    size_t n = 0;
    for (size_t i = 16; i-- > 0;) {
        text[n++] = hex[ip.b[i] & 15];
        text[n++] = '.';
        text[n++] = hex[ip.b[i] >> 4];
        text[n++] = '.';
    }
    memcpy(text + n, "ip6.arpa", 8);
    return arena_dup(a, slice_of(text, n + 8));
}
