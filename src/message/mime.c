/* The MIME parser; see mime.h. One pass over the lines of the message: headers are read field by
 * field, bodies line by line while a boundary is awaited. Open multiparts stand on a stack with
 * their boundaries; nothing recurses. */
#include "message/mime.h"

#include "base/limits.h"
#include "message/mime_field.h"

/* RFC 2046 allows 70; what is longer is compared up to here. */
enum { BOUNDARY_MAX = 80 };

struct boundary {
    struct slice text;
    struct mime_part *part;
};

struct parser {
    struct arena *a;
    struct mime_tree *tree;
    struct slice raw;
    size_t at;      /* a line starts here */
    uint32_t lines; /* line ends before `at` */
    struct mime_part *part;
    uint32_t level; /* ancestors of `part` */
    struct boundary open[LIMIT_MIME_DEPTH];
    size_t n_open;
    struct mime_budget budget;
};

/* A part is open as long as its end is not known; its line counts hold the lines before it. */
static const size_t OPEN = SIZE_MAX;
/* No boundary. */
static const size_t NONE = SIZE_MAX;

static size_t offset(const struct parser *p, const struct slice s)
{
    return (size_t)(s.p - p->raw.p);
}

/* Line ends of CRLF and LF alike. */
static size_t newline_before(const struct parser *p, size_t at)
{
    return at >= 2 && p->raw.p[at - 2] == '\r' ? 2 : 1;
}

static struct mime_part *add_part(struct parser *p, struct mime_part *parent, size_t at,
                                  uint32_t lines)
{
    struct mime_part *part = arena_new(p->a, struct mime_part);
    if (part == NULL)
        return NULL;
    mime_fields_default(part);
    part->parent = parent;
    p->tree->count++;
    part->raw = part->header = part->body = slice_of(p->raw.p + at, OPEN);
    part->header_lines = part->body_lines = lines;
    if (parent != NULL) {
        p->level++;
        if (parent->last == NULL)
            parent->child = part;
        else
            parent->last->next = part;
        parent->last = part;
    }
    p->part = part;
    return part;
}

/* The header ends, and the body starts, at `end` with `lines` line ends before it. */
static void end_header(const struct parser *p, struct mime_part *part, size_t end, uint32_t lines)
{
    part->header.n = end - offset(p, part->header);
    part->header_lines = lines - part->header_lines;
    part->body.p = p->raw.p + end;
    part->body_lines = lines;
}

/* The part ends before `end`, with `lines` line ends before that. */
static void close_part(const struct parser *p, struct mime_part *part, size_t end, uint32_t lines)
{
    if (part->raw.n != OPEN)
        return;
    part->raw.n = end - offset(p, part->raw);
    part->body.n = end - offset(p, part->body);
    part->body_lines = lines - part->body_lines;
}

static struct slice line_at(const struct parser *p, size_t at)
{
    const uint8_t *start = p->raw.p + at;
    size_t left = p->raw.n - at;
    const uint8_t *lf = left ? memchr(start, '\n', left) : NULL;
    return slice_of(start, lf ? (size_t)(lf - start) + 1 : left);
}

static void next_line(struct parser *p, struct slice line)
{
    p->at += line.n;
    p->lines += line.n > 0 && line.p[line.n - 1] == '\n';
}

/* The open boundary that this line begins with. Only the beginning has to match; of several the
 * longest wins, of equal ones the innermost (RFC 2046 5.1.2 and what mail in the wild needs). */
static size_t find_boundary(const struct parser *p, struct slice line, bool *closes)
{
    if (line.n < 2 || line.p[0] != '-' || line.p[1] != '-')
        return NONE;
    struct slice s = slice_from(line, 2);
    struct slice text = s;
    bool dashes = false; /* of a complete line: it may be the end of "a" or a part of "a--" */
    if (text.n > 0 && text.p[text.n - 1] == '\n') {
        text.n--;
        if (text.n > 0 && text.p[text.n - 1] == '\r')
            text.n--;
        dashes = text.n > 2 && text.p[text.n - 1] == '-' && text.p[text.n - 2] == '-';
    }
    size_t best = NONE;
    for (size_t i = p->n_open; i-- > 0;) {
        const struct slice b = p->open[i].text;
        if (b.n > text.n || (best != NONE && b.n <= p->open[best].text.n) ||
            memcmp(b.p, text.p, b.n) != 0)
            continue;
        best = i;
        if (b.n == text.n || (dashes && b.n + 2 == text.n))
            break;
    }
    if (best != NONE) {
        struct slice after = slice_from(s, p->open[best].text.n);
        *closes = after.n >= 2 && after.p[0] == '-' && after.p[1] == '-';
    }
    return best;
}

