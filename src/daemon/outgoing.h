/* mail's side of sending: the queue with all that it stands on (what is remembered of destinations,
 * the list of providers, transports), what senders are told, and our TLS reports. */
#ifndef DEPESCHE_DAEMON_OUTGOING_H
#define DEPESCHE_DAEMON_OUTGOING_H

#include "config/config.h"
#include "daemon/forecast.h"
#include "filter/delivery.h"
#include "handover/handover.h"
#include "queue/queue.h"

struct outgoing;

/* Reads the files that the configuration names, before they are out of reach. An error is logged.
 */
must_use enum error outgoing_prepare(const struct config *c, struct outgoing **out);
/* Opens the queue. `delivery` and the store in it must stay. */
must_use enum error outgoing_open(struct outgoing *o, const struct delivery_service *delivery);
/* From here on mail leaves. */
must_use enum error outgoing_run(struct outgoing *o, struct handover_server *handover);
/* Edge is gone: nothing leaves until a new one has told how it stands (outgoing_health), and
 * thereby that it has looked whether its resolver validates. */
void outgoing_edge_gone(struct outgoing *o);
/* From here on nothing is handed over: the hand-over may be freed. Waits for what is being handed
 * over. Results may come still, until outgoing_free(). */
void outgoing_stop(struct outgoing *o);
/* The list of providers, as long as `o`. */
const struct providers *outgoing_providers(const struct outgoing *o);
/* For the hand-over's service. */
void outgoing_relayed(struct outgoing *o, void *token, const struct relay_result *r);
void outgoing_health(struct outgoing *o, bool validates, struct slice text);
/* House-keeping, about every minute, on a worker. */
void outgoing_tend(struct outgoing *o);

/* How mail would reach this address; for jmap_service.forecast, with the outgoing as `arg`. Blocks,
 * at most LIMIT_FORECAST_MS. */
enum jmap_travel outgoing_forecast(void *arg, struct slice address, char host[256]);

/* What commands ask: see config/control.h. */
must_use enum error outgoing_command(struct outgoing *o, struct slice request, struct buf *answer);
/* Lines of `name value`. */
void outgoing_status(struct outgoing *o, struct buf *out);

/* Hands nothing more over and settles what came, within grace_ms. After it no more results may
 * come. */
void outgoing_free(struct outgoing *o, int grace_ms);

#endif
