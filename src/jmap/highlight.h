/* Marks what was looked for in a text: words are found as the store's search finds them (without
 * case, diacritics and runs of blanks), and the text itself is shown, escaped for HTML, with
 * <mark> and </mark> around them. */
#ifndef DEPESCHE_JMAP_HIGHLIGHT_H
#define DEPESCHE_JMAP_HIGHLIGHT_H

#include "base/buf.h"

/* `word`: in search form (utf8_search_form), not empty. `text`: UTF-8, at most `UINT32_MAX` bytes.
 * False when none is found: nothing is written. */
bool highlight_all(struct slice text, const struct slice *word, size_t n, struct buf *out);
/* The surroundings of the first hit, at most `max` bytes with all escapes, cut at characters; "…"
 * where something was left out. */
bool highlight_part(struct slice text, const struct slice *word, size_t n, size_t max,
                    struct buf *out);

#endif
