/* What methods share: errors, arguments, ids, states, views; see method.h. */
#include "base/date.h"
#include "base/hash.h"
#include "base/log.h"
#include "jmap/request.h"

#define MOST_INT ((INT64_C(1) << 53) - 1) /* RFC 8620 1.3 */

/* --- Errors --- */

void jmap_fail(struct jmap_call *c, const char *type, const char *detail)
{
    if (c->failed != NULL)
        return;
    c->failed = type;
    c->detail = detail;
}

void jmap_fail_error(struct jmap_call *c, enum error e)
{
    if (e == ERR_AGAIN || e == ERR_CLOSED || e == ERR_TIMEOUT) {
        jmap_fail(c, "serverUnavailable", NULL);
        return;
    }
    if (c->failed == NULL)
        log_error("jmap.failed", log_text("method", c->name), log_text("error", error_name(e)));
    jmap_fail(c, "serverFail", e == ERR_FULL ? "the server's disk is full" : NULL);
}

static bool refuse(struct jmap_call *c, const char *name, const char *what)
{
    struct slice why = arena_printf(c->arena, "%s: %s%c", name, what, '\0');
    jmap_fail(c, "invalidArguments", (const char *)why.p);
    return false;
}

/* --- Arguments --- */

struct slice jmap_string(const json_t *v)
{
    if (!json_is_string(v))
        return SLICE_NONE;
    return slice_of(json_string_value(v), json_string_length(v));
}

static json_t *argument(struct jmap_call *c, const char *name)
{
    json_t *v = json_object_get(c->args, name);
    return json_is_null(v) ? NULL : v;
}

void jmap_id_print(char letter, uint64_t number, char out[JMAP_ID_TEXT])
{
    snprintf(out, JMAP_ID_TEXT, "%c%llu", letter, (unsigned long long)number);
}

void jmap_account_id(const struct jmap_user *u, char out[JMAP_ID_TEXT])
{
    jmap_id_print('A', u->account.id, out);
}

bool jmap_account(struct jmap_call *c)
{
    char mine[JMAP_ID_TEXT];
    jmap_account_id(c->user, mine);
    struct slice id = jmap_string(json_object_get(c->args, "accountId"));
    if (id.p == NULL)
        return refuse(c, "accountId", "must be given");
    if (!slice_eq(id, slice_str(mine))) {
        jmap_fail(c, "accountNotFound", NULL);
        return false;
    }
    return true;
}

void jmap_answer(struct jmap_call *c)
{
    char mine[JMAP_ID_TEXT];
    jmap_account_id(c->user, mine);
    jw_object(c->out);
    jw_key(c->out, "accountId");
    jw_str(c->out, mine);
}

