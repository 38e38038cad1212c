/* The session of an SMTP client: greeting, EHLO, STARTTLS, AUTH, and reading replies. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "outbound/client_private.h"

int64_t client_deadline(const struct client *c, int64_t ms)
{
    int64_t deadline = clock_ms() + ms;
    if (deadline > c->end)
        deadline = c->end;
    return deadline < c->until ? deadline : c->until;
}

void client_fail(struct client_failure *why, enum problem problem, const char *status,
                 const char *text)
{
    *why = (struct client_failure){.problem = problem};
    snprintf(why->status, sizeof why->status, "%s", status);
    snprintf(why->text, sizeof why->text, "%s", text);
}

void client_refused(const struct client *c, enum problem problem, struct client_failure *why)
{
    autobuf text = BUF_INIT(LIMIT_RELAY_ANSWER);
    reply_text(&c->reply, &text);
    client_fail(why, problem, c->reply.status, "");
    why->code = c->reply.code;
    snprintf(why->text, sizeof why->text, "%.*s", SLICE_FMT(buf_slice(&text)));
}

enum error client_confused(struct client *c, struct client_failure *why)
{
    c->standing = false;
    client_refused(c, PROBLEM_SYNTAX, why);
    snprintf(why->status, sizeof why->status, "4.5.0");
    return ERR_INPUT;
}

enum error client_lost(struct client *c, enum error e, struct client_failure *why)
{
    c->standing = false;
    if (e == ERR_TIMEOUT)
        client_fail(why, PROBLEM_TIMEOUT, "4.4.2", "");
    else if (e == ERR_LIMIT)
        client_fail(why, PROBLEM_SYNTAX, "4.5.0", "a reply that is too long");
    else if (e == ERR_INPUT)
        client_fail(why, PROBLEM_SYNTAX, "4.5.0", "what came is not a reply");
    else
        client_fail(why, PROBLEM_LOST, "4.4.2", "");
    return e;
}

void client_flush(struct client *c)
{
    if (c->broken != OK)
        return;
    c->broken = dial_flush(c->d, client_deadline(c, LIMIT_CLIENT_BLOCK_MS), 0);
    if (c->broken == OK)
        return;
    c->standing = false;
    int64_t last = clock_ms() + LIMIT_CLIENT_LAST_WORD_MS;
    if (c->end > last)
        c->end = last;
}

/* All lines of a reply. */
static enum error hear_lines(struct client *c, int64_t deadline)
{
    bool complete = false;
    while (!complete) {
        struct slice line;
        enum error e = dial_line(c->d, LIMIT_CLIENT_LINE, deadline, &line);
        if (e == OK)
            e = reply_line(&c->reply, line, &complete);
        if (e != OK)
            return e;
    }
    return OK;
}

enum error client_hear(struct client *c, int64_t ms, struct client_failure *why)
{
    reply_reset(&c->reply);
    enum error e = hear_lines(c, client_deadline(c, ms));
    if (e != OK)
        return client_lost(c, c->broken != OK ? c->broken : e, why);
    if (c->reply.code == 421)
        c->standing = false;
    return OK;
}

static bool refused(const struct client *c)
{
    return c->reply.code >= 400;
}

/* Says one command and hears its answer. */
static enum error ask(struct client *c, struct slice command, struct client_failure *why)
{
    dial_write(c->d, command);
    client_flush(c);
    return client_hear(c, LIMIT_CLIENT_COMMAND_MS, why);
}

static enum error greet(struct client *c, const char *verb, struct client_failure *why)
{
    autobuf command = BUF_INIT(LIMIT_CLIENT_COMMAND);
    buf_printf(&command, "%s %s\r\n", verb, c->host);
    return ask(c, buf_slice(&command), why);
}

/* EHLO, or HELO when the server refuses that for good (RFC 5321 3.2). What was announced before is
 * forgotten in any case (RFC 3207 4.2). */
