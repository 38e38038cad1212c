/* FETCH items that are bytes of the message: BODY[...], BINARY[...], BINARY.SIZE[...]. */
#include "imap/fetch.h"

#include "imap/respond.h"

/* A literal cannot carry NUL (RFC 9051 CHAR8): it is shown as 0x80, as Dovecot does. The message in
 * the store keeps it; BINARY hands it out as it is. */
static void write_without_nul(struct imap_session *s, struct slice bytes)
{
    imap_lit(s, "{");
    imap_dec(s, bytes.n);
    imap_lit(s, "}\r\n");
    while (bytes.n) {
        size_t n = slice_index(bytes, 0);
        imap_write(s, slice_sub(bytes, 0, n));
        if (n < bytes.n)
            imap_lit(s, "\x80");
        bytes = slice_from(bytes, n + 1);
    }
}

static void write_bytes(struct imap_session *s, struct slice bytes, bool binary)
{
    if (!bytes.p)
        imap_lit(s, "NIL");
    else if (!bytes.n)
        imap_lit(s, "\"\"");
    else if (!slice_has(bytes, 0))
        imap_literal(s, bytes);
    else if (binary)
        imap_literal8(s, bytes);
    else
        write_without_nul(s, bytes);
}

enum error fetch_write_section(struct imap_session *s, const struct fetch_item *item,
                               const struct fetch_body *b, struct buf *made)
{
    struct slice bytes = SLICE_NONE;
    bool binary = item->what != FETCH_SECTION;
    enum error e = binary ? section_find_binary(&item->section, b->raw, b->tree, made, &bytes)
                          : section_find(&item->section, b->raw, b->tree, made, &bytes);
    if (e != OK)
        bytes = SLICE_NONE;
    imap_write(s, item->label);
    imap_lit(s, " ");
    if (item->what == FETCH_BINARY_SIZE)
        imap_dec(s, bytes.n);
    else
        write_bytes(s, bytes.p ? partial_of(item->partial, bytes) : bytes, binary);
    return e;
}
