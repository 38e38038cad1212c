/* What the files of the HTTP machinery share; handlers know web/http.h alone.
 *
 *   serve.c     the runtime's protocol: reads, feeds a machine, sends what it has, keeps deadlines
 *   h1.c, h2.c  the machines: bytes in, exchanges; answers out, at most a chunk when asked. They
 *               never touch the connection, so that a fuzzer can drive them.
 *   exchange.c  a request and its answer, alike for both
 *
 * Answers are pulled: a machine asks an exchange for its next bytes only when the peer has taken
 * those before, so that no answer piles up in memory. */
#ifndef DEPESCHE_WEB_HTTP_PRIVATE_H
#define DEPESCHE_WEB_HTTP_PRIVATE_H

#include "base/limits.h"
#include "web/http.h"

#define HTTP_NEVER INT64_MAX

struct http_pair {
    struct slice name, value;
};

/* What becomes of the request's body. */
enum http_body {
    BODY_UNASKED, /* nobody wants one: it may be empty only */
    BODY_TAKEN,
    BODY_STREAMED,
    BODY_DROPPED, /* the answer is known already */
};

enum http_answer {
    ANSWER_NONE,
    ANSWER_BYTES, /* in x->rest */
    ANSWER_SOURCE,
    ANSWER_EVENTS,
};

struct http_conn;

struct http_exchange {
    struct http_conn *h;
    struct http_exchange *next, *before; /* the connection's open ones */
    int32_t stream;                      /* HTTP/2 */
    struct arena arena;

    /* The request. */
    enum http_method method;
    bool bare;       /* no Host is needed: HTTP/1.0 */
    bool absolute;   /* the target named an authority */
    uint8_t n_hosts; /* Host fields */
    struct slice target, authority, host, path, query;
    struct http_pair *fields;
    size_t n_fields, fields_cap, head_bytes;
    struct ip client;
    int refused; /* the status that the head's faults deserve; 0: none */

    /* Its body. */
    enum http_body body_mode;
    bool complete;       /* it is all here */
    int64_t body_length; /* as announced; -1: not */
    uint64_t body_limit, body_seen;
    struct buf body;
    enum error (*take)(void *arg, struct slice piece);
    void *take_arg;
    int64_t body_begin, body_at; /* clock_ms(): the head, the last piece */

    /* The handler. */
    const struct http_handler *handler;
    void *data;
    void (*gone)(void *data);

    /* The answer. */
    enum http_answer answer;
    int status;
    struct slice type;
    struct http_pair *set;
    size_t n_set;
    int64_t length; /* of its body; -1: not known */
    char date[32], length_text[24];
    struct buf kept;
    struct slice rest; /* not yet sent of ANSWER_BYTES */
    struct http_source source;
    uint64_t source_seen;
    struct http_events events;
    bool events_due, events_over;
    int64_t tick_at;
    bool head_sent;
    bool sent; /* all of it was handed to the machine */
    bool out;  /* HTTP/2: and has left, before the request was complete */
    uint64_t pulled, mark;
    int64_t stall_at; /* by then a chunk must have been taken */
};

struct h1;
struct h2;

struct http_conn {
    struct conn *c; /* NULL: a machine alone, driven by a test */
    const struct http_listener *listener;
    struct ip peer;
    bool tls;
    bool stopping; /* the service is */
    struct h1 *h1; /* one of the two */
    struct h2 *h2;
    struct http_exchange *open;
    uint32_t n_open, requests;
    int64_t idle_at;    /* closed then, when nothing is open */
    int64_t stalled_at; /* closed then, when the peer takes nothing; HTTP_NEVER: it does */
    struct waker *waker;
};

/* --- exchange.c --- */

struct http_exchange *exchange_new(struct http_conn *h) __attribute__((returns_nonnull));
void exchange_free(struct http_exchange *x);
/* A field of the head, in the arena, its name in lower case; too many set x->refused. */
void exchange_field(struct http_exchange *x, struct slice name, struct slice value);
/* The head is whole: target, authority and fields are set. Routes it and calls begin(). */
void exchange_begin(struct http_exchange *x);
void exchange_piece(struct http_exchange *x, struct slice piece);
/* The body is whole. Calls finish(). */
void exchange_complete(struct http_exchange *x);
/* Answers with an error unless an answer is there already; what comes of the body is dropped. */
void exchange_fail(struct http_exchange *x, int status);
/* The answer's fields but those of the connection (the status, Transfer-Encoding). What add() gets
 * stays as long as the exchange. */
typedef void http_add_field(void *arg, struct slice name, struct slice value);
void exchange_fields(struct http_exchange *x, http_add_field *add, void *arg);
/* Does the answer have a body? */
bool exchange_has_body(const struct http_exchange *x);
/* Appends the answer's next bytes, at most `max`; *end when these were the last. ERR_AGAIN: none
 * now. Others: the answer cannot be completed. */
must_use enum error exchange_pull(struct http_exchange *x, size_t max, struct buf *out, bool *end);
/* When something is to be done for it, whatever happens: clock_ms() or HTTP_NEVER. */
int64_t exchange_deadline(const struct http_exchange *x);
/* Did its answer stall? */
bool exchange_stalled(const struct http_exchange *x, int64_t now);
/* Is its body late? */
bool exchange_late(const struct http_exchange *x, int64_t now);

/* --- request.c --- */

enum http_method method_of(struct slice name);
/* Splits and checks x->target and the authority; 0 or the status of the refusal. */
int request_target(struct http_exchange *x);
must_use enum error percent_decode(struct arena *a, struct slice s, bool plus, struct slice *out);

/* --- forwarded.c --- */

/* Where the client is; `fields` are all Forwarded fields in their order. ERR_INPUT: the last
 * proxy's word is malformed. */
must_use enum error forwarded_client(const struct http_exchange *x, struct ip *client);

/* --- security.c --- */

/* Calls add() for each field that the answer has beside those the handler set. */
void security_fields(const struct http_exchange *x, http_add_field *add, void *arg);

/* --- events.c --- */

/* Asks the handler for events when it is woken or its tick is due. True: there is something to
 * send. */
bool events_wake(struct http_exchange *x);
bool events_tick(struct http_exchange *x, int64_t now);

/* --- h1.c --- */

void h1_new(struct http_conn *h);
void h1_free(struct http_conn *h);
/* Takes what it can off the input and says how much that was. */
size_t h1_input(struct http_conn *h, struct slice in);
/* Appends what is to be sent, some LIMIT_WRITE_CHUNK at most; false: nothing now. */
bool h1_output(struct http_conn *h, struct buf *out);
/* Nothing more will be said or heard. */
bool h1_over(const struct http_conn *h);
void h1_timeout(struct http_conn *h, int64_t now);
int64_t h1_deadline(const struct http_conn *h);
void h1_stopping(struct http_conn *h);

/* --- h2.c --- */

void h2_new(struct http_conn *h);
void h2_free(struct http_conn *h);
size_t h2_input(struct http_conn *h, struct slice in);
bool h2_output(struct http_conn *h, struct buf *out);
bool h2_over(const struct http_conn *h);
void h2_timeout(struct http_conn *h, int64_t now);
int64_t h2_deadline(const struct http_conn *h);
void h2_stopping(struct http_conn *h);
/* An event stream has something to send. */
void h2_resume(struct http_exchange *x);

/* --- serve.c: a connection without a socket, for tests --- */

void http_conn_init(struct http_conn *h, const struct http_listener *l, bool http2);
void http_conn_end(struct http_conn *h);

#endif
