/* VacationResponse/get and VacationResponse/set (RFC 8621 8): there is one, named "singleton". */
#include "directory/profile.h"
#include "jmap/changes.h"
#include "jmap/methods.h"

static const char *const names[] = {
    "id", "isEnabled", "fromDate", "toDate", "subject", "textBody", "htmlBody", NULL,
};

static bool is_singleton(struct slice id)
{
    return slice_eq(id, SLICE("singleton"));
}

static bool state_now(struct jmap_call *c, char out[JMAP_STATE_TEXT])
{
    uint64_t state = 0;
    enum error e = directory_profile_state(c->service->directory, c->user->account.id,
                                           PROFILE_VACATION, &state);
    if (e != OK)
        jmap_fail_error(c, e);
    jmap_number_print(state, out);
    return e == OK;
}

/* --- VacationResponse/get --- */

static void put_date(struct json_writer *w, uint64_t asked, unsigned k, int64_t date)
{
    if (!(asked >> k & 1))
        return;
    jw_key(w, names[k]);
    if (date != 0)
        jw_utc_date(w, date);
    else
        jw_null(w);
}

static void put_text(struct json_writer *w, uint64_t asked, unsigned k, struct slice text)
{
    if (!(asked >> k & 1))
        return;
    jw_key(w, names[k]);
    if (text.n > 0)
        jw_text(w, text);
    else
        jw_null(w);
}

static void put_vacation(struct json_writer *w, const struct vacation *v, uint64_t asked)
{
    jw_object(w);
    jw_key(w, "id");
    jw_str(w, "singleton");
    if (asked & 2) {
        jw_key(w, names[1]);
        jw_bool(w, v->enabled);
    }
    put_date(w, asked, 2, v->from);
    put_date(w, asked, 3, v->to);
    put_text(w, asked, 4, v->subject);
    put_text(w, asked, 5, v->text);
    put_text(w, asked, 6, v->html);
    jw_end(w);
}

static void vacation_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    struct jmap_ids ids;
    struct vacation v;
    uint64_t asked;
    char state[JMAP_STATE_TEXT];
    size_t n = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, 0x7f, &asked) || !state_now(c, state))
        return;
    enum error e = directory_vacation(c->service->directory, c->user->account.id, c->arena, &v);
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (e != OK || missing == NULL) {
        jmap_fail_error(c, e != OK ? e : ERR_LIMIT);
        return;
    }
    bool wanted = ids.id == NULL;
    for (size_t i = 0; ids.id != NULL && i < ids.n; i++) {
        if (is_singleton(ids.id[i]))
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
        put_vacation(c->out, &v, asked);
    jw_end(c->out);
    jmap_not_found(c, missing, n);
    jw_end(c->out);
}

/* --- VacationResponse/set --- */

static struct jmap_set_error read_date(struct jmap_call *c, const char *key, const json_t *v,
                                       int64_t *out)
{
    *out = 0;
    if (json_is_null(v))
        return JMAP_DONE;
    return json_is_string(v) && jmap_utc_date(jmap_string(v), out)
               ? JMAP_DONE
               : jmap_bad_property(c, key, "a date in UTC, or null");
}

static struct jmap_set_error read_subject(struct jmap_call *c, const json_t *v, struct slice *out)
{
    struct jmap_set_error e = jmap_read_text(c, "subject", v, LIMIT_IDENTITY_NAME, out);
    for (size_t i = 0; e.type == NULL && i < out->n; i++)
        if (out->p[i] < ' ' || out->p[i] == 0x7f)
            e = jmap_bad_property(c, "subject", "without control characters");
    return e;
}

static struct jmap_set_error read_member(struct jmap_call *c, const char *key, const json_t *v,
                                         struct vacation *out)
{
    if (strcmp(key, "isEnabled") == 0) {
        out->enabled = json_is_true(v);
        return json_is_boolean(v) ? JMAP_DONE : jmap_bad_property(c, key, "true or false");
    }
    if (strcmp(key, "fromDate") == 0)
        return read_date(c, key, v, &out->from);
    if (strcmp(key, "toDate") == 0)
        return read_date(c, key, v, &out->to);
    if (strcmp(key, "subject") == 0)
        return read_subject(c, v, &out->subject);
    if (strcmp(key, "textBody") == 0)
        return jmap_read_text(c, key, v, LIMIT_SIGNATURE, &out->text);
    if (strcmp(key, "htmlBody") == 0)
        return jmap_read_text(c, key, v, LIMIT_SIGNATURE, &out->html);
    return jmap_bad_property(c, key, "not a property that can be set");
}

static struct jmap_set_error update(struct jmap_call *c, struct slice id, json_t *patch)
{
    struct directory *d = c->service->directory;
    uint64_t account = c->user->account.id;
    struct vacation v;
    const char *key;
    json_t *value;
    if (!is_singleton(id))
        return jmap_refused("notFound", NULL);
    enum error e = directory_vacation(d, account, c->arena, &v);
    if (e != OK)
        return jmap_set_result(c, e);
    json_object_foreach(patch, key, value)
    {
        struct jmap_set_error bad = read_member(c, key, value, &v);
        if (bad.type != NULL)
            return bad;
    }
    e = directory_vacation_set(d, account, &v);
    return jmap_set_result(c, e);
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *created)
{
    return jmap_refused("singleton", NULL);
}

static struct jmap_set_error destroy(struct jmap_call *c, struct slice id)
{
    return jmap_refused(is_singleton(id) ? "singleton" : "notFound", NULL);
}

static void new_state(struct jmap_call *c, struct json_writer *w)
{
    char text[JMAP_STATE_TEXT];
    (void)state_now(c, text);
    jw_str(w, text);
}

static void vacation_set(struct jmap_call *c)
{
    static const char *const known[] = {"ifInState", "create", "update", "destroy", NULL};
    static const struct jmap_set set = {create, update, destroy, new_state};
    char old[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !state_now(c, old) ||
        !jmap_in_state(c, slice_str(old)))
        return;
    jmap_set_run(c, &set, slice_str(old));
    jmap_push_wake(c->user->account.id);
}

const struct jmap_method jmap_vacation_methods[] = {
    {"VacationResponse/get", CAPABILITY_VACATION, vacation_get},
    {"VacationResponse/set", CAPABILITY_VACATION, vacation_set},
    {NULL, NULL, NULL},
};
