/* What a listing shows of a message; see summary.h. Runs at each delivery: one pass over the raw
 * bytes for the structure, one over the header's fields, and the start of one text part. */
#include "message/summary.h"

#include "base/date.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/html.h"

enum { DATE_MAX = 256, FROM_MAX = 2000, SUBJECT_MAX = 16 * 1024 };

static bool has_eight_bit(struct slice s)
{
    size_t i = 0;
    uint64_t word[4];
    for (; s.n - i >= sizeof word; i += sizeof word) {
        memcpy(word, s.p + i, sizeof word);
        if ((word[0] | word[1] | word[2] | word[3]) & 0x8080808080808080u)
            return true;
    }
    for (; i < s.n; i++)
        if (s.p[i] >= 0x80)
            return true;
    return false;
}

/* Next part in order of appearance; NULL after the last. */
static const struct mime_part *next_part(const struct mime_part *part)
{
    if (part->child != NULL)
        return part->child;
    while (part != NULL && part->next == NULL)
        part = part->parent;
    return part ? part->next : NULL;
}

/* A message identifier "<...>" off *rest, without blanks inside; false when there is no more. */
static bool next_id(struct slice *rest, struct slice *id)
{
    for (;;) {
        size_t start = slice_index(*rest, '<');
        *rest = slice_from(*rest, start);
        if (rest->n == 0)
            return false;
        size_t end = 1;
        while (end < rest->n && rest->p[end] > ' ' && rest->p[end] != '>' && rest->p[end] != '<')
            end++;
        struct slice found = slice_sub(*rest, 0, end + 1);
        bool good = end < rest->n && rest->p[end] == '>' && end > 1 && end < LIMIT_MESSAGE_ID;
        *rest = slice_from(*rest, good ? end + 1 : end);
        if (good) {
            *id = found;
            return true;
        }
    }
}

static struct slice first_id(struct slice value)
{
    struct slice id;
    return next_id(&value, &id) ? id : SLICE("");
}

static struct slice join_ids(struct arena *a, struct slice value)
{
    struct slice ring[LIMIT_REFERENCES], id;
    size_t n = 0, bytes = 0;
    while (next_id(&value, &id))
        ring[n++ % LIMIT_REFERENCES] = id;
    if (n == 0)
        return SLICE("");
    size_t first = n > LIMIT_REFERENCES ? n - LIMIT_REFERENCES : 0;
    for (size_t i = first; i < n; i++)
        bytes += ring[i % LIMIT_REFERENCES].n + 1;
    uint8_t *p = arena_alloc(a, bytes);
    if (p == NULL)
        return SLICE("");
    size_t at = 0;
    for (size_t i = first; i < n; i++) {
        const struct slice r = ring[i % LIMIT_REFERENCES];
        if (at > 0)
            p[at++] = ' ';
        memcpy(p + at, r.p, r.n);
        at += r.n;
    }
    return slice_of(p, at);
}

/* The name of the first address, else the address. */
static struct slice first_person(struct arena *a, struct slice value)
{
    struct address *list = NULL;
    /* One address is enough: a long list would be read a second time for nothing. */
    if (address_list(a, slice_sub(value, 0, FROM_MAX), &list) != OK)
        return SLICE("");
    while (list != NULL && list->host.p == NULL)
        list = list->next;
    if (list == NULL)
        return SLICE("");
    if (list->name.n > 0)
        return header_text(a, list->name);
    /* What was missing has a mark in its place, which is nothing to show. */
    if (slice_eq(list->mailbox, SLICE("MISSING_MAILBOX")))
        return SLICE("");
    if (slice_eq(list->host, SLICE("MISSING_DOMAIN")) ||
        slice_eq(list->host, SLICE("SYNTAX_ERROR")))
        return header_text(a, list->mailbox);
    return header_text(
        a, arena_printf(a, "%.*s@%.*s", SLICE_FMT(list->mailbox), SLICE_FMT(list->host)));
}

static void read_header(struct arena *a, struct slice header, int64_t received, struct summary *out)
{
    struct slice date = SLICE_NONE, subject = SLICE_NONE, from = SLICE_NONE;
    struct slice id = SLICE_NONE, reply = SLICE_NONE, references = SLICE_NONE;
    static const struct slice names[] = {
        SLICE_INIT("date"),       SLICE_INIT("subject"),     SLICE_INIT("from"),
        SLICE_INIT("message-id"), SLICE_INIT("in-reply-to"), SLICE_INIT("references"),
    };
    struct slice *const places[] = {&date, &subject, &from, &id, &reply, &references};
    struct header_field f;
    while (header_next(&header, &f)) {
        if (f.name.n < 4 || f.name.n > 11)
            continue;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (f.name.n == names[i].n && slice_ieq(f.name, names[i]))
                *places[i] = f.value;
    }
    out->message_id = first_id(id);
    out->in_reply_to = first_id(reply);
    out->references = join_ids(a, references);
    out->subject = header_text(a, slice_sub(subject, 0, SUBJECT_MAX));
    bool is_reply;
    out->base_subject = header_base_subject(a, out->subject, &is_reply);
    out->from = first_person(a, from);
    struct date d;
    date = slice_sub(date, 0, DATE_MAX);
    out->sent = date.p != NULL && date_parse_rfc5322(header_unfold(a, date), &d) == OK ? d.seconds
                                                                                       : received;
}

/* RFC 8621 4.1.4: what a reader would offer as a file. Signatures and the machine's half of a
 * report are no files to a person; a picture that the HTML shows is none either. */
