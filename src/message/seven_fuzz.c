/* Makes any message seven-bit. What must hold: the same parts, each decoding to the same bytes;
 * what was seven-bit stays as it is; and a second time changes nothing more. */
#include "base/limits.h"
#include "base/mem.h"
#include "message/mime.h"
#include "message/seven.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(what)                                                                                \
    do {                                                                                           \
        if (!(what))                                                                               \
            bug("%s", #what);                                                                      \
    } while (0)

static void same(const struct mime_part *a, const struct mime_part *b)
{
    for (; a && b; a = a->next, b = b->next) {
        check(a->kind == b->kind && slice_eq(a->type, b->type) && slice_eq(a->subtype, b->subtype));
        if (a->kind == MIME_LEAF) {
            struct buf was = BUF_INIT(LIMIT_MESSAGE_SIZE), is = BUF_INIT(LIMIT_MESSAGE_SIZE);
            enum error e = mime_decode(a, &was);
            check(mime_decode(b, &is) == e);
            check(slice_eq(buf_slice(&was), buf_slice(&is)));
            buf_free(&was);
            buf_free(&is);
        }
        same(a->child, b->child);
    }
    check(!a && !b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autoarena a;
    autobuf raw = BUF_INIT(LIMIT_MESSAGE_SIZE), once = BUF_INIT(LIMIT_MESSAGE_SIZE),
            twice = BUF_INIT(LIMIT_MESSAGE_SIZE);
    struct mime_tree *before, *after;
    arena_init(&a, LIMIT_MESSAGE_SIZE);
    /* As SMTP lets it in: lines end with CRLF, and no CR or LF stands alone. */
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n')
            buf_lit(&raw, "\r\n");
        else if (data[i] != '\r')
            buf_byte(&raw, data[i]);
    }
    if (buf_check(&raw) || mime_parse(&a, buf_slice(&raw), &before) ||
        seven_write(&a, buf_slice(&raw), &once) || mime_parse(&a, buf_slice(&once), &after))
        return 0;
    if (!before->cut)
        same(before->root, after->root);
    check(seven_write(&a, buf_slice(&once), &twice) == OK);
    check(slice_eq(buf_slice(&once), buf_slice(&twice)));
    return 0;
}
