/* Mailbox/get and Mailbox/changes (RFC 8621 2). */
#include "jmap/mailbox.h"
#include <stdlib.h>

enum property {
    P_ID,
    P_NAME,
    P_PARENT,
    P_ROLE,
    P_SORT_ORDER,
    P_EMAILS,
    P_UNREAD_EMAILS,
    P_THREADS,
    P_UNREAD_THREADS,
    P_RIGHTS,
    P_SUBSCRIBED,
    P_COUNT,
};
static const char *const names[] = {
    "id",           "name",         "parentId",      "role",     "sortOrder",    "totalEmails",
    "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed", NULL,
};
#define BIT(p) (UINT64_C(1) << (p))
#define COUNTS (BIT(P_EMAILS) | BIT(P_UNREAD_EMAILS) | BIT(P_THREADS) | BIT(P_UNREAD_THREADS))

/* --- What a mailbox is to JMAP --- */

bool mailbox_list_get(struct jmap_call *c, const struct mailbox_list **out)
{
    /* The view first: a list that is newer than the state given is right, an older one is not. */
    if (jmap_view(c) == NULL)
        return false;
    enum error e = store_mailboxes(c->service->store, c->user->account.id, out);
    if (e != OK)
        jmap_fail_error(c, e);
    return e == OK;
}

struct slice mailbox_level(const struct mailbox *b)
{
    size_t slash = slice_rindex(b->name, '/');
    if (b->use == USE_INBOX)
        return SLICE("Inbox");
    return slash < b->name.n ? slice_from(b->name, slash + 1) : b->name;
}

const struct mailbox *mailbox_parent(const struct mailbox_list *l, const struct mailbox *b)
{
    size_t slash = slice_rindex(b->name, '/');
    return slash < b->name.n ? store_mailbox_named(l, slice_sub(b->name, 0, slash)) : NULL;
}

const struct mailbox *mailbox_of_id(const struct mailbox_list *l, struct slice id)
{
    uint64_t number;
    if (jmap_id_parse(id, 'B', &number) != OK || number > UINT32_MAX)
        return NULL;
    return store_mailbox_by_id(l, (uint32_t)number);
}

static const struct {
    const char *role;
    uint32_t order;
} uses[] = {
    [USE_NONE] = {NULL, 10},
    [USE_INBOX] = {"inbox", 1},
    [USE_DRAFTS] = {"drafts", 2},
    [USE_SENT] = {"sent", 3},
    [USE_JUNK] = {"junk", 5},
    [USE_TRASH] = {"trash", 6},
    [USE_ARCHIVE] = {"archive", 4},
    [USE_FLAGGED] = {"flagged", 7},
    [USE_IMPORTANT] = {"important", 8},
};

const char *mailbox_role(enum special_use use)
{
    return uses[use].role;
}

uint32_t mailbox_sort_order(const struct mailbox *b)
{
    return uses[b->use].order;
}

void mailbox_rights(const struct mailbox *b, struct json_writer *w)
{
    static const char *const rights[] = {
        "mayReadItems",   "mayAddItems",    "mayRemoveItems", "maySetSeen",
        "maySetKeywords", "mayCreateChild", "maySubmit",      NULL};
    bool inbox = b != NULL && b->use == USE_INBOX;
    jw_object(w);
    for (size_t i = 0; rights[i] != NULL; i++) {
        jw_key(w, rights[i]);
        jw_bool(w, true);
    }
    jw_key(w, "mayRename");
    jw_bool(w, !inbox);
    jw_key(w, "mayDelete");
    jw_bool(w, !inbox);
    jw_end(w);
}

/* --- Mailbox/get --- */

static void put_counts(struct json_writer *w, const struct view_counts *n, uint64_t asked)
{
    const uint32_t count[] = {n->emails, n->unread_emails, n->threads, n->unread_threads};
    for (unsigned i = 0; i < 4; i++)
        if (asked & BIT(P_EMAILS + i)) {
            jw_key(w, names[P_EMAILS + i]);
            jw_uint(w, count[i]);
        }
}

static void put_parent(struct json_writer *w, const struct mailbox *parent)
{
    jw_key(w, names[P_PARENT]);
    if (parent != NULL)
        jmap_id_write(w, 'B', parent->id);
    else
        jw_null(w);
}

static void put_role(struct json_writer *w, const struct mailbox *b)
{
    jw_key(w, names[P_ROLE]);
    if (mailbox_role(b->use) != NULL)
        jw_str(w, mailbox_role(b->use));
    else
        jw_null(w);
}

