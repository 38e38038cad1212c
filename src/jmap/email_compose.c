/* From an Email object to a message: header and structure; see email_compose.h. */
#include "jmap/email_compose.h"

#include "base/clock.h"
#include "base/date.h"
#include "base/random.h"
#include "jmap/email_compose_part.h"
#include "jmap/email_header.h"
#include "message/write.h"

/* --- Refusals --- */

struct jmap_set_error compose_invalid(struct compose *x, const char *property, const char *why)
{
    x->failed = true;
    x->error = jmap_bad_property(x->c, property, why);
    return x->error;
}

static void invalid(struct compose *x, const char *property, const char *why)
{
    if (!x->failed)
        (void)compose_invalid(x, property, why);
}

/* --- Values --- */

static json_t *member(json_t *object, const char *name)
{
    json_t *v = json_object_get(object, name);
    return json_is_null(v) ? NULL : v;
}

static struct slice text_of(struct compose *x, const char *property, json_t *v)
{
    struct slice s = jmap_string(v);
    if (!s.p)
        invalid(x, property, "must be a string");
    return s;
}

/* {"name": ..., "email": ...} of a list; groups have their own form. */
static size_t read_addresses(struct compose *x, const char *property, json_t *list,
                             struct write_address *out)
{
    json_t *v;
    size_t i, n = 0;
    json_array_foreach(list, i, v)
    {
        json_t *name = member(v, "name");
        struct slice email = jmap_string(member(v, "email"));
        if (!write_good_email(email) || (name && !json_is_string(name))) {
            invalid(x, property, "not an address");
            return 0;
        }
        out[n++] = (struct write_address){name ? jmap_string(name) : SLICE_NONE, email};
    }
    return n;
}

static void put_addresses(struct compose *x, const char *property, struct slice field, json_t *v)
{
    size_t n = json_array_size(v);
    struct write_address *list = arena_array(x->c->arena, n + 1, sizeof *list);
    if (!json_is_array(v) || !list || n > LIMIT_ADDRESSES) {
        invalid(x, property, "must be a list of addresses");
        return;
    }
    n = read_addresses(x, property, v, list);
    write_address_field(field, list, n, x->out);
}

static void put_groups(struct compose *x, const char *property, struct slice field, json_t *v)
{
    json_t *group;
    size_t i, n = 0, most = 1;
    if (json_is_array(v))
        json_array_foreach(v, i, group) most +=
            2 + json_array_size(json_object_get(group, "addresses"));
    struct write_address *list = arena_array(x->c->arena, most, sizeof *list);
    if (!json_is_array(v) || !list || most > LIMIT_ADDRESSES) {
        invalid(x, property, "must be a list of groups");
        return;
    }
    json_array_foreach(v, i, group)
    {
        struct slice name = jmap_string(member(group, "name"));
        if (name.n)
            list[n++] = (struct write_address){name, SLICE_NONE};
        n += read_addresses(x, property, json_object_get(group, "addresses"), &list[n]);
        if (name.n)
            list[n++] = (struct write_address){SLICE_NONE, SLICE_NONE};
    }
    write_address_field(field, list, n, x->out);
}

static void put_ids(struct compose *x, const char *property, struct slice field, json_t *v)
{
    json_t *id;
    size_t i, n = json_array_size(v);
    struct slice *list = arena_array(x->c->arena, n + 1, sizeof *list);
    if (!json_is_array(v) || n == 0 || n > LIMIT_REFERENCES || !list) {
        invalid(x, property, "must be a list of message ids");
        return;
    }
    json_array_foreach(v, i, id)
    {
        list[i] = jmap_string(id);
        if (!write_good_id(list[i])) {
            invalid(x, property, "not a message id");
            return;
        }
    }
    write_ids_field(field, list, n, x->out);
}

