/* Look-ups by libunbound: one context whose own thread does the work, a thread here that takes its
 * answers, and callers that wait, each until its own deadline; see dns.h.
 *
 * Who owns a `struct query`: its caller, until it gives up. Then ub_cancel() tells whether the
 * answer can still come: if not, the caller frees the query; if it is on its way already, the
 * answer's callback does. Nobody is ever called with memory of a caller that has left. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/dns_private.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#define CLASS_IN     1
#define RCODE_OK     0
#define RCODE_NONAME 3

struct query {
    struct query *next, **prev; /* among those that are waited for */
    struct dns *dns;
    pthread_cond_t changed;
    bool done, abandoned;
    int error; /* libunbound's */
    struct ub_result *result;
};

struct dns {
    struct ub_ctx *ctx;
    int timeout_ms;
    const char *known_good, *known_bad;
    pthread_t taker;
    int stop_fd;
    bool started;

    pthread_mutex_t lock; /* for everything below and all queries; held for moments only */
    bool stopping;
    struct query *waiting;
    size_t callers; /* inside of dns_lookup() */
    pthread_cond_t left;

    bool anchored; /* there are keys to begin with */
    _Atomic bool validates;
    bool proved; /* some proof succeeded and none was refuted since */
    char proof[LIMIT_DNS_PROOF_TEXT];
};

/* --- Life --- */

static bool can_prove(const struct dns *d)
{
    return d->known_good && d->known_bad && d->known_good[0] && d->known_bad[0];
}

enum error dns_new(const struct dns_options *o, struct dns **out)
{
    struct ub_ctx *ctx;
    enum error e = dns_context_new(o, &ctx);
    if (e)
        return e;
    struct dns *d = mem_alloc(sizeof *d);
    d->ctx = ctx;
    d->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : LIMIT_DNS_MS;
    d->known_good = o->known_good;
    d->known_bad = o->known_bad;
    d->stop_fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->left, NULL);
    d->anchored = o->anchor[0] != 0;
    atomic_init(&d->validates, d->anchored);
    snprintf(d->proof, sizeof d->proof, "%s",
             !d->anchored   ? "there is no trust anchor (dns.anchor): nothing can be validated"
             : can_prove(d) ? "not proved yet"
                            : "validation is taken for granted: dns.known_good or dns.known_bad "
                              "is empty");
    *out = d;
    return OK;
}

/* Hands libunbound's answers to those who wait. */
static void *take_answers(void *arg)
{
    struct dns *d = arg;
    (void)pthread_setname_np(pthread_self(), "dns");
    struct pollfd fds[] = {{.fd = ub_fd(d->ctx), .events = POLLIN},
                           {.fd = d->stop_fd, .events = POLLIN}};
    while (fds[1].revents == 0) {
        if (poll(fds, 2, -1) < 0) {
            if (errno != EINTR)
                die("dns: poll: %s", strerror(errno));
            continue;
        }
        int code = fds[0].revents ? ub_process(d->ctx) : UB_NOERROR;
        if (code) /* its thread has died: no look-up would ever be answered again */
            die("dns: %s", ub_strerror(code));
    }
    return NULL;
}

enum error dns_start(struct dns *d)
{
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->stop_fd < 0 || pthread_create(&d->taker, NULL, take_answers, d) != 0) {
        log_error("dns.start_failed", log_text("error", strerror(errno)));
        return ERR_IO;
    }
    d->started = true;
    /* libunbound starts its thread at the first look-up. This name it knows itself, so that no
     * packet is sent; an answer shows that everything works inside of the sandbox. */
    autoarena a;
    arena_init(&a, 4096);
    struct dns_answer answer;
    dns_lookup(d, SLICE("localhost"), DNS_A, 0, &a, &answer);
    if (answer.status != DNS_FAILED)
        return OK;
    log_error("dns.start_failed", log_slice("error", answer.why));
    return ERR_IO;
}

