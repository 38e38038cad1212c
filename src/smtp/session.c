/* The session engine: the order of the dialogue, its limits, and the commands that stand for
 * themselves. */
#include "smtp/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* Which command may come when, and what it may be followed by. */
enum {
    BEFORE_TLS = 1,  /* submission: also before STARTTLS */
    BEFORE_AUTH = 2, /* submission: also before the login */
    ENDS_GROUP = 4,  /* nothing may be pipelined after it (RFC 2920 3.1) */
};

static const uint8_t rules[] = {
    [VERB_UNKNOWN] = BEFORE_AUTH,
    [VERB_EHLO] = BEFORE_TLS | BEFORE_AUTH | ENDS_GROUP,
    [VERB_HELO] = BEFORE_AUTH | ENDS_GROUP,
    [VERB_MAIL] = 0,
    [VERB_RCPT] = 0,
    [VERB_DATA] = ENDS_GROUP,
    [VERB_BDAT] = 0,
    [VERB_RSET] = BEFORE_AUTH,
    [VERB_NOOP] = BEFORE_TLS | BEFORE_AUTH,
    [VERB_VRFY] = 0,
    [VERB_EXPN] = 0,
    [VERB_HELP] = BEFORE_AUTH,
    [VERB_QUIT] = BEFORE_TLS | BEFORE_AUTH,
    [VERB_STARTTLS] = BEFORE_TLS | BEFORE_AUTH | ENDS_GROUP,
    [VERB_AUTH] = BEFORE_AUTH,
    [VERB_XCLIENT] = BEFORE_TLS | BEFORE_AUTH | ENDS_GROUP,
    [VERB_FOREIGN] = BEFORE_TLS | BEFORE_AUTH,
};

void smtp_say(struct smtp_session *s, enum smtp_reply r, const char *text)
{
    const struct smtp_reply_text *t = smtp_reply(r);
    conn_printf(s->conn, "%u %s%s%s\r\n", (unsigned)t->code, t->enhanced, *t->enhanced ? " " : "",
                text ? text : t->text);
    if (t->code == 421 || t->code == 221 || r == REPLY_NOT_IN_STEP)
        s->closing = true;
}

void smtp_greet(struct smtp_session *s)
{
    char text[128] = "";
    /* Whoever speaks before the greeting does not listen to it either. */
    if (conn_input(s->conn).n > 0) {
        smtp_say(s, REPLY_NOT_IN_STEP, NULL);
        return;
    }
    enum smtp_reply r = s->face->admit(s, text, sizeof text);
    if (r != REPLY_NONE) {
        smtp_say(s, r, *text ? text : NULL);
        s->closing = true;
        return;
    }
    conn_printf(s->conn, "220 %s ESMTP Depesche\r\n", s->host);
}

enum after smtp_session_open(struct conn *c, const struct smtp_face *face, const char *host,
                             const struct smtp_limits *limits)
{
    struct smtp_session *s = mem_alloc(sizeof *s);
    s->conn = c;
    s->face = face;
    s->host = host;
    s->max_size = limits->message_size ? limits->message_size : LIMIT_MESSAGE_SIZE;
    s->max_recipients = limits->recipients ? limits->recipients : LIMIT_SMTP_RECIPIENTS;
    s->peer = conn_peer(c);
    s->ends = clock_ms() + LIMIT_SMTP_SESSION_MS;
    s->in.fd = -1;
    arena_init(&s->t.arena, LIMIT_SMTP_ARENA);
    conn_set_data(c, s);
    smtp_greet(s);
    return smtp_park(s);
}

void smtp_session_close(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    smtp_transaction_reset(s);
    arena_free(&s->t.arena);
    if (s->face->end)
        s->face->end(s);
    mem_free(s);
}

enum after smtp_park(struct smtp_session *s)
{
    if (s->closing || conn_broken(s->conn))
        return CLOSE;
    if (s->handshake)
        return PARK;
    int64_t ms = LIMIT_SMTP_COMMAND_MS;
    if (s->mode == MODE_DATA || s->mode == MODE_CHUNK)
        ms = LIMIT_SMTP_DATA_MS;
    else if (s->face->submission && !s->account)
        ms = LIMIT_SMTP_PREAUTH_MS;
    int64_t left = s->ends - clock_ms();
    if (left < ms)
        ms = left > 1 ? left : 1;
    conn_deadline(s->conn, (int)ms);
    return PARK;
}

