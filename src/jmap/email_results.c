/* Finding the results of a query; see email_results.h.
 *
 * Emails are walked through in the view's order, newest first, or backwards. Where that is the
 * order asked for, the walk ends as soon as there are enough; else what matches is gathered and
 * sorted. Emails that only their texts decide wait in portions, so that a search that finds enough
 * among the newest reads no others. */
#include "jmap/email_results.h"

#include "base/clock.h"
#include "base/mem.h"
#include <stdlib.h>

bool email_query_begin(struct jmap_call *c, struct email_query *out)
{
    struct email_query q = {.c = c, .view = jmap_view(c)};
    if (q.view == NULL)
        return false;
    /* After the view: so that each of its flags has a name. */
    enum error e = store_keywords(c->service->store, c->user->account.id, &q.keywords);
    if (e != OK) {
        jmap_fail_error(c, e);
        return false;
    }
    if (!jmap_arg_bool(c, "collapseThreads", &q.collapse) ||
        !email_filter_read(c, q.keywords, &q.filter) || !email_sort_read(c, q.keywords, &q.sort)) {
        store_keywords_unref(q.keywords);
        return false;
    }
    *out = q;
    return true;
}

void email_query_end(struct email_query *q)
{
    store_keywords_unref(q->keywords);
}

bool email_query_immutable(const struct email_query *q)
{
    return q->filter.immutable && q->sort.immutable;
}

bool email_query_threads(const struct email_query *q)
{
    return q->collapse || q->filter.threads || q->sort.threads;
}

void email_results_free(struct email_results *r)
{
    mem_free(r->email);
    r->email = NULL;
}

/* An email that waits for its place in the results. */
struct waiting {
    uint32_t at; /* position of its group */
    enum filter_truth truth;
};

struct finding {
    const struct email_query *q;
    struct email_results *r;
    bool (*enough)(void *arg, const struct email_results *r);
    void *arg;
    const struct view_message *m; /* of the view */
    struct thread_table threads;
    uint64_t *seen; /* a bit for each thread that is in the results */
    uint64_t n_seen;
    struct number_set other; /* ... and those beyond; a sound store has none */
    bool sorts, done;
    uint32_t *match; /* positions of what matches, to be sorted */
    size_t n_match, cap_match;
    struct waiting *wait;
    size_t n_wait, portion, most;
    int64_t deadline_ms;
};

/* --- Results --- */

/* A thread has the number of an email, and those are counted up from 1. */
static bool first_of_thread(struct finding *f, uint64_t thread)
{
    if (thread >= f->n_seen)
        return number_set_add(&f->other, thread);
    uint64_t *word = &f->seen[thread / 64], bit = UINT64_C(1) << thread % 64;
    bool first = (*word & bit) == 0;
    *word |= bit;
    return first;
}

static void add_result(struct finding *f, const struct view_message *m)
{
    struct email_results *r = f->r;
    if (f->q->collapse && !first_of_thread(f, m->thread))
        return;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->email = mem_resize(r->email, r->cap, sizeof *r->email);
    }
    if (r->anchor != 0 && r->anchor == m->email) {
        r->anchored = true;
        r->anchor_at = r->n;
    }
    r->email[r->n++] = m->email;
    f->done = f->enough != NULL && f->enough(f->arg, r);
}

static void add_match(struct finding *f, uint32_t at)
{
    if (!f->sorts) {
        add_result(f, &f->m[at]);
        return;
    }
    if (f->n_match == f->cap_match) {
        f->cap_match = f->cap_match ? f->cap_match * 2 : 256;
        f->match = mem_resize(f->match, f->cap_match, sizeof *f->match);
    }
    f->match[f->n_match++] = at;
}

/* --- Texts --- */

static enum filter_truth test(struct finding *f, const struct email_group *g, const bool *hits,
                              size_t stride)
{
    struct filter_subject s = {.group = g, .threads = &f->threads, .hits = hits, .stride = stride};
    bool visible;
    s.flags = email_group_flags(g, &visible);
    return visible ? email_filter_test(f->q->filter.root, &s) : FILTER_FALSE;
}

/* One that is decided by its texts: where they are read. */
struct reading {
    const struct view_message *copy;
    size_t wait; /* its place among the waiting */
};

