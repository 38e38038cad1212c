/* The row that listings show: a fixed head, nine lengths, nine texts; big-endian. */
#include "base/cursor.h"
#include "store/internal.h"

#define META_VERSION 1
#define META_TEXTS   9

static size_t count_lines(struct slice s)
{
    size_t n = 0;
    for (const uint8_t *p = s.p; s.n > 0 && (p = memchr(p, '\n', s.n - (size_t)(p - s.p))); p++)
        n++;
    return n;
}

void meta_encode(const struct summary *m, struct slice prefix, struct buf *out)
{
    const struct slice texts[META_TEXTS] = {prefix,        m->envelope,    m->body_structure,
                                            m->message_id, m->in_reply_to, m->references,
                                            m->subject,    m->from,        m->preview};
    size_t total = 10 + 4 * META_TEXTS;
    for (size_t i = 0; i < META_TEXTS; i++)
        total += texts[i].n;
    (void)buf_room(out, total);
    buf_byte(out, META_VERSION);
    buf_byte(out, m->has_attachment);
    buf_u32(out, m->header_size + (uint32_t)prefix.n);
    buf_u32(out, m->lines + (uint32_t)count_lines(prefix));
    for (size_t i = 0; i < META_TEXTS; i++)
        buf_u32(out, (uint32_t)texts[i].n);
    for (size_t i = 0; i < META_TEXTS; i++)
        buf_add(out, texts[i]);
}

enum error meta_decode(struct slice data, struct meta *m)
{
    struct cursor c = cur_of(data);
    uint32_t length[META_TEXTS];
    struct slice *const text[META_TEXTS] = {&m->prefix,     &m->envelope,    &m->structure,
                                            &m->message_id, &m->in_reply_to, &m->references,
                                            &m->subject,    &m->from,        &m->preview};
    uint8_t version = cur_u8(&c);
    m->has_attachment = cur_u8(&c) != 0;
    m->header_size = cur_u32(&c);
    m->lines = cur_u32(&c);
    for (size_t i = 0; i < META_TEXTS; i++)
        length[i] = cur_u32(&c);
    for (size_t i = 0; i < META_TEXTS; i++)
        *text[i] = cur_take(&c, length[i]);
    return cur_ok(&c) && version == META_VERSION ? OK : ERR_INPUT;
}
