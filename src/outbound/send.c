/* One message over all hosts to its results.
 *
 * A host that cannot be had, or that is not what it must be, is left for the next one; so is one
 * whose session breaks, for the recipients that it did not decide. What a server decides about a
 * recipient stays decided, also a "later": another MX host of the same domain knows no better. When
 * the answer to the end of the message was lost nobody else is asked now, for the message may have
 * arrived. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/https.h"
#include "outbound/outbound_private.h"
#include <errno.h>
#include <stdio.h>

struct sending {
    struct outbound *pool;
    const struct outbound_options *o;
    const struct relay_request *rq;
    struct slice raw;
    int64_t deadline;
    uint64_t generation;
    struct arena *a;
    struct relay_result *out;
    struct slice key;

    struct relay_outcome_of *outcome;
    bool *open; /* nobody decided this recipient yet */
    size_t n_open;
    bool over; /* try nobody else now */

    struct failure worst;
    bool failed, all_permanent;
    bool reached; /* a session stood, ready for mail */
    unsigned connected;

    struct route route;
    struct sts_found sts;
    bool sts_asked;
    struct relay_try try[LIMIT_RELAY_TRIES];
    struct relay_tls_event event[LIMIT_RELAY_EVENTS];
};

/* --- What is noted on the way --- */

static void note_try(struct sending *s, struct slice host, struct ip ip, enum security security,
                     enum problem p, struct slice detail)
{
    if (s->out->n_tries == LIMIT_RELAY_TRIES)
        return;
    s->try[s->out->n_tries++] =
        (struct relay_try){.host = host,
                           .ip = ip,
                           .security = security,
                           .problem = p,
                           .detail = slice_sub(detail, 0, LIMIT_RELAY_DETAIL)};
}

static void note_failure(struct sending *s, const struct failure *f)
{
    if (!s->failed || failure_outranks(f, &s->worst))
        s->worst = *f;
    s->all_permanent = (!s->failed || s->all_permanent) && f->permanent;
    s->failed = true;
}

static void host_failed(struct sending *s, struct slice host, struct ip ip, enum security security,
                        const struct failure *f)
{
    note_try(s, host, ip, security, f->problem, f->text);
    note_failure(s, f);
    /* The best that was tried. Once one took the message nobody is left for another host. */
    struct relay_result *out = s->out;
    if (out->host.n && security <= out->security)
        return;
    out->host = host;
    out->ip = ip;
    out->security = security;
    out->tls_version = out->tls_cipher = SLICE_NONE;
    out->remote_dsn = false;
}

/* Of a session, or of a host that was not even connected (`x` NULL). */
static void note_event(struct sending *s, const struct route_host *h,
                       const struct security_plan *plan, const struct session *x, enum problem p)
{
    if (s->route.by_name || s->out->n_events == LIMIT_RELAY_EVENTS)
        return;
    struct relay_tls_event *event = &s->event[s->out->n_events++];
    event_make(h, plan, &s->sts, p, s->a, event);
    event->peer = x ? x->ip : h->ip[0];
    if (x)
        event->source = x->local;
}

static struct failure failure_of(struct sending *s, const struct client_failure *why)
{
    return (struct failure){
        .problem = why->problem,
        .code = why->code,
        .status = why->status[0] ? arena_cstr(s->a, slice_str(why->status)) : NULL,
        .text = arena_dup(s->a, slice_str(why->text)),
        .permanent = why->permanent,
    };
}

/* --- Sessions --- */

void session_free(struct session *s)
{
    if (!s)
        return;
    client_free(s->client);
    buf_free(&s->key);
    mem_free(s);
}

/* All that decided how the session was made. What differs here must not share a session. */
static struct slice session_key(const struct relay_request *rq, struct arena *a)
{
    autobuf k = BUF_INIT(OUTBOUND_KEY);
    buf_bytes(&k, rq->domain);
    buf_bytes(&k, rq->host);
    buf_bytes(&k, rq->login);
    buf_u64(&k, hash_bytes(rq->password)); /* not the password itself: the key stays in memory */
    buf_u64(&k, hash_bytes(rq->mx_names));
    buf_bytes(&k, rq->sts.id);
    buf_printf(&k, "%u %d %d %d %d %d", rq->port, (int)rq->demand, (int)rq->source,
               rq->clear_allowed, rq->tls_optional, relay_insists(rq));
    return buf_check(&k) == OK ? arena_dup(a, buf_slice(&k)) : SLICE_NONE;
}

