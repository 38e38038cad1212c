/* Tests of the listening sockets: what a reload keeps, opens and gives back. */
#include "daemon/ports.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
/* cmocka wants the others first */
#include <cmocka.h>

/* A port that is free now. */
static uint16_t free_port(void)
{
    struct ip ip;
    int fd;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    uint16_t port = 0;
    assert_int_equal(ip_parse(SLICE("127.0.0.1"), &ip), OK);
    assert_int_equal(ip_listen(ip, 0, &fd), OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(ip_from_sockaddr((struct sockaddr *)&at, &ip, &port), OK);
    close(fd);
    return port;
}

static struct config *config_with(unsigned smtp, unsigned imap)
{
    char text[256], why[CONFIG_WHY];
    struct config *c;
    snprintf(text, sizeof text,
             "[listen]\naddress = 127.0.0.1\nsmtp = %u\nimap = %u\nimaps = none\n"
             "submission = none\nsubmissions = none\nhttps = none\nhttp = none\n",
             smtp, imap);
    assert_int_equal(config_parse(slice_str(text), "t.conf", &c, why), OK);
    return c;
}

static void test_reload(void **state)
{
    char why[CONFIG_WHY] = "";
    unsigned a = free_port(), b = free_port(), other = free_port();
    struct config *first = config_with(a, b), *second = config_with(a, other);
    struct ports old, new;
    assert_int_equal(ports_open(first, NULL, &old, why), OK);
    assert_int_equal(old.n, 2);
    int kept = old.item[0].fd, closed = old.item[1].fd;
    assert_int_equal(ports_open(second, &old, &new, why), OK);
    assert_int_equal(new.n, 2);
    assert_int_equal(new.item[0].fd, kept);
    assert_int_not_equal(new.item[1].fd, closed);
    assert_int_equal(old.item[0].fd, -1);
    struct listening own[LIMIT_LISTENERS];
    assert_int_equal(ports_of_role(&new, true, own), 1);
    assert_int_equal(own[0].service, SERVICE_SMTP);
    assert_int_equal(ports_of_role(&new, false, own), 1);
    ports_close(&old);
    ports_close(&new);
    config_free(first);
    config_free(second);
}

static void test_failed_reload_gives_back(void **state)
{
    char why[CONFIG_WHY] = "";
    unsigned a = free_port(), b = free_port();
    struct config *first = config_with(a, b), *second = config_with(a, a);
    struct ports old, new;
    assert_int_equal(ports_open(first, NULL, &old, why), OK);
    int kept = old.item[0].fd;
    /* The same port for two services: the second cannot be had. */
    assert_int_not_equal(ports_open(second, &old, &new, why), OK);
    assert_non_null(strstr(why, "cannot listen on 127.0.0.1"));
    assert_int_equal(old.item[0].fd, kept);
    ports_close(&old);
    config_free(first);
    config_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_failed_reload_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
