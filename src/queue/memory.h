/* What is remembered of destinations, in policy.db (SQLite, WAL, beside the directory): MTA-STS
 * policies, the ratchet, the operator's own lines, and the tallies for TLS reports. Several
 * processes may have it open: `mail` serves from it, commands read and change it. Read through a
 * cache in memory: asking costs no database while nothing changed. Thread-safe. */
#ifndef DEPESCHE_QUEUE_MEMORY_H
#define DEPESCHE_QUEUE_MEMORY_H

#include "handover/relay.h"
#include "queue/providers.h"

struct memory;

must_use enum error memory_open(const char *path, struct memory **out);
void memory_close(struct memory *m);

/* --- The operator's lines: they replace the list's line for that domain --- */

struct memory_line {
    struct slice domain;
    enum demand demand;
    struct slice mx_names; /* patterns separated by blanks */
};
/* ERR_INPUT: not a domain, or a bad pattern; verify needs at least one name or DANE/MTA-STS to
 * succeed, which is not checked here. DEMAND_NOTHING lifts the list's line. */
must_use enum error memory_line_set(struct memory *m, struct slice domain, enum demand demand,
                                    struct slice mx_names);
must_use enum error memory_line_remove(struct memory *m, struct slice domain);
must_use enum error memory_line_list(struct memory *m, struct arena *a, struct memory_line **out,
                                     size_t *n);

/* --- The ratchet --- */

struct memory_ratchet {
    enum security best; /* strongest authenticated security reached; SECURITY_NONE: never one */
    int64_t best_at;
    int64_t tls_at; /* last reached by TLS; 0: never */
};
/* SECURITY_NONE in `best` when nothing is known. */
void memory_ratchet(struct memory *m, struct slice domain, struct memory_ratchet *out);
/* Remembers what was reached: writes only when it is stronger than before, or the time of TLS is a
 * day old. */
void memory_reached(struct memory *m, struct slice domain, enum security s, int64_t now);
/* The operator's word: forgets. ERR_NOTFOUND: there was nothing. */
must_use enum error memory_allow_weaker(struct memory *m, struct slice domain);

/* --- MTA-STS --- */

/* policy empty: none is known. Slices in `a`. */
void memory_sts(struct memory *m, struct slice domain, struct arena *a, struct relay_sts *out);
void memory_sts_set(struct memory *m, struct slice domain, const struct relay_sts *sts);

/* --- What applies to a domain --- */

struct memory_demand {
    enum demand demand;
    enum demand_source source;
    struct slice mx_names; /* in `a` */
};
/* The strictest of the setting, list or operator's line, and ratchet. */
void memory_demand(struct memory *m, const struct providers *list, struct slice domain,
                   bool clear_allowed, int64_t now, struct arena *a, struct memory_demand *out);

/* --- Tallies for TLS reports (RFC 8460), by day (UTC) and domain --- */

void memory_tally(struct memory *m, struct slice domain, struct slice rua, int64_t now,
                  const struct relay_tls_event *events, size_t n);
struct memory_report {
    int64_t day; /* start of the day, wall seconds */
    struct slice domain, rua;
};
/* Days that ended before `now` and were not reported; oldest first, at most `max`. */
must_use enum error memory_reports_due(struct memory *m, int64_t now, size_t max, struct arena *a,
                                       struct memory_report **out, size_t *n);
struct memory_tally {
    enum tlsrpt_policy policy;
    struct slice policy_text, mx_host, mx_pattern;
    enum tlsrpt_result result;
    struct ip peer, source;
    uint64_t sessions;
};
must_use enum error memory_tallies(struct memory *m, int64_t day, struct slice domain,
                                   struct arena *a, struct memory_tally **out, size_t *n);
/* It is in the queue, or nobody wants it: forgets the tallies. */
must_use enum error memory_reported(struct memory *m, int64_t day, struct slice domain);

/* Integrity, for `depesche doctor`. */
must_use enum error memory_check(struct memory *m, void (*report)(void *arg, const char *line),
                                 void *arg, unsigned *bad);
/* Expired policies, ratchet times and old tallies go; about every hour. */
void memory_tend(struct memory *m, int64_t now);

#endif
