/* For tests only: an HTTP/2 client on nghttp2 that knows no socket, and frames written by hand. */
#ifndef DEPESCHE_WEB_TEST_H2_H
#define DEPESCHE_WEB_TEST_H2_H

#include "web/test_http.h"
#include <nghttp2/nghttp2.h>

struct test_stream {
    int status, code; /* code: of the end, -1: none yet */
    uint64_t n;       /* bytes of the body */
    char head[4096], body[4096];
    size_t head_n;
    uint64_t to_send;
    bool used;
};

struct test_client {
    nghttp2_session *session;
    struct test_stream stream[512]; /* by (id - 1) / 2 */
    int goaway;                     /* its code, -1: none */
    int pings;
};

static struct test_stream *client_stream(struct test_client *c, int32_t id)
{
    return &c->stream[(id - 1) / 2 % 512];
}

static int client_on_header(nghttp2_session *session, const nghttp2_frame *f, const uint8_t *name,
                            size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags,
                            void *arg)
{
    struct test_stream *s = client_stream(arg, f->hd.stream_id);
    uint32_t status;
    if (slice_eq(slice_of(name, name_n), SLICE(":status")) &&
        parse_u32(slice_of(value, value_n), 999, &status) == OK)
        s->status = (int)status;
    if (s->head_n < sizeof s->head)
        s->head_n +=
            (size_t)snprintf(s->head + s->head_n, sizeof s->head - s->head_n, "%.*s: %.*s\n",
                             (int)name_n, (const char *)name, (int)value_n, (const char *)value);
    return 0;
}

static int client_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                          size_t n, void *arg)
{
    struct test_stream *s = client_stream(arg, id);
    for (size_t i = 0; i < n && s->n + i < sizeof s->body - 1; i++)
        s->body[s->n + i] = (char)data[i];
    s->n += n;
    return 0;
}

static int client_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    client_stream(arg, id)->code = (int)code;
    return 0;
}

static int client_on_frame(nghttp2_session *session, const nghttp2_frame *f, void *arg)
{
    struct test_client *c = arg;
    if (f->hd.type == NGHTTP2_GOAWAY)
        c->goaway = (int)f->goaway.error_code;
    c->pings += f->hd.type == NGHTTP2_PING;
    return 0;
}

TEST_UNUSED static void client_new(struct test_client *c, uint32_t window)
{
    nghttp2_session_callbacks *cb;
    *c = (struct test_client){.goaway = -1};
    if (nghttp2_session_callbacks_new(&cb) != 0)
        bug("nghttp2");
    nghttp2_session_callbacks_set_on_header_callback(cb, client_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, client_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, client_on_frame);
    if (nghttp2_session_client_new(&c->session, cb, c) != 0)
        bug("nghttp2");
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry s = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    if (nghttp2_submit_settings(c->session, 0, &s, 1) != 0)
        bug("nghttp2");
}

static ssize_t client_on_read(nghttp2_session *session, int32_t id, uint8_t *room, size_t size,
                              uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct test_stream *s = client_stream(arg, id);
    size_t n = s->to_send < size ? (size_t)s->to_send : size;
    memset(room, 'x', n);
    s->to_send -= n;
    if (s->to_send == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static nghttp2_nv client_nv(const char *name, const char *value)
{
    nghttp2_nv nv = {.namelen = strlen(name), .valuelen = strlen(value)};
    memcpy(&nv.name, &name, sizeof name);
    memcpy(&nv.value, &value, sizeof value);
    return nv;
}

/* Fields as "name", "value", ..., NULL. A body of `body` bytes 'x'; 0: none. */
TEST_UNUSED static int32_t client_ask(struct test_client *c, const char *method, const char *path,
                                      uint64_t body, const char *const *fields)
{
    nghttp2_nv nv[128];
    size_t n = 0;
    nv[n++] = client_nv(":method", method);
    nv[n++] = client_nv(":scheme", "https");
    nv[n++] = client_nv(":authority", "a");
    nv[n++] = client_nv(":path", path);
    for (; fields && fields[0] && n < 128; fields += 2)
        nv[n++] = client_nv(fields[0], fields[1]);
    nghttp2_data_provider data = {.read_callback = client_on_read};
    int32_t id = nghttp2_submit_request(c->session, NULL, nv, n, body ? &data : NULL, NULL);
    if (id < 0)
        bug("nghttp2: %s", nghttp2_strerror(id));
    *client_stream(c, id) = (struct test_stream){.code = -1, .to_send = body, .used = true};
    return id;
}

/* What the client wants to send now. */
TEST_UNUSED static void client_speak(struct test_client *c, struct buf *out)
{
    const uint8_t *p;
    ssize_t n;
    while (out->n < 65536 && (n = nghttp2_session_mem_send(c->session, &p)) > 0)
        buf_add(out, slice_of(p, (size_t)n));
}

TEST_UNUSED static bool client_hear(struct test_client *c, struct slice s)
{
    return nghttp2_session_mem_recv(c->session, s.p, s.n) >= 0;
}

/* Both talk until nobody has anything to say. */
TEST_UNUSED static void talk(struct test_client *c, struct test_machine *m)
{
    for (;;) {
        size_t before = m->in.n;
        client_speak(c, &m->in);
        bool said = m->in.n > before;
        machine_run(m);
        if (m->out.n && !client_hear(c, buf_slice(&m->out)))
            bug("the server breaks the protocol");
        if (!said && m->out.n == 0)
            return;
        buf_reset(&m->out);
    }
}

/* --- By hand --- */

TEST_UNUSED static void frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t stream,
                              struct slice payload)
{
    buf_byte(b, (uint8_t)(payload.n >> 16));
    buf_byte(b, (uint8_t)(payload.n >> 8));
    buf_byte(b, (uint8_t)payload.n);
    buf_byte(b, type);
    buf_byte(b, flags);
    buf_u32(b, stream);
    buf_add(b, payload);
}

TEST_UNUSED static void preface(struct buf *b)
{
    buf_lit(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(b, NGHTTP2_SETTINGS, 0, 0, SLICE(""));
}

/* "GET / a" in HPACK without a table. */
#define HEAD_GET                                                                                   \
    SLICE("\x82\x84\x87\x41\x01"                                                                   \
          "a")
#define HEAD_POST                                                                                  \
    SLICE("\x83\x84\x87\x41\x01"                                                                   \
          "a")

#endif
