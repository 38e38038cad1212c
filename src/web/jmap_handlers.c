/* JMAP over HTTP: session, API, uploads, downloads and events (RFC 8620 2, 3, 6, 7.3). */
#include "base/clock.h"
#include "base/mem.h"
#include "base/tally.h"
#include "web/authorize.h"
#include "web/body.h"
#include "web/handlers.h"

#define LIMIT_TYPE "urn:ietf:params:jmap:error:limit"

static const struct jmap_service *jmap(const struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    return s->jmap;
}

static void answer_error(struct http_exchange *x, enum error e)
{
    switch (e) {
    case ERR_NOTFOUND:
        http_problem(x, 404, "about:blank", "There is nothing under this name",
                     "Unter diesem Namen gibt es nichts");
        return;
    case ERR_LIMIT:
        http_problem(x, 400, LIMIT_TYPE, "Too much at once; try again when the rest is done",
                     "Zu viel auf einmal; versuchen Sie es wieder, wenn das \xC3\x9C"
                     "brige fertig ist");
        return;
    case ERR_FULL:
    case ERR_QUOTA:
        http_problem(x, 507, "about:blank", "There is no room for it",
                     "Daf\xC3\xBCr ist kein Platz");
        return;
    default:
        http_problem(x, 503, "about:blank", "Not possible just now; try again in a moment",
                     "Das geht gerade nicht; versuchen Sie es gleich noch einmal");
    }
}

/* --- Session --- */

static void finish_session(struct http_exchange *x)
{
    struct jmap_user u;
    if (!web_authorize(x, &u))
        return;
    struct slice scheme = http_is_tls(x) ? SLICE("https://") : SLICE("http://");
    /* The name that the client knows us by is the one it can reach us by. */
    struct slice authority = http_authority(x);
    struct slice base =
        arena_printf(http_arena(x), "%.*s%.*s", SLICE_FMT(scheme), SLICE_FMT(authority));
    struct buf out = BUF_INIT(LIMIT_JMAP_SESSION);
    jmap_session(jmap(x), &u, base, &out);
    http_answer_buf(x, 200, "application/json", &out);
}

const struct http_handler web_jmap_session = {.finish = finish_session};

/* --- API --- */

/* Who asks is found out before the body comes: nobody else may send us ten megabytes. */
static struct jmap_user *user_of(struct http_exchange *x)
{
    struct jmap_user *u = arena_new(http_arena(x), struct jmap_user);
    if (u == NULL)
        answer_error(x, ERR_AGAIN);
    else if (web_authorize(x, u))
        return u;
    return NULL;
}

/* Answers that their clients have not taken yet. Each may be long, and a client may let any number
 * wait, so those of an account are bounded together. */
static struct tally unsent = TALLY_INIT;

static void drop_unsent(void *data)
{
    tally_give(&unsent, data);
    mem_free(data);
}

static void keep_unsent(struct http_exchange *x, uint64_t account, size_t bytes)
{
    struct tally_use *use = mem_alloc(sizeof *use);
    if (tally_take(&unsent, use, account, bytes, UINT64_MAX))
        http_set_data(x, use, drop_unsent);
    else
        mem_free(use);
}

static void begin_api(struct http_exchange *x)
{
    struct jmap_user *u = user_of(x);
    if (u == NULL)
        return;
    http_set_data(x, u, NULL);
    body_take_json(x, LIMIT_JMAP_REQUEST);
}

static void finish_api(struct http_exchange *x)
{
    const struct jmap_user *u = http_data(x);
    struct buf out = BUF_INIT(LIMIT_JMAP_RESPONSE);
    if (tally_of(&unsent, u->account.id) >= LIMIT_HTTP_UNSENT_ACCOUNT) {
        answer_error(x, ERR_LIMIT);
        return;
    }
    int status = jmap_api(jmap(x), u, http_body(x), &out);
    keep_unsent(x, u->account.id, out.n);
    http_answer_buf(x, status, status == 200 ? "application/json" : "application/problem+json",
                    &out);
}

const struct http_handler web_jmap_api = {.begin = begin_api, .finish = finish_api};

/* --- The paths of uploads and downloads --- */

