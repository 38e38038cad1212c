/* Views: an account's messages as JMAP sees them. JMAP speaks of emails, which may lie in several
 * mailboxes, and of threads over all of them; IMAP of messages in one mailbox. A view joins all
 * mailboxes' snapshots with what never changes of a message (email, thread, dates, attachment), in
 * memory, so that queries, counts and changes of 100,000 messages read no database.
 *
 * Immutable and reference-counted, as snapshots are. What never changes is kept for each mailbox
 * and only grows; a new view after a change costs a copy of what is sorted, and the first one of an
 * account one pass over its index (100,000 messages: about 0.1 s). Unused accounts' views are given
 * back by store_tend(), and over LIMIT_VIEW_BYTES the least used. */
#ifndef DEPESCHE_STORE_VIEW_H
#define DEPESCHE_STORE_VIEW_H

#include "store/store.h"

struct view;

/* One message in one mailbox. Those of one email share email, thread, dates, size. */
struct view_message {
    uint64_t email, thread;
    int64_t received, sent; /* seconds: internal date and Date field */
    uint64_t flags, modseq;
    uint32_t mailbox, uid, size;
    bool has_attachment;
};

/* The newest. Never blocks on a commit; reads the index for what is new only. */
must_use enum error store_view(struct store *s, uint64_t account, struct view **out);
struct view *view_ref(struct view *v) must_use;
void view_unref(struct view *v);

/* Where the account stands: two views with equal states show the same. next_email and next_mailbox
 * grow only, so that what is below them existed then: "created since" is exact. */
struct view_state {
    uint64_t modseq, next_email;
    uint32_t next_mailbox;
};
struct view_state view_state(const struct view *v);

/* All messages (each mailbox a message lies in counts), by received date, newest first; equal ones
 * by email, highest first. Valid while the view is held. */
const struct view_message *view_messages(const struct view *v, size_t *n);
/* Those of one mailbox in the same order: positions in view_messages(). */
const uint32_t *view_mailbox(const struct view *v, uint32_t mailbox, size_t *n);
/* Positions of one email's messages, of one thread's (oldest first; an email may stand there
 * several times, one after the other). *n is 0 when there are none. */
const uint32_t *view_email(const struct view *v, uint64_t email, size_t *n);
const uint32_t *view_thread(const struct view *v, uint64_t thread, size_t *n);

/* Threads with an email in the mailbox, and those of them with an unread email that is neither in
 * Trash nor in Junk (or in that very mailbox), RFC 8621 2. Counted once for a view and mailbox. */
struct view_threads {
    uint32_t total, unread;
};
struct view_threads view_threads(const struct view *v, uint32_t mailbox);

/* --- What is gone --- */

/* Emails destroyed since: of which messages were expunged after modseq `since` and no message is
 * left in `v`. Ascending, each once; also of mailboxes that were deleted. ERR_AGAIN: the log does
 * not reach back that far (JMAP: cannotCalculateChanges). */
must_use enum error store_emails_gone(struct store *s, const struct view *v, uint64_t since,
                                      struct arena *a, uint64_t **emails, size_t *n);
/* Mailboxes deleted after modseq `since`. ERR_AGAIN as above. */
must_use enum error store_mailboxes_gone(struct store *s, uint64_t account, uint64_t since,
                                         struct arena *a, uint32_t **ids, size_t *n);

/* --- Undelete: what was expunged, or went with a deleted mailbox, and can come back --- */

struct deleted_message {
    uint64_t number; /* names it; stable while it is there */
    uint64_t email;
    int64_t deleted_at, until; /* wall seconds; when it goes for good */
    int64_t received;
    uint32_t size;
    struct slice mailbox; /* name it had; of a mailbox that is gone too, its last name */
    struct slice subject, from, preview;
};
/* The newest deletion first, from position `from` on, at most `max`; *total counts all. Slices
 * valid during the callback, which must not call the store. */
must_use enum error store_deleted_list(struct store *s, uint64_t account, size_t from, size_t max,
                                       void (*message)(void *arg, const struct deleted_message *m),
                                       void *arg, size_t *total);
/* Puts them back into the mailbox they were in (made again with its name when it is gone;
 * `fallback` INBOX), with a new uid, their flags without \Deleted, the same email and thread. One
 * transaction a LIMIT_TXN_ROWS. ERR_NOTFOUND: none of the numbers is there any more; *n: how many
 * came back. ERR_QUOTA. */
must_use enum error store_undelete(struct store *s, uint64_t account, const uint64_t *numbers,
                                   size_t count, uint64_t quota, size_t *n);

#endif
