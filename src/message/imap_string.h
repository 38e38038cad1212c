/* Strings of IMAP responses (RFC 9051 4.3) as the summary needs them; summary_nstring() is the
 * public one. */
#ifndef DEPESCHE_MESSAGE_IMAP_STRING_H
#define DEPESCHE_MESSAGE_IMAP_STRING_H

#include "base/buf.h"

/* As summary_nstring, but line ends are left out: values of folded fields. */
void imap_string_unfolded(struct slice s, struct buf *out);
/* As summary_nstring, for text that people read: white space is made one SP and trimmed. */
void imap_string_display(struct slice s, struct buf *out);

/* Takes one value, a string, number, NIL or a whole list, off *rest. ERR_INPUT when there is none
 * or it is broken. Lists are not looked into but for their end. */
must_use enum error imap_value_next(struct slice *rest, struct slice *value);
/* What a string value stands for, when that is as it is written; empty for others. */
struct slice imap_value_plain(struct slice value);

#endif
