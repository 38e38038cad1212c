/* HTTPS as a client, by libcurl: for MTA-STS policies and TLS reports. PKIX against the authorities
 * given, TLS 1.2 or later, no redirects, no cookies, no proxy, no other scheme. The URL is a
 * stranger's: it leads to public addresses only, unless told else. Addresses come from dns.h, never
 * from the system's resolver. */
#ifndef DEPESCHE_NET_HTTPS_H
#define DEPESCHE_NET_HTTPS_H

#include "base/buf.h"
#include "net/dns.h"
#include "net/security.h"
#include "net/tls.h"

/* Once a process, before a sandbox and before threads: afterwards https_do() opens no file. SIGPIPE
 * is ignored from here on. */
must_use enum error https_prepare(void);

struct https_request {
    struct slice url; /* "https://host[:port]/path" */
    struct dns *dns;
    struct slice ca_pem;         /* authorities; kept by the caller meanwhile */
    struct slice body;           /* POST when there is one, else GET */
    const char *type, *encoding; /* of the body: Content-Type, Content-Encoding; may be NULL */
    uint16_t port;               /* instead of 443; 0: what the URL says */
    enum tls_profile profile;
    bool inside;    /* addresses that are not public may be reached, too */
    int timeout_ms; /* of the whole */
};
struct https_answer {
    long status; /* 200, 404, ... */
    char content_type[128];
    enum problem problem; /* when the call failed: DNS, CONNECT, TIMEOUT, CERT_*, HANDSHAKE, HTTP */
    char detail[200];
};
/* OK: an answer came, whatever its status; its body is in *out, whose limit bounds it. Else
 * answer->problem and detail tell: ERR_INPUT (the URL), ERR_LIMIT (a body over the limit),
 * ERR_TIMEOUT, ERR_IO. `dns` may be NULL when the URL's host is an address. dial_stop_all() ends it
 * too, within a second. */
must_use enum error https_do(const struct https_request *rq, struct https_answer *answer,
                             struct buf *out);

#endif