static void put_mailbox(struct jmap_call *c, const struct mailbox_list *l, const struct mailbox *b,
                        uint64_t asked)
{
    struct json_writer *w = c->out;
    jw_object(w);
    jw_key(w, names[P_ID]);
    jmap_id_write(w, 'B', b->id);
    if (asked & BIT(P_NAME)) {
        jw_key(w, names[P_NAME]);
        jw_text(w, mailbox_level(b));
    }
    if (asked & BIT(P_PARENT))
        put_parent(w, mailbox_parent(l, b));
    if (asked & BIT(P_ROLE))
        put_role(w, b);
    if (asked & BIT(P_SORT_ORDER)) {
        jw_key(w, names[P_SORT_ORDER]);
        jw_uint(w, mailbox_sort_order(b));
    }
    if (asked & COUNTS) {
        struct view_counts n = view_counts(jmap_view(c), b->id);
        put_counts(w, &n, asked);
    }
    if (asked & BIT(P_RIGHTS)) {
        jw_key(w, names[P_RIGHTS]);
        mailbox_rights(b, w);
    }
    if (asked & BIT(P_SUBSCRIBED)) {
        jw_key(w, names[P_SUBSCRIBED]);
        jw_bool(w, b->subscribed);
    }
    jw_end(w);
}

static void write_get(struct jmap_call *c, const struct mailbox_list *l, const struct jmap_ids *ids,
                      uint64_t asked)
{
    struct view_state state = view_state(jmap_view(c));
    struct slice *missing = arena_array(c->arena, ids->n + 1, sizeof *missing);
    size_t n = 0;
    if (missing == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "state");
    jmap_state_write(c->out, &state);
    jw_key(c->out, "list");
    jw_array(c->out);
    if (ids->id == NULL)
        for (size_t i = 0; i < l->n; i++)
            put_mailbox(c, l, &l->box[i], asked);
    for (size_t i = 0; i < ids->n; i++) {
        const struct mailbox *b = mailbox_of_id(l, ids->id[i]);
        if (b != NULL)
            put_mailbox(c, l, b, asked);
        else
            missing[n++] = ids->id[i];
    }
    jw_end(c->out);
    jmap_not_found(c, missing, n);
    jw_end(c->out);
}

static void mailbox_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    struct jmap_ids ids;
    const struct mailbox_list *l;
    uint64_t asked;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, BIT(P_COUNT) - 1, &asked) || !mailbox_list_get(c, &l))
        return;
    write_get(c, l, &ids, asked);
    store_mailboxes_unref(l);
}

/* --- Mailbox/changes --- */

struct place {
    uint32_t id;
    size_t at; /* in the list */
};
struct changes {
    struct view_state since, now;
    bool *touched;        /* for each mailbox: its counts of threads may have changed */
    struct place *places; /* by id */
    const uint32_t *gone;
    size_t n_gone;
};

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct place *)a)->id, y = ((const struct place *)b)->id;
    return (x > y) - (x < y);
}

static bool make_places(struct arena *a, const struct mailbox_list *l, struct changes *ch)
{
    ch->touched = arena_array(a, l->n + 1, sizeof *ch->touched);
    ch->places = arena_array(a, l->n + 1, sizeof *ch->places);
    if (ch->touched == NULL || ch->places == NULL)
        return false;
    for (size_t i = 0; i < l->n; i++)
        ch->places[i] = (struct place){l->box[i].id, i};
    qsort(ch->places, l->n, sizeof *ch->places, by_id);
    return true;
}

/* A thread's emails lie in several mailboxes: reading one of them changes the counts of all. */
static void touch_thread(struct changes *ch, const struct view *v, const struct mailbox_list *l,
                         uint64_t thread)
{
    size_t n, all;
    const uint32_t *at = view_thread(v, thread, &n);
    const struct view_message *m = view_messages(v, &all);
    for (size_t i = 0; i < n; i++) {
        const struct place key = {m[at[i]].mailbox, 0};
        const struct place *p = bsearch(&key, ch->places, l->n, sizeof key, by_id);
        if (p != NULL)
            ch->touched[p->at] = true;
    }
}