/* "2026-11-22T18:00:00+01:00" (RFC 8620 1.4: Date). */
static bool read_date(struct slice s, int64_t *seconds, int16_t *zone)
{
    char utc[24];
    if (s.n < 20 || s.n > 40)
        return false;
    snprintf(utc, sizeof utc, "%.19sZ", (const char *)s.p);
    struct slice rest = slice_from(s, 19), hours, minutes;
    if (rest.p[0] == '.')
        for (rest = slice_from(rest, 1); rest.n && ascii_digit(rest.p[0]);)
            rest = slice_from(rest, 1);
    uint32_t h = 0, m = 0;
    bool minus = rest.n && rest.p[0] == '-';
    if (!slice_eq(rest, SLICE("Z"))) {
        if (rest.n != 6 || (rest.p[0] != '+' && !minus) || rest.p[3] != ':')
            return false;
        hours = slice_sub(rest, 1, 3);
        minutes = slice_sub(rest, 4, 6);
        if (parse_u32(hours, 14, &h) || parse_u32(minutes, 59, &m))
            return false;
    }
    *zone = (int16_t)((minus ? -1 : 1) * (int)(h * 60 + m));
    if (!jmap_utc_date(slice_str(utc), seconds))
        return false;
    *seconds -= *zone * 60;
    return true;
}

static void put_date(struct compose *x, const char *property, struct slice field, json_t *v)
{
    int64_t seconds;
    int16_t zone;
    if (read_date(jmap_string(v), &seconds, &zone))
        write_date_field(field, seconds, zone, x->out);
    else
        invalid(x, property, "must be a date");
}

static void put_urls(struct compose *x, const char *property, struct slice field, json_t *v)
{
    json_t *url;
    size_t i;
    autobuf value = BUF_INIT(LIMIT_HEADER_SIZE);
    json_array_foreach(v, i, url)
    {
        struct slice s = jmap_string(url);
        if (!write_good_id(s)) /* neither blanks nor < > */
            invalid(x, property, "must be a list of URLs");
        buf_str(&value, i ? ", <" : "<");
        buf_add(&value, s);
        buf_byte(&value, '>');
    }
    if (!json_is_array(v) || value.n == 0)
        invalid(x, property, "must be a list of URLs");
    write_raw_field(field, buf_slice(&value), x->out);
}

static void put_form(struct compose *x, const char *property, struct slice field,
                     enum header_form form, json_t *v)
{
    switch (form) {
    case HEADER_RAW:
        write_raw_field(field, slice_trim(text_of(x, property, v)), x->out);
        return;
    case HEADER_TEXT:
        write_text_field(field, text_of(x, property, v), x->out);
        return;
    case HEADER_ADDRESSES:
        put_addresses(x, property, field, v);
        return;
    case HEADER_GROUPED:
        put_groups(x, property, field, v);
        return;
    case HEADER_IDS:
        put_ids(x, property, field, v);
        return;
    case HEADER_DATE:
        put_date(x, property, field, v);
        return;
    case HEADER_URLS:
        put_urls(x, property, field, v);
        return;
    }
}

/* --- header:* --- */

/* Names that the structure writes, of a message and of its parts. */
static bool is_content(struct slice name, bool of_part)
{
    if (slice_ieq(name, SLICE("MIME-Version")))
        return true;
    if (!slice_istarts(name, SLICE("Content-")))
        return false;
    return !of_part || slice_ieq(name, SLICE("Content-Type")) ||
           slice_ieq(name, SLICE("Content-Transfer-Encoding")) ||
           slice_ieq(name, SLICE("Content-Disposition")) || slice_ieq(name, SLICE("Content-ID"));
}

void compose_header_property(struct compose *x, const char *property, json_t *v, bool of_part)
{
    struct header_want want;
    json_t *one;
    size_t i;
    if (header_want_parse(slice_str(property), &want) || !write_good_name(want.name)) {
        invalid(x, property, "no such property");
        return;
    }
    if (is_content(want.name, of_part)) {
        invalid(x, property, "this field is written from the structure");
        return;
    }
    if (!want.all) {
        put_form(x, property, want.name, want.form, v);
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, one) put_form(x, property, want.name, want.form, one);
    } else {
        invalid(x, property, "must be a list");
    }
}

/* --- The header --- */

