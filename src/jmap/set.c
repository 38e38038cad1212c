/* The standard /set (RFC 8620 5.3) and its patches; see method.h. */
#include "base/log.h"
#include "jmap/request.h"

const char JMAP_LATER[] = "later";
const struct jmap_set_error JMAP_DONE = {.type = NULL};

/* --- Patches --- */

static bool unescape(struct arena *a, struct slice raw, struct slice *out)
{
    if (!slice_has(raw, '~')) {
        *out = raw;
        return true;
    }
    uint8_t *p = arena_alloc(a, raw.n);
    size_t n = 0;
    if (p == NULL)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        bool escape =
            raw.p[i] == '~' && i + 1 < raw.n && (raw.p[i + 1] == '0' || raw.p[i + 1] == '1');
        p[n++] = !escape ? raw.p[i] : raw.p[++i] == '0' ? '~' : '/';
    }
    *out = slice_of(p, n);
    return true;
}

bool jmap_patch_step(struct arena *a, struct slice *path, struct slice *step)
{
    if (path->p == NULL)
        return false;
    size_t end = slice_index(*path, '/');
    struct slice raw = slice_sub(*path, 0, end);
    *path = end < path->n ? slice_from(*path, end + 1) : SLICE_NONE;
    return unescape(a, raw, step);
}

static bool apply_one(struct arena *a, json_t *object, struct slice path, json_t *value)
{
    struct slice step, next;
    bool top = true;
    if (!jmap_patch_step(a, &path, &step))
        return false;
    while (jmap_patch_step(a, &path, &next)) {
        object = json_object_getn(object, (const char *)step.p, step.n);
        if (!json_is_object(object))
            return false;
        step = next;
        top = false;
    }
    if (a->failed)
        return false;
    if (json_is_null(value)) {
        json_object_deln(object, (const char *)step.p, step.n);
        return true;
    }
    json_t *v = top ? json_deep_copy(value) : json_incref(value);
    return json_object_setn_new_nocheck(object, (const char *)step.p, step.n, v) == 0;
}

static size_t levels(struct slice path)
{
    size_t n = 1;
    for (size_t i = 0; i < path.n; i++)
        n += path.p[i] == '/';
    return n;
}

/* Is there a member whose path begins this one's? */
static bool has_prefix(json_t *patch, struct slice path)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '/' && json_object_getn(patch, (const char *)path.p, i) != NULL)
            return true;
    return false;
}

bool jmap_patch_apply(json_t *object, json_t *patch)
{
    autoarena a;
    const char *path;
    json_t *value;
    if (!json_is_object(patch))
        return false;
    arena_init(&a, LIMIT_JMAP_ARENA);
    json_object_foreach(patch, path, value)
    {
        struct slice s = slice_str(path);
        if (s.n > LIMIT_JMAP_PATH || levels(s) > LIMIT_JMAP_DEPTH || has_prefix(patch, s) ||
            !apply_one(&a, object, s, value))
            return false;
    }
    return true;
}

/* --- /set --- */

struct jmap_set_error jmap_refused(const char *type, const char *detail)
{
    return (struct jmap_set_error){.type = type, .detail = detail};
}

struct jmap_set_error jmap_bad_property(struct jmap_call *c, const char *property,
                                        const char *detail)
{
    struct jmap_set_error e = jmap_refused("invalidProperties", detail);
    const char **list = arena_array(c->arena, 2, sizeof *list);
    if (list != NULL)
        list[0] = property;
    e.properties = list;
    return e;
}

struct jmap_set_error jmap_read_text(struct jmap_call *c, const char *property, const json_t *v,
                                     size_t most, struct slice *out)
{
    *out = SLICE("");
    if (json_is_null(v))
        return JMAP_DONE;
    if (!json_is_string(v))
        return jmap_bad_property(c, property, "a string, or null");
    *out = jmap_string(v);
    return out->n <= most ? JMAP_DONE : jmap_refused("tooLarge", property);
}

struct jmap_set_error jmap_set_result(struct jmap_call *c, enum error e)
{
    switch (e) {
    case OK:
        return JMAP_DONE;
    case ERR_NOTFOUND:
        return jmap_refused("notFound", NULL);
    case ERR_QUOTA:
    case ERR_LIMIT:
        return jmap_refused("overQuota", NULL);
    case ERR_AUTH:
        return jmap_refused("forbidden", NULL);
    case ERR_AGAIN:
    case ERR_CLOSED:
    case ERR_TIMEOUT:
        return jmap_refused("rateLimit", "try again");
    default:
        log_error("jmap.failed", log_text("method", c->name), log_text("error", error_name(e)));
        return jmap_refused("serverFail", e == ERR_FULL ? "the server's disk is full" : NULL);
    }
}

struct refusal {
    struct slice id;
    struct jmap_set_error error;
};
struct refusals {
    struct refusal *list;
    size_t n;
};

/* One /set while it runs. */
struct run {
    struct jmap_call *c;
    const struct jmap_set *set;
    json_t *create, *update, *destroy; /* NULL: not asked */
    size_t changes;
    struct refusals not_created, not_updated, not_destroyed;
};

