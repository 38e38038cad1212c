/* MTA-STS: asking for a domain's policy, by DNS and HTTPS, with what is cached already. (RFC 8461
 * 3.3, 5.1) */
#include "base/clock.h"
#include "base/hash.h"
#include "net/https.h"
#include "outbound/sts.h"
#include <pthread.h>
#include <stdio.h>

/* Fetches that failed, so that a policy host that is down is not asked again for each message
 * (RFC 8461 3.3). A slot is overwritten by the next failure that falls on it. */
#define FAILED_SLOTS 256
static struct {
    pthread_mutex_t lock;
    struct {
        uint64_t what; /* hash of domain and id */
        int64_t until; /* clock_ms() */
    } slot[FAILED_SLOTS];
} failed = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t fetch_key(struct slice domain, struct slice id)
{
    return hash_u64(hash_bytes(domain)) ^ hash_bytes(id);
}

static bool failed_lately(uint64_t key)
{
    pthread_mutex_lock(&failed.lock);
    bool yes = failed.slot[key % FAILED_SLOTS].what == key &&
               failed.slot[key % FAILED_SLOTS].until > clock_ms();
    pthread_mutex_unlock(&failed.lock);
    return yes;
}

static void remember_failure(uint64_t key)
{
    pthread_mutex_lock(&failed.lock);
    failed.slot[key % FAILED_SLOTS].what = key;
    failed.slot[key % FAILED_SLOTS].until = clock_ms() + LIMIT_STS_AGAIN_MS;
    pthread_mutex_unlock(&failed.lock);
}

/* What the DNS says of the domain: it announces a policy, it does not, or nobody knows. */
enum announced { ANNOUNCED, NOT_ANNOUNCED, UNKNOWN };

/* Records of other kinds beside it do not count; two of this kind are as good as none (3.1). */
static enum announced find_id(const struct outbound_options *o, struct slice domain,
                              int64_t deadline, struct arena *a, struct slice *id)
{
    struct dns_answer answer;
    unsigned n = 0;
    struct slice name = arena_printf(a, "_mta-sts.%.*s", SLICE_FMT(domain));
    dns_lookup(o->dns, name, DNS_TXT, deadline, a, &answer);
    if (answer.status == DNS_BOGUS || answer.status == DNS_FAILED)
        return UNKNOWN;
    for (size_t i = 0; answer.status == DNS_OK && i < answer.n; i++) {
        struct slice txt;
        if (dns_read_txt(answer.record[i], a, &txt) == OK && sts_record_id(txt, id) == OK)
            n++;
    }
    return n == 1 ? ANNOUNCED : NOT_ANNOUNCED;
}

/* RFC 8461 3.2: so that no picture or page somebody put there counts. */
static bool is_plain_text(const char *type)
{
    struct slice s = slice_str(type);
    return slice_istarts(s, SLICE("text/plain")) && (s.n == 10 || s.p[10] == ';' || s.p[10] == ' ');
}

static void fetch_failed(struct sts_found *out, enum tlsrpt_result result, const char *why)
{
    out->problem = PROBLEM_STS_POLICY;
    out->result = result;
    snprintf(out->detail, sizeof out->detail, "%s", why);
}

static enum tlsrpt_result fetch_result(enum problem p)
{
    switch (p) {
    case PROBLEM_CERT_UNTRUSTED:
    case PROBLEM_CERT_EXPIRED:
    case PROBLEM_CERT_NAME:
    case PROBLEM_CERT_BAD:
        return TLSRPT_STS_WEBPKI_INVALID;
    default:
        return TLSRPT_STS_POLICY_FETCH_ERROR;
    }
}

static bool fetch(const struct outbound_options *o, struct slice domain, struct slice id,
                  int64_t deadline, struct arena *a, struct sts_found *out)
{
    autobuf body = BUF_INIT(LIMIT_STS_POLICY);
    struct https_answer answer = {0};
    struct sts_policy policy;
    int64_t left = deadline ? deadline - clock_ms() : LIMIT_STS_FETCH_MS;
    struct https_request rq = {
        .url = arena_printf(a, "https://mta-sts.%.*s/.well-known/mta-sts.txt", SLICE_FMT(domain)),
        .dns = o->dns,
        .ca_pem = o->ca_pem,
        .profile = o->profile,
        .inside = o->https_inside,
        .port = o->https_port,
        .timeout_ms = left < LIMIT_STS_FETCH_MS ? (int)left : LIMIT_STS_FETCH_MS,
    };
    enum error e = left > 0 ? https_do(&rq, &answer, &body) : ERR_TIMEOUT;
    if (e == ERR_LIMIT) {
        fetch_failed(out, TLSRPT_STS_POLICY_INVALID, "the policy file is too long");
    } else if (e != OK) {
        fetch_failed(out, fetch_result(answer.problem),
                     answer.detail[0] ? answer.detail : "no answer in time");
    } else if (answer.status != 200) {
        fetch_failed(out, TLSRPT_STS_POLICY_FETCH_ERROR, "");
        snprintf(out->detail, sizeof out->detail, "HTTP status %ld", answer.status);
    } else if (!is_plain_text(answer.content_type)) {
        fetch_failed(out, TLSRPT_STS_POLICY_INVALID, "the policy file is not text/plain");
    } else if (sts_policy_read(buf_slice(&body), &policy) != OK) {
        fetch_failed(out, TLSRPT_STS_POLICY_INVALID, "the policy file is malformed");
    } else {
        out->sts.id = id;
        out->sts.policy = arena_dup(a, buf_slice(&body));
        out->sts.expires = clock_wall() + (int64_t)policy.max_age;
        out->changed = true;
        return true;
    }
    return false;
}

/* A policy lives for weeks; one that is a day old, or past half of its life, is asked for anew
 * while it still holds (RFC 8461 10.2). */
static bool is_fresh(const struct relay_sts *sts)
{
    struct sts_policy policy;
    if (sts_policy_read(sts->policy, &policy) != OK)
        return false;
    int64_t age = clock_wall() - (sts->expires - (int64_t)policy.max_age);
    return age < LIMIT_STS_REFRESH && age <= (int64_t)policy.max_age / 2;
}

void sts_find(const struct outbound_options *o, struct slice domain, const struct relay_sts *cached,
              int64_t deadline, struct arena *a, struct sts_found *out)
{
    struct slice id;
    *out = (struct sts_found){0};
    bool holds = cached->policy.n && cached->expires > clock_wall();
    if (holds)
        out->sts = *cached;
    enum announced announced = find_id(o, domain, deadline, a, &id);
    if (announced == NOT_ANNOUNCED)
        out->changed = cached->policy.n && !holds;
    if (announced != ANNOUNCED || (holds && slice_eq(id, cached->id) && is_fresh(cached)))
        return;
    uint64_t key = fetch_key(domain, id);
    if (failed_lately(key))
        fetch_failed(out, TLSRPT_STS_POLICY_FETCH_ERROR,
                     "failed some minutes ago, not asked again");
    else if (!fetch(o, domain, id, deadline, a, out))
        remember_failure(key);
}
