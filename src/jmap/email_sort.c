/* Sorting; see email_sort.h. What is compared is looked up once for each email. */
#include "jmap/email_sort.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "jmap/email_envelope.h"
#include "message/header.h"
#include <stdlib.h>

static const struct {
    const char *name;
    enum sort_kind kind;
} kinds[] = {
    {"receivedAt", SORT_RECEIVED},
    {"sentAt", SORT_SENT},
    {"size", SORT_SIZE},
    {"from", SORT_FROM},
    {"to", SORT_TO},
    {"subject", SORT_SUBJECT},
    {"hasKeyword", SORT_KEYWORD},
    {"allInThreadHaveKeyword", SORT_ALL_IN_THREAD},
    {"someInThreadHaveKeyword", SORT_SOME_IN_THREAD},
};

/* --- Reading --- */

static bool invalid(struct jmap_call *c, const char *why)
{
    jmap_fail(c, "invalidArguments", why);
    return false;
}

static bool unsupported(struct jmap_call *c, const char *why)
{
    jmap_fail(c, "unsupportedSort", why);
    return false;
}

/* Both collations are one here: text is compared as it is searched. */
static bool known_collation(struct slice s)
{
    return slice_eq(s, SLICE("i;unicode-casemap")) || slice_eq(s, SLICE("i;ascii-casemap"));
}

static bool read_comparator(struct jmap_call *c, const json_t *v,
                            const struct keyword_table *keywords, struct email_comparator *out)
{
    struct slice property = jmap_string(json_object_get(v, "property"));
    struct slice keyword = jmap_string(json_object_get(v, "keyword"));
    const json_t *ascending = json_object_get(v, "isAscending");
    const json_t *collation = json_object_get(v, "collation");
    if (property.p == NULL || (ascending != NULL && !json_is_boolean(ascending)))
        return invalid(c, "a comparator needs its property; isAscending must be true or false");
    if (collation != NULL && !json_is_null(collation) && !known_collation(jmap_string(collation)))
        return unsupported(c, "a collation that is not known");
    size_t i = 0;
    while (i < sizeof kinds / sizeof kinds[0] && !slice_eq(property, slice_str(kinds[i].name)))
        i++;
    if (i == sizeof kinds / sizeof kinds[0])
        return unsupported(c, "a property that cannot be sorted by");
    *out = (struct email_comparator){.kind = kinds[i].kind, .descending = json_is_false(ascending)};
    if (out->kind < SORT_KEYWORD)
        return true;
    if (keyword.p == NULL)
        return invalid(c, "a comparator for keywords needs its keyword");
    out->flag = email_keyword_bit(keywords, keyword);
    return true;
}

bool email_sort_read(struct jmap_call *c, const struct keyword_table *keywords,
                     struct email_sort *out)
{
    const json_t *list = json_object_get(c->args, "sort");
    *out = (struct email_sort){.immutable = true};
    if (list == NULL || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return invalid(c, "sort must be a list of comparators");
    if (json_array_size(list) > LIMIT_JMAP_SORT)
        return unsupported(c, "too many comparators");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct email_comparator *by = &out->by[out->n++];
        if (!read_comparator(c, json_array_get(list, i), keywords, by))
            return false;
        out->immutable = out->immutable && by->kind < SORT_KEYWORD;
        out->threads = out->threads || by->kind > SORT_KEYWORD;
    }
    return true;
}

bool email_sort_natural(const struct email_sort *s, bool *backwards)
{
    *backwards = s->n > 0 && !s->by[0].descending;
    return s->n == 0 || (s->n == 1 && s->by[0].kind == SORT_RECEIVED);
}

/* --- Keys --- */

struct text_key {
    size_t from, n; /* of `bytes` */
};

struct sort_key {
    uint32_t at;    /* position */
    uint32_t index; /* of its texts */
    uint32_t bools; /* bit k: what comparator k asks of keywords */
};

struct sorting {
    const struct email_sort *sort;
    const struct view_message *m; /* of the view */
    struct sort_key *key;
    size_t n;
    struct text_key *text; /* text[k * n + index]: of comparator k; NULL: none looks at texts */
    struct buf bytes;
    struct arena a;
    struct buf form;
    /* While rows are read: copies by mailbox and uid, and where they are. */
    const struct view_message **copy;
    uint32_t *by_place; /* indices */
    size_t from, at, end;
};

