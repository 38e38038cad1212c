/* From a domain to the hosts that take its mail (RFC 5321 5.1, RFC 7505), with what DNSSEC says of
 * each answer. */
#ifndef DEPESCHE_OUTBOUND_ROUTE_H
#define DEPESCHE_OUTBOUND_ROUTE_H

#include "outbound/outbound.h"

#define ROUTE_HOSTS     20 /* LIMIT: MX hosts looked at */
#define ROUTE_ADDRESSES 16 /* LIMIT: addresses of one host */

struct route_host {
    struct slice name;      /* as in the MX record, lower case A-labels; or "[192.0.2.1]" */
    struct slice canonical; /* behind CNAMEs; worth something only with address_secure */
    uint16_t preference;
    bool name_secure;    /* the name itself came by a secure answer, or from the configuration */
    bool literal;        /* an address, no name: nothing can be known about it by DNS */
    bool address_secure; /* A and AAAA answers, with CNAMEs, are secure */
    bool alias_secure;   /* ... are not, but `name` is an alias and that much is secure */
    struct ip ip[ROUTE_ADDRESSES]; /* IPv6 first, then by turns (RFC 8305 4) */
    size_t n_ips;
    enum problem problem; /* DNS, BOGUS, NO_HOST, DANE_LOOKUP: not to be tried now */
    bool permanent;       /* of the problem */
    struct slice detail;
};

struct route {
    struct route_host *host; /* in the order to try: by preference, equal ones shuffled */
    size_t n;
    bool by_name;           /* one host by rq->host, or an address literal: no MX was asked */
    bool mx_secure;         /* the MX answer (or its denial) is secure */
    bool implicit;          /* no MX: the domain itself */
    bool validates;         /* our resolver proved that it validates (dns_validates) */
    struct slice canonical; /* the domain behind CNAMEs when mx_secure, else the domain */
    enum problem problem;   /* DNS, BOGUS, NO_DOMAIN, NO_HOST, NULL_MX, LOOP: nothing to try */
    bool permanent;
    struct slice detail;
};

/* Hosts without their addresses: those are looked up when a host's turn comes (route_addresses).
 * A host with our own name cuts those of its preference and worse (RFC 5321 5.1). */
void route_find(const struct outbound_options *o, const struct relay_request *rq, int64_t deadline,
                struct arena *a, struct route *out);
void route_addresses(const struct outbound_options *o, struct route_host *h, int64_t deadline,
                     struct arena *a);

#endif
