/* EmailSubmission/get, /changes, /query, /queryChanges (RFC 8621 7). */
#include "jmap/submission.h"

#include "jmap/changes.h"
#include "jmap/outbox.h"

static const char *const names[] = {"id",         "identityId", "emailId",    "threadId",
                                    "envelope",   "sendAt",     "undoStatus", "deliveryStatus",
                                    "dsnBlobIds", "mdnBlobIds", NULL};
enum { ID, IDENTITY, EMAIL, THREAD, ENVELOPE, SEND_AT, UNDO, DELIVERY, DSN, MDN };

/* --- State --- */

static bool state_number(struct jmap_call *c, uint64_t *state)
{
    enum error e = store_submission_state(c->service->store, c->user->account.id, state);
    if (e)
        jmap_fail_error(c, e);
    return e == OK;
}

bool submission_state(struct jmap_call *c, char out[JMAP_STATE_TEXT])
{
    uint64_t state;
    if (!state_number(c, &state))
        return false;
    jmap_number_print(state, out);
    return true;
}

void submission_write_state(struct jmap_call *c, struct json_writer *w)
{
    char text[JMAP_STATE_TEXT];
    if (submission_state(c, text))
        jw_str(w, text);
    else
        jw_null(w);
}

/* --- One --- */

static const char *undo_word(enum submission_state s)
{
    return s == SUBMISSION_PENDING ? "pending" : s == SUBMISSION_CANCELED ? "canceled" : "final";
}

/* One answer stands for all: what became of each in the queue is not known here. */
static void write_delivery(struct jmap_call *c, const struct submission *s)
{
    json_t *envelope, *one;
    size_t i;
    if (s->answer.n == 0 || jmap_json_parse(s->envelope, &envelope)) {
        jw_null(c->out);
        return;
    }
    jw_object(c->out);
    json_array_foreach(json_object_get(envelope, "rcptTo"), i, one)
    {
        jw_key_text(c->out, jmap_string(json_object_get(one, "email")));
        jw_object(c->out);
        jw_key(c->out, "smtpReply");
        jw_text(c->out, s->answer);
        jw_key(c->out, "delivered");
        jw_str(c->out, s->state == SUBMISSION_FAILED ? "no" : "queued");
        jw_key(c->out, "displayed");
        jw_str(c->out, "unknown");
        jw_end(c->out);
    }
    jw_end(c->out);
    json_decref(envelope);
}

static void empty_list(struct json_writer *w)
{
    jw_array(w);
    jw_end(w);
}

static void write_property(struct jmap_call *c, const struct submission *s, unsigned k)
{
    struct json_writer *w = c->out;
    jw_key(w, names[k]);
    switch (k) {
    case ID:
        jmap_id_write(w, 'S', s->id);
        return;
    case IDENTITY:
        jmap_id_write(w, 'I', s->identity);
        return;
    case EMAIL:
        jmap_id_write(w, 'M', s->email);
        return;
    case THREAD:
        jmap_id_write(w, 'T', s->thread);
        return;
    case ENVELOPE:
        jw_raw(w, s->envelope);
        return;
    case SEND_AT:
        jw_utc_date(w, s->send_at);
        return;
    case UNDO:
        jw_str(w, undo_word(s->state));
        return;
    case DELIVERY:
        write_delivery(c, s);
        return;
    default:
        empty_list(w);
    }
}

static void write_one(struct jmap_call *c, const struct submission *s, uint64_t asked)
{
    jw_object(c->out);
    for (unsigned k = 0; names[k]; k++)
        if (asked >> k & 1)
            write_property(c, s, k);
    jw_end(c->out);
}

void submission_write_created(struct jmap_call *c, struct json_writer *w, uint64_t id)
{
    const struct submission *s = outbox_find(c->service, c->arena, c->user->account.id, id);
    jw_key(w, "id");
    jmap_id_write(w, 'S', id);
    if (!s)
        return;
    jw_key(w, "threadId");
    jmap_id_write(w, 'T', s->thread);
    jw_key(w, "sendAt");
    jw_utc_date(w, s->send_at);
    jw_key(w, "undoStatus");
    jw_str(w, undo_word(s->state));
}

