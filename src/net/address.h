/* Internet addresses as the program uses them: parsed once, compared and printed everywhere alike.
 */
#ifndef DEPESCHE_NET_ADDRESS_H
#define DEPESCHE_NET_ADDRESS_H

#include "base/slice.h"
#include <sys/socket.h>

/* IPv4 is kept as an IPv4-mapped IPv6 address (::ffff:a.b.c.d). */
struct ip {
    uint8_t b[16];
};

struct ip_net {
    struct ip ip;
    uint8_t bits; /* of the 128; 10.0.0.0/8 has 104 */
};

#define IP_TEXT 46 /* room for any printed address and its NUL */

bool ip_is_v4(struct ip ip);
/* Reachable by everybody: neither of this machine, nor of a network inside, nor of a group. */
bool ip_is_public(struct ip ip);
bool ip_eq(struct ip a, struct ip b);
/* "192.0.2.1", "2001:db8::1"; also "[...]" is not accepted here. */
must_use enum error ip_parse(struct slice s, struct ip *out);
void ip_print(struct ip ip, char out[IP_TEXT]);
/* "192.0.2.0/24", or an address alone (then /32 or /128). Host bits must be zero. */
must_use enum error ip_net_parse(struct slice s, struct ip_net *out);
bool ip_net_has(const struct ip_net *net, struct ip ip);
/* What limits and lockouts count by: IPv4 itself, IPv6 its /64. */
struct ip ip_counting(struct ip ip);

must_use enum error ip_from_sockaddr(const struct sockaddr *sa, struct ip *out, uint16_t *port);
socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *out);

/* A bound, listening, close-on-exec, non-blocking TCP socket (SO_REUSEADDR; IPV6_V6ONLY for IPv6).
 * What it accepts sends without delay and notices peers that are gone (TCP_NODELAY, SO_KEEPALIVE).
 */
must_use enum error ip_listen(struct ip ip, uint16_t port, int *fd);

#endif