void dns_stop(struct dns *d)
{
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    for (struct query *q = d->waiting; q; q = q->next)
        pthread_cond_signal(&q->changed);
    while (d->callers)
        pthread_cond_wait(&d->left, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    dns_stop(d);
    if (d->started) {
        (void)!write(d->stop_fd, &(uint64_t){1}, sizeof(uint64_t));
        pthread_join(d->taker, NULL);
    }
    ub_ctx_delete(d->ctx); /* and joins its thread */
    if (d->stop_fd >= 0)
        close(d->stop_fd);
    pthread_cond_destroy(&d->left);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

/* --- One query --- */

static struct query *query_new(struct dns *d)
{
    struct query *q = mem_alloc(sizeof *q);
    q->dns = d;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

static void query_free(struct query *q)
{
    pthread_cond_destroy(&q->changed);
    ub_resolve_free(q->result);
    mem_free(q);
}

/* libunbound's callback, called by the taker. */
static void answered(void *arg, int error, struct ub_result *result)
{
    struct query *q = arg;
    struct dns *d = q->dns;
    pthread_mutex_lock(&d->lock);
    q->error = error;
    q->result = result;
    q->done = true;
    bool abandoned = q->abandoned;
    if (!abandoned)
        pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&d->lock);
    if (abandoned)
        query_free(q);
}

/* False when the resolver stops. */
static bool enter(struct dns *d, struct query *q)
{
    pthread_mutex_lock(&d->lock);
    bool works = d->started && !d->stopping;
    if (works) {
        d->callers++;
        q->next = d->waiting;
        q->prev = &d->waiting;
        if (q->next)
            q->next->prev = &q->next;
        d->waiting = q;
    }
    pthread_mutex_unlock(&d->lock);
    return works;
}

/* Waits for the answer; false, with the query abandoned, when `until` comes or all ends first. */
static bool wait_for(struct dns *d, struct query *q, int64_t until)
{
    struct timespec ts = {until / 1000, until % 1000 * 1000000};
    int e = 0;
    pthread_mutex_lock(&d->lock);
    while (!q->done && !d->stopping && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&q->changed, &d->lock, &ts);
    q->abandoned = !q->done;
    *q->prev = q->next;
    if (q->next)
        q->next->prev = q->prev;
    bool done = q->done;
    pthread_mutex_unlock(&d->lock);
    return done;
}

static void leave(struct dns *d)
{
    pthread_mutex_lock(&d->lock);
    if (--d->callers == 0)
        pthread_cond_signal(&d->left);
    pthread_mutex_unlock(&d->lock);
}

static void fail(struct dns_answer *out, struct slice why)
{
    *out = (struct dns_answer){.status = DNS_FAILED, .canonical = out->canonical, .why = why};
}

/* --- From libunbound's result to an answer --- */

static enum dns_status status_of(const struct ub_result *r)
{
    if (r->bogus)
        return DNS_BOGUS;
    if (r->rcode == RCODE_NONAME)
        return DNS_NXDOMAIN;
    /* All other codes say nothing about what there is. */
    if (r->rcode != RCODE_OK)
        return DNS_FAILED;
    return r->havedata ? DNS_OK : DNS_NODATA;
}

static struct slice rcode_text(int rcode)
{
    static const struct slice text[] = {
        [1] = SLICE_INIT("the servers do not understand the question (FORMERR)"),
        [2] = SLICE_INIT("the servers of the domain do not answer it (SERVFAIL)"),
        [4] = SLICE_INIT("the servers do not know this kind of question (NOTIMP)"),
        [5] = SLICE_INIT("the servers refuse to answer (REFUSED)"),
    };
    bool known = rcode > 0 && (size_t)rcode < sizeof text / sizeof *text && text[rcode].p;
    return known ? text[rcode] : SLICE("the servers answer with an error");
}

static enum error copy_records(const struct ub_result *r, struct arena *a, struct dns_answer *out)
{
    size_t n = 0;
    while (r->data[n])
        if (++n > LIMIT_DNS_RECORDS)
            return ERR_LIMIT;
    struct slice *record = arena_array(a, n, sizeof *record);
    if (!record)
        return ERR_FULL;
    for (size_t i = 0; i < n; i++) {
        struct slice rdata = slice_of(r->data[i], (size_t)r->len[i]);
        record[i] = arena_dup(a, rdata);
        if (record[i].n != rdata.n)
            return ERR_FULL;
    }
    out->record = record;
    out->n = n;
    return OK;
}

/* libunbound writes '?' for bytes that no host name has. Where such a name counts for nothing, as
 * that of a reverse zone that is delegated by aliases (RFC 2317), it stays the name asked. */
static enum error copy_canonical(const struct ub_result *r, enum dns_type type, struct arena *a,
                                 struct dns_answer *out)
{
    char text[LIMIT_DNS_NAME + 1];
    if (!r->canonname)
        return OK;
    if (dns_name_text(slice_str(r->canonname), text) != OK)
        return type == DNS_PTR ? OK : ERR_INPUT;
    struct slice copy = arena_dup(a, slice_str(text));
    if (copy.n == 0)
        return ERR_FULL;
    out->canonical = copy;
    return OK;
}

static void convert(const struct dns *d, const struct ub_result *r, enum dns_type type,
                    struct arena *a, struct dns_answer *out)
{
    out->status = status_of(r);
    if (out->status == DNS_FAILED) {
        fail(out, rcode_text(r->rcode));
        return;
    }
    if (out->status == DNS_BOGUS) {
        out->why = arena_dup(a, slice_str(r->why_bogus ? r->why_bogus : "a signature is wrong"));
        return;
    }
    out->secure = r->secure && atomic_load(&d->validates);
    out->ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
    enum error e = copy_canonical(r, type, a, out);
    if (!e && out->status == DNS_OK)
        e = copy_records(r, a, out);
    if (e == ERR_INPUT)
        fail(out, SLICE("an alias leads to a name that is none of a host"));
    else if (e == ERR_LIMIT)
        fail(out, SLICE("too many records"));
    else if (e)
        fail(out, SLICE("no memory for the answer"));
}

/* Asks and waits. The result to ub_resolve_free(), or NULL with the reason. */
static struct ub_result *ask(struct dns *d, const char *name, enum dns_type type, int64_t until,
                             struct slice *why)
{
    struct query *q = query_new(d);
    if (!enter(d, q)) {
        query_free(q);
        *why = SLICE("the resolver is stopping");
        return NULL;
    }
    int id = 0;
    int code = ub_resolve_async(d->ctx, name, (int)type, CLASS_IN, q, answered, &id);
    bool done = wait_for(d, q, code ? 0 : until);
    struct ub_result *result = NULL;
    if (done) {
        result = q->result;
        q->result = NULL;
        *why = result ? SLICE_NONE : slice_str(ub_strerror(q->error));
        query_free(q);
    } else {
        *why = code ? slice_str(ub_strerror(code)) : SLICE("no answer in time");
        /* A question that was not put is never answered; one that is cancelled neither. */
        if (code || ub_cancel(d->ctx, id) == UB_NOERROR)
            query_free(q);
    }
    leave(d);
    return result;
}

void dns_lookup(struct dns *d, struct slice name, enum dns_type type, int64_t deadline,
                struct arena *a, struct dns_answer *out)
{
    *out = (struct dns_answer){.status = DNS_NXDOMAIN};
    char text[LIMIT_DNS_NAME + 1];
    if (dns_name_text(name, text) != OK)
        return;
    out->canonical = arena_dup(a, slice_str(text));
    if (out->canonical.n == 0) {
        fail(out, SLICE("no memory for the answer"));
        return;
    }
    int64_t now = clock_ms(), until = now + d->timeout_ms;
    if (deadline && deadline < until)
        until = deadline;
    if (until <= now) {
        fail(out, SLICE("no answer in time"));
        return;
    }
    struct slice why;
    struct ub_result *r = ask(d, text, type, until, &why);
    if (!r) {
        fail(out, why);
        return;
    }
    convert(d, r, type, a, out);
    ub_resolve_free(r);
}

/* --- The proof --- */

/* What a look-up of the proof came to, whatever earlier proofs said. */
enum worth { SECURE, INSECURE, BOGUS, SILENT };

static enum worth worth_of(struct dns *d, const char *name)
{
    char text[LIMIT_DNS_NAME + 1];
    if (dns_name_text(slice_str(name), text) != OK)
        return SILENT;
    struct slice why;
    struct ub_result *r = ask(d, text, DNS_A, clock_ms() + d->timeout_ms, &why);
    if (!r)
        return SILENT;
    enum worth worth = SILENT;
    switch (status_of(r)) {
    case DNS_OK:
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        worth = r->secure ? SECURE : INSECURE;
        break;
    case DNS_BOGUS:
        worth = BOGUS;
        break;
    case DNS_FAILED:
        break;
    }
    ub_resolve_free(r);
    return worth;
}

bool dns_prove(struct dns *d)
{
    static const char *const came[] = {"secure", "not signed", "bogus", "without answer"};
    const char *good = d->known_good, *bad = d->known_bad;
    if (!d->anchored || !can_prove(d))
        return d->anchored;
    enum worth g = worth_of(d, good), b = worth_of(d, bad);
    /* Only a wrong answer tells that validation does not work. Whoever can merely hold up these two
     * names must not be able to switch DANE off everywhere, once a proof has succeeded. */
    bool refuted = g == INSECURE || b == SECURE || b == INSECURE;
    bool shown = g == SECURE && b == BOGUS;
    pthread_mutex_lock(&d->lock);
    d->proved = shown || (d->proved && !refuted);
    bool validates = d->proved;
    atomic_store(&d->validates, validates);
    snprintf(d->proof, sizeof d->proof, "%s came %s, %s came %s: validation %s", good, came[g], bad,
             came[b],
             shown       ? "works"
             : validates ? "counts as working, as proved before"
                         : "is not proved");
    pthread_mutex_unlock(&d->lock);
    return validates;
}

bool dns_validates(struct dns *d)
{
    return atomic_load(&d->validates);
}

void dns_proof_text(struct dns *d, char *out, size_t size)
{
    pthread_mutex_lock(&d->lock);
    snprintf(out, size, "%s", d->proof);
    pthread_mutex_unlock(&d->lock);
}
