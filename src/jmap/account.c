/* Our own capability: password, sessions, settings of the webmail (doc/jmap-extensions.md). */
#include "base/buf.h"
#include "directory/profile.h"
#include "jmap/changes.h"
#include "jmap/methods.h"
#include <pthread.h>

static const char *language_of(struct jmap_call *c)
{
    struct slice given = SLICE_NONE;
    if (!jmap_arg_text(c, "language", &given))
        return NULL;
    if (given.p == NULL)
        return slice_eq(slice_str(c->user->account.language), SLICE("de")) ? "de" : "en";
    if (slice_eq(given, SLICE("de")))
        return "de";
    if (slice_eq(given, SLICE("en")))
        return "en";
    jmap_fail(c, "invalidArguments", "language must be de or en");
    return NULL;
}

/* --- Password --- */

static void password_check(struct jmap_call *c)
{
    static const char *const known[] = {"new", "language", NULL};
    struct slice new = SLICE_NONE;
    const char *why = NULL, *advice = NULL, *language;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_text(c, "new", &new) ||
        (language = language_of(c)) == NULL)
        return;
    if (new.p == NULL) {
        jmap_fail(c, "invalidArguments", "new must be given");
        return;
    }
    bool good = password_rule(new, slice_str(c->user->account.address), language, &why) == OK;
    if (good)
        advice = password_advice(new, language);
    jmap_answer(c);
    jw_key(c->out, "ok");
    jw_bool(c->out, good);
    jw_key(c->out, "reason");
    if (good)
        jw_null(c->out);
    else
        jw_str(c->out, why);
    jw_key(c->out, "advice");
    if (advice != NULL)
        jw_str(c->out, advice);
    else
        jw_null(c->out);
    jw_end(c->out);
}

/* The old password, by the way all passwords go, so that it counts for the lockout. */
static bool old_is_right(struct jmap_call *c, struct slice old)
{
    struct account a;
    const struct login_request rq = {.peer = c->user->peer,
                                     .service = "web",
                                     .user = slice_str(c->user->account.address),
                                     .password = old};
    switch (login_check(c->service->login, &rq, &a, &c->until)) {
    case LOGIN_OK:
        return true;
    case LOGIN_WRONG:
        c->until = 0;
        jmap_fail(c, "wrongPassword", NULL);
        return false;
    case LOGIN_BLOCKED:
        jmap_fail(c, "blocked", NULL);
        return false;
    case LOGIN_DISABLED:
        jmap_fail(c, "forbidden", NULL);
        return false;
    case LOGIN_BUSY:
        break;
    }
    jmap_fail(c, "serverUnavailable", NULL);
    return false;
}

static bool is_mail_program(const struct live_session *s)
{
    return strcmp(s->service, "web") != 0; /* those are streams of web sessions */
}

