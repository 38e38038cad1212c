/* Reading a request's head: target, host, parameters, cookies, lists with qualities (RFC 9110,
 * 3986, 6265). Everything here is linear in the head, which is at most LIMIT_HTTP_HEAD. */
#include "base/utf8.h"
#include "web/http_private.h"

/* --- Percent --- */

static int hex_value(uint8_t c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum error percent_decode(struct arena *a, struct slice s, bool plus, struct slice *out)
{
    uint8_t *p = arena_alloc(a, s.n + 1);
    if (!p)
        return ERR_LIMIT;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '%') {
            int high = i + 1 < s.n ? hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return ERR_INPUT;
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        p[n++] = c;
    }
    struct slice decoded = slice_of(p, n);
    if (slice_has(decoded, 0) || !utf8_valid(decoded))
        return ERR_INPUT;
    *out = decoded;
    return OK;
}

/* --- The target --- */

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

/* A path as handlers get it: begins with '/', no empty, "." or ".." segment, no control bytes. */
static bool path_valid(struct slice path)
{
    if (path.n == 0 || path.p[0] != '/' || has_control(path))
        return false;
    struct slice rest = slice_from(path, 1), segment;
    while (slice_split(&rest, '/', &segment)) {
        if (segment.n == 0 || slice_eq(segment, SLICE(".")) || slice_eq(segment, SLICE("..")))
            return false;
    }
    return true;
}

static bool has_encoded_slash(struct slice s)
{
    for (size_t i = 0; i + 2 < s.n; i++)
        if (s.p[i] == '%' && s.p[i + 1] == '2' && (s.p[i + 2] | 32) == 'f')
            return true;
    return false;
}

static bool host_byte(uint8_t c, bool literal)
{
    if (literal)
        return hex_value(c) >= 0 || c == ':' || c == '.';
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '.' || c == '_';
}

/* "example.org:8443", "[::1]": the host in lower case without port and last dot. */
static enum error authority_host(struct arena *a, struct slice authority, struct slice *host)
{
    struct slice name;
    bool literal = authority.n > 0 && authority.p[0] == '[';
    size_t end = literal ? slice_index(authority, ']') : slice_index(authority, ':');
    if (literal) {
        if (end == authority.n)
            return ERR_INPUT;
        name = slice_sub(authority, 1, end);
        end++;
    } else {
        name = slice_sub(authority, 0, end);
    }
    uint32_t number;
    if (end < authority.n) {
        struct slice port = slice_from(authority, end + 1);
        if (authority.p[end] != ':' || (port.n && parse_u32(port, 65535, &number) != OK))
            return ERR_INPUT;
    }
    if (!literal && name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > LIMIT_DOMAIN)
        return ERR_INPUT;
    uint8_t *p = arena_alloc(a, name.n);
    if (!p)
        return ERR_LIMIT;
    for (size_t i = 0; i < name.n; i++) {
        if (!host_byte(name.p[i], literal))
            return ERR_INPUT;
        p[i] = ascii_lower(name.p[i]);
    }
    *host = slice_of(p, name.n);
    return OK;
}

/* RFC 9112 3.2.2: the authority of an absolute target counts, and Host is not looked at. */
static struct slice absolute_rest(struct http_exchange *x, struct slice target)
{
    size_t skip = slice_istarts(target, SLICE("https://")) ? 8 : 7;
    struct slice rest = slice_from(target, skip);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    x->authority = slice_sub(rest, 0, end);
    x->absolute = true;
    return slice_from(rest, end);
}

int request_target(struct http_exchange *x)
{
    struct slice target = x->target;
    if (slice_istarts(target, SLICE("http://")) || slice_istarts(target, SLICE("https://")))
        target = absolute_rest(x, target);
    if (x->n_hosts > 1 || (x->n_hosts == 0 && !x->authority.n && !x->bare))
        return 400;
    if ((x->authority.n || !x->bare || x->n_hosts) &&
        authority_host(&x->arena, x->authority, &x->host) != OK)
        return 400;
    if (slice_has(target, '#'))
        return 400;
    size_t query = slice_index(target, '?');
    x->query = slice_from(target, query + 1);
    struct slice raw = slice_sub(target, 0, query);
    if (raw.n == 0 && x->absolute)
        raw = SLICE("/");
    if (slice_eq(raw, SLICE("*")) && x->method == HTTP_OPTIONS) {
        x->path = raw;
        return 0;
    }
    if (has_encoded_slash(raw) || percent_decode(&x->arena, raw, false, &x->path) != OK ||
        !path_valid(x->path))
        return 400;
    return 0;
}

