/* Filters; see email_filter.h. The depth of a filter is bounded by that of its JSON. */
#include "jmap/email_filter.h"

#include "base/limits.h"
#include <stdlib.h>

/* --- Words --- */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of the phrase that begins with the quote at s.p[0]; 0: it does not end. */
static size_t phrase_end(struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == s.p[0])
            return i;
    }
    return 0;
}

static struct slice phrase(struct arena *a, struct slice s)
{
    if (!slice_has(s, '\\'))
        return s;
    uint8_t *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; p != NULL && i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n &&
            (s.p[i + 1] == '"' || s.p[i + 1] == '\'' || s.p[i + 1] == '\\'))
            i++;
        p[n++] = s.p[i];
    }
    return p ? slice_of(p, n) : SLICE("");
}

/* What a user typed, a word or quoted phrase at a time ('\' escapes in a phrase); unescaped in `a`.
 * False at the end. */
static bool word_next(struct arena *a, struct slice *rest, struct slice *word)
{
    for (;;) {
        size_t i = 0;
        while (i < rest->n && is_space(rest->p[i]))
            i++;
        *rest = slice_from(*rest, i);
        if (rest->n == 0)
            return false;
        size_t end = rest->p[0] == '"' || rest->p[0] == '\'' ? phrase_end(*rest) : 0;
        if (end > 0) {
            *word = phrase(a, slice_sub(*rest, 1, end));
            *rest = slice_from(*rest, end + 1);
        } else {
            for (i = 0; i < rest->n && !is_space(rest->p[i]);)
                i++;
            *word = slice_sub(*rest, 0, i);
            *rest = slice_from(*rest, i);
        }
        if (slice_trim(*word).n > 0)
            return true;
    }
}

/* --- Reading --- */

struct filter_reader {
    struct jmap_call *c;
    const struct keyword_table *keywords;
    struct email_filter *f;
    size_t nodes;
};

static struct filter_node *invalid(struct filter_reader *r, const char *why)
{
    jmap_fail(r->c, "invalidArguments", why);
    return NULL;
}

static struct filter_node *new_node(struct filter_reader *r, enum filter_op op)
{
    struct filter_node *n = arena_new(r->c->arena, struct filter_node);
    if (n == NULL) {
        jmap_fail_error(r->c, ERR_LIMIT);
        return NULL;
    }
    n->op = op;
    return n;
}

/* Counts what the client wrote, not what becomes of it. */
static struct filter_node *counted_node(struct filter_reader *r, enum filter_op op)
{
    if (r->nodes++ == LIMIT_JMAP_FILTER) {
        jmap_fail(r->c, "unsupportedFilter", "the filter has too many conditions");
        return NULL;
    }
    return new_node(r, op);
}

static struct filter_node *read_mailbox(struct filter_reader *r, const json_t *v, int unused)
{
    struct slice id = jmap_string(v);
    struct filter_node *n = counted_node(r, FILTER_IN_MAILBOX);
    (void)unused;
    r->f->immutable = false;
    if (id.p == NULL)
        return invalid(r, "inMailbox must be an id");
    if (n != NULL && jmap_id_parse(id, 'B', &n->number) != OK)
        n->op = FILTER_OR; /* no such mailbox: false */
    return n;
}