static size_t count_programs(struct jmap_call *c)
{
    struct live_session *list;
    size_t n, programs = 0;
    if (login_session_list(c->service->login, c->user->account.id, c->arena, &list, &n) != OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        programs += is_mail_program(&list[i]);
    return programs;
}

/* Mail programs' sessions end by themselves when the account's epoch grows; this one goes on. */
static size_t end_others(struct jmap_call *c)
{
    struct web_sessions *w = c->service->sessions;
    uint64_t account = c->user->account.id;
    struct account now;
    if (c->user->session != 0 &&
        directory_account_get(c->service->directory, account, &now) == OK &&
        web_session_adopt(w, c->user->session, now.epoch) != OK)
        jmap_fail(c, "serverPartialFail", "the password is changed; log in again");
    return web_session_end_others(w, account, c->user->session);
}

static size_t count_web_sessions(struct jmap_call *c)
{
    struct web_session *list;
    size_t n, others = 0;
    if (web_session_list(c->service->sessions, c->user->account.id, c->arena, &list, &n) != OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        others += list[i].id != c->user->session;
    return others;
}

static void password_change(struct jmap_call *c)
{
    static const char *const known[] = {"old", "new", "language", NULL};
    struct slice old = SLICE_NONE, new = SLICE_NONE;
    const char *why = NULL, *language;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_text(c, "old", &old) ||
        !jmap_arg_text(c, "new", &new) || (language = language_of(c)) == NULL)
        return;
    if (old.p == NULL || new.p == NULL) {
        jmap_fail(c, "invalidArguments", "old and new must be given");
        return;
    }
    /* First, so that a new one that is refused costs no try. */
    if (password_rule(new, slice_str(c->user->account.address), language, &why) != OK) {
        jmap_fail(c, "passwordRule", why);
        return;
    }
    if (!old_is_right(c, old))
        return;
    size_t ended = count_programs(c) + count_web_sessions(c);
    enum error e = directory_password_set(c->service->directory, c->user->account.id, new);
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    (void)end_others(c);
    jmap_answer(c);
    jw_key(c->out, "endedSessions");
    jw_uint(c->out, ended);
    jw_end(c->out);
}

/* --- Sessions: "W12" of the web, "L12" of a mail program --- */

struct shown {
    char letter;
    uint64_t id;
    const char *kind;
    bool current;
    int64_t created, last_used; /* 0: not known */
    struct ip ip;
    struct slice agent;
};

static bool load_sessions(struct jmap_call *c, struct shown **out, size_t *n)
{
    struct web_session *web;
    struct live_session *live;
    size_t n_web, n_live, k = 0;
    uint64_t account = c->user->account.id;
    enum error e = web_session_list(c->service->sessions, account, c->arena, &web, &n_web);
    if (e == OK)
        e = login_session_list(c->service->login, account, c->arena, &live, &n_live);
    struct shown *list = e == OK ? arena_array(c->arena, n_web + n_live + 1, sizeof *list) : NULL;
    if (list == NULL) {
        jmap_fail_error(c, e != OK ? e : ERR_LIMIT);
        return false;
    }
    for (size_t i = 0; i < n_web; i++)
        list[k++] = (struct shown){'W',
                                   web[i].id,
                                   "web",
                                   web[i].id == c->user->session,
                                   web[i].created,
                                   web[i].last_used,
                                   web[i].ip,
                                   slice_str(web[i].agent)};
    for (size_t i = 0; i < n_live; i++)
        if (is_mail_program(&live[i]))
            list[k++] = (struct shown){'L',           live[i].id, live[i].service, false,
                                       live[i].since, 0,          live[i].peer,    SLICE("")};
    *out = list;
    *n = k;
    return true;
}

static void put_session(struct json_writer *w, const struct shown *s)
{
    char ip[IP_TEXT];
    ip_print(s->ip, ip);
    jw_object(w);
    jw_key(w, "id");
    jmap_id_write(w, s->letter, s->id);
    jw_key(w, "kind");
    jw_str(w, s->kind);
    jw_key(w, "current");
    jw_bool(w, s->current);
    jw_key(w, "created");
    jw_utc_date(w, s->created);
    jw_key(w, "lastUsed");
    if (s->last_used != 0)
        jw_utc_date(w, s->last_used);
    else
        jw_null(w);
    jw_key(w, "address");
    jw_str(w, ip);
    jw_key(w, "agent");
    jw_text(w, s->agent);
    jw_end(w);
}

static const struct shown *session_of_id(const struct shown *list, size_t n, struct slice id)
{
    uint64_t number;
    for (size_t i = 0; i < n; i++)
        if (jmap_id_parse(id, list[i].letter, &number) == OK && number == list[i].id)
            return &list[i];
    return NULL;
}

static void session_get(struct jmap_call *c)
{
    static const char *const known[] = {"ids", NULL};
    struct jmap_ids ids;
    struct shown *list;
    size_t n, n_missing = 0;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_get_ids(c, &ids) ||
        !load_sessions(c, &list, &n))
        return;
    struct slice *missing = arena_array(c->arena, ids.n + 1, sizeof *missing);
    if (missing == NULL) {
        jmap_fail_error(c, ERR_LIMIT);
        return;
    }
    jmap_answer(c);
    jw_key(c->out, "list");
    jw_array(c->out);
    for (size_t i = 0; ids.id == NULL && i < n; i++)
        put_session(c->out, &list[i]);
    for (size_t i = 0; ids.id != NULL && i < ids.n; i++) {
        const struct shown *s = session_of_id(list, n, ids.id[i]);
        if (s != NULL)
            put_session(c->out, s);
        else
            missing[n_missing++] = ids.id[i];
    }
    jw_end(c->out);
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

static enum error end_session(struct jmap_call *c, const struct shown *s)
{
    uint64_t account = c->user->account.id;
    if (s == NULL)
        return ERR_NOTFOUND;
    return s->letter == 'W' ? web_session_end(c->service->sessions, account, s->id)
                            : login_session_revoke(c->service->login, account, s->id);
}

/* Ends those of `destroy`, or with `others` all but this one; writes "destroyed". */
static void end_sessions(struct jmap_call *c, const struct shown *list, size_t n,
                         const json_t *destroy, bool others, struct slice *missing,
                         size_t *n_missing)
{
    struct json_writer *w = c->out;
    jw_key(w, "destroyed");
    jw_array(w);
    for (size_t i = 0; others && i < n; i++)
        if (!list[i].current && end_session(c, &list[i]) == OK)
            jmap_id_write(w, list[i].letter, list[i].id);
    for (size_t i = 0; !others && i < json_array_size(destroy); i++) {
        struct slice id = jmap_string(json_array_get(destroy, i));
        const struct shown *s = session_of_id(list, n, id);
        if (end_session(c, s) == OK)
            jmap_id_write(w, s->letter, s->id);
        else
            missing[(*n_missing)++] = id;
    }
    jw_end(w);
}

static void session_set(struct jmap_call *c)
{
    static const char *const known[] = {"destroy", "destroyOthers", NULL};
    struct shown *list;
    size_t n, i, n_missing = 0;
    bool others = false;
    json_t *destroy = json_object_get(c->args, "destroy"), *v;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_bool(c, "destroyOthers", &others))
        return;
    if (json_is_null(destroy))
        destroy = NULL;
    bool good = destroy == NULL || json_is_array(destroy);
    json_array_foreach(destroy, i, v) good = good && json_is_string(v);
    if (!good) {
        jmap_fail(c, "invalidArguments", "destroy must be a list of ids");
        return;
    }
    if (json_array_size(destroy) > LIMIT_JMAP_SET) {
        jmap_fail(c, "requestTooLarge", "too many ids");
        return;
    }
    struct slice *missing = arena_array(c->arena, json_array_size(destroy) + 1, sizeof *missing);
    if (missing == NULL)
        jmap_fail_error(c, ERR_LIMIT);
    if (missing == NULL || !load_sessions(c, &list, &n))
        return;
    jmap_answer(c);
    end_sessions(c, list, n, destroy, others, missing, &n_missing);
    jmap_push_wake(c->user->account.id); /* streams of those end with them */
    jmap_not_found(c, missing, n_missing);
    jw_end(c->out);
}

