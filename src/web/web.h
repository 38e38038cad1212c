/* The web: everything a user meets over HTTP. Routes (routes.c):
 *
 *   /                                   server-details page; a browser that is logged in: /mail/
 *   /mail/                              the webmail; /assets/NAME.HASH.EXT its files, immutable
 *   /mail/frame, /mail/frame-remote     the empty documents in which mail is shown (own CSP)
 *   /mail/login, /mail/logout           POST: web sessions
 *   /mail/export                        GET: the whole account as a zip
 *   /api/password                       POST: password change for other webmail programs
 *   /.well-known/jmap, /jmap/...        JMAP: session, api, upload, download, events
 *   /mail/config-v1.1.xml, /.well-known/autoconfig/mail/config-v1.1.xml, /.well-known/mail-v1.xml
 *   /autodiscover/autodiscover.xml, .json   Outlook
 *   /apple.mobileconfig                 Apple; /apple.svg the QR code that leads to it
 *   /.well-known/mta-sts.txt            our own MTA-STS policy, at mta-sts.DOMAIN
 *   /.well-known/acme-challenge/        files of DATA/acme (port 80 too)
 *
 * Port 80 redirects to HTTPS, but for autoconfig, ACME and the redirect that Outlook asks for. */
#ifndef DEPESCHE_WEB_WEB_H
#define DEPESCHE_WEB_WEB_H

#include "auth/web_session.h"
#include "config/config.h"
#include "jmap/jmap.h"
#include "queue/providers.h"
#include "web/http.h"
#include <pthread.h>

struct web_service {
    const struct config *config;
    struct login *login;
    struct guard *guard;
    struct directory *directory;
    struct web_sessions *sessions;
    struct jmap_service *jmap;
    const struct providers *providers; /* the required-TLS list */
    struct slice imprint;              /* UTF-8 text of web.imprint; may be empty */
    char *acme;                        /* the folder whose files answer ACME challenges */
    /* PEM of the certificate and key that sign Apple profiles. Replaced when the certificates are,
     * under the lock. May be empty: then profiles are not signed. */
    pthread_mutex_t signer_lock;
    struct buf signer_chain, signer_key;
};

/* For http_listener: HTTPS, and port 80. The service is a struct web_service. */
extern const struct http_routes web_routes;
extern const struct http_routes web_plain_routes;
bool web_is_proxy(void *service, struct ip peer);

#endif
