/* One transaction of an SMTP client: MAIL, RCPT and DATA, at once with PIPELINING (RFC 2920), else
 * step by step; then the message with its dots doubled. */
#include "message/dsn.h"
#include "outbound/client_private.h"

#define PIECE LIMIT_DIAL_PIECE /* flushed as soon as so much is gathered */

static struct relay_outcome_of outcome_of(struct transaction *t, const struct client_failure *f)
{
    const bool final = f->permanent || (f->problem == PROBLEM_REFUSED && f->code >= 500);
    struct relay_outcome_of o = {
        .outcome = final ? RELAY_PERMANENT : RELAY_TEMPORARY,
        .problem = f->problem,
        .code = f->code,
        .answer = arena_dup(t->a, slice_str(f->text)),
    };
    memcpy(o.status, f->status, sizeof o.status);
    return o;
}

static void settle(struct transaction *t, size_t i, const struct relay_outcome_of *o)
{
    t->outcome[i] = *o;
    t->recipient[i].state = RECIPIENT_DECIDED;
}

void client_decide(struct transaction *t, size_t i, const struct client_failure *f)
{
    struct relay_outcome_of o = outcome_of(t, f);
    settle(t, i, &o);
}

void client_decide_rest(struct transaction *t, const struct client_failure *f)
{
    struct relay_outcome_of o = outcome_of(t, f); /* one copy of the text for all */
    for (size_t i = 0; i < t->rq->n_recipients; i++)
        if (t->recipient[i].state != RECIPIENT_DECIDED)
            settle(t, i, &o);
}

static void refuse_rest(struct transaction *t)
{
    struct client_failure f;
    client_refused(t->c, PROBLEM_REFUSED, &f);
    client_decide_rest(t, &f);
}

/* Its last line has no end: that is added. */
static bool ends_open(struct slice raw)
{
    return raw.n > 0 && raw.p[raw.n - 1] != '\n';
}

/* --- What is said --- */

static void say(struct transaction *t, struct slice s)
{
    dial_write(t->c->d, s);
}

static void say_mail(struct transaction *t)
{
    const struct ehlo *ehlo = &t->c->ehlo;
    const struct relay_request *rq = t->rq;
    char size[40];
    say(t, SLICE("MAIL FROM:<"));
    say(t, t->sender);
    say(t, SLICE(">"));
    if (ehlo->size) {
        snprintf(size, sizeof size, " SIZE=%zu", t->raw.n + (ends_open(t->raw) ? 2 : 0));
        say(t, slice_str(size));
    }
    if (ehlo->eight_bit && rq->eight_bit)
        say(t, SLICE(" BODY=8BITMIME"));
    if (t->smtputf8)
        say(t, SLICE(" SMTPUTF8"));
    if (rq->require_tls && ehlo->require_tls && dial_is_tls(t->c->d))
        say(t, SLICE(" REQUIRETLS"));
    if (ehlo->dsn && rq->ret != 0)
        say(t, rq->ret == RET_HEADERS ? SLICE(" RET=HDRS") : SLICE(" RET=FULL"));
    if (ehlo->dsn && rq->envid.n > 0) {
        say(t, SLICE(" ENVID="));
        say(t, rq->envid);
    }
    say(t, SLICE("\r\n"));
}

static void say_notify(struct transaction *t, uint8_t notify)
{
    static const struct slice word[] = {SLICE_INIT("NEVER"), SLICE_INIT("SUCCESS"),
                                        SLICE_INIT("FAILURE"), SLICE_INIT("DELAY")};
    struct slice before = SLICE(" NOTIFY=");
    for (unsigned bit = 0; bit < sizeof word / sizeof *word; bit++) {
        if ((notify & 1u << bit) == 0)
            continue;
        say(t, before);
        say(t, word[bit]);
        before = SLICE(",");
    }
}

static void say_rcpt(struct transaction *t, size_t i)
{
    struct client_recipient *r = &t->recipient[i];
    r->said = true;
    say(t, SLICE("RCPT TO:<"));
    say(t, r->address);
    say(t, SLICE(">"));
    if (t->c->ehlo.dsn) {
        say_notify(t, t->rq->recipient[i].notify);
        if (r->orcpt.n > 0) {
            say(t, SLICE(" ORCPT="));
            say(t, r->orcpt);
        }
    }
    say(t, SLICE("\r\n"));
}

/* --- What is heard --- */

/* A reply; 421 ends the session with it. */
static enum error hear(struct transaction *t, int64_t ms)
{
    enum error e = client_hear(t->c, ms, t->why);
    if (e != OK || t->c->reply.code != 421)
        return e;
    client_refused(t->c, PROBLEM_REFUSED, t->why);
    return ERR_CLOSED;
}

