/* Mailbox/query and Mailbox/queryChanges (RFC 8621 2.3, 2.4). */
#include "base/utf8.h"
#include "jmap/mailbox.h"
#include "jmap/window.h"
#include <stdlib.h>

/* --- Filters --- */

enum operator{ OP_NONE, OP_AND, OP_OR, OP_NOT };

/* An operator with its children, or a condition: what it does not ask for is unset. */
struct node {
    enum operator op;
    struct node *child, *next;
    bool asks_parent, asks_role, asks_any_role, asks_subscribed;
    const struct mailbox *parent; /* NULL: at the top */
    bool nowhere;                 /* a parent that does not exist */
    struct slice name;            /* in the form for searches; p is NULL: not asked */
    const char *role;             /* NULL: none */
    bool any_role, subscribed;
};

/* A mailbox in a query. */
struct row {
    const struct mailbox *box;
    struct row *parent;
    struct slice name; /* in the form for searches */
    unsigned level;
    bool match;
};

struct query {
    struct jmap_call *c;
    const struct mailbox_list *l;
    struct node *filter;
    size_t nodes;
    struct row *row; /* in the order of the list */
    bool sort_tree, filter_tree;
    struct comparator {
        enum { BY_ORDER, BY_NAME, BY_PARENT } by;
        bool descending;
    } sort[4];
    size_t n_sort;
};

static struct slice search_form(struct arena *a, struct slice s)
{
    autobuf form = BUF_INIT(LIMIT_JMAP_REQUEST);
    utf8_search_form(s, &form);
    struct slice out = arena_dup(a, buf_slice(&form));
    return out.p != NULL ? out : SLICE("");
}

static bool bad_filter(struct query *q, const char *why)
{
    jmap_fail(q->c, "unsupportedFilter", why);
    return false;
}

static bool read_parent(struct query *q, struct node *n, const json_t *v)
{
    struct slice id = jmap_string(v);
    n->asks_parent = true;
    if (json_is_null(v))
        return true;
    if (id.p == NULL)
        return bad_filter(q, "parentId must be an id or null");
    n->parent = mailbox_of_id(q->l, jmap_id_resolve(q->c, id));
    n->nowhere = n->parent == NULL;
    return true;
}

static bool read_role(struct query *q, struct node *n, const json_t *v)
{
    if (!json_is_null(v) && !json_is_string(v))
        return bad_filter(q, "role must be a string or null");
    n->asks_role = true;
    n->role = json_string_value(v);
    return true;
}

static bool read_condition(struct query *q, struct node *n, json_t *object)
{
    const char *key;
    json_t *v;
    json_object_foreach(object, key, v)
    {
        bool good;
        if (strcmp(key, "parentId") == 0) {
            good = read_parent(q, n, v);
        } else if (strcmp(key, "role") == 0) {
            good = read_role(q, n, v);
        } else if (strcmp(key, "name") == 0) {
            good = json_is_string(v) || bad_filter(q, "name must be a string");
            if (good)
                n->name = search_form(q->c->arena, jmap_string(v));
        } else if (strcmp(key, "hasAnyRole") == 0) {
            n->asks_any_role = true;
            n->any_role = json_is_true(v);
            good = json_is_boolean(v) || bad_filter(q, "hasAnyRole must be true or false");
        } else if (strcmp(key, "isSubscribed") == 0) {
            n->asks_subscribed = true;
            n->subscribed = json_is_true(v);
            good = json_is_boolean(v) || bad_filter(q, "isSubscribed must be true or false");
        } else {
            good = bad_filter(q, "a condition is not known");
        }
        if (!good)
            return false;
    }
    return true;
}

static bool read_operator(struct query *q, struct node *n, json_t *object)
{
    static const struct slice operators[] = {
        [OP_AND] = SLICE_INIT("AND"), [OP_OR] = SLICE_INIT("OR"), [OP_NOT] = SLICE_INIT("NOT")};
    struct slice name = jmap_string(json_object_get(object, "operator"));
    if (!json_is_array(json_object_get(object, "conditions")) || json_object_size(object) != 2)
        return bad_filter(q, "an operator needs conditions");
    for (enum operator op = OP_AND; op <= OP_NOT; op++)
        if (slice_eq(name, operators[op]))
            n->op = op;
    return n->op != OP_NONE || bad_filter(q, "an operator is not known");
}

