/* Between the files of publish/. */
#ifndef DEPESCHE_PUBLISH_PUBLISH_PRIVATE_H
#define DEPESCHE_PUBLISH_PUBLISH_PRIVATE_H

#include "base/buf.h"
#include "base/limits.h"
#include "publish/publish.h"

struct x509_st;
struct evp_pkey_st;

/* --- identity.c --- */

/* The room for a file name, and how long one may be that something is appended to. */
enum { PUBLISH_PATH = 1200, PUBLISH_PATH_MOST = PUBLISH_PATH - 16 };
/* NULL: it is none. */
struct x509_st *publish_read_certificate(struct slice pem);
struct evp_pkey_st *publish_read_key(struct slice pem);
void publish_hex(struct slice bytes, char *out /* 2 * n + 1 */);
must_use enum error publish_read_file(const char *path, struct buf *out, char why[CONFIG_WHY]);
/* KEY.next and what follows. */
void publish_next_path(const char *key, const char *more, char out[PUBLISH_PATH]);

/* --- records.c --- */

/* The host's own records, whichever zone it is in. */
must_use enum error publish_host_records(const struct publish_input *in, struct arena *a,
                                         struct publish_record **out, size_t *n);
/* The domain's, without the host's. */
must_use enum error publish_domain_records(const struct publish_input *in, struct arena *a,
                                           struct publish_record **out, size_t *n);
/* Of these only those of the next DKIM keys. */
must_use enum error publish_next_dkim_records(const struct publish_input *in, struct arena *a,
                                              struct publish_record **out, size_t *n);

/* --- judge.c: what TXT records say; untrusted text --- */

/* The value of a "tag=value;" list, as DKIM and DMARC have them; empty when there is none. */
struct slice publish_tag(struct slice text, struct slice tag);
/* Does the record let this host send, refuse others, and cost at most 10 look-ups (RFC 7208)? NULL,
 * or what is wrong. */
const char *publish_judge_spf(struct slice text, struct slice host, const struct ip *ip, size_t n);
/* NULL, or what is wrong with a DMARC record. */
const char *publish_judge_dmarc(struct slice text);

/* --- probe.c --- */

struct tls_client;
struct tls_wish;
struct tls_outcome;
/* Connects to the service at `to` and starts TLS as its protocol wants it. False: no TLS, and `why`
 * says how far it came. */
must_use bool publish_probe(enum config_service service, const struct config_endpoint *to,
                            const char *host, struct tls_client *client,
                            const struct tls_wish *wish, struct tls_outcome *out, char why[200]);

/* --- look.c: what is asked and answered --- */

struct question {
    enum publish_question what;
    const struct config *config;
    struct slice domain; /* of PUBLISH_DOMAIN, in A-labels */
    struct slice *ours;  /* hashes of all keys that are here or come next */
    size_t n_ours;
    const struct publish_record *record; /* what should be; none is a hint */
    size_t n_records;
};
enum { PUBLISH_WHY = 200 };
struct tlsa_answer { /* of the host's TLSA records; slices into the answer */
    struct slice why;
    bool told; /* false: `why` */
    bool secure;
    uint32_t ttl;
    struct slice hash[LIMIT_PUBLISH_TLSA]; /* of 3 1 1, 32 bytes each */
    size_t n;
};
must_use enum error publish_read_seen(struct slice answer, struct tlsa_answer *out);

/* --- check.c, host.c: the looking --- */

must_use enum error publish_check_records(const struct question *q, struct dns *dns,
                                          struct arena *a, struct publish_finding **out, size_t *n);
must_use enum error publish_check_host(const struct question *q, struct dns *dns,
                                       struct slice authorities, struct arena *a,
                                       struct publish_finding **out, size_t *n);

struct findings {
    struct arena *a;
    struct buf list;  /* struct publish_finding each */
    int64_t deadline; /* of all look-ups (clock_ms()); what comes later is unknown */
};
void findings_init(struct findings *f, struct arena *a);
void findings_add(struct findings *f, struct publish_finding x);
/* Copies the list to the arena, frees the rest. */
must_use enum error findings_take(struct findings *f, struct publish_finding **out, size_t *n);
/* Looks every record up and compares. */
void publish_compare(struct findings *f, struct dns *dns, const struct question *q);

#endif