static bool load(struct jmap_call *c, struct submission **list, size_t *n)
{
    enum error e = store_submissions(c->service->store, c->user->account.id, c->arena, list, n);
    if (e)
        jmap_fail_error(c, e);
    return e == OK;
}

static const struct submission *by_id(const struct submission *list, size_t n, struct slice id)
{
    uint64_t number;
    if (jmap_id_parse(id, 'S', &number))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].id == number)
            return &list[i];
    return NULL;
}

/* --- /get --- */

static void get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    struct jmap_ids ids;
    struct submission *list;
    uint64_t asked;
    size_t n, n_missing = 0;
    char state[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, (1 << (MDN + 1)) - 1, &asked) ||
        !submission_state(c, state) || !load(c, &list, &n))
        return;
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (!missing) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "state");
    jw_str(c->out, state);
    jw_key(c->out, "list");
    jw_array(c->out);
    for (size_t i = 0; !ids.id && i < n; i++)
        write_one(c, &list[i], asked);
    for (size_t i = 0; ids.id && i < ids.n; i++) {
        const struct submission *s = by_id(list, n, ids.id[i]);
        if (s)
            write_one(c, s, asked);
        else
            missing[n_missing++] = ids.id[i];
    }
    jw_end(c->out);
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

/* --- /changes --- */

static void changes(struct jmap_call *c)
{
    static const char *const known[] = {"sinceState", "maxChanges", NULL};
    struct jmap_changes ch = {.letter = 'S', .most = UINT64_MAX};
    struct submission *list;
    uint64_t now, since, *gone;
    size_t n, n_gone;
    char old_text[JMAP_STATE_TEXT], new_text[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &ch.most) ||
        !state_number(c, &now) || !load(c, &list, &n) || !jmap_number_since(c, now, &since))
        return;
    enum error e = store_submissions_gone(c->service->store, c->user->account.id, since, c->arena,
                                          &gone, &n_gone);
    if (e == ERR_AGAIN)
        jmap_fail(c, "cannotCalculateChanges", NULL);
    else if (e)
        jmap_fail_error(c, e);
    if (e || !jmap_changes_room(c, n + n_gone, &ch))
        return;
    for (size_t i = 0; i < n; i++) {
        if (list[i].added > since)
            ch.created.v[ch.created.n++] = list[i].id;
        else if (list[i].changed > since)
            ch.updated.v[ch.updated.n++] = list[i].id;
    }
    for (size_t i = 0; i < n_gone; i++)
        ch.destroyed.v[ch.destroyed.n++] = gone[i];
    jmap_number_print(since, old_text);
    jmap_number_print(now, new_text);
    ch.since = slice_str(old_text);
    ch.now = slice_str(new_text);
    jmap_changes_write(c, &ch);
}

/* --- /query --- */

static bool is_listed(json_t *ids, char letter, uint64_t number)
{
    json_t *v;
    size_t i;
    char id[JMAP_ID_TEXT];
    if (!ids || json_is_null(ids))
        return true;
    jmap_id_print(letter, number, id);
    json_array_foreach(ids, i, v) if (slice_eq(jmap_string(v), slice_str(id))) return true;
    return false;
}

static bool matches(json_t *filter, const struct submission *s)
{
    int64_t at;
    struct slice undo = jmap_string(json_object_get(filter, "undoStatus"));
    struct slice before = jmap_string(json_object_get(filter, "before"));
    struct slice after = jmap_string(json_object_get(filter, "after"));
    if (undo.p && !slice_eq(undo, slice_str(undo_word(s->state))))
        return false;
    if (before.p && (!jmap_utc_date(before, &at) || s->send_at >= at))
        return false;
    if (after.p && (!jmap_utc_date(after, &at) || s->send_at < at))
        return false;
    return is_listed(json_object_get(filter, "identityIds"), 'I', s->identity) &&
           is_listed(json_object_get(filter, "emailIds"), 'M', s->email) &&
           is_listed(json_object_get(filter, "threadIds"), 'T', s->thread);
}