/* As deep as JSON may be. */
static struct node *read_filter(struct query *q, json_t *object)
{
    struct node *n = arena_new(q->c->arena, struct node), **end;
    json_t *v;
    size_t i;
    if (n == NULL || ++q->nodes > LIMIT_JMAP_FILTER || !json_is_object(object)) {
        (void)bad_filter(q, json_is_object(object) ? "too many conditions" : "it is no object");
        return NULL;
    }
    if (json_object_get(object, "operator") == NULL)
        return read_condition(q, n, object) ? n : NULL;
    if (!read_operator(q, n, object))
        return NULL;
    end = &n->child;
    json_array_foreach(json_object_get(object, "conditions"), i, v)
    {
        *end = read_filter(q, v);
        if (*end == NULL)
            return NULL;
        end = &(*end)->next;
    }
    return n;
}

static bool condition_holds(const struct query *q, const struct node *n, const struct row *r)
{
    const char *role = mailbox_role(r->box->use);
    if (n->asks_parent && (n->nowhere || n->parent != (r->parent != NULL ? r->parent->box : NULL)))
        return false;
    if (n->asks_role &&
        ((n->role == NULL) != (role == NULL) || (role != NULL && strcmp(role, n->role) != 0)))
        return false;
    if (n->name.p != NULL && n->name.n > 0 && slice_find(r->name, n->name) >= r->name.n)
        return false;
    return (!n->asks_any_role || n->any_role == (role != NULL)) &&
           (!n->asks_subscribed || n->subscribed == r->box->subscribed);
}

static bool holds(const struct query *q, const struct node *n, const struct row *r)
{
    if (n->op == OP_NONE)
        return condition_holds(q, n, r);
    for (const struct node *k = n->child; k != NULL; k = k->next) {
        bool one = holds(q, k, r);
        if (n->op == OP_AND && !one)
            return false;
        if (n->op != OP_AND && one)
            return n->op == OP_OR;
    }
    return n->op != OP_OR;
}

/* --- Sorting --- */

