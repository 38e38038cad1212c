/* Marking hits; see highlight.h. The text is brought to its search form character by character, so
 * that each byte of the form knows where it came from. */
#include "jmap/highlight.h"

#include "base/mem.h"
#include "base/utf8.h"

static const struct slice mark_begin = SLICE_INIT("<mark>"), mark_end = SLICE_INIT("</mark>");
static const struct slice dots = SLICE_INIT("\xE2\x80\xA6");

enum { BEFORE_HIT = 60 }; /* bytes shown before the first hit */

struct folded {
    struct buf form;
    uint32_t *origin; /* of each byte of the form: where its character begins in the text */
    size_t cap;
};

static void fold_byte(struct folded *f, uint8_t byte, size_t origin)
{
    if (byte == ' ' && f->form.n > 0 && f->form.p[f->form.n - 1] == ' ')
        return;
    if (f->form.n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 1024;
        f->origin = mem_resize(f->origin, f->cap, sizeof *f->origin);
    }
    f->origin[f->form.n] = (uint32_t)origin;
    buf_byte(&f->form, byte);
}

static void fold(struct folded *f, struct slice text)
{
    struct slice rest = text;
    autobuf one = BUF_INIT(256);
    while (rest.n > 0 && !f->form.failed) {
        size_t at = text.n - rest.n;
        uint8_t c = rest.p[0];
        if (c < 0x80) {
            bool space = c == ' ' || (c >= '\t' && c <= '\r');
            fold_byte(f, space ? ' ' : ascii_lower(c), at);
            rest = slice_from(rest, 1);
            continue;
        }
        struct slice before = rest;
        (void)utf8_next(&rest);
        buf_reset(&one);
        utf8_search_form(slice_sub(before, 0, before.n - rest.n), &one);
        for (size_t i = 0; i < one.n; i++)
            fold_byte(f, one.p[i], at);
    }
}

/* Marks the characters of each place where the word stands. */
static bool mark_word(const struct folded *f, size_t text_n, struct slice word, bool *marked)
{
    struct slice form = buf_slice(&f->form);
    bool any = false;
    for (size_t at = 0; at < form.n && word.n > 0;) {
        size_t found = at + slice_find(slice_from(form, at), word);
        if (found >= form.n || form.n - found < word.n)
            break;
        size_t end = found + word.n;
        /* To the end of the last character, which may have a longer form, and the marks on it. */
        while (end < form.n && f->origin[end] == f->origin[end - 1])
            end++;
        size_t to = end < form.n ? f->origin[end] : text_n;
        memset(marked + f->origin[found], true, to - f->origin[found]);
        any = true;
        at = found + word.n;
    }
    return any;
}

static bool mark_words(struct slice text, const struct slice *word, size_t n, bool *marked)
{
    /* No character has a form of more than 18 others (U+FDFA), of at most two bytes. */
    struct folded f = {.form = BUF_INIT(text.n * 18 + 64)};
    bool any = false;
    fold(&f, text);
    for (size_t i = 0; i < n; i++)
        any = mark_word(&f, text.n, word[i], marked) || any;
    buf_free(&f.form);
    mem_free(f.origin);
    return any;
}

static struct slice escaped(struct slice character)
{
    switch (character.n > 0 ? character.p[0] : 0) {
    case '&':
        return SLICE("&amp;");
    case '<':
        return SLICE("&lt;");
    case '>':
        return SLICE("&gt;");
    case '"':
        return SLICE("&quot;");
    default:
        return character;
    }
}

/* The character at `at`. */
static struct slice character(struct slice text, size_t at)
{
    struct slice rest = slice_from(text, at);
    (void)utf8_next(&rest);
    return slice_sub(text, at, text.n - rest.n);
}

/* From `from` on, at most `max` bytes. */
static void write_marked(struct slice text, const bool *marked, size_t from, size_t max,
                         struct buf *out)
{
    size_t start = out->n;
    bool open = false;
    if (from > 0)
        buf_add(out, dots);
    for (size_t at = from; at < text.n;) {
        struct slice c = character(text, at), shown = escaped(c);
        bool begins = marked[at] && !open, ends = !marked[at] && open;
        size_t cost = shown.n + (begins ? mark_begin.n : 0) + (ends ? mark_end.n : 0);
        size_t rest = (marked[at] ? mark_end.n : 0) + (at + c.n < text.n ? dots.n : 0);
        if (out->n - start + cost + rest > max) {
            if (open)
                buf_add(out, mark_end);
            buf_add(out, dots);
            return;
        }
        if (ends)
            buf_add(out, mark_end);
        if (begins)
            buf_add(out, mark_begin);
        open = marked[at];
        buf_add(out, shown);
        at += c.n;
    }
    if (open)
        buf_add(out, mark_end);
}

/* Where the part begins: some text before the hit, whole words if it can be. */
static size_t part_start(struct slice text, size_t hit)
{
    size_t from = hit, cost = 0;
    while (from > 0) {
        size_t at = from - 1;
        while (at > 0 && (text.p[at] & 0xC0) == 0x80)
            at--;
        cost += escaped(slice_sub(text, at, from)).n;
        if (cost > BEFORE_HIT)
            break;
        from = at;
    }
    if (from == 0)
        return 0;
    size_t space = from + slice_index(slice_sub(text, from, hit), ' ');
    return space < hit ? space + 1 : from;
}

static bool highlight(struct slice text, const struct slice *word, size_t n, bool part, size_t max,
                      struct buf *out)
{
    if (text.n == 0)
        return false;
    bool *marked = mem_array(text.n, sizeof *marked);
    bool any = mark_words(text, word, n, marked);
    if (any) {
        const bool *hit = memchr(marked, true, text.n);
        size_t first = hit ? (size_t)(hit - marked) : 0;
        write_marked(text, marked, part ? part_start(text, first) : 0, max, out);
    }
    mem_free(marked);
    return any;
}

bool highlight_all(struct slice text, const struct slice *word, size_t n, struct buf *out)
{
    return highlight(text, word, n, false, SIZE_MAX, out);
}

bool highlight_part(struct slice text, const struct slice *word, size_t n, size_t max,
                    struct buf *out)
{
    return highlight(text, word, n, true, max, out);
}
