/* Header fields for JMAP; see email_header.h. */
#include "jmap/email_header.h"

#include "base/date.h"
#include "base/limits.h"
#include "base/utf8.h"

/* --- Properties --- */

enum { ANY_FORM = 0x7F, ADDRESS_FORMS = HEADER_RAW | HEADER_ADDRESSES | HEADER_GROUPED };

/* The fields of RFC 5322 and RFC 2369 with their forms; others are shown in any. */
static const struct {
    const char *name;
    unsigned forms;
} known_fields[] = {
    {"from", ADDRESS_FORMS},
    {"sender", ADDRESS_FORMS},
    {"reply-to", ADDRESS_FORMS},
    {"to", ADDRESS_FORMS},
    {"cc", ADDRESS_FORMS},
    {"bcc", ADDRESS_FORMS},
    {"resent-from", ADDRESS_FORMS},
    {"resent-sender", ADDRESS_FORMS},
    {"resent-reply-to", ADDRESS_FORMS},
    {"resent-to", ADDRESS_FORMS},
    {"resent-cc", ADDRESS_FORMS},
    {"resent-bcc", ADDRESS_FORMS},
    {"subject", HEADER_RAW | HEADER_TEXT},
    {"comments", HEADER_RAW | HEADER_TEXT},
    {"keywords", HEADER_RAW | HEADER_TEXT},
    {"message-id", HEADER_RAW | HEADER_IDS},
    {"in-reply-to", HEADER_RAW | HEADER_IDS},
    {"references", HEADER_RAW | HEADER_IDS},
    {"resent-message-id", HEADER_RAW | HEADER_IDS},
    {"date", HEADER_RAW | HEADER_DATE},
    {"resent-date", HEADER_RAW | HEADER_DATE},
    {"list-help", HEADER_RAW | HEADER_URLS},
    {"list-unsubscribe", HEADER_RAW | HEADER_URLS},
    {"list-subscribe", HEADER_RAW | HEADER_URLS},
    {"list-post", HEADER_RAW | HEADER_URLS},
    {"list-owner", HEADER_RAW | HEADER_URLS},
    {"list-archive", HEADER_RAW | HEADER_URLS},
    {"return-path", HEADER_RAW},
    {"received", HEADER_RAW},
};

static const struct {
    const char *name;
    enum header_form form;
} form_names[] = {
    {"asRaw", HEADER_RAW},
    {"asText", HEADER_TEXT},
    {"asAddresses", HEADER_ADDRESSES},
    {"asGroupedAddresses", HEADER_GROUPED},
    {"asMessageIds", HEADER_IDS},
    {"asDate", HEADER_DATE},
    {"asURLs", HEADER_URLS},
};

static unsigned forms_of(struct slice name)
{
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++)
        if (slice_ieq(name, slice_str(known_fields[i].name)))
            return known_fields[i].forms;
    return ANY_FORM;
}

static enum header_form form_named(struct slice s)
{
    for (size_t i = 0; i < sizeof form_names / sizeof form_names[0]; i++)
        if (slice_eq(s, slice_str(form_names[i].name)))
            return form_names[i].form;
    return 0;
}

enum error header_want_parse(struct slice property, struct header_want *out)
{
    struct header_want want = {.property = property, .form = HEADER_RAW};
    struct slice rest = property, piece;
    if (!slice_split(&rest, ':', &piece) || !slice_eq(piece, SLICE("header")) ||
        !slice_split(&rest, ':', &want.name) || want.name.n == 0)
        return ERR_INPUT;
    for (size_t i = 0; i < want.name.n; i++)
        if (want.name.p[i] <= ' ' || want.name.p[i] >= 0x7F)
            return ERR_INPUT;
    if (property.p[property.n - 1] == ':')
        return ERR_INPUT;
    bool more = slice_split(&rest, ':', &piece);
    if (more && form_named(piece)) {
        want.form = form_named(piece);
        more = slice_split(&rest, ':', &piece);
    }
    if (more) {
        if (!slice_eq(piece, SLICE("all")) || rest.n > 0)
            return ERR_INPUT;
        want.all = true;
    }
    if (!(forms_of(want.name) & want.form))
        return ERR_AUTH;
    *out = want;
    return OK;
}

/* --- Finding --- */

