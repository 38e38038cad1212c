/* Quota methods (RFC 9425): one quota, "Q1", the octets of an account that has a limit. */
#include "jmap/quota.h"
#include "jmap/changes.h"
#include "jmap/methods.h"
#include "jmap/window.h"

static const char *const names[] = {
    "id", "resourceType", "used", "hardLimit", "scope", "name", "types", "description", NULL,
};
static const char *const types[] = {"Email", NULL};

/* --- States: what is used changes with the account's modseq --- */

struct quota_state {
    uint64_t modseq, limit;
};

enum error jmap_quota_state(const struct jmap_service *s, const struct jmap_user *u,
                            char out[JMAP_STATE_TEXT])
{
    const struct mailbox_list *l;
    struct account now;
    enum error e = directory_account_get(s->directory, u->account.id, &now);
    if (e == OK)
        e = store_mailboxes(s->store, u->account.id, &l);
    if (e != OK)
        return e;
    snprintf(out, JMAP_STATE_TEXT, "%llu-%llu", (unsigned long long)l->modseq,
             (unsigned long long)now.quota);
    store_mailboxes_unref(l);
    return OK;
}

static bool parse_state(struct slice text, struct quota_state *out)
{
    struct slice modseq;
    return slice_split(&text, '-', &modseq) && parse_u64(modseq, UINT64_MAX, &out->modseq) == OK &&
           parse_u64(text, UINT64_MAX, &out->limit) == OK;
}

/* The state as text and as numbers. */
static bool state_now(struct jmap_call *c, char text[JMAP_STATE_TEXT], struct quota_state *now)
{
    enum error e = jmap_quota_state(c->service, c->user, text);
    if (e != OK)
        jmap_fail_error(c, e);
    return e == OK && parse_state(slice_str(text), now);
}

static bool since(struct jmap_call *c, const char *name, const struct quota_state *now,
                  struct slice *text, struct quota_state *old)
{
    if (!jmap_arg_text(c, name, text))
        return false;
    if (text->p == NULL)
        jmap_fail(c, "invalidArguments", "the old state must be given");
    else if (!parse_state(*text, old) || old->modseq > now->modseq)
        jmap_fail(c, "cannotCalculateChanges", NULL);
    return c->failed == NULL;
}

/* --- Quota/get --- */

static void put_quota(struct json_writer *w, uint64_t asked, uint64_t used, uint64_t limit)
{
    const char *const text[] = {"Q1", "octets", NULL, NULL, "account", "Storage", NULL, NULL};
    jw_object(w);
    for (unsigned k = 0; names[k] != NULL; k++) {
        if (!(asked >> k & 1))
            continue;
        jw_key(w, names[k]);
        if (text[k] != NULL) {
            jw_str(w, text[k]);
        } else if (k == 2 || k == 3) {
            jw_uint(w, k == 2 ? used : limit);
        } else if (k == 6) {
            jw_array(w);
            for (const char *const *t = types; *t != NULL; t++)
                jw_str(w, *t);
            jw_end(w);
        } else {
            jw_null(w);
        }
    }
    jw_end(w);
}

static void quota_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    struct jmap_ids ids;
    struct quota_state now;
    struct store_usage usage;
    uint64_t asked;
    size_t n = 0;
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, 0xff, &asked) || !state_now(c, state, &now))
        return;
    enum error e = store_usage(c->service->store, c->user->account.id, &usage);
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (e != OK || missing == NULL) {
        jmap_fail_error(c, e != OK ? e : ERR_LIMIT);
        return;
    }
    bool wanted = ids.id == NULL && now.limit > 0;
    for (size_t i = 0; i < ids.n; i++) {
        if (now.limit > 0 && slice_eq(ids.id[i], SLICE("Q1")))
            wanted = true;
        else
            missing[n++] = ids.id[i];
    }
    jmap_answer(c);
    jw_key(c->out, "state");
    jw_str(c->out, state);
    jw_key(c->out, "list");
    jw_array(c->out);
    if (wanted)
        put_quota(c->out, asked, usage.bytes, now.limit);
    jw_end(c->out);
    jmap_not_found(c, missing, n);
    jw_end(c->out);
}

/* --- Quota/changes --- */

static void put_ids(struct json_writer *w, const char *key, bool has)
{
    jw_key(w, key);
    jw_array(w);
    if (has)
        jw_str(w, "Q1");
    jw_end(w);
}

static void quota_changes(struct jmap_call *c)
{
    static const char *const known[] = {"sinceState", "maxChanges", NULL};
    struct quota_state now, old;
    struct slice old_text = SLICE_NONE;
    uint64_t most = UINT64_MAX;
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &most) ||
        !state_now(c, state, &now) || !since(c, "sinceState", &now, &old_text, &old))
        return;
    struct json_writer *w = c->out;
    bool both = old.limit > 0 && now.limit > 0;
    bool updated = both && (old.limit != now.limit || old.modseq != now.modseq);
    jmap_answer(c);
    jw_key(w, "oldState");
    jw_text(w, old_text);
    jw_key(w, "newState");
    jw_str(w, state);
    jw_key(w, "hasMoreChanges");
    jw_bool(w, false);
    put_ids(w, "created", old.limit == 0 && now.limit > 0);
    put_ids(w, "updated", updated);
    put_ids(w, "destroyed", old.limit > 0 && now.limit == 0);
    jw_key(w, "updatedProperties");
    if (updated && old.limit == now.limit) {
        jw_array(w);
        jw_str(w, "used");
        jw_end(w);
    } else {
        jw_null(w);
    }
    jw_end(w);
}