static bool read_sort(struct query *q)
{
    json_t *sort = json_object_get(q->c->args, "sort"), *v;
    size_t i;
    if (sort == NULL || json_is_null(sort))
        return true;
    if (!json_is_array(sort)) {
        jmap_fail(q->c, "invalidArguments", "sort must be an array");
        return false;
    }
    json_array_foreach(sort, i, v)
    {
        struct slice by = jmap_string(json_object_get(v, "property"));
        json_t *ascending = json_object_get(v, "isAscending");
        struct comparator *k = &q->sort[q->n_sort];
        struct slice collation = jmap_string(json_object_get(v, "collation"));
        bool known = slice_eq(by, SLICE("sortOrder")) || slice_eq(by, SLICE("name")) ||
                     slice_eq(by, SLICE("parentId"));
        /* Both collations are one here: names are compared as they are searched. */
        if (collation.p != NULL && !slice_eq(collation, SLICE("i;ascii-casemap")) &&
            !slice_eq(collation, SLICE("i;unicode-casemap")))
            known = false;
        if (!known || q->n_sort == sizeof q->sort / sizeof q->sort[0] ||
            (ascending != NULL && !json_is_boolean(ascending))) {
            jmap_fail(q->c, "unsupportedSort", "sortOrder, name and parentId, or the collation");
            return false;
        }
        k->by = slice_eq(by, SLICE("name"))       ? BY_NAME
                : slice_eq(by, SLICE("parentId")) ? BY_PARENT
                                                  : BY_ORDER;
        k->descending = ascending != NULL && !json_is_true(ascending);
        q->n_sort++;
    }
    return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_plainly(const struct query *q, const struct row *a, const struct row *b)
{
    for (size_t i = 0; i < q->n_sort; i++) {
        int r = 0;
        if (q->sort[i].by == BY_ORDER)
            r = compare_numbers(mailbox_sort_order(a->box), mailbox_sort_order(b->box));
        else if (q->sort[i].by == BY_PARENT)
            r = compare_numbers(a->parent != NULL ? a->parent->box->id : 0,
                                b->parent != NULL ? b->parent->box->id : 0);
        else if ((r = slice_cmp(a->name, b->name)) == 0)
            r = slice_cmp(mailbox_level(a->box), mailbox_level(b->box));
        if (r != 0)
            return q->sort[i].descending ? -r : r;
    }
    return compare_numbers(a->box->id, b->box->id);
}

/* RFC 8621 2.3: superiors first, others by their superiors that have the same parent. */
static int compare_as_tree(const struct query *q, const struct row *a, const struct row *b)
{
    const struct row *x = a, *y = b;
    while (x->level > y->level)
        x = x->parent;
    while (y->level > x->level)
        y = y->parent;
    if (x == y)
        return compare_numbers(a->level, b->level);
    while (x->parent != y->parent) {
        x = x->parent;
        y = y->parent;
    }
    return compare_plainly(q, x, y);
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct query *q = arg;
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    return q->sort_tree ? compare_as_tree(q, x, y) : compare_plainly(q, x, y);
}

/* --- Running --- */

/* The list is sorted by name: superiors stand before what is below them. */
static bool make_rows(struct query *q)
{
    struct arena *a = q->c->arena;
    q->row = arena_array(a, q->l->n + 1, sizeof *q->row);
    if (q->row == NULL)
        return false;
    for (size_t i = 0; i < q->l->n; i++) {
        struct row *r = &q->row[i];
        r->box = &q->l->box[i];
        const struct mailbox *parent = mailbox_parent(q->l, r->box);
        r->parent = parent != NULL ? &q->row[parent - q->l->box] : NULL;
        r->level = r->parent != NULL ? r->parent->level + 1 : 0;
        r->name = search_form(a, mailbox_level(r->box));
    }
    return !a->failed;
}

/* The results in their order, in the call's arena. */
static const struct row **run(struct query *q, size_t *n)
{
    const struct row **out = arena_array(q->c->arena, q->l->n + 1, sizeof *out);
    size_t k = 0;
    if (out == NULL) {
        jmap_fail_error(q->c, ERR_LIMIT);
        return NULL;
    }
    for (size_t i = 0; i < q->l->n; i++) {
        struct row *r = &q->row[i];
        r->match = q->filter == NULL || holds(q, q->filter, r);
        if (q->filter_tree && r->parent != NULL && !r->parent->match)
            r->match = false;
        if (r->match)
            out[k++] = r;
    }
    qsort_r(out, k, sizeof *out, compare, q);
    *n = k;
    return out;
}

/* Reads filter and sort and prepares the rows; the list stays the caller's. */
static bool begin(struct query *q, struct jmap_call *c, const struct mailbox_list *l)
{
    *q = (struct query){.c = c, .l = l};
    json_t *filter = json_object_get(c->args, "filter");
    if (!jmap_arg_bool(c, "sortAsTree", &q->sort_tree) ||
        !jmap_arg_bool(c, "filterAsTree", &q->filter_tree) || !read_sort(q))
        return false;
    if (filter != NULL && !json_is_null(filter) && (q->filter = read_filter(q, filter)) == NULL)
        return false;
    if (!make_rows(q))
        jmap_fail_error(c, ERR_LIMIT);
    return c->failed == NULL;
}

static void query(struct jmap_call *c, const struct mailbox_list *l, const struct jmap_window *w)
{
    struct query q;
    size_t n, from, count, anchor = SIZE_MAX;
    char state[JMAP_STATE_TEXT];
    const struct row **found = begin(&q, c, l) ? run(&q, &n) : NULL;
    if (found == NULL)
        return;
    const struct mailbox *at = w->anchor.p != NULL ? mailbox_of_id(l, w->anchor) : NULL;
    for (size_t i = 0; i < n && at != NULL; i++)
        if (found[i]->box == at)
            anchor = i;
    if (!jmap_window_cut(c, w, n, anchor, &from, &count))
        return;
    struct view_state now = view_state(jmap_view(c));
    jmap_state_print(&now, state);
    jmap_window_answer(c, w, slice_str(state), true, from, n);
    jw_key(c->out, "ids");
    jw_array(c->out);
    for (size_t i = from; i < from + count; i++)
        jmap_id_write(c->out, 'B', found[i]->box->id);
    jw_end(c->out);
    jw_end(c->out);
}

void jmap_mailbox_query(struct jmap_call *c)
{
    static const char *const known[] = {"filter",       "sort",  "position",       "anchor",
                                        "anchorOffset", "limit", "calculateTotal", "sortAsTree",
                                        "filterAsTree", NULL};
    const struct mailbox_list *l;
    struct jmap_window w;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_window_read(c, &w) ||
        !mailbox_list_get(c, &l))
        return;
    query(c, l, &w);
    store_mailboxes_unref(l);
}