struct header_list header_list_read(struct arena *a, struct slice header)
{
    struct slice rest = slice_sub(header, 0, LIMIT_HEADER_SIZE), again = rest;
    struct header_field f;
    size_t n = 0;
    while (n < LIMIT_HEADER_FIELDS && header_next(&rest, &f))
        n++;
    struct header_field *field = arena_array(a, n + 1, sizeof *field);
    if (field == NULL)
        return (struct header_list){0};
    for (size_t i = 0; i < n; i++)
        (void)header_next(&again, &field[i]);
    return (struct header_list){field, n};
}

bool header_list_last(const struct header_list *l, struct slice name, struct slice *value)
{
    for (size_t i = l->n; i > 0; i--)
        if (slice_ieq(l->field[i - 1].name, name)) {
            *value = l->field[i - 1].value;
            return true;
        }
    return false;
}

void header_want_write(struct arena *a, struct json_writer *w, const struct header_list *l,
                       const struct header_want *want)
{
    struct slice value = SLICE_NONE;
    if (!want->all) {
        (void)header_list_last(l, want->name, &value);
        header_form_write(a, w, want->form, value);
        return;
    }
    jw_array(w);
    for (size_t i = 0; i < l->n; i++)
        if (slice_ieq(l->field[i].name, want->name))
            header_form_write(a, w, want->form, l->field[i].value);
    jw_end(w);
}

/* --- Raw and text --- */

/* "Any NUL octet MUST be dropped". */
static struct slice without_nul(struct arena *a, struct slice s)
{
    if (!slice_has(s, 0))
        return s;
    uint8_t *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; p != NULL && i < s.n; i++)
        if (s.p[i] != 0)
            p[n++] = s.p[i];
    return p ? slice_of(p, n) : SLICE("");
}

void header_list_write(struct arena *a, struct json_writer *w, const struct header_list *l)
{
    jw_array(w);
    for (size_t i = 0; i < l->n; i++) {
        jw_object(w);
        jw_key(w, "name");
        jw_text(w, without_nul(a, l->field[i].name));
        jw_key(w, "value");
        jw_text(w, without_nul(a, l->field[i].value));
        jw_end(w);
    }
    jw_end(w);
}

void header_text_write(struct json_writer *w, struct slice utf8)
{
    if (ascii_only(utf8)) {
        jw_text(w, utf8);
        return;
    }
    autobuf clean, nfc;
    buf_init(&clean, utf8.n * 3 + 1);
    /* Composing never makes text longer than three times its bytes (UAX 15). */
    buf_init(&nfc, utf8.n * 9 + 1);
    struct slice rest = utf8;
    while (rest.n > 0) {
        int32_t c = utf8_next(&rest);
        if (c != 0)
            utf8_put(&clean, (uint32_t)c);
    }
    jw_text(w, utf8_nfc(buf_slice(&clean), &nfc) == OK ? buf_slice(&nfc) : buf_slice(&clean));
}

/* --- Addresses --- */

static bool is_mark(struct slice s, const char *mark)
{
    return slice_eq(s, slice_str(mark));
}

/* What was missing has a mark in its place (see address.c), which is no part of an address. */
static void write_address(struct arena *a, struct json_writer *w, const struct address *addr)
{
    struct slice host = addr->host, local = addr->mailbox;
    if (is_mark(host, "MISSING_DOMAIN") || is_mark(host, "SYNTAX_ERROR"))
        host = SLICE("");
    if (is_mark(local, "MISSING_MAILBOX"))
        local = SLICE("");
    jw_object(w);
    jw_key(w, "name");
    if (addr->name.n > 0)
        header_text_write(w, header_text(a, addr->name));
    else
        jw_null(w);
    jw_key(w, "email");
    if (host.n > 0) {
        autobuf text;
        buf_init(&text, 2 * local.n + host.n + 8);
        mailbox_print(&(struct mailbox_address){local, host}, &text);
        header_text_write(w, buf_slice(&text));
    } else {
        header_text_write(w, header_text(a, local));
    }
    jw_end(w);
}

/* A group is a start without host, its members, and an end without both. */
static bool is_group_mark(const struct address *a)
{
    return a->host.p == NULL;
}

void header_addresses_write(struct arena *a, struct json_writer *w, const struct address *list)
{
    jw_array(w);
    for (; list != NULL; list = list->next)
        if (!is_group_mark(list))
            write_address(a, w, list);
    jw_end(w);
}

static void open_group(struct arena *a, struct json_writer *w, struct slice name)
{
    jw_object(w);
    jw_key(w, "name");
    if (name.n > 0)
        header_text_write(w, header_text(a, name));
    else
        jw_null(w);
    jw_key(w, "addresses");
    jw_array(w);
}

