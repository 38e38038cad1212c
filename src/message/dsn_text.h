/* What a notification says to people, in German or English; used by dsn.c only. */
#ifndef DEPESCHE_MESSAGE_DSN_TEXT_H
#define DEPESCHE_MESSAGE_DSN_TEXT_H

#include "message/dsn.h"

/* Can stand in a line: not empty, not too long, UTF-8 without controls. */
bool dsn_clean(struct slice s);
/* ... and between < and > in a field: has none of its own but in a quoted local part. */
bool dsn_clean_address(struct slice s);
/* The message comes back whole, and not its header alone. */
bool dsn_gives_whole(const struct dsn *d);
/* UTF-8; of the gravest action among the recipients. */
const char *dsn_subject(const struct dsn *d);
/* The first part: what happened to whom, and why. CRLF lines. */
void dsn_human(const struct dsn *d, struct buf *out);

#endif
