/* TLS towards other servers: the client's side, with the three ways to know whom one talks to.
 * TLS 1.2 and 1.3 only, ECDHE with AEAD, the groups of the servers' profiles; no renegotiation, no
 * session reuse. (RFC 7671, 7672, 6125, 8461.) */
#ifndef DEPESCHE_NET_TLS_CLIENT_H
#define DEPESCHE_NET_TLS_CLIENT_H

#include "net/dns.h"
#include "net/security.h"
#include "net/tls.h"

struct tls_client;

/* ca_pem: certificates of the authorities known (PKIX), in memory; empty: none is. Not kept.
 * ERR_INPUT: it is not empty, and holds none or a broken one; `why` says what is wrong. Single
 * objects may be used by many threads. */
must_use enum error tls_client_new(enum tls_profile profile, struct slice ca_pem,
                                   struct tls_client **out, char *why, size_t why_size);
void tls_client_free(struct tls_client *t);

enum tls_check {
    TLS_CHECK_NOTHING, /* encrypt; the certificate does not matter */
    TLS_CHECK_PKIX,    /* a known authority, in its time, for one of `names` */
    TLS_CHECK_DANE,    /* one of `tlsa` matches */
};

struct tls_wish {
    enum tls_check check;
    struct slice sni; /* sent when it is a host name; empty: none */
    /* PKIX: patterns, "*.example.net" matches exactly one label (RFC 8461 4.1, RFC 6125), only
     * dNSName of the certificate counts. DANE-TA: the reference names (next-hop domain, MX host and
     * its CNAME expansions); DANE-EE needs none. */
    const struct slice *names;
    size_t n_names;
    const struct dns_tlsa *tlsa; /* usable ones are picked out inside: tls_tlsa_usable() */
    size_t n_tlsa;
};

/* RFC 7672 3.1: DANE-TA(2) or DANE-EE(3), selector 0 or 1, matching 0, 1 or 2, data of the right
 * length (full data: a parsable certificate or key). PKIX-TA and PKIX-EE are unusable for SMTP. */
bool tls_tlsa_usable(const struct dns_tlsa *r);

struct tls_outcome {
    /* PROBLEM_NONE when the wish's check held, or nothing was to be checked; else why not (CERT_*,
     * DANE_MISMATCH, DANE_UNUSABLE), or why there is no TLS (HANDSHAKE, TIMEOUT, LOST, INJECTION).
     */
    enum problem problem;
    /* One line, for logs and `why`; may be empty. With TLS_CHECK_NOTHING it says what is wrong with
     * the chain for whoever trusts the known authorities. */
    char detail[200];
    char version[16], cipher[64];
    uint8_t leaf_sha256[32]; /* of the certificate, 0 when there was none */
    /* What a TLSA record 3 1 1 of it has, and its last second since 1970; likewise. */
    uint8_t leaf_key_sha256[32];
    int64_t leaf_expires;
};

#endif
