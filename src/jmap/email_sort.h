/* Sorting of Email/query (RFC 8621 4.4.2). */
#ifndef DEPESCHE_JMAP_EMAIL_SORT_H
#define DEPESCHE_JMAP_EMAIL_SORT_H

#include "base/limits.h"
#include "jmap/email_group.h"
#include "jmap/method.h"

enum sort_kind {
    SORT_RECEIVED,
    SORT_SENT,
    SORT_SIZE,
    SORT_FROM,
    SORT_TO,
    SORT_SUBJECT,
    SORT_KEYWORD,
    SORT_ALL_IN_THREAD,
    SORT_SOME_IN_THREAD,
};

struct email_comparator {
    enum sort_kind kind;
    bool descending;
    uint64_t flag; /* 0: a keyword that nobody has */
};

struct email_sort {
    struct email_comparator by[LIMIT_JMAP_SORT];
    size_t n;
    bool immutable; /* looks at nothing that can change of an email */
    bool threads;   /* looks at other emails of the thread */
};

/* Reads the argument "sort". False: the call failed (unsupportedSort, invalidArguments). */
bool email_sort_read(struct jmap_call *c, const struct keyword_table *keywords,
                     struct email_sort *out);
/* True when the order is that of the view, or (*backwards) against it: nothing is to be sorted. */
bool email_sort_natural(const struct email_sort *s, bool *backwards);
/* Sorts positions (each the first of an email's group). What is equal is newest first. Reads index
 * rows where names and subjects count. */
must_use enum error email_sort_run(struct store *store, uint64_t account, const struct view *v,
                                   const struct email_sort *s, struct thread_table *threads,
                                   uint32_t *position, size_t n);

#endif
