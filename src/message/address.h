/* Addresses in header fields (RFC 5322 3.4, with the obsolete forms), and the mailbox of an SMTP
 * path (RFC 5321 4.1.2). */
#ifndef DEPESCHE_MESSAGE_ADDRESS_H
#define DEPESCHE_MESSAGE_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"

/* As IMAP's ENVELOPE sees them (RFC 9051 7.5.2): a group is a start (mailbox = its name, host
 * absent), its members, and an end (both absent). "Absent" is p == NULL, which is NIL; empty is "".
 */
struct address {
    struct slice name;    /* display name, unquoted, encoded words NOT decoded */
    struct slice route;   /* source route, obsolete */
    struct slice mailbox; /* local part, unquoted */
    struct slice host;
    struct address *next;
};

/* Never refuses: what cannot be read is skipped or kept as Dovecot keeps it. At most
 * LIMIT_ADDRESSES. NULL when there is none. ERR_LIMIT at the arena's cap. */
must_use enum error address_list(struct arena *a, struct slice value, struct address **out);

/* A mailbox "local@domain" as SMTP and the directory know it. */
struct mailbox_address {
    struct slice local; /* as written; a quoted string without its quotes and escapes */
    struct slice
        domain; /* as written, "[192.0.2.1]" with its brackets; empty for <> and postmaster */
};

/* Strict: Dot-string or Quoted-string, @, Domain or address literal; UTF-8 in both only when
 * `utf8`. Lengths as RFC 5321 4.5.3.1. ERR_INPUT otherwise. Trailing bytes are an error. */
must_use enum error mailbox_parse(struct arena *a, struct slice s, bool utf8,
                                  struct mailbox_address *out);
/* Local part quoted where it must be. */
void mailbox_print(const struct mailbox_address *m, struct buf *out);

#endif
