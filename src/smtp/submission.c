/* Submission: 587 and 465, in `mail`. Users log in, write as themselves, and tell nobody where they
 * sit. */
#include "base/clock.h"
#include "base/date.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "smtp/compose.h"
#include "smtp/session.h"
#include "smtp/submit.h"
#include <sys/mman.h>
#include <unistd.h>

static const struct smtp_submission *service(const struct smtp_session *s)
{
    return conn_service(s->conn);
}

/* --- Who may come --- */

static void closed_until(int64_t until, char *text, size_t size)
{
    struct buf b = BUF_INIT(64);
    date_print_iso(until, &b);
    snprintf(text, size, "Too many wrong passwords from your address, closed until %.*s",
             SLICE_FMT(buf_slice(&b)));
    buf_free(&b);
}

static enum smtp_reply admit(struct smtp_session *s, char *text, size_t size)
{
    struct guard *g = service(s)->guard;
    int64_t until = 0;
    /* A proxy is let in for its clients; each of them is asked about once it has named them. */
    bool own = !ip_eq(s->peer, conn_peer(s->conn)) || !guard_is_proxy(g, s->peer);
    if (!own || guard_admit(g, s->peer, &until) == GUARD_OPEN)
        return REPLY_NONE;
    closed_until(until, text, size);
    char ip[IP_TEXT];
    ip_print(s->peer, ip);
    log_info("submission.closed-to", log_text("peer", ip), log_i64("until", until));
    return REPLY_TOO_MANY_ERRORS;
}

static void say_until(struct smtp_session *s, int64_t until)
{
    char text[128];
    closed_until(until, text, sizeof text);
    smtp_say(s, REPLY_TOO_MANY_ERRORS, text);
}

/* --- XCLIENT --- */

static bool parse_client(const char *value, struct ip *out)
{
    struct slice v = slice_str(value);
    if (slice_istarts(v, SLICE("IPV6:")))
        v = slice_from(v, 5);
    return ip_parse(v, out) == OK;
}

/* The trusted webmail says for whom it speaks (ADDR); what else it tells is checked for its form
 * and ignored. Then the session begins anew. */
static enum smtp_reply do_xclient(struct smtp_session *s, const struct smtp_command *c)
{
    if (!guard_is_proxy(service(s)->guard, conn_peer(s->conn)))
        return REPLY_NOT_HERE;
    if (s->t.open || s->account)
        return REPLY_BAD_SEQUENCE;
    struct slice rest = c->argument, name;
    char value[256];
    struct ip peer = s->peer;
    while (smtp_xclient_next(&rest, &name, value, sizeof value))
        if (slice_ieq(name, SLICE("ADDR")) && !slice_starts(slice_str(value), SLICE("[")) &&
            !parse_client(value, &peer))
            return REPLY_BAD_ARGUMENT;
    if (rest.n > 0)
        return REPLY_BAD_ARGUMENT;
    s->peer = peer;
    s->helo_n = 0;
    s->extended = false;
    smtp_greet(s);
    return REPLY_NONE;
}

/* --- Logging in --- */

static void end_sasl(struct smtp_session *s)
{
    if (!s->sasl)
        return;
    sasl_end(s->sasl);
    mem_free(s->sasl);
    s->sasl = NULL;
}

static enum smtp_reply logged_in(struct smtp_session *s, const struct account *a)
{
    s->account = mem_alloc(sizeof *s->account);
    *s->account = *a;
    s->waker = conn_waker(s->conn);
    s->login = login_session_begin(service(s)->login, a, "submission", s->waker);
    login_session_peer(s->login, s->peer);
    s->errors = 0;
    return REPLY_AUTH_OK;
}

/* Which user and password were tried; keyed with this process's secret, for comparing only. */
static uint64_t attempt_hash(const struct sasl *x)
{
    uint64_t pair[2] = {hash_bytes(slice_of(x->user, x->user_n)),
                        hash_bytes(slice_of(x->password, x->password_n))};
    return hash_bytes(slice_of(pair, sizeof pair)) | 1;
}

