/* Email/query, Email/queryChanges and Email/changes against a model: emails with random properties,
 * random filters and sorts, random changes. What the model says is worked out the long way. */
#include "base/date.h"
#include "base/mem.h"
#include "jmap/jmap_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs those above first. */
#include <cmocka.h>

enum { BOXES = 4, WORDS = 5, EMAILS_MAX = 400, COPIES_MAX = 8, KEYS = 3 };

static const char *const box_names[BOXES] = {"INBOX", "Archive", "Trash", "Sent"};
static const char *const words[WORDS] = {"alpha", "bravo", "charlie", "delta", "echo"};
static const char *const keywords[KEYS] = {"$seen", "$flagged", "label"};
/* Of the sorted texts: a name, an address, a subject. */
enum field { FROM, TO, CC, BCC, SUBJECT, BODY, HEADER, FIELDS };
static const char *const field_names[FIELDS] = {"from",    "to",   "cc",    "bcc",
                                                "subject", "body", "header"};

struct copy {
    unsigned box;
    uint32_t uid;
    unsigned keys; /* bit k: keywords[k] */
    bool deleted, gone;
};

struct email {
    uint64_t thread;
    int64_t received, sent;
    size_t size;
    bool attachment;
    unsigned word[FIELDS]; /* bit w: words[w] stands there */
    struct copy copy[COPIES_MAX];
    size_t n_copies;
};

struct world {
    struct jmap_fixture *f;
    uint32_t box[BOXES];
    struct email email[EMAILS_MAX + 1]; /* by number; 0 is none */
    size_t n;
    uint32_t seed;
    struct arena a;
};