static struct slice boundary_text(const struct mime_part *part)
{
    for (const struct mime_param *m = part->params; m != NULL; m = m->next)
        if (slice_ieq(m->name, SLICE("boundary")))
            return slice_sub(m->value, 0, BOUNDARY_MAX);
    return SLICE_NONE;
}

/* Beyond the limits a part is taken as it is, opaque. */
static void limit_kind(struct parser *p)
{
    if (p->part->kind == MIME_LEAF)
        return;
    if (p->level + 1 < LIMIT_MIME_DEPTH && p->n_open < LIMIT_MIME_DEPTH)
        return;
    p->part->kind = MIME_LEAF;
    p->tree->cut = true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* One field with its continuation lines. */
static void take_field(struct parser *p, struct slice line, struct mime_fields *fields)
{
    struct slice whole = line;
    next_line(p, line);
    while (p->at < p->raw.n && blank(p->raw.p[p->at])) {
        struct slice more = line_at(p, p->at);
        whole.n += more.n;
        next_line(p, more);
    }
    struct header_field f;
    uint8_t c = line.p[0] | 32;
    if ((c == 'c' || c == 'm') && header_next(&whole, &f))
        mime_fields_take(p->a, p->part, fields, &f);
}

/* A header that a boundary line cuts, or follows at once: the line end before a boundary belongs to
 * the boundary, even there. */
static void cut_header(struct parser *p, struct mime_part *part)
{
    size_t start = offset(p, part->header);
    size_t end = p->at > start ? p->at - newline_before(p, p->at) : p->at;
    uint32_t lines = p->lines - (p->at > start);
    end_header(p, part, end, lines);
    close_part(p, part, end, lines);
}

/* At the empty line. */
static void end_of_fields(struct parser *p, struct mime_part *part, struct slice line,
                          const struct mime_fields *fields)
{
    next_line(p, line);
    mime_fields_end(part, fields);
    limit_kind(p);
    struct slice text = part->kind == MIME_MULTIPART ? boundary_text(part) : SLICE_NONE;
    if (text.p != NULL)
        p->open[p->n_open++] = (struct boundary){text, part};
    bool closes;
    size_t which = p->n_open > 0 ? find_boundary(p, line_at(p, p->at), &closes) : NONE;
    if (which != NONE && p->open[which].part != part)
        cut_header(p, part);
    else
        end_header(p, part, p->at, p->lines);
}

/* Reads the header at `at`, to after its empty line, or to the boundary or end that cuts it. */
static void read_header(struct parser *p)
{
    struct mime_part *part = p->part;
    size_t start = p->at, count = 0;
    struct mime_fields fields = {.budget = &p->budget,
                                 .is_mime = part->parent && part->parent->kind == MIME_MULTIPART};
    while (p->at < p->raw.n) {
        struct slice line = line_at(p, p->at);
        bool closes;
        if (line.p[0] == '\n' || (line.n == 2 && line.p[0] == '\r')) {
            end_of_fields(p, part, line, &fields);
            return;
        }
        if (p->n_open > 0 && find_boundary(p, line, &closes) != NONE) {
            mime_fields_end(part, &fields);
            limit_kind(p);
            cut_header(p, part);
            return;
        }
        if (count++ < LIMIT_HEADER_FIELDS && p->at - start < LIMIT_HEADER_SIZE)
            take_field(p, line, &fields);
        else
            next_line(p, line);
    }
    mime_fields_end(part, &fields);
    limit_kind(p);
    end_header(p, part, p->at, p->lines);
}

/* Closes what the boundary ends. `end` and `lines`: where the parts end. */
static void finish_to(struct parser *p, size_t which, bool closes, size_t end, uint32_t lines)
{
    while (p->part != p->open[which].part) {
        struct mime_part *parent = p->part->parent;
        close_part(p, p->part, end, lines);
        p->part = parent;
        p->level--;
    }
    p->n_open = closes ? which : which + 1;
}

/* Reads lines up to and with a boundary line after which a part starts; false at the end. */
static bool read_to_part(struct parser *p)
{
    size_t floor = p->at; /* a line end before this belongs to what is before */
    while (p->at < p->raw.n) {
        struct slice line = line_at(p, p->at);
        bool closes;
        size_t which = p->n_open > 0 ? find_boundary(p, line, &closes) : NONE;
        if (which == NONE) {
            next_line(p, line);
            continue;
        }
        bool first = p->at == floor;
        finish_to(p, which, closes, first ? p->at : p->at - newline_before(p, p->at),
                  first ? p->lines : p->lines - 1);
        bool complete = line.p[line.n - 1] == '\n';
        next_line(p, line);
        floor = p->at;
        if (closes || !complete)
            continue;
        if (p->tree->count < LIMIT_MIME_PARTS)
            return true;
        p->tree->cut = true;
    }
    return false;
}

static struct mime_part *next_part(struct mime_part *part)
{
    if (part->child != NULL)
        return part->child;
    while (part != NULL && part->next == NULL)
        part = part->parent;
    return part ? part->next : NULL;
}

/* A multipart without parts gets an empty one: IMAP's syntax demands it, and so FETCH finds what
 * BODYSTRUCTURE names. */
static void fill_empty(struct parser *p)
{
    uint32_t number = 0;
    for (struct mime_part *part = p->tree->root; part != NULL; part = next_part(part)) {
        part->number = number++;
        if (part->kind != MIME_MULTIPART || part->child != NULL)
            continue;
        struct mime_part *empty = add_part(p, part, offset(p, part->body), 0);
        if (empty == NULL)
            return;
        end_header(p, empty, offset(p, part->body), 0);
        close_part(p, empty, offset(p, part->body), 0);
    }
}

enum error mime_parse(struct arena *a, struct slice raw, struct mime_tree **out)
{
    struct parser p = {.a = a, .raw = raw.p ? raw : SLICE("")};
    p.budget = (struct mime_budget){LIMIT_MIME_FIELDS, LIMIT_MIME_ALL_PARAMETERS};
    p.tree = arena_new(a, struct mime_tree);
    if (p.tree == NULL)
        return ERR_LIMIT;
    p.tree->root = add_part(&p, NULL, 0, 0);
    while (p.part != NULL && !a->failed) {
        read_header(&p);
        if (p.part->kind == MIME_MESSAGE) {
            /* Where the header was cut off the inner message is empty, but it is there. */
            struct mime_part *message = p.part;
            size_t at = offset(&p, message->body);
            bool cut = message->raw.n != OPEN;
            if (add_part(&p, message, at, message->body_lines) == NULL)
                break;
            if (!cut)
                continue;
            end_header(&p, p.part, at, p.part->header_lines);
            close_part(&p, p.part, at, p.part->body_lines);
        }
        if (!read_to_part(&p) || add_part(&p, p.part, p.at, p.lines) == NULL)
            break;
    }
    for (; p.part != NULL; p.part = p.part->parent)
        close_part(&p, p.part, raw.n, p.lines);
    if (!a->failed)
        fill_empty(&p);
    if (a->failed)
        return ERR_LIMIT;
    *out = p.tree;
    return OK;
}

struct mime_part *mime_find(const struct mime_tree *tree, const uint32_t *path, size_t n)
{
    struct mime_part *part = tree->root;
    for (size_t i = 0; i < n; i++) {
        /* The first number, and one after a message, counts among the parts of a message: they are
         * its multipart's, or it is itself the only one. */
        bool message = i == 0;
        if (i > 0 && part->kind == MIME_MESSAGE) {
            part = part->child;
            message = true;
        }
        if (part->kind == MIME_MULTIPART) {
            part = part->child;
            for (uint32_t k = 1; part != NULL && k < path[i]; k++)
                part = part->next;
            if (path[i] == 0)
                part = NULL;
        } else if (!message || path[i] != 1) {
            part = NULL;
        }
        if (part == NULL)
            return NULL;
    }
    return part;
}

bool mime_is(const struct mime_part *part, const char *type, const char *subtype)
{
    return slice_ieq(part->type, slice_str(type)) && slice_ieq(part->subtype, slice_str(subtype));
}
