/* Text of other character sets to UTF-8. The names accepted are a fixed list of some thirty sets
 * with their common aliases; ASCII, UTF-8, Latin-1 (read as Windows-1252, as browsers do) and
 * Windows-1252 are converted here, the rest by iconv. */
#ifndef DEPESCHE_MESSAGE_CHARSET_H
#define DEPESCHE_MESSAGE_CHARSET_H

#include "base/buf.h"

/* True when text of that set can be converted (any case; an RFC 2231 language suffix after "*" is
 * ignored). SEARCH answers BADCHARSET otherwise. */
bool charset_known(struct slice name);

/* Appends `in`, read in the set `name`, as UTF-8; malformed bytes become U+FFFD. An unknown or
 * empty name is read as UTF-8 when it is such, else as Windows-1252. Never fails but by out's
 * limit. */
void charset_to_utf8(struct slice name, struct slice in, struct buf *out);

/* Loads the converters of all known sets and keeps them loaded. To be called once before a sandbox
 * takes the files of the C library away; conversions work without it where files can be opened. */
void charset_prepare(void);

#endif
