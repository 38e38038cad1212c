/* Spreading: from the recipients of an envelope to the places that the message goes to. Each
 * mailbox and each foreign address is there once, however many recipients lead to it; a link says
 * which recipient leads to which place. Sizes are bounded (LIMIT_DELIVERY_TARGETS), the work is
 * linear in them. */
#ifndef DEPESCHE_FILTER_SPREAD_H
#define DEPESCHE_FILTER_SPREAD_H

#include "filter/delivery.h"

enum place_kind {
    PLACE_ACCOUNT, /* a mailbox here */
    PLACE_DIRECT,  /* a foreign recipient of the envelope */
    PLACE_FORWARD, /* a foreign address that an alias or forward leads to */
};

struct place {
    enum place_kind kind;
    uint64_t account;
    struct slice address; /* canonical account address, or the foreign one */
    struct slice language;
    uint64_t quota;
    struct slice orcpt; /* of the recipient that came first; a FORWARD's always names an address */
    uint8_t notify;
    enum delivery_status status; /* DELIVERY_OK while nothing speaks against it */
    bool wanted;                 /* a recipient that is kept leads to it */
    uint64_t hash;
};

struct spread_link {
    uint32_t recipient, place;
};

struct spread {
    struct arena *a;
    struct place *place;
    size_t n, cap;
    struct spread_link *link; /* in order of recipients */
    size_t n_links, cap_links;
    uint32_t *table; /* place number + 1 by hash; 0: free */
    size_t table_size;
};

void spread_init(struct spread *s, struct arena *a);
/* Resolves the recipient with number `number` and adds the places it leads to. */
enum delivery_status spread_add(struct spread *s, struct directory *d, bool may_relay,
                                uint32_t number, const struct delivery_recipient *r);
/* What the directory's answer means for a recipient. */
enum delivery_status spread_status(enum error e, bool may_relay);

#endif
