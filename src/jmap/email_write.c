/* Writing Email objects; see email_write.h. */
#include "jmap/email_write.h"

#include "base/limits.h"

static const char *const property_names[EMAIL_PROPERTIES] = {
    [EMAIL_ID] = "id",
    [EMAIL_BLOB_ID] = "blobId",
    [EMAIL_THREAD_ID] = "threadId",
    [EMAIL_MAILBOX_IDS] = "mailboxIds",
    [EMAIL_KEYWORDS] = "keywords",
    [EMAIL_SIZE] = "size",
    [EMAIL_RECEIVED_AT] = "receivedAt",
    [EMAIL_MESSAGE_ID] = "messageId",
    [EMAIL_IN_REPLY_TO] = "inReplyTo",
    [EMAIL_REFERENCES] = "references",
    [EMAIL_SENDER] = "sender",
    [EMAIL_FROM] = "from",
    [EMAIL_TO] = "to",
    [EMAIL_CC] = "cc",
    [EMAIL_BCC] = "bcc",
    [EMAIL_REPLY_TO] = "replyTo",
    [EMAIL_SUBJECT] = "subject",
    [EMAIL_SENT_AT] = "sentAt",
    [EMAIL_HAS_ATTACHMENT] = "hasAttachment",
    [EMAIL_PREVIEW] = "preview",
    [EMAIL_BODY_STRUCTURE] = "bodyStructure",
    [EMAIL_BODY_VALUES] = "bodyValues",
    [EMAIL_TEXT_BODY] = "textBody",
    [EMAIL_HTML_BODY] = "htmlBody",
    [EMAIL_ATTACHMENTS] = "attachments",
    [EMAIL_HEADERS] = "headers",
};

/* In the order of enum email_property, up to and without `end`. */
#define UP_TO(end) (EMAIL_BIT(end) - 1)
#define BODY_LISTS                                                                                 \
    (EMAIL_BIT(EMAIL_BODY_VALUES) | EMAIL_BIT(EMAIL_TEXT_BODY) | EMAIL_BIT(EMAIL_HTML_BODY) |      \
     EMAIL_BIT(EMAIL_ATTACHMENTS))
/* What a header field says that the row has a copy of. */
#define FROM_ENVELOPE                                                                              \
    (EMAIL_BIT(EMAIL_MESSAGE_ID) | EMAIL_BIT(EMAIL_IN_REPLY_TO) | EMAIL_BIT(EMAIL_FROM) |          \
     EMAIL_BIT(EMAIL_TO) | EMAIL_BIT(EMAIL_CC) | EMAIL_BIT(EMAIL_BCC) | EMAIL_BIT(EMAIL_SUBJECT) | \
     EMAIL_BIT(EMAIL_SENT_AT))
/* In ENVELOPE an absent Sender or Reply-To is that of From: only the message tells. */
#define FROM_HEADER (EMAIL_BIT(EMAIL_SENDER) | EMAIL_BIT(EMAIL_REPLY_TO) | EMAIL_BIT(EMAIL_HEADERS))
#define FROM_BODY   (BODY_LISTS | EMAIL_BIT(EMAIL_BODY_STRUCTURE))
#define FROM_ROW                                                                                   \
    (FROM_ENVELOPE | EMAIL_BIT(EMAIL_REFERENCES) | EMAIL_BIT(EMAIL_PREVIEW) |                      \
     EMAIL_BIT(EMAIL_HAS_ATTACHMENT))

const uint64_t email_get_defaults = UP_TO(EMAIL_BODY_STRUCTURE) | BODY_LISTS;
const uint64_t email_parse_defaults =
    ((UP_TO(EMAIL_BODY_STRUCTURE) & ~UP_TO(EMAIL_MESSAGE_ID)) | BODY_LISTS);

/* --- What is asked --- */

/* Room for every item of an array to be a header property. */
struct header_wants {
    struct header_want *want;
    size_t n;
};

static bool add_header(struct jmap_call *c, struct slice name, struct header_wants *to)
{
    struct header_want want;
    enum error e = header_want_parse(name, &want);
    if (e != OK || to->n == LIMIT_JMAP_HEADERS) {
        jmap_fail(c, "invalidArguments",
                  e == ERR_AUTH ? "a header field in a form that it is not shown in"
                  : e != OK     ? "an unknown property"
                                : "too many header fields");
        return false;
    }
    for (size_t i = 0; i < to->n; i++)
        if (slice_eq(to->want[i].property, want.property))
            return true;
    to->want[to->n++] = want;
    return true;
}

/* The strings of an array argument; `simple` gives the bit of a name that is no header field. */
static bool read_names(struct jmap_call *c, const char *arg, uint64_t (*simple)(struct slice name),
                       uint64_t *bits, struct header_wants *headers)
{
    const json_t *list = json_object_get(c->args, arg), *item;
    size_t i;
    if (list == NULL || json_is_null(list))
        return true;
    if (!json_is_array(list)) {
        jmap_fail(c, "invalidArguments", "properties must be a list of names");
        return false;
    }
    headers->want = arena_array(c->arena, LIMIT_JMAP_HEADERS, sizeof *headers->want);
    if (headers->want == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return false;
    }
    *bits = 0;
    json_array_foreach(list, i, item)
    {
        struct slice name = jmap_string(item);
        uint64_t bit = name.p ? simple(name) : 0;
        *bits |= bit;
        if (bit == 0 && !add_header(c, name.p ? name : SLICE(""), headers))
            return false;
    }
    return true;
}

