/* Email/query and Email/queryChanges (RFC 8621 4.4, 4.5; RFC 8620 5.5, 5.6). */
#include "base/mem.h"
#include "jmap/email_results.h"
#include "jmap/methods.h"
#include "jmap/window.h"

static void fail_search(struct jmap_call *c, enum error e)
{
    if (e == ERR_TIMEOUT)
        jmap_fail(c, "serverUnavailable",
                  "the search takes too long: narrow it to a folder, a "
                  "sender or a time");
    else
        jmap_fail_error(c, e);
}

/* --- Email/query --- */

/* Results are known up to the end of the window: no more are needed. */
static bool enough(void *arg, const struct email_results *r)
{
    const struct jmap_window *w = arg;
    int64_t start = w->position;
    if (w->anchor.p != NULL)
        start = (int64_t)r->anchor_at + w->anchor_offset;
    if ((w->anchor.p != NULL && !r->anchored) || (w->anchor.p == NULL && start < 0))
        return false;
    return r->n >= (start > 0 ? (uint64_t)start : 0) + w->limit;
}

/* RFC 8621 4.4: the mailbox's figures say how many there are. */
static bool total_of_mailbox(const struct email_query *q, size_t *total)
{
    if (!q->filter.only_box)
        return false;
    struct view_counts counts = view_counts(q->view, q->filter.mailbox);
    *total = q->collapse ? counts.threads : counts.emails;
    return true;
}

static void write_results(const struct email_query *q, const struct jmap_window *w,
                          const struct email_results *r, size_t total)
{
    struct jmap_call *c = q->c;
    struct view_state state = view_state(q->view);
    char text[JMAP_STATE_TEXT];
    size_t from, count;
    if (!jmap_window_cut(c, w, r->n, r->anchored ? r->anchor_at : SIZE_MAX, &from, &count))
        return;
    jmap_state_print(&state, text);
    jmap_window_answer(c, w, slice_str(text), q->filter.n_texts == 0, from, total);
    jw_key(c->out, "ids");
    jw_array(c->out);
    for (size_t i = from; i < from + count; i++)
        jmap_id_write(c->out, 'M', r->email[i]);
    jw_end(c->out);
    jw_end(c->out);
}

static void run_query(const struct email_query *q, struct jmap_window *w)
{
    struct email_results r = {0};
    size_t total = 0;
    /* What is no id is not among the results. */
    if (w->anchor.p != NULL && jmap_id_parse(w->anchor, 'M', &r.anchor) != OK) {
        jmap_fail(q->c, "anchorNotFound", NULL);
        return;
    }
    bool counted = w->total && total_of_mailbox(q, &total);
    enum error e = email_results_find(q, &r, !w->total || counted ? enough : NULL, w);
    if (e != OK)
        fail_search(q->c, e);
    else
        write_results(q, w, &r, counted ? total : r.n);
    email_results_free(&r);
}

static void email_query(struct jmap_call *c)
{
    static const char *const known[] = {
        "accountId",    "filter", "sort",           "position",        "anchor",
        "anchorOffset", "limit",  "calculateTotal", "collapseThreads", NULL};
    struct email_query q;
    struct jmap_window w;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_window_read(c, &w) ||
        !email_query_begin(c, &q))
        return;
    run_query(&q, &w);
    email_query_end(&q);
}

/* --- Email/queryChanges --- */

/* Emails whose presence or place in the results may have changed: each is named as removed, and
 * those that are in the results now as added, with their places. */
struct touched {
    struct number_set emails;
    uint64_t *removed; /* those that may have been in the old results */
    size_t n;
};

static void touch(struct touched *t, const struct view_state *since, uint64_t email)
{
    if (number_set_add(&t->emails, email) && email < since->next_email)
        t->removed[t->n++] = email;
}

/* With collapsed threads, or conditions about them, all emails of a thread are touched with one. */
static void touch_thread(struct touched *t, const struct view *v, const struct view_state *since,
                         uint64_t thread)
{
    size_t n, total;
    const uint32_t *position = view_thread(v, thread, &n);
    const struct view_message *m = view_messages(v, &total);
    for (size_t i = 0; i < n; i++)
        touch(t, since, m[position[i]].email);
}

