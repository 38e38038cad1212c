/* Email/set (RFC 8621 4.6) and Email/copy, which one account has no use for (4.7). */
#include "jmap/email_compose.h"
#include "jmap/email_store.h"
#include "jmap/methods.h"

/* --- create --- */

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *created)
{
    return email_create(c, creation_id, object, created, email_compose);
}

/* --- update --- */

static bool find(struct jmap_call *c, struct slice id, struct email_group *out)
{
    uint64_t email;
    struct view *v = jmap_view(c);
    return v && jmap_id_parse(id, 'M', &email) == OK && email_group_find(v, email, out);
}

/* What can be changed of an email, as it is now. */
static json_t *present(struct jmap_call *c, const struct email_group *g)
{
    const struct keyword_table *t;
    json_t *o = json_object(), *places = json_object(), *keywords = NULL;
    autobuf text = BUF_INIT(64 * 1024);
    struct json_writer w;
    bool visible;
    jw_init(&w, &text);
    if (store_keywords(c->service->store, c->user->account.id, &t) == OK) {
        email_write_keywords(&w, email_group_flags(g, &visible), t);
        store_keywords_unref(t);
        keywords = json_loadb((const char *)text.p, text.n, 0, NULL);
    }
    for (size_t i = 0; i < g->n; i++)
        if (email_copy_visible(&g->copy[i])) {
            char id[JMAP_ID_TEXT];
            jmap_id_print('B', g->copy[i].mailbox, id);
            json_object_set_new(places, id, json_true());
        }
    json_object_set_new(o, "mailboxIds", places);
    json_object_set_new(o, "keywords", keywords ? keywords : json_object());
    return o;
}

/* "mailboxIds/#k1" names what was created in this request. */
static struct slice resolve_path(struct jmap_call *c, struct slice path)
{
    static const struct slice mailboxes = SLICE_INIT("mailboxIds/");
    if (!slice_starts(path, mailboxes))
        return path;
    struct slice id = jmap_id_resolve(c, slice_from(path, mailboxes.n));
    return id.p ? arena_printf(c->arena, "mailboxIds/%.*s", SLICE_FMT(id)) : path;
}

/* Keywords are compared without case, and shown in lower case. */
static struct slice lower_path(struct jmap_call *c, struct slice path)
{
    struct slice copy = arena_dup(c->arena, path);
    if (slice_starts(copy, SLICE("keywords/")))
        for (size_t i = 0; i < copy.n; i++)
            ((uint8_t *)(uintptr_t)copy.p)[i] = ascii_lower(copy.p[i]);
    return copy;
}

static bool changeable(struct slice path)
{
    struct slice first;
    if (!slice_split(&path, '/', &first))
        first = path;
    return slice_eq(first, SLICE("mailboxIds")) || slice_eq(first, SLICE("keywords"));
}

/* The patch with its paths as `present` has them; NULL: something in it cannot be changed. */
static json_t *normal_patch(struct jmap_call *c, json_t *patch)
{
    const char *name;
    json_t *v, *out = json_object();
    json_object_foreach(patch, name, v)
    {
        struct slice path = lower_path(c, resolve_path(c, slice_str(name)));
        if (!changeable(path)) {
            json_decref(out);
            return NULL;
        }
        json_object_setn_new(out, (const char *)path.p, path.n, json_incref(v));
    }
    return out;
}

static bool touches(json_t *patch, const char *property)
{
    const char *name;
    json_t *v;
    json_object_foreach(patch, name,
                        v) if (slice_starts(slice_str(name), slice_str(property))) return true;
    return false;
}

static struct jmap_set_error apply(struct jmap_call *c, const struct email_group *g, json_t *object,
                                   json_t *patch)
{
    struct email_keywords keywords = {.list = {0}};
    struct email_places places;
    bool change_keywords = touches(patch, "keywords"), change_places = touches(patch, "mailboxIds");
    struct jmap_set_error e = JMAP_DONE;
    if (!jmap_patch_apply(object, patch))
        return jmap_refused("invalidPatch", NULL);
    if (change_keywords)
        e = email_read_keywords(c, json_object_get(object, "keywords"), &keywords);
    keywords.whole = json_object_get(patch, "keywords") != NULL;
    if (!e.type && change_places)
        e = email_read_places(c, json_object_get(object, "mailboxIds"), &places);
    if (e.type)
        return e;
    return email_change(c, g, change_keywords ? &keywords : NULL, change_places ? &places : NULL);
}

static struct jmap_set_error update(struct jmap_call *c, struct slice id, json_t *patch)
{
    struct email_group g;
    if (!find(c, id, &g))
        return jmap_refused("notFound", NULL);
    json_t *normal = normal_patch(c, patch);
    if (!normal)
        return jmap_refused("invalidProperties", "only mailboxIds and keywords can be changed");
    json_t *object = present(c, &g);
    /* The view must stay while the group is read, whatever is changed. */
    struct view *held = view_ref(jmap_view(c));
    struct jmap_set_error e = apply(c, &g, object, normal);
    view_unref(held);
    json_decref(object);
    json_decref(normal);
    return e;
}

/* --- destroy --- */

static struct jmap_set_error destroy(struct jmap_call *c, struct slice id)
{
    struct email_group g;
    if (!find(c, id, &g))
        return jmap_refused("notFound", NULL);
    struct view *held = view_ref(jmap_view(c));
    struct jmap_set_error e = email_destroy(c, &g);
    view_unref(held);
    return e;
}

static void email_set(struct jmap_call *c)
{
    static const char *const known[] = {"ifInState", "create", "update", "destroy", NULL};
    static const struct jmap_set set = {create, update, destroy, NULL};
    if (jmap_account(c) && jmap_only(c, known))
        jmap_set_run_view(c, &set);
}

/* Between accounts; here everybody has one. */
static void email_copy(struct jmap_call *c)
{
    if (!jmap_account(c))
        return;
    struct slice from = jmap_string(json_object_get(c->args, "fromAccountId"));
    char mine[JMAP_ID_TEXT];
    jmap_account_id(c->user, mine);
    if (from.p && !slice_eq(from, slice_str(mine)))
        jmap_fail(c, "fromAccountNotFound", NULL);
    else
        jmap_fail(c, "invalidArguments", "fromAccountId: must be another account");
}

const struct jmap_method jmap_email_set_methods[] = {
    {"Email/set", CAPABILITY_MAIL, email_set},
    {"Email/copy", CAPABILITY_MAIL, email_copy},
    {NULL, NULL, NULL},
};
