/* How a host must be met, and whether what came is enough: the strongest of DANE, MTA-STS, list,
 * ratchet, message, and the setting. Decisions only; look-ups through dns.h. The order and its
 * reasons stand here and nowhere else. (RFC 7672, 8461, 8689.)
 *
 *   DANE      MX answer and addresses secure, TLSA asked at the host's canonical name, then at its
 *             own (RFC 7672 2.2.2). Usable records: one must match, nothing weaker helps. All
 *             unusable: TLS, whoever it is. Bogus or no answer: this host not now. No records, or
 * an insecure zone: no DANE. MTA-STS   only without DANE. enforce: the host is named and its
 * certificate is good for it. testing: the same is looked at and reported, and nothing is refused.
 *   demand    what `mail` wants in any case (list, operator, ratchet, REQUIRETLS).
 *   TLS-Required: No   lifts DANE and MTA-STS, not the operator's demands. */
#ifndef DEPESCHE_OUTBOUND_SECURITY_H
#define DEPESCHE_OUTBOUND_SECURITY_H

#include "outbound/route.h"
#include "outbound/sts.h"

struct security_plan {
    enum problem problem; /* not NONE: this host is not tried now */
    enum tls_check check;
    bool tls_required;              /* no clear text */
    bool must_verify;               /* the wish's check must hold */
    enum security reached_by_check; /* DANE, MTA_STS or PKIX when the check holds; else ENCRYPTED */
    struct tls_wish wish;
    /* For the TLS report. */
    enum tlsrpt_policy policy;
    enum tlsrpt_result result; /* of `problem` */
    bool sts_testing;          /* STS failure is reported only */
    size_t n_tlsa, n_usable;
    struct slice detail;
};
void security_plan(const struct outbound_options *o, const struct relay_request *rq,
                   const struct route *route, const struct route_host *host,
                   const struct sts_found *sts, int64_t deadline, struct arena *a,
                   struct security_plan *out);

/* After the handshake (tls NULL: there is none, clear text). *reached is what the connection is
 * worth. PROBLEM_NONE: enough, mail may go; else why not. */
enum problem security_judge(const struct security_plan *p, const struct relay_request *rq,
                            const struct tls_outcome *tls, enum security *reached);

#endif
