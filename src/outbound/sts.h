/* MTA-STS (RFC 8461): the record that announces a policy, the policy file, and fetching it. The
 * parsers are pure and take hostile bytes. */
#ifndef DEPESCHE_OUTBOUND_STS_H
#define DEPESCHE_OUTBOUND_STS_H

#include "base/limits.h"
#include "outbound/outbound.h"

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age;              /* seconds, at most LIMIT_STS_MAX_AGE */
    struct slice mx[LIMIT_STS_MX]; /* patterns, lower case is not made: compare without case */
    size_t n_mx;
};

/* The id of a `_mta-sts` TXT record: "v=STSv1; id=20260101T000000;". ERR_INPUT: not such a record.
 */
must_use enum error sts_record_id(struct slice txt, struct slice *id);
/* The file (RFC 8461 3.2): strict in what it must have, unknown fields are skipped, LF or CRLF.
 * ERR_INPUT: no version, no mode, no max_age, no mx where the mode needs one, a bad pattern;
 * ERR_LIMIT: more than LIMIT_STS_MX patterns or LIMIT_STS_POLICY bytes. Slices into `file`. */
must_use enum error sts_policy_read(struct slice file, struct sts_policy *out);
/* Does a pattern name this host? "*.example.net" stands for exactly one label in front. */
bool sts_match(struct slice pattern, struct slice host);
bool sts_names(const struct sts_policy *p, struct slice host);

/* What is known of a domain after asking: the cached policy when it is good still and the record's
 * id is the same, else the file fetched anew from https://mta-sts.DOMAIN/.well-known/mta-sts.txt.
 * A cached policy that has not expired stays in force when record or file cannot be had (RFC 8461
 * 3.3, 5.1). */
struct sts_found {
    struct relay_sts sts;      /* policy empty: none */
    bool changed;              /* differs from what was cached */
    enum problem problem;      /* PROBLEM_STS_POLICY: announced, but not to be had or broken */
    enum tlsrpt_result result; /* for the report in that case */
    char detail[200];
};
void sts_find(const struct outbound_options *o, struct slice domain, const struct relay_sts *cached,
              int64_t deadline, struct arena *a, struct sts_found *out);

/* "rua" addresses of a `_smtp._tls` TXT record (RFC 8460 3), mailto: and https: only, separated by
 * blanks; empty when it is none. */
struct slice tlsrpt_rua(struct slice txt, struct arena *a);

#endif
