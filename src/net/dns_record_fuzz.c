/* Fuzz target: rdata of every kind; what is taken must be clean and within the limits. */
#include "base/limits.h"
#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct slice name)
{
    if (name.n > LIMIT_DNS_NAME)
        bug("a name of %zu bytes", name.n);
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (c != ascii_lower(c) || (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_' &&
                                    (c != '.' || i == 0 || i + 1 == name.n)))
            bug("byte %u in a name", c);
    }
}

static void check_inside(struct slice all, struct slice part)
{
    if (part.n && (part.p < all.p || part.p + part.n > all.p + all.n))
        bug("a slice outside of the record");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size), text, tag, value;
    autoarena a;
    arena_init(&a, 200000);
    struct dns_mx mx;
    struct dns_srv srv;
    struct dns_tlsa tlsa;
    struct ip ip;
    uint8_t flags;
    if (dns_read_mx(in, &a, &mx) == OK)
        check_name(mx.host);
    if (dns_read_srv(in, &a, &srv) == OK)
        check_name(srv.target);
    if (dns_read_name(in, &a, &text) == OK)
        check_name(text);
    if (dns_read_tlsa(in, &tlsa) == OK)
        check_inside(in, tlsa.data);
    if (dns_read_txt(in, &a, &text) == OK && text.n >= in.n)
        bug("more text than there was");
    if (dns_read_caa(in, &flags, &tag, &value) == OK) {
        check_inside(in, tag);
        check_inside(in, value);
    }
    if (dns_read_ip(in, &ip) == OK)
        check_name(dns_reverse_name(ip, &a));
    return 0;
}