static enum error hello(struct client *c, struct client_failure *why)
{
    c->ehlo = (struct ehlo){0};
    enum error e = greet(c, "EHLO", why);
    bool extended = true;
    if (e == OK && c->reply.code >= 500) {
        extended = false;
        e = greet(c, "HELO", why);
    }
    if (e != OK)
        return e;
    if (refused(c)) {
        client_refused(c, PROBLEM_REFUSED, why);
        why->permanent = c->reply.code >= 500;
        c->standing = false;
        return ERR_CLOSED;
    }
    if (c->reply.code != 250)
        return client_confused(c, why);
    if (extended)
        reply_ehlo(&c->reply, &c->ehlo);
    /* TLS within TLS is nobody's plan. */
    c->ehlo.starttls = c->ehlo.starttls && !dial_is_tls(c->d);
    return OK;
}

static enum error greeting(struct client *c, struct client_failure *why)
{
    enum error e = client_hear(c, LIMIT_CLIENT_COMMAND_MS, why);
    if (e != OK)
        return e;
    if (refused(c)) {
        client_refused(c, PROBLEM_REFUSED, why);
        why->permanent = c->reply.code >= 500;
        return ERR_CLOSED;
    }
    return c->reply.code == 220 ? OK : client_confused(c, why);
}

enum error client_new(struct dial *d, const char *host, int64_t deadline, struct client **out,
                      struct client_failure *why)
{
    struct client *c = mem_alloc(sizeof *c);
    c->d = d;
    c->host = host;
    c->end = clock_ms() + LIMIT_CLIENT_SESSION_MS;
    c->until = deadline;
    c->standing = true;
    reply_init(&c->reply);
    enum error e = greeting(c, why);
    if (e == OK)
        e = hello(c, why);
    reply_free(&c->reply);
    if (e != OK) {
        client_free(c);
        return e;
    }
    *out = c;
    return OK;
}

void client_until(struct client *c, int64_t deadline)
{
    c->until = deadline;
}

enum error client_start_tls(struct client *c, struct tls_client *t, const struct tls_wish *wish,
                            struct tls_outcome *outcome, struct client_failure *why)
{
    if (!c->ehlo.starttls) {
        client_fail(why, PROBLEM_NO_TLS, "4.7.4", "");
        return ERR_NOTFOUND;
    }
    enum error e = ask(c, SLICE("STARTTLS\r\n"), why);
    if (e != OK)
        return e;
    if (refused(c)) {
        client_refused(c, PROBLEM_TLS_REFUSED, why);
        return ERR_CLOSED;
    }
    if (c->reply.code != 220)
        return client_confused(c, why);
    struct tls_outcome reached = {0};
    e = dial_start_tls(c->d, t, wish, client_deadline(c, LIMIT_HANDSHAKE_MS), &reached);
    if (e != OK) {
        c->standing = false;
        client_fail(why, reached.problem != PROBLEM_NONE ? reached.problem : PROBLEM_HANDSHAKE,
                    "4.7.5", reached.detail);
        return e;
    }
    *outcome = reached;
    e = hello(c, why);
    reply_free(&c->reply);
    return e;
}

/* Room for the longest line of an exchange: base64 of name and password, at once from the start, so
 * that growing leaves no copies behind. */
#define SECRET_ROOM (4 * LIMIT_CLIENT_COMMAND)

/* A line of base64, wiped afterwards. */
static enum error answer(struct client *c, const char *before, struct slice secret,
                         struct client_failure *why)
{
    struct buf line = BUF_INIT(SECRET_ROOM);
    buf_room(&line, SECRET_ROOM);
    buf_str(&line, before);
    base64_encode(secret, &line);
    buf_lit(&line, "\r\n");
    enum error e = ask(c, buf_slice(&line), why);
    buf_wipe(&line);
    return e;
}

/* Servers repeat what they did not understand, and answers go to logs, to people and into reports:
 * one that has the secret in it, plain or in base64, is forgotten but for its code. */
