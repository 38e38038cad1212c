/* Which handler answers: by host, path and method. */
#include "web/authorize.h"
#include "web/facts.h"
#include "web/handlers.h"

/* --- Answers for what is not there --- */

static bool wants_page(struct http_exchange *x)
{
    struct slice accept = http_field(x, "accept");
    return slice_find(accept, SLICE("text/html")) < accept.n;
}

static void answer_plain(struct http_exchange *x, int status, const char *english,
                         const char *german)
{
    if (!wants_page(x)) {
        http_problem(x, status, "about:blank", english, german);
        return;
    }
    bool de = http_in_german(x);
    struct slice page = arena_printf(
        http_arena(x),
        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<title>%d</title></head>\n<body><h1>%s</h1>\n<p><a href=\"/\">%s</a></p></body>\n"
        "</html>\n",
        de ? "de" : "en", status, de ? german : english,
        de ? "Zur Startseite" : "To the start page");
    http_answer(x, status, "text/html; charset=utf-8", page);
}

/* In begin(): whatever body comes does not matter. */
static void begin_missing(struct http_exchange *x)
{
    answer_plain(x, 404, "There is no such page here", "Diese Seite gibt es hier nicht");
}

static const struct http_handler missing = {.begin = begin_missing};

/* --- The start page --- */

/* With any query it is the page with the details, for those too who are logged in. */
static void finish_start(struct http_exchange *x)
{
    if (http_query(x).n == 0 && web_is_logged_in(x))
        http_redirect(x, SLICE("/mail/"), false);
    else
        web_details.finish(x);
}

static const struct http_handler start = {.finish = finish_start};

/* "/mail" and what else is nearly right. */
static void finish_to_mail(struct http_exchange *x)
{
    http_redirect(x, SLICE("/mail/"), false);
}

static const struct http_handler to_mail = {.finish = finish_to_mail};

/* To the mail host, from names that are for mail programs only. */
static void finish_to_host(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    struct slice base = facts_base(s->config, http_arena(x));
    http_redirect(x, arena_printf(http_arena(x), "%.*s/", SLICE_FMT(base)), false);
}

static const struct http_handler to_host = {.finish = finish_to_host};

/* --- From port 80 --- */

