/* Sections of a message: their names, and their bytes. */
#include "imap/section.h"

#include "base/limits.h"
#include "message/header.h"

/* --- Names --- */

/* Takes "1.2.3." or "1.2.3" off *rest. */
static enum error parse_path(struct arena *a, struct slice *rest, struct section *out)
{
    size_t depth = 0;
    for (size_t i = 0; i < rest->n; i++)
        depth += rest->p[i] == '.';
    if (!rest->n || !ascii_digit(rest->p[0]))
        return OK;
    uint32_t *path = arena_array(a, depth + 1, sizeof *path);
    if (!path)
        return ERR_LIMIT;
    size_t n = 0;
    while (rest->n && ascii_digit(rest->p[0])) {
        size_t digits = 0;
        while (digits < rest->n && ascii_digit(rest->p[digits]))
            digits++;
        if (rest->p[0] == '0' || parse_u32(slice_sub(*rest, 0, digits), UINT32_MAX, &path[n]) != OK)
            return ERR_INPUT;
        n++;
        *rest = slice_from(*rest, digits);
        if (!rest->n)
            break;
        if (rest->p[0] != '.' || rest->n == 1)
            return ERR_INPUT;
        *rest = slice_from(*rest, 1);
    }
    out->path = path;
    out->depth = n;
    return OK;
}

enum error section_parse(struct arena *a, struct slice s, struct section *out)
{
    static const struct {
        struct slice name;
        enum section_text text;
    } names[] = {
        {SLICE_INIT("HEADER"), SECTION_HEADER},
        {SLICE_INIT("HEADER.FIELDS"), SECTION_FIELDS},
        {SLICE_INIT("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT},
        {SLICE_INIT("TEXT"), SECTION_TEXT},
        {SLICE_INIT("MIME"), SECTION_MIME},
    };
    struct section r = {.text = SECTION_ALL};
    enum error e = parse_path(a, &s, &r);
    if (e != OK)
        return e;
    if (!s.n) {
        *out = r;
        return OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!slice_ieq(s, names[i].name))
            continue;
        if (names[i].text == SECTION_MIME && !r.depth)
            return ERR_INPUT;
        r.text = names[i].text;
        *out = r;
        return OK;
    }
    return ERR_INPUT;
}

static bool is_plain_atom(struct slice s)
{
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || slice_has(SLICE("(){%*\"\\[]"), s.p[i]))
            return false;
    return true;
}

static void print_field_name(struct slice name, struct buf *out)
{
    if (is_plain_atom(name)) {
        buf_add(out, name);
        return;
    }
    buf_byte(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (c == '"' || c == '\\')
            buf_byte(out, '\\');
        if (c && c != '\r' && c != '\n')
            buf_byte(out, c);
    }
    buf_byte(out, '"');
}

void section_print(const struct section *s, struct buf *out)
{
    static const char *const names[] = {"",     "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT",
                                        "TEXT", "MIME"};
    for (size_t i = 0; i < s->depth; i++) {
        if (i)
            buf_byte(out, '.');
        buf_dec(out, s->path[i]);
    }
    if (s->depth && s->text != SECTION_ALL)
        buf_byte(out, '.');
    buf_str(out, names[s->text]);
    if (s->text != SECTION_FIELDS && s->text != SECTION_FIELDS_NOT)
        return;
    buf_lit(out, " (");
    for (size_t i = 0; i < s->n_fields; i++) {
        if (i)
            buf_byte(out, ' ');
        print_field_name(s->fields[i], out);
    }
    buf_byte(out, ')');
}

/* --- Bytes --- */

bool section_needs_tree(const struct section *s)
{
    return s->depth > 0;
}

static bool is_named(const struct section *s, struct slice name)
{
    for (size_t i = 0; i < s->n_fields; i++)
        if (slice_ieq(s->fields[i], name))
            return true;
    return false;
}

/* The fields that were asked for, in their order in the message, and the empty line. Lines that are
 * no field have no name: they stay with HEADER.FIELDS.NOT. */
static enum error pick_fields(const struct section *s, struct slice header, struct buf *made,
                              struct slice *out)
{
    bool wanted = s->text == SECTION_FIELDS;
    struct slice rest = header, odd;
    struct header_field f;
    while (header_next(&rest, &f)) {
        odd = slice_sub(header, 0, (size_t)(f.raw.p - header.p));
        if (!wanted)
            buf_add(made, odd);
        if (is_named(s, f.name) == wanted)
            buf_add(made, f.raw);
        header = slice_from(header, odd.n + f.raw.n);
    }
    while (!wanted && slice_line(&header, &odd) && odd.n) {
        buf_add(made, odd);
        buf_lit(made, "\r\n");
    }
    buf_lit(made, "\r\n");
    *out = buf_slice(made);
    return buf_check(made);
}

/* A message, the whole or one inside a message/rfc822 part, that is not wanted as a whole. */
static enum error of_message(const struct section *s, struct slice header, struct slice body,
                             struct buf *made, struct slice *out)
{
    if (s->text == SECTION_FIELDS || s->text == SECTION_FIELDS_NOT)
        return pick_fields(s, header, made, out);
    *out = s->text == SECTION_HEADER ? header : body;
    if (!out->p)
        *out = SLICE("");
    return OK;
}

static enum error of_whole(const struct section *s, struct slice raw, struct buf *made,
                           struct slice *out)
{
    if (s->text == SECTION_ALL) {
        *out = raw;
        return OK;
    }
    size_t header = header_length(raw);
    return of_message(s, slice_sub(raw, 0, header), slice_from(raw, header), made, out);
}

enum error section_find(const struct section *s, struct slice raw, const struct mime_tree *tree,
                        struct buf *made, struct slice *out)
{
    buf_reset(made);
    if (!s->depth)
        return of_whole(s, raw, made, out);
    struct mime_part *part = tree ? mime_find(tree, s->path, s->depth) : NULL;
    *out = SLICE_NONE;
    if (!part)
        return OK;
    switch (s->text) {
    case SECTION_ALL:
        *out = part->body;
        break;
    case SECTION_MIME:
        *out = part->header;
        break;
    case SECTION_HEADER:
    case SECTION_FIELDS:
    case SECTION_FIELDS_NOT:
    case SECTION_TEXT:
        if (part->kind == MIME_MESSAGE && part->child)
            return of_message(s, part->child->header, part->child->body, made, out);
        return OK;
    }
    if (!out->p)
        *out = SLICE("");
    return OK;
}

enum error section_find_binary(const struct section *s, struct slice raw,
                               const struct mime_tree *tree, struct buf *made, struct slice *out)
{
    buf_reset(made);
    *out = SLICE_NONE;
    if (!s->depth) {
        *out = raw;
        return OK;
    }
    const struct mime_part *part = tree ? mime_find(tree, s->path, s->depth) : NULL;
    if (!part)
        return OK;
    if (part->encoding == MIME_OTHER)
        return ERR_INPUT;
    if (part->kind != MIME_LEAF || (part->encoding != MIME_QP && part->encoding != MIME_BASE64)) {
        *out = part->body.p ? part->body : SLICE("");
        return OK;
    }
    enum error e = mime_decode(part, made);
    if (e == OK)
        *out = made->p ? buf_slice(made) : SLICE("");
    return e;
}

struct slice partial_of(struct partial p, struct slice s)
{
    if (!p.set)
        return s;
    size_t first = p.first < s.n ? (size_t)p.first : s.n;
    size_t count = p.count < s.n - first ? (size_t)p.count : s.n - first;
    return slice_sub(s, first, first + count);
}