static void forget_secret(struct client *c, struct slice secret)
{
    struct slice text = buf_slice(&c->reply.text);
    struct buf encoded = BUF_INIT(SECRET_ROOM);
    if (secret.n == 0)
        return;
    buf_room(&encoded, SECRET_ROOM);
    base64_encode(secret, &encoded);
    if (slice_find(text, secret) < text.n || slice_find(text, buf_slice(&encoded)) < text.n) {
        mem_wipe(c->reply.text.p, c->reply.text.n);
        buf_reset(&c->reply.text);
        buf_lit(&c->reply.text, "(the answer repeats the password)");
    }
    buf_wipe(&encoded);
}

/* The server asks for the next piece of the exchange. */
static bool asked_on(const struct client *c)
{
    return c->reply.code == 334;
}

static enum error login_plain(struct client *c, struct slice user, struct slice password,
                              struct client_failure *why)
{
    struct buf message = BUF_INIT(SECRET_ROOM);
    buf_room(&message, SECRET_ROOM);
    buf_byte(&message, 0);
    buf_add(&message, user);
    buf_byte(&message, 0);
    buf_add(&message, password);
    /* A command has its greatest length; a response of its own may be longer (RFC 4954 4). */
    const size_t encoded = (message.n + 2) / 3 * 4;
    enum error e;
    if (sizeof "AUTH PLAIN \r\n" + encoded <= LIMIT_CLIENT_COMMAND) {
        e = answer(c, "AUTH PLAIN ", buf_slice(&message), why);
    } else {
        e = ask(c, SLICE("AUTH PLAIN\r\n"), why);
        if (e == OK && asked_on(c))
            e = answer(c, "", buf_slice(&message), why);
    }
    forget_secret(c, buf_slice(&message));
    buf_wipe(&message);
    return e;
}

static enum error login_login(struct client *c, struct slice user, struct slice password,
                              struct client_failure *why)
{
    enum error e = ask(c, SLICE("AUTH LOGIN\r\n"), why);
    if (e == OK && asked_on(c))
        e = answer(c, "", user, why);
    if (e == OK && asked_on(c))
        e = answer(c, "", password, why);
    return e;
}

enum error client_login(struct client *c, struct slice user, struct slice password,
                        struct client_failure *why)
{
    const bool can = dial_is_tls(c->d) && (c->ehlo.auth_plain || c->ehlo.auth_login);
    if (!can || user.n > LIMIT_CLIENT_COMMAND || password.n > LIMIT_CLIENT_COMMAND ||
        slice_has(user, 0) || slice_has(password, 0)) {
        client_fail(why, PROBLEM_LOGIN, "4.7.0",
                    can ? "name or password cannot be sent" : "no way to log in is offered");
        return ERR_AUTH;
    }
    enum error e = c->ehlo.auth_plain ? login_plain(c, user, password, why)
                                      : login_login(c, user, password, why);
    forget_secret(c, password);
    if (e != OK)
        return e;
    if (refused(c)) {
        client_refused(c, PROBLEM_LOGIN, why);
        return ERR_AUTH;
    }
    return c->reply.code == 235 ? OK : client_confused(c, why);
}

const struct ehlo *client_ehlo(const struct client *c)
{
    return &c->ehlo;
}

bool client_standing(const struct client *c)
{
    return c->standing;
}

struct ip client_peer(const struct client *c)
{
    return dial_peer(c->d);
}

bool client_reusable(struct client *c)
{
    /* In the second half of its time there might be too little left for a large message. */
    return c->standing && c->transactions < LIMIT_CLIENT_TRANSACTIONS &&
           clock_ms() < c->end - LIMIT_CLIENT_SESSION_MS / 2 && dial_is_quiet(c->d);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    if (c->standing) {
        dial_write(c->d, SLICE("QUIT\r\n"));
        /* Nothing hangs on its being read. */
        enum error e = dial_flush(c->d, clock_ms() + LIMIT_CLIENT_QUIT_MS, 0);
        (void)e;
    }
    dial_close(c->d);
    reply_free(&c->reply);
    mem_free(c);
}
