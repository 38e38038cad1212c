/* Fuzz target: TLSA records of any content. What is called usable OpenSSL must take, and what it
 * does not take must not end the session. The SNI is as wild as the record. */
#include "net/tls_private.h"
#include <openssl/err.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_client *client(void)
{
    static struct tls_client *t;
    char why[200];
    if (!t && tls_client_new(TLS_MODERN, SLICE_NONE, &t, why, sizeof why) != OK)
        bug("no client: %s", why);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_tlsa r;
    if (dns_read_tlsa(slice_of(data, size), &r) != OK)
        return 0;
    struct tls_wish w = {.check = TLS_CHECK_DANE, .sni = r.data, .tlsa = &r, .n_tlsa = 1};
    SSL *ssl = tls_client_session(client(), &w);
    if (!ssl)
        bug("no session");
    if (tls_tlsa_usable(&r) &&
        SSL_dane_tlsa_add(ssl, r.usage, r.selector, r.matching, r.data.p, r.data.n) != 1)
        bug("called usable, and OpenSSL does not take it");
    SSL_free(ssl);
    ERR_clear_error();
    return 0;
}
