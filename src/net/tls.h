/* TLS for the servers: one table of profiles, several certificates by SNI, reload without loss.
 *
 * Common to all: TLS 1.2 and 1.3 only, ECDHE with AEAD, server order with AES-256-GCM first, no
 * compression, no renegotiation, no 0-RTT, no session cache; stateless tickets whose keys are
 * random, kept in memory, and replaced daily (the one before still opens). Hybrid ML-KEM groups
 * stand first when the linked OpenSSL knows them. On users' ports TLS 1.2 needs the extended master
 * secret (RFC 7627). SSL_MODE_RELEASE_BUFFERS is on: an idle connection costs some 14 KB. */
#ifndef DEPESCHE_NET_TLS_H
#define DEPESCHE_NET_TLS_H

#include "base/slice.h"

struct ssl_st;
struct tls_server;

enum tls_profile {
    TLS_MODERN, /* ChaCha20 and X25519 allowed, after AES and the NIST groups */
    TLS_BSI,    /* BSI TR-02102-2: neither of them */
};

enum tls_audience {
    TLS_FOR_SERVERS, /* port 25 */
    TLS_FOR_USERS,   /* everything a user's program connects to */
};

/* A certificate chain and its key, both PEM, in memory: whoever opens the files is the supervisor.
 */
struct tls_identity {
    struct slice chain_pem;
    struct slice key_pem;
    const char *name; /* for messages: the file name */
};

/* The names come from the certificates themselves (subjectAltName dNSName, wildcards allowed in the
 * leftmost label). Identities with different kinds of key (ECDSA, RSA, Ed25519) may share names;
 * the client gets one that it can verify. The first identity answers for unknown names and without
 * SNI. The PEM bytes are not kept. On error `why` says in one line what is wrong with which
 * identity. */
must_use enum error tls_server_new(enum tls_profile profile, enum tls_audience audience,
                                   const struct tls_identity *identities, size_t n,
                                   struct tls_server **out, char *why, size_t why_size);
/* Swaps the certificates; connections that exist keep theirs, new handshakes see the new ones. On
 * error the old ones stay. Thread-safe. */
must_use enum error tls_server_reload(struct tls_server *t, const struct tls_identity *identities,
                                      size_t n, char *why, size_t why_size);
/* A new server-side SSL object; the caller frees it. NULL only when memory is short. */
struct ssl_st *tls_server_session(struct tls_server *t);
/* Before the handshake: the names that may be agreed on by ALPN, as struct protocol has them; they
 * must stay as long as the session. */
void tls_session_alpn(struct ssl_st *ssl, const struct slice *names);
/* Rotates ticket keys when they are a day old; called hourly by the owner. Thread-safe. */
void tls_server_rotate(struct tls_server *t);
/* After the last session of it is freed. */
void tls_server_free(struct tls_server *t);

#endif