static bool reads_rows(const struct email_sort *s, unsigned *fields)
{
    *fields = 0;
    for (size_t k = 0; k < s->n; k++) {
        if (s->by[k].kind == SORT_TO)
            *fields |= FIELD_ENVELOPE;
        else if (s->by[k].kind == SORT_FROM || s->by[k].kind == SORT_SUBJECT)
            *fields |= FIELD_TEXTS;
    }
    return *fields != 0;
}

static struct slice first_recipient(struct sorting *s, const struct store_row *row)
{
    struct email_envelope e;
    if (email_envelope_read(&s->a, row->envelope, &e) != OK)
        return SLICE("");
    const struct address *to = e.list[ENVELOPE_TO];
    while (to != NULL && to->host.p == NULL)
        to = to->next;
    if (to == NULL)
        return SLICE("");
    if (to->name.n > 0)
        return header_text(&s->a, to->name);
    return arena_printf(&s->a, "%.*s@%.*s", SLICE_FMT(to->mailbox), SLICE_FMT(to->host));
}

static struct slice key_text(struct sorting *s, enum sort_kind kind, const struct store_row *row)
{
    bool is_reply;
    if (kind == SORT_SUBJECT)
        return header_base_subject(&s->a, row->subject, &is_reply);
    struct slice text = kind == SORT_FROM ? row->from : first_recipient(s, row);
    buf_reset(&s->form);
    utf8_search_form(slice_sub(text, 0, LIMIT_JMAP_SORT_KEY), &s->form);
    return slice_trim(buf_slice(&s->form));
}

static bool on_row(void *arg, const struct store_row *row)
{
    struct sorting *s = arg;
    while (s->at < s->end && s->copy[s->by_place[s->at]]->uid < row->uid)
        s->at++;
    if (s->at == s->end)
        return false;
    uint32_t index = s->by_place[s->at];
    if (s->copy[index]->uid != row->uid)
        return true;
    arena_reset(&s->a);
    for (size_t k = 0; k < s->sort->n; k++) {
        enum sort_kind kind = s->sort->by[k].kind;
        if (kind != SORT_FROM && kind != SORT_TO && kind != SORT_SUBJECT)
            continue;
        struct slice text = slice_sub(key_text(s, kind, row), 0, LIMIT_JMAP_SORT_KEY);
        s->text[k * s->n + index] = (struct text_key){s->bytes.n, text.n};
        buf_add(&s->bytes, text);
    }
    return true;
}