/* --- Settings --- */

/* Read, changed and written as one. */
static pthread_mutex_t settings_lock = PTHREAD_MUTEX_INITIALIZER;

static enum error settings_now(struct jmap_call *c, struct slice *json, uint64_t *state)
{
    struct directory *d = c->service->directory;
    enum error e = directory_profile_state(d, c->user->account.id, PROFILE_SETTINGS, state);
    return e == OK ? directory_settings(d, c->user->account.id, c->arena, json) : e;
}

static void settings_get(struct jmap_call *c)
{
    static const char *const known[] = {NULL};
    struct slice json;
    uint64_t state;
    char text[JMAP_STATE_TEXT];
    if (!jmap_account(c) || !jmap_only(c, known))
        return;
    enum error e = settings_now(c, &json, &state);
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    jmap_number_print(state, text);
    jmap_answer(c);
    jw_key(c->out, "state");
    jw_str(c->out, text);
    jw_key(c->out, "settings");
    jw_raw(c->out, json);
    jw_end(c->out);
}

static void keep_settings(struct jmap_call *c, json_t *object)
{
    struct json_writer w;
    autobuf text = BUF_INIT(LIMIT_WEB_SETTINGS);
    jw_init(&w, &text);
    jmap_write_json(&w, object);
    enum error e = text.failed ? ERR_LIMIT
                               : directory_settings_set(c->service->directory, c->user->account.id,
                                                        buf_slice(&text));
    if (e == ERR_LIMIT)
        jmap_fail(c, "requestTooLarge", "the settings would be too large");
    else if (e != OK)
        jmap_fail_error(c, e);
}