static enum smtp_reply wrong_login(struct smtp_session *s)
{
    int64_t until = 0;
    s->wrong = attempt_hash(s->sasl);
    if (guard_admit(service(s)->guard, s->peer, &until) == GUARD_OPEN)
        return REPLY_AUTH_WRONG;
    say_until(s, until);
    return REPLY_NONE;
}

static enum smtp_reply check_login(struct smtp_session *s)
{
    const struct login_request rq = {
        .peer = s->peer,
        .service = "submission",
        .user = slice_of(s->sasl->user, s->sasl->user_n),
        .password = slice_of(s->sasl->password, s->sasl->password_n),
    };
    /* Many programs try the same password again with the other mechanism: one mistake of a person
     * counts once. */
    if (s->wrong == attempt_hash(s->sasl))
        return REPLY_AUTH_WRONG;
    struct account a;
    int64_t until = 0;
    switch (login_check(service(s)->login, &rq, &a, &until)) {
    case LOGIN_OK:
        return logged_in(s, &a);
    case LOGIN_WRONG:
        return wrong_login(s);
    case LOGIN_DISABLED:
        return REPLY_AUTH_DISABLED;
    case LOGIN_BLOCKED:
        say_until(s, until);
        return REPLY_NONE;
    case LOGIN_BUSY:
        break;
    }
    return REPLY_AUTH_BUSY;
}

static enum smtp_reply after_step(struct smtp_session *s, enum sasl_step step)
{
    enum smtp_reply r = REPLY_AUTH_BAD;
    switch (step) {
    case SASL_CHALLENGE:
        conn_printf(s->conn, "334 %.*s\r\n", SLICE_FMT(s->sasl->challenge));
        s->mode = MODE_AUTH;
        return REPLY_NONE;
    case SASL_DONE:
        r = check_login(s);
        break;
    case SASL_CANCELLED:
        r = REPLY_AUTH_CANCELLED;
        break;
    case SASL_UNKNOWN:
        r = REPLY_AUTH_UNKNOWN;
        break;
    case SASL_MISMATCH:
        r = REPLY_AUTH_WRONG;
        break;
    case SASL_BAD:
        break;
    }
    end_sasl(s);
    return r;
}

static enum smtp_reply other(struct smtp_session *s, const struct smtp_command *c)
{
    if (c->verb == VERB_XCLIENT)
        return do_xclient(s, c);
    if (s->helo_n == 0)
        return REPLY_NEED_HELLO;
    if (s->account || s->t.open)
        return REPLY_BAD_SEQUENCE;
    end_sasl(s); /* one whose line was too long has stayed */
    s->sasl = mem_alloc(sizeof *s->sasl);
    return after_step(s, sasl_start(s->sasl, c->argument, c->initial));
}

static enum smtp_reply auth_line(struct smtp_session *s, struct slice line)
{
    return after_step(s, sasl_next(s->sasl, line));
}

static void announce(struct smtp_session *s)
{
    if (conn_tls(s->conn) && !s->account)
        conn_write(s->conn, SLICE("250-AUTH PLAIN LOGIN\r\n"));
    if (guard_is_proxy(service(s)->guard, conn_peer(s->conn)))
        conn_write(s->conn, SLICE("250-XCLIENT ADDR LOGIN NAME PORT PROTO HELO\r\n"));
}

/* --- Sending --- */

static bool may_send_as(void *arg, struct slice address)
{
    const struct smtp_session *s = arg;
    return submit_may_send_as(service(s), s->account, address);
}

static enum smtp_reply mail(struct smtp_session *s, const struct smtp_command *c)
{
    return submit_sender(service(s), s->account, c->path);
}

static enum smtp_reply rcpt(struct smtp_session *s, struct slice address)
{
    uint64_t size = s->t.mail.has_size ? s->t.mail.size : 0;
    return smtp_reply_of_delivery(delivery_probe(&service(s)->delivery, address, size, true));
}