enum after smtp_session_timeout(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    return smtp_session_break(s, clock_ms() >= s->ends ? REPLY_TOO_LONG : REPLY_TIMEOUT);
}

enum after smtp_session_break(struct smtp_session *s, enum smtp_reply r)
{
    if (s->mode == MODE_DATA || s->mode == MODE_CHUNK)
        smtp_log_message(s, r);
    smtp_say(s, r, NULL);
    return CLOSE;
}

enum after smtp_session_stopping(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    if (s->mode == MODE_DATA || s->mode == MODE_CHUNK) {
        s->stopping = true;
        return PARK;
    }
    smtp_say(s, REPLY_SHUTTING_DOWN, NULL);
    return CLOSE;
}

static enum smtp_reply do_hello(struct smtp_session *s, const struct smtp_command *c)
{
    smtp_transaction_reset(s);
    s->extended = c->verb == VERB_EHLO;
    s->helo_n = (uint8_t)c->argument.n; /* the parser holds it to LIMIT_DOMAIN, 255 */
    memcpy(s->helo, c->argument.p, c->argument.n);
    if (!s->extended) {
        conn_printf(s->conn, "250 %s\r\n", s->host);
        return REPLY_NONE;
    }
    bool tls = conn_tls(s->conn);
    conn_printf(s->conn,
                "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n"
                "250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n",
                s->host, (unsigned long long)s->max_size);
    if (!tls)
        conn_write(s->conn, SLICE("250-STARTTLS\r\n"));
    else
        conn_write(s->conn, SLICE("250-REQUIRETLS\r\n"));
    if (s->face->announce)
        s->face->announce(s);
    conn_printf(s->conn, "250-LIMITS MAILMAX=%u RCPTMAX=%u\r\n250 ENHANCEDSTATUSCODES\r\n",
                (unsigned)LIMIT_SMTP_TRANSACTIONS, (unsigned)s->max_recipients);
    return REPLY_NONE;
}

/* Runs when the handshake is done: nothing said in clear counts any more (RFC 3207 4.2). */
static enum after under_tls(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    s->handshake = false;
    return smtp_park(s);
}

static enum smtp_reply do_starttls(struct smtp_session *s)
{
    if (conn_tls(s->conn))
        return REPLY_BAD_SEQUENCE;
    smtp_transaction_reset(s);
    s->helo_n = 0;
    s->extended = false;
    smtp_say(s, REPLY_STARTTLS, NULL);
    s->handshake = true;
    /* Also what came just now counts as said in clear. */
    if (conn_read_more(s->conn) == OK || conn_start_tls(s->conn, under_tls) != OK)
        s->closing = true;
    return REPLY_NONE;
}

/* What stands before every command: TLS and login of submission. */
static enum smtp_reply check_rules(struct smtp_session *s, enum smtp_verb verb)
{
    if (!s->face->submission)
        return REPLY_NONE;
    if (!conn_tls(s->conn) && !(rules[verb] & BEFORE_TLS))
        return REPLY_NEED_TLS;
    if (!s->account && !(rules[verb] & BEFORE_AUTH))
        return REPLY_NEED_AUTH;
    return REPLY_NONE;
}

static enum smtp_reply do_command(struct smtp_session *s, const struct smtp_command *c)
{
    switch (c->verb) {
    case VERB_EHLO:
    case VERB_HELO:
        return do_hello(s, c);
    case VERB_MAIL:
        return smtp_do_mail(s, c);
    case VERB_RCPT:
        return smtp_do_rcpt(s, c);
    case VERB_DATA:
        return smtp_do_data(s);
    case VERB_BDAT:
        return smtp_do_bdat(s, c);
    case VERB_RSET:
        smtp_transaction_reset(s);
        return REPLY_DONE;
    case VERB_NOOP:
        return REPLY_DONE;
    case VERB_VRFY:
        return REPLY_CANNOT_VERIFY;
    case VERB_HELP:
        return REPLY_HELP;
    case VERB_QUIT:
        return REPLY_BYE;
    case VERB_STARTTLS:
        return do_starttls(s);
    case VERB_AUTH:
    case VERB_XCLIENT:
        return s->face->other ? s->face->other(s, c) : REPLY_NOT_HERE;
    case VERB_EXPN:
        return REPLY_NOT_HERE;
    case VERB_FOREIGN:
        return REPLY_NOT_IN_STEP;
    case VERB_UNKNOWN:
        break;
    }
    return REPLY_UNKNOWN_COMMAND;
}

