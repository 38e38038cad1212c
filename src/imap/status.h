/* The items of STATUS, for STATUS itself and LIST ... RETURN (STATUS (...)). */
#ifndef DEPESCHE_IMAP_STATUS_H
#define DEPESCHE_IMAP_STATUS_H

#include "imap/session.h"

/* "(MESSAGES UNSEEN ...)" to a set of bits that status_write() knows. */
void status_parse_items(struct imap_lexer *l, unsigned *items);
/* "* STATUS name (...)" CRLF. Asking for HIGHESTMODSEQ switches CONDSTORE on: the caller does that
 * before with status_prepare(). */
void status_prepare(struct imap_session *s, unsigned items);
void status_write(struct imap_session *s, const struct mailbox *box, unsigned items);

#endif