static int by_number(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

static struct filter_node *read_other_than(struct filter_reader *r, const json_t *v, int unused)
{
    struct filter_node *n = counted_node(r, FILTER_OTHER_THAN);
    (void)unused;
    r->f->immutable = false;
    if (n == NULL)
        return NULL;
    if (!json_is_array(v) || json_array_size(v) > LIMIT_MAILBOXES)
        return invalid(r, "inMailboxOtherThan must be a list of ids");
    uint64_t *list = arena_array(r->c->arena, json_array_size(v) + 1, sizeof *list);
    if (list == NULL) {
        jmap_fail_error(r->c, ERR_LIMIT);
        return NULL;
    }
    n->list = list;
    for (size_t i = 0; i < json_array_size(v); i++) {
        struct slice id = jmap_string(json_array_get(v, i));
        if (id.p == NULL)
            return invalid(r, "inMailboxOtherThan must be a list of ids");
        if (jmap_id_parse(id, 'B', &list[n->n]) == OK)
            n->n++;
    }
    qsort(list, n->n, sizeof *list, by_number);
    return n;
}

static struct filter_node *read_date(struct filter_reader *r, const json_t *v, int op)
{
    struct filter_node *n = counted_node(r, (enum filter_op)op);
    struct slice s = jmap_string(v);
    if (n != NULL && (s.p == NULL || !jmap_utc_date(s, &n->time)))
        return invalid(r, "before and after must be a UTCDate");
    return n;
}

static struct filter_node *read_size(struct filter_reader *r, const json_t *v, int op)
{
    struct filter_node *n = counted_node(r, (enum filter_op)op);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return invalid(r, "minSize and maxSize must be a number");
    if (n != NULL)
        n->number = (uint64_t)json_integer_value(v);
    return n;
}

static struct filter_node *read_keyword(struct filter_reader *r, const json_t *v, int op)
{
    struct filter_node *n = counted_node(r, (enum filter_op)op);
    struct slice s = jmap_string(v);
    r->f->immutable = false;
    r->f->threads = r->f->threads || op != FILTER_KEYWORD;
    if (s.p == NULL)
        return invalid(r, "a keyword must be a string");
    if (n != NULL)
        n->flag = email_keyword_bit(r->keywords, s);
    return n;
}

static struct filter_node *negated(struct filter_reader *r, struct filter_node *child)
{
    struct filter_node *n = child ? new_node(r, FILTER_NOT) : NULL;
    if (n != NULL)
        n->child = child;
    return n;
}

static struct filter_node *read_no_keyword(struct filter_reader *r, const json_t *v, int op)
{
    return negated(r, read_keyword(r, v, op));
}

static struct filter_node *read_attachment(struct filter_reader *r, const json_t *v, int unused)
{
    struct filter_node *n = counted_node(r, FILTER_ATTACHMENT);
    (void)unused;
    if (!json_is_boolean(v))
        return invalid(r, "hasAttachment must be true or false");
    return n != NULL && !json_is_true(v) ? negated(r, n) : n;
}

static struct filter_node *text_node(struct filter_reader *r, enum text_field field,
                                     struct slice header, struct slice needle)
{
    struct filter_node *n = new_node(r, FILTER_TEXT);
    if (n != NULL) {
        n->text = r->f->n_texts++;
        r->f->texts[n->text] = (struct text_query){field, header, needle};
    }
    return n;
}

/* Where "text" looks: what a reader sees of a message, not all its header. */
static const enum text_field text_fields[] = {TEXT_SUBJECT, TEXT_FROM, TEXT_TO,
                                              TEXT_CC,      TEXT_BCC,  TEXT_BODY};
enum { TEXT_FIELDS = sizeof text_fields / sizeof text_fields[0] };

static struct filter_node *word_node(struct filter_reader *r, enum text_field field,
                                     struct slice header, struct slice word)
{
    if (r->f->words++ == LIMIT_JMAP_SEARCH_WORDS) {
        jmap_fail(r->c, "unsupportedFilter", "the filter has too many words");
        return NULL;
    }
    if (field != TEXT_ALL)
        return text_node(r, field, header, word);
    struct filter_node *any = new_node(r, FILTER_OR);
    for (size_t i = 0; any != NULL && i < TEXT_FIELDS; i++) {
        struct filter_node *n = text_node(r, text_fields[i], SLICE_NONE, word);
        if (n == NULL)
            return NULL;
        n->next = any->child;
        any->child = n;
    }
    return any;
}

static struct filter_node *words_node(struct filter_reader *r, enum text_field field,
                                      struct slice header, struct slice text)
{
    struct filter_node *all = counted_node(r, FILTER_AND);
    struct slice word;
    while (all != NULL && word_next(r->c->arena, &text, &word)) {
        struct filter_node *n = word_node(r, field, header, word);
        if (n == NULL)
            return NULL;
        n->next = all->child;
        all->child = n;
    }
    return all;
}

static struct filter_node *read_text(struct filter_reader *r, const json_t *v, int field)
{
    struct slice s = jmap_string(v);
    if (s.p == NULL)
        return invalid(r, "a text to look for must be a string");
    return words_node(r, (enum text_field)field, SLICE_NONE, s);
}

static struct filter_node *read_header(struct filter_reader *r, const json_t *v, int unused)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 0;
    struct slice name = jmap_string(n > 0 ? json_array_get(v, 0) : NULL);
    struct slice text = jmap_string(n > 1 ? json_array_get(v, 1) : NULL);
    (void)unused;
    if (n < 1 || n > 2 || name.n == 0 || (n == 2 && text.p == NULL))
        return invalid(r, "header must be a name, or a name and a text");
    struct filter_node *all = words_node(r, TEXT_HEADER, name, text);
    /* Without a word it asks for presence. */
    if (all != NULL && all->child == NULL)
        all->child = word_node(r, TEXT_HEADER, name, SLICE(""));
    return r->c->failed ? NULL : all;
}