enum http_method method_of(struct slice name)
{
    static const struct {
        struct slice name;
        enum http_method method;
    } METHODS[] = {
        {SLICE_INIT("GET"), HTTP_GET},       {SLICE_INIT("HEAD"), HTTP_HEAD},
        {SLICE_INIT("POST"), HTTP_POST},     {SLICE_INIT("PUT"), HTTP_PUT},
        {SLICE_INIT("DELETE"), HTTP_DELETE}, {SLICE_INIT("OPTIONS"), HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++)
        if (slice_eq(name, METHODS[i].name))
            return METHODS[i].method;
    return HTTP_OTHER;
}

/* --- What handlers ask --- */

enum http_method http_method(const struct http_exchange *x)
{
    return x->method;
}

struct slice http_host(const struct http_exchange *x)
{
    return x->host;
}

struct slice http_authority(const struct http_exchange *x)
{
    return x->authority;
}

struct slice http_path(const struct http_exchange *x)
{
    return x->path;
}

struct slice http_query(const struct http_exchange *x)
{
    return x->query;
}

struct ip http_client(const struct http_exchange *x)
{
    return x->client;
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->h->tls;
}

struct slice http_field(const struct http_exchange *x, const char *name)
{
    struct slice wanted = slice_str(name);
    for (size_t i = 0; i < x->n_fields; i++)
        if (slice_eq(x->fields[i].name, wanted))
            return x->fields[i].value;
    return SLICE_NONE;
}

/* Decoded only where it must be and can be the name: the arena has no room for thousands of others.
 */
static bool is_named(struct http_exchange *x, struct slice raw, struct slice name)
{
    if (!slice_has(raw, '%') && !slice_has(raw, '+'))
        return slice_eq(raw, name);
    struct slice found;
    return raw.n >= name.n && raw.n <= 3 * name.n &&
           percent_decode(&x->arena, raw, true, &found) == OK && slice_eq(found, name);
}

bool http_parameter(struct http_exchange *x, struct slice name, struct slice *value)
{
    struct slice rest = x->query, pair;
    while (slice_split(&rest, '&', &pair)) {
        size_t eq = slice_index(pair, '=');
        if (is_named(x, slice_sub(pair, 0, eq), name))
            return percent_decode(&x->arena, slice_from(pair, eq + 1), true, value) == OK;
    }
    return false;
}

/* RFC 6265 4.2.1. HTTP/2 may send each cookie as a field of its own (RFC 9113 8.2.3). */
struct slice http_cookie(const struct http_exchange *x, const char *name)
{
    struct slice wanted = slice_str(name), value = SLICE_NONE;
    size_t times = 0;
    for (size_t i = 0; i < x->n_fields; i++) {
        if (!slice_eq(x->fields[i].name, SLICE("cookie")))
            continue;
        struct slice rest = x->fields[i].value, pair;
        while (slice_split(&rest, ';', &pair)) {
            pair = slice_trim(pair);
            size_t eq = slice_index(pair, '=');
            if (eq == pair.n || !slice_eq(slice_sub(pair, 0, eq), wanted))
                continue;
            value = slice_from(pair, eq + 1);
            if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
                value = slice_sub(value, 1, value.n - 1);
            times++;
        }
    }
    return times == 1 ? value : SLICE_NONE;
}

/* --- Qualities (RFC 9110 12.4.2) --- */

/* "0", "1", "0.5", "1.000" in thousandths; -1: malformed. */
static int quality_value(struct slice s)
{
    if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return -1;
    int q = (s.p[0] - '0') * 1000, unit = 100;
    for (size_t i = 2; i < s.n; i++, unit /= 10) {
        if (!ascii_digit(s.p[i]))
            return -1;
        q += (s.p[i] - '0') * unit;
    }
    return q > 1000 ? -1 : q;
}

/* One item of the list: its name without parameters, and its q. */
static bool quality_item(struct slice *list, struct slice *name, int *q)
{
    struct slice item, parameter;
    if (!slice_split(list, ',', &item))
        return false;
    *q = 1000;
    *name = SLICE("");
    if (slice_split(&item, ';', name))
        *name = slice_trim(*name);
    while (slice_split(&item, ';', &parameter)) {
        parameter = slice_trim(parameter);
        if (slice_istarts(parameter, SLICE("q=")))
            *q = quality_value(slice_from(parameter, 2));
    }
    return true;
}

/* The q of `wanted` in a list as Accept-Encoding is, in thousandths: 0 refused, -1 not named. A "*"
 * is not looked at. */
static int quality_of(struct slice list, struct slice wanted, bool prefix)
{
    struct slice name;
    int q, best = -1;
    while (quality_item(&list, &name, &q)) {
        /* "de" is meant by "de-AT", too. */
        if (prefix && name.n > wanted.n && name.p[wanted.n] == '-')
            name.n = wanted.n;
        if (q > best && slice_ieq(name, wanted))
            best = q;
    }
    return best;
}

bool http_accepts(const struct http_exchange *x, const char *coding)
{
    struct slice list = http_field(x, "accept-encoding");
    int q = quality_of(list, slice_str(coding), false);
    if (q < 0)
        q = quality_of(list, SLICE("*"), false);
    return q > 0;
}

bool http_in_german(struct http_exchange *x)
{
    struct slice chosen;
    if (!http_parameter(x, SLICE("lang"), &chosen) ||
        (!slice_eq(chosen, SLICE("de")) && !slice_eq(chosen, SLICE("en"))))
        chosen = http_cookie(x, "lang");
    if (slice_eq(chosen, SLICE("de")) || slice_eq(chosen, SLICE("en")))
        return slice_eq(chosen, SLICE("de"));
    struct slice list = http_field(x, "accept-language");
    int german = quality_of(list, SLICE("de"), true), english = quality_of(list, SLICE("en"), true);
    if (german != english || german <= 0)
        return german > english && german > 0;
    /* Both alike: the one that stands first. */
    struct slice name;
    int q;
    while (quality_item(&list, &name, &q))
        if (slice_istarts(name, SLICE("de")) || slice_istarts(name, SLICE("en")))
            return slice_istarts(name, SLICE("de"));
    return false;
}
