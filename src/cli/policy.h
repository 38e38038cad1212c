/* Between the two files of `depesche queue policy`: what the DNS says of a destination now. */
#ifndef DEPESCHE_CLI_POLICY_H
#define DEPESCHE_CLI_POLICY_H

#include "cli/command.h"
#include "outbound/outbound.h"
#include "queue/memory.h"

/* Does mail for the domain go by a smart host or transport? Then *out is that way. */
bool policy_way(const struct call *c, struct slice domain, struct memory_way *out);
/* Looks up what a message to `domain` would meet, as `edge` would do it; blocks. Says on standard
 * error what is wrong. Memory of the result from the call's arena. */
must_use bool policy_plan(struct call *c, struct slice domain, const struct memory_demand *demand,
                          const struct relay_sts *sts, struct outbound_plan *out);
/* One line for a host: "10 mx.example.net 192.0.2.1: by DANE, 2 of 3 records usable". */
struct slice policy_host(struct call *c, const struct outbound_host_plan *host);

#endif