/* One condition; AND, OR and NOT of conditions on a list this short are not worth having. */
static bool good_filter(struct jmap_call *c, json_t *filter)
{
    static const char *const known[] = {"identityIds", "emailIds", "threadIds", "undoStatus",
                                        "before",      "after",    NULL};
    const char *name;
    json_t *v;
    json_object_foreach(filter, name, v)
    {
        if (!jmap_is_among(known, name)) {
            jmap_fail(c, "unsupportedFilter", NULL);
            return false;
        }
    }
    return true;
}

struct order {
    unsigned key; /* EMAIL, THREAD, SEND_AT */
    bool ascending;
};

static uint64_t key_of(const struct submission *s, unsigned key)
{
    return key == EMAIL ? s->email : key == THREAD ? s->thread : (uint64_t)s->send_at;
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct submission *x = *(const struct submission *const *)a;
    const struct submission *y = *(const struct submission *const *)b;
    const struct order *o = arg;
    uint64_t kx = key_of(x, o->key), ky = key_of(y, o->key);
    if (kx != ky)
        return (kx < ky) == o->ascending ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool read_sort(struct jmap_call *c, struct order *out)
{
    json_t *sort = json_object_get(c->args, "sort"), *first = json_array_get(sort, 0);
    struct slice property = jmap_string(json_object_get(first, "property"));
    *out = (struct order){SEND_AT, !json_is_false(json_object_get(first, "isAscending"))};
    if (!sort || json_is_null(sort) || json_array_size(sort) == 0)
        return true;
    if (slice_eq(property, SLICE("emailId")))
        out->key = EMAIL;
    else if (slice_eq(property, SLICE("threadId")))
        out->key = THREAD;
    else if (!slice_eq(property, SLICE("sentAt")) && !slice_eq(property, SLICE("sendAt")))
        jmap_fail(c, "unsupportedSort", NULL);
    return !c->failed;
}

static void query(struct jmap_call *c)
{
    static const char *const known[] = {"filter", "sort",           "position",
                                        "limit",  "calculateTotal", NULL};
    struct submission *list;
    struct order order;
    size_t n, found = 0;
    int64_t position = 0;
    uint64_t limit = LIMIT_JMAP_QUERY;
    bool total = false;
    char state[JMAP_STATE_TEXT];
    json_t *filter = json_object_get(c->args, "filter");
    if (!jmap_account(c) || !jmap_only(c, known) || !good_filter(c, filter) ||
        !read_sort(c, &order) || !jmap_arg_int(c, "position", &position) ||
        !jmap_arg_uint(c, "limit", &limit) || !jmap_arg_bool(c, "calculateTotal", &total) ||
        !submission_state(c, state) || !load(c, &list, &n))
        return;
    const struct submission **hit = arena_array(c->arena, n + 1, sizeof(struct submission *));
    for (size_t i = 0; hit && i < n; i++)
        if (matches(filter, &list[i]))
            hit[found++] = &list[i];
    if (hit)
        qsort_r(hit, found, sizeof(struct submission *), compare, &order);
    if (position < 0)
        position = position + (int64_t)found > 0 ? position + (int64_t)found : 0;
    jmap_answer(c);
    jw_key(c->out, "queryState");
    jw_str(c->out, state);
    jw_key(c->out, "canCalculateChanges");
    jw_bool(c->out, false);
    jw_key(c->out, "position");
    jw_int(c->out, position);
    jw_key(c->out, "ids");
    jw_array(c->out);
    for (size_t i = (size_t)position; i < found && i - (size_t)position < limit; i++)
        jmap_id_write(c->out, 'S', hit[i]->id);
    jw_end(c->out);
    if (total) {
        jw_key(c->out, "total");
        jw_uint(c->out, found);
    }
    jw_end(c->out);
}

static void query_changes(struct jmap_call *c)
{
    if (jmap_account(c))
        jmap_fail(c, "cannotCalculateChanges", NULL);
}

const struct jmap_method jmap_submission_methods[] = {
    {"EmailSubmission/get", CAPABILITY_SUBMISSION, get},
    {"EmailSubmission/changes", CAPABILITY_SUBMISSION, changes},
    {"EmailSubmission/query", CAPABILITY_SUBMISSION, query},
    {"EmailSubmission/queryChanges", CAPABILITY_SUBMISSION, query_changes},
    {"EmailSubmission/set", CAPABILITY_SUBMISSION, submission_set},
    {NULL, NULL, NULL},
};
