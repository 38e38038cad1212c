/* What is remembered of destinations, in policy.db (SQLite, WAL, beside the directory): MTA-STS
 * policies, the ratchet, the operator's own lines, and the tallies for TLS reports. Several
 * processes may have it open: `mail` serves from it, commands read and change it, and what they
 * change `mail` knows within milliseconds. Read through a cache of LIMIT_MEMORY_DOMAINS: asking
 * costs no database while nothing changed. Thread-safe.
 *
 * Domains are lower case A-labels (or "[192.0.2.1]"); where a person names one, any form of it. */
#ifndef DEPESCHE_QUEUE_MEMORY_H
#define DEPESCHE_QUEUE_MEMORY_H

#include "handover/relay.h"
#include "queue/providers.h"

struct memory;

/* path: policy.db; made when it is not there (mode 0600). ERR_CONFLICT: of a newer version. */
must_use enum error memory_open(const char *path, struct memory **out);
/* NULL is allowed. */
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
/* ERR_INPUT; ERR_NOTFOUND: there is none. */
must_use enum error memory_line_remove(struct memory *m, struct slice domain);
/* By domain; all in `a`. */
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
/* The operator's word: forgets. Without it a destination that was reached authenticated is never
 * tried more weakly, even when it took its DANE records or its policy away on purpose. ERR_INPUT;
 * ERR_NOTFOUND: there was nothing. */
must_use enum error memory_allow_weaker(struct memory *m, struct slice domain);

/* --- MTA-STS --- */

/* policy empty: none is known. May have expired: whoever uses it looks. Slices in `a`. */
void memory_sts(struct memory *m, struct slice domain, struct arena *a, struct relay_sts *out);
/* An empty policy: the domain has none any more. */
void memory_sts_set(struct memory *m, struct slice domain, const struct relay_sts *sts);

/* --- What applies to a domain --- */

struct memory_demand {
    enum demand demand;
    enum demand_source source;
    struct slice mx_names; /* in `a` */
};
/* The strictest of the setting, list or operator's line, and ratchet. `list` may be NULL. An error
 * (the database cannot be read): nothing may be sent there now, for nobody knows how. */
must_use enum error memory_demand(struct memory *m, const struct providers *list,
                                  struct slice domain, bool clear_allowed, int64_t now,
                                  struct arena *a, struct memory_demand *out);

/* The same for mail that goes by a smart host or transport: what the list or the operator demands
 * of the domain is demanded of that host. The ratchet and the domain's own records speak of other
 * servers. */
struct memory_way {
    struct slice host;
    bool login, clear_allowed;
};
must_use enum error memory_demand_via(struct memory *m, const struct providers *list,
                                      struct slice domain, const struct memory_way *way,
                                      struct arena *a, struct memory_demand *out);

/* --- Tallies for TLS reports (RFC 8460), by day (UTC) and domain --- */

/* Counts sessions; not when nobody wants a report (rua empty). In memory first: a crash may lose
 * the counts of the last LIMIT_TALLY_FLUSH_SECONDS. A day has at most LIMIT_TALLY_ROWS rows of a
 * domain that name hosts, policy texts are cut after LIMIT_TALLY_TEXT bytes. */
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

/* Integrity, for `depesche doctor`. *bad: the lines reported. */
must_use enum error memory_check(struct memory *m, void (*report)(void *arg, const char *line),
                                 void *arg, unsigned *bad);
/* Expired policies, ratchet times and old tallies go; about every hour. */
void memory_tend(struct memory *m, int64_t now);

#endif
