/* Tests of what is served: routes, logins, sessions, JMAP's handlers, password, export, the
 * webmail's files. Through a real HTTP/1.1 machine; JMAP is a fake (test_jmap.h). */
#include "base/clock.h"
#include "base/test_folder.h"
#include "store/store_kit.h"
#include "web/authorize.h"
#include "web/http_private.h"
#include "web/test_jmap.h"
#include <sys/wait.h>

#define PASSWORD "right-Passw0rd"

static int64_t later; /* seconds by which the clock is ahead */

int64_t __real_clock_wall(void);
int64_t __wrap_clock_wall(void);
int64_t __wrap_clock_wall(void)
{
    return __real_clock_wall() + later;
}

static struct test_folder folder;
static struct web_service service;
static struct jmap_service jmap;
static struct config *config;
static struct kit *kit;
static struct account anna;

static int set_up(void **state)
{
    static const char text[] = "[server]\nhost = mail.example.org\n"
                               "[listen]\nhttps = 20443\nhttp = 20080\nimaps = 20993\n";
    static const struct ip_net proxy = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}},
                                        128};
    struct guard_options o = {.repeated_password_counts = true, .proxies = &proxy, .n_proxies = 1};
    char why[CONFIG_WHY];
    later = 0;
    assert_true(test_folder_make(&folder));
    kit = kit_new(1);
    jmap = (struct jmap_service){.store = kit->s};
    service = (struct web_service){.jmap = &jmap};
    assert_int_equal(config_parse(slice_str(text), "t.conf", &config, why), OK);
    service.config = config;
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &service.directory),
                     OK);
    o.path = test_folder_file(&folder, "guard.db");
    assert_int_equal(guard_open(&o, &service.guard), OK);
    assert_int_equal(login_new(service.directory, service.guard, &service.login), OK);
    assert_int_equal(web_sessions_open(test_folder_file(&folder, "sessions.db"), service.directory,
                                       &service.sessions),
                     OK);
    assert_int_equal(directory_domain_add(service.directory, SLICE("example.org"), SLICE("")), OK);
    assert_int_equal(directory_account_add(service.directory, SLICE("anna@example.org"), SLICE(""),
                                           SLICE("de"), SLICE(PASSWORD), &anna),
                     OK);
    return 0;
}

static int tear_down(void **state)
{
    web_sessions_close(service.sessions);
    login_free(service.login);
    guard_close(service.guard);
    directory_close(service.directory);
    config_free(config);
    kit_free(kit);
    assert_int_equal(blobs, 0);
    assert_int_equal(uploads, 0);
    return test_folder_remove(&folder) ? 0 : 1;
}

/* --- A client --- */

struct answer {
    int status;
    char head[8192];
    struct buf body; /* without its chunks' framing */
};

static struct answer last;

