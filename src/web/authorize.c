/* Who asks; see authorize.h. */
#include "web/authorize.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"

/* --- Answers --- */

static void answer_json(struct http_exchange *x, int status, const char *type, int64_t until)
{
    autobuf out = BUF_INIT(512);
    struct json_writer w;
    jw_init(&w, &out);
    jw_object(&w);
    jw_key(&w, "type");
    jw_str(&w, type);
    if (until != 0) {
        jw_key(&w, "until");
        jw_utc_date(&w, until);
    }
    jw_end(&w);
    http_answer(x, status, "application/json", buf_slice(&out));
}

void web_answer_type(struct http_exchange *x, int status, const char *type)
{
    answer_json(x, status, type, 0);
}

/* Programs are told how to log in; a browser would ask for a password by itself, over our pages. */
static void challenge(struct http_exchange *x)
{
    static const char *const browser[] = {"sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"};
    for (size_t i = 0; i < sizeof browser / sizeof browser[0]; i++)
        if (http_field(x, browser[i]).p != NULL)
            return;
    if (http_cookie(x, WEB_COOKIE).p == NULL)
        http_set_field(x, "www-authenticate", SLICE("Basic realm=\"Depesche\", charset=\"UTF-8\""));
}

static void answer_blocked(struct http_exchange *x, int64_t until)
{
    int64_t seconds = until - clock_wall();
    http_set_field(x, "retry-after",
                   arena_printf(http_arena(x), "%lld", (long long)(seconds > 1 ? seconds : 1)));
    answer_json(x, 429, "blocked", until);
}

void web_answer_login(struct http_exchange *x, enum login_result r, int64_t until)
{
    switch (r) {
    case LOGIN_BLOCKED:
        answer_blocked(x, until);
        return;
    case LOGIN_DISABLED:
        web_answer_type(x, 403, "disabled");
        return;
    case LOGIN_BUSY:
        http_set_field(x, "retry-after", SLICE("5"));
        web_answer_type(x, 503, "busy");
        return;
    case LOGIN_WRONG:
    case LOGIN_OK:
        break;
    }
    challenge(x);
    web_answer_type(x, 401, "wrong");
}

void web_set_cookie(struct http_exchange *x, const char *token)
{
    /* __Host-: only with Secure, Path=/ and without Domain, so that no neighbour can set it. */
    struct slice value = arena_printf(
        http_arena(x), WEB_COOKIE "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Strict",
        token != NULL ? token : "", token != NULL ? LIMIT_WEB_IDLE_SECONDS : 0);
    http_set_field(x, "set-cookie", value);
}

static bool is_attr_char(uint8_t c) /* RFC 8187 3.2.1 */
{
    return ascii_alpha(c) || ascii_digit(c) || (c != 0 && strchr("!#$&+-.^_`|~", c) != NULL);
}

void web_set_disposition(struct http_exchange *x, const char *how, struct slice name)
{
    autobuf out = BUF_INIT(4096);
    name = slice_sub(name, 0, 1000);
    buf_printf(&out, "%s; filename=\"", how);
    /* For programs that do not know the second form. */
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        buf_byte(&out, c < ' ' || c > '~' || strchr("\"\\%/", c) != NULL ? '_' : c);
    }
    buf_lit(&out, "\"; filename*=UTF-8''");
    for (size_t i = 0; i < name.n; i++) {
        if (is_attr_char(name.p[i]))
            buf_byte(&out, name.p[i]);
        else
            buf_printf(&out, "%%%02X", name.p[i]);
    }
    http_set_field(x, "content-disposition", buf_slice(&out));
}

/* --- Where it comes from --- */

/* Browsers leave the usual port out of Origin; :authority may have it. */
static struct slice without_usual_port(struct slice authority, struct slice port)
{
    return slice_ends(authority, port) ? slice_sub(authority, 0, authority.n - port.n) : authority;
}