/* Takes "A12/" off the path behind `prefix`; is it the user's account? */
static bool own_account(struct http_exchange *x, struct slice prefix, const struct jmap_user *u,
                        struct slice *rest)
{
    struct slice own = arena_printf(http_arena(x), "A%llu", (unsigned long long)u->account.id);
    struct slice account;
    *rest = slice_from(http_path(x), prefix.n);
    if (slice_split(rest, '/', &account) && slice_eq(account, own))
        return true;
    answer_error(x, ERR_NOTFOUND);
    return false;
}

/* --- Upload --- */

static void drop_upload(void *data)
{
    jmap_upload_drop(data);
}

static enum error take_upload(void *arg, struct slice piece)
{
    return jmap_upload_take(arg, piece);
}

static void begin_upload(struct http_exchange *x)
{
    struct jmap_user *u = user_of(x);
    struct jmap_upload *up;
    struct slice rest, type = http_field(x, "content-type");
    if (u == NULL || !own_account(x, SLICE("/jmap/upload/"), u, &rest))
        return;
    enum error e =
        rest.n == 0
            ? jmap_upload_begin(jmap(x), u, type.n ? type : SLICE("application/octet-stream"), &up)
            : ERR_NOTFOUND;
    if (e != OK) {
        answer_error(x, e);
        return;
    }
    http_set_data(x, up, drop_upload);
    http_stream_body(x, LIMIT_JMAP_UPLOAD, take_upload, up);
}

static void finish_upload(struct http_exchange *x)
{
    struct jmap_upload *up = http_data(x);
    struct buf out = BUF_INIT(4096);
    http_set_data(x, NULL, NULL);
    enum error e = jmap_upload_done(up, &out);
    if (e == OK)
        http_answer_buf(x, 201, "application/json", &out);
    else
        answer_error(x, e);
    buf_free(&out);
}

const struct http_handler web_jmap_upload = {.begin = begin_upload, .finish = finish_upload};

/* --- Download --- */

/* What a browser may show itself: none of these can hold scripts that run as ours. */
static const char *const shown[] = {
    "image/png",  "image/jpeg", "image/gif",       "image/webp",
    "image/avif", "image/bmp",  "application/pdf", "text/plain",
};

static const char *shown_type(struct slice type)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (slice_ieq(type, slice_str(shown[i])))
            return shown[i];
    return NULL;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 40;
}

/* The type asked for, if it is one of those; with its charset when it is text. */
static const char *type_of(struct http_exchange *x, bool *inline_)
{
    struct slice accept, type;
    if (!http_parameter(x, SLICE("accept"), &accept))
        accept = SLICE("");
    if (!slice_split(&accept, ';', &type))
        type = SLICE("");
    const char *known = shown_type(slice_trim(type));
    *inline_ = known != NULL;
    if (known == NULL)
        return "application/octet-stream";
    struct slice charset = slice_trim(accept);
    if (slice_istarts(charset, SLICE("charset=")) && is_token(slice_from(charset, 8)) &&
        slice_eq(slice_str(known), SLICE("text/plain"))) {
        struct slice whole = arena_printf(http_arena(x), "text/plain; charset=%.*s",
                                          SLICE_FMT(slice_from(charset, 8)));
        const char *text = arena_cstr(http_arena(x), whole);
        return text != NULL ? text : known;
    }
    return known;
}

static enum error read_blob(void *arg, size_t max, struct buf *out)
{
    return jmap_blob_read(arg, max, out);
}

static void close_blob(void *arg)
{
    jmap_blob_close(arg);
}

/* Nothing in it may run or load. Browsers show no PDF in a sandbox; their viewers run none of its
 * scripts as ours. A sandboxed page may not ask for a browsing context group of its own. */
static void set_policy(struct http_exchange *x, const char *type)
{
    bool pdf = strcmp(type, "application/pdf") == 0;
    http_set_field(x, "content-security-policy",
                   pdf ? SLICE("default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; "
                               "frame-ancestors 'self'")
                       : SLICE("sandbox; default-src 'none'; frame-ancestors 'self'"));
    http_set_field(x, "cross-origin-opener-policy", SLICE("unsafe-none"));
}