static const struct {
    const char *name;
    struct filter_node *(*read)(struct filter_reader *r, const json_t *v, int op);
    int op;
} conditions[] = {
    {"inMailbox", read_mailbox, 0},
    {"inMailboxOtherThan", read_other_than, 0},
    {"before", read_date, FILTER_BEFORE},
    {"after", read_date, FILTER_AFTER},
    {"minSize", read_size, FILTER_MIN_SIZE},
    {"maxSize", read_size, FILTER_MAX_SIZE},
    {"allInThreadHaveKeyword", read_keyword, FILTER_ALL_IN_THREAD},
    {"someInThreadHaveKeyword", read_keyword, FILTER_SOME_IN_THREAD},
    {"noneInThreadHaveKeyword", read_no_keyword, FILTER_SOME_IN_THREAD},
    {"hasKeyword", read_keyword, FILTER_KEYWORD},
    {"notKeyword", read_no_keyword, FILTER_KEYWORD},
    {"hasAttachment", read_attachment, 0},
    {"text", read_text, TEXT_ALL},
    {"from", read_text, TEXT_FROM},
    {"to", read_text, TEXT_TO},
    {"cc", read_text, TEXT_CC},
    {"bcc", read_text, TEXT_BCC},
    {"subject", read_text, TEXT_SUBJECT},
    {"body", read_text, TEXT_BODY},
    {"header", read_header, 0},
};
enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

static struct filter_node *read_property(struct filter_reader *r, const char *name, const json_t *v)
{
    for (size_t i = 0; i < CONDITIONS; i++)
        if (strcmp(conditions[i].name, name) == 0)
            return conditions[i].read(r, v, conditions[i].op);
    jmap_fail(r->c, "unsupportedFilter", "a condition that is not known");
    return NULL;
}

/* All its properties must hold. */
static struct filter_node *read_condition(struct filter_reader *r, json_t *v)
{
    struct filter_node *all = new_node(r, FILTER_AND);
    const char *name;
    json_t *value;
    if (all == NULL)
        return NULL;
    json_object_foreach(v, name, value)
    {
        if (json_is_null(value)) /* as if it were omitted */
            continue;
        struct filter_node *n = read_property(r, name, value);
        if (n == NULL)
            return NULL;
        n->next = all->child;
        all->child = n;
    }
    return all;
}

static struct filter_node *read_filter(struct filter_reader *r, json_t *v);

static struct filter_node *read_operator(struct filter_reader *r, json_t *v)
{
    static const struct {
        const char *name;
        enum filter_op op;
    } operators[] = {{"AND", FILTER_AND}, {"OR", FILTER_OR}, {"NOT", FILTER_NOT}};
    struct slice name = jmap_string(json_object_get(v, "operator"));
    json_t *list = json_object_get(v, "conditions");
    struct filter_node *all = NULL, *child;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (slice_eq(name, slice_str(operators[i].name)))
            all = counted_node(r, operators[i].op);
    if (all == NULL || !json_is_array(list))
        return invalid(r, "a filter's operator must be AND, OR or NOT, with its conditions");
    for (size_t i = json_array_size(list); i > 0; i--) {
        child = read_filter(r, json_array_get(list, i - 1));
        if (child == NULL)
            return NULL;
        child->next = all->child;
        all->child = child;
    }
    return all;
}

static struct filter_node *read_filter(struct filter_reader *r, json_t *v)
{
    if (!json_is_object(v))
        return invalid(r, "a filter must be an object");
    return json_object_get(v, "operator") != NULL ? read_operator(r, v) : read_condition(r, v);
}

