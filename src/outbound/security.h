/* How a host must be met, and whether what came is enough: the strongest of DANE, MTA-STS, list,
 * ratchet, message, and the setting. Decisions only; look-ups through dns.h. The order and its
 * reasons stand here and nowhere else. (RFC 7672, 8461, 8689.)
 *
 *   DANE       The host's name came secure (MX answer, its denial, or the configuration), and its
 *              addresses are secure: TLSA records are asked at the name behind its CNAMEs, then at
 *              its own (RFC 7672 2.2.2). Addresses insecure but the alias itself secure: at its own
 *              only. Usable records: one must match, nothing weaker helps. All unusable: TLS,
 *              whoever it is. Bogus or no answer: this host not now. No records, or an insecure
 *              zone: no DANE. While our resolver does not validate nobody can tell: a host with
 *              TLSA records in sight, or where they cannot be had, waits.
 *   MTA-STS    Only without usable TLSA records. enforce: the host is named and its certificate is
 *              good for it. testing: the same is looked at and reported, and nothing is refused.
 *   demand     What `mail` wants in any case (list, operator, ratchet, REQUIRETLS, login).
 *   verify     DANE or MTA-STS satisfy it. Else a certificate of a known authority must be good for
 *              one of: the list's names; without such, a configured host's name; else the MX host's
 *              name when DNSSEC vouches for it, the domain, or a host directly beneath the domain
 *              (a name out of an unsigned MX answer proves nothing).
 *   REQUIRETLS As verify, but the name must come from DNSSEC, an MTA-STS policy or the
 *              configuration (RFC 8689 4.2.1).
 *   TLS-Required: No   lifts DANE, MTA-STS and the ratchet that remembers them, not the demands of
 *              list and operator. REQUIRETLS outdoes it (RFC 8689 5).
 *   TLS that is offered is used. When it then fails nothing goes in clear text, whatever was
 *   demanded: clear text is only for servers that have none. */
#ifndef DEPESCHE_OUTBOUND_SECURITY_H
#define DEPESCHE_OUTBOUND_SECURITY_H

#include "base/limits.h"
#include "outbound/route.h"
#include "outbound/sts.h"

#define SECURITY_TLSA LIMIT_DNS_RECORDS /* of one host that are looked at: all of an answer */

struct security_plan {
    enum problem problem; /* not NONE: this host is not tried now */
    bool permanent;       /* of the problem */
    enum tls_check check;
    bool tls_required;              /* no clear text */
    bool must_verify;               /* the wish's check must hold */
    enum security reached_by_check; /* DANE, MTA_STS or PKIX when the check holds; else ENCRYPTED */
    struct tls_wish wish;
    /* For the TLS report. */
    enum tlsrpt_policy policy;
    bool sts_testing; /* STS failure is reported only */
    bool sts_unnamed; /* ... and that policy does not name the host */
    size_t n_tlsa, n_usable;
    struct slice detail;
};
/* `sts` may be NULL: not asked (transports, address literals). */
void security_plan(const struct outbound_options *o, const struct relay_request *rq,
                   const struct route *route, const struct route_host *host,
                   const struct sts_found *sts, int64_t deadline, struct arena *a,
                   struct security_plan *out);

/* TLS-Required: No counts for this request. */
bool security_lifted(const struct relay_request *rq);

/* After the handshake (tls NULL: there is none, clear text). *reached is what the connection is
 * worth. PROBLEM_NONE: enough, mail may go; else why not. */
enum problem security_judge(const struct security_plan *p, const struct tls_outcome *tls,
                            enum security *reached);

/* The word of RFC 8460 4.3 for what went wrong; TLSRPT_SUCCESS for what is no matter of TLS. */
enum tlsrpt_result security_report(enum problem p);

#endif
