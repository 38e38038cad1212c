/* The firewall: addresses that the whole machine is closed to, as sets with timeouts in an nftables
 * table of our own (`inet depesche`). Fed by running `nft -j -f -`, one at a time, each run
 * replacing the whole table in one transaction; removed at the end. */
#ifndef DEPESCHE_DAEMON_FIREWALL_H
#define DEPESCHE_DAEMON_FIREWALL_H

#include "base/slice.h"
#include "net/address.h"
#include <sys/types.h>

struct firewall;

/* NULL when it is not wanted, this is not root, or there is no nft (one log line says why). */
struct firewall *firewall_new(bool wanted) must_use;
struct firewall_ban {
    struct ip ip;     /* IPv6: the /64 */
    uint32_t seconds; /* from now */
};
/* The bans that hold from now on; at most LIMIT_FIREWALL_BANS are taken. NULL does nothing. */
void firewall_set(struct firewall *f, const struct firewall_ban *bans, size_t n);
/* A child process ended: was it our nft? */
bool firewall_reaped(struct firewall *f, pid_t pid, int status);
/* Removes the table and waits for that, at most two seconds. */
void firewall_free(struct firewall *f);

/* The JSON text that replaces the table; for tests. */
struct buf;
void firewall_text(const struct firewall_ban *bans, size_t n, struct buf *out);

#endif
