/* Parameters and contents of parts as text; see mime.h. */
#include "base/limits.h"
#include "base/utf8.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/mime.h"

static int hex(uint8_t c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent_decode(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = -1, low = -1;
        if (s.p[i] == '%' && i + 2 < s.n) {
            high = hex(s.p[i + 1]);
            low = hex(s.p[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            buf_byte(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_byte(out, s.p[i]);
        }
    }
}

/* charset'language'text (RFC 2231 4); without the quotes it is UTF-8. */
static struct slice decode_extended(struct arena *a, struct slice s)
{
    struct slice charset = SLICE("utf-8");
    size_t first = slice_index(s, '\'');
    struct slice rest = slice_from(s, first + 1);
    size_t second = slice_index(rest, '\'');
    if (first < s.n && second < rest.n) {
        charset = slice_sub(s, 0, first);
        s = slice_from(rest, second + 1);
    }
    autobuf bytes, text;
    buf_init(&bytes, s.n + 1);
    percent_decode(s, &bytes);
    buf_init(&text, s.n * 3 + 16);
    charset_to_utf8(charset, buf_slice(&bytes), &text);
    return arena_dup(a, buf_slice(&text));
}

/* File names and the like stand on one line; what would break it is taken out. */
static struct slice one_line(struct arena *a, struct slice s)
{
    bool clean = true;
    for (size_t i = 0; i < s.n && clean; i++)
        clean = s.p[i] >= ' ' && s.p[i] != 0x7F;
    if (clean)
        return s;
    autobuf out;
    buf_init(&out, s.n);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= ' ' && s.p[i] != 0x7F)
            buf_byte(&out, s.p[i]);
    return arena_dup(a, buf_slice(&out));
}

struct slice mime_param(struct arena *a, const struct mime_param *params, struct slice name)
{
    const struct mime_param *plain = NULL;
    for (const struct mime_param *p = params; p != NULL; p = p->next) {
        if (p->name.n == name.n + 1 && p->name.p[name.n] == '*' && slice_istarts(p->name, name))
            return one_line(a, decode_extended(a, p->value));
        if (plain == NULL && slice_ieq(p->name, name))
            plain = p;
    }
    return plain ? one_line(a, header_text(a, plain->value)) : SLICE("");
}

struct slice mime_file_name(struct arena *a, const struct mime_part *part)
{
    struct slice name = mime_param(a, part->disposition_params, SLICE("filename"));
    return name.n ? name : mime_param(a, part->params, SLICE("name"));
}

enum error mime_decode(const struct mime_part *part, struct buf *out)
{
    if (part->encoding == MIME_OTHER)
        return ERR_INPUT;
    struct transfer t;
    transfer_init(&t, part->encoding);
    transfer_feed(&t, part->body, out);
    transfer_end(&t, out);
    return buf_check(out);
}

enum error mime_text(const struct mime_part *part, struct buf *out)
{
    struct slice charset = SLICE_NONE;
    for (const struct mime_param *p = part->params; p != NULL && charset.p == NULL; p = p->next)
        if (slice_ieq(p->name, SLICE("charset")))
            charset = p->value;
    /* What has an unknown encoding is shown as it is. */
    autobuf bytes;
    buf_init(&bytes, part->body.n + 1);
    struct slice content = part->body;
    if (part->encoding == MIME_QP || part->encoding == MIME_BASE64) {
        enum error e = mime_decode(part, &bytes);
        if (e != OK)
            return e;
        content = buf_slice(&bytes);
    }
    charset_to_utf8(charset, content, out);
    return buf_check(out);
}
