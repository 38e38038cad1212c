/* LIST and LSUB. The account's mailboxes and the subscribed names without one are sorted into one
 * array; a pass marks what matches, a second what lies above something that was asked for, a third
 * writes. */
#include "imap/list_parse.h"
#include "imap/list_pattern.h"
#include "imap/respond.h"
#include "imap/special_use.h"
#include "imap/status.h"

struct entry {
    struct slice name;
    const struct mailbox *box; /* NULL: a subscribed name without a mailbox */
    bool subscribed;
    bool matches, wanted; /* the patterns; the selection options */
    bool has_children;
    bool child_info; /* something wanted lies below that the patterns do not match */
    uint64_t ancestors;
};

struct listing {
    struct imap_session *s;
    const struct list_args *args;
    struct list_pattern pattern[LIMIT_IMAP_LIST_PATTERNS];
    struct entry *entry;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = n ? memcmp(x->name.p, y->name.p, n) : 0;
    if (order)
        return order;
    return x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

static struct entry *find_entry(struct listing *g, struct slice name)
{
    struct entry key = {.name = name};
    return g->n ? bsearch(&key, g->entry, g->n, sizeof key, by_name) : NULL;
}

static enum error make_patterns(struct listing *g)
{
    const struct list_args *a = g->args;
    for (size_t i = 0; i < a->n; i++) {
        struct slice whole = a->pattern[i];
        if (a->reference.n && !slice_starts(whole, SLICE("/")))
            whole =
                arena_printf(&g->s->arena, "%.*s%.*s", SLICE_FMT(a->reference), SLICE_FMT(whole));
        enum error e = list_pattern_make(&g->s->arena, whole, &g->pattern[i]);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum error make_entries(struct listing *g, const struct mailbox_list *list)
{
    struct imap_session *s = g->s;
    struct slice *missing = NULL;
    size_t n_missing = 0;
    if (g->args->subscribed) {
        enum error e = store_subscribed_missing(s->service->store, s->account, &s->arena, &missing,
                                                &n_missing);
        if (e != OK)
            return e;
    }
    g->entry = arena_array(&s->arena, list->n + n_missing, sizeof *g->entry);
    if (!g->entry)
        return ERR_LIMIT;
    for (size_t i = 0; i < list->n; i++)
        g->entry[g->n++] = (struct entry){
            .name = list->box[i].name, .box = &list->box[i], .subscribed = list->box[i].subscribed};
    for (size_t i = 0; i < n_missing; i++)
        g->entry[g->n++] = (struct entry){.name = missing[i], .subscribed = true};
    if (g->n)
        qsort(g->entry, g->n, sizeof *g->entry, by_name);
    return OK;
}

static void mark(struct listing *g)
{
    const struct list_args *a = g->args;
    for (size_t i = 0; i < g->n; i++) {
        struct entry *e = &g->entry[i];
        for (size_t k = 0; k < a->n; k++) {
            uint64_t ancestors;
            e->matches |= list_pattern_match(&g->pattern[k], e->name, &ancestors);
            e->ancestors |= ancestors;
        }
        e->wanted = (!a->subscribed || e->subscribed) && (a->subscribed || e->box) &&
                    (!a->special_use || (e->box && special_use_name(e->box->use).n));
        size_t slash = slice_rindex(e->name, '/');
        struct entry *parent =
            e->box && slash < e->name.n ? find_entry(g, slice_sub(e->name, 0, slash)) : NULL;
        if (parent)
            parent->has_children = true;
    }
}

static void write_line(struct listing *g, struct slice attributes, struct slice name,
                       bool child_info)
{
    struct imap_session *s = g->s;
    const struct list_args *a = g->args;
    imap_write(s, a->lsub ? SLICE("* LSUB (") : SLICE("* LIST ("));
    imap_write(s, attributes);
    imap_lit(s, ") \"/\" ");
    imap_mailbox_name(s, name);
    if (child_info && !a->lsub) {
        imap_lit(s, " (\"CHILDINFO\" (");
        if (a->subscribed)
            imap_lit(s, "\"SUBSCRIBED\"");
        if (a->special_use)
            imap_write(s, a->subscribed ? SLICE(" \"SPECIAL-USE\"") : SLICE("\"SPECIAL-USE\""));
        imap_lit(s, "))");
    }
    imap_lit(s, "\r\n");
}

/* RECURSIVEMATCH and LSUB: what is wanted but not matched shows in the nearest above it that is
 * matched. Above a name without a mailbox there may be no entry: such a one is written here, once,
 * as names below it stand together in the order. */
static void mark_above(struct listing *g)
{
    struct slice before = SLICE_NONE;
    for (size_t i = 0; i < g->n; i++) {
        struct entry *e = &g->entry[i];
        if (!e->wanted || e->matches || !e->ancestors)
            continue;
        size_t level = 0;
        for (size_t at = 0; at < e->name.n && level < 64; at++) {
            if (e->name.p[at] != '/')
                continue;
            if (e->ancestors >> level++ & 1) {
                struct slice above = slice_sub(e->name, 0, at);
                struct entry *known = find_entry(g, above);
                if (known)
                    known->child_info = true;
                else if (!slice_starts(before, slice_sub(e->name, 0, at + 1)))
                    write_line(g, g->args->lsub ? SLICE("\\Noselect") : SLICE("\\NonExistent"),
                               above, true);
            }
        }
        before = e->name;
    }
}

static void write_entry(struct listing *g, const struct entry *e)
{
    const struct list_args *a = g->args;
    struct slice text;
    if (a->lsub && !e->wanted) {
        text = SLICE("\\Noselect");
    } else {
        struct slice use = e->box ? special_use_name(e->box->use) : SLICE("");
        bool subscribed = e->subscribed && (a->subscribed || a->return_subscribed) && !a->lsub;
        text =
            arena_printf(&g->s->arena, "%s%s%s%s%.*s", !e->box && !a->lsub ? "\\NonExistent " : "",
                         e->has_children ? "\\HasChildren" : "\\HasNoChildren",
                         subscribed ? " \\Subscribed" : "", use.n ? " " : "", SLICE_FMT(use));
    }
    write_line(g, text, e->name, e->child_info);
    if (a->status_items && e->box)
        status_write(g->s, e->box, a->status_items);
}

static void write_all(struct listing *g)
{
    if (g->args->recursive)
        mark_above(g);
    for (size_t i = 0; i < g->n && !conn_broken(g->s->conn); i++) {
        const struct entry *e = &g->entry[i];
        if (e->matches && (e->wanted || e->child_info))
            write_entry(g, e);
    }
}

static void run_list(struct imap_session *s, void *args)
{
    const struct list_args *a = args;
    if (a->n == 1 && a->pattern[0].n == 0) {
        /* Asks for the hierarchy's separator and root. */
        imap_write(s, a->lsub ? SLICE("* LSUB (\\Noselect) \"/\" \"\"\r\n")
                              : SLICE("* LIST (\\Noselect) \"/\" \"\"\r\n"));
        imap_ok(s, "That is all");
        return;
    }
    struct listing *g = arena_new(&s->arena, struct listing);
    if (!g) {
        imap_error(s, ERR_LIMIT);
        return;
    }
    g->s = s;
    g->args = a;
    const struct mailbox_list *list;
    enum error e = store_mailboxes(s->service->store, s->account, &list);
    if (e != OK) {
        imap_error(s, e);
        return;
    }
    status_prepare(s, a->status_items);
    e = make_patterns(g);
    if (e == OK)
        e = make_entries(g, list);
    if (e == OK) {
        mark(g);
        write_all(g);
        imap_ok(s, "That is all");
    } else {
        imap_error(s, e);
    }
    store_mailboxes_unref(list);
}

static const struct imap_command commands[] = {
    {"LIST", IMAP_LOGGED_IN, 0, list_parse, run_list},
    {"LSUB", IMAP_LOGGED_IN, 0, lsub_parse, run_list},
};
const struct imap_command_table imap_list_commands = {commands,
                                                      sizeof commands / sizeof commands[0]};
