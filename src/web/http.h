/* HTTP for the handlers: one exchange is a request and its response, whether it came as HTTP/1.1 or
 * as a stream of HTTP/2 (RFC 9110, 9112, 9113). The machines below it (h1.c on llhttp, h2.c on
 * nghttp2) turn bytes into exchanges and answers into bytes; serve.c is the net/runtime protocol
 * that chooses one by ALPN, bounds everything, and parks.
 *
 * An exchange runs on the worker that owns its connection, one function at a time:
 *
 *   begin(x)   the head is there. Says what is to become of the body: http_take_body() collects it,
 *              http_stream_body() passes it on piece by piece; neither: there must be none (413).
 *              May answer at once: what comes of the body is then thrown away.
 *   finish(x)  the whole body is there; must answer. Not called when begin() did.
 *
 * Either may be NULL when the other answers.
 *
 * The route is chosen in routes.c by host and path. Paths have been checked and percent-decoded
 * before: no NUL, no "..", no "//", no encoded '/', valid UTF-8; others are 400.
 *
 * To every response the machine adds what all pages need (security.c): Strict-Transport-Security,
 * X-Content-Type-Options, Referrer-Policy: no-referrer, Cross-Origin-Opener-Policy and
 * -Resource-Policy: same-origin, and the strict Content-Security-Policy unless the handler set one,
 * Cache-Control: no-store unless the handler set one. HEAD is answered as GET without the body. */
#ifndef DEPESCHE_WEB_HTTP_H
#define DEPESCHE_WEB_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/runtime.h"

struct http_exchange;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct http_handler {
    void (*begin)(struct http_exchange *x);
    void (*finish)(struct http_exchange *x);
};

/* --- The request; slices are valid until the exchange ends --- */

enum http_method http_method(const struct http_exchange *x);
struct slice http_host(const struct http_exchange *x); /* lower case, without port; from :authority
                                                          or Host */
struct slice http_authority(const struct http_exchange *x); /* as sent, with its port */
struct slice http_path(const struct http_exchange *x);      /* "/mail/x y", decoded */
struct slice http_query(const struct http_exchange *x);     /* after '?', as sent; may be empty */
/* A parameter of the query, percent- and plus-decoded; false when it is absent or malformed. */
bool http_parameter(struct http_exchange *x, struct slice name, struct slice *value);
/* The first field of that name (lower case); p is NULL when there is none. */
struct slice http_field(const struct http_exchange *x, const char *name);
/* A cookie's value; p is NULL when there is none, or when it stands twice. */
struct slice http_cookie(const struct http_exchange *x, const char *name);
/* Where the client is: the peer, or behind a configured proxy what its Forwarded field says (RFC
 * 7239; the last hop that is not a proxy of ours). */
struct ip http_client(const struct http_exchange *x);
bool http_is_tls(const struct http_exchange *x);
/* Does the user read German? By the query's lang=de|en, the cookie "lang", else Accept-Language. */
bool http_in_german(struct http_exchange *x);
/* Does Accept-Encoding allow this content coding: "br", "gzip"? */
bool http_accepts(const struct http_exchange *x, const char *coding);
struct arena *http_arena(struct http_exchange *x); /* LIMIT_HTTP_ARENA, gone with the exchange */
void *http_service(const struct http_exchange *x);

/* --- The body --- */

/* In begin(): collect at most `limit` bytes; more is 413. */
void http_take_body(struct http_exchange *x, size_t limit);
struct slice http_body(const struct http_exchange *x);
/* In begin(): each piece goes to take() as it comes, at most `limit` bytes in all. An error ends
 * the exchange with 507 (ERR_FULL, ERR_QUOTA), 413 (ERR_LIMIT) or 500. */
void http_stream_body(struct http_exchange *x, uint64_t limit,
                      enum error (*take)(void *arg, struct slice piece), void *arg);

/* For the handler's own state; `gone` is called when the exchange ends, however it does. */
void http_set_data(struct http_exchange *x, void *data, void (*gone)(void *data));
void *http_data(const struct http_exchange *x);

/* --- The response --- */

/* Before the answer; name in lower case. A value with a control byte is a bug(). */
void http_set_field(struct http_exchange *x, const char *name, struct slice value);

/* `type` may be NULL for an empty body. Copied. */
void http_answer(struct http_exchange *x, int status, const char *type, struct slice body);
/* Takes the buffer over; *body is empty afterwards. */
void http_answer_buf(struct http_exchange *x, int status, const char *type, struct buf *body);
/* `body` stays as long as the program: built-in assets. */
void http_answer_static(struct http_exchange *x, int status, const char *type, struct slice body);
/* 303 for GET and POST, 308 else when `permanent`. */
void http_redirect(struct http_exchange *x, struct slice location, bool permanent);

/* A body made while it is sent. read() appends at most `max` bytes to out, and none at its end; an
 * error cuts the connection (HTTP/1.1) or resets the stream, so that nobody takes a part for the
 * whole. It is called as the peer takes, and may read a disk, but not wait for anything else. */
struct http_source {
    enum error (*read)(void *arg, size_t max, struct buf *out);
    void (*free)(void *arg);
    void *arg;
    int64_t length; /* -1: not known */
};
void http_answer_source(struct http_exchange *x, int status, const char *type,
                        const struct http_source *source);

/* Server-sent events (WHATWG HTML 9.2). The answer stays open and parked. wake() is called after
 * the waker http_waker() was woken and when `tick_ms` passed without it, sometimes without a
 * reason, and not while the client has not taken the events before: it appends what is new, at most
 * LIMIT_HTTP_EVENTS_PENDING bytes (more ends the stream), and returns false to end the stream. The
 * stream also ends when the service stops. An idle stream costs no thread and no buffer. */
struct http_events {
    bool (*wake)(void *arg, struct buf *out);
    void (*free)(void *arg);
    void *arg;
    int tick_ms; /* 0: none */
};
void http_answer_events(struct http_exchange *x, const struct http_events *events);
/* The connection's waker; a reference of the caller's. */
struct waker *http_waker(struct http_exchange *x) must_use;

/* "application/problem+json" (RFC 7807) with type, status and detail, in the user's language where
 * `german` is given. */
void http_problem(struct http_exchange *x, int status, const char *type, const char *english,
                  const char *german);

/* --- The service --- */

struct web_service;
struct http_routes {
    /* The handler for this request; never NULL (a handler that answers 404). */
    const struct http_handler *(*find)(void *service, struct http_exchange *x);
};

/* What a listener needs: for listener_options.service. */
struct http_listener {
    void *service; /* http_service() */
    struct http_routes routes;
    bool (*is_proxy)(void *service,
                     struct ip peer); /* may its Forwarded be believed? May be NULL */
    bool hsts;                        /* TLS only */
};

/* For listener_options.protocol. With TLS: HTTP/2 or HTTP/1.1 by ALPN; without: HTTP/1.1. */
extern const struct protocol http_protocol;

#endif
