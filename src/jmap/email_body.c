/* Bodies for JMAP; see email_body.h. Recursion ends at LIMIT_MIME_DEPTH, as the tree does. */
#include "jmap/email_body.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "message/charset.h"
#include "message/mime_field.h"

static const struct {
    const char *name;
    unsigned property;
} property_names[] = {
    {"partId", BODY_PART_ID},    {"blobId", BODY_BLOB_ID},
    {"size", BODY_SIZE},         {"headers", BODY_HEADERS},
    {"name", BODY_NAME},         {"type", BODY_TYPE},
    {"charset", BODY_CHARSET},   {"disposition", BODY_DISPOSITION},
    {"cid", BODY_CID},           {"language", BODY_LANGUAGE},
    {"location", BODY_LOCATION}, {"subParts", BODY_SUB_PARTS},
};

unsigned body_property_named(struct slice name)
{
    for (size_t i = 0; i < sizeof property_names / sizeof property_names[0]; i++)
        if (slice_eq(name, slice_str(property_names[i].name)))
            return property_names[i].property;
    return 0;
}

/* --- Types --- */

/* Too deep to be looked into: what promises parts must not be said. */
static bool is_opaque(const struct mime_part *part)
{
    return part->kind == MIME_LEAF && slice_ieq(part->type, SLICE("multipart"));
}

static bool is_type(const struct mime_part *part, const char *type)
{
    return slice_ieq(part->type, slice_str(type));
}

bool email_part_is_text(const struct mime_part *part)
{
    return part->kind == MIME_LEAF && is_type(part, "text");
}

static bool is_plain(const struct mime_part *part)
{
    return email_part_is_text(part) && slice_ieq(part->subtype, SLICE("plain"));
}

bool email_part_is_html(const struct mime_part *part)
{
    return email_part_is_text(part) && slice_ieq(part->subtype, SLICE("html"));
}

static bool is_media(const struct mime_part *part)
{
    return is_type(part, "image") || is_type(part, "audio") || is_type(part, "video");
}

static struct slice lower(struct arena *a, struct slice s)
{
    uint8_t *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return SLICE("");
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return slice_of(p, s.n);
}

static struct slice type_text(struct arena *a, const struct mime_part *part)
{
    if (is_opaque(part) || part->type.n == 0)
        return SLICE("application/octet-stream");
    if (part->subtype.n == 0)
        return is_type(part, "text") ? SLICE("text/plain") : SLICE("application/octet-stream");
    return lower(a, arena_printf(a, "%.*s/%.*s", SLICE_FMT(part->type), SLICE_FMT(part->subtype)));
}

/* --- The lists: the algorithm of RFC 8621 4.1.4 --- */

struct sorter {
    struct arena *a;
    struct email_body *body;
    size_t max; /* parts of a list */
};

static void push(struct sorter *s, struct body_list *list, const struct mime_part *part)
{
    if (list != NULL && list->n < s->max)
        list->part[list->n++] = part;
}

static void push_from(struct sorter *s, struct body_list *list, const struct body_list *other,
                      size_t from)
{
    size_t end = other->n;
    for (size_t i = from; i < end; i++)
        push(s, list, other->part[i]);
}

/* Is it a part of the body rather than an attachment? */
static bool is_inline(struct sorter *s, const struct mime_part *part, const char *in, bool first)
{
    if (slice_ieq(part->disposition, SLICE("attachment")) ||
        !(is_plain(part) || email_part_is_html(part) || is_media(part)))
        return false;
    /* In multipart/related only the first part is shown; a text with a file name that does not
     * come first is a file. */
    return first ||
           (strcmp(in, "related") != 0 && (is_media(part) || mime_file_name(s->a, part).n == 0));
}

static void sort_parts(struct sorter *s, const struct mime_part *first, const char *in,
                       bool in_alternative, struct body_list *text, struct body_list *html);

static void sort_inline(struct sorter *s, const struct mime_part *part, const char *in,
                        bool in_alternative, struct body_list **text, struct body_list **html)
{
    struct body_list *attachments = &s->body->attachments;
    if (strcmp(in, "alternative") == 0) {
        /* What has no list in here is one more version that is not shown. */
        push(s,
             is_plain(part) && *text             ? *text
             : email_part_is_html(part) && *html ? *html
                                                 : attachments,
             part);
        return;
    }
    if (in_alternative && is_plain(part))
        *html = NULL;
    if (in_alternative && email_part_is_html(part))
        *text = NULL;
    push(s, *text, part);
    push(s, *html, part);
    if ((*text == NULL || *html == NULL) && (is_media(part) || (*text == NULL && *html == NULL)))
        push(s, attachments, part);
}

