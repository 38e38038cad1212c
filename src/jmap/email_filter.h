/* Filters of Email/query (RFC 8621 4.4.1) as a tree, and what it says about an email. Evaluation is
 * three-valued: a text that was not looked at yet is FILTER_MAYBE, and an email that is decided
 * without it is never opened. */
#ifndef DEPESCHE_JMAP_EMAIL_FILTER_H
#define DEPESCHE_JMAP_EMAIL_FILTER_H

#include "jmap/email_group.h"
#include "jmap/method.h"

enum filter_op {
    FILTER_AND, /* of child and its siblings; none: true */
    FILTER_OR,  /* none: false */
    FILTER_NOT, /* none of the children */
    FILTER_IN_MAILBOX,
    FILTER_OTHER_THAN, /* in a mailbox that is none of the list */
    FILTER_BEFORE,
    FILTER_AFTER,
    FILTER_MIN_SIZE,
    FILTER_MAX_SIZE,
    FILTER_ALL_IN_THREAD,
    FILTER_SOME_IN_THREAD,
    FILTER_KEYWORD,
    FILTER_ATTACHMENT,
    FILTER_TEXT, /* text query number `text` */
};

struct filter_node {
    enum filter_op op;
    uint64_t number; /* mailbox, size */
    int64_t time;
    uint64_t flag; /* 0: a keyword that nobody has */
    const uint64_t *list;
    size_t n;
    size_t text;
    struct filter_node *child, *next;
};

struct email_filter {
    struct filter_node *root; /* a FILTER_AND when there is no filter */
    struct text_query *texts;
    size_t n_texts;
    size_t words;   /* of all texts */
    bool immutable; /* looks at nothing that can change of an email */
    bool threads;   /* looks at other emails of the thread */
    bool boxed;     /* what matches lies in `mailbox` */
    bool only_box;  /* ... and all of that matches */
    uint32_t mailbox;
};

/* Reads the argument "filter". False: the call failed (unsupportedFilter, invalidArguments). */
bool email_filter_read(struct jmap_call *c, const struct keyword_table *keywords,
                       struct email_filter *out);

enum filter_truth { FILTER_FALSE, FILTER_TRUE, FILTER_MAYBE };

struct filter_subject {
    const struct email_group *group;
    uint64_t flags; /* of email_group_flags() */
    struct thread_table *threads;
    const bool *hits; /* hits[k * stride] answers text query k; NULL: not known */
    size_t stride;
};
enum filter_truth email_filter_test(const struct filter_node *n, const struct filter_subject *s);

#endif
