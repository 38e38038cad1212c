/* The Content-* fields of one part, read into its node; used by the MIME parser only. */
#ifndef DEPESCHE_MESSAGE_MIME_FIELD_H
#define DEPESCHE_MESSAGE_MIME_FIELD_H

#include "message/header.h"
#include "message/mime.h"

/* What may still be read of Content-* fields, all parts together: a message of nothing else must
 * not fill the arena. */
struct mime_budget {
    size_t bytes, params;
};

/* What a part's header has shown so far. */
struct mime_fields {
    struct mime_budget *budget;
    bool is_mime;  /* MIME-Version or Content-Type was there, or the parent is a multipart */
    bool has_type; /* the first Content-Type counts */
    bool has_encoding;
};

/* A part before its header: text/plain, 7bit. */
void mime_fields_default(struct mime_part *part);
/* Takes one field into the part; fields that say nothing about structure are ignored. */
void mime_fields_take(struct arena *a, struct mime_part *part, struct mime_fields *fields,
                      const struct header_field *f);
/* At the end of the header: without MIME, Content-* means nothing; in a digest, what has no type is
 * a message. Sets the kind. */
void mime_fields_end(struct mime_part *part, const struct mime_fields *fields);

/* Language tags of a Content-Language value, one at a time: false at the end or at what is none. */
bool mime_language_next(struct arena *a, struct slice *rest, struct slice *tag);

#endif
