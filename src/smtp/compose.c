/* Submission's look at the header. */
#include "smtp/compose.h"
#include "base/date.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/header.h"

/* Fields that do not go out: blind copies, what only a delivery writes, and what tells of the
 * client's machine and program. */
static const char *const dropped[] = {
    "Bcc",
    "Resent-Bcc",
    "Return-Path",
    "Delivered-To",
    "User-Agent",
    "X-Mailer",
    "X-MimeOLE",
    "X-MSMail-Priority",
    "X-Newsreader",
    "X-Originating-IP",
    "X-Sender-IP",
    "X-Client-IP",
    "X-Authenticated-Sender",
    "X-PHP-Originating-Script",
};

static bool is_dropped(struct slice name)
{
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
        if (slice_ieq(name, slice_str(dropped[i])))
            return true;
    return false;
}

struct seen {
    unsigned from, sender;
    bool date, message_id;
    char domain[LIMIT_DOMAIN + 1]; /* of the first From */
};

/* Where the scan of an address list stands. */
struct scan {
    struct slice in;
    bool group;      /* between a group's ':' and its ';' */
    bool ended;      /* behind a group's ';' or a '>': only a comma can follow */
    bool angle;      /* this mailbox has its <...> */
    size_t at_signs; /* of this mailbox */
    size_t mailboxes;
};

/* Over what stands up to `close`, with quoted pairs; `open` nests when it is not 0. */
static bool skip_quoted(struct slice *in, uint8_t open, uint8_t close)
{
    for (size_t i = 1, depth = 1; i < in->n; i++) {
        uint8_t c = in->p[i];
        if (c == '\\')
            i++;
        else if (c == close)
            depth--;
        else if (open && c == open)
            depth++;
        if (depth == 0) {
            *in = slice_from(*in, i + 1);
            return true;
        }
    }
    return false;
}

/* One mailbox has ended: it has exactly one address; only a group may have none. */
static bool end_mailbox(struct scan *s)
{
    bool none = s->at_signs == 0 && !s->angle && (s->group || s->ended);
    bool good = s->at_signs == 1 || none;
    s->ended = s->angle = false;
    s->at_signs = 0;
    return good && ++s->mailboxes <= LIMIT_ADDRESSES / 2;
}

/* The address in angle brackets, without a source route. */
static bool scan_angle(struct scan *s)
{
    if (s->ended || s->at_signs > 0)
        return false;
    s->angle = s->ended = true;
    s->in = slice_from(s->in, 1);
    while (s->in.n > 0) {
        uint8_t c = s->in.p[0];
        if (c == '"' || c == '(') {
            if (!skip_quoted(&s->in, c == '(' ? '(' : 0, c == '(' ? ')' : '"'))
                return false;
            continue;
        }
        if (c == '<' || c == ',' || c == ';')
            return false;
        s->at_signs += c == '@';
        s->in = slice_from(s->in, 1);
        if (c == '>')
            return true;
    }
    return false;
}