static void finish_download(struct http_exchange *x)
{
    struct jmap_user u;
    struct slice name, id;
    struct jmap_blob *blob;
    bool inline_;
    if (!web_authorize(x, &u) || !own_account(x, SLICE("/jmap/download/"), &u, &name))
        return;
    enum error e =
        slice_split(&name, '/', &id) ? jmap_blob_open(jmap(x), &u, id, &blob) : ERR_NOTFOUND;
    if (e != OK) {
        answer_error(x, e);
        return;
    }
    const char *type = type_of(x, &inline_);
    web_set_disposition(x, inline_ ? "inline" : "attachment", name);
    set_policy(x, type);
    /* A blob never changes (RFC 8620 6.2). */
    http_set_field(x, "cache-control", SLICE("private, max-age=86400, immutable"));
    const struct http_source source = {.read = read_blob,
                                       .free = close_blob,
                                       .arg = blob,
                                       .length = (int64_t)jmap_blob_size(blob)};
    http_answer_source(x, 200, type, &source);
}

const struct http_handler web_jmap_download = {.finish = finish_download};

/* --- Events --- */

enum { PING_LEAST = 10, PING_MOST = 3600 };

struct stream {
    struct tally_use use;
    struct web_sessions *sessions;
    struct jmap_push *push;
    struct login_session *login;
    struct waker *waker;
    uint64_t account, session;
    bool close_after_state;
    uint32_t ping; /* seconds; 0: none */
    int64_t pinged_at;
};

static struct tally streams = TALLY_INIT;

static void free_stream(void *arg)
{
    struct stream *s = arg;
    tally_give(&streams, &s->use);
    if (s->push != NULL)
        jmap_push_end(s->push);
    login_session_end(s->login);
    waker_unref(s->waker);
    mem_free(s);
}

static bool wake_stream(void *arg, struct buf *out)
{
    struct stream *s = arg;
    if (login_session_revoked(s->login) ||
        (s->session != 0 && !web_session_alive(s->sessions, s->account, s->session)))
        return false;
    if (jmap_push_event(s->push, out) && s->close_after_state)
        return false;
    int64_t now = clock_ms();
    /* A tick may come a little early. */
    if (s->ping != 0 && now - s->pinged_at >= s->ping * INT64_C(1000) - 100) {
        buf_printf(out, "event: ping\ndata: {\"interval\":%u}\n\n", s->ping);
        s->pinged_at = now;
    }
    return true;
}

static uint32_t ping_of(struct http_exchange *x)
{
    struct slice text;
    uint32_t ping;
    if (!http_parameter(x, SLICE("ping"), &text) || parse_u32(text, UINT32_MAX, &ping) != OK ||
        ping == 0)
        return 0;
    return ping < PING_LEAST ? PING_LEAST : ping > PING_MOST ? PING_MOST : ping;
}

static void finish_events(struct http_exchange *x)
{
    const struct web_service *service = http_service(x);
    struct jmap_user u;
    struct slice types, close_after;
    if (!web_authorize(x, &u))
        return;
    if (!http_parameter(x, SLICE("types"), &types))
        types = SLICE("*");
    if (!http_parameter(x, SLICE("closeafter"), &close_after))
        close_after = SLICE("no");
    struct stream *s = mem_alloc(sizeof *s);
    s->sessions = service->sessions;
    s->account = u.account.id;
    s->session = u.session;
    s->close_after_state = slice_eq(close_after, SLICE("state"));
    s->ping = ping_of(x);
    s->pinged_at = clock_ms();
    s->waker = http_waker(x);
    s->login = login_session_begin(service->login, &u.account, "web", s->waker);
    enum error e =
        tally_take(&streams, &s->use, u.account.id, 1, LIMIT_HTTP_EVENTS_ACCOUNT) ? OK : ERR_LIMIT;
    if (e == OK)
        e = jmap_push_begin(service->jmap, &u, jmap_types(types), s->waker, &s->push);
    if (e != OK) {
        free_stream(s);
        answer_error(x, e);
        return;
    }
    uint32_t ping_ms = s->ping * 1000;
    const struct http_events events = {.wake = wake_stream,
                                       .free = free_stream,
                                       .arg = s,
                                       .tick_ms = ping_ms != 0 && ping_ms < LIMIT_WEB_EVENTS_MS
                                                      ? (int)ping_ms
                                                      : LIMIT_WEB_EVENTS_MS};
    http_answer_events(x, &events);
}

const struct http_handler web_jmap_events = {.finish = finish_events};
