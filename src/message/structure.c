/* The IMAP BODYSTRUCTURE and BODY (RFC 9051 7.5.2); see summary.h. */
#include "base/limits.h"
#include "message/imap_string.h"
#include "message/mime_field.h"
#include "message/summary.h"

/* Past `end` only what the syntax demands is written: no parameters, no further siblings. */
enum { STRING_MAX = 8 * 1024, RESERVE = 128 * 1024 };

struct writer {
    struct arena *a;
    struct buf *out;
    size_t end;
    bool extended;
};

static void write_parts(struct writer *w, const struct mime_part *part);

static bool over(const struct writer *w)
{
    return w->out->n >= w->end;
}

static struct slice cut(struct slice s)
{
    return slice_sub(s, 0, STRING_MAX);
}

static void write_params(struct writer *w, const struct mime_param *p, bool default_charset)
{
    bool any = false;
    for (; p != NULL && !over(w); p = p->next) {
        buf_byte(w->out, any ? ' ' : '(');
        any = true;
        summary_nstring(cut(p->name), w->out);
        buf_byte(w->out, ' ');
        summary_nstring(cut(p->value), w->out);
        if (slice_ieq(p->name, SLICE("charset")))
            default_charset = false;
    }
    if (default_charset) {
        buf_byte(w->out, any ? ' ' : '(');
        any = true;
        buf_lit(w->out, "\"charset\" \"us-ascii\"");
    }
    if (any)
        buf_byte(w->out, ')');
    else
        buf_lit(w->out, "NIL");
}

static void write_raw(struct writer *w, struct slice value)
{
    buf_byte(w->out, ' ');
    imap_string_unfolded(over(w) ? SLICE_NONE : cut(value), w->out);
}

/* Disposition, language and location, which all bodies have last. */
static void write_extension(struct writer *w, const struct mime_part *part)
{
    buf_byte(w->out, ' ');
    if (part->disposition.p == NULL || over(w)) {
        buf_lit(w->out, "NIL");
    } else {
        buf_byte(w->out, '(');
        summary_nstring(cut(part->disposition), w->out);
        buf_byte(w->out, ' ');
        write_params(w, part->disposition_params, false);
        buf_byte(w->out, ')');
    }
    struct slice rest = part->language, tag;
    bool any = false;
    buf_byte(w->out, ' ');
    while (!over(w) && mime_language_next(w->a, &rest, &tag)) {
        buf_byte(w->out, any ? ' ' : '(');
        summary_nstring(cut(tag), w->out);
        any = true;
    }
    if (any)
        buf_byte(w->out, ')');
    else
        buf_lit(w->out, "NIL");
    write_raw(w, part->location);
}

static void write_multipart(struct writer *w, const struct mime_part *part)
{
    write_parts(w, part->child);
    buf_byte(w->out, ' ');
    summary_nstring(cut(part->subtype), w->out);
    if (!w->extended)
        return;
    buf_byte(w->out, ' ');
    write_params(w, part->params, false);
    write_extension(w, part);
}

