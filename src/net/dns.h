/* DNS as this program asks it: validating (DNSSEC), through libunbound, with a deadline on every
 * look-up. Used by `edge` and by commands. One context, asynchronous inside; callers block, each
 * with its own deadline. Thread-safe. (RFC 4033-4035, 5011, 6672, 6698, 7505.) */
#ifndef DEPESCHE_NET_DNS_H
#define DEPESCHE_NET_DNS_H

#include "base/arena.h"
#include "net/address.h"

struct dns;

struct dns_server {
    struct ip ip;
    uint16_t port; /* 0: 53 */
};
struct dns_zone { /* a zone asked at servers of its own (split DNS, tests) */
    const char *name;
    struct dns_server server;
};

struct dns_options {
    /* Trust anchor: a file of DS or DNSKEY records. Read by dns_new() itself, so before a sandbox.
     * "" : none, nothing is ever secure, and validation counts as failing. */
    const char *anchor;
    /* A folder this process may write: the root's anchor is kept there (root.key) and follows RFC
     * 5011, starting from `anchor`, and again when that was installed later than the kept one was
     * written or the kept one cannot be read. NULL, or an anchor of other zones than the root: it
     * stays as it is in the file. */
    const char *scratch;
    const struct dns_server *forwarders; /* none: ask the root servers */
    size_t n_forwarders;
    const struct dns_zone *zones;
    size_t n_zones;
    int timeout_ms; /* of one look-up; 0: LIMIT_DNS_MS */
    /* The proof of validation: a signed name that must come secure, and one whose signature is
     * wrong and must come bogus. Either "": no proof is made, validation is taken for granted. */
    const char *known_good, *known_bad;
};

/* Everything that needs files happens here; after it a sandbox may close them (but for `scratch`).
 * The strings of the proof must stay. No packet is sent. ERR_INPUT, ERR_NOTFOUND, ERR_IO: logged
 * with the reason. */
must_use enum error dns_new(const struct dns_options *o, struct dns **out);
/* Starts the resolver's threads; look-ups work from here on, before it all fail. Once, after the
 * last fork. ERR_IO: logged. Sends no packet, but runs one look-up through the whole resolver. */
must_use enum error dns_start(struct dns *d);
/* Look-ups that run, and all that come, end at once with DNS_FAILED: the role stops. Returns when
 * nobody waits any more. Thread-safe. */
void dns_stop(struct dns *d);
/* Look-ups that still run end at once, with DNS_FAILED; after it nobody may use `d`. */
void dns_free(struct dns *d);

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52,
    DNS_CAA = 257
};

/* What an answer is worth. */
enum dns_status {
    DNS_OK,       /* records are there */
    DNS_NODATA,   /* the name exists, not with this type */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_BOGUS,    /* a signature is wrong: as good as no answer, and never "not there" */
    /* SERVFAIL, no answer in time, network, more than LIMIT_DNS_RECORDS, an alias to what is no
     * name of a host, the arena's cap: try later */
    DNS_FAILED,
};

struct dns_answer { /* of BOGUS and FAILED only status, canonical and why are set */
    enum dns_status status;
    /* The whole way, with CNAMEs and denial, is signed. False for an unsigned zone. While the proof
     * of validation fails it is always false: see dns_validates(). */
    bool secure;
    uint32_t ttl;           /* seconds; also of a denial */
    struct slice canonical; /* the name behind CNAMEs, as text without the last dot, lower case; the
                               name asked when there is none */
    const struct slice *record; /* rdata, in wire form */
    size_t n;
    struct slice why; /* for BOGUS and FAILED: one line */
};

/* Looks up; memory of the answer from `a`. The name: text in A-labels, with or without the last
 * dot; a malformed or too long one gives DNS_NXDOMAIN. Blocks at most the context's timeout, or
 * until `deadline` (clock_ms(); 0: none) when that comes first. */
void dns_lookup(struct dns *d, struct slice name, enum dns_type type, int64_t deadline,
                struct arena *a, struct dns_answer *out);

/* --- Records out of rdata; all input is untrusted ---
 *
 * ERR_INPUT for what is malformed, ERR_LIMIT at the arena's cap. Names come in lower case without
 * the last dot; one that has bytes other than letters, digits, '-' and '_' in a label, or a
 * compression pointer, is malformed. */

struct dns_mx {
    uint16_t preference;
    struct slice host; /* lower case, no last dot; empty: the root (null MX) */
};
struct dns_tlsa {
    uint8_t usage, selector, matching;
    struct slice data; /* points into the record */
};
struct dns_srv {
    uint16_t priority, weight, port;
    struct slice target;
};
must_use enum error dns_read_mx(struct slice rdata, struct arena *a, struct dns_mx *out);
must_use enum error dns_read_ip(struct slice rdata, struct ip *out); /* A or AAAA */
must_use enum error dns_read_tlsa(struct slice rdata, struct dns_tlsa *out);
must_use enum error dns_read_srv(struct slice rdata, struct arena *a, struct dns_srv *out);
/* The strings of a TXT record joined. */
must_use enum error dns_read_txt(struct slice rdata, struct arena *a, struct slice *out);
must_use enum error dns_read_name(struct slice rdata, struct arena *a, struct slice *out); /* PTR */
/* "issue", "letsencrypt.org" */
must_use enum error dns_read_caa(struct slice rdata, uint8_t *flags, struct slice *tag,
                                 struct slice *value);
/* 4.3.2.1.in-addr.arpa or its IPv6 kin. */
struct slice dns_reverse_name(struct ip ip, struct arena *a);

/* --- The proof --- */

/* Looks both names (type A) up now, one after the other; blocks at most two time-outs. Remembers
 * and returns the outcome: true when the good name came secure and the bad one bogus, and then what
 * comes secure is secure; false when one of them came otherwise. A look-up without answer, or the
 * good name come bogus, tells nothing about validation: then the outcome of the proof before
 * stays, false when there was none, so that holding two foreign names up does not switch DANE off.
 * Called at the start and hourly; worth calling sooner again while it fails. */
bool dns_prove(struct dns *d);
/* The last outcome; true before the first proof and when none is configured. */
bool dns_validates(struct dns *d);
/* One line about the last proof: what was asked, what came. Copied to `out` of `size` bytes. */
void dns_proof_text(struct dns *d, char *out, size_t size);

#endif