static int by_place(const void *x, const void *y)
{
    const struct view_message *a = ((const struct reading *)x)->copy;
    const struct view_message *b = ((const struct reading *)y)->copy;
    if (a->mailbox != b->mailbox)
        return a->mailbox < b->mailbox ? -1 : 1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static bool again(void *arg)
{
    const struct finding *f = arg;
    return clock_ms() < f->deadline_ms;
}

/* Decides n emails, all in one mailbox, ascending by uid. */
static enum error read_texts(struct finding *f, const struct reading *r, size_t n)
{
    const struct email_filter *filter = &f->q->filter;
    uint32_t *uid = mem_array(n, sizeof *uid);
    bool *hits = mem_array(n * filter->n_texts, sizeof *hits);
    for (size_t i = 0; i < n; i++)
        uid[i] = r[i].copy->uid;
    enum error e =
        store_text_match(f->q->c->service->store, f->q->c->user->account.id, r->copy->mailbox, uid,
                         n, filter->texts, filter->n_texts, hits, again, f);
    if (e == ERR_CLOSED && !again(f))
        e = ERR_TIMEOUT;
    /* Of a mailbox that is gone since the view was made nothing matches. */
    bool gone = e == ERR_NOTFOUND;
    for (size_t i = 0; i < n && (e == OK || gone); i++) {
        struct waiting *w = &f->wait[r[i].wait];
        struct email_group g = email_group_at(f->q->view, w->at);
        w->truth = gone ? FILTER_FALSE : test(f, &g, &hits[i], n);
    }
    mem_free(uid);
    mem_free(hits);
    return gone ? OK : e;
}

static enum error read_waiting(struct finding *f)
{
    struct reading *r = mem_array(f->n_wait, sizeof *r);
    size_t n = 0;
    enum error e = OK;
    for (size_t i = 0; i < f->n_wait; i++) {
        if (f->wait[i].truth != FILTER_MAYBE)
            continue;
        struct email_group g = email_group_at(f->q->view, f->wait[i].at);
        r[n++] = (struct reading){email_group_copy(&g), i};
    }
    qsort(r, n, sizeof *r, by_place);
    for (size_t from = 0, end; e == OK && from < n; from = end) {
        end = from + 1;
        while (end < n && r[end].copy->mailbox == r[from].copy->mailbox)
            end++;
        e = read_texts(f, r + from, end - from);
    }
    mem_free(r);
    return e;
}

/* The waiting ones find their places; the next portion is greater, as few are found. */
static enum error settle(struct finding *f)
{
    enum error e = f->n_wait > 0 ? read_waiting(f) : OK;
    for (size_t i = 0; e == OK && i < f->n_wait && !f->done; i++)
        if (f->wait[i].truth == FILTER_TRUE)
            add_match(f, f->wait[i].at);
    f->n_wait = 0;
    f->portion = f->portion * 2 < f->most ? f->portion * 2 : f->most;
    return e;
}

/* --- The walk --- */

static enum error take(struct finding *f, const struct email_group *g)
{
    enum filter_truth t = test(f, g, NULL, 0);
    if (t == FILTER_FALSE)
        return OK;
    if (t == FILTER_TRUE && f->n_wait == 0) {
        add_match(f, (uint32_t)g->at);
        return OK;
    }
    f->wait[f->n_wait++] = (struct waiting){(uint32_t)g->at, t};
    return f->n_wait >= f->portion ? settle(f) : OK;
}

static enum error walk(struct finding *f, bool backwards)
{
    const struct email_filter *filter = &f->q->filter;
    size_t n;
    const uint32_t *list = NULL;
    (void)view_messages(f->q->view, &n);
    if (filter->boxed)
        list = view_mailbox(f->q->view, filter->mailbox, &n);
    uint64_t last = 0; /* email + 1: copies of one stand next to each other */
    enum error e = OK;
    for (size_t i = 0; i < n && e == OK && !f->done; i++) {
        size_t k = backwards ? n - 1 - i : i;
        size_t at = list ? list[k] : k;
        const struct view_message *m = &f->m[at];
        if (m->email + 1 == last)
            continue;
        if (filter->only_box && !f->sorts) {
            if (!email_copy_visible(m))
                continue;
            last = m->email + 1;
            add_result(f, m);
            continue;
        }
        last = m->email + 1;
        struct email_group g = email_group_at(f->q->view, at);
        e = take(f, &g);
    }
    return e == OK && !f->done ? settle(f) : e;
}

static enum error sort_and_add(struct finding *f)
{
    const struct email_query *q = f->q;
    enum error e = email_sort_run(q->c->service->store, q->c->user->account.id, q->view, &q->sort,
                                  &f->threads, f->match, f->n_match);
    for (size_t i = 0; e == OK && i < f->n_match && !f->done; i++)
        add_result(f, &f->m[f->match[i]]);
    return e;
}

enum error email_results_find(const struct email_query *q, struct email_results *r,
                              bool (*enough)(void *arg, const struct email_results *r), void *arg)
{
    bool backwards;
    size_t n, texts = q->filter.n_texts;
    struct finding f = {
        .q = q,
        .r = r,
        .enough = enough,
        .arg = arg,
        .m = view_messages(q->view, &n),
        .threads = {.view = q->view},
        .portion = 64,
        .deadline_ms = clock_ms() + LIMIT_JMAP_SEARCH_MS,
    };
    /* Answers are kept for each text and email of a portion. */
    f.most = texts > 8 ? LIMIT_JMAP_SEARCH_ROWS * 8 / texts + 1 : LIMIT_JMAP_SEARCH_ROWS;
    if (f.portion > f.most)
        f.portion = f.most;
    f.sorts = !email_sort_natural(&q->sort, &backwards);
    f.n_seen = q->collapse ? view_state(q->view).next_email : 0;
    f.seen = mem_array(f.n_seen / 64 + 1, sizeof *f.seen);
    f.wait = texts > 0 ? mem_array(LIMIT_JMAP_SEARCH_ROWS, sizeof *f.wait) : NULL;
    enum error e = walk(&f, !f.sorts && backwards);
    if (e == OK && f.sorts)
        e = sort_and_add(&f);
    r->all = e == OK && !f.done;
    thread_table_free(&f.threads);
    number_set_free(&f.other);
    mem_free(f.seen);
    mem_free(f.match);
    mem_free(f.wait);
    return e;
}
