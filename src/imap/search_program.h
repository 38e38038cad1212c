/* A search program: the criteria of SEARCH (RFC 9051 6.4.4) as a tree, and what it says about a
 * message. Evaluation is three-valued: what is not known yet (a date before the index row is read,
 * a text before the body was looked at) is SEARCH_MAYBE, and a criterion decided without it never
 * costs more. So the same function serves all stages: snapshot only, then index row, then texts.
 * Pure: no store calls, no connection. */
#ifndef DEPESCHE_IMAP_SEARCH_PROGRAM_H
#define DEPESCHE_IMAP_SEARCH_PROGRAM_H

#include "imap/imap_parse.h"

enum search_op {
    SEARCH_AND, /* of child and its siblings; none: true */
    SEARCH_OR,
    SEARCH_NOT,         /* of its one child */
    SEARCH_FLAGS,       /* (flags & mask) == want */
    SEARCH_KEYWORD,     /* has the keyword `keyword`; becomes SEARCH_FLAGS when bound */
    SEARCH_LARGER,      /* size > number */
    SEARCH_SMALLER,     /* size < number */
    SEARCH_MODSEQ,      /* modseq >= number */
    SEARCH_SEQUENCE,    /* message number in ranges */
    SEARCH_UID,         /* uid in ranges */
    SEARCH_EMAIL_ID,    /* index row */
    SEARCH_THREAD_ID,   /* index row */
    SEARCH_DATE_BEFORE, /* internal date's day < day */
    SEARCH_DATE_ON,     /* == day */
    SEARCH_DATE_SINCE,  /* >= day */
    SEARCH_SENT_BEFORE, /* the same of the Date field; false without one */
    SEARCH_SENT_ON,
    SEARCH_SENT_SINCE,
    SEARCH_TEXT, /* text query number `number` */
};

enum search_truth { SEARCH_FALSE, SEARCH_TRUE, SEARCH_MAYBE };

struct search_node {
    enum search_op op;
    uint64_t mask, want; /* SEARCH_FLAGS */
    uint64_t number;
    int64_t day; /* days since 1970 */
    struct slice keyword;
    struct imap_set set;
    const struct uid_range *ranges; /* ascending, disjoint */
    size_t n_ranges;
    struct search_node *child, *next;
};

struct search_program {
    struct search_node *root; /* a SEARCH_AND */
    struct text_query *texts;
    size_t n_texts;
    bool has_modseq; /* a MODSEQ key: results carry the highest modseq (RFC 7162 3.1.5) */
    bool needs_row;  /* some node looks at the index row */
    bool needs_sent; /* ... at the Date field */
    bool has_charset, bad_charset; /* the latter: a set that cannot be converted */
};

/* Reads a search-program from its optional CHARSET to the end of the command. Errors stick to the
 * lexer. Strings become UTF-8. */
void search_parse(struct imap_lexer *l, struct search_program *out);

/* What the names in a program mean now: sets by the mailbox (its last number and last uid), "$" by
 * the saved result, keywords by the account's table. */
struct search_binding {
    uint32_t last_seq, last_uid;
    const struct uid_range *saved;
    size_t n_saved;
    const struct keyword_table *keywords; /* may be NULL: no keyword is known */
};
void search_bind(struct search_program *p, const struct search_binding *b);

/* What the index row says, made small: it is kept until the texts were looked at. */
struct search_facts {
    uint64_t email_id, thread_id;
    int64_t internal_day, sent_day;
    bool has_sent; /* there is a Date field that can be read */
};
/* Of a row with FIELD_DATES, FIELD_IDS and, with needs_sent, FIELD_ENVELOPE. */
struct search_facts search_facts_of(const struct store_row *row);

/* What is known of one message. */
struct search_subject {
    uint32_t seq;
    const struct snapshot_entry *entry;
    const struct search_facts *facts; /* NULL: not known */
    const bool *hits;                 /* hits[k * stride] answers text query k; NULL: not known */
    size_t stride;
};

enum search_truth search_evaluate(const struct search_node *node, const struct search_subject *s);

/* The day (since 1970) of an instant as its writer's calendar showed it. */
int64_t search_day(int64_t seconds, int16_t zone_minutes);

/* The day of the Date field from an ENVELOPE text; false when it has none that can be read. */
bool search_sent_day(struct slice envelope, int64_t *day);

#endif
