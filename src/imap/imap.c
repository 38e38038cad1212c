/* The protocol's functions for the runtime: the frame around commands. Bytes go to the reader, a
 * whole command to the table, and its tagged answer out, with the selected mailbox brought up to
 * date between the two. */
#include "imap/imap.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/frame.h"
#include "imap/respond.h"
#include "imap/sync.h"

/* --- A command's end --- */

static void count_error(struct imap_session *s)
{
    if (++s->errors < LIMIT_IMAP_ERRORS || s->closing)
        return;
    imap_lit(s, "* BYE Too many errors\r\n");
    log_info("imap.errors", log_u64("session", conn_id(s->conn)));
    s->closing = true;
}

static void write_tagged(struct imap_session *s)
{
    static const char *const words[] = {
        [IMAP_OK] = " OK ", [IMAP_NO] = " NO ", [IMAP_BAD] = " BAD "};
    imap_write(s, s->tag);
    imap_write(s, slice_str(words[s->reply.status]));
    if (s->reply.code.n) {
        imap_lit(s, "[");
        imap_write(s, s->reply.code);
        imap_lit(s, "] ");
    }
    imap_write(s, s->reply.text);
    imap_lit(s, "\r\n");
}

static void forget_command(struct imap_session *s)
{
    arena_reset(&s->arena);
    if (s->secret)
        reader_wipe(&s->reader);
    else
        reader_next(&s->reader);
    literal_release(&s->held);
    s->secret = false;
    s->tag = SLICE_NONE;
    s->uid = false;
    s->told = NULL;
    s->n_told = 0;
    s->removes = false;
    s->reply.status = IMAP_NO_REPLY;
}

/* After sync, which has told everything up to it. */
static void add_modseq(struct imap_session *s)
{
    if (s->removes && s->snapshot && s->reply.status == IMAP_OK && s->reply.code.n == 0 &&
        imap_has(s, IMAP_CONDSTORE))
        s->reply.code = arena_printf(&s->arena, "HIGHESTMODSEQ %llu",
                                     (unsigned long long)snapshot_info(s->snapshot).modseq);
}

void imap_finish(struct imap_session *s, enum imap_sync how)
{
    if (s->reply.status != IMAP_NO_REPLY) {
        imap_sync(s, how);
        add_modseq(s);
        write_tagged(s);
        /* A refused login counts too: the guard exempts trusted networks, this does not. */
        if (s->reply.status == IMAP_BAD ||
            (s->reply.status == IMAP_NO && s->state == IMAP_NOT_AUTHENTICATED))
            count_error(s);
        else if (s->reply.status == IMAP_OK && s->state != IMAP_NOT_AUTHENTICATED)
            s->errors = 0;
    }
    forget_command(s);
}

/* --- A command --- */

static const char *wrong_state(const struct imap_session *s, const struct imap_command *c)
{
    if (s->state == IMAP_NOT_AUTHENTICATED)
        return "Log in first";
    if (c->states == IMAP_NOT_AUTHENTICATED)
        return "Logged in already";
    return "Select a mailbox first";
}

static enum imap_sync sync_after(const struct imap_command *c, bool uid)
{
    return (c->flags & IMAP_CMD_HOLD_EXPUNGE) && !uid ? IMAP_SYNC_HOLD_EXPUNGE : IMAP_SYNC_ALL;
}

/* A command that is given uids sees the newest; one that is given message numbers must not have
 * them changed under it. */
static void sync_before(struct imap_session *s, const struct imap_command *c)
{
    if (s->uid)
        imap_sync(s, IMAP_SYNC_ALL);
    else if (c->flags & IMAP_CMD_NUMBERS)
        imap_sync(s, IMAP_SYNC_HOLD_EXPUNGE);
}

static void run_command(struct imap_session *s)
{
    struct imap_text text = reader_text(&s->reader);
    if (text.text.n == 0 && text.n == 0) {
        forget_command(s); /* some clients send an empty line after a literal */
        return;
    }
    struct imap_lexer l;
    lex_init(&l, &s->arena, &text);
    l.utf8 = imap_utf8_names(s);
    const struct imap_command *c;
    void *args;
    enum error e = imap_command_parse(&l, &s->tag, &c, &args);
    s->uid = l.uid;
    if (!s->tag.n)
        s->tag = SLICE("*");
    if (c && !(c->states & s->state)) {
        imap_bad(s, wrong_state(s, c));
    } else if (e != OK || !c) {
        imap_bad(s, l.why ? l.why : "Malformed command");
        if (e == ERR_LIMIT)
            s->reply.code = SLICE("TOOBIG");
    } else if ((c->flags & IMAP_CMD_WRITES) && s->read_only) {
        imap_no(s, "READ-ONLY", "The mailbox is open for reading only");
    } else {
        sync_before(s, c);
        if (s->closing) /* the mailbox is gone */
            imap_no(s, NULL, "The selected mailbox is gone");
        else
            c->run(s, args);
    }
    imap_finish(s, c ? sync_after(c, s->uid) : IMAP_SYNC_HOLD_EXPUNGE);
}