static bool find_changes(struct jmap_call *c, const struct mailbox_list *l, struct changes *ch)
{
    struct view *v = jmap_view(c);
    struct email_change *emails;
    uint32_t *gone;
    size_t n_emails;
    enum error e = make_places(c->arena, l, ch) ? OK : ERR_LIMIT;
    if (e == OK)
        e = store_mailboxes_gone(c->service->store, c->user->account.id, ch->since.modseq, c->arena,
                                 &gone, &ch->n_gone);
    if (e == OK)
        e = store_email_changes(c->service->store, v, ch->since.modseq, c->arena, &emails,
                                &n_emails);
    if (e == ERR_AGAIN)
        jmap_fail(c, "cannotCalculateChanges", NULL);
    else if (e != OK)
        jmap_fail_error(c, e);
    if (e != OK)
        return false;
    ch->gone = gone;
    uint64_t last = 0;
    for (size_t i = 0; i < n_emails; i++) {
        if (i == 0 || emails[i].thread != last)
            touch_thread(ch, v, l, emails[i].thread);
        last = emails[i].thread;
    }
    return true;
}

/* What came after the state that the answer has is told the next time. */
static bool is_created(const struct changes *ch, const struct mailbox *b)
{
    return b->id >= ch->since.next_mailbox && b->id < ch->now.next_mailbox;
}

static bool is_updated(const struct changes *ch, const struct mailbox_list *l,
                       const struct mailbox *b)
{
    return b->id < ch->since.next_mailbox &&
           (b->modseq > ch->since.modseq || ch->touched[b - l->box]);
}

static size_t count_changes(const struct changes *ch, const struct mailbox_list *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += is_created(ch, &l->box[i]) || is_updated(ch, l, &l->box[i]);
    for (size_t i = 0; i < ch->n_gone; i++)
        n += ch->gone[i] < ch->since.next_mailbox;
    return n;
}

static void write_changes(struct jmap_call *c, const struct mailbox_list *l,
                          const struct changes *ch)
{
    struct json_writer *w = c->out;
    jmap_answer(c);
    jw_key(w, "oldState");
    jmap_state_write(w, &ch->since);
    jw_key(w, "newState");
    jmap_state_write(w, &ch->now);
    jw_key(w, "hasMoreChanges");
    jw_bool(w, false);
    jw_key(w, "created");
    jw_array(w);
    for (size_t i = 0; i < l->n; i++)
        if (is_created(ch, &l->box[i]))
            jmap_id_write(w, 'B', l->box[i].id);
    jw_end(w);
    jw_key(w, "updated");
    jw_array(w);
    bool only_counts = true;
    size_t updated = 0;
    for (size_t i = 0; i < l->n; i++)
        if (is_updated(ch, l, &l->box[i])) {
            jmap_id_write(w, 'B', l->box[i].id);
            only_counts = only_counts && l->box[i].shaped <= ch->since.modseq;
            updated++;
        }
    jw_end(w);
    jw_key(w, "destroyed");
    jw_array(w);
    for (size_t i = 0; i < ch->n_gone; i++)
        if (ch->gone[i] < ch->since.next_mailbox)
            jmap_id_write(w, 'B', ch->gone[i]);
    jw_end(w);
    jw_key(w, "updatedProperties");
    if (updated == 0 || !only_counts) {
        jw_null(w);
    } else {
        jw_array(w);
        for (unsigned i = 0; i < 4; i++)
            jw_str(w, names[P_EMAILS + i]);
        jw_end(w);
    }
    jw_end(w);
}

static void mailbox_changes(struct jmap_call *c)
{
    static const char *const known[] = {"sinceState", "maxChanges", NULL};
    const struct mailbox_list *l;
    struct changes ch = {0};
    uint64_t most = UINT64_MAX;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &most) ||
        !mailbox_list_get(c, &l))
        return;
    ch.now = view_state(jmap_view(c));
    if (jmap_since(c, "sinceState", &ch.now, &ch.since) && find_changes(c, l, &ch)) {
        if (count_changes(&ch, l) > most)
            jmap_fail(c, "cannotCalculateChanges", "more than maxChanges");
        else
            write_changes(c, l, &ch);
    }
    store_mailboxes_unref(l);
}

const struct jmap_method jmap_mailbox_methods[] = {
    {"Mailbox/get", CAPABILITY_MAIL, mailbox_get},
    {"Mailbox/changes", CAPABILITY_MAIL, mailbox_changes},
    {"Mailbox/query", CAPABILITY_MAIL, jmap_mailbox_query},
    {"Mailbox/queryChanges", CAPABILITY_MAIL, jmap_mailbox_query_changes},
    {"Mailbox/set", CAPABILITY_MAIL, jmap_mailbox_set},
    {NULL, NULL, NULL},
};