static int by_place(const void *x, const void *y, void *arg)
{
    const struct sorting *s = arg;
    const struct view_message *a = s->copy[*(const uint32_t *)x];
    const struct view_message *b = s->copy[*(const uint32_t *)y];
    if (a->mailbox != b->mailbox)
        return a->mailbox < b->mailbox ? -1 : 1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static enum error read_mailbox(struct sorting *s, struct store *store, uint64_t account,
                               unsigned fields, struct uid_range *range)
{
    size_t n = 0;
    uint32_t mailbox = s->copy[s->by_place[s->from]]->mailbox;
    for (s->end = s->from; s->end < s->n; s->end++) {
        const struct view_message *m = s->copy[s->by_place[s->end]];
        if (m->mailbox != mailbox)
            break;
        if (n > 0 && range[n - 1].last + 1 == m->uid)
            range[n - 1].last = m->uid;
        else
            range[n++] = (struct uid_range){m->uid, m->uid};
    }
    s->at = s->from;
    s->from = s->end;
    enum error e = store_read(store, account, mailbox, range, n, fields, on_row, s);
    return e == ERR_NOTFOUND ? OK : e; /* the mailbox is gone meanwhile */
}

static enum error read_texts(struct sorting *s, struct store *store, uint64_t account,
                             unsigned fields)
{
    enum error e = OK;
    struct uid_range *range = mem_array(s->n, sizeof *range);
    s->text = mem_array(s->n * s->sort->n, sizeof *s->text);
    s->by_place = mem_array(s->n, sizeof *s->by_place);
    for (size_t i = 0; i < s->n; i++)
        s->by_place[i] = (uint32_t)i;
    qsort_r(s->by_place, s->n, sizeof *s->by_place, by_place, s);
    for (s->from = 0; e == OK && s->from < s->n;)
        e = read_mailbox(s, store, account, fields, range);
    mem_free(range);
    mem_free(s->by_place);
    return e == OK ? buf_check(&s->bytes) : e;
}

static uint32_t bools_of(const struct email_sort *sort, uint64_t flags, uint64_t thread,
                         struct thread_table *threads)
{
    uint32_t bools = 0;
    for (size_t k = 0; k < sort->n; k++) {
        uint64_t have = 0;
        if (sort->by[k].kind == SORT_KEYWORD)
            have = flags;
        else if (sort->by[k].kind == SORT_ALL_IN_THREAD)
            have = thread_table_get(threads, thread).all;
        else if (sort->by[k].kind == SORT_SOME_IN_THREAD)
            have = thread_table_get(threads, thread).some;
        if (have & sort->by[k].flag)
            bools |= 1u << k;
    }
    return bools;
}

/* --- Comparing --- */

static int order_i(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_by(const struct sorting *s, size_t k, const struct sort_key *x,
                      const struct sort_key *y)
{
    const struct view_message *a = &s->m[x->at], *b = &s->m[y->at];
    switch (s->sort->by[k].kind) {
    case SORT_RECEIVED:
        return order_i(a->received, b->received);
    case SORT_SENT:
        return order_i(a->sent, b->sent);
    case SORT_SIZE:
        return order_i(a->size, b->size);
    case SORT_KEYWORD:
    case SORT_ALL_IN_THREAD:
    case SORT_SOME_IN_THREAD:
        return order_i(x->bools >> k & 1, y->bools >> k & 1);
    default:
        break;
    }
    const struct text_key *t = &s->text[k * s->n];
    struct slice bytes = buf_slice(&s->bytes);
    return slice_cmp(slice_sub(bytes, t[x->index].from, t[x->index].from + t[x->index].n),
                     slice_sub(bytes, t[y->index].from, t[y->index].from + t[y->index].n));
}

static int compare(const void *x, const void *y, void *arg)
{
    const struct sorting *s = arg;
    const struct sort_key *a = x, *b = y;
    for (size_t k = 0; k < s->sort->n; k++) {
        int c = compare_by(s, k, a, b);
        if (c != 0)
            return s->sort->by[k].descending ? -c : c;
    }
    return a->at < b->at ? -1 : a->at > b->at;
}

enum error email_sort_run(struct store *store, uint64_t account, const struct view *v,
                          const struct email_sort *sort, struct thread_table *threads,
                          uint32_t *position, size_t n)
{
    size_t total;
    unsigned fields;
    bool visible;
    if (n == 0)
        return OK;
    struct sorting s = {
        .sort = sort,
        .m = view_messages(v, &total),
        .key = mem_array(n, sizeof *s.key),
        .n = n,
        .bytes = BUF_INIT(n * sort->n * LIMIT_JMAP_SORT_KEY + 1),
        .form = BUF_INIT(LIMIT_JMAP_SORT_KEY * 64), /* no character has a longer form */
        .copy = mem_array(n, sizeof(struct view_message *)),
    };
    arena_init(&s.a, LIMIT_SUMMARY_ARENA);
    for (size_t i = 0; i < n; i++) {
        struct email_group g = email_group_at(v, position[i]);
        s.copy[i] = email_group_copy(&g);
        s.key[i] = (struct sort_key){
            position[i], (uint32_t)i,
            bools_of(sort, email_group_flags(&g, &visible), g.copy->thread, threads)};
    }
    enum error e = reads_rows(sort, &fields) ? read_texts(&s, store, account, fields) : OK;
    if (e == OK)
        qsort_r(s.key, n, sizeof *s.key, compare, &s);
    for (size_t i = 0; i < n && e == OK; i++)
        position[i] = s.key[i].at;
    buf_free(&s.bytes);
    buf_free(&s.form);
    arena_free(&s.a);
    mem_free(s.key);
    mem_free(s.copy);
    mem_free(s.text);
    return e;
}
