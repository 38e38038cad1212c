/* Where a recipient's mail goes next: the domain's MX, a transport or smart host of the
 * configuration, or for a report's https: address that host. Pure. */
#ifndef DEPESCHE_QUEUE_NEXT_HOP_H
#define DEPESCHE_QUEUE_NEXT_HOP_H

#include "base/limits.h"
#include "queue/queue.h"

struct next_hop {
    enum relay_kind kind;
    const struct queue_transport *transport; /* NULL: none */
    struct slice url;                        /* HTTPS */
    uint64_t key;                            /* of the schedule: what shares its places */
    size_t domain_n;
    char domain[LIMIT_DOMAIN + 3]; /* A-labels, lower case; "[192.0.2.1]" */
};

/* ERR_INPUT: this address can never be sent to; `key` is filled all the same, so that it has its
 * turn and is set aside then. url is a part of `address`. */
enum error next_hop_of(const struct queue_transport *transports, size_t n, struct slice address,
                       struct next_hop *out);
static inline struct slice next_hop_domain(const struct next_hop *h)
{
    return slice_of(h->domain, h->domain_n);
}
/* The address as it is sent: its domain in A-labels when the local part is ASCII. */
must_use struct slice next_hop_address(const struct next_hop *h, struct slice address,
                                       struct arena *a);

#endif
