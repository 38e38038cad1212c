/* The records of the hand-over: written with buf, read with cursor. The first byte is the type,
 * then the request's number; integers are big-endian, strings have a u32 length. Pure. What is read
 * here came from the other process: lengths, counts and flags are checked, slices point into the
 * record.
 */
#ifndef DEPESCHE_HANDOVER_RECORD_H
#define DEPESCHE_HANDOVER_RECORD_H

#include "base/buf.h"
#include "handover/handover.h"

enum record_type {
    RECORD_RESOLVE = 1,   /* edge -> mail: recipient, size */
    RECORD_DELIVER,       /* edge -> mail: envelope; the message's memfd comes along */
    RECORD_DELIVER_LONG,  /* edge -> mail: the envelope is in a second memfd */
    RECORD_RESOLVED,      /* mail -> edge: one status */
    RECORD_DELIVERED,     /* mail -> edge: one status a recipient */
    RECORD_BANNED,        /* mail -> edge: a piece of the list of addresses */
    RECORD_DELIVER_SMALL, /* edge -> mail: envelope and message */
    RECORD_RELAY,         /* mail -> edge: request; the message's memfd comes along */
    RECORD_RELAY_LONG,    /* mail -> edge: the request is in a second memfd */
    RECORD_RELAY_SMALL,   /* mail -> edge: request and message */
    RECORD_RELAYED,       /* edge -> mail: result; empty: the request could not be read */
    RECORD_RELAYED_LONG,  /* edge -> mail: the result is in a memfd */
    RECORD_HEALTH,        /* edge -> mail: how edge stands */
};

struct record {
    enum record_type type;
    uint64_t id;
    struct slice recipient; /* RESOLVE */
    uint64_t size;          /* RESOLVE */
    struct slice envelope;  /* DELIVER, DELIVER_SMALL: for record_read_envelope() */
    struct slice request;   /* RELAY, RELAY_SMALL: for relay_read_request() */
    struct slice message;   /* DELIVER_SMALL, RELAY_SMALL */
    struct slice result;    /* RELAYED: for relay_read_result() */
    struct slice statuses;  /* RESOLVED, DELIVERED: a byte each, all known values */
    struct slice addresses; /* BANNED: 16 bytes each */
    bool first, last;       /* BANNED: of the list */
    bool validates;         /* HEALTH */
    struct slice text;      /* HEALTH */
};

/* Room that a record needs around its contents. */
#define RECORD_HEAD 64

/* Addresses of one BANNED record. */
#define RECORD_BANS 4096

void record_write_resolve(uint64_t id, struct slice recipient, uint64_t size, struct buf *out);
/* envelope NULL: it comes as a memfd (DELIVER_LONG). */
void record_write_deliver(uint64_t id, const struct slice *envelope, struct buf *out);
void record_write_deliver_small(uint64_t id, struct slice envelope, struct slice message,
                                struct buf *out);
void record_write_statuses(enum record_type type, uint64_t id, const enum handover_status *status,
                           size_t n, struct buf *out);
void record_write_banned(const struct ip *ips, size_t n, bool first, bool last, struct buf *out);
/* request NULL: it comes as a memfd (RELAY_LONG). */
void record_write_relay(uint64_t id, const struct slice *request, struct buf *out);
void record_write_relay_small(uint64_t id, struct slice request, struct slice message,
                              struct buf *out);
/* result NULL: it comes as a memfd (RELAYED_LONG). */
void record_write_relayed(uint64_t id, const struct slice *result, struct buf *out);
/* Cuts the text to LIMIT_HEALTH_TEXT. */
void record_write_health(bool validates, struct slice text, struct buf *out);
/* ERR_INPUT when it is not exactly such a record. */
must_use enum error record_read(struct slice bytes, struct record *out);

void record_write_envelope(const struct handover_envelope *e, struct buf *out);
/* The recipients are in `a`. ERR_INPUT, ERR_LIMIT (too many recipients). */
must_use enum error record_read_envelope(struct arena *a, struct slice bytes,
                                         struct handover_envelope *out);

#endif
