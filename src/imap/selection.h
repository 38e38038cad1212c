/* The messages that a command is about: walking a set's messages in the session's snapshot, and
 * picking some of them. */
#ifndef DEPESCHE_IMAP_SELECTION_H
#define DEPESCHE_IMAP_SELECTION_H

#include "imap/range_list.h"
#include "imap/session.h"

/* Uid ranges as imap_resolve() makes them. */
struct selection {
    const struct uid_range *range;
    size_t n;
};

/* Resolves the set; on an error the tagged answer is set and false returned. */
bool selection_of(struct imap_session *s, const struct imap_set *set,
                  struct selection *out) must_use;

/* Goes through the messages of a selection in order:
 *     struct walk w = walk_begin(s, &selection);
 *     while (walk_next(&w)) ... w.seq, w.entry ... */
struct walk {
    const struct imap_session *session;
    const struct selection *selection;
    size_t range;
    bool inside;                        /* of that range */
    uint32_t count;                     /* of the snapshot */
    uint32_t seq;                       /* the message's number */
    const struct snapshot_entry *entry; /* its newest known state */
};
struct walk walk_begin(const struct imap_session *s, const struct selection *selection);
bool walk_next(struct walk *w) must_use;

/* Picks messages of a snapshot: uids of messages that stand side by side are joined over the holes
 * between them, where no message can be any more. */
struct picked {
    struct range_list uids;
    uint32_t last_seq;
    uint32_t count;
};
void pick(struct picked *p, uint32_t seq, uint32_t uid);
void picked_free(struct picked *p);
#define autopicked __attribute__((cleanup(picked_free))) struct picked
static inline struct selection selection_picked(const struct picked *p)
{
    return (struct selection){p->uids.range, p->uids.n};
}

/* Is the message gone from the store, as far as the session knows? */
bool imap_is_gone(const struct imap_session *s, uint32_t uid);

/* The messages' flags are told by this command: sync leaves them out (session.h, `told`). */
void imap_set_told(struct imap_session *s, const struct picked *p);

#endif
