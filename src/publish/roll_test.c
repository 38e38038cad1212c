/* The next key: made like the present one, and put in its place with the right chain only. */
#include "base/file.h"
#include "publish/publish_private.h"
#include "publish/test_house.h"

static struct test_house house;
static char why[CONFIG_WHY];

static int set_up(void **state)
{
    (void)state;
    test_house_make(&house, "example.test", "mail.example.test", "");
    test_house_identities(&house);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_house_free(&house);
    return 0;
}

static struct slice content(const char *name)
{
    char path[256];
    autobuf b = BUF_INIT(LIMIT_PEM_FILE);
    snprintf(path, sizeof path, "%s/%s", house.folder, name);
    return file_read(path, &b) == OK ? arena_dup(&house.a, buf_slice(&b)) : SLICE_NONE;
}

static void make_next(void)
{
    assert_int_equal(publish_next_make(&house.id[0], why), OK);
    test_house_identities(&house);
    assert_int_equal(strlen(house.id[0].next), 64);
}

/* A chain that the authority issues for KEY.next. */
static struct slice issue(const char *names, int from, int to)
{
    EVP_PKEY *key = publish_read_key(content("key.pem.next"));
    assert_non_null(key);
    struct test_cert c = test_cert(&(struct test_cert_spec){
        .names = names, .issuer = &house.ca, .days_from = from, .days_to = to});
    X509_set_pubkey(c.x, key);
    X509_sign(c.x, house.ca.key, EVP_sha256());
    struct slice pem = test_cert_pem(&c), copy = arena_dup(&house.a, pem);
    test_slice_free(pem);
    test_cert_free(&c);
    EVP_PKEY_free(key);
    return copy;
}

static void test_make(void **state)
{
    (void)state;
    struct stat st;
    char path[256];
    make_next();
    assert_string_not_equal(house.id[0].next, house.id[0].present);
    snprintf(path, sizeof path, "%s.next", house.key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    EVP_PKEY *key = publish_read_key(content("key.pem.next"));
    char curve[64];
    assert_true(EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL));
    assert_string_equal(curve, "prime256v1");
    BIO *in = BIO_new_mem_buf(content("key.pem.next.csr").p, (int)content("key.pem.next.csr").n);
    X509_REQ *rq = PEM_read_bio_X509_REQ(in, NULL, NULL, NULL);
    assert_non_null(rq);
    assert_int_equal(X509_REQ_verify(rq, key), 1);
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(rq);
    assert_true(X509v3_get_ext_by_NID(list, NID_subject_alt_name, -1) >= 0);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    X509_REQ_free(rq);
    BIO_free(in);
    EVP_PKEY_free(key);
    assert_int_equal(publish_next_make(&house.id[0], why), ERR_CONFLICT);
    house.id[0].next[0] = 0; /* another process made one meanwhile */
    assert_int_equal(publish_next_make(&house.id[0], why), ERR_CONFLICT);
}

static void test_kinds(void **state)
{
    (void)state;
    static const char *const kinds[] = {"RSA", "ED25519"};
    for (size_t i = 0; i < 2; i++) {
        struct tls_identity id = test_identity(kinds[i], "DNS:mail.example.test", "x");
        test_house_write(&house, "chain.pem", id.chain_pem, 0644);
        test_house_write(&house, "key.pem", id.key_pem, 0640);
        char path[256];
        snprintf(path, sizeof path, "%s.next", house.key);
        unlink(path);
        test_house_identities(&house);
        make_next();
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        EVP_PKEY *key = publish_read_key(content("key.pem.next"));
        assert_true(EVP_PKEY_is_a(key, kinds[i]));
        if (i == 0)
            assert_int_equal(EVP_PKEY_get_bits(key), 2048);
        EVP_PKEY_free(key);
        test_identity_free(&id);
    }
}

static void test_switch(void **state)
{
    (void)state;
    make_next();
    struct slice chain = issue("DNS:mail.example.test", 0, 0), old = content("chain.pem"),
                 old_key = content("key.pem"), next = content("key.pem.next");
    assert_int_equal(publish_switch(&house.id[0], chain, "mail.example.test", why), OK);
    assert_true(slice_eq(content("chain.pem"), chain));
    assert_true(slice_eq(content("key.pem"), next));
    assert_true(slice_eq(content("chain.pem.old"), old));
    assert_true(slice_eq(content("key.pem.old"), old_key));
    assert_int_equal(content("key.pem.next").n, 0);
    assert_int_equal(content("key.pem.next.csr").n, 0);
    char hash[PUBLISH_TLSA];
    snprintf(hash, sizeof hash, "%s", house.id[0].next);
    test_house_identities(&house);
    assert_string_equal(house.id[0].present, hash);
    assert_string_equal(house.id[0].next, "");
}

/* The key is in its place, the chain is not: a second call brings it there. */
static void test_half(void **state)
{
    (void)state;
    make_next();
    struct slice chain = issue("DNS:mail.example.test", 0, 0);
    test_house_write(&house, "key.pem", content("key.pem.next"), 0600);
    char path[256];
    snprintf(path, sizeof path, "%s.next", house.key);
    unlink(path);
    test_house_identities(&house);
    assert_int_equal(publish_switch(&house.id[0], chain, "mail.example.test", why), OK);
    assert_true(slice_eq(content("chain.pem"), chain));
}

static void assert_refused(struct slice chain, enum error e)
{
    struct slice old = content("chain.pem"), old_key = content("key.pem");
    assert_int_equal(publish_switch(&house.id[0], chain, "mail.example.test", why), e);
    assert_true(strlen(why) > 10);
    assert_true(slice_eq(content("chain.pem"), old));
    assert_true(slice_eq(content("key.pem"), old_key));
    assert_true(content("key.pem.next").n > 0);
}

static void test_refused(void **state)
{
    (void)state;
    make_next();
    struct test_cert foreign =
        test_cert(&(struct test_cert_spec){.names = "DNS:mail.example.test", .issuer = &house.ca});
    struct slice pem = test_cert_pem(&foreign);
    assert_refused(pem, ERR_INPUT);
    test_slice_free(pem);
    test_cert_free(&foreign);
    assert_refused(issue("DNS:www.example.test", 0, 0), ERR_INPUT);
    assert_refused(issue("DNS:mail.example.test", -3, -1), ERR_INPUT);
    assert_refused(issue("DNS:mail.example.test", 1, 3), ERR_INPUT);
    assert_refused(SLICE("no chain"), ERR_INPUT);
    char path[256];
    snprintf(path, sizeof path, "%s.real", house.key);
    assert_int_equal(rename(house.key, path), 0);
    assert_int_equal(symlink(path, house.key), 0);
    assert_refused(issue("DNS:mail.example.test", 0, 0), ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_make, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_switch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
