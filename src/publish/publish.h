/* Our own DNS: every record that a domain served here should have, what is published, and whether
 * both and the certificates that are really served agree. Used by `depesche dns` and the hourly
 * check. */
#ifndef DEPESCHE_PUBLISH_PUBLISH_H
#define DEPESCHE_PUBLISH_PUBLISH_H

#include "base/arena.h"
#include "config/config.h"
#include "directory/directory.h"
#include "net/dns.h"

enum publish_need { PUBLISH_MUST, PUBLISH_SHOULD, PUBLISH_MAY };

struct publish_record {
    struct slice name; /* full, with the last dot */
    enum dns_type type;
    uint32_t ttl;
    struct slice value;  /* as in a zone file; long TXT split into strings of 255 */
    struct slice remark; /* why, one line; may be empty */
    enum publish_need need;
    bool hint; /* cannot be known here (A, AAAA of a host behind NAT): shown, not compared */
};

struct publish_input {
    const struct config *config;
    struct directory *directory;
    struct slice domain;
    const struct ip *host_ip; /* this machine's public addresses, as far as known */
    size_t n_host_ips;
};
/* Everything to publish for the domain: MX, A/AAAA hints, SPF, DKIM of every key, DMARC, TLSA 3 1 1
 * of the present and the next key of each SMTP identity, MTA-STS (record, policy host), TLSRPT,
 * CAA, SRV (RFC 6186, RFC 8314; pop3 and pop3s "."), autoconfig and autodiscover. ERR_NOTFOUND: not
 * a domain of ours. */
must_use enum error publish_records(const struct publish_input *in, struct arena *a,
                                    struct publish_record **out, size_t *n);
/* As a zone file. */
void publish_zone(const struct publish_record *r, size_t n, struct buf *out);

enum publish_state { PUBLISH_OK, PUBLISH_MISSING, PUBLISH_WRONG, PUBLISH_UNKNOWN };
struct publish_finding {
    struct slice what; /* "MX example.org.", "FCrDNS 192.0.2.1", "certificate on port 25" */
    enum publish_state state;
    enum publish_need need;
    struct slice expected, found; /* both values when WRONG */
    struct slice help;            /* what to do, one line; with links to providers' pages */
    bool secure;                  /* the answer is under DNSSEC */
};
/* Looks everything up, connects to our own ports (STARTTLS on 25, TLS on the others) and compares;
 * checks FCrDNS of the addresses behind MX, and what big German providers ask of senders. Blocks.
 */
must_use enum error publish_check(const struct publish_input *in, struct dns *dns, struct arena *a,
                                  struct publish_finding **out, size_t *n);

/* TLSA 3 1 1: SHA-256 of a PEM certificate's or private key's SubjectPublicKeyInfo, in hex. */
must_use enum error publish_tlsa(struct slice pem, char out[65]);

#endif