static void unchunk(struct slice s, struct buf *out)
{
    struct slice line;
    while (slice_line(&s, &line)) {
        size_t n = 0;
        for (size_t i = 0; i < line.n; i++) {
            uint8_t c = ascii_lower(line.p[i]);
            n = n * 16 + (size_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
        }
        if (n == 0)
            return;
        buf_add(out, slice_sub(s, 0, n));
        s = slice_from(s, n + 2);
    }
    fail_msg("no last chunk");
}

/* The value of a field of the answer; NULL: it has none. */
static const char *field(const char *name)
{
    static char value[4096];
    struct slice rest = slice_str(last.head), line;
    while (slice_line(&rest, &line)) {
        size_t colon = slice_index(line, ':');
        if (slice_ieq(slice_sub(line, 0, colon), slice_str(name))) {
            line = slice_trim(slice_from(line, colon + 1));
            snprintf(value, sizeof value, "%.*s", SLICE_FMT(line));
            return value;
        }
    }
    return NULL;
}

static int send_from(const char *peer, const struct http_routes *routes, bool tls,
                     struct slice request)
{
    const struct http_listener listener = {&service, *routes, web_is_proxy, true};
    struct http_conn h = {.tls = tls};
    autobuf out = BUF_INIT(64 << 20);
    assert_int_equal(ip_parse(slice_str(peer), &h.peer), OK);
    http_conn_init(&h, &listener, false);
    for (bool more = true; more;) {
        size_t n = h1_input(&h, request);
        request = slice_from(request, n);
        autobuf piece = BUF_INIT(LIMIT_INPUT_BUFFER);
        more = h1_output(&h, &piece) || n > 0;
        buf_add(&out, buf_slice(&piece));
    }
    http_conn_end(&h);
    struct slice all = buf_slice(&out);
    size_t end = slice_find(all, SLICE("\r\n\r\n"));
    assert_true(end < all.n && end + 3 < sizeof last.head);
    snprintf(last.head, sizeof last.head, "%.*s\r\n", (int)end, all.p);
    buf_free(&last.body);
    buf_init(&last.body, 64 << 20);
    const char *coding = field("transfer-encoding");
    if (coding != NULL)
        unchunk(slice_from(all, end + 4), &last.body);
    else
        buf_add(&last.body, slice_from(all, end + 4));
    uint32_t status = 0;
    assert_int_equal(parse_u32(slice_sub(all, 9, 12), 999, &status), OK);
    last.status = (int)status;
    return last.status;
}

/* A request over TLS; `head` are further fields, each with its CRLF. */
static int ask(const char *method, const char *path, const char *head, const char *body)
{
    autobuf rq = BUF_INIT(1 << 20);
    const char *host = strstr(head, "Host: ") == NULL ? "Host: mail.example.org:20443\r\n" : "";
    buf_printf(&rq, "%s %s HTTP/1.1\r\n%s%s", method, path, host, head);
    if (body != NULL)
        buf_printf(&rq, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        buf_lit(&rq, "\r\n");
    return send_from("192.0.2.1", &web_routes, true, buf_slice(&rq));
}

static bool body_is(const char *text)
{
    return slice_eq(buf_slice(&last.body), slice_str(text));
}

static bool body_has(const char *text)
{
    struct slice body = buf_slice(&last.body);
    return slice_find(body, slice_str(text)) < body.n;
}

#define JSON   "Content-Type: application/json\r\n"
#define ORIGIN "Origin: https://mail.example.org:20443\r\n"

static int log_in(const char *head, const char *password)
{
    char all[1024], body[256];
    snprintf(all, sizeof all, JSON ORIGIN "%s", head);
    snprintf(body, sizeof body, "{\"address\":\"anna@example.org\",\"password\":\"%s\"}", password);
    return ask("POST", "/mail/login", all, body);
}

struct cookie {
    char token[WEB_TOKEN_TEXT + 1];
    char head[128];
};

/* The cookie that the last answer set. */
static void keep_cookie(struct cookie *c)
{
    static const char name[] = "__Host-session=";
    const char *value = field("set-cookie");
    assert_non_null(value);
    assert_memory_equal(value, name, sizeof name - 1);
    snprintf(c->token, sizeof c->token, "%s", value + sizeof name - 1);
    assert_int_equal(strcspn(value + sizeof name - 1, ";"), WEB_TOKEN_TEXT);
    snprintf(c->head, sizeof c->head, "Cookie: lang=de; __Host-session=%s\r\n", c->token);
}

static int ask_session(const struct cookie *c)
{
    return ask("GET", "/.well-known/jmap", c->head, NULL);
}

static void new_session(struct cookie *c)
{
    assert_int_equal(log_in("", PASSWORD), 200);
    keep_cookie(c);
}

/* --- Logging in and out --- */

static void test_login(void **state)
{
    struct cookie c, d;
    assert_int_equal(log_in("", PASSWORD), 200);
    assert_true(body_is("{\"address\":\"anna@example.org\"}"));
    assert_string_equal(field("content-type"), "application/json");
    assert_string_equal(field("cache-control"), "no-store");
    const char *cookie = field("set-cookie");
    assert_string_equal(cookie + 15 + WEB_TOKEN_TEXT,
                        "; Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=Strict");
    keep_cookie(&c);
    assert_int_equal(ask_session(&c), 200);
    assert_true(body_is("{\"user\":\"anna@example.org\",\"base\":\"https://"
                        "mail.example.org:20443\",\"session\":1}"));
    assert_null(field("set-cookie"));

    /* The old session ends with a new login; the token is a new one. */
    assert_int_equal(log_in(c.head, PASSWORD), 200);
    keep_cookie(&d);
    assert_string_not_equal(c.token, d.token);
    assert_int_equal(ask_session(&c), 401);
    assert_int_equal(ask_session(&d), 200);

    /* What the client brings never becomes a session. */
    assert_int_equal(
        log_in("Cookie: __Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", PASSWORD),
        200);
    keep_cookie(&c);
    assert_string_not_equal(c.token, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(ask_session(&d), 200);
}

static void test_login_refused(void **state)
{
    struct cookie c;
    new_session(&c);
    assert_int_equal(log_in("", "wrong-Passw0rd"), 401);
    assert_true(body_is("{\"type\":\"wrong\"}"));
    assert_null(field("set-cookie"));
    /* A wrong login leaves the session alone that is there. */
    assert_int_equal(log_in(c.head, "wrong-Passw0rd2"), 401);
    assert_int_equal(ask_session(&c), 200);
    static const char *const bodies[] = {"",
                                         "{",
                                         "[]",
                                         "null",
                                         "{\"address\":\"a\",\"password\":\"b\",\"c\":[]}",
                                         "{\"address\":{\"a\":{}},\"password\":\"b\"}",
                                         "{\"address\":1,\"password\":2}",
                                         "{\"address\":\"a\"}",
                                         "{\"password\":\"a\"}",
                                         "{\"address\":\"a\",\"address\":\"b\",\"password\":\"c\"}",
                                         "{\"address\":\"a\\u0000b\",\"password\":\"c\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(ask("POST", "/mail/login", JSON ORIGIN, bodies[i]), 400);
    char deep[LIMIT_WEB_BODY];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(ask("POST", "/mail/login", JSON ORIGIN, deep), 400);
    /* Brackets within a password are none. */
    assert_int_equal(log_in("", "[[{{\\\"[[{{"), 401);
    assert_int_equal(ask("POST", "/mail/login",
                         "Content-Type: application/x-www-form-urlencoded\r\n" ORIGIN, "a=b"),
                     415);
    assert_int_equal(directory_account_state(service.directory, anna.id, ACCOUNT_NO_LOGIN), OK);
    assert_int_equal(log_in("", PASSWORD), 403);
    assert_true(body_is("{\"type\":\"disabled\"}"));
}

static void test_logout(void **state)
{
    struct cookie c;
    char head[512];
    new_session(&c);
    snprintf(head, sizeof head, "%s" ORIGIN, c.head);
    assert_int_equal(ask("POST", "/mail/logout", c.head, ""), 403); /* from elsewhere */
    assert_int_equal(ask_session(&c), 200);
    assert_int_equal(ask("POST", "/mail/logout", head, ""), 204);
    assert_non_null(strstr(field("set-cookie"), "__Host-session=; Path=/; Max-Age=0; "));
    assert_int_equal(ask_session(&c), 401);
    assert_true(body_is("{\"type\":\"session\"}"));
    assert_null(field("www-authenticate"));
    assert_non_null(strstr(field("set-cookie"), "__Host-session=; Path=/; Max-Age=0; "));
    assert_int_equal(ask("POST", "/mail/logout", head, ""), 204); /* twice does no harm */
}

static void test_origin(void **state)
{
    static const struct {
        const char *head;
        bool own;
    } cases[] = {
        {ORIGIN, true},
        {"Origin: https://MAIL.example.org:20443\r\n", true},
        {"Sec-Fetch-Site: same-origin\r\n", true},
        {"Host: mail.example.org\r\nOrigin: https://mail.example.org\r\n", true},
        {"Host: mail.example.org:443\r\nOrigin: https://mail.example.org\r\n", true},
        {"", false},
        {"Sec-Fetch-Site: same-site\r\n", false},
        {"Sec-Fetch-Site: cross-site\r\n", false},
        {"Sec-Fetch-Site: none\r\n", false},
        {"Origin: null\r\n", false},
        {"Origin: \r\n", false},
        {"Origin: http://mail.example.org:20443\r\n", false},
        {"Origin: https://mail.example.org\r\n", false},
        {"Origin: https://mail.example.org:204430\r\n", false},
        {"Origin: https://evil.example\r\n", false},
        {"Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n", false},
        {"Origin: https://mail.example.org:20443.evil.example\r\n", false},
        {"Origin: https://evil.example/https://mail.example.org:20443\r\n", false},
    };
    struct cookie c;
    new_session(&c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[1024];
        snprintf(head, sizeof head, JSON "%s", cases[i].head);
        assert_int_equal(ask("POST", "/mail/login", head,
                             "{\"address\":\"anna@example.org\",\"password\":\"" PASSWORD "\"}"),
                         cases[i].own ? 200 : 403);
        if (!cases[i].own)
            assert_true(body_is("{\"type\":\"origin\"}"));
        snprintf(head, sizeof head, JSON "%s%s", c.head, cases[i].head);
        assert_int_equal(ask("POST", "/jmap/api", head, "{}"), cases[i].own ? 200 : 403);
    }
}

static void test_rotation(void **state)
{
    struct cookie c, fresh;
    new_session(&c);
    later = LIMIT_WEB_ROTATE_SECONDS + 1;
    assert_int_equal(ask_session(&c), 200);
    keep_cookie(&fresh);
    assert_string_not_equal(c.token, fresh.token);
    assert_int_equal(ask_session(&fresh), 200);
    assert_null(field("set-cookie"));
    later += LIMIT_WEB_ROTATE_GRACE_SECONDS + 2;
    assert_int_equal(ask_session(&c), 401);
    assert_int_equal(ask_session(&fresh), 200);
}

static void test_cookies(void **state)
{
    struct cookie c;
    char head[512];
    new_session(&c);
    snprintf(head, sizeof head, "Cookie: __Host-session=%s; __Host-session=%s\r\n", c.token,
             c.token);
    assert_int_equal(ask("GET", "/.well-known/jmap", head, NULL), 401); /* which one? */
    snprintf(head, sizeof head, "Cookie: __host-session=%s\r\n", c.token);
    assert_int_equal(ask("GET", "/.well-known/jmap", head, NULL), 401);
    snprintf(head, sizeof head, "Cookie: __Host-session=%sA\r\n", c.token);
    assert_int_equal(ask("GET", "/.well-known/jmap", head, NULL), 401);
    assert_int_equal(ask_session(&c), 200);
}

/* --- Basic --- */

#define BASIC_GOOD  "Authorization: Basic YW5uYUBleGFtcGxlLm9yZzpyaWdodC1QYXNzdzByZA==\r\n"
#define BASIC_WRONG "Authorization: basic  YW5uYUBleGFtcGxlLm9yZzp3cm9uZy0x\r\n"

static void test_basic(void **state)
{
    static const char challenge[] = "Basic realm=\"Depesche\", charset=\"UTF-8\"";
    assert_int_equal(ask("GET", "/.well-known/jmap", BASIC_GOOD, NULL), 200);
    assert_true(body_has("\"session\":0}"));
    assert_null(field("set-cookie"));
    assert_int_equal(ask("POST", "/jmap/api", JSON BASIC_GOOD, "{}"), 200); /* no Origin needed */
    assert_int_equal(ask("GET", "/.well-known/jmap", "", NULL), 401);
    assert_string_equal(field("www-authenticate"), challenge);
    assert_int_equal(ask("GET", "/.well-known/jmap", "Sec-Fetch-Mode: cors\r\n", NULL), 401);
    assert_null(field("www-authenticate"));
    assert_int_equal(ask("GET", "/.well-known/jmap", "Cookie: __Host-session=x\r\n", NULL), 401);
    assert_null(field("www-authenticate"));
    assert_int_equal(ask("GET", "/.well-known/jmap", BASIC_WRONG, NULL), 401);
    assert_string_equal(field("www-authenticate"), challenge);
    assert_true(body_is("{\"type\":\"wrong\"}"));
    static const char *const malformed[] = {"Basic", "Basic ====", "Basic YQ==", "Bearer abc",
                                            "Basic YW5uYUBleGFtcGxlLm9yZw=="};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char head[256];
        snprintf(head, sizeof head, "Authorization: %s\r\n", malformed[i]);
        assert_int_equal(ask("GET", "/.well-known/jmap", head, NULL), 401);
    }
}

static void test_lockout(void **state)
{
    struct cookie c;
    char password[32];
    new_session(&c);
    for (int i = 0; i < 5; i++) {
        snprintf(password, sizeof password, "wrong-%d", i);
        assert_int_equal(log_in("", password), 401);
    }
    assert_int_equal(log_in("", PASSWORD), 429);
    assert_true(body_has("{\"type\":\"blocked\",\"until\":\"20"));
    uint32_t seconds;
    assert_int_equal(parse_u32(slice_str(field("retry-after")), 10000, &seconds), OK);
    assert_in_range(seconds, 1100, 1201);
    assert_int_equal(ask("GET", "/.well-known/jmap", BASIC_GOOD, NULL), 429);
    assert_int_equal(ask("POST", "/api/password", JSON BASIC_GOOD, "{\"new\":\"xxxxxxxxx\"}"), 429);
    assert_int_equal(ask_session(&c), 200); /* who is in goes on */
    int64_t until;
    struct ip ip;
    assert_int_equal(ip_parse(SLICE("192.0.2.1"), &ip), OK);
    assert_int_equal(guard_admit(service.guard, ip, &until), GUARD_SERVICES);
}

/* --- JMAP --- */

static void test_api(void **state)
{
    assert_int_equal(ask("POST", "/jmap/api", JSON BASIC_GOOD, "{\"a\":1}"), 200);
    assert_true(body_is("{\"a\":1}"));
    assert_string_equal(field("content-type"), "application/json");
    assert_int_equal(ask("POST", "/jmap/api", JSON BASIC_GOOD, "wrong"), 400);
    assert_string_equal(field("content-type"), "application/problem+json");
    assert_int_equal(ask("POST", "/jmap/api", BASIC_GOOD "Content-Type: text/plain\r\n", "{}"),
                     415);
    assert_int_equal(ask("POST", "/jmap/api",
                         BASIC_GOOD "Content-Type: Application/JSON; charset=utf-8\r\n", "{}"),
                     200);
    assert_int_equal(ask("POST", "/jmap/api", BASIC_GOOD, "{}"), 415);
    assert_int_equal(ask("POST", "/jmap/api", JSON, "{}"), 401);
    assert_int_equal(
        ask("POST", "/jmap/api", JSON BASIC_GOOD "Content-Length: 10485761\r\n\r\n", NULL), 413);
}

/* Answers that are not taken: as many as fit the account's bound, then no more until they are. */
static void test_unsent(void **state)
{
    enum { MOST = 20 };
    static struct http_conn h[MOST];
    const struct http_listener listener = {&service, web_routes, web_is_proxy, true};
    autobuf rq = BUF_INIT(LIMIT_JMAP_REQUEST + 4096);
    buf_printf(&rq,
               "POST /jmap/api HTTP/1.1\r\nHost: mail.example.org\r\n" JSON BASIC_GOOD
               "Content-Length: %d\r\n\r\n",
               LIMIT_JMAP_REQUEST);
    while (rq.n < LIMIT_JMAP_REQUEST + 500)
        buf_byte(&rq, ' ');
    size_t held = 0;
    for (int status = 200; status == 200 && held < MOST; held += status == 200) {
        struct slice rest = buf_slice(&rq);
        h[held] = (struct http_conn){.tls = true};
        http_conn_init(&h[held], &listener, false);
        while (h[held].open == NULL || !h[held].open->complete)
            rest = slice_from(rest, h1_input(&h[held], rest));
        status = h[held].open->status;
        if (status != 200) {
            assert_int_equal(status, 400);
            http_conn_end(&h[held]);
        }
    }
    assert_true(held >= 6 && held <= 7);
    assert_int_equal(ask("POST", "/jmap/api", JSON BASIC_GOOD, "{}"), 400);
    assert_true(body_has("urn:ietf:params:jmap:error:limit"));
    for (size_t i = 0; i < held; i++)
        http_conn_end(&h[i]);
    assert_int_equal(ask("POST", "/jmap/api", JSON BASIC_GOOD, "{}"), 200);
}

static void test_upload(void **state)
{
    char path[64];
    snprintf(path, sizeof path, "/jmap/upload/A%llu/", (unsigned long long)anna.id);
    assert_int_equal(ask("POST", path, BASIC_GOOD "Content-Type: image/png\r\n", "12345"), 201);
    assert_true(body_is("{\"size\":5,\"type\":\"image/png\"}"));
    assert_int_equal(ask("POST", path, BASIC_GOOD, ""), 201);
    assert_true(body_is("{\"size\":0,\"type\":\"application/octet-stream\"}"));
    assert_int_equal(ask("POST", path, BASIC_GOOD "Content-Type: no/room\r\n", "1"), 507);
    assert_int_equal(ask("POST", path, BASIC_GOOD "Content-Type: much/too-much\r\n", "1"), 400);
    assert_true(body_has("urn:ietf:params:jmap:error:limit"));
    assert_int_equal(ask("POST", path, "", "1"), 401);
    assert_int_equal(ask("POST", "/jmap/upload/A999/", BASIC_GOOD, "1"), 404);
    assert_int_equal(ask("POST", "/jmap/upload/", BASIC_GOOD, "1"), 404);
    snprintf(path, sizeof path, "/jmap/upload/A%llu/x", (unsigned long long)anna.id);
    assert_int_equal(ask("POST", path, BASIC_GOOD, "1"), 404);
    /* Cut off in the middle: nothing is left behind (tear_down looks). */
    snprintf(path, sizeof path, "/jmap/upload/A%llu/", (unsigned long long)anna.id);
    char request[512];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: mail.example.org\r\n" BASIC_GOOD
             "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n12345",
             path);
    assert_int_equal(send_from("192.0.2.1", &web_routes, true, slice_str(request)), 100);
}

static void test_download(void **state)
{
    static const struct {
        const char *accept, *type, *how;
    } cases[] = {
        {"", "application/octet-stream", "attachment"},
        {"?accept=image/png", "image/png", "inline"},
        {"?accept=image/svg%2Bxml", "application/octet-stream", "attachment"},
        {"?accept=text/html", "application/octet-stream", "attachment"},
        {"?accept=text/html,image/png", "application/octet-stream", "attachment"},
        {"?accept=application/pdf", "application/pdf", "inline"},
        {"?accept=TEXT/Plain", "text/plain", "inline"},
        {"?accept=text/plain;charset=iso-8859-1", "text/plain; charset=iso-8859-1", "inline"},
        {"?accept=text/plain;charset=a%0D%0AX:y", "text/plain", "inline"},
        {"?accept=image/png;charset=utf-8", "image/png", "inline"},
        {"?accept=application/xhtml%2Bxml", "application/octet-stream", "attachment"},
    };
    char path[256], expected[128];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(path, sizeof path, "/jmap/download/A%llu/M1/a.x%s", (unsigned long long)anna.id,
                 cases[i].accept);
        assert_int_equal(ask("GET", path, BASIC_GOOD, NULL), 200);
        assert_true(body_is("<script>alert(1)</script>"));
        assert_string_equal(field("content-type"), cases[i].type);
        snprintf(expected, sizeof expected, "%s; filename=\"a.x\"; filename*=UTF-8''a.x",
                 cases[i].how);
        assert_string_equal(field("content-disposition"), expected);
        const char *csp = field("content-security-policy");
        assert_non_null(strstr(csp, "default-src 'none'; "));
        assert_non_null(strstr(csp, "frame-ancestors 'self'"));
        assert_int_equal(strstr(csp, "sandbox; ") == NULL,
                         strcmp(cases[i].type, "application/pdf") == 0);
        assert_string_equal(field("x-content-type-options"), "nosniff");
    }
    snprintf(path, sizeof path, "/jmap/download/A%llu/M1/%%22%%C3%%A4%%5C%%25;%%20b.pdf",
             (unsigned long long)anna.id);
    assert_int_equal(ask("GET", path, BASIC_GOOD, NULL), 200);
    assert_string_equal(field("content-disposition"),
                        "attachment; filename=\"_____; b.pdf\"; "
                        "filename*=UTF-8''%22%C3%A4%5C%25%3B%20b.pdf");
    assert_int_equal(ask("GET", "/jmap/download/A999/M1/x", BASIC_GOOD, NULL), 404);
    snprintf(path, sizeof path, "/jmap/download/A%llu/M2/x", (unsigned long long)anna.id);
    assert_int_equal(ask("GET", path, BASIC_GOOD, NULL), 404);
    snprintf(path, sizeof path, "/jmap/download/A%llu/M1/x", (unsigned long long)anna.id);
    assert_int_equal(ask("GET", path, "", NULL), 401);
}

/* --- Routes --- */

static void test_routes(void **state)
{
    static const struct {
        const char *method, *host, *path;
        int status;
        const char *field, *value;
    } cases[] = {
        {"GET", "mail.example.org", "/mail", 303, "location", "/mail/"},
        {"GET", "mail.example.org", "/mail/", 200, "cache-control", "no-cache"},
        {"GET", "mail.example.org", "/mail/none", 404, NULL, NULL},
        {"GET", "mail.example.org", "/mail/login", 405, "allow", "POST"},
        {"POST", "mail.example.org", "/mail/", 405, "allow", "GET, HEAD"},
        {"DELETE", "mail.example.org", "/jmap/api", 405, "allow", "POST"},
        {"PUT", "mail.example.org", "/Autodiscover/Autodiscover.xml", 405, "allow",
         "GET, HEAD, POST"},
        {"GET", "mail.example.org", "/jmap/api/", 404, NULL, NULL},
        {"GET", "mail.example.org", "/.well-known/mta-sts.txt", 404, NULL, NULL},
        {"GET", "mta-sts.example.org", "/mail/", 404, NULL, NULL},
        {"GET", "mta-sts.example.org", "/", 303, "location", "https://mail.example.org:20443/"},
        {"GET", "autoconfig.example.org", "/", 303, "location", "https://mail.example.org:20443/"},
        {"GET", "autoconfig.example.org", "/mail/", 404, NULL, NULL},
        {"POST", "autoconfig.example.org", "/mail/login", 404, NULL, NULL},
        {"GET", "autoconfig.example.org", "/mail/config-v1.1.xml", 200, NULL, NULL},
        {"GET", "autodiscover.example.org", "/mail/config-v1.1.xml", 404, NULL, NULL},
        {"GET", "example.org", "/.well-known/autoconfig/mail/config-v1.1.xml", 200, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[256];
        snprintf(head, sizeof head, "Host: %s\r\n", cases[i].host);
        assert_int_equal(ask(cases[i].method, cases[i].path, head, NULL), cases[i].status);
        if (cases[i].field != NULL)
            assert_string_equal(field(cases[i].field), cases[i].value);
    }
}

static void test_missing_page(void **state)
{
    assert_int_equal(ask("GET", "/x", "Accept: text/html\r\nAccept-Language: de\r\n", NULL), 404);
    assert_string_equal(field("content-type"), "text/html; charset=utf-8");
    assert_true(body_has("<h1>Diese Seite gibt es hier nicht</h1>"));
    assert_int_equal(ask("GET", "/x", "Accept: text/html\r\nAccept-Language: en\r\n", NULL), 404);
    assert_true(body_has("<h1>There is no such page here</h1>"));
    assert_int_equal(ask("POST", "/x", "", "{}"), 404);
    assert_string_equal(field("content-type"), "application/problem+json");
}

static void test_start(void **state)
{
    struct cookie c;
    new_session(&c);
    assert_int_equal(ask("GET", "/", c.head, NULL), 303);
    assert_string_equal(field("location"), "/mail/");
}

static void test_plain(void **state)
{
    static const struct {
        const char *request, *location;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n", "https://mail.example.org:20443/",
         308},
        {"GET /mail/a%20b%C3%A4?x=%20y HTTP/1.1\r\nHost: Mail.Example.org:20080\r\n\r\n",
         "https://mail.example.org:20443/mail/a%20b%C3%A4?x=%20y", 308},
        {"POST /mail/login HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 2\r\n\r\n{}",
         "https://[::1]:20443/mail/login", 308},
        {"GET /.well-known/autoconfig/mail/config-v1.1.xml HTTP/1.1\r\nHost: example.org\r\n\r\n",
         NULL, 200},
        {"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.org\r\n\r\n",
         "https://mta-sts.example.org:20443/.well-known/mta-sts.txt", 308},
        {"DELETE /mail/config-v1.1.xml HTTP/1.1\r\nHost: example.org\r\n\r\n", NULL, 405},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            send_from("192.0.2.1", &web_plain_routes, false, slice_str(cases[i].request)),
            cases[i].status);
        const char *location = field("location");
        if (cases[i].location != NULL)
            assert_string_equal(location, cases[i].location);
        else
            assert_null(location);
        assert_null(field("strict-transport-security"));
    }
}

