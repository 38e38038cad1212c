/* For tests: a house with a domain, an account, a configuration and certificates, in a folder of
 * its own. Header-only. */
#ifndef DEPESCHE_PUBLISH_TEST_HOUSE_H
#define DEPESCHE_PUBLISH_TEST_HOUSE_H

#include "net/test_chain.h"
#include "publish/publish.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

struct test_house {
    char folder[64], chain[128], key[128];
    struct config *config;
    struct directory *directory;
    struct arena a;
    struct test_cert ca, leaf;
    struct publish_identity *id;
    size_t n_ids;
};

TEST_UNUSED static void test_house_write(const struct test_house *h, const char *name,
                                         struct slice text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", h->folder, name);
    unlink(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fchmod(fd, mode) == 0);
    close(fd);
}

TEST_UNUSED static void test_house_cert(const struct test_house *h, const struct test_cert *c,
                                        const char *chain, const char *key)
{
    struct slice pem = test_cert_pem(c);
    test_house_write(h, chain, pem, 0644);
    test_slice_free(pem);
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, c->key, NULL, NULL, 0, NULL, NULL);
    pem = test_pem(out);
    if (key)
        test_house_write(h, key, pem, 0600);
    test_slice_free(pem);
}

TEST_UNUSED static void test_house_configure(struct test_house *h, const char *host,
                                             const char *more)
{
    char text[4096], why[CONFIG_WHY] = "";
    snprintf(text, sizeof text, "[server]\nhost = %s\ndata = %s\n[tls]\ncertificate = %s %s\n%s",
             host, h->folder, h->chain, h->key, more);
    config_free(h->config);
    h->config = NULL;
    if (config_parse(slice_str(text), "test", &h->config, why) != OK)
        fail_msg("%s", why);
}

TEST_UNUSED static void test_house_identities(struct test_house *h)
{
    char why[CONFIG_WHY];
    if (publish_identities(h->config, &h->a, &h->id, &h->n_ids, why) != OK)
        fail_msg("%s", why);
}

/* With the domains `domain` and "other.test", a DKIM key each, and a certificate for `host` by an
 * authority of its own. */
TEST_UNUSED static void test_house_make(struct test_house *h, const char *domain, const char *host,
                                        const char *more)
{
    char path[128], names[300];
    struct directory_dkim key = {.selector = "s1", .state = DKIM_ACTIVE};
    struct slice pem = SLICE("no key");
    *h = (struct test_house){.folder = "/tmp/depesche-publish-XXXXXX"};
    assert_non_null(mkdtemp(h->folder));
    arena_init(&h->a, 64ul * 1024 * 1024);
    snprintf(h->chain, sizeof h->chain, "%s/chain.pem", h->folder);
    snprintf(h->key, sizeof h->key, "%s/key.pem", h->folder);
    snprintf(names, sizeof names, "DNS:%s", host);
    h->ca = test_cert(&(struct test_cert_spec){.cn = "ca", .ca = true});
    h->leaf = test_cert(&(struct test_cert_spec){.names = names, .issuer = &h->ca});
    test_house_cert(h, &h->leaf, "chain.pem", "key.pem");
    test_house_configure(h, host, more);
    snprintf(path, sizeof path, "%s/directory.db", h->folder);
    assert_int_equal(directory_open(path, &h->directory), OK);
    char record[400];
    snprintf(record, sizeof record, "v=DKIM1; k=rsa; p=%0300d", 7);
    key.record = slice_str(record);
    const char *const domains[] = {domain, "other.test"};
    for (size_t i = 0; i < 2; i++) {
        struct slice d = slice_str(domains[i]);
        assert_int_equal(directory_domain_add(h->directory, d, SLICE_NONE), OK);
        assert_int_equal(directory_dkim_add(h->directory, d, &key, &pem, 1), OK);
    }
}

TEST_UNUSED static struct publish_input test_house_input(struct test_house *h, const char *domain)
{
    return (struct publish_input){.config = h->config,
                                  .directory = h->directory,
                                  .identity = h->id,
                                  .n_identities = h->n_ids,
                                  .domain = slice_str(domain)};
}

static int test_house_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

TEST_UNUSED static void test_house_free(struct test_house *h)
{
    directory_close(h->directory);
    config_free(h->config);
    arena_free(&h->a);
    test_cert_free(&h->ca);
    test_cert_free(&h->leaf);
    nftw(h->folder, test_house_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