static uint64_t property_named(struct slice name)
{
    for (size_t i = 0; i < EMAIL_PROPERTIES; i++)
        if (slice_eq(name, slice_str(property_names[i])))
            return EMAIL_BIT(i);
    return 0;
}

static uint64_t part_property_named(struct slice name)
{
    return body_property_named(name);
}

bool email_wants_read(struct jmap_call *c, uint64_t defaults, struct email_wants *out)
{
    struct email_wants w = {.properties = defaults};
    struct header_wants headers = {0}, part_headers = {0};
    uint64_t part = BODY_DEFAULT;
    if (!read_names(c, "properties", property_named, &w.properties, &headers) ||
        !read_names(c, "bodyProperties", part_property_named, &part, &part_headers) ||
        !jmap_arg_bool(c, "fetchTextBodyValues", &w.values.text) ||
        !jmap_arg_bool(c, "fetchHTMLBodyValues", &w.values.html) ||
        !jmap_arg_bool(c, "fetchAllBodyValues", &w.values.all) ||
        !jmap_arg_uint(c, "maxBodyValueBytes", &w.values.max))
        return false;
    w.header = headers.want;
    w.n_headers = headers.n;
    w.part = (struct body_wants){(unsigned)part, part_headers.want, part_headers.n};
    *out = w;
    return true;
}

bool email_wants_row(const struct email_wants *w)
{
    return w->properties & (FROM_ROW & ~EMAIL_BIT(EMAIL_HAS_ATTACHMENT));
}

bool email_wants_raw(const struct email_wants *w)
{
    return w->n_headers > 0 || (w->properties & (FROM_HEADER | FROM_BODY));
}

/* --- Sources --- */

/* No string of an ENVELOPE is cut, and no address left out, in a text up to this. */
enum { ENVELOPE_WHOLE = 8 * 1024 };

bool email_source_envelope(struct arena *a, struct email_source *s)
{
    s->has_envelope = s->row->envelope.n > 0 && s->row->envelope.n <= ENVELOPE_WHOLE &&
                      email_envelope_read(a, s->row->envelope, &s->envelope) == OK;
    return s->has_envelope;
}

struct writing {
    struct arena *a;
    struct json_writer *w;
    const struct email_wants *wants;
    const struct email_source *source;
    struct header_list headers; /* of the open message */
};

static bool wanted(const struct writing *x, enum email_property p)
{
    if (!(x->wants->properties & EMAIL_BIT(p)))
        return false;
    jw_key(x->w, property_names[p]);
    return true;
}

/* --- Metadata --- */

static void write_mailboxes(struct writing *x, const struct email_group *g)
{
    struct number_set seen = {0};
    jw_object(x->w);
    for (size_t i = 0; i < g->n; i++) {
        const struct view_message *m = &g->copy[i];
        if (!email_copy_visible(m) || (g->n > 1 && !number_set_add(&seen, m->mailbox)))
            continue;
        jmap_id_key(x->w, 'B', m->mailbox);
        jw_bool(x->w, true);
    }
    jw_end(x->w);
    number_set_free(&seen);
}

static void write_ids(struct writing *x, const struct email_group *g)
{
    if (wanted(x, EMAIL_ID)) {
        if (g != NULL)
            jmap_id_write(x->w, 'M', g->copy->email);
        else
            jw_null(x->w);
    }
    if (wanted(x, EMAIL_BLOB_ID))
        jw_text(x->w, x->source->blob);
    if (wanted(x, EMAIL_THREAD_ID)) {
        if (g != NULL)
            jmap_id_write(x->w, 'T', g->copy->thread);
        else
            jw_null(x->w);
    }
}

static void write_metadata(struct writing *x)
{
    const struct email_group *g = x->source->group;
    bool visible;
    write_ids(x, g);
    if (wanted(x, EMAIL_MAILBOX_IDS)) {
        if (g != NULL)
            write_mailboxes(x, g);
        else
            jw_null(x->w);
    }
    if (wanted(x, EMAIL_KEYWORDS)) {
        if (g != NULL)
            email_write_keywords(x->w, email_group_flags(g, &visible), x->source->keywords);
        else
            jw_null(x->w);
    }
    if (wanted(x, EMAIL_SIZE))
        jw_uint(x->w, g ? g->copy->size : x->source->raw.n);
    if (wanted(x, EMAIL_RECEIVED_AT)) {
        if (g != NULL)
            jw_utc_date(x->w, g->copy->received);
        else
            jw_null(x->w);
    }
}

/* --- Header fields of the list --- */

