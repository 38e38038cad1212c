/* Mailbox/set (RFC 8621 2.5). */
#include "base/utf8.h"
#include "jmap/mailbox.h"

/* What a create or an update asks for. */
struct wish {
    struct slice name; /* as JMAP knows it */
    const struct mailbox *parent;
    const char *role; /* NULL: none */
    bool subscribed;
    uint64_t sort_order;
    bool names_sort_order, names_subscribed, names_parent, names_role;
};

/* --- Reading --- */

/* One level: not empty, in NFC, no '/', which the store would read as another level. */
static struct jmap_set_error read_name(struct jmap_call *c, const json_t *v, struct wish *w)
{
    struct slice s = jmap_string(v);
    autobuf nfc = BUF_INIT(LIMIT_JMAP_MAILBOX_NAME * 4);
    if (s.n == 0 || s.n > LIMIT_JMAP_MAILBOX_NAME)
        return jmap_bad_property(c, "name", "a name has 1 to 255 bytes");
    if (slice_has(s, '/'))
        return jmap_bad_property(c, "name", "a name cannot contain /");
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] == 0x7f)
            return jmap_bad_property(c, "name", "a name cannot contain control characters");
    if (utf8_nfc(s, &nfc) != OK || nfc.failed || nfc.n > LIMIT_JMAP_MAILBOX_NAME)
        return jmap_bad_property(c, "name", "not a good name");
    w->name = arena_dup(c->arena, buf_slice(&nfc));
    return JMAP_DONE;
}

static struct jmap_set_error read_parent(struct jmap_call *c, const struct mailbox_list *l,
                                         const json_t *v, struct wish *w)
{
    struct slice id = jmap_string(v);
    w->parent = NULL;
    w->names_parent = true;
    if (json_is_null(v))
        return JMAP_DONE;
    if (id.p == NULL)
        return jmap_bad_property(c, "parentId", "an id or null");
    struct slice real = jmap_id_resolve(c, id);
    if (real.p == NULL)
        return jmap_refused(JMAP_LATER, NULL);
    w->parent = mailbox_of_id(l, real);
    return w->parent != NULL ? JMAP_DONE
                             : jmap_bad_property(c, "parentId", "there is no such mailbox");
}

static struct jmap_set_error read_member(struct jmap_call *c, const struct mailbox_list *l,
                                         const char *key, const json_t *v, struct wish *w)
{
    if (strcmp(key, "name") == 0)
        return read_name(c, v, w);
    if (strcmp(key, "parentId") == 0)
        return read_parent(c, l, v, w);
    if (strcmp(key, "role") == 0) {
        w->names_role = true;
        w->role = json_string_value(v);
        return json_is_null(v) || json_is_string(v)
                   ? JMAP_DONE
                   : jmap_bad_property(c, "role", "a string or null");
    }
    if (strcmp(key, "isSubscribed") == 0) {
        w->names_subscribed = true;
        w->subscribed = json_is_true(v);
        return json_is_boolean(v) ? JMAP_DONE
                                  : jmap_bad_property(c, "isSubscribed", "true or false");
    }
    if (strcmp(key, "sortOrder") == 0) {
        w->names_sort_order = true;
        w->sort_order = (uint64_t)json_integer_value(v);
        return json_is_integer(v) && json_integer_value(v) >= 0 &&
                       json_integer_value(v) <= INT32_MAX
                   ? JMAP_DONE
                   : jmap_bad_property(c, "sortOrder", "an unsigned integer below 2^31");
    }
    return jmap_bad_property(c, key, "not a property that can be set");
}

static struct jmap_set_error read_wish(struct jmap_call *c, const struct mailbox_list *l,
                                       json_t *object, struct wish *w)
{
    const char *key;
    json_t *v;
    json_object_foreach(object, key, v)
    {
        struct jmap_set_error e = read_member(c, l, key, v, w);
        if (e.type != NULL)
            return e;
    }
    return JMAP_DONE;
}

/* The whole path; empty when it is too long. */
static struct slice path_of(struct jmap_call *c, const struct wish *w)
{
    if (w->parent == NULL)
        return w->name;
    struct slice p = w->parent->name;
    uint8_t *out = arena_alloc(c->arena, p.n + 1 + w->name.n);
    if (out == NULL || p.n + 1 + w->name.n > LIMIT_MAILBOX_NAME)
        return SLICE("");
    memcpy(out, p.p, p.n);
    out[p.n] = '/';
    memcpy(out + p.n + 1, w->name.p, w->name.n);
    return slice_of(out, p.n + 1 + w->name.n);
}

