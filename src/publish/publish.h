/* Our own DNS: every record that a domain served here should have, what is published, and whether
 * both and the certificates that are really served agree; and how a TLS key is changed without a
 * letter that stays away because of it. Used by `depesche dns`, `depesche key roll` and the hourly
 * check. Memory of results comes from the arena given. */
#ifndef DEPESCHE_PUBLISH_PUBLISH_H
#define DEPESCHE_PUBLISH_PUBLISH_H

#include "base/arena.h"
#include "config/config.h"
#include "directory/directory.h"
#include "net/dns.h"

/* --- Keys and certificates of our own --- */

/* SHA-256 of a SubjectPublicKeyInfo, which a TLSA record 3 1 1 holds, in lower-case hex. */
enum { PUBLISH_TLSA = 65 };
/* Of a PEM certificate (the first) or private key. ERR_INPUT: neither. */
must_use enum error publish_tlsa(struct slice pem, char out[PUBLISH_TLSA]);

struct publish_identity { /* a line of tls.certificate */
    const char *chain, *key;
    bool names_host;                                /* its names include server.host */
    char present[PUBLISH_TLSA], next[PUBLISH_TLSA]; /* next "": there is no next key */
};
/* Reads the certificates and the next keys, in the configuration's order. On an error `why` says in
 * one line which file and what is wrong. Whoever may not read the next keys gets ERR_IO. */
must_use enum error publish_identities(const struct config *c, struct arena *a,
                                       struct publish_identity **out, size_t *n,
                                       char why[CONFIG_WHY]);

/* --- What to publish --- */

enum publish_need { PUBLISH_MUST, PUBLISH_SHOULD, PUBLISH_MAY };

struct publish_record {
    struct slice name; /* full, with the last dot */
    enum dns_type type;
    uint32_t ttl;
    struct slice value;  /* as in a zone file; long TXT split into strings of 255 */
    struct slice text;   /* of TXT: the text itself; else empty */
    struct slice remark; /* why, one line; may be empty */
    enum publish_need need;
    bool hint; /* cannot be known here, or belongs to another zone: shown, not compared */
};

struct publish_input {
    const struct config *config;
    struct directory *directory;
    const struct publish_identity *identity;
    size_t n_identities;
    struct slice domain;
};
/* Everything to publish for the domain: MX, A and AAAA of the host, SPF, DKIM of every key, DMARC,
 * TLSA 3 1 1 of the present and the next key of each certificate for the host, MTA-STS (record,
 * policy host), TLSRPT, CAA, SRV (RFC 6186, RFC 8314; pop3 and pop3s "."), autoconfig and
 * autodiscover. What belongs to the host comes only when the host is inside the domain.
 * ERR_NOTFOUND: not a domain of ours; ERR_INPUT: not a domain; ERR_LIMIT: the arena. */
must_use enum error publish_records(const struct publish_input *in, struct arena *a,
                                    struct publish_record **out, size_t *n);
/* The MTA-STS policy (RFC 8461 3.2) that belongs to the record, lines ended by CRLF. */
struct slice publish_sts_policy(const struct config *c, struct arena *a);
/* As a zone file, with the policy as a comment. */
void publish_zone(const struct publish_record *r, size_t n, struct slice sts_policy,
                  struct buf *out);
const char *publish_type_name(enum dns_type type);

/* --- What is published --- */

enum publish_state { PUBLISH_OK, PUBLISH_MISSING, PUBLISH_WRONG, PUBLISH_UNKNOWN };
struct publish_finding {
    struct slice what; /* "MX example.org.", "FCrDNS 192.0.2.1", "certificate on port 25" */
    enum publish_state state;
    enum publish_need need;
    struct slice expected, found; /* both values when WRONG */
    struct slice help;            /* what to do, one line; with links to providers' pages */
    bool secure;                  /* the answer is under DNSSEC */
};

/* Looking takes three steps, so that who reads from the network needs neither directory nor keys in
 * reach: a question is made of what should be, a confined process looks and compares, and its
 * answer is read as bytes from a stranger. */
