/* Making keys and certificates: the demo's own authority, and the self-signed certificate that a
 * new machine shows until it has a real one. ECDSA on P-256; PEM files. */
#ifndef DEPESCHE_CLI_CERTIFICATE_H
#define DEPESCHE_CLI_CERTIFICATE_H

#include "base/error.h"
#include "base/slice.h"
#include <stdint.h>

struct certificate_request {
    const char *common_name;
    const char *names;   /* subjectAltName as OpenSSL writes it: "DNS:a.example,IP:127.0.0.1" */
    const char *ca_path; /* signed by this authority (with ca_key_path); NULL: by itself */
    const char *ca_key_path;
    bool authority; /* it may sign others */
    unsigned days;
    const char *path, *key_path; /* the files to write; the key gets mode 0600 */
};
/* Errors are told on standard error. */
must_use bool certificate_make(const struct certificate_request *rq);

struct certificate_state {
    int64_t not_before, not_after; /* seconds since 1970 */
    bool self_signed, key_fits, names_host;
    char subject[256];
};
/* Looks at a chain's first certificate and its key. ERR_IO: a file cannot be read; ERR_INPUT: it is
 * not PEM of the kind expected. */
must_use enum error certificate_look(const char *path, const char *key_path, const char *host,
                                     struct certificate_state *out);

#endif