static bool read_map(struct jmap_call *c, const char *name, json_t **out)
{
    json_t *v = json_object_get(c->args, name), *item;
    const char *id;
    *out = NULL;
    if (v == NULL || json_is_null(v))
        return true;
    *out = v;
    bool good = json_is_object(v);
    if (good)
        json_object_foreach(v, id, item) good = good && json_is_object(item);
    if (!good)
        jmap_fail(c, "invalidArguments", "create and update must be maps of ids to objects");
    return good;
}

static bool read_list(struct jmap_call *c, json_t **out)
{
    json_t *v = json_object_get(c->args, "destroy"), *item;
    size_t i;
    *out = NULL;
    if (v == NULL || json_is_null(v))
        return true;
    *out = v;
    bool good = json_is_array(v);
    if (good)
        json_array_foreach(v, i, item) good = good && json_is_string(item);
    if (!good)
        jmap_fail(c, "invalidArguments", "destroy must be a list of ids");
    return good;
}

static bool room_for(struct jmap_call *c, struct refusals *r, size_t n)
{
    r->list = arena_array(c->arena, n + 1, sizeof *r->list);
    if (r->list == NULL)
        jmap_fail_error(c, ERR_LIMIT);
    return r->list != NULL;
}

static bool read_all(struct run *r)
{
    struct jmap_call *c = r->c;
    if (!read_map(c, "create", &r->create) || !read_map(c, "update", &r->update) ||
        !read_list(c, &r->destroy))
        return false;
    size_t creates = json_object_size(r->create), updates = json_object_size(r->update);
    size_t destroys = json_array_size(r->destroy);
    if (creates + updates + destroys > LIMIT_JMAP_SET) {
        jmap_fail(c, "requestTooLarge", "too many objects");
        return false;
    }
    return room_for(c, &r->not_created, creates) && room_for(c, &r->not_updated, updates) &&
           room_for(c, &r->not_destroyed, destroys);
}

static void refused(struct refusals *list, struct slice id, struct jmap_set_error error)
{
    list->list[list->n++] = (struct refusal){id, error};
}

static void write_one_in_list(struct json_writer *w, const char *name, struct slice value)
{
    if (value.n == 0)
        return;
    jw_key(w, name);
    jw_array(w);
    jw_text(w, value);
    jw_end(w);
}

static void write_refusals(struct json_writer *w, const char *name, const struct refusals *list)
{
    jw_key(w, name);
    if (list->n == 0) {
        jw_null(w);
        return;
    }
    jw_object(w);
    for (size_t i = 0; i < list->n; i++) {
        const struct jmap_set_error *e = &list->list[i].error;
        jw_key_text(w, list->list[i].id);
        jw_object(w);
        jw_key(w, "type");
        jw_str(w, e->type);
        if (e->detail != NULL) {
            jw_key(w, "description");
            jw_str(w, e->detail);
        }
        if (e->properties != NULL) {
            jw_key(w, "properties");
            jw_array(w);
            for (const char *const *p = e->properties; *p != NULL; p++)
                jw_str(w, *p);
            jw_end(w);
        }
        if (e->existing.n > 0) {
            jw_key(w, "existingId");
            jw_text(w, e->existing);
        }
        write_one_in_list(w, "notFound", e->not_found);
        write_one_in_list(w, "invalidRecipients", e->invalid_recipient);
        jw_end(w);
    }
    jw_end(w);
}

/* Ids: 1 to 255 of A-Z a-z 0-9 - _ (RFC 8620 1.2). */
static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.n >= 1 && s.n <= 255;
}

static struct jmap_set_error create_one(struct run *r, struct slice id, json_t *object)
{
    struct json_writer *w = r->c->out;
    struct jmap_mark before = jmap_mark(w);
    struct jmap_set_error e = jmap_refused("forbidden", NULL);
    if (!is_id(id))
        e = jmap_refused("invalidProperties", "not a good creation id");
    else if (r->set->create != NULL) {
        jw_key_text(w, id);
        jw_object(w);
        e = r->set->create(r->c, id, object, w);
        if (e.type == NULL)
            jw_end(w);
        else
            jmap_rewind(w, &before);
    }
    return e;
}

/* Those that refer to one that comes later are asked again while anything is made. */
static void create_all(struct run *r)
{
    struct json_writer *w = r->c->out;
    size_t left = json_object_size(r->create), before, made = 0;
    bool *done = arena_array(r->c->arena, left + 1, sizeof *done);
    jw_key(w, "created");
    struct jmap_mark nothing = jmap_mark(w);
    jw_object(w);
    do {
        const char *id;
        json_t *object;
        size_t i = 0, made_before = made;
        before = left;
        json_object_foreach(r->create, id, object)
        {
            size_t at = i++;
            if (done == NULL || done[at] || r->c->failed != NULL)
                continue;
            struct jmap_set_error e = create_one(r, slice_str(id), object);
            if (e.type == JMAP_LATER)
                continue;
            done[at] = true;
            left--;
            made += e.type == NULL;
            if (e.type != NULL)
                refused(&r->not_created, slice_str(id), e);
        }
        if (made == made_before)
            break;
    } while (left > 0 && left < before && r->c->failed == NULL);
    const char *id;
    json_t *object;
    size_t i = 0;
    json_object_foreach(r->create, id, object) if (done != NULL && !done[i++])
        refused(&r->not_created, slice_str(id),
                jmap_refused("invalidProperties", "it refers to what was not created"));
    jw_end(w);
    r->changes += made;
    if (made == 0) {
        jmap_rewind(w, &nothing);
        jw_null(w);
    }
}

