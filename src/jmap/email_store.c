/* What changes emails in the store; see email_store.h. */
#include "jmap/email_store.h"

#include "base/clock.h"
#include "base/date.h"

struct jmap_set_error email_set_result(struct jmap_call *c, enum error e)
{
    return e == ERR_LIMIT ? jmap_refused("tooManyKeywords", NULL) : jmap_set_result(c, e);
}

/* --- Reading --- */

/* IMAP's atoms, which keywords are (RFC 8621 4.1.1). */
static bool good_keyword(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("(){]%*\"\\", s.p[i]))
            return false;
    return s.n > 0 && s.n <= LIMIT_KEYWORD_NAME;
}

static uint64_t system_flag(struct slice name)
{
    static const struct {
        struct slice name;
        uint64_t flag;
    } table[] = {{SLICE_INIT("$seen"), FLAG_SEEN},
                 {SLICE_INIT("$answered"), FLAG_ANSWERED},
                 {SLICE_INIT("$flagged"), FLAG_FLAGGED},
                 {SLICE_INIT("$draft"), FLAG_DRAFT}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (slice_ieq(name, table[i].name))
            return table[i].flag;
    return 0;
}

struct jmap_set_error email_read_keywords(struct jmap_call *c, json_t *object,
                                          struct email_keywords *out)
{
    const char *name;
    json_t *v;
    *out = (struct email_keywords){.list = {0}};
    if (!object || json_is_null(object))
        return JMAP_DONE;
    size_t n = json_object_size(object);
    out->names = arena_array(c->arena, n + 1, sizeof *out->names);
    if (!json_is_object(object) || !out->names)
        return jmap_bad_property(c, "keywords", "must be an object");
    if (n > LIMIT_KEYWORDS)
        return jmap_refused("tooManyKeywords", NULL);
    json_object_foreach(object, name, v)
    {
        struct slice keyword = arena_dup(c->arena, slice_str(name));
        uint64_t flag = system_flag(keyword);
        if (!json_is_true(v) || !good_keyword(keyword))
            return jmap_bad_property(c, "keywords", "must be keywords with the value true");
        if (flag)
            out->list.system |= flag;
        else
            out->names[out->list.n++] = keyword;
    }
    out->list.keywords = out->names;
    return JMAP_DONE;
}

struct jmap_set_error email_read_places(struct jmap_call *c, json_t *object,
                                        struct email_places *out)
{
    const char *name;
    json_t *v;
    const struct mailbox_list *boxes;
    *out = (struct email_places){0};
    size_t n = json_object_size(object);
    if (n == 0)
        return jmap_bad_property(c, "mailboxIds", "must be at least one mailbox");
    out->mailbox = arena_array(c->arena, n, sizeof *out->mailbox);
    enum error e = store_mailboxes(c->service->store, c->user->account.id, &boxes);
    if (e || !out->mailbox)
        return email_set_result(c, e ? e : ERR_AGAIN);
    struct jmap_set_error result = JMAP_DONE;
    json_object_foreach(object, name, v)
    {
        struct slice id = jmap_id_resolve(c, slice_str(name));
        uint64_t number = 0;
        bool good = json_is_true(v) && id.p && jmap_id_parse(id, 'B', &number) == OK &&
                    number <= UINT32_MAX && store_mailbox_by_id(boxes, (uint32_t)number);
        if (good)
            out->mailbox[out->n++] = (uint32_t)number;
        else
            result = jmap_bad_property(c, "mailboxIds", "one of the mailboxes does not exist");
    }
    store_mailboxes_unref(boxes);
    return result;
}

static struct jmap_set_error read_received(struct jmap_call *c, json_t *object, int64_t *out)
{
    json_t *v = json_object_get(object, "receivedAt");
    *out = clock_wall();
    if (!v || json_is_null(v) || jmap_utc_date(jmap_string(v), out))
        return JMAP_DONE;
    return jmap_bad_property(c, "receivedAt", "must be a UTCDate");
}

/* --- Adding --- */

/* A message for the account: into the first mailbox, copied to the others. Fills email and thread.
 */
struct email_new {
    struct slice raw; /* CRLF lines */
    struct email_places places;
    struct email_keywords keywords;
    int64_t received;
    uint64_t email, thread;
};

static bool take_ids(void *arg, const struct store_row *row)
{
    struct email_new *m = arg;
    m->email = row->email_id;
    m->thread = row->thread_id;
    return false;
}

static enum error copy_to(struct jmap_call *c, uint32_t from, uint32_t uid, uint32_t to, bool move)
{
    const struct uid_range one = {uid, uid};
    struct uid_pair *pairs;
    size_t n;
    uint32_t validity;
    enum error e = store_copy(c->service->store, c->user->account.id, from, &one, 1, to, move,
                              move ? 0 : c->user->account.quota, c->arena, &pairs, &n, &validity);
    return e == OK && n == 0 ? ERR_NOTFOUND : e;
}

static struct jmap_set_error add(struct jmap_call *c, struct email_new *m)
{
    struct store *store = c->service->store;
    uint64_t account = c->user->account.id;
    struct store_message message = {.raw = m->raw,
                                    .internal_date = m->received,
                                    .internal_zone = date_local_zone(m->received),
                                    .flags = m->keywords.list};
    uint32_t uid, validity, first = m->places.mailbox[0];
    autoarena a;
    arena_init(&a, LIMIT_SUMMARY_ARENA);
    enum error e = summary_make(&a, m->raw, m->received, &message.summary);
    if (!e)
        e = store_append(store, account, first, &message, 1, c->user->account.quota, &uid,
                         &validity);
    for (size_t i = 1; !e && i < m->places.n; i++)
        e = copy_to(c, first, uid, m->places.mailbox[i], false);
    if (!e) {
        const struct uid_range one = {uid, uid};
        e = store_read(store, account, first, &one, 1, FIELD_IDS, take_ids, m);
    }
    jmap_view_again(c);
    return email_set_result(c, e);
}

static void write_created(struct json_writer *w, const struct email_new *m)
{
    jw_key(w, "id");
    jmap_id_write(w, 'M', m->email);
    jw_key(w, "blobId");
    jmap_id_write(w, 'M', m->email);
    jw_key(w, "threadId");
    jmap_id_write(w, 'T', m->thread);
    jw_key(w, "size");
    jw_uint(w, m->raw.n);
}

struct jmap_set_error email_create(
    struct jmap_call *c, struct slice creation_id, json_t *object, struct json_writer *created,
    struct jmap_set_error (*write_raw)(struct jmap_call *c, json_t *object, struct buf *raw))
{
    struct email_new m = {.raw = SLICE_NONE};
    autobuf raw = BUF_INIT(c->service->message_size);
    struct jmap_set_error e =
        email_read_places(c, json_object_get(object, "mailboxIds"), &m.places);
    if (!e.type)
        e = email_read_keywords(c, json_object_get(object, "keywords"), &m.keywords);
    if (!e.type)
        e = read_received(c, object, &m.received);
    if (!e.type)
        e = write_raw(c, object, &raw);
    m.raw = buf_slice(&raw);
    if (!e.type)
        e = add(c, &m);
    if (e.type)
        return e;
    jmap_created(c, creation_id, 'M', m.email);
    write_created(created, &m);
    return JMAP_DONE;
}

/* --- Changing --- */

static enum error set_flags(struct jmap_call *c, const struct view_message *m, enum flag_op op,
                            const struct flag_list *flags)
{
    const struct uid_range one = {m->uid, m->uid};
    struct uid_range *modified;
    size_t n;
    return store_flags(c->service->store, c->user->account.id, m->mailbox, &one, 1, op, flags, NULL,
                       c->arena, &modified, &n);
}

static enum error expunge(struct jmap_call *c, const struct view_message *m)
{
    static const struct flag_list deleted = {.system = FLAG_DELETED};
    const struct uid_range one = {m->uid, m->uid};
    enum error e = set_flags(c, m, FLAGS_ADD, &deleted);
    return e ? e : store_expunge(c->service->store, c->user->account.id, m->mailbox, &one, 1);
}

/* The bits that the keywords have; false in *known when one has none yet. */
static uint64_t bits_of(const struct keyword_table *t, const struct flag_list *list, bool *known)
{
    uint64_t bits = list->system;
    *known = true;
    for (size_t i = 0; i < list->n; i++) {
        uint64_t bit = email_keyword_bit(t, list->keywords[i]);
        *known = *known && bit != 0;
        bits |= bit;
    }
    return bits;
}

/* Do all copies have the same? */
static bool agree(const struct email_group *g)
{
    bool visible;
    uint64_t all = email_group_flags(g, &visible);
    for (size_t i = 0; i < g->n; i++)
        if (email_copy_visible(&g->copy[i]) && g->copy[i].flags != all)
            return false;
    return true;
}

static bool is_empty(const struct flag_list *l)
{
    return l->system == 0 && l->n == 0;
}

/* What a patch adds to the keywords that the email had when it was read, and what it takes away. */
static bool find_difference(struct jmap_call *c, const struct keyword_table *t, uint64_t had,
                            const struct flag_list *wanted, struct flag_list *more,
                            struct flag_list *less)
{
    bool known;
    uint64_t gone = had & ~bits_of(t, wanted, &known);
    struct slice *add = arena_array(c->arena, wanted->n + 1, sizeof *add);
    struct slice *remove = arena_array(c->arena, t->n + 1, sizeof *remove);
    if (!add || !remove)
        return false;
    *more = (struct flag_list){.system = wanted->system & ~had, .keywords = add};
    *less = (struct flag_list){.system = gone & ((UINT64_C(1) << FLAG_KEYWORD_SHIFT) - 1),
                               .keywords = remove};
    for (size_t i = 0; i < wanted->n; i++)
        if (!(had & email_keyword_bit(t, wanted->keywords[i])))
            add[more->n++] = wanted->keywords[i];
    for (size_t k = 0; k < t->n; k++)
        if (gone >> (FLAG_KEYWORD_SHIFT + k) & 1)
            remove[less->n++] = arena_dup(c->arena, t->name[k]);
    return true;
}

/* Only what the patch names: other clients may be changing other keywords just now. */
static enum error patch_keywords(struct jmap_call *c, const struct email_group *g,
                                 const struct keyword_table *t, const struct flag_list *wanted)
{
    struct flag_list more, less;
    bool visible;
    if (!find_difference(c, t, email_group_flags(g, &visible), wanted, &more, &less))
        return ERR_AGAIN;
    enum error e = OK;
    for (size_t i = 0; !e && i < g->n; i++) {
        if (!email_copy_visible(&g->copy[i]))
            continue;
        if (!is_empty(&more))
            e = set_flags(c, &g->copy[i], FLAGS_ADD, &more);
        if (!e && !is_empty(&less))
            e = set_flags(c, &g->copy[i], FLAGS_REMOVE, &less);
    }
    return e;
}

static enum error set_keywords(struct jmap_call *c, const struct email_group *g,
                               const struct keyword_table *t, const struct flag_list *wanted)
{
    bool known;
    uint64_t bits = bits_of(t, wanted, &known);
    enum error e = OK;
    for (size_t i = 0; !e && i < g->n; i++)
        if (email_copy_visible(&g->copy[i]) && (!known || g->copy[i].flags != bits))
            e = set_flags(c, &g->copy[i], FLAGS_SET, wanted);
    return e;
}

static enum error change_keywords(struct jmap_call *c, const struct email_group *g,
                                  const struct email_keywords *k)
{
    const struct keyword_table *t;
    enum error e = store_keywords(c->service->store, c->user->account.id, &t);
    if (e)
        return e;
    e = k->whole || !agree(g) ? set_keywords(c, g, t, &k->list) : patch_keywords(c, g, t, &k->list);
    store_keywords_unref(t);
    return e;
}

static bool is_among(const struct email_places *p, uint32_t mailbox)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->mailbox[i] == mailbox)
            return true;
    return false;
}

