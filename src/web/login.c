/* POST /mail/login and /mail/logout.
 *
 * Nobody can make a browser use a session of his: a login always brings a token that did not exist
 * before, and ends the session that the browser came with. Both need a page of ours as their
 * origin, so that no other site can log somebody in or out. */
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/authorize.h"
#include "web/body.h"
#include "web/handlers.h"

/* The session that the browser came with, if any. */
static void end_present(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice token = http_cookie(x, WEB_COOKIE);
    struct web_session session;
    struct account a;
    char fresh[WEB_TOKEN_TEXT + 1];
    if (token.p == NULL ||
        web_session_find(s->sessions, token, http_client(x), &session, &a, fresh) != OK)
        return;
    mem_wipe(fresh, sizeof fresh);
    if (web_session_end(s->sessions, session.account, session.id) != OK)
        return;
    log_info("web.logout", log_text("user", a.address), log_u64("session", session.id));
    jmap_push_wake(session.account); /* its streams end with it */
}

static bool from_elsewhere(struct http_exchange *x)
{
    if (web_is_own_page(x))
        return false;
    web_answer_type(x, 403, "origin");
    return true;
}

static void begin_login(struct http_exchange *x)
{
    if (!from_elsewhere(x))
        body_take_json(x, LIMIT_WEB_BODY);
}

static void answer_logged_in(struct http_exchange *x, const struct account *a, const char *token)
{
    autobuf out = BUF_INIT(4096);
    struct json_writer w;
    jw_init(&w, &out);
    jw_object(&w);
    jw_key(&w, "address");
    jw_str(&w, a->address);
    jw_end(&w);
    web_set_cookie(x, token);
    http_answer(x, 200, "application/json", buf_slice(&out));
}

static void log_in(struct http_exchange *x, struct slice user, struct slice password)
{
    const struct web_service *s = http_service(x);
    struct account a;
    int64_t until = 0;
    enum login_result r = login_check(
        s->login,
        &(struct login_request){
            .peer = http_client(x), .service = "web", .user = user, .password = password},
        &a, &until);
    char token[WEB_TOKEN_TEXT + 1];
    /* The mailboxes of an account are made at its first login. */
    if (r == LOGIN_OK && (store_account_ensure(s->jmap->store, a.id, slice_str(a.language)) != OK ||
                          web_session_begin(s->sessions, &a, http_client(x),
                                            http_field(x, "user-agent"), token) != OK))
        r = LOGIN_BUSY;
    if (r != LOGIN_OK) {
        web_answer_login(x, r, until);
        return;
    }
    end_present(x);
    answer_logged_in(x, &a, token);
    mem_wipe(token, sizeof token);
}

static void finish_login(struct http_exchange *x)
{
    json_t *body = body_object(x);
    if (body == NULL)
        return;
    struct slice user = body_text(body, "address"), password = body_text(body, "password");
    if (user.p != NULL && password.p != NULL)
        log_in(x, user, password);
    else
        http_problem(x, 400, "about:blank", "Address and password are missing",
                     "Adresse und Passwort fehlen");
    json_decref(body);
}

const struct http_handler web_login = {.begin = begin_login, .finish = finish_login};

static void begin_logout(struct http_exchange *x)
{
    if (from_elsewhere(x))
        return;
    end_present(x);
    web_set_cookie(x, NULL);
    /* Messages and attachments that the browser kept. */
    http_set_field(x, "clear-site-data", SLICE("\"cache\""));
    http_answer(x, 204, NULL, SLICE_NONE);
}

const struct http_handler web_logout = {.begin = begin_logout};
