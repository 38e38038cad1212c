/* A connection that we open: TCP, then perhaps TLS, used by one thread at a time with blocking
 * calls that each have a deadline. What comes in is untrusted: lines and pieces are bounded by the
 * caller's room. For threads of outbound delivery and for commands; servers use runtime.h. */
#ifndef DEPESCHE_NET_DIAL_H
#define DEPESCHE_NET_DIAL_H

#include "base/buf.h"
#include "net/tls_client.h"

struct dial;

struct dial_address {
    struct ip ip;
    uint16_t port;
};

/* Connects to the first of the addresses that answers, in the order given: the next one is started
 * when the one before failed or LIMIT_DIAL_NEXT_MS passed (RFC 8305), all that are under way race.
 * Each has LIMIT_DIAL_CONNECT_MS; all end at `deadline` (clock_ms()). `bind4`/`bind6` may be NULL.
 * At most LIMIT_DIAL_ADDRESSES of them. *which: the one that won. ERR_TIMEOUT, ERR_IO (refused or
 * unreachable), both with the errno of the last one in *why_errno; ERR_CLOSED (dial_stop_all). */
struct dial_options {
    const struct dial_address *address;
    size_t n;
    const struct ip *bind4, *bind6;
    int64_t deadline;
};
must_use enum error dial_open(const struct dial_options *o, struct dial **out, size_t *which,
                              int *why_errno);
/* Ends without a word; TLS's close_notify is sent when that does not block. NULL is allowed. */
void dial_close(struct dial *d);

/* One line without its CRLF or LF, valid until the next call. ERR_LIMIT: longer than max (at most
 * LIMIT_DIAL_BUFFER); ERR_TIMEOUT, ERR_CLOSED, ERR_IO. */
must_use enum error dial_line(struct dial *d, size_t max, int64_t deadline, struct slice *out);
/* Gathers; never waits. Whenever LIMIT_DIAL_PIECE are there, what the other side takes at once is
 * sent. More than LIMIT_DIAL_GATHER that it does not take is lost, and ERR_LIMIT at flush, like all
 * errors. */
void dial_write(struct dial *d, struct slice s);
/* Sends what is gathered. `deadline` is for the whole; each LIMIT_WRITE_CHUNK that the other side
 * takes moves it to at least `progress_ms` from then (0: it does not move). What is not taken in
 * time stays gathered. ERR_TIMEOUT, ERR_CLOSED, ERR_IO, ERR_LIMIT. Reading goes on working. */
must_use enum error dial_flush(struct dial *d, int64_t deadline, int progress_ms);

/* The handshake. Bytes that came in before it are an injection (PROBLEM_INJECTION): nothing is sent
 * then. Returns OK when the channel is encrypted, also when the wish's check failed and
 * `outcome->problem` says so: the caller decides whether that is enough. An error: no TLS; nothing
 * goes in or out any more, all calls end with ERR_CLOSED. `outcome` is filled in any case. */
must_use enum error dial_start_tls(struct dial *d, struct tls_client *t,
                                   const struct tls_wish *wish, int64_t deadline,
                                   struct tls_outcome *outcome);
bool dial_is_tls(const struct dial *d);
struct ip dial_peer(const struct dial *d);
struct ip dial_local(const struct dial *d); /* our own end; zero when it cannot be told */
/* Nothing was said and the connection stands: may it be used again? Looks without blocking; bytes
 * or an end that are waiting mean no. */
bool dial_is_quiet(struct dial *d);

/* Makes all dials of this process that wait, now or later, end with ERR_CLOSED: the role stops. */
void dial_stop_all(void);

#endif