/* A mailbox that all matches lie in, from the conditions that must all hold. */
static const struct filter_node *box_of(const struct filter_node *n)
{
    if (n->op == FILTER_IN_MAILBOX && n->number <= UINT32_MAX)
        return n;
    const struct filter_node *found = NULL;
    if (n->op == FILTER_AND)
        for (const struct filter_node *c = n->child; c != NULL && found == NULL; c = c->next)
            found = box_of(c);
    return found;
}

static bool is_only(const struct filter_node *n, const struct filter_node *box)
{
    if (n == box)
        return true;
    return n->op == FILTER_AND && n->child != NULL && n->child->next == NULL &&
           is_only(n->child, box);
}

bool email_filter_read(struct jmap_call *c, const struct keyword_table *keywords,
                       struct email_filter *out)
{
    json_t *v = json_object_get(c->args, "filter");
    struct email_filter f = {.immutable = true};
    struct filter_reader r = {c, keywords, &f, 0};
    f.texts = arena_array(c->arena, (LIMIT_JMAP_SEARCH_WORDS + 1) * TEXT_FIELDS, sizeof *f.texts);
    if (f.texts == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return false;
    }
    f.root = v == NULL || json_is_null(v) ? new_node(&r, FILTER_AND) : read_filter(&r, v);
    if (f.root == NULL || c->failed != NULL)
        return false;
    const struct filter_node *box = box_of(f.root);
    f.boxed = box != NULL;
    f.mailbox = box ? (uint32_t)box->number : 0;
    f.only_box = box != NULL && is_only(f.root, box);
    *out = f;
    return true;
}

/* --- Testing --- */

static enum filter_truth truth(bool b)
{
    return b ? FILTER_TRUE : FILTER_FALSE;
}

static bool in_mailbox(const struct email_group *g, uint64_t mailbox)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->copy[i].mailbox == mailbox && email_copy_visible(&g->copy[i]))
            return true;
    return false;
}

static bool in_other(const struct email_group *g, const uint64_t *list, size_t n)
{
    for (size_t i = 0; i < g->n; i++) {
        uint64_t mailbox = g->copy[i].mailbox;
        if (email_copy_visible(&g->copy[i]) &&
            bsearch(&mailbox, list, n, sizeof *list, by_number) == NULL)
            return true;
    }
    return false;
}

static enum filter_truth test_leaf(const struct filter_node *n, const struct filter_subject *s)
{
    const struct view_message *m = s->group->copy;
    switch (n->op) {
    case FILTER_IN_MAILBOX:
        return truth(in_mailbox(s->group, n->number));
    case FILTER_OTHER_THAN:
        return truth(in_other(s->group, n->list, n->n));
    case FILTER_BEFORE:
        return truth(m->received < n->time);
    case FILTER_AFTER:
        return truth(m->received >= n->time);
    case FILTER_MIN_SIZE:
        return truth(m->size >= n->number);
    case FILTER_MAX_SIZE:
        return truth(m->size < n->number);
    case FILTER_ALL_IN_THREAD:
        return truth(n->flag && (thread_table_get(s->threads, m->thread).all & n->flag));
    case FILTER_SOME_IN_THREAD:
        return truth(n->flag && (thread_table_get(s->threads, m->thread).some & n->flag));
    case FILTER_KEYWORD:
        return truth(s->flags & n->flag);
    case FILTER_ATTACHMENT:
        return truth(m->has_attachment);
    default:
        return s->hits ? truth(s->hits[n->text * s->stride]) : FILTER_MAYBE;
    }
}

enum filter_truth email_filter_test(const struct filter_node *n, const struct filter_subject *s)
{
    if (n->op > FILTER_NOT)
        return test_leaf(n, s);
    /* AND ends at the first that is false, OR and NOT at the first that is true. */
    enum filter_truth end = n->op == FILTER_AND ? FILTER_FALSE : FILTER_TRUE;
    bool maybe = false, ended = false;
    for (const struct filter_node *c = n->child; c != NULL && !ended; c = c->next) {
        enum filter_truth t = email_filter_test(c, s);
        maybe = maybe || t == FILTER_MAYBE;
        ended = t == end;
    }
    if (!ended && maybe)
        return FILTER_MAYBE;
    return truth(ended == (n->op == FILTER_OR));
}
