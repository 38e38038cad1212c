/* HTTPS by libcurl; see https.h. Everything that libcurl would look up, read or follow by itself is
 * switched off: addresses come from dns.h, authorities from the caller. */
#include "net/https.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "net/dial_private.h"
#include "net/tls_private.h"
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* --- Before the sandbox --- */

enum error https_prepare(void)
{
    /* libcurl's own way to do without it changes the whole process at every call. */
    (void)signal(SIGPIPE, SIG_IGN);
    tzset(); /* reads /etc/localtime, which else the first look at a certificate's dates does */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_IO;
    /* A first handle, so that what is loaded on first use is loaded now. */
    CURL *c = curl_easy_init();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    enum error e = c && ctx ? OK : ERR_IO;
    curl_easy_cleanup(c);
    SSL_CTX_free(ctx);
    return e;
}

/* --- One call --- */

struct call {
    const struct https_request *rq;
    struct https_answer *answer;
    struct buf *out;
    CURL *curl;
    CURLU *url;
    char *host;                 /* libcurl's; as the URL writes it, IPv6 in brackets */
    struct curl_slist *headers; /* of the request */
    struct curl_slist *resolve; /* the host's addresses */
    size_t header_bytes;        /* of the answer */
    int64_t deadline;
    bool refused; /* an address that is not public */
    char error[CURL_ERROR_SIZE];
};

static void call_end(struct call *c)
{
    curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->resolve);
    curl_free(c->host);
    curl_url_cleanup(c->url);
    ERR_clear_error();
}

/* libcurl's and the other server's words, for logs. */
static void tell(struct https_answer *a, const char *text)
{
    size_t n = 0;
    for (; text[n] && n + 1 < sizeof a->detail; n++)
        a->detail[n] = text[n] >= ' ' && text[n] < 127 ? text[n] : '?';
    a->detail[n] = 0;
}

static enum error give_up(struct call *c, enum error e, enum problem p, const char *detail)
{
    c->answer->problem = p;
    tell(c->answer, detail);
    return e;
}

/* --- The URL --- */

static bool url_part_absent(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool absent = curl_url_get(u, part, &text, 0) != CURLUE_OK;
    curl_free(text);
    return absent;
}

