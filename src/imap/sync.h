/* Telling the client what others changed in the selected mailbox: EXPUNGE or VANISHED, FETCH FLAGS,
 * EXISTS, in this order. The frame calls it before and after each command in the selected state and
 * at each event in IDLE; a command calls it itself only where its own responses must come after. */
#ifndef DEPESCHE_IMAP_SYNC_H
#define DEPESCHE_IMAP_SYNC_H

#include "imap/session.h"

enum imap_sync {
    /* Messages may vanish: numbers change. Never during FETCH, STORE and SEARCH without UID, nor
     * before any other command that was given message numbers. */
    IMAP_SYNC_ALL,
    /* Numbers must stay. When messages are gone nothing is told yet; the newest flags are known to
     * imap_entry() all the same. */
    IMAP_SYNC_HOLD_EXPUNGE,
};

/* Brings s->snapshot up to date and writes what changed, but not the flags of messages in s->told.
 * Does nothing without a selected mailbox. When the mailbox is gone (deleted in another session)
 * the session ends with BYE (RFC 2180 3.3). */
void imap_sync(struct imap_session *s, enum imap_sync how);

#endif
