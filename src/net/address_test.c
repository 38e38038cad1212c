/* Addresses and networks: what is read, printed, contained and counted. */
#include "base/mem.h"
#include "net/address.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    assert_int_equal(ip_parse(slice_str(text), &ip), OK);
    return ip;
}

static void test_parse_print(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: refused */
        bool v4, everybodys;
    } table[] = {
        {"192.0.2.1", "192.0.2.1", true, true},
        {"127.0.0.1", "127.0.0.1", true, false},
        {"127.255.0.9", "127.255.0.9", true, false},
        {"128.0.0.1", "128.0.0.1", true, true},
        {"10.255.255.255", "10.255.255.255", true, false},
        {"11.0.0.0", "11.0.0.0", true, true},
        {"172.15.0.1", "172.15.0.1", true, true},
        {"172.31.0.1", "172.31.0.1", true, false},
        {"172.32.0.1", "172.32.0.1", true, true},
        {"192.168.1.1", "192.168.1.1", true, false},
        {"169.254.169.254", "169.254.169.254", true, false},
        {"100.127.0.1", "100.127.0.1", true, false},
        {"100.128.0.1", "100.128.0.1", true, true},
        {"223.255.255.255", "223.255.255.255", true, true},
        {"224.0.0.1", "224.0.0.1", true, false},
        {"255.255.255.255", "255.255.255.255", true, false},
        {"0.0.0.0", "0.0.0.0", true, false},
        {"::1", "::1", false, false},
        {"::", "::", false, false},
        {"fe80::1", "fe80::1", false, false},
        {"fd00::1", "fd00::1", false, false},
        {"64:ff9b::7f00:1", "64:ff9b::7f00:1", false, false},
        {"::ffff:127.0.0.1", "127.0.0.1", true, false},
        {"2001:DB8::1", "2001:db8::1", false, true},
        {"2001:db8:0:0:0:0:0:1", "2001:db8::1", false, true},
        {"::ffff:192.0.2.1", "192.0.2.1", true, true},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         false, false},
        {"", NULL, false, false},
        {"192.0.2", NULL, false, false},
        {"192.0.2.256", NULL, false, false},
        {"192.0.2.01", NULL, false, false},
        {" 192.0.2.1", NULL, false, false},
        {"[::1]", NULL, false, false},
        {"fe80::1%eth0", NULL, false, false},
        {"1::2::3", NULL, false, false},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ip ip;
        enum error e = ip_parse(slice_str(table[i].text), &ip);
        assert_int_equal(e, table[i].printed ? OK : ERR_INPUT);
        if (e != OK)
            continue;
        char text[IP_TEXT];
        ip_print(ip, text);
        assert_string_equal(text, table[i].printed);
        assert_int_equal(ip_is_v4(ip), table[i].v4);
        assert_int_equal(ip_is_public(ip), table[i].everybodys);
        assert_true(ip_eq(ip, ip_of(text)));
    }
    struct ip ip;
    assert_int_equal(ip_parse(SLICE("192.0.2.1\0"), &ip), ERR_INPUT);
}

static void test_networks(void **state)
{
    static const struct {
        const char *net, *in, *out; /* in NULL: the network is refused */
    } table[] = {
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
        {"192.0.2.4/30", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
        {"0.0.0.0/0", "255.1.2.3", "2001:db8::1"},
        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
        {"::1", "::1", "::2"},
        {"::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"},
        {"192.0.2.1/24", NULL, NULL},
        {"192.0.2.0/33", NULL, NULL},
        {"192.0.2.0/", NULL, NULL},
        {"192.0.2.0/-1", NULL, NULL},
        {"192.0.2.0/24/1", NULL, NULL},
        {"2001:db8::1/64", NULL, NULL},
        {"2001:db8::/129", NULL, NULL},
        {"/8", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ip_net net;
        enum error e = ip_net_parse(slice_str(table[i].net), &net);
        assert_int_equal(e, table[i].in ? OK : ERR_INPUT);
        if (e != OK)
            continue;
        assert_true(ip_net_has(&net, ip_of(table[i].in)));
        assert_false(ip_net_has(&net, ip_of(table[i].out)));
    }
    struct ip_net all;
    assert_int_equal(ip_net_parse(SLICE("::/0"), &all), OK);
    assert_true(ip_net_has(&all, ip_of("192.0.2.1")));
}

static void test_counting(void **state)
{
    assert_true(ip_eq(ip_counting(ip_of("192.0.2.1")), ip_of("192.0.2.1")));
    assert_true(ip_eq(ip_counting(ip_of("2001:db8:1:2:3:4:5:6")), ip_of("2001:db8:1:2::")));
}

static void test_sockaddr(void **state)
{
    static const char *table[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage sa;
        struct ip back;
        uint16_t port;
        socklen_t n = ip_to_sockaddr(ip_of(table[i]), 4711, &sa);
        assert_int_equal(n, i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sa, &back, &port), OK);
        assert_true(ip_eq(back, ip_of(table[i])));
        assert_int_equal(port, 4711);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct ip ip;
    uint16_t port;
    assert_int_equal(ip_from_sockaddr(&local, &ip, &port), ERR_INPUT);
}

static void test_listen(void **state)
{
    int fd, second;
    assert_int_equal(ip_listen(ip_of("127.0.0.1"), 0, &fd), OK);
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct ip ip;
    uint16_t port;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port), OK);
    /* A client that comes before anybody accepts gets the options, too. */
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 0;
    assert_int_equal(connect(client, (struct sockaddr *)&sa, len), 0);
    int taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    socklen_t size = sizeof on;
    assert_int_equal(getsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    assert_int_equal(getsockopt(taken, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_true(on);
    close(taken);
    close(client);
    assert_int_equal(ip_listen(ip, port, &second), ERR_CONFLICT);
    assert_int_equal(ip_listen(ip_of("192.0.2.1"), 0, &second), ERR_NOTFOUND);
    close(fd);
    /* IPv6 beside IPv4 on one port. Where the machine has no IPv6 at all it says so. */
    enum error e = ip_listen(ip_of("::1"), 0, &fd);
    if (e == ERR_NOTFOUND)
        return;
    assert_int_equal(e, OK);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_print), cmocka_unit_test(test_networks),
        cmocka_unit_test(test_counting),    cmocka_unit_test(test_sockaddr),
        cmocka_unit_test(test_listen),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
