/* Parses and summarises any bytes. What must hold: every slice lies inside the message, children
 * lie inside their parents and follow one another, counts are right, and what is written for IMAP
 * can be read again. */
#include "base/limits.h"
#include "base/utf8.h"
#include "message/html.h"
#include "message/imap_string.h"
#include "message/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            bug("%s", #what);                                                                      \
    } while (0)

static bool inside(struct slice inner, struct slice outer)
{
    return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

static uint32_t lines(struct slice s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

static void check_part(const struct mime_part *p, struct slice raw, size_t depth)
{
    check(depth <= LIMIT_MIME_DEPTH);
    check(inside(p->raw, raw) && p->raw.p == p->header.p);
    check(p->header.p + p->header.n == p->body.p && p->header.n + p->body.n == p->raw.n);
    check(p->header_lines == lines(p->header) && p->body_lines == lines(p->body));
    check(p->kind == MIME_LEAF ? p->child == NULL : true);
    /* The line end that a boundary takes from an inner header stays in the message's body. */
    if (p->kind == MIME_MESSAGE)
        check(p->child != NULL && p->child->next == NULL && p->child->raw.p == p->body.p &&
              p->body.n - p->child->raw.n <= 2);
    const uint8_t *after = p->body.p;
    for (const struct mime_part *c = p->child; c != NULL; c = c->next) {
        check(c->parent == p && c->raw.p >= after && inside(c->raw, p->body));
        after = c->raw.p + c->raw.n;
        check_part(c, raw, depth + 1);
    }
}

static void check_one_value(struct slice s)
{
    struct slice value;
    check(imap_value_next(&s, &value) == OK && s.n == 0);
}

static void decode_parts(struct arena *a, const struct mime_part *p)
{
    autobuf out, text;
    buf_init(&out, LIMIT_MESSAGE_SIZE);
    buf_init(&text, LIMIT_MESSAGE_SIZE);
    if (mime_text(p, &out) == OK) {
        check(utf8_valid(buf_slice(&out)));
        html_to_text(buf_slice(&out), &text);
        check(utf8_valid(buf_slice(&text)));
    }
    check(utf8_valid(mime_file_name(a, p)));
    for (const struct mime_part *c = p->child; c != NULL; c = c->next)
        decode_parts(a, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice raw = slice_of(data, size);
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    struct mime_tree *tree;
    check(mime_parse(&a, raw, &tree) == OK);
    check(tree->root->raw.n == size);
    check_part(tree->root, tree->root->raw, 1);
    struct summary s;
    check(summary_make(&a, raw, 0, &s) == OK);
    check_one_value(s.envelope);
    check_one_value(s.body_structure);
    check(utf8_valid(s.subject) && utf8_valid(s.preview) && utf8_valid(s.from));
    check(utf8_valid(s.base_subject) && s.preview.n <= LIMIT_PREVIEW);
    autobuf direct, derived;
    buf_init(&direct, LIMIT_STRUCTURE_TEXT);
    buf_init(&derived, LIMIT_STRUCTURE_TEXT);
    summary_structure(&a, tree, false, &direct);
    check(summary_body_of_structure(s.body_structure, &derived) == OK);
    /* Past the limit of the text BODYSTRUCTURE leaves out what the shorter BODY has room for. */
    if (s.body_structure.n < LIMIT_STRUCTURE_TEXT / 2)
        check(slice_eq(buf_slice(&direct), buf_slice(&derived)));
    autoarena texts;
    arena_init(&texts, LIMIT_MESSAGE_SIZE);
    decode_parts(&texts, tree->root);
    return 0;
}
