/* Sending, in `edge`: takes what the queue hands over, finds the next hop, decides how well its
 * server must be known, talks SMTP to it, and answers one result a recipient. A thread works on
 * each message that is under way, up to a limit; connections that did well are kept for the next
 * one. Keeps nothing over a restart: what must be remembered travels in requests and results.
 *
 *   route.c      domain -> hosts and addresses (MX, implicit MX, null MX; smart host)
 *   security.c   host -> how it must be met (DANE, MTA-STS, demand), and was what came enough?
 *   sts.c        MTA-STS: record, policy file, fetching
 *   reply.c      replies of a server, bounded
 *   client.c     one SMTP session
 *   send.c       a request over all hosts to its results (send_outcome.c, send_event.c: what is
 *                told)
 *   plan.c       the same look-ups and decisions for people
 *   pool.c       threads and kept connections
 *   repeat.c     what a former `mail` asked for, and the next one asks for again
 */
#ifndef DEPESCHE_OUTBOUND_OUTBOUND_H
#define DEPESCHE_OUTBOUND_OUTBOUND_H

#include "handover/relay.h"
#include "net/dns.h"
#include "net/tls_client.h"

struct outbound;

struct outbound_options {
    const char *host; /* our name in EHLO; also how a loop is seen */
    struct dns *dns;
    struct tls_client *tls;
    struct slice ca_pem;            /* for MTA-STS over HTTPS; must stay */
    uint16_t https_port;            /* for MTA-STS policies; 0: 443 */
    bool https_inside;              /* also at addresses that are not public */
    enum tls_profile profile;       /* of HTTPS; SMTP has that of `tls` */
    const struct ip *bind4, *bind6; /* may be NULL; must stay */
    unsigned connections;           /* threads; 0: 100 */
    /* The outcome of outbound_relay(), called once for each on a thread of the pool. */
    void (*done)(void *arg, uint64_t ticket, const struct relay_result *r);
    void *arg;
};
must_use enum error outbound_new(const struct outbound_options *o, struct outbound **out);
/* Takes a copy of `request` (relay_read_request()'s bytes) and of `small`; memfd (or -1) is taken.
 * Never blocks. What is malformed or too much is answered through `done` too (PROBLEM_BUSY); beyond
 * twice LIMIT_RELAY_WAITING it is dropped. */
void outbound_relay(struct outbound *o, uint64_t ticket, struct slice request, int memfd,
                    struct slice small);
/* `mail` was restarted and knows nothing of what it asked: what has not begun is dropped without an
 * answer, what has begun begins no transaction more. What was delivered of late, or is just being
 * delivered, is not sent again when the new one asks for it, but answered (repeat.h). To be called
 * before the new one is heard, so that nothing is sent for both. */
void outbound_forget(struct outbound *o);
/* Ends: nothing new is begun, what is between MAIL and the answer to DATA may take grace_ms, the
 * rest is answered PROBLEM_BUSY. */
void outbound_free(struct outbound *o, int grace_ms);
/* Closes kept connections that are unused for long; called every few seconds by the owner. */
void outbound_tend(struct outbound *o);

struct outbound_stats {
    unsigned under_way, threads, kept;
};
struct outbound_stats outbound_stats(struct outbound *o);

/* What would happen to a message for the domain, for `queue policy`: lines of text about MX, DANE,
 * MTA-STS and the demand given, without connecting to a mail server. */
struct outbound_host_plan {
    struct slice host;
    uint16_t preference;
    const struct ip *ip;
    size_t n_ips;
    enum problem problem; /* NONE: it would be tried */
    enum tls_check check;
    bool tls_required;
    size_t n_tlsa, n_usable;
    struct slice detail;
};
enum plan_sts { PLAN_STS_NONE, PLAN_STS_TESTING, PLAN_STS_ENFORCE, PLAN_STS_ERROR };
struct outbound_plan {
    enum problem problem; /* of the domain as a whole: DNS, NULL_MX, ... */
    bool mx_secure;       /* the MX answer is under DNSSEC */
    struct relay_sts sts;
    enum plan_sts sts_mode;
    const struct outbound_host_plan *host;
    size_t n_hosts;
    struct slice rua;
};
/* Blocks for look-ups. `rq` as the queue would make it (recipients may be none). */
must_use enum error outbound_plan(const struct outbound_options *o, const struct relay_request *rq,
                                  struct arena *a, struct outbound_plan *out);

#endif