/* --- Changes --- */

struct query_changes {
    struct view_state since, now;
    bool total, all; /* all: a superior's change moves what is below it */
    const uint32_t *gone;
    size_t n_gone;
    uint64_t most;
};

static bool has_changed(const struct query_changes *ch, const struct mailbox *b)
{
    return ch->all || b->modseq > ch->since.modseq || b->id >= ch->since.next_mailbox;
}

/* Everything that changed is removed and, when it is (still) a result, put back where it stands
 * now: RFC 8620 5.6 allows to name more than was in the old results. */
static void write_query_changes(struct jmap_call *c, const struct mailbox_list *l,
                                const struct query_changes *ch, const struct row **found, size_t n)
{
    struct json_writer *w = c->out;
    size_t changes = ch->n_gone;
    for (size_t i = 0; i < l->n; i++)
        changes += has_changed(ch, &l->box[i]);
    if (changes > ch->most) {
        jmap_fail(c, "tooManyChanges", NULL);
        return;
    }
    jmap_answer(c);
    jw_key(w, "oldQueryState");
    jmap_state_write(w, &ch->since);
    jw_key(w, "newQueryState");
    jmap_state_write(w, &ch->now);
    if (ch->total) {
        jw_key(w, "total");
        jw_uint(w, n);
    }
    jw_key(w, "removed");
    jw_array(w);
    for (size_t i = 0; i < ch->n_gone; i++)
        jmap_id_write(w, 'B', ch->gone[i]);
    for (size_t i = 0; i < l->n; i++)
        if (has_changed(ch, &l->box[i]))
            jmap_id_write(w, 'B', l->box[i].id);
    jw_end(w);
    jw_key(w, "added");
    jw_array(w);
    for (size_t i = 0; i < n; i++)
        if (has_changed(ch, found[i]->box)) {
            jw_object(w);
            jw_key(w, "id");
            jmap_id_write(w, 'B', found[i]->box->id);
            jw_key(w, "index");
            jw_uint(w, i);
            jw_end(w);
        }
    jw_end(w);
    jw_end(w);
}

static void query_changes(struct jmap_call *c, const struct mailbox_list *l,
                          struct query_changes *ch)
{
    struct query q;
    size_t n = 0;
    uint32_t *gone;
    enum error e = store_mailboxes_gone(c->service->store, c->user->account.id, ch->since.modseq,
                                        c->arena, &gone, &ch->n_gone);
    if (e != OK) {
        if (e == ERR_AGAIN)
            jmap_fail(c, "cannotCalculateChanges", NULL);
        jmap_fail_error(c, e);
        return;
    }
    ch->gone = gone;
    const struct row **found = begin(&q, c, l) ? run(&q, &n) : NULL;
    if (found == NULL)
        return;
    bool any = ch->n_gone > 0;
    for (size_t i = 0; i < l->n; i++)
        any = any || has_changed(ch, &l->box[i]);
    ch->all = any && (q.sort_tree || q.filter_tree);
    write_query_changes(c, l, ch, found, n);
}

void jmap_mailbox_query_changes(struct jmap_call *c)
{
    static const char *const known[] = {"filter",     "sort",         "sinceQueryState",
                                        "maxChanges", "upToId",       "calculateTotal",
                                        "sortAsTree", "filterAsTree", NULL};
    const struct mailbox_list *l;
    struct query_changes ch = {.most = UINT64_MAX};
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &ch.most) ||
        !jmap_arg_bool(c, "calculateTotal", &ch.total) || !mailbox_list_get(c, &l))
        return;
    ch.now = view_state(jmap_view(c));
    if (jmap_since(c, "sinceQueryState", &ch.now, &ch.since))
        query_changes(c, l, &ch);
    store_mailboxes_unref(l);
}