static struct jmap_set_error failed(struct jmap_call *c, enum error e)
{
    if (e == ERR_CONFLICT)
        return jmap_bad_property(c, "name", "there is a mailbox of that name");
    if (e == ERR_INPUT)
        return jmap_bad_property(c, "parentId", "too deep, or the name is too long");
    return jmap_set_result(c, e);
}

/* --- Creating --- */

static struct jmap_set_error find_use(struct jmap_call *c, const struct mailbox_list *l,
                                      const struct wish *w, enum special_use *use)
{
    *use = USE_NONE;
    if (w->role == NULL)
        return JMAP_DONE;
    for (enum special_use u = USE_INBOX; u <= USE_IMPORTANT; u++)
        if (strcmp(mailbox_role(u), w->role) == 0)
            *use = u;
    if (*use == USE_NONE)
        return jmap_bad_property(c, "role", "not a role that is known");
    if (store_mailbox_by_use(l, *use) != NULL)
        return jmap_bad_property(c, "role", "another mailbox has that role");
    return JMAP_DONE;
}

/* What the client did not say. */
static void write_created(const struct mailbox *b, const struct wish *w, json_t *asked,
                          struct json_writer *out)
{
    static const char *const counts[] = {"totalEmails", "unreadEmails", "totalThreads",
                                         "unreadThreads"};
    jw_key(out, "id");
    jmap_id_write(out, 'B', b->id);
    if (!slice_eq(jmap_string(json_object_get(asked, "name")), w->name)) {
        jw_key(out, "name");
        jw_text(out, w->name);
    }
    if (!w->names_parent) {
        jw_key(out, "parentId");
        jw_null(out);
    }
    if (!w->names_role) {
        jw_key(out, "role");
        jw_null(out);
    }
    if (!w->names_sort_order || w->sort_order != mailbox_sort_order(b)) {
        jw_key(out, "sortOrder");
        jw_uint(out, mailbox_sort_order(b));
    }
    if (!w->names_subscribed || w->subscribed != b->subscribed) {
        jw_key(out, "isSubscribed");
        jw_bool(out, b->subscribed);
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        jw_key(out, counts[i]);
        jw_uint(out, 0);
    }
    jw_key(out, "myRights");
    mailbox_rights(b, out);
}

static struct jmap_set_error make(struct jmap_call *c, const struct mailbox_list *l,
                                  struct slice creation_id, json_t *object,
                                  struct json_writer *created)
{
    struct store *s = c->service->store;
    uint64_t account = c->user->account.id;
    struct wish w = {0};
    enum special_use use;
    struct jmap_set_error bad = read_wish(c, l, object, &w);
    if (bad.type == NULL && w.name.n == 0)
        bad = jmap_bad_property(c, "name", "must be given");
    if (bad.type == NULL)
        bad = find_use(c, l, &w, &use);
    if (bad.type != NULL)
        return bad;
    uint32_t id;
    struct slice path = path_of(c, &w);
    enum error e = store_mailbox_create(s, account, path, use, &id);
    if (e != OK)
        return failed(c, e);
    jmap_created(c, creation_id, 'B', id);
    /* A name may have been subscribed before there was a mailbox. */
    bool subscribed = w.subscribed;
    e = store_subscribe(s, account, path, w.subscribed);
    if (e != OK)
        subscribed = false;
    struct mailbox b = {.id = id, .use = use, .subscribed = subscribed};
    write_created(&b, &w, object, created);
    return JMAP_DONE;
}

/* --- Changing --- */

static bool is_below_or_same(struct slice name, struct slice superior)
{
    return slice_starts(name, superior) && (name.n == superior.n || name.p[superior.n] == '/');
}

static struct jmap_set_error move(struct jmap_call *c, const struct mailbox *b,
                                  const struct wish *w)
{
    struct slice path = path_of(c, w);
    if (slice_eq(path, b->name))
        return JMAP_DONE;
    if (w->parent != NULL && is_below_or_same(w->parent->name, b->name))
        return jmap_bad_property(c, "parentId", "a mailbox cannot lie below itself");
    if (b->use == USE_INBOX)
        return jmap_refused("forbidden", "the Inbox keeps its name and place");
    enum error e = store_mailbox_rename(c->service->store, c->user->account.id, b->name, path);
    return e == OK ? JMAP_DONE : failed(c, e);
}