static void touch_all(const struct email_query *q, const struct view_state *since,
                      const struct email_change *change, size_t n, struct touched *t)
{
    struct number_set threads = {0};
    bool immutable = email_query_immutable(q);
    for (size_t i = 0; i < n; i++) {
        if (immutable && change[i].kind == EMAIL_UPDATED)
            continue;
        touch(t, since, change[i].email);
        if (email_query_threads(q) && number_set_add(&threads, change[i].thread))
            touch_thread(t, q->view, since, change[i].thread);
    }
    number_set_free(&threads);
}

static void write_changes(const struct email_query *q, const struct view_state *since,
                          const struct touched *t, const struct email_results *r,
                          const uint64_t *total)
{
    struct jmap_call *c = q->c;
    struct view_state now = view_state(q->view);
    jmap_answer(c);
    jw_key(c->out, "oldQueryState");
    jmap_state_write(c->out, since);
    jw_key(c->out, "newQueryState");
    jmap_state_write(c->out, &now);
    if (total != NULL) {
        jw_key(c->out, "total");
        jw_uint(c->out, *total);
    }
    jw_key(c->out, "removed");
    jw_array(c->out);
    for (size_t i = 0; i < t->n; i++)
        jmap_id_write(c->out, 'M', t->removed[i]);
    jw_end(c->out);
    jw_key(c->out, "added");
    jw_array(c->out);
    for (size_t i = 0; i < r->n; i++) {
        if (!number_set_has(&t->emails, r->email[i]))
            continue;
        jw_object(c->out);
        jw_key(c->out, "id");
        jmap_id_write(c->out, 'M', r->email[i]);
        jw_key(c->out, "index");
        jw_uint(c->out, i);
        jw_end(c->out);
    }
    jw_end(c->out);
    jw_end(c->out);
}

static size_t count_added(const struct touched *t, const struct email_results *r)
{
    size_t n = 0;
    for (size_t i = 0; t->emails.n > 0 && i < r->n; i++)
        n += number_set_has(&t->emails, r->email[i]);
    return n;
}

static void run_changes(const struct email_query *q, const struct view_state *since,
                        const struct email_change *change, size_t n, uint64_t max, bool calculate)
{
    struct email_results r = {0};
    size_t all;
    (void)view_messages(q->view, &all);
    struct touched t = {.removed = mem_array(all + n, sizeof *t.removed)};
    touch_all(q, since, change, n, &t);
    enum error e = t.emails.n > 0 || calculate ? email_results_find(q, &r, NULL, NULL) : OK;
    uint64_t total = r.n;
    if (e != OK)
        fail_search(q->c, e);
    else if (t.n + count_added(&t, &r) > max)
        jmap_fail(q->c, "tooManyChanges", NULL);
    else
        write_changes(q, since, &t, &r, calculate ? &total : NULL);
    email_results_free(&r);
    number_set_free(&t.emails);
    mem_free(t.removed);
}

static void query_changes(struct jmap_call *c)
{
    /* upToId may be ignored (RFC 8620 5.6): more than asked is told then. */
    static const char *const known[] = {"accountId",      "filter",          "sort",
                                        "maxChanges",     "upToId",          "sinceQueryState",
                                        "calculateTotal", "collapseThreads", NULL};
    struct email_query q;
    struct view_state since, now;
    struct email_change *change = NULL;
    struct slice up_to = SLICE_NONE;
    uint64_t max = UINT64_MAX;
    bool calculate = false;
    size_t n = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_uint(c, "maxChanges", &max) ||
        !jmap_arg_bool(c, "calculateTotal", &calculate) || !jmap_arg_text(c, "upToId", &up_to) ||
        !email_query_begin(c, &q))
        return;
    now = view_state(q.view);
    if (jmap_since(c, "sinceQueryState", &now, &since)) {
        enum error e = q.filter.n_texts > 0
                           ? ERR_AGAIN /* all texts would be read again */
                           : store_email_changes(c->service->store, q.view, since.modseq, c->arena,
                                                 &change, &n);
        if (e == OK)
            run_changes(&q, &since, change, n, max, calculate);
        else if (e == ERR_AGAIN)
            jmap_fail(c, "cannotCalculateChanges", NULL);
        else
            jmap_fail_error(c, e);
    }
    email_query_end(&q);
}

const struct jmap_method jmap_email_query_methods[] = {
    {"Email/query", CAPABILITY_MAIL, email_query},
    {"Email/queryChanges", CAPABILITY_MAIL, query_changes},
    {0},
};