/* --- Literals: judged before they are read --- */

struct literal_limits {
    uint64_t each, total;
    size_t count;
    bool message;
};

/* Is a message's literal announced: APPEND by somebody who may, and not its mailbox name? */
static bool is_message(struct imap_session *s, struct imap_text *text)
{
    if (s->state == IMAP_NOT_AUTHENTICATED)
        return false;
    struct imap_lexer l;
    lex_init(&l, &s->arena, text);
    lex_tag(&l);
    lex_sp(&l);
    struct slice name = lex_name(&l);
    lex_sp(&l);
    if (!lex_ok(&l) || !slice_ieq(name, SLICE("APPEND")))
        return false;
    return text->n > 0 || l.rest.n > 1;
}

static struct literal_limits limits_of(struct imap_session *s, struct imap_text *text)
{
    if (is_message(s, text)) {
        uint64_t size = imap_message_size(s);
        uint64_t total = size > LIMIT_IMAP_APPEND_BYTES ? size : LIMIT_IMAP_APPEND_BYTES;
        return (struct literal_limits){size, total, LIMIT_IMAP_APPENDS + 1, true};
    }
    uint64_t total =
        s->state == IMAP_NOT_AUTHENTICATED ? LIMIT_IMAP_PREAUTH_LITERALS : LIMIT_IMAP_COMMAND;
    uint64_t each = s->reader.asked_sync ? total : LIMIT_IMAP_LITERAL_PLUS;
    return (struct literal_limits){each, total, LIMIT_IMAP_LITERALS, false};
}

static bool over_quota(struct imap_session *s)
{
    uint64_t quota = imap_quota(s);
    struct store_usage used;
    if (quota == 0 || store_usage(s->service->store, s->account, &used) != OK)
        return false;
    return s->reader.total + s->reader.asked > quota || used.bytes > quota ||
           used.bytes > quota - s->reader.total - s->reader.asked;
}

/* The client of a refused synchronising literal waits for our answer and goes on; the bytes of the
 * other kind are on their way already, so that only closing stops them. */
static void refuse_literal(struct imap_session *s, struct imap_text *text, const char *code,
                           const char *why)
{
    if (!s->reader.asked_sync) {
        imap_printf(s, "* BYE [%s] %s\r\n", code, why);
        s->closing = true;
        forget_command(s);
        return;
    }
    struct imap_lexer l;
    lex_init(&l, &s->arena, text);
    s->tag = lex_tag(&l);
    if (!lex_ok(&l))
        s->tag = SLICE("*");
    imap_no(s, code, why);
    count_error(s);
    imap_finish(s, IMAP_SYNC_HOLD_EXPUNGE);
}

static void judge_literal(struct imap_session *s)
{
    struct reader *r = &s->reader;
    struct imap_text text = reader_text(r);
    struct literal_limits lim = limits_of(s, &text);
    if (r->asked > lim.each || r->total + r->asked > lim.total || r->n_literals >= lim.count) {
        refuse_literal(s, &text, "TOOBIG",
                       lim.message ? "The message is too big" : "The literal is too big");
        return;
    }
    if (lim.message && over_quota(s) && r->asked_sync) {
        refuse_literal(s, &text, "OVERQUOTA", "The account's quota is used up");
        return;
    }
    if (!literal_reserve(&s->held, s->account, r->asked)) {
        refuse_literal(s, &text, "UNAVAILABLE", "Too many big messages at once, try again");
        return;
    }
    bool sync = r->asked_sync;
    reader_accept(r);
    if (sync)
        imap_lit(s, "+ OK\r\n");
}

static void long_line(struct imap_session *s)
{
    struct imap_text text = reader_text(&s->reader);
    struct imap_lexer l;
    lex_init(&l, &s->arena, &text);
    s->tag = lex_tag(&l);
    if (!lex_ok(&l))
        s->tag = SLICE("*");
    if (s->reader.last == '}') {
        imap_lit(s, "* BYE [TOOBIG] The line is too long\r\n");
        s->closing = true;
    }
    imap_bad(s, "The line is too long");
    s->reply.code = SLICE("TOOBIG");
    imap_finish(s, IMAP_SYNC_HOLD_EXPUNGE);
}

/* --- Input --- */

/* A line that is thrown away and never ends. */
static void skipping(struct imap_session *s)
{
    if (s->reader.skipped < LIMIT_IMAP_SKIPPED)
        return;
    s->reader.skipped = 0;
    count_error(s);
}

static void take_commands(struct imap_session *s)
{
    s->secret = s->state == IMAP_NOT_AUTHENTICATED;
    struct slice in = conn_input(s->conn);
    size_t before = in.n;
    enum reader_event event = reader_feed(&s->reader, &in);
    conn_consume(s->conn, before - in.n);
    switch (event) {
    case READER_MORE:
        skipping(s);
        return;
    case READER_LITERAL:
        judge_literal(s);
        return;
    case READER_TOO_LONG:
        long_line(s);
        return;
    case READER_COMMAND:
        run_command(s);
        return;
    }
}

