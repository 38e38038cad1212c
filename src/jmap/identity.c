/* Identity/get, Identity/changes and Identity/set (RFC 8621 6). */
#include "directory/profile.h"
#include "jmap/changes.h"
#include "jmap/methods.h"

enum { ADDRESSES = 100 }; /* of one replyTo or bcc */

static const char *const names[] = {
    "id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete", NULL,
};

/* Looking may make identities: the state is asked after that, and the list after the state, so that
 * it is of that state or newer. */
static bool load(struct jmap_call *c, struct identity **list, size_t *n, uint64_t *state)
{
    struct directory *d = c->service->directory;
    uint64_t account = c->user->account.id;
    enum error e = directory_identities(d, account, c->arena, list, n);
    if (e == OK)
        e = directory_profile_state(d, account, PROFILE_IDENTITY, state);
    if (e == OK)
        e = directory_identities(d, account, c->arena, list, n);
    if (e != OK)
        jmap_fail_error(c, e);
    return e == OK;
}

static const struct identity *identity_of_id(const struct identity *list, size_t n, struct slice id)
{
    uint64_t number;
    if (jmap_id_parse(id, 'I', &number) != OK)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].id == number)
            return &list[i];
    return NULL;
}

/* --- Identity/get --- */

static void put_text(struct json_writer *w, uint64_t asked, unsigned k, struct slice text)
{
    if (!(asked >> k & 1))
        return;
    jw_key(w, names[k]);
    jw_text(w, text);
}

static void put_json(struct json_writer *w, uint64_t asked, unsigned k, struct slice json)
{
    if (!(asked >> k & 1))
        return;
    jw_key(w, names[k]);
    if (json.n > 0)
        jw_raw(w, json);
    else
        jw_null(w);
}

static void put_identity(struct json_writer *w, const struct identity *i, uint64_t asked)
{
    jw_object(w);
    jw_key(w, names[0]);
    jmap_id_write(w, 'I', i->id);
    put_text(w, asked, 1, i->name);
    put_text(w, asked, 2, i->email);
    put_json(w, asked, 3, i->reply_to);
    put_json(w, asked, 4, i->bcc);
    put_text(w, asked, 5, i->text_signature);
    put_text(w, asked, 6, i->html_signature);
    if (asked >> 7 & 1) {
        jw_key(w, names[7]);
        jw_bool(w, i->may_delete);
    }
    jw_end(w);
}