/* --- The webmail's files --- */

static void test_assets(void **state)
{
    static const struct {
        const char *encodings, *coding;
        size_t size;
    } cases[] = {
        {"", NULL, 2990},
        {"Accept-Encoding: gzip, deflate, br\r\n", "br", 0},
        {"Accept-Encoding: gzip\r\n", "gzip", 0},
        {"Accept-Encoding: br;q=0, gzip;q=0.5\r\n", "gzip", 0},
        {"Accept-Encoding: gzip;q=0\r\n", NULL, 2990},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask("GET", "/assets/app.0A1B2C3D.js", cases[i].encodings, NULL), 200);
        const char *coding = field("content-encoding");
        if (cases[i].coding == NULL)
            assert_null(coding);
        else
            assert_string_equal(coding, cases[i].coding);
        if (cases[i].size != 0)
            assert_int_equal(last.body.n, cases[i].size);
        else
            assert_in_range(last.body.n, 50, 1000);
        assert_string_equal(field("cache-control"), "public, max-age=31536000, immutable");
        assert_string_equal(field("vary"), "accept-encoding");
        assert_string_equal(field("content-type"), "text/javascript; charset=utf-8");
        char head[256];
        snprintf(head, sizeof head, "%sIf-None-Match: W/\"x\", %s\r\n", cases[i].encodings,
                 field("etag"));
        assert_int_equal(ask("GET", "/assets/app.0A1B2C3D.js", head, NULL), 304);
        assert_int_equal(last.body.n, 0);
    }
    assert_int_equal(ask("HEAD", "/assets/dot.4E5F6071.svg", "", NULL), 200);
    assert_string_equal(field("content-type"), "image/svg+xml");
    assert_int_equal(last.body.n, 0);
    assert_int_equal(ask("GET", "/assets/none.js", "", NULL), 404);
    assert_string_equal(field("cache-control"), "no-store");
    assert_int_equal(ask("GET", "/assets/", "", NULL), 404);
}

