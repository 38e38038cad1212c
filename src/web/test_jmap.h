/* For tests only: a JMAP that does next to nothing, so that the web's handlers can be tested
 * without it. */
#ifndef DEPESCHE_WEB_TEST_JMAP_H
#define DEPESCHE_WEB_TEST_JMAP_H

#include "base/mem.h"
#include "jmap/jmap.h"

void jmap_session(const struct jmap_service *s, const struct jmap_user *u, struct slice base,
                  struct buf *out)
{
    buf_printf(out, "{\"user\":\"%s\",\"base\":\"%.*s\",\"session\":%llu}", u->account.address,
               SLICE_FMT(base), (unsigned long long)u->session);
}

int jmap_api(const struct jmap_service *s, const struct jmap_user *u, struct slice request,
             struct buf *out)
{
    buf_add(out, request);
    return slice_eq(request, SLICE("wrong")) ? 400 : 200;
}

struct jmap_upload {
    uint64_t n;
    char type[100];
};
static int uploads; /* that are open */

enum error jmap_upload_begin(const struct jmap_service *s, const struct jmap_user *u,
                             struct slice type, struct jmap_upload **out)
{
    if (slice_eq(type, SLICE("much/too-much")))
        return ERR_LIMIT;
    *out = mem_alloc(sizeof **out);
    snprintf((*out)->type, sizeof(*out)->type, "%.*s", SLICE_FMT(type));
    uploads++;
    return OK;
}

enum error jmap_upload_take(struct jmap_upload *up, struct slice piece)
{
    up->n += piece.n;
    return slice_eq(slice_str(up->type), SLICE("no/room")) ? ERR_QUOTA : OK;
}

enum error jmap_upload_done(struct jmap_upload *up, struct buf *json)
{
    buf_printf(json, "{\"size\":%llu,\"type\":\"%s\"}", (unsigned long long)up->n, up->type);
    jmap_upload_drop(up);
    return OK;
}

void jmap_upload_drop(struct jmap_upload *up)
{
    mem_free(up);
    uploads--;
}

static const char blob[] = "<script>alert(1)</script>";
struct jmap_blob {
    size_t at;
};
static int blobs; /* that are open */

enum error jmap_blob_open(const struct jmap_service *s, const struct jmap_user *u, struct slice id,
                          struct jmap_blob **out)
{
    if (!slice_eq(id, SLICE("M1")))
        return ERR_NOTFOUND;
    *out = mem_alloc(sizeof **out);
    blobs++;
    return OK;
}

uint64_t jmap_blob_size(const struct jmap_blob *b)
{
    return sizeof blob - 1;
}

enum error jmap_blob_read(struct jmap_blob *b, size_t max, struct buf *out)
{
    struct slice piece = slice_sub(slice_str(blob), b->at, b->at + (max < 10 ? max : 10));
    buf_add(out, piece);
    b->at += piece.n;
    return OK;
}

void jmap_blob_close(struct jmap_blob *b)
{
    mem_free(b);
    blobs--;
}

unsigned jmap_types(struct slice names)
{
    return JMAP_ALL_TYPES;
}

struct jmap_push {
    const struct jmap_service *service;
};

enum error jmap_push_begin(const struct jmap_service *s, const struct jmap_user *u, unsigned types,
                           struct waker *w, struct jmap_push **out)
{
    *out = mem_alloc(sizeof **out);
    return OK;
}

bool jmap_push_event(struct jmap_push *p, struct buf *out)
{
    return false;
}

/* No stream here looks at anything but its session when it is woken. */
void jmap_push_wake(uint64_t account)
{
}

void jmap_push_end(struct jmap_push *p)
{
    mem_free(p);
}

#endif