static void identity_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", "properties", NULL};
    struct jmap_ids ids;
    struct identity *list;
    uint64_t asked, state;
    size_t n, n_missing = 0;
    char text[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !jmap_get_properties(c, names, 0xff, &asked) || !load(c, &list, &n, &state))
        return;
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (missing == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jmap_number_print(state, text);
    jmap_answer(c);
    jw_key(c->out, "state");
    jw_str(c->out, text);
    jw_key(c->out, "list");
    jw_array(c->out);
    if (ids.id == NULL)
        for (size_t i = 0; i < n; i++)
            put_identity(c->out, &list[i], asked);
    for (size_t i = 0; ids.id != NULL && i < ids.n; i++) {
        const struct identity *found = identity_of_id(list, n, ids.id[i]);
        if (found != NULL)
            put_identity(c->out, found, asked);
        else
            missing[n_missing++] = ids.id[i];
    }
    jw_end(c->out);
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

/* --- Identity/changes --- */

static void identity_changes(struct jmap_call *c)
{
    static const char *const known[] = {"sinceState", "maxChanges", NULL};
    struct jmap_changes ch = {.letter = 'I', .most = UINT64_MAX};
    struct identity *list;
    uint64_t now, since;
    uint32_t *gone;
    size_t n, n_gone;
    char old_text[JMAP_STATE_TEXT], new_text[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_max_changes(c, &ch.most) ||
        !load(c, &list, &n, &now) || !jmap_number_since(c, now, &since))
        return;
    enum error e = directory_identities_gone(c->service->directory, c->user->account.id, since,
                                             c->arena, &gone, &n_gone);
    if (e != OK) {
        if (e == ERR_AGAIN)
            jmap_fail(c, "cannotCalculateChanges", NULL);
        jmap_fail_error(c, e);
        return;
    }
    if (!jmap_changes_room(c, n + n_gone, &ch))
        return;
    /* An id is the state it was made with. */
    for (size_t i = 0; i < n; i++) {
        if (list[i].id > since)
            ch.created.v[ch.created.n++] = list[i].id;
        else if (list[i].changed > since)
            ch.updated.v[ch.updated.n++] = list[i].id;
    }
    for (size_t i = 0; i < n_gone; i++)
        if (gone[i] <= since)
            ch.destroyed.v[ch.destroyed.n++] = gone[i];
    jmap_number_print(since, old_text);
    jmap_number_print(now, new_text);
    ch.since = slice_str(old_text);
    ch.now = slice_str(new_text);
    jmap_changes_write(c, &ch);
}

/* --- Identity/set --- */

static bool is_clean(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

/* An EmailAddress: it will stand in a header field. */
static bool is_address(const json_t *v)
{
    const json_t *name = json_object_get(v, "name");
    struct slice email = jmap_string(json_object_get(v, "email"));
    bool has_name = name != NULL && !json_is_null(name);
    if (json_object_size(v) != (name != NULL ? 2u : 1u) || email.n == 0 ||
        email.n > LIMIT_ADDRESS || !is_clean(email))
        return false;
    return !has_name || (json_is_string(name) && is_clean(jmap_string(name)));
}

static struct jmap_set_error read_addresses(struct jmap_call *c, const char *key, const json_t *v,
                                            struct slice *out)
{
    *out = SLICE("");
    if (json_is_null(v))
        return JMAP_DONE;
    bool good = json_is_array(v) && json_array_size(v) <= ADDRESSES;
    for (size_t i = 0; good && i < json_array_size(v); i++)
        good = is_address(json_array_get(v, i));
    if (!good)
        return jmap_bad_property(c, key, "a list of addresses, or null");
    struct json_writer w;
    autobuf text = BUF_INIT(LIMIT_SIGNATURE);
    jw_init(&w, &text);
    jmap_write_json(&w, v);
    if (text.failed)
        return jmap_refused("tooLarge", NULL);
    *out = arena_dup(c->arena, buf_slice(&text));
    return JMAP_DONE;
}

static struct jmap_set_error read_member(struct jmap_call *c, const char *key, const json_t *v,
                                         struct identity *i)
{
    if (strcmp(key, "name") == 0) {
        struct jmap_set_error e = jmap_read_text(c, key, v, LIMIT_IDENTITY_NAME, &i->name);
        if (e.type == NULL && !is_clean(i->name))
            return jmap_bad_property(c, key, "without control characters");
        return e;
    }
    if (strcmp(key, "replyTo") == 0)
        return read_addresses(c, key, v, &i->reply_to);
    if (strcmp(key, "bcc") == 0)
        return read_addresses(c, key, v, &i->bcc);
    if (strcmp(key, "textSignature") == 0)
        return jmap_read_text(c, key, v, LIMIT_SIGNATURE, &i->text_signature);
    if (strcmp(key, "htmlSignature") == 0)
        return jmap_read_text(c, key, v, LIMIT_SIGNATURE, &i->html_signature);
    if (strcmp(key, "email") == 0 && i->id == 0)
        return jmap_read_text(c, key, v, LIMIT_ADDRESS, &i->email);
    /* What stays as it is may be said. */
    if (strcmp(key, "email") == 0 && slice_eq(jmap_string(v), i->email))
        return JMAP_DONE;
    if (slice_has(slice_str(key), '/'))
        return jmap_refused("invalidPatch", NULL);
    return jmap_bad_property(c, key, "not a property that can be set");
}

static struct jmap_set_error read_members(struct jmap_call *c, json_t *object, struct identity *i)
{
    const char *key;
    json_t *v;
    json_object_foreach(object, key, v)
    {
        struct jmap_set_error e = read_member(c, key, v, i);
        if (e.type != NULL)
            return e;
    }
    return JMAP_DONE;
}

static void put_default(struct json_writer *w, json_t *object, const char *key, bool text)
{
    if (json_object_get(object, key) != NULL)
        return;
    jw_key(w, key);
    if (text)
        jw_str(w, "");
    else
        jw_null(w);
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *w)
{
    struct identity i = {0};
    uint32_t id;
    struct jmap_set_error bad = read_members(c, object, &i);
    if (bad.type != NULL)
        return bad;
    enum error e = directory_identity_add(c->service->directory, c->user->account.id, &i, &id);
    if (e == ERR_INPUT)
        return jmap_bad_property(c, "email", "not an address");
    if (e == ERR_AUTH)
        return jmap_refused("forbiddenFrom", NULL);
    if (e != OK)
        return jmap_set_result(c, e);
    jmap_created(c, creation_id, 'I', id);
    jw_key(w, "id");
    jmap_id_write(w, 'I', id);
    put_default(w, object, "name", true);
    put_default(w, object, "replyTo", false);
    put_default(w, object, "bcc", false);
    put_default(w, object, "textSignature", true);
    put_default(w, object, "htmlSignature", true);
    jw_key(w, "mayDelete");
    jw_bool(w, true);
    return JMAP_DONE;
}

static struct jmap_set_error find(struct jmap_call *c, struct slice id, struct identity *out)
{
    struct identity *list;
    size_t n;
    enum error e =
        directory_identities(c->service->directory, c->user->account.id, c->arena, &list, &n);
    if (e != OK)
        return jmap_set_result(c, e);
    const struct identity *i = identity_of_id(list, n, id);
    if (i == NULL)
        return jmap_refused("notFound", NULL);
    *out = *i;
    return JMAP_DONE;
}

static struct jmap_set_error update(struct jmap_call *c, struct slice id, json_t *patch)
{
    struct identity i = {0};
    struct jmap_set_error bad = find(c, id, &i);
    if (bad.type == NULL)
        bad = read_members(c, patch, &i);
    if (bad.type != NULL)
        return bad;
    enum error e = directory_identity_change(c->service->directory, c->user->account.id, &i);
    return jmap_set_result(c, e);
}

static struct jmap_set_error destroy(struct jmap_call *c, struct slice id)
{
    struct identity i = {0};
    struct jmap_set_error bad = find(c, id, &i);
    if (bad.type != NULL)
        return bad;
    enum error e = directory_identity_remove(c->service->directory, c->user->account.id, i.id);
    return jmap_set_result(c, e);
}

static void new_state(struct jmap_call *c, struct json_writer *w)
{
    char text[JMAP_STATE_TEXT];
    uint64_t state = 0;
    enum error e = directory_profile_state(c->service->directory, c->user->account.id,
                                           PROFILE_IDENTITY, &state);
    if (e != OK)
        jmap_fail_error(c, e);
    jmap_number_print(state, text);
    jw_str(w, text);
}

static void identity_set(struct jmap_call *c)
{
    static const char *const known[] = {"ifInState", "create", "update", "destroy", NULL};
    static const struct jmap_set set = {create, update, destroy, new_state};
    struct identity *list;
    size_t n;
    uint64_t state;
    char old[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known) || !load(c, &list, &n, &state))
        return;
    jmap_number_print(state, old);
    if (!jmap_in_state(c, slice_str(old)))
        return;
    jmap_set_run(c, &set, slice_str(old));
    jmap_push_wake(c->user->account.id);
}

const struct jmap_method jmap_identity_methods[] = {
    {"Identity/get", CAPABILITY_SUBMISSION, identity_get},
    {"Identity/changes", CAPABILITY_SUBMISSION, identity_changes},
    {"Identity/set", CAPABILITY_SUBMISSION, identity_set},
    {NULL, NULL, NULL},
};