/* The same on each run. */
static unsigned pick(struct world *w, unsigned n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

/* --- Making --- */

static void add_words(struct world *w, struct buf *raw, const char *head, unsigned *mask,
                      const char *tail)
{
    *mask = 0;
    buf_str(raw, head);
    for (unsigned i = 0; i < WORDS; i++) {
        if (pick(w, 3) != 0)
            continue;
        *mask |= 1u << i;
        buf_str(raw, words[i]);
        buf_str(raw, tail);
    }
}

static void add_raw(struct world *w, struct email *e, size_t number, struct buf *raw)
{
    buf_printf(raw, "Message-ID: <%zu@test>\r\n", number);
    e->thread = number;
    if (number > 1 && pick(w, 5) < 3) {
        size_t parent = 1 + pick(w, (unsigned)number - 1);
        buf_printf(raw, "References: <%zu@test>\r\n", parent);
        e->thread = w->email[parent].thread;
    }
    unsigned from = pick(w, WORDS), to = pick(w, WORDS);
    e->word[FROM] = 1u << from;
    e->word[TO] = 1u << to;
    buf_printf(raw, "From: \"%s\" <someone@x.org>\r\nTo: <%s@y.org>\r\n", words[from], words[to]);
    add_words(w, raw, "Cc: z@z.org", &e->word[CC], "");
    buf_lit(raw, "\r\n");
    add_words(w, raw, "Bcc: z@z.org", &e->word[BCC], "");
    buf_lit(raw, "\r\n");
    add_words(w, raw, "Subject: ", &e->word[SUBJECT], " ");
    buf_lit(raw, "\r\n");
    add_words(w, raw, "X-Word: ", &e->word[HEADER], " ");
    buf_lit(raw, "\r\nDate: ");
    e->sent = 1500000000 + (int64_t)pick(w, 40) * 3600;
    date_print_rfc5322((struct date){e->sent, 0}, raw);
    buf_lit(raw, "\r\n");
    e->attachment = pick(w, 4) == 0;
    if (e->attachment)
        buf_lit(raw, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
    add_words(w, raw, "\r\n", &e->word[BODY], "\r\n");
    if (e->attachment)
        buf_lit(raw, "--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--\r\n");
}

static void add_email(struct world *w, unsigned box)
{
    size_t number = ++w->n;
    struct email *e = &w->email[number];
    struct store_message m = {0};
    autobuf raw = BUF_INIT(65536);
    uint32_t validity;
    assert_true(number <= EMAILS_MAX);
    add_raw(w, e, number, &raw);
    e->received = 1600000000 + (int64_t)pick(w, 50) * 3600;
    e->size = raw.n;
    arena_reset(&w->a);
    m.raw = buf_slice(&raw);
    m.internal_date = e->received;
    assert_int_equal(summary_make(&w->a, m.raw, e->received, &m.summary), OK);
    e->copy[0] = (struct copy){.box = box};
    e->n_copies = 1;
    assert_int_equal(store_append(w->f->service.store, w->f->anna.id, w->box[box], &m, 1, 0,
                                  &e->copy[0].uid, &validity),
                     OK);
}

static void set_flags(struct world *w, struct copy *c, enum flag_op op, unsigned keys, bool deleted)
{
    struct uid_range range = {c->uid, c->uid}, *modified;
    struct slice name = slice_str(keywords[2]);
    struct flag_list flags = {.keywords = &name, .n = keys >> 2 & 1};
    size_t n;
    flags.system = ((keys & 1) ? FLAG_SEEN : 0) | ((keys & 2) ? FLAG_FLAGGED : 0) |
                   (deleted ? FLAG_DELETED : 0);
    assert_int_equal(store_flags(w->f->service.store, w->f->anna.id, w->box[c->box], &range, 1, op,
                                 &flags, NULL, &w->a, &modified, &n),
                     OK);
    c->keys = op == FLAGS_SET ? keys : op == FLAGS_ADD ? c->keys | keys : c->keys & ~keys;
    c->deleted = op == FLAGS_SET   ? deleted
                 : op == FLAGS_ADD ? c->deleted || deleted
                                   : c->deleted && !deleted;
}

static void copy_to(struct world *w, struct email *e, struct copy *c, unsigned box, bool move)
{
    struct uid_range range = {c->uid, c->uid};
    struct uid_pair *pairs;
    size_t n;
    uint32_t validity;
    if (e->n_copies == COPIES_MAX || (move && box == c->box))
        return;
    assert_int_equal(store_copy(w->f->service.store, w->f->anna.id, w->box[c->box], &range, 1,
                                w->box[box], move, 0, &w->a, &pairs, &n, &validity),
                     OK);
    assert_int_equal(n, 1);
    struct copy *to = &e->copy[e->n_copies++];
    *to = *c;
    to->box = box;
    to->uid = pairs[0].to;
    c->gone = move;
}

static void expunge(struct world *w, struct copy *c)
{
    struct uid_range range = {c->uid, c->uid};
    set_flags(w, c, FLAGS_ADD, 0, true);
    assert_int_equal(store_expunge(w->f->service.store, w->f->anna.id, w->box[c->box], &range, 1),
                     OK);
    c->gone = true;
}

/* Something happens to a random email, or a new one comes. */
static void change_something(struct world *w)
{
    arena_reset(&w->a);
    struct email *e = &w->email[1 + pick(w, (unsigned)w->n)];
    struct copy *c = &e->copy[pick(w, (unsigned)e->n_copies)];
    unsigned what = pick(w, 10);
    if (what < 2 && w->n < EMAILS_MAX)
        add_email(w, pick(w, BOXES));
    else if (c->gone)
        return;
    else if (what < 5)
        set_flags(w, c, pick(w, 2) ? FLAGS_ADD : FLAGS_REMOVE, 1u << pick(w, KEYS), false);
    else if (what < 7)
        copy_to(w, e, c, pick(w, BOXES), what == 6);
    else if (what < 8)
        set_flags(w, c, pick(w, 3) ? FLAGS_REMOVE : FLAGS_ADD, 0, true);
    else
        expunge(w, c);
}

static int start(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    w->f = jmap_fixture_start();
    w->seed = 4711;
    arena_init(&w->a, 16 * 1024 * 1024);
    for (unsigned i = 0; i < BOXES; i++)
        w->box[i] = jmap_fixture_mailbox(w->f, w->f->anna.id, box_names[i]);
    for (int i = 0; i < 120; i++)
        add_email(w, pick(w, BOXES));
    for (int i = 0; i < 200; i++)
        change_something(w);
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    jmap_fixture_stop(w->f);
    arena_free(&w->a);
    mem_free(w);
    return 0;
}

/* --- The model --- */

static bool visible(const struct copy *c)
{
    return !c->gone && !c->deleted;
}

static bool exists(const struct email *e)
{
    for (size_t i = 0; i < e->n_copies; i++)
        if (visible(&e->copy[i]))
            return true;
    return false;
}

static bool in_box(const struct email *e, unsigned box)
{
    for (size_t i = 0; i < e->n_copies; i++)
        if (visible(&e->copy[i]) && e->copy[i].box == box)
            return true;
    return false;
}

static unsigned keys_of(const struct email *e)
{
    unsigned keys = 0;
    for (size_t i = 0; i < e->n_copies; i++)
        if (visible(&e->copy[i]))
            keys |= e->copy[i].keys;
    return keys;
}

static void thread_keys(const struct world *w, uint64_t thread, unsigned *all, unsigned *some)
{
    *all = ~0u;
    *some = 0;
    for (size_t i = 1; i <= w->n; i++)
        if (w->email[i].thread == thread && exists(&w->email[i])) {
            *all &= keys_of(&w->email[i]);
            *some |= keys_of(&w->email[i]);
        }
}

/* A random filter: writes its JSON, and says for each email whether it matches. */
static void make_filter(struct world *w, int depth, bool texts, struct buf *json, bool *match);

static void make_operator(struct world *w, int depth, bool texts, struct buf *json, bool *match)
{
    static const char *const names[] = {"AND", "OR", "NOT"};
    unsigned op = pick(w, 3), n = 1 + pick(w, 3);
    bool *one = mem_array(EMAILS_MAX + 1, sizeof *one);
    for (size_t i = 1; i <= w->n; i++)
        match[i] = op != 1;
    buf_printf(json, "{'operator': '%s', 'conditions': [", names[op]);
    for (unsigned k = 0; k < n; k++) {
        if (k > 0)
            buf_lit(json, ", ");
        make_filter(w, depth - 1, texts, json, one);
        for (size_t i = 1; i <= w->n; i++)
            match[i] = op == 0   ? match[i] && one[i]
                       : op == 1 ? match[i] || one[i]
                                 : match[i] && !one[i];
    }
    buf_lit(json, "]}");
    mem_free(one);
}

static void make_text(struct world *w, struct buf *json, bool *match)
{
    unsigned word = pick(w, WORDS), field = pick(w, FIELDS + 1);
    if (field == HEADER)
        buf_printf(json, "{'header': ['x-WORD', '%s']}", words[word]);
    else
        buf_printf(json, "{'%s': '%s'}", field == FIELDS ? "text" : field_names[field],
                   words[word]);
    for (size_t i = 1; i <= w->n; i++) {
        const unsigned *in = w->email[i].word;
        unsigned mask = field < FIELDS
                            ? in[field]
                            : in[FROM] | in[TO] | in[CC] | in[BCC] | in[SUBJECT] | in[BODY];
        match[i] = mask >> word & 1;
    }
}

static void make_keyword(struct world *w, struct buf *json, bool *match)
{
    static const char *const names[] = {"hasKeyword", "notKeyword", "allInThreadHaveKeyword",
                                        "someInThreadHaveKeyword", "noneInThreadHaveKeyword"};
    unsigned which = pick(w, 5), key = pick(w, KEYS), all, some;
    buf_printf(json, "{'%s': '%s'}", names[which], keywords[key]);
    for (size_t i = 1; i <= w->n; i++) {
        bool has = keys_of(&w->email[i]) >> key & 1;
        thread_keys(w, w->email[i].thread, &all, &some);
        match[i] = which == 0   ? has
                   : which == 1 ? !has
                   : which == 2 ? (all >> key & 1)
                   : which == 3 ? (some >> key & 1)
                                : !(some >> key & 1);
    }
}

static void make_number(struct world *w, struct buf *json, bool *match)
{
    static const char *const names[] = {"minSize", "maxSize", "before", "after"};
    unsigned which = pick(w, 4);
    const struct email *some = &w->email[1 + pick(w, (unsigned)w->n)];
    buf_printf(json, "{'%s': ", names[which]);
    if (which < 2) {
        buf_dec(json, some->size);
    } else {
        buf_byte(json, '\'');
        date_print_iso(some->received, json);
        buf_byte(json, '\'');
    }
    buf_byte(json, '}');
    for (size_t i = 1; i <= w->n; i++) {
        const struct email *e = &w->email[i];
        match[i] = which == 0   ? e->size >= some->size
                   : which == 1 ? e->size < some->size
                   : which == 2 ? e->received < some->received
                                : e->received >= some->received;
    }
}

static void make_other(struct world *w, struct buf *json, bool *match)
{
    unsigned a = pick(w, BOXES), b = pick(w, BOXES);
    bool yes = pick(w, 2), attachment = pick(w, 2);
    if (attachment)
        buf_printf(json, "{'hasAttachment': %s}", yes ? "true" : "false");
    else
        buf_printf(json, "{'inMailboxOtherThan': ['B%u', 'B%u']}", (unsigned)w->box[a],
                   (unsigned)w->box[b]);
    for (size_t i = 1; i <= w->n; i++) {
        bool other = false;
        for (unsigned k = 0; k < BOXES; k++)
            other = other || (k != a && k != b && in_box(&w->email[i], k));
        match[i] = attachment ? w->email[i].attachment == yes : other;
    }
}

static void make_filter(struct world *w, int depth, bool texts, struct buf *json, bool *match)
{
    unsigned what = pick(w, depth > 0 ? 9 : 6), box;
    switch (what) {
    case 0:
        if (texts) {
            make_text(w, json, match);
            return;
        }
        __attribute__((fallthrough));
    case 1:
        box = pick(w, BOXES);
        buf_printf(json, "{'inMailbox': 'B%u'}", (unsigned)w->box[box]);
        for (size_t i = 1; i <= w->n; i++)
            match[i] = in_box(&w->email[i], box);
        return;
    case 2:
        make_keyword(w, json, match);
        return;
    case 3:
        make_number(w, json, match);
        return;
    case 4:
        make_other(w, json, match);
        return;
    case 5:
        buf_lit(json, "{}");
        for (size_t i = 1; i <= w->n; i++)
            match[i] = true;
        return;
    default:
        make_operator(w, depth, texts, json, match);
    }
}

/* --- Sorting, the long way --- */

struct comparator {
    unsigned kind, key;
    bool descending;
};
static const char *const sort_names[] = {"receivedAt",
                                         "sentAt",
                                         "size",
                                         "from",
                                         "to",
                                         "subject",
                                         "hasKeyword",
                                         "allInThreadHaveKeyword",
                                         "someInThreadHaveKeyword"};
enum { SORTS = sizeof sort_names / sizeof sort_names[0] };

static int order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static void subject_of(const struct email *e, char out[64])
{
    size_t n = 0;
    for (unsigned i = 0; i < WORDS; i++)
        if (e->word[SUBJECT] >> i & 1)
            n += (size_t)snprintf(out + n, 64 - n, "%s%s", n ? " " : "", words[i]);
    out[n] = 0;
}

static int compare_one(const struct world *w, const struct comparator *c, const struct email *a,
                       const struct email *b)
{
    char x[64], y[64];
    unsigned all_a, some_a, all_b, some_b;
    switch (c->kind) {
    case 0:
        return order(a->received, b->received);
    case 1:
        return order(a->sent, b->sent);
    case 2:
        return order((int64_t)a->size, (int64_t)b->size);
    case 3:
        return order(a->word[FROM], b->word[FROM]); /* the words ascend */
    case 4:
        return order(a->word[TO], b->word[TO]);
    case 5:
        subject_of(a, x);
        subject_of(b, y);
        return strcmp(x, y);
    case 6:
        return order(keys_of(a) >> c->key & 1, keys_of(b) >> c->key & 1);
    default:
        thread_keys(w, a->thread, &all_a, &some_a);
        thread_keys(w, b->thread, &all_b, &some_b);
        return c->kind == 7 ? order(all_a >> c->key & 1, all_b >> c->key & 1)
                            : order(some_a >> c->key & 1, some_b >> c->key & 1);
    }
}

static bool before(const struct world *w, const struct comparator *c, unsigned n, uint64_t x,
                   uint64_t y)
{
    const struct email *a = &w->email[x], *b = &w->email[y];
    for (unsigned i = 0; i < n; i++) {
        int r = compare_one(w, &c[i], a, b);
        if (r != 0)
            return c[i].descending ? r > 0 : r < 0;
    }
    /* Against the order of the view all that is equal stands against it too. */
    bool backwards = n == 1 && c[0].kind == 0 && !c[0].descending;
    bool first = a->received != b->received ? a->received > b->received : x > y;
    return first != backwards;
}

struct expected {
    uint64_t id[EMAILS_MAX];
    size_t n;
};

static void work_out(const struct world *w, const bool *match, const struct comparator *c,
                     unsigned n, bool collapse, struct expected *out)
{
    uint64_t list[EMAILS_MAX];
    size_t count = 0;
    for (size_t i = 1; i <= w->n; i++) {
        if (!match[i] || !exists(&w->email[i]))
            continue;
        size_t at = count++;
        for (; at > 0 && before(w, c, n, i, list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = i;
    }
    out->n = 0;
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t k = 0; k < out->n && collapse; k++)
            seen = seen || w->email[out->id[k]].thread == w->email[list[i]].thread;
        if (!seen)
            out->id[out->n++] = list[i];
    }
}

static unsigned make_sort(struct world *w, struct comparator *c, struct buf *json)
{
    unsigned n = pick(w, 3);
    buf_lit(json, "[");
    for (unsigned i = 0; i < n; i++) {
        c[i] = (struct comparator){pick(w, SORTS), pick(w, KEYS), pick(w, 2)};
        if (pick(w, 2))
            c[i].kind = 0;
        buf_printf(json, "%s{'property': '%s', 'isAscending': %s", i ? ", " : "",
                   sort_names[c[i].kind], c[i].descending ? "false" : "true");
        if (c[i].kind > 5)
            buf_printf(json, ", 'keyword': '%s'", keywords[c[i].key]);
        buf_byte(json, '}');
    }
    buf_lit(json, "]");
    if (n == 0) /* newest first */
        c[0] = (struct comparator){0, 0, true};
    return n ? n : 1;
}

/* --- Queries --- */

static uint64_t number_of(const json_t *id)
{
    return strtoull(json_string_value(id) + 1, NULL, 10);
}

static json_t *call(struct world *w, const char *method, struct buf *args)
{
    buf_byte(args, 0);
    return jmap_fixture_call(w->f, method, (const char *)args->p);
}

static void compare_window(const struct expected *all, size_t from, size_t limit,
                           const json_t *answer, const char *asked)
{
    const json_t *ids = json_object_get(answer, "ids");
    size_t n = from < all->n ? all->n - from : 0;
    n = n < limit ? n : limit;
    bool same = json_array_size(ids) == n;
    for (size_t i = 0; i < n && same; i++)
        same = number_of(json_array_get(ids, i)) == all->id[from + i];
    if (!same)
        fail_msg("%s\ngot %s", asked, json_dumps(answer, 0));
}

struct asked {
    struct buf json; /* filter, sort and collapseThreads */
    bool match[EMAILS_MAX + 1];
    struct comparator sort[4];
    unsigned n_sort;
    bool collapse;
};

static void ask(struct world *w, bool texts, struct asked *q)
{
    buf_init(&q->json, 65536);
    buf_lit(&q->json, "{'accountId': 'A1', 'filter': ");
    make_filter(w, 3, texts, &q->json, q->match);
    buf_lit(&q->json, ", 'sort': ");
    q->n_sort = make_sort(w, q->sort, &q->json);
    q->collapse = pick(w, 2);
    buf_printf(&q->json, ", 'collapseThreads': %s", q->collapse ? "true" : "false");
}

static void check_windows(struct world *w, const struct asked *q, const struct expected *all)
{
    unsigned limit = pick(w, 20), position = pick(w, (unsigned)all->n + 3);
    bool total = pick(w, 2), negative = pick(w, 4) == 0;
    autobuf args = BUF_INIT(65536);
    buf_add(&args, buf_slice(&q->json));
    buf_printf(&args, ", 'position': %s%u, 'limit': %u, 'calculateTotal': %s}", negative ? "-" : "",
               position, limit, total ? "true" : "false");
    json_t *answer = call(w, "Email/query", &args);
    size_t from = negative && position > 0 ? (position < all->n ? all->n - position : 0) : position;
    compare_window(all, from, limit, answer, (const char *)args.p);
    if (total)
        assert_int_equal(json_integer_value(json_object_get(answer, "total")), all->n);
    else
        assert_null(json_object_get(answer, "total"));
    json_decref(answer);
    if (all->n == 0)
        return;
    size_t at = pick(w, (unsigned)all->n);
    int offset = (int)pick(w, 7) - 3;
    buf_reset(&args);
    buf_add(&args, buf_slice(&q->json));
    buf_printf(&args, ", 'anchor': 'M%llu', 'anchorOffset': %d, 'limit': %u}",
               (unsigned long long)all->id[at], offset, limit);
    answer = call(w, "Email/query", &args);
    from = offset < 0 && (size_t)-offset > at ? 0 : at + (size_t)offset;
    compare_window(all, from, limit, answer, (const char *)args.p);
    json_decref(answer);
}

static void test_queries(void **state)
{
    struct world *w = *state;
    struct expected all;
    size_t results = 0;
    for (int i = 0; i < 300; i++) {
        struct asked q;
        ask(w, true, &q);
        work_out(w, q.match, q.sort, q.n_sort, q.collapse, &all);
        autobuf args = BUF_INIT(65536);
        buf_add(&args, buf_slice(&q.json));
        buf_byte(&args, '}');
        json_t *answer = call(w, "Email/query", &args);
        compare_window(&all, 0, SIZE_MAX, answer, (const char *)args.p);
        json_decref(answer);
        check_windows(w, &q, &all);
        results += all.n;
        buf_free(&q.json);
    }
    assert_true(results > 1000); /* it is not all about nothing */
}

/* --- Changes --- */

/* RFC 8620 5.6: what a client does with an answer. */
static void apply(struct expected *list, const json_t *answer)
{
    const json_t *removed = json_object_get(answer, "removed");
    const json_t *added = json_object_get(answer, "added");
    for (size_t i = 0; i < json_array_size(removed); i++)
        for (size_t k = 0; k < list->n; k++)
            if (list->id[k] == number_of(json_array_get(removed, i))) {
                memmove(&list->id[k], &list->id[k + 1], (list->n - k - 1) * sizeof list->id[0]);
                list->n--;
                break;
            }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *item = json_array_get(added, i);
        size_t at = (size_t)json_integer_value(json_object_get(item, "index"));
        assert_true(at <= list->n);
        memmove(&list->id[at + 1], &list->id[at], (list->n - at) * sizeof list->id[0]);
        list->id[at] = number_of(json_object_get(item, "id"));
        list->n++;
    }
}

static void test_query_changes(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        struct asked q;
        struct expected had = {.n = 0};
        autobuf args = BUF_INIT(65536);
        ask(w, false, &q);
        buf_add(&args, buf_slice(&q.json));
        buf_byte(&args, '}');
        json_t *old = call(w, "Email/query", &args);
        const json_t *ids = json_object_get(old, "ids");
        for (size_t k = 0; k < json_array_size(ids); k++)
            had.id[had.n++] = number_of(json_array_get(ids, k));
        for (unsigned k = pick(w, 6); k > 0; k--)
            change_something(w);
        json_t *now = call(w, "Email/query", &args);
        buf_reset(&args);
        buf_add(&args, buf_slice(&q.json));
        buf_printf(&args, ", 'sinceQueryState': '%s', 'calculateTotal': true}",
                   json_string_value(json_object_get(old, "queryState")));
        json_t *changes = call(w, "Email/queryChanges", &args);
        apply(&had, changes);
        compare_window(&had, 0, SIZE_MAX, now, (const char *)args.p);
        assert_int_equal(json_integer_value(json_object_get(changes, "total")), had.n);
        json_decref(old);
        json_decref(now);
        json_decref(changes);
        buf_free(&q.json);
    }
}