/* One byte that stands outside of quotes, comments and brackets. */
static bool scan_byte(struct scan *s, uint8_t c)
{
    switch (c) {
    case ',':
        return end_mailbox(s);
    case ':': /* after a group's name */
        if (s->group || s->ended || s->at_signs > 0)
            return false;
        s->group = true;
        return true;
    case ';':
        if (!s->group || !end_mailbox(s))
            return false;
        s->group = false;
        s->ended = true;
        return true;
    case '@':
        s->at_signs++;
        break;
    case '>':
        return false;
    default:
        break;
    }
    return !s->ended || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Can the list be read in one way only? Readers differ in what they make of "<a@b> <c@d>" or
 * "a@b; c@d", and what one of them shows as the sender must be the account's. */
static bool is_clear(struct slice value)
{
    struct scan s = {.in = value};
    while (s.in.n > 0) {
        uint8_t c = s.in.p[0];
        if (c == '(' || c == '"') {
            if (c == '"' && s.ended)
                return false;
            if (!skip_quoted(&s.in, c == '(' ? '(' : 0, c == '(' ? ')' : '"'))
                return false;
        } else if (c == '<') {
            if (!scan_angle(&s))
                return false;
        } else {
            if (!scan_byte(&s, c))
                return false;
            s.in = slice_from(s.in, 1);
        }
    }
    return !s.group && end_mailbox(&s);
}

/* Every address of the field must be the account's. */
static enum smtp_reply check_addresses(const struct compose *c, struct arena *a, struct slice value,
                                       struct seen *seen)
{
    struct address *list;
    if (address_list(a, value, &list) != OK)
        return REPLY_BAD_HEADER;
    size_t found = 0;
    for (const struct address *x = list; x; x = x->next) {
        if (!x->host.p)
            continue; /* a group's start or end */
        if (x->mailbox.n + x->host.n >= LIMIT_ADDRESS)
            return REPLY_NOT_YOUR_FROM;
        struct buf text = BUF_INIT(2 * LIMIT_ADDRESS + 4);
        mailbox_print(&(struct mailbox_address){x->mailbox, x->host}, &text);
        bool good = !text.failed && c->may_send_as(c->arg, buf_slice(&text));
        buf_free(&text);
        if (!good)
            return REPLY_NOT_YOUR_FROM;
        if (found++ == 0 && seen->domain[0] == '\0' &&
            (!ascii_only(x->host) || slice_cstr(x->host, seen->domain, sizeof seen->domain) != OK))
            seen->domain[0] = '\0';
    }
    if (!found)
        return REPLY_NO_FROM;
    return is_clear(value) ? REPLY_NONE : REPLY_UNCLEAR_FROM;
}

static enum smtp_reply check_field(const struct compose *c, struct arena *a,
                                   const struct header_field *f, struct seen *seen)
{
    if (slice_ieq(f->name, SLICE("From"))) {
        if (seen->from++ > 0)
            return REPLY_NO_FROM;
        return check_addresses(c, a, f->value, seen);
    }
    if (slice_ieq(f->name, SLICE("Sender"))) {
        if (seen->sender++ > 0)
            return REPLY_NOT_YOUR_FROM;
        enum smtp_reply r = check_addresses(c, a, f->value, seen);
        return r == REPLY_NO_FROM ? REPLY_NOT_YOUR_FROM : r;
    }
    /* Readers show these as the sender, too; each resending puts its own in front. */
    if (slice_ieq(f->name, SLICE("Resent-From")) || slice_ieq(f->name, SLICE("Resent-Sender"))) {
        enum smtp_reply r = check_addresses(c, a, f->value, seen);
        return r == REPLY_NO_FROM ? REPLY_NOT_YOUR_FROM : r;
    }
    if (slice_ieq(f->name, SLICE("Date")))
        seen->date = true;
    if (slice_ieq(f->name, SLICE("Message-ID")))
        seen->message_id = true;
    return REPLY_NONE;
}

static void add_missing(const struct compose *c, const struct seen *seen, struct buf *out)
{
    if (!seen->date) {
        buf_lit(out, "Date: ");
        date_print_rfc5322((struct date){c->now, date_local_zone(c->now)}, out);
        buf_lit(out, "\r\n");
    }
    if (!seen->message_id)
        buf_printf(out, "Message-ID: <%016llx%08x@%s>\r\n", (unsigned long long)random_u64(),
                   (unsigned)(random_u64() & 0xffffffffU),
                   seen->domain[0] ? seen->domain : c->host);
}

enum smtp_reply smtp_compose(const struct compose *c, struct slice message, struct buf *header,
                             size_t *body)
{
    size_t length = header_length(message);
    if (length > LIMIT_HEADER_SIZE)
        return REPLY_BAD_HEADER;
    autoarena a;
    arena_init(&a, LIMIT_SMTP_COMPOSE_ARENA);
    struct slice rest = slice_sub(message, 0, length);
    struct seen seen = {0};
    struct header_field f;
    const uint8_t *at = message.p;
    /* A line that is no field ends the header, as every careful server has it: the body begins
     * there, and gets the empty line that it lacks. */
    while (header_next(&rest, &f) && f.raw.p == at) {
        at += f.raw.n;
        enum smtp_reply r = check_field(c, &a, &f, &seen);
        if (r != REPLY_NONE)
            return r;
        if (is_dropped(f.name))
            continue;
        buf_add(header, f.raw);
        if (!slice_ends(f.raw, SLICE("\n"))) /* no body, no line end */
            buf_lit(header, "\r\n");
    }
    if (seen.from == 0)
        return REPLY_NO_FROM;
    add_missing(c, &seen, header);
    buf_lit(header, "\r\n");
    if (header->failed)
        return REPLY_BAD_HEADER;
    size_t used = (size_t)(at - message.p);
    *body = used + (slice_starts(slice_from(message, used), SLICE("\r\n")) ? 2 : 0);
    return REPLY_NONE;
}