static enum smtp_reply deliver(struct smtp_session *s, struct slice raw, int64_t now)
{
    const struct smtp_transaction *t = &s->t;
    size_t n = t->n_recipients;
    struct delivery_recipient *to = mem_array(n, sizeof *to);
    for (size_t i = 0; i < n; i++)
        to[i] = (struct delivery_recipient){.address = t->recipients[i].address,
                                            .orcpt = t->recipients[i].orcpt,
                                            .notify = t->recipients[i].notify};
    const struct submit_letter letter = {
        .account = s->account,
        .sender = t->sender,
        .envid = t->mail.envid,
        .ret = t->mail.ret,
        .smtputf8 = t->mail.smtputf8,
        .require_tls = t->mail.require_tls,
        .raw = raw,
        .now = now,
        .to = to,
        .n = n,
    };
    enum smtp_reply r = submit_deliver(service(s), &letter);
    mem_free(to);
    return r;
}

static void put_trace(struct smtp_session *s, int64_t now, struct buf *out)
{
    const struct trace trace = {
        .submission = true,
        .host = s->host,
        .extended = true,
        .smtputf8 = s->t.mail.smtputf8,
        .tls_version = conn_tls_version(s->conn),
        .tls_cipher = conn_tls_cipher(s->conn),
        .id = slice_str(s->t.id),
        .only_recipient = s->t.n_recipients == 1 ? s->t.recipients[0].address : SLICE_NONE,
        .received = now,
    };
    trace_received(&trace, out);
}

/* `map` holds the front room and the message, for us alone: the new header is written so that it
 * ends where the body begins, and nothing of the body moves. */
static enum smtp_reply compose_and_deliver(struct smtp_session *s, uint8_t *map, size_t size)
{
    int64_t now = clock_wall();
    const struct compose how = {.may_send_as = may_send_as, .arg = s, .host = s->host, .now = now};
    size_t front = s->in.front, body;
    autobuf head = BUF_INIT(LIMIT_HEADER_SIZE + LIMIT_SMTP_TRACE);
    put_trace(s, now, &head);
    enum smtp_reply r = smtp_compose(&how, slice_of(map + front, size - front), &head, &body);
    if (r != REPLY_NONE)
        return r;
    if (head.n > front + body)
        return REPLY_BAD_HEADER;
    uint8_t *start = map + front + body - head.n;
    memcpy(start, head.p, head.n);
    return deliver(s, slice_of(start, (size_t)(map + size - start)), now);
}

static enum smtp_reply message(struct smtp_session *s)
{
    size_t size = s->in.front + (size_t)s->in.size;
    if (s->in.size == 0)
        return REPLY_NO_FROM;
    if (s->in.fd < 0)
        return compose_and_deliver(s, s->in.small.p, size);
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, s->in.fd, 0);
    if (map == MAP_FAILED)
        return REPLY_NO_ROOM;
    enum smtp_reply r = compose_and_deliver(s, map, size);
    if (munmap(map, size) < 0)
        bug("munmap of a message");
    return r;
}

static void end(struct smtp_session *s)
{
    end_sasl(s);
    if (s->login)
        login_session_end(s->login);
    if (s->waker)
        waker_unref(s->waker);
    mem_free(s->account);
}

static const struct smtp_face face = {
    .submission = true,
    .admit = admit,
    .mail = mail,
    .rcpt = rcpt,
    .message = message,
    .other = other,
    .auth_line = auth_line,
    .announce = announce,
    .end = end,
};

static enum after open_session(struct conn *c)
{
    const struct smtp_submission *s = conn_service(c);
    return smtp_session_open(c, &face, s->host, &s->limits);
}

/* The account changed: whoever sits here must log in again. */
static enum after event(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    if (s->login && login_session_revoked(s->login))
        return smtp_session_break(s, REPLY_REVOKED);
    return smtp_park(s);
}

const struct protocol smtp_submission_protocol = {
    .name = "submission",
    .open = open_session,
    .input = smtp_session_input,
    .event = event,
    .timeout = smtp_session_timeout,
    .stopping = smtp_session_stopping,
    .close = smtp_session_close,
};
