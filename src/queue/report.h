/* Our TLS reports to other domains (RFC 8460): JSON of a day's tallies, gzipped, wrapped as mail;
 * and reading those that others send to us. */
#ifndef DEPESCHE_QUEUE_REPORT_H
#define DEPESCHE_QUEUE_REPORT_H

#include "queue/memory.h"

struct tls_report {
    const char *host;     /* who reports: organization-name, and the submitter */
    struct slice contact; /* mail address */
    struct slice domain;  /* reported about */
    int64_t day;
    const struct memory_tally *tally; /* as memory_tallies() gives them: by policy */
    size_t n;
};
/* The JSON text (RFC 8460 4). ERR_LIMIT: more than *out takes. */
must_use enum error tls_report_json(const struct tls_report *r, struct buf *out);
must_use enum error tls_report_gzip(struct slice json, struct buf *out);
/* The address of a "mailto:" URI (RFC 6068), as a record for reports has it; in `a`. ERR_INPUT: not
 * such a URI, or not an address. */
must_use enum error tls_report_address(struct arena *a, struct slice uri, struct slice *out);
/* A message with the gzipped report for one such address (RFC 8460 5.3); it asks to be delivered
 * even where TLS fails, which it may have to tell (RFC 8460 3, RFC 8689 5). Appends to *out.
 * ERR_LIMIT. */
must_use enum error tls_report_mail(const struct tls_report *r, struct slice to, int64_t now,
                                    struct slice gzip, struct buf *out);

/* --- Reading others' reports about us --- */

/* One for a policy, with the sums of its sessions and an empty `result`; behind it one for each of
 * its failure details. Texts are UTF-8 without controls and not longer than LIMIT_TLSRPT_TEXT. */
struct tls_report_line {
    struct slice policy, policy_domain, result, mx, peer, detail;
    uint64_t success, failure; /* sessions */
};
struct tls_report_in {
    struct slice organization, id, contact;
    int64_t begin, end; /* wall seconds; 0: not told */
    struct tls_report_line *line;
    size_t n;
};
/* From a message with a report as its attachment (application/tlsrpt+gzip or +json), or the JSON
 * itself. Hostile: sizes bounded (LIMIT_TLSRPT bytes unpacked, LIMIT_TLSRPT_VALUES,
 * LIMIT_TLSRPT_DEPTH, LIMIT_TLSRPT_LINES). ERR_NOTFOUND: no report in it; ERR_INPUT: broken;
 * ERR_LIMIT. All in `a`. */
must_use enum error tls_report_of_message(struct arena *a, struct slice raw,
                                          struct tls_report_in *out);
must_use enum error tls_report_of_json(struct arena *a, struct slice json,
                                       struct tls_report_in *out);

#endif