/* https://host[:port]/..., without a user. */
static enum error read_url(struct call *c)
{
    char text[LIMIT_HTTPS_URL + 1];
    if (slice_cstr(c->rq->url, text, sizeof text) != OK ||
        !slice_istarts(c->rq->url, SLICE("https://")) || !(c->url = curl_url()) ||
        curl_url_set(c->url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        !url_part_absent(c->url, CURLUPART_USER) || !url_part_absent(c->url, CURLUPART_PASSWORD) ||
        curl_url_get(c->url, CURLUPART_HOST, &c->host, 0) != CURLUE_OK)
        return give_up(c, ERR_INPUT, PROBLEM_HTTP, "not an https address");
    if (c->rq->port != 0) {
        snprintf(text, sizeof text, "%u", (unsigned)c->rq->port);
        if (curl_url_set(c->url, CURLUPART_PORT, text, 0) != CURLUE_OK)
            return give_up(c, ERR_INPUT, PROBLEM_HTTP, "not an https address");
    }
    return OK;
}

/* --- Addresses --- */

/* The address that stands in the URL itself; empty: it is a name. */
static struct slice literal(struct slice host)
{
    struct ip ip;
    if (slice_starts(host, SLICE("[")))
        host = slice_sub(host, 1, host.n - 1);
    return ip_parse(host, &ip) == OK ? host : SLICE_NONE;
}

static void add_addresses(const struct dns_answer *answer, struct buf *out, size_t *n)
{
    char text[IP_TEXT];
    for (size_t i = 0; i < answer->n && *n < LIMIT_DIAL_ADDRESSES; i++) {
        struct ip ip;
        if (dns_read_ip(answer->record[i], &ip) != OK)
            continue;
        ip_print(ip, text);
        const bool v4 = ip_is_v4(ip);
        buf_printf(out, "%s%s%s%s", *n > 0 ? "," : "", v4 ? "" : "[", text, v4 ? "" : "]");
        *n += 1;
    }
}

static enum error no_address(struct call *c, const struct dns_answer *a4,
                             const struct dns_answer *a6)
{
    const struct dns_answer *worse = a4->status > a6->status ? a4 : a6;
    char why[200];
    snprintf(why, sizeof why, "%.*s", worse->why.n < sizeof why ? (int)worse->why.n : 199,
             worse->why.p ? (const char *)worse->why.p : "");
    switch (worse->status) {
    case DNS_BOGUS:
        return give_up(c, ERR_IO, PROBLEM_BOGUS, why);
    case DNS_FAILED:
        return give_up(c, ERR_IO, PROBLEM_DNS, why);
    case DNS_NXDOMAIN:
        return give_up(c, ERR_IO, PROBLEM_NO_DOMAIN, "the web server's name does not exist");
    case DNS_NODATA:
    case DNS_OK:
        break;
    }
    return give_up(c, ERR_IO, PROBLEM_NO_HOST, "the web server's name has no address");
}

/* Looks the host up and tells libcurl, which then asks nobody. */
static enum error find_addresses(struct call *c)
{
    struct slice host = slice_str(c->host);
    char *port = NULL;
    if (literal(host).n > 0)
        return OK;
    if (!c->rq->dns)
        return give_up(c, ERR_IO, PROBLEM_DNS, "no resolver");
    if (curl_url_get(c->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return give_up(c, ERR_INPUT, PROBLEM_HTTP, "not an https address");
    autoarena a;
    arena_init(&a, LIMIT_HTTPS_ARENA);
    struct dns_answer a4, a6;
    dns_lookup(c->rq->dns, host, DNS_A, c->deadline, &a, &a4);
    dns_lookup(c->rq->dns, host, DNS_AAAA, c->deadline, &a, &a6);
    autobuf text = BUF_INIT(LIMIT_HTTPS_URL + LIMIT_DIAL_ADDRESSES * (IP_TEXT + 3));
    buf_printf(&text, "%s:%s:", c->host, port);
    curl_free(port);
    size_t n = 0;
    if (a4.status == DNS_OK)
        add_addresses(&a4, &text, &n);
    if (a6.status == DNS_OK)
        add_addresses(&a6, &text, &n);
    enum error e = n > 0 ? OK : no_address(c, &a4, &a6);
    if (e != OK)
        return e;
    buf_byte(&text, 0);
    c->resolve = text.failed ? NULL : curl_slist_append(NULL, (const char *)text.p);
    return c->resolve ? OK : give_up(c, ERR_LIMIT, PROBLEM_HTTP, "the host's name is too long");
}

/* --- What libcurl asks of us --- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    buf_add(c->out, slice_of(p, size * n));
    return c->out->failed ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    c->header_bytes += size * n;
    return c->header_bytes > LIMIT_HTTPS_HEADER ? 0 : size * n;
}

/* Called at least once a second. */
static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    return dial_stopped();
}

/* Every connection comes by here, wherever its address is from. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct call *c = arg;
    struct ip ip;
    uint16_t port;
    if (!c->rq->inside && (ip_from_sockaddr(&a->addr, &ip, &port) != OK || !ip_is_public(ip))) {
        c->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* RFC 8461 3.3: only dNSName counts; libcurl takes the common name where there is none. So OpenSSL
 * compares too, and a certificate for another name gets a result of its own. */
static CURLcode on_context(CURL *curl, void *ctx, void *arg)
{
    struct call *c = arg;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    struct slice host = literal(slice_str(c->host));
    char text[IP_TEXT + 1];
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set_depth(param, LIMIT_TLS_CHAIN_DEPTH);
    SSL_CTX_set_max_cert_list(ctx, LIMIT_TLS_CHAIN);
    bool set = host.n > 0 ? slice_cstr(host, text, sizeof text) == OK &&
                                X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1
                          : X509_VERIFY_PARAM_set1_host(param, c->host, 0) == 1;
    set = set && tls_profile_apply(ctx, c->rq->profile);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* profiles leave judging to others */
    return set ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* --- The call --- */

#define SET(option, value) (curl_easy_setopt(c->curl, (option), (value)) == CURLE_OK)

static bool add_header(struct call *c, const char *name, const char *value)
{
    char line[300];
    int n = snprintf(line, sizeof line, "%s%s", name, value);
    struct curl_slist *longer =
        n < 0 || (size_t)n >= sizeof line ? NULL : curl_slist_append(c->headers, line);
    if (longer)
        c->headers = longer;
    return longer != NULL;
}

static bool set_request(struct call *c)
{
    const struct https_request *rq = c->rq;
    if (!SET(CURLOPT_CURLU, c->url) || (c->resolve && !SET(CURLOPT_RESOLVE, c->resolve)))
        return false;
    if (rq->body.n == 0)
        return true;
    return SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body.n) &&
           SET(CURLOPT_POSTFIELDS, (const char *)rq->body.p) &&
           (!rq->type || add_header(c, "Content-Type: ", rq->type)) &&
           (!rq->encoding || add_header(c, "Content-Encoding: ", rq->encoding)) &&
           add_header(c, "Expect:", "") && /* nobody waits for a 100 */
           SET(CURLOPT_HTTPHEADER, c->headers);
}

/* The file and folder of authorities that libcurl was built with count for nothing. */
static bool set_tls(struct call *c)
{
    struct curl_blob ca = {.len = c->rq->ca_pem.n, .flags = CURL_BLOB_NOCOPY};
    memcpy(&ca.data, &c->rq->ca_pem.p, sizeof ca.data);
    return SET(CURLOPT_CAINFO_BLOB, &ca) && SET(CURLOPT_CAPATH, NULL) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           SET(CURLOPT_SSL_CTX_FUNCTION, on_context) && SET(CURLOPT_SSL_CTX_DATA, c) &&
           SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static bool set_habits(struct call *c)
{
    int64_t left = c->deadline - clock_ms();
    return SET(CURLOPT_PROTOCOLS_STR, "https") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_PROXY, "") &&
           SET(CURLOPT_NOPROXY, "*") && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_USERAGENT, "depesche") &&
           SET(CURLOPT_TIMEOUT_MS, left > 0 ? (long)left : 1L) &&
           SET(CURLOPT_ERRORBUFFER, c->error) && SET(CURLOPT_WRITEFUNCTION, on_body) &&
           SET(CURLOPT_WRITEDATA, c) && SET(CURLOPT_HEADERFUNCTION, on_header) &&
           SET(CURLOPT_HEADERDATA, c) && SET(CURLOPT_NOPROGRESS, 0L) &&
           SET(CURLOPT_XFERINFOFUNCTION, on_progress) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, on_socket) && SET(CURLOPT_OPENSOCKETDATA, c);
}