static void test_frames(void **state)
{
    assert_int_equal(ask("GET", "/mail/frame", "", NULL), 200);
    const char *csp = field("content-security-policy");
    assert_non_null(strstr(csp, "sandbox allow-same-origin allow-popups "
                                "allow-popups-to-escape-sandbox; default-src 'none'; "));
    assert_null(strstr(csp, "script"));
    assert_non_null(strstr(csp, "img-src data: blob: 'self'"));
    assert_null(strstr(csp, "https:"));
    assert_int_equal(ask("GET", "/mail/frame-remote", "", NULL), 200);
    assert_non_null(strstr(field("content-security-policy"), " https: http:"));
}

/* --- Passwords --- */

static void test_password(void **state)
{
    struct cookie c;
    new_session(&c);
    char head[512];
    snprintf(head, sizeof head, JSON ORIGIN "%s", c.head);
    /* A cookie is not enough. */
    assert_int_equal(ask("POST", "/api/password", head, "{\"new\":\"next-Passw0rd\"}"), 401);
    assert_int_equal(ask("POST", "/api/password", JSON BASIC_WRONG, "{\"new\":\"next-Passw0rd\"}"),
                     401);
    assert_true(body_is("{\"type\":\"wrong\"}"));
    assert_int_equal(ask("POST", "/api/password", JSON BASIC_GOOD, "{}"), 400);
    assert_int_equal(
        ask("POST", "/api/password", JSON BASIC_GOOD, "{\"new\":\"short\",\"language\":\"en\"}"),
        422);
    assert_true(body_has("{\"type\":\"rule\",\"reason\":\""));
    autobuf english = BUF_INIT(4096);
    buf_add(&english, buf_slice(&last.body));
    assert_int_equal(
        ask("POST", "/api/password", JSON BASIC_GOOD, "{\"new\":\"short\",\"language\":\"de\"}"),
        422);
    assert_false(slice_eq(buf_slice(&english), buf_slice(&last.body)));
    assert_int_equal(ask_session(&c), 200);
    assert_int_equal(ask("POST", "/api/password", JSON BASIC_GOOD, "{\"new\":\"next-Passw0rd\"}"),
                     200);
    assert_true(body_is("{\"type\":\"changed\"}"));
    assert_int_equal(ask_session(&c), 401);
    assert_int_equal(log_in("", PASSWORD), 401);
    assert_int_equal(log_in("", "next-Passw0rd"), 200);
}