bool jmap_is_among(const char *const *list, const char *name)
{
    while (*list != NULL && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

bool jmap_only(struct jmap_call *c, const char *const *known)
{
    const char *name;
    json_t *v;
    json_object_foreach(c->args, name, v)
    {
        if (!jmap_is_among(known, name) && strcmp(name, "accountId") != 0)
            return refuse(c, strlen(name) < 64 ? name : "an argument", "is not known");
    }
    return true;
}

bool jmap_arg_bool(struct jmap_call *c, const char *name, bool *v)
{
    json_t *arg = argument(c, name);
    if (arg == NULL)
        return true;
    if (!json_is_boolean(arg))
        return refuse(c, name, "must be true or false");
    *v = json_is_true(arg);
    return true;
}

bool jmap_arg_uint(struct jmap_call *c, const char *name, uint64_t *v)
{
    json_t *arg = argument(c, name);
    if (arg == NULL)
        return true;
    if (!json_is_integer(arg) || json_integer_value(arg) < 0 || json_integer_value(arg) > MOST_INT)
        return refuse(c, name, "must be an unsigned integer below 2^53");
    *v = (uint64_t)json_integer_value(arg);
    return true;
}

bool jmap_arg_int(struct jmap_call *c, const char *name, int64_t *v)
{
    json_t *arg = argument(c, name);
    if (arg == NULL)
        return true;
    if (!json_is_integer(arg) || json_integer_value(arg) < -MOST_INT ||
        json_integer_value(arg) > MOST_INT)
        return refuse(c, name, "must be an integer between -2^53 and 2^53");
    *v = json_integer_value(arg);
    return true;
}

bool jmap_arg_text(struct jmap_call *c, const char *name, struct slice *v)
{
    json_t *arg = argument(c, name);
    if (arg == NULL)
        return true;
    if (!json_is_string(arg))
        return refuse(c, name, "must be a string");
    *v = jmap_string(arg);
    return true;
}

bool jmap_max_changes(struct jmap_call *c, uint64_t *most)
{
    if (!jmap_arg_uint(c, "maxChanges", most))
        return false;
    return *most > 0 || refuse(c, "maxChanges", "must be greater than 0");
}

bool jmap_in_state(struct jmap_call *c, struct slice state)
{
    struct slice given = SLICE_NONE;
    if (!jmap_arg_text(c, "ifInState", &given))
        return false;
    if (given.p == NULL || slice_eq(given, state))
        return true;
    jmap_fail(c, "stateMismatch", NULL);
    return false;
}

bool jmap_utc_date(struct slice s, int64_t *out)
{
    enum { WHOLE = 19 }; /* "2026-11-22T18:00:00" */
    uint8_t whole[WHOLE + 1];
    if (s.n < WHOLE + 3 || s.p[WHOLE] != '.')
        return date_parse_iso(s, out) == OK;
    for (size_t i = WHOLE + 1; i < s.n - 1; i++)
        if (!ascii_digit(s.p[i]))
            return false;
    memcpy(whole, s.p, WHOLE);
    whole[WHOLE] = s.p[s.n - 1];
    return date_parse_iso(slice_of(whole, sizeof whole), out) == OK;
}

/* --- Ids --- */

static enum error number_parse(struct slice s, uint64_t *out)
{
    if (s.n > 1 && s.p[0] == '0')
        return ERR_INPUT;
    return parse_u64(s, UINT64_MAX, out);
}

enum error jmap_id_parse(struct slice s, char letter, uint64_t *out)
{
    if (s.n < 2 || s.p[0] != (uint8_t)letter)
        return ERR_INPUT;
    return number_parse(slice_from(s, 1), out);
}

void jmap_id_write(struct json_writer *w, char letter, uint64_t number)
{
    char id[JMAP_ID_TEXT];
    jmap_id_print(letter, number, id);
    jw_str(w, id);
}

void jmap_id_key(struct json_writer *w, char letter, uint64_t number)
{
    char id[JMAP_ID_TEXT];
    jmap_id_print(letter, number, id);
    jw_key_text(w, slice_str(id));
}

struct slice jmap_id_resolve(struct jmap_call *c, struct slice id)
{
    if (id.n == 0 || id.p[0] != '#')
        return id;
    json_t *v = json_object_getn(c->request->created, (const char *)id.p + 1, id.n - 1);
    if (v == NULL)
        return SLICE_NONE;
    /* The name may be given to something else later. */
    return arena_dup(c->arena, jmap_string(v));
}

void jmap_created_id(struct jmap_call *c, struct slice creation_id, const char *id)
{
    json_object_setn_new_nocheck(c->request->created, (const char *)creation_id.p, creation_id.n,
                                 json_string_nocheck(id));
}

void jmap_created(struct jmap_call *c, struct slice creation_id, char letter, uint64_t number)
{
    char id[JMAP_ID_TEXT];
    jmap_id_print(letter, number, id);
    jmap_created_id(c, creation_id, id);
}

/* --- /get --- */

/* A set of ids by open addressing; false: it is in there already. */
static bool seen_add(const struct slice **table, size_t mask, const struct slice *id)
{
    size_t at = hash_bytes(*id) & mask;
    for (; table[at] != NULL; at = (at + 1) & mask)
        if (slice_eq(*table[at], *id))
            return false;
    table[at] = id;
    return true;
}

bool jmap_get_ids(struct jmap_call *c, struct jmap_ids *out)
{
    *out = (struct jmap_ids){0};
    json_t *ids = argument(c, "ids");
    if (ids == NULL)
        return true;
    if (!json_is_array(ids))
        return refuse(c, "ids", "must be an array or null");
    size_t n = json_array_size(ids), size = 16;
    if (n > LIMIT_JMAP_GET) {
        jmap_fail(c, "requestTooLarge", "too many ids");
        return false;
    }
    while (size < 2 * n)
        size *= 2;
    struct slice *list = arena_array(c->arena, n + 1, sizeof *list);
    const struct slice **table = arena_array(c->arena, size, sizeof(struct slice *));
    if (list == NULL || table == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice id = jmap_string(json_array_get(ids, i));
        if (id.p == NULL)
            return refuse(c, "ids", "must be strings");
        struct slice real = jmap_id_resolve(c, id);
        list[out->n] = real.p != NULL ? real : id;
        if (seen_add(table, size - 1, &list[out->n]))
            out->n++;
    }
    out->id = list;
    return true;
}

bool jmap_get_properties(struct jmap_call *c, const char *const *names, uint64_t all, uint64_t *out)
{
    json_t *asked = argument(c, "properties"), *v;
    size_t i;
    *out = all | 1;
    if (asked == NULL)
        return true;
    if (!json_is_array(asked))
        return refuse(c, "properties", "must be an array or null");
    *out = 1;
    json_array_foreach(asked, i, v)
    {
        struct slice name = jmap_string(v);
        size_t k = 0;
        while (names[k] != NULL && !(name.p != NULL && slice_eq(name, slice_str(names[k]))))
            k++;
        if (names[k] == NULL)
            return refuse(c, "properties", "one of them is not known");
        *out |= UINT64_C(1) << k;
    }
    return true;
}

void jmap_not_found(struct jmap_call *c, const struct slice *ids, size_t n)
{
    jw_key(c->out, "notFound");
    jw_array(c->out);
    for (size_t i = 0; i < n; i++)
        jw_text(c->out, ids[i]);
    jw_end(c->out);
}

/* --- Writing --- */

struct jmap_mark jmap_mark(const struct json_writer *w)
{
    return (struct jmap_mark){*w, w->out->n, w->out->failed};
}

void jmap_rewind(struct json_writer *w, const struct jmap_mark *m)
{
    struct buf *out = w->out;
    *w = m->writer;
    out->n = m->n;
    out->failed = m->failed; /* what did not fit is gone */
}

/* --- States --- */

void jmap_state_print(const struct view_state *s, char out[JMAP_STATE_TEXT])
{
    snprintf(out, JMAP_STATE_TEXT, "%llu-%llu-%lu", (unsigned long long)s->modseq,
             (unsigned long long)s->next_email, (unsigned long)s->next_mailbox);
}

void jmap_state_write(struct json_writer *w, const struct view_state *s)
{
    char text[JMAP_STATE_TEXT];
    jmap_state_print(s, text);
    jw_str(w, text);
}

static enum error state_parse(struct slice text, struct view_state *out)
{
    struct slice piece[3];
    uint64_t v[3];
    for (size_t i = 0; i < 3; i++)
        if (!slice_split(&text, '-', &piece[i]) || number_parse(piece[i], &v[i]) != OK)
            return ERR_INPUT;
    if (text.n > 0 || v[2] > UINT32_MAX)
        return ERR_INPUT;
    *out = (struct view_state){v[0], v[1], (uint32_t)v[2]};
    return OK;
}

bool jmap_since(struct jmap_call *c, const char *name, const struct view_state *now,
                struct view_state *out)
{
    struct slice text = SLICE_NONE;
    if (!jmap_arg_text(c, name, &text))
        return false;
    if (text.p == NULL)
        return refuse(c, name, "must be given");
    if (state_parse(text, out) == OK && out->modseq <= now->modseq &&
        out->next_email <= now->next_email && out->next_mailbox <= now->next_mailbox)
        return true;
    jmap_fail(c, "cannotCalculateChanges", NULL);
    return false;
}

/* --- The view --- */

void jmap_view_again(struct jmap_call *c)
{
    if (c->request->view != NULL)
        view_unref(c->request->view);
    c->request->view = NULL;
}

struct view *jmap_view(struct jmap_call *c)
{
    struct jmap_request *rq = c->request;
    if (rq->view == NULL) {
        enum error e = store_view(c->service->store, c->user->account.id, &rq->view);
        if (e != OK) {
            rq->view = NULL;
            jmap_fail_error(c, e);
        }
    }
    return rq->view;
}

void jmap_run_implicit(struct jmap_call *c, const char *name, json_t *args)
{
    struct jmap_request *rq = c->request;
    if (rq->n_implicit == JMAP_IMPLICIT)
        bug("%s brings too many calls with it", c->name);
    rq->implicit[rq->n_implicit].name = name;
    rq->implicit[rq->n_implicit++].args = args;
}