/* Does the reply say that the client does not know how to speak? Refused recipients are counted
 * apart: a list with old addresses is no attack. */
static bool counts_as_error(enum smtp_reply r)
{
    unsigned code = smtp_reply(r)->code;
    return (code >= 500 && code <= 504) || code == 530 || code == 535 || code == 555;
}

/* Writes the reply to a command and applies the limits. */
static void conclude(struct smtp_session *s, enum smtp_reply r)
{
    if (r == REPLY_NONE)
        return;
    s->errors += counts_as_error(r);
    if (s->errors > LIMIT_SMTP_ERRORS || s->refused > LIMIT_SMTP_REFUSED)
        r = REPLY_TOO_MANY_ERRORS;
    smtp_say(s, r, NULL);
    if (r == REPLY_TOO_MANY_ERRORS) {
        char ip[IP_TEXT];
        ip_print(s->peer, ip);
        log_info("smtp.too-many-errors", log_text("peer", ip), log_u64("errors", s->errors),
                 log_u64("refused", s->refused));
    }
}

void smtp_do_line(struct smtp_session *s, struct slice line)
{
    if (++s->commands > LIMIT_SMTP_COMMANDS) {
        smtp_say(s, REPLY_TOO_LONG, NULL);
        return;
    }
    struct smtp_command c;
    enum smtp_reply parsed = smtp_command_parse(line, &c);
    enum smtp_reply r = check_rules(s, c.verb);
    if (r == REPLY_NONE)
        r = parsed;
    if ((rules[c.verb] & ENDS_GROUP) && conn_input(s->conn).n > 0)
        r = REPLY_NOT_IN_STEP;
    if (r == REPLY_NONE)
        r = do_command(s, &c);
    else if (c.verb == VERB_BDAT)
        s->closing = true; /* the text that follows must not be read as commands */
    conclude(s, r);
}

/* Takes a line off the input and carries it out; false when it is not whole. */
static bool take_line(struct smtp_session *s)
{
    struct slice in = conn_input(s->conn);
    size_t n = slice_index(slice_sub(in, 0, LIMIT_SMTP_LINE), '\n');
    if (n == in.n)
        return false;
    if (n == LIMIT_SMTP_LINE) {
        s->mode = MODE_SKIP_LINE;
        return true;
    }
    /* A copy: the command may consume more input, or hand it to TLS. */
    uint8_t line[LIMIT_SMTP_LINE];
    memcpy(line, in.p, n);
    conn_consume(s->conn, n + 1);
    if (n == 0 || line[n - 1] != '\r') {
        conclude(s, REPLY_BAD_LINE);
        return true;
    }
    struct slice text = slice_of(line, n - 1);
    bool secret = s->face->submission && !s->account;
    if (s->mode == MODE_AUTH) {
        s->mode = MODE_COMMAND;
        conclude(s, s->face->auth_line(s, text));
    } else {
        smtp_do_line(s, text);
    }
    if (secret)
        mem_wipe(line, n);
    return true;
}

static bool skip_line(struct smtp_session *s)
{
    struct slice in = conn_input(s->conn);
    size_t n = slice_index(in, '\n');
    conn_consume(s->conn, n < in.n ? n + 1 : in.n);
    if (n < in.n) {
        s->mode = MODE_COMMAND;
        conclude(s, REPLY_LINE_TOO_LONG);
    }
    return n < in.n;
}

/* One step; false when more input must come first. */
static bool step(struct smtp_session *s)
{
    switch (s->mode) {
    case MODE_COMMAND:
    case MODE_AUTH:
        return take_line(s);
    case MODE_SKIP_LINE:
        return skip_line(s);
    case MODE_DATA:
        return smtp_take_data(s);
    case MODE_CHUNK:
        return smtp_take_chunk(s);
    }
    return false;
}

enum after smtp_session_input(struct conn *c)
{
    struct smtp_session *s = conn_data(c);
    while (!s->closing && !conn_broken(c) && conn_input(c).n > 0 && step(s)) {
        if (s->stopping && s->mode == MODE_COMMAND)
            smtp_say(s, REPLY_SHUTTING_DOWN, NULL);
    }
    return smtp_park(s);
}