static void add_encoded(struct buf *out, struct slice path)
{
    for (size_t i = 0; i < path.n; i++) {
        uint8_t c = path.p[i];
        if (ascii_alpha(c) || ascii_digit(c) || (c != 0 && strchr("/-._~", c) != NULL))
            buf_byte(out, c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* The same page over TLS, under the name that was asked for. */
static void begin_to_https(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    uint16_t port = facts_port(s->config, SERVICE_HTTPS);
    struct slice host = http_host(x);
    autobuf to = BUF_INIT(4 * LIMIT_HTTP_HEAD);
    if (port == 0) {
        begin_missing(x);
        return;
    }
    buf_lit(&to, "https://");
    if (slice_has(host, ':')) /* IPv6 */
        buf_printf(&to, "[%.*s]", SLICE_FMT(host));
    else
        buf_add(&to, host.n > 0 ? host : slice_str(s->config->host));
    if (port != 443)
        buf_printf(&to, ":%u", (unsigned)port);
    add_encoded(&to, http_path(x));
    struct slice query = http_query(x);
    if (query.n > 0)
        buf_byte(&to, '?');
    for (size_t i = 0; i < query.n; i++)
        if (query.p[i] > ' ' && query.p[i] < 127)
            buf_byte(&to, query.p[i]);
    http_redirect(x, buf_slice(&to), true);
}

static const struct http_handler to_https = {.begin = begin_to_https};

/* --- The tables --- */

enum { GET = 1, POST = 2 };

struct route {
    struct slice path;
    bool below;   /* and what begins so; else it is the whole path */
    bool anycase; /* letters count without case */
    unsigned methods;
    const struct http_handler *handler;
};

struct routes {
    const struct route *route;
    size_t n;
};
#define ROUTES(table)                                                                              \
    {                                                                                              \
        table, sizeof(table) / sizeof(table)[0]                                                    \
    }

static const struct route acme_routes[] = {
    {SLICE_INIT("/.well-known/acme-challenge/"), true, false, GET, &web_acme},
};

static const struct route autoconfig_routes[] = {
    {SLICE_INIT("/mail/config-v1.1.xml"), false, false, GET, &web_autoconfig},
    {SLICE_INIT("/.well-known/autoconfig/mail/config-v1.1.xml"), false, false, GET,
     &web_autoconfig},
    {SLICE_INIT("/.well-known/mail-v1.xml"), false, false, GET, &web_autoconfig},
};

/* Outlook writes these in any letter case, and by GET without TLS. */
static const struct route autodiscover_routes[] = {
    {SLICE_INIT("/autodiscover/autodiscover.xml"), false, true, GET | POST, &web_autodiscover},
    {SLICE_INIT("/autodiscover/autodiscover.json"), true, true, GET, &web_autodiscover},
};

static const struct route mta_sts_routes[] = {
    {SLICE_INIT("/.well-known/mta-sts.txt"), false, false, GET, &web_mta_sts},
};

static const struct route mail_routes[] = {
    {SLICE_INIT("/"), false, false, GET, &start},
    {SLICE_INIT("/mail"), false, false, GET, &to_mail},
    {SLICE_INIT("/mail/"), false, false, GET, &web_mail},
    {SLICE_INIT("/mail/frame"), false, false, GET, &web_frame},
    {SLICE_INIT("/mail/frame-remote"), false, false, GET, &web_frame},
    {SLICE_INIT("/assets/"), true, false, GET, &web_assets},
    {SLICE_INIT("/mail/login"), false, false, POST, &web_login},
    {SLICE_INIT("/mail/logout"), false, false, POST, &web_logout},
    {SLICE_INIT("/mail/export"), false, false, GET, &web_export},
    {SLICE_INIT("/api/password"), false, false, POST, &web_password},
    {SLICE_INIT("/.well-known/jmap"), false, false, GET, &web_jmap_session},
    {SLICE_INIT("/jmap/api"), false, false, POST, &web_jmap_api},
    {SLICE_INIT("/jmap/upload/"), true, false, POST, &web_jmap_upload},
    {SLICE_INIT("/jmap/download/"), true, false, GET, &web_jmap_download},
    {SLICE_INIT("/jmap/events"), false, false, GET, &web_jmap_events},
    {SLICE_INIT("/apple.mobileconfig"), false, false, GET, &web_apple},
    {SLICE_INIT("/apple.svg"), false, false, GET, &web_apple},
    {SLICE_INIT("/details.css"), false, false, GET, &web_details},
};

static const struct route to_host_routes[] = {
    {SLICE_INIT("/"), false, false, GET, &to_host},
};

/* What is served under a name; the first table that knows the path counts. */
struct site {
    const char *label; /* the name's first label */
    struct routes routes[3];
};

/* These names are for mail programs: no login there, so that no cookie is ever theirs. */
static const struct site sites[] = {
    {"autoconfig", {ROUTES(autoconfig_routes), ROUTES(acme_routes), ROUTES(to_host_routes)}},
    {"autodiscover", {ROUTES(autodiscover_routes), ROUTES(acme_routes), ROUTES(to_host_routes)}},
    {"mta-sts", {ROUTES(mta_sts_routes), ROUTES(acme_routes), ROUTES(to_host_routes)}},
};

static const struct routes mail_site[] = {
    ROUTES(mail_routes),    ROUTES(autoconfig_routes), ROUTES(autodiscover_routes),
    ROUTES(mta_sts_routes), ROUTES(acme_routes),
};

static const struct routes plain_site[] = {
    ROUTES(autoconfig_routes),
    ROUTES(autodiscover_routes),
    ROUTES(acme_routes),
};

/* --- Finding --- */

static bool is_for(const struct route *r, struct slice path)
{
    if (r->below)
        path = slice_sub(path, 0, r->path.n);
    return r->anycase ? slice_ieq(path, r->path) : slice_eq(path, r->path);
}

static const struct route *find_in(const struct routes *routes, size_t n, struct slice path)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < routes[i].n; k++)
            if (is_for(&routes[i].route[k], path))
                return &routes[i].route[k];
    return NULL;
}

static const struct route *find_on_host(const struct config *c, struct http_exchange *x)
{
    struct slice host = http_host(x), label = slice_sub(host, 0, slice_index(host, '.'));
    for (size_t i = 0; i < sizeof sites / sizeof sites[0]; i++)
        if (slice_eq(label, slice_str(sites[i].label)) && !slice_ieq(host, slice_str(c->host)))
            return find_in(sites[i].routes, 3, http_path(x));
    return find_in(mail_site, sizeof mail_site / sizeof mail_site[0], http_path(x));
}

static const struct route *find_plain(struct http_exchange *x)
{
    return find_in(plain_site, sizeof plain_site / sizeof plain_site[0], http_path(x));
}

static bool allows(const struct route *r, enum http_method m)
{
    return (r->methods & GET && (m == HTTP_GET || m == HTTP_HEAD)) ||
           (r->methods & POST && m == HTTP_POST);
}

/* --- Methods --- */

static void answer_not_allowed(struct http_exchange *x, const struct route *r)
{
    static const char *const allow[] = {
        [GET] = "GET, HEAD", [POST] = "POST", [GET | POST] = "GET, HEAD, POST"};
    http_set_field(x, "allow", slice_str(allow[r->methods]));
    answer_plain(x, 405, "This cannot be done here", "Das geht hier nicht");
}

static void begin_not_allowed(struct http_exchange *x)
{
    const struct web_service *s = http_service(x);
    answer_not_allowed(x, find_on_host(s->config, x));
}

static void begin_not_allowed_plain(struct http_exchange *x)
{
    answer_not_allowed(x, find_plain(x));
}

static const struct http_handler not_allowed = {.begin = begin_not_allowed};
static const struct http_handler not_allowed_plain = {.begin = begin_not_allowed_plain};

static const struct http_handler *handler_of(const struct route *r, struct http_exchange *x,
                                             const struct http_handler *unknown,
                                             const struct http_handler *forbidden)
{
    if (r == NULL)
        return unknown;
    return allows(r, http_method(x)) ? r->handler : forbidden;
}

static const struct http_handler *find(void *service, struct http_exchange *x)
{
    const struct web_service *s = service;
    return handler_of(find_on_host(s->config, x), x, &missing, &not_allowed);
}

static const struct http_handler *find_without_tls(void *service, struct http_exchange *x)
{
    return handler_of(find_plain(x), x, &to_https, &not_allowed_plain);
}

const struct http_routes web_routes = {.find = find};
const struct http_routes web_plain_routes = {.find = find_without_tls};

bool web_is_proxy(void *service, struct ip peer)
{
    const struct web_service *s = service;
    return guard_is_proxy(s->guard, peer);
}
