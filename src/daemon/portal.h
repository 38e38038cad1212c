/* The web's place in the role `mail`: what it stands on, its two listeners, its care. */
#ifndef DEPESCHE_DAEMON_PORTAL_H
#define DEPESCHE_DAEMON_PORTAL_H

#include "daemon/identity.h"
#include "jmap/jmap.h"
#include "web/web.h"

struct portal;

/* What `mail` has opened, and keeps open until portal_close(). */
struct portal_house {
    struct directory *directory;
    struct guard *guard;
    struct store *store;
    const struct smtp_submission *submission;
    struct login *login;
    struct delivery_service delivery;
    const struct providers *providers;
    /* As jmap_service's. */
    enum jmap_travel (*forecast)(void *arg, struct slice address, char host[256]);
    void *arg;
};

/* Reads the files that the configuration names, before they are out of reach. An error is logged.
 */
must_use enum error portal_prepare(const struct config *c, struct portal **out);
/* Opens sessions.db and makes the folders. */
must_use enum error portal_open(struct portal *p, const struct portal_house *house,
                                const struct identities *ids);
/* New certificates: the first one signs Apple's profiles. Copies. */
void portal_identities(struct portal *p, const struct identities *ids);
/* For the listeners. */
struct http_listener *portal_secure(struct portal *p);
struct http_listener *portal_plain(struct portal *p);
/* What is due to leave: about every second, on a worker. */
void portal_tick(struct portal *p);
/* House-keeping, about every minute, on a worker. */
void portal_tend(struct portal *p);
/* After the runtime ended. NULL is allowed. */
void portal_close(struct portal *p);

#endif