static void write_message(struct writer *w, const struct mime_part *part)
{
    buf_byte(w->out, ' ');
    if (over(w))
        buf_lit(w->out, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    else
        summary_envelope(part->child->header, w->out);
    buf_byte(w->out, ' ');
    write_parts(w, part->child);
    buf_byte(w->out, ' ');
    buf_dec(w->out, part->body_lines);
}

static void write_single(struct writer *w, const struct mime_part *part)
{
    bool message = part->kind == MIME_MESSAGE;
    bool text = slice_ieq(part->type, SLICE("text"));
    /* Too deep to be looked into: what promises a structure must not be said. */
    bool opaque =
        !message && (slice_ieq(part->type, SLICE("multipart")) ||
                     mime_is(part, "message", "rfc822") || mime_is(part, "message", "global"));
    if (opaque) {
        buf_lit(w->out, "\"application\" \"octet-stream\"");
    } else if (message) { /* written alike, whatever its case: clients look for this name */
        buf_lit(w->out, "\"message\" ");
        buf_str(w->out, mime_is(part, "message", "global") ? "\"global\"" : "\"rfc822\"");
    } else {
        summary_nstring(cut(part->type), w->out);
        buf_byte(w->out, ' ');
        summary_nstring(cut(part->subtype), w->out);
    }
    buf_byte(w->out, ' ');
    write_params(w, opaque ? NULL : part->params, text);
    write_raw(w, part->id);
    write_raw(w, part->description);
    buf_byte(w->out, ' ');
    summary_nstring(cut(part->encoding_text), w->out);
    buf_byte(w->out, ' ');
    buf_dec(w->out, part->body.n);
    if (text) {
        buf_byte(w->out, ' ');
        buf_dec(w->out, part->body_lines);
    } else if (message) {
        write_message(w, part);
    }
    if (!w->extended)
        return;
    write_raw(w, part->md5);
    write_extension(w, part);
}

/* The part and its siblings. Recursion ends at LIMIT_MIME_DEPTH, as the tree does. */
static void write_parts(struct writer *w, const struct mime_part *part)
{
    bool first = true;
    for (; part != NULL && (first || !over(w)); part = part->next, first = false) {
        buf_byte(w->out, '(');
        if (part->kind == MIME_MULTIPART)
            write_multipart(w, part);
        else
            write_single(w, part);
        buf_byte(w->out, ')');
    }
}

void summary_structure(struct arena *a, const struct mime_tree *tree, bool extended,
                       struct buf *out)
{
    struct writer w = {a, out, out->n + LIMIT_STRUCTURE_TEXT - RESERVE, extended};
    write_parts(&w, tree->root);
}

/* Copies a value and the SP before it. */
static bool copy(struct slice *s, struct slice *value, struct buf *out)
{
    if (s->n == 0 || s->p[0] != ' ')
        return false;
    *s = slice_from(*s, 1);
    if (imap_value_next(s, value) != OK)
        return false;
    buf_byte(out, ' ');
    buf_add(out, *value);
    return true;
}

static bool body_of(struct slice list, size_t depth, struct buf *out);

/* A nested body off *s. */
static bool nested(struct slice *s, size_t depth, struct buf *out)
{
    struct slice list;
    return imap_value_next(s, &list) == OK && body_of(list, depth, out);
}

static bool single_of(struct slice s, size_t depth, struct buf *out)
{
    struct slice type, subtype, value;
    if (imap_value_next(&s, &type) != OK)
        return false;
    buf_add(out, type);
    if (!copy(&s, &subtype, out))
        return false;
    for (int i = 0; i < 5; i++) /* parameters, id, description, encoding, octets */
        if (!copy(&s, &value, out))
            return false;
    type = imap_value_plain(type);
    subtype = imap_value_plain(subtype);
    if (slice_ieq(type, SLICE("text")))
        return copy(&s, &value, out);
    if (!slice_ieq(type, SLICE("message")) ||
        !(slice_ieq(subtype, SLICE("rfc822")) || slice_ieq(subtype, SLICE("global"))))
        return true;
    if (!copy(&s, &value, out) || s.n < 2 || s.p[0] != ' ') /* envelope */
        return false;
    s = slice_from(s, 1);
    buf_byte(out, ' ');
    return nested(&s, depth, out) && copy(&s, &value, out);
}

static bool multipart_of(struct slice s, size_t depth, struct buf *out)
{
    struct slice value;
    while (s.n > 0 && s.p[0] == '(')
        if (!nested(&s, depth, out))
            return false;
    return copy(&s, &value, out);
}

/* The list with its parentheses. Each level is walked once by itself and once for each level above,
 * of which there are at most LIMIT_MIME_DEPTH. */
static bool body_of(struct slice list, size_t depth, struct buf *out)
{
    if (depth > LIMIT_MIME_DEPTH || list.n < 2 || list.p[0] != '(')
        return false;
    struct slice inner = slice_sub(list, 1, list.n - 1);
    buf_byte(out, '(');
    bool ok = inner.n > 0 && inner.p[0] == '(' ? multipart_of(inner, depth + 1, out)
                                               : single_of(inner, depth + 1, out);
    buf_byte(out, ')');
    return ok;
}

enum error summary_body_of_structure(struct slice body_structure, struct buf *out)
{
    struct slice rest = body_structure;
    if (!nested(&rest, 0, out) || rest.n > 0)
        return ERR_INPUT;
    return buf_check(out);
}
