/* What became of the recipients: failures to outcomes and status codes (RFC 3463, 7504, 7505,
 * 8689), and one log line for each. */
#include "base/log.h"
#include "base/mem.h"
#include "outbound/outbound_private.h"
#include <stdio.h>

/* Class and detail of a problem that no server's reply describes. */
static const char *detail_of(enum problem p)
{
    switch (p) {
    case PROBLEM_NO_DOMAIN:
        return "1.2";
    case PROBLEM_NULL_MX:
        return "1.10";
    case PROBLEM_NO_HOST:
        return "4.4";
    case PROBLEM_DNS:
    case PROBLEM_BOGUS:
        return "4.3";
    case PROBLEM_LOOP:
        return "4.6";
    case PROBLEM_CONNECT:
    case PROBLEM_TIMEOUT:
        return "4.1";
    case PROBLEM_LOST:
    case PROBLEM_LOST_AT_END:
        return "4.2";
    case PROBLEM_SYNTAX:
    case PROBLEM_INJECTION:
        return "5.0";
    case PROBLEM_NO_TLS:
    case PROBLEM_TLS_REFUSED:
        return "7.10";
    case PROBLEM_HANDSHAKE:
    case PROBLEM_CERT_UNTRUSTED:
    case PROBLEM_CERT_EXPIRED:
    case PROBLEM_CERT_NAME:
    case PROBLEM_CERT_BAD:
    case PROBLEM_DANE_MISMATCH:
    case PROBLEM_DANE_LOOKUP:
    case PROBLEM_DANE_MISSING:
    case PROBLEM_DANE_UNUSABLE:
    case PROBLEM_NO_VALIDATION:
    case PROBLEM_STS_HOST:
    case PROBLEM_STS_POLICY:
    case PROBLEM_LIST_HOST:
        return "7.5";
    case PROBLEM_TOO_WEAK:
    case PROBLEM_NO_REQUIRETLS:
        return "7.30";
    case PROBLEM_LOGIN:
        return "7.8";
    case PROBLEM_BUSY:
        return "3.2";
    default:
        return "0.0";
    }
}

void failure_outcome(const struct failure *f, struct relay_outcome_of *out)
{
    *out = (struct relay_outcome_of){
        .outcome = f->permanent ? RELAY_PERMANENT : RELAY_TEMPORARY,
        .problem = f->problem,
        .code = f->code,
        /* Without a code the text is ours, not the server's: it is told with the try. */
        .answer = f->code ? slice_sub(f->text, 0, LIMIT_RELAY_ANSWER) : SLICE_NONE,
    };
    if (f->status && f->status[0])
        snprintf(out->status, sizeof out->status, "%s", f->status);
    else
        snprintf(out->status, sizeof out->status, "%c.%s", f->permanent ? '5' : '4',
                 detail_of(f->problem));
}

static int rank(enum problem p)
{
    switch (p) {
    case PROBLEM_DNS:
    case PROBLEM_NO_HOST:
    case PROBLEM_CONNECT:
    case PROBLEM_BUSY:
        return 0;
    case PROBLEM_TIMEOUT:
    case PROBLEM_LOST:
    case PROBLEM_SYNTAX:
        return 1;
    case PROBLEM_REFUSED:
    case PROBLEM_LOGIN:
        return 2;
    default:
        return 3;
    }
}

bool failure_outranks(const struct failure *b, const struct failure *a)
{
    return rank(b->problem) > rank(a->problem);
}

/* For engineers: the line that operators read is the queue's, once it is durable. */
void log_outcomes(const struct relay_request *rq, const struct relay_result *r)
{
    static const char *const event[] = {
        [RELAY_TEMPORARY] = "outbound.deferred",
        [RELAY_DELIVERED] = "outbound.delivered",
        [RELAY_PERMANENT] = "outbound.refused",
    };
    static const struct ip nowhere;
    char ip[IP_TEXT] = "";
    if (!ip_eq(r->ip, nowhere))
        ip_print(r->ip, ip);
    for (size_t i = 0; i < r->n_recipients; i++) {
        const struct relay_outcome_of *x = &r->recipient[i];
        log_debug(event[x->outcome], log_id("entry", rq->id),
                  log_slice("to", rq->recipient[i].address), log_slice("host", r->host),
                  log_text("ip", ip), log_text("security", security_word(r->security)),
                  log_slice("tls", r->tls_version), log_slice("cipher", r->tls_cipher),
                  log_text("problem", problem_word(x->problem)), log_u64("code", x->code),
                  log_text("status", x->status),
                  log_slice("answer", x->code == 0 && r->n_tries ? r->tries[r->n_tries - 1].detail
                                                                 : x->answer));
    }
}
