/* What the two files of composing share: email_compose.c writes the header, email_compose_part.c
 * the structure. */
#ifndef DEPESCHE_JMAP_EMAIL_COMPOSE_PART_H
#define DEPESCHE_JMAP_EMAIL_COMPOSE_PART_H

#include "jmap/method.h"

struct compose {
    struct jmap_call *c;
    struct buf *out;
    json_t *values; /* bodyValues */
    size_t parts;
    bool failed; /* `error` says why; the first one counts */
    struct jmap_set_error error;
};

struct jmap_set_error compose_invalid(struct compose *x, const char *property, const char *why);
/* A header:* property, of the message or of a part. */
void compose_header_property(struct compose *x, const char *property, json_t *v, bool of_part);
/* The fields Content-* and the body. */
void compose_body(struct compose *x, json_t *object);

#endif