/* Takes the client. */
static struct session *new_session(struct sending *s, const struct route_host *h,
                                   struct client *client)
{
    struct session *x = mem_alloc(sizeof *x);
    x->client = client;
    buf_init(&x->key, OUTBOUND_KEY);
    buf_add(&x->key, s->key);
    x->ip = client_peer(client);
    snprintf(x->host, sizeof x->host, "%.*s", SLICE_FMT(h->name));
    return x;
}

/* --- Meeting a host --- */

static struct dial *connect_host(struct sending *s, const struct route_host *h)
{
    struct dial_address address[ROUTE_ADDRESSES];
    struct dial *d = NULL;
    size_t which = 0;
    int why = 0;
    for (size_t i = 0; i < h->n_ips; i++)
        address[i] = (struct dial_address){h->ip[i], s->rq->port};
    struct dial_options o = {
        .address = address,
        .n = h->n_ips,
        .bind4 = s->o->bind4,
        .bind6 = s->o->bind6,
        .deadline = s->deadline,
    };
    enum error e = dial_open(&o, &d, &which, &why);
    if (e == OK)
        return d;
    struct failure f = {.problem = PROBLEM_CONNECT};
    if (e == ERR_TIMEOUT)
        f.problem = PROBLEM_TIMEOUT;
    else if (e == ERR_CLOSED)
        f.problem = PROBLEM_BUSY;
    else if (why)
        f.text = arena_printf(s->a, "%s", strerrordesc_np(why));
    host_failed(s, h->name, h->ip[0], SECURITY_NONE, &f);
    return NULL;
}

static void session_failed(struct sending *s, const struct session *x, enum security security,
                           const struct failure *f)
{
    host_failed(s, arena_dup(s->a, slice_str(x->host)), x->ip, security, f);
}

/* What asked for more than came, with what is wrong; for `why`, which must not leave people
 * guessing whose rule it was. */
static struct slice reason(struct sending *s, const struct security_plan *plan, const char *detail)
{
    const char *rule;
    if (plan->n_tlsa)
        rule = "DANE";
    else if (plan->policy == TLSRPT_STS && plan->must_verify)
        rule = "MTA-STS";
    else
        return arena_dup(s->a, slice_str(detail));
    return arena_printf(s->a, "%s: %s", rule, detail[0] ? detail : "it demands encryption");
}

/* STARTTLS where it is offered; then what came is judged. False: not enough, noted. */
static bool secure_session(struct sending *s, struct session *x, const struct route_host *h,
                           const struct security_plan *plan)
{
    struct tls_outcome tls = {0};
    struct client_failure why = {0};
    bool offered = client_ehlo(x->client)->starttls;
    if (offered && client_start_tls(x->client, s->o->tls, &plan->wish, &tls, &why) != OK) {
        struct failure f = failure_of(s, &why);
        f.permanent = false;
        bool told = security_report(f.problem) != TLSRPT_SUCCESS;
        note_event(s, h, plan, x, told ? f.problem : PROBLEM_HANDSHAKE);
        session_failed(s, x, SECURITY_NONE, &f);
        return false;
    }
    enum problem p = security_judge(plan, offered ? &tls : NULL, &x->security);
    note_event(s, h, plan, x, offered ? tls.problem : PROBLEM_NO_TLS);
    if (p != PROBLEM_NONE) {
        struct failure f = {.problem = p, .text = reason(s, plan, tls.detail)};
        session_failed(s, x, x->security, &f);
        return false;
    }
    memcpy(x->tls_version, tls.version, sizeof x->tls_version);
    memcpy(x->tls_cipher, tls.cipher, sizeof x->tls_cipher);
    return true;
}

/* What else must be before mail goes: login, and the extension that REQUIRETLS needs. */
static bool prepare_session(struct sending *s, struct session *x)
{
    const struct relay_request *rq = s->rq;
    struct client_failure why = {0};
    struct failure f = {0};
    if (rq->login.n && x->security < SECURITY_PKIX) {
        f = (struct failure){.problem = PROBLEM_TOO_WEAK, .text = SLICE("no password goes there")};
    } else if (rq->login.n && client_login(x->client, rq->login, rq->password, &why) != OK) {
        f = failure_of(s, &why);
        f.permanent = false; /* the operator's matter, not the sender's */
    } else if (relay_insists(rq) && !client_ehlo(x->client)->require_tls) {
        f = (struct failure){.problem = PROBLEM_NO_REQUIRETLS, .permanent = true};
    }
    if (f.problem != PROBLEM_NONE)
        session_failed(s, x, x->security, &f);
    return f.problem == PROBLEM_NONE;
}