static const char *multipart_name(const struct mime_part *part)
{
    return slice_ieq(part->subtype, SLICE("alternative")) ? "alternative"
           : slice_ieq(part->subtype, SLICE("related"))   ? "related"
                                                          : "mixed";
}

/* The part and its siblings. */
static void sort_parts(struct sorter *s, const struct mime_part *first, const char *in,
                       bool in_alternative, struct body_list *text, struct body_list *html)
{
    size_t had_text = text ? text->n : 0, had_html = html ? html->n : 0;
    struct body_list *const all_text = text, *const all_html = html;
    for (const struct mime_part *p = first; p != NULL; p = p->next) {
        if (p->kind == MIME_MULTIPART) {
            const char *name = multipart_name(p);
            sort_parts(s, p->child, name, in_alternative || strcmp(name, "alternative") == 0, text,
                       html);
        } else if (is_inline(s, p, in, p == first)) {
            sort_inline(s, p, in, in_alternative, &text, &html);
        } else {
            push(s, &s->body->attachments, p);
        }
    }
    if (strcmp(in, "alternative") != 0 || all_text == NULL || all_html == NULL)
        return;
    bool no_text = all_text->n == had_text, no_html = all_html->n == had_html;
    if (no_text && !no_html)
        push_from(s, all_text, all_html, had_html);
    if (no_html && !no_text)
        push_from(s, all_html, all_text, had_text);
}

enum error email_body_read(struct arena *a, struct slice raw, struct slice blob,
                           struct email_body *out)
{
    struct email_body b = {.blob = blob};
    enum error e = mime_parse(a, raw, &b.tree);
    if (e != OK)
        return e;
    struct sorter s = {a, &b, b.tree->count};
    struct body_list *const lists[] = {&b.text, &b.html, &b.attachments};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        lists[i]->part = arena_array(a, s.max, sizeof(struct mime_part *));
        if (lists[i]->part == NULL)
            return ERR_LIMIT;
    }
    /* The root has no siblings. */
    sort_parts(&s, b.tree->root, "mixed", false, &b.text, &b.html);
    *out = b;
    return a->failed ? ERR_LIMIT : OK;
}

/* --- Parts --- */

/* Size after decoding, in pieces: an attachment is never in memory a second time. */
static uint64_t decoded_size(const struct mime_part *part)
{
    if (part->encoding != MIME_QP && part->encoding != MIME_BASE64)
        return part->body.n;
    enum { PIECE = 32 * 1024 };
    struct transfer t;
    uint64_t size = 0;
    autobuf piece = BUF_INIT(2 * PIECE);
    transfer_init(&t, part->encoding);
    for (size_t at = 0; at < part->body.n; at += PIECE) {
        transfer_feed(&t, slice_sub(part->body, at, at + PIECE), &piece);
        size += piece.n;
        buf_reset(&piece);
    }
    transfer_end(&t, &piece);
    return size + piece.n;
}

static void key_text_or_null(struct json_writer *w, const char *key, struct slice s)
{
    jw_key(w, key);
    if (s.p == NULL)
        jw_null(w);
    else
        header_text_write(w, s);
}

static struct slice charset_of(const struct mime_part *part)
{
    for (const struct mime_param *p = part->params; p != NULL; p = p->next)
        if (slice_ieq(p->name, SLICE("charset")))
            return p->value;
    return SLICE_NONE;
}

static struct slice charset_shown(const struct mime_part *part)
{
    struct slice s = charset_of(part);
    return s.p != NULL || !email_part_is_text(part) ? s : SLICE("us-ascii");
}

static struct slice cid_of(struct arena *a, const struct mime_part *part)
{
    if (part->id.p == NULL)
        return SLICE_NONE;
    struct slice s = header_token(a, part->id);
    if (slice_starts(s, SLICE("<")))
        s = slice_from(s, 1);
    if (slice_ends(s, SLICE(">")))
        s.n--;
    return s.n ? s : SLICE_NONE;
}

static void write_language(struct arena *a, struct json_writer *w, const struct mime_part *part)
{
    struct slice rest = part->language, tag;
    bool any = false;
    jw_key(w, "language");
    while (mime_language_next(a, &rest, &tag)) {
        if (!any)
            jw_array(w);
        any = true;
        jw_text(w, tag);
    }
    if (any)
        jw_end(w);
    else
        jw_null(w);
}