static const struct {
    const char *property, *field;
    enum header_form form;
} fields[] = {
    {"sentAt", "Date", HEADER_DATE},
    {"messageId", "Message-ID", HEADER_IDS},
    {"from", "From", HEADER_ADDRESSES},
    {"sender", "Sender", HEADER_ADDRESSES},
    {"replyTo", "Reply-To", HEADER_ADDRESSES},
    {"to", "To", HEADER_ADDRESSES},
    {"cc", "Cc", HEADER_ADDRESSES},
    {"bcc", "Bcc", HEADER_ADDRESSES},
    {"subject", "Subject", HEADER_TEXT},
    {"inReplyTo", "In-Reply-To", HEADER_IDS},
    {"references", "References", HEADER_IDS},
};
#define FIELDS (sizeof fields / sizeof fields[0])

static size_t field_named(struct slice name)
{
    size_t i = 0;
    while (i < FIELDS && !slice_ieq(slice_str(fields[i].field), name))
        i++;
    return i;
}

/* No field may be given twice: by its own property and as header:*, or in two forms. */
static void check_twice(struct compose *x, json_t *object, const char *property)
{
    struct header_want mine, other;
    const char *name;
    json_t *v;
    if (header_want_parse(slice_str(property), &mine))
        return;
    size_t own = field_named(mine.name);
    if (own < FIELDS && member(object, fields[own].property))
        invalid(x, property, "the same field is given twice");
    json_object_foreach(object, name, v)
    {
        if (strcmp(name, property) != 0 && header_want_parse(slice_str(name), &other) == OK &&
            slice_ieq(mine.name, other.name))
            invalid(x, property, "the same field is given twice");
    }
}

static void put_missing(struct compose *x, bool has_date, bool has_id)
{
    int64_t now = clock_wall();
    if (!has_date)
        write_date_field(SLICE("Date"), now, date_local_zone(now), x->out);
    if (has_id)
        return;
    /* Of the account's own domain: the sender's, whatever From says. */
    struct slice address = slice_str(x->c->user->account.address);
    buf_printf(x->out, "Message-ID: <%016llx%016llx@%.*s>\r\n", (unsigned long long)random_u64(),
               (unsigned long long)random_u64(),
               SLICE_FMT(slice_from(address, slice_rindex(address, '@') + 1)));
}

static void put_header(struct compose *x, json_t *object)
{
    bool has_date = member(object, "sentAt"), has_id = member(object, "messageId");
    const char *name;
    json_t *v;
    for (size_t i = 0; i < FIELDS; i++)
        if ((v = member(object, fields[i].property)))
            put_form(x, fields[i].property, slice_str(fields[i].field), fields[i].form, v);
    json_object_foreach(object, name, v)
    {
        struct header_want want;
        if (strncmp(name, "header:", 7) != 0 || json_is_null(v))
            continue;
        check_twice(x, object, name);
        compose_header_property(x, name, v, false);
        if (header_want_parse(slice_str(name), &want) == OK) {
            has_date = has_date || slice_ieq(want.name, SLICE("Date"));
            has_id = has_id || slice_ieq(want.name, SLICE("Message-ID"));
        }
    }
    put_missing(x, has_date, has_id);
    buf_lit(x->out, "MIME-Version: 1.0\r\n");
}

/* --- --- */

static void check_names(struct compose *x, json_t *object)
{
    static const char *const others[] = {"mailboxIds",    "keywords", "receivedAt", "bodyStructure",
                                         "bodyValues",    "textBody", "htmlBody",   "attachments",
                                         "hasAttachment", NULL};
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        bool known = strncmp(name, "header:", 7) == 0;
        for (size_t i = 0; !known && i < FIELDS; i++)
            known = strcmp(name, fields[i].property) == 0;
        for (size_t i = 0; !known && others[i]; i++)
            known = strcmp(name, others[i]) == 0;
        if (!known)
            invalid(x, name, "this property cannot be set");
    }
}

struct jmap_set_error email_compose(struct jmap_call *c, json_t *object, struct buf *raw)
{
    struct compose x = {.c = c, .out = raw, .values = json_object_get(object, "bodyValues")};
    check_names(&x, object);
    put_header(&x, object);
    if (!x.failed)
        compose_body(&x, object);
    if (x.failed)
        return x.error;
    if (c->arena->failed || buf_check(raw))
        return jmap_refused("tooLarge", NULL);
    return JMAP_DONE;
}
