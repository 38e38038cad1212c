/* Fields written by the server; see compose.h. */
#include "message/compose.h"

#include "base/clock.h"
#include "base/date.h"
#include "base/random.h"

enum { COLUMNS = 78 };

void compose_field(const char *name, struct slice value, struct buf *out)
{
    buf_str(out, name);
    buf_byte(out, ':');
    size_t column = strlen(name) + 1;
    bool first = true;
    while (value.n > 0) {
        while (value.n > 0 && (value.p[0] <= ' ' || value.p[0] == 0x7F))
            value = slice_from(value, 1);
        size_t n = 0;
        while (n < value.n && value.p[n] > ' ' && value.p[n] != 0x7F)
            n++;
        if (n == 0)
            break;
        /* The first word stays on the field's line: a first line of blanks alone is trouble. */
        if (!first && column + 1 + n > COLUMNS) {
            buf_lit(out, "\r\n");
            column = 0;
        }
        buf_byte(out, ' ');
        buf_add(out, slice_sub(value, 0, n));
        column += 1 + n;
        first = false;
        value = slice_from(value, n);
    }
    if (first)
        buf_byte(out, ' ');
    buf_lit(out, "\r\n");
}

/* Text inside a clause or comment: no byte that ends either, nothing that is no printable ASCII. */
static void add_safe(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool bad = c < '!' || c == 0x7F || c == '(' || c == ')' || c == ';' || c == '\\';
        buf_byte(out, bad ? (c == ' ' ? ' ' : '?') : c);
    }
}

/* A mailbox as it is: a quoted local part may hold several blanks in a row. */
static void add_mailbox(struct slice mailbox, struct buf *out)
{
    for (size_t i = 0; i < mailbox.n; i++)
        buf_byte(out, mailbox.p[i] < ' ' || mailbox.p[i] == 0x7F ? '?' : mailbox.p[i]);
}

static void add_clause(const char *word, struct slice value, struct buf *out)
{
    if (value.n == 0)
        return;
    buf_byte(out, ' ');
    buf_str(out, word);
    buf_byte(out, ' ');
    add_safe(value, out);
}

void compose_received(const struct compose_received *r, struct buf *out)
{
    enum { VALUE_MAX = 4096 };
    autobuf value;
    buf_init(&value, VALUE_MAX);
    if (r->peer.n > 0) {
        buf_lit(&value, "from ");
        add_safe(r->helo.n ? r->helo : SLICE("unknown"), &value);
        buf_lit(&value, " (");
        if (r->name.n > 0) {
            add_safe(r->name, &value);
            buf_byte(&value, ' ');
        }
        buf_str(&value, slice_has(r->peer, ':') ? "[IPv6:" : "[");
        add_safe(r->peer, &value);
        buf_lit(&value, "])");
    }
    add_clause("by", r->by, &value);
    add_clause("with", r->protocol, &value);
    if (r->tls.n > 0) {
        buf_lit(&value, " (");
        add_safe(r->tls, &value);
        buf_byte(&value, ')');
    }
    add_clause("id", r->id, &value);
    if (r->recipient.n > 0) {
        buf_lit(&value, " for <");
        add_mailbox(r->recipient, &value);
        buf_byte(&value, '>');
    }
    buf_lit(&value, "; ");
    date_print_rfc5322((struct date){r->when, r->zone}, &value);
    compose_field("Received", buf_slice(&value), out);
}

void compose_return_path(struct slice mailbox, struct buf *out)
{
    buf_lit(out, "Return-Path: <");
    add_mailbox(mailbox, out);
    buf_lit(out, ">\r\n");
}

void compose_delivered_to(struct slice mailbox, struct buf *out)
{
    buf_lit(out, "Delivered-To: ");
    add_mailbox(mailbox, out);
    buf_lit(out, "\r\n");
}

void compose_date(int64_t when, int16_t zone, struct buf *out)
{
    buf_lit(out, "Date: ");
    date_print_rfc5322((struct date){when, zone}, out);
    buf_lit(out, "\r\n");
}

/* Letters and digits, 12 of them for 60 bits. */
static void add_code(uint64_t v, struct buf *out)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    for (int i = 0; i < 12; i++, v >>= 5)
        buf_byte(out, (uint8_t)digits[v & 31]);
}

void compose_message_id(struct slice domain, struct buf *out)
{
    buf_byte(out, '<');
    add_code((uint64_t)clock_wall_ms(), out);
    buf_byte(out, '.');
    add_code(random_u64(), out);
    buf_byte(out, '@');
    buf_add(out, domain);
    buf_byte(out, '>');
}

void compose_message_id_field(struct slice domain, struct buf *out)
{
    buf_lit(out, "Message-ID: ");
    compose_message_id(domain, out);
    buf_lit(out, "\r\n");
}