/* --- Quota/query --- */

static bool condition_holds(struct jmap_call *c, json_t *filter, bool *holds)
{
    const char *key;
    json_t *v;
    *holds = true;
    json_object_foreach(filter, key, v)
    {
        struct slice s = jmap_string(v);
        bool one = false;
        if (strcmp(key, "name") == 0)
            one = slice_find(SLICE("Storage"), s) < 7;
        else if (strcmp(key, "scope") == 0)
            one = slice_eq(s, SLICE("account"));
        else if (strcmp(key, "resourceType") == 0)
            one = slice_eq(s, SLICE("octets"));
        else if (strcmp(key, "type") == 0)
            one = slice_eq(s, SLICE("Email"));
        else
            s = SLICE_NONE;
        if (s.p == NULL) {
            jmap_fail(c, "unsupportedFilter", "a condition is not known");
            return false;
        }
        *holds = *holds && one;
    }
    return true;
}

/* As deep as JSON may be; `nodes` counts down. */
static bool filter_holds(struct jmap_call *c, json_t *filter, size_t *nodes, bool *holds)
{
    struct slice op = jmap_string(json_object_get(filter, "operator"));
    json_t *conditions = json_object_get(filter, "conditions");
    if (!json_is_object(filter) || (*nodes)-- == 0) {
        jmap_fail(c, "unsupportedFilter", "too many conditions, or no object");
        return false;
    }
    if (op.p == NULL)
        return condition_holds(c, filter, holds);
    bool is_and = slice_eq(op, SLICE("AND")), is_or = slice_eq(op, SLICE("OR"));
    if (!json_is_array(conditions) || !(is_and || is_or || slice_eq(op, SLICE("NOT")))) {
        jmap_fail(c, "unsupportedFilter", "an operator is not known");
        return false;
    }
    bool any = false, all = true;
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        bool one;
        if (!filter_holds(c, json_array_get(conditions, i), nodes, &one))
            return false;
        any = any || one;
        all = all && one;
    }
    *holds = is_and ? all : is_or ? any : !any;
    return true;
}

/* Is it a result? Also reads sort, which one object cannot need. */
static bool is_result(struct jmap_call *c, const struct quota_state *now, bool *found)
{
    json_t *filter = json_object_get(c->args, "filter"), *sort = json_object_get(c->args, "sort");
    size_t nodes = LIMIT_JMAP_FILTER, i;
    bool holds = true;
    json_t *v;
    if (filter != NULL && !json_is_null(filter) && !filter_holds(c, filter, &nodes, &holds))
        return false;
    if (sort != NULL && !json_is_null(sort) && !json_is_array(sort)) {
        jmap_fail(c, "invalidArguments", "sort must be an array");
        return false;
    }
    json_array_foreach(sort, i, v)
    {
        struct slice by = jmap_string(json_object_get(v, "property"));
        if (!slice_eq(by, SLICE("name")) && !slice_eq(by, SLICE("used"))) {
            jmap_fail(c, "unsupportedSort", "name and used can be sorted by");
            return false;
        }
    }
    *found = holds && now->limit > 0;
    return true;
}

static void quota_query(struct jmap_call *c)
{
    static const char *const known[] = {"filter",       "sort",  "position",       "anchor",
                                        "anchorOffset", "limit", "calculateTotal", NULL};
    struct quota_state now;
    struct jmap_window w;
    bool found;
    size_t from, count;
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_window_read(c, &w) ||
        !state_now(c, state, &now) || !is_result(c, &now, &found) ||
        !jmap_window_cut(c, &w, found, slice_eq(w.anchor, SLICE("Q1")) ? 0 : SIZE_MAX, &from,
                         &count))
        return;
    jmap_window_answer(c, &w, slice_str(state), true, from, found);
    put_ids(c->out, "ids", count > 0);
    jw_end(c->out);
}

static void quota_query_changes(struct jmap_call *c)
{
    static const char *const known[] = {
        "filter", "sort", "sinceQueryState", "maxChanges", "upToId", "calculateTotal", NULL};
    struct quota_state now, old;
    struct slice old_text = SLICE_NONE;
    uint64_t most = UINT64_MAX;
    bool found, total = false;
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &most) ||
        !jmap_arg_bool(c, "calculateTotal", &total) || !state_now(c, state, &now) ||
        !since(c, "sinceQueryState", &now, &old_text, &old) || !is_result(c, &now, &found))
        return;
    struct json_writer *w = c->out;
    bool changed = !slice_eq(old_text, slice_str(state));
    jmap_answer(c);
    jw_key(w, "oldQueryState");
    jw_text(w, old_text);
    jw_key(w, "newQueryState");
    jw_str(w, state);
    if (total) {
        jw_key(w, "total");
        jw_uint(w, found);
    }
    put_ids(w, "removed", changed);
    jw_key(w, "added");
    jw_array(w);
    if (changed && found) {
        jw_object(w);
        jw_key(w, "id");
        jw_str(w, "Q1");
        jw_key(w, "index");
        jw_uint(w, 0);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

const struct jmap_method jmap_quota_methods[] = {
    {"Quota/get", CAPABILITY_QUOTA, quota_get},
    {"Quota/changes", CAPABILITY_QUOTA, quota_changes},
    {"Quota/query", CAPABILITY_QUOTA, quota_query},
    {"Quota/queryChanges", CAPABILITY_QUOTA, quota_query_changes},
    {NULL, NULL, NULL},
};