static unsigned code_class(const struct transaction *t)
{
    return t->c->reply.code / 100u;
}

static enum error hear_reset(struct transaction *t)
{
    enum error e = hear(t, LIMIT_CLIENT_COMMAND_MS);
    if (e == OK && code_class(t) != 2)
        e = client_confused(t->c, t->why);
    if (e == OK)
        t->c->in_transaction = false;
    return e;
}

static enum error hear_mail(struct transaction *t)
{
    enum error e = hear(t, LIMIT_CLIENT_COMMAND_MS);
    if (e != OK)
        return e;
    if (code_class(t) == 2)
        t->c->in_transaction = true;
    else if (code_class(t) == 3)
        return client_confused(t->c, t->why);
    else
        refuse_rest(t);
    return OK;
}

/* RFC 5321 4.5.3.1.10: 552 is how old servers say "too many recipients", which is no fault of this
 * one. "Mailbox full" has the same code; an enhanced one tells them apart. */
static bool is_too_many(const struct transaction *t)
{
    const struct reply *r = &t->c->reply;
    return r->code == 552 && t->accepted > 0 && (!r->has_status || strcmp(r->status, "5.5.3") == 0);
}

static enum error hear_rcpt(struct transaction *t, size_t i)
{
    enum error e = hear(t, LIMIT_CLIENT_COMMAND_MS);
    /* Decided already: MAIL was refused, and so is this. */
    if (e != OK || t->recipient[i].state == RECIPIENT_DECIDED)
        return e;
    if (code_class(t) == 3)
        return client_confused(t->c, t->why);
    if (code_class(t) == 2) {
        t->recipient[i].state = RECIPIENT_ACCEPTED;
        t->accepted++;
        return OK;
    }
    struct client_failure f;
    client_refused(t->c, PROBLEM_REFUSED, &f);
    client_decide(t, i, &f);
    if (is_too_many(t)) {
        t->outcome[i].outcome = RELAY_TEMPORARY;
        snprintf(t->outcome[i].status, sizeof t->outcome[i].status, "4.5.3");
    }
    return OK;
}

/* Nothing may follow 354 before the message's end was said. What waits there already would be taken
 * for the answer to that, and a message for delivered that the server never took. */
static enum error must_wait(struct transaction *t)
{
    if (dial_is_quiet(t->c->d))
        return OK;
    enum error e = hear(t, LIMIT_CLIENT_LAST_WORD_MS);
    return e == OK ? client_confused(t->c, t->why) : e;
}

/* *go: the message may come (for nobody, perhaps). */
static enum error hear_data(struct transaction *t, bool *go)
{
    enum error e = hear(t, LIMIT_CLIENT_DATA_MS);
    if (e != OK)
        return e;
    *go = t->c->reply.code == 354;
    if (!*go && code_class(t) < 4)
        return client_confused(t->c, t->why);
    if (*go)
        return must_wait(t);
    refuse_rest(t);
    return OK;
}

/* --- The envelope --- */

static enum error envelope_at_once(struct transaction *t, bool *go)
{
    const size_t n = t->rq->n_recipients;
    const bool reset = t->c->in_transaction;
    enum error e = OK;
    if (reset)
        say(t, SLICE("RSET\r\n"));
    say_mail(t);
    for (size_t i = 0; i < n; i++)
        if (t->recipient[i].state == RECIPIENT_OPEN)
            say_rcpt(t, i);
    say(t, SLICE("DATA\r\n"));
    client_flush(t->c);
    if (reset)
        e = hear_reset(t);
    if (e == OK)
        e = hear_mail(t);
    for (size_t i = 0; i < n && e == OK; i++)
        if (t->recipient[i].said)
            e = hear_rcpt(t, i);
    return e == OK ? hear_data(t, go) : e;
}

static enum error step_mail(struct transaction *t)
{
    enum error e = OK;
    if (t->c->in_transaction) {
        say(t, SLICE("RSET\r\n"));
        client_flush(t->c);
        e = hear_reset(t);
    }
    if (e != OK)
        return e;
    say_mail(t);
    client_flush(t->c);
    return hear_mail(t);
}

static enum error envelope_by_steps(struct transaction *t, bool *go)
{
    enum error e = step_mail(t);
    for (size_t i = 0; i < t->rq->n_recipients && e == OK; i++) {
        if (t->recipient[i].state != RECIPIENT_OPEN)
            continue;
        say_rcpt(t, i);
        client_flush(t->c);
        e = hear_rcpt(t, i);
    }
    if (e != OK || t->accepted == 0)
        return e;
    say(t, SLICE("DATA\r\n"));
    client_flush(t->c);
    return hear_data(t, go);
}