static struct jmap_set_error check_fixed(struct jmap_call *c, const struct mailbox *b,
                                         const struct wish *w)
{
    const char *role = mailbox_role(b->use);
    if ((role == NULL) != (w->role == NULL) || (role != NULL && strcmp(role, w->role) != 0))
        return jmap_bad_property(c, "role", "a mailbox keeps its role");
    if (w->sort_order != mailbox_sort_order(b))
        return jmap_bad_property(c, "sortOrder", "the server says the order");
    return JMAP_DONE;
}

static struct jmap_set_error change(struct jmap_call *c, const struct mailbox_list *l,
                                    const struct mailbox *b, json_t *patch)
{
    struct wish w = {.name = mailbox_level(b),
                     .parent = mailbox_parent(l, b),
                     .role = mailbox_role(b->use),
                     .subscribed = b->subscribed,
                     .sort_order = mailbox_sort_order(b)};
    struct jmap_set_error bad = read_wish(c, l, patch, &w);
    if (bad.type == JMAP_LATER)
        return jmap_bad_property(c, "parentId", "there is no such mailbox");
    if (bad.type == NULL)
        bad = check_fixed(c, b, &w);
    /* The Inbox's name in the store is not the one it has here. */
    if (b->use == USE_INBOX && w.parent == NULL && slice_eq(w.name, mailbox_level(b)))
        w.name = b->name;
    if (bad.type != NULL)
        return bad;
    if (w.subscribed != b->subscribed) {
        enum error e =
            store_subscribe(c->service->store, c->user->account.id, b->name, w.subscribed);
        if (e != OK)
            return jmap_set_result(c, e);
    }
    return move(c, b, &w);
}

/* --- Removing --- */

static bool has_child(const struct mailbox_list *l, const struct mailbox *b)
{
    for (size_t i = 0; i < l->n; i++)
        if (&l->box[i] != b && is_below_or_same(l->box[i].name, b->name))
            return true;
    return false;
}

static struct jmap_set_error remove_one(struct jmap_call *c, const struct mailbox_list *l,
                                        const struct mailbox *b)
{
    bool with_emails = json_is_true(json_object_get(c->args, "onDestroyRemoveEmails"));
    if (b->use == USE_INBOX)
        return jmap_refused("forbidden", "the Inbox stays");
    if (has_child(l, b))
        return jmap_refused("mailboxHasChild", NULL);
    /* What has \Deleted does not exist for JMAP. */
    if (!with_emails && b->exists > b->deleted)
        return jmap_refused("mailboxHasEmail", NULL);
    enum error e = store_mailbox_delete(c->service->store, c->user->account.id, b->name);
    return e == ERR_CONFLICT ? jmap_refused("mailboxHasChild", NULL) : jmap_set_result(c, e);
}

/* --- The method --- */

static struct jmap_set_error with_list(struct jmap_call *c, const struct mailbox_list **l)
{
    enum error e = store_mailboxes(c->service->store, c->user->account.id, l);
    return jmap_set_result(c, e);
}

static struct jmap_set_error create(struct jmap_call *c, struct slice creation_id, json_t *object,
                                    struct json_writer *created)
{
    const struct mailbox_list *l;
    struct jmap_set_error e = with_list(c, &l);
    if (e.type != NULL)
        return e;
    e = make(c, l, creation_id, object, created);
    store_mailboxes_unref(l);
    return e;
}

static struct jmap_set_error update(struct jmap_call *c, struct slice id, json_t *patch)
{
    const struct mailbox_list *l;
    struct jmap_set_error e = with_list(c, &l);
    if (e.type != NULL)
        return e;
    const struct mailbox *b = mailbox_of_id(l, id);
    e = b != NULL ? change(c, l, b, patch) : jmap_refused("notFound", NULL);
    store_mailboxes_unref(l);
    return e;
}

static struct jmap_set_error destroy(struct jmap_call *c, struct slice id)
{
    const struct mailbox_list *l;
    struct jmap_set_error e = with_list(c, &l);
    if (e.type != NULL)
        return e;
    const struct mailbox *b = mailbox_of_id(l, id);
    e = b != NULL ? remove_one(c, l, b) : jmap_refused("notFound", NULL);
    store_mailboxes_unref(l);
    return e;
}

void jmap_mailbox_set(struct jmap_call *c)
{
    static const char *const known[] = {
        "ifInState", "create", "update", "destroy", "onDestroyRemoveEmails", NULL};
    static const struct jmap_set set = {create, update, destroy, NULL};
    bool with_emails = false;
    if (jmap_account(c) && jmap_only(c, known) &&
        jmap_arg_bool(c, "onDestroyRemoveEmails", &with_emails))
        jmap_set_run_view(c, &set);
}