/* The lockout hits the client behind the proxy, not the proxy. */
static void test_forwarded(void **state)
{
    static const char wrong[] = "POST /api/password HTTP/1.1\r\nHost: mail.example.org\r\n" JSON
                                "Authorization: Basic YW5uYUBleGFtcGxlLm9yZzp3cm9uZy0%c\r\n"
                                "Forwarded: for=198.51.100.7\r\nContent-Length: 12\r\n\r\n"
                                "{\"new\":\"xx\"}";
    char request[512];
    for (int i = 0; i < 5; i++) {
        snprintf(request, sizeof request, wrong, "wxyz0"[i]);
        assert_int_equal(send_from("10.0.0.1", &web_routes, true, slice_str(request)), 401);
    }
    assert_int_equal(send_from("10.0.0.1", &web_routes, true, slice_str(request)), 429);
    struct ip client, proxy;
    int64_t until;
    assert_int_equal(ip_parse(SLICE("198.51.100.7"), &client), OK);
    assert_int_equal(ip_parse(SLICE("10.0.0.1"), &proxy), OK);
    assert_int_equal(guard_admit(service.guard, client, &until), GUARD_SERVICES);
    assert_int_equal(guard_admit(service.guard, proxy, &until), GUARD_OPEN);
    /* Nobody else is believed. */
    assert_int_equal(send_from("192.0.2.9", &web_routes, true, slice_str(request)), 401);
}