static void write_ids(struct arena *a, struct json_writer *w, const struct email_body *b,
                      unsigned wanted, const struct mime_part *part)
{
    bool multipart = part->kind == MIME_MULTIPART;
    if (wanted & BODY_PART_ID)
        key_text_or_null(w, "partId",
                         multipart ? SLICE_NONE : arena_printf(a, "%u", (unsigned)part->number));
    if (wanted & BODY_BLOB_ID)
        key_text_or_null(
            w, "blobId",
            multipart ? SLICE_NONE
                      : arena_printf(a, "%.*s-%u", SLICE_FMT(b->blob), (unsigned)part->number));
    if (wanted & BODY_SIZE) {
        jw_key(w, "size");
        jw_uint(w, multipart ? part->body.n : decoded_size(part));
    }
}

static void write_description(struct arena *a, struct json_writer *w, unsigned wanted,
                              const struct mime_part *part)
{
    if (wanted & BODY_NAME) {
        struct slice name = mime_file_name(a, part);
        jw_key(w, "name");
        if (name.n > 0)
            header_text_write(w, name);
        else
            jw_null(w);
    }
    if (wanted & BODY_TYPE)
        key_text_or_null(w, "type", type_text(a, part));
    if (wanted & BODY_CHARSET)
        key_text_or_null(w, "charset", charset_shown(part));
    if (wanted & BODY_DISPOSITION)
        key_text_or_null(w, "disposition",
                         part->disposition.p ? lower(a, part->disposition) : SLICE_NONE);
    if (wanted & BODY_CID)
        key_text_or_null(w, "cid", cid_of(a, part));
    if (wanted & BODY_LANGUAGE)
        write_language(a, w, part);
    if (wanted & BODY_LOCATION)
        key_text_or_null(w, "location",
                         part->location.p ? header_unfold(a, part->location) : SLICE_NONE);
}

static void write_part_headers(struct arena *a, struct json_writer *w,
                               const struct body_wants *wants, const struct mime_part *part)
{
    if (!(wants->properties & BODY_HEADERS) && wants->n_headers == 0)
        return;
    struct header_list list = header_list_read(a, part->header);
    if (wants->properties & BODY_HEADERS) {
        jw_key(w, "headers");
        header_list_write(a, w, &list);
    }
    for (size_t i = 0; i < wants->n_headers; i++) {
        jw_key_text(w, wants->header[i].property);
        header_want_write(a, w, &list, &wants->header[i]);
    }
}

/* What a part may open inside itself: its parts, their objects, and arrays of groups of addresses
 * in them. */
enum { DEPTH_RESERVE = 8 };

static void write_part(struct arena *a, struct json_writer *w, const struct email_body *b,
                       const struct body_wants *wants, const struct mime_part *part, bool deep)
{
    jw_object(w);
    write_ids(a, w, b, wants->properties, part);
    write_description(a, w, wants->properties, part);
    write_part_headers(a, w, wants, part);
    if (deep && part->kind == MIME_MULTIPART) {
        jw_key(w, "subParts");
        jw_array(w);
        bool room = w->depth + DEPTH_RESERVE <= JSON_WRITE_DEPTH;
        for (const struct mime_part *p = part->child; room && p != NULL; p = p->next)
            write_part(a, w, b, wants, p, true);
        jw_end(w);
    } else if (wants->properties & BODY_SUB_PARTS) {
        jw_key(w, "subParts");
        jw_null(w);
    }
    jw_end(w);
}

void email_body_write_structure(struct arena *a, struct json_writer *w, const struct email_body *b,
                                const struct body_wants *wants)
{
    write_part(a, w, b, wants, b->tree->root, true);
}

void email_body_write_list(struct arena *a, struct json_writer *w, const struct email_body *b,
                           const struct body_wants *wants, const struct body_list *list)
{
    jw_array(w);
    for (size_t i = 0; i < list->n; i++)
        write_part(a, w, b, wants, list->part[i], false);
    jw_end(w);
}

/* --- Values --- */

/* Without the character that the end of `s` cuts in two. */
static struct slice whole_characters(struct slice s)
{
    size_t n = s.n;
    while (n > 0 && s.n - n < 3 && (s.p[n - 1] & 0xC0) == 0x80)
        n--;
    if (n > 0 && s.p[n - 1] >= 0xC0)
        return slice_sub(s, 0, n - 1);
    return s;
}

/* Where HTML may be cut: before a tag that `n` stands in. */
static size_t before_tag(struct slice s, size_t n)
{
    struct slice kept = slice_sub(s, 0, n);
    size_t open = slice_rindex(kept, '<'), close = slice_rindex(kept, '>');
    if (open >= n || (close < n && close > open))
        return n;
    uint8_t c = open + 1 < s.n ? s.p[open + 1] : '/';
    return ascii_alpha(c) || c == '/' || c == '!' || c == '?' ? open : n;
}

