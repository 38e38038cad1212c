/* HTML to text; see html.h. */
#include "message/html.h"

#include "base/utf8.h"

enum { ENTITY_MAX = 10 };

static const struct {
    struct slice name;
    uint32_t code_point;
} entities[] = {
    {SLICE_INIT("amp"), '&'},      {SLICE_INIT("lt"), '<'},       {SLICE_INIT("gt"), '>'},
    {SLICE_INIT("quot"), '"'},     {SLICE_INIT("apos"), '\''},    {SLICE_INIT("nbsp"), ' '},
    {SLICE_INIT("auml"), 0xE4},    {SLICE_INIT("ouml"), 0xF6},    {SLICE_INIT("uuml"), 0xFC},
    {SLICE_INIT("Auml"), 0xC4},    {SLICE_INIT("Ouml"), 0xD6},    {SLICE_INIT("Uuml"), 0xDC},
    {SLICE_INIT("szlig"), 0xDF},   {SLICE_INIT("euro"), 0x20AC},  {SLICE_INIT("eacute"), 0xE9},
    {SLICE_INIT("egrave"), 0xE8},  {SLICE_INIT("agrave"), 0xE0},  {SLICE_INIT("ccedil"), 0xE7},
    {SLICE_INIT("ndash"), 0x2013}, {SLICE_INIT("mdash"), 0x2014}, {SLICE_INIT("hellip"), 0x2026},
    {SLICE_INIT("lsquo"), 0x2018}, {SLICE_INIT("rsquo"), 0x2019}, {SLICE_INIT("ldquo"), 0x201C},
    {SLICE_INIT("rdquo"), 0x201D}, {SLICE_INIT("bdquo"), 0x201E}, {SLICE_INIT("laquo"), 0xAB},
    {SLICE_INIT("raquo"), 0xBB},   {SLICE_INIT("copy"), 0xA9},    {SLICE_INIT("reg"), 0xAE},
    {SLICE_INIT("trade"), 0x2122}, {SLICE_INIT("bull"), 0x2022},  {SLICE_INIT("middot"), 0xB7},
    {SLICE_INIT("zwnj"), 0},       {SLICE_INIT("shy"), 0},
};

/* Their content is not text. */
static const struct slice hidden[] = {
    SLICE_INIT("style"),    SLICE_INIT("script"),   SLICE_INIT("title"),
    SLICE_INIT("noscript"), SLICE_INIT("template"),
};

static const struct slice blocks[] = {
    SLICE_INIT("br"),         SLICE_INIT("p"),     SLICE_INIT("div"), SLICE_INIT("tr"),
    SLICE_INIT("td"),         SLICE_INIT("th"),    SLICE_INIT("li"),  SLICE_INIT("ul"),
    SLICE_INIT("ol"),         SLICE_INIT("h1"),    SLICE_INIT("h2"),  SLICE_INIT("h3"),
    SLICE_INIT("h4"),         SLICE_INIT("h5"),    SLICE_INIT("h6"),  SLICE_INIT("hr"),
    SLICE_INIT("dt"),         SLICE_INIT("table"), SLICE_INIT("dd"),  SLICE_INIT("pre"),
    SLICE_INIT("blockquote"),
};

static bool one_of(struct slice name, const struct slice *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_ieq(name, list[i]))
            return true;
    return false;
}

static uint32_t number(struct slice s)
{
    bool hex = s.n > 0 && (s.p[0] | 32) == 'x';
    uint32_t v = 0;
    for (size_t i = hex; i < s.n; i++) {
        uint8_t c = ascii_lower(s.p[i]);
        if (ascii_digit(c))
            v = v * (hex ? 16 : 10) + (uint32_t)(c - '0');
        else if (hex && c >= 'a' && c <= 'f')
            v = v * 16 + (uint32_t)(c - 'a' + 10);
        else
            return 0;
        if (v > 0x10FFFF)
            return 0;
    }
    return v >= 0xD800 && v < 0xE000 ? 0 : v;
}

/* At "&". Returns how many bytes were used. */
static size_t entity(struct slice s, struct buf *out)
{
    size_t n = 1;
    while (n < s.n && n < ENTITY_MAX && s.p[n] != ';' && s.p[n] != '&' && s.p[n] > ' ')
        n++;
    if (n >= s.n || s.p[n] != ';' || n < 2) {
        buf_byte(out, '&');
        return 1;
    }
    struct slice name = slice_sub(s, 1, n);
    uint32_t c = 0;
    if (name.p[0] == '#') {
        c = number(slice_from(name, 1));
    } else {
        size_t i = 0, count = sizeof entities / sizeof entities[0];
        while (i < count && !slice_eq(name, entities[i].name))
            i++;
        if (i == count) {
            buf_byte(out, '&');
            return 1;
        }
        c = entities[i].code_point;
    }
    if (c == 0xA0)
        c = ' ';
    if (c >= ' ')
        utf8_put(out, c);
    return n + 1;
}

/* Length of the tag or comment at "<"; quotes in attributes may hold ">". The whole rest when it
 * has no end, so that no byte is searched twice. */
static size_t tag_length(struct slice s)
{
    if (slice_starts(s, SLICE("<!--"))) {
        size_t end = slice_find(slice_from(s, 4), SLICE("-->"));
        return end + 7 > s.n ? s.n : end + 7;
    }
    uint8_t quote = 0;
    for (size_t i = 1; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return i + 1;
    }
    return s.n;
}

/* After the start tag of a hidden element: the bytes up to its end tag. */
static size_t hidden_length(struct slice s, struct slice name)
{
    for (size_t i = 0; i < s.n; i++) {
        i += slice_index(slice_from(s, i), '<');
        struct slice rest = slice_from(s, i);
        if (rest.n > name.n + 2 && rest.p[1] == '/' && slice_istarts(slice_from(rest, 2), name))
            return i;
    }
    return s.n;
}

static size_t tag(struct slice s, struct buf *out)
{
    size_t start = s.n > 1 && s.p[1] == '/' ? 2 : 1;
    if (start >= s.n || !(ascii_alpha(s.p[start]) || s.p[1] == '!' || s.p[1] == '?')) {
        buf_byte(out, '<');
        return 1;
    }
    size_t end = start;
    while (end < s.n && (ascii_alpha(s.p[end]) || ascii_digit(s.p[end])))
        end++;
    struct slice name = slice_sub(s, start, end);
    size_t n = tag_length(s);
    if (one_of(name, blocks, sizeof blocks / sizeof blocks[0]))
        buf_byte(out, '\n');
    else if (start == 1 && one_of(name, hidden, sizeof hidden / sizeof hidden[0]))
        n += hidden_length(slice_from(s, n), name);
    return n;
}

void html_to_text(struct slice html, struct buf *out)
{
    while (html.n > 0 && !out->failed) {
        size_t n = 0;
        while (n < html.n && html.p[n] != '<' && html.p[n] != '&')
            n++;
        buf_add(out, slice_sub(html, 0, n));
        html = slice_from(html, n);
        if (html.n > 0)
            html = slice_from(html, html.p[0] == '<' ? tag(html, out) : entity(html, out));
    }
}