/* A session ready for mail, or NULL: noted why not. */
static struct session *open_session(struct sending *s, const struct route_host *h,
                                    const struct security_plan *plan)
{
    struct client *client;
    struct client_failure why = {0};
    struct dial *d = connect_host(s, h);
    if (!d)
        return NULL;
    s->connected++;
    struct ip peer = dial_peer(d), local = dial_local(d);
    if (client_new(d, s->o->host, s->deadline, &client, &why) != OK) {
        struct failure f = failure_of(s, &why);
        host_failed(s, h->name, peer, SECURITY_NONE, &f);
        return NULL;
    }
    struct session *x = new_session(s, h, client);
    x->local = local;
    if (!secure_session(s, x, h, plan) || !prepare_session(s, x)) {
        session_free(x);
        return NULL;
    }
    s->reached = true;
    return x;
}

/* --- A transaction --- */

/* Nothing that this server said about the recipient: another one may. */
static bool undecided(const struct relay_outcome_of *x)
{
    return x->outcome == RELAY_TEMPORARY && x->problem != PROBLEM_LOST_AT_END &&
           (x->code == 0 || x->code == 421);
}

/* The open recipients as a request of their own; index[i]: where they stand in the whole. */
static bool open_request(struct sending *s, struct relay_request *sub, size_t **index)
{
    struct relay_recipient *r = arena_array(s->a, s->n_open, sizeof *r);
    *index = arena_array(s->a, s->n_open, sizeof **index);
    if (!r || !*index)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < s->rq->n_recipients; i++) {
        if (!s->open[i])
            continue;
        r[n] = s->rq->recipient[i];
        (*index)[n++] = i;
    }
    *sub = *s->rq;
    sub->recipient = r;
    sub->n_recipients = n;
    return true;
}

/* Takes over what was decided; true when something was. */
static bool take_outcomes(struct sending *s, const struct relay_outcome_of *x, const size_t *index,
                          size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        s->outcome[index[i]] = x[i];
        if (undecided(&x[i]))
            continue;
        s->open[index[i]] = false;
        s->n_open--;
        any = true;
        if (x[i].problem == PROBLEM_LOST_AT_END)
            s->over = true;
    }
    return any;
}

static void took_part(struct sending *s, const struct session *x,
                      const struct relay_outcome_of *outcome, size_t n)
{
    struct relay_result *out = s->out;
    size_t told = 0; /* the recipient that says most about this host */
    for (size_t i = n; i-- > 0;)
        if (outcome[i].outcome == RELAY_DELIVERED)
            told = i;
    bool delivered = n && outcome[told].outcome == RELAY_DELIVERED;
    struct slice host = arena_dup(s->a, slice_str(x->host));
    note_try(s, host, x->ip, x->security, delivered ? PROBLEM_NONE : outcome[told].problem,
             delivered ? SLICE_NONE : outcome[told].answer);
    out->host = host;
    out->ip = x->ip;
    out->security = x->security;
    out->tls_version = arena_dup(s->a, slice_str(x->tls_version));
    out->tls_cipher = arena_dup(s->a, slice_str(x->tls_cipher));
    out->remote_dsn = client_ehlo(x->client)->dsn;
}

/* Takes the session. False: it decided nothing, and `quiet` then leaves no trace of it. */
static bool transact(struct sending *s, struct session *x, bool quiet)
{
    struct relay_request sub;
    size_t *index;
    struct client_failure why = {0};
    struct relay_outcome_of *outcome = arena_array(s->a, s->n_open, sizeof *outcome);
    if (!outcome || !open_request(s, &sub, &index)) {
        session_free(x);
        s->over = true;
        return false;
    }
    pool_transaction(s->pool, +1);
    enum error e = client_send(x->client, &sub, s->raw, s->a, outcome, &why);
    pool_transaction(s->pool, -1);
    bool decided = take_outcomes(s, outcome, index, sub.n_recipients);
    if (decided) {
        s->reached = true;
        took_part(s, x, outcome, sub.n_recipients);
    }
    if (s->n_open && (decided || !quiet)) {
        struct failure f = {.problem = PROBLEM_REFUSED,
                            .code = 421,
                            .text = SLICE("the server closes the session")};
        if (e != OK)
            f = failure_of(s, &why);
        f.permanent = false;
        session_failed(s, x, x->security, &f);
    }
    if (client_reusable(x->client))
        pool_keep(s->pool, x);
    else
        session_free(x);
    return decided;
}

