/* Emails in a view: the copies of one in several mailboxes, the keywords of its thread, and sets of
 * numbers. A message with \Deleted is not there for JMAP (RFC 8621 4.1.1): of an email only the
 * visible copies count, and without any it does not exist. */
#ifndef DEPESCHE_JMAP_EMAIL_GROUP_H
#define DEPESCHE_JMAP_EMAIL_GROUP_H

#include "base/json_write.h"
#include "store/view.h"

/* All copies of one email: they share the date and stand next to each other in the view. */
struct email_group {
    const struct view_message *copy;
    size_t n;
    size_t at; /* position of the first in view_messages() */
};

static inline bool email_copy_visible(const struct view_message *m)
{
    return !(m->flags & FLAG_DELETED);
}
/* That of the message at a position in view_messages(). */
struct email_group email_group_at(const struct view *v, size_t position);
/* False when there is none, or none that is visible. */
bool email_group_find(const struct view *v, uint64_t email, struct email_group *out);
/* Flags that any visible copy has; *visible says whether there is one. */
uint64_t email_group_flags(const struct email_group *g, bool *visible);
/* The first visible copy, NULL without any. */
const struct view_message *email_group_copy(const struct email_group *g);

/* {"$seen": true, ...} */
void email_write_keywords(struct json_writer *w, uint64_t flags, const struct keyword_table *t);
/* The bit of a keyword as JMAP names it (any case); 0: no message has it. */
uint64_t email_keyword_bit(const struct keyword_table *t, struct slice name);

/* A set of numbers. Zeroed is empty. */
struct number_set {
    uint64_t *slot; /* number + 1; 0: free */
    size_t n, cap;
};
/* False when it was there. */
bool number_set_add(struct number_set *s, uint64_t number);
bool number_set_has(const struct number_set *s, uint64_t number);
void number_set_free(struct number_set *s);

/* Flags that all and that some visible emails of a thread have; each thread is looked at once. */
struct thread_flags {
    uint64_t thread; /* + 1; 0: free */
    uint64_t all, some;
};
struct thread_table {
    const struct view *view;
    struct thread_flags *slot;
    size_t n, cap;
};
struct thread_flags thread_table_get(struct thread_table *t, uint64_t thread);
void thread_table_free(struct thread_table *t);

#endif
