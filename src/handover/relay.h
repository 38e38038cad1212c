/* What `mail` hands to `edge` to be sent, and what `edge` answers: one message for some recipients
 * behind one next hop, one result for each of them. Written and read as bytes (relay_record.c):
 * what is read came from the other process and is checked, counted and bounded. */
#ifndef DEPESCHE_HANDOVER_RELAY_H
#define DEPESCHE_HANDOVER_RELAY_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/address.h"
#include "net/security.h"

enum relay_kind {
    RELAY_SMTP,
    RELAY_HTTPS, /* a TLS report to an https: address (RFC 8460 5.4); the body alone is sent */
    /* Nothing is sent: how would it travel? DELIVERED says that it would, to `host`, with at least
     * `security` (CLEAR: encrypted only if the other side offers it); else the problem says why
     * not. */
    RELAY_LOOK,
};

struct relay_recipient {
    struct slice address; /* domain in A-labels unless smtputf8 needs it else */
    struct slice orcpt;
    uint8_t notify;
};

/* An MTA-STS policy as the cache of `mail` knows it, or as `edge` fetched it. */
struct relay_sts {
    struct slice id, policy; /* policy: the file as fetched; empty: none is known */
    int64_t expires;         /* wall seconds: fetched + max_age */
};

struct relay_request {
    uint64_t id; /* of the queue entry: for edge's log lines */
    enum relay_kind kind;
    struct slice
        domain; /* of the recipients, A-labels, lower case; or "[192.0.2.1]". RELAY_HTTPS: URL */
    /* Where to: empty host: the MX of `domain`. Else this host's addresses (smart host, transport).
     */
    struct slice host;
    uint16_t port;
    struct slice login, password; /* for AUTH at `host`; empty: none. Never logged. */
    enum demand demand;
    enum demand_source source; /* of the demand */
    struct slice mx_names;     /* for DEMAND_VERIFY: patterns separated by blanks; may be empty */
    bool clear_allowed;        /* false: sending.clear_text = no */
    bool tls_optional;         /* TLS-Required: No (RFC 8689 4): DANE and MTA-STS may fail */
    bool require_tls;          /* REQUIRETLS */
    struct relay_sts sts;
    struct slice sender, envid; /* sender empty: <> */
    uint8_t ret;
    bool smtputf8, eight_bit;
    uint64_t size; /* of the message */
    const struct relay_recipient *recipient;
    size_t n_recipients; /* at most LIMIT_RELAY_RECIPIENTS */
};
/* Does REQUIRETLS bind? A bounce asks for it where it is to be had, and is rather sent without than
 * lost (RFC 8689 5). */
static inline bool relay_insists(const struct relay_request *r)
{
    return r->require_tls && r->sender.n > 0;
}

enum relay_outcome {
    RELAY_TEMPORARY, /* zero: what nobody decided is tried again */
    RELAY_DELIVERED,
    RELAY_PERMANENT,
};

struct relay_outcome_of { /* one a recipient, in the request's order */
    enum relay_outcome outcome;
    enum problem problem; /* PROBLEM_NONE when delivered */
    uint16_t code;        /* SMTP reply, 0: none came */
    char status[12];      /* "5.1.1", as answered or made from the code or problem; never empty */
    struct slice answer;  /* the reply's text on one line, UTF-8 without controls, bounded by
                             LIMIT_RELAY_ANSWER; empty: none */
};

/* One host that was tried, for `queue why`. */
struct relay_try {
    struct slice host;      /* MX host; for what concerns the domain before any host: empty */
    struct ip ip;           /* all zero: none */
    enum security security; /* reached */
    enum problem problem;   /* NONE: the message was handed over there */
    struct slice detail;    /* one line more, for engineers; may be empty */
};

/* What a TLS report counts (RFC 8460 4.3): one a session. */
enum tlsrpt_policy { TLSRPT_NO_POLICY, TLSRPT_TLSA, TLSRPT_STS };
enum tlsrpt_result {
    TLSRPT_SUCCESS,
    TLSRPT_STARTTLS_NOT_SUPPORTED,
    TLSRPT_CERTIFICATE_HOST_MISMATCH,
    TLSRPT_CERTIFICATE_EXPIRED,
    TLSRPT_CERTIFICATE_NOT_TRUSTED,
    TLSRPT_VALIDATION_FAILURE,
    TLSRPT_TLSA_INVALID,
    TLSRPT_DNSSEC_INVALID,
    TLSRPT_DANE_REQUIRED,
    TLSRPT_STS_POLICY_FETCH_ERROR,
    TLSRPT_STS_POLICY_INVALID,
    TLSRPT_STS_WEBPKI_INVALID,
    TLSRPT_RESULT_COUNT,
};
struct relay_tls_event {
    enum tlsrpt_policy policy;
    enum tlsrpt_result result;
    struct slice policy_text; /* lines of the policy (TLSA records, STS file); may be empty */
    struct slice mx_host, mx_pattern;
    struct ip peer, source;
};

struct relay_result {
    const struct relay_outcome_of *recipient;
    size_t n_recipients;
    /* The connection that took it, or the best that was tried. */
    struct slice host;
    struct ip ip;
    enum security security;
    struct slice tls_version, tls_cipher;
    bool remote_dsn; /* it has DSN: reports of success come from there */
    const struct relay_try *tries;
    size_t n_tries; /* at most LIMIT_RELAY_TRIES */
    /* A policy fetched anew; changed false: keep what you have. changed with an empty policy: the
     * domain has none any more. */
    bool sts_changed;
    struct relay_sts sts;
    struct slice
        rua; /* TLSRPT: addresses of the domain's record, separated by blanks; empty: none */
    const struct relay_tls_event *event;
    size_t n_events; /* at most LIMIT_RELAY_EVENTS */
    /* Nobody was reached at all: whatever waits for this next hop may wait. */
    bool next_hop_failed;
};

/* Names of RFC 8460: "starttls-not-supported"; "tlsa", "sts", "no-policy-found". */
const char *tlsrpt_result_word(enum tlsrpt_result r);
const char *tlsrpt_policy_word(enum tlsrpt_policy p);

void relay_write_request(const struct relay_request *r, struct buf *out);
/* Arrays in `a`, slices into `bytes`. ERR_INPUT, ERR_LIMIT. */
must_use enum error relay_read_request(struct arena *a, struct slice bytes,
                                       struct relay_request *out);
void relay_write_result(const struct relay_result *r, struct buf *out);
must_use enum error relay_read_result(struct arena *a, struct slice bytes,
                                      struct relay_result *out);

/* The same form, for the store: the tries of a recipient's last attempt with what was reached. */
struct relay_trail {
    int64_t at; /* wall seconds */
    enum problem problem;
    enum security security;
    struct slice host, tls_version, tls_cipher;
    enum demand demand;
    enum demand_source source;
    const struct relay_try *tries;
    size_t n_tries;
};
void relay_write_trail(const struct relay_trail *t, struct buf *out);
/* Empty bytes give an empty trail (at 0). ERR_INPUT: broken. */
must_use enum error relay_read_trail(struct arena *a, struct slice bytes, struct relay_trail *out);

#endif
