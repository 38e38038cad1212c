/* Delivery: from an envelope to mailboxes and the queue. Resolves recipients, spreads one message
 * over the accounts behind them, checks quota and loops, and hands everything to the store as one
 * durable commit. Used by receiving (through the hand-over) and by submission, so that both deliver
 * alike. */
#ifndef DEPESCHE_FILTER_DELIVERY_H
#define DEPESCHE_FILTER_DELIVERY_H

#include "directory/directory.h"
#include "filter/signing.h"
#include "store/store.h"

struct delivery_service {
    struct store *store;
    struct directory *directory;
    const char *host;        /* this server's name, for trace fields */
    struct signing *signing; /* NULL: what leaves is not signed */
};

enum delivery_status {
    DELIVERY_OK,
    DELIVERY_UNKNOWN,
    DELIVERY_NOT_OURS,
    DELIVERY_CLOSED,
    DELIVERY_QUOTA,
    DELIVERY_NO_ROOM,
    DELIVERY_BAD,
    DELIVERY_LOOP,
    DELIVERY_TEMPORARY,
};

struct delivery_recipient {
    struct slice address; /* as in the envelope */
    struct slice orcpt;
    uint8_t notify;
    enum delivery_status status; /* filled */
};

struct delivery_request {
    uint64_t sender_account; /* of submission; 0 when the message came from outside */
    struct slice sender, envid;
    uint8_t ret;
    bool smtputf8, require_tls;
    bool may_relay;     /* submission: foreign recipients go to the queue; else they are NOT_OURS */
    struct slice trace; /* fields in front of raw, for everybody */
    struct slice raw;
    int64_t received;
    struct delivery_recipient *recipients;
    size_t n_recipients;
};

/* What RCPT asks: would a message of `size` bytes (0: not known) be accepted for this recipient
 * now? Checks existence, state, and room, so that one full mailbox is refused alone and not with
 * the whole message. `may_relay`: as in the request, which has a sender then. */
enum delivery_status delivery_probe(const struct delivery_service *s, struct slice recipient,
                                    uint64_t size, bool may_relay);

/* Delivers. Every recipient's status is filled; OK statuses are durable. With a sender, an address
 * that SRS made makes all recipients UNKNOWN: only bounces may go there. A forward or alias with
 * both own and foreign targets counts as OK only when all of them are kept. */
void delivery_run(const struct delivery_service *s, struct delivery_request *rq);

/* Does this sender read German (else English)? By the account, or when that is 0, by the address;
 * strangers read English. */
bool delivery_in_german(const struct delivery_service *s, uint64_t account, struct slice sender);

#endif
