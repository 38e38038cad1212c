/* What a search program says about a message. */
#include "imap/search_program.h"

#include "base/date.h"

int64_t search_day(int64_t seconds, int16_t zone_minutes)
{
    int64_t local = seconds + (int64_t)zone_minutes * 60;
    return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

/* The first element of an ENVELOPE is the Date field's text: NIL, quoted, or a literal. */
bool search_sent_day(struct slice envelope, int64_t *day)
{
    char text[128];
    size_t n = 0;
    struct slice s = envelope;
    if (s.n < 2 || s.p[0] != '(')
        return false;
    s = slice_from(s, 1);
    if (s.p[0] == '"') {
        for (size_t i = 1; i < s.n && s.p[i] != '"' && n < sizeof text; i++) {
            if (s.p[i] == '\\' && i + 1 < s.n)
                i++;
            text[n++] = (char)s.p[i];
        }
    } else if (s.p[0] == '{') {
        size_t brace = slice_index(s, '}');
        uint32_t length = 0;
        if (parse_u32(slice_sub(s, 1, brace), UINT32_MAX, &length) != OK)
            return false;
        s = slice_from(s, brace + 3);
        n = length < s.n ? length : s.n;
        if (n > sizeof text)
            n = sizeof text;
        memcpy(text, s.p, n);
    } else {
        return false;
    }
    struct date d;
    if (date_parse_rfc5322(slice_of(text, n), &d) != OK)
        return false;
    *day = search_day(d.seconds, d.zone);
    return true;
}

static enum search_truth truth(bool b)
{
    return b ? SEARCH_TRUE : SEARCH_FALSE;
}

/* The three comparisons of a date key: before, on, since. */
static enum search_truth compare_day(enum search_op before, enum search_op op, int64_t have,
                                     int64_t want)
{
    switch ((int)op - (int)before) {
    case 0:
        return truth(have < want);
    case 1:
        return truth(have == want);
    default:
        return truth(have >= want);
    }
}

struct search_facts search_facts_of(const struct store_row *row)
{
    struct search_facts f = {
        .email_id = row->email_id,
        .thread_id = row->thread_id,
        .internal_day = search_day(row->internal_date, row->internal_zone),
    };
    f.has_sent = search_sent_day(row->envelope, &f.sent_day);
    return f;
}

/* Keys that look at the index row. */
static enum search_truth evaluate_row(const struct search_node *n, const struct search_facts *f)
{
    if (!f)
        return SEARCH_MAYBE;
    switch (n->op) {
    case SEARCH_EMAIL_ID:
        return truth(f->email_id == n->number);
    case SEARCH_THREAD_ID:
        return truth(f->thread_id == n->number);
    case SEARCH_DATE_BEFORE:
    case SEARCH_DATE_ON:
    case SEARCH_DATE_SINCE:
        return compare_day(SEARCH_DATE_BEFORE, n->op, f->internal_day, n->day);
    default:
        return f->has_sent ? compare_day(SEARCH_SENT_BEFORE, n->op, f->sent_day, n->day)
                           : SEARCH_FALSE;
    }
}

static enum search_truth evaluate_leaf(const struct search_node *n, const struct search_subject *s)
{
    switch (n->op) {
    case SEARCH_FLAGS:
        return truth((s->entry->flags & n->mask) == n->want);
    case SEARCH_LARGER:
        return truth(s->entry->size > n->number);
    case SEARCH_SMALLER:
        return truth(s->entry->size < n->number);
    case SEARCH_MODSEQ:
        return truth(s->entry->modseq >= n->number);
    case SEARCH_SEQUENCE:
        return truth(ranges_have(n->ranges, n->n_ranges, s->seq));
    case SEARCH_UID:
        return truth(ranges_have(n->ranges, n->n_ranges, s->entry->uid));
    case SEARCH_TEXT:
        return s->hits ? truth(s->hits[n->number * s->stride]) : SEARCH_MAYBE;
    default:
        return evaluate_row(n, s->facts);
    }
}

enum search_truth search_evaluate(const struct search_node *n, const struct search_subject *s)
{
    enum search_truth all = SEARCH_TRUE, t;
    switch (n->op) {
    case SEARCH_AND:
        for (const struct search_node *c = n->child; c; c = c->next) {
            t = search_evaluate(c, s);
            if (t == SEARCH_FALSE)
                return t;
            if (t == SEARCH_MAYBE)
                all = t;
        }
        return all;
    case SEARCH_OR:
        all = SEARCH_FALSE;
        for (const struct search_node *c = n->child; c; c = c->next) {
            t = search_evaluate(c, s);
            if (t == SEARCH_TRUE)
                return t;
            if (t == SEARCH_MAYBE)
                all = t;
        }
        return all;
    case SEARCH_NOT:
        t = search_evaluate(n->child, s);
        return t == SEARCH_MAYBE ? t : truth(t == SEARCH_FALSE);
    default:
        return evaluate_leaf(n, s);
    }
}

/* --- Binding --- */

/* '*' is the last one, and a range may be written backwards. The ranges of a set are turned in
 * place; a set is bound once. */
static void bind_set(struct search_node *n, uint32_t last, const struct search_binding *b)
{
    if (n->set.saved) {
        n->op = SEARCH_UID;
        n->ranges = b->saved;
        n->n_ranges = b->n_saved;
        return;
    }
    for (size_t i = 0; i < n->set.n; i++) {
        struct uid_range *r = &n->set.range[i];
        uint32_t x = r->first ? r->first : last, y = r->last ? r->last : last;
        r->first = x < y ? x : y;
        r->last = x < y ? y : x;
    }
    n->ranges = n->set.range;
    n->n_ranges = ranges_normalise(n->set.range, n->set.n);
}

static void bind_keyword(struct search_node *n, const struct keyword_table *t)
{
    n->op = SEARCH_FLAGS;
    n->mask = 0;
    n->want = 1; /* a keyword that nobody has: never true */
    for (size_t k = 0; t && k < t->n; k++)
        if (slice_ieq(t->name[k], n->keyword))
            n->mask = n->want = UINT64_C(1) << (FLAG_KEYWORD_SHIFT + k);
}

static void bind_node(struct search_node *n, const struct search_binding *b)
{
    for (struct search_node *c = n->child; c; c = c->next)
        bind_node(c, b);
    if (n->op == SEARCH_KEYWORD)
        bind_keyword(n, b->keywords);
    else if (n->op == SEARCH_SEQUENCE)
        bind_set(n, b->last_seq, b);
    else if (n->op == SEARCH_UID)
        bind_set(n, b->last_uid, b);
}

void search_bind(struct search_program *p, const struct search_binding *b)
{
    bind_node(p->root, b);
}
