/* Sections: what stands between the brackets of BODY[...] and BINARY[...] (RFC 9051 6.4.5), and
 * the bytes of a message that they name. Pure functions over a message's bytes: no connection, no
 * store. */
#ifndef DEPESCHE_IMAP_SECTION_H
#define DEPESCHE_IMAP_SECTION_H

#include "message/mime.h"

enum section_text {
    SECTION_ALL, /* the part's content, or the message when there is no part number */
    SECTION_HEADER,
    SECTION_FIELDS,
    SECTION_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME, /* only with a part number */
};

struct section {
    const uint32_t *path; /* part numbers, each >= 1; at most LIMIT_MIME_DEPTH are useful */
    size_t depth;
    enum section_text text;
    const struct slice *fields; /* of SECTION_FIELDS and SECTION_FIELDS_NOT, as the client wrote */
    size_t n_fields;
};

/* "<first.count>" after a section. */
struct partial {
    bool set;
    uint64_t first, count;
};

/* Reads "1.2.HEADER.FIELDS" and the like: all of a section but the list of fields, which the
 * caller reads when text is SECTION_FIELDS or SECTION_FIELDS_NOT. Fills path, depth and text; the
 * path lives in `a`. ERR_INPUT when it is no section, ERR_LIMIT at the arena's cap. */
must_use enum error section_parse(struct arena *a, struct slice s, struct section *out);

/* True when finding the section takes the message's MIME structure. */
bool section_needs_tree(const struct section *s);

/* The section of the message `raw`, whose structure is `tree` (may be NULL when
 * !section_needs_tree). *out points into `raw`, or into `made` (emptied first) when bytes had to be
 * put together; out->p is NULL when the message has no such section. ERR_LIMIT when `made` is full.
 */
must_use enum error section_find(const struct section *s, struct slice raw,
                                 const struct mime_tree *tree, struct buf *made, struct slice *out);

/* The section with its Content-Transfer-Encoding undone (RFC 9051 6.4.5, BINARY). Only path and
 * depth of `s` count; a whole message and a multipart have no encoding of their own. ERR_INPUT when
 * the encoding is unknown. Otherwise as section_find. */
must_use enum error section_find_binary(const struct section *s, struct slice raw,
                                        const struct mime_tree *tree, struct buf *made,
                                        struct slice *out);

/* The bytes of a section that a partial asks for; nothing, not an error, when it starts past the
 * end. */
struct slice partial_of(struct partial p, struct slice s);

/* Writes the section as a response names it: "1.2.HEADER.FIELDS (Subject From)". */
void section_print(const struct section *s, struct buf *out);

#endif
