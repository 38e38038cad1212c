/* Eight bits to seven; see seven.h. Three passes over the parts in order of appearance: what each
 * needs, what stays high below each, writing. */
#include "message/seven.h"
#include "base/limits.h"
#include "base/mem.h"
#include "message/header.h"
#include "message/mime.h"

struct part {
    struct mime_part *mime;
    bool fixed;   /* nothing in it may be changed */
    bool convert; /* a leaf: its body is written anew */
    bool high;    /* a byte over 127 stays in it */
};

struct seven {
    struct slice raw;
    struct part *part;
    size_t n;
    size_t written; /* of raw */
    struct buf *out;
};

/* --- What needs it --- */

static bool is_high(struct slice s)
{
    uint64_t all = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        all |= word;
    }
    for (; i < s.n; i++)
        all |= s.p[i];
    return all & 0x8080808080808080;
}

static bool has_long_line(struct slice s)
{
    while (s.n > LIMIT_LINE_TEXT) {
        size_t end = slice_index(s, '\n');
        size_t line = end > 0 && end < s.n && s.p[end - 1] == '\r' ? end - 1 : end;
        if (line > LIMIT_LINE_TEXT)
            return true;
        s = slice_from(s, end + 1);
    }
    return false;
}

bool seven_is(struct slice raw)
{
    return !is_high(raw) && !has_long_line(raw);
}

/* A header whose end is seen, so that a field can be put there and is read. */
static bool has_end(const struct mime_part *m)
{
    return (m->header.n == 2 || slice_ends(m->header, SLICE("\r\n\r\n"))) &&
           slice_ends(m->header, SLICE("\r\n")) && m->header.n <= LIMIT_HEADER_SIZE / 2 &&
           m->header_lines <= LIMIT_HEADER_FIELDS / 2;
}

/* By its label, also where that means nothing for want of MIME-Version: others may follow it. */
static bool is_plain(const struct mime_part *m)
{
    struct header_field f;
    return m->encoding <= MIME_BINARY &&
           (!header_find(m->header, SLICE("Content-Transfer-Encoding"), &f) ||
            transfer_encoding(slice_trim(f.value)) <= MIME_BINARY);
}

/* Composite types must not be encoded (RFC 2045 6.4), other message/ types are 7bit (RFC 2046 5.2).
 */
static bool may_be_encoded(const struct mime_part *m)
{
    return m->kind == MIME_LEAF && !slice_ieq(m->type, SLICE("multipart")) &&
           !slice_ieq(m->type, SLICE("message")) && is_plain(m) && has_end(m);
}

static bool is_sealed(const struct mime_part *m)
{
    return mime_is(m, "multipart", "signed") || mime_is(m, "multipart", "encrypted") ||
           mime_is(m, "message", "global");
}

static struct mime_part *next_part(const struct mime_part *m)
{
    if (m->child)
        return m->child;
    while (m && !m->next)
        m = m->parent;
    return m ? m->next : NULL;
}

static void judge(struct seven *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct part *p = &s->part[i];
        const struct mime_part *m = p->mime, *up = m->parent;
        p->fixed = is_sealed(m) || (up && s->part[up->number].fixed);
        p->convert = !p->fixed && may_be_encoded(m) && !seven_is(m->body);
    }
}

/* Of what is not converted: headers, leaves, and what stands between the parts of a multipart. */
static void mark_high(struct seven *s)
{
    for (size_t i = s->n; i-- > 0;) {
        struct part *p = &s->part[i];
        const struct mime_part *m = p->mime;
        const uint8_t *at = m->body.p, *end = m->body.p + m->body.n;
        p->high = p->high || is_high(m->header);
        for (const struct mime_part *c = m->child; c && !p->high; c = c->next) {
            p->high = s->part[c->number].high ||
                      (c->raw.p && is_high(slice_of(at, (size_t)(c->raw.p - at))));
            at = c->raw.p ? c->raw.p + c->raw.n : at;
        }
        if (!p->convert && !p->high)
            p->high = is_high(slice_of(at, (size_t)(end - at)));
    }
}

/* --- Writing --- */

static void keep_until(struct seven *s, const uint8_t *end)
{
    size_t upto = (size_t)(end - s->raw.p);
    if (upto > s->written)
        buf_add(s->out, slice_sub(s->raw, s->written, upto));
    s->written = upto > s->written ? upto : s->written;
}

static void skip_until(struct seven *s, const uint8_t *end)
{
    s->written = (size_t)(end - s->raw.p);
}

/* The part's header with another Content-Transfer-Encoding, at its end. */
static void put_header(struct seven *s, const struct mime_part *m, const char *encoding)
{
    struct header_field f;
    struct slice rest = m->header;
    bool message = !m->parent || m->parent->kind == MIME_MESSAGE;
    bool version = false;
    while (header_next(&rest, &f)) {
        version = version || slice_ieq(f.name, SLICE("MIME-Version"));
        if (!slice_ieq(f.name, SLICE("Content-Transfer-Encoding")))
            continue;
        keep_until(s, f.raw.p);
        skip_until(s, f.raw.p + f.raw.n);
    }
    keep_until(s, m->header.p + m->header.n - 2); /* the empty line */
    if (message && !version)
        buf_lit(s->out, "MIME-Version: 1.0\r\n");
    buf_printf(s->out, "Content-Transfer-Encoding: %s\r\n", encoding);
    keep_until(s, m->header.p + m->header.n);
}

/* Text as quoted-printable, which people can read; unless base64 is shorter, and for all that is no
 * text, where a line end is not to be touched. */
static bool as_text(const struct mime_part *m)
{
    size_t high = 0;
    for (size_t i = 0; i < m->body.n; i++)
        high += m->body.p[i] >= 0x80;
    return slice_ieq(m->type, SLICE("text")) && high * 6 <= m->body.n;
}

static void put_body(struct seven *s, const struct mime_part *m)
{
    if (as_text(m)) {
        put_header(s, m, "quoted-printable");
        transfer_encode_qp(m->body, s->out);
    } else {
        put_header(s, m, "base64");
        transfer_encode_base64(m->body, s->out);
    }
    skip_until(s, m->body.p + m->body.n);
}

static void write_all(struct seven *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct part *p = &s->part[i];
        bool high_before = p->mime->encoding == MIME_8BIT || p->mime->encoding == MIME_BINARY;
        if (p->convert)
            put_body(s, p->mime);
        else if (p->mime->kind != MIME_LEAF && high_before && !p->high && !p->fixed &&
                 has_end(p->mime))
            put_header(s, p->mime, "7bit");
    }
    keep_until(s, s->raw.p + s->raw.n);
}

enum error seven_write(struct arena *a, struct slice raw, struct buf *out)
{
    struct mime_tree *tree;
    struct header_field f;
    struct seven s = {.raw = raw, .out = out};
    if (header_find(raw, SLICE("DKIM-Signature"), &f)) {
        buf_add(out, raw);
        return buf_check(out);
    }
    enum error e = mime_parse(a, raw, &tree);
    if (e)
        return e;
    s.part = arena_array(a, tree->count, sizeof *s.part);
    if (!s.part)
        return ERR_LIMIT;
    for (struct mime_part *m = tree->root; m && s.n < tree->count; m = next_part(m))
        s.part[s.n++] = (struct part){.mime = m};
    judge(&s);
    mark_high(&s);
    write_all(&s);
    return buf_check(out);
}
