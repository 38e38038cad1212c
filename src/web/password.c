/* POST /api/password: the password change for other webmail programs (doc/jmap-extensions.md). HTTP
 * Basic with the old password; a session's cookie does not help, so no page of another site can
 * change anything. */
#include "base/json_write.h"
#include "base/log.h"
#include "web/authorize.h"
#include "web/body.h"
#include "web/handlers.h"

static void begin(struct http_exchange *x)
{
    if (http_field(x, "authorization").p == NULL)
        web_answer_login(x, LOGIN_WRONG, 0);
    else
        body_take_json(x, LIMIT_WEB_BODY);
}

static void answer_rule(struct http_exchange *x, const char *why)
{
    autobuf out = BUF_INIT(4096);
    struct json_writer w;
    jw_init(&w, &out);
    jw_object(&w);
    jw_key(&w, "type");
    jw_str(&w, "rule");
    jw_key(&w, "reason");
    jw_str(&w, why);
    jw_end(&w);
    http_answer(x, 422, "application/json", buf_slice(&out));
}

static void change(struct http_exchange *x, const struct account *a, struct slice password,
                   struct slice language)
{
    const struct web_service *s = http_service(x);
    const char *in = slice_eq(language, SLICE("de"))   ? "de"
                     : slice_eq(language, SLICE("en")) ? "en"
                                                       : a->language;
    const char *why = NULL;
    if (password_rule(password, slice_str(a->address), in, &why) != OK) {
        answer_rule(x, why);
        return;
    }
    enum error e = directory_password_set(s->directory, a->id, password);
    if (e != OK) {
        log_warning("web.password", log_text("user", a->address), log_text("error", error_name(e)));
        web_answer_login(x, LOGIN_BUSY, 0);
        return;
    }
    char ip[IP_TEXT];
    ip_print(http_client(x), ip);
    size_t ended = web_session_end_others(s->sessions, a->id, 0);
    log_info("web.password", log_text("user", a->address), log_text("ip", ip),
             log_u64("ended", ended));
    web_answer_type(x, 200, "changed");
}

static void finish(struct http_exchange *x)
{
    struct jmap_user u;
    json_t *body = body_object(x);
    if (body == NULL)
        return;
    struct slice password = body_text(body, "new");
    if (password.p == NULL)
        http_problem(x, 400, "about:blank", "The new password is missing",
                     "Das neue Passwort fehlt");
    else if (web_authorize(x, &u))
        change(x, &u.account, password, body_text(body, "language"));
    json_decref(body);
}

const struct http_handler web_password = {.begin = begin, .finish = finish};
