/* Fuzzes sections: the first line of the input is a section's name, the rest a message. What is
 * found must lie in the message or in what was made of it, and a printed name must be read again.
 */
#include "imap/section.h"

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(struct slice s)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s.n; i++)
        sum = (uint8_t)(sum + s.p[i]);
}

static void check_name(struct arena *a, const struct section *s)
{
    if (s->n_fields)
        return;
    struct buf name = BUF_INIT(LIMIT_IMAP_LINE);
    section_print(s, &name);
    struct section again;
    struct slice printed = buf_slice(&name);
    size_t list = slice_index(printed, ' ');
    if (section_parse(a, slice_sub(printed, 0, list), &again) != OK || again.text != s->text ||
        again.depth != s->depth)
        bug("a printed section is not read again");
    buf_free(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice raw = slice_of(data, size), line = SLICE_NONE, got;
    struct section s;
    struct mime_tree *tree = NULL;
    struct arena a;
    arena_init(&a, LIMIT_IMAP_TREE_ARENA);
    struct buf made = BUF_INIT(1 << 20);
    if (slice_line(&raw, &line) && section_parse(&a, line, &s) == OK) {
        static const struct slice names[] = {SLICE_INIT("subject"), SLICE_INIT("X")};
        check_name(&a, &s);
        if (s.text == SECTION_FIELDS || s.text == SECTION_FIELDS_NOT) {
            s.fields = names;
            s.n_fields = 2;
        }
        if (mime_parse(&a, raw, &tree) == OK) {
            if (section_find(&s, raw, tree, &made, &got) == OK)
                touch(partial_of((struct partial){true, size / 3, size / 2}, got));
            if (section_find_binary(&s, raw, tree, &made, &got) == OK)
                touch(got);
        }
    }
    buf_free(&made);
    arena_free(&a);
    return 0;
}
