/* What tls.c, tls_table.c, tls_client.c, dial.c and https.c share. */
#ifndef DEPESCHE_NET_TLS_PRIVATE_H
#define DEPESCHE_NET_TLS_PRIVATE_H

#include "net/tls_client.h"
#include <openssl/ssl.h>

/* An immutable table of contexts by name. */
struct tls_table;

/* Versions, ciphers, groups, signatures and the habits that servers and clients have in common:
 * no renegotiation, no compression, no early data, no session cache, no idle buffers. False:
 * OpenSSL does not know the profile. */
bool tls_profile_apply(SSL_CTX *ctx, enum tls_profile profile);
/* A context with everything but certificates. */
SSL_CTX *tls_context_new(struct tls_server *t);
/* New ticket keys at once, whatever the age of the old ones. */
void tls_ticket_replace(struct tls_server *t);
/* Does the profile allow Ed25519 certificates? */
bool tls_profile_ed25519(const struct tls_server *t);

must_use enum error tls_table_new(struct tls_server *t, const struct tls_identity *identities,
                                  size_t n, struct tls_table **out, char *why, size_t why_size);
/* The context for a name as a client sends it, or the first one. Never NULL; the table's. */
SSL_CTX *tls_table_find(const struct tls_table *table, struct slice name);
void tls_table_free(struct tls_table *table);

/* A client's session for one handshake; the caller frees it. It never fails over the certificate:
 * tls_client_judge() looks at it afterwards. NULL: no memory, or a name that OpenSSL refuses. */
SSL *tls_client_session(struct tls_client *t, const struct tls_wish *wish);
/* After the handshake: fills the whole outcome. */
void tls_client_judge(SSL *ssl, const struct tls_wish *wish, struct tls_outcome *out);
/* What a result of OpenSSL's verification (X509_V_...) is called here. */
enum problem tls_verify_problem(long result);

#endif
