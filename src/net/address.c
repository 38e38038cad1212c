/* Internet addresses: parsing, printing, networks, and listening sockets. */
#include "net/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static const uint8_t V4_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct ip ip_from_v4(const void *four)
{
    struct ip ip;
    memcpy(ip.b, V4_PREFIX, 12);
    memcpy(ip.b + 12, four, 4);
    return ip;
}

bool ip_is_v4(struct ip ip)
{
    return memcmp(ip.b, V4_PREFIX, 12) == 0;
}

bool ip_is_public(struct ip ip)
{
    static const struct {
        uint8_t ip[4], bits;
    } inside[] = {
        /* RFC 6890 and 5771: this network, private, shared, loopback, link, protocols, benchmarks,
         * groups and reserved. */
        {{0}, 8},        {{10}, 8},         {{100, 64}, 10},  {{127}, 8},      {{169, 254}, 16},
        {{172, 16}, 12}, {{192, 0, 0}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{224}, 3},
    };
    if (!ip_is_v4(ip))
        return (ip.b[0] & 0xe0) == 0x20; /* 2000::/3 */
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        const struct ip_net net = {ip_from_v4(inside[i].ip), (uint8_t)(96 + inside[i].bits)};
        if (ip_net_has(&net, ip))
            return false;
    }
    return true;
}

bool ip_eq(struct ip a, struct ip b)
{
    return memcmp(a.b, b.b, 16) == 0;
}

enum error ip_parse(struct slice s, struct ip *out)
{
    char text[IP_TEXT];
    if (s.n == 0 || slice_cstr(s, text, sizeof text) != OK)
        return ERR_INPUT;
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *out = ip_from_v4(&v4);
        return OK;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return ERR_INPUT;
    memcpy(out->b, v6.s6_addr, 16);
    return OK;
}

void ip_print(struct ip ip, char out[IP_TEXT])
{
    bool v4 = ip_is_v4(ip);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip.b + 12 : ip.b, out, IP_TEXT))
        bug("inet_ntop: %s", strerror(errno));
}

static bool bit_at(struct ip ip, unsigned i)
{
    return (ip.b[i / 8] >> (7 - i % 8)) & 1;
}

enum error ip_net_parse(struct slice s, struct ip_net *out)
{
    struct ip_net net = {.bits = 128};
    size_t slash = slice_index(s, '/');
    if (ip_parse(slice_sub(s, 0, slash), &net.ip) != OK)
        return ERR_INPUT;
    if (slash < s.n) {
        /* A mapped address written as IPv6 counts its prefix in 128 bits, as it is written. */
        bool dotted_only = !slice_has(slice_sub(s, 0, slash), ':');
        uint32_t bits;
        if (parse_u32(slice_from(s, slash + 1), dotted_only ? 32 : 128, &bits) != OK)
            return ERR_INPUT;
        net.bits = (uint8_t)(dotted_only ? bits + 96 : bits);
    }
    for (unsigned i = net.bits; i < 128; i++)
        if (bit_at(net.ip, i))
            return ERR_INPUT;
    *out = net;
    return OK;
}

bool ip_net_has(const struct ip_net *net, struct ip ip)
{
    size_t whole = net->bits / 8;
    unsigned rest = net->bits % 8;
    if (memcmp(net->ip.b, ip.b, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((net->ip.b[whole] ^ ip.b[whole]) & mask) == 0;
}

struct ip ip_counting(struct ip ip)
{
    if (!ip_is_v4(ip))
        memset(ip.b + 8, 0, 8);
    return ip;
}

enum error ip_from_sockaddr(const struct sockaddr *sa, struct ip *out, uint16_t *port)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        *out = ip_from_v4(&in.sin_addr);
        *port = ntohs(in.sin_port);
        return OK;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(out->b, in6.sin6_addr.s6_addr, 16);
        *port = ntohs(in6.sin6_port);
        return OK;
    }
    return ERR_INPUT;
}

socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip_is_v4(ip)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, ip.b + 12, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(in6.sin6_addr.s6_addr, ip.b, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

static enum error listen_error(int e)
{
    switch (e) {
    case EACCES:
    case EPERM:
        return ERR_AUTH;
    case EADDRINUSE:
        return ERR_CONFLICT;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERR_NOTFOUND;
    default:
        return ERR_IO;
    }
}

static enum error listen_on(int s, struct ip ip, uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t len = ip_to_sockaddr(ip, port, &sa);
    int on = 1, idle = 300, between = 60, times = 5;
    if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (!ip_is_v4(ip) && setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0))
        return ERR_IO;
    /* Accepted sockets inherit these, which saves the calls for each; those too that a client opens
     * before anybody accepts, if they are set before listen(). */
    if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0 ||
        setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) < 0 ||
        setsockopt(s, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between) < 0 ||
        setsockopt(s, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times) < 0)
        return ERR_IO;
    if (bind(s, (struct sockaddr *)&sa, len) < 0 || listen(s, SOMAXCONN) < 0)
        return listen_error(errno);
    return OK;
}

enum error ip_listen(struct ip ip, uint16_t port, int *fd)
{
    int family = ip_is_v4(ip) ? AF_INET : AF_INET6;
    int s = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return listen_error(errno);
    enum error e = listen_on(s, ip, port);
    if (e != OK) {
        close(s);
        return e;
    }
    *fd = s;
    return OK;
}