static size_t cut_at(struct slice s, size_t max, bool html)
{
    if (s.n <= max)
        return s.n;
    size_t n = max;
    while (n > 0 && (s.p[n] & 0xC0) == 0x80)
        n--;
    return html ? before_tag(s, n) : n;
}

/* NUL is nothing that a reader sees, and more than some JSON parsers take. */
static void line_feeds(struct slice s, struct buf *out)
{
    while (s.n > 0) {
        size_t n = 0;
        while (n < s.n && s.p[n] != '\r' && s.p[n] != 0)
            n++;
        buf_add(out, slice_sub(s, 0, n));
        bool lone = n < s.n && s.p[n] == '\r' && !(n + 1 < s.n && s.p[n + 1] == '\n');
        if (lone)
            buf_byte(out, '\r');
        s = slice_from(s, n + 1);
    }
}

/* Malformed, or in a set that is not known: then the reader sees a guess. */
static bool is_problem(const struct mime_part *part, struct slice content, struct slice text)
{
    static const char *const utf8_names[] = {"utf-8", "utf8", "us-ascii", "ascii"};
    struct slice charset = charset_of(part);
    if (part->encoding == MIME_OTHER || (charset.p != NULL && !charset_known(charset)))
        return true;
    bool utf8 = charset.n == 0;
    for (size_t i = 0; i < sizeof utf8_names / sizeof utf8_names[0]; i++)
        utf8 = utf8 || slice_ieq(charset, slice_str(utf8_names[i]));
    if (utf8)
        return !utf8_valid(content);
    return slice_find(text, SLICE("\xEF\xBF\xBD")) < text.n;
}

struct body_text email_body_text(const struct mime_part *part, size_t max, struct buf *out)
{
    /* No encoding needs more source than that for `max` bytes of text. */
    size_t source = max * 16 + 4096;
    struct mime_part start = *part;
    start.body = slice_sub(part->body, 0, source);
    bool cut = part->body.n > source;
    autobuf bytes, text, lines;
    buf_init(&bytes, start.body.n + 1);
    buf_init(&text, start.body.n * 4 + 16);
    buf_init(&lines, start.body.n * 4 + 16);
    struct slice content = start.body;
    if (mime_decode(&start, &bytes) == OK)
        content = buf_slice(&bytes);
    if (cut)
        content = whole_characters(content);
    charset_to_utf8(charset_of(part), content, &text);
    line_feeds(buf_slice(&text), &lines);
    struct slice all = buf_slice(&lines);
    size_t n = cut_at(all, max, email_part_is_html(part));
    buf_add(out, slice_sub(all, 0, n));
    return (struct body_text){is_problem(part, content, slice_sub(all, 0, n)), cut || n < all.n};
}

static void write_value(struct arena *a, struct json_writer *w, const struct mime_part *part,
                        uint64_t max)
{
    size_t most = max > 0 && max < LIMIT_JMAP_BODY_VALUE ? (size_t)max : LIMIT_JMAP_BODY_VALUE;
    autobuf value;
    buf_init(&value, most);
    struct body_text t = email_body_text(part, most, &value);
    jw_key_text(w, arena_printf(a, "%u", (unsigned)part->number));
    jw_object(w);
    jw_key(w, "value");
    jw_text(w, buf_slice(&value));
    jw_key(w, "isEncodingProblem");
    jw_bool(w, t.problem);
    jw_key(w, "isTruncated");
    jw_bool(w, t.truncated);
    jw_end(w);
}

static const struct mime_part *next_part(const struct mime_part *p)
{
    /* Not into messages inside. */
    if (p->kind == MIME_MULTIPART && p->child != NULL)
        return p->child;
    while (p != NULL && p->next == NULL)
        p = p->parent;
    return p != NULL ? p->next : NULL;
}

static void mark(bool *wanted, size_t count, const struct body_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->part[i]->number < count)
            wanted[list->part[i]->number] = true;
}

void email_body_write_values(struct arena *a, struct json_writer *w, const struct email_body *b,
                             const struct body_values *wanted)
{
    size_t count = b->tree->count;
    bool *marked = arena_array(a, count, sizeof *marked);
    jw_object(w);
    if (marked != NULL && wanted->text)
        mark(marked, count, &b->text);
    if (marked != NULL && wanted->html)
        mark(marked, count, &b->html);
    for (const struct mime_part *p = b->tree->root; marked != NULL && p != NULL; p = next_part(p))
        if (email_part_is_text(p) && (wanted->all || marked[p->number]))
            write_value(a, w, p, wanted->max);
    jw_end(w);
}
