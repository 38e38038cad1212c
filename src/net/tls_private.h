/* What tls.c and tls_table.c share. */
#ifndef DEPESCHE_NET_TLS_PRIVATE_H
#define DEPESCHE_NET_TLS_PRIVATE_H

#include "net/tls.h"
#include <openssl/ssl.h>

/* An immutable table of contexts by name. */
struct tls_table;

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

#endif
