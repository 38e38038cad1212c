/* APPEND (RFC 9051 6.3.12), several messages at once (RFC 3502), literal8 (RFC 3516), UTF8 data
 * (RFC 6855 4), APPENDUID (RFC 4315), APPENDLIMIT (RFC 7889).
 *
 * A message is kept as it came but for one thing: the store holds CRLF lines, so an LF that stands
 * alone becomes CRLF, as Dovecot does it; clients that read files with LF lines and send them as
 * they are would otherwise break every signature check and every other client. A literal8 may be
 * binary and is left alone. */
#include "base/clock.h"
#include "base/mem.h"
#include "imap/range_list.h"
#include "imap/respond.h"

struct append_message {
    struct append_message *next;
    struct slice raw;
    bool binary;
    struct flag_list flags;
    bool has_date;
    struct date date;
};

struct append_args {
    struct slice mailbox;
    struct append_message *first;
    size_t n;
};

/* --- Arguments --- */

/* literal / literal8 / "UTF8" SP "(" literal8 ")" */
static void parse_data(struct imap_lexer *l, struct append_message *m)
{
    if (lex_word(l, "UTF8")) {
        lex_sp(l);
        lex_expect(l, '(');
        m->raw = lex_literal(l, &m->binary);
        if (lex_ok(l) && !m->binary)
            lex_fail(l, "UTF8 data must be a literal8");
        m->binary = false; /* text, whatever the literal's form */
        lex_expect(l, ')');
        return;
    }
    m->raw = lex_literal(l, &m->binary);
    if (!m->binary && slice_has(m->raw, '\0'))
        lex_fail(l, "A message with NUL must be a literal8");
}

/* SP [flag-list SP] [date-time SP] data */
static struct append_message *parse_message(struct imap_lexer *l)
{
    struct append_message *m = arena_new(l->arena, struct append_message);
    if (!m) {
        lex_limit(l, "Command is too long");
        return NULL;
    }
    lex_sp(l);
    if (lex_peek(l) == '(') {
        lex_flags(l, false, &m->flags);
        lex_sp(l);
    }
    if (lex_peek(l) == '"') {
        m->date = lex_date_time(l);
        m->has_date = true;
        lex_sp(l);
    }
    parse_data(l, m);
    return m;
}

static enum error append_parse(struct imap_lexer *l, void **args)
{
    struct append_args *a = arena_new(l->arena, struct append_args);
    if (!a) {
        lex_limit(l, "Command is too long");
        return ERR_LIMIT;
    }
    struct append_message **end = &a->first;
    lex_sp(l);
    a->mailbox = lex_mailbox(l);
    do {
        struct append_message *m = parse_message(l);
        if (!m || !lex_ok(l))
            break;
        if (++a->n > LIMIT_IMAP_APPENDS)
            lex_limit(l, "Too many messages in one APPEND");
        *end = m;
        end = &m->next;
    } while (lex_ok(l) && !lex_at_end(l));
    *args = a;
    return lex_end(l);
}

/* --- Work --- */

struct append_run {
    struct imap_session *s;
    const struct append_args *args;
    struct arena arena; /* summaries */
    struct store_message *messages;
    struct buf *mended; /* one a message: what had to be changed */
    uint32_t *uids;
};

static size_t lone_line_feeds(struct slice s)
{
    size_t count = 0;
    for (size_t i = slice_index(s, '\n'); i < s.n;) {
        count += i == 0 || s.p[i - 1] != '\r';
        i += 1 + slice_index(slice_from(s, i + 1), '\n');
    }
    return count;
}

/* The message with CRLF lines: the bytes given, or a copy in `out`. */
static struct slice with_crlf(struct slice s, struct buf *out)
{
    size_t count = lone_line_feeds(s), from = 0;
    if (!count)
        return s;
    buf_init(out, s.n + count);
    for (size_t i = slice_index(s, '\n'); i < s.n;) {
        if (i == 0 || s.p[i - 1] != '\r') {
            buf_add(out, slice_sub(s, from, i));
            buf_byte(out, '\r');
            from = i;
        }
        i += 1 + slice_index(slice_from(s, i + 1), '\n');
    }
    buf_add(out, slice_from(s, from));
    return buf_slice(out);
}

/* False when the tagged answer is set. */
static bool prepare(struct append_run *r)
{
    struct date now = {.seconds = clock_wall()};
    now.zone = date_local_zone(now.seconds);
    size_t i = 0;
    for (const struct append_message *m = r->args->first; m; m = m->next, i++) {
        struct store_message *out = &r->messages[i];
        struct date date = m->has_date ? m->date : now;
        if (!m->raw.n) {
            imap_no(r->s, NULL, "A message cannot be empty");
            return false;
        }
        if (m->raw.n > imap_message_size(r->s)) {
            imap_no(r->s, "TOOBIG", "The message is too big");
            return false;
        }
        out->raw = m->binary ? m->raw : with_crlf(m->raw, &r->mended[i]);
        out->flags = m->flags;
        out->internal_date = date.seconds;
        out->internal_zone = date.zone;
        enum error e = summary_make(&r->arena, out->raw, date.seconds, &out->summary);
        if (e != OK) {
            imap_error(r->s, e);
            return false;
        }
    }
    return true;
}

/* "APPENDUID 1 7:9" */
static struct slice append_uid(struct append_run *r, uint32_t uid_validity)
{
    autobuf code = BUF_INIT(LIMIT_IMAP_MODIFIED_TEXT);
    buf_printf(&code, "APPENDUID %u ", (unsigned)uid_validity);
    autoranges uids = {0};
    for (size_t i = 0; i < r->args->n; i++)
        range_list_add(&uids, r->uids[i]);
    imap_ranges_print(&code, uids.range, uids.n);
    return arena_dup(&r->s->arena, buf_slice(&code));
}

static void answer(struct append_run *r, enum error e, uint32_t uid_validity)
{
    if (e == OK)
        imap_ok_code(r->s, append_uid(r, uid_validity), "APPEND completed");
    else if (e == ERR_NOTFOUND)
        imap_no(r->s, "TRYCREATE", "There is no such mailbox");
    else if (e == ERR_LIMIT)
        imap_no(r->s, "LIMIT", "There are too many keywords");
    else
        imap_error(r->s, e);
}

static void append_run(struct imap_session *s, void *opaque)
{
    const struct append_args *args = opaque;
    const struct mailbox_list *list = NULL;
    struct append_run r = {.s = s, .args = args};
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    const struct mailbox *box = store_mailbox_named(list, args->mailbox);
    uint32_t id = box ? box->id : 0, uid_validity = 0;
    store_mailboxes_unref(list);
    if (!box) {
        answer(&r, ERR_NOTFOUND, 0);
        return;
    }
    arena_init(&r.arena, LIMIT_IMAP_APPEND_ARENA);
    r.messages = mem_array(args->n, sizeof *r.messages);
    r.mended = mem_array(args->n, sizeof *r.mended);
    r.uids = mem_array(args->n, sizeof *r.uids);
    if (prepare(&r)) {
        e = store_append(s->service->store, s->account, id, r.messages, args->n, imap_quota(s),
                         r.uids, &uid_validity);
        answer(&r, e, uid_validity);
    }
    for (size_t i = 0; i < args->n; i++)
        buf_free(&r.mended[i]);
    mem_free(r.messages);
    mem_free(r.mended);
    mem_free(r.uids);
    arena_free(&r.arena);
}

static const struct imap_command commands[] = {
    {"APPEND", IMAP_LOGGED_IN, 0, append_parse, append_run},
};
const struct imap_command_table imap_append_commands = {commands, 1};
