/* The dot machine. The hot path is memchr over whole lines, not a byte at a time. */
#include "smtp/content.h"
#include "base/limits.h"

static void spoil(struct content *c, enum smtp_reply why)
{
    if (c->spoiled == REPLY_NONE)
        c->spoiled = why;
}

static void look_over(struct content *c, struct slice in)
{
    if (slice_has(in, 0))
        spoil(c, REPLY_NUL);
}

static void count_line(struct content *c, size_t n)
{
    c->line += n;
    if (c->line > LIMIT_SMTP_TEXT_LINE)
        spoil(c, REPLY_TEXT_LINE);
}

static void give(struct content *c, struct slice run, content_emit *emit, void *arg)
{
    if (c->spoiled == REPLY_NONE && run.n > 0)
        emit(arg, run);
}

/* What stands at the start of a line. */
enum start { START_TEXT, START_DOT, START_END, START_UNKNOWN };

static enum start line_start(struct slice s)
{
    if (s.p[0] != '.')
        return START_TEXT;
    if (s.n >= 2 && s.p[1] != '\r')
        return START_DOT;
    if (s.n < 3)
        return START_UNKNOWN;
    return s.p[2] == '\n' ? START_END : START_DOT;
}

/* Takes one line, or the part of it that is there, from the front of `s`; returns its length. A CR
 * at the very end is left: it may be half of a CRLF. */
static size_t take_line(struct content *c, struct slice s)
{
    size_t n = slice_index(s, '\n');
    bool whole = n < s.n;
    if (!whole && s.p[s.n - 1] == '\r')
        n--;
    size_t body = whole ? n - (n > 0 && s.p[n - 1] == '\r') : n;
    if (slice_has(slice_sub(s, 0, body), '\r') || (whole && body == n))
        spoil(c, REPLY_BARE_LINE_END);
    count_line(c, n);
    if (whole) {
        n++;
        /* Only CRLF begins a line; after a bare LF no dot counts. */
        c->mid_line = body + 1 != n - 1;
        if (!c->mid_line)
            c->line = 0;
    } else if (n > 0) {
        c->mid_line = true;
    }
    return n;
}

size_t content_data(struct content *c, struct slice in, content_emit *emit, void *arg)
{
    if (c->ended || !in.p)
        return 0;
    size_t at = 0, run = 0;
    while (at < in.n && !c->ended) {
        struct slice rest = slice_from(in, at);
        if (!c->mid_line) {
            enum start start = line_start(rest);
            if (start == START_UNKNOWN)
                break;
            if (start != START_TEXT) {
                look_over(c, slice_sub(in, run, at));
                give(c, slice_sub(in, run, at), emit, arg);
                c->ended = start == START_END;
                at += c->ended ? 3 : 1;
                run = at;
                c->mid_line = !c->ended;
                continue;
            }
        }
        size_t n = take_line(c, rest);
        if (n == 0)
            break;
        at += n;
    }
    look_over(c, slice_sub(in, run, at));
    give(c, slice_sub(in, run, at), emit, arg);
    c->taken += at;
    return at;
}

void content_chunk(struct content *c, struct slice in, content_emit *emit, void *arg)
{
    if (!in.p)
        return;
    look_over(c, in);
    size_t at = 0;
    /* The end is known by count, so a spoiled chunk needs no further look: linear also for a chunk
     * of nothing but CR. */
    while (at < in.n && c->spoiled == REPLY_NONE) {
        struct slice rest = slice_from(in, at);
        if (c->after_cr) {
            c->after_cr = false;
            if (rest.p[0] == '\n') {
                c->mid_line = false;
                c->line = 0;
                at++;
                continue;
            }
            spoil(c, REPLY_BARE_LINE_END);
        }
        size_t lf = slice_index(rest, '\n'), cr = slice_index(slice_sub(rest, 0, lf), '\r');
        bool found = cr < lf;
        c->mid_line = true;
        count_line(c, cr);
        if (found) {
            c->after_cr = true;
            at += cr + 1;
        } else if (lf < rest.n) {
            spoil(c, REPLY_BARE_LINE_END);
            at += lf + 1;
        } else {
            at = in.n;
        }
    }
    give(c, in, emit, arg);
    c->taken += in.n;
}

void content_chunks_end(struct content *c)
{
    if (c->after_cr)
        spoil(c, REPLY_BARE_LINE_END);
}