/* A line inside AUTHENTICATE or IDLE. */
static void take_line(struct imap_session *s)
{
    s->secret = s->mode == IMAP_SASL;
    struct slice in = conn_input(s->conn), line;
    size_t before = in.n;
    bool too_long;
    bool whole = reader_line(&s->reader, &in, LIMIT_IMAP_SASL_LINE, &line, &too_long);
    conn_consume(s->conn, before - in.n);
    if (!whole)
        return;
    if (too_long) {
        imap_lit(s, "* BYE [TOOBIG] The line is too long\r\n");
        s->closing = true;
        return;
    }
    if (s->mode == IMAP_SASL)
        imap_sasl_line(s, line);
    else
        imap_idle_line(s, line);
}

static bool revoked(struct imap_session *s)
{
    if (!s->login || !login_session_revoked(s->login))
        return false;
    imap_lit(s, "* BYE The account or its password was changed; log in again\r\n");
    return true;
}

/* What a parked session holds: itself. */
static enum after park(struct imap_session *s)
{
    if (s->closing || conn_broken(s->conn))
        return CLOSE;
    if (reader_empty(&s->reader)) {
        reader_free(&s->reader);
        arena_free(&s->arena);
        if (s->state != IMAP_NOT_AUTHENTICATED)
            conn_deadline(s->conn, LIMIT_IMAP_IDLE_MS);
    } else if (s->state != IMAP_NOT_AUTHENTICATED) {
        conn_deadline(s->conn, LIMIT_IMAP_PIECE_MS);
    }
    return PARK;
}

static enum after input(struct conn *c)
{
    struct imap_session *s = conn_data(c);
    if (revoked(s))
        return CLOSE;
    for (;;) {
        while (conn_input(c).n && !s->closing && !conn_broken(c) && !s->starting_tls) {
            if (s->mode == IMAP_COMMANDS)
                take_commands(s);
            else
                take_line(s);
        }
        /* A literal runs in without parking between its pieces. */
        bool inside = s->reader.state == READER_IN_LITERAL && !s->closing;
        if (!inside || conn_read_more(c) != OK)
            break;
    }
    if (s->starting_tls)
        return imap_start_tls(s);
    return park(s);
}

/* --- The connection's other moments --- */

static enum after greet(struct imap_session *s)
{
    if (imap_refuse_address(s))
        return CLOSE;
    imap_lit(s, "* OK [CAPABILITY ");
    imap_write(s, imap_capabilities(s));
    imap_printf(s, "] %s IMAP server ready\r\n", s->service->host);
    conn_deadline(s->conn, LIMIT_IMAP_PREAUTH_MS);
    return PARK;
}

/* Ten thousand of them are parked. */
_Static_assert(sizeof(struct imap_session) <= 768, "a parked session has grown");

static enum after open_session(struct conn *c)
{
    struct imap_session *s = mem_alloc(sizeof *s);
    s->service = conn_service(c);
    s->conn = c;
    s->peer = conn_peer(c);
    s->state = IMAP_NOT_AUTHENTICATED;
    arena_init(&s->arena, LIMIT_IMAP_ARENA);
    reader_init(&s->reader);
    conn_set_data(c, s);
    return greet(s);
}

static enum after event(struct conn *c)
{
    struct imap_session *s = conn_data(c);
    if (revoked(s))
        return CLOSE;
    if (s->mode == IMAP_IDLE) {
        imap_sync(s, IMAP_SYNC_ALL);
        arena_free(&s->arena);
    }
    return s->closing || conn_broken(c) ? CLOSE : PARK;
}

static enum after timeout(struct conn *c)
{
    struct imap_session *s = conn_data(c);
    if (s->state == IMAP_NOT_AUTHENTICATED)
        imap_lit(s, "* BYE Login took too long\r\n");
    else
        imap_lit(s, "* BYE Nothing was heard for too long\r\n");
    return CLOSE;
}

static enum after stopping(struct conn *c)
{
    struct imap_session *s = conn_data(c);
    imap_lit(s, "* BYE The server is stopping, come back in a moment\r\n");
    return CLOSE;
}

static void close_session(struct conn *c)
{
    struct imap_session *s = conn_data(c);
    if (!s)
        return;
    imap_unselect(s);
    if (s->keywords)
        store_keywords_unref(s->keywords);
    if (s->login)
        login_session_end(s->login);
    if (s->waker)
        waker_unref(s->waker);
    if (s->account)
        log_info("imap.end", log_u64("session", conn_id(c)), log_text("account", s->address));
    imap_sasl_free(s);
    if (s->secret)
        reader_wipe(&s->reader);
    else
        reader_free(&s->reader); /* wiping would touch memory that no byte has come for */
    literal_release(&s->held);
    arena_free(&s->arena);
    mem_free(s->pending_tag);
    mem_free(s->address);
    mem_free(s);
    conn_set_data(c, NULL);
}

const struct protocol imap_protocol = {
    .name = "imap",
    .open = open_session,
    .input = input,
    .event = event,
    .timeout = timeout,
    .stopping = stopping,
    .close = close_session,
};
