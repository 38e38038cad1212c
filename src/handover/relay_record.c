/* Requests, results and trails as bytes. A request that is too long cannot be sent, so writing it
 * fails; of a result and a trail, whatever only explains is cut instead: that a message was
 * delivered must arrive in any case. What was written can always be read. */
#include "base/cursor.h"
#include "base/limits.h"
#include "handover/relay.h"

enum { FLAG_CLEAR = 1, FLAG_TLS_OPTIONAL = 2, FLAG_REQUIRE_TLS = 4, FLAG_UTF8 = 8, FLAG_8BIT = 16 };
enum { FLAGS_REQUEST = 31 };
enum { FLAG_REMOTE_DSN = 1, FLAG_STS_CHANGED = 2, FLAG_NEXT_HOP_FAILED = 4, FLAGS_RESULT = 7 };

#define NOTIFY_MAX  15
#define RET_MAX     2
#define CODE_MAX    999
#define TRAIL_FORM  1                  /* it is stored: another form gets another number */
#define DOMAIN_MAX  (LIMIT_DOMAIN + 2) /* "[...]" too */
#define ADDRESS_MAX (2 * LIMIT_ADDRESS)
#define TLS_MAX     LIMIT_DOMAIN

/* --- Words --- */

const char *tlsrpt_result_word(enum tlsrpt_result r)
{
    static const char *const words[TLSRPT_RESULT_COUNT] = {
        [TLSRPT_SUCCESS] = "success",
        [TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
        [TLSRPT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
        [TLSRPT_CERTIFICATE_EXPIRED] = "certificate-expired",
        [TLSRPT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
        [TLSRPT_VALIDATION_FAILURE] = "validation-failure",
        [TLSRPT_TLSA_INVALID] = "tlsa-invalid",
        [TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
        [TLSRPT_DANE_REQUIRED] = "dane-required",
        [TLSRPT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
        [TLSRPT_STS_POLICY_INVALID] = "sts-policy-invalid",
        [TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
    };
    return r < TLSRPT_RESULT_COUNT ? words[r] : "validation-failure";
}

const char *tlsrpt_policy_word(enum tlsrpt_policy p)
{
    return p == TLSRPT_TLSA ? "tlsa" : p == TLSRPT_STS ? "sts" : "no-policy-found";
}

/* --- Pieces --- */

static void put(struct buf *out, struct slice s, size_t max)
{
    if (s.n > max)
        out->failed = true;
    else
        buf_bytes(out, s);
}

/* Cuts between two characters. */
static void put_cut(struct buf *out, struct slice s, size_t max)
{
    if (s.n > max) {
        while (max > 0 && (s.p[max] & 0xc0) == 0x80)
            max--;
        s = slice_sub(s, 0, max);
    }
    buf_bytes(out, s);
}

/* Cuts where a whole word or line ends. */
static void put_cut_at(struct buf *out, struct slice s, size_t max, uint8_t separator)
{
    if (s.n > max) {
        s = slice_sub(s, 0, max);
        size_t end = slice_rindex(s, separator);
        s = slice_sub(s, 0, end < s.n ? end : 0);
    }
    buf_bytes(out, s);
}

static uint8_t flag(bool set, int value)
{
    return set ? (uint8_t)value : 0;
}

/* An enumeration's value, or flags: a byte below `count`. */
static uint8_t read_below(struct cursor *c, unsigned count)
{
    uint8_t v = cur_u8(c);
    if (v >= count)
        c->failed = true;
    return c->failed ? 0 : v;
}

static uint32_t read_most(struct cursor *c, uint32_t most)
{
    uint32_t v = cur_u32(c);
    if (v > most)
        c->failed = true;
    return c->failed ? 0 : v;
}

static void put_ip(struct buf *out, struct ip ip)
{
    buf_add(out, slice_of(ip.b, sizeof ip.b));
}

static struct ip read_ip(struct cursor *c)
{
    struct ip ip = {{0}};
    struct slice s = cur_take(c, sizeof ip.b);
    if (s.n == sizeof ip.b)
        memcpy(ip.b, s.p, s.n);
    return ip;
}

static void put_sts(struct buf *out, const struct relay_sts *s)
{
    put(out, s->id, LIMIT_STS_ID);
    put(out, s->policy, LIMIT_STS_POLICY);
    buf_u64(out, (uint64_t)s->expires);
}

static struct relay_sts read_sts(struct cursor *c)
{
    struct relay_sts s;
    s.id = cur_bytes(c, LIMIT_STS_ID);
    s.policy = cur_bytes(c, LIMIT_STS_POLICY);
    s.expires = (int64_t)cur_u64(c);
    return s;
}

/* Room for an array whose count was read; ERR_INPUT when something before it was wrong. */
static enum error room_for(struct arena *a, const struct cursor *c, uint32_t n, size_t size,
                           void **out)
{
    if (!cur_ok(c))
        return ERR_INPUT;
    *out = n > 0 ? arena_array(a, n, size) : NULL;
    return n > 0 && *out == NULL ? ERR_LIMIT : OK;
}

static enum error ended(const struct cursor *c)
{
    return cur_ok(c) && cur_end(c) ? OK : ERR_INPUT;
}

/* --- Requests --- */

static size_t domain_max(enum relay_kind kind)
{
    return kind == RELAY_HTTPS ? LIMIT_RELAY_URL : DOMAIN_MAX;
}

void relay_write_request(const struct relay_request *r, struct buf *out)
{
    buf_u64(out, r->id);
    buf_byte(out, (uint8_t)r->kind);
    put(out, r->domain, domain_max(r->kind));
    put(out, r->host, DOMAIN_MAX);
    buf_u32(out, r->port);
    put(out, r->login, LIMIT_RELAY_LOGIN);
    put(out, r->password, LIMIT_RELAY_LOGIN);
    buf_byte(out, (uint8_t)r->demand);
    buf_byte(out, (uint8_t)r->source);
    put(out, r->mx_names, LIMIT_RELAY_MX_NAMES);
    buf_byte(out, flag(r->clear_allowed, FLAG_CLEAR) | flag(r->tls_optional, FLAG_TLS_OPTIONAL) |
                      flag(r->require_tls, FLAG_REQUIRE_TLS) | flag(r->smtputf8, FLAG_UTF8) |
                      flag(r->eight_bit, FLAG_8BIT));
    put_sts(out, &r->sts);
    put(out, r->sender, ADDRESS_MAX);
    put(out, r->envid, LIMIT_SMTP_ENVID);
    buf_byte(out, r->ret);
    buf_u64(out, r->size);
    if (r->n_recipients == 0 || r->n_recipients > LIMIT_RELAY_RECIPIENTS) {
        out->failed = true;
        return;
    }
    buf_u32(out, (uint32_t)r->n_recipients);
    for (size_t i = 0; i < r->n_recipients; i++) {
        put(out, r->recipient[i].address, ADDRESS_MAX);
        put(out, r->recipient[i].orcpt, 2 * LIMIT_SMTP_ORCPT);
        buf_byte(out, r->recipient[i].notify);
    }
}

static enum error read_recipients(struct arena *a, struct cursor *c, struct relay_request *r)
{
    uint32_t n = read_most(c, LIMIT_RELAY_RECIPIENTS);
    void *room;
    enum error e = n == 0 ? ERR_INPUT : room_for(a, c, n, sizeof(struct relay_recipient), &room);
    if (e != OK)
        return e;
    struct relay_recipient *recipient = room;
    for (uint32_t i = 0; i < n; i++) {
        recipient[i].address = cur_bytes(c, ADDRESS_MAX);
        recipient[i].orcpt = cur_bytes(c, 2 * LIMIT_SMTP_ORCPT);
        recipient[i].notify = read_below(c, NOTIFY_MAX + 1);
    }
    r->recipient = recipient;
    r->n_recipients = n;
    return OK;
}

enum error relay_read_request(struct arena *a, struct slice bytes, struct relay_request *out)
{
    struct cursor c = cur_of(bytes);
    struct relay_request r = {.id = cur_u64(&c)};
    r.kind = (enum relay_kind)read_below(&c, RELAY_LOOK + 1);
    r.domain = cur_bytes(&c, (uint32_t)domain_max(r.kind));
    r.host = cur_bytes(&c, DOMAIN_MAX);
    r.port = (uint16_t)read_most(&c, UINT16_MAX);
    r.login = cur_bytes(&c, LIMIT_RELAY_LOGIN);
    r.password = cur_bytes(&c, LIMIT_RELAY_LOGIN);
    r.demand = (enum demand)read_below(&c, DEMAND_COUNT);
    r.source = (enum demand_source)read_below(&c, SOURCE_COUNT);
    r.mx_names = cur_bytes(&c, LIMIT_RELAY_MX_NAMES);
    uint8_t flags = read_below(&c, FLAGS_REQUEST + 1);
    r.clear_allowed = flags & FLAG_CLEAR;
    r.tls_optional = flags & FLAG_TLS_OPTIONAL;
    r.require_tls = flags & FLAG_REQUIRE_TLS;
    r.smtputf8 = flags & FLAG_UTF8;
    r.eight_bit = flags & FLAG_8BIT;
    r.sts = read_sts(&c);
    r.sender = cur_bytes(&c, ADDRESS_MAX);
    r.envid = cur_bytes(&c, LIMIT_SMTP_ENVID);
    r.ret = read_below(&c, RET_MAX + 1);
    r.size = cur_u64(&c);
    enum error e = read_recipients(a, &c, &r);
    if (e == OK)
        e = ended(&c);
    if (e == OK)
        *out = r;
    return e;
}

/* --- Tries: of results and trails --- */

static void put_tries(struct buf *out, const struct relay_try *tries, size_t n)
{
    n = n < LIMIT_RELAY_TRIES ? n : LIMIT_RELAY_TRIES;
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        put_cut(out, tries[i].host, DOMAIN_MAX);
        put_ip(out, tries[i].ip);
        buf_byte(out, (uint8_t)tries[i].security);
        buf_byte(out, (uint8_t)tries[i].problem);
        put_cut(out, tries[i].detail, LIMIT_RELAY_DETAIL);
    }
}

static enum error read_tries(struct arena *a, struct cursor *c, const struct relay_try **out,
                             size_t *n_out)
{
    uint32_t n = read_most(c, LIMIT_RELAY_TRIES);
    void *room;
    enum error e = room_for(a, c, n, sizeof(struct relay_try), &room);
    if (e != OK)
        return e;
    struct relay_try *tries = room;
    for (uint32_t i = 0; i < n; i++) {
        tries[i].host = cur_bytes(c, DOMAIN_MAX);
        tries[i].ip = read_ip(c);
        tries[i].security = (enum security)read_below(c, SECURITY_COUNT);
        tries[i].problem = (enum problem)read_below(c, PROBLEM_COUNT);
        tries[i].detail = cur_bytes(c, LIMIT_RELAY_DETAIL);
    }
    *out = tries;
    *n_out = n;
    return OK;
}

/* --- Results --- */

/* "5.1.1": RFC 3463 2. */
static bool good_status(struct slice s)
{
    struct slice class, subject;
    uint32_t number;
    if (!slice_split(&s, '.', &class) || class.n != 1 || !slice_has(SLICE("245"), class.p[0]))
        return false;
    return slice_split(&s, '.', &subject) && subject.n <= 3 && s.n <= 3 &&
           parse_u32(subject, 999, &number) == OK && parse_u32(s, 999, &number) == OK;
}

/* Also for who left it out, or took over what is none. */
static struct slice status_of(const struct relay_outcome_of *r)
{
    struct slice s = slice_of(r->status, strnlen(r->status, sizeof r->status));
    if (s.n < sizeof r->status && good_status(s))
        return s;
    return r->outcome == RELAY_DELIVERED   ? SLICE("2.0.0")
           : r->outcome == RELAY_PERMANENT ? SLICE("5.0.0")
                                           : SLICE("4.0.0");
}

static void put_outcomes(struct buf *out, const struct relay_outcome_of *r, size_t n)
{
    if (n == 0 || n > LIMIT_RELAY_RECIPIENTS) {
        out->failed = true;
        return;
    }
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_byte(out, (uint8_t)r[i].outcome);
        buf_byte(out, (uint8_t)r[i].problem);
        buf_u32(out, r[i].code <= CODE_MAX ? r[i].code : 0);
        buf_bytes(out, status_of(&r[i]));
        put_cut(out, r[i].answer, LIMIT_RELAY_ANSWER);
    }
}

static enum error read_outcomes(struct arena *a, struct cursor *c, struct relay_result *r)
{
    uint32_t n = read_most(c, LIMIT_RELAY_RECIPIENTS);
    void *room;
    enum error e = n == 0 ? ERR_INPUT : room_for(a, c, n, sizeof(struct relay_outcome_of), &room);
    if (e != OK)
        return e;
    struct relay_outcome_of *o = room;
    for (uint32_t i = 0; i < n; i++) {
        o[i].outcome = (enum relay_outcome)read_below(c, RELAY_PERMANENT + 1);
        o[i].problem = (enum problem)read_below(c, PROBLEM_COUNT);
        o[i].code = (uint16_t)read_most(c, CODE_MAX);
        struct slice status = cur_bytes(c, sizeof o[i].status - 1);
        if (!cur_ok(c) || !good_status(status))
            return ERR_INPUT;
        memcpy(o[i].status, status.p, status.n); /* the array is zeroed */
        o[i].answer = cur_bytes(c, LIMIT_RELAY_ANSWER);
    }
    r->recipient = o;
    r->n_recipients = n;
    return OK;
}

static void put_events(struct buf *out, const struct relay_tls_event *event, size_t n)
{
    n = n < LIMIT_RELAY_EVENTS ? n : LIMIT_RELAY_EVENTS;
    buf_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_byte(out, (uint8_t)event[i].policy);
        buf_byte(out, (uint8_t)event[i].result);
        put_cut_at(out, event[i].policy_text, LIMIT_RELAY_POLICY_TEXT, '\n');
        put_cut(out, event[i].mx_host, DOMAIN_MAX);
        put_cut(out, event[i].mx_pattern, DOMAIN_MAX);
        put_ip(out, event[i].peer);
        put_ip(out, event[i].source);
    }
}

static enum error read_events(struct arena *a, struct cursor *c, struct relay_result *r)
{
    uint32_t n = read_most(c, LIMIT_RELAY_EVENTS);
    void *room;
    enum error e = room_for(a, c, n, sizeof(struct relay_tls_event), &room);
    if (e != OK)
        return e;
    struct relay_tls_event *event = room;
    for (uint32_t i = 0; i < n; i++) {
        event[i].policy = (enum tlsrpt_policy)read_below(c, TLSRPT_STS + 1);
        event[i].result = (enum tlsrpt_result)read_below(c, TLSRPT_RESULT_COUNT);
        event[i].policy_text = cur_bytes(c, LIMIT_RELAY_POLICY_TEXT);
        event[i].mx_host = cur_bytes(c, DOMAIN_MAX);
        event[i].mx_pattern = cur_bytes(c, DOMAIN_MAX);
        event[i].peer = read_ip(c);
        event[i].source = read_ip(c);
    }
    r->event = event;
    r->n_events = n;
    return OK;
}

void relay_write_result(const struct relay_result *r, struct buf *out)
{
    put_outcomes(out, r->recipient, r->n_recipients);
    put_cut(out, r->host, DOMAIN_MAX);
    put_ip(out, r->ip);
    buf_byte(out, (uint8_t)r->security);
    put_cut(out, r->tls_version, TLS_MAX);
    put_cut(out, r->tls_cipher, TLS_MAX);
    /* A policy that could not be read there is not passed on: the one known stays. */
    bool sts = r->sts_changed && r->sts.id.n <= LIMIT_STS_ID && r->sts.policy.n <= LIMIT_STS_POLICY;
    buf_byte(out, flag(r->remote_dsn, FLAG_REMOTE_DSN) | flag(sts, FLAG_STS_CHANGED) |
                      flag(r->next_hop_failed, FLAG_NEXT_HOP_FAILED));
    if (sts)
        put_sts(out, &r->sts);
    put_cut_at(out, r->rua, LIMIT_TLSRPT_RUA, ' ');
    put_tries(out, r->tries, r->n_tries);
    put_events(out, r->event, r->n_events);
}

enum error relay_read_result(struct arena *a, struct slice bytes, struct relay_result *out)
{
    struct cursor c = cur_of(bytes);
    struct relay_result r = {0};
    enum error e = read_outcomes(a, &c, &r);
    if (e != OK)
        return e;
    r.host = cur_bytes(&c, DOMAIN_MAX);
    r.ip = read_ip(&c);
    r.security = (enum security)read_below(&c, SECURITY_COUNT);
    r.tls_version = cur_bytes(&c, TLS_MAX);
    r.tls_cipher = cur_bytes(&c, TLS_MAX);
    uint8_t flags = read_below(&c, FLAGS_RESULT + 1);
    r.remote_dsn = flags & FLAG_REMOTE_DSN;
    r.sts_changed = flags & FLAG_STS_CHANGED;
    r.next_hop_failed = flags & FLAG_NEXT_HOP_FAILED;
    if (r.sts_changed)
        r.sts = read_sts(&c);
    r.rua = cur_bytes(&c, LIMIT_TLSRPT_RUA);
    e = read_tries(a, &c, &r.tries, &r.n_tries);
    if (e == OK)
        e = read_events(a, &c, &r);
    if (e == OK)
        e = ended(&c);
    if (e == OK)
        *out = r;
    return e;
}

/* --- Trails --- */

void relay_write_trail(const struct relay_trail *t, struct buf *out)
{
    buf_byte(out, TRAIL_FORM);
    buf_u64(out, (uint64_t)t->at);
    buf_byte(out, (uint8_t)t->problem);
    buf_byte(out, (uint8_t)t->security);
    put_cut(out, t->host, DOMAIN_MAX);
    put_cut(out, t->tls_version, TLS_MAX);
    put_cut(out, t->tls_cipher, TLS_MAX);
    buf_byte(out, (uint8_t)t->demand);
    buf_byte(out, (uint8_t)t->source);
    put_tries(out, t->tries, t->n_tries);
}

enum error relay_read_trail(struct arena *a, struct slice bytes, struct relay_trail *out)
{
    struct relay_trail t = {0};
    if (bytes.n == 0) {
        *out = t;
        return OK;
    }
    struct cursor c = cur_of(bytes);
    if (cur_u8(&c) != TRAIL_FORM)
        return ERR_INPUT;
    t.at = (int64_t)cur_u64(&c);
    t.problem = (enum problem)read_below(&c, PROBLEM_COUNT);
    t.security = (enum security)read_below(&c, SECURITY_COUNT);
    t.host = cur_bytes(&c, DOMAIN_MAX);
    t.tls_version = cur_bytes(&c, TLS_MAX);
    t.tls_cipher = cur_bytes(&c, TLS_MAX);
    t.demand = (enum demand)read_below(&c, DEMAND_COUNT);
    t.source = (enum demand_source)read_below(&c, SOURCE_COUNT);
    enum error e = read_tries(a, &c, &t.tries, &t.n_tries);
    if (e == OK)
        e = ended(&c);
    if (e == OK)
        *out = t;
    return e;
}
