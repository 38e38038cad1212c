/* The lexer of structured header fields; see scan.h. */
#include "message/scan.h"

enum { ATOM = 1, TOKEN = 2 };

/* RFC 5322 atext and RFC 2045 token characters. "." is in neither: the rules that take it say so.
 * "/", "=" and "?" are atext but end a MIME token. */
static const uint8_t classes[256] = {
    ['!'] = 3,         ['#'] = 3,         ['$'] = 3,         ['%'] = 3, ['&'] = 3,
    ['\''] = 3,        ['*'] = 3,         ['+'] = 3,         ['-'] = 3, ['/'] = ATOM,
    ['='] = ATOM,      ['?'] = ATOM,      ['^'] = 3,         ['_'] = 3, ['`'] = 3,
    ['{'] = 3,         ['|'] = 3,         ['}'] = 3,         ['~'] = 3, ['0' ... '9'] = 3,
    ['A' ... 'Z'] = 3, ['a' ... 'z'] = 3, [128 ... 255] = 3,
};

bool scan_is_atext(uint8_t c)
{
    return classes[c] & ATOM;
}

void text_add(struct text *t, struct arena *a, struct slice piece)
{
    if (t->s.n == 0 && t->own == NULL) {
        t->s = piece;
        return;
    }
    if (piece.n == 0)
        return;
    if (t->own == NULL && t->s.p + t->s.n == piece.p) {
        t->s.n += piece.n;
        return;
    }
    size_t need = t->s.n + piece.n;
    if (t->own == NULL || need > t->room) {
        size_t room = need < 32 ? 64 : need * 2;
        uint8_t *p = arena_alloc(a, room);
        if (p == NULL)
            return;
        memcpy(p, t->s.p, t->s.n);
        t->s.p = t->own = p;
        t->room = room;
    }
    memcpy(t->own + t->s.n, piece.p, piece.n);
    t->s.n = need;
}

void text_byte(struct text *t, struct arena *a, uint8_t byte)
{
    /* A static byte is never the neighbour of the input, so the text becomes a copy. */
    static const uint8_t common[] = {' ', '.', ',', '@'};
    for (size_t i = 0; i < sizeof common; i++)
        if (common[i] == byte) {
            text_add(t, a, slice_of(&common[i], 1));
            return;
        }
    text_add(t, a, arena_dup(a, slice_of(&byte, 1)));
}

/* At "(". Nested comments count as one; a quoted pair hides a parenthesis. */
static enum scan_result skip_comment(struct scan *s)
{
    s->comment = (struct text){{NULL, 0}, NULL, 0};
    size_t level = 1;
    const uint8_t *start = ++s->p;
    for (; s->p < s->end; s->p++) {
        if (*s->p == '(') {
            level++;
        } else if (*s->p == ')') {
            if (--level > 0)
                continue;
            text_add(&s->comment, s->a, slice_of(start, (size_t)(s->p - start)));
            s->p++;
            return scan_state(s);
        } else if (*s->p == '\\') {
            text_add(&s->comment, s->a, slice_of(start, (size_t)(s->p - start)));
            start = ++s->p;
            if (s->p >= s->end)
                return SCAN_BROKEN;
        }
    }
    return SCAN_BROKEN;
}

enum scan_result scan_blanks(struct scan *s)
{
    while (s->p < s->end) {
        uint8_t c = *s->p;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            s->p++;
        else if (c != '(')
            break;
        else if (skip_comment(s) == SCAN_BROKEN)
            return SCAN_BROKEN;
    }
    return scan_state(s);
}

/* Takes the run of bytes of that class (and dots when asked). */
static struct slice take_run(struct scan *s, uint8_t class, bool dots)
{
    const uint8_t *start = s->p;
    while (s->p < s->end && ((classes[*s->p] & class) || (dots && *s->p == '.')))
        s->p++;
    return slice_of(start, (size_t)(s->p - start));
}

enum scan_result scan_atom(struct scan *s, struct text *out)
{
    struct slice run = take_run(s, ATOM, false);
    if (run.n == 0)
        return SCAN_BROKEN;
    text_add(out, s->a, run);
    return scan_blanks(s);
}

enum scan_result scan_dot_atom(struct scan *s, struct text *out)
{
    struct slice run = take_run(s, ATOM, false);
    if (run.n == 0)
        return SCAN_BROKEN;
    text_add(out, s->a, run);
    for (;;) {
        enum scan_result r = scan_blanks(s);
        if (r != SCAN_MORE || *s->p != '.')
            return r;
        text_add(out, s->a, slice_of(s->p++, 1));
        r = scan_blanks(s);
        if (r != SCAN_MORE)
            return r;
        text_add(out, s->a, take_run(s, ATOM, false));
    }
}

enum scan_result scan_quoted(struct scan *s, struct text *out)
{
    const uint8_t *start = ++s->p;
    for (; s->p < s->end; s->p++) {
        size_t n = (size_t)(s->p - start);
        if (*s->p == '"') {
            text_add(out, s->a, slice_of(start, n));
            s->p++;
            return scan_blanks(s);
        }
        if (*s->p == '\n') { /* of a fold the line end goes, the blank stays */
            if (n > 0 && start[n - 1] == '\r')
                n--;
            text_add(out, s->a, slice_of(start, n));
            start = s->p + 1;
        } else if (*s->p == '\\') {
            text_add(out, s->a, slice_of(start, n));
            start = ++s->p;
            if (s->p >= s->end)
                return SCAN_BROKEN;
        }
    }
    return SCAN_BROKEN;
}

enum scan_result scan_phrase(struct scan *s, struct text *out)
{
    if (s->p >= s->end)
        return SCAN_END;
    if (*s->p == '.')
        return SCAN_BROKEN;
    for (;;) {
        enum scan_result r;
        if (*s->p == '"') {
            r = scan_quoted(s, out);
        } else {
            text_add(out, s->a, take_run(s, ATOM, true));
            r = scan_blanks(s);
        }
        if (r != SCAN_MORE)
            return r;
        if (!scan_is_atext(*s->p) && *s->p != '"' && *s->p != '.')
            return SCAN_MORE;
        text_byte(out, s->a, ' ');
    }
}

static enum scan_result scan_domain_literal(struct scan *s, struct text *out)
{
    const uint8_t *start = s->p;
    for (; s->p < s->end; s->p++) {
        if (*s->p == ']') {
            s->p++;
            text_add(out, s->a, slice_of(start, (size_t)(s->p - start)));
            return scan_blanks(s);
        }
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
    }
    return SCAN_BROKEN;
}

enum scan_result scan_domain(struct scan *s, struct text *out)
{
    s->p++;
    if (scan_blanks(s) != SCAN_MORE)
        return SCAN_BROKEN;
    return *s->p == '[' ? scan_domain_literal(s, out) : scan_dot_atom(s, out);
}

enum scan_result scan_token(struct scan *s, struct text *out)
{
    text_add(out, s->a, take_run(s, TOKEN, true));
    return scan_blanks(s);
}
