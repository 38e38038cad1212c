/* HTML and XML; see markup.h. */
#include "web/markup.h"

#include "base/utf8.h"
#include <stdarg.h>

static void put(struct buf *out, int32_t c)
{
    switch (c) {
    case '&':
        buf_lit(out, "&amp;");
        return;
    case '<':
        buf_lit(out, "&lt;");
        return;
    case '>':
        buf_lit(out, "&gt;");
        return;
    case '"':
        buf_lit(out, "&quot;");
        return;
    case '\'':
        buf_lit(out, "&#39;");
        return;
    default:
        if ((c < ' ' && c != '\n' && c != '\t') || c == 127 || c == 0xfffe || c == 0xffff)
            c = 0xfffd;
        utf8_put(out, (uint32_t)c);
    }
}

void markup_text(struct buf *out, struct slice text)
{
    while (text.n)
        put(out, utf8_next(&text));
}

void markup(struct buf *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            const char *end = strchr(p, '%');
            size_t n = end ? (size_t)(end - p) : strlen(p);
            buf_add(out, slice_of(p, n));
            p += n - 1;
            continue;
        }
        p++;
        if (*p == 's')
            markup_text(out, slice_str(va_arg(args, const char *)));
        else if (*p == 'S')
            markup_text(out, *va_arg(args, const struct slice *));
        else if (*p == 'u')
            buf_dec(out, va_arg(args, unsigned));
        else if (*p == '%')
            buf_byte(out, '%');
        else
            bug("markup: unknown %%%c", *p);
    }
    va_end(args);
}
