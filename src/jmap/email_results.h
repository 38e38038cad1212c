/* The results of an Email/query, as far as they are needed: filtered, sorted, threads collapsed. */
#ifndef DEPESCHE_JMAP_EMAIL_RESULTS_H
#define DEPESCHE_JMAP_EMAIL_RESULTS_H

#include "jmap/email_filter.h"
#include "jmap/email_sort.h"

struct email_query {
    struct jmap_call *c;
    const struct view *view;
    const struct keyword_table *keywords;
    struct email_filter filter;
    struct email_sort sort;
    bool collapse;
};
/* Reads filter, sort and collapseThreads for the call's view. False: the call failed. What is OK is
 * ended with email_query_end(). */
bool email_query_begin(struct jmap_call *c, struct email_query *out);
void email_query_end(struct email_query *q);
/* What the results are made of cannot change while an email exists. */
bool email_query_immutable(const struct email_query *q);
/* A change of one email may change what is shown of others in its thread. */
bool email_query_threads(const struct email_query *q);

struct email_results {
    uint64_t *email;
    size_t n, cap;
    bool all; /* n is the total; else there may be more */
    /* An anchor to look for (0: none), and where it is. */
    uint64_t anchor;
    size_t anchor_at;
    bool anchored;
};

/* Fills `r` until enough(arg, r) is true (NULL: never), or with all results. ERR_TIMEOUT: texts
 * were searched for LIMIT_JMAP_SEARCH_MS. Free r->email in any case. */
must_use enum error email_results_find(const struct email_query *q, struct email_results *r,
                                       bool (*enough)(void *arg, const struct email_results *r),
                                       void *arg);
void email_results_free(struct email_results *r);

#endif