static bool lies_in(const struct email_group *g, uint32_t mailbox)
{
    for (size_t i = 0; i < g->n; i++)
        if (email_copy_visible(&g->copy[i]) && g->copy[i].mailbox == mailbox)
            return true;
    return false;
}

/* What has to happen: mailboxes where a copy is wanted, and copies that go. */
struct moves {
    uint32_t *wanted;
    const struct view_message **leaving;
    size_t n_wanted, n_leaving;
};

static bool find_moves(struct jmap_call *c, const struct email_group *g,
                       const struct email_places *places, struct moves *m)
{
    m->wanted = arena_array(c->arena, places->n + 1, sizeof *m->wanted);
    m->leaving = arena_array(c->arena, g->n + 1, sizeof(struct view_message *));
    if (!m->wanted || !m->leaving)
        return false;
    for (size_t i = 0; i < places->n; i++)
        if (!lies_in(g, places->mailbox[i]))
            m->wanted[m->n_wanted++] = places->mailbox[i];
    for (size_t i = 0; i < g->n; i++)
        if (email_copy_visible(&g->copy[i]) && !is_among(places, g->copy[i].mailbox))
            m->leaving[m->n_leaving++] = &g->copy[i];
    return true;
}

/* A copy that goes is moved to where one is wanted, so that at every instant it lies somewhere.
 * What is wanted beyond that is copied first, and what is too much is expunged last. */
