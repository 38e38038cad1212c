/* Thread/get and Thread/changes (RFC 8621 3). */
#include "jmap/changes.h"
#include "jmap/methods.h"
#include <stdlib.h>

/* Visible emails of a thread, oldest first, each once; written when `w` is given. */
static size_t emails_of(const struct view *v, uint64_t thread, struct json_writer *w)
{
    size_t n, all, found = 0;
    uint64_t last = 0;
    const uint32_t *at = view_thread(v, thread, &n);
    const struct view_message *m = view_messages(v, &all);
    for (size_t i = 0; i < n; i++) {
        const struct view_message *one = &m[at[i]];
        if ((one->flags & FLAG_DELETED) || (found > 0 && one->email == last))
            continue;
        last = one->email;
        found++;
        if (w != NULL)
            jmap_id_write(w, 'M', last);
    }
    return found;
}

static void write_list(struct jmap_call *c, const struct view *v, const struct jmap_ids *ids,
                       bool with_emails)
{
    struct json_writer *w = c->out;
    struct slice *missing = arena_array(c->arena, ids->n + 1, sizeof *missing);
    size_t n = 0;
    if (missing == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jw_key(w, "list");
    jw_array(w);
    for (size_t i = 0; i < ids->n; i++) {
        uint64_t thread;
        if (jmap_id_parse(ids->id[i], 'T', &thread) != OK || emails_of(v, thread, NULL) == 0) {
            missing[n++] = ids->id[i];
            continue;
        }
        jw_object(w);
        jw_key(w, "id");
        jmap_id_write(w, 'T', thread);
        if (with_emails) {
            jw_key(w, "emailIds");
            jw_array(w);
            (void)emails_of(v, thread, w);
            jw_end(w);
        }
        jw_end(w);
    }
    jw_end(w);
    jmap_not_found(c, missing, n);
}

static void thread_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    static const char *const names[] = {"id", "emailIds", NULL};
    struct jmap_ids ids;
    uint64_t asked;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, 3, &asked))
        return;
    if (ids.id == NULL) {
        jmap_fail(c, "requestTooLarge", "ids must be given");
        return;
    }
    const struct view *v = jmap_view(c);
    if (v == NULL)
        return;
    struct view_state state = view_state(v);
    jmap_answer(c);
    jw_key(c->out, "state");
    jmap_state_write(c->out, &state);
    write_list(c, v, &ids, (asked & 2) != 0);
    jw_end(c->out);
}

/* --- Thread/changes --- */

static int by_thread(const void *a, const void *b)
{
    const struct email_change *x = a, *y = b;
    return (x->thread > y->thread) - (x->thread < y->thread);
}

/* The changes of one thread's emails. A thread changes when emails come or go, not by flags. */
static void judge(const struct view *v, const struct email_change *e, size_t n,
                  struct jmap_changes *ch)
{
    size_t created = 0, destroyed = 0, there = emails_of(v, e->thread, NULL);
    for (size_t i = 0; i < n; i++) {
        created += e[i].kind == EMAIL_CREATED;
        destroyed += e[i].kind == EMAIL_DESTROYED;
    }
    if (created + destroyed == 0)
        return;
    bool was = there > created || destroyed > 0;
    struct jmap_numbers *list = there == 0 ? &ch->destroyed : was ? &ch->updated : &ch->created;
    list->v[list->n++] = e->thread;
}

static void thread_changes(struct jmap_call *c)
{
    static const char *const known[] = {"sinceState", "maxChanges", NULL};
    struct jmap_changes ch = {.letter = 'T', .most = UINT64_MAX};
    struct view_state now, since;
    struct email_change *e;
    char old_text[JMAP_STATE_TEXT], new_text[JMAP_STATE_TEXT];
    size_t n;
    const struct view *v;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &ch.most) ||
        (v = jmap_view(c)) == NULL)
        return;
    now = view_state(v);
    if (!jmap_since(c, "sinceState", &now, &since))
        return;
    enum error error = store_email_changes(c->service->store, v, since.modseq, c->arena, &e, &n);
    if (error != OK) {
        if (error == ERR_AGAIN)
            jmap_fail(c, "cannotCalculateChanges", NULL);
        jmap_fail_error(c, error);
        return;
    }
    if (!jmap_changes_room(c, n, &ch))
        return;
    qsort(e, n, sizeof *e, by_thread);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && e[to].thread == e[from].thread;)
            to++;
        judge(v, e + from, to - from, &ch);
    }
    jmap_state_print(&since, old_text);
    jmap_state_print(&now, new_text);
    ch.since = slice_str(old_text);
    ch.now = slice_str(new_text);
    jmap_changes_write(c, &ch);
}

const struct jmap_method jmap_thread_methods[] = {
    {"Thread/get", CAPABILITY_MAIL, thread_get},
    {"Thread/changes", CAPABILITY_MAIL, thread_changes},
    {NULL, NULL, NULL},
};