static void patch_settings(struct jmap_call *c, struct slice json, json_t *patch)
{
    json_t *object, *v;
    const char *key;
    enum error e = jmap_json_parse(json, &object);
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    json_object_foreach(patch, key, v)
    {
        if (json_is_null(v))
            json_object_del(object, key);
        else
            json_object_set_nocheck(object, key, v);
    }
    keep_settings(c, object);
    json_decref(object);
}

/* With the lock. */
static void change_settings(struct jmap_call *c, json_t *patch, struct slice language)
{
    struct slice json;
    uint64_t state, after = 0;
    char old[JMAP_STATE_TEXT], new[JMAP_STATE_TEXT];
    enum error e = settings_now(c, &json, &state);
    if (e != OK) {
        jmap_fail_error(c, e);
        return;
    }
    jmap_number_print(state, old);
    if (!jmap_in_state(c, slice_str(old)))
        return;
    if (patch != NULL)
        patch_settings(c, json, patch);
    if (c->failed == NULL && language.p != NULL)
        e = directory_account_language(c->service->directory, c->user->account.id, language);
    if (e == OK && c->failed == NULL)
        e = settings_now(c, &json, &after);
    if (e != OK)
        jmap_fail_error(c, e);
    if (c->failed != NULL)
        return;
    jmap_number_print(after, new);
    jmap_answer(c);
    jw_key(c->out, "oldState");
    jw_str(c->out, old);
    jw_key(c->out, "newState");
    jw_str(c->out, new);
    jw_end(c->out);
}

static void settings_set(struct jmap_call *c)
{
    static const char *const known[] = {"ifInState", "patch", "language", NULL};
    json_t *patch = json_object_get(c->args, "patch");
    struct slice language = SLICE_NONE;
    if (!jmap_account(c) || !jmap_only(c, known) || !jmap_arg_text(c, "language", &language) ||
        (language.p != NULL && language_of(c) == NULL))
        return;
    if (json_is_null(patch))
        patch = NULL;
    if (patch != NULL && !json_is_object(patch)) {
        jmap_fail(c, "invalidArguments", "patch must be an object");
        return;
    }
    pthread_mutex_lock(&settings_lock);
    change_settings(c, patch, language);
    pthread_mutex_unlock(&settings_lock);
}

const struct jmap_method jmap_account_methods[] = {
    {"Password/check", CAPABILITY_ACCOUNT, password_check},
    {"Password/change", CAPABILITY_ACCOUNT, password_change},
    {"ClientSession/get", CAPABILITY_ACCOUNT, session_get},
    {"ClientSession/set", CAPABILITY_ACCOUNT, session_set},
    {"Settings/get", CAPABILITY_ACCOUNT, settings_get},
    {"Settings/set", CAPABILITY_ACCOUNT, settings_set},
    {NULL, NULL, NULL},
};