static enum error change_places(struct jmap_call *c, const struct email_group *g,
                                const struct email_places *places)
{
    const struct view_message *source = email_group_copy(g);
    struct moves m = {0};
    enum error e = find_moves(c, g, places, &m) ? OK : ERR_AGAIN;
    size_t both = m.n_wanted < m.n_leaving ? m.n_wanted : m.n_leaving;
    for (size_t i = both; !e && i < m.n_wanted; i++)
        e = copy_to(c, source->mailbox, source->uid, m.wanted[i], false);
    for (size_t i = 0; !e && i < both; i++)
        e = copy_to(c, m.leaving[i]->mailbox, m.leaving[i]->uid, m.wanted[i], true);
    for (size_t i = both; !e && i < m.n_leaving; i++)
        e = expunge(c, m.leaving[i]);
    return e;
}

struct jmap_set_error email_change(struct jmap_call *c, const struct email_group *g,
                                   const struct email_keywords *keywords,
                                   const struct email_places *places)
{
    enum error e = keywords ? change_keywords(c, g, keywords) : OK;
    if (!e && places)
        e = change_places(c, g, places);
    jmap_view_again(c);
    return email_set_result(c, e);
}

struct jmap_set_error email_destroy(struct jmap_call *c, const struct email_group *g)
{
    enum error e = OK;
    for (size_t i = 0; !e && i < g->n; i++)
        if (email_copy_visible(&g->copy[i]))
            e = expunge(c, &g->copy[i]);
    jmap_view_again(c);
    return email_set_result(c, e);
}