static bool set_add(json_t *set, struct slice id)
{
    if (json_object_getn(set, (const char *)id.p, id.n) != NULL)
        return false;
    json_object_setn_new_nocheck(set, (const char *)id.p, id.n, json_true());
    return true;
}

static json_t *ids_to_destroy(struct run *r)
{
    json_t *set = json_object(), *v;
    size_t i;
    json_array_foreach(r->destroy, i, v)
    {
        struct slice id = jmap_id_resolve(r->c, jmap_string(v));
        if (id.p != NULL)
            (void)set_add(set, id);
    }
    return set;
}

static void update_all(struct run *r)
{
    struct json_writer *w = r->c->out;
    const char *name;
    json_t *patch, *doomed = ids_to_destroy(r), *seen = json_object();
    size_t n = 0;
    jw_key(w, "updated");
    struct jmap_mark nothing = jmap_mark(w);
    jw_object(w);
    json_object_foreach(r->update, name, patch)
    {
        struct slice id = jmap_id_resolve(r->c, slice_str(name));
        struct jmap_set_error e = jmap_refused("forbidden", NULL);
        if (id.p == NULL)
            e.type = "notFound";
        else if (json_object_getn(doomed, (const char *)id.p, id.n) != NULL)
            e.type = "willDestroy";
        else if (!set_add(seen, id)) /* by its id and by its creation id */
            e.type = "invalidPatch";
        else if (r->c->failed == NULL && r->set->update != NULL)
            e = r->set->update(r->c, id, patch);
        if (e.type != NULL) {
            refused(&r->not_updated, slice_str(name), e);
            continue;
        }
        n++;
        jw_key_text(w, id);
        jw_null(w);
    }
    jw_end(w);
    json_decref(doomed);
    json_decref(seen);
    r->changes += n;
    if (n == 0) {
        jmap_rewind(w, &nothing);
        jw_null(w);
    }
}

static void destroy_all(struct run *r)
{
    struct json_writer *w = r->c->out;
    json_t *v;
    size_t i, n = 0;
    json_t *seen = json_object();
    jw_key(w, "destroyed");
    struct jmap_mark nothing = jmap_mark(w);
    jw_array(w);
    json_array_foreach(r->destroy, i, v)
    {
        struct slice name = jmap_string(v), id = jmap_id_resolve(r->c, name);
        struct jmap_set_error e = jmap_refused("forbidden", NULL);
        if (!set_add(seen, id.p != NULL ? id : name))
            continue;
        if (id.p == NULL)
            e.type = "notFound";
        else if (r->c->failed == NULL && r->set->destroy != NULL)
            e = r->set->destroy(r->c, id);
        if (e.type != NULL) {
            refused(&r->not_destroyed, name, e);
            continue;
        }
        n++;
        jw_text(w, id);
    }
    jw_end(w);
    json_decref(seen);
    r->changes += n;
    if (n == 0) {
        jmap_rewind(w, &nothing);
        jw_null(w);
    }
}

void jmap_set_run(struct jmap_call *c, const struct jmap_set *s, struct slice old_state)
{
    struct run r = {.c = c, .set = s};
    if (!read_all(&r))
        return;
    jmap_answer(c);
    jw_key(c->out, "oldState");
    jw_text(c->out, old_state);
    create_all(&r);
    update_all(&r);
    destroy_all(&r);
    write_refusals(c->out, "notCreated", &r.not_created);
    write_refusals(c->out, "notUpdated", &r.not_updated);
    write_refusals(c->out, "notDestroyed", &r.not_destroyed);
    jw_key(c->out, "newState");
    s->state(c, c->out);
    jw_end(c->out);
    if (c->failed != NULL && r.changes > 0)
        c->failed = "serverPartialFail";
}

static void write_view_state(struct jmap_call *c, struct json_writer *w)
{
    jmap_view_again(c);
    const struct view *v = jmap_view(c);
    /* Without one the call has failed: what is written here is not sent. */
    struct view_state state = v != NULL ? view_state(v) : (struct view_state){0};
    jmap_state_write(w, &state);
}

void jmap_set_run_view(struct jmap_call *c, const struct jmap_set *s)
{
    struct jmap_set set = *s;
    char old[JMAP_STATE_TEXT];
    jmap_view_again(c); /* what others did since another call of this request looked */
    const struct view *v = jmap_view(c);
    if (v == NULL)
        return;
    struct view_state state = view_state(v);
    jmap_state_print(&state, old);
    set.state = write_view_state;
    if (jmap_in_state(c, slice_str(old)))
        jmap_set_run(c, &set, slice_str(old));
}
