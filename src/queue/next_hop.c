/* See next_hop.h. */
#include "queue/next_hop.h"

#include "directory/directory.h"
#include "queue/schedule.h"
#include <stdio.h>

static const struct slice https = SLICE_INIT("https://");

static void key_of_text(struct next_hop *h, struct slice text)
{
    uint8_t lower[LIMIT_ADDRESS];
    size_t n = text.n < sizeof lower ? text.n : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = ascii_lower(text.p[i]);
    h->key = schedule_key(slice_of(lower, n));
}

static enum error set_domain(struct next_hop *h, struct slice domain)
{
    char name[LIMIT_DOMAIN + 1];
    bool literal = domain.n > 2 && domain.n < sizeof h->domain && domain.p[0] == '[' &&
                   domain.p[domain.n - 1] == ']';
    if (!literal && mail_domain_parse(domain, name) != OK)
        return ERR_INPUT;
    struct slice from = literal ? domain : slice_str(name);
    for (size_t i = 0; i < from.n; i++)
        h->domain[i] = (char)ascii_lower(from.p[i]);
    h->domain_n = from.n;
    return OK;
}

static const struct queue_transport *transport_for(const struct queue_transport *t, size_t n,
                                                   struct slice domain)
{
    const struct queue_transport *all = NULL;
    for (size_t i = 0; i < n; i++) {
        if (slice_ieq(slice_str(t[i].domain), domain))
            return &t[i];
        if (t[i].domain[0] == 0 && all == NULL)
            all = &t[i];
    }
    return all;
}

static enum error https_hop(struct slice url, struct next_hop *h)
{
    struct slice host = slice_from(url, https.n);
    host = slice_sub(host, 0, slice_index(host, '/'));
    host = slice_sub(host, 0, slice_index(host, ':'));
    h->kind = RELAY_HTTPS;
    h->url = url;
    key_of_text(h, slice_sub(url, 0, https.n + host.n));
    return set_domain(h, host);
}

enum error next_hop_of(const struct queue_transport *transports, size_t n, struct slice address,
                       struct next_hop *out)
{
    *out = (struct next_hop){.kind = RELAY_SMTP};
    if (slice_istarts(address, https))
        return https_hop(address, out);
    size_t at = slice_rindex(address, '@');
    struct slice domain = slice_from(address, at < address.n ? at + 1 : address.n);
    key_of_text(out, domain);
    if (at == 0 || set_domain(out, domain) != OK)
        return ERR_INPUT;
    out->transport = transport_for(transports, n, next_hop_domain(out));
    if (out->transport != NULL) {
        char text[LIMIT_DOMAIN + 20];
        int len = snprintf(text, sizeof text, "%.255s:%u", out->transport->host,
                           (unsigned)out->transport->port);
        key_of_text(out, slice_of(text, (size_t)len));
    } else {
        key_of_text(out, next_hop_domain(out));
    }
    return OK;
}

struct slice next_hop_address(const struct next_hop *h, struct slice address, struct arena *a)
{
    if (h->kind == RELAY_HTTPS)
        return address;
    struct slice local = slice_sub(address, 0, slice_rindex(address, '@'));
    for (size_t i = 0; i < local.n; i++)
        if (local.p[i] >= 0x80)
            return address;
    return arena_printf(a, "%.*s@%.*s", SLICE_FMT(local), SLICE_FMT(next_hop_domain(h)));
}
