/* For tests only: the handlers of test_http.h on loopback ports, in clear and through TLS. */
#ifndef DEPESCHE_WEB_TEST_SERVER_H
#define DEPESCHE_WEB_TEST_SERVER_H

#include "net/test_tls.h"
#include "web/test_http.h"
#include <poll.h>

struct test_server {
    struct http_listener listener;
    struct test_site *site;
    struct runtime *rt;
    struct tls_server *tls;
    SSL_CTX *client;
    uint16_t port, tls_port;
    pthread_t thread;
};

static void *test_server_main(void *arg)
{
    runtime_run(arg);
    return NULL;
}

TEST_UNUSED static void test_server_start(struct test_server *s)
{
    static const struct runtime_options OPTIONS = {.max_workers = 8};
    char why[200];
    *s = (struct test_server){.site = NULL};
    s->site = test_site_new(&s->listener);
    struct tls_identity id = test_identity("EC", "DNS:localhost", "test");
    if (tls_server_new(TLS_MODERN, TLS_FOR_USERS, &id, 1, &s->tls, why, sizeof why) != OK ||
        runtime_new(&OPTIONS, &s->rt) != OK)
        bug("no server");
    test_identity_free(&id);
    struct listener_options o = {.protocol = &http_protocol,
                                 .service = &s->listener,
                                 .max_per_address = 5000,
                                 .fd = test_listen(&s->port)};
    if (runtime_listen(s->rt, &o) != OK)
        bug("no listener");
    o.fd = test_listen(&s->tls_port);
    o.tls = s->tls;
    o.implicit_tls = true;
    if (runtime_listen(s->rt, &o) != OK)
        bug("no listener");
    s->client = SSL_CTX_new(TLS_client_method());
    pthread_create(&s->thread, NULL, test_server_main, s->rt);
}

TEST_UNUSED static void test_server_stop(struct test_server *s, int grace_ms)
{
    runtime_stop(s->rt, grace_ms);
    pthread_join(s->thread, NULL);
    test_site_free(s->site);
    runtime_free(s->rt);
    tls_server_free(s->tls);
    SSL_CTX_free(s->client);
}

/* A client's TLS session that offers these names by ALPN; NULL when it fails. */
TEST_UNUSED static SSL *test_server_tls(struct test_server *s, const char *alpn, int *fd)
{
    *fd = test_connect(s->tls_port);
    if (alpn)
        SSL_CTX_set_alpn_protos(s->client, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL *ssl = test_tls_client(s->client, *fd, "localhost");
    if (!ssl)
        close(*fd);
    return ssl;
}

TEST_UNUSED static bool wait_until(const atomic_llong *value, long long least)
{
    for (int i = 0; i < 2000 && atomic_load(value) < least; i++)
        poll(NULL, 0, 5);
    return atomic_load(value) >= least;
}

#endif
