/* UTF-8 (RFC 3629). */
#ifndef DEPESCHE_BASE_UTF8_H
#define DEPESCHE_BASE_UTF8_H

#include "base/buf.h"

/* True when s is well-formed (no overlong forms, no surrogates, at most U+10FFFF). */
bool utf8_valid(struct slice s);
/* True when every byte is 1..127. */
bool ascii_only(struct slice s);
/* Takes one code point off *rest; U+FFFD for a malformed sequence (taking its maximal subpart). -1
 * at the end. */
int32_t utf8_next(struct slice *rest);
void utf8_put(struct buf *out, uint32_t code_point);
/* Copies, with U+FFFD for each malformed sequence. */
void utf8_clean(struct slice s, struct buf *out);
/* The form in which text is searched: NFKD, case folded, marks removed, runs of white space made
 * one SP. "Größe" and "GROSSE" become "grosse"; "Ä" becomes "a". Malformed bytes become U+FFFD. */
void utf8_search_form(struct slice s, struct buf *out);
/* NFC, for mailbox names and passwords' user names. ERR_INPUT when s is not UTF-8. */
must_use enum error utf8_nfc(struct slice s, struct buf *out);

#endif