static bool has_id(const json_t *answer, const char *list, size_t number)
{
    const json_t *ids = json_object_get(answer, list);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (number_of(json_array_get(ids, i)) == number)
            return true;
    return false;
}

/* What Email/get would show differently: the mailboxes and keywords. */
static unsigned shown(const struct email *e)
{
    unsigned s = keys_of(e);
    for (unsigned b = 0; b < BOXES; b++)
        s |= in_box(e, b) ? 256u << b : 0;
    return s;
}

static void test_changes(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        unsigned was[EMAILS_MAX + 1] = {0};
        size_t had = w->n;
        autobuf args = BUF_INIT(4096);
        json_t *state_answer =
            jmap_fixture_call(w->f, "Email/get", "{'accountId': 'A1', 'ids': []}");
        for (size_t k = 1; k <= w->n; k++)
            was[k] = exists(&w->email[k]) ? shown(&w->email[k]) : 0;
        for (unsigned k = pick(w, 8); k > 0; k--)
            change_something(w);
        buf_printf(&args, "{'accountId': 'A1', 'sinceState': '%s'}",
                   json_string_value(json_object_get(state_answer, "state")));
        json_t *answer = call(w, "Email/changes", &args);
        for (size_t k = 1; k <= w->n; k++) {
            bool there = exists(&w->email[k]);
            if (k > had)
                assert_true(!there || has_id(answer, "created", k));
            else if (was[k] != 0 && !there)
                assert_true(has_id(answer, "destroyed", k));
            else if (was[k] == 0 && there)
                assert_true(has_id(answer, "created", k));
            else if (there && was[k] != shown(&w->email[k]))
                assert_true(has_id(answer, "updated", k) || has_id(answer, "created", k));
            if (there)
                assert_false(has_id(answer, "destroyed", k));
        }
        json_decref(state_answer);
        json_decref(answer);
    }
}

