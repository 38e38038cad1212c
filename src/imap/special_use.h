/* Special-use attributes (RFC 6154, RFC 8457) and what the store calls them. */
#ifndef DEPESCHE_IMAP_SPECIAL_USE_H
#define DEPESCHE_IMAP_SPECIAL_USE_H

#include "store/store.h"

/* "Drafts" without the backslash, any case; USE_NONE when there is no such use here. */
enum special_use special_use_find(struct slice name);
/* "\Drafts"; empty for USE_NONE and USE_INBOX. */
struct slice special_use_name(enum special_use use);

#endif