/* --- Export --- */

static int python(const char *script, const char *archive)
{
    char program[64], code[128], file[128];
    snprintf(program, sizeof program, "python3");
    snprintf(code, sizeof code, "%s/check.py", folder.path);
    snprintf(file, sizeof file, "%s", archive);
    int fd = open(code, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
    close(fd);
    char *argv[] = {program, code, file, NULL};
    pid_t child;
    int status;
    assert_int_equal(posix_spawnp(&child, program, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void export_and_check(const char *format, const char *script)
{
    char path[64], archive[128];
    snprintf(path, sizeof path, "/mail/export?format=%s", format);
    assert_int_equal(ask("GET", path, BASIC_GOOD, NULL), 200);
    assert_string_equal(field("content-type"), "application/zip");
    assert_non_null(
        strstr(field("content-disposition"), "attachment; filename=\"anna@example.org-"));
    snprintf(archive, sizeof archive, "%s/a.zip", folder.path);
    int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, last.body.p, last.body.n), (ssize_t)last.body.n);
    close(fd);
    assert_int_equal(python(script, archive), 0);
}

/* Anna's mail: what needs quoting, a long line, every flag, names of every kind. */
static void fill_mailboxes(void)
{
    assert_int_equal(store_account_ensure(kit->s, anna.id, SLICE("en")), OK);
    uint32_t sent = kit_box(kit, anna.id, "Sent");
    kit_append(kit, anna.id, sent,
               SLICE("Subject: one\r\n\r\nFrom here\r\n>From there\r\nFromage\r\nend\r\n"),
               FLAG_SEEN | FLAG_FLAGGED | FLAG_ANSWERED | FLAG_DRAFT | FLAG_DELETED);
    kit_append(kit, anna.id, sent, SLICE("Subject: two\r\n\r\nno end of line"), 0);
    struct slice big = kit_big(kit, 300000, 7);
    kit_append(kit, anna.id, sent, big, FLAG_SEEN);
    uint32_t id;
    assert_int_equal(store_mailbox_create(kit->s, anna.id, SLICE("../../evil"), USE_NONE, &id), OK);
    kit_append(kit, anna.id, id, SLICE("Subject: three\r\n\r\n3\r\n"), 0);
    assert_int_equal(
        store_mailbox_create(kit->s, anna.id, SLICE("Gel\xC3\xB6scht/2.5"), USE_NONE, &id), OK);
    kit_append(kit, anna.id, id, SLICE("Subject: four\r\n\r\n4\r\n"), 0);
}

static const char check_mbox[] =
    "import sys, zipfile, mailbox, tempfile, os\n"
    "z = zipfile.ZipFile(sys.argv[1])\n"
    "assert z.testzip() is None\n"
    "names = z.namelist()\n"
    "assert len(set(names)) == len(names), names\n"
    "assert all(n.endswith('.mbox') and '..' not in n and n[0] != '/' for n in names), names\n"
    "assert 'INBOX.mbox' in names and any(n.startswith('Gel\\xf6scht/2.5') for n in names), names\n"
    "assert z.read('INBOX.mbox') == b''\n"
    "d = tempfile.mkdtemp()\n"
    "z.extractall(d)\n"
    "m = mailbox.mbox(os.path.join(d, 'Sent.mbox'))\n"
    "assert [k['subject'] for k in m][:2] == ['one', 'two'] and len(m) == 3, [k['subject'] for k "
    "in m]\n"
    "one, two, big = m[0], m[1], m[2]\n"
    "assert one.get_payload() == '>From here\\n>>From there\\nFromage\\nend\\n', "
    "one.get_payload()\n"
    "assert set(one.get_flags()) == set('ROAFDT') - {'T'} | {'T'} and two.get_flags() == 'O', "
    "one.get_flags()\n"
    "assert two.get_payload() == 'no end of line\\n'\n"
    "assert 290000 < len(big.as_bytes()) < 310000, len(big.as_bytes())\n"
    "assert b'\\r' not in z.read('Sent.mbox')\n"
    "import shutil; shutil.rmtree(d)\n";

static const char check_maildir[] =
    "import sys, zipfile, mailbox, tempfile, os\n"
    "z = zipfile.ZipFile(sys.argv[1])\n"
    "assert z.testzip() is None\n"
    "names = z.namelist()\n"
    "assert len(set(names)) == len(names), names\n"
    "assert all(n.startswith('Maildir/') and '/..' not in n.replace('/.&AC4-', '') or 1 "
    "for n in names)\n"
    "d = tempfile.mkdtemp()\n"
    "z.extractall(d)\n"
    "assert os.listdir(d) == ['Maildir'], os.listdir(d)\n"
    "root = mailbox.Maildir(os.path.join(d, 'Maildir'), create=False)\n"
    "assert len(root) == 0\n"
    "folders = root.list_folders()\n"
    "assert 'Sent' in folders and 'Gel&APY-scht.2&AC4-5' in folders, folders\n"
    "sent = root.get_folder('Sent')\n"
    "by = {m['subject']: m for m in sent if m['subject'] in ('one', 'two')}\n"
    "assert len(sent) == 3 and by['one'].get_flags() == 'DFRST' and by['two'].get_flags() == ''\n"
    "assert by['one'].get_payload() == 'From here\\n>From there\\nFromage\\nend\\n'\n"
    "assert by['two'].get_payload() == 'no end of line'\n"
    "import shutil; shutil.rmtree(d)\n";

static void test_export(void **state)
{
    fill_mailboxes();
    export_and_check("mbox", check_mbox);
    export_and_check("maildir", check_maildir);
    assert_int_equal(ask("GET", "/mail/export?format=pst", BASIC_GOOD, NULL), 400);
    assert_int_equal(ask("GET", "/mail/export", "", NULL), 401);
    assert_int_equal(ask("HEAD", "/mail/export", BASIC_GOOD, NULL), 200);
}

/* A client that goes away in the middle leaves nothing behind, and can come again. */
static void test_export_cut(void **state)
{
    fill_mailboxes();
    const struct http_listener listener = {&service, web_routes, web_is_proxy, true};
    for (int pieces = 0; pieces < 8; pieces++) {
        struct http_conn h = {.tls = true};
        assert_int_equal(ip_parse(SLICE("192.0.2.1"), &h.peer), OK);
        http_conn_init(&h, &listener, false);
        struct slice request =
            SLICE("GET /mail/export HTTP/1.1\r\nHost: mail.example.org\r\n" BASIC_GOOD "\r\n");
        assert_int_equal(h1_input(&h, request), request.n);
        for (int i = 0; i < pieces; i++) {
            autobuf piece = BUF_INIT(LIMIT_INPUT_BUFFER);
            h1_output(&h, &piece);
            if (i == 0) /* beside it, no other one */
                assert_int_equal(ask("GET", "/mail/export", BASIC_GOOD, NULL), 503);
        }
        http_conn_end(&h);
    }
    export_and_check("mbox", check_mbox);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_login),      T(test_login_refused), T(test_logout),    T(test_origin),
        T(test_rotation),   T(test_cookies),       T(test_basic),     T(test_lockout),
        T(test_api),        T(test_upload),        T(test_download),  T(test_routes),
        T(test_start),      T(test_missing_page),  T(test_plain),     T(test_assets),
        T(test_frames),     T(test_password),      T(test_forwarded), T(test_export),
        T(test_export_cut), T(test_unsent),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_free(&last.body);
    return failed;
}