static void close_group(struct json_writer *w, bool *open)
{
    if (*open) {
        jw_end(w);
        jw_end(w);
    }
    *open = false;
}

static void write_groups(struct arena *a, struct json_writer *w, const struct address *list)
{
    bool open = false;
    jw_array(w);
    for (; list != NULL; list = list->next) {
        if (is_group_mark(list)) {
            close_group(w, &open);
            if (list->mailbox.p != NULL) {
                open_group(a, w, list->mailbox);
                open = true;
            }
            continue;
        }
        if (!open)
            open_group(a, w, SLICE_NONE);
        open = true;
        write_address(a, w, list);
    }
    close_group(w, &open);
    jw_end(w);
}

/* --- Ids, dates, URLs --- */

/* Takes the next message id off *rest, without < and >; false at the end. */
static bool id_next(struct slice *rest, struct slice *id)
{
    for (;;) {
        *rest = slice_from(*rest, slice_index(*rest, '<'));
        size_t end = slice_index(*rest, '>');
        if (end >= rest->n)
            return false;
        /* "<a <b>": what stands before the second one was no id. */
        size_t start = slice_rindex(slice_sub(*rest, 0, end), '<');
        struct slice found = slice_trim(slice_sub(*rest, start + 1, end));
        *rest = slice_from(*rest, end + 1);
        if (found.n > 0 && found.n <= LIMIT_MESSAGE_ID) {
            *id = found;
            return true;
        }
    }
}

/* What stands in < >, an array; null when there is nothing. */
static void write_bracketed(struct arena *a, struct json_writer *w, struct slice value)
{
    struct slice rest = header_token(a, value), item;
    bool any = false;
    while (id_next(&rest, &item)) {
        if (!any)
            jw_array(w);
        any = true;
        jw_text(w, without_nul(a, header_unfold(a, item)));
    }
    if (any)
        jw_end(w);
    else
        jw_null(w);
}

static void write_urls(struct arena *a, struct json_writer *w, struct slice value)
{
    struct slice rest = header_token(a, value);
    bool any = false;
    for (;;) {
        rest = slice_from(rest, slice_index(rest, '<'));
        size_t end = slice_index(rest, '>');
        if (end >= rest.n)
            break;
        /* White space inside is folding (RFC 2369 2). */
        struct slice url = slice_sub(rest, 1, end);
        rest = slice_from(rest, end + 1);
        uint8_t *p = arena_alloc(a, url.n + 1);
        size_t n = 0;
        for (size_t i = 0; p != NULL && i < url.n; i++)
            if (url.p[i] > ' ')
                p[n++] = url.p[i];
        if (n == 0)
            continue;
        if (!any)
            jw_array(w);
        any = true;
        jw_text(w, slice_of(p, n));
    }
    if (any)
        jw_end(w);
    else
        jw_null(w);
}

static void write_date(struct arena *a, struct json_writer *w, struct slice value)
{
    struct date d;
    if (date_parse_rfc5322(header_unfold(a, value), &d) != OK) {
        jw_null(w);
        return;
    }
    char text[64];
    struct civil c = date_to_civil(d.seconds + (int64_t)d.zone * 60);
    int zone = d.zone < 0 ? -d.zone : d.zone;
    snprintf(text, sizeof text, "%04d-%02u-%02uT%02u:%02u:%02u%c%02d:%02d", (int)c.year, c.month,
             c.day, c.hour, c.minute, c.second, d.zone < 0 ? '-' : '+', zone / 60, zone % 60);
    jw_str(w, text);
}

void header_form_write(struct arena *a, struct json_writer *w, enum header_form form,
                       struct slice value)
{
    struct address *list = NULL;
    if (value.p == NULL) {
        jw_null(w);
        return;
    }
    switch (form) {
    case HEADER_RAW:
        jw_text(w, without_nul(a, value));
        break;
    case HEADER_TEXT:
        header_text_write(w, header_text(a, value));
        break;
    case HEADER_ADDRESSES:
    case HEADER_GROUPED:
        /* At the arena's cap the list is empty, and the caller sees that it failed. */
        if (address_list(a, value, &list) != OK)
            list = NULL;
        if (form == HEADER_ADDRESSES)
            header_addresses_write(a, w, list);
        else
            write_groups(a, w, list);
        break;
    case HEADER_IDS:
        write_bracketed(a, w, value);
        break;
    case HEADER_DATE:
        write_date(a, w, value);
        break;
    case HEADER_URLS:
        write_urls(a, w, value);
        break;
    }
}
