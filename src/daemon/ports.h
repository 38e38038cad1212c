/* The listening sockets of a configuration. */
#ifndef DEPESCHE_DAEMON_PORTS_H
#define DEPESCHE_DAEMON_PORTS_H

#include "daemon/role.h"

struct ports {
    struct listening item[LIMIT_LISTENERS];
    size_t n;
};

/* Opens all ports of c. Those that `old` (may be NULL) has open already are taken from it: their
 * descriptors are then -1 there. On an error the ones taken are given back, and `why` says which
 * port failed and how to help it. An IPv6 address that this machine does not have is left out with
 * a log line when an IPv4 one serves. */
must_use enum error ports_open(const struct config *c, struct ports *old, struct ports *out,
                               char why[CONFIG_WHY]);
void ports_close(struct ports *p);
/* Copies what belongs to a role to `out` of LIMIT_LISTENERS; returns the number. */
size_t ports_of_role(const struct ports *p, bool edge, struct listening *out);

#endif
