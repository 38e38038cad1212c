/* How mail would reach somebody: what the queue remembers and demands, and what edge finds when it
 * looks. For the lock that the webmail shows beside each recipient. */
#ifndef DEPESCHE_DAEMON_FORECAST_H
#define DEPESCHE_DAEMON_FORECAST_H

#include "directory/directory.h"
#include "handover/relay.h"
#include "jmap/jmap.h"
#include "queue/queue.h"

struct forecasts;

struct forecast_options {
    struct directory *directory;
    struct memory *memory;
    const struct providers *providers;
    const struct queue_transport *transports;
    size_t n_transports;
    uint16_t port;
    bool clear_allowed;
    /* Asks edge, as the queue's: forecast_relayed() follows with the token. */
    enum error (*send)(void *arg, const struct relay_request *rq, struct slice raw, void *token);
    void *arg;
};
/* What `o` names must stay. */
struct forecasts *forecasts_new(const struct forecast_options *o) must_use;
/* Nobody may be waiting any more. NULL is allowed. */
void forecasts_free(struct forecasts *f);

/* For jmap_service.forecast. The answer for a domain is remembered for FORECAST_SECONDS. */
enum jmap_travel forecast_ask(struct forecasts *f, struct slice address, char host[256]);

/* True: the token was a forecast's, and is dealt with. */
bool forecast_relayed(struct forecasts *f, void *token, const struct relay_result *r);

#endif
