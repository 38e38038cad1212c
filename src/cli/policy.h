/* Between the two files of `depesche queue policy`: what the DNS says of a destination now. */
#ifndef DEPESCHE_CLI_POLICY_H
#define DEPESCHE_CLI_POLICY_H

#include "cli/look.h"
#include "outbound/outbound.h"
#include "queue/memory.h"

/* Does mail for the domain go by a smart host or transport? Then *out is that way. */
bool policy_way(const struct call *c, struct slice domain, struct memory_way *out);

struct policy_plan {
    enum problem problem; /* of the domain as a whole */
    bool mx_secure;
    enum plan_sts sts_mode;
    struct slice sts_policy;
    int64_t sts_until;
    struct slice rua;
    const struct slice *host; /* a line each: "10 mx.example.net 192.0.2.1: by DANE" */
    size_t n_hosts;
};
/* What a message to `domain` would meet, as `edge` would look it up, by the child that looks;
 * blocks. Says on standard error what is wrong. Memory of the result, untrusted text, from the
 * call's arena.
 */
must_use bool policy_plan(struct call *c, struct look *look, struct slice domain,
                          const struct memory_demand *demand, const struct relay_sts *sts,
                          struct policy_plan *out);
/* The child's part: a relay request in, a plan's bytes out. */
must_use enum error policy_look(const struct config *c, struct dns *dns, struct slice authorities,
                                struct slice question, struct arena *a, struct buf *answer);
/* Reads these bytes. ERR_INPUT, ERR_LIMIT. */
must_use enum error policy_read_plan(struct slice answer, struct arena *a, struct policy_plan *out);

#endif
