/* The mailbox of an SMTP path (RFC 5321 4.1.2, with the UTF-8 of RFC 6531); see address.h. */
#include "message/address.h"

#include "base/utf8.h"
#include "message/scan.h"

/* RFC 5321 4.5.3.1, and RFC 1035 for a label. */
enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, LABEL_MAX = 63, LITERAL_MAX = 64 };

static bool is_atext(uint8_t c, bool utf8)
{
    return c < 0x80 ? scan_is_atext(c) : utf8;
}

/* Dot-string = Atom *("." Atom) */
static size_t dot_string(struct slice s, bool utf8)
{
    size_t i = 0, start = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '.') {
            if (i == start)
                return 0;
            start = i + 1;
        } else if (!is_atext(s.p[i], utf8)) {
            break;
        }
    }
    return i > start ? i : 0;
}

/* Quoted-string; gives its length with quotes and its content without escapes. */
static size_t quoted_string(struct arena *a, struct slice s, bool utf8, struct slice *content)
{
    struct text t = {0};
    for (size_t i = 1; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"') {
            *content = t.s.p ? t.s : SLICE("");
            return i + 1;
        }
        if (c == '\\') {
            if (++i >= s.n)
                return 0;
            c = s.p[i];
            if (c < ' ' || c > '~')
                return 0;
        }
        if (c < ' ' || c == 0x7F || (c >= 0x80 && !utf8))
            return 0;
        text_add(&t, a, slice_sub(s, i, i + 1));
    }
    return 0;
}

static bool is_let_dig(uint8_t c, bool utf8)
{
    return ascii_alpha(c) || ascii_digit(c) || (c >= 0x80 && utf8);
}

/* Domain = sub-domain *("." sub-domain); labels of letters, digits and inner hyphens. Underscores
 * are no host names, but hosts have them. */
static bool is_domain(struct slice s, bool utf8)
{
    if (s.n == 0 || s.n > DOMAIN_MAX)
        return false;
    struct slice label;
    size_t labels = 0, dots = 0;
    for (size_t i = 0; i < s.n; i++)
        dots += s.p[i] == '.';
    while (slice_split(&s, '.', &label)) {
        if (label.n == 0 || label.n > LABEL_MAX || !is_let_dig(label.p[label.n - 1], utf8))
            return false;
        for (size_t i = 0; i < label.n; i++) {
            uint8_t c = label.p[i];
            if (!is_let_dig(c, utf8) && c != '_' && (c != '-' || i == 0))
                return false;
        }
        labels++;
    }
    return labels == dots + 1;
}

/* Four numbers of one to three digits, at most 255. */
static bool is_ipv4(struct slice s)
{
    struct slice piece;
    size_t n = 0;
    if (s.n == 0 || s.p[s.n - 1] == '.')
        return false;
    while (slice_split(&s, '.', &piece)) {
        uint32_t v;
        if (piece.n > 3 || parse_u32(piece, 255, &v) != OK || ++n > 4)
            return false;
    }
    return n == 4;
}

/* Groups of up to four hexadecimal digits, one "::" at most, an IPv4 address at the end perhaps. */
static bool is_ipv6(struct slice s)
{
    size_t groups = 0, i = 0;
    bool gap = false;
    if (slice_starts(s, SLICE("::"))) {
        gap = true;
        i = 2;
    }
    while (i < s.n) {
        struct slice rest = slice_from(s, i);
        if (slice_has(rest, '.') && !slice_has(rest, ':'))
            return is_ipv4(rest) && (groups += 2) <= 8 && (gap ? groups < 8 : groups == 8);
        size_t n = 0;
        while (n < rest.n && n < 5 &&
               (ascii_digit(rest.p[n]) || ((rest.p[n] | 32) >= 'a' && (rest.p[n] | 32) <= 'f')))
            n++;
        if (n == 0 || n > 4 || ++groups > 8)
            return false;
        i += n;
        if (i == s.n)
            break;
        if (s.p[i] != ':' || ++i == s.n)
            return false;
        if (s.p[i] == ':') {
            if (gap)
                return false;
            gap = true;
            i++;
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* address-literal = "[" ( IPv4 / "IPv6:" IPv6 / General ) "]" */
static bool is_literal(struct slice s)
{
    if (s.n < 3 || s.n > LITERAL_MAX || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    s = slice_sub(s, 1, s.n - 1);
    if (slice_istarts(s, SLICE("ipv6:")))
        return is_ipv6(slice_from(s, 5));
    if (is_ipv4(s))
        return true;
    size_t colon = slice_index(s, ':');
    if (colon == 0 || colon + 1 >= s.n || !is_let_dig(s.p[colon - 1], false))
        return false;
    for (size_t i = 0; i < colon; i++)
        if (!is_let_dig(s.p[i], false) && s.p[i] != '-')
            return false;
    for (size_t i = colon + 1; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~' || (s.p[i] >= '[' && s.p[i] <= ']'))
            return false;
    return true;
}

enum error mailbox_parse(struct arena *a, struct slice s, bool utf8, struct mailbox_address *out)
{
    struct mailbox_address m = {{NULL, 0}, {NULL, 0}};
    size_t n;
    if (s.n > 0 && s.p[0] == '"') {
        n = quoted_string(a, s, utf8, &m.local);
    } else {
        n = dot_string(s, utf8);
        m.local = slice_sub(s, 0, n);
    }
    if (n == 0 || n > LOCAL_MAX || n >= s.n || s.p[n] != '@')
        return a->failed ? ERR_LIMIT : ERR_INPUT;
    m.domain = slice_from(s, n + 1);
    if (!is_domain(m.domain, utf8) && !is_literal(m.domain))
        return ERR_INPUT;
    if (utf8 && !utf8_valid(s))
        return ERR_INPUT;
    if (a->failed)
        return ERR_LIMIT;
    *out = m;
    return OK;
}

void mailbox_print(const struct mailbox_address *m, struct buf *out)
{
    if (dot_string(m->local, true) == m->local.n && m->local.n > 0) {
        buf_add(out, m->local);
    } else if (m->local.n > 0 || m->domain.n > 0) {
        buf_byte(out, '"');
        for (size_t i = 0; i < m->local.n; i++) {
            if (m->local.p[i] == '"' || m->local.p[i] == '\\')
                buf_byte(out, '\\');
            buf_byte(out, m->local.p[i]);
        }
        buf_byte(out, '"');
    }
    if (m->domain.n > 0) {
        buf_byte(out, '@');
        buf_add(out, m->domain);
    }
}
