/* The IMAP ENVELOPE (RFC 9051 7.5.2); see summary.h. */
#include "base/limits.h"
#include "message/address.h"
#include "message/header.h"
#include "message/imap_string.h"
#include "message/summary.h"

enum field { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS };

/* A string longer than this is cut, so that the rest of the envelope has its place. */
enum { STRING_MAX = 8 * 1024, RESERVE = 4 * STRING_MAX };

static const struct slice names[FIELDS] = {
    SLICE_INIT("date"),        SLICE_INIT("subject"),    SLICE_INIT("from"), SLICE_INIT("sender"),
    SLICE_INIT("reply-to"),    SLICE_INIT("to"),         SLICE_INIT("cc"),   SLICE_INIT("bcc"),
    SLICE_INIT("in-reply-to"), SLICE_INIT("message-id"),
};

static enum field field_of(struct slice name)
{
    if (name.n < 2 || name.n > 11)
        return FIELDS;
    for (int i = 0; i < FIELDS; i++)
        if (name.n == names[i].n && (name.p[0] | 32) == names[i].p[0] && slice_ieq(name, names[i]))
            return (enum field)i;
    return FIELDS;
}

static struct slice cut(struct slice s)
{
    return slice_sub(s, 0, STRING_MAX);
}

/* Addresses that do not fit any more are left out. */
static void write_addresses(const struct address *list, size_t end, struct buf *out)
{
    if (list == NULL || out->n >= end) {
        buf_lit(out, "NIL");
        return;
    }
    buf_byte(out, '(');
    size_t written = 0;
    for (const struct address *a = list; a != NULL; a = a->next) {
        /* An upper bound: literal heads, quotes and escapes included. */
        size_t most = 2 * (a->name.n + a->route.n + a->mailbox.n + a->host.n) + 64;
        if (out->n + most > end && written > 0)
            break;
        buf_byte(out, '(');
        imap_string_display(cut(a->name), out);
        buf_byte(out, ' ');
        summary_nstring(cut(a->route), out);
        buf_byte(out, ' ');
        summary_nstring(cut(a->mailbox), out);
        buf_byte(out, ' ');
        summary_nstring(cut(a->host), out);
        buf_byte(out, ')');
        written++;
    }
    buf_byte(out, ')');
}

/* Addresses of a field that is there twice are one list; of other fields the last counts. */
struct addresses {
    struct address *first, **end;
    size_t count;
};

static void add_addresses(struct arena *a, struct addresses *list, struct slice value)
{
    struct address *more = NULL;
    if (list->count >= LIMIT_ADDRESSES || address_list(a, value, &more) != OK || more == NULL)
        return;
    if (list->first == NULL)
        list->end = &list->first;
    *list->end = more;
    for (; *list->end != NULL; list->count++)
        list->end = &(*list->end)->next;
}

void summary_envelope(struct slice header, struct buf *out)
{
    struct slice value[FIELDS] = {{NULL, 0}};
    struct addresses list[FIELDS] = {{NULL, NULL, 0}};
    /* Its own, so that many messages inside of one do not add up. Where it is used up, lists end.
     */
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    struct slice rest = slice_sub(header, 0, LIMIT_HEADER_SIZE);
    struct header_field f;
    while (header_next(&rest, &f)) {
        enum field i = field_of(f.name);
        if (i >= FROM && i <= BCC)
            add_addresses(&a, &list[i], f.value);
        else if (i != FIELDS)
            value[i] = header_raw(f.value);
    }
    if (list[SENDER].first == NULL)
        list[SENDER] = list[FROM];
    if (list[REPLY_TO].first == NULL)
        list[REPLY_TO] = list[FROM];

    size_t end = out->n + LIMIT_ENVELOPE_TEXT - RESERVE;
    buf_byte(out, '(');
    imap_string_unfolded(cut(value[DATE]), out);
    buf_byte(out, ' ');
    imap_string_display(cut(value[SUBJECT]), out);
    for (int i = FROM; i <= BCC; i++) {
        buf_byte(out, ' ');
        write_addresses(list[i].first, end, out);
    }
    buf_byte(out, ' ');
    imap_string_unfolded(cut(value[IN_REPLY_TO]), out);
    buf_byte(out, ' ');
    imap_string_unfolded(cut(value[MESSAGE_ID]), out);
    buf_byte(out, ')');
}
