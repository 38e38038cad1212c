/* The command reader: lines and literals out of a stream; see reader.h. */
#include "imap/reader.h"
#include "base/mem.h"

enum {
    KEPT_TEXT = 4096,             /* a text buffer up to this size is kept for the next command */
    RESERVED_AT_ONCE = 64 * 1024, /* a literal up to this size gets its memory in one piece */
    FIRST_LITERALS = 4,
};

struct reader_literal {
    size_t at;
    bool binary;
    struct buf bytes;
};

void reader_init(struct reader *r)
{
    *r = (struct reader){0};
    buf_init(&r->text, LIMIT_IMAP_LINE);
}

static void drop_literals(struct reader *r)
{
    for (size_t i = 0; i < r->n_literals; i++)
        buf_free(&r->literals[i].bytes);
    mem_free(r->literals);
    mem_free(r->view);
    r->literals = NULL;
    r->view = NULL;
    r->n_literals = r->cap_literals = 0;
}

void reader_free(struct reader *r)
{
    drop_literals(r);
    buf_free(&r->text);
    reader_init(r);
}

void reader_wipe(struct reader *r)
{
    for (size_t i = 0; i < r->n_literals; i++)
        buf_wipe(&r->literals[i].bytes);
    buf_wipe(&r->text);
    reader_free(r);
}

void reader_next(struct reader *r)
{
    if (r->text.cap > KEPT_TEXT)
        buf_free(&r->text);
    struct buf text = r->text;
    drop_literals(r);
    reader_init(r);
    r->text = text;
    buf_reset(&r->text);
}

bool reader_empty(const struct reader *r)
{
    return r->state == READER_IN_LINE && r->text.n == 0 && r->n_literals == 0;
}

struct imap_text reader_text(struct reader *r)
{
    mem_free(r->view);
    r->view = NULL;
    if (r->n_literals) {
        r->view = mem_array(r->n_literals, sizeof *r->view);
        for (size_t i = 0; i < r->n_literals; i++) {
            const struct reader_literal *lit = &r->literals[i];
            struct slice bytes = buf_slice(&lit->bytes);
            r->view[i] = (struct imap_literal){lit->at, bytes.p ? bytes : SLICE(""), lit->binary};
        }
    }
    return (struct imap_text){buf_slice(&r->text), r->view, r->n_literals};
}

/* Is the line's end an announcement "{n}", "{n+}"? Then *at is the offset of its '{'. */
static bool literal_at_end(struct reader *r, size_t *at)
{
    struct slice s = buf_slice(&r->text);
    if (s.n < 3 || s.p[s.n - 1] != '}')
        return false;
    size_t end = s.n - 1;
    bool sync = s.p[end - 1] != '+';
    if (!sync)
        end--;
    size_t from = end;
    while (from > 0 && ascii_digit(s.p[from - 1]))
        from--;
    if (from == end || from == 0 || s.p[from - 1] != '{')
        return false;
    *at = from - 1;
    r->asked_sync = sync;
    r->asked_binary = *at > 0 && s.p[*at - 1] == '~';
    if (parse_u64(slice_sub(s, from, end), UINT64_MAX - 1, &r->asked) != OK)
        r->asked = UINT64_MAX;
    return true;
}

static enum reader_event line_done(struct reader *r)
{
    if (r->text.n && r->text.p[r->text.n - 1] == '\r')
        r->text.n--;
    size_t at;
    if (!literal_at_end(r, &at))
        return READER_COMMAND;
    r->text.n = at + 1;
    r->state = READER_ASKING;
    return READER_LITERAL;
}

/* Takes bytes up to and with the line end, or all; true when the line end was among them. */
static bool take_line(struct reader *r, struct slice *in)
{
    size_t n = slice_index(*in, '\n');
    struct slice piece = slice_sub(*in, 0, n);
    bool whole = n < in->n;
    *in = slice_from(*in, whole ? n + 1 : n);
    size_t shown = piece.n && piece.p[piece.n - 1] == '\r' ? piece.n - 1 : piece.n;
    if (shown)
        r->last = piece.p[shown - 1];
    if (r->state == READER_IN_LONG_LINE) {
        r->skipped += piece.n;
        return whole;
    }
    if (r->text.n + piece.n > LIMIT_IMAP_LINE)
        r->state = READER_IN_LONG_LINE;
    else
        buf_add(&r->text, piece);
    return whole;
}

enum reader_event reader_feed(struct reader *r, struct slice *in)
{
    while (in->n) {
        if (r->state == READER_IN_LITERAL) {
            struct buf *b = &r->literals[r->n_literals - 1].bytes;
            struct slice piece = slice_sub(*in, 0, r->left);
            buf_add(b, piece);
            *in = slice_from(*in, piece.n);
            r->left -= piece.n;
            if (r->left == 0)
                r->state = READER_IN_LINE;
            continue;
        }
        if (r->state == READER_ASKING)
            bug("reader fed before a literal was accepted");
        if (!take_line(r, in))
            return READER_MORE;
        if (r->state == READER_IN_LONG_LINE)
            return READER_TOO_LONG;
        return line_done(r);
    }
    return READER_MORE;
}

void reader_accept(struct reader *r)
{
    if (r->n_literals == r->cap_literals) {
        r->cap_literals = r->cap_literals ? 2 * r->cap_literals : FIRST_LITERALS;
        r->literals = mem_resize(r->literals, r->cap_literals, sizeof *r->literals);
    }
    struct reader_literal *lit = &r->literals[r->n_literals++];
    *lit = (struct reader_literal){.at = r->text.n - 1, .binary = r->asked_binary};
    buf_init(&lit->bytes, (size_t)r->asked);
    if (r->asked > 0 && r->asked <= RESERVED_AT_ONCE && !buf_room(&lit->bytes, (size_t)r->asked))
        bug("a literal's buffer is smaller than the literal");
    r->left = (size_t)r->asked;
    r->total += r->asked;
    r->state = r->left ? READER_IN_LITERAL : READER_IN_LINE;
}

bool reader_line(struct reader *r, struct slice *in, size_t max, struct slice *line, bool *too_long)
{
    *too_long = false;
    bool whole = take_line(r, in);
    if (r->state == READER_IN_LONG_LINE || r->text.n > max) {
        *too_long = true;
        return true;
    }
    if (!whole)
        return false;
    *line = buf_slice(&r->text);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}
