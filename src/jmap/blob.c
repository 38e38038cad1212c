/* Blobs: a message, a part of one, or an upload, read as a stream. */
#include "base/mem.h"
#include "jmap/email_group.h"
#include "jmap/method.h"
#include "jmap/upload.h"
#include "message/mime.h"
#include <unistd.h>

#define BLOB_MOST (1024u * 1024 * 1024) /* a part, or an upload that a part is taken of */

struct jmap_blob {
    struct store_body body; /* of a message; owner NULL: none */
    struct buf decoded;     /* of a part */
    struct slice bytes;     /* what is read, unless it is a file */
    int fd;                 /* of an upload; else -1 */
    uint64_t size, at;
};

static struct jmap_blob *make(void)
{
    struct jmap_blob *b = mem_alloc(sizeof *b);
    *b = (struct jmap_blob){.fd = -1, .decoded = BUF_INIT(BLOB_MOST)};
    return b;
}

static void release(struct jmap_blob *b)
{
    if (b->body.owner)
        store_body_free(&b->body);
    if (b->fd >= 0)
        (void)close(b->fd);
    b->body.owner = NULL;
    b->fd = -1;
}

void jmap_blob_close(struct jmap_blob *b)
{
    release(b);
    buf_free(&b->decoded);
    mem_free(b);
}

/* Takes the next part's number off "2-1". */
static enum error next_part(struct slice *path, int64_t *number)
{
    struct slice digits;
    uint64_t n = 0;
    (void)slice_split(path, '-', &digits);
    if (digits.n == 0 || (digits.n > 1 && digits.p[0] == '0') ||
        parse_u64(digits, LIMIT_MIME_PARTS, &n))
        return ERR_NOTFOUND;
    *number = (int64_t)n;
    return OK;
}

static enum error open_body(const struct jmap_service *s, const struct jmap_user *u, uint64_t email,
                            struct store_body *out)
{
    struct view *v;
    struct email_group g;
    enum error e = store_view(s->store, u->account.id, &v);
    if (e)
        return e;
    const struct view_message *m = email_group_find(v, email, &g) ? email_group_copy(&g) : NULL;
    e = m ? store_body(s->store, u->account.id, m->mailbox, m->uid, out) : ERR_NOTFOUND;
    view_unref(v);
    return e;
}

static struct mime_part *numbered(struct mime_part *p, int64_t number)
{
    while (p && p->number != number) {
        /* Numbers are given in order of appearance: a part's children are above its own, and below
         * the next one's. */
        struct mime_part *in = p->child;
        p = p->next && p->next->number <= number ? p->next : in;
    }
    return p;
}

/* What a part's blob holds: its content; of a message its whole text. */
static enum error decode_part(struct slice raw, int64_t number, struct buf *out)
{
    struct mime_tree *tree;
    autoarena a;
    arena_init(&a, LIMIT_IMAP_TREE_ARENA);
    enum error e = mime_parse(&a, raw, &tree);
    if (e)
        return e;
    const struct mime_part *p = numbered(tree->root, number);
    if (!p || p->kind == MIME_MULTIPART)
        return ERR_NOTFOUND;
    e = mime_decode(p, out);
    if (e == ERR_INPUT) { /* an encoding that nobody knows: as it is */
        buf_reset(out);
        buf_add(out, p->body);
        e = buf_check(out);
    }
    return e;
}

static enum error open_message(const struct jmap_service *s, const struct jmap_user *u,
                               struct slice id, struct jmap_blob *b)
{
    uint64_t email;
    if (jmap_id_parse(id, 'M', &email))
        return ERR_NOTFOUND;
    enum error e = open_body(s, u, email, &b->body);
    b->bytes = b->body.raw;
    b->size = b->bytes.n;
    return e;
}

static enum error read_rest(struct jmap_blob *b, struct buf *out)
{
    enum error e = OK;
    while (!e && b->at < b->size)
        e = jmap_blob_read(b, SIZE_MAX, out);
    return e;
}

/* Takes the part's content in the place of the whole. */
static enum error take_part(struct jmap_blob *b, int64_t number)
{
    struct buf whole = BUF_INIT(BLOB_MOST), part = BUF_INIT(BLOB_MOST);
    enum error e = OK;
    if (b->fd >= 0) {
        e = read_rest(b, &whole);
        b->bytes = buf_slice(&whole);
    }
    if (!e)
        e = decode_part(b->bytes, number, &part);
    buf_free(&whole);
    buf_free(&b->decoded);
    release(b);
    b->decoded = part;
    b->bytes = buf_slice(&b->decoded);
    b->size = b->bytes.n;
    b->at = 0;
    return e;
}

/* "M12" and "U…" are whole, "M12-2" and "U…-2" are a part, "M12-2-1" is a part of the message that
 * this one is: what Email/parse names of an attached message. */
enum error jmap_blob_open(const struct jmap_service *s, const struct jmap_user *u, struct slice id,
                          struct jmap_blob **out)
{
    struct slice base = SLICE_NONE, path = id;
    int64_t part;
    (void)slice_split(&path, '-', &base);
    if (base.n == 0 || id.p[id.n - 1] == '-')
        return ERR_NOTFOUND;
    struct jmap_blob *b = make();
    enum error e =
        base.p[0] == 'U' ? upload_open(s, u, base, &b->fd, &b->size) : open_message(s, u, base, b);
    for (int level = 0; !e && path.n > 0; level++) {
        e = level < LIMIT_JMAP_BLOB_LEVELS ? next_part(&path, &part) : ERR_NOTFOUND;
        if (!e)
            e = take_part(b, part);
    }
    if (e) {
        jmap_blob_close(b);
        return e;
    }
    *out = b;
    return OK;
}

enum error jmap_blob_bytes(struct jmap_call *c, struct slice id, struct buf *out)
{
    struct jmap_blob *b;
    enum error e = jmap_blob_open(c->service, c->user, jmap_id_resolve(c, id), &b);
    if (e)
        return e;
    e = b->size > out->limit - out->n ? ERR_LIMIT : read_rest(b, out);
    jmap_blob_close(b);
    return e;
}

uint64_t jmap_blob_size(const struct jmap_blob *b)
{
    return b->size;
}

enum error jmap_blob_read(struct jmap_blob *b, size_t max, struct buf *out)
{
    size_t n = b->size - b->at < max ? (size_t)(b->size - b->at) : max;
    if (n == 0)
        return OK;
    if (b->fd < 0) {
        buf_add(out, slice_sub(b->bytes, (size_t)b->at, (size_t)b->at + n));
        b->at += n;
        return buf_check(out);
    }
    uint8_t *room = buf_room(out, n);
    if (!room)
        return ERR_LIMIT;
    ssize_t got = pread(b->fd, room, n, (off_t)b->at);
    if (got <= 0) /* a file that became shorter, too */
        return ERR_IO;
    buf_grew(out, (size_t)got);
    b->at += (uint64_t)got;
    return OK;
}