/* --- The message --- */

/* In pieces that the server has to take in LIMIT_CLIENT_BLOCK_MS each. False: the connection broke.
 */
static bool put(struct transaction *t, struct slice s)
{
    while (s.n > 0) {
        struct slice piece = slice_sub(s, 0, PIECE - t->gathered);
        say(t, piece);
        t->gathered += piece.n;
        s = slice_from(s, piece.n);
        if (t->gathered < PIECE)
            continue;
        t->gathered = 0;
        client_flush(t->c);
        if (t->c->broken != OK)
            return false;
    }
    return true;
}

/* Lines that begin with a dot get another one (RFC 5321 4.5.2); what stands between them goes as it
 * is. All line ends are known to be CRLF. */
static bool put_message(struct transaction *t)
{
    if (t->raw.n == 0)
        return true;
    const uint8_t *p = t->raw.p, *end = t->raw.p + t->raw.n, *from = p;
    while (p < end) {
        if (*p == '.') {
            if (!put(t, slice_of(from, (size_t)(p - from))) || !put(t, SLICE(".")))
                return false;
            from = p;
        }
        const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
        p = lf ? lf + 1 : end;
    }
    if (!put(t, slice_of(from, (size_t)(end - from))))
        return false;
    return !ends_open(t->raw) || put(t, SLICE("\r\n"));
}

/* The server stopped taking the message: it may have said why (552) before it went. */
static enum error cut_short(struct transaction *t)
{
    enum error e = client_hear(t->c, LIMIT_CLIENT_LAST_WORD_MS, t->why);
    if (e != OK)
        return e;
    if (code_class(t) < 4)
        return client_lost(t->c, t->c->broken, t->why);
    client_refused(t->c, PROBLEM_REFUSED, t->why);
    return ERR_CLOSED;
}

/* The answer to the end of data: the server has the message, or says that it does not. */
static enum error hear_end(struct transaction *t)
{
    enum error e = hear(t, LIMIT_CLIENT_END_MS);
    if (e != OK && (t->why->problem == PROBLEM_LOST || t->why->problem == PROBLEM_TIMEOUT))
        t->why->problem = PROBLEM_LOST_AT_END;
    if (e == OK && code_class(t) == 3)
        e = client_confused(t->c, t->why);
    if (e == OK)
        t->c->in_transaction = false;
    return e;
}

static void delivered(struct transaction *t)
{
    struct client_failure f;
    client_refused(t->c, PROBLEM_NONE, &f);
    struct relay_outcome_of o = outcome_of(t, &f);
    o.outcome = RELAY_DELIVERED;
    for (size_t i = 0; i < t->rq->n_recipients; i++)
        if (t->recipient[i].state == RECIPIENT_ACCEPTED)
            settle(t, i, &o);
}

static enum error send_message(struct transaction *t)
{
    if (!put_message(t))
        return cut_short(t);
    say(t, SLICE(".\r\n"));
    client_flush(t->c);
    if (t->c->broken != OK)
        return cut_short(t);
    enum error e = hear_end(t);
    if (e != OK)
        return e;
    if (code_class(t) == 2)
        delivered(t);
    else
        refuse_rest(t);
    return OK;
}

/* DATA was said before the refusals were heard, and the server wants a message all the same: it
 * gets an empty one, which it has to refuse (RFC 2920 3.1). One that takes it is out of step. */
static enum error send_nothing(struct transaction *t)
{
    say(t, SLICE(".\r\n"));
    client_flush(t->c);
    enum error e = hear_end(t);
    if (e == OK && code_class(t) == 2)
        t->c->standing = false;
    return e;
}

static enum error transact(struct transaction *t)
{
    bool go = false;
    enum error e = t->c->ehlo.pipelining ? envelope_at_once(t, &go) : envelope_by_steps(t, &go);
    if (e != OK || !go)
        return e;
    return t->accepted > 0 ? send_message(t) : send_nothing(t);
}

enum error client_send(struct client *c, const struct relay_request *rq, struct slice raw,
                       struct arena *a, struct relay_outcome_of *outcome,
                       struct client_failure *why)
{
    if (rq->n_recipients > LIMIT_RELAY_RECIPIENTS)
        bug("a transaction for %zu recipients", rq->n_recipients);
    struct transaction t = {.c = c, .rq = rq, .raw = raw, .a = a, .outcome = outcome, .why = why};
    enum error e = OK;
    c->transactions++;
    client_check(&t);
    if (t.open > 0)
        e = c->standing ? transact(&t) : client_lost(c, ERR_CLOSED, why);
    if (e != OK)
        client_decide_rest(&t, why);
    reply_free(&c->reply);
    return e;
}