static void write_field(struct writing *x, const char *name, enum header_form form)
{
    struct slice value = SLICE_NONE;
    (void)header_list_last(&x->headers, slice_str(name), &value);
    header_form_write(x->a, x->w, form, value);
}

static void write_list(struct writing *x, enum email_property p, enum envelope_list which,
                       const char *name)
{
    if (!wanted(x, p))
        return;
    if (!x->source->has_envelope)
        write_field(x, name, HEADER_ADDRESSES);
    else if (x->source->envelope.list[which] == NULL)
        jw_null(x->w);
    else
        header_addresses_write(x->a, x->w, x->source->envelope.list[which]);
}

static void write_message_ids(struct writing *x)
{
    const struct email_source *s = x->source;
    if (wanted(x, EMAIL_MESSAGE_ID)) {
        if (s->has_envelope)
            header_form_write(x->a, x->w, HEADER_IDS, s->envelope.message_id);
        else
            write_field(x, "message-id", HEADER_IDS);
    }
    if (wanted(x, EMAIL_IN_REPLY_TO)) {
        if (s->has_envelope)
            header_form_write(x->a, x->w, HEADER_IDS, s->envelope.in_reply_to);
        else
            write_field(x, "in-reply-to", HEADER_IDS);
    }
    if (wanted(x, EMAIL_REFERENCES))
        header_form_write(x->a, x->w, HEADER_IDS, s->row->references);
}

static void write_people(struct writing *x)
{
    if (wanted(x, EMAIL_SENDER))
        write_field(x, "sender", HEADER_ADDRESSES);
    write_list(x, EMAIL_FROM, ENVELOPE_FROM, "from");
    write_list(x, EMAIL_TO, ENVELOPE_TO, "to");
    write_list(x, EMAIL_CC, ENVELOPE_CC, "cc");
    write_list(x, EMAIL_BCC, ENVELOPE_BCC, "bcc");
    if (wanted(x, EMAIL_REPLY_TO))
        write_field(x, "reply-to", HEADER_ADDRESSES);
}

/* "Up to 255 octets" (RFC 8621 4.1.4), cut at a character. */
static struct slice preview(struct slice s)
{
    size_t n = s.n < 255 ? s.n : 255;
    while (n < s.n && n > 0 && (s.p[n] & 0xC0) == 0x80)
        n--;
    return slice_sub(s, 0, n);
}

static void write_summary(struct writing *x)
{
    const struct email_source *s = x->source;
    if (wanted(x, EMAIL_SUBJECT)) {
        if (!s->has_envelope)
            write_field(x, "subject", HEADER_TEXT);
        else if (s->envelope.subject.p == NULL)
            jw_null(x->w);
        else
            header_text_write(x->w, s->row->subject);
    }
    if (wanted(x, EMAIL_SENT_AT)) {
        if (s->has_envelope)
            header_form_write(x->a, x->w, HEADER_DATE, s->envelope.date);
        else
            write_field(x, "date", HEADER_DATE);
    }
    if (wanted(x, EMAIL_HAS_ATTACHMENT))
        jw_bool(x->w, s->group ? s->group->copy->has_attachment : s->row->has_attachment);
    if (wanted(x, EMAIL_PREVIEW))
        jw_text(x->w, preview(s->row->preview));
}

/* --- What only the message knows --- */

static enum error write_body(struct writing *x)
{
    const struct email_wants *p = x->wants;
    struct email_body body;
    if (!(p->properties & FROM_BODY))
        return OK;
    enum error e = email_body_read(x->a, x->source->raw, x->source->blob, &body);
    if (e != OK)
        return e;
    if (wanted(x, EMAIL_BODY_STRUCTURE))
        email_body_write_structure(x->a, x->w, &body, &p->part);
    if (wanted(x, EMAIL_BODY_VALUES))
        email_body_write_values(x->a, x->w, &body, &p->values);
    if (wanted(x, EMAIL_TEXT_BODY))
        email_body_write_list(x->a, x->w, &body, &p->part, &body.text);
    if (wanted(x, EMAIL_HTML_BODY))
        email_body_write_list(x->a, x->w, &body, &p->part, &body.html);
    if (wanted(x, EMAIL_ATTACHMENTS))
        email_body_write_list(x->a, x->w, &body, &p->part, &body.attachments);
    return OK;
}

enum error email_write(struct arena *a, struct json_writer *w, const struct email_wants *p,
                       const struct email_source *s)
{
    struct writing x = {a, w, p, s, {0}};
    if (s->raw.p != NULL)
        x.headers = header_list_read(a, slice_sub(s->raw, 0, header_length(s->raw)));
    jw_object(w);
    write_metadata(&x);
    write_message_ids(&x);
    write_people(&x);
    write_summary(&x);
    enum error e = write_body(&x);
    if (wanted(&x, EMAIL_HEADERS))
        header_list_write(a, w, &x.headers);
    for (size_t i = 0; i < p->n_headers; i++) {
        jw_key_text(w, p->header[i].property);
        header_want_write(a, w, &x.headers, &p->header[i]);
    }
    jw_end(w);
    return e == OK && a->failed ? ERR_LIMIT : e;
}