/* --- All hosts --- */

/* False: not with this host. */
static bool plan_host(struct sending *s, struct route_host *h, struct security_plan *plan)
{
    *plan = (struct security_plan){0};
    route_addresses(s->o, h, s->deadline, s->a);
    if (h->problem == PROBLEM_NONE)
        security_plan(s->o, s->rq, &s->route, h, s->sts_asked ? &s->sts : NULL, s->deadline, s->a,
                      plan);
    struct failure f = {.problem = h->problem, .text = h->detail, .permanent = h->permanent};
    if (f.problem == PROBLEM_NONE)
        f = (struct failure){
            .problem = plan->problem, .text = plan->detail, .permanent = plan->permanent};
    if (f.problem == PROBLEM_NONE)
        return true;
    if (security_report(f.problem) != TLSRPT_SUCCESS) {
        if (plan->policy == TLSRPT_NO_POLICY && f.problem != PROBLEM_STS_HOST)
            plan->policy = TLSRPT_TLSA;
        note_event(s, h, plan, NULL, f.problem);
    }
    host_failed(s, h->name, h->ip[0], SECURITY_NONE, &f);
    return false;
}

static void ask_sts(struct sending *s)
{
    if (s->route.by_name || security_lifted(s->rq))
        return;
    sts_find(s->o, s->rq->domain, &s->rq->sts, s->deadline, s->a, &s->sts);
    s->sts_asked = true;
    s->out->sts_changed = s->sts.changed;
    if (s->sts.changed)
        s->out->sts = s->sts.sts;
    if (s->sts.problem == PROBLEM_NONE)
        return;
    struct slice detail = arena_dup(s->a, slice_str(s->sts.detail));
    note_try(s, SLICE_NONE, (struct ip){0}, SECURITY_NONE, s->sts.problem, detail);
    if (s->out->n_events < LIMIT_RELAY_EVENTS)
        s->event[s->out->n_events++] =
            (struct relay_tls_event){.policy = TLSRPT_STS, .result = s->sts.result};
}

static bool go_on(struct sending *s)
{
    return s->n_open && !s->over && !s->a->failed && s->connected < LIMIT_OUTBOUND_HOSTS &&
           clock_ms() < s->deadline && pool_wants(s->pool, s->generation);
}

static void try_hosts(struct sending *s)
{
    route_find(s->o, s->rq, s->deadline, s->a, &s->route);
    if (s->route.problem != PROBLEM_NONE) {
        struct failure f = {
            .problem = s->route.problem, .text = s->route.detail, .permanent = s->route.permanent};
        host_failed(s, SLICE_NONE, (struct ip){0}, SECURITY_NONE, &f);
        return;
    }
    ask_sts(s);
    size_t i = 0;
    for (; i < s->route.n && go_on(s); i++) {
        struct security_plan plan;
        if (!plan_host(s, &s->route.host[i], &plan))
            continue;
        struct session *x = open_session(s, &s->route.host[i], &plan);
        if (x && pool_wants(s->pool, s->generation))
            transact(s, x, false);
        else if (x)
            pool_keep(s->pool, x);
    }
    if (i < s->route.n)
        s->all_permanent = false; /* who was not asked may take it yet */
}

/* A session that was kept; one that has died meanwhile took nothing, and is not worth a word. */
static void try_kept(struct sending *s)
{
    struct session *x = s->key.n ? pool_take(s->pool, s->key) : NULL;
    if (!x)
        return;
    client_until(x->client, s->deadline);
    transact(s, x, true);
}

static void finish(struct sending *s)
{
    /* When this process stops, what failed by that says nothing about others. */
    bool cut = s->failed && !s->all_permanent && !pool_wants(s->pool, s->generation);
    if (!s->failed || cut)
        s->worst = (struct failure){.problem = PROBLEM_BUSY};
    /* For good only when every host that was asked said so. */
    s->worst.permanent = s->failed && s->all_permanent;
    if (s->worst.status && s->worst.status[0] != (s->worst.permanent ? '5' : '4'))
        s->worst.status = NULL;
    for (size_t i = 0; i < s->rq->n_recipients; i++)
        if (s->open[i])
            failure_outcome(&s->worst, &s->outcome[i]);
    s->out->next_hop_failed = s->failed && !s->reached && !s->worst.permanent &&
                              !relay_insists(s->rq) && s->worst.problem != PROBLEM_BUSY;
    if (s->out->n_events)
        s->out->rua = find_rua(s->o, s->rq->domain, s->deadline, s->a);
    struct relay_try *tries = arena_array(s->a, s->out->n_tries, sizeof *tries);
    struct relay_tls_event *events = arena_array(s->a, s->out->n_events, sizeof *events);
    if (!tries)
        s->out->n_tries = 0;
    if (!events)
        s->out->n_events = 0;
    for (size_t i = 0; i < s->out->n_tries; i++)
        tries[i] = s->try[i];
    for (size_t i = 0; i < s->out->n_events; i++)
        events[i] = s->event[i];
    s->out->tries = tries;
    s->out->event = events;
}

