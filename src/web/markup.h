/* HTML and XML, written into a buffer. */
#ifndef DEPESCHE_WEB_MARKUP_H
#define DEPESCHE_WEB_MARKUP_H

#include "base/buf.h"

/* Text for an element's content or an attribute in quotes: & < > " ' as references. What XML does
 * not allow (control characters, malformed UTF-8) becomes U+FFFD. */
void markup_text(struct buf *out, struct slice text);
/* As printf, but %s and %S of its arguments are escaped: each '%s' takes a const char *, each '%S'
 * a struct slice *, each '%u' an unsigned. Other text is markup of this program. */
void markup(struct buf *out, const char *format, ...);

#endif