static void test_too_many_changes(void **state)
{
    struct world *w = *state;
    autobuf args = BUF_INIT(4096);
    json_t *old = jmap_fixture_call(w->f, "Email/query", "{'accountId': 'A1'}");
    const char *was = json_string_value(json_object_get(old, "queryState"));
    add_email(w, 0);
    add_email(w, 0);
    buf_printf(&args, "{'accountId': 'A1', 'sinceState': '%s', 'maxChanges': 1}", was);
    buf_byte(&args, 0);
    jmap_expect_error(w->f, "Email/changes", (const char *)args.p, "cannotCalculateChanges");
    buf_reset(&args);
    buf_printf(&args, "{'accountId': 'A1', 'sinceQueryState': '%s', 'maxChanges': 1}", was);
    buf_byte(&args, 0);
    jmap_expect_error(w->f, "Email/queryChanges", (const char *)args.p, "tooManyChanges");
    buf_reset(&args);
    buf_printf(&args,
               "{'accountId': 'A1', 'sinceQueryState': '%s', 'filter': {'subject': 'alpha'}}", was);
    buf_byte(&args, 0);
    jmap_expect_error(w->f, "Email/queryChanges", (const char *)args.p, "cannotCalculateChanges");
    jmap_expect_error(w->f, "Email/changes", "{'accountId': 'A1', 'sinceState': 'x'}",
                      "cannotCalculateChanges");
    jmap_expect_error(w->f, "Email/changes",
                      "{'accountId': 'A1', 'sinceState': '0-0-0', 'maxChanges': 0}",
                      "invalidArguments");
    json_decref(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_queries, start, stop),
        cmocka_unit_test_setup_teardown(test_query_changes, start, stop),
        cmocka_unit_test_setup_teardown(test_changes, start, stop),
        cmocka_unit_test_setup_teardown(test_too_many_changes, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