bool web_is_own_page(struct http_exchange *x)
{
    struct slice origin = http_field(x, "origin");
    if (origin.p == NULL)
        return slice_eq(http_field(x, "sec-fetch-site"), SLICE("same-origin"));
    struct slice scheme = http_is_tls(x) ? SLICE("https://") : SLICE("http://");
    struct slice port = http_is_tls(x) ? SLICE(":443") : SLICE(":80");
    if (!slice_starts(origin, scheme))
        return false;
    origin = slice_from(origin, scheme.n);
    return slice_ieq(without_usual_port(origin, port), without_usual_port(http_authority(x), port));
}

static bool changes_something(const struct http_exchange *x)
{
    return http_method(x) != HTTP_GET && http_method(x) != HTTP_HEAD;
}

/* --- Basic (RFC 7617) --- */

struct basic {
    struct buf text; /* wiped by the caller, also after an error */
    struct slice user, password;
};

static enum error read_basic(struct http_exchange *x, struct basic *out)
{
    struct slice s = http_field(x, "authorization");
    *out = (struct basic){.text = BUF_INIT(1024)};
    if (!slice_istarts(s, SLICE("Basic ")))
        return ERR_INPUT;
    enum error e = base64_decode(slice_trim(slice_from(s, 6)), &out->text);
    if (e != OK)
        return ERR_INPUT;
    struct slice both = buf_slice(&out->text);
    size_t colon = slice_index(both, ':');
    if (colon == both.n)
        return ERR_INPUT;
    out->user = slice_sub(both, 0, colon);
    out->password = slice_from(both, colon + 1);
    return OK;
}

static bool by_password(struct http_exchange *x, struct jmap_user *u)
{
    const struct web_service *s = http_service(x);
    struct basic b;
    enum login_result r = LOGIN_WRONG;
    int64_t until = 0;
    if (read_basic(x, &b) == OK)
        r = login_check(
            s->login,
            &(struct login_request){
                .peer = http_client(x), .service = "web", .user = b.user, .password = b.password},
            &u->account, &until);
    buf_wipe(&b.text);
    /* The mailboxes of an account are made at its first login. */
    if (r == LOGIN_OK &&
        store_account_ensure(s->jmap->store, u->account.id, slice_str(u->account.language)) != OK)
        r = LOGIN_BUSY;
    if (r != LOGIN_OK)
        web_answer_login(x, r, until);
    return r == LOGIN_OK;
}

/* --- Sessions --- */

static bool by_session(struct http_exchange *x, struct slice token, struct jmap_user *u)
{
    const struct web_service *s = http_service(x);
    struct web_session session;
    char fresh[WEB_TOKEN_TEXT + 1];
    if (changes_something(x) && !web_is_own_page(x)) {
        web_answer_type(x, 403, "origin");
        return false;
    }
    enum error e =
        web_session_find(s->sessions, token, http_client(x), &session, &u->account, fresh);
    if (e == ERR_AUTH) {
        web_set_cookie(x, NULL);
        web_answer_type(x, 401, "session");
        return false;
    }
    if (e != OK) {
        web_answer_login(x, LOGIN_BUSY, 0);
        return false;
    }
    if (fresh[0] != 0)
        web_set_cookie(x, fresh);
    mem_wipe(fresh, sizeof fresh);
    u->session = session.id;
    return true;
}

bool web_authorize(struct http_exchange *x, struct jmap_user *u)
{
    *u = (struct jmap_user){.peer = http_client(x), .german = http_in_german(x)};
    if (http_field(x, "authorization").p != NULL)
        return by_password(x, u);
    struct slice token = http_cookie(x, WEB_COOKIE);
    if (token.p != NULL)
        return by_session(x, token, u);
    challenge(x);
    web_answer_type(x, 401, "session");
    return false;
}

bool web_is_logged_in(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice token = http_cookie(x, WEB_COOKIE);
    struct web_session session;
    struct account a;
    char fresh[WEB_TOKEN_TEXT + 1];
    if (token.p == NULL ||
        web_session_find(s->sessions, token, http_client(x), &session, &a, fresh) != OK)
        return false;
    if (fresh[0] != 0)
        web_set_cookie(x, fresh);
    mem_wipe(fresh, sizeof fresh);
    return true;
}