static bool is_attachment(const struct mime_part *part)
{
    if (part->kind == MIME_MULTIPART)
        return false;
    if (slice_ieq(part->disposition, SLICE("attachment")))
        return true;
    const struct mime_part *parent = part->parent;
    bool in_multipart = parent != NULL && parent->kind == MIME_MULTIPART;
    if (in_multipart && slice_ieq(parent->subtype, SLICE("report")) && part != parent->child)
        return false;
    if (part->kind == MIME_MESSAGE)
        return true;
    if (slice_ieq(part->type, SLICE("text")))
        return false;
    if (in_multipart && (slice_ieq(parent->subtype, SLICE("alternative")) ||
                         slice_ieq(parent->subtype, SLICE("encrypted")) ||
                         (slice_ieq(parent->subtype, SLICE("signed")) && part != parent->child)))
        return false;
    if (in_multipart && slice_ieq(parent->subtype, SLICE("related")) && part->id.p != NULL)
        return false;
    if (mime_is(part, "application", "pgp-signature") ||
        mime_is(part, "application", "pkcs7-signature") ||
        mime_is(part, "application", "x-pkcs7-signature"))
        return false;
    return !(slice_ieq(part->disposition, SLICE("inline")) && part->id.p != NULL);
}

static bool has_attachment(const struct mime_tree *tree)
{
    for (const struct mime_part *p = tree->root; p != NULL; p = next_part(p))
        if (is_attachment(p))
            return true;
    return false;
}

/* The part that a preview is made of: the first text/plain that is no attachment, else the first
 * HTML, else any other text. */
static const struct mime_part *preview_part(const struct mime_tree *tree)
{
    const struct mime_part *html = NULL, *other = NULL;
    for (const struct mime_part *p = tree->root; p != NULL; p = next_part(p)) {
        if (p->kind != MIME_LEAF || !slice_ieq(p->type, SLICE("text")) || p->body.n == 0 ||
            slice_ieq(p->disposition, SLICE("attachment")))
            continue;
        if (slice_ieq(p->subtype, SLICE("plain")))
            return p;
        if (html == NULL && slice_ieq(p->subtype, SLICE("html")))
            html = p;
        else if (other == NULL)
            other = p;
    }
    return html ? html : other;
}

/* White space made one SP, cut at a character, control characters out. */
static size_t squeeze(struct slice text, uint8_t *to, size_t size)
{
    size_t n = 0;
    bool space = false;
    while (text.n > 0) {
        struct slice before = text;
        int32_t c = utf8_next(&text);
        size_t width = before.n - text.n;
        if (c <= ' ' || c == 0x7F || c == 0xA0 || c == 0x200B || c == 0x200C || c == 0xFEFF ||
            c == 0xAD || c == 0x34F) {
            space = n > 0;
            continue;
        }
        if (n + space + width > size)
            break;
        if (space)
            to[n++] = ' ';
        space = false;
        memcpy(to + n, before.p, width);
        n += width;
    }
    return n;
}

static struct slice preview_of(struct arena *a, const struct mime_part *part, size_t source)
{
    struct mime_part start = *part;
    start.body = slice_sub(part->body, 0, source);
    autobuf text, plain;
    /* At most three bytes of UTF-8 for a byte of the source. */
    buf_init(&text, source * 3 + 16);
    buf_init(&plain, source * 3 + 16);
    if (mime_text(&start, &text) != OK)
        return SLICE("");
    struct slice s = buf_slice(&text);
    if (slice_ieq(part->subtype, SLICE("html"))) {
        html_to_text(s, &plain);
        s = buf_slice(&plain);
    }
    uint8_t *p = arena_alloc(a, LIMIT_PREVIEW);
    return p ? slice_of(p, squeeze(s, p, LIMIT_PREVIEW)) : SLICE("");
}

static struct slice preview(struct arena *a, const struct mime_tree *tree)
{
    const struct mime_part *part = preview_part(tree);
    if (part == NULL)
        return SLICE("");
    /* Mostly the first few lines are enough; HTML may have its styles before the first word. */
    static const size_t sources[] = {2048, LIMIT_PREVIEW_SOURCE};
    struct slice s = SLICE("");
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        s = preview_of(a, part, sources[i]);
        if (s.n > LIMIT_PREVIEW - 8 || part->body.n <= sources[i])
            break;
    }
    return s;
}

enum error summary_make(struct arena *a, struct slice raw, int64_t received, struct summary *out)
{
    struct mime_tree *tree;
    enum error e = mime_parse(a, raw, &tree);
    if (e != OK)
        return e;
    const struct mime_part *root = tree->root;
    struct summary s = {0};
    s.header_size = (uint32_t)root->header.n;
    s.lines = root->header_lines + root->body_lines;
    s.utf8_header = has_eight_bit(root->header);
    s.eight_bit = s.utf8_header || has_eight_bit(root->body);
    read_header(a, root->header, received, &s);
    s.has_attachment = has_attachment(tree);
    s.preview = preview(a, tree);

    autobuf text;
    buf_init(&text, LIMIT_ENVELOPE_TEXT);
    summary_envelope(root->header, &text);
    s.envelope = arena_dup(a, buf_slice(&text));
    bool whole = buf_check(&text) == OK;
    buf_free(&text);
    buf_init(&text, LIMIT_STRUCTURE_TEXT);
    summary_structure(a, tree, true, &text);
    s.body_structure = arena_dup(a, buf_slice(&text));
    whole = whole && buf_check(&text) == OK;
    if (a->failed || !whole)
        return ERR_LIMIT;
    *out = s;
    return OK;
}
