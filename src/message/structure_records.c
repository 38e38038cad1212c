/* Golden records of a message; see structure_records.h. */
#include "message/structure_records.h"

#include "base/limits.h"
#include "message/summary.h"

enum { PATH_MAX_NUMBERS = LIMIT_MIME_DEPTH + 2, TEXT_MAX = 4 * 1024 * 1024 };

static void record(struct buf *out, struct slice name, struct slice value)
{
    buf_add(out, name);
    buf_byte(out, ' ');
    buf_dec(out, value.n);
    buf_byte(out, '\n');
    buf_add(out, value);
    buf_byte(out, '\n');
}

/* A section's bytes as their number and FNV-1a hash. */
static void section(struct buf *out, struct slice path, const char *what, struct slice bytes)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < bytes.n; i++)
        h = (h ^ bytes.p[i]) * 0x100000001B3u;
    char value[64];
    int n = snprintf(value, sizeof value, "%zu %016llx", bytes.n, (unsigned long long)h);
    autobuf name;
    buf_init(&name, 4096);
    buf_add(&name, path);
    buf_str(&name, path.n && *what ? "." : "");
    buf_str(&name, what);
    record(out, buf_slice(&name), slice_of(value, (size_t)n));
}

struct walk {
    const struct mime_tree *tree;
    struct buf *out;
    uint32_t path[PATH_MAX_NUMBERS];
};

static void parts_below(struct walk *w, size_t depth);

/* The part that the first `depth` numbers name, found as FETCH finds it. */
static void part(struct walk *w, size_t depth)
{
    const struct mime_part *p = mime_find(w->tree, w->path, depth);
    char text[PATH_MAX_NUMBERS * 12];
    size_t n = 0;
    for (size_t i = 0; i < depth; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, i ? ".%u" : "%u", w->path[i]);
    struct slice path = slice_of(text, n);
    section(w->out, path, "", p ? p->body : SLICE_NONE);
    section(w->out, path, "MIME", p ? p->header : SLICE_NONE);
    if (p == NULL)
        return;
    if (p->kind == MIME_MESSAGE) {
        section(w->out, path, "HEADER", p->child->header);
        section(w->out, path, "TEXT", p->child->body);
        parts_below(w, depth);
    } else if (p->kind == MIME_MULTIPART) {
        parts_below(w, depth);
    }
}

static void parts_below(struct walk *w, size_t depth)
{
    const struct mime_part *p = mime_find(w->tree, w->path, depth);
    if (depth > 0 && p->kind == MIME_MESSAGE)
        p = p->child;
    uint32_t count = 1; /* also a multipart without parts shows one */
    if (p->kind == MIME_MULTIPART && p->child != NULL)
        for (const struct mime_part *c = p->child; (c = c->next) != NULL;)
            count++;
    for (uint32_t i = 1; i <= count; i++) {
        w->path[depth] = i;
        part(w, depth + 1);
    }
}

bool structure_records(struct slice message, struct buf *out)
{
    autoarena a;
    arena_init(&a, 64 * 1024 * 1024);
    struct mime_tree *tree;
    struct summary s;
    if (mime_parse(&a, message, &tree) != OK || summary_make(&a, message, 0, &s) != OK)
        return false;
    autobuf body;
    buf_init(&body, TEXT_MAX);
    summary_structure(&a, tree, false, &body);
    record(out, SLICE("ENVELOPE"), s.envelope);
    record(out, SLICE("BODYSTRUCTURE"), s.body_structure);
    record(out, SLICE("BODY"), buf_slice(&body));
    section(out, SLICE(""), "HEADER", tree->root->header);
    section(out, SLICE(""), "TEXT", tree->root->body);
    struct walk w = {tree, out, {0}};
    parts_below(&w, 0);
    return buf_check(out) == OK;
}