static enum problem problem_of(struct call *c, CURLcode code)
{
    long verified = X509_V_OK;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return PROBLEM_DNS;
    case CURLE_COULDNT_CONNECT:
        return PROBLEM_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return PROBLEM_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        if (curl_easy_getinfo(c->curl, CURLINFO_SSL_VERIFYRESULT, &verified) != CURLE_OK)
            return PROBLEM_CERT_BAD;
        return verified == X509_V_OK ? PROBLEM_CERT_NAME : tls_verify_problem(verified);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
        return PROBLEM_HANDSHAKE;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return PROBLEM_LOST;
    case CURLE_ABORTED_BY_CALLBACK: /* this process stops */
        return PROBLEM_BUSY;
    default:
        return PROBLEM_HTTP;
    }
}

static void read_answer(struct call *c)
{
    struct https_answer *a = c->answer;
    const char *type = NULL;
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &a->status);
    (void)curl_easy_getinfo(c->curl, CURLINFO_CONTENT_TYPE, &type);
    size_t n = 0;
    for (; type && type[n] && n + 1 < sizeof a->content_type; n++)
        a->content_type[n] = type[n] >= ' ' && type[n] < 127 ? type[n] : '?';
    a->content_type[n] = 0;
}

static enum error perform(struct call *c)
{
    c->curl = curl_easy_init();
    if (!c->curl || !set_request(c) || !set_tls(c) || !set_habits(c))
        return give_up(c, ERR_IO, PROBLEM_HTTP, "no memory for an HTTPS request");
    ERR_clear_error();
    CURLcode code = curl_easy_perform(c->curl);
    read_answer(c);
    if (code == CURLE_OK)
        return OK;
    if (c->out->failed)
        return give_up(c, ERR_LIMIT, PROBLEM_HTTP, "the answer is too large");
    if (c->refused && code == CURLE_COULDNT_CONNECT)
        return give_up(c, ERR_IO, PROBLEM_CONNECT, "its address is not public");
    enum problem p = problem_of(c, code);
    return give_up(c, p == PROBLEM_TIMEOUT ? ERR_TIMEOUT : ERR_IO, p,
                   c->error[0] ? c->error : curl_easy_strerror(code));
}

enum error https_do(const struct https_request *rq, struct https_answer *answer, struct buf *out)
{
    *answer = (struct https_answer){.problem = PROBLEM_NONE};
    struct call c = {
        .rq = rq, .answer = answer, .out = out, .deadline = clock_ms() + rq->timeout_ms};
    enum error e = read_url(&c);
    if (e == OK && rq->ca_pem.n == 0)
        e = give_up(&c, ERR_IO, PROBLEM_CERT_UNTRUSTED, "no authority is known");
    if (e == OK)
        e = find_addresses(&c);
    if (e == OK)
        e = perform(&c);
    call_end(&c);
    return e;
}