enum publish_question {
    PUBLISH_DOMAIN, /* the domain's own records */
    /* The domain's next DKIM keys alone: each that is not PUBLISH_OK would sign what nobody could
     * verify. */
    PUBLISH_NEXT_DKIM,
    /* What all domains share: the host's records, FCrDNS of its addresses, and the certificates
     * that our own ports really show (STARTTLS or TLS). `domain` is not looked at. */
    PUBLISH_HOST,
    PUBLISH_TLSA_SEEN, /* for publish_visible(); of `in` nothing is looked at */
};
/* Appends the question. Errors as of publish_records(), or ERR_LIMIT. */
must_use enum error publish_ask(const struct publish_input *in, enum publish_question what,
                                struct arena *a, struct buf *question);
/* Looks up, one after the other, and appends the answer; blocks. `authorities`: PEM of those that
 * count for certificates. ERR_INPUT: not a question; ERR_LIMIT. */
must_use enum error publish_look(const struct config *config, struct dns *dns,
                                 struct slice authorities, struct slice question, struct arena *a,
                                 struct buf *answer);
/* Of all questions but PUBLISH_TLSA_SEEN; slices point into the answer and are untrusted text.
 * ERR_INPUT: not an answer; ERR_LIMIT. */
must_use enum error publish_read_findings(struct slice answer, struct arena *a,
                                          struct publish_finding **out, size_t *n);
/* What big German providers ask of whoever sends to them, judged by what the two checks found
 * (`f`, of one domain and of the host). */
must_use enum error publish_check_providers(const struct publish_finding *f, size_t n_f,
                                            struct arena *a, struct publish_finding **out,
                                            size_t *n);

/* --- Changing a TLS key ---
 *
 * The next key lies beside the present one as KEY.next, with a request for a certificate in
 * KEY.next.csr. Since when its record can be seen is kept in the data folder (tlsa.seen), by the
 * key's hash, so that everybody who looks may note it. */

/* Makes KEY.next, of the kind of the present key and with its owner and mode, and the request with
 * the present certificate's names. ERR_CONFLICT: there is one. Else `why` is filled. */
must_use enum error publish_next_make(const struct publish_identity *id, char why[CONFIG_WHY]);

enum publish_wait {
    PUBLISH_READY,         /* the record could be seen for twice its TTL */
    PUBLISH_WAIT,          /* it can be seen, but not for long enough */
    PUBLISH_NOT_PUBLISHED, /* the host has TLSA records, but not this one */
    PUBLISH_NO_DANE,       /* the host has no TLSA records, or no DNSSEC: nothing to wait for */
    PUBLISH_CANNOT_TELL,   /* the DNS does not answer, or its answers are not validated */
};
struct publish_visible {
    enum publish_wait wait;
    int64_t since, until; /* of READY and WAIT: seconds since 1970 */
    char why[200];        /* of CANNOT_TELL: one line */
};
/* Notes in tlsa.seen which keys the answer to PUBLISH_TLSA_SEEN saw, and says of the key with
 * `hash` whether others can know it. `now`: wall seconds. ERR_INPUT: not an answer; ERR_IO: the
 * note cannot be written. */
must_use enum error publish_visible(const struct config *c, struct slice answer, const char *hash,
                                    int64_t now, struct publish_visible *out);

/* Since when the key's record can be seen, as the last look noted it; 0: it was not there, or
 * nobody looked yet. */
int64_t publish_seen_since(const struct config *c, const char *hash);

/* Puts the chain and, unless the chain is for the present key, KEY.next in the place of the present
 * ones; those stay as CHAIN.old and KEY.old. ERR_INPUT: the chain is for another key, is not valid
 * now, or lacks the host's name while the present one has it; ERR_CONFLICT: the present files are
 * symbolic links, so that somebody else takes care of them; ERR_IO. `why` is filled. What was done
 * by half is finished by a second call. */
must_use enum error publish_switch(const struct publish_identity *id, struct slice chain_pem,
                                   const char *host, char why[CONFIG_WHY]);

#endif