static struct slice url_host(struct slice url)
{
    struct slice rest = slice_from(url, slice_find(url, SLICE("://")) + 3);
    rest = slice_sub(rest, 0, slice_index(rest, '/'));
    return slice_sub(rest, 0, slice_index(rest, ':'));
}

/* A TLS report to an https: address (RFC 8460 5.4). */
static void send_https(struct sending *s)
{
    autobuf body = BUF_INIT(LIMIT_STS_POLICY);
    struct https_answer answer = {0};
    int64_t left = s->deadline - clock_ms();
    struct https_request rq = {
        .url = s->rq->domain,
        .dns = s->o->dns,
        .ca_pem = s->o->ca_pem,
        .profile = s->o->profile,
        .inside = s->o->https_inside,
        .body = s->raw,
        .type = slice_starts(s->raw, SLICE("\x1f\x8b")) ? "application/tlsrpt+gzip"
                                                        : "application/tlsrpt+json",
        .timeout_ms = left < LIMIT_STS_FETCH_MS ? (int)left : LIMIT_STS_FETCH_MS,
    };
    enum error e = https_do(&rq, &answer, &body);
    struct failure f = {.problem = answer.problem ? answer.problem : PROBLEM_HTTP};
    if (e == OK || e == ERR_LIMIT)
        f.text = arena_printf(s->a, "HTTP status %ld", answer.status);
    else
        f.text = arena_dup(s->a, slice_str(answer.detail));
    bool taken = e == OK && answer.status >= 200 && answer.status < 300;
    for (size_t i = 0; taken && i < s->rq->n_recipients; i++) {
        s->outcome[i] = (struct relay_outcome_of){.outcome = RELAY_DELIVERED, .status = "2.0.0"};
        s->open[i] = false;
    }
    if (!taken)
        note_failure(s, &f);
    s->out->host = url_host(s->rq->domain);
    s->out->security = e == OK ? SECURITY_PKIX : SECURITY_NONE;
    s->reached = e == OK;
    note_try(s, s->out->host, (struct ip){0}, s->out->security, taken ? PROBLEM_NONE : f.problem,
             f.text);
}

void send_message(const struct assignment *x, struct arena *a, struct relay_result *out)
{
    const struct relay_request *rq = x->rq;
    struct sending *s = arena_new(a, struct sending);
    if (s) {
        s->outcome = arena_array(a, rq->n_recipients, sizeof *s->outcome);
        s->open = arena_array(a, rq->n_recipients, sizeof *s->open);
    }
    if (!s || !s->outcome || !s->open) {
        send_nothing(rq, PROBLEM_BUSY, a, out);
        return;
    }
    if (rq->kind == RELAY_LOOK) {
        plan_answer(x->o, rq, a, out);
        return;
    }
    *out = (struct relay_result){.recipient = s->outcome, .n_recipients = rq->n_recipients};
    s->pool = x->pool;
    s->o = x->o;
    s->rq = rq;
    s->raw = x->raw;
    s->deadline = x->deadline;
    s->generation = x->generation;
    s->a = a;
    s->out = out;
    s->n_open = rq->n_recipients;
    for (size_t i = 0; i < rq->n_recipients; i++)
        s->open[i] = true;
    if (rq->kind == RELAY_HTTPS) {
        send_https(s);
    } else {
        s->key = session_key(rq, a);
        try_kept(s);
        if (go_on(s))
            try_hosts(s);
    }
    finish(s);
}

void send_nothing(const struct relay_request *rq, enum problem p, struct arena *a,
                  struct relay_result *out)
{
    struct failure f = {.problem = p};
    struct relay_outcome_of *outcome = arena_array(a, rq->n_recipients, sizeof *outcome);
    *out = (struct relay_result){.recipient = outcome};
    if (!outcome)
        return;
    out->n_recipients = rq->n_recipients;
    for (size_t i = 0; i < rq->n_recipients; i++)
        failure_outcome(&f, &outcome[i]);
}
