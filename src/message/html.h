/* HTML reduced to the text that a reader would see, roughly: for previews and for searching, never
 * for showing as HTML. */
#ifndef DEPESCHE_MESSAGE_HTML_H
#define DEPESCHE_MESSAGE_HTML_H

#include "base/buf.h"

/* Tags and comments out, the contents of style, script, title and head's kin skipped, entities
 * resolved, block elements as line ends. `html` is UTF-8; so is what is appended to out. Ends early
 * when out is full. Linear in the input. */
void html_to_text(struct slice html, struct buf *out);

#endif
